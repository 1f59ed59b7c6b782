"""What happened, for whoever asks later: Plex's outages and the last drain. Standard library alone.

Both stand in the queue's file, so that an outage is noted in the transaction that opens or closes
the circuit breaker. Times in seconds since the epoch.
"""

import sqlite3
from typing import NamedTuple

KEPT_OUTAGES = 100
SAME_OUTAGE = 600.0
"""Seconds after its end within which a breaker that opens again, on probation, goes on with the same outage."""
LONGEST_WORDS = 2_000  # characters kept of what a drain said

CREATE_OUTAGES = (
    "CREATE TABLE IF NOT EXISTS plexsync_outages ("
    "began_at REAL PRIMARY KEY, "  # the first failure, before the breaker opened
    "ended_at REAL)"  # when the breaker closed; NULL: it has not
)
CREATE_LAST_DRAIN = (
    "CREATE TABLE IF NOT EXISTS plexsync_last_drain ("
    "one INTEGER PRIMARY KEY CHECK (one = 1), "
    "ended_at REAL NOT NULL, went_well INTEGER NOT NULL, said TEXT NOT NULL)"
)


class Outage(NamedTuple):
    """A time in which Plex was left alone. `ended_at` None: it lasts."""

    began_at: float
    ended_at: float | None


def begin_outage(connection: sqlite3.Connection, began_at: float, now: float) -> None:
    """Note that the breaker opened at `now`, after failures since `began_at`. Call it inside a transaction."""
    if connection.execute("SELECT 1 FROM plexsync_outages WHERE ended_at IS NULL").fetchone():
        return
    row = connection.execute("SELECT ended_at FROM plexsync_outages WHERE began_at = ?", (began_at,)).fetchone()
    if row and now - row[0] > SAME_OUTAGE:
        # The breaker closed and no job has gone since that would have ended its probation.
        began_at = now
    connection.execute("INSERT OR REPLACE INTO plexsync_outages (began_at, ended_at) VALUES (?, NULL)", (began_at,))
    connection.execute(
        "DELETE FROM plexsync_outages WHERE began_at NOT IN "
        "(SELECT began_at FROM plexsync_outages ORDER BY began_at DESC LIMIT ?)",
        (KEPT_OUTAGES,),
    )


def end_outage(connection: sqlite3.Connection, now: float) -> None:
    """Note that the breaker closed at `now`. Call it inside a transaction."""
    # A clock that was set back must not make an outage end before it began.
    connection.execute("UPDATE plexsync_outages SET ended_at = max(began_at, ?) WHERE ended_at IS NULL", (now,))


def read_outages(connection: sqlite3.Connection) -> list[Outage]:
    """Return the outages, newest first. Raises sqlite3.OperationalError where the table is not there yet."""
    rows = connection.execute("SELECT began_at, ended_at FROM plexsync_outages ORDER BY began_at DESC")
    return [Outage(*row) for row in rows]


def note_drain(connection: sqlite3.Connection, ended_at: float, *, went_well: bool, said: str) -> None:
    """Note how a drain ended, in place of the one before. `said` holds no secret."""
    connection.execute(CREATE_LAST_DRAIN)
    connection.execute(
        "INSERT OR REPLACE INTO plexsync_last_drain (one, ended_at, went_well, said) VALUES (1, ?, ?, ?)",
        (ended_at, int(went_well), said[:LONGEST_WORDS]),
    )
