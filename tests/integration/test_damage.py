"""Damaged files, a full disk, a folder that cannot be written: one clear error, and nothing that was queued is lost."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sync import data_folder, hook
from sync.queue import batches, damage, schema, wake
from sync.queue.batch import SYNC_ALL
from tests.site import ROOT, Site

pytestmark = pytest.mark.integration


def checkpoint(file: Path) -> None:
    """Bring everything into the file itself, as the last close does."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def all_right(site: Site, pairs: dict[int, int]) -> None:
    assert site.arrived(pairs) == list(pairs)
    assert site.rows() == []


def queue_file(site: Site) -> Path:
    return Path(data_folder.queue_file(str(site.data)))


def no_database(file: Path) -> None:
    """Overwrite the header, as a disk may; the rows are there."""
    checkpoint(file)
    with file.open("r+b") as stream:
        stream.write(b"no database here")


def test_a_queue_file_that_is_no_database_any_more(site: Site) -> None:
    pairs = site.save_many(30)
    no_database(queue_file(site))
    answer = site.drain()
    assert answer.error is None
    assert "queue file was damaged and set aside" in answer.said("e")
    assert "Every scene is compared with Plex now" in answer.said("e")
    all_right(site, pairs)


@pytest.mark.parametrize("seed", range(3))
def test_a_queue_file_with_a_page_gone(site: Site, seed: int) -> None:
    pairs = site.save_many(60)
    file = queue_file(site)
    checkpoint(file)
    raw = bytearray(file.read_bytes())
    page = random.Random(seed).randrange(1, len(raw) // 4096)
    # Half a page of noise: cells of rows are gone, and the tree no longer adds up.
    raw[page * 4096 : page * 4096 + 2048] = random.Random(seed).randbytes(2048)
    file.write_bytes(raw)
    answer = site.drain()
    site.drain()
    assert answer.error is None
    all_right(site, pairs)


def test_a_hook_that_meets_a_damaged_queue_loses_nothing(site: Site) -> None:
    pairs = site.save_many(10)
    no_database(queue_file(site))
    scene, key = site.add("/media/late.mp4", 99)
    site.stash.scene(scene).title = f"T{scene}"
    assert site.hook(scene).error is None
    pairs[scene] = key
    site.drain()
    all_right(site, pairs)


def test_hooks_that_write_while_a_file_is_set_aside_lose_nothing(tmp_path: Path) -> None:
    """Each round damages the file under the hands of hooks that write."""
    folder = tmp_path / "queue"
    file = str(folder / data_folder.QUEUE_FILE)
    lock = str(tmp_path / "drain.lock")
    wake.enqueue(file, lock, hook.new_row(1, 1.0))
    written: set[int] = {1}
    errors: list[BaseException] = []
    stop = threading.Event()

    def saver(first: int) -> None:
        scene = first
        try:
            while not stop.is_set():
                wake.enqueue(file, lock, hook.new_row(scene, 1.0))
                written.add(scene)
                scene += 4
        except BaseException as error:
            errors.append(error)

    savers = [threading.Thread(target=saver, args=(first,)) for first in (2, 3, 4, 5)]
    for one in savers:
        one.start()
    try:
        for _ in range(5):
            with rescue_damage(file):
                damage.set_aside(file)
    finally:
        stop.set()
        for one in savers:
            one.join()
    assert errors == []
    # What a hook was told to be queued stands in the last file, or was set aside with the file it was written into.
    found = {scene for path in folder.glob(f"{data_folder.QUEUE_FILE}*") for scene in scenes_in(path)}
    assert found >= written
    connection = schema.connect(file)
    batches.create_tables(connection)
    assert damage.compare_all(file, connection)
    (batch,) = batches.unfinished(connection)
    assert (batch.kind, batch.by_itself) == (SYNC_ALL, True)
    assert damage.compare_all(file, connection) == [], "once"
    connection.close()


def scenes_in(path: Path) -> set[int]:
    """The scenes whose rows stand in a queue file, wherever it lies."""
    if path.name.endswith(("-wal", "-shm")):
        return set()
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT data FROM `{schema.JOBS}`").fetchall()
    connection.close()
    return {json.loads(data)["scene_id"] for (data,) in rows}


class rescue_damage:  # noqa: N801 - reads as a phrase
    """Makes the check see damage: writing noise into a file that others write would prove nothing about them."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        self._real = damage.is_damaged
        damage.is_damaged = lambda file: file == self._file or self._real(file)

    def __exit__(self, *_: object) -> None:
        damage.is_damaged = self._real


def test_a_kill_between_the_two_moves_loses_nothing(tmp_path: Path) -> None:
    """The log of the damaged file was moved away, the file itself was not."""
    file = tmp_path / data_folder.QUEUE_FILE
    connection = schema.connect(str(file))
    batches.create_tables(connection)
    Path(f"{file}.damaged-1-wal").write_bytes(b"what only the log held")
    assert damage.compare_all(str(file), connection) == [f"set aside as {file.name}.damaged-1.recovered"]
    assert [batch.kind for batch in batches.unfinished(connection)] == [SYNC_ALL]
    connection.close()


def test_a_good_queue_is_not_set_aside(site: Site) -> None:
    site.save_many(3)
    assert not damage.set_aside(str(queue_file(site)))
    assert len(site.rows()) == 3


def test_a_state_file_with_a_page_gone(site: Site) -> None:
    pairs = site.save_many(60)
    site.drain()
    state = Path(data_folder.state_file(str(site.data)))
    checkpoint(state)
    raw = bytearray(state.read_bytes())
    for page in range(2, len(raw) // 4096):
        raw[page * 4096 : page * 4096 + 1024] = b"\xff" * 1024
    state.write_bytes(raw)
    for scene in pairs:
        site.hook(scene)
    answer = site.drain()
    assert answer.error is None
    assert "state file is damaged" in answer.said("w")
    all_right(site, pairs)


# Windows: what a process has open cannot be moved


@pytest.mark.usefixtures("windows_shares")
def test_a_save_that_meets_a_damaged_queue_has_closed_it(site: Site) -> None:
    pairs = site.save_many(5)
    no_database(queue_file(site))
    assert site.hook(1).error is None
    assert site.drain().error is None
    all_right(site, pairs)


@pytest.mark.usefixtures("windows_shares")
@pytest.mark.parametrize("begins", ["with it", "in the middle"])
def test_a_drain_that_meets_a_damaged_queue_has_closed_it(site: Site, begins: str) -> None:
    pairs = site.save_many(5)
    file = queue_file(site)
    checkpoint(file)
    if begins == "with it":
        no_database(file)
    else:
        raw = bytearray(file.read_bytes())
        # All but the first page and the tables that a drain opens the file with.
        raw[2 * 4096 :] = b"\xff" * (len(raw) - 2 * 4096)
        file.write_bytes(raw)
    answer = site.drain()
    assert answer.error is None
    assert "set aside" in answer.said("e")
    all_right(site, pairs)


@pytest.mark.usefixtures("windows_shares")
def test_a_drain_that_meets_a_damaged_state_has_closed_it(site: Site) -> None:
    pairs = site.save_many(5)
    site.drain()
    no_database(Path(data_folder.state_file(str(site.data))))
    for scene in pairs:
        site.hook(scene)
    answer = site.drain()
    assert answer.error is None
    assert "state file is damaged" in answer.said("w")
    all_right(site, pairs)


@pytest.mark.usefixtures("windows_shares")
def test_a_file_that_is_read_for_a_moment_is_waited_for(site: Site) -> None:
    pairs = site.save_many(5)
    file = queue_file(site)
    no_database(file)
    reader = file.open("rb")
    threading.Timer(0.3, reader.close).start()
    assert site.drain().error is None
    all_right(site, pairs)


@pytest.mark.usefixtures("windows_shares")
def test_saves_while_another_program_holds_a_damaged_queue_are_not_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "PATIENCE", 0.1)
    pairs = site.save_many(5)
    site.drain()
    file = queue_file(site)
    no_database(file)
    asked = len(site.stash.jobs)
    with file.open("rb"):  # a database browser that somebody has left open
        for scene in pairs:
            site.stash.scene(scene).title = f"New {scene}"
            assert site.hook(scene).error is None
        assert len(site.stash.jobs) == asked + 1, "one asks for all"
        answer = site.drain()
        assert "another program has it open" in str(answer.error)
        assert "end it" in str(answer.error)
    answer = site.drain()
    assert answer.error is None
    assert {scene: site.item(key).title for scene, key in pairs.items()} == {scene: f"New {scene}" for scene in pairs}
    assert [entry for entry in os.listdir(file.parent) if "damaged" in entry and "recovered" not in entry] == []


@pytest.mark.usefixtures("windows_shares")
def test_a_damaged_state_that_another_program_holds_is_one_clear_error(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "PATIENCE", 0.1)
    pairs = site.save_many(3)
    site.drain()
    state = Path(data_folder.state_file(str(site.data)))
    no_database(state)
    for scene in pairs:
        site.hook(scene)
    with state.open("rb"):
        assert "another program has it open" in str(site.drain().error)
    assert site.drain().error is None
    all_right(site, pairs)


# A disk that is full, a folder that cannot be written


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a process's files")
def test_a_full_disk_is_one_clear_error_and_keeps_what_was_queued(site: Site) -> None:
    pairs = site.save_many(5)
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    connection = {"Scheme": "http", "Host": "0.0.0.0", "Port": site.stash.port, "Dir": str(site.stash.config_dir)}
    context = {"id": 77, "type": "Scene.Update.Post", "inputFields": ["title"]}
    for args in ({"hookContext": context}, {"mode": "process_queue"}):
        done = subprocess.run(
            [sys.executable, "-c", limited, str(ROOT / "plexsync.py")],
            input=json.dumps({"server_connection": connection, "args": args}).encode(),
            capture_output=True,
            check=False,
            env={**os.environ, "COVERAGE_PROCESS_START": "", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        answer = json.loads(done.stdout)
        assert list(answer) == ["error"], answer
        assert "free space" in answer["error"]
        assert b"Traceback" not in done.stderr
    site.drain()
    all_right(site, pairs)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(site: Site) -> None:
    pairs = site.save_many(2)
    folder = queue_file(site).parent
    folder.chmod(0o500)
    try:
        assert "permissions" in str(site.hook(9).error)
    finally:
        folder.chmod(0o700)
    site.drain()
    all_right(site, pairs)
