"""The index of a large library's files: built, and refreshed when something is new."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from tests.benchmarks import seed
from tests.benchmarks.control import Remote
from tests.benchmarks.figures import Figure
from tests.benchmarks.workplace import Place, Run, light, measure, place, places

ITEMS, NEW = 100_000, 100
PAGE = 1_000
SECONDS_BUDGET, MEMORY_BUDGET = 30.0, 250.0
"""Seconds to build it; megabytes at the most."""

_READER = """
import sys, urllib.request
from xml.etree import ElementTree
for start in range(0, int(sys.argv[2]), 1000):
    url = sys.argv[1] + "/library/sections/1/all?type=1&sort=addedAt:asc"
    paging = f"&X-Plex-Container-Start={start}&X-Plex-Container-Size=1000"
    ElementTree.fromstring(urllib.request.urlopen(url + paging).read())
"""


def run(*, quick: bool = False, items: int = ITEMS) -> list[Figure]:
    """Time, requests and memory of the first listing, and of the look that finds a hundred new items."""
    items = min(items, 5_000) if quick else items
    built, looked, known, read = [], [], [], []
    with places() as base, light() as pair:
        where = pair.call("addresses")
        for number in range(1 if quick or items > ITEMS else 2):
            one = place(base, str(number), where["stash_port"])
            pair.call("arrange", scenes=items + NEW, items=items, take=1, in_plex=0, searches=False)
            warm(where["plex"], items)
            reader = {"name": "read", "argv": [sys.executable, "-c", _READER, where["plex"], str(items)]}
            read.append(measure([reader])["read"][0])
            built.append(_drain(pair, one, 7))
            size = Path(one.data, "state.db").stat().st_size
            known.append(_drain(pair, one, 8))
            pair.call("arrange", scenes=items + NEW, items=items + NEW, take=1, in_plex=0, searches=False)
            looked.append(_drain(pair, one, items + 50))
    build, look = (statistics.median(one.seconds for one in some) for some in (built, looked))
    ratio = statistics.median(one.seconds / reader.wall for one, reader in zip(built, read, strict=True))
    of, pages, asked = f"index of {items:,} items", built[0].pages, looked[0].pages
    budget = SECONDS_BUDGET * items / ITEMS
    figures = [
        Figure(f"{of}, built", build, "s", ratio, "fetching and parsing alone", budget),
        Figure(f"{of}, requests", pages, "", pages / (items / PAGE), "the pages there are"),
        Figure(f"{of}, on disk", size / 1e6, "MB", size / items / 1000, "1 kB an item"),
        Figure(f"{of}, refreshed with {NEW} new ones", look, "s", look / build, "building it"),
        Figure(f"{of}, refreshed with {NEW} new ones, requests", asked, "", asked / pages, "building it"),
    ]
    peaks = [max((one.run.peak or 0 for one in some), default=0) for some in (built, looked, known)]
    if all(peaks):
        names = (of, f"{of}, refreshed with {NEW} new ones")
        figures += [
            Figure(f"{name}, peak memory", peak / 1e6, "MB", peak / peaks[-1], "a drain that does not", MEMORY_BUDGET)
            for name, peak in zip(names, peaks, strict=False)
        ]
    return figures


def warm(plex: str, items: int) -> None:
    """Have the light Plex build its pages before anything is measured."""
    for start in range(0, items, PAGE):
        paging = f"X-Plex-Container-Start={start}&X-Plex-Container-Size={PAGE}"
        urlopen(f"{plex}/library/sections/1/all?type=1&sort=addedAt:asc&{paging}").read()


@dataclass(frozen=True, slots=True)
class _Looked:
    """A drain of one scene, and what it had to do with the library."""

    run: Run
    pages: int
    seconds: float
    """From the first page that it asked for until it read the scene's item."""


def _drain(pair: Remote, where: Place, scene: int) -> _Looked:
    seed.queue(where.data, [scene])
    pair.call("tally")
    (one,) = measure([where.drain("drain")])["drain"]
    assert "1 changed" in one.said, f"{one.said}\n{one.log}"
    tally = pair.call("tally")
    marks = tally["marks"]
    seconds = marks["first read"] - marks.get("first listing", marks["first read"])
    return _Looked(one, int(tally["plex"].get("listing", 0)), seconds)
