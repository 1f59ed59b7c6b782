"""`make package`: what Stash's plugin manager installs, from any clone of a commit the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from sync.status.version import version
from tests.site import ROOT

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="a package is made of a commit")

WHEN = "2026-11-27T10:31:00+02:00"
PERSON = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
PERSON |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": WHEN}


def git(folder: Path, *arguments: str) -> bytes:
    environment = {**os.environ, **PERSON, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose one commit is the work tree as it is, committed or not."""
    folder = tmp_path_factory.mktemp("repository") / "plexsync"
    try:
        listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except subprocess.CalledProcessError:
        pytest.skip("this is no clone")
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All of it")
    return folder


def clone(commit: Path, target: Path, *options: str) -> Path:
    git(commit, "clone", "--quiet", *options, str(commit), str(target))
    return target


def build(clone: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(clone / ".ci" / "package.py")]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=60)


def bytes_of(clone: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (clone / "build" / "source").iterdir()}


def test_two_clones_make_the_same_bytes(commit: Path, tmp_path: Path) -> None:
    first, second = clone(commit, tmp_path / "a"), clone(commit, tmp_path / "b", "--config", "core.autocrlf=true")
    (second / "README.md").write_text("changed, and not committed\n", encoding="utf-8")
    (second / "sync" / "stray.py").write_text("", encoding="utf-8")
    assert b"\r\n" in (second / "plexsync.py").read_bytes(), "else this clone is no other"
    plain, changed = build(first), build(second)
    assert (plain.returncode, changed.returncode) == (0, 0), plain.stderr + changed.stderr
    assert bytes_of(first) == bytes_of(second)
    assert "README.md" in changed.stdout
    assert "README.md" not in plain.stdout


@pytest.fixture(scope="module")
def source(commit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = clone(commit, tmp_path_factory.mktemp("clone") / "plexsync")
    assert build(folder).returncode == 0
    return folder / "build" / "source"


def test_the_index_says_what_stash_asks_for(source: Path) -> None:
    (entry,) = yaml.safe_load((source / "index.yml").read_text(encoding="utf-8"))
    plugin = yaml.safe_load((ROOT / "PlexSync.yml").read_text(encoding="utf-8"))
    assert entry == {
        "id": "PlexSync",
        "name": plugin["name"],
        "metadata": {"description": plugin["description"]},
        "version": version(),
        "date": "2026-11-27 08:31:00",
        "path": "PlexSync.zip",
        "sha256": hashlib.sha256((source / "PlexSync.zip").read_bytes()).hexdigest(),
    }


def test_the_zip_holds_what_runs_and_no_more(source: Path) -> None:
    with zipfile.ZipFile(source / "PlexSync.zip") as package:
        names = set(package.namelist())
        assert package.namelist()[0] == "plexsync.py", "a save during an update needs it"
        assert all(one.date_time == (2026, 11, 27, 8, 31, 0) for one in package.infolist())
    plugin = yaml.safe_load((ROOT / "PlexSync.yml").read_text(encoding="utf-8"))
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sync").rglob("*.py")}
    assert modules | {*plugin["ui"]["javascript"], *plugin["ui"]["css"]} <= names
    assert {"PlexSync.yml", "plexsync.py", "requirements.txt", "README.md", "LICENSE"} <= names
    assert [name for name in names if name.endswith(".yml")] == ["PlexSync.yml"]
    assert {name.split("/")[0] for name in names if "/" in name} == {"sync", "ui"}


def test_what_is_unpacked_runs(source: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(source / "PlexSync.zip") as package:
        package.extractall(tmp_path / "PlexSync")
    command = [sys.executable, "-S", str(tmp_path / "PlexSync" / "plexsync.py"), "--version", "--json"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(said) == {"version": version()}


@pytest.mark.parametrize("place", ["plugins/PlexSync", "plugins/community/PlexSync", "elsewhere/PlexSync"])
def test_a_stash_s_own_folder_is_no_place_for_it(place: str, commit: Path, tmp_path: Path) -> None:
    """Stash takes every .yml below its plugins folder for a plugin."""
    folder = tmp_path / "stash" / place
    folder.parent.mkdir(parents=True)
    if "plugins" not in place:
        (tmp_path / "stash" / "config.yml").touch()
    built = build(clone(commit, folder))
    assert built.returncode == 1
    assert "accepted: a clone outside of it" in built.stderr
    assert not (folder / "build").exists()


def test_without_a_commit_it_says_what_it_needs(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "package.py", folder / ".ci")
    built = build(folder)
    assert built.returncode == 1
    assert built.stderr.startswith("The package needs git and a clone with its commits: ")
