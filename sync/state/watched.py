"""What is remembered of what came back from Plex, in the state file. A file of an earlier version gets the tables."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SCHEMA = """
CREATE TABLE IF NOT EXISTS plays (
    machine TEXT NOT NULL, play TEXT NOT NULL,    -- see back/decide.Play.id
    scene_id INTEGER NOT NULL, at INTEGER NOT NULL,   -- seconds since the epoch
    is_done INTEGER NOT NULL,     -- 0: about to be added to Stash
    PRIMARY KEY (machine, play)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS plays_of_scene ON plays (scene_id);
CREATE TABLE IF NOT EXISTS watched (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    plays INTEGER NOT NULL,       -- how many the item told of beyond the history; -1: not known
    plex REAL, stash REAL,        -- the resume points, see back/decide.Points; NULL: left alone so far
    PRIMARY KEY (machine, section, rating_key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looked_back (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at REAL NOT NULL,             -- when Plex was looked at last for what comes back; seconds since the epoch
    what TEXT NOT NULL            -- under which settings
);
"""


class Noted(NamedTuple):
    """A play as it is remembered."""

    play: str
    scene_id: int
    at: int
    is_done: bool


class Seen(NamedTuple):
    """An item as it was when it was looked at last."""

    plays: int
    plex: float | None = None
    stash: float | None = None


def plays_of(connection: sqlite3.Connection, scene_ids: Sequence[int]) -> list[Noted]:
    """Return what is remembered of the plays of these scenes."""
    query = "SELECT play, scene_id, at, is_done FROM plays WHERE scene_id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(query, (json.dumps(scene_ids),))
    return [Noted(play, scene, at, bool(done)) for play, scene, at, done in rows]


def known_plays(connection: sqlite3.Connection, machine: str, plays: Sequence[str]) -> set[str]:
    """Return which of these plays were dealt with, of whatever scene; not those that are still about to be added."""
    among = "play IN (SELECT value FROM json_each(?))"
    query = f"SELECT play FROM plays WHERE machine = ? AND {among} AND is_done = 1"
    return {play for (play,) in connection.execute(query, (machine, json.dumps(plays)))}


def put_plays(connection: sqlite3.Connection, machine: str, plays: Iterable[Noted]) -> None:
    """Remember plays, inside a transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO plays (machine, play, scene_id, at, is_done) VALUES (?, ?, ?, ?, ?)",
        [(machine, *play) for play in plays],
    )


def seen(connection: sqlite3.Connection, machine: str, section: int, rating_key: int) -> Seen | None:
    """Return an item as it was when it was looked at last; None: it never was."""
    query = "SELECT plays, plex, stash FROM watched WHERE machine = ? AND section = ? AND rating_key = ?"
    row = connection.execute(query, (machine, section, rating_key)).fetchone()
    return Seen(*row) if row else None


def points_in_stash(connection: sqlite3.Connection, machine: str) -> dict[int, list[float]]:
    """Return the scenes whose items were looked at, each with the resume points that it had in Stash then."""
    query = (
        "SELECT scene_id, stash FROM watched JOIN items USING (machine, section, rating_key) "
        "WHERE machine = ? AND stash IS NOT NULL"
    )
    found: dict[int, list[float]] = {}
    for scene_id, at in connection.execute(query, (machine,)):
        found.setdefault(scene_id, []).append(at)
    return found


def put_seen(connection: sqlite3.Connection, machine: str, items: Iterable[tuple[int, int, Seen]]) -> None:
    """Remember items as they are, given as (section, ratingKey, Seen), inside a transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO watched (machine, section, rating_key, plays, plex, stash) VALUES (?, ?, ?, ?, ?, ?)",
        [(machine, section, key, *one) for section, key, one in items],
    )


def looked_at(connection: sqlite3.Connection, what: str) -> float | None:
    """Return when Plex was looked at last under these settings, in seconds since the epoch; None: never."""
    row = connection.execute("SELECT at FROM looked_back WHERE what = ?", (what,)).fetchone()
    return row[0] if row else None


def put_looked_at(connection: sqlite3.Connection, what: str, at: float) -> None:
    """Remember that Plex was looked at."""
    connection.execute("INSERT OR REPLACE INTO looked_back (one, at, what) VALUES (1, ?, ?)", (at, what))
