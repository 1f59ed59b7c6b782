"""The tab "Plex" on a scene's page, and the marks on scene cards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.browser.stage import Stage, Visitor, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def tab(page: Page) -> Locator:
    page.get_by_role("tab", name="Plex").click()
    return page.locator(".plexsync-tab")


def test_sync_now_with_the_result_on_the_spot(site: Stage, open: Visitor) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "Of Stash"
    panel = tab(open(f"/scenes/{scene}"))
    expect(panel).to_contain_text("PlexSync has not brought this scene into Plex yet.")
    expect(panel.get_by_role("row", name=re.compile("^Title"))).to_contain_text("Of Stash")
    panel.get_by_role("button", name="Sync now").click()
    expect(panel).to_contain_text("Synced.")
    expect(panel).to_contain_text(re.compile(rf"Item {key} in library Clips, found by its path"))
    expect(panel).to_contain_text("Everything is right already.")
    assert site.item(key).title == "Of Stash"


def test_not_in_plex_says_what_was_looked_for(site: Stage, open: Visitor) -> None:
    scene = site.stash.add_scene(title="Nowhere", files=[("/media/nowhere.mp4", 5)])
    panel = tab(open(f"/scenes/{scene}"))
    expect(panel).to_contain_text("Not in Plex. Looked for /media/nowhere.mp4 in Clips.")


def test_what_differs_and_why_it_stays(site: Stage, open: Visitor) -> None:
    site.configure(preserve_plex_edits=True)
    scene, key = site.add()
    site.stash.scene(scene).title = "Of Stash"
    site.sync(scene)
    site.plex.person_edits(key, title="Of a person")
    panel = tab(open(f"/scenes/{scene}"))
    title = panel.get_by_role("row", name=re.compile("^Title"))
    expect(title).to_contain_text("Of a person")
    expect(title).to_contain_text("somebody edited it in Plex")


def test_a_scene_that_failed_says_why(site: Stage, open: Visitor) -> None:
    scene = site.stash.add_scene(title="No file", files=[])
    site.sync(scene)
    panel = tab(open(f"/scenes/{scene}"))
    expect(panel).to_contain_text("Failed: missing file path")
    expect(panel).to_contain_text("Give the scene a file in Stash, or forget it.")


def test_marks_on_cards_are_a_choice_and_one_question(site: Stage, open: Visitor) -> None:
    scene, _ = site.add()
    site.stash.add_scene(title="No file", files=[])
    site.sync(scene)
    site.sync(2)
    page = open("/scenes")
    site.stash.wait_for_request(lambda request: '"wake"' in request.body.decode(), timeout=30)
    expect(page.locator(".plexsync-card-mark")).to_have_count(0)
    site.configure(mark_scenes=True)
    page.reload()
    expect(page.get_by_role("img", name="In Plex", exact=True)).to_have_count(1)
    expect(page.get_by_role("img", name=re.compile("^Failed"))).to_have_count(1)
    asked = [request for request in site.stash.requests if '"marks"' in request.body.decode()]
    assert len(asked) == 1


def test_what_both_sides_know_of_watching(site: Stage, open: Visitor) -> None:
    site.configure(bring_ratings=True, bring_since="2000-01-01")
    scene, key = site.add()
    site.stash.scene(scene).rating100 = 80
    site.sync(scene)
    site.plex.person_plays(key, at=1_700_000_000)
    site.plex.person_plays(key, at=1_700_500_000)
    site.plex.person_pauses(key, 3665, at=1_700_600_000)
    site.plex.person_rates(key, 6.5)
    panel = tab(open(f"/scenes/{scene}"))
    watched = panel.get_by_role("table").last
    expect(watched.get_by_role("row", name=re.compile("^Plays"))).to_contain_text(re.compile("empty.*2, last watched "))
    expect(watched.get_by_role("row", name=re.compile("^Rating"))).to_contain_text(re.compile(r"8.*6\.5"))
    expect(watched.get_by_role("row", name=re.compile("^Resume point"))).to_contain_text(re.compile("empty.*1:01:05"))
    rating = panel.get_by_role("table").first.get_by_role("row", name=re.compile("^Rating"))
    expect(rating).to_contain_text("goes to Stash: it was given in Plex")
