"""The task "Show status": what it says of each state of things, how fast, and that it changes nothing."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder
from sync.queue import history, schema
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import Job
from sync.state.state import STATISTICS_KEPT, State
from sync.status import page, reading, status
from sync.worker.circuit_breaker import CircuitBreaker
from sync.worker.processor import ROUND as BATCH
from tests.site import ROOT, Answer, Child, Site

pytestmark = pytest.mark.integration


def show(site: Site) -> str:
    """Press the button; the page, its first line first. No secret in it, no more asked than a number."""
    asked = len(site.plex.requests), len(site.stash.queries())
    answer = site.call({"mode": "status", "log": True})
    assert answer.error is None
    assert "\n" not in str(answer.output)
    _check(site, answer)
    assert len(site.plex.requests) == asked[0]
    assert len(site.stash.queries()) <= asked[1] + 1
    return "\n".join(reversed(answer.said().split("\n")))


def told(site: Site) -> dict[str, Any]:
    """The JSON of it."""
    answer = site.call({"mode": "status"})
    assert answer.error is None
    assert answer.log == []
    _check(site, answer)
    found: dict[str, Any] = answer.output
    return found


def _check(site: Site, answer: Answer) -> None:
    everything = f"{answer.output}\n{answer.said()}"
    for secret in (site.plex.token, site.stash.session_cookie(), "/media/"):
        assert secret not in everything
    assert "Traceback" not in everything


def test_an_empty_installation(site: Site) -> None:
    page = show(site)
    for line in (
        "Queue: empty",
        "Plex: nothing was asked of it yet",
        "Process queue: has not ended a run yet",
        "Last 24 hours: nothing was done",
        "In Plex: 0 of 0 scenes in Stash, as 0 Plex items; none is known to be missing from Plex",
        "Failed jobs: none",
        "Outages of Plex: none is known",
    ):
        assert line in page.split("\n")
    assert site.call({"mode": "status", "log": True}).output == "0 jobs in the queue; 0 failed; 0 scenes synced"
    assert not site.data.joinpath("queue").exists()
    assert not site.data.joinpath("state.db").exists()


@pytest.mark.parametrize(
    ("log", "in_log"), [("true", True), ("1", True), (1, True), ("false", False), ("0", False), (None, False)]
)
def test_whether_it_is_told_in_the_log_may_come_as_a_text(site: Site, log: object, in_log: bool) -> None:
    answer = site.call({"mode": "status", "log": log})
    assert bool(answer.said("i")) is in_log
    assert str(answer.output).startswith("{") is not in_log


def test_a_switch_that_is_none_is_named(site: Site) -> None:
    answer = site.call({"mode": "status", "log": "perhaps"})
    assert "args.log is 'perhaps'; accepted: true or false" in str(answer.error)


def test_a_queue_that_only_hooks_have_seen(site: Site) -> None:
    site.hook(5)
    assert told(site)["queue"] == {"due": 1, "waiting": 0, "bulk": 0, "claimed": 0, "next_due_at": None}
    assert "Queue: 1 due" in show(site)


def test_after_some_work(site: Site) -> None:
    other = site.plex.add_library("Other")
    scene, _ = site.add()
    site.plex.add_item(other, [("/media/clip.mp4", 1000)])
    site.save_and_sync(scene, title="Title")
    site.sync(scene)
    lost = site.stash.add_scene(files=[("/media/not there.mp4", 5)], title="Lost")
    site.sync(lost)
    pathless = site.stash.add_scene(files=[], title="Pathless")
    site.sync(pathless)
    before = site.rows()
    page = show(site)
    found = told(site)
    assert site.rows() == before
    assert found["queue"] | {"next_due_at": 0} == {"due": 0, "waiting": 1, "bulk": 0, "claimed": 0, "next_due_at": 0}
    assert 0 < found["queue"]["next_due_at"] - time.time() < 60
    assert "Queue: 1 to be tried again later (the next in " in page
    assert found["last_24_hours"] == {
        "": {"changed": 1, "right": 1, "later": 1, "failed": 1},
        "Clips": {"changed": 1, "right": 1},
        "Other": {"changed": 1, "right": 1},
    }
    assert "Last 24 hours, scenes: 1 changed, 1 failed, 1 to be tried again later, 1 right already" in page
    assert 'Last 24 hours, items in "Clips": 1 changed, 1 right already' in page
    of_all = {"scenes_synced": 1, "scenes_in_stash": len(site.stash.store.scenes)}
    assert found["coverage"] == of_all | {"items_held": 2, "missing_waiting": 1, "missing_failed": 0}
    assert "scenes in Stash, as 2 Plex items; 1 scene waiting for Plex to have the file" in page
    assert found["libraries"] == [{"name": "Clips", "items": 1}, {"name": "Other", "items": 1}]
    assert [(one["error_type"], one["count"]) for one in found["failed"]] == [("PermanentError", 1)]
    assert f'Scene {pathless} "Pathless", ' in page
    assert "missing file path" in page
    assert "Last run: ended " in page
    assert "1 scene: 1 failed" in page
    assert found["drain"]["went_well"]
    assert site.call({"mode": "status", "log": True}).output == "1 job in the queue; 1 failed; 1 scene synced"


def test_three_examples_of_each_cause_without_paths(site: Site) -> None:
    several = (
        '2 Plex items hold a file "a.mp4": 12 "A (1)" (/media/x (old)/a.mp4), 13 (/media/y z/a.mp4) in library '
        '"Clips", and strict_matching is on. Set path_map'
    )
    shown = '2 Plex items hold a file "a.mp4": 12 "A (1)" (…), 13 (…) in library "Clips", and strict_matching is on.'
    now = time.time()
    site.bury(*(DeadLetter(n, f"T{n}", "PlexPermanentError", several, 1, now, now + n, "{}") for n in range(1, 6)))
    site.bury(DeadLetter(9, "", "PlexNotFound", "nothing", 12, now, now, "{}"))
    site.bury(DeadLetter(-3, "", "UnreadableJobError", "a queue row is no JSON", 0, now, now, "{"))
    page = show(site)
    assert "Failed jobs: 7." in page
    assert "PlexPermanentError: 5" in page
    assert page.count(shown) == 3
    assert [n for n in range(1, 6) if f'Scene {n} "T{n}"' in page] == [3, 4, 5], "the latest"
    assert "- Scene 9, " in page
    assert "- a damaged row, " in page
    assert "1 scene given up because Plex did not have the file" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"at (C:\Media\a b.mp4), and", "at (…), and"),
        (r"at \\nas\share\a.mp4 there", "at … there"),
        ('the file "/data/my clips/a.mp4" is', 'the file "…" is'),
        ("Plex at http://plex:32400/x cannot be reached", "Plex at http://plex:32400/x cannot be reached"),
        ('Plex item 5 "AC/DC" and/or 6', 'Plex item 5 "AC/DC" and/or 6'),
    ],
)
def test_paths_in_messages(text: str, shown: str) -> None:
    assert status.without_paths(text) == shown


def test_an_outage_from_its_first_failure_to_its_end(site: Site) -> None:
    scene, _ = site.add()
    site.plex.stop()
    site.hook(scene)
    for _ in range(5):
        site.drain()
    page, found = show(site), told(site)
    assert "Plex: failed again and again and is left alone since " in page
    assert "Plex: failed again and again and is left alone since" in page
    assert "Outages of Plex: 1" in page
    assert "- since " in page
    assert "Last run: could not go on " in page
    assert "Plex is left alone since" in str(site.call({"mode": "status", "log": True}).output)
    assert found["breaker"]["state"] == "OPEN"
    assert found["mean_time_to_recovery"] is None
    (outage,) = found["outages"]
    assert outage["ended_at"] is None
    site.plex.start()
    site.drain(by_hand=True)
    page, found = show(site), told(site)
    assert found["breaker"]["state"] == "CLOSED"
    (ended,) = found["outages"]
    assert ended["began_at"] == outage["began_at"] <= ended["ended_at"]
    assert found["mean_time_to_recovery"] == pytest.approx(ended["seconds"])
    assert ", over after " in page
    assert "- from " in page


def test_outages_one_by_one(tmp_path: Path) -> None:
    now = [1000.0]
    folder = tmp_path / "plexsync"
    connection = schema.connect(data_folder.queue_file(str(folder)))
    breaker = CircuitBreaker(connection, clock=lambda: now[0])

    def fail(times: int) -> None:
        for _ in range(times):
            breaker.record_failure()
            now[0] += 1

    fail(5)
    now[0] = 1100
    fail(1)  # half-open
    now[0] = 1200
    breaker.record_probe()
    now[0] = 1210
    fail(1)  # on probation: the same outage
    now[0] = 1300
    breaker.record_probe()
    assert history.read_outages(connection) == [history.Outage(1000.0, 1300.0)]
    now[0] = 9000
    fail(1)  # no job had ended the probation; still this is another one
    now[0] = 9100
    breaker.record_success()
    fail(4)
    breaker.record_success()
    assert history.read_outages(connection) == [history.Outage(9000.0, 9100.0), history.Outage(1000.0, 1300.0)]
    found = status.gather(str(folder), 9200.0)
    assert found["mean_time_to_recovery"] == 200.0
    for number in range(history.KEPT_OUTAGES + 20):
        now[0] = 20_000 + number * 1000
        fail(5)
        breaker.record_success()
    assert len(history.read_outages(connection)) == history.KEPT_OUTAGES
    assert history.read_outages(connection)[-1].began_at == 20_000 + 20 * 1000
    connection.close()


def test_statistics_by_the_hour_are_kept_for_thirty_days(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    state = State(data_folder.state_file(str(tmp_path)))
    state.count({("Clips", "changed"): 1}, now - STATISTICS_KEPT - 2 * 86_400)
    state.count({("Clips", "changed"): 2}, now - 25 * 3600)
    state.count({("Clips", "changed"): 4, ("", "gone"): 1}, now - 22 * 3600)
    state.count({("Clips", "changed"): 8}, now)
    assert status.gather(str(tmp_path), now)["last_24_hours"] == {"Clips": {"changed": 12}, "": {"gone": 1}}
    assert state.connection.execute("SELECT sum(count) FROM statistics_by_hour").fetchone() == (15,)
    state.close()


def test_libraries_of_the_server_in_use(tmp_path: Path) -> None:
    state = State(data_folder.state_file(str(tmp_path)))
    state.name_libraries("old", {1: "Films"}, 1.0)
    state.name_libraries("new", {1: "Clips"}, 2.0)
    state.name_libraries("new", {1: "Clips again", 2: "Other"}, 3.0)
    state.name_libraries("new", {2: "Other"}, 4.0)
    with state.transaction() as connection:
        connection.executemany(
            "INSERT INTO items (machine, section, rating_key, scene_id, exact, sent, result, intended) "
            "VALUES (?, 1, ?, 5, 1, '{}', '{}', '{}')",
            [("old", 1), ("old", 2), ("new", 3)],
        )
        connection.execute(  # of a scene that is gone: nobody holds it
            "INSERT INTO items (machine, section, rating_key, scene_id, exact, sent, result, intended) "
            "VALUES ('new', 1, 4, 0, 1, '{}', '{}', '{}')"
        )
    found = status.gather(str(tmp_path))
    assert [(one["name"], one["items"]) for one in found["libraries"]] == [("Clips again", 1), ("Other", 0)]
    assert found["coverage"]["items_held"] == 1
    state.name_libraries("old", {1: "Films"}, 5.0)
    assert [one["name"] for one in status.gather(str(tmp_path))["libraries"]] == ["Films"]
    state.close()


def test_beside_a_running_drain_and_after_its_kill(site: Site) -> None:
    scenes = [site.add(f"/media/{number}.mp4", 1000 + number)[0] for number in range(BATCH + 10)]
    store = site.store()
    for scene in scenes:
        site.stash.scene(scene).title = f"T{scene}"
        store.put(Job(scene))
    store.close()
    site.plex.fail(kind="slow", delay=0.2, method="PUT", times=None)
    drain = Child.drain(site)
    end = time.monotonic() + 30
    while not site.plex.edits and time.monotonic() < end:
        time.sleep(0.01)
    answer = site.call({"mode": "status", "log": True})
    assert "Process queue: runs at this moment" in answer.said()
    assert f"Queue: 10 due, {BATCH} at work" in answer.said()
    assert told(site)["drain"]["running"]
    drain.kill()
    page = show(site)
    assert "Process queue: the last run was stopped or killed " in page
    assert f"Queue: 10 due, {BATCH} that a stopped run had begun" in page
    site.plex.clear_faults()
    site.drain()
    assert told(site)["queue"]["due"] == 0
    assert "stopped or killed" not in show(site)


@pytest.mark.parametrize("damaged", ["queue", "state", "both"])
def test_a_damaged_file_is_a_sentence(site: Site, damaged: str) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="T")
    files = {"queue": data_folder.queue_file(str(site.data)), "state": data_folder.state_file(str(site.data))}
    wrong = [files[name] for name in files if damaged in (name, "both")]
    for file in wrong:
        for ending in ("-wal", "-shm"):
            Path(file + ending).unlink(missing_ok=True)
        Path(file).write_bytes(b"no database" * 1000)
    answer = site.call({"mode": "status", "log": True})
    assert answer.error is None
    assert answer.said("e").count("is damaged (file is not a database)") == len(wrong)
    assert ("In Plex: 1 of 1 scene" in answer.said("i")) == (damaged == "queue")
    assert len(told(site)["troubles"]) == len(wrong)
    assert all(Path(file).read_bytes().startswith(b"no database") for file in wrong)


def test_damage_in_the_middle_of_a_file(site: Site) -> None:
    store = site.store()
    store.connection.executemany(schema.INSERT_JOB, [(schema.new_row(n, 1.0), 1.0) for n in range(1, 5000)])
    store.close()
    file = Path(data_folder.queue_file(str(site.data)))
    content = bytearray(file.read_bytes())
    content[8192:-8192] = b"\xaa" * len(content[8192:-8192])
    file.write_bytes(content)
    assert "is damaged" in site.call({"mode": "status", "log": True}).said("e")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(site: Site) -> None:
    site.hook(1)
    os.chmod(data_folder.queue_file(str(site.data)), 0)
    assert "cannot be read" in show(site)


def test_a_state_file_of_an_earlier_version(site: Site) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="T")
    with sqlite3.connect(data_folder.state_file(str(site.data))) as connection:
        connection.executescript("DROP TABLE statistics_by_hour; DROP TABLE libraries")
    with sqlite3.connect(data_folder.queue_file(str(site.data))) as connection:
        connection.executescript("DROP TABLE plexsync_outages; DROP TABLE plexsync_last_drain")
    found = told(site)
    assert found["coverage"]["scenes_synced"] == 1
    assert found["troubles"] == []
    assert site.save_and_sync(scene, title="U").error is None
    assert told(site)["libraries"] == [{"name": "Clips", "items": 1}]


def test_it_needs_the_standard_library_alone() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import sync.tasks, sync.status.page; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-c", program, str(ROOT)], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded & {"pydantic", "plexapi", "stashapi", "persistqueue", "requests"}
    assert {"sync.status.status", "sync.queue.steer"} <= set(run.stdout.split())


def test_as_a_task_of_stash_and_as_an_operation(live_site: Site) -> None:
    scene, _ = live_site.add()
    live_site.stash.save_scene(scene, title="T")
    live_site.stash.wait_idle(40)
    live_site.stash.wait_job(live_site.stash.press("Show status"), 40)
    assert "Queue: empty" in live_site.stash.log_text()
    found = live_site.stash.run_operation({"mode": "status"})
    assert found["coverage"]["scenes_synced"] == 1
    assert live_site.stash.errors() == []


def test_no_query_walks_the_wide_tables(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.store().close()
    site.state().close()
    plans = []
    plain = reading.File.rows

    def explained(file: reading.File, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        plans.extend(str(row[-1]) for row in plain(file, f"EXPLAIN QUERY PLAN {query}", values))
        return plain(file, query, values)

    monkeypatch.setattr(reading.File, "rows", explained)
    status.gather(str(site.data))
    wide = ("ack_queue_default", "plexsync_dead_letters", "items", "statistics_by_hour")
    walked = [plan for plan in plans if plan.startswith("SCAN") and plan.endswith(wide)]
    assert len(plans) > 10
    assert walked == []


def test_strange_times_are_no_trouble(tmp_path: Path) -> None:
    found = status.gather(str(tmp_path), 0.0)
    found["queue"] |= {"waiting": 1, "next_due_at": 1e300}
    found["drain"] |= {"ended_at": 1e300, "said": "x"}
    found["outages"] = [{"began_at": 1e300, "ended_at": None, "seconds": 0.0}]
    assert "Queue: 1 to be tried again later" in "\n".join(page.page(found))
