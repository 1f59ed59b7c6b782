"""When a failed job is tried again, and how often. Pure."""

import random
from typing import NamedTuple

from sync.plex.exceptions import PlexNotFound

TRANSIENT_BASE, TRANSIENT_CAP, TRANSIENT_TRIES = 5.0, 80.0, 5
"""After a failure: seconds of the first delay at the most, seconds of any at the most, tries."""
NOT_FOUND_BASE, NOT_FOUND_CAP, NOT_FOUND_TRIES = 30.0, 600.0, 12
"""The same where Plex has no item yet: it needs its time to scan a new file."""


class RetryParams(NamedTuple):
    """How a kind of failure is tried again."""

    base: float  # seconds of the first delay at the most
    cap: float  # seconds no delay exceeds
    max_retries: int


def calculate_delay(retry_count: int, base: float, cap: float, jitter_seed: int | None = None) -> float:
    """Return the seconds to wait after `retry_count` earlier tries: exponential with full jitter.

    `random(0, min(cap, base * 2**retry_count))`, so that jobs which failed together do not come back together.
    `jitter_seed` makes it repeatable. Raises ValueError for a negative count.
    """
    if retry_count < 0:
        raise ValueError(f"retry_count is {retry_count}; accepted: 0 or more")
    # An exponent past 64 overflows a float at some point, and every cap long before.
    ceiling = min(cap, base * 2.0 ** min(retry_count, 64))
    source = random.Random(jitter_seed) if jitter_seed is not None else random
    return source.uniform(0, ceiling)


def get_retry_params(error: BaseException, max_retries: int = TRANSIENT_TRIES) -> RetryParams:
    """Return how this failure is tried again; `max_retries` is the setting of that name."""
    if isinstance(error, PlexNotFound):
        return RetryParams(NOT_FOUND_BASE, NOT_FOUND_CAP, NOT_FOUND_TRIES)
    return RetryParams(TRANSIENT_BASE, TRANSIENT_CAP, max_retries)
