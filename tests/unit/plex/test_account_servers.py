"""What plex.tv's list says, in which order addresses come, and which of them may get a token."""

from __future__ import annotations

import ipaddress
import sys
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.plex.account.servers import (
    Address,
    Kind,
    Tried,
    addresses_of,
    best_first,
    in_words,
    may_get_token,
    read_servers,
)

PROPERTY = settings(max_examples=150, deadline=None)
SECURE = "https://192-168-1-2.hash.plex.direct:32400"
LISTED: dict[str, Any] = {
    "name": "Home",
    "productVersion": "1.42.1",
    "clientIdentifier": "machine",
    "provides": "server",
    "owned": True,
    "accessToken": "of-the-server",
    "httpsRequired": False,
    "connections": [{"address": "192.168.1.2", "port": 32400, "uri": SECURE, "local": True, "relay": False}],
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD = st.fixed_dictionaries({}, optional=dict.fromkeys(LISTED, JSON) | {"provides": st.just("server")})


def test_a_server_is_read_with_the_plain_address_beside_the_secure_one() -> None:
    [server] = read_servers([LISTED], "of-the-account")
    assert server[:5] == ("machine", "Home", "1.42.1", True, "of-the-server")
    assert server.addresses == (Address(SECURE, "local"), Address("http://192.168.1.2:32400", "local"))


@pytest.mark.parametrize(
    ("changes", "token"),
    [({}, "of-the-server"), ({"accessToken": None}, "of-the-account"), ({"accessToken": None, "owned": False}, "")],
)
def test_only_an_owners_server_takes_the_token_of_the_account(changes: dict[str, Any], token: str) -> None:
    assert read_servers([LISTED | changes], "of-the-account")[0].token == token


@pytest.mark.parametrize("provides", ["player", "", "client,player", "no-server", None, 7])
def test_what_is_no_server_is_left_out(provides: object) -> None:
    assert read_servers([LISTED | {"provides": provides}], "") == []


@pytest.mark.parametrize("provides", ["server", "client,server"])
def test_a_server_may_be_more_than_that(provides: str) -> None:
    assert len(read_servers([LISTED | {"provides": provides}], "")) == 1


@pytest.mark.parametrize(
    ("owned", "is_owned"), [(True, True), (1, True), ("1", True), (0, False), ("0", False), (None, False)]
)
def test_owned_is_a_switch_in_any_dress(owned: object, is_owned: bool) -> None:
    assert read_servers([LISTED | {"owned": owned}], "")[0].owned is is_owned


@PROPERTY
@given(st.lists(ODD | JSON, max_size=3))
def test_no_list_of_odd_things_breaks_the_reading(listed: list[Any]) -> None:
    for server in read_servers(listed, "token"):
        assert server.machine
        assert server.token or not server.owned


NO_HOST = pytest.param(
    "fe80::1%eth0%",
    marks=pytest.mark.skipif(sys.version_info < (3, 11, 4), reason="Python before 3.11.4 takes it for a host"),
)


def connection(uri: str, address: str = "8.8.8.8", **more: Any) -> dict[str, Any]:
    return {"uri": uri, "address": address, "port": 32400, "local": False, "relay": False, **more}


def test_addresses_come_secure_first_and_the_relay_last() -> None:
    connections = [
        connection("https://relay.plex.direct:8443", relay=True),
        connection("http://10.0.0.2:32400", "10.0.0.2", local=True),
        connection("https://away.plex.direct:32400"),
        connection(SECURE, "192.168.1.2", local=True),
    ]
    assert [one.address for one in addresses_of({"connections": connections})] == [
        SECURE,
        "https://away.plex.direct:32400",
        "http://10.0.0.2:32400",
        "http://192.168.1.2:32400",
        "https://relay.plex.direct:8443",
    ]


def test_each_address_comes_once() -> None:
    one = connection("http://10.0.0.2:32400", "10.0.0.2", local=True)
    assert len(addresses_of({"connections": [one, one, one | {"uri": "http://10.0.0.2:32400/"}]})) == 1


def test_a_server_that_takes_https_alone_has_no_plain_address() -> None:
    assert [one.address for one in addresses_of(LISTED | {"httpsRequired": True})] == [SECURE]


@pytest.mark.parametrize("address", ["8.8.8.8", "plex.example", "", None, NO_HOST])
def test_no_plain_address_is_made_up_where_it_could_not_get_a_token(address: Any) -> None:
    found = addresses_of({"connections": [connection(SECURE, address, local=True)]})
    assert [one.address for one in found] == [SECURE]


def test_an_address_of_version_6_stands_in_brackets() -> None:
    found = addresses_of({"connections": [connection(SECURE, "fd00::5", local=True, IPv6=True)]})
    assert found[1].address == "http://[fd00::5]:32400"


@pytest.mark.parametrize(
    "uri", ["", None, "ftp://10.0.0.2", "https://user:secret@10.0.0.2", "https://", "http://[", "a b"]
)
def test_what_is_no_address_is_left_out(uri: Any) -> None:
    assert addresses_of({"connections": [connection(uri), 7, None]}) == ()


@pytest.mark.parametrize(
    "address",
    [
        *("https://away.plex.direct:32400", "https://8.8.8.8:32400"),
        *("http://10.1.2.3:32400", "http://172.16.0.1", "http://172.31.255.255", "http://192.168.0.1"),
        *("http://127.0.0.1:1", "http://[::1]:1", "http://169.254.1.1", "http://[fe80::1]", "http://[fd12::1]:32400"),
        "http://[::ffff:192.168.1.1]:32400",
    ],
)
def test_a_token_goes_to_https_and_within_one_network(address: str) -> None:
    assert may_get_token(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "http://8.8.8.8:32400",
            "http://172.32.0.1",
            "http://192.169.0.1",
            "http://100.64.0.1",
            "http://0.0.0.0",
            "http://198.18.0.1",
            "http://240.0.0.1",
            "http://[2001::1]",
        ),
        *("http://localhost:32400", "http://plex.lan", "http://[2606:4700::1]", "http://[::ffff:8.8.8.8]"),
        *("ftp://10.0.0.1", "10.0.0.1", "http://", "", "http://[", "https://", "http://10.0.0.1@8.8.8.8"),
        *("http://0x7f000001", "http://2130706433", "http://127.1", "http://010.0.0.1"),
    ],
)
def test_a_token_goes_nowhere_else_without_https(address: str) -> None:
    assert not may_get_token(address)


@PROPERTY
@given(st.ip_addresses())
def test_no_address_of_the_internet_gets_a_token_over_plain_http(host: ipaddress.IPv4Address) -> None:
    shown = f"[{host}]" if host.version == 6 else str(host)
    assert not (host.is_global and may_get_token(f"http://{shown}:32400"))
    assert may_get_token(f"https://{shown}:32400")


TRIED = st.builds(
    Tried,
    st.sampled_from(["https://a", "http://b", "https://c"]),
    st.sampled_from(get_args(Kind)),
    st.none() | st.integers(0, 9_000),
    st.sampled_from(["", "refused"]),
)


@PROPERTY
@given(st.lists(TRIED, max_size=8))
def test_the_best_is_the_first_that_can_be_used(tried: list[Tried]) -> None:
    found = best_first(tried)
    assert sorted(found, key=str) == sorted(tried, key=str)
    usable = [one for one in found if not one.error]
    assert found[: len(usable)] == usable
    if usable:
        best = usable[0]
        assert best.kind != "relay" or all(one.kind == "relay" for one in usable)
        same = [one for one in usable if (one.kind, one.address[:5]) == (best.kind, best.address[:5])]
        assert (best.ms or 0) == min(one.ms or 0 for one in same)


def test_addresses_in_words() -> None:
    assert in_words([]) == "no address is known"
    tried = [Tried("http://a", "local", None, "refused"), Tried("http://b", "local", 7, "")]
    assert in_words(tried) == "http://a (refused), http://b (7 ms)"
