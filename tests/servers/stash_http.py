"""A request to the stand-in Stash, and its answers."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.servers import http_base
from tests.servers.http_base import Response, picture_type

Json = dict[str, Any]

PERSON = "Mozilla/5.0 (a person's browser)"
PAGE_NOT_FOUND = b"404 page not found\n"
PLAIN = "text/plain; charset=utf-8"


@dataclass
class Request(http_base.Request):
    """A request as it came in."""

    @property
    def by_person(self) -> bool:
        """Whether the test itself asked, as the person at the browser."""
        return self.headers.get("user-agent") == PERSON

    @cached_property
    def given(self) -> dict[str, str]:
        """The query string as a dict; of a name that stands twice the last."""
        return dict(self.params)

    @cached_property
    def sent(self) -> Json | None:
        """What a GraphQL request holds; None where it cannot be read."""
        try:
            if self.method == "GET":
                variables = json.loads(self.given["variables"]) if self.given.get("variables") else None
                return {**self.given, "variables": variables}
            body = json.loads(self.body)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    @property
    def query(self) -> str:
        """The GraphQL query; empty where the request is none."""
        return str((self.sent or {}).get("query") or "") if self.path == "/graphql" else ""

    @property
    def variables(self) -> Json:
        """The variables of the GraphQL query."""
        return (self.sent or {}).get("variables") or {}


def not_found(text: bytes = PAGE_NOT_FOUND) -> Response:
    """A page that is not there."""
    return Response(404, text, PLAIN)


def json_response(answer: Json) -> Response:
    """An answer in JSON."""
    body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(200, body, "application/json")


def errors_response(status: int, errors: Sequence[Json]) -> Response:
    """A GraphQL request that was refused as a whole."""
    return Response(status, json.dumps({"errors": list(errors), "data": None}).encode(), "application/json")


def zipped(request: Request, response: Response) -> Response:
    """The answer as Stash compresses it for who can read that."""
    compressible = response.content_type.startswith(("application/json", "text/", "image/svg"))
    is_packed = any(name == "Content-Encoding" for name, _ in response.headers)
    if response.body and compressible and not is_packed and "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(response.body, 4, mtime=0)
        response.headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return response


def image_response(request: Request, image: bytes) -> Response:
    """A picture, with what a browser needs to keep it."""
    tag = f'"{hashlib.md5(image, usedforsecurity=False).hexdigest()}"'
    cached = "private, max-age=31536000, immutable" if "t" in request.given else "no-cache"
    headers = [("ETag", tag), ("Cache-Control", cached)]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=headers)
    return Response(200, image, image_type(image), headers)


def image_type(image: bytes) -> str:
    """The MIME type that Stash tells of a picture."""
    if image.startswith(b"GIF8"):
        return "image/gif"
    return picture_type(image) or ("image/svg+xml" if b"<svg" in image[:200] else "application/octet-stream")
