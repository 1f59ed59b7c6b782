"""Whose a value is: `preserve_plex_edits` for each single field, through all that may come between two syncs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.servers.plex import FaultKind, Request
from tests.site import Child, Site

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Field:
    """A single field of an item, and what Stash makes it of."""

    plex: str
    stash: str
    first: Any
    second: Any
    theirs: Any
    """What a person types in Plex."""
    cleared: Any = ""
    empty: Any = ""
    """What Plex holds when nobody has said anything."""
    scale: float = 0

    def held(self, value: Any) -> Any:
        """Stash's value as Plex holds it."""
        return value / self.scale if self.scale else value


FIELDS = [
    Field("title", "title", "First", "Second", "Typed", empty="clip"),
    Field("summary", "details", "First", "Second", "Typed"),
    Field("studio", "studio", "First", "Second", "Typed", cleared=None),
    Field("date", "date", "2020-01-01", "2021-01-01", "1999-09-09", cleared=None),
    Field("tagline", "code", "First", "Second", "Typed"),
    Field("user_rating", "rating100", 40, 90, 6.5, cleared=None, empty=None, scale=10),
]
both_modes = pytest.mark.parametrize("preserve", [False, True], ids=["overwrite", "preserve"])

# All fields of one scene, as Stash has them.
ALL_FIRST = {one.stash: one.first for one in FIELDS}
ALL_SECOND = {one.stash: one.second for one in FIELDS}
ALL_CLEARED = {one.stash: one.cleared for one in FIELDS}
# All fields of one item, as Plex holds them.
HELD_FIRST = {one.plex: one.held(one.first) for one in FIELDS}
HELD_SECOND = {one.plex: one.held(one.second) for one in FIELDS}
EMPTY = {one.plex: one.empty for one in FIELDS}
TYPED = {one.plex: one.theirs for one in FIELDS}
RATING_TYPED = {"user_rating": TYPED["user_rating"]}
"""No agent rates: in either mode a rating that is not ours is a person's."""


def held(site: Site, key: int) -> dict[str, Any]:
    """What Plex holds of all fields of an item."""
    return {one.plex: getattr(site.item(key), one.plex) for one in FIELDS}


class OneEach:
    """For each field a scene and an item of its own, of which that field alone is ever said anything."""

    def __init__(self, site: Site, **item: Any) -> None:
        self._site = site
        self._pairs = [site.add(f"/media/{one.plex}/clip.mp4", **item) for one in FIELDS]

    def sync(self, of_stash: dict[str, Any]) -> None:
        """A person's save of each field in its scene, and one drain for them all."""
        for one, (scene, _) in zip(FIELDS, self._pairs, strict=True):
            self._site.stash.save_scene(scene, **{one.stash: of_stash[one.stash]})
            self._site.hook(scene)
        assert self._site.drain().error is None
        assert self._site.rows() == []

    def person_edits(self, of_plex: dict[str, Any]) -> None:
        """A person types each field of its item in Plex."""
        for one, (_, key) in zip(FIELDS, self._pairs, strict=True):
            self._site.plex.person_edits(key, **{one.plex: of_plex[one.plex]})

    def agent_finds(self, of_plex: dict[str, Any]) -> None:
        """An agent of Plex's fills in each field of its item."""
        for one, (_, key) in zip(FIELDS, self._pairs, strict=True):
            self._site.plex.agent_refresh(key, **{one.plex: of_plex[one.plex]})

    def held(self) -> dict[str, Any]:
        """What Plex holds of each field in its item."""
        return {
            one.plex: getattr(self._site.item(key), one.plex) for one, (_, key) in zip(FIELDS, self._pairs, strict=True)
        }


def is_write(request: Request) -> bool:
    """Match an edit."""
    return request.is_edit


# The rule, for each field alone


@both_modes
def test_a_value_of_ours_is_written_changed_and_cleared(site: Site, preserve: bool) -> None:
    site.configure(preserve_plex_edits=preserve)
    fields = OneEach(site)
    fields.sync(ALL_FIRST)
    assert fields.held() == HELD_FIRST
    fields.sync(ALL_SECOND)
    assert fields.held() == HELD_SECOND
    fields.sync(ALL_CLEARED)
    assert fields.held() == EMPTY


@both_modes
def test_what_a_person_typed_over_ours(site: Site, preserve: bool) -> None:
    site.configure(preserve_plex_edits=preserve)
    fields = OneEach(site)
    fields.sync(ALL_FIRST)
    fields.person_edits(TYPED)
    fields.sync(ALL_SECOND)
    assert fields.held() == (TYPED if preserve else HELD_SECOND | RATING_TYPED)


@both_modes
def test_what_a_person_typed_before_the_first_sync(site: Site, preserve: bool) -> None:
    site.configure(preserve_plex_edits=preserve)
    fields = OneEach(site)
    fields.person_edits(TYPED)
    fields.sync(ALL_FIRST)
    assert fields.held() == (TYPED if preserve else HELD_FIRST | RATING_TYPED)


@both_modes
def test_what_an_agent_found_for_an_item_it_named(site: Site, preserve: bool) -> None:
    site.configure(preserve_plex_edits=preserve)
    fields = OneEach(site, title="A film that an agent knows")
    fields.agent_finds(TYPED)
    fields.sync(ALL_FIRST)
    assert fields.held() == (TYPED if preserve else HELD_FIRST | RATING_TYPED)


def test_a_persons_content_rating(site: Site) -> None:
    scene, key = site.add()
    site.plex.person_edits(key, content_rating="R")
    site.configure(preserve_plex_edits=True, content_rating="XXX")
    site.sync(scene)
    assert site.item(key).content_rating == "R"
    site.configure(preserve_plex_edits=False)
    site.sync(scene)
    assert site.item(key).content_rating == "XXX"


# Writes that Plex did and nobody confirmed


@pytest.mark.parametrize(("preserve", "fault"), [(False, "status"), (True, "status"), (True, "reset"), (True, "hang")])
def test_a_write_that_was_answered_with_a_failure_is_ours(site: Site, preserve: bool, fault: FaultKind) -> None:
    patience = {"read_timeout": 0.2} if fault == "hang" else {}
    site.configure(preserve_plex_edits=preserve, **patience)
    scene, key = site.add()
    site.plex.fail(kind=fault, status=500, where=is_write, after_effect=True)
    site.save_and_sync(scene, **ALL_FIRST)
    assert held(site, key) == HELD_FIRST
    assert len(site.rows()) == 1, "nobody knows of it"
    site.save_and_sync(scene, **ALL_CLEARED)
    assert held(site, key) == EMPTY
    assert site.rows() == []


def test_a_write_that_nobody_confirmed_is_no_persons(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scene, key = site.add()
    site.plex.fail(status=500, where=is_write, after_effect=True)
    site.save_and_sync(scene, **ALL_FIRST)
    site.save_and_sync(scene, **ALL_SECOND)
    assert held(site, key) == HELD_SECOND
    site.plex.person_edits(key, **TYPED)
    site.save_and_sync(scene, **ALL_FIRST)
    assert held(site, key) == TYPED


def test_what_a_person_types_after_a_write_that_never_came_is_theirs(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scene, key = site.add()
    site.plex.fail(status=500, where=is_write)
    site.save_and_sync(scene, **ALL_FIRST)
    assert held(site, key) == EMPTY
    site.plex.person_edits(key, **TYPED)
    site.drain(by_hand=True)
    site.save_and_sync(scene, **ALL_SECOND)
    site.save_and_sync(scene, **ALL_CLEARED)
    assert held(site, key) == TYPED
    assert site.rows() == []


@both_modes
def test_an_edit_that_plex_does_long_after_the_time_out_is_ours(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve, read_timeout=0.2)
    site.plex.fail(kind="slow", delay=0.8, where=is_write)
    site.save_and_sync(scene, code="Ours", tags=["ours"], rating100=50)
    assert (site.item(key).tagline, site.item(key).user_rating) == ("", None)
    site.plex.wait_for_edit()
    assert site.item(key).tagline == "Ours"
    site.configure(read_timeout=30)
    site.drain(by_hand=True)
    site.save_and_sync(scene, code="", tags=[], rating100=None)
    item = site.item(key)
    assert (item.tagline, item.genres, item.user_rating) == ("", [], None)


@pytest.mark.usefixtures("_no_strays")
@both_modes
def test_a_kill_between_the_write_and_its_confirmation(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    site.stash.save_scene(scene, **ALL_FIRST)
    site.hook(scene)

    def is_read_back(request: Request) -> bool:
        edited = any(one.is_edit and one.applied for one in site.plex.requests)
        return edited and request.method == "GET" and request.path == f"/library/metadata/{key}"

    site.plex.fail(kind="hang", where=is_read_back)
    child = Child.drain(site)
    site.plex.wait_for_request(is_read_back)
    assert child.kill() is None
    site.plex.clear_faults()
    assert held(site, key) == HELD_FIRST
    site.stash.save_scene(scene, **ALL_CLEARED)
    assert site.drain(by_hand=True).error is None
    assert held(site, key) == EMPTY


@pytest.mark.usefixtures("_no_strays")
def test_a_kill_before_the_write_is_made_up_for(site: Site) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=True)
    site.stash.save_scene(scene, **ALL_FIRST)
    site.hook(scene)
    site.plex.fail(kind="hang", where=is_write)
    child = Child.drain(site)
    site.plex.wait_for_request(is_write)
    assert child.kill() is None
    site.plex.clear_faults()
    site.plex.person_edits(key, tagline="Typed")
    site.drain(by_hand=True)
    assert held(site, key) == HELD_FIRST | {"tagline": "Typed"}


# Settings that change in between


@both_modes
def test_the_code_moves_to_another_field(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    site.save_and_sync(scene, code="C-1")
    site.configure(code_field="original_title")
    site.sync(scene)
    assert (site.item(key).tagline, site.item(key).original_title) == ("", "C-1"), "the old place was ours"
    site.configure(code_field="tagline")
    site.sync(scene)
    assert (site.item(key).tagline, site.item(key).original_title) == ("C-1", "")


@both_modes
def test_the_code_moves_and_a_persons_tagline_stays(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    site.save_and_sync(scene, code="C-1")
    site.plex.person_edits(key, tagline="Typed")
    site.configure(code_field="original_title")
    site.sync(scene)
    assert (site.item(key).tagline, site.item(key).original_title) == ("Typed", "C-1")


@both_modes
def test_another_title_template_renames_what_was_ours(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    site.save_and_sync(scene, title="T", studio="Acme")
    site.configure(title_template="{studio}: {title}")
    site.sync(scene)
    assert site.item(key).title == "Acme: T"
    site.save_and_sync(scene, title="", studio=None)
    assert site.item(key).title == "clip"


def test_preserving_that_is_switched_on_later_knows_what_was_ours(site: Site) -> None:
    scene, key = site.add()
    site.plex.person_edits(key, **TYPED)
    site.save_and_sync(scene, **ALL_FIRST)
    site.configure(preserve_plex_edits=True)
    site.save_and_sync(scene, **ALL_SECOND)
    assert held(site, key) == HELD_SECOND | RATING_TYPED


# A new ratingKey, another server


def test_a_new_rating_key_has_no_memories(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, **ALL_FIRST)
    site.plex.remove_item(key)
    again = site.plex.add_item(site.library, [("/media/clip.mp4", 1000)], title="Named by an agent")
    site.plex.person_edits(again, **HELD_FIRST)
    site.save_and_sync(scene, **ALL_CLEARED)
    assert held(site, again) == HELD_FIRST, "there it is a person's"


def test_a_new_rating_key_is_filled_under_preserve(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scene, key = site.add()
    site.save_and_sync(scene, **ALL_FIRST)
    site.plex.remove_item(key)
    again = site.plex.add_item(site.library, [("/media/clip.mp4", 1000)])
    site.sync(scene)
    assert held(site, again) == HELD_FIRST


def test_another_server_has_memories_of_its_own(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, **ALL_FIRST)
    home, site.plex.machine_identifier = site.plex.machine_identifier, "another"
    site.save_and_sync(scene, **ALL_CLEARED)
    assert held(site, key) == HELD_FIRST, "on that server it is not ours"
    site.plex.machine_identifier = home
    site.sync(scene)
    assert held(site, key) == EMPTY, "and here it still is"
