"""The operations `scene`, `marks` and `sync_scene`: what is known of single scenes, and having one synced now."""

import json
import time

from sync import data_folder, hook, log
from sync.errors import SetupError
from sync.fast import sqlite3
from sync.pages.lists.failed import mends
from sync.pages.operations import Answer, Call, number_in
from sync.queue import schema, wake
from sync.status.reading import Files, files, trouble_of

MOST_MARKS = 500  # scenes that are marked at once


def scene(call: Call) -> Answer:
    """Return what is known of args `scene_id`, without asking a server.

    Its `items`; whether it is `waiting`, `claimed`, `failed` or `left_out` (None: it is not). Raises SetupError.
    """
    number = number_in(call.args, "scene_id")
    with files(call.data) as found:
        waiting, claimed = _queued(found, number)
        synced = found.state.record("SELECT synced_at FROM scenes WHERE scene_id = ?", (number,))
        left_out = found.state.record("SELECT kind, reason, at FROM left_out WHERE scene_id = ?", (number,))
        if left_out:
            left_out["reason"] = log.redact(left_out["reason"])
        return {
            "scene_id": number,
            "synced_at": synced and synced["synced_at"],
            "items": _items(found, number),
            "waiting": waiting,
            "claimed": claimed,
            "failed": _failed(found, number),
            "left_out": left_out,
            "troubles": found.troubles,
        }


def marks(call: Call) -> Answer:
    """Return for each of args `scenes` a word: `in_plex`, `waiting`, `failed`, `left_out`; others are absent."""
    scenes = call.args.get("scenes")
    if not isinstance(scenes, list) or not all(isinstance(one, int) for one in scenes) or len(scenes) > MOST_MARKS:
        raise SetupError(f"args.scenes is {scenes!r:.100}; accepted: up to {MOST_MARKS} numbers of scenes")
    within = f"IN ({','.join('?' * len(scenes))})"
    words: dict[str, str] = {}
    with files(call.data) as found:
        for word, file, query in (
            ("in_plex", found.state, f"SELECT scene_id FROM scenes WHERE scene_id {within}"),
            ("left_out", found.state, f"SELECT scene_id FROM left_out WHERE scene_id {within}"),
            ("failed", found.queue, f"SELECT scene_id FROM plexsync_dead_letters WHERE scene_id {within}"),
            (
                "waiting",
                found.queue,
                f"SELECT {schema.SCENE} FROM `{schema.JOBS}` WHERE {schema.WAITING} AND {schema.SCENE} {within}",
            ),
        ):
            words |= {str(row[0]): word for row in file.rows(query, scenes)}
    return {"marks": words}


def sync_scene(call: Call) -> Answer:
    """Queue args `scene_id` as a save does, and have it synced. Raises SetupError."""
    number, now = number_in(call.args, "scene_id"), time.time()
    queue_file = data_folder.queue_file(call.data)
    try:
        ask = wake.enqueue(queue_file, data_folder.drain_lock(call.data), schema.new_row(number, now))
    except (sqlite3.Error, OSError) as error:
        raise SetupError(trouble_of("queue", queue_file, error)) from None
    said = hook.ask_stash(call.connection, queue_file, ask, f"Scene {number}") if ask else ""
    return {"queued": True, "said": said}


def _items(found: Files, number: int) -> list[Answer]:
    query = (
        "SELECT machine, section, rating_key, exact, synced_at, intended = '{}' AS is_settled, coalesce((SELECT title "
        "FROM libraries WHERE libraries.machine = items.machine AND libraries.section = items.section), '') AS library "
        "FROM items INDEXED BY items_of_scene WHERE scene_id = ? ORDER BY section, rating_key"
    )
    of_item = "SELECT step, state, completed_at, error FROM steps WHERE machine = ? AND section = ? AND rating_key = ?"
    used = found.state.record("SELECT machine FROM libraries ORDER BY seen_at DESC LIMIT 1")
    told = []
    for row in map(dict, found.state.rows(query, (number,))):
        if used and row["machine"] != used["machine"]:
            continue  # of a server that is not in use any more
        steps = {
            name: {"state": state, "completed_at": at, "error": log.redact(error)}
            for name, state, at, error in found.state.rows(of_item, (row["machine"], row["section"], row["rating_key"]))
        }
        told.append(row | {"exact": bool(row["exact"]), "is_settled": bool(row["is_settled"]), "steps": steps})
    return told


def _queued(found: Files, number: int) -> tuple[Answer | None, bool]:
    """Return the newest row that waits, and whether a run has claimed one."""
    newest = (
        f"SELECT CAST(data AS TEXT) AS data, {schema.DUE_AT} AS due_at FROM `{schema.JOBS}` "
        f"WHERE {schema.WAITING} AND {schema.SCENE} = ? ORDER BY _id DESC LIMIT 1"
    )
    waiting = found.queue.record(newest, (number,))
    if waiting:
        row = json.loads(waiting["data"])
        tries, error_type = row.get("retry_count") or 0, row.get("last_error_type")
        waiting = {"due_at": waiting["due_at"] or None, "tries": tries, "last_error_type": error_type}
    claimed = f"SELECT 1 FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED} AND {schema.SCENE} = ? LIMIT 1"
    return waiting, bool(found.queue.rows(claimed, (number,)))


def _failed(found: Files, number: int) -> Answer | None:
    query = "SELECT error_type, message, tries, last_at FROM plexsync_dead_letters WHERE scene_id = ?"
    letter = found.queue.record(query, (number,))
    if letter is None:
        return None
    does = mends(letter["error_type"], letter["message"])
    return letter | {"message": log.redact(letter["message"]), "does": does}
