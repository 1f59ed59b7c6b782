"""The operations `coverage` and `coverage_list`: how much of Stash is in Plex, and the scenes of each part."""

from typing import Any

from sync.errors import PermanentError, SetupError
from sync.pages.lists.known import Files, Parts, count_synced, files, ids, parts_of
from sync.pages.table import Answer, Call, limit_in, number_in
from sync.stash.ask import AskFailedError, count_scenes, scene_ids_above
from sync.stash.exceptions import StashTemporaryError
from sync.status.reading import rows
from sync.status.status import libraries

PARTS = ("in_plex", "waiting", "not_in_plex", "left_out", "failed", "never")
ASKED = 1_000
"""Scenes that Stash is asked for at once, in search of those that were never looked at."""
QUESTIONS = 20
"""Times that it is asked for one page of them."""


def coverage(call: Call) -> Answer:
    """Return the `total` of scenes in Stash (None: it does not say), how many are in which of the `parts`, and the
    `libraries` with their items."""
    try:
        total: int | None = count_scenes(call.connection)
    except (AskFailedError, PermanentError):
        total = None
    with files(call.data) as found:
        parts = parts_of(found)
        others = parts.all
        synced = count_synced(found, others)
        told = {name: len(some) for name, some in parts._asdict().items()}
        if total is not None:  # what was deleted in Stash while nobody told is none of its scenes
            synced = min(synced, max(0, total - len(others)))
        told |= {"in_plex": synced, "never": max(0, (total or 0) - synced - len(others))}
        shown = libraries(found.state) if found.state else []
        return {"total": total, "parts": told, "libraries": shown, "troubles": found.troubles}


def coverage_list(call: Call) -> Answer:
    """Return up to args `limit` scenes of args `part` above the scene `after`; `next` is where to go on, None: the end.

    Raises SetupError, and StashTemporaryError where Stash has to be asked and does not answer.
    """
    part, limit = call.args.get("part"), limit_in(call.args)
    after = 0 if call.args.get("after") is None else number_in(call.args, "after")
    if part not in PARTS:
        raise SetupError(f"args.part is {part!r:.50}; accepted: {', '.join(PARTS)}")
    with files(call.data) as found:
        parts = parts_of(found)
        if part == "never":
            return _never(call, found, parts, after, limit)
        if part == "in_plex":
            scenes = _synced(found, parts.all, after, limit + 1)
        else:
            scenes = sorted(number for number in getattr(parts, str(part)) if number > after)[: limit + 1]
        more = len(scenes) > limit
        told = [_told(found, number, str(part)) for number in scenes[:limit]]
        return {"scenes": told, "next": scenes[limit - 1] if more else None}


def _synced(found: Files, but: set[int], after: int, limit: int) -> list[int]:
    scenes: list[int] = []
    query = "SELECT scene_id FROM scenes WHERE scene_id > ? ORDER BY scene_id LIMIT ?"
    while len(scenes) < limit:
        some = [row[0] for row in rows(found.state, query, (after, ASKED))]
        scenes += [number for number in some if number not in but]
        if len(some) < ASKED:
            break
        after = some[-1]
    return scenes[:limit]


def _never(call: Call, found: Files, parts: Parts, after: int, limit: int) -> Answer:
    scenes: list[int] = []
    known = parts.all
    for _ in range(QUESTIONS):
        try:
            some = scene_ids_above(call.connection, after, ASKED)
        except AskFailedError as error:
            raise StashTemporaryError(f"Stash did not answer its own plugin: {error}") from None
        between = (after, max(some, default=0))
        synced = ids(found.state, "SELECT scene_id FROM scenes WHERE scene_id > ? AND scene_id <= ?", between)
        for number in some:
            if number not in known and number not in synced:
                scenes.append(number)
                if len(scenes) == limit:
                    return {"scenes": [{"scene_id": one} for one in scenes], "next": number}
        if len(some) < ASKED:
            return {"scenes": [{"scene_id": one} for one in scenes], "next": None}
        after = some[-1]
    return {"scenes": [{"scene_id": one} for one in scenes], "next": after}


def _told(found: Files, number: int, part: str) -> dict[str, Any]:
    told: dict[str, Any] = {"scene_id": number}
    if part in ("left_out", "not_in_plex", "failed"):
        letter = "SELECT message, last_at, error_type FROM plexsync_dead_letters WHERE scene_id = ?"
        for message, at, error_type in rows(found.queue, letter, (number,)):
            return told | {"reason": message, "at": at, "error_type": error_type}
        noted = "SELECT reason, at FROM left_out WHERE scene_id = ?"
        for reason, at in rows(found.state, noted, (number,)):
            return told | {"reason": reason, "at": at}
    if part == "in_plex":
        for (at,) in rows(found.state, "SELECT synced_at FROM scenes WHERE scene_id = ?", (number,)):
            told["at"] = at
    return told
