"""Which scenes a batch looks at: a page at a time, by id, so that a stop or a deleted scene moves nothing.

Raises the errors of `stash/exceptions.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sync.model import Scene
from sync.queue.batch import CHANGE, RECONCILE, SCOPES, SYNC_RECENT, Batch
from sync.worker.run import Run

PAGE = 200  # scenes that are looked at together
_IDS = 1_000  # scenes of which only the number is asked for, in one request
_ZONES = 15 * 3600.0
"""Seconds. Stash compares times as text, in the time zone they were written in: what lies this much before may be
later on our clock."""


@dataclass(frozen=True, slots=True)
class Page:
    """Scenes that come next, and how far they reach."""

    scenes: list[Scene]
    cursor: int  # every scene up to this id has been looked at with this page
    is_last: bool


def total_of(run: Run, batch: Batch) -> int:
    """Return how many scenes a batch is about; of a change the most it can be."""
    since = since_of(batch)
    if batch.kind == CHANGE and since is None:
        most = max(run.stash.count_scenes(where) for where in _filters(run, batch.args))
        return max(most, run.state.count_naming(_ref(batch.args)))
    if since is None:
        return run.stash.count_scenes({})
    count, after = 0, 0
    while True:
        found = run.stash.scene_ids(after, _IDS, _changed_since(since))
        count += sum(_is_since(at, since) for _, at in found)
        if len(found) < _IDS:
            return count
        after = found[-1][0]


def page_of(run: Run, batch: Batch) -> Page:
    """Return the scenes that come after the batch's cursor."""
    since, after = since_of(batch), batch.cursor
    if since is not None:
        return _page_since(run, since, after)
    if batch.kind == CHANGE:
        return _having(run, batch.args, after)
    scenes = run.stash.scene_page(after, PAGE)
    last = max((scene.id for scene in scenes), default=after)
    return Page(scenes, last, len(scenes) < PAGE or last <= after)


def _page_since(run: Run, since: float, after: int) -> Page:
    found = run.stash.scene_ids(after, PAGE, _changed_since(since))
    last = found[-1][0] if found else after
    return _read(run, [number for number, at in found if _is_since(at, since)], last, len(found) < PAGE)


def _having(run: Run, args: Mapping[str, Any], after: int) -> Page:
    """Return scenes that have a performer, studio, tag or group now, or had it when they were synced: Stash no
    longer knows what had a deleted one."""
    lists = [[number for number, _ in run.stash.scene_ids(after, PAGE, where)] for where in _filters(run, args)]
    lists.append(run.state.scenes_naming(_ref(args), after, PAGE))
    numbers = sorted({number for one in lists for number in one})
    is_last = len(numbers) <= PAGE and all(len(one) < PAGE for one in lists)
    numbers = numbers[:PAGE]
    return _read(run, numbers, max(numbers, default=after), is_last)


def _read(run: Run, numbers: Sequence[int], cursor: int, is_last: bool) -> Page:
    read = run.stash.scenes(list(numbers))
    return Page([read[number] for number in numbers if number in read], cursor, is_last)


def _filters(run: Run, args: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    number, entity = str(args.get("id")), args.get("entity")
    one: dict[str, Any] = {"value": [number], "modifier": "INCLUDES"}
    if entity == "performer":
        return [{"performers": one}]
    if entity == "studio":
        return [{"studios": {**one, "depth": 1}}]  # with the scenes whose parent studio it is
    if entity == "group":
        return [{"groups": one}]
    return [{"tags": one}, {"performer_tags": one}] if run.settings.sync_performer_tags else [{"tags": one}]


def since_of(batch: Batch) -> float | None:
    """Return from when on scenes are looked at, in seconds since the epoch; None: all."""
    if batch.kind == SYNC_RECENT:
        days: float | None = float(batch.args.get("days", 1))
    elif batch.kind == RECONCILE:
        days = SCOPES.get(str(batch.args.get("scope")))
    else:
        return batch.args.get("since")
    # From the press on: it may have waited for Plex since. Stash writes whole seconds.
    return None if days is None else math.floor(batch.created_at - days * 86_400)


def _changed_since(since: float) -> dict[str, Any]:
    from_then = datetime.fromtimestamp(max(0.0, since - _ZONES), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"updated_at": {"value": from_then, "modifier": "GREATER_THAN"}}


def _is_since(at: float | None, since: float) -> bool:
    return at is None or at >= since


def _ref(args: Mapping[str, Any]) -> str:
    return f"{args.get('entity')} {args.get('id')}"
