"""The plugin's settings in Stash. Standard library alone.

Stash's `configurePlugin` replaces the whole map. So each writer reads what is there, under a lock over all
processes of PlexSync, and puts its changes on top.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from sync.errors import SetupError
from sync.lock import FileLock
from sync.stash.exceptions import StashTemporaryError
from sync.stash.questions import plugin_settings, put_plugin_settings

LOCK = "panel.lock"  # in the data folder: held by the one who writes the settings
WAIT = 10.0  # seconds for which a writer waits for another; each takes some milliseconds


def save(
    connection: Mapping[str, Any],
    data: str,
    changes: Mapping[str, Any],
    lacking: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {},
) -> dict[str, Any]:
    """Put changes, and what is `lacking` then, on top of what Stash holds by now; return it. Raises PlexSyncError."""
    lock = FileLock(os.path.join(data, LOCK))
    try:
        if not lock.acquire(WAIT):
            # Temporary, so that a run that cannot fill in defaults comes back by itself.
            raise StashTemporaryError("The settings were not saved: another PlexSync holds them too long. Try again")
    except OSError as error:
        raise SetupError(f"The settings were not saved: PlexSync's data folder fails ({error.strerror})") from None
    try:
        panel = plugin_settings(connection)
        changed = {**panel, **lacking({**panel, **changes}), **changes}
        if changed != panel:
            put_plugin_settings(connection, changed)
        return changed
    finally:
        lock.release()
