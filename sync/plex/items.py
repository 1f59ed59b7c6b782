"""Plex's items, read whole: many in one request, as plain values."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element

from sync.model import MediaFile, PlexItem, Role
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexItemGone
from sync.state import chunks

READ_AT_ONCE = 100
"""Items read whole in one request."""


def read_items(client: PlexClient, rating_keys: Iterable[int]) -> dict[int, PlexItem]:
    """Return these items, whole, by ratingKey; what Plex no longer has is absent.

    Many in one request: `GET /library/metadata/<id>,<id>,...`.
    """
    found: dict[int, PlexItem] = {}
    for some in chunks(sorted(set(rating_keys)), READ_AT_ONCE):
        found |= _read_some(client, some)
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
    items = (_item(element, section_of_all) for element in root if element.get("ratingKey", "").isdigit())
    return {item.rating_key: item for item in items}


def _item(element: Element, section_of_all: str) -> PlexItem:
    section = element.get("librarySectionID") or section_of_all
    return PlexItem(
        rating_key=int(element.get("ratingKey", "")),
        section=int(section) if section.isdigit() else 0,
        title=element.get("title", ""),
        summary=element.get("summary", ""),
        studio=element.get("studio", ""),
        date=element.get("originallyAvailableAt", ""),
        content_rating=element.get("contentRating", ""),
        tagline=element.get("tagline", ""),
        original_title=element.get("originalTitle", ""),
        rating=_rating(element.get("userRating", "")),
        actors=tuple(
            Role(role.get("tag", ""), role.get("role", ""), role.get("thumb", ""))
            for role in element.findall("Role")
            if role.get("tag")
        ),
        genres=_tags(element, "Genre"),
        collections=_tags(element, "Collection"),
        directors=_tags(element, "Director"),
        locked=frozenset(
            field.get("name", "") for field in element.findall("Field") if field.get("locked") in ("1", "true")
        ),
        files=files_in(element),
    )


def _tags(element: Element, kind: str) -> tuple[str, ...]:
    return tuple(name for tag in element.findall(kind) if (name := tag.get("tag")))


def _rating(text: str) -> str:
    """Plex writes 8 as `8.0`; an item nobody rated has none, or -1."""
    try:
        rating = float(text)
    except ValueError:
        return ""
    return f"{rating:g}" if rating >= 0 else ""


def files_in(element: Element) -> tuple[MediaFile, ...]:
    """Read off the XML: the first empty attribute of one of plexapi's partial objects costs a request."""
    files = []
    for media in element.findall("Media"):
        for part in media.findall("Part"):
            path, size = part.get("file"), part.get("size", "")
            if path:
                files.append(MediaFile(path, int(size) if size.isdigit() else None))
    return tuple(files)
