"""Edits that are the same for many items: one request for up to a hundred, and every item as right as alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing
from typing import Literal

import pytest
import requests

from sync import data_folder
from sync.plex import client
from sync.queue import schema
from sync.worker import processor, round_edits
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState
from tests.servers.plex import Request
from tests.site import Answer, Child, Site

pytestmark = pytest.mark.integration

JPEG = b"\xff\xd8\xff\xe0 cover %d \xff\xd9"


both_readings = pytest.mark.usefixtures("_both_readings_of_tag_edits")


@pytest.fixture(autouse=True)
def _no_covers_and_a_server_that_is_known(request: pytest.FixtureRequest, site: Site) -> None:
    if "_both_readings_of_tag_edits" in request.fixturenames:
        request.getfixturevalue("_both_readings_of_tag_edits")
    site.configure(sync_poster=False)
    os.makedirs(site.data, exist_ok=True)
    with closing(site.state()) as state:
        state.put_ways(site.plex.machine_identifier, {"lists": site.plex.tag_mode})


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.001, 0.002))


def add_scenes(site: Site, count: int, tags: tuple[str, ...] = ()) -> dict[int, int]:
    """Add scenes of one studio whose items bear their titles already; return ratingKeys by scene."""
    pairs = {}
    for _ in range(count):
        number = len(site.plex.keys())
        file, title = (f"/media/{number:04}.mp4", 1000 + number), f"Scene {number}"
        key = site.plex.add_item(site.library, [file], title=title)
        pairs[site.stash.add_scene(title=title, files=[file], studio="Acme", tags=list(tags))] = key
    return pairs


def drain_all(site: Site, scenes: dict[int, int]) -> Answer:
    """Queue these scenes and drain; Plex's requests are counted from here on."""
    queue_all(site, scenes)
    return site.drain()


def queue_all(site: Site, scenes: dict[int, int]) -> None:
    now = time.time()
    with closing(schema.connect(data_folder.queue_file(str(site.data)))) as connection:
        connection.execute("BEGIN")
        connection.executemany(schema.INSERT_JOB, [(schema.new_row(scene, now), now) for scene in scenes])
        connection.execute("COMMIT")
    site.plex.clear_requests()


def synced(site: Site, count: int, tags: tuple[str, ...] = ()) -> dict[int, int]:
    """Scenes of one studio that are in Plex as they should be."""
    scenes = add_scenes(site, count, tags)
    assert drain_all(site, scenes).output == f"{count} scenes: {count} changed in Plex"
    return scenes


def rename_studio(site: Site, name: str = "Umbrella") -> None:
    """A studio's own save, which tells no scene's hook."""
    site.stash.update_studio(1, name=name)


def studios(site: Site, scenes: dict[int, int]) -> set[str]:
    return {site.item(key).studio for key in scenes.values()}


def sizes(site: Site) -> list[int]:
    """How many items each edit was for."""
    return [len(ids(request)) for request in site.plex.edits]


def unlock(site: Site, key: int, field: str) -> None:
    """A person unlocks a field in Plex's own pages."""
    query = f"type=1&id={key}&{field}.locked=0&X-Plex-Token={site.plex.token}"
    assert requests.put(f"{site.plex.url}/library/sections/{site.library}/all?{query}", timeout=10).ok
    assert field not in site.item(key).locked


def ids(request: Request) -> list[int]:
    return [int(key) for key in request.query["id"].split(",")]


def for_many(request: Request) -> bool:
    return request.is_edit and len(ids(request)) > 1


def for_one(request: Request) -> bool:
    return request.is_edit and len(ids(request)) == 1


def once(what: Callable[[], object]) -> Callable[[Request], bool]:
    """Do something while the first edit is on its way; the edit itself goes well."""
    left = [what]

    def where(request: Request) -> bool:
        if request.is_edit and left:
            left.pop()()
        return False

    return where


# How many requests


@both_readings
def test_a_renamed_studio_of_250_scenes_is_three_edits(site: Site) -> None:
    scenes = synced(site, 250)
    assert sizes(site) == [100, 100, 50], "the first time, too: the titles are right already"
    rename_studio(site)
    answer = drain_all(site, scenes)
    assert answer.output == "250 scenes: 250 changed in Plex"
    assert sizes(site) == [100, 100, 50]
    assert sorted(key for request in site.plex.edits for key in ids(request)) == sorted(scenes.values())
    assert len(site.plex.requests) < 25, "with the batched reads"
    assert max(len(request.target) for request in site.plex.requests) <= 8_000
    assert studios(site, scenes) == {"Umbrella"}
    assert {frozenset(site.item(key).locked) for key in scenes.values()} == {frozenset({"title", "studio"})}
    wrote = [line for line in answer.said("i").splitlines() if "wrote studio to Plex item" in line]
    assert len(wrote) == 250
    assert "one edit for 100 items" in answer.said("d")
    assert drain_all(site, scenes).output == "250 scenes: 250 right already"
    assert sizes(site) == []


@both_readings
def test_a_renamed_tag_in_several_lists(site: Site) -> None:
    same, other, alone = (synced(site, count, tags) for count, tags in ((8, ("a", "b")), (4, ("a", "c")), (2, ("a",))))
    (theirs, *_), (_, second) = same.values(), alone.values()
    site.plex.person_edits(theirs, genres=["Theirs", "a", "b"])
    site.plex.person_edits(second, genres=["a", "Theirs"])
    site.stash.update_tag(site.stash.store.named("tags", "a", ""), name="A, new")
    answer = drain_all(site, same | other | alone)
    assert answer.output == "14 scenes: 14 changed in Plex"
    assert sorted(sizes(site)) == ([14] if site.plex.tag_mode == "adds" else [1, 1, 1, 4, 7])
    held = {key: sorted(site.item(key).genres) for key in (same | other | alone).values()}
    for scenes, expected in ((same, ["A, new", "b"]), (other, ["A, new", "c"]), (alone, ["A, new"])):
        for key in scenes.values():
            assert held[key] == sorted([*expected, *(["Theirs"] if key in (theirs, second) else [])])
    assert drain_all(site, same | other | alone).output == "14 scenes: 14 right already"


@both_readings
def test_a_tag_that_goes_from_many_leaves_a_persons(site: Site) -> None:
    scenes = synced(site, 6, ("a", "b"))
    first, second, *_ = scenes.values()
    site.plex.person_edits(first, genres=["a", "b", "Theirs"])
    site.plex.person_edits(second, genres=["Theirs"])
    for scene in scenes:
        site.stash.scene(scene).tag_ids = []
    drain_all(site, scenes)
    assert sorted(sizes(site)) == [1, 4]
    assert [site.item(key).genres for key in scenes.values()] == [["Theirs"], ["Theirs"], *[[]] * 4]


def test_other_titles_are_edits_of_their_own(site: Site) -> None:
    scenes = synced(site, 5)
    rename_studio(site)
    for scene in list(scenes)[:3]:
        site.stash.scene(scene).title = f"New title {scene}"
    drain_all(site, scenes)
    assert sizes(site) == [2, 1, 1, 1]
    assert studios(site, scenes) == {"Umbrella"}


def test_the_same_rating_goes_with_the_group(site: Site) -> None:
    scenes = synced(site, 4)
    rename_studio(site)
    for scene in scenes:
        site.stash.scene(scene).rating100 = 70
    site.configure(sync_rating=True)
    answer = drain_all(site, scenes)
    assert sizes(site) == [4]
    assert {site.item(key).user_rating for key in scenes.values()} == {7.0}
    assert answer.said("i").count("wrote studio, rating to Plex item") == 4


def test_what_a_person_typed_stays_under_preserve_plex_edits(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scenes = synced(site, 5)
    first, *_ = scenes.values()
    site.plex.person_edits(first, studio="Theirs")
    rename_studio(site)
    assert drain_all(site, scenes).output == "5 scenes: 4 changed in Plex, 1 right already"
    assert sizes(site) == [4]
    assert [site.item(key).studio for key in scenes.values()] == ["Theirs", *["Umbrella"] * 4]


def test_each_library_has_an_edit_of_its_own(site: Site) -> None:
    scenes = add_scenes(site, 3)
    second = site.plex.add_library("Second")
    copies = [site.plex.add_item(second, site.item(key).files, title=site.item(key).title) for key in scenes.values()]
    drain_all(site, scenes)
    assert [(request.path, len(ids(request))) for request in site.plex.edits] == [
        (f"/library/sections/{section}/all", 3) for section in (site.library, second)
    ]
    assert {site.item(key).studio for key in copies} == studios(site, scenes) == {"Acme"}


def test_a_field_that_nobody_asked_to_lock_stays_unlocked(site: Site) -> None:
    scenes = synced(site, 6)
    for scene, key in list(scenes.items())[:3]:
        site.stash.scene(scene).details = "The same"
        site.plex.agent_refresh(key, summary="The same")
    rename_studio(site)
    drain_all(site, scenes)
    assert sizes(site) == [6]
    assert not any("summary" in site.item(key).locked for key in list(scenes.values())[3:])


# Covers


def test_a_new_cover_is_locked_once_beside_a_group(site: Site) -> None:
    site.configure(sync_poster=True)
    scenes = add_scenes(site, 4)
    for scene in list(scenes)[:3]:
        site.stash.scene(scene).cover = JPEG % scene
    drain_all(site, scenes)
    first, second, third, without = scenes.values()
    assert [(len(ids(one)), "thumb.locked" in one.query) for one in site.plex.edits] == [(4, False), *[(1, True)] * 3]
    assert ["thumb" in site.item(key).locked for key in scenes.values()] == [True, True, True, False]
    rename_studio(site)
    changed, *_ = scenes
    site.stash.scene(changed).cover = JPEG % 99
    unlock(site, second, "thumb")
    drain_all(site, scenes)
    assert sizes(site) == [4]
    assert "thumb" not in site.item(without).locked
    assert site.item(first).poster == JPEG % 99
    assert len(site.item(third).posters) == 1


def test_a_cover_that_plex_refuses_beside_a_group_locks_nothing(site: Site) -> None:
    site.configure(sync_poster=True)
    scenes = add_scenes(site, 2)
    for scene in scenes:
        site.stash.scene(scene).cover = JPEG % scene
    site.plex.fail(status=400, method="POST", times=None)
    drain_all(site, scenes)
    assert sizes(site) == [2]
    assert not any("thumb" in site.item(key).locked for key in scenes.values())


def test_a_poster_on_an_item_that_a_group_could_have_named_first_is_still_replaced(site: Site) -> None:
    """Under preserve_plex_edits an agent's poster is free while nobody has named the item: that is noted first."""
    site.configure(preserve_plex_edits=True, sync_poster=True)
    pairs = [site.add(f"/media/{number}.mp4", 1000 + number) for number in range(3)]
    for scene, key in pairs:
        site.plex.agent_refresh(key, poster=JPEG % 0)
        site.stash.scene(scene).title = "The same"
        site.stash.scene(scene).cover = JPEG % scene
    site.plex.fail(status=503, path_contains="/posters")
    assert "503" in str(drain_all(site, dict(pairs)).error)
    site.drain(by_hand=True)
    assert [site.item(key).title for _, key in pairs] == ["The same"] * 3
    assert [site.item(key).poster for _, key in pairs] == [JPEG % scene for scene, _ in pairs]


# Failures


@pytest.mark.parametrize("gone", ["edits the rest", "refuses"])
def test_an_item_that_goes_in_the_middle_is_nobody_elses_failure(
    site: Site, gone: Literal["edits the rest", "refuses"]
) -> None:
    site.plex.edit_with_one_gone = gone
    scenes = synced(site, 5)
    (scene, key), *_ = scenes.items()
    rename_studio(site)
    site.plex.fail(where=once(lambda: site.plex.remove_item(key)))
    answer = drain_all(site, scenes)
    assert answer.output == "5 scenes: 4 changed in Plex, 1 tried again later"
    assert [job["scene_id"] for job, _ in site.rows()] == [scene]
    del scenes[scene]
    assert studios(site, scenes) == {"Umbrella"}
    assert sizes(site) == ([5] if gone == "edits the rest" else [5, 1, 1, 1, 1, 1])


@both_readings
@pytest.mark.usefixtures("_patience")
@pytest.mark.parametrize(("kind", "after_effect"), [("status", False), ("reset", True)])
def test_plex_stumbling_over_a_group(site: Site, kind: Literal["status", "reset"], after_effect: bool) -> None:
    scenes = synced(site, 6, ("a", "b"))
    site.stash.update_tag(site.stash.store.named("tags", "a", ""), name="new")
    site.plex.fail(kind=kind, where=for_many, after_effect=after_effect)
    assert drain_all(site, scenes).output == "6 scenes: 6 changed in Plex"
    assert sizes(site) == ([6] if after_effect else [6, 6])
    assert {tuple(sorted(site.item(key).genres)) for key in scenes.values()} == {("b", "new")}


@pytest.mark.usefixtures("_patience")
def test_those_that_lack_it_after_a_stumble_are_sent_again(site: Site) -> None:
    scenes = synced(site, 6)
    done, left = list(scenes.values())[:2], list(scenes.values())[2:]
    rename_studio(site)

    def half_of_it() -> None:
        for key in done:
            site.plex.person_edits(key, studio="Umbrella")

    site.plex.fail(where=once(half_of_it))
    site.plex.fail(status=500, where=for_many)
    drain_all(site, scenes)
    assert [ids(request) for request in site.plex.edits] == [[*done, *left], left]
    assert studios(site, scenes) == {"Umbrella"}


def test_a_group_that_fails_goes_one_by_one(site: Site) -> None:
    scenes = synced(site, 6)
    rename_studio(site)
    site.plex.fail(status=500, where=for_many)
    assert drain_all(site, scenes).output == "6 scenes: 6 changed in Plex"
    assert sizes(site) == [6, *[1] * 6]
    assert studios(site, scenes) == {"Umbrella"}


@pytest.mark.parametrize(("kind", "after_effect"), [("hang", False), ("status", True)])
def test_a_group_that_times_out_makes_the_next_ones_smaller(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: Literal["hang", "status"], after_effect: bool
) -> None:
    monkeypatch.setattr(processor, "ROUND", 8)
    monkeypatch.setattr(round_edits, "MOST_ITEMS", 8)
    scenes = synced(site, 16)
    rename_studio(site)
    site.configure(read_timeout=0.4)
    site.plex.fail(kind=kind, status=504, where=for_many, after_effect=after_effect)
    assert drain_all(site, scenes).output == "16 scenes: 16 changed in Plex"
    assert sizes(site) == [8, *([] if after_effect else [1] * 8), 2, 2, 2, 2]
    assert studios(site, scenes) == {"Umbrella"}


@pytest.mark.parametrize("status", [500, 504])
def test_a_plex_that_fails_every_edit_is_left_alone_after_five_scenes(site: Site, status: int) -> None:
    scenes = synced(site, 12)
    rename_studio(site)
    for scene in list(scenes)[6:]:
        site.stash.scene(scene).details = "Another group"
    site.plex.fail(status=status, method="PUT", times=None)
    assert "Plex failed 5 scenes in a row" in str(drain_all(site, scenes).error)
    assert sizes(site) == [6, 1, 1, 1, 1, 1], "one group and five scenes"
    assert sorted(job.get("retry_count", 0) for job, _ in site.rows()) == [0] * 7 + [1] * 5
    assert site.breaker()[0] is CircuitState.OPEN
    site.plex.clear_faults()
    site.plex.clear_requests()
    assert site.drain(by_hand=True).output == "12 scenes: 12 changed in Plex"
    assert sizes(site) == [6, *[1] * 6], "what has failed goes alone"
    assert studios(site, scenes) == {"Umbrella"}


def test_a_group_that_goes_well_clears_the_breakers_count(site: Site) -> None:
    scenes = synced(site, 2)
    rename_studio(site)
    with closing(schema.connect(data_folder.queue_file(str(site.data)))) as connection:
        breaker = CircuitBreaker(connection)
        for number in range(4):
            breaker.record_failure(f"scene_{900 + number}")
        drain_all(site, scenes)
        assert sizes(site) == [2]
        assert breaker.record.failures == 0


def test_scenes_whose_edit_went_with_a_group_do_not_hide_that_plex_fails(site: Site) -> None:
    scenes = synced(site, 20)
    rename_studio(site)
    for scene in list(scenes)[::2]:
        site.stash.scene(scene).title = f"New title {scene}"
    site.plex.fail(status=500, where=for_one, times=None)
    answer = drain_all(site, scenes)
    assert "Plex failed 5 scenes in a row" in str(answer.error)
    assert sizes(site) == [10, 1, 1, 1, 1, 1]
    assert answer.said("i").count("wrote studio to Plex item") == 10
    assert len(site.rows()) == 10, "what went with the group is done"


def test_a_second_library_that_fails_is_noticed_beside_groups_of_the_first(site: Site) -> None:
    scenes = add_scenes(site, 16)
    second = site.plex.add_library("Second")
    for key in list(scenes.values())[::2]:
        copy = site.plex.item(key)
        site.plex.add_item(second, copy.files, title=copy.title)
    drain_all(site, scenes)
    for number, key in enumerate(site.plex.keys()[16:]):
        site.plex.person_edits(key, title=f"Typed {number}")
    for scene in scenes:
        site.stash.scene(scene).tag_ids = [site.stash.add_tag("new")]
    site.plex.fail(status=500, where=for_one, times=None)
    answer = drain_all(site, scenes)
    assert "Plex failed 5 scenes in a row" in str(answer.error)
    assert sizes(site) == [16, 1, 1, 1, 1, 1], "those of the second library have titles to be set right"
    assert len(site.rows()) == 8


def test_a_plex_that_goes_away_over_a_group_costs_no_try(site: Site) -> None:
    scenes = synced(site, 4)
    rename_studio(site)
    site.plex.fail(status=503, method="PUT", times=None)
    assert "503" in str(drain_all(site, scenes).error)
    assert sizes(site)[0] == 4
    assert all(job.get("retry_count", 0) == 0 for job, _ in site.rows()) and len(site.rows()) == 4
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert studios(site, scenes) == {"Umbrella"} and site.rows() == []


def test_a_refusal_for_one_item_is_not_its_neighbours(site: Site) -> None:
    scenes = synced(site, 6)
    (scene, bad), *_ = scenes.items()
    rename_studio(site)
    site.plex.fail(status=400, where=lambda request: request.is_edit and bad in ids(request), times=None)
    assert drain_all(site, scenes).output == "6 scenes: 5 changed in Plex, 1 failed"
    assert sizes(site) == [6, *[1] * 6]
    (letter,) = site.dead_letters()
    assert letter.scene_id == scene
    assert f"to write studio to item {bad}" in letter.message
    del scenes[scene]
    assert studios(site, scenes) == {"Umbrella"}


def test_a_group_of_which_plex_kept_nothing_goes_alone_the_next_time(site: Site) -> None:
    scenes = synced(site, 4)
    rename_studio(site)
    site.plex.fail(status=200, where=for_many)
    answer = drain_all(site, scenes)
    assert "did not keep it (studio)" in answer.said("w")
    assert len(site.rows()) == 4
    site.plex.clear_requests()
    site.drain(by_hand=True)
    assert sizes(site) == [1] * 4
    assert studios(site, scenes) == {"Umbrella"} and site.rows() == []


@pytest.mark.usefixtures("_no_strays")
def test_what_a_killed_run_wrote_to_many_is_ours(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scenes = synced(site, 5, ("a",))
    first, *_ = scenes.values()
    site.stash.update_tag(site.stash.store.named("tags", "a", ""), name="killed")
    rename_studio(site, "Killed")
    queue_all(site, scenes)
    site.plex.fail(kind="hang", where=for_many, after_effect=True)
    child = Child.drain(site)
    site.plex.wait_for_edit()
    assert child.kill() is None, "it was in the middle"
    assert studios(site, scenes) == {"Killed"}
    site.plex.person_edits(first, genres=[*site.item(first).genres, "Theirs"])
    for scene in scenes:
        site.stash.scene(scene).tag_ids = []
    rename_studio(site)
    assert site.drain(by_hand=True).error is None
    assert site.rows() == []
    assert studios(site, scenes) == {"Umbrella"}
    assert [site.item(key).genres for key in scenes.values()] == [["Theirs"], *[[]] * 4]
