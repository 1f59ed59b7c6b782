"""What the page lists: how much is in Plex, what failed, what was written when, and what is known of one scene."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import pytest

from sync import data_folder
from sync.queue import history, schema
from sync.queue.dead_letters import PUT_DEAD_LETTER, DeadLetter
from sync.status import records
from tests.site import Site

pytestmark = pytest.mark.integration


def parts(site: Site) -> dict[str, int]:
    """Of the coverage, the parts that are not empty."""
    found = site.ask("coverage")
    assert found["total"] == sum(found["parts"].values())
    return {name: count for name, count in found["parts"].items() if count}


def bury(site: Site, *scenes: int, error_type: str = "PlexNotFound", message: str = "no Plex item") -> None:
    store, now = site.store(), time.time()
    letters = [DeadLetter(scene, "T", error_type, message, 3, now, now, "{}") for scene in scenes]
    store.connection.executemany(PUT_DEAD_LETTER, [letter.row() for letter in letters])
    store.close()


def listed(site: Site, part: str, limit: int = 2) -> list[int]:
    """All scenes of a part, page by page."""
    scenes: list[int] = []
    after = None
    while True:
        found = site.ask("coverage_list", part=part, limit=limit, after=after)
        scenes += [row["scene_id"] for row in found["scenes"]]
        assert len(found["scenes"]) <= limit
        if found["next"] is None:
            return scenes
        after = found["next"]


# Coverage


def test_nothing_is_there_and_nothing_is_made(site: Site) -> None:
    site.stash.add_scene()
    assert parts(site) == {"never": 1}
    for mode in ("failed", "history"):
        assert site.ask(mode)["troubles"] == []
    assert not list(site.data.glob("**/*.db"))


def test_each_scene_is_in_one_part(site: Site) -> None:
    site.configure(skip_tags="Skip", max_retries=0)
    good, _ = site.add("/media/good.mp4", 1)
    skipped = site.stash.add_scene(tags=["Skip"], files=[("/media/skipped.mp4", 2)])
    missing = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    broken = site.stash.add_scene(files=[])
    never = [site.stash.add_scene(files=[(f"/media/never {n}.mp4", 4 + n)]) for n in range(3)]
    for scene in (good, skipped, missing, broken):
        site.sync(scene)
    assert parts(site) == {"in_plex": 1, "left_out": 1, "waiting": 1, "failed": 1, "never": 3}
    bury(site, missing)
    store = site.store()
    store.connection.execute(f"DELETE FROM `{schema.JOBS}`")
    store.close()
    assert parts(site) == {"in_plex": 1, "left_out": 1, "not_in_plex": 1, "failed": 1, "never": 3}
    assert [listed(site, part) for part in ("in_plex", "left_out", "not_in_plex", "failed", "never")] == [
        *([good], [skipped], [missing], [broken]),
        never,
    ]
    reasons = site.ask("coverage_list", part="left_out")["scenes"]
    assert reasons[0]["reason"] == 'it has the tag "Skip" (skip_tags)'


def test_a_scene_that_is_let_in_again_is_left_out_no_more(site: Site) -> None:
    scene, _ = site.add()
    site.configure(only_organized=True)
    site.sync(scene)
    assert parts(site) == {"left_out": 1}
    site.configure(only_organized=False)
    site.sync(scene)
    assert parts(site) == {"in_plex": 1}


def test_a_batch_notes_what_it_leaves_out_and_takes_it_back(site: Site) -> None:
    for number in range(5):
        site.add(f"/media/{number}.mp4", 1 + number)
    site.call({"mode": "sync_all"})
    assert parts(site) == {"in_plex": 5}
    site.configure(only_organized=True)
    site.call({"mode": "sync_all"})
    assert parts(site) == {"left_out": 5}
    site.configure(only_organized=False)
    site.call({"mode": "sync_all"})
    assert parts(site) == {"in_plex": 5}


def test_what_plex_need_not_have_is_not_in_plex_and_no_failure(site: Site) -> None:
    site.configure(skip_not_found=True)
    scene = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    site.sync(scene)
    assert parts(site) == {"not_in_plex": 1}
    site.plex.add_item(site.library, [("/media/missing.mp4", 3)])
    site.sync(scene)
    assert parts(site) == {"in_plex": 1}


def test_a_scene_that_is_gone_from_stash_is_in_no_part(site: Site) -> None:
    site.configure(only_organized=True)
    scene, _ = site.add()
    site.sync(scene)
    site.stash.remove_scene(scene)
    site.sync(scene)
    assert parts(site) == {}


def test_a_stash_that_does_not_say_how_many(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    site.stash.fail("status", status=502, times=None, query_contains="PlexSyncCount")
    found = site.ask("coverage")
    assert (found["total"], found["parts"]["in_plex"]) == (None, 1)
    site.stash.fail("status", status=502, times=None, query_contains="PlexSyncSceneIds")
    assert "Stash did not answer" in site.ask("coverage_list", part="never")["error"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"part": "all"}, "args.part is 'all'; accepted: in_plex"),
        ({"part": "failed", "limit": 0}, "args.limit is 0; accepted"),
        ({"part": "failed", "after": "x"}, "args.after is 'x'; accepted"),
    ],
)
def test_what_cannot_be_listed_is_told(site: Site, args: dict[str, Any], text: str) -> None:
    assert text in site.ask("coverage_list", **args)["error"]


# What failed


def test_five_thousand_failures_of_two_causes_are_two_groups(site: Site) -> None:
    store, now = site.store(), time.time()
    rows = [
        DeadLetter(n, f"T{n}", "PlexNotFound", f'no Plex item holds its file "{n}.mp4"', 3, now, now + n, "{}")
        if n % 2
        else DeadLetter(n, f"T{n}", "PlexPermanentError", f'2 Plex items hold a file "{n}.mp4"', 1, now, now + n, "{}")
        for n in range(1, 5001)
    ]
    store.connection.executemany(PUT_DEAD_LETTER, [row.row() for row in rows])
    store.close()
    groups = site.ask("failed")["groups"]
    assert [(group["count"], group["does"]) for group in groups] == [(2500, "path_map"), (2500, "split")]
    assert '"4999.mp4"' in groups[0]["message"], "the newest"
    first = site.ask("failed", cause=groups[1]["cause"], limit=50)
    assert [row["scene_id"] for row in first["rows"]] == list(range(2, 102, 2))
    second = site.ask("failed", cause=groups[1]["cause"], limit=50, after=first["next"])
    assert second["rows"][0]["scene_id"] == 102


def test_some_are_queued_again_and_stash_is_asked(site: Site) -> None:
    bury(site, 1, 2, 3)
    bury(site, 4, error_type="PermanentError")
    found = site.ask("retry", scenes=[1, 99])
    assert found["queued"] == 1
    assert [job["scene_id"] for job, _ in site.rows()] == [1]
    assert len(site.stash.plugin_requests("PlexSyncAsk(")) == 1
    cause = site.ask("failed")["groups"][0]["cause"]
    assert site.ask("retry", cause=cause)["queued"] == 2
    assert len(site.stash.plugin_requests("PlexSyncAsk(")) == 1, "it was asked for a moment ago"
    assert site.ask("forget", scenes=[4]) == {"forgotten": 1}
    assert site.ask("failed")["groups"] == []


def test_all_are_queued_again_or_forgotten(site: Site) -> None:
    bury(site, 1, 2)
    assert site.ask("retry")["queued"] == 2
    bury(site, 3, -1)
    assert site.ask("forget")["forgotten"] == 2
    assert site.ask("forget")["forgotten"] == 0
    assert site.ask("retry")["queued"] == 0


@pytest.mark.parametrize("scenes", ["all", [], ["1"], [True], {"1": 2}])
def test_what_are_no_scenes_is_told(site: Site, scenes: Any) -> None:
    assert "args.scenes is" in site.ask("retry", scenes=scenes)["error"]
    assert "args.scenes is" in site.ask("forget", scenes=scenes)["error"]


def test_a_damaged_queue_is_told_and_not_changed(site: Site) -> None:
    bury(site, 1)
    file = data_folder.queue_file(str(site.data))
    with open(file, "r+b") as stream:
        stream.write(b"no database at all" * 100)
    for mode in ("failed", "coverage", "history"):
        assert "is damaged" in site.ask(mode)["troubles"][0]
    assert site.ask("status")["state"] == "trouble"
    assert "is damaged" in site.ask("retry")["error"]


# History


def test_what_was_written_last_and_on_which_day(site: Site) -> None:
    scene, key = site.add()
    site.stash.save_scene(scene, title="New", details="Text")
    site.sync(scene)
    found = site.ask("history")
    [wrote] = found["written"]
    assert (wrote["scene_id"], wrote["title"], wrote["library"], wrote["rating_key"]) == (scene, "New", "Clips", key)
    assert wrote["what"] == ["title", "summary"]
    assert (len(found["days"]), found["days"][-1]["changed"]) == (30, 1)
    assert found["machine"] == site.plex.machine_identifier
    site.sync(scene)
    assert len(site.ask("history")["written"]) == 1, "nothing was written"


def test_the_last_writes_alone_are_kept(site: Site) -> None:
    site.data.mkdir(parents=True, exist_ok=True)
    state = site.state()
    with state.transaction() as connection:
        for number in range(records.KEPT_WRITTEN + 20):
            records.put_written(connection, [(number, "T", "Clips", 1, number, "title")], 1.0)
    (count,) = state.connection.execute("SELECT count(*) FROM written").fetchone()
    state.close()
    assert count == records.KEPT_WRITTEN
    found = site.ask("history")["written"]
    assert [row["scene_id"] for row in found[:2]] == [519, 518]
    assert len(found) == 100


def test_outages_of_thirty_days(site: Site) -> None:
    now, store = time.time(), site.store()
    day = 86_400.0
    store.connection.execute(history.CREATE_OUTAGES)
    for began, ended in ((now - 40 * day, now - 39 * day), (now - 2 * day, now - 1 * day), (now - 60, None)):
        store.connection.execute("INSERT INTO plexsync_outages VALUES (?, ?)", (began, ended))
    store.close()
    assert [one["ended_at"] is None for one in site.ask("history")["outages"]] == [True, False]


# One scene


def test_what_is_known_of_a_scene(site: Site) -> None:
    scene, key = site.add()
    assert site.ask("scene", scene_id=scene)["items"] == []
    site.hook(scene)
    assert site.ask("scene", scene_id=scene)["waiting"] == {"due_at": None, "tries": 0, "last_error_type": None}
    site.drain()
    asked = len(site.plex.requests)
    found = site.ask("scene", scene_id=str(scene))
    [item] = found["items"]
    assert (item["rating_key"], item["library"], item["exact"], item["is_settled"]) == (key, "Clips", True, True)
    assert item["steps"]["metadata"]["state"] == "COMPLETED"
    assert found["synced_at"] and not (found["waiting"] or found["claimed"] or found["failed"] or found["left_out"])
    assert len(site.plex.requests) == asked


def test_a_scene_that_waits_for_a_later_try_failed_or_is_left_out(site: Site) -> None:
    later = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    broken = site.stash.add_scene(files=[])
    site.sync(later)
    site.sync(broken)
    waiting = site.ask("scene", scene_id=later)["waiting"]
    assert (waiting["tries"], waiting["last_error_type"]) == (1, "PlexNotFound")
    assert waiting["due_at"] > time.time() - 60
    failed = site.ask("scene", scene_id=broken)["failed"]
    assert (failed["error_type"], failed["does"]) == ("PermanentError", "file")
    site.configure(only_organized=True)
    site.sync(later)
    assert site.ask("scene", scene_id=later)["left_out"]["kind"] == "left out"


def test_sync_now_is_a_save(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "Now"
    assert site.ask("sync_scene", scene_id=scene)["queued"]
    assert len(site.stash.plugin_requests("PlexSyncAsk(")) == 1
    site.drain()
    assert site.item(key).title == "Now"
    assert "args.scene_id is None" in site.ask("sync_scene")["error"]


def test_marks_of_many_scenes(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    bury(site, 7)
    site.hook(8)
    assert site.ask("marks", scenes=[scene, 7, 8, 9])["marks"] == {str(scene): "in_plex", "7": "failed", "8": "waiting"}
    assert "args.scenes is" in site.ask("marks", scenes="x")["error"]


def test_a_state_file_of_before_has_no_records_yet(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    with sqlite3.connect(data_folder.state_file(str(site.data))) as connection:
        connection.execute("DROP TABLE left_out")
        connection.execute("DROP TABLE written")
    connection.close()
    assert parts(site) == {"in_plex": 1}
    assert site.ask("history")["written"] == []
    assert site.ask("scene", scene_id=scene)["left_out"] is None
