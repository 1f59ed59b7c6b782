"""Settings as people type them."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.errors import SetupError
from sync.settings import (
    ACCEPTED,
    SECRET_SETTINGS,
    Settings,
    SettingsError,
    defaults,
    normal_url,
    parse_path_map,
    read_settings,
)

PROPERTY = settings(max_examples=200, deadline=None)

TOKEN = "Zq7-xYsecret_9"
GOOD = {"plex_url": "http://192.168.1.10:32400", "plex_token": TOKEN}
SWITCHES = [name for name, field in Settings.model_fields.items() if isinstance(field.default, bool)]
NUMBERS = ["max_retries", "connect_timeout", "read_timeout"]
TEXTS = ["plex_library", "path_map"]


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
    assert got.path_pairs == ()
    assert got.library_names == ()


def test_the_defaults_for_the_panel_are_what_is_in_force() -> None:
    shown = defaults()

    assert {*SWITCHES, *NUMBERS} <= shown.keys()
    assert not set(SECRET_SETTINGS) & shown.keys()
    assert read_settings({**shown, **GOOD}) == read_settings(GOOD)


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


def test_a_path_with_a_token_is_no_address() -> None:
    assert TOKEN not in refused({**GOOD, "plex_url": f"http://plex:32400/&X-Plex-Token={TOKEN}"})


@pytest.mark.parametrize("name", SWITCHES)
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
def test_switches_as_people_type_them(name: str, typed: object, expected: bool) -> None:
    assert getattr(read_settings({**GOOD, name: typed}), name) is expected


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("typed", ["maybe", 2, -1, 0.5, [], {}, [True], "on off"], ids=repr)
def test_what_is_no_switch(name: str, typed: object) -> None:
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
        ("connect_timeout", 300, 300),
        ("connect_timeout", 0.01, 0.01),
        ("read_timeout", 3600, 3600),
        ("read_timeout", 0.5, 0.5),
        ("read_timeout", " 60 ", 60),
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
        ("connect_timeout", "5,5"),
        ("connect_timeout", "nan"),
        ("connect_timeout", "inf"),
        ("read_timeout", 0),
        ("read_timeout", 3601),
        ("read_timeout", {"s": 5}),
    ],
)
def test_what_is_no_number_or_out_of_bounds(name: str, typed: object) -> None:
    assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"


@pytest.mark.parametrize("name", [*SWITCHES, *NUMBERS, *TEXTS])
@pytest.mark.parametrize("typed", [None, ""], ids=repr)
def test_what_is_empty_takes_its_default(name: str, typed: object) -> None:
    assert read_settings({**GOOD, name: typed}) == read_settings(GOOD)


@pytest.mark.parametrize("name", [*SWITCHES, *NUMBERS, *TEXTS])
def test_blanks_are_empty(name: str) -> None:
    assert read_settings({**GOOD, name: "  "}) == read_settings(GOOD)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("typed", [5, True, ["a"], {"a": "b"}], ids=repr)
def test_what_is_no_text(name: str, typed: object) -> None:
    assert refused({**GOOD, name: typed}) == f"{name} is {typed!r}; accepted: {ACCEPTED[name]}"


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
    "token", [f"{TOKEN} x", f"{TOKEN}\nx", f"{TOKEN}\x00", f"{TOKEN}é", [TOKEN], {"a": TOKEN}, 5], ids=repr
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
        (" , ", ()),
        ("Kids' films & more", ("Kids' films & more",)),
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
        st.tuples(*[st.text(st.sampled_from("/aé \\:.%'"), min_size=1, max_size=8).filter(str.strip)] * 2), max_size=4
    )
)
def test_a_path_map_is_read_as_it_was_put_together(pairs: list[tuple[str, str]]) -> None:
    typed = " ;\n".join(f"{source} = {target}" for source, target in pairs)

    assert parse_path_map(typed) == tuple((source.strip(), target.strip()) for source, target in pairs)
