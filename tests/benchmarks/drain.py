"""The drain: scenes a second, requests and own CPU a scene, and how long it takes to begin."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import library, seed
from tests.benchmarks.control import Remote
from tests.benchmarks.figures import Figure
from tests.benchmarks.servers import TOKEN
from tests.benchmarks.workplace import (
    BARE,
    BARE_NAME,
    Place,
    Run,
    light,
    measure,
    place,
    places,
)

READ_DELAY, EDIT_DELAY = 0.005, 0.025
"""Seconds that a Plex on an ordinary machine takes."""

CPU_BUDGET, RATE_BUDGET, BEGIN_BUDGET = 5.0, 0.9, 0.35
"""Milliseconds of own CPU a scene; share of the rate that the edits' delay allows; seconds until the first edit."""
REQUESTS_BUDGET = 1.1
"""Requests of Plex's a changed scene: one edit, a share of two reads of a hundred items, and the run's beginning."""

PICTURE_DELAY = 0.008
"""Seconds that a Stash on an ordinary machine takes to read a picture."""

SAVED, UNTOUCHED = "saved, nothing changed", "not even saved"
"""Kinds of scenes that need nothing: a save gives the cover another address, so Stash is asked whether it is the same
picture; a row of a scene that was not saved is a second one of the same save, or a change of something it names."""

_SCENES = {"changed": 500, SAVED: 2_000, UNTOUCHED: 2_000, "new": 300}
_SLOW_SCENES = {"changed": 300, SAVED: 1_000, UNTOUCHED: 1_000, "new": 80}


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of one run over many scenes."""

    run: Run
    scenes: int
    seconds: float
    """From the answer that tells the libraries, which ends the beginning, until the process ended."""
    requests: dict[str, float]

    @property
    def rate(self) -> float:
        """Scenes a second, without the beginning."""
        return self.scenes / self.seconds


def run(*, quick: bool = False) -> list[Figure]:
    """Changed, unchanged and new scenes, with a Plex that answers at once and with a slow one; and the beginning."""
    rounds = 1 if quick else 3
    with places() as base, light() as pair:
        bench = _Bench(base, pair)
        figures = bench.beginning(2 if quick else 11)
        own = statistics.median(bench.own_beginning)
        for kind, scenes in _SCENES.items():
            scenes = scenes // 10 if quick else scenes
            found = [bench.drain(kind, scenes, 0.0, 0.0) for _ in range(rounds)]
            figures += _at_once(kind, found, own, bench.bare)
        found = [bench.drain("changed", _SCENES["changed"] // (10 if quick else 1), 0, 0, sync_poster=False)]
        figures += _at_once("changed, sync_poster off", found, own, bench.bare)
        for kind, scenes in _SLOW_SCENES.items():
            scenes = scenes // 10 if quick else scenes
            # Only the changed ones have a budget, and whatever else the machine does shows in it.
            times = rounds if kind == "changed" else 1
            figures.append(_slow(kind, [bench.drain(kind, scenes, READ_DELAY, EDIT_DELAY) for _ in range(times)]))
        found = [bench.drain(SAVED, 100 if quick else 1_000, 0, 0, picture_delay=PICTURE_DELAY) for _ in range(rounds)]
        figures.append(_slow_pictures(found))
    return figures


class _Bench:
    def __init__(self, base: Path, pair: Remote) -> None:
        self._base, self._pair = base, pair
        self._where = pair.call("addresses")
        self._made = 0
        self.own_beginning: list[float] = []
        """CPU seconds of a run of one scene, each."""
        self.bare = float("nan")

    def beginning(self, rounds: int) -> list[Figure]:
        """From the start of the process until the first edit, with one scene queued."""
        until, to_read, bare, cpu = [], [], [], []
        for number in range(rounds + 1):
            where = self._seeded("changed", 20, {})
            seed.queue(where.data, [5])
            runs = measure([BARE, where.drain("drain")])
            (one,), (nothing,) = runs["drain"], runs["bare"]
            assert "1 changed" in one.said, one.said
            marks = self._pair.call("tally")["marks"]
            if number:  # the first one compiles what nobody has compiled yet
                until.append(marks["first edit"] - one.began)
                to_read.append(marks["first other"] - one.began)
                bare.append(nothing.wall)
                cpu.append(one.wall)
                self.own_beginning.append(one.cpu or 0.0)
        self.bare = statistics.median(bare)
        ratio = [one / other for one, other in zip(until, bare, strict=True)]
        return [
            Figure(
                *("drain, from its start to the first edit", statistics.median(until), "s"),
                *(statistics.median(ratio), BARE_NAME, BEGIN_BUDGET),
            ),
            Figure(
                *("drain, from its start to the first request of Plex's", statistics.median(to_read), "s"),
                *(statistics.median(to_read) / self.bare, BARE_NAME),
            ),
            Figure(
                *("drain of one scene, from its start to its end", statistics.median(cpu), "s"),
                *(statistics.median(cpu) / self.bare, BARE_NAME),
            ),
        ]

    def drain(
        self,
        kind: str,
        scenes: int,
        read_delay: float,
        edit_delay: float,
        *,
        picture_delay: float = 0.0,
        **settings: Any,
    ) -> Drained:
        """Drain so many scenes."""
        delays = {"read_delay": read_delay, "edit_delay": edit_delay, "picture_delay": picture_delay}
        where = self._seeded(kind, scenes, settings, **delays)
        seed.queue(where.data, range(1, scenes + 1))
        (one,) = measure([where.drain(kind)])[kind]
        what = "right" if kind in (SAVED, UNTOUCHED) else "changed"
        assert f"{scenes} {what}" in one.said, f"{one.said}\n{one.log}"
        tally = self._pair.call("tally")
        # Monotonic clocks are the whole system's.
        return Drained(one, scenes, one.began + one.wall - tally["marks"]["last other"], tally["plex"])

    def _seeded(self, kind: str, scenes: int, settings: dict[str, Any], **delays: float) -> Place:
        self._made += 1
        where = place(self._base, str(self._made), self._where["stash_port"])
        held = 0 if kind == "new" else 1
        self._pair.call("arrange", scenes=scenes, take=1, in_plex=held, **settings)
        panel = {**library.PANEL, "plex_url": self._where["plex"], "plex_token": TOKEN, **settings}
        if held:
            seed.synced(where.data, where.stash_port, panel)
        else:  # the library is known, the scenes are not
            seed.synced(where.data, where.stash_port, panel, last=0)
        take = 2 if kind.startswith("changed") else 1
        saves = 1 if kind == SAVED else 0
        self._pair.call("arrange", scenes=scenes, take=take, saves=saves, in_plex=held, **delays, **settings)
        return where


def _at_once(kind: str, found: list[Drained], own: float, bare: float) -> list[Figure]:
    rate = statistics.median(one.rate for one in found)
    cpu = [((one.run.cpu or float("nan")) - own) / one.scenes for one in found]
    last = found[-1]
    total = sum(last.requests.values()) / last.scenes
    return [
        Figure(f"drain, {kind}, Plex answers at once", rate, "scenes/s", 1 / rate / bare, f"{BARE_NAME}, a scene"),
        Figure(
            *(f"drain, {kind}, own CPU a scene", 1000 * statistics.median(cpu), "ms"),
            *(statistics.median(cpu) / bare, BARE_NAME, CPU_BUDGET),
        ),
        Figure(
            *(f"drain, {kind}, requests of Plex's a scene", total, ""),
            *(last.requests.get("edit", 0) / last.scenes, "an edit a scene"),
            *((REQUESTS_BUDGET,) if kind == "changed" else ()),
        ),
    ]


def _slow(kind: str, found: list[Drained]) -> Figure:
    """Against the rate that the delays allow: one request after another."""
    one = found[0]
    writes, reads = one.requests.get("edit", 0) + one.requests.get("upload", 0), one.requests.get("read", 0)
    limit = EDIT_DELAY if kind == "changed" else (writes * EDIT_DELAY + reads * READ_DELAY) / one.scenes
    rate = statistics.median(one.rate for one in found)
    name = f"drain, {kind}, reads {1000 * READ_DELAY:.0f} ms, edits {1000 * EDIT_DELAY:.0f} ms"
    budget = RATE_BUDGET if kind == "changed" else None
    return Figure(name, rate, "scenes/s", rate * limit, "what the delays allow", budget, "ratio", at_least=True)


def _slow_pictures(found: list[Drained]) -> Figure:
    """Against one picture after another."""
    rate = statistics.median(one.rate for one in found)
    name = f"drain, {SAVED}, pictures of Stash's {1000 * PICTURE_DELAY:.0f} ms"
    return Figure(name, rate, "scenes/s", rate * PICTURE_DELAY, "one picture after another", None, "ratio")
