"""Everything the drain needs of the queue, in one narrow class.

The rows are persist-queue's (`SQLiteAckQueue` with its JSON serializer). Its own `get` takes the lowest id, so a row
that waits for a later try would come straight back and block the head; what is due is asked with SQL, over indexes of
what stands in the JSON, as fast at 100,000 rows as at 100. Every change of rows is one transaction, through the
package's own connection.
"""

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import persistqueue
import persistqueue.serializers.json

from sync import data_folder
from sync.errors import PermanentError
from sync.fast import transaction
from sync.queue import batches, dead_letters, schema
from sync.queue.batch import CHANGE, LATER
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import Change, ClaimedJob, Job, UnreadableJobError, read_change, read_job

_SCENE, _DUE_AT, _LANE, _WAITING = schema.SCENE, schema.DUE_AT, schema.LANE, schema.WAITING

_STATEMENTS = (
    dead_letters.CREATE_DEAD_LETTERS,
    "DROP INDEX IF EXISTS plexsync_due",  # of version 0.1.0
    f"CREATE INDEX IF NOT EXISTS plexsync_lanes ON `{schema.JOBS}` ({_LANE}, {_DUE_AT}, _id) WHERE {_WAITING}",
    f"CREATE INDEX IF NOT EXISTS plexsync_scene ON `{schema.JOBS}` ({_SCENE}) WHERE {_WAITING}",
    f"CREATE INDEX IF NOT EXISTS plexsync_claimed ON `{schema.JOBS}` (_id) WHERE status = {schema.CLAIMED}",
    f"CREATE INDEX IF NOT EXISTS plexsync_acked ON `{schema.JOBS}` (_id) WHERE status = {schema.ACKED}",
    # For the status: which scenes wait because of which error, and what failed lately with which.
    f"CREATE INDEX IF NOT EXISTS plexsync_error ON `{schema.JOBS}` ({schema.LAST_ERROR}, {_SCENE}) "
    f"WHERE {schema.HAS_FAILED}",
    "CREATE INDEX IF NOT EXISTS plexsync_letters ON plexsync_dead_letters (error_type, last_at)",
    dead_letters.CREATE_CAUSES,
)


def _due(late: bool) -> str:
    lanes = (schema.SAVED, schema.CHANGE, schema.LATE) if late else (schema.SAVED, schema.CHANGE)
    return f"FROM `{schema.JOBS}` WHERE {_WAITING} AND {_LANE} IN {lanes} AND {_DUE_AT} <= ?"


class _Rows(persistqueue.SQLiteAckQueue):  # type: ignore[misc]  # persist-queue has no type hints
    """persist-queue's table with the connection it changes rows through."""

    def __init__(self, folder: str) -> None:
        try:
            super().__init__(folder, serializer=persistqueue.serializers.json, db_file_name=data_folder.QUEUE_FILE)
            self.connection: sqlite3.Connection = self._conn
            batches.create_tables(self.connection)
            for statement in _STATEMENTS:
                self.connection.execute(statement)
        except BaseException:
            self.close()  # Windows moves no damaged file that is open
            raise

    def _new_db_connection(self, path: str, _multithreading: bool, _timeout: float) -> sqlite3.Connection:
        """Open the file as all of PlexSync does, and not in whatever mode the package would have it."""
        return schema.connect(os.path.join(path, data_folder.QUEUE_FILE), tables=True)

    def close(self) -> None:
        """Close the file once: the package closes it again when the object is collected, from any thread."""
        super().close()
        self._getter = self._putter = None


class JobStore:
    """The queue, for the one drain that holds the lock: opening it takes back what a killed drain had claimed.

    `folder` is the queue's folder. Raises sqlite3.Error.
    """

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._rows = _Rows(folder)
        self.connection = self._rows.connection

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def put(self, job: Job) -> None:
        """Put a job on the queue."""
        self._rows.put(job.to_row())

    def hasten(self, now: float, beyond: float = 0.0) -> None:
        """Make every row due that waits for a later try, and that for more than `beyond` seconds from `now` on."""
        with self.transaction():
            self.connection.execute(
                f"UPDATE `{schema.JOBS}` SET data = CAST(json_set({schema.TEXT}, '$.next_retry_at', ?, '$.early', "
                f"json('true')) AS BLOB) WHERE {_WAITING} AND {_LANE} IN ({schema.SAVED}, {schema.LATE}) "
                f"AND {_DUE_AT} > ?",
                (now, now + beyond),
            )

    def claim(self, limit: int, now: float, *, late: bool = True) -> list[ClaimedJob]:
        """Claim the scenes of up to `limit` rows that are due at `now` (seconds since the epoch), with all their rows.

        Oldest first; after saved scenes, and only where `late`, those of batches that failed and waited for a
        later try. A row that cannot be read goes to the dead letters.
        """
        with self.transaction():
            first = self._due_rows(schema.SAVED, limit, now)
            if late and len(first) < limit:
                first += self._due_rows(schema.LATE, limit - len(first), now)
            return self._claim_all(first, now)

    def claim_bulk(self, limit: int, now: float, batch_id: str | None) -> list[ClaimedJob]:
        """Claim the scenes of up to `limit` rows of a batch, with all their rows; None: of whatever batch."""
        with self.transaction():
            if batch_id is None:
                return self._claim_all(self._due_rows(schema.BULK, limit, now), now)
            rows = self.connection.execute(
                f"SELECT _id, data FROM `{schema.JOBS}` INDEXED BY plexsync_of_batch WHERE status < {schema.ACKED} "
                f"AND {schema.BATCH} = ? AND {_WAITING} AND {_LANE} = {schema.BULK} ORDER BY _id LIMIT ?",
                (batch_id, limit),
            ).fetchall()
            return self._claim_all(rows, now)

    def _due_rows(self, lane: int, limit: int, now: float) -> list[tuple[int, object]]:
        return self.connection.execute(
            f"SELECT _id, data FROM `{schema.JOBS}` WHERE {_WAITING} AND {_LANE} = {lane} AND {_DUE_AT} <= ? "
            f"ORDER BY {_DUE_AT}, _id LIMIT ?",
            (now, limit),
        ).fetchall()

    def _claim_all(self, rows: list[tuple[int, object]], now: float) -> list[ClaimedJob]:
        claims: dict[int, ClaimedJob] = {}
        for row_id, data in rows:
            try:
                scene_id = read_job(data).scene_id
            except UnreadableJobError as error:
                self._bury_unreadable(row_id, data, error, now)
                continue
            if scene_id not in claims:
                claim = self._claim_of(scene_id, now)
                if claim:
                    claims[scene_id] = claim
                else:
                    self._bury_unreadable(row_id, data, UnreadableJobError("a queue row names no scene"), now)
        self._set_status([row_id for claim in claims.values() for row_id in claim.row_ids], schema.CLAIMED)
        return list(claims.values())

    def take_changes(self, limit: int, now: float) -> int:
        """Make batches of up to `limit` rows that say that a performer, studio, tag or group was changed.

        Returns how many rows those were. Several changes of one of them make one batch, as long as it has not begun.
        """
        if not self._due_rows(schema.CHANGE, 1, now):
            return 0  # as a rule; without a transaction
        with self.transaction():
            rows = self._due_rows(schema.CHANGE, limit, now)
            changed: dict[Change, None] = {}
            for row_id, data in rows:
                try:
                    changed[read_change(data)] = None
                except UnreadableJobError as error:
                    self._bury_unreadable(row_id, data, error, now)
            waiting = [
                batch.args
                for batch in batches.unfinished(self.connection)
                if batch.kind == CHANGE and batch.started_at is None
            ]
            for change in changed:
                if change.to_args() not in waiting:
                    batches.create(self.connection, CHANGE, change.to_args(), now, by_itself=True)
            self._set_status([row_id for row_id, _ in rows], schema.ACKED)
        return len(rows)

    def _claim_of(self, scene_id: int, now: float) -> ClaimedJob | None:
        rows: list[tuple[int, Job]] = []
        for row_id, data in self.connection.execute(
            f"SELECT _id, data FROM `{schema.JOBS}` WHERE {_WAITING} AND {_SCENE} = ? ORDER BY _id", (scene_id,)
        ).fetchall():
            try:
                rows.append((row_id, read_job(data)))
            except UnreadableJobError as error:
                self._bury_unreadable(row_id, data, error, now)
        if not rows:
            return None
        # A save after a failure is a new beginning: it runs at once and its count starts at 0.
        newest = next((job for _, job in reversed(rows) if job.is_fresh), rows[-1][1])
        named = tuple(dict.fromkeys(job.batch_id for _, job in rows if job.batch_id is not None))
        if any(job.batch_id is None for _, job in rows):
            newest = replace(newest, batch_id=None)  # somebody saved it: no longer the batch's alone
        return ClaimedJob(newest, tuple(row_id for row_id, _ in rows), named)

    def acknowledge(
        self, claims: list[ClaimedJob], item_counts: Mapping[str, Mapping[tuple[str, str], int]] | None = None
    ) -> None:
        """Acknowledge the rows of scenes whose outcome is on disk; a dead letter of theirs is settled too.

        `item_counts`: batch -> (library, outcome) -> how many items, added to the batch's own counts.
        """
        with self.transaction():
            for batch_id, counts in (item_counts or {}).items():
                batches.add_libraries(self.connection, batch_id, counts)
            self._set_status([row_id for claim in claims for row_id in claim.row_ids], schema.ACKED)
            self.connection.executemany(dead_letters.DELETE_DEAD_LETTER, [(claim.scene_id,) for claim in claims])
            self._conclude(claims)

    def _conclude(self, claims: list[ClaimedJob], how: str = "done") -> None:
        named = [batch_id for claim in claims for batch_id in claim.batches]
        if named:
            batches.conclude(self.connection, named, time.time(), how)

    def give_back(self, claims: list[ClaimedJob]) -> None:
        """Put claimed rows back as they were: no try is spent."""
        with self.transaction():
            self._set_status([row_id for claim in claims for row_id in claim.row_ids], schema.READY)

    def try_later(self, claim: ClaimedJob, job: Job) -> None:
        """Rewrite the scene's surviving row as `job` and acknowledge the others, all or nothing."""
        with self.transaction():
            self.connection.execute(
                f"UPDATE `{schema.JOBS}` SET data = ?, status = {schema.READY} WHERE _id = ?",
                (persistqueue.serializers.json.dumps(job.to_row()), claim.row_ids[-1]),
            )
            self._set_status(list(claim.row_ids[:-1]), schema.ACKED)
            # The surviving row counts for one batch; where somebody saved the scene meanwhile, for none.
            others = tuple(batch_id for batch_id in claim.batches if batch_id != job.batch_id)
            self._conclude([replace(claim, batches=others)], LATER)

    def bury(self, claim: ClaimedJob, letter: DeadLetter) -> None:
        """Write a dead letter and acknowledge the scene's rows, all or nothing."""
        with self.transaction():
            self.connection.execute(dead_letters.PUT_DEAD_LETTER, letter)
            self._set_status(list(claim.row_ids), schema.ACKED)
            self._conclude([claim], "failed")

    def is_due(self, now: float, *, late: bool = True, but: Iterable[int] = ()) -> bool:
        """Return whether a saved scene or a change is due at `now` (seconds since the epoch).

        `late`: a batch's scenes that failed and wait for a later try count, too; those not tried yet never do.
        `but`: scenes of which one row does not count, for each time that they are named.
        """
        own = Counter(but)
        for (scene,) in self.connection.execute(f"SELECT {schema.SCENE} {_due(late)}", (now,)):
            own[scene] -= 1
            if own[scene] < 0:
                return True
        return False

    def due(self, now: float, *, late: bool = True) -> int:
        """Return how many rows are due, by the same rule."""
        (count,) = self.connection.execute(f"SELECT count(*) {_due(late)}", (now,)).fetchone()
        return int(count)

    def waiting(self) -> int:
        """Return how many rows wait, due or not."""
        (count,) = self.connection.execute(f"SELECT count(*) FROM `{schema.JOBS}` WHERE {_WAITING}").fetchone()
        return int(count)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        rows = self.connection.execute(
            f"SELECT {dead_letters.LETTER_COLUMNS} FROM plexsync_dead_letters ORDER BY last_at"
        ).fetchall()
        return [DeadLetter(*row) for row in rows]

    def with_letters(self, scene_ids: Iterable[int]) -> set[int]:
        """Return those of these scenes that have a dead letter."""
        query = "SELECT 1 FROM plexsync_dead_letters WHERE scene_id = ?"
        return {scene_id for scene_id in scene_ids if self.connection.execute(query, (scene_id,)).fetchone()}

    def unknown(self, scene_ids: Iterable[int]) -> list[int]:
        """Return those of these scenes that have neither a row nor a dead letter."""
        query = f"SELECT 1 FROM `{schema.JOBS}` WHERE {_WAITING} AND {_SCENE} = ?"
        rest = [scene_id for scene_id in scene_ids if not self.connection.execute(query, (scene_id,)).fetchone()]
        known = self.with_letters(rest)
        return [scene_id for scene_id in rest if scene_id not in known]

    def revive(self, since: float, error_types: tuple[str, ...]) -> int:
        """Queue again what failed for good with these errors after `since` (seconds since the epoch); return
        how many scenes. Once only: one that fails again stays a dead letter."""
        marks = ",".join("?" * len(error_types))
        with self.transaction():
            rows = self.connection.execute(
                f"SELECT scene_id FROM plexsync_dead_letters WHERE revived = 0 AND scene_id > 0 AND last_at >= ? "
                f"AND error_type IN ({marks})",
                (since, *error_types),
            ).fetchall()
            for (scene_id,) in rows:
                data = persistqueue.serializers.json.dumps(
                    Job(scene_id, dead_letters.REVIVED, enqueued_at=since).to_row()
                )
                self.connection.execute(schema.INSERT_JOB, (data, time.time()))
                self.connection.execute("UPDATE plexsync_dead_letters SET revived = 1 WHERE scene_id = ?", (scene_id,))
        return len(rows)

    def clear_old_letters(self, now: float) -> None:
        """Delete dead letters that nobody has asked about for 30 days; `now` in seconds since the epoch."""
        self.connection.execute("DELETE FROM plexsync_dead_letters WHERE last_at < ?", (now - dead_letters.KEPT_FOR,))

    def clear_acknowledged(self) -> None:
        """Delete acknowledged rows: persist-queue keeps them for ever, and its own way to delete reads every row."""
        self.connection.execute(f"DELETE FROM `{schema.JOBS}` WHERE status = {schema.ACKED}")

    def transaction(self) -> transaction:
        """All or nothing of what is done inside, on disk afterwards."""
        return transaction(self.connection)

    def _set_status(self, row_ids: list[int], status: int) -> None:
        self.connection.executemany(
            f"UPDATE `{schema.JOBS}` SET status = {status} WHERE _id = ?", [(row_id,) for row_id in row_ids]
        )

    def _bury_unreadable(self, row_id: int, data: object, error: PermanentError, now: float) -> None:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
        # The number of the row, negative, stands for the scene nobody can name any more.
        letter = DeadLetter(-row_id, "", type(error).__name__, str(error), 0, now, now, text[:2000])
        self.connection.execute(dead_letters.PUT_DEAD_LETTER, letter)
        self._set_status([row_id], schema.ACKED)
