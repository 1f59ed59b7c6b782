"""What changes in Stash without a hook arrives with the next run: Auto Tag, Generate, covers, merged scenes."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from sync.queue import batches
from sync.stash.client import StashClient
from sync.stash.exceptions import StashTemporaryError
from tests.site import Answer, Site

pytestmark = pytest.mark.integration


@pytest.fixture
def ready(site: Site) -> Site:
    """A first run has noted where the next look begins."""
    site.configure()
    site.drain(by_hand=True)
    return site


def asked(site: Site, query: str) -> int:
    """How often Stash was asked this."""
    return sum(query.encode() in request.body for request in site.stash.requests)


def auto_tag(site: Site, scene: int, tag: str, *, seconds: float = 0.0) -> None:
    """What Auto Tag does: another tag, a later `updated_at`, no hook."""
    record = site.stash.scene(scene)
    record.tag_ids.append(site.stash.add_tag(tag))
    record.touch()
    record.updated_s += seconds


def test_what_auto_tag_did_arrives_with_the_next_save(ready: Site) -> None:
    tagged, item = ready.add("/m/1.mp4")
    saved, _ = ready.add("/m/2.mp4")
    ready.sync(tagged)
    auto_tag(ready, tagged, "Found")
    answer = ready.save_and_sync(saved, title="Saved")
    assert ready.item(item).genres == ["Found"]
    assert "Changes without a save: 2 scenes: 1 synced" in answer.said("i")


def test_a_run_by_hand_finds_it_too_and_once(ready: Site) -> None:
    scene, item = ready.add()
    ready.sync(scene)
    auto_tag(ready, scene, "Found")
    ready.drain(by_hand=True)
    assert ready.item(item).genres == ["Found"]
    ready.plex.clear_requests()
    said = ready.drain(by_hand=True).said()
    assert "Changes without a save" not in said
    assert not [request for request in ready.plex.requests if request.method in ("PUT", "POST")]


def test_a_save_alone_costs_one_question(ready: Site) -> None:
    scene, _ = ready.add()
    ready.sync(scene)
    ready.stash.clear_requests()
    ready.plex.clear_requests()
    answer = ready.save_and_sync(scene, title="Another")
    assert (asked(ready, "PlexSyncNewest"), asked(ready, "PlexSyncScenes")) == (1, 1)
    assert "Changes without a save" not in answer.said()


def test_what_was_saved_a_moment_before_is_not_read_again(ready: Site) -> None:
    scenes = [ready.add(f"/m/{number}.mp4")[0] for number in range(30)]
    for scene in scenes:
        ready.stash.scene(scene).updated_s -= 10
        ready.hook(scene)
    ready.drain()
    ready.stash.clear_requests()
    ready.drain()
    assert asked(ready, "PlexSyncScenes") == 0


def test_a_generated_cover_arrives(ready: Site) -> None:
    scene, _ = ready.add()
    ready.sync(scene)
    ready.stash.scene(scene).cover = b"\xff\xd8\xff\xe0generated\xff\xd9"
    ready.stash.scene(scene).touch()
    ready.drain(by_hand=True)
    assert any(b"generated" in one.body for one in ready.plex.requests if one.path.endswith("/posters"))


def test_a_scene_that_was_never_synced_is_left_alone(ready: Site) -> None:
    """A scan may have found it a moment ago: nobody has curated it."""
    scene, item = ready.add("/m/there.mp4")
    auto_tag(ready, scene, "Found")
    ready.drain(by_hand=True)
    assert ready.item(item).genres == []
    assert not ready.rows()


def test_a_merged_scene_takes_over_what_the_other_held(ready: Site) -> None:
    (kept, first), (gone, second) = ready.add("/m/1.mp4"), ready.add("/m/2.mp4")
    ready.stash.scene(kept).title, ready.stash.scene(gone).title = "Kept", "Gone"
    ready.sync(kept)
    ready.sync(gone)
    ready.stash.scene(kept).files += ready.stash.scene(gone).files
    ready.stash.remove_scene(gone)
    ready.stash.scene(kept).touch()
    ready.drain(by_hand=True)
    assert (ready.item(first).title, ready.item(second).title) == ("Kept", "Kept")


def test_the_first_run_ever_writes_nothing_that_nobody_saved(site: Site) -> None:
    site.configure()
    scene, item = site.add()
    auto_tag(site, scene, "Old")
    site.drain(by_hand=True)
    assert site.item(item).genres == []


def test_a_clock_that_was_ahead_once_hides_no_change(ready: Site) -> None:
    (odd, _), (scene, item) = ready.add("/m/odd.mp4"), ready.add("/m/1.mp4")
    auto_tag(ready, odd, "Future", seconds=9e6)
    ready.sync(scene)
    auto_tag(ready, scene, "Found")
    ready.drain(by_hand=True)
    assert ready.item(item).genres == ["Found"]


def test_a_stash_that_is_away_at_the_end_loses_nothing(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, item = ready.add()
    ready.sync(scene)
    auto_tag(ready, scene, "Found")

    def fail(*_: Any) -> Any:
        raise StashTemporaryError("Stash is away")

    with monkeypatch.context() as patch:
        patch.setattr(StashClient, "newest_changes", fail)
        answer: Answer = ready.drain(by_hand=True)
    assert answer.error is None, "what the run was for is done"
    ready.drain(by_hand=True)
    assert ready.item(item).genres == ["Found"]


def merge_performers(site: Site, source: str, into: str) -> None:
    """A person merges a performer into another: no hook, and no scene's `updated_at` moves."""
    numbers = {one.name: number for number, one in site.stash.store.performers.items()}
    query = "mutation M($input: PerformerMergeInput!) { performerMerge(input: $input) { id } }"
    made = {"source": [str(numbers[source])], "destination": str(numbers[into])}
    assert site.stash.graphql(query, {"input": made}).errors == []


def synced_a_while_ago(site: Site) -> None:
    """A scene with a performer; nothing of both has changed since the last look."""
    scene, _ = site.add()
    site.save_and_sync(scene, performers=["Ann"])
    for record in (site.stash.scene(scene), *site.stash.store.performers.values()):
        record.updated_s -= 10
    site.drain(by_hand=True)


def actors(site: Site, key: int) -> list[str]:
    return sorted(role.name for role in site.item(key).actors)


def test_merged_performers_arrive_with_the_next_save(ready: Site) -> None:
    (first, one), (second, other), (saved, _) = (ready.add(f"/m/{number}.mp4") for number in range(3))
    ready.save_and_sync(first, performers=["Ann", "Anne", "Bo"])
    ready.save_and_sync(second, performers=["Anne"])
    for performer in ready.stash.store.performers.values():
        performer.updated_s -= 10

    merge_performers(ready, "Anne", "Ann")
    ready.save_and_sync(saved, title="Saved")

    assert (actors(ready, one), actors(ready, other)) == (["Ann", "Bo"], ["Ann"])


def test_a_performer_that_changed_in_nothing_that_plex_shows_makes_no_batch(ready: Site) -> None:
    synced_a_while_ago(ready)
    for performer in ready.stash.store.performers.values():
        performer.touch()
    ready.stash.clear_requests()

    ready.drain(by_hand=True)

    assert asked(ready, "PlexSyncIds") == 1
    with closing(ready.store()) as store:
        assert list(batches.latest(store.connection)) == []


def test_a_performer_that_was_looked_at_is_not_asked_for_again(ready: Site) -> None:
    synced_a_while_ago(ready)
    ready.stash.clear_requests()

    ready.drain(by_hand=True)

    assert asked(ready, "PlexSyncIds") == 0
