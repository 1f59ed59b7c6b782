"""What the command line shows on stderr: log lines in plain text, and a progress bar below them.

Standard library alone. The bar is drawn and cleared with blanks and a carriage return, which every
terminal knows.
"""

import os
import re
from collections.abc import Mapping
from typing import TextIO

LEVELS = "tdiwe"
"""The log's levels, from the least to the gravest."""
LONGEST_BAR = 40
"""Characters between the brackets."""

_WORDS = {"t": "trace: ", "d": "debug: ", "i": "", "w": "warning: ", "e": "error: "}
_COLOURS = {"t": "\x1b[2m", "d": "\x1b[2m", "w": "\x1b[33m", "e": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def bar(done: float, width: int, label: str = "") -> str:
    """Return a progress bar of at most `width` characters; `done` from 0 to 1. Empty where nothing fits. Pure."""
    share = min(1.0, max(0.0, done)) if done == done else 0.0
    percent = f"{int(share * 100):3d} %"
    start = f"{label} " if label else ""
    room = min(LONGEST_BAR, width - len(start) - len(percent) - 3)
    if room >= 5:
        full = int(share * room)
        return f"{start}[{'#' * full}{'-' * (room - full)}] {percent}"
    return percent if len(percent) <= width else ""


def one_line(text: str) -> str:
    """Return text without what would steer a terminal: a title may hold anything. Pure."""
    return _CONTROL.sub(" ", text)


def width_of(stream: TextIO) -> int:
    """Return how many columns the terminal behind a stream has; 80 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person's terminal is behind a stream."""
    try:
        return stream.isatty()
    except (OSError, ValueError, AttributeError):
        return False


def write(stream: TextIO, text: str) -> None:
    """Write and flush; a stream that nobody reads any more stops no work."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        pass


class Screen:
    """Where log lines go while a command runs; see `log.use`. `label` stands before the bar."""

    def __init__(
        self,
        stream: TextIO,
        environment: Mapping[str, str],
        *,
        least: str = "i",
        has_bar: bool = False,
        label: str = "",
    ) -> None:
        self._stream = stream
        self._least = LEVELS.index(least)
        is_able = is_terminal(stream) and environment.get("TERM") != "dumb"
        self._has_bar = has_bar and is_able
        # Windows' older console shows colours as what they are written with.
        knows_colours = os.name != "nt" or "WT_SESSION" in environment or "TERM" in environment
        self._has_colours = is_able and knows_colours and not environment.get("NO_COLOR")
        self._label = label
        self._done: float | None = None
        self._drawn = ""

    def __call__(self, level: str, text: str) -> None:
        """Show a line of the log, or (level `p`) how far things are, from 0 to 1."""
        if level == "p":
            self._done = float(text)
            self._draw()
            return
        if level in LEVELS and LEVELS.index(level) < self._least:
            return
        start, end = (_COLOURS.get(level, ""), _PLAIN) if self._has_colours and level in _COLOURS else ("", "")
        write(self._stream, f"{self._erasure()}{start}{_WORDS.get(level, '')}{end}{text}\n")
        self._draw()

    def clear(self) -> None:
        """Take the bar away for good."""
        self._done = None
        write(self._stream, self._erasure())

    def _draw(self) -> None:
        if not self._has_bar or self._done is None:
            return
        # One column is left free: some terminals begin a new line after the last.
        wanted = bar(self._done, width_of(self._stream) - 1, self._label)
        if wanted != self._drawn:
            write(self._stream, f"{self._erasure()}{wanted}")
            self._drawn = wanted

    def _erasure(self) -> str:
        erasure = f"\r{' ' * len(self._drawn)}\r" if self._drawn else ""
        self._drawn = ""
        return erasure
