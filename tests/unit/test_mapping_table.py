"""What each field of a scene becomes in Plex, by the settings: one line, one decision."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.fields import ORGANIZED, collections_of, genres_of, performer_names, title_of, user_rating, wanted_of
from sync.mapping.performer_pictures import PictureAccess
from sync.model import MediaFile, Performer, Role, Scene
from sync.settings import Settings
from sync.text.clean import LONGEST_LINE, LONGEST_SUMMARY, clean_line, name_key
from sync.text.patterns import names_match, split_names

PROPERTY = settings(max_examples=100, deadline=None)

FILE = (MediaFile("/media/clip.one_2020.mp4"),)
ANNA, BEA = Performer("Anna"), Performer("Bea", "UK")
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


def chosen(**changed: Any) -> Settings:
    return Settings(**changed)


# Titles

FULL = Scene(
    7,
    title="A title",
    studio="Acme",
    parent_studio="Group of Acme",
    date="2020-05-17",
    performers=(ANNA, BEA),
    groups=("One", "Two"),
    code="AC-1",
    director="Dora",
    files=FILE,
)
UNTITLED = Scene(7, studio="Acme", date="2020-05-17", files=FILE)


@pytest.mark.parametrize(
    ("scene", "template", "expected"),
    [
        pytest.param(FULL, "{title}", "A title", id="the title"),
        pytest.param(FULL, "{studio} - {title} ({date})", "Acme - A title (2020-05-17)", id="studio, title, date"),
        pytest.param(FULL, "{title} ({year})", "A title (2020)", id="year"),
        pytest.param(FULL, "{parent_studio}: {title}", "Group of Acme: A title", id="parent studio"),
        pytest.param(FULL, "{performers} in {title}", "Anna, Bea (UK) in A title", id="performers"),
        pytest.param(FULL, "[{code}] {title}", "[AC-1] A title", id="code"),
        pytest.param(FULL, "{title} by {director}", "A title by Dora", id="director"),
        pytest.param(FULL, "{group} - {title}", "One, Two - A title", id="groups"),
        pytest.param(FULL, "{title} #{id}", "A title #7", id="id"),
        pytest.param(FULL, "{ STUDIO }/{Title}", "Acme/A title", id="places in another case"),
        pytest.param(FULL, "{title} [{code}] #{id}", "A title [AC-1] #7", id="a sign that touches"),
        pytest.param(Scene(7, title="T"), "{title} [{code}] #{id}", "T #7", id="a sign stays with its place"),
        pytest.param(Scene(7, title="T"), "{studio} #{id}: {title}", "#7: T", id="a sign stays at the beginning"),
        pytest.param(Scene(7, title="T"), '{studio}: "{title}"', '"T"', id="quotes stay together"),
        pytest.param(Scene(7, title="T"), '"{title}" ({year})', '"T"', id="quotes before what is missing"),
        pytest.param(Scene(7, title="T"), "«{title}» {year}", "«T»", id="other quotes"),
        pytest.param(Scene(7, title="T"), '{title} "{code}"', "T", id="quotes around nothing"),
        pytest.param(Scene(7, title="T"), "{title}! ({year})", "T!", id="an exclamation mark stays"),
        pytest.param(Scene(7, title="T"), "{studio}’s {title}", "T", id="an ending goes along"),
        pytest.param(Scene(7, title="T", studio="S"), "{studio}'s {title}", "S's T", id="an ending stays"),
        pytest.param(Scene(7, studio="S"), "{studio}: {title}", "S", id="a colon separates"),
        pytest.param(Scene(7, title="T", date="2020-05"), "{title} ({date})", "T (2020-05)", id="a month"),
        pytest.param(Scene(7, title="T", date="2020"), "{title} ({year})", "T (2020)", id="a year"),
        pytest.param(Scene(7, title="T", date="soon"), "{title} ({year})", "T", id="no date that is one"),
        pytest.param(Scene(7, title="T", date="2020"), "{studio} - {title} ({date})", "T (2020)", id="no studio"),
        pytest.param(Scene(7, title="T", studio="S"), "{studio} - {title} ({date})", "S - T", id="no date"),
        pytest.param(Scene(7, title="T"), "{studio} - {title} ({date})", "T", id="title alone"),
        pytest.param(UNTITLED, "{title}", "", id="no title, and the template asks for no more: as Plex names it"),
        pytest.param(
            UNTITLED,
            "{studio} - {title} ({date})",
            "Acme - clip.one_2020 (2020-05-17)",
            id="the file's name for a title",
        ),
        pytest.param(UNTITLED, "{studio} ({date})", "Acme (2020-05-17)", id="no title is asked for"),
        pytest.param(UNTITLED, "{code} - {title}", "", id="the file's name stands beside something only"),
        pytest.param(Scene(7, studio="Acme"), "{studio} - {title}", "Acme", id="no file to name it"),
        pytest.param(Scene(7, files=FILE), "{studio} - {title} ({date})", "", id="nothing at all"),
        pytest.param(Scene(7, files=FILE), "{id} - {title}", "7 - clip.one_2020", id="an id is always there"),
        pytest.param(
            Scene(7, studio="S", files=(MediaFile("D:\\a\\Clip.mkv"),)), "{studio} - {title}", "S - Clip", id="Windows"
        ),
        pytest.param(
            Scene(7, studio="S", files=(MediaFile("/a/.hidden"),)), "{studio} - {title}", "S - .hidden", id="dot file"
        ),
        pytest.param(
            Scene(7, studio="S", files=(MediaFile("/a/one.mp4"), MediaFile("/a/two.mp4"))),
            "{studio} - {title}",
            "S - one",
            id="the primary file",
        ),
        pytest.param(Scene(7, title="({studio})", studio="S"), "{title}", "({studio})", id="braces in a title"),
        pytest.param(Scene(7, title="T", studio="S\u200b"), "{studio} - {title}", "S - T", id="what nobody sees"),
        pytest.param(Scene(7, title="T", studio="\u200b"), "{studio} - {title}", "T", id="nothing to see is nothing"),
        pytest.param(Scene(7, title="T", studio="A\nB"), "{studio} - {title}", "A B - T", id="a line's end"),
        pytest.param(Scene(7, title=f"T {FAMILY}"), "{title}!", f"T {FAMILY}!", id="emoji"),
        pytest.param(
            Scene(7, title="T", studio="S" * 300), "{studio} - {title}", "S" * LONGEST_LINE, id="longer than a title"
        ),
        pytest.param(FULL, "({title}", "(A title", id="a bracket that is never closed"),
        pytest.param(Scene(7, title="T"), "{title} [{code}", "T", id="a bracket that led to nothing"),
    ],
)
def test_titles(scene: Scene, template: str, expected: str) -> None:
    assert title_of(scene, template) == expected
    assert wanted_of(scene, chosen(title_template=template)).title == expected


# Genres

TAGGED = Scene(
    7,
    tags=("Rock", "Hard rock", "[x] a", "Jazz, modern", "rock"),
    performers=(Performer("Anna", tags=("Blonde", "Rock")), Performer("Bea", tags=("Tall", "blonde"))),
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, ["Rock", "Hard rock", "[x] a", "Jazz, modern"], id="each once, whatever its case"),
        pytest.param({"ignore_tags": "rock"}, ["Hard rock", "[x] a", "Jazz, modern"], id="ignored in any case"),
        pytest.param({"ignore_tags": "*rock*"}, ["[x] a", "Jazz, modern"], id="ignored by a glob"),
        pytest.param({"ignore_tags": "[x]*"}, ["Rock", "Hard rock", "Jazz, modern"], id="brackets are brackets"),
        pytest.param({"ignore_tags": "[x]"}, ["Rock", "Hard rock", "[x] a", "Jazz, modern"], id="no part of a name"),
        pytest.param({"ignore_tags": "Jazz, modern;"}, ["Rock", "Hard rock", "[x] a"], id="a name with a comma"),
        pytest.param({"ignore_tags": "Jazz, modern"}, ["Rock", "Hard rock", "[x] a", "Jazz, modern"], id="two names"),
        pytest.param({"ignore_tags": "Ro?k, hard*"}, ["[x] a", "Jazz, modern"], id="several"),
        pytest.param({"ignore_tags": "*"}, [], id="all"),
        pytest.param(
            {"sync_performer_tags": True},
            ["Rock", "Hard rock", "[x] a", "Jazz, modern", "Blonde", "Tall"],
            id="the scene's own first",
        ),
        pytest.param(
            {"sync_performer_tags": True, "ignore_tags": "blonde, [x]*, *rock, jazz*"},
            ["Tall"],
            id="ignored wherever they come from",
        ),
        pytest.param({"max_tags": 2}, ["Rock", "Hard rock"], id="the first two"),
        pytest.param({"max_tags": 1, "ignore_tags": "rock"}, ["Hard rock"], id="what is ignored does not count"),
        pytest.param(
            {"max_tags": 5, "sync_performer_tags": True},
            ["Rock", "Hard rock", "[x] a", "Jazz, modern", "Blonde"],
            id="performers' tags count too",
        ),
        pytest.param({"max_tags": 100}, ["Rock", "Hard rock", "[x] a", "Jazz, modern"], id="fewer than the most"),
    ],
)
def test_genres(changed: dict[str, Any], expected: list[str]) -> None:
    assert wanted_of(TAGGED, chosen(**changed)).genres == tuple(expected)


def test_max_tags_of_nought_is_all_of_them() -> None:
    tags = tuple(f"Tag {number}" for number in range(500))

    assert wanted_of(Scene(7, tags=tags), Settings()).genres == tags


def test_tags_of_performers_are_no_genres_where_tags_are_off() -> None:
    assert wanted_of(TAGGED, chosen(sync_tags=False, sync_performer_tags=True)).genres is None


# Collections

GROUPED = Scene(
    7,
    studio="Acme",
    parent_studio="Group of Acme",
    groups=("A series", "acme"),
    performers=(ANNA, BEA),
    tags=("Rock", "Hard rock", "Jazz"),
    organized=True,
)
OFF = {"collection_groups": False}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, ["A series", "acme"], id="groups are on"),
        pytest.param(OFF, None, id="no source, no say"),
        pytest.param({**OFF, "collection_prefix": "Stash: "}, None, id="a prefix is no source"),
        pytest.param({**OFF, "collection_studio": True}, ["Acme"], id="studio"),
        pytest.param({**OFF, "collection_parent_studio": True}, ["Group of Acme"], id="parent studio"),
        pytest.param({**OFF, "collection_performers": True}, ["Anna", "Bea (UK)"], id="performers by their whole name"),
        pytest.param({**OFF, "collection_tags": "rock"}, ["Rock"], id="a chosen tag"),
        pytest.param({**OFF, "collection_tags": "*rock"}, ["Rock", "Hard rock"], id="tags by a glob"),
        pytest.param({**OFF, "collection_tags": "pop"}, [], id="a tag that the scene does not have"),
        pytest.param({**OFF, "collection_organized": True}, [ORGANIZED], id="organized"),
        pytest.param({"collection_studio": True}, ["Acme", "A series"], id="one name in two cases is one collection"),
        pytest.param(
            {"collection_prefix": "Stash: "}, ["Stash: A series", "Stash: acme"], id="a prefix with a blank behind it"
        ),
        pytest.param({"collection_prefix": "x"}, ["xA series", "xacme"], id="a prefix without"),
        pytest.param(
            {**OFF, "collection_organized": True, "collection_prefix": "S "}, ["S Organized"], id="a prefix for all"
        ),
        pytest.param(
            {
                "collection_studio": True,
                "collection_parent_studio": True,
                "collection_performers": True,
                "collection_tags": "jazz",
                "collection_organized": True,
            },
            ["Acme", "Group of Acme", "A series", "Anna", "Bea (UK)", "Jazz", "Organized"],
            id="all of them",
        ),
        pytest.param({**OFF, "collection_tags": "jazz", "sync_tags": False}, ["Jazz"], id="tags that are no genres"),
        pytest.param({**OFF, "collection_tags": "jazz", "ignore_tags": "jazz"}, ["Jazz"], id="tags ignored as genres"),
    ],
)
def test_collections(changed: dict[str, Any], expected: list[str] | None) -> None:
    assert wanted_of(GROUPED, chosen(**changed)).collections == (None if expected is None else tuple(expected))


@pytest.mark.parametrize(
    ("source", "scene"),
    [
        ("collection_studio", Scene(7)),
        ("collection_studio", Scene(7, studio="\u200b ")),
        ("collection_parent_studio", Scene(7, studio="Acme")),
        ("collection_groups", Scene(7, groups=("", " "))),
        ("collection_performers", Scene(7, performers=(Performer(" "),))),
        ("collection_organized", Scene(7)),
    ],
)
def test_a_source_that_has_nothing_is_no_collection_of_the_prefix_alone(source: str, scene: Scene) -> None:
    off = {"collection_groups": False}
    assert wanted_of(scene, chosen(**{**off, source: True}, collection_prefix="Stash: ")).collections == ()


# Roles


def role_of(performer: Performer, template: str, date: str = "2020-05-17") -> str:
    (actor,) = wanted_of(Scene(7, date=date, performers=(performer,)), chosen(performer_role=template)).actors or ()
    return actor.role


@pytest.mark.parametrize(
    ("performer", "template", "expected"),
    [
        pytest.param(BEA, "{disambiguation}", "UK", id="disambiguation"),
        pytest.param(ANNA, "{disambiguation}", "", id="no disambiguation"),
        pytest.param(BEA, "", "", id="no role"),
        pytest.param(ANNA, "Performer", "Performer", id="one role for all"),
        pytest.param(Performer("A", gender="FEMALE"), "{gender}", "Female", id="gender"),
        pytest.param(
            Performer("A", gender="TRANSGENDER_MALE"), "{gender}", "Transgender male", id="gender of two words"
        ),
        pytest.param(Performer("A", gender="NON_BINARY"), "{gender}", "Non binary", id="another gender"),
        pytest.param(Performer("A", country="DE"), "{country}", "DE", id="country"),
        pytest.param(Performer("A", aliases=("", " ", "Ann", "An")), "{alias}", "Ann", id="the first alias there is"),
        pytest.param(Performer("A", aliases=()), "{alias}", "", id="no alias"),
        pytest.param(
            Performer("A", "x", "FEMALE", "2000-01-01", "DE"),
            "{gender}, {age} ({country})",
            "Female, 20 (DE)",
            id="several",
        ),
        pytest.param(Performer("A", gender="FEMALE"), "{gender}, {age} ({country})", "Female", id="what is missing"),
        pytest.param(Performer("A"), "{gender}, {age} ({country})", "", id="nothing of it"),
        pytest.param(Performer("A", country="D\nE\u200b"), "{country}", "D E", id="cleaned"),
        pytest.param(Performer("A", aliases=("x" * 300,)), "{alias}", "x" * LONGEST_LINE, id="cut"),
    ],
)
def test_roles(performer: Performer, template: str, expected: str) -> None:
    assert role_of(performer, template) == expected


@pytest.mark.parametrize(
    ("born", "date", "age"),
    [
        pytest.param("2000-05-17", "2020-05-17", "20", id="on the birthday"),
        pytest.param("2000-05-17", "2020-05-16", "19", id="the day before"),
        pytest.param("2000-05-17", "2020-05-18", "20", id="the day after"),
        pytest.param("2000-12-31", "2020-01-01", "19", id="the end of one year and the beginning of another"),
        pytest.param("2000-02-29", "2020-02-29", "20", id="leap day"),
        pytest.param("2000-02-29", "2021-02-28", "20", id="leap day: not yet"),
        pytest.param("2000-02-29", "2021-03-01", "21", id="leap day: a day later"),
        pytest.param("2020-05-17", "2020-05-17", "0", id="born that day"),
        pytest.param("2020-05-18", "2020-05-17", "", id="not born yet"),
        pytest.param("2000", "2020-05-17", "", id="a birth year alone"),
        pytest.param("2000-05", "2020-05-17", "", id="a birth month alone"),
        pytest.param("2000-05-17", "2020", "", id="a scene's year alone"),
        pytest.param("2000-05-17", "2020-05", "", id="a scene's month alone"),
        pytest.param("", "2020-05-17", "", id="no birthday"),
        pytest.param("2000-05-17", "", "", id="no date"),
        pytest.param("2000-13-17", "2020-05-17", "", id="no such birthday"),
        pytest.param("unknown", "2020-05-17", "", id="words"),
    ],
)
def test_ages_on_the_day_of_the_scene(born: str, date: str, age: str) -> None:
    assert role_of(Performer("A", birthdate=born), "{age}", date) == age


# Performers

PICTURE = "http://10.0.0.2:9999/performer/7/image?t=1"


@pytest.mark.parametrize(
    ("performers", "expected"),
    [
        pytest.param((), [], id="nobody"),
        pytest.param((BEA, ANNA), [Role("Bea (UK)", "UK"), Role("Anna")], id="in Stash's order"),
        pytest.param(
            (Performer("Anna", "UK"), Performer("Anna", "DE")),
            [Role("Anna (UK)", "UK"), Role("Anna (DE)", "DE")],
            id="two of one name",
        ),
        pytest.param((ANNA, Performer("anna ")), [Role("Anna")], id="one person twice"),
        pytest.param((Performer(""), Performer("\u200b", "x"), ANNA), [Role("Anna")], id="without a name"),
        pytest.param((Performer("A" * 300),), [Role("A" * LONGEST_LINE)], id="cut"),
        pytest.param((Performer("Zoe\u0308"),), [Role("Zo\u00eb")], id="composed"),
        pytest.param(
            (Performer("A" * 254, "one"), Performer("A" * 254, "two")),
            [Role("A" * 249 + " (one)", "one"), Role("A" * 249 + " (two)", "two")],
            id="two of one long name stay two",
        ),
    ],
)
def test_actors(performers: tuple[Performer, ...], expected: list[Role]) -> None:
    assert wanted_of(Scene(7, performers=performers), Settings()).actors == tuple(expected)


@pytest.mark.parametrize(
    ("picture", "access", "expected"),
    [
        pytest.param(PICTURE, None, "", id="no access"),
        pytest.param(PICTURE, PictureAccess(), PICTURE, id="as Stash gives it"),
        pytest.param(
            PICTURE, PictureAccess("https://s.example.org"), "https://s.example.org/performer/7/image?t=1", id="set"
        ),
        pytest.param(PICTURE, PictureAccess(key="k"), f"{PICTURE}&apikey=k", id="a key that the user gives away"),
        pytest.param("", PictureAccess(key="k"), "", id="no picture of its own"),
        pytest.param("http://localhost:9999/performer/7/image", PictureAccess(), "", id="out of Plex's reach"),
        pytest.param(
            "http://localhost:9999/performer/7/image",
            PictureAccess(loopback=True),
            "http://localhost:9999/performer/7/image",
            id="Plex on the same machine",
        ),
    ],
)
def test_pictures_of_actors(picture: str, access: PictureAccess | None, expected: str) -> None:
    scene = Scene(7, performers=(Performer("Anna", picture=picture),))

    assert wanted_of(scene, Settings(), access).actors == (Role("Anna", "", expected),)


# Single fields


@pytest.mark.parametrize(
    ("rating100", "expected"),
    [
        pytest.param(None, "", id="not rated"),
        pytest.param(0, "", id="zero is not rated"),
        pytest.param(1, "0.1", id="the least"),
        pytest.param(7, "0.7", id="below one"),
        pytest.param(20, "2", id="one star"),
        pytest.param(85, "8.5", id="a half"),
        pytest.param(99, "9.9", id="below ten"),
        pytest.param(100, "10", id="the most"),
        pytest.param(101, "10", id="more than the most"),
        pytest.param(-5, "", id="less than nothing"),
    ],
)
def test_ratings(rating100: int | None, expected: str) -> None:
    assert user_rating(rating100) == expected
    assert wanted_of(Scene(7, rating=rating100), Settings()).rating == expected


@pytest.mark.parametrize(
    ("choice", "tagline", "original_title"),
    [("tagline", "AC-1", ""), ("original_title", "", "AC-1"), ("off", None, None)],
)
def test_where_the_code_goes(choice: str, tagline: str | None, original_title: str | None) -> None:
    """A code of ours does not stay behind in the other field."""
    wanted = wanted_of(Scene(7, code=" AC-1\u200b"), chosen(code_field=choice))

    assert (wanted.tagline, wanted.original_title) == (tagline, original_title)


@pytest.mark.parametrize(("choice", "field"), [("tagline", "tagline"), ("original_title", "original_title")])
def test_no_code_takes_back_ours(choice: str, field: str) -> None:
    assert getattr(wanted_of(Scene(7), chosen(code_field=choice)), field) == ""


@pytest.mark.parametrize(("typed", "expected"), [("", None), ("XXX", "XXX"), ("de/18", "de/18")])
def test_the_content_rating_is_the_users(typed: str, expected: str | None) -> None:
    assert wanted_of(FULL, chosen(content_rating=typed)).content_rating == expected


@pytest.mark.parametrize(
    ("scene", "field", "expected"),
    [
        pytest.param(Scene(7, date="2020-05-17"), "date", "2020-05-17", id="date"),
        pytest.param(Scene(7, date="2020-05"), "date", "2020-05-01", id="date of a month"),
        pytest.param(Scene(7, date="2020"), "date", "2020-01-01", id="date of a year"),
        pytest.param(Scene(7, date=""), "date", "", id="no date"),
        pytest.param(Scene(7, date="soon"), "date", "", id="no date that is one"),
        pytest.param(Scene(7, studio=" Acme\x07 "), "studio", "Acme", id="studio cleaned"),
        pytest.param(Scene(7, studio="日" * 300), "studio", "日" * LONGEST_LINE, id="studio cut"),
        pytest.param(Scene(7, details="a\r\nb\u200b"), "summary", "a\nb", id="summary cleaned"),
        pytest.param(Scene(7, details="a" * 20_000), "summary", "a" * LONGEST_SUMMARY, id="summary cut"),
        pytest.param(Scene(7, details=FAMILY), "summary", FAMILY, id="emoji in a summary"),
        pytest.param(Scene(7, director="Dora"), "directors", ("Dora",), id="director"),
        pytest.param(Scene(7, director=" "), "directors", (), id="no director"),
        pytest.param(Scene(7, director="Dora, Eve"), "directors", ("Dora, Eve",), id="Stash has one director"),
        pytest.param(Scene(7, code="x" * 300), "tagline", "x" * LONGEST_LINE, id="code cut"),
        pytest.param(Scene(7, title="x" * 254 + FAMILY), "title", "x" * 254, id="no half of an emoji"),
    ],
)
def test_fields(scene: Scene, field: str, expected: object) -> None:
    assert getattr(wanted_of(scene, Settings()), field) == expected


# Properties

tag_names = st.text(st.sampled_from("aAbBé[]*?,; \u200b"), max_size=4)
tag_lists = st.lists(tag_names, max_size=8).map(tuple)


@PROPERTY
@given(
    own=tag_lists,
    of_performers=st.lists(tag_lists, max_size=3),
    ignored=st.lists(tag_names.filter(lambda name: name.strip(" ,") and not set(name) & set(";\n\r\"'")), max_size=3),
    most=st.integers(0, 5),
    with_performers=st.booleans(),
)
def test_genres_are_clean_unique_and_wanted(
    own: tuple[str, ...],
    of_performers: list[tuple[str, ...]],
    ignored: list[str],
    most: int,
    with_performers: bool,
) -> None:
    scene = Scene(7, tags=own, performers=tuple(Performer(str(n), tags=tags) for n, tags in enumerate(of_performers)))
    listed = "".join(f"{name};" for name in ignored)
    given_settings = Settings(sync_performer_tags=with_performers, ignore_tags=listed, max_tags=most)

    genres = genres_of(scene, given_settings)

    assert all(name and name == clean_line(name) for name in genres)
    assert len({name_key(name) for name in genres}) == len(genres)
    assert not any(names_match(name, split_names(listed)) for name in genres)
    assert not most or len(genres) <= most
    every = [*own, *(name for tags in of_performers for name in tags if with_performers)]
    kept = {name_key(clean_line(name)) for name in every if clean_line(name)}
    kept -= {key for key in kept if names_match(key, split_names(listed))}
    assert {name_key(name) for name in genres} <= kept
    assert len(genres) == (min(most, len(kept)) if most else len(kept)), "none is lost that could be written"


@PROPERTY
@given(
    studio=tag_names,
    parent=tag_names,
    groups=tag_lists,
    tags=tag_lists,
    performers=st.lists(st.builds(Performer, tag_names, tag_names), max_size=3).map(tuple),
    switches=st.lists(st.booleans(), min_size=5, max_size=5),
    prefix=st.sampled_from(["", "Stash: ", "x", " y"]),
)
def test_collections_are_clean_unique_and_bear_the_prefix(
    studio: str,
    parent: str,
    groups: tuple[str, ...],
    tags: tuple[str, ...],
    performers: tuple[Performer, ...],
    switches: list[bool],
    prefix: str,
) -> None:
    scene = Scene(7, studio=studio, parent_studio=parent, groups=groups, tags=tags, performers=performers)
    names = ("collection_studio", "collection_parent_studio", "collection_groups", "collection_performers")
    given_settings = chosen(
        **dict(zip(names, switches, strict=False)), collection_tags="*" if switches[4] else "", collection_prefix=prefix
    )

    collections = collections_of(scene, given_settings) or ()

    assert all(name == clean_line(name) and name.startswith(prefix.strip()) for name in collections)
    assert all(len(name) > len(prefix.strip()) for name in collections)
    assert len({name_key(name) for name in collections}) == len(collections)
    sources = ((studio,), (parent,), groups, performer_names(performers), tags)
    expected = {
        name_key(clean_line(given_settings.collection_prefix + clean_line(name)))
        for on, source in zip(switches, sources, strict=True)
        for name in source
        if on and clean_line(name)
    }
    assert {name_key(name) for name in collections} == expected


@PROPERTY
@given(st.integers(1, 100))
def test_a_rating_stays_what_it_is(rating100: int) -> None:
    assert round(float(user_rating(rating100)) * 10) == rating100


@PROPERTY
@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=300))
def test_a_performers_name_tells_its_disambiguation(name: str, which: str) -> None:
    (full,) = performer_names((Performer(name, which),)) or ("",)

    assert full == clean_line(full)
    assert len(full) <= LONGEST_LINE
    assert bool(full) == bool(clean_line(name))
    if clean_line(name) and clean_line(which) and len(clean_line(which)) <= 20:
        assert full.endswith(f"({clean_line(which)})")
