"""Writing to the items of a round: noted before, sent one request after another, read back after.

What fails is noted with its scene and is no reason to leave the rest out; a Plex
that is away, or refuses everybody, ends the batch.
"""

from collections.abc import Callable, Container
from concurrent.futures import Future
from dataclasses import dataclass

from sync import log
from sync.errors import PermanentError, PlexSyncError, SetupError
from sync.mapping.performer_pictures import dated_cover
from sync.model import Picture
from sync.plex.client import PlexClient
from sync.plex.difference import PICTURES
from sync.plex.exceptions import PlexPermanentError, PlexServerDown, PlexTemporaryError
from sync.plex.items import read_items
from sync.settings import Settings
from sync.stash.exceptions import StashTemporaryError
from sync.state import State
from sync.worker.covers import Covers
from sync.worker.groups import GroupWriter
from sync.worker.item_steps import METADATA, MetadataStep, PictureStep, RatingStep
from sync.worker.outage import OutageWatch
from sync.worker.outcome import is_unconfirmed
from sync.worker.steps import StepBook, StepState, begun, is_current, put_all, run_steps
from sync.worker.wire import Tried, Wire
from sync.worker.work import Course, Work, works_of

_Write = MetadataStep | RatingStep | PictureStep


@dataclass(frozen=True, slots=True)
class Flight:
    """A scene whose writes are under way."""

    course: Course
    now: float
    writes: list[tuple[Work, _Write]]
    sent: list[_Write]
    """Those of them that are sent ahead."""
    tried: Future[list[Tried]] | None
    """What became of these; None: nothing is sent."""


class ItemWriter:
    """Writes what batches of scenes lack in Plex. Raises PlexServerDown, SetupError and StashTemporaryError."""

    def __init__(
        self,
        *,
        client: PlexClient,
        state: State,
        book: StepBook,
        covers: Covers,
        watch: OutageWatch,
        settings: Settings,
    ) -> None:
        self._client = client
        self._state = state
        self._book = book
        self._covers = covers
        self._wire = Wire(client.gate)
        self._is_recalled = False
        self._watch = watch
        self._preserve = settings.preserve_plex_edits
        self._groups = GroupWriter(client, watch, preserve=settings.preserve_plex_edits)

    def note_intended(self, courses: list[Course], now: float) -> None:
        """Commit what is about to be written, for the whole batch at once."""
        noted, steps = [], []
        for work in works_of(courses):
            if not work.edit:
                continue
            work.went_wrong = work.record_of(METADATA).state is StepState.FAILED
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
        preserve = self._preserve
        steps: list[MetadataStep | RatingStep] = [
            MetadataStep(self._client, work, preserve),
            RatingStep(self._client, work, preserve),
        ]
        return [step for step in steps if step.name not in work.sent and not step.is_there()]

    def write_groups(self, courses: list[Course], settle: Callable[[], None]) -> list[Course]:
        """Send the edits that are the same for many items; `begin` does the rest, in the order that is returned.

        `settle` brings what is under way to its end: these requests do not stand in line, and are not held back.
        Return the scenes with those in front that it has written to, so that they are concluded where Plex begins to
        fail or a person saves a scene. Those with more to do come after those that are done with, which ask Plex
        for nothing more and would hide that it fails one scene after another.
        """
        works = [work for work in works_of(courses) if work.edit]
        for work in works:
            _lock_pictures(work, work.target.record.memory.sent)
        self._groups.write(works, settle)
        begun = [course for course in courses if course.has_sent]
        rest = [course for course in courses if not course.has_sent]
        ordered = [*sorted(begun, key=self._has_more_to_send), *rest]
        self._covers.follow(ordered)
        return ordered

    def _has_more_to_send(self, course: Course) -> bool:
        return any(self._field_steps(work) for work in course.works)

    def begin(self, course: Course, now: float) -> Flight:
        """Begin to write to each of the scene's items; `land` ends it."""
        cover = self._fetch_cover(course, now) if course.works else None
        writes: list[tuple[Work, _Write]] = []
        for work in course.works:
            uploads = self._uploads(course, work, cover, now)
            if not work.edit:
                work.after = work.target.item
            writes += [(work, step) for step in (*self._field_steps(work), *uploads)]
        sent = [step for work, step in writes if not is_current(work.record_of(step.name), step.fingerprint)]
        return Flight(course, now, writes, sent, self._wire.send(sent) if sent else None)

    def land(self, flight: Flight) -> bool:
        """Wait for a scene's writes and note what became of them; what fails is no reason to leave the rest out.

        False where Plex is left alone before all of it was tried, and nothing is wrong with this scene; and where
        it was recalled.
        """
        course = flight.course
        tried = flight.tried.result() if flight.tried else []
        if self._is_recalled and flight.sent and not tried and not course.has_sent:
            return False
        answers = {id(one.step): one for one in tried}
        for work, step in flight.writes:
            if id(step) not in answers and not self._watch.is_over:
                return bool(course.errors)
            self._run(course, work, step, flight.now, answers.get(id(step), step))
        # A step that went well clears nothing where Plex failed another step of the scene.
        failed_by_plex = any(isinstance(error, PlexTemporaryError) for error in course.errors)
        # Nor does one that was on its way, or had nothing to send, when the breaker opened.
        if self._watch.is_over and not failed_by_plex and (not course.errors or course.has_sent):
            self._watch.answered()
        return True

    def _run(self, course: Course, work: Work, step: _Write, now: float, sent: _Write | Tried) -> None:
        try:
            wrote = run_steps(self._book, work.place, [sent], now, work.steps)
            if isinstance(step, PictureStep):
                self._lock_after_group(work, step)
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
            self._watch.count(course, error)
        else:
            work.sent |= dict.fromkeys(wrote)

    def _fetch_cover(self, course: Course, now: float) -> Picture | None:
        if self._covers.is_known(course.scene, course.works):
            course.cover = course.scene.cover
            return None
        try:
            cover = self._covers.fetch(course.scene)
            course.cover, course.has_no_cover = dated_cover(course.scene.cover, now), cover is None
            return cover
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
            self._watch.count(course, error)
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
                self._watch.count(course, error)
        if METADATA not in work.sent:
            _lock_pictures(work, {*work.target.record.memory.sent, *(step.name for step in uploads)})
        return uploads

    def _lock_after_group(self, work: Work, step: PictureStep) -> None:
        """Lock a new picture whose item got a group's edit, which knew nothing of the picture."""
        locked = PICTURES[step.name] in work.target.item.locked or step.name in work.edit.lock_too
        if METADATA not in work.sent or locked:
            return
        try:
            step.lock()
        except PlexPermanentError as error:
            log.debug(f"Plex item {work.place.rating_key}: its {step.name} stays unlocked ({error})")

    def recall(self, *, on: bool) -> None:
        """Take back what was begun and of which nothing has been sent; `on` False: no more."""
        self._is_recalled = on
        (self._client.gate.hold_back if on else self._client.gate.resume)()

    def end(self) -> None:
        """No more scenes follow in this round."""
        self._covers.drop()

    def close(self, *, wait: bool = True) -> None:
        """Send nothing more, and `wait` for what is under way."""
        self._wire.close(wait=wait)

    def read_back(self, courses: list[Course]) -> None:
        """Read what was edited, so that what Plex made of it is known; an error is noted with its scene."""
        edited = [work for work in works_of(courses) if is_unconfirmed(work)]
        if not edited:
            return
        try:
            items = read_items(self._client, [work.target.item.rating_key for work in edited])
        except (PlexServerDown, SetupError):
            raise
        except PlexTemporaryError as error:
            together = [course for course in courses if any(is_unconfirmed(work) for work in course.works)]
            for course in together:
                # One by one, so that one item's trouble is not the whole batch's.
                if len(together) > 1 and self._watch.is_over:
                    self.read_back([course])
                    continue
                course.errors.append(error)
                if len(together) == 1:
                    self._watch.count(course, error)
            return
        log.detail("%d of %d edited items read back", len(items), len(edited))
        for work in edited:
            work.after = items.get(work.target.item.rating_key)


def _lock_pictures(work: Work, ours: Container[str]) -> None:
    """Have an edit that is sent anyway take the locks of these pictures along."""
    work.edit.lock_too |= {
        name for name, lock in PICTURES.items() if name in ours and lock not in work.target.item.locked
    }


def _refusal_of(work: Work, step: MetadataStep | RatingStep, error: PermanentError) -> PermanentError:
    """Return what Plex will not take, and where to look: a refusal names neither."""
    fields = (work.edit.metadata if step.name == METADATA else work.edit.rating).fields
    return PlexPermanentError(
        f"{str(error).rstrip('. ')} to write {', '.join(fields)} to item {work.place.rating_key}. Look at these fields "
        "of the scene in Stash for something unusual, or leave them out by their settings"
    )
