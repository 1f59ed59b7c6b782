"""What a person does to the queue by hand, beside a running drain. Standard library alone.

Not through `JobStore`, which only the drain may open: it takes back what is claimed. No lock is needed either: each of
these is one transaction. All take a connection in autocommit mode to a queue's file with its tables, and raise
sqlite3.Error.
"""

import json
import sqlite3
import time
from collections.abc import Sequence

from sync.fast import transaction
from sync.lock import is_held
from sync.queue import batches, schema
from sync.queue.batch import Batch
from sync.queue.dead_letters import CREATE_DEAD_LETTERS, ENDING, OPENING, Cause


def failed_types(connection: sqlite3.Connection) -> dict[str, int]:
    """Return how many dead letters there are of each class of error, the most frequent first."""
    connection.execute(CREATE_DEAD_LETTERS)
    rows = connection.execute(
        "SELECT error_type, count(*) FROM plexsync_dead_letters GROUP BY error_type ORDER BY count(*) DESC, error_type"
    )
    return dict(rows.fetchall())


def retry_failed(
    connection: sqlite3.Connection,
    error_type: str | None,
    now: float,
    *,
    scenes: Sequence[int] | None = None,
    cause: Cause | None = None,
) -> int:
    """Queue again what failed for good, as if it had been saved at `now` (seconds since the epoch); return how many.

    `error_type`: only what failed with this class of error; None: everything. `scenes`, `cause`: only these, only of
    this one. Letters of damaged rows name no scene and stay.
    """
    where, values = _chosen(error_type, scenes, cause)
    connection.execute(CREATE_DEAD_LETTERS)
    with transaction(connection):
        again = connection.execute(
            f"SELECT scene_id FROM plexsync_dead_letters WHERE {where} AND scene_id > 0 ORDER BY last_at, scene_id",
            values,
        ).fetchall()
        connection.executemany(schema.INSERT_JOB, [(schema.new_row(scene, now), now) for (scene,) in again])
        connection.executemany("DELETE FROM plexsync_dead_letters WHERE scene_id = ?", again)
    return len(again)


def clear_failed(
    connection: sqlite3.Connection,
    error_type: str | None,
    *,
    scenes: Sequence[int] | None = None,
    cause: Cause | None = None,
) -> int:
    """Delete the dead letters, of one class of error or (None) all, as in `retry_failed`; return how many."""
    connection.execute(CREATE_DEAD_LETTERS)
    where, values = _chosen(error_type, scenes, cause)
    return connection.execute(f"DELETE FROM plexsync_dead_letters WHERE {where}", values).rowcount


def _chosen(
    error_type: str | None, scenes: Sequence[int] | None, cause: Cause | None
) -> tuple[str, tuple[object, ...]]:
    conditions: list[tuple[str, object]] = []
    if error_type is not None:
        conditions.append(("error_type = ?", error_type))
    if scenes is not None:
        conditions.append(("scene_id IN (SELECT value FROM json_each(?))", json.dumps(list(scenes))))
    if cause is not None:
        conditions += zip(("error_type = ?", f"{OPENING} = ?", f"{ENDING} = ?"), cause, strict=True)
    return " AND ".join([one for one, _ in conditions] or ["TRUE"]), tuple(value for _, value in conditions)


def clear_queue(connection: sqlite3.Connection, drain_lock: str) -> tuple[int, list[Batch]]:
    """Delete the rows that wait, due or not, and end the batches; return how many rows, and the batches as they were.

    What a running drain has claimed stays. What a killed drain had claimed waits like the rest: `drain_lock`, which
    dies with its holder, tells the two apart.
    """
    batches.create_tables(connection)
    with transaction(connection):
        ended = batches.drop_all(connection, time.time())
        # Inside: a drain that starts after this look can claim nothing before this transaction's end.
        last = schema.CLAIMED if is_held(drain_lock) else schema.ACKED
        gone = connection.execute(f"DELETE FROM `{schema.JOBS}` WHERE status < {last}").rowcount
        # The sleeper that waits for a blocked task has nothing to wait for, and the next save asks anew.
        connection.execute("UPDATE plexsync_wake SET asked_at = NULL, ask_token = NULL, ask_job = NULL")
    return gone, ended
