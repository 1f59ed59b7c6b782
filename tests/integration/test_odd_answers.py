"""A Plex, or what stands before it, that answers oddly: one bad part sinks no neighbour, and no page is a list."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from sync.plex.client import PlexSession
from sync.plex.pace import Pacer
from tests.servers.wire import Canned
from tests.site import Site

pytestmark = pytest.mark.integration

JAPANESE = "山田太郎の長い話。" * 334
"""3,006 characters of nine bytes each in a request."""
FULL = {
    "title": "Long",
    "details": JAPANESE,
    "date": "2020-02-02",
    "studio": "Studio",
    "performers": ["Ann", "Bob"],
    "tags": ["One", "Two"],
}
HTML = b"<!DOCTYPE html><html><head><meta charset=utf-8><title>Sign in</title></head><body>Welcome</body></html>"
WELL_FORMED = b"<html><head><title>Sign in</title></head><body><p>Welcome</p></body></html>"
ODD = {
    "empty": b"",
    "html": HTML,
    "xhtml": b"<?xml version='1.0'?>" + WELL_FORMED,
    "well formed": WELL_FORMED,
    "json": b'{"MediaContainer": {"size": 0}}',
    "other root": b"<?xml version='1.0' encoding='UTF-8'?><Response status='ok'/>",
    "text": b"It works!",
}


def writes(site: Site) -> list[str]:
    """The paths of what was written to Plex; then forget all requests."""
    found = [request.path for request in site.plex.requests if request.method in ("PUT", "POST")]
    site.plex.clear_requests()
    return found


@pytest.mark.parametrize(("limit", "status"), [(8_190, 414), (8_190, 431), (4_096, 400)])
def test_a_long_summary_is_cut_and_all_else_arrives(site: Site, limit: int, status: int) -> None:
    site.plex.max_target, site.plex.long_target_status = limit, status
    key = site.plex.add_item(site.library, [("/m/a.mp4", 1)])
    scene = site.stash.add_scene(files=[("/m/a.mp4", 1)], **FULL)
    answer = site.sync(scene)
    item = site.item(key)
    assert (item.title, item.date, item.studio, item.genres) == ("Long", "2020-02-02", "Studio", ["One", "Two"])
    assert [role.name for role in item.actors] == ["Ann", "Bob"]
    assert item.summary.endswith("…")
    assert JAPANESE.startswith(item.summary[:-1])
    assert len(item.summary) > limit / 9 / 2.6
    assert f"Scene {scene}" in answer.said("w")
    assert "summary was cut" in answer.said("w")
    assert answer.output == "1 scene: 1 changed in Plex"


def test_a_cut_summary_is_right_the_next_time(site: Site) -> None:
    site.plex.max_target = 8_190
    key = site.plex.add_item(site.library, [("/m/a.mp4", 1)])
    scene = site.stash.add_scene(files=[("/m/a.mp4", 1)], **FULL)
    site.sync(scene)
    cut = site.item(key).summary
    writes(site)
    assert site.sync(scene).output == "1 scene: 1 right already"
    assert site.call({"mode": "sync_all"}).output == "Sync all scenes: 1 scene: 1 right already"
    said = site.call({"mode": "reconcile", "scope": "all"}).output
    assert "changed" not in str(said) and "stale" not in str(said)
    assert writes(site) == []
    # The limit is remembered: the next one is not refused first.
    other = site.plex.add_item(site.library, [("/m/b.mp4", 2)])
    second = site.stash.add_scene(files=[("/m/b.mp4", 2)], **FULL | {"title": "Other"})
    site.sync(second)
    assert site.item(other).summary == cut
    assert not [request for request in site.plex.requests if request.status >= 400]
    # A person's own words stay a person's.
    site.save_and_sync(scene, details="Short")
    assert site.item(key).summary == "Short"


def test_what_one_long_value_passes_alone_is_not_cut(site: Site) -> None:
    key = site.plex.add_item(site.library, [("/m/a.mp4", 1)])
    site.sync(site.stash.add_scene(files=[("/m/a.mp4", 1)], **FULL))
    summary = site.item(key).summary
    assert JAPANESE.startswith(summary.rstrip("…"))
    assert len(summary) > 2_400, "as long as a summary of ours may be"


def test_a_hundred_tags_get_through_a_narrow_proxy(site: Site) -> None:
    site.plex.max_target, site.plex.long_target_status = 4_096, 414
    tags = [f"A tag of some length, number {number}" for number in range(150)]
    key = site.plex.add_item(site.library, [("/m/a.mp4", 1)])
    site.sync(site.stash.add_scene(files=[("/m/a.mp4", 1)], tags=tags, title="Many"))
    assert (site.item(key).title, sorted(site.item(key).genres)) == ("Many", sorted(tags))


@pytest.mark.parametrize("field", ["studio", "genre", "actor", "originallyAvailableAt"])
def test_a_field_that_plex_refuses_is_named_and_the_others_are_written(site: Site, field: str) -> None:
    names = {"studio": "studio", "genre": "genres", "actor": "actors", "originallyAvailableAt": "date"}
    site.plex.fail(status=400, times=None, method="PUT", where=lambda request: field in request.target)
    key = site.plex.add_item(site.library, [("/m/a.mp4", 1)])
    scene = site.stash.add_scene(files=[("/m/a.mp4", 1)], **FULL | {"details": "Short"})
    answer = site.sync(scene)
    item = site.item(key)
    written = {
        "title": item.title == "Long",
        "summary": item.summary == "Short",
        "studio": item.studio == "Studio",
        "date": item.date == "2020-02-02",
        "genres": item.genres == ["One", "Two"],
        "actors": [role.name for role in item.actors] == ["Ann", "Bob"],
    }
    assert [name for name, there in written.items() if not there] == [names[field]]
    assert f"to write {names[field]} to item {key}" in answer.said("e")
    assert site.rows() == []
    # What was written is PlexSync's own: a person's save changes it all the same.
    site.plex.clear_faults()
    site.save_and_sync(scene, title="Newer")
    assert (site.item(key).title, site.item(key).studio) == ("Newer", "Studio")


def test_one_scenes_refused_field_does_not_sink_a_shared_edit(site: Site) -> None:
    pairs = [site.add(f"/m/{number}.mp4", number + 1) for number in range(6)]
    for scene, _ in pairs:
        site.stash.scene(scene).studio_id = site.stash.add_studio("Shared")
        site.hook(scene)
    site.plex.fail(
        status=400, times=None, method="PUT", where=lambda one: str(pairs[2][1]) in one.query.get("id", "").split(",")
    )
    site.drain()
    assert [site.item(key).studio for _, key in pairs] == ["Shared", "Shared", "", "Shared", "Shared", "Shared"]


def test_an_edit_that_names_no_item_cannot_be_sent(site: Site) -> None:
    site.add()
    session = PlexSession(site.plex.url, 5, 5, Pacer(0))
    for query in ("type=1&title.value=x", "type=1&id=&title.value=x", "", "guid=3&id=x"):
        with pytest.raises(ValueError, match="whole library"):
            session.put(f"{site.plex.url}/library/sections/{site.library}/all?{query}")
    assert [request for request in site.plex.requests if request.method == "PUT"] == []


@pytest.mark.parametrize(
    ("where", "body"),
    [
        *(("/", body) for body in ("empty", "html", "json")),
        *(("/library/sections", body) for body in ("well formed", "text")),
        *(("/all", body) for body in ("xhtml", "json", "other root")),
        *(("/library/metadata", body) for body in ("empty", "html", "well formed")),
    ],
)
def test_an_answer_that_is_none_of_plexs_says_nothing_of_any_scene(site: Site, where: str, body: str) -> None:
    site.save_many(3)
    site.plex.fail(
        status=200,
        body=ODD[body],
        times=None,
        where=lambda one: (
            one.method == "GET" and (one.path == where if where in ("/", "/library/sections") else where in one.path)
        ),
    )
    answer = site.drain()
    assert "answers, but not as a Plex Media Server does" in str(answer.error), answer
    assert "plex_url" in str(answer.error)
    assert len(site.rows()) == 3
    assert not any(job.get("retry_count") for job, _ in site.rows())
    assert "missing" not in answer.said()
    site.plex.clear_faults()
    assert site.drain(by_hand=True).output == "3 scenes: 3 changed in Plex"


def test_an_empty_page_is_no_empty_library(site: Site) -> None:
    """It was taken for one: "6 missing from Plex"."""
    for number in range(6):
        site.sync(site.add(f"/m/{number}.mp4", number + 1)[0])
    site.plex.fail(status=200, body=WELL_FORMED, times=None, path_contains="/all")
    answer = site.call({"mode": "reconcile", "scope": "all", "dry_run": True})
    assert "not as a Plex Media Server does" in str(answer.error)
    assert "missing" not in answer.said()


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_time_gets_it(site: Site, status: int) -> None:
    scene, _ = site.add()
    site.stash.scene(scene).title = "T"
    site.hook(scene)
    head = f"HTTP/1.1 {status} Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with Canned(head) as port:
        site.configure(plex_url=f"http://127.0.0.1:{port}")
        assert site.drain().error
    with site.queue_file() as connection:
        (resume_at, asked) = connection.execute("SELECT resume_at, alive_at FROM plexsync_wake").fetchone()
    assert 100 < resume_at - asked < 130
    ((job, _),) = site.rows()
    assert not job.get("retry_count")


@pytest.fixture
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A port that speaks TLS alone, as far as a plain request tells."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def serve() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(stream, server_side=True).close()
            except OSError:
                stream.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_a_plain_address_of_a_port_that_speaks_tls_is_told_to_be_https(site: Site, tls_port: int) -> None:
    site.configure(plex_url=f"http://127.0.0.1:{tls_port}")
    site.hook(site.add()[0])
    assert "https://" in str(site.drain().error)


def test_a_proxy_that_wants_https_is_believed(site: Site) -> None:
    page = b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
    site.plex.fail(status=400, body=page, times=None)
    site.hook(site.add()[0])
    assert "begin it with https://" in str(site.drain().error)


def test_a_file_in_the_trash_is_no_candidate(site: Site) -> None:
    scene, old = site.add("/m/a.mp4", 5)
    site.plex.trash_item(old)
    answer = site.save_and_sync(scene, title="T")
    assert site.item(old).title == "a"
    assert "trash" in answer.said("w")
    again = site.plex.add_item(site.library, [("/m/a.mp4", 5)])
    assert site.drain(by_hand=True).output == "1 scene: 1 changed in Plex"
    assert (site.item(old).title, site.item(again).title) == ("a", "T")


def test_an_item_that_goes_to_the_trash_is_left_alone_from_then_on(site: Site) -> None:
    scene, old = site.add("/m/a.mp4", 5)
    site.save_and_sync(scene, title="T")
    site.plex.trash_item(old)
    new = site.plex.add_item(site.library, [("/m/moved/a.mp4", 5)])
    site.stash.scene(scene).files[0].path = "/m/moved/a.mp4"
    site.save_and_sync(scene, title="Newer")
    assert (site.item(old).title, site.item(new).title) == ("T", "Newer")
