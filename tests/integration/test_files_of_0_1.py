"""Queue and state files of version 0.1.0 go on working, also while a hook or a run of it is still alive."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import requests

from sync import data_folder
from tests.site import Child, Site

pytestmark = pytest.mark.integration

FILES = Path(__file__).parents[1] / "data" / "from_0_1"
COVER = b"\xff\xd8\xff\xe0 cover %d \xff\xd9"
HOOK_OF_0_1 = (
    "INSERT INTO `ack_queue_default` (data, timestamp, status) VALUES (?, ?, 0)",
    '{"scene_id": %d, "update_type": "scene_update", "job_key": "scene_%d", "enqueued_at": %r}',
)


@pytest.fixture
def keys(site: Site) -> dict[int, int]:
    """Both servers as they were when version 0.1.0 left its files; return ratingKeys by scene."""
    other = site.plex.add_library("Other")
    keys: dict[int, int] = {}
    for number in range(1, 14):
        scene, keys[scene] = site.add(f"/media/{number}.mp4", 1000 + number)
        site.stash.save_scene(
            scene,
            title=f"Scene {number}",
            details=f"Details {number}",
            studio="Acme",
            tags=["Tag a", "Tag b"],
            performers=["Anna", "Bea"],
        )
    site.plex.add_item(other, [("/media/1.mp4", 1001)])
    site.plex.person_edits(keys[2], genres=["TAG A"])
    for scene in (1, 4):
        site.stash.scene(scene).cover = COVER % scene
        site.stash.scene(scene).rating100 = 80
    for method, target, body, kind in json.loads((FILES / "plex_writes.json").read_text()):
        headers = {"X-Plex-Token": site.plex.token, **({"Content-Type": kind} if kind else {})}
        url = site.plex.url + target
        requests.request(method, url, headers=headers, data=base64.b64decode(body), timeout=10).raise_for_status()
    site.stash.remove_scene(6)
    site.plex.remove_item(keys[7])
    site.stash.save_scene(5, title="Scene 5 again", tags=["Tag b", "Tag c"])
    for scene in (11, 12):
        site.stash.save_scene(scene, title=f"Scene {scene} waits")
    for one in (*site.stash.store.scenes.values(), *site.stash.store.performers.values()):
        one.updated_s -= 10  # nothing has changed without a hook since
    for name, file in (
        ("queue", data_folder.queue_file(str(site.data))),
        ("state", data_folder.state_file(str(site.data))),
    ):
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript((FILES / f"{name}.sql").read_text())
    site.plex.clear_requests()
    return keys


def writes(site: Site) -> list[str]:
    return [f"{one.method} {one.query.get('id', one.path)}" for one in site.plex.requests if one.method != "GET"]


def test_every_job_of_the_queue_comes_to_its_end(site: Site, keys: dict[int, int]) -> None:
    answer = site.drain(by_hand=True)
    assert answer.error is None
    assert [job["scene_id"] for job, _ in site.rows()] == [7], "which Plex lacks"
    for scene in (9, 10, 13):
        assert site.item(keys[scene]).title == f"Scene {scene}"
    assert site.item(keys[11]).title == "Scene 11 waits"
    assert site.item(keys[12]).title == "Scene 12 waits"
    assert site.item(keys[5]).title == "Scene 5 again"
    assert sorted(site.item(keys[5]).genres) == ["Tag b", "Tag c"]
    assert site.item(keys[8]).title == "Scene 8", "the batch looks at what had failed once more"
    assert site.dead_letters() == []


def test_what_was_written_is_known_and_written_no_more(site: Site, keys: dict[int, int]) -> None:
    site.drain(by_hand=True)
    site.plex.clear_requests()
    for scene in (1, 2, 3, 4, 5):
        site.hook(scene)
    answer = site.drain()
    assert answer.output == "5 scenes: 5 right already"
    assert writes(site) == [], "nor is the poster sent again that Plex refused"


def test_a_half_finished_edit_is_known_as_ours(site: Site, keys: dict[int, int]) -> None:
    assert site.item(keys[5]).title == "Scene 5 again", "Plex had taken it"
    site.hook(5)
    site.drain()
    assert f"PUT {keys[5]}" not in writes(site)
    site.save_and_sync(5, details="", tags=[])
    assert (site.item(keys[5]).summary, site.item(keys[5]).genres) == ("", [])


def test_ours_goes_and_a_persons_stays(site: Site, keys: dict[int, int]) -> None:
    site.plex.person_edits(keys[1], genres=[*site.item(keys[1]).genres, "Theirs"])
    site.plex.person_edits(keys[3], summary="Typed")
    site.configure(preserve_plex_edits=True)
    site.save_and_sync(1, tags=[], performers=["Anna"])
    site.save_and_sync(3, details="Newer")
    site.save_and_sync(2, tags=["Tag b"])
    assert site.item(keys[1]).genres == ["Theirs"]
    assert [role.name for role in site.item(keys[1]).actors] == ["Anna"]
    assert site.item(keys[3]).summary == "Typed"
    assert sorted(site.item(keys[2]).genres) == ["TAG A", "Tag b"], "the person's spelling is the person's"


def test_a_hook_of_0_1_that_is_still_alive_loses_nothing(site: Site, keys: dict[int, int]) -> None:
    """It writes its row as it always did, into a file that this version has opened."""
    site.drain(by_hand=True)
    site.stash.save_scene(3, title="By an old hook")
    now = time.time()
    statement, row = HOOK_OF_0_1
    with closing(sqlite3.connect(data_folder.queue_file(str(site.data)), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(statement, ((row % (3, 3, now)).encode(), now))
        draining, _ = connection.execute("SELECT draining, asked_at FROM plexsync_wake").fetchone()
        connection.execute("COMMIT")
    assert not draining, "it asks for a drain"
    site.drain()
    assert site.item(keys[3]).title == "By an old hook"


@pytest.mark.skipif(os.name == "nt", reason="the lock of POSIX is asked for by its own call here")
def test_a_run_of_0_1_that_is_still_alive_is_not_run_beside(site: Site, keys: dict[int, int]) -> None:
    import fcntl

    with open(data_folder.drain_lock(str(site.data)), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with closing(sqlite3.connect(data_folder.queue_file(str(site.data)), isolation_level=None)) as connection:
            connection.execute("UPDATE plexsync_wake SET draining = 1")
        answer = Child.drain(site).end()
        assert "Another run of Process queue is at work" in (answer.output or "")
    assert writes(site) == []
    site.drain(by_hand=True)
    assert site.item(keys[5]).title == "Scene 5 again"
