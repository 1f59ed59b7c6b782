"""A data folder as it is after many scenes were synced or saved, made through PlexSync's own classes.

A real run of 100,000 scenes takes minutes. `check.py` holds what is made here against what a real run leaves.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import Any

from sync import data_folder
from sync.mapping.fields import fingerprint, wanted_of
from sync.mapping.performer_pictures import PictureAccess, dated_cover, picture_access
from sync.model import (
    LIST_FIELDS,
    MATCH,
    METADATA,
    POSTER,
    SINGLE_FIELDS,
    ItemRecord,
    Memory,
    PlexItem,
    Scene,
    StepRecord,
    Wanted,
)
from sync.plex.client import PlexClient, client_identifier
from sync.plex.difference import difference
from sync.plex.file_index import LibraryIndex
from sync.plex.read_back import remember
from sync.plex.sections import read_sections
from sync.queue import schema
from sync.queue.jobs import JobStore
from sync.settings import Settings, read_settings
from sync.stash.client import StashClient
from sync.state.state import State
from sync.worker.portraits import Portraits
from tests.benchmarks import library

_PAGE = 200
_WORTH = 5_000  # scenes from which on processes are started to make their records


def queue(data: str, scenes: Sequence[int]) -> None:
    """Put a row on the queue for each scene, as hooks do, into a file that a drain has opened before."""
    store = JobStore(data_folder.queue_folder(data))
    store.close()
    now = time.time()
    connection = schema.connect(data_folder.queue_file(data))
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
    state = State(data_folder.state_file(data))
    try:
        (section,) = read_sections(client)
        state.name_libraries(client.machine, {section.id: section.title}, time.time())
        LibraryIndex(client, state, section).look_for_new()
        access = picture_access(
            chosen.performer_pictures,
            stash_url=chosen.stash_url,
            plex_url=chosen.plex_url,
            credentials=stash.has_credentials,
            api_key=stash.api_key or "",
        )
        portraits = Portraits(stash=stash, state=state, settings=chosen, access=access)
        making = _Making(chosen, access, client.machine)
        with _workers(stash.count_scenes({}) if last is None else last - first + 1) as spread:
            for some in _batched(_pages(stash, portraits, first, last), 20):
                made = list(spread(making.rows, some))
                now = time.time()
                with state.transaction() as connection:
                    for scenes, records in zip(some, made, strict=True):
                        state.put_items(connection, client.machine, records)
                        state.put_synced(connection, [(scene.id, scene.refs) for scene in scenes], now)
    finally:
        state.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        state.close()
        client.close()
        stash.close()


def _pages(stash: StashClient, portraits: Portraits, first: int, last: int | None) -> Iterator[list[Scene]]:
    after = first - 1
    while scenes := [scene for scene in stash.scene_page(after, _PAGE) if last is None or scene.id <= last]:
        yield list(portraits.settle({scene.id: scene for scene in scenes}).values())
        after = scenes[-1].id


def _batched(pages: Iterator[list[Scene]], size: int) -> Iterator[list[list[Scene]]]:
    while some := list(islice(pages, size)):
        yield some


@contextmanager
def _workers(scenes: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """Give a `map`: over all cores, where it is worth starting processes."""
    if scenes < _WORTH:
        yield map
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield pool.map


@dataclass(frozen=True, slots=True)
class _Making:
    """What has to be known to make the records of scenes; it goes to other processes."""

    settings: Settings
    access: PictureAccess | None
    machine: str

    def rows(self, scenes: Sequence[Scene]) -> list[ItemRecord]:
        """Return what a run leaves that has written to the items of these scenes."""
        now = time.time()
        records = []
        for scene in scenes:
            wanted = wanted_of(scene, self.settings, self.access)
            mark = fingerprint(wanted, self.settings)
            record = ItemRecord(library.SECTION, scene.id, scene.id, True, self._memory(scene, wanted), mark, now)
            record.cover = dated_cover(scene.cover, now)
            records.append(record)
            done = {METADATA: mark}
            if self.settings.sync_poster:
                done[POSTER] = _cover(scene.id % 100)
            record.steps[MATCH] = StepRecord().completed("path", now)
            for name, mark in done.items():
                record.steps[name] = StepRecord().begun(mark, now).completed(mark, now)
        return records

    def _memory(self, scene: Scene, wanted: Wanted) -> Memory:
        before = PlexItem(scene.id, library.SECTION, title=_stem(scene), files=scene.files)
        held: dict[str, Any] = {name: getattr(wanted, name) or getattr(before, name) for name in SINGLE_FIELDS}
        held |= {name: getattr(wanted, name) or () for name in LIST_FIELDS}
        after = replace(before, **held)
        memory = Memory()
        edit = difference(before, wanted, memory, preserve=self.settings.preserve_plex_edits)
        if self.settings.sync_poster:
            sha1 = _cover(scene.id % 100)
            memory.sent["poster"], memory.result["poster"] = sha1, f"upload://posters/{sha1}"
        return remember(before, after, wanted, memory, edit)


@cache
def _cover(n: int) -> str:
    return hashlib.sha1(library.cover(n), usedforsecurity=False).hexdigest()


def _stem(scene: Scene) -> str:
    return scene.files[0].path.rpartition("/")[2].rpartition(".")[0]
