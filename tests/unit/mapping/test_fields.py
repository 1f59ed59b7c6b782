"""What each field of a scene becomes in Plex, by the settings: one line, one decision."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.fields import (
    collections_of,
    fingerprint,
    genres_of,
    performer_names,
    title_of,
    user_rating,
    wanted_of,
)
from sync.mapping.performer_pictures import PictureAccess
from sync.model import MediaFile, Performer, Role, Scene, Wanted
from sync.settings import Settings
from sync.text.clean import LONGEST_LINE, LONGEST_SUMMARY, clean_line, name_key
from sync.text.patterns import names_match, split_names

PROPERTY = settings(max_examples=100, deadline=None)

FILE = (MediaFile("/media/clip.one_2020.mp4"),)
ANNA, BEA = Performer("Anna"), Performer("Bea", "UK")


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
        pytest.param(FULL, "{performers} in {title}", "Anna, Bea (UK) in A title", id="performers"),
        pytest.param(FULL, "{title} #{id}", "A title #7", id="id"),
        pytest.param(FULL, "{ STUDIO }/{Title}", "Acme/A title", id="places in another case"),
        pytest.param(Scene(7, title="T"), "{title} [{code}] #{id}", "T #7", id="a sign stays with its place"),
        pytest.param(Scene(7, title="T"), '{studio}: "{title}"', '"T"', id="quotes stay together"),
        pytest.param(Scene(7, title="T"), '{title} "{code}"', "T", id="quotes around nothing"),
        pytest.param(Scene(7, title="T", date="2020-05"), "{title} ({date})", "T (2020-05)", id="a month"),
        pytest.param(Scene(7, title="T", date="soon"), "{title} ({year})", "T", id="no date that is one"),
        pytest.param(UNTITLED, "{title}", "", id="no title, and the template asks for no more: as Plex names it"),
        pytest.param(
            UNTITLED,
            "{studio} - {title} ({date})",
            "Acme - clip.one_2020 (2020-05-17)",
            id="the file's name for a title",
        ),
        pytest.param(UNTITLED, "{code} - {title}", "", id="the file's name stands beside something only"),
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
        pytest.param(Scene(7, title="T", studio="\u200b"), "{studio} - {title}", "T", id="nothing to see is nothing"),
        pytest.param(
            Scene(7, title="T", studio="S" * 300), "{studio} - {title}", "S" * LONGEST_LINE, id="longer than a title"
        ),
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
        pytest.param({"ignore_tags": "[x]*"}, ["Rock", "Hard rock", "Jazz, modern"], id="brackets are brackets"),
        pytest.param({"ignore_tags": "Jazz, modern;"}, ["Rock", "Hard rock", "[x] a"], id="a name with a comma"),
        pytest.param(
            {"sync_performer_tags": True},
            ["Rock", "Hard rock", "[x] a", "Jazz, modern", "Blonde", "Tall"],
            id="the scene's own first",
        ),
        pytest.param({"max_tags": 1, "ignore_tags": "rock"}, ["Hard rock"], id="what is ignored does not count"),
        pytest.param(
            {"max_tags": 5, "sync_performer_tags": True},
            ["Rock", "Hard rock", "[x] a", "Jazz, modern", "Blonde"],
            id="performers' tags count too",
        ),
    ],
)
def test_genres(changed: dict[str, Any], expected: list[str]) -> None:
    assert wanted_of(TAGGED, chosen(**changed)).genres == tuple(expected)


def test_max_tags_of_nought_is_all_of_them() -> None:
    tags = tuple(f"Tag {number}" for number in range(500))

    assert wanted_of(Scene(7, tags=tags), Settings()).genres == tags


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
        pytest.param({**OFF, "collection_performers": True}, ["Anna", "Bea (UK)"], id="performers by their whole name"),
        pytest.param({**OFF, "collection_tags": "*rock"}, ["Rock", "Hard rock"], id="tags by a glob"),
        pytest.param({"collection_studio": True}, ["Acme", "A series"], id="one name in two cases is one collection"),
        pytest.param(
            {"collection_prefix": "Stash: "}, ["Stash: A series", "Stash: acme"], id="a prefix with a blank behind it"
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
        ("collection_rating", Scene(7)),
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
        pytest.param(BEA, "", "", id="no role"),
        pytest.param(ANNA, "Performer", "Performer", id="one role for all"),
        pytest.param(
            Performer("A", gender="TRANSGENDER_MALE"), "{gender}", "Transgender male", id="gender of two words"
        ),
        pytest.param(Performer("A", aliases=("", " ", "Ann", "An")), "{alias}", "Ann", id="the first alias there is"),
        pytest.param(
            Performer("A", "x", "FEMALE", "2000-01-01", "DE"),
            "{gender}, {age} ({country})",
            "Female, 20 (DE)",
            id="several",
        ),
        pytest.param(Performer("A", country="D\nE\u200b"), "{country}", "D E", id="cleaned"),
    ],
)
def test_roles(performer: Performer, template: str, expected: str) -> None:
    assert role_of(performer, template) == expected


@pytest.mark.parametrize(
    ("born", "date", "age"),
    [
        pytest.param("2000-05-17", "2020-05-17", "20", id="on the birthday"),
        pytest.param("2000-05-17", "2020-05-16", "19", id="the day before"),
        pytest.param("2000-02-29", "2021-02-28", "20", id="leap day: not yet"),
        pytest.param("2000-02-29", "2021-03-01", "21", id="leap day: a day later"),
        pytest.param("2020-05-17", "2020-05-17", "0", id="born that day"),
        pytest.param("2020-05-18", "2020-05-17", "", id="not born yet"),
        pytest.param("2000", "2020-05-17", "", id="a birth year alone"),
        pytest.param("2000-05-17", "2020", "", id="a scene's year alone"),
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
        pytest.param((BEA, ANNA), [Role("Bea (UK)"), Role("Anna")], id="in Stash's order"),
        pytest.param(
            (Performer("Anna", "UK"), Performer("Anna", "DE")),
            [Role("Anna (UK)"), Role("Anna (DE)")],
            id="two of one name",
        ),
        pytest.param((ANNA, Performer("anna ")), [Role("Anna")], id="one person twice"),
        pytest.param((Performer(""), Performer("\u200b", "x"), ANNA), [Role("Anna")], id="without a name"),
        pytest.param((Performer("A" * 300),), [Role("A" * LONGEST_LINE)], id="cut"),
        pytest.param(
            (Performer("A" * 254, "one"), Performer("A" * 254, "two")),
            [Role("A" * 249 + " (one)"), Role("A" * 249 + " (two)")],
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
        pytest.param(PICTURE, PictureAccess(key="k"), f"{PICTURE}&apikey=k", id="a key that the user gives away"),
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
        pytest.param(20, "2", id="one star"),
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


@pytest.mark.parametrize(("typed", "expected"), [("", None), ("XXX", "XXX"), ("de/18", "de/18")])
def test_the_content_rating_is_the_users(typed: str, expected: str | None) -> None:
    assert wanted_of(FULL, chosen(content_rating=typed)).content_rating == expected


@pytest.mark.parametrize(
    ("scene", "field", "expected"),
    [
        pytest.param(Scene(7, date="2020-05-17"), "date", "2020-05-17", id="date"),
        pytest.param(Scene(7, date="2020"), "date", "2020-01-01", id="date of a year"),
        pytest.param(Scene(7, date=""), "date", "", id="no date"),
        pytest.param(Scene(7, date="soon"), "date", "", id="no date that is one"),
        pytest.param(Scene(7, studio=" Acme\x07 "), "studio", "Acme", id="studio cleaned"),
        pytest.param(Scene(7, details="a" * 20_000), "summary", "a" * LONGEST_SUMMARY, id="summary cut"),
        pytest.param(Scene(7, director="Dora"), "directors", ("Dora",), id="director"),
        pytest.param(Scene(7, director="Dora, Eve"), "directors", ("Dora, Eve",), id="Stash has one director"),
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


# Fingerprints

SCENE = Scene(
    7,
    title=" A  title ",
    details="First\r\n\r\nSecond ",
    date="2020-05",
    studio="Acme ",
    performers=(Performer("Anna", gender="FEMALE"), Performer("Bea")),
    tags=("Rock", "rock", "Jazz"),
    groups=("A series ",),
    code=" AC-1",
    director="Dora\u200b",
    rating=85,
)


FIELDS = tuple(field.name for field in dataclasses.fields(Wanted))


def test_a_whole_scene() -> None:
    wanted = wanted_of(SCENE, Settings())

    assert wanted.title == "A title"
    assert wanted.summary == "First\n\nSecond"
    assert wanted.date == "2020-05-01"
    assert wanted.studio == "Acme"
    assert wanted.actors == (Role("Anna"), Role("Bea"))
    assert wanted.genres == ("Rock", "Jazz")
    assert wanted.collections == ("A series",)
    assert wanted.directors == ("Dora",)
    assert (wanted.tagline, wanted.original_title) == ("AC-1", "")
    assert wanted.rating == "8.5"
    assert wanted.content_rating is None


@pytest.mark.parametrize(
    ("switch", "field"),
    [
        ("sync_title", "title"),
        ("sync_summary", "summary"),
        ("sync_studio", "studio"),
        ("sync_date", "date"),
        ("sync_rating", "rating"),
        ("sync_director", "directors"),
        ("sync_performers", "actors"),
        ("sync_tags", "genres"),
        ("collection_groups", "collections"),
    ],
)
def test_a_switch_that_is_off_takes_the_say_in_its_field_alone(switch: str, field: str) -> None:
    on, off = wanted_of(SCENE, Settings()), wanted_of(SCENE, chosen(**{switch: False}))

    assert getattr(on, field) is not None
    assert getattr(off, field) is None
    others = set(FIELDS) - {field}
    assert {name: getattr(off, name) for name in others} == {name: getattr(on, name) for name in others}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Another"},
        {"details": ""},
        {"date": "2021"},
        {"studio": ""},
        {"performers": (Performer("Bea"), Performer("Anna"))},
        {"performers": (Performer("Anna", "UK"), Performer("Bea"))},
        {"tags": ("Rock",)},
        {"groups": ()},
        {"code": "AC-2"},
        {"director": "Dora, Eve"},
        {"rating": None},
        {"rating": 86},
    ],
    ids=str,
)
def test_a_fingerprint_tells_scenes_apart(change: dict[str, Any]) -> None:
    other = dataclasses.replace(SCENE, **change)

    assert fingerprint(wanted_of(other, Settings()), Settings()) != fingerprint(
        wanted_of(SCENE, Settings()), Settings()
    )


@pytest.mark.parametrize(
    "change",
    [
        {"preserve_plex_edits": True},
        {"sync_summary": False},
        {"sync_tags": False},
        {"sync_rating": False},
        {"sync_director": False},
        {"title_template": "{studio} - {title}"},
        {"code_field": "original_title"},
        {"code_field": "off"},
        {"content_rating": "XXX"},
        {"performer_role": "{gender}"},
        {"ignore_tags": "rock"},
        {"max_tags": 1},
        {"collection_studio": True},
        {"collection_performers": True},
        {"collection_tags": "jazz"},
        {"collection_groups": False},
        {"collection_prefix": "Stash: "},
        {"sync_poster": False},
        {"sync_background": True},
    ],
    ids=str,
)
def test_a_fingerprint_changes_with_the_settings_that_shape_what_is_written(change: dict[str, Any]) -> None:
    changed = chosen(**change)

    assert fingerprint(wanted_of(SCENE, changed), changed) != fingerprint(wanted_of(SCENE, Settings()), Settings())


@pytest.mark.parametrize(
    "change",
    [
        {"read_timeout": 7},
        {"max_edits_per_second": 7},
        {"plex_token": "another"},
        {"strict_matching": False},
        {"trigger_plex_scan": True},
        {"only_organized": True},
        {"skip_tags": "rock"},
    ],
    ids=str,
)
def test_a_fingerprint_does_not_change_with_the_others(change: dict[str, Any]) -> None:
    changed = chosen(**change)

    assert fingerprint(wanted_of(SCENE, changed), changed) == fingerprint(wanted_of(SCENE, Settings()), Settings())


def test_a_fingerprint_changes_with_the_pictures_of_performers() -> None:
    scene = dataclasses.replace(SCENE, performers=(Performer("Anna", picture="http://s:1/performer/1/image?t=1"),))
    again = dataclasses.replace(SCENE, performers=(Performer("Anna", picture="http://s:1/performer/1/image?t=2"),))
    names = [
        fingerprint(wanted_of(one, Settings(), access), Settings())
        for one, access in ((scene, None), (scene, PictureAccess()), (again, PictureAccess()))
    ]

    assert len(set(names)) == 3


def test_a_fingerprint_shows_no_key() -> None:
    """It stands in the state file."""
    scene = dataclasses.replace(SCENE, performers=(Performer("Anna", picture="http://s:1/performer/1/image"),))

    name = fingerprint(wanted_of(scene, Settings(), PictureAccess(key="k3y")), Settings())

    assert len(name) == 24
    assert set(name) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("performers", "expected"),
    [
        pytest.param([("Anna", ""), ("Bea", "x")], ["Anna", "Bea (x)"], id="another Bea may be in another scene"),
        pytest.param([("Anna", "1990"), ("Anna", "UK")], ["Anna (1990)", "Anna (UK)"], id="two of one name"),
        pytest.param([("Zoe\u0308", "1"), ("Zo\u00eb", "2")], ["Zoë (1)", "Zoë (2)"], id="composed or not"),
        pytest.param([("Anna", ""), ("Anna ", "")], ["Anna"], id="one person twice"),
        pytest.param([("\u200b", ""), ("Anna", "")], ["Anna"], id="no name"),
        pytest.param([("Anna, B.", "a,b"), ("Anna, B.", "")], ["Anna, B. (a,b)", "Anna, B."], id="commas"),
    ],
)
def test_names_of_performers(performers: list[tuple[str, str]], expected: list[str]) -> None:
    assert performer_names(tuple(Performer(*one) for one in performers)) == tuple(expected)


@PROPERTY
@given(
    st.lists(
        st.builds(Performer, st.sampled_from(["Anna", "anna", "Bea", "Zoë"]), st.sampled_from(["", "x", "y", "z"])),
        unique_by=lambda one: (one.name.casefold(), one.disambiguation),
        max_size=8,
    )
)
def test_performers_that_stash_tells_apart_stay_apart(performers: list[Performer]) -> None:
    names = performer_names(tuple(performers))

    assert len(names) == len(performers)
    for name, performer in zip(names, performers, strict=True):
        which = performer.disambiguation
        assert name == (f"{performer.name} ({which})" if which else performer.name)


@PROPERTY
@given(
    st.lists(st.builds(Performer, st.sampled_from(["Anna", "Bea"]), st.sampled_from(["", "x", "y"])), max_size=4),
    st.lists(st.builds(Performer, st.sampled_from(["Anna", "Bea"]), st.sampled_from(["", "x", "y"])), max_size=4),
)
def test_a_performer_bears_one_name_whoever_else_is_in_the_scene(one: list[Performer], other: list[Performer]) -> None:
    """Plex makes one person of equal names over its whole server."""
    alone = [performer_names((performer,)) for performer in one]

    assert {name for names in alone for name in names} == set(performer_names(tuple(one)))
    assert set(performer_names(tuple(one))) <= set(performer_names((*other, *one)))
