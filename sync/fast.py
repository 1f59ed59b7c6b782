"""JSON and SQLite without the imports that a save would wait for.

`json` brings `re` and `enum`, which costs a hook 4 ms of about 15; `sqlite3` brings adapters for dates, 1 ms. CPython's
packages are thin layers over `_json` and `_sqlite3`: this is the part of the layers that a hook needs. Where a C module
is missing or has changed, the package itself does the work. The classes are the very same objects in both.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    import sqlite3
    from typing import Any
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # another Python than CPython
        import sqlite3

__all__ = ["connect", "is_locked", "loads", "quote", "sqlite3", "transaction"]

BUSY_TIMEOUT = 20.0  # seconds a process waits for another's transaction; each of ours takes milliseconds
_NO_LOG = ("disk I/O error", "unable to open database file", "locking protocol")
"""What SQLite says, among other times, where the write-ahead log's memory cannot be shared."""
_FIRST_WAIT = 0.25  # seconds; where no lock works at all, a longer wait would be in vain

try:
    import _json
except ImportError:  # another Python than CPython
    _json = None  # type: ignore[assignment]


class _Context:
    """What `json.JSONDecoder` hands its scanner."""

    strict = False
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - one call a process, and the C scanner clears it


def loads(raw: bytes) -> Any:
    """Return the value of a JSON document in UTF-8. Raises ValueError when it is none (a RecursionError stays one)."""
    if _json is None:
        import json

        return json.loads(raw, strict=False)
    text = raw.decode("utf-8").strip(" \t\n\r")
    try:
        value, end = _json.make_scanner(_Context)(text, 0)  # type: ignore[arg-type]
    except StopIteration as stop:
        raise ValueError(f"no value at character {stop.value}") from None
    except SystemError:
        # The scanner of Python 3.11 has no words for a wrong document while `json` is not imported.
        import json

        return json.loads(text, strict=False)
    if end != len(text):
        raise ValueError(f"something follows at character {end}")
    return value


def quote(text: str) -> str:
    """Return a string as a JSON string in ASCII."""
    if _json is None:
        import json

        return json.dumps(text)
    return _json.encode_basestring_ascii(text)


def connect(file: str, uri: str = "") -> sqlite3.Connection:
    """Open a SQLite file in autocommit mode, a new one with a write-ahead log; empty: a temporary one.

    Where its file system has no memory to share (mergerfs, SMB, 9p), which the log needs, it gets a rollback journal.
    `uri`: its address in SQLite's own words. Raises sqlite3.Error, and SetupError where no lock of a file works.
    """
    end, is_mended = time.monotonic() + BUSY_TIMEOUT, False
    while True:
        connection = sqlite3.connect(uri or file, timeout=_FIRST_WAIT, isolation_level=None, uri=bool(uri))
        is_open = False
        try:
            # SQLite opens its files at the first read only. A file without tables is new, but where it says so.
            is_new = connection.execute("PRAGMA schema_version").fetchone() == (0,) and file and not uri
            if not is_new or connection.execute("PRAGMA user_version").fetchone() != (0,):
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
                is_open = True
                return connection
            connection.close()
            _give_journal(file)
        except sqlite3.OperationalError as error:
            connection.close()
            # Not at the top: as a rule nothing is wrong.
            from sync import lock

            lock.check(os.path.dirname(file))
            if str(error) in _NO_LOG and not is_mended:
                is_mended = True
                _give_journal(file)
            elif not is_locked(error) or time.monotonic() > end:
                raise
            time.sleep(0.005)
        finally:
            if not is_open:
                connection.close()


def _give_journal(file: str) -> None:
    """Give a new file the log, and a file whose log does not work a rollback journal; one process at a time."""
    from sync.lock import FileLock  # not at the top: once in the life of a file

    guard = FileLock(os.path.join(os.path.dirname(file), "journal.lock"))
    if not guard.acquire(BUSY_TIMEOUT):
        return
    try:
        for journal in ("WAL", "DELETE"):
            connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT, isolation_level=None)
            try:
                if journal == "DELETE":
                    # A connection that is alone keeps the log's index in its own memory, and can write the log back.
                    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                    connection.execute("PRAGMA journal_mode = DELETE")
                elif connection.execute("PRAGMA user_version").fetchone() == (0,):
                    connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA user_version = 1")  # by now it is no new file, tables or not
                return
            except sqlite3.OperationalError as error:
                if journal == "DELETE" or str(error) not in _NO_LOG:
                    raise
            finally:
                connection.close()
    finally:
        guard.release()


def is_locked(error: sqlite3.Error) -> bool:
    """Return whether an error says that another process is at work on the file at this moment."""
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


class transaction:  # noqa: N801 - reads as a statement
    """All or nothing of what is done inside, on disk afterwards; inside another one it is part of that.

    A class: contextlib would cost each save its import.
    """

    __slots__ = ("_connection", "_is_outer")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_outer = not connection.in_transaction

    def __enter__(self) -> sqlite3.Connection:
        if self._is_outer:
            self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._is_outer and self._connection.in_transaction:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
