"""The stand-in plex.tv answers as plex.tv does: asked by hand, and by python-plexapi's own sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from plexapi.myplex import MyPlexPinLogin

from tests.servers.plex import PlexStandIn
from tests.servers.plex_tv import Connection, PlexTvStandIn

WHO = {"X-Plex-Client-Identifier": "a-client", "X-Plex-Product": "Tests", "Accept": "application/json"}
EVERYTHING = "?includeHttps=1&includeRelay=1&includeIPv6=1"


@pytest.fixture
def plex_tv() -> Iterator[PlexTvStandIn]:
    with PlexTvStandIn() as server:
        server.least_pause = 0
        yield server


def make_pin(plex_tv: PlexTvStandIn, **headers: str | None) -> requests.Response:
    address = f"{plex_tv.url}/plex.tv"
    return requests.post(f"{address}/api/v2/pins?strong=true", headers={**WHO, **headers}, timeout=10)


def ask_pin(plex_tv: PlexTvStandIn, number: int, **headers: str | None) -> requests.Response:
    address = f"{plex_tv.url}/plex.tv"
    return requests.get(f"{address}/api/v2/pins/{number}", headers={**WHO, **headers}, timeout=10)


def resources(plex_tv: PlexTvStandIn, token: str, query: str = EVERYTHING, **headers: str) -> requests.Response:
    address = f"{plex_tv.url}/clients.plex.tv"
    asked = {**WHO, "X-Plex-Token": token, **headers}
    return requests.get(f"{address}/api/v2/resources{query}", headers=asked, timeout=10)


def signed_in(plex_tv: PlexTvStandIn) -> str:
    make_pin(plex_tv)
    return plex_tv.agree(plex_tv.pins[-1])


def test_a_pin_waits_until_the_person_agrees(plex_tv: PlexTvStandIn) -> None:
    made = make_pin(plex_tv)
    pin = made.json()
    assert (made.status_code, len(pin["code"]), pin["expiresIn"], pin["authToken"]) == (201, 25, 900, None)
    assert ask_pin(plex_tv, pin["id"]).json()["authToken"] is None
    token = plex_tv.agree(plex_tv.wait_for_pin())
    assert ask_pin(plex_tv, pin["id"]).json()["authToken"] == token


@pytest.mark.parametrize("missing", ["X-Plex-Client-Identifier", "X-Plex-Product"])
def test_a_pin_is_made_for_a_client_that_says_who_it_is(plex_tv: PlexTvStandIn, missing: str) -> None:
    answer = make_pin(plex_tv, **{missing: None})
    assert answer.status_code == 400
    assert missing in answer.json()["errors"][0]["message"]


def test_a_pin_is_shown_to_its_own_client_alone(plex_tv: PlexTvStandIn) -> None:
    number = make_pin(plex_tv).json()["id"]
    other = ask_pin(plex_tv, number, **{"X-Plex-Client-Identifier": "another"})
    assert (other.status_code, other.json()["errors"][0]["code"]) == (404, 1020)


@pytest.mark.parametrize(("forgets", "status"), [(True, 404), (False, 200)])
def test_an_expired_pin_is_over(plex_tv: PlexTvStandIn, forgets: bool, status: int) -> None:
    plex_tv.expires_in, plex_tv.forgets_expired = 0, forgets
    assert ask_pin(plex_tv, make_pin(plex_tv).json()["id"]).status_code == status


def test_a_denied_pin_is_over(plex_tv: PlexTvStandIn) -> None:
    number = make_pin(plex_tv).json()["id"]
    plex_tv.deny(plex_tv.wait_for_pin())
    assert ask_pin(plex_tv, number).status_code == 404


def test_who_asks_too_often_is_told_to_wait(plex_tv: PlexTvStandIn) -> None:
    plex_tv.least_pause = 60
    number = make_pin(plex_tv).json()["id"]
    first, second = ask_pin(plex_tv, number), ask_pin(plex_tv, number)
    assert (first.status_code, second.status_code, second.headers["Retry-After"]) == (200, 429, "1")


def test_a_client_has_one_token_and_its_server_knows_no_other(plex_tv: PlexTvStandIn) -> None:
    with PlexStandIn() as plex:
        plex_tv.add_server(plex)
        first, second = signed_in(plex_tv), signed_in(plex_tv)
        statuses = [
            requests.get(plex.url, headers={"X-Plex-Token": one}, timeout=10).status_code for one in (first, second)
        ]
        assert statuses == [401, 200]
        assert [resources(plex_tv, one).status_code for one in (first, second)] == [401, 200]
        assert resources(plex_tv, second).json()[0]["accessToken"] == second


def test_connections_come_as_they_are_asked_for(plex_tv: PlexTvStandIn) -> None:
    one = Connection("https://192-168-1-2.hash.plex.direct:32400", "192.168.1.2")
    six = Connection("https://2001-db8--1.hash.plex.direct:32400", "2001:db8::1", local=False, ipv6=True)
    relay = Connection("https://198-51-100-1.hash.plex.direct:8443", "198.51.100.1", 8443, local=False, relay=True)
    plex_tv.add("Home", "machine", [one, six, relay])
    plex_tv.add("Friend's", "other", [], owned=False, access_token=None)
    token = signed_in(plex_tv)

    def uris(query: str) -> list[str]:
        return [found["uri"] for found in resources(plex_tv, token, query).json()[0]["connections"]]

    assert uris(EVERYTHING) == [one.uri, six.uri, relay.uri]
    assert uris("?includeHttps=1") == [one.uri]
    assert uris("") == ["http://192.168.1.2:32400"]
    assert resources(plex_tv, token).json()[1]["accessToken"] is None


def test_xml_says_the_same(plex_tv: PlexTvStandIn) -> None:
    plex_tv.add("A & B", "machine", [Connection("http://127.0.0.1:1")])
    token = signed_in(plex_tv)
    root = ElementTree.fromstring(resources(plex_tv, token, Accept="application/xml").text)
    resource = root.find("resource")
    assert resource is not None
    assert (resource.get("name"), resource.get("owned"), resource.get("ownerId")) == ("A & B", "1", "")
    assert [one.get("uri") for one in resource.iter("connection")] == ["http://127.0.0.1:1"]


def test_each_host_serves_its_own(plex_tv: PlexTvStandIn) -> None:
    token = signed_in(plex_tv)
    for path in ("/clients.plex.tv/api/v2/pins/1000001", "/plex.tv/api/v2/resources", "/api/v2/pins/1000001"):
        answer = requests.get(plex_tv.url + path, headers={**WHO, "X-Plex-Token": token}, timeout=10)
        assert answer.status_code == 404, path
    assert requests.get(f"{plex_tv.url}/app.plex.tv/auth", timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"status": 503}, 503), ({"status": 429, "headers": {"Retry-After": "7"}}, 429), ({"status": 200}, 200)],
)
def test_it_fails_on_demand_and_recovers(plex_tv: PlexTvStandIn, fault: dict[str, Any], status: int) -> None:
    plex_tv.fail(path_contains="/pins", **fault)
    broken = make_pin(plex_tv)
    assert (broken.status_code, broken.text[:6]) == (status, "<html>")
    assert broken.headers.get("Retry-After") == fault.get("headers", {}).get("Retry-After")
    assert make_pin(plex_tv).status_code == 201


def test_it_can_be_down(plex_tv: PlexTvStandIn) -> None:
    plex_tv.fail(kind="refuse")
    with pytest.raises(requests.ConnectionError):
        make_pin(plex_tv)
    plex_tv.clear_faults()
    assert make_pin(plex_tv).status_code == 201


def test_plexapis_own_sign_in_works(plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MyPlexPinLogin, "PINS", f"{plex_tv.url}/plex.tv/api/v2/pins")
    login = MyPlexPinLogin(oauth=True, headers={"X-Plex-Client-Identifier": "of-plexapi"})
    assert login.oauthUrl().startswith("https://app.plex.tv/auth/#!?clientID=of-plexapi&")
    assert not login.checkLogin()
    token = plex_tv.agree(plex_tv.wait_for_pin())
    assert login.checkLogin()
    assert login.token == token
