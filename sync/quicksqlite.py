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

__all__ = ["sqlite3"]
