"""The breaker on disk, and the drain behind it, through outages of a Plex that speaks real HTTP."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from freezegun.api import FrozenDateTimeFactory

from sync import data_folder
from sync.queue import schema
from sync.worker import processor
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState, Record
from tests.servers.plex import Request
from tests.site import ROOT, Site

pytestmark = pytest.mark.integration

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START.timestamp()


@pytest.fixture
def queue_file(tmp_path: Path) -> str:
    """Where the breaker is kept."""
    return str(tmp_path / "queue" / data_folder.QUEUE_FILE)


@pytest.fixture
def breaker(queue_file: str, clock: FrozenDateTimeFactory) -> Iterator[CircuitBreaker]:
    """A breaker on disk that nothing has happened to."""
    with closing(schema.connect(queue_file)) as connection:
        yield CircuitBreaker(connection)


@pytest.fixture
def at_rest(site: Site, clock: FrozenDateTimeFactory) -> Site:
    """Both servers with time frozen; Plex's library has been listed."""
    site.drain()
    site.sync(site.add("/media/first.mp4", 999)[0])
    site.plex.clear_requests()
    return site


def fail(breaker: CircuitBreaker, times: int) -> None:
    """That many failures, each of another job."""
    for number in range(times):
        breaker.record_failure(f"scene_{number}")


def trip(site: Site) -> None:
    """Open the site's breaker, as five drains do that do not reach Plex."""
    with closing(schema.connect(data_folder.queue_file(str(site.data)))) as connection:
        breaker = CircuitBreaker(connection)
        for _ in range(5):
            breaker.record_failure()
        assert breaker.state is OPEN


def counts(site: Site) -> list[int]:
    """How many tries each waiting job has spent; none is claimed."""
    rows = site.rows()
    assert all(status in (schema.NEW, schema.READY) for _, status in rows), "left claimed"
    return [job.get("retry_count", 0) for job, _ in rows]


def probes(site: Site) -> list[Request]:
    """The requests to /identity."""
    return [request for request in site.plex.requests if request.path == "/identity"]


# On disk; each rule by itself is in tests/unit/worker/test_circuit_breaker.py


def test_whole_cycles(breaker: CircuitBreaker, clock: FrozenDateTimeFactory) -> None:
    seen = []
    for answer in ("no", "no", "yes", "yes", "no", "yes"):
        seen.append(breaker.state)
        if breaker.state is CLOSED:
            fail(breaker, 5)
            seen.append(breaker.state)
        clock.tick(60)
        seen.append(breaker.state)
        assert breaker.can_execute()
        if answer == "yes":
            breaker.record_success()
        else:
            breaker.record_failure()
    seen.append(breaker.state)
    whole, again = [CLOSED, OPEN, HALF_OPEN], [OPEN, HALF_OPEN]
    assert seen == [*whole, *again, *again, *whole, *whole, *again, CLOSED]


# Over processes

ASKER = """
import sys
from sync.queue import schema
from sync.worker.circuit_breaker import CircuitBreaker
breaker = CircuitBreaker(schema.connect(sys.argv[1]), clock=lambda: float(sys.argv[2]))
print(breaker.state.name, breaker.record.failures, flush=True)
if sys.stdin.readline():
    print(breaker.can_execute(), flush=True)
"""


def asker(queue_file: str, now: float) -> subprocess.Popen[str]:
    """A process that says what it finds at `now`, and asks to go when it is told to."""
    return subprocess.Popen(
        [sys.executable, "-c", ASKER, queue_file, str(now)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("failures", "later", "found", "may"),
    [
        (3, 0, "CLOSED 3", "True"),
        (5, 30, "OPEN 5", "False"),
    ],
)
def test_a_new_process_finds_what_was(queue_file: str, failures: int, later: float, found: str, may: str) -> None:
    with closing(schema.connect(queue_file)) as connection:
        fail(CircuitBreaker(connection, clock=lambda: NOW), failures)
    said, _ = asker(queue_file, NOW + later).communicate("go\n")
    assert said.split("\n") == [found, may, ""]


def test_of_several_processes_one_is_the_probe(queue_file: str) -> None:
    with closing(schema.connect(queue_file)) as connection:
        fail(CircuitBreaker(connection, clock=lambda: NOW), 5)
    askers = [asker(queue_file, NOW + 60) for _ in range(4)]
    for one in askers:
        assert one.stdout is not None
        assert one.stdout.readline() == "HALF_OPEN 5\n"
    for one in askers:  # all are waiting for this
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert sorted(one.communicate()[0].strip() for one in askers) == ["False", "False", "False", "True"]


def test_of_many_threads_one_is_the_probe_and_no_failure_is_lost(queue_file: str) -> None:
    now = [NOW]
    together = threading.Barrier(8)
    went: list[bool] = []

    def work(number: int) -> None:
        with closing(schema.connect(queue_file)) as connection:
            breaker = CircuitBreaker(connection, failure_threshold=80, clock=lambda: now[0])
            for job in range(10):
                together.wait()
                breaker.record_failure(f"scene_{number}_{job}")
            together.wait()
            if number == 0:
                assert breaker.state is OPEN, "each of 80 failures was counted"
                now[0] += 60
            together.wait()
            went.append(breaker.can_execute())

    schema.connect(queue_file).close()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(went) == [False] * 7 + [True]


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"unknown": 1}', '{"failed_jobs": null}'])
def test_a_record_that_nobody_can_read_is_as_good_as_none(queue_file: str, text: str) -> None:
    with closing(schema.connect(queue_file)) as connection:
        breaker = CircuitBreaker(connection)
        connection.execute("INSERT INTO plexsync_breaker (one, record) VALUES (1, ?)", (text,))
        assert breaker.state is CLOSED
        fail(breaker, 5)
        assert breaker.state is OPEN


# The drain


def test_while_open_no_job_is_claimed_and_plex_is_left_alone(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    pairs = at_rest.save_many(3)
    before = at_rest.rows()
    trip(at_rest)
    for _ in range(6):
        answer = at_rest.drain()
        assert answer.error is None
        assert "every job stays queued" in (answer.output or "")
        assert at_rest.rows() == before
        clock.tick(9)
    assert at_rest.plex.requests == []
    assert at_rest.arrived(pairs) == []


def test_half_open_a_drain_probes_first_and_goes_on(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    pairs = at_rest.save_many(3)
    trip(at_rest)
    clock.tick(60)
    answer = at_rest.drain()
    assert at_rest.plex.requests[0].path == "/identity"
    assert "X-Plex-Token" not in at_rest.plex.requests[0].target
    assert "Plex answers again" in answer.said("i")
    assert at_rest.arrived(pairs) == list(pairs)
    assert (at_rest.breaker()[0], at_rest.rows()) == (CLOSED, [])


@pytest.mark.parametrize("how", ["starting", "stopped"])
def test_a_probe_that_fails_costs_one_request_and_another_minute(
    at_rest: Site, clock: FrozenDateTimeFactory, how: str
) -> None:
    pairs = at_rest.save_many(3)
    before = at_rest.rows()
    trip(at_rest)
    if how == "starting":
        at_rest.plex.starting = True
    else:
        at_rest.plex.stop()
    clock.tick(60)
    answer = at_rest.drain()
    assert "3 jobs stay queued" in (answer.error or "")
    assert at_rest.rows() == before
    assert [request.path for request in at_rest.plex.requests] == (["/identity"] if how == "starting" else [])
    at_rest.plex.starting = False
    if how == "stopped":
        at_rest.plex.start()
    clock.tick(59)
    at_rest.drain()
    assert at_rest.breaker()[0] is OPEN
    assert at_rest.rows() == before
    clock.tick(1)
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)


def test_a_press_while_open_begins_with_a_probe(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    pairs = at_rest.save_many(3)
    trip(at_rest)
    clock.tick(30)
    assert at_rest.breaker()[0] is OPEN
    answer = at_rest.drain(by_hand=True)
    assert answer.error is None
    assert at_rest.plex.requests[0].path == "/identity"
    assert len(probes(at_rest)) == 1
    assert at_rest.arrived(pairs) == list(pairs)
    assert at_rest.breaker()[0] is CLOSED


def test_a_press_while_plex_is_away_costs_a_probe_and_no_try(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    at_rest.save_many(3)
    trip(at_rest)
    at_rest.plex.starting = True
    clock.tick(30)
    answer = at_rest.drain(by_hand=True)
    assert "does not answer yet" in (answer.error or "")
    assert "3 jobs stay queued" in (answer.error or "")
    assert [request.path for request in at_rest.plex.requests] == ["/identity"]
    assert counts(at_rest) == [0, 0, 0]
    assert at_rest.breaker()[0] is OPEN


def test_a_press_while_closed_needs_no_probe(at_rest: Site) -> None:
    at_rest.save_many(1)
    at_rest.drain(by_hand=True)
    assert probes(at_rest) == []


def test_five_jobs_that_fail_in_a_row_open_it_and_the_others_are_not_tried(
    at_rest: Site, clock: FrozenDateTimeFactory
) -> None:
    pairs = at_rest.save_many(12)
    at_rest.plex.fail(status=500, times=None, method="PUT")
    answer = at_rest.drain()
    assert "in a row" in (answer.error or "")
    assert len(at_rest.plex.edits) == 5
    assert sorted(counts(at_rest)) == [0] * 7 + [1] * 5
    assert at_rest.breaker()[0] is OPEN
    at_rest.plex.clear_faults()
    clock.tick(60)
    at_rest.drain()
    clock.tick(5)
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)
    assert at_rest.breaker()[1] == Record()


def test_a_job_that_goes_well_in_between_clears_the_count(at_rest: Site) -> None:
    pairs = at_rest.save_many(9)
    good = list(pairs.values())[4]
    at_rest.plex.fail(
        status=500, times=None, where=lambda request: request.is_edit and f"id={good}&" not in request.target
    )
    answer = at_rest.drain()
    assert answer.error is None
    assert at_rest.breaker()[1].failures == 4
    assert len(at_rest.plex.edits) == 9
    assert at_rest.arrived(pairs) == [list(pairs)[4]]


def test_what_a_stopped_batch_did_not_begin_is_back_on_the_queue(
    at_rest: Site, clock: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "ROUND", 20)
    pairs = at_rest.save_many(30)  # more than one batch
    good = next(iter(pairs.values()))
    at_rest.plex.fail(
        status=500, times=None, where=lambda request: request.is_edit and f"id={good}&" not in request.target
    )
    at_rest.drain()
    assert counts(at_rest) == [1] * 5 + [0] * 24
    at_rest.plex.clear_faults()
    clock.tick(60)
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)


@pytest.mark.parametrize("good", ["changed", "right already"])
def test_a_job_that_went_well_before_five_failures_does_not_close_it_again(at_rest: Site, good: str) -> None:
    pairs = at_rest.save_many(12)
    scene, key = next(iter(pairs.items()))
    if good == "right already":
        at_rest.plex.person_edits(key, title=f"T{scene}")
    at_rest.plex.fail(
        status=500, times=None, where=lambda request: request.is_edit and f"id={key}&" not in request.target
    )
    answer = at_rest.drain()
    assert counts(at_rest) == [1] * 5 + [0] * 6
    assert "in a row" in (answer.error or "")
    assert len(at_rest.plex.edits) == (6 if good == "changed" else 5)
    assert at_rest.breaker()[0] is OPEN


def test_one_job_that_fails_in_drain_after_drain_counts_once(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    at_rest.configure(max_retries=20)
    pairs = at_rest.save_many(1)
    at_rest.plex.fail(status=500, times=None, method="PUT")
    for count in range(1, 11):
        assert at_rest.drain().error is None
        assert counts(at_rest) == [count]
        clock.tick(80)
    assert (at_rest.breaker()[1].failures, at_rest.breaker()[0]) == (1, CLOSED)
    at_rest.plex.clear_faults()
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)
    assert at_rest.breaker()[1] == Record()


def test_one_request_that_fails_for_a_whole_batch_is_not_a_failure_of_each_job(at_rest: Site) -> None:
    """The items of a batch are read back in one request; a single 500 there is no outage."""
    at_rest.save_many(8)
    reads = itertools.count()
    at_rest.plex.fail(
        status=500,
        where=lambda request: (
            request.method == "GET" and request.path.startswith("/library/metadata/") and next(reads) == 1
        ),
    )
    answer = at_rest.drain()
    assert len(at_rest.plex.edits) == 8
    assert at_rest.breaker()[0] is CLOSED, answer.error


@pytest.mark.parametrize(
    ("where", "status"), [("/", 500), ("/library/sections", 502), ("/library/metadata", 503), ("/all", 503)]
)
def test_whatever_request_it_is_that_fails_drain_after_drain_opens_it(
    at_rest: Site, clock: FrozenDateTimeFactory, where: str, status: int
) -> None:
    pairs = at_rest.save_many(6)

    def strikes(request: Request) -> bool:
        if where == "/all":
            return request.is_edit
        return request.path == where or (where == "/library/metadata" and request.path.startswith(where))

    at_rest.plex.fail(status=status, times=None, where=strikes)
    for _ in range(5):
        assert at_rest.drain().error
        if at_rest.breaker()[0] is OPEN:
            break
    assert at_rest.breaker()[0] is OPEN
    at_rest.plex.clear_faults()
    clock.tick(60)
    for _ in range(2):
        at_rest.drain()
        clock.tick(5)
    assert at_rest.arrived(pairs) == list(pairs)


def test_a_plex_that_answers_the_probe_and_refuses_the_token_does_not_stay_open(
    at_rest: Site, clock: FrozenDateTimeFactory
) -> None:
    """A refusal is an answer: once the setting is right, the next save is served."""
    pairs = at_rest.save_many(1)
    trip(at_rest)
    at_rest.configure(plex_token="wrong")
    clock.tick(60)
    assert "plex_token" in (at_rest.drain().error or "")
    at_rest.configure()
    clock.tick(5)
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)


def test_a_stash_that_fails_is_not_the_breakers_business(at_rest: Site, clock: FrozenDateTimeFactory) -> None:
    at_rest.save_many(2)
    at_rest.stash.fail("status", status=502, times=None, query_contains="PlexSyncScenes")
    for _ in range(8):
        assert "Stash" in (at_rest.drain().error or "")
    assert (at_rest.breaker()[1], counts(at_rest)) == (Record(), [0, 0])


def test_a_file_that_plex_does_not_have_is_not_the_breakers_business(at_rest: Site) -> None:
    for number in range(8):
        at_rest.hook(at_rest.stash.add_scene(title="Lost", files=[(f"/media/lost{number}.mp4", 5000 + number)]))
    at_rest.drain()
    assert counts(at_rest) == [1] * 8
    assert at_rest.breaker()[1] == Record()


# After an outage


@pytest.fixture
def outage(at_rest: Site) -> tuple[Site, dict[int, int]]:
    """Five scenes that failed for good with server errors, which opened the breaker, and two that still wait."""
    at_rest.configure(max_retries=1)
    pairs = at_rest.save_many(7)
    at_rest.plex.fail(status=500, times=None, method="PUT")
    at_rest.drain()
    assert at_rest.breaker()[0] is OPEN
    assert [letter.scene_id for letter in at_rest.dead_letters()] == list(pairs)[:5]
    return at_rest, pairs


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_failed_in_an_outage_is_queued_again_after_it(
    outage: tuple[Site, dict[int, int]], clock: FrozenDateTimeFactory, by_hand: bool
) -> None:
    site, pairs = outage
    site.plex.clear_faults()
    clock.tick(10 if by_hand else 60)
    answer = site.drain(by_hand=by_hand)
    assert "5 scenes that failed in the outage are queued again" in answer.said("i")
    assert site.arrived(pairs) == list(pairs)
    assert site.dead_letters() == []
    assert site.rows() == []


def test_what_fails_again_after_the_outage_is_not_queued_once_more(
    outage: tuple[Site, dict[int, int]], clock: FrozenDateTimeFactory
) -> None:
    site, _ = outage
    clock.tick(60)
    site.drain()  # Plex answers the probe and stumbles over the edits still
    assert len(site.plex.edits) == 6, "a Plex on probation costs one job's try, not five"
    assert site.breaker()[0] is OPEN
    for _ in range(10):
        clock.tick(60)
        site.drain()
    assert site.rows() == []
    assert [letter.tries for letter in site.dead_letters()] == [2] * 7, "each once more and never again"
    assert len(site.plex.edits) == 14


def test_a_new_save_that_fails_in_another_outage_is_queued_again_after_that(
    outage: tuple[Site, dict[int, int]], clock: FrozenDateTimeFactory
) -> None:
    site, pairs = outage
    for _ in range(10):
        clock.tick(60)
        site.drain()
    site.plex.clear_faults()
    clock.tick(3600)
    site.drain()
    assert len(site.dead_letters()) == 7
    site.plex.fail(status=500, times=None, method="PUT")
    for scene in pairs:
        site.hook(scene)
    site.drain()
    assert site.breaker()[0] is OPEN
    site.plex.clear_faults()
    clock.tick(60)
    site.drain()
    assert site.arrived(pairs) == list(pairs)


def test_what_failed_before_the_outage_or_for_another_reason_stays_a_dead_letter(
    at_rest: Site, clock: FrozenDateTimeFactory
) -> None:
    at_rest.configure(max_retries=1)
    (earlier,) = at_rest.save_many(1, first=100)
    at_rest.plex.fail(status=500, method="PUT")
    at_rest.drain()
    at_rest.sync(at_rest.add("/media/good.mp4", 500)[0])
    pairs = at_rest.save_many(1, first=200)
    at_rest.drain()
    assert at_rest.breaker()[1] == Record(), "a job that went well ended that"
    clock.tick(3600)
    no_file = at_rest.stash.add_scene(title="No file")
    pairs |= at_rest.save_many(2, first=300)
    at_rest.hook(no_file)
    pairs |= at_rest.save_many(3, first=400)
    at_rest.plex.fail(status=500, times=None, method="PUT")
    at_rest.drain()
    assert at_rest.breaker()[0] is OPEN
    at_rest.plex.clear_faults()
    clock.tick(60)
    at_rest.drain()
    assert at_rest.arrived(pairs) == list(pairs)
    assert {letter.scene_id for letter in at_rest.dead_letters()} == {earlier, no_file}


@pytest.mark.parametrize(("how", "pause"), [("starting", 20.0), ("stopped", 29.0)])
def test_half_an_hour_without_plex(at_rest: Site, clock: FrozenDateTimeFactory, how: str, pause: float) -> None:
    pairs = at_rest.save_many(5)
    if how == "starting":
        at_rest.plex.starting = True
    else:
        at_rest.plex.stop()
    began, drains = time.time(), 0
    asked: list[float] = []  # when each probe came in
    while time.time() < began + 1800:
        at_rest.drain()
        asked += [time.time()] * (len(probes(at_rest)) - len(asked))
        drains += 1
        if drains % 20 == 0:  # people go on saving
            pairs |= at_rest.save_many(1, first=1000 + drains)
        clock.tick(pause)
    assert counts(at_rest) == [0] * len(pairs)
    assert at_rest.dead_letters() == []
    if how == "starting":
        assert 25 <= len(asked) <= 30
        assert all(after - before >= 60 for before, after in itertools.pairwise(asked))
        assert len(at_rest.plex.requests) == len(asked) + 5, "beside the probes those that opened the breaker"
        at_rest.plex.starting = False
    else:
        at_rest.plex.start()
    back = time.time()
    while at_rest.rows():
        assert time.time() - back <= 60 + pause
        at_rest.drain()
        clock.tick(pause)
    assert at_rest.arrived(pairs) == list(pairs)
    assert len(at_rest.plex.edits) == len(pairs), "each written once"
    assert (at_rest.breaker()[0], at_rest.dead_letters()) == (CLOSED, [])
