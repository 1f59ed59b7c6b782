"""How PlexSync is doing, read from its two files. Standard library alone.

Every number is counted over an index: 100,000 scenes are told as fast as a hundred.
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sync import data_folder, log
from sync.errors import PlexSyncError, SetupError
from sync.hidden_paths import without_paths
from sync.lock import is_held
from sync.queue import batches, history, schema
from sync.queue.batch import Batch, title_of
from sync.queue.dead_letters import LETTER_COLUMNS, NOT_IN_PLEX
from sync.stash.questions import count_scenes
from sync.status.reading import File, files, libraries
from sync.worker.circuit_breaker import Record, read_record, state_of

Status = dict[str, Any]
"""Everything at one moment, ready for JSON: times in seconds since the epoch, durations in seconds. See `gather`."""

BATCHES = 10  # batches told, the newest, beside all that have not ended
EXAMPLES = 3  # failed jobs told of each cause

_DAY = 24  # hours
_WAITS = f"FROM `{schema.JOBS}` WHERE {schema.WAITING} AND {schema.LANE}"


def gather(data: str, now: float | None = None) -> Status:
    """Return how things are in this data folder; `now` in seconds since the epoch. What cannot be read is a trouble."""
    at = time.time() if now is None else now
    with files(data) as (queue, state, troubles):
        known = libraries(state)
        return {
            "at": at,
            "queue": _queue(queue, at),
            "drain": _drain(queue, data_folder.drain_lock(data)),
            "batches": _batches(queue),  # the newest first
            **_outages(queue, at),
            "last_24_hours": _last_day(state, at),  # library -> outcome -> items; under '' scenes; by full hours
            "failed": _failed(queue),  # the dead letters by class of error, with the latest as examples
            "libraries": known,  # of the Plex server in use
            "coverage": {
                "scenes_synced": state.number("SELECT count(*) FROM scenes"),
                "items_held": sum(library["items"] for library in known),
                "missing_waiting": queue.number(
                    f"SELECT count(DISTINCT {schema.SCENE}) FROM `{schema.JOBS}` "
                    f"WHERE {schema.HAS_FAILED} AND {schema.LAST_ERROR} IN {NOT_IN_PLEX}",
                ),
                "missing_failed": queue.number(
                    f"SELECT sum(scene_id > 0) FROM plexsync_dead_letters WHERE error_type IN {NOT_IN_PLEX}",
                ),
            },
            "troubles": troubles,  # what could not be read, and why
        }


def gather_with_total(server_connection: Mapping[str, Any], data: str) -> Status:
    """Return the status, with how many scenes Stash has: asked for, and None where it does not say."""
    found = gather(data)
    found["coverage"]["scenes_in_stash"] = None
    with contextlib.suppress(PlexSyncError):
        found["coverage"]["scenes_in_stash"] = count_scenes(server_connection)
    return found


def failed_jobs(data: str) -> list[dict[str, Any]]:
    """Return the dead letters, the latest first. Raises SetupError where the queue's file cannot be read."""
    query = f"SELECT {LETTER_COLUMNS} FROM plexsync_dead_letters ORDER BY last_at DESC, scene_id"
    with files(data) as (queue, _, troubles):
        letters = queue.rows(query)
    if troubles:
        raise SetupError(troubles[0])
    return [_clean(dict(letter)) for letter in letters]


# The queue's file


def _queue(queue: File, at: float) -> Status:
    due, waiting, times = 0, 0, []
    for lane in (schema.SAVED, schema.CHANGE, schema.LATE):
        due += queue.number(f"SELECT count(*) {_WAITS} = {lane} AND {schema.DUE_AT} <= ?", (at,))
        later = f"{_WAITS} = {lane} AND {schema.DUE_AT} > ?"
        waiting += queue.number(f"SELECT count(*) {later}", (at,))
        times += [next_at for (next_at,) in queue.rows(f"SELECT min({schema.DUE_AT}) {later}", (at,))]
    return {
        "due": due,
        "waiting": waiting,  # for a later try
        "bulk": queue.number(f"SELECT count(*) {_WAITS} = {schema.BULK}"),
        # A drain has taken them; where none runs, one that was killed.
        "claimed": queue.number(f"SELECT count(*) FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}"),
        "next_due_at": min((next_at for next_at in times if next_at is not None), default=None),
    }


def _batches(queue: File) -> list[Status]:
    told = queue.look(lambda connection: [*batches.latest(connection, BATCHES), *batches.unfinished(connection)], [])
    found = {batch.id: batch for batch in told}
    return [_batch(found[number]) for number in sorted(found, key=int, reverse=True)]


def _batch(batch: Batch) -> Status:
    samples = {reason: [log.redact(text) for text in texts] for reason, texts in batch.samples.items()}
    told = asdict(batch) | {"samples": samples, "title": title_of(batch), "left": batch.left}
    goes_on = not batch.is_over and (batch.by_itself or batch.interrupted)
    told |= {"progress": batch.progress, "goes_on_by_itself": goes_on}
    return {name: value for name, value in told.items() if name not in _INNER}


_INNER = ("cursor", "listed", "by_itself", "interrupted", "shape", "worked_at")
"""What of a batch's record is nobody's business."""


def _drain(queue: File, drain_lock: str) -> Status:
    # `stopped_at`: when a drain that was stopped or killed was last known to work.
    found: Status = {"stopped_at": None, "ended_at": None, "went_well": True, "said": ""}
    found["running"] = is_held(drain_lock)
    for ended_at, went_well, said in queue.rows("SELECT ended_at, went_well, said FROM plexsync_last_drain"):
        found |= {"ended_at": ended_at, "went_well": bool(went_well), "said": log.redact(said)}
    for began, alive_at in queue.rows("SELECT draining, alive_at FROM plexsync_wake"):
        found["stopped_at"] = alive_at if began and not found["running"] else None
    return found


def _failed(queue: File) -> list[Status]:
    counts = "SELECT error_type, count(*) FROM plexsync_dead_letters GROUP BY error_type ORDER BY count(*) DESC, 1"
    examples = (
        "SELECT scene_id, title, message, last_at AS failed_at FROM plexsync_dead_letters WHERE error_type = ? "
        "ORDER BY last_at DESC LIMIT ?"
    )
    return [
        {
            "error_type": error_type,
            "count": count,
            "examples": [_clean(dict(row)) for row in queue.rows(examples, (error_type, EXAMPLES))],
        }
        for error_type, count in queue.rows(counts)
    ]


def _clean(letter: dict[str, Any]) -> dict[str, Any]:
    clean = {name: log.redact(letter[name]) for name in ("title", "message", "job") if name in letter}
    return letter | clean | {"message": without_paths(clean["message"])}


def _outages(queue: File, at: float) -> Status:
    record, outages = queue.look(read_record, Record()), queue.look(history.read_outages, [])
    told = [
        {**one._asdict(), "seconds": max(0.0, (at if one.ended_at is None else one.ended_at) - one.began_at)}
        for one in outages
    ]
    ended = [one["seconds"] for one in told if one["ended_at"] is not None]
    return {
        "breaker": {"state": state_of(record, at).value, "since": record.opened_at, "failures": record.failures},
        "outages": told,  # the newest first; `ended_at` None: it lasts
        "mean_time_to_recovery": sum(ended) / len(ended) if ended else None,  # over the outages that have ended
    }


# The state file


def _last_day(state: File, at: float) -> Status:
    found: Status = {}
    query = "SELECT library, outcome, sum(count) FROM statistics_by_hour WHERE hour > ? GROUP BY library, outcome"
    for library, outcome, count in state.rows(query, (int(at // 3600) - _DAY,)):
        found.setdefault(library, {})[outcome] = count
    return found
