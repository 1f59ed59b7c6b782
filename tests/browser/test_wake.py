"""PlexSync's script that is in each of Stash's pages asks whether work is due."""

from __future__ import annotations

import re
import shutil

from sync.status.version import version
from tests.browser.stage import Stage, Visitor, expect
from tests.servers.stash_http import Request
from tests.site import PLUGIN_PARTS, ROOT


def wakes(request: Request) -> bool:
    return "runPluginOperation" in request.query and request.variables["args"] == {"mode": "wake"}


def test_each_load_asks_once(site: Stage, open: Visitor) -> None:
    page = open("/")
    site.stash.wait_for_request(wakes, timeout=30)
    page.reload()
    site.stash.wait_for_request(wakes, count=2, timeout=30)
    page.get_by_role("link", name="Scenes").click()  # the page stays, and asks no more
    expect(page).to_have_url(re.compile("/scenes$"))
    assert len([request for request in site.stash.requests if wakes(request)]) == 2


def test_a_stash_that_was_restarted_is_asked_at_once(site: Stage, open: Visitor) -> None:
    page = open("/", expected=["WebSocket", "Failed to load resource"])
    site.stash.wait_for_request(wakes, timeout=30)
    site.stash.wait_for_request(lambda request: request.headers.get("upgrade") == "websocket", timeout=30)
    page.clock.install()
    site.stash.stop()
    site.stash.clear_requests()
    site.stash.start()
    for _ in range(20):  # the page tries again every few seconds
        page.clock.run_for(5_000)
        if any(map(wakes, site.stash.requests)):
            break
        page.wait_for_timeout(100)
    site.stash.wait_for_request(wakes, timeout=30)


def test_a_page_from_before_an_update_is_to_be_loaded_again(site: Stage, open: Visitor) -> None:
    """Its scripts may not understand what the new Python side answers."""
    page = open("/plugins/plexsync", ready=".plexsync-page .plexsync-top")
    old = site.stash.config_dir.parent / "plugins" / "PlexSync"
    plugin = (old / "PlexSync.yml").read_text(encoding="utf-8")
    shutil.rmtree(old)
    shutil.copytree(ROOT / "sync", old / "sync", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PLUGIN_PARTS:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, old / name)
    shutil.copytree(ROOT / "ui", old / "ui")
    (old / "PlexSync.yml").write_text(plugin.replace(f"version: {version()}", "version: 99.0.1"), encoding="utf-8")
    page.get_by_role("button", name="Check setup").click()
    expect(page.get_by_text("PlexSync was updated to version 99.0.1")).to_be_visible()
    expect(page.locator(".plexsync-page")).to_have_count(0)
    page.get_by_role("button", name="Reload this page").click()
    expect(page.locator(".plexsync-page")).to_contain_text("Version 99.0.1")


def test_the_dot_says_that_something_needs_a_look(site: Stage, open: Visitor) -> None:
    page = open("/")
    expect(page.get_by_role("link", name="PlexSync", exact=True).first).to_be_visible()
    scene = site.stash.add_scene(title="Nowhere", files=[])
    site.hook(scene)
    site.drain()
    page.reload()
    expect(page.get_by_role("link", name="PlexSync: 1 scene needs a look").first).to_be_visible()


def test_it_asks_below_a_proxys_path(site: Stage, open: Visitor) -> None:
    open("/scenes", home=site.proxy.home)
    (request,) = site.proxy.wait_for_request(
        lambda request: request.path.endswith("/graphql") and b'"wake"' in request.body
    )
    assert request.path == "/below/stash/graphql"
