"""Nobody waits for what is not theirs: a listing of a library, another run's start, another scene's disk."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sync.queue.jobs import JobStore
from sync.worker import processor
from tests.servers.plex import Request
from tests.site import Answer, Child, Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def is_listing(request: Request) -> bool:
    return request.path.endswith("/all") and request.method == "GET" and request.query.get("sort") == "addedAt:asc"


def known(site: Site, scenes: int) -> list[tuple[int, int]]:
    """Scenes in Plex, the library listed before; return (scene id, ratingKey) of each."""
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(scenes)]
    site.sync(pairs[0][0])
    site.plex.clear_requests()
    return pairs


def saved_during_a_listing(site: Site, lacking: int, scenes: list[int]) -> Answer:
    """Have a run list the library for a scene that Plex lacks, and scenes be saved when the first page is asked for."""
    site.hook(lacking)
    saved: list[bool] = []

    def meanwhile(request: Request) -> bool:
        if is_listing(request) and not saved:
            saved.append(True)
            for scene in scenes:
                Child.hook(site, scene).end()
        return False

    site.plex.fail(where=meanwhile)
    return site.drain(by_hand=True)


def save(site: Site, scene: int) -> None:
    site.stash.scene(scene).title = f"T{scene}"
    site.hook(scene)


def test_a_scene_that_is_found_by_the_listing_is_written_in_the_same_run(site: Site) -> None:
    pairs = known(site, 3)
    scene, key = pairs[2]
    site.plex.replace_files(key, [("/media/renamed.mp4", 3)])
    moved = site.stash.add_scene(title=f"T{scene}", files=[("/media/renamed.mp4", 3)])
    site.stash.remove_scene(scene)
    site.hook(moved)
    save(site, pairs[1][0])
    site.drain(by_hand=True)
    assert site.item(key).title == f"T{scene}"
    assert site.rows() == []


def moved_to(site: Site, path: str, size: int) -> int:
    """Add a scene whose file Plex has moved there; return its id."""
    return site.stash.add_scene(title=f"Moved to {path}", files=[(path, size)])


# One run for saves that follow one another


def test_a_run_waits_a_moment_for_the_next_save_of_several(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "LINGER", 5.0)
    (one, _), (two, _), (three, key) = [site.add(f"/media/{n}.mp4", n + 1) for n in range(3)]
    save(site, one)
    saved: list[int] = []

    def meanwhile(request: Request) -> bool:
        if request.is_edit and not saved:
            saved.append(two)
            Child.hook(site, two).end()
        return False

    pause = time.sleep

    def then_save(seconds: float) -> None:
        if seconds == 5.0 and len(saved) == 1:
            saved.append(three)
            Child.hook(site, three).end()
        elif seconds < 5.0:
            pause(seconds)

    site.plex.fail(where=meanwhile)
    site.stash.scene(three).title = "The third"
    monkeypatch.setattr(processor.time, "sleep", then_save)
    answer = site.drain()
    assert (answer.output or "").startswith("3 scenes")
    assert site.item(key).title == "The third"


def test_a_single_save_holds_nothing_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "LINGER", 60.0)
    scene, _ = site.add()
    save(site, scene)
    began = threading.current_thread()
    monkeypatch.setattr(processor.time, "sleep", lambda _: pytest.fail(f"{began} waited"))
    assert site.drain().error is None


# One transaction for what ends together


def test_fifty_scenes_that_fail_are_not_fifty_transactions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        site.hook(site.stash.add_scene(title=f"L{number}", files=[(f"/media/l{number}.mp4", 100 + number)]))
    begun: list[str] = []
    opened = JobStore.__init__

    def watched(store: JobStore, *args: Any, **kwargs: Any) -> None:
        opened(store, *args, **kwargs)
        store.connection.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)

    monkeypatch.setattr(JobStore, "__init__", watched)
    assert "50 tried again later" in (site.drain().output or "")
    assert len(site.rows()) == 50
    assert len(begun) < 30
