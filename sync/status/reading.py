"""Reading PlexSync's two files beside a drain, for whoever tells how things are. Standard library alone.

It changes nothing, makes no file and takes no lock.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sync import data_folder, fast, log
from sync.errors import SetupError
from sync.queue import damage, schema
from sync.queue.lock import SharedLock


@contextlib.contextmanager
def reading(file: str, what: str, troubles: list[str]) -> Iterator[sqlite3.Connection | None]:
    """Open a file for a look at one moment of it; None where it is missing or cannot be opened."""
    connection = None
    try:
        if os.path.exists(file):
            connection = _open(file)
        yield connection
    except (sqlite3.Error, OSError) as error:
        if connection is None:
            yield None
        if isinstance(error, sqlite3.Error) and damage.is_damage(error):
            mends = '"Process queue" sets it aside and compares every scene with Plex'
            trouble = f"PlexSync's {what} {file!r:.300} is damaged ({error}): {mends}"
        else:
            trouble = damage.why_unusable(what, file, error)
        troubles.append(log.redact(trouble))
    except SetupError as error:
        if connection is None:
            yield None
        troubles.append(log.redact(str(error)))
    finally:
        if connection is not None:
            connection.close()


def _open(file: str) -> sqlite3.Connection:
    # Not while a damaged queue is moved away, see `schema.connect`; the state file has the drain alone.
    lock = os.path.join(os.path.dirname(file), schema.RESCUE_LOCK)
    with SharedLock(lock) if os.path.basename(file) == data_folder.QUEUE_FILE else contextlib.nullcontext():
        # Never made by this: it may be moved away at this moment.
        address = Path(file).absolute().as_uri() + "?mode=rw"
        connection = fast.connect(file, address)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("PRAGMA schema_version")  # SQLite opens its files at the first read only
        except BaseException:
            connection.close()
            raise
    return connection


def rows(connection: sqlite3.Connection | None, query: str, values: Sequence[object] = ()) -> list[Any]:
    """Return the rows; none where there is no file, or one so young, or so old, that the table is not there."""
    if connection is None:
        return []
    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return []


def number(connection: sqlite3.Connection, query: str, values: tuple[object, ...] = ()) -> int:
    return next((int(row[0] or 0) for row in rows(connection, query, values)), 0)
