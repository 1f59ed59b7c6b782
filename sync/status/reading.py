"""Reading PlexSync's two files beside a drain, for whoever tells how things are. Standard library alone.

It changes nothing, makes no file and takes no lock.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sync import data_folder, fast, log
from sync.errors import SetupError
from sync.queue import schema
from sync.queue.lock import SharedLock


@contextlib.contextmanager
def reading(file: str, what: str, troubles: list[str]) -> Iterator[sqlite3.Connection | None]:
    """Open a file for a look at one moment of it; None where it is missing or cannot be opened.

    What cannot be read of it ends the look, and is one of the `troubles`.
    """
    connection = opened(file, what, troubles)
    try:
        yield connection
    except (sqlite3.Error, OSError, SetupError) as error:
        troubles.append(trouble_of(what, file, error))
    finally:
        if connection is not None:
            connection.close()


def opened(file: str, what: str, troubles: list[str]) -> sqlite3.Connection | None:
    """Return a connection to one moment of a file; None where it is missing or, with a trouble, cannot be opened."""
    try:
        return _open(file) if os.path.exists(file) else None
    except (sqlite3.Error, OSError, SetupError) as error:
        troubles.append(trouble_of(what, file, error))
        return None


def trouble_of(what: str, file: str, error: Exception) -> str:
    """Say why a file cannot be read, and what mends that."""
    # Not at the top: as a rule nothing is wrong, and it costs a page's question 5 ms.
    from sync.queue import damage

    if isinstance(error, SetupError):
        return log.redact(str(error))
    if isinstance(error, sqlite3.Error) and damage.is_damage(error):
        mends = '"Process queue" sets it aside and compares every scene with Plex'
        return log.redact(f"PlexSync's {what} {file!r:.300} is damaged ({error}): {mends}")
    return log.redact(damage.why_unusable(what, file, error))


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


def libraries(ask: Callable[..., list[Any]]) -> list[dict[str, Any]]:
    """Return the libraries of the server in use, each with its `name` and how many of its `items` scenes hold.

    `ask` gives the rows of a query, with its values, to the state file.
    """
    titles = ask("SELECT machine, section, title FROM libraries ORDER BY seen_at DESC")
    machine = titles[0][0] if titles else ""
    # Over narrow indexes and not the table, whose rows are wide: all of its items, and those that nobody holds.
    items = dict(ask("SELECT section, count(*) FROM items WHERE machine = ? GROUP BY section", (machine,)))
    nobodys = (
        "SELECT section, count(*) FROM items INDEXED BY items_of_scene WHERE scene_id = 0 AND machine = ? GROUP BY 1"
    )
    free = dict(ask(nobodys, (machine,)))
    found = [
        {"name": title, "items": items.get(section, 0) - free.get(section, 0)}
        for of, section, title in titles
        if of == machine
    ]
    return sorted(found, key=lambda library: str(library["name"]).casefold())


def number(connection: sqlite3.Connection, query: str, values: tuple[object, ...] = ()) -> int:
    return next((int(row[0] or 0) for row in rows(connection, query, values)), 0)
