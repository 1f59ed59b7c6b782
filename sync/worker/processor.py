"""The drain: claim, read, match, write what differs, read back, remember, acknowledge.

A batch of scenes shares its reads: one request to Stash, one batched read of the
matched items before the edits and one after. Edits go one after another: one paced
writer is what Plex's single database takes well.

At any moment a kill costs repeated work and no job: rows are acknowledged after
their outcome is on disk, and what is about to be written is noted before it is.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sync.errors import PermanentError, PlexSyncError, SetupError, TransientError, describe
from sync.mapping import fingerprint, wanted_of
from sync.model import PlexItem, Scene, Wanted
from sync.plex import client as plex_client
from sync.plex import editor
from sync.plex.client import PlexClient
from sync.plex.difference import Edit, difference, is_taken, remember
from sync.plex.exceptions import PlexItemGone, PlexNotFound, PlexServerDown, PlexTemporaryError
from sync.plex.library import read_items
from sync.queue.dead_letters import DeadLetter
from sync.queue.outlook import still_alive
from sync.queue.store import Claim, JobStore
from sync.settings import Settings
from sync.stash import log
from sync.stash.client import StashClient
from sync.stash.exceptions import StashTemporaryError
from sync.state import State
from sync.worker.backoff import calculate_delay, get_retry_params
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState
from sync.worker.locate import Located, Locator, Target
from sync.worker.steps import (
    Place,
    StepBook,
    StepRecord,
    begun,
    completed,
    failed,
    is_current,
    put_all,
    run_steps,
)

BATCH = 50
"""Scenes that share their reads."""

MATCH, METADATA = "match", "metadata"
"""The names of the steps."""


class UnforeseenError(TransientError):
    """A defect of PlexSync's: the job is tried again and its place is named."""


@dataclass(slots=True)
class Summary:
    """What a drain did."""

    scenes: int = 0
    changed: int = 0
    right: int = 0
    gone: int = 0
    later: int = 0
    failed: int = 0
    libraries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(library, "changed" | "right" | "failed") -> how many items."""

    def __str__(self) -> str:
        if not self.scenes:
            return "Nothing was due"
        parts = {
            "changed in Plex": self.changed,
            "right already": self.right,
            "gone from Stash": self.gone,
            "tried again later": self.later,
            "failed": self.failed,
        }
        said = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        return f"{self.scenes} scene{'' if self.scenes == 1 else 's'}: {said}"

    def by_library(self) -> str:
        """What was done in each library, where there are several."""
        names = dict.fromkeys(library for library, _ in self.libraries)
        if len(names) < 2:
            return ""
        parts = []
        for name in names:
            counts = {outcome: self.libraries[name, outcome] for outcome in ("changed", "right", "failed")}
            parts.append(f'"{name}" ' + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
        return "; ".join(parts)


@dataclass(slots=True)
class Work:
    """One item of one scene on its way through a batch."""

    target: Target
    wanted: Wanted
    edit: Edit
    library: str
    place: Place
    fingerprint: str
    steps: dict[str, StepRecord] = field(default_factory=dict)
    written: bool = False
    after: PlexItem | None = None
    """The item as it is known to be at the end; None: not known, and what was intended stays noted."""

    def record_of(self, step: str) -> StepRecord:
        """What is known of a step of this item."""
        return self.steps.get(step, StepRecord())


@dataclass(frozen=True, slots=True)
class MetadataStep:
    """The one edit of an item, as a step. It is completed when the item was read back."""

    client: PlexClient
    work: Work
    preserve: bool
    name: str = METADATA
    confirmed_later: bool = True

    @property
    def fingerprint(self) -> str:
        """Names what the item should hold."""
        return self.work.fingerprint

    def is_there(self) -> bool:
        """Return whether nothing is to be written: the item was read a moment ago."""
        return not self.work.edit

    def run(self) -> None:
        """Send the edit, once more where Plex stumbled and did not take it; raises PlexSyncError."""
        place = self.work.place
        try:
            for pause in plex_client.PAUSES:
                try:
                    editor.send(self.client, place.section, place.rating_key, self.work.edit)
                    return
                except PlexTemporaryError as error:
                    if not error.stumbled:
                        raise
                time.sleep(pause)
                if self._is_taken():
                    return
            editor.send(self.client, place.section, place.rating_key, self.work.edit)
        except PlexItemGone:
            raise PlexNotFound(f"Plex item {place.rating_key} was removed from Plex a moment ago") from None

    def _is_taken(self) -> bool:
        """Return whether an edit that was answered with an error is in Plex all the same."""
        key = self.work.place.rating_key
        item = read_items(self.client, [key]).get(key)
        if item is None:
            raise PlexItemGone(f"item {key}")
        return not difference(item, self.work.wanted, self.work.target.record.memory, preserve=self.preserve)


@dataclass(slots=True)
class Course:
    """One scene on its way through a batch."""

    claim: Claim
    scene: Scene
    works: list[Work] = field(default_factory=list)
    errors: list[PlexSyncError] = field(default_factory=list)


class Drain:
    """Takes what is due from the queue into Plex, until nothing is left."""

    def __init__(
        self,
        *,
        store: JobStore,
        state: State,
        stash: StashClient,
        client: PlexClient,
        locator: Locator,
        settings: Settings,
        breaker: CircuitBreaker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._state = state
        self._stash = stash
        self._client = client
        self._locator = locator
        self._settings = settings
        self._clock = clock
        self._open: list[Claim] = []
        self._book = StepBook(state)
        self._breaker = breaker
        self._failing = breaker.record.failures > 0
        self.summary = Summary()
        self.looked_at = clock()
        """When the queue was looked at last for what is due, in seconds since the epoch."""

    def run(self, *, everything: bool) -> Summary:
        """Drain the queue; `everything`: also what waits for a later try.

        Raises PlexServerDown, PlexTemporaryError, StashTemporaryError and SetupError
        when it cannot go on; what was not finished is back on the queue then.
        """
        self._store.mend_times(self._clock())
        try:
            while True:
                if self._store.take_word() > 1 or everything:
                    self._store.hasten(self._clock())
                    everything = False
                while claims := self._store.claim(BATCH, self._look()):
                    still_alive(self._store.connection, self._clock())
                    self._open = list(claims)
                    self._batch(claims)
                    self._show_progress()
                if self._store.end(self._look()):
                    break
        finally:
            self._store.give_back(self._open)
            self._store.clear_acknowledged()
            self._store.clear_old_letters(self._clock())
            if self.summary.libraries:
                self._state.count(self.summary.libraries, self._clock())
        return self.summary

    def _look(self) -> float:
        self.looked_at = self._clock()
        return self.looked_at

    def _show_progress(self) -> None:
        left = self._store.due(self._clock())
        log.progress(self.summary.scenes / (self.summary.scenes + left))

    # One batch

    def _batch(self, claims: list[Claim]) -> None:
        scenes = self._stash.scenes([claim.scene_id for claim in claims])
        courses = []
        for claim in claims:
            scene = scenes.get(claim.scene_id)
            if scene is None:
                self._forget(claim)
            else:
                courses.append(Course(claim, scene))
        self._course(courses)

    def _course(self, courses: list[Course]) -> None:
        """Bring scenes into Plex that share their reads; one at a time where a shared read fails."""
        if not courses:
            return
        try:
            located = self._locator.locate([course.scene for course in courses])
            for course in courses:
                self._plan(course, located[course.scene.id])
            now = self._clock()
            self._note_intended(courses, now)
        except (PlexServerDown, SetupError, StashTemporaryError, sqlite3.Error):
            raise
        except PlexSyncError as error:
            self._one_by_one(courses, error)
            return
        except Exception as error:
            self._one_by_one(courses, UnforeseenError(f"PlexSync met an error it does not know ({describe(error)})"))
            return
        begun = []
        for course in courses:
            if self._breaker.state is not CircuitState.CLOSED:
                break  # the rest goes back on the queue as it was
            begun.append(course)
            self._write(course, now)
        self._read_back(begun)
        self._conclude(begun)
        self._stop_after_failures(begun)

    def _one_by_one(self, courses: list[Course], error: PlexSyncError) -> None:
        if len(courses) == 1:
            courses[0].errors = [error]
            self._count(courses[0], error)
            self._fail(courses[0].claim, courses[0].scene, error)
        self._stop_after_failures(courses)
        for course in courses if len(courses) > 1 else ():
            self._course([Course(course.claim, course.scene)])

    def _plan(self, course: Course, located: Located) -> None:
        wanted = wanted_of(course.scene, self._settings)
        course.errors += located.errors
        for target in located.targets:
            edit = difference(target.item, wanted, target.record.memory, preserve=self._settings.preserve_plex_edits)
            place = Place(self._client.machine, target.record.section, target.item.rating_key)
            course.works.append(
                Work(
                    target,
                    wanted,
                    edit,
                    library=target.library,
                    place=place,
                    fingerprint=fingerprint(wanted, self._settings),
                    steps=self._book.of(place),
                )
            )

    def _note_intended(self, courses: list[Course], now: float) -> None:
        """Commit what is about to be written, for the whole batch at once."""
        noted, steps = [], []
        for work in _works(courses):
            if not work.edit:
                continue
            work.steps[METADATA] = begun(work.record_of(METADATA), work.fingerprint, now)
            steps.append((work.place, METADATA, work.steps[METADATA]))
            record = work.target.record
            for name, values in work.edit.intended().items():
                earlier = record.memory.intended.get(name, [])
                record.memory.intended[name] = [*earlier, *(v for v in values if v not in earlier)]
            noted.append(record)
        if noted:
            with self._state.transaction() as connection:
                self._state.put_items(connection, self._client.machine, noted)
                put_all(connection, steps)

    def _write(self, course: Course, now: float) -> None:
        """Write to each of the scene's items; one that fails is no reason to leave the others out."""
        if not course.errors and not any(work.edit for work in course.works):
            self._answered()
        for work in course.works:
            if not work.edit:
                work.after = work.target.item
                continue
            if self._breaker.state is not CircuitState.CLOSED:
                return
            try:
                run_steps(
                    self._book,
                    work.place,
                    [MetadataStep(self._client, work, self._settings.preserve_plex_edits)],
                    now,
                    work.steps,
                )
            except (PlexServerDown, SetupError):
                raise
            except PlexSyncError as error:
                # Whether Plex took it all the same shows at the next try.
                course.errors.append(error)
                self._count(course, error)
            else:
                work.written = True
                self._answered()

    def _read_back(self, courses: list[Course]) -> None:
        edited = [work for work in _works(courses) if work.written]
        if not edited:
            return
        try:
            items = read_items(self._client, [work.target.item.rating_key for work in edited])
        except (PlexServerDown, SetupError):
            raise
        except PlexTemporaryError as error:
            together = [course for course in courses if any(work.written for work in course.works)]
            for course in together:
                # One by one, so that one item's trouble is not the whole batch's.
                if len(together) > 1 and self._breaker.state is CircuitState.CLOSED:
                    self._read_back([course])
                    continue
                course.errors.append(error)
                if len(together) == 1:
                    self._count(course, error)
            return
        for work in edited:
            work.after = items.get(work.target.item.rating_key)

    # The end of each scene

    def _conclude(self, courses: list[Course]) -> None:
        now = self._clock()
        records, done, steps = [], [], []
        for course in courses:
            for work in course.works:
                after = work.after
                if after is None:
                    if not course.errors:  # nothing that is not known to be in Plex ends a job
                        course.errors.append(
                            PlexNotFound(f"Plex item {work.target.item.rating_key} is gone from Plex since a moment")
                        )
                    continue
                metadata = work.record_of(METADATA)
                if work.edit and not is_taken(work.target.item, after, work.edit):
                    error = PlexTemporaryError(
                        f"Plex took an edit of item {after.rating_key} and did not keep it "
                        f"({', '.join(work.edit.fields)})"
                    )
                    course.errors.append(error)
                    steps.append((work.place, METADATA, failed(metadata, error)))
                    continue
                if not is_current(metadata, work.fingerprint):
                    steps.append((work.place, METADATA, completed(metadata, work.fingerprint, now)))
                how = "path" if work.target.record.exact else "name"
                if not is_current(work.record_of(MATCH), how):
                    steps.append((work.place, MATCH, completed(work.record_of(MATCH), how, now)))
                record = work.target.record
                record.memory = remember(work.target.item, after, work.wanted, record.memory, work.edit)
                record.fingerprint = work.fingerprint
                record.synced_at = now
                records.append(record)
            if not course.errors:
                done.append(course)
        with self._state.transaction() as connection:
            self._state.put_items(connection, self._client.machine, records)
            self._state.put_synced(connection, [course.scene.id for course in done], now)
            put_all(connection, steps)
        for course in courses:
            self._tell(course)
            if course.errors:
                self._fail(course.claim, course.scene, _gravest(course.errors))
        self._finish([course.claim for course in done])

    def _tell(self, course: Course) -> None:
        changed = [work for work in course.works if work.written and work.after]
        for work in course.works:
            outcome = "failed" if work.after is None else "changed" if work.written else "right"
            self.summary.libraries[work.library, outcome] += 1
        if changed:
            wrote = (f"{', '.join(work.edit.fields)} to Plex item {work.target.item.rating_key}" for work in changed)
            log.info(f"{course.scene.label}: wrote {'; '.join(wrote)}")
        if not course.errors:
            self.summary.scenes += 1
            if changed:
                self.summary.changed += 1
            else:
                self.summary.right += 1

    def _finish(self, claims: list[Claim]) -> None:
        self._store.done(claims)
        ended = {claim.scene_id for claim in claims}
        self._open = [claim for claim in self._open if claim.scene_id not in ended]

    def _forget(self, claim: Claim) -> None:
        self._state.forget_scene(claim.scene_id)
        self._finish([claim])
        self.summary.scenes += 1
        self.summary.gone += 1
        log.info(f"Scene {claim.scene_id} is gone from Stash; its item in Plex is left as it is")

    def _fail(self, claim: Claim, scene: Scene, error: PlexSyncError) -> None:
        self.summary.scenes += 1
        job, now = claim.job, self._clock()
        base, cap, most = get_retry_params(error, self._settings.max_retries)
        # A try before its time, which a person asked for, is not counted.
        count = job.retry_count + (0 if job.early else 1)
        if isinstance(error, PermanentError) or (count >= most and not job.early):
            self._bury(claim, scene, error, count, now)
        else:
            delay = calculate_delay(job.retry_count, base, cap)
            self._store.try_later(claim, job.later(retry_count=count, at=now + delay, error=error, now=now))
            self.summary.later += 1
            said = (
                f"{scene.label}: {str(error).rstrip('. ')}. It stays queued and is tried again (try {count} of {most})"
            )
            # A file that Plex has not scanned yet is said once, not with each of its dozen tries.
            (log.debug if isinstance(error, PlexNotFound) and job.retry_count else log.warning)(said)
        self._open = [one for one in self._open if one.scene_id != claim.scene_id]

    # The circuit breaker

    def _count(self, course: Course, error: PlexSyncError) -> None:
        """Tell the breaker of a failure that is Plex's; a job that fails again and again counts once."""
        if isinstance(error, PlexTemporaryError):
            self._breaker.record_failure(course.claim.job.job_key)
            self._failing = True

    def _answered(self) -> None:
        """A job went well. Most find nothing to clear and cost no transaction."""
        if not self._failing:
            return
        before = self._breaker.record_success()
        self._failing = False
        if before.outage_began_at is not None:
            log.info(f"Plex answers again, {_duration(self._clock() - before.outage_began_at)} after it began to fail")

    def _stop_after_failures(self, courses: list[Course]) -> None:
        if self._breaker.state is CircuitState.CLOSED:
            return
        errors = [error for course in courses for error in course.errors if isinstance(error, PlexTemporaryError)]
        last = f" The last error: {errors[-1]}" if errors else ""
        raise PlexTemporaryError(
            f"Plex failed {self._breaker.record.failures} scenes in a row and is left alone for a while.{last}"
        )

    def _bury(self, claim: Claim, scene: Scene, error: PlexSyncError, tries: int, now: float) -> None:
        letter = DeadLetter(
            scene_id=scene.id,
            title=scene.title,
            error_type=type(error).__name__,
            message=log.redact(str(error)),
            tries=tries,
            first_at=claim.job.first_failed_at or now,
            last_at=now,
            job=json.dumps(claim.job.to_row()),
        )
        self._store.bury(claim, letter)
        self.summary.failed += 1
        tried = f" after {tries} tries" if tries > 1 else ""
        log.error(f"{scene.label} failed{tried}: {str(error).rstrip('. ')}. When that is mended, save the scene again")


def _works(courses: list[Course]) -> list[Work]:
    return [work for course in courses for work in course.works]


def _gravest(errors: list[PlexSyncError]) -> PlexSyncError:
    """Return the error that decides what becomes of the job: one that may go right later keeps it queued."""
    return min(errors, key=lambda error: isinstance(error, PermanentError))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
