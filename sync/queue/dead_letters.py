"""Jobs that cannot be done, kept with their error until somebody has seen to them."""

from typing import NamedTuple

SERVER_ERRORS = ("PlexTemporaryError", "PlexServerDown")
"""The errors of an outage: what failed for good with one of these is queued again after it, once."""
NOT_IN_PLEX = ("PlexNotFound", "PlexItemRemoved")  # the errors of a scene whose file Plex does not have
REVIVED = "revived"  # the update_type of a job that was queued again after an outage
KEPT_FOR = 30 * 86_400.0  # seconds a dead letter is kept

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
# What failures of one cause have in common: the words before the first quoted name, number or bracket of their
# message, and those behind the last. A number in front only says how many items there are. It is SQL, so that an index
# counts 100,000 letters by their cause in 25 ms.
_WORDS = "'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,:;_-'''"
_LONGEST = 32
_TEXT = "ltrim(message, '0123456789 ')"
OPENING = f"substr({_TEXT}, 1, min({_LONGEST}, length({_TEXT}) - length(ltrim({_TEXT}, {_WORDS}))))"
ENDING = f"substr(message, max(length(rtrim(message, {_WORDS})), length(message) - {_LONGEST}) + 1)"
CREATE_CAUSES = (
    f"CREATE INDEX IF NOT EXISTS plexsync_causes ON plexsync_dead_letters (error_type, {OPENING}, {ENDING}, last_at)"
)
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


class DeadLetter(NamedTuple):
    """One scene that failed for good, in the order of LETTER_COLUMNS. Times in seconds since the epoch."""

    scene_id: int
    title: str
    error_type: str
    message: str
    tries: int
    first_at: float
    last_at: float
    job: str  # the queue row, as JSON


class Cause(NamedTuple):
    """What failures have in common: the class of error, and how their message opens and ends."""

    error_type: str
    opening: str
    ending: str

    @property
    def key(self) -> str:
        """The cause as one text, for the questions that follow."""
        return "\n".join(self)


def read_cause(key: str) -> Cause | None:
    """Return the cause of a key; None where the text is none."""
    parts = key.split("\n")
    return Cause(*parts) if len(parts) == 3 else None
