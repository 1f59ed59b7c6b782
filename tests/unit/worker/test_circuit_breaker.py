"""The breaker's rules, and a job's life on the queue, each against a model small enough to be seen right."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sync import data_folder, hook
from sync.plex.exceptions import PlexNotFound, PlexTemporaryError
from sync.queue import schema, wake
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import ClaimedJob, Job, read_job
from sync.queue.jobs import JobStore
from sync.worker.circuit_breaker import (
    FAILURE_THRESHOLD,
    RECOVERY_TIMEOUT,
    CircuitBreaker,
    CircuitState,
    Record,
    after_failure,
    after_success,
    may_execute,
    state_of,
)
from tests.site import count_claimed

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
NOW = 1_700_000_000.0

FOUR = Record(4, ("a", "b", "c", "d"), NOW - 20)
OPENED = Record(5, ("a", "b", "c", "d", "e"), NOW - 20, opened_at=NOW, outage_began_at=NOW - 20)

MACHINE = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# The rules


def test_the_numbers() -> None:
    assert (FAILURE_THRESHOLD, RECOVERY_TIMEOUT) == (5, 60.0)


@pytest.mark.parametrize(
    ("record", "at", "expected"),
    [
        (Record(), 0, CLOSED),
        (FOUR, 0, CLOSED),
        (FOUR, 1e6, CLOSED),
        (OPENED, 0, OPEN),
        (OPENED, 30, OPEN),
        (OPENED, 59.999, OPEN),
        (OPENED, 60, HALF_OPEN),
        (OPENED, 1e6, HALF_OPEN),
        (OPENED, -1, HALF_OPEN),  # the clock was set back
        (replace(OPENED, probe_at=NOW + 60), 61, HALF_OPEN),
    ],
)
def test_the_state_of_a_record(record: Record, at: float, expected: CircuitState) -> None:
    assert state_of(record, NOW + at) is expected


@pytest.mark.parametrize(
    ("record", "at", "may", "probe_at"),
    [
        (Record(), 0, True, None),
        (FOUR, 0, True, None),
        (OPENED, 0, False, None),
        (OPENED, 59.999, False, None),
        (OPENED, 60, True, 60),
        (OPENED, 500, True, 500),
        (OPENED, -1, True, -1),
        (replace(OPENED, probe_at=NOW + 60), 60, False, 60),
        (replace(OPENED, probe_at=NOW + 60), 119.999, False, 60),
        (replace(OPENED, probe_at=NOW + 60), 120, True, 120),  # the probe never came back
        (replace(OPENED, probe_at=NOW + 99), 60, True, 60),  # the clock was set back
    ],
)
def test_who_may_go(record: Record, at: float, may: bool, probe_at: float | None) -> None:
    answer, after = may_execute(record, NOW + at)
    assert answer is may
    assert after == replace(record, probe_at=None if probe_at is None else NOW + probe_at)


@pytest.mark.parametrize("record", [Record(), FOUR, OPENED, replace(OPENED, probe_at=NOW + 60)])
def test_a_success_makes_all_forgotten(record: Record) -> None:
    assert after_success(record) == Record()


@pytest.mark.parametrize(
    ("record", "at", "job", "expected"),
    [
        (Record(), 0, "a", Record(1, ("a",), NOW)),
        (Record(), 0, None, Record(1, (), NOW)),
        (Record(1, ("a",), NOW), 9, "a", Record(1, ("a",), NOW)),
        (Record(1, ("a",), NOW), 9, "b", Record(2, ("a", "b"), NOW)),
        (Record(1, (), NOW), 9, None, Record(2, (), NOW)),
        (FOUR, 0, "d", FOUR),
        (FOUR, 0, "e", OPENED),
        (FOUR, 0, None, replace(OPENED, failed_jobs=FOUR.failed_jobs)),
        (OPENED, 30, "f", replace(OPENED, opened_at=NOW + 30)),
        (replace(OPENED, probe_at=NOW + 60), 61, None, replace(OPENED, opened_at=NOW + 61)),
        (replace(OPENED, probe_at=NOW + 60), 61, "a", replace(OPENED, opened_at=NOW + 61)),
    ],
)
def test_a_failure(record: Record, at: float, job: str | None, expected: Record) -> None:
    assert after_failure(record, NOW + at, job) == expected


@pytest.mark.parametrize("threshold", [1, 2, 7])
def test_the_threshold_is_a_number_like_any_other(threshold: int) -> None:
    record = Record()
    for number in range(threshold):
        assert state_of(record, NOW) is CLOSED
        record = after_failure(record, NOW, f"job {number}", threshold=threshold)
    assert state_of(record, NOW) is OPEN


@pytest.mark.parametrize("timeout", [0.5, 10.0, 3600.0])
def test_the_time_is_a_number_like_any_other(timeout: float) -> None:
    assert state_of(OPENED, NOW + timeout - 0.01, timeout) is OPEN
    assert state_of(OPENED, NOW + timeout, timeout) is HALF_OPEN
    answer, after = may_execute(OPENED, NOW + timeout, timeout)
    assert answer
    assert may_execute(after, NOW + 2 * timeout - 0.01, timeout) == (False, after)
    again = after_failure(after, NOW + timeout, recovery_timeout=timeout)
    assert state_of(again, NOW + 2 * timeout - 0.01, timeout) is OPEN


# The breaker against a model


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, the breaker is what five lines of arithmetic say."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.breaker = self.opened()
        # the model
        self.jobs: set[str] = set()
        self.nameless = 0
        self.opened_at: float | None = None
        self.probe_at: float | None = None
        self.began: float | None = None

    def opened(self) -> CircuitBreaker:
        return CircuitBreaker(self.connection, clock=lambda: self.now)

    def teardown(self) -> None:
        self.connection.close()

    @property
    def expected(self) -> CircuitState:
        if self.opened_at is None:
            return CLOSED
        return OPEN if self.now - self.opened_at < 60 else HALF_OPEN

    def clear(self) -> None:
        self.jobs, self.nameless, self.opened_at, self.probe_at, self.began = set(), 0, None, None, None

    @rule(seconds=st.sampled_from([0.001, 1.0, 29.5, 30.0, 59.0, 60.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(job=st.none() | st.sampled_from("abcdefg"))
    def a_failure(self, job: str | None) -> None:
        self.breaker.record_failure(job)
        if self.expected is not CLOSED:
            self.opened_at, self.probe_at = self.now, None
            return
        if job is None:
            self.nameless += 1
        else:
            self.jobs.add(job)
        self.began = self.began or self.now
        if len(self.jobs) + self.nameless == 5:
            self.opened_at = self.now

    @rule()
    def a_success(self) -> None:
        before = self.breaker.record_success()
        assert before.outage_began_at == (self.began if self.opened_at else None)
        self.clear()

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.clear()

    @rule()
    def somebody_asks(self) -> None:
        free = self.probe_at is None or self.now - self.probe_at >= 60
        may = self.expected is CLOSED or (self.expected is HALF_OPEN and free)
        assert self.breaker.can_execute() is may
        if may and self.expected is HALF_OPEN:
            self.probe_at = self.now
            assert not self.breaker.can_execute(), "one probe and no second"

    @rule()
    def the_probe_is_handed_on(self) -> None:
        self.breaker.release_probe()
        self.probe_at = None

    @rule()
    def another_process(self) -> None:
        self.breaker = self.opened()

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        assert self.breaker.state is self.expected
        record = self.breaker.record
        assert record.failures == len(self.jobs) + self.nameless
        assert set(record.failed_jobs) == self.jobs
        assert record.outage_began_at == (self.began if self.opened_at else None)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = MACHINE


# A job's life against a model


class JobMachine(RuleBasedStateMachine):
    """Saves, claims, ends of every kind and crashes, in whatever order: no save is lost and none is in two places."""

    scenes = st.integers(1, 4)

    @initialize()
    def a_new_queue(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="plexsync-jobs-"))
        self.now = NOW
        self.abandoned: list[JobStore] = []
        self.store = self.opened()
        # the model
        self.rows: dict[int, Job] = {}  # all that are not acknowledged, by number
        self.claims: list[ClaimedJob] = []
        self.owed: dict[int, int] = {}  # scene -> the row that stands for its last save
        self.dead: dict[int, DeadLetter] = {}
        self.highest = 0

    def opened(self) -> JobStore:
        store = JobStore(str(self.folder))
        store.connection.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug here
        return store

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            for store in (*self.abandoned, self.store):
                store.close()
            shutil.rmtree(self.folder)

    @property
    def claimed(self) -> set[int]:
        return {number for claim in self.claims for number in claim.row_ids}

    def due_at(self, number: int) -> float:
        return self.rows[number].next_retry_at or 0.0

    def end(self, claim: ClaimedJob) -> None:
        """The model's side of a job's end."""
        self.claims.remove(claim)
        for number in claim.row_ids:
            del self.rows[number]
        if self.owed.get(claim.scene_id) in claim.row_ids:
            del self.owed[claim.scene_id]

    # What happens to a queue

    @rule(scene=scenes)
    def a_save(self, scene: int) -> None:
        row = hook.new_row(scene, self.now)
        wake.enqueue(str(self.folder / data_folder.QUEUE_FILE), str(self.folder / "drain.lock"), row)
        self.highest += 1
        self.rows[self.highest] = Job(scene, enqueued_at=self.now)
        self.owed[scene] = self.highest

    @rule(seconds=st.sampled_from([0.5, 5.0, 60.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.claims)  # a drain ends one batch before it takes the next
    @rule(limit=st.integers(1, 6))
    def a_claim(self, limit: int) -> None:
        waiting = self.rows.keys() - self.claimed
        due = sorted((self.due_at(number), number) for number in waiting if self.due_at(number) <= self.now)
        expected = []
        for scene in dict.fromkeys(self.rows[number].scene_id for _, number in due[:limit]):
            own = sorted(number for number in waiting if self.rows[number].scene_id == scene)
            fresh = [self.rows[number] for number in own if self.rows[number].is_fresh]
            expected.append(ClaimedJob(fresh[-1] if fresh else self.rows[own[-1]], tuple(own)))
        claims = self.store.claim(limit, self.now)
        assert claims == expected
        self.claims += claims

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def one_is_done(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        self.store.acknowledge([claim])
        self.end(claim)
        self.dead.pop(claim.scene_id, None)

    @precondition(lambda self: self.claims)
    @rule()
    def all_are_done(self) -> None:
        self.store.acknowledge(self.claims)
        for claim in list(self.claims):
            self.end(claim)
            self.dead.pop(claim.scene_id, None)

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        delay=st.sampled_from([0.0, 5.0, 600.0]),
        error=st.sampled_from([PlexNotFound("x"), PlexTemporaryError("x")]),
    )
    def one_is_tried_later(self, data: st.DataObject, delay: float, error: Exception) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        job = claim.job.later(retry_count=claim.job.retry_count + 1, at=self.now + delay, error=error, now=self.now)
        self.store.try_later(claim, job)
        owed = self.owed.get(claim.scene_id) in claim.row_ids
        self.end(claim)
        (survivor,) = {number for number, _ in self.on_disk().items() if number in claim.row_ids}
        self.rows[survivor] = job
        if owed:
            self.owed[claim.scene_id] = survivor

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def one_is_buried(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        tries = claim.job.retry_count + 1
        row = json.dumps(claim.job.to_row())
        letter = DeadLetter(claim.scene_id, "T", "E", "why", tries, claim.job.enqueued_at, self.now, row)
        self.store.bury(claim, letter)
        self.end(claim)
        before = self.dead.get(claim.scene_id)
        if before:
            letter = letter._replace(tries=before.tries + tries, first_at=before.first_at)
        self.dead[claim.scene_id] = letter

    @precondition(lambda self: self.claims)
    @rule()
    def all_are_given_back(self) -> None:
        self.store.give_back(self.claims)
        self.claims = []

    @rule()
    def a_press(self) -> None:
        self.store.hasten(self.now)
        for number in self.rows.keys() - self.claimed:
            if self.due_at(number) > self.now:
                self.rows[number] = replace(self.rows[number], next_retry_at=self.now, early=True)

    @rule()
    def what_is_acknowledged_is_cleared(self) -> None:
        self.store.clear_acknowledged()

    @rule()
    def the_next_process(self) -> None:
        self.store.close()
        self.store = self.opened()
        self.claims = []

    @precondition(lambda self: len(self.abandoned) < 3)
    @rule()
    def a_process_after_one_that_was_killed(self) -> None:
        self.abandoned.append(self.store)
        self.store = self.opened()
        self.claims = []
        assert count_claimed(self.store.connection) == 0, "what it had claimed is back"

    # What holds at any moment

    def on_disk(self) -> dict[int, tuple[Job, int]]:
        """(job, status) of every row that is not acknowledged, by number."""
        rows = self.store.connection.execute(
            f"SELECT _id, data, status FROM `{schema.JOBS}` WHERE status <> {schema.ACKED}"
        )
        return {number: (read_job(data), status) for number, data, status in rows}

    @invariant()
    def the_queue_is_what_the_model_says(self) -> None:
        found = self.on_disk()
        assert {number: job for number, (job, _) in found.items()} == self.rows
        assert {number for number, (_, status) in found.items() if status == schema.CLAIMED} == self.claimed
        assert (self.store.waiting(), count_claimed(self.store.connection)) == (
            len(found) - len(self.claimed),
            len(self.claimed),
        )

    @invariant()
    def no_save_is_lost(self) -> None:
        found = self.on_disk()
        for scene, number in self.owed.items():
            assert found[number][0].scene_id == scene

    @invariant()
    def nothing_is_in_two_places(self) -> None:
        owned = [number for claim in self.claims for number in claim.row_ids]
        assert len(owned) == len(set(owned)), "a row belongs to one claim"
        dead = {letter.scene_id: letter for letter in self.store.dead_letters()}
        assert dead == self.dead
        queued = {job.scene_id for job, _ in self.on_disk().values()}
        assert queued == set(self.owed) | {claim.scene_id for claim in self.claims}, "a dead letter's row is gone"

    @invariant()
    def what_looks_due_can_be_claimed(self) -> None:
        waiting = self.rows.keys() - self.claimed
        assert self.store.due(self.now) == sum(self.due_at(number) <= self.now for number in waiting)
        assert self.store.is_due(self.now) == (self.store.due(self.now) > 0)


# It makes some hundred files, which a disk that is busy with others' writes takes its time for.
TestJobs = pytest.mark.timeout(300)(JobMachine.TestCase)
TestJobs.settings = MACHINE
