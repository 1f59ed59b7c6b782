"""JSON for the hook, without the `re` and `enum` that importing `json` costs it (4 ms of about 15).

CPython's json package is a thin layer over the C module `_json`; this is the
part of the layer that a hook needs. Where `_json` is missing or has changed,
the package itself does the work.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
