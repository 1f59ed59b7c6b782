"""A scene's cover on its way into its items: fetched once, sent where it is new, remembered."""

from collections.abc import Iterable, Sequence

from sync import log
from sync.errors import PermanentError, UnusablePictureError
from sync.model import Picture, Scene
from sync.plex import artwork
from sync.plex.client import PlexClient
from sync.plex.difference import PICTURES
from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexServerDown, PlexTemporaryError
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.pictures import Coming
from sync.state import State
from sync.worker.item_steps import BACKGROUND, METADATA, POSTER, PictureStep
from sync.worker.steps import (
    NO_PICTURE,
    Place,
    StepBook,
    StepRecord,
    StepState,
    begun,
    completed,
    is_current,
    put_all,
    refused,
)
from sync.worker.work import Course, Work


class Covers:
    """Covers of scenes as posters and backgrounds of their items, as the settings ask for them."""

    def __init__(
        self, *, stash: StashClient, client: PlexClient, state: State, book: StepBook, settings: Settings
    ) -> None:
        self._stash = stash
        self._client = client
        self._state = state
        self._book = book
        self._preserve = settings.preserve_plex_edits
        self._kinds = [
            kind for kind, on in ((POSTER, settings.sync_poster), (BACKGROUND, settings.sync_background)) if on
        ]
        self._coming: Coming[Picture] | None = None
        """Those of a round's scenes."""

    def follow(self, courses: Sequence[Course]) -> None:
        """The covers of these scenes will be wanted, in their order: those that come next are fetched ahead."""
        self.drop()
        if self._kinds:
            unknown = (one.scene.cover for one in courses if one.works and not self.is_known(one.scene, one.works))
            self._coming = self._stash.pictures(filter(None, unknown))

    def drop(self) -> None:
        """No more of them follow."""
        if self._coming:
            self._coming.drop()
            self._coming = None

    def coming(self, covers: Iterable[str]) -> Coming[Picture]:
        """Return what fetches these covers ahead, by their path and query."""
        return self._stash.pictures(covers)

    def fetch(self, scene: Scene) -> Picture | None:
        """Return the scene's cover; None where it has none, none is asked for, or Plex would not take it.

        Raises StashPictureError, StashTemporaryError and StashAuthError.
        """
        if not self._kinds or not scene.cover:
            return None
        try:
            picture = self._coming.get(scene.cover) if self._coming else self._stash.picture(scene.cover)
            log.detail(
                "%s: cover %s",
                scene.label,
                f"of {len(picture.content) / 1000:.0f} kB ({picture.type})" if picture else "not there",
            )
            return picture
        except UnusablePictureError as error:
            log.warning(f"{scene.label}: its cover was left out: {error} in Stash")
            return None

    def is_known(self, scene: Scene, works: list[Work]) -> bool:
        """Return whether all of a scene's items have its cover, by what Stash calls it: it need not be fetched."""
        return bool(scene.cover) and all(
            work.target.record.cover == scene.cover
            and all(
                work.record_of(kind).state in (StepState.COMPLETED, StepState.REFUSED)
                and kind not in work.target.record.memory.intended
                for kind in self._kinds
            )
            for work in works
        )

    def without_cover(self, work: Work, now: float) -> list[tuple[Place, str, StepRecord]]:
        """Return what to record of an item whose scene has no cover to send: it is not asked for again as long as
        its address stays."""
        return [
            (work.place, kind, completed(StepRecord(), NO_PICTURE, now))
            for kind in self._kinds
            if work.record_of(kind) == StepRecord()
        ]

    def is_in(self, places: list[Place], sha1: str) -> bool:
        """Return whether these items have this very picture from us wherever the settings ask for it.

        Under `preserve_plex_edits` one that never got a picture from us has a person's.
        """
        records = [self._book.of(place).get(kind, StepRecord()) for place in places for kind in self._kinds]
        return all(
            (self._preserve and record == StepRecord())
            or (record.state in (StepState.COMPLETED, StepState.REFUSED) and record.fingerprint == sha1)
            for record in records
        )

    @property
    def are_synced(self) -> bool:
        """Whether the settings ask for any picture of scenes."""
        return bool(self._kinds)

    def steps(self, work: Work, cover: Picture, now: float) -> list[PictureStep]:
        """Return the uploads that an item needs, noted as intended; none where Plex has this very picture from us.

        Raises the errors of `plex/exceptions.py`.
        """
        steps = []
        for kind in self._kinds:
            record, memory = work.record_of(kind), work.target.record.memory
            if is_current(record, cover.sha1):
                # A run that ended between the upload and the end of its batch has left the lock and the memory undone.
                if kind in memory.intended and self._is_still_ours(work, kind, cover.sha1):
                    steps.append(PictureStep(self._client, work, kind, cover, in_doubt=False))
                continue
            if record.state is StepState.REFUSED and record.fingerprint == cover.sha1:
                log.detail("Plex item %d: the %s is not sent: Plex refused it before", work.place.rating_key, kind)
                continue
            # Without a record the lock alone tells that a picture was chosen, maybe this one and by us.
            in_doubt = cover.sha1 in (record.fingerprint, memory.sent.get(kind), *memory.intended.get(kind, ())) or (
                record == StepRecord() and PICTURES[kind] in work.target.item.locked
            )
            replaced = ""
            if self._preserve:
                offered = artwork.choices(self._client, work.place.rating_key, kind)
                in_doubt = artwork.is_chosen(offered, cover.sha1)
                if not in_doubt and not artwork.may_replace(kind, work.target.item, offered, memory):
                    log.detail("Plex item %d: the %s stays: somebody chose it in Plex", work.place.rating_key, kind)
                    continue
                replaced = next((choice.name for choice in offered if choice.selected), "")
            self._note_intended(work, kind, cover.sha1, replaced, now)
            steps.append(PictureStep(self._client, work, kind, cover, in_doubt))
        return steps

    def note_free(self, work: Work) -> None:
        """Note what a cover that Stash could not give now may replace later, when the item bears a title of ours.

        Raises the errors of `plex/exceptions.py`.
        """
        if not self._preserve:
            return
        memory = work.target.record.memory
        for kind in self._kinds:
            offered = artwork.choices(self._client, work.place.rating_key, kind)
            name = next((choice.name for choice in offered if choice.selected), "")
            known = memory.intended.get(kind, [])
            if name and name not in known and artwork.may_replace(kind, work.target.item, offered, memory):
                memory.intended[kind] = [*known, name]

    def _note_intended(self, work: Work, kind: str, sha1: str, replaced: str, now: float) -> None:
        memory = work.target.record.memory
        known = memory.intended.get(kind, [])
        # What may be replaced now may be replaced at the next try, too.
        memory.intended[kind] = [*known, *(name for name in (sha1, replaced) if name and name not in known)]
        work.steps[kind] = begun(work.record_of(kind), sha1, now)
        with self._state.transaction() as connection:
            self._state.put_items(connection, work.place.machine, [work.target.record])
            put_all(connection, [(work.place, kind, work.steps[kind])])

    def _is_still_ours(self, work: Work, kind: str, sha1: str) -> bool:
        """Return whether a picture that was uploaded is to be settled; where somebody has chosen another since, not."""
        if not self._preserve:
            return True
        return artwork.is_chosen(artwork.choices(self._client, work.place.rating_key, kind), sha1)

    def remember(self, work: Work, step: PictureStep) -> None:
        """Lock and remember a picture that Plex shows now; what Plex calls it is asked where that will matter.

        Raises the errors of `plex/exceptions.py`. What was intended stays noted then, and this is done next time.
        """
        memory = work.target.record.memory
        # An edit of fields that was sent has taken the lock along.
        if PICTURES[step.name] not in work.target.item.locked and METADATA not in work.sent:
            try:
                step.lock()
            except PlexPermanentError as error:
                log.debug(f"Plex item {work.place.rating_key}: its {step.name} stays unlocked ({error})")
            work.edit.lock_too.discard(step.name)
        name = f"upload://{artwork.ENDPOINTS[step.name]}/{step.picture.sha1}"
        if self._preserve:
            offered = artwork.choices(self._client, work.place.rating_key, step.name)
            name = next((choice.name for choice in offered if choice.selected), name)
        memory.sent[step.name], memory.result[step.name] = step.picture.sha1, name
        memory.intended.pop(step.name, None)

    def give_up(self, scene: Scene, work: Work, step: PictureStep, error: PermanentError) -> None:
        """Note that Plex does not take a picture: it is not sent again, and the rest of the scene is right."""
        self._book.put(work.place, step.name, refused(work.record_of(step.name), error))
        was_ours = step.name in work.target.record.memory.sent
        if METADATA in work.sent and step.name in work.edit.lock_too and not was_ours:
            self._unlock(work, step.name)
        log.warning(
            f"{scene.label}: Plex did not take its cover as the {step.name} of item {work.place.rating_key} ({error}). "
            "Set another cover in Stash; everything else was written"
        )

    def _unlock(self, work: Work, kind: str) -> None:
        """Give a picture back to Plex's agents that an edit has locked for one of ours."""
        place = work.place
        try:
            artwork.set_lock(self._client, place.section, place.rating_key, kind, locked=False)
        except PlexServerDown:
            raise
        except (PlexItemGone, PlexPermanentError, PlexTemporaryError) as error:
            log.debug(f"Plex item {place.rating_key}: its {kind} stays locked ({error})")
