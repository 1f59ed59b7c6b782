"""Settings as people type them."""

from __future__ import annotations

import datetime
import traceback
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.errors import SetupError, quoted
from sync.settings import (
    ACCEPTED,
    DEFAULTS_SINCE,
    SECRET_SETTINGS,
    Settings,
    SettingsError,
    defaults,
    lacking,
    parse_path_map,
    read_settings,
    to_fill_in,
    told,
)
from sync.text.kinds import ROLE_PLACES, TITLE_PLACES
from sync.text.typed import normal_url, path_map_of

PROPERTY = settings(max_examples=100, deadline=None)

TOKEN = "Zq7-xYsecret_9"
GOOD = {"plex_url": "http://192.168.1.10:32400", "plex_token": TOKEN}
SWITCHES = [name for name, field in Settings.model_fields.items() if isinstance(field.default, bool)]
NUMBERS = ["max_retries", "connect_timeout", "read_timeout", "max_edits_per_second", "max_tags"]
NAMES = ["only_tags", "skip_tags", "ignore_tags", "collection_tags", "bring_users"]
PATHS = ["only_paths", "skip_paths"]
TEXTS = ["plex_library", "path_map", "stash_url", *NAMES, *PATHS, "content_rating", "collection_prefix"]
"""Texts that are empty by default."""
CHOICES = {
    "code_field": ("tagline", "original_title", "off"),
    "performer_pictures": ("auto", "on", "off"),
    "reconcile_every": ("never", "daily", "weekly"),
}
TEMPLATES = {"title_template": TITLE_PLACES, "performer_role": ROLE_PLACES}


def test_every_setting_is_of_one_kind_that_is_tested_here() -> None:
    assert {*SWITCHES, *NUMBERS, *TEXTS, *CHOICES, *TEMPLATES, *GOOD, "bring_since"} == set(Settings.model_fields)
    assert set(ACCEPTED) | set(SWITCHES) == set(Settings.model_fields)


def refused(panel: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(panel)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_an_untouched_panel_takes_the_defaults() -> None:
    got = read_settings(GOOD)

    assert got.strict_matching is True
    assert got.preserve_plex_edits is False
    assert (got.max_retries, got.connect_timeout, got.read_timeout) == (5, 5, 30)
    assert got.max_edits_per_second == 0
    assert got.path_pairs == ()
    assert got.library_names == ()
    on = {name for name in SWITCHES if getattr(got, name)}
    assert on == {
        *("strict_matching", "sync_title", "sync_summary", "sync_studio", "sync_date", "sync_rating"),
        *("sync_director", "sync_performers", "sync_tags", "sync_poster", "collection_groups"),
    }
    assert (got.title_template, got.performer_role, got.reconcile_every) == ("{title}", "", "weekly")
    assert (got.code_field, got.performer_pictures, got.max_tags) == ("tagline", "auto", 0)
    assert not any(getattr(got, name) for name in TEXTS)


def test_the_defaults_for_the_panel_are_what_is_in_force() -> None:
    shown = defaults()

    assert shown.keys() == {*SWITCHES, *NUMBERS, *CHOICES, "title_template"}
    assert not set(SECRET_SETTINGS) & shown.keys()
    assert read_settings({**shown, **GOOD}) == read_settings(GOOD)


def test_what_is_not_the_default_is_told_without_what_a_text_says() -> None:
    assert told(read_settings(GOOD)) == "plex_url set"
    changed = {"max_retries": 3, "read_timeout": 2.5, "sync_tags": False, "debug_logging": True, "path_map": "/a=/b"}
    assert told(read_settings({**GOOD, **changed})) == (
        "plex_url set, path_map set, max_retries 3, read_timeout 2.5, debug_logging on, sync_tags off"
    )


def test_settings_of_another_version_are_no_error() -> None:
    assert read_settings({**GOOD, "of_tomorrow": {"x": 1}}) == read_settings(GOOD)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("http://192.168.1.10:32400", "http://192.168.1.10:32400"),
        ("192.168.1.10:32400", "http://192.168.1.10:32400"),
        ("  http://plex:32400/  ", "http://plex:32400"),
        ("http://plex:32400///", "http://plex:32400"),
        ("plex", "http://plex"),
        ("HTTPS://plex.example.org", "https://plex.example.org"),
        ("https://10-0-0-1.abc.plex.direct:32400", "https://10-0-0-1.abc.plex.direct:32400"),
        ("http://plex:32400/web", "http://plex:32400"),
        ("http://plex:32400/web/index.html#!/settings/server", "http://plex:32400"),
        ("http://plex:32400/web/index.html?x=1", "http://plex:32400"),
        ("https://example.org/plex/web/index.html#!/", "https://example.org/plex"),
        ("https://example.org/plex/web", "https://example.org/plex"),
        ("https://example.org/plex/web/", "https://example.org/plex"),
        ("https://example.org/plex/website", "https://example.org/plex/website"),
        ("plex:32400/web", "http://plex:32400"),
        ("http://plex:32400/#!/settings/server", "http://plex:32400"),
        ('"http://plex:32400"', "http://plex:32400"),
        (" ' http://plex:32400/ ' ", "http://plex:32400"),
        ("<http://plex:32400>", "http://plex:32400"),
        ("“plex:32400”", "http://plex:32400"),
        ("\u00a0http://plex:32400\u00a0", "http://plex:32400"),
        ("https://example.org/plex/", "https://example.org/plex"),
        ("https://example.org/website", "https://example.org/website"),
        ("http://[::1]:32400", "http://[::1]:32400"),
        ("[fe80::1]:32400", "http://[fe80::1]:32400"),
        ("localhost:1", "http://localhost:1"),
        ("localhost:65535", "http://localhost:65535"),
    ],
)
def test_addresses_as_people_type_them(typed: str, expected: str) -> None:
    assert read_settings({**GOOD, "plex_url": typed}).plex_url == expected


@pytest.mark.parametrize(
    "typed",
    [
        "ftp://plex:32400",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "://plex",
        "http://plex:port",
        "http://plex:0",
        "http://plex:65536",
        "http://plex:-1",
        "http://user@plex:32400",
        "http://user:word@plex:32400",
        "http://:word@plex:32400",
        "http://plex 1:32400",
        "http://plex\t1:32400",
        "http://plex\n1:32400",
        "http://pléx:32400",
        "http://plex\u200b:32400",
        "http://plex:32400/?x=1",
        "http://plex:32400/library?x=1",
        "http://plex:32400/library#here",
        "http://[::1",
        "::1",
        "http:/plex:32400",
        "http://http://plex:32400",
        "https//plex:32400",
    ],
)
def test_what_is_no_address(typed: str) -> None:
    error = refused({**GOOD, "plex_url": typed})

    assert error.startswith("plex_url is ")
    assert f"accepted: {ACCEPTED['plex_url']}" in error


@pytest.mark.parametrize(
    "typed",
    [
        f"http://plex:32400/?X-Plex-Token={TOKEN}",
        f"http://plex:32400/library/sections?X-Plex-Token={TOKEN}",
        f"http://user:{TOKEN}@plex:32400",
        f"http://{TOKEN}@plex:32400",
        f"ftp://{TOKEN}@plex:32400",
        f"{TOKEN}@plex:port",
        f"http://plex:32400/x#X-Plex-Token={TOKEN}",
        f"http://plex:32400&X-Plex-Token={TOKEN}",
        f"http://plex:32400;X-Plex-Token={TOKEN}",
    ],
    ids=["query", "path and query", "password", "user", "scheme and user", "bare user", "fragment", "&", ";"],
)
def test_a_token_in_an_address_is_refused_and_not_shown(typed: str) -> None:
    error = refused({**GOOD, "plex_url": typed})

    assert error.startswith("plex_url is ")
    assert TOKEN not in error


@pytest.mark.parametrize(
    "typed", [f'"{TOKEN}"', f" '{TOKEN}' ", f"X-Plex-Token={TOKEN}", f"?X-Plex-Token={TOKEN}", f"`{TOKEN} `"]
)
def test_tokens_as_people_type_them(typed: str) -> None:
    assert read_settings({**GOOD, "plex_token": typed}).plex_token == TOKEN


def test_a_path_with_a_token_is_no_address() -> None:
    assert TOKEN not in refused({**GOOD, "plex_url": f"http://plex:32400/&X-Plex-Token={TOKEN}"})


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("false", False),
        (" True ", True),
        ("FALSE", False),
        ('"true"', True),
        ("'false'", False),
        ("on", True),
        ("off", False),
        ("yes", True),
        ("no", False),
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
    ],
)
def test_switches_as_people_type_them(typed: object, expected: bool) -> None:
    for name in SWITCHES:
        assert getattr(read_settings({**GOOD, name: typed}), name) is expected


@pytest.mark.parametrize("typed", ["maybe", 2, -1, 0.5, [], {}, [True], "on off"], ids=repr)
def test_what_is_no_switch(typed: object) -> None:
    for name in SWITCHES:
        assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: on or off"


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("max_retries", 0, 0),
        ("max_retries", 100, 100),
        ("max_retries", "7", 7),
        ("max_retries", ' "7" ', 7),
        ("max_retries", "' 7 '", 7),
        ("max_retries", 7.0, 7),
        ("connect_timeout", "2.5", 2.5),
        ("connect_timeout", "2,5", 2.5),
        ("max_edits_per_second", " '0,5' ", 0.5),
        ("connect_timeout", 300, 300),
        ("connect_timeout", 0.01, 0.01),
        ("read_timeout", 3600, 3600),
        ("read_timeout", 0.5, 0.5),
        ("read_timeout", " 60 ", 60),
        ("max_edits_per_second", "0.5", 0.5),
        ("max_edits_per_second", 1000, 1000),
        ("max_edits_per_second", 0, 0),
        ("max_edits_per_second", " 2 ", 2),
        ("max_tags", "12", 12),
        ("max_tags", 10_000, 10_000),
        ("max_tags", 0, 0),
    ],
)
def test_numbers_as_people_type_them(name: str, typed: object, expected: float) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) == expected


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("max_retries", -1),
        ("max_retries", 101),
        ("max_retries", 2.5),
        ("max_retries", "2.5"),
        ("max_retries", "2,5"),
        ("read_timeout", "1,000"),
        ("read_timeout", "1,5,5"),
        ("max_retries", "five"),
        ("max_retries", True),
        ("max_retries", [5]),
        ("max_retries", float("nan")),
        ("max_retries", float("inf")),
        ("connect_timeout", 0),
        ("connect_timeout", -5),
        ("connect_timeout", 300.5),
        ("connect_timeout", False),
        ("connect_timeout", "5 s"),
        ("connect_timeout", "nan"),
        ("connect_timeout", "inf"),
        ("read_timeout", 0),
        ("read_timeout", 3601),
        ("read_timeout", {"s": 5}),
        ("max_edits_per_second", -1),
        ("max_edits_per_second", 1001),
        ("max_edits_per_second", "fast"),
        ("max_edits_per_second", True),
        ("max_edits_per_second", "nan"),
        ("max_edits_per_second", float("inf")),
        ("max_tags", -1),
        ("max_tags", 10_001),
        ("max_tags", "all"),
        ("max_tags", 1.5),
        ("max_tags", True),
    ],
)
def test_what_is_no_number_or_out_of_bounds(name: str, typed: object) -> None:
    assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"


@pytest.mark.parametrize("typed", [None, ""], ids=repr)
def test_what_is_empty_takes_its_default(typed: object) -> None:
    for name in [*SWITCHES, *NUMBERS, *TEXTS]:
        assert read_settings({**GOOD, name: typed}) == read_settings(GOOD)


def test_blanks_are_empty() -> None:
    for name in [*SWITCHES, *NUMBERS, *TEXTS]:
        assert read_settings({**GOOD, name: "  "}) == read_settings(GOOD)


@pytest.mark.parametrize("typed", [True, ["a"], {"a": "b"}], ids=repr)
def test_what_is_no_text(typed: object) -> None:
    for name in [*TEXTS, *TEMPLATES, *CHOICES]:
        shown = repr(str(typed)) if name == "stash_url" else repr(typed)
        assert refused({**GOOD, name: typed}) == f"{name} is {shown}; accepted: {ACCEPTED[name]}"


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("content_rating", 18, "18"),
        ("plex_library", 2024, "2024"),
        ("ignore_tags", 18, "18"),
        ("collection_prefix", 18, "18"),
    ],
)
def test_a_number_without_quotes_is_the_text_that_it_spells(name: str, typed: int, expected: str) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) == expected
    assert getattr(read_settings({**GOOD, name: typed}), name) == getattr(read_settings({**GOOD, name: expected}), name)


@pytest.mark.parametrize("typed", [5, 1.5, ""], ids=repr)
@pytest.mark.parametrize("name", ["path_map", "code_field"])
def test_a_number_is_no_answer_where_no_text_of_digits_is_one(name: str, typed: object) -> None:
    if typed == "":
        assert read_settings({**GOOD, name: typed}) == read_settings(GOOD)
    else:
        assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"


# Lists of names and paths


@pytest.mark.parametrize("typed", [",", ";", " , ,", ";;\n"], ids=repr)
def test_what_is_no_list_of_names(typed: str) -> None:
    for name in NAMES:
        assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"
        assert name == "bring_users" or "names of tags or globs" in ACCEPTED[name]


@pytest.mark.parametrize(
    "typed", [";", " ; ;", ";\n;", "private", "/data/x, /data/y", "/data;films", "D:\\a, E:\\b", "~/films"], ids=repr
)
def test_what_is_no_list_of_paths(typed: str) -> None:
    for name in PATHS:
        assert refused({**GOOD, name: typed}) == f"{name} is {quoted(typed)}; accepted: {ACCEPTED[name]}"
        assert "separated by semicolons" in ACCEPTED[name]


@pytest.mark.parametrize("typed", ["Rock", " a, b ; c*", "[x]", "D:\\films", "?", "*", '"Rock, hard", "x"'])
def test_lists_of_names_as_people_type_them(typed: str) -> None:
    for name in NAMES:
        assert getattr(read_settings({**GOOD, name: typed}), name) == typed.strip()


@pytest.mark.parametrize("typed", ["/a, b ; /c*", "D:\\films", "?", "*/x", '"/data/private"', "\\\\nas\\x"])
def test_lists_of_paths_as_people_type_them(typed: str) -> None:
    for name in PATHS:
        assert getattr(read_settings({**GOOD, name: typed}), name) == typed.strip()


def test_a_title_of_words_alone_would_be_every_scenes() -> None:
    assert "accepted: text with at least one of {title}" in refused({**GOOD, "title_template": "studio - title"})


def test_library_names_of_commas_alone_are_no_names() -> None:
    assert "plex_library is ' , '" in refused({**GOOD, "plex_library": " , "})


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("collection_prefix", '"Stash: "', "Stash: "),
        ("collection_prefix", "Stash: ", "Stash: "),
        ("collection_prefix", " Stash:", "Stash:"),
        ("content_rating", '"XXX"', "XXX"),
        ("content_rating", "'18'", "18"),
    ],
)
def test_quotes_that_people_type_are_not_part_of_a_text(name: str, typed: str, expected: str) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) == expected


@pytest.mark.parametrize(
    "typed",
    ['"/data"="/media"', "'/data=/media'", '"/data=/media"', '/data = "/media"', "/data=/media; /data=/media"],
)
def test_quotes_in_a_path_map(typed: str) -> None:
    assert parse_path_map(typed) == (("/data", "/media"),)


@pytest.mark.parametrize(
    "typed",
    [
        *("/data=>/media", "/data==/media", "data=media", "/data=media", "/data=/media,/x=/y", "/data=/a; /data=/b"),
        *('"/a"', '"data"=/media', '"/a=b', '/a="/b";"/c"'),
    ],
)
def test_pairs_that_cannot_work(typed: str) -> None:
    assert "accepted: pairs such as" in refused({**GOOD, "path_map": typed})


# Choices


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("code_field", "tagline", "tagline"),
        ("code_field", " Tagline ", "tagline"),
        ("code_field", "ORIGINAL_TITLE", "original_title"),
        ("code_field", "original title", "original_title"),
        ("code_field", "Original-Title", "original_title"),
        ("code_field", '"off"', "off"),
        ("code_field", "", "tagline"),
        ("code_field", None, "tagline"),
        ("performer_pictures", "Auto", "auto"),
        ("performer_pictures", "'on'", "on"),
        ("performer_pictures", "OFF", "off"),
        ("performer_pictures", " ", "auto"),
    ],
)
def test_choices_as_people_type_them(name: str, typed: object, expected: str) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) == expected


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("code_field", "title"),
        ("code_field", "tag line!"),
        ("code_field", "on"),
        ("code_field", 0),
        ("code_field", False),
        ("performer_pictures", "always"),
        ("performer_pictures", "on, off"),
        ("performer_pictures", 1),
        ("performer_pictures", ["on"]),
    ],
)
def test_what_is_no_choice(name: str, typed: object) -> None:
    error = refused({**GOOD, name: typed})

    assert error == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"
    assert all(choice in ACCEPTED[name] for choice in CHOICES[name])


# Templates


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("title_template", "{studio} - {title} ({date})", "{studio} - {title} ({date})"),
        ("title_template", " {title} ", "{title}"),
        ("title_template", "{ Title }", "{ Title }"),
        ("title_template", "", "{title}"),
        ("title_template", "   ", "{title}"),
        ("title_template", None, "{title}"),
        *[("title_template", f"{{{place}}}", f"{{{place}}}") for place in TITLE_PLACES],
        ("performer_role", "{gender}, {age}", "{gender}, {age}"),
        ("performer_role", "Performer", "Performer"),
        *[("performer_role", f"{{{place}}}", f"{{{place}}}") for place in ROLE_PLACES],
    ],
)
def test_templates_as_people_type_them(name: str, typed: object, expected: str) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) == expected


@pytest.mark.parametrize("typed", ["", " ", None])
def test_no_role_is_the_default(typed: object) -> None:
    assert read_settings({**GOOD, "performer_role": typed}).performer_role == ""


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("title_template", "{titel}"),
        ("title_template", "{title} {}"),
        ("title_template", "{title"),
        ("title_template", "title}"),
        ("title_template", "{{title}}"),
        ("title_template", "{title:>10}"),
        ("title_template", "{title.__class__}"),
        ("title_template", "{0}"),
        ("title_template", "{age}"),
        ("performer_role", "{title}"),
        ("performer_role", "{disambiguation"),
        ("performer_role", "}{"),
        ("performer_role", "{name}"),
    ],
)
def test_what_is_no_template(name: str, typed: str) -> None:
    error = refused({**GOOD, name: typed})

    assert error == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"
    assert all(f"{{{place}}}" in ACCEPTED[name] for place in TEMPLATES[name])


# Lines


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("XXX", "XXX"),
        (" de/18 ", "de/18"),
        ("x" * 255, "x" * 255),
        ("NC-17", "NC-17"),
        ("18+ \U0001f51e", "18+ \U0001f51e"),
    ],
)
def test_content_ratings_as_people_type_them(typed: str, expected: str) -> None:
    assert read_settings({**GOOD, "content_rating": typed}).content_rating == expected


@pytest.mark.parametrize("typed", ["x" * 256, "a\nb", "a\u200bb", "a  b", "e\u0301"], ids=ascii)
def test_what_plex_would_not_take_as_it_is_is_no_content_rating(typed: str) -> None:
    error = refused({**GOOD, "content_rating": typed})

    assert error == f"content_rating is {quoted(typed, 200)}; accepted: {ACCEPTED['content_rating']}"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("Stash: ", "Stash: "), ("  Stash ", "Stash "), ("", ""), (None, ""), ("   ", ""), ("\t- ", "- ")],
    ids=repr,
)
def test_the_blank_behind_a_prefix_is_part_of_it(typed: object, expected: str) -> None:
    assert read_settings({**GOOD, "collection_prefix": typed}).collection_prefix == expected


# Stash's address for others


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("http://192.168.1.10:9999", "http://192.168.1.10:9999"),
        ("192.168.1.10:9999/", "http://192.168.1.10:9999"),
        ("https://example.org/stash/", "https://example.org/stash"),
        ("https://example.org/web/stash", "https://example.org/web/stash"),
        ("https://example.org/web", "https://example.org/web"),
        ("", ""),
        (" ", ""),
        (None, ""),
    ],
)
def test_addresses_of_stash_as_people_type_them(typed: object, expected: str) -> None:
    assert read_settings({**GOOD, "stash_url": typed}).stash_url == expected


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("ftp://stash:9999", "'ftp://stash:9999'"),
        ("http://stash:9999?apikey=s3cret", "'http://stash:9999'"),
        ("http://stash:9999/web?apikey=s3cret", "'http://stash:9999/web'"),
        ("http://stash:9999/#s3cret", "'http://stash:9999/'"),
        ("http://user:s3cret@stash:9999", "'http://stash:9999'"),
        ("http://stash:9999&apikey=s3cret", "'http://stash:9999'"),
        ("http://stash:port", "'http://stash:port'"),
    ],
)
def test_what_is_no_address_of_stash_is_told_without_a_key(typed: str, shown: str) -> None:
    assert refused({**GOOD, "stash_url": typed}) == f"stash_url is {shown}; accepted: {ACCEPTED['stash_url']}"


# What the panel lacks


def test_an_empty_panel_lacks_every_default() -> None:
    assert lacking({}) == defaults()


def test_a_panel_that_is_filled_lacks_nothing() -> None:
    assert lacking(defaults()) == {}


@pytest.mark.parametrize(
    ("panel", "lacks"),
    [
        ({"performer_role": ""}, {}),
        ({"performer_role": None}, {}),
        ({"reconcile_every": ""}, {"reconcile_every": "weekly"}),
        ({"title_template": ""}, {"title_template": "{title}"}),
        ({"title_template": "  "}, {"title_template": "{title}"}),
        ({"title_template": "{titel}"}, {}),
        ({"code_field": ""}, {"code_field": "tagline"}),
        ({"performer_pictures": " "}, {"performer_pictures": "auto"}),
        ({"sync_tags": False, "max_tags": 0, "max_retries": 0}, {}),
        ({"sync_tags": None}, {"sync_tags": True}),
        ({"only_tags": ""}, {}),
    ],
    ids=str,
)
def test_what_a_panel_lacks(panel: dict[str, Any], lacks: dict[str, Any]) -> None:
    assert lacking({**defaults(), **panel}) == lacks


OF_0_1 = {**defaults(), "performer_role": "{disambiguation}", "reconcile_every": "never"}
"""A panel as version 0.1.0 filled it."""


@pytest.mark.parametrize(
    ("panel", "written"),
    [
        pytest.param({}, {**defaults(), DEFAULTS_SINCE: 1000}, id="fresh"),
        pytest.param(
            OF_0_1, {"performer_role": "", "reconcile_every": "weekly", DEFAULTS_SINCE: 1000}, id="left as 0.1.0 had it"
        ),
        pytest.param(
            {**OF_0_1, "performer_role": "{age}"}, {"reconcile_every": "weekly", DEFAULTS_SINCE: 1000}, id="own role"
        ),
        pytest.param(
            {**OF_0_1, "reconcile_every": "daily"}, {"performer_role": "", DEFAULTS_SINCE: 0}, id="reconciles daily"
        ),
        pytest.param(
            {"reconcile_every": "never"},
            {name: value for name, value in defaults().items() if name != "reconcile_every"} | {DEFAULTS_SINCE: 0},
            id="chosen before the first run",
        ),
        pytest.param({**OF_0_1, DEFAULTS_SINCE: 0}, {}, id="chosen since"),
        pytest.param({**OF_0_1, DEFAULTS_SINCE: 1000}, {}, id="chosen again"),
    ],
)
def test_what_is_written_into_the_panel(panel: dict[str, Any], written: dict[str, Any]) -> None:
    assert to_fill_in(panel, 1000.9) == written
    assert to_fill_in({**panel, **written}, 2000) == {}, "once"


@pytest.mark.parametrize("name", sorted(defaults()))
def test_filling_the_panel_changes_nothing_that_is_in_force(name: str) -> None:
    for panel in (GOOD, {**GOOD, name: None}, {**GOOD, name: ""}):
        assert read_settings({**panel, **lacking(panel)}) == read_settings(panel)


@pytest.mark.parametrize(
    ("panel", "named", "unnamed"),
    [
        ({}, {"plex_url", "plex_token"}, set()),
        ({"plex_url": "plex", "plex_token": "  "}, {"plex_token"}, {"plex_url"}),
        ({"plex_url": " ", "plex_token": TOKEN}, {"plex_url"}, {"plex_token"}),
        ({"plex_url": None, "plex_token": None}, {"plex_url", "plex_token"}, set()),
    ],
    ids=["nothing", "no token", "no address", "null"],
)
def test_what_has_no_default_has_to_be_there(panel: dict[str, Any], named: set[str], unnamed: set[str]) -> None:
    error = refused(panel)

    assert all(f"{name} is empty; accepted: {ACCEPTED[name]}" in error for name in named)
    assert not any(name in error for name in unnamed)
    assert "Settings > Plugins > PlexSync" in error


def test_every_wrong_setting_is_named_at_once() -> None:
    error = refused({**GOOD, "plex_url": "ftp://x", "max_retries": "many", "sync_tags": "perhaps"})

    assert [part.split(" is ")[0] for part in error.split("; ") if " is " in part] == [
        "plex_url",
        "max_retries",
        "sync_tags",
    ]


@pytest.mark.parametrize(
    "token", [f"{TOKEN} x", f"{TOKEN}\nx", f"{TOKEN}\x00", f"{TOKEN}é", [TOKEN], {"a": TOKEN}, True], ids=repr
)
def test_a_token_that_is_none_is_not_shown(token: object) -> None:
    error = refused({**GOOD, "plex_token": token})

    assert error == f"plex_token is a value that is not shown here; accepted: {ACCEPTED['plex_token']}"


def test_a_token_is_taken_without_blanks_around_it_and_never_printed() -> None:
    got = read_settings({**GOOD, "plex_token": f"  {TOKEN}\n"})

    assert got.plex_token == TOKEN
    assert TOKEN not in repr(got)
    assert TOKEN not in str(got)


def test_every_sign_that_is_seen_may_be_in_a_token() -> None:
    token = "".join(map(chr, range(33, 127)))

    assert read_settings({**GOOD, "plex_token": token}).plex_token == token


def test_a_long_value_is_shown_cut() -> None:
    assert len(refused({**GOOD, "max_retries": "9" * 10_000})) < 400
    assert len(refused({**GOOD, "plex_url": "http://a b" + "c" * 10_000})) < 400


def test_a_settings_error_concerns_the_whole_server() -> None:
    assert issubclass(SettingsError, SetupError)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ()),
        ("  ", ()),
        ("/a=/b", (("/a", "/b"),)),
        (" /a = /b ; ", (("/a", "/b"),)),
        ("/a=/b;/c=/d", (("/a", "/b"), ("/c", "/d"))),
        ("/a=/b\n/c=/d\r\n", (("/a", "/b"), ("/c", "/d"))),
        (";;/a=/b;;", (("/a", "/b"),)),
        ("D:\\My films=/my films", (("D:\\My films", "/my films"),)),
        ("/a=\\\\nas\\v", (("/a", "\\\\nas\\v"),)),
        ("/a=/b=c", (("/a", "/b=c"),)),
        ('"/a=x"=/b', (("/a=x", "/b"),)),
        ('"/a;x"="/b;y"; /c=/d', (("/a;x", "/b;y"), ("/c", "/d"))),
        ("'/a=x' = '/b' ; `/c`=/d", (("/a=x", "/b"), ("/c", "/d"))),
        ('"/a,/x"=/b', (("/a,/x", "/b"),)),
        ('`/a=/b; "/c=x"=/d`', (("/a", "/b"), ("/c=x", "/d"))),
    ],
)
def test_path_maps_as_people_type_them(typed: str, expected: tuple[tuple[str, str], ...]) -> None:
    assert parse_path_map(typed) == expected
    assert read_settings({**GOOD, "path_map": typed}).path_pairs == expected


@pytest.mark.parametrize("typed", ["/a", "/a=", "=/b", "=", "/a=/b;/c", " = ", "/a:/b"])
def test_what_is_no_path_map(typed: str) -> None:
    error = refused({**GOOD, "path_map": typed})

    assert error.startswith((f"path_map is {typed!r}", f"path_map is {typed.strip()!r}"))
    assert error.endswith(f"accepted: {ACCEPTED['path_map']}")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ()),
        ("Films", ("Films",)),
        (" Films , My videos,", ("Films", "My videos")),
        ("Kids' films & more", ("Kids' films & more",)),
        ("Films, old; Clips", ("Films, old", "Clips")),
        ('"Films, old", Clips', ("Films, old", "Clips")),
        ('"Films; old", " Clips"', ("Films; old", " Clips")),
    ],
)
def test_library_names_as_people_type_them(typed: str, expected: tuple[str, ...]) -> None:
    assert read_settings({**GOOD, "plex_library": typed}).library_names == expected


def test_settings_do_not_change() -> None:
    got = read_settings(GOOD)

    with pytest.raises(ValueError, match="frozen"):
        got.max_retries = 7


# Properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
around = st.text(st.sampled_from("ab: /\\?#@&=;.[]%1\n"), max_size=12)
holding_token = st.builds(lambda before, after: f"{before}{TOKEN}{after}", around, around)
panels = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(Settings.model_fields, json_values),
        "plex_url": json_values | around.map(lambda text: f"http://{text}") | around,
        "plex_token": holding_token | st.just(TOKEN) | st.lists(holding_token, max_size=2),
        "path_map": json_values | around,
        "stash_url": json_values | around,
        "title_template": json_values | st.text(st.sampled_from("{} title-()"), max_size=12),
        "something else": json_values,
    },
)


@PROPERTY
@given(panels)
def test_any_panel_is_read_or_refused_in_words(panel: dict[str, Any]) -> None:
    try:
        got = read_settings(panel)
    except SettingsError as error:
        assert TOKEN not in "".join(traceback.format_exception(error))
        assert any(name in str(error) for name in Settings.model_fields)
        assert "accepted: " in str(error)
    else:
        assert got.plex_url.startswith(("http://", "https://"))
        assert got.plex_token
        assert TOKEN not in repr(got)
        assert 0 <= got.max_retries <= 100
        assert 0 < got.connect_timeout <= 300
        assert 0 < got.read_timeout <= 3600
        assert all(source and target for source, target in got.path_pairs)
        assert 0 <= got.max_tags <= 10_000
        assert got.title_template.strip()
        assert got.code_field in CHOICES["code_field"]
        assert got.stash_url == "" or got.stash_url.startswith(("http://", "https://"))
        assert len(got.content_rating) <= 255


@PROPERTY
@given(
    st.sampled_from(["http://", "https://", ""]),
    st.sampled_from(["plex", "plex:32400", "10.0.0.1", "[::1]:1"]),
    st.sampled_from(["", "/", "/web", "/x"]),
    st.sampled_from(["?X-Plex-Token=", "/?a=b&X-Plex-Token=", "#X-Plex-Token=", "#!/x?X-Plex-Token="]),
)
def test_a_token_typed_into_an_address_shows_nowhere(scheme: str, host: str, path: str, mark: str) -> None:
    try:
        got = read_settings({**GOOD, "plex_url": f"{scheme}{host}{path}{mark}{TOKEN}"})
    except SettingsError as error:
        assert TOKEN not in str(error)
    else:
        assert TOKEN not in got.plex_url


@PROPERTY
@given(
    st.sampled_from(["", "http://", "HTTPS://", "https://"]),
    st.sampled_from(["plex", "Plex.example.org", "10.0.0.1", "[fe80::1]"]),
    st.none() | st.integers(1, 65535),
    st.text(st.sampled_from("/ab.-web"), max_size=10).map(lambda text: f"/{text}") | st.just(""),
)
def test_a_normal_address_stays_as_it_is(scheme: str, host: str, port: int | None, path: str) -> None:
    typed = f"{scheme}{host}{'' if port is None else f':{port}'}{path}"
    assume("//" not in path.rstrip("/"))

    once = normal_url(typed)

    assert once == normal_url(once)
    assert once.startswith((scheme or "http://").lower() + typed.removeprefix(scheme).split("/")[0])
    assert not once.endswith("/")


@PROPERTY
@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from("/aé \\:.%"), max_size=8).map(lambda text: f"/{text}".strip())] * 2),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
def test_a_path_map_is_read_as_it_was_put_together(pairs: list[tuple[str, str]]) -> None:
    typed = " ;\n".join(f"{source} = {target}" for source, target in pairs)

    assert parse_path_map(typed) == tuple((source.strip(), target.strip()) for source, target in pairs)


@PROPERTY
@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from("/a,;=\"' \\`é"), max_size=8).map(lambda text: f"/{text}")] * 2),
        max_size=4,
        unique_by=lambda pair: pair[0],
    )
)
def test_a_path_map_that_is_written_is_read_as_the_same(pairs: list[tuple[str, str]]) -> None:
    assert parse_path_map(path_map_of(pairs)) == tuple(pairs)
    if "`" not in path_map_of(pairs):  # as it is copied off a line of the log
        assert parse_path_map(f"`{path_map_of(pairs)}`") == tuple(pairs)


@pytest.mark.parametrize("day", ["2024-01-31", " 2024-01-31 ", "1970-01-01", ""])
def test_a_day_is_taken_as_it_is_written(day: str) -> None:
    assert read_settings({**GOOD, "bring_since": day}).bring_since == day.strip()


@pytest.mark.parametrize("day", ["yesterday", "2024", "31.01.2024", "2024-02-30", "0", 5, True])
def test_what_is_no_day_is_named(day: object) -> None:
    with pytest.raises(SettingsError, match=r"bring_since is .*; accepted: a day such as 2024-01-31"):
        read_settings({**GOOD, "bring_since": day})


@pytest.mark.parametrize("name", ["bring_plays", "bring_resume", "send_resume", "bring_ratings"])
def test_what_is_switched_on_begins_with_that_day(name: str) -> None:
    noon = datetime.datetime(2024, 5, 17, 12).timestamp()
    assert "bring_since" not in to_fill_in({}, noon)
    for on in (True, "true", "on"):
        assert to_fill_in({name: on}, noon)["bring_since"] == "2024-05-17"
        assert "bring_since" not in to_fill_in({name: on, "bring_since": "2000-01-01"}, noon)
