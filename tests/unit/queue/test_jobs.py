"""The queue on disk: what is due, coalescing, later tries, dead letters, the last look."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import data_folder, hook
from sync.lock import FileLock, is_held
from sync.queue import schema, wake
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import Job
from sync.queue.jobs import JobStore
from tests.site import count_claimed

NOW = 1_700_000_000.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(str(tmp_path))
    yield opened
    opened.close()


def save(folder: Path, scene_id: int, now: float = NOW) -> wake.Ask | None:
    """A hook's row."""
    return wake.enqueue(str(folder / data_folder.QUEUE_FILE), str(folder / "drain.lock"), hook.new_row(scene_id, now))


def letter(scene_id: int) -> DeadLetter:
    return DeadLetter(scene_id, "T", "PermanentError", "why", 1, NOW, NOW, "{}")


def test_due_rows_come_oldest_first_with_delayed_ones_in_between(store: JobStore) -> None:
    store.put(Job(1, next_retry_at=NOW + 50))
    store.put(Job(2))
    store.put(Job(3, next_retry_at=NOW - 50))
    store.put(Job(4))
    assert [claim.scene_id for claim in store.claim(10, NOW)] == [2, 4, 3]
    assert not store.is_due(NOW)
    assert store.is_due(NOW + 50)


def test_bulk_rows_are_left_to_their_own_task(store: JobStore) -> None:
    store.put(Job(1, batch_id="b"))
    store.put(Job(2))
    assert [claim.scene_id for claim in store.claim(10, NOW)] == [2]
    assert not store.is_due(NOW)
    assert store.waiting() == 1


def test_rows_of_one_scene_are_claimed_together(store: JobStore, tmp_path: Path) -> None:
    for scene_id in (5, 6, 5, 5):
        save(tmp_path, scene_id)
    claims = store.claim(1, NOW)
    assert [(claim.scene_id, len(claim.row_ids)) for claim in claims] == [(5, 3)]


def test_a_row_that_comes_later_is_another_job(store: JobStore, tmp_path: Path) -> None:
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    save(tmp_path, 5)
    store.acknowledge([claim])
    assert [claim.scene_id for claim in store.claim(10, NOW)] == [5]


def test_a_new_save_runs_at_once_and_resets_the_count(store: JobStore, tmp_path: Path) -> None:
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    store.try_later(claim, claim.job.later(retry_count=3, at=NOW + 1000, error=OSError()))
    assert store.claim(10, NOW) == []
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    assert (claim.job.retry_count, claim.job.next_retry_at, len(claim.row_ids)) == (0, None, 2)


def test_a_later_try_keeps_one_row_with_its_fields(store: JobStore, tmp_path: Path) -> None:
    save(tmp_path, 5)
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    store.try_later(claim, claim.job.later(retry_count=1, at=NOW + 10, error=TimeoutError()))
    assert store.waiting() == 1
    assert store.claim(10, NOW + 9) == []
    (claim,) = store.claim(10, NOW + 10)
    assert claim.job == Job(5, enqueued_at=NOW, retry_count=1, next_retry_at=NOW + 10, last_error_type="TimeoutError")


def test_a_claim_of_a_killed_drain_comes_back(tmp_path: Path) -> None:
    save(tmp_path, 5)
    first = JobStore(str(tmp_path))
    assert first.claim(10, NOW)
    first.close()
    second = JobStore(str(tmp_path))
    assert [claim.scene_id for claim in second.claim(10, NOW)] == [5]
    second.close()


def test_what_is_given_back_is_as_it_was(store: JobStore, tmp_path: Path) -> None:
    save(tmp_path, 5)
    claims = store.claim(10, NOW)
    store.give_back(claims)
    assert store.claim(10, NOW) == claims


def test_a_press_makes_waiting_rows_due_and_marks_them_early(store: JobStore) -> None:
    store.put(Job(1, retry_count=2, next_retry_at=NOW + 500))
    store.put(Job(2))
    store.put(Job(3, next_retry_at=NOW - 1))
    store.hasten(NOW)
    claims = {claim.scene_id: claim.job for claim in store.claim(10, NOW)}
    assert {scene: job.early for scene, job in claims.items()} == {1: True, 2: False, 3: False}
    assert claims[1].retry_count == 2


def test_a_dead_letter_and_its_row_change_together(store: JobStore, tmp_path: Path) -> None:
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    store.bury(claim, letter(5))
    assert store.dead_letters() == [letter(5)]
    assert store.waiting() + count_claimed(store.connection) == 0
    save(tmp_path, 5)
    (claim,) = store.claim(10, NOW)
    store.acknowledge([claim])
    assert store.dead_letters() == [], "a later success settles it"


def test_acknowledged_rows_are_deleted(store: JobStore, tmp_path: Path) -> None:
    for scene_id in range(1, 2001):
        store.put(Job(scene_id))
    store.acknowledge(store.claim(2000, NOW))
    store.clear_acknowledged()
    assert store.connection.execute(f"SELECT count(*) FROM `{schema.JOBS}`").fetchone() == (0,)


def test_claiming_uses_the_indexes(store: JobStore) -> None:
    """As fast at 100,000 rows as at 100: no scan of the table, no sorting of what is due."""
    from sync.queue import jobs as module

    plan = store.connection.execute(
        f"EXPLAIN QUERY PLAN SELECT _id, data FROM `{schema.JOBS}` WHERE {module._WAITING} AND {module._LANE} = 0 "
        f"AND {module._DUE_AT} <= ? ORDER BY {module._DUE_AT}, _id LIMIT ?",
        (NOW, 50),
    ).fetchall()
    text = " ".join(str(row[-1]) for row in plan)
    assert "USING INDEX plexsync_lanes" in text
    assert "TEMP B-TREE" not in text
    for late in (False, True):
        query = f"EXPLAIN QUERY PLAN SELECT 1 {module._due(late)} LIMIT 1"
        looks = " ".join(str(row[-1]) for row in store.connection.execute(query, (NOW,)))
        assert "SEARCH" in looks
        assert "plexsync_lanes (<expr>=? AND <expr><?)" in looks
    plan = store.connection.execute(
        f"EXPLAIN QUERY PLAN SELECT _id FROM `{schema.JOBS}` WHERE {module._WAITING} AND {module._SCENE} = ? "
        "ORDER BY _id",
        (5,),
    ).fetchall()
    assert "plexsync_scene" in " ".join(str(row[-1]) for row in plan)


# The last look


def test_a_drain_does_not_end_while_something_is_due(store: JobStore, tmp_path: Path) -> None:
    wake.begin_drain(store.connection)
    save(tmp_path, 5)
    assert not wake.end_drain(store.connection, lambda: store.is_due(NOW))
    store.acknowledge(store.claim(10, NOW))
    assert wake.end_drain(store.connection, lambda: store.is_due(NOW))


def test_a_word_left_by_another_run_is_heeded(store: JobStore) -> None:
    wake.begin_drain(store.connection)
    wake.leave_word(store.connection, by_hand=False)
    wake.leave_word(store.connection, by_hand=True)
    wake.leave_word(store.connection, by_hand=False)
    assert not wake.end_drain(store.connection, lambda: store.is_due(NOW))
    assert wake.take_word(store.connection) == 2
    assert wake.take_word(store.connection) == 0
    assert wake.end_drain(store.connection, lambda: store.is_due(NOW))


def test_a_hook_asks_nobody_while_a_drain_runs(store: JobStore, tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "drain.lock"))
    assert lock.acquire()
    wake.begin_drain(store.connection)
    assert save(tmp_path, 1) is None
    store.acknowledge(store.claim(10, NOW))
    assert wake.end_drain(store.connection, lambda: store.is_due(NOW))
    assert save(tmp_path, 2) is not None, "the drain has taken its last look, though it still holds the lock"
    lock.release()


def test_a_killed_drain_is_not_waited_for(store: JobStore, tmp_path: Path) -> None:
    wake.begin_drain(store.connection)  # and nobody holds the lock
    assert save(tmp_path, 1) is not None


def test_one_of_many_hooks_asks(tmp_path: Path) -> None:
    asks = [save(tmp_path, scene_id) for scene_id in range(1, 51)]
    assert [ask is not None for ask in asks] == [True] + [False] * 49


def test_a_note_is_trusted_for_a_while_and_then_checked(tmp_path: Path) -> None:
    first = save(tmp_path, 1)
    assert first is not None
    file = str(tmp_path / data_folder.QUEUE_FILE)
    wake.note_job(file, first.token, "17")
    assert save(tmp_path, 2) is None
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE plexsync_wake SET asked_at = asked_at - 21")
    later = save(tmp_path, 3)
    assert later is not None
    assert later.earlier_job == "17"
    assert save(tmp_path, 4) is None, "the check is one hook's business"


def test_a_note_of_the_future_is_not_trusted(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with sqlite3.connect(tmp_path / data_folder.QUEUE_FILE) as connection:
        connection.execute("UPDATE plexsync_wake SET asked_at = asked_at + 3600")
    assert save(tmp_path, 2) is not None


def test_a_note_taken_back_lets_the_next_save_ask(tmp_path: Path) -> None:
    ask = save(tmp_path, 1)
    assert ask is not None
    wake.withdraw_note(str(tmp_path / data_folder.QUEUE_FILE), ask.token)
    assert save(tmp_path, 2) is not None


def test_a_starting_drain_takes_the_note(store: JobStore, tmp_path: Path) -> None:
    ask = save(tmp_path, 1)
    assert ask is not None
    wake.begin_drain(store.connection)
    wake.note_job(str(tmp_path / data_folder.QUEUE_FILE), ask.token, "17")  # too late
    wake.abandon_drain(store.connection)
    again = save(tmp_path, 2)
    assert again is not None
    assert again.earlier_job is None


# The lock


def test_looks_do_not_see_each_other_and_do_not_stop_a_drain(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not is_held(path)
    lock = FileLock(path)
    assert lock.acquire()
    assert is_held(path)
    assert not FileLock(path).acquire()
    lock.release()
    seen: list[bool] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(is_held(path))

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    taken = 0
    for _ in range(30):
        if lock.acquire(timeout=5.0):
            taken += 1
            lock.release()
    stop.set()
    for looker in lookers:
        looker.join()
    assert taken == 30
    assert seen
