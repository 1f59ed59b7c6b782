"""A Windows Python under Wine: fetched, put together and kept below `build/windows`."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.site import ROOT

FOLDER = ROOT / "build" / "windows"
PYTHON = FOLDER / "python" / "python.exe"
ARTIFACT = "org.bytedeco:cpython:3.11.3-1.5.9:jar:windows-x86_64"
"""A CPython for Windows as it is published for Java programs; no installer, which Wine would have to run."""
_INSIDE = "org/bytedeco/cpython/windows-x86_64/"
_NOT_NEEDED = ("include/", "libs/", "lib/test/", "lib/idlelib/", "lib/tkinter/")

TOOLS = {"wine": "wine wine64", "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64", "mvn": "maven"}
"""A program -> the Debian packages that bring it."""
NOT_FOR_WINDOWS = ("-r", "mypy", "ruff", "playwright", "types-", "pytest-cov", "coverage")
"""Lines of requirements-dev.txt that a run of the tests can do without."""
ONLY_THERE = ("colorama", "tzdata")
"""What packages ask for on Windows alone: pip looks at the machine that it runs on."""


class MissingError(Exception):
    """Something that this machine lacks; the text says what to install."""


def prepare() -> None:
    """Put the Windows Python together, unless it is there. Raises MissingError, OSError and CalledProcessError."""
    if missing := [packages for program, packages in TOOLS.items() if shutil.which(program) is None]:
        raise MissingError(f"The tests under Wine need more programs. On Debian: apt-get install {' '.join(missing)}")
    if (FOLDER / "ready").exists():
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    _unpack(_fetch())
    _patch()
    _install()
    run([str(FOLDER / "python" / "python.exe"), "-c", "import pydantic, plexapi, stashapi, persistqueue, pytest"])
    (FOLDER / "ready").touch()


def run(command: list[str]) -> int:
    """Run a program of Windows, with what it says on this process's output; return its exit code."""
    environment = {
        **os.environ,
        "WINEPREFIX": str(FOLDER / "prefix"),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",  # else it offers to download them
        "DISPLAY": "",
        "PLEXSYNC_WINE": "1",
        "PYTHONUTF8": "1",
    }
    # Pipes: Wine gives its programs no other standard handles that they can use.
    process = subprocess.Popen(
        ["wine", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.close()
    for line in process.stdout:
        sys.stdout.buffer.write(line.replace(b"\r\n", b"\n"))
        sys.stdout.flush()
    return process.wait()


def _fetch() -> Path:
    # With the version of the plugin named: an unnamed one is looked up anew each day.
    copy = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    command = ["mvn", "-q", "-B", copy, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={FOLDER}"]
    subprocess.run(command, check=True, cwd=FOLDER)
    return next(FOLDER.glob("*.jar"))


def _unpack(jar: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            inside = name.removeprefix(_INSIDE)
            if name.startswith(_INSIDE) and not name.endswith("/") and not inside.startswith(_NOT_NEEDED):
                target = PYTHON.parent / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
    jar.unlink()


def _patch() -> None:
    here, library = Path(__file__).parent, PYTHON.parent / "lib"
    built = PYTHON.parent / "bcryptprimitives.dll"
    compiler = ["x86_64-w64-mingw32-gcc", "-shared", "-O2", "-o", str(built), str(here / "bcryptprimitives.c")]
    subprocess.run([*compiler, "-ladvapi32"], check=True)
    launcher = ["-municode", "-o", str(library / "venv" / "scripts" / "nt" / "python.exe")]
    subprocess.run([compiler[0], "-O2", *launcher, str(here / "venvlauncher.c")], check=True)
    shutil.copy(here / "shims.py", library / "plexsync_shims.py")
    with open(library / "encodings" / "__init__.py", "a", encoding="utf-8") as file:
        file.write("\nimport plexsync_shims\n")


def _install() -> None:
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line.strip() and not line.startswith(NOT_FOR_WINDOWS)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--platform", "win_amd64", "--python-version", "3.11", "--only-binary=:all:"]
    command += ["--target", str(PYTHON.parent / "lib" / "site-packages"), "-r", str(ROOT / "requirements.txt")]
    subprocess.run([*command, *wanted, *ONLY_THERE], check=True)
