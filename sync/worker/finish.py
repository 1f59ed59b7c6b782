"""The end of each scene: what became of it is remembered and told, and its rows leave the queue."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable

from sync import log
from sync.errors import PermanentError, PlexSyncError
from sync.model import Scene
from sync.plex.difference import remember
from sync.plex.exceptions import PlexItemRemoved, PlexNotFound
from sync.queue import batches
from sync.queue.dead_letters import DeadLetter
from sync.queue.jobs import Claim, JobStore, joined
from sync.settings import Settings
from sync.state import State
from sync.worker.backoff import calculate_delay, get_retry_params
from sync.worker.covers import Covers
from sync.worker.item_steps import MATCH
from sync.worker.outcome import confirmed, in_doubt, unkept, written
from sync.worker.steps import Place, StepRecord, completed, is_current, put_all
from sync.worker.work import Course, Summary

LATE_ROUND = 60.0
"""Seconds. What waits of a batch for a later try becomes due at the full minute."""
MISSING_ROUND = 300.0
"""The same for scenes of a batch that Plex does not have yet: there may be thousands."""

_Line = tuple[Callable[[str], None], str]
"""A line of the log, and how it is written."""


class Conclusion:
    """Ends the scenes that a drain has claimed, one way or another; raises sqlite3.Error.

    `waits_for_scans`: Plex is asked to scan for what it does not have.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        state: State,
        machine: str,
        covers: Covers,
        settings: Settings,
        waits_for_scans: bool,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._state = state
        self._machine = machine
        self._covers = covers
        self._settings = settings
        self._waits_for_scans = waits_for_scans
        self._clock = clock
        self.summary = Summary()
        self._open: dict[tuple[int, ...], Claim] = {}  # by their rows: a scene may be saved again while it is written
        self._of_batches: dict[str, Counter[tuple[str, str]]] = {}

    @property
    def open(self) -> int:
        """How many scenes are claimed and have not come to their end."""
        return len(self._open)

    def begin(self, claims: Iterable[Claim]) -> None:
        """These scenes are claimed: each of them is to be ended or given back."""
        self._open |= {claim.row_ids: claim for claim in claims}

    def merge(self, claims: Iterable[Claim]) -> list[Claim]:
        """Make one claim of those that name the same scene."""
        merged: dict[int, Claim] = {}
        for claim in claims:
            earlier = merged.get(claim.scene_id)
            if earlier is not None:
                self._open.pop(earlier.row_ids, None)
                self._open.pop(claim.row_ids, None)
                claim = joined(earlier, claim)
                self.begin([claim])
            merged[claim.scene_id] = claim
        return list(merged.values())

    def give_back(self, claims: Iterable[Claim] | None = None) -> None:
        """Put the rows of these scenes, or of all, back as they were, unless they have come to their end."""
        named = list(self._open) if claims is None else [claim.row_ids for claim in claims]
        given = [self._open.pop(rows) for rows in named if rows in self._open]
        if given or claims is None:
            self._store.give_back(given)

    def keep_counts(self) -> None:
        """Put on disk what was counted of batches' libraries and goes with no scene's end."""
        if self._of_batches:
            self._store.done([], self._of_batches)
            self._of_batches.clear()

    def conclude(self, courses: list[Course]) -> None:
        """End scenes by what was read back of their items."""
        now = self._clock()
        records, done = [], []
        steps: list[tuple[Place, str, StepRecord]] = []
        for course in courses:
            for work in course.works:
                after = work.after
                if after is None:
                    if not course.errors:  # nothing that is not known to be in Plex ends a job
                        course.errors.append(
                            PlexItemRemoved(f"Plex item {work.target.item.rating_key} is gone from Plex since a moment")
                        )
                    continue
                lost = unkept(work, steps)
                if lost:
                    work.after = None
                    course.errors.append(lost)
                    continue
                steps += [(work.place, name, record) for name, record in confirmed(work, now)]
                if course.has_no_cover and course.cover:
                    steps += self._covers.without_cover(work, now)
                how = "path" if work.target.record.exact else "name"
                if not is_current(work.record_of(MATCH), how):
                    steps.append((work.place, MATCH, completed(work.record_of(MATCH), how, now)))
                record = work.target.record
                doubtful = in_doubt(work)
                record.memory = remember(work.target.item, after, work.wanted, record.memory, work.edit)
                record.memory.intended |= doubtful
                if not course.errors:
                    record.fingerprint, record.cover = work.fingerprint, course.cover
                record.synced_at = now
                records.append(record)
            if not course.errors:
                done.append(course)
        with self._state.transaction() as connection:
            self._state.put_items(connection, self._machine, records)
            self._state.put_synced(connection, [(course.scene.id, course.scene.refs) for course in done], now)
            put_all(connection, steps)
        lines: list[_Line] = []
        for course in courses:
            self._tell(course)
        with self._store.transaction():
            for course in courses:
                if course.errors:
                    lines += self._fail(course.claim, course.scene, _gravest(course.errors))
            self._finish([course.claim for course in done])
        _say(lines)

    def _tell(self, course: Course) -> None:
        changed = [work for work in course.works if work.sent and work.after]
        for work in course.works:
            outcome = "failed" if work.after is None else "changed" if work.sent else "right"
            self.summary.libraries[work.library, outcome] += 1
            for batch_id in course.claim.batches:
                self._of_batches.setdefault(batch_id, Counter())[work.library, outcome] += 1
        if changed:
            wrote = (f"{', '.join(written(work))} to Plex item {work.target.item.rating_key}" for work in changed)
            # Of a batch of thousands the counts are what a person reads; of a reconcile what was mended.
            is_many = course.claim.job.update_type in (batches.SYNC_ALL, batches.SYNC_RECENT, batches.CHANGE)
            (log.debug if is_many else log.info)(f"{course.scene.label}: wrote {'; '.join(wrote)}")
        if not course.errors:
            self.summary.scenes += 1
            if changed:
                self.summary.changed += 1
            else:
                self.summary.right += 1

    def _finish(self, claims: list[Claim]) -> None:
        self._store.done(claims, self._of_batches)
        self._of_batches.clear()
        for claim in claims:
            self._open.pop(claim.row_ids, None)

    def forget(self, claims: list[Claim]) -> None:
        """End scenes that are gone from Stash."""
        if not claims:
            return
        self._state.forget_scenes([claim.scene_id for claim in claims])
        self._finish(claims)
        self.summary.scenes += len(claims)
        self.summary.gone += len(claims)
        for claim in claims:
            log.info(f"Scene {claim.scene_id} is gone from Stash; its item in Plex is left as it is")

    def leave_out(self, some: list[tuple[Claim, Scene, str]]) -> None:
        """End scenes that the settings leave out, each with the reason."""
        if not some:
            return
        self._finish([claim for claim, _, _ in some])
        self.summary.scenes += len(some)
        self.summary.left_out += len(some)
        for _, scene, reason in some:
            log.info(f"{scene.label} is left out: {reason}")

    def fail(self, claim: Claim, scene: Scene, error: PlexSyncError) -> None:
        """End a try that went wrong: the scene is tried again later, or becomes a dead letter."""
        with self._store.transaction():
            lines = self._fail(claim, scene, error)
        _say(lines)

    def _fail(self, claim: Claim, scene: Scene, error: PlexSyncError) -> list[_Line]:
        """Return what is to be said of it, once it is on disk and nothing is locked any more."""
        self.summary.scenes += 1
        job, now = claim.job, self._clock()
        base, cap, most = get_retry_params(error, self._settings.max_retries)
        # A try before its time, which a person asked for, is not counted.
        count = job.retry_count + (0 if job.early else 1)
        is_last = count >= most and not job.early
        if self._may_lack(error) and (is_last or not self._waits_for_scans):
            self._finish([claim])
            self.summary.not_in_plex += 1
            return [(log.info, f"{scene.label}: {str(error).partition('. ')[0]}. That is right by skip_not_found")]
        # What was given up because Plex did not have it, a batch looks for once more, not a dozen times.
        is_given_up = (
            job.batch_id is not None and isinstance(error, PlexNotFound) and bool(self._store.with_letters([scene.id]))
        )
        if isinstance(error, PermanentError) or is_last or is_given_up:
            line = self._bury(claim, scene, error, count, now)
        else:
            delay = calculate_delay(job.retry_count, base, cap)
            if job.batch_id is not None:  # a thousand of them become due together, not one by one
                pause = MISSING_ROUND if isinstance(error, PlexNotFound) else LATE_ROUND
                delay = math.ceil((now + delay) / pause) * pause - now
            self._store.try_later(claim, job.later(retry_count=count, at=now + delay, error=error, now=now))
            self.summary.later += 1
            log.detail(
                "%s: %s, tried again in %.0f s (backoff from %.0f s, at most %.0f s)",
                *(scene.label, type(error).__name__, delay, base, cap),
            )
            said = (
                f"{scene.label}: {str(error).rstrip('. ')}. It stays queued and is tried again (try {count} of {most})"
            )
            # A file that Plex has not scanned yet is said once, not with each of its dozen tries.
            is_said = isinstance(error, PlexNotFound) and (job.retry_count or job.batch_id is not None)
            line = log.debug if is_said else log.warning, said
        self._open.pop(claim.row_ids, None)
        return [line]

    def _may_lack(self, error: PlexSyncError) -> bool:
        """Return whether a scene without an item is as it should be. With scans the file is waited for first."""
        is_lacking = isinstance(error, PlexNotFound) and not isinstance(error, PlexItemRemoved)
        return is_lacking and self._settings.skip_not_found

    def _bury(self, claim: Claim, scene: Scene, error: PlexSyncError, tries: int, now: float) -> _Line:
        letter = DeadLetter(
            scene_id=scene.id,
            title=log.redact_title(scene.title),
            error_type=type(error).__name__,
            message=log.redact(str(error)),
            tries=tries,
            first_at=claim.job.first_failed_at or now,
            last_at=now,
            job=json.dumps(claim.job.to_row()),
        )
        was_known = bool(self._store.with_letters([scene.id]))
        self._store.bury(claim, letter)
        self.summary.failed += 1
        tried = f" after {tries} tries" if tries > 1 else ""
        # Thousands of a batch's scenes may not be in Plex: the batch says how many. Nor is told twice what a letter
        # told before.
        is_told = claim.job.batch_id is not None and (isinstance(error, PlexNotFound) or was_known)
        return (
            log.debug if is_told else log.error,
            f"{scene.label} failed{tried}: {str(error).rstrip('. ')}. When that is mended, save the scene again or "
            'press "Retry failed jobs"',
        )


def _say(lines: Iterable[_Line]) -> None:
    for tell, text in lines:
        tell(text)


def _gravest(errors: list[PlexSyncError]) -> PlexSyncError:
    """Return the error that decides what becomes of the job: one that may go right later keeps it queued."""
    return min(errors, key=lambda error: isinstance(error, PermanentError))
