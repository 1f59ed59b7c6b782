"""Posters and backgrounds of Plex's items: what is chosen there, what may be replaced, and the upload.

Uploads pile up and cannot be deleted: where it is not known whether Plex has a picture, it is asked first.
"""

from typing import NamedTuple

from sync.model import PICTURES, Memory, Picture, PlexItem
from sync.plex.client import PlexClient
from sync.plex.difference import bears_file_name
from sync.plex.edits import send
from sync.plex.exceptions import PlexItemGone, PlexPermanentError

ENDPOINTS = {"poster": "posters", "background": "arts"}  # our name of a picture -> the endpoint of Plex's

_MADE_BY_PLEX = "media://"  # a frame of the video; nobody has chosen it


class Choice(NamedTuple):
    """A picture that Plex offers for an item."""

    name: str  # as Plex calls it: `upload://posters/<sha1>`, `media://...`, `metadata://...`
    selected: bool


def upload(client: PlexClient, rating_key: int, kind: str, picture: Picture) -> None:
    """Give an item a picture, which selects it. Raises the errors of `plex/exceptions.py`."""
    path = f"/library/metadata/{rating_key}/{ENDPOINTS[kind]}"
    client.send("post", path, headers={"Content-Type": picture.type}, data=picture.content)


def lock(client: PlexClient, section: int, rating_key: int, kind: str) -> None:
    """Keep Plex's agents from a picture of an item. Raises the errors of `plex/exceptions.py`."""
    send(client, section, [rating_key], [(f"{PICTURES[kind]}.locked", "1")])


def choices(client: PlexClient, rating_key: int, kind: str) -> list[Choice]:
    """Give the pictures that Plex offers for an item; none where it does not say. Raises PlexTemporaryError."""
    try:
        root = client.get(f"/library/metadata/{rating_key}/{ENDPOINTS[kind]}")
    except (PlexItemGone, PlexPermanentError):
        return []
    return [
        Choice(name, photo.get("selected") in ("1", "true"))
        for photo in root.iter("Photo")
        if (name := photo.get("ratingKey"))
    ]


def is_chosen(offered: list[Choice], sha1: str) -> bool:
    """Tell whether an uploaded picture is the one that is selected."""
    return any(choice.selected and _is_upload_of(choice.name, sha1) for choice in offered)


def may_replace(kind: str, item: PlexItem, offered: list[Choice], memory: Memory) -> bool:
    """Tell whether an item's picture is free to be replaced under `preserve_plex_edits`.

    It is where there is none, it is Plex's frame of the video, it is ours, or nobody has touched the item yet.
    """
    selected = next((choice.name for choice in offered if choice.selected), "")
    is_locked = PICTURES[kind] in item.locked
    known = (memory.sent.get(kind), memory.result.get(kind), *memory.intended.get(kind, ()))
    written = [name for name in known if isinstance(name, str) and name]
    if not selected:
        return not is_locked or bool(written)
    if any(name == selected or _is_upload_of(selected, name) for name in written):
        return True
    return not is_locked and (selected.startswith(_MADE_BY_PLEX) or (not written and bears_file_name(item)))


def _is_upload_of(name: str, sha1: str) -> bool:
    return name.startswith("upload://") and name.endswith(f"/{sha1}")
