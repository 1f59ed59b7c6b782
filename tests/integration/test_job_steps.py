"""Steps of a job: a retry does what is left and nothing twice; on real files, and through the drain."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sync.errors import PlexSyncError
from sync.plex.exceptions import PlexTemporaryError
from sync.state import State
from sync.status import status
from sync.worker.steps import Place, StepBook, StepRecord, StepState, run_steps
from tests.site import Site

pytestmark = pytest.mark.integration

NOW = 1_700_000_000.0
PLACE = Place("server", 1, 42)


@dataclass
class Written:
    """A step that appends its name to a list of effects."""

    name: str
    effects: list[str]
    faults: dict[str, str] = field(default_factory=dict)
    after_effect: bool = False
    fingerprint: str = "v1"
    confirmed_later: bool = False

    def is_there(self) -> bool:
        return self.name in self.effects

    def run(self) -> None:
        if self.name in self.faults and not self.after_effect:
            raise PlexTemporaryError(self.faults[self.name])
        self.effects.append(self.name)
        if self.name in self.faults:
            raise PlexTemporaryError(self.faults[self.name])


@pytest.fixture
def book(tmp_path: Path) -> Iterator[StepBook]:
    state = State(str(tmp_path / "state.db"))
    yield StepBook(state)
    state.close()


def steps(count: int, effects: list[str], faults: dict[str, str]) -> list[Written]:
    return [Written(f"step {n}", effects, faults) for n in range(1, count + 1)]


def states(book: StepBook, place: Place = PLACE) -> dict[str, str]:
    return {name: record.state.value for name, record in book.of(place).items()}


def test_a_retry_runs_only_what_is_left(book: StepBook) -> None:
    effects: list[str] = []
    faults = {"step 4": "Plex is busy"}
    with pytest.raises(PlexTemporaryError):
        run_steps(book, PLACE, steps(5, effects, faults), NOW)
    assert states(book) == {"step 1": "COMPLETED", "step 2": "COMPLETED", "step 3": "COMPLETED", "step 4": "FAILED"}
    assert book.of(PLACE)["step 4"].error == "Plex is busy"
    faults.clear()
    before = list(effects)
    run_steps(book, PLACE, steps(5, effects, faults), NOW + 60)
    assert effects[len(before) :] == ["step 4", "step 5"]
    assert set(states(book).values()) == {"COMPLETED"}
    assert book.of(PLACE)["step 1"].completed_at == NOW, "not touched again"
    assert book.of(PLACE)["step 4"].tries == 2


def test_a_step_that_failed_after_its_effect_is_completed_without_a_second_write(book: StepBook) -> None:
    effects: list[str] = []
    step = Written("poster", effects, {"poster": "no answer"}, after_effect=True)
    with pytest.raises(PlexTemporaryError):
        run_steps(book, PLACE, [step], NOW)
    assert book.of(PLACE)["poster"].state is StepState.FAILED
    run_steps(book, PLACE, [step], NOW + 5)
    assert book.of(PLACE)["poster"].state is StepState.COMPLETED
    assert effects == ["poster"], "written once"


def test_ten_steps_with_a_fault_at_the_eighth(book: StepBook) -> None:
    effects: list[str] = []
    faults = {"step 8": "down"}
    for _ in range(3):
        with pytest.raises(PlexTemporaryError):
            run_steps(book, PLACE, steps(10, effects, faults), NOW)
    assert len(effects) == 7
    faults.clear()
    run_steps(book, PLACE, steps(10, effects, faults), NOW)
    assert effects[7:] == ["step 8", "step 9", "step 10"]


def test_tries_that_are_exhausted_leave_failed_with_the_message(book: StepBook) -> None:
    step = Written("metadata", [], {"metadata": "Plex answered with status 500"})
    for n in range(3):
        with pytest.raises(PlexSyncError):
            run_steps(book, PLACE, [step], NOW + n)
    record = book.of(PLACE)["metadata"]
    assert (record.state, record.tries, record.error) == (StepState.FAILED, 3, "Plex answered with status 500")
    assert record.completed_at is None


def test_a_completed_step_is_done_again_when_it_would_write_something_else(book: StepBook) -> None:
    effects: list[str] = []
    run_steps(book, PLACE, [Written("poster", effects)], NOW)
    run_steps(book, PLACE, [Written("poster", effects)], NOW)
    assert effects == ["poster"]
    effects.clear()  # another picture: its effect is not there
    run_steps(book, PLACE, [Written("poster", effects, fingerprint="v2")], NOW)
    assert effects == ["poster"]
    assert book.of(PLACE)["poster"].fingerprint == "v2"


def test_a_step_that_was_killed_while_it_ran_is_looked_at_first(book: StepBook) -> None:
    effects = ["poster"]  # Plex did it, and the process died before it could say so
    book.put(PLACE, "poster", StepRecord(StepState.RUNNING, NOW, fingerprint="v1", tries=1))
    run_steps(book, PLACE, [Written("poster", effects)], NOW + 1)
    assert effects == ["poster"]
    assert book.of(PLACE)["poster"].state is StepState.COMPLETED


def test_a_step_that_is_confirmed_later_stays_running(book: StepBook) -> None:
    run_steps(book, PLACE, [Written("metadata", [], confirmed_later=True)], NOW)
    record = book.of(PLACE)["metadata"]
    assert (record.state, record.started_at, record.completed_at) == (StepState.RUNNING, NOW, None)


def test_records_outlive_the_process(tmp_path: Path) -> None:
    first = State(str(tmp_path / "state.db"))
    run_steps(StepBook(first), PLACE, [Written("match", [])], NOW)
    first.close()
    second = State(str(tmp_path / "state.db"))
    assert StepBook(second).of(PLACE)["match"].state is StepState.COMPLETED
    second.close()


def test_three_jobs_at_once_do_not_disturb_each_others_records(tmp_path: Path) -> None:
    State(str(tmp_path / "state.db")).close()
    failures: list[BaseException] = []

    def job(number: int) -> None:
        state = State(str(tmp_path / "state.db"))
        try:
            effects: list[str] = []
            faults = {f"step {number + 3}": f"fault of {number}"}
            place = Place("server", 1, number)
            with pytest.raises(PlexTemporaryError):
                run_steps(StepBook(state), place, steps(10, effects, faults), NOW)
            faults.clear()
            run_steps(StepBook(state), place, steps(10, effects, faults), NOW)
            assert effects == [f"step {n}" for n in range(1, 11)]
        except BaseException as error:
            failures.append(error)
        finally:
            state.close()

    threads = [threading.Thread(target=job, args=(number,)) for number in range(1, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    state = State(str(tmp_path / "state.db"))
    for number in range(1, 4):
        records = StepBook(state).of(Place("server", 1, number))
        assert {record.state for record in records.values()} == {StepState.COMPLETED}
        assert records[f"step {number + 3}"].tries == 2
    state.close()


# Through the drain


def of_item(site: Site, key: int) -> dict[str, StepRecord]:
    state = site.state()
    records = StepBook(state).of(Place(_machine(site), site.library, key))
    state.close()
    return records


def _machine(site: Site) -> str:
    state = site.state()
    ((machine,),) = state.connection.execute("SELECT DISTINCT machine FROM plex_libraries").fetchall()
    state.close()
    return str(machine)


def test_a_synced_scene_has_its_steps_completed(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="Done")
    records = of_item(site, key)
    assert {name: record.state for name, record in records.items()} == {
        "match": StepState.COMPLETED,
        "metadata": StepState.COMPLETED,
    }
    assert records["metadata"].fingerprint
    assert records["metadata"].completed_at is not None


def test_a_failed_edit_is_a_failed_step_with_its_message(site: Site) -> None:
    scene, key = site.add()
    site.plex.fail(status=500, times=1, method="PUT")
    site.save_and_sync(scene, title="T")
    record = of_item(site, key)["metadata"]
    assert (record.state, record.tries) == (StepState.FAILED, 1)
    assert "status 500" in record.error
    site.drain(by_hand=True)
    record = of_item(site, key)["metadata"]
    assert (record.state, record.error, record.tries) == (StepState.COMPLETED, "", 2)


def test_of_two_libraries_the_one_that_failed_is_retried_alone(site: Site) -> None:
    other = site.plex.add_library("Other")
    scene, key = site.add()
    elsewhere = site.plex.add_item(other, [("/media/clip.mp4", 1000)])
    site.plex.fail(status=500, times=1, method="PUT", path_contains=f"/sections/{site.library}/")
    answer = site.save_and_sync(scene, title="Both")
    assert (site.item(key).title, site.item(elsewhere).title) == ("clip", "Both")
    assert '"Clips" 1 failed; "Other" 1 changed' in answer.said("i")
    site.plex.clear_requests()
    site.drain(by_hand=True)
    assert site.item(key).title == "Both"
    assert [edit.path for edit in site.plex.edits] == [f"/library/sections/{site.library}/all"]
    counted = status.gather(str(site.data)).last_24_hours
    assert counted["Clips"] == {"failed": 1, "changed": 1}
    assert counted["Other"] == {"changed": 1, "right": 1}


def test_a_scene_that_is_gone_takes_its_steps_along(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="T")
    site.stash.remove_scene(scene)
    site.sync(scene)
    assert of_item(site, key) == {}


def test_a_rating_that_was_there_after_all_is_a_completed_step(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).rating100 = 80
    site.plex.fail(kind="reset", path_contains="/:/rate", after_effect=True, times=None)
    site.sync(scene)
    site.plex.clear_faults()
    assert site.item(key).user_rating == 8
    assert site.drain(by_hand=True).error is None
    rows = site.state().connection.execute("SELECT state FROM steps WHERE rating_key = ? AND step = 'rating'", (key,))
    assert rows.fetchall() == [("COMPLETED",)]
