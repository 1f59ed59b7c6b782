"""`python -m tests.browser.pictures FOLDER`: pictures of Stash's pages with the plugin in them, for the README.

with a_browser() as browser, a_stage(folder) as stage:
    fill(stage)
    photograph(Visitor(browser, stage), Picture("scenes", "/scenes"), Path("build"))
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser.stage import Stage, Visitor, a_browser, a_stage, expect, what_is_missing


@dataclass(frozen=True)
class Picture:
    """A picture to be taken."""

    name: str
    """Of the file, without `.png`."""
    path: str
    press: Sequence[str] = ()
    """CSS selectors of what is clicked first, in this order."""
    part: str | None = None
    """CSS selector of what is in the picture, where it is not the whole window."""
    ready: str | None = None
    """CSS selector of what has to be visible."""
    size: tuple[int, int] = (1280, 800)
    context: dict[str, Any] = field(default_factory=dict)
    """More for the browser's context."""


PICTURES = (
    Picture("page", "/plugins/plexsync", ready=".plexsync-columns", size=(1000, 760)),
    Picture(
        "settings",
        "/settings?tab=plugins",
        press=("button:has-text('Paths and matching')", "button:text-is('Check how scenes match')"),
        part=".plexsync-settings",
        ready=".plexsync-legend",
        size=(1000, 900),
    ),
    Picture("scene", "/scenes/5", press=(".nav-link:text-is('Plex')",), ready=".plexsync-problem", size=(900, 420)),
)

SCENES: tuple[tuple[str, str, str, list[str], list[str], tuple[int, int, int]], ...] = (
    ("beach", "A day at the beach", "Home Movies", ["Ann", "Bob"], ["Summer", "Dog, wet"], (46, 134, 171)),
    ("opening", "Opening night", "Live Takes", ["Carla"], ["Concert"], (162, 59, 114)),
    ("harbour", "The harbour in the morning", "Home Movies", ["Ann"], ["Summer"], (241, 143, 1)),
    ("encore", "Encore", "Live Takes", ["Carla", "Dan"], ["Concert"], (199, 62, 29)),
    ("attic", "What was in the attic", "Home Movies", ["Bob"], [], (59, 31, 43)),
)
"""File, title, studio, performers, tags, and the colour of the cover. Plex lacks the last one's file."""


def fill(stage: Stage) -> list[int]:
    """Add a small library, most of which is in Plex, and save each scene. Returns the scenes' ids."""
    scenes = []
    for number, (name, title, studio, performers, tags, colour) in enumerate(SCENES, start=1):
        path = f"/media/{name}.mp4"
        if number < len(SCENES):
            stage.plex.add_item(stage.library, [(path, 1_000_000 * number)])
        scene = stage.stash.add_scene(
            files=[(path, 1_000_000 * number)],
            cover=cover(colour),
            date=f"2024-07-{number + 10}",
            rating100=60 + 5 * number,
        )
        scenes.append(scene)
        stage.stash.save_scene(scene, title=title, studio=studio, performers=performers, tags=tags)
    stage.stash.wait_idle(120)
    return scenes


def cover(colour: tuple[int, int, int], width: int = 640, height: int = 360) -> bytes:
    """A picture that goes from a colour to black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    rows = (b"\0" + bytes(part * (height - y) // height for part in colour) * width for y in range(height))
    head = width.to_bytes(4) + height.to_bytes(4) + bytes((8, 2, 0, 0, 0))
    pixels = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def photograph(visit: Visitor, picture: Picture, folder: Path) -> Path:
    """Take one picture; return its file."""
    width, height = picture.size
    page = visit(picture.path, viewport={"width": width, "height": height}, **picture.context)
    for selector in picture.press:
        page.locator(selector).first.click()
    if picture.ready is not None:
        expect(page.locator(picture.ready).first).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".LoadingIndicator")).to_have_count(0)
    file = folder / f"{picture.name}.png"
    if picture.part is None:
        page.screenshot(path=file, animations="disabled")
    else:
        page.locator(picture.part).first.screenshot(path=file, animations="disabled")
    page.context.close()
    return file


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.browser.pictures", description="Take pictures of Stash's pages."
    )
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder: Path = parser.parse_args().folder
    missing = what_is_missing()
    if missing is not None:
        sys.exit(missing)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="plexsync-pictures-") as base,
        a_browser() as browser,
        a_stage(Path(base)) as stage,
    ):
        fill(stage)
        visit = Visitor(browser, stage)
        for picture in PICTURES:
            print(photograph(visit, picture, folder))
        for problem in visit.problems:
            print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
