"""Saves while Stash's own jobs keep the task from beginning: they arrive all the same, and nothing else does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder
from sync.queue import schema, wake
from sync.queue.outlook import Outlook, outlook
from sync.sleeper import run
from sync.sleeper.sleeper import BLOCKED_AFTER, LONGEST_NAP, Sleeper, Step, next_step
from sync.worker.circuit_breaker import CircuitState
from tests.site import Site, kill_sleepers_below

pytestmark = pytest.mark.integration

NOW = 1_000_000.0
CLOSED, OPEN = CircuitState.CLOSED, CircuitState.OPEN


def asked(seconds_ago: float, *, due: bool = True, **more: Any) -> Outlook:
    resume_at = more.pop("resume_at", None)
    return Outlook(True, due, None, resume_at, False, saved=due, job="7", job_at=NOW - seconds_ago, **more)


@pytest.mark.parametrize(
    ("seen", "state", "expected"),
    [
        (asked(0), CLOSED, Step("sleep", LONGEST_NAP)),
        (asked(BLOCKED_AFTER - 2), CLOSED, Step("sleep", 2.0)),
        (asked(BLOCKED_AFTER), CLOSED, Step("work")),
        (asked(BLOCKED_AFTER, asked=True), CLOSED, Step("work")),  # another save has renewed the note
        (asked(9000), CLOSED, Step("work")),
        (asked(BLOCKED_AFTER, due=False), CLOSED, Step("watch")),
        (asked(-5000), CLOSED, Step("work")),  # the clock was set back
        (asked(BLOCKED_AFTER, resume_at=NOW + 5), CLOSED, Step("watch")),  # Plex stumbled a moment ago
        (asked(BLOCKED_AFTER, resume_at=NOW - 5), CLOSED, Step("work")),
        (asked(BLOCKED_AFTER, asked=True), OPEN, Step("sleep", 1.0)),
    ],
)
def test_the_next_step(seen: Outlook, state: CircuitState, expected: Step) -> None:
    assert next_step(seen, state, NOW, NOW) == expected


@pytest.fixture
def scan(live_site: Site) -> Iterator[threading.Event]:
    """A scan that takes the one job slot until it is told to end."""
    over = threading.Event()
    live_site.stash.occupy(over)
    yield over
    over.set()
    kill_sleepers_below(live_site.data)


def wait_for(what: Callable[[], Any], timeout: float = 40.0) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def test_a_save_behind_a_scan_arrives_within_20_seconds_and_is_told_of_later(
    live_site: Site, scan: threading.Event
) -> None:
    (first, one), (second, other) = live_site.add("/m/1.mp4"), live_site.add("/m/2.mp4")
    began = time.monotonic()
    saved = live_site.stash.save_scene(first, title="Behind a scan")
    assert saved.errors == []
    pid = wait_for(live_site.sleeper_pid)
    wait_for(lambda: live_site.item(one).title == "Behind a scan")
    took = time.monotonic() - began
    assert took > BLOCKED_AFTER - 1, "the task had its time to begin"
    live_site.stash.save_scene(second, title="The next one")
    wait_for(lambda: live_site.item(other).title == "The next one", 20)
    assert live_site.sleeper_pid() == pid, "one is enough"
    waiting = [job for job in live_site.stash.jobs if job.status == "READY"]
    assert len(waiting) == 1, "one task waits, however often somebody saves"
    scan.set()
    live_site.stash.wait_idle(30)
    log = live_site.stash.log_text()
    assert 'While Stash was busy: Scene 1 "Behind a scan"' in log
    assert live_site.plex.token not in log
    assert live_site.secrets_on_disk() == []
    wait_for(lambda: live_site.sleeper_pid() is None)


def test_a_hook_with_nothing_before_its_task_starts_nobody(live_site: Site) -> None:
    scene, _ = live_site.add()
    live_site.stash.save_scene(scene, title="At once")
    live_site.stash.wait_idle(30)
    assert live_site.sleeper_pid() is None


class Patient:
    """A sleeper in this process, whose naps take no time and whose runs are counted."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.site, self.now, self.runs = site, time.time(), 0
        self.plans: dict[float, Callable[[], object]] = {}
        monkeypatch.setattr(run, "work_off", self._work_off)
        cookie = {"Name": "session", "Value": site.stash.session_cookie()}
        connection = {"Scheme": "http", "Host": "127.0.0.1", "Port": site.stash.port, "SessionCookie": cookie}
        self.sleeper = Sleeper(connection, str(site.data), "", since=self.now, clock=lambda: self.now, nap=self._nap)
        self._most = self.now + 4000

    def _nap(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)
        assert self.now < self._most, "it has not ended"
        for at in [at for at in self.plans if self.now >= at]:
            self.plans.pop(at)()

    def _work_off(self, *_: Any) -> None:
        self.runs += 1

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        self.plans[self.now + seconds] = what


@pytest.fixture
def patient(live_site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """A save waits behind a scan; its hook has started nobody, for this test is the sleeper."""
    monkeypatch.setattr("sync.sleeper.launch.ensure", lambda *_, **__: True)
    over, site = threading.Event(), live_site
    site.stash.occupy(over)
    scene = site.stash.add_scene(files=[("/m/1.mp4", 1)])
    answer = site.hook(scene)
    assert answer.output and "sleeper" in answer.output
    yield Patient(site, monkeypatch)
    over.set()


def test_it_ends_when_the_plugin_is_disabled(patient: Patient) -> None:
    patient.after(60, lambda: patient.site.stash.disabled_plugins.append("PlexSync"))
    assert not patient.sleeper.run()
    assert 2 <= patient.runs <= 14


def test_it_ends_when_the_queue_is_cleared(patient: Patient) -> None:
    patient.after(60, lambda: patient.site.call({"mode": "clear_queue"}))
    assert patient.sleeper.run()


def test_it_ends_when_a_person_stops_the_task_that_waits(patient: Patient) -> None:
    (job,) = [job for job in patient.site.stash.jobs if job.status == "READY"]
    patient.site.stash.stop_job(job.id)
    assert patient.sleeper.run()
    assert patient.runs == 0, "a Stop holds until the next save or press"


def test_it_ends_when_stash_is_gone(patient: Patient) -> None:
    patient.after(30, patient.site.stash.stop)
    assert not patient.sleeper.run()


def test_batches_wait_their_turn(site: Site) -> None:
    site.configure()
    (saved, one), (other, two) = site.add("/m/1.mp4"), site.add("/m/2.mp4")
    site.stash.scene(other).title = "Of a batch"
    site.hook(saved)
    site.stash.scene(saved).title = "Saved"
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    site.call({"mode": "process_queue", "trigger": "blocked"})
    assert site.item(one).title == "Saved"
    tag = site.stash.add_tag("Old name")
    site.stash.scene(saved).tag_ids.append(tag)
    site.sync(saved)
    site.stash.store.tags[tag].name = "New name"
    site.call({"hookContext": {"id": tag, "type": "Tag.Update.Post", "inputFields": ["id", "name"]}})
    site.call({"mode": "process_queue", "trigger": "blocked"})
    assert site.item(one).genres == ["Old name"]
    connection.close()
    site.drain()
    assert site.item(one).genres == ["New name"]
    assert site.item(two).title != "Of a batch"


def test_a_run_beside_a_blocked_stash_leaves_the_task_that_waits_known(site: Site) -> None:
    site.configure()
    scene, _ = site.add()
    site.hook(scene)
    connection = schema.connect(data_folder.queue_file(str(site.data)))
    connection.execute("UPDATE plexsync_wake SET ask_job = '7', ask_job_at = 5")
    site.call({"mode": "process_queue", "trigger": "blocked"})
    lock = data_folder.drain_lock(str(site.data))
    assert outlook(connection, lock, now=NOW, since=NOW).job == "7"
    wake.drop_job(connection, "7")
    assert outlook(connection, lock, now=NOW, since=NOW).job == ""
    connection.close()


def test_what_was_said_is_told_once_and_is_bounded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = tmp_path / run.SAID_FILE
    said.write_bytes(b"\x01i\x02first\n\x01d\x02detail\nno line of ours\n\x01e\x02second\n")
    run.tell(str(tmp_path))
    run.tell(str(tmp_path))
    assert [line[3:] for line in capfd.readouterr().err.splitlines()] == [
        "While Stash was busy: first",
        "While Stash was busy: second",
    ]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", ["disabled", "uninstalled"])
def test_a_sleeper_that_waits_for_plex_ends_when_the_plugin_is_gone(patient: Patient, how: str) -> None:
    """Its plugin is gone for good, perhaps; a Stash that does not tell of its plugins is taken to have it still."""
    connection = schema.connect(data_folder.queue_file(str(patient.site.data)))
    connection.execute("UPDATE plexsync_wake SET ask_job = NULL, asked_at = NULL, resume_at = ?", (patient.now + 9,))
    connection.close()
    if how == "disabled":
        patient.site.stash.disabled_plugins.append("PlexSync")
    else:
        patient.site.stash.uninstall_plugin()
    asked = len(patient.site.stash.plugin_requests("PlexSyncAsk("))
    assert not patient.sleeper.run()
    assert len(patient.site.stash.plugin_requests("PlexSyncAsk(")) == asked
