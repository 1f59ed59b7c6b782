"""Plex's items, read whole: many in one request, as plain values."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from sync.model import RATING, SINGLE_FIELDS, MediaFile, PlexItem, Role
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexItemGone
from sync.state.state import chunks

READ_AT_ONCE = 100  # items in one request, `GET /library/metadata/<id>,<id>,...`


def read_items(client: PlexClient, rating_keys: Iterable[int]) -> dict[int, PlexItem]:
    """Give these items, whole, by ratingKey; what Plex no longer has is absent."""
    found: dict[int, PlexItem] = {}
    for keys in chunks(sorted(set(rating_keys)), READ_AT_ONCE):
        found |= _read_some(client, keys)
    return found


def _read_some(client: PlexClient, keys: list[int]) -> dict[int, PlexItem]:
    try:
        # skipRefresh spares Plex a look at the items' files.
        root = client.get(f"/library/metadata/{','.join(map(str, keys))}", [("skipRefresh", "1")])
    except PlexItemGone:
        # Plex leaves out what is gone and answers 404 where none is left. A server that does so for one: in halves.
        if len(keys) == 1:
            return {}
        half = len(keys) // 2
        return _read_some(client, keys[:half]) | _read_some(client, keys[half:])
    section_of_all = root.get("librarySectionID", "")
    items = (item_of(element, section_of_all) for element in root if element.get("ratingKey", "").isdigit())
    return {item.rating_key: item for item in items}


def item_of(element: Element, section_of_all: str = "") -> PlexItem:
    """Give an item that was read or listed, which bears its ratingKey. A listing tells less of it."""
    section = element.get("librarySectionID") or section_of_all
    singles = {name: element.get(plex_name, "") for name, plex_name in SINGLE_FIELDS.items()}
    singles[RATING] = plain_rating(singles[RATING])
    actors = [tag for tag in element.findall("Role") if tag.get("tag")]
    return PlexItem(
        rating_key=int(element.get("ratingKey", "")),
        section=int(section) if section.isdigit() else 0,
        **singles,
        actors=tuple(Role(tag.get("tag", ""), tag.get("role", ""), tag.get("thumb", "")) for tag in actors),
        genres=_names(element, "Genre"),
        collections=_names(element, "Collection"),
        directors=_names(element, "Director"),
        locked=frozenset(
            field.get("name", "") for field in element.findall("Field") if field.get("locked") in ("1", "true")
        ),
        files=files_in(element),
        plays=whole_number(element, "viewCount") or 0,
        played_at=whole_number(element, "lastViewedAt"),
        rated_at=whole_number(element, "lastRatedAt"),
        resume=(whole_number(element, "viewOffset") or 0) / 1000,
        duration=(whole_number(element, "duration") or 0) / 1000,
    )


def whole_number(element: Element, name: str) -> int | None:
    """Give a number that an element bears; None where it does not."""
    text = element.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _names(element: Element, kind: str) -> tuple[str, ...]:
    return tuple(name for tag in element.findall(kind) if (name := tag.get("tag")))


def plain_rating(text: str) -> str:
    """Give Plex's rating without needless digits: it writes 8 as `8.0`. An item nobody rated has none, or -1."""
    try:
        rating = float(text)
    except ValueError:
        return ""
    return f"{rating:g}" if rating >= 0 else ""


def files_in(element: Element) -> tuple[MediaFile, ...]:
    """Give the files of an item that was read or listed; none that stands in the library's trash.

    Plex marks what it no longer finds with `deletedAt`, until the trash is emptied (OpenAPI text; its database has the
    same mark on items, media and parts).
    """
    if is_trash(element):
        return ()
    media = (medium for medium in element.findall("Media") if not is_trash(medium))
    parts = (part for medium in media for part in medium.findall("Part") if not is_trash(part))
    return tuple(
        MediaFile(path, int(size) if (size := part.get("size", "")).isdigit() else None)
        for part in parts
        if (path := part.get("file"))
    )


def is_trash(element: Element) -> bool:
    """Return whether an item, or a medium or part of one, stands in the library's trash."""
    return element.get("deletedAt", "0") not in ("", "0")
