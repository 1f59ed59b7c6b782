"""Who wakes the drain: the facts that keep a row from falling between two processes.

Standard library alone: the hook imports this. All of it stands in the queue's
own file, so that "a row is there" and "a drain will look" change together:

- a hook's row and its look at the drain are one transaction (`enqueue`);
- a drain's decision to end and its last look at the queue are one transaction
  (`end_drain`).

Whichever comes first, the other sees it.
"""

from __future__ import annotations

import os
import time

from sync import fast
from sync.fast import sqlite3, transaction
from sync.lock import is_held
from sync.queue import schema

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable

NOTE_TRUST = 20.0  # seconds for which a note "a drain is asked for" is believed without asking Stash
LOOK_AGAIN, BY_HAND, ALL_BATCHES = 1, 2, 3
"""Words that a run which lost the lock leaves: something is due; a person asked, so what waits for a later try is
due, too, and their batch; and so is every unfinished batch."""
SAVE_PATIENCE = 0.5  # seconds that a save waits for another process to close a damaged file. A drain waits longer.
CLOCK_SLACK = 2.0  # seconds that a note may lie in the future: processes read the clock one after another


class Ask:
    """A drain has to be asked for, by whoever holds this.

    `token` names the note that was left for the others; `earlier_job` is Stash's id of a job asked for at
    `earlier_asked_at` (seconds since the epoch) that may still wait there.
    """

    __slots__ = ("earlier_asked_at", "earlier_job", "token")

    def __init__(self, token: str, earlier_job: str | None, earlier_asked_at: float | None) -> None:
        self.token = token
        self.earlier_job = earlier_job
        self.earlier_asked_at = earlier_asked_at


def enqueue(queue_file: str, drain_lock: str, data: bytes) -> Ask | None:
    """Put one job's row on the queue; return what is left to do to have it drained, None when nothing is.

    After this the row is on disk. The note that a drain is asked for is left in the same transaction, so of fifty hooks
    at once one asks. Raises sqlite3.Error and OSError.
    """
    end = time.monotonic() + fast.BUSY_TIMEOUT
    moves = 0
    while True:
        before = identity(queue_file)
        try:
            ask = _enqueue(queue_file, drain_lock, data)
        except sqlite3.DatabaseError as error:
            if fast.is_locked(error) and time.monotonic() < end:
                time.sleep(0.005)  # SQLite says so at once in some moments, busy time-out or not
                continue
            # Not at the top: a damaged file is no everyday matter.
            from sync.queue import damage

            moved = before is not None and before != identity(queue_file)
            moves += 1
            if moves > 3 or not (moved or damage.is_damage(error)):
                raise
            if not moved:
                try:
                    damage.set_aside(queue_file, SAVE_PATIENCE)
                except PermissionError:  # on Windows another process has it open
                    asked_before = damage.mark_held(queue_file)
                    return None if 0 <= asked_before < NOTE_TRUST else Ask(os.urandom(8).hex(), None, None)
            continue
        # Set aside as damaged while the row was written, it may have been read before the row was there.
        if before is None or before == identity(queue_file):
            return ask
        moves += 1
        if moves > 3:
            return ask


def identity(file: str) -> tuple[int, int] | None:
    """Return what tells this file from another of its name; None where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _enqueue(queue_file: str, drain_lock: str, data: bytes) -> Ask | None:
    connection = schema.connect(queue_file)
    try:
        return _put_and_note(connection, drain_lock, data)
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        # persist-queue made the file, or a hook was killed between making the file and its tables
        schema.create(connection)
        return _put_and_note(connection, drain_lock, data)
    finally:
        connection.close()  # whatever an error keeps alive: Windows moves no damaged file that is open


def _put_and_note(connection: sqlite3.Connection, drain_lock: str, data: bytes) -> Ask | None:
    with transaction(connection):
        # Not before: whoever waited for the lock would take a note that was left meanwhile for one of the future.
        now = time.time()
        connection.execute(schema.INSERT_JOB, (data, now))
        return note_ask(connection, drain_lock, now)


def note_ask(connection: sqlite3.Connection, drain_lock: str, now: float) -> Ask | None:
    """Leave the note that a drain is asked for, where none comes by itself; None when one does.

    Call it inside a transaction that has begun. `now` in seconds since the epoch.
    """
    row = connection.execute("SELECT draining, asked_at, ask_job, ask_job_at FROM plexsync_wake").fetchone()
    draining, asked_at, job, job_at = row or (0, None, None, None)
    # The flag says that the drain has not taken its last look, the lock that it is alive: a killed
    # drain leaves the first, and the operating system takes the second from it.
    if draining and is_held(drain_lock):
        return None
    # A clock that was set back would make a note of the future trusted for ever.
    if asked_at is not None and -CLOCK_SLACK <= now - asked_at < NOTE_TRUST:
        return None
    token = os.urandom(8).hex()
    connection.execute(
        "INSERT INTO plexsync_wake (one, asked_at, ask_token) VALUES (1, ?, ?) "
        "ON CONFLICT (one) DO UPDATE SET asked_at = excluded.asked_at, ask_token = excluded.ask_token",
        (now, token),
    )
    return Ask(token, job, job_at)


def note_job(queue_file: str, token: str, job_id: str) -> None:
    """Complete the note with Stash's job id, unless a drain has taken the note meanwhile."""
    _change(
        queue_file,
        "UPDATE plexsync_wake SET ask_job = ?, ask_job_at = ? WHERE ask_token = ?",
        (job_id, time.time(), token),
    )


def drop_job(connection: sqlite3.Connection, job_id: str) -> None:
    """Forget the job that was asked for: it has begun, or somebody has stopped it."""
    connection.execute("UPDATE plexsync_wake SET ask_job = NULL, ask_job_at = NULL WHERE ask_job = ?", (job_id,))


def withdraw_note(queue_file: str, token: str) -> None:
    """Take the note back after Stash refused, so that the next save asks again."""
    _change(
        queue_file,
        "UPDATE plexsync_wake SET asked_at = NULL, ask_token = NULL, ask_job = NULL WHERE ask_token = ?",
        (token,),
    )


def _change(queue_file: str, statement: str, values: tuple[object, ...]) -> None:
    connection = schema.connect(queue_file)
    try:
        connection.execute(statement, values)
    finally:
        connection.close()


def begin_drain(connection: sqlite3.Connection, stash: str = "", trigger: str = "") -> None:
    """Say that a drain runs and that nobody needs to ask for one. Call it with the drain's lock held.

    `stash` names the run of Stash's that started it (`outlook.run_of_stash`). A run for saves alone (`trigger`
    "hook" or "blocked") leaves a later try to its time; for one beside a blocked Stash the job that was asked for
    still waits there.
    """
    connection.execute(
        # A word that was left stays: it may have come between the last drain's end and this one's beginning.
        "UPDATE plexsync_wake SET draining = 1, resume_at = CASE WHEN ?1 THEN resume_at END, asked_at = NULL, "
        "ask_token = NULL, ask_job = CASE WHEN ?2 THEN ask_job END, alive_at = ?3, stash = ?4",
        (int(trigger in ("hook", "blocked")), int(trigger == "blocked"), time.time(), stash),
    )


def leave_word(connection: sqlite3.Connection, *, by_hand: bool, all_batches: bool = False) -> None:
    """Tell the drain that holds the lock to look again before it ends; see `take_word`."""
    word = ALL_BATCHES if all_batches else BY_HAND if by_hand else LOOK_AGAIN
    connection.execute("UPDATE plexsync_wake SET look_again = max(look_again, ?)", (word,))


def is_draining(connection: sqlite3.Connection) -> bool:
    """Return whether the drain that holds the lock, if any, still has its last look before it."""
    return bool(connection.execute("SELECT draining FROM plexsync_wake").fetchone()[0])


def take_word(connection: sqlite3.Connection) -> int:
    """Return and clear the word left for this drain: LOOK_AGAIN, BY_HAND, ALL_BATCHES, or 0 for none."""
    with transaction(connection):
        (word,) = connection.execute("SELECT look_again FROM plexsync_wake").fetchone()
        if word:
            connection.execute("UPDATE plexsync_wake SET look_again = 0")
    return int(word)


def end_drain(connection: sqlite3.Connection, work_is_left: Callable[[], bool]) -> bool:
    """Take the last look and, when nothing is left, say that no drain runs; True when it ended.

    `work_is_left` looks through the same connection, inside the transaction that ends the drain.
    """
    with transaction(connection):
        (word,) = connection.execute("SELECT look_again FROM plexsync_wake").fetchone()
        ended = not word and not work_is_left()
        if ended:
            connection.execute("UPDATE plexsync_wake SET draining = 0")
    return ended


def abandon_drain(connection: sqlite3.Connection) -> None:
    """Say that no drain runs although rows may be due: this one cannot go on (server away, settings wrong)."""
    connection.execute("UPDATE plexsync_wake SET draining = 0")
