"""The settings page: from nothing to a connected Plex, each kind of setting, wrong values, two tabs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from tests.browser.stage import Stage, Visitor, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

SETTINGS = "/settings?tab=plugins"
READY = ".plexsync-settings"


def opened(open: Visitor, **more: object) -> Page:
    return open(SETTINGS, ready=READY, **more)  # type: ignore[arg-type]


def group(page: Page, name: str) -> Locator:
    """A part of the settings, opened."""
    button = page.get_by_role("button", name=name, exact=True)
    while button.get_attribute("aria-expanded") == "false":  # what Plex answers above may move it from under a click
        button.click()
    return page.locator("section.plexsync-group", has=button)


def row(page: Page, setting: str) -> Locator:
    return page.locator(f"[data-setting={setting}]")


def stored(site: Stage, name: str) -> object:
    return site.stash.plugin_settings.get(name)


def test_by_hand_from_nothing_to_the_first_scene_in_plex(site: Stage, open: Visitor) -> None:
    _, key = site.add("/media/clip.mp4", 1000)
    site.stash.plugin_settings = {}
    site.stash.scene(1).title = "In Plex"
    page = opened(open)
    expect(page.get_by_text("PlexSync does not know your Plex yet")).to_be_visible()
    page.get_by_role("button", name="Enter address and token by hand").click()
    page.get_by_label("Plex URL", exact=True).fill(site.plex.url)
    page.get_by_label("Plex URL", exact=True).press("Enter")
    expect(row(page, "plex_url").get_by_text("Saved")).to_be_visible()
    page.get_by_label("Plex token", exact=True).fill(site.plex.token)
    row(page, "plex_token").get_by_role("button", name="Save").click()
    expect(page.get_by_text(re.compile("Stand-in answers at .* and the token may write"))).to_be_visible()
    assert site.plex.token not in page.content()
    expect(page.get_by_text("Every scene of the sample was found.")).to_be_visible()
    page.get_by_role("button", name="Sync all scenes now").click()
    expect(page.get_by_text("It has begun.")).to_be_visible()
    site.stash.wait_idle(60)
    assert site.item(key).title == "In Plex"
    for request in site.stash.requests:  # a token goes to the operation that stores it, and nowhere else
        if site.plex.token in request.body.decode() and request.headers.get("origin"):
            assert "save_settings" in request.body.decode()


def test_every_setting_is_in_one_group_and_bears_the_panels_name(site: Stage, open: Visitor) -> None:
    page = opened(open)
    named = page.evaluate("Object.values(window.PlexSync.settingGroups).flat()")
    elsewhere = {"plex_url", "plex_token", "plex_library", "path_map", "strict_matching", "trigger_plex_scan"}
    texts = page.evaluate("window.PlexSync.texts.fields")
    assert sorted([*named, *elsewhere]) == sorted(texts)
    assert set(texts) == set(site.ask("settings")["fields"])


def test_kinds_of_settings_are_stored_as_they_are_chosen(site: Stage, open: Visitor) -> None:
    page = opened(open)
    group(page, "What is written")
    page.get_by_label("Sync studio", exact=True).click(force=True)
    page.get_by_label("Field for the studio code", exact=True).select_option("off")
    page.get_by_label("Most tags", exact=True).fill("12")
    page.get_by_label("Most tags", exact=True).press("Tab")
    expect(row(page, "max_tags").get_by_text("Saved")).to_be_visible()
    expect(row(page, "code_field").get_by_role("button", name="Reset")).to_be_visible()
    assert (stored(site, "sync_studio"), stored(site, "code_field"), stored(site, "max_tags")) == (False, "off", "12")
    row(page, "max_tags").get_by_role("button", name="Reset").click()
    expect(page.get_by_label("Most tags", exact=True)).to_have_value("0")
    assert stored(site, "max_tags") == 0


def test_a_wrong_value_is_told_as_it_is_typed_and_is_not_stored(site: Stage, open: Visitor) -> None:
    page = opened(open)
    group(page, "Pace and retries")
    page.get_by_label("Tries", exact=True).fill("many")
    expect(row(page, "max_retries").get_by_role("alert")).to_contain_text("accepted: a whole number from 0 to 100")
    page.get_by_label("Tries", exact=True).press("Enter")
    expect(row(page, "max_retries").get_by_role("alert")).to_be_visible()
    assert stored(site, "max_retries") is None
    page.get_by_label("Tries", exact=True).fill("3")
    page.get_by_label("Tries", exact=True).press("Enter")
    expect(row(page, "max_retries").get_by_text("Saved")).to_be_visible()
    expect(row(page, "max_retries").get_by_role("alert")).to_have_count(0)


def test_what_is_stored_and_wrong_is_shown_where_it_can_be_mended(site: Stage, open: Visitor) -> None:
    site.configure(title_template="{nonsense}")
    page = opened(open)
    expect(page.get_by_label("Title template", exact=True)).to_have_value("{nonsense}")
    expect(row(page, "title_template").get_by_role("alert")).to_contain_text("accepted: text with at least one of")


def test_two_tabs_lose_nothing(site: Stage, open: Visitor) -> None:
    first, second = opened(open), opened(open)
    for page, label, name in ((first, "Sync studio", "sync_studio"), (second, "Sync date", "sync_date")):
        group(page, "What is written")
        page.get_by_label(label, exact=True).click(force=True)
        expect(row(page, name).get_by_text("Saved")).to_be_visible()
    assert (stored(site, "sync_studio"), stored(site, "sync_date")) == (False, False)
    assert stored(site, "plex_token") == site.plex.token
    assert first.get_by_label("Sync date", exact=True).is_checked(), "the first tab has not looked since"
    first.get_by_label("Sync title", exact=True).click(force=True)
    expect(first.get_by_label("Sync date", exact=True)).not_to_be_checked()


def test_libraries_are_ticked(site: Stage, open: Visitor) -> None:
    site.plex.add_library("Films, old")
    site.plex.add_library("Shows", type="show")
    page = opened(open)
    expect(page.get_by_text("show library: scenes are films for Plex")).to_be_visible()
    page.get_by_label("Only these", exact=True).check()
    expect(page.get_by_role("checkbox", name="Clips")).to_be_enabled()
    page.get_by_role("checkbox", name="Clips").click()
    expect(page.get_by_role("checkbox", name="Clips")).not_to_be_checked()
    site.wait_until(lambda: stored(site, "plex_library") == '"Films, old"')
    site.configure(plex_library="Renamed")
    page.reload()
    expect(page.get_by_text("Was it renamed?")).to_be_visible()


def test_a_path_map_is_proposed_and_used(site: Stage, open: Visitor) -> None:
    for number in range(6):
        name, size = f"clip {number}.mp4", 1000 + number
        site.plex.add_item(site.library, [(f"/plex/films/{name}", size)])
        site.stash.add_scene(files=[(f"/stash/media/{name}", size)])
    page = opened(open)
    group(page, "Paths and matching")
    page.get_by_role("button", name="Check how scenes match").click()
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("Every scene of the sample was found.")).to_be_visible()
    expect(page.get_by_label("In Stash 1", exact=True)).to_have_value(re.compile("^/stash"))
    assert str(stored(site, "path_map")).startswith("/stash")
    page.get_by_label("In Plex 1", exact=True).fill("nonsense")
    page.get_by_role("button", name="Store these").click()
    expect(page.get_by_text("path_map is")).to_be_visible()
    page.get_by_label("In Plex 1", exact=True).fill("/elsewhere")
    page.get_by_role("button", name="Try these").click()
    expect(page.get_by_text("With these pairs 0 of 6 are found by their path.")).to_be_visible()


def test_a_preview_shows_before_and_after(site: Stage, open: Visitor) -> None:
    scene, _ = site.add("/media/clip.mp4", 1000)
    site.stash.scene(scene).title = "Of Stash"
    page = opened(open)
    group(page, "Preview")
    page.get_by_role("button", name="Show what a sync would change").click()
    expect(page.get_by_text("1 field would change")).to_be_visible()
    title = page.get_by_role("row", name=re.compile("^Title"))
    expect(title).to_contain_text("clip")
    expect(title).to_contain_text("Of Stash")
    assert [request for request in site.plex.requests if request.method != "GET"] == []


def test_a_plex_that_is_away(site: Stage, open: Visitor) -> None:
    site.plex.stop()
    page = opened(open)
    expect(page.get_by_text("cannot be reached").first).to_be_visible()
    site.plex.start()
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_text(re.compile("Stand-in answers at"))).to_be_visible()


def test_below_a_proxys_path_on_a_phone_with_the_keyboard_alone(site: Stage, open: Visitor) -> None:
    page = opened(open, home=site.proxy.home, viewport={"width": 360, "height": 700})
    expect(page.get_by_text(re.compile("Stand-in answers at"))).to_be_visible()
    assert page.evaluate("document.querySelector('.plexsync').scrollWidth <= window.innerWidth")
    page.get_by_role("button", name=re.compile("pages and log")).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Detailed log", exact=True).focus()
    page.keyboard.press("Space")
    expect(row(page, "debug_logging").get_by_text("Saved")).to_be_visible()
    assert stored(site, "debug_logging") is True


def test_another_plugins_settings_stay_as_they_are(site: Stage, open: Visitor) -> None:
    page = opened(open)
    expect(page.get_by_text("Colour").first).to_be_visible()


def test_what_comes_back_begins_with_the_day_it_is_switched_on(site: Stage, open: Visitor) -> None:
    page = opened(open)
    group(page, "Back to Stash")
    page.get_by_label("Bring plays to Stash", exact=True).click(force=True)
    expect(row(page, "bring_plays").get_by_text("Saved")).to_be_visible()
    expect(page.get_by_label("From this day on", exact=True)).to_have_value(time.strftime("%Y-%m-%d"))
    page.get_by_label("From this day on", exact=True).fill("some day")
    expect(row(page, "bring_since").get_by_role("alert")).to_contain_text("accepted: a day such as 2024-01-31")
    page.get_by_label("From this day on", exact=True).fill("2020-02-29")
    page.get_by_label("Whose plays", exact=True).click()
    site.wait_until(lambda: stored(site, "bring_since") == "2020-02-29")
