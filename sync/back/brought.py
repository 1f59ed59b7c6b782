"""The note of what came back from Plex, in the history of changes and the statistics."""

import time

from sync import log
from sync.model import ItemRecord, Scene
from sync.state.state import State
from sync.state.writes import BROUGHT, IN_STASH, put_written


def note_brought(state: State, scene: Scene, place: ItemRecord, said: str, reason: str = "", many: int = 1) -> None:
    """Note what a scene got from an item, and count it by its reason, a key of `BROUGHT`. Raises sqlite3.Error."""
    row = (scene.id, log.redact(scene.name), IN_STASH, place.section, place.rating_key, said)
    with state.transaction() as connection:
        put_written(connection, [row], time.time())
    if reason:
        state.count({("", BROUGHT[reason]): many}, time.time())
