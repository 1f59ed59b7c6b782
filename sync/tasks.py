"""A task, up to the point where its dependencies are there. Standard library alone.

The lock is taken, the note "a drain is asked for" is taken back and missing packages are installed before anything that
needs a package is imported, so that a task which cannot go on leaves no promise behind.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from sync import data_folder, fast, hidden_paths, log
from sync.bulk import args as args_of_batch
from sync.bulk.args import is_on
from sync.ending import Ending, Report, counted, report_of
from sync.errors import PlexSyncError, SetupError, describe
from sync.fast import transaction
from sync.lock import FileLock, is_held
from sync.queue import batches, damage, history, schema, steer, wake
from sync.queue.batch import BRINGS, title_of
from sync.queue.order import Order
from sync.queue.outlook import claim_note, outlook, run_of_stash
from sync.setup import dependencies, imports
from sync.sleeper.run import tell
from sync.stash.ask import AskFailedError, ask_for_drain
from sync.status.reading import trouble_of
from sync.status.version import version

MODES = (
    *("process_queue", "check_setup", "retry_failed", "clear_failed", "clear_queue", "status"),
    *args_of_batch.MODES,
)

LOOK_AFTER = 3600.0  # seconds without a run after which a page of Stash's has one look for what is new in Plex
HOLD_AFTER_STOP = 600.0  # seconds for which a page load leaves alone what a person's Stop (or a crash) has left

LOCK_WAIT = 3.0
"""Seconds a starting drain waits for the lock: a hook's look at it, or the last breath of another drain."""
LAST_WAIT = 90.0
"""Seconds it waits, after it has left word, for a drain that has taken its last look to be gone."""


def run(server_connection: Mapping[str, Any], args: Mapping[str, Any]) -> str:
    """Run the task that `args.mode` names; return its outcome in a sentence. Raises PlexSyncError."""
    mode = args.get("mode")
    if mode not in MODES:
        raise SetupError(f"args.mode is {mode!r:.100}; accepted: {', '.join(MODES)}")
    data = hidden_paths.begin(server_connection)
    if "DataDir" not in server_connection and not args.get("trigger"):  # what a person has pressed in Stash
        log.info(f"PlexSync {version()}")
    if mode == "status":
        from sync.status import page, status  # not at the top: a drain has no use for them

        found = status.gather_with_total(server_connection, data)
        for text in reversed(page.page(found)):  # Stash's log page has the newest line first
            (log.error if text in found["troubles"] else log.info)(text)
        return page.summary(found)
    report = report_of(_run(mode, server_connection, args, data))
    return Report(log.redact(report), report.ending, **report.facts)


def _run(mode: str, server_connection: Mapping[str, Any], args: Mapping[str, Any], data: str) -> str:
    if mode == "check_setup":
        # Without the drain's lock: it touches nothing of the drain's, and a hook that saw the lock held beside
        # the flag of a drain that was killed would take this for a drain and ask for none.
        if is_on("report", args.get("report")):
            said = _load("sync.setup.report", data, try_again_now=True).gather(server_connection, data)
        else:
            said = _load("sync.setup.check", data, try_again_now=True).check_setup(server_connection, data)
        return report_of(said)
    if mode in ("clear_failed", "clear_queue"):  # beside a drain: see `queue/steer.py`
        said = _clear_failed(data, args) if mode == "clear_failed" else _clear_queue(data)
        log.info(said)
        return said
    if mode == "retry_failed":
        return _retry_failed(server_connection, data, args)
    if mode in args_of_batch.MODES:
        recorded = args_of_batch.read(mode, args)
        with opened_queue(data) as connection:
            batches.create_tables(connection)
            with transaction(connection):
                batch = batches.start(connection, mode, recorded, time.time())
        return _process_queue(server_connection, data, Order(batch=batch))
    # Hook, sleeper and page say who they are; a press of the button does not, and wants everything tried now.
    trigger = str(args.get("trigger") or "")
    if trigger != "blocked":
        tell(data)
    return _process_queue(server_connection, data, Order(trigger, all_batches=not trigger))


def _retry_failed(server_connection: Mapping[str, Any], data: str, args: Mapping[str, Any]) -> str:
    error_type = _error_type(args)
    with opened_queue(data, mends=False) as queue:
        there = steer.failed_types(queue)
        count = steer.retry_failed(queue, error_type, time.time())
    if not count:
        said = no_such(there, error_type)
        if damaged := sum(found for name, found in there.items() if error_type in (None, name)):
            said = Report(
                f"{counted(damaged, 'failed job')} cannot be queued again: the queue's row was damaged and names no "
                "scene. Forget it on PlexSync's page, or by the command `failed clear`",
                Ending.NEEDS_A_LOOK,
            )
        log.info(said)
        return said
    said = f"{counted(count, 'failed job')} {'is' if count == 1 else 'are'} queued again"
    log.info(said)
    try:
        report = report_of(_process_queue(server_connection, data, Order()))
        return Report(f"{said}. {report}", report.ending, queued_again=count, **report.facts)
    except PlexSyncError as error:
        error.args = (f"{said}. {error}",)  # of the same class still: the command line's exit code goes by it
        raise


def _clear_failed(data: str, args: Mapping[str, Any]) -> str:
    error_type = _error_type(args)
    with opened_queue(data, mends=False) as queue:
        there = steer.failed_types(queue)
        gone = steer.clear_failed(queue, error_type)
    return Report(f"{counted(gone, 'failed job')} cleared" if gone else no_such(there, error_type), cleared=gone)


def _clear_queue(data: str) -> str:
    with opened_queue(data, mends=False) as connection:
        gone, ended = steer.clear_queue(connection, data_folder.drain_lock(data))
        claimed = f"SELECT count(*) FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}"
        (left,) = connection.execute(claimed).fetchone()
    over = "".join(f"; {title_of(one)} is ended with {counted(one.left, 'scene')} left" for one in ended)
    stay = f"; the running drain finishes {counted(left, 'job')} it has begun" if left else ""
    said = f"{counted(gone, 'queued job')} cleared" if gone else "No job waits in the queue"
    return Report(said + over + stay, cleared=gone)


def no_such(there: Mapping[str, int], error_type: str | None) -> str:
    """Say that no failed job has this class of error; `there`: how many have which."""
    if not there or error_type is None:
        return "There are no failed jobs"
    kinds = ", ".join(f"{name} ({count})" for name, count in there.items())
    return f"No failed job has error_type {error_type!r:.100}; there are: {kinds}"


def _error_type(args: Mapping[str, Any]) -> str | None:
    value = args.get("error_type")
    if value is None or (isinstance(value, str) and value.strip()):
        return value.strip() if value else None
    raise SetupError(
        f"args.error_type is {value!r:.100}; accepted: the class of an error as Show status names it, such as "
        "PlexNotFound, or leave error_type out for all failed jobs"
    )


def _process_queue(server_connection: Mapping[str, Any], data: str, order: Order) -> str:
    lock = FileLock(data_folder.drain_lock(data))
    try:
        # Not open while the drain works: Windows moves no damaged file that is open.
        with opened_queue(data) as connection:
            if not lock.acquire(LOCK_WAIT):
                if order.batch:  # the run at work takes it as one that was interrupted
                    batches.let_go_on(connection, [order.batch.id])
                wake.leave_word(connection, by_hand=order.by_hand, all_batches=order.all_batches)
                # The other may have taken its last look just before the word: then the lock is free in a moment.
                end = time.monotonic() + LAST_WAIT
                while not lock.acquire(0.5):
                    if wake.is_draining(connection) or time.monotonic() > end:
                        return Report("Another run of Process queue is at work and takes what is queued", Ending.BUSY)
            wake.begin_drain(connection, run_of_stash(), order.trigger)
    except SetupError:
        lock.release()
        raise
    said: str = ""
    went_well = False
    try:
        module = _load("sync.process_queue", data, try_again_now=order.by_hand)
        said = module.process_queue(server_connection, data, order)
        went_well = True
        return said
    except PlexSyncError as error:
        said = str(error)
        raise
    except Exception as error:
        said = f"PlexSync met an error it does not know ({describe(error)})"
        raise
    finally:
        _end_drain(data, said, went_well=went_well)
        lock.release()


def _end_drain(data: str, said: str, *, went_well: bool) -> None:
    """Note that no drain runs, and for the status how this one ended. The queue's file may be another by now."""
    with (
        contextlib.suppress(sqlite3.Error, OSError),
        contextlib.closing(schema.connect(data_folder.queue_file(data))) as connection,
    ):
        # Where the drain ended in order this changes nothing; else its flag must not outlive it.
        wake.abandon_drain(connection)
        if said:
            history.note_drain(connection, time.time(), went_well=went_well, said=log.redact(said))


def _load(module: str, data: str, *, try_again_now: bool) -> ModuleType:
    """Return a task's module, its packages installed where they are missing; raises SetupError."""
    dependencies.ensure(data, try_again_now=try_again_now)
    # Not at the top: it imports the packages that `ensure` has just put in reach.
    try:
        return imports.load(module)
    except Exception as error:
        dependencies.distrust(data)
        raise SetupError(
            f"PlexSync's packages cannot be imported ({describe(error)}). The next run checks them and installs "
            'them again where it must: press "Process queue"'
        ) from None


def wake_up(server_connection: Mapping[str, Any], data: str, panel: Mapping[str, Any]) -> str:
    """Ask for a drain where work waits that nobody else would wake; return what was done, in a sentence.

    `panel`: the settings as Stash has them. Raises SetupError.
    """
    queue_file, drain_lock = data_folder.queue_file(data), data_folder.drain_lock(data)
    if not os.path.exists(queue_file):
        return "Nothing waits"
    now = time.time()
    with opened_queue(data) as connection:
        view = outlook(connection, drain_lock, now=now, since=now)
        if not view.waiting and not _is_time(connection, panel, now):
            return "Nothing waits"
        if view.draining or view.asked:
            return "A drain is at work or asked for"
        held = view.stopped_at is not None and 0 <= now - view.stopped_at < HOLD_AFTER_STOP
        if held and view.stopped_in == run_of_stash():
            return "The last run was stopped; the next save or a press goes on"
        due = (view.due or not view.waiting) and not (view.resume_at is not None and view.resume_at > now)
        if not due and is_held(data_folder.sleeper_lock(data)):
            return "The sleeper sees to it"
        ask = claim_note(connection, drain_lock, now)
        if ask is None:
            return "A drain is at work or asked for"
        try:
            wake.note_job(queue_file, ask.token, ask_for_drain(server_connection, "page"))
        except AskFailedError as error:
            wake.withdraw_note(queue_file, ask.token)
            raise SetupError(f"Process queue was not started: {error}") from None
    return "Process queue asked for"


def _is_time(connection: sqlite3.Connection, panel: Mapping[str, Any], now: float) -> bool:
    """Return whether a reconcile is due, or a look at what is new in Plex, which every run ends with."""
    if batches.is_due(connection, panel.get("reconcile_every"), now, panel.get("defaults_since")):
        return True
    with contextlib.suppress(sqlite3.OperationalError, SetupError):  # no run has ended yet; a setting is not accepted
        last = connection.execute("SELECT ended_at FROM plexsync_last_drain").fetchone()
        is_late = last is not None and not 0 <= now - last[0] < LOOK_AFTER
        return is_late and any(is_on(name, panel.get(name)) for name in BRINGS)
    return False


@contextlib.contextmanager
def opened_queue(data: str, *, mends: bool = True) -> Iterator[sqlite3.Connection]:
    """Open the queue's file for a moment; a damaged one is set aside where it `mends`. Raises SetupError."""
    queue_file, end = data_folder.queue_file(data), time.monotonic() + fast.BUSY_TIMEOUT
    connection: sqlite3.Connection | None = None
    try:
        while connection is None:
            try:
                connection = schema.connect(queue_file, tables=True)
            except sqlite3.DatabaseError as error:
                if fast.is_locked(error) and time.monotonic() < end:
                    time.sleep(0.005)
                elif not mends or not damage.is_damage(error) or not damage.set_aside(queue_file):
                    raise
        with contextlib.closing(connection):
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise SetupError(trouble_of("queue", queue_file, error)) from None
