"""A data folder on a file system that lacks something: locks, ranges of locks, memory to share."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder, fast
from tests.site import ROOT, Site

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the lacking file system is played on Linux alone"),
]

FLOCK, RANGES, SHM = "FLOCK", "RANGES", "SHM"
NO, NO_LOCKS, NO_DEVICE, BAD = errno.EOPNOTSUPP, errno.ENOLCK, errno.ENODEV, errno.EINVAL
WORKS = [
    {},
    {FLOCK: NO},
    {FLOCK: NO_LOCKS},
    {FLOCK: BAD},
    {FLOCK: errno.ENOSYS},
    {SHM: NO_DEVICE},
    {SHM: BAD},
    {FLOCK: NO, SHM: NO_DEVICE},
]
LACKS = [{RANGES: NO_LOCKS}, {RANGES: NO}, {FLOCK: NO, RANGES: NO}, {FLOCK: NO_LOCKS, RANGES: NO_LOCKS}]


def named(what: dict[str, int]) -> str:
    return " ".join(f"{name}-{errno.errorcode[code]}" for name, code in what.items()) or "all there"


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What makes calls fail, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    made = tmp_path_factory.mktemp("shim") / "mount.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(made), str(ROOT / "tests" / "data" / "mount.c"), "-ldl"], check=True
    )
    return str(made)


class Mount:
    """A data folder on such a file system, and the processes of PlexSync that use it."""

    def __init__(self, site: Site, shim: str) -> None:
        self.site, self._shim = site, shim
        self.lacks: dict[str, int] = {}

    def start(self, args: dict[str, Any]) -> subprocess.Popen[bytes]:
        connection = {
            "Scheme": "http",
            "Host": "127.0.0.1",
            "Port": self.site.stash.port,
            "SessionCookie": {"Name": "session", "Value": self.site.stash.session_cookie()},
            "Dir": str(self.site.stash.config_dir),
        }
        below = {"LD_PRELOAD": self._shim, "LACKS_BELOW": str(self.site.data)}
        process = subprocess.Popen(
            [sys.executable, "-S", str(ROOT / "plexsync.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **below, **{name: str(code) for name, code in self.lacks.items()}},
        )
        assert process.stdin
        process.stdin.write(json.dumps({"server_connection": connection, "args": args}).encode())
        process.stdin.close()
        process.stdin = None
        return process

    def call(self, args: dict[str, Any]) -> dict[str, str]:
        """What it answered, with what it logged as `log`."""
        said, logged = self.start(args).communicate(timeout=60)
        answer: dict[str, str] = json.loads(said)
        return answer | {"log": logged.decode()}

    def save(self, scene: int) -> dict[str, str]:
        context = {"id": scene, "type": "Scene.Update.Post", "input": None, "inputFields": ["id", "title"]}
        return self.call({"hookContext": context})

    def drain(self) -> dict[str, str]:
        return self.call({"mode": "process_queue"})


@pytest.fixture
def mount(site: Site, shim: str) -> Iterator[Mount]:
    site.configure()
    yield Mount(site, shim)
    site.kill_sleeper()


@pytest.mark.parametrize("lacks", WORKS, ids=named)
def test_it_works_wherever_plain_sqlite_does(mount: Mount, lacks: dict[str, int]) -> None:
    mount.lacks = lacks
    pairs = [mount.site.add(f"/m/{number}.mp4") for number in range(3)]
    for scene, _ in pairs:
        mount.site.stash.scene(scene).title = f"Title {scene}"
        assert f"Scene {scene} queued" in mount.save(scene)["output"]
    answer = mount.drain()
    assert answer.get("output") == "3 scenes: 3 changed in Plex", answer
    assert [mount.site.item(key).title for _, key in pairs] == [f"Title {scene}" for scene, _ in pairs]
    assert mount.call({"mode": "sync_all"})["output"] == "Sync all scenes: 3 scenes: 3 right already"
    assert "error" not in mount.call({"mode": "status", "log": True})
    assert (mount.site.data / "queue" / fast.NO_LOG).exists() == (SHM in lacks)


@pytest.mark.parametrize("lacks", LACKS, ids=named)
def test_where_no_lock_works_one_sentence_says_so_at_once(mount: Mount, lacks: dict[str, int]) -> None:
    mount.lacks = lacks
    scene, _ = mount.site.add()
    for call in (mount.save(scene), mount.drain()):
        for part in (str(mount.site.data), "PLEXSYNC_DATA_DIR", "locks do not work"):
            assert part in call["error"]
    began = time.monotonic()
    mount.save(scene)
    assert time.monotonic() - began < 5, "a save does not wait for what cannot come"
    said = mount.call({"mode": "check_setup"})
    assert "PLEXSYNC_DATA_DIR" in said.get("output", "") + said.get("error", "")


def test_a_queue_of_another_disk_goes_on_without_its_log(mount: Mount) -> None:
    """Version 0.1 left it in the mode of a write-ahead log; its rows are there still."""
    scene, key = mount.site.add()
    mount.site.stash.scene(scene).title = "From another disk"
    mount.save(scene)
    assert (mount.site.data / "queue" / "data.db").read_bytes()[18] == 2
    mount.lacks = {SHM: NO_DEVICE, FLOCK: NO}
    other, _ = mount.site.add("/m/other.mp4")
    assert "queued" in mount.save(other)["output"]
    assert mount.drain()["output"].startswith("2 scenes: ")
    assert mount.site.item(key).title == "From another disk"


@pytest.mark.parametrize("lacks", [{FLOCK: NO}, {FLOCK: NO, SHM: NO_DEVICE}], ids=named)
def test_two_runs_still_keep_out_of_each_others_way(mount: Mount, lacks: dict[str, int]) -> None:
    mount.lacks = lacks
    pairs = [mount.site.add(f"/m/{number}.mp4") for number in range(40)]
    for scene, _ in pairs:
        mount.site.stash.scene(scene).title = f"Title {scene}"
    mount.site.plex.edit_seconds = 0.02
    for scene, _ in pairs[:2]:
        mount.save(scene)
    runs = [mount.start({"mode": "sync_all"}) for _ in range(3)]
    said = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert all("output" in one for one in said), said
    edits = [request for request in mount.site.plex.requests if request.method == "PUT"]
    assert len(edits) <= len(pairs), "nothing is written twice"
    assert [mount.site.item(key).title for _, key in pairs] == [f"Title {scene}" for scene, _ in pairs]


def test_a_lock_that_belongs_to_the_process_survives_its_own_looks(mount: Mount, tmp_path: Path) -> None:
    program = (
        "import sys, subprocess; sys.path.insert(0, sys.argv[1])\n"
        "from sync.queue.lock import FileLock, is_held\n"
        "other = 'import sys; sys.path.insert(0, sys.argv[1]); from sync.queue.lock import is_held; '"
        "        'print(is_held(sys.argv[2]))'\n"
        "lock = FileLock(sys.argv[2]); assert lock.acquire() and is_held(sys.argv[2])\n"
        "assert not FileLock(sys.argv[2]).acquire()\n"
        "print(subprocess.check_output([sys.executable, '-c', other, *sys.argv[1:]], text=True).strip())\n"
        "lock.release(); assert not is_held(sys.argv[2])\n"
        "print(subprocess.check_output([sys.executable, '-c', other, *sys.argv[1:]], text=True).strip())\n"
    )
    environment = {**os.environ, "LD_PRELOAD": mount._shim, "LACKS_BELOW": str(tmp_path), FLOCK: str(NO)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), str(tmp_path / "a.lock")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_folder_that_can_have_a_log_has_one(mount: Mount) -> None:
    scene, _ = mount.site.add()
    mount.save(scene)
    mount.drain()
    for file in (data_folder.queue_file(str(mount.site.data)), data_folder.state_file(str(mount.site.data))):
        assert Path(file).read_bytes()[18] == 2
