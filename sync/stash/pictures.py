"""Pictures of Stash's over the wire, several on their way at a time.

Over http.client: requests takes four times as long for a picture as it does to fetch it. What is fetched in other
threads is read there and nothing more: no file is touched, no line is logged, and what a failure means is found out
by whoever wants the picture, in the thread that wants it.
"""

import http.client
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from requests.utils import requote_uri
from urllib3.util import wait_for_read

from sync.errors import UnusablePictureError

IN_FLIGHT = 4
"""Pictures that Stash is asked for at once."""
AHEAD = 8
"""Pictures that are fetched before they are wanted, those on their way among them."""
AHEAD_BYTES = 8_000_000
"""Bytes from which on they are fewer, down to two: by the size of the last one."""
_PIECE = 262_144  # bytes

_T = TypeVar("_T")
Read = Callable[[Iterator[bytes]], _T | None]
"""What is made of a picture that comes in pieces; None: it is none of Stash's own.

It may raise UnusablePictureError, and runs in any thread."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[_T]):
    """What became of the request for one picture."""

    path: str
    seconds: float
    status: int = 0
    """0: Stash gave no answer."""
    cookies: tuple[str, ...] = ()
    """The Set-Cookie headers."""
    size: int = 0
    """Bytes that it has by its announcement."""
    value: _T | None = None
    """What was made of the picture, where the status is 200."""
    failure: str = ""
    """Why no whole answer came; empty where one did."""
    unusable: UnusablePictureError | None = None


class PictureRequests:
    """Asks one Stash for pictures; close it. `headers` gives those of a request at the time it is sent.

    `connect_timeout` and `read_timeout` in seconds.
    """

    def __init__(
        self,
        address: tuple[str, str, int],
        headers: Callable[[], Mapping[str, str]],
        *,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        self._address = address
        self._headers = headers
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def ask(self, path: str, read: Read[_T]) -> Answer[_T]:
        """Ask for one picture, in this thread."""
        began = time.perf_counter()
        connection = self._connection()
        status, size, failure, is_whole = 0, 0, "", False
        cookies: list[str] = []
        value, unusable = None, None
        try:
            self._send(connection, path)
            with connection.getresponse() as response:
                cookies = response.headers.get_all("Set-Cookie", [])
                status, size = response.status, response.length or 0
                if status == 200:
                    value = read(_pieces(response))
                is_whole = response.isclosed() and not response.will_close
        except UnusablePictureError as error:
            unusable = error
        except (http.client.HTTPException, OSError, ValueError) as error:
            name = type(error).__name__
            failure = f"it broke off in the middle ({name})" if status else f"Stash did not answer ({name})"
        if is_whole:
            self._idle.append(connection)
        else:
            connection.close()
        return Answer(path, time.perf_counter() - began, status, tuple(cookies), size, value, failure, unusable)

    def begin(self, path: str, read: Read[_T]) -> "Future[Answer[_T]]":
        """Ask for one picture, in another thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(IN_FLIGHT, "picture")
        return self._pool.submit(self.ask, path, read)

    @property
    def has_threads(self) -> bool:
        """Whether other threads have been at work already."""
        return self._pool is not None

    def close(self) -> None:
        """Wait for what is on its way, and close the connections."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        while self._idle:
            self._idle.pop().close()

    def _send(self, connection: http.client.HTTPConnection, path: str) -> None:
        if connection.sock is None:
            connection.connect()
            connection.sock.settimeout(self._read_timeout)  # type: ignore[attr-defined]  # a socket by now
        connection.request("GET", requote_uri(path), headers=dict(self._headers()))

    def _connection(self) -> http.client.HTTPConnection:
        """Return a connection that nobody uses, a new one where there is none."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            # Nothing was asked, so what can be read is the end of it.
            if not wait_for_read(connection.sock, 0.0):
                return connection
            connection.close()
        scheme, host, port = self._address
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=self._connect_timeout)
        # Stash's certificate is self-signed as a rule, and this is the Stash that started us.
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=self._connect_timeout, context=unchecked)


class Coming(Generic[_T]):
    """Pictures that will be wanted in the order of `paths`, each once; those that come next are fetched ahead.

    `judge`: what is given of an answer; it raises what is to be raised. `paths` are drawn as they are needed.
    """

    def __init__(
        self, requests: PictureRequests, paths: Iterable[str], read: Read[_T], judge: Callable[[Answer[_T]], _T | None]
    ) -> None:
        self._requests = requests
        self._paths = iter(paths)
        self._read = read
        self._judge = judge
        self._begun: dict[str, Future[Answer[_T]]] = {}
        self._most = IN_FLIGHT  # until one has told its size

    def get(self, path: str) -> _T | None:
        """Return a picture, fetched ahead or not; raises what `judge` raises."""
        self._begin()
        if path not in self._begun:
            return self._judge(self._requests.ask(path, self._read))
        for earlier in list(self._begun):
            coming = self._begun.pop(earlier)
            if earlier == path:
                break
            coming.cancel()  # it was not wanted after all
        answer = coming.result()
        self._most = max(2, min(AHEAD, AHEAD_BYTES // max(1, answer.size)))
        self._begin()
        return self._judge(answer)

    def _begin(self) -> None:
        fresh = list(islice(self._paths, max(0, self._most - len(self._begun))))
        # For a single picture nobody starts a thread.
        if len(fresh) > 1 or self._requests.has_threads:
            self._begun |= {path: self._requests.begin(path, self._read) for path in fresh}

    def drop(self) -> None:
        """No more of them is wanted; what is on its way already ends by itself."""
        self._paths = iter(())
        for coming in self._begun.values():
            coming.cancel()
        self._begun.clear()


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(_PIECE):
        yield piece
    if response.length:  # less came than was announced
        raise http.client.IncompleteRead(b"", response.length)
