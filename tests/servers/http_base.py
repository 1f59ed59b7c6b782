"""The HTTP that both stand-ins speak: requests, answers, faults on demand, and a record of what came in.

HTTP/1.0 and 1.1 by hand: the standard library's server takes longer to read a request's headers than a stand-in
takes to answer it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from html import escape
from http import HTTPStatus
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar
from urllib.parse import parse_qsl, unquote

PORTS_EACH = 2_500  # ports of a process that runs tests
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "").lstrip("gw") or 0)
_PORTS = itertools.cycle(range(20_000 + _WORKER % 4 * PORTS_EACH, 20_000 + (_WORKER % 4 + 1) * PORTS_EACH))
"""Below those that systems give away: a port that a server leaves for a moment could be another process's then."""

FaultKind = Literal["status", "reset", "hang", "half", "slow", "refuse"]

MAX_LINE = 64 * 1024
MAX_HEAD = MAX_LINE + 64 * 1024
BROKEN_PAGE = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>"


class ConnectionGoneError(Exception):
    """The server was stopped, or the client left, in the middle of a request."""


class RefusedError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


@dataclass
class Request:
    """A request as it came in. Raises ValueError where path or query hold what is no UTF-8."""

    method: str
    target: str
    """The path and query as sent."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    client: socket.socket = field(repr=False)
    keep_alive: bool = True
    at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` when it had been read."""
    status: int | None = None
    """The status answered; None while there is none, or for good if the connection was cut."""
    applied: bool = False
    """True once a write has taken effect, whatever was answered."""
    fault: str | None = None
    """The kind of the fault that hit this request."""
    path: str = field(init=False)
    """Decoded, without the query."""
    params: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        path, _, query = self.target.partition("?")
        self.path = unquote(path, errors="strict") if "%" in path else path
        self.params = parse_qsl(query, keep_blank_values=True, errors="strict") if query else []


R = TypeVar("R", bound=Request)


@dataclass
class Response:
    """An answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    sized: bool = True
    """False: no Content-Length; the end of the connection is the end of the body."""


@dataclass
class Fault(Generic[R]):
    """A failure on demand."""

    kind: FaultKind
    response: Response
    times: int | None
    every: int | None
    matches: Callable[[R], bool]
    after_effect: bool
    delay: float
    seen: int = 0
    """How many requests matched."""
    hits: int = 0
    """How many of them failed."""

    def strikes(self, request: R) -> bool:
        """Count a request, and tell whether it fails."""
        if (self.times is not None and self.hits >= self.times) or not self.matches(request):
            return False
        self.seen += 1
        if self.every is not None and self.seen % self.every:
            return False
        self.hits += 1
        return True


@dataclass
class Run:
    """One stretch of listening, from start() to stop()."""

    listeners: list[socket.socket]
    wake_reader: socket.socket
    wake_writer: socket.socket
    stopped: threading.Event = field(default_factory=threading.Event)
    connections: dict[socket.socket, threading.Thread] = field(default_factory=dict)
    acceptor: threading.Thread = field(init=False)

    def wait(self, seconds: float) -> None:
        """Pass the time, or raise ConnectionGoneError if the server stops meanwhile."""
        if seconds > 0:
            self.stopped.wait(seconds)
        if self.stopped.is_set():
            raise ConnectionGoneError


class HttpServer(Generic[R]):
    """A server on a port of 127.0.0.1, a context manager. Everything may be called from any thread.

    A subclass gives `request_type`, `standing_headers` and `respond()`.
    """

    request_type: type[R]
    standing_headers: tuple[tuple[str, str], ...] = ()
    """Sent with every answer."""

    def __init__(self, *, port: int = 0, idle_timeout: float | None = None) -> None:
        self.idle_timeout = idle_timeout
        self.connections_made = 0
        self.mistakes: list[BaseException] = []
        """Mistakes of the stand-in itself, or of a client that must not happen; leaving the `with` block raises."""
        self._port = port
        self._run: Run | None = None
        self._is_over = False
        self._placeholder: socket.socket | None = None
        self._outage: object | None = None
        self._switch = threading.RLock()  # start, stop
        self._log = threading.Condition(threading.RLock())  # requests and faults
        self._requests: list[R] = []
        self._faults: list[Fault[R]] = []
        self._cleared = threading.Event()

    def respond(self, run: Run, request: R) -> Response:
        """Do what a request asks, and give the answer."""
        raise NotImplementedError

    def addresses(self) -> list[tuple[socket.AddressFamily, str]]:
        """Where it listens; the first is the one that keeps the port while it is stopped."""
        return [(socket.AF_INET, "127.0.0.1")]

    def interrupt(self) -> None:
        """End what requests wait for, when the server stops."""

    # ---------------------------------------------------------------- life

    @property
    def port(self) -> int:
        """The port; 0 before the first start()."""
        return self._port

    @property
    def url(self) -> str:
        """The address to give to a client."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """True while connections are accepted."""
        return self._run is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self.mistakes:
            raise AssertionError("a mistake of the stand-in, or one that it watches for") from self.mistakes[0]

    def start(self) -> None:
        """Listen. After stop() on the same port, with everything as it was."""
        with self._switch:
            self._outage = None
            if self._run is not None:
                return
            first, *more = self.addresses()
            listeners = [self._placeholder or self._bind(*first)]
            self._placeholder = None
            for address in more:
                with contextlib.suppress(OSError):
                    listeners.append(self._bind(*address))
            for listener in listeners:
                listener.listen(256)
                listener.setblocking(False)
            self._run = run = Run(listeners, *socket.socketpair())
            run.acceptor = threading.Thread(target=self._accept, args=(run,), name="accept", daemon=True)
            run.acceptor.start()

    def stop(self) -> None:
        """Go away: refuse connections and cut those that are open. Nothing is applied any more."""
        with self._switch:
            run, self._run = self._run, None
            if run is None:
                return
            run.stopped.set()
            with self._log:
                self._log.notify_all()
            run.wake_writer.send(b"x")
            run.acceptor.join()
            for listener in run.listeners:
                listener.close()
            # A socket that is bound and does not listen refuses connections, and keeps the port ours.
            if not self._is_over:
                self._placeholder = self._bind(*self.addresses()[0])
            connections = list(run.connections.items())
            for connection, _ in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.interrupt()
            for _, thread in connections:
                if thread is not threading.current_thread():
                    thread.join(timeout=2)

    def close(self) -> None:
        """stop(), and give the port back."""
        with self._switch:
            self._outage = None
            self._is_over = True
            self.stop()
            if self._placeholder is not None:
                self._placeholder.close()
                self._placeholder = None

    def _bind(self, family: socket.AddressFamily, host: str) -> socket.socket:
        tried = [self._port] if self._port else itertools.islice(_PORTS, PORTS_EACH)
        for port in tried:
            listener = socket.socket(family, socket.SOCK_STREAM)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((host, port))
            except OSError:
                listener.close()
                if self._port:
                    raise
            else:
                self._port = port
                return listener
        raise OSError(f"no free port of {PORTS_EACH}")

    def _accept(self, run: Run) -> None:
        with selectors.DefaultSelector() as selector, run.wake_reader, run.wake_writer:
            selector.register(run.wake_reader, selectors.EVENT_READ)
            for listener in run.listeners:
                selector.register(listener, selectors.EVENT_READ, listener)
            while True:
                ready = selector.select()
                if run.stopped.is_set():
                    return
                for key, _ in ready:
                    with contextlib.suppress(OSError):
                        self._take(run, key.data.accept()[0])

    def _take(self, run: Run, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(self.idle_timeout)
        thread = threading.Thread(target=self._serve, args=(run, connection), name="connection", daemon=True)
        run.connections[connection] = thread
        self.connections_made += 1
        thread.start()

    # -------------------------------------------------------------- faults

    def add_fault(self, fault: Fault[R], *, now: bool = False) -> Fault[R]:
        """Make requests fail. Of several faults the first that strikes a request counts.

        "status" answers the fault's own response. "reset" cuts the connection with RST and no answer. "hang" answers
        nothing until the client leaves, clear_faults() or stop(). "half" sends the whole answer's headers and half of
        its body (of an answer without a body half of its status line) and closes. "slow" answers rightly after
        `delay` seconds. "refuse" is an outage: connections are cut and refused until clear_faults(), start() or for
        `delay` seconds.

        Parameters:
            now: an outage begins at once, and not with the first request it strikes.
        """
        if now:
            fault.hits = 1
            self._go_away(fault.delay)
        else:
            with self._log:
                self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget all faults, let go what hangs, and end an outage."""
        with self._log:
            self._faults.clear()
            self._cleared.set()
            self._cleared = threading.Event()
            self._log.notify_all()
        with self._switch:
            if self._outage is not None:
                self._come_back()

    def _come_back(self) -> None:
        HttpServer.start(self)

    def _go_away(self, seconds: float) -> None:
        with self._switch:
            HttpServer.stop(self)
            outage = self._outage = object()
        if seconds <= 0:
            return

        def end() -> None:
            threading.Event().wait(seconds)
            with self._switch:
                if self._outage is outage:
                    self._come_back()

        threading.Thread(target=end, name="outage", daemon=True).start()

    # ------------------------------------------------------------- records

    @property
    def requests(self) -> list[R]:
        """Every request since the start or clear_requests(), in the order they came."""
        with self._log:
            return list(self._requests)

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        with self._log:
            self._requests.clear()

    def wait_for_request(self, where: Callable[[R], bool], *, count: int = 1, timeout: float = 5.0) -> list[R]:
        """Wait until so many requests of a kind have come in, answered or not. Else TimeoutError."""
        found: list[R] = []

        def enough() -> bool:
            found[:] = filter(where, self._requests)
            return len(found) >= count

        with self._log:
            if not self._log.wait_for(enough, timeout):
                raise TimeoutError(f"{len(found)} of {count} requests within {timeout} s")
            return list(found)

    def note(self, request: R, *, status: int | None = None, applied: bool = False) -> None:
        """Put on record what became of a request."""
        with self._log:
            if status is not None:
                request.status = status
            request.applied = request.applied or applied
            self._log.notify_all()

    # ------------------------------------------------------------ exchange

    def takes_over(self, request: R) -> bool:
        """Serve a connection that stops to be HTTP, to its end; False where it stays what it is."""
        return False

    def _serve(self, run: Run, connection: socket.socket) -> None:
        buffer = bytearray()
        try:
            while not run.stopped.is_set() and self._exchange(run, connection, buffer):
                pass
        except (OSError, ConnectionGoneError):
            pass
        except BaseException as error:
            self.mistakes.append(error)
        finally:
            run.connections.pop(connection, None)
            connection.close()

    def _exchange(self, run: Run, connection: socket.socket, buffer: bytearray) -> bool:
        """One request and its answer. Returns whether the connection stays open."""
        try:
            request = read_request(self.request_type, connection, buffer)
        except RefusedError as error:
            connection.sendall(self._packed(error_page(error), keep=False))
            return False
        if request is None:
            return False
        with self._log:
            fault = next((fault for fault in self._faults if fault.strikes(request)), None)
            request.fault = fault.kind if fault else None
            cleared = self._cleared
            self._requests.append(request)
            self._log.notify_all()
        if fault is None:
            if self.takes_over(request):
                return False
            return self._send(request, self.respond(run, request))
        return self._fail(run, request, fault, cleared)

    def _fail(self, run: Run, request: R, fault: Fault[R], cleared: threading.Event) -> bool:
        response = self.respond(run, request) if fault.after_effect else None
        if fault.kind != "refuse" and fault.delay:
            with self._log:
                self._log.wait_for(lambda: run.stopped.is_set() or cleared.is_set(), fault.delay)
            run.wait(0)
        match fault.kind:
            case "status":
                return self._send(request, fault.response)
            case "slow":
                return self._send(request, response or self.respond(run, request))
            case "reset":
                # Closing with a linger time of zero sends RST instead of FIN.
                request.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "hang":
                request.client.settimeout(0.02)
                while not cleared.is_set():
                    with contextlib.suppress(TimeoutError):
                        if not request.client.recv(65536):
                            break
            case "half":
                if response is None:  # a write that fails is not done
                    response = self.respond(run, request) if request.method == "GET" else Response()
                packed = self._packed(response, keep=request.keep_alive)
                head = packed.index(b"\r\n\r\n") + 4
                # Half the headers would not do: Python's http.client takes them for a whole success.
                line = packed.index(b"\r\n") // 2
                request.client.sendall(packed[: head + len(response.body) // 2 if response.body else line])
            case "refuse":
                self._go_away(fault.delay)
        return False

    def _send(self, request: R, response: Response) -> bool:
        keep = request.keep_alive and response.sized
        self.note(request, status=response.status)
        request.client.sendall(self._packed(response, keep=keep, bodyless=request.method == "HEAD"))
        return keep

    def _packed(self, response: Response, *, keep: bool, bodyless: bool = False) -> bytes:
        """An answer as it goes over the wire, in one piece."""
        headers = [*self.standing_headers, ("Date", formatdate(usegmt=True)), *response.headers]
        if response.sized and response.status != 304:
            headers.append(("Content-Length", str(len(response.body))))
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        headers.append(("Connection", "keep-alive" if keep else "close"))
        lines = [
            f"HTTP/1.1 {response.status} {_phrase(response.status)}",
            *(f"{name}: {text}" for name, text in headers),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if bodyless else head + response.body


def read_request(kind: type[R], connection: socket.socket, buffer: bytearray) -> R | None:
    """Read one request; None if the client left. Raises RefusedError for one that no server takes."""
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if len(buffer) > MAX_HEAD:
            # Drain what is on its way, or closing with unread bytes would destroy the answer.
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                while connection.recv(1 << 20):
                    pass
            connection.settimeout(5)
            raise RefusedError(414)
        if not _received(connection, buffer):
            return None
    head = bytes(buffer[:end])
    del buffer[: end + 4]
    line, *rest = head.split(b"\r\n")
    if len(line) > MAX_LINE:
        raise RefusedError(414)
    try:
        method, target, protocol = line.decode("ascii").split(" ")
        headers: dict[str, str] = {}
        for header in rest:
            name, colon, value = header.decode("latin-1").partition(":")
            if not colon:
                raise ValueError(header)
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        if "transfer-encoding" in headers:
            raise RefusedError(411)
        asked = headers.get("connection", "").lower()
        keep = asked != "close" if protocol == "HTTP/1.1" else asked == "keep-alive"
        request = kind(method, target, headers, b"", connection, keep)
    except ValueError:
        raise RefusedError(400) from None
    while len(buffer) < length:
        if not _received(connection, buffer):
            return None
    request.body = bytes(buffer[:length])
    del buffer[:length]
    request.at = time.monotonic()
    return request


def _received(connection: socket.socket, buffer: bytearray) -> bool:
    received = connection.recv(1 << 18)
    buffer += received
    return bool(received)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def error_page(error: RefusedError) -> Response:
    """The page Plex sends with an error status."""
    phrase = _phrase(error.status)
    detail = f"<p>{escape(error.detail)}</p>" if error.detail else ""
    body = f"<body><h1>{error.status} {phrase}</h1>{detail}</body>"
    page = f"<html><head><title>{phrase}</title></head>{body}</html>"
    return Response(error.status, page.encode(errors="replace"), "text/html")


def picture_type(picture: bytes) -> str | None:
    """The MIME type of a picture by its first bytes, None where it is none that Plex takes."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    starts = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
    return next((kind for start, kind in starts.items() if picture.startswith(start)), None)
