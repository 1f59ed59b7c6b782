"""How work on many scenes keeps out of everything else's way, over real HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sync import data_folder
from sync.queue import batches, schema, wake
from sync.queue.batch import CHANGE, SYNC_ALL
from sync.queue.job import Job
from sync.state.state import State
from tests.servers.plex import TagMode
from tests.site import Site

pytestmark = pytest.mark.integration

ALL = {"mode": "sync_all"}
DRY = {"mode": "reconcile", "dry_run": True}


def fill(site: Site, count: int, **fields: Any) -> dict[int, int]:
    """Add scenes that both servers have; return scene id -> ratingKey."""
    pairs = {}
    for number in range(1, count + 1):
        key = site.plex.add_item(site.library, [(f"/media/{number}.mp4", number)])
        scene = site.stash.add_scene(files=[(f"/media/{number}.mp4", number)], title=f"Title {number}", **fields)
        pairs[scene] = key
    return pairs


def status(site: Site) -> dict[str, Any]:
    """Show status, as JSON."""
    found: dict[str, Any] = site.call({"mode": "status"}).output
    return found


def queue(site: Site, *jobs: Job) -> None:
    """Put rows on the queue, as a run leaves them."""
    store = site.store()
    for job in jobs:
        store.put(job)
    store.close()


def start(site: Site, kind: str, **args: Any) -> None:
    """A batch that was recorded and stopped before it began."""
    store = site.store()
    with store.transaction() as connection:
        batches.start(connection, kind, args, 1_000.0)
    store.close()


# A dry run


def test_a_dry_run_begins_and_hastens_nothing(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "Changed"
    start(site, SYNC_ALL)
    later = time.time() + 3600
    queue(site, Job(scene, retry_count=1, next_retry_at=later))
    site.configure(reconcile_every="daily")
    answer = site.call(DRY)
    assert answer.error is None, answer.error
    assert "1 never synced" in str(answer.output)
    assert site.plex.edits == []
    assert [row["next_retry_at"] for row, _ in site.rows()] == [later]
    kinds = {(one["kind"], one["args"].get("dry_run"), one["status"]) for one in status(site)["batches"]}
    assert kinds == {("reconcile", True, "COMPLETED"), ("sync_all", None, "PENDING")}
    assert site.item(key).title == "clip"


# The status


def test_an_unfinished_batch_is_shown_whatever_has_come_since(site: Site) -> None:
    start(site, SYNC_ALL)
    store = site.store()
    with store.transaction() as connection:
        for number in range(40):
            batch = batches.create(connection, CHANGE, {"entity": "tag", "id": number + 1}, 2_000.0)
            connection.execute("UPDATE plexsync_batches SET status = 'COMPLETED' WHERE number = ?", (batch.id,))
    store.close()
    assert "sync_all" in [one["kind"] for one in status(site)["batches"]]
    assert "Sync all scenes" in site.call({"mode": "status", "log": True}).said()


def test_clear_queue_says_which_batches_it_ends(site: Site) -> None:
    fill(site, 3)
    start(site, SYNC_ALL)
    answer = site.call({"mode": "clear_queue"})
    assert "Sync all scenes is ended" in str(answer.output)
    assert status(site)["batches"][0]["status"] == "FAILED"


def test_a_batchs_answer_is_its_own(site: Site) -> None:
    """Another scene that waits for Plex to have its file is no business of who asked for the batch."""
    scene = site.stash.add_scene(files=[("/media/none.mp4", 5)], title="Not in Plex")
    site.stash.scene(scene).updated_s -= 90_000
    queue(site, Job(scene))
    answer = site.call({"mode": "sync_recent"})
    assert str(answer.output) == "Sync recent scenes: 0 scenes: nothing to do"


# Few requests


@pytest.mark.parametrize("tag_mode", ["adds", "replaces"])
def test_lists_that_differ_are_still_few_requests(site: Site, tag_mode: TagMode) -> None:
    """A studio's own collection beside a group's: four kinds of lists, whichever order the scenes have."""
    site.plex.tag_mode = tag_mode
    site.configure(collection_studio=True, sync_poster=False)
    studio = site.stash.add_studio("Before")
    groups = [site.stash.add_group(f"Saga {n}") for n in range(3)]
    pairs = fill(site, 240, studio=studio)
    for scene in pairs:
        if scene % 4:
            site.stash.save_scene(scene, groups=[{"group_id": str(groups[scene % 4 - 1])}])
    site.call(ALL)
    site.plex.clear_requests()
    site.stash.update_studio(studio, name="After")
    site.call({"hookContext": {"id": studio, "type": "Studio.Update.Post", "inputFields": ["id", "name"]}})
    answer = site.drain()
    assert answer.error is None, answer.error
    items = [site.item(key) for key in pairs.values()]
    assert {item.studio for item in items} == {"After"}
    assert all("After" in item.collections and "Before" not in item.collections for item in items)
    # Where lists are replaced, each kind of list is an edit of its own in each round.
    assert len(site.plex.edits) <= (8 if tag_mode == "adds" else 16)
    assert "wrote" not in answer.said("i"), "the counts are what a person reads"


def test_a_scene_that_was_given_up_is_looked_for_once_more(site: Site) -> None:
    fill(site, 1)
    scene = site.stash.add_scene(files=[("/media/none.mp4", 5)], title="Not in Plex")
    site.call(ALL)
    assert [row["scene_id"] for row, _ in site.rows()] == [scene]
    store = site.store()
    store.connection.execute(f"DELETE FROM `{schema.JOBS}`")
    store.connection.execute("UPDATE plexsync_batches SET status = 'FAILED'")
    store.connection.execute(
        "INSERT INTO plexsync_dead_letters (scene_id, title, error_type, message, tries, first_at, last_at, job) "
        "VALUES (?, '', 'PlexNotFound', 'no item', 12, 1, 9e9, '{}')",
        (scene,),
    )
    store.close()
    answer = site.call(ALL)
    assert site.rows() == []
    assert "1 failed" in str(answer.output)
    assert answer.said("e") == ""


# A save's run beside what it leaves alone


def test_what_was_put_off_stays_put_off_over_saves(site: Site) -> None:
    """Somebody who saves every few seconds does not put a batch off for ever."""
    scene, _ = site.add()
    start(site, SYNC_ALL)
    store = site.store()
    batches.let_go_on(store.connection, ["1"])
    store.close()
    times = []
    for _ in range(2):
        site.sync(scene)
        store = site.store()
        times.append(store.connection.execute("SELECT resume_at FROM plexsync_wake").fetchone()[0])
        store.close()
    assert times[0] is not None
    assert times[1] == times[0]


def test_a_word_left_for_a_batch_takes_no_other_up(site: Site) -> None:
    fill(site, 2)
    start(site, SYNC_ALL)
    scene, _ = site.add("/media/saved.mp4", 99)
    site.hook(scene)
    store = site.store()
    wake.leave_word(store.connection, by_hand=True)
    store.close()
    site.drain()
    assert status(site)["batches"][0]["status"] == "PENDING"
    store = site.store()
    wake.leave_word(store.connection, by_hand=True, all_batches=True)
    store.close()
    site.drain()
    assert status(site)["batches"][0]["status"] == "COMPLETED"


def test_a_state_file_of_before_gets_its_new_columns(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    state = site.state()
    state.connection.execute("ALTER TABLE scenes DROP COLUMN refs")
    state.connection.execute("ALTER TABLE items DROP COLUMN cover")
    state.close()
    again = State(data_folder.state_file(str(site.data)))
    assert again.scenes_naming("studio 1", 0, 5) == []
    again.close()
    assert site.sync(scene).error is None
