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
    process = subprocess.Popen(
        [sys.executable, "-S", str(plugin / "plexsync.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **UNCOVERED},
    )
    assert process.stdin
    process.stdin.write(json.dumps({"server_connection": site.connection(), "args": {"hookContext": context}}))
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


def test_files_that_do_not_come_are_told(site: Site, plugin: Path) -> None:
    (plugin / "sync" / "fast.py").unlink()
    process = hook(site, plugin, 1)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert stderr.startswith("PlexSync's files are not complete, install the plugin again: cannot import name 'fast'")
    assert process.returncode == 1
