"""The steps that write to one item: metadata, rating, poster, background.

Each knows how to look whether its effect is in Plex and how to write it; when
it runs, and what is recorded of it, is `steps.py`'s.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sync import log
from sync.model import Picture
from sync.plex import artwork, edits
from sync.plex import client as plex_client
from sync.plex.client import PlexClient
from sync.plex.difference import RATING, Edit, difference
from sync.plex.exceptions import PlexItemGone, PlexItemRemoved, PlexTemporaryError
from sync.plex.items import read_items
from sync.worker.work import Work

MATCH, METADATA, POSTER, BACKGROUND = "match", "metadata", "poster", "background"
"""The names of the steps, beside `difference.RATING`."""


@dataclass(frozen=True, slots=True)
class MetadataStep:
    """The one edit of an item's fields and lists. It is completed when the item was read back."""

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
        return not self.work.edit.metadata

    def run(self) -> None:
        """Send the edit, once more where Plex stumbled and did not take it; raises PlexSyncError."""
        place = self.work.place
        _send(
            lambda: edits.send(self.client, place.section, place.rating_key, self.work.edit.metadata),
            lambda: not left_to_do(self.client, self.work, preserve=self.preserve).metadata,
            place.rating_key,
        )


@dataclass(frozen=True, slots=True)
class RatingStep:
    """The rating of the token's owner. It is completed when the item was read back."""

    client: PlexClient
    work: Work
    preserve: bool
    name: str = RATING
    confirmed_later: bool = True

    @property
    def fingerprint(self) -> str:
        """Names the rating."""
        return f"rating {self.work.wanted.rating or 'none'}"

    def is_there(self) -> bool:
        """Return whether nothing is to be written: the item was read a moment ago."""
        return not self.work.edit.rating

    def run(self) -> None:
        """Send the rating; raises PlexSyncError."""
        rating_key = self.work.place.rating_key
        _send(
            lambda: edits.rate(self.client, rating_key, self.work.edit.single[RATING]),
            lambda: not left_to_do(self.client, self.work, preserve=self.preserve).rating,
            rating_key,
        )


@dataclass(frozen=True, slots=True)
class PictureStep:
    """The upload of the poster or the background.

    `in_doubt`: an earlier run may have uploaded this very picture, so Plex is asked first.
    """

    client: PlexClient
    work: Work
    name: str
    picture: Picture
    in_doubt: bool
    confirmed_later: bool = False

    @property
    def fingerprint(self) -> str:
        """Names the picture by its content."""
        return self.picture.sha1

    def is_there(self) -> bool:
        """Return whether Plex shows this very picture; raises PlexSyncError."""
        return self.in_doubt and self._is_chosen()

    def run(self) -> None:
        """Upload the picture; raises PlexSyncError."""
        rating_key = self.work.place.rating_key
        _send(lambda: artwork.upload(self.client, rating_key, self.name, self.picture), self._is_chosen, rating_key)

    def lock(self) -> None:
        """Lock the picture, so that Plex's agents leave it; raises PlexSyncError."""
        place = self.work.place
        _send(
            lambda: artwork.set_lock(self.client, place.section, place.rating_key, self.name, locked=True),
            lambda: False,
            place.rating_key,
        )

    def _is_chosen(self) -> bool:
        offered = artwork.choices(self.client, self.work.place.rating_key, self.name)
        return artwork.is_chosen(offered, self.picture.sha1)


def left_to_do(client: PlexClient, work: Work, *, preserve: bool) -> Edit:
    """Return what an item lacks as it is now, read anew: an edit that was answered with an error may be there."""
    key = work.place.rating_key
    item = read_items(client, [key]).get(key)
    if item is None:
        raise PlexItemGone(f"item {key}")
    return difference(item, work.wanted, work.target.record.memory, preserve=preserve)


def _send(write: Callable[[], object], is_there: Callable[[], bool], rating_key: int) -> None:
    """Write, and once more at once where Plex stumbled and the effect is not there; raises PlexSyncError."""
    try:
        for pause in plex_client.PAUSES:
            try:
                write()
                return
            except PlexTemporaryError as error:
                if not error.stumbled:
                    raise
                log.detail(
                    "Plex item %d: Plex stumbled over a write, which is looked at and sent again in %.0f ms: %s",
                    *(rating_key, pause * 1000, error),
                )
            time.sleep(pause)
            if is_there():
                return
        write()
    except PlexItemGone:
        raise PlexItemRemoved(f"Plex item {rating_key} was removed from Plex a moment ago") from None
