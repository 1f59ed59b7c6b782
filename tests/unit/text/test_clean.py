"""Text as Plex can take it: cleaned, cut, compared."""

from __future__ import annotations

import datetime
import unicodedata
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("  a \t b\n\nc ", "a b c", id="blanks"),
        pytest.param("a\u2028b\u2029c", "a b c", id="line separators"),
        pytest.param("a\x00b\x07c\x7f", "abc", id="control characters"),
        pytest.param("a\u200bb\ufeffc\u2060d\u00ade", "abcde", id="zero width"),
        pytest.param("\u202ea\u202cb\u200e\u2066c\u2069", "abc", id="direction marks"),
        pytest.param("a\ud800b\udfffc", "abc", id="lone surrogates"),
        pytest.param("a\ufffe\uffffb\ufdd0\U0001fffe\U0010ffffc", "abc", id="noncharacters"),
        pytest.param("a\ue000b\U000f0000", "ab", id="private use"),
        pytest.param("e\u0301", "é", id="composed"),
        pytest.param("\ufeff\u200b \u200e", "", id="nothing to see"),
        pytest.param(f"a {FAMILY} b", f"a {FAMILY} b", id="emoji joined"),
        pytest.param(SCOTLAND, SCOTLAND, id="flag of tags"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="joiner of a script"),
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
