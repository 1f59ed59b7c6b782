"""A stand-in Plex Media Server that speaks real HTTP and Plex's XML on 127.0.0.1.

It keeps the habits of the real server that a client has to live with (listings that cut tag lists
short and leave the locks out, edits that are all query string, tags that add or replace) and refuses
what the real one refuses. Facts come from the OpenAPI description of Plex Media Server (PMS) and from
python-plexapi; where sources disagree, or none tells, an attribute chooses. Two places are stricter than
the real server, so that a client's mistake fails instead of passing: an edit without `id` edits the whole
library as there, and then fails the test; a filter or sorting that the stand-in does not know is refused.

    with PlexStandIn() as plex:
        movies = plex.add_library("Movies")
        key = plex.add_item(movies, [("/media/a.mp4", 1000)])
        plex.fail(status=500, times=2, method="PUT")
        ...
        plex.wait_for_edit()
        assert plex.item(key).title == "A"

As a process: `python -m tests.servers.plex --port 32400 --library library.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import hashlib
import json
import re
import selectors
import signal
import socket
import struct
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

TagMode = Literal["adds", "replaces"]
FileSearch = Literal["works", "ignores", "refuses", "errors", "by_substring", "by_path"]
FaultKind = Literal["status", "reset", "hang", "half", "slow", "refuse"]

DEFAULT_TOKEN = "plex-token-s3cr3t-7Qx2"
DEFAULT_MACHINE = "8f0b4c1d7e5a49b2a6c3d2e1f00912345678abcd"
VERSION = "1.42.1.10060-4e8b05daf"

MAX_LINE = 64 * 1024
MAX_HEAD = MAX_LINE + 64 * 1024
MAX_PICTURE = 10 * 1024 * 1024

# Where the stand-in's clock for `addedAt` begins, when an item does not bring its own.
_FIRST_ADDED_AT = 1_700_000_000

_VALUE_FIELDS = frozenset(
    {
        "title",
        "titleSort",
        "summary",
        "studio",
        "originallyAvailableAt",
        "contentRating",
        "tagline",
        "originalTitle",
    }
)
# Tag type as an edit names it -> the element's name in XML, in the order of a whole item.
_TAG_ELEMENTS = {
    "genre": "Genre",
    "country": "Country",
    "director": "Director",
    "writer": "Writer",
    "producer": "Producer",
    "actor": "Role",
    "collection": "Collection",
    "label": "Label",
}
# Plex cuts tag lists in listings, and leaves producers and labels out altogether.
_LISTING_LIMITS = {"genre": 2, "country": 2, "director": 2, "writer": 2, "actor": 3, "collection": 2}
_LOCKABLE = _VALUE_FIELDS | _TAG_ELEMENTS.keys() | {"thumb", "art", "addedAt", "userRating"}
_PYTHON_NAMES = {
    "date": "originallyAvailableAt",
    "title_sort": "titleSort",
    "content_rating": "contentRating",
    "original_title": "originalTitle",
    "genres": "genre",
    "countries": "country",
    "directors": "director",
    "writers": "writer",
    "producers": "producer",
    "actors": "actor",
    "collections": "collection",
    "labels": "label",
    "poster": "thumb",
}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
# Characters XML 1.0 cannot hold, however they are escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        # A parser turns a bare newline in an attribute into a blank.
        "\n": "&#10;",
        "\r": "&#13;",
    }
)
_TAG_PARAMETER = re.compile(r"(\w+)\[(\d*)\]\.(tag\.tag-|tag\.tag|tag\.thumb|tagging\.\w+|tag)\Z")
_ODD_NAME = re.compile(r"[&#+%'\"]")
_EDIT_PATH = re.compile(r"/library/sections/\d+/all\Z|/library/metadata/[\d,]+\Z")
_FILTER = re.compile(r"(addedAt|updatedAt|year|title)(>>|<<|>|<|!|=)?\Z")
_PLAIN_LISTING_PARAMETERS = ("X-Plex-", "include", "exclude")


class Role(NamedTuple):
    """An actor as a whole item shows it."""

    name: str
    role: str = ""
    thumb: str = ""


FileLike: TypeAlias = str | tuple[str, int | None]
ActorLike: TypeAlias = str | tuple[str, str] | tuple[str, str, str] | Role


@dataclass(frozen=True)
class PlexItem:
    """A copy of an item at one moment."""

    key: int
    section: int
    guid: str
    title: str
    title_sort: str
    summary: str
    studio: str
    date: str
    year: int | None
    content_rating: str
    tagline: str
    original_title: str
    genres: list[str]
    actors: list[Role]
    collections: list[str]
    directors: list[str]
    labels: list[str]
    writers: list[str]
    producers: list[str]
    countries: list[str]
    locked: set[str]
    """Locked fields by Plex's own names: `title`, `genre`, `actor`, `originallyAvailableAt`, `thumb`..."""
    media: list[list[tuple[str, int | None]]]
    """The files of each part of each Media."""
    added_at: int
    updated_at: int
    user_rating: float | None
    posters: list[bytes]
    """Uploaded posters in the order of their first upload; the same picture counts once."""
    arts: list[bytes]
    poster: bytes | None
    """The selected one."""
    art: bytes | None

    @property
    def files(self) -> list[tuple[str, int | None]]:
        """Every file of the item, with its size."""
        return [part for parts in self.media for part in parts]


@dataclass
class Request:
    """A request as it came in."""

    method: str
    path: str
    """Decoded, without the query."""
    target: str
    """The path and query as sent."""
    params: list[tuple[str, str]]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    at: float
    """`time.monotonic()` when it had been read."""
    status: int | None = None
    """The status answered; None while there is none, or for good if the connection was cut."""
    applied: bool = False
    """True once a write has taken effect, whatever was answered."""
    fault: str | None = None
    """The kind of the fault that hit this request."""

    @property
    def query(self) -> dict[str, str]:
        """The query as a dict; of a name that stands twice the last."""
        return dict(self.params)

    @property
    def is_edit(self) -> bool:
        """True for a request that edits fields or tags."""
        return self.method == "PUT" and _EDIT_PATH.match(self.path) is not None

    @property
    def is_file_search(self) -> bool:
        """True for a listing that asks for a file by its name."""
        return self.method == "GET" and "file" in self.query and self.path.endswith("/all")

    @property
    def skips_refresh(self) -> bool:
        """True for a read that spares Plex a look at the files."""
        return self.query.get("skipRefresh") == "1"


@dataclass
class Fault:
    """A failure on demand; see PlexStandIn.fail()."""

    kind: FaultKind
    status: int
    body: bytes
    times: int | None
    every: int | None
    method: str | None
    path_contains: str | None
    where: Callable[[Request], bool] | None
    after_effect: bool
    delay: float
    seen: int = 0
    """How many requests matched."""
    hits: int = 0
    """How many of them failed."""

    def strikes(self, request: Request) -> bool:
        """Count a request, and tell whether it fails."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.method is not None and request.method != self.method:
            return False
        if self.path_contains is not None and self.path_contains not in request.path:
            return False
        if self.where is not None and not self.where(request):
            return False
        self.seen += 1
        if self.every is not None and self.seen % self.every:
            return False
        self.hits += 1
        return True


@dataclass
class Scan:
    """A scan somebody asked for."""

    section: int | None
    """None for all libraries."""
    path: str | None
    at: float


class _ConnectionGoneError(Exception):
    """The server was stopped, or the client left, in the middle of a request."""


class _RefusedError(Exception):
    """A request the server answers with an error status."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


@dataclass
class _Response:
    status: int = 200
    body: bytes = b""
    content_type: str = "text/html"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class _Run:
    """One stretch of listening, from start() to stop()."""

    listener: socket.socket
    wake_reader: socket.socket
    wake_writer: socket.socket
    stopped: threading.Event = field(default_factory=threading.Event)
    connections: dict[socket.socket, threading.Thread] = field(default_factory=dict)
    acceptor: threading.Thread | None = None

    def wait(self, seconds: float) -> None:
        """Pass the time, or raise if the server stops meanwhile."""
        if seconds > 0:
            self.stopped.wait(seconds)
        if self.stopped.is_set():
            raise _ConnectionGoneError


class _Tagging:
    """A tag on an item: the name, and what belongs to this pair alone."""

    __slots__ = ("name", "text", "thumb")

    def __init__(self, name: str, text: str = "", thumb: str = "") -> None:
        self.name = name
        self.text = text
        self.thumb = thumb


class _Part(NamedTuple):
    id: int
    file: str
    size: int | None


class _Media(NamedTuple):
    id: int
    parts: list[_Part]


class _Pictures:
    """The pictures of one kind on one item, but for the frame of the video."""

    __slots__ = ("by_agents", "selected", "uploads")

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        self.by_agents: dict[str, bytes] = {}
        self.selected: str | None = None

    @property
    def held(self) -> dict[str, bytes]:
        return self.uploads | self.by_agents


class _Item:
    __slots__ = (
        "added_at",
        "duration",
        "guid",
        "key",
        "listed",
        "locked",
        "media",
        "pictures",
        "section",
        "tags",
        "updated_at",
        "user_rating",
        "values",
        "year",
    )

    def __init__(self, key: int, section: int, guid: str, added_at: int, duration: int | None) -> None:
        self.key = key
        self.section = section
        self.guid = guid
        self.added_at = added_at
        self.updated_at = added_at
        self.duration = duration
        self.values: dict[str, str] = {}
        self.year: int | None = None
        self.tags: dict[str, list[_Tagging]] = {}
        self.locked: frozenset[str] = frozenset()
        self.media: list[_Media] = []
        self.pictures: dict[str, _Pictures] = {}
        self.user_rating: float | None = None
        # The item as listings show it, kept because a library is listed over and over.
        self.listed: str | None = None

    def file_title(self) -> str:
        """What an item that nobody named is called: its first file's name."""
        if not self.media or not self.media[0].parts:
            return "Unknown"
        name = _file_name(self.media[0].parts[0].file)
        stem, dot, _ = name.rpartition(".")
        return stem if dot and stem else name


def _file_name(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


class _Section:
    __slots__ = (
        "agent",
        "changed",
        "content_changed",
        "items",
        "key",
        "locations",
        "membership",
        "orders",
        "scanned_at",
        "title",
        "type",
        "updated_at",
    )

    def __init__(self, key: int, title: str, type_: str, agent: str, locations: tuple[str, ...]) -> None:
        self.key = key
        self.title = title
        self.type = type_
        self.agent = agent
        self.locations = locations
        self.items: dict[int, _Item] = {}
        self.updated_at = self.scanned_at = _FIRST_ADDED_AT
        self.content_changed = 1
        self.membership = 0  # counts items that came, went or changed their addedAt
        self.changed = 0  # counts every change
        self.orders: dict[str, tuple[int, list[_Item]]] = {}

    @property
    def uuid(self) -> str:
        digest = hashlib.md5(f"{self.key}/{self.title}".encode(), usedforsecurity=False).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def note(self, *, membership: bool, content: bool = True) -> None:
        self.changed += 1
        self.content_changed += content
        self.membership += membership


def _title_order(item: _Item) -> str:
    return (item.values.get("titleSort") or item.values["title"]).casefold()


_SORTINGS: dict[str, Callable[[_Item], Any]] = {
    "addedAt": lambda item: item.added_at,
    "updatedAt": lambda item: item.updated_at,
    "titleSort": _title_order,
    "title": lambda item: item.values["title"].casefold(),
    "ratingKey": lambda item: item.key,
    "year": lambda item: item.year or 0,
    "originallyAvailableAt": lambda item: item.values.get("originallyAvailableAt", ""),
    "userRating": lambda item: item.user_rating or 0.0,
}


def _attributes(**values: object) -> str:
    """XML attributes; PMS leaves out those that are empty."""
    return "".join(
        f' {name}="{str(value).translate(_ESCAPES)}"'
        for name, value in values.items()
        if value is not None and value != ""
    )


def _media_type_ok(section: _Section, type_: str) -> bool:
    return type_ == {"movie": "1", "show": "2", "artist": "8", "photo": "13"}.get(section.type)


class PlexStandIn:
    """A Plex Media Server on a free port of 127.0.0.1.

    Everything may be called from any thread, while clients talk to it.

    Parameters:
        token: what `X-Plex-Token` has to be.
        tag_mode: what `genre[0].tag.tag=x` does to the genres that are there. "adds": x joins them.
            "replaces": the names given are the new list. Sources disagree, so a client has to be right
            under both; `genre[].tag.tag-` removes in both.
        case_insensitive_tags: names that differ in case alone are one tag, spelt as the server first
            saw it.
        platform: what `/` tells of the operating system.
        machine_identifier: the server's identity.
        port: 0 picks a free one; it stays the same over stop() and start().
        read_delay: seconds that every GET takes.
        edit_delay: seconds that every write takes, one after another, as PMS has one SQLite writer.
        idle_timeout: seconds after which an idle connection is closed; PMS says 20.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        tag_mode: TagMode = "adds",
        case_insensitive_tags: bool = False,
        platform: str = "Linux",
        machine_identifier: str = DEFAULT_MACHINE,
        friendly_name: str = "Stand-in",
        port: int = 0,
        read_delay: float = 0.0,
        edit_delay: float = 0.0,
        idle_timeout: float = 20.0,
    ) -> None:
        self.token = token
        self.tag_mode: TagMode = tag_mode
        self.case_insensitive_tags = case_insensitive_tags
        self.platform = platform
        self.machine_identifier = machine_identifier
        self.friendly_name = friendly_name
        self.read_delay = read_delay
        self.edit_delay = edit_delay
        self.idle_timeout = idle_timeout
        self.actor_pictures: Literal["kept", "ignored", "rewritten"] = "kept"
        """What becomes of the `tag.thumb` of an actor. No source says that every version keeps it as it was sent."""
        self.edit_with_one_gone: Literal["edits the rest", "refuses"] = "edits the rest"
        """What becomes of an edit of several items of which one is not there. No source tells."""
        self.actor_sent_again: Literal["role_updates", "role_kept", "duplicate"] = "role_updates"
        """What becomes of an actor who is on the item already and is sent again with another role. The OpenAPI
        text says that `tagging.text` updates the association; nobody tells of a test. "duplicate" lists the actor
        twice, once with each role. A picture is the name's, and changes in any mode."""
        self.tag_modes: dict[str, TagMode] = {}
        """Kinds of tag (`actor`, ...) that do not go by `tag_mode`. Tools that rename actors send the whole list and
        remove nothing, as if actors alone were replaced."""
        self.rating_in_edit: Literal["taken", "ignored"] = "taken"
        """What becomes of `userRating.value` and its lock in an edit; where it is ignored, `/:/rate` is needed."""
        self.file_search: FileSearch = "works"
        """How a listing takes `file=<file name>`, as PMS 1.43.1 finds items by it. "ignores": the whole listing, as of
        a server that does not know the parameter. "refuses" is 400, "errors" 500. "by_substring" finds names that hold
        the text, "by_path" whole paths that do, both whatever the case."""
        self.file_search_names: Literal["exact", "loses_odd", "nfc"] = "exact"
        """Which names a search by file can find; no source tells. "loses_odd": none that has one of `& # + % ' "` or
        is not in NFC. "nfc": names are compared in NFC, and a name that is asked for otherwise is not found."""
        self.read_with_one_gone: Literal["leaves it out", "refuses"] = "leaves it out"
        """What becomes of a read of several items of which one is not there; "refuses" is 404 for all of them."""
        self.row_wishes: Literal["obeyed", "ignored"] = "obeyed"
        """What becomes of excludeElements and excludeFields."""
        self.edits_move_content_changed = True
        """Whether an edit moves a library's contentChangedAt, as items that come and go do. No source tells."""
        self.max_target = MAX_LINE
        """How many characters of path and query are taken; a server in the middle may take 8,000 or fewer."""
        self.long_target_status = 414
        """What a longer one is answered with; 431 and 400 are seen, too."""
        self.bad_token_status = 401
        """What a wrong token is answered with; 498 is an expired one."""
        self.starting = False
        """While True every request gets 503, as from a server that is starting up."""
        self.on_scan: Callable[[int | None, str | None], object] | None = None
        """Called as (section id or None for all, path or None), in a thread, after a scan was asked for."""
        self.connections_made = 0
        self.errors: list[BaseException] = []
        """Mistakes of the stand-in itself; leaving the `with` block raises the first."""

        self._port = port
        self._run: _Run | None = None
        self._placeholder: socket.socket | None = None
        self._closed = False
        self._switch = threading.RLock()  # start, stop
        self._writer = threading.Lock()  # PMS writes to one SQLite file
        self._lock = threading.RLock()  # the library
        self._log = threading.Condition(threading.RLock())  # requests and faults
        self._requests: list[Request] = []
        self._faults: list[Fault] = []
        self._scans: list[Scan] = []
        self._refusing: object | None = None
        self._sections: dict[int, _Section] = {}
        self._items: dict[int, _Item] = {}
        self._next_key = 1
        self._next_id = 1
        self._tag_ids: dict[tuple[str, str], int] = {}
        self._spellings: dict[tuple[str, str], str] = {}
        self._tag_thumbs: dict[str, str] = {}

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
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if exc is None and self.errors:
            raise AssertionError("the stand-in itself failed") from self.errors[0]

    def start(self) -> None:
        """Listen. After stop() on the same port, with everything still in the library."""
        with self._switch:
            if self._run is not None:
                return
            self._closed = False
            self._refusing = None
            listener = self._placeholder or self._bind()
            self._placeholder = None
            listener.listen(128)
            listener.setblocking(False)
            wake_reader, wake_writer = socket.socketpair()
            run = _Run(listener, wake_reader, wake_writer)
            run.acceptor = threading.Thread(target=self._accept, args=(run,), name="plex-accept", daemon=True)
            self._run = run
            run.acceptor.start()

    def stop(self) -> None:
        """Go away: refuse connections and cut those that are open. Nothing is applied any more."""
        with self._switch:
            run, self._run = self._run, None
            if run is None:
                return
            run.stopped.set()
            run.wake_writer.send(b"x")
            me = threading.current_thread()
            if run.acceptor is not None and run.acceptor is not me:
                run.acceptor.join()
            run.listener.close()
            # A socket that is bound and does not listen refuses connections, and keeps the port ours.
            self._placeholder = self._bind()
            connections = list(run.connections.items())
            for connection, _ in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for _, thread in connections:
                if thread is not me:
                    thread.join(timeout=2)
            run.wake_reader.close()
            run.wake_writer.close()

    def close(self) -> None:
        """stop(), and give the port back."""
        with self._switch:
            self._closed = True
            self._refusing = None
            self.stop()
            if self._placeholder is not None:
                self._placeholder.close()
                self._placeholder = None

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        return listener

    def _accept(self, run: _Run) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(run.listener, selectors.EVENT_READ)
            selector.register(run.wake_reader, selectors.EVENT_READ)
            while not run.stopped.is_set():
                selector.select()
                if run.stopped.is_set():
                    return
                try:
                    connection, _ = run.listener.accept()
                except OSError:
                    continue
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.settimeout(self.idle_timeout)
                thread = threading.Thread(
                    target=self._serve, args=(run, connection), name="plex-connection", daemon=True
                )
                run.connections[connection] = thread
                self.connections_made += 1
                thread.start()

    # ------------------------------------------------------------- library

    def add_library(
        self,
        title: str,
        *,
        type: str = "movie",
        agent: str = "tv.plex.agents.movie",
        key: int | None = None,
        locations: Sequence[str] = ("/media",),
    ) -> int:
        """Add a library and return its section id. "Other Videos" has the agent com.plexapp.agents.none."""
        with self._lock:
            if key is None:
                key = max(self._sections, default=0) + 1
            if key in self._sections:
                raise ValueError(f"section {key} is there already")
            self._sections[key] = _Section(key, title, type, agent, tuple(locations))
            return key

    def remove_library(self, section: int) -> None:
        """Remove a library and its items."""
        with self._lock:
            for key in self._sections.pop(section).items:
                del self._items[key]

    def add_item(
        self,
        section: int,
        files: Sequence[FileLike],
        *,
        parts: bool = False,
        title: str | None = None,
        summary: str = "",
        studio: str = "",
        date: str = "",
        year: int | None = None,
        genres: Iterable[str] = (),
        actors: Iterable[ActorLike] = (),
        collections: Iterable[str] = (),
        directors: Iterable[str] = (),
        labels: Iterable[str] = (),
        locked: Iterable[str] = (),
        added_at: int | None = None,
        guid: str | None = None,
        duration: int | None = 1_800_000,
    ) -> int:
        """Add an item and return its ratingKey, which no other item ever had.

        Parameters:
            files: paths, or (path, size). Each becomes a Media of one Part, as after a merge.
            parts: True makes them Parts of one Media instead.
            title: by default the first file's name without its ending, as of an item no agent named.
            locked: fields by Plex's names or the names used here.
            added_at: epoch seconds; by default one more than the item before.
            duration: milliseconds.
        """
        with self._lock:
            home = self._sections[section]
            key = self._next_key
            self._next_key += 1
            if guid is None:
                none = home.agent == "com.plexapp.agents.none"
                guid = f"com.plexapp.agents.none://{key:040x}?lang=xn" if none else f"local://{key}"
            added = _FIRST_ADDED_AT + key if added_at is None else added_at
            item = _Item(key, section, guid, added, duration)
            item.media = self._new_media(files, parts=parts)
            item.values["title"] = title or item.file_title()
            for name, value in (("summary", summary), ("studio", studio)):
                if value:
                    item.values[name] = value
            if date:
                self._set_value(item, "originallyAvailableAt", date)
            if year is not None:
                item.year = year
            for kind, names in (
                ("genre", genres),
                ("actor", actors),
                ("collection", collections),
                ("director", directors),
                ("label", labels),
            ):
                self._set_tags(item, kind, names)
            if locked:
                item.locked = frozenset(_PYTHON_NAMES.get(name, name) for name in locked)
            self._items[key] = home.items[key] = item
            home.note(membership=True)
            return key

    def remove_item(self, key: int) -> None:
        """Remove an item, as when its files vanished and the trash was emptied."""
        with self._lock:
            item = self._items.pop(key)
            home = self._sections[item.section]
            del home.items[key]
            home.note(membership=True)

    def replace_files(self, key: int, files: Sequence[FileLike], *, parts: bool = False) -> None:
        """Give an item other files: moved or renamed ones. ratingKey, title and addedAt stay."""
        with self._lock:
            item = self._items[key]
            item.media = self._new_media(files, parts=parts)
            self._touch(item)

    def merge_items(self, keep: int, other: int) -> None:
        """Merge two items: the files of `other` join `keep`, and `other` is gone."""
        with self._lock:
            if keep == other or self._items[keep].section != self._items[other].section:
                raise ValueError("only two items of one library can be merged")
            self._items[keep].media += self._items[other].media
            self.remove_item(other)
            self._touch(self._items[keep])

    def item(self, key: int) -> PlexItem:
        """A copy of an item as it is now. Raises KeyError if there is none."""
        with self._lock:
            item = self._items[key]
            values = item.values

            def names(kind: str) -> list[str]:
                return [tagging.name for tagging in item.tags.get(kind, ())]

            posters = item.pictures.get("posters") or _Pictures()
            arts = item.pictures.get("arts") or _Pictures()
            return PlexItem(
                key=item.key,
                section=item.section,
                guid=item.guid,
                title=values["title"],
                title_sort=values.get("titleSort", ""),
                summary=values.get("summary", ""),
                studio=values.get("studio", ""),
                date=values.get("originallyAvailableAt", ""),
                year=item.year,
                content_rating=values.get("contentRating", ""),
                tagline=values.get("tagline", ""),
                original_title=values.get("originalTitle", ""),
                genres=names("genre"),
                actors=[
                    Role(tagging.name, tagging.text, self._thumb(tagging)) for tagging in item.tags.get("actor", ())
                ],
                collections=names("collection"),
                directors=names("director"),
                labels=names("label"),
                writers=names("writer"),
                producers=names("producer"),
                countries=names("country"),
                locked=set(item.locked),
                media=[[(part.file, part.size) for part in media.parts] for media in item.media],
                added_at=item.added_at,
                updated_at=item.updated_at,
                user_rating=item.user_rating,
                posters=list(posters.uploads.values()),
                arts=list(arts.uploads.values()),
                poster=posters.held[posters.selected] if posters.selected else None,
                art=arts.held[arts.selected] if arts.selected else None,
            )

    def keys(self, section: int | None = None) -> list[int]:
        """The ratingKeys there are."""
        with self._lock:
            return list(self._items if section is None else self._sections[section].items)

    def person_edits(self, key: int, **fields: Any) -> None:
        """Edit an item as a person does in Plex's own pages: set the values and lock the fields.

        Fields are named as in add_item(), plus `title_sort`, `tagline`, `content_rating`,
        `original_title`, `user_rating`, `poster` and `art` (bytes). A list replaces the whole list.
        """
        with self._lock:
            item = self._items[key]
            names = self._write_fields(item, fields)
            item.locked |= names - {"userRating"}
            self._touch(item)

    def person_unlocks(self, key: int) -> None:
        """Take the locks off every field of an item, as a person does who wants the agents' values back."""
        with self._lock:
            self._items[key].locked = frozenset()
            self._touch(self._items[key])

    def agent_refresh(self, key: int, **fields: Any) -> None:
        """Refresh an item as Plex's agents do: overwrite every given field that is not locked."""
        with self._lock:
            item = self._items[key]
            free = {name: value for name, value in fields.items() if _PYTHON_NAMES.get(name, name) not in item.locked}
            self._write_fields(item, free, by_agent=True)
            self._touch(item)

    def _write_fields(self, item: _Item, fields: dict[str, Any], *, by_agent: bool = False) -> frozenset[str]:
        written = set()
        for python_name, value in fields.items():
            name = _PYTHON_NAMES.get(python_name, python_name)
            if name in _VALUE_FIELDS:
                self._set_value(item, name, value or "")
            elif name in _TAG_ELEMENTS:
                self._set_tags(item, name, value)
            elif name == "user_rating":
                name = "userRating"
                item.user_rating = value
            elif name in {"thumb", "art"}:
                self._store_picture(item, {"thumb": "posters", "art": "arts"}[name], value, by_agent=by_agent)
            else:
                raise TypeError(f"an item has no field {python_name!r}")
            written.add(name)
        return frozenset(written)

    def _new_media(self, files: Sequence[FileLike], *, parts: bool) -> list[_Media]:
        made = []
        for entry in files:
            path, size = (entry, None) if isinstance(entry, str) else entry
            made.append(_Part(self._new_id(), path, size))
        if parts:
            return [_Media(self._new_id(), made)]
        return [_Media(self._new_id(), [part]) for part in made]

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _touch(self, item: _Item, *, membership: bool = False, content: bool = True) -> None:
        item.updated_at = int(time.time())
        item.listed = None
        self._sections[item.section].note(membership=membership, content=content)

    def _set_value(self, item: _Item, name: str, value: str) -> None:
        if name == "title" and not value:
            value = item.file_title()  # a title is never empty in Plex
        if name == "originallyAvailableAt":
            item.year = int(value[:4]) if value else None
        if value:
            item.values[name] = value
        else:
            item.values.pop(name, None)

    # ---------------------------------------------------------------- tags

    def _same(self, name: str) -> str:
        return name.casefold() if self.case_insensitive_tags else name

    def _spelling(self, kind: str, name: str) -> str:
        """The tag's name as the server holds it; the first spelling stays."""
        spelt = self._spellings.setdefault((kind, self._same(name)), name)
        self._tag_ids.setdefault((kind, spelt), len(self._tag_ids) + 1)
        return spelt

    def _thumb(self, tagging: _Tagging) -> str:
        return tagging.thumb or self._tag_thumbs.get(tagging.name, "")

    def _set_tags(self, item: _Item, kind: str, names: Iterable[ActorLike]) -> None:
        """Replace the tags of a kind; equal names become one."""
        if isinstance(names, str):
            raise TypeError("tags are a list of names")
        taggings: dict[str, _Tagging] = {}
        for entry in names:
            name, text, thumb = (entry, "", "") if isinstance(entry, str) else Role(*entry)
            tagging = _Tagging(self._spelling(kind, name), text)
            if thumb:
                self._tag_thumbs[tagging.name] = thumb
            taggings.setdefault(tagging.name, tagging)
        if taggings:
            item.tags[kind] = list(taggings.values())
        else:
            item.tags.pop(kind, None)

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
        body: bytes = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>",
        after_effect: bool = False,
        delay: float = 0.0,
    ) -> Fault:
        """Make requests fail. Of several faults the first that strikes a request counts.

        Parameters:
            kind: "status" answers `status` with `body`; a server in the middle answers 200 with a page of its own
                or with nothing. "reset" cuts the connection with RST and no
                answer. "hang" answers nothing until the client leaves or stop(). "half" sends the whole
                answer's headers and half of its body (of an answer without a body half of its status
                line) and closes. "slow" answers rightly after `delay`. "refuse" is an outage:
                connections are cut and refused, until clear_faults(), start() or for `delay` seconds;
                it begins at once, or where method, path_contains, where, every or after_effect is given
                with the first request it strikes.
            times: how many requests fail; None is all. By default one, and with `every` all.
            every: 3 lets each third matching request fail.
            method, path_contains, where: which requests match; all that are given have to.
            after_effect: do what was asked, then fail: a write that Plex did and nobody confirmed.
                Without it a write that fails is not done (a slow one is done after the delay).
            delay: seconds before the failure shows, for any kind.
        """
        if times == -1:
            times = None if every is not None else 1
        fault = Fault(kind, status, body, times, every, method, path_contains, where, after_effect, delay)
        if kind == "refuse" and not (method or path_contains or where or every or after_effect):
            fault.hits = 1
            self._outage(delay)
            return fault
        with self._log:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Forget all faults, and end an outage that fail(kind="refuse") began."""
        with self._log:
            self._faults.clear()
        with self._switch:
            if self._refusing is not None:
                self.start()

    def _outage(self, seconds: float) -> None:
        with self._switch:
            self.stop()
            outage = self._refusing = object()
        if seconds <= 0:
            return

        def end() -> None:
            threading.Event().wait(seconds)
            with self._switch:
                if self._refusing is outage and not self._closed:
                    self.start()

        threading.Thread(target=end, name="plex-outage", daemon=True).start()

    # ------------------------------------------------------------- records

    @property
    def requests(self) -> list[Request]:
        """Every request since the start or clear_requests(), in the order they came."""
        with self._log:
            return list(self._requests)

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
        done: list[Request] = []

        def enough() -> bool:
            done[:] = [request for request in self._requests if request.applied and request.is_edit]
            return len(done) >= count

        with self._log:
            if not self._log.wait_for(enough, timeout):
                raise TimeoutError(f"{len(done)} of {count} edits within {timeout} s")
            return list(done)

    def wait_for_request(
        self, where: Callable[[Request], bool], *, count: int = 1, timeout: float = 5.0
    ) -> list[Request]:
        """Wait until so many requests of a kind have come in, answered or not. Else TimeoutError."""
        found: list[Request] = []

        def enough() -> bool:
            found[:] = [request for request in self._requests if where(request)]
            return len(found) >= count

        with self._log:
            if not self._log.wait_for(enough, timeout):
                raise TimeoutError(f"{len(found)} of {count} requests within {timeout} s")
            return list(found)

    def _note(self, request: Request, *, status: int | None = None, applied: bool = False) -> None:
        with self._log:
            if status is not None:
                request.status = status
            request.applied = request.applied or applied
            self._log.notify_all()

    # ---------------------------------------------------------------- HTTP

    def _serve(self, run: _Run, connection: socket.socket) -> None:
        buffer = bytearray()
        try:
            while not run.stopped.is_set() and self._exchange(run, connection, buffer):
                pass
        except (OSError, _ConnectionGoneError):
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            run.connections.pop(connection, None)
            connection.close()

    def _exchange(self, run: _Run, connection: socket.socket, buffer: bytearray) -> bool:
        """One request and its answer. Returns whether the connection stays open."""
        try:
            request, keep = _read_request(connection, buffer)
        except _RefusedError as error:
            connection.sendall(_packed(_error(error), keep=False))
            return False
        if request is None:
            return False
        with self._log:
            fault = next((fault for fault in self._faults if fault.strikes(request)), None)
            request.fault = fault.kind if fault else None
            self._requests.append(request)
            self._log.notify_all()
        if fault is None:
            return self._send(connection, request, self._respond(run, request), keep=keep)
        return self._fail(run, connection, request, fault, keep=keep)

    def _fail(self, run: _Run, connection: socket.socket, request: Request, fault: Fault, *, keep: bool) -> bool:
        response = _Response(fault.status, fault.body)
        if fault.after_effect:
            response = self._respond(run, request)
        if fault.kind != "refuse":
            run.wait(fault.delay)
        match fault.kind:
            case "status":
                return self._send(connection, request, _Response(fault.status, fault.body), keep=keep)
            case "slow":
                if not fault.after_effect:
                    response = self._respond(run, request)
                return self._send(connection, request, response, keep=keep)
            case "reset":
                # Closing with a linger time of zero sends RST instead of FIN.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "hang":
                connection.settimeout(None)
                while connection.recv(65536):
                    pass
            case "half":
                if not fault.after_effect:
                    response = self._respond(run, request) if request.method == "GET" else _Response()
                packed = _packed(response, keep=keep)
                head = packed.index(b"\r\n\r\n") + 4
                # Half the headers would not do: Python's http.client takes them for a whole success.
                line = packed.index(b"\r\n") // 2
                connection.sendall(packed[: head + len(response.body) // 2 if response.body else line])
            case "refuse":
                self._outage(fault.delay)
        return False

    def _send(self, connection: socket.socket, request: Request, response: _Response, *, keep: bool) -> bool:
        keep = keep and request.method != "HEAD"
        self._note(request, status=response.status)
        connection.sendall(_packed(response, keep=keep, bodyless=request.method == "HEAD"))
        return keep

    def _respond(self, run: _Run, request: Request) -> _Response:
        """Do what a request asks, and give the answer."""
        try:
            if len(request.target) > self.max_target:
                raise _RefusedError(self.long_target_status)
            if self.starting:
                body = (
                    '<?xml version="1.0" encoding="UTF-8"?>\n<Response code="503" title="Maintenance" '
                    'status="Plex Media Server is currently running startup maintenance tasks."/>\n'
                )
                return _Response(503, body.encode(), "text/xml;charset=utf-8")
            path = request.path.rstrip("/") or "/"
            if path == "/identity" and request.method == "GET":
                return self._identity()
            given = request.headers.get("x-plex-token") or request.query.get("X-Plex-Token")
            if given != self.token:
                raise _RefusedError(self.bad_token_status)
            if request.method == "GET":
                run.wait(self.read_delay)
            known = False
            for pattern, handlers in _ROUTES:
                found = pattern.match(path)
                if found is not None:
                    known = True
                    handler = handlers.get(request.method)
                    if handler is not None:
                        return handler(self, run, request, found)
            raise _RefusedError(405 if known else 404)
        except _RefusedError as error:
            return _error(error)

    # --------------------------------------------------------------- reads

    def _identity(self) -> _Response:
        head = _attributes(
            size=0, apiVersion="1.1.1", claimed=1, machineIdentifier=self.machine_identifier, version=VERSION
        )
        return _xml(f"<MediaContainer{head}>\n</MediaContainer>")

    def _root(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        head = _attributes(
            friendlyName=self.friendly_name,
            machineIdentifier=self.machine_identifier,
            platform=self.platform,
            updatedAt=_FIRST_ADDED_AT,
            version=VERSION,
        )
        return _xml(
            f'<MediaContainer size="1"{head} allowCameraUpload="0" allowChannelAccess="1" '
            'allowMediaDeletion="1" allowSharing="1" allowSync="0" backgroundProcessing="1" certificate="1" '
            'companionProxy="1" hubSearch="1" multiuser="1" myPlex="1" myPlexMappingState="mapped" '
            'myPlexSigninState="ok" myPlexSubscription="0" platformVersion="6.1" pluginHost="1" '
            'readOnlyLibraries="0" transcoderActiveVideoSessions="0" updater="1">\n'
            '<Directory count="1" key="library" title="library"/>\n</MediaContainer>'
        )

    def _library(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        return _xml(
            '<MediaContainer size="2" allowSync="0" content="secondary" '
            'identifier="com.plexapp.plugins.library" title1="Plex Library">\n'
            '<Directory key="sections" title="Library Sections"/>\n'
            '<Directory key="recentlyAdded" title="Recently Added Content"/>\n</MediaContainer>'
        )

    def _list_sections(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        with self._lock:
            out = []
            for section in self._sections.values():
                head = _attributes(
                    key=section.key,
                    type=section.type,
                    title=section.title,
                    agent=section.agent,
                    scanner=_scanner(section),
                    language="xn" if section.agent.endswith(".none") else "en-US",
                    uuid=section.uuid,
                    updatedAt=section.updated_at,
                    createdAt=_FIRST_ADDED_AT,
                    scannedAt=section.scanned_at,
                    contentChangedAt=section.content_changed,
                )
                places = "".join(
                    f"<Location{_attributes(id=number, path=path)}/>\n"
                    for number, path in enumerate(section.locations, section.key * 100)
                )
                out.append(
                    f'<Directory allowSync="1" filters="1" refreshing="0"{head} content="1" directory="1" '
                    f'hidden="0" art="/:/resources/movie-fanart.jpg" thumb="/:/resources/movie.png" '
                    f'composite="/library/sections/{section.key}/composite/{section.updated_at}">\n'
                    f"{places}</Directory>\n"
                )
        head = _attributes(size=len(out), allowSync=0, title1="Plex Library")
        return _xml(f"<MediaContainer{head}>\n{''.join(out)}</MediaContainer>")

    def _one_section(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        with self._lock:
            section = self._section(found[1])
            head = _attributes(size=1, allowSync=0, librarySectionID=section.key, title1=section.title)
        return _xml(f'<MediaContainer{head}>\n<Directory key="all" title="All"/>\n</MediaContainer>')

    def _list_items(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        query = request.query
        with self._lock:
            section = self._section(found[1])
            items: Sequence[_Item] = self._sorted(section, query.get("sort") or "titleSort")
            if "type" in query and not _media_type_ok(section, query["type"]):
                items = ()  # collections and the like: none here
            for name, value in request.params:
                if name in {"type", "sort", "checkFiles", "skipRefresh"} or name.startswith(_PLAIN_LISTING_PARAMETERS):
                    continue
                if name == "file":
                    items = self._with_file(items, value, typed="type" in query)
                else:
                    items = _filtered(items, name, value)
            dropped, hidden = self._wishes(query)
            plain = not dropped and not hidden
            start, stop, paging = _page(request, len(items))
            out = []
            for item in items[start:stop]:
                if plain:
                    if item.listed is None:
                        item.listed = self._video(item, whole=False)
                    out.append(item.listed)
                else:
                    out.append(self._video(item, whole=False, dropped=dropped, hidden=hidden))
            head = _attributes(
                size=len(out),
                **paging,
                allowSync=1,
                art="/:/resources/movie-fanart.jpg",
                identifier="com.plexapp.plugins.library",
                librarySectionID=section.key,
                librarySectionTitle=section.title,
                librarySectionUUID=section.uuid,
                thumb="/:/resources/movie.png",
                title1=section.title,
                title2=f"All {section.title}",
                viewGroup="movie",
            )
            total = len(items)
        return _xml(f"<MediaContainer{head}>\n{''.join(out)}</MediaContainer>", start=start, total=total)

    def _whole_items(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        query = request.query
        with self._lock:
            # No source promises the order asked for, so there is none of it here.
            keys = sorted({int(key) for key in found[1].split(",") if key})
            items = [self._items[key] for key in keys if key in self._items]
            if not items or (self.read_with_one_gone == "refuses" and len(items) < len(keys)):
                raise _RefusedError(404)
            dropped, hidden = self._wishes(query)
            start, stop, paging = _page(request, len(items))
            shown = items[start:stop]
            out = [self._video(item, whole=True, dropped=dropped, hidden=hidden) for item in shown]
            home = self._sections[items[0].section] if len({item.section for item in items}) == 1 else None
            head = _attributes(
                size=len(out),
                **paging,
                allowSync=1,
                identifier="com.plexapp.plugins.library",
                librarySectionID=home and home.key,
                librarySectionTitle=home and home.title,
                librarySectionUUID=home and home.uuid,
            )
        return _xml(f"<MediaContainer{head}>\n{''.join(out)}</MediaContainer>", start=start, total=len(items))

    def _wishes(self, query: dict[str, str]) -> tuple[frozenset[str], frozenset[str]]:
        """The elements and the fields that a reader does not want. (`include...` adds what is left out by default.)"""
        if self.row_wishes == "ignored":
            return frozenset(), frozenset()
        dropped, hidden = (query.get(name, "").split(",") for name in ("excludeElements", "excludeFields"))
        return frozenset(filter(None, dropped)), frozenset(filter(None, hidden))

    def _with_file(self, items: Sequence[_Item], asked: str, *, typed: bool) -> Sequence[_Item]:
        if self.file_search == "ignores":
            return items
        if self.file_search == "refuses":
            raise _RefusedError(400)
        if self.file_search == "errors" or not typed:
            raise _RefusedError(500)
        return [
            item
            for item in items
            if any(self._finds_file(part.file, asked) for media in item.media for part in media.parts)
        ]

    def _finds_file(self, path: str, asked: str) -> bool:
        name = _file_name(path)
        if self.file_search_names == "loses_odd" and (
            _ODD_NAME.search(name) or not unicodedata.is_normalized("NFC", name)
        ):
            return False
        if self.file_search_names == "nfc":
            name, path = unicodedata.normalize("NFC", name), unicodedata.normalize("NFC", path)
        if self.file_search == "works":
            return name == asked
        return asked.casefold() in (name if self.file_search == "by_substring" else path).casefold()

    def _section(self, key: str) -> _Section:
        section = self._sections.get(int(key))
        if section is None:
            raise _RefusedError(404)
        return section

    def _sorted(self, section: _Section, sorting: str) -> list[_Item]:
        """All items in order, from memory where nothing changed that matters for it."""
        columns = []
        for column in sorting.split(","):
            name, _, direction = column.partition(":")
            if name not in _SORTINGS or direction.split(":")[0] not in {"", "asc", "desc", "nullsLast"}:
                raise _RefusedError(400, f"unknown sorting {sorting}")
            columns.append((name, direction.startswith("desc")))
        settled = all(name in {"addedAt", "ratingKey"} for name, _ in columns)
        version = section.membership if settled else section.changed
        kept = section.orders.get(sorting)
        if kept is not None and kept[0] == version:
            return kept[1]
        items = list(section.items.values())
        for name, descending in reversed(columns):
            items.sort(key=_SORTINGS[name], reverse=descending)
        section.orders[sorting] = (version, items)
        return items

    def _video(
        self,
        item: _Item,
        *,
        whole: bool,
        dropped: frozenset[str] = frozenset(),
        hidden: frozenset[str] = frozenset(),
    ) -> str:
        values, key = item.values, item.key
        section, arts = self._sections[item.section], item.pictures.get("arts")
        attributes: dict[str, object] = {
            "ratingKey": key,
            "key": f"/library/metadata/{key}",
            "guid": item.guid,
            "librarySectionTitle": section.title if whole else None,
            "librarySectionID": section.key if whole else None,
            "librarySectionKey": f"/library/sections/{section.key}" if whole else None,
            "type": "movie",
            **values,
            "userRating": item.user_rating,
            "year": item.year,
            "thumb": f"/library/metadata/{key}/thumb/{item.updated_at}",
            "art": f"/library/metadata/{key}/art/{item.updated_at}" if arts and arts.selected else None,
            "duration": item.duration,
            "addedAt": item.added_at,
            "updatedAt": item.updated_at,
        }
        for name in hidden & attributes.keys():
            del attributes[name]
        out = [f"<Video{_attributes(**attributes)}>\n"]
        if "Media" not in dropped:
            out += [_media(media, item) for media in item.media]
        for kind, taggings in sorted(item.tags.items(), key=_element_order):
            element = _TAG_ELEMENTS[kind]
            if element in dropped:
                continue
            if whole:
                for tagging in taggings:
                    number = self._tag_ids[kind, tagging.name]
                    tag = _attributes(
                        id=number,
                        filter=f"{kind}={number}",
                        tag=tagging.name,
                        role=tagging.text,
                        thumb=self._thumb(tagging) if kind == "actor" else None,
                    )
                    out.append(f"<{element}{tag}/>\n")
            else:
                for tagging in taggings[: _LISTING_LIMITS.get(kind, 0)]:
                    out.append(f"<{element}{_attributes(tag=tagging.name)}/>\n")
        if whole and "Field" not in dropped:
            out += [f'<Field locked="1" name="{name}"/>\n' for name in sorted(item.locked)]
        out.append("</Video>\n")
        return "".join(out)

    # --------------------------------------------------------------- edits

    def _edit_section(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        query = request.query
        if "type" not in query:
            raise _RefusedError(400, "an edit needs a type")
        with self._lock:
            section = self._section(found[1])
            if not _media_type_ok(section, query["type"]):
                raise _RefusedError(400, "the library holds no such type")
            keys = list(section.items)
        ids = query.get("id", "")
        if not ids:
            self.errors.append(AssertionError(f"an edit of every item of a library: {request.target[:200]}"))
        elif not re.fullmatch(r"\d+(,\d+)*", ids):
            raise _RefusedError(400, "bad id")
        else:
            keys = [int(key) for key in ids.split(",")]
        return self._edit(run, request, keys, int(found[1]))

    def _edit_items(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        return self._edit(run, request, [int(key) for key in found[1].split(",") if key], None)

    def _edit(self, run: _Run, request: Request, keys: list[int], section: int | None) -> _Response:
        edit = _Edit(request.params)
        with self._writer:
            run.wait(self.edit_delay)
            with self._lock:
                items = [
                    self._items[key]
                    for key in dict.fromkeys(keys)
                    if key in self._items and section in (None, self._items[key].section)
                ]
                if not items or (self.edit_with_one_gone == "refuses" and len(items) < len(set(keys))):
                    raise _RefusedError(404)
                for item in items:
                    self._apply(item, edit)
            self._note(request, applied=True)
        return _Response()

    def _apply(self, item: _Item, edit: _Edit) -> None:
        for name, value in edit.values.items():
            self._set_value(item, name, value)
        if edit.added_at is not None:
            item.added_at = edit.added_at
        if edit.rating is not None and self.rating_in_edit == "taken":
            item.user_rating = edit.rating[0]
        for kind, given in edit.tags.items():
            self._apply_tags(item, kind, given)
        for name, locked in edit.locks.items():
            if name == "userRating" and self.rating_in_edit == "ignored":
                continue
            item.locked = item.locked | {name} if locked else item.locked - {name}
        self._touch(item, membership=edit.added_at is not None, content=self.edits_move_content_changed)

    def _apply_tags(self, item: _Item, kind: str, given: _TagEdit) -> None:
        # Removals come first, so a name that is both removed and given stays, with nothing of what it was.
        gone = {self._same(name) for name in given.removed}
        current = [tagging for tagging in item.tags.get(kind, ()) if self._same(tagging.name) not in gone]
        # A replaced list is made anew: a role that is not sent again is lost with the old one.
        if given.clear or (given.added and self.tag_modes.get(kind, self.tag_mode) == "replaces"):
            current = []
        for parts in given.added:
            name, text = self._spelling(kind, parts["tag.tag"]), parts.get("tagging.text")
            held = [tagging for tagging in current if tagging.name == name]
            if not held or (
                self.actor_sent_again == "duplicate" and text is not None and all(one.text != text for one in held)
            ):
                held = [_Tagging(name, text or "")]
                current += held
            elif text is not None and self.actor_sent_again == "role_updates":
                held[0].text = text
            if "tagging.thumb" in parts:
                held[0].thumb = parts["tagging.thumb"]
            if "tag.thumb" in parts and self.actor_pictures != "ignored":
                # One picture a name over the whole server: this changes every item with that person.
                given_thumb = parts["tag.thumb"]
                if self.actor_pictures == "rewritten":
                    digest = hashlib.sha1(given_thumb.encode(), usedforsecurity=False).hexdigest()
                    given_thumb = f"https://metadata-static.plex.test/people/{digest}.jpg"
                self._tag_thumbs[name] = given_thumb
        if current:
            item.tags[kind] = current
        else:
            item.tags.pop(kind, None)

    def _rate(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        query = request.query
        if not query.get("key", "").isdecimal() or "identifier" not in query:
            raise _RefusedError(400, "bad key or identifier")
        key, given = int(query["key"]), query.get("rating", "")
        # python-plexapi sends -1 to take a rating back.
        rating = None if given in {"-1", "-1.0"} else _rating(given)
        if query["identifier"] != "com.plexapp.plugins.library":
            raise _RefusedError(404)
        with self._writer:
            run.wait(self.edit_delay)
            with self._lock:
                item = self._item(key)
                item.user_rating = rating
                item.listed = None
                self._sections[item.section].note(membership=False, content=self.edits_move_content_changed)
            self._note(request, applied=True)
        return _Response()

    def _item(self, key: int) -> _Item:
        item = self._items.get(key)
        if item is None:
            raise _RefusedError(404)
        return item

    # ------------------------------------------------------------ pictures

    def _list_pictures(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        with self._lock:
            item = self._item(int(found[1]))
            pictures = item.pictures.get(found[2]) or _Pictures()
            out = []
            if found[2] == "posters" and pictures.selected is None and item.media:
                # A frame of the video, which nobody chose; the real server goes on to list it later, too.
                frame = hashlib.sha1(item.media[0].parts[0].file.encode(), usedforsecurity=False).hexdigest()
                name = f"media://{frame[0]}/{frame[1:]}.bundle/Contents/Thumbnails/thumb1.jpg"
                file = f"/library/metadata/{item.key}/file?url={quote(name, safe='')}"
                out.append(f"<Photo{_attributes(key=file, ratingKey=name, selected=1, thumb=file)}/>\n")
            for name in pictures.held:
                file = f"/library/metadata/{item.key}/file?url={quote(name, safe='')}"
                chosen = int(name == pictures.selected)
                attributes = _attributes(key=file, ratingKey=name, selected=chosen, thumb=file)
                out.append(f"<Photo{attributes}/>\n")
        return _xml(
            f'<MediaContainer size="{len(out)}" identifier="com.plexapp.plugins.library" '
            f'mediaTagPrefix="/system/bundle/media/flags/">\n{"".join(out)}</MediaContainer>'
        )

    def _upload(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        picture = request.body
        if "url" in request.query:
            raise _RefusedError(400, "the stand-in fetches no pictures")
        if len(picture) >= MAX_PICTURE:
            raise _RefusedError(500)
        if not _is_picture(picture):
            raise _RefusedError(400, "not a picture")
        with self._writer:
            run.wait(self.edit_delay)
            with self._lock:
                item = self._item(int(found[1]))
                self._store_picture(item, found[2], picture)
                self._touch(item)
            self._note(request, applied=True)
        return _Response()

    def _store_picture(self, item: _Item, kind: str, picture: bytes, *, by_agent: bool = False) -> None:
        pictures = item.pictures.setdefault(kind, _Pictures())
        digest = hashlib.sha1(picture, usedforsecurity=False).hexdigest()
        # Names as in python-plexapi's issue 179.
        name = f"metadata://{kind}/com.plexapp.agents.localmedia_{digest}" if by_agent else f"upload://{kind}/{digest}"
        (pictures.by_agents if by_agent else pictures.uploads).setdefault(name, picture)
        pictures.selected = name

    def _select_picture(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        with self._writer:
            run.wait(self.edit_delay)
            with self._lock:
                item = self._item(int(found[1]))
                pictures = item.pictures.get({"art": "arts"}.get(found[2], "posters")) or _Pictures()
                name = request.query.get("url", "")
                if name not in pictures.held:
                    raise _RefusedError(400, "no such picture")
                pictures.selected = name
                self._touch(item)
            self._note(request, applied=True)
        return _Response()

    def _picture(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        with self._lock:
            item = self._item(int(found[1]))
            if found[2] == "file":
                name: str | None = request.query.get("url")
                held = [pictures for pictures in item.pictures.values() if name in pictures.held]
                pictures = held[0] if held else None
            else:
                pictures = item.pictures.get("arts" if found[2] == "art" else "posters")
                name = pictures.selected if pictures else None
            if pictures is None or name is None:
                raise _RefusedError(404)
            picture = pictures.held[name]
        return _Response(200, picture, _picture_type(picture) or "application/octet-stream")

    # --------------------------------------------------------------- scans

    def _scan(self, run: _Run, request: Request, found: re.Match[str]) -> _Response:
        path = request.query.get("path")
        section: int | None = None
        with self._lock:
            if found[1] != "all":
                home = self._section(found[1])
                home.scanned_at = max(int(time.time()), home.scanned_at + 1)
                section = home.key
        with self._log:
            self._scans.append(Scan(section, path, time.monotonic()))
            self._log.notify_all()
        callback = self.on_scan
        if callback is not None:
            # Plex answers at once and scans afterwards.
            threading.Thread(target=self._call, args=(callback, section, path), daemon=True).start()
        return _Response()

    def _call(
        self, callback: Callable[[int | None, str | None], object], section: int | None, path: str | None
    ) -> None:
        try:
            callback(section, path)
        except BaseException as error:
            self.errors.append(error)


class _TagEdit:
    """What an edit says about one kind of tag."""

    __slots__ = ("added", "clear", "removed")

    def __init__(self) -> None:
        self.added: list[dict[str, str]] = []
        self.removed: list[str] = []
        self.clear = False


class _Edit:
    """An edit's query, checked and taken apart. Names the server does not know are ignored."""

    def __init__(self, params: list[tuple[str, str]]) -> None:
        self.values: dict[str, str] = {}
        self.locks: dict[str, bool] = {}
        self.tags: dict[str, _TagEdit] = {}
        self.added_at: int | None = None
        self.rating: tuple[float | None] | None = None
        """The new rating in a tuple; None where the edit leaves it alone."""
        indexed: dict[str, dict[int, dict[str, str]]] = {}
        for name, value in params:
            if _NOT_XML.search(value):
                raise _RefusedError(400, f"{name} holds a character that XML has no place for")
            base, _, action = name.partition(".")
            if action == "value" and base in _VALUE_FIELDS:
                if base == "originallyAvailableAt":
                    _check_date(value)
                self.values[base] = value
            elif action == "value" and base == "addedAt":
                if not value.isdecimal():
                    raise _RefusedError(400, "bad addedAt")
                self.added_at = int(value)
            elif action == "value" and base == "userRating":
                self.rating = (_rating(value) if value else None,)
            elif action == "locked" and base in _LOCKABLE:
                self.locks[base] = value not in {"0", "false", ""}
            else:
                found = _TAG_PARAMETER.match(name)
                if found is None or found[1] not in _TAG_ELEMENTS:
                    continue
                kind, index, part = found[1], found[2], found[3]
                if part == "tag.tag-":
                    # Each name is percent-encoded once more inside the list, or a comma would split it.
                    removed = self.tags.setdefault(kind, _TagEdit()).removed
                    removed += [unquote(entry) for entry in value.split(",") if entry]
                elif part == "tag":
                    if not index:
                        self.tags.setdefault(kind, _TagEdit()).clear = True
                elif index:
                    indexed.setdefault(kind, {}).setdefault(int(index), {})[part] = value
        for kind, entries in indexed.items():
            added = [entries[index] for index in sorted(entries) if entries[index].get("tag.tag")]
            self.tags.setdefault(kind, _TagEdit()).added = added


def _rating(value: str) -> float:
    try:
        rating = float(value)
    except ValueError:
        raise _RefusedError(400, "bad rating") from None
    if not 0 <= rating <= 10:
        raise _RefusedError(400, "bad rating")
    return rating


def _check_date(value: str) -> None:
    if value == "":
        return
    try:
        if not _DATE.match(value):
            raise ValueError(value)
        datetime.date.fromisoformat(value)
    except ValueError:
        raise _RefusedError(400, "originallyAvailableAt is YYYY-MM-DD") from None


def _read_request(connection: socket.socket, buffer: bytearray) -> tuple[Request | None, bool]:
    """Read one request. Returns None if the client left, and whether it wants to keep the connection."""
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if len(buffer) > MAX_HEAD:
            # Drain what is on its way, or closing with unread bytes would destroy the answer.
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                while connection.recv(1 << 20):
                    pass
            connection.settimeout(5)
            raise _RefusedError(414)
        received = connection.recv(262_144)
        if not received:
            return None, False
        buffer += received
    head = bytes(buffer[:end])
    del buffer[: end + 4]
    line, _, rest = head.partition(b"\r\n")
    if len(line) > MAX_LINE:
        raise _RefusedError(414)
    try:
        method, target, protocol = line.decode("ascii").split(" ")
        headers: dict[str, str] = {}
        for header in rest.decode("latin-1").split("\r\n") if rest else ():
            name, colon, value = header.partition(":")
            if not colon:
                raise ValueError(header)
            headers[name.strip().lower()] = value.strip()
        path, _, query = target.partition("?")
        params = parse_qsl(query, keep_blank_values=True, errors="strict") if query else []
        path = unquote(path, errors="strict") if "%" in path else path
        length = int(headers.get("content-length", 0))
    except ValueError:
        raise _RefusedError(400) from None
    if "transfer-encoding" in headers:
        raise _RefusedError(411)
    while len(buffer) < length:
        received = connection.recv(1 << 20)
        if not received:
            return None, False
        buffer += received
    body = bytes(buffer[:length])
    del buffer[:length]
    asked = headers.get("connection", "").lower()
    keep = asked != "close" if protocol == "HTTP/1.1" else asked == "keep-alive"
    return Request(method, path, target, params, headers, body, time.monotonic()), keep


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _packed(response: _Response, *, keep: bool, bodyless: bool = False) -> bytes:
    """An answer as it goes over the wire, in one piece."""
    lines = [
        f"HTTP/1.1 {response.status} {_phrase(response.status)}",
        "X-Plex-Protocol: 1.0",
        "Cache-Control: no-cache",
        f"Content-Length: {len(response.body)}",
        f"Date: {formatdate(usegmt=True)}",
    ]
    if response.body:
        lines.append(f"Content-Type: {response.content_type}")
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines += ["Connection: Keep-Alive", "Keep-Alive: timeout=20"] if keep else ["Connection: close"]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head if bodyless else head + response.body


def _xml(document: str, *, start: int | None = None, total: int | None = None) -> _Response:
    headers: tuple[tuple[str, str], ...] = ()
    if start is not None:
        headers = (("X-Plex-Container-Start", str(start)), ("X-Plex-Container-Total-Size", str(total)))
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'.encode()
    return _Response(200, body, "text/xml;charset=utf-8", headers)


def _error(error: _RefusedError) -> _Response:
    """The page PMS sends with an error status."""
    phrase = _phrase(error.status)
    detail = f"<p>{error.detail.translate(_ESCAPES)}</p>" if error.detail else ""
    body = f"<body><h1>{error.status} {phrase}</h1>{detail}</body>"
    page = f"<html><head><title>{phrase}</title></head>{body}</html>"
    return _Response(error.status, page.encode(errors="replace"))


def _page(request: Request, total: int) -> tuple[int, int, dict[str, int]]:
    """Which slice of a listing a request wants, and the attributes that say so."""
    query = request.query

    def number(name: str) -> int | None:
        given = query.get(name, request.headers.get(name.lower()))
        if given is None:
            return None
        if not given.isdecimal():
            raise _RefusedError(400, f"bad {name}")
        return int(given)

    start, size = number("X-Plex-Container-Start"), number("X-Plex-Container-Size")
    if start is None and size is None:
        return 0, total, {}
    first = start or 0
    return first, total if size is None else first + size, {"totalSize": total, "offset": first}


def _filtered(items: Sequence[_Item], name: str, value: str) -> Sequence[_Item]:
    """Filter a listing as PMS does: `addedAt>>=5` is after, `<<=` before; a title matches in part."""
    found = _FILTER.match(name)
    if found is None:
        raise _RefusedError(400, f"the stand-in knows no filter {name}")
    column, operator = found[1], found[2] or ""
    if operator == "" and value.startswith("="):  # `title==x`, where the second = was not encoded
        operator, value = "=", value[1:]
    if column == "title":
        wanted = value.casefold()
        if operator == "=":
            return [item for item in items if item.values["title"].casefold() == wanted]
        if operator == "":
            return [item for item in items if wanted in item.values["title"].casefold()]
        raise _RefusedError(400, f"no such operator on {column}")
    if not value.isdecimal():
        raise _RefusedError(400, f"{column} is a number")
    bound = int(value)
    tests: dict[str, Callable[[int], bool]] = {
        "": lambda held: held == bound,
        "=": lambda held: held == bound,
        "!": lambda held: held != bound,
        ">>": lambda held: held > bound,
        ">": lambda held: held >= bound,
        "<<": lambda held: held < bound,
        "<": lambda held: held <= bound,
    }
    test, read = tests[operator], _SORTINGS[column]
    return [item for item in items if test(read(item))]


def _element_order(entry: tuple[str, list[_Tagging]]) -> int:
    return _ELEMENT_ORDER[entry[0]]


_ELEMENT_ORDER = {kind: place for place, kind in enumerate(_TAG_ELEMENTS)}


def _media(media: _Media, item: _Item) -> str:
    head = _attributes(id=media.id, duration=item.duration, container=_container(media))
    out = [f"<Media{head}>\n"]
    for part in media.parts:
        ending = part.file.rpartition(".")[2]
        attributes = _attributes(
            id=part.id,
            key=f"/library/parts/{part.id}/{item.added_at}/file.{ending}",
            duration=item.duration,
            file=part.file,
            size=part.size,
            container=ending,
        )
        out.append(f"<Part{attributes}/>\n")
    out.append("</Media>\n")
    return "".join(out)


def _container(media: _Media) -> str:
    return media.parts[0].file.rpartition(".")[2] if media.parts else ""


def _scanner(section: _Section) -> str:
    if section.type != "movie":
        return "Plex TV Series" if section.type == "show" else "Plex Scanner"
    return "Plex Video Files Scanner" if section.agent.endswith(".none") else "Plex Movie"


def _picture_type(picture: bytes) -> str | None:
    if picture.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    return None


def _is_picture(picture: bytes) -> bool:
    return _picture_type(picture) is not None


_Handler = Callable[[PlexStandIn, _Run, Request, re.Match[str]], _Response]

_ROUTE_TABLE: tuple[tuple[str, dict[str, _Handler]], ...] = (
    (r"/library/sections/(\d+)/all", {"GET": PlexStandIn._list_items, "PUT": PlexStandIn._edit_section}),
    (r"/library/metadata/(\d[\d,]*)", {"GET": PlexStandIn._whole_items, "PUT": PlexStandIn._edit_items}),
    (
        r"/library/metadata/(\d+)/(posters|arts)",
        {"GET": PlexStandIn._list_pictures, "POST": PlexStandIn._upload},
    ),
    (r"/library/metadata/(\d+)/(poster|thumb|art)", {"PUT": PlexStandIn._select_picture}),
    (r"/library/metadata/(\d+)/(thumb|art)(?:/\d+)?", {"GET": PlexStandIn._picture}),
    (r"/library/metadata/(\d+)/(file)", {"GET": PlexStandIn._picture}),
    (r"/library/sections/(\d+|all)/refresh", {"GET": PlexStandIn._scan}),
    (r"/library/sections/(\d+)", {"GET": PlexStandIn._one_section}),
    (r"/library/sections", {"GET": PlexStandIn._list_sections}),
    (r"/library", {"GET": PlexStandIn._library}),
    (r"/:/rate", {"GET": PlexStandIn._rate, "PUT": PlexStandIn._rate}),
    (r"/identity", {}),
    (r"/", {"GET": PlexStandIn._root}),
)
_ROUTES = [(re.compile(pattern + r"\Z"), handlers) for pattern, handlers in _ROUTE_TABLE]


def load(plex: PlexStandIn, description: dict[str, Any]) -> None:
    """Fill a stand-in from a description.

    `{"libraries": [{"title": ..., "items": [{"files": [["/media/a.mp4", 1000]], "title": ...}]}]}`; the
    other keys are the arguments of add_library() and add_item().
    """
    for library in description["libraries"]:
        options = {name: value for name, value in library.items() if name not in {"title", "items"}}
        section = plex.add_library(library["title"], **options)
        for item in library.get("items", ()):
            options = {name: value for name, value in item.items() if name != "files"}
            files: list[FileLike] = [
                entry if isinstance(entry, str) else (entry[0], entry[1]) for entry in item["files"]
            ]
            plex.add_item(section, files, **options)


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
    options = parser.parse_args(arguments)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    plex = PlexStandIn(
        port=options.port,
        token=options.token,
        tag_mode=options.tag_mode,
        case_insensitive_tags=options.case_insensitive_tags,
        read_delay=options.read_delay,
        edit_delay=options.edit_delay,
    )
    if options.library is not None:
        load(plex, json.loads(options.library.read_text(encoding="utf-8")))
    with plex:
        print(plex.url, flush=True)
        over.wait()


if __name__ == "__main__":
    main()
