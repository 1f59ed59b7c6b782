"""Performers as actors: their order, roles and pictures, over real HTTP; and who gets to see Stash's key."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import pytest

from tests.servers.plex import PlexStandIn, Role
from tests.servers.stash import StashStandIn
from tests.site import Answer, Site

pytestmark = pytest.mark.integration

FACE = b"\xff\xd8\xff\xe0a face\xff\xd9"
API_KEY = "eyJhbGciOi.api-key-of-stash_7d21"


both_readings = pytest.mark.usefixtures("_both_readings_of_tag_edits")


@pytest.fixture
def guarded(tmp_path: Path, plex: PlexStandIn) -> Iterator[Site]:
    """A Stash with a password and an API key."""
    folder = tmp_path / "guarded"
    with StashStandIn(config_dir=folder, credentials=("me", "a password"), api_key=API_KEY) as stash:
        made = Site(stash, plex, folder / "plexsync", plex.add_library("Clips"))
        made.configure()
        yield made


def performer(site: Site, name: str, which: str = "", *, face: bytes | None = FACE) -> int:
    """A performer, with a picture, whose role tells which one it is."""
    site.stash.plugin_settings.setdefault("performer_role", "{disambiguation}")
    return site.stash.add_performer(name, which, image=face)


def cast(site: Site, *performers: int, number: int = 1) -> tuple[int, int]:
    """A file that both servers have, and its scene with these performers; return (scene id, ratingKey)."""
    scene, key = site.add(f"/media/{number}.mp4", number)
    site.stash.scene(scene).performer_ids = list(performers)
    return scene, key


def actors(site: Site, key: int) -> dict[str, Role]:
    """The actors of an item, by name."""
    return {role.name: role for role in site.item(key).actors}


def another_face(site: Site, number: int) -> None:
    """Another picture, saved later."""
    saved = site.stash.store.performers[number]
    saved.image = (saved.image or FACE) + b"."
    saved.updated_s += 100


def address(site: Site, number: int) -> str:
    """Where Plex is to find a performer's picture: at Stash's address, with a digest of the picture in it."""
    digest = hashlib.sha1(site.stash.store.performers[number].image or b"", usedforsecurity=False).hexdigest()
    return f"{site.stash.url}/performer/{number}/image?t={digest[:12]}"


def sent(plex: PlexStandIn) -> str:
    """All that Plex was sent, as it stood in the requests and decoded."""
    text = "\n".join(f"{request.target} {request.headers} {request.body!r}" for request in plex.requests)
    return f"{text}\n{unquote(text)}\n{unquote(unquote(text))}"


def files_with(folder: Path, secret: str) -> list[str]:
    """The files of a folder that hold a text."""
    paths = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    assert paths
    return [path.name for path in paths if secret.encode() in path.read_bytes()]


def holds_no_secret(site: Site, *answers: Answer) -> None:
    """Neither Plex nor the disk nor the log were given a credential of Stash's."""
    cookie = site.stash.session_cookie()[:24]  # what follows differs from one second to the next
    for secret in (API_KEY, cookie, "a password"):
        assert secret not in sent(site.plex)
        assert files_with(site.data, secret) == []
        for answer in answers:
            assert secret not in f"{answer.said()} {answer.output} {answer.error}"
    assert "apikey" not in sent(site.plex).lower()
    assert all("cookie" not in request.headers for request in site.plex.requests)


# Names, order, roles


@both_readings
def test_performers_are_actors_in_stashs_order_with_role_and_picture(site: Site) -> None:
    numbers = [performer(site, name, which) for name, which in (("Zoe", ""), ("Ann", "dark"), ("Mia", ""))]
    scene, key = cast(site, *numbers)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert site.item(key).actors == [
        Role("Zoe", "", address(site, numbers[0])),
        Role("Ann (dark)", "dark", address(site, numbers[1])),
        Role("Mia", "", address(site, numbers[2])),
    ]
    assert "actor" in site.item(key).locked
    site.sync(scene)
    assert len(site.plex.edits) == 1


def test_performers_of_one_name_are_two_people_over_two_scenes(site: Site) -> None:
    dark, fair = performer(site, "Ann", "dark"), performer(site, "Ann", "fair")
    (first, one), (second, two) = cast(site, dark, number=1), cast(site, fair, number=2)
    for scene in (first, second, first, second):
        site.sync(scene)
    assert site.item(one).actors == [Role("Ann (dark)", "dark", address(site, dark))]
    assert site.item(two).actors == [Role("Ann (fair)", "fair", address(site, fair))]
    assert len(site.plex.edits) == 2, "they do not take each other's picture"


def test_a_renamed_performer_is_one_person(site: Site) -> None:
    number = performer(site, "Ann")
    scene, key = cast(site, number)
    site.sync(scene)
    site.stash.update_performer(number, name="Anna")
    site.sync(scene)
    assert site.item(key).actors == [Role("Anna", "", address(site, number))]
    site.stash.update_performer(number, disambiguation="dark")
    site.sync(scene)
    assert site.item(key).actors == [Role("Anna (dark)", "dark", address(site, number))]


def test_a_role_follows_the_template_and_the_performer(site: Site) -> None:
    number = performer(site, "Ann")
    site.stash.update_performer(number, country="FR")
    scene, key = cast(site, number)
    site.configure(performer_role="from {country}")
    site.sync(scene)
    assert actors(site, key)["Ann"].role == "from FR"
    site.stash.update_performer(number, country="DE")
    site.sync(scene)
    assert actors(site, key)["Ann"].role == "from DE"
    edits = len(site.plex.edits)
    site.sync(scene)
    assert len(site.plex.edits) == edits


# Pictures


@pytest.mark.parametrize("does", ["kept", "ignored", "rewritten"])
def test_a_new_picture_is_written_once_whatever_plex_makes_of_it(
    site: Site, does: Literal["kept", "ignored", "rewritten"]
) -> None:
    site.plex.actor_pictures = does
    number = performer(site, "Ann")
    scene, key = cast(site, number)
    for expected in (1, 2):
        for _ in range(3):
            answer = site.sync(scene)
            assert answer.error is None
        assert len(site.plex.edits) == expected
        assert f"/performer/{number}/image?t=" in sent(site.plex)
        if does == "kept":
            assert actors(site, key)["Ann"].thumb == address(site, number)
        another_face(site, number)
    assert site.rows() == []


def test_a_new_picture_reaches_all_scenes_of_the_performer_with_one_write(site: Site) -> None:
    number = performer(site, "Ann")
    (first, one), (second, two) = cast(site, number, number=1), cast(site, number, number=2)
    for scene in (first, second):
        site.sync(scene)
    another_face(site, number)
    site.plex.clear_requests()
    for scene in (first, second, first):
        site.sync(scene)
    assert len(site.plex.edits) == 1, "one picture a name over the whole server"
    assert {actors(site, key)["Ann"].thumb for key in (one, two)} == {address(site, number)}


@both_readings
def test_an_edit_of_other_fields_keeps_roles_and_pictures(site: Site) -> None:
    number = performer(site, "Ann", "dark")
    scene, key = cast(site, number)
    site.sync(scene)
    added = performer(site, "Bea")
    site.save_and_sync(scene, title="Two now", performer_ids=[str(number), str(added)])
    assert site.item(key).actors == [
        Role("Ann (dark)", "dark", address(site, number)),
        Role("Bea", "", address(site, added)),
    ]


def test_another_address_of_stash_is_used_for_pictures(site: Site) -> None:
    number = performer(site, "Ann")
    scene, key = cast(site, number)
    site.configure(stash_url="https://stash.home.test/behind/ ")
    site.sync(scene)
    (_, _, path) = address(site, number).partition("/performer/")
    assert actors(site, key)["Ann"].thumb == f"https://stash.home.test/behind/performer/{path}"


# Who sees the key


def test_by_default_a_guarded_stash_gives_nothing_away(guarded: Site) -> None:
    scene, key = cast(guarded, performer(guarded, "Ann", "dark"))
    guarded.stash.scene(scene).cover = FACE
    guarded.configure(sync_background=True)
    answers = [
        guarded.save_and_sync(scene, title="Private", studio="Acme", tags=["t"]),
        guarded.save_and_sync(scene, title="Again"),
    ]
    item = guarded.item(key)
    assert (item.title, item.poster, item.art) == ("Again", FACE, FACE)
    assert item.actors == [Role("Ann (dark)", "dark", "")]
    holds_no_secret(guarded, *answers)


@pytest.mark.parametrize("stash_url", ["", "https://stash.home.test"])
def test_who_opts_in_gives_plex_the_key_in_the_address_and_nowhere_else(guarded: Site, stash_url: str) -> None:
    number = performer(guarded, "Ann")
    scene, key = cast(guarded, number)
    guarded.stash.scene(scene).cover = FACE
    guarded.configure(performer_pictures="on", stash_url=stash_url)
    answers = [guarded.save_and_sync(scene, title="Shown")]
    shown = address(guarded, number).replace(guarded.stash.url, stash_url or guarded.stash.url)
    assert guarded.item(key).actors == [Role("Ann", "", f"{shown}&apikey={API_KEY}")]
    answers.append(guarded.sync(scene))
    assert len(guarded.plex.edits) == 1
    # Where Plex fails, errors and dead letters tell of the very request that holds it.
    another_face(guarded, number)
    guarded.configure(performer_pictures="on", stash_url=stash_url, max_retries=1)
    guarded.plex.fail(status=400, method="PUT", body=b"no such thing")
    answers.append(guarded.sync(scene))
    guarded.plex.fail(kind="reset", method="PUT")
    answers.append(guarded.sync(scene))
    assert "failed" in answers[-1].said()
    for secret in (API_KEY, guarded.stash.session_cookie()[:24]):
        assert files_with(guarded.data, secret) == []
        for answer in answers:
            assert secret not in f"{answer.said()} {answer.output} {answer.error}"
    for request in guarded.plex.requests:
        rest = [pair for pair in request.params if not re.fullmatch(r"actor\[\d+\]\.tag\.thumb", pair[0])]
        assert API_KEY not in unquote(f"{request.path} {rest} {request.headers} {request.body!r}")
        assert "cookie" not in request.headers
    assert all("apikey" not in request.headers for request in guarded.stash.plugin_requests())


def test_the_address_that_plex_is_given_shows_the_picture(guarded: Site) -> None:
    scene, key = cast(guarded, performer(guarded, "Ann"))
    guarded.configure(performer_pictures="on")
    guarded.sync(scene)
    with urllib.request.urlopen(actors(guarded, key)["Ann"].thumb, timeout=5) as answer:
        assert answer.read() == FACE


@both_readings
@pytest.mark.parametrize("choice", ["off", "auto"])
def test_a_key_that_was_given_away_once_is_not_sent_again_when_that_is_taken_back(guarded: Site, choice: str) -> None:
    number = performer(guarded, "Ann")
    scene, key = cast(guarded, number)
    guarded.configure(performer_pictures="on")
    guarded.sync(scene)
    guarded.configure(performer_pictures=choice)
    guarded.plex.clear_requests()
    added = performer(guarded, "Bea")
    guarded.save_and_sync(scene, title="Two now", performer_ids=[str(number), str(added)])
    assert sorted(actors(guarded, key)) == ["Ann", "Bea"]
    assert actors(guarded, key)["Ann"].thumb == "", "what we put there we take away"
    holds_no_secret(guarded)


# What a person set, and what nobody confirmed


THEIRS = Role("Ann", "Villain", "https://pictures.test/villain.jpg")


@both_readings
@pytest.mark.parametrize("preserve", [False, True])
def test_an_actor_that_a_person_added_keeps_role_and_picture(site: Site, preserve: bool) -> None:
    number = performer(site, "Ann")
    site.stash.update_performer(number, country="FR")
    scene, key = cast(site, number)
    site.plex.person_edits(key, actors=[THEIRS])
    site.configure(preserve_plex_edits=preserve, performer_role="from {country}")
    site.save_and_sync(scene, title="Theirs")
    added = performer(site, "Bea")
    site.save_and_sync(scene, performer_ids=[str(number), str(added)])
    assert actors(site, key)["Ann"] == THEIRS
    site.save_and_sync(scene, performer_ids=[])
    assert site.item(key).actors == [THEIRS], "it is not ours to remove"


@both_readings
def test_a_role_and_a_picture_that_a_person_changed_stay_under_preserve(site: Site) -> None:
    number = performer(site, "Ann")
    site.stash.update_performer(number, country="FR")
    scene, key = cast(site, number)
    site.configure(preserve_plex_edits=True, performer_role="from {country}")
    site.sync(scene)
    site.plex.person_edits(key, actors=[THEIRS])
    site.stash.update_performer(number, country="DE")
    another_face(site, number)
    site.save_and_sync(scene, title="After")
    assert (site.item(key).title, actors(site, key)["Ann"]) == ("After", THEIRS)
    site.configure(preserve_plex_edits=False, performer_role="from {country}")
    site.sync(scene)
    assert actors(site, key)["Ann"] == Role("Ann", "from DE", address(site, number)), "now Stash wins"


@both_readings
@pytest.mark.parametrize("kind", ["status", "hang"])
def test_a_write_that_nobody_confirmed_is_still_ours(site: Site, kind: Literal["status", "hang"]) -> None:
    number = performer(site, "Ann")
    site.stash.update_performer(number, country="FR")
    scene, key = cast(site, number)
    site.configure(preserve_plex_edits=True, performer_role="from {country}", read_timeout=0.15)
    site.plex.fail(kind=kind, method="PUT", after_effect=True)
    site.sync(scene)
    # Before it is looked at again, role and picture have changed in Stash, and then the name.
    site.stash.update_performer(number, country="DE")
    another_face(site, number)
    site.plex.fail(kind=kind, method="PUT", after_effect=True)
    site.sync(scene)
    assert site.item(key).actors == [Role("Ann", "from DE", address(site, number))]
    site.stash.update_performer(number, name="Anna")
    site.sync(scene)
    assert site.item(key).actors == [Role("Anna", "from DE", address(site, number))]
    assert site.rows() == []


def _another_item(site: Site, key: int) -> int:
    site.plex.remove_item(key)
    return site.plex.add_item(site.library, [("/media/1.mp4", 1)])


@pytest.mark.parametrize("change", [lambda site, key: key, _another_item], ids=["the same item", "another item"])
def test_actors_come_back_with_role_and_picture(site: Site, change: Callable[[Site, int], int]) -> None:
    number = performer(site, "Ann", "dark")
    scene, key = cast(site, number)
    site.configure(preserve_plex_edits=True)
    site.sync(scene)
    key = change(site, key)
    site.sync(scene, by_hand=True)
    assert site.item(key).actors == [Role("Ann (dark)", "dark", address(site, number))]
    assert site.rows() == []
