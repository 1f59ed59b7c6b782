"""What goes over the wire: the request that was meant, over one connection, and nothing of the way it took."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from sync.transport import ServerSession
from tests.servers.wire import self_signed


class Seen(ThreadingHTTPServer):
    """A server that keeps what it was asked, and over how many connections."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.lines: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[object] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Seen

    def _answer(self) -> None:
        self.server.lines.append(self.requestline)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.connections.add(self.client_address)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_PUT = do_POST = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Seen]:
    with Seen(tls) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def server() -> Iterator[Seen]:
    with serving() as one:
        yield one


def prepared(method: str, url: str) -> requests.PreparedRequest:
    """Return a request whose address is sent as it is written."""
    request = requests.Request(method, url.partition("?")[0]).prepare()
    request.url = url
    return request


@pytest.mark.parametrize(
    "query",
    [
        "?title.value=a%20b%2Fc&genre%5B0%5D.tag.tag=%C3%A9%25&genre%5B%5D.tag.tag-=x%252Cy,z",
        "?a=b?c=d",
        "",
    ],
)
def test_a_query_goes_as_it_is(server: Seen, query: str) -> None:
    with ServerSession(server.address) as session:
        for method in ("PUT", "GET"):
            assert session.send(prepared(method, f"{server.address}/library/all{query}")).text == "ok"
            assert server.lines.pop() == f"{method} /library/all{query} HTTP/1.1"
    assert len(server.connections) == 1


@pytest.mark.parametrize("query", ["a=b c", "a=\u00e9", "a=\tb\r\nX-Other: 1", 'a="b"<'])
def test_what_no_request_line_can_hold_is_encoded(server: Seen, query: str) -> None:
    with ServerSession(server.address) as session:
        assert session.get(f"{server.address}/x?{query}").status_code == 200
    assert server.lines[0].count(" ") == 2
    assert server.lines[0].isascii()
    assert "x-other" not in server.headers[0]


def test_a_request_is_as_requests_sends_it(server: Seen) -> None:
    with ServerSession(server.address) as session, requests.Session() as plain:
        session.put(f"{server.address}/a?title.value=x", data=b"body", headers={"X-Plex-Token": "t"})
        plain.put(f"{server.address}/a?title.value=x", data=b"body", headers={"X-Plex-Token": "t"})
    assert server.lines[0] == server.lines[1]
    assert server.headers[0] == server.headers[1]


def test_each_request_has_its_own_query(server: Seen) -> None:
    with ServerSession(server.address) as session:
        for path in ("/a?one=1", "/b", "/c?two=2"):
            session.get(f"{server.address}{path}")
    assert [line.split(" ")[1] for line in server.lines] == ["/a?one=1", "/b", "/c?two=2"]


def test_each_request_has_its_own_body(server: Seen) -> None:
    with ServerSession(server.address) as session:
        for body in (b"one", b"", b"three", b"two"):
            session.post(f"{server.address}/a", data=body, headers={"Content-Type": "image/png"})
        session.post(f"{server.address}/a", json={"query": "x"})
        session.post(f"{server.address}/a", data={"a": "b"})
    assert [headers["content-length"] for headers in server.headers] == ["3", "0", "5", "3", "14", "3"]
    kinds = [headers["content-type"] for headers in server.headers]
    assert kinds == [*["image/png"] * 4, "application/json", "application/x-www-form-urlencoded"]


def test_headers_are_each_requests_own(server: Seen) -> None:
    with ServerSession(server.address) as session:
        for value in ("1", "2", "2", ""):
            session.put(f"{server.address}/a", headers={"X-Plex-Token": value} if value else None)
        session.cookies.set("kind", "crumbly")
        session.put(f"{server.address}/a")
    assert [headers.get("x-plex-token") for headers in server.headers] == ["1", "2", "2", None, None]
    assert [headers.get("cookie") for headers in server.headers] == [None] * 4 + ["kind=crumbly"]


def test_a_session_that_was_closed_connects_anew(server: Seen) -> None:
    session = ServerSession(server.address)
    for _ in range(2):
        assert session.get(f"{server.address}/a?b=c").status_code == 200
        session.close()
    assert len(server.connections) == 2


def test_another_server_is_asked_as_ever(server: Seen) -> None:
    with serving() as other, ServerSession(server.address) as session:
        session.get(f"{server.address}/a")
        session.get(f"{other.address}/b?c=d%20e")
        assert other.lines == ["GET /b?c=d%20e HTTP/1.1"]


def test_nothing_of_the_environment_counts(server: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    with ServerSession(server.address) as session:
        assert session.get(f"{server.address}/a?b=c").text == "ok"


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_https(tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)
    with serving(context) as server:
        with ServerSession(server.address) as session, pytest.raises(requests.exceptions.SSLError):
            session.get(f"{server.address}/a?b=c%20d")
        for verify in (str(certificate), False):
            with ServerSession(server.address) as session:
                session.verify = verify
                assert session.get(f"{server.address}/a?b=c%20d").text == "ok"
                assert session.get(f"{server.address}/a?b=c%20d").text == "ok"
        assert set(server.lines) == {"GET /a?b=c%20d HTTP/1.1"}
        assert len(server.connections) == 2
