"""A scene's cover on its way into its items: fetched once, sent where it is new, remembered."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sync import log
from sync.errors import PermanentError, UnusablePictureError
from sync.model import BACKGROUND, METADATA, PICTURES, POSTER, ItemRecord, Picture, Scene, StepRecord, StepState
from sync.plex import artwork
from sync.plex.exceptions import PlexPermanentError
from sync.stash.pictures import Coming
from sync.worker.round_edits import once_more
from sync.worker.run import ItemSync, Run, SceneSync

NO_PICTURE = "none"  # the fingerprint of a picture's step where the scene has none


class Upload(NamedTuple):
    """A picture that an item needs as its poster or background."""

    item: ItemSync
    step: str
    picture: Picture
    in_doubt: bool  # an earlier run may have uploaded this very picture, so Plex is asked first
    overtakes: bool  # another picture's upload was not answered: Plex may do that one after this


class Covers:
    """Covers of scenes as posters and backgrounds of their items, as the settings ask for them."""

    def __init__(self, run: Run) -> None:
        self._stash = run.stash
        self._plex = run.plex
        self._state = run.state
        self._preserve = run.settings.preserve_plex_edits
        is_on = {POSTER: run.settings.sync_poster, BACKGROUND: run.settings.sync_background}
        self.kinds = [kind for kind in is_on if is_on[kind]]  # the pictures that the settings ask for
        self._coming: Coming[Picture | None] | None = None  # those of a round's scenes

    def follow(self, scenes: Sequence[SceneSync]) -> None:
        """The covers of these scenes will be wanted, in their order: those that come next are fetched ahead."""
        self.drop()
        if self.kinds:
            unknown = (one.scene.cover for one in scenes if one.items and not self.is_known(one.scene, one.items))
            self._coming = Coming(self._stash.picture, filter(None, unknown))

    def drop(self) -> None:
        """No more of them follow."""
        if self._coming:
            self._coming.drop()
            self._coming = None

    def fetch(self, scene: Scene) -> Picture | None:
        """Return the scene's cover; None where it has none, none is asked for, or Plex would not take it.

        Raises StashPictureError, StashTemporaryError and StashAuthError.
        """
        if not self.kinds or not scene.cover:
            return None
        try:
            return self._coming.get(scene.cover) if self._coming else self._stash.picture(scene.cover)
        except UnusablePictureError as error:
            log.warning(f"{scene.label}: its cover was left out: {error} in Stash")
            return None

    def is_known(self, scene: Scene, items: Sequence[ItemSync]) -> bool:
        """Return whether all of a scene's items have its cover, by what Stash calls it: it need not be fetched."""
        return bool(scene.cover) and all(
            item.record.cover == scene.cover
            and all(
                item.record.step(kind).state in (StepState.COMPLETED, StepState.REFUSED)
                and kind not in item.record.memory.intended
                for kind in self.kinds
            )
            for item in items
        )

    def note_without(self, record: ItemRecord, now: float) -> None:
        """Note that the scene has no cover to send: it is not asked for again as long as its address stays."""
        for kind in self.kinds:
            if record.step(kind) == StepRecord():
                record.steps[kind] = StepRecord().completed(NO_PICTURE, now)

    def is_in(self, records: Iterable[ItemRecord], sha1: str) -> bool:
        """Return whether these items have this very picture from us wherever the settings ask for it.

        Under `preserve_plex_edits` one that never got a picture from us has a person's.
        """
        return all(
            (self._preserve and step == StepRecord())
            or (step.state in (StepState.COMPLETED, StepState.REFUSED) and step.fingerprint == sha1)
            for step in (record.step(kind) for record in records for kind in self.kinds)
        )

    def uploads(self, item: ItemSync, cover: Picture, now: float) -> list[Upload]:
        """Return the uploads that an item needs, noted as intended; none where Plex has this very picture from us.

        Raises the errors of `plex/exceptions.py`.
        """
        uploads = []
        key, memory = item.record.rating_key, item.record.memory
        for kind in self.kinds:
            step = item.record.step(kind)
            if step.is_current(cover.sha1) and kind not in memory.intended:
                continue
            if step.state is StepState.REFUSED and step.fingerprint == cover.sha1:
                log.detail("Plex item %d: the %s is not sent: Plex refused it before", key, kind)
                continue
            # Without a record the lock alone tells that a picture was chosen, maybe this one and by us.
            in_doubt = cover.sha1 in (step.fingerprint, memory.sent.get(kind), *memory.intended.get(kind, ())) or (
                step == StepRecord() and PICTURES[kind] in item.item.locked
            )
            replaced = ""
            unanswered = step.may_follow(cover.sha1)
            offered = artwork.choices(self._plex, key, kind) if unanswered or self._preserve else []
            overtakes = (unanswered and not artwork.is_chosen(offered, step.fingerprint)) or (
                item.overtakes and kind in memory.intended
            )
            if self._preserve:
                in_doubt = artwork.is_chosen(offered, cover.sha1)
                if not in_doubt and not artwork.may_replace(kind, item.item, offered, memory):
                    log.detail("Plex item %d: the %s stays: somebody chose it in Plex", key, kind)
                    continue
                replaced = next((choice.name for choice in offered if choice.selected), "")
            known = memory.intended.get(kind, [])
            # What may be replaced now may be replaced at the next try, too.
            memory.intended[kind] = [*known, *(name for name in (cover.sha1, replaced) if name and name not in known)]
            item.record.steps[kind] = step.begun(cover.sha1, now)
            with self._state.transaction() as connection:
                self._state.put_items(connection, self._plex.machine, [item.record])
            uploads.append(Upload(item, kind, cover, in_doubt, overtakes))
        return uploads

    def note_free(self, item: ItemSync) -> None:
        """Note what a cover that Stash could not give now may replace later, when the item bears a title of ours.

        Raises the errors of `plex/exceptions.py`.
        """
        if not self._preserve:
            return
        memory = item.record.memory
        for kind in self.kinds:
            offered = artwork.choices(self._plex, item.record.rating_key, kind)
            name = next((choice.name for choice in offered if choice.selected), "")
            known = memory.intended.get(kind, [])
            if name and name not in known and artwork.may_replace(kind, item.item, offered, memory):
                memory.intended[kind] = [*known, name]

    def send(self, upload: Upload, now: float) -> bool:
        """Upload a picture, lock it and note it; False where Plex showed it already. Raises PlexSyncError."""
        item, kind, picture = upload.item, upload.step, upload.picture
        record, key = item.record, item.record.rating_key

        def is_chosen() -> bool:
            return artwork.is_chosen(artwork.choices(self._plex, key, kind), picture.sha1)

        was_there = upload.in_doubt and is_chosen()
        if not was_there:
            once_more(lambda: artwork.upload(self._plex, key, kind, picture), is_chosen, f"Plex item {key}")
        # An edit of fields that was sent has taken the lock along.
        went_along = METADATA in item.sent and kind in item.edit.lock_too
        if PICTURES[kind] not in item.item.locked and not went_along:
            try:
                artwork.lock(self._plex, record.section, key, kind)
            except PlexPermanentError as error:
                log.debug(f"Plex item {key}: the lock of its {kind} stays as it is ({error})")
        name = f"upload://{artwork.ENDPOINTS[kind]}/{picture.sha1}"
        if self._preserve:  # what Plex calls the picture will matter
            name = next((one.name for one in artwork.choices(self._plex, key, kind) if one.selected), name)
        record.memory.sent[kind], record.memory.result[kind] = picture.sha1, name
        if upload.overtakes:  # which picture is chosen is looked at once more, later
            item.overtakes = True
            return not was_there
        record.steps[kind] = record.step(kind).completed(picture.sha1, now)
        record.memory.intended.pop(kind, None)
        return not was_there

    def note_refused(self, scene: Scene, upload: Upload, error: PermanentError) -> None:
        """Note that Plex does not take a picture: it is not sent again, and the rest of the scene is right."""
        record = upload.item.record
        record.steps[upload.step] = record.step(upload.step).failed(error, StepState.REFUSED)
        log.warning(
            f"{scene.label}: Plex did not take its cover as the {upload.step} of item {record.rating_key} ({error}). "
            "Set another cover in Stash; everything else was written"
        )
