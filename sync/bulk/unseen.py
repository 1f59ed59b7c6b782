"""What Stash changed without a hook (Auto Tag, Generate, merging scenes): asked for at the end of each run.

Read in Stash's source and seen on Stash 0.30: all of these move `updated_at`. A change of what a scene names does
not; that has hooks of its own. What this cannot see a reconcile finds.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from sync.model import Scene
from sync.queue import batches
from sync.queue.batch import CHANGE
from sync.worker.run import Run

PAGE = 500  # scenes in one answer of Stash's
AT_ONCE = 100  # scenes that are read to see whether there is anything to do; more of them are a batch without a look
SETTLED = 2.0  # seconds after which nothing more is saved with the same time: Stash writes whole seconds
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
    fresh: dict[int, float] = {}
    mark = None
    for number, at in _changes(run, seen_to):
        if mark is None and at < settled_to:
            mark = at
        if seen_to is None and mark is not None:
            break
        if run.read_at.get(number) != at:
            fresh[number] = at
    mark = mark or seen_to or settled_to
    is_due = seen_to is not None and bool(fresh)
    if is_due and len(fresh) <= AT_ONCE:
        is_due = bool(due(list(run.stash.scenes(list(fresh)).values())))
    if mark != seen_to or is_due:
        with store.transaction() as connection:
            if is_due:
                args = {"since": min(fresh.values())}
                batches.create(connection, CHANGE, args, time.time(), by_itself=True)
            connection.execute("INSERT OR REPLACE INTO plexsync_last_look (one, seen_to) VALUES (1, ?)", (mark,))


def _changes(run: Run, since: float | None) -> Iterator[tuple[int, float]]:
    """Yield (scene id, updated_at) of what changed after `since`, newest first; None: of all there is."""
    page, latest = 1, time.time() + SETTLED
    while True:
        found = run.stash.newest_changes(page, PAGE)
        for number, at in found:
            if at is not None and at <= latest:  # a clock that was ahead once must not hide all changes since
                if since is not None and at <= since:
                    return
                yield number, at
        if len(found) < PAGE:
            return
        page += 1
