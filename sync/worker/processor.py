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

from sync.conditions import why_left_out, within_paths
from sync.errors import PermanentError, PlexSyncError, SetupError, TransientError, describe
from sync.mapping import fingerprint, wanted_of
from sync.model import MediaFile, Picture, Scene
from sync.pictures import PictureAccess
from sync.plex.client import PlexClient
from sync.plex.difference import PICTURES, RATING, difference, is_taken, remember
from sync.plex.exceptions import PlexItemRemoved, PlexNotFound, PlexPermanentError, PlexServerDown, PlexTemporaryError
from sync.plex.library import read_items
from sync.plex.matcher import Candidate, Rules, holds_file_of
from sync.plex.scan import FolderScans
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
from sync.worker.covers import Covers
from sync.worker.item_steps import MATCH, METADATA, MetadataStep, PictureStep, RatingStep
from sync.worker.locate import Located, Locator, Target
from sync.worker.steps import Place, StepBook, StepRecord, begun, completed, failed, is_current, put_all, run_steps
from sync.worker.work import Course, Summary, Work, works_of

BATCH = 50
"""Scenes that share their reads."""


class UnforeseenError(TransientError):
    """A defect of PlexSync's: the job is tried again and its place is named."""


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
        pictures: PictureAccess | None = None,
        scans: FolderScans | None = None,
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
        self._pictures = pictures
        self._scans = scans
        self._covers = Covers(stash=stash, client=client, state=state, book=self._book, settings=settings)
        self._breaker = breaker
        self._failing = breaker.record.failures > 0
        self.summary = Summary()
        self._counted: Counter[tuple[str, str]] = Counter()
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
                    self._keep_counts()
                    self._show_progress()
                if self._store.end(self._look()):
                    break
        finally:
            self._store.give_back(self._open)
            self._store.clear_acknowledged()
            self._store.clear_old_letters(self._clock())
            self._keep_counts()
        return self.summary

    def _keep_counts(self) -> None:
        """Add what this drain did since the last time to the statistics: a drain may be killed."""
        counts = self.summary.counts()
        if new := counts - self._counted:
            self._state.count(new, self._clock())
            self._counted = counts

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
            elif reason := why_left_out(scene, self._settings):
                self._leave_out(claim, scene, reason)
            else:
                courses.append(Course(claim, scene))
        self._course(courses)

    def _course(self, courses: list[Course]) -> None:
        """Bring scenes into Plex that share their reads; one at a time where a shared read fails."""
        if not courses:
            return
        try:
            located = self._locator.locate([within_paths(course.scene, self._settings) for course in courses])
            for course in courses:
                self._plan(course, located[course.scene.id])
                self._have_scanned(course)
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
        scene = within_paths(course.scene, self._settings)
        wanted = wanted_of(scene, self._settings, self._pictures)
        course.errors += located.errors
        left_out = [file for file in course.scene.files if file not in scene.files]
        targets = [target for target in located.targets if not self._is_of(target, left_out)]
        if located.targets and not targets and not course.errors:
            course.errors.append(
                PlexNotFound(
                    "no Plex item holds its file yet but one that holds another of its files, which only_paths or "
                    "skip_paths leaves out; let Plex scan the folder"
                )
            )
        for target in targets:
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

    def _is_of(self, target: Target, left_out: list[MediaFile]) -> bool:
        """Return whether an item that was found by a file's name holds the very path of one that is left out."""
        if target.record.exact or not left_out:
            return False
        rules = Rules(self._settings.path_pairs, self._settings.strict_matching, self._client.folds_case)
        item = target.item
        return holds_file_of(left_out, Candidate(item.rating_key, item.title, item.files), rules, exact=True)

    def _have_scanned(self, course: Course) -> None:
        """Ask Plex to scan the folders of a scene that it does not have, where the settings say so."""
        if self._scans is None:
            return
        for number, error in enumerate(course.errors):
            if isinstance(error, PlexNotFound):
                said = self._scans.ask(file.path for file in within_paths(course.scene, self._settings).files)
                course.errors[number] = PlexNotFound(f"{str(error).rstrip('. ')}. {said[:1].upper()}{said[1:]}")

    def _note_intended(self, courses: list[Course], now: float) -> None:
        """Commit what is about to be written, for the whole batch at once."""
        noted, steps = [], []
        for work in works_of(courses):
            if not work.edit:
                continue
            for step in self._field_steps(work):
                work.steps[step.name] = begun(work.record_of(step.name), step.fingerprint, now)
                steps.append((work.place, step.name, work.steps[step.name]))
            record = work.target.record
            for name, values in work.edit.intended().items():
                earlier = record.memory.intended.get(name, [])
                record.memory.intended[name] = [*earlier, *(v for v in values if v not in earlier)]
            noted.append(record)
        if noted:
            with self._state.transaction() as connection:
                self._state.put_items(connection, self._client.machine, noted)
                put_all(connection, steps)

    def _field_steps(self, work: Work) -> list[MetadataStep | RatingStep]:
        preserve = self._settings.preserve_plex_edits
        steps: list[MetadataStep | RatingStep] = [
            MetadataStep(self._client, work, preserve),
            RatingStep(self._client, work, preserve),
        ]
        return [step for step in steps if not step.is_there()]

    def _write(self, course: Course, now: float) -> None:
        """Write to each of the scene's items; what fails is no reason to leave the rest out."""
        cover = self._fetch_cover(course) if course.works else None
        for work in course.works:
            if self._breaker.state is not CircuitState.CLOSED:
                return
            uploads = self._uploads(course, work, cover, now)
            if not work.edit:
                work.after = work.target.item
            for step in (*self._field_steps(work), *uploads):
                if self._breaker.state is not CircuitState.CLOSED:
                    return
                self._run(course, work, step, now)
        # A step that went well clears nothing where Plex failed another step of the scene.
        failed_by_plex = any(isinstance(error, PlexTemporaryError) for error in course.errors)
        if not failed_by_plex and (not course.errors or any(work.sent for work in course.works)):
            self._answered()

    def _run(self, course: Course, work: Work, step: MetadataStep | RatingStep | PictureStep, now: float) -> None:
        try:
            wrote = run_steps(self._book, work.place, [step], now, work.steps)
            if isinstance(step, PictureStep):
                self._covers.remember(work, step)
        except (PlexServerDown, SetupError):
            raise
        except PermanentError as error:
            if isinstance(step, PictureStep):
                self._covers.give_up(course.scene, work, step, error)
            else:
                course.errors.append(_refusal_of(work, step, error))
        except PlexSyncError as error:
            # Whether Plex took it all the same shows at the next try.
            course.errors.append(error)
            self._count(course, error)
        else:
            work.sent |= dict.fromkeys(wrote)

    def _fetch_cover(self, course: Course) -> Picture | None:
        try:
            return self._covers.fetch(course.scene)
        except (StashTemporaryError, SetupError):
            raise
        except PlexSyncError as error:
            course.errors.append(error)
        try:
            for work in course.works:
                self._covers.note_free(work)
        except (PlexServerDown, SetupError):
            raise
        except PlexSyncError as error:
            course.errors.append(error)
            self._count(course, error)
        return None

    def _uploads(self, course: Course, work: Work, cover: Picture | None, now: float) -> list[PictureStep]:
        """Return the pictures that an item is to get, whose locks an edit that is sent anyway takes along."""
        uploads: list[PictureStep] = []
        if cover is not None:
            try:
                uploads = self._covers.steps(work, cover, now)
            except (PlexServerDown, SetupError):
                raise
            except PlexSyncError as error:
                course.errors.append(error)
                self._count(course, error)
        ours = {*work.target.record.memory.sent, *(step.name for step in uploads)}
        work.edit.lock_too |= {
            name for name, lock in PICTURES.items() if name in ours and lock not in work.target.item.locked
        }
        return uploads

    def _read_back(self, courses: list[Course]) -> None:
        edited = [work for work in works_of(courses) if _is_unconfirmed(work)]
        if not edited:
            return
        try:
            items = read_items(self._client, [work.target.item.rating_key for work in edited])
        except (PlexServerDown, SetupError):
            raise
        except PlexTemporaryError as error:
            together = [course for course in courses if any(_is_unconfirmed(work) for work in course.works)]
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
                unkept = self._unkept(work, steps)
                if unkept:
                    work.after = None
                    course.errors.append(unkept)
                    continue
                steps += [(work.place, name, record) for name, record in _confirmed(work, now)]
                how = "path" if work.target.record.exact else "name"
                if not is_current(work.record_of(MATCH), how):
                    steps.append((work.place, MATCH, completed(work.record_of(MATCH), how, now)))
                record = work.target.record
                doubtful = _in_doubt(work)
                record.memory = remember(work.target.item, after, work.wanted, record.memory, work.edit)
                record.memory.intended |= doubtful
                if not course.errors:
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

    def _unkept(self, work: Work, steps: list[tuple[Place, str, StepRecord]]) -> PlexTemporaryError | None:
        """Return an error where Plex answered that it wrote something and kept nothing of it; the steps are noted."""
        after = work.after or work.target.item
        lost = {
            name: edit
            for name, edit in ((METADATA, work.edit.metadata), (RATING, work.edit.rating))
            if name in work.sent and not is_taken(work.target.item, after, edit)
        }
        if not lost:
            return None
        fields = ", ".join(field for edit in lost.values() for field in edit.fields)
        error = PlexTemporaryError(f"Plex took an edit of item {after.rating_key} and did not keep it ({fields})")
        steps += [(work.place, name, failed(work.record_of(name), error)) for name in lost]
        return error

    def _tell(self, course: Course) -> None:
        changed = [work for work in course.works if work.sent and work.after]
        for work in course.works:
            outcome = "failed" if work.after is None else "changed" if work.sent else "right"
            self.summary.libraries[work.library, outcome] += 1
        if changed:
            wrote = (f"{', '.join(_written(work))} to Plex item {work.target.item.rating_key}" for work in changed)
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

    def _leave_out(self, claim: Claim, scene: Scene, reason: str) -> None:
        self._finish([claim])
        self.summary.scenes += 1
        self.summary.left_out += 1
        log.info(f"{scene.label} is left out: {reason}")

    def _fail(self, claim: Claim, scene: Scene, error: PlexSyncError) -> None:
        self.summary.scenes += 1
        job, now = claim.job, self._clock()
        base, cap, most = get_retry_params(error, self._settings.max_retries)
        # A try before its time, which a person asked for, is not counted.
        count = job.retry_count + (0 if job.early else 1)
        is_last = count >= most and not job.early
        if self._may_lack(error) and (is_last or self._scans is None):
            self._finish([claim])
            self.summary.not_in_plex += 1
            log.info(f"{scene.label}: {str(error).partition('. ')[0]}. That is right by skip_not_found")
            return
        if isinstance(error, PermanentError) or is_last:
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

    def _may_lack(self, error: PlexSyncError) -> bool:
        """Return whether a scene without an item is as it should be. With scans the file is waited for first."""
        is_lacking = isinstance(error, PlexNotFound) and not isinstance(error, PlexItemRemoved)
        return is_lacking and self._settings.skip_not_found

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
        log.error(
            f"{scene.label} failed{tried}: {str(error).rstrip('. ')}. When that is mended, save the scene again or "
            'press "Retry failed jobs"'
        )


def _is_unconfirmed(work: Work) -> bool:
    """Return whether something was sent that is known to be in Plex only when the item is read back."""
    return METADATA in work.sent or RATING in work.sent


def _in_doubt(work: Work) -> dict[str, list[str]]:
    """Return what was intended by a request that Plex did not answer: it may do it after the item was read back."""
    parts = ((METADATA, work.edit.metadata), (RATING, work.edit.rating))
    names = {name for step, edit in parts if step not in work.sent for name in edit.intended()}
    return {name: values for name, values in work.target.record.memory.intended.items() if name in names}


def _confirmed(work: Work, now: float) -> list[tuple[str, StepRecord]]:
    """Return the records of the steps whose effect the read-back has shown."""
    done = []
    metadata, rating = work.record_of(METADATA), work.record_of(RATING)
    if (METADATA in work.sent or not work.edit.metadata) and not is_current(metadata, work.fingerprint):
        done.append((METADATA, completed(metadata, work.fingerprint, now)))
    if RATING in work.sent:
        done.append((RATING, completed(rating, rating.fingerprint, now)))
    return done


def _refusal_of(work: Work, step: MetadataStep | RatingStep, error: PermanentError) -> PermanentError:
    """Return what Plex will not take, and where to look: a refusal names neither."""
    fields = (work.edit.metadata if step.name == METADATA else work.edit.rating).fields
    return PlexPermanentError(
        f"{str(error).rstrip('. ')} to write {', '.join(fields)} to item {work.place.rating_key}. Look at these fields "
        "of the scene in Stash for something unusual, or leave them out by their settings"
    )


def _written(work: Work) -> list[str]:
    """Return what was written to an item, for a log line."""
    fields = work.edit.metadata.fields if METADATA in work.sent else []
    return [*fields, *(name for name in work.sent if name != METADATA)]


def _gravest(errors: list[PlexSyncError]) -> PlexSyncError:
    """Return the error that decides what becomes of the job: one that may go right later keeps it queued."""
    return min(errors, key=lambda error: isinstance(error, PermanentError))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
