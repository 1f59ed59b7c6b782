"""The stand-in Plex server, held against the real python-plexapi."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import plexapi.exceptions
import pytest
import requests
from plexapi.server import PlexServer

from tests.servers.plex import PlexStandIn, Role

pytestmark = pytest.mark.integration

JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 10
PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 10


@pytest.fixture
def plex() -> Iterator[PlexStandIn]:
    with PlexStandIn() as server:
        server.add_library("Movies")
        yield server


def connect(plex: PlexStandIn, timeout: float = 5) -> PlexServer:
    return PlexServer(plex.url, plex.token, session=requests.Session(), timeout=timeout)


def put(plex: PlexStandIn, query: str, section: int = 1) -> int:
    """An edit by its bare query string; returns the status."""
    url = f"{plex.url}/library/sections/{section}/all?{query}"
    return requests.put(url, headers={"X-Plex-Token": plex.token}, timeout=5).status_code


def get(plex: PlexStandIn, path: str, **headers: str) -> ElementTree.Element:
    answer = requests.get(plex.url + path, headers={"X-Plex-Token": plex.token, **headers}, timeout=5)
    answer.raise_for_status()
    return ElementTree.fromstring(answer.content)


def tags(element: ElementTree.Element, name: str) -> list[str | None]:
    return [tag.get("tag") for tag in element.iter(name)]


# ------------------------------------------------------------------ connecting


def test_connecting_and_sections(plex: PlexStandIn) -> None:
    other = plex.add_library("Other Videos", agent="com.plexapp.agents.none", key=7)
    server = connect(plex)
    assert (server.machineIdentifier, server.platform) == (plex.machine_identifier, "Linux")
    assert server.identity().machineIdentifier == plex.machine_identifier
    assert [(s.title, s.key, s.type, s.agent) for s in server.library.sections()] == [
        ("Movies", 1, "movie", "tv.plex.agents.movie"),
        ("Other Videos", other, "movie", "com.plexapp.agents.none"),
    ]
    assert server.library.section("movies").locations == ["/media"]


def test_wrong_token_is_unauthorized_but_identity_needs_none(plex: PlexStandIn) -> None:
    with pytest.raises(plexapi.exceptions.Unauthorized, match="401 Unauthorized"):
        PlexServer(plex.url, "wrong", session=requests.Session())
    assert requests.get(f"{plex.url}/identity", timeout=5).status_code == 200
    assert requests.get(f"{plex.url}/?X-Plex-Token={plex.token}", timeout=5).status_code == 200
    assert requests.put(f"{plex.url}/library/sections/1/all?type=1&id=1", timeout=5).status_code == 401
    assert not plex.edits[0].applied


def test_a_starting_server_answers_503(plex: PlexStandIn) -> None:
    plex.starting = True
    with pytest.raises(plexapi.exceptions.BadRequest, match="503"):
        connect(plex)
    assert requests.get(f"{plex.url}/identity", timeout=5).status_code == 503
    plex.starting = False
    assert connect(plex).friendlyName == "Stand-in"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/library/sections/9/all?type=1", 404),
        ("GET", "/library/metadata/99", 404),
        ("GET", "/library/metadata/98,99", 404),
        ("GET", "/nothing/here", 404),
        ("DELETE", "/library/metadata/1", 405),
        ("GET", "/library/sections/1/all?type=1&sort=colour", 400),
        ("GET", "/library/sections/1/all?file=a.mp4", 500),
        ("GET", "/library/sections/1/all?X-Plex-Container-Start=x", 400),
        ("PUT", "/library/sections/1/all?type=1&id=1&userRating.value=high", 400),
        ("PUT", "/library/sections/1/all?id=1&title.value=x", 400),
        ("PUT", "/library/sections/1/all?type=4&id=1&title.value=x", 400),
        ("PUT", "/library/sections/1/all?type=1&id=one&title.value=x", 400),
        ("PUT", "/library/sections/1/all?type=1&id=99&title.value=x", 404),
        ("PUT", "/library/sections/2/all?type=1&id=1&title.value=x", 404),
        ("PUT", "/library/sections/1/all?type=1&id=1&title.value=a%0Bb", 400),
        ("PUT", "/library/sections/1/all?type=1&id=1&genre%5B0%5D.tag.tag=%FF", 400),
        ("PUT", "/library/sections/1/all?type=1&id=1&originallyAvailableAt.value=2024", 400),
        ("PUT", "/library/sections/1/all?type=1&id=1&originallyAvailableAt.value=2024-02-30", 400),
        ("PUT", "/:/rate?key=1&identifier=com.plexapp.plugins.library&rating=11", 400),
        ("PUT", "/library/sections/1/all?type=1&id=1&summary.value=" + "x" * 65_536, 414),
        ("GET", "/" + "x" * 200_000, 414),
    ],
)
def test_refusals(plex: PlexStandIn, method: str, path: str, status: int) -> None:
    plex.add_item(1, ["/media/a.mp4"])
    plex.add_library("Second")
    before = plex.item(1)
    answer = requests.request(method, plex.url + path, headers={"X-Plex-Token": plex.token}, timeout=5)
    assert answer.status_code == status
    assert plex.item(1) == before


# -------------------------------------------------------------------- listings


def test_paging_with_plexapi(plex: PlexStandIn) -> None:
    keys = [plex.add_item(1, [(f"/media/{number:03}.mp4", number)]) for number in range(250)]
    section = connect(plex).library.sectionByID(1)
    assert section.totalSize == 250
    plex.clear_requests()
    path = "/library/sections/1/all?type=1&sort=addedAt:desc"
    assert [item.ratingKey for item in section.fetchItems(path)] == keys[::-1]
    assert len(plex.requests) == 3
    assert [item.ratingKey for item in section.all()] == keys
    page = get(plex, path, **{"X-Plex-Container-Start": "240", "X-Plex-Container-Size": "100"})
    assert (page.get("size"), page.get("totalSize"), page.get("offset")) == ("10", "250", "240")
    assert page.get("librarySectionID") == "1"


def test_listings_cut_tags_and_leave_out_locks(plex: PlexStandIn) -> None:
    many = ["a", "b", "c", "d", "e"]
    key = plex.add_item(
        1,
        ["/m/x.mp4"],
        genres=many,
        collections=many,
        actors=[(name, f"as {name}", f"http://p/{name}.jpg") for name in many],
        locked=["genres", "title"],
    )
    listed = get(plex, "/library/sections/1/all?type=1")[0]
    assert tags(listed, "Genre") == tags(listed, "Collection") == ["a", "b"]
    assert tags(listed, "Role") == ["a", "b", "c"]
    assert not list(listed.iter("Field"))
    assert "summary" not in listed.attrib and "studio" not in listed.attrib  # empty ones are left out
    assert all("thumb" not in role.attrib for role in listed.iter("Role"))

    whole = connect(plex).fetchItem(key)
    assert [genre.tag for genre in whole.genres] == many
    assert [(role.tag, role.role, role.thumb) for role in whole.roles][4] == ("e", "as e", "http://p/e.jpg")
    assert whole.isLocked("genre") and whole.isLocked("title") and not whole.isLocked("summary")


def test_sorting_and_filters_follow_changes(plex: PlexStandIn) -> None:
    old = plex.add_item(1, ["/m/a.mp4"], added_at=100)
    new = plex.add_item(1, ["/m/b.mp4"], added_at=200)

    def listed(query: str) -> list[int]:
        return [int(video.attrib["ratingKey"]) for video in get(plex, f"/library/sections/1/all?type=1&{query}")]

    assert listed("sort=addedAt:desc") == [new, old]
    assert listed("sort=addedAt:asc") == listed("") == [old, new]
    assert listed("addedAt>>=100") == [new]
    assert listed("addedAt>=100") == [old, new]
    assert listed("title==B") == [new]
    plex.person_edits(old, title="Zebra")
    assert listed("sort=titleSort") == [new, old]
    assert listed("sort=updatedAt:desc") == [old, new]
    third = plex.add_item(1, ["/m/c.mp4"], added_at=300)
    plex.remove_item(new)
    assert listed("sort=addedAt:desc") == [third, old]


def test_many_items_whole_in_one_request(plex: PlexStandIn) -> None:
    second = plex.add_library("Second")
    keys = [plex.add_item(1, ["/m/a.mp4"]), plex.add_item(second, ["/m/b.mp4"])]
    plex.remove_item(plex.add_item(1, ["/m/c.mp4"]))
    found = get(plex, "/library/metadata/2,1,3,1")
    assert [(v.get("ratingKey"), v.get("librarySectionID")) for v in found] == [("1", "1"), ("2", "2")]
    assert sorted(item.ratingKey for item in connect(plex).fetchItems(keys)) == keys


def test_files_merged_items_and_parts(plex: PlexStandIn) -> None:
    one = plex.add_item(1, [("/m/one.mp4", 10)])
    two = plex.add_item(1, [("/m/two.mp4", None), "/m/three.mp4"], parts=True)
    windows = plex.add_item(1, [(r"D:\films\a.b & c.mkv", 5)])
    assert plex.item(windows).title == "a.b & c"
    plex.merge_items(one, two)
    movie = connect(plex).fetchItem(one)
    assert [[(part.file, part.size) for part in media.parts] for media in movie.media] == [
        [("/m/one.mp4", 10)],
        [("/m/two.mp4", None), ("/m/three.mp4", None)],
    ]
    with pytest.raises(plexapi.exceptions.NotFound):
        connect(plex).fetchItem(two)
    added = plex.item(one).added_at
    plex.replace_files(one, [("/m/moved.mp4", 10)])
    assert (plex.item(one).files, plex.item(one).added_at) == ([("/m/moved.mp4", 10)], added)
    assert plex.add_item(1, ["/m/new.mp4"]) > windows


def found(plex: PlexStandIn, name: str) -> list[int]:
    path = f"/library/sections/1/all?type=1&file={quote(name)}"
    return [int(video.attrib["ratingKey"]) for video in get(plex, path)]


@pytest.mark.parametrize(
    ("mode", "clip", "nothing"),
    [
        ("works", {1, 2}, set()),
        ("ignores", {1, 2, 3, 4}, {1, 2, 3, 4}),
        ("by_substring", {1, 2, 3}, set()),
        ("by_path", {1, 2, 3, 4}, set()),
    ],
)
def test_a_file_is_found_by_its_name(plex: PlexStandIn, mode: Any, clip: set[int], nothing: set[int]) -> None:
    for path in ("/m/clip.mp4", r"D:\x\clip.mp4", "/m/my Clip.mp4.mkv", "/m/clip.mp4/a.mkv"):
        plex.add_item(1, [path])
    plex.file_search = mode
    plex.clear_requests()
    assert (set(found(plex, "clip.mp4")), set(found(plex, "other.mp4"))) == (clip, nothing)
    assert len(plex.file_searches) == len(plex.requests) == 2
    page = get(plex, "/library/sections/1/all?type=1&file=clip.mp4", **{"X-Plex-Container-Size": "1"})
    assert (page.get("size"), page.get("totalSize")) == ("1", str(len(clip)))


@pytest.mark.parametrize(("mode", "status"), [("refuses", "400"), ("errors", "500")])
def test_a_server_that_cannot_search_by_file(plex: PlexStandIn, mode: Any, status: str) -> None:
    plex.file_search = mode
    with pytest.raises(requests.HTTPError, match=status):
        found(plex, "clip.mp4")


def test_odd_file_names(plex: PlexStandIn) -> None:
    composed, decomposed = "caf\u00e9.mp4", "cafe\u0301.mp4"
    odd = ["a & b.mp4", "#1 + 100%.mp4", 'it\'s "x".mp4', decomposed]
    keys = [plex.add_item(1, [f"/m/{name}"]) for name in [*odd, composed]]
    assert [found(plex, name) for name in [*odd, composed]] == [[key] for key in keys]
    plex.file_search_names = "loses_odd"
    assert [found(plex, name) for name in [*odd, composed]] == [[], [], [], [], keys[4:]]
    plex.file_search_names = "nfc"
    assert [found(plex, name) for name in odd] == [[keys[0]], [keys[1]], [keys[2]], []]
    assert found(plex, composed) == keys[3:]


def test_a_read_of_several_of_which_one_is_gone(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/a.mp4"])
    assert len(get(plex, f"/library/metadata/{key},99?skipRefresh=1")) == 1


def test_wishes_for_smaller_rows(plex: PlexStandIn) -> None:
    plex.add_item(1, ["/m/a.mp4"], genres=["g"], summary="long")
    path = "/library/sections/1/all?type=1&excludeElements=Genre,Role&excludeFields=summary&includeElements=Media"
    row = get(plex, path)[0]
    assert ([child.tag for child in row], row.get("summary"), row.get("title")) == (["Media"], None, "a")


def test_counters_of_a_library(plex: PlexStandIn) -> None:
    def counters() -> tuple[int, int]:
        section = get(plex, "/library/sections")[0].attrib
        return int(section["contentChangedAt"]), int(section["scannedAt"])

    start = counters()
    key = plex.add_item(1, ["/m/a.mp4"])
    added = counters()
    assert (added[0] > start[0], added[1]) == (True, start[1])
    put(plex, f"type=1&id={key}&title.value=T")
    edited = counters()
    assert edited[0] > added[0]
    get_scan = requests.get(f"{plex.url}/library/sections/1/refresh?X-Plex-Token={plex.token}", timeout=5)
    assert (get_scan.status_code, counters()[0]) == (200, edited[0])
    assert counters()[1] > edited[1]


@pytest.mark.parametrize("status", [414, 431, 400])
def test_a_server_in_the_middle_that_takes_short_lines_alone(plex: PlexStandIn, status: int) -> None:
    key = plex.add_item(1, ["/m/a.mp4"])
    plex.max_target, plex.long_target_status = 8000, status
    assert put(plex, f"type=1&id={key}&summary.value=" + "x" * 7900) == 200
    assert put(plex, f"type=1&id={key}&summary.value=" + "y" * 8000) == status
    assert plex.item(key).summary == "x" * 7900


@pytest.mark.parametrize("body", [b"", b"<html><body>Please sign in</body></html>"])
def test_a_server_in_the_middle_that_answers_by_itself(plex: PlexStandIn, body: bytes) -> None:
    plex.fail(status=200, body=body)
    answer = requests.get(plex.url, timeout=5)
    assert (answer.status_code, answer.content, len(plex.requests)) == (200, body, 1)


# ----------------------------------------------------------------------- edits


def test_plexapi_edits_lock_what_they_write(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"], year=1990)
    movie = connect(plex).fetchItem(key)
    plex.clear_requests()
    movie.batchEdits()
    movie.editTitle('A & <B> "C" 🎬').editSummary("line\n\ttwo\r\n'x' + ü").editStudio("S")
    movie.editOriginallyAvailable("2024-02-29").addGenre(["g1", "a, b", "50%"]).addCollection("c")
    movie.saveEdits()
    assert [request.status for request in plex.wait_for_edit()] == [200]
    item = plex.item(key)
    assert (item.title, item.summary) == ('A & <B> "C" 🎬', "line\n\ttwo\r\n'x' + ü")
    assert (item.studio, item.date, item.year) == ("S", "2024-02-29", 2024)
    assert (item.genres, item.collections) == (["g1", "a, b", "50%"], ["c"])
    assert item.locked == {"title", "summary", "studio", "originallyAvailableAt", "genre", "collection"}
    assert item.updated_at > item.added_at
    movie.reload()
    assert (movie.title, movie.summary, movie.year) == (item.title, item.summary, 2024)
    assert [genre.tag for genre in movie.genres] == item.genres

    movie.removeGenre(["a, b", "50%"], locked=False)
    assert plex.item(key).genres == ["g1"]
    assert "genre" not in plex.item(key).locked


def test_an_edit_does_not_lock_by_itself(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"], locked=["summary"])
    assert put(plex, f"type=1&id={key}&title.value=T&summary.locked=0&nonsense.value=1&rating.locked=1") == 200
    assert (plex.item(key).title, plex.item(key).locked) == ("T", set())
    url = f"{plex.url}/library/metadata/{key}?title.value=U&title.locked=1"
    assert requests.put(url, headers={"X-Plex-Token": plex.token}, timeout=5).status_code == 200
    assert (plex.item(key).title, plex.item(key).locked) == ("U", {"title"})


def test_an_empty_title_becomes_the_file_name(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/the file.mp4"], title="T", summary="S", date="2020-01-02")
    assert put(plex, f"type=1&id={key}&title.value=&summary.value=&originallyAvailableAt.value=") == 200
    item = plex.item(key)
    assert (item.title, item.summary, item.date, item.year) == ("the file", "", "", None)


def test_several_ids_get_the_same_edit(plex: PlexStandIn) -> None:
    keys = [plex.add_item(1, [f"/m/{n}.mp4"]) for n in range(3)]
    elsewhere = plex.add_item(plex.add_library("Second"), ["/m/e.mp4"])
    assert put(plex, f"type=1&id={keys[0]},{keys[2]},{elsewhere},999&studio.value=S") == 200
    assert [plex.item(key).studio for key in [*keys, elsewhere]] == ["S", "", "S", ""]
    plex.edit_with_one_gone = "refuses"
    assert put(plex, f"type=1&id={keys[0]},{keys[1]},999&studio.value=T") == 404
    assert put(plex, f"type=1&id={keys[1]},{keys[1]}&studio.value=T") == 200
    assert [plex.item(key).studio for key in keys] == ["S", "T", "S"]


@pytest.mark.parametrize(("mode", "after"), [("adds", ["old", "keep", "new"]), ("replaces", ["new", "keep"])])
def test_tag_modes(mode: Any, after: list[str]) -> None:
    with PlexStandIn(tag_mode=mode) as plex:
        key = plex.add_item(plex.add_library("M"), ["/m/x.mp4"], genres=["old", "keep", "gone"])
        query = "genre[1].tag.tag=keep&genre[0].tag.tag=new&genre[2].tag.tag=new&genre[].tag.tag-=gone"
        assert put(plex, f"type=1&id={key}&{query}") == 200
        assert plex.item(key).genres == after
        # Removing alone replaces nothing, in either mode.
        assert put(plex, f"type=1&id={key}&genre[].tag.tag-=new,absent") == 200
        assert plex.item(key).genres == [name for name in after if name != "new"]
        movie = connect(plex).fetchItem(key)
        movie.addGenre("more")  # plexapi sends the whole list
        assert plex.item(key).genres[-1] == "more" and "keep" in plex.item(key).genres


def test_an_edit_without_ids_edits_the_library_and_fails_the_test(plex: PlexStandIn) -> None:
    keys = [plex.add_item(1, [f"/m/{n}.mp4"]) for n in range(2)]
    elsewhere = plex.add_item(plex.add_library("Second"), ["/m/e.mp4"])
    assert put(plex, "type=1&studio.value=S") == put(plex, "type=1&id=&studio.value=S") == 200
    assert [plex.item(key).studio for key in [*keys, elsewhere]] == ["S", "S", ""]
    with pytest.raises(AssertionError), plex:
        pass
    assert [type(error) for error in plex.mistakes] == [AssertionError] * 2
    plex.mistakes.clear()


def test_removals_come_first(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"], actors=[("Ann", "Old"), "Bob", "a, b & c"])
    both = "actor[].tag.tag-=Ann,a%252C%20b%20%2526%20c&actor[0].tag.tag=Ann"
    assert put(plex, f"type=1&id={key}&{both}") == 200
    assert plex.item(key).actors == [Role("Bob"), Role("Ann")]


def test_one_kind_of_tag_may_go_its_own_way(plex: PlexStandIn) -> None:
    plex.tag_modes["actor"] = "replaces"
    key = plex.add_item(1, ["/m/x.mp4"], actors=["Ann"], genres=["g"])
    assert put(plex, f"type=1&id={key}&actor[0].tag.tag=Bob&genre[0].tag.tag=h") == 200
    assert (plex.item(key).actors, plex.item(key).genres) == ([Role("Bob")], ["g", "h"])


def test_actors_have_roles_and_one_picture_a_name(plex: PlexStandIn) -> None:
    first = plex.add_item(1, ["/m/1.mp4"], actors=[("Ann", "Herself", "http://p/old.jpg")])
    second = plex.add_item(1, ["/m/2.mp4"])
    edit = "actor[0].tag.tag=Ann&actor[0].tagging.text=Eve&actor[0].tag.thumb=http%3A%2F%2Fp%2Fnew.jpg"
    assert put(plex, f"type=1&id={second}&{edit}&actor[1].tag.tag=Bob&actor[1].tagging.thumb=http://b") == 200
    assert plex.item(second).actors == [Role("Ann", "Eve", "http://p/new.jpg"), Role("Bob", "", "http://b")]
    assert plex.item(first).actors == [Role("Ann", "Herself", "http://p/new.jpg")]
    third = plex.add_item(1, ["/m/3.mp4"], actors=["Bob"])
    assert plex.item(third).actors == [Role("Bob")]


@pytest.mark.parametrize("insensitive", [True, False])
def test_case_of_tags(insensitive: bool) -> None:
    with PlexStandIn(case_insensitive_tags=insensitive) as plex:
        section = plex.add_library("M")
        plex.add_item(section, ["/m/1.mp4"], genres=["Drama"])
        key = plex.add_item(section, ["/m/2.mp4"])
        assert put(plex, f"type=1&id={key}&genre[0].tag.tag=drama&genre[1].tag.tag=DRAMA") == 200
        assert plex.item(key).genres == (["Drama"] if insensitive else ["drama", "DRAMA"])
        assert put(plex, f"type=1&id={key}&genre[].tag.tag-=dRaMa,drama") == 200
        assert plex.item(key).genres == ([] if insensitive else ["DRAMA"])


def test_persons_lock_and_agents_respect_locks(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    plex.person_edits(key, title="Mine", genres=["g"], user_rating=8.0)
    plex.agent_refresh(key, title="Theirs", genres=["h"], summary="S", actors=["A"], date="2001-02-03")
    item = plex.item(key)
    assert (item.title, item.genres, item.summary, item.year) == ("Mine", ["g"], "S", 2001)
    assert (item.locked, item.user_rating) == ({"title", "genre"}, 8.0)
    with pytest.raises(TypeError):
        plex.person_edits(key, colour="red")


def test_rating(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    movie = connect(plex).fetchItem(key)
    movie.rate(7.5)
    assert movie.reload().userRating == plex.item(key).user_rating == 7.5
    movie.rate()
    assert plex.item(key).user_rating is None


def test_rating_in_an_edit(plex: PlexStandIn) -> None:
    keys = [plex.add_item(1, [f"/m/{n}.mp4"]) for n in range(2)]

    def rated(query: str) -> list[tuple[float | None, bool]]:
        assert put(plex, f"type=1&id={keys[0]},{keys[1]}&title.value=T&{query}") == 200
        return [(plex.item(key).user_rating, "userRating" in plex.item(key).locked) for key in keys]

    assert rated("userRating.value=8.0") == [(8.0, False)] * 2
    assert connect(plex).fetchItem(keys[0]).userRating == 8.0
    assert rated("userRating.locked=1") == [(8.0, True)] * 2
    assert rated("userRating.value=&userRating.locked=0") == [(None, False)] * 2
    plex.rating_in_edit = "ignored"
    assert rated("userRating.value=8.0&userRating.locked=1") == [(None, False)] * 2


def test_uploads_are_selected_and_pile_up(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    movie = connect(plex).fetchItem(key)
    for picture in (JPEG, PNG, JPEG):
        movie.uploadPoster(filepath=picture)
    movie.uploadArt(filepath=PNG)
    item = plex.item(key)
    assert (item.posters, item.poster, item.arts, item.art) == ([JPEG, PNG], JPEG, [PNG], PNG)
    posters = movie.posters()
    assert [poster.selected for poster in posters] == [True, False]
    assert posters[0].ratingKey.startswith("upload://posters/")
    movie.setPoster(posters[1])
    assert plex.item(key).poster == PNG
    assert requests.get(movie.reload().thumbUrl, timeout=5).content == PNG
    with pytest.raises(plexapi.exceptions.BadRequest, match="400"):
        movie.uploadPoster(filepath=b"no picture")
    with pytest.raises(plexapi.exceptions.BadRequest, match="500"):
        movie.uploadPoster(filepath=JPEG + bytes(10 * 1024 * 1024))


def test_scans_are_recorded(plex: PlexStandIn) -> None:
    called = threading.Event()
    plex.on_scan = lambda section, path: called.set()
    connect(plex).library.sectionByID(1).update("/media/new folder")
    assert [(scan.section, scan.path) for scan in plex.scans] == [(1, "/media/new folder")]
    assert called.wait(5)


# ---------------------------------------------------------------------- faults


def test_an_outage_refuses_and_ends_on_the_same_port(plex: PlexStandIn) -> None:
    server, port = connect(plex), plex.port
    plex.stop()
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            server.query("/identity")
    plex.start()
    assert plex.port == port
    assert server.query("/identity").get("machineIdentifier") == plex.machine_identifier


def test_refuse_is_an_outage_that_begins_with_a_request(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    server = connect(plex)
    movie = server.fetchItem(key)
    plex.fail(kind="refuse", method="PUT", after_effect=True)
    with pytest.raises(requests.ConnectionError):
        movie.editTitle("T")
    with pytest.raises(requests.ConnectionError):
        server.query("/identity")
    assert plex.item(key).title == "T"
    plex.clear_faults()
    plex.fail(kind="refuse", delay=0.05)
    assert not plex.running
    deadline = time.monotonic() + 5
    while not plex.running and time.monotonic() < deadline:
        time.sleep(0.005)
    assert server.query("/identity") is not None


def test_status_faults_count_and_match(plex: PlexStandIn) -> None:
    def status(path: str) -> int:
        return requests.get(plex.url + path, headers={"X-Plex-Token": plex.token}, timeout=5).status_code

    fault = plex.fail(status=502, every=3, path_contains="/identity", body=b"bad")
    assert [status("/identity") for _ in range(6)] == [200, 200, 502] * 2
    assert (fault.seen, fault.hits) == (6, 2)
    assert status("/library") == 200
    plex.clear_faults()
    plex.fail(status=500)
    plex.fail(status=429, times=None)
    assert [status("/library") for _ in range(3)] == [500, 429, 429]
    plex.clear_faults()
    with pytest.raises(plexapi.exceptions.BadRequest, match="500"):
        server = connect(plex)
        plex.fail(where=lambda request: "sort" in request.query)
        server.query("/library/sections/1/all?sort=addedAt:desc")


@pytest.mark.parametrize("after_effect", [True, False])
@pytest.mark.parametrize("kind", ["status", "reset", "hang", "half"])
def test_a_write_that_nobody_confirmed(plex: PlexStandIn, kind: Any, after_effect: bool) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    movie = connect(plex, timeout=0.2).fetchItem(key)
    plex.clear_requests()
    plex.fail(kind=kind, method="PUT", after_effect=after_effect)
    with pytest.raises((requests.RequestException, plexapi.exceptions.BadRequest)):
        movie.edit(**{"title.value": "T"})
    assert plex.item(key).title == ("T" if after_effect else "x")
    assert [request.applied for request in plex.edits] == [after_effect]
    movie.editTitle("U")  # the fault is used up
    assert len(plex.wait_for_edit(1 + after_effect)) == 1 + after_effect


def test_half_an_answer(plex: PlexStandIn) -> None:
    for number in range(50):
        plex.add_item(1, [f"/m/{number}.mp4"])
    server = connect(plex)
    plex.fail(kind="half")
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        server.query("/library/sections/1/all?type=1")
    assert len(server.query("/library/sections/1/all?type=1")) == 50


def test_a_hanging_answer_ends_with_stop(plex: PlexStandIn) -> None:
    plex.fail(kind="hang")
    failed = threading.Event()

    def client() -> None:
        with pytest.raises(requests.ConnectionError):
            connect(plex, timeout=30)
        failed.set()

    threading.Thread(target=client, daemon=True).start()
    plex.wait_for_request(lambda request: request.fault == "hang")
    plex.stop()
    assert failed.wait(5)


def test_slow_answers_and_one_writer(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    plex.fail(kind="slow", delay=0.05)
    begun = time.perf_counter()
    connect(plex)
    assert time.perf_counter() - begun >= 0.05
    plex.edit_delay = 0.03
    begun = time.perf_counter()
    threads = [threading.Thread(target=put, args=(plex, f"type=1&id={key}&studio.value={n}")) for n in range(3)]
    for thread in threads:
        thread.start()
    assert len(plex.wait_for_edit(3)) == 3
    assert time.perf_counter() - begun >= 0.09
    for thread in threads:
        thread.join()
    with pytest.raises(TimeoutError, match="3 of 4"):
        plex.wait_for_edit(4, timeout=0.01)


def test_nothing_is_applied_after_stop(plex: PlexStandIn) -> None:
    key = plex.add_item(1, ["/m/x.mp4"])
    plex.edit_delay = 30
    failed = threading.Event()

    def client() -> None:
        with pytest.raises(requests.ConnectionError):
            put(plex, f"type=1&id={key}&title.value=T")
        failed.set()

    threading.Thread(target=client, daemon=True).start()
    plex.wait_for_request(lambda request: request.is_edit)
    plex.stop()
    assert failed.wait(5)
    assert (plex.item(key).title, plex.edits[0].applied, plex.edits[0].status) == ("x", False, None)


# ------------------------------------------------------------------------ HTTP


def test_connections_are_kept_and_requests_recorded(plex: PlexStandIn) -> None:
    plex.clear_requests()
    before = plex.connections_made
    connection = http.client.HTTPConnection("127.0.0.1", plex.port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/library?a=1&b=%C3%BC+x", headers={"X-Plex-Token": plex.token})
        answer = connection.getresponse()
        answer.read()
        assert answer.getheader("X-Plex-Protocol") == "1.0"
        assert answer.getheader("Content-Type") == "text/xml;charset=utf-8"
    connection.close()
    request = plex.requests[-1]
    assert (request.method, request.path, request.query) == ("GET", "/library", {"a": "1", "b": "ü x"})
    assert (request.status, request.headers["x-plex-token"], plex.connections_made - before) == (
        200,
        plex.token,
        1,
    )


def test_an_idle_connection_is_closed() -> None:
    with (
        PlexStandIn(idle_timeout=0.05) as plex,
        socket.create_connection(("127.0.0.1", plex.port), timeout=5) as client,
    ):
        assert client.recv(1) == b""


def test_as_a_process(tmp_path: Path) -> None:
    library = tmp_path / "library.json"
    items = [{"files": [["/m/ü.mp4", 5]], "genres": ["g"]}, {"files": ["/m/b.mp4"], "title": "B"}]
    library.write_text(json.dumps({"libraries": [{"title": "M", "key": 4, "items": items}]}), encoding="utf-8")
    command = [sys.executable, "-m", "tests.servers.plex", "--library", str(library), "--token", "t"]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            server = PlexServer(process.stdout.readline().strip(), "t", session=requests.Session())
            assert [item.title for item in server.library.section("M").all()] == ["B", "ü"]
        finally:
            process.terminate()
    assert process.returncode == (1 if sys.platform == "win32" else 0), "Windows knows no end but a sudden one"
