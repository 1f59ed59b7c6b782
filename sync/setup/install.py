"""Installing PlexSync's packages with pip, so that whatever happens the last good state stays.

Only the run that installs imports this module. The packages go into a folder
beside the one they are for, are imported there in a process of their own, and
only then is the folder renamed. Standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time

from sync import data_folder, log
from sync.data_folder import WHOLE_FILE, is_whole
from sync.errors import SetupError, quoted
from sync.queue.lock import FileLock

PIP_TIMEOUT = 600.0
"""Seconds that pip may take in all; a Raspberry Pi on a slow line needs minutes."""
CHECK_TIMEOUT = 120.0
"""Seconds that importing the installed packages may take."""
LOCK_WAIT = 60.0
"""Seconds to wait for another process that installs at this moment."""
RETRY_AFTER = 600.0
"""Seconds after a failed install in which only a press of the button tries again: a save a minute without
network would hold Stash's one job slot for good."""

_NETWORK = "Give Stash's machine network and pip"
_WRITABLE = "Give the folder space and Stash the right to write there"

_DEEPEST = 125
"""Characters below a folder of one install, of pydantic's deepest file while pip compiles it:
`/tmp/pip-target-12345678/lib/python/`, the file, and the number that its name bears until it is whole."""

_FAILED_FILE = "failed.json"
_FRESH = "new-"
_OLD = "old-"

# Stash kills the task and not its child. The child holds one end of a pipe whose other end the task
# holds: when the task is gone, so is pip. Not on Windows, where a read that waits on standard input
# can hang the process; there such a pip ends by itself, in a folder nobody uses.
_LEASH = "import os, threading\nthreading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()\n"
_PIP = "import runpy\nrunpy.run_module('pip', run_name='__main__', alter_sys=True)\n"
_CHECK = """
import sys
sys.path[:0] = sys.argv[1:]
from sync.setup import dependencies
lacks = dependencies.missing(dependencies.read_requirements(dependencies.requirements_file()))
if lacks:
    sys.exit("; ".join(lacks))
import sync.plex  # which keeps plexapi from the user's own configuration
import persistqueue.serializers.json, plexapi.server, pydantic, stashapi.classes
"""

# PYTHONPATH holds Stash's plugins folder, where any plugin's folder may bear a module's name. The others would
# send pip elsewhere than --target says.
_NOT_FOR_CHILDREN = ("PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON")


def install(data: str, target: str, requirements: str, lacks: list[str], *, try_again_now: bool) -> None:
    """Make `target` a folder with the packages that the file `requirements` names; once, however many ask.

    `lacks` says why, for the log. `try_again_now`: also within RETRY_AFTER of a
    failure. Raises SetupError with the command to run by hand.
    """
    folder = os.path.dirname(target)
    lock = FileLock(os.path.join(data, "deps.lock"))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not lock.acquire(LOCK_WAIT):
            raise SetupError("Another PlexSync process is installing its packages; the next run uses them")
    except OSError as error:
        raise _failure(target, requirements, _unwritable(folder, error), _WRITABLE) from None
    try:
        if is_whole(target):  # another process was faster
            return
        work = _work_folder(folder)
        try:
            _check_length(data, work)
            if os.path.isdir(target) and _adopt(target, work):
                return
            if not try_again_now:
                _refuse_soon_after_failure(folder, target, requirements)
            log.info(f"Installing PlexSync's packages once, which takes up to a minute ({'; '.join(lacks)})")
            _install(target, requirements, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        _remove_older(folder, target)
        log.info("PlexSync's packages are installed")
    except OSError as error:
        raise _failed(target, requirements, _unwritable(folder, error), _WRITABLE) from None
    finally:
        lock.release()


def _work_folder(folder: str) -> str:
    """Return a new folder for one install. Those of tasks that were stopped go: we hold the lock."""
    for name in os.listdir(folder):
        if name.startswith((_FRESH, _OLD)):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    work = os.path.join(folder, f"{_FRESH}{os.getpid()}-{time.time_ns()}")
    # pip's temporary files lie here too: they go with the folder, and moving them is a rename.
    os.makedirs(os.path.join(work, "tmp"), mode=0o700)
    return work


def _check_length(data: str, work: str) -> None:
    """Raise SetupError where the packages' paths would be too long: Windows takes 259 characters as a rule."""
    folder = os.path.join(work, "tmp", "x" * 50)
    try:
        os.mkdir(folder)
        with open(os.path.join(folder, "x" * (_DEEPEST - 55)), "w"):
            pass
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise
        raise SetupError(
            f"PlexSync's data folder {quoted(data)} has too long a path: files of the packages below it would have up "
            f"to {len(work) + _DEEPEST} characters, which this system does not take. Every job stays queued. Set the "
            "environment variable PLEXSYNC_DATA_DIR, for Stash, to a folder with a short path, such as C:\\plexsync"
        ) from None


def _adopt(target: str, work: str) -> bool:
    """Return whether a person's pip has filled the folder, which the command in our error asks for."""
    try:
        _check(target, work)
    except SetupError:
        return False
    # Installed as another user, it may be readable alone: then it is checked at every run.
    with contextlib.suppress(OSError):
        _mark_whole(target)
    log.info("PlexSync's packages are there, installed by hand")
    return True


def _install(target: str, requirements: str, work: str) -> None:
    fresh = os.path.join(work, "site")
    try:
        _pip(fresh, requirements, work)
        _check(fresh, work)
    except SetupError as error:
        raise _failed(target, requirements, str(error)) from None
    _mark_whole(fresh)
    aside = _set_aside(target) if os.path.lexists(target) else None  # not whole, or we were not here
    data_folder.move(fresh, target)
    if aside:
        shutil.rmtree(aside, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.remove(os.path.join(os.path.dirname(target), _FAILED_FILE))


def _remove_older(folder: str, target: str) -> None:
    """Remove the sets that this one replaces. Those for other Pythons stay: a machine may run two."""
    own = os.path.basename(target).rpartition("-")[0] + "-"
    with contextlib.suppress(OSError):  # in the way of nothing: the next install tries again
        for name in os.listdir(folder):
            if name.startswith(own) and name != os.path.basename(target):
                # Set aside first: what says it is whole is whole, also when this process is killed now.
                shutil.rmtree(_set_aside(os.path.join(folder, name)), ignore_errors=True)


def _mark_whole(folder: str) -> None:
    with open(os.path.join(folder, WHOLE_FILE), "w", encoding="utf-8") as file:
        file.write("PlexSync has checked the packages in this folder.\n")


def _set_aside(path: str) -> str:
    aside = os.path.join(os.path.dirname(path), f"{_OLD}{os.getpid()}-{time.time_ns()}")
    data_folder.move(path, aside)
    return aside


def _pip(fresh: str, requirements: str, work: str) -> None:
    arguments = [
        *("install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"),
        # Few tries: they hold Stash's one job slot. No compiler where a wheel will do.
        *("--retries", "1", "--prefer-binary", "--target", fresh, "-r", requirements),
        # Whatever pip.conf says: a drain that compiles its packages at each start begins 0.3 s later.
        "--compile",
    ]
    code, output = _child(_PIP, arguments, "pip", work, PIP_TIMEOUT)
    if not code:
        return
    if _lines(output)[-1].endswith("No module named pip"):
        raise SetupError(
            "this Python has no pip. Install pip first (Alpine: apk add py3-pip, Debian: apt install python3-pip, "
            f"elsewhere: {_command_line([_python(), '-m', 'ensurepip', '--user'])})"
        )
    raise SetupError(f"pip {_what_pip_said(code, output)}")


def _check(folder: str, work: str) -> None:
    """Import what was installed in a process of its own, so that a set that does not work here is never used."""
    code, output = _child(_CHECK, [folder, data_folder.PLUGIN_FOLDER], "importing the packages", work, CHECK_TIMEOUT)
    if code:
        raise SetupError(f"the packages cannot be used: {_clean(_lines(output)[-1])}")


def _child(program: str, arguments: list[str], what: str, work: str, timeout: float) -> tuple[int, str]:
    """Run a program of ours in a Python of its own; return its exit code and what it said.

    Raises SetupError when it does not start, or takes more than `timeout` seconds.
    """
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


def _what_pip_said(code: int, output: str) -> str:
    if code < 0:
        return f"was ended by signal {-code}"
    lines = _lines(output)
    errors = [text for text in lines if text.lower().startswith("error")]
    said = _clean((errors or lines)[-1])
    # pip's last word on a dead network is that there is no such package.
    causes = [text for text in lines if "connection broken by" in text or "Could not fetch URL" in text]
    if causes:
        cause = re.sub(r".*connection broken by", "connection broken by", causes[-1])
        said += f" ({_clean(re.sub(r'<[^<>]* object at [^<>]*>:? ?', '', cause))})"
    return f"said: {said}"


def _lines(output: str) -> list[str]:
    return [text.strip() for text in output.splitlines() if text.strip()] or ["nothing"]


def _clean(text: str) -> str:
    """Return what may be shown: without names and passwords in URLs, which an index of one's own may have."""
    return log.redact(re.sub(r"//[^/\s]*@", "//***@", text))[:300]


def _python() -> str:
    return sys.executable or "python3"


def _command_line(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def _unwritable(folder: str, error: OSError) -> str:
    return f"{quoted(folder)} cannot be written ({error.strerror or type(error).__name__})"


def _failure(target: str, requirements: str, reason: str, advice: str = _NETWORK) -> SetupError:
    command = _command_line([_python(), "-m", "pip", "install", "--target", target, "-r", requirements])
    log.keep_readable(command)
    return SetupError(
        f"PlexSync's packages are missing and could not be installed: {reason.rstrip('. ')}. Every job stays "
        f'queued. {advice} and press "Process queue", or run this where Stash runs (in its container, if it has '
        f"one): {command}"
    )


def _failed(target: str, requirements: str, reason: str, advice: str = _NETWORK) -> SetupError:
    """Remember a failure for `_refuse_soon_after_failure`; return its error."""
    note = {"at": time.time(), "for": os.path.basename(target), "reason": reason}
    path = os.path.join(os.path.dirname(target), _FAILED_FILE)
    with contextlib.suppress(OSError), open(path, "w", encoding="utf-8") as file:
        json.dump(note, file)
    return _failure(target, requirements, reason, advice)


def _refuse_soon_after_failure(folder: str, target: str, requirements: str) -> None:
    try:
        with open(os.path.join(folder, _FAILED_FILE), encoding="utf-8") as file:
            note = json.load(file)
        at, whose, reason = float(note["at"]), note["for"], str(note["reason"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    # Of another Python or another version of the plugin says nothing about this one.
    if whose == os.path.basename(target) and 0 <= time.time() - at < RETRY_AFTER:
        raise _failure(target, requirements, reason)
