"""Sends the steps of scenes to Plex in other threads, while this one gets the next scene ready.

Nothing is decided there and no file is touched: a thread sends what it was given, in order, and notes what Plex
said. Who may send when is the gate's business (`plex/gate.py`), one edit at a time as a rule; so the requests of
two scenes are never in each other's way, but the next one is ready when Plex has answered.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sync.errors import PlexSyncError
from sync.plex.gate import Gate, HeldBack
from sync.worker.steps import Step


@dataclass(frozen=True, slots=True)
class Tried:
    """A step that was sent, as a step that says what became of it: its record is kept like any other's."""

    step: Step
    was_there: bool = False
    error: PlexSyncError | None = None

    @property
    def name(self) -> str:
        """The step's."""
        return self.step.name

    @property
    def fingerprint(self) -> str:
        """The step's."""
        return self.step.fingerprint

    @property
    def confirmed_later(self) -> bool:
        """The step's."""
        return self.step.confirmed_later

    def is_there(self) -> bool:
        """Return what was seen."""
        return self.was_there

    def run(self) -> None:
        """Raise what Plex answered, if it was an error."""
        if self.error:
            raise self.error


class Wire:
    """Sends ahead, through `gate`; close it."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._pool: ThreadPoolExecutor | None = None

    def send(self, steps: Sequence[Step]) -> "Future[list[Tried]]":
        """Begin to send steps; the result lacks those that come after one that failed, or were held back."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._gate.in_flight, "plex")
        return self._pool.submit(self._send, list(steps))

    def _send(self, steps: list[Step]) -> list[Tried]:
        tried: list[Tried] = []
        with self._gate.ahead():
            for step in steps:
                try:
                    was_there = step.is_there()
                    if not was_there:
                        step.run()
                except HeldBack:
                    break
                except PlexSyncError as error:
                    tried.append(Tried(step, error=error))
                    break
                tried.append(Tried(step, was_there))
        return tried

    def close(self, *, wait: bool = True) -> None:
        """End, and `wait` for what is under way; what has not begun never will."""
        if self._pool is not None:
            self._gate.hold_back()
            self._pool.shutdown(wait=wait, cancel_futures=True)
            self._pool = None
            if wait:
                self._gate.resume()
