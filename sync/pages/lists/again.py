"""The operations `retry` and `forget`: what becomes of what failed for good, beside a running drain."""

import time
from typing import Any

from sync import data_folder, hook
from sync.errors import SetupError
from sync.pages.lists.failed import cause_in
from sync.pages.operations import Answer, Call
from sync.queue import steer
from sync.queue.outlook import claim_note
from sync.tasks import opened_queue

MOST_SCENES = 10_000  # scenes that one call may name


def retry(call: Call) -> Answer:
    """Queue failed scenes again (args `scenes` or `cause`; neither: all); return how many. Raises SetupError."""
    chosen, now = _chosen(call), time.time()
    with opened_queue(call.data, mends=False) as connection:
        queued = steer.retry_failed(connection, None, now, **chosen)
        ask = claim_note(connection, data_folder.drain_lock(call.data), now) if queued else None
    said = hook.ask_stash(call.connection, data_folder.queue_file(call.data), ask, "what failed") if ask else ""
    return {"queued": queued, "said": said}


def forget(call: Call) -> Answer:
    """Delete dead letters (args `scenes` or `cause`; neither: all); return how many. Raises SetupError."""
    chosen = _chosen(call)
    with opened_queue(call.data, mends=False) as connection:
        return {"forgotten": steer.clear_failed(connection, None, **chosen)}


def _chosen(call: Call) -> dict[str, Any]:
    scenes = call.args.get("scenes")
    are_some = isinstance(scenes, list) and 0 < len(scenes) <= MOST_SCENES
    if scenes is not None and not (are_some and all(type(one) is int and abs(one) < 2**53 for one in scenes)):
        raise SetupError(f"args.scenes is {scenes!r:.100}; accepted: up to {MOST_SCENES} numbers of scenes")
    return {"scenes": scenes, "cause": cause_in(call)}
