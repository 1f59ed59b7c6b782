"""The edits of a round: one item's own, those that many items share, and what reading them back shows."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace

from sync import log
from sync.errors import PermanentError, SetupError
from sync.model import METADATA, PICTURES, RATING, PlexItem
from sync.plex import client, edits
from sync.plex.difference import difference, may_teach, whole_lists
from sync.plex.edits import MOST_ITEMS, Group, ItemEdit, grouped
from sync.plex.exceptions import (
    PlexItemGone,
    PlexItemRemoved,
    PlexPermanentError,
    PlexServerDown,
    PlexTemporaryError,
    PlexTooLong,
)
from sync.plex.items import read_items
from sync.plex.read_back import left_to_do, seen_to_replace, unset_details
from sync.worker.run import ItemSync, Run, SceneSync, items_of


def once_more(write: Callable[[], object], is_there: Callable[[], bool], name: str) -> None:
    """Write, and once more at once where Plex stumbled and the effect is not there; raises PlexSyncError.

    `name`: of what is written to, for a person.
    """
    try:
        for pause in client.PAUSES:
            try:
                write()
                return
            except PlexTemporaryError as error:
                if not error.stumbled:
                    raise
                log.detail(
                    "%s: Plex stumbled over a write, which is looked at and sent again in %.0f ms: %s",
                    *(name, pause * 1000, error),
                )
            time.sleep(pause)
            if is_there():
                return
        write()
    except PlexItemGone:
        raise PlexItemRemoved(f"{name} was removed from Plex a moment ago") from None


def lock_pictures(item: ItemSync, ours: Sequence[str] | set[str]) -> None:
    """Have an edit that is sent anyway take the locks of these pictures along."""
    item.edit.lock_too |= {name for name, lock in PICTURES.items() if name in ours and lock not in item.item.locked}


class RoundEdits:
    """Edits of the items of a round. Raises PlexServerDown and SetupError."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._most = MOST_ITEMS

    def teaching(self, one: SceneSync) -> ItemSync | None:
        """Return the scene's first item whose edit shows if this server adds to lists; None where that is known."""
        if self._run.plex.ways.lists:
            return None
        return next((item for item in one.items if may_teach(item.item, item.edit)), None)

    def write_shared(self, items: Sequence[ItemSync]) -> None:
        """Send the edits that several items share, as one request for up to a hundred.

        What such a request has not done is left to each item's own edit: one item's trouble is not its neighbours',
        and the circuit breaker counts scenes. Raises PlexServerDown and SetupError.
        """
        ways = self._run.plex.ways
        if not ways.lists:
            items = [item for item in items if not may_teach(item.item, item.edit)]
        of_key = {item.record.rating_key: item for item in items if self._may_share(item)}
        alike = []
        for item in of_key.values():
            lock_pictures(item, set(item.record.memory.sent))
            edit = whole_lists(item.item, item.edit) if ways.lists == "replaces" else item.edit
            alike.append(ItemEdit(*item.place, edit, item.item.locked))
        for group in grouped(alike, self._most, edits.limit_of(self._run.plex)):
            if not self._send_group(group, [of_key[key] for key in group.rating_keys]):
                self._most //= 4  # one that cannot keep up is not given as much again
                return

    def _may_share(self, item: ItemSync) -> bool:
        # Whether a picture may be replaced can hang on the title the item bore, and is noted just before its own edit.
        names_it = self._run.settings.preserve_plex_edits and "title" in item.edit.single
        ways = self._run.plex.ways
        rates_apart = ways.rating == "apart" and RATING in item.edit.single
        return not (item.goes_alone or names_it or rates_apart or (ways.roles == "anew" and item.edit.details))

    def _send_group(self, group: Group, items: list[ItemSync]) -> bool:
        """Return False where Plex failed: what it has not done goes one by one, and no other group is sent now."""
        left = items

        def write() -> None:
            edits.send(self._run.plex, group.section, [item.record.rating_key for item in left], group.parameters)

        def is_there() -> bool:
            nonlocal left
            left = _lacking(self._run, left)
            return not left

        try:
            once_more(write, is_there, f"One of {len(items)} Plex items")
            left = []
            self._run.health.answered()
            log.debug(f"one edit for {len(items)} items")
        except (PlexServerDown, SetupError):
            raise
        except PlexTemporaryError as error:
            log.debug(f"Plex failed one edit for {len(items)} items ({error}); those that lack it get their own")
            try:
                is_there()
            except (PlexServerDown, SetupError):
                raise
            except (PlexTemporaryError, PlexPermanentError, PlexItemGone):
                pass  # which of them lack it is not known
            return False
        except (PermanentError, PlexItemRemoved) as error:
            log.debug(f"Plex did not take one edit for {len(items)} items ({error}); each gets its own")
        finally:
            for item in items:
                if item not in left:
                    item.sent.append(METADATA)
        return True

    def read_back(self, scenes: Sequence[SceneSync]) -> None:
        """Read what was edited, so that what Plex made of it is known; an error is noted with its scene."""
        edited = [item for item in items_of(scenes) if METADATA in item.sent and item.after is None]
        if not edited:
            return
        try:
            found = read_items(self._run.plex, [item.record.rating_key for item in edited])
            seen = ((item, found.get(item.record.rating_key)) for item in edited)
            lists = self._run.plex.ways.lists  # as it was when these edits went out
            again = [item.record.rating_key for item, after in seen if after and self._mend(item, after, lists)]
            if again:
                found |= read_items(self._run.plex, again)
        except (PlexServerDown, SetupError):
            raise
        except PlexTemporaryError as error:
            together = [one for one in scenes if any(item in edited for item in one.items)]
            for one in together:
                # One by one, so that one item's trouble is not the whole round's.
                if len(together) > 1 and self._run.health.is_good:
                    self.read_back([one])
                    continue
                one.errors.append(error)
                if len(together) == 1:
                    self._run.health.failed(error, one.job.job.job_key)
            return
        log.detail("%d of %d edited items read back", len(found), len(edited))
        for item in edited:
            item.after = found.get(item.record.rating_key)

    def mend_unanswered(self, item: ItemSync) -> None:
        """Look what became of an edit that Plex failed, and bring back at once what it took from a list."""
        with suppress(PlexTemporaryError):
            after = read_items(self._run.plex, [item.record.rating_key]).get(item.record.rating_key)
            if after:
                self._mend(item, after, self._run.plex.ways.lists)

    def _mend(self, item: ItemSync, after: PlexItem, lists_then: str) -> bool:
        """Send again, in another way, what this server was seen not to take; True where something was sent.

        `lists_then`: `ServerWays.lists` when the edit was sent.
        """
        ways, edit = self._run.plex.ways, item.edit
        key, sent = item.record.rating_key, False
        replaced = None
        if edit.added and lists_then != "replaces":
            replaced = seen_to_replace(item.item, after, edit, was_divided=len(edits.requests_of(edit)) > 1)
        if replaced is not None:
            self._learn(lists="replaces" if replaced else "adds")
        if replaced:
            log.warning("This Plex replaces lists by the entries of an edit: from now on they are sent whole")
            lists = edits.requests_of(replace(edit, single={}, lock_too=set()), item.item)
            sent = self._send_again(item, lambda: self._put(item, lists))
        unset = unset_details(after, edit)
        if unset and not sent and ways.lists != "replaces":
            self._learn(roles="anew")
            anew = edits.requests_of(edits.with_actors_anew(unset, after))
            sent = self._send_again(item, lambda: self._put(item, anew))
        value = edit.single.get(RATING)
        if value is not None and after.rating != value and ways.rating != "apart" and self._took_another(item, after):
            self._learn(rating="apart")
            sent = self._send_again(item, lambda: edits.rate(self._run.plex, key, value)) or sent
        preserve = self._run.settings.preserve_plex_edits
        if not sent and (
            left := left_to_do(item.item, after, item.wanted, item.record.memory, edit, preserve=preserve)
        ):
            base = after if self._run.plex.ways.lists == "replaces" else None
            sent = self._send_again(item, lambda: self._put(item, edits.requests_of(left, base)))
        return sent

    def _took_another(self, item: ItemSync, after: PlexItem) -> bool:
        """Return whether Plex took some other field of the edit, or was sent the rating alone."""
        others = [name for name in item.edit.fields if name != RATING]
        return not others or any(getattr(after, name) != getattr(item.item, name) for name in others)

    def _put(self, item: ItemSync, requests: Sequence[client.Parameters]) -> None:
        for parameters in requests:
            edits.send(self._run.plex, item.record.section, [item.record.rating_key], parameters)

    def _send_again(self, item: ItemSync, send: Callable[[], object]) -> bool:
        try:
            send()
        except (PlexItemGone, PlexPermanentError) as error:
            log.debug(f"Plex item {item.record.rating_key} did not take it in another way either ({error})")
            return False
        return True

    def shorten(self, item: ItemSync, refused: PlexTooLong) -> bool:
        """Make an item's edit shorter than one that was refused; False where it is short enough for any server."""
        item.limit = next((limit for limit in edits.LIMITS if limit < refused.length), 0)
        if not item.limit:
            return False
        wanted = edits.fitting(item.wanted, item.limit)
        item.is_cut, item.wanted = item.is_cut or wanted is not item.wanted, wanted
        item.edit = difference(item.item, wanted, item.record.memory, preserve=self._run.settings.preserve_plex_edits)
        return True

    def send(self, one: SceneSync, item: ItemSync) -> None:
        """Send an item's own edit, once more where Plex stumbled and did not take it; raises PlexSyncError.

        What it has shown of the length that this server takes is remembered, and what was cut is told.
        """
        plex, edit = self._run.plex, item.edit
        name, limit = f"Plex item {item.record.rating_key}", item.limit or edits.limit_of(plex)
        rating = edit.single.get(RATING) if plex.ways.rating == "apart" else None
        rest = edit if rating is None else edits.without(edit, [RATING])
        once_more(
            lambda: edits.write(plex, item.item, item.record.section, rest, limit),
            lambda: not _lacking(self._run, [item]),
            name,
        )
        if rating is not None:
            once_more(lambda: edits.rate(plex, item.record.rating_key, rating), lambda: False, name)
        if item.limit:
            self._learn(longest=str(item.limit))
        if item.is_cut and (summary := edit.single.get("summary")):
            log.warning(
                f"{one.scene.label}: its summary was cut to the first {len(summary)} of {len(one.scene.details)} "
                "characters, for Plex, or a proxy before it, takes no longer request"
            )

    def _learn(self, **ways: str) -> None:
        plex = self._run.plex
        known = replace(plex.ways, **ways)
        if known != plex.ways:
            plex.ways = known
            self._run.state.put_ways(plex.machine, asdict(known))


def _lacking(run: Run, items: Sequence[ItemSync]) -> list[ItemSync]:
    """Return the items that lack something still, read anew: an edit that was answered with an error may be there.

    Raises PlexItemGone where Plex has not got one of them any more.
    """
    found = read_items(run.plex, [item.record.rating_key for item in items])
    if gone := [item.record.rating_key for item in items if item.record.rating_key not in found]:
        raise PlexItemGone(f"item {gone[0]}")
    preserve = run.settings.preserve_plex_edits
    return [
        item
        for item in items
        if difference(found[item.record.rating_key], item.wanted, item.record.memory, preserve=preserve)
    ]
