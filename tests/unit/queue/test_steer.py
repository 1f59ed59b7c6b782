"""Retrying and clearing by hand: plain SQL on the queue's file, beside whoever else works on it."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import data_folder, hook
from sync.lock import FileLock
from sync.queue import schema, steer, wake
from sync.queue.dead_letters import PUT_DEAD_LETTER, Cause, DeadLetter
from sync.queue.job import Job
from sync.queue.jobs import JobStore
from tests.site import count_claimed

NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(str(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path: Path, store: JobStore) -> Iterator[sqlite3.Connection]:
    """The queue's file as the task opens it, beside the drain's store."""
    connection = schema.connect(str(tmp_path / data_folder.QUEUE_FILE))
    yield connection
    connection.close()


def bury(store: JobStore, scene_id: int, error_type: str = "PlexNotFound", at: float = NOW) -> None:
    letter = DeadLetter(scene_id, f"T{scene_id}", error_type, "why", 12, at, at, "{}")
    store.connection.execute(PUT_DEAD_LETTER, letter)


def scenes(store: JobStore) -> list[int]:
    rows = store.connection.execute(f"SELECT data FROM `{schema.JOBS}` WHERE {schema.WAITING} ORDER BY _id")
    return [json.loads(data)["scene_id"] for (data,) in rows]


def lock_of(folder: Path) -> str:
    return data_folder.drain_lock(str(folder))


def test_failed_jobs_are_fresh_jobs_again(store: JobStore, file: sqlite3.Connection) -> None:
    bury(store, 5, at=NOW - 1)
    bury(store, 4, "PermanentError")
    assert steer.retry_failed(file, None, NOW) == 2
    assert store.dead_letters() == []
    claims = store.claim(10, NOW)
    assert [claim.job for claim in claims] == [Job(5, enqueued_at=NOW), Job(4, enqueued_at=NOW)]


def test_those_of_one_class_of_error(store: JobStore, file: sqlite3.Connection) -> None:
    bury(store, 4, "PermanentError")
    bury(store, 5)
    bury(store, 6)
    assert steer.failed_types(file) == {"PlexNotFound": 2, "PermanentError": 1}
    assert steer.retry_failed(file, "PermanentError", NOW) == 1
    assert scenes(store) == [4]
    assert steer.clear_failed(file, "PermanentError") == 0
    assert steer.clear_failed(file, "PlexNotFound") == 2
    assert store.dead_letters() == []
    assert scenes(store) == [4]


def test_what_names_no_scene_stays_until_it_is_cleared(store: JobStore, file: sqlite3.Connection) -> None:
    bury(store, -7, "UnreadableJobError")
    assert steer.retry_failed(file, None, NOW) == 0
    assert len(store.dead_letters()) == 1
    assert steer.clear_failed(file, None) == 1


def test_a_letter_of_the_future_is_retried_too(store: JobStore, file: sqlite3.Connection) -> None:
    bury(store, 5, at=NOW + 9e6)  # the clock was set back since
    assert steer.retry_failed(file, None, NOW) == 1


def test_a_queue_that_only_hooks_have_seen(tmp_path: Path) -> None:
    path = str(tmp_path / data_folder.QUEUE_FILE)
    wake.enqueue(path, lock_of(tmp_path), hook.new_row(5, NOW))
    connection = schema.connect(path)
    assert steer.failed_types(connection) == {}
    assert steer.retry_failed(connection, None, NOW) == 0
    assert steer.clear_failed(connection, None) == 0
    assert steer.clear_queue(connection, lock_of(tmp_path))[0] == 1
    assert steer.clear_queue(connection, lock_of(tmp_path))[0] == 0
    connection.close()


def test_all_that_waits_is_cleared_and_nothing_that_a_drain_has_claimed(
    store: JobStore, file: sqlite3.Connection, tmp_path: Path
) -> None:
    for job in (Job(1), Job(2)):
        store.put(job)
    claims = store.claim(10, NOW)
    store.put(Job(3))
    store.put(Job(1))
    store.put(Job(4, retry_count=1, next_retry_at=NOW + 500))
    store.put(Job(5, batch_id="b"))
    bury(store, 6)
    lock = FileLock(lock_of(tmp_path))
    assert lock.acquire()
    assert steer.clear_queue(file, lock_of(tmp_path))[0] == 4
    lock.release()
    assert (store.waiting(), count_claimed(store.connection)) == (0, 2)
    store.try_later(claims[0], claims[0].job.later(retry_count=1, at=NOW + 9, error=OSError()))
    store.acknowledge(claims[1:])
    assert scenes(store) == [1], "what the drain had begun comes to its own end"
    assert len(store.dead_letters()) == 1


def test_what_a_killed_drain_had_claimed_waits_like_the_rest(
    store: JobStore, file: sqlite3.Connection, tmp_path: Path
) -> None:
    store.put(Job(1))
    assert store.claim(10, NOW)
    FileLock(lock_of(tmp_path))  # and nobody holds it
    assert steer.clear_queue(file, lock_of(tmp_path))[0] == 1
    assert count_claimed(store.connection) == 0


def test_a_damaged_row_is_cleared_too(store: JobStore, file: sqlite3.Connection, tmp_path: Path) -> None:
    store.connection.execute(schema.INSERT_JOB, (b"\xff{", NOW))
    assert steer.clear_queue(file, lock_of(tmp_path))[0] == 1


def test_a_save_meanwhile_is_kept_and_does_not_wait_for_all(
    store: JobStore, file: sqlite3.Connection, tmp_path: Path
) -> None:
    store.connection.execute("BEGIN")
    store.connection.executemany(schema.INSERT_JOB, [(schema.new_row(n, NOW), NOW) for n in range(1, 40_001)])
    store.connection.execute("COMMIT")
    waits: list[float] = []
    cleared: list[int] = []

    def clear() -> None:
        connection = schema.connect(str(tmp_path / data_folder.QUEUE_FILE))
        cleared.append(steer.clear_queue(connection, lock_of(tmp_path))[0])
        connection.close()

    thread = threading.Thread(target=clear)
    thread.start()
    number = 100_000
    while thread.is_alive():
        number += 1
        began = time.monotonic()
        wake.enqueue(str(tmp_path / data_folder.QUEUE_FILE), lock_of(tmp_path), hook.new_row(number, NOW))
        waits.append(time.monotonic() - began)
    thread.join()
    assert waits
    assert max(waits) < 5.0
    kept = scenes(store)
    assert cleared[0] + len(kept) == 40_000 + len(waits), "each row is cleared or there"
    assert all(scene > 100_000 for scene in kept)


def test_no_job_is_lost_by_an_error_in_between(store: JobStore, file: sqlite3.Connection) -> None:
    for scene in range(1, 10):
        bury(store, scene)
    store.connection.execute(
        "CREATE TRIGGER fails BEFORE DELETE ON plexsync_dead_letters WHEN old.scene_id = 5 "
        "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
    )
    with pytest.raises(sqlite3.DatabaseError):
        steer.retry_failed(file, None, NOW)
    assert scenes(store) == []
    assert [letter.scene_id for letter in store.dead_letters()] == list(range(1, 10))


def test_chosen_scenes_and_those_of_one_cause(store: JobStore, file: sqlite3.Connection) -> None:
    texts = {4: 'file "a" is bad', 5: 'file "b" is bad', 6: 'file "c" is gone', 7: 'file "d" is gone', 8: "why"}
    for scene, text in texts.items():
        letter = DeadLetter(scene, f"T{scene}", "PlexNotFound", text, 12, NOW, NOW, "{}")
        store.connection.execute(PUT_DEAD_LETTER, letter)
    bad, gone = (Cause("PlexNotFound", "file ", ending) for ending in (" is bad", " is gone"))
    assert steer.retry_failed(file, None, NOW, scenes=[4, 6, 99], cause=bad) == 1
    assert scenes(store) == [4]
    assert steer.retry_failed(file, None, NOW, cause=gone) == 2
    assert scenes(store) == [4, 6, 7]
    assert steer.clear_failed(file, "PermanentError", cause=bad) == 0
    assert steer.clear_failed(file, None, cause=bad) == 1
    assert steer.clear_failed(file, None, scenes=[]) == 0
    assert [letter.scene_id for letter in store.dead_letters()] == [8]
