"""An edit as the parameters of requests."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.model import Role
from sync.plex.client import Parameters, encode
from sync.plex.difference import Edit, ListEdit
from sync.plex.editor import LONGEST_QUERY, fields, list_parameters, split

PROPERTY = settings(max_examples=150, deadline=None)

NOBODY: frozenset[str] = frozenset()


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
    st.sampled_from(["title", "summary", "studio", "date"]), st.text(st.sampled_from("aü 日"), max_size=3000)
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
    lists=st.dictionaries(st.sampled_from(["actors", "genres"]), list_edits),
    lock_too=st.sets(st.sampled_from(["title", "studio", "genres"])),
)


def field_of(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]


@PROPERTY
@given(edits)
def test_splitting_loses_nothing_and_keeps_fields_whole(edit: Edit) -> None:
    parts: list[Parameters] = split(edit)

    assert [p for part in parts for p in part] == [p for group in fields(edit) for p in group]
    for part in parts:
        names = {field_of(name) for name, _ in part}
        assert len(encode(part)) <= LONGEST_QUERY or len(names) == 1
    for group in fields(edit):
        assert any(all(parameter in part for parameter in group) for part in parts)
    for one, next_one in pairwise(parts):
        first = next(group for group in fields(edit) if list(next_one[: len(group)]) == group)
        assert len(encode([*one, *first])) > LONGEST_QUERY - 2, "no more requests than length asks for"
