"""How fast edits follow one another: a Plex that gets slower or fails is left time between them.

Plex writes to one database file, and somebody may be watching. So edits take a
share of the time: all of it while answers come as they usually do, half as much
when they get slower or one fails, and a little more after each good one. What is
usual is learned from the answers of a run, and is no average: a Plex whose answers
always differ is as healthy as one whose answers are all alike. The rules are pure
functions from one `Pace` to the next; `Pacer` keeps the time. The answers of several
edits that are under way at once are learned from alike.
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

SLOWER, MARGIN = 1.7, 0.02
"""A time is above another that is this many times as long, and this many seconds longer."""
REMEMBERED = 151
"""Answers of a kind that the next one is compared with."""
ENOUGH = 5
"""Answers of a kind that have to be known before one is compared with them."""
DOUBT = 4
"""Answers above any that are assumed to be missing among those known: a run's first ones are few."""
HALF = 0.5
"""Of the known answers: one above more of them speaks for a slower Plex, one above fewer against it."""
NO_NEWS = -0.1
"""What an answer says that is compared with nothing: rather that Plex is well, so that none waits for ever."""
CONVINCED = 2.5
"""What answers have to say together until edits slow down: six that are slow without exception, more if not."""
STILL = CONVINCED / 3
"""What remains of it then: if answers stay slow, edits slow down further after four of them."""
SETTLED = 50
"""Answers from a Plex that has got slower until that is usual."""

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
    evidence: float = 0.0
    """What the last answers say together: from 0 (Plex is as usual) to CONVINCED (it has got slower)."""
    recent: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Kind of edit -> seconds that the last REMEMBERED ones took, those in `held` and `aside` left out."""
    held: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The same while it is not clear yet whether Plex has got slower; learned when it is as usual again."""
    aside: Mapping[str, tuple[float, ...]] | None = None
    """The same since it is clear; forgotten when Plex is as usual again. None while it is."""


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


def news(pace: Pace, seconds: float, kind: str | None) -> float:
    """Return what an answer after `seconds` says of Plex: from -0.5, as fast as usual, to 0.5, slower than ever.

    It is a rank: one answer says no more however long it took, and where one in three is slow, a slow one says little.
    """
    known = pace.recent.get(kind, ()) if kind is not None else ()
    if len(known) < ENOUGH:
        return NO_NEWS
    limit = min(seconds / SLOWER, seconds - MARGIN)
    return sum(1 for took in known if took < limit) / (len(known) + DOUBT) - HALF


def after_answer(pace: Pace, seconds: float, kind: str | None) -> Pace:
    """Return the pace after Plex took an edit in `seconds`; without a kind its time is compared with nothing."""
    evidence = max(0.0, pace.evidence + news(pace, seconds, kind))
    pace = replace(pace, edits=pace.edits + 1, evidence=evidence)
    if evidence >= CONVINCED:
        pace = replace(pace, share=_halved(pace.share), evidence=STILL, aside=pace.aside or {})
    elif evidence == 0:
        recent = _joined(pace.recent, pace.held)
        pace = replace(pace, share=min(1.0, pace.share + STEP), recent=recent, held={}, aside=None)
    return pace if kind is None else _learned(pace, {kind: (seconds,)})


def after_failure(pace: Pace) -> Pace:
    """Return the pace after Plex failed an edit: an error of the server's, no answer in time, half of one."""
    return replace(pace, share=_halved(pace.share), edits=pace.edits + 1)


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


def _learned(pace: Pace, new: Mapping[str, tuple[float, ...]]) -> Pace:
    if pace.evidence == 0:
        return replace(pace, recent=_joined(pace.recent, new))
    # A shift would hide itself if it were learned while it is looked at; and load, if it were learned at all.
    if pace.aside is None:
        return replace(pace, held=_joined(pace.held, new))
    aside = _joined(pace.aside, new)
    if sum(map(len, aside.values())) < SETTLED:
        return replace(pace, aside=aside)
    return replace(pace, evidence=0.0, recent={**pace.recent, **aside}, held={}, aside=None)


def _joined(
    one: Mapping[str, tuple[float, ...]], other: Mapping[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    return {**one, **{kind: (*one.get(kind, ()), *times)[-REMEMBERED:] for kind, times in other.items()}}


def _halved(share: float) -> float:
    return max(LEAST_SHARE, share / 2)


# The time


class HeldBack(Exception):  # noqa: N818 - a fact on the way to a decision, never shown to anybody
    """An edit that waited for its turn is not to be sent any more."""


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
        sleep: Callable[[float], object] | None = None,
        tell: Callable[[bool], object] = lambda _: None,
    ) -> None:
        self._is_called_off = threading.Event()
        self._gap = min(LONGEST_GAP, 1 / max_edits_per_second) if max_edits_per_second > 0 else 0.0
        self._clock = clock
        self._sleep = sleep or time.sleep
        self._doze = sleep or self._is_called_off.wait
        self._tell = tell
        self._is_spaced = self._has_told = False
        self._lock = threading.Lock()
        self.pace = Pace()
        """What is known of Plex in this run."""
        self.next_at = -math.inf
        """When, on this clock, the next edit may begin."""

    @contextmanager
    def edit(self, kind: str | None, *, is_ahead: bool = False) -> Iterator[None]:
        """Wait until an edit may be sent, and learn from how it goes; it is sent inside.

        Call it outside of transactions. `kind` as `kind_of` gives it; None: its time is compared with nothing.
        Raises HeldBack where it `is_ahead` and waiting was called off meanwhile.
        """
        with self._lock:
            now = self._clock()
            turn = max(now, self.next_at)
            self.next_at = turn + self._gap  # where several are under way, the next one's
        if turn > now and (self._doze if is_ahead else self._sleep)(turn - now) is True:
            with self._lock:
                self.next_at -= self._gap  # its turn is the next one's
            raise HeldBack
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

    def call_off(self, on: bool) -> None:
        """Have nothing that is sent ahead wait any more; `on` False: as ever. A pause may be an hour."""
        (self._is_called_off.set if on else self._is_called_off.clear)()

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
