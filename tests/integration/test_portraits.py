"""Performers' pictures by their content, over real HTTP: what is asked of Stash, and what Plex is spared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Literal
from unittest import mock

import pytest

from sync.mapping.performer_pictures import PictureAccess
from sync.model import Scene
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.exceptions import StashAuthError, StashTemporaryError
from sync.state.state import State
from sync.worker.portraits import Portraits
from tests.servers.plex import PlexStandIn
from tests.servers.stash import FaultKind, StashStandIn
from tests.site import Site

pytestmark = pytest.mark.integration

FACE, OTHER = b"\xff\xd8\xff\xe0a face\xff\xd9", b"GIF89a another face"
LONG_AGO = 1_700_000_000.0


def performer(site: Site, name: str = "Ann") -> int:
    """A performer with a picture, saved long ago."""
    number = site.stash.add_performer(name, image=FACE + name.encode())
    site.stash.store.performers[number].updated_s = LONG_AGO
    return number


def cast(site: Site, *performers: int, number: int = 1) -> tuple[int, int]:
    """A file that both servers have, and its scene with these performers; return (scene id, ratingKey)."""
    scene, key = site.add(f"/media/{number}.mp4", number)
    site.stash.scene(scene).performer_ids = list(performers)
    return scene, key


def save(site: Site, number: int, picture: bytes | None = None) -> None:
    """A save of the performer an hour after the last one, with another picture or as it is."""
    saved = site.stash.store.performers[number]
    saved.updated_s += 3600
    saved.image = picture or saved.image


def asked(stash: StashStandIn) -> list[str]:
    """The performers' pictures that Stash was asked for."""
    return [request.target for request in stash.plugin_requests() if request.path.startswith("/performer/")]


def digest(content: bytes) -> str:
    """What stands in an address for a picture."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()[:12]


def address(site: Site, number: int, mark: object) -> str:
    """Where Plex finds a performer's picture."""
    return f"{site.stash.url}/performer/{number}/image?t={mark}"


def thumb(site: Site, key: int) -> str:
    """The picture of an item's only actor."""
    (role,) = site.item(key).actors
    return role.thumb


# What Plex is sent


def test_a_performer_saved_without_a_new_picture_changes_nothing_in_plex(site: Site) -> None:
    number = performer(site)
    scene, key = cast(site, number)
    site.sync(scene)
    assert thumb(site, key) == address(site, number, digest(FACE + b"Ann"))
    for _ in range(3):
        save(site, number)
        assert site.sync(scene).output == "1 scene: 1 right already"
    assert len(site.plex.edits) == 1
    assert len(asked(site.stash)) == 4, "each save may bring another picture"
    save(site, number, OTHER)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert thumb(site, key) == address(site, number, digest(OTHER)), "a picture that is no poster for Plex is one, too"
    site.sync(scene)
    assert (len(site.plex.edits), len(asked(site.stash))) == (2, 5)


def test_three_performers_of_many_scenes_are_three_requests_and_none_the_next_time(site: Site) -> None:
    numbers = [performer(site, name) for name in ("Ann", "Bea", "Cat")]
    scenes = [cast(site, *numbers, number=number)[0] for number in range(1, 61)]
    for scene in scenes:
        site.hook(scene)
    assert site.drain().output == "60 scenes: 60 changed in Plex"
    assert sorted(asked(site.stash)) == [f"/performer/{number}/image?t={LONG_AGO:.0f}" for number in numbers]
    for scene in scenes:
        site.hook(scene)
    assert site.drain().output == "60 scenes: 60 right already"
    assert len(asked(site.stash)) == 3


@pytest.mark.parametrize(("does", "preserve"), [("kept", False), ("kept", True), ("rewritten", False)])
def test_an_address_with_a_time_in_it_is_ours_and_replaced_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, does: Literal["kept", "rewritten"], preserve: bool
) -> None:
    site.plex.actor_pictures = does
    site.configure(preserve_plex_edits=preserve)
    number = performer(site)
    (one, key), (other, _) = cast(site, number, number=1), cast(site, number, number=2)
    with monkeypatch.context() as earlier:
        earlier.setattr(Portraits, "settle", lambda _, scenes: scenes)
        for scene in (one, other):
            site.sync(scene)
    if does == "kept":
        assert thumb(site, key) == address(site, number, int(LONG_AGO))
    site.plex.clear_requests()
    for scene in (one, other, one, other):
        assert site.sync(scene).error is None
    if does == "kept":
        assert thumb(site, key) == address(site, number, digest(FACE + b"Ann"))
        assert len(site.plex.edits) == 1, "one picture a name over the whole server"
    assert len(site.plex.edits) <= 2
    assert site.rows() == []


# What Stash cannot give


@pytest.mark.parametrize(
    ("kind", "status", "known"),
    [("status", 500, False), ("status", 403, True), ("reset", 0, True)],
)
def test_a_picture_that_stash_cannot_give_is_taken_to_be_what_it_was(
    site: Site, kind: FaultKind, status: int, known: bool
) -> None:
    number = performer(site)
    scene, key = cast(site, number)
    if known:
        site.sync(scene)
        save(site, number)
    site.stash.fail(kind, status=status, path="/performer/", times=None)
    answer = site.sync(scene)
    assert (answer.error, answer.said("w"), answer.said("e")) == (None, "", "")
    assert f"/performer/{number}/image" in answer.said("d")
    assert thumb(site, key) == address(site, number, digest(FACE + b"Ann") if known else int(LONG_AGO))
    site.stash.clear_faults()
    site.sync(scene)
    assert thumb(site, key) == address(site, number, digest(FACE + b"Ann")), "it is asked for again"
    assert len(site.plex.edits) == (1 if known else 2)


@pytest.mark.parametrize("kind", ["404", "svg"])
def test_a_performer_who_turns_out_to_have_no_picture_gets_none(site: Site, kind: str) -> None:
    number = performer(site)
    scene, key = cast(site, number)
    site.sync(scene)
    save(site, number)
    if kind == "svg":
        site.stash.store.performers[number].image = b"<?xml version='1.0'?><svg xmlns='x'/>"
    else:
        site.stash.fail("status", status=404, path="/performer/")
    assert site.sync(scene).error is None
    assert thumb(site, key) == ""
    site.stash.store.performers[number].image = FACE
    site.sync(scene)
    assert thumb(site, key) == address(site, number, digest(FACE)), "Stash draws one where it could not read it, too"


def test_a_picture_larger_than_plex_takes_as_a_poster_is_known_by_its_content(site: Site) -> None:
    number = performer(site)
    large = FACE.ljust(10_000_001, b".")
    site.stash.store.performers[number].image = large
    scene, key = cast(site, number)
    site.sync(scene)
    assert thumb(site, key) == address(site, number, digest(large))


def test_a_page_is_no_picture(site: Site) -> None:
    scene, key = cast(site, number := performer(site))
    site.stash.fail("status", status=200, path="/performer/")
    assert site.sync(scene).error is None
    assert thumb(site, key) == address(site, number, int(LONG_AGO))


# Where nothing is asked


def test_nothing_is_asked_of_a_guarded_stash_that_gives_no_pictures(tmp_path: Path, plex: PlexStandIn) -> None:
    folder = tmp_path / "guarded"
    with StashStandIn(config_dir=folder, credentials=("me", "a password"), api_key="key-of-stash-5f1e") as stash:
        site = Site(stash, plex, folder / "plexsync", plex.add_library("Clips"))
        site.configure()
        number = performer(site)
        scene, key = cast(site, number)
        site.sync(scene)
        assert (asked(stash), thumb(site, key)) == ([], "")
        site.configure(performer_pictures="on")
        site.sync(scene)
        assert len(asked(stash)) == 1
        assert thumb(site, key) == f"{address(site, number, digest(FACE + b'Ann'))}&apikey=key-of-stash-5f1e"


@pytest.mark.parametrize("settings", [{"performer_pictures": "off"}, {"sync_performers": False}, {"skip_tags": "no"}])
def test_nothing_is_asked_where_no_picture_is_written(site: Site, settings: dict[str, object]) -> None:
    scene, _ = cast(site, performer(site))
    site.configure(**settings)
    site.save_and_sync(scene, title="Without", tags=["no"])
    assert asked(site.stash) == []


def test_pictures_are_asked_of_the_stash_that_started_us_alone(tmp_path: Path, plex: PlexStandIn) -> None:
    with (
        StashStandIn(config_dir=tmp_path / "elsewhere") as other,
        StashStandIn(config_dir=tmp_path / "published", external_host=f"{other.url}/sub") as stash,
    ):
        site = Site(stash, plex, tmp_path / "published" / "plexsync", plex.add_library("Clips"))
        site.configure()
        scene, key = cast(site, number := performer(site))
        site.sync(scene)
        assert thumb(site, key) == f"{other.url}/sub/performer/{number}/image?t={digest(FACE + b'Ann')}"
        assert (len(asked(stash)), other.requests) == (1, [])


def test_an_external_host_that_is_no_address_ends_no_drain(tmp_path: Path, plex: PlexStandIn) -> None:
    with StashStandIn(config_dir=tmp_path / "odd", external_host="http://[::1") as stash:
        site = Site(stash, plex, tmp_path / "odd" / "plexsync", plex.add_library("Clips"))
        site.configure()
        scene, key = cast(site, performer(site))
        assert site.save_and_sync(scene, title="There").error is None
        assert site.item(key).title == "There"


# The rule itself, with a clock


@pytest.fixture
def stash(site: Site) -> Iterator[StashClient]:
    """Stash as a drain asks it."""
    cookie = {"Name": "session", "Value": site.stash.session_cookie()}
    with closing(StashClient({"Host": "0.0.0.0", "Port": site.stash.port, "SessionCookie": cookie})) as client:
        yield client


class Runs:
    """Runs of the drain, as far as performers' pictures go."""

    def __init__(self, site: Site, stash: StashClient, access: PictureAccess | None) -> None:
        self.site, self.stash, self.access = site, stash, access
        site.data.mkdir(parents=True, exist_ok=True)
        self.now = LONG_AGO + 3600

    def portraits(self, state: State) -> Portraits:
        """Those of one run."""
        settings = Settings(plex_url=self.site.plex.url, plex_token=self.site.plex.token)
        return Portraits(stash=self.stash, state=state, settings=settings, access=self.access)

    def settle(self, scene: int, times: int = 1) -> list[str]:
        """The addresses of the scene's pictures at the end of a run that comes to it several times."""
        found: dict[int, Scene] = {}
        clock = mock.patch("sync.worker.portraits.time", SimpleNamespace(time=lambda: self.now))
        with closing(self.site.state()) as state, clock:
            portraits = self.portraits(state)
            for _ in range(times):
                found = portraits.settle(self.stash.scenes([scene]))
        return [one.picture for one in found[scene].performers]


@pytest.fixture
def runs(site: Site, stash: StashClient) -> Runs:
    """Plex is on this very machine."""
    return Runs(site, stash, PictureAccess(loopback=True))


@pytest.mark.parametrize("age", [-86400.0, 0.0, 1.9])
def test_a_picture_that_may_be_saved_again_in_the_same_second_is_asked_for_again(runs: Runs, age: float) -> None:
    scene, _ = cast(runs.site, number := performer(runs.site))
    runs.now = LONG_AGO + age
    assert runs.settle(scene, times=3) == [address(runs.site, number, digest(FACE + b"Ann"))]
    assert len(asked(runs.site.stash)) == 1, "once a run"
    runs.site.stash.store.performers[number].image = OTHER
    runs.now = LONG_AGO + 2
    assert runs.settle(scene) == [address(runs.site, number, digest(OTHER))]
    runs.settle(scene)
    assert len(asked(runs.site.stash)) == 2


def test_a_picture_that_cannot_be_given_is_asked_for_once_a_run(runs: Runs) -> None:
    scene, _ = cast(runs.site, number := performer(runs.site))
    runs.site.stash.fail("status", status=500, path="/performer/", times=None)
    for run in (1, 2):
        assert runs.settle(scene, times=3) == [address(runs.site, number, int(LONG_AGO))]
        assert len(asked(runs.site.stash)) == run


def test_what_plex_could_not_reach_is_not_asked_for(site: Site, stash: StashClient) -> None:
    scene, _ = cast(site, number := performer(site))
    for access in (None, PictureAccess(loopback=False)):
        assert Runs(site, stash, access).settle(scene) == [address(site, number, int(LONG_AGO))]
    assert asked(site.stash) == []


def test_a_save_within_a_run_is_seen(runs: Runs) -> None:
    site = runs.site
    scene, _ = cast(site, number := performer(site))
    assert runs.settle(scene) == [address(site, number, digest(FACE + b"Ann"))]
    with closing(site.state()) as state:
        portraits = runs.portraits(state)
        for content in (OTHER, FACE):
            save(site, number, content)
            (settled,) = portraits.settle(runs.stash.scenes([scene])).values()
            assert settled.performers[0].picture == address(site, number, digest(content))


@pytest.mark.parametrize(("ping", "error"), [({"status": 502}, StashTemporaryError), ({"status": 401}, StashAuthError)])
def test_a_stash_that_is_away_is_not_a_picture_that_is_broken(
    runs: Runs, ping: dict[str, int], error: type[Exception]
) -> None:
    scene, _ = cast(runs.site, performer(runs.site))
    runs.site.stash.fail("reset", path="/performer/", times=None)
    runs.site.stash.fail("status", query_contains="PlexSyncPing", times=None, **ping)
    with pytest.raises(error):
        runs.settle(scene)
