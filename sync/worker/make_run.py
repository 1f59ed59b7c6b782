"""Makes the `Run`: everything that a run needs, from the settings and the two clients."""

from collections.abc import Sequence

from sync.back.ratings import Ratings
from sync.mapping.performer_pictures import picture_access
from sync.plex.client import PlexClient, ServerWays
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.plex.scan import FolderScans
from sync.plex.sections import Section
from sync.queue.jobs import JobStore
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.state import State
from sync.worker.circuit_breaker import CircuitBreaker, PlexHealth
from sync.worker.locate import Locator
from sync.worker.portraits import Portraits
from sync.worker.run import Run


def make_run(
    *,
    settings: Settings,
    stash: StashClient,
    client: PlexClient,
    jobs: JobStore,
    breaker: CircuitBreaker,
    state: State,
    chosen: Sequence[Section],
    by_hand: bool,
) -> Run:
    """Return what a run over the `chosen` libraries needs. Call it once the settings were read from this Stash."""
    client.ways = ServerWays(**state.ways_of(client.machine))
    rules = Rules(settings.path_pairs, settings.strict_matching, client.folds_case)
    libraries = [LibraryIndex(client, state, section) for section in chosen]
    pictures = picture_access(
        settings.performer_pictures,
        stash_url=settings.stash_url,
        plex_url=settings.plex_url,
        credentials=stash.has_credentials,
        api_key=stash.api_key or "",
    )
    return Run(
        settings=settings,
        stash=stash,
        plex=client,
        jobs=jobs,
        state=state,
        health=PlexHealth(breaker),
        libraries=libraries,
        rules=rules,
        locator=Locator(client=client, stash=stash, state=state, indexes=libraries, rules=rules, by_hand=by_hand),
        portraits=Portraits(stash=stash, state=state, settings=settings, access=pictures),
        ratings=Ratings(stash=stash, state=state, settings=settings),
        pictures=pictures,
        scans=FolderScans(client, chosen, rules) if settings.trigger_plex_scan else None,
    )
