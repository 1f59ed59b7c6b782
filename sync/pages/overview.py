"""The operation `status`: how PlexSync is doing, and in one word what a person should know first."""

import contextlib
from collections.abc import Mapping
from typing import Any

from sync import tasks
from sync.bulk.args import is_on
from sync.errors import PlexSyncError
from sync.pages.operations import Answer, Call
from sync.queue.dead_letters import NOT_IN_PLEX
from sync.stash.questions import jobs, plugin_settings
from sync.status import status as status_of
from sync.worker.circuit_breaker import CircuitState

TASKS = (
    *("Process queue", "Sync all scenes", "Sync recent scenes", "Reconcile", "Bring back from Plex"),
    *("Check setup", "Show status", "Retry failed jobs"),
)
"""What Stash calls our tasks where a person starts them; as in PlexSync.yml."""
_TASK = "Running plugin task: "
"""What Stash puts before the name of a plugin's task (internal/manager, RunPluginTask)."""


def status(call: Call) -> Answer:
    """Return everything that `status.gather_with_total` gives, with Stash's jobs, and `state`; see `state_of`."""
    found = status_of.gather_with_total(call.connection, call.data)
    found["jobs"] = []
    with contextlib.suppress(PlexSyncError):
        found["jobs"] = [_job(job) for job in jobs(call.connection)]
    return found | state_of(found)


def wake(call: Call) -> Answer:
    """Ask for a drain where work waits that nobody else would wake, and return what was `said`.

    With it `needs_look` (the dot in Stash's navigation), and the setting `mark_scenes`.
    """
    panel: dict[str, Any] = {}
    marks = False
    with contextlib.suppress(PlexSyncError):
        panel = plugin_settings(call.connection)
        marks = is_on("mark_scenes", panel.get("mark_scenes"))
    said = tasks.wake_up(call.connection, call.data, panel)
    found = status_of.gather(call.data)
    return {"said": said, "needs_look": state_of(found | {"jobs": []})["needs_look"], "mark_scenes": marks}


def state_of(found: Mapping[str, Any]) -> Answer:
    """Return the `state` of the whole in a word, `waiting` (jobs that wait) and `needs_look` (things to see to). Pure.

    - `trouble`: a file of PlexSync's cannot be read, see `troubles`.
    - `away`: Plex has failed again and again since `breaker.since`.
    - `halted`: the last run could not go on, see `drain.said`.
    - `working`: a run is at work.
    - `blocked`: work waits while Stash is busy with `busy_with`.
    - `look`: scenes failed. `new`: nothing was ever synced. `waiting`: scenes wait. `well`: nothing is to be done.
    """
    queue, drain = found["queue"], found["drain"]
    waiting = queue["due"] + queue["waiting"] + queue["bulk"] + (0 if drain["running"] else queue["claimed"])
    failed = sum(cause["count"] for cause in found["failed"] if cause["error_type"] not in NOT_IN_PLEX)
    missing = sum(cause["count"] for cause in found["failed"]) - failed
    is_halted = drain["ended_at"] is not None and not drain["went_well"] and not drain["running"]
    others = [job for job in found["jobs"] if not job["ours"] and job["status"] == "RUNNING"]
    is_away = found["breaker"]["state"] != CircuitState.CLOSED.value
    is_new = drain["ended_at"] is None and not found["coverage"]["scenes_synced"]
    states = {
        "trouble": bool(found["troubles"]),
        "away": is_away,
        "halted": is_halted,
        "working": drain["running"],
        "blocked": bool(others and queue["due"]),
        "look": bool(failed or missing),
        "waiting": bool(waiting),
        "new": is_new,
    }
    return {
        "state": next((name for name, is_so in states.items() if is_so), "well"),
        "waiting": waiting,
        "failed_scenes": failed,
        "missing_scenes": missing,
        "needs_look": len(found["troubles"]) + int(is_halted and not is_away) + failed + missing,
        "busy_with": others[0]["description"] if others else "",
    }


def _job(job: Mapping[str, Any]) -> Answer:
    description = str(job.get("description") or "").removeprefix(_TASK)
    return {
        "id": str(job.get("id")),
        "status": str(job.get("status")),
        "description": description,
        "progress": job.get("progress"),
        "ours": description in TASKS or description.startswith("PlexSync: "),
    }
