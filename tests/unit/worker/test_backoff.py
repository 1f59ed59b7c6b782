"""When a failed job is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import PermanentError, TransientError
from sync.plex.exceptions import PlexNotFound, PlexServerDown, PlexTemporaryError
from sync.worker.backoff import calculate_delay, get_retry_params

PROPERTY = settings(max_examples=100, deadline=None)

counts = st.integers(0, 5000)
seconds = st.floats(0.001, 10_000)
seeds = st.integers(0, 2**32)


@PROPERTY
@given(counts, seconds, seconds, st.none() | seeds)
def test_a_delay_is_within_its_bounds(count: int, base: float, cap: float, seed: int | None) -> None:
    delay = calculate_delay(count, base, cap, seed)

    assert 0 <= delay <= cap
    if count < 64:
        assert delay <= base * 2**count


@PROPERTY
@given(counts, seconds, seconds, seeds)
def test_a_seed_makes_a_delay_repeatable(count: int, base: float, cap: float, seed: int) -> None:
    assert calculate_delay(count, base, cap, seed) == calculate_delay(count, base, cap, jitter_seed=seed)


@PROPERTY
@given(st.integers(0, 60), seconds, seeds)
def test_each_delay_is_twice_the_one_before_until_the_cap(count: int, base: float, seed: int) -> None:
    one, next_one = (calculate_delay(n, base, 1e300, seed) for n in (count, count + 1))

    assert next_one == pytest.approx(2 * one)


@PROPERTY
@given(counts, seconds, seconds, seeds)
def test_a_later_try_never_waits_less(count: int, base: float, cap: float, seed: int) -> None:
    assert calculate_delay(count, base, cap, seed) <= calculate_delay(count + 1, base, cap, seed)


@pytest.mark.parametrize(("count", "ceiling"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 80), (5, 80), (1000, 80)])
def test_delays_fill_the_whole_span(count: int, ceiling: float) -> None:
    delays = [calculate_delay(count, 5, 80, seed) for seed in range(2000)]

    assert 0 <= min(delays) < 0.01 * ceiling
    assert 0.99 * ceiling < max(delays) <= ceiling
    assert sum(delays) / len(delays) == pytest.approx(ceiling / 2, rel=0.05)


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    assert len({calculate_delay(3, 5, 80) for _ in range(50)}) == 50
    assert len({calculate_delay(3, 5, 80, seed) for seed in range(50)}) == 50


@pytest.mark.parametrize("seed", [None, 1])
def test_a_negative_count_is_refused(seed: int | None) -> None:
    with pytest.raises(ValueError, match=r"retry_count is -1; accepted: 0 or more"):
        calculate_delay(-1, 5, 80, seed)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PlexTemporaryError("x"), (5, 80, 5)),
        (PlexServerDown("x"), (5, 80, 5)),
        (TransientError("x"), (5, 80, 5)),
        (PlexNotFound("x"), (30, 600, 12)),
        (PermanentError("x"), (5, 80, 5)),
        (ValueError("x"), (5, 80, 5)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_how_each_failure_is_tried_again(error: Exception, expected: tuple[float, float, int]) -> None:
    params = get_retry_params(error)

    assert (params.base, params.cap, params.max_retries) == expected


@pytest.mark.parametrize("tries", [0, 1, 100])
def test_the_setting_counts_for_all_but_a_file_that_plex_has_not_scanned_yet(tries: int) -> None:
    assert get_retry_params(PlexTemporaryError("x"), tries).max_retries == tries
    assert get_retry_params(PlexNotFound("x"), tries).max_retries == 12
