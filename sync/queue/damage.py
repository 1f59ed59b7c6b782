"""A damaged queue file: set aside, and recovered row by row. Standard library alone.

Whoever meets the damage, hook or drain, moves the file away and goes on with a
new one; the next drain brings over what the old one holds. A hook whose row went
into the old file while it was moved sees that and writes it once more
(`wake.enqueue`), so nothing falls between the two.
"""

import contextlib
import os
import re
import sqlite3
import time
from dataclasses import dataclass

from sync.queue import batches, schema
from sync.queue.dead_letters import LETTER_COLUMNS
from sync.queue.lock import FileLock

_MARK = ".damaged-"
_DONE = ".recovered"
_LOCK_WAIT = 10.0  # seconds
_PROBED_IDS = 10_000  # row ids tried past the last one that can be read, where the file does not say how many

# A row as the hook or persist-queue writes it, found in the raw bytes of a file that no SQL can read.
_RAW_ROW = re.compile(rb'\{"scene_id": ([1-9]\d{0,15}), "update_type": ')


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came out of a damaged file."""

    file: str
    rows: int
    """Jobs that are on the queue again."""
    unreadable: int | None
    """Rows that could not be read, at the most; None: the file does not say how many it held."""


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that a file is no good, and not that it is locked, full or not writable."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.OperationalError, sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)
    )


def is_damaged(file: str) -> bool:
    """Return whether a SQLite file is damaged, by SQLite's own check of all its pages."""
    if not os.path.exists(file):
        return False
    connection = sqlite3.connect(file, timeout=schema.BUSY_TIMEOUT)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.Error as error:
        return is_damage(error)
    finally:
        connection.close()


def set_aside(queue_file: str) -> bool:
    """Move a damaged queue file away, unless another process has just done so; True when this call did.

    Raises OSError.
    """
    lock = FileLock(os.path.join(os.path.dirname(queue_file), schema.RESCUE_LOCK))
    if not lock.acquire(_LOCK_WAIT):
        return False
    try:
        if not is_damaged(queue_file):
            return False
        aside = f"{queue_file}{_MARK}{time.time_ns()}"
        # The log first: left behind, it would be taken for the new file's.
        for ending in ("-wal", "-shm", ""):
            if os.path.exists(queue_file + ending):
                os.replace(queue_file + ending, aside + ending)
        return True
    finally:
        lock.release()


def recover(queue_file: str, connection: sqlite3.Connection) -> list[Recovery]:
    """Bring over what files that were set aside still hold; `connection` is the new queue's, in autocommit mode.

    The dead letters' table has to be there. Call it with the drain's lock held. Each file is brought over once, in one
    transaction; a kill before its end begins anew.
    """
    folder, name = os.path.split(queue_file)
    found = []
    for entry in sorted(os.listdir(folder)):
        if not entry.startswith(name + _MARK) or _DONE in entry or entry.endswith("-shm"):
            continue
        file = os.path.join(folder, entry.removesuffix("-wal"))
        if entry.endswith("-wal"):
            if os.path.exists(file) or not os.path.exists(file + "-wal"):
                continue  # read along with its file
            # Killed between the two moves: the log alone came here, with rows that its file never got.
            letters: list[tuple[object, ...]] = []
            jobs = [schema.new_row(scene, time.time()) for scene in sorted(_raw_scenes(file))]
            unreadable: int | None = 0
            begun: list[batches.Batch] = []
        else:
            (jobs, unreadable), letters, begun = _read(file), _letters(file), _batches(file)
        connection.execute("BEGIN IMMEDIATE")
        # Rows of batches as jobs of their own: which rows are lost nobody knows, so a batch looks at all scenes again.
        connection.executemany(schema.INSERT_JOB, [(batches.without_batch(data), time.time()) for data in jobs])
        for batch in begun:
            batches.bring_over(connection, batch, time.time())
        connection.executemany(
            f"INSERT OR IGNORE INTO plexsync_dead_letters ({LETTER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", letters
        )
        connection.execute("COMMIT")
        found.append(Recovery(file + _DONE, len(jobs), unreadable))
        for ending in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.replace(file + ending, file + _DONE + ending)
    return found


def _read(file: str) -> tuple[list[bytes], int | None]:
    """Return the data of the rows that were not acknowledged, and how many could not be read (None: unknown)."""
    raw = _raw_scenes(file)
    rows: list[bytes] = []
    seen: set[int] = set()
    connection = sqlite3.connect(file, timeout=schema.BUSY_TIMEOUT, isolation_level=None)
    try:
        found, unreadable = _rows(connection)
        for data, status in found:
            scene = _RAW_ROW.match(data)
            if scene:
                seen.add(int(scene[1]))
            if status != schema.ACKED:
                rows.append(data)
    finally:
        connection.close()
    # What the bytes show beyond that: a scene too many is compared with Plex once more, which costs little.
    lost = sorted(raw - seen)
    rows += [schema.new_row(scene, time.time()) for scene in lost]
    return rows, None if unreadable is None else max(0, unreadable - len(lost))


def _letters(file: str) -> list[tuple[object, ...]]:
    """Return the dead letters, as far as they can be read: they say what failed, nothing hangs on them."""
    found: list[tuple[object, ...]] = []
    connection = sqlite3.connect(file, timeout=schema.BUSY_TIMEOUT, isolation_level=None)
    try:
        for row in connection.execute(f"SELECT {LETTER_COLUMNS} FROM plexsync_dead_letters"):
            found.append(row)  # noqa: PERF402 - what was read before the damage counts
    except sqlite3.Error:
        pass
    finally:
        connection.close()
    return found


def _batches(file: str) -> list[batches.Batch]:
    connection = sqlite3.connect(file, timeout=schema.BUSY_TIMEOUT, isolation_level=None)
    try:
        return batches.read_unfinished(connection)
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection) -> tuple[list[tuple[bytes, int]], int | None]:
    """Return (data, status) of every row that can be read, and how many cannot (None: unknown)."""
    found: list[tuple[bytes, int]] = []
    last = _number(connection, "SELECT seq FROM sqlite_sequence WHERE name = ?", (schema.JOBS,))
    first = _number(connection, f"SELECT min(_id) FROM `{schema.JOBS}`", ()) or 1
    one, limit = first, last if last is not None else first + _PROBED_IDS
    failed = 0
    while one <= limit:
        try:
            row = connection.execute(
                f"SELECT _id, data, status FROM `{schema.JOBS}` WHERE _id >= ? ORDER BY _id LIMIT 1", (one,)
            ).fetchone()
        except sqlite3.Error:
            failed += 1
            one += 1
            continue
        if row is None:
            break
        one = row[0] + 1
        if last is None:
            limit = one + _PROBED_IDS
        data = row[1].encode() if isinstance(row[1], str) else row[1]
        if isinstance(data, bytes) and isinstance(row[2], int):
            found.append((data, row[2]))
        else:
            failed += 1
    # Ids of rows that were acknowledged and cleared fail like the others: no more than that many are lost.
    return found, None if failed and (last is None or failed >= _PROBED_IDS) else failed


def _number(connection: sqlite3.Connection, query: str, values: tuple[object, ...]) -> int | None:
    try:
        row = connection.execute(query, values).fetchone()
    except sqlite3.Error:
        return None
    return row[0] if row and isinstance(row[0], int) else None


def _raw_scenes(file: str) -> set[int]:
    scenes: set[int] = set()
    for name in (file, file + "-wal"):
        with contextlib.suppress(OSError), open(name, "rb") as stream:
            # A queue is small: a row takes about 150 bytes, and acknowledged ones are cleared.
            scenes |= {int(match) for match in _RAW_ROW.findall(stream.read())}
    return scenes
