"""What a drain tells the circuit breaker of its scenes, and when it ends because of it."""

import time
from collections.abc import Iterable

from sync import log
from sync.errors import PlexSyncError
from sync.plex.exceptions import PlexTemporaryError
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState


class PlexHealth:
    """Counts scenes that Plex failed, and says when it answers again."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._failing = breaker.record.failures > 0

    @property
    def is_good(self) -> bool:
        """Whether Plex may be asked: the breaker is CLOSED."""
        return self._breaker.state is CircuitState.CLOSED

    def failed(self, error: PlexSyncError, job_key: str | None = None) -> None:
        """Tell the breaker of a failure where it is Plex's; of one job that fails again and again, once.

        Without a `job_key` it is a failure of the server's, and no scene's.
        """
        if isinstance(error, PlexTemporaryError):
            self._breaker.record_failure(job_key)
            self._failing = True

    def answered(self) -> None:
        """Tell the breaker that a job went well. Most find nothing to clear and cost no transaction."""
        if not self._failing:
            return
        before = self._breaker.record_success()
        self._failing = False
        if before.outage_began_at is not None:
            log.info(f"Plex answers again, {_duration(time.time() - before.outage_began_at)} after it began to fail")

    def stop_after_failures(self, errors: Iterable[PlexSyncError]) -> None:
        """Raise PlexTemporaryError when the breaker has opened: the drain ends."""
        if self.is_good:
            return
        of_plex = [error for error in errors if isinstance(error, PlexTemporaryError)]
        last = f" The last error: {of_plex[-1]}" if of_plex else ""
        raise PlexTemporaryError(
            f"Plex failed {self._breaker.record.failures} scenes in a row and is left alone for a while.{last}"
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
