"""What Plex does after nobody waited for it any more, and what reading an edit back shows beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import requests
from freezegun import freeze_time

from sync.bulk.unseen import LOOK_AFTER
from sync.worker.round_edits import RoundEdits
from sync.worker.run import SceneSync
from tests.servers.plex import Request
from tests.site import Site

pytestmark = pytest.mark.integration

JPEG = b"\xff\xd8\xff\xe0 cover %d \xff\xd9"


@pytest.fixture(autouse=True)
def _a_server_that_is_known(site: Site) -> None:
    os.makedirs(site.data, exist_ok=True)
    with closing(site.state()) as state:
        state.put_ways(site.plex.machine_identifier, {"lists": "adds"})


def arrive(site: Site, late: Request) -> None:
    """Plex does now what was asked of it then."""
    headers = {"X-Plex-Token": site.plex.token}
    requests.request(late.method, site.plex.url + late.target, headers=headers, data=late.body, timeout=10)


def unanswered(site: Site, scene: int, which: Callable[[Request], bool], **fields: object) -> Request:
    """A save of which Plex has not answered one write, nor done it yet; return that write."""
    site.plex.fail(kind="reset", where=which, times=None)
    site.save_and_sync(scene, **fields)
    site.plex.clear_faults()
    return [request for request in site.plex.requests if which(request)][-1]


def is_edit(request: Request) -> bool:
    return request.is_edit


def is_upload(request: Request) -> bool:
    return request.method == "POST"


def look_later(site: Site) -> str:
    """The drain that comes when the item is looked at once more; return what it logged."""
    with freeze_time(datetime.now(UTC) + timedelta(seconds=LOOK_AFTER + 1), tick=True, ignore=["tests.servers"]):
        return site.drain().said()


def test_an_earlier_edit_that_is_done_after_a_later_one_is_undone(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="warm")
    late = unanswered(site, scene, is_edit, title="one", tags=["LA"])
    site.save_and_sync(scene, title="two", tags=["LB"])
    arrive(site, late)
    assert (site.item(key).title, site.item(key).genres) == ("one", ["LB", "LA"])

    assert "wrote title, genres" in look_later(site)

    assert (site.item(key).title, site.item(key).genres) == ("two", ["LB"])
    assert site.rows() == []
    with closing(site.state()) as state:
        assert all(
            item.is_settled for items in state.held_by(site.plex.machine_identifier, [scene]).values() for item in items
        )


def test_an_earlier_removal_that_is_done_after_a_later_edit_is_undone(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, tags=["LA"])
    late = unanswered(site, scene, is_edit, tags=[])
    site.save_and_sync(scene, tags=["LA"])
    arrive(site, late)
    assert site.item(key).genres == []

    look_later(site)

    assert site.item(key).genres == ["LA"]


def test_an_earlier_cover_that_is_done_after_a_later_one_is_undone(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="warm")
    late = unanswered(site, scene, is_upload, cover=JPEG % 1)
    site.save_and_sync(scene, cover=JPEG % 2)
    site.save_and_sync(scene, title="saved before it is done")
    arrive(site, late)
    assert site.item(key).poster == JPEG % 1

    look_later(site)

    assert site.item(key).poster == JPEG % 2
    assert site.rows() == []


def test_a_look_that_finds_all_well_costs_two_reads(site: Site) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="warm")
    unanswered(site, scene, is_edit, title="one")
    site.save_and_sync(scene, title="two")
    site.plex.clear_requests()

    look_later(site)
    look_later(site)

    assert [request.path for request in site.plex.requests if "metadata" in request.path] == ["/library/metadata/1"]
    assert site.plex.edits == []


def test_a_run_before_its_time_does_not_take_the_look_away(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="warm")
    late = unanswered(site, scene, is_edit, title="one")
    site.save_and_sync(scene, title="two")
    assert site.rows() == []
    site.drain(by_hand=True)
    arrive(site, late)

    look_later(site)

    assert site.item(key).title == "two"


def test_a_save_before_its_time_does_not_take_the_look_away(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="warm")
    late = unanswered(site, scene, is_edit, title="one", tags=["LA"])
    site.save_and_sync(scene, title="two", tags=["LB"])
    site.save_and_sync(scene, title="three")
    arrive(site, late)

    look_later(site)

    assert (site.item(key).title, site.item(key).genres) == ("three", ["LB"])
    assert site.rows() == []


def test_what_is_tried_again_unchanged_needs_no_look(site: Site) -> None:
    scene, _ = site.add()
    unanswered(site, scene, is_edit, title="one")
    site.drain(by_hand=True)
    site.plex.clear_requests()

    look_later(site)

    assert [request.path for request in site.plex.requests if "metadata" in request.path] == []


def test_what_failed_for_good_is_not_tried_again_by_a_look(site: Site) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="warm")
    unanswered(site, scene, is_edit, title="one")
    site.save_and_sync(scene, title="two")
    site.plex.fail(where=is_edit, status=400, times=None)
    site.save_and_sync(scene, title="three")
    site.stash.scene(scene).updated_s -= 10  # else it is looked at as changed without a hook
    site.plex.clear_requests()

    look_later(site)

    assert [request.path for request in site.plex.requests if "metadata" in request.path] == []


def test_an_earlier_edit_that_is_done_between_a_later_one_and_its_read_back_is_undone_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, title="warm")
    late = unanswered(site, scene, is_edit, title="one", tags=["LA"])
    read_back = RoundEdits.read_back

    def arrives_before_it(edits: RoundEdits, scenes: Sequence[SceneSync]) -> None:
        arrive(site, late)
        read_back(edits, scenes)

    monkeypatch.setattr(RoundEdits, "read_back", arrives_before_it)

    site.save_and_sync(scene, title="two", tags=["LB"])

    assert (site.item(key).title, site.item(key).genres) == ("two", ["LB"])


@pytest.mark.parametrize("mode", ["adds", "replaces"])
def test_a_name_that_changes_in_case_alone_stands_once(site: Site, mode: str) -> None:
    site.plex.tag_mode = mode
    scene, key = site.add()
    site.save_and_sync(scene, tags=["zebra"], performers=["anna lee"], director="jim x")

    site.save_and_sync(scene, tags=["Zebra"], performers=["Anna Lee"], director="Jim X")

    item = site.item(key)
    assert (item.genres, [role.name for role in item.actors], item.directors) == (["Zebra"], ["Anna Lee"], ["Jim X"])


def test_a_server_that_was_known_to_add_and_replaces_now_keeps_every_items_entries(site: Site) -> None:
    pairs = dict(site.add(f"/media/{number}.mp4", 1000 + number) for number in range(5))
    for scene in pairs:
        site.save_and_sync(scene, tags=["Tag 1", "Tag 2", "Tag 3"])
    for key in pairs.values():
        site.plex.person_edits(key, genres=[*site.item(key).genres, "Mine"])
    site.plex.tag_mode = "replaces"

    for scene in pairs:
        site.stash.save_scene(scene, tags=["Tag 1", "Tag 2", "Tag 4"])
        site.hook(scene)
    site.drain()

    for key in pairs.values():
        assert sorted(site.item(key).genres) == ["Mine", "Tag 1", "Tag 2", "Tag 4"]


def test_entries_that_a_person_took_away_with_an_edit_are_not_taken_for_refused(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, tags=["Tag 1", "Tag 2"])

    def loses(request: Request) -> bool:
        if request.is_edit:
            site.plex.person_edits(key, genres=[])
        return False

    site.plex.fail(where=loses, times=None)
    site.save_and_sync(scene, tags=["Tag 1", "Tag 2", "Tag 3"])
    site.save_and_sync(scene, title="later")

    assert sorted(site.item(key).genres) == ["Tag 1", "Tag 2", "Tag 3"]
