"""The drain: claim, read, match, write what differs, read back, remember, acknowledge.

A batch of scenes shares its reads: one request to Stash, one batched read of the
matched items before the edits and one after. Edits go one after another: one paced
writer is what Plex's single database takes well.

At any moment a kill costs repeated work and no job: rows are acknowledged after
their outcome is on disk, and what is about to be written is noted before it is.
"""

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from sync.conditions import why_left_out, within_paths
from sync.errors import PermanentError, PlexSyncError, SetupError, TransientError, describe
from sync.mapping import fingerprint, wanted_of
from sync.model import MediaFile, Scene
from sync.pictures import PictureAccess
from sync.plex.client import PlexClient
from sync.plex.difference import difference, outline, remember
from sync.plex.exceptions import PlexItemRemoved, PlexNotFound, PlexServerDown, PlexTemporaryError
from sync.plex.matcher import Candidate, Rules, holds_file_of
from sync.plex.pace import Pacer
from sync.plex.scan import FolderScans
from sync.queue import batches
from sync.queue.batches import Batch
from sync.queue.dead_letters import DeadLetter
from sync.queue.outlook import still_alive
from sync.queue.store import Claim, JobStore
from sync.queue.wake import ALL_BATCHES, EVERYTHING
from sync.settings import Settings
from sync.stash import log
from sync.stash.client import StashClient
from sync.stash.exceptions import StashTemporaryError
from sync.state import State
from sync.worker.backoff import calculate_delay, get_retry_params
from sync.worker.circuit_breaker import CircuitBreaker
from sync.worker.covers import Covers
from sync.worker.item_steps import MATCH
from sync.worker.locate import Located, Locator, Target
from sync.worker.outage import OutageWatch
from sync.worker.outcome import confirmed, in_doubt, unkept, written
from sync.worker.portraits import Portraits
from sync.worker.steps import Place, StepBook, StepRecord, completed, is_current, put_all
from sync.worker.work import Course, Summary, Work
from sync.worker.writer import ItemWriter

BATCH = 100
"""Scenes that share their reads."""
LATE_ROUND = 60.0
"""Seconds. What waits of a batch for a later try becomes due at the full minute."""
MISSING_ROUND = 300.0
"""The same for scenes of a batch that Plex does not have yet: there may be thousands."""
BATCH_SECONDS = 10.0
"""Seconds of edits that a batch holds at the most, where they are slow or spaced out: what was read is to be fresh."""


class UnforeseenError(TransientError):
    """A defect of PlexSync's: the job is tried again and its place is named."""


class BulkWork(Protocol):
    """Batches, as a drain sees them; see `bulk/runner.py`."""

    @property
    def has_work(self) -> bool:
        """Whether `next` has something to do."""

    @property
    def shown(self) -> Batch | None:
        """The batch whose progress is shown, as it is now."""

    def next(self, limit: int) -> list[Claim] | None:
        """Claim what comes next: an empty list where that is not known yet, None where nothing does."""

    def take_up(self, *, everything: bool) -> None:
        """A person asked, for their batch or for all there are."""


class Drain:
    """Takes what is due from the queue into Plex, until nothing is left.

    `bulk`: the batches this run may work on, when nothing of a person's is due. `with_late`: it takes scenes of
    batches too that failed and waited for a later try.
    """

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
        portraits: Portraits,
        pictures: PictureAccess | None = None,
        scans: FolderScans | None = None,
        bulk: BulkWork | None = None,
        with_late: bool = True,
        pacer: Pacer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bulk = bulk
        self._with_late = with_late
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
        self._portraits = portraits
        self._scans = scans
        self._pacer = pacer
        self._watch = OutageWatch(breaker, clock)
        self._covers = covers = Covers(stash=stash, client=client, state=state, book=self._book, settings=settings)
        self._writer = ItemWriter(
            client=client, state=state, book=self._book, covers=covers, watch=self._watch, settings=settings
        )
        self.summary = Summary()
        self._counted: Counter[tuple[str, str]] = Counter()
        self._of_batches: dict[str, Counter[tuple[str, str]]] = {}
        self._is_bulk = False
        self._shown = -1  # percent on Stash's bar
        self._due_after = 0  # rows that are due after those that are claimed
        self._extent = (0, 0, False)
        """Scenes that are through, all there are, and whether those that are begun count along."""
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
                if (word := self._store.take_word()) >= EVERYTHING or everything:
                    self._store.hasten(self._clock())
                    everything = False
                    if word:
                        self._with_late = True
                        if self._bulk:
                            self._bulk.take_up(everything=word >= ALL_BATCHES)
                while self._step():
                    self._keep_counts()
                    self._measure()
                    self._show_progress()
                if self._store.end(self._look(), late=self._with_late, more=self._has_bulk_work):
                    break
        finally:
            self._store.give_back(self._open)
            self._store.clear_acknowledged()
            self._store.clear_old_letters(self._clock())
            self._keep_counts()
        return self.summary

    def _step(self) -> bool:
        """Do what comes next: what was saved before what a batch has listed. False when nothing is left."""
        while self._store.take_changes(BATCH, self._look()):
            pass
        claims: list[Claim] | None = self._store.claim(self._batch_size(), self._look(), late=self._with_late)
        self._is_bulk = not claims
        if not claims:
            claims = self._next_of_batches()
        if claims is None:
            return False
        self._open = list(claims)
        self._measure()
        still_alive(self._store.connection, self._clock())
        self._batch(claims)
        if self._open:  # for a person's save, or with the circuit breaker
            self._store.give_back(self._open)
            self._open = []
        return True

    def _next_of_batches(self) -> list[Claim] | None:
        try:
            return self._bulk.next(self._batch_size()) if self._bulk else None
        except PlexServerDown:
            raise  # whoever started this run tells the breaker
        except PlexTemporaryError:
            self._watch.count_server()
            raise

    def _has_bulk_work(self) -> bool:
        return self._bulk is not None and self._bulk.has_work

    def _keep_counts(self) -> None:
        """Add what this drain did since the last time to the statistics: a drain may be killed."""
        if self._of_batches:
            self._store.done([], self._of_batches)  # of scenes that failed
            self._of_batches.clear()
        counts = self.summary.counts()
        if new := counts - self._counted:
            self._state.count(new, self._clock())
            self._counted = counts

    def _look(self) -> float:
        self.looked_at = self._clock()
        return self.looked_at

    def _measure(self) -> None:
        """Look how far all of it is: once for scenes that are claimed together, for what waits is counted."""
        batch = self._bulk.shown if self._bulk else None
        if batch:
            self._extent = batch.concluded, batch.total, self._is_bulk
        elif self._is_bulk:
            self._extent = 1, 1, False
        else:
            if self._open:
                self._due_after = self._store.due(self._clock(), late=self._with_late)
            self._extent = self.summary.scenes, self.summary.scenes + len(self._open) + self._due_after, True

    def _show_progress(self, begun: int = 0) -> None:
        """Set Stash's bar; `begun`: scenes that were written of those that were claimed together."""
        done, total, counts_begun = self._extent
        if counts_begun:
            done += begun
        percent = 100 * done // total if total else 100
        if percent != self._shown:
            self._shown = percent
            log.progress(done / total if total else 1.0)

    # One batch

    def _batch_size(self) -> int:
        return BATCH if self._pacer is None else min(BATCH, self._pacer.edits_within(BATCH_SECONDS))

    def _batch(self, claims: list[Claim]) -> None:
        scenes = self._portraits.settle(self._stash.scenes([claim.scene_id for claim in claims]))
        log.know_files((file.path for scene in scenes.values() for file in scene.files), anew=True)
        log.detail("%d scenes claimed, %d of them in Stash", len(claims), len(scenes))
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
            self._writer.note_intended(courses, now)
        except (PlexServerDown, SetupError, StashTemporaryError, sqlite3.Error):
            raise
        except PlexSyncError as error:
            self._one_by_one(courses, error)
            return
        except Exception as error:
            self._one_by_one(courses, UnforeseenError(f"PlexSync met an error it does not know ({describe(error)})"))
            return
        begun: list[Course] = []
        ordered = self._writer.write_groups(courses)
        try:
            for number, course in enumerate(ordered):
                if not self._watch.is_over:
                    break  # the rest goes back on the queue as it was
                if self._is_bulk and begun and not course.has_sent and self._store.is_due(self._clock(), late=False):
                    break  # somebody has saved a scene meanwhile
                self._show_progress(len(begun))
                begun.append(course)
                self._writer.write(course, now, following=next(iter(ordered[number + 1 : number + 2]), None))
        finally:
            self._writer.end()
        self._writer.read_back(begun)
        self._conclude(begun)
        self._watch.stop_after_failures(begun)

    def _one_by_one(self, courses: list[Course], error: PlexSyncError) -> None:
        if len(courses) == 1:
            courses[0].errors = [error]
            self._watch.count(courses[0], error)
            self._fail(courses[0].claim, courses[0].scene, error)
        self._watch.stop_after_failures(courses)
        if len(courses) > 1:
            log.detail("%d scenes go one by one after a failure of them all: %s", len(courses), error)
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
            if log.is_detailed():
                how = "its file's path" if target.record.exact else "its file's name"
                found = f'Plex item {target.item.rating_key} in library "{target.library}"'
                log.detail("%s: matched by %s to %s; %s", scene.label, how, found, outline(edit))
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
            self._state.put_items(connection, self._client.machine, records)
            self._state.put_synced(connection, [(course.scene.id, course.scene.refs) for course in done], now)
            put_all(connection, steps)
        for course in courses:
            self._tell(course)
            if course.errors:
                self._fail(course.claim, course.scene, _gravest(course.errors))
        self._finish([course.claim for course in done])

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
        ended = {claim.scene_id for claim in claims}
        self._open = [claim for claim in self._open if claim.scene_id not in ended]

    def _forget(self, claim: Claim) -> None:
        self._state.forget_scenes([claim.scene_id])
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
        # What was given up because Plex did not have it, a batch looks for once more, not a dozen times.
        is_given_up = (
            job.batch_id is not None and isinstance(error, PlexNotFound) and bool(self._store.with_letters([scene.id]))
        )
        if isinstance(error, PermanentError) or is_last or is_given_up:
            self._bury(claim, scene, error, count, now)
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
            (log.debug if is_said else log.warning)(said)
        self._open = [one for one in self._open if one.scene_id != claim.scene_id]

    def _may_lack(self, error: PlexSyncError) -> bool:
        """Return whether a scene without an item is as it should be. With scans the file is waited for first."""
        is_lacking = isinstance(error, PlexNotFound) and not isinstance(error, PlexItemRemoved)
        return is_lacking and self._settings.skip_not_found

    # The circuit breaker

    def _bury(self, claim: Claim, scene: Scene, error: PlexSyncError, tries: int, now: float) -> None:
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
        (log.debug if is_told else log.error)(
            f"{scene.label} failed{tried}: {str(error).rstrip('. ')}. When that is mended, save the scene again or "
            'press "Retry failed jobs"'
        )


def _gravest(errors: list[PlexSyncError]) -> PlexSyncError:
    """Return the error that decides what becomes of the job: one that may go right later keeps it queued."""
    return min(errors, key=lambda error: isinstance(error, PermanentError))
