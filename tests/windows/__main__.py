"""Run the tests on Windows' side of things: `python -m tests.windows [arguments of pytest]`, on Linux with Wine.

On Windows itself `python -m pytest` does it.
"""

import subprocess
import sys

from tests.windows import machine

CANNOT = 3
"""The exit code where this machine lacks something; pytest's own are 0 to 5."""


def main(arguments: list[str]) -> int:
    """Return the exit code of pytest, or CANNOT."""
    try:
        machine.prepare()
    except (machine.MissingError, OSError, subprocess.CalledProcessError) as error:
        print(f"No Windows Python: {error}", file=sys.stderr)
        return CANNOT
    given = arguments or ["--ignore=tests/browser"]
    # A test that takes too long would end the whole run: Windows has no alarm that interrupts one alone.
    patience = ["-o", "timeout=600"]
    return machine.run([str(machine.PYTHON), "-m", "pytest", "-p", "no:cacheprovider", *patience, *given])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
