"""Whose turn it is to write to Plex: one edit after another, or as many at once as the settings allow.

Reads never wait here. What is sent ahead, before anybody has looked at how the edits before it went, is held back
as soon as one of them fails: a Plex that fails is not given more of it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sync.plex.exceptions import PlexItemGone, PlexPermanentError
from sync.plex.pace import HeldBack, Pacer

__all__ = ["Gate", "HeldBack"]


class Gate:
    """Lets `in_flight` requests that write go at a time. `pacer`: spaces them out; None: they go as they come."""

    def __init__(self, pacer: Pacer | None = None, in_flight: int = 1) -> None:
        self.pacer = pacer
        self.in_flight = in_flight
        self._places = threading.Semaphore(in_flight)
        self._thread = threading.local()
        self._failed_in: object | None = None

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """What this thread sends inside is sent ahead."""
        self._thread.piece = object()
        try:
            yield
        finally:
            self._thread.piece = None

    @property
    def holds_back(self) -> bool:
        """Whether nothing is sent ahead at the moment."""
        return self._failed_in is not None

    def hold_back(self) -> None:
        """Nothing is sent ahead any more, until `resume`; nor does anything wait for its time."""
        self._failed_in = self
        if self.pacer:
            self.pacer.call_off(True)

    def resume(self) -> None:
        """What failed has been looked at, and so has all that was held back because of it."""
        self._failed_in = None
        if self.pacer:
            self.pacer.call_off(False)

    @contextmanager
    def turn(self, kind: str | None) -> Iterator[None]:
        """Wait for a turn; the request is sent inside. `kind`: see `Pacer.edit`.

        Raises HeldBack where it is not to be sent.
        """
        with self._places:
            piece = getattr(self._thread, "piece", None)
            # What has failed may be tried once more.
            if piece is not None and self._failed_in not in (None, piece):
                raise HeldBack
            try:
                with self.pacer.edit(kind, is_ahead=piece is not None) if self.pacer else nullcontext():
                    yield
            except (PlexPermanentError, PlexItemGone, HeldBack):
                raise  # says nothing of how Plex will take the next one
            except BaseException:
                self._failed_in = piece or self
                raise
