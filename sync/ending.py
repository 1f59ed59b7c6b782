"""How a task ended: a sentence for a person, and an ending that the command line's exit code is. Pure."""

from enum import IntEnum
from typing import Any


class Ending(IntEnum):
    """How it ended; the numbers are the command line's exit codes."""

    WELL = 0
    NEEDS_A_LOOK = 1  # done, but a scene failed for good, or there is something to fix
    WRONG = 2  # wrong usage or settings
    LATER = 3
    """Plex or Stash is away or stumbles, or Plex has not got a file yet: what is left goes on by itself."""
    BUSY = 4  # another run is at work, and takes what is queued
    INTERRUPTED = 130


class Report(str):
    """What a task answers: its sentence, which alone Stash is told, with how it ended and the numbers behind it."""

    ending: Ending
    facts: dict[str, Any]  # for a script: what the sentence says, by name

    def __new__(cls, said: str, ending: Ending = Ending.WELL, **facts: Any) -> "Report":
        report = super().__new__(cls, said)
        report.ending, report.facts = ending, facts
        return report


def counted(count: int, what: str) -> str:
    """Return a count of things in words."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def report_of(said: str) -> Report:
    """Return an answer as a report; a bare sentence is one of a task that ended well."""
    return said if isinstance(said, Report) else Report(said)


def worst(*endings: Ending) -> Ending:
    """Return the one of these endings that a person has to know of first."""
    return max(endings, key=_GRAVITY.index)


_GRAVITY = (Ending.WELL, Ending.LATER, Ending.NEEDS_A_LOOK, Ending.BUSY, Ending.WRONG, Ending.INTERRUPTED)
