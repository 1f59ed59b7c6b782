"""How fast edits follow one another: a Plex that answers slowly or fails is left time between them.

Plex writes to one database file, and somebody may be watching. So edits take a
share of the time: all of it while answers come as fast as usual, half as much
after each that is slow or fails, and a little more after each good one. What is
usual is learned from the answers of a run. The rules are pure functions from one
`Pace` to the next; `Pacer` keeps the time. The answers of several edits that are under way at once are learned
from alike.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sync.plex.exceptions import PlexTemporaryError

LEAST_SHARE = 0.1
"""Of the time that edits take at the slowest: nine times as long as an edit took, Plex is left alone."""
STEP = 0.05
"""What a good answer adds to the share."""

SLOWER, MARGIN = 2.5, 0.1
"""An answer is slow that took this many times as long as usual, and this many seconds longer."""
REMEMBERED = 51
"""Answers of a kind whose median is the usual; a Plex that is slower for good is taken for usual after half of them."""
ENOUGH = 5
"""Answers of a kind that have to be known before one is called slow."""
APART = 10
"""Good answers before a slow one that make it a hiccup: a database does its housekeeping now and then."""

LONGEST_PAUSE = 3.0
"""Seconds no pause exceeds: a task holds Stash's one job slot."""
PAUSE_PER_EDIT = 0.1
"""Seconds that each edit of a run adds to the longest pause, so that a few of them are never held up for long."""
LONGEST_GAP = 3600.0
"""Seconds between two edits that no cap exceeds."""

_SEVERAL = re.compile(r"(?:^|&)id=\d+(?:,|%2C)")


# The rules


@dataclass(frozen=True, slots=True)
class Pace:
    """What has to be known of the edits so far."""

    share: float = 1.0
    """Of the time, what edits may take: from LEAST_SHARE to 1, which is no pause at all."""
    edits: int = 0
    """Edits that Plex has answered or failed."""
    smooth: int = APART
    """Good answers since the last one that was slow or failed; counted up to APART."""
    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Kind of edit -> seconds that the last REMEMBERED ones took."""


def kind_of(path: str, query: str) -> str | None:
    """Return the kind of an edit, those that are alike in what they take: by path and, roughly, by length.

    None for an edit of several items at once, which is compared with nothing.
    """
    if _SEVERAL.search(query):
        return None
    return f"{path} {len(query).bit_length() // 2}"  # within a kind the longest is four times the shortest


def usual(pace: Pace, kind: str) -> float | None:
    """Return the seconds that an edit of this kind usually takes; None while too few are known."""
    known = sorted(pace.recent.get(kind, ()))
    return known[len(known) // 2] if len(known) >= ENOUGH else None


def is_slow(pace: Pace, kind: str, seconds: float) -> bool:
    """Return whether an answer after `seconds` is much slower than usual."""
    normal = usual(pace, kind)
    return normal is not None and seconds > SLOWER * normal and seconds > normal + MARGIN


def after_answer(pace: Pace, seconds: float, kind: str | None) -> Pace:
    """Return the pace after Plex took an edit in `seconds`; without a kind its time is compared with nothing."""
    faster = min(1.0, pace.share + STEP)
    if kind is None:
        return replace(pace, share=faster, edits=pace.edits + 1)
    recent = {**pace.recent, kind: (*pace.recent.get(kind, ()), seconds)[-REMEMBERED:]}
    if not is_slow(pace, kind, seconds):
        return Pace(faster, pace.edits + 1, min(APART, pace.smooth + 1), recent)
    # One slow answer among good ones says nothing of how Plex will take the next.
    share = pace.share if pace.smooth >= APART else _halved(pace.share)
    return Pace(share, pace.edits + 1, 0, recent)


def after_failure(pace: Pace) -> Pace:
    """Return the pace after Plex failed an edit: an error of the server's, no answer in time, half of one."""
    return replace(pace, share=_halved(pace.share), edits=pace.edits + 1, smooth=0)


def after_refusal(pace: Pace) -> Pace:
    """Return the pace after Plex would not have an edit, which says nothing of how busy it is."""
    return replace(pace, edits=pace.edits + 1)


def pause_after(pace: Pace, seconds: float) -> float:
    """Return the seconds to leave Plex alone after an edit that took `seconds`, the one that led to this pace."""
    longest = min(LONGEST_PAUSE, PAUSE_PER_EDIT * pace.edits)
    return min(longest, seconds * (1 / pace.share - 1))


def slowest_usual(pace: Pace) -> float:
    """Return the seconds that edits of the slowest kind usually take; 0 while nothing is known."""
    return max((usual(pace, kind) or 0.0 for kind in pace.recent), default=0.0)


def _halved(share: float) -> float:
    return max(LEAST_SHARE, share / 2)


# The time


class Pacer:
    """Spaces edits out: as Plex's answers ask for, and by a cap of edits a second where there is one (0: none).

    `tell` is called with True when edits are spaced out noticeably, once, and
    with False whenever they are not any more. Times in seconds. Edits may come from several threads.
    """

    def __init__(
        self,
        max_edits_per_second: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        tell: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._gap = min(LONGEST_GAP, 1 / max_edits_per_second) if max_edits_per_second > 0 else 0.0
        self._clock = clock
        self._sleep = sleep
        self._tell = tell
        self._is_spaced = self._has_told = False
        self._lock = threading.Lock()
        self.pace = Pace()
        """What is known of Plex in this run."""
        self.next_at = -math.inf
        """When, on this clock, the next edit may begin."""

    @contextmanager
    def edit(self, kind: str | None) -> Iterator[None]:
        """Wait until an edit may be sent, and learn from how it goes; it is sent inside.

        Call it outside of transactions. `kind` as `kind_of` gives it; None: its time is compared with nothing.
        """
        with self._lock:
            now = self._clock()
            turn = max(now, self.next_at)
            self.next_at = turn + self._gap  # where several are under way, the next one's
        if turn > now:
            self._sleep(turn - now)
        began = self._clock()
        try:
            yield
        except PlexTemporaryError:
            self._go_on(after_failure, began, failed=True)
            raise
        except Exception:
            self._go_on(after_refusal, began)
            raise
        took = self._clock() - began
        self._go_on(lambda pace: after_answer(pace, took, kind), began)

    @property
    def is_spaced(self) -> bool:
        """Whether Plex is left alone between edits."""
        return self._gap > 0 or self.pace.share < 1

    def edits_within(self, seconds: float) -> int:
        """Return how many edits fit into that time at the present pace, as far as it is known; at least one."""
        took = slowest_usual(self.pace)
        each = max(self._gap, took + pause_after(self.pace, took), 0.001)  # while nothing is known: one in 1 ms
        return max(1, int(seconds / each))

    def _go_on(self, learn: Callable[[Pace], Pace], began: float, *, failed: bool = False) -> None:
        with self._lock:
            self.pace = pace = learn(self.pace)
            now = self._clock()
            # An error that comes at once is no reason to come back at once.
            took = max(slowest_usual(pace) if failed else 0.0, now - began)
            self.next_at = max(self.next_at, began + self._gap, now + pause_after(pace, took))
            self._tell_change(pace)

    def _tell_change(self, pace: Pace) -> None:
        if pace.share < 0.5 and not self._is_spaced:
            self._is_spaced = True
            if not self._has_told:
                self._has_told = True
                self._tell(True)
        elif pace.share >= 1 and self._is_spaced:
            self._is_spaced = False
            self._tell(False)
