"""Fixtures that many tests share, and where their files are."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from sync import data_folder, log
from sync.plex import client
from sync.setup import dependencies
from sync.sleeper import launch
from sync.worker import backoff, finish
from sync.worker.circuit_breaker import CircuitBreaker
from sync.worker.processor import Drain
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn
from tests.site import UNCOVERED, Site, install_plugin, kill_sleepers_below, known_plugin, open_files

RAM_DISK = "/dev/shm"
"""Where Linux keeps files in memory: the suite takes a quarter less than on a disk, of processor time too."""
ENOUGH = 2 << 30  # bytes that have to be free there


def pytest_configure(config: pytest.Config) -> None:
    """Put the tests' files into memory, where there is room and programs may be run from there."""
    if sys.platform != "linux" or not os.access(RAM_DISK, os.W_OK) or os.statvfs(RAM_DISK).f_flag & os.ST_NOEXEC:
        return
    if shutil.disk_usage(RAM_DISK).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", RAM_DISK)


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No data folder and no secret of another test."""
    monkeypatch.delenv("PLEXSYNC_DATA_DIR", raising=False)
    yield
    log._secrets.clear()
    log._readable.clear()
    log.hide_paths(None)
    log.show_details(False)
    log.use(None)


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain in the test's own process sends each request once, so that a test can count; see test_patience.py."""
    monkeypatch.setattr(client, "PAUSES", ())


@pytest.fixture(autouse=True)
def _no_try_in_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delay is random and may be none: then the drain of a test on a busy machine would try again at once.

    Short delays become 2 to 2.2 s, each its own, so that jitter stays jitter.
    """

    def not_at_once(*given: float) -> float:
        delay = backoff.calculate_delay(*given)
        return delay if delay >= 2 else 2 + delay / 10

    monkeypatch.setattr(finish, "calculate_delay", not_at_once)


@pytest.fixture(autouse=True)
def _packages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in the test's own process does not look for its packages: it takes a tenth of it, and they are there."""
    monkeypatch.setattr(dependencies, "missing", list)


@pytest.fixture(autouse=True)
def _no_stray_sleeper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain in the test's own process starts no process that would outlive the test."""
    monkeypatch.setattr(launch, "ensure", lambda *_, **__: False)


@pytest.fixture
def windows_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that a process has open cannot be moved, as on Windows: SQLite and Python open theirs so there."""
    if sys.platform == "win32":
        return
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("tells open files by /proc, which this system lacks")

    def guarded(move: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def moved(source: str, target: str) -> None:
            if {os.path.realpath(source), os.path.realpath(target)} & open_files():
                error = PermissionError(13, "The process cannot access the file", source)
                error.winerror = 32  # type: ignore[attr-defined]
                raise error
            move(source, target)

        return moved

    monkeypatch.setattr(data_folder, "IS_WINDOWS", True)
    monkeypatch.setattr(os, "replace", guarded(os.replace))
    monkeypatch.setattr(os, "rename", guarded(os.rename))


@pytest.fixture
def plex() -> Iterator[PlexStandIn]:
    """A Plex without libraries."""
    with PlexStandIn() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, plex: PlexStandIn) -> Iterator[Site]:
    """Both servers; PlexSync runs in this process, when the test says so."""
    with StashStandIn(config_dir=tmp_path / "stash", plugin_dir=known_plugin(tmp_path / "known")) as stash:
        made = Site(stash, plex, tmp_path / "stash" / "plexsync", plex.add_library("Clips"))
        made.configure()
        yield made


@pytest.fixture
def live_site(tmp_path: Path, plex: PlexStandIn) -> Iterator[Site]:
    """Both servers; Stash runs the plugin itself, as processes."""
    plugin = install_plugin(tmp_path / "plugins")
    with StashStandIn(config_dir=tmp_path / "stash", plugin_dir=plugin, environment=UNCOVERED) as stash:
        made = Site(stash, plex, tmp_path / "stash" / "plexsync", plex.add_library("Clips"))
        made.configure()
        yield made
        made.kill_sleeper()


@pytest.fixture
def _no_strays(tmp_path: Path) -> Iterator[None]:
    """For a test that kills drains: no sleeper that one of them has started outlives the test."""
    yield
    kill_sleepers_below(tmp_path)


@pytest.fixture(params=["adds", "replaces"])
def _both_readings_of_tag_edits(request: pytest.FixtureRequest, plex: PlexStandIn) -> None:
    """Whether an edit of a list adds to it or replaces it: Plex adds, and PlexSync is right under both."""
    plex.tag_mode = request.param


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenDateTimeFactory]:
    """Frozen time. The drain's and the breaker's clock are bound at import, where freezing does not reach."""
    for one in (CircuitBreaker, Drain):
        monkeypatch.setitem(one.__init__.__kwdefaults__ or {}, "clock", lambda: time.time())
    with freeze_time(datetime(2024, 1, 1, tzinfo=UTC), ignore=["_pytest.timing"]) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen
