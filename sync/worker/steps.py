"""The steps of a job: for each Plex item that holds one of the scene's files, what is done and what is not.

Each step is recorded on its own, with a fingerprint of what it wrote, so that a
retry does what is left and nothing twice. What a step is stands in `Step`; how
records change is pure; `StepBook` keeps them in the state file.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from sync.errors import PlexSyncError
from sync.state import State

NO_PICTURE = "none"
"""The fingerprint of a picture's step where the scene has none."""


class StepState(Enum):
    """How far a step is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    """Begun; its effect may be in Plex although nobody has confirmed it."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    """Plex will not have it: not tried again until it is something else."""


@dataclass(frozen=True, slots=True)
class Place:
    """The item a step belongs to."""

    machine: str
    section: int
    rating_key: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of one step. Times in seconds since the epoch."""

    state: StepState = StepState.PENDING
    started_at: float | None = None
    completed_at: float | None = None
    error: str = ""
    fingerprint: str = ""
    """Names what was written, or is about to be."""
    tries: int = 0


class Step(Protocol):
    """One thing to do to one item."""

    @property
    def name(self) -> str:
        """`match`, `metadata`, `poster`, ..."""

    @property
    def fingerprint(self) -> str:
        """Names what this step would write now."""

    @property
    def confirmed_later(self) -> bool:
        """Whether `run` only sends, and somebody else completes the record when the effect was read back."""

    def is_there(self) -> bool:
        """Return whether the effect is in Plex already, whoever put it there."""

    def run(self) -> None:
        """Do it; raises PlexSyncError."""


def begun(record: StepRecord, fingerprint: str, now: float) -> StepRecord:
    """Return the record of a step that begins."""
    return StepRecord(StepState.RUNNING, now, None, "", fingerprint, record.tries + 1)


def completed(record: StepRecord, fingerprint: str, now: float) -> StepRecord:
    """Return the record of a step whose effect is known to be in Plex."""
    started = record.started_at if record.started_at is not None else now
    return replace(
        record, state=StepState.COMPLETED, started_at=started, completed_at=now, error="", fingerprint=fingerprint
    )


def failed(record: StepRecord, error: PlexSyncError) -> StepRecord:
    """Return the record of a step that went wrong."""
    return replace(record, state=StepState.FAILED, completed_at=None, error=str(error))


def refused(record: StepRecord, error: PlexSyncError) -> StepRecord:
    """Return the record of a step that Plex will not have."""
    return replace(record, state=StepState.REFUSED, completed_at=None, error=str(error))


def is_current(record: StepRecord, fingerprint: str) -> bool:
    """Return whether a step is done, and what it wrote is what it would write now."""
    return record.state is StepState.COMPLETED and record.fingerprint == fingerprint


class StepBook:
    """The records of the steps, in the state file. Raises sqlite3.Error."""

    def __init__(self, state: State) -> None:
        self._state = state

    def of(self, place: Place) -> dict[str, StepRecord]:
        """Return the records of an item's steps by their names."""
        rows = self._state.connection.execute(
            "SELECT step, state, started_at, completed_at, error, fingerprint, tries FROM steps "
            "WHERE machine = ? AND section = ? AND rating_key = ?",
            (place.machine, place.section, place.rating_key),
        )
        return {row[0]: StepRecord(StepState(row[1]), *row[2:]) for row in rows}

    def put(self, place: Place, name: str, record: StepRecord) -> None:
        """Commit one record."""
        with self._state.transaction() as connection:
            put_all(connection, [(place, name, record)])


def put_all(connection: sqlite3.Connection, entries: Iterable[tuple[Place, str, StepRecord]]) -> None:
    """Write records inside a transaction that has begun, for a batch's worth of them."""
    connection.executemany(
        "INSERT OR REPLACE INTO steps (machine, section, rating_key, step, state, started_at, completed_at, error, "
        "fingerprint, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(place.machine, place.section, place.rating_key, name, record.state.value),
                *(record.started_at, record.completed_at, record.error, record.fingerprint, record.tries),
            )
            for place, name, record in entries
        ],
    )


def run_steps(
    book: StepBook,
    place: Place,
    steps: Sequence[Step],
    now: float,
    known: Mapping[str, StepRecord] | None = None,
) -> list[str]:
    """Bring an item's steps to their end, in order, from where they are; return the names of those that wrote.

    A step that is completed and still current is skipped. Before one writes it
    looks whether the effect is there, as after a kill or a time-out it may be.
    `known`: the records, where they are at hand. Raises the error of the first
    step that fails; the ones behind it stay as they are.
    """
    records = dict(known) if known is not None else book.of(place)
    wrote = []
    for step in steps:
        record = records.get(step.name, StepRecord())
        if is_current(record, step.fingerprint):
            continue
        if step.is_there():
            book.put(place, step.name, completed(record, step.fingerprint, now))
            continue
        if not (record.state is StepState.RUNNING and record.started_at == now):  # else a batch has noted it
            record = begun(record, step.fingerprint, now)
            book.put(place, step.name, record)
        try:
            step.run()
        except PlexSyncError as error:
            book.put(place, step.name, failed(record, error))
            raise
        wrote.append(step.name)
        if not step.confirmed_later:
            book.put(place, step.name, completed(record, step.fingerprint, now))
    return wrote
