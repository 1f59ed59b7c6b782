"""What comes back from Plex: which plays are new, whose resume point is newer, whose rating counts. Pure.

For resume points and ratings both sides are held against what they were when they agreed last, or were looked at
last: a side that has changed since is the one that somebody touched.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sync.model import PlexItem

NEAR = 10  # seconds between a play in Plex and one that Stash has already, within which they are the same
_SAME_POINT = 1.0  # seconds by which two resume points may differ that are the same: Stash and players round
_AFTER_THE_PLAY = 600  # seconds. Plex counts a play some minutes before the film ends, and notes when it was stopped.


@dataclass(frozen=True, slots=True)
class Play:
    """An entry of Plex's history: somebody has watched an item to its end."""

    id: str
    """Plex's name of the entry, or one that is made of the item and the time where the item alone tells of a play."""
    rating_key: int
    at: int  # in seconds since the epoch


def sort_out(
    plays: Iterable[Play], known: Collection[str], brought: Collection[int], in_stash: Sequence[int]
) -> tuple[list[Play], list[Play]]:
    """Return which of a scene's plays to add to Stash, and which of those not yet `known` Stash has already.

    `known`: names of plays that were dealt with. `brought`: times of those that Stash has from Plex. `in_stash`: all
    the times of Stash's history. A time in Stash stands for one play in Plex, the nearest within some seconds; two
    plays of a scene in the same second are one, by two of its items.
    """
    own = Counter(in_stash) - Counter(brought)
    seen = set(brought)
    there: list[Play] = []
    others: list[Play] = []
    for play in sorted(plays, key=lambda play: play.at):
        if play.id in known:
            continue
        is_new = play.at not in seen
        seen.add(play.at)
        if is_new and not own[play.at]:
            others.append(play)
            continue
        there.append(play)
        own[play.at] -= is_new
    # The exact ones first: a play a second beside it must not take the place of one that is there.
    add: list[Play] = []
    for play in others:
        near = next(
            (at for beside in range(1, NEAR + 1) for at in (play.at - beside, play.at + beside) if own[at] > 0), None
        )
        if near is None:
            add.append(play)
        else:
            own[near] -= 1
            there.append(play)
    return add, there


def lost_play(item: PlexItem, explained: int, times: Iterable[int], since: float) -> Play | None:
    """Return the play that an item tells of and Plex's history does not: one at the most, at its time.

    `explained`: how many plays the history tells of, and how many beyond it the item told of when it was looked at
    last. `times`: of all plays of it that are known. Items that were marked as played have none in the history
    (PMS 1.40, python-plexapi pull 1366).
    """
    at = item.played_at
    if item.plays <= explained or item.resume or at is None or at < since:
        return None
    slack = item.duration + _AFTER_THE_PLAY
    if any(at - slack <= time <= at + NEAR for time in times):
        return None
    return Play(f"item/{item.rating_key}/{at}", item.rating_key, at)


class Side(Enum):
    """Where something goes."""

    TO_STASH = "to Stash"
    TO_PLEX = "to Plex"
    NOWHERE = ""


class Points(NamedTuple):
    """Where somebody stopped watching, in seconds: in Plex and in Stash. 0: nowhere."""

    plex: float
    stash: float


def resume_side(points: Points, last: Points | None, watched_at: int | None, played_at: int | None) -> Side:
    """Return which side's resume point the other one gets.

    `last`: the points when they were looked at last; None: never. `watched_at`: when somebody watched it last in Plex,
    `played_at`: in Stash, as far as it is known; Stash has no time of a resume point, so what it has gives way only to
    what is known to be later.
    """
    if _are_same(*points):
        return Side.NOWHERE
    is_later = watched_at is not None and played_at is not None and watched_at >= played_at
    is_older = watched_at is not None and played_at is not None and watched_at < played_at
    if last is None:
        in_plex = points.plex > 0 and (is_later if points.stash else not is_older)
        in_stash = points.stash > 0 and not points.plex and watched_at is None
        return Side.TO_STASH if in_plex else Side.TO_PLEX if in_stash else Side.NOWHERE
    by_plex, by_stash = not _are_same(points.plex, last.plex), not _are_same(points.stash, last.stash)
    if by_plex and (is_later if by_stash else not is_older):
        return Side.TO_STASH
    return Side.TO_PLEX if by_stash and not by_plex else Side.NOWHERE


def _are_same(one: float, other: float) -> bool:
    return abs(one - other) < _SAME_POINT and (one > 0) == (other > 0)


class Rating(Enum):
    """What becomes of an item's rating."""

    AGREED = "agreed"
    STASH_GOES_OUT = "Stash's goes to Plex"
    TO_STASH = "Plex's goes to Stash"
    STASH_WINS = "both were changed, and Stash's counts"
    BOTH_STAY = "both were there before PlexSync wrote any"


def rating_of(plex: str, stash: str, last: tuple[str, str] | None) -> Rating:
    """Return what becomes of a rating, `plex` and `stash` as Plex writes them (empty: not rated).

    `last`: what they were when PlexSync wrote or brought one last, in this order; None: it never did.
    """
    if plex == stash:
        return Rating.AGREED
    if last is None:
        return Rating.STASH_GOES_OUT if not plex else Rating.TO_STASH if not stash else Rating.BOTH_STAY
    if plex == last[0]:
        return Rating.STASH_GOES_OUT
    return Rating.TO_STASH if stash == last[1] else Rating.STASH_WINS


def rating100(rating: str) -> int | None:
    """Return Stash's rating, 1 to 100, for Plex's, 0 to 10; None where there is none."""
    return max(1, min(100, round(float(rating) * 10))) if rating else None
