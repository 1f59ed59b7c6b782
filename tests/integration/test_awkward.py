"""What an unkind world does to a plugin that runs for months."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from sync import data_folder
from sync.plex import file_index
from sync.plex.client import PlexClient
from sync.queue.job import Job
from sync.sleeper import sleeper
from sync.sleeper.sleeper import Sleeper
from sync.state.state import State
from tests.servers.wire import Canned
from tests.site import Site

pytestmark = pytest.mark.integration


def test_one_name_in_two_folders_and_two_libraries(site: Site) -> None:
    other = site.plex.add_library("Other")
    theirs = site.plex.add_item(other, [("/m/x/one.mp4", 1000)])
    mine = site.plex.add_item(site.library, [("/m/y/one.mp4", 1000)])
    first = site.stash.add_scene(title="X", files=[("/m/x/one.mp4", 1000)])
    second = site.stash.add_scene(title="Y", files=[("/m/y/one.mp4", 1000)])
    for scene in (second, first, second):
        site.sync(scene)
    assert (site.item(theirs).title, site.item(mine).title) == ("X", "Y")


def test_an_item_whose_path_is_another_scenes_is_not_taken_by_its_name(site: Site) -> None:
    theirs = site.plex.add_item(site.library, [("/m/x/one.mp4", 1000)])
    site.stash.add_scene(title="X", files=[("/m/x/one.mp4", 1000)])
    second = site.stash.add_scene(title="Y", files=[("/m/y/one.mp4", 1000)])
    answer = site.sync(second)
    assert site.item(theirs).title == "one"
    assert "another scene's" in answer.said("w")
    ((job, _),) = site.rows()
    assert job["last_error_type"] == "PlexNotFound"
    mine = site.plex.add_item(site.library, [("/m/y/one.mp4", 1000)])
    site.drain(by_hand=True)
    assert (site.item(theirs).title, site.item(mine).title) == ("one", "Y")


def test_a_path_map_is_followed_backwards_for_that(site: Site) -> None:
    site.configure(path_map="/m/stash=/m/plex")
    theirs = site.plex.add_item(site.library, [("/m/plex/x/one.mp4", 1000)])
    site.stash.add_scene(title="X", files=[("/m/stash/x/one.mp4", 1000)])
    second = site.stash.add_scene(title="Y", files=[("/m/stash/y/one.mp4", 1000)])
    site.sync(second)
    assert site.item(theirs).title == "one"


def test_a_clock_that_was_set_back_holds_nothing(site: Site) -> None:
    scene, key = site.add()
    site.stash.scene(scene).title = "T"
    store = site.store()
    store.put(Job(scene, retry_count=1, next_retry_at=time.time() + 104 * 86400))
    store.close()
    site.drain()
    assert site.item(key).title == "T"


def test_a_sleeper_whose_data_folder_was_deleted_ends(site: Site) -> None:
    store = site.store()
    store.put(Job(1, retry_count=1, next_retry_at=time.time() + 600))
    store.close()
    lock = sleeper.FileLock(data_folder.sleeper_lock(str(site.data)))
    assert lock.acquire()
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 50, "it sleeps on for ever"
        if len(naps) == 3:
            shutil.rmtree(site.data)
            site.data.mkdir()
            Path(lock.path).touch()

    connection = {"Host": "127.0.0.1", "Port": site.stash.port}
    assert Sleeper(connection, str(site.data), site.plex.url, since=time.time(), nap=nap).run(lock.is_in_place) is False
    lock.release()


def test_a_truncated_queue_loses_nothing(site: Site) -> None:
    pairs = site.save_many(40)
    file = Path(data_folder.queue_file(str(site.data)))
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    file.write_bytes(file.read_bytes()[:5000])
    answer = site.drain()
    assert "damaged" in answer.said("e")
    assert site.arrived(pairs) == list(pairs)


def test_a_server_that_does_not_page_is_listed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever part is asked for, it gives all, and says no total: as one behind an old proxy might."""
    items = "".join(
        f'<Video ratingKey="{n}"><Media><Part file="/m/{n}.mp4" size="5"/></Media></Video>' for n in range(1, 31)
    )
    body = f"<MediaContainer machineIdentifier='m' size='30'>{items}</MediaContainer>".encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    monkeypatch.setattr(file_index, "PAGE", 10)
    state = State(str(tmp_path / "state.db"))
    server = Canned(answer)
    with server as port:
        plex = PlexClient(f"http://127.0.0.1:{port}", "t", identifier="x", connect_timeout=2, read_timeout=2)
        index = file_index.LibraryIndex(plex, state, file_index.Section(1, "Clips", "movie"))
        index.look_for_new()
        assert index.candidates("/m/30.mp4", 5) == ({30}, True)
        assert server.answered == 3, "who it is, and two pages, the second of which was the first again"
        plex.close()
    state.close()
