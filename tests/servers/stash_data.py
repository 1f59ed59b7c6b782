"""What the stand-in Stash knows: scenes, performers, studios, tags, groups, and how they are searched.

The records answer GraphQL by attribute name. Values are kept as Stash keeps them: times in whole seconds
(its database stores no fraction), text never null (an empty title is "", not null), dates in the precision
they were typed in ("2020", "2020-05", "2020-05-01").
"""

from __future__ import annotations

import base64
import binascii
import bisect
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

Json = dict[str, Any]
Item = TypeVar("Item")
Entity = TypeVar("Entity", "Scene", "Performer", "Studio", "Tag", "Group")


class StashError(Exception):
    """An error a resolver returns; its text goes to the client as it stands."""


def rfc3339(seconds: float, zone: tzinfo | None = None) -> str:
    """A time as Stash's database holds it: in the zone that was local when it was written, whole seconds."""
    text = datetime.fromtimestamp(int(seconds)).astimezone(zone).isoformat(timespec="seconds")
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def rfc3339_nano(nanoseconds: int) -> str:
    """A time as Go prints RFC3339Nano: up to nine digits, zeros at the end cut off."""
    whole, fraction = divmod(nanoseconds, 1_000_000_000)
    text = rfc3339(whole)
    digits = f"{fraction:09d}".rstrip("0")
    zone = "Z" if text.endswith("Z") else text[-6:]
    return text if not digits else f"{text[: -len(zone)]}.{digits}{zone}"


def basename(path: str) -> str:
    """The last part of a path, whichever system's separators it is written with."""
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name


@dataclass
class File:
    """One video file of a scene."""

    id: int
    path: str
    size: int
    duration: float = 60.0
    width: int = 1920
    height: int = 1080
    mod_time_s: float = 0.0
    oshash: str = ""

    format = "mp4"
    video_codec = "h264"
    audio_codec = "aac"
    frame_rate = 25.0
    bit_rate = 4_000_000
    parent_folder_id = "1"
    zip_file_id = None

    @property
    def basename(self) -> str:
        return basename(self.path)

    @property
    def mod_time(self) -> str:
        return rfc3339(self.mod_time_s)

    created_at = updated_at = mod_time

    @property
    def fingerprints(self) -> list[Json]:
        return [{"type": "oshash", "value": self.oshash}]

    def fingerprint(self, _info: Any, type: str) -> str | None:
        return self.oshash if type == "oshash" else None


@dataclass
class Record:
    """What all of Stash's objects share."""

    id: int
    created_s: float = field(default_factory=time.time, kw_only=True)
    updated_s: float = field(default_factory=time.time, kw_only=True)
    zone: tzinfo | None = field(default=None, kw_only=True)
    """Where Stash ran when it wrote the times: a move, or summer's end, leaves the text of older ones as it is."""

    @property
    def created_at(self) -> str:
        return rfc3339(self.created_s, self.zone)

    @property
    def updated_at(self) -> str:
        return rfc3339(self.updated_s, self.zone)

    def touch(self) -> None:
        """Every update moves `updated_at`, one that changes nothing too."""
        self.updated_s = time.time()


@dataclass
class Performer(Record):
    """A performer; the name is unique only together with the disambiguation."""

    name: str = ""
    disambiguation: str = ""
    urls: list[str] = field(default_factory=list)
    gender: str | None = None
    birthdate: str | None = None
    country: str = ""
    alias_list: list[str] = field(default_factory=list)
    favorite: bool = False
    tag_ids: list[int] = field(default_factory=list)
    ignore_auto_tag: bool = False
    image: bytes | None = None
    stash_ids: list[Json] = field(default_factory=list)
    rating100: int | None = None
    details: str = ""


@dataclass
class Studio(Record):
    """A studio."""

    name: str = ""
    urls: list[str] = field(default_factory=list)
    parent_id: int | None = None
    aliases: list[str] = field(default_factory=list)
    tag_ids: list[int] = field(default_factory=list)
    ignore_auto_tag: bool = False
    image: bytes | None = None
    stash_ids: list[Json] = field(default_factory=list)
    rating100: int | None = None
    favorite: bool = False
    details: str = ""


@dataclass
class Tag(Record):
    """A tag."""

    name: str = ""
    sort_name: str = ""
    description: str = ""
    aliases: list[str] = field(default_factory=list)
    ignore_auto_tag: bool = False
    favorite: bool = False
    image: bytes | None = None
    stash_ids: list[Json] = field(default_factory=list)
    parent_ids: list[int] = field(default_factory=list)


@dataclass
class Group(Record):
    """A group (once called a movie)."""

    name: str = ""
    aliases: str = ""
    date: str | None = None
    rating100: int | None = None
    studio_id: int | None = None
    director: str = ""
    synopsis: str = ""
    urls: list[str] = field(default_factory=list)
    tag_ids: list[int] = field(default_factory=list)


@dataclass
class Scene(Record):
    """A scene. Tests may set any of this directly: that is a change no hook tells of."""

    title: str = ""
    code: str = ""
    details: str = ""
    director: str = ""
    date: str | None = None
    rating100: int | None = None
    organized: bool = False
    studio_id: int | None = None
    performer_ids: list[int] = field(default_factory=list)
    tag_ids: list[int] = field(default_factory=list)
    groups_in: list[tuple[int, int | None]] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    cover: bytes | None = None
    stash_ids: list[Json] = field(default_factory=list)
    o_times: list[int] = field(default_factory=list)
    play_times: list[int] = field(default_factory=list)
    resume_time: float = 0.0
    play_duration: float = 0.0

    @property
    def path(self) -> str:
        """The primary file's path, empty where the scene has no file."""
        return self.files[0].path if self.files else ""

    @property
    def oshash(self) -> str:
        return self.files[0].oshash if self.files else ""

    @property
    def url(self) -> str | None:
        return self.urls[0] if self.urls else None

    @property
    def o_counter(self) -> int:
        return len(self.o_times)

    @property
    def play_count(self) -> int:
        return len(self.play_times)

    @property
    def o_history(self) -> list[str]:
        return [rfc3339(t) for t in sorted(self.o_times, reverse=True)]

    @property
    def play_history(self) -> list[str]:
        return [rfc3339(t) for t in sorted(self.play_times, reverse=True)]

    @property
    def last_played_at(self) -> str | None:
        return rfc3339(max(self.play_times)) if self.play_times else None


class Store:
    """All records, by kind and id. Hold `lock` to read or write several of them as one."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.scenes: dict[int, Scene] = {}
        self.performers: dict[int, Performer] = {}
        self.studios: dict[int, Studio] = {}
        self.tags: dict[int, Tag] = {}
        self.groups: dict[int, Group] = {}
        self._last: dict[str, int] = {}

    def next_id(self, kind: str, wanted: int | None = None) -> int:
        """A fresh id of that kind; ids are never given twice."""
        with self.lock:
            number = self._last.get(kind, 0) + 1 if wanted is None else wanted
            self._last[kind] = max(number, self._last.get(kind, 0))
            return number

    def file(self, path: str, size: int, **more: Any) -> File:
        number = self.next_id("file")
        more.setdefault("oshash", f"{number:016x}")
        more.setdefault("mod_time_s", time.time())
        return File(id=number, path=path, size=size, **more)

    def named(self, kind: str, name: str, disambiguation: str = "") -> int:
        """The id of the performer, studio, tag or group of that name, made where there is none."""
        with self.lock:
            table: dict[int, Any] = getattr(self, kind)
            for record in table.values():
                if record.name == name and getattr(record, "disambiguation", "") == disambiguation:
                    return int(record.id)
            number = self.next_id(kind)
            record_types = {"performers": Performer, "studios": Studio, "tags": Tag, "groups": Group}
            record = record_types[kind](id=number, name=name)
            if disambiguation:
                record.disambiguation = disambiguation
            table[number] = record
            return number

    def scenes_of(self, kind: str, number: int) -> list[Scene]:
        """The scenes that hold the performer, studio, tag or group."""
        return [scene for scene in self.scenes.values() if number in related(scene, kind)]

    def forget(self, kind: str, number: int) -> None:
        """Take a performer, studio, tag or group out of everything; scenes keep their `updated_at`."""
        with self.lock:
            getattr(self, kind).pop(number)
            for scene in self.scenes.values():
                if kind == "studios" and scene.studio_id == number:
                    scene.studio_id = None
                elif kind == "groups":
                    scene.groups_in = [pair for pair in scene.groups_in if pair[0] != number]
                elif kind in ("performers", "tags"):
                    ids: list[int] = getattr(scene, kind[:-1] + "_ids")
                    if number in ids:
                        ids.remove(number)
            if kind == "tags":
                for performer in self.performers.values():
                    performer.tag_ids = [tag for tag in performer.tag_ids if tag != number]
            if kind == "studios":
                for studio in self.studios.values():
                    studio.parent_id = None if studio.parent_id == number else studio.parent_id


def related(scene: Scene, kind: str) -> list[int]:
    """The ids of one kind that a scene holds."""
    if kind == "studios":
        return [] if scene.studio_id is None else [scene.studio_id]
    if kind == "groups":
        return [number for number, _ in scene.groups_in]
    return scene.performer_ids if kind == "performers" else scene.tag_ids


# --- what mutations send ---


def atoi(text: str, what: str = "") -> int:
    """A number as Go's strconv.Atoi reads it."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        prefix = f"{what}: " if what else ""
        raise StashError(f'{prefix}strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def parse_date(text: str | None) -> str | None:
    """A date as Stash takes it: a day, a month or a year, else an error."""
    if not text:
        return None
    for layout in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S"):
        if re.match(r"\d{4}-\d\d-\d\d", text):
            try:
                return datetime.strptime(text, layout).strftime("%Y-%m-%d")
            except ValueError:
                continue
    for pattern, layout in ((r"\d{4}-\d\d", "%Y-%m"), (r"\d{4}", "%Y")):
        if re.fullmatch(pattern, text):
            try:
                datetime.strptime(text, layout)
            except ValueError:
                continue
            return text
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        return text[:10]
    raise StashError(f'converting date: failed to parse date "{text}"')


def parse_image(text: str) -> bytes:
    """A picture out of a data URL. Stash would fetch any other URL; the stand-in calls no host."""
    if not text:
        return b""
    match = re.fullmatch(r"data:.+/(.+);base64,(.*)", text)
    if not match:
        raise StashError(f'processing cover image: Get "{text[:40]}": unsupported protocol scheme ""')
    try:
        return base64.b64decode(match[2], validate=True)
    except binascii.Error:
        raise StashError("processing cover image: illegal base64 data at input byte 0") from None


TEXT = (
    "title",
    "code",
    "details",
    "director",
    "name",
    "disambiguation",
    "country",
    "sort_name",
    "description",
    "synopsis",
)
PLAIN = (
    "rating100",
    "organized",
    "favorite",
    "ignore_auto_tag",
    "gender",
    "play_duration",
    "alias_list",
)


class Update:
    """The changes one input asks for: checked as a whole first, applied only then."""

    def __init__(self, store: Store, changes: Mapping[str, Any], *, bulk: bool = False) -> None:
        self._store = store
        self._set: dict[str, Any] = {}
        self._lists: dict[str, tuple[str, list[Any]]] = {}
        for key, value in changes.items():
            # A null list clears it in an edit of one scene, and is no change in an edit of many.
            if not (bulk and value is None and (key == "urls" or key.endswith("_ids"))):
                self._take(key, value)

    def _take(self, key: str, value: Any) -> None:
        if key in TEXT:
            self._set[key] = (value or "").strip()
        elif key in ("date", "birthdate"):
            self._set[key] = parse_date(value)
        elif key in ("studio_id", "parent_id"):
            number = None if value is None else atoi(value, f"converting {key.replace('_', ' ')}")
            if number is not None and number not in self._store.studios:
                raise StashError("FOREIGN KEY constraint failed")
            self._set[key] = number
        elif key in ("performer_ids", "tag_ids", "parent_ids"):
            mode, ids = ("SET", value) if not isinstance(value, Mapping) else (value["mode"], value.get("ids"))
            numbers = [atoi(i, f"converting {key.replace('_', ' ')}") for i in ids or ()]
            table: Mapping[int, Any] = self._store.performers if key == "performer_ids" else self._store.tags
            if mode != "REMOVE" and any(number not in table for number in numbers):
                name = "performers_scenes" if key == "performer_ids" else "scenes_tags"
                raise StashError(f"inserting into {name}: FOREIGN KEY constraint failed")
            self._lists[key] = (mode, numbers)
        elif key == "groups":
            self._set["groups_in"] = [(atoi(g["group_id"]), g.get("scene_index")) for g in value or ()]
        elif key == "group_ids":
            self._lists["groups_in"] = (value["mode"], [(atoi(i), None) for i in value.get("ids") or ()])
        elif key == "urls":
            mode, urls = ("SET", value) if not isinstance(value, Mapping) else (value["mode"], value.get("values"))
            self._lists["urls"] = (mode, [url.strip() for url in urls or ()])
        elif key == "url":
            self._lists.setdefault("urls", ("SET", [] if value is None else [value.strip()]))
        elif key in ("cover_image", "image"):
            if value is not None or key == "image":
                data = parse_image(value or "")
                # An empty cover leaves the old one; an empty picture of a performer clears it.
                if data or key == "image":
                    self._set["cover" if key == "cover_image" else "image"] = data or None
        elif key == "stash_ids":
            now = rfc3339(time.time())
            self._set[key] = [{**given, "updated_at": given.get("updated_at") or now} for given in value or ()]
        elif key in PLAIN:
            self._set[key] = value
        elif key == "aliases":
            self._set[key] = value if isinstance(value, str) else [alias.strip() for alias in value or ()]

    @property
    def title(self) -> str | None:
        """The title it sets, or None where it leaves the title alone."""
        title = self._set.get("title")
        return None if title is None else str(title)

    def apply(self, record: Record) -> None:
        for key, value in self._set.items():
            setattr(record, key, value)
        for key, (mode, values) in self._lists.items():
            old: list[Any] = getattr(record, key)
            wanted = list(dict.fromkeys(values))
            if mode == "ADD":
                wanted = list(dict.fromkeys([*old, *wanted]))
            elif mode == "REMOVE":
                wanted = [item for item in old if item not in wanted]
            setattr(record, key, wanted)
        record.touch()


# --- finding ---


def like(pattern: str) -> Callable[[str], bool]:
    """SQLite's LIKE: % and _ are wildcards, the case of ASCII letters does not count."""
    parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern)
    compiled = re.compile("".join(parts), re.IGNORECASE | re.DOTALL | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _random_order(seed: str) -> Callable[[Scene], int]:
    """The order of `random_<seed>`, as pkg/sqlite/sql.go has it (there in SQLite's numbers, which lose digits)."""
    if not (seed.isascii() and seed.isdigit() and int(seed) < 2**64):
        raise StashError(f"invalid random seed: {seed}")
    offset = int(seed) % 10**8
    return lambda s: ((s.id + offset) ** 2 * 52959209 + (s.id + offset) * 1047483763) % 2147483647


def _words(value: str) -> list[str]:
    stripped = value.strip()
    quoted = stripped.strip('"')
    return [quoted] if quoted != stripped else re.sub(r"\s+", " ", stripped).split(" ")


def string_matches(criterion: Mapping[str, Any], text: str) -> bool:
    modifier, value = criterion["modifier"], criterion["value"]
    if modifier == "EQUALS":
        return like(value)(text)
    if modifier == "NOT_EQUALS":
        return not like(value)(text)
    if modifier in ("INCLUDES", "EXCLUDES"):
        found = any(like(f"%{word}%")(text) for word in _words(value))
        return found is (modifier == "INCLUDES")
    if modifier in ("MATCHES_REGEX", "NOT_MATCHES_REGEX"):
        return bool(re.search(value, text)) is (modifier == "MATCHES_REGEX")
    if modifier in ("IS_NULL", "NOT_NULL"):
        return (not text.strip()) is (modifier == "IS_NULL")
    raise StashError("Internal system error. Error <unsupported string filter modifier>")


def order_matches(criterion: Mapping[str, Any], value: Any, *, upper: Any = None) -> bool:
    """Numbers, dates and times; times are compared as the text they are stored as, as SQLite does."""
    modifier, low, high = criterion["modifier"], criterion["value"], criterion.get("value2")
    high = upper if high is None else high
    if modifier in ("IS_NULL", "NOT_NULL"):
        return (value is None) is (modifier == "IS_NULL")
    if value is None:
        return False
    checks: dict[str, Callable[[], bool]] = {
        "EQUALS": lambda: bool(value == low),
        "NOT_EQUALS": lambda: bool(value != low),
        "GREATER_THAN": lambda: bool(value > low),
        "LESS_THAN": lambda: bool(value < low),
        "BETWEEN": lambda: bool(low <= value <= high),
        "NOT_BETWEEN": lambda: not low <= value <= high,
    }
    if modifier not in checks:
        raise StashError("Internal system error. Error <unsupported date modifier type>")
    return checks[modifier]()


def ids_match(criterion: Mapping[str, Any], held: Iterable[int]) -> bool:
    modifier, have = criterion["modifier"], set(held)
    wanted = {atoi(i) for i in criterion.get("value") or ()}
    if have & {atoi(i) for i in criterion.get("excludes") or ()}:
        return False
    if modifier in ("IS_NULL", "NOT_NULL"):
        return (not have) is (modifier == "IS_NULL")
    if modifier == "EQUALS":
        return have == wanted
    if modifier == "NOT_EQUALS":
        return have != wanted
    if not wanted:
        return True
    if modifier == "INCLUDES":
        return bool(have & wanted)
    if modifier == "INCLUDES_ALL":
        return wanted <= have
    if modifier == "EXCLUDES":
        return not have & wanted
    raise StashError(f"Internal system error. Error <invalid modifier {modifier}>")


class Finder:
    """Stash's filters over the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _with_descendants(self, kind: str, criterion: Mapping[str, Any]) -> Mapping[str, Any]:
        depth = criterion.get("depth") or 0
        if not depth or kind not in ("studios", "tags") or not criterion.get("value"):
            return criterion
        found = {atoi(i) for i in criterion["value"]}
        frontier = set(found)
        while frontier and depth != 0:
            if kind == "studios":
                frontier = {s.id for s in self._store.studios.values() if s.parent_id in frontier} - found
            else:
                frontier = {t.id for t in self._store.tags.values() if frontier & set(t.parent_ids)} - found
            found |= frontier
            depth -= 1
        return {**criterion, "value": [str(i) for i in found]}

    def _missing(self, scene: Scene, what: str) -> bool:
        lists: dict[str, Any] = {
            "url": scene.urls,
            "studio": scene.studio_id,
            "performers": scene.performer_ids,
            "date": scene.date,
            "tags": scene.tag_ids,
            "cover": scene.cover,
            "title": scene.title,
            "details": scene.details,
            "group": scene.groups_in,
            "movie": scene.groups_in,
            "rating": scene.rating100,
            "code": scene.code,
            "stash_id": scene.stash_ids,
            "director": scene.director,
        }
        return not lists.get(what)

    def _one(self, scene: Scene, key: str, criterion: Any) -> bool:
        if key in ("title", "code", "details", "director"):
            return string_matches(criterion, getattr(scene, key))
        if key == "path":
            return string_matches(criterion, scene.path) or any(
                string_matches(criterion, file.path) for file in scene.files[1:]
            )
        if key == "url":
            return string_matches(criterion, scene.urls[0] if scene.urls else "")
        if key == "organized":
            return scene.organized is criterion
        if key == "is_missing":
            return not criterion or self._missing(scene, criterion)
        if key in ("performers", "studios", "tags", "groups"):
            return ids_match(self._with_descendants(key, criterion), related(scene, key))
        if key == "performer_tags":
            performers = [self._store.performers[n] for n in scene.performer_ids if n in self._store.performers]
            held = {number for performer in performers for number in performer.tag_ids}
            return ids_match(self._with_descendants("tags", criterion), held)
        if key in ("created_at", "updated_at"):
            return order_matches(criterion, getattr(scene, key), upper=rfc3339(time.time() + 86400))
        if key == "date":
            day = scene.date and (scene.date + "-01-01")[:10]
            return order_matches(criterion, day, upper=rfc3339(time.time() + 86400)[:10])
        numbers: dict[str, Any] = {
            "id": scene.id,
            "file_count": len(scene.files),
            "rating100": scene.rating100,
            "o_counter": scene.o_counter,
            "tag_count": len(scene.tag_ids),
            "performer_count": len(scene.performer_ids),
            "play_count": scene.play_count,
            "resume_time": int(scene.resume_time),  # as an integer (pkg/sqlite, floatIntCriterionHandler)
        }
        return order_matches(criterion, numbers[key])

    def matches(self, scene: Scene, wanted: Mapping[str, Any]) -> bool:
        operators = [key for key in ("AND", "OR", "NOT") if wanted.get(key) is not None]
        if len(operators) > 1:
            raise StashError("cannot have AND, OR and NOT in the same filter")
        own = all(
            self._one(scene, key, criterion)
            for key, criterion in wanted.items()
            if criterion is not None and key not in ("AND", "OR", "NOT")
        )
        if not operators:
            return own
        other = self.matches(scene, wanted[operators[0]])
        return {"AND": own and other, "OR": own or other, "NOT": own and not other}[operators[0]]

    def by_ids(self, table: Mapping[int, Entity], ids: Sequence[int], what: str) -> list[Entity]:
        """All of them, or an error: one id that is gone or stands twice fails the whole list."""
        found: list[Entity] = []
        seen: set[int] = set()
        for number in ids:
            # An id that stands twice fills only its first place, so that the second is "not found".
            if number not in table or number in seen:
                raise StashError(f"{what} with id {number} not found")
            seen.add(number)
            found.append(table[number])
        return found

    def scenes(self, wanted: Mapping[str, Any] | None, page: Mapping[str, Any] | None) -> tuple[list[Scene], int]:
        """The page of scenes that match, and how many match in all."""
        page = page or {}
        if page.get("sort") in (None, "", "id") and not page.get("q"):
            return self._scenes_by_id(wanted, page)
        found: list[Scene] = list(self._store.scenes.values())
        if wanted:
            found = [scene for scene in found if self.matches(scene, wanted)]
        if page.get("q"):
            words = _words(page["q"])
            found = [s for s in found if all(w.lower() in f"{s.title} {s.details} {s.path}".lower() for w in words)]
        return self._page(found, page, self._scene_sort(page.get("sort")))

    def _scenes_by_id(self, wanted: Mapping[str, Any] | None, page: Mapping[str, Any]) -> tuple[list[Scene], int]:
        # Walking a large library page by page must not sort it anew for each page.
        table = self._store.scenes
        ids = sorted(table)
        beyond = (wanted or {}).get("id")
        if beyond is not None and beyond["modifier"] == "GREATER_THAN" and "OR" not in (wanted or {}):
            ids = ids[bisect.bisect_right(ids, beyond["value"]) :]
        if wanted and (set(wanted) != {"id"} or beyond is None or beyond["modifier"] != "GREATER_THAN"):
            ids = [number for number in ids if self.matches(table[number], wanted)]
        numbers, count = self._cut(ids[::-1] if page.get("direction") == "DESC" else ids, page)
        return [table[number] for number in numbers], count

    def others(
        self,
        table: Mapping[int, Entity],
        wanted: Mapping[str, Any] | None,
        page: Mapping[str, Any] | None,
        kind: str,
    ) -> tuple[list[Entity], int]:
        """The same for performers, studios, tags and groups."""
        page = page or {}
        found = [record for record in table.values() if self._other_matches(record, wanted or {}, kind)]
        if page.get("q"):
            found = [
                r for r in found if all(w.lower() in str(getattr(r, "name", "")).lower() for w in _words(page["q"]))
            ]
        keys: dict[str, Callable[[Any], Any]] = {
            "id": lambda r: r.id,
            "created_at": lambda r: r.created_at,
            "updated_at": lambda r: r.updated_at,
        }
        return self._page(found, page, keys.get(page.get("sort") or "name", lambda r: r.name.lower()))

    def _other_matches(self, record: Any, wanted: Mapping[str, Any], kind: str) -> bool:
        own = True
        for key, criterion in wanted.items():
            if criterion is None or key in ("AND", "OR", "NOT"):
                continue
            if key in ("name", "disambiguation"):
                own = own and string_matches(criterion, getattr(record, key))
            elif key == "scene_count":
                own = own and order_matches(criterion, len(self._store.scenes_of(kind, record.id)))
            else:
                own = own and order_matches(criterion, getattr(record, key), upper=rfc3339(time.time() + 86400))
        if wanted.get("AND") is not None:
            return own and self._other_matches(record, wanted["AND"], kind)
        if wanted.get("OR") is not None:
            return own or self._other_matches(record, wanted["OR"], kind)
        if wanted.get("NOT") is not None:
            return own and not self._other_matches(record, wanted["NOT"], kind)
        return own

    def _scene_sort(self, sort: str | None) -> Callable[[Scene], Any]:
        keys: dict[str, Callable[[Scene], Any]] = {
            "id": lambda s: s.id,
            "title": lambda s: (s.title or basename(s.path)).lower(),
            "path": lambda s: s.path.lower(),
            "date": lambda s: s.date or "",
            "rating": lambda s: s.rating100 or 0,
            "created_at": lambda s: s.created_at,
            "updated_at": lambda s: s.updated_at,
            "code": lambda s: s.code,
            "organized": lambda s: s.organized,
            "file_count": lambda s: len(s.files),
            "filesize": lambda s: s.files[0].size if s.files else 0,
            "duration": lambda s: s.files[0].duration if s.files else 0,
            "tag_count": lambda s: len(s.tag_ids),
            "performer_count": lambda s: len(s.performer_ids),
            "o_counter": lambda s: s.o_counter,
            "play_count": lambda s: s.play_count,
            "last_played_at": lambda s: s.last_played_at or "",
            "studio": lambda s: self._store.studios[s.studio_id].name if s.studio_id else "",
        }
        if not sort:
            return keys["id"]
        if sort == "random":
            return _random_order(str(random.getrandbits(64)))
        if sort.startswith("random_"):
            return _random_order(sort.removeprefix("random_"))
        if sort not in keys:
            raise StashError(f"invalid sort: {sort}")
        return keys[sort]

    def _page(
        self, found: list[Entity], page: Mapping[str, Any], key: Callable[[Any], Any]
    ) -> tuple[list[Entity], int]:
        found.sort(key=key, reverse=page.get("direction") == "DESC")
        return self._cut(found, page)

    @staticmethod
    def _cut(found: list[Item], page: Mapping[str, Any]) -> tuple[list[Item], int]:
        per_page = 25 if page.get("per_page") is None else page["per_page"]
        if per_page < 0:
            return found, len(found)
        start = (max(page.get("page") or 1, 1) - 1) * per_page
        return found[start : start + per_page], len(found)
