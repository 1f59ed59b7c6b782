"""The sleeper: who waits where a task must not, until there is nothing left to wait for."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder
from sync.lock import FileLock
from sync.queue import schema, wake
from sync.queue.job import Job
from sync.queue.outlook import Outlook, resume_later
from sync.sleeper import launch, run, sleeper
from sync.sleeper.sleeper import LONGEST_NAP, Sleeper, Step, next_step
from sync.worker.circuit_breaker import RECOVERY_TIMEOUT, CircuitBreaker, CircuitState
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn
from tests.servers.stash_plugin_host import JobManager
from tests.site import ROOT, Site, dead_children, is_running, kill, kill_sleepers_below, known_plugin, open_files

pytestmark = pytest.mark.integration

NOW = 1_000_000.0
HOUR = 3600.0
needs_proc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks at the process through /proc, which this system lacks"
)
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


@pytest.fixture(autouse=True)
def _no_strays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "chdir", lambda _: None)  # of a sleeper in the test's own process
    yield
    kill_sleepers_below(tmp_path)


# What to do next, as a table


def seen(
    *,
    waiting: bool = True,
    due: bool = False,
    next_due: float | None = None,
    resume_at: float | None = None,
    draining: bool = False,
    asked: bool = False,
) -> Outlook:
    return Outlook(waiting, due, next_due, resume_at, draining, asked=asked)


@pytest.mark.parametrize(
    ("outlook", "state", "opened_at", "expected"),
    [
        # nothing waits
        (seen(waiting=False), CLOSED, None, Step("end")),
        (seen(waiting=False), OPEN, NOW - 1, Step("end")),
        (seen(waiting=False), HALF_OPEN, NOW - 99, Step("end")),
        (seen(waiting=False, resume_at=NOW + 3), CLOSED, None, Step("end")),
        # somebody is at it
        (seen(draining=True), CLOSED, None, Step("sleep", 1.0)),
        (seen(draining=True), OPEN, NOW - 1, Step("sleep", 1.0)),
        (seen(draining=True, waiting=False), CLOSED, None, Step("sleep", 1.0)),
        (seen(asked=True, next_due=NOW - 1), CLOSED, None, Step("sleep", 1.0)),
        (seen(asked=True), HALF_OPEN, NOW - 99, Step("sleep", 1.0)),
        # a later try
        (seen(next_due=NOW + 2), CLOSED, None, Step("sleep", 2.0)),
        (seen(next_due=NOW + 600), CLOSED, None, Step("sleep", LONGEST_NAP)),
        (seen(next_due=NOW + 0.001), CLOSED, None, Step("sleep", 0.05)),
        (seen(next_due=NOW), CLOSED, None, Step("ask")),
        (seen(next_due=NOW - 30, due=True), CLOSED, None, Step("ask")),
        # a later try of the whole drain
        (seen(resume_at=NOW + 3), CLOSED, None, Step("sleep", 3.0)),
        (seen(resume_at=NOW - 1, due=True), CLOSED, None, Step("ask")),
        (seen(resume_at=NOW + 4, next_due=NOW + 2), CLOSED, None, Step("sleep", 2.0)),
        (seen(resume_at=NOW + 4, next_due=NOW - 2, due=True), CLOSED, None, Step("ask")),
        # a person's Stop: what is simply due is nobody's to wake
        (seen(due=True), CLOSED, None, Step("end")),
        # an outage: what becomes due waits for Plex
        (seen(due=True), OPEN, NOW, Step("sleep", LONGEST_NAP)),
        (seen(next_due=NOW - 1, due=True), OPEN, NOW - 57, Step("sleep", 3.0)),
        (seen(due=True), OPEN, None, Step("sleep", LONGEST_NAP)),
        (seen(due=True), HALF_OPEN, NOW - 60, Step("probe")),
        (seen(next_due=NOW + 300), HALF_OPEN, NOW - 60, Step("probe")),
    ],
)
def test_the_next_step(outlook: Outlook, state: CircuitState, opened_at: float | None, expected: Step) -> None:
    assert next_step(outlook, state, opened_at, NOW) == expected


# In this process, with a clock that naps move


class Clock:
    """Time that passes in naps alone; what is planned happens between them."""

    def __init__(self, *, most: float = 2 * HOUR) -> None:
        self.begin = self.now = time.time()
        self._end = self.now + most
        self._plans: list[tuple[Callable[[], bool], Callable[[], object]]] = []

    def __call__(self) -> float:
        return self.now

    def at(self, seconds: float, plan: Callable[[], object]) -> None:
        """Have something happen so many seconds after the beginning."""
        self.when(lambda: self.passed >= seconds, plan)

    def when(self, ready: Callable[[], bool], plan: Callable[[], object]) -> None:
        """Have something happen once, when something else is true."""
        self._plans.append((ready, plan))

    def nap(self, seconds: float) -> None:
        assert seconds > 0, "a busy loop"
        self.now += seconds
        assert self.now < self._end, "it has not ended"
        for planned in [planned for planned in self._plans if planned[0]()]:
            self._plans.remove(planned)
            planned[1]()

    @property
    def passed(self) -> float:
        return self.now - self.begin


class ServersTime:
    """The module `time` as a stand-in sees it whose clock goes with a test's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def time(self) -> float:
        return self._clock.now

    def time_ns(self) -> int:
        return int(self._clock.now * 1e9)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("tests.servers.stash_session", "tests.servers.stash_plugin_host"):
        monkeypatch.setattr(f"{module}.time", ServersTime(made))
    add = JobManager.add

    def add_now(jobs: JobManager, *args: Any) -> Any:
        job = add(jobs, *args)
        job.add_ns = int(made.now * 1e9)
        return job

    monkeypatch.setattr(JobManager, "add", add_now)
    return made


def connection_of(site: Site, **more: Any) -> dict[str, Any]:
    cookie = {"Name": "session", "Value": site.stash.session_cookie()}
    return {"Scheme": "http", "Host": "0.0.0.0", "Port": site.stash.port, "SessionCookie": cookie} | more


def asleep(site: Site, clock: Clock, **more: Any) -> Sleeper:
    """A sleeper that a drain has just started."""
    return Sleeper(
        connection_of(site, **more), str(site.data), site.plex.url, since=clock.now, clock=clock, nap=clock.nap
    )


def queue(site: Site, *jobs: Job) -> None:
    """Put these on the queue, as a drain leaves them."""
    site.data.mkdir(exist_ok=True)
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    for job in jobs:
        connection.execute(schema.INSERT_JOB, (json.dumps(job.to_row()), 0.0))
    connection.close()


def empty(site: Site) -> None:
    """A drain has come and done everything; its task was started."""
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    connection.execute(f"DELETE FROM `{schema.JOBS}`")
    wake.begin_drain(connection)
    wake.abandon_drain(connection)
    connection.close()


def asks(site: Site) -> list[dict[str, Any]]:
    """The variables of each request for the task."""
    return [request.variables for request in site.stash.plugin_requests("PlexSyncAsk(")]


def probes(plex: PlexStandIn) -> int:
    return len([request for request in plex.requests if request.path == "/identity"])


def open_breaker(site: Site, clock: Clock) -> None:
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    breaker = CircuitBreaker(connection, clock=clock)
    for _ in range(5):
        breaker.record_failure()
    assert breaker.state is OPEN
    connection.close()


def test_a_row_that_becomes_due_wakes_stash(site: Site, clock: Clock) -> None:
    queue(
        site, Job(1, retry_count=1, next_retry_at=clock.now + 90), Job(2, retry_count=1, next_retry_at=clock.now + 400)
    )
    when: list[float] = []

    def drained() -> None:
        when.append(len(asks(site)))
        empty(site)

    clock.at(89, lambda: when.append(len(asks(site))))
    clock.at(95, lambda: when.append(len(asks(site))))
    clock.at(410, drained)
    assert asleep(site, clock).run()
    assert when == [0, 1, 2]
    assert asks(site)[0]["args"] == {"mode": "process_queue", "trigger": "sleeper"}
    assert 410 <= clock.passed < 440


def test_it_ends_when_nothing_waits(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 500))
    clock.at(60, lambda: empty(site))
    assert asleep(site, clock).run()
    assert asks(site) == []
    assert clock.passed < 60 + 2 * LONGEST_NAP


def test_bulk_rows_are_not_its_business(site: Site, clock: Clock) -> None:
    queue(site, Job(1, batch_id="1"))
    assert asleep(site, clock).run()
    assert asks(site) == []


def test_a_batchs_scene_that_waits_for_a_later_try_is(site: Site, clock: Clock) -> None:
    queue(site, Job(1, batch_id="1", retry_count=1, next_retry_at=clock.now + 5))
    clock.at(10, lambda: empty(site))
    assert asleep(site, clock).run()
    assert [ask["args"]["trigger"] for ask in asks(site)] == ["sleeper"]


def test_a_persons_stop_holds(site: Site, clock: Clock) -> None:
    """They stopped the drain: what was due before stays, what becomes due later is tried again."""
    queue(site, Job(1), Job(2, retry_count=1, next_retry_at=clock.now - 5))
    assert asleep(site, clock).run()
    assert asks(site) == []
    queue(site, Job(3, retry_count=1, next_retry_at=clock.now + 30))
    assert asleep(site, clock).run()
    assert len(asks(site)) == 1
    assert clock.passed >= 30


def test_a_stop_of_the_drain_it_asked_for_holds_too(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 30))

    def stopped() -> None:  # begun, and killed before it could claim anything
        with site.queue_file() as connection:
            wake.begin_drain(connection)

    clock.at(33, stopped)
    assert asleep(site, clock).run()
    assert len(asks(site)) == 1
    assert len(site.rows()) == 1


def test_a_drain_that_could_not_go_on_is_tried_again(site: Site, clock: Clock) -> None:
    queue(site, Job(1))
    with site.queue_file() as connection:
        resume_later(connection, clock.now + 12)
    when: list[float] = []
    clock.when(lambda: bool(asks(site)), lambda: when.append(clock.passed))
    clock.when(lambda: bool(asks(site)), lambda: empty(site))
    assert asleep(site, clock).run()
    assert len(asks(site)) == 1
    assert 12 <= when[0] < 20


def test_while_a_drain_works_it_keeps_out_of_the_way(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 2))
    lock = FileLock(data_folder.drain_lock(str(site.data)))
    assert lock.acquire()
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    wake.begin_drain(connection)
    clock.at(100, lock.release)
    clock.at(100, lambda: empty(site))
    assert asleep(site, clock).run()
    connection.close()
    assert asks(site) == []
    assert clock.passed >= 100


@needs_proc
def test_it_keeps_no_file_open_while_it_waits(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows nobody could move a damaged file or delete the folder meanwhile."""
    found: list[list[str]] = []

    def watched(do: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*given: Any) -> Any:
            found.append([name for name in open_files("self") if Path(name).is_relative_to(site.data)])
            return do(*given)

        return watch

    monkeypatch.setattr(Clock, "nap", watched(Clock.nap))
    monkeypatch.setattr(run, "work_off", watched(lambda *_: None))
    monkeypatch.setattr(sleeper, "ask_for_drain", watched(sleeper.ask_for_drain))
    monkeypatch.setattr(sleeper, "answers", watched(sleeper.answers))
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 30))
    open_breaker(site, clock)
    done = threading.Event()
    site.stash.occupy(done)
    clock.at(600, lambda: empty(site))
    assert asleep(site, clock).run()
    done.set()
    assert found == [[]] * len(found)
    assert len(found) > 50


def test_it_makes_no_folder_anew_that_somebody_has_deleted(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 500))
    clock.at(60, lambda: shutil.rmtree(site.data))
    assert not asleep(site, clock).run()
    assert clock.passed < 60 + 2 * LONGEST_NAP
    assert not site.data.exists()


# Plex is away


def test_an_hour_without_plex(site: Site, clock: Clock) -> None:
    queue(site, Job(1), Job(2, retry_count=1, next_retry_at=clock.now + 20))
    open_breaker(site, clock)
    site.plex.starting = True
    times: list[float] = []
    clock.at(HOUR, lambda: times.append(probes(site.plex)))
    clock.at(HOUR, lambda: setattr(site.plex, "starting", False))
    clock.when(lambda: bool(asks(site)), lambda: empty(site))
    assert asleep(site, clock).run()
    assert 50 <= times[0] <= 60
    assert probes(site.plex) - times[0] <= 2
    assert len(asks(site)) == 1, "Plex is back"
    assert {request.path for request in site.plex.requests} == {"/identity"}
    assert not any("x-plex-token" in request.headers for request in site.plex.requests)


@pytest.mark.parametrize("kind", ["status", "half"])
def test_a_plex_that_stumbles_is_not_back(site: Site, clock: Clock, kind: str) -> None:
    queue(site, Job(1))
    open_breaker(site, clock)
    site.plex.fail(kind=kind, times=None, path_contains="/identity")  # type: ignore[arg-type]
    clock.at(600, lambda: empty(site))
    assert asleep(site, clock).run()
    assert 8 <= probes(site.plex) <= 10
    assert asks(site) == []


def test_something_else_that_answers_is_no_plex(site: Site, clock: Clock) -> None:
    queue(site, Job(1))
    open_breaker(site, clock)
    clock.at(200, lambda: empty(site))
    made = Sleeper(connection_of(site), str(site.data), site.stash.url, since=clock.now, clock=clock, nap=clock.nap)
    assert made.run()
    assert asks(site) == []


def test_plex_is_back_and_stash_busy(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain waits behind a scan: Plex has still no more than one probe a minute, Stash no second task."""
    monkeypatch.setattr(run, "work_off", lambda *_: None)
    queue(site, Job(1))
    open_breaker(site, clock)
    done = threading.Event()
    site.stash.occupy(done)
    clock.at(1200, lambda: empty(site))
    assert asleep(site, clock).run()
    done.set()
    assert 15 <= probes(site.plex) <= 20
    assert len(asks(site)) >= 1


def test_a_task_behind_a_long_scan_is_asked_for_once(site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "work_off", lambda *_: None)
    queue(site, Job(1))
    with site.queue_file() as connection:
        resume_later(connection, clock.now + 1)
    done = threading.Event()
    site.stash.occupy(done)
    clock.at(1200, lambda: empty(site))
    assert asleep(site, clock).run()
    done.set()
    assert len(asks(site)) == 1


def test_the_drain_that_it_asked_for_finds_plex_away_again(site: Site, clock: Clock) -> None:
    """Back for a moment only: the outage goes on, and so does the sleeper."""
    queue(site, Job(1))
    open_breaker(site, clock)

    def failed_again() -> None:
        connection = schema.connect(data_folder.queue_file(str(site.data)))
        wake.begin_drain(connection)
        CircuitBreaker(connection, clock=clock).record_failure()
        wake.abandon_drain(connection)
        connection.close()
        site.plex.starting = True

    clock.when(lambda: len(asks(site)) == 1, failed_again)
    clock.at(400, lambda: setattr(site.plex, "starting", False))
    clock.when(lambda: len(asks(site)) == 2, lambda: empty(site))
    assert asleep(site, clock).run()
    assert len(asks(site)) == 2
    assert probes(site.plex) <= 8


# Stash's session


@pytest.fixture
def guarded(tmp_path: Path, plex: PlexStandIn, clock: Clock) -> Iterator[Site]:
    """A Stash with a password."""
    plugin = known_plugin(tmp_path / "known")
    with StashStandIn(
        config_dir=tmp_path / "stash", plugin_dir=plugin, credentials=("me", "secret"), max_session_age=1800
    ) as stash:
        yield Site(stash, plex, tmp_path / "stash" / "plexsync", plex.add_library("Clips"))


def test_the_session_outlives_its_cookie(guarded: Site, clock: Clock) -> None:
    """Half an hour is what a cookie lasts; an hour and a half later Stash is asked all the same."""
    first = guarded.stash.session_cookie()
    queue(guarded, Job(1, retry_count=1, next_retry_at=clock.now + 1.5 * HOUR))
    assert asleep(guarded, clock).run()
    assert len(asks(guarded)) == 1
    (ask,) = guarded.stash.plugin_requests("PlexSyncAsk(")
    assert ask.status == 200
    assert first not in ask.headers["cookie"]
    assert len(guarded.stash.plugin_requests("PlexSyncSession")) <= 10


def test_the_session_outlives_an_outage_of_plex(guarded: Site, clock: Clock) -> None:
    queue(guarded, Job(1))
    open_breaker(guarded, clock)
    guarded.plex.starting = True
    clock.at(1.6 * HOUR, lambda: setattr(guarded.plex, "starting", False))
    clock.when(lambda: bool(asks(guarded)), lambda: empty(guarded))
    assert asleep(guarded, clock).run()
    assert len(asks(guarded)) == 1


def test_it_ends_when_stash_refuses(guarded: Site, clock: Clock) -> None:
    queue(guarded, Job(1, retry_count=1, next_retry_at=clock.now + 30))
    clock.at(10, guarded.stash.expire_cookies)
    assert asleep(guarded, clock).run() is False
    (ask,) = guarded.stash.plugin_requests("PlexSync")
    assert ask.status == 401
    with guarded.queue_file() as connection:
        (asked_at,) = connection.execute("SELECT asked_at FROM plexsync_wake").fetchone()
    assert asked_at is None, "the next save has to ask"


def test_an_api_key_outlives_every_cookie(guarded: Site, clock: Clock) -> None:
    guarded.stash.api_key = "the-key-of-this-test"
    queue(guarded, Job(1, retry_count=1, next_retry_at=clock.now + 1.5 * HOUR))
    clock.at(10, guarded.stash.expire_cookies)
    assert asleep(guarded, clock, ApiKey="the-key-of-this-test", SessionCookie=None).run()
    (ask,) = guarded.stash.plugin_requests("PlexSyncAsk(")
    assert (ask.status, ask.headers["apikey"]) == (200, "the-key-of-this-test")
    assert "cookie" not in ask.headers


def test_a_stash_that_restarts_is_asked_again(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 10))
    site.stash.fail("refuse")
    clock.at(100, site.stash.clear_faults)
    assert asleep(site, clock).run()
    assert len(asks(site)) == 1
    assert clock.passed < 200


def test_a_stash_that_is_gone_for_good_ends_it(site: Site, clock: Clock) -> None:
    queue(site, Job(1, retry_count=1, next_retry_at=clock.now + 10))
    site.stash.fail("refuse")
    assert asleep(site, clock).run() is False
    assert 900 <= clock.passed < 1000


# One process at most


def test_somebody_who_looks_at_its_lock_does_not_send_it_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain that asks whether a sleeper lives holds the lock for a moment; that is no sleeper."""
    monkeypatch.setattr(wake, "NOTE_TRUST", 0.5)
    monkeypatch.setattr(sleeper, "BLOCKED_AFTER", 0.5)
    fcntl = pytest.importorskip("fcntl", reason="on Windows a look is no lock")
    now = time.time()
    queue(site, Job(1, retry_count=1, next_retry_at=now + 0.3))
    call = {"server_connection": connection_of(site), "data": str(site.data), "plex_url": "", "since": now}
    with open(data_folder.sleeper_lock(str(site.data)), "a+b") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        running = threading.Thread(target=sleeper.main, args=(json.dumps(call).encode(),))
        running.start()
        running.join(15)
    assert not running.is_alive()
    assert len(asks(site)) == 1


def test_what_a_drain_leaves_in_its_last_moment_is_seen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has looked for the last time and still holds the lock, so the drain starts nobody."""
    now = time.time()
    queue(site, Job(1, retry_count=1, next_retry_at=now + 0.1))
    ran = Sleeper.run
    late: list[float] = []

    def run_then_leave(self: Sleeper, *_: object) -> bool:
        ended = ran(self)
        if not late:
            assert launch.is_alive(str(site.data))
            late.append(time.time() + 0.1)
            empty(site)
            queue(site, Job(2, retry_count=1, next_retry_at=late[0]))
        return ended

    monkeypatch.setattr(Sleeper, "run", run_then_leave)
    monkeypatch.setattr(wake, "NOTE_TRUST", 0.5)
    monkeypatch.setattr(sleeper, "BLOCKED_AFTER", 0.5)
    call = {"server_connection": connection_of(site), "data": str(site.data), "plex_url": "", "since": now}
    sleeper.main(json.dumps(call).encode())
    assert len(asks(site)) == 2
    assert not launch.is_alive(str(site.data))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b'{"data": "/nowhere/at/all"}', b"\xff"])
def test_what_is_no_call_starts_nothing(raw: bytes) -> None:
    sleeper.main(raw)


# As a process


def wait_for(what: Callable[[], Any], timeout: float = 15.0) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def a_sleeper(site: Site) -> int:
    """Have one started: a scene whose item Plex does not have yet waits for a later try."""
    scene = site.stash.add_scene(title="Not there yet", files=[("/media/later.mp4", 4711)])
    saved = site.stash.save_scene(scene, title="Not in Plex yet")
    site.stash.wait_idle(30)
    assert saved.errors == []
    pid = wait_for(site.sleeper_pid)
    assert isinstance(pid, int)
    return pid


def test_a_drain_that_leaves_a_row_for_later_starts_one(live_site: Site) -> None:
    pid = a_sleeper(live_site)
    assert is_running(pid)
    assert [job["last_error_type"] for job, _ in live_site.rows()] == ["PlexNotFound"]
    # The task is over although the sleeper lives, and so is a save.
    assert all(job.done for job in live_site.stash.jobs)
    scene, key = live_site.add()
    saved = live_site.stash.save_scene(scene, title="Saved beside it")
    assert saved.seconds < 3
    live_site.stash.wait_idle(30)
    assert live_site.item(key).title == "Saved beside it"
    assert live_site.sleeper_pid() == pid, "one is enough"
    assert live_site.stash.errors() == []


@needs_proc
def test_it_holds_none_of_the_tasks_pipes_and_shows_no_secret(live_site: Site) -> None:
    live_site.stash.api_key = "the-key-of-this-test"
    pid = a_sleeper(live_site)
    process = Path(f"/proc/{pid}")
    assert [os.readlink(process / "fd" / str(number)) for number in (1, 2)] == [os.devnull] * 2
    inherited = {os.readlink(entry) for entry in (process / "fd").iterdir()}
    assert not [name for name in inherited if name.startswith("socket:")]
    # Nothing else keeps the data folder from being deleted, but in the moment of a look at the queue.
    lock = data_folder.sleeper_lock(str(live_site.data))
    wait_for(lambda: [name for name in open_files(str(pid)) if Path(name).is_relative_to(live_site.data)] == [lock])
    assert os.readlink(process / "cwd") == "/", "nor any other from being unmounted"
    assert os.getsid(pid) == pid, "a Stop or a terminal that closes does not reach it"
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert b"--sleeper" in shown
    sent = live_site.stash.processes[-1].input["server_connection"]["SessionCookie"]["Value"]
    for secret in (live_site.plex.token, "the-key-of-this-test", sent, live_site.stash.session_cookie()):
        assert secret.encode() not in shown
    assert live_site.secrets_on_disk() == []
    assert live_site.plex.token not in json.dumps(live_site.stash.log_text())


def test_only_one_lives(live_site: Site) -> None:
    pid = a_sleeper(live_site)
    call = {
        "server_connection": connection_of(live_site),
        "data": str(live_site.data),
        "plex_url": live_site.plex.url,
        "since": time.time(),
    }
    second = subprocess.run(
        [sys.executable, str(ROOT / "plexsync.py"), "--sleeper"],
        input=json.dumps(call).encode(),
        capture_output=True,
        timeout=20,
    )
    assert (second.returncode, second.stdout, second.stderr) == (0, b"", b"")
    assert live_site.sleeper_pid() == pid
    assert is_running(pid)


def test_one_that_was_killed_is_replaced_by_the_next_drain(live_site: Site) -> None:
    pid = a_sleeper(live_site)
    kill(pid)
    wait_for(lambda: live_site.sleeper_pid() is None)
    live_site.stash.press("Process queue")
    live_site.stash.wait_idle(30)
    replaced = wait_for(live_site.sleeper_pid)
    wait_for(lambda: live_site.sleeper_pid() != pid)
    assert replaced and is_running(live_site.sleeper_pid() or 0)


def test_it_goes_when_nothing_waits(live_site: Site) -> None:
    pid = a_sleeper(live_site)
    live_site.plex.add_item(live_site.library, [("/media/later.mp4", 4711)])
    live_site.stash.press("Process queue")
    live_site.stash.wait_idle(30)
    assert live_site.rows() == []
    wait_for(lambda: not is_running(pid))
    assert live_site.sleeper_pid() is None


@pytest.mark.parametrize("with_key", [False, True], ids=["cookie", "API key"])
def test_plex_comes_back_and_nobody_lifts_a_finger(live_site: Site, with_key: bool) -> None:
    if with_key:
        live_site.stash.api_key = "the-key-of-this-test"
    scene, key = live_site.add()
    live_site.plex.stop()
    live_site.stash.save_scene(scene, title="While Plex was away")
    live_site.stash.wait_idle(30)
    pid = wait_for(live_site.sleeper_pid)
    live_site.plex.start()
    wait_for(lambda: live_site.item(key).title == "While Plex was away", 30)
    live_site.stash.wait_idle(30)
    assert live_site.rows() == []
    asked = live_site.stash.plugin_requests("PlexSyncAsk(")[-1]
    assert asked.variables["args"]["trigger"] == "sleeper"
    assert (asked.headers.get("apikey") == "the-key-of-this-test") is with_key
    assert ("cookie" in asked.headers) is not with_key
    wait_for(lambda: not is_running(pid))


def test_an_open_breaker_has_one_too(live_site: Site) -> None:
    """Plex fails five scenes in a row: the drain ends, Stash's slot is free, somebody waits."""
    pairs = [live_site.add(f"/media/{n}.mp4", n + 1) for n in range(7)]
    live_site.plex.fail(status=500, method="PUT", times=None)
    live_site.stash.bulk_save([scene for scene, _ in pairs], studio="Acme")
    live_site.stash.wait_idle(30)
    pid = wait_for(live_site.sleeper_pid)
    assert live_site.breaker()[0] is OPEN
    live_site.plex.clear_faults()
    before = live_site.plex.requests
    assert len(live_site.rows()) == 7
    with live_site.queue_file() as connection:  # as if the minute were over
        record = json.loads(connection.execute("SELECT record FROM plexsync_breaker").fetchone()[0])
        record["opened_at"] -= RECOVERY_TIMEOUT
        connection.execute("UPDATE plexsync_breaker SET record = ?", (json.dumps(record),))
    wait_for(lambda: [live_site.item(key).studio for _, key in pairs] == ["Acme"] * 7, 40)
    assert live_site.plex.requests[len(before)].path == "/identity"
    live_site.stash.wait_idle(30)
    wait_for(lambda: not live_site.rows())
    wait_for(lambda: not is_running(pid))


@needs_proc
def test_an_outage_leaves_one_dead_process_where_nobody_buries_them(live_site: Site) -> None:
    """Stash is the first process of its container, and buries no orphans. Here this test is."""
    is_first = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
    prctl = ctypes.CDLL(None).prctl
    pairs = [live_site.add(f"/media/{n}.mp4", n + 1) for n in range(6)]
    before = dead_children()  # of other tests
    assert prctl(is_first, 1, 0, 0, 0) == 0
    try:
        live_site.plex.stop()
        for scene, _ in pairs:
            live_site.stash.save_scene(scene, title="While Plex was away")
        live_site.stash.wait_idle(30)
        live_site.stash.press("Process queue")
        live_site.stash.wait_idle(30)
        pid = wait_for(live_site.sleeper_pid)
        live_site.plex.start()
        live_site.stash.press("Process queue")
        live_site.stash.wait_idle(30)
        assert live_site.rows() == []
        wait_for(lambda: not is_running(pid))
        assert set(dead_children()).difference(before) == {pid}
        os.waitpid(pid, 0)
    finally:
        prctl(is_first, 0, 0, 0, 0)
