"""How fast edits follow one another: a Plex that fails is left time between them.

Plex writes to one database file, and somebody may be watching. So edits take a
share of the time: all of it as a rule, half as much after each failure, and a
little more after each good answer. A Plex that is slow and does not fail slows a
single writer down by itself. The rules are pure functions from one `Pace` to the
next; `Pacer` keeps the time.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sync import log
from sync.plex.exceptions import PlexTemporaryError

LEAST_SHARE = 0.1
"""Of the time that edits take at the slowest: nine times as long as an edit took, Plex is left alone."""
STEP = 0.05
"""What a good answer adds to the share."""
LONGEST_PAUSE = 3.0
"""Seconds no pause exceeds: a task holds Stash's one job slot."""
PAUSE_PER_EDIT = 0.1
"""Seconds that each edit of a run adds to the longest pause, so that a few of them are never held up for long."""
LONGEST_GAP = 3600.0
"""Seconds between two edits that no cap exceeds."""
_WEIGHT = 0.1
"""Of one answer in the usual time."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What has to be known of the edits so far."""

    share: float = 1.0
    """Of the time, what edits may take: from LEAST_SHARE to 1, which is no pause at all."""
    edits: int = 0
    """Edits that Plex has answered or failed."""
    usual: float = 0.0
    """Seconds that an edit usually takes; 0 while nothing is known."""


def after_answer(pace: Pace, seconds: float) -> Pace:
    """Return the pace after Plex took an edit in `seconds`."""
    usual = pace.usual + _WEIGHT * (seconds - pace.usual) if pace.usual else seconds
    return Pace(min(1.0, pace.share + STEP), pace.edits + 1, usual)


def after_failure(pace: Pace) -> Pace:
    """Return the pace after Plex failed an edit: an error of the server's, no answer in time, half of one."""
    return replace(pace, share=max(LEAST_SHARE, pace.share / 2), edits=pace.edits + 1)


def pause_after(pace: Pace, seconds: float) -> float:
    """Return the seconds to leave Plex alone after an edit that took `seconds`, the one that led to this pace."""
    longest = min(LONGEST_PAUSE, PAUSE_PER_EDIT * pace.edits)
    # An error that comes at once is no reason to come back at once.
    return min(longest, max(seconds, pace.usual) * (1 / pace.share - 1))


class Pacer:
    """Spaces edits out: as Plex's failures ask for, and by a cap of edits a second where there is one (0: none).

    Times in seconds. One edit is under way at a time.
    """

    def __init__(self, max_edits_per_second: float = 0.0) -> None:
        self._gap = min(LONGEST_GAP, 1 / max_edits_per_second) if max_edits_per_second > 0 else 0.0
        self._closed = threading.Event()
        self._is_told = False
        self.pace = Pace()
        """What is known of Plex in this run."""
        self.next_at = -math.inf
        """When, on the monotonic clock, the next edit may begin."""

    def wait(self, stop: Callable[[], bool]) -> bool:
        """Wait until an edit may begin; False where `stop` says so before, which is asked a few times a second."""
        while (left := self.next_at - time.monotonic()) > 0:
            if stop():
                return False
            self._closed.wait(min(left, 0.25))
        return True

    @contextmanager
    def edit(self) -> Iterator[None]:
        """Wait until an edit may be sent, and learn from how it goes; it is sent inside."""
        if not self.wait(self._closed.is_set):
            raise PlexTemporaryError("the run ends before this edit's turn")
        began = time.monotonic()
        try:
            yield
        except PlexTemporaryError:
            self._go_on(after_failure(self.pace), began)
            raise
        except Exception:  # a refusal says nothing of how busy Plex is
            self._go_on(replace(self.pace, edits=self.pace.edits + 1), began)
            raise
        self._go_on(after_answer(self.pace, time.monotonic() - began), began)

    def close(self) -> None:
        """Have nothing wait any more: the run ends."""
        self._closed.set()

    def edits_within(self, seconds: float) -> int:
        """Return how many edits fit into that time at the present pace, as far as it is known; at least one."""
        usual = self.pace.usual
        each = max(self._gap, usual + pause_after(self.pace, usual), 0.001)  # while nothing is known: one in 1 ms
        return max(1, int(seconds / each))

    def _go_on(self, pace: Pace, began: float) -> None:
        now = time.monotonic()
        was, self.pace = self.pace, pace
        self.next_at = max(began + self._gap, now + pause_after(pace, now - began))
        if pace.share < 0.5 <= was.share and not self._is_told:
            self._is_told = True
            log.info("Plex fails edits; they are spaced out")
        elif pace.share >= 1 > was.share:
            log.debug("Plex takes edits again; they follow one another without a pause")
