"""A damaged queue file: set aside, and everything compared anew. Standard library alone.

Whoever meets the damage, hook or drain, moves the file away and goes on with a
new one. Which jobs the old one held is not guessed from its bytes: the next drain
begins a batch that holds every scene against Plex, and most of them cost no request.
A hook whose row went into the old file while it was moved sees that and writes it
once more (`wake.enqueue`), so nothing falls between the two.
"""

import contextlib
import os
import sqlite3
import time

from sync import fast
from sync.data_folder import move_aside
from sync.fast import transaction
from sync.queue import batches, schema
from sync.queue.batch import SYNC_ALL
from sync.queue.lock import FileLock

_MARK = ".damaged-"
_DONE = ".recovered"
_LOCK_WAIT = 10.0  # seconds


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that a file is no good, and not that it is locked, full or not writable."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
    )


def is_damaged(file: str) -> bool:
    """Return whether a SQLite file is damaged, by SQLite's own check of all its pages."""
    if not os.path.exists(file):
        return False
    connection = sqlite3.connect(file, timeout=fast.BUSY_TIMEOUT)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.Error as error:
        return is_damage(error)
    finally:
        connection.close()


def set_aside(queue_file: str) -> bool:
    """Move a damaged queue file away, unless another process has just done so; True when this call did.

    Raises OSError.
    """
    lock = FileLock(os.path.join(os.path.dirname(queue_file), schema.RESCUE_LOCK))
    if not lock.acquire(_LOCK_WAIT):
        return False
    try:
        if not is_damaged(queue_file):
            return False
        move_aside(queue_file)
        return True
    finally:
        lock.release()


def compare_all(queue_file: str, connection: sqlite3.Connection) -> list[str]:
    """Begin a batch over all scenes where a queue file was set aside since; return the names of such files.

    `connection` is the new queue's, in autocommit mode, with its tables. Call it with the drain's lock held. A kill
    before its end begins anew, with the same batch.
    """
    folder, name = os.path.split(queue_file)
    aside = sorted(
        entry
        for entry in os.listdir(folder)
        if entry.startswith(name + _MARK) and _DONE not in entry and not entry.endswith("-shm")
    )
    if not aside:
        return []
    with transaction(connection):
        batch = batches.start(connection, SYNC_ALL, {}, time.time())
        connection.execute("UPDATE plexsync_batches SET by_itself = 1 WHERE number = ?", (int(batch.id),))
    files = list(dict.fromkeys(entry.removesuffix("-wal") for entry in aside))
    for file in files:
        for ending in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(os.path.join(folder, file + ending), os.path.join(folder, file + _DONE + ending))
    return [file + _DONE for file in files]
