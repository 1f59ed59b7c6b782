"""SQLite for the hook's path.

The standard library's `sqlite3` is CPython's own `_sqlite3` and adapters for dates, whose imports cost the person who
saves 1 ms. Its classes and functions are the very same objects, so both may be used in one process.
"""

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    import sqlite3
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # another Python than CPython
        import sqlite3

__all__ = ["sqlite3", "transaction"]


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
