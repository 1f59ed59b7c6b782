"""What the stand-in Plex knows of watching: the history of plays, users, resume points, played and unplayed."""

from __future__ import annotations

import re

from tests.servers.http_base import RefusedError, Response
from tests.servers.plex_http import Call, attributes, container
from tests.servers.plex_library import Item, View
from tests.servers.plex_reads import COMPARISONS, page_of

_IDENTIFIER = "com.plexapp.plugins.library"
_FILTER = re.compile(r"(viewedAt)(>>|<<|>|<|!|=)?\Z")
_IDS = {"accountID": "account", "librarySectionID": "section", "metadataItemID": "key"}
_NEAR_THE_END = 0.9
"""From which part of a film on it counts as played; PMS has a setting for that."""


def history(call: Call) -> Response:
    """`/status/sessions/history/all`: every play that a player has told of, by account."""
    library, query = call.library, call.request.query
    views = list(library.views)
    for name, value in call.request.params if library.history_filters == "obeyed" else ():
        found = _FILTER.match(name)
        if name in _IDS or found:
            if not value.isdecimal():
                raise RefusedError(400, f"bad {name}")
            test = COMPARISONS[found[2] or "" if found else ""]
            column = "at" if found else _IDS[name]
            views = [view for view in views if test(getattr(view, column), int(value))]
        elif not name.startswith(("X-Plex-", "include", "exclude", "sort")):
            raise RefusedError(400, f"the stand-in knows no filter {name}")
    for column in reversed((query.get("sort") or "viewedAt:desc").split(",")):
        name, _, direction = column.partition(":")
        if name not in ("viewedAt", "accountID") or direction not in ("", "asc", "desc"):
            raise RefusedError(400, f"unknown sorting {column}")
        field = "at" if name == "viewedAt" else "account"
        views.sort(key=lambda view: (getattr(view, field), view.id), reverse=direction == "desc")
    start, stop, paging = page_of(call.request, len(views)) if library.pages_history else (0, len(views), {})
    rows = [_row(call, view) for view in views[start:stop]]
    return container(rows, start=start, total=len(views), **paging)


def _row(call: Call, view: View) -> str:
    item = call.library.items.get(view.key)
    place: dict[str, object] = {}
    if item is not None:  # of an item that is gone the entry names none
        place = {"key": f"/library/metadata/{view.key}", "ratingKey": view.key}
    return (
        f"<Video{attributes(historyKey=f'/status/sessions/history/{view.id}', **place)}"
        f"{attributes(librarySectionID=view.section, title=view.title, type='movie', viewedAt=view.at)}"
        f"{attributes(accountID=view.account, deviceID=view.device)}/>\n"
    )


def list_accounts(call: Call) -> Response:
    """`/accounts`: the server's users; PMS has one without a name among them."""
    users = {0: "", **call.library.accounts}
    return container([f"<Account{attributes(id=i, key=f'/accounts/{i}', name=name)}/>\n" for i, name in users.items()])


def progress(call: Call) -> Response:
    """`/:/progress?key=1&identifier=...&time=60000&state=stopped`, which python-plexapi sends by GET."""
    item, time = _item(call), call.request.query.get("time", "")
    if not time.isdecimal() or call.request.query.get("state", "stopped") not in ("stopped", "paused", "playing"):
        raise RefusedError(400, "bad time or state")
    at = int(time)
    if at and item.duration and at >= _NEAR_THE_END * item.duration:
        call.library.person_marks_played(item.key)
    elif at:  # "setting the time to 0 will not work" (python-plexapi)
        call.library.person_pauses(item.key, at / 1000)
    return Response()


def scrobble(call: Call) -> Response:
    """`/:/scrobble`: mark an item as played; no view is put into the history (the OpenAPI text)."""
    call.library.person_marks_played(_item(call).key)
    return Response()


def unscrobble(call: Call) -> Response:
    """`/:/unscrobble`: mark an item as not played."""
    item = _item(call)
    item.view_count = item.view_offset = 0
    item.last_viewed_at, item.listed = None, None
    return Response()


def _item(call: Call) -> Item:
    query = call.request.query
    if not query.get("key", "").isdecimal() or "identifier" not in query:
        raise RefusedError(400, "bad key or identifier")
    if query["identifier"] != _IDENTIFIER:
        raise RefusedError(404)
    return call.item(int(query["key"]))
