"""The record of a batch: what it counts, when it ends, who goes on with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import data_folder
from sync.bulk import args as batch_args
from sync.errors import SetupError
from sync.plex.exceptions import PlexTemporaryError
from sync.queue import batches, schema, steer
from sync.queue.batch import CHANGE, COMPLETED, FAILED, PENDING, RECONCILE, RUNNING, SYNC_ALL, SYNC_RECENT, WHOLE, Batch
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import ClaimedJob, Job
from sync.queue.jobs import JobStore

NOW = 1_700_000_000.0
LATER = NOW + 3_600
NEXT_DAY = NOW + batches.STALE + 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(str(tmp_path))
    yield opened
    opened.close()


def start(store: JobStore, kind: str = SYNC_ALL, now: float = NOW, **args: object) -> Batch:
    with store.transaction() as connection:
        return batches.start(connection, kind, args, now)


def begin(store: JobStore, batch: Batch, shape: str = "shape", now: float = NOW) -> Batch:
    with store.transaction() as connection:
        return batches.begin(connection, batch, shape, now)


def put(store: JobStore, batch: Batch, *scenes: int, skipped: int = 0, cursor: int = 0, listed: bool = True) -> int:
    rows = [(scene, batch.kind) for scene in scenes]
    with store.transaction() as connection:
        return batches.put_page(connection, batch, rows=rows, skipped=skipped, cursor=cursor, listed=listed, now=NOW)


def seen(store: JobStore, batch: Batch) -> Batch:
    known = batches.get(store.connection, batch.id)
    assert known
    return known


def counts(store: JobStore, batch: Batch) -> tuple[str, int, int, int, int]:
    known = seen(store, batch)
    return known.status, known.total, known.done, known.failed, known.skipped


def letter(scene: int) -> DeadLetter:
    return DeadLetter(scene, "T", "PermanentError", "why", 1, NOW, NOW, "{}")


def later(store: JobStore, claim: ClaimedJob, at: float = LATER) -> None:
    error = PlexTemporaryError("busy")
    store.try_later(claim, claim.job.later(retry_count=1, at=at, error=error, now=NOW))


# A batch from its start to its end


def test_its_course(store: JobStore) -> None:
    batch = start(store)
    assert (batch.status, batch.started_at, batch.progress, batch.left) == (PENDING, None, 0.0, 0)
    batch = begin(store, batch)
    with store.transaction() as connection:
        batches.set_total(connection, batch.id, 5)
    assert put(store, batch, 1, 2, skipped=1, cursor=3, listed=False) == 2
    assert counts(store, batch) == (RUNNING, 5, 0, 0, 1)
    (one, two) = store.claim_bulk(10, NOW, batch.id)
    store.acknowledge([one], {batch.id: {("Clips", "changed"): 1}})
    assert (seen(store, batch).progress, seen(store, batch).left) == (0.4, 3)
    store.bury(two, letter(2))
    assert counts(store, batch) == (RUNNING, 5, 1, 1, 1)
    put(store, batch, 5, cursor=5)
    store.acknowledge(store.claim_bulk(10, NOW, batch.id), {batch.id: {("Clips", "changed"): 1, ("Films", "right"): 1}})
    batch = seen(store, batch)
    assert counts(store, batch) == (FAILED, 4, 2, 1, 1), "what there was, not what was counted"
    assert (batch.is_over, batch.progress, batch.left, batch.completed_at is None) == (True, 1.0, 0, False)
    assert batch.libraries == {"Clips": {"changed": 2}, "Films": {"right": 1}}


def test_without_a_failure_it_is_completed_and_without_a_scene_too(store: JobStore) -> None:
    batch = begin(store, start(store))
    put(store, batch)
    assert counts(store, batch) == (COMPLETED, 0, 0, 0, 0)
    assert start(store).id != batch.id, "the next press is another one"


def test_what_waits_for_a_later_try_keeps_it_open(store: JobStore) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1, 2)
    one, two = store.claim_bulk(10, NOW, batch.id)
    store.acknowledge([one])
    later(store, two)
    assert counts(store, batch) == (RUNNING, 2, 1, 0, 0)
    assert store.claim_bulk(10, LATER, batch.id) == []
    assert store.claim(10, LATER, late=False) == [], "not in a save's run"
    store.acknowledge(store.claim(10, LATER))
    assert counts(store, batch) == (COMPLETED, 2, 2, 0, 0)


def test_a_scene_of_two_batches_is_one_job_and_counts_for_both(store: JobStore) -> None:
    first, second = begin(store, start(store)), begin(store, start(store, SYNC_RECENT, days=1.0))
    put(store, first, 1)
    put(store, second, 1)
    (claim,) = store.claim_bulk(10, NOW, first.id)
    assert sorted(claim.batches) == sorted([first.id, second.id])
    store.acknowledge([claim])
    assert seen(store, first).status == seen(store, second).status == COMPLETED
    assert store.waiting() == 0


def test_a_scene_that_somebody_saves_is_no_longer_the_batchs_alone(store: JobStore) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1)
    store.put(Job(1))
    (claim,) = store.claim(10, NOW, late=False)
    assert (claim.job.batch_id, claim.batches) == (None, (batch.id,))
    later(store, claim)
    assert seen(store, batch).is_over
    assert store.claim(10, LATER, late=False), "the save's job waits, and any run takes it"


def test_a_page_that_comes_twice_puts_no_second_row(store: JobStore) -> None:
    batch = begin(store, start(store))
    assert put(store, batch, 1, 2, listed=False) == 2
    assert put(store, batch, 1, 2, 3) == 1
    assert store.waiting() == 3


def test_a_page_that_cannot_be_put_whole_is_not_put(store: JobStore) -> None:
    batch = begin(store, start(store))
    with pytest.raises(ZeroDivisionError), store.transaction() as connection:
        batches.put_page(connection, batch, rows=[(1, "x")], skipped=4, cursor=9, listed=True, now=NOW)
        raise ZeroDivisionError
    assert (store.waiting(), seen(store, batch).cursor, seen(store, batch).skipped) == (0, 0, 0)


def test_more_scenes_than_were_counted(store: JobStore) -> None:
    batch = begin(store, start(store))
    with store.transaction() as connection:
        batches.set_total(connection, batch.id, 2)
    put(store, batch, 1, 2, 3, skipped=4, listed=False)
    assert seen(store, batch).total == 7


# Who goes on with it


def test_the_same_task_again_goes_on(store: JobStore) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1, cursor=1, listed=False)
    again = start(store, now=LATER)
    assert (again.id, again.cursor) == (batch.id, 1)
    assert start(store, SYNC_RECENT, now=LATER, days=1.0).id != batch.id
    assert start(store, SYNC_RECENT, now=LATER, days=2.0).id != start(store, SYNC_RECENT, now=LATER, days=1.0).id


def test_untried_and_claimed_rows_are_gone_on_with_and_later_tries_are_not(store: JobStore) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1, 2)
    assert start(store, now=LATER).id == batch.id
    one, two = store.claim_bulk(10, NOW, batch.id)
    assert start(store, now=LATER).id == batch.id
    later(store, one)
    assert start(store, now=LATER).id == batch.id, "a run is at the other"
    later(store, two)
    fresh = start(store, now=LATER)
    assert fresh.id != batch.id, "all has been looked at: who presses wants it looked at again"
    begin(store, fresh)
    put(store, fresh, 1, 2)
    store.acknowledge(store.claim_bulk(10, LATER, fresh.id))
    assert seen(store, batch).status == seen(store, fresh).status == COMPLETED


@pytest.mark.parametrize(("now", "shape"), [(NEXT_DAY, "shape"), (LATER, "another shape")])
def test_it_begins_anew_and_counts_nothing_twice(store: JobStore, now: float, shape: str) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1, 2, 3, skipped=1, cursor=4, listed=False)
    one, two, three = store.claim_bulk(10, NOW, batch.id)
    store.acknowledge([one])
    later(store, two, at=now + 60)
    store.give_back([three])
    with store.transaction() as connection:
        connection.execute("UPDATE plexsync_batches SET worked_at = ?", (NOW,))
    again = begin(store, start(store, now=now), shape, now)
    assert (again.id, again.cursor, again.total, again.concluded) == (batch.id, 0, 0, 0)
    assert again.created_at == (now if now == NEXT_DAY else NOW), "the day of Sync recent is counted from the press"
    assert [claim.scene_id for claim in store.claim(10, now + 120)] == [3, 2], "no job is lost"


def test_what_an_outage_ended_goes_on_by_itself_until_it_is_taken_up(store: JobStore) -> None:
    batch = begin(store, start(store))
    assert not batches.goes_on_by_itself(store.connection)
    with store.transaction() as connection:
        batches.let_go_on(connection, [batch.id])
    assert batches.goes_on_by_itself(store.connection)
    begin(store, batch)
    assert not batches.goes_on_by_itself(store.connection), "a person's Stop holds from here on"


def test_an_ended_batch_is_not_taken_up_again(store: JobStore) -> None:
    batch = start(store)
    with store.transaction() as connection:
        batches.drop_all(connection, NOW)
    assert begin(store, batch).status == FAILED
    with store.transaction() as connection:
        batches.let_go_on(connection, [batch.id])
    assert not seen(store, batch).interrupted
    assert put(store, batch, 1) == 0


def test_clear_queue_ends_all(store: JobStore, tmp_path: Path) -> None:
    batch = begin(store, start(store))
    put(store, batch, 1, 2, listed=False)
    (claim, *_) = store.claim_bulk(1, NOW, batch.id)
    connection = sqlite3.connect(tmp_path / data_folder.QUEUE_FILE, isolation_level=None)
    with closing(connection):
        assert steer.clear_queue(connection, str(tmp_path / "drain.lock"))[0] == 2, "nobody holds the drain's lock"
    assert seen(store, batch).error == "the queue was cleared"
    store.acknowledge([claim])
    assert seen(store, batch).status == FAILED


def test_changes_come_first_and_the_last_fifty_are_kept(store: JobStore) -> None:
    with store.transaction() as connection:
        unfinished = batches.create(connection, RECONCILE, {"scope": "all"}, NOW)
        for number in range(70):
            batch = batches.create(connection, CHANGE, {"entity": "tag", "id": number}, NOW, by_itself=True)
            if number < 69:
                batches.put_page(connection, batch, rows=[], skipped=0, cursor=0, listed=True, now=NOW)
    assert [one.kind for one in batches.unfinished(store.connection)] == [CHANGE, RECONCILE]
    kept = batches.latest(store.connection, 1000)
    assert len(kept) <= batches.KEPT + 1
    assert kept[-1].id == unfinished.id


@pytest.mark.parametrize("text", ["", "x", "-1", "99", "²", "9" * 30, "1; DROP"])
def test_an_id_that_is_none(store: JobStore, text: str) -> None:
    assert batches.get(store.connection, text) is None
    with store.transaction() as connection:
        batches.conclude(connection, [text], NOW)
        batches.add_libraries(connection, text, {("Clips", "changed"): 1})


@pytest.mark.parametrize("odd", ["²", 5, [1], {"a": 1}, True, 1.5])
def test_a_damaged_row_of_a_batch_is_a_job_all_the_same(store: JobStore, odd: object) -> None:
    data = json.dumps({"scene_id": 1, "update_type": "x", "job_key": "scene_1", "enqueued_at": 1.0, "batch_id": odd})
    store.connection.execute(schema.INSERT_JOB, (data.encode(), NOW))
    (claim,) = store.claim_bulk(10, NOW, None)
    store.acknowledge([claim])
    assert store.waiting() == 0


# Any course of it


class Model:
    """A batch of some scenes, beside what has to be true of it."""

    def __init__(self, folder: str, scenes: int) -> None:
        self.folder = folder
        self.scenes = scenes
        self.store = JobStore(folder)
        self.batch = begin(self.store, start(self.store))
        self.now = NOW
        self.claims: list[ClaimedJob] = []
        self.before = (0, 0)

    def page(self, size: int) -> None:
        known = seen(self.store, self.batch)
        if known.listed:
            return
        page = list(range(known.cursor + 1, min(self.scenes, known.cursor + size) + 1))
        rows = [scene for scene in page if scene % 3]
        last = known.cursor + len(page)
        listed = len(page) < size
        put(self.store, known, *rows, skipped=len(page) - len(rows), cursor=last, listed=listed)

    def claim(self, size: int) -> None:
        self.claims += self.store.claim_bulk(size, self.now, self.batch.id)

    def claim_late(self, size: int) -> None:
        self.now += 61
        self.claims += self.store.claim(size, self.now)

    def end(self, size: int) -> None:
        some, self.claims = self.claims[:size], self.claims[size:]
        for claim in some:
            if claim.scene_id % 5 == 1 and not claim.job.retry_count:
                later(self.store, claim, at=self.now + 60)
            elif claim.scene_id % 7 == 1:
                self.store.bury(claim, letter(claim.scene_id))
            else:
                self.store.acknowledge([claim], {claim.job.batch_id or "": {("Clips", "changed"): 1}})

    def save(self, size: int) -> None:
        self.store.put(Job(min(size, self.scenes)))

    def kill(self, _: int) -> None:
        self.store.close()
        self.store = JobStore(self.folder)
        self.claims = []
        self.batch = begin(self.store, start(self.store))

    def check(self) -> None:
        known = batches.latest(self.store.connection)[-1]
        assert (known.concluded, known.cursor) >= self.before, "counters never go back"
        self.before = (known.concluded, known.cursor)
        assert known.concluded <= known.cursor <= self.scenes
        (rows,) = self.store.connection.execute(
            f"SELECT count(*) FROM ack_queue_default WHERE {batches._OF_BATCH}", (known.id,)
        ).fetchone()
        if not known.is_over:
            assert known.concluded + rows == known.cursor, "each scene that was looked at is through or has a row"
        else:
            assert (known.concluded, rows) == (self.scenes, 0)


@contextmanager
def model(scenes: int) -> Iterator[Model]:
    with TemporaryDirectory() as folder:
        made = Model(folder, scenes)
        try:
            yield made
        finally:
            made.store.close()


ACTIONS = st.sampled_from(["page", "claim", "claim_late", "end", "end", "save", "kill"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenes=st.integers(0, 12), actions=st.lists(st.tuples(ACTIONS, st.integers(1, 5)), max_size=25))
def test_every_scene_counts_once_in_any_course(scenes: int, actions: list[tuple[str, int]]) -> None:
    with model(scenes) as made:
        for name, size in actions:
            getattr(made, name)(size)
            made.check()
        for _ in range(30):
            made.page(5)
            made.claim(50)
            made.claim_late(50)
            made.end(50)
            made.check()
        assert batches.latest(made.store.connection)[-1].is_over


@given(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just(10**400)
    )
)
def test_days_are_a_number_or_refused_by_name(days: object) -> None:
    try:
        read = batch_args.read(SYNC_RECENT, {"days": days})
    except SetupError as error:
        assert str(error).startswith("args.days is ")
        assert len(str(error)) < 250
    else:
        assert 0 < read["days"] <= batch_args.MOST_DAYS


def test_a_clock_that_was_ahead_does_not_have_a_reconcile_begun_again_and_again(store: JobStore) -> None:
    """As after a start without a clock that goes on: the newest is what counts, not the highest time."""
    for at in (NOW + 400 * 86_400, NOW):
        assert batches.is_due(store.connection, "daily", at)
        with store.transaction() as connection:
            batch = batches.start(connection, RECONCILE, WHOLE, at)
            batches.put_page(connection, batch, rows=[], skipped=0, cursor=0, listed=True, now=at)
    assert not batches.is_due(store.connection, "daily", NOW + 60)
    assert batches.is_due(store.connection, "daily", NOW + 86_401)
