"""Puts the parts of bulk work together for one run."""

import hashlib
import json
from collections.abc import Sequence

from sync.bulk.reconcile import Reconciler
from sync.bulk.runner import Bulk
from sync.bulk.scenes import Listing
from sync.bulk.unchanged import Unchanged
from sync.mapping.fields import MAPPING_VERSION
from sync.mapping.performer_pictures import PictureAccess
from sync.plex.client import PlexClient
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.queue.jobs import JobStore
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.state import State
from sync.worker.covers import Covers
from sync.worker.locate import Locator
from sync.worker.portraits import Portraits
from sync.worker.steps import StepBook

_SHAPELESS = {
    *("plex_token", "plex_url", "max_retries", "connect_timeout", "read_timeout", "reconcile_every"),
    *("max_edits_per_second", "edits_in_flight", "debug_logging", "obfuscate_paths"),
}
"""Settings that change nothing about what is right in Plex."""


def bulk_of(
    *,
    store: JobStore,
    state: State,
    stash: StashClient,
    client: PlexClient,
    locator: Locator,
    indexes: Sequence[LibraryIndex],
    rules: Rules,
    settings: Settings,
    pictures: PictureAccess | None,
    portraits: Portraits,
    own: Sequence[str],
    everything: bool,
    after_outage: bool,
) -> Bulk:
    """Return the batches as a drain works on them; see `Bulk` for the last three."""
    covers = Covers(stash=stash, client=client, state=state, book=StepBook(state), settings=settings)
    unchanged = Unchanged(
        machine=client.machine,
        state=state,
        indexes=indexes,
        rules=rules,
        settings=settings,
        pictures=pictures,
        covers=covers,
        portraits=portraits,
    )
    reconciler = Reconciler(
        state=state,
        locator=locator,
        settings=settings,
        pictures=pictures,
        portraits=portraits,
        having_covers=unchanged.having_covers,
    )
    return Bulk(
        store=store,
        state=state,
        machine=client.machine,
        listing=Listing(stash, state, settings),
        unchanged=unchanged,
        reconciler=reconciler,
        indexes=indexes,
        settings=settings,
        shape=_shape(settings, client.machine, indexes),
        own=own,
        everything=everything,
        after_outage=after_outage,
    )


def _shape(settings: Settings, machine: str, indexes: Sequence[LibraryIndex]) -> str:
    """Return a short name of the settings, the server and the libraries that decide what is right in Plex."""
    values = settings.model_dump(exclude=_SHAPELESS)
    shape = [MAPPING_VERSION, machine, sorted(index.section.uuid or str(index.section.id) for index in indexes), values]
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:24]
