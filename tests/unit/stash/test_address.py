"""Where Stash is to be called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import SetupError
from sync.stash.address import session_cookie, stash_address

PROPERTY = settings(max_examples=100, deadline=None)


def connection(**fields: Any) -> dict[str, Any]:
    return {"Scheme": "http", "Host": "localhost", "Port": 9999, **fields}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, ("http", "localhost", 9999), id="plain"),
        pytest.param({"Scheme": "https"}, ("https", "localhost", 9999), id="https"),
        pytest.param({"Scheme": ""}, ("http", "localhost", 9999), id="empty scheme"),
        pytest.param({"Scheme": None}, ("http", "localhost", 9999), id="no scheme"),
        pytest.param({"Host": "0.0.0.0"}, ("http", "127.0.0.1", 9999), id="listens anywhere"),
        pytest.param({"Host": "::"}, ("http", "::1", 9999), id="listens anywhere, IPv6"),
        pytest.param({"Host": "[::]"}, ("http", "::1", 9999), id="listens anywhere, IPv6 in brackets"),
        pytest.param({"Host": ""}, ("http", "127.0.0.1", 9999), id="empty host"),
        pytest.param({"Host": None}, ("http", "127.0.0.1", 9999), id="no host"),
        pytest.param({"Host": "192.168.1.5"}, ("http", "192.168.1.5", 9999), id="address"),
        pytest.param({"Host": "10.0.0.0"}, ("http", "10.0.0.0", 9999), id="address with zeros"),
        pytest.param({"Host": "[fe80::1]"}, ("http", "fe80::1", 9999), id="IPv6 in brackets"),
        pytest.param({"Host": "fe80::1"}, ("http", "fe80::1", 9999), id="IPv6"),
        pytest.param({"Host": "stash.example.org"}, ("http", "stash.example.org", 9999), id="name"),
        pytest.param({"Port": "9999"}, ("http", "localhost", 9999), id="port in quotes"),
        pytest.param({"Port": 1}, ("http", "localhost", 1), id="lowest port"),
        pytest.param({"Port": 65535}, ("http", "localhost", 65535), id="highest port"),
    ],
)
def test_where_stash_is_called(fields: dict[str, Any], expected: tuple[str, str, int]) -> None:
    assert stash_address(connection(**fields)) == expected


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("Scheme", "ftp", "http, https"),
        ("Scheme", 5, "http, https"),
        ("Scheme", ["http"], "http, https"),
        ("Host", "a b", "a host name or address"),
        ("Host", "user@host", "a host name or address"),
        ("Host", "host/path", "a host name or address"),
        ("Host", "host?x", "a host name or address"),
        ("Host", "host#x", "a host name or address"),
        ("Host", "host\\x", "a host name or address"),
        ("Host", "host\r\nX: y", "a host name or address"),
        ("Host", "höst", "a host name or address"),
        ("Host", "[]", "a host name or address"),
        ("Host", 5, "a host name or address"),
        ("Host", ["a"], "a host name or address"),
        ("Port", 0, "a number from 1 to 65535"),
        ("Port", -1, "a number from 1 to 65535"),
        ("Port", 65536, "a number from 1 to 65535"),
        ("Port", None, "a number from 1 to 65535"),
        ("Port", "", "a number from 1 to 65535"),
        ("Port", "99999", "a number from 1 to 65535"),
        ("Port", "123456789", "a number from 1 to 65535"),
        ("Port", "80a", "a number from 1 to 65535"),
        ("Port", "٨٠", "a number from 1 to 65535"),
        ("Port", "²", "a number from 1 to 65535"),
        ("Port", True, "a number from 1 to 65535"),
        ("Port", 80.5, "a number from 1 to 65535"),
    ],
)
def test_what_is_no_address_is_named(field: str, value: object, accepted: str) -> None:
    with pytest.raises(SetupError) as caught:
        stash_address(connection(**{field: value}))

    text = str(caught.value)
    assert text.startswith(f"server_connection.{field} is ")
    assert str(value).encode("unicode_escape").decode() in text or str(value) in text
    assert text.endswith(f"; accepted: {accepted}")


def test_a_missing_port_is_named() -> None:
    with pytest.raises(SetupError, match=r"server_connection\.Port is None"):
        stash_address({})


@pytest.mark.parametrize(("field", "value"), [("Host", "a b" * 1000), ("Port", "1" * 5000), ("Scheme", "h" * 1000)])
def test_a_long_value_is_shown_cut(field: str, value: str) -> None:
    with pytest.raises(SetupError) as caught:
        stash_address(connection(**{field: value}))

    assert len(str(caught.value)) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
hosts = st.text(st.sampled_from("a0.:[]-_ /@\n"), max_size=8)


@PROPERTY
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "Scheme": json_values | st.sampled_from(["http", "https"]),
            "Host": json_values | hosts,
            "Port": json_values | st.integers(-5, 70_000) | st.integers(-5, 70_000).map(str),
        },
    )
)
def test_any_connection_is_an_address_or_an_error_in_words(told: dict[str, Any]) -> None:
    try:
        scheme, host, port = stash_address(told)
    except SetupError as error:
        assert str(error).startswith("server_connection.")
        assert "accepted: " in str(error)
    else:
        assert scheme in ("http", "https")
        assert 1 <= port <= 65535
        assert host.isascii()
        assert host not in ("", "0.0.0.0", "::")
        assert not set(host) & set(" \t\r\n/@?#\\")


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        pytest.param({"Name": "session", "Value": "abc"}, ("session", "abc"), id="plain"),
        pytest.param({"Name": "other", "Value": "!MTY3==|x_-~"}, ("other", "!MTY3==|x_-~"), id="another name"),
        pytest.param({"Value": "abc"}, ("session", "abc"), id="no name"),
        pytest.param({"Name": "", "Value": "abc"}, ("session", "abc"), id="empty name"),
        pytest.param({"Name": "session"}, None, id="no value"),
        pytest.param({"Name": "session", "Value": ""}, None, id="empty value"),
        pytest.param({"Name": "session", "Value": None}, None, id="null value"),
        pytest.param({"Name": "session", "Value": 5}, None, id="a number"),
        pytest.param({"Name": 5, "Value": "abc"}, None, id="a number for a name"),
        pytest.param({"Name": "session", "Value": "a\r\nX: y"}, None, id="a line break"),
        pytest.param({"Name": "a\nb", "Value": "abc"}, None, id="a line break in the name"),
        pytest.param({"Name": "session", "Value": "a b"}, None, id="a blank"),
        pytest.param({"Name": "session", "Value": "é"}, None, id="not ASCII"),
        pytest.param({"Name": "session", "Value": "a\x7f"}, None, id="a control character"),
        pytest.param(None, None, id="null"),
        pytest.param("session=abc", None, id="a string"),
        pytest.param([], None, id="a list"),
    ],
)
def test_the_session_cookie(cookie: object, expected: tuple[str, str] | None) -> None:
    assert session_cookie(connection(SessionCookie=cookie)) == expected


def test_without_a_cookie_there_is_none() -> None:
    assert session_cookie(connection()) is None


@PROPERTY
@given(json_values | st.fixed_dictionaries({}, optional={"Name": json_values, "Value": json_values | st.text()}))
def test_no_cookie_breaks_a_header(cookie: object) -> None:
    got = session_cookie({"SessionCookie": cookie})

    if got is not None:
        assert all(33 <= ord(character) <= 126 for character in "".join(got))
        assert all(got)
