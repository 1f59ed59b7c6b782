"""A data folder as it is after many scenes were synced or saved, made through PlexSync's own classes.

A real run of 100,000 scenes takes minutes. `check.py` holds what is made here against what a real run leaves.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sync import paths
from sync.mapping import fingerprint, wanted_of
from sync.model import Memory, PlexItem, Scene, Wanted
from sync.pictures import dated_cover, picture_access
from sync.plex.client import PlexClient, client_identifier
from sync.plex.difference import LIST_FIELDS, SINGLE_FIELDS, difference, remember
from sync.plex.library import LibraryIndex, read_sections
from sync.queue import schema
from sync.queue.store import JobStore
from sync.settings import Settings, read_settings
from sync.stash.client import StashClient
from sync.state import ItemRecord, State
from sync.worker.item_steps import MATCH, METADATA, POSTER
from sync.worker.portraits import Portraits
from sync.worker.steps import Place, StepRecord, begun, completed, put_all
from tests.benchmarks import library

_PAGE = 200


def queue(data: str, scenes: Sequence[int]) -> None:
    """Put a row on the queue for each scene, as hooks do, into a file that a drain has opened before."""
    store = JobStore(paths.queue_folder(data))
    store.close()
    now = time.time()
    connection = schema.connect(paths.queue_file(data))
    connection.execute("BEGIN")
    connection.executemany(schema.INSERT_JOB, [(schema.new_row(scene, now), now) for scene in scenes])
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def synced(data: str, stash_port: int, settings: dict[str, Any], *, first: int = 1, last: int | None = None) -> None:
    """Leave what the sync of scenes `first` to `last` (None: all) leaves: their items, steps, pictures and index.

    Both servers have to be up; Stash has the scenes, Plex their items in the same take.
    """
    os.makedirs(data, exist_ok=True)
    stash = StashClient({"Scheme": "http", "Host": "127.0.0.1", "Port": stash_port})
    stash.plugin_settings()
    chosen = read_settings(settings)
    client = PlexClient(
        chosen.plex_url, chosen.plex_token, identifier=client_identifier(data), connect_timeout=5, read_timeout=60
    )
    state = State(paths.state_file(data))
    try:
        (section,) = read_sections(client)
        state.name_libraries(client.machine, {section.id: section.title}, time.time())
        LibraryIndex(client, state, section).look_for_new()
        maker = _Maker(stash, state, chosen, client.machine)
        after = first - 1
        while scenes := [scene for scene in stash.scene_page(after, _PAGE) if last is None or scene.id <= last]:
            maker.put(scenes)
            after = scenes[-1].id
    finally:
        state.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        state.close()
        client.close()
        stash.close()


class _Maker:
    def __init__(self, stash: StashClient, state: State, settings: Settings, machine: str) -> None:
        self._state, self._settings, self._machine = state, settings, machine
        self._access = picture_access(
            settings.performer_pictures,
            stash_url=settings.stash_url,
            plex_url=settings.plex_url,
            credentials=stash.has_credentials,
            api_key=stash.api_key or "",
        )
        self._portraits = Portraits(stash=stash, state=state, settings=settings, access=self._access)
        self._covers: dict[int, str] = {}

    def put(self, scenes: Sequence[Scene]) -> None:
        """Leave what a run leaves that has written to the items of these scenes."""
        now = time.time()
        records, steps = [], []
        for scene in self._portraits.settle({scene.id: scene for scene in scenes}).values():
            wanted = wanted_of(scene, self._settings, self._access)
            mark, place = fingerprint(wanted, self._settings), Place(self._machine, library.SECTION, scene.id)
            memory = self._memory(scene, wanted)
            records.append(
                ItemRecord(
                    *(library.SECTION, scene.id, scene.id, True, memory, mark, now),
                    cover=dated_cover(scene.cover, now),
                )
            )
            steps += [
                (place, MATCH, completed(StepRecord(), "path", now)),
                (place, METADATA, completed(begun(StepRecord(), mark, now), mark, now)),
            ]
            if wanted.rating:
                rating = begun(StepRecord(), f"rating {wanted.rating}", now)
                steps.append((place, "rating", completed(rating, rating.fingerprint, now)))
            if self._settings.sync_poster:
                sha1 = self._cover(scene.id)
                steps.append((place, POSTER, completed(begun(StepRecord(), sha1, now), sha1, now)))
        with self._state.transaction() as connection:
            self._state.put_items(connection, self._machine, records)
            self._state.put_synced(connection, [(scene.id, scene.refs) for scene in scenes], now)
            put_all(connection, steps)

    def _memory(self, scene: Scene, wanted: Wanted) -> Memory:
        before = PlexItem(scene.id, library.SECTION, title=_stem(scene), files=scene.files)
        held: dict[str, Any] = {name: getattr(wanted, name) or getattr(before, name) for name in SINGLE_FIELDS}
        held |= {name: getattr(wanted, name) or () for name in LIST_FIELDS}
        after = replace(before, **held)
        memory = Memory()
        edit = difference(before, wanted, memory, preserve=self._settings.preserve_plex_edits)
        if self._settings.sync_poster:
            sha1 = self._cover(scene.id)
            memory.sent["poster"], memory.result["poster"] = sha1, f"upload://posters/{sha1}"
        return remember(before, after, wanted, memory, edit)

    def _cover(self, n: int) -> str:
        key = n % 100
        if key not in self._covers:
            self._covers[key] = hashlib.sha1(library.cover(n), usedforsecurity=False).hexdigest()
        return self._covers[key]


def _stem(scene: Scene) -> str:
    return scene.files[0].path.rpartition("/")[2].rpartition(".")[0]
