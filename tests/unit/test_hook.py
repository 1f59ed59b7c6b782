"""The hook: which saves are for us, what it imports, and what it does with what Stash sends."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sync import data_folder, hook
from sync.queue import schema
from sync.queue.job import ENTITIES, Change, read_change
from tests.site import ROOT

THIRD_PARTY = {"persistqueue", "plexapi", "stashapi", "pydantic", "requests", "urllib3"}
COSTLY = {"asyncio", "http", "json", "typing", "pathlib", "re", "logging", "subprocess", "ssl"}
# What sqlite3, socket and a name looked up as text bring along, and sqlite3 itself, which is _sqlite3 and that.
COSTLY |= {"sqlite3", "datetime", "socket", "selectors", "enum", "stringprep"}


@pytest.mark.parametrize(
    ("fields", "relevant"),
    [
        (["id", "title"], True),
        (["id"], False),
        (["id", "play_count", "resume_time", "play_duration"], False),
        (["id", "o_counter", "details"], True),
        (["ids", "tag_ids"], True),
        (["id", "some_field_of_a_later_stash"], True),
        (["id", "cover_image"], True),
        (["id", "code"], True),
        (["id", "director"], True),
        (["id", "rating100"], True),
        (["id", "groups"], True),
        (["id", "movies"], True),
        (["id", "organized"], True),
        (["id", "stash_ids"], True),
        (["ids", "performer_ids"], True),
        (["ids", "studio_id"], True),
        (["id", "date"], True),
        (["id", "primary_file_id"], True),
        (["id", "gallery_ids", "scene_markers"], False),
        (["id", "urls"], True),  # see only_with_url
        ([], True),
        (None, True),
        ("title", True),
        ([1, 2], True),
    ],
)
def test_only_a_save_of_what_plex_cannot_show_is_skipped(fields: object, relevant: bool) -> None:
    assert hook.is_relevant(fields) is relevant


@pytest.mark.parametrize(
    ("entity", "fields", "relevant"),
    [
        ("performer", ["id", "weight", "favorite", "rating100"], False),
        ("performer", ["id", "weight", "name"], True),
        ("performer", ["ids", "tag_ids"], True),
        *(("performer", ["id", name], True) for name in ("disambiguation", "image", "gender", "birthdate", "country")),
        ("performer", ["id", "alias_list"], True),
        ("studio", ["id", "name"], True),
        ("studio", ["id", "parent_id"], True),
        ("studio", ["id", "image", "details", "tag_ids"], False),
        ("tag", ["id", "name"], True),
        ("tag", ["id", "aliases", "parent_ids", "description", "image"], False),
        ("group", ["id", "name"], True),
        ("group", ["id", "synopsis", "studio_id", "front_image"], False),
        *((entity, fields, True) for entity in hook.SHOWN_FIELDS for fields in ([], None)),
    ],
)
def test_only_a_save_of_what_plex_shows_of_a_name_is_a_row(entity: str, fields: object, relevant: bool) -> None:
    assert hook.is_relevant(fields, entity) is relevant


def test_what_may_be_renamed_has_its_hooks() -> None:
    assert {entity for entity, _ in hook.CHANGE_HOOKS.values()} == set(hook.SHOWN_FIELDS) == set(ENTITIES)
    registered = {kind for kind in hook.CHANGE_HOOKS if f"- {kind}\n" in (ROOT / "PlexSync.yml").read_text("utf-8")}
    assert registered == set(hook.CHANGE_HOOKS)


@pytest.mark.parametrize("kind", hook.CHANGE_HOOKS)
def test_a_change_is_one_row_that_can_be_read(tmp_path: Path, kind: str) -> None:
    entity, event = hook.CHANGE_HOOKS[kind]
    connection = {"Scheme": "http", "Host": "127.0.0.1", "Port": 1, "Dir": str(tmp_path)}
    said = hook.handle(connection, {"type": kind, "id": "17", "inputFields": None})
    assert said.startswith(f"{entity.capitalize()} 17 queued")
    with sqlite3.connect(data_folder.queue_file(data_folder.data_folder(connection))) as queue:
        ((data, lane),) = queue.execute(f"SELECT data, {schema.LANE} FROM `{schema.JOBS}`").fetchall()
    assert (read_change(data), lane) == (Change(entity, 17), schema.CHANGE)
    assert json.loads(data)["update_type"] == f"{entity}_{event}"


@pytest.mark.parametrize("number", [0, -1, "x", "", "0", "-1", "1.5", None, True, 1.5, 2**60, "9" * 40, [1], {}])
@pytest.mark.parametrize("kind", ["Tag.Merge.Post", "Studio.Destroy.Post", "Performer.Update.Post"])
def test_an_id_that_is_none_is_named_with_what_is_accepted(kind: str, number: object) -> None:
    entity = kind.partition(".")[0].lower()
    with pytest.raises(hook.HookInputError, match=f"accepted: the number of a {entity}"):
        hook.handle({}, {"type": kind, "id": number})


@pytest.mark.parametrize("kind", ["Performer.Create.Post", "Tag.Update.Pre", "", None, ["Tag.Update.Post"], 7])
def test_another_hook_is_named_with_those_that_are_accepted(kind: object) -> None:
    with pytest.raises(hook.HookInputError, match=r"Tag\.Merge\.Post"):
        hook.handle({}, {"type": kind, "id": 1})


def test_the_hook_needs_the_standard_library_alone() -> None:
    """In a Python without site-packages, as it is before any dependency is installed. Asking for the drain, too."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import sync.entry, sync.hook
from sync.stash import ask
try:
    ask.ask_for_drain({"Scheme": "http", "Host": "localhost", "Port": 1}, "hook")
except ask.AskFailedError:
    print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", program, str(ROOT)], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "sync" in loaded
    assert not loaded & THIRD_PARTY
    assert not loaded & COSTLY, "the person who saves waits for every import"


def call(folder: Path, context: dict[str, object]) -> dict[str, str]:
    raw = {
        "server_connection": {
            "Scheme": "http",
            "Host": "0.0.0.0",
            "Port": 1,
            "SessionCookie": None,
            "Dir": str(folder),
        },
        "args": {"hookContext": {"type": "Scene.Update.Post"} | context},
    }
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "plexsync.py")],
        input=json.dumps(raw).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


UPDATE_INPUT = {"id": "45", "title": "T", "details": None, "cover_image": "data:image/jpeg;base64," + "A" * 5_000_000}


@pytest.mark.parametrize(
    "context",
    [
        {"id": 45, "input": UPDATE_INPUT, "inputFields": ["id", "title", "cover_image"]},
        {
            "id": 45,
            "input": {"ids": ["44", "45"], "tag_ids": {"mode": "ADD", "ids": ["1"]}},
            "inputFields": ["ids", "tag_ids"],
        },
        {
            "id": 45,
            "input": [{"id": "44", "title": None}, {"id": "45", "title": "é 👩"}],
            "inputFields": ["id", "title"],
        },
        {"id": 45, "input": None},
        {"id": "45", "input": None, "inputFields": None},
    ],
    ids=["update with a cover", "bulk update", "scenes update", "scan", "id as text"],
)
def test_every_shape_of_input_is_one_job(tmp_path: Path, context: dict[str, object]) -> None:
    answer = call(tmp_path, context)
    assert answer["output"].startswith("Scene 45 queued, but Process queue was not started: Stash did not answer")
    assert "error" not in answer
    assert (tmp_path / "plexsync" / "queue" / "data.db").exists()


def test_a_save_that_does_not_matter_touches_nothing(tmp_path: Path) -> None:
    answer = call(tmp_path, {"id": 45, "input": {}, "inputFields": ["id", "resume_time"]})
    assert "nothing that Plex shows" in answer["output"]
    assert list(tmp_path.iterdir()) == []


def test_a_queue_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "plexsync").write_text("a file where the folder should be")
    answer = call(tmp_path, {"id": 45, "inputFields": ["title"]})
    assert "cannot be made" in answer["error"] or "cannot be written" in answer["error"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permission bits")
def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    call(tmp_path, {"id": 45, "inputFields": ["title"]})
    for path in (tmp_path / "plexsync").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
