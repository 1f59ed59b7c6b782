"""Claiming and acknowledging, with a long queue and with a short one."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from tempfile import TemporaryDirectory

from sync import data_folder
from sync.queue.jobs import JobStore
from sync.worker.processor import ROUND as BATCH
from tests.benchmarks import seed
from tests.benchmarks.figures import Figure

LONG, SHORT = 100_000, 100
FLAT = 1.5
"""Times that a claim may take in a long queue of what it takes in a short one: as good as the same."""


def run(*, quick: bool = False, long: int = LONG) -> list[Figure]:
    """What a batch's claim and its acknowledgement take, and the drain's last look."""
    long = min(long, 5_000) if quick else long
    rounds = 5 if quick else 25
    taken: dict[int, dict[str, list[float]]] = {}
    with TemporaryDirectory(prefix="plexsync-bench-") as folder:
        stores = {}
        for rows in (SHORT, long):
            data = f"{folder}/{rows}"
            seed.queue(data, range(1, rows + 1))
            stores[rows] = JobStore(data_folder.queue_folder(data))
            taken[rows] = {"claim": [], "acknowledge": [], "clear": []}
        for number in range(rounds):
            for rows, store in stores.items():
                steps = _batch(store)
                assert store.waiting() == rows - BATCH
                seed.queue(f"{folder}/{rows}", range(10_000_000 + number * BATCH, 10_000_000 + (number + 1) * BATCH))
                for step, seconds in steps.items():
                    taken[rows][step].append(seconds)
        for store in stores.values():
            store.close()
    figures = []
    for step, found in taken[long].items():
        ratio = statistics.median(one / other for one, other in zip(found, taken[SHORT][step], strict=True))
        budget = FLAT if step != "clear" else None
        name, value = f"{step} {BATCH} of {long:,} rows", 1000 * statistics.median(found)
        figures.append(Figure(name, value, "ms", ratio, f"of {SHORT} rows", budget, "ratio"))
    return figures


def _batch(store: JobStore) -> dict[str, float]:
    marks = [time.perf_counter()]
    claims = store.claim(BATCH, time.time() + 1)
    marks.append(time.perf_counter())
    store.acknowledge(claims)
    marks.append(time.perf_counter())
    store.clear_acknowledged()
    marks.append(time.perf_counter())
    assert len(claims) == BATCH
    return dict(zip(("claim", "acknowledge", "clear"), (b - a for a, b in pairwise(marks)), strict=True))
