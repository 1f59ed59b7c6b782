"""A light Stash and a light Plex for libraries of any size: what they answer is built from a scene's number.

The honest stand-ins (tests/servers) keep every record and parse every query, which takes longer than PlexSync does.
These know just the requests that a drain sends, and refuse all others. `check.py` holds what they say, and what a
drain makes of it, against the honest ones. As a process: `python -m tests.benchmarks.servers`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from tests.benchmarks import library
from tests.benchmarks.control import serve

TOKEN = "bench-token"
MACHINE = "0123456789abcdef0123456789abcdef01234567"
_KEPT_PAGES = 2_000

_Answer = tuple[int, bytes, str]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ALIAS = re.compile(rb"s(\d+): findScene\(")
_TAKE = re.compile(r"take%20(\d+)")
_NUMBER = re.compile(r"number (\d+)\.mp4$")
_NOT_FOUND: _Answer = (404, b"", "text/plain")


class _Listener:
    """HTTP/1.1 as far as requests and urllib3 speak it; a thread for each connection."""

    def __init__(self, answer: Callable[[str, str, bytes], _Answer]) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        with connection:
            while True:
                while (end := buffer.find(b"\r\n\r\n")) < 0:
                    received = connection.recv(262_144)
                    if not received:
                        return
                    buffer += received
                head, buffer = buffer[:end], buffer[end + 4 :]
                announced = _LENGTH.search(head)
                length = int(announced[1]) if announced else 0
                while len(buffer) < length:
                    buffer += connection.recv(1 << 20)
                body, buffer = buffer[:length], buffer[length:]
                method, target, _ = head.partition(b"\r\n")[0].decode("ascii").split(" ")
                status, content, kind = self._answer(method, target, body)
                lines = [f"HTTP/1.1 {status} -", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
                if content.startswith(b"\x1f\x8b"):
                    lines.append("Content-Encoding: gzip")
                connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)


class LightPlex:
    """One library whose item number n holds the file of scene n, for n from 1 to `count`.

    An edit is applied as the take that its title tells; what else is in it is taken to be that take's.
    """

    def __init__(self, thumbs: Callable[[int], tuple[str, ...]]) -> None:
        self.count = 0
        self.read_delay = self.edit_delay = 0.0
        self.searches = True
        """Whether it finds files by their names; else it refuses to."""
        self.requests: Counter[str] = Counter()
        self.marks: dict[str, float] = {}
        self._thumbs = thumbs
        self._takes: dict[int, int] = {}
        self._rated: dict[int, bool] = {}
        self._take_of_all = 0
        self._pages: dict[tuple[str, int, int, int], bytes] = {}
        self._writer = threading.Lock()
        self._port = _Listener(self._answer).port
        self.url = f"http://127.0.0.1:{self._port}"

    def fill(self, count: int, take: int) -> None:
        """Hold the items of scenes 1 to `count`, all of them written in this take (0: never)."""
        if (self.count, self._take_of_all) != (count, take) or self._takes:
            self._pages.clear()
        self.count, self._take_of_all = count, take
        self._takes.clear()
        self._rated.clear()

    def _answer(self, method: str, target: str, body: bytes) -> _Answer:
        path, _, query = target.partition("?")
        kind = self._kind(method, path, query)
        self.requests[kind] += 1
        now = time.monotonic()
        self.marks.setdefault(f"first {kind}", now)
        answer = self._do(method, path, query, body)
        self.marks[f"last {kind}"] = time.monotonic()
        return answer

    def _kind(self, method: str, path: str, query: str) -> str:
        if method != "GET":
            return "upload" if method == "POST" else "edit"
        if path.endswith("/all"):
            return "search" if "file=" in query else "listing"
        return "read" if path.startswith("/library/metadata/") else "other"

    def _do(self, method: str, path: str, query: str, body: bytes) -> _Answer:
        if method != "GET":
            with self._writer:
                _wait(self.edit_delay)
                return self._write(method, path, query)
        _wait(self.read_delay)
        if path == "/identity" or path == "/":
            return _xml(
                f'<MediaContainer size="1" friendlyName="Light" machineIdentifier="{MACHINE}" platform="Linux" '
                'version="1.42.1.10060"></MediaContainer>'
            )
        if path == "/library/sections":
            return _xml(
                f'<MediaContainer size="1"><Directory key="{library.SECTION}" type="movie" title="{library.LIBRARY}" '
                f'uuid="light"><Location id="1" path="/media"/></Directory></MediaContainer>'
            )
        if path.endswith("/all"):
            return self._list(dict(parse_qsl(query)))
        if path.startswith("/library/metadata/"):
            keys = [int(key) for key in path.rpartition("/")[2].split(",")]
            found = "".join(self._item(key, whole=True) for key in sorted(keys) if 0 < key <= self.count)
            head = f'<MediaContainer size="{len(keys)}" librarySectionID="{library.SECTION}">\n'
            return _xml(f"{head}{found}</MediaContainer>") if found else _NOT_FOUND
        return _NOT_FOUND

    def _list(self, query: dict[str, str]) -> _Answer:
        if "file" in query:
            return self._search(query["file"]) if self.searches else (400, b"", "text/plain")
        start, size = int(query["X-Plex-Container-Start"]), int(query["X-Plex-Container-Size"])
        key = (query["sort"], start, size, self.count)
        body = self._pages.get(key)
        if body is None:
            numbers = range(start + 1, min(start + size, self.count) + 1)
            if query["sort"] == "addedAt:desc":
                numbers = range(self.count - start, max(0, self.count - start - size), -1)
            items = "".join([self._item(n, whole=False) for n in numbers])
            head = f'<MediaContainer size="{len(numbers)}" totalSize="{self.count}" offset="{start}">\n'
            body = _xml(f"{head}{items}</MediaContainer>")[1]
            if len(self._pages) < _KEPT_PAGES:
                self._pages[key] = body
        return 200, body, "text/xml;charset=utf-8"

    def _search(self, name: str) -> _Answer:
        """Answer with the item that holds a file of this name, which ends in its number."""
        number = _NUMBER.search(name)
        n = int(number[1]) if number else 0
        found = self._item(n, whole=False) if 0 < n <= self.count else ""
        head = f'<MediaContainer size="{int(bool(found))}" totalSize="{int(bool(found))}" offset="0">\n'
        return _xml(f"{head}{found}</MediaContainer>")

    def _item(self, n: int, *, whole: bool) -> str:
        take = self._takes.get(n, self._take_of_all)
        rated = self._rated.get(n, self._take_of_all > 0)
        return library.plex_item(n, take, whole=whole, rated=rated, thumbs=self._thumbs(n) if whole and take else ())

    def _write(self, method: str, path: str, query: str) -> _Answer:
        self._pages.clear()
        if method == "POST" and path.endswith("/posters"):
            return 200, b"", "text/plain"
        named, edited = query.partition("title.value=")[2], query.partition("&id=")[2].partition("&")[0]
        take = _TAKE.search(named.partition("&")[0])
        if method != "PUT" or not edited or not take:
            return 400, b"", "text/plain"
        for key in unquote(edited).split(","):
            self._takes[int(key)] = int(take[1])
            self._rated[int(key)] = self._rated.get(int(key), self._take_of_all > 0) or "userRating.value=" in query
        return 200, b"", "text/plain"


class LightStash:
    """Scenes 1 to `count`, all in the same `take` with as many `saves`. It takes an ask for a task and runs none.

    `picture_delay`: seconds until it has read a picture; it reads several at a time, as Stash does.
    """

    def __init__(self) -> None:
        self.count, self.take, self.saves = 0, 1, 0
        self.picture_delay = 0.0
        self.settings: dict[str, object] = {}
        self.requests: Counter[str] = Counter()
        self._pages: dict[tuple[int, ...], bytes] = {}
        self.port = _Listener(self._answer).port
        self.url = f"http://127.0.0.1:{self.port}"

    def _answer(self, method: str, target: str, body: bytes) -> _Answer:
        if target.startswith(("/scene/", "/performer/")):
            self.requests["picture"] += 1
            kind, number = target.split("/")[1:3]
            _wait(self.picture_delay)
            return 200, (library.cover if kind == "scene" else library.portrait)(int(number)), "image/jpeg"
        found = re.search(rb"(?:query|mutation) (\w+)", body[:300])
        name = found[1].decode() if found else ""
        self.requests[name] += 1
        return 200, self._data(name, body), "application/json"

    def _data(self, name: str, body: bytes) -> bytes:
        if name == "PlexSyncScenes":
            scenes = ",".join(f'"s{n}":{self._scene(n)}' for n in map(int, _ALIAS.findall(body)))
            return _packed(f"{{{scenes}}}")
        if name == "PlexSyncPage":
            variables = json.loads(body)["variables"]
            after, size = variables["where"]["id"]["value"], variables["page"]["per_page"]
            key = (after, size, self.count, self.take, self.saves)
            page = self._pages.get(key)
            if page is None:
                scenes = ",".join(
                    library.stash_scene_json(n, self.take, self.url, self.saves)
                    for n in range(after + 1, min(after + size, self.count) + 1)
                )
                page = _packed(f'{{"findScenes":{{"scenes":[{scenes}]}}}}')
                if len(self._pages) < _KEPT_PAGES:
                    self._pages[key] = page
            return page
        if name == "PlexSyncSettings":
            general = {"username": "", "apiKey": "", "maxSessionAge": 3600}
            return _json({"configuration": {"general": general, "plugins": {"PlexSync": self.settings}}})
        if name == "PlexSyncCount":
            return _json({"findScenes": {"count": self.count}})
        if name == "PlexSyncAsk":
            return _json({"runPluginTask": "1"})
        if name == "PlexSyncNewest":
            return _json({"findScenes": {"scenes": [{"id": "1", "updated_at": "2020-01-01T00:00:00Z"}]}})
        if name == "PlexSyncJobs":
            return _json({"jobQueue": None})
        if name == "PlexSyncAsked":
            return _json({"findJob": None})
        return json.dumps({"errors": [{"message": f"the light Stash knows no {name}"}]}).encode()

    def _scene(self, n: int) -> str:
        return library.stash_scene_json(n, self.take, self.url, self.saves) if 0 < n <= self.count else "null"


def _xml(document: str) -> _Answer:
    return 200, f'<?xml version="1.0" encoding="UTF-8"?>\n{document}\n'.encode(), "text/xml;charset=utf-8"


def _json(data: object) -> bytes:
    return json.dumps({"data": data}).encode()


def _packed(data: str) -> bytes:
    """As Stash packs what is long."""
    return gzip.compress(f'{{"data":{data}}}'.encode(), 4, mtime=0)


def _wait(seconds: float) -> None:
    if seconds:
        time.sleep(seconds)


class Pair:
    """Both, as the benchmarks call them over `control.Remote`."""

    def __init__(self) -> None:
        self.stash = LightStash()
        self.plex = LightPlex(self._thumbs)
        self._digests: dict[int, str] = {}
        self.stash.settings = {**library.PANEL, "plex_url": self.plex.url, "plex_token": TOKEN}

    def _thumbs(self, n: int) -> tuple[str, ...]:
        """The addresses of the pictures of a scene's performers as PlexSync gives them to Plex."""
        return tuple(f"{self.stash.url}/performer/{one}/image?t={self._digest(one)}" for one in library.performers(n))

    def _digest(self, performer: int) -> str:
        if performer not in self._digests:
            sha1 = hashlib.sha1(library.portrait(performer), usedforsecurity=False)
            self._digests[performer] = sha1.hexdigest()[:12]
        return self._digests[performer]

    def addresses(self) -> dict[str, object]:
        """Where they are."""
        return {"stash_port": self.stash.port, "stash": self.stash.url, "plex": self.plex.url}

    def arrange(
        self,
        *,
        scenes: int,
        take: int,
        items: int | None = None,
        in_plex: int = 0,
        read_delay: float = 0.0,
        edit_delay: float = 0.0,
        picture_delay: float = 0.0,
        saves: int = 0,
        searches: bool = True,
        **settings: object,
    ) -> None:
        """Put everything in its place: so many scenes in Stash, in this take; their items in the take `in_plex`."""
        self.stash.count, self.stash.take, self.stash.saves = scenes, take, saves
        self.stash.picture_delay = picture_delay
        self.stash.settings = {**library.PANEL, "plex_url": self.plex.url, "plex_token": TOKEN, **settings}
        self.plex.fill(scenes if items is None else items, in_plex)
        self.plex.read_delay, self.plex.edit_delay = read_delay, edit_delay
        self.plex.searches = searches
        self.tally()

    def tally(self) -> dict[str, dict[str, float]]:
        """Return and forget what was asked: of Plex and Stash by kind, and when Plex was asked first and last."""
        said: dict[str, dict[str, float]] = {
            "plex": dict(self.plex.requests),
            "stash": dict(self.stash.requests),
            "marks": dict(self.plex.marks),
        }
        self.plex.requests.clear()
        self.stash.requests.clear()
        self.plex.marks.clear()
        return said


if __name__ == "__main__":
    serve(Pair())
