"""What an edit says and what it does to Plex, under both readings of a tag edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal
from unittest.mock import patch
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import LIST_FIELDS, RATING, SINGLE_FIELDS, MediaFile, Memory, PlexItem, Role, Wanted
from sync.plex.client import Parameters, encode
from sync.plex.difference import (
    Edit,
    bears_file_name,
    detail_key,
    difference,
    outline,
)
from sync.plex.edits import requests_of
from sync.plex.read_back import is_taken, remember

PROPERTY = settings(max_examples=75, deadline=None)

TagMode = Literal["adds", "replaces"]
TAG_MODES: tuple[TagMode, ...] = ("adds", "replaces")
Keeps = Literal["kept", "ignored", "rewritten"]
KEEPS: tuple[Keeps, ...] = ("kept", "ignored", "rewritten")
FILE = MediaFile("/media/films/clip.one_2020.mp4", 1000)
STEM = "clip.one_2020"

PLEX_SINGLE = {
    "title": "title",
    "summary": "summary",
    "studio": "studio",
    "originallyAvailableAt": "date",
    "contentRating": "content_rating",
    "tagline": "tagline",
    "originalTitle": "original_title",
    "userRating": RATING,
}
"""What an edit may set."""
PLEX_LIST = {"actor": "actors", "genre": "genres", "collection": "collections", "director": "directors"}
SINGLE, LISTS = tuple(PLEX_SINGLE.values()), tuple(PLEX_LIST.values())


def test_every_field_that_is_written_is_tested_here() -> None:
    assert set(SINGLE) == set(SINGLE_FIELDS)
    assert set(LISTS) == set(LIST_FIELDS)


def test_an_edit_is_told_without_a_value() -> None:
    item = PlexItem(1, 1, title="Old", summary="Words", genres=("Gone", "Mine"))
    memory = Memory(
        {"summary": "Words", "genres": ["Gone"]},
        {"summary": "Words", "genres": ["Gone"]},
    )
    edit = difference(item, Wanted(title="New", summary="", genres=("Other",)), memory, preserve=False)
    assert outline(edit) == "to write: title, summary emptied, genres (1 to add, 1 to take away)"
    assert outline(Edit()) == "nothing to write"


class SmallPlex:
    """One Plex item that takes edits as they arrive: a query string, decoded and applied.

    `tags`: what `genre[0].tag.tag=x` does. "adds": x joins what is there. "replaces": what the edit
    lists is the whole list. Removals come first. `spelling`: names that differ
    in case alone are one tag, spelt as the server met it first. `people`: pictures of actors, one a name
    over the whole server; without it each item has its own. `pictures`, `roles`: what becomes of these.
    """

    @classmethod
    def holding(cls, tags: TagMode, fields: Mapping[str, Any], **more: Any) -> SmallPlex:
        """One with fields by their names."""
        return cls(tags, **more, **fields)

    def __init__(
        self,
        tags: TagMode,
        *,
        spelling: Iterable[str] | None = None,
        people: dict[str, str] | None = None,
        pictures: Keeps = "kept",
        roles: Keeps = "kept",
        **fields: Any,
    ) -> None:
        self.tags = tags
        self.people, self.pictures, self.roles = people, pictures, roles
        self.single = {name: fields.pop(name, "") for name in SINGLE}
        self.single["title"] = self.single["title"] or STEM
        self.lists: dict[str, list[Role]] = {name: list(fields.pop(name, ())) for name in PLEX_LIST.values()}
        self.locked: set[str] = set(fields.pop("locked", ()))
        self.spelling = None if spelling is None else {name.casefold(): name for name in spelling}
        assert not fields

    def item(self) -> PlexItem:
        lists = {name: tuple(self.names(name)) for name in LISTS if name != "actors"}
        actors = tuple(self.actor(role.name) for role in self.lists["actors"])
        return PlexItem(1, 1, **self.single, **lists, actors=actors, locked=frozenset(self.locked), files=(FILE,))

    def names(self, field: str) -> list[str]:
        return [role.name for role in self.lists[field]]

    def actor(self, name: str) -> Role:
        (held,) = [role for role in self.lists["actors"] if role.name == name]
        return held if self.people is None else replace(held, thumb=self.people.get(name, ""))

    def person_sets(self, name: str, **details: str) -> None:
        """A person gives an actor a role or a picture."""
        self.lists["actors"] = [
            replace(role, **details) if role.name == name else role for role in self.lists["actors"]
        ]
        if self.people is not None and "thumb" in details:
            self.people[name] = details["thumb"]

    def put(self, query: str) -> None:
        given_roles: dict[str, dict[int, dict[str, str]]] = {}
        removed: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=True):
            base, _, action = name.partition(".")
            tag, bracket, index = base.partition("[")
            if action == "locked":
                (self.locked.add if value == "1" else self.locked.discard)(base)
            elif action == "value":
                self.single[PLEX_SINGLE[base]] = value or (STEM if base == "title" else "")
            elif action == "tag.tag-":
                removed[tag] = [unquote(part) for part in value.split(",")]
            elif bracket:
                given_roles.setdefault(tag, {}).setdefault(int(index[:-1]), {})[action] = value
            else:
                raise AssertionError(f"Plex knows no {name}")
        for tag, names in removed.items():
            gone = {self._same(name) for name in names}
            self.lists[PLEX_LIST[tag]] = [r for r in self.lists[PLEX_LIST[tag]] if self._same(r.name) not in gone]
        for tag, entries in given_roles.items():
            self._put_list(PLEX_LIST[tag], [entries[index] for index in sorted(entries)])

    def _put_list(self, field: str, entries: list[dict[str, str]]) -> None:
        roles = {} if self.tags == "replaces" else {role.name: role for role in self.lists[field]}
        for entry in entries:
            name = entry["tag.tag"]
            if self.spelling is not None:
                name = self.spelling.setdefault(name.casefold(), name)
            old = roles.get(name, Role(name))
            role, thumb = old.role, old.thumb
            if "tagging.text" in entry and self.roles != "ignored":
                role = entry["tagging.text"]
                role = f"As {role}" if role and self.roles == "rewritten" and not role.startswith("As ") else role
            if "tag.thumb" in entry and self.pictures != "ignored":
                thumb = entry["tag.thumb"]
                if thumb and self.pictures == "rewritten" and not thumb.startswith("https://plex.example/"):
                    thumb = f"https://plex.example/{thumb.rpartition('/')[2]}"
                if self.people is not None:
                    self.people[name] = thumb
            roles[name] = Role(name, role, thumb)
        self.lists[field] = list(roles.values())

    def _same(self, name: str) -> str:
        return name if self.spelling is None else name.casefold()


def cast(*names: str) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)


def wanting(**fields: Any) -> Wanted:
    """What is wanted, with actors as names where they have no more."""
    actors = fields.get("actors")
    if actors is not None:
        fields["actors"] = tuple(Role(actor) if isinstance(actor, str) else actor for actor in actors)
    return Wanted(**fields)


def note_intended(memory: Memory, edit: Edit) -> None:
    """What stands in the state file before an edit is sent."""
    for name, values in edit.intended().items():
        earlier = memory.intended.get(name, [])
        memory.intended[name] = [*earlier, *(value for value in values if value not in earlier)]


def requests(plex: SmallPlex, edit: Edit) -> list[Parameters]:
    """The requests of an edit to a server of which it is known how it takes lists."""
    return requests_of(edit, plex.item() if plex.tags == "replaces" else None)


def send(plex: SmallPlex, edit: Edit, most: int = 1_000) -> None:
    """Send an edit; `most`: requests before the kill."""
    for request in requests(plex, edit)[:most]:
        plex.put(encode(request))


def sync(plex: SmallPlex, wanted: Wanted, memory: Memory, *, preserve: bool = False) -> tuple[Edit, Memory]:
    """One whole run: compare, note, write, read back, remember."""
    before = plex.item()
    edit = difference(before, wanted, memory, preserve=preserve)
    if edit:
        note_intended(memory, edit)
        send(plex, edit)
    return edit, remember(before, plex.item(), wanted, memory, edit)


def again(plex: SmallPlex, wanted: Wanted, memory: Memory, *, preserve: bool = False) -> dict[str, Any]:
    """What a second look would write; empty where all is right."""
    edit = difference(plex.item(), wanted, memory, preserve=preserve)
    return {**edit.single, **dict.fromkeys(edit.lists, True)}


tag_modes = pytest.mark.parametrize("tags", TAG_MODES)
either_preserve = pytest.mark.parametrize("preserve", [False, True], ids=["overwrite", "preserve"])


# One field


def test_a_rating_that_is_not_ours_is_a_persons_in_either_mode() -> None:
    """It has no lock that would tell, and no agent rates."""
    edit = difference(SmallPlex("adds", rating="7.5").item(), Wanted(rating="8"), Memory(), preserve=False)
    assert not edit


def test_a_rating_that_is_there_is_no_reason_to_lock() -> None:
    edit = difference(SmallPlex("adds", rating="7.5").item(), Wanted(rating="7.5"), Memory(), preserve=False)

    assert not edit
    assert edit.lock_too == set()


@pytest.mark.parametrize(
    ("title", "memory", "locked", "written"),
    [
        pytest.param("Clip One 2020", Memory(), False, True, id="the file's name, as Plex shows it"),
        pytest.param("CLIP ONE 2020", Memory(), False, True, id="the file's name in another case"),
        pytest.param("Clip One", Memory(), True, False, id="a part of the file's name"),
        pytest.param(STEM, Memory(sent={"title": "x"}, result={"title": "x"}), True, False, id="typed over ours"),
        pytest.param(
            STEM,
            Memory(sent={"title": "x"}, result={"title": "x"}),
            False,
            True,
            id="given back, and killed after that",
        ),
        pytest.param(
            STEM, Memory(intended={"title": ["x"]}), False, True, id="intended, and killed before it was written"
        ),
    ],
)
def test_a_title_that_nobody_gave_is_not_preserved(title: str, memory: Memory, locked: bool, written: bool) -> None:
    item = SmallPlex("adds", title=title, locked=["title"] if locked else []).item()

    edit = difference(item, Wanted(title="From Stash"), memory, preserve=True)

    assert edit.single == ({"title": "From Stash"} if written else {})


WHOLE = Wanted(
    title="T",
    summary="S " * 2_000,
    studio="O",
    date="2020-01-01",
    content_rating="XXX",
    tagline="AC-1",
    original_title="Ohne Titel",
    rating="7.5",
    actors=(Role("Anna", "Herself", "https://stash.example/performer/1/image?t=1"), Role("Bea")),
    genres=tuple(f"Genre number {number}" for number in range(150)),
    collections=("C, D", "E"),
    directors=("Dora",),
)
"""A scene of everything, too long for one request."""


def assert_holds_whole(plex: SmallPlex) -> None:
    assert plex.single == {name: getattr(WHOLE, name) for name in SINGLE}
    assert tuple(plex.lists["actors"]) == WHOLE.actors
    for name in ("genres", "collections", "directors"):
        assert set(plex.names(name)) == set(getattr(WHOLE, name))
    assert plex.locked == {*PLEX_SINGLE, *PLEX_LIST}


@tag_modes
@either_preserve
@pytest.mark.parametrize("arrived", range(5))
def test_a_run_that_was_killed_between_two_requests_is_made_up_for(tags: TagMode, preserve: bool, arrived: int) -> None:
    agents = {"summary": "an agent's", "studio": "an agent's"}
    plex = SmallPlex.holding(tags, agents, genres=[Role("Theirs")])
    memory = Memory()
    edit = difference(plex.item(), WHOLE, memory, preserve=preserve)
    assert len(requests(plex, edit)) >= 3
    note_intended(memory, edit)
    send(plex, edit, arrived)

    _, memory = sync(plex, WHOLE, memory, preserve=preserve)

    assert plex.names("genres").count("Theirs") == 1
    plex.lists["genres"] = [role for role in plex.lists["genres"] if role.name != "Theirs"]
    assert_holds_whole(plex)
    assert again(plex, WHOLE, memory, preserve=preserve) == {}
    plex.lists["genres"].append(Role("Theirs"))
    sync(plex, NOTHING, memory, preserve=preserve)
    assert {name: value for name, value in plex.single.items() if value} == {"title": STEM}
    assert {name: plex.names(name) for name in LISTS if plex.names(name)} == {"genres": ["Theirs"]}


NOTHING = wanting(**dict.fromkeys(SINGLE, ""), **dict.fromkeys(LISTS, ()))
"""A scene that lost all it had."""


@tag_modes
@either_preserve
@pytest.mark.parametrize("arrived", range(5))
def test_a_scene_that_lost_all_after_a_kill_loses_exactly_ours(tags: TagMode, preserve: bool, arrived: int) -> None:
    theirs = {name: [Role("Theirs")] for name in LISTS} | {
        "actors": [Role("Theirs", "The Butler", "https://x.example/1")]
    }
    plex = SmallPlex.holding(tags, theirs)
    memory = Memory()
    edit = difference(plex.item(), WHOLE, memory, preserve=preserve)
    note_intended(memory, edit)
    send(plex, edit, arrived)

    _, memory = sync(plex, NOTHING, memory, preserve=preserve)

    assert {name: value for name, value in plex.single.items() if value} == {"title": STEM}
    assert plex.lists == theirs
    assert again(plex, NOTHING, memory, preserve=preserve) == {}


def test_a_persons_title_is_left_however_often_the_scene_is_saved() -> None:
    plex = SmallPlex("adds")
    _, memory = sync(plex, Wanted(title="First"), Memory(), preserve=True)
    assert plex.single["title"] == "First"
    plex.single["title"] = STEM  # a person wants the file's name back

    for title in ("Second", "Third"):
        _, memory = sync(plex, Wanted(title=title), memory, preserve=True)
        assert plex.single["title"] == STEM


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("/a/b/My Film.mp4", True),
        ("/a/b/My.Film.mp4", True),
        ("My_-_film.mp4", True),
        ("/a/.My Film", True),
        ("/My Film/a.mp4", False),
        ("/a/My Film 2.mp4", False),
    ],
)
def test_a_title_is_known_as_the_files_name(file: str, known: bool) -> None:
    assert bears_file_name(PlexItem(1, 1, title="My Film", files=(MediaFile(file),))) is known


def test_a_title_is_compared_with_every_file_of_a_merged_item() -> None:
    item = PlexItem(1, 1, title="two", files=(MediaFile("/a/one.mp4"), MediaFile("/a/two.mp4")))

    assert bears_file_name(item)


@either_preserve
def test_a_cleared_title_is_the_files_name_again_and_unlocked(preserve: bool) -> None:
    plex = SmallPlex("adds")
    _, memory = sync(plex, Wanted(title="From Stash"), Memory(), preserve=preserve)
    assert plex.single["title"] == "From Stash"
    assert "title" in plex.locked

    edit, memory = sync(plex, Wanted(title=""), memory, preserve=preserve)

    assert plex.single["title"] == STEM
    assert "title" not in plex.locked
    assert "title" not in edit.intended(), "the file's name is not ours"
    assert again(plex, Wanted(title=""), memory, preserve=preserve) == {}
    sync(plex, Wanted(title="Named again"), memory, preserve=preserve)
    assert plex.single["title"] == "Named again"


def test_a_cleared_title_without_a_file_is_left() -> None:
    item = PlexItem(1, 1, title="Ours")
    memory = Memory(sent={"title": "Ours"}, result={"title": "Ours"})

    assert not difference(item, Wanted(title=""), memory, preserve=False)


@pytest.mark.parametrize("name", [name for name in SINGLE if name not in ("title", RATING)])
def test_a_cleared_field_is_unlocked_for_plexs_agents(name: str) -> None:
    plex = SmallPlex("adds")
    plex_name = SINGLE_FIELDS[name]
    _, memory = sync(plex, wanting(**{name: "2020-01-01"}), Memory())
    assert plex_name in plex.locked

    _, memory = sync(plex, wanting(**{name: ""}), memory)

    assert plex.single[name] == ""
    assert plex_name not in plex.locked
    assert (memory.sent, memory.result) == ({}, {}), "nothing is ours any more"
    plex.single[name] = "from an agent"
    sync(plex, wanting(**{name: ""}), memory)
    assert plex.single[name] == "from an agent", "what came later is not ours"


def test_a_value_that_plex_keeps_in_its_own_form_is_not_sent_again() -> None:
    plex = SmallPlex("adds")
    wanted = Wanted(summary="a  b")
    before = plex.item()
    edit = difference(before, wanted, Memory(), preserve=True)
    send(plex, edit)
    plex.single["summary"] = "a b"  # Plex's own form
    memory = remember(before, plex.item(), wanted, Memory(), edit)

    assert again(plex, wanted, memory) == {}
    assert again(plex, wanted, memory, preserve=True) == {}
    _, memory = sync(plex, wanted, memory)  # a run without an edit forgets nothing
    assert again(plex, wanted, memory) == {}
    _, memory = sync(plex, Wanted(summary=None), memory)  # nor one while its toggle is off
    assert again(plex, wanted, memory) == {}
    assert again(plex, Wanted(summary="c"), memory, preserve=True) == {"summary": "c"}, "Plex's form is ours"
    assert again(plex, Wanted(summary=""), memory) == {"summary": ""}


def test_a_value_in_plexs_own_form_is_sent_again_when_somebody_changed_it() -> None:
    memory = Memory(sent={"summary": "a  b"}, result={"summary": "a b"})

    assert again(SmallPlex("adds", summary="a c"), Wanted(summary="a  b"), memory) == {"summary": "a  b"}
    assert again(SmallPlex("adds", summary="a c"), Wanted(summary="a  b"), memory, preserve=True) == {}


def test_a_value_that_was_right_before_us_does_not_become_ours() -> None:
    plex = SmallPlex("adds", studio="Acme")

    _, memory = sync(plex, Wanted(studio="Acme"), Memory())
    sync(plex, Wanted(studio=""), memory)

    assert plex.single["studio"] == "Acme"


# Locks


def test_what_is_right_but_not_locked_is_locked_with_the_next_edit_and_sends_none_of_its_own() -> None:
    plex = SmallPlex("adds", studio="Acme", genres=[Role("A")])
    assert not difference(plex.item(), Wanted(studio="Acme", genres=("A",)), Memory(), preserve=False)

    sync(plex, Wanted(studio="Acme", genres=("A",), summary="new"), Memory())

    assert plex.locked == {"studio", "genre", "summary"}


def test_what_a_person_left_unlocked_stays_so_under_preserve() -> None:
    plex = SmallPlex("adds", studio="Acme", genres=[Role("A")])

    sync(plex, Wanted(studio="Acme", genres=("A",), summary="new"), Memory(), preserve=True)

    assert plex.locked == {"summary"}


# Lists


@tag_modes
def test_a_list_that_was_ours_alone_is_emptied_and_unlocked(tags: TagMode) -> None:
    plex, shared = SmallPlex(tags), SmallPlex(tags, genres=[Role("Theirs")])
    for one, left in ((plex, []), (shared, ["Theirs"])):
        _, memory = sync(one, Wanted(genres=("A", "B")), Memory())
        assert "genre" in one.locked
        _, memory = sync(one, Wanted(genres=()), memory)
        assert one.names("genres") == left
        assert ("genre" in one.locked) == bool(left)
        assert again(one, Wanted(genres=()), memory) == {}


@tag_modes
def test_a_name_that_plex_did_not_take_is_not_sent_again(tags: TagMode) -> None:
    plex = SmallPlex(tags)
    wanted = Wanted(genres=("Good", "Refused"))
    before = plex.item()
    edit = difference(before, wanted, Memory(), preserve=False)
    send(plex, edit)
    plex.lists["genres"] = [Role("Good")]
    memory = remember(before, plex.item(), wanted, Memory(), edit)

    assert again(plex, wanted, memory) == {}
    _, memory = sync(plex, wanted, memory)
    assert again(plex, wanted, memory) == {}
    assert "genres" in again(plex, Wanted(genres=("Good", "Refused", "More")), memory)


@tag_modes
def test_a_name_that_stands_there_in_another_case_is_there(tags: TagMode) -> None:
    plex = SmallPlex(tags, genres=[Role("ROCK")])

    edit, memory = sync(plex, Wanted(genres=("Rock",)), Memory())
    assert not edit

    sync(plex, Wanted(genres=()), memory)
    assert plex.names("genres") == ["ROCK"]


@tag_modes
def test_an_entry_of_ours_is_spelt_anew_when_stash_does(tags: TagMode) -> None:
    plex = SmallPlex(tags, genres=[Role("Theirs")])
    _, memory = sync(plex, Wanted(genres=("rock",)), Memory())

    _, memory = sync(plex, Wanted(genres=("Rock",)), memory)
    _, memory = sync(plex, Wanted(genres=("Rock",)), memory)  # where Plex took both spellings, the old one goes now

    assert set(plex.names("genres")) == {"Theirs", "Rock"}
    assert again(plex, Wanted(genres=("Rock",)), memory) == {}


@tag_modes
def test_a_name_that_plex_spells_its_own_way_is_not_sent_again(tags: TagMode) -> None:
    """Plex holds the name already, in another case, on another item."""
    plex = SmallPlex(tags, spelling=["rock"])

    _, memory = sync(plex, Wanted(genres=("Rock", "Jazz")), Memory())

    assert set(plex.names("genres")) == {"rock", "Jazz"}
    assert again(plex, Wanted(genres=("Rock", "Jazz")), memory) == {}
    sync(plex, Wanted(genres=("Jazz",)), memory)
    assert plex.names("genres") == ["Jazz"], "Plex's spelling of our name is ours"


@tag_modes
def test_a_new_spelling_that_plex_does_not_take_is_sent_once_at_most(tags: TagMode) -> None:
    plex = SmallPlex(tags, spelling=[])
    _, memory = sync(plex, Wanted(genres=("rock",)), Memory())
    before = plex.item()
    edit = difference(before, Wanted(genres=("Rock",)), memory, preserve=False)
    send(plex, edit)
    memory = remember(before, plex.item(), Wanted(genres=("Rock",)), memory, edit)

    assert plex.names("genres") == ["rock"]
    assert again(plex, Wanted(genres=("Rock",)), memory) == {}


@tag_modes
@pytest.mark.parametrize("before", [["rock"], []], ids=["somebody's spelling", "Plex's spelling"])
def test_a_name_is_written_again_when_its_other_spelling_goes(tags: TagMode, before: list[str]) -> None:
    plex = SmallPlex(tags, spelling=["rock"], genres=[Role(name) for name in before])
    wanted = Wanted(genres=("Rock", "Jazz"))
    _, memory = sync(plex, wanted, Memory())
    assert set(plex.names("genres")) == {"rock", "Jazz"}
    plex.lists["genres"] = [Role("Jazz")]

    _, memory = sync(plex, wanted, memory)

    assert set(plex.names("genres")) == {"rock", "Jazz"}
    assert again(plex, wanted, memory) == {}


@tag_modes
@pytest.mark.parametrize("present", [("rock", "Rock"), ("Rock", "rock")], ids=" ".join)
def test_two_spellings_that_a_person_has_both_stay(tags: TagMode, present: tuple[str, str]) -> None:
    plex = SmallPlex(tags, genres=[Role(name) for name in present])

    sync(plex, Wanted(genres=("rock", "Jazz")), Memory())

    assert set(plex.names("genres")) == {"rock", "Rock", "Jazz"}


@tag_modes
def test_what_a_person_adds_while_an_edit_is_on_its_way_is_not_ours(tags: TagMode) -> None:
    plex = SmallPlex(tags)
    wanted = Wanted(genres=("A", "B"))
    before = plex.item()
    edit = difference(before, wanted, Memory(), preserve=False)
    send(plex, edit)
    plex.lists["genres"].append(Role("By hand"))

    memory = remember(before, plex.item(), wanted, Memory(), edit)
    _, memory = sync(plex, wanted, memory)
    sync(plex, Wanted(genres=()), memory)

    assert plex.names("genres") == ["By hand"]


# Roles and pictures of actors

KEY = "s3cret"
FIRST = "https://stash.example/performer/1/image?t=1"
SECOND = "https://stash.example/performer/1/image?t=2"
keeps = pytest.mark.parametrize("kept", KEEPS)


def anna(role: str = "", thumb: str = "") -> Wanted:
    return Wanted(actors=(Role("Anna", role, thumb), Role("Bea")))


def shown(what: str, value: str, kept: Keeps) -> str:
    """What Plex makes of a role or a picture."""
    if kept == "kept" or not value:
        return value
    if kept == "ignored":
        return ""
    return f"As {value}" if what == "role" else f"https://plex.example/{value.rpartition('/')[2]}"


@tag_modes
@either_preserve
@keeps
@pytest.mark.parametrize("what", ["role", "thumb"])
@pytest.mark.parametrize("whole_server", [False, True], ids=["one item", "whole server"])
def test_a_role_and_a_picture_are_written_followed_and_taken_back(
    tags: TagMode, preserve: bool, kept: Keeps, what: str, whole_server: bool
) -> None:
    plex = SmallPlex(tags, roles=kept, pictures=kept, people={} if whole_server else None)
    memory = Memory()
    for value in (FIRST, SECOND, ""):
        wanted = anna(**{what: value})
        edit, memory = sync(plex, wanted, memory, preserve=preserve)
        assert edit.fields == (["actors"] if value or kept != "ignored" else [])
        assert getattr(plex.actor("Anna"), what) == shown(what, value, kept)
        assert plex.names("actors") == ["Anna", "Bea"]
        assert again(plex, wanted, memory, preserve=preserve) == {}
        _, memory = sync(plex, wanted, memory, preserve=preserve)  # a run without an edit forgets nothing
        assert again(plex, wanted, memory, preserve=preserve) == {}
        _, memory = sync(plex, Wanted(), memory, preserve=preserve)  # nor one while performers are off
        assert again(plex, wanted, memory, preserve=preserve) == {}


@tag_modes
@keeps
def test_no_address_of_a_picture_stands_in_the_state_file(tags: TagMode, kept: Keeps) -> None:
    plex = SmallPlex(tags, pictures=kept)
    wanted = anna("Herself", f"{FIRST}&apikey={KEY}")
    memory = Memory()
    note_intended(memory, difference(plex.item(), wanted, memory, preserve=False))
    assert memory.intended[detail_key("role", "Anna")] == ["Herself"]
    assert KEY not in str(memory)

    _, memory = sync(plex, wanted, memory)

    assert KEY not in str(memory)
    assert "performer/1" not in str(memory)


@tag_modes
@either_preserve
@pytest.mark.parametrize(("what", "theirs"), [("role", "The Butler"), ("thumb", "https://people.example/1.jpg")])
def test_a_persons_role_and_picture_of_an_actor_of_ours(tags: TagMode, preserve: bool, what: str, theirs: str) -> None:
    plex = SmallPlex(tags)
    _, memory = sync(plex, anna(), Memory(), preserve=preserve)
    plex.person_sets("Anna", **{what: theirs})

    _, memory = sync(plex, anna(), memory, preserve=preserve)
    assert getattr(plex.actor("Anna"), what) == theirs, "Stash has none"
    _, memory = sync(plex, replace(anna(), genres=("A",)), memory, preserve=preserve)
    _, memory = sync(plex, wanting(actors=("Anna", "Bea", "Cleo")), memory, preserve=preserve)
    assert getattr(plex.actor("Anna"), what) == theirs, "another actor is no reason to lose it"
    _, memory = sync(plex, anna(**{what: SECOND}), memory, preserve=preserve)

    assert getattr(plex.actor("Anna"), what) == (theirs if preserve else SECOND)
    assert again(plex, anna(**{what: SECOND}), memory, preserve=preserve) == {}


@tag_modes
def test_what_plex_made_of_a_picture_of_a_run_that_was_killed_is_replaced(tags: TagMode) -> None:
    plex = SmallPlex(tags, roles="rewritten", pictures="rewritten")
    memory = Memory()
    edit = difference(plex.item(), anna("Someone", FIRST), memory, preserve=False)
    note_intended(memory, edit)
    send(plex, edit)  # and killed

    _, memory = sync(plex, anna("Herself", SECOND), memory)

    assert plex.actor("Anna") == Role("Anna", "As Herself", "https://plex.example/image?t=2")
    assert again(plex, anna("Herself", SECOND), memory) == {}


@tag_modes
@either_preserve
def test_one_performer_of_two_items_has_one_picture_that_is_ours_in_both(tags: TagMode, preserve: bool) -> None:
    """Plex keeps one picture a name over its whole server: what is written to one item shows in the other."""
    people: dict[str, str] = {}
    one, other = (SmallPlex(tags, people=people) for _ in range(2))
    _, of_one = sync(one, anna("", FIRST), Memory(), preserve=preserve)
    edit, of_other = sync(other, anna("", FIRST), Memory(), preserve=preserve)
    assert edit.fields == ["actors"]

    _, of_one = sync(one, anna("", SECOND), of_one, preserve=preserve)
    edit, of_other = sync(other, anna("", SECOND), of_other, preserve=preserve)
    assert not edit, "it is there already"
    assert again(one, anna("", SECOND), of_one, preserve=preserve) == {}

    # The first item is gone from Plex, and pictures are switched off.
    _, of_other = sync(other, anna(), of_other, preserve=preserve)
    assert people["Anna"] == ""
    assert again(other, anna(), of_other, preserve=preserve) == {}


@tag_modes
@either_preserve
def test_roles_of_the_same_name_in_two_cases_are_one_persons(tags: TagMode, preserve: bool) -> None:
    plex = SmallPlex(tags, spelling=["ANNA"])

    _, memory = sync(plex, anna("Herself", FIRST), Memory(), preserve=preserve)

    assert plex.actor("ANNA") == Role("ANNA", "Herself", FIRST)
    assert again(plex, anna("Herself", FIRST), memory, preserve=preserve) == {}
    _, memory = sync(plex, anna("", SECOND), memory, preserve=preserve)
    assert plex.actor("ANNA") == Role("ANNA", "", SECOND)


# What was taken


def test_an_edit_that_changed_nothing_was_not_taken() -> None:
    before = SmallPlex("adds").item()
    edit = difference(before, Wanted(summary="new", genres=("A",)), Memory(), preserve=False)

    assert not is_taken(before, before, edit)
    assert is_taken(before, SmallPlex("adds", summary="NEW").item(), edit)
    assert is_taken(before, SmallPlex("adds", genres=[Role("A")]).item(), edit)
    assert not is_taken(before, SmallPlex("adds", studio="another field").item(), edit)


def test_a_plex_that_takes_no_pictures_is_no_plex_that_fails() -> None:
    before = SmallPlex("adds", actors=cast("Anna", "Bea")).item()
    edit = difference(before, anna("", FIRST), Memory(), preserve=False)

    assert edit
    assert is_taken(before, before, edit)


# Properties

NAMES = ("Rock", "Jazz, modern", "50% off", "ünï", "a&b=c", "x/y+z", "日本", "%2C", "'", "Anna (2)")
name_lists = st.lists(st.sampled_from(NAMES), unique=True, max_size=6).map(tuple)
texts = st.sampled_from(["", "one", "two, three", "ü&=%", STEM])


@PROPERTY
@given(
    tags=st.sampled_from(TAG_MODES),
    preserve=st.booleans(),
    theirs=name_lists,
    ours=name_lists,
    intended=name_lists,
    refused=name_lists,
    wanted=name_lists,
    field=st.sampled_from(LISTS),
)
def test_a_list_ends_right_from_any_state(
    tags: TagMode,
    preserve: bool,
    theirs: tuple[str, ...],
    ours: tuple[str, ...],
    intended: tuple[str, ...],
    refused: tuple[str, ...],
    wanted: tuple[str, ...],
    field: str,
) -> None:
    known = {*ours, *intended}
    somebody = "as somebody" if field == "actors" else ""  # a genre has no role
    present = [Role(name, somebody) for name in theirs if name not in known] + [Role(name) for name in ours]
    fields: dict[str, Any] = {field: present}
    plex = SmallPlex(tags, **fields)
    memory = Memory(
        sent={field: [name for name in refused if name not in ours]},
        result={field: list(ours)},
        intended={field: list(intended)},
    )
    asked = wanting(**{field: wanted})
    foreign = {name for name in theirs if name not in known}

    _, after = sync(plex, asked, memory, preserve=preserve)

    left_out = set(refused) - set(ours)
    assert (set(wanted) - left_out) | foreign <= set(plex.names(field)) <= set(wanted) | foreign
    assert {role for role in plex.lists[field] if role.name in foreign} == {Role(n, somebody) for n in foreign}
    assert again(plex, asked, after, preserve=preserve) == {}
    assert foreign.isdisjoint(after.result.get(field, ()))
    sync(plex, wanting(**{field: ()}), after, preserve=preserve)
    assert set(plex.names(field)) == foreign, "what was ours goes, and nothing else"


@PROPERTY
@given(
    now=texts,
    value=texts,
    sent=texts,
    result=texts,
    intended=st.lists(texts.filter(bool), max_size=2),
    preserve=st.booleans(),
    name=st.sampled_from(SINGLE),
    named=st.booleans(),
    locked=st.booleans(),
)
def test_a_single_field_ends_right_from_any_state(
    now: str,
    value: str,
    sent: str,
    result: str,
    intended: list[str],
    preserve: bool,
    name: str,
    named: bool,
    locked: bool,
) -> None:
    empty = STEM if name == "title" else ""
    fields: dict[str, Any] = {"title": "Somebody's" if named else STEM, name: now}
    plex = SmallPlex("adds", locked=[SINGLE_FIELDS[name]] if locked else [], **fields)
    now = plex.single[name]
    memory = Memory(
        sent={name: sent} if result else {},
        result={name: result} if result else {},
        intended={name: intended} if intended else {},
    )
    ours = bool(now) and (now == result or now in intended)
    own_form = bool(result) and sent == value and result == now
    if name == "title":
        untouched = now == STEM and not (result and locked)
    else:
        # What an agent filled in while nobody named the item; a person's edit locks, and agents do not rate.
        untouched = name != RATING and not named and not locked and not result
        # A run that was killed had found the field free; what a person typed since is locked.
        untouched = untouched or (name != RATING and bool(intended) and not locked and not result)

    edit, after = sync(plex, wanting(**{name: value}), memory, preserve=preserve)

    if not value:
        expected = empty if ours else now
    elif own_form or ((preserve or name == RATING) and now and not ours and not untouched):
        expected = now
    else:
        expected = value
    assert plex.single[name] == expected
    assert (name in edit.single) == (expected != now)
    assert after.intended == {}
    assert again(plex, wanting(**{name: value}), after, preserve=preserve) == {}


BY_HAND, BY_AGENT = "by hand", "by an agent"
AGENT_FIELDS = tuple(name for name in SINGLE if name != RATING)


class History:
    """A person, agents, Stash and Plex over time; who put what is told apart by the test, not by the code."""

    def __init__(self, tags: TagMode, theirs: tuple[str, ...], pictures: Keeps) -> None:
        # A Plex that takes no pictures of ours keeps those it has; such a one has one for each name.
        people: dict[str, str] | None = {} if pictures == "ignored" else None
        lists = {name: [Role(entry) for entry in theirs] for name in LISTS}
        self.plex = SmallPlex.holding(tags, lists, people=people, pictures=pictures)
        self.theirs = {name: set(theirs) for name in LISTS}
        self.memory = Memory()
        self.wanted = NOTHING
        self.count = 0

    def stash_changes(self, changes: dict[str, Any]) -> None:
        """Values, and None for a toggle that is off."""
        self.wanted = replace(self.wanted, **changes)

    def person_adds(self, field: str, name: str) -> None:
        # A name that may be ours, and that a person adds after somebody took it away, is not told apart.
        known = {*self.memory.result.get(field, ()), *self.memory.intended.get(field, ())}
        if name not in self.plex.names(field):
            self.plex.lists[field].append(Role(name))
            if name not in known:
                self.theirs[field].add(name)

    def person_removes(self, field: str, name: str) -> None:
        self.plex.lists[field] = [role for role in self.plex.lists[field] if role.name != name]
        self.theirs[field].discard(name)

    def person_types(self, field: str) -> None:
        self.count += 1
        self.plex.single[field] = f"{BY_HAND} {self.count}"
        self.plex.locked.add(SINGLE_FIELDS[field])

    def person_portrays(self, name: str, what: str) -> None:
        self.count += 1
        if name in self.plex.names("actors"):
            self.plex.person_sets(name, **{what: f"https://people.example/{BY_HAND} {self.count}"})

    def agent_fills(self, field: str) -> None:
        self.count += 1
        if SINGLE_FIELDS[field] not in self.plex.locked:
            self.plex.single[field] = f"{BY_AGENT} {self.count}"

    def killed(self, preserve: bool, most: int) -> None:
        edit = difference(self.plex.item(), self.wanted, self.memory, preserve=preserve)
        note_intended(self.memory, edit)
        send(self.plex, edit, most)

    def synced(self, preserve: bool) -> None:
        before = self.plex.item()
        _, self.memory = sync(self.plex, self.wanted, self.memory, preserve=preserve)
        for name in SINGLE:
            self._check_single(name, getattr(before, name), preserve)
        for name in LISTS:
            self._check_list(name, getattr(before, name))
        for role in self.plex.item().actors:
            self._check_actor(role, before, preserve)
        assert again(self.plex, self.wanted, self.memory, preserve=preserve) == {}
        assert self.memory.intended == {}

    def _check_single(self, name: str, before: str, preserve: bool) -> None:
        value, now = getattr(self.wanted, name), self.plex.single[name]
        if (
            value is None
            or (BY_HAND in before and (preserve or not value or name == RATING))
            or (BY_AGENT in before and not value)
        ):
            assert now == before
        elif BY_AGENT in before and preserve:
            assert now in (before, value)
        else:
            assert now == (value or (STEM if name == "title" else ""))

    def _check_list(self, name: str, before: tuple[Any, ...]) -> None:
        wanted, now = getattr(self.wanted, name), self.plex.names(name)
        assert len(set(now)) == len(now)
        if wanted is None:
            assert getattr(self.plex.item(), name) == before
        else:
            assert (
                set(now) == {entry.name if isinstance(entry, Role) else entry for entry in wanted} | self.theirs[name]
            )

    def _check_actor(self, role: Role, before: PlexItem, preserve: bool) -> None:
        was = next((one for one in before.actors if one.name == role.name), Role(role.name))
        if self.plex.people is not None:
            was = replace(was, thumb=self.plex.people.get(role.name, ""))
        wanted = next((one for one in self.wanted.actors or () if one.name == role.name), Role(role.name))
        for what in ("role", "thumb"):
            held, value, now = getattr(was, what), getattr(wanted, what), getattr(role, what)
            is_theirs = BY_HAND in held and (preserve or not value or role.name in self.theirs["actors"])
            if what == "thumb" and self.plex.pictures == "ignored":
                assert now == (held if BY_HAND in held else "")
            elif self.wanted.actors is None or is_theirs:
                assert now == held
            else:
                assert now == value


few_names = st.sampled_from(NAMES[:5])
few_lists = st.lists(few_names, unique=True, max_size=4).map(tuple)
few_actors = st.lists(
    st.builds(
        Role,
        few_names,
        st.sampled_from(["", "R1", "R2"]),
        st.sampled_from(["", "https://stash.example/1", "https://stash.example/2"]),
    ),
    unique_by=lambda role: role.name,
    max_size=3,
).map(tuple)
changes = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from([None, "", "V1", "V2"]) for name in SINGLE},
        **{name: st.none() | few_lists for name in ("genres", "collections", "directors")},
        "actors": st.none() | few_actors,
    },
)
fields = st.sampled_from(LISTS)
steps = st.one_of(
    st.tuples(st.just("stash_changes"), changes),
    st.tuples(st.just("person_adds"), fields, few_names),
    st.tuples(st.just("person_removes"), fields, few_names),
    st.tuples(st.just("person_types"), st.sampled_from(SINGLE)),
    st.tuples(st.just("person_portrays"), few_names, st.sampled_from(["role", "thumb"])),
    st.tuples(st.just("agent_fills"), st.sampled_from(AGENT_FIELDS)),
    st.tuples(st.just("killed"), st.booleans(), st.integers(0, 8)),
    st.tuples(st.just("synced"), st.booleans()),
)


@settings(max_examples=150, deadline=None)
@given(
    tags=st.sampled_from(TAG_MODES),
    theirs=few_lists,
    pictures=st.sampled_from(["kept", "ignored"]),
    story=st.lists(steps, max_size=14),
    preserve=st.booleans(),
)
def test_over_any_history_the_users_own_stays_and_ours_follows_stash(
    tags: TagMode, theirs: tuple[str, ...], pictures: Keeps, story: list[tuple[Any, ...]], preserve: bool
) -> None:
    history = History(tags, theirs, pictures)
    with patch("sync.plex.edits.LONGEST_QUERY", 60):  # as many requests as there are fields: kills between any two
        for name, *arguments in story:
            getattr(history, name)(*arguments)
        history.synced(preserve)
        history.stash_changes(vars_of(NOTHING))
        history.synced(preserve)
    assert {name: set(history.plex.names(name)) for name in LISTS} == history.theirs
    left = {value for name, value in history.plex.single.items() if value and value != STEM}
    assert all(BY_HAND in value or BY_AGENT in value for value in left)
    portrayed = {value for role in history.plex.item().actors for value in (role.role, role.thumb) if value}
    assert all(BY_HAND in value for value in portrayed)


def vars_of(wanted: Wanted) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in (*SINGLE, *LISTS)}
