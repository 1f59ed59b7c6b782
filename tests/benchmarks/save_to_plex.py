"""From the end of a save until its edit has reached Plex, with servers that have nothing else to do."""

from __future__ import annotations

import statistics

from tests.benchmarks.control import Remote
from tests.benchmarks.figures import Figure
from tests.benchmarks.live import percentile
from tests.benchmarks.workplace import BARE, BARE_NAME, measure, median, places

SAVES = 30
BUDGET = 0.5
"""Seconds, of the median."""


def run(*, quick: bool = False) -> list[Figure]:
    """The save itself, and the median and the 95th percentile of what comes after it."""
    saves = 4 if quick else SAVES
    arrived, waited, bare = [], [], []
    with places() as base, Remote("tests.benchmarks.live", str(base)) as live:
        live.call("fill", 50)
        for scene in range(1, 4):
            live.call("save", scene, 2)
        for number in range(saves):
            found = live.call("save", 4 + number % 46, 3 + number)
            arrived.append(found["arrived"])
            waited.append(found["save"])
            bare.append(median(measure([BARE])["bare"]))
        errors = live.call("errors")
    assert not errors, errors
    ratios = [one / other for one, other in zip(arrived, bare, strict=True)]
    middle, late = statistics.median(arrived), percentile(arrived, 95)
    return [
        Figure("save, until the page answers, median", 1000 * statistics.median(waited), "ms"),
        Figure("save to Plex, median", middle, "s", statistics.median(ratios), BARE_NAME, BUDGET),
        Figure("save to Plex, 95th percentile", late, "s", late / middle, "the median"),
    ]
