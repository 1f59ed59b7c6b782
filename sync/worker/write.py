"""Writing to the items of a round: noted before, sent one scene after another, read back after.

What fails is noted with its scene and is no reason to leave the rest out. A Plex that is away, or refuses everybody,
ends the round.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sync.errors import PermanentError, PlexSyncError, SetupError
from sync.mapping.performer_pictures import dated_cover
from sync.model import METADATA, Picture
from sync.plex.difference import kept_entries
from sync.plex.edits import without
from sync.plex.exceptions import PlexPermanentError, PlexServerDown, PlexTemporaryError, PlexTooLong
from sync.stash.exceptions import StashAuthError, StashTemporaryError
from sync.worker.covers import Covers, Upload
from sync.worker.round_edits import RoundEdits, lock_pictures
from sync.worker.run import ItemSync, Run, SceneSync, items_of

_T = TypeVar("_T")
Write = ItemSync | Upload  # one thing to write: an item's own edit, or a picture of its


class Writer:
    """Writes what the scenes of a round lack in Plex. Raises PlexServerDown, SetupError and StashTemporaryError."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._edits = RoundEdits(run)
        self.covers = Covers(run)
        self._now = 0.0
        self.interruption: PlexSyncError | None = None
        """Why the last round was left before its end, where Plex had no part in it."""

    def note_intended(self, scenes: Sequence[SceneSync], now: float) -> None:
        """Commit what is about to be written, for the whole round at once; `now` in seconds since the epoch."""
        noted = []
        for item in items_of(scenes):
            if not item.edit:
                continue
            record, memory = item.record, item.record.memory
            record.steps[METADATA] = record.step(METADATA).begun(item.fingerprint, now)
            for name, values in item.edit.intended().items():
                earlier = memory.intended.get(name, [])
                memory.intended[name] = [*earlier, *(value for value in values if value not in earlier)]
            if self._run.plex.ways.lists != "adds":
                memory.kept |= kept_entries(item.item, item.edit)
            noted.append(record)
        if noted:
            with self._run.state.transaction() as connection:
                self._run.state.put_items(connection, self._run.plex.machine, noted)

    def write(
        self, scenes: Sequence[SceneSync], now: float, stop: Callable[[], bool], show: Callable[[int], None]
    ) -> list[SceneSync]:
        """Write to the items of these scenes; return those that were written, or tried.

        The others go back on the queue: Plex is left alone, or `stop` said so between two scenes. `show` is told how
        many are through.
        """
        self._now = now
        tried: list[SceneSync] = []
        try:
            self._learn_how_lists_are_taken(scenes, tried)
            rest = [one for one in scenes if one not in tried]
            if self._run.health.is_good:
                self._edits.write_shared([item for item in items_of(rest) if item.edit])
            # What was sent to already comes first: it is concluded where Plex begins to fail or somebody saves a scene.
            rest.sort(key=lambda one: (not one.has_sent, one.has_sent and _has_more_to_send(one)))
            self.covers.follow(rest)
            for one in rest:
                if not self._run.health.is_good or (tried and not one.has_sent and stop()):
                    break
                writes = self._prepare(one)
                if not self._run.plex.pacer.wait(lambda: bool(tried) and stop()):
                    break
                show(len(tried))
                tried.append(one)
                self._send(one, writes)
            show(len(tried))
        except (StashTemporaryError, StashAuthError) as error:
            self.interruption = error  # Plex has answered: what it took is known
        finally:
            self.covers.drop()
        self._edits.read_back(tried)
        return tried

    def _send(self, one: SceneSync, writes: Sequence[Write]) -> None:
        """Send a scene's writes one after another, as long as Plex is well, and note what became of them."""
        left = list(writes)
        while left and self._run.health.is_good:
            if self._send_one(one, left[0]):
                del left[0]
        self._tell_health(one)

    def _send_one(self, one: SceneSync, write: Write) -> bool:
        """Send a write and note what became of it; False where it has become shorter and is to be sent again."""
        item, step = _item_of(write), write.step if isinstance(write, Upload) else METADATA
        try:
            if not isinstance(write, Upload):
                self._edits.send(one, item)
            elif not self.covers.send(write, self._now):
                return True
        except PlexSyncError as error:
            if isinstance(error, PlexTooLong) and self._edits.shorten(item, error):
                self.note_intended([one], self._now)
                return False
            item.record.steps[step] = item.record.step(step).failed(error)
            if isinstance(write, Upload) and isinstance(error, PermanentError) and not isinstance(error, SetupError):
                self.covers.note_refused(one.scene, write, error)
            else:
                self._note_failure(one, item, error)
            return True
        if step not in item.sent:
            item.sent.append(step)
        return True

    def _note_failure(self, one: SceneSync, item: ItemSync, error: PlexSyncError) -> None:
        if isinstance(error, (PlexServerDown, SetupError)):
            raise error
        one.errors.append(_refusal_of(item, error) if isinstance(error, PermanentError) else error)
        if isinstance(error, PlexPermanentError) and error.fields:
            item.edit = without(item.edit, error.fields)
            item.sent += [METADATA] if item.edit else []
        self._run.health.failed(error, one.job.job.job_key)

    def _tell_health(self, one: SceneSync) -> None:
        # A write that went well clears nothing where Plex failed another of the scene.
        failed_by_plex = any(isinstance(error, PlexTemporaryError) for error in one.errors)
        # Nor does one that was on its way when the breaker opened.
        if self._run.health.is_good and not failed_by_plex and (not one.errors or one.has_sent):
            self._run.health.answered()

    def _learn_how_lists_are_taken(self, scenes: Sequence[SceneSync], tried: list[SceneSync]) -> None:
        """On a server that is not known yet, let an edit that may teach go to one item alone, and read it back."""
        for one in scenes:
            item = self._edits.teaching(one)
            if item is None or not self._run.health.is_good:
                continue
            writes = self._prepare(one)
            tried.append(one)
            self._send(one, [write for write in writes if _item_of(write) is item])
            if METADATA in item.sent:
                self._edits.read_back([one])
            else:
                self._edits.mend_unanswered(item)
            self._send(one, [write for write in writes if _item_of(write) is not item])

    # One scene

    def _prepare(self, one: SceneSync) -> list[Write]:
        cover = self._fetch_cover(one) if one.items else None
        writes: list[Write] = []
        for item in one.items:
            uploads: list[Upload] = []
            if cover is not None:
                uploads = self._guarded(one, partial(self.covers.uploads, item, cover, self._now)) or []
            if not item.edit:
                item.after = item.item
            elif METADATA not in item.sent and not item.record.step(METADATA).error:
                lock_pictures(item, {*item.record.memory.sent, *(upload.step for upload in uploads)})
                writes.append(item)
            writes += uploads
        return writes

    def _fetch_cover(self, one: SceneSync) -> Picture | None:
        if self.covers.is_known(one.scene, one.items):
            one.cover = one.scene.cover
            return None
        try:
            cover = self.covers.fetch(one.scene)
            one.cover, one.has_no_cover = dated_cover(one.scene.cover, self._now), cover is None
            return cover
        except (StashTemporaryError, SetupError):
            raise
        except PlexSyncError as error:
            one.errors.append(error)
        for item in one.items:
            self._guarded(one, partial(self.covers.note_free, item))
        return None

    def _guarded(self, one: SceneSync, work: Callable[[], _T]) -> _T | None:
        """Do something for one scene alone; its failure is the scene's."""
        try:
            return work()
        except (PlexServerDown, SetupError):
            raise
        except PlexSyncError as error:
            one.errors.append(error)
            self._run.health.failed(error, one.job.job.job_key)
            return None


def _item_of(write: Write) -> ItemSync:
    return write.item if isinstance(write, Upload) else write


def _has_more_to_send(one: SceneSync) -> bool:
    return any(item.edit and METADATA not in item.sent for item in one.items)


def _refusal_of(item: ItemSync, error: PermanentError) -> PermanentError:
    """Return what Plex will not take, and where to look: a refusal names neither."""
    refused = error.fields if isinstance(error, PlexPermanentError) and error.fields else item.edit.fields
    return PlexPermanentError(
        f"{str(error).rstrip('. ')} to write {', '.join(refused)} to item {item.record.rating_key}. Look at "
        "these fields of the scene in Stash for something unusual, or leave them out by their settings"
    )
