"""The task "Show status": for a page or a script as JSON, for a person in Stash's log. Standard library alone."""

import json
from collections.abc import Mapping
from typing import Any

from sync import log
from sync.errors import PermanentError
from sync.stash.ask import AskFailedError, count_scenes
from sync.status import page, status


def run(server_connection: Mapping[str, Any], data: str, *, is_logged: bool) -> str:
    """Return the status as JSON; where it `is_logged`, it goes to the log and comes back in one line."""
    found = status.gather(data)
    try:
        found["coverage"]["scenes_in_stash"] = count_scenes(server_connection)
    except (AskFailedError, PermanentError):
        found["coverage"]["scenes_in_stash"] = None  # not known
    if not is_logged:
        return json.dumps(found, ensure_ascii=False)
    for text in reversed(page.page(found)):  # Stash's log page has the newest line first
        (log.error if text in found["troubles"] else log.info)(text)
    return page.summary(found)
