"""Which plays, resume points and ratings come back: decided over plain values."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.back.decide import NEAR, Play, Points, Rating, Side, lost_play, rating100, rating_of, resume_side, sort_out
from sync.model import PlexItem

PROPERTY = settings(max_examples=200, deadline=None)
NOON = 1_700_000_000


def play(at: int, name: str = "", key: int = 1) -> Play:
    return Play(name or f"h{at}", key, NOON + at)


def added(plays: list[Play], in_stash: list[int] = [], brought: list[int] = [], known: set[str] = set()) -> list[int]:  # noqa: B006 - never changed
    add, _ = sort_out(plays, known, [NOON + at for at in brought], [NOON + at for at in in_stash])
    return [one.at - NOON for one in add]


def test_a_new_play_is_added_at_its_own_second() -> None:
    assert added([play(0), play(90)]) == [0, 90]


def test_a_play_that_was_dealt_with_is_not_added_though_somebody_deleted_it_in_stash() -> None:
    assert added([play(0), play(90)], known={"h0"}, brought=[0]) == [90]


@pytest.mark.parametrize("beside", [0, 1, -3, NEAR, -NEAR])
def test_a_play_that_stash_has_some_seconds_beside_is_the_same(beside: int) -> None:
    assert added([play(0)], in_stash=[beside]) == []


@pytest.mark.parametrize("beside", [NEAR + 1, -NEAR - 1, 3600])
def test_a_play_further_off_is_another(beside: int) -> None:
    assert added([play(0)], in_stash=[beside]) == [0]


def test_one_play_in_stash_stands_for_one_play_in_plex() -> None:
    assert added([play(0), play(4)], in_stash=[2]) == [4]


def test_the_exact_one_counts_before_the_one_beside_it() -> None:
    # The state was lost when the second one had been added.
    assert added([play(0), play(1), play(2)], in_stash=[1]) == [0, 2]


def test_what_was_brought_stands_for_no_other_play() -> None:
    assert added([play(0), play(3)], known={"h0"}, brought=[0], in_stash=[0]) == [3]


def test_two_items_of_a_scene_in_the_same_second_are_one_play() -> None:
    assert added([play(0, "a", 1), play(0, "b", 2)]) == [0]


def test_an_item_that_came_back_with_another_number_brings_no_play_again() -> None:
    assert added([play(0, "again", 9)], known={"h0"}, brought=[0]) == []


@PROPERTY
@given(
    st.lists(st.integers(0, 60), max_size=12),
    st.lists(st.integers(0, 60), max_size=12),
    st.sets(st.integers(0, 11)),
)
def test_plays_are_neither_lost_nor_doubled_whatever_is_there(
    times: list[int], own: list[int], killed: set[int]
) -> None:
    """Plays in any order beside Stash's own; a run that was killed has added some and noted none of them."""
    plays = [play(at, f"n{number}") for number, at in enumerate(times)]
    in_stash = [NOON + at for at in own]
    first, _ = sort_out(plays, set(), [], in_stash)
    in_stash += [one.at for number, one in enumerate(first) if number in killed]
    second, _ = sort_out(plays, set(), [], in_stash)
    in_stash += [one.at for one in second]
    assert not Counter(NOON + at for at in own) - Counter(in_stash)  # nothing of Stash's own is gone
    assert len(in_stash) <= len(own) + len(set(times))
    assert all(any(abs(at - one) <= NEAR for one in in_stash) for at in (NOON + at for at in times))
    assert sort_out(plays, set(), [], in_stash)[0] == []


@PROPERTY
@given(st.lists(st.integers(0, 10_000), max_size=30), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)))
def test_without_plays_of_its_own_each_second_is_there_once(
    times: list[int], killed: set[int], noted: set[int]
) -> None:
    plays = [play(at, f"n{number}") for number, at in enumerate(times)]
    first, _ = sort_out(plays, set(), [], [])
    sent = [one for number, one in enumerate(first) if number in killed]
    known = [one for number, one in enumerate(sent) if number in noted]
    second, _ = sort_out(plays, {one.id for one in known}, [one.at for one in known], [one.at for one in sent])
    assert sorted(one.at for one in [*sent, *second]) == sorted({NOON + at for at in times})


# Plays that the history has lost


def item(plays: int, played_at: int | None, **more: float) -> PlexItem:
    return PlexItem(7, 1, plays=plays, played_at=None if played_at is None else NOON + played_at, duration=1200, **more)


def test_an_item_that_tells_of_a_play_which_the_history_lacks_gives_one() -> None:
    assert lost_play(item(3, 50), 1, [], NOON) == Play(f"item/7/{NOON + 50}", 7, NOON + 50)


@pytest.mark.parametrize(
    ("what", "explained", "times"),
    [
        (item(0, 50), 0, []),
        (item(1, None), 0, []),
        (item(1, -5), 0, []),  # before the day from which on plays are brought
        (item(1, 50, resume=300), 0, []),  # somebody is in the middle of it
        (item(2, 50), 2, []),  # it was looked at, and not played since
        (item(1, 50), 0, [50]),
        (item(1, 2000), 0, [400]),  # the play was counted before the film's end
    ],
)
def test_nothing_is_made_up(what: PlexItem, explained: int, times: list[int]) -> None:
    assert lost_play(what, explained, [NOON + at for at in times], NOON) is None


def test_a_play_of_another_day_says_nothing_of_this_one() -> None:
    assert lost_play(item(2, 90_000), 1, [NOON + 50], NOON) is not None


# Resume points


@pytest.mark.parametrize(
    ("points", "last", "watched_at", "played_at", "side"),
    [
        ((300, 0), None, 5, None, Side.TO_STASH),
        ((300, 100), None, 5, None, Side.NOWHERE),  # nobody knows when Stash's was set
        ((300, 100), None, 5, 9, Side.NOWHERE),
        ((300, 100), None, 9, 5, Side.TO_STASH),
        ((300, 0), None, 5, 9, Side.NOWHERE),  # watched to the end in Stash since
        ((300, 0), (0, 0), 5, 9, Side.NOWHERE),
        ((300, 0), (0, 0), 9, 5, Side.TO_STASH),
        ((0, 100), None, None, None, Side.TO_PLEX),
        ((0, 100), None, 5, None, Side.NOWHERE),
        ((300, 300.4), (0, 0), 5, 5, Side.NOWHERE),
        ((300, 100), (100, 100), 5, None, Side.TO_STASH),
        ((0, 100), (100, 100), 5, None, Side.TO_STASH),  # watched to the end: cleared
        ((100, 400), (100, 100), 5, None, Side.TO_PLEX),
        ((100, 0), (100, 100), 5, None, Side.TO_PLEX),
        ((300, 400), (100, 100), 5, None, Side.NOWHERE),
        ((300, 400), (100, 100), 5, 4, Side.TO_STASH),
        ((300, 400), (100, 100), 5, 6, Side.NOWHERE),
        ((300, 400), (300, 400), 5, 4, Side.NOWHERE),
    ],
)
def test_the_newer_resume_point_goes_to_the_other_side(
    points: tuple[float, float],
    last: tuple[float, float] | None,
    watched_at: int | None,
    played_at: int | None,
    side: Side,
) -> None:
    assert resume_side(Points(*points), Points(*last) if last else None, watched_at, played_at) is side


# Ratings


@pytest.mark.parametrize(
    ("plex", "stash", "last", "becomes"),
    [
        ("8", "8", None, Rating.AGREED),
        ("", "", ("8", "8"), Rating.AGREED),
        ("", "8", None, Rating.STASH_GOES_OUT),
        ("6", "", None, Rating.TO_STASH),
        ("6", "8", None, Rating.BOTH_STAY),
        ("8", "9", ("8", "8"), Rating.STASH_GOES_OUT),
        ("8", "", ("8", "8"), Rating.STASH_GOES_OUT),
        ("6", "8", ("8", "8"), Rating.TO_STASH),
        ("", "8", ("8", "8"), Rating.TO_STASH),  # cleared
        ("6", "9", ("8", "8"), Rating.STASH_WINS),
        ("", "9", ("8", "8"), Rating.STASH_WINS),
        ("6", "", ("8", "8"), Rating.STASH_WINS),
        ("6", "9", ("", ""), Rating.STASH_WINS),
        ("7.53", "7.5", ("7.53", "7.5"), Rating.STASH_GOES_OUT),
    ],
)
def test_the_side_that_changed_counts_and_stash_where_both_did(
    plex: str, stash: str, last: tuple[str, str] | None, becomes: Rating
) -> None:
    assert rating_of(plex, stash, last) is becomes


@pytest.mark.parametrize(("plex", "stash"), [("", None), ("10", 100), ("7.5", 75), ("0.5", 5), ("0", 1), ("7.53", 75)])
def test_plex_counts_to_ten_and_stash_to_a_hundred(plex: str, stash: int | None) -> None:
    assert rating100(plex) == stash
