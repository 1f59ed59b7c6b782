"""A WebSocket as Stash's page has one: GraphQL over `graphql-transport-ws`, of which nothing is ever told.

RFC 6455 for the frames, https://github.com/enisdenjo/graphql-ws (PROTOCOL.md) for what is in them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct

from tests.servers.http_base import ConnectionGoneError, Request

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def is_asked_for(request: Request) -> bool:
    """Return whether a request wants to become a WebSocket."""
    return request.headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in request.headers


def serve(request: Request) -> None:
    """Speak with a page until it leaves. Raises ConnectionGoneError, OSError."""
    digest = hashlib.sha1((request.headers["sec-websocket-key"] + _GUID).encode(), usedforsecurity=False).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    ]
    request.client.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    request.client.settimeout(None)
    while True:
        kind, payload = _read(request.client)
        if kind == _CLOSE:
            _send(request.client, _CLOSE, payload[:2])
            return
        if kind == _PING:
            _send(request.client, _PONG, payload)
        elif kind == _TEXT:
            _answer(request.client, json.loads(payload))


def _answer(client: socket.socket, message: dict[str, object]) -> None:
    answers = {"connection_init": "connection_ack", "ping": "pong"}
    if (kind := answers.get(str(message.get("type")))) is not None:
        _send(client, _TEXT, json.dumps({"type": kind}).encode())


def _send(client: socket.socket, kind: int, payload: bytes) -> None:
    client.sendall(struct.pack("!BB", 0x80 | kind, len(payload)) + payload)  # ours are short


def _read(client: socket.socket) -> tuple[int, bytes]:
    first, second = _take(client, 2)
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", _take(client, 2))
    elif length == 127:
        (length,) = struct.unpack("!Q", _take(client, 8))
    mask = _take(client, 4) if second & 0x80 else b"\0\0\0\0"
    payload = bytes(byte ^ mask[number % 4] for number, byte in enumerate(_take(client, length)))
    return first & 0x0F, payload


def _take(client: socket.socket, count: int) -> bytes:
    taken = b""
    while len(taken) < count:
        part = client.recv(count - len(taken))
        if not part:
            raise ConnectionGoneError
        taken += part
    return taken
