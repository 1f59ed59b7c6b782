"""Pictures for the README can be taken."""

from __future__ import annotations

from pathlib import Path

from tests.browser.pictures import Picture, fill, photograph
from tests.browser.stage import Stage, Visitor


def test_a_picture_of_a_page(site: Stage, open: Visitor, tmp_path: Path) -> None:
    fill(site)
    file = photograph(open, Picture("scenes", "/scenes", ready=".scene-card", size=(500, 300)), tmp_path)
    head = file.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (500, 300)
