"""The hook writes its row without persist-queue: held here against what the package writes and reads."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import persistqueue
import persistqueue.serializers.json
import pytest

from sync import data_folder, hook
from sync.queue import schema, wake
from sync.queue.job import Job, UnreadableJobError, read_job
from sync.queue.jobs import JobStore


def enqueue(folder: Path, scene_id: int, now: float = 1700000000.5) -> None:
    wake.enqueue(str(folder / data_folder.QUEUE_FILE), str(folder / "drain.lock"), hook.new_row(scene_id, now))


def package(folder: Path) -> persistqueue.SQLiteAckQueue:
    return persistqueue.SQLiteAckQueue(str(folder), serializer=persistqueue.serializers.json)


def test_the_package_reads_the_hooks_row(tmp_path: Path) -> None:
    enqueue(tmp_path, 45)
    queue = package(tmp_path)
    assert queue.size == 1
    assert queue.get(block=False) == {
        "scene_id": 45,
        "update_type": "scene_update",
        "job_key": "scene_45",
        "enqueued_at": 1700000000.5,
    }
    queue.close()


def test_the_hooks_row_is_the_packages_to_the_byte(tmp_path: Path) -> None:
    own, theirs = tmp_path / "own", tmp_path / "theirs"
    enqueue(own, 45)
    queue = package(theirs)
    queue.put(Job(scene_id=45, enqueued_at=1700000000.5).to_row())
    queue.close()
    rows = []
    for folder in (own, theirs):
        connection = sqlite3.connect(folder / data_folder.QUEUE_FILE)
        (row,) = connection.execute(
            f"SELECT _id, data, typeof(data), typeof(timestamp), status, typeof(status) FROM `{schema.JOBS}`"
        )
        rows.append(row)
        connection.close()
    assert rows[0] == rows[1]


def test_the_hooks_table_is_the_packages(tmp_path: Path) -> None:
    own, theirs = tmp_path / "own", tmp_path / "theirs"
    enqueue(own, 1)
    package(theirs).close()
    tables = []
    for folder in (own, theirs):
        connection = sqlite3.connect(folder / data_folder.QUEUE_FILE)
        tables.append(connection.execute(f"PRAGMA table_info(`{schema.JOBS}`)").fetchall())
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()
    assert tables[0] == tables[1]
    assert persistqueue.sqlackqueue.AckStatus.inited == str(schema.NEW)
    assert persistqueue.sqlackqueue.AckStatus.ready == str(schema.READY)
    assert persistqueue.sqlackqueue.AckStatus.unack == str(schema.CLAIMED)
    assert persistqueue.sqlackqueue.AckStatus.acked == str(schema.ACKED)


def test_a_hook_after_the_package_made_the_file(tmp_path: Path) -> None:
    package(tmp_path).close()
    enqueue(tmp_path, 7)
    store = JobStore(str(tmp_path))
    assert [claim.scene_id for claim in store.claim(10, 9e9)] == [7]
    store.close()


def test_a_hook_after_a_hook_that_was_killed_before_its_tables(tmp_path: Path) -> None:
    (tmp_path / data_folder.QUEUE_FILE).touch()
    enqueue(tmp_path, 7)
    store = JobStore(str(tmp_path))
    assert [claim.scene_id for claim in store.claim(10, 9e9)] == [7]
    store.close()


@pytest.mark.parametrize(
    "job",
    [
        Job(1),
        Job(2, "other", 5.5, 3, 99.0, "PlexTemporaryError", 77.0, "batch-1", True),
    ],
)
def test_a_job_survives_its_row(job: Job) -> None:
    assert read_job(json.dumps(job.to_row()).encode()) == job


@pytest.mark.parametrize("data", [b"", b"nope", b"[]", b'{"scene_id": 0}', b'{"scene_id": "4"}', b'{"scene_id": 1.5}'])
def test_what_is_no_job(data: bytes) -> None:
    with pytest.raises(UnreadableJobError):
        read_job(data)
