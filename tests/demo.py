"""`make demo`: a small library, a few saves as a person makes them, and what Plex held before and after."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.servers.plex import PlexItem, PlexStandIn
from tests.servers.stash import StashStandIn
from tests.site import install_plugin

FOLDERS = ("holidays", "concerts")
COVER = b"\x89PNG\r\n\x1a\n" + b"a picture of a beach " * 2_000


def main() -> None:
    """Run the demo; exit status 1 when Plex did not get what was saved."""
    with tempfile.TemporaryDirectory(prefix="plexsync-demo-") as folder:
        base = Path(folder)
        plugin = install_plugin(base / "plugins")
        with PlexStandIn() as plex, StashStandIn(config_dir=base / "stash", plugin_dir=plugin) as stash:
            print(f"A stand-in Stash listens on {stash.url}, a stand-in Plex on {plex.url}.")
            print('Plex has one library, "Clips". Both servers see the same files:\n')
            library = plex.add_library("Clips")
            pairs = {}
            for number, (name, where) in enumerate([("beach", 0), ("opening", 1), ("beach", 1)], start=1):
                path = f"/media/{FOLDERS[where]}/{name}.mp4"
                genres = ["Outdoors (added by a person)"] if number == 1 else []
                pairs[stash.add_scene(files=[(path, 1000 + number)])] = plex.add_item(
                    library, [(path, 1000 + number)], genres=genres
                )
                print(f"  {path}")
            stash.set_settings(plex_url=plex.url, plex_token=plex.token)
            scenes = list(pairs)

            _headline("Somebody edits the first scene in Stash and presses Save")
            _save(
                *(stash, plex, scenes[0], pairs[scenes[0]]),
                title="A day at the beach",
                details="Sun, sand and a dog that would not come back.",
                date="2024-07-21",
                studio="Home Movies",
                performers=["Ann", "Bob"],
                tags=["Summer", "Dog, wet"],
                director="Carla",
                rating100=85,
                groups=["Summer of 24"],
                cover=COVER,
            )
            _headline("Two files of one name: the other folder's scene is saved")
            _save(stash, plex, scenes[2], pairs[scenes[2]], title="Beach, the song", studio="Live Takes")
            print(f"\n  The first one is as it was:  {_shown(plex.item(pairs[scenes[0]]))}")

            _headline("A performer and a tag are taken off the first scene again")
            _save(stash, plex, scenes[0], pairs[scenes[0]], performers=["Ann"], tags=["Summer"])

            _headline("Plex is switched off, a scene is saved, Plex comes back")
            plex.stop()
            saved = stash.save_scene(scenes[1], title="Opening night")
            stash.wait_idle(30)
            print(f"  The save took {saved.seconds * 1000:.0f} ms all the same. Stash's log says:")
            print(f"    {stash.errors()[-1]}")
            plex.start()
            stash.press("Process queue")
            stash.wait_idle(30)
            print(f'  Plex is back, "Process queue" was pressed:\n    {_shown(plex.item(pairs[scenes[1]]))}')

            _headline('"Check setup" is pressed')
            stash.press("Check setup")
            stash.wait_idle(30)

            _headline("The log, as a person reads it in Stash")
            for line in stash.log:
                if line.level in ("info", "warning", "error"):
                    print(f"  {line.level:<7} {line.message}")
            if plex.item(pairs[scenes[1]]).title != "Opening night":
                sys.exit("The demo failed: Plex does not hold what was saved")


def _headline(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def _save(stash: StashStandIn, plex: PlexStandIn, scene: int, key: int, **fields: Any) -> None:
    before = plex.item(key)
    plex.clear_requests()
    saved = stash.save_scene(scene, **fields)
    end = time.monotonic()
    (edit,) = plex.wait_for_edit(timeout=120)
    after_save = edit.at - end
    stash.wait_idle(60)
    print(f"  before  {_shown(before)}")
    print(f"  after   {_shown(plex.item(key))}")
    print(f"  The save took {saved.seconds * 1000:.0f} ms; Plex had it {max(0.0, after_save) * 1000:.0f} ms later.")


def _shown(item: PlexItem) -> str:
    parts = [f'"{item.title}"']
    for name, value in (("studio", item.studio), ("date", item.date), ("summary", item.summary)):
        if value:
            parts.append(f"{name} {value!r}")
    lists = {
        "actors": [role.name for role in item.actors],
        "genres": item.genres,
        "collections": item.collections,
        "directors": item.directors,
    }
    parts += [f"{name} {values}" for name, values in lists.items() if values]
    if item.user_rating is not None:
        parts.append(f"rating {item.user_rating:g}")
    if item.poster:
        parts.append(f"a poster of {len(item.poster) / 1000:.0f} kB")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
