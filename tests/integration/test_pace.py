"""A drain whose edits are spaced out: by a Plex that fails, and by the cap."""

from __future__ import annotations

import pytest

from sync.plex.pace import Pacer
from tests.site import Child, Site

pytestmark = pytest.mark.integration

SPACED = "Plex fails edits; they are spaced out"


def queue(site: Site, scenes: int, **fields: object) -> list[tuple[int, int]]:
    """Save that many scenes; return (scene id, ratingKey) of each."""
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(scenes)]
    for scene, _ in pairs:
        site.stash.save_scene(scene, title=f"T{scene}", **fields)
        site.hook(scene)
    return pairs


@pytest.fixture
def pacers(monkeypatch: pytest.MonkeyPatch) -> list[Pacer]:
    """The pacers of the runs in this process."""
    made: list[Pacer] = []

    def make(most: float) -> Pacer:
        made.append(Pacer(most))
        return made[-1]

    monkeypatch.setattr("sync.plex.client.Pacer", make)
    return made


def test_a_healthy_plex_sees_no_pause(site: Site, pacers: list[Pacer]) -> None:
    queue(site, 30)
    answer = site.drain()
    assert answer.output == "30 scenes: 30 changed in Plex"
    assert pacers[0].share == 1
    assert SPACED not in answer.said()


def test_a_plex_that_fails_edits_is_given_time_and_the_rest_arrives(site: Site, pacers: list[Pacer]) -> None:
    pairs = queue(site, 40)
    site.plex.fail(status=500, method="PUT", times=4, every=2)
    answer = site.drain()
    assert answer.output == "40 scenes: 36 changed in Plex, 4 tried again later"
    assert answer.said("i").count(SPACED) == 1
    assert "without a pause" in answer.said("d")
    site.drain(by_hand=True)
    assert [site.item(key).title for _, key in pairs] == [f"T{scene}" for scene, _ in pairs]


def test_the_cap_holds_over_edits_and_uploads(site: Site) -> None:
    queue(site, 2, cover=b"\xff\xd8\xff\xe0 a cover", rating100=80)
    site.configure(max_edits_per_second="10")
    answer = site.drain()
    assert answer.output == "2 scenes: 2 changed in Plex"
    writes = [request.at for request in site.plex.requests if request.method != "GET"]
    assert len(writes) == 4
    assert writes[-1] - writes[0] > 0.29, "three pauses; on a busy machine a write may arrive late, and the next not"


def test_reads_do_not_wait(site: Site) -> None:
    queue(site, 2)
    site.configure(max_edits_per_second=2)
    site.drain()
    order = [request.method for request in site.plex.requests]
    assert order.count("PUT") == 2
    first, last = (request.at for request in site.plex.requests if request.method == "PUT")
    assert not [request for request in site.plex.requests if request.method == "GET" and first < request.at < last]


def test_a_cap_that_is_none_is_refused_by_its_name(site: Site) -> None:
    queue(site, 1)
    site.configure(max_edits_per_second="-1")
    answer = site.drain()
    assert "max_edits_per_second is '-1'; accepted: edits a second" in (answer.error or "")
    assert len(site.rows()) == 1


def test_a_drain_that_is_killed_in_a_pause_loses_nothing(site: Site) -> None:
    pairs = queue(site, 3)
    site.configure(max_edits_per_second=0.001)
    process = Child.drain(site)
    site.plex.wait_for_edit(1)
    assert process.is_running()
    process.kill()
    site.configure(max_edits_per_second=0)
    site.drain()
    assert [site.item(key).title for _, key in pairs] == [f"T{scene}" for scene, _ in pairs]
    assert site.rows() == []
