"""Signing in with Plex, over real HTTP: the stand-in plex.tv, stand-in servers, and the page that asks."""

from __future__ import annotations

import itertools
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sync import log
from sync.errors import PlexSyncError, quoted
from sync.pages import sign_in as operation
from sync.pages.sign_in import sign_in
from sync.plex.account import ask, begun
from sync.plex.account import plex_tv as plex_tv_module
from sync.plex.client import client_identifier
from tests.servers.plex import PlexStandIn
from tests.servers.plex_tv import Connection, PlexTvStandIn
from tests.servers.wire import Canned, self_signed, tls_before
from tests.site import Site

pytestmark = pytest.mark.integration

PATIENCE = 20.0
AS_IT_COMES = operation.POLL
NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens."""


class Page:
    """A page of Stash's that has begun a sign-in, which runs in a thread; it is the sign-in's `Work`, too."""

    def __init__(self, site: Site) -> None:
        self.connection = site.connection()
        self.data = str(site.data)
        self.args: dict[str, Any] = {"mode": "sign_in"}
        self.facts: dict[str, Any] = {}
        self.told: list[str] = []
        """All that was ever told, as JSON."""
        self.wanted = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def tell(self, **facts: Any) -> None:
        with self._changed:
            self.facts = self.facts | facts
            self.told.append(json.dumps(self.facts))
            self._changed.notify_all()

    def is_wanted(self) -> bool:
        return self.wanted

    def wait_for(self, state: str) -> dict[str, Any]:
        with self._changed:
            assert self._changed.wait_for(lambda: self.facts.get("state") in (state, "ended"), PATIENCE)
        if self.facts["state"] != state:
            raise AssertionError(self.end())
        return self.facts

    def end(self) -> str:
        """Wait for its end; the sentence with which it ended, empty where it went well."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return str(self.facts.get("error", ""))

    def _run(self) -> None:
        try:
            facts = sign_in(self)  # type: ignore[arg-type]
        except PlexSyncError as error:
            facts = {"error": log.redact(str(error))}
        self.tell(**facts, done=True)


@pytest.fixture
def plex_tv(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlexTvStandIn]:
    with PlexTvStandIn() as server:
        server.least_pause = 0
        monkeypatch.setattr(operation, "POLL", 0.01)
        for name, address in server.environment.items():
            monkeypatch.setenv(name, address)
        yield server


@pytest.fixture(autouse=True)
def _data(site: Site) -> None:
    """The data folder is there before any operation works."""
    site.data.mkdir(parents=True, exist_ok=True)


def test_tokens_of_a_sign_in_that_was_killed_are_gone_with_the_next_work(site: Site) -> None:
    own = begun.begin(str(site.data), until=time.time() - 1)
    begun.keep(str(site.data), own, servers=[{"token": "of a killed one"}])
    site.ask("libraries")
    assert not (site.data / begun.FILE).exists()
    own = begun.begin(str(site.data), until=time.time() + 60)
    site.ask("libraries")
    assert begun.read(str(site.data)), "one that is under way stays"
    begun.discard(str(site.data), own)


def choosing(site: Site, plex_tv: PlexTvStandIn) -> Page:
    """A sign-in whose person has agreed, and has servers to choose from."""
    page = Page(site)
    page.wait_for("waiting")
    plex_tv.agree(plex_tv.pins[-1])
    page.wait_for("choose")
    return page


def ended(site: Site, plex_tv: PlexTvStandIn) -> str:
    """The sentence with which a sign-in ends whose person has agreed."""
    page = Page(site)
    page.wait_for("waiting")
    plex_tv.agree(plex_tv.pins[-1])
    return page.end()


def on_disk(site: Site, secret: str) -> list[str]:
    return [str(path) for path in site.data.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def tokens_seen(plex: PlexStandIn) -> set[str]:
    return {request.headers["x-plex-token"] for request in plex.requests if "x-plex-token" in request.headers}


# The way through


def test_from_the_click_to_the_stored_token(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    old, page = site.plex.token, Page(site)
    waiting = page.wait_for("waiting")
    assert waiting["expires_at"] == pytest.approx(time.time() + 900, abs=10)
    pin = plex_tv.wait_for_pin()
    where = urlsplit(waiting["url"])
    assert waiting["url"].startswith(f"{plex_tv.url}/app.plex.tv/auth#?")
    assert parse_qs(where.fragment.lstrip("?")) == {
        "clientID": [client_identifier(str(site.data))],
        "code": [pin.code],
        "context[device][product]": ["PlexSync"],
    }
    token = plex_tv.agree(pin)
    found = page.wait_for("choose")
    assert found["done"]
    [server] = found["servers"]
    assert (server["machine"], server["name"]) == (site.plex.machine_identifier, site.plex.friendly_name)
    [address] = server["addresses"]
    assert (address["address"], address["kind"], address["error"]) == (site.plex.url, "local", "")
    assert isinstance(address["ms"], int)
    assert site.stash.plugin_settings["plex_token"] == old
    site.stash.set_settings(of_a_newer_version="kept")
    answer = site.ask("sign_in_choose", machine=server["machine"], address=address["address"])
    assert answer == {"state": "done", "name": site.plex.friendly_name, "address": site.plex.url}
    stored = site.stash.plugin_settings
    assert (stored["plex_url"], stored["plex_token"], stored["of_a_newer_version"]) == (site.plex.url, token, "kept")
    assert page.end() == ""
    assert not (site.data / begun.FILE).exists()


def test_as_a_process_at_the_pace_that_plex_tv_wants(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.least_pause = 1.0
    plex_tv.add_server(site.plex)
    begin = site.call({"mode": "sign_in"}).output

    def look() -> dict[str, Any]:
        found: dict[str, Any] = site.call({"mode": "sign_in", "id": begin["id"]}).output
        return found

    site.wait_until(lambda: look().get("state") == "waiting")
    pin = plex_tv.wait_for_pin()
    asked = plex_tv.wait_for_request(lambda one: one.method == "GET" and "/pins/" in one.path, count=2)
    token = plex_tv.agree(pin)
    site.wait_until(lambda: look()["done"])
    found = look()
    assert "error" not in found
    assert {one.status for one in asked} == {200}
    assert asked[1].at - asked[0].at >= 1
    [server] = found["servers"]
    answer = site.ask("sign_in_choose", machine=server["machine"], address=server["addresses"][0]["address"])
    assert answer["state"] == "done"
    assert site.stash.plugin_settings["plex_token"] == token
    assert on_disk(site, token) == []


def test_processes_know_of_one_another_and_of_the_page(site: Site, plex_tv: PlexTvStandIn) -> None:
    def begin() -> str:
        return str(site.call({"mode": "sign_in"}).output["id"])

    def look(number: str) -> dict[str, Any]:
        found: dict[str, Any] = site.call({"mode": "sign_in", "id": number}).output
        return found

    earlier = begin()
    site.wait_until(lambda: look(earlier).get("state") == "waiting")
    later = begin()
    site.wait_until(lambda: look(earlier)["done"] and look(later).get("state") == "waiting")
    assert look(earlier)["error"] == operation._CANCELLED
    assert (site.data / begun.FILE).exists()
    site.ask("cancel", what="sign_in", id=later)
    site.wait_until(lambda: look(later)["done"])
    assert look(later)["error"] == operation._CANCELLED
    assert not (site.data / begun.FILE).exists()


def test_plex_tv_is_asked_once_a_second_at_the_most(
    site: Site, plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AS_IT_COMES >= 1
    monkeypatch.setattr(operation, "POLL", 0.05)
    page = Page(site)
    asked = plex_tv.wait_for_request(lambda one: one.method == "GET", count=4)
    page.wanted = False
    page.end()
    # What it takes to answer comes on top; both clocks are this machine's.
    assert all(later.at - earlier.at >= 0.045 for earlier, later in itertools.pairwise(asked))


def test_each_request_says_who_asks(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    choosing(site, plex_tv)
    identifier = client_identifier(str(site.data))
    for request in plex_tv.requests:
        told = (request.headers["x-plex-client-identifier"], request.headers["x-plex-product"])
        assert told == (identifier, "PlexSync")
    assert [one.host for one in plex_tv.requests if one.place == "/api/v2/resources"] == ["clients.plex.tv"]


def test_plex_itself_is_asked_where_nothing_leads_elsewhere(
    monkeypatch: pytest.MonkeyPatch, plex_tv: PlexTvStandIn
) -> None:
    assert plex_tv_module._address("app.plex.tv") == f"{plex_tv.url}/app.plex.tv"
    monkeypatch.delenv("PLEXSYNC_PLEX_TV")
    hosts = ("plex.tv", "clients.plex.tv", "app.plex.tv")
    assert [plex_tv_module._address(host) for host in hosts] == [f"https://{host}" for host in hosts]


# Which server, at which address


def test_own_servers_alone_are_offered_the_best_address_first(
    site: Site, plex_tv: PlexTvStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with tls_before(site.plex.port, context) as secure:
        https = f"https://127.0.0.1:{secure}"
        uris = [
            (NOWHERE, True, False),
            (https, False, True),
            (site.plex.url, True, False),
            (https + "/x", True, False),
        ]
        connections = [Connection(uri, "8.8.8.8", local=local, relay=relay) for uri, local, relay in uris]
        plex_tv.add("Off", "machine-of-another", [Connection(NOWHERE)])
        plex_tv.add_server(site.plex, connections)
        plex_tv.add("Friend's", "machine-of-a-friend", [Connection(site.plex.url)], owned=False)
        plex_tv.add("Phone", "a-phone", [Connection(site.plex.url)], provides="player,controller")
        found = choosing(site, plex_tv).facts["servers"]
    assert [server["name"] for server in found] == [site.plex.friendly_name, "Off"]
    shown = [(one["address"], one["kind"], bool(one["error"])) for one in found[0]["addresses"]]
    assert shown == [
        (site.plex.url, "local", False),
        (https, "relay", False),
        (https + "/x", "local", True),
        (NOWHERE, "local", True),
    ]
    assert found[1]["addresses"] == [
        {"address": NOWHERE, "kind": "local", "ms": None, "error": "refused, or no route"},
    ]


def test_a_certificate_that_is_not_trusted_is_no_way(site: Site, plex_tv: PlexTvStandIn, tmp_path: Path) -> None:
    context, _ = self_signed(tmp_path)
    with tls_before(site.plex.port, context) as secure:
        plex_tv.add_server(site.plex, [Connection(f"https://127.0.0.1:{secure}", "127.0.0.1", site.plex.port)])
        [server] = choosing(site, plex_tv).facts["servers"]
    # The plain address of the same network stands beside it.
    assert [(one["address"], one["error"]) for one in server["addresses"]] == [
        (site.plex.url, ""),
        (f"https://127.0.0.1:{secure}", "its certificate is not trusted here"),
    ]


def test_another_server_at_an_address_never_sees_a_token(site: Site, plex_tv: PlexTvStandIn) -> None:
    with PlexStandIn(machine_identifier="of-somebody-else") as other:
        plex_tv.add_server(site.plex, [Connection(other.url), Connection(site.plex.url)])
        page = choosing(site, plex_tv)
        [server] = page.facts["servers"]
        errors = {one["address"]: one["error"] for one in server["addresses"]}
        assert errors == {site.plex.url: "", other.url: "another server answers there"}
        answer = site.ask("sign_in_choose", machine=server["machine"], address=other.url)
        assert "accepted: an address of the servers that were found" in answer["error"]
        assert [request.path for request in other.requests] == ["/identity"]
        assert tokens_seen(other) == set()


@pytest.mark.parametrize("kind", ["hang", "half", "reset"])
def test_an_address_that_does_not_answer_is_left_out(
    site: Site, plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    monkeypatch.setattr(ask, "WHOLE", 0.5)
    with PlexStandIn(machine_identifier=site.plex.machine_identifier) as odd:
        odd.fail(kind=kind, times=None)
        plex_tv.add_server(site.plex, [Connection(odd.url), Connection(site.plex.url)])
        [server] = choosing(site, plex_tv).facts["servers"]
        odd.clear_faults()
    assert [(one["address"], bool(one["error"])) for one in server["addresses"]] == [
        (site.plex.url, False),
        (odd.url, True),
    ]
    assert server["addresses"][1]["ms"] is None


def test_plain_http_over_the_internet_gets_no_token(
    site: Site, plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Played by a name that leads to the server: who answers to a name is not known before it was asked."""
    named = site.plex.url.replace("127.0.0.1", "localhost")
    plex_tv.add_server(site.plex, [Connection(named, "localhost", local=False)])
    page = Page(site)
    page.wait_for("waiting")
    token = plex_tv.agree(plex_tv.wait_for_pin())
    assert f"{named} (plain http would show the token on its way; https is needed)" in page.end()
    assert token not in tokens_seen(site.plex)


# Secrets


def test_no_token_stands_anywhere_but_in_stash(site: Site, plex_tv: PlexTvStandIn) -> None:
    lines: list[str] = []
    log.use(lambda level, text: lines.append(text))
    log.show_details(True)
    plex_tv.add_server(site.plex, access_token="token-of-the-server-alone")
    page = Page(site)
    page.wait_for("waiting")
    account = plex_tv.agree(plex_tv.wait_for_pin())
    site.plex.token = "token-of-the-server-alone"
    [server] = page.wait_for("choose")["servers"]
    file = site.data / begun.FILE
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert on_disk(site, account) == []
    assert on_disk(site, site.plex.token) == [str(file)]
    answer = site.ask("sign_in_choose", machine=server["machine"], address=site.plex.url)
    assert page.end() == ""
    assert site.stash.plugin_settings["plex_token"] == site.plex.token
    everything = "\n".join([*lines, *page.told, json.dumps(answer)])
    asked = "\n".join(request.target for request in (*plex_tv.requests, *site.plex.requests))
    assert "/identity answered 200" in everything
    for secret in (account, site.plex.token):
        assert on_disk(site, secret) == []
        assert secret not in everything
        assert secret not in asked
    assert "***" in log.redact(account)


def test_a_redirect_is_not_followed(site: Site, plex_tv: PlexTvStandIn) -> None:
    with PlexStandIn() as elsewhere:
        target = {"Location": elsewhere.url}
        plex_tv.fail(status=307, headers=target, path_contains="/resources", times=None)
        assert "does not answer as plex.tv does" in ended(site, plex_tv)
        plex_tv.clear_faults()
        head = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/identity\r\nContent-Length: 0\r\n\r\n"
        with Canned(head.encode()) as port:
            plex_tv.add("Home", elsewhere.machine_identifier, [Connection(f"http://127.0.0.1:{port}")])
            assert "it answers with status 302" in ended(site, plex_tv)
        assert elsewhere.requests == []


def test_no_proxy_of_the_environment_gets_a_token(
    site: Site, plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    plex_tv.add_server(site.plex)
    assert len(choosing(site, plex_tv).facts["servers"]) == 1


# What can go wrong


def test_denied(site: Site, plex_tv: PlexTvStandIn) -> None:
    page = Page(site)
    page.wait_for("waiting")
    plex_tv.deny(plex_tv.wait_for_pin())
    assert page.end() == operation._DENIED
    assert (page.facts["state"], page.facts["url"]) == ("ended", "")
    assert not (site.data / begun.FILE).exists()


@pytest.mark.parametrize("forgets", [True, False])
def test_expired(site: Site, plex_tv: PlexTvStandIn, forgets: bool) -> None:
    plex_tv.expires_in, plex_tv.forgets_expired = 0, forgets
    assert Page(site).end() == operation._EXPIRED
    assert not (site.data / begun.FILE).exists()


def test_a_page_that_is_closed_or_cancels(site: Site, plex_tv: PlexTvStandIn) -> None:
    page = Page(site)
    page.wait_for("waiting")
    page.wanted = False
    assert page.end() == operation._CANCELLED
    assert not (site.data / begun.FILE).exists()
    asked = len(plex_tv.requests)
    page = Page(site)
    page.wait_for("waiting")
    assert len(plex_tv.requests) > asked
    assert site.ask("sign_in_cancel") == {"state": "cancelled"}
    assert page.end() == operation._CANCELLED
    assert site.ask("sign_in_cancel") == {"state": "cancelled"}


def test_the_later_of_two_wins_and_the_earlier_says_so(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    earlier = Page(site)
    earlier.wait_for("waiting")
    later = Page(site)
    later.wait_for("waiting")
    assert earlier.end() == operation._CANCELLED
    plex_tv.agree(plex_tv.wait_for_pin(2))
    later.wait_for("choose")
    third = Page(site)
    third.wait_for("waiting")
    third.wanted = False
    assert third.end() == operation._CANCELLED
    assert later.end() == ""  # it had told all it had to tell
    assert not (site.data / begun.FILE).exists()


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (None, "This Plex account has no Plex Media Server"),
        ({"provides": "player"}, "This Plex account has no Plex Media Server"),
        ({"owned": False}, "others share theirs with it (Cellar). Only the owner of a server may edit"),
        ({}, f"Tried: Cellar: {NOWHERE} (refused, or no route). Is Plex running?"),
        ({"connections": []}, "Tried: Cellar: no address is known"),
    ],
)
def test_an_account_without_a_server_to_choose(
    site: Site, plex_tv: PlexTvStandIn, resource: dict[str, Any] | None, text: str
) -> None:
    if resource is not None:
        plex_tv.add("Cellar", "a-machine", **{"connections": [Connection(NOWHERE)], **resource})
    assert text in ended(site, plex_tv)
    assert not (site.data / begun.FILE).exists()


FAILURES = [
    ({"status": 503}, "plex.tv has a failure of its own (status 503)"),
    ({"status": 429}, "plex.tv asks to be left alone for a while (status 429)"),
    ({"status": 429, "headers": {"Retry-After": "500"}}, "plex.tv asks to be left alone for a while (status 429)"),
    ({"status": 200}, "does not answer as plex.tv does"),
    ({"status": 200, "body": b"[7]"}, "does not answer as plex.tv does"),
    ({"status": 200, "body": b'{"id": null}'}, "does not answer as plex.tv does"),
    ({"status": 422}, "plex.tv refused the request (status 422)"),
    ({"kind": "reset"}, "plex.tv cannot be reached from where Stash runs: the connection broke off"),
    ({"kind": "half"}, "plex.tv cannot be reached from where Stash runs: the connection broke off"),
    ({"kind": "refuse"}, "plex.tv cannot be reached from where Stash runs: refused, or no route"),
]


@pytest.mark.parametrize(("fault", "text"), FAILURES)
def test_a_plex_tv_that_fails_from_the_beginning(
    site: Site, plex_tv: PlexTvStandIn, fault: dict[str, Any], text: str
) -> None:
    plex_tv.fail(**{"times": None, **fault})
    page = Page(site)
    assert text in page.end()
    assert page.facts["state"] == "ended"
    assert not (site.data / begun.FILE).exists()


@pytest.mark.parametrize("place", ["/pins/", "/resources"])
@pytest.mark.parametrize(
    "fault", [{"status": 502}, {"status": 200}, {"kind": "reset"}, {"status": 429, "headers": {"Retry-After": "0"}}]
)
def test_a_plex_tv_that_stumbles_is_asked_again(
    site: Site, plex_tv: PlexTvStandIn, place: str, fault: dict[str, Any]
) -> None:
    plex_tv.add_server(site.plex)
    struck = plex_tv.fail(path_contains=place, times=operation.TRIES - 1, **fault)
    choosing(site, plex_tv)
    assert struck.hits == operation.TRIES - 1


def test_a_wish_to_be_left_alone_is_obeyed(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.fail(status=429, headers={"Retry-After": "1"}, path_contains="/pins/")
    plex_tv.add_server(site.plex)
    choosing(site, plex_tv)
    first, second = [one for one in plex_tv.requests if one.method == "GET" and "/pins/" in one.path][:2]
    assert second.at - first.at >= 1


def test_a_token_that_plex_tv_refuses_at_once(site: Site, plex_tv: PlexTvStandIn) -> None:
    page = Page(site)
    page.wait_for("waiting")
    pin = plex_tv.wait_for_pin()
    with plex_tv._log:
        plex_tv.agree(pin)
        plex_tv.tokens.clear()
    assert "plex.tv refused the request (status 401). Sign in again" in page.end()


# The end of a sign-in


def test_a_sign_in_given_up_after_the_person_agreed_leaves_no_token(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    page = choosing(site, plex_tv)
    assert site.ask("sign_in_cancel") == {"state": "cancelled"}
    assert page.end() == ""
    assert on_disk(site, site.plex.token) == []


def test_a_server_that_nobody_chooses(site: Site, plex_tv: PlexTvStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    plex_tv.add_server(site.plex)
    monkeypatch.setattr(operation, "CHOICE", 0)
    page = Page(site)
    page.wait_for("waiting")
    plex_tv.agree(plex_tv.wait_for_pin())
    assert page.end() == operation._NOT_CHOSEN
    assert not (site.data / begun.FILE).exists()
    assert "No sign-in waits for a choice" in site.ask("sign_in_choose", machine="m", address="a")["error"]


def test_a_choice_too_late_ends_what_a_killed_process_left(site: Site, plex_tv: PlexTvStandIn) -> None:
    own = begun.begin(str(site.data), until=time.time() - 1)
    begun.keep(str(site.data), own, servers=[{"machine": "m"}])
    assert "No sign-in waits for a choice" in site.ask("sign_in_choose", machine="m", address="a")["error"]
    assert not (site.data / begun.FILE).exists()


# The choice


def test_a_choice_that_was_not_offered(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    assert "No sign-in waits" in site.ask("sign_in_choose")["error"]
    page = Page(site)
    page.wait_for("waiting")
    assert "No sign-in waits" in site.ask("sign_in_choose")["error"]
    token = plex_tv.agree(plex_tv.wait_for_pin())
    page.wait_for("choose")
    with PlexStandIn(token=token) as other:
        for machine, address in (("another", site.plex.url), (site.plex.machine_identifier, other.url)):
            answer = site.ask("sign_in_choose", machine=machine, address=address)
            assert "accepted: an address of the servers that were found" in answer["error"]
        assert other.requests == []
    assert site.stash.plugin_settings["plex_token"] != token


def test_a_choice_that_stash_does_not_store_can_be_made_again(site: Site, plex_tv: PlexTvStandIn) -> None:
    plex_tv.add_server(site.plex)
    choosing(site, plex_tv)
    chosen = {"machine": site.plex.machine_identifier, "address": site.plex.url}
    site.stash.stop()
    assert "Stash did not answer" in site.ask("sign_in_choose", **chosen)["error"]
    site.stash.start()
    assert site.ask("sign_in_choose", **chosen)["state"] == "done"


def test_a_data_folder_that_fails_is_named(site: Site, plex_tv: PlexTvStandIn) -> None:
    (site.data / begun.FILE).mkdir()
    assert f"PlexSync's data folder {quoted(str(site.data))} fails" in Page(site).end()
