"""One function for each task of PlexSync.yml."""

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from sync import paths
from sync.errors import PlexSyncError, SetupError
from sync.plex.client import PlexClient, client_identifier
from sync.plex.library import LibraryIndex, choose_sections, read_sections
from sync.plex.matcher import Rules
from sync.queue.store import JobStore
from sync.settings import Settings, defaults, read_settings
from sync.stash import log
from sync.stash.client import StashClient
from sync.state import State
from sync.worker.locate import Locator
from sync.worker.processor import Drain

# What the libraries have to say goes nowhere: it may hold URLs, and Stash logs a bare line as an error.
logging.getLogger().addHandler(logging.NullHandler())


def process_queue(server_connection: Mapping[str, Any], data: str, *, everything: bool) -> str:
    """Drain the queue; return what was done, in a sentence. Call it with the drain's lock held.

    `everything`: a person asked, so what waits for a later try is tried too.
    Raises PlexSyncError, whose text ends with what became of the queue.
    """
    try:
        store = JobStore(paths.queue_folder(data))
    except (sqlite3.Error, OSError) as error:
        raise _unusable(paths.queue_file(data), error) from None
    try:
        try:
            return _drain(server_connection, data, store, everything)
        except sqlite3.Error as error:
            raise _unusable(data, error) from None
    except PlexSyncError as error:
        waiting = store.waiting()
        if not waiting:
            raise
        stay = "1 job stays" if waiting == 1 else f"{waiting} jobs stay"
        raise PlexSyncError(f"{str(error).rstrip('. ')} ({stay} queued)") from None
    finally:
        store.close()


def _drain(server_connection: Mapping[str, Any], data: str, store: JobStore, everything: bool) -> str:
    stash = StashClient(server_connection)
    panel = stash.fill_settings(defaults())
    log.keep_secret(_text(panel.get("plex_token")))
    settings = read_settings(panel)
    client = _plex(settings, data)
    try:
        state = State(paths.state_file(data))
    except (sqlite3.Error, OSError) as error:
        raise _unusable(paths.state_file(data), error) from None
    try:
        chosen = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
        locator = Locator(
            client=client,
            stash=stash,
            state=state,
            indexes=[LibraryIndex(client, state, section) for section in chosen],
            rules=Rules(settings.path_pairs, settings.strict_matching, client.folds_case),
            by_hand=everything,
        )
        drain = Drain(store=store, state=state, stash=stash, client=client, locator=locator, settings=settings)
        try:
            drain.run(everything=everything)
        finally:
            if drain.summary.scenes:
                log.info(f"Process queue: {drain.summary}")
        return str(drain.summary)
    finally:
        state.close()
        client.close()
        stash.close()


def _plex(settings: Settings, data: str) -> PlexClient:
    try:
        identifier = client_identifier(data)
    except OSError as error:
        raise _unusable(data, error) from None
    return PlexClient(
        settings.plex_url,
        settings.plex_token,
        identifier=identifier,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )


def _unusable(path: str, error: Exception) -> SetupError:
    return SetupError(
        f"PlexSync's data in {path!r:.300} cannot be read or written ({error}). Check the folder's free space and "
        "permissions"
    )


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) else None
