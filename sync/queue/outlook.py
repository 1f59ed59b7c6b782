"""What waits in the queue, for whoever wakes a drain without a save. Standard library alone."""

import os
import sqlite3
from dataclasses import dataclass

from sync.fast import transaction
from sync.lock import is_held
from sync.queue import batches, schema, wake
from sync.queue.dead_letters import SERVER_ERRORS

_LANES = (schema.SAVED, schema.CHANGE, schema.LATE)
# What a batch has put on the queue and nobody has begun is that batch's, see `queue/batches.py`.
_ROWS = f"FROM `{schema.JOBS}` WHERE {schema.WAITING} AND {schema.LANE} IN {_LANES}"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What waits at one moment. Times in seconds since the epoch; None: nothing of the kind."""

    waiting: bool  # any row waits, due or not, or a batch that goes on by itself
    due: bool  # a row is due, or a batch goes on by itself
    next_due: float | None
    """When the first row becomes due of those that became, or become, due after the moment asked about."""
    resume_at: float | None  # when a drain that could not go on is to be tried again
    draining: bool  # a drain is alive and has not taken its last look
    revivable: bool = False  # a dead letter has an error of an outage's, and has not been queued again yet
    stopped_at: float | None = None
    """When a drain that was killed, by a person's Stop or with its machine, was last known to work."""
    stopped_in: str = ""  # which run of Stash's that drain belonged to; see `run_of_stash`
    asked: bool = False  # a drain was asked for a moment ago
    job: str = ""  # Stash's id of the job that was asked for and has not begun, as far as it is known; empty: none
    job_at: float = 0.0  # when that job was asked for
    saved: bool = False  # a row of a save is due


def outlook(connection: sqlite3.Connection, drain_lock: str, *, now: float, since: float) -> Outlook:
    """Return what waits at `now`, rows counted for `next_due` only if they became due after `since`."""
    row = connection.execute(
        "SELECT draining, alive_at, resume_at, asked_at, stash, ask_job, ask_job_at FROM plexsync_wake"
    ).fetchone()
    flag, alive_at, resume_at, asked_at, stash, job, job_at = row or (0, *(None,) * 6)
    draining = bool(flag) and is_held(drain_lock)
    is_due = f"{schema.DUE_AT} <= ?1"
    waiting, due, saved, next_due = connection.execute(
        f"SELECT EXISTS (SELECT 1 {_ROWS}), EXISTS (SELECT 1 {_ROWS} AND {is_due}), "
        f"EXISTS (SELECT 1 {_ROWS} AND {schema.LANE} = {schema.SAVED} AND {is_due}), "
        f"(SELECT min({schema.DUE_AT}) {_ROWS} AND {schema.DUE_AT} > ?2)",
        (now, since),
    ).fetchone()
    if next_due is not None and next_due > now + schema.LONGEST_WAIT:
        next_due = now  # the clock was set back since
    goes_on = batches.goes_on_by_itself(connection)
    return Outlook(
        waiting=bool(waiting) or goes_on,
        due=bool(due) or goes_on,
        next_due=next_due,
        resume_at=resume_at,
        draining=draining,
        revivable=_is_revivable(connection),
        stopped_at=alive_at if flag and not draining else None,
        stopped_in=stash or "",
        asked=asked_at is not None and -wake.CLOCK_SLACK <= now - asked_at < wake.NOTE_TRUST,
        job=job or "",
        job_at=job_at or 0.0,
        saved=bool(saved),
    )


def run_of_stash() -> str:
    """Return a name for this run of Stash's, our parent process: its number and, where the system tells, its start.

    In a container Stash has the same number at every start.
    """
    parent = os.getppid()
    started = ""
    try:
        with open(f"/proc/{parent}/stat", encoding="utf-8", errors="replace") as file:
            # The 22nd field; the name before it may hold blanks and brackets.
            started = file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    return f"{parent}:{started}"


def _is_revivable(connection: sqlite3.Connection) -> bool:
    query = f"SELECT 1 FROM plexsync_dead_letters WHERE revived = 0 AND error_type IN {SERVER_ERRORS} LIMIT 1"
    try:
        return connection.execute(query).fetchone() is not None
    except sqlite3.OperationalError:
        return False  # no drain has made the table yet


def resume_later(connection: sqlite3.Connection, at: float | None, *, at_the_latest: bool = False) -> None:
    """Have a drain that could not go on tried again at `at` (seconds since the epoch), without a hand; None: not.

    `at_the_latest`: where it is to be tried earlier already, it still is.
    """
    value = "min(coalesce(resume_at, ?1), ?1)" if at_the_latest else "?1"
    connection.execute(f"UPDATE plexsync_wake SET resume_at = {value}", (at,))


def still_alive(connection: sqlite3.Connection, now: float) -> None:
    """Leave word that the drain is at work at `now` (seconds since the epoch)."""
    connection.execute("UPDATE plexsync_wake SET alive_at = ?", (now,))


def claim_note(connection: sqlite3.Connection, drain_lock: str, now: float) -> wake.Ask | None:
    """Leave the note that a drain is asked for, as a hook does with its row; None when nothing is left to do."""
    with transaction(connection):
        return wake.note_ask(connection, drain_lock, now)
