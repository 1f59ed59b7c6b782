"""How fast edits follow one another: a Plex that fails is left time between them.

Plex writes to one database file, and somebody may be watching. So edits take a share of the time: all of it as a
rule, half as much after each failure, and a little more after each good answer.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sync import log
from sync.plex.exceptions import PlexTemporaryError

LEAST_SHARE = 0.1  # of the time that edits take at the slowest: nine times as long as an edit took, Plex is left alone
STEP = 0.05  # what a good answer adds to the share
LONGEST_PAUSE = 3.0  # seconds no pause exceeds: a task holds Stash's one job slot
PAUSE_PER_EDIT = 0.1
"""Seconds that each edit of a run adds to the longest pause, so that a few of them are never held up for long."""
LONGEST_GAP = 3600.0  # seconds between two edits that no cap exceeds


class Pacer:
    """Spaces edits out, one at a time: as Plex's failures ask for, and by a cap a second (0: none). Times: seconds."""

    def __init__(self, max_edits_per_second: float = 0.0) -> None:
        self._gap = min(LONGEST_GAP, 1 / max_edits_per_second) if max_edits_per_second > 0 else 0.0
        self._is_told = False
        self.share = 1.0  # of the time, what edits may take: from LEAST_SHARE to 1, which is no pause at all
        self.edits = 0  # edits that Plex has answered or failed
        self.usual = 0.0  # seconds that an edit usually takes; 0 while nothing is known
        self.next_at = -math.inf  # when, on the monotonic clock, the next edit may begin

    def wait(self, stop: Callable[[], bool]) -> bool:
        """Wait until an edit may begin; False where `stop` says so before, which is asked a few times a second."""
        while (left := self.next_at - time.monotonic()) > 0:
            if stop():
                return False
            time.sleep(min(left, 0.25))
        return True

    @contextmanager
    def edit(self) -> Iterator[None]:
        """Wait until an edit may be sent, and learn from how it goes; it is sent inside."""
        self.wait(lambda: False)
        began = time.monotonic()
        change = 0.0  # a refusal says nothing of how busy Plex is
        try:
            yield
            change = STEP
        except PlexTemporaryError:
            change = -self.share / 2
            raise
        finally:
            now = time.monotonic()
            self.note(change, now - began)
            self.next_at = max(began + self._gap, now + self.pause(now - began))

    def note(self, change: float, seconds: float) -> None:
        """Take note of an edit that took `seconds`, and by how much it changes the share."""
        was, self.share = self.share, max(LEAST_SHARE, min(1.0, self.share + change))
        self.edits += 1
        if change > 0:
            self.usual += (seconds - self.usual) * (0.1 if self.usual else 1.0)
        if self.share < 0.5 <= was and not self._is_told:
            self._is_told = True
            log.info("Plex fails edits; they are spaced out")
        elif self.share >= 1 > was:
            log.debug("Plex takes edits again; they follow one another without a pause")

    def pause(self, seconds: float) -> float:
        """Tell how long to leave Plex alone after an edit that took `seconds`."""
        # An error that comes at once is no reason to come back at once.
        return min(LONGEST_PAUSE, PAUSE_PER_EDIT * self.edits, max(seconds, self.usual) * (1 / self.share - 1))

    def edits_within(self, seconds: float) -> int:
        """Tell how many edits fit into that time at the present pace, as far as it is known; at least one."""
        each = max(self._gap, self.usual + self.pause(0.0), 0.001)  # while nothing is known: one in 1 ms
        return max(1, int(seconds / each))
