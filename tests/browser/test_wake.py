"""PlexSync's script that is in each of Stash's pages asks whether work is due."""

from __future__ import annotations

from tests.browser.stage import Stage, Visitor
from tests.servers.stash_http import Request


def wakes(request: Request) -> bool:
    return "runPluginOperation" in request.query and request.variables["args"] == {"mode": "wake"}


def test_a_page_asks_once_at_its_load(site: Stage, open: Visitor) -> None:
    page = open("/")
    site.stash.wait_for_request(wakes, timeout=30)
    page.reload()
    page.wait_for_selector(".top-nav")
    assert len([request for request in site.stash.requests if wakes(request)]) == 1


def test_it_asks_below_a_proxys_path(site: Stage, open: Visitor) -> None:
    open("/scenes", home=site.proxy.home)
    (request,) = site.proxy.wait_for_request(
        lambda request: request.path.endswith("/graphql") and b'"wake"' in request.body
    )
    assert request.path == "/below/stash/graphql"
