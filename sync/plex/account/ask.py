"""Requests to plex.tv and to the addresses of servers: bounded in time and size, no redirect followed.

An address gets no token before it has answered as the very server that it is to be.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from xml.etree import ElementTree

import requests
import urllib3
from requests.exceptions import ConnectTimeout, ReadTimeout, SSLError
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from sync import log
from sync.plex.account.servers import Address, Server, Tried, best_first, may_get_token
from sync.plex.client import NameUnknown, causes_of, trust_the_system

LONGEST = 4_000_000  # bytes of an answer; plex.tv's list has some thousand for each server
_PART = 32
"""Bytes that are read at once: an answer that comes byte by byte reaches no time-out, and is looked at so often."""

CONNECT, WHOLE = 3.0, 6.0
"""Seconds for a connection, and for all of a request: a server is near, or it is of no use."""

_REASONS = (
    (SSLError, "its certificate is not trusted here"),
    (NameUnknown, "its name is unknown here"),
    (ConnectTimeout, "no connection in time"),
    ((ReadTimeout, ReadTimeoutError), "no answer in time"),
    (NewConnectionError, "refused, or no route"),
)


class NoAnswerError(Exception):
    """A request that got no answer; the text says why in a few words, without address or token."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: int  # milliseconds from the request to the end of the answer


class Asker:
    """Sends requests in PlexSync's name, for several threads. `identifier`: PlexSync's client identifier."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or a .netrc is no place for a token
        trust_the_system(self._session)
        # The same as `plex/client.py` sends: another name would be another device of the account's.
        self._session.headers.update(
            {"X-Plex-Client-Identifier": identifier, "X-Plex-Product": "PlexSync", "X-Plex-Device-Name": "PlexSync"}
        )

    def ask(self, method: str, url: str, *, token: str = "", accept: str = "*/*") -> Answer:
        """Send a request; return its answer. Raises NoAnswerError."""
        headers = {"Accept": accept} | ({"X-Plex-Token": token} if token else {})
        asked, began = f"{method} {url.partition('?')[0]}", time.monotonic()
        body = bytearray()
        try:
            # Followed, a redirect would carry what is secret to whatever host it names.
            with self._session.request(
                method, url, headers=headers, timeout=(CONNECT, WHOLE), allow_redirects=False, stream=True
            ) as response:
                for part in response.iter_content(_PART):
                    body += part
                    if len(body) > LONGEST:
                        raise NoAnswerError("an answer without end")
                    if time.monotonic() - began > WHOLE:
                        raise ReadTimeout
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            log.detail("%s failed: %s", asked, type(error).__name__)
            raise NoAnswerError(_reason(error)) from None
        ms = round((time.monotonic() - began) * 1000)
        log.detail("%s answered %d in %d ms", asked, response.status_code, ms)
        return Answer(response.status_code, response.headers, bytes(body), ms)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _reason(error: Exception) -> str:
    causes = causes_of(error)
    found = (reason for kind, reason in _REASONS if any(isinstance(cause, kind) for cause in causes))
    return next(found, "the connection broke off")


def try_servers(asker: Asker, servers: Sequence[Server]) -> list[tuple[Server, list[Tried]]]:
    """Return each server with what came of its addresses, all tried at once; the best stand first in both."""
    places = [(server.machine, one) for server in servers for one in server.addresses]
    with ThreadPoolExecutor(len(places) or 1) as pool:
        tried = dict(zip(places, pool.map(lambda place: _try(asker, *place), places), strict=True))
    found = [(server, best_first(tried[server.machine, one] for one in server.addresses)) for server in servers]
    return sorted(found, key=lambda pair: all(one.error for one in pair[1]))


def _try(asker: Asker, machine: str, one: Address) -> Tried:
    try:
        answer = asker.ask("GET", f"{one.address}/identity", accept="application/xml")
    except NoAnswerError as error:
        return Tried(one.address, one.kind, None, str(error))
    if answer.status != 200:
        return Tried(one.address, one.kind, None, f"it answers with status {answer.status}")
    if _machine_of(answer.body) != machine:
        return Tried(one.address, one.kind, None, "another server answers there")
    why = "" if may_get_token(one.address) else "plain http would show the token on its way; https is needed"
    return Tried(one.address, one.kind, answer.ms, why)


def _machine_of(body: bytes) -> str:
    try:
        return ElementTree.fromstring(body[:100_000]).get("machineIdentifier", "")
    except (ElementTree.ParseError, ValueError, LookupError):  # of an encoding that does not exist
        return ""
