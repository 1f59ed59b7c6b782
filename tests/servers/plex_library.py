"""What the stand-in Plex holds: libraries, items, tags and pictures; and who changes them beside a client.

The attributes of `Library` that name a mode choose between what different servers do, or what no source tells.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

TagMode = Literal["adds", "replaces"]
FileSearch = Literal["works", "ignores", "refuses", "errors", "by_substring", "by_path"]

# Where the stand-in's clock for `addedAt` begins, when an item does not bring its own.
FIRST_ADDED_AT = 1_700_000_000

# The fields of PlexItem, and what Plex calls them.
VALUES = {
    "title": "title",
    "title_sort": "titleSort",
    "summary": "summary",
    "studio": "studio",
    "date": "originallyAvailableAt",
    "content_rating": "contentRating",
    "tagline": "tagline",
    "original_title": "originalTitle",
}
# In the order of a whole item.
TAGS = {
    "genres": "genre",
    "countries": "country",
    "directors": "director",
    "writers": "writer",
    "producers": "producer",
    "actors": "actor",
    "collections": "collection",
    "labels": "label",
}
PLEX_NAMES = VALUES | TAGS | {"poster": "thumb", "art": "art", "user_rating": "userRating"}


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
    view_count: int
    view_offset: int
    """In milliseconds; 0: nobody stopped watching it."""
    last_viewed_at: int | None
    last_rated_at: int | None
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


@dataclass(slots=True)
class Tagging:
    """A tag on an item: the name, and what belongs to this pair alone."""

    name: str
    text: str = ""
    thumb: str = ""


class Part(NamedTuple):
    """A file."""

    id: int
    file: str
    size: int | None


class Media(NamedTuple):
    """One version of an item."""

    id: int
    parts: list[Part]


@dataclass(slots=True)
class Pictures:
    """The pictures of one kind on one item, but for the frame of the video."""

    uploads: dict[str, bytes] = field(default_factory=dict)
    by_agents: dict[str, bytes] = field(default_factory=dict)
    selected: str | None = None

    @property
    def held(self) -> dict[str, bytes]:
        """All of them."""
        return self.uploads | self.by_agents

    @property
    def shown(self) -> bytes | None:
        """The selected one."""
        return self.held[self.selected] if self.selected else None


@dataclass(slots=True, eq=False)
class Item:
    """A film or a video."""

    key: int
    section: int
    guid: str
    added_at: int
    updated_at: int
    duration: int | None
    media: list[Media]
    values: dict[str, str] = field(default_factory=dict)
    year: int | None = None
    tags: dict[str, list[Tagging]] = field(default_factory=dict)
    locked: frozenset[str] = frozenset()
    pictures: dict[str, Pictures] = field(default_factory=lambda: {"posters": Pictures(), "arts": Pictures()})
    user_rating: float | None = None
    view_count: int = 0
    view_offset: int = 0
    last_viewed_at: int | None = None
    last_rated_at: int | None = None
    deleted_at: int = 0
    """When its files were found to be gone; 0: they are there."""
    listed: str | None = None
    """The item as listings show it, kept because a library is listed over and over."""

    @property
    def files(self) -> list[Part]:
        """All its files."""
        return [part for media in self.media for part in media.parts]

    def file_title(self) -> str:
        """What an item that nobody named is called: its first file's name."""
        if not self.files:
            return "Unknown"
        name = file_name(self.files[0].file)
        stem, dot, _ = name.rpartition(".")
        return stem if dot and stem else name


class View(NamedTuple):
    """An entry of the history: somebody has played an item to its end."""

    id: int
    key: int
    section: int
    title: str
    account: int
    device: int
    at: int


def file_name(path: str) -> str:
    """The last part of a path, with either system's separators."""
    return re.split(r"[/\\]", path)[-1]


@dataclass(slots=True, eq=False)
class Section:
    """A library."""

    key: int
    title: str
    type: str
    agent: str
    locations: tuple[str, ...]
    items: dict[int, Item] = field(default_factory=dict)
    updated_at: int = FIRST_ADDED_AT
    scanned_at: int = FIRST_ADDED_AT
    content_changed: int = 1
    membership: int = 0
    """Counts items that came, went or changed their addedAt."""
    changed: int = 0
    """Counts every change."""
    orders: dict[str, tuple[int, list[Item]]] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        """Its identity, as Plex writes it."""
        digest = hashlib.md5(f"{self.key}/{self.title}".encode(), usedforsecurity=False).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def holds(self, type_: str) -> bool:
        """Whether its items are of the type that a client gives as a number."""
        return type_ == {"movie": "1", "show": "2", "artist": "8", "photo": "13"}.get(self.type)

    def note(self, *, membership: bool) -> None:
        """Count a change."""
        self.changed += 1
        self.content_changed += 1
        self.membership += membership


class Library:
    """The state of the server, and its modes. Hold `lock` to read or write several things as one.

    Parameters:
        tag_mode: what `genre[0].tag.tag=x` does to the genres that are there. "adds": x joins them. "replaces": the
            names given are the new list. Plex adds; a client has to notice one that replaces. `genre[].tag.tag-`
            removes in both.
        case_insensitive_tags: names that differ in case alone are one tag, spelt as the server first saw it.
    """

    def __init__(self, *, tag_mode: TagMode = "adds", case_insensitive_tags: bool = False) -> None:
        self.tag_mode: TagMode = tag_mode
        self.tag_modes: dict[str, TagMode] = {}
        """Kinds of tag (`actor`, ...) that do not go by `tag_mode`. Tools that rename actors send the whole list and
        remove nothing, as if actors alone were replaced."""
        self.case_insensitive_tags = case_insensitive_tags
        self.actor_pictures: Literal["kept", "ignored", "rewritten"] = "kept"
        """What becomes of the `tag.thumb` of an actor. No source says that every version keeps it as it was sent."""
        self.rating_in_edit: Literal["taken", "ignored"] = "taken"
        """What becomes of `userRating.value` and its lock in an edit; where it is ignored, `/:/rate` is needed."""
        self.edit_with_one_gone: Literal["edits the rest", "refuses"] = "edits the rest"
        """What becomes of an edit of several items of which one is not there. No source tells."""
        self.file_search: FileSearch = "works"
        """How a listing takes `file=<file name>`, as PMS 1.43.1 finds items by it. "ignores": the whole listing, as of
        a server that does not know the parameter. "refuses" is 400, "errors" 500. "by_substring" finds names that hold
        the text, "by_path" whole paths that do, both whatever the case."""
        self.file_search_names: Literal["exact", "loses_odd", "nfc"] = "exact"
        """Which names a search by file can find; no source tells. "loses_odd": none that has one of `& # + % ' "` or
        is not in NFC. "nfc": names are compared in NFC, and a name that is asked for otherwise is not found."""
        self.watching_filters: Literal["obeyed", "ignored", "refused"] = "obeyed"
        """What becomes of a listing's filters by what somebody watched or rated. No source tells of every version."""
        self.history_filters: Literal["obeyed", "ignored"] = "obeyed"
        self.pages_history = True
        """Whether the history comes in pages; else all of it in each answer."""
        self.clearing_keeps_time = True
        """Whether an item whose rating was taken back still tells when it was rated last. No source tells."""
        self.views_follow = True
        """Whether the history of an item that was removed and comes back names it by its new ratingKey."""
        self.accounts = {1: "Owner"}
        self.views: list[View] = []
        self._next_view = 1
        self.lock = threading.RLock()
        self.sections: dict[int, Section] = {}
        self.items: dict[int, Item] = {}
        self.tag_ids: dict[tuple[str, str], int] = {}
        self.tag_thumbs: dict[str, str] = {}
        self._next_key = 1
        self._next_id = 1
        self._spellings: dict[tuple[str, str], str] = {}

    # ------------------------------------------------------------- what there is

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
        with self.lock:
            if key is None:
                key = max(self.sections, default=0) + 1
            if key in self.sections:
                raise ValueError(f"section {key} is there already")
            self.sections[key] = Section(key, title, type, agent, tuple(locations))
            return key

    def remove_library(self, section: int) -> None:
        """Remove a library and its items."""
        with self.lock:
            for key in self.sections.pop(section).items:
                del self.items[key]

    def add_item(
        self,
        section: int,
        files: Sequence[FileLike],
        *,
        parts: bool = False,
        year: int | None = None,
        locked: Iterable[str] = (),
        added_at: int | None = None,
        guid: str | None = None,
        duration: int | None = 1_800_000,
        **fields: Any,
    ) -> int:
        """Add an item and return its ratingKey, which no other item ever had.

        Parameters:
            files: paths, or (path, size). Each becomes a Media of one Part, as after a merge.
            parts: True makes them Parts of one Media instead.
            locked: fields by Plex's names or the names used here.
            added_at: epoch seconds; by default one more than the item before.
            duration: milliseconds.
            fields: as for person_edits(). The title is by default the first file's name without its ending, as of an
                item no agent named.
        """
        with self.lock:
            home = self.sections[section]
            key, self._next_key = self._next_key, self._next_key + 1
            if guid is None:
                none = home.agent == "com.plexapp.agents.none"
                guid = f"com.plexapp.agents.none://{key:040x}?lang=xn" if none else f"local://{key}"
            added = FIRST_ADDED_AT + key if added_at is None else added_at
            item = Item(key, section, guid, added, added, duration, self._new_media(files, parts=parts))
            self._write_fields(item, {"title": "", **fields})
            item.year = item.year if year is None else year
            item.locked = frozenset(PLEX_NAMES.get(name, name) for name in locked)
            self.items[key] = home.items[key] = item
            home.note(membership=True)
            return key

    def trash_item(self, key: int) -> None:
        """Its files vanished, and the library's trash is not emptied: it is listed still."""
        with self.lock:
            self.items[key].deleted_at, self.items[key].listed = int(time.time()), None

    def remove_item(self, key: int) -> None:
        """Remove an item, as when its files vanished and the trash was emptied."""
        with self.lock:
            home = self.sections[self.items.pop(key).section]
            del home.items[key]
            home.note(membership=True)

    def replace_files(self, key: int, files: Sequence[FileLike], *, parts: bool = False) -> None:
        """Give an item other files: moved or renamed ones. ratingKey, title and addedAt stay."""
        with self.lock:
            self.items[key].media = self._new_media(files, parts=parts)
            self.touch(self.items[key])

    def merge_items(self, keep: int, other: int) -> None:
        """Merge two items: the files of `other` join `keep`, and `other` is gone."""
        with self.lock:
            if keep == other or self.items[keep].section != self.items[other].section:
                raise ValueError("only two items of one library can be merged")
            self.items[keep].media += self.items[other].media
            self.remove_item(other)
            self.touch(self.items[keep])

    def item(self, key: int) -> PlexItem:
        """A copy of an item as it is now. Raises KeyError if there is none."""
        with self.lock:
            item = self.items[key]
            fields: dict[str, Any] = {name: item.values.get(plex, "") for name, plex in VALUES.items()}
            for name, kind in TAGS.items():
                fields[name] = [tagging.name for tagging in item.tags.get(kind, ())]
            fields["actors"] = [Role(one.name, one.text, self.thumb(one)) for one in item.tags.get("actor", ())]
            for name, one in (("poster", "posters"), ("art", "arts")):
                fields[one] = list(item.pictures[one].uploads.values())
                fields[name] = item.pictures[one].shown
            for name in (
                *("key", "section", "guid", "year", "added_at", "updated_at", "user_rating"),
                *("view_count", "view_offset", "last_viewed_at", "last_rated_at"),
            ):
                fields[name] = getattr(item, name)
            media = [[(part.file, part.size) for part in media.parts] for media in item.media]
            return PlexItem(locked=set(item.locked), media=media, **fields)

    def keys(self, section: int | None = None) -> list[int]:
        """The ratingKeys there are."""
        with self.lock:
            return list(self.items if section is None else self.sections[section].items)

    # ---------------------------------------------------------- who else changes it

    def person_edits(self, key: int, **fields: Any) -> None:
        """Edit an item as a person does in Plex's own pages: set the values and lock the fields.

        Fields are those of PlexItem; `poster` and `art` are bytes. A list replaces the whole list.
        """
        with self.lock:
            item = self.items[key]
            item.locked |= self._write_fields(item, fields) - {"userRating"}
            self.touch(item)

    def person_plays(self, key: int, *, at: int | None = None, account: int = 1, device: int = 1) -> int:
        """Play an item to its end, as an account; return the number of the history's entry."""
        with self.lock:
            item, when = self.items[key], int(time.time()) if at is None else at
            number, self._next_view = self._next_view, self._next_view + 1
            self.views.append(View(number, key, item.section, item.values["title"], account, device, when))
            if account == 1:
                self.person_marks_played(key, at=when)
            return number

    def person_marks_played(self, key: int, *, at: int | None = None) -> None:
        """Mark an item as played. No entry of the history is made (PMS 1.40.0.7998, python-plexapi pull 1366)."""
        with self.lock:
            self.items[key].view_count += 1
            self._view(key, 0, at)

    def person_pauses(self, key: int, seconds: float, *, at: int | None = None) -> None:
        """Stop watching an item in its middle."""
        with self.lock:
            self._view(key, round(seconds * 1000), at)

    def _view(self, key: int, offset: int, at: int | None) -> None:
        item, when = self.items[key], int(time.time()) if at is None else at
        item.view_offset, item.last_viewed_at, item.listed = offset, max(item.last_viewed_at or 0, when), None

    def person_rates(self, key: int, rating: float | None, *, at: int | None = None) -> None:
        """Rate an item as its owner does, 0 to 10; None takes the rating back."""
        with self.lock:
            self.rated(self.items[key], rating, at)

    def rated(self, item: Item, rating: float | None, at: int | None = None) -> None:
        """Note an item's rating."""
        item.user_rating, item.listed = rating, None
        if rating is not None or not self.clearing_keeps_time:
            item.last_rated_at = None if rating is None else int(time.time()) if at is None else at

    def forget_view(self, number: int) -> None:
        """Delete an entry of the history."""
        with self.lock:
            self.views = [view for view in self.views if view.id != number]

    def rekey_item(self, key: int) -> int:
        """Remove an item and add it again with the same files and views, as after an emptied trash; return its key."""
        with self.lock:
            old = self.items[key]
            files: list[FileLike] = [(part.file, part.size) for part in old.files]
            self.remove_item(key)
            new = self.items[self.add_item(old.section, files, guid=old.guid)]
            for name in ("view_count", "view_offset", "last_viewed_at", "last_rated_at", "user_rating"):
                setattr(new, name, getattr(old, name))
            if self.views_follow:
                self.views = [view._replace(key=new.key) if view.key == key else view for view in self.views]
            return new.key

    def person_unlocks(self, key: int) -> None:
        """Take the locks off every field of an item, as a person does who wants the agents' values back."""
        with self.lock:
            self.items[key].locked = frozenset()
            self.touch(self.items[key])

    def agent_refresh(self, key: int, **fields: Any) -> None:
        """Refresh an item as Plex's agents do: overwrite every given field that is not locked."""
        with self.lock:
            item = self.items[key]
            free = {name: value for name, value in fields.items() if PLEX_NAMES.get(name, name) not in item.locked}
            self._write_fields(item, free, by_agent=True)
            self.touch(item)

    # --------------------------------------------------------------------- inside

    def _write_fields(self, item: Item, fields: dict[str, Any], *, by_agent: bool = False) -> frozenset[str]:
        for name, value in fields.items():
            if name in VALUES:
                self.set_value(item, VALUES[name], value or "")
            elif name in TAGS:
                self._set_tags(item, TAGS[name], value)
            elif name == "user_rating":
                self.rated(item, value)
            elif name in {"poster", "art"}:
                self.store_picture(item, f"{name}s", value, by_agent=by_agent)
            else:
                raise TypeError(f"an item has no field {name!r}")
        return frozenset(PLEX_NAMES[name] for name in fields)

    def _new_media(self, files: Sequence[FileLike], *, parts: bool) -> list[Media]:
        made = [Part(self._new_id(), *((one, None) if isinstance(one, str) else one)) for one in files]
        return [Media(self._new_id(), group) for group in ([made] if parts else [[part] for part in made])]

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def touch(self, item: Item, *, membership: bool = False) -> None:
        """Note that an item has changed."""
        item.updated_at = int(time.time())
        item.listed = None
        self.sections[item.section].note(membership=membership)

    def set_value(self, item: Item, name: str, value: str) -> None:
        """Write a field by Plex's name."""
        if name == "title" and not value:
            value = item.file_title()  # a title is never empty in Plex
        if name == "originallyAvailableAt":
            item.year = int(value[:4]) if value else None
        if value:
            item.values[name] = value
        else:
            item.values.pop(name, None)

    def same(self, name: str) -> str:
        """What two names have in common that are one tag."""
        return name.casefold() if self.case_insensitive_tags else name

    def spelling(self, kind: str, name: str) -> str:
        """The tag's name as the server holds it; the first spelling stays."""
        spelt = self._spellings.setdefault((kind, self.same(name)), name)
        self.tag_ids.setdefault((kind, spelt), len(self.tag_ids) + 1)
        return spelt

    def thumb(self, tagging: Tagging) -> str:
        """The address of an actor's picture: one a name, over the whole server."""
        return tagging.thumb or self.tag_thumbs.get(tagging.name, "")

    def put_tags(self, item: Item, kind: str, taggings: list[Tagging]) -> None:
        """Give an item this list of tags."""
        if taggings:
            item.tags[kind] = taggings
        else:
            item.tags.pop(kind, None)

    def _set_tags(self, item: Item, kind: str, names: Iterable[ActorLike]) -> None:
        """Replace the tags of a kind; equal names become one."""
        if isinstance(names, str):
            raise TypeError("tags are a list of names")
        taggings: dict[str, Tagging] = {}
        for entry in names:
            name, text, thumb = (entry, "", "") if isinstance(entry, str) else Role(*entry)
            tagging = Tagging(self.spelling(kind, name), text)
            if thumb:
                self.tag_thumbs[tagging.name] = thumb
            taggings.setdefault(tagging.name, tagging)
        self.put_tags(item, kind, list(taggings.values()))

    def store_picture(self, item: Item, kind: str, picture: bytes, *, by_agent: bool = False) -> None:
        """Keep a picture and select it. The same picture is kept once."""
        pictures, digest = item.pictures[kind], hashlib.sha1(picture, usedforsecurity=False).hexdigest()
        # Names as in python-plexapi's issue 179.
        name = f"metadata://{kind}/com.plexapp.agents.localmedia_{digest}" if by_agent else f"upload://{kind}/{digest}"
        (pictures.by_agents if by_agent else pictures.uploads).setdefault(name, picture)
        pictures.selected = name
