"""What Stash changed without a hook (Auto Tag, merged scenes or performers): asked for at the end of each run.

Read in Stash's source and seen on Stash 0.30: all of these move `updated_at`, of the scene or of the performer that
stays. A change of what a scene names moves none of the scene's; as a rule that has hooks of its own. What this cannot
see a reconcile finds. In the same way Plex may have changed an item since.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from sync.model import Scene
from sync.queue import batches
from sync.queue.batch import CHANGE
from sync.queue.job import LOOK_AGAIN, Change, Job
from sync.state import writes
from sync.worker.run import Run

PAGE = 500  # scenes in one answer of Stash's
AT_ONCE = 100  # scenes that are read to see whether there is anything to do; more of them are a batch without a look
PERFORMERS = 25  # performers of which it is asked whether they have changed: nobody merges more between two runs
SETTLED = 2.0  # seconds after which nothing more is saved with the same time: Stash writes whole seconds
LOOK_AFTER = 120.0  # seconds after which Plex has done what it did not answer; or `read_timeout`, where that is more
_CREATE = (
    "CREATE TABLE IF NOT EXISTS plexsync_last_look ("
    "one INTEGER PRIMARY KEY CHECK (one = 1), "
    "seen_to REAL NOT NULL)"  # what Stash changed up to this updated_at was looked at
)


def look(run: Run, due: Callable[[Sequence[Scene]], Sequence[Scene]], *, begins: bool) -> None:
    """Record a batch where a scene has changed that this run has not read as it is now; one request as a rule.

    `due`: which of some scenes have to be synced. The first look ever only notes where the next one `begins`; so do
    all of a run that looks at changes anyway. Raises the errors of `stash/exceptions.py`.
    """
    store = run.jobs
    store.connection.execute(_CREATE)
    row = store.connection.execute("SELECT seen_to FROM plexsync_last_look").fetchone()
    seen_to, settled_to = row[0] if row else None, time.time() - SETTLED
    if begins and row:
        return
    scenes, performers = _changes(run, seen_to)
    settled = [at for _, at in (*scenes, *performers) if at < settled_to]
    mark = max(settled, default=seen_to or settled_to)
    fresh = {number: at for number, at in scenes if run.read_at.get(number) != at} if seen_to is not None else {}
    found: list[dict[str, Any]] = []
    if fresh and _is_worth_it(run, due, list(fresh)):
        found.append({"since": min(fresh.values())})
    run.read_at.update(fresh)
    moved = [number for number, at in performers if seen_to is not None and run.followed.get(number) != at]
    if moved:
        having = {"performers": {"value": list(map(str, moved)), "modifier": "INCLUDES"}}
        if _is_worth_it(run, due, [number for number, _ in run.stash.scene_ids(0, AT_ONCE + 1, having)]):
            found += [Change("performer", number).to_args() for number in moved]
        run.followed.update(performers)
    if mark != seen_to or found:
        with store.transaction() as connection:
            for args in found:
                batches.create(connection, CHANGE, args, time.time(), by_itself=True)
            connection.execute("INSERT OR REPLACE INTO plexsync_last_look (one, seen_to) VALUES (1, ?)", (mark,))


def look_again(run: Run) -> None:
    """Queue scenes whose items an edit may have changed that Plex had not answered, and did after a newer one.

    What waits or failed is tried again by itself.
    """
    now = time.time()
    before = now - max(LOOK_AFTER, run.settings.read_timeout)
    found = run.jobs.unknown(writes.in_doubt(run.state.connection, run.plex.machine, before, AT_ONCE))
    for scene_id in found:
        run.jobs.put(Job(scene_id, LOOK_AGAIN, enqueued_at=now))


def _is_worth_it(run: Run, due: Callable[[Sequence[Scene]], Sequence[Scene]], numbers: list[int]) -> bool:
    return len(numbers) > AT_ONCE or bool(due(list(run.stash.scenes(numbers).values())))


def _changes(run: Run, since: float | None) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Return (id, updated_at) of the scenes and performers that changed after `since`; None: of the newest."""
    page, latest = 1, time.time() + SETTLED  # a clock that was ahead once must not hide all changes since
    scenes: list[tuple[int, float]] = []
    changed: list[tuple[int, float]] = []
    while True:
        found, performers = run.stash.newest_changes(page, PAGE, PERFORMERS if page == 1 else 0)
        changed += [(number, at) for number, at in performers if at is not None and (since or 0) < at <= latest]
        scenes += [(number, at) for number, at in found if at is not None and (since or 0) < at <= latest]
        oldest = min((at for _, at in found if at is not None), default=0)
        if len(found) < PAGE or since is None or oldest <= since:
            return scenes, changed
        page += 1
