"""Rounds of scenes that overlap: the next one is read, and the one before concluded, while Plex works on edits."""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest

from sync.stash.client import StashClient
from tests.servers.plex import Request
from tests.site import Child, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ROUND = 24


@pytest.fixture(autouse=True)
def _small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.worker.processor.ROUND", ROUND)


def fill(site: Site, scenes: int) -> list[tuple[int, int]]:
    """Save scenes that are to be synced; return (scene id, ratingKey) of each, in their order."""
    return list(site.save_many(scenes).items())


def assert_right(site: Site, pairs: list[tuple[int, int]]) -> None:
    assert [site.item(key).title for _, key in pairs] == [f"T{scene}" for scene, _ in pairs]
    assert site.rows() == []


def edits(site: Site) -> Counter[int]:
    return Counter(int(edit.query["id"]) for edit in site.plex.edits if edit.applied)


def test_edits_go_one_after_another(site: Site) -> None:
    pairs = fill(site, 6)
    site.plex.fail(kind="slow", delay=0.2, where=lambda one: one.is_edit, times=2)
    site.drain()
    first, second, third = [one.at for one in site.plex.edits][:3]
    assert second - first >= 0.2
    assert third - second >= 0.2
    assert_right(site, pairs)


def test_a_plex_that_fails_every_third_edit(site: Site) -> None:
    pairs = fill(site, 2 * ROUND + 3)
    site.plex.fail(status=500, method="PUT", every=3)
    site.drain()
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert_right(site, pairs)
    assert set(edits(site).values()) == {1}


def test_a_scene_that_is_saved_while_its_edit_is_under_way(site: Site) -> None:
    pairs = fill(site, 2 * ROUND)
    scene, key = pairs[ROUND - 1]
    saved: list[bool] = []

    def save(request: Request) -> bool:
        if request.is_edit and request.query["id"] == str(key) and not saved:
            saved.append(True)
            site.stash.scene(scene).title = "Saved meanwhile"
            Child.hook(site, scene).end()
        return False

    site.plex.fail(where=save)
    site.drain()
    assert site.item(key).title == "Saved meanwhile"
    assert edits(site)[key] == 2
    assert site.rows() == []


def test_two_scenes_at_one_item_in_two_rounds(site: Site) -> None:
    pairs = fill(site, 2 * ROUND)
    (one, key), (_, gone) = pairs[ROUND - 1], pairs[ROUND]
    site.plex.merge_items(key, gone)
    answer = site.drain()
    assert "conflict" in answer.said("e")
    assert f"scene {one}" in answer.said("e")
    assert site.item(key).title == f"T{one}"
    assert edits(site)[key] == 1


def test_a_stash_that_goes_away_leaves_the_round_before_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = fill(site, 2 * ROUND)
    read = StashClient.scenes

    def failing(client: StashClient, scene_ids: list[int]) -> object:
        if pairs[ROUND][0] in scene_ids:
            site.stash.fail("status", status=502, query_contains="PlexSyncScenes")
        return read(client, scene_ids)

    monkeypatch.setattr(StashClient, "scenes", failing)
    answer = site.drain()
    assert f"{ROUND} jobs stay queued" in (answer.error or "")
    assert len(site.rows()) == ROUND
    monkeypatch.undo()
    site.stash.clear_faults()
    site.drain()
    assert_right(site, pairs)
    assert set(edits(site).values()) == {1}


def test_a_plex_that_goes_away_costs_no_try_and_no_second_edit(site: Site) -> None:
    pairs = fill(site, 3 * ROUND)
    after = pairs[ROUND + 3][1]
    site.plex.fail(kind="refuse", where=lambda one: one.is_edit and one.query["id"] == str(after))
    assert site.drain().error is not None
    assert all(job.get("retry_count", 0) == 0 for job, _ in site.rows())
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert_right(site, pairs)
    assert set(edits(site).values()) == {1}


def test_a_scene_that_needs_nothing_does_not_close_the_breaker(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.worker.processor.ROUND", 100)
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(20)]
    for scene, _ in pairs[5:8]:
        site.sync(scene)
    for scene, _ in pairs:
        if scene not in [right for right, _ in pairs[5:8]]:
            site.stash.scene(scene).title = f"T{scene}"
        site.hook(scene)
    site.plex.clear_requests()
    site.plex.fail(status=504, method="PUT", times=None)
    answer = site.drain()
    assert "Plex failed 5 scenes in a row" in (answer.error or "")
    assert len(site.plex.edits) == 5
    assert "Plex answers again" not in answer.said()


def test_an_edit_for_many_does_not_overtake_a_failure(site: Site) -> None:
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(2 * ROUND)]
    for scene, _ in pairs[:ROUND]:
        site.stash.scene(scene).title = f"T{scene}"
    for scene, _ in pairs:
        site.hook(scene)
    site.drain()
    tag = site.stash.add_tag("new")
    for scene, _ in pairs[:ROUND]:
        site.stash.scene(scene).title = f"Again {scene}"
    for scene, _ in pairs[ROUND:]:
        site.stash.scene(scene).tag_ids = [tag]
    for scene, _ in pairs:
        site.hook(scene)
    site.plex.clear_requests()
    failing, last = pairs[ROUND - 2][1], pairs[ROUND - 1][1]
    site.plex.fail(status=504, delay=0.3, where=lambda one: one.is_edit and one.query["id"] == str(failing))
    site.drain()
    order = [edit.query["id"] for edit in site.plex.edits]
    many = next(number for number, ids in enumerate(order) if "," in ids)
    assert order.index(str(last)) < many


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind reaches a process there")
def test_ctrl_c_where_stash_runs_leaves_no_traceback_and_loses_nothing(site: Site) -> None:
    pairs = fill(site, 4)
    site.plex.fail(kind="slow", delay=0.5, where=lambda one: one.is_edit, times=1)
    child = Child.drain(site)
    site.plex.wait_for_request(lambda one: one.is_edit, timeout=20)
    assert "Traceback" not in child.interrupt()
    assert len(site.rows()) == 4
    site.drain(by_hand=True)
    assert_right(site, pairs)
    assert set(edits(site).values()) == {1}


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind reaches a process there")
def test_ctrl_c_does_not_wait_for_a_plex_that_hangs(site: Site) -> None:
    pairs = fill(site, 2)
    site.plex.fail(kind="hang", where=lambda one: one.is_edit)
    child = Child.drain(site)
    site.plex.wait_for_request(lambda one: one.is_edit, timeout=20)
    child.interrupt()  # which gives up long before read_timeout
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert_right(site, pairs)


@pytest.mark.skipif(os.name == "nt", reason="no signal of this kind reaches a process there")
def test_ctrl_c_does_not_wait_for_the_next_edits_turn(site: Site) -> None:
    pairs = fill(site, 3)
    site.configure(max_edits_per_second=0.01)
    child = Child.drain(site)
    second = f"/library/metadata/{pairs[1][1]}"
    site.plex.wait_for_request(lambda one: one.path == second, timeout=20)
    time.sleep(0.3)  # it stands in line by now
    child.interrupt()  # which gives up long before the hundred seconds
    assert len(site.plex.edits) == 1
    site.configure(max_edits_per_second=0)
    site.drain(by_hand=True)
    assert_right(site, pairs)
    assert set(edits(site).values()) == {1}
