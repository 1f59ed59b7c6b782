"""A file that the index does not know is asked for by its name: one request a library, and no listing."""

from __future__ import annotations

import json
import unicodedata
from contextlib import closing

import pytest

from tests.servers.plex import FileSearch, Request
from tests.site import Site

pytestmark = pytest.mark.integration

ODD_NAMES = [
    *("a & b #1.mp4", "50% + more.mp4", 'it\'s "quoted".mp4', "a=b;c,d.mp4", f"{'long' * 60}.mp4"),
    *(unicodedata.normalize("NFC", "Café über Ömer.mp4"), unicodedata.normalize("NFD", "Noël très tôt.mp4")),
]


def is_listing(request: Request) -> bool:
    return request.path.endswith("/all") and request.method == "GET" and "file" not in request.query


def searches(site: Site) -> list[Request]:
    return [request for request in site.plex.requests if request.path.endswith("/all") and "file" in request.query]


def fill(site: Site, count: int = 30) -> None:
    for number in range(count):
        site.plex.add_item(site.library, [(f"/media/other {number}.mp4", number + 1)])


def test_a_saved_scene_costs_one_request_a_library_and_no_listing(site: Site) -> None:
    second = site.plex.add_library("Second")
    fill(site)
    scene, key = site.add("/media/new/clip.mp4", 5)
    copy = site.plex.add_item(second, [("/media/new/clip.mp4", 5)])
    site.save_and_sync(scene, title="Found")
    assert [site.item(one).title for one in (key, copy)] == ["Found", "Found"]
    assert len(searches(site)) == 2
    assert not any(map(is_listing, site.plex.requests))
    site.plex.clear_requests()
    site.save_and_sync(scene, title="Again")
    assert site.item(key).title == "Again"
    assert searches(site) == [], "it is known by now"


def test_a_file_that_was_added_or_moved_since_is_found(site: Site) -> None:
    fill(site)
    scene, key = site.add("/media/a/clip.mp4", 5)
    site.save_and_sync(scene, title="First")
    site.plex.replace_files(key, [("/media/b/clip.mp4", 5)])
    site.stash.scene(scene).files[0].path = "/media/b/clip.mp4"
    site.plex.clear_requests()
    site.save_and_sync(scene, title="Moved")
    assert site.item(key).title == "Moved"
    assert not any(map(is_listing, site.plex.requests))


def test_a_file_that_plex_lacks_costs_no_listing_either(site: Site) -> None:
    fill(site)
    scene, key = site.add("/media/clip.mp4", 5)
    site.plex.remove_item(key)
    answer = site.save_and_sync(scene, title="T")
    assert "no Plex item" in answer.said()
    assert len(searches(site)) == 1
    assert not any(map(is_listing, site.plex.requests))


@pytest.mark.parametrize("names", ["exact", "loses_odd", "nfc"])
def test_odd_names_end_right(site: Site, names: str) -> None:
    site.plex.file_search_names = names  # type: ignore[assignment]
    fill(site)
    for number, name in enumerate(ODD_NAMES):
        scene, key = site.add(f"/media/{name}", 100 + number)
        site.save_and_sync(scene, title="Found")
        assert site.item(key).title == "Found", name


@pytest.mark.parametrize("search", ["ignores", "refuses", "errors", "by_substring", "by_path"])
def test_servers_that_search_otherwise_or_not_at_all_end_right(site: Site, search: FileSearch) -> None:
    site.plex.file_search = search
    fill(site)
    scene, key = site.add("/media/clip.mp4", 5)
    other, other_key = site.add("/media/another clip.mp4", 6)
    site.save_and_sync(scene, title="Found")
    site.save_and_sync(other, title="As well")
    assert [site.item(one).title for one in (key, other_key)] == ["Found", "As well"]
    assert site.rows() == []
    asked = len(searches(site))
    assert asked <= 2
    if search in ("ignores", "refuses", "errors"):
        assert asked == 1, "it is remembered"
        with closing(site.state()) as state:
            (ways,) = state.connection.execute("SELECT ways FROM servers").fetchone()
        assert json.loads(ways)["search"].startswith("never ")


def test_the_same_name_elsewhere_is_not_taken_for_the_file(site: Site) -> None:
    scene, key = site.add("/media/a/clip.mp4", 5)
    elsewhere = site.plex.add_item(site.library, [("/media/b/clip.mp4", 7)])
    site.save_and_sync(scene, title="Mine")
    assert (site.item(key).title, site.item(elsewhere).title) == ("Mine", "clip")


def test_many_unknown_scenes_at_once_are_one_listing(site: Site) -> None:
    pairs = site.save_many(30)
    site.drain()
    assert site.arrived(pairs) == list(pairs)
    assert searches(site) == []
    assert len(list(filter(is_listing, site.plex.requests))) == 1
