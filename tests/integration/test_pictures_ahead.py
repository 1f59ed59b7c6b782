"""Pictures of Stash's, several on their way at a time: how many, for which scenes, and who comes first meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sync.bulk import runner
from sync.queue import schema
from sync.stash import pictures
from sync.stash.client import StashClient
from sync.stash.pictures import Coming
from tests.servers.plex import PlexStandIn
from tests.servers.plex import Request as PlexRequest
from tests.servers.stash import StashStandIn
from tests.site import Answer, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

JPEG = b"\xff\xd8\xff\xe0"
LONG_AGO = 1_700_000_000.0
ALL = {"mode": "sync_all"}
RECONCILE = {"mode": "reconcile"}


@dataclass
class Watch:
    """What Stash is asked for pictures, as it is at work on them."""

    seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    most: int = 0
    """Pictures at once."""
    now: int = 0
    then: Callable[[str], None] | None = None
    """Called with the path of each."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: str) -> list[str]:
        """Those of scenes or performers."""
        return [path for path in self.asked if path.startswith(f"/{kind}/")]

    def forget(self) -> None:
        """Begin anew."""
        self.asked, self.most = [], 0


@pytest.fixture
def watch(site: Site, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Stash's pictures, watched."""
    return watched(site.stash, monkeypatch)


def watched(stash: StashStandIn, monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch, static = Watch(), stash._static

    def slowly(request: Any) -> Any:
        with watch.lock:
            watch.asked.append(request.path)
            watch.now += 1
            watch.most = max(watch.most, watch.now)
        try:
            if watch.then:
                watch.then(request.path)
            time.sleep(watch.seconds)
            return static(request)
        finally:
            with watch.lock:
                watch.now -= 1

    monkeypatch.setattr(stash, "_static", slowly)
    return watch


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert threads() == []


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("picture")]


def performers(site: Site, count: int) -> list[int]:
    numbers = [site.stash.add_performer(f"P{n}", image=JPEG + f"face {n}".encode()) for n in range(count)]
    for number in numbers:
        site.stash.store.performers[number].updated_s = LONG_AGO
    return numbers


def covered(site: Site, count: int) -> list[tuple[int, int]]:
    """Scenes with covers that both servers have; (scene id, ratingKey) of each."""
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(count)]
    for scene, _ in pairs:
        one = site.stash.scene(scene)
        one.title, one.cover, one.updated_s = f"T{scene}", JPEG + f"cover {scene}".encode(), LONG_AGO
    return pairs


def save_all(site: Site, pairs: list[tuple[int, int]]) -> None:
    """A save of each that changes nothing but the address of its cover."""
    for scene, _ in pairs:
        site.stash.scene(scene).updated_s += 60


def synced(site: Site, count: int) -> list[tuple[int, int]]:
    """The same, synced and saved once more."""
    pairs = covered(site, count)
    site.call(ALL)
    save_all(site, pairs)
    site.plex.clear_requests()
    return pairs


def drain_all(site: Site, pairs: list[tuple[int, int]]) -> Answer:
    for scene, _ in pairs:
        site.hook(scene)
    return site.drain()


def uploads(site: Site) -> int:
    return sum(one.method == "POST" for one in site.plex.requests)


# How many at a time


def test_performers_of_one_scene_come_four_at_a_time(site: Site, watch: Watch) -> None:
    scene, key = site.add()
    site.stash.scene(scene).performer_ids = performers(site, 11)
    watch.seconds = 0.03
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    asked = watch.of("performer")
    assert (watch.most, len(asked), len(set(asked))) == (pictures.IN_FLIGHT, 11, 11)
    assert all("?t=" in role.thumb for role in site.item(key).actors)


@pytest.mark.parametrize("how", ["drain", "sync_all", "reconcile"])
def test_covers_of_saved_scenes_come_four_at_a_time_and_each_once(site: Site, watch: Watch, how: str) -> None:
    pairs = synced(site, 14)
    watch.forget()
    watch.seconds = 0.03
    answer = drain_all(site, pairs) if how == "drain" else site.call({"mode": how})
    assert answer.error is None
    assert (watch.most, sorted(watch.asked)) == (
        pictures.IN_FLIGHT,
        sorted(f"/scene/{scene}/screenshot" for scene, _ in pairs),
    )
    assert (len(site.plex.edits), uploads(site)) == (0, 0)
    watch.forget()
    site.call(ALL)
    assert watch.asked == [], "the new addresses are known"


def test_no_more_than_eight_are_held_before_they_are_wanted(site: Site, watch: Watch) -> None:
    wanted = [f"/scene/{scene}/screenshot" for scene, _ in covered(site, 30)]
    cookie = {"Name": "session", "Value": site.stash.session_cookie()}
    with closing(StashClient({"Host": "0.0.0.0", "Port": site.stash.port, "SessionCookie": cookie})) as stash:
        coming = Coming(stash.picture, wanted)
        assert threads() == []
        for number in (0, 1, 5):  # some turn out not to be wanted
            given = coming.get(wanted[number])
            assert given is not None
            assert given.content == site.stash.scene(number + 1).cover
            assert len(watch.asked) <= number + 1 + pictures.AHEAD
        assert coming.get("/scene/999/screenshot") is None, "what nobody spoke of is fetched at once"
        coming.drop()
        coming.drop()
        assert len(watch.asked) <= 7 + pictures.AHEAD
    assert watch.most <= pictures.IN_FLIGHT + 1


def test_a_single_save_starts_no_thread(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ((scene, key),) = covered(site, 1)
    site.stash.scene(scene).performer_ids = performers(site, 1)

    def none(*_: object) -> None:
        raise AssertionError("a thread for one picture")

    monkeypatch.setattr(pictures, "ThreadPoolExecutor", none)
    assert site.sync(scene).output == "1 scene: 1 changed in Plex"
    assert site.item(key).poster == site.stash.scene(scene).cover


# For which scenes


def test_a_scene_that_plex_lacks_costs_no_performers_picture(site: Site, watch: Watch) -> None:
    numbers = performers(site, 3)
    lacking = site.stash.add_scene(files=[("/media/lacking.mp4", 1)], performers=numbers[:2])
    for key in (1, 2):
        site.plex.add_item(site.library, [(f"/other/{key}/twice.mp4", 7)])
    doubtful = site.stash.add_scene(files=[("/media/twice.mp4", 7)], performers=numbers)
    for scene in (lacking, doubtful):
        site.hook(scene)
    site.drain()
    site.call(ALL)
    site.call(RECONCILE)
    assert watch.asked == []
    site.plex.add_item(site.library, [("/media/lacking.mp4", 1)])
    site.sync(lacking, by_hand=True)
    assert sorted(watch.of("performer")) == [f"/performer/{number}/image" for number in numbers[:2]]


# Who comes first


def test_a_save_during_a_page_of_slow_covers_comes_first(
    site: Site, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PIECE", 10)
    pairs = synced(site, 34)
    scene, key = pairs[30]
    watch.forget()
    at_edit: list[int] = []

    def save(_: str) -> None:
        watch.then = None
        site.stash.scene(scene).title = "Saved meanwhile"
        with site.queue_file() as connection:
            connection.execute(schema.INSERT_JOB, (schema.new_row(scene, 1.0), 1.0))

    def note(one: PlexRequest) -> bool:
        if one.is_edit:
            at_edit.append(len(watch.of("scene")))
        return False

    watch.then = save
    site.plex.fail(where=note)
    answer = site.call(ALL)
    assert at_edit == [11], "after the piece it came in, and its own cover"
    assert site.item(key).title == "Saved meanwhile"
    assert "34 scenes: 34 right already" in (answer.output or ""), "and no scene of the page is left out or seen twice"
    assert sorted(watch.asked) == sorted(f"/scene/{one}/screenshot" for one, _ in pairs)


# What Stash cannot give


def test_a_cover_that_stash_cannot_give_fails_its_scene_alone(site: Site) -> None:
    pairs = synced(site, 10)
    broken, _ = pairs[4]
    site.stash.fail("status", status=500, path=f"/scene/{broken}/", times=None)
    answer = site.call(ALL)
    assert answer.error is None
    assert [job["scene_id"] for job, _ in site.rows()] == [broken]
    assert "9 right already" in (answer.output or "")


@pytest.mark.parametrize(
    ("how", "status", "said"),
    [("drain", 401, "refuses PlexSync's session"), ("sync_all", 502, "Stash answered with status 502")],
)
def test_a_stash_that_goes_away_among_covers_leaves_the_rest_queued(
    site: Site, how: str, status: int, said: str
) -> None:
    pairs = synced(site, 20)
    site.stash.fail("reset", path=f"/scene/{pairs[9][0]}/", times=None)
    site.stash.fail("status", status=status, query_contains="PlexSyncPing", times=None)
    answer = drain_all(site, pairs) if how == "drain" else site.call(ALL)
    assert said in (answer.error or "")
    if how == "drain":
        assert [job["scene_id"] for job, _ in site.rows()] == [scene for scene, _ in pairs[9:]]
        assert all("retry_count" not in job for job, _ in site.rows())
    site.stash.clear_faults()
    assert (site.drain(by_hand=True) if how == "drain" else site.call(ALL)).error is None
    assert (site.rows(), len(site.plex.edits), uploads(site)) == ([], 0, 0)


def test_what_was_learned_before_stash_went_away_is_not_asked_again(site: Site, watch: Watch) -> None:
    scene, _ = site.add()
    numbers = performers(site, 6)
    site.stash.scene(scene).performer_ids = numbers
    site.stash.fail("reset", path=f"/performer/{numbers[5]}/", times=None)
    site.stash.fail("status", status=502, query_contains="PlexSyncPing", times=None)
    assert site.sync(scene).error is not None
    site.stash.clear_faults()
    assert site.drain(by_hand=True).error is None
    assert sorted(watch.of("performer")) == [f"/performer/{number}/image" for number in numbers]


# Who asks


def test_a_renewed_cookie_goes_along_with_the_next_picture(
    tmp_path: Path, plex: PlexStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StashStandIn(config_dir=tmp_path / "guarded", credentials=("me", "a password")) as server:
        site = Site(server, plex, tmp_path / "guarded" / "plexsync", plex.add_library("Clips"))
        wanted = [f"/scene/{scene}/screenshot" for scene, _ in covered(site, 12)]
        cookie = {"Name": "session", "Value": server.session_cookie()}
        with closing(StashClient({"Host": "0.0.0.0", "Port": server.port, "SessionCookie": cookie})) as stash:
            assert stash.picture(wanted[0]) is not None
            fresh = {"Name": "session", "Value": server.session_cookie()}
            handed_out = iter([[("Set-Cookie", f"session={fresh['Value']}; Path=/; HttpOnly")]])
            monkeypatch.setattr(server._sessions, "renewed", lambda *_: next(handed_out, []))
            coming = Coming(stash.picture, wanted[1:])
            assert all(coming.get(path) for path in wanted[1:])
            coming.drop()
            assert stash.cookie == fresh
            sent = [request.headers["cookie"] for request in server.requests if "/screenshot" in request.path]
            assert sent[-1] == f"session={fresh['Value']}"
