"""What the stand-in Plex tells: its libraries, listings that are cut short, and whole items."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from tests.servers.http_base import RefusedError, Response
from tests.servers.plex_http import Call, Request, attributes, container
from tests.servers.plex_library import FIRST_ADDED_AT, Item, Library, Media, Section, file_name

# Tag type as an edit names it -> the element's name in XML, in the order of a whole item.
TAG_ELEMENTS = {
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
_ODD_NAME = re.compile(r"[&#+%'\"]")
_FILTER = re.compile(r"(addedAt|updatedAt|year|title|lastViewedAt|lastRatedAt|viewCount)(>>|<<|>|<|!|=)?\Z")
_OF_WATCHING = ("lastViewedAt", "lastRatedAt", "viewCount", "inProgress")
_NO_FILTERS = ("X-Plex-", "include", "exclude", "type", "sort", "checkFiles", "skipRefresh")
_IDENTIFIER = "com.plexapp.plugins.library"

_SORTINGS: dict[str, Callable[[Item], Any]] = {
    "addedAt": lambda item: item.added_at,
    "updatedAt": lambda item: item.updated_at,
    "titleSort": lambda item: (item.values.get("titleSort") or item.values["title"]).casefold(),
    "title": lambda item: item.values["title"].casefold(),
    "ratingKey": lambda item: item.key,
    "year": lambda item: item.year or 0,
    "viewCount": lambda item: item.view_count,
    "lastViewedAt": lambda item: item.last_viewed_at or 0,
    "lastRatedAt": lambda item: item.last_rated_at or 0,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "": lambda held, bound: held == bound,
    "=": lambda held, bound: held == bound,
    "!": lambda held, bound: held != bound,
    ">>": lambda held, bound: held > bound,
    ">": lambda held, bound: held >= bound,
    "<<": lambda held, bound: held < bound,
    "<": lambda held, bound: held <= bound,
}


def library_root(call: Call) -> Response:
    """`/library`, which python-plexapi asks for."""
    return container(['<Directory key="sections" title="Library Sections"/>\n'], identifier=_IDENTIFIER)


def one_section(call: Call) -> Response:
    """`/library/sections/1`."""
    section = call.section()
    return container(['<Directory key="all" title="All"/>\n'], librarySectionID=section.key, title1=section.title)


def list_sections(call: Call) -> Response:
    """The libraries, with the counters that move when they change."""
    return container([_section_row(section) for section in call.library.sections.values()], allowSync=0)


def _section_row(section: Section) -> str:
    none = section.agent.endswith(".none")
    scanners = {"movie": "Plex Video Files Scanner" if none else "Plex Movie", "show": "Plex TV Series"}
    head = attributes(
        key=section.key,
        type=section.type,
        title=section.title,
        agent=section.agent,
        scanner=scanners.get(section.type, "Plex Scanner"),
        language="xn" if none else "en-US",
        uuid=section.uuid,
        updatedAt=section.updated_at,
        createdAt=FIRST_ADDED_AT,
        scannedAt=section.scanned_at,
        contentChangedAt=section.content_changed,
    )
    places = [
        f"<Location{attributes(id=number, path=path)}/>\n"
        for number, path in enumerate(section.locations, section.key * 100)
    ]
    flags = 'allowSync="1" filters="1" refreshing="0" content="1" directory="1" hidden="0"'
    return f"<Directory {flags}{head}>\n{''.join(places)}</Directory>\n"


def list_items(call: Call) -> Response:
    """A listing, whole or a page of it, sorted and filtered."""
    library, section, query = call.library, call.section(), call.request.query
    items: Sequence[Item] = _sorted(section, query.get("sort") or "titleSort")
    ignored = library.watching_filters == "ignored"
    if library.watching_filters == "refused" and any(name.startswith(_OF_WATCHING) for name in query):
        raise RefusedError(400)
    if "type" in query and not section.holds(query["type"]):
        items = ()  # collections and the like: none here
    for name, value in call.request.params:
        if name == "file":
            items = _with_file(library, items, value, typed="type" in query)
        elif not name.startswith(_NO_FILTERS) and not (ignored and name.startswith(_OF_WATCHING)):
            items = _filtered(items, name, value)
    dropped, hidden = _wishes(call)
    start, stop, paging = page_of(call.request, len(items))
    rows = []
    for item in items[start:stop]:
        if dropped or hidden:
            rows.append(_video(library, item, whole=False, dropped=dropped, hidden=hidden))
        else:
            item.listed = item.listed or _video(library, item, whole=False)
            rows.append(item.listed)
    more = {"title1": section.title, "title2": f"All {section.title}", "viewGroup": "movie"}
    return container(rows, start=start, total=len(items), **paging, **_of_section(section), **more)


def whole_items(call: Call) -> Response:
    """Some items with everything there is to say of them."""
    library = call.library
    # No source promises the order asked for, so there is none of it here.
    keys = sorted({int(key) for key in call.found[1].split(",") if key})
    items = [library.items[key] for key in keys if key in library.items]
    if not items:  # one that is not there is left out
        raise RefusedError(404)
    dropped, hidden = _wishes(call)
    start, stop, paging = page_of(call.request, len(items))
    rows = [_video(library, item, whole=True, dropped=dropped, hidden=hidden) for item in items[start:stop]]
    sections = {item.section for item in items}
    home = _of_section(library.sections[sections.pop()]) if len(sections) == 1 else {}
    return container(rows, start=start, total=len(items), **paging, **home)


def _of_section(section: Section) -> dict[str, object]:
    return {
        "allowSync": 1,
        "identifier": _IDENTIFIER,
        "librarySectionID": section.key,
        "librarySectionTitle": section.title,
        "librarySectionUUID": section.uuid,
    }


def page_of(request: Request, total: int) -> tuple[int, int, dict[str, int]]:
    """Which slice of a listing a request wants, and the attributes that say so."""

    def number(name: str) -> int | None:
        given = request.query.get(name, request.headers.get(name.lower()))
        if given is not None and not given.isdecimal():
            raise RefusedError(400, f"bad {name}")
        return None if given is None else int(given)

    start, size = number("X-Plex-Container-Start"), number("X-Plex-Container-Size")
    if start is None and size is None:
        return 0, total, {}
    first = start or 0
    return first, total if size is None else first + size, {"totalSize": total, "offset": first}


def _sorted(section: Section, sorting: str) -> list[Item]:
    """All items in order, from memory where nothing changed that matters for it."""
    columns = []
    for column in sorting.split(","):
        name, _, direction = column.partition(":")
        if name not in _SORTINGS or direction.split(":")[0] not in {"", "asc", "desc", "nullsLast"}:
            raise RefusedError(400, f"unknown sorting {sorting}")
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


def _filtered(items: Sequence[Item], name: str, value: str) -> Sequence[Item]:
    """Filter a listing as PMS does: `addedAt>>=5` is after, `<<=` before; a title matches in part."""
    if name == "inProgress":
        return [item for item in items if (item.view_offset > 0) == (value == "1")]
    found = _FILTER.match(name)
    if found is None:
        raise RefusedError(400, f"the stand-in knows no filter {name}")
    column, operator = found[1], found[2] or ""
    if operator == "" and value.startswith("="):  # `title==x`, where the second = was not encoded
        operator, value = "=", value[1:]
    if column == "title" and operator in {"", "="}:
        wanted = value.casefold()
        titles = [(item, item.values["title"].casefold()) for item in items]
        return [item for item, title in titles if title == wanted or (operator == "" and wanted in title)]
    if column == "title" or not value.isdecimal():
        raise RefusedError(400, f"no such filter on {column}")
    bound, test, read = int(value), COMPARISONS[operator], _SORTINGS[column]
    return [item for item in items if test(read(item), bound)]


def _with_file(library: Library, items: Sequence[Item], asked: str, *, typed: bool) -> Sequence[Item]:
    if library.file_search == "ignores":
        return items
    if library.file_search == "refuses":
        raise RefusedError(400)
    if library.file_search == "errors" or not typed:
        raise RefusedError(500)
    return [item for item in items if any(_finds_file(library, part.file, asked) for part in item.files)]


def _finds_file(library: Library, path: str, asked: str) -> bool:
    name = file_name(path)
    odd = _ODD_NAME.search(name) or not unicodedata.is_normalized("NFC", name)
    if library.file_search_names == "loses_odd" and odd:
        return False
    if library.file_search_names == "nfc":
        name, path = unicodedata.normalize("NFC", name), unicodedata.normalize("NFC", path)
    if library.file_search == "works":
        return name == asked
    return asked.casefold() in (name if library.file_search == "by_substring" else path).casefold()


def _wishes(call: Call) -> tuple[frozenset[str], frozenset[str]]:
    """The elements and the fields that a reader does not want. (`include...` adds what is left out by default.)"""
    wishes = (call.request.query.get(name, "").split(",") for name in ("excludeElements", "excludeFields"))
    dropped, hidden = (frozenset(filter(None, names)) for names in wishes)
    return dropped, hidden


def _video(
    library: Library,
    item: Item,
    *,
    whole: bool,
    dropped: frozenset[str] = frozenset(),
    hidden: frozenset[str] = frozenset(),
) -> str:
    key, section = item.key, library.sections[item.section]
    fields: dict[str, object] = {
        "ratingKey": key,
        "key": f"/library/metadata/{key}",
        "guid": item.guid,
        "librarySectionTitle": section.title if whole else None,
        "librarySectionID": section.key if whole else None,
        "librarySectionKey": f"/library/sections/{section.key}" if whole else None,
        "type": "movie",
        **item.values,
        "userRating": item.user_rating,
        "viewCount": item.view_count or None,
        "viewOffset": item.view_offset or None,
        "lastViewedAt": item.last_viewed_at,
        "lastRatedAt": item.last_rated_at,
        "year": item.year,
        "thumb": f"/library/metadata/{key}/thumb/{item.updated_at}",
        "art": f"/library/metadata/{key}/art/{item.updated_at}" if item.pictures["arts"].selected else None,
        "duration": item.duration,
        "addedAt": item.added_at,
        "updatedAt": item.updated_at,
        "deletedAt": item.deleted_at or None,
    }
    out = [f"<Video{attributes(**{name: value for name, value in fields.items() if name not in hidden})}>\n"]
    if "Media" not in dropped:
        out += [_media(media, item) for media in item.media]
    for kind, element in TAG_ELEMENTS.items():
        taggings = item.tags.get(kind, ()) if element not in dropped else ()
        if not whole:
            out += [f"<{element}{attributes(tag=one.name)}/>\n" for one in taggings[: _LISTING_LIMITS.get(kind, 0)]]
            continue
        for one in taggings:
            number = library.tag_ids[kind, one.name]
            thumb = library.thumb(one) if kind == "actor" else None
            tag = attributes(id=number, filter=f"{kind}={number}", tag=one.name, role=one.text, thumb=thumb)
            out.append(f"<{element}{tag}/>\n")
    if whole and "Field" not in dropped:
        out += [f'<Field locked="1" name="{name}"/>\n' for name in sorted(item.locked)]
    return "".join([*out, "</Video>\n"])


def _media(media: Media, item: Item) -> str:
    endings = [part.file.rpartition(".")[2] for part in media.parts]
    out = [f"<Media{attributes(id=media.id, duration=item.duration, container=''.join(endings[:1]))}>\n"]
    for part, ending in zip(media.parts, endings, strict=True):
        key = f"/library/parts/{part.id}/{item.added_at}/file.{ending}"
        size = {"duration": item.duration, "file": part.file, "size": part.size, "container": ending}
        out.append(f"<Part{attributes(id=part.id, key=key, **size)}/>\n")
    return "".join([*out, "</Media>\n"])
