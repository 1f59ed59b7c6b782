"""The posters and backgrounds of the stand-in Plex."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from tests.servers.http_base import RefusedError, Response, picture_type
from tests.servers.plex_http import Call, attributes, container

MAX_PICTURE = 10 * 1024 * 1024


def list_pictures(call: Call) -> Response:
    """The pictures of an item; where nobody chose a poster, a frame of the video is selected."""
    item = call.item()
    pictures = item.pictures[call.found[2]]
    names = list(pictures.held)
    selected = pictures.selected
    if call.found[2] == "posters" and selected is None and item.files:
        # The real server goes on to list it later, too.
        frame = hashlib.sha1(item.files[0].file.encode(), usedforsecurity=False).hexdigest()
        selected = f"media://{frame[0]}/{frame[1:]}.bundle/Contents/Thumbnails/thumb1.jpg"
        names.insert(0, selected)
    rows = []
    for name in names:
        file = f"/library/metadata/{item.key}/file?url={quote(name, safe='')}"
        row = attributes(key=file, ratingKey=name, selected=int(name == selected), thumb=file)
        rows.append(f"<Photo{row}/>\n")
    return container(rows, identifier="com.plexapp.plugins.library")


def upload(call: Call) -> Response:
    """Keep the body as a picture and select it. From 10 MB on Plex answers 500."""
    item, picture = call.item(), call.request.body
    if "url" in call.request.query:
        raise RefusedError(400, "the stand-in fetches no pictures")
    if len(picture) >= MAX_PICTURE:
        raise RefusedError(500)
    if picture_type(picture) is None:
        raise RefusedError(400, "not a picture")
    call.library.store_picture(item, call.found[2], picture)
    call.library.touch(item)
    return Response()


def select(call: Call) -> Response:
    """Select one of the pictures there are."""
    item, name = call.item(), call.request.query.get("url", "")
    pictures = item.pictures["arts" if call.found[2] == "art" else "posters"]
    if name not in pictures.held:
        raise RefusedError(400, "no such picture")
    pictures.selected = name
    call.library.touch(item)
    return Response()


def show(call: Call) -> Response:
    """A picture's bytes: the selected one, or the one that the query names."""
    pictures = call.item().pictures
    if call.found[2] == "file":
        wanted = call.request.query.get("url", "")
        picture = next((one.held[wanted] for one in pictures.values() if wanted in one.held), None)
    else:
        picture = pictures["arts" if call.found[2] == "art" else "posters"].shown
    if picture is None:
        raise RefusedError(404)
    return Response(200, picture, picture_type(picture) or "application/octet-stream")
