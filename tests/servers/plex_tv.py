"""A stand-in for plex.tv that speaks real HTTP on 127.0.0.1: pins, and the list of a person's servers.

It plays three hosts on one port, told apart by the first part of the path: plex.tv, clients.plex.tv, app.plex.tv. It
answers in JSON or XML, as `Accept` asks, and refuses what the real one refuses. Facts come from Plex's developer pages,
python-plexapi, Seerr and Tautulli. A poll of a pin that is over was measured by others: 404, code 1020. What becomes of
a pin that a person denies is not documented; here it is over.

    with PlexStandIn() as plex, PlexTvStandIn() as plex_tv:
        plex_tv.add_server(plex)
        ...
        plex_tv.agree(plex_tv.wait_for_pin())  # the person on Plex's page
"""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from tests.servers import http_base
from tests.servers.http_base import BROKEN_PAGE, Fault, FaultKind, HttpServer, RefusedError, Response, Run
from tests.servers.plex import VERSION, PlexStandIn

_PIN = re.compile(r"/api/v2/pins/(\d+)\Z")
_NO_IDENTIFIER = (400, 1000, "X-Plex-Client-Identifier is missing")
_NO_PRODUCT = (400, 1000, "X-Plex-Product is missing")
_UNKNOWN_TOKEN = (401, 1001, "User could not be authenticated")
_UNKNOWN_PIN = (404, 1020, "Code not found or expired")
_TOO_OFTEN = (429, 1003, "Too many requests")


@dataclass
class Request(http_base.Request):
    """A request as it came in."""

    @property
    def host(self) -> str:
        """Which of the hosts it is for."""
        return self.path.split("/")[1]

    @property
    def place(self) -> str:
        """The path on that host."""
        return self.path.removeprefix(f"/{self.host}") or "/"

    def said(self, name: str) -> str:
        """A header of Plex's, which may stand in the query, too."""
        return self.headers.get(name.lower()) or dict(self.params).get(name, "")


@dataclass
class Connection:
    """One address under which a server may be reached."""

    uri: str
    address: str = ""
    """By default what the uri names, and its port."""
    port: int = 0
    local: bool = True
    relay: bool = False
    ipv6: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        self.address = self.address or parts.hostname or ""
        self.port = self.port or parts.port or 32400


@dataclass
class Resource:
    """What plex.tv lists: a server, or a player."""

    name: str
    machine: str
    connections: list[Connection]
    plex: PlexStandIn | None = None
    """Takes the token that plex.tv gives its owner, and no other."""
    owned: bool = True
    provides: str = "server"
    version: str = VERSION
    access_token: str | None = ""
    """Empty: an owner's server has the token of the account."""


@dataclass
class Pin:
    """One sign-in."""

    id: int
    code: str
    client: str
    product: str
    expires_in: float
    made_at: float = field(default_factory=time.monotonic)
    asked_at: float | None = None
    token: str = ""
    is_over: bool = False
    """Denied, or withdrawn."""

    @property
    def seconds_left(self) -> float:
        """Seconds until it expires."""
        return self.made_at + self.expires_in - time.monotonic()


class PlexTvStandIn(HttpServer[Request]):
    """plex.tv with one account, on a free port of 127.0.0.1. Everything may be called from any thread."""

    request_type = Request
    standing_headers = (("Cache-Control", "no-store"),)

    def __init__(self) -> None:
        super().__init__()
        self.expires_in: float = 900
        """Seconds that a pin lives."""
        self.least_pause = 1.0
        """Seconds that have to lie between two questions about a pin."""
        self.forgets_expired = True
        """False: an expired pin is still answered, without a token."""
        self.resources: list[Resource] = []
        self.tokens: dict[str, str] = {}
        """The client identifier -> the one token that it has."""
        self.pins: list[Pin] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variable that leads PlexSync here."""
        return {"PLEXSYNC_PLEX_TV": self.url}

    def add_server(self, plex: PlexStandIn, connections: list[Connection] | None = None, **more: Any) -> Resource:
        """Put a Plex Media Server on the list, under the address where it listens if no other is given."""
        if connections is None:
            connections = [Connection(plex.url)]
        return self.add(plex.friendly_name, plex.machine_identifier, connections, plex=plex, **more)

    def add(self, name: str, machine: str, connections: list[Connection], **more: Any) -> Resource:
        """Put a resource on the list; `more`: see Resource."""
        made = Resource(name, machine, connections, **more)
        with self._log:
            self.resources.append(made)
        return made

    # ---------------------------------------------------------- the person

    def wait_for_pin(self, count: int = 1, timeout: float = 5.0) -> Pin:
        """Wait until so many pins were made, and return the last of them. Else TimeoutError."""
        with self._log:
            if not self._log.wait_for(lambda: len(self.pins) >= count, timeout):
                raise TimeoutError(f"{len(self.pins)} of {count} pins within {timeout} s")
            return self.pins[count - 1]

    def agree(self, pin: Pin) -> str:
        """Agree on Plex's page; return the token. The one that this client had before is dead from now on."""
        with self._log:
            token = self.tokens[pin.client] = pin.token = f"token-{secrets.token_hex(8)}"
            for resource in self.resources:
                if resource.plex and resource.owned and not resource.access_token:
                    resource.plex.token = token
        return token

    def deny(self, pin: Pin) -> None:
        """Deny on Plex's page."""
        with self._log:
            pin.is_over = True

    # -------------------------------------------------------------- faults

    def fail(
        self,
        *,
        kind: FaultKind = "status",
        status: int = 500,
        times: int | None = 1,
        path_contains: str = "",
        body: bytes = BROKEN_PAGE,
        headers: dict[str, str] | None = None,
    ) -> Fault[Request]:
        """Make requests fail, see HttpServer.add_fault(). `times`: None is all. An outage ("refuse") begins at once."""
        response = Response(status, body, "text/html", list((headers or {}).items()))
        fault: Fault[Request] = Fault(
            kind, response, times, None, lambda request: path_contains in request.path, after_effect=False, delay=0.0
        )
        return self.add_fault(fault, now=kind == "refuse")

    # ------------------------------------------------------------- answers

    def respond(self, run: Run, request: Request) -> Response:
        """Do what a request asks, and give the answer."""
        with self._log:
            try:
                return self._respond(request)
            except RefusedError as error:
                return _refusal(request, error.status, 0, error.detail or "Not found")
            finally:
                self._log.notify_all()

    def _respond(self, request: Request) -> Response:
        where = (request.method, request.host, request.place)
        if where[:2] == ("GET", "app.plex.tv"):
            return Response(200, b"<html>Sign in</html>", "text/html")
        if not request.said("X-Plex-Client-Identifier"):
            return _refusal(request, *_NO_IDENTIFIER)
        if where == ("POST", "plex.tv", "/api/v2/pins"):
            return self._make_pin(request)
        if where == ("GET", "clients.plex.tv", "/api/v2/resources"):
            return self._list(request)
        if where[:2] == ("GET", "plex.tv") and (found := _PIN.match(request.place)):
            return self._show_pin(request, int(found[1]))
        raise RefusedError(404)

    def _make_pin(self, request: Request) -> Response:
        if not request.said("X-Plex-Product"):
            return _refusal(request, *_NO_PRODUCT)
        is_strong = request.said("strong").lower() in ("true", "1")
        code = secrets.token_hex(13)[:25] if is_strong else secrets.token_hex(2).upper()
        client, product = request.said("X-Plex-Client-Identifier"), request.said("X-Plex-Product")
        pin = Pin(1_000_001 + len(self.pins), code, client, product, self.expires_in)
        self.pins.append(pin)
        return _told(request, "pin", _pin(pin), 201)

    def _show_pin(self, request: Request, number: int) -> Response:
        pin = next((pin for pin in self.pins if pin.id == number), None)
        if pin is None or pin.client != request.said("X-Plex-Client-Identifier"):
            return _refusal(request, *_UNKNOWN_PIN)
        now, earlier = time.monotonic(), pin.asked_at
        pin.asked_at = now
        if earlier is not None and now - earlier < self.least_pause:
            answer = _refusal(request, *_TOO_OFTEN)
            answer.headers.append(("Retry-After", "1"))
            return answer
        if pin.is_over or (pin.seconds_left <= 0 and self.forgets_expired):
            return _refusal(request, *_UNKNOWN_PIN)
        return _told(request, "pin", _pin(pin))

    def _list(self, request: Request) -> Response:
        if request.said("X-Plex-Token") not in self.tokens.values():
            return _refusal(request, *_UNKNOWN_TOKEN)
        asked = {name for name in ("includeHttps", "includeRelay", "includeIPv6") if request.said(name) == "1"}
        token = request.said("X-Plex-Token")
        listed = [_resource(one, token, asked) for one in self.resources]
        if _wants_json(request):
            return Response(200, json.dumps(listed).encode(), "application/json; charset=utf-8")
        return _xml("<resources>" + "".join(map(_resource_xml, listed)) + "</resources>")


def _pin(pin: Pin) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    left = max(0, round(pin.seconds_left))
    return {
        "id": pin.id,
        "code": pin.code,
        "product": pin.product,
        "trusted": False,
        "qr": f"https://plex.tv/api/v2/pins/qr/{pin.code}",
        "clientIdentifier": pin.client,
        "expiresIn": left,
        "createdAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expiresAt": datetime.fromtimestamp(now.timestamp() + left, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "authToken": pin.token or None,
        "newRegistration": None,
    }


def _resource(resource: Resource, token: str, asked: set[str]) -> dict[str, Any]:
    connections = [
        {
            "protocol": one.uri.partition(":")[0] if "includeHttps" in asked else "http",
            "address": one.address,
            "port": one.port,
            "uri": one.uri if "includeHttps" in asked else f"http://{one.address}:{one.port}",
            "local": one.local,
            "relay": one.relay,
            "IPv6": one.ipv6,
        }
        for one in resource.connections
        if (not one.relay or "includeRelay" in asked) and (not one.ipv6 or "includeIPv6" in asked)
    ]
    is_server = "server" in resource.provides.split(",")
    return {
        "name": resource.name,
        "product": "Plex Media Server" if is_server else "Plex for Android (TV)",
        "productVersion": resource.version,
        "platform": "Linux",
        "clientIdentifier": resource.machine,
        "provides": resource.provides,
        "ownerId": None if resource.owned else 4711,
        "sourceTitle": None if resource.owned else "friend",
        "accessToken": token if resource.access_token == "" else resource.access_token,
        "owned": resource.owned,
        "home": False,
        "synced": False,
        "relay": any(one.relay for one in resource.connections),
        "presence": True,
        "httpsRequired": False,
        "publicAddressMatches": True,
        "connections": connections,
    }


def _refusal(request: Request, status: int, code: int, text: str) -> Response:
    error = {"code": code, "message": text, "status": status}
    if _wants_json(request):
        return Response(status, json.dumps({"errors": [error]}).encode(), "application/json; charset=utf-8")
    return _xml(f"<errors><error{_attributes(error)}/></errors>", status)


def _told(request: Request, name: str, values: dict[str, Any], status: int = 200) -> Response:
    if _wants_json(request):
        return Response(status, json.dumps(values).encode(), "application/json; charset=utf-8")
    return _xml(f"<{name}{_attributes(values)}/>", status)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")


def _xml(document: str, status: int = 200) -> Response:
    whole = f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'
    return Response(status, whole.encode(), "application/xml; charset=utf-8")


def _resource_xml(values: dict[str, Any]) -> str:
    inner = "".join(f"<connection{_attributes(one)}/>" for one in values["connections"])
    others = {name: value for name, value in values.items() if name != "connections"}
    return f"<resource{_attributes(others)}><connections>{inner}</connections></resource>"


def _attributes(values: dict[str, Any]) -> str:
    shown = {name: int(value) if isinstance(value, bool) else value for name, value in values.items()}
    return "".join(f" {name}={quoteattr('' if value is None else str(value))}" for name, value in shown.items())
