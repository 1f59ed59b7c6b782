"""The hook: which saves are for us, what it imports, and what it does with what Stash sends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sync import hook
from tests.site import ROOT

THIRD_PARTY = {"persistqueue", "plexapi", "stashapi", "pydantic", "requests", "urllib3"}
COSTLY = {"asyncio", "http", "json", "typing", "pathlib", "re", "logging", "subprocess", "ssl"}


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
        (["id", "urls", "gallery_ids"], False),
        ([], True),
        (None, True),
        ("title", True),
        ([1, 2], True),
    ],
)
def test_only_a_save_of_what_plex_cannot_show_is_skipped(fields: object, relevant: bool) -> None:
    assert hook.is_relevant(fields) is relevant


def test_the_hook_needs_the_standard_library_alone() -> None:
    """In a Python without site-packages, as it is before any dependency is installed."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import sync.door, sync.hook; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", program, str(ROOT)], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
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
