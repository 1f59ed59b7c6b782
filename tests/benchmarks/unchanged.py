"""A sync of everything when nothing has changed, and the status, with many scenes."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks import library, seed
from tests.benchmarks.control import Remote
from tests.benchmarks.drain import PICTURE_DELAY
from tests.benchmarks.figures import Figure
from tests.benchmarks.index import MEMORY_BUDGET, warm
from tests.benchmarks.servers import TOKEN
from tests.benchmarks.workplace import BARE, BARE_NAME, light, measure, median, median_ratio, place, places

SCENES = 100_000
RATE_BUDGET = 2_000.0
"""Scenes a second."""
SAVED = 2_000
"""Scenes that were saved without a change since they were synced: each one's cover is looked at."""
TWICE = 300
"""Scenes that are synced by a real run before the one that finds nothing to do."""


def run(*, quick: bool = False, scenes: int = SCENES) -> list[Figure]:
    """Rate, requests, own CPU and memory of `sync_all`; the status with as many scenes synced and queued."""
    scenes = min(scenes, 4_000) if quick else scenes
    with places() as base, light() as pair:
        where = pair.call("addresses")
        twice = _twice(base, pair)
        saved = [_saved(base, pair, delay, SAVED // 10 if quick else SAVED) for delay in (0.0, PICTURE_DELAY)]
        few, many = place(base, "few", where["stash_port"]), place(base, "many", where["stash_port"])
        pair.call("arrange", scenes=scenes, take=1, in_plex=1)
        panel = {**library.PANEL, "plex_url": where["plex"], "plex_token": TOKEN}
        seed.synced(many.data, many.stash_port, panel)
        warm(where["plex"], scenes)
        pair.call("tally")
        (whole,) = measure([many.call("sync", {"mode": "sync_all"})])["sync"]
        asked = pair.call("tally")
        assert f"{scenes} right already" in whole.said, f"{whole.said}\n{whole.log}"
        size = Path(many.data, "state.db").stat().st_size
        seed.queue(many.data, range(1, scenes + 1))
        seed.queue(few.data, range(1, 101))
        status = [few.call("few", {"mode": "status"}), many.call("many", {"mode": "status"}), BARE]
        measure(status)
        runs = measure(status, 3 if quick else 9)
    (bare,) = measure([BARE])["bare"]
    of = f"sync all, {scenes:,} scenes, none changed"
    figures = [
        Figure(
            *(of, scenes / whole.wall, "scenes/s", whole.wall / scenes / bare.wall, f"{BARE_NAME}, a scene"),
            budget=RATE_BUDGET,
            at_least=True,
        ),
        Figure(f"{of}, requests of Plex's for scenes", _own(asked["plex"]), "", budget=0),
        Figure(
            *(f"{of}, pages of the library listed", asked["plex"].get("listing", 0), ""),
            *(asked["plex"].get("listing", 0) * 1000 / scenes, "a page of a thousand items"),
        ),
        twice,
        *saved,
        Figure(f"state file after {scenes:,} scenes", size / 1e6, "MB", size / scenes / 1000, "1 kB a scene"),
    ]
    if whole.cpu is not None and whole.peak is not None:
        figures += [
            Figure(f"{of}, own CPU a scene", 1000 * whole.cpu / scenes, "ms", whole.cpu / whole.wall, "its wall", 5.0),
            Figure(
                f"{of}, peak memory",
                whole.peak / 1e6,
                "MB",
                whole.peak / (runs["few"][0].peak or 1),
                "a status",
                MEMORY_BUDGET,
            ),
        ]
    return [
        *figures,
        Figure(
            *(f"status, {scenes:,} scenes synced and queued", 1000 * median(runs["many"]), "ms"),
            *(median_ratio(runs["many"], runs["few"]), "with 100 queued and none synced"),
        ),
        Figure(
            *("status, 100 scenes queued", 1000 * median(runs["few"]), "ms"),
            *(median_ratio(runs["few"], runs["bare"]), BARE_NAME),
        ),
    ]


def _own(asked: dict[str, float]) -> float:
    return asked.get("read", 0) + asked.get("edit", 0) + asked.get("upload", 0)


def _twice(base: Path, pair: Remote) -> Figure:
    """What a second run asks of Plex when the first one has written everything."""
    where = place(base, "twice", pair.call("addresses")["stash_port"])
    pair.call("arrange", scenes=TWICE, take=1)
    asked = []
    for _ in range(2):
        pair.call("tally")
        (one,) = measure([where.call("sync", {"mode": "sync_all"})])["sync"]
        asked.append(_own(pair.call("tally")["plex"]))
    assert f"{TWICE} right already" in one.said, one.said
    return Figure(
        *(f"sync all of {TWICE} scenes, run twice: requests of Plex's for scenes", asked[1], ""),
        *(asked[1] / asked[0], "the first run", 0),
    )


def _saved(base: Path, pair: Remote, picture_delay: float, scenes: int) -> Figure:
    """A sync of scenes whose covers have new addresses, and which are as they were."""
    where = place(base, f"saved {picture_delay}", pair.call("addresses")["stash_port"])
    panel = {**library.PANEL, "plex_url": pair.call("addresses")["plex"], "plex_token": TOKEN}
    pair.call("arrange", scenes=scenes, take=1, in_plex=1)
    seed.synced(where.data, where.stash_port, panel)
    pair.call("arrange", scenes=scenes, take=1, in_plex=1, saves=1, picture_delay=picture_delay)
    (one,) = measure([where.call("sync", {"mode": "sync_all"})])["sync"]
    assert f"{scenes} right already" in one.said, f"{one.said}\n{one.log}"
    name = f"sync all, {scenes:,} scenes saved without a change, pictures of Stash's {1000 * picture_delay:.0f} ms"
    if picture_delay:
        return Figure(name, scenes / one.wall, "scenes/s", picture_delay * scenes / one.wall, "one after another")
    (bare,) = measure([BARE])["bare"]
    return Figure(name, scenes / one.wall, "scenes/s", one.wall / scenes / bare.wall, f"{BARE_NAME}, a scene")
