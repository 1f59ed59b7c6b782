"""Batches: many scenes at once, as they are recorded in the queue's own file. Standard library alone.

They stand beside the rows so that a row's end and its batch's count are one transaction: a kill at any moment loses no
progress and counts nothing twice. Scenes get their rows a page at a time (`cursor` is the highest scene id that was
looked at), so that a batch of 100,000 scenes is a few hundred rows.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sync.queue import schema
from sync.queue.batch import COMPLETED, FAILED, LATER, PENDING, PERIODS, RECONCILE, RUNNING, WHOLE, Batch
from sync.queue.job import Job

KEPT = 50  # batches of a kind that are kept after their end
STALE = 86_400.0
"""Seconds without work after which an unfinished batch begins anew: what it saw then says nothing of today."""
SAMPLES = 5  # examples kept of each reason that a reconcile found

CREATE_BATCHES = """
CREATE TABLE IF NOT EXISTS plexsync_batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, args TEXT NOT NULL,         -- JSON: what it was started with
    status TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,
    cursor INTEGER NOT NULL DEFAULT 0,              -- every scene up to this id was looked at
    listed INTEGER NOT NULL DEFAULT 0,              -- every scene was
    by_itself INTEGER NOT NULL DEFAULT 0,           -- any run goes on with it; else its task or a person's press
    interrupted INTEGER NOT NULL DEFAULT 0,         -- by a server that was away: the run after that goes on
    shape TEXT NOT NULL DEFAULT '',                 -- the settings it was begun with
    created_at REAL NOT NULL, started_at REAL, worked_at REAL, completed_at REAL,
    found TEXT NOT NULL DEFAULT '{}',               -- JSON: reason -> how many scenes
    samples TEXT NOT NULL DEFAULT '{}',             -- JSON: reason -> a few of them
    libraries TEXT NOT NULL DEFAULT '{}',           -- JSON: library -> outcome -> how many items
    error TEXT NOT NULL DEFAULT ''
)
"""
_COLUMNS = ["number", *(one.name for one in fields(Batch) if one.name != "id")]
_UNFINISHED = f"status IN ('{PENDING}', '{RUNNING}')"
_OF_BATCH = f"status < {schema.ACKED} AND {schema.BATCH} = ?"
_LIVE_ROW = f"SELECT 1 FROM `{schema.JOBS}` WHERE {_OF_BATCH} LIMIT 1"
_UNTRIED_ROW = (
    f"SELECT 1 FROM `{schema.JOBS}` WHERE {_OF_BATCH} "
    f"AND (status = {schema.CLAIMED} OR {schema.LANE} = {schema.BULK}) LIMIT 1"
)

CREATE_ROWS_INDEX = (
    f"CREATE INDEX IF NOT EXISTS plexsync_of_batch ON `{schema.JOBS}` ({schema.BATCH}) "
    f"WHERE status < {schema.ACKED} AND {schema.BATCH} IS NOT NULL"
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the table and its index. Like everything here: a connection in autocommit mode; raises sqlite3.Error."""
    connection.execute(CREATE_BATCHES)
    connection.execute(CREATE_ROWS_INDEX)


def is_due(connection: sqlite3.Connection, every: object, now: float, since: object = None) -> bool:
    """Return whether a reconcile of everything is due at `now`; `since`: when PlexSync chose "weekly" by itself."""
    chosen = str(every).strip().casefold()
    if chosen not in PERIODS:
        return False
    try:
        row = connection.execute(
            # The newest by its number: the clock may have been ahead when an earlier one began.
            "SELECT created_at FROM plexsync_batches WHERE kind = ? AND args = ? ORDER BY number DESC LIMIT 1",
            (RECONCILE, json.dumps(WHOLE, sort_keys=True)),
        ).fetchone()
    except sqlite3.OperationalError:
        row = None  # no drain has made the table yet
    last = row[0] if row else since if chosen == "weekly" and isinstance(since, (int, float)) else 0
    return not 0 <= now - last < PERIODS[chosen]  # a clock that was set back keeps nothing from being due


def start(connection: sqlite3.Connection, kind: str, args: Mapping[str, Any], now: float) -> Batch:
    """Return the batch to work on for a task that was started at `now`: the one that is unfinished, or a new one.

    One that has looked at every scene and only waits for later tries goes on without its task: who presses that
    again wants every scene looked at. Call it inside a transaction.
    """
    text = json.dumps(args, sort_keys=True)
    for batch in _select(connection, f"WHERE {_UNFINISHED} AND kind = ? AND args = ? ORDER BY number DESC", kind, text):
        if batch.listed and not connection.execute(_UNTRIED_ROW, (batch.id,)).fetchone():
            continue
        if now - (batch.worked_at or batch.created_at) > STALE:
            connection.execute("UPDATE plexsync_batches SET created_at = ? WHERE number = ?", (now, int(batch.id)))
            _restart(connection, batch, now)
        return get(connection, batch.id) or batch
    return create(connection, kind, args, now)


def create(
    connection: sqlite3.Connection, kind: str, args: Mapping[str, Any], now: float, *, by_itself: bool = False
) -> Batch:
    """Record a new batch at `now`. Call it inside a transaction."""
    cursor = connection.execute(
        "INSERT INTO plexsync_batches (kind, args, status, by_itself, created_at) VALUES (?, ?, ?, ?, ?)",
        (kind, json.dumps(args, sort_keys=True), PENDING, int(by_itself), now),
    )
    # A hundred tags that were renamed at once push nothing of another kind out, and nothing does the reconcile of
    # everything that tells when the next one is due.
    connection.execute(
        f"DELETE FROM plexsync_batches WHERE NOT {_UNFINISHED} AND kind = ?1 AND number NOT IN "
        "(SELECT number FROM plexsync_batches WHERE kind = ?1 ORDER BY number DESC LIMIT ?2) "
        "AND number IS NOT (SELECT max(number) FROM plexsync_batches WHERE kind = ?3 AND args = ?4)",
        (kind, KEPT, RECONCILE, json.dumps(WHOLE, sort_keys=True)),
    )
    return Batch(str(cursor.lastrowid), kind, dict(args), by_itself=by_itself, created_at=now)


def get(connection: sqlite3.Connection, batch_id: str) -> Batch | None:
    """Return a batch as it is now; None where it is not known."""
    return next(_select(connection, "WHERE number = ?", int(batch_id)), None) if _is_number(batch_id) else None


def latest(connection: sqlite3.Connection, limit: int = KEPT) -> list[Batch]:
    """Return the batches, newest first. Raises sqlite3.OperationalError where the table is not there yet."""
    return list(_select(connection, "ORDER BY number DESC LIMIT ?", limit))


def unfinished(connection: sqlite3.Connection) -> Iterator[Batch]:
    """Return the batches that have not ended: those that any run goes on with first, then the oldest first.

    One after another, as they are asked for: of a thousand tags that were renamed at once the first is enough.
    """
    return _select(connection, f"WHERE {_UNFINISHED} ORDER BY by_itself DESC, number")


def _select(connection: sqlite3.Connection, which: str, *values: object) -> Iterator[Batch]:
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM plexsync_batches {which}", values).fetchall()
    return map(_batch, rows)


def goes_on_by_itself(connection: sqlite3.Connection) -> bool:
    """Return whether an unfinished batch needs no person to go on."""
    try:
        row = connection.execute(
            f"SELECT 1 FROM plexsync_batches WHERE {_UNFINISHED} AND (by_itself OR interrupted) LIMIT 1"
        ).fetchone()
    except sqlite3.OperationalError:
        return False  # no drain has made the table yet
    return row is not None


def begin(connection: sqlite3.Connection, batch: Batch, shape: str, now: float) -> Batch:
    """Take a batch up at `now`, under settings of this `shape`; anew where they were others. Inside a transaction."""
    if batch.started_at is not None and batch.shape != shape:
        _restart(connection, batch, now)
    connection.execute(
        "UPDATE plexsync_batches SET status = ?, shape = ?, started_at = coalesce(started_at, ?), worked_at = ?, "
        f"interrupted = 0 WHERE number = ? AND {_UNFINISHED}",
        (RUNNING, shape, now, now, int(batch.id)),
    )
    return get(connection, batch.id) or batch


def set_total(connection: sqlite3.Connection, batch_id: str, total: int) -> None:
    """Note how many scenes there are to look at. Inside a transaction."""
    connection.execute("UPDATE plexsync_batches SET total = ? WHERE number = ?", (total, int(batch_id)))


def let_go_on(connection: sqlite3.Connection, batch_ids: Iterable[str]) -> None:
    """Let the next run go on with these by itself: this one could not, for a server is away or another run at work."""
    connection.executemany(
        f"UPDATE plexsync_batches SET interrupted = 1 WHERE number = ? AND {_UNFINISHED}",
        [(int(batch_id),) for batch_id in batch_ids],
    )


def put_page(
    connection: sqlite3.Connection,
    batch: Batch,
    *,
    rows: Sequence[tuple[int, str]],
    skipped: int,
    cursor: int,
    listed: bool,
    now: float,
    found: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Put the rows of a page of scenes on the queue and note that they were looked at; return how many were put.

    `rows`: (scene id, update_type); `found`: reason -> the scenes it was found of. A scene that has a row of this
    batch already (it began anew) gets no second one. A batch that was ended meanwhile gets none at all. Call it
    inside a transaction.
    """
    known = get(connection, batch.id)
    if known is None or known.is_over:
        return 0
    queued = (
        f"SELECT 1 FROM `{schema.JOBS}` WHERE {schema.WAITING} AND {schema.SCENE} = ? AND {schema.BATCH} = ? LIMIT 1"
    )
    fresh = [row for row in rows if not connection.execute(queued, (row[0], batch.id)).fetchone()]
    connection.executemany(
        schema.INSERT_JOB,
        [
            (json.dumps(Job(scene, kind, enqueued_at=now, batch_id=batch.id).to_row()).encode(), now)
            for scene, kind in fresh
        ],
    )
    counts, samples = dict(known.found), {reason: list(texts) for reason, texts in known.samples.items()}
    for reason, texts in (found or {}).items():
        counts[reason] = counts.get(reason, 0) + len(texts)
        samples[reason] = [*samples.get(reason, []), *texts][:SAMPLES]
    (waiting,) = connection.execute(f"SELECT count(*) FROM `{schema.JOBS}` WHERE {_OF_BATCH}", (batch.id,)).fetchone()
    connection.execute(
        "UPDATE plexsync_batches SET cursor = ?, listed = ?, skipped = skipped + ?, worked_at = ?, found = ?, "
        "samples = ?, total = max(total, ?) WHERE number = ?",
        (
            *(cursor, int(listed), skipped, now, json.dumps(counts), json.dumps(samples)),
            # More than were counted where scenes were added since.
            known.concluded + skipped + waiting,
            int(batch.id),
        ),
    )
    _end_if_done(connection, batch.id, now)
    return len(fresh)


def conclude(connection: sqlite3.Connection, batch_ids: Iterable[str], now: float, how: str = "done") -> None:
    """Count a scene of each of these batches as through ("done", "failed", LATER). Inside the rows' transaction."""
    column = "skipped" if how == LATER else how
    counts: dict[str, int] = {}
    for batch_id in batch_ids:
        counts[batch_id] = counts.get(batch_id, 0) + 1
    for batch_id, count in counts.items():
        if not _is_number(batch_id):
            continue
        connection.execute(
            f"UPDATE plexsync_batches SET {column} = {column} + ?, worked_at = ? WHERE number = ?",
            (count, now, int(batch_id)),
        )
        if how == LATER:
            connection.execute(
                f"UPDATE plexsync_batches SET found = json_set(found, '$.{LATER}', "
                f"coalesce(json_extract(found, '$.{LATER}'), 0) + ?) WHERE number = ?",
                (count, int(batch_id)),
            )
        _end_if_done(connection, batch_id, now)


def add_libraries(connection: sqlite3.Connection, batch_id: str, counts: Mapping[tuple[str, str], int]) -> None:
    """Add (library, outcome) -> how many items to a batch's own counts."""
    batch = get(connection, batch_id)
    if batch is None or not counts:
        return
    for (library, outcome), count in counts.items():
        own = batch.libraries.setdefault(library, {})
        own[outcome] = own.get(outcome, 0) + count
    connection.execute(
        "UPDATE plexsync_batches SET libraries = ? WHERE number = ?", (json.dumps(batch.libraries), int(batch_id))
    )


def is_current(connection: sqlite3.Connection, batch: Batch) -> bool:
    """Return whether this batch's record is the one of its id: that of a new file, after damage, is another's."""
    known = get(connection, batch.id)
    return known is not None and (known.kind, known.args) == (batch.kind, batch.args)


def drop_all(connection: sqlite3.Connection, now: float) -> list[Batch]:
    """End every unfinished batch, whose rows are cleared; return them as they were. Call it inside a transaction."""
    ended = list(unfinished(connection))
    connection.execute(
        f"UPDATE plexsync_batches SET status = ?, error = 'the queue was cleared', listed = 1, interrupted = 0, "
        f"completed_at = ? WHERE {_UNFINISHED}",
        (FAILED, now),
    )
    return ended


def _is_number(batch_id: str) -> bool:
    """Return whether this may be a batch's id: a damaged row may say anything."""
    return batch_id.isascii() and batch_id.isdigit() and len(batch_id) < 19


def _end_if_done(connection: sqlite3.Connection, batch_id: str, now: float) -> None:
    row = connection.execute(
        f"SELECT listed, failed, done + failed + skipped FROM plexsync_batches WHERE number = ? AND {_UNFINISHED}",
        (int(batch_id),),
    ).fetchone()
    if not row or not row[0] or connection.execute(_LIVE_ROW, (batch_id,)).fetchone():
        return
    connection.execute(
        "UPDATE plexsync_batches SET status = ?, total = ?, completed_at = ?, interrupted = 0 WHERE number = ?",
        (FAILED if row[1] else COMPLETED, row[2], now, int(batch_id)),
    )


def _restart(connection: sqlite3.Connection, batch: Batch, now: float) -> None:
    """From the first scene on; what is in Plex by then costs no request.

    Rows that wait stay as jobs of their own: their scenes are looked at again, and would be counted twice.
    """
    connection.execute(
        f"UPDATE `{schema.JOBS}` SET data = CAST(json_remove({schema.TEXT}, '$.batch_id') AS BLOB) "
        f"WHERE {_OF_BATCH} AND {schema.WAITING}",
        (batch.id,),
    )
    connection.execute(
        "UPDATE plexsync_batches SET cursor = 0, listed = 0, total = 0, done = 0, failed = 0, skipped = 0, "
        "found = '{}', samples = '{}', libraries = '{}', started_at = ?, worked_at = ? WHERE number = ?",
        (now, now, int(batch.id)),
    )


def _batch(row: Sequence[Any]) -> Batch:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["id"] = str(values.pop("number"))
    values |= {name: json.loads(values[name]) for name in ("args", "found", "samples", "libraries")}
    values |= {name: bool(values[name]) for name in ("listed", "by_itself", "interrupted")}
    return Batch(**values)
