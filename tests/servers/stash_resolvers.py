"""The stand-in Stash's GraphQL: a subset of the true schema, answered from the store.

Mutations change the store first and run the hooks afterwards, inside the request, as Stash does.
"""

from __future__ import annotations

import functools
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLResolveInfo, GraphQLSchema, build_schema
from graphql.type import GraphQLObjectType

from tests.servers.stash_data import (
    File,
    Finder,
    Group,
    Performer,
    Scene,
    StashError,
    Store,
    Studio,
    Tag,
    Update,
    atoi,
    parse_image,
    rfc3339,
    rfc3339_nano,
)
from tests.servers.stash_plugin_host import (
    CancelledError,
    Context,
    Job,
    JobManager,
    Json,
    Operation,
    Plugin,
    PluginError,
    PluginHost,
)

SCHEMA_FILE = Path(__file__).with_name("stash_schema.graphql")

# The Go structs the hooks are given as `input`, with the fields in their order. Those of Stash's own models
# hold null for what was not sent; those that gqlgen made leave it out.
SCENE_UPDATE = [
    "clientMutationId",
    "id",
    "title",
    "code",
    "details",
    "director",
    "url",
    "urls",
    "date",
    "rating100",
    "o_counter",
    "organized",
    "studio_id",
    "gallery_ids",
    "performer_ids",
    "movies",
    "groups",
    "tag_ids",
    "cover_image",
    "stash_ids",
    "resume_time",
    "play_duration",
    "play_count",
    "primary_file_id",
]
PERFORMER_UPDATE = [
    "id",
    "name",
    "disambiguation",
    "url",
    "urls",
    "gender",
    "birthdate",
    "ethnicity",
    "country",
    "eye_color",
    "height",
    "height_cm",
    "measurements",
    "fake_tits",
    "penis_length",
    "circumcised",
    "career_length",
    "tattoos",
    "piercings",
    "aliases",
    "alias_list",
    "twitter",
    "instagram",
    "favorite",
    "tag_ids",
    "image",
    "stash_ids",
    "rating100",
    "details",
    "death_date",
    "hair_color",
    "weight",
    "ignore_auto_tag",
    "custom_fields",
]
STUDIO_UPDATE = [
    "id",
    "name",
    "url",
    "urls",
    "parent_id",
    "image",
    "stash_ids",
    "rating100",
    "favorite",
    "details",
    "aliases",
    "tag_ids",
    "ignore_auto_tag",
]


def with_nulls(fields: Sequence[str], sent: Mapping[str, Any]) -> Json:
    """An input as a struct of Stash's models: every field is there."""
    return {name: sent.get(name) for name in fields}


def without_nulls(sent: Mapping[str, Any]) -> Json:
    """An input as a struct made by gqlgen: empty fields are left out."""
    return {key: value for key, value in sent.items() if value is not None and value != []}


def fields_of(sent: Mapping[str, Any]) -> list[str]:
    """The names of what was sent, in no order: Go walks a map at random."""
    names = list(sent)
    random.shuffle(names)
    return names


@dataclass
class World:
    """All that the resolvers reach: the store, the plugins, the jobs and the configuration."""

    store: Store
    host: PluginHost
    jobs: JobManager
    config_dir: Path
    python: str
    username: str = ""
    api_key: str = ""
    max_session_age: int = 3600
    plugin_settings: dict[str, Json] = field(default_factory=dict)
    found_new: list[Json] = field(default_factory=list)
    found_moved: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finder = Finder(self.store)

    def add_scene(self, values: Mapping[str, Any]) -> Scene:
        """A scene from plain values; names of studios, performers, tags and groups are made where missing."""
        store = self.store
        values = dict(values)
        files = [
            file if isinstance(file, File) else store.file(str(file[0]), int(file[1]), **(dict(*file[2:])))
            for file in values.pop("files", ())
        ]
        studio = values.pop("studio", None)
        performers, tags = values.pop("performers", ()), values.pop("tags", ())
        groups = values.pop("groups", ())
        with store.lock:
            number = store.next_id("scenes", values.pop("id", None))
            scene = Scene(id=number, files=files, **values)
            if studio is not None:
                scene.studio_id = self.resolve("studios", studio)
            scene.performer_ids = [self.resolve("performers", who) for who in performers]
            scene.tag_ids = [self.resolve("tags", tag) for tag in tags]
            scene.groups_in = [(self.resolve("groups", group), None) for group in groups]
            store.scenes[number] = scene
        return scene

    def resolve(self, kind: str, who: int | str | tuple[str, str]) -> int:
        """An id as it is; a name, or (name, disambiguation), as the id of that one."""
        if isinstance(who, int):
            return who
        return self.store.named(kind, who) if isinstance(who, str) else self.store.named(kind, *who)


@dataclass
class Asked:
    """What a resolver knows of the request it answers."""

    world: World
    context: Context
    base_url: str


Info = GraphQLResolveInfo
Resolver = Callable[..., Any]


def _asked(info: Info) -> Asked:
    asked: Asked = info.context
    return asked


def _world(info: Info) -> World:
    return _asked(info).world


def _scene(world: World, number: int) -> Scene:
    scene = world.store.scenes.get(number)
    if scene is None:
        raise StashError(f"scene with id {number} not found")
    return scene


def _hooks(info: Info, trigger: str, number: int, sent: Any, fields: Sequence[str] | None) -> None:
    asked = _asked(info)
    try:
        asked.world.host.run_hooks(asked.context, trigger, number, sent, fields)
    except CancelledError:
        raise StashError("context canceled") from None


# --- queries ---


def find_scene(_: Any, info: Info, id: str | None = None, checksum: str | None = None) -> Any:
    return None if id is None else _world(info).store.scenes.get(atoi(id))


def find_scene_by_hash(_: Any, info: Info, input: Json) -> Any:
    wanted = input.get("oshash")
    scenes = _world(info).store.scenes.values()
    return next((s for s in scenes if wanted and any(f.oshash == wanted for f in s.files)), None)


def _id_list(ids: Sequence[str] | None, numbers: Sequence[int] | None) -> list[int]:
    if ids:
        twice = next((i for n, i in enumerate(ids) if i in ids[:n]), None)
        if twice is not None:
            raise StashError(f"validating ids: duplicate id found: {twice}")
        return [atoi(i, "converting ids") for i in ids]
    return list(numbers or ())


def find_scenes(
    _: Any,
    info: Info,
    scene_filter: Json | None = None,
    scene_ids: list[int] | None = None,
    ids: list[str] | None = None,
    filter: Json | None = None,
) -> Json:
    world = _world(info)
    numbers = _id_list(ids, scene_ids)
    if numbers:
        scenes = world.finder.by_ids(world.store.scenes, numbers, "scene")
        count, counted = len(scenes), scenes
    else:
        scenes, count = world.finder.scenes(scene_filter, filter)
        counted = scenes
    if not numbers and _selects(info, {"duration", "filesize"}):
        counted, _n = world.finder.scenes(scene_filter, {"per_page": -1})
    first = [scene.files[0] for scene in counted if scene.files] if _selects(info, {"duration", "filesize"}) else []
    return {
        # Stash counts only where the count is asked for.
        "count": count,
        "duration": float(sum(file.duration for file in first)),
        "filesize": float(sum(file.size for file in first)),
        "scenes": scenes,
    }


def _selects(info: Info, names: set[str]) -> bool:
    return any(
        getattr(getattr(node, "name", None), "value", None) in names
        for field_node in info.field_nodes
        if field_node.selection_set
        for node in field_node.selection_set.selections
    )


def _find_one(kind: str) -> Resolver:
    def resolve(_: Any, info: Info, id: str) -> Any:
        return getattr(_world(info).store, kind).get(atoi(id))

    return resolve


def _find_many(kind: str, filter_name: str) -> Resolver:
    def resolve(_: Any, info: Info, ids: list[str] | None = None, **args: Any) -> Json:
        world = _world(info)
        table = getattr(world.store, kind)
        numbers = _id_list(ids, args.get("performer_ids"))
        if numbers:
            found: list[Any] = world.finder.by_ids(table, numbers, kind[:-1])
            count = len(found)
        else:
            found, count = world.finder.others(table, args.get(filter_name), args.get("filter"), kind)
        return {"count": count, kind: found}

    return resolve


def configuration(_: Any, info: Info) -> Json:
    world = _world(info)
    folder = world.config_dir
    return {
        "general": {
            "databasePath": str(folder / "stash-go.sqlite"),
            "generatedPath": str(folder / "generated"),
            "metadataPath": str(folder / "metadata"),
            "configFilePath": str(folder / "config.yml"),
            "pluginsPath": str((world.host.plugin_dir or folder / "plugins" / "x").parent),
            "cachePath": str(folder / "cache"),
            "parallelTasks": 1,
            "apiKey": world.api_key,
            "username": world.username,
            "password": "*" * 8 if world.username else "",
            "maxSessionAge": world.max_session_age,
            "logFile": "",
            "logOut": True,
            "logLevel": "Info",
            "logAccess": True,
            "videoExtensions": ["m4v", "mp4", "mov", "wmv", "avi", "mkv"],
            "excludes": [],
            "pythonPath": world.python,
        },
        "ui": {},
    }


def plugin_configuration(_: Any, info: Info, include: list[str] | None = None) -> Json:
    settings = _world(info).plugin_settings
    if not include:
        return dict(settings)
    # A plugin that was never configured is not in the answer at all.
    return {plugin: settings[plugin] for plugin in include if settings.get(plugin)}


def _operation_json(operation: Operation, plugin: Json | None) -> Json:
    return {
        "name": operation.name,
        "description": operation.description,
        "hooks": list(operation.triggered_by) or None,
        "plugin": plugin,
    }


def _plugin_json(plugin: Plugin, info: Info) -> Json:
    base, world = _asked(info).base_url, _world(info)
    made: Json = {
        "id": plugin.id,
        "name": plugin.name,
        "description": plugin.description,
        "url": plugin.url,
        "version": plugin.version,
        "enabled": plugin.id not in world.host.disabled,
        "settings": [
            {
                "name": key,
                "display_name": setting.get("displayName") or "",
                "description": setting.get("description") or "",
                "type": setting["type"],
            }
            for key, setting in plugin.settings.items()
        ],
        "requires": plugin.ui.get("requires") or None,
        "paths": {
            kind: [f"{base}/plugin/{plugin.id}/{kind}"] if plugin.ui.get(kind) else None
            for kind in ("javascript", "css")
        },
    }
    made["tasks"] = [_operation_json(task, made) for task in plugin.tasks] or None
    made["hooks"] = [_operation_json(hook, made) for hook in plugin.hooks] or None
    return made


def plugins(_: Any, info: Info) -> list[Json] | None:
    return [_plugin_json(plugin, info) for plugin in _world(info).host.plugins] or None


def plugin_tasks(_: Any, info: Info) -> list[Json] | None:
    found = [task for plugin in _world(info).host.enabled() for task in _plugin_json(plugin, info)["tasks"] or ()]
    return found or None


def _job_json(job: Job) -> Json:
    return {
        "id": str(job.id),
        "status": job.status,
        "subTasks": None,
        "description": job.description,
        "progress": job.progress,
        "startTime": None if job.start_ns is None else rfc3339_nano(job.start_ns),
        "endTime": None if job.end_ns is None else rfc3339_nano(job.end_ns),
        "addTime": rfc3339_nano(job.add_ns),
        "error": job.error,
    }


def job_queue(_: Any, info: Info) -> list[Json] | None:
    # An empty queue is null, not a list without jobs.
    return [_job_json(job) for job in _world(info).jobs.queue()] or None


def find_job(_: Any, info: Info, input: Json) -> Json | None:
    job = _world(info).jobs.find(atoi(input["id"]))
    return None if job is None else _job_json(job)


def system_status(_: Any, info: Info) -> Json:
    folder = _world(info).config_dir
    return {
        "databaseSchema": 75,
        "databasePath": str(folder / "stash-go.sqlite"),
        "configPath": str(folder / "config.yml"),
        "appSchema": 75,
        "status": "OK",
        "os": "linux",
        "workingDir": str(folder),
        "homeDir": str(folder),
        "ffmpegPath": "/usr/bin/ffmpeg",
        "ffprobePath": "/usr/bin/ffprobe",
    }


def version(_: Any, _info: Info) -> Json:
    return {"version": "v0.30.1", "hash": "c4a1f3e2", "build_time": "2026-01-11 07:20:41"}


# --- objects ---


def _related(kind: str, attribute: str) -> Resolver:
    def resolve(record: Any, info: Info) -> list[Any]:
        table = getattr(_world(info).store, kind)
        return [table[number] for number in getattr(record, attribute) if number in table]

    return resolve


def _studio(attribute: str) -> Resolver:
    def resolve(record: Any, info: Info) -> Studio | None:
        number = getattr(record, attribute)
        return None if number is None else _world(info).store.studios.get(number)

    return resolve


def scene_groups(scene: Scene, info: Info) -> list[Json]:
    groups = _world(info).store.groups
    return [{"group": groups[n], "scene_index": index} for n, index in scene.groups_in if n in groups]


def scene_paths(scene: Scene, info: Info) -> Json:
    base, key = _asked(info).base_url, _world(info).api_key
    url = f"{base}/scene/{scene.id}"
    return {
        "screenshot": f"{url}/screenshot?t={int(scene.updated_s)}",
        "preview": f"{url}/preview",
        "stream": f"{url}/stream" + (f"?apikey={key}" if key else ""),
        "webp": f"{url}/webp",
        "vtt": f"{base}/scene/{scene.oshash}_thumbs.vtt",
        "sprite": f"{base}/scene/{scene.oshash}_sprite.jpg",
        "funscript": f"{url}/funscript",
        "interactive_heatmap": f"{url}/interactive_heatmap",
        "caption": f"{url}/caption",
    }


def _image_path(kind: str) -> Resolver:
    def resolve(record: Any, info: Info) -> str:
        url = f"{_asked(info).base_url}/{kind}/{record.id}/image?t={int(record.updated_s)}"
        return url if record.image else url + "&default=true"

    return resolve


def _scenes_of(kind: str) -> Resolver:
    return lambda record, info: _world(info).store.scenes_of(kind, record.id)


def _scene_count(kind: str) -> Resolver:
    return lambda record, info, depth=None: len(_world(info).store.scenes_of(kind, record.id))


def _first_url(record: Any, _info: Info) -> str | None:
    return record.urls[0] if record.urls else None


def child_studios(studio: Studio, info: Info) -> list[Studio]:
    return [other for other in _world(info).store.studios.values() if other.parent_id == studio.id]


def child_tags(tag: Tag, info: Info) -> list[Tag]:
    return [other for other in _world(info).store.tags.values() if tag.id in other.parent_ids]


# --- mutations of scenes ---

_NOT_STORED = {"id", "ids", "clientMutationId", "o_counter", "play_count", "resume_time", "primary_file_id"}


def _changes(sent: Mapping[str, Any]) -> Json:
    return {key: value for key, value in sent.items() if key not in _NOT_STORED}


def _prepare(world: World, sent: Mapping[str, Any]) -> Callable[[], Scene]:
    """Check one SceneUpdateInput; the function it returns makes the change."""
    scene = _scene(world, atoi(sent["id"], "converting id"))
    update = Update(world.store, _changes(sent))
    if update.title == "" and not scene.files:
        raise StashError("title must be set if scene has no files")
    for name in ("o_counter", "play_count"):
        if sent.get(name) is not None:
            world.host.write("warning", f"{name} is deprecated and no longer supported")
    primary = sent.get("primary_file_id")
    chosen = None
    if primary:
        chosen = next((file for file in scene.files if file.id == atoi(primary)), None)
        if chosen is None:
            raise StashError(f"file with id {primary} not associated with scene")

    def apply() -> Scene:
        update.apply(scene)
        if chosen is not None:
            scene.files.sort(key=lambda file: file is not chosen)
        return scene

    return apply


def scene_update(_: Any, info: Info, input: Json) -> Any:
    world = _world(info)
    with world.store.lock:
        scene = _prepare(world, input)()
    _hooks(info, "Scene.Update.Post", scene.id, with_nulls(SCENE_UPDATE, input), fields_of(input))
    return world.store.scenes.get(scene.id)


def scenes_update(_: Any, info: Info, input: list[Json]) -> list[Any]:
    world = _world(info)
    with world.store.lock:
        scenes = [apply() for apply in [_prepare(world, one) for one in input]]
    whole = [with_nulls(SCENE_UPDATE, one) for one in input]
    answer = []
    for scene, one in zip(scenes, input, strict=True):
        _hooks(info, "Scene.Update.Post", scene.id, whole, fields_of(one))
        answer.append(world.store.scenes.get(scene.id))
    return answer


def bulk_scene_update(_: Any, info: Info, input: Json) -> list[Any]:
    world = _world(info)
    with world.store.lock:
        numbers = [atoi(i, "converting ids") for i in input.get("ids") or ()]
        if any(number not in world.store.scenes for number in numbers):
            raise StashError("sql: no rows in result set")
        for number in numbers:
            Update(world.store, _changes(input), bulk=True).apply(world.store.scenes[number])
    sent = without_nulls(input)
    answer = []
    for number in numbers:
        _hooks(info, "Scene.Update.Post", number, sent, fields_of(input))
        answer.append(world.store.scenes.get(number))
    return answer


def scene_create(_: Any, info: Info, input: Json) -> Scene:
    world = _world(info)
    with world.store.lock:
        update = Update(world.store, {key: value for key, value in input.items() if key != "file_ids"})
        wanted = [atoi(i, "converting file ids") for i in input.get("file_ids") or ()]
        if not update.title and not wanted:
            raise StashError("title must be set if scene has no files")
        scene = world.add_scene({})
        update.apply(scene)
        for number in wanted:
            _assign(world, scene, number)
    _hooks(info, "Scene.Create.Post", scene.id, None, None)
    return scene


def _assign(world: World, scene: Scene, file_id: int) -> None:
    for other in world.store.scenes.values():
        for file in other.files:
            if file.id == file_id:
                if file is other.files[0] and len(other.files) > 1:
                    raise StashError("cannot reassign primary file")
                other.files.remove(file)
                scene.files.append(file)
                return
    raise StashError(f"file with id {file_id} not found")


def scene_assign_file(_: Any, info: Info, input: Json) -> bool:
    world = _world(info)
    with world.store.lock:
        _assign(world, _scene(world, atoi(input["scene_id"])), atoi(input["file_id"]))
    return True


def scene_merge(_: Any, info: Info, input: Json) -> Scene:
    """No hook runs for a merge: neither for the scene that stays nor for those that go."""
    world = _world(info)
    with world.store.lock:
        target = _scene(world, atoi(input["destination"], "converting destination id"))
        sources = [_scene(world, atoi(i, "converting source ids")) for i in input["source"]]
        if target in sources:
            raise StashError("cannot merge where source == destination")
        for source in sources:
            target.files.extend(source.files)
            del world.store.scenes[source.id]
        Update(world.store, _changes(input.get("values") or {})).apply(target)
    return target


def _destroy_input(sent: Mapping[str, Any], scene: Scene) -> Json:
    keys = ("ids" if "ids" in sent else "id", "delete_file", "delete_generated")
    return {**with_nulls(keys, sent), "checksum": "", "oshash": scene.oshash, "path": scene.path}


def scene_destroy(_: Any, info: Info, input: Json) -> bool:
    world = _world(info)
    with world.store.lock:
        scene = _scene(world, atoi(input["id"], "converting id"))
        del world.store.scenes[scene.id]
    _hooks(info, "Scene.Destroy.Post", scene.id, _destroy_input(input, scene), None)
    return True


def scenes_destroy(_: Any, info: Info, input: Json) -> bool:
    world = _world(info)
    with world.store.lock:
        scenes = [_scene(world, atoi(i, "converting ids")) for i in input["ids"]]
        for scene in scenes:
            del world.store.scenes[scene.id]
    for scene in scenes:
        _hooks(info, "Scene.Destroy.Post", scene.id, _destroy_input(input, scene), None)
    return True


def _moment(text: Any) -> int:
    """A `Timestamp` as Stash takes it; `<4h` and `>5m`, which it takes too, are not needed here."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (TypeError, ValueError):
        raise GraphQLError(f"{text!r} is no Timestamp") from None


def _history(attribute: str, *, counted: bool) -> Resolver:
    """Playing and counting run no hook and leave `updated_at` alone."""

    def resolve(_: Any, info: Info, id: str, times: list[Any] | None = None) -> Any:
        scene = _scene(_world(info), atoi(id, "converting id"))
        held: list[int] = getattr(scene, attribute)
        held.extend([_moment(one) for one in times] if times else [int(time.time())])
        if counted:
            return len(held)
        return {"count": len(held), "history": [rfc3339(t) for t in sorted(held, reverse=True)]}

    return resolve


def scene_reset_o(_: Any, info: Info, id: str) -> int:
    _scene(_world(info), atoi(id, "converting id")).o_times.clear()
    return 0


def scene_save_activity(
    _: Any,
    info: Info,
    id: str,
    resume_time: float | None = None,
    playDuration: float | None = None,  # noqa: N803 - the schema's name
) -> bool:
    scene = _scene(_world(info), atoi(id, "converting id"))
    if resume_time is not None:
        scene.resume_time = resume_time
    if playDuration is not None:
        scene.play_duration += playDuration
    return True


# --- mutations of the others ---

_KINDS: dict[str, tuple[str, type[Any], Sequence[str] | None]] = {
    "Performer": ("performers", Performer, PERFORMER_UPDATE),
    "Studio": ("studios", Studio, STUDIO_UPDATE),
    "Tag": ("tags", Tag, None),
    "Group": ("groups", Group, None),
}


def _triggers(kind: str, verb: str) -> list[str]:
    # A group's hooks run under its old name, too.
    return [f"{kind}.{verb}.Post"] + ([f"Movie.{verb}.Post"] if kind == "Group" else [])


def _check_name(world: World, kind: str, number: int | None, sent: Mapping[str, Any]) -> None:
    name = str(sent.get("name") or "")
    if "name" in sent and not name.strip():
        raise StashError(f"{kind.lower()} name must not be blank")
    table: Mapping[int, Any] = getattr(world.store, _KINDS[kind][0])
    own = table.get(number) if number is not None else None
    wanted = (name or getattr(own, "name", "")).strip()
    apart = sent.get("disambiguation", getattr(own, "disambiguation", "")) or ""
    for other in table.values():
        same = other.name == wanted and getattr(other, "disambiguation", "") == apart
        if other.id != number and same and kind != "Group":
            raise StashError(f"{kind.lower()} with name '{wanted}' already exists")


def _set_children(world: World, number: int, children: set[int]) -> None:
    for tag in world.store.tags.values():
        others = [parent for parent in tag.parent_ids if parent != number]
        tag.parent_ids = [*others, number] if tag.id in children else others


def _update(kind: str) -> Resolver:
    table_name, _type, struct = _KINDS[kind]

    def resolve(_: Any, info: Info, input: Json) -> Any:
        world = _world(info)
        number = atoi(input["id"], "converting id")
        with world.store.lock:
            record = getattr(world.store, table_name).get(number)
            if record is None:
                raise StashError(f"{kind.lower()} with id {number} not found")
            _check_name(world, kind, number, input)
            Update(world.store, _changes(input)).apply(record)
            if "child_ids" in input:
                _set_children(world, number, {atoi(child) for child in input["child_ids"] or ()})
        sent = without_nulls(input) if struct is None else with_nulls(struct, input)
        for trigger in _triggers(kind, "Update"):
            _hooks(info, trigger, number, sent, fields_of(input))
        return getattr(world.store, table_name).get(number)

    return resolve


def _create(kind: str) -> Resolver:
    table_name, record_type, _struct = _KINDS[kind]

    def resolve(_: Any, info: Info, input: Json) -> Any:
        world = _world(info)
        with world.store.lock:
            _check_name(world, kind, None, input)
            update = Update(world.store, input)
            record = record_type(id=world.store.next_id(table_name))
            update.apply(record)
            getattr(world.store, table_name)[record.id] = record
        for trigger in _triggers(kind, "Create"):
            _hooks(info, trigger, record.id, without_nulls(input), None)
        return record

    return resolve


def _destroy(kind: str) -> Resolver:
    table_name = _KINDS[kind][0]

    def resolve(_: Any, info: Info, input: Json) -> bool:
        world = _world(info)
        number = atoi(input["id"], "converting id")
        with world.store.lock:
            if number not in getattr(world.store, table_name):
                raise StashError(f"{kind.lower()} with id {number} not found")
            world.store.forget(table_name, number)
        for trigger in _triggers(kind, "Destroy"):
            _hooks(info, trigger, number, dict(input), None)
        return True

    return resolve


def performer_merge(_: Any, info: Info, input: Json) -> Performer:
    """No hook runs for it, and the scenes' `updated_at` stays (Stash 0.30); that of the performer moves."""
    world = _world(info)
    sources = [atoi(i, "converting source ids") for i in input["source"]]
    target = atoi(input["destination"], "converting destination id")
    with world.store.lock:
        if target in sources:
            raise StashError("destination performer cannot be in source list")
        performer = world.store.performers.get(target)
        if performer is None:
            raise StashError(f"finding destination performer ID {target}: not found")
        for source in sources:
            if source not in world.store.performers:
                raise StashError("finding source performers: not found")
            for scene in world.store.scenes_of("performers", source):
                if target not in scene.performer_ids:
                    scene.performer_ids.append(target)
            world.store.forget("performers", source)
        performer.touch()
    return performer


def tags_merge(_: Any, info: Info, input: Json) -> Tag | None:
    world = _world(info)
    sources = [atoi(i, "converting source ids") for i in input["source"]]
    target = atoi(input["destination"], "converting destination id")
    if not sources:
        return None
    with world.store.lock:
        tag = world.store.tags.get(target)
        if tag is None:
            raise StashError(f"tag with id {target} not found")
        for source in sources:
            if source == target:
                raise StashError("cannot merge where source == destination")
            if source not in world.store.tags:
                raise StashError(f"tag with id {source} not found")
            for scene in world.store.scenes_of("tags", source):
                if target not in scene.tag_ids:
                    scene.tag_ids.append(target)
            for performer in world.store.performers.values():
                if source in performer.tag_ids and target not in performer.tag_ids:
                    performer.tag_ids.append(target)
            tag.aliases.append(world.store.tags[source].name)
            world.store.forget("tags", source)
    _hooks(info, "Tag.Merge.Post", target, dict(input), None)
    return tag


# --- plugins, jobs, configuration ---


def configure_plugin(_: Any, info: Info, plugin_id: str, input: Any) -> Json:
    if not isinstance(input, dict):
        raise StashError(f"{type(input).__name__} is not a map")
    _world(info).plugin_settings[plugin_id] = dict(input)
    return dict(input)


def generate_api_key(_: Any, info: Info, input: Json) -> str:
    world = _world(info)
    world.api_key = "" if input.get("clear") or not world.username else f"eyJhbGciOi.{secrets.token_urlsafe(48)}"
    return world.api_key


def set_plugins_enabled(_: Any, info: Info, enabledMap: Any) -> bool:  # noqa: N803 - the schema's name
    host = _world(info).host
    disabled = [plugin for plugin in host.disabled if not enabledMap.get(plugin)]
    disabled += [plugin for plugin, on in enabledMap.items() if not on and plugin not in disabled]
    host.disabled[:] = disabled
    return True


def reload_plugins(_: Any, info: Info) -> bool:
    _world(info).host.reload()
    return True


def _plugin_arg(value: Mapping[str, Any] | None) -> Any:
    for key in ("str", "i", "b", "f"):
        if value is not None and value.get(key) is not None:
            return value[key]
    if value is not None and value.get("o") is not None:
        return {arg["key"]: _plugin_arg(arg.get("value")) for arg in value["o"]}
    if value is not None and value.get("a") is not None:
        return [_plugin_arg(item) for item in value["a"]]
    return None


def run_plugin_task(
    _: Any,
    info: Info,
    plugin_id: str,
    task_name: str | None = None,
    description: str | None = None,
    args: list[Json] | None = None,
    args_map: Json | None = None,
) -> str:
    asked = _asked(info)
    host = asked.world.host
    if args_map is None:
        args_map = {arg["key"]: _plugin_arg(arg.get("value")) for arg in args or ()}
    # Whether there is such a plugin and task is looked at when the job's turn has come.
    sent = dict(args_map)

    def run(context: Context, job: Job) -> None:
        host.run_task(
            context,
            plugin_id,
            task_name,
            sent,
            job.set_progress,
            lambda record: setattr(job, "process", record),
        )

    shown = description if description is not None else task_name if task_name is not None else plugin_id
    return str(asked.world.jobs.add(f"Running plugin task: {shown}", asked.context, run, sent).id)


def run_plugin_operation(_: Any, info: Info, plugin_id: str, args: Json | None = None) -> Any:
    asked = _asked(info)
    return asked.world.host.run_operation(asked.context, plugin_id, dict(args or {}))


def stop_job(_: Any, info: Info, job_id: str) -> bool:
    _world(info).jobs.cancel(atoi(job_id, "converting id"))
    return True


def stop_all_jobs(_: Any, info: Info) -> bool:
    _world(info).jobs.cancel()
    return True


def metadata_scan(_: Any, info: Info, input: Json) -> str:
    """A scan finds what the test has put before it; its hooks have no input."""
    asked = _asked(info)
    world = asked.world

    def run(context: Context, _job: Job) -> None:
        new, moved = list(world.found_new), list(world.found_moved)
        world.found_new.clear()
        world.found_moved.clear()
        if input.get("rescan"):
            moved = list(dict.fromkeys([*moved, *world.store.scenes]))
        for values in new:
            scene = world.add_scene(values)
            world.host.run_hooks(context, "Scene.Create.Post", scene.id, None, None)
        for number in moved:
            if number in world.store.scenes:
                world.host.run_hooks(context, "Scene.Update.Post", number, None, None)

    return str(world.jobs.add("Scanning...", asked.context, run, dict(input)).id)


RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "findScene": find_scene,
        "findSceneByHash": find_scene_by_hash,
        "findScenes": find_scenes,
        "findPerformer": _find_one("performers"),
        "findPerformers": _find_many("performers", "performer_filter"),
        "findStudio": _find_one("studios"),
        "findStudios": _find_many("studios", "studio_filter"),
        "findTag": _find_one("tags"),
        "findTags": _find_many("tags", "tag_filter"),
        "findGroup": _find_one("groups"),
        "findGroups": _find_many("groups", "group_filter"),
        "allScenes": lambda _, info: list(_world(info).store.scenes.values()),
        "allPerformers": lambda _, info: list(_world(info).store.performers.values()),
        "allStudios": lambda _, info: list(_world(info).store.studios.values()),
        "allTags": lambda _, info: list(_world(info).store.tags.values()),
        "plugins": plugins,
        "pluginTasks": plugin_tasks,
        "configuration": configuration,
        "systemStatus": system_status,
        "jobQueue": job_queue,
        "findJob": find_job,
        "version": version,
    },
    "Mutation": {
        "sceneCreate": scene_create,
        "sceneUpdate": scene_update,
        "scenesUpdate": scenes_update,
        "bulkSceneUpdate": bulk_scene_update,
        "sceneMerge": scene_merge,
        "sceneAssignFile": scene_assign_file,
        "sceneDestroy": scene_destroy,
        "scenesDestroy": scenes_destroy,
        "sceneIncrementO": _history("o_times", counted=True),
        "sceneAddO": _history("o_times", counted=False),
        "sceneResetO": scene_reset_o,
        "sceneIncrementPlayCount": _history("play_times", counted=True),
        "sceneAddPlay": _history("play_times", counted=False),
        "sceneSaveActivity": scene_save_activity,
        "performerCreate": _create("Performer"),
        "performerUpdate": _update("Performer"),
        "performerDestroy": _destroy("Performer"),
        "performerMerge": performer_merge,
        "studioCreate": _create("Studio"),
        "studioUpdate": _update("Studio"),
        "studioDestroy": _destroy("Studio"),
        "groupUpdate": _update("Group"),
        "groupDestroy": _destroy("Group"),
        "tagCreate": _create("Tag"),
        "tagUpdate": _update("Tag"),
        "tagDestroy": _destroy("Tag"),
        "tagsMerge": tags_merge,
        "configurePlugin": configure_plugin,
        "generateAPIKey": generate_api_key,
        "metadataScan": metadata_scan,
        "setPluginsEnabled": set_plugins_enabled,
        "runPluginTask": run_plugin_task,
        "runPluginOperation": run_plugin_operation,
        "reloadPlugins": reload_plugins,
        "stopJob": stop_job,
        "stopAllJobs": stop_all_jobs,
    },
    "ConfigResult": {"plugins": plugin_configuration},
    "Scene": {
        "paths": scene_paths,
        "studio": _studio("studio_id"),
        "groups": scene_groups,
        "tags": _related("tags", "tag_ids"),
        "performers": _related("performers", "performer_ids"),
    },
    "Performer": {
        "url": _first_url,
        "tags": _related("tags", "tag_ids"),
        "image_path": _image_path("performer"),
        "scene_count": _scene_count("performers"),
        "scenes": _scenes_of("performers"),
    },
    "Studio": {
        "url": _first_url,
        "tags": _related("tags", "tag_ids"),
        "image_path": _image_path("studio"),
        "parent_studio": _studio("parent_id"),
        "child_studios": child_studios,
        "scene_count": _scene_count("studios"),
    },
    "Tag": {
        "image_path": _image_path("tag"),
        "parents": _related("tags", "parent_ids"),
        "children": child_tags,
        "scene_count": _scene_count("tags"),
    },
    "Group": {
        "studio": _studio("studio_id"),
        "tags": _related("tags", "tag_ids"),
        "scene_count": _scene_count("groups"),
        "scenes": _scenes_of("groups"),
    },
}

# Errors whose text is the answer; any other exception is a fault of the stand-in itself.
EXPECTED_ERRORS = (StashError, PluginError)


@functools.cache
def make_schema() -> GraphQLSchema:
    """The subset schema with its resolvers, which hold no state: it is made once."""
    schema = build_schema(SCHEMA_FILE.read_text("utf-8"))
    for type_name, resolvers in RESOLVERS.items():
        kind = schema.type_map[type_name]
        assert isinstance(kind, GraphQLObjectType)
        for name, resolver in resolvers.items():
            kind.fields[name].resolve = resolver
    base_file: Any = schema.type_map["BaseFile"]
    base_file.resolve_type = lambda *_: "VideoFile"
    return schema


__all__ = ["EXPECTED_ERRORS", "Asked", "World", "make_schema", "parse_image"]
