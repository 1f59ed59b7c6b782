"""A data folder on any mount: file systems without flock, without shared memory, without locks, full or read-only.

Real processes of plexsync.py under `tests/data/odd_mount.c`, which makes one facility fail for files below a folder.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sync import data_folder
from tests.site import ROOT, Answer, Child, Site

COMPILER = shutil.which("cc") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not COMPILER, reason="the odd file systems need Linux and a C compiler"
)

# facility of odd_mount.c -> errno
Lacks = dict[str, int]
NO_FLOCK = [errno.EOPNOTSUPP, errno.ENOLCK]
NO_SHM: list[Lacks] = [
    {"ODD_SHM_MAP": errno.ENODEV},
    {"ODD_SHM_OPEN": errno.EINVAL},
    {"ODD_SHM_LOCK": errno.EOPNOTSUPP},
    {"ODD_SHM_MAP": errno.EINVAL, "ODD_FLOCK": errno.EOPNOTSUPP},
]
NO_RANGE: list[Lacks] = [
    {"ODD_RANGE": errno.EOPNOTSUPP},
    {"ODD_RANGE": errno.ENOLCK, "ODD_FLOCK": errno.ENOLCK},
]
NUMBERS = itertools.count()
NO_TIME = 5.0
"""Seconds: a process on a busy machine, and far below any wait for a lock."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The odd mount, compiled."""
    assert COMPILER
    library = tmp_path_factory.mktemp("odd") / "odd_mount.so"
    source = ROOT / "tests" / "data" / "odd_mount.c"
    made = subprocess.run([COMPILER, "-shared", "-fPIC", "-o", library, source, "-ldl"], capture_output=True)
    if made.returncode:
        pytest.skip(f"no C compiler that works: {made.stderr.decode()[:200]}")
    return library


@pytest.fixture
def mount(site: Site, shim: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lacks], None]:
    """Have the processes from here on find a data folder that lacks this."""

    def lacking(lacks: Lacks) -> None:
        monkeypatch.setenv("LD_PRELOAD", str(shim))
        monkeypatch.setenv("ODD_MOUNT", str(site.data))
        for facility, number in lacks.items():
            monkeypatch.setenv(facility, str(number))

    return lacking


def save(site: Site, scene: int) -> Answer:
    """A save's hook, which may not wait."""
    began = time.monotonic()
    answer = Child.hook(site, scene).end()
    assert time.monotonic() - began < NO_TIME
    return answer


def bring_into_plex(site: Site, scene: int, key: int) -> None:
    """A save and the run after it, each in its process."""
    answer = save(site, scene)
    assert answer.error is None, answer.error
    began = time.monotonic()
    drained = Child.drain(site).end()
    assert drained.error is None, drained.error
    assert time.monotonic() - began < 3 * NO_TIME
    assert site.item(key).title == site.stash.scene(scene).title
    assert site.rows() == []


def journals(site: Site) -> list[str]:
    """The journal modes of the queue's and the state's file."""
    modes = []
    for file in (data_folder.queue_file(str(site.data)), data_folder.state_file(str(site.data))):
        with closing(sqlite3.connect(file)) as connection:
            modes.append(connection.execute("PRAGMA journal_mode").fetchone()[0])
    return modes


def add(site: Site) -> tuple[int, int]:
    """A scene with a title and its item, each of its own file."""
    scene, key = site.add(f"/media/clip {next(NUMBERS)}.mp4")
    site.stash.save_scene(scene, title="A day out")
    return scene, key


@pytest.mark.parametrize("number", NO_FLOCK, ids=errno.errorcode.get)
def test_a_save_arrives_where_flock_is_not_supported(site: Site, mount: Callable[[Lacks], None], number: int) -> None:
    mount({"ODD_FLOCK": number})
    bring_into_plex(site, *add(site))
    assert journals(site) == ["wal", "wal"]


@pytest.mark.parametrize("lacks", NO_SHM, ids=str)
def test_a_save_arrives_where_the_log_has_no_shared_memory(
    site: Site, mount: Callable[[Lacks], None], lacks: Lacks
) -> None:
    mount(lacks)
    bring_into_plex(site, *add(site))
    assert journals(site) == ["delete", "delete"]


@pytest.mark.parametrize("lacks", NO_SHM[::3], ids=str)
def test_files_that_were_moved_there_with_their_log_go_on(
    site: Site, mount: Callable[[Lacks], None], lacks: Lacks
) -> None:
    scene, key = add(site)
    waits, its_key = add(site)
    bring_into_plex(site, scene, key)
    save(site, waits)
    assert journals(site) == ["wal", "wal"]
    mount(lacks)
    drained = Child.drain(site).end()
    assert drained.error is None, drained.error
    assert site.item(its_key).title == "A day out"
    assert journals(site) == ["delete", "delete"]


def test_thirty_saves_at_once_into_a_new_folder_all_arrive(site: Site, mount: Callable[[Lacks], None]) -> None:
    mount({"ODD_SHM_MAP": errno.ENODEV, "ODD_FLOCK": errno.EOPNOTSUPP})
    hooks = [Child.hook(site, scene) for scene in range(1, 31)]
    assert [hook.end().error for hook in hooks] == [None] * 30
    assert sorted(row["scene_id"] for row, _ in site.rows()) == list(range(1, 31))


@pytest.mark.parametrize("lacks", [{}, {"ODD_FLOCK": errno.ENOLCK, "ODD_SHM_MAP": errno.ENODEV}], ids=str)
def test_two_runs_at_once_keep_each_other_out(site: Site, mount: Callable[[Lacks], None], lacks: Lacks) -> None:
    scene, key = add(site)
    mount(lacks)
    save(site, scene)
    site.plex.edit_delay = 2.0
    first = Child.drain(site)
    site.plex.wait_for_request(lambda one: one.is_edit, timeout=30)
    first.send(signal.SIGSTOP)  # it holds its lock for as long as we like
    second = Child.drain(site).end()
    assert second.output and "Another run of Process queue is at work" in second.output
    assert save(site, scene).output == f"Scene {scene} queued"  # a drain runs, and takes it
    first.send(signal.SIGCONT)
    assert first.end().error is None
    assert site.item(key).title == "A day out"


@pytest.mark.parametrize("lacks", NO_RANGE, ids=str)
@pytest.mark.parametrize("exists", [False, True], ids=["new folder", "moved there"])
def test_where_nothing_can_be_locked_everybody_says_so_at_once(
    site: Site, mount: Callable[[Lacks], None], lacks: Lacks, exists: bool
) -> None:
    scene, _ = add(site)
    if exists:
        save(site, scene)
    mount(lacks)
    began = time.monotonic()
    hook, drain = save(site, scene), Child.drain(site).end()
    check = Child(site, {"mode": "check_setup"}).end()
    status = Child(site, {"mode": "status", "log": True}).end()
    assert time.monotonic() - began < 4 * NO_TIME
    for said in (hook.error, drain.error, check.said("e"), *([status.said("e")] if exists else [])):
        assert said and str(site.data) in said
        assert "locks" in said
        assert "PLEXSYNC_DATA_DIR" in said


def test_a_full_disk_and_a_read_only_one_are_called_so(site: Site, mount: Callable[[Lacks], None]) -> None:
    scene, _ = add(site)
    save(site, scene)
    mount({"ODD_WRITE": errno.ENOSPC})
    said = save(site, scene).error
    assert said and "is full" in said and str(site.data) in said
    mount({"ODD_OPEN": errno.EROFS})
    said = save(site, scene).error
    assert said and "not writable" in said and str(site.data) in said and "PLEXSYNC_DATA_DIR" in said


def test_check_setup_tells_what_the_folder_can_do(
    site: Site, mount: Callable[[Lacks], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(site)
    check = Child(site, {"mode": "check_setup"}).end()
    assert f"Data folder: files in {str(site.data)!r} can be written and locked" in check.said("i")
    before = sorted(os.listdir(site.data))
    mount({"ODD_SHM_MAP": errno.ENODEV})
    check = Child(site, {"mode": "check_setup"}).end()
    assert "a few milliseconds more" in check.said("i")
    assert sorted(os.listdir(site.data)) == before
    save(site, 1)
    monkeypatch.setenv("ODD_MOUNT", data_folder.queue_file(str(site.data)))  # of another user, as it were
    monkeypatch.setenv("ODD_OPEN", str(errno.EACCES))
    check = Child(site, {"mode": "check_setup"}).end()
    assert "queue/data.db' cannot be read or written: it is not writable" in check.said("e")
    mount({"ODD_OPEN": errno.EROFS})
    check = Child(site, {"mode": "check_setup"}).end()
    assert "not writable" in check.said("e")


def test_a_lock_by_range_is_not_lost_when_its_own_process_looks(
    site: Site, mount: Callable[[Lacks], None], tmp_path: Path
) -> None:
    """Closing any descriptor of a file frees a process's byte-range locks on it."""
    mount({"ODD_FLOCK": errno.EOPNOTSUPP})
    os.makedirs(site.data, exist_ok=True)
    path = str(site.data / "drain.lock")
    script = (
        "import sys; from sync.lock import FileLock, is_held; lock = FileLock(sys.argv[1]); "
        "print(lock.acquire(), is_held(sys.argv[1]), FileLock(sys.argv[1]).acquire(), flush=True); input(); "
        "lock.release(); print(is_held(sys.argv[1]), FileLock(sys.argv[1]).acquire(), flush=True)"
    )
    look = "import sys; from sync.lock import FileLock as L; print(L(sys.argv[1]).acquire())"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "True True False\n"
    other = subprocess.run([sys.executable, "-c", look, path], capture_output=True, cwd=ROOT, text=True)
    assert other.stdout == "False\n"
    assert holder.communicate("\n")[0] == "False True\n"


def test_a_queue_that_is_killed_in_a_transaction_is_whole_afterwards(
    site: Site, mount: Callable[[Lacks], None]
) -> None:
    """A rollback journal that a kill has left is rolled back, and moved along with a damaged file."""
    file = Path(data_folder.queue_file(str(site.data)))
    file.parent.mkdir(parents=True)
    for name in ("", "-journal", "-wal"):
        file.with_name(file.name + name).write_bytes(b"no database at all, whatever SQLite thinks " * 100)
    aside = data_folder.move_aside(str(file))
    assert os.listdir(file.parent) and not any(name.startswith("data.db-") for name in os.listdir(file.parent))
    assert os.path.exists(aside + "-journal")
