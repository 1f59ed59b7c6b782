"""The operations `failed`, `retry` and `forget`: what failed for good, by its cause, and what becomes of it."""

import time
from typing import Any

from sync import data_folder, hook, log
from sync.errors import SetupError
from sync.fast import sqlite3
from sync.hidden_paths import without_paths
from sync.pages.lists.causes import cause_of, error_type_of
from sync.pages.lists.known import files
from sync.pages.table import Answer, Call, limit_in, number_in
from sync.queue import damage, schema, steer
from sync.queue.outlook import claim_note
from sync.status.reading import rows
from sync.status.status import NOT_IN_PLEX

MOST_SCENES = 10_000
"""Scenes that one call may name."""
FIRST = -(2**53)
"""Below every letter's scene; those of damaged rows have negative ones."""


def failed(call: Call) -> Answer:
    """Return the `groups`, the largest first; of args `cause` the `rows` instead, up to `limit` above scene `after`."""
    with files(call.data) as found:
        if found.queue is None:
            return {"groups": [], "rows": [], "next": None, "troubles": found.troubles}
        if call.args.get("cause") is None:
            return {"groups": _groups(found.queue), "troubles": found.troubles}
        limit = limit_in(call.args)
        after = FIRST if call.args.get("after") is None else number_in(call.args, "after")
        letters = _letters(found.queue, str(call.args["cause"]), after, limit + 1)
        more = len(letters) > limit
        shown = [letter | {"message": _clean(letter["message"])} for letter in letters[:limit]]
        return {"rows": shown, "next": shown[-1]["scene_id"] if more else None, "troubles": found.troubles}


def retry(call: Call) -> Answer:
    """Queue failed scenes again (args `scenes` or `cause`; neither: all) and have them tried; return how many.

    Raises SetupError.
    """
    queue_file, drain_lock = data_folder.queue_file(call.data), data_folder.drain_lock(call.data)
    queued = _steer(call, lambda connection, scenes: steer.retry_failed(connection, None, time.time(), scenes))
    said = ""
    if queued:
        connection = schema.connect(queue_file)
        try:
            ask = claim_note(connection, drain_lock, time.time())
        finally:
            connection.close()
        said = hook.ask_stash(call.connection, queue_file, ask, "what failed") if ask else ""
    return {"queued": queued, "said": said}


def forget(call: Call) -> Answer:
    """Delete dead letters (args `scenes` or `cause`; neither: all); return how many. Raises SetupError."""
    return {"forgotten": _steer(call, lambda connection, scenes: steer.clear_failed(connection, None, scenes))}


def _steer(call: Call, change: Any) -> int:
    queue_file = data_folder.queue_file(call.data)
    scenes = call.args.get("scenes")
    if scenes is not None and not _are_scenes(scenes):
        raise SetupError(f"args.scenes is {scenes!r:.100}; accepted: up to {MOST_SCENES} numbers of scenes")
    with files(call.data) as found:
        is_there = found.queue is not None
        if found.queue is not None and scenes is None and call.args.get("cause") is not None:
            scenes = [letter["scene_id"] for letter in _letters(found.queue, str(call.args["cause"]), FIRST, -1)]
    if found.troubles:
        raise SetupError(found.troubles[0])
    if not is_there:
        return 0
    try:
        connection = schema.connect(queue_file)
        try:
            return int(change(connection, scenes))
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise SetupError(damage.why_unusable("queue", queue_file, error)) from None


def _are_scenes(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_SCENES:
        return False
    return all(isinstance(one, int) and not isinstance(one, bool) for one in value)


def _groups(connection: sqlite3.Connection) -> list[Answer]:
    groups: dict[str, Answer] = {}
    # Thousands of scenes may not be in Plex, and all for one cause: they are counted by the index alone.
    marks = ",".join("?" * len(NOT_IN_PLEX))
    newest = "SELECT message FROM plexsync_dead_letters WHERE error_type = ? AND last_at = ? LIMIT 1"
    counts = (
        "SELECT error_type, count(*), max(last_at) FROM plexsync_dead_letters "
        f"WHERE error_type IN ({marks}) GROUP BY error_type"
    )
    for error_type, count, at in rows(connection, counts, NOT_IN_PLEX):
        message = rows(connection, newest, (error_type, at))[0][0]
        groups[error_type] = {"error_type": error_type, "message": message, "latest_at": at, "count": count}
    others = (
        "SELECT error_type, message, last_at FROM plexsync_dead_letters "
        f"WHERE error_type NOT IN ({marks}) ORDER BY last_at"
    )
    for error_type, message, at in rows(connection, others, NOT_IN_PLEX):
        key = cause_of(error_type, message).key
        count = groups[key]["count"] if key in groups else 0
        groups[key] = {"error_type": error_type, "message": message, "latest_at": at, "count": count + 1}
    for group in groups.values():
        cause = cause_of(group["error_type"], group["message"])
        group |= {"cause": cause.key, "does": cause.does, "message": _clean(group["message"])}
    return sorted(groups.values(), key=lambda group: -group["count"])


def _letters(connection: sqlite3.Connection, cause: str, after: int, limit: int) -> list[Answer]:
    """Return the letters of a cause above a scene, by scene; `limit` -1: all."""
    names = ("scene_id", "title", "error_type", "message", "tries", "first_at", "last_at")
    query = (
        f"SELECT {', '.join(names)} FROM plexsync_dead_letters WHERE error_type = ? AND scene_id > ? ORDER BY scene_id"
    )
    found: list[Answer] = []
    for row in rows(connection, query, (error_type_of(cause), after)):
        letter = dict(zip(names, row, strict=True))
        if cause_of(letter["error_type"], letter["message"]).key == cause:
            found.append(letter)
            if len(found) == limit:
                break
    return found


def _clean(message: str) -> str:
    return without_paths(log.redact(message)) if log.hides_paths() else log.redact(message)
