"""A save while Stash's plugin manager replaces PlexSync's files: all of them go, and then the new ones come."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.site import PATIENCE, ROOT, UNCOVERED, Site

pytestmark = pytest.mark.integration


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plugin whose files can be taken away."""
    folder = tmp_path / "PlexSync"
    shutil.copytree(ROOT / "sync", folder / "sync", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("plexsync.py", "PlexSync.yml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def hook(site: Site, plugin: Path, scene: int) -> subprocess.Popen[str]:
    context = {"id": scene, "type": "Scene.Update.Post", "input": None, "inputFields": ["title"]}
    return start(site, plugin, {"hookContext": context})


def start(site: Site, plugin: Path, args: dict[str, object]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-S", str(plugin / "plexsync.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **UNCOVERED},
    )
    assert process.stdin
    process.stdin.write(json.dumps({"server_connection": site.connection(), "args": args}))
    process.stdin.close()
    process.stdin = None
    return process


def said(process: subprocess.Popen[str]) -> str:
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    return str(json.loads(stdout)["output"])


def test_a_save_between_the_old_and_the_new_files_is_queued_and_asks(site: Site, plugin: Path) -> None:
    """What is imported late is gone when the row is written: without the question, nobody would come for the row."""
    scene, _ = site.add()
    (plugin / "sync" / "stash").rename(plugin / "away")
    site.store().close()  # a queue with its table
    process = hook(site, plugin, scene)
    site.wait_until(lambda: bool(site.rows()))
    assert process.poll() is None
    (plugin / "away").rename(plugin / "sync" / "stash")
    assert said(process) == f"Scene {scene} queued, Process queue asked for"


def test_a_save_before_any_new_file_waits_for_them(site: Site, plugin: Path) -> None:
    scene, _ = site.add()
    shutil.copytree(plugin / "sync", plugin / "new")
    shutil.rmtree(plugin / "sync")
    (plugin / "sync").mkdir()  # the manager leaves folders; without its files, one is a package all the same
    threading.Timer(0.3, lambda: shutil.copytree(plugin / "new", plugin / "sync", dirs_exist_ok=True)).start()
    assert said(hook(site, plugin, scene)) == f"Scene {scene} queued, Process queue asked for"


@pytest.mark.parametrize("name", ["fast", "hook"])  # imported at the start, and when it is known who calls
def test_files_that_do_not_come_are_told(name: str, site: Site, plugin: Path) -> None:
    (plugin / "sync" / f"{name}.py").unlink()
    process = hook(site, plugin, 1)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert repr(name) in stderr
    assert stderr.startswith("PlexSync's files are not complete, install the plugin again: cannot import name")
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("module", "met"),
    [
        ("entry.py", "from sync.queue import wake\n"),
        ("hook.py", "raise FileNotFoundError(2, 'gone', __file__)\n"),
        ("stash/ask.py", "from sync.queue import wake\n"),
        ("stash/ask.py", "raise FileNotFoundError(2, 'gone', __file__)\n"),
    ],
)
def test_a_save_that_met_files_of_two_versions_begins_again(module: str, met: str, site: Site, plugin: Path) -> None:
    """What was imported is the old version's and lacks what the new one asks for, or a file is gone as it is read."""
    scene, _ = site.add()
    new = plugin / "new"
    shutil.copytree(plugin / "sync", new)
    with (new / "fast.py").open("a", encoding="utf-8") as file:
        file.write("NEW = 1\n")
    with (new / "queue" / "wake.py").open("a", encoding="utf-8") as file:
        file.write("from sync.fast import NEW\n")
    replace = f"import shutil\nshutil.copytree({str(new)!r}, {str(plugin / 'sync')!r}, dirs_exist_ok=True)\n"
    (plugin / "sync" / module).write_text(f"from sync import fast\n{replace}{met}", "utf-8")
    assert said(hook(site, plugin, scene)) == f"Scene {scene} queued, Process queue asked for"


def test_a_drain_goes_on_while_its_files_are_replaced(site: Site, plugin: Path) -> None:
    """It has imported all that it needs from its start, also for an item that fails."""
    site.configure()
    pairs = site.save_many(3)
    failing = list(pairs)[1]
    bad = f"id={pairs[failing]}&"
    site.plex.fail(status=500, times=None, where=lambda one: one.method == "PUT" and bad in one.target)
    site.plex.edit_delay = 0.3
    process = start(site, plugin, {"mode": "process_queue", "trigger": "hook"})
    site.plex.wait_for_edit(timeout=PATIENCE)
    shutil.rmtree(plugin / "sync")
    assert "1 tried again later" in said(process)
    assert site.arrived(pairs) == [scene for scene in pairs if scene != failing]
    assert [row["scene_id"] for row, _ in site.rows()] == [failing]
