"""Puts the parts of bulk work together for one run."""

import hashlib
import json
from collections.abc import Sequence

from sync.bulk.reconcile import Reconciler
from sync.bulk.runner import Bulk
from sync.bulk.scenes import Listing
from sync.bulk.unchanged import Unchanged
from sync.mapping.fields import MAPPING_VERSION
from sync.plex.file_index import LibraryIndex
from sync.settings import Settings
from sync.worker.run import Run

_SHAPELESS = {
    *("plex_token", "plex_url", "max_retries", "connect_timeout", "read_timeout", "reconcile_every"),
    *("max_edits_per_second", "debug_logging", "obfuscate_paths"),
}
"""Settings that change nothing about what is right in Plex."""


def bulk_of(run: Run, *, own: Sequence[str], everything: bool, after_outage: bool) -> Bulk:
    """Return the batches as a drain works on them; see `Bulk` for the last three."""
    unchanged = Unchanged(run)
    return Bulk(
        run,
        listing=Listing(run.stash, run.state, run.settings),
        unchanged=unchanged,
        reconciler=Reconciler(run, having_covers=unchanged.having_covers),
        shape=_shape(run.settings, run.plex.machine, run.libraries),
        own=own,
        everything=everything,
        after_outage=after_outage,
    )


def _shape(settings: Settings, machine: str, indexes: Sequence[LibraryIndex]) -> str:
    """Return a short name of the settings, the server and the libraries that decide what is right in Plex."""
    values = settings.model_dump(exclude=_SHAPELESS)
    shape = [MAPPING_VERSION, machine, sorted(index.section.uuid or str(index.section.id) for index in indexes), values]
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:24]
