"""The tasks that steer the queue by hand: they need no Plex, no package and no lock. Standard library alone."""

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sync import data_folder, log
from sync.ending import Ending, Report
from sync.errors import SetupError
from sync.queue import batches, damage, schema, steer

_T = TypeVar("_T")


def retry_failed(data: str, args: Mapping[str, Any]) -> tuple[int, str]:
    """Queue failed jobs again; return how many, and that in a sentence. Nothing is drained here.

    `data` is the data folder; `args.error_type` names a class of error, none means all. Raises SetupError.
    """
    error_type = _error_type(args)

    def work(connection: sqlite3.Connection) -> tuple[int, str]:
        there = steer.failed_types(connection)
        again = steer.retry_failed(connection, error_type, time.time())
        if again:
            return again, f"{_jobs(again, 'failed job')} {'is' if again == 1 else 'are'} queued again"
        unreadable = sum(there.values()) if error_type is None else there.get(error_type, 0)
        if unreadable:
            return 0, Report(
                f"{_jobs(unreadable, 'failed job')} cannot be queued again: the queue's row was damaged and names no "
                'scene. "Clear failed jobs" deletes what is left of it',
                Ending.NEEDS_A_LOOK,
            )
        return 0, no_such(there, error_type)

    return _told(_with_queue(data, work, (0, no_such({}, None))))


def clear_failed(data: str, args: Mapping[str, Any]) -> str:
    """Delete the dead letters, all or those of `args.error_type`; return how many in a sentence. Raises SetupError."""
    error_type = _error_type(args)

    def work(connection: sqlite3.Connection) -> tuple[int, str]:
        there = steer.failed_types(connection)
        gone = steer.clear_failed(connection, error_type)
        return gone, f"{_jobs(gone, 'failed job')} cleared" if gone else no_such(there, error_type)

    gone, said = _told(_with_queue(data, work, (0, no_such({}, None))))
    return Report(said, cleared=gone)


def clear_queue(data: str) -> str:
    """Delete the rows that wait; return how many in a sentence. Raises SetupError."""

    def work(connection: sqlite3.Connection) -> tuple[int, str]:
        gone, ended = steer.clear_queue(connection, data_folder.drain_lock(data))
        (left,) = connection.execute(f"SELECT count(*) FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}").fetchone()
        stay = f"; the running drain finishes {_jobs(left, 'job')} it has begun" if left else ""
        over = "".join(f"; {batches.title_of(one)} is ended with {_jobs(one.left, 'scene')} left" for one in ended)
        return gone, (f"{_jobs(gone, 'queued job')} cleared" if gone else "No job waits in the queue") + over + stay

    gone, said = _told(_with_queue(data, work, (0, "No job waits in the queue")))
    return Report(said, cleared=gone)


def _with_queue(data: str, work: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
    """Do `work` on the queue's file; return `nothing` where there is no queue yet. Raises SetupError."""
    queue_file = data_folder.queue_file(data)
    if not os.path.exists(queue_file):
        return nothing
    end = time.monotonic() + schema.BUSY_TIMEOUT
    try:
        while True:
            try:
                connection = schema.connect(queue_file)
                break
            except sqlite3.OperationalError as error:
                # SQLite says so at once in some moments, busy time-out or not.
                if not schema.is_locked(error) or time.monotonic() > end:
                    raise
                time.sleep(0.005)
        try:
            schema.create(connection)
            return work(connection)
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise SetupError(_unusable(queue_file, error)) from None


def _unusable(queue_file: str, error: Exception) -> str:
    if isinstance(error, sqlite3.Error) and damage.is_damage(error):
        return (
            f"PlexSync's queue {queue_file!r:.300} is damaged ({error}), so nothing was changed in it. Press "
            '"Process queue", which begins a new one and compares every scene, and then press this again'
        )
    return (
        f"PlexSync's queue {queue_file!r:.300} cannot be read or written ({error}). Check the folder's free space and "
        "permissions"
    )


def _error_type(args: Mapping[str, Any]) -> str | None:
    value = args.get("error_type")
    if value is None:
        return None
    # An empty one is somebody's slip, and "all" would be a dear guess.
    if not isinstance(value, str) or not value.strip():
        raise SetupError(
            f"args.error_type is {value!r:.100}; accepted: the class of an error as Show status names it, such as "
            "PlexNotFound, or leave error_type out for all failed jobs"
        )
    return value.strip()


def no_such(there: Mapping[str, int], error_type: str | None) -> str:
    """Say that no failed job has this class of error; `there`: how many have which."""
    if not there or error_type is None:
        return "There are no failed jobs"
    kinds = ", ".join(f"{name} ({count})" for name, count in there.items())
    return f"No failed job has error_type {error_type!r:.100}; there are: {kinds}"


def _jobs(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _told(outcome: tuple[int, str]) -> tuple[int, str]:
    log.info(outcome[1])
    return outcome
