"""Ctrl-C, once and for all: noted, raised where it can be caught, and not again while the run cleans up."""

import _thread
import signal
import sys
import threading
import time
from typing import Any

PATIENCE = 5.0
"""Seconds in which another Ctrl-C is no more than impatience: the first has jobs put back on the queue."""

_AGAIN_AFTER = 0.05  # seconds


class Interruption:
    """Has Ctrl-C raise KeyboardInterrupt in the main thread, as ever; not where the caller ignores it (nohup)."""

    def __init__(self) -> None:
        self.happened = False
        self._noted_at: float | None = None
        self._before = signal.getsignal(signal.SIGINT)
        self._hook_before = sys.unraisablehook
        in_charge = threading.current_thread() is threading.main_thread()
        self._is_watching = in_charge and self._before is not signal.SIG_IGN
        if self._is_watching:
            signal.signal(signal.SIGINT, self._note)
            sys.unraisablehook = self._raise_again

    def ignore(self) -> None:
        """From now on one would only cut short what is said at the end."""
        if self._is_watching:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end(self) -> None:
        """Leave it to whoever had it before."""
        if self._is_watching:
            signal.signal(signal.SIGINT, self._before)
            sys.unraisablehook = self._hook_before

    def _note(self, *_: object) -> None:
        now = time.monotonic()
        if self._noted_at is not None and now - self._noted_at < PATIENCE:
            return
        self.happened, self._noted_at = True, now
        raise KeyboardInterrupt

    def _raise_again(self, unraisable: Any) -> None:
        """A destructor was running at that moment, which Python lets nothing out of: once more in a moment."""
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._hook_before(unraisable)
            return
        self._noted_at = None
        timer = threading.Timer(_AGAIN_AFTER, _interrupt)
        timer.daemon = True
        timer.start()


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()  # which ends no wait of the main thread's
