"""Reading PlexSync's two files beside a drain: nothing is changed or made, no lock taken. Standard library alone."""

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sync import data_folder, fast, log
from sync.errors import SetupError, quoted
from sync.lock import SharedLock
from sync.queue import schema


class File:
    """One of the two files, opened for a look at one moment, to be closed.

    A file that is missing, damaged, or so young or so old that a table is not there, has no rows.
    """

    def __init__(self, what: str, path: str, troubles: list[str]) -> None:
        self._what = what
        self._path = path
        self._troubles = troubles
        self.connection: sqlite3.Connection | None = None
        """None where there is nothing to read."""
        with self._caring():
            self.connection = _open(path) if os.path.exists(path) else None

    @contextlib.contextmanager
    def _caring(self) -> Iterator[None]:
        """Take what cannot be read for a trouble, which ends what is done inside and closes the file."""
        try:
            yield
        except (sqlite3.Error, OSError, SetupError) as error:
            self._troubles.append(trouble_of(self._what, self._path, error))
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def look(self, read: Callable[[sqlite3.Connection], Any], otherwise: Any) -> Any:
        """Return what `read` finds in the file; `otherwise` where there is no file, table or column for it."""
        if self.connection is not None:
            with self._caring():
                try:
                    return read(self.connection)
                except sqlite3.OperationalError as error:
                    if "no such" not in str(error):
                        raise
        return otherwise

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query, each a sqlite3.Row."""
        return list(self.look(lambda connection: connection.execute(query, values).fetchall(), []))

    def record(self, query: str, values: Sequence[object] = ()) -> dict[str, Any] | None:
        """Return the first row of a query by its columns' names; None where there is none."""
        return next((dict(row) for row in self.rows(query, values)), None)

    def number(self, query: str, values: Sequence[object] = ()) -> int:
        """Return the one number of a query; 0 where there is none."""
        return next((int(row[0] or 0) for row in self.rows(query, values)), 0)

    def ids(self, query: str, values: Sequence[object] = ()) -> set[int]:
        """Return the scenes that a query gives as `id`. Damaged rows name none."""
        # As one text: 100,000 rows would take twice as long.
        whole = f"SELECT json_group_array(id) FROM ({query}) WHERE typeof(id) = 'integer' AND id > 0"
        return set().union(*(json.loads(row[0]) for row in self.rows(whole, values)))


class Files(NamedTuple):
    """Both files of a data folder, and what of them cannot be read."""

    queue: File
    state: File
    troubles: list[str]


@contextlib.contextmanager
def files(data: str) -> Iterator[Files]:
    """Open both files of a data folder for a look."""
    troubles: list[str] = []
    with (
        contextlib.closing(File("queue", data_folder.queue_file(data), troubles)) as queue,
        contextlib.closing(File("state file", data_folder.state_file(data), troubles)) as state,
    ):
        yield Files(queue, state, troubles)


def trouble_of(what: str, file: str, error: Exception) -> str:
    """Say why a file cannot be read, and what mends that."""
    # Not at the top: as a rule nothing is wrong, and it costs a page's question 5 ms.
    from sync.queue import damage

    if isinstance(error, SetupError):
        return log.redact(str(error))
    if isinstance(error, sqlite3.Error) and damage.is_damage(error):
        mends = 'Press "Process queue", which sets it aside and compares every scene with Plex'
        return log.redact(f"PlexSync's {what} {quoted(file)} is damaged ({error}). {mends}")
    return log.redact(damage.why_unusable(what, file, error))


def _open(file: str) -> sqlite3.Connection:
    # Not while a damaged queue is moved away, see `schema.connect`; the state file has the drain alone.
    lock = os.path.join(os.path.dirname(file), schema.RESCUE_LOCK)
    with SharedLock(lock) if os.path.basename(file) == data_folder.QUEUE_FILE else contextlib.nullcontext():
        # Never made by this: it may be moved away at this moment.
        connection = fast.connect(file, address(file, "rw"))
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("PRAGMA schema_version")  # SQLite opens its files at the first read only
        except BaseException:
            connection.close()
            raise
    return connection


def address(file: str, mode: str) -> str:
    """Return a file's address in SQLite's own words; it takes no server in it, as pathlib writes that of a share."""
    path = os.path.abspath(file).replace(os.sep, "/")
    for character in "%?#":
        path = path.replace(character, f"%{ord(character):X}")
    return f"file://{'' if path.startswith('/') else '/'}{path}?mode={mode}"


def libraries(state: File) -> list[dict[str, Any]]:
    """Return the libraries of the server in use, each with its `name` and how many of its `items` scenes hold."""
    # Counted over narrow indexes and not the table, whose rows are wide: all of its items, without those of nobody.
    query = (
        "SELECT title AS name, (SELECT count(*) FROM items WHERE items.machine = one.machine AND items.section = "
        "one.section) - (SELECT count(*) FROM items INDEXED BY items_of_scene WHERE scene_id = 0 AND items.machine = "
        "one.machine AND items.section = one.section) AS items FROM libraries AS one "
        "WHERE machine = (SELECT machine FROM libraries ORDER BY seen_at DESC LIMIT 1)"
    )
    return sorted(map(dict, state.rows(query)), key=lambda library: str(library["name"]).casefold())
