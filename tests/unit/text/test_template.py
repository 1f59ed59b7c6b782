"""Templates of titles and roles: every place is optional."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.fields import title_of
from sync.model import Scene
from sync.text.clean import LONGEST_LINE, clean_line
from sync.text.kinds import TITLE_PLACES
from sync.text.template import check, places, render

PROPERTY = settings(max_examples=100, deadline=None)

NAMES = ("a", "b", "c")


def filled(template: str, a: str = "", b: str = "", c: str = "") -> str:
    check(template, NAMES)
    return render(template, {"a": a, "b": b, "c": c})


@pytest.mark.parametrize(
    ("template", "given_names", "expected"),
    [
        pytest.param("{a} - {b} ({c})", "abc", "A - B (C)", id="all of it"),
        pytest.param("{a} - {b} ({c})", "bc", "B (C)", id="the first is missing, and what led on from it"),
        pytest.param("{a} - {b} ({c})", "ab", "A - B", id="the brackets are empty"),
        pytest.param("{a} - {b} ({c})", "c", "(C)", id="the brackets alone"),
        pytest.param("{a} - {b} - {c}", "ac", "A - C", id="one separator where two stood"),
        pytest.param("{a}, {b}: {c}", "ac", "A, C", id="the separator in front of what is gone stays"),
        pytest.param("{a} - {b}", "b", "B", id="no separator in front"),
        pytest.param("{a}{b}{c}", "ac", "AC", id="nothing between"),
        pytest.param("({a}, {b})", "", "", id="brackets of several places"),
        pytest.param("{a} (part {b})", "ab", "A (part B)", id="words in brackets stay with their place"),
        pytest.param("{a} (uncut)", "a", "A (uncut)", id="brackets without a place stay"),
        pytest.param("{a} (uncut)", "", "", id="words alone are no title"),
        pytest.param("by {a}: {b}", "b", "by B", id="words outside of brackets stay"),
        pytest.param("{a} by {b}", "a", "A by", id="words outside of brackets stay at the end"),
        pytest.param("{a} ({b}", "ab", "A (B", id="a bracket that is never closed is a sign"),
        pytest.param("{a} ({b}", "a", "A", id="a sign goes with what it led to"),
        pytest.param("{a}) {b}", "ab", "A) B", id="a bracket that was never opened is a sign"),
        pytest.param("#{a} {b}", "b", "B", id="punctuation that led to what is gone"),
        pytest.param("{A} - { b }", "ab", "A - B", id="names in another case and with blanks"),
        pytest.param("no place", "", "no place", id="a text without places"),
        pytest.param("", "abc", "", id="nothing at all"),
    ],
)
def test_what_is_missing_takes_its_punctuation_along(template: str, given_names: str, expected: str) -> None:
    assert filled(template, **{name: name.upper() for name in given_names}) == expected


@pytest.mark.parametrize("value", ["({b})", "{b}", "a - ", "(", "[x]", "{", "%s", "\\1"])
def test_what_is_filled_in_is_no_template(value: str) -> None:
    assert filled("{a} - {b}", a=value, b="B") == f"{value} - B"


@pytest.mark.parametrize(
    ("template", "known"),
    [
        ("{a}", True),
        ("{ A }", True),
        ("({a}) [{b}]", True),
        ("", True),
        ("no place", True),
        ("{d}", False),
        ("{}", False),
        ("{ }", False),
        ("{a", False),
        ("a}", False),
        ("{{a}}", False),
        ("{a{b}}", False),
        ("}{", False),
        ("{a!r}", False),
        ("{a.b}", False),
        ("{a,b}", False),
        ("[{a} ({b})]", False),
        ('("{a}") {b}', False),
        ("({a} [{b}) {c}]", True),
    ],
)
def test_a_template_is_checked(template: str, known: bool) -> None:
    if known:
        check(template, NAMES)
    else:
        with pytest.raises(ValueError, match=r"place|brace|brackets"):
            check(template, NAMES)


def test_places_are_told_in_their_order() -> None:
    assert places("{B} - { a } ({b})") == ["b", "a", "b"]
    assert places("none") == []


# Properties

values = st.dictionaries(st.sampled_from(NAMES), st.text(max_size=6)).map(lambda some: dict.fromkeys(NAMES, "") | some)
odd = st.lists(st.sampled_from(["{a}", "{b}", "{C}", "(", ")", "[", "]", " ", "-", "x", "yz", ", ", "\U0001f525"])).map(
    "".join
)


@PROPERTY
@given(odd, values)
def test_any_template_is_rendered(template: str, some: dict[str, str]) -> None:
    text = render(template, some)

    for name in places(template):
        assert some[name] in text, "what is there is never left out"
    if places(template) and not any(some[name] for name in places(template)):
        assert text == ""


@PROPERTY
@given(odd)
def test_where_nothing_is_there_nothing_is_shown(template: str) -> None:
    if places(template):
        assert render(template, dict.fromkeys(NAMES, "")) == ""


content = st.sampled_from(["{a}", "{b}", "{c}", "word", "{a} - {b}", "x {c}"])
groups = st.builds(lambda pair, inner: pair[0] + inner + pair[1], st.sampled_from(["()", "[]"]), content)
sound = st.lists(st.one_of(content, groups, st.sampled_from([" ", " - ", ", ", "*", ")"])), max_size=8).map("".join)


@PROPERTY
@given(sound.filter(lambda template: any(c.isalnum() for c in template)), st.tuples(*[st.text(min_size=1)] * 3))
def test_where_all_is_there_a_template_is_filled_in_as_it_stands(template: str, some: tuple[str, str, str]) -> None:
    given_values = dict(zip(NAMES, some, strict=True))
    expected = "".join(
        given_values[part] if number % 2 else part
        for number, part in enumerate(template.replace("{", "\0").replace("}", "\0").split("\0"))
    )

    assert render(template, given_values) == expected


title_templates = st.lists(
    st.sampled_from([*(f"{{{name}}}" for name in TITLE_PLACES), " - ", "(", ")", "[", "]", " ", "No. "])
).map("".join)
awkward = st.text(st.characters() | st.sampled_from("\n\t\u200b\u0301 "), max_size=300)


@PROPERTY
@given(title_templates, awkward, awkward, awkward)
def test_any_title_is_one_clean_line(template: str, title: str, studio: str, code: str) -> None:
    text = title_of(Scene(7, title=title, studio=studio, code=code), template)

    assert text == clean_line(text)
    assert "\n" not in text
    assert len(text) <= LONGEST_LINE


@PROPERTY
@given(title_templates.filter(lambda template: "{id}" not in template and "{" in template))
def test_a_scene_without_anything_has_no_title(template: str) -> None:
    assert title_of(Scene(7), template) == ""
