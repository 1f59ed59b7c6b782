"""The queue's tables, and how the standard library alone opens them.

The hook writes its row without persist-queue, whose import costs 35 ms of the time of the person who saves.
`tests/unit/queue/test_schema.py` holds what is written here against what the package itself writes and reads.
"""

import os

from sync import fast
from sync.fast import sqlite3
from sync.lock import SharedLock

JOBS = "ack_queue_default"  # persist-queue's table: `ack_queue_` and the queue's name

# The states persist-queue gives a row (persistqueue.sqlackqueue.AckStatus).
NEW, READY, CLAIMED, ACKED = 0, 1, 2, 5

CREATE_JOBS = (
    f"CREATE TABLE IF NOT EXISTS `{JOBS}` "
    "(_id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB, timestamp FLOAT, status INTEGER)"
)
CREATE_WAKE = (
    "CREATE TABLE IF NOT EXISTS plexsync_wake ("
    "one INTEGER PRIMARY KEY CHECK (one = 1), "
    "stash TEXT, "  # which run of Stash's the last drain belonged to
    "alive_at REAL, "  # when a drain last said that it is at work
    "draining INTEGER NOT NULL DEFAULT 0, "  # a drain has begun and has not taken its last look
    "look_again INTEGER NOT NULL DEFAULT 0, "  # the word of a run that lost the lock, see wake.LOOK_AGAIN
    "asked_at REAL, "  # seconds since the epoch; NULL: no drain is asked for
    "ask_token TEXT, "  # whose note it is
    "ask_job TEXT, "  # Stash's id of the job that was asked for
    "ask_job_at REAL, "  # when that job was asked for; asked_at is renewed by every look at it
    "resume_at REAL)"  # when a drain that could not go on is to be tried again; NULL: not by itself
)
TEXT = "CAST(data AS TEXT)"
# What stands in a row's JSON, as the indexes of `jobs.py` have it. A damaged row must neither stop an
# index nor be overlooked: it counts as due, of no scene.
SCENE = f"CASE WHEN json_valid({TEXT}) THEN json_extract({TEXT}, '$.scene_id') END"
_RETRY_AT = f"json_type({TEXT}, '$.next_retry_at') IN ('integer', 'real')"
DUE_AT = f"CASE WHEN json_valid({TEXT}) AND {_RETRY_AT} THEN json_extract({TEXT}, '$.next_retry_at') ELSE 0 END"
BATCH = f"CASE WHEN json_valid({TEXT}) THEN json_extract({TEXT}, '$.batch_id') END"

# What a row is, and so which run takes it. A saved scene: any. A scene of a batch: those that work on the batch.
# A change of a performer, studio, tag or group, from which a batch is to be made: any. A scene of a batch that
# failed and waits for a later try: any but those that a save has asked for.
SAVED, BULK, CHANGE, LATE = 0, 1, 2, 3
LANE = (
    f"CASE WHEN NOT json_valid({TEXT}) THEN {SAVED} "
    f"WHEN json_extract({TEXT}, '$.batch_id') IS NOT NULL THEN CASE WHEN {_RETRY_AT} THEN {LATE} ELSE {BULK} END "
    f"WHEN json_extract({TEXT}, '$.entity') IS NOT NULL THEN {CHANGE} ELSE {SAVED} END"
)
LAST_ERROR = f"CASE WHEN json_valid({TEXT}) THEN json_extract({TEXT}, '$.last_error_type') END"
WAITING = f"status < {CLAIMED}"
HAS_FAILED = f"status < {CLAIMED} AND {LAST_ERROR} IS NOT NULL"

LONGEST_WAIT = 7200.0  # seconds; no delay is nearly as long. A row that waits for more has seen another clock.
INSERT_JOB = f"INSERT INTO `{JOBS}` (data, timestamp, status) VALUES (?, ?, {NEW})"

RESCUE_LOCK = "rescue.lock"


def new_row(scene_id: int, now: float) -> bytes:
    """Return the queue row of a saved scene, as persist-queue's JSON serializer would; `now` in seconds
    since the epoch."""
    return (
        f'{{"scene_id": {scene_id}, "update_type": "scene_update", "job_key": "scene_{scene_id}", '
        f'"enqueued_at": {now!r}}}'
    ).encode()


def change_row(entity: str, entity_id: int, event: str, now: float) -> bytes:
    """Return the queue row of a performer, studio, tag or group that was changed, merged or deleted; `now` in
    seconds since the epoch."""
    return (
        f'{{"entity": "{entity}", "entity_id": {entity_id}, "update_type": "{entity}_{event}", '
        f'"job_key": "{entity}_{entity_id}", "enqueued_at": {now!r}}}'
    ).encode()


def connect(queue_file: str, *, tables: bool = False) -> sqlite3.Connection:
    """Open the queue's file in autocommit mode, making file and folder where they are missing, and then its tables;
    `tables`: also where the file is there.

    Raises sqlite3.Error, OSError, and SetupError where no lock of a file works.
    """
    folder = os.path.dirname(queue_file)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    # Not while a damaged file is moved away: its log would be taken for the new file's.
    with SharedLock(os.path.join(folder, RESCUE_LOCK)):
        tables = tables or not os.path.exists(queue_file)
        connection = fast.connect(queue_file)
        try:
            if tables:
                create(connection)
        except sqlite3.Error:
            connection.close()  # Windows moves no damaged file that is open
            raise
    return connection


def create(connection: sqlite3.Connection) -> None:
    """Make the tables; safe to run by many processes at once."""
    connection.execute(CREATE_JOBS)
    connection.execute(CREATE_WAKE)
    connection.execute("INSERT OR IGNORE INTO plexsync_wake (one) VALUES (1)")
