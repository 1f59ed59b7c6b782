"""A page of Stash's asks whether work is due: after a restart nobody else would."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from freezegun import freeze_time

from sync.queue import wake
from sync.queue.lock import FileLock
from sync.queue.outlook import run_of_stash
from tests.site import ROOT, Site

pytestmark = pytest.mark.integration

WAKE = {"mode": "wake"}


def asks(site: Site) -> int:
    return len(site.stash.plugin_requests("PlexSyncAsk("))


def later(seconds: float) -> freeze_time:
    return freeze_time(datetime.now(UTC) + timedelta(seconds=seconds), tick=True)


def test_nothing_is_there_and_nothing_is_made(site: Site) -> None:
    assert site.call(WAKE).output == "Nothing waits"
    assert not list(site.data.glob("queue/*"))


def test_work_that_nobody_comes_for_is_asked_for_once(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    before = asks(site)
    assert "at work or asked for" in str(site.call(WAKE).output), "the hook has asked a moment ago"
    with later(30):
        assert site.call(WAKE).output == "Process queue asked for"
        assert "at work or asked for" in str(site.call(WAKE).output)
    assert asks(site) == before + 1


def test_a_running_drain_is_left_alone(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    lock = FileLock(str(site.data / "drain.lock"))
    assert lock.acquire()
    store = site.store()
    wake.begin_drain(store.connection)
    assert "at work" in str(site.call(WAKE).output)
    store.close()
    lock.release()


def test_a_persons_stop_holds_for_a_while(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    store = site.store()
    wake.begin_drain(store.connection, run_of_stash())
    store.connection.execute("UPDATE plexsync_wake SET alive_at = ?", (time.time(),))  # and killed
    store.close()
    assert "was stopped" in str(site.call(WAKE).output)
    with later(700):
        assert site.call(WAKE).output == "Process queue asked for"


def test_a_restart_of_stash_is_no_stop(site: Site) -> None:
    scene, _ = site.add()
    site.hook(scene)
    store = site.store()
    wake.begin_drain(store.connection, "1:of an earlier start")
    store.close()
    assert site.call(WAKE).output == "Process queue asked for"


def test_rows_that_wait_are_the_sleepers_while_it_lives(site: Site) -> None:
    scene = site.stash.add_scene(title="Not in Plex", files=[("/media/x.mp4", 1)])
    site.sync(scene)
    lock = FileLock(str(site.data / "sleeper.lock"))
    assert lock.acquire()
    assert site.call(WAKE).output == "The sleeper sees to it"
    lock.release()
    assert site.call(WAKE).output == "Process queue asked for", "a sleeper that died is replaced by the drain"


def test_a_stash_that_does_not_take_it_is_asked_again(site: Site) -> None:
    scene, _ = site.add()
    site.stash.fail("status", status=502, times=2, query_contains="runPluginTask")
    site.hook(scene)
    assert "was not started" in str(site.call(WAKE).error)
    assert site.call(WAKE).output == "Process queue asked for"


def test_the_script_is_in_the_yml_and_asks_the_plugin(live_site: Site) -> None:
    plugin = yaml.safe_load((ROOT / "PlexSync.yml").read_text())
    assert plugin["ui"]["javascript"] == ["plexsync.js"]
    assert live_site.stash.run_operation(WAKE) == "Nothing waits"


@pytest.mark.skipif(not shutil.which("node"), reason="no node to run the script with")
def test_the_script_asks_at_most_every_ten_minutes() -> None:
    program = """
    const fs = require("fs"), vm = require("vm");
    const store = {}, calls = []; let now = 1e12;
    const window = {
      localStorage: { getItem: (k) => store[k] ?? null, setItem: (k, v) => { store[k] = v; } },
      location: { href: "http://stash:9999/sub/scenes/45" },
      fetch: (url, init) => {
        calls.push([String(url), JSON.parse(init.body).variables.args.mode]);
        return Promise.reject(1);
      },
    };
    const document = { querySelector: () => ({ getAttribute: () => "/sub/" }) };
    const load = () => vm.runInNewContext(fs.readFileSync(process.argv[1], "utf8"),
      { window, document, URL, JSON, Number, String, Date: { now: () => now } });
    load(); load(); now += 599e3; load(); now += 2e3; load(); now -= 3600e3; load();
    window.localStorage.getItem = () => { throw new Error("blocked"); }; load();
    console.log(JSON.stringify(calls));
    """
    done = subprocess.run(
        ["node", "-e", program, str(ROOT / "plexsync.js")], capture_output=True, text=True, check=True
    )
    expected = '["http://stash:9999/sub/graphql","wake"]'
    assert done.stdout.strip() == f"[{','.join([expected] * 3)}]"
