"""What a client changes in the stand-in Plex: fields, locks, tags and ratings."""

from __future__ import annotations

import datetime
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.servers.http_base import RefusedError, Response
from tests.servers.plex_http import Call
from tests.servers.plex_library import TAGS, VALUES, Item, Library, Tagging

_FIELDS = frozenset(VALUES.values())
_KINDS = frozenset(TAGS.values())
_LOCKABLE = _FIELDS | _KINDS | {"thumb", "art", "addedAt", "userRating"}
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})?\Z")
# Characters XML 1.0 cannot hold, however they are escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TAG_PARAMETER = re.compile(r"(\w+)\[(\d*)\]\.(tag\.tag-|tag\.tag|tag\.thumb|tagging\.\w+|tag)\Z")


@dataclass
class _TagEdit:
    """What an edit says about one kind of tag."""

    added: dict[int, dict[str, str]] = field(default_factory=dict)
    """The parts of each entry, by its index."""
    removed: list[str] = field(default_factory=list)
    clear: bool = False


class _Edit:
    """An edit's query, checked and taken apart. Names the server does not know are ignored."""

    def __init__(self, params: list[tuple[str, str]]) -> None:
        self.values: dict[str, str] = {}
        self.locks: dict[str, bool] = {}
        self.tags: dict[str, _TagEdit] = {}
        self.added_at: int | None = None
        self.rates = False
        self.rating: float | None = None
        for name, value in params:
            if _NOT_XML.search(value):
                raise RefusedError(400, f"{name} holds a character that XML has no place for")
            base, _, action = name.partition(".")
            if action == "value":
                self._take_value(base, value)
            elif action == "locked" and base in _LOCKABLE:
                self.locks[base] = value not in {"0", "false", ""}
            elif (found := _TAG_PARAMETER.match(name)) and found[1] in _KINDS:
                self._take_tag(found[1], found[2], found[3], value)

    def _take_value(self, name: str, value: str) -> None:
        if name == "originallyAvailableAt":
            _check_date(value)
        if name in _FIELDS:
            self.values[name] = value
        elif name == "addedAt":
            if not value.isdecimal():
                raise RefusedError(400, "bad addedAt")
            self.added_at = int(value)
        elif name == "userRating":
            self.rates, self.rating = True, _rating(value) if value else None

    def _take_tag(self, kind: str, index: str, part: str, value: str) -> None:
        edit = self.tags.setdefault(kind, _TagEdit())
        if part == "tag.tag-":
            # Each name is percent-encoded once more inside the list, or a comma would split it.
            edit.removed += [unquote(entry) for entry in value.split(",") if entry]
        elif part == "tag":
            edit.clear = edit.clear or not index
        elif index:
            edit.added.setdefault(int(index), {})[part] = value


def _rating(value: str) -> float:
    try:
        rating = float(value)
    except ValueError:
        raise RefusedError(400, "bad rating") from None
    if not 0 <= rating <= 10:
        raise RefusedError(400, "bad rating")
    return rating


def _check_date(value: str) -> None:
    try:
        if not _DATE.match(value):
            raise ValueError(value)
        if value:
            datetime.date.fromisoformat(value)
    except ValueError:
        raise RefusedError(400, "originallyAvailableAt is YYYY-MM-DD") from None


def edits_whole_library(call: Call) -> bool:
    """True for an edit without ids, which changes every item."""
    return call.request.is_edit and "/sections/" in call.request.path and not call.request.query.get("id")


def edit_section(call: Call) -> Response:
    """`PUT /library/sections/1/all?type=1&id=1,2&...`; without ids it edits every item of the library."""
    query = call.request.query
    if "type" not in query:
        raise RefusedError(400, "an edit needs a type")
    section = call.section()
    if not section.holds(query["type"]):
        raise RefusedError(400, "the library holds no such type")
    ids = query.get("id", "")
    if ids and not re.fullmatch(r"\d+(,\d+)*", ids):
        raise RefusedError(400, "bad id")
    return _edit(call, [int(key) for key in ids.split(",")] if ids else list(section.items), section.key)


def edit_items(call: Call) -> Response:
    """`PUT /library/metadata/1,2?...`."""
    return _edit(call, [int(key) for key in call.found[1].split(",") if key], None)


def _edit(call: Call, keys: list[int], section: int | None) -> Response:
    library, edit = call.library, _Edit(call.request.params)
    items = [library.items[key] for key in dict.fromkeys(keys) if key in library.items]
    items = [item for item in items if section in (None, item.section)]
    if not items or (library.edit_with_one_gone == "refuses" and len(items) < len(set(keys))):
        raise RefusedError(404)
    for item in items:
        _apply(library, item, edit)
    return Response()


def _apply(library: Library, item: Item, edit: _Edit) -> None:
    takes_rating = library.rating_in_edit == "taken"
    for name, value in edit.values.items():
        library.set_value(item, name, value)
    if edit.added_at is not None:
        item.added_at = edit.added_at
    if edit.rates and takes_rating:
        library.rated(item, edit.rating)
    for kind, given in edit.tags.items():
        _apply_tags(library, item, kind, given)
    for name, locked in edit.locks.items():
        if takes_rating or name != "userRating":
            item.locked = item.locked | {name} if locked else item.locked - {name}
    library.touch(item, membership=edit.added_at is not None)


def _apply_tags(library: Library, item: Item, kind: str, given: _TagEdit) -> None:
    added = [given.added[index] for index in sorted(given.added) if given.added[index].get("tag.tag")]
    # Removals come first, so a name that is both removed and given stays, with nothing of what it was.
    gone = {library.same(name) for name in given.removed}
    current = [tagging for tagging in item.tags.get(kind, ()) if library.same(tagging.name) not in gone]
    # A replaced list is made anew: a role that is not sent again is lost with the old one.
    if given.clear or (added and library.tag_modes.get(kind, library.tag_mode) == "replaces"):
        current = []
    for parts in added:
        name, text = library.spelling(kind, parts["tag.tag"]), parts.get("tagging.text")
        held = [tagging for tagging in current if tagging.name == name]
        if not held:
            held = [Tagging(name, text or "")]
            current += held
        elif text is not None:  # the OpenAPI text says so; nobody tells of a test
            held[0].text = text
        if "tagging.thumb" in parts:
            held[0].thumb = parts["tagging.thumb"]
        if "tag.thumb" in parts and library.actor_pictures != "ignored":
            # One picture a name over the whole server: this changes every item with that person.
            thumb = parts["tag.thumb"]
            if library.actor_pictures == "rewritten":
                digest = hashlib.sha1(thumb.encode(), usedforsecurity=False).hexdigest()
                thumb = f"https://metadata-static.plex.test/people/{digest}.jpg"
            library.tag_thumbs[name] = thumb
    library.put_tags(item, kind, current)


def rate(call: Call) -> Response:
    """`PUT /:/rate?key=1&rating=7.5&identifier=...`; python-plexapi sends -1 to take a rating back."""
    query = call.request.query
    if not query.get("key", "").isdecimal() or "identifier" not in query:
        raise RefusedError(400, "bad key or identifier")
    given = query.get("rating", "")
    rating = None if given in {"-1", "-1.0"} else _rating(given)
    if query["identifier"] != "com.plexapp.plugins.library":
        raise RefusedError(404)
    item = call.item(int(query["key"]))
    call.library.rated(item, rating)
    call.library.sections[item.section].note(membership=False)
    return Response()
