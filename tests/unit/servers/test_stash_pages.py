"""What the stand-in Stash serves to a browser is what Stash does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.servers.proxy import ReverseProxy
from tests.servers.stash import StashStandIn
from tests.servers.stash_pages import Pages

YML = """\
name: With pages
interface: raw
exec: [python3, "{pluginDir}/plugin.py"]
ui:
  javascript: [one.js, ui/two.js, gone.js, https://scripts.example/three.js]
  css: [look.css]
  assets:
    /pictures: ui/pictures
    /: root
  csp:
    connect-src: [https://pictures.example]
"""


@pytest.fixture
def stash(tmp_path: Path) -> Iterator[StashStandIn]:
    folder = tmp_path / "plugins" / "Pages"
    files = {
        "Pages.yml": YML,
        "one.js": "one();",
        "ui/two.js": "two();",
        "look.css": "a {}",
        "ui/pictures/a.svg": "<svg/>",
        "root/b.txt": "b",
        "secret.txt": "never",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (tmp_path / "host.js").write_text("host();")
    pages = Pages(b'<html><base href="/">the page</html>', {"host.js": tmp_path / "host.js"})
    with StashStandIn(config_dir=tmp_path / "stash", plugin_dir=folder, pages=pages) as server:
        yield server


def get(stash: StashStandIn, path: str, **headers: str) -> requests.Response:
    return requests.get(stash.url + path, headers=headers, timeout=10)


@pytest.mark.parametrize("path", ["/", "/scenes", "/scenes/1", "/settings?tab=plugins", "/plugins/pages", "/nowhere"])
def test_any_path_of_a_page_is_the_page(stash: StashStandIn, path: str) -> None:
    answer = get(stash, path)
    assert (answer.status_code, answer.text) == (200, '<html><base href="/">the page</html>')
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize("path", ["/plugin/", "/plugin/Pages", "/plugin/Pages/page", "/plugin/None/css", "/scene/x"])
def test_what_belongs_to_the_back_end_is_no_page(stash: StashStandIn, path: str) -> None:
    assert get(stash, path).status_code == 404


def test_a_proxy_tells_where_the_page_is(stash: StashStandIn) -> None:
    with ReverseProxy(stash, "/below/") as proxy:
        page = requests.get(proxy.home + "scenes", timeout=10)
        assert '<base href="/below/">' in page.text
        asked = {"query": "{ plugins { paths { css } } }"}
        found = requests.post(proxy.home + "graphql", json=asked, timeout=10).json()
        assert found["data"]["plugins"][0]["paths"]["css"] == [f"{proxy.home}plugin/Pages/css"]
        assert requests.get(f"{proxy.url}/scenes", timeout=10).status_code == 404


def test_the_policy_is_stashs_and_what_plugins_add(stash: StashStandIn) -> None:
    policy = get(stash, "/").headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.rstrip(";").split(";"))
    assert directives["connect-src"] == "data: 'self' ws: wss: https://pictures.example"
    assert directives["script-src"].endswith("'unsafe-eval' https://scripts.example/three.js")
    assert directives["object-src"] == "'none'"
    assert "Content-Security-Policy" not in get(stash, "/plugin/Pages/css").headers
    stash.disabled_plugins.append("Pages")
    assert "example" not in get(stash, "/").headers["Content-Security-Policy"]


def test_scripts_come_as_one_in_their_order(stash: StashStandIn) -> None:
    scripts, styles = get(stash, "/plugin/Pages/javascript"), get(stash, "/plugin/Pages/css")
    assert (scripts.text, scripts.headers["Content-Type"]) == ("one();\ntwo();\n\n", "text/javascript")
    assert (styles.text, styles.headers["Content-Type"]) == ("a {}\n", "text/css")
    assert styles.headers["X-Content-Type-Options"] == "nosniff"
    assert "gone.js" in stash.errors()[0], "a file that is gone stops no other"


def test_a_disabled_plugin_serves_nothing(stash: StashStandIn) -> None:
    stash.disabled_plugins.append("Pages")
    assert {get(stash, f"/plugin/Pages/{kind}").status_code for kind in ("javascript", "css", "assets/b.txt")} == {400}


@pytest.mark.parametrize(
    ("path", "text"),
    [("pictures/a.svg", "<svg/>"), ("b.txt", "b"), ("c.txt", None), ("%2e%2e/secret.txt", None), ("", None)],
)
def test_assets_come_from_the_folders_of_the_yml(stash: StashStandIn, path: str, text: str | None) -> None:
    answer = get(stash, f"/plugin/Pages/assets/{path}")
    assert (answer.text if answer.ok else None) == text


@pytest.mark.parametrize("packed", ["gzip", "identity"])
def test_the_page_has_files_of_its_own(stash: StashStandIn, packed: str) -> None:
    answer = get(stash, "/assets/host.js", **{"Accept-Encoding": packed})
    assert (answer.text, answer.headers["Content-Type"]) == ("host();", "text/javascript")
    assert answer.headers.get("Content-Encoding") == ("gzip" if packed == "gzip" else None)
    assert get(stash, "/assets/none.js").status_code == 404
