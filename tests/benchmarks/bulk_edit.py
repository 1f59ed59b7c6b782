"""A bulk edit of many scenes, as long as the person waits for it: one hook after another."""

from __future__ import annotations

from tests.benchmarks.control import Remote
from tests.benchmarks.figures import Figure
from tests.benchmarks.workplace import BARE, BARE_NAME, measure, median, places

SCENES = 500


def run(*, quick: bool = False) -> list[Figure]:
    """The wall of a bulk edit, with PlexSync and with a plugin in Python that does nothing."""
    scenes = 20 if quick else SCENES
    with places() as base, Remote("tests.benchmarks.live", str(base)) as live:
        live.call("fill", scenes)
        for name in ("plugin", "nothing"):
            live.call("bulk_edit", name, 10, 0, alone=False)
        nothing = live.call("bulk_edit", "nothing", scenes, 1, alone=True)
        alone = live.call("bulk_edit", "plugin", scenes, 1, alone=True)
        beside = live.call("bulk_edit", "plugin", scenes, 2, alone=False)
        hooks, errors = live.call("hooks", "plugin"), live.call("errors")
    assert hooks == 2 * scenes + 10, f"{hooks} hooks"
    assert not errors, errors
    bare = median(measure([BARE], 5 if quick else 21)["bare"])
    figures = []
    for told, seconds in (("the drain begins after it", alone), ("the drain runs beside it", beside)):
        name, each = f"bulk edit of {scenes} scenes, {told}", 1000 * seconds / scenes
        figures += [
            Figure(name, seconds, "s", seconds / nothing, "a plugin of no code"),
            Figure(f"{name}, a scene", each, "ms", each / bare / 1000, BARE_NAME),
        ]
    return figures
