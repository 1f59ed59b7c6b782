"""A stand-in Plex Media Server that speaks real HTTP and Plex's XML on 127.0.0.1.

It keeps the habits of the real server that a client has to live with (listings that cut tag lists short and leave the
locks out, edits that are all query string, tags that add or replace) and refuses what the real one refuses. Facts come
from the OpenAPI description of Plex Media Server (PMS) and from python-plexapi; where sources disagree, or none tells,
an attribute chooses (see `Library`). Two places are stricter than the real server, so that a client's mistake fails
instead of passing: an edit without `id` edits the whole library as there, and then fails the test; a filter or sorting
that the stand-in does not know is refused.

    with PlexStandIn() as plex:
        movies = plex.add_library("Movies")
        key = plex.add_item(movies, [("/media/a.mp4", 1000)])
        plex.fail(status=500, times=2, method="PUT")
        ...
        plex.wait_for_edit()
        assert plex.item(key).title == "A"

As a process: `python -m tests.servers.plex --port 32400 --library library.json`.

`plex_library` holds the state, `plex_reads`, `plex_edits` and `plex_pictures` answer requests, `http_base` speaks HTTP
and fails on demand.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.servers import plex_edits, plex_pictures, plex_reads, plex_views
from tests.servers.http_base import (
    BROKEN_PAGE,
    MAX_LINE,
    Fault,
    FaultKind,
    HttpServer,
    RefusedError,
    Response,
    Run,
    error_page,
)
from tests.servers.plex_http import Call, Request, container
from tests.servers.plex_library import FIRST_ADDED_AT, FileLike, FileSearch, Library, PlexItem, Role, TagMode

DEFAULT_TOKEN = "plex-token-s3cr3t-7Qx2"
DEFAULT_MACHINE = "8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd"
VERSION = "1.42.1.10060-4e8b05daf"
_STARTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Response code="503" title="Maintenance" '
    b'status="Plex Media Server is currently running startup maintenance tasks."/>\n'
)

_FOR_OWNERS = ("/accounts", "/status/sessions")
"""What a token that is not the owner's gets a refusal for (home-assistant/core 181394, the OpenAPI text)."""

_Handler: TypeAlias = Callable[[Call], Response]
_ROUTE_TABLE: dict[str, dict[str, _Handler]] = {
    r"/library/sections/(\d+)/all": {"GET": plex_reads.list_items, "PUT": plex_edits.edit_section},
    r"/library/metadata/(\d[\d,]*)": {"GET": plex_reads.whole_items, "PUT": plex_edits.edit_items},
    r"/library/metadata/(\d+)/(posters|arts)": {"GET": plex_pictures.list_pictures, "POST": plex_pictures.upload},
    r"/library/metadata/(\d+)/(poster|thumb|art)": {"PUT": plex_pictures.select},
    r"/library/metadata/(\d+)/(thumb|art)(?:/\d+)?": {"GET": plex_pictures.show},
    r"/library/metadata/(\d+)/(file)": {"GET": plex_pictures.show},
    r"/library/sections/(\d+)": {"GET": plex_reads.one_section},
    r"/library/sections": {"GET": plex_reads.list_sections},
    r"/library": {"GET": plex_reads.library_root},
    r"/:/rate": {"GET": plex_edits.rate, "PUT": plex_edits.rate},
    r"/:/progress": {"GET": plex_views.progress, "PUT": plex_views.progress},
    r"/:/scrobble": {"GET": plex_views.scrobble, "PUT": plex_views.scrobble},
    r"/:/unscrobble": {"GET": plex_views.unscrobble, "PUT": plex_views.unscrobble},
    r"/status/sessions/history/all": {"GET": plex_views.history},
    r"/accounts": {"GET": plex_views.list_accounts},
}
_WRITING = (plex_edits.rate, plex_views.progress, plex_views.scrobble, plex_views.unscrobble)
"""What writes by GET as well."""
_ROUTES = [(re.compile(pattern + r"\Z"), handlers) for pattern, handlers in _ROUTE_TABLE.items()]
_SCAN = re.compile(r"/library/sections/(\d+|all)/refresh\Z")


@dataclass
class Scan:
    """A scan somebody asked for."""

    section: int | None
    """None for all libraries."""
    path: str | None
    at: float


class PlexStandIn(Library, HttpServer[Request]):
    """A Plex Media Server on a free port of 127.0.0.1.

    Parameters:
        token: what `X-Plex-Token` has to be.
        platform: what `/` tells of the operating system.
        machine_identifier: the server's identity.
        port: 0 picks a free one; it stays the same over stop() and start().
        read_delay: seconds that every GET takes.
        edit_delay: seconds that every write takes, one after another, as PMS has one SQLite writer.
        idle_timeout: seconds after which an idle connection is closed; PMS says 20.
        modes: see Library.
    """

    request_type = Request
    standing_headers = (("X-Plex-Protocol", "1.0"), ("Cache-Control", "no-cache"), ("Keep-Alive", "timeout=20"))

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        platform: str = "Linux",
        machine_identifier: str = DEFAULT_MACHINE,
        friendly_name: str = "Stand-in",
        port: int = 0,
        read_delay: float = 0.0,
        edit_delay: float = 0.0,
        idle_timeout: float = 20.0,
        **modes: Any,
    ) -> None:
        Library.__init__(self, **modes)
        HttpServer.__init__(self, port=port, idle_timeout=idle_timeout)
        self.token = token
        self.platform = platform
        self.machine_identifier = machine_identifier
        self.friendly_name = friendly_name
        self.read_delay = read_delay
        self.edit_delay = edit_delay
        self.max_target = MAX_LINE
        """How many characters of path and query are taken; a server in the middle may take 8,000 or fewer."""
        self.long_target_status = 414
        """What a longer one is answered with; 431 and 400 are seen, too."""
        self.guest_token = ""
        """A managed user's or a guest's: it reads and rates. Edits and the owner's pages are refused."""
        self.guest_status = 403
        """What such a refusal is; 401 is seen, too."""
        self.starting = False
        """While True every request gets 503, as from a server that is starting up."""
        self.on_scan: Callable[[int | None, str | None], object] | None = None
        """Called as (section id or None for all, path or None), in a thread, after a scan was asked for."""
        self._writer = threading.Lock()  # PMS writes to one SQLite file
        self._scans: list[Scan] = []

    # -------------------------------------------------------------- faults

    def fail(
        self,
        *,
        kind: FaultKind = "status",
        status: int = 500,
        times: int | None = -1,
        every: int | None = None,
        method: str | None = None,
        path_contains: str | None = None,
        where: Callable[[Request], bool] | None = None,
        body: bytes = BROKEN_PAGE,
        after_effect: bool = False,
        delay: float = 0.0,
    ) -> Fault[Request]:
        """Make requests fail, see HttpServer.add_fault().

        Parameters:
            kind: an outage ("refuse") begins at once, or where method, path_contains, where, every or after_effect is
                given with the first request it strikes.
            status, body: what "status" answers; a server in the middle answers 200 with a page of its own or nothing.
            times: how many requests fail; None is all. By default one, and with `every` all.
            every: 3 lets each third matching request fail.
            method, path_contains, where: which requests match; all that are given have to.
            after_effect: do what was asked, then fail: a write that Plex did and nobody confirmed.
                Without it a write that fails is not done (a slow one is done after the delay).
            delay: seconds before the failure shows, for any kind.
        """
        if times == -1:
            times = None if every is not None else 1

        def matches(request: Request) -> bool:
            return (
                (method is None or request.method == method)
                and (path_contains is None or path_contains in request.path)
                and (where is None or where(request))
            )

        fault = Fault(kind, Response(status, body, "text/html"), times, every, matches, after_effect, delay)
        now = kind == "refuse" and not (method or path_contains or where or every or after_effect)
        return self.add_fault(fault, now=now)

    # ------------------------------------------------------------- records

    @property
    def edits(self) -> list[Request]:
        """The requests among them that edit fields or tags, whatever became of them."""
        return [request for request in self.requests if request.is_edit]

    @property
    def file_searches(self) -> list[Request]:
        """The requests among them that ask for a file by its name."""
        return [request for request in self.requests if request.is_file_search]

    @property
    def scans(self) -> list[Scan]:
        """Every scan that was asked for."""
        with self._log:
            return list(self._scans)

    def clear_requests(self) -> None:
        """Forget the requests and scans so far."""
        with self._log:
            self._requests.clear()
            self._scans.clear()

    def wait_for_edit(self, count: int = 1, timeout: float = 5.0) -> list[Request]:
        """Wait until so many edits have taken effect, and return all that have. Else TimeoutError."""
        return self.wait_for_request(lambda one: one.applied and one.is_edit, count=count, timeout=timeout)

    # ------------------------------------------------------------- answers

    def respond(self, run: Run, request: Request) -> Response:
        """Do what a request asks, and give the answer."""
        try:
            if len(request.target) > self.max_target:
                raise RefusedError(self.long_target_status)
            if self.starting:
                return Response(503, _STARTING, "text/xml;charset=utf-8")
            return self._respond(run, request, request.path.rstrip("/") or "/")
        except RefusedError as error:
            return error_page(error)

    def _respond(self, run: Run, request: Request, path: str) -> Response:
        reads = request.method == "GET"
        if reads and path == "/identity":
            return container([], claimed=1, machineIdentifier=self.machine_identifier, version=VERSION)
        token = request.headers.get("x-plex-token") or request.query.get("X-Plex-Token")
        if token != self.token:
            if not token or token != self.guest_token:
                raise RefusedError(401)
            own = path.startswith("/:/")  # what a person has watched and rated is the person's
            if (not reads and not own) or path.startswith(_FOR_OWNERS) or _SCAN.match(path):
                raise RefusedError(self.guest_status)
        if reads:
            run.wait(self.read_delay)
        if reads and path == "/status/sessions":
            return container([])
        if reads and path == "/":
            return self._root()
        if reads and (scan := _SCAN.match(path)):
            return self._scan(scan[1], request.query.get("path"))
        found = [(match, handlers) for pattern, handlers in _ROUTES if (match := pattern.match(path))]
        for match, handlers in found:
            if handler := handlers.get(request.method):
                call = Call(self, request, match)
                if reads and handler not in _WRITING:
                    with self.lock:
                        return handler(call)
                return self._write(run, handler, call)
        raise RefusedError(405 if found or path in {"/", "/identity"} else 404)

    def _write(self, run: Run, handler: _Handler, call: Call) -> Response:
        with self._writer:
            run.wait(self.edit_delay)
            with self.lock:
                response = handler(call)
            self.note(call.request, applied=True)
        if plex_edits.edits_whole_library(call):
            self.mistakes.append(AssertionError(f"an edit of a whole library: {call.request.target[:200]}"))
        return response

    def _root(self) -> Response:
        rows = ['<Directory count="1" key="library" title="library"/>\n']
        return container(
            rows,
            friendlyName=self.friendly_name,
            machineIdentifier=self.machine_identifier,
            platform=self.platform,
            platformVersion="6.1",
            updatedAt=FIRST_ADDED_AT,
            version=VERSION,
            multiuser=1,
            myPlex=1,
            myPlexSigninState="ok",
        )

    def _scan(self, which: str, path: str | None) -> Response:
        section = None if which == "all" else int(which)
        with self.lock:
            home = None if section is None else self.sections.get(section)
            if home is None and section is not None:
                raise RefusedError(404)
            if home is not None:
                home.scanned_at = max(int(time.time()), home.scanned_at + 1)
        with self._log:
            self._scans.append(Scan(section, path, time.monotonic()))
            self._log.notify_all()
        if self.on_scan is not None:
            # Plex answers at once and scans afterwards.
            threading.Thread(target=self._call, args=(self.on_scan, section, path), daemon=True).start()
        return Response()

    def _call(
        self, callback: Callable[[int | None, str | None], object], section: int | None, path: str | None
    ) -> None:
        try:
            callback(section, path)
        except BaseException as error:
            self.mistakes.append(error)


def load(plex: PlexStandIn, description: dict[str, Any]) -> None:
    """Fill a stand-in from a description.

    `{"libraries": [{"title": ..., "items": [{"files": [["/media/a.mp4", 1000]], "title": ...}]}]}`; the
    other keys are the arguments of add_library() and add_item().
    """
    for library in description["libraries"]:
        options = {name: value for name, value in library.items() if name not in {"title", "items"}}
        section = plex.add_library(library["title"], **options)
        for item in library.get("items", ()):
            files: list[FileLike] = [one if isinstance(one, str) else (one[0], one[1]) for one in item["files"]]
            plex.add_item(section, files, **{name: value for name, value in item.items() if name != "files"})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run as a process until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.plex", description="A stand-in Plex server.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the address is printed")
    parser.add_argument("--library", type=Path, help="a JSON file, see load()")
    parser.add_argument("--token", default=DEFAULT_TOKEN)
    parser.add_argument("--tag-mode", choices=("adds", "replaces"), default="adds")
    parser.add_argument("--case-insensitive-tags", action="store_true")
    parser.add_argument("--read-delay", type=float, default=0.0, help="seconds a read takes")
    parser.add_argument("--edit-delay", type=float, default=0.0, help="seconds a write takes")
    options = vars(parser.parse_args(arguments))
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    library = options.pop("library")
    plex = PlexStandIn(**options)
    if library is not None:
        load(plex, json.loads(library.read_text(encoding="utf-8")))
    with plex:
        print(plex.url, flush=True)
        over.wait()


__all__ = [
    "DEFAULT_TOKEN",
    "FaultKind",
    "FileSearch",
    "PlexItem",
    "PlexStandIn",
    "Request",
    "Role",
    "Scan",
    "TagMode",
    "load",
    "main",
]

if __name__ == "__main__":
    main()
