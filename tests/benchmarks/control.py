"""A server in a process of its own, called by JSON lines over its stdin and stdout.

So that what a stand-in costs is not counted as PlexSync's own, and runs on another core.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.site import ROOT


def serve(target: object) -> None:
    """Carry out the calls that arrive on stdin on `target`, until stdin ends."""
    # What a server prints by itself must not get between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        call = json.loads(line)
        try:
            answer = {"result": getattr(target, call["name"])(*call["args"], **call["kwargs"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


class Remote:
    """The process of a module that ends in `serve`, which see. `call` waits for the answer."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method there; arguments and answer are plain JSON. Raises RuntimeError with what went wrong."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"name": name, "args": args, "kwargs": kwargs}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended while it was asked for {name}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{name}: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
