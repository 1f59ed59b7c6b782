"""How fast edits follow one another, on a clock that is turned by hand."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.plex.client import encode
from sync.plex.exceptions import (
    PlexItemGone,
    PlexPermanentError,
    PlexServerDown,
    PlexSetupError,
    PlexTemporaryError,
)
from sync.plex.pace import (
    CONVINCED,
    ENOUGH,
    LEAST_SHARE,
    LONGEST_PAUSE,
    MARGIN,
    NO_NEWS,
    PAUSE_PER_EDIT,
    REMEMBERED,
    SETTLED,
    SLOWER,
    STEP,
    Pace,
    Pacer,
    after_answer,
    after_failure,
    after_refusal,
    kind_of,
    news,
    pause_after,
    usual,
)

PROPERTY = settings(max_examples=25, deadline=None)
KIND = "edit"


@dataclass
class Hands:
    """A clock that goes on when somebody sleeps or works, and the pauses it saw."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds


@dataclass
class Run:
    """A drain's edits, by a pacer whose clock is turned by hand."""

    cap: float = 0.0
    hands: Hands = field(default_factory=Hands)
    told: list[bool] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.cap, clock=self.hands.clock, sleep=self.hands.sleep, tell=self.told.append)

    def edit(self, seconds: float, kind: str | None = KIND, error: Exception | None = None) -> None:
        try:
            with self.pacer.edit(kind):
                self.starts.append(self.hands.now)
                self.hands.now += seconds
                if error:
                    raise error
        except Exception as raised:
            assert raised is error

    def edits(self, latencies: Iterable[float]) -> Run:
        for seconds in latencies:
            self.edit(seconds)
        return self

    def until(self, is_done: Callable[[Pace], bool], seconds: float, most: int = 500) -> int:
        """Edit until the pace is so; return how many edits it took."""
        for count in range(most):
            if is_done(self.pacer.pace):
                return count
            self.edit(seconds)
        raise AssertionError(f"not within {most} edits: {self.pacer.pace}")


def jitter(seed: int, base: float, count: int) -> list[float]:
    source = random.Random(seed)
    return [base * source.uniform(0.5, 1.5) for _ in range(count)]


def known(seconds: float, count: int = 60) -> Pace:
    pace = Pace()
    for _ in range(count):
        pace = after_answer(pace, seconds, KIND)
    return pace


# The rules


latencies = st.floats(0, 100)
events = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), latencies) | st.sampled_from(["failure", "refusal"]), max_size=200
)


@PROPERTY
@given(events, latencies)
def test_whatever_plex_answers_share_and_pause_stay_within_bounds(
    happened: list[tuple[str | None, float] | str], seconds: float
) -> None:
    pace = Pace()
    for event in happened:
        if event == "failure":
            pace = after_failure(pace)
        elif event == "refusal":
            pace = after_refusal(pace)
        else:
            kind, took = event
            pace = after_answer(pace, took, kind)  # type: ignore[arg-type]
        assert LEAST_SHARE <= pace.share <= 1
        assert 0 <= pause_after(pace, seconds) <= min(LONGEST_PAUSE, PAUSE_PER_EDIT * pace.edits)
        assert all(len(times) <= REMEMBERED for times in pace.recent.values())
        assert 0 <= pace.evidence < CONVINCED
        assert pace.aside is None or sum(map(len, pace.aside.values())) < SETTLED
    assert pace.edits == len(happened)


def test_it_begins_without_a_pause() -> None:
    assert Pace().share == 1
    assert pause_after(after_answer(Pace(), 5.0, KIND), 5.0) == 0


@pytest.mark.parametrize("normal", [0.001, 0.025, 0.04, 0.1, 1.0])
def test_slow_is_slower_than_usual_by_the_factor_and_by_the_margin(normal: float) -> None:
    limit = max(SLOWER * normal, normal + MARGIN)
    assert news(known(normal), limit * 1.01, KIND) > 0
    assert news(known(normal), limit * 0.99, KIND) < 0
    assert news(known(normal), normal / 10, KIND) < 0


@PROPERTY
@given(st.lists(latencies, min_size=ENOUGH, max_size=200), latencies, latencies)
def test_a_longer_time_never_speaks_for_a_faster_plex_and_none_says_much(
    before: list[float], one: float, other: float
) -> None:
    pace = Pace(recent={KIND: tuple(before[-REMEMBERED:])})
    assert -0.5 <= news(pace, min(one, other), KIND) <= news(pace, max(one, other), KIND) < 0.5


def test_nothing_is_slow_before_enough_is_known() -> None:
    few = known(0.01, ENOUGH - 1)
    assert usual(few, KIND) is None
    assert news(few, 50.0, KIND) == NO_NEWS
    assert news(known(0.01, ENOUGH), 50.0, KIND) > 0
    assert news(known(0.01), 50.0, "another kind") == NO_NEWS
    assert news(known(0.01), 50.0, None) == NO_NEWS


def test_slow_answers_slow_edits_down_together_and_never_alone() -> None:
    pace, shares = known(0.01, REMEMBERED), []
    for _ in range(12):
        pace = after_answer(pace, 1.0, KIND)
        shares.append(pace.share)
    assert shares == [1.0] * 5 + [0.5] * 4 + [0.25] * 3
    assert pace.recent == known(0.01, REMEMBERED).recent


def test_uploads_keep_no_plex_under_suspicion() -> None:
    pace = known(0.01, REMEMBERED)
    for _ in range(6):
        pace = after_answer(pace, 1.0, KIND)
    assert pace.share == 0.5
    for _ in range(30):
        pace = after_answer(pace, 1.0, None)
    assert pace.share == 1


def test_failures_halve_the_share_down_to_the_least_and_good_answers_add_to_it() -> None:
    pace, shares = known(0.01), []
    for _ in range(5):
        pace = after_failure(pace)
        shares.append(pace.share)
    assert shares == [0.5, 0.25, 0.125, LEAST_SHARE, LEAST_SHARE]
    assert after_answer(pace, 0.01, KIND).share == pytest.approx(LEAST_SHARE + STEP)
    assert after_answer(pace, 60.0, None).share == pytest.approx(LEAST_SHARE + STEP), "an upload, which Plex took"
    assert after_refusal(pace).share == LEAST_SHARE


def test_a_pause_leaves_the_edits_their_share_of_the_time() -> None:
    for share in (1.0, 0.5, 0.25, 0.1):
        took = 0.02
        pause = pause_after(Pace(share=share, edits=100), took)
        assert took / (took + pause) == pytest.approx(share)


def test_a_handful_of_edits_is_never_held_up_for_long() -> None:
    pace, paused = Pace(), 0.0
    for _ in range(5):
        pace = after_failure(pace)
        paused += pause_after(pace, 30.0)
    assert paused <= 1.5


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ([("id", "1"), ("title.value", "x" * 200)], [("id", "2"), ("title.value", "x" * 300)], True),
        ([("id", "1"), ("title.value", "x" * 20)], [("id", "1"), ("title.value", "x" * 2000)], False),
    ],
)
def test_edits_are_alike_by_their_length(one: list[tuple[str, str]], other: list[tuple[str, str]], alike: bool) -> None:
    path = "/library/sections/1/all"
    assert (kind_of(path, encode(one)) == kind_of(path, encode(other))) is alike
    assert kind_of(path, encode(one)) != kind_of("/:/rate", encode(one))


def test_an_edit_of_several_items_is_compared_with_nothing() -> None:
    path = "/library/sections/1/all"
    assert kind_of(path, encode([("type", "1"), ("id", "1,2,3"), ("title.value", "x")])) is None
    assert kind_of(path, "type=1&id=1,2&title.value=x") is None
    assert kind_of(path, encode([("type", "1"), ("id", "1"), ("title.value", "x, y"), ("x.id", "1,2")])) is not None


# A Plex over time


@PROPERTY
@given(st.integers(0, 2**32), st.floats(0.001, 5))
def test_a_healthy_plex_sees_no_pause_though_its_answers_jitter(seed: int, base: float) -> None:
    run = Run().edits(jitter(seed, base, 2000))
    worked = run.hands.now - 1000.0 - sum(run.hands.pauses)
    assert sum(run.hands.pauses) < 0.05 * worked
    assert run.pacer.pace.share == 1


def mixture(share: float, slow: float) -> Callable[[random.Random], float]:
    return lambda source: (slow if source.random() < share else 0.025) * source.uniform(0.8, 1.2)


def lognormal(median: float, sigma: float) -> Callable[[random.Random], float]:
    return lambda source: median * math.exp(source.gauss(0, sigma))


@pytest.mark.parametrize(
    "one",
    [
        *(mixture(share, slow) for share in (0.05, 0.12, 0.3, 0.5, 0.7) for slow in (0.15, 1.0)),
        *(lognormal(median, sigma) for median in (0.025, 0.2) for sigma in (0.5, 1.0, 1.2)),
        lambda source: source.expovariate(40),
        lambda source: 0.02 * source.paretovariate(1.5),
    ],
)
def test_answers_that_always_differ_cost_next_to_nothing(one: Callable[[random.Random], float]) -> None:
    worked = paused = 0.0
    for seed in range(6):
        source = random.Random(seed)
        run = Run().edits(one(source) for _ in range(300))
        paused += sum(run.hands.pauses)
        worked += run.hands.now - 1000.0 - sum(run.hands.pauses)
    assert paused < 0.05 * worked


@pytest.mark.parametrize(
    ("every", "together", "slow"), [(15, 1, 1.5), (8, 1, 0.6), (2, 1, 0.6), (50, 3, 0.3), (100, 4, 0.5), (50, 5, 0.25)]
)
def test_housekeeping_now_and_then_costs_no_pause(every: int, together: int, slow: float) -> None:
    run = Run().edits([slow if n % every >= every - together else 0.02 for n in range(600)])
    assert run.hands.pauses == []


@PROPERTY
@given(st.floats(0.03, 2), st.integers(0, 150), st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_no_hiccup_matters(base: float, before: int, hiccup: list[float]) -> None:
    run = Run().edits([base] * before).edits(hiccup).edits([base] * 10)
    assert run.hands.pauses == []


def test_long_edits_among_short_ones_are_no_slow_answers() -> None:
    run = Run()
    for n in range(600):
        long = n % 3 == 0
        run.edit(0.6 if long else 0.05, "long" if long else "short")
    assert run.hands.pauses == []


def test_one_failure_costs_little() -> None:
    run = Run().edits([0.02] * 50)
    run.edit(0.02, error=PlexTemporaryError("x"))
    run.until(lambda pace: pace.share == 1, 0.02)
    assert sum(run.hands.pauses) < 0.1
    assert run.told == []


@dataclass
class Watched:
    """A Plex whose answers take the longer the busier it is: with edits, and for twenty seconds with a viewer."""

    source: random.Random
    base: float = 0.025
    at: float = 1000.0
    edits: float = 0.0
    """The share of the last seconds that edits took."""
    slow: int = 0

    def latency(self, now: float) -> float:
        """Seconds that an edit takes which begins now."""
        self.edits *= math.exp(-(now - self.at) / 3)
        busy = 0.4 * self.edits + (0.5 if 1005 <= now < 1025 else 0)
        seconds = self.base / (1 - busy) * self.source.lognormvariate(0, 0.3)
        self.slow += seconds > 4 * self.base
        self.edits += (1 - self.edits) * (1 - math.exp(-seconds / 3))
        self.at = now + seconds
        return seconds


@pytest.mark.parametrize("seed", range(4))
def test_a_plex_that_gets_slow_under_load_is_given_time(seed: int) -> None:
    run, hurried = Run(), Run()
    loaded, overloaded = Watched(random.Random(seed)), Watched(random.Random(seed))
    for _ in range(700):
        run.edit(loaded.latency(max(run.hands.now, run.pacer.next_at)))
        hurried.hands.now += overloaded.latency(hurried.hands.now)
    assert loaded.slow < overloaded.slow / 3
    assert run.hands.now - 1000 < 1.2 * (hurried.hands.now - 1000)
    assert run.told == [True, *[False] * (len(run.told) - 1)]
    assert run.pacer.pace.share == 1


@PROPERTY
@given(st.integers(0, 2**32), st.floats(0.04, 2), st.floats(4, 20))
def test_a_plex_that_gets_slower_is_given_time_soon_and_then_the_pace_recovers(
    seed: int, base: float, times: float
) -> None:
    run = Run().edits(jitter(seed, base, 100))
    slow = iter(jitter(seed + 1, times * base, 500))
    for _ in range(25):
        run.edit(next(slow))
    assert run.pacer.pace.share <= 0.25
    assert run.told == [True]
    good = jitter(seed + 2, base, 40)
    run.edits(good)
    assert run.pacer.pace.share == 1
    assert run.told == [True, False]


def test_after_a_busy_time_the_pace_recovers_fully() -> None:
    run = Run().edits(jitter(1, 0.05, 100))
    run.edits(jitter(2, 0.5, 20))
    assert run.pacer.pace.share == LEAST_SHARE
    assert run.told == [True]
    assert run.until(lambda pace: pace.share == 1, 0.05) <= 5 + 0.9 / STEP
    assert run.told == [True, False]
    assert sum(seconds > 0.1 for seconds in run.pacer.pace.recent[KIND]) < 10, "what came meanwhile is forgotten"


@pytest.mark.parametrize("times", [3, 25])
def test_a_plex_that_is_slower_for_good_is_taken_for_usual(times: int) -> None:
    run = Run().edits([0.02] * 200)
    run.until(lambda pace: pace.share == LEAST_SHARE, 0.02 * times, most=20)
    run.until(lambda pace: pace.share == 1, 0.02 * times, most=SETTLED + 20)
    run.hands.pauses.clear()
    run.edits(jitter(3, 0.02 * times, 200))
    assert run.hands.pauses == []


def test_kinds_are_learned_apart_and_believed_together() -> None:
    run = Run()
    takes = {"short": 0.03, "long": 0.6}
    for kind in itertools.islice(itertools.cycle(takes), 100):
        run.edit(takes[kind], kind)
    for kind in itertools.islice(itertools.cycle(takes), 6):
        run.edit(3 * takes[kind], kind)
    assert run.hands.pauses == []
    run.edit(3 * takes["short"], "short")
    assert run.pacer.pace.share == 0.5


def test_it_is_said_once_a_run() -> None:
    run = Run().edits([0.02] * 20)
    for _ in range(3):
        for _ in range(2):
            run.edit(0.02, error=PlexTemporaryError("x"))
        run.until(lambda pace: pace.share == 1, 0.02)
    assert run.told == [True, False, False, False]


# What an edit teaches


@pytest.mark.parametrize("error", [PlexTemporaryError("500"), PlexServerDown("503")], ids=repr)
def test_a_failure_of_plex_slows_edits_down_also_where_it_comes_at_once(error: Exception) -> None:
    run = Run().edits([0.2] * 10)
    run.edit(0.0, error=error)
    assert run.pacer.pace.share == 0.5
    run.edit(0.2)
    assert run.hands.pauses == [pytest.approx(0.2)]


@pytest.mark.parametrize(
    "error", [PlexPermanentError("400"), PlexItemGone("404"), PlexSetupError("401"), RuntimeError("x")], ids=repr
)
def test_a_refusal_does_not(error: Exception) -> None:
    run = Run().edits([0.02] * 10)
    run.edit(5.0, error=error)
    run.edit(5.0, error=error)
    assert run.pacer.pace.share == 1
    assert run.hands.pauses == []


def test_uploads_wait_and_fail_like_others_and_their_time_says_nothing() -> None:
    run = Run().edits([0.02] * 20)
    for _ in range(5):
        run.edit(20.0, None)
    assert run.hands.pauses == []
    assert usual(run.pacer.pace, KIND) == pytest.approx(0.02)
    run.edit(0.5, None, PlexTemporaryError("500"))
    assert run.pacer.pace.share == 0.5
    run.edit(20.0, None)
    assert run.hands.pauses == [pytest.approx(0.5)]


def test_what_was_waited_for_anyway_is_not_waited_for_again() -> None:
    run = Run().edits([0.2] * 10)
    run.edit(0.2, error=PlexTemporaryError("x"))
    run.hands.now += 0.15  # reads
    run.edit(0.2)
    assert run.hands.pauses == [pytest.approx(0.05)]


# The cap


@PROPERTY
@given(st.floats(0.01, 1000), st.lists(st.floats(0, 2) | st.none(), min_size=2, max_size=40))
def test_edits_begin_no_oftener_than_the_cap_allows(cap: float, takes: list[float | None]) -> None:
    run = Run(cap)
    for seconds in takes:
        run.edit(seconds or 0.0, error=None if seconds is not None else PlexTemporaryError("x"))
    assert run.starts[0] == 1000.0, "the first waits for nothing"
    assert run.starts[-1] - run.starts[0] >= (len(takes) - 1) / cap * 0.999999
    assert all(later - sooner >= 1 / cap * 0.999999 for sooner, later in zip(run.starts, run.starts[1:], strict=False))


def test_a_cap_that_plex_does_not_reach_costs_nothing() -> None:
    assert Run(5).edits([0.3] * 20).hands.pauses == []


def test_an_edit_of_several_items_counts_once() -> None:
    run = Run(2.0)
    for _ in range(5):
        run.edit(0.0, None)
    assert run.hands.pauses == [0.5] * 4


@pytest.mark.parametrize("cap", [5e-324, 1e-9])
def test_a_cap_of_next_to_nothing_is_an_edit_an_hour(cap: float) -> None:
    assert Run(cap).edits([0.0] * 2).hands.pauses == [3600]


def test_how_many_edits_fit_into_a_time() -> None:
    assert Run().pacer.edits_within(30) > 1000, "nothing is known"
    assert Run().edits([0.125] * 20).pacer.edits_within(30) == 240
    assert Run(2.0).pacer.edits_within(30) == 60
    assert Run(0.01).pacer.edits_within(30) == 1
    slowed = Run().edits([0.125] * 20)
    for _ in range(2):
        slowed.edit(0.125, error=PlexTemporaryError("x"))
    assert slowed.pacer.edits_within(30) == 60
