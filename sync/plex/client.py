"""The one place where requests to Plex are made.

plexapi builds and parses them; a requests session of PlexSync's own bounds them
in time and turns every failure into an error of `plex/exceptions.py`, so that no
URL (and no token in one) reaches a message.
"""

import errno
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, ParseError

import plexapi
import requests
import urllib3
from plexapi.server import PlexServer

from sync import log
from sync.errors import PlexSyncError
from sync.plex.exceptions import (
    PlexItemGone,
    PlexPermanentError,
    PlexServerDown,
    PlexSetupError,
    PlexTemporaryError,
)
from sync.plex.pace import Pacer
from sync.transport import ServerSession

PRODUCT = "PlexSync"

PAUSES = (0.05, 0.25)
"""Seconds before Plex is asked again that stumbled. It writes to one database and gives a 500 while that is
locked; a longer wait is not for a task, which holds Stash's one job slot."""

_LONG = 100
"""Characters from which on a value is taken for a text of one scene alone."""

_T = TypeVar("_T")

Parameters = Sequence[tuple[str, str]]

_UNREACHABLE = {
    *(errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN),
    errno.EADDRNOTAVAIL,
}


class PlexSession(ServerSession):
    """A requests session that knows how long to wait and what a failure means.

    `connect_timeout` and `read_timeout` in seconds. Requests that write keep the `pace`.
    """

    def __init__(self, address: str, connect_timeout: float, read_timeout: float, pacer: Pacer) -> None:
        super().__init__(address)
        self._address = address
        self._pacer = pacer
        self._timeouts = (connect_timeout, read_timeout)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; return an answer of 2xx whose body has arrived whole.

        Raises the errors of `plex/exceptions.py`.
        """
        with self._pacer.edit() if request.method in ("PUT", "POST") else nullcontext():
            return self._send(request, **kwargs)

    def _send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self._timeouts
        # Followed, a redirect would carry the token to whatever host it names.
        kwargs["allow_redirects"] = False
        began = time.perf_counter()
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            _tell(request, f"failed ({type(error).__name__})", began)
            raise error_of_exception(error, self._address, self._timeouts) from None
        except (urllib3.exceptions.HTTPError, UnicodeError, ValueError) as error:
            raise PlexSetupError(
                f"plex_url {self._address} cannot be called ({type(error).__name__}); check plex_url and plex_token"
            ) from None
        _tell(request, f"answered {response.status_code}", began)
        if response.status_code >= 300:
            raise error_of_status(response.status_code, self._address)
        # Plex speaks UTF-8; without a charset in the header requests would guess.
        response.encoding = "utf-8"
        return response


def _tell(request: requests.PreparedRequest, outcome: str, began: float) -> None:
    if log.is_detailed():
        # Without what stands behind the path: an edit is all query.
        path = request.path_url.partition("?")[0]
        log.detail("Plex: %s %s %s in %.0f ms", request.method, path, outcome, (time.perf_counter() - began) * 1000)


def error_of_status(status: int, address: str) -> Exception:
    """Return what an answer of this status means."""
    if status in (401, 403, 498):
        return PlexSetupError(
            f"plex_token is refused by Plex at {address} (status {status}); accepted: the X-Plex-Token of the "
            "server's owner"
        )
    if status == 404:
        return PlexItemGone(f"Plex answered {status}")
    if status == 503:
        return PlexServerDown(f"Plex at {address} is starting or shutting down (status 503)")
    if status in (408, 429) or status >= 500:
        return PlexTemporaryError(f"Plex at {address} answered with status {status}", stumbled=status in (500, 502))
    if status < 400:
        return PlexSetupError(
            f"plex_url {address} answers with a redirect (status {status}); set plex_url to the address Plex "
            "itself listens on, with https:// where it asks for that"
        )
    return PlexPermanentError(f"Plex refused the request (status {status})")


def error_of_exception(error: BaseException, address: str, timeouts: tuple[float, float]) -> Exception:
    """Return what a request that got no answer means; decided by its cause, never by its text."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return PlexServerDown(
            f"Plex at {address} does not accept a connection within {timeouts[0]:g} s (connect_timeout)"
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        return PlexTemporaryError(f"Plex at {address} gave no answer within {timeouts[1]:g} s (read_timeout)")
    if isinstance(error, requests.exceptions.SSLError):
        return PlexSetupError(
            f"plex_url {address}: no trusted https connection. Use http://, or the https://….plex.direct "
            "address that Plex's certificate is for"
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return PlexSetupError(f"plex_url {address} cannot be called; accepted: http://host:port")
    if isinstance(error, requests.exceptions.InvalidHeader):
        return PlexSetupError("plex_token has characters that no token has; copy it again")
    for cause in _causes(error):
        if isinstance(cause, (urllib3.exceptions.NameResolutionError, socket.gaierror)):
            return PlexServerDown(
                f"Plex's host name in plex_url, {urlsplit(address).hostname}, is unknown at the moment"
            )
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            return PlexTemporaryError(f"Plex at {address} gave no answer within {timeouts[1]:g} s (read_timeout)")
        if isinstance(cause, urllib3.exceptions.NewConnectionError) or (
            isinstance(cause, OSError) and cause.errno in _UNREACHABLE
        ):
            return PlexServerDown(f"Plex at {address} cannot be reached (connection refused or no route)")
    return PlexTemporaryError(f"Plex at {address} broke the connection off in the middle of an answer", stumbled=True)


def _causes(error: BaseException) -> list[BaseException]:
    """Return an exception with all that it wraps: urllib3 nests them in args, `reason` and causes."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in found or len(found) > 20:
            continue
        found.append(one)
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return found


@dataclass(slots=True)
class ServerWays:
    """In what way a server takes edits, as far as read-backs have shown it. Empty: not known yet."""

    lists: str = ""
    """"adds" or "replaces": what becomes of a list that an edit names entries of."""
    rating: str = ""
    """"apart": it takes a rating by `PUT /:/rate` alone."""
    search: str = ""
    """"never <time>": it does not find files by name, as it seemed at that time (seconds since the epoch)."""
    roles: str = ""
    """"anew": an actor's role changes only when the actor is taken away and added."""


class PlexClient:
    """A Plex server, asked by path and answered with parsed XML.

    XML and not plexapi's objects: an object of a listing is partial, and its
    first empty attribute costs a hidden request. Requests that write keep the pace of `pacer`. Several threads may use
    one client.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        identifier: str,
        connect_timeout: float,
        read_timeout: float,
        pacer: Pacer | None = None,
    ) -> None:
        self.address = address
        self.pacer = pacer or Pacer()
        self.ways = ServerWays()
        self._session = PlexSession(address, connect_timeout, read_timeout, self.pacer)
        # One pool for reads and writes, kept alive over the whole drain.
        plexapi.BASE_HEADERS.update(
            {
                # plexapi's own is the MAC address, which changes in containers: each would be a new device.
                "X-Plex-Client-Identifier": identifier,
                "X-Plex-Product": PRODUCT,
                "X-Plex-Device-Name": PRODUCT,
            }
        )
        try:
            self._server = patiently(lambda: PlexServer(address, token, session=self._session))
        except ParseError:
            raise self._no_plex() from None
        except PlexItemGone:
            raise self._no_plex() from None
        except (AttributeError, TypeError, ValueError) as error:
            if isinstance(error, PlexSyncError):
                raise
            raise self._no_plex() from None  # an answer, but no MediaContainer
        self.machine: str = self._server.machineIdentifier or ""
        if not self.machine:
            raise self._no_plex()
        self.name: str = self._server.friendlyName or "Plex"
        self.platform: str = self._server.platform or ""
        self.version: str = self._server.version or "of an unknown version"

    @property
    def folds_case(self) -> bool:
        """Whether the server's system takes file names that differ in case alone for one."""
        return self.platform.lower().startswith(("windows", "mac"))

    def get(self, path: str, parameters: Parameters = (), headers: dict[str, str] | None = None) -> Element:
        """Return the answer's root element. Raises the errors of `plex/exceptions.py`."""
        return patiently(lambda: self._get(path, parameters, headers))

    def _get(self, path: str, parameters: Parameters, headers: dict[str, str] | None) -> Element:
        root = self._query(path, parameters, self._session.get, headers)
        if root is None:
            raise PlexTemporaryError(f"Plex at {self.address} gave an empty answer", stumbled=True)
        return root

    def put(self, path: str, parameters: Parameters) -> None:
        """Send a PUT; Plex answers it without a body. Raises the errors of `plex/exceptions.py`."""
        self._query(path, parameters, self._session.put)

    def post(self, path: str, body: bytes, content_type: str) -> None:
        """Send a POST with a body. Raises the errors of `plex/exceptions.py`."""
        self._query(path, (), self._session.post, {"Content-Type": content_type}, body)

    def call(self, path: str, parameters: Parameters) -> None:
        """Send a GET that makes Plex do something and has no answer. Raises the errors of `plex/exceptions.py`."""
        self._query(path, parameters, self._session.get)

    def _query(
        self,
        path: str,
        parameters: Parameters,
        method: Any,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Element | None:
        key = f"{path}?{encode(parameters)}" if parameters else path
        content = {} if body is None else {"data": body}
        try:
            root: Element | None = self._server.query(key, method=method, headers=headers, **content)
        except ParseError:
            raise PlexTemporaryError(f"Plex at {self.address} gave half a document", stumbled=True) from None
        return root

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _no_plex(self) -> PlexSetupError:
        return PlexSetupError(
            f"plex_url {self.address} answers, but not as a Plex Media Server does; "
            "accepted: Plex's own address, such as http://192.168.1.10:32400"
        )


def patiently(ask: Callable[[], _T]) -> _T:
    """Return what `ask` returns, asking again at once where Plex stumbled; raises what it raises at last.

    For what changes nothing in Plex: an edit is looked at before it is sent again.
    """
    for pause in PAUSES:
        try:
            return ask()
        except PlexTemporaryError as error:
            if not error.stumbled:
                raise
            log.detail("Plex stumbled and is asked again in %.0f ms: %s", pause * 1000, error)
            time.sleep(pause)
    return ask()


def encode(parameters: Parameters) -> str:
    """Return a query string as plexapi writes it: names as they are, values percent-encoded."""
    return "&".join([f"{name}={_quoted(value)}" for name, value in parameters])


def _quoted(value: str) -> str:
    return _quoted_name(value) if len(value) < _LONG else quote(value, safe="")


@lru_cache(4_096)  # the same tags and performers in edit after edit
def _quoted_name(value: str) -> str:
    return quote(value, safe="")


def client_identifier(data: str) -> str:
    """Return the identifier that stands for PlexSync in Plex's list of devices, made once and kept for ever.

    Raises OSError when the data folder cannot be written.
    """
    path = os.path.join(data, "client_identifier")
    for _ in range(2):
        try:
            with open(path, encoding="ascii") as file:
                known = file.read().strip()
            if known.isalnum():
                return known
        except (FileNotFoundError, UnicodeDecodeError):
            pass
        fresh = f"{path}.{os.getpid()}"
        with open(fresh, "w", encoding="ascii") as file:
            file.write(f"plexsync{uuid.uuid4().hex}\n")
        os.replace(fresh, path)
    raise OSError(errno.EIO, "client_identifier cannot be read back")
