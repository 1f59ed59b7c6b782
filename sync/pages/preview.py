"""The operation `preview`: what a sync of one scene would change in Plex. Nothing is written, in Plex or on disk.

The scene goes through what a run does with it, over a state and a queue of its own.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from sync import log
from sync.back.decide import Rating
from sync.errors import SetupError, UnusablePictureError
from sync.mapping.conditions import why_left_out, within_paths
from sync.model import PICTURES, RATING, Scene
from sync.pages.background import Work
from sync.pages.before_after import BROUGHT, OFF, SAME, THEIRS, WRITE, fields_of, watched
from sync.pages.connection import Servers, servers
from sync.pages.operations import Answer, number_in
from sync.plex.file_index import SCHEMA
from sync.plex.sections import choose_sections, read_sections
from sync.queue.job import ClaimedJob, Job
from sync.queue.jobs import JobStore
from sync.queue.order import Order
from sync.settings import Settings
from sync.setup.check import PRIVATE
from sync.state.state import State
from sync.status.reading import files
from sync.text.media_paths import map_path, name_key
from sync.worker.circuit_breaker import CircuitBreaker, PlexHealth
from sync.worker.contenders import Target
from sync.worker.covers import Covers
from sync.worker.plan import plan
from sync.worker.run import ItemSync, Run, SceneSync


def preview(work: Work) -> Answer:
    """Return the `items` of args `scene_id`, each with a row a field, or `problems`. Raises PlexSyncError."""
    scene_id = number_in(work.args, "scene_id")
    with servers(work) as opened:
        settings, stash, client = opened
        stash.with_performer_tags = settings.sync_performer_tags
        stash.with_plays = True
        scene = stash.scenes([scene_id]).get(scene_id)
        if scene is None:
            raise SetupError(f"Scene {scene_id} is not in Stash any more")
        told: Answer = {"scene_id": scene_id, "title": scene.name, "items": [], "problems": []}
        told["left_out"] = why_left_out(scene, settings)
        if told["left_out"]:
            return told
        with _own_run(work.data, opened, scene) as run:
            one = SceneSync(ClaimedJob(Job(scene.id), ()), scene)
            plan(run, [one])
            paths = [file.path for file in within_paths(scene, run.settings).files if file.path]
            return told | {
                "server": client.machine,
                "items": [_item(run, one, item, brings=settings.bring_ratings) for item in one.items],
                "problems": [{"error_type": type(e).__name__, "text": log.redact(str(e))} for e in one.errors],
                "looked_for": [map_path(path, run.rules.pairs) for path in paths],
                "libraries": [index.section.title for index in run.libraries],
            }


@contextlib.contextmanager
def _own_run(data: str, opened: Servers, scene: Scene) -> Iterator[Run]:
    settings, stash, client = opened
    chosen = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
    with (
        tempfile.TemporaryDirectory(prefix="plexsync-") as folder,
        closing(State(PRIVATE)) as state,
        closing(JobStore(folder)) as jobs,
    ):
        state.connection.executescript(SCHEMA)
        _copy(data, state, scene, settings)
        # What a run would do outside of the item it does not do here: a rating may go to Stash, say.
        inside = settings.model_copy(update={"trigger_plex_scan": False, "bring_ratings": False})
        yield Run(inside, stash, client, jobs, state, PlexHealth(CircuitBreaker(jobs.connection)), chosen, Order())


def _item(run: Run, one: SceneSync, item: ItemSync, *, brings: bool) -> dict[str, Any]:
    rows = fields_of(item.item, item.wanted, item.edit, item.record.memory)
    target = Target(item.item, item.record, item.library)
    if brings and run.ratings.outcome(one.scene, target) is Rating.TO_STASH:
        to_stash = {"why": BROUGHT, "after": item.item.rating}
        rows = [row | to_stash if row["name"] == RATING else row for row in rows]
    return {
        "library": item.library,
        "section": item.record.section,
        "rating_key": item.record.rating_key,
        "title": item.item.title,
        "exact": item.record.exact,
        "watched": watched(one.scene, item.item),
        "fields": rows + _pictures(run, one.scene, item),
    }


def _pictures(run: Run, scene: Scene, item: ItemSync) -> list[dict[str, Any]]:
    covers, why, upload = Covers(run), "", set[str]()
    if covers.kinds and not covers.is_known(scene, [item]):
        try:
            picture = run.stash.picture(scene.cover)
            upload = {one.step for one in covers.uploads(item, picture, 0.0)} if picture else upload
        except UnusablePictureError as error:
            why = str(error)
    rows = []
    for kind in PICTURES:
        if kind not in covers.kinds:
            reason = OFF
        elif kind in upload:
            reason = WRITE
        else:
            step = item.record.step(kind)
            is_kept = scene.cover and not step.fingerprint and run.settings.preserve_plex_edits
            reason = THEIRS if is_kept else SAME
        rows.append({"name": kind, "why": reason, "note": why, "has": scene.cover})
    return rows


def _copy(data: str, state: State, scene: Scene, settings: Settings) -> None:
    """Copy what the real state knows of a scene, and of items that may be its own, into a private one."""
    names = {map_path(one.path, settings.path_pairs) for one in scene.files if one.path}
    keys = json.dumps([name_key(name, fold=fold) for name in names for fold in (False, True)])
    with files(data) as (_, real, troubles):
        named = "SELECT rating_key FROM plex_files WHERE name_key IN (SELECT value FROM json_each(?))"
        places = real.rows(named, (keys,)) + real.rows("SELECT rating_key FROM items WHERE scene_id = ?", (scene.id,))
        own = "rating_key IN (SELECT value FROM json_each(?))", (json.dumps([key for (key,) in places]),)
        whole = "1", ()
        tables = {"servers": whole, "plex_libraries": whole, "items": own, "steps": own, "plex_files": own}
        for table, (where, values) in tables.items():
            # A state file of an earlier version may lack a table, or columns.
            if columns := [name for (name,) in real.rows("SELECT name FROM pragma_table_info(?)", (table,))]:
                rows = real.rows(f"SELECT {','.join(columns)} FROM {table} WHERE {where}", values)
                into = f"INSERT OR IGNORE INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"
                state.connection.executemany(into, rows)
    if troubles:
        raise SetupError(troubles[0])
