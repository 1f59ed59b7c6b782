"""What the queue on disk keeps of a job that failed: its tries, its time, its end, over drains and processes."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory

from sync import data_folder, hook
from sync.plex.exceptions import PlexTemporaryError
from sync.queue import schema, wake
from sync.queue.job import Job
from sync.queue.jobs import JobStore
from tests.site import Site

pytestmark = pytest.mark.integration

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START.timestamp()
DAY = 86_400.0


@pytest.fixture
def longest_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """No jitter: every delay is the longest it may be."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


@pytest.fixture
def failing(site: Site, clock: FrozenDateTimeFactory) -> Site:
    """One saved scene, and a Plex that stumbles over every edit."""
    scene, _ = site.add()
    site.stash.scene(scene).title = "Wanted"
    site.hook(scene)
    site.plex.fail(status=500, times=None, method="PUT")
    return site


@pytest.fixture
def lost(site: Site, clock: FrozenDateTimeFactory) -> Site:
    """One saved scene whose file Plex does not have."""
    site.hook(site.stash.add_scene(title="Lost", files=[("/media/lost.mp4", 5)]))
    return site


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[], JobStore]]:
    """Opens the same queue again and again, as one process after another does."""
    opened: list[JobStore] = []

    def open_again() -> JobStore:
        for store in opened:
            store.close()
        opened[:] = [JobStore(str(tmp_path))]
        return opened[0]

    yield open_again
    for store in opened:
        store.close()


def only_row(site: Site) -> dict[str, Any]:
    """The one job on the queue, claimed by nobody."""
    ((job, status),) = site.rows()
    assert status in (schema.NEW, schema.READY), "left claimed"
    return job


def row_ids(site: Site) -> list[int]:
    """The numbers of all rows, acknowledged ones too."""
    with site.queue_file() as connection:
        return [row[0] for row in connection.execute(f"SELECT _id FROM `{schema.JOBS}` ORDER BY _id")]


def rows_ever(site: Site) -> int:
    """How many rows were put on this queue since it was made."""
    with site.queue_file() as connection:
        ((highest,),) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (schema.JOBS,))
        return int(highest)


def edits(site: Site) -> int:
    """How many edits Plex was sent."""
    return len(site.plex.edits)


def try_until_given_up(site: Site, clock: FrozenDateTimeFactory, pause: float, most: int = 50) -> int:
    """Drain after a pause that no delay exceeds until nothing is left; return how many tries that took."""
    for count in range(1, most + 1):
        site.drain()
        if not site.rows():
            return count
        assert only_row(site)["retry_count"] == count
        clock.tick(pause)
    raise AssertionError(f"still tried after {most} tries")


# What a failure leaves on the row


@pytest.mark.usefixtures("longest_delays")
def test_each_failure_is_counted_and_waits_for_longer(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=10)
    for count, delay in enumerate((5, 10, 20, 40, 80, 80, 80), start=1):
        failing.drain()
        job = only_row(failing)
        assert (job["retry_count"], job["next_retry_at"] - time.time()) == (count, delay)
        clock.tick(delay)


@pytest.mark.usefixtures("longest_delays")
def test_a_file_that_plex_does_not_have_yet_is_given_more_time(lost: Site, clock: FrozenDateTimeFactory) -> None:
    for count, delay in enumerate((30, 60, 120, 240, 480, 600, 600), start=1):
        lost.drain()
        job = only_row(lost)
        assert (job["retry_count"], job["next_retry_at"] - time.time()) == (count, delay)
        assert job["last_error_type"] == "PlexNotFound"
        clock.tick(delay)


def test_the_kind_of_the_last_failure_is_kept(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    assert only_row(failing)["last_error_type"] == "PlexTemporaryError"
    (key,) = failing.plex.keys(failing.library)
    failing.plex.remove_item(key)
    clock.tick(5)
    failing.drain()
    job = only_row(failing)
    assert (job["retry_count"], job["last_error_type"]) == (2, "PlexNotFound")


def test_a_job_keeps_its_fields_over_all_its_tries(failing: Site, clock: FrozenDateTimeFactory) -> None:
    before = only_row(failing)
    assert before == {"scene_id": 1, "update_type": "scene_update", "job_key": "scene_1", "enqueued_at": NOW}
    for _ in range(4):
        failing.drain()
        after = only_row(failing)
        assert {name: after[name] for name in before} == before
        assert after["first_failed_at"] == NOW
        clock.tick(80)


def test_a_row_is_rewritten_and_never_put_again(failing: Site, clock: FrozenDateTimeFactory) -> None:
    (number,) = row_ids(failing)
    for _ in range(4):
        failing.drain()
        assert row_ids(failing) == [number]
        clock.tick(80)
    assert rows_ever(failing) == 1


def test_of_several_saves_one_row_is_left(failing: Site) -> None:
    for _ in range(3):
        failing.hook(1)
    before = row_ids(failing)
    failing.drain()
    (number,) = row_ids(failing)
    assert number in before
    assert only_row(failing)["retry_count"] == 1
    assert rows_ever(failing) == 4


# Over processes


def test_the_retry_fields_survive_a_second_queue_on_the_same_path(open_store: Callable[[], JobStore]) -> None:
    store = open_store()
    store.put(Job(7, enqueued_at=NOW - 60))
    (claim,) = store.claim(10, NOW)
    store.try_later(claim, claim.job.later(retry_count=3, at=NOW + 40, error=PlexTemporaryError("x"), now=NOW))
    for _ in range(2):
        store = open_store()
        assert store.claim(10, NOW + 39.9) == []
        (again,) = store.claim(10, NOW + 40)
        assert again.row_ids == claim.row_ids
        assert again.job == Job(
            7,
            enqueued_at=NOW - 60,
            retry_count=3,
            next_retry_at=NOW + 40,
            last_error_type="PlexTemporaryError",
            first_failed_at=NOW,
        )


def test_a_save_and_a_batch_that_fail_together_are_still_a_save(open_store: Callable[[], JobStore]) -> None:
    """What a person saved must not begin to wait for a batch's own task."""
    store = open_store()
    store.put(Job(7, enqueued_at=NOW - 60))
    store.put(Job(7, enqueued_at=NOW - 50, batch_id="b"))
    (claim,) = store.claim(10, NOW)
    assert len(claim.row_ids) == 2
    store.try_later(claim, claim.job.later(retry_count=1, at=NOW + 5, error=PlexTemporaryError("x")))
    assert [claim.scene_id for claim in store.claim(10, NOW + 5)] == [7]


@pytest.mark.parametrize(
    "data",
    [
        '\ufeff{"scene_id": 5}'.encode(),
        '{"scene_id": 5}'.encode("utf-16"),
        b'{"scene_id": 5, "scene_id": 6}',
        b'{"scene_id": 5, "enqueued_at": NaN}',
        b'{"scene_id": 5, "retry_count": NaN}',
        b'{"scene_id": 5, "retry_count": 1e999}',
        b'{"scene_id": 99999999999999999999}',
        b'{"scene_id": 5, "next_retry_at": "soon"}',
        b'{"scene_id": 5, "next_retry_at": [1]}',
        b'{"scene_id": 5, "batch_id": {}}',
    ],
)
def test_a_damaged_row_does_not_hold_the_queue_up(open_store: Callable[[], JobStore], data: bytes) -> None:
    """A row that looks due and that no claim takes would keep the drain in its last look for ever."""
    store = open_store()
    store.connection.execute(schema.INSERT_JOB, (data, NOW))
    store.put(Job(8))
    claims = store.claim(10, NOW)
    assert 8 in [claim.scene_id for claim in claims]
    assert not store.is_due(NOW)
    if b"batch_id" not in data:
        assert len(claims) + len(store.dead_letters()) == 2, "neither taken nor buried"


# When it is tried


@pytest.mark.usefixtures("longest_delays")
def test_a_job_is_left_alone_inside_its_delay_and_tried_after_it(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    failing.plex.clear_faults()
    clock.tick(4.9)
    assert failing.drain().output == "Nothing was due"
    assert (edits(failing), only_row(failing)["retry_count"]) == (1, 1)
    clock.tick(0.1)
    failing.drain()
    assert failing.rows() == []
    assert [failing.item(key).title for key in failing.plex.keys(failing.library)] == ["Wanted"]


@pytest.mark.usefixtures("longest_delays")
def test_a_new_job_runs_at_once_beside_one_that_waits(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    failing.plex.clear_faults()
    clock.tick(1)
    other, key = failing.add("/media/other.mp4", 2)
    failing.save_and_sync(other, title="Other")
    assert failing.item(key).title == "Other"
    assert only_row(failing)["scene_id"] == 1


def test_a_new_save_of_a_scene_that_waits_runs_at_once_and_resets_the_count(
    failing: Site, clock: FrozenDateTimeFactory
) -> None:
    for _ in range(3):
        failing.drain()
        clock.tick(80)
    failing.drain()
    assert only_row(failing)["retry_count"] == 4
    sent = edits(failing)
    clock.tick(0.001)
    failing.save_and_sync(1, title="Newer")
    assert edits(failing) == sent + 1, "at once"
    job = only_row(failing)
    assert (job["retry_count"], job["enqueued_at"]) == (1, NOW + 240.001)
    failing.plex.clear_faults()
    failing.save_and_sync(1, title="Newest")
    assert failing.rows() == []
    assert [failing.item(key).title for key in failing.plex.keys(failing.library)] == ["Newest"]


# When nobody tries any longer


@pytest.mark.parametrize(("setting", "tries"), [({}, 5), ({"max_retries": 3}, 3), ({"max_retries": 1}, 1)])
def test_out_of_tries(failing: Site, clock: FrozenDateTimeFactory, setting: dict[str, int], tries: int) -> None:
    failing.configure(**setting)
    assert try_until_given_up(failing, clock, 80) == tries
    (letter,) = failing.dead_letters()
    assert (letter.tries, letter.error_type) == (tries, "PlexTemporaryError")
    assert edits(failing) == tries
    clock.tick(DAY)
    assert failing.drain().output == "Nothing was due"
    assert edits(failing) == tries


def test_a_file_that_plex_never_gets(lost: Site, clock: FrozenDateTimeFactory) -> None:
    lost.configure(max_retries=1)  # which is not for this
    assert try_until_given_up(lost, clock, 600) == 12
    (letter,) = lost.dead_letters()
    assert (letter.tries, letter.error_type, letter.title) == (12, "PlexNotFound", "Lost")


def test_what_a_dead_letter_tells(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=2)
    clock.tick(3)
    failing.drain()
    clock.tick(80)
    before = only_row(failing)
    answer = failing.drain()
    (letter,) = failing.dead_letters()
    assert (letter.scene_id, letter.title, letter.error_type) == (1, "Wanted", "PlexTemporaryError")
    assert "status 500" in letter.message
    assert failing.plex.token not in letter.message
    assert (letter.tries, letter.first_at, letter.last_at) == (2, NOW + 3, NOW + 83)
    assert json.loads(letter.job) == before
    assert 'Scene 1 "Wanted" failed after 2 tries' in answer.said("e")
    assert failing.rows() == []


def test_a_second_failure_for_good_adds_to_the_letter(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=1)
    failing.drain()
    clock.tick(DAY)
    failing.stash.save_scene(1, title="Renamed")
    failing.hook(1)
    failing.plex.clear_faults()
    failing.plex.fail(status=400, times=None, method="PUT")
    failing.drain()
    (letter,) = failing.dead_letters()
    assert (letter.title, letter.error_type, letter.tries) == ("Renamed", "PlexPermanentError", 2)
    assert (letter.first_at, letter.last_at) == (NOW, NOW + DAY)


def test_a_later_success_settles_the_dead_letter(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=1)
    other, _ = failing.add("/media/other.mp4", 2)
    failing.stash.scene(other).title = "Other"
    failing.hook(other)
    failing.drain()
    assert [letter.scene_id for letter in failing.dead_letters()] == [1, other]
    failing.plex.clear_faults()
    clock.tick(60)
    failing.save_and_sync(1, title="Again")
    assert [letter.scene_id for letter in failing.dead_letters()] == [other]


def test_dead_letters_are_deleted_after_thirty_days(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=1)
    failing.drain()
    clock.tick(DAY)
    other, _ = failing.add("/media/other.mp4", 2)
    failing.stash.scene(other).title = "Other"
    failing.sync(other)
    clock.tick(29 * DAY)
    failing.drain()
    assert [letter.scene_id for letter in failing.dead_letters()] == [1, other], "30 days old is not older than that"
    clock.tick(1)
    failing.drain()
    assert [letter.scene_id for letter in failing.dead_letters()] == [other]
    clock.tick(DAY)
    failing.drain()
    assert failing.dead_letters() == []


def test_a_letter_counts_its_days_from_the_last_failure(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=1)
    failing.drain()
    clock.tick(20 * DAY)
    failing.sync(1)
    clock.tick(20 * DAY)
    failing.drain()
    (letter,) = failing.dead_letters()
    assert (letter.first_at, letter.last_at) == (NOW, NOW + 20 * DAY)


# A press of "Process queue"


def test_a_press_tries_all_that_waits(failing: Site, clock: FrozenDateTimeFactory) -> None:
    keys = failing.plex.keys(failing.library)
    for number in range(2, 5):
        scene, key = failing.add(f"/media/{number}.mp4", number)
        failing.stash.scene(scene).title = "Wanted"
        failing.hook(scene)
        keys.append(key)
    failing.drain()
    assert [job["retry_count"] for job, _ in failing.rows()] == [1, 1, 1, 1]
    failing.plex.clear_faults()
    failing.drain(by_hand=True)
    assert failing.rows() == []
    assert {failing.item(key).title for key in keys} == {"Wanted"}


def test_a_try_before_its_time_is_not_counted(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    for presses in range(1, 11):
        clock.tick(0.001)
        failing.drain(by_hand=True)
        assert edits(failing) == 1 + presses, "tried all the same"
        assert only_row(failing)["retry_count"] == 1
    assert failing.dead_letters() == []


@pytest.mark.usefixtures("longest_delays")
def test_after_an_early_try_the_next_one_counts_again(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    clock.tick(1)
    failing.drain(by_hand=True)
    job = only_row(failing)
    assert job["next_retry_at"] > time.time()
    assert "early" not in job
    clock.tick(80)
    failing.drain()
    assert only_row(failing)["retry_count"] == 2


def test_a_press_counts_the_try_of_a_job_that_is_due(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain(by_hand=True)
    assert only_row(failing)["retry_count"] == 1
    clock.tick(80)
    failing.drain(by_hand=True)
    assert only_row(failing)["retry_count"] == 2


def test_a_press_does_not_bring_a_last_try_to_its_end(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.configure(max_retries=2)
    failing.drain()
    for _ in range(3):
        clock.tick(0.001)
        failing.drain(by_hand=True)
    assert only_row(failing)["retry_count"] == 1
    clock.tick(80)
    failing.drain()
    assert failing.rows() == []
    assert [letter.tries for letter in failing.dead_letters()] == [2]


def test_a_press_that_cannot_go_on_leaves_the_early_tries_uncounted(
    failing: Site, clock: FrozenDateTimeFactory
) -> None:
    failing.drain()
    failing.plex.starting = True
    clock.tick(0.001)
    failing.drain(by_hand=True)
    assert only_row(failing)["retry_count"] == 1
    failing.plex.starting = False
    clock.tick(0.001)
    failing.drain(by_hand=True)
    assert only_row(failing)["retry_count"] == 1


# A Plex that is not there


def test_a_plex_that_is_down_spends_no_try(failing: Site, clock: FrozenDateTimeFactory) -> None:
    failing.drain()
    before = only_row(failing)
    failing.plex.stop()
    for _ in range(10):
        clock.tick(100)
        assert failing.drain().error or failing.drain().output
        assert only_row(failing) == before
    assert failing.dead_letters() == []


@pytest.mark.parametrize("where", ["/library/metadata", "/all"], ids=["read", "edit"])
def test_a_plex_that_goes_down_in_the_middle_spends_no_try(
    site: Site, clock: FrozenDateTimeFactory, where: str
) -> None:
    for number in range(1, 4):
        scene, _ = site.add(f"/media/{number}.mp4", number)
        site.stash.scene(scene).title = "Wanted"
        site.hook(scene)
    before = [job for job, _ in site.rows()]
    numbers = row_ids(site)
    site.plex.fail(status=503, times=None, path_contains=where, method="PUT" if where == "/all" else "GET")
    for _ in range(8):
        assert "3 jobs stay queued" in (site.drain().error or "3 jobs stay queued")
        assert [job for job, _ in site.rows()] == before
        clock.tick(100)
    assert row_ids(site) == numbers
    site.plex.clear_faults()
    clock.tick(100)
    site.drain()
    assert site.rows() == []
    assert {site.item(key).title for key in site.plex.keys(site.library)} == {"Wanted"}


def test_a_save_while_plex_is_down_waits_for_it(site: Site, clock: FrozenDateTimeFactory) -> None:
    scene, key = site.add()
    site.plex.stop()
    for number in range(3):
        site.save_and_sync(scene, title=f"T{number}")
        clock.tick(1)
    site.plex.start()
    site.drain()
    assert site.item(key).title == "T2"
    assert edits(site) == 1
    assert site.rows() == []


def test_the_hooks_row_is_what_the_drain_keeps(open_store: Callable[[], JobStore], tmp_path: Path) -> None:
    wake.enqueue(str(tmp_path / data_folder.QUEUE_FILE), str(tmp_path / "drain.lock"), hook.new_row(7, NOW))
    (claim,) = open_store().claim(10, NOW)
    assert claim.job == Job(7, enqueued_at=NOW)
