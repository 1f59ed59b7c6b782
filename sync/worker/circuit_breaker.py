"""The circuit breaker between the drain and Plex. Standard library alone: the sleeper reads it too.

The rules are pure functions from one record to the next, one for each event; what stands around them keeps the record
in the queue's file, where every process sees it and two at once are one after the other.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from enum import Enum

from sync import log
from sync.errors import PlexSyncError
from sync.fast import transaction
from sync.plex.exceptions import PlexTemporaryError
from sync.queue import history

FAILURE_THRESHOLD = 5  # failures in a row that open the breaker
RECOVERY_TIMEOUT = 60.0  # seconds an open breaker waits before it lets one probe through

CREATE_BREAKER = """
CREATE TABLE IF NOT EXISTS plexsync_breaker (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    record TEXT NOT NULL              -- JSON, see circuit_breaker.Record
)
"""


class CircuitState(Enum):
    """What the breaker lets through."""

    CLOSED = "CLOSED"  # everything
    OPEN = "OPEN"  # nothing: Plex failed again and again and is left alone
    HALF_OPEN = "HALF_OPEN"  # one probe, which decides


@dataclass(frozen=True, slots=True)
class Record:
    """What has to be known of the past. Times in seconds since the epoch."""

    failures: int = 0  # failures in a row; one job that fails again and again counts once
    failed_jobs: tuple[str, ...] = ()  # the jobs among them
    first_failure_at: float | None = None
    opened_at: float | None = None  # last time the breaker opened; None: it is closed
    probe_at: float | None = None  # when a probe was let through that has not come back
    answered_at: float | None = None  # when a probe came back well, whose result the next drain may rely on
    outage_began_at: float | None = None
    """First failure of the outage that opened the breaker; stays over its half-open tries."""


# The rules


def state_of(record: Record, now: float, recovery_timeout: float = RECOVERY_TIMEOUT) -> CircuitState:
    """Return the state at `now`. A clock that was set back does not keep a breaker open for longer."""
    if record.opened_at is None:
        return CircuitState.CLOSED
    waited = now - record.opened_at
    return CircuitState.OPEN if 0 <= waited < recovery_timeout else CircuitState.HALF_OPEN


def may_execute(record: Record, now: float, recovery_timeout: float = RECOVERY_TIMEOUT) -> tuple[bool, Record]:
    """Return whether work may begin at `now`, and the record after the question.

    Half-open, the first to ask is the probe. One that never comes back (its
    process was killed) makes room for the next after the same time.
    """
    state = state_of(record, now, recovery_timeout)
    if state is not CircuitState.HALF_OPEN:
        return state is CircuitState.CLOSED, record
    if record.probe_at is not None and 0 <= now - record.probe_at < recovery_timeout:
        return False, record
    return True, replace(record, probe_at=now)


def after_success(_: Record) -> Record:
    """Return the record after Plex answered: all is forgotten."""
    return Record()


def after_probe(record: Record, threshold: int = FAILURE_THRESHOLD) -> Record:
    """Return the record after a probe came back well: closed, on probation until a job goes well too.

    A Plex that says who it is may still fail every edit; the first failure opens
    the breaker again, at the cost of one job's try and not of five.
    """
    return Record(
        failures=threshold - 1,
        first_failure_at=record.first_failure_at,
        outage_began_at=record.outage_began_at or record.opened_at,
    )


def after_failure(
    record: Record,
    now: float,
    job_key: str | None = None,
    threshold: int = FAILURE_THRESHOLD,
    recovery_timeout: float = RECOVERY_TIMEOUT,
) -> Record:
    """Return the record after a failure; `job_key` names the job that failed, None for the server as a whole."""
    if state_of(record, now, recovery_timeout) is not CircuitState.CLOSED:
        return replace(record, opened_at=now, probe_at=None)
    if job_key is not None and job_key in record.failed_jobs:
        return record
    failures = record.failures + 1
    began = record.outage_began_at or (record.first_failure_at if record.first_failure_at is not None else now)
    jobs = record.failed_jobs if job_key is None else (*record.failed_jobs, job_key)
    if failures < threshold:
        return Record(failures, jobs, began, outage_began_at=record.outage_began_at)
    return Record(failures, jobs, began, opened_at=now, outage_began_at=began)


# Where the record is kept


class CircuitBreaker:
    """The breaker of one data folder.

    `connection` is an open connection to the queue's file in autocommit mode;
    every method that changes the record is one transaction there. Raises sqlite3.Error.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        failure_threshold: int = FAILURE_THRESHOLD,
        recovery_timeout: float = RECOVERY_TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._threshold = failure_threshold
        self._recovery_timeout = recovery_timeout
        self._clock = clock
        connection.execute(CREATE_BREAKER)
        connection.execute(history.CREATE_OUTAGES)

    @property
    def state(self) -> CircuitState:
        """The state at this moment."""
        return state_of(self.record, self._clock(), self._recovery_timeout)

    @property
    def record(self) -> Record:
        """What is known of the past."""
        return read_record(self._connection)

    def can_execute(self) -> bool:
        """Return whether work may begin. Half-open, True makes the asker the one probe."""
        with transaction(self._connection):
            may, after = may_execute(self.record, self._clock(), self._recovery_timeout)
            self._change(lambda _: after)
        return may

    def record_success(self) -> Record:
        """Plex answered: the breaker closes and the count is cleared. Return what was known before."""
        return self._change(after_success)

    def record_probe(self) -> None:
        """Plex answered a probe: the breaker closes, on probation until a job goes well."""
        self._change(lambda record: after_probe(record, self._threshold))

    def record_failure(self, job_key: str | None = None) -> None:
        """Plex failed: at a job, or (None) as a whole."""
        limits = self._threshold, self._recovery_timeout
        self._change(lambda record: after_failure(record, self._clock(), job_key, *limits))

    def release_probe(self, *, answered: bool = False) -> None:
        """The probe is over and somebody else goes on: make room for them. `answered`: it came back well."""
        at = self._clock() if answered else None
        self._change(lambda record: replace(record, probe_at=None, answered_at=at))

    @property
    def has_answered(self) -> bool:
        """Whether a probe came back well within the last minute, so that another would be one too many."""
        at = self.record.answered_at
        return at is not None and 0 <= self._clock() - at < self._recovery_timeout

    def reset(self) -> None:
        """Close the breaker, whatever was."""
        self._change(after_success)

    def _change(self, rule: Callable[[Record], Record]) -> Record:
        """Put the record on disk as a rule makes it; return the one before."""
        with transaction(self._connection) as connection:
            before = self.record
            after = rule(before)
            if after != before:
                record, now = json.dumps(asdict(after)), self._clock()
                connection.execute("INSERT OR REPLACE INTO plexsync_breaker (one, record) VALUES (1, ?)", (record,))
                if before.opened_at is None and after.opened_at is not None:
                    history.begin_outage(connection, after.outage_began_at or now, now)
                elif before.opened_at is not None and after.opened_at is None:
                    history.end_outage(connection, now)
        return before


def read_record(connection: sqlite3.Connection) -> Record:
    """Return what is known of the past. Raises sqlite3.OperationalError where the breaker's table is not there yet.

    A record that cannot be read, of another version say, is as good as none.
    """
    row = connection.execute("SELECT record FROM plexsync_breaker").fetchone()
    try:
        values = json.loads(row[0]) if row else {}
        return Record(**(values | {"failed_jobs": tuple(values.get("failed_jobs", ()))}))
    except (ValueError, TypeError, AttributeError):
        return Record()


class PlexHealth:
    """Counts scenes that Plex failed, and says when it answers again."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._failing = breaker.record.failures > 0

    @property
    def is_good(self) -> bool:
        """Whether Plex may be asked: the breaker is CLOSED. It is read where Plex has failed: only a drain opens it."""
        return not self._failing or self._breaker.state is CircuitState.CLOSED

    def failed(self, error: PlexSyncError, job_key: str | None = None) -> None:
        """Tell the breaker of a failure where it is Plex's; of one job that fails again and again, once.

        Without a `job_key` it is a failure of the server's, and no scene's.
        """
        if isinstance(error, PlexTemporaryError):
            self._breaker.record_failure(job_key)
            self._failing = True

    def answered(self) -> None:
        """Tell the breaker that a job went well. Most find nothing to clear and cost no transaction."""
        if not self._failing:
            return
        before = self._breaker.record_success()
        self._failing = False
        if before.outage_began_at is not None:
            log.info(f"Plex answers again, {_duration(time.time() - before.outage_began_at)} after it began to fail")

    def stop_after_failures(self, errors: Iterable[PlexSyncError]) -> None:
        """Raise PlexTemporaryError when the breaker has opened: the drain ends."""
        if self.is_good:
            return
        of_plex = [error for error in errors if isinstance(error, PlexTemporaryError)]
        last = f" The last error: {of_plex[-1]}" if of_plex else ""
        raise PlexTemporaryError(
            f"Plex failed {self._breaker.record.failures} scenes in a row and is left alone for a while.{last}"
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
