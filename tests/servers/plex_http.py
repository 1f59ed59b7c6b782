"""A request to the stand-in Plex, and its answer in XML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from tests.servers import http_base
from tests.servers.http_base import RefusedError, Response
from tests.servers.plex_library import Item, Library, Section

_EDIT_PATH = re.compile(r"/library/sections/\d+/all\Z|/library/metadata/[\d,]+\Z")
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        # A parser turns a bare newline in an attribute into a blank.
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


@dataclass
class Request(http_base.Request):
    """A request as it came in."""

    @property
    def query(self) -> dict[str, str]:
        """The query as a dict; of a name that stands twice the last."""
        return dict(self.params)

    @property
    def is_edit(self) -> bool:
        """True for a request that edits fields or tags."""
        return self.method == "PUT" and _EDIT_PATH.match(self.path) is not None

    @property
    def is_file_search(self) -> bool:
        """True for a listing that asks for a file by its name."""
        return self.method == "GET" and "file" in self.query and self.path.endswith("/all")


class Call(NamedTuple):
    """A request on its way through the handler of its path, which holds the library's lock."""

    library: Library
    request: Request
    found: re.Match[str]
    """What the path's pattern found in it."""

    def section(self) -> Section:
        """The library that the path names. Raises RefusedError if there is none."""
        section = self.library.sections.get(int(self.found[1]))
        if section is None:
            raise RefusedError(404)
        return section

    def item(self, key: int | None = None) -> Item:
        """The item with this key, or that the path names. Raises RefusedError if there is none."""
        item = self.library.items.get(int(self.found[1]) if key is None else key)
        if item is None:
            raise RefusedError(404)
        return item


def attributes(**values: object) -> str:
    """XML attributes; PMS leaves out those that are empty."""
    return "".join(
        f' {name}="{str(value).translate(_ESCAPES)}"'
        for name, value in values.items()
        if value is not None and value != ""
    )


def container(rows: list[str], *, start: int | None = None, total: int | None = None, **values: object) -> Response:
    """A MediaContainer of these elements; `start` and `total` say which page it is of how many rows."""
    paging = [] if start is None else [("X-Plex-Container-Start", start), ("X-Plex-Container-Total-Size", total)]
    head = attributes(**{"size": len(rows), **values})
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<MediaContainer{head}>\n{"".join(rows)}</MediaContainer>\n'
    headers = [(name, str(value)) for name, value in paging]
    return Response(200, document.encode(), "text/xml;charset=utf-8", headers)
