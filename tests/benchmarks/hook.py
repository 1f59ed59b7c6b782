"""What a save costs the person who saves: the hook's process against Python that does nothing."""

from __future__ import annotations

import sqlite3

from sync import data_folder
from sync.lock import FileLock
from sync.queue import schema
from tests.benchmarks import seed
from tests.benchmarks.figures import Figure
from tests.benchmarks.workplace import BARE, BARE_NAME, Place, light, measure, median, median_ratio, place, places

LONG = 100_000
BUDGET = 2.5
"""Of the hook, in times of bare Python (see docs/performance.md)."""
FLAT = 1.15
"""Times that a hook may take with a long queue of what it takes with an empty one: the same, within the noise."""

_FORGET = "UPDATE plexsync_wake SET asked_at = NULL, ask_token = NULL, ask_job = NULL, ask_job_at = NULL"


def run(*, quick: bool = False, long: int = LONG) -> list[Figure]:
    """Wall and CPU of a hook: with an empty queue and a long one, with a drain at work and with none asked for."""
    long = min(long, 2_000) if quick else long
    with places() as base, light() as pair:
        port = pair.call("addresses")["stash_port"]
        made: dict[tuple[int, str], Place] = {}
        locks = []
        for rows in (0, long):
            for drain in ("alive", "none"):
                where = made[rows, drain] = place(base, f"{rows}-{drain}", port)
                seed.queue(where.data, range(1, rows + 1))
                if drain == "alive":
                    locks.append(_pretend_a_drain(where))
        commands = [BARE]
        for (rows, drain), where in made.items():
            statements = [_FORGET] if drain == "none" else []
            statements += [f"DELETE FROM {schema.JOBS}"] if rows == 0 else []
            file = data_folder.queue_file(where.data)
            commands.append(where.hook(f"{rows} {drain}", 7, [(file, statement) for statement in statements]))
        measure(commands)
        runs = measure(commands, 5 if quick else 31)
        asks = pair.call("tally")["stash"].get("PlexSyncAsk", 0)
        for lock in locks:
            lock.release()
    for name in ("0 alive", f"{long} alive"):
        assert all(one.said.endswith("queued") for one in runs[name])
    assert asks == 2 * (len(runs["bare"]) + 1), f"{asks} asks"
    figures = [Figure("bare Python, wall", 1000 * median(runs["bare"]), "ms")]
    for rows in (0, long):
        length = f"{rows:,} rows queued" if rows else "an empty queue"
        for drain, told in (("alive", "a drain at work"), ("none", "no drain asked for")):
            for what in ("wall", "cpu"):
                some = runs[f"{rows} {drain}"]
                figures.append(
                    Figure(
                        f"hook, {length}, {told}, {what}",
                        1000 * median(some, what),
                        "ms",
                        median_ratio(some, runs["bare"], what) if some[0].cpu is not None else None,
                        BARE_NAME,
                        BUDGET if drain == "alive" else None,
                        "ratio",
                    )
                )
    for drain, told in (("alive", "a drain at work"), ("none", "no drain asked for")):
        some, others = runs[f"{long} {drain}"], runs[f"0 {drain}"]
        name, value = f"hook, {long:,} rows queued, {told}, wall", 1000 * median(some)
        ratio = median_ratio(some, others)
        figures.append(Figure(name, value, "ms", ratio, "the same with an empty queue", FLAT, "ratio"))
    return figures


def _pretend_a_drain(where: Place) -> FileLock:
    """Hold the drain's lock, with the word that its last look is still to come."""
    lock = FileLock(data_folder.drain_lock(where.data))
    assert lock.acquire(1)
    connection = sqlite3.connect(data_folder.queue_file(where.data), isolation_level=None)
    connection.execute("UPDATE plexsync_wake SET draining = 1")
    connection.close()
    return lock
