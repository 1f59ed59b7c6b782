"""What the two files know of scenes: which wait, failed, are left out, or were synced. Standard library alone."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sync import data_folder
from sync.queue import schema
from sync.status.reading import reading, rows
from sync.status.records import LEFT_OUT
from sync.status.records import NOT_IN_PLEX as LACKING
from sync.status.status import NOT_IN_PLEX

_WAITING = f"SELECT DISTINCT {schema.SCENE} FROM `{schema.JOBS}` WHERE {schema.WAITING}"
_CLAIMED = f"SELECT DISTINCT {schema.SCENE} FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}"
_SOME = 500  # values in one `IN (...)`


class Files(NamedTuple):
    """The two files, opened for a look at one moment; None: there is none yet, or it cannot be read."""

    queue: sqlite3.Connection | None
    state: sqlite3.Connection | None
    troubles: list[str]


@contextlib.contextmanager
def files(data: str) -> Iterator[Files]:
    """Open both files of a data folder; what cannot be read is among the `troubles`."""
    troubles: list[str] = []
    with (
        reading(data_folder.queue_file(data), "queue", troubles) as queue,
        reading(data_folder.state_file(data), "state file", troubles) as state,
    ):
        yield Files(queue, state, troubles)


def ids(connection: sqlite3.Connection | None, query: str, values: tuple[object, ...] = ()) -> set[int]:
    """Return the scenes that a query gives; damaged rows name none."""
    found = rows(connection, query, values) if connection else []
    return {row[0] for row in found if isinstance(row[0], int) and row[0] > 0}


class Parts(NamedTuple):
    """The scenes that are not simply in Plex. A scene is in one part alone, in the first of these."""

    waiting: set[int]
    not_in_plex: set[int]
    failed: set[int]
    left_out: set[int]

    @property
    def all(self) -> set[int]:
        """The scenes of all parts."""
        return self.waiting | self.not_in_plex | self.failed | self.left_out


def parts_of(found: Files) -> Parts:
    """Sort the scenes that wait, failed, or are left out."""
    marks = ",".join("?" * len(NOT_IN_PLEX))
    letters = "SELECT scene_id FROM plexsync_dead_letters WHERE error_type"
    waiting = ids(found.queue, _WAITING) | ids(found.queue, _CLAIMED)
    failed = ids(found.queue, f"{letters} NOT IN ({marks})", NOT_IN_PLEX) - waiting
    missing = ids(found.queue, f"{letters} IN ({marks})", NOT_IN_PLEX) - waiting
    # A letter tells of a later look than what was noted before it.
    lacking = ids(found.state, "SELECT scene_id FROM left_out WHERE kind = ?", (LACKING,)) - waiting - failed
    left_out = ids(found.state, "SELECT scene_id FROM left_out WHERE kind = ?", (LEFT_OUT,)) - waiting - failed
    return Parts(waiting, missing | lacking, failed, left_out - missing)


def count_synced(found: Files, but: set[int]) -> int:
    """Return how many scenes were synced and are none of these others."""
    if found.state is None:
        return 0
    (total,) = next(iter(rows(found.state, "SELECT count(*) FROM scenes")), (0,))
    if len(but) > 20 * _SOME:
        return int(total) - len(but & ids(found.state, "SELECT scene_id FROM scenes"))
    others, among = list(but), 0
    for start in range(0, len(others), _SOME):
        some = others[start : start + _SOME]
        query = f"SELECT count(*) FROM scenes WHERE scene_id IN ({','.join('?' * len(some))})"
        among += next(iter(rows(found.state, query, some)), (0,))[0]
    return int(total) - among
