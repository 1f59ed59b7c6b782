"""Operations that take longer than a page can wait for: each works in a process of its own, and says how far it is.

`start` begins it, `look` gives what it has said so far. Both are in files of the data folder: Stash starts a new
process for each question.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sync import data_folder, hidden_paths, log
from sync.errors import PlexSyncError, SetupError, describe, quoted
from sync.lock import FileLock, is_held
from sync.pages import operations
from sync.pages.operations import Answer, Call
from sync.plex.account import begun
from sync.setup import dependencies
from sync.sleeper.launch import leave_working_directory, start_detached

PATIENCE = 60.0  # seconds after which work that no page has asked for is not wanted any more
KEPT_FOR = 3_600.0  # seconds for which an answer is kept
BEGINS_WITHIN = 20.0  # seconds in which a started process has begun, on a machine that is busy

MOMENT = 3.0  # seconds for which a page waits at once for what is over in a moment

_FOLDER = "pages"
_ASKED, _LOCK = ".asked", ".lock"  # beside an answer: when a page asked for it last, and what its process holds


class Work:
    """One operation at work, in a process of its own."""

    def __init__(self, call: Call, number: str) -> None:
        self.connection: Mapping[str, Any] = call.connection
        self.data = call.data
        self.args: Mapping[str, Any] = call.args
        self._mode = str(call.args.get("mode"))
        self._file = _file(call.data, self._mode, number)
        self._facts: Answer = {"id": number, "done": False, "progress": 0.0}
        self._told_at = 0.0

    def tell(self, **facts: Any) -> None:
        """Add facts to the answer so far, which the page gets with its next question. Raises OSError."""
        self._facts |= facts
        data_folder.put(self._file, json.dumps(self._facts))

    def progress(self, done: float) -> None:
        """Say how far it is, from 0 to 1; several times a second at the most. Raises OSError."""
        self._facts["progress"] = done
        if time.monotonic() - self._told_at > 0.3:
            self._told_at = time.monotonic()
            self.tell()

    def is_wanted(self) -> bool:
        """Return whether a page still asks for it, and none has begun another one of its kind since."""
        try:
            asked_at = os.stat(self._file + _ASKED).st_mtime
        except OSError:  # cancelled
            return False
        folder, own = os.path.split(self._file)
        # An id is the time of its beginning, and of one length for all.
        same = (name for name in os.listdir(folder) if name.startswith(f"{self._mode}.") and name.endswith(".json"))
        return time.time() - asked_at < PATIENCE and not any(name > own for name in same)


def start(call: Call) -> Answer:
    """Begin an operation; return its `id`, by which `look` knows it. Raises SetupError."""
    mode, number = str(call.args.get("mode")), f"{time.time_ns():x}"
    folder = os.path.join(call.data, _FOLDER)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _tidy(folder)
        begun.read(call.data)  # which removes the tokens that a killed sign-in has left
        file = _file(call.data, mode, number)
        Work(call, number).tell()
        _touch(file + _ASKED)
        told = {"connection": dict(call.connection), "data": call.data, "args": dict(call.args), "id": number}
        process = start_detached("--page", json.dumps(told).encode())
        if mode in operations.OF_A_MOMENT:
            _see_it_end(process)
        return _read(file)
    except OSError as error:
        why = f"{error.strerror or error} in its data folder {quoted(folder)}"
        raise SetupError(f"PlexSync cannot begin that: {why}") from None


def _see_it_end(process: int) -> None:
    """Wait a moment for a child. One that outlives us stays dead where Stash is the first process of a container."""
    end = time.monotonic() + MOMENT
    with suppress(ChildProcessError):  # the system sees to the dead itself
        while process and time.monotonic() < end and not os.waitpid(process, os.WNOHANG)[0]:
            time.sleep(0.01)


def look(call: Call) -> Answer:
    """Return what an operation has said so far; `done` when it is over. Raises SetupError for one that is not known."""
    mode, number = str(call.args.get("mode")), str(call.args.get("id"))
    file = _file(call.data, mode, number)
    try:
        facts = _read(file)
        if not facts["done"]:
            began_at = os.stat(file).st_mtime
            if not is_held(file + _LOCK) and not (facts := _read(file))["done"]:
                if not facts.get("begun") and time.time() - began_at < BEGINS_WITHIN:
                    return facts
                return facts | {"done": True, "error": "That ended before it was done. Try it again"}
            if os.path.exists(file + _ASKED):
                _touch(file + _ASKED)
        return facts
    except OSError:
        raise SetupError("That is over for too long. Try it again") from None


def cancel(call: Call) -> Answer:
    """End an operation that no page wants any more: args `what` (its name) and `id`."""
    what, number = str(call.args.get("what")), str(call.args.get("id"))
    if what not in operations.LONG:
        raise SetupError(f"args.what is {what!r:.100}; accepted: {', '.join(operations.LONG)}")
    with suppress(OSError):  # it is over
        os.remove(_file(call.data, what, number) + _ASKED)
    return {"cancelled": True}


def install(work: Work) -> Answer:
    """Have PlexSync's packages installed, where they are missing."""
    return {"installed": True}  # every operation at work begins with that


def main(raw: bytes) -> None:
    """Carry out what `start` has begun: the process itself."""
    told = json.loads(raw)
    call = Call(told["connection"], told["data"], told["args"])
    mode, file = str(call.args["mode"]), _file(call.data, str(call.args["mode"]), told["id"])
    leave_working_directory()
    lock = FileLock(file + _LOCK)
    if not lock.acquire(1.0):
        return
    log.use(lambda level, text: None)
    hidden_paths.begin({**call.connection, "DataDir": call.data})
    work = Work(call, told["id"])
    work.tell(begun=True)
    try:
        if not dependencies.is_in_reach(call.data):
            work.tell(installing=True)
        dependencies.ensure(call.data, try_again_now=True)
        facts = operations.function(mode, operations.LONG[mode])(work)
    except PlexSyncError as error:
        facts = {"error": log.redact(str(error))}
    except Exception as error:
        facts = {"error": log.redact(f"PlexSync met an error it does not know ({describe(error)}). Please report it")}
    work.tell(**facts, installing=False, done=True, progress=1.0)
    lock.release()


def _file(data: str, mode: str, number: str) -> str:
    if mode not in operations.LONG or not number.isalnum() or not number.isascii():
        raise SetupError(f"args.id is {number!r:.50}; accepted: an id that the same operation has answered")
    return os.path.join(data, _FOLDER, f"{mode}.{number}.json")


def _read(file: str) -> Answer:
    facts: Answer = json.loads(data_folder.get(file))
    return facts


def _touch(file: str) -> None:
    with open(file, "ab"):
        os.utime(file)


def _tidy(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            if time.time() - os.stat(path).st_mtime > KEPT_FOR and not is_held(path):
                os.remove(path)
        except OSError:
            continue
