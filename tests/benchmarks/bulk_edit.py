"""A bulk edit of many scenes, as long as the person waits for it: one hook after another."""

from __future__ import annotations

import statistics

from tests.benchmarks.control import Remote
from tests.benchmarks.figures import Figure
from tests.benchmarks.workplace import BARE, BARE_NAME, measure, median, places

SCENES = 500


def run(*, quick: bool = False) -> list[Figure]:
    """The wall of a bulk edit, with PlexSync and with a plugin in Python that does nothing."""
    scenes, rounds = (20, 1) if quick else (SCENES, 1)
    seconds: dict[str, list[float]] = {"plugin": [], "nothing": []}
    with places() as base, Remote("tests.benchmarks.live", str(base)) as live:
        live.call("fill", scenes)
        for name in seconds:
            live.call("bulk_edit", name, min(scenes, 10), 0)
        for number in range(1, rounds + 1):
            for name, found in seconds.items():
                found.append(live.call("bulk_edit", name, scenes, number))
        hooks, errors = live.call("hooks", "plugin"), live.call("errors")
    assert hooks == rounds * scenes + min(scenes, 10), f"{hooks} hooks"
    assert not errors, errors
    bare = median(measure([BARE], 5 if quick else 21)["bare"])
    whole, nothing = statistics.median(seconds["plugin"]), statistics.median(seconds["nothing"])
    ratio = statistics.median(one / other for one, other in zip(seconds["plugin"], seconds["nothing"], strict=True))
    added = (whole - nothing) / scenes
    return [
        Figure(f"bulk edit of {scenes} scenes, until the page answers", whole, "s", ratio, "a plugin of no code"),
        Figure("bulk edit, a scene", 1000 * whole / scenes, "ms", whole / scenes / bare, BARE_NAME),
        Figure("bulk edit, a scene, beside a plugin of no code", 1000 * added, "ms", added / bare, BARE_NAME),
    ]
