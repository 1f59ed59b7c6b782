"""A page of Stash's asks whether work is due: after a restart nobody else would."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from freezegun import freeze_time

from sync.lock import FileLock
from sync.queue import wake
from sync.queue.outlook import run_of_stash
from sync.status.version import version
from tests.site import ROOT, Site

pytestmark = pytest.mark.integration

WAKE = {"mode": "wake"}


def said(site: Site) -> str:
    """What a page is answered, in a sentence."""
    found = site.ask("wake")
    return str(found.get("said") or found["error"])


def asks(site: Site) -> int:
    return len(site.stash.plugin_requests("PlexSyncAsk("))


def later(seconds: float) -> freeze_time:
    return freeze_time(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)


def test_nothing_is_there_and_nothing_is_made(site: Site) -> None:
    assert said(site) == "Nothing waits"
    assert not list(site.data.glob("queue/*"))


def test_work_that_nobody_comes_for_is_asked_for_once(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    before = asks(site)
    assert "at work or asked for" in said(site), "the hook has asked a moment ago"
    with later(30):
        assert said(site) == "Process queue asked for"
        assert "at work or asked for" in said(site)
    assert asks(site) == before + 1


def test_a_running_drain_is_left_alone(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    lock = FileLock(str(site.data / "drain.lock"))
    assert lock.acquire()
    store = site.store()
    wake.begin_drain(store.connection)
    assert "at work" in said(site)
    store.close()
    lock.release()


def test_a_persons_stop_holds_for_a_while(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    store = site.store()
    wake.begin_drain(store.connection, run_of_stash())
    store.connection.execute("UPDATE plexsync_wake SET alive_at = ?", (time.time(),))  # and killed
    store.close()
    assert "was stopped" in said(site)
    with later(700):
        assert said(site) == "Process queue asked for"


def test_a_restart_of_stash_is_no_stop(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    store = site.store()
    wake.begin_drain(store.connection, "1:of an earlier start")
    store.close()
    assert said(site) == "Process queue asked for"


def test_rows_that_wait_are_the_sleepers_while_it_lives(site: Site) -> None:
    scene = site.stash.add_scene(title="Not in Plex", files=[("/media/x.mp4", 1)])
    site.sync(scene)
    lock = FileLock(str(site.data / "sleeper.lock"))
    assert lock.acquire()
    assert said(site) == "The sleeper sees to it"
    lock.release()
    assert said(site) == "Process queue asked for", "a sleeper that died is replaced by the drain"


def test_a_stash_that_does_not_take_it_is_asked_again(site: Site) -> None:
    scene, _ = site.add()
    site.stash.fail("status", status=502, times=2, query_contains="runPluginTask")
    site.hook(scene)
    assert "was not started" in said(site)
    assert said(site) == "Process queue asked for"


def test_the_scripts_are_in_the_yml_and_ask_the_plugin(live_site: Site) -> None:
    plugin = yaml.safe_load((ROOT / "PlexSync.yml").read_text())
    listed = [*plugin["ui"]["javascript"], *plugin["ui"]["css"]]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT).as_posix()) for path in (ROOT / "ui").iterdir())
    found = live_site.stash.run_operation(WAKE)
    assert found == {"said": "Nothing waits", "needs_look": 0, "mark_scenes": False, "version": version()}
