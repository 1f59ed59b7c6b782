"""The honest stand-ins in a process of their own; Stash runs the plugin as Stash does.

As a process: `python -m tests.benchmarks.live <folder>`.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

from tests.benchmarks import library
from tests.benchmarks.control import serve
from tests.benchmarks.workplace import lay_out_packages
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn
from tests.site import ROOT, UNCOVERED, install_plugin, kill_sleepers_below


class Live:
    """A Stash with the plugin, one with a plugin that does nothing, and a Plex."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._plex = PlexStandIn()
        self._plex.start()
        self._library = self._plex.add_library(library.LIBRARY)
        environment = {**UNCOVERED, "PLEXSYNC_DATA_DIR": ""}
        self._stashes = {}
        for name, plugin in (("plugin", install_plugin(base / "plugins")), ("nothing", _nothing(base / "nothings"))):
            stash = StashStandIn(
                config_dir=base / name, plugin_dir=plugin, python=sys.executable, environment=environment
            )
            stash.start()
            self._stashes[name] = stash
        self._stashes["plugin"].set_settings(plex_url=self._plex.url, plex_token=self._plex.token)
        lay_out_packages(str(base / "plugin" / "plexsync"))

    def fill(self, scenes: int) -> None:
        """Give both Stashes and the Plex these scenes."""
        for n in range(1, scenes + 1):
            self._plex.add_item(self._library, [(library.path(n), library.size(n))])
            for stash in self._stashes.values():
                stash.add_scene(
                    title=library.title(n, 1),
                    details=library.details(n, 1),
                    date=library.date(n),
                    studio=library.studio_name(1 + n % 40),
                    performers=[library.performer_name(one) for one in library.performers(n)],
                    tags=[library.tag_name(one) for one in library.tags(n, 1)],
                    files=[(library.path(n), library.size(n))],
                    cover=library.cover(n),
                )

    def save(self, scene: int, take: int) -> dict[str, float]:
        """A person's save; return the seconds it took and those from its end until the edit was in Plex."""
        stash = self._stashes["plugin"]
        self._plex.clear_requests()
        saved = stash.save_scene(scene, title=library.title(scene, take), tags=[f"Tag of take {take}"])
        ended = time.monotonic()
        edit = self._plex.wait_for_edit(timeout=60)[0]
        stash.wait_idle(60)
        requests = self._plex.requests
        return {
            "save": saved.seconds,
            "arrived": max(0.0, edit.at - ended),
            "edits": len(self._plex.edits),
            "requests": len(requests),
        }

    def bulk_edit(self, name: str, scenes: int, take: int, *, alone: bool) -> float:
        """A bulk edit of the first scenes in one of the Stashes; return the seconds that the person waits.

        `alone`: Stash has another job to finish before it runs the drain.
        """
        stash, over = self._stashes[name], threading.Event()
        if alone:
            stash.occupy(over)
        saved = stash.bulk_save(list(range(1, scenes + 1)), tags=[f"Bulk {take}"])
        over.set()
        stash.wait_idle(300)
        return saved.seconds

    def hooks(self, name: str) -> int:
        """How many hooks one of the Stashes has run."""
        return len(self._stashes[name].hooks())

    def errors(self) -> list[str]:
        """What Stash logged as errors."""
        return [str(error) for stash in self._stashes.values() for error in stash.errors()]

    def close(self) -> None:
        """Stop everything."""
        kill_sleepers_below(self._base)
        for stash in self._stashes.values():
            stash.close()
        self._plex.close()


def _nothing(plugins: Path) -> Path:
    """A plugin of the same hooks that does nothing, in Python."""
    folder = plugins / "PlexSync"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "PlexSync.yml", folder)
    (folder / "plexsync.js").touch()
    (folder / "plexsync.py").write_text("pass\n", encoding="utf-8")
    return folder


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile of at least two values."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    live = Live(Path(sys.argv[1]))
    try:
        serve(live)
    finally:
        live.close()
