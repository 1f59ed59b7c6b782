"""What a person does to the queue by hand, beside a running drain. Standard library alone.

Not through `JobStore`, which only the drain may open: it takes back what is claimed. No lock is
needed either: everything here is done in transactions that begin by taking the file (BEGIN IMMEDIATE),
a piece at a time, so that neither a save nor the drain waits for 100,000 rows. A kill between two
pieces leaves some of the work undone and nothing in between.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sync.queue import batches, schema
from sync.queue.dead_letters import CREATE_DEAD_LETTERS
from sync.queue.lock import is_held

PIECE = 2_000
"""Rows in one transaction: some 20 ms."""
_PAUSE = 0.005  # seconds between two of them, in which whoever waits gets its turn


def failed_types(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many dead letters there are of each class of error, the most frequent first.

    Like everything here it takes a connection in autocommit mode to a queue's file with its tables, and
    raises sqlite3.Error.
    """
    connection.execute(CREATE_DEAD_LETTERS)
    rows = connection.execute(
        "SELECT error_type, count(*) FROM plexsync_dead_letters GROUP BY error_type ORDER BY count(*) DESC, error_type"
    )
    return dict(rows.fetchall())


def retry_failed(connection: sqlite3.Connection, error_type: str | None, now: float) -> int:
    """Queue again what failed for good, as if it had been saved at `now` (seconds since the epoch); return how many.

    `error_type`: only what failed with this class of error; None: everything. A letter goes in the
    transaction that puts its row. Letters of damaged rows name no scene and stay.
    """
    done = 0
    for scenes in _letters(connection, error_type, "scene_id > 0"):
        with _transaction(connection):
            there = _still_there(connection, scenes, error_type)
            connection.executemany(schema.INSERT_JOB, [(schema.new_row(scene, now), now) for scene in there])
            _delete_letters(connection, there)
        done += len(there)
    return done


def clear_failed(connection: sqlite3.Connection, error_type: str | None) -> int:
    """Delete the dead letters, of one class of error or (None) all; return how many."""
    done = 0
    for scenes in _letters(connection, error_type, "1"):
        with _transaction(connection):
            there = _still_there(connection, scenes, error_type)
            _delete_letters(connection, there)
        done += len(there)
    return done


def clear_queue(connection: sqlite3.Connection, drain_lock: str) -> tuple[int, list[batches.Batch]]:
    """Delete the rows that wait, due or not, and end the batches; return how many rows, and the batches as they were.

    What a running drain has claimed stays.

    A save that comes meanwhile stays as well. What a killed drain had claimed waits like the rest:
    `drain_lock`, which dies with its holder, tells the two apart.
    """
    (last,) = connection.execute(f"SELECT max(_id) FROM `{schema.JOBS}`").fetchone()
    batches.create_tables(connection)
    with _transaction(connection):
        ended = batches.drop_all(connection, time.time())
    done, at = 0, 0
    while last is not None and at < last:
        with _transaction(connection):
            # Inside: a drain that starts after this look can claim nothing before this transaction's end.
            clearable = schema.WAITING
            if not is_held(drain_lock):
                clearable = f"({schema.WAITING} OR status = {schema.CLAIMED})"
            rows = connection.execute(
                f"SELECT _id FROM `{schema.JOBS}` WHERE _id > ? AND _id <= ? AND {clearable} ORDER BY _id LIMIT ?",
                (at, last, PIECE),
            ).fetchall()
            connection.executemany(f"DELETE FROM `{schema.JOBS}` WHERE _id = ?", rows)
        done += len(rows)
        if len(rows) < PIECE:
            break
        at = rows[-1][0]
        time.sleep(_PAUSE)
    return done, ended


def _letters(connection: sqlite3.Connection, error_type: str | None, condition: str) -> Iterator[list[int]]:
    """Yield the scenes of the letters there are now, in pieces: one that fails again meanwhile comes once."""
    connection.execute(CREATE_DEAD_LETTERS)
    scenes = [
        scene
        for (scene,) in connection.execute(
            f"SELECT scene_id FROM plexsync_dead_letters WHERE {condition} AND (?1 IS NULL OR error_type = ?1) "
            "ORDER BY last_at, scene_id",
            (error_type,),
        )
    ]
    for start in range(0, len(scenes), PIECE):
        if start:
            time.sleep(_PAUSE)
        yield scenes[start : start + PIECE]


def _still_there(connection: sqlite3.Connection, scenes: list[int], error_type: str | None) -> list[int]:
    """Return those whose letter stands: a drain may have settled it, or written another, since they were listed."""
    query = "SELECT 1 FROM plexsync_dead_letters WHERE scene_id = ?1 AND (?2 IS NULL OR error_type = ?2)"
    return [scene for scene in scenes if connection.execute(query, (scene, error_type)).fetchone()]


def _delete_letters(connection: sqlite3.Connection, scenes: list[int]) -> None:
    connection.executemany("DELETE FROM plexsync_dead_letters WHERE scene_id = ?", [(scene,) for scene in scenes])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
