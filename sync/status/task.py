"""The task "Show status", for a person who reads Stash's log. Standard library alone."""

from collections.abc import Mapping
from typing import Any

from sync import log
from sync.errors import PlexSyncError
from sync.stash.questions import count_scenes
from sync.status import page, status


def run(server_connection: Mapping[str, Any], data: str) -> str:
    """Write the status to the log; return it in one line."""
    found = gather(server_connection, data)
    for text in reversed(page.page(found)):  # Stash's log page has the newest line first
        (log.error if text in found["troubles"] else log.info)(text)
    return page.summary(found)


def gather(server_connection: Mapping[str, Any], data: str) -> status.Status:
    """Return the status, with how many scenes Stash has (None where it does not say)."""
    found = status.gather(data)
    try:
        found["coverage"]["scenes_in_stash"] = count_scenes(server_connection)
    except PlexSyncError:
        found["coverage"]["scenes_in_stash"] = None  # not known
    return found
