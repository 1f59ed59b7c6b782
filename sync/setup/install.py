"""Installing PlexSync's packages with pip, so that whatever happens the last good state stays.

They go into a folder beside the one they are for, are imported there in a process of their own, and only then is the
folder renamed. Only the run that installs imports this module. Standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time

from sync import data_folder, log
from sync.data_folder import WHOLE_FILE, is_whole
from sync.errors import SetupError, quoted
from sync.lock import FileLock
from sync.setup import pip

PIP_TIMEOUT = 600.0  # seconds that pip may take in all; a Raspberry Pi on a slow line needs minutes
CHECK_TIMEOUT = 120.0  # seconds that importing the installed packages may take
LOCK_WAIT = 60.0  # seconds to wait for another process that installs at this moment
RETRY_AFTER = 600.0
"""Seconds after a failed install in which only a press of the button tries again: a save a minute without
network would hold Stash's one job slot for good."""

_NETWORK = "Give Stash's machine network and pip"
_WRITABLE = "Give the folder space and Stash the right to write there"

_DEEPEST = 125
"""Characters below a folder of one install, of pydantic's deepest file while pip compiles it:
`/tmp/pip-target-12345678/lib/python/`, the file, and the number that its name bears until it is whole."""

_FAILED_FILE = "failed.json"
_FRESH, _OLD = "new-", "old-"
"""How the names of folders begin that an install works with, and has removed when it ends."""

_CHECK = """
import sys
sys.path[:0] = sys.argv[1:]
from sync.setup import dependencies
lacks = dependencies.missing()
if lacks:
    sys.exit("; ".join(lacks))
import sync.plex  # which keeps plexapi from the user's own configuration
import persistqueue.serializers.json, plexapi.server, pydantic, stashapi.classes
"""


def install(data: str, target: str, requirements: str, lacks: list[str], *, try_again_now: bool) -> None:
    """Make `target` a folder with the packages that the file `requirements` names; once, however many ask.

    `lacks`: why. `try_again_now`: within RETRY_AFTER of a failure, too. Raises SetupError with a command to run.
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
        pip.install(fresh, requirements, work, PIP_TIMEOUT)
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
    """Remove the sets that this one replaces. Those of other Pythons stay: a machine may run two."""
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


def _check(folder: str, work: str) -> None:
    """Import what was installed in a process of its own, so that a set that does not work here is never used."""
    places = [folder, data_folder.PLUGIN_FOLDER]
    code, output = pip.run(_CHECK, places, "importing the packages", work, CHECK_TIMEOUT)
    if code:
        raise SetupError(f"the packages cannot be used: {pip.clean(pip.lines_of(output)[-1])}")


def _unwritable(folder: str, error: OSError) -> str:
    return f"{quoted(folder)} cannot be written ({error.strerror or type(error).__name__})"


def _failure(target: str, requirements: str, reason: str, advice: str = _NETWORK) -> SetupError:
    command = pip.command_line(["-m", "pip", "install", "--target", target, "-r", requirements])
    log.keep_readable(command)
    return SetupError(
        f"PlexSync's packages are missing and could not be installed: {reason.rstrip('. ')}. Every job stays "
        f'queued. {advice} and press "Process queue", or run this where Stash runs (in its container, if it has '
        f"one): {command}"
    )


def _failed(target: str, requirements: str, reason: str, advice: str = _NETWORK) -> SetupError:
    note = {"at": time.time(), "for": os.path.basename(target), "reason": reason}
    with contextlib.suppress(OSError):
        data_folder.put(os.path.join(os.path.dirname(target), _FAILED_FILE), json.dumps(note))
    return _failure(target, requirements, reason, advice)


def _refuse_soon_after_failure(folder: str, target: str, requirements: str) -> None:
    try:
        note = json.loads(data_folder.get(os.path.join(folder, _FAILED_FILE)))
        at, whose, reason = float(note["at"]), note["for"], str(note["reason"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    # Of another Python or another version of the plugin says nothing about this one.
    if whose == os.path.basename(target) and 0 <= time.time() - at < RETRY_AFTER:
        raise _failure(target, requirements, reason)
