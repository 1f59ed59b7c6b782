"""The status as a page that a person reads, and as JSON. Pure."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict

from sync.queue.batches import LEFT_OUT
from sync.status.status import BatchStatus, Cause, OutageStatus, Status
from sync.worker.circuit_breaker import CircuitState

SHOWN_OUTAGES = 5
"""Outages on the page; the JSON has all that are kept."""
LONGEST_MESSAGE = 300
"""Characters of a failed job's message on the page."""

_OUTCOMES = ("changed", "right", "gone", "left out", "not in Plex", "later", "failed")
_SAID = {"right": "right already", "gone": "gone from Stash", "later": "to be tried again later"}


def as_json(status: Status) -> str:
    """Return the whole status as one JSON object; times in seconds since the epoch, durations in seconds."""
    return json.dumps(asdict(status), ensure_ascii=False)


def summary(status: Status) -> str:
    """Return the status in one line."""
    queue, failed = status.queue, sum(cause.count for cause in status.failed)
    parts = [
        *status.troubles,
        f"{_n(queue.due + queue.waiting + queue.bulk + queue.claimed, 'job')} in the queue",
        f"{failed} failed",
        f"{_n(status.coverage.scenes_synced, 'scene')} synced",
        f"Plex is left alone since {_when(status.breaker.since, status.at)}" if _is_away(status) else "",
    ]
    return "; ".join(part for part in parts if part)


def page(status: Status) -> list[str]:
    """Return the lines of the page."""
    return [
        *status.troubles,
        *_queue(status),
        *_plex(status),
        *_drain(status),
        *_batches(status),
        *_last_day(status),
        *_coverage(status),
        *_failed(status),
        *_outages(status),
    ]


def _queue(status: Status) -> list[str]:
    queue = status.queue
    parts = [
        f"{queue.due} due",
        f"{queue.waiting} to be tried again later" + (f" (the next {_in(queue.next_due_at, status.at)})"),
        f"{queue.bulk} of batches" if queue.bulk else "",
        f"{queue.claimed} at work" if status.drain.running else "",
        f"{queue.claimed} that a stopped run had begun" if queue.claimed and not status.drain.running else "",
    ]
    if not (queue.due or queue.waiting or queue.bulk or queue.claimed):
        return ["Queue: empty"]
    return [f"Queue: {', '.join(part for part in parts if part and not part.startswith('0 '))}"]


def _plex(status: Status) -> list[str]:
    breaker = status.breaker
    if not _is_away(status):
        said = f", {_n(breaker.failures, 'failure')} in a row so far" if breaker.failures else ""
        return [f"Plex: in use (circuit breaker {breaker.state}{said})"]
    return [
        f"Plex: failed again and again and is left alone since {_when(breaker.since, status.at)} "
        f"(circuit breaker {breaker.state}); it is probed once a minute, and the queue goes on when it answers"
    ]


def _drain(status: Status) -> list[str]:
    drain = status.drain
    lines = ["Process queue: runs at this moment"] if drain.running else []
    if drain.stopped_at is not None:
        lines.append(f"Process queue: the last run was stopped or killed {_when(drain.stopped_at, status.at)}")
    if drain.ended_at is None:
        return lines or ["Process queue: has not ended a run yet"]
    how = "ended" if drain.went_well else "could not go on"
    return [*lines, f"Last run: {how} {_when(drain.ended_at, status.at)}: {drain.said}"]


def _batches(status: Status) -> list[str]:
    """The batches that have not ended, and the last one that has."""
    over = [batch for batch in status.batches if batch.completed_at is not None]
    return [_batch(batch, status) for batch in [*(b for b in status.batches if b not in over), *over[:1]]]


def _batch(batch: BatchStatus, status: Status) -> str:
    through = f"{batch.done + batch.failed + batch.skipped} of {_n(batch.total, 'scene')}"
    left_out = batch.found.get(LEFT_OUT, 0)
    parts = {
        "synced": batch.done,
        "right already": batch.skipped - left_out,
        "left out by the settings": left_out,
        "failed": batch.failed,
    }
    counts = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
    libraries = [
        f'"{name}" ' + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        for name, counts in sorted(batch.libraries.items())
    ]
    found = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in batch.found.items() if reason != LEFT_OUT
    )
    said = "; ".join(part for part in (counts, *libraries, f"found {found}" if found else "", batch.error) if part)
    if batch.completed_at is not None:
        ended = f"{batch.status}, ended {_when(batch.completed_at, status.at)}, {_n(batch.total, 'scene')}"
    elif batch.started_at is None:
        ended = f"{batch.status}, has not begun"
    else:
        ended = f"{batch.status}, {through}, {batch.left} left"
        if not status.drain.running:
            how = "by itself" if batch.goes_on_by_itself else 'with its task or "Process queue"'
            ended += f"; it goes on {how}"
    return f"Batch {batch.id}, {batch.title}: {ended}{f' ({said})' if said else ''}"


def _last_day(status: Status) -> list[str]:
    if not status.last_24_hours:
        return ["Last 24 hours: nothing was done"]
    libraries = sorted((name for name in status.last_24_hours if name), key=str.casefold)
    scenes = status.last_24_hours.get("", {})
    return [
        *([f"Last 24 hours, scenes: {_outcomes(scenes)}"] if scenes else []),
        *(f'Last 24 hours, items in "{name}": {_outcomes(status.last_24_hours[name])}' for name in libraries),
    ]


def _outcomes(counts: Mapping[str, int]) -> str:
    known = [name for name in _OUTCOMES if name in counts]
    return ", ".join(f"{counts[name]} {_SAID.get(name, name)}" for name in [*known, *sorted({*counts} - {*known})])


def _coverage(status: Status) -> list[str]:
    found = status.coverage
    missing = [
        f"{_n(found.missing_waiting, 'scene')} waiting for Plex to have the file" if found.missing_waiting else "",
        f"{_n(found.missing_failed, 'scene')} given up because Plex did not have the file"
        if found.missing_failed
        else "",
    ]
    said = "; ".join(part for part in missing if part) or "none is known to be missing from Plex"
    return [
        f"Coverage: {_n(found.scenes_synced, 'scene')} synced, {_n(found.items_held, 'Plex item')} held; {said}",
        *(f'Library "{library.name}": {_n(library.items, "item")} held' for library in status.libraries),
    ]


def _failed(status: Status) -> list[str]:
    total = sum(cause.count for cause in status.failed)
    if not total:
        return ["Failed jobs: none"]
    return [
        f'Failed jobs: {total}. "Retry failed jobs" queues them again when their cause is mended',
        *(line for cause in status.failed for line in _cause(cause, status.at)),
    ]


def _cause(cause: Cause, now: float) -> list[str]:
    return [
        f"{cause.error_type}: {cause.count}",
        *(
            f"- {_scene(one.scene_id, one.title)}, {_when(one.failed_at, now)}: {_cut(one.message)}"
            for one in cause.examples
        ),
    ]


def _scene(scene_id: int, title: str) -> str:
    if scene_id <= 0:
        return "a damaged row"
    return f'Scene {scene_id} "{title}"' if title else f"Scene {scene_id}"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _outages(status: Status) -> list[str]:
    if not status.outages:
        return ["Outages of Plex: none is known"]
    mean = status.mean_time_to_recovery
    said = "" if mean is None else f", over after {_duration(mean)} on average"
    return [
        f"Outages of Plex: {len(status.outages)}{said}",
        *(f"- {_outage(one)}" for one in status.outages[:SHOWN_OUTAGES]),
    ]


def _outage(one: OutageStatus) -> str:
    if one.ended_at is None:
        return f"since {clock(one.began_at)}, for {_duration(one.seconds)} so far"
    return f"from {clock(one.began_at)} to {clock(one.ended_at)}, {_duration(one.seconds)}"


def _is_away(status: Status) -> bool:
    return status.breaker.state != CircuitState.CLOSED.value


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def clock(at: float) -> str:
    """A moment as the clock on the wall shows it; one that no clock shows is a number."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"


def _when(at: float | None, now: float) -> str:
    if at is None:
        return "an unknown time"
    return f"{clock(at)} ({_duration(now - at)} ago)" if at <= now else clock(at)


def _in(at: float | None, now: float) -> str:
    return "at an unknown time" if at is None else f"in {_duration(max(0.0, at - now))}"


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return _n(round(seconds), "second")
