"""The operations `coverage` and `coverage_list`: how much of Stash is in Plex, and the scenes of each part."""

import json
from collections.abc import Collection
from typing import Any

from sync import log
from sync.errors import PlexSyncError, SetupError
from sync.pages.operations import Answer, Call, limit_in, number_in
from sync.queue import schema
from sync.queue.dead_letters import NOT_IN_PLEX
from sync.stash.questions import count_scenes, scene_ids_below
from sync.state.writes import LEFT_OUT
from sync.state.writes import NOT_IN_PLEX as LACKING
from sync.status.reading import Files, files, libraries

PARTS = ("waiting", "failed", "not_in_plex", "left_out", "in_plex", "never")  # a scene is in one of them alone
ASKED = 1_000  # scenes that Stash is asked for at once, in search of those that were never looked at
QUESTIONS = 5  # times that it is asked for one page of them


def coverage(call: Call) -> Answer:
    """Return the `total` of scenes in Stash (None: it does not say), how many are in which of the `parts`, and the
    `libraries` with their items. The parts add up to the total."""
    try:
        total: int | None = count_scenes(call.connection)
    except PlexSyncError:
        total = None
    with files(call.data) as found:
        told = {name: len(some) for name, some in _parts(found).items()} | {"never": 0}
        if total is not None:
            left = total
            for name in PARTS[:-1]:  # what was deleted in Stash while nobody told is none of its scenes
                told[name] = min(told[name], left)
                left -= told[name]
            told["never"] = left
        shown = libraries(found.state)
    return {"total": total, "parts": told, "libraries": shown, "troubles": found.troubles}


def coverage_list(call: Call) -> Answer:
    """Return up to args `limit` scenes of args `part` behind the scene `after`; `next`: where to go on (None: the end).

    By their ids; those that were "never" looked at from the newest on. Raises SetupError, StashTemporaryError.
    """
    part, limit = str(call.args.get("part")), limit_in(call.args)
    after = None if call.args.get("after") is None else number_in(call.args, "after")
    if part not in PARTS:
        raise SetupError(f"args.part is {call.args.get('part')!r:.50}; accepted: {', '.join(PARTS)}")
    with files(call.data) as found:
        parts = _parts(found)
        if part == "never":
            known = set[int]().union(*parts.values())
            return _never(call, known, after, limit) | {"troubles": found.troubles}
        scenes = sorted(number for number in parts[part] if number > (after or 0))[: limit + 1]
        told = [_told(found, number, part) for number in scenes[:limit]]
    following = scenes[limit - 1] if len(scenes) > limit else None
    return {"scenes": told, "next": following, "troubles": found.troubles}


def _parts(found: Files) -> dict[str, set[int]]:
    waiting, failed, missing = set[int](), set[int](), set[int]()
    for status in (schema.WAITING, f"status = {schema.CLAIMED}"):
        waiting |= found.queue.ids(f"SELECT DISTINCT {schema.SCENE} AS id FROM `{schema.JOBS}` WHERE {status}")
    # By the class of error, as the index has them: 100,000 letters are not read.
    letters = "SELECT error_type, json_group_array(scene_id) FROM plexsync_dead_letters GROUP BY error_type"
    for error_type, text in found.queue.rows(letters):
        (missing if error_type in NOT_IN_PLEX else failed).update(json.loads(text))
    failed = {number for number in failed - waiting if number > 0}  # damaged rows have negative numbers
    missing -= waiting
    # A letter tells of a later look than what was noted before it.
    noted = "SELECT scene_id AS id FROM left_out WHERE kind = ?"
    lacking = found.state.ids(noted, (LACKING,)) - waiting - failed
    left_out = found.state.ids(noted, (LEFT_OUT,)) - waiting - failed - missing
    parts = {"waiting": waiting, "failed": failed, "not_in_plex": missing | lacking, "left_out": left_out}
    synced = found.state.ids("SELECT scene_id AS id FROM scenes")
    return parts | {"in_plex": synced.difference(*parts.values())}


def _never(call: Call, known: Collection[int], below: int | None, limit: int) -> Answer:
    scenes: list[int] = []
    for _ in range(QUESTIONS):
        some = scene_ids_below(call.connection, below, ASKED)
        scenes += [number for number in some if number not in known]
        below = some[-1] if len(some) == ASKED else None
        if below is None or len(scenes) > limit:
            break
    if len(scenes) > limit:
        below = scenes[limit - 1]
    return {"scenes": [{"scene_id": one} for one in scenes[:limit]], "next": below}


def _told(found: Files, number: int, part: str) -> dict[str, Any]:
    told: dict[str, Any] = {"scene_id": number}
    if part in ("left_out", "not_in_plex", "failed"):
        letter = "SELECT message AS reason, last_at AS at, error_type FROM plexsync_dead_letters WHERE scene_id = ?"
        noted = "SELECT reason, at FROM left_out WHERE scene_id = ?"
        why = found.queue.record(letter, (number,)) or found.state.record(noted, (number,)) or {"reason": ""}
        return told | why | {"reason": log.redact(why["reason"])}
    if part == "in_plex":
        told |= found.state.record("SELECT synced_at AS at FROM scenes WHERE scene_id = ?", (number,)) or {}
    return told
