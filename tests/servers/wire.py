"""A server that gives every caller the same bytes: for answers that no sane server gives. And TLS for any server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from types import TracebackType

import pytest


def self_signed(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate of 127.0.0.1's own; return what a server speaks TLS with, and the certificate's file.

    The test is skipped where there is no openssl.
    """
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=stand-in"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


class Canned:
    """A context manager that gives its port.

    :param keep_open: leave the connection open after the answer, as a server with keep-alive does.
    :param tls: speak TLS with this context.
    """

    def __init__(self, answer: bytes, *, keep_open: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._keep_open = keep_open
        self._tls = tls
        self._over = threading.Event()
        self.answered = 0
        """How many requests were answered."""

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_one, args=(caller,), daemon=True).start()

    def _answer_one(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError), caller:
            stream = self._tls.wrap_socket(caller, server_side=True) if self._tls else caller
            request = b""
            while b"\r\n\r\n" not in request:
                part = stream.recv(65536)
                if not part:
                    return
                request += part
            head, _, body = request.partition(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            wanted = int(length.split(b"\r\n")[0]) if length else 0
            while len(body) < wanted:
                body += stream.recv(65536)
            self.answered += 1
            stream.sendall(self._answer)
            if self._keep_open:
                self._over.wait(30)
            elif self._tls:
                stream.unwrap()  # type: ignore[attr-defined]
