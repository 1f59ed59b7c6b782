"""A server that gives every caller the same bytes: for answers that no sane server gives. And TLS for any server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
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


def home_ca(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a CA as people make them at home, and a certificate of 127.0.0.1 by it; return as `self_signed` does.

    The file is the CA's. The test is skipped where there is no openssl.
    """
    steps = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=home -keyout ca.key -out ca.pem -config ca.cnf",
        "req -newkey rsa:2048 -nodes -subj /CN=plex -keyout plex.key -out plex.csr -config ca.cnf",
        "x509 -req -in plex.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile plex.cnf -out plex.pem",
    )
    # No identifiers of keys: Python 3.13 is strict about that, and such CAs are about.
    (folder / "ca.cnf").write_text(
        "[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=CA:TRUE\n"
    )
    (folder / "plex.cnf").write_text("subjectAltName=IP:127.0.0.1\n")
    try:
        for step in steps:
            subprocess.run(["openssl", *step.split()], capture_output=True, check=True, cwd=folder)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no openssl to make certificates with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "plex.pem", folder / "plex.key")
    return context, folder / "ca.pem"


@contextlib.contextmanager
def tls_before(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """A proxy that speaks TLS and hands on to a server of this machine; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                threading.Thread(target=hand_on, args=(caller,), daemon=True).start()

    def hand_on(caller: socket.socket) -> None:
        with contextlib.suppress(OSError), caller, socket.create_connection(("127.0.0.1", port)) as inner:
            outer = context.wrap_socket(caller, server_side=True)
            threading.Thread(target=copy, args=(inner, outer), daemon=True).start()
            copy(outer, inner)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield int(listener.getsockname()[1])


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
