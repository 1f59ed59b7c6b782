"""A queue row as a value."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sync.errors import PermanentError

LOOK_AGAIN = "look_again"  # the update_type of a job that holds an item once more against its scene


class UnreadableJobError(PermanentError):
    """A row that is no job: damaged, or of a version that this one does not know."""


@dataclass(frozen=True, slots=True)
class Job:
    """A scene that is due. Times in seconds since the epoch."""

    scene_id: int
    update_type: str = "scene_update"
    enqueued_at: float = 0.0
    retry_count: int = 0
    next_retry_at: float | None = None
    last_error_type: str | None = None
    first_failed_at: float | None = None
    batch_id: str | None = None
    early: bool = False  # a person wanted it tried before its time: such a try is not counted

    @property
    def job_key(self) -> str:
        """What rows of the same scene share."""
        return f"scene_{self.scene_id}"

    @property
    def is_fresh(self) -> bool:
        """Whether nobody has tried it yet."""
        return not self.retry_count and self.next_retry_at is None

    def to_row(self) -> dict[str, Any]:
        """Return what persist-queue keeps as JSON; what is not set is left out, as the hook leaves it out."""
        always = ("scene_id", "update_type", "job_key", "enqueued_at")
        later = ("retry_count", "next_retry_at", "last_error_type", "first_failed_at", "batch_id", "early")
        row = {name: getattr(self, name) for name in (*always, *later)}
        return {name: value for name, value in row.items() if name in always or value not in (None, 0, False)}

    def later(self, *, retry_count: int, at: float, error: BaseException, now: float | None = None) -> "Job":
        """Return the job as it waits for a later try, after a failure at `now`."""
        return replace(
            self,
            retry_count=retry_count,
            next_retry_at=at,
            last_error_type=type(error).__name__,
            first_failed_at=now if self.first_failed_at is None else self.first_failed_at,
            early=False,
        )


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """The rows of one scene that a run owns: those that were there before it read the scene.

    Rows that come later are another job, which this run never acknowledges.
    """

    job: Job  # the newest row; its count is 0 when a save came after the last failure
    row_ids: tuple[int, ...]
    batches: tuple[str, ...] = ()  # the batches that some of the rows belong to

    @property
    def scene_id(self) -> int:
        """The scene these rows name."""
        return self.job.scene_id


@dataclass(frozen=True, slots=True)
class Change:
    """A performer, studio, tag or group that was changed, merged or deleted."""

    entity: str  # one of `ENTITIES`
    entity_id: int

    def to_args(self) -> dict[str, Any]:
        """Return what the batch that is made of it is started with."""
        return {"entity": self.entity, "id": self.entity_id}


ENTITIES = ("performer", "studio", "tag", "group")


def read_change(data: object) -> Change:
    """Return the change that a row's data tells of; raises UnreadableJobError."""
    row = _read(data)
    entity = row.get("entity")
    if entity not in ENTITIES:
        raise UnreadableJobError(f"a queue row has entity {entity!r:.50}; accepted: {', '.join(ENTITIES)}")
    return Change(entity, _id_in(row, "entity_id"))


def read_job(data: object) -> Job:
    """Return the job of a row's data; raises UnreadableJobError."""
    row = _read(data)
    return Job(
        scene_id=_id_in(row, "scene_id"),
        update_type=str(row.get("update_type") or "scene_update"),
        enqueued_at=_number(row.get("enqueued_at")),
        retry_count=max(0, int(_number(row.get("retry_count")))),
        next_retry_at=_number(row.get("next_retry_at")) or None,
        last_error_type=row.get("last_error_type"),
        first_failed_at=_number(row.get("first_failed_at")) or None,
        batch_id=None if row.get("batch_id") is None else str(row["batch_id"]),
        early=row.get("early") is True,
    )


def _read(data: object) -> Mapping[str, Any]:
    if not isinstance(data, (bytes, str)):
        raise UnreadableJobError("a queue row holds no text")
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        raise UnreadableJobError("a queue row is no JSON") from None
    if not isinstance(row, Mapping):
        raise UnreadableJobError("a queue row is no JSON object")
    return row


def _id_in(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise UnreadableJobError(f"a queue row has {name} {value!r:.50}; accepted: a whole number above 0")
    return value


def _number(value: object) -> float:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if fits else 0.0  # type: ignore[arg-type]
