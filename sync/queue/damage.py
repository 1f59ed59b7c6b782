"""A damaged queue file: set aside, and everything compared anew. Standard library alone.

Whoever meets the damage, hook or drain, moves the file away and goes on with a new one. Which jobs the old one held is
not guessed from its bytes: the next drain begins a batch that holds every scene against Plex, and most of them cost no
request. A hook whose row went into the old file while it was moved sees that and writes it once more (`wake.enqueue`),
so nothing falls between the two.

Windows moves no file that a process has open. A save that cannot wait for the end of that leaves a mark, and the next
drain compares everything, that save too.
"""

import contextlib
import errno
import math
import os
import sqlite3
import time

from sync import fast
from sync.data_folder import FILE_ENDINGS, move, move_aside
from sync.errors import quoted
from sync.fast import transaction
from sync.lock import FileLock
from sync.queue import batches, schema
from sync.queue.batch import SYNC_ALL

_MARK = ".damaged-"
_DONE = ".recovered"
_HELD = f"{_MARK}held"
_LOCK_WAIT = 10.0  # seconds


_FIND = "Find that program (a {}, a database browser) and end it"


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that a file is no good, and not that it is locked, full or not writable."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
    )


def why_unusable(what: str, path: str, error: Exception) -> str:
    """Say what keeps a file or folder from being used, and what to do, for an OSError or sqlite3.Error of its.

    `what` is the word for it: "queue", "data". A sentence and what mends it, without a full stop at the end.
    """
    text, number = getattr(error, "strerror", None) or str(error), getattr(error, "errno", None)
    elsewhere = "set the environment variable PLEXSYNC_DATA_DIR, for Stash, to a folder on a disk of its own machine"
    if number in (errno.ENOSPC, errno.EDQUOT) or "is full" in text:
        kind, mends = "its disk is full", f"Make free space, or {elsewhere}"
    elif getattr(error, "winerror", None) in (32, 33):
        kind, mends = "another program has it open", _FIND.format("virus scanner")
    elif (number in (errno.ENOENT, errno.ENAMETOOLONG) or "unable to open" in text) and _is_too_long(path):
        kind, mends = "its path is too long", f"{elsewhere[0].upper()}{elsewhere[1:]} with a short path"
    elif number in (errno.EACCES, errno.EPERM, errno.EROFS) or "readonly" in text or "unable to open" in text:
        kind, mends = "it is not writable for Stash's user", f"Check the permissions and the mount, or {elsewhere}"
    elif isinstance(error, sqlite3.Error) and fast.is_locked(error):
        kind, mends = "another program keeps it locked", _FIND.format("backup")
    else:
        kind, mends = "its disk or mount fails", f"Check its free space, the disk and the mount, or {elsewhere}"
    return f"PlexSync's {what} {quoted(path)} cannot be read or written: {kind} ({text}). {mends}"


def _is_too_long(path: str) -> bool:
    # Windows takes 259 characters of a file's path as a rule, SQLite 512 bytes on other systems.
    return len(os.fsencode(path)) + len("/queue/data.db-journal") >= (260 if os.name == "nt" else 512)


def is_damaged(file: str) -> bool:
    """Return whether a SQLite file is damaged, by SQLite's own check of all its pages."""
    if not os.path.exists(file):
        return False
    try:
        with contextlib.closing(fast.connect(file)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.Error as error:
        return is_damage(error)


def set_aside(queue_file: str, patience: float | None = None) -> bool:
    """Move a damaged queue file away, unless another process has just done so; True when this call did.

    `patience`: as in `data_folder.move`. Raises OSError.
    """
    lock = FileLock(os.path.join(os.path.dirname(queue_file), schema.RESCUE_LOCK))
    if not lock.acquire(_LOCK_WAIT):
        return False
    try:
        if not is_damaged(queue_file):
            return False
        move_aside(queue_file, patience)
        return True
    finally:
        lock.release()


def mark_held(queue_file: str) -> float:
    """Have the next drain compare every scene: the queue's file is damaged, and another process has it open.

    Return how many seconds ago the last save did so; infinity for none. Raises OSError.
    """
    mark = queue_file + _HELD
    before = time.time() - os.stat(mark).st_mtime if os.path.exists(mark) else math.inf
    if before >= 0:
        with open(mark, "wb"):
            pass
    return before


def compare_all(queue_file: str, connection: sqlite3.Connection) -> list[str]:
    """Begin a batch over all scenes where a damaged queue file was met since; return what became of each, in words.

    `connection` is the new queue's, in autocommit mode, with its tables. Call it with the drain's lock held. A kill
    before its end begins anew, with the same batch.
    """
    folder, name = os.path.split(queue_file)
    aside = sorted(
        entry
        for entry in os.listdir(folder)
        if entry.startswith(name + _MARK) and _DONE not in entry and not entry.endswith(("-shm", "-journal"))
    )
    if not aside:
        return []
    with transaction(connection):
        batch = batches.start(connection, SYNC_ALL, {}, time.time())
        connection.execute("UPDATE plexsync_batches SET by_itself = 1 WHERE number = ?", (int(batch.id),))
    became = []
    for file in dict.fromkeys(entry.removesuffix("-wal") for entry in aside):
        if file == name + _HELD:
            os.remove(os.path.join(folder, file))
            became.append("kept open by another program, so that saves were not put into it")
            continue
        for ending in FILE_ENDINGS:
            with contextlib.suppress(FileNotFoundError):
                move(os.path.join(folder, file + ending), os.path.join(folder, file + _DONE + ending))
        became.append(f"set aside as {file}{_DONE}")
    return became
