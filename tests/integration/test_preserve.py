"""Whose a value is: `preserve_plex_edits` for each single field, through all that may come between two syncs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers.plex import FaultKind, Request
from tests.site import Child, Site, kill_sleepers_below

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
    settings: dict[str, Any] = field(default_factory=dict)
    scale: float = 0

    @property
    def is_rating(self) -> bool:
        """No agent rates: a rating that is not ours is a person's."""
        return self.plex == "user_rating"

    def held(self, value: Any) -> Any:
        """Stash's value as Plex holds it."""
        return value / self.scale if self.scale else value

    def __str__(self) -> str:
        return self.plex


FIELDS = [
    Field("title", "title", "First", "Second", "Typed", empty="clip"),
    Field("summary", "details", "First", "Second", "Typed"),
    Field("studio", "studio", "First", "Second", "Typed", cleared=None),
    Field("date", "date", "2020-01-01", "2021-01-01", "1999-09-09", cleared=None),
    Field("tagline", "code", "First", "Second", "Typed"),
    Field("original_title", "code", "First", "Second", "Typed", settings={"code_field": "original_title"}),
    Field("user_rating", "rating100", 40, 90, 6.5, cleared=None, empty=None, scale=10),
]
each_field = pytest.mark.parametrize("one", FIELDS, ids=str)
both_modes = pytest.mark.parametrize("preserve", [False, True], ids=["overwrite", "preserve"])

ALL_FIRST = {one.stash: one.first for one in FIELDS}
ALL_CLEARED = {one.stash: one.cleared for one in FIELDS}


@pytest.fixture
def _no_strays(tmp_path: Path) -> Iterator[None]:
    yield
    kill_sleepers_below(tmp_path)


def begin(site: Site, one: Field, *, preserve: bool, **item: Any) -> tuple[int, int]:
    """Add a scene and its item and choose the mode."""
    site.configure(preserve_plex_edits=preserve, **one.settings)
    return site.add(**item)


def save(site: Site, scene: int, one: Field, value: Any) -> None:
    """A person's save of the field in Stash, and what follows."""
    site.save_and_sync(scene, **{one.stash: value})


def held(site: Site, key: int, one: Field) -> Any:
    """What Plex holds of the field."""
    return getattr(site.item(key), one.plex)


def is_write(request: Request) -> bool:
    """Match an edit."""
    return request.is_edit


# The rule


@each_field
@both_modes
def test_a_value_of_ours_is_written_changed_and_cleared(site: Site, one: Field, preserve: bool) -> None:
    scene, key = begin(site, one, preserve=preserve)
    save(site, scene, one, one.first)
    assert held(site, key, one) == one.held(one.first)
    save(site, scene, one, one.second)
    assert held(site, key, one) == one.held(one.second)
    save(site, scene, one, one.cleared)
    assert held(site, key, one) == one.empty
    assert site.rows() == []


@each_field
@both_modes
def test_what_a_person_typed_over_ours(site: Site, one: Field, preserve: bool) -> None:
    scene, key = begin(site, one, preserve=preserve)
    save(site, scene, one, one.first)
    site.plex.person_edits(key, **{one.plex: one.theirs})
    save(site, scene, one, one.second)
    assert held(site, key, one) == (one.theirs if preserve or one.is_rating else one.held(one.second))


@each_field
@both_modes
def test_what_a_person_typed_before_the_first_sync(site: Site, one: Field, preserve: bool) -> None:
    scene, key = begin(site, one, preserve=preserve)
    site.plex.person_edits(key, **{one.plex: one.theirs})
    save(site, scene, one, one.first)
    assert held(site, key, one) == (one.theirs if preserve or one.is_rating else one.held(one.first))


@each_field
@both_modes
def test_what_an_agent_found_for_an_item_it_named(site: Site, one: Field, preserve: bool) -> None:
    scene, key = begin(site, one, preserve=preserve, title="A film that an agent knows")
    site.plex.agent_refresh(key, **{one.plex: one.theirs})
    save(site, scene, one, one.first)
    assert held(site, key, one) == (one.theirs if preserve or one.is_rating else one.held(one.first))


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


@each_field
@pytest.mark.parametrize(("preserve", "fault"), [(False, "status"), (True, "status"), (True, "reset"), (True, "hang")])
def test_a_write_that_was_answered_with_a_failure_is_ours(
    site: Site, one: Field, preserve: bool, fault: FaultKind
) -> None:
    scene, key = begin(site, one, preserve=preserve)
    if fault == "hang":
        site.configure(read_timeout=0.2)
    site.plex.fail(kind=fault, status=500, where=is_write, after_effect=True)
    save(site, scene, one, one.first)
    assert held(site, key, one) == one.held(one.first)
    assert len(site.rows()) == 1, "nobody knows of it"
    save(site, scene, one, one.cleared)
    assert held(site, key, one) == one.empty
    assert site.rows() == []


@each_field
def test_a_write_that_nobody_confirmed_is_no_persons(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=True)
    site.plex.fail(status=500, where=is_write, after_effect=True)
    save(site, scene, one, one.first)
    save(site, scene, one, one.second)
    assert held(site, key, one) == one.held(one.second)
    site.plex.person_edits(key, **{one.plex: one.theirs})
    save(site, scene, one, one.first)
    assert held(site, key, one) == one.theirs


@each_field
def test_what_a_person_types_after_a_write_that_never_came_is_theirs(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=True)
    site.plex.fail(status=500, where=is_write)
    save(site, scene, one, one.first)
    assert held(site, key, one) == one.empty
    site.plex.person_edits(key, **{one.plex: one.theirs})
    site.drain(by_hand=True)
    save(site, scene, one, one.second)
    save(site, scene, one, one.cleared)
    assert held(site, key, one) == one.theirs
    assert site.rows() == []


@both_modes
def test_an_edit_that_plex_does_long_after_the_time_out_is_ours(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve, read_timeout=0.2)
    site.plex.fail(kind="slow", delay=0.8, where=lambda request: request.is_edit)
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
    assert (site.item(key).title, site.item(key).tagline, site.item(key).user_rating) == ("First", "First", 4.0)
    site.stash.save_scene(scene, **ALL_CLEARED)
    assert site.drain(by_hand=True).error is None
    item = site.item(key)
    assert (item.title, item.tagline, item.summary, item.studio, item.date) == ("clip", "", "", "", "")
    assert item.user_rating is None


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
    item = site.item(key)
    assert (item.title, item.tagline, item.user_rating) == ("First", "Typed", 4.0)


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


@each_field
def test_preserving_that_is_switched_on_later_knows_what_was_ours(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=False)
    site.plex.person_edits(key, **{one.plex: one.theirs})
    save(site, scene, one, one.first)
    site.configure(preserve_plex_edits=True)
    save(site, scene, one, one.second)
    assert held(site, key, one) == (one.theirs if one.is_rating else one.held(one.second))


# A new ratingKey, another server


@each_field
def test_a_new_rating_key_has_no_memories(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=False)
    save(site, scene, one, one.first)
    site.plex.remove_item(key)
    again = site.plex.add_item(site.library, [("/media/clip.mp4", 1000)], title="Named by an agent")
    site.plex.person_edits(again, **{one.plex: one.held(one.first)})
    save(site, scene, one, one.cleared)
    assert held(site, again, one) == one.held(one.first), "there it is a person's"


@each_field
def test_a_new_rating_key_is_filled_under_preserve(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=True)
    save(site, scene, one, one.first)
    site.plex.remove_item(key)
    again = site.plex.add_item(site.library, [("/media/clip.mp4", 1000)])
    site.sync(scene)
    assert held(site, again, one) == one.held(one.first)


@each_field
def test_another_server_has_memories_of_its_own(site: Site, one: Field) -> None:
    scene, key = begin(site, one, preserve=False)
    save(site, scene, one, one.first)
    home, site.plex.machine_identifier = site.plex.machine_identifier, "another"
    save(site, scene, one, one.cleared)
    assert held(site, key, one) == one.held(one.first), "on that server it is not ours"
    site.plex.machine_identifier = home
    site.sync(scene)
    assert held(site, key, one) == one.empty, "and here it still is"
