"""Steps of a job: each is recorded, and a retry does what is left and nothing twice."""

from __future__ import annotations

import pytest

from sync.model import StepRecord, StepState
from sync.status import status
from tests.site import Child, Site

pytestmark = pytest.mark.integration

COVER = b"\xff\xd8\xff\xe0 a cover"


def of_item(site: Site, key: int) -> dict[str, StepRecord]:
    state = site.state()
    records = state.records(_machine(site), site.library, [key])
    state.close()
    return records[key].steps if key in records else {}


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
    counted = status.gather(str(site.data))["last_24_hours"]
    assert counted["Clips"] == {"failed": 1, "changed": 1}
    assert counted["Other"] == {"changed": 1, "right": 1}


def test_a_scene_that_is_gone_takes_its_steps_along(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="T")
    site.stash.remove_scene(scene)
    site.sync(scene)
    assert of_item(site, key) == {}, "as nobody's"


def test_a_picture_that_fails_is_retried_alone(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).cover = COVER
    site.plex.fail(status=500, method="POST", times=1)
    site.save_and_sync(scene, title="T")
    steps = of_item(site, key)
    assert (steps["metadata"].state, steps["poster"].state) == (StepState.COMPLETED, StepState.FAILED)
    site.plex.clear_requests()
    site.drain(by_hand=True)
    assert [request.method for request in site.plex.requests if request.method != "GET"] == ["POST"]
    assert of_item(site, key)["poster"].state is StepState.COMPLETED


def test_a_kill_between_two_steps_repeats_neither(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).cover = COVER
    site.stash.scene(scene).title = "T"
    site.hook(scene)
    site.plex.fail(kind="hang", method="POST", after_effect=True)
    child = Child.drain(site)
    site.plex.wait_for_request(lambda one: one.method == "POST", timeout=20)
    child.kill()
    assert {of_item(site, key)[name].state for name in ("metadata", "poster")} == {StepState.RUNNING}
    site.plex.clear_faults()
    site.plex.clear_requests()
    site.drain(by_hand=True)
    assert [request for request in site.plex.requests if request.method == "POST"] == []
    assert {record.state for record in of_item(site, key).values()} == {StepState.COMPLETED}


def test_an_edit_that_was_there_after_all_is_a_completed_step(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).rating100 = 80
    site.plex.fail(kind="reset", method="PUT", after_effect=True, times=None)
    site.sync(scene)
    site.plex.clear_faults()
    site.plex.clear_requests()
    assert site.item(key).user_rating == 8
    assert site.drain(by_hand=True).error is None
    assert site.plex.edits == []
    assert of_item(site, key)["metadata"].state is StepState.COMPLETED
