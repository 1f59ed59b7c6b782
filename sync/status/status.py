"""How PlexSync is doing, read from its two files. Standard library alone; no server is asked.

It changes nothing, makes no file and takes no lock, so it can be asked beside a drain. Every number
is counted over an index: 100,000 scenes are told as fast as a hundred.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sync import data_folder, log
from sync.hidden_paths import without_paths
from sync.queue import batches, damage, history, schema
from sync.queue.lock import SharedLock, is_held
from sync.worker.circuit_breaker import CircuitState, read_record, state_of

_LANES = (schema.SAVED, schema.CHANGE, schema.LATE)
BATCHES = 10
"""Batches shown, the newest, beside all that have not ended."""
EXAMPLES = 3
"""Failed jobs shown of each cause."""
NOT_IN_PLEX = ("PlexNotFound", "PlexItemRemoved")
"""The errors of a scene whose file Plex does not have."""

_DAY = 24  # hours
_WAITS = f"FROM `{schema.JOBS}` WHERE {schema.WAITING} AND {schema.LANE}"


@dataclass(slots=True)
class Queue:
    """The rows of the queue by state. Times in seconds since the epoch."""

    due: int = 0
    waiting: int = 0
    """Rows that wait for a later try."""
    bulk: int = 0
    """Rows of batches, which wait for their own task."""
    claimed: int = 0
    """Rows that a drain has taken; where none runs, one that was killed."""
    next_due_at: float | None = None
    """When the first of those that wait for a later try becomes due."""


@dataclass(slots=True)
class Breaker:
    """The circuit breaker. Times in seconds since the epoch."""

    state: str = CircuitState.CLOSED.value
    since: float | None = None
    """When it opened last; None: it is closed."""
    failures: int = 0
    """Failures of Plex in a row."""


@dataclass(slots=True)
class DrainStatus:
    """The drain that runs, and the last one. Times in seconds since the epoch."""

    running: bool = False
    stopped_at: float | None = None
    """When a drain that was stopped or killed was last known to work; None: the last one came to its end."""
    ended_at: float | None = None
    went_well: bool = True
    said: str = ""


@dataclass(slots=True)
class Example:
    """One failed job; a scene_id of 0 or below stands for a damaged row that names no scene."""

    scene_id: int
    title: str
    message: str
    failed_at: float


@dataclass(slots=True)
class Cause:
    """The failed jobs of one class of error, the latest as examples."""

    error_type: str
    count: int
    examples: list[Example] = field(default_factory=list)


@dataclass(slots=True)
class Library:
    """A library of the Plex server in use."""

    name: str
    items: int = 0
    """Items that a scene holds."""


@dataclass(slots=True)
class Coverage:
    """How much of Stash has arrived in Plex, as far as PlexSync has been told of it."""

    scenes_synced: int = 0
    items_held: int = 0
    """Items in the libraries of the server in use that a scene holds."""
    missing_waiting: int = 0
    """Scenes that wait for Plex to have their file."""
    missing_failed: int = 0
    """Scenes that were given up because Plex did not have their file."""


@dataclass(slots=True)
class BatchStatus:
    """A batch, see `queue/batches.py`. Times in seconds since the epoch."""

    id: str
    kind: str
    title: str
    args: dict[str, Any]
    status: str
    total: int
    done: int
    failed: int
    skipped: int
    left: int
    progress: float
    """From 0 to 1."""
    goes_on_by_itself: bool
    """No person is needed: it does not wait for its task."""
    libraries: dict[str, dict[str, int]]
    found: dict[str, int]
    samples: dict[str, list[str]]
    created_at: float
    started_at: float | None
    completed_at: float | None
    error: str = ""


@dataclass(slots=True)
class OutageStatus:
    """A time in which Plex was left alone. Times in seconds since the epoch; `ended_at` None: it lasts."""

    began_at: float
    ended_at: float | None
    seconds: float


@dataclass(slots=True)
class Status:
    """Everything at one moment, `at` in seconds since the epoch."""

    at: float
    queue: Queue = field(default_factory=Queue)
    breaker: Breaker = field(default_factory=Breaker)
    drain: DrainStatus = field(default_factory=DrainStatus)
    batches: list[BatchStatus] = field(default_factory=list)
    """The newest first."""
    last_24_hours: dict[str, dict[str, int]] = field(default_factory=dict)
    """Library -> outcome -> items; under '' scenes. By full hours."""
    failed: list[Cause] = field(default_factory=list)
    libraries: list[Library] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    outages: list[OutageStatus] = field(default_factory=list)
    """The newest first."""
    mean_time_to_recovery: float | None = None
    """Seconds, over the outages that have ended; None: none has."""
    troubles: list[str] = field(default_factory=list)
    """What could not be read, and why."""


def gather(data: str, now: float | None = None) -> Status:
    """Return how things are in this data folder; `now` in seconds since the epoch.

    A file that is missing counts as empty, and one that cannot be read as a trouble: this raises nothing of either.
    """
    status = Status(at=time.time() if now is None else now)
    queue_file, state_file = data_folder.queue_file(data), data_folder.state_file(data)
    with reading(queue_file, "queue", status.troubles) as connection:
        if connection:
            _read_queue(connection, status)
            _read_drain(connection, status, data_folder.drain_lock(data))
            _read_failed(connection, status)
            _read_outages(connection, status)
    with reading(state_file, "state file", status.troubles) as connection:
        if connection:
            _read_state(connection, status)
    return status


@contextlib.contextmanager
def reading(file: str, what: str, troubles: list[str]) -> Iterator[sqlite3.Connection | None]:
    """Open a file for a look at one moment of it; None where it is missing or cannot be opened."""
    connection = None
    try:
        if os.path.exists(file):
            connection = _open(file)
        yield connection
    except (sqlite3.Error, OSError) as error:
        if connection is None:
            yield None
        troubles.append(log.redact(_trouble(file, what, error)))
    finally:
        if connection is not None:
            connection.close()


def _open(file: str) -> sqlite3.Connection:
    # Not while a damaged queue is moved away, see `schema.connect`; the state file has the drain alone.
    lock = os.path.join(os.path.dirname(file), schema.RESCUE_LOCK)
    with SharedLock(lock) if os.path.basename(file) == data_folder.QUEUE_FILE else contextlib.nullcontext():
        connection = sqlite3.connect(
            # Never made by this: it may be moved away at this moment.
            Path(file).absolute().as_uri() + "?mode=rw",
            uri=True,
            timeout=schema.BUSY_TIMEOUT,
            isolation_level=None,
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            connection.execute("PRAGMA schema_version")  # SQLite opens its files at the first read only
        except BaseException:
            connection.close()
            raise
    return connection


def _trouble(file: str, what: str, error: Exception) -> str:
    if isinstance(error, sqlite3.Error) and damage.is_damage(error):
        mends = '"Process queue" sets it aside and compares every scene with Plex'
        return f"PlexSync's {what} {file!r:.300} is damaged ({error}): {mends}"
    return f"PlexSync's {what} {file!r:.300} cannot be read ({error}): check its folder's permissions"


def _rows(connection: sqlite3.Connection, query: str, values: tuple[object, ...] = ()) -> list[Any]:
    """Return the rows; none where a file is so young, or of an earlier version, that the table is not there."""
    try:
        return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return []


def _number(connection: sqlite3.Connection, query: str, values: tuple[object, ...] = ()) -> int:
    return next((int(row[0]) for row in _rows(connection, query, values)), 0)


# The queue's file


def _read_queue(connection: sqlite3.Connection, status: Status) -> None:
    queue, now = status.queue, (status.at,)
    for lane in _LANES:
        queue.due += _number(connection, f"SELECT count(*) {_WAITS} = {lane} AND {schema.DUE_AT} <= ?", now)
        queue.waiting += _number(connection, f"SELECT count(*) {_WAITS} = {lane} AND {schema.DUE_AT} > ?", now)
    queue.bulk = _number(connection, f"SELECT count(*) {_WAITS} = {schema.BULK}")
    queue.claimed = _number(connection, f"SELECT count(*) FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}")
    times = [
        next_due
        for lane in _LANES
        for (next_due,) in _rows(
            connection, f"SELECT min({schema.DUE_AT}) {_WAITS} = {lane} AND {schema.DUE_AT} > ?", now
        )
    ]
    queue.next_due_at = min((at for at in times if at is not None), default=None)
    with contextlib.suppress(sqlite3.OperationalError):  # no table: there has been no batch yet
        newest = {batch.id: batch for batch in batches.latest(connection, BATCHES)}
        newest |= {batch.id: batch for batch in batches.unfinished(connection)}
        status.batches = [_told(newest[number]) for number in sorted(newest, key=int, reverse=True)]
    status.coverage.missing_waiting = _number(
        connection,
        f"SELECT count(DISTINCT {schema.SCENE}) FROM `{schema.JOBS}` "
        f"WHERE {schema.HAS_FAILED} AND {schema.LAST_ERROR} IN {NOT_IN_PLEX}",
    )


def _told(batch: batches.Batch) -> BatchStatus:
    own = {
        "title": batches.title_of(batch),
        "left": batch.left,
        "progress": batch.progress,
        "goes_on_by_itself": not batch.is_over and (batch.by_itself or batch.interrupted),
        "samples": {reason: [log.redact(text) for text in texts] for reason, texts in batch.samples.items()},
    }
    same = {one.name: getattr(batch, one.name) for one in fields(BatchStatus) if one.name not in own}
    return BatchStatus(**(same | own))


def _read_drain(connection: sqlite3.Connection, status: Status, drain_lock: str) -> None:
    drain = status.drain
    with contextlib.suppress(sqlite3.OperationalError):  # no table: nothing of the kind has happened yet
        last = history.read_last_drain(connection)
        if last:
            drain.ended_at, drain.went_well, drain.said = last.ended_at, last.went_well, log.redact(last.said)
    drain.running = is_held(drain_lock)
    for began, alive_at in _rows(connection, "SELECT draining, alive_at FROM plexsync_wake"):
        drain.stopped_at = alive_at if began and not drain.running else None


def _read_failed(connection: sqlite3.Connection, status: Status) -> None:
    kinds = _rows(
        connection,
        "SELECT error_type, count(*), sum(scene_id > 0) FROM plexsync_dead_letters GROUP BY error_type "
        "ORDER BY count(*) DESC, error_type",
    )
    for error_type, count, scenes in kinds:
        rows = _rows(
            connection,
            "SELECT scene_id, title, message, last_at FROM plexsync_dead_letters WHERE error_type = ? "
            "ORDER BY last_at DESC LIMIT ?",
            (error_type, EXAMPLES),
        )
        examples = [_example(*row) for row in rows]
        status.failed.append(Cause(error_type, count, examples))
        if error_type in NOT_IN_PLEX:
            status.coverage.missing_failed += scenes


def _example(scene_id: int, title: str, message: str, failed_at: float) -> Example:
    return Example(scene_id, *shown(title, message), failed_at)


def shown(title: str, message: str) -> tuple[str, str]:
    """Return a dead letter's title and message without the media paths in it; under `obfuscate_paths` without names
    of files, too."""
    title, message = log.redact_old(title, message)
    return title, without_paths(message)


def _read_outages(connection: sqlite3.Connection, status: Status) -> None:
    with contextlib.suppress(sqlite3.OperationalError):
        record = read_record(connection)
        status.breaker = Breaker(state_of(record, status.at).value, record.opened_at, record.failures)
    with contextlib.suppress(sqlite3.OperationalError):
        for one in history.read_outages(connection):
            seconds = max(0.0, (status.at if one.ended_at is None else one.ended_at) - one.began_at)
            status.outages.append(OutageStatus(one.began_at, one.ended_at, seconds))
    ended = [one.seconds for one in status.outages if one.ended_at is not None]
    status.mean_time_to_recovery = sum(ended) / len(ended) if ended else None


# The state file


def _read_state(connection: sqlite3.Connection, status: Status) -> None:
    status.coverage.scenes_synced = _number(connection, "SELECT count(*) FROM scenes")
    for library, outcome, count in _rows(
        connection,
        "SELECT library, outcome, sum(count) FROM statistics_by_hour WHERE hour > ? GROUP BY library, outcome",
        (int(status.at // 3600) - _DAY,),
    ):
        status.last_24_hours.setdefault(library, {})[outcome] = count
    titles = _rows(connection, "SELECT machine, section, title FROM libraries ORDER BY seen_at DESC")
    if not titles:
        return
    # The narrow index and not the table, whose rows are wide.
    held = {
        (machine, section): count
        for machine, section, count in _rows(
            connection,
            "SELECT machine, section, count(*) FROM items INDEXED BY items_of_scene WHERE scene_id > 0 GROUP BY 1, 2",
        )
    }
    in_use = titles[0][0]
    status.libraries = sorted(
        (Library(title, held.get((machine, section), 0)) for machine, section, title in titles if machine == in_use),
        key=lambda library: library.name.casefold(),
    )
    status.coverage.items_held = sum(library.items for library in status.libraries)
