"""The one place where requests to Plex are made.

plexapi builds and parses them; a session of requests bounds them in time and turns every failure into an error of
`plex/exceptions.py`, so that no URL (and no token in one) reaches a message.
"""

import os
import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, ParseError

import plexapi
import requests
import urllib3
from plexapi.server import PlexServer
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, InvalidHeader, ReadTimeout, SSLError
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from sync import log
from sync.data_folder import get, put
from sync.errors import PlexSyncError
from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexServerDown, PlexSetupError, PlexTemporaryError
from sync.plex.pace import Pacer
from sync.settings import Settings

PAUSES = (0.05, 0.25)
"""Seconds before Plex is asked again that stumbled. It writes to one database and gives a 500 while that is
locked; a longer wait is not for a task, which holds Stash's one job slot."""

LONGEST_WAIT = 600.0  # seconds for which a server that asks to be left alone is, at the most

_T = TypeVar("_T")
Parameters = Sequence[tuple[str, str]]
NameUnknown = getattr(urllib3.exceptions, "NameResolutionError", socket.gaierror)  # urllib3 1.26 has none
_FAILURES: list[tuple[type[Exception], type[PlexSyncError], str]] = [
    (InvalidHeader, PlexSetupError, "plex_token has characters that no token has; copy it again"),
    (
        SSLError,
        PlexSetupError,
        "plex_url {address}: no trusted https connection. Use http://, or the https://….plex.direct address that "
        "Plex's certificate is for; or have a CA of your own trusted by this machine, or named in SSL_CERT_FILE",
    ),
    (ConnectTimeout, PlexServerDown, "Plex at {address} accepts no connection within {connect:g} s (connect_timeout)"),
    (ReadTimeout, PlexTemporaryError, "Plex at {address} gave no answer within {read:g} s (read_timeout)"),
    (ReadTimeoutError, PlexTemporaryError, "Plex at {address} stopped for {read:g} s within an answer (read_timeout)"),
    (NameUnknown, PlexServerDown, "Plex's host name in plex_url, {host}, is unknown at the moment"),
    (NewConnectionError, PlexServerDown, "Plex at {address} cannot be reached (connection refused or no route)"),
    (ValueError, PlexSetupError, "plex_url {address} cannot be called; accepted: http://host:port"),
]
"""What a request that got no answer means: the causes of a failure, decided in this order."""


class _SystemTrust(HTTPAdapter):
    """Trusts what this machine trusts, or SSL_CERT_FILE and SSL_CERT_DIR, besides what the session is told to."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        context = ssl.create_default_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a CA made at home seldom keeps all the rules of Python 3.13
        super().init_poolmanager(*args, **more, ssl_context=context)


def trust_the_system(session: requests.Session) -> None:
    """Have a session trust what this machine trusts, besides REQUESTS_CA_BUNDLE or what requests brings along."""
    named = os.environ.get("REQUESTS_CA_BUNDLE", "")
    session.verify = named if os.path.exists(named) else DEFAULT_CA_BUNDLE_PATH
    session.mount("https://", _SystemTrust())


class PlexSession(requests.Session):
    """A session that knows how long to wait, in seconds, and what a failure means; writes keep the pace."""

    def __init__(self, address: str, connect_timeout: float, read_timeout: float, pacer: Pacer) -> None:
        super().__init__()
        self.trust_env = False  # a proxy or a .netrc is no place for a token
        if address.startswith("https:"):
            trust_the_system(self)
        self._address = address
        self._pacer = pacer
        self._timeouts = (connect_timeout, read_timeout)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; give an answer of 2xx whose body has arrived whole. Raises the errors of `exceptions.py`."""
        if request.method == "PUT" and _is_for_a_whole_library(request.path_url):
            raise ValueError("an edit that names no item would be one of the whole library")
        # Followed, a redirect would carry the token to whatever host it names.
        kwargs |= {"timeout": self._timeouts, "allow_redirects": False}
        with self._pacer.edit() if request.method in ("PUT", "POST") else nullcontext():
            began, outcome = time.perf_counter(), ""
            try:
                response = super().send(request, **kwargs)
                outcome = f"answered {response.status_code}"
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                outcome = f"failed ({type(error).__name__})"
                raise error_of_exception(error, self._address, self._timeouts) from None
            finally:
                path = request.path_url.partition("?")[0]  # an edit is all query
                took = (time.perf_counter() - began) * 1000
                log.detail("Plex: %s %s %s in %.0f ms", request.method, path, outcome, took)
            if response.status_code >= 300:
                raise error_of_response(response, self._address)
            if request.method == "GET" and _is_no_xml(response.content):
                raise not_as_plex(self._address)
        response.encoding = "utf-8"  # without a charset in the header requests would guess
        return response


def _is_for_a_whole_library(path: str) -> bool:
    where, _, query = path.partition("?")
    return where.endswith("/all") and not re.search(r"(?:^|&)id=\d", query)


def _is_no_xml(body: bytes) -> bool:
    begins = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower()
    return bool(begins) and (not begins.startswith(b"<") or begins.startswith((b"<!doctype html", b"<html")))


def not_as_plex(address: str) -> PlexServerDown:
    """Return what to say of an answer that is none of Plex's: a page of a proxy's, nothing at all, another list.

    It says nothing of any scene, so that every job stays as it was.
    """
    return PlexServerDown(
        f"plex_url {address} answers, but not as a Plex Media Server does; accepted: Plex's own address, such as "
        "http://192.168.1.10:32400",
        stumbled=True,
    )


def error_of_response(response: requests.Response, address: str) -> Exception:
    """Tell what an answer means that is no success."""
    if response.status_code == 400 and address.startswith("http:") and b"https" in response.content[:1000].lower():
        return PlexSetupError(f"plex_url {address} wants a secure connection; begin it with https://")
    if response.status_code == 401 and response.headers.get("WWW-Authenticate", "").lower().startswith("basic"):
        return PlexSetupError(f"plex_url {address} asks for a password, as a proxy does; accepted: Plex's own address")
    return error_of_status(response.status_code, address, seconds_of(response.headers.get("Retry-After", "")))


def seconds_of(retry_after: str) -> float:
    """Return for how long a server asks to be left alone: given in seconds, or as a date."""
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, wait), LONGEST_WAIT)


def error_of_status(status: int, address: str, wait: float = 0.0) -> Exception:
    """Tell what an answer of this status means; `wait`: seconds for which the server asks to be left alone."""
    if status in (401, 403, 498):  # 498: an expired token (python-plexapi's list of statuses)
        return PlexSetupError(
            f"plex_token is refused by Plex at {address} (status {status}); accepted: the X-Plex-Token of the "
            "server's owner"
        )
    if status == 404:
        return PlexItemGone(f"Plex answered {status}")
    if status == 503:
        return PlexServerDown(f"Plex at {address} is starting or shutting down (status 503)", wait=wait)
    if status == 429 and wait:
        return PlexServerDown(f"Plex at {address} asks to be left alone for {wait:.0f} s (status 429)", wait=wait)
    if status in (408, 429) or status >= 500:
        return PlexTemporaryError(f"Plex at {address} answered with status {status}", stumbled=status in (500, 502))
    if status < 400:
        return PlexSetupError(
            f"plex_url {address} answers with a redirect (status {status}); set plex_url to the address Plex "
            "itself listens on, with https:// where it asks for that"
        )
    return PlexPermanentError(f"Plex refused the request (status {status})", status=status)


def causes_of(error: Exception) -> tuple[object, ...]:
    """Return a failed request's error with what is in it: requests wraps what urllib3 wraps."""
    inner = error.args[0] if error.args else None
    return error, inner, getattr(inner, "reason", None)


def error_of_exception(error: Exception, address: str, timeouts: tuple[float, float]) -> PlexSyncError:
    """Tell what a request that got no answer means; its cause decides, never its text."""
    connect, read = timeouts
    for kind, meaning, text in _FAILURES:
        if any(isinstance(cause, kind) for cause in causes_of(error)):
            said = text.format(address=address, host=urlsplit(address).hostname, connect=connect, read=read)
            if meaning is PlexServerDown:
                said += ". Is it running, and is plex_url right?"
                said += "" if urlsplit(address).port else " It names no port; Plex's own is 32400"
            return meaning(said)
    secure = "; where it asks for secure connections, plex_url has to begin with https://"
    return PlexTemporaryError(
        f"Plex at {address} broke the connection off in the middle of an answer"
        f"{secure if address.startswith('http:') else ''}",
        stumbled=True,
    )


@dataclass(slots=True)
class ServerWays:
    """In what way a server takes edits, as far as read-backs have shown it. Empty: not known yet."""

    lists: str = ""  # "adds" or "replaces": what becomes of a list that an edit names entries of
    rating: str = ""  # "apart": it takes a rating by `PUT /:/rate` alone
    search: str = ""  # "never <seconds since the epoch>": it did not find files by name at that time
    roles: str = ""  # "anew": an actor's role changes only when the actor is taken away and added
    longest: str = ""  # characters that the query of an edit may have, where a longer one was refused


class PlexClient:
    """A Plex server. Its requests raise the errors of `plex/exceptions.py`.

    It answers with XML: plexapi's objects of a listing are partial, and ask for more at the first empty attribute.
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
        # plexapi's own identifier is the MAC address, which changes in containers: each would be a new device.
        plexapi.BASE_HEADERS.update(
            {"X-Plex-Client-Identifier": identifier, "X-Plex-Product": "PlexSync", "X-Plex-Device-Name": "PlexSync"}
        )
        try:
            self._server = patiently(lambda: PlexServer(address, token, session=self._session))
        except PlexSyncError:
            raise
        except (ParseError, PlexItemGone, AttributeError, TypeError, ValueError):
            raise PlexSetupError(str(not_as_plex(address))) from None
        self.machine: str = getattr(self._server, "machineIdentifier", None) or ""
        if not self.machine:
            raise PlexSetupError(str(not_as_plex(address)))
        self.name: str = self._server.friendlyName or "Plex"
        self.platform: str = self._server.platform or ""
        self.version: str = self._server.version or "of an unknown version"
        # Its system takes file names that differ in case alone for one.
        self.folds_case = self.platform.lower().startswith(("windows", "mac"))

    def get(self, path: str, parameters: Parameters = (), headers: dict[str, str] | None = None) -> Element:
        """Give the answer's root element."""

        def ask() -> Element:
            root = self.send("get", path, parameters, headers=headers)
            if root is None or root.tag != "MediaContainer":
                raise not_as_plex(self.address)
            return root

        return patiently(ask)

    def send(self, method: str, path: str, parameters: Parameters = (), **more: Any) -> Element | None:
        """Send a request once, with `headers` and `data` as requests takes them; None where the answer is empty."""
        key = f"{path}?{encode(parameters)}" if parameters else path
        try:
            root: Element | None = self._server.query(key, method=getattr(self._session, method), **more)
        except ParseError:
            raise PlexTemporaryError(f"Plex at {self.address} gave half a document", stumbled=True) from None
        return root

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def patiently(ask: Callable[[], _T]) -> _T:
    """Give what `ask` returns, asking again at once where Plex stumbled; raises what it raises at last.

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
    """Give a query string as plexapi writes it: names as they are, values percent-encoded."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)


def open_plex(settings: Settings, data: str) -> PlexClient:
    """Connect to the Plex of the settings. Raises PlexSyncError; OSError where the data folder cannot be written."""
    log.keep_secret(settings.plex_token)  # the panel's may have quotes around it
    return PlexClient(
        settings.plex_url,
        settings.plex_token,
        identifier=client_identifier(data),
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        pacer=Pacer(settings.max_edits_per_second),
    )


def client_identifier(data: str) -> str:
    """Give the identifier that stands for PlexSync in Plex's list of devices, made once and kept for ever.

    Raises OSError when the data folder cannot be written.
    """
    path = os.path.join(data, "client_identifier")
    try:
        known = get(path).strip()
        if known.isascii() and known.isalnum():
            return known
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    put(path, identifier := f"plexsync{uuid.uuid4().hex}")
    return identifier
