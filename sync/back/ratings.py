"""Ratings that were given in Plex, brought to Stash before a scene's own goes out."""

import time
from collections.abc import Sequence
from dataclasses import replace

from sync import log
from sync.back.decide import Rating, rating100, rating_of
from sync.mapping.fields import user_rating
from sync.model import RATING, SINGLE_FIELDS, Scene
from sync.plex.difference import is_ours
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.watched import rating_now, set_rating
from sync.state.state import State
from sync.state.writes import RATINGS
from sync.worker.contenders import Target

GAP = 0.25  # seconds between two ratings that are written to Stash: each of them fires a hook, and Stash has other work


class Ratings:
    """Settles which rating counts. Raises what a request to Stash raises, and sqlite3.Error."""

    def __init__(self, *, stash: StashClient, state: State, settings: Settings) -> None:
        self._stash = stash
        self._state = state
        self._settings = settings
        self._next_at = 0.0  # on the monotonic clock
        self.rated: list[int] = []
        """Scenes whose own hook has put a row on the queue for a rating, since whoever looks at that cleared it."""

    def settle(self, scene: Scene, targets: Sequence[Target]) -> Scene:
        """Bring the rating of a scene's items to Stash where it counts; return the scene with the rating it has then.

        What is known of the items is changed to match, and has to be put on disk by whoever calls: the memory holds
        what both sides had when they were settled last.
        """
        for target in targets:
            scene = self._settle_one(scene, target)
        return scene

    def outcome(self, scene: Scene, target: Target) -> Rating:
        """Return what becomes of an item's rating."""
        item, memory = target.item, target.record.memory
        last = None
        if RATING in memory.sent:
            last = str(memory.result.get(RATING, "")), str(memory.sent[RATING])
        found = rating_of(item.rating, user_rating(scene.rating), last)
        if found not in (Rating.TO_STASH, Rating.STASH_WINS):
            return found
        if item.rating in memory.intended.get(RATING, ()):
            return Rating.STASH_GOES_OUT  # a run that was killed has written it
        if not item.rating and _is_wiped(target):
            return Rating.STASH_GOES_OUT
        if item.rating and last is None and item.rated_at is not None and item.rated_at < self._settings.brings_from:
            return Rating.BOTH_STAY
        return Rating.BOTH_STAY if found is Rating.STASH_WINS and not self._settings.sync_rating else found

    def _settle_one(self, scene: Scene, target: Target) -> Scene:
        found = self.outcome(scene, target)
        if found is Rating.TO_STASH:
            now = rating_now(self._stash, scene.id)
            if now != scene.rating:  # a person has rated it since it was read
                scene = replace(scene, rating=now)
                found = self.outcome(scene, target)
        item, memory, stash = target.item, target.record.memory, user_rating(scene.rating)
        if found is Rating.TO_STASH:
            scene = self._bring(scene, target)
        elif found is Rating.STASH_WINS:
            memory.intended.setdefault(RATING, []).append(item.rating)  # it counts as ours, so that it is replaced
            said = f"rating kept: {stash or 'none'} in Stash counts and not {item.rating or 'none'}"
            self._state.note_brought(scene, target.record, said)
            log.info(
                f"{scene.label}: the rating was changed in Stash ({stash or 'none'}) and in Plex "
                f"({item.rating or 'none'}). Stash's counts"
            )
        elif found is Rating.BOTH_STAY and item.rating and stash:
            memory.sent[RATING], memory.result[RATING] = stash, item.rating
            self._state.note_brought(scene, target.record, f"both ratings stay: {stash} in Stash and {item.rating}")
            log.info(
                f"{scene.label}: rated {stash} in Stash and {item.rating} in Plex. Both stay; the next change of "
                "either counts"
            )
        elif found is Rating.AGREED:
            memory.sent[RATING] = memory.result[RATING] = stash
        return scene

    def _bring(self, scene: Scene, target: Target) -> Scene:
        rating = target.item.rating
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        self.rated.append(scene.id)
        set_rating(self._stash, scene.id, rating100(rating))
        self._next_at = time.monotonic() + GAP
        scene = replace(scene, rating=rating100(rating))
        memory = target.record.memory
        memory.sent[RATING], memory.result[RATING] = user_rating(scene.rating), rating
        self._state.note_brought(scene, target.record, "rating", RATINGS)
        log.info(
            f"{scene.label}: brought the rating {rating or '(none any more)'} from Plex item {target.item.rating_key}"
        )
        return scene


def _is_wiped(target: Target) -> bool:
    """Tell whether Plex has lost all that was written to the item, and not the rating alone: by "Fix match", say."""
    item, memory = target.item, target.record.memory
    written = [name for name in SINGLE_FIELDS if name != RATING and memory.result.get(name)]
    return bool(written) and not any(is_ours(name, getattr(item, name), memory) for name in written)
