"""Sync all scenes and Sync recent scenes, over real HTTP: all of them, once, however often they are stopped."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder, log, tasks
from sync.queue import batches, schema
from sync.queue.batch import COMPLETED, FAILED, RUNNING, SYNC_ALL, SYNC_RECENT, Batch
from sync.queue.job import ClaimedJob
from sync.sleeper import sleeper
from sync.stash.client import StashClient
from sync.worker import processor
from sync.worker.processor import Drain
from tests.servers.plex import Request
from tests.site import Answer, Child, Site

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("_no_strays")]

ALL = {"mode": "sync_all"}
RECENT = {"mode": "sync_recent"}
PRESS = {"mode": "process_queue"}
SLEEPER = {"mode": "process_queue", "trigger": "sleeper"}
HOOK = {"mode": "process_queue", "trigger": "hook"}
JPEG = b"\xff\xd8\xff\xe0"
DAY = 86_400.0


def fill(site: Site, count: int, *, first: int = 1, cover: bool = False) -> dict[int, int]:
    """Add scenes that both servers have; return scene id -> ratingKey."""
    keys = [site.plex.add_item(site.library, [(f"/media/{n}.mp4", n)]) for n in range(first, first + count)]
    return add_scenes(site, keys, first=first, cover=cover)


def add_scenes(site: Site, keys: list[int], *, first: int = 1, cover: bool = False) -> dict[int, int]:
    """Add the scenes of items."""
    pairs = {}
    for number, key in enumerate(keys, first):
        scene = site.stash.add_scene(files=[(f"/media/{number}.mp4", number)])
        change(site, scene)
        site.stash.scene(scene).updated_s -= 2 * DAY
        if cover:
            site.stash.scene(scene).cover = JPEG + b"cover %d" % number + b"\xff\xd9"
        pairs[scene] = key
    return pairs


def save_beside(site: Site, scene: int) -> None:
    """A save's row, put while a run is at work."""
    with site.queue_file() as connection:
        connection.execute(schema.INSERT_JOB, (schema.new_row(scene, 1.0), 1.0))


def change(site: Site, scene: int, title: str = "") -> None:
    """A change that no hook tells of."""
    site.stash.scene(scene).title = title or f"Title {scene}"


def found(site: Site) -> list[Batch]:
    """The batches, newest first; beside a drain, too."""
    with site.queue_file() as connection:
        return batches.latest(connection)


def newest(site: Site) -> Batch:
    return found(site)[0]


def counts(batch: Batch) -> tuple[str, int, int, int, int]:
    return batch.status, batch.total, batch.done, batch.skipped, batch.failed


def bar(answer: Answer) -> list[float]:
    return [float(text) for level, text in answer.log if level == "p"]


def titles(site: Site, pairs: dict[int, int]) -> list[str]:
    return [site.item(key).title for key in pairs.values()]


def wanted(pairs: dict[int, int]) -> list[str]:
    return [f"Title {scene}" for scene in pairs]


def edited(site: Site) -> Counter[int]:
    """How many edits of each item took effect."""
    return Counter(int(edit.query["id"]) for edit in site.plex.edits if edit.applied)


def item_requests(site: Site) -> list[Request]:
    """What Plex was asked of single items, or had written to them."""
    return [one for one in site.plex.requests if "/metadata/" in one.path or one.method in ("PUT", "POST")]


def scene_reads(site: Site) -> list[str]:
    return [one.query for one in site.stash.requests if "findScene(id:" in one.query or "/screenshot" in one.path]


def status(site: Site) -> dict[str, Any]:
    told: dict[str, Any] = site.call({"mode": "status"}).output
    return told


def page(site: Site) -> str:
    return site.call({"mode": "status", "log": True}).said()


class KilledError(BaseException):
    """The end of a run that nobody handles."""


def kill_after(site: Site, scenes: int, run: dict[str, Any] = ALL) -> None:
    """A run in this process, in rounds of two, that ends without a word once so many scenes are through."""
    claim = Drain._claim

    def stopping(drain: Drain) -> Sequence[ClaimedJob] | None:
        if drain.summary.scenes >= scenes:
            raise KilledError
        return claim(drain)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "ROUND", 2)
        patch.setattr(Drain, "_claim", stopping)
        with pytest.raises(KilledError):
            site.call(run)


# The course of it


def test_three_libraries_follow_the_same_course_with_counts_kept_apart(site: Site) -> None:
    films, clips = site.plex.add_library("Films"), site.plex.add_library("More clips")
    pairs = fill(site, 3)
    of_two, of_three, _ = pairs
    keys = {(clips, of_two): 0, (clips, of_three): 0, (films, of_three): 0}
    for library, scene in keys:
        keys[library, scene] = site.plex.add_item(library, [(f"/media/{scene}.mp4", scene)])
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 3 scenes: 3 synced"
    batch = newest(site)
    assert counts(batch) == (COMPLETED, 3, 3, 0, 0)
    assert batch.libraries == {"Clips": {"changed": 3}, "More clips": {"changed": 2}, "Films": {"changed": 1}}
    assert titles(site, pairs) == wanted(pairs)
    assert {scene: site.item(key).title for (_, scene), key in keys.items()} == {
        scene: f"Title {scene}" for _, scene in keys
    }
    assert set(edited(site).values()) == {1}
    for line in ('"Clips" 3 changed', '"More clips" 2 changed', '"Films" 1 changed', "complete"):
        assert line in page(site)
    # One library's own trouble is no other's.
    change(site, of_three, "Newer")
    site.plex.fail(
        status=500, times=None, method="PUT", where=lambda one: one.query["id"] == str(keys[films, of_three])
    )
    site.call(ALL)
    site.plex.clear_faults()
    assert (site.item(pairs[of_three]).title, site.item(keys[films, of_three]).title) == ("Newer", f"Title {of_three}")
    assert newest(site).libraries == {"Clips": {"changed": 1}, "More clips": {"changed": 1}, "Films": {"failed": 1}}
    site.call(PRESS)
    assert site.item(keys[films, of_three]).title == "Newer"
    assert newest(site).libraries["Films"] == {"failed": 1, "changed": 1}
    assert counts(newest(site)) == (COMPLETED, 3, 1, 2, 0)


def test_progress_of_three_jobs(site: Site) -> None:
    fill(site, 3)
    assert bar(site.call(ALL)) == [0.0, 0.3333, 0.6667, 1.0]


def test_progress_is_over_the_whole_of_it(site: Site) -> None:
    fill(site, 4)
    kill_after(site, 2)
    assert (newest(site).progress, newest(site).left) == (0.5, 2)
    assert "2 of 4 scenes, 2 left" in page(site)
    assert bar(site.call(ALL)) == [0.5, 0.75, 1.0]
    assert status(site)["batches"][0]["progress"] == 1.0


def test_a_library_without_scenes(site: Site) -> None:
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 0 scenes: nothing to do"
    assert counts(newest(site)) == (COMPLETED, 0, 0, 0, 0)
    assert bar(answer) == [1.0]


def test_more_scenes_than_a_page_of_stashs_holds(site: Site) -> None:
    pairs = fill(site, 410)
    answer = site.call(ALL)
    assert answer.error is None
    assert counts(newest(site)) == (COMPLETED, 410, 410, 0, 0)
    assert titles(site, pairs) == wanted(pairs)
    assert len(edited(site)) == 410 == sum(edited(site).values())
    whole = [one for one in site.plex.requests if one.path.startswith("/library/metadata/") and one.method == "GET"]
    assert len(whole) <= 2 * 410 / 50 + 4
    rows = bar(answer)
    assert rows == sorted(rows)
    # And again: pages of Stash's, a listing of Plex's, and nothing of a scene.
    site.plex.clear_requests()
    site.stash.clear_requests()
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 410 scenes: 410 right already"
    assert item_requests(site) == []
    assert scene_reads(site) == []
    assert len(site.stash.requests) <= 410 / 200 + 4


# What is skipped, and what is not


def test_a_second_time_with_covers(site: Site) -> None:
    pairs = fill(site, 5, cover=True)
    site.call(ALL)
    assert all(site.item(key).poster for key in pairs.values())
    site.plex.clear_requests()
    site.stash.clear_requests()
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 5, 0, 5, 0)
    assert item_requests(site) == []
    assert scene_reads(site) == []


def test_a_cover_of_another_address_is_looked_at_in_stash_once(site: Site) -> None:
    pairs = fill(site, 3, cover=True)
    site.call(ALL)
    same, other, _ = pairs
    site.stash.scene(same).updated_s += 60  # `?t=` is another one
    site.stash.scene(other).updated_s += 60
    site.stash.scene(other).cover = JPEG + b"another" + b"\xff\xd9"
    site.plex.clear_requests()
    site.stash.clear_requests()
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 3, 1, 2, 0)
    assert site.item(pairs[other]).poster == JPEG + b"another" + b"\xff\xd9"
    asked = {
        one.path.split("?")[0].rpartition("/metadata/")[2] for one in item_requests(site) if "/metadata/" in one.path
    }
    assert all(one.startswith(str(pairs[other])) for one in asked), asked
    assert len(scene_reads(site)) == 4, "two covers looked at, one scene read and its cover fetched"
    site.stash.clear_requests()
    site.call(ALL)
    assert scene_reads(site) == []


def test_a_saved_scene_that_plex_lacks_is_not_told_as_synced(site: Site) -> None:
    fill(site, 3)
    lacking = site.stash.add_scene(files=[("/media/lacking.mp4", 7)])
    site.sync(lacking)
    assert [row["last_error_type"] for row, _ in site.rows()] == ["PlexNotFound"]
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 4 scenes: 3 synced, 1 to be tried again later"
    assert counts(newest(site)) == (COMPLETED, 4, 3, 1, 0)


def added_again(site: Site, scene: int, key: int) -> None:
    site.plex.remove_item(key)
    site.plex.add_item(site.library, [(f"/media/{scene}.mp4", scene)])


def moved_in_plex(site: Site, scene: int, key: int) -> None:
    site.plex.replace_files(key, [(f"/media/elsewhere/{scene}.mp4", scene)])


def in_a_second_library(site: Site, scene: int, key: int) -> None:
    site.plex.add_item(site.plex.add_library("Second"), [(f"/media/{scene}.mp4", scene)])


def a_second_file(site: Site, scene: int, key: int) -> None:
    site.plex.add_item(site.library, [("/media/other half.mp4", 5)])
    site.stash.scene(scene).files.append(site.stash.store.file("/media/other half.mp4", 5))


def retitled(site: Site, scene: int, key: int) -> None:
    change(site, scene, "Another title")


def tagged(site: Site, scene: int, key: int) -> None:
    site.stash.scene(scene).tag_ids.append(site.stash.add_tag("New"))


def rated(site: Site, scene: int, key: int) -> None:
    site.stash.scene(scene).rating100 = 80


def test_what_is_not_as_it_was_is_not_skipped(site: Site) -> None:
    changes = [added_again, moved_in_plex, in_a_second_library, a_second_file, retitled, tagged, rated]
    pairs = fill(site, len(changes) + 3)
    site.call(ALL)
    for happens, (scene, key) in zip(changes, list(pairs.items())[1:], strict=False):
        happens(site, scene, key)
    site.plex.clear_requests()
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 10, 7, 3, 0)
    held = Counter(
        site.item(key).title for key in sorted(site.plex.keys()) if "other half" not in str(site.item(key).files)
    )
    expected = Counter(wanted(pairs))
    del expected["Title 6"]
    assert held == expected | Counter({"Title 4": 2, "Another title": 1})  # 4 is in two libraries, 6 has another title
    site.plex.clear_requests()
    site.call(ALL)
    assert counts(newest(site))[3] == 10, "and is then right"
    assert item_requests(site) == []


def test_an_item_that_is_gone_from_plex_is_not_skipped(site: Site) -> None:
    pairs = fill(site, 4)
    site.call(ALL)
    scene, key = list(pairs.items())[1]
    site.plex.remove_item(key)
    site.call(ALL)
    assert (newest(site).status, newest(site).total, newest(site).skipped) == (RUNNING, 4, 3)
    assert [job["scene_id"] for job, _ in site.rows()] == [scene]
    assert "1 left" in page(site)


def test_a_second_item_of_the_same_file_is_not_skipped(site: Site) -> None:
    pairs = fill(site, 4)
    site.call(ALL)
    scene = list(pairs)[1]
    site.plex.add_item(site.library, [(f"/media/{scene}.mp4", scene)])
    site.call(ALL)
    assert counts(newest(site)) == (FAILED, 4, 0, 3, 1), "under strict_matching a doubt is an error"


def test_a_file_that_moved_in_both_is_where_it_was(site: Site) -> None:
    pairs = fill(site, 2)
    site.call(ALL)
    scene, key = next(iter(pairs.items()))
    site.plex.replace_files(key, [(f"/media/moved/{scene}.mp4", scene)])
    site.stash.scene(scene).files[0].path = f"/media/moved/{scene}.mp4"
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 2, 0, 2, 0)


def test_other_settings_make_every_scene_due_that_they_matter_to(site: Site) -> None:
    fill(site, 3)
    site.call(ALL)
    for changed in ({"sync_tags": False}, {"preserve_plex_edits": True}, {"title_template": "{title}!"}):
        site.stash.set_settings(**changed)
        site.call(ALL)
        assert newest(site).done == 3, changed


def test_settings_that_say_nothing_of_plex_make_nothing_due(site: Site) -> None:
    fill(site, 3)
    site.call(ALL)
    site.stash.set_settings(read_timeout=31, max_retries=3, debug_logging=True)
    site.call(ALL)
    assert newest(site).skipped == 3


def test_left_out_scenes_cost_nothing(site: Site) -> None:
    site.configure(only_organized=True)
    pairs = fill(site, 4)
    organized = list(pairs)[2]
    site.stash.scene(organized).organized = True
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 4 scenes: 1 synced, 3 left out by the settings"
    assert "(1 synced, 3 left out by the settings; " in page(site)
    assert counts(newest(site)) == (COMPLETED, 4, 1, 3, 0)
    assert set(edited(site)) == {pairs[organized]}
    first, *_ = pairs
    site.stash.scene(first).organized = True
    site.call(ALL)
    assert set(edited(site)) == {pairs[organized], pairs[first]}
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 4 scenes: 2 right already, 2 left out by the settings"


def test_scenes_that_plex_may_lack(site: Site) -> None:
    site.configure(skip_not_found=True)
    fill(site, 2)
    site.stash.add_scene(title="Lost", files=[("/media/lost.mp4", 5)])
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 3, 3, 0, 0)
    assert site.rows() == []


# Stop, and go on


def test_kills_at_random_moments_lose_nothing(site: Site) -> None:
    seed = int(os.environ.get("PLEXSYNC_TEST_SEED") or secrets.randbits(32))
    chance = random.Random(seed)
    print(f"PLEXSYNC_TEST_SEED={seed}")
    pairs = fill(site, 120)
    site.plex.edit_delay = 0.003
    before, one = (0, 0), list[Batch]()
    for number in range(7):
        # A press goes on with what has begun; a run that was killed before that has left nothing.
        child = Child(site, ALL if number % 3 or not one else PRESS | {"mode": "process_queue"})
        sent = len(site.plex.edits)
        if chance.random() < 0.7:
            site.plex.wait_for_edit(min(120, sum(edited(site).values()) + 1), timeout=30)
        time.sleep(chance.uniform(0, 0.06))
        child.kill()
        with contextlib.suppress(sqlite3.OperationalError):  # killed before the file was made
            one = found(site)
        if not one:
            continue
        (batch,) = one
        assert (batch.concluded, batch.cursor) >= before, f"seed {seed}: {batch} after {before}"
        before = (batch.concluded, batch.cursor)
        assert batch.concluded <= sum(edited(site).values()) <= 120
        if batch.is_over:
            break
        assert sent <= len(site.plex.edits)
    site.plex.edit_delay = 0.0
    answer = Child(site, ALL).end()
    assert answer.error is None
    first = found(site)[-1]
    assert counts(first) == (COMPLETED, 120, 120, 0, 0), f"seed {seed}"
    assert titles(site, pairs) == wanted(pairs)
    assert len(edited(site)) == 120 == sum(edited(site).values()), f"seed {seed}: no scene was written twice"
    assert sum(first.libraries["Clips"].values()) == 120, f"seed {seed}: {first.libraries}"
    assert site.rows() == []


def test_a_saves_run_leaves_a_stopped_batch_alone(site: Site) -> None:
    pairs = fill(site, 6)
    kill_after(site, 2)
    scene, key = site.add("/media/saved.mp4", 99)
    site.save_and_sync(scene, title="Saved")
    assert site.item(key).title == "Saved"
    for run in (HOOK, SLEEPER, {"mode": "process_queue", "trigger": "page"}, {"mode": "retry_failed"}):
        site.call(run)
        assert (newest(site).done, sum(edited(site).values())) == (2, 3), run
    told = status(site)
    assert told["queue"]["bulk"] == 4
    assert told["batches"][0]["left"] == 4
    assert '2 of 6 scenes, 4 left; it goes on with its task or "Process queue"' in page(site)
    assert site.ask("wake")["said"] == "Nothing waits"
    # One of its scenes that somebody saves is that save's.
    saved = list(pairs)[-1]
    site.save_and_sync(saved, title=f"Title {saved}")
    assert newest(site).done == 3
    assert site.call(PRESS).error is None
    assert newest(site).status == COMPLETED
    assert titles(site, pairs) == wanted(pairs)
    assert set(edited(site).values()) == {1}


def test_process_queue_goes_on_with_all_and_a_task_with_its_own(site: Site) -> None:
    pairs = fill(site, 6)
    kill_after(site, 2)
    recent = fill(site, 4, first=20)
    for scene in recent:
        site.stash.scene(scene).touch()
    kill_after(site, 2, RECENT)
    stopped = [(SYNC_RECENT, 2, 2), (SYNC_ALL, 2, 4)]
    assert [(one.kind, one.done, one.left) for one in found(site)] == stopped
    assert site.call(RECENT | {"days": 1.0}).output == "Sync recent scenes: 4 scenes: 4 synced"
    assert [(one.kind, one.done, one.left) for one in found(site)] == [(SYNC_RECENT, 4, 0), stopped[1]]
    kill_after(site, 0, RECENT | {"days": 2})
    site.call(PRESS)
    assert {one.status for one in found(site)} == {COMPLETED}
    assert titles(site, pairs | recent) == wanted(pairs | recent)
    assert set(edited(site).values()) == {1}


def test_another_setting_begins_it_anew(site: Site) -> None:
    pairs = fill(site, 6)
    kill_after(site, 4)
    assert newest(site).done == 4
    site.configure(title_template="{title}!")
    site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 6, 6, 0, 0), "each scene counted once"
    assert titles(site, pairs) == [f"{title}!" for title in wanted(pairs)]


def test_a_day_later_it_begins_anew(site: Site) -> None:
    pairs = fill(site, 6)
    kill_after(site, 4)
    with site.queue_file() as connection:
        connection.execute("UPDATE plexsync_batches SET worked_at = worked_at - 86401, created_at = created_at - 90000")
    first, *_ = pairs
    change(site, first, "Newer")
    site.call(ALL)
    assert len(found(site)) == 1
    assert newest(site).created_at > time.time() - 60
    assert site.item(pairs[first]).title == "Newer"
    batch = newest(site)
    assert (batch.status, batch.total, batch.concluded) == (COMPLETED, 6, 6), "each scene counted once"


# Failures


def test_partial_failure_and_the_task_again(site: Site) -> None:
    site.configure(max_retries=1)
    pairs = fill(site, 6)
    bad = list(pairs)[2]
    site.plex.fail(status=400, times=None, method="PUT", where=lambda one: one.query["id"] == str(pairs[bad]))
    answer = site.call(ALL)
    assert answer.output == "Sync all scenes: 6 scenes: 5 synced, 1 failed"
    assert counts(newest(site)) == (FAILED, 6, 5, 0, 1)
    site.plex.clear_faults()
    site.plex.clear_requests()
    assert site.call(ALL).output == "Sync all scenes: 6 scenes: 1 synced, 5 right already"
    assert edited(site) == {pairs[bad]: 1}
    assert titles(site, pairs) == wanted(pairs)
    assert status(site)["failed"] == []


def test_what_waits_for_a_later_try_ends_its_batch(site: Site) -> None:
    pairs = fill(site, 4)
    bad = list(pairs)[1]
    site.plex.fail(status=500, times=None, method="PUT", where=lambda one: one.query["id"] == str(pairs[bad]))
    site.call(ALL)
    site.plex.clear_faults()
    ((job, _),) = site.rows()
    assert (job["scene_id"], job["batch_id"], job["next_retry_at"] % 60) == (bad, newest(site).id, 0)
    assert counts(newest(site)) == (RUNNING, 4, 3, 0, 0)
    told = status(site)
    assert (told["batches"][0]["left"], told["queue"]["waiting"], told["queue"]["bulk"]) == (1, 1, 0)
    site.call(HOOK)
    assert newest(site).status == RUNNING, "a save's run leaves it"
    with site.queue_file() as connection:
        connection.execute(
            "UPDATE ack_queue_default SET data = CAST(json_set(CAST(data AS TEXT), '$.next_retry_at', 1) AS BLOB)"
        )
    site.call(HOOK)
    assert newest(site).status == RUNNING
    site.call(SLEEPER)
    assert counts(newest(site)) == (COMPLETED, 4, 4, 0, 0)
    assert titles(site, pairs) == wanted(pairs)


def test_a_press_while_only_later_tries_are_left_looks_at_everything(site: Site) -> None:
    pairs = fill(site, 4)
    lost = site.stash.add_scene(title="Lost", files=[("/media/lost.mp4", 5)])
    site.call(ALL)
    assert newest(site).left == 1
    first, *_ = pairs
    change(site, first, "Changed meanwhile")
    answer = site.call(ALL)
    assert site.item(pairs[first]).title == "Changed meanwhile", answer.output
    key = site.plex.add_item(site.library, [("/media/lost.mp4", 5)])
    site.call(ALL)
    assert site.item(key).title == "Lost"
    assert [one.status for one in found(site)] == [COMPLETED] * len(found(site))
    assert lost not in [job["scene_id"] for job, _ in site.rows()]


@pytest.mark.parametrize("gone", ["plex", "stash"])
def test_a_server_that_goes_away_in_the_middle(site: Site, monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    monkeypatch.setattr(processor, "ROUND", 2)
    pairs = fill(site, 10)
    if gone == "plex":
        site.plex.fail(kind="refuse", where=lambda one: one.is_edit and edited(site).total() == 5)
    else:
        read = StashClient.scenes

        def failing(client: StashClient, scene_ids: Any) -> Any:
            if edited(site).total() >= 4:
                site.stash.fail("status", status=502, query_contains="PlexSyncScenes")
            return read(client, scene_ids)

        monkeypatch.setattr(StashClient, "scenes", failing)
    answer = site.call(ALL)
    assert answer.error is not None
    assert "queued" in answer.error
    monkeypatch.undo()
    site.plex.clear_faults()
    site.stash.clear_faults()
    batch = newest(site)
    assert (batch.status, batch.interrupted) == (RUNNING, True)
    assert 4 <= batch.done <= 6  # the third round may have been read while Plex worked on the fourth edit
    assert batch.left == 10 - batch.done
    assert f"{batch.done} of 10 scenes, {batch.left} left; it goes on by itself" in page(site)
    site.call(HOOK)
    assert newest(site).done == batch.done, "not in a save's run"
    site.call(SLEEPER)
    assert counts(newest(site)) == (COMPLETED, 10, 10, 0, 0)
    assert titles(site, pairs) == wanted(pairs)
    assert set(edited(site).values()) == {1}


def test_a_save_after_the_outage_does_not_leave_the_batch_behind(site: Site) -> None:
    pairs = fill(site, 3)
    site.plex.stop()
    assert site.call(ALL).error is not None
    site.plex.start()
    for number in (98, 99):  # a save's run takes back when the next was to be, and leaves the batch to it
        scene, key = site.add(f"/media/{number}.mp4", number)
        site.save_and_sync(scene, title="Saved")
        assert site.item(key).title == "Saved"
        assert newest(site).interrupted
        assert sleeper.something_waits({}, str(site.data), since=time.time())
    site.call(SLEEPER)
    assert counts(newest(site)) == (COMPLETED, 5, 3, 2, 0)
    assert titles(site, pairs) == wanted(pairs)
    assert not sleeper.something_waits({}, str(site.data), since=time.time() + 3600)


@pytest.mark.parametrize("query", ["PlexSyncCount", "PlexSyncPage"])
def test_a_run_that_goes_on_after_an_outage_and_meets_the_next(site: Site, query: str) -> None:
    pairs = fill(site, 3)
    for run in (ALL, SLEEPER, SLEEPER):
        site.stash.fail("status", status=502, query_contains=query)
        assert site.call(run).error is not None
        assert newest(site).interrupted, run
    site.call(SLEEPER)
    assert counts(newest(site)) == (COMPLETED, 3, 3, 0, 0)
    assert titles(site, pairs) == wanted(pairs)


def test_plex_is_away_already_when_the_task_is_pressed(site: Site) -> None:
    fill(site, 3)
    site.plex.stop()
    assert site.call(ALL).error is not None
    assert newest(site).interrupted
    with site.queue_file() as connection:
        connection.execute("UPDATE plexsync_batches SET interrupted = 0")
    assert site.call(PRESS).error is not None
    assert newest(site).interrupted, "a press of Process queue wanted it"
    site.plex.start()
    site.call(SLEEPER)
    assert newest(site).status == COMPLETED


def test_a_wrong_token_keeps_everything(site: Site) -> None:
    fill(site, 3)
    site.configure(plex_token="wrong")
    answer = site.call(ALL)
    assert "plex_token" in str(answer.error)
    assert "Traceback" not in str(answer.error) + answer.said()
    assert newest(site).status == "PENDING"
    site.configure()
    site.call(SLEEPER)
    assert newest(site).done == 0, "a person has to see to it"
    assert site.call(ALL).output == "Sync all scenes: 3 scenes: 3 synced"
    assert len(found(site)) == 1


def test_a_queue_file_that_is_damaged_in_the_middle(site: Site) -> None:
    pairs = fill(site, 8)
    kill_after(site, 4)
    file = Path(data_folder.queue_file(str(site.data)))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(file.read_bytes())
    raw[:100] = b"\0" * 100
    file.write_bytes(raw)
    answer = site.call(ALL)
    assert answer.error is None
    assert titles(site, pairs) == wanted(pairs)
    batch = newest(site)
    assert (batch.kind, batch.status, batch.total, batch.concluded) == (SYNC_ALL, COMPLETED, 8, 8)
    assert set(edited(site).values()) == {1}
    assert site.rows() == []


@pytest.mark.parametrize("header", [True, False])
def test_a_queue_file_that_is_damaged_under_a_run(site: Site, monkeypatch: pytest.MonkeyPatch, header: bool) -> None:
    monkeypatch.setattr(processor, "ROUND", 2)
    pairs = fill(site, 8)
    claim, damaged = Drain._claim, []

    def damaging(drain: Drain) -> Sequence[ClaimedJob] | None:
        if drain.summary.scenes >= 4 and not damaged:
            damaged.append(True)
            file = Path(data_folder.queue_file(str(site.data)))
            drain._jobs.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw = bytearray(file.read_bytes())
            raw[:100] = b"\0" * 100
            file.write_bytes(raw)
            if header:
                raise sqlite3.DatabaseError("file is not a database")
        return claim(drain)

    monkeypatch.setattr(Drain, "_claim", damaging)
    answer = site.call(ALL)
    monkeypatch.undo()
    if not header:
        answer = site.call(PRESS)
    assert answer.error is None
    assert titles(site, pairs) == wanted(pairs)
    assert site.rows() == []
    assert newest(site).status == COMPLETED
    assert set(edited(site).values()) == {1}


# What happens meanwhile


def test_scenes_deleted_and_added_in_the_middle(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bulk.scenes.PAGE", 3)
    pairs = fill(site, 9)
    new = [site.plex.add_item(site.library, [(f"/media/{number}.mp4", number)]) for number in (50, 51)]
    listed, queued, *_, later, _ = pairs
    done = threading.Event()

    def meanwhile(one: Request) -> bool:
        if one.is_edit and not done.is_set():
            done.set()
            for scene in (queued, later):
                site.stash.remove_scene(scene)
            pairs.update(add_scenes(site, new, first=50))
        return False

    site.plex.fail(where=meanwhile)
    answer = site.call(ALL)
    assert answer.error is None
    for scene in (queued, later):
        key = pairs.pop(scene)
        assert site.item(key).title in (str(scene), f"Title {scene}")
    assert titles(site, pairs) == wanted(pairs)
    batch = newest(site)
    assert (batch.status, batch.total) == (COMPLETED, batch.concluded)
    assert batch.concluded in (10, 11), "the one that was queued counts, the one that nobody saw does not"
    assert listed in pairs


def test_more_scenes_than_there_were(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bulk.scenes.PAGE", 2)
    fill(site, 2)
    new = [site.plex.add_item(site.library, [(f"/media/{number}.mp4", number)]) for number in range(50, 58)]
    done = threading.Event()

    def meanwhile(one: Request) -> bool:
        if one.path.startswith("/library/metadata/") and not done.is_set():
            done.set()
            add_scenes(site, new, first=50)
        return False

    site.plex.fail(where=meanwhile)
    seen: list[Batch] = []
    shown = log.progress
    monkeypatch.setattr(log, "progress", lambda value: (seen.append(newest(site)), shown(value)))
    answer = site.call(ALL)
    assert counts(newest(site)) == (COMPLETED, 10, 10, 0, 0)
    assert all(one.concluded <= one.total for one in seen), [counts(one) for one in seen]
    assert bar(answer)[-1] == 1.0


def test_a_save_goes_before_a_batch_also_in_the_middle_of_a_piece(site: Site) -> None:
    pairs = fill(site, 20)
    scene, key = site.add("/media/saved.mp4", 99)
    site.stash.scene(scene).title = "Saved"
    done = threading.Event()

    def meanwhile(one: Request) -> bool:
        if one.is_edit and not done.is_set():
            done.set()
            save_beside(site, scene)
        return False

    site.plex.fail(where=meanwhile)
    site.plex.edit_delay = 0.02
    site.call(ALL)
    order = [int(edit.query["id"]) for edit in site.plex.edits]
    assert 1 <= order.index(key) <= 4, "what stood in line for Plex went back on the queue"
    assert len(order) == 21 == len(set(order))
    assert titles(site, pairs) == wanted(pairs)
    assert counts(newest(site))[:2] == (COMPLETED, 21)


def test_clear_queue_beside_a_batch(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bulk.scenes.PAGE", 10)
    fill(site, 30)
    scene, key = site.add("/media/saved.mp4", 99)
    done = threading.Event()
    said: list[str | None] = []

    def meanwhile(one: Request) -> bool:
        if one.is_edit and not done.is_set():
            done.set()
            said.append(tasks._clear_queue(str(site.data)))
            site.stash.scene(scene).title = "Saved"
            save_beside(site, scene)
        return False

    site.plex.fail(where=meanwhile)
    answer = site.call(ALL)
    assert answer.error is None
    assert "the running drain finishes 10 jobs it has begun" in str(said[0])
    batch = newest(site)
    assert (batch.status, batch.error, batch.done) == (FAILED, "the queue was cleared", 10)
    assert site.item(key).title == "Saved"
    assert site.rows() == []
    assert site.call(PRESS).output == "Nothing was due"


# Several at once


def test_two_batches_in_two_processes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = fill(site, 60)
    recent = list(pairs)[::2]
    for scene in recent:
        site.stash.scene(scene).touch()
    site.plex.edit_delay = 0.01
    monkeypatch.setattr(tasks, "LOCK_WAIT", 0.01)
    first = Child(site, ALL)
    site.plex.wait_for_edit(1, timeout=30)
    assert site.call(RECENT).output == "Another run of Process queue is at work and takes what is queued"
    saved = list(pairs)[-1]
    change(site, saved, f"Title {saved}")
    assert Child.hook(site, saved).end().output == f"Scene {saved} queued"
    sent = len(site.plex.edits)
    assert first.end().error is None
    order = [int(edit.query["id"]) for edit in site.plex.edits]
    # One edit may be on its way to Plex at this moment, and one more scene be ready.
    assert order.index(pairs[saved]) <= sent + 2, "a save goes before both"
    assert "PlexSyncAsk" not in str(site.stash.queries()), "the run that is at work takes it"
    kinds = {one.kind: one for one in found(site)}
    assert {one.status for one in kinds.values()} == {COMPLETED}
    assert (kinds[SYNC_ALL].concluded, kinds[SYNC_RECENT].concluded) == (60, 30)
    assert titles(site, pairs) == wanted(pairs)
    assert len(edited(site)) == 60 == sum(edited(site).values())


def test_two_batches_share_a_scene_that_fails(site: Site) -> None:
    pairs = fill(site, 2)
    bad, _ = pairs
    for scene in pairs:
        site.stash.scene(scene).touch()
    site.plex.fail(status=500, times=None, method="PUT", where=lambda one: one.query["id"] == str(pairs[bad]))
    site.call(ALL)
    site.call(RECENT)
    assert [job["scene_id"] for job, _ in site.rows()] == [bad], "one row, not two"
    site.plex.clear_faults()
    site.call(PRESS)
    assert {one.status for one in found(site)} == {COMPLETED}
    assert titles(site, pairs) == wanted(pairs)
    assert site.rows() == []


# Sync recent


def test_days_that_are_none(site: Site) -> None:
    for days in (0, -1, "x", "", True, [], {}, "nan", "inf", 10**400, 1e9):
        answer = site.call(RECENT | {"days": days})
        assert "args.days is " in str(answer.error)
        assert "accepted: a number of days above 0 and up to 36500" in str(answer.error)
        assert "Traceback" not in str(answer.error) + answer.said()
        assert len(str(answer.error)) < 300
    assert not (site.data / "queue" / "data.db").exists()
    assert site.call(RECENT | {"days": None}).error is None


@pytest.mark.parametrize(("days", "hours"), [(" 2 ", 48), (1.5, 36)])
def test_recent_scenes_whatever_zone_their_times_are_in(site: Site, days: object, hours: float) -> None:
    pairs = fill(site, 12)
    zones = [timezone(timedelta(hours=hour)) for hour in (-12, -9.5, 0, 5.75, 14)] + [None]
    inside, now = [], time.time()
    for number, scene in enumerate(pairs):
        record = site.stash.scene(scene)
        record.zone = zones[number // 2]
        record.updated_s = now - hours * 3600 + (30 if number % 2 else -30)
        inside += [scene] if number % 2 else []
    assert len({site.stash.scene(scene).updated_at[-6:] for scene in pairs}) >= 5
    site.call(RECENT | {"days": days})
    assert set(edited(site)) == {pairs[scene] for scene in inside}
    assert counts(newest(site)) == (COMPLETED, 6, 6, 0, 0)


def test_recent_scenes_over_several_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bulk.scenes.PAGE", 3)
    monkeypatch.setattr("sync.bulk.scenes._IDS", 4)
    pairs = fill(site, 20)
    for number, scene in enumerate(pairs):
        site.stash.scene(scene).updated_s = time.time() - (30 if number % 3 == 0 else 26) * 3600 * (number % 2)
    inside = {pairs[scene] for scene in pairs if time.time() - site.stash.scene(scene).updated_s < DAY}
    site.call(RECENT)
    assert set(edited(site)) == inside
    assert counts(newest(site)) == (COMPLETED, len(inside), len(inside), 0, 0)


def test_recent_is_counted_from_the_press(site: Site) -> None:
    """What was changed within the day before the press is synced, however long Plex was away then."""
    pairs = fill(site, 1)
    site.plex.stop()
    site.call(RECENT)
    site.plex.start()
    with site.queue_file() as connection:
        connection.execute("UPDATE plexsync_batches SET created_at = created_at - 36000")
    (scene,) = pairs
    site.stash.scene(scene).updated_s = time.time() - 30 * 3600
    site.call(SLEEPER)
    assert titles(site, pairs) == wanted(pairs)


# As Stash runs it


def test_a_stopped_batch_and_a_save_in_stash(live_site: Site) -> None:
    pairs = fill(live_site, 30)
    live_site.plex.edit_delay = 0.03
    stash = live_site.stash
    first = stash.job(stash.press("Sync all scenes"))
    live_site.plex.wait_for_edit(5, timeout=30)
    stash.stop_job(first.id)
    stash.wait_idle()
    assert first.status == "CANCELLED"
    assert 0 < first.progress_values[-1] < 1
    scene, key = live_site.add("/media/saved.mp4", 99)
    stash.save_scene(scene, title="Saved")
    stash.wait_idle(30)
    assert live_site.item(key).title == "Saved"
    left = newest(live_site)
    assert (left.status, left.is_over) == (RUNNING, False)
    assert len(edited(live_site)) < 31
    live_site.plex.edit_delay = 0.0
    second = stash.job(stash.press("Sync all scenes"))
    stash.wait_idle(30)
    assert second.progress_values[0] >= round(left.progress, 4)
    assert second.progress_values == sorted(second.progress_values)
    assert second.progress == 1.0
    assert second.output == "Sync all scenes: 30 scenes: 30 synced", "the saved one was not there when it listed them"
    assert titles(live_site, pairs) == wanted(pairs)
    assert set(edited(live_site).values()) == {1}
    assert stash.errors() == []


def test_recent_scenes_in_stash(live_site: Site) -> None:
    pairs = fill(live_site, 2)
    live_site.stash.scene(list(pairs)[1]).touch()
    job = live_site.stash.job(live_site.stash.press("Sync recent scenes"))
    live_site.stash.wait_idle(30)
    assert job.output == "Sync recent scenes: 1 scene: 1 synced"
    assert edited(live_site) == {pairs[list(pairs)[1]]: 1}
