"""The report that a person shows to who helps: what it has, and what it must not have."""

from __future__ import annotations

import io
import json
import re

import pytest

from sync.command_line.main import main
from sync.status.version import version
from tests.servers.plex import VERSION
from tests.site import Site

pytestmark = pytest.mark.integration

FOLDER = "/media/Private Folder"
NAME = "A telling name"


def report(site: Site) -> str:
    found = site.ask("report")
    assert not found.get("error"), found
    return str(found["text"])


def test_it_says_what_is_asked_for_first(site: Site) -> None:
    site.configure(strict_matching=False, plex_library="Clips")
    site.add()
    text = report(site)
    assert text.startswith(f"PlexSync {version()}, Stash v0.30.1\nPython 3.")
    for package in ("plexapi", "stashapi", "persist-queue", "pydantic"):
        assert re.search(rf"\b{package} \d", text)
    assert "Settings changed: plex_url set, plex_library set, strict_matching off\n" in text
    assert f'Plex "Stand-in", version {VERSION} on Linux' in text
    assert "1 of 1 sampled scenes match (1 by their path)" in text
    assert "Queue: empty" in text


def test_it_tells_no_path_no_title_and_no_secret(site: Site) -> None:
    """Whatever the setting "No paths in the log" says, and it stays as it was."""
    site.configure(obfuscate_paths=False, path_map=f"{FOLDER}=/elsewhere", only_paths=FOLDER)
    for number in range(3):
        site.stash.add_scene(title=NAME, files=[(f"{FOLDER}/{NAME} {number}.mp4", 5)])
    site.add(f"{FOLDER}/{NAME} of all.mp4")
    scene = site.stash.add_scene(title=NAME, files=[("", 5)])
    site.sync(scene)
    assert site.ask("status")["failed"], "else there is no message"
    text = report(site)
    assert "sampled scenes" in text
    assert "PermanentError: 1" in text
    assert NAME not in text
    assert FOLDER not in text
    for secret in (site.plex.token, site.stash.session_cookie(), str(site.data), str(site.data.parent)):
        assert secret not in text
    assert FOLDER in site.call({"mode": "check_setup"}).said()


def test_it_tells_no_host_of_another_machine(site: Site) -> None:
    site.configure(plex_url="http://plex.example.invalid:32400", stash_url="https://stash.example.org/base")
    text = report(site)
    assert "example" not in text
    assert "plex_url, …, is unknown" in text
    site.configure(plex_url="ftp://plex.example.invalid:32400")
    text = report(site)
    assert "plex_url is " in text
    assert "example" not in text


def test_what_failed_in_plexsync_itself_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.configure(max_retries=0)
    scene, _ = site.add()
    monkeypatch.setattr("sync.worker.processor.plan", lambda *_: 1 / 0)
    site.sync(scene)
    assert "ZeroDivisionError at " in report(site)


def test_it_comes_from_a_shell_too(site: Site) -> None:
    site.configure()
    site.add()
    site.data.mkdir()
    where = {"STASH_URL": site.stash.url, "PLEXSYNC_DATA_DIR": str(site.data)}
    plain, as_json = io.StringIO(), io.StringIO()
    said = io.StringIO()
    assert main(["check-setup", "--report"], plain, said, where) == 0, said.getvalue()
    assert plain.getvalue().startswith(f"PlexSync {version()}, Stash ")
    assert main(["check-setup", "--report", "--json"], as_json, io.StringIO(), where) == 0
    assert json.loads(as_json.getvalue())["report"][0] == plain.getvalue().splitlines()[0]


def test_without_plex_it_says_so(site: Site) -> None:
    site.configure()
    site.plex.stop()
    assert "error: " in report(site)
