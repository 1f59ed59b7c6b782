"""A hook's request to Stash: run the task "Process queue".

Standard library alone, and imported only by the one hook in many that has to
ask: http.client costs 10 to 20 ms of the time of the person who saves.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sync.stash.address import session_cookie, stash_address

PLUGIN_ID = "PlexSync"
TASK_NAME = "Process queue"
DESCRIPTION = "PlexSync: Process queue (after a save)"
TIMEOUT = 5.0
"""Seconds; Stash answers from memory, and the person who saves waits."""

_CLOCK_SLACK = 60.0  # seconds between our note and Stash's addTime for what is still the same ask
_ALIVE = ("READY", "RUNNING", "STOPPING")


class AskFailedError(Exception):
    """Stash did not take the request; the text says why."""


def ask_for_drain(connection: Mapping[str, Any], trigger: str) -> str:
    """Ask Stash to run "Process queue"; return Stash's job id.

    `trigger` says who asks: a run with one takes what is due, a press of the
    button (no trigger) takes everything. Stash answers as soon as the task is
    queued (`runPluginTask`), from a hook too.
    Raises AskFailedError, SetupError.
    """
    data = _graphql(
        connection,
        "mutation PlexSyncAsk($plugin: ID!, $task: String!, $description: String!, $args: Map!) {"
        " runPluginTask(plugin_id: $plugin, task_name: $task, description: $description, args_map: $args) }",
        {
            "plugin": PLUGIN_ID,
            "task": TASK_NAME,
            "description": DESCRIPTION,
            "args": {"mode": "process_queue", "trigger": trigger},
        },
    )
    return str(data.get("runPluginTask"))


def still_waits(connection: Mapping[str, Any], job_id: str, asked_at: float) -> bool:
    """Return whether the job asked for at `asked_at` (seconds since the epoch) still waits or runs.

    Stash's job ids start at 1 again after a restart, so the description and the
    time have to be ours too. Raises AskFailedError, SetupError.
    """
    data = _graphql(
        connection,
        "query PlexSyncAsked($id: ID!) { findJob(input: {id: $id}) { status description addTime } }",
        {"id": job_id},
    )
    job = data.get("findJob")
    if not isinstance(job, dict) or job.get("status") not in _ALIVE:
        return False
    if job.get("description") != DESCRIPTION:
        return False
    try:
        added_at = datetime.fromisoformat(str(job.get("addTime"))).timestamp()
    except ValueError:
        return False
    return abs(added_at - asked_at) < _CLOCK_SLACK


def _graphql(connection: Mapping[str, Any], query: str, variables: dict[str, Any]) -> dict[str, Any]:
    scheme, host, port = stash_address(connection)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    cookie = session_cookie(connection)
    if cookie:
        # It carries the hooks already visited, which is how Stash breaks loops.
        headers["Cookie"] = f"{cookie[0]}={cookie[1]}"
    body = json.dumps({"query": query, "variables": variables})
    client: http.client.HTTPConnection
    if scheme == "https":
        # Stash's certificate is self-signed as a rule, and this is the Stash that started us.
        client = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl._create_unverified_context())
    else:
        client = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        client.request("POST", "/graphql", body, headers)
        answer = client.getresponse()
        status, raw = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise AskFailedError(f"Stash did not answer ({type(error).__name__})") from None
    finally:
        client.close()
    if status in (401, 403):
        raise AskFailedError(f"Stash refused the plugin's session ({status})")
    try:
        content = json.loads(raw)
    except ValueError:
        content = None
    data = content.get("data") if isinstance(content, dict) else None
    if status != 200 or not isinstance(data, dict) or content.get("errors"):
        raise AskFailedError(f"Stash answered {status} without the data asked for")
    return data
