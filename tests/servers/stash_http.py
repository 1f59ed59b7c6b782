"""HTTP/1.0 and 1.1 by hand, for the stand-in Stash.

The standard library's server takes longer to read a request's headers than the stand-in takes to answer it.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    method: str
    target: str
    version: str
    headers: dict[str, str]
    body: bytes
    client: socket.socket

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def parameters(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)


@dataclass
class Response:
    status: int
    body: bytes = b""
    content_type: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    sized: bool = True
    """False: no Content-Length; the end of the connection is the end of the body."""


_REASONS = http.client.responses


def read_request(reader: Any, client: socket.socket) -> Request | None:
    line = reader.readline(65537)
    while line in (b"\r\n", b"\n"):
        line = reader.readline(65537)
    if not line:
        return None
    method, target, version = line.decode("latin-1").split()
    headers: dict[str, str] = {}
    for raw in _header_lines(reader):
        name, _, value = raw.partition(":")
        key = name.strip().lower()
        headers[key] = f"{headers[key]}; {value.strip()}" if key == "cookie" and key in headers else value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(reader))
    else:
        length = int(headers.get("content-length") or 0)
        body = reader.read(length) if length else b""
        if len(body) < length:
            return None
    if "://" in target:
        parts = urlsplit(target)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
    return Request(method, target, version, headers, body, client)


def _header_lines(reader: Any) -> Iterator[str]:
    while True:
        line = reader.readline(65537)
        if line in (b"\r\n", b"\n", b""):
            return
        yield line.decode("latin-1")


def _chunks(reader: Any) -> Iterator[bytes]:
    while size := int(reader.readline().split(b";")[0], 16):
        yield reader.read(size)
        reader.readline()
    for _ in _header_lines(reader):
        pass


def encode(request: Request, response: Response, *, keep: bool) -> bytes:
    body = response.body
    headers = list(response.headers)
    if response.content_type:
        headers.append(("Content-Type", response.content_type))
    compressible = response.content_type.startswith(("application/json", "text/", "image/svg"))
    if body and compressible and "gzip" in request.headers.get("accept-encoding", ""):
        body = response.body = gzip.compress(body, 4, mtime=0)
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    if response.status != 304 and response.sized:
        headers.append(("Content-Length", str(len(body))))
    if not keep:
        headers.append(("Connection", "close"))
    elif request.version == "HTTP/1.0":
        headers.append(("Connection", "keep-alive"))
    head = f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers)
    data = head.encode("latin-1") + b"\r\n"
    return data if request.method == "HEAD" else data + body


def image_response(request: Request, image: bytes) -> Response:
    tag = f'"{hashlib.md5(image, usedforsecurity=False).hexdigest()}"'
    cached = "private, max-age=31536000, immutable" if "t" in request.parameters() else "no-cache"
    headers = [("ETag", tag), ("Cache-Control", cached)]
    if request.headers.get("if-none-match") == tag:
        return Response(304, headers=headers)
    return Response(200, image, image_type(image), headers)


def image_type(image: bytes) -> str:
    starts: dict[bytes, str] = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"GIF8": "image/gif"}
    for start, kind in starts.items():
        if image.startswith(start):
            return kind
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return "image/svg+xml" if b"<svg" in image[:200] else "application/octet-stream"
