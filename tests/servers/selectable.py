"""A process's pipes and a socket waited for together, on Windows too, where `select` takes sockets alone."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import IO, Any

CHUNK = 1 << 16  # bytes


def selectable(stream: IO[bytes], *, reads: bool) -> Any:
    """Return a pipe of a child that a selector takes, and that never blocks; `reads`: it is read from here.

    On Windows a thread passes on what goes through it. How much a child has taken of its stdin is not known there.
    """
    if sys.platform != "win32":
        os.set_blocking(stream.fileno(), False)
        return stream
    return _Relay(stream, reads)


class _Relay:
    """A socket in place of a pipe, with as much of a file as the host asks for."""

    def __init__(self, stream: IO[bytes], reads: bool) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.closed = False
        threading.Thread(target=self._pass_out if reads else self._pass_in, args=(stream,), daemon=True).start()

    def fileno(self) -> int:
        return self._ours.fileno()

    def read(self, size: int) -> bytes:
        return self._ours.recv(size)

    def write(self, data: bytes) -> int:
        return self._ours.send(data)

    def close(self) -> None:
        self.closed = True
        self._ours.close()

    def _pass_out(self, stream: IO[bytes]) -> None:
        with stream, self._theirs:
            try:
                while data := stream.read(CHUNK):
                    self._theirs.sendall(data)
            except OSError:
                pass  # nobody listens any more

    def _pass_in(self, stream: IO[bytes]) -> None:
        with self._theirs:
            try:
                with stream:
                    while data := self._theirs.recv(CHUNK):
                        stream.write(data)
            except OSError:
                pass  # the child does not take it
