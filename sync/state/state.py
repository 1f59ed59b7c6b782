"""What was synced, when and with what: one SQLite file.

Keyed by the Plex server's machineIdentifier, section and ratingKey, so that
another server or a rebuilt library has no memories that are not its own. The
library's file index (`plex/file_index.py`) and performers' pictures (`worker/portraits.py`) stand in the same file.
"""

import json
import os
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sync import log
from sync.data_folder import move_aside
from sync.fast import connect, transaction
from sync.model import ItemRecord, Memory, Scene, StepRecord, StepState
from sync.state import watched, writes

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    scene_id INTEGER NOT NULL,    -- 0: of a scene that is gone
    exact INTEGER NOT NULL,       -- held by the same path (1) or by the file's name alone (0)
    sent TEXT NOT NULL, result TEXT NOT NULL, intended TEXT NOT NULL,   -- JSON, see model.Memory
    kept TEXT NOT NULL DEFAULT '{}',
    fingerprint TEXT NOT NULL DEFAULT '',
    cover TEXT NOT NULL DEFAULT '',   -- Stash's address of the cover it has; see mapping/performer_pictures.py
    synced_at REAL,               -- seconds since the epoch; NULL: never confirmed
    PRIMARY KEY (machine, section, rating_key)
);  -- with rowids: rows of two kilobytes would spill into pages of their own without
CREATE INDEX IF NOT EXISTS items_of_scene ON items (scene_id, machine, section, rating_key);
CREATE TABLE IF NOT EXISTS steps (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,          -- see model.StepState
    started_at REAL, completed_at REAL,
    error TEXT NOT NULL, fingerprint TEXT NOT NULL, tries INTEGER NOT NULL,
    PRIMARY KEY (machine, section, rating_key, step)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statistics_by_hour (
    hour INTEGER NOT NULL,        -- hours since the epoch
    library TEXT NOT NULL,        -- '': scenes, whatever library they are in
    outcome TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (hour, library, outcome)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS libraries (
    machine TEXT NOT NULL, section INTEGER NOT NULL,
    title TEXT NOT NULL,
    seen_at REAL NOT NULL,        -- when it was noted; the newest row's machine is the server in use
    PRIMARY KEY (machine, section)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scenes (
    scene_id INTEGER PRIMARY KEY,
    synced_at REAL NOT NULL,      -- the sync timestamp
    refs TEXT NOT NULL DEFAULT '' -- what it named then, as in model.Scene.refs: ",studio 3,tag 17,"
);
CREATE TABLE IF NOT EXISTS servers (
    machine TEXT PRIMARY KEY,
    ways TEXT NOT NULL            -- JSON: in what way it takes edits, see plex/client.ServerWays
) WITHOUT ROWID;
"""

_LATER_COLUMNS = (
    ("items", "cover", "TEXT NOT NULL DEFAULT ''"),
    ("items", "kept", "TEXT NOT NULL DEFAULT '{}'"),
    ("scenes", "refs", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that a state file of version 0.1.0 does not have."""

NOBODY = 0  # in the place of a scene's id: no scene holds the item
STATISTICS_KEPT = 30 * 86_400.0  # seconds for which statistics are kept

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Held:
    """What has to be known of an item that a scene holds to tell whether there is anything to do."""

    section: int
    rating_key: int
    exact: bool
    fingerprint: str
    cover: str
    is_settled: bool  # nothing is intended that nobody has confirmed


class State:
    """The state file of one data folder.

    Every method that changes it is one transaction. Raises sqlite3.Error where the file cannot be read or written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.connection = self._open()
        except sqlite3.OperationalError:
            raise  # locked, full or not writable: nothing is wrong with the file
        except sqlite3.DatabaseError as error:
            set_aside(path, str(error))
            self.connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            connection.executescript(_SCHEMA + writes.SCHEMA + watched.SCHEMA)
            for table, column, kind in _LATER_COLUMNS:
                if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def transaction(self) -> transaction:
        """All or nothing of what is done inside, on disk afterwards."""
        return transaction(self.connection)

    def records(self, machine: str, section: int, rating_keys: Iterable[int]) -> dict[int, ItemRecord]:
        """Return what is known of these items of a section, by ratingKey; unknown ones are absent."""
        found: dict[int, ItemRecord] = {}
        where = "WHERE machine = ? AND section = ? AND rating_key IN (SELECT value FROM json_each(?))"
        values = (machine, section, json.dumps(list(rating_keys)))
        for key, scene_id, exact, sent, result, intended, kept, *rest in self.connection.execute(
            "SELECT rating_key, scene_id, exact, sent, result, intended, kept, fingerprint, synced_at, cover "
            f"FROM items {where}",
            values,
        ):
            memory = Memory(*map(json.loads, (sent, result, intended, kept)))
            found[key] = ItemRecord(section, key, scene_id, bool(exact), memory, *rest)
        for key, name, state, *rest in self.connection.execute(
            f"SELECT rating_key, step, state, started_at, completed_at, error, fingerprint, tries FROM steps {where}",
            values,
        ):
            if key in found:
                found[key].steps[name] = StepRecord(StepState(state), *rest)
        return found

    def ways_of(self, machine: str) -> dict[str, str]:
        """Return in what way a server takes edits, by the names of `plex.client.ServerWays`; empty: not known yet."""
        row = self.connection.execute("SELECT ways FROM servers WHERE machine = ?", (machine,)).fetchone()
        known = json.loads(row[0]) if row else {}
        return known if isinstance(known, dict) else {}

    def put_ways(self, machine: str, ways: Mapping[str, str]) -> None:
        """Remember in what way a server takes edits."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO servers VALUES (?, ?)", (machine, json.dumps(dict(ways))))

    def held_by(self, machine: str, scene_ids: Iterable[int]) -> dict[int, list[Held]]:
        """Return the items that each of these scenes held last."""
        found: dict[int, list[Held]] = {}
        rows = self.connection.execute(
            "SELECT scene_id, section, rating_key, exact, fingerprint, cover, intended = '{}' FROM items "
            # By itself SQLite would read every item of the server, 0.6 ms a scene at 100,000.
            "INDEXED BY items_of_scene WHERE machine = ? AND scene_id IN (SELECT value FROM json_each(?))",
            (machine, json.dumps(list(scene_ids))),
        )
        for scene_id, section, rating_key, exact, fingerprint, cover, settled in rows:
            held = Held(section, rating_key, bool(exact), fingerprint, cover, bool(settled))
            found.setdefault(scene_id, []).append(held)
        return found

    def put_covers(self, machine: str, covers: Mapping[tuple[int, int], str]) -> None:
        """Note which items, by (section, ratingKey), have the cover of which address of Stash's."""
        with self.transaction() as connection:
            connection.executemany(
                "UPDATE items SET cover = ? WHERE machine = ? AND section = ? AND rating_key = ?",
                [(cover, machine, *place) for place, cover in covers.items()],
            )

    def synced_scenes(self, scene_ids: Iterable[int]) -> set[int]:
        """Return those of these scenes that were brought into Plex at some time, be it in one library of several."""
        among = "scene_id IN (SELECT value FROM json_each(?1))"
        rows = self.connection.execute(
            f"SELECT scene_id FROM scenes WHERE {among} UNION "
            f"SELECT scene_id FROM items WHERE {among} AND synced_at IS NOT NULL",
            (json.dumps(list(scene_ids)),),
        )
        return {row[0] for row in rows}

    def scenes_naming(self, ref: str, after: int, limit: int) -> list[int]:
        """Return up to `limit` scenes above the id `after` that named this (`model.Scene.refs`) at their last sync."""
        rows = self.connection.execute(
            "SELECT scene_id FROM scenes WHERE scene_id > ? AND instr(refs, ?) ORDER BY scene_id LIMIT ?",
            (after, f",{ref},", limit),
        )
        return [row[0] for row in rows]

    def count_naming(self, ref: str) -> int:
        """Return how many scenes named this when they were brought into Plex last."""
        (count,) = self.connection.execute("SELECT count(*) FROM scenes WHERE instr(refs, ?)", (f",{ref},",)).fetchone()
        return int(count)

    def known_scenes(self, after: int, up_to: int | None) -> list[int]:
        """Return the scenes above the id `after`, up to and with `up_to` (None: all), of which something is known."""
        known = " UNION ".join(
            f"SELECT scene_id FROM {table} WHERE scene_id > ?1 AND (?2 IS NULL OR scene_id <= ?2)"
            for table in ("scenes", "items", "left_out")
        )
        return [row[0] for row in self.connection.execute(f"{known} ORDER BY 1", (after, up_to))]

    def put_items(self, connection: sqlite3.Connection, machine: str, records: Iterable[ItemRecord]) -> None:
        """Write records of items with their steps, inside a transaction."""
        records = list(records)
        connection.executemany(_PUT_ITEM, [_item_row(machine, record) for record in records])
        connection.executemany(
            _PUT_STEP,
            [
                (
                    *(machine, record.section, record.rating_key, name, step.state.value, step.started_at),
                    *(step.completed_at, step.error, step.fingerprint, step.tries),
                )
                for record in records
                for name, step in record.steps.items()
            ],
        )

    def put_synced(self, connection: sqlite3.Connection, scenes: Iterable[tuple[int, str]], now: float) -> None:
        """Write the sync timestamp (`now`) of scenes, given as (id, refs), inside a transaction."""
        connection.executemany(
            "INSERT INTO scenes (scene_id, synced_at, refs) VALUES (?, ?, ?) "
            "ON CONFLICT (scene_id) DO UPDATE SET synced_at = excluded.synced_at, refs = excluded.refs",
            [(scene_id, now, refs) for scene_id, refs in scenes],
        )

    def count(self, counts: Mapping[tuple[str, str], int], now: float) -> None:
        """Add to the statistics: (library, outcome) -> how many items; `now` in seconds since the epoch.

        Under the library '' scenes are counted. What is older than 30 days is deleted.
        """
        hour = int(now // 3600)
        rows = [(library, outcome, count) for (library, outcome), count in counts.items()]
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO statistics_by_hour (hour, library, outcome, count) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (hour, library, outcome) DO UPDATE SET count = count + excluded.count",
                [(hour, *row) for row in rows],
            )
            connection.execute("DELETE FROM statistics_by_hour WHERE hour < ?", ((now - STATISTICS_KEPT) // 3600,))

    def note_brought(self, scene: Scene, place: ItemRecord, said: str, reason: str = "", many: int = 1) -> None:
        """Note what a scene got from an item in Plex, and count it by its reason, a key of `writes.BROUGHT`."""
        row = (scene.id, log.redact(scene.name), writes.IN_STASH, place.section, place.rating_key, said)
        with self.transaction() as connection:
            writes.put_written(connection, [row], time.time())
        if reason:
            self.count({("", writes.BROUGHT[reason]): many}, time.time())

    def name_libraries(self, machine: str, titles: Mapping[int, str], now: float) -> None:
        """Remember what the libraries of a server are called, by section, and that it is the one in use."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO libraries (machine, section, title, seen_at) VALUES (?, ?, ?, ?)",
                [(machine, section, title, now) for section, title in titles.items()],
            )

    def forget_scenes(self, scene_ids: Collection[int]) -> None:
        """Forget scenes that Stash no longer has. Plex is left alone.

        What was written to their items stays known, as nobody's: a scene may have been merged into another, which
        has its files now and takes away or replaces what is not its own.
        """
        gone = [(scene_id,) for scene_id in scene_ids]
        with self.transaction() as connection:
            connection.executemany(
                "DELETE FROM steps WHERE (machine, section, rating_key) IN "
                "(SELECT machine, section, rating_key FROM items WHERE scene_id = ?)",
                gone,
            )
            connection.executemany(f"UPDATE items SET scene_id = {NOBODY} WHERE scene_id = ?", gone)
            for table in ("scenes", "left_out"):
                connection.executemany(f"DELETE FROM {table} WHERE scene_id = ?", gone)

    def forget_items(self, machine: str, section: int, rating_keys: Collection[int]) -> None:
        """Forget items that Plex no longer has. Plex never gives a ratingKey twice."""
        with self.transaction() as connection:
            for table in ("items", "steps", "watched"):
                connection.executemany(
                    f"DELETE FROM {table} WHERE machine = ? AND section = ? AND rating_key = ?",
                    [(machine, section, key) for key in rating_keys],
                )


_PUT_ITEM = (
    "INSERT OR REPLACE INTO items (machine, section, rating_key, scene_id, exact, sent, result, intended, "
    "kept, fingerprint, synced_at, cover) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_PUT_STEP = (
    "INSERT OR REPLACE INTO steps (machine, section, rating_key, step, state, started_at, completed_at, error, "
    "fingerprint, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _item_row(machine: str, record: ItemRecord) -> tuple[object, ...]:
    memory = record.memory
    return (
        *(machine, record.section, record.rating_key, record.scene_id, int(record.exact)),
        *map(json.dumps, (memory.sent, memory.result, memory.intended, memory.kept)),
        *(record.fingerprint, record.synced_at, record.cover),
    )


def set_aside(path: str, reason: str = "a check of its pages failed") -> None:
    """Move a damaged state file away, with a warning; the next to open it begins a new one. Raises OSError."""
    aside = os.path.basename(move_aside(path))
    log.warning(
        f"PlexSync's state file is damaged ({reason}) and was set aside as {aside}. "
        "A new one is begun: scenes are compared with Plex again, and tags that PlexSync wrote "
        "before count as yours"
    )


def chunks(values: list[_T], size: int) -> Iterator[list[_T]]:
    """Yield `values` in lists of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
