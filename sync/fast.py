"""JSON and SQLite without the imports that a save would wait for.

`json` brings `re` and `enum`, which costs a hook 4 ms of about 15; `sqlite3` brings adapters for dates, 1 ms. CPython's
packages are thin layers over `_json` and `_sqlite3`: this is the part of the layers that a hook needs. Where a C module
is missing or has changed, the package itself does the work. The classes are the very same objects in both.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    import sqlite3
    from typing import Any
else:
    try:
        import _sqlite3 as sqlite3
    except ImportError:  # another Python than CPython
        import sqlite3

__all__ = ["loads", "quote", "sqlite3", "transaction"]

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
    """Return the value of a JSON document in UTF-8; its object's strings, numbers and lists.

    Raises ValueError when it is none (a RecursionError stays one).
    """
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
