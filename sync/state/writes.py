"""What is known of single scenes beside their items: which have no place in Plex, what was written last or is in doubt.

All of it stands in the state file. A file of an earlier version gets the tables with its first run.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence

SCHEMA = """
CREATE TABLE IF NOT EXISTS left_out (
    scene_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- see LEFT_OUT and NOT_IN_PLEX
    reason TEXT NOT NULL,
    at REAL NOT NULL              -- seconds since the epoch
);
CREATE TABLE IF NOT EXISTS written (
    id INTEGER PRIMARY KEY,       -- in the order of writing
    at REAL NOT NULL, scene_id INTEGER NOT NULL, title TEXT NOT NULL,
    library TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    what TEXT NOT NULL            -- names of fields and steps, comma-separated
);
"""
_IN_DOUBT = "json_extract(intended, '$.metadata') IS NOT NULL"  # see model.Memory, whose import costs a page 10 ms
SCHEMA += f"CREATE INDEX IF NOT EXISTS items_in_doubt ON items (machine, synced_at) WHERE {_IN_DOUBT};"
LEFT_OUT, NOT_IN_PLEX = "left out", "not in Plex"
"""Why a scene has no place in Plex: the user's conditions, or (with skip_not_found) that Plex lacks its file."""
IN_STASH = ""  # in the place of a library's name: it was written to Stash
PLAYS, RESUME_POINTS, RATINGS = "plays", "resume_points", "ratings"
BROUGHT = {PLAYS: "plays brought", RESUME_POINTS: "resume points brought", RATINGS: "ratings brought"}
"""What comes back from Plex -> what it is counted as in the statistics."""
KEPT_WRITTEN = 500  # writes that are kept, the newest

Written = tuple[int, str, str, int, int, str]  # scene id, title, library, section, ratingKey, what


def put_left_out(connection: sqlite3.Connection, scenes: Iterable[tuple[int, str]], kind: str, now: float) -> None:
    """Note scenes, as (id, reason), that have no place in Plex."""
    connection.executemany(
        "INSERT OR REPLACE INTO left_out (scene_id, kind, reason, at) VALUES (?, ?, ?, ?)",
        [(scene_id, kind, reason, now) for scene_id, reason in scenes],
    )


def are_left_out(connection: sqlite3.Connection, scene_ids: Sequence[int]) -> list[int]:
    """Return those of these scenes that the user's conditions left out."""
    query = "SELECT scene_id FROM left_out WHERE kind = ? AND scene_id IN (SELECT value FROM json_each(?))"
    return [row[0] for row in connection.execute(query, (LEFT_OUT, json.dumps(list(scene_ids))))]


def no_longer_left_out(connection: sqlite3.Connection, scene_ids: Sequence[int]) -> None:
    """Forget that these scenes were left out, or not in Plex."""
    connection.executemany("DELETE FROM left_out WHERE scene_id = ?", [(scene_id,) for scene_id in scene_ids])


def put_written(connection: sqlite3.Connection, rows: Sequence[Written], now: float) -> None:
    """Note what was written to items, and forget what is older than the newest of them."""
    if rows:
        connection.executemany(
            "INSERT INTO written (at, scene_id, title, library, section, rating_key, what) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(now, *row) for row in rows],
        )
        connection.execute("DELETE FROM written WHERE id <= (SELECT max(id) FROM written) - ?", (KEPT_WRITTEN,))


def brought_in_words(kind: str, count: int) -> str:
    """Return how many of PLAYS, RESUME_POINTS or RATINGS, in words."""
    return f"{count} {kind.replace('_', ' ')[: None if count != 1 else -1]}"


def in_doubt(connection: sqlite3.Connection, machine: str, before: float, most: int) -> list[int]:
    """Return scenes that were synced before a moment, and whose item Plex may have changed since by an earlier edit."""
    query = (
        f"SELECT DISTINCT scene_id FROM items WHERE machine = ? AND {_IN_DOUBT} AND synced_at < ? AND scene_id > 0 "
        "AND scene_id NOT IN (SELECT scene_id FROM left_out) ORDER BY synced_at LIMIT ?"
    )
    return [row[0] for row in connection.execute(query, (machine, before, most))]
