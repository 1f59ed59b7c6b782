"""The status as a person reads it. Pure."""

import time
from collections.abc import Mapping
from typing import Any

from sync.ending import counted
from sync.queue.batch import COMPLETED, LATER, LEFT_OUT
from sync.state.writes import BROUGHT, brought_in_words
from sync.status.status import Status
from sync.worker.circuit_breaker import CircuitState

SHOWN_OUTAGES = 5  # outages on the page; the JSON has all that are kept
LONGEST_MESSAGE = 300  # characters of a failed job's message on the page

_OUTCOMES = {"right": "right already", "gone": "gone from Stash", "later": "to be tried again later"}
"""What is counted -> how the page names it; all else by its own name."""


def summary(status: Status) -> str:
    """Return the status in one line."""
    queue, breaker = status["queue"], status["breaker"]
    parts = [
        *status["troubles"],
        f"{counted(sum(queue[name] for name in ('due', 'waiting', 'bulk', 'claimed')), 'job')} in the queue",
        f"{sum(cause['count'] for cause in status['failed'])} failed",
        f"{counted(status['coverage']['scenes_synced'], 'scene')} synced",
    ]
    if breaker["state"] != CircuitState.CLOSED.value:
        parts.append(f"Plex is left alone since {_when(breaker['since'], status['at'])}")
    return "; ".join(parts)


def page(status: Status) -> list[str]:
    """Return the lines of the page."""
    parts = (_queue, _plex, _drain, _batches, _last_day, _coverage, _failed, _outages)
    return [*status["troubles"], *(line for part in parts for line in part(status))]


def failed_job(letter: Mapping[str, Any]) -> str:
    """Return a line about a dead letter, as `status.failed_jobs` gives it."""
    tries = f"{counted(letter['tries'], 'try')}".replace("trys", "tries")
    return f"{_scene(letter)}, {letter['error_type']}, {tries}, {clock(letter['last_at'])}: {letter['message']}"


def clock(at: float) -> str:
    """A moment as the clock on the wall shows it; one that no clock shows is a number."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"


def _queue(status: Status) -> list[str]:
    queue, is_running = status["queue"], status["drain"]["running"]
    wait = max(0.0, (queue["next_due_at"] or 0.0) - status["at"])
    parts = [
        (queue["due"], "due"),
        (queue["waiting"], f"to be tried again later (the next in {_duration(wait)})"),
        (queue["bulk"], "of batches"),
        (queue["claimed"], "at work" if is_running else "that a stopped run had begun"),
    ]
    return ["Queue: " + (", ".join(f"{count} {what}" for count, what in parts if count) or "empty")]


def _plex(status: Status) -> list[str]:
    breaker = status["breaker"]
    if breaker["state"] != CircuitState.CLOSED.value:
        return [
            f"Plex: failed again and again and is left alone since {_when(breaker['since'], status['at'])}. It is "
            "asked once a minute, and the queue goes on by itself when it answers"
        ]
    if breaker["failures"]:
        return [f"Plex: has failed {breaker['failures']} times in a row; the queue tries again by itself"]
    if status["drain"]["ended_at"] is None:
        return ["Plex: nothing was asked of it yet"]
    return ["Plex: see the last run" if not status["drain"]["went_well"] else "Plex: answered in the last run"]


def _drain(status: Status) -> list[str]:
    drain, at = status["drain"], status["at"]
    lines = ["Process queue: runs at this moment"] if drain["running"] else []
    if drain["stopped_at"] is not None:
        lines.append(f"Process queue: the last run was stopped or killed {_when(drain['stopped_at'], at)}")
    if drain["ended_at"] is None:
        return lines or ["Process queue: has not ended a run yet"]
    how = "ended" if drain["went_well"] else "could not go on"
    return [*lines, f"Last run: {how} {_when(drain['ended_at'], at)}: {drain['said']}"]


def _batches(status: Status) -> list[str]:
    unfinished = [batch for batch in status["batches"] if batch["completed_at"] is None]
    over = [batch for batch in status["batches"] if batch["completed_at"] is not None]
    return [_batch(batch, status) for batch in (*unfinished, *over[:1])]


def _batch(batch: Status, status: Status) -> str:
    done, failed, skipped, total = (batch[name] for name in ("done", "failed", "skipped", "total"))
    left_out, later = (batch["found"].get(reason, 0) for reason in (LEFT_OUT, LATER))
    parts = {
        "synced": done,
        "right already": skipped - left_out - later,
        "left out by the settings": left_out,
        "to be tried again later": later,
        "failed": failed,
    }
    said = [", ".join(f"{count} {what}" for what, count in parts.items() if count)]
    for name, counts in sorted(batch["libraries"].items()):
        said.append(f'"{name}" ' + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    found = [f"{count} {reason.replace('_', ' ')}" for reason, count in batch["found"].items()]
    found = [text.replace("plex", "Plex") for text in found if not text.endswith((" left out", " later"))]
    said.append("found " + ", ".join(found) if found else "")
    said = [part for part in (*said, batch["error"]) if part]
    if batch["completed_at"] is not None:
        is_whole = batch["status"] == COMPLETED
        how = f"{'complete' if is_whole else 'ended, not complete'} {_when(batch['completed_at'], status['at'])}"
        how += f", {counted(total, 'scene')}"
    elif batch["started_at"] is None:
        how = "has not begun"
    else:
        is_running = status["drain"]["running"]
        how = f"{'at work' if is_running else 'stopped'}, {done + failed + skipped} of {counted(total, 'scene')}"
        how += f", {batch['left']} left"
        if not is_running:
            wakes = "by itself" if batch["goes_on_by_itself"] else 'with its task or "Process queue"'
            how += f"; it goes on {wakes}"
    detail = f" ({'; '.join(said)})" if said else ""
    return f"Batch {batch['id']}, {batch['title']}: {how}{detail}"


def _last_day(status: Status) -> list[str]:
    day = status["last_24_hours"]
    if not day:
        return ["Last 24 hours: nothing was done"]
    lines = []
    for name in sorted(day, key=str.casefold):  # '' stands for scenes, and comes first
        what = f'items in "{name}"' if name else "scenes"
        if counts := {outcome: count for outcome, count in day[name].items() if outcome not in BROUGHT.values()}:
            said = ", ".join(f"{count} {_OUTCOMES.get(name, name)}" for name, count in counts.items())
            lines.append(f"Last 24 hours, {what}: {said}")
    counts = {kind: day.get("", {}).get(outcome, 0) for kind, outcome in BROUGHT.items()}
    if any(counts.values()):
        told = ", ".join(brought_in_words(kind, count) for kind, count in counts.items() if count)
        lines.append(f"Last 24 hours, brought from Plex to Stash: {told}")
    return lines


def _coverage(status: Status) -> list[str]:
    found = status["coverage"]
    waiting, failed = found["missing_waiting"], found["missing_failed"]
    missing = [f"{counted(waiting, 'scene')} waiting for Plex to have the file"] if waiting else []
    missing += [f"{counted(failed, 'scene')} given up because Plex did not have the file"] if failed else []
    said = "; ".join(missing) or "none is known to be missing from Plex"
    synced, total = found["scenes_synced"], found.get("scenes_in_stash")
    of_all = (
        counted(synced, "scene") if total is None else f"{min(synced, total)} of {counted(total, 'scene')} in Stash"
    )
    libraries = [f'Library "{one["name"]}": {counted(one["items"], "item")} of scenes' for one in status["libraries"]]
    return [f"In Plex: {of_all}, as {counted(found['items_held'], 'Plex item')}; {said}", *libraries]


def _failed(status: Status) -> list[str]:
    total = sum(cause["count"] for cause in status["failed"])
    if not total:
        return ["Failed jobs: none"]
    lines = [f'Failed jobs: {total}. "Retry failed jobs" queues them again when their cause is mended']
    for cause in status["failed"]:
        lines.append(f"{cause['error_type']}: {cause['count']}")
        for one in cause["examples"]:
            message = one["message"]
            cut = message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
            lines.append(f"- {_scene(one)}, {_when(one['failed_at'], status['at'])}: {cut}")
    return lines


def _scene(letter: Mapping[str, Any]) -> str:
    number, title = letter["scene_id"], letter["title"]
    if number <= 0:
        return "a damaged row"
    return f'Scene {number} "{title}"' if title else f"Scene {number}"


def _outages(status: Status) -> list[str]:
    if not status["outages"]:
        return ["Outages of Plex: none is known"]
    mean = status["mean_time_to_recovery"]
    said = "" if mean is None else f", over after {_duration(mean)} on average"
    lines = [f"Outages of Plex: {len(status['outages'])}{said}"]
    for one in status["outages"][:SHOWN_OUTAGES]:
        began, lasted = clock(one["began_at"]), _duration(one["seconds"])
        if one["ended_at"] is None:
            lines.append(f"- since {began}, for {lasted} so far")
        else:
            lines.append(f"- from {began} to {clock(one['ended_at'])}, {lasted}")
    return lines


def _when(at: float, now: float) -> str:
    return f"{clock(at)} ({_duration(now - at)} ago)" if at <= now else clock(at)


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}s"
    return counted(round(seconds), "second")
