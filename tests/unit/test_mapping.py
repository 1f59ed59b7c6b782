"""What a scene should look like in Plex."""

from __future__ import annotations

import dataclasses
import datetime
import unicodedata
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.fields import fingerprint, performer_names, wanted_of
from sync.mapping.performer_pictures import PictureAccess
from sync.model import Performer, Role, Scene, Wanted
from sync.settings import Settings
from sync.text.clean import (
    LONGEST_LINE,
    LONGEST_SUMMARY,
    LONGEST_SUMMARY_ENCODED,
    clean_line,
    clean_text,
    full_date,
    name_key,
    unique_names,
)

PROPERTY = settings(max_examples=100, deadline=None)

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"

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


def with_settings(**changed: Any) -> Settings:
    return Settings(**changed)


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


def test_an_empty_scene_wants_empty_fields() -> None:
    wanted = wanted_of(Scene(7), Settings())

    assert (wanted.title, wanted.summary, wanted.studio, wanted.date) == ("", "", "", "")
    assert (wanted.tagline, wanted.rating) == ("", "")
    assert (wanted.actors, wanted.genres, wanted.collections, wanted.directors) == ((), (), (), ())


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
    on, off = wanted_of(SCENE, Settings()), wanted_of(SCENE, with_settings(**{switch: False}))

    assert getattr(on, field) is not None
    assert getattr(off, field) is None
    others = set(FIELDS) - {field}
    assert {name: getattr(off, name) for name in others} == {name: getattr(on, name) for name in others}


# Fingerprints


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
    changed = with_settings(**change)

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
    changed = with_settings(**change)

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


def test_no_say_and_nothing_there_are_two_things() -> None:
    nothing = wanted_of(Scene(7), Settings())
    no_say = wanted_of(Scene(7), Settings(sync_studio=False))

    assert fingerprint(nothing, Settings()) != fingerprint(no_say, Settings())


# Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("  a \t b\n\nc ", "a b c", id="blanks"),
        pytest.param("a\u00a0b\u2003c", "a b c", id="blanks of other widths"),
        pytest.param("a\u2028b\u2029c", "a b c", id="line separators"),
        pytest.param("a\x00b\x07c\x7f", "abc", id="control characters"),
        pytest.param("a\x9fb", "ab", id="C1 control characters"),
        pytest.param("a\u200bb\ufeffc\u2060d\u00ade", "abcde", id="zero width"),
        pytest.param("\u202ea\u202cb\u200e\u2066c\u2069", "abc", id="direction marks"),
        pytest.param("a\ud800b\udfffc", "abc", id="lone surrogates"),
        pytest.param("a\ufffe\uffffb\ufdd0\U0001fffe\U0010ffffc", "abc", id="noncharacters"),
        pytest.param("a\ue000b\U000f0000", "ab", id="private use"),
        pytest.param("a\U000e0001b", "ab", id="language tag"),
        pytest.param("e\u0301", "é", id="composed"),
        pytest.param("e\u200b\u0301", "é", id="composed around something invisible"),
        pytest.param("\ufeff\u200b \u200e", "", id="nothing to see"),
        pytest.param(f"a {FAMILY} b", f"a {FAMILY} b", id="emoji joined"),
        pytest.param(
            "❤\ufe0f 1\ufe0f\u20e3 \U0001f44d\U0001f3fd",
            "❤\ufe0f 1\ufe0f\u20e3 \U0001f44d\U0001f3fd",
            id="emoji variants",
        ),
        pytest.param(SCOTLAND, SCOTLAND, id="flag of tags"),
        pytest.param("\U0001f1e9\U0001f1ea", "\U0001f1e9\U0001f1ea", id="flag of letters"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="joiner of a script"),
        pytest.param("<b>&amp; \"'", "<b>&amp; \"'", id="signs stay"),
        pytest.param("日本語 Ω ß", "日本語 Ω ß", id="letters stay"),
    ],
)
def test_a_line_without_what_nobody_sees(text: str, expected: str) -> None:
    assert clean_line(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("a\r\nb\rc\nd", "a\nb\nc\nd", id="line ends"),
        pytest.param("a \t\n  b", "a\n  b", id="blanks at line ends"),
        pytest.param("\n\n a\n\n\nb\n \n", "a\n\n\nb", id="around"),
        pytest.param("a\tb", "a\tb", id="tab"),
        pytest.param("a\x00\u200bb", "ab", id="unseen"),
        pytest.param("e\u0301\nu\u0308", "é\nü", id="composed"),
        pytest.param("e\u200b\u0301", "é", id="composed around something invisible"),
        pytest.param(FAMILY, FAMILY, id="emoji joined"),
    ],
)
def test_text_of_several_lines(text: str, expected: str) -> None:
    assert clean_text(text) == expected


def test_a_line_of_the_greatest_length_is_kept_and_a_longer_one_is_cut() -> None:
    assert clean_line("x" * LONGEST_LINE) == "x" * LONGEST_LINE
    assert clean_line("x" * (LONGEST_LINE + 1)) == "x" * LONGEST_LINE
    assert clean_line("x" * (LONGEST_LINE - 1) + " yz") == "x" * (LONGEST_LINE - 1), "no blank at the end"
    assert clean_line("abcdef", 3) == "abc"


GRAPHEMES = {
    "accents": "q\u0323\u0307",
    "variation": "❤\ufe0f",
    "skin tone": "\U0001f44d\U0001f3fd",
    "family": FAMILY,
    "flag of tags": SCOTLAND,
    "flag of letters": "\U0001f1e9\U0001f1ea",
    "keycap": "1\ufe0f\u20e3",
    "Devanagari": "कि",
    "Thai": "กั",
}


@pytest.mark.parametrize("grapheme", GRAPHEMES.values(), ids=GRAPHEMES.keys())
def test_a_cut_is_not_within_a_character(grapheme: str) -> None:
    for within in range(1, len(grapheme)):
        before = "x" * (LONGEST_LINE - within)
        assert clean_line(before + grapheme + "yyy") == before
    before = "x" * (LONGEST_LINE - len(grapheme))
    assert clean_line(before + grapheme + "yyy") == before + grapheme


@PROPERTY
@given(st.lists(st.sampled_from(["a", "é", "日", *GRAPHEMES.values()]), max_size=20), st.integers(8, 20))
def test_a_cut_line_is_all_the_whole_characters_that_fit(characters: list[str], longest: int) -> None:
    fitting = ["".join(characters[:n]) for n in range(len(characters) + 1)]

    assert clean_line("".join(characters), longest) == max((f for f in fitting if len(f) <= longest), key=len)


def test_a_summary_is_cut_by_characters() -> None:
    assert clean_text("x" * LONGEST_SUMMARY) == "x" * LONGEST_SUMMARY
    assert clean_text("x" * (LONGEST_SUMMARY + 5)) == "x" * LONGEST_SUMMARY


@pytest.mark.parametrize("character", ["日", "ü", "\U0001f600", "&"])
def test_a_summary_is_cut_to_what_a_query_carries(character: str) -> None:
    cut = clean_text(character * LONGEST_SUMMARY)

    assert len(quote(cut)) <= LONGEST_SUMMARY_ENCODED
    assert len(quote(cut)) > LONGEST_SUMMARY_ENCODED * 0.85, "no more is lost than has to be"
    assert set(cut) == {character}


# Dates


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2020-05-17", "2020-05-17"),
        ("2020-05", "2020-05-01"),
        ("2020", "2020-01-01"),
        (" 2020-05-17 ", "2020-05-17"),
        ("2020-5-7", "2020-05-07"),
        ("2020-02-29", "2020-02-29"),
        ("0001-01-01", "0001-01-01"),
        ("", ""),
        ("2019-02-29", ""),
        ("2020-02-30", ""),
        ("2020-04-31", ""),
        ("2020-13-01", ""),
        ("2020-00-10", ""),
        ("2020-01-00", ""),
        ("2020-01-32", ""),
        ("0000-01-01", ""),
        ("20-01-01", ""),
        ("2020-01-01T00:00:00Z", ""),
        ("17.05.2020", ""),
        ("2020-", ""),
        ("soon", ""),
    ],
)
def test_dates_as_plex_takes_them(date: str, expected: str) -> None:
    assert full_date(date) == expected


@PROPERTY
@given(st.dates())
def test_every_date_stays_itself(date: datetime.date) -> None:
    assert full_date(date.isoformat()) == date.isoformat()


@PROPERTY
@given(
    st.text(max_size=12)
    | st.from_regex(r"\d{4}(-\d{1,2}){0,2}")
    | st.builds(
        lambda y, m, d: f"{y:04d}-{m:02d}-{d:02d}", st.integers(1, 9999), st.integers(0, 13), st.integers(0, 32)
    )
)
def test_what_is_taken_for_a_date_is_one(text: str) -> None:
    date = full_date(text)

    if date:
        assert datetime.date.fromisoformat(date).isoformat() == date


# Names


@pytest.mark.parametrize(
    ("performers", "expected"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([("Anna", ""), ("Bea", "x")], ["Anna", "Bea (x)"], id="another Bea may be in another scene"),
        pytest.param([("Anna", "1990"), ("Anna", "UK")], ["Anna (1990)", "Anna (UK)"], id="two of one name"),
        pytest.param([("Anna", ""), ("Anna", "UK")], ["Anna", "Anna (UK)"], id="one with nothing to tell"),
        pytest.param([("Anna", "1990"), ("ANNA", "UK")], ["Anna (1990)", "ANNA (UK)"], id="another case"),
        pytest.param([("Zoe\u0308", "1"), ("Zo\u00eb", "2")], ["Zoë (1)", "Zoë (2)"], id="composed or not"),
        pytest.param([("Anna", ""), ("Anna ", "")], ["Anna"], id="one person twice"),
        pytest.param([("Anna", " "), ("Anna", "UK")], ["Anna", "Anna (UK)"], id="a blank tells nothing"),
        pytest.param([("\u200b", ""), ("Anna", "")], ["Anna"], id="no name"),
        pytest.param([("Anna, B.", "a,b"), ("Anna, B.", "")], ["Anna, B. (a,b)", "Anna, B."], id="commas"),
    ],
)
def test_names_of_performers(performers: list[tuple[str, str]], expected: list[str]) -> None:
    assert performer_names(tuple(Performer(*one) for one in performers)) == tuple(expected)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b", "a", "b"], ["b", "a"]),
        (["Rock", "ROCK", "rock "], ["Rock"]),
        (["Straße", "STRASSE"], ["Straße"]),
        (["e\u0301", "é"], ["é"]),
        (["", " ", "\u200b", "a"], ["a"]),
        (["a b", "a  b"], ["a b"]),
        (["a,b", "a", "b"], ["a,b", "a", "b"]),
    ],
)
def test_each_name_once(names: list[str], expected: list[str]) -> None:
    assert unique_names(tuple(names)) == tuple(expected)


# Properties

awkward = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cc", "Cf", "Co", "Mn", "Mc", "Zs"]),
        st.sampled_from("ae \n\t\r\u0301\u0308\u200b\u200d\ufe0f\ufffe\U0001f469\U0001f1e9"),
    ),
    max_size=40,
)
long = st.builds(lambda text, times, more: text * times + more, awkward, st.integers(1, 500), awkward)
fallen_apart = st.lists(
    st.sampled_from(
        ["e", "\u0301", "\u0323", "\u0308", "\u200b", "\ufeff", "\x00", "\u1100", "\u1161", "\u11a8", " ", "\n"]
    ),
    max_size=12,
).map("".join)
anything = st.one_of(awkward, long, fallen_apart)


def assert_is_xml(text: str) -> None:
    document = f"<a>{escape(text)}</a>".encode()
    assert (ElementTree.fromstring(document).text or "") == text


@PROPERTY
@given(anything)
def test_any_line_is_xml_in_one_line_within_the_limit(text: str) -> None:
    line = clean_line(text)

    assert_is_xml(line)
    assert len(line) <= LONGEST_LINE
    assert line == " ".join(line.split())


@PROPERTY
@given(anything)
def test_any_text_is_xml_within_the_limits(text: str) -> None:
    cleaned = clean_text(text)

    assert_is_xml(cleaned)
    assert len(cleaned) <= LONGEST_SUMMARY
    assert len(quote(cleaned)) <= LONGEST_SUMMARY_ENCODED
    assert cleaned == cleaned.strip()


@PROPERTY
@given(anything)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean_line(clean_line(text)) == clean_line(text)
    assert clean_text(clean_text(text)) == clean_text(text)


@PROPERTY
@given(anything)
def test_cleaned_text_is_composed(text: str) -> None:
    assert unicodedata.is_normalized("NFC", clean_line(text))
    assert unicodedata.is_normalized("NFC", clean_text(text))


@PROPERTY
@given(st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_nothing_that_can_be_seen_is_lost(text: str) -> None:
    assert clean_line(text) == unicodedata.normalize("NFC", text)


@PROPERTY
@given(st.lists(st.text(st.sampled_from("aAbBßéE\u0301 \u200b"), max_size=4), max_size=8))
def test_names_are_unique_and_none_is_lost(names: list[str]) -> None:
    unique = unique_names(tuple(names))

    assert len({name_key(name) for name in unique}) == len(unique)
    assert all(unique)
    assert {name_key(clean_line(name)) for name in names} - {""} == {name_key(name) for name in unique}


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
