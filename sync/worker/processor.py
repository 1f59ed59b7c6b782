"""The drain: claim, read, match, write what differs, read back, remember, acknowledge.

A round of scenes shares its reads: one request to Stash, one batched read of the matched items before the edits and one
after. Edits go one after another: one paced writer is what Plex's single database takes well.

At any moment a kill costs repeated work and no job: rows are acknowledged after their outcome is on disk, and what is
about to be written is noted before it is.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sync import log
from sync.errors import PlexSyncError, SetupError, TransientError, describe
from sync.mapping.conditions import why_left_out
from sync.model import Scene
from sync.plex.exceptions import PlexServerDown, PlexTemporaryError
from sync.queue import schema, wake
from sync.queue.job import ClaimedJob
from sync.queue.outlook import still_alive
from sync.stash.exceptions import StashTemporaryError
from sync.worker.finish import Finish, Summary
from sync.worker.plan import plan
from sync.worker.run import Run, SceneSync
from sync.worker.write import Writer

if TYPE_CHECKING:  # batches stand above the drain, which is given them
    from sync.bulk.runner import Bulk

LINGER = 0.3  # seconds that a run waits for more saves, where one has followed another: a bulk edit is hundreds of them
ROUND = 100  # scenes that share their reads
ROUND_SECONDS = 10.0
"""Seconds of edits that a round holds at the most, where they are slow or spaced out: what was read is to be fresh."""


class UnforeseenError(TransientError):
    """A defect of PlexSync's: the job is tried again and its place is named."""


class Drain:
    """Takes what is due from the queue into Plex, until nothing is left.

    `bulk`: the batches this run may work on, when nothing of a person's is due.
    """

    def __init__(self, run: Run, bulk: "Bulk | None") -> None:
        self._run = run
        self._jobs = run.jobs
        self._bulk = bulk
        # Whether it takes scenes of batches too that failed and waited for a later try.
        self._with_late = not run.order.leaves_batches
        self._writer = Writer(run)
        self._finish = Finish(run, self._writer.covers)
        self.summary = self._finish.summary  # what was done so far
        self._is_bulk = False  # whether the scenes at work are a batch's
        self._is_series = False  # whether somebody has saved a scene while another was dealt with
        self._claimed_at = time.time()
        self._extent = 0, 0  # scenes that are through without those at work, and all there are
        self._shown = -1  # percent on Stash's bar
        self.looked_at = time.time()  # when the queue was looked at last for what is due, in seconds since the epoch

    def run(self, *, hasten: bool) -> Summary:
        """Drain the queue; `hasten`: also what waits for a later try.

        Raises PlexServerDown, PlexTemporaryError, StashTemporaryError and SetupError
        when it cannot go on; what was not finished is back on the queue then.
        """
        self._jobs.hasten(
            time.time(), schema.LONGEST_WAIT
        )  # what waits longer than any backoff was written by a clock that was ahead
        try:
            while True:
                self._take_request(hasten=hasten)
                hasten = False
                while (claimed := self._claim()) is not None:
                    self._work(claimed)
                    self._finish.give_back()  # what was left: somebody saved, or Plex is to be left alone
                    self._finish.keep_counts()
                if self._bulk:
                    self._bulk.find_unseen()
                if wake.end_drain(self._jobs.connection, self._is_something_left):
                    return self.summary
        finally:
            self._finish.give_back()
            self._jobs.clear_acknowledged()
            self._jobs.clear_old_letters(time.time())
            self._finish.keep_counts()

    def _work(self, claimed: Sequence[ClaimedJob]) -> None:
        still_alive(self._jobs.connection, time.time())
        self._run.ratings.rated.clear()
        scenes = self._read(claimed)
        if error := self._failure_of(lambda: plan(self._run, scenes)):
            self._one_by_one(scenes, error)
            return
        self._write(scenes)

    def _write(self, scenes: list[SceneSync]) -> None:
        now = time.time()
        if error := self._failure_of(lambda: self._writer.note_intended(scenes, now)):
            self._one_by_one(scenes, error)
            return
        self._measure()
        tried = self._writer.write(scenes, now, self._someone_saved, self._show_progress)
        self._finish.finish(tried)
        if self._writer.interruption:
            raise self._writer.interruption
        self._run.health.stop_after_failures([error for one in tried for error in one.errors])

    def _one_by_one(self, scenes: Sequence[SceneSync], error: PlexSyncError) -> None:
        """Take scenes one by one after a failure of what they share, so that one's trouble is not its neighbours'."""
        if len(scenes) == 1:
            self._run.health.failed(error, scenes[0].job.job.job_key)
            self._finish.fail(scenes[0].job, scenes[0].scene, error)
        self._run.health.stop_after_failures([error])
        for one in scenes if len(scenes) > 1 else ():
            if self._someone_saved():
                return
            alone = [SceneSync(one.job, one.scene)]
            if failure := self._failure_of(lambda alone=alone: plan(self._run, alone)):  # type: ignore[misc]
                self._one_by_one(alone, failure)
            else:
                self._write(alone)

    def _failure_of(self, shared: Callable[[], None]) -> PlexSyncError | None:
        """Do what scenes share; return the error after which each of them goes alone."""
        try:
            shared()
        except (PlexServerDown, SetupError, StashTemporaryError, sqlite3.Error):
            raise
        except PlexSyncError as error:
            return error
        except Exception as error:
            return UnforeseenError(f"PlexSync met an error it does not know ({describe(error)})")
        return None

    def _someone_saved(self) -> bool:
        """Return whether a batch's scenes have to wait for one that a person saved meanwhile."""
        return self._is_bulk and self._jobs.is_due(time.time(), late=False, but=self._run.ratings.rated)

    def _read(self, claimed: Sequence[ClaimedJob]) -> list[SceneSync]:
        """Read scenes from Stash as they are now; those that need nothing come to their end."""
        scenes = self._run.stash.scenes([job.scene_id for job in claimed])
        log.detail("%d scenes claimed, %d of them in Stash", len(claimed), len(scenes))
        if not self._is_bulk:
            self._run.read_at |= {scene.id: scene.updated_at for scene in scenes.values()}
        kept: list[SceneSync] = []
        left_out: list[tuple[ClaimedJob, Scene, str]] = []
        for job in claimed:
            scene = scenes.get(job.scene_id)
            if scene is not None and (reason := why_left_out(scene, self._run.settings)):
                left_out.append((job, scene, reason))
            elif scene is not None:
                kept.append(SceneSync(job, scene))
        self._finish.forget([job for job in claimed if job.scene_id not in scenes])
        self._finish.leave_out(left_out)
        return kept

    # What comes next

    def _claim(self) -> Sequence[ClaimedJob] | None:
        """Claim what comes next: what was saved before what a batch has listed. None when nothing is left."""
        while self._jobs.take_changes(ROUND, self._note_look()):
            pass
        self._let_gather()
        since, self._claimed_at = self._claimed_at, self._note_look()
        claimed: list[ClaimedJob] | None = self._jobs.claim(self._round_size(), self._claimed_at, late=self._with_late)
        # A save amid a batch's scenes is no series of saves.
        self._is_series = not self._is_bulk and any(job.job.enqueued_at > since for job in claimed or ())
        self._is_bulk = not claimed
        if not claimed:
            claimed = self._next_of_batches()
        self._finish.begin(claimed or ())
        return claimed

    def _take_request(self, *, hasten: bool) -> None:
        """Do what a run that lost the lock has asked of this one."""
        word = wake.take_word(self._jobs.connection)
        if word >= wake.BY_HAND or hasten:
            self._jobs.hasten(time.time())
        if word >= wake.BY_HAND:
            self._with_late = True
            if self._bulk:
                self._bulk.take_up(all_batches=word >= wake.ALL_BATCHES)

    def _let_gather(self) -> None:
        """Where one save follows another, wait a moment for more of them.

        They share their reads then, and the hooks of a bulk edit the machine; and no other run has to be started.
        """
        if self._is_series:
            if self._jobs.due(time.time(), late=False) < self._round_size():
                time.sleep(LINGER)
            self._is_series = False

    def _next_of_batches(self) -> list[ClaimedJob] | None:
        try:
            return self._bulk.next(self._round_size()) if self._bulk else None
        except PlexServerDown:
            raise  # whoever started this run tells the breaker
        except PlexTemporaryError as error:
            self._run.health.failed(error)
            raise

    def _is_something_left(self) -> bool:
        is_due = self._jobs.is_due(self._note_look(), late=self._with_late)
        return is_due or (self._bulk is not None and self._bulk.has_work)

    def _note_look(self) -> float:
        self.looked_at = time.time()
        return self.looked_at

    def _round_size(self) -> int:
        return min(ROUND, self._run.plex.pacer.edits_within(ROUND_SECONDS))

    def _measure(self) -> None:
        """Look how far all of it is: once a round, for what waits is counted."""
        batch = self._bulk.shown if self._bulk else None
        if batch:
            self._extent = batch.concluded, batch.total
        elif self._is_bulk:
            self._extent = 0, 0
        else:
            done = self.summary.scenes
            self._extent = done, done + len(self._finish.open) + self._jobs.due(time.time(), late=self._with_late)

    def _show_progress(self, written: int) -> None:
        """Set Stash's bar: scenes that were `written` in this round count as far as they are of what is shown."""
        done, total = self._extent
        done = min(total, done + written)
        percent = 100 * done // total if total else 100
        if percent != self._shown:
            self._shown = percent
            log.progress(done / total if total else 1.0)
