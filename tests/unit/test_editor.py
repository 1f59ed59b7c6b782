"""An edit as the parameters of requests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import parse_qsl, unquote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import Memory, Role, Wanted
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import DETAILS, LIST_FIELDS, Edit, ListEdit, detail_key, difference, remember
from sync.plex.edits import (
    LONGEST_QUERY,
    MOST_CARRIED,
    bound_of,
    divide,
    fields,
    is_long,
    list_parameters,
    rate,
    send,
    split,
)
from sync.plex.exceptions import PlexItemGone
from sync.plex.items import read_items
from tests.servers.plex import DEFAULT_TOKEN, PlexStandIn, TagMode

PROPERTY = settings(max_examples=75, deadline=None)

NOBODY: frozenset[str] = frozenset()


def on_the_wire(parameters: Parameters) -> int:
    """How many characters of query a request really has."""
    prepared = requests.Request("PUT", f"http://plex/?{encode(parameters)}").prepare()
    return len(str(prepared.url).partition("?")[2])


def flat(edit: Edit) -> list[tuple[str, str]]:
    return [parameter for part in split(edit) for parameter in part]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(Edit(), [], id="nothing"),
        pytest.param(Edit(single={"title": "T"}), [("title.value", "T"), ("title.locked", "1")], id="title"),
        pytest.param(
            Edit(single={"date": "2020-05-17"}),
            [("originallyAvailableAt.value", "2020-05-17"), ("originallyAvailableAt.locked", "1")],
            id="date",
        ),
        pytest.param(
            Edit(single={"content_rating": "XXX", "tagline": "AC-1", "original_title": "O"}),
            [
                *(("contentRating.value", "XXX"), ("contentRating.locked", "1")),
                *(("tagline.value", "AC-1"), ("tagline.locked", "1")),
                *(("originalTitle.value", "O"), ("originalTitle.locked", "1")),
            ],
            id="content rating, tagline, original title",
        ),
        pytest.param(Edit(single={"rating": "7.5"}), [], id="a rating is a request of its own"),
        pytest.param(
            Edit(single={"rating": "", "studio": "O"}, released={"rating"}),
            [("studio.value", "O"), ("studio.locked", "1")],
            id="a rating that is taken back, too",
        ),
        pytest.param(
            Edit(
                lists={"collections": ListEdit((Role("C, D"),), (), NOBODY), "directors": ListEdit((), ("D",), NOBODY)}
            ),
            [
                *(("collection[0].tag.tag", "C, D"), ("collection.locked", "1")),
                *(("director[].tag.tag-", "D"), ("director.locked", "1")),
            ],
            id="collections and directors",
        ),
        pytest.param(
            Edit(single={"title": "T"}, lock_too={"poster", "background"}),
            [("title.value", "T"), ("title.locked", "1"), ("art.locked", "1"), ("thumb.locked", "1")],
            id="pictures locked too",
        ),
        pytest.param(
            Edit(single={"summary": ""}, released={"summary"}),
            [("summary.value", ""), ("summary.locked", "0")],
            id="given back",
        ),
        pytest.param(
            Edit(single={"title": "T"}, lock_too={"studio", "actors"}),
            [("title.value", "T"), ("title.locked", "1"), ("actor.locked", "1"), ("studio.locked", "1")],
            id="locked too",
        ),
        pytest.param(
            Edit(lists={"genres": ListEdit((Role("A"), Role("B")), ("C",), NOBODY)}),
            [("genre[0].tag.tag", "A"), ("genre[1].tag.tag", "B"), ("genre[].tag.tag-", "C"), ("genre.locked", "1")],
            id="genres",
        ),
        pytest.param(
            Edit(lists={"actors": ListEdit((), ("Anna",), NOBODY)}, released={"actors"}),
            [("actor[].tag.tag-", "Anna"), ("actor.locked", "0")],
            id="the last actor goes",
        ),
    ],
)
def test_parameters_of_an_edit(edit: Edit, expected: list[tuple[str, str]]) -> None:
    assert flat(edit) == expected


def test_an_actor_keeps_role_and_picture() -> None:
    change = ListEdit((Role("Anna", "Herself", "https://example.org/a.jpg"), Role("Bea")), (), NOBODY)

    assert list_parameters("actor", change) == [
        ("actor[0].tag.tag", "Anna"),
        ("actor[0].tagging.text", "Herself"),
        ("actor[0].tag.thumb", "https://example.org/a.jpg"),
        ("actor[1].tag.tag", "Bea"),
    ]


@pytest.mark.parametrize("thumb", ["", "/library/metadata/1/thumb/2", "upload://posters/1"])
def test_a_picture_that_only_plex_knows_is_not_sent_back(thumb: str) -> None:
    change = ListEdit((Role("Anna", "", thumb),), (), NOBODY)

    assert list_parameters("actor", change) == [("actor[0].tag.tag", "Anna")]


@pytest.mark.parametrize("apikey", ["apikey=s3cret", "ApiKey=s3cret", "t=1&APIKEY=s3cret"])
def test_a_picture_with_a_key_is_not_sent_on_with_another_edit(apikey: str) -> None:
    thumb = f"http://stash:9999/performer/1/image?{apikey}"
    change = ListEdit((Role("Anna", "", thumb),), (), NOBODY)

    assert list_parameters("actor", change) == [("actor[0].tag.tag", "Anna")]
    said = ListEdit((Role("Anna", "", thumb),), (), NOBODY, frozenset({detail_key("thumb", "Anna")}))
    assert list_parameters("actor", said)[-1] == ("actor[0].tag.thumb", thumb), "but where the user said so"


@pytest.mark.parametrize(("what", "parameter"), [("role", "actor[0].tagging.text"), ("thumb", "actor[0].tag.thumb")])
def test_a_role_and_a_picture_are_set_to_nothing_by_saying_so(what: str, parameter: str) -> None:
    change = ListEdit((Role("Anna"),), (), NOBODY, frozenset({detail_key(what, "ANNA")}))

    assert list_parameters("actor", change) == [("actor[0].tag.tag", "Anna"), (parameter, "")]


def test_removed_names_are_encoded_before_they_are_joined() -> None:
    ((_, value),) = list_parameters("genre", ListEdit((), ("a,b", "c/d", "50%"), NOBODY))

    assert value == "a%2Cb,c%2Fd,50%25"
    assert encode([("genre[].tag.tag-", value)]) == "genre[].tag.tag-=a%252Cb%2Cc%252Fd%2C50%2525"


@PROPERTY
@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8))
def test_removed_names_are_read_back_one_by_one(names: list[str]) -> None:
    query = encode(list_parameters("genre", ListEdit((), tuple(names), NOBODY)))

    ((_, value),) = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert [unquote(part) for part in value.split(",")] == names


@PROPERTY
@given(st.lists(st.tuples(st.from_regex(r"[a-z]+(\[[0-9]\])?\.[a-z.]+-?", fullmatch=True), st.text(max_size=20))))
def test_a_query_says_what_the_parameters_say(parameters: list[tuple[str, str]]) -> None:
    query = encode(parameters)

    assert query.isascii()
    assert parse_qsl(query, keep_blank_values=True) == parameters


def test_names_of_parameters_are_written_as_plexapi_writes_them() -> None:
    assert (
        encode([("genre[0].tag.tag", "a b"), ("x.value", "ä/+&")]) == "genre[0].tag.tag=a%20b&x.value=%C3%A4%2F%2B%26"
    )


def test_an_edit_of_ordinary_length_is_one_request() -> None:
    genres = ListEdit(tuple(Role(f"Genre number {n}") for n in range(60)), (), NOBODY)
    edit = Edit(single={"title": "T" * 255, "summary": "s" * 2000, "studio": "O" * 255}, lists={"genres": genres})

    assert len(split(edit)) == 1


def test_a_long_edit_is_several_requests_and_no_field_is_divided() -> None:
    long = ListEdit(tuple(Role(f"Genre number {n}") for n in range(250)), ("gone",), NOBODY)
    cast = ListEdit(tuple(Role(f"Actor number {n}") for n in range(250)), (), NOBODY)
    edit = Edit(single={"title": "T", "summary": "ü" * 2000}, lists={"genres": long, "actors": cast})

    parts = split(edit)

    assert len(parts) > 2
    bases = [{name.partition(".")[0].partition("[")[0] for name, _ in part} for part in parts]
    assert sum(len(names) for names in bases) == len(set().union(*bases)) == 4


single_values = st.dictionaries(
    st.sampled_from(["title", "summary", "date", "tagline", "content_rating", "rating"]),
    st.text(st.sampled_from("aü 日"), max_size=3000),
)
roles = st.builds(Role, st.text(st.sampled_from("aü,%"), min_size=1, max_size=60), st.sampled_from(["", "Herself"]))
list_edits = st.builds(
    lambda entries, repeat, removed: ListEdit(tuple(entries * repeat), tuple(removed), NOBODY),
    st.lists(roles, max_size=8),
    st.integers(1, 12),
    st.lists(st.text(st.sampled_from("bö,%"), min_size=1, max_size=60), max_size=8),
)
edits = st.builds(
    Edit,
    single=single_values,
    lists=st.dictionaries(st.sampled_from(list(LIST_FIELDS)), list_edits),
    lock_too=st.sets(st.sampled_from(["original_title", "studio", "poster"])),
)


def field_of(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]


@PROPERTY
@given(edits)
def test_no_edit_is_longer_than_its_bound(edit: Edit) -> None:
    assert bound_of(flat(edit)) >= on_the_wire(flat(edit))


@PROPERTY
@given(edits)
def test_splitting_loses_nothing_and_keeps_fields_whole(edit: Edit) -> None:
    parts: list[Parameters] = split(edit)

    assert [p for part in parts for p in part] == [p for group in fields(edit) for p in group]
    assert not any(name.startswith("userRating") for part in parts for name, _ in part)
    for part in parts:
        names = {field_of(name) for name, _ in part}
        assert on_the_wire(part) <= LONGEST_QUERY or len(names) == 1
    for group in fields(edit):
        assert any(all(parameter in part for parameter in group) for part in parts)
    for one, next_one in pairwise(parts):
        first = next(group for group in fields(edit) if list(next_one[: len(group)]) == group)
        assert on_the_wire([*one, *first]) > LONGEST_QUERY - 2, "no more requests than length asks for"


# Lists that are longer than one request should carry

TAG_MODES: tuple[TagMode, ...] = ("adds", "replaces")


class Held:
    """A list of tags that takes requests as they arrive, as Plex does by either reading of an edit."""

    def __init__(self, mode: TagMode, entries: tuple[Role, ...]) -> None:
        self.mode = mode
        self.entries = {role.name: role for role in entries}
        self.locked: bool | None = None

    def take(self, parameters: Parameters) -> None:
        given: dict[str, dict[str, str]] = {}
        for name, value in parse_qsl(encode(parameters), keep_blank_values=True, strict_parsing=True):
            base, _, action = name.partition(".")
            if action == "tag.tag-":
                for gone in value.split(","):
                    self.entries.pop(unquote(gone), None)
            elif action == "locked":
                self.locked = value == "1"
            else:
                given.setdefault(base, {})[action] = value
        held = self.entries if self.mode == "adds" else {}
        for entry in given.values():
            old = held.get(entry["tag.tag"], Role(entry["tag.tag"]))
            thumb = entry.get("tag.thumb", old.thumb)
            held[old.name] = Role(old.name, entry.get("tagging.text", old.role), thumb)
        if given:
            self.entries = held


def test_an_ordinary_list_is_not_long() -> None:
    change = ListEdit(tuple(Role(f"Genre number {n}") for n in range(60)), ("gone",), NOBODY)

    assert not is_long(Edit(lists={"genres": change}), "genres")


@pytest.mark.parametrize(("count", "long"), [(197, False), (198, True)])
def test_a_list_is_long_where_its_query_is(count: int, long: bool) -> None:
    edit = Edit(lists={"genres": ListEdit(tuple(Role(f"Genre no {n:03}") for n in range(count)), (), NOBODY)})

    assert is_long(edit, "genres") is long
    assert (on_the_wire(fields(edit)[0]) > LONGEST_QUERY) is long


long_lists = st.builds(
    lambda theirs, ours, gone, size, last: (
        tuple(Role(f"theirs {n} " + "ü" * (n % size), "Herself" if n % 3 else "") for n in range(theirs)),
        tuple(Role(f"ours {n}, " + "日" * (n % size)) for n in range(ours)),
        tuple(f"gone {n}, " + "é" * (n % size) for n in range(gone)),
        last,
    ),
    st.integers(0, 60),
    st.integers(0, 250),
    st.integers(0, 150),
    st.integers(1, 20),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(long_lists, st.sampled_from(TAG_MODES), st.sampled_from(list(LIST_FIELDS)))
def test_a_long_list_is_sent_in_pieces_that_lose_nothing_of_a_persons(
    lists: tuple[tuple[Role, ...], tuple[Role, ...], tuple[str, ...], bool], mode: TagMode, field: str
) -> None:
    theirs, ours, gone, told = lists
    details = frozenset(detail_key("role", role.name) for role in (*ours, *theirs[:1])) if told else frozenset()
    names = frozenset(role.name for role in theirs)
    change = ListEdit((*ours, *theirs), gone, names, details)
    edit = Edit(lists={field: change}, released=set() if change.entries else {field})
    if not (ours or gone or details) or not is_long(edit, field):
        return
    plex = Held(mode, (*theirs, *(Role(name) for name in gone)))

    pieces = divide(edit, field)

    for piece in pieces:
        plex.take(piece)
        assert {role for role in plex.entries.values() if role.name in names} == set(theirs)
    carried = on_the_wire(list_parameters(LIST_FIELDS[field], ListEdit(theirs, (), names)))
    if carried < 5_500:
        assert all(on_the_wire(piece) <= LONGEST_QUERY for piece in pieces)
    elif carried > MOST_CARRIED and (ours or details):
        assert len(pieces) == 1, "pieces that carry so much would be no shorter"
    if mode == "adds" or len(pieces) == 1:
        assert set(plex.entries.values()) == set(change.entries)
    assert plex.locked is (field not in edit.released)
    assert sum("locked" in name for piece in pieces for name, _ in piece) == 1


def test_one_entry_that_is_long_by_itself_is_sent_by_itself() -> None:
    entries = (Role("a" * 9_000), *(Role(f"ours {n}") for n in range(10)))

    pieces = divide(Edit(lists={"genres": ListEdit(entries, (), NOBODY)}), "genres")

    assert [on_the_wire(piece) > LONGEST_QUERY for piece in pieces] == [True, False]


def test_a_role_for_a_persons_actor_among_many_arrives() -> None:
    theirs = tuple(Role(f"An actor, number {n}", "Somebody", "https://people.example/" + "x" * 40) for n in range(90))
    told = detail_key("role", theirs[0].name)
    change = ListEdit(
        (Role(theirs[0].name, "Herself", theirs[0].thumb), *theirs[1:]),
        (),
        frozenset(role.name for role in theirs),
        frozenset({told}),
    )
    edit = Edit(lists={"actors": change})
    assert is_long(edit, "actors")
    for mode in TAG_MODES:
        plex = Held(mode, theirs)
        for piece in divide(edit, "actors"):
            plex.take(piece)
        assert tuple(plex.entries.values()) == change.entries


# Over HTTP


@pytest.fixture(params=TAG_MODES)
def plex(request: pytest.FixtureRequest) -> Iterator[PlexStandIn]:
    with PlexStandIn(tag_mode=request.param) as server:
        yield server


@pytest.fixture
def client(plex: PlexStandIn) -> Iterator[PlexClient]:
    one = PlexClient(plex.url, DEFAULT_TOKEN, identifier="x", connect_timeout=2, read_timeout=5)
    yield one
    one.close()


MANY = Wanted(
    title="T",
    genres=tuple(f"Genre, number {n} & more" for n in range(300)),
    collections=tuple(f"Collection {n} of many" for n in range(300)),
    actors=tuple(Role(f"Pérformer {n:03}", f"Role {n}") for n in range(200)),
)


def write(client: PlexClient, key: int, section: int, wanted: Wanted, memory: Memory) -> Memory:
    """One whole run of one item."""
    before = read_items(client, [key])[key]
    edit = difference(before, wanted, memory, preserve=False)
    send(client, section, key, edit)
    after = read_items(client, [key])[key]
    memory = remember(before, after, wanted, memory, edit)
    assert not difference(after, wanted, memory, preserve=False), "a second run has nothing to write"
    return memory


def test_long_lists_arrive_whole_and_leave_a_persons_entries(plex: PlexStandIn, client: PlexClient) -> None:
    section = plex.add_library("Movies")
    key = plex.add_item(
        section, ["/media/a.mp4"], genres=["Theirs"], collections=["Theirs"], actors=[("Theirs", "The Butler")]
    )

    memory = write(client, key, section, MANY, Memory())

    item = plex.item(key)
    assert set(item.genres) == {"Theirs", *(MANY.genres or ())}
    assert set(item.collections) == {"Theirs", *(MANY.collections or ())}
    assert {(role.name, role.role) for role in item.actors} == {
        ("Theirs", "The Butler"),
        *((role.name, role.role) for role in MANY.actors or ()),
    }
    assert {"genre", "collection", "actor", "title"} <= item.locked
    lengths = [len(request.target) for request in plex.edits]
    if plex.tag_mode == "adds":
        assert max(lengths) <= 8_000
        assert client.replaces_lists is False
    else:
        assert client.replaces_lists is True
        assert sum(length > 8_000 for length in lengths) == 3, "one for each list, and none before it was known"

    plex.clear_requests()
    write(client, key, section, Wanted(title="T", genres=(), collections=(), actors=()), memory)

    item = plex.item(key)
    assert (item.genres, item.collections) == (["Theirs"], ["Theirs"])
    assert [(role.name, role.role) for role in item.actors] == [("Theirs", "The Butler")]
    if plex.tag_mode == "adds":
        assert max(len(request.target) for request in plex.edits) <= 8_000


def test_a_server_that_was_seen_to_replace_is_sent_the_whole_list_at_once(
    plex: PlexStandIn, client: PlexClient
) -> None:
    section = plex.add_library("Movies")
    first, second = (plex.add_item(section, [f"/media/{n}.mp4"]) for n in range(2))
    write(client, first, section, Wanted(genres=MANY.genres), Memory())
    plex.clear_requests()

    write(client, second, section, Wanted(genres=MANY.genres), Memory())

    assert set(plex.item(second).genres) == set(MANY.genres or ())
    assert (len(plex.edits) == 1) is (plex.tag_mode == "replaces")


@pytest.mark.parametrize("kill_after", range(1, 4))
def test_a_persons_entries_outlive_a_kill_between_two_pieces(
    plex: PlexStandIn, client: PlexClient, kill_after: int
) -> None:
    section = plex.add_library("Movies")
    key = plex.add_item(section, ["/media/a.mp4"], genres=["Theirs", "Théirs, too"])
    edit = difference(read_items(client, [key])[key], Wanted(genres=MANY.genres), Memory(), preserve=False)
    pieces = divide(edit, "genres")
    assert len(pieces) > 1

    for piece in pieces[:kill_after]:
        client.put(f"/library/sections/{section}/all", [("type", "1"), ("id", str(key)), *piece])

    assert {"Theirs", "Théirs, too"} <= set(plex.item(key).genres)
    memory = Memory(intended=edit.intended())
    memory = write(client, key, section, Wanted(genres=MANY.genres), memory)
    assert set(plex.item(key).genres) == {"Theirs", "Théirs, too", *(MANY.genres or ())}
    write(client, key, section, Wanted(genres=()), memory)
    assert set(plex.item(key).genres) == {"Theirs", "Théirs, too"}


def test_requests_are_counted(plex: PlexStandIn, client: PlexClient) -> None:
    section = plex.add_library("Movies")
    key = plex.add_item(section, ["/media/a.mp4"])
    plex.clear_requests()

    assert send(client, section, key, Edit(single={"title": "T", "rating": "7"})) == 1
    assert send(
        client, section, key, Edit(lists={"genres": ListEdit(tuple(map(Role, MANY.genres or ())), (), NOBODY)})
    ) == (len(plex.edits) - 1)


def test_an_item_that_is_gone_is_told(plex: PlexStandIn, client: PlexClient) -> None:
    section = plex.add_library("Movies")
    key = plex.add_item(section, ["/media/a.mp4"])
    plex.remove_item(key)

    with pytest.raises(PlexItemGone):
        send(client, section, key, Edit(single={"title": "T"}))
    with pytest.raises(PlexItemGone):
        rate(client, key, "7")


@pytest.mark.parametrize(("rating", "held"), [("7.5", 7.5), ("0.1", 0.1), ("10", 10.0), ("", None)])
def test_a_rating_is_set_and_taken_back(plex: PlexStandIn, client: PlexClient, rating: str, held: float | None) -> None:
    section = plex.add_library("Movies")
    key = plex.add_item(section, ["/media/a.mp4"])
    plex.person_edits(key, user_rating=3.0)

    rate(client, key, rating)

    assert plex.item(key).user_rating == held
    assert read_items(client, [key])[key].rating == rating
    assert plex.item(key).locked == set()


def test_every_detail_has_a_parameter() -> None:
    change = ListEdit((Role("Anna"),), (), NOBODY, frozenset(detail_key(what, "Anna") for what in DETAILS))

    assert len(list_parameters("actor", change)) == 1 + len(DETAILS)
