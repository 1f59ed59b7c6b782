"""How a session's requests go out to the one server it speaks to.

requests works out the pool of connections, the headers and the quoting of the address anew for every request. Here
they are worked out once.
"""

import re
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_PATH = re.compile(r"/[A-Za-z0-9_/:,-]*")
"""A path that requests leaves as it is."""


class ServerAdapter(HTTPAdapter):
    """A transport adapter for one server: to be mounted at its address, in a session that never changes `verify`.

    A requests that does not call `get_connection_with_tls_context` (before 2.32) goes on as it ever did.
    """

    _pool: Any = None

    def get_connection_with_tls_context(self, *given: Any, **more: Any) -> Any:
        """Return the server's pool of connections, made with the first request."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*given, **more)
        return self._pool

    def close(self) -> None:
        """Close the connections."""
        self._pool = None
        super().close()


def _is_encoded(query: str) -> bool:
    """Return whether a query is none that a request line cannot hold."""
    return query.isascii() and query.isprintable() and " " not in query


def _has_more(request: requests.Request) -> bool:
    has_form = bool(request.data) and not isinstance(request.data, bytes)
    return has_form or bool(request.params or request.json or request.files or request.auth or request.cookies)


class ServerSession(requests.Session):
    """A requests session for the server at one address, whose `headers` are set before its first request.

    Proxies, certificates and a .netrc of the environment are not where a token may go, and are left alone.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.trust_env = False
        self.mount(f"{address}/", ServerAdapter())
        self._server = address
        self._like: dict[object, tuple[object, requests.PreparedRequest, str]] = {}
        """The last request by each method: its headers, how it was prepared, and its address without the path."""

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request. Those that differ in path, query and a body of bytes alone are prepared once.

        A query is taken to be encoded, but for brackets: requests would take it apart and quote it once more.
        """
        path, mark, query = str(request.url).removeprefix(self._server).partition("?")
        if not _PATH.fullmatch(path) or not _is_encoded(query) or _has_more(request) or len(self.cookies):
            return super().prepare_request(request)
        tail = path + mark + query.replace("[", "%5B").replace("]", "%5D")
        headers, like, server = self._like.get(request.method, (None, None, ""))
        if like is None or headers != request.headers:
            like = super().prepare_request(requests.Request(request.method, self._server + tail, request.headers))
            if not str(like.url).endswith(tail):
                return super().prepare_request(request)
            server = str(like.url).removesuffix(tail)
            self._like[request.method] = dict(request.headers), like, server
        prepared = like.copy()
        prepared.url = server + tail
        if request.data:
            prepared.prepare_body(request.data, None)
        return prepared

    def merge_environment_settings(self, url: Any, proxies: Any, stream: bool | None, verify: Any, cert: Any) -> Any:
        """Return how to send a request: as the session says."""
        return {"proxies": {}, "stream": bool(stream), "verify": self.verify, "cert": self.cert}
