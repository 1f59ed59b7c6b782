"""Running pip, and what it said in a sentence. Standard library alone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

from sync import log
from sync.errors import SetupError

LOCK = "requirements.lock"  # beside requirements.txt: the versions that were tested, with their hashes

# Stash kills the task and not its child. The child holds one end of a pipe whose other end the task
# holds: when the task is gone, so is pip. Not on Windows, where a read that waits on standard input
# can hang the process; there such a pip ends by itself, in a folder nobody uses.
_LEASH = "import os, threading\nthreading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()\n"
_PIP = "import runpy\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n"

# PYTHONPATH holds Stash's plugins folder, where any plugin's folder may bear a module's name. The others would
# send pip elsewhere than --target says.
_NOT_FOR_CHILDREN = ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON")


class NotToBeHadError(SetupError):
    """Pip works, and these versions are not to be had: others may be."""


def install(target: str, requirements: str, work: str, timeout: float) -> None:
    """Install what was tested into `target`, or, where that is not to be had, what is newest within the bounds.

    `work`: a folder for temporary files; `timeout`: seconds for each of the two. Raises SetupError.
    """
    lock = os.path.join(os.path.dirname(requirements), LOCK)
    if os.path.exists(lock):
        try:
            return _install(target, ["--require-hashes", "-r", lock], work, timeout)
        except NotToBeHadError as error:
            log.warning(f"The tested versions of PlexSync's packages are not to be had, so others are tried: {error}")
            shutil.rmtree(target, ignore_errors=True)
    return _install(target, ["-r", requirements], work, timeout)


def _install(target: str, wanted: list[str], work: str, timeout: float) -> None:
    arguments = [
        *("install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"),
        # Few tries: they hold Stash's one job slot. No compiler where a wheel will do.
        *("--retries", "1", "--prefer-binary", "--target", target, *wanted),
        # Whatever pip.conf says: a drain that compiles its packages at each start begins 0.3 s later.
        "--compile",
    ]
    code, output = run(_PIP, arguments, "pip", work, timeout)
    if not code:
        return
    if code < 0:
        raise SetupError(f"pip was ended by signal {-code}")
    lines = lines_of(output)
    if lines[-1].endswith("No module named pip"):
        raise SetupError(
            "this Python has no pip. Install pip first (Alpine: apk add py3-pip, Debian: apt install python3-pip, "
            f"elsewhere: {command_line(['-m', 'ensurepip', '--user'])})"
        )
    said = clean(next((text for text in reversed(lines) if text.lower().startswith("error")), lines[-1]))
    # pip's last word on a dead network is that there is no such package.
    causes = [text for text in lines if "connection broken by" in text or "Could not fetch URL" in text]
    if causes:
        cause = re.sub(r".*connection broken by", "connection broken by", causes[-1])
        raise SetupError(f"pip said: {said} ({clean(re.sub(r'<[^<>]* object at [^<>]*>:? ?', '', cause))})")
    raise NotToBeHadError(f"pip said: {said}")


def run(program: str, arguments: list[str], what: str, work: str, timeout: float) -> tuple[int, str]:
    """Run a program in a Python of its own; return exit code and output. `timeout` in seconds. Raises SetupError."""
    temporary = os.path.join(work, "tmp")
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN}
    environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary))
    # What a pip.conf may have switched on: neither can be combined with --target here.
    environment.update({"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"})
    windows = sys.platform == "win32"
    said = os.path.join(work, "said")
    try:
        # Into a file: a pipe could be held open by what pip itself has started.
        with open(said, "wb") as output:
            process = subprocess.Popen(
                # -P and a folder of our own: Stash's working directory may hold a file that shadows a module.
                [_python(), "-P", "-c", program if windows else _LEASH + program, *arguments],
                cwd=temporary,
                env=environment,
                stdin=subprocess.DEVNULL if windows else subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
    except OSError as error:
        raise SetupError(f"{what} could not be started ({error.strerror})") from None
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise SetupError(f"{what} did not end within {timeout:.0f} seconds") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()
    with open(said, encoding="utf-8", errors="replace") as file:
        return code, file.read()


def command_line(arguments: list[str]) -> str:
    """Return a call of this Python for a person to copy."""
    command = [_python(), *arguments]
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def lines_of(output: str) -> list[str]:
    """Return what a program said, at least one line."""
    return [text.strip() for text in output.splitlines() if text.strip()] or ["nothing"]


def clean(text: str) -> str:
    """Return what may be shown: without names and passwords in URLs, which an index of one's own may have."""
    return log.redact(re.sub(r"//[^/\s]*@", "//***@", text))[:300]


def _python() -> str:
    return sys.executable or "python3"
