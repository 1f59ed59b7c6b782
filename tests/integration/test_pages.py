"""What Stash's pages ask: settings, libraries, paths, the check and a preview, over real HTTP and real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from sync import data_folder
from sync.lock import FileLock
from sync.pages import background
from sync.pages.operations import LONG, QUICK, Call, function
from sync.setup import dependencies
from sync.stash import panel
from tests.site import PATIENCE, Child, Site, dead_children, kill

pytestmark = pytest.mark.integration


def stored(site: Site) -> dict[str, Any]:
    """What Stash holds of the settings."""
    return dict(site.stash.plugin_settings)


# Settings


def test_settings_before_anybody_has_set_anything(site: Site) -> None:
    site.stash.plugin_settings = {}
    found = site.ask("settings")
    assert (found["values"], found["token_is_set"], found["in_force"]["plex_url"]) == ({}, False, "")
    assert found["in_force"]["strict_matching"] is True
    assert found["errors"].keys() == {"plex_url", "plex_token"}


def test_each_setting_tells_its_kind_and_its_limits(site: Site) -> None:
    fields = site.ask("settings")["fields"]
    assert fields["plex_token"] == {"kind": "secret", "default": "", "accepted": fields["plex_token"]["accepted"]}
    assert fields["reconcile_every"]["choices"] == ["never", "daily", "weekly"]
    assert (fields["max_retries"]["least"], fields["max_retries"]["most"], fields["max_retries"]["whole"]) == (
        0,
        100,
        True,
    )
    assert (fields["connect_timeout"]["above"], fields["connect_timeout"]["whole"]) == (0, False)
    assert {one["kind"] for one in fields.values()} == {
        *("secret", "choice", "number", "switch", "text", "path_map", "plex_library"),
    }


def test_the_token_is_in_no_answer(site: Site) -> None:
    scene, _ = site.add()
    asked = {"preview": {"scene_id": scene}, "save_settings": {"changes": {"plex_token": site.plex.token}}}
    for mode in ("settings", "save_settings", "libraries", "paths", "check", "preview", "status"):
        assert site.plex.token not in json.dumps(site.ask(mode, **asked.get(mode, {}))), mode
    for path in (site.data / "pages").iterdir():
        assert site.plex.token.encode() not in path.read_bytes()
    assert site.secrets_on_disk() == []


def test_a_value_is_checked_as_it_is_typed_and_nothing_is_stored(site: Site) -> None:
    before = stored(site)
    found = site.ask("settings", **{"try": {"max_retries": "many", "read_timeout": " 12 ", "path_map": [["/a", "b"]]}})
    assert found["errors"].keys() == {"max_retries", "path_map"}
    assert "accepted: a whole number from 0 to 100" in found["errors"]["max_retries"]
    assert found["in_force"]["read_timeout"] == 12
    assert stored(site) == before


def test_a_typed_token_is_not_told_back(site: Site) -> None:
    found = site.ask("settings", **{"try": {"plex_token": "two words"}})
    assert "words" not in json.dumps(found)
    assert found["errors"].keys() == {"plex_token"}


def test_a_token_in_an_address_is_not_told_back(site: Site) -> None:
    site.configure(plex_url=f"http://192.168.1.10:32400/?X-Plex-Token={site.plex.token}")
    found = site.ask("settings")
    assert site.plex.token not in json.dumps(found)
    assert found["errors"].keys() == {"plex_url"}


def test_what_is_not_accepted_is_not_stored(site: Site) -> None:
    before = stored(site)
    found = site.ask("save_settings", changes={"max_retries": "many", "sync_title": False})
    assert (found["saved"], found["errors"].keys()) == (False, {"max_retries"})
    assert stored(site) == before


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"no_such": 1}, "args.changes has no_such"),
        (["max_tags"], "args.changes is a JSON list"),
        (None, "args.changes is a JSON NoneType"),
        ({"path_map": [["/a"]]}, "no list of pairs"),
    ],
)
def test_what_is_no_change_is_told(site: Site, changes: Any, text: str) -> None:
    assert text in site.ask("save_settings", changes=changes)["error"]


def test_saving_keeps_what_another_tab_and_a_newer_version_have_stored(site: Site) -> None:
    site.configure(max_tags=7, of_a_newer_version="kept")
    found = site.ask("save_settings", changes={"sync_studio": False})
    assert found["saved"]
    assert (found["in_force"]["sync_studio"], found["in_force"]["max_tags"]) == (False, 7)
    assert (stored(site)["of_a_newer_version"], stored(site)["max_tags"]) == ("kept", 7)
    assert stored(site)["plex_token"] == site.plex.token


def test_reset_brings_the_default_back(site: Site) -> None:
    site.configure(max_tags=7, only_tags="Some")
    found = site.ask("save_settings", changes={"max_tags": None, "only_tags": None})
    assert (found["in_force"]["max_tags"], found["in_force"]["only_tags"]) == (0, "")


def test_lists_are_stored_as_the_setting_takes_them(site: Site) -> None:
    pairs, names = [["/stash; one", "/plex=two"], ["C:\\Media", "/media"]], ["Films, old", 'The "other"', "Clips"]
    found = site.ask("save_settings", changes={"path_map": pairs, "plex_library": names})
    assert found["saved"]
    assert (found["path_pairs"], found["library_names"]) == (pairs, names)


def test_a_choice_of_reconcile_is_a_persons(site: Site) -> None:
    site.ask("save_settings", changes={"sync_studio": False})
    assert stored(site)["defaults_since"] > 0
    site.ask("save_settings", changes={"reconcile_every": "daily"})
    assert stored(site)["defaults_since"] == 0


def test_ten_tabs_that_save_at_once_lose_nothing(site: Site) -> None:
    names = [*("sync_title", "sync_summary", "sync_studio", "sync_date", "sync_rating"), "sync_director", "sync_tags"]
    children = [Child(site, {"mode": "save_settings", "changes": {name: False}}) for name in names]
    assert all(child.end().output["saved"] for child in children)
    assert [stored(site)[name] for name in names] == [False] * len(names)


def test_a_save_waits_for_a_run_that_fills_the_panel(site: Site) -> None:
    lock = FileLock(str(site.data / panel.LOCK))
    site.data.mkdir(exist_ok=True)
    assert lock.acquire()
    child = Child(site, {"mode": "save_settings", "changes": {"sync_title": False}})
    time.sleep(0.3)
    assert "sync_title" not in stored(site)
    lock.release()
    assert child.end().output["saved"]


def test_packages_that_are_missing_are_told_not_installed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "missing", lambda: ["pydantic is not installed"])
    assert site.ask("settings")["packages"] is False
    assert site.ask("save_settings", changes={"max_tags": 1})["packages"] is False


def test_a_stash_that_does_not_answer(site: Site) -> None:
    site.stash.fail("status", status=502, times=None, query_contains="PlexSyncPanel")
    assert "Stash answered 502" in site.ask("settings")["error"]
    assert "Stash answered 502" in site.ask("save_settings", changes={"max_tags": 1})["error"]


# Plex: who it is, its libraries, how scenes match


def test_libraries_with_their_items(site: Site) -> None:
    site.add()
    site.plex.add_library("Shows", type="show")
    other = site.plex.add_library("Other")
    site.configure(plex_library="Clips")
    found = site.ask("libraries")
    told = {one["name"]: (one["type"], one["items"], one["chosen"]) for one in found["libraries"]}
    assert told == {"Clips": ("movie", 1, True), "Shows": ("show", None, False), "Other": ("movie", 0, False)}
    assert found["server"]["may_write"] is True
    assert found["server"]["address"] == site.plex.url
    assert other and found["trouble"] == ""


def test_a_library_that_was_renamed(site: Site) -> None:
    site.configure(plex_library="Old name")
    found = site.ask("libraries")
    assert 'plex_library "Old name" was not found' in found["trouble"]
    assert [one["name"] for one in found["libraries"]] == ["Clips"]


@pytest.mark.parametrize("mode", ["libraries", "paths", "preview"])
def test_a_plex_that_is_away_and_a_wrong_token(site: Site, mode: str) -> None:
    scene, _ = site.add()
    site.configure(plex_token="wrong")
    assert "plex_token is refused" in site.ask(mode, scene_id=scene)["error"]
    site.configure(plex_token="")
    assert "plex_token is empty" in site.ask(mode, scene_id=scene)["error"]
    site.configure()
    site.plex.stop()
    assert "cannot be reached" in site.ask(mode, scene_id=scene)["error"]


def moved(site: Site, count: int = 6) -> None:
    """Scenes whose files Plex sees elsewhere, with sizes that tell them apart."""
    for number in range(count):
        name, size = f"clip {number}.mp4", 1000 + number
        site.plex.add_item(site.library, [(f"/plex/films/{name}", size)])
        site.stash.add_scene(files=[(f"/stash/media/{name}", size)])


def test_a_path_map_is_proposed_tried_and_used(site: Site) -> None:
    moved(site)
    found = site.ask("paths")
    assert (found["sampled"], found["outcomes"]) == (6, {"by name": 6})
    assert found["proposal"]["outcomes"] == {"by path": 6}
    pairs = found["proposal"]["pairs"]
    assert site.ask("paths", path_map=pairs)["outcomes"] == {"by path": 6}
    assert "path_map" not in stored(site)
    assert "accepted" in site.ask("paths", path_map="nonsense")["error"]
    site.ask("save_settings", changes={"path_map": pairs})
    found = site.ask("paths")
    assert (found["outcomes"], found["proposal"]) == ({"by path": 6}, None)


def test_the_check_is_a_list_of_lines(site: Site) -> None:
    site.add()
    good = site.ask("check")
    assert (good["is_good"], good["to_fix"]) == (True, [])
    assert any("takes the token" in line["text"] for line in good["lines"])
    site.configure(plex_library="Nothing", max_tags="x")
    bad = site.ask("check")
    assert [line["text"] for line in bad["lines"] if line["level"] == "error"] == bad["to_fix"]
    assert len(bad["to_fix"]) == 2


# A preview


def item_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert len(found["items"]) == 1, found
    return {field["name"]: field for field in found["items"][0]["fields"]}


def test_a_preview_is_what_the_sync_does_and_writes_nothing(site: Site) -> None:
    scene, key = site.add(genres=["Mine"])
    site.stash.save_scene(scene, title="Title", details="Summary", tag_ids=[site.stash.add_tag("New")])
    site.stash.scene(scene).cover = b"\xff\xd8\xff\xe0 a picture of its own"
    fields = item_of(site.ask("preview", scene_id=scene))
    assert {name for name, field in fields.items() if field["why"] == "write"} >= {"title", "summary", "genres"}
    assert [r for r in site.plex.requests if r.method != "GET"] == []
    assert not (site.data / "state.db").exists()
    assert not (site.data / "queue").exists()
    site.sync(scene)
    item = site.item(key)
    assert (item.title, item.summary, sorted(item.genres)) == (
        fields["title"]["after"],
        fields["summary"]["after"],
        sorted(fields["genres"]["after"]),
    )
    again = item_of(site.ask("preview", scene_id=scene))
    assert {field["why"] for field in again.values()} <= {"same", "off"}


def test_what_is_over_in_a_moment_leaves_no_dead_process(site: Site) -> None:
    """Where Stash is the first process of its container, each look at a scene's tab would leave one."""
    scene, _ = site.add()
    before = dead_children()
    site.ask("preview", scene_id=scene)
    site.ask("libraries")
    assert dead_children() == before


def test_a_preview_knows_what_is_ours(site: Site) -> None:
    site.configure(preserve_plex_edits=True)
    scene, key = site.add()
    site.stash.save_scene(scene, title="Title", details="Summary")
    site.sync(scene)
    site.plex.person_edits(key, title="A person's")
    site.stash.save_scene(scene, title="Other title", details="Other summary")
    fields = item_of(site.ask("preview", scene_id=scene))
    assert (fields["title"]["why"], fields["summary"]["why"]) == ("theirs", "write")
    site.stash.save_scene(scene, details="")
    assert item_of(site.ask("preview", scene_id=scene))["summary"]["why"] == "clear"


def test_a_preview_of_a_scene_that_plex_does_not_have(site: Site) -> None:
    scene = site.stash.add_scene(files=[("/stash/only.mp4", 5)])
    site.configure(path_map="/stash=/plex")
    found = site.ask("preview", scene_id=scene)
    assert found["items"] == []
    assert [one["error_type"] for one in found["problems"]] == ["PlexNotFound"]
    assert (found["looked_for"], found["libraries"]) == (["/plex/only.mp4"], ["Clips"])


def test_a_preview_of_a_scene_that_is_left_out_or_gone(site: Site) -> None:
    scene, _ = site.add()
    site.configure(only_organized=True)
    assert "only_organized" in site.ask("preview", scene_id=scene)["left_out"]
    assert "not in Stash any more" in site.ask("preview", scene_id=999)["error"]
    assert "args.scene_id is 'x'" in site.ask("preview", scene_id="x")["error"]


def test_a_preview_beside_a_drain_waits_for_nothing(site: Site) -> None:
    scene, _ = site.add()
    site.sync(scene)
    with site.state().transaction():
        assert item_of(site.ask("preview", scene_id=scene))


# How operations that take longer work


@pytest.fixture
def call(site: Site) -> Call:
    site.data.mkdir(exist_ok=True)
    return Call(site.connection(), str(site.data), {"mode": "libraries"})


def asked(call: Call, **args: Any) -> Call:
    return call._replace(args={**call.args, **args})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes that this one has started, where nothing else tells them."""
    found: list[int] = []

    class Started(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            found.append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Started)
    return found


def processes(number: str) -> Iterator[int]:
    """The process that works on this, by the lock it holds."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = [os.readlink(link) for link in (process / "fd").iterdir()]
        except OSError:
            continue
        if any(name.endswith(f"libraries.{number}.json.lock") for name in held):
            yield int(process.name)


def test_one_that_is_killed_is_told(site: Site, call: Call, started: list[int]) -> None:
    site.plex.fail(kind="hang", times=None)
    number = background.start(call)["id"]
    end = time.monotonic() + PATIENCE
    while not site.plex.requests:
        assert time.monotonic() < end
        time.sleep(0.01)
    for pid in processes(number) if sys.platform == "linux" else started:
        if sys.platform == "linux":
            assert os.readlink(f"/proc/{pid}/cwd") == "/", "in no folder that somebody may want to unmount"
        kill(pid)
    while not (found := background.look(asked(call, id=number)))["done"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "ended before it was done" in found["error"]


def test_it_is_wanted_until_it_is_cancelled_given_up_or_begun_anew(
    site: Site, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "start_detached", lambda *_: None)
    first = background.start(call)["id"]
    work = background.Work(call, first)
    assert work.is_wanted()
    with freeze_time(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 120))):
        assert not work.is_wanted(), "no page has asked for two minutes"
    second = background.start(call)["id"]
    assert not work.is_wanted()
    other = background.Work(call, second)
    assert other.is_wanted()
    background.cancel(asked(call, what="libraries", id=second))
    assert not other.is_wanted()


@pytest.mark.parametrize("number", ["", "../../queue/data", "zz.zz", "a/b", "18ebc5432f28b132"])
def test_an_id_that_is_none(site: Site, number: str) -> None:
    site.data.mkdir(exist_ok=True)
    found = site.call({"mode": "check", "id": number or " "}).output
    assert found["error"]


def test_answers_are_the_owners_and_do_not_pile_up(site: Site, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "start_detached", lambda *_: None)
    background.start(call)
    old = {path.name for path in (site.data / "pages").iterdir()}
    if os.name == "posix":
        assert (site.data / "pages").stat().st_mode & 0o077 == 0
    for path in (site.data / "pages").iterdir():
        os.utime(path, (1, 1))
    background.start(call)
    assert old.isdisjoint(path.name for path in (site.data / "pages").iterdir())


def test_every_operation_is_there() -> None:
    for name, module in (*QUICK.items(), *LONG.items()):
        assert callable(function(name, module)), name


def test_a_full_disk_is_told(site: Site, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_folder, "put", full)
    assert "No space left" in site.ask("libraries")["error"]


def test_two_pages_ask_beside_each_other(site: Site) -> None:
    site.add()
    numbers = [site.call({"mode": "check"}).output["id"] for _ in range(2)]
    assert [site.ask("check", id=number)["is_good"] for number in numbers] == [True, True]
