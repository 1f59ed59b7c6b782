"""How a session's requests go out to the one server it speaks to.

requests works out the pool of connections anew for every request, and urllib3 looks at each byte of a query, in
Python, which took a seventh of what an edit costs. Here the pool is kept, and a query goes as it is.
"""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

_QUERY = "PlexSync-Query"
"""Takes a request's query past urllib3, in the place of a header; it is never sent as one."""


class _Whole:
    """A connection that puts the query back behind the path."""

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, **how: Any
    ) -> None:
        sent = dict(headers or {})
        super().request(method, url + sent.pop(_QUERY, ""), body, sent, **how)  # type: ignore[misc]


class _Connection(_Whole, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Whole, HTTPSConnection):  # type: ignore[misc]
    pass


class ServerAdapter(HTTPAdapter):
    """A transport adapter for one server: to be mounted at its address, in a session that never changes `verify`.

    Of the overridden methods requests says that they are there to be. One that does not call
    `get_connection_with_tls_context` (before 2.32) goes on as it ever did.
    """

    _pool: Any = None

    def get_connection_with_tls_context(self, *given: Any, **more: Any) -> Any:
        """Return the server's pool of connections, made with the first request."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*given, **more)
            self._pool.ConnectionCls = _SecureConnection if self._pool.scheme == "https" else _Connection
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Return what urllib3 is to ask for: the path alone, where the query needs no encoding and goes past it."""
        target = request.path_url
        path, mark, query = target.partition("?")
        if self._pool is None or proxies or not (query.isascii() and query.isprintable()) or " " in query:
            return super().request_url(request, proxies)
        if mark:
            request.headers[_QUERY] = mark + query
        return path

    def close(self) -> None:
        """Close the connections."""
        self._pool = None
        super().close()


class ServerSession(requests.Session):
    """A requests session for the server at one address. Proxies, certificates and a .netrc of the environment are not
    where a token may go, and are left alone."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.trust_env = False
        self.mount(f"{address}/", ServerAdapter())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: bool | None, verify: Any, cert: Any) -> Any:
        """Return how to send a request: as the session says."""
        return {"proxies": {}, "stream": bool(stream), "verify": self.verify, "cert": self.cert}
