"""A drain whose edits are spaced out: by a Plex that is slow or fails, and by the cap. No pause is slept."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sync import data_folder, process_queue
from sync.plex.pace import Pacer
from tests.servers.plex import Request
from tests.site import Child, Site

pytestmark = pytest.mark.integration

SPACED = "Plex answers slowly; edits are spaced out"


@dataclass
class Watch:
    """A clock that goes on by 10 ms with each look, and by what is slept."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)
    edits: list[float] = field(default_factory=list)
    """When edits arrived in Plex."""
    meanwhile: Callable[[], object] = lambda: None
    """What happens in a pause."""

    def clock(self) -> float:
        self.now += 0.01
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.meanwhile()

    def see(self, request: Request, seconds: float = 0.0) -> bool:
        """Note an edit that takes this long."""
        self.edits.append(self.now)
        self.now += seconds
        return False


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch()
    monkeypatch.setattr(process_queue, "Pacer", functools.partial(Pacer, clock=made.clock, sleep=made.sleep))
    return made


def queue(site: Site, scenes: int, **fields: object) -> list[tuple[int, int]]:
    """Save that many scenes; return (scene id, ratingKey) of each."""
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(scenes)]
    for scene, _ in pairs:
        site.stash.save_scene(scene, title=f"T{scene}", **fields)
        site.hook(scene)
    return pairs


def assert_nothing_is_locked(site: Site) -> None:
    for file in (data_folder.queue_file(str(site.data)), data_folder.state_file(str(site.data))):
        # For a moment at a time it is: another thread gets the next scenes ready.
        connection = sqlite3.connect(file, timeout=5, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        connection.close()


def test_a_healthy_plex_sees_no_pause(site: Site, watch: Watch) -> None:
    queue(site, 30)
    answer = site.drain()
    assert answer.output == "30 scenes: 30 changed in Plex"
    assert watch.pauses == []
    assert SPACED not in answer.said()


def test_a_plex_that_fails_edits_is_given_time_and_the_rest_arrives(site: Site, watch: Watch) -> None:
    pairs = queue(site, 40)
    watch.meanwhile = lambda: assert_nothing_is_locked(site)
    site.plex.fail(status=500, method="PUT", times=4, every=2)
    answer = site.drain()
    assert answer.output == "40 scenes: 36 changed in Plex, 4 tried again later"
    assert len(watch.pauses) > 10
    assert sum(watch.pauses) < 2
    assert answer.said("i").count(SPACED) == 1
    assert "without a pause again" in answer.said("d")
    site.drain(by_hand=True)
    assert [site.item(key).title for _, key in pairs] == [f"T{scene}" for scene, _ in pairs]


def test_a_plex_that_is_slow_for_a_while_is_given_time(site: Site, watch: Watch) -> None:
    queue(site, 95)
    site.plex.fail(method="PUT", where=lambda request: watch.see(request, 0.5 if 40 <= len(watch.edits) < 55 else 0))
    answer = site.drain()
    assert answer.output == "95 scenes: 95 changed in Plex"
    assert answer.said("i").count(SPACED) == 1
    assert "without a pause again" in answer.said("d")
    assert watch.pauses[0] == pytest.approx(0.52, abs=0.02), "half of the time, once it is clear"
    assert max(watch.pauses) <= 3


def test_a_plex_whose_edits_always_differ_sees_no_pause(site: Site, watch: Watch) -> None:
    queue(site, 60)
    site.plex.fail(method="PUT", where=lambda request: watch.see(request, 0.6 if len(watch.edits) % 4 == 3 else 0.02))
    answer = site.drain()
    assert answer.output == "60 scenes: 60 changed in Plex"
    assert watch.pauses == []
    assert SPACED not in answer.said()


def test_reads_do_not_wait(site: Site, watch: Watch) -> None:
    queue(site, 12)
    site.configure(max_edits_per_second=1)
    site.drain()
    changes = [request for request in site.plex.requests if request.method != "GET"]
    assert len(watch.pauses) == len(changes) - 1 == 11


def test_the_cap_holds_over_edits_ratings_and_uploads(site: Site, watch: Watch) -> None:
    queue(site, 4, cover=b"\xff\xd8\xff\xe0 a cover", rating100=80)
    site.configure(max_edits_per_second="2")
    site.plex.fail(where=lambda request: request.method != "GET" and watch.see(request))
    watch.meanwhile = lambda: assert_nothing_is_locked(site)
    answer = site.drain()
    assert answer.output == "4 scenes: 4 changed in Plex"
    assert len(watch.edits) == 12
    assert watch.edits[-1] - watch.edits[0] >= 11 / 2
    assert SPACED not in answer.said()


def test_what_waits_for_long_is_read_late(site: Site, watch: Watch) -> None:
    pairs = queue(site, 9)
    site.configure(max_edits_per_second=0.1)
    last, key = pairs[-1]

    def save() -> None:
        site.stash.scene(last).title = "Newer"

    watch.meanwhile = save
    site.drain()
    assert site.item(key).title == "Newer"
    assert len([edit for edit in site.plex.edits if edit.query["id"] == str(key)]) == 1


def test_a_cap_that_is_none_is_refused_by_its_name(site: Site, watch: Watch) -> None:
    queue(site, 1)
    site.configure(max_edits_per_second="-1")
    answer = site.drain()
    assert "max_edits_per_second is '-1'; accepted: edits a second" in (answer.error or "")
    assert len(site.rows()) == 1


def test_a_drain_that_is_killed_in_a_pause_loses_nothing(site: Site) -> None:
    pairs = queue(site, 3)
    site.configure(max_edits_per_second=0.001)
    process = Child.drain(site)
    process.wait_for_log("wrote title")
    assert process.is_running()
    process.kill()
    site.configure(max_edits_per_second=0)
    site.drain()
    assert [site.item(key).title for _, key in pairs] == [f"T{scene}" for scene, _ in pairs]
    assert site.rows() == []
