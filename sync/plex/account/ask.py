"""One request to plex.tv or to an address that plex.tv has named: bounded in time and size, no redirect followed."""

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import requests
import urllib3
from requests.exceptions import ConnectTimeout, ReadTimeout, SSLError
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from sync import log
from sync.plex.client import NameUnknown, causes_of, trust_the_system

LONGEST = 4_000_000
"""Bytes of an answer; plex.tv's list has some thousand for each server."""

_REASONS: list[tuple[type[Exception], str]] = [
    (SSLError, "its certificate is not trusted here"),
    (NameUnknown, "its name is unknown here"),
    (ConnectTimeout, "no connection within {connect:g} s"),
    (ReadTimeout, "no answer within {whole:g} s"),
    (ReadTimeoutError, "no answer within {whole:g} s"),
    (NewConnectionError, "refused, or no route"),
]


class NoAnswerError(Exception):
    """A request that got no answer; the text says why in a few words, without address or token."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: int
    """Milliseconds from the request to the end of the answer."""


class Asker:
    """Sends requests in PlexSync's name, for several threads.

    `identifier`: PlexSync's client identifier. `connect`, `whole`: seconds for a connection, and for all of a request.
    """

    def __init__(self, identifier: str, *, connect: float, whole: float) -> None:
        self._connect, self._whole = connect, whole
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or a .netrc is no place for a token
        trust_the_system(self._session)
        # The same as `plex/client.py` sends: another name would be another device of the account's.
        self._session.headers.update(
            {"X-Plex-Client-Identifier": identifier, "X-Plex-Product": "PlexSync", "X-Plex-Device-Name": "PlexSync"}
        )

    def begin(self, method: str, url: str, *, token: str = "", accept: str = "*/*") -> Callable[[], Answer]:
        """Send a request; return what waits for its answer, and raises NoAnswerError where none comes in time.

        In a thread of its own, which is left behind then: looking a name up knows no time-out, and an answer that
        comes byte by byte never reaches one.
        """
        headers = {"Accept": accept} | ({"X-Plex-Token": token} if token else {})
        outcome: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()
        end = time.monotonic() + self._whole

        def work() -> None:
            try:
                outcome.put(self._send(method, url, headers))
            except Exception as error:  # it belongs to whoever waits
                outcome.put(error)

        def wait() -> Answer:
            try:
                found = outcome.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                found = NoAnswerError(f"no answer within {self._whole:g} s")
            if isinstance(found, Answer):
                log.detail("%s %s answered %d in %d ms", method, url.partition("?")[0], found.status, found.ms)
                return found
            log.detail("%s %s failed: %s", method, url.partition("?")[0], type(found).__name__)
            raise found

        threading.Thread(target=work, name="ask", daemon=True).start()
        return wait

    def ask(self, method: str, url: str, *, token: str = "", accept: str = "*/*") -> Answer:
        """Send a request; return its answer. Raises NoAnswerError."""
        return self.begin(method, url, token=token, accept=accept)()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        began = time.monotonic()
        waits = (self._connect, self._whole)
        try:
            # Followed, a redirect would carry what is secret to whatever host it names.
            with self._session.request(
                method, url, headers=headers, timeout=waits, allow_redirects=False, stream=True
            ) as response:
                body = b""
                for part in response.iter_content(65_536):
                    body += part
                    if len(body) > LONGEST:
                        raise NoAnswerError("an answer without end")
                return Answer(response.status_code, response.headers, body, round((time.monotonic() - began) * 1000))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise NoAnswerError(self._reason(error)) from None

    def _reason(self, error: Exception) -> str:
        causes = causes_of(error)
        for kind, reason in _REASONS:
            if any(isinstance(cause, kind) for cause in causes):
                return reason.format(connect=self._connect, whole=self._whole)
        return "the connection broke off"
