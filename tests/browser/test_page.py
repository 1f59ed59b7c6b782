"""The page /plugins/plexsync: is all well, what goes on, what failed and what mends it, how much is in Plex."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from sync.queue.dead_letters import PUT_DEAD_LETTER, DeadLetter
from sync.worker.circuit_breaker import CircuitBreaker
from tests.browser.stage import Stage, Visitor, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGE = "/plugins/plexsync"
READY = ".plexsync-page .plexsync-top"
NOT_FOUND = 'no Plex item in "Clips" holds its file "clip {}.mp4" yet. If Plex has it, check path_map'
TWICE = '2 Plex items hold a file "clip {}.mp4" under this very path: split them'


def opened(open: Visitor, **more: object) -> Page:
    return open(PAGE, ready=READY, **more)  # type: ignore[arg-type]


def top(page: Page) -> Locator:
    return page.locator(".plexsync-top")


def bury(site: Stage, count: int, error_type: str = "PlexNotFound", message: str = NOT_FOUND, first: int = 1) -> None:
    """Dead letters as a drain writes them."""
    store, now = site.store(), time.time()
    letters = [
        DeadLetter(n, f"Clip {n}", error_type, message.format(n), 12, now, now, "{}")
        for n in range(first, first + count)
    ]
    with store.transaction() as connection:
        connection.executemany(PUT_DEAD_LETTER, letters)
    store.close()


def part(page: Page, name: str) -> Locator:
    return page.locator("section.plexsync-group", has=page.get_by_role("button", name=re.compile(f"^{name}")))


def test_nothing_was_synced_yet_and_then_all_is_well(site: Stage, open: Visitor) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "In Plex"
    page = opened(open)
    expect(top(page)).to_contain_text("has not synced anything yet")
    page.get_by_role("button", name="Sync all scenes").click()
    expect(page.get_by_text("Asked for.")).to_be_visible()
    expect(top(page)).to_contain_text("All is well")
    assert site.item(key).title == "In Plex"
    expect(part(page, "Coverage")).to_contain_text("1 of 1 scenes are in Plex")
    expect(part(page, "History")).to_contain_text("Title to item")
    expect(part(page, "History").get_by_role("link", name="Open in Plex")).to_have_attribute(
        "href", re.compile(rf"server/{site.plex.machine_identifier}/details\?key=%2Flibrary%2Fmetadata%2F{key}$")
    )


def test_what_goes_on_is_shown_and_can_be_stopped(site: Stage, open: Visitor) -> None:
    for number in range(3):
        scene, _ = site.add(f"/media/{number}.mp4", 1 + number)
        site.stash.scene(scene).title = f"New {number}"
    site.plex.fail(kind="hang", method="PUT", times=None)
    page = opened(open)
    page.get_by_role("button", name="Sync all scenes").click()
    expect(top(page)).to_contain_text("PlexSync is at work.")
    batch = part(page, "Now").locator(".plexsync-batch")
    expect(batch).to_contain_text("0 of 3, 3 left")
    batch.get_by_role("button", name="Stop").click()
    expect(batch.get_by_role("button", name="Stop")).to_have_count(0)
    expect(batch).to_contain_text("Process queue goes on with it")
    site.plex.clear_faults()
    page.get_by_role("button", name="Process queue").click()
    expect(top(page)).to_contain_text("All is well")


def test_the_pace_of_a_batch_is_told(site: Stage, open: Visitor) -> None:
    for number in range(600):  # a round of a hundred is counted at its end
        scene, _ = site.add(f"/media/{number}.mp4", 1 + number)
        site.stash.scene(scene).title = f"New {number}"
    site.plex.fail(kind="slow", delay=0.03, method="PUT", times=None)
    page = opened(open)
    page.get_by_role("button", name="Sync all scenes").click()
    expect(part(page, "Now")).to_contain_text(re.compile(r"[\d.]+ scenes a second, about 1 minute left"))
    part(page, "Now").get_by_role("button", name="Stop").click()
    expect(part(page, "Now").get_by_role("button", name="Stop")).to_have_count(0)


def test_failures_are_grouped_by_cause_with_their_scenes(site: Stage, open: Visitor) -> None:
    for number in range(5):
        site.stash.add_scene(title=f"Named {number}", files=[])
    bury(site, 3)
    bury(site, 2, "PlexPermanentError", TWICE, first=4)
    page = opened(open)
    expect(top(page)).to_contain_text("5 scenes need a look")
    look = part(page, "Needs a look")
    expect(look.locator(".plexsync-cause")).to_have_count(2)
    look.locator(".plexsync-cause", has_text="Not in Plex").get_by_role("button", name="Show scenes").click()
    scenes = look.locator(".plexsync-scenes li")
    expect(scenes).to_have_count(3)
    expect(scenes.first.get_by_role("link", name="Named 0")).to_have_attribute("href", re.compile("/scenes/1$"))
    assert site.plex.requests == []


def test_a_failure_is_retried_and_others_are_forgotten(site: Stage, open: Visitor) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "Mended"
    bury(site, 1)
    bury(site, 2, "PlexPermanentError", TWICE, first=50)
    page = opened(open)
    look = part(page, "Needs a look")
    look.locator(".plexsync-cause", has_text="Not in Plex").get_by_role(
        "button", name="Try all of this kind again"
    ).click()
    expect(look).to_contain_text("1 scene is queued again.")
    site.wait_until(lambda: site.item(key).title == "Mended")
    page.on("dialog", lambda dialog: dialog.accept())
    look.get_by_role("button", name="Forget all of this kind").click()
    expect(look).to_contain_text("Nothing failed.")
    expect(top(page)).to_contain_text("All is well")


def test_five_thousand_failures_page_well(site: Stage, open: Visitor) -> None:
    bury(site, 4_000)
    bury(site, 1_000, "PlexPermanentError", TWICE, first=4_001)
    page = opened(open)
    look = part(page, "Needs a look")
    expect(look.locator(".plexsync-cause")).to_have_count(2)
    cause = look.locator(".plexsync-cause").first
    expect(cause).to_contain_text("4,000")
    cause.get_by_role("button", name="Show scenes").click()
    expect(cause.locator(".plexsync-scenes li")).to_have_count(20)
    cause.get_by_role("button", name="Show more").click()
    expect(cause.locator(".plexsync-scenes li")).to_have_count(40)
    expect(cause.locator(".plexsync-scenes li").last).to_contain_text("clip 40.mp4")


def test_a_plex_that_is_away(site: Stage, open: Visitor) -> None:
    scene, _ = site.add()
    store = site.store()
    site.hook(scene)
    breaker = CircuitBreaker(store.connection)
    for _ in range(5):
        breaker.record_failure()
    store.close()
    expect(top(opened(open))).to_contain_text(
        re.compile("Plex has been away since .* 1 scene waits; it goes on by itself")
    )


def test_a_run_that_could_not_go_on_says_why_and_where_to_mend_it(site: Stage, open: Visitor) -> None:
    scene, _ = site.add()
    site.configure(plex_token="wrong")
    site.hook(scene)
    site.drain()
    page = opened(open)
    expect(top(page)).to_contain_text("The last run could not go on: plex_token is refused")
    top(page).get_by_role("link", name="Open the settings").click()
    expect(page.locator(".plexsync-settings")).to_be_visible()


def test_the_check_is_on_the_page(site: Stage, open: Visitor) -> None:
    site.add()
    page = opened(open)
    page.get_by_role("button", name="Check setup").click()
    expect(page.get_by_text("The setup is good.")).to_be_visible()
    expect(page.locator(".plexsync-lines li", has_text="takes the token")).to_be_visible()
    site.configure(plex_library="Nothing")
    page.get_by_role("button", name="Check setup").click()
    expect(page.get_by_text("1 thing to fix")).to_be_visible()
    expect(page.locator(".plexsync-lines .plexsync-error")).to_contain_text('plex_library "Nothing" was not found')


def test_parts_of_the_coverage_open(site: Stage, open: Visitor) -> None:
    site.stash.add_scene(title="Skipped", tags=["Skip"], files=[("/media/a.mp4", 1)])
    site.stash.add_scene(title="Never looked at", files=[("/media/b.mp4", 1)])
    site.configure(skip_tags="Skip")
    site.hook(1)
    site.drain()
    page = opened(open)
    coverage = part(page, "Coverage")
    coverage.get_by_role("button", name="left out by the settings").click()
    expect(coverage.locator(".plexsync-scenes li")).to_contain_text('it has the tag "Skip" (skip_tags)')
    coverage.get_by_role("button", name="never looked at").click()
    expect(coverage.get_by_role("link", name="Never looked at")).to_be_visible()


def test_what_waits_is_dropped_only_when_a_person_says_so(site: Stage, open: Visitor) -> None:
    site.stash.add_scene(files=[("/media/a.mp4", 1)])
    site.plex.stop()
    site.hook(1)
    page = opened(open)
    answers = iter([False, True])
    page.on("dialog", lambda dialog: dialog.accept() if next(answers) else dialog.dismiss())
    page.get_by_role("button", name="Clear queue").click()
    assert len(site.rows()) == 1
    page.get_by_role("button", name="Clear queue").click()
    expect(page.get_by_text("1 queued job cleared")).to_be_visible()
    assert site.rows() == []


def asked(site: Stage) -> int:
    return len([request for request in site.stash.requests if "PlexSync" in request.query])


def test_a_quiet_page_asks_nothing(site: Stage, open: Visitor) -> None:
    scene, _ = site.add()
    site.sync(scene)
    site.stash.wait_idle(30)  # the hook has asked Stash for a run, too: a page that sees it at work asks again
    page = opened(open)
    expect(part(page, "History")).to_contain_text("Nothing was written yet.")
    operations = [request for request in site.stash.requests if "PlexSyncOperation" in request.query]
    modes = [request.variables["args"]["mode"] for request in operations]
    assert sorted(modes) == ["coverage", "failed", "history", "status", "wake"], "each once"
    page.clock.install()
    site.stash.clear_requests()
    page.clock.run_for(60_000)
    assert [request.variables for request in site.stash.requests if "PlexSync" in request.query] == []


def test_a_page_asks_while_something_waits_and_a_hidden_one_does_not(site: Stage, open: Visitor) -> None:
    site.sync(site.stash.add_scene(files=[("/media/not in Plex.mp4", 1)]))
    page = opened(open)
    expect(top(page)).to_contain_text("1 scene waits for its turn.")
    expect(part(page, "History")).to_contain_text("Nothing was written yet.")
    page.clock.install()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # its timers begin anew, on this clock
    site.stash.clear_requests()
    for _ in range(5):
        page.clock.run_for(11_000)
    site.wait_until(lambda: asked(site) > 0)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    for _ in range(20):  # what was under way
        site.stash.clear_requests()
        page.clock.run_for(11_000)
        page.wait_for_timeout(300)
        if not asked(site):
            break
    page.clock.run_for(120_000)
    page.wait_for_timeout(300)
    assert asked(site) == 0


def test_on_a_phone_below_a_path(site: Stage, open: Visitor) -> None:
    bury(site, 3)
    page = opened(open, home=site.proxy.home, viewport={"width": 360, "height": 700})
    expect(part(page, "Needs a look").locator(".plexsync-cause")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_report_is_gathered_for_copying(site: Stage, open: Visitor) -> None:
    site.add("/media/Private folder/Private name.mp4")
    page = opened(open)
    page.get_by_role("button", name="Report").click()
    report = page.get_by_role("textbox", name="Report")
    expect(report).to_have_value(re.compile(r"^PlexSync [\d.]+, Stash v0\.30\.1\n"))
    assert "Private" not in report.input_value()
    assert site.plex.token not in report.input_value()
    report.fill("Cut short by its reader")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    report.fill("")
    page.keyboard.press("Control+V")
    expect(report).to_have_value("Cut short by its reader")


def test_what_plex_tells_is_brought_to_stash_and_listed(site: Stage, open: Visitor) -> None:
    site.configure(bring_plays=True, bring_ratings=True, bring_since="2000-01-01")
    scene, key = site.add()
    site.stash.scene(scene).rating100 = 80
    site.sync(scene)
    site.plex.person_plays(key, at=1_700_000_000)
    site.plex.person_rates(key, 6.0)
    page = open("/plugins/plexsync")
    row = page.locator(".plexsync-action", has=page.get_by_role("button", name="Bring back from Plex"))
    row.get_by_role("checkbox", name="only report").check()
    row.get_by_role("button", name="Bring back from Plex").click()
    expect(page.get_by_text("Would bring: 1 play, 1 rating")).to_be_visible()
    assert site.stash.scene(scene).play_times == []
    row.get_by_role("checkbox", name="only report").uncheck()
    row.get_by_role("button", name="Bring back from Plex").click()
    written = page.locator(".plexsync-scenes")
    expect(written).to_contain_text(f"1 play from Plex item {key}")
    expect(written).to_contain_text(f"Rating from Plex item {key}")
    assert (site.stash.scene(scene).play_times, site.stash.scene(scene).rating100) == ([1_700_000_000], 60)
