"""What the drain tells the circuit breaker of its scenes, and when it ends because of it."""

from collections.abc import Callable

from sync import log
from sync.errors import PlexSyncError
from sync.plex.exceptions import PlexTemporaryError
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState
from sync.worker.work import Course


class OutageWatch:
    """Counts scenes that Plex failed, and says when it answers again."""

    def __init__(self, breaker: CircuitBreaker, clock: Callable[[], float]) -> None:
        self._breaker = breaker
        self._clock = clock
        self._failing = breaker.record.failures > 0

    @property
    def is_over(self) -> bool:
        """Whether Plex may be asked: the breaker is CLOSED."""
        return self._breaker.state is CircuitState.CLOSED

    def count(self, course: Course, error: PlexSyncError) -> None:
        """Tell the breaker of a failure that is Plex's; a job that fails again and again counts once."""
        if isinstance(error, PlexTemporaryError):
            self._breaker.record_failure(course.claim.job.job_key)
            self._failing = True

    def count_server(self) -> None:
        """Tell the breaker of a failure of Plex's that is no scene's."""
        self._breaker.record_failure()
        self._failing = True

    def answered(self) -> None:
        """A job went well. Most find nothing to clear and cost no transaction."""
        if not self._failing:
            return
        before = self._breaker.record_success()
        self._failing = False
        if before.outage_began_at is not None:
            log.info(f"Plex answers again, {_duration(self._clock() - before.outage_began_at)} after it began to fail")

    def stop_after_failures(self, courses: list[Course]) -> None:
        """Raise PlexTemporaryError when the breaker has opened: the drain ends."""
        if self._breaker.state is CircuitState.CLOSED:
            return
        errors = [error for course in courses for error in course.errors if isinstance(error, PlexTemporaryError)]
        last = f" The last error: {errors[-1]}" if errors else ""
        raise PlexTemporaryError(
            f"Plex failed {self._breaker.record.failures} scenes in a row and is left alone for a while.{last}"
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
