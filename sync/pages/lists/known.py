"""What the two files know of scenes: which wait, failed, are left out, or were synced. Standard library alone."""

import contextlib
import json
from collections.abc import Collection, Iterator
from typing import NamedTuple

from sync import data_folder
from sync.queue import schema
from sync.queue.dead_letters import NOT_IN_PLEX
from sync.status.reading import File
from sync.status.records import LEFT_OUT
from sync.status.records import NOT_IN_PLEX as LACKING

_QUEUED = (
    f"SELECT DISTINCT {schema.SCENE} AS id FROM `{schema.JOBS}` WHERE {schema.WAITING}",
    f"SELECT DISTINCT {schema.SCENE} AS id FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}",
)


class Files(NamedTuple):
    """The two files."""

    queue: File
    state: File
    troubles: list[str]


@contextlib.contextmanager
def files(data: str) -> Iterator[Files]:
    """Open both files of a data folder; what cannot be read is among the `troubles`."""
    troubles: list[str] = []
    queue = File("queue", data_folder.queue_file(data), troubles)
    state = File("state file", data_folder.state_file(data), troubles)
    try:
        yield Files(queue, state, troubles)
    finally:
        queue.close()
        state.close()


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
    # By the class of error, as the index has them: 100,000 letters are not read.
    letters = "SELECT error_type, json_group_array(scene_id) FROM plexsync_dead_letters GROUP BY error_type"
    noted = "SELECT scene_id AS id FROM left_out WHERE kind = ?"
    waiting = found.queue.ids(_QUEUED[0]) | found.queue.ids(_QUEUED[1])
    failed, missing = set[int](), set[int]()
    for error_type, text in found.queue.rows(letters):
        (missing if error_type in NOT_IN_PLEX else failed).update(json.loads(text))
    failed = {number for number in failed - waiting if number > 0}  # damaged rows have negative numbers
    missing -= waiting
    # A letter tells of a later look than what was noted before it.
    lacking = found.state.ids(noted, (LACKING,)) - waiting - failed
    left_out = found.state.ids(noted, (LEFT_OUT,)) - waiting - failed - missing
    return Parts(waiting, missing | lacking, failed, left_out)


def count_synced(found: Files, but: Collection[int]) -> int:
    """Return how many scenes were synced and are none of these others."""
    # SQLite looks 100,000 of them up in 10 ms; reading all that were synced takes four times as long.
    among = "SELECT count(*) FROM json_each(?) AS one CROSS JOIN scenes ON scenes.scene_id = one.value"
    others = found.state.number(among, (json.dumps(list(but)),))
    return found.state.number("SELECT count(*) FROM scenes") - others
