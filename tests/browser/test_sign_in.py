"""Signing in with Plex, from nothing to the first scene in Plex, and what can go wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import Stage, Visitor, expect
from tests.servers.plex_tv import PlexTvStandIn

if TYPE_CHECKING:
    from playwright.sync_api import Page

ELSEWHERE = ["Failed to load resource", "Cross-Origin"]  # in the window that shows Plex's page


@pytest.fixture
def plex_tv(site: Stage) -> Iterator[PlexTvStandIn]:
    with PlexTvStandIn() as server:
        site.stash.environment.update(server.environment)
        yield server


def begun(open: Visitor) -> Page:
    page = open("/settings?tab=plugins", ready=".plexsync-settings", expected=ELSEWHERE)
    page.get_by_role("button", name="Sign in with Plex").click()
    expect(page.get_by_text("Sign in on Plex's page")).to_be_visible()
    return page


def agree(site: Stage, plex_tv: PlexTvStandIn) -> None:
    site.wait_until(lambda: bool(plex_tv.pins))
    plex_tv.agree(plex_tv.pins[-1])


def test_from_nothing_to_the_first_scene_in_plex(site: Stage, open: Visitor, plex_tv: PlexTvStandIn) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "In Plex"
    site.stash.plugin_settings = {}
    plex_tv.add_server(site.plex)
    page = begun(open)
    expect(page.get_by_role("link", name="Open Plex's page again")).to_have_attribute("href", re.compile("auth#"))
    agree(site, plex_tv)
    expect(page.get_by_role("group", name="Stand-in")).to_be_visible()
    page.get_by_role("button", name="Use this server").click()
    expect(page.get_by_text("Connected to Stand-in.")).to_be_visible()
    expect(page.get_by_text(re.compile("answers at .* and the token may write"))).to_be_visible()
    expect(page.get_by_text("Every scene of the sample was found.")).to_be_visible()
    page.get_by_role("button", name="Sync all scenes now").click()
    site.wait_until(lambda: site.item(key).title == "In Plex")
    token = str(site.stash.plugin_settings["plex_token"])
    assert token not in page.content()
    for request in site.stash.requests:
        assert token not in request.target


def test_denied_and_cancelled(site: Stage, open: Visitor, plex_tv: PlexTvStandIn) -> None:
    page = begun(open)
    site.wait_until(lambda: bool(plex_tv.pins))
    plex_tv.deny(plex_tv.pins[-1])
    expect(page.get_by_text("it was denied on Plex's page")).to_be_visible()
    page.get_by_role("button", name="Sign in with Plex").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Sign in with Plex")).to_be_visible()


def test_of_two_tabs_the_later_one_wins(site: Stage, open: Visitor, plex_tv: PlexTvStandIn) -> None:
    first = begun(open)
    begun(open)
    expect(first.get_by_text("another sign-in was begun since")).to_be_visible()


def test_a_plex_tv_that_is_down(site: Stage, open: Visitor, plex_tv: PlexTvStandIn) -> None:
    plex_tv.stop()
    page = open("/settings?tab=plugins", ready=".plexsync-settings", expected=ELSEWHERE)
    page.get_by_role("button", name="Sign in with Plex").click()
    expect(page.get_by_text("plex.tv cannot be reached from where Stash runs")).to_be_visible()
