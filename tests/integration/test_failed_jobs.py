"""The tasks "Retry failed jobs", "Clear failed jobs" and "Clear queue": what they say and what is left."""

from __future__ import annotations

import sqlite3
import time

import pytest

from sync import data_folder, tasks
from sync.queue import schema
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import Job
from sync.worker.processor import ROUND as BATCH
from tests.site import Child, Site

pytestmark = pytest.mark.integration

NOW = 1_700_000_000.0


def bury(site: Site, *scenes: int, error_type: str = "PlexNotFound") -> None:
    site.bury(*(DeadLetter(scene, f"T{scene}", error_type, "why", 12, NOW, NOW, "{}") for scene in scenes))


def letters(site: Site) -> list[int]:
    with site.queue_file() as connection:
        return [scene for (scene,) in connection.execute("SELECT scene_id FROM plexsync_dead_letters")]


def put(site: Site, *jobs: Job) -> None:
    store = site.store()
    for job in jobs:
        store.put(job)
    store.close()


def test_a_failed_scene_arrives_when_its_cause_is_mended(site: Site) -> None:
    scene = site.stash.add_scene(files=[])
    site.sync(scene)
    assert letters(site) == [scene]
    path = [("/media/clip.mp4", 1000)]
    key = site.plex.add_item(site.library, path)
    other = site.stash.add_scene(files=path, title="Mended")
    bury(site, other)
    answer = site.call({"mode": "retry_failed", "error_type": "PlexNotFound"})
    assert (answer.output, answer.error) == ("1 failed job is queued again. 1 scene: 1 changed in Plex", None)
    assert "1 failed job is queued again" in answer.said("i")
    assert site.item(key).title == "Mended"
    assert letters(site) == [scene], "of another class"
    answer = site.call({"mode": "retry_failed"})
    assert answer.output == "1 failed job is queued again. 1 scene: 1 failed"
    assert letters(site) == [scene]


def test_plex_is_away(site: Site) -> None:
    scene, _ = site.add()
    bury(site, scene, scene + 1)
    site.plex.stop()
    answer = site.call({"mode": "retry_failed"})
    assert answer.output is None
    assert str(answer.error).startswith(f"2 failed jobs are queued again. Plex at {site.plex.url} cannot be reached")
    assert str(answer.error).endswith("(2 jobs stay queued)")
    assert letters(site) == []
    assert site.call({"mode": "clear_queue"}).output == "2 queued jobs cleared"
    bury(site, scene)
    assert site.call({"mode": "clear_failed"}).output == "1 failed job cleared"
    assert (site.rows(), letters(site)) == ([], [])


def test_clearing_asks_nobody(site: Site) -> None:
    bury(site, 1, 2)
    bury(site, 3, error_type="PermanentError")
    put(site, Job(4), Job(5, next_retry_at=time.time() + 500, retry_count=1))
    assert site.call({"mode": "clear_failed", "error_type": "PermanentError"}).output == "1 failed job cleared"
    answer = site.call({"mode": "clear_failed"})
    assert (answer.output, answer.log[-1]) == ("2 failed jobs cleared", ("i", "2 failed jobs cleared"))
    answer = site.call({"mode": "clear_queue"})
    assert (answer.output, answer.log[-1]) == ("2 queued jobs cleared", ("i", "2 queued jobs cleared"))
    assert site.plex.requests == []
    assert site.stash.queries() == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("retry_failed", "There are no failed jobs"),
        ("clear_failed", "There are no failed jobs"),
        ("clear_queue", "No job waits in the queue"),
    ],
)
def test_an_empty_installation_has_nothing_to_do(site: Site, mode: str, said: str) -> None:
    answer = site.call({"mode": mode})
    assert (answer.output, answer.error) == (said, None)
    site.drain()
    assert site.call({"mode": mode}).output == said
    assert site.plex.edits == []


@pytest.mark.parametrize("mode", ["retry_failed", "clear_failed"])
def test_a_class_of_error_that_none_has(site: Site, mode: str) -> None:
    bury(site, 1, 2)
    bury(site, 3, error_type="PermanentError")
    answer = site.call({"mode": mode, "error_type": "Nonsense"})
    assert answer.output == ("No failed job has error_type 'Nonsense'; there are: PlexNotFound (2), PermanentError (1)")
    for wrong in ("", " ", 5, ["PlexNotFound"]):
        answer = site.call({"mode": mode, "error_type": wrong})
        assert str(answer.error).startswith(f"args.error_type is {wrong!r}; accepted: the class of an error")
    assert len(letters(site)) == 3


def test_a_row_that_names_no_scene(site: Site) -> None:
    bury(site, -3, error_type="UnreadableJobError")
    assert "1 failed job cannot be queued again" in str(site.call({"mode": "retry_failed"}).output)
    assert site.call({"mode": "clear_failed"}).output == "1 failed job cleared"


@pytest.mark.parametrize("mode", ["retry_failed", "clear_failed", "clear_queue"])
def test_a_damaged_queue_is_left_to_process_queue(site: Site, mode: str) -> None:
    scene, _ = site.add()
    site.hook(scene)
    file = site.data / "queue" / data_folder.QUEUE_FILE
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    file.write_bytes(b"no database" * 1000)
    answer = site.call({"mode": mode})
    assert "is damaged" in str(answer.error)
    assert 'Press "Process queue"' in str(answer.error)
    assert "Traceback" not in answer.said()
    assert file.read_bytes().startswith(b"no database")


def test_clear_queue_beside_a_running_drain(site: Site) -> None:
    scenes = [site.add(f"/media/{number}.mp4", 1000 + number)[0] for number in range(BATCH + 10)]
    for scene in scenes:
        site.stash.scene(scene).title = f"T{scene}"
    put(site, *(Job(scene) for scene in scenes))
    site.plex.fail(kind="slow", delay=0.03, method="PUT", times=30)
    drain = Child.drain(site)
    end = time.monotonic() + 30
    while not site.plex.edits and time.monotonic() < end:
        time.sleep(0.01)
    assert drain.is_running()
    answer = site.call({"mode": "clear_queue"})
    assert answer.output == f"10 queued jobs cleared; the running drain finishes {BATCH} jobs it has begun"
    assert str(drain.end().output).startswith(f"{BATCH} scenes: ")
    assert site.rows() == []
    site.kill_sleeper()


def test_retry_beside_a_running_drain_leaves_word(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LOCK_WAIT", 0.2)
    first, _ = site.add("/media/1.mp4")
    again, key = site.add("/media/2.mp4")
    site.stash.save_scene(first, title="First")
    site.stash.save_scene(again, title="Again")
    bury(site, again)
    put(site, Job(first))
    site.plex.fail(kind="slow", delay=2.0, method="PUT", times=1)
    drain = Child.drain(site)
    drain_began = time.monotonic()
    while not any(request.method == "PUT" for request in site.plex.requests) and time.monotonic() < drain_began + 30:
        time.sleep(0.01)
    answer = site.call({"mode": "retry_failed"})
    assert str(answer.output).startswith("1 failed job is queued again. Another run of Process queue is at work")
    assert drain.end().error is None
    assert site.item(key).title == "Again"
    assert (site.rows(), letters(site)) == ([], [])
    site.kill_sleeper()


@pytest.mark.parametrize("after", [0.0, 0.02, 0.08])
def test_a_kill_loses_no_job(site: Site, after: float) -> None:
    count = 30_000
    bury(site, *range(1, count + 1))
    site.plex.stop()
    child = Child(site, {"mode": "retry_failed"})
    end = time.monotonic() + 30
    while len(letters(site)) == count and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(after)
    child.kill()
    with sqlite3.connect(data_folder.queue_file(str(site.data))) as connection:
        (waiting,) = connection.execute(f"SELECT count(*) FROM `{schema.JOBS}`").fetchone()
        both = connection.execute(
            f"SELECT count(*) FROM plexsync_dead_letters WHERE scene_id IN "
            f"(SELECT json_extract(CAST(data AS TEXT), '$.scene_id') FROM `{schema.JOBS}`)"
        ).fetchone()
    assert waiting + len(letters(site)) == count
    assert both == (0,)
    assert waiting


def test_as_tasks_of_stash(live_site: Site) -> None:
    scene, _ = live_site.add()
    live_site.stash.add_scene(files=[])
    bury(live_site, scene)
    bury(live_site, 99, error_type="PermanentError")
    live_site.stash.wait_job(live_site.stash.press("Retry failed jobs"), 40)
    assert "2 failed jobs are queued again" in live_site.stash.log_text()
    bury(live_site, 5)
    # From PlexSync's page, which asks for them without a task of Stash's.
    assert live_site.stash.run_operation({"mode": "clear_failed"}) == "1 failed job cleared"
    assert live_site.stash.run_operation({"mode": "clear_queue"}) == "No job waits in the queue"
    assert live_site.stash.run_operation({"mode": "clear_failed"}) == "There are no failed jobs"
    assert live_site.stash.errors() == []
