"""Who may: Stash's session cookies and its API key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from email.utils import formatdate
from urllib.parse import parse_qs, urlencode

from tests.servers.http_base import Response
from tests.servers.stash_http import PLAIN, Json, Request
from tests.servers.stash_pages import INDEX_PAGE
from tests.servers.stash_resolvers import World

Visited = Sequence[tuple[str, str]]
"""Plugin and trigger of the hooks that have run on the way to a request."""


class Sessions:
    """Signs cookies, and tells who a request comes from."""

    def __init__(self, world: World, credentials: tuple[str, str] | None) -> None:
        self.credentials = credentials
        self._world = world
        self._secret = secrets.token_bytes(32)
        self._generation = 0

    def expire(self) -> None:
        """All cookies given so far are worth nothing any more."""
        self._generation += 1

    def cookie(self, user: str, visited: Visited = ()) -> str:
        """A fresh cookie's value."""
        held = {"u": user, "v": [list(pair) for pair in visited], "t": int(time.time()), "g": self._generation}
        value = base64.urlsafe_b64encode(json.dumps(held).encode()).decode().rstrip("=")
        return f"{value}.{self._sign(value)}"

    def authenticate(self, request: Request) -> tuple[str | None, Visited, list[tuple[str, str]]]:
        """The user, None for nobody; the visited hooks; and headers that renew the cookie."""
        held = self._read(request.headers.get("cookie", ""))
        visited: Visited = held[1] if held else []
        key = request.headers.get("apikey") or request.given.get("apikey")
        if key:
            # A key is looked at even where nothing is asked for.
            return (self._world.username if key == self._world.api_key else None), visited, []
        user = held[0] if held else ""
        if self.credentials is not None and not user:
            return None, visited, []
        return user, visited, self.renewed(user, visited) if held else []

    def refuse(self, request: Request) -> Response:
        """What somebody gets who is nobody."""
        last = request.path.rpartition("/")[2]
        by_key = request.headers.get("apikey") or "apikey" in request.given
        if request.path == "/graphql" or by_key or ("." in last and not last.endswith(".html")):
            return Response(401, headers=[("WWW-Authenticate", "FormBased")])
        # A picture is refused by a way to the log-in page, which then says 200.
        return Response(302, headers=[("Location", "/login?" + urlencode({"returnURL": request.target}))])

    def log_in(self, request: Request) -> Response:
        """The log-in page."""
        if request.method != "POST":
            return Response(200, INDEX_PAGE, "text/html")
        form = parse_qs(request.body.decode("utf-8", "replace"))
        given = (form.get("username", [""])[0], form.get("password", [""])[0])
        if self.credentials is None or given != self.credentials:
            return Response(401, b"Username or password is invalid", PLAIN)
        return Response(200, headers=self.renewed(given[0], ()))

    def connection(self, user: str, visited: Visited) -> Json:
        """The cookie in `server_connection`, as Go writes one."""
        empty = {"Path": "", "Domain": "", "RawExpires": "", "Raw": "", "Unparsed": None, "MaxAge": 0, "SameSite": 0}
        unset = {"Quoted": False, "Secure": False, "HttpOnly": False, "Partitioned": False}
        value = self.cookie(user, visited)
        return {"Name": "session", "Value": value, "Expires": "0001-01-01T00:00:00Z", **empty, **unset}

    def renewed(self, user: str, visited: Visited) -> list[tuple[str, str]]:
        """Headers that give a fresh cookie."""
        age = self._world.max_session_age
        expires = formatdate(time.time() + age, usegmt=True)
        value = self.cookie(user, visited)
        return [("Set-Cookie", f"session={value}; Path=/; Expires={expires}; Max-Age={age}; SameSite=Lax")]

    def _read(self, header: str) -> tuple[str, list[tuple[str, str]]] | None:
        """User and visited hooks of a session cookie; None where there is none that still holds."""
        for part in header.split(";"):
            name, _, text = part.strip().partition("=")
            if name != "session":
                continue
            value, _, mac = text.partition(".")
            if not hmac.compare_digest(mac, self._sign(value)):
                return None
            held = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
            if held["g"] != self._generation or time.time() - held["t"] > self._world.max_session_age:
                return None
            return held["u"], [(pair[0], pair[1]) for pair in held["v"]]
        return None

    def _sign(self, value: str) -> str:
        return hmac.new(self._secret, value.encode(), hashlib.sha256).hexdigest()
