"""A scene's cover as poster and background of its items, over real HTTP: once, whole, and nobody else's is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from sync import data_folder
from sync.model import StepRecord, StepState
from sync.plex import client
from sync.worker.circuit_breaker import CircuitState
from tests.servers.plex import PlexStandIn, Request
from tests.servers.stash import StashStandIn
from tests.site import Child, Site

pytestmark = pytest.mark.integration

JPEG, PNG, GIF = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a"
LARGEST = 10_000_000
Break = Literal["status", "reset", "half", "hang"]


def picture(number: int, size: int = 100) -> bytes:
    """A JPEG, as far as its first bytes tell."""
    return (JPEG + f"cover {number} ".encode()).ljust(size - 2, b".") + b"\xff\xd9"


def uploads(plex: PlexStandIn, kind: str = "posters") -> list[Request]:
    """The uploads that Plex was sent, whatever became of them."""
    return [request for request in plex.requests if request.method == "POST" and request.path.endswith(f"/{kind}")]


def covered(site: Site, number: int = 1, *, cover: bytes | None = None, **item: Any) -> tuple[int, int]:
    """A file that both servers have and its scene's cover; return (scene id, ratingKey)."""
    scene, key = site.add(f"/media/{number}.mp4", number, **item)
    site.stash.scene(scene).cover = picture(number) if cover is None else cover
    return scene, key


def record_of(site: Site, key: int, step: str = "poster") -> StepRecord:
    """What is on disk of a step."""
    with closing(site.state()) as state:
        return state.records(site.plex.machine_identifier, site.library, [key])[key].steps[step]


@pytest.fixture
def other_host(tmp_path: Path) -> Iterator[StashStandIn]:
    """A host that no cookie is for; it records what it is asked."""
    with StashStandIn(config_dir=tmp_path / "elsewhere") as host:
        yield host


# When a cover is asked for


@pytest.mark.parametrize("cover", [picture(1), GIF, None], ids=["one", "unusable", "none"])
def test_a_cover_is_asked_for_once_as_long_as_the_scene_stays_as_it_is(site: Site, cover: bytes | None) -> None:
    """A change of its studio's name, say, leaves the scene's own address of its cover alone."""
    scene, _ = site.add()
    site.stash.scene(scene).cover = cover
    site.stash.scene(scene).updated_s -= 60
    studio = site.stash.add_studio("Before")
    site.stash.scene(scene).studio_id = studio
    site.sync(scene)
    site.stash.update_studio(studio, name="After")
    site.sync(scene)
    asked = [request for request in site.stash.plugin_requests() if "/screenshot" in request.path]
    assert len(asked) == 1
    site.stash.scene(scene).cover = picture(2)
    site.stash.scene(scene).updated_s += 10
    site.sync(scene)
    assert len(uploads(site.plex)) == (2 if cover == picture(1) else 1)


def test_two_covers_of_the_same_second_both_arrive(site: Site) -> None:
    scene, _ = covered(site)
    site.sync(scene)
    site.stash.scene(scene).cover = picture(2)
    site.sync(scene)
    assert len(uploads(site.plex)) == 2


# When a picture is uploaded


def test_the_cover_becomes_the_poster_as_it_is(site: Site) -> None:
    content = PNG + b"drawing"
    scene, key = covered(site, cover=content)
    answer = site.save_and_sync(scene, title="Covered")
    item = site.item(key)
    assert (item.title, item.poster, item.arts) == ("Covered", content, [])
    (upload,) = uploads(site.plex)
    assert upload.body == content
    assert "thumb" in item.locked
    assert "poster" in answer.said("i")
    assert len(site.plex.edits) == 1, "the lock of the poster goes with the metadata"


def test_an_unchanged_cover_is_uploaded_once_in_many_syncs(site: Site) -> None:
    scene, key = covered(site)
    for number in range(8):
        # Every save gives the cover another address (`?t=`), and every other one changes something.
        site.stash.scene(scene).updated_s += 1
        site.stash.scene(scene).title = f"Title {number // 2}"
        assert site.sync(scene).error is None
    assert len(uploads(site.plex)) == 1
    assert (site.item(key).title, site.item(key).poster) == ("Title 3", picture(1))


def test_a_changed_cover_is_uploaded_and_an_old_one_that_comes_back_too(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    answer = site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)
    assert answer.output == "1 scene: 1 changed in Plex"
    site.save_and_sync(scene, cover=picture(1))
    assert site.item(key).poster == picture(1)
    assert len(uploads(site.plex)) == 3


def test_the_background_only_where_it_is_switched_on(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    assert uploads(site.plex, "arts") == []
    site.configure(sync_background=True)
    site.sync(scene)
    item = site.item(key)
    assert (item.art, item.arts, item.posters) == (picture(1), [picture(1)], [picture(1)])
    assert {"thumb", "art"} <= item.locked
    site.sync(scene)
    assert (len(uploads(site.plex)), len(uploads(site.plex, "arts"))) == (1, 1)


def test_a_poster_that_is_switched_off_catches_up_when_it_is_on_again(site: Site) -> None:
    scene, key = covered(site)
    site.configure(sync_poster=False)
    site.save_and_sync(scene, title="No poster")
    assert (site.item(key).title, site.item(key).poster) == ("No poster", None)
    assert [request for request in site.stash.plugin_requests() if "/screenshot" in request.path] == []
    site.configure(sync_poster=True)
    site.sync(scene)
    site.configure(sync_poster=False)
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(1)
    site.configure(sync_poster=True)
    site.sync(scene)
    assert site.item(key).poster == picture(2)
    assert len(uploads(site.plex)) == 2


def test_another_item_of_the_file_gets_the_cover_too(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    site.plex.remove_item(key)
    again = site.plex.add_item(site.library, [("/media/1.mp4", 1)])
    site.sync(scene, by_hand=True)
    assert site.item(again).poster == picture(1)
    assert "thumb" in site.item(again).locked


def test_another_server_gets_the_cover_too(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    with PlexStandIn(machine_identifier="another") as another:
        section = another.add_library("Clips", key=site.library)
        there = another.add_item(section, [("/media/1.mp4", 1)])
        assert there == key, "the same section and ratingKey, on another server"
        site.configure(plex_url=another.url, plex_token=another.token)
        site.sync(scene)
        site.sync(scene)
        assert another.item(there).poster == picture(1)
        assert len(uploads(another)) == 1
    site.configure()
    site.sync(scene)
    assert len(uploads(site.plex)) == 1, "the first server has it still"


def test_each_of_two_libraries_gets_its_own_upload(site: Site) -> None:
    scene, key = covered(site)
    elsewhere = site.plex.add_item(site.plex.add_library("Other"), [("/media/1.mp4", 1)])
    site.plex.fail(status=500, method="POST", path_contains=f"/{key}/")
    site.save_and_sync(scene, title="Both")
    assert (site.item(key).poster, site.item(elsewhere).poster) == (None, picture(1))
    site.drain(by_hand=True)
    site.sync(scene)
    assert [request.path for request in uploads(site.plex) if request.applied] == [
        f"/library/metadata/{elsewhere}/posters",
        f"/library/metadata/{key}/posters",
    ]
    assert site.item(key).poster == picture(1)
    of_scene = [request for request in site.stash.plugin_requests() if "/screenshot" in request.path]
    assert len(of_scene) == 3, "fetched once a run, for both"


def test_a_lost_state_file_is_no_reason_to_upload_again(site: Site) -> None:
    scene, key = covered(site)
    site.save_and_sync(scene, title="Before")
    for ending in ("", "-wal", "-shm"):
        Path(data_folder.state_file(str(site.data)) + ending).unlink(missing_ok=True)
    site.save_and_sync(scene, title="After")
    assert len(uploads(site.plex)) == 1
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)


def test_a_scene_without_a_cover_changes_no_picture_and_is_no_warning(site: Site) -> None:
    scene, key = site.add()
    site.configure(sync_background=True)
    site.plex.agent_refresh(key, poster=picture(5))
    answer = site.save_and_sync(scene, title="Bare")
    assert answer.output == "1 scene: 1 changed in Plex"
    assert uploads(site.plex) + uploads(site.plex, "arts") == []
    assert (site.item(key).title, site.item(key).poster) == ("Bare", picture(5))
    assert "thumb" not in site.item(key).locked
    assert answer.said("w") + answer.said("e") == ""


def test_a_cover_that_is_gone_leaves_the_poster(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    site.stash.scene(scene).cover = None
    assert site.sync(scene).output == "1 scene: 1 right already"
    assert site.item(key).poster == picture(1)


# Pictures that cannot be used, and servers that fail


UNUSABLE = {
    GIF + bytes(100): "no JPEG, PNG or WebP",
    picture(1, LARGEST + 1): "larger than Plex takes",
    JPEG[:2]: "no JPEG, PNG or WebP",
    PNG[:5]: "no JPEG, PNG or WebP",
    b"": "empty",
    b"<html><title>Please log in</title></html>": "no JPEG, PNG or WebP",
}
"""A cover -> what the warning says of it."""


@pytest.mark.parametrize("sized", [True, False], ids=["with Content-Length", "without"])
def test_covers_that_plex_would_not_take_are_left_out(site: Site, sized: bool) -> None:
    site.stash.sized_pictures = sized
    pairs = [covered(site, number, cover=cover) for number, cover in enumerate(UNUSABLE, 1)]
    for scene, _ in pairs:
        site.stash.save_scene(scene, title="The rest")
        site.hook(scene)
    answer = site.drain()
    assert (answer.output, answer.error) == ("6 scenes: 6 changed in Plex", None)
    warnings = answer.said("w").splitlines()
    assert len(warnings) == len(UNUSABLE)
    for (scene, key), says in zip(pairs, UNUSABLE.values(), strict=True):
        assert site.item(key).title == "The rest"
        assert "thumb" not in site.item(key).locked
        (warning,) = [line for line in warnings if f'Scene {scene} "The rest"' in line]
        assert says in warning
    assert (uploads(site.plex), site.rows()) == ([], [])
    scene, key = pairs[0]
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)


def test_the_largest_cover_is_taken(site: Site) -> None:
    scene, key = covered(site, cover=picture(1, LARGEST))
    site.stash.sized_pictures = False
    site.sync(scene)
    assert site.item(key).poster == picture(1, LARGEST)


def test_a_cover_that_stash_cannot_give_comes_later(site: Site) -> None:
    scene, key = covered(site)
    other, other_key = covered(site, 2)
    site.stash.fail("status", status=500, path=f"/scene/{scene}/")
    site.hook(other)
    site.save_and_sync(scene, title="The rest")
    assert (site.item(key).title, site.item(key).poster) == ("The rest", None)
    assert site.item(other_key).poster == picture(2)
    ((job, _),) = site.rows()
    assert (job["scene_id"], job["last_error_type"]) == (scene, "StashPictureError")
    site.drain(by_hand=True)
    assert site.item(key).poster == picture(1)
    assert site.rows() == []
    assert len(uploads(site.plex)) == 2


def test_a_stash_that_goes_in_the_middle_of_a_picture_ends_the_run_and_loses_nothing(site: Site) -> None:
    pairs = [covered(site, number) for number in (1, 2, 3)]
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"Title {scene}"
        site.hook(scene)
    site.stash.fail("half", path=f"/scene/{pairs[1][0]}/")
    site.stash.fail("half", query_contains="PlexSyncPing")  # it is Stash itself, not this picture
    answer = site.drain()
    assert answer.error is not None
    assert "2 jobs stay queued" in answer.error
    assert [job.get("retry_count", 0) for job, _ in site.rows()] == [0, 0], "it costs no job a try"
    assert site.drain().error is None
    for number, (scene, key) in enumerate(pairs, 1):
        assert (site.item(key).title, site.item(key).posters) == (f"Title {scene}", [picture(number)])
        assert "thumb" in site.item(key).locked
    assert len(uploads(site.plex)) == 3
    assert site.rows() == []


def test_a_picture_that_is_sent_elsewhere_is_not_fetched_there(site: Site, other_host: StashStandIn) -> None:
    scene, key = covered(site)
    site.stash.fail("status", status=302, path="/scene/", location=f"{other_host.url}/scene/1/screenshot")
    answer = site.sync(scene)
    assert other_host.requests == []
    assert "with a refusal or a redirect" in answer.said("w")
    assert len(site.rows()) == 1
    site.drain(by_hand=True)
    assert site.item(key).poster == picture(1)


def test_a_picture_that_stash_always_breaks_off_stops_no_other_scene(site: Site) -> None:
    pairs = [covered(site, number) for number in (1, 2, 3)]
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"Title {scene}"
        site.hook(scene)
    site.stash.fail("half", path=f"/scene/{pairs[0][0]}/", times=None)
    answer = site.drain()
    assert answer.error is None
    assert "Stash cannot give the cover" in answer.said("w")
    assert [site.item(key).title for _, key in pairs] == [f"Title {scene}" for scene, _ in pairs]
    assert [site.item(key).poster for _, key in pairs] == [None, picture(2), picture(3)]
    assert [job["scene_id"] for job, _ in site.rows()] == [pairs[0][0]]


def test_the_cover_is_asked_of_the_stash_that_started_the_plugin(
    tmp_path: Path, plex: PlexStandIn, other_host: StashStandIn
) -> None:
    folder = tmp_path / "stash"
    published = f"{other_host.url}/behind/a/proxy"
    with StashStandIn(config_dir=folder, credentials=("me", "secret"), external_host=published) as stash:
        site = Site(stash, plex, folder / "plexsync", plex.add_library("Clips"))
        site.configure()
        scene, key = covered(site)
        assert site.sync(scene).error is None
        assert site.item(key).poster == picture(1)
        (asked,) = [request for request in stash.plugin_requests() if "/screenshot" in request.path]
        assert asked.target.startswith(f"/scene/{scene}/screenshot?t=")
        assert asked.headers["cookie"].startswith("session=")
    assert other_host.requests == []


@pytest.mark.parametrize("status", [400, 413])
def test_a_picture_that_plex_refuses_is_not_sent_again_until_it_is_another(site: Site, status: int) -> None:
    scene, key = covered(site)
    site.plex.fail(status=status, method="POST", times=None)
    answer = site.save_and_sync(scene, title="The rest")
    assert answer.error is None
    assert site.item(key).title == "The rest"
    (warning,) = answer.said("w").splitlines()
    assert f'Scene {scene} "The rest"' in warning
    assert str(status) in warning
    assert site.rows() == []
    assert record_of(site, key).state is StepState.REFUSED
    for title in ("Again", "And again"):
        answer = site.save_and_sync(scene, title=title)
        assert answer.said("w") == ""
    assert len(uploads(site.plex)) == 1
    site.plex.clear_faults()
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)


def test_a_poster_that_was_there_before_a_refused_one_is_not_sent_again(site: Site) -> None:
    scene, key = covered(site)
    site.sync(scene)
    site.plex.fail(status=400, method="POST")
    site.save_and_sync(scene, cover=picture(2))
    site.save_and_sync(scene, cover=picture(1))
    assert site.item(key).poster == picture(1)
    assert [request.body for request in uploads(site.plex)] == [picture(1), picture(2)]


@pytest.mark.parametrize(
    ("kind", "after_effect", "preserve"),
    [("status", True, True), ("hang", True, False), ("half", False, True), ("reset", False, False)],
)
def test_an_upload_that_nobody_confirmed_is_not_made_twice(
    site: Site, kind: Break, after_effect: bool, preserve: bool
) -> None:
    scene, key = covered(site)
    site.configure(read_timeout=0.15, preserve_plex_edits=preserve)
    site.plex.fail(kind=kind, method="POST", after_effect=after_effect)
    site.save_and_sync(scene, title="The rest")
    assert site.item(key).title == "The rest"
    assert len(site.rows()) == 1
    site.drain(by_hand=True)
    site.sync(scene)
    item = site.item(key)
    assert (item.poster, item.posters) == (picture(1), [picture(1)])
    assert len([request for request in uploads(site.plex) if request.applied]) == 1
    assert "thumb" in item.locked
    assert site.rows() == []
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)


@pytest.mark.parametrize("kind", ["status", "half"])
def test_plex_stumbles_over_an_upload_and_is_asked_before_it_is_sent_again(
    site: Site, kind: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.001, 0.002))
    scene, key = covered(site)
    site.plex.fail(kind=kind, method="POST", after_effect=True)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert len(uploads(site.plex)) == 1
    site.plex.fail(kind=kind, method="POST")
    assert site.save_and_sync(scene, cover=picture(2)).output == "1 scene: 1 changed in Plex"
    assert [request.applied for request in uploads(site.plex)] == [True, False, True]
    assert site.item(key).poster == picture(2)


def test_an_unconfirmed_upload_is_followed_by_the_cover_that_is_newest(site: Site) -> None:
    scene, key = covered(site)
    site.configure(preserve_plex_edits=True)
    site.plex.fail(kind="reset", method="POST", after_effect=True)
    site.sync(scene)
    assert site.item(key).poster == picture(1)
    site.save_and_sync(scene, cover=picture(2))
    assert site.item(key).poster == picture(2)
    assert site.rows() == []


@pytest.mark.parametrize(("after_effect", "title"), [(True, ""), (False, "With a title")])
def test_a_process_killed_between_upload_and_record_uploads_nothing_twice(
    site: Site, after_effect: bool, title: str
) -> None:
    scene, key = covered(site)
    site.stash.scene(scene).title = title
    site.hook(scene)
    site.plex.fail(kind="hang", method="POST", after_effect=after_effect)
    child = Child.drain(site)
    site.plex.wait_for_request(lambda request: request.method == "POST" and request.applied is after_effect, timeout=20)
    child.kill()
    site.drain()
    item = site.item(key)
    assert (item.title, item.poster, item.posters) == (title or "1", picture(1), [picture(1)])
    assert len([request for request in uploads(site.plex) if request.applied]) == 1
    assert "thumb" in item.locked
    assert site.rows() == []


def test_covers_that_fail_open_the_breaker_although_the_fields_go_well(site: Site) -> None:
    pairs = [covered(site, number) for number in range(1, 9)]
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"Title {scene}"
        site.hook(scene)
    site.plex.fail(status=500, method="POST", times=None)
    assert site.drain().error is not None
    assert len(uploads(site.plex)) == 5, "each may take as long as read_timeout"
    assert site.breaker()[0] is CircuitState.OPEN
    assert len(site.rows()) == 8
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert [site.item(key).poster for _, key in pairs] == [picture(number) for number in range(1, 9)]


def test_covers_that_stash_cannot_give_are_not_the_breakers_business(site: Site) -> None:
    pairs = [covered(site, number) for number in range(1, 9)]
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"Title {scene}"
        site.hook(scene)
    site.stash.fail("status", status=500, path="/scene/", times=None)
    assert site.drain().error is None
    assert [site.item(key).title for _, key in pairs] == [f"Title {scene}" for scene, _ in pairs]
    assert len(site.rows()) == 8


# Locks


def test_agents_leave_a_poster_of_ours(site: Site) -> None:
    scene, key = covered(site)
    site.configure(sync_background=True)
    site.sync(scene)
    assert {"thumb", "art"} <= site.item(key).locked, "no other field has changed"
    site.plex.agent_refresh(key, poster=picture(8), art=picture(9))
    assert (site.item(key).poster, site.item(key).art) == (picture(1), picture(1))


def test_a_lock_that_plex_failed_is_made_up_for(site: Site) -> None:
    scene, key = covered(site)
    site.plex.fail(status=500, method="PUT")
    site.sync(scene)
    assert site.item(key).poster == picture(1)
    site.drain(by_hand=True)
    site.sync(scene)
    assert "thumb" in site.item(key).locked
    assert len(uploads(site.plex)) == 1


# preserve_plex_edits


@pytest.fixture
def careful(site: Site) -> Site:
    """With `preserve_plex_edits`."""
    site.configure(preserve_plex_edits=True)
    return site


def test_a_poster_that_a_person_chose_stays(careful: Site) -> None:
    scene, key = covered(careful)
    careful.plex.person_edits(key, poster=picture(7))
    careful.save_and_sync(scene, title="Careful")
    assert (careful.item(key).title, careful.item(key).poster) == ("Careful", picture(7))
    assert uploads(careful.plex) == []
    assert careful.rows() == []


def test_a_poster_of_ours_gives_way_to_a_new_cover(careful: Site) -> None:
    scene, key = covered(careful)
    for number in (1, 2, 3):
        careful.save_and_sync(scene, title=f"Title {number}", cover=picture(number))
        assert careful.item(key).poster == picture(number)
    careful.sync(scene)
    assert len(uploads(careful.plex)) == 3


def test_a_poster_that_a_person_put_in_place_of_ours_stays(careful: Site) -> None:
    scene, key = covered(careful)
    careful.sync(scene)
    careful.plex.person_edits(key, poster=picture(7))
    careful.save_and_sync(scene, cover=picture(2))
    assert careful.item(key).poster == picture(7)
    careful.configure(preserve_plex_edits=False)
    careful.sync(scene)
    assert careful.item(key).poster == picture(2)
    careful.configure(preserve_plex_edits=True)
    careful.save_and_sync(scene, cover=picture(3))
    assert careful.item(key).poster == picture(3), "that one was ours again"


def test_an_item_that_nobody_named_gets_the_cover_in_place_of_what_plex_found(careful: Site) -> None:
    scene, key = covered(careful)
    careful.plex.agent_refresh(key, poster=picture(8))
    careful.save_and_sync(scene, title="Named")
    assert careful.item(key).poster == picture(1)


def test_an_item_that_agents_named_keeps_their_poster(careful: Site) -> None:
    scene, key = covered(careful, title="The Film", summary="As agents have it")
    careful.plex.agent_refresh(key, poster=picture(8))
    careful.save_and_sync(scene, title="Stash's")
    assert (careful.item(key).title, careful.item(key).poster) == ("The Film", picture(8))


def test_a_frame_of_the_video_is_nobodys_choice(careful: Site) -> None:
    scene, key = covered(careful, title="The Film")
    careful.sync(scene)
    assert (careful.item(key).title, careful.item(key).poster) == ("The Film", picture(1))


def test_a_persons_background_stays_while_the_poster_is_ours(careful: Site) -> None:
    scene, key = covered(careful)
    careful.configure(sync_background=True)
    careful.plex.person_edits(key, art=picture(7))
    careful.sync(scene)
    assert (careful.item(key).poster, careful.item(key).art) == (picture(1), picture(7))


def test_a_cover_that_came_late_takes_the_place_of_what_plex_found(careful: Site) -> None:
    scene, key = covered(careful)
    careful.plex.agent_refresh(key, poster=picture(8))
    careful.stash.fail("status", status=500, path="/scene/")
    careful.save_and_sync(scene, title="Named in the first run")
    careful.drain(by_hand=True)
    assert careful.item(key).poster == picture(1)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_list_of_posters_that_plex_failed_to_give_costs_nothing(careful: Site, nth: int) -> None:
    scene, key = covered(careful)
    careful.plex.fail(status=500, method="GET", path_contains="/posters", every=nth, times=1)
    careful.sync(scene)
    assert len(careful.rows()) == 1
    careful.drain(by_hand=True)
    assert (careful.item(key).poster, len(uploads(careful.plex))) == (picture(1), 1)
    assert "thumb" in careful.item(key).locked
    careful.save_and_sync(scene, cover=picture(2))
    assert careful.item(key).poster == picture(2)


def test_a_run_that_is_killed_after_an_upload_leaves_a_poster_that_is_ours(careful: Site) -> None:
    scene, key = covered(careful)
    careful.hook(scene)
    careful.plex.fail(kind="hang", method="PUT")  # the lock, which comes after the upload
    child = Child.drain(careful)
    careful.plex.wait_for_request(lambda request: request.method == "PUT", timeout=20)
    child.kill()
    careful.drain()
    assert "thumb" in careful.item(key).locked
    assert len(uploads(careful.plex)) == 1
    careful.save_and_sync(scene, cover=picture(2))
    assert careful.item(key).poster == picture(2)


def test_a_poster_that_a_person_chose_after_a_killed_run_stays(careful: Site) -> None:
    scene, key = covered(careful)
    careful.hook(scene)
    careful.plex.fail(kind="hang", method="PUT")
    child = Child.drain(careful)
    careful.plex.wait_for_request(lambda request: request.method == "PUT", timeout=20)
    child.kill()
    careful.plex.person_edits(key, poster=picture(7))
    careful.drain()
    careful.save_and_sync(scene, cover=picture(2))
    assert careful.item(key).poster == picture(7)
