"""The page that stands in for Stash's does to plugins what Stash's does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.browser.stage import Stage, Visitor, expect
from tests.servers.stash_http import Request

if TYPE_CHECKING:
    from playwright.sync_api import Page

API = (
    "const {React, libraries, patch, register, hooks, components} = window.PluginApi; const h = React.createElement;\n"
)


def saves(request: Request) -> bool:
    return "configurePlugin" in request.query


def test_a_person_walks_through_the_page(site: Stage, open: Visitor) -> None:
    scene, _ = site.add("/media/clip.mp4")
    site.stash.scene(scene).title = "A day at the beach"
    page = open("/")
    page.get_by_role("link", name="Scenes").click()
    expect(page).to_have_url(f"{site.stash.url}/scenes")
    page.get_by_role("link", name="A day at the beach").click()
    expect(page).to_have_url(f"{site.stash.url}/scenes/{scene}")
    page.get_by_role("tab", name="File info").click()
    expect(page.get_by_text("/media/clip.mp4")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="A day at the beach")).to_be_visible()


def test_plugins_change_components_as_in_stash(site: Stage, open: Visitor) -> None:
    site.other_script.write_text(
        API
        + """
        const said = (window.said = []);
        patch.before("MainNavBar.MenuItems", (props) => [{...props, children: h(React.Fragment, null, props.children,
          h(libraries.ReactRouterDOM.Link, {to: "/plugins/other"}, "Other's page"))}]);
        patch.instead("SceneDetailPanel", (...args) => { said.push("first"); return args[args.length - 1](args[0]); });
        patch.instead("SceneDetailPanel", (...args) => { said.push("second"); return args[args.length - 1](args[0]); });
        patch.after("SceneDetailPanel", (...args) => h("div", {id: "around"}, args[args.length - 1]));
        patch.before("ScenePage.Tabs", (props) => [{...props, children: h(React.Fragment, null, props.children,
          h(libraries.Bootstrap.Nav.Item, null, h(libraries.Bootstrap.Nav.Link, {eventKey: "other"}, "Other")))}]);
        patch.before("ScenePage.TabContent", (props) => [{...props, children: h(React.Fragment, null, props.children,
          h(libraries.Bootstrap.Tab.Pane, {eventKey: "other"}, `About ${props.scene.title}`))}]);
        patch.after("SceneCard.Overlays", (...args) =>
          h(React.Fragment, null, args[args.length - 1], h("b", null, "badge")));
        register.route("/plugins/other", () => {
          const toast = hooks.useToast();
          return h("button", {onClick: () => toast.success("Done")}, "Do it");
        });
        """
    )
    scene = site.stash.add_scene(title="One", details="Sun and sand")
    page = open("/scenes")
    expect(page.get_by_text("badge")).to_be_visible()
    page.get_by_role("link", name="One").first.click()
    expect(page.locator("#around").get_by_text("Sun and sand")).to_be_visible()
    assert page.evaluate("said.slice(0, 2)") == ["first", "second"]
    page.get_by_role("tab", name="Other").click()
    expect(page.get_by_text("About One")).to_be_visible()
    page.get_by_role("link", name="Other's page").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator(".toast")).to_contain_text("Done")
    page.reload()
    expect(page.get_by_role("button", name="Do it")).to_be_visible()
    assert scene


def test_a_plugin_gets_no_library_from_the_window(open: Visitor) -> None:
    page = open("/")
    assert (
        page.evaluate("['React', 'ReactDOM', 'ReactRouterDOM', 'ReactBootstrap'].filter((name) => name in window)")
        == []
    )
    assert page.evaluate("PluginApi.React.version") == "17.0.2"


def test_components_of_a_page_are_missing_until_they_are_loaded(open: Visitor) -> None:
    page = open("/")
    assert page.evaluate("'SceneCard' in PluginApi.components") is False
    page.evaluate("PluginApi.loadableComponents.SceneCard()")
    assert page.evaluate("'SceneCard' in PluginApi.components") is True


def test_the_page_tells_plugins_where_it_is(site: Stage, open: Visitor) -> None:
    site.other_script.write_text(
        API
        + """
        window.been = [];
        PluginApi.Event.addEventListener("stash:location", (event) => been.push(event.detail.data.location.pathname));
        """
    )
    page = open("/")
    page.get_by_role("link", name="Scenes").click()
    page.wait_for_function("been.length === 2")
    assert page.evaluate("been") == ["/", "/scenes"]


def test_settings_are_saved_as_whole_maps_that_may_be_stale(site: Stage, open: Visitor) -> None:
    site.other_script.write_text(
        "PluginApi.patch.instead('PluginSettings', (...args) => args[args.length - 1](args[0]));"
    )
    page = open("/settings?tab=plugins")
    field = page.locator("[data-plugin=Other]").get_by_label("Colour")
    expect(field).to_be_visible()
    before = dict(site.stash.plugin_settings)
    site.stash.set_settings(sync_title=False)
    field.fill("red")
    (save, other) = sorted(site.stash.wait_for_request(saves, count=2, timeout=30), key=lambda one: one.variables["id"])
    assert (save.variables["id"], save.variables["input"]) == ("Other", {"colour": "red"})
    assert (other.variables["id"], other.variables["input"]) == ("PlexSync", before)
    expect(page.locator(".loading-indicator.success")).to_be_visible()
    assert site.stash.plugin_settings == before, "what was written meanwhile is lost, as in Stash"


def test_settings_are_not_to_be_had_elsewhere(site: Stage, open: Visitor) -> None:
    site.other_script.write_text(
        API + 'register.route("/plugins/other", () => h("p", null, Object.keys(hooks.useSettings().plugins)));'
    )
    page = open("/plugins/other", expected=["useSettings must be used", "The above error occurred"])
    expect(page.get_by_role("alert")).to_contain_text("useSettings must be used within a SettingsContext")


def test_an_operation_answers_an_object(open: Visitor) -> None:
    page = open("/")
    answer = page.evaluate(
        """fetch("graphql", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(
             {query: 'mutation($a: Map) { runPluginOperation(plugin_id: "Other", args: $a) }',
              variables: {a: {mode: "any", deep: [1]}}})}).then((response) => response.json())"""
    )
    assert answer == {
        "data": {"runPluginOperation": {"asked": {"mode": "any", "deep": [1]}, "facts": [1, {"two": None}]}}
    }


def test_a_page_asks_no_other_host(site: Stage, open: Visitor) -> None:
    page = open("/", expected=["Content Security Policy", "violates"])
    said = page.evaluate(f"fetch('{site.plex.url}/identity').then(() => 'answered', () => 'refused')")
    assert (said, site.plex.requests) == ("refused", [])


@pytest.mark.parametrize(("path", "status"), [("/plugins/x", 200), ("/plugin/x", 404), ("/plugin/PlexSync/x", 404)])
def test_pages_below_plugin_are_gone_after_a_reload(site: Stage, path: str, status: int) -> None:
    assert requests.get(site.stash.url + path, timeout=30).status_code == status


def test_stash_stands_below_a_path(site: Stage, open: Visitor) -> None:
    site.stash.add_scene(title="One", cover=b"\x89PNG\r\n\x1a\n")
    page = open("/", home=site.proxy.home)
    page.get_by_role("link", name="Scenes").click()
    expect(page).to_have_url(f"{site.proxy.home}scenes")
    page.get_by_role("link", name="One").first.click()
    expect(page.get_by_role("heading", name="One")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="One")).to_be_visible()
    assert {request.status for request in site.proxy.requests} <= {101, 200, None}  # None: not answered yet


def test_an_error_in_a_page_is_noticed(open: Visitor) -> None:
    page = open("/")
    page.evaluate("console.error('in vain'); setTimeout(() => { throw new Error('nobody caught me'); })")
    wait_for(page, open, 2)
    caught, thrown = sorted(open.problems)
    assert "in vain" in caught
    assert "nobody caught me" in thrown
    open.problems.clear()


def wait_for(page: Page, visitor: Visitor, count: int) -> None:
    """Let the browser tell what it has to tell."""
    for _ in range(600):
        if len(visitor.problems) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(visitor.problems)
