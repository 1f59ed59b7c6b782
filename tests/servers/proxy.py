"""A reverse proxy that puts the stand-in Stash below a path, as people do."""

from __future__ import annotations

from tests.servers import websocket
from tests.servers.http_base import HttpServer, Response, Run
from tests.servers.stash import StashStandIn
from tests.servers.stash_http import Request, not_found


class ReverseProxy(HttpServer[Request]):
    """A context manager; `home` is the address of Stash's page. What is not below the path does not exist."""

    request_type = Request

    def __init__(self, stash: StashStandIn, prefix: str) -> None:
        super().__init__()
        self._stash = stash
        self._prefix = "/" + prefix.strip("/")

    @property
    def home(self) -> str:
        """The address of Stash's page, with a slash at its end."""
        return f"{self.url}{self._prefix}/"

    def respond(self, run: Run, request: Request) -> Response:
        """Hand a request on, without the path's beginning."""
        if not request.target.startswith(f"{self._prefix}/"):
            return not_found()
        return self._stash.respond(run, self._inner(request))

    def takes_over(self, request: Request) -> bool:
        """Hand a WebSocket on."""
        if not request.target.startswith(f"{self._prefix}/") or not websocket.is_asked_for(request):
            return False
        self.note(request, status=101)
        return self._stash.takes_over(self._inner(request))

    def _inner(self, request: Request) -> Request:
        request.headers["x-forwarded-prefix"] = self._prefix
        target = request.target.removeprefix(self._prefix)
        return Request(request.method, target, request.headers, request.body, request.client, request.keep_alive)
