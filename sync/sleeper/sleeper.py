"""The sleeper: one detached process that waits where a task must not. Standard library alone.

Jobs that wait for a later try, and an outage of Plex, would hold Stash's one job slot if a task waited for them. This
process lives while something waits: it asks Stash for "Process queue" when a row becomes due, probes Plex's `/identity`
while the circuit breaker is open (at most once a minute), and ends when nothing waits. Where Stash's own jobs keep the
task from beginning, it has saves worked off by a run of its own (`run.py`).

What it needs to know reaches it by a pipe, never by a command line. `/identity` wants no token, so it is not given one.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sync import data_folder
from sync.errors import PlexSyncError
from sync.lock import FileLock
from sync.queue import outlook as waits
from sync.queue import schema, wake
from sync.sleeper import run
from sync.sleeper.launch import leave_working_directory
from sync.sleeper.probe import answers
from sync.stash.ask import AskFailedError, ask_for_drain, renewed, see_to_enabled, still_waits
from sync.worker.circuit_breaker import RECOVERY_TIMEOUT, CircuitBreaker, CircuitState

SLEEPER_PID = "sleeper.pid"  # says which process it is, for a person who wonders; nobody relies on it
LONGEST_NAP = 5.0  # seconds between two looks: a drain may put a row that is due sooner than all before
BLOCKED_AFTER = 15.0  # seconds after which a task that has not begun is taken to stand behind other jobs of Stash's
ASK_AGAIN = 30.0  # seconds until Stash is asked again after it did not take a request
RENEW_EVERY = 600.0
"""Seconds between two renewals of the session cookie, at the most; a third of its life where that is shorter."""
LOCK_WAIT = 1.0  # seconds a new sleeper waits for its lock: somebody's short look at it is no other sleeper
STASH_GONE = 900.0  # seconds without an answer of Stash after which it is taken for shut down


@dataclass(frozen=True, slots=True)
class Step:
    """What the sleeper does next: `do` is "probe", "ask", "work", "watch", "sleep" or "end"; `nap` in seconds.

    "work": saves wait for a task that has not begun. "watch": such a task, and no save.
    """

    do: str
    nap: float = 0.0


def next_step(outlook: waits.Outlook, state: CircuitState, opened_at: float | None, now: float) -> Step:
    """Return what to do at `now` (seconds since the epoch). Pure.

    Rows that are simply due are nobody's to wake: a person may have stopped their
    drain, and a Stop holds until the next save, press or row that becomes due.
    """
    if outlook.draining:
        return Step("sleep", 1.0)  # what it leaves is what there is to wait for
    if outlook.job and state is CircuitState.CLOSED:
        wait = outlook.job_at + BLOCKED_AFTER - now
        if 0 < wait <= BLOCKED_AFTER:
            return Step("sleep", _nap(wait))
        is_time = outlook.saved and (outlook.resume_at is None or outlook.resume_at <= now)
        return Step("work" if is_time else "watch")
    if outlook.asked:
        return Step("sleep", 1.0)
    if state is not CircuitState.CLOSED:
        if not outlook.waiting and not outlook.revivable:
            return Step("end")  # nothing to do for a Plex that nobody has anything for
        if state is CircuitState.HALF_OPEN:
            return Step("probe")
        return Step("sleep", _nap((opened_at or now) + RECOVERY_TIMEOUT - now))
    times = [at for at in (outlook.next_due, outlook.resume_at) if at is not None]
    if not outlook.waiting or not times:
        return Step("end")
    wait = min(times) - now
    return Step("ask") if wait <= 0 else Step("sleep", _nap(wait))


def _nap(seconds: float) -> float:
    return min(max(seconds, 0.05), LONGEST_NAP)


class Sleeper:
    """One sleeper, from its lock to its end."""

    def __init__(
        self,
        server_connection: Mapping[str, Any],
        data: str,
        plex_url: str,
        *,
        since: float,
        session_age: float | None = None,
        clock: Callable[[], float] = time.time,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stash = dict(server_connection)
        self._plex_url = plex_url
        self._drain_lock = data_folder.drain_lock(data)
        self._queue_file = data_folder.queue_file(data)
        self._data = data
        self._clock = clock
        self._nap = nap
        self._since = since
        self._stash_silent_since: float | None = None
        self._plex_answered_at: float | None = None
        self._renewed_at = clock()
        self._renew_every = min(RENEW_EVERY, session_age / 3) if session_age else RENEW_EVERY

    def run(self, is_current: Callable[[], bool] = lambda: True) -> bool:
        """Wait and wake until nothing waits (True), or nobody is left to wait for (False).

        `is_current`: whether this is the data folder's sleeper still; somebody may have deleted the folder, as the
        README says to start from scratch. Raises sqlite3.Error.
        """
        while is_current() and os.path.exists(self._queue_file):
            step, outlook = self._look()
            if step.do == "end":
                return True
            if not self._do(step, outlook):
                return False
        return False

    def has_work(self) -> bool:
        """Return whether something waits that only a sleeper sees to. Raises sqlite3.Error."""
        return self._look()[0].do != "end"

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, CircuitBreaker]]:
        """Open the queue's file for a moment: on Windows nobody could move or delete it meanwhile."""
        with contextlib.closing(schema.connect(self._queue_file)) as connection:
            yield connection, CircuitBreaker(connection, clock=self._clock)

    def _look(self) -> tuple[Step, waits.Outlook]:
        now = self._clock()
        with self._opened() as (connection, breaker):
            outlook = waits.outlook(connection, self._drain_lock, now=now, since=self._since)
            return next_step(outlook, breaker.state, breaker.record.opened_at, now), outlook

    def _do(self, step: Step, outlook: waits.Outlook) -> bool:
        """Take a step; False when there is no more point in waiting."""
        self._keep_session()
        if step.do == "sleep":
            self._nap(step.nap)
            return True
        if step.do == "probe" and not self._is_plex_back():
            return True
        try:
            if step.do in ("probe", "ask"):
                self._ask()
            else:
                self._see_to_blocked(outlook.job, outlook.job_at, has_saves=step.do == "work")
        except AskFailedError as error:
            return self._bear(error)
        self._stash_silent_since = None
        return True

    def _keep_session(self) -> None:
        """Have Stash renew the cookie well before it dies; it may be hours until the next request."""
        now = self._clock()
        if 0 <= now - self._renewed_at < self._renew_every:
            return
        self._renewed_at = now
        with contextlib.suppress(AskFailedError):  # Stash may be restarting; what matters is said when it is asked
            self._stash = renewed(self._stash)

    def _is_plex_back(self) -> bool:
        now = self._clock()
        # The drain may have to wait behind a scan for an hour; Plex is not asked every time that Stash is.
        if self._plex_answered_at is not None and 0 <= now - self._plex_answered_at < RECOVERY_TIMEOUT:
            return True
        with self._opened() as (_, breaker):
            is_ours = breaker.can_execute()
        if not is_ours:
            self._nap(LONGEST_NAP)  # another process's probe is on its way
            return False
        # Where Stash failed before it told the settings, only a drain can find out.
        is_back = not self._plex_url or answers(self._plex_url)
        with self._opened() as (_, breaker):
            if not is_back:
                breaker.record_failure()
                return False
            # The drain closes the breaker itself: it knows what to do about the outage.
            breaker.release_probe(answered=bool(self._plex_url))
        self._plex_answered_at = now
        return True

    def _ask(self) -> None:
        now = self._clock()
        with self._opened() as (connection, _):
            ask = waits.claim_note(connection, self._drain_lock, now)
        if ask is None:
            self._nap(1.0)
            return
        try:
            see_to_enabled(self._stash)
            earlier, asked_at = ask.earlier_job or "", ask.earlier_asked_at or 0.0
            behind = bool(earlier) and still_waits(self._stash, earlier, asked_at)
            if not behind:
                job = ask_for_drain(self._stash, "sleeper")
                wake.note_job(self._queue_file, ask.token, job)
        except AskFailedError:
            wake.withdraw_note(self._queue_file, ask.token)
            raise
        self._since = now
        if behind:
            self._see_to_blocked(earlier, asked_at, has_saves=True)
        else:
            self._nap(1.0)

    def _see_to_blocked(self, job: str, asked_at: float, *, has_saves: bool) -> None:
        """Work off saves while the task that was asked for stands behind other jobs."""
        see_to_enabled(self._stash)
        if not still_waits(self._stash, job, asked_at, ("READY",)):
            with self._opened() as (connection, _):
                wake.drop_job(connection, job)  # it has begun, or a person has stopped it
            return
        if has_saves:
            run.work_off(self._stash, self._data)
        self._nap(LONGEST_NAP)

    def _bear(self, error: AskFailedError) -> bool:
        """Wait for a Stash that did not answer; False when there is no more point in it."""
        now = self._clock()
        if error.refused:
            return False  # the session is over: the next save, press or page brings a fresh one
        if self._stash_silent_since is None:
            self._stash_silent_since = now
        if now - self._stash_silent_since > STASH_GONE:
            return False
        self._nap(ASK_AGAIN)
        return True


def something_waits(server_connection: Mapping[str, Any], data: str, *, since: float) -> bool:
    """Return whether there is work for a sleeper: a row that becomes due after `since`, an open breaker."""
    return Sleeper(server_connection, data, "", since=since).has_work()


def main(raw: bytes) -> None:
    """The sleeper's own process: one at most, silent to its end."""
    try:
        call = json.loads(raw)
        lock = FileLock(data_folder.sleeper_lock(call["data"]))
        if not lock.acquire(LOCK_WAIT):
            return
        leave_working_directory()
        with open(os.path.join(call["data"], SLEEPER_PID), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        sleeper = Sleeper(**call)
    except (ValueError, KeyError, TypeError, OSError):
        return
    with contextlib.suppress(sqlite3.Error, OSError, PlexSyncError):
        while sleeper.run(lock.is_in_place):
            # A drain that left something at this moment saw the lock held and started nobody: look once more.
            lock.release()
            if not sleeper.has_work() or not lock.acquire(LOCK_WAIT):
                return
