"""Which edits go as one request for many items."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import Role
from sync.plex.difference import LIST_FIELDS, PICTURES, SINGLE_FIELDS, Edit, ListEdit, detail_key
from sync.plex.edits import LONGEST_QUERY, addressed_to, fields, length_of, split
from sync.plex.grouping import MOST_ITEMS, Group, ItemEdit, grouped

NOBODY: frozenset[str] = frozenset()
PLEX_NAMES = SINGLE_FIELDS | LIST_FIELDS | PICTURES


def studio(name: str = "Acme", lock_too: set[str] | None = None) -> Edit:
    return Edit({"studio": name}, lock_too=lock_too or set())


def genres(*names: str, removed: tuple[str, ...] = (), foreign: frozenset[str] = NOBODY) -> Edit:
    return Edit(lists={"genres": ListEdit(tuple(map(Role, names)), removed, foreign)})


def items(*edits: Edit, section: int = 1, locked: frozenset[str] = NOBODY) -> list[ItemEdit]:
    return [ItemEdit(section, number, edit, locked) for number, edit in enumerate(edits, 1)]


def keys(groups: list[Group]) -> list[tuple[int, ...]]:
    return [group.rating_keys for group in groups]


def request_of(edit: Edit) -> list[tuple[str, str]]:
    return [parameter for part in fields(edit) for parameter in part]


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        pytest.param([studio(), studio(), studio("Other")], [(1, 2)], id="the same studio"),
        pytest.param([studio()], [], id="alone"),
        pytest.param([Edit(), Edit(), Edit(lock_too={"title"}), Edit(lock_too={"title"})], [], id="nothing to write"),
        pytest.param([Edit({"rating": "8"}), Edit({"rating": "8"})], [], id="a rating is a request of its own"),
        pytest.param(
            [Edit({"studio": "A", "rating": "8"}), Edit({"studio": "A", "rating": "2"})],
            [(1, 2)],
            id="but for the rating",
        ),
        pytest.param([studio(), Edit({"studio": "Acme", "title": "T"})], [], id="one has another title, too"),
        pytest.param([genres("a", "b"), genres("a", "b"), genres("b", "a")], [(1, 2)], id="lists in another order"),
        pytest.param([genres("a"), genres("a", removed=("b",))], [], id="lists of which one removes"),
        pytest.param(
            [genres("a", "b"), genres("a", "b", foreign=frozenset({"b"}))], [(1, 2)], id="whoever put the entries there"
        ),
        pytest.param([Edit({"studio": ""}, released={"studio"}), Edit({"studio": ""})], [], id="unlocked, locked"),
        pytest.param(
            [
                Edit(lists={"actors": ListEdit((Role("A"),), (), NOBODY, details)})
                for details in (NOBODY, frozenset({"x"}))
            ],
            [(1, 2)],
            id="details of nobody who is there",
        ),
        pytest.param(
            [
                Edit(lists={"actors": ListEdit((Role("A"),), (), NOBODY, details)})
                for details in (NOBODY, frozenset({detail_key("role", "A")}))
            ],
            [],
            id="an actor whose role goes",
        ),
    ],
)
def test_which_edits_are_one_request(edits: list[Edit], expected: list[tuple[int, ...]]) -> None:
    assert keys(grouped(items(*edits))) == expected


def test_libraries_are_apart() -> None:
    both = [*items(studio(), studio()), ItemEdit(2, 3, studio(), NOBODY), ItemEdit(2, 4, studio(), NOBODY)]
    assert [(group.section, group.rating_keys) for group in grouped(both)] == [(1, (1, 2)), (2, (3, 4))]


def test_an_item_that_stands_twice_is_in_a_group_once() -> None:
    assert keys(grouped([*items(studio(), studio()), *items(studio())])) == [(1, 2)]


def test_a_hundred_at_the_most() -> None:
    assert [len(one) for one in keys(grouped(items(*[studio()] * 250)))] == [100, 100, 50]
    assert [len(one) for one in keys(grouped(items(*[studio()] * 11), 5))] == [5, 5]
    assert grouped(items(*[studio()] * 3), 1) == grouped(items(*[studio()] * 3), 0) == []


def test_a_long_summary_for_many_gets_smaller_groups() -> None:
    summary = Edit({"summary": "x" * (LONGEST_QUERY - 200)})
    many = [ItemEdit(1, 1_000_000 + number, summary, NOBODY) for number in range(100)]
    sizes = [len(one) for one in keys(grouped(many))]
    assert sum(sizes) == 100 and max(sizes) < 20
    assert grouped(items(*[Edit({"summary": "ü" * 2_000})] * 3)) == [], "too long for one request"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(({"title"}, set()), ({"title"}, set()), {"title"}, id="both lack it"),
        pytest.param(({"title"}, set()), (set(), {"title"}), {"title"}, id="one has it"),
        pytest.param(
            ({"title"}, {"summary"}), ({"summary"}, {"title"}), {"summary", "title"}, id="each has the other's"
        ),
        pytest.param(({"title"}, set()), (set(), set()), None, id="one is not to have it"),
        pytest.param(
            ({"date"}, set()), (set(), {"originallyAvailableAt"}), {"originallyAvailableAt"}, id="Plex's name"
        ),
        pytest.param(({"poster"}, set()), (set(), {"thumb"}), {"thumb"}, id="a poster"),
        pytest.param(({"poster"}, set()), (set(), set()), None, id="an agent's poster stays free"),
    ],
)
def test_locks(first: tuple[set[str], set[str]], second: tuple[set[str], set[str]], expected: set[str] | None) -> None:
    both = [ItemEdit(1, key, studio(lock_too=lock), frozenset(has)) for key, (lock, has) in enumerate((first, second))]
    groups = grouped(both)
    if expected is None:
        assert groups == []
    else:
        locks = {name.removesuffix(".locked") for name, _ in groups[0].parameters if name.endswith(".locked")}
        assert locks == expected | {"studio"}


def test_items_with_other_locks_are_another_group() -> None:
    mixed = [studio(lock_too={"summary"} if number % 2 else set()) for number in range(10)]
    assert sorted(keys(grouped(items(*mixed)))) == [(1, 3, 5, 7, 9), (2, 4, 6, 8, 10)]


texts = st.sampled_from(["", "Acme", "a, b & c", "ünï", "x" * 3_000, "y" * 7_500])
names = st.lists(st.sampled_from(["a", "b, c", "ü" * 500]), max_size=3, unique=True)
edits = st.builds(
    Edit,
    single=st.dictionaries(st.sampled_from(["studio", "summary", "rating"]), texts, max_size=2),
    lists=st.dictionaries(
        st.sampled_from(["genres", "actors"]),
        st.builds(lambda entries, removed: ListEdit(tuple(map(Role, entries)), tuple(removed), NOBODY), names, names),
        max_size=1,
    ),
    released=st.sets(st.sampled_from(["studio", "genres"])),
    lock_too=st.sets(st.sampled_from(["title", "date", "poster"])),
)
locked = st.frozensets(st.sampled_from(["title", "originallyAvailableAt", "thumb", "studio"]))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 150), st.sampled_from([1, 3, MOST_ITEMS]))
def test_each_item_gets_what_its_own_request_would_bring(data: st.DataObject, count: int, most: int) -> None:
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
        assert length_of([*addressed_to(group.rating_keys), *group.parameters]) <= LONGEST_QUERY
        for one in (of_key[key] for key in group.rating_keys):
            assert one.section == group.section
            own = request_of(one.edit)
            assert len(split(Edit(one.edit.single, one.edit.lists, one.edit.released))) == 1
            assert set(own) <= set(group.parameters)
            more = {name.removesuffix(".locked") for name, _ in set(group.parameters) - set(own)}
            assert more <= one.locked, "a lock that it has is no news"
            plain = request_of(Edit(one.edit.single, one.edit.lists, one.edit.released))
            assert list(group.parameters[: len(plain)]) == plain, "in its own order"
