"""Lines for Stash's log, and its progress bar. Standard library alone.

A stderr line that starts with SOH, a level letter and STX is logged at that level (stashapp/stash,
pkg/logger/plugin.go). A line of 64 KiB or more ends Stash's reader for good, so lines are cut well below, by bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from urllib.parse import quote

LONGEST_LINE = 8_000  # bytes of text in a line; Stash's reader ends at 65,536

_SHORTEST_SECRET = 4  # shorter ones would blacken half of every line
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TOKEN = re.compile(r"(?i)((?:x-plex-token|apikey|api_key|token|password)(?:=|%3D|:\s*))[^\s&\"'<>;,]+")
_ESCAPE = re.compile("%[0-9A-F]{2}")
_secrets: set[str] = set()
_sink: Callable[[str, str], None] | None = None
_hide: Callable[[str, Collection[str]], str] | None = None
_readable: set[str] = set()
_detailed = False


def keep_secret(*values: object) -> None:
    """Blacken these tokens, keys and cookies in every line from now on, percent-encoded too."""
    for value in (value.strip() for value in values if isinstance(value, str)):
        if len(value) >= _SHORTEST_SECRET:
            encoded = {quote(value, safe="", errors="replace"), quote(value, errors="replace")}
            _secrets.update({value} | encoded | {_ESCAPE.sub(lambda m: m[0].lower(), one) for one in encoded})


def use(sink: Callable[[str, str], None] | None) -> None:
    """Hand every line to `sink` as (level letter, clean text) from now on; None: back to Stash's protocol."""
    global _sink
    _sink = sink


def hide_paths(hide: Callable[[str, Collection[str]], str] | None) -> None:
    """Have this replace the paths in every line from now on, but in what it is given as readable; None: paths stay."""
    global _hide
    _hide = hide


def hides_paths() -> bool:
    """Return whether paths are replaced."""
    return _hide is not None


def keep_readable(text: str) -> None:
    """Leave the paths in this text as they are, wherever it stands: a person has to copy it."""
    _readable.add(text)


def redact(text: str) -> str:
    """Return `text` with secrets, and what looks like a token, as `***`; under `obfuscate_paths` without paths."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _TOKEN.sub(r"\1***", text)
    return text if _hide is None else _hide(text, _readable)


def show_details(on: bool) -> None:
    """Write what is logged at debug level, and `detail`, at info level from now on, or no more."""
    global _detailed
    _detailed = on


def is_detailed() -> bool:
    """Return whether `detail` writes anything."""
    return _detailed


def detail(text: str, *values: object) -> None:
    """What explains every single step; written under `debug_logging` alone. `values` fill the `%s` of the text."""
    if _detailed:
        debug(text % values)


def debug(text: str) -> None:
    """What helps to understand a report."""
    if _detailed:
        _write("i", f"debug: {text}")
    else:
        _write("d", text)


def info(text: str) -> None:
    """What happened to which scene."""
    _write("i", text)


def warning(text: str) -> None:
    """What went wrong and mends itself, or what a person may want to look at."""
    _write("w", text)


def error(text: str) -> None:
    """What went wrong and what to do."""
    _write("e", text)


def progress(done: float) -> None:
    """Set Stash's progress bar; `done` from 0 to 1."""
    _write("p", f"{min(1.0, max(0.0, done)):.4f}")


def one_line(text: str) -> str:
    """Return a text without what would end a line or steer a terminal: a title may hold anything."""
    return _CONTROL.sub(" ", text)


def line(level: str, text: str) -> bytes:
    """Return the bytes of one log line: one message a line, cut at a character's boundary."""
    raw = one_line(redact(text)).encode("utf-8", "replace")
    if len(raw) > LONGEST_LINE:
        raw = raw[:LONGEST_LINE].decode("utf-8", "ignore").encode() + " …".encode()
    return b"\x01" + level.encode() + b"\x02" + raw + b"\n"


def _write(level: str, text: str) -> None:
    if _sink is not None:
        _sink(level, line(level, text)[3:-1].decode())
        return
    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.flush()
        stream.buffer.write(line(level, text))
        stream.buffer.flush()
    except (OSError, ValueError, AttributeError):
        pass  # nobody reads: the work goes on without a log
