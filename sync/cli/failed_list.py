"""The list of failed jobs: read from the queue's file, and as a table. Standard library alone."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sync import data_folder, log
from sync.cli.terminal import one_line
from sync.errors import SetupError
from sync.queue.dead_letters import LETTER_COLUMNS, DeadLetter
from sync.status.page import clock
from sync.status.status import reading, shown

LONGEST_TITLE = 40
"""Characters of a title in the table; the JSON has all of it."""
SHORTEST_MESSAGE = 20
"""Columns that a message has at least, however narrow the terminal."""

_HEADS = ("Scene", "Title", "Error", "Tries", "When", "Message")


def read_letters(data: str, error_type: str | None = None, since: float | None = None) -> list[DeadLetter]:
    """Return the dead letters, the latest first: of one class of error, or since a moment (seconds since the epoch).

    Nothing is changed, and no file is made. Raises SetupError where the queue's file cannot be read.
    """
    troubles: list[str] = []
    found: list[DeadLetter] = []
    with reading(data_folder.queue_file(data), "queue", troubles) as connection:
        if connection is not None:
            found = [DeadLetter(*row) for row in _rows(connection, error_type, since)]
    if troubles:
        raise SetupError(troubles[0])
    return found


def _rows(connection: sqlite3.Connection, error_type: str | None, since: float | None) -> list[Any]:
    try:
        return connection.execute(
            f"SELECT {LETTER_COLUMNS} FROM plexsync_dead_letters "
            "WHERE (?1 IS NULL OR error_type = ?1) AND (?2 IS NULL OR last_at >= ?2) ORDER BY last_at DESC, scene_id",
            (error_type, since),
        ).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):  # no drain has made it yet
            raise
        return []


def as_document(letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    """Return the letters for JSON, without media paths in the messages, as the status has them."""
    found = []
    for letter in letters:
        title, message = shown(letter.title, letter.message)
        found.append(asdict(letter) | {"title": title, "message": message, "job": log.redact(letter.job)})
    return found


def said_of(letters: Sequence[DeadLetter], of_all: Sequence[DeadLetter], error_type: str | None) -> str:
    """Return in a sentence how many there are; `of_all`: those of every class. Pure."""
    if letters:
        return f"{len(letters)} failed job{'' if len(letters) == 1 else 's'}"
    if not of_all:
        return "There are no failed jobs"
    kinds = ", ".join(f"{name} ({count})" for name, count in Counter(one.error_type for one in of_all).most_common())
    return f"No failed job has error_type {error_type!r:.100}; there are: {kinds}"


def table(letters: Sequence[DeadLetter], width: int | None) -> list[str]:
    """Return the lines of a table; `width` in columns, None for as long as it takes. Pure."""
    rows = [_HEADS, *(_row(letter) for letter in letters)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(_HEADS) - 1)]
    lines = []
    for row in rows:
        start = "  ".join(cell.ljust(size) for cell, size in zip(row[:-1], widths, strict=True)) + "  "
        room = None if width is None else max(SHORTEST_MESSAGE, width - len(start))
        lines.append(f"{start}{_cut(row[-1], room)}".rstrip())
    return lines


def _row(letter: DeadLetter) -> tuple[str, ...]:
    title, message = shown(letter.title, letter.message)
    return (
        str(letter.scene_id) if letter.scene_id > 0 else "-",  # a damaged row names no scene
        _cut(one_line(title), LONGEST_TITLE),
        one_line(letter.error_type),
        str(letter.tries),
        clock(letter.last_at),
        one_line(message),
    )


def _cut(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"
