"""The drain: claim, read, match, write what differs, read back, remember, acknowledge.

A round of scenes shares its reads: one request to Stash, one batched read of the
matched items before the edits and one after. Edits go one after another: one paced
writer is what Plex's single database takes well. While Plex works on the last edits
of a round the next one is read, and while it works on that one's first edits the
round before comes to its end; so Plex hardly ever waits for this side.

At any moment a kill costs repeated work and no job: rows are acknowledged after
their outcome is on disk, and what is about to be written is noted before it is.
"""

import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Protocol

from sync import log
from sync.errors import PlexSyncError, SetupError, TransientError, describe
from sync.mapping.conditions import why_left_out
from sync.mapping.performer_pictures import PictureAccess
from sync.model import Scene
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexServerDown, PlexTemporaryError
from sync.plex.scan import FolderScans
from sync.queue.batches import Batch
from sync.queue.jobs import Claim, JobStore
from sync.queue.outlook import still_alive
from sync.queue.wake import ALL_BATCHES, EVERYTHING
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.exceptions import StashTemporaryError
from sync.state import State
from sync.worker.circuit_breaker import CircuitBreaker
from sync.worker.covers import Covers
from sync.worker.finish import Conclusion
from sync.worker.locate import Locator
from sync.worker.outage import OutageWatch
from sync.worker.plan import Planner
from sync.worker.portraits import Portraits
from sync.worker.steps import StepBook
from sync.worker.work import Course, Round, Summary, places_of
from sync.worker.write import Flight, ItemWriter

BATCH = 100
"""Scenes that share their reads."""
BATCH_SECONDS = 10.0
"""Seconds of edits that a round holds at the most, where they are slow or spaced out: what was read is to be fresh."""
MOST_AHEAD = 8
"""Scenes whose edits wait for their turn, ready to be sent."""
PAGES_AHEAD = 3
"""Pages of a batch that are looked through for the next round while another waits for its end."""
SECONDS_AHEAD = 0.15
"""Seconds that these edits take at the most: long enough to read a round meanwhile, short for a person's save."""


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
    batches too that failed and waited for a later try. `linger`: seconds to wait for more where one save follows
    another.
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
        linger: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bulk = bulk
        self._linger = linger
        self._locator = locator
        self._with_late = with_late
        self._store = store
        self._state = state
        self._settings = settings
        self._clock = clock
        self._gate = client.gate
        self._pacer = client.gate.pacer
        book = StepBook(state)
        self._watch = OutageWatch(breaker, clock)
        covers = Covers(stash=stash, client=client, state=state, book=book, settings=settings)
        self._planner = Planner(
            stash=stash,
            client=client,
            locator=locator,
            book=book,
            portraits=portraits,
            pictures=pictures,
            scans=scans,
            settings=settings,
        )
        self._writer = ItemWriter(
            client=client, state=state, book=book, covers=covers, watch=self._watch, settings=settings
        )
        self._conclusion = Conclusion(
            store=store,
            state=state,
            machine=client.machine,
            covers=covers,
            settings=settings,
            waits_for_scans=scans is not None,
            clock=clock,
        )
        self._counted: Counter[tuple[str, str]] = Counter()
        self._next: Round | None = None
        """What was read while the round before was written."""
        self._under_way: list[Round] = []
        """Rounds that are being written, or have been and are to be read back."""
        self._flights: deque[tuple[Round, Flight]] = deque()
        self._postponed: list[tuple[Claim, bool]] = []
        """Scenes for which the libraries are to be listed again, and whether they are a batch's."""
        self._listing: Iterator[None] | None = None
        self._listed_for = 0
        """How many of them a listing that has ended was made for."""
        self._claimed_at = clock()
        self._is_series = False
        """Whether somebody has saved a scene while another was dealt with."""
        self._is_bulk = False
        self._shown = -1  # percent on Stash's bar
        self._due_after = 0  # rows that are due after those that are claimed
        self._extent: tuple[int, int, bool | None] = (0, 0, False)
        """Scenes that are through, all there are, and whether a batch's are meant; None: nothing is counted."""
        self.looked_at = clock()
        """When the queue was looked at last for what is due, in seconds since the epoch."""

    @property
    def summary(self) -> Summary:
        """What was done so far."""
        return self._conclusion.summary

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
        except KeyboardInterrupt:
            self._writer.close(wait=False)  # as with a kill, the next run looks what became of it
            raise
        finally:
            self._writer.close()  # before its scenes are given back: what is under way is known then
            self._conclusion.give_back()
            self._store.clear_acknowledged()
            self._store.clear_old_letters(self._clock())
            self._keep_counts()
        return self.summary

    def _step(self) -> bool:
        """Do what comes next: what was saved before what a batch has listed. False when nothing is left."""
        while self._store.take_changes(BATCH, self._look()):
            pass
        following, self._next = self._next, None
        if following and following.is_bulk and self._store.is_due(self._clock(), late=False):
            self._conclusion.give_back(following.claims)  # somebody has saved a scene since it was read
            following = None
        if following is None:
            log.know_files((), anew=True)
            following = self._claim()
        if following is None:
            return False
        try:
            self._work(following)
        except (StashTemporaryError, SetupError):
            self._land()  # Plex has answered: what it took is known
            raise
        return True

    def _claim(self) -> Round | None:
        self._let_gather()
        since, self._claimed_at = self._claimed_at, self._look()
        claims: list[Claim] | None = self._store.claim(self._round_size(), self._claimed_at, late=self._with_late)
        is_bulk = not claims
        # A save amid a batch's scenes is none.
        self._is_series = not self._is_bulk and any(claim.job.enqueued_at > since for claim in claims or ())
        if not claims and self._postponed:
            following = self._list_for_postponed()
        else:
            if not claims:
                claims = self._next_of_batches()
            if claims is None:
                return None
            self._conclusion.begin(claims)
            following = Round(claims, is_bulk)
        busy = {claim.scene_id for one in self._under_way for claim in one.claims}
        if any(claim.scene_id in busy for claim in following.claims):
            self._land()  # somebody has saved a scene that is just being written
        return following

    def _let_gather(self) -> None:
        """Where one save follows another, wait a moment for more of them.

        They share their reads then, and the hooks of a bulk edit the processor; and no other run has to be started.
        """
        if self._is_series and not self._under_way:
            if self._linger and self._store.due(self._clock(), late=False) < self._round_size():
                time.sleep(self._linger)
            self._is_series = False

    def _list_for_postponed(self) -> Round:
        """List another page of the libraries; at the end return the scenes that wait for that.

        In between a save is seen to: a listing may take minutes.
        """
        failure: PlexSyncError | None = None
        if self._listed_for == 0:
            self._listing = self._listing or self._locator.listing()
            try:
                for _ in self._listing:
                    return Round([], is_bulk=False)
            except (PlexServerDown, SetupError):
                raise
            except PlexSyncError as error:
                self._watch.count_server()
                failure = error  # what the libraries hold is not known: nothing is said of a scene by half of it
            self._listing = None
            self._listed_for = len(self._postponed)
        some = self._postponed if failure else self._postponed[: min(BATCH, self._listed_for)]
        self._postponed = self._postponed[len(some) :]
        self._listed_for -= len(some)
        claims = self._conclusion.merge(claim for claim, _ in some)
        return Round(claims, all(is_bulk for _, is_bulk in some), failure=failure)

    def _next_of_batches(self) -> list[Claim] | None:
        try:
            return self._bulk.next(self._round_size()) if self._bulk else None
        except PlexServerDown:
            raise  # whoever started this run tells the breaker
        except PlexTemporaryError:
            self._watch.count_server()
            raise

    def _has_bulk_work(self) -> bool:
        return self._bulk is not None and self._bulk.has_work

    def _keep_counts(self) -> None:
        """Add what this drain did since the last time to the statistics: a drain may be killed."""
        self._conclusion.keep_counts()
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
            self._extent = batch.concluded, batch.total, True
        elif self._is_bulk:
            self._extent = 1, 1, None
        else:
            if self._conclusion.open:
                self._due_after = self._store.due(self._clock(), late=self._with_late)
            self._extent = self.summary.scenes, self.summary.scenes + self._conclusion.open + self._due_after, False

    def _show_progress(self) -> None:
        """Set Stash's bar; scenes that were written count as far as they are of what is shown."""
        done, total, of_batch = self._extent
        if of_batch is not None:
            done += sum(len(one.written) for one in self._under_way if one.is_bulk or not of_batch)
        percent = 100 * done // total if total else 100
        if percent != self._shown:
            self._shown = percent
            log.progress(done / total if total else 1.0)

    # One round

    def _round_size(self) -> int:
        most = min(BATCH, self._planner.most_scenes)
        return most if self._pacer is None else min(most, self._pacer.edits_within(BATCH_SECONDS))

    def _most_ahead(self) -> int:
        """Return how many scenes may wait, ready to be sent, while Plex works on another."""
        if self._pacer is None or self._pacer.is_spaced:
            return 1
        ready = max(1, min(MOST_AHEAD, BATCH // 12, self._pacer.edits_within(SECONDS_AHEAD)))
        return ready + self._gate.in_flight - 1

    def _work(self, one: Round) -> None:
        """Write a round, and read the next one while Plex works on its last edits."""
        may_follow = one.is_bulk or len(one.claims) >= self._round_size()
        self._is_bulk = one.is_bulk
        self._measure()
        still_alive(self._store.connection, self._clock())
        if not one.is_read:
            self._read(one)
        is_whole = self._write(one)
        if is_whole and may_follow and self._watch.is_over and not (self._pacer and self._pacer.is_spaced):
            self._next = self._read_ahead()
        if self._next is None:
            self._land()

    def _read_ahead(self) -> Round | None:
        """Claim and read a round while another is being written; None where nothing comes at once."""
        log.know_files((), anew=True)
        for _ in range(PAGES_AHEAD):
            following = self._claim()
            if following is None:
                return None
            if following.claims:
                break
        else:
            return None
        self._read(following)
        busy = {place for one in self._under_way for place in places_of(one.courses)}
        if not busy.isdisjoint(places_of(following.courses)):
            self._land()  # two scenes at one item: what is made of it by the first counts
            following.courses = [Course(course.claim, course.scene) for course in following.courses]
            self._plan(following)
        return following

    def _read(self, one: Round) -> None:
        """Read what the scenes of a round need; those that need nothing come to their end."""
        scenes = self._planner.scenes_of(one.claims)
        one.courses, one.is_read = [], True
        gone: list[Claim] = []
        left_out: list[tuple[Claim, Scene, str]] = []
        for claim in one.claims:
            scene = scenes.get(claim.scene_id)
            if scene is None:
                gone.append(claim)
            elif reason := why_left_out(scene, self._settings):
                left_out.append((claim, scene, reason))
            else:
                one.courses.append(Course(claim, scene))
        self._conclusion.forget(gone)
        self._conclusion.leave_out(left_out)
        self._plan(one)

    def _plan(self, one: Round) -> None:
        postponed: list[Course] = []

        def plan() -> None:
            postponed.extend(self._planner.plan(one.courses))

        one.error = self._failure_of(plan) if one.courses and not one.failure else None
        if postponed:
            left = {id(course.claim) for course in postponed}
            one.claims = [claim for claim in one.claims if id(claim) not in left]
            self._postponed += [(course.claim, one.is_bulk) for course in postponed]

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

    def _write(self, one: Round) -> bool:
        """Begin to write a round; return whether all of it was begun. What was not goes back on the queue."""
        now = self._clock()
        if one.failure:
            self._land()
            for course in one.courses:
                self._conclusion.fail(course.claim, course.scene, one.failure)
            self._watch.stop_after_failures([])
            return True
        error = one.error or self._failure_of(lambda: self._writer.note_intended(one.courses, now))
        if error:
            self._land()
            self._one_by_one(one.courses, error)
            self._conclusion.give_back(one.claims)
            return True
        if len(self._under_way) > 1:  # small ones
            self._land()
        self._under_way.append(one)
        ordered = self._writer.write_groups(one.courses, self._land)
        self._show_progress()
        try:
            for number, course in enumerate(ordered):
                if not self._watch.is_over:
                    return False  # the rest goes back on the queue as it was
                if one.is_bulk and number and not course.has_sent and self._store.is_due(self._clock(), late=False):
                    self._land(recall=True)  # somebody has saved a scene meanwhile
                    return False
                self._flights.append((one, self._writer.begin(course, now)))
                one.begun += 1
                self._make_room()
        finally:
            one.is_begun = True
            self._writer.end()
        return True

    def _one_by_one(self, courses: list[Course], error: PlexSyncError) -> None:
        if len(courses) == 1:
            courses[0].errors = [error]
            self._watch.count(courses[0], error)
            self._conclusion.fail(courses[0].claim, courses[0].scene, error)
        self._watch.stop_after_failures(courses)
        if len(courses) > 1:
            log.detail("%d scenes go one by one after a failure of them all: %s", len(courses), error)
        for course in courses if len(courses) > 1 else ():
            if self._is_bulk and self._store.is_due(self._clock(), late=False):
                return  # somebody has saved a scene meanwhile
            alone = Round([course.claim], self._is_bulk, [Course(course.claim, course.scene)], is_read=True)
            self._plan(alone)
            self._write(alone)
            self._land()

    # What is under way

    def _make_room(self) -> None:
        """Wait until no more is ready to be sent than may be; meanwhile the round before comes to its end."""
        most = self._most_ahead()
        while len(self._flights) > (0 if self._gate.holds_back else most):
            self._land_next()
        if len(self._flights) == most:
            self._finish_written()

    def _land(self, *, recall: bool = False) -> None:
        """Bring all that is under way to its end; `recall`: but what has not been sent yet goes back on the queue."""
        if recall:
            self._writer.recall(on=True)
        while self._flights:
            self._land_next()
        if recall:
            self._writer.recall(on=False)
        self._finish_written()

    def _land_next(self) -> None:
        one, flight = self._flights.popleft()
        one.landed += 1
        if self._writer.land(flight):
            one.written.append(flight.course)
            self._show_progress()
        if not self._flights:
            self._gate.resume()

    def _finish_written(self) -> None:
        """Read back what was written, and end those scenes."""
        while self._under_way and self._under_way[0].is_written:
            one = self._under_way[0]
            self._writer.read_back(one.written)
            self._conclusion.conclude(one.written)
            self._under_way.remove(one)
            self._watch.stop_after_failures(one.written)
            self._conclusion.give_back(one.claims)  # for a person's save, or with the circuit breaker
            self._measure()
