"""How fast edits follow one another: the rules, and who keeps the time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.plex.exceptions import PlexPermanentError, PlexTemporaryError
from sync.plex.pace import LEAST_SHARE, LONGEST_PAUSE, PAUSE_PER_EDIT, STEP, Pacer


def failed(pacer: Pacer) -> None:
    with pytest.raises(PlexTemporaryError), pacer.edit():
        raise PlexTemporaryError("busy")


def test_a_failure_halves_the_share_and_good_answers_bring_it_back() -> None:
    pacer = Pacer()
    failed(pacer)
    failed(pacer)
    assert pacer.share == 0.25
    for _ in range(15):
        pacer.note(STEP, 0.1)
    assert pacer.share == pytest.approx(0.25 + 15 * STEP)
    assert pacer.pause(0.1) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.one_of(st.none(), st.floats(0, 100)), max_size=60))
def test_whatever_happens_the_share_and_the_pause_stay_in_their_bounds(answers: list[float | None]) -> None:
    pacer = Pacer()
    for seconds in answers:
        pacer.note(-pacer.share / 2 if seconds is None else STEP, seconds or 0.0)
        assert LEAST_SHARE <= pacer.share <= 1
        assert 0 <= pacer.pause(seconds or 0.0) <= min(LONGEST_PAUSE, PAUSE_PER_EDIT * pacer.edits)


def test_an_error_that_comes_at_once_is_no_reason_to_come_back_at_once() -> None:
    pacer = Pacer()
    for _ in range(50):
        pacer.note(STEP, 0.4)
    failed(pacer)
    assert pacer.pause(0.001) == pytest.approx(0.4)
    assert pacer.next_at - time.monotonic() > 0.3


def test_a_refusal_says_nothing_of_how_busy_plex_is() -> None:
    pacer = Pacer()
    with pytest.raises(PlexPermanentError), pacer.edit():
        raise PlexPermanentError("no")
    assert (pacer.share, pacer.edits) == (1.0, 1)
    failed(pacer)
    assert pacer.share == 0.5


def test_the_cap_spaces_the_beginnings_of_edits() -> None:
    pacer = Pacer(20)
    began = []
    for _ in range(3):
        with pacer.edit():
            began.append(time.monotonic())
    assert began[2] - began[0] >= 0.099
    assert pacer.edits_within(1.0) == 20


def test_a_wait_ends_when_somebody_says_stop() -> None:
    pacer = Pacer(0.001)
    with pacer.edit():
        pass
    assert not pacer.wait(lambda: True)


def test_without_a_cap_nothing_waits() -> None:
    pacer = Pacer()
    assert pacer.wait(lambda: True)
    assert pacer.edits_within(10.0) == 10_000
