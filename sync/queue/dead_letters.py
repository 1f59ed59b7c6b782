"""Jobs that cannot be done, kept with their error until somebody has seen to them."""

from dataclasses import astuple, dataclass

SERVER_ERRORS = ("PlexTemporaryError", "PlexServerDown")
"""The errors of an outage: what failed for good with one of these is queued again after it, once."""
REVIVED = "revived"
"""The update_type of a job that was queued again after an outage."""
KEPT_FOR = 30 * 86_400.0
"""Seconds a dead letter is kept."""

CREATE_DEAD_LETTERS = """
CREATE TABLE IF NOT EXISTS plexsync_dead_letters (
    scene_id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    error_type TEXT NOT NULL,
    message TEXT NOT NULL,
    tries INTEGER NOT NULL,
    first_at REAL NOT NULL,
    last_at REAL NOT NULL,
    job TEXT NOT NULL,
    revived INTEGER NOT NULL DEFAULT 0   -- queued again after an outage, which happens once
)
"""
LETTER_COLUMNS = "scene_id, title, error_type, message, tries, first_at, last_at, job"
PUT_DEAD_LETTER = f"""
INSERT INTO plexsync_dead_letters ({LETTER_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (scene_id) DO UPDATE SET title = excluded.title, error_type = excluded.error_type,
    message = excluded.message, tries = tries + excluded.tries, last_at = excluded.last_at, job = excluded.job,
    revived = CASE WHEN json_valid(excluded.job)
        THEN revived AND json_extract(excluded.job, '$.update_type') = '{REVIVED}' ELSE 0 END
"""
DELETE_DEAD_LETTER = "DELETE FROM plexsync_dead_letters WHERE scene_id = ?"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One scene that failed for good. Times in seconds since the epoch."""

    scene_id: int
    title: str
    error_type: str
    message: str
    tries: int
    first_at: float
    last_at: float
    job: str
    """The queue row, as JSON."""

    def row(self) -> tuple[object, ...]:
        """Return the values in the table's order."""
        return astuple(self)
