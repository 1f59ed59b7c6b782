"""The operations `retry` and `forget`: what becomes of what failed for good, beside a running drain."""

import os
import time
from collections.abc import Callable
from typing import Any

from sync import data_folder, hook
from sync.errors import SetupError
from sync.fast import sqlite3
from sync.pages.lists.failed import cause_in
from sync.pages.table import Answer, Call
from sync.queue import schema, steer
from sync.queue.outlook import claim_note
from sync.queue.wake import Ask
from sync.status.reading import trouble_of

MOST_SCENES = 10_000
"""Scenes that one call may name."""


def retry(call: Call) -> Answer:
    """Queue failed scenes again (args `scenes` or `cause`; neither: all) and have them tried; return how many.

    Raises SetupError.
    """
    chosen, drain_lock = _chosen(call), data_folder.drain_lock(call.data)

    def again(connection: sqlite3.Connection) -> tuple[int, Ask | None]:
        now = time.time()
        queued = steer.retry_failed(connection, None, now, **chosen)
        return queued, claim_note(connection, drain_lock, now) if queued else None

    queued, ask = _changed(call.data, again, (0, None))
    queue_file = data_folder.queue_file(call.data)
    said = hook.ask_stash(call.connection, queue_file, ask, "what failed") if ask else ""
    return {"queued": queued, "said": said}


def forget(call: Call) -> Answer:
    """Delete dead letters (args `scenes` or `cause`; neither: all); return how many. Raises SetupError."""
    chosen = _chosen(call)
    return {"forgotten": _changed(call.data, lambda connection: steer.clear_failed(connection, None, **chosen), 0)}


def _chosen(call: Call) -> dict[str, Any]:
    scenes = call.args.get("scenes")
    if scenes is not None and not _are_scenes(scenes):
        raise SetupError(f"args.scenes is {scenes!r:.100}; accepted: up to {MOST_SCENES} numbers of scenes")
    cause = None if call.args.get("cause") is None else cause_in(call)
    return {"scenes": scenes, "cause": cause}


def _are_scenes(value: object) -> bool:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_SCENES:
        return False
    return all(isinstance(one, int) and not isinstance(one, bool) and abs(one) < 2**53 for one in value)


def _changed(data: str, change: Callable[[sqlite3.Connection], Any], nothing: Any) -> Any:
    """Change the queue's file by this; return what came of it, `nothing` where there is no file."""
    queue_file = data_folder.queue_file(data)
    if not os.path.exists(queue_file):
        return nothing
    try:
        connection = schema.connect(queue_file)
        try:
            schema.create(connection)
            return change(connection)
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        raise SetupError(trouble_of("queue", queue_file, error)) from None
