"""Genres, actors, collections and directors in Plex: what PlexSync put there and what a person did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sync.plex import client
from tests.servers.plex import FaultKind, PlexStandIn, Request, TagMode
from tests.site import Child, Site, kill_sleepers_below

pytestmark = pytest.mark.integration

TAG_MODES: tuple[TagMode, ...] = ("adds", "replaces")
LONGEST_TARGET = 8_000
"""Characters of a request's path and query."""

LISTS = {"genres": "tags", "actors": "performers", "collections": "groups"}
"""Plex's list -> Stash's."""
each_list = pytest.mark.parametrize("kind", LISTS)

MANY_TAGS = [f"Täg number {n:03} with a name that is rather long, & more" for n in range(300)]
MANY_PERFORMERS = [f"Pérformer {n:03} von und zu einem ziemlich langen Namen" for n in range(120)]


@pytest.fixture(params=TAG_MODES, autouse=True)
def _both_readings_of_tag_edits(request: pytest.FixtureRequest, plex: PlexStandIn) -> None:
    plex.tag_mode = request.param


def names(site: Site, key: int, kind: str) -> list[str]:
    """The names in one of an item's lists, in alphabetical order."""
    held = getattr(site.item(key), kind)
    return sorted(entry if isinstance(entry, str) else entry.name for entry in held)


def save(site: Site, scene: int, kind: str, *entries: str) -> None:
    """A person's save of Stash's side of a list, and what follows."""
    answer = site.save_and_sync(scene, **{LISTS[kind]: list(entries)})
    assert answer.error is None, answer.error


def person_adds(site: Site, key: int, kind: str, *entries: str) -> None:
    """A person adds entries to a list in Plex's own pages."""
    site.plex.person_edits(key, **{kind: [*getattr(site.item(key), kind), *entries]})


def nth_edit(number: int) -> Callable[[Request], bool]:
    """Match the edit that comes in as this one from now on."""
    counter = count(1)
    return lambda request: request.is_edit and next(counter) == number


# What is ours and what is a person's


@each_list
@pytest.mark.parametrize("preserve", [False, True])
def test_a_scene_that_loses_everything_keeps_what_a_person_had_added(site: Site, kind: str, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    save(site, scene, kind, "one", "two, three", "50% & more")
    person_adds(site, key, kind, "Theirs", "Theirs, too")
    save(site, scene, kind)
    assert names(site, key, kind) == ["Theirs", "Theirs, too"]


@each_list
@pytest.mark.parametrize("preserve", [False, True])
def test_a_persons_entries_from_before_between_and_after_stay(site: Site, kind: str, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    person_adds(site, key, kind, "Before")
    save(site, scene, kind, "ours 1")
    person_adds(site, key, kind, "Between")
    save(site, scene, kind, "ours 1", "ours 2")
    assert names(site, key, kind) == ["Before", "Between", "ours 1", "ours 2"]
    person_adds(site, key, kind, "After")
    save(site, scene, kind, "ours 2")
    assert names(site, key, kind) == ["After", "Before", "Between", "ours 2"]
    save(site, scene, kind)
    assert names(site, key, kind) == ["After", "Before", "Between"]


@each_list
def test_an_entry_that_a_person_had_first_stays_when_stash_loses_it(site: Site, kind: str) -> None:
    scene, key = site.add()
    person_adds(site, key, kind, "Both")
    save(site, scene, kind, "Both", "ours")
    save(site, scene, kind)
    assert names(site, key, kind) == ["Both"]


@each_list
@pytest.mark.parametrize("preserve", [False, True])
def test_an_entry_of_ours_that_a_person_removed_comes_back_with_the_next_sync(
    site: Site, kind: str, preserve: bool
) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    save(site, scene, kind, "one", "two")
    site.plex.person_edits(key, **{kind: ["one"]})
    save(site, scene, kind, "one", "two")
    assert names(site, key, kind) == ["one", "two"]
    save(site, scene, kind)
    assert names(site, key, kind) == []


def test_a_persons_actor_keeps_role_and_picture_beside_ours(site: Site) -> None:
    scene, key = site.add(actors=[("Their actor", "Villain", "https://pictures.test/v.jpg")])
    save(site, scene, "actors", "Ann")
    save(site, scene, "actors", "Ann", "Bob")
    save(site, scene, "actors", "Bob")
    theirs = {role.name: (role.role, role.thumb) for role in site.item(key).actors}
    assert theirs["Their actor"] == ("Villain", "https://pictures.test/v.jpg")
    assert sorted(theirs) == ["Bob", "Their actor"]


def test_the_second_sync_of_the_same_lists_sends_nothing(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"], collections=["Their collection"], directors=["Their director"])
    site.configure(collection_studio=True, collection_performers=True, collection_organized=True)
    given: dict[str, Any] = {"tags": ["a, b", "c & d"], "groups": ["G"], "director": "Zoe", "studio": "Acme"}
    site.save_and_sync(scene, performers=["Ann"], organized=True, **given)
    assert names(site, key, "collections") == ["Acme", "Ann", "G", "Organized", "Their collection"]
    site.plex.clear_requests()
    answer = site.save_and_sync(scene, performers=["Ann"], organized=True, **given)
    assert answer.output == "1 scene: 1 right already"
    assert site.plex.edits == []


# Directors


def test_another_director_replaces_ours_and_not_a_persons(site: Site) -> None:
    scene, key = site.add(directors=["Theirs"])
    site.save_and_sync(scene, director="First")
    site.save_and_sync(scene, director="Second")
    assert names(site, key, "directors") == ["Second", "Theirs"]
    site.save_and_sync(scene, director="")
    assert names(site, key, "directors") == ["Theirs"]


# Genres by the settings


def test_ignored_tags_are_no_genres(site: Site) -> None:
    scene, key = site.add()
    site.configure(ignore_tags="meta:*, HIDDEN, version ?")
    save(site, scene, "genres", "meta: checked", "Hidden", "Version 2", "Version 10", "Drama")
    assert names(site, key, "genres") == ["Drama", "Version 10"]


def test_a_tag_that_is_ignored_from_now_on_goes_and_a_persons_of_that_name_stays(site: Site) -> None:
    (scene, key), (other, their_key) = site.add(), site.add("/media/other.mp4", 2)
    person_adds(site, their_key, "genres", "Meta")
    save(site, scene, "genres", "Drama", "Meta")
    save(site, other, "genres", "Drama", "Meta")
    site.configure(ignore_tags="meta")
    site.sync(scene)
    site.sync(other)
    assert names(site, key, "genres") == ["Drama"]
    assert names(site, their_key, "genres") == ["Drama", "Meta"]


def test_max_tags_bounds_the_genres_and_a_lower_one_takes_ours_away(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"])
    site.configure(max_tags=3)
    save(site, scene, "genres", "a", "b", "c", "d", "e")
    assert len(names(site, key, "genres")) == 4
    site.configure(max_tags=1)
    site.sync(scene)
    assert len(names(site, key, "genres")) == 2
    assert "Theirs" in names(site, key, "genres")
    site.configure(max_tags=0)
    site.sync(scene)
    assert names(site, key, "genres") == ["Theirs", "a", "b", "c", "d", "e"]


def test_tags_of_performers_become_genres_by_choice(site: Site) -> None:
    scene, key = site.add()
    site.stash.add_performer("Ann", tag_ids=[site.stash.add_tag("Of Ann"), site.stash.add_tag("drama")])
    site.save_and_sync(scene, tags=["Drama"], performers=["Ann"])
    assert names(site, key, "genres") == ["Drama"]
    site.configure(sync_performer_tags=True)
    site.sync(scene)
    assert names(site, key, "genres") == ["Drama", "Of Ann"]
    site.configure(sync_performer_tags=False)
    site.sync(scene)
    assert names(site, key, "genres") == ["Drama"]


# Collections by the settings

COLLECTIONS = [
    ({"collection_studio": True}, ["Acme"]),
    ({"collection_parent_studio": True}, ["Acme Holding"]),
    ({"collection_groups": True}, ["Series 1", "Series 2"]),
    ({"collection_performers": True}, ["Ann", "Bob (the other)"]),
    ({"collection_tags": "dra*; Com?dy"}, ["Comedy", "Drama"]),
    ({"collection_organized": True}, ["Organized"]),
    ({"collection_rating": True}, ["Rating: 8.5"]),
]


def add_rich_scene(site: Site) -> tuple[int, int]:
    """Add a scene with everything that collections may be made of."""
    scene, key = site.add()
    parent = site.stash.add_studio("Acme Holding")
    site.stash.add_studio("Acme", parent_id=parent)
    performers = [str(site.stash.add_performer("Ann")), str(site.stash.add_performer("Bob", "the other"))]
    site.stash.save_scene(
        scene,
        studio="Acme",
        performer_ids=performers,
        tags=["Drama", "Comedy", "News"],
        groups=["Series 1", "Series 2"],
        organized=True,
        rating100=85,
    )
    site.configure(collection_groups=False)
    return scene, key


@pytest.mark.parametrize(("settings", "expected"), COLLECTIONS)
def test_each_source_that_is_switched_off_takes_its_collections_along(
    site: Site, settings: dict[str, Any], expected: list[str]
) -> None:
    scene, key = add_rich_scene(site)
    person_adds(site, key, "collections", "Theirs")
    stays = {"collection_tags": "News"} if "collection_tags" not in settings else {"collection_organized": True}
    remaining = "News" if "collection_tags" in stays else "Organized"
    site.configure(**(stays | settings))
    site.sync(scene)
    assert set(expected) < set(names(site, key, "collections"))
    site.configure(**({name: "" if isinstance(value, str) else False for name, value in settings.items()} | stays))
    site.sync(scene)
    assert names(site, key, "collections") == sorted(["Theirs", remaining])


def test_without_any_source_collections_are_left_alone(site: Site) -> None:
    scene, key = add_rich_scene(site)
    site.configure(collection_studio=True)
    site.sync(scene)
    site.configure(collection_studio=False)
    site.plex.clear_requests()
    site.save_and_sync(scene, title="Something else", studio=None)
    assert names(site, key, "collections") == ["Acme"], "nobody has a say in them any more"
    assert not any("collection" in edit.target for edit in site.plex.edits)
    site.configure(collection_studio=True)
    site.sync(scene)
    assert names(site, key, "collections") == [], "it was ours, and the scene has no studio now"


def test_another_prefix_takes_the_old_collections_of_ours_away_and_no_others(site: Site) -> None:
    scene, key = add_rich_scene(site)
    person_adds(site, key, "collections", "Old: Theirs")
    site.configure(collection_studio=True, collection_groups=True, collection_prefix="Old: ")
    site.sync(scene)
    site.configure(collection_prefix="New: ")
    site.sync(scene)
    assert names(site, key, "collections") == ["New: Acme", "New: Series 1", "New: Series 2", "Old: Theirs"]
    site.configure(collection_prefix="")
    site.sync(scene)
    assert names(site, key, "collections") == ["Acme", "Old: Theirs", "Series 1", "Series 2"]


def test_a_scene_that_leaves_its_group_leaves_its_collection(site: Site) -> None:
    scene, key = site.add()
    save(site, scene, "collections", "Series 1", "Series 2")
    save(site, scene, "collections", "Series 2")
    assert names(site, key, "collections") == ["Series 2"]


# Off, and off for a while

TOGGLES = {
    "genres": "sync_tags",
    "actors": "sync_performers",
    "collections": "collection_groups",
    "directors": "sync_director",
}


@pytest.mark.parametrize(("kind", "toggle"), TOGGLES.items())
def test_a_list_whose_toggle_is_off_is_left_alone_altogether(site: Site, kind: str, toggle: str) -> None:
    scene, key = site.add(genres=["G"], actors=["A"], collections=["C"], directors=["D"])
    before = names(site, key, kind)
    site.configure(**{toggle: False})
    site.save_and_sync(scene, title="T", tags=["t"], performers=["P"], groups=["X"], director="Zoe")
    assert names(site, key, kind) == before
    tag = {"genres": "genre", "actors": "actor", "collections": "collection", "directors": "director"}[kind]
    assert all(tag not in edit.target for edit in site.plex.edits)
    assert tag not in site.item(key).locked


# A new ratingKey, another server


# Names in another case


@pytest.fixture
def insensitive(plex: PlexStandIn) -> None:
    """A Plex for which names that differ in case alone are one tag."""
    plex.case_insensitive_tags = True


def sync_until_quiet(site: Site, scene: int) -> None:
    """Sync a scene again; everything is to be right then."""
    site.sync(scene)
    site.plex.clear_requests()
    answer = site.sync(scene)
    assert answer.output == "1 scene: 1 right already"
    assert site.plex.edits == [], "and it is not written again and again"


@each_list
@pytest.mark.usefixtures("insensitive")
def test_a_name_that_plex_spells_otherwise_is_ours_all_the_same(site: Site, kind: str) -> None:
    scene, key = site.add()
    elsewhere = site.plex.add_item(site.library, [("/media/elsewhere.mp4", 5)])
    person_adds(site, elsewhere, kind, "DRAMA")
    save(site, scene, kind, "Drama", "ours")
    assert names(site, key, kind) == ["DRAMA", "ours"]
    sync_until_quiet(site, scene)
    save(site, scene, kind)
    assert names(site, key, kind) == []
    assert names(site, elsewhere, kind) == ["DRAMA"]


@each_list
@pytest.mark.parametrize("insensitive", [False, True])
def test_a_persons_name_in_another_case_stays_a_persons(
    site: Site, plex: PlexStandIn, kind: str, insensitive: bool
) -> None:
    plex.case_insensitive_tags = insensitive
    scene, key = site.add()
    person_adds(site, key, kind, "DRAMA")
    save(site, scene, kind, "Drama", "ours")
    assert names(site, key, kind) == ["DRAMA", "ours"], "it counts as there"
    sync_until_quiet(site, scene)
    save(site, scene, kind)
    assert names(site, key, kind) == ["DRAMA"]


@each_list
@pytest.mark.usefixtures("insensitive")
def test_a_name_that_changes_its_case_alone_is_no_failure_where_plex_keeps_its_spelling(site: Site, kind: str) -> None:
    scene, key = site.add()
    save(site, scene, kind, "drama")
    save(site, scene, kind, "Drama")
    assert site.rows() == []
    assert [name.casefold() for name in names(site, key, kind)] == ["drama"]
    sync_until_quiet(site, scene)
    save(site, scene, kind)
    assert names(site, key, kind) == []


@each_list
@pytest.mark.usefixtures("insensitive")
def test_an_unconfirmed_name_that_plex_spells_otherwise_is_ours(site: Site, kind: str) -> None:
    scene, key = site.add()
    person_adds(site, site.plex.add_item(site.library, [("/media/elsewhere.mp4", 5)]), kind, "DRAMA")
    site.plex.fail(status=500, method="PUT", after_effect=True)
    save(site, scene, kind, "Drama", "ours")
    assert names(site, key, kind) == ["DRAMA", "ours"]
    site.drain(by_hand=True)
    assert site.rows() == []
    save(site, scene, kind)
    assert names(site, key, kind) == []


# Writes that Plex did and nobody confirmed


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(kind, fault) for kind in (*LISTS, "directors") for fault in ("status", "reset")] + [("genres", "hang")],
)
def test_an_edit_that_was_applied_and_not_confirmed_is_ours(site: Site, kind: str, fault: FaultKind) -> None:
    scene, key = site.add()
    person_adds(site, key, kind, "Theirs")
    site.configure(read_timeout=0.2)
    site.plex.fail(kind=fault, status=500, method="PUT", after_effect=True)
    stash_kind = LISTS.get(kind, "director")
    site.save_and_sync(scene, **{stash_kind: "ours" if kind == "directors" else ["ours"]})
    assert names(site, key, kind) == ["Theirs", "ours"]
    assert len(site.rows()) == 1, "nobody knows of it"
    site.save_and_sync(scene, **{stash_kind: "" if kind == "directors" else []})
    assert names(site, key, kind) == ["Theirs"]
    assert site.rows() == []


def kill_at_edit(site: Site, number: int, *, applied: bool) -> None:
    """kill -9 for a drain whose n-th edit Plex has got, and maybe done, and not answered."""
    fault = site.plex.fail(kind="hang", where=nth_edit(number), after_effect=applied)
    child = Child.drain(site)
    site.plex.wait_for_request(lambda request: request.is_edit, count=number)
    if applied:
        site.plex.wait_for_edit(number)
    assert child.kill() is None, "it was in the middle"
    assert fault.hits == 1
    site.plex.clear_faults()


@pytest.fixture
def _no_strays(tmp_path: Path) -> Iterator[None]:
    yield
    kill_sleepers_below(tmp_path)


@pytest.mark.usefixtures("_no_strays")
def test_what_was_written_before_a_kill_is_ours(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"], actors=["Their actor"])
    site.stash.save_scene(scene, tags=["ours"], performers=["Ann"], groups=["Series"], director="Zoe")
    site.hook(scene)
    kill_at_edit(site, 1, applied=True)
    item = site.item(key)
    assert (item.collections, item.directors) == (["Series"], ["Zoe"]), "Plex has it"
    site.stash.save_scene(scene, tags=[], performers=[], groups=[], director="")
    assert site.drain(by_hand=True).error is None
    item = site.item(key)
    assert (names(site, key, "genres"), names(site, key, "actors")) == (["Theirs"], ["Their actor"])
    assert (item.collections, item.directors) == ([], [])


# Lists longer than a request


def add_large_scene(site: Site) -> tuple[int, int]:
    """Add a scene with 300 tags and 120 performers, whose item has two genres and an actor of a person's."""
    scene, key = site.add(genres=["Theirs", "Theirs, too"], actors=[("Their actor", "Villain")])
    numbers = [site.stash.add_tag(name) for name in MANY_TAGS]
    people = [site.stash.add_performer(name) for name in MANY_PERFORMERS]
    held = site.stash.scene(scene)
    held.title, held.tag_ids, held.performer_ids = "Large", numbers, people
    return scene, key


def assert_large(site: Site, key: int) -> None:
    assert names(site, key, "genres") == sorted([*MANY_TAGS, "Theirs", "Theirs, too"])
    assert names(site, key, "actors") == sorted([*MANY_PERFORMERS, "Their actor"])
    assert {role.name: role.role for role in site.item(key).actors}["Their actor"] == "Villain"
    assert site.item(key).title == "Large"


def assert_theirs_are_there(site: Site, key: int) -> None:
    assert {"Theirs", "Theirs, too"} <= set(names(site, key, "genres"))
    assert {role.name: role.role for role in site.item(key).actors}["Their actor"] == "Villain"


def test_300_tags_and_120_performers_arrive_whole(site: Site) -> None:
    scene, key = add_large_scene(site)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert_large(site, key)
    assert {"genre", "actor", "title"} <= site.item(key).locked
    sync_until_quiet(site, scene)


def test_where_plex_adds_no_request_passes_8000_characters(site: Site, plex: PlexStandIn) -> None:
    scene, key = add_large_scene(site)
    site.sync(scene)
    assert len(site.plex.edits) > 3
    if plex.tag_mode == "adds":
        assert max(len(request.target) for request in site.plex.requests) <= LONGEST_TARGET
    else:
        longer = [request for request in site.plex.requests if len(request.target) > LONGEST_TARGET]
        assert len(longer) == 2, "one for each list that cannot be divided here"
    assert_large(site, key)


def test_300_tags_that_go_at_once_leave_a_persons(site: Site) -> None:
    scene, key = add_large_scene(site)
    site.sync(scene)
    site.plex.clear_requests()
    site.save_and_sync(scene, tags=[], performers=[])
    assert names(site, key, "genres") == ["Theirs", "Theirs, too"]
    assert names(site, key, "actors") == ["Their actor"]
    assert max(len(request.target) for request in site.plex.requests) <= LONGEST_TARGET, "under either reading"


def test_a_persons_long_list_is_never_left_out_of_a_request_that_may_replace_it(site: Site) -> None:
    theirs = [f"A person's genre {n:03} with a name that is rather long" for n in range(150)]
    scene, key = site.add(genres=theirs)
    site.plex.fail(status=500, where=nth_edit(1))
    site.save_and_sync(scene, tags=MANY_TAGS[:100])
    assert set(theirs) <= set(names(site, key, "genres"))
    site.drain(by_hand=True)
    assert len(site.plex.edits) <= 6, "not one for each tag"
    assert names(site, key, "genres") == sorted([*theirs, *MANY_TAGS[:100]])
    site.save_and_sync(scene, tags=[])
    assert names(site, key, "genres") == sorted(theirs)


@pytest.mark.parametrize(("number", "after_effect"), [(2, False), (4, True), (3, False)])
def test_plex_failing_between_two_pieces_loses_nothing_of_a_persons(
    site: Site, number: int, after_effect: bool
) -> None:
    scene, key = add_large_scene(site)
    fault = site.plex.fail(status=500, where=nth_edit(number), after_effect=after_effect)
    site.sync(scene)
    assert fault.hits == 1
    if site.plex.tag_mode == "adds":
        assert_theirs_are_there(site, key)
    assert len(site.rows()) == 1
    site.drain(by_hand=True)
    assert site.rows() == []
    assert_large(site, key)
    site.save_and_sync(scene, tags=[], performers=[])
    assert names(site, key, "genres") == ["Theirs", "Theirs, too"]
    assert names(site, key, "actors") == ["Their actor"]


@pytest.mark.parametrize("after_effect", [False, True])
def test_plex_stumbling_over_a_piece_is_asked_again_at_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, after_effect: bool
) -> None:
    scene, key = add_large_scene(site)
    monkeypatch.setattr(client, "PAUSES", (0.0,))
    site.plex.fail(status=500, where=nth_edit(3), after_effect=after_effect)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert_large(site, key)
    site.save_and_sync(scene, tags=[], performers=[])
    assert names(site, key, "genres") == ["Theirs", "Theirs, too"]


@pytest.mark.usefixtures("_no_strays")
@pytest.mark.parametrize(("number", "applied"), [(3, True), (4, False)])
def test_a_kill_between_two_pieces_loses_nothing_of_a_persons(site: Site, number: int, applied: bool) -> None:
    scene, key = add_large_scene(site)
    site.hook(scene)
    kill_at_edit(site, number, applied=applied)
    if site.plex.tag_mode == "adds":  # a server that replaces has them back with the next run
        assert_theirs_are_there(site, key)
    site.stash.scene(scene).tag_ids = []
    assert site.drain(by_hand=True).error is None
    assert names(site, key, "genres") == ["Theirs", "Theirs, too"], "what the killed run had written was ours"
    assert names(site, key, "actors") == sorted([*MANY_PERFORMERS, "Their actor"])


def test_a_new_scene_with_rating_and_cover_is_two_writes_on_a_server_that_is_not_known(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"])
    site.stash.scene(scene).cover = b"\xff\xd8\xff\xe0 a cover"
    site.save_and_sync(scene, title="T", tags=["ours"], rating100=80)
    assert sorted(names(site, key, "genres")) == ["Theirs", "ours"]
    writes = [request.method for request in site.plex.requests if request.method != "GET"]
    assert writes == (["PUT", "POST"] if site.plex.tag_mode == "adds" else ["PUT", "POST", "PUT"])
    assert {"thumb", "genre", "title", "userRating"} <= set(site.item(key).locked)
