"""An edit as the parameters of requests: one item's own, and one request for many items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import PLEX_NAMES, PlexItem, Role
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import Edit, detail_key
from sync.plex.edits import LONGEST_QUERY, MOST_ITEMS, Group, ItemEdit, grouped, length_of, rate, requests_of, send
from sync.plex.exceptions import PlexItemGone
from tests.servers.plex import DEFAULT_TOKEN, PlexStandIn

NOBODY: frozenset[str] = frozenset()


def genres(*names: str, removed: tuple[str, ...] = (), foreign: frozenset[str] = NOBODY) -> Edit:
    added = {"genres": tuple(map(Role, names))} if names else {}
    return Edit(added=added, removed={"genres": removed} if removed else {}, foreign={"genres": foreign})


def actors(*roles: Role, details: frozenset[str] = NOBODY) -> Edit:
    return Edit(added={"actors": roles}, foreign={"actors": NOBODY}, details=details)


def on_the_wire(parameters: Parameters) -> int:
    """How many characters of query a request really has."""
    prepared = requests.Request("PUT", f"http://plex/?{encode(parameters)}").prepare()
    return len(str(prepared.url).partition("?")[2])


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(Edit(), [], id="nothing"),
        pytest.param(
            Edit(single={"title": "T", "date": "2020-05-17", "content_rating": "XXX"}),
            [
                *(("title.value", "T"), ("title.locked", "1")),
                *(("originallyAvailableAt.value", "2020-05-17"), ("originallyAvailableAt.locked", "1")),
                *(("contentRating.value", "XXX"), ("contentRating.locked", "1")),
            ],
            id="single fields by Plex's names",
        ),
        pytest.param(
            Edit(single={"rating": "7.5"}), [("userRating.value", "7.5"), ("userRating.locked", "1")], id="rating"
        ),
        pytest.param(
            Edit(single={"rating": ""}, released={"rating"}),
            [("userRating.value", ""), ("userRating.locked", "0")],
            id="a rating that is taken back",
        ),
        pytest.param(
            Edit(
                added={"collections": (Role("C, D"),)},
                removed={"directors": ("D",)},
                foreign={"collections": NOBODY, "directors": NOBODY},
            ),
            [
                *(("collection[0].tag.tag", "C, D"), ("collection.locked", "1")),
                *(("director[].tag.tag-", "D"), ("director.locked", "1")),
            ],
            id="collections and directors",
        ),
        pytest.param(
            Edit(single={"title": "T"}, lock_too={"poster", "background", "actors"}),
            [
                *(("title.value", "T"), ("title.locked", "1")),
                *(("actor.locked", "1"), ("art.locked", "1"), ("thumb.locked", "1")),
            ],
            id="locked too",
        ),
        pytest.param(
            genres("A", "B", removed=("C, &", "D")),
            [
                *(("genre[0].tag.tag", "A"), ("genre[1].tag.tag", "B")),
                *(("genre[].tag.tag-", "C%2C%20%26,D"), ("genre.locked", "1")),
            ],
            id="a list: what lacks and what goes, each name encoded before they are joined",
        ),
        pytest.param(
            Edit(removed={"actors": ("Anna",)}, foreign={"actors": NOBODY}, released={"actors"}),
            [("actor[].tag.tag-", "Anna"), ("actor.locked", "0")],
            id="the last actor goes",
        ),
        pytest.param(
            actors(
                Role("Anna", "Herself", "https://example.org/a.jpg"),
                Role("Bea", "", "http://stash/performer/1/image?apikey=secret"),
                Role("Cleo", "", "/library/metadata/3/thumb"),
                Role("Dora"),
                details=frozenset({detail_key("role", "Dora"), detail_key("thumb", "Dora")}),
            ),
            [
                *(("actor[0].tag.tag", "Anna"), ("actor[0].tagging.text", "Herself")),
                *(("actor[0].tag.thumb", "https://example.org/a.jpg"), ("actor[1].tag.tag", "Bea")),
                *(("actor[2].tag.tag", "Cleo"), ("actor[3].tag.tag", "Dora")),
                *(("actor[3].tagging.text", ""), ("actor[3].tag.thumb", ""), ("actor.locked", "1")),
            ],
            id="roles and pictures: no key is sent on, no address of Plex's own, nothing is said by saying so",
        ),
    ],
)
def test_parameters_of_an_edit(edit: Edit, expected: list[tuple[str, str]]) -> None:
    assert [parameter for part in requests_of(edit) for parameter in part] == expected


def test_a_server_that_replaces_gets_the_list_whole() -> None:
    item = PlexItem(1, 1, genres=("Theirs", "Old"))
    (request,) = requests_of(genres("New", removed=("Old",), foreign=frozenset({"Theirs"})), item)
    assert dict(request) == {
        "genre[0].tag.tag": "Theirs",
        "genre[1].tag.tag": "New",
        "genre[].tag.tag-": "Old",
        "genre.locked": "1",
    }
    many = genres(*(f"A genre of some length {number}" for number in range(500)))
    whole = requests_of(many, item)
    assert [sum(name.endswith("tag.tag") for name, _ in part) for part in whole] == [502]


def test_a_long_list_is_several_requests_that_add_up() -> None:
    names = [f"Täg number {number:03} with a name that is rather long" for number in range(300)]
    gone = tuple(f"Gone {number}" for number in range(200))
    parts = requests_of(genres(*names, removed=gone))
    assert len(parts) > 3
    assert all(on_the_wire(part) <= LONGEST_QUERY for part in parts)
    assert [value for part in parts for name, value in part if name.endswith(".tag.tag")] == names
    for part in parts:
        numbered = [name for name, _ in part if name.endswith(".tag.tag")]
        assert numbered == [f"genre[{number}].tag.tag" for number in range(len(numbered))]
    removed = [value for part in parts for name, value in part if name.endswith("tag-")]
    assert tuple(unquote(name) for value in removed for name in value.split(",")) == gone
    assert all(("genre.locked", "1") in part for part in parts)


texts = st.sampled_from(["", "Acme", "a, b & c", "ünï", "x" * 3_000, "y" * 7_500])
names = st.lists(st.sampled_from(["a", "b, c", "ü" * 500]), max_size=3, unique=True).map(tuple)
edits = st.builds(
    lambda single, added, removed, released, lock_too: Edit(
        single,
        {name: tuple(map(Role, some)) for name, some in added.items() if some},
        {name: some for name, some in removed.items() if some},
        {"genres": NOBODY, "actors": NOBODY},
        released=released,
        lock_too=lock_too,
    ),
    single=st.dictionaries(st.sampled_from(["studio", "summary", "rating"]), texts, max_size=2),
    added=st.dictionaries(st.sampled_from(["genres", "actors"]), names, max_size=2),
    removed=st.dictionaries(st.sampled_from(["genres", "actors"]), names, max_size=2),
    released=st.sets(st.sampled_from(["studio", "genres"])),
    lock_too=st.sets(st.sampled_from(["title", "date", "poster"])),
)


@settings(max_examples=75, deadline=None)
@given(edits)
def test_no_request_is_longer_than_it_has_to_be_and_none_lacks_its_lock(edit: Edit) -> None:
    parts = requests_of(edit)
    for part in parts:
        assert length_of(part) == on_the_wire(part)
        assert parse_qsl(encode(part), keep_blank_values=True) == list(part)
        fields = {name.partition(".")[0].partition("[")[0] for name, _ in part}
        assert on_the_wire(part) <= LONGEST_QUERY or len(fields) == 1
        locks = [name.removesuffix(".locked") for name, _ in part if name.endswith(".locked")]
        assert sorted(locks) == sorted(fields)
    assert {name for part in parts for name, _ in part if name.endswith(".locked")} == {
        f"{PLEX_NAMES[name]}.locked" for name in {*edit.fields, *edit.lock_too}
    }


def studio(name: str = "Acme", lock_too: set[str] | None = None) -> Edit:
    return Edit({"studio": name}, lock_too=lock_too or set())


def items(*edits: Edit, section: int = 1, locked: frozenset[str] = NOBODY) -> list[ItemEdit]:
    return [ItemEdit(section, number, edit, locked) for number, edit in enumerate(edits, 1)]


def keys(groups: list[Group]) -> list[tuple[int, ...]]:
    return [group.rating_keys for group in groups]


@pytest.mark.parametrize(
    ("given_edits", "expected"),
    [
        pytest.param([studio(), studio(), studio("Other")], [(1, 2)], id="the same studio"),
        pytest.param([studio()], [], id="alone"),
        pytest.param([Edit(), Edit(), Edit(lock_too={"title"}), Edit(lock_too={"title"})], [], id="nothing to write"),
        pytest.param([Edit({"rating": "8"}), Edit({"rating": "8"})], [(1, 2)], id="a rating is a field"),
        pytest.param([studio(), Edit({"studio": "Acme", "title": "T"})], [], id="one has another title, too"),
        pytest.param(
            [genres("a", removed=("b",), foreign=frozenset({name})) for name in ("x", "y", "z")],
            [(1, 2, 3)],
            id="a tag is renamed, whatever else the items hold",
        ),
        pytest.param([genres("a"), genres("a", removed=("b",))], [], id="lists of which one removes"),
        pytest.param([Edit({"studio": ""}, released={"studio"}), Edit({"studio": ""})], [], id="unlocked, locked"),
        pytest.param(
            [actors(Role("A")), actors(Role("A"), details=frozenset({detail_key("role", "A")}))],
            [],
            id="an actor whose role goes",
        ),
    ],
)
def test_which_edits_are_one_request(given_edits: list[Edit], expected: list[tuple[int, ...]]) -> None:
    assert keys(grouped(items(*given_edits))) == expected


def test_libraries_are_apart_and_a_hundred_items_are_the_most() -> None:
    both = [*items(studio(), studio()), ItemEdit(2, 3, studio(), NOBODY), ItemEdit(2, 4, studio(), NOBODY)]
    assert [(group.section, group.rating_keys) for group in grouped(both)] == [(1, (1, 2)), (2, (3, 4))]
    assert [len(one) for one in keys(grouped(items(*[studio()] * 250)))] == [100, 100, 50]
    assert [len(one) for one in keys(grouped(items(*[studio()] * 11), 5))] == [5, 5]
    assert grouped(items(*[studio()] * 3), 1) == grouped(items(*[studio()] * 3), 0) == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(({"title"}, set()), ({"title"}, set()), {"title"}, id="both lack it"),
        pytest.param(({"title"}, set()), (set(), {"title"}), {"title"}, id="one has it"),
        pytest.param(({"title"}, set()), (set(), set()), set(), id="one is not to have it: it is left out"),
        pytest.param(
            ({"date"}, set()), (set(), {"originallyAvailableAt"}), {"originallyAvailableAt"}, id="Plex's name"
        ),
        pytest.param(({"poster"}, set()), (set(), {"thumb"}), {"thumb"}, id="a poster"),
    ],
)
def test_locks(first: tuple[set[str], set[str]], second: tuple[set[str], set[str]], expected: set[str]) -> None:
    both = [ItemEdit(1, key, studio(lock_too=lock), frozenset(has)) for key, (lock, has) in enumerate((first, second))]
    (group,) = grouped(both)
    locks = {name.removesuffix(".locked") for name, _ in group.parameters if name.endswith(".locked")}
    assert locks == expected | {"studio"}


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 150), st.sampled_from([1, 3, MOST_ITEMS]))
def test_each_item_gets_what_its_own_request_would_bring(data: st.DataObject, count: int, most: int) -> None:
    locked = st.frozensets(st.sampled_from(["title", "originallyAvailableAt", "thumb", "studio"]))
    drawn = data.draw(st.lists(st.tuples(st.integers(1, 2), edits, locked), min_size=1, max_size=4))
    seed = data.draw(st.randoms(use_true_random=False))
    given_ = [
        ItemEdit(section, 10**6 + key, edit, has) for key in range(count) for section, edit, has in [seed.choice(drawn)]
    ]
    of_key = {one.rating_key: one for one in given_}
    groups = grouped(given_, most)
    assert all(times == 1 for times in Counter(key for group in groups for key in group.rating_keys).values())
    for group in groups:
        assert 2 <= len(group.rating_keys) <= most
        ids = ("id", ",".join(map(str, group.rating_keys)))
        assert length_of([("type", "1"), ids, *group.parameters]) <= LONGEST_QUERY
        for one in (of_key[key] for key in group.rating_keys):
            (own,) = requests_of(Edit(**{**_parts(one.edit), "lock_too": set()}))
            assert list(group.parameters[: len(own)]) == list(own), "in its own order"
            more = {name.removesuffix(".locked") for name, _ in group.parameters[len(own) :]}
            wished = {"title": "title", "date": "originallyAvailableAt", "poster": "thumb"}
            assert more <= one.locked | {wished[name] for name in one.edit.lock_too}, "a lock it has or asks for"


def _parts(edit: Edit) -> dict[str, object]:
    return {name: getattr(edit, name) for name in Edit.__dataclass_fields__}


# Over the wire


@pytest.fixture
def client(plex: PlexStandIn) -> Iterator[PlexClient]:
    made = PlexClient(plex.url, DEFAULT_TOKEN, identifier="x", connect_timeout=5, read_timeout=5)
    yield made
    made.close()


def test_an_edit_without_items_cannot_be_sent(plex: PlexStandIn, client: PlexClient) -> None:
    """Plex would write it to the whole library."""
    library = plex.add_library("Clips")
    with pytest.raises(ValueError, match="names no item"):
        send(client, library, [], [("title.value", "T")])
    assert plex.edits == []


def test_an_item_that_is_gone_is_told(plex: PlexStandIn, client: PlexClient) -> None:
    library = plex.add_library("Clips")
    with pytest.raises(PlexItemGone):
        send(client, library, [99], [("title.value", "T")])


@pytest.mark.parametrize(("rating", "held"), [("7.5", 7.5), ("", None)])
def test_a_rating_of_its_own_is_set_and_taken_back(
    plex: PlexStandIn, client: PlexClient, rating: str, held: float | None
) -> None:
    key = plex.add_item(plex.add_library("Clips"), [("/media/clip.mp4", 1000)])
    rate(client, key, "3")
    rate(client, key, rating)
    assert plex.item(key).user_rating == held
