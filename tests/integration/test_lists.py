"""Genres, actors, collections and directors in Plex: what PlexSync put there and what a person did."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from sync.plex import client
from tests.servers.plex import FaultKind, PlexStandIn, Request
from tests.site import Child, Site

pytestmark = pytest.mark.integration

LONGEST_TARGET = 8_000
"""Characters of a request's path and query."""

LISTS = {"genres": "tags", "actors": "performers", "collections": "groups"}
"""Plex's list -> Stash's. They follow one rule: each test here puts the same names into all of them."""

MANY_TAGS = [f"Täg number {n:03} with a name that is rather long, & more" for n in range(300)]
MANY_PERFORMERS = [f"Pérformer {n:03} von und zu einem ziemlich langen Namen" for n in range(120)]


both_readings = pytest.mark.usefixtures("_both_readings_of_tag_edits")


def names(site: Site, key: int, kind: str) -> list[str]:
    """The names in one of an item's lists, in alphabetical order."""
    held = getattr(site.item(key), kind)
    return sorted(entry if isinstance(entry, str) else entry.name for entry in held)


def assert_lists(site: Site, key: int, *entries: str) -> None:
    """All lists of an item hold these names."""
    assert {kind: names(site, key, kind) for kind in LISTS} == dict.fromkeys(LISTS, sorted(entries))


def save(site: Site, scene: int, *entries: str) -> None:
    """A person's save of these names in all lists of a scene, and what follows."""
    answer = site.save_and_sync(scene, **{of_stash: list(entries) for of_stash in LISTS.values()})
    assert answer.error is None, answer.error


def person_adds(site: Site, key: int, *entries: str) -> None:
    """A person adds entries to all lists of an item in Plex's own pages."""
    site.plex.person_edits(key, **{kind: [*getattr(site.item(key), kind), *entries] for kind in LISTS})


def nth_edit(number: int) -> Callable[[Request], bool]:
    """Match the edit that comes in as this one from now on."""
    counter = count(1)
    return lambda request: request.is_edit and next(counter) == number


# What is ours and what is a person's


both_modes = pytest.mark.parametrize("preserve", [False, True], ids=["overwrite", "preserve"])


@both_readings
@both_modes
def test_a_persons_entries_from_before_between_and_after_stay(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    person_adds(site, key, "Before", "Before, too")
    save(site, scene, "ours 1", "50% & more")
    person_adds(site, key, "Between")
    save(site, scene, "ours 1", "ours, 2")
    assert_lists(site, key, "Before", "Before, too", "Between", "ours 1", "ours, 2")
    person_adds(site, key, "After")
    save(site, scene, "ours, 2")
    assert_lists(site, key, "After", "Before", "Before, too", "Between", "ours, 2")
    save(site, scene)
    assert_lists(site, key, "After", "Before", "Before, too", "Between")


@both_readings
def test_an_entry_that_a_person_had_first_stays_when_stash_loses_it(site: Site) -> None:
    scene, key = site.add()
    person_adds(site, key, "Both")
    save(site, scene, "Both", "ours")
    save(site, scene)
    assert_lists(site, key, "Both")


@both_readings
@both_modes
def test_an_entry_of_ours_that_a_person_removed_comes_back_with_the_next_sync(site: Site, preserve: bool) -> None:
    scene, key = site.add()
    site.configure(preserve_plex_edits=preserve)
    save(site, scene, "one", "two")
    site.plex.person_edits(key, **{kind: ["one"] for kind in LISTS})
    save(site, scene, "one", "two")
    assert_lists(site, key, "one", "two")
    save(site, scene)
    assert_lists(site, key)


@both_readings
def test_a_persons_actor_keeps_role_and_picture_beside_ours(site: Site) -> None:
    scene, key = site.add(actors=[("Their actor", "Villain", "https://pictures.test/v.jpg")])
    for performers in (["Ann"], ["Ann", "Bob"], ["Bob"]):
        site.save_and_sync(scene, performers=performers)
    theirs = {role.name: (role.role, role.thumb) for role in site.item(key).actors}
    assert theirs["Their actor"] == ("Villain", "https://pictures.test/v.jpg")
    assert sorted(theirs) == ["Bob", "Their actor"]


@both_readings
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


@both_readings
def test_another_director_replaces_ours_and_not_a_persons(site: Site) -> None:
    scene, key = site.add(directors=["Theirs"])
    site.save_and_sync(scene, director="First")
    site.save_and_sync(scene, director="Second")
    assert names(site, key, "directors") == ["Second", "Theirs"]
    site.save_and_sync(scene, director="")
    assert names(site, key, "directors") == ["Theirs"]


# Genres by the settings


def test_a_tag_that_is_ignored_from_now_on_goes_and_a_persons_of_that_name_stays(site: Site) -> None:
    (scene, key), (other, their_key) = site.add(), site.add("/media/other.mp4", 2)
    site.plex.person_edits(their_key, genres=["Meta"])
    site.save_and_sync(scene, tags=["Drama", "Meta"])
    site.save_and_sync(other, tags=["Drama", "Meta"])
    site.configure(ignore_tags="meta")
    site.sync(scene)
    site.sync(other)
    assert names(site, key, "genres") == ["Drama"]
    assert names(site, their_key, "genres") == ["Drama", "Meta"]


def test_max_tags_bounds_the_genres_and_a_lower_one_takes_ours_away(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"])
    site.configure(max_tags=3)
    site.save_and_sync(scene, tags=["a", "b", "c", "d", "e"])
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

COLLECTIONS: list[tuple[str, Any, list[str]]] = [
    ("collection_studio", True, ["Acme"]),
    ("collection_parent_studio", True, ["Acme Holding"]),
    ("collection_groups", True, ["Series 1", "Series 2"]),
    ("collection_performers", True, ["Ann", "Bob (the other)"]),
    ("collection_tags", "dra*; Com?dy", ["Comedy", "Drama"]),
    ("collection_organized", True, ["Organized"]),
    ("collection_rating", True, ["Rating: 8.5"]),
]
"""A setting, what switches it on, and the collections that come of it."""


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


def test_each_source_that_is_switched_off_takes_its_collections_along(site: Site) -> None:
    scene, key = add_rich_scene(site)
    site.plex.person_edits(key, collections=["Theirs"])
    everything = {name: on for name, on, _ in COLLECTIONS}
    collections = {collection for _, _, made in COLLECTIONS for collection in made} | {"Theirs"}
    site.configure(**everything)
    site.sync(scene)
    assert set(names(site, key, "collections")) == collections
    for name, on, made in COLLECTIONS:
        site.configure(**everything | {name: "" if isinstance(on, str) else False})
        site.sync(scene)
        assert set(names(site, key, "collections")) == collections - set(made), name


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
    site.plex.person_edits(key, collections=["Old: Theirs"])
    site.configure(collection_studio=True, collection_groups=True, collection_prefix="Old: ")
    site.sync(scene)
    site.configure(collection_prefix="New: ")
    site.sync(scene)
    assert names(site, key, "collections") == ["New: Acme", "New: Series 1", "New: Series 2", "Old: Theirs"]
    site.configure(collection_prefix="")
    site.sync(scene)
    assert names(site, key, "collections") == ["Acme", "Old: Theirs", "Series 1", "Series 2"]


# Off, and off for a while


def test_lists_whose_toggles_are_off_are_left_alone_altogether(site: Site) -> None:
    scene, key = site.add(genres=["G"], actors=["A"], collections=["C"], directors=["D"])
    before = site.item(key)
    site.configure(sync_tags=False, sync_performers=False, collection_groups=False, sync_director=False)
    site.save_and_sync(scene, title="T", tags=["t"], performers=["P"], groups=["X"], director="Zoe")
    after = site.item(key)
    assert after.title == "T"
    for kind, tag in {
        "genres": "genre",
        "actors": "actor",
        "collections": "collection",
        "directors": "director",
    }.items():
        assert getattr(after, kind) == getattr(before, kind)
        assert all(tag not in edit.target for edit in site.plex.edits)
        assert tag not in after.locked


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


@both_readings
@pytest.mark.usefixtures("insensitive")
def test_a_name_that_plex_spells_otherwise_is_ours_all_the_same(site: Site) -> None:
    scene, key = site.add()
    elsewhere = site.plex.add_item(site.library, [("/media/elsewhere.mp4", 5)])
    person_adds(site, elsewhere, "DRAMA")
    save(site, scene, "Drama", "ours")
    assert_lists(site, key, "DRAMA", "ours")
    sync_until_quiet(site, scene)
    save(site, scene)
    assert_lists(site, key)
    assert_lists(site, elsewhere, "DRAMA")


@both_readings
@pytest.mark.parametrize("insensitive", [False, True])
def test_a_persons_name_in_another_case_stays_a_persons(site: Site, plex: PlexStandIn, insensitive: bool) -> None:
    plex.case_insensitive_tags = insensitive
    scene, key = site.add()
    person_adds(site, key, "DRAMA")
    save(site, scene, "Drama", "ours")
    assert_lists(site, key, "DRAMA", "ours")  # it counts as there
    sync_until_quiet(site, scene)
    save(site, scene)
    assert_lists(site, key, "DRAMA")


@both_readings
@pytest.mark.usefixtures("insensitive")
def test_a_name_that_changes_its_case_alone_is_no_failure_where_plex_keeps_its_spelling(site: Site) -> None:
    scene, key = site.add()
    save(site, scene, "drama")
    save(site, scene, "Drama")
    assert site.rows() == []
    for kind in LISTS:
        assert [name.casefold() for name in names(site, key, kind)] == ["drama"]
    sync_until_quiet(site, scene)
    save(site, scene)
    assert_lists(site, key)


@both_readings
@pytest.mark.usefixtures("insensitive")
def test_an_unconfirmed_name_that_plex_spells_otherwise_is_ours(site: Site) -> None:
    scene, key = site.add()
    person_adds(site, site.plex.add_item(site.library, [("/media/elsewhere.mp4", 5)]), "DRAMA")
    site.plex.fail(status=500, method="PUT", after_effect=True)
    save(site, scene, "Drama", "ours")
    assert_lists(site, key, "DRAMA", "ours")
    site.drain(by_hand=True)
    assert site.rows() == []
    save(site, scene)
    assert_lists(site, key)


# Writes that Plex did and nobody confirmed


@both_readings
@pytest.mark.parametrize("fault", ["status", "reset", "hang"])
def test_an_edit_that_was_applied_and_not_confirmed_is_ours(site: Site, fault: FaultKind) -> None:
    scene, key = site.add(directors=["Theirs"])
    person_adds(site, key, "Theirs")
    site.configure(read_timeout=0.2)
    site.plex.fail(kind=fault, status=500, method="PUT", after_effect=True)
    site.stash.save_scene(scene, director="ours")
    save(site, scene, "ours")
    assert_lists(site, key, "Theirs", "ours")
    assert names(site, key, "directors") == ["Theirs", "ours"]
    assert len(site.rows()) == 1, "nobody knows of it"
    site.stash.save_scene(scene, director="")
    save(site, scene)
    assert_lists(site, key, "Theirs")
    assert names(site, key, "directors") == ["Theirs"]
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


@both_readings
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


@both_readings
def test_300_tags_and_120_performers_arrive_whole_in_short_requests(site: Site, plex: PlexStandIn) -> None:
    scene, key = add_large_scene(site)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert_large(site, key)
    assert {"genre", "actor", "title"} <= site.item(key).locked
    assert len(site.plex.edits) > 3
    longer = [request for request in site.plex.requests if len(request.target) > LONGEST_TARGET]
    # Where Plex replaces, one for each list: neither can be divided there.
    assert len(longer) == (0 if plex.tag_mode == "adds" else 2)
    sync_until_quiet(site, scene)


@both_readings
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


@both_readings
@pytest.mark.parametrize(("number", "after_effect"), [(2, False), (4, True)])
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


@both_readings
def test_plex_stumbling_over_a_piece_is_asked_again_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, key = add_large_scene(site)
    monkeypatch.setattr(client, "PAUSES", (0.0,))
    site.plex.fail(status=500, where=nth_edit(3), after_effect=True)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert_large(site, key)
    site.plex.clear_requests()
    site.save_and_sync(scene, tags=[], performers=[])
    assert names(site, key, "genres") == ["Theirs", "Theirs, too"]
    assert max(len(request.target) for request in site.plex.requests) <= LONGEST_TARGET, "under either reading"


@both_readings
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


@both_readings
def test_a_new_scene_with_rating_and_cover_is_two_writes_on_a_server_that_is_not_known(site: Site) -> None:
    scene, key = site.add(genres=["Theirs"])
    site.stash.scene(scene).cover = b"\xff\xd8\xff\xe0 a cover"
    site.save_and_sync(scene, title="T", tags=["ours"], rating100=80)
    assert sorted(names(site, key, "genres")) == ["Theirs", "ours"]
    writes = [request.method for request in site.plex.requests if request.method != "GET"]
    assert writes == (["PUT", "POST"] if site.plex.tag_mode == "adds" else ["PUT", "POST", "PUT"])
    assert {"thumb", "genre", "title", "userRating"} <= set(site.item(key).locked)
