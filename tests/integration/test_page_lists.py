"""What the page lists: how much is in Plex, what failed, what was written when, and what is known of one scene."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sync import data_folder
from sync.pages.lists import coverage
from sync.pages.lists import history as pages_history
from sync.pages.operations import Call
from sync.queue import history, schema
from sync.queue.dead_letters import DeadLetter
from sync.state import writes
from sync.status.reading import File
from tests.site import ROOT, UNCOVERED, Site

pytestmark = pytest.mark.integration


def parts(site: Site) -> dict[str, int]:
    """Of the coverage, the parts that are not empty."""
    found = site.ask("coverage")
    assert found["total"] == sum(found["parts"].values())
    return {name: count for name, count in found["parts"].items() if count}


def bury(site: Site, *scenes: int, error_type: str = "PlexNotFound", message: str = "no Plex item") -> None:
    now = time.time()
    site.bury(*(DeadLetter(scene, "T", error_type, message, 3, now, now, "{}") for scene in scenes))


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
        never[::-1],
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


def test_a_scene_that_fails_is_left_out_no_more(site: Site) -> None:
    site.configure(skip_not_found=True)
    missing = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    site.sync(missing)
    assert parts(site) == {"not_in_plex": 1}
    site.stash.scene(missing).files = []
    site.sync(missing)
    assert parts(site) == {"failed": 1}
    assert site.ask("scene", scene_id=missing)["left_out"] is None
    assert site.ask("forget") == {"forgotten": 1}
    assert parts(site) == {"never": 1}


def test_what_waits_for_a_later_try_is_left_out_no_more(site: Site) -> None:
    site.configure(only_organized=True)
    scene = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    site.sync(scene)
    site.configure(only_organized=False)
    site.sync(scene)
    assert site.ask("scene", scene_id=scene)["left_out"] is None
    assert parts(site) == {"waiting": 1}


def test_a_round_of_scenes_that_plex_lacks_is_noted_in_one_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.configure(skip_not_found=True)
    scenes = [site.stash.add_scene(files=[(f"/media/{number}.mp4", 1 + number)]) for number in range(30)]
    for scene in scenes:
        site.hook(scene)
    noted: list[int] = []
    plain = writes.put_left_out

    def counted(connection: sqlite3.Connection, some: Any, kind: str, now: float) -> None:
        assert connection.in_transaction
        some = list(some)
        if some:
            noted.append(len(some))
        plain(connection, some, kind, now)

    monkeypatch.setattr(writes, "put_left_out", counted)
    site.drain()
    assert parts(site) == {"not_in_plex": 30}
    assert noted == [30]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_reconcile_notes_what_has_no_place_in_plex(site: Site, dry_run: bool) -> None:
    site.configure(skip_not_found=True, skip_tags="Skip")
    skipped = site.stash.add_scene(tags=["Skip"], files=[("/media/skipped.mp4", 2)])
    missing = site.stash.add_scene(files=[("/media/missing.mp4", 3)])
    site.call({"mode": "reconcile", "scope": "all", "dry_run": dry_run})
    assert parts(site) == {"left_out": 1, "not_in_plex": 1}
    assert [listed(site, part) for part in ("left_out", "not_in_plex")] == [[skipped], [missing]]
    [row] = site.ask("coverage_list", part="not_in_plex")["scenes"]
    assert row["reason"].startswith('no Plex item in "Clips" holds its file "missing.mp4" yet')


def test_a_reconcile_forgets_what_was_left_out_and_is_gone_from_stash(site: Site) -> None:
    site.configure(only_organized=True)
    gone, stays = site.add()[0], site.stash.add_scene(files=[("/media/other.mp4", 3)])
    site.sync(gone)
    site.sync(stays)
    site.stash.remove_scene(gone)
    site.call({"mode": "reconcile", "scope": "all"})
    assert parts(site) == {"left_out": 1}
    assert site.ask("scene", scene_id=gone)["left_out"] is None


def test_the_parts_add_up_although_scenes_were_deleted_in_stash(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    bury(site, 91, 92, 93, error_type="PermanentError")
    assert parts(site) == {"failed": 1}, "the last to be cut"


def test_the_newest_scene_that_was_never_looked_at_is_found_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "ASKED", 4)
    scenes = [site.stash.add_scene(files=[(f"/media/{number}.mp4", 1 + number)]) for number in range(40)]
    store, state = site.store(), site.state()
    with state.transaction() as connection:
        state.put_synced(connection, [(scene, "") for scene in scenes[1:-3]], 1.0)
    state.close()
    store.close()
    asked = len(site.stash.plugin_requests("PlexSyncSceneIds("))
    found = site.ask("coverage_list", part="never", limit=2)
    assert [row["scene_id"] for row in found["scenes"]] == [scenes[-1], scenes[-2]]
    assert len(site.stash.plugin_requests("PlexSyncSceneIds(")) == asked + 1
    found = site.ask("coverage_list", part="never", limit=2, after=found["next"])
    assert [row["scene_id"] for row in found["scenes"]] == [scenes[-3]], "one call looks through a part only"
    assert len(site.stash.plugin_requests("PlexSyncSceneIds(")) == asked + 1 + coverage.QUESTIONS
    assert listed(site, "never") == [scenes[-1], scenes[-2], scenes[-3], scenes[0]]
    assert not site.stash.contract_errors()


def test_a_stash_that_does_not_say_how_many(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    site.stash.fail("status", status=502, times=None, query_contains="PlexSyncCount")
    found = site.ask("coverage")
    assert (found["total"], found["parts"]["in_plex"]) == (None, 1)
    site.stash.fail("status", status=502, times=None, query_contains="PlexSyncSceneIds")
    assert "Stash answered 502" in site.ask("coverage_list", part="never")["error"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"part": "all"}, "args.part is 'all'; accepted: waiting"),
        ({"part": "failed", "limit": 0}, "args.limit is 0; accepted"),
        ({"part": "failed", "after": "x"}, "args.after is 'x'; accepted"),
    ],
)
def test_what_cannot_be_listed_is_told(site: Site, args: dict[str, Any], text: str) -> None:
    assert text in site.ask("coverage_list", **args)["error"]


# What failed


def bury_each(site: Site, *letters: tuple[str, str]) -> None:
    """A letter of each error and message, of the scenes 1, 2, ..."""
    now = time.time()
    site.bury(*(DeadLetter(n, f"T{n}", *letter, 3, now, now + n, "{}") for n, letter in enumerate(letters, 1)))


@pytest.mark.parametrize("is_indexed", [True, False])
def test_five_thousand_failures_of_two_causes_are_two_groups(site: Site, is_indexed: bool) -> None:
    odd = 'no Plex item in "Clips" holds its file "{0}.mp4" yet. If Plex has it, check path_map'
    even = '2 Plex items hold a file "{0}.mp4": 1{0} "A" (/media/{0}.mp4), 2{0} "B" (/b/{0}.mp4) in library "Clips"'
    bury_each(
        site,
        *(("PlexNotFound", odd.format(n)) if n % 2 else ("PlexPermanentError", even.format(n)) for n in range(1, 5001)),
    )
    if not is_indexed:  # of version 0.1.0, before the first run
        with site.queue_file() as connection:
            connection.execute("DROP INDEX plexsync_causes")
    groups = site.ask("failed")["groups"]
    assert sorted((group["count"], group["does"]) for group in groups) == [(2500, "path_map"), (2500, "split")]
    split = next(group for group in groups if group["does"] == "split")
    assert '"5000.mp4"' in split["message"], "the newest"
    first = site.ask("failed", cause=split["cause"], limit=50)
    assert [row["scene_id"] for row in first["rows"]] == list(range(2, 102, 2))
    assert set(first["rows"][0]) == {"scene_id", "title", "message", "tries", "first_at", "last_at"}
    second = site.ask("failed", cause=split["cause"], limit=50, after=first["next"])
    assert second["rows"][0]["scene_id"] == 102
    assert site.ask("failed", cause=split["cause"], limit=100, after=4900)["next"] is None


def test_a_file_in_the_trash_is_another_cause_than_one_that_is_not_there(site: Site) -> None:
    not_there = 'no Plex item in "Clips" holds its file "a.mp4" yet. If Plex has it, check path_map; else let Plex scan'
    in_trash = 'no Plex item in "Clips" holds its file "b.mp4" but in the trash. Empty the trash of the library in Plex'
    bury_each(site, ("PlexNotFound", not_there), ("PlexNotFound", in_trash), ("PlexNotFound", not_there))
    groups = site.ask("failed")["groups"]
    assert [(group["count"], "trash" in group["message"]) for group in groups] == [(2, False), (1, True)]
    assert site.ask("retry", cause=groups[1]["cause"])["queued"] == 1
    assert [job["scene_id"] for job, _ in site.rows()] == [2]
    assert site.ask("forget", cause=groups[0]["cause"]) == {"forgotten": 2}


def test_damaged_rows_are_paged_like_the_others(site: Site) -> None:
    now = time.time()
    site.bury(
        *(DeadLetter(-n, "", "UnreadableJobError", "a queue row is no JSON", 0, now, now, "{") for n in range(1, 6))
    )
    [group] = site.ask("failed")["groups"]
    first = site.ask("failed", cause=group["cause"], limit=3)
    second = site.ask("failed", cause=group["cause"], limit=3, after=first["next"])
    assert [row["scene_id"] for row in (*first["rows"], *second["rows"])] == [-5, -4, -3, -2, -1]
    assert site.ask("retry", cause=group["cause"])["queued"] == 0
    assert site.ask("forget", cause=group["cause"]) == {"forgotten": 5}


@pytest.mark.parametrize("cause", ["PlexNotFound", 5, "a\nb"])
def test_what_is_no_cause_is_told(site: Site, cause: Any) -> None:
    bury(site, 1)
    for mode in ("failed", "retry", "forget"):
        assert "args.cause is" in site.ask(mode, cause=cause)["error"]
    assert "args.after is 'x'" in site.ask("failed", cause="a\nb\nc", after="x")["error"]
    assert site.ask("failed", cause="a\nb\nc") == {"rows": [], "next": None, "troubles": []}


def test_no_question_reads_every_letter(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(site, 1, 2)
    bury(site, 3, error_type="PermanentError")
    plans: list[str] = []
    plain = File.rows

    def explained(file: File, query: str, values: Sequence[object] = ()) -> list[Any]:
        plans.extend(str(row[-1]) for row in plain(file, f"EXPLAIN QUERY PLAN {query}", values))
        return plain(file, query, values)

    monkeypatch.setattr(File, "rows", explained)
    group = site.ask("failed")["groups"][0]
    site.ask("failed", cause=group["cause"])
    site.ask("coverage")
    site.ask("scene", scene_id=3)
    of_letters = [plan for plan in plans if "plexsync_dead_letters" in plan]
    assert len(of_letters) > 3
    assert [plan for plan in of_letters if "INDEX" not in plan and "PRIMARY KEY" not in plan] == []


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


def test_nothing_is_queued_where_nothing_was_ever_saved(site: Site) -> None:
    assert site.ask("retry") == {"queued": 0, "said": ""}
    assert site.ask("forget") == {"forgotten": 0}
    assert site.rows() == []


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


def test_damage_in_the_middle_of_a_file_is_told_beside_what_can_be_read(site: Site) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="T")
    bury_each(site, *(("PlexNotFound", f'no Plex item "{n}" {"x" * 200}') for n in range(1, 3000)))
    state = site.state()
    with state.transaction() as connection:
        state.put_synced(connection, [(n, "," + "tag 1," * 50) for n in range(1, 3000)], 1.0)
        writes.put_left_out(connection, [(n, "why " * 50) for n in range(1, 3000)], writes.LEFT_OUT, 1.0)
        writes.put_written(connection, [(n, "T" * 80, "Clips", 1, n, "title") for n in range(400)], 1.0)
    state.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    state.close()
    for file in (data_folder.queue_file(str(site.data)), data_folder.state_file(str(site.data))):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path = Path(file)
        content = bytearray(path.read_bytes())
        content[8192:-8192] = b"\xaa" * len(content[8192:-8192])
        path.write_bytes(content)
    for mode, args in (
        ("coverage", {}),
        *(("coverage_list", {"part": part}) for part in coverage.PARTS),
        ("failed", {}),
        ("failed", {"cause": "a\nb\nc"}),
        ("history", {}),
        ("scene", {"scene_id": 7}),
        ("marks", {"scenes": [7]}),
    ):
        found = site.ask(mode, **args)
        assert isinstance(found, dict), mode
        assert "error" not in found
        if mode != "marks":
            assert 1 <= len(found["troubles"]) <= 2, (mode, args)
            assert all("is damaged" in trouble for trouble in found["troubles"])


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


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time zone to set")
@pytest.mark.parametrize("now", ["2026-04-05T00:30", "2026-04-05T23:30", "2026-11-05T00:30", "2026-11-05T23:30"])
def test_every_day_of_the_calendar_is_there_once(now: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        at = datetime.fromisoformat(now)
        monkeypatch.setattr(pages_history, "time", SimpleNamespace(time=at.timestamp))
        expected = [(at.date() - timedelta(days=back)).isoformat() for back in reversed(range(30))]
        found = pages_history.history(Call({}, str(tmp_path), {}))
        assert [day["day"] for day in found["days"]] == expected
    finally:
        monkeypatch.undo()
        time.tzset()


def test_names_of_before_are_hidden_by_choice(site: Site) -> None:
    scene = site.stash.add_scene(files=[("/media/PrivateName.mp4", 3)])
    other, _ = site.add("/media/PrivateClip.mp4", 7)
    site.configure(skip_not_found=True)
    site.sync(scene)
    site.save_and_sync(other, details="Text")
    bury(site, 99, error_type="PermanentError", message='the file "/media/PrivateName.mp4" fails')
    with site.queue_file() as connection:
        connection.execute("UPDATE plexsync_dead_letters SET title = 'PrivateName.mp4'")
    site.configure(skip_not_found=True, obfuscate_paths=True)
    site.drain(by_hand=True)
    [group] = site.ask("failed")["groups"]
    told = [group, site.ask("failed", cause=group["cause"]), site.ask("history"), site.ask("scene", scene_id=scene)]
    told += [site.ask("coverage_list", part=part) for part in ("not_in_plex", "failed")]
    assert site.ask("history")["written"]
    assert "Private" not in json.dumps(told)


def test_the_last_writes_alone_are_kept(site: Site) -> None:
    site.data.mkdir(parents=True, exist_ok=True)
    state = site.state()
    with state.transaction() as connection:
        for number in range(writes.KEPT_WRITTEN + 20):
            writes.put_written(connection, [(number, "T", "Clips", 1, number, "title")], 1.0)
    (count,) = state.connection.execute("SELECT count(*) FROM written").fetchone()
    state.close()
    assert count == writes.KEPT_WRITTEN
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


# What it costs


@pytest.mark.parametrize("module", ["coverage", "failed", "history", "scene"])
def test_a_question_imports_little(module: str) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sync.entry, sync.pages.operations; "
        f"import sync.pages.lists.{module}; print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(ROOT)],
        capture_output=True,
        env={**os.environ, **UNCOVERED},
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split())
    costly = {"dataclasses", "inspect", "pydantic", "plexapi", "stashapi", "persistqueue", "requests", "http.client"}
    assert loaded & costly == set()
    assert f"sync.pages.lists.{module}" in loaded
