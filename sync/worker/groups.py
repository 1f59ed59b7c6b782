"""Edits that are the same for many items of a batch, sent as one request for all of them.

What a group's request has not done is left to the steps of each item. So one item's
trouble is not its neighbours', and the circuit breaker counts scenes and not groups.
"""

import time
from collections.abc import Callable

from sync import log
from sync.errors import PermanentError, SetupError
from sync.plex import client as plex_client
from sync.plex.client import PlexClient
from sync.plex.difference import difference
from sync.plex.edits import send_to_all
from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexServerDown, PlexTemporaryError
from sync.plex.grouping import MOST_ITEMS, Group, ItemEdit, grouped
from sync.plex.items import read_items
from sync.worker.item_steps import METADATA
from sync.worker.outage import OutageWatch
from sync.worker.work import Work


class GroupWriter:
    """Sends the edits that several items share. `preserve`: the setting `preserve_plex_edits`."""

    def __init__(self, client: PlexClient, watch: OutageWatch, *, preserve: bool) -> None:
        self._client = client
        self._watch = watch
        self._preserve = preserve
        self._most = MOST_ITEMS

    def write(self, works: list[Work], settle: Callable[[], None]) -> None:
        """Send what is the same for several of these items and note METADATA as sent where Plex took it.

        `settle` is called before anything is sent. Raises PlexServerDown and SetupError.
        """
        of_item = {work.place.rating_key: work for work in works if self._may_share(work)}
        edits = [
            ItemEdit(work.place.section, rating_key, work.edit, work.target.item.locked)
            for rating_key, work in of_item.items()
        ]
        groups = grouped(edits, self._most)
        if groups:
            settle()
        for group in groups:
            if not self._send(group, [of_item[rating_key] for rating_key in group.rating_keys]):
                self._most //= 4  # one that cannot keep up is not given as much again
                return

    def _may_share(self, work: Work) -> bool:
        # Whether a picture may be replaced can hang on the title the item bore, and is noted just before its own edit.
        names_it = self._preserve and "title" in work.edit.single
        return not work.went_wrong and not names_it

    def _send(self, group: Group, works: list[Work]) -> bool:
        """Return False where Plex failed: what it has not done goes one by one, and no other group is sent now."""
        pauses = iter(plex_client.PAUSES)
        while works:
            try:
                send_to_all(self._client, group.section, [work.place.rating_key for work in works], group.parameters)
            except (PlexServerDown, SetupError):
                raise
            except PlexTemporaryError as error:
                pause = next(pauses, None) if error.stumbled else None
                if pause is not None:
                    time.sleep(pause)
                missing = self._missing(works)
                if pause is None or missing is None:
                    log.debug(
                        f"Plex failed one edit for {len(works)} items ({error}); those that lack it get their own"
                    )
                    return False
                works = missing
            except (PermanentError, PlexItemGone) as error:
                log.debug(f"Plex did not take one edit for {len(works)} items ({error}); each gets its own")
                return True
            else:
                for work in works:
                    work.sent[METADATA] = None
                self._watch.answered()
                log.debug(f"one edit for {len(works)} items")
                return True
        return True

    def _missing(self, works: list[Work]) -> list[Work] | None:
        """Return the items that lack something still, None where that cannot be known; the others are noted as sent.

        An edit that was answered with an error may be there. An item that is gone is left to its own steps.
        """
        try:
            items = read_items(self._client, [work.place.rating_key for work in works])
        except PlexServerDown:
            raise
        except (PlexTemporaryError, PlexPermanentError):
            return None
        missing = []
        for work in works:
            item = items.get(work.place.rating_key)
            if item is None:
                continue
            if difference(item, work.wanted, work.target.record.memory, preserve=self._preserve).metadata:
                missing.append(work)
            else:
                work.sent[METADATA] = None
        return missing
