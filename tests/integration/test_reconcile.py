"""Reconcile: what hooks missed and what changed in Plex is found, each once and nothing else, and mended."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sync import paths
from sync.bulk import drift
from sync.queue import batches
from tests.servers.plex import TagMode
from tests.site import Answer, Site

pytestmark = pytest.mark.integration


def picture(number: int) -> bytes:
    """A JPEG, as far as its first bytes tell."""
    return b"\xff\xd8\xff\xe0" + f"cover {number}".encode() + b"\xff\xd9"


class Library:
    """Scenes that are in both servers, each with all that Plex shows."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._added = 0

    def add(self, **more: Any) -> tuple[int, int]:
        """One scene and its item."""
        self._added += 1
        number = self._added
        path, size = f"/media/{number}.mp4", 1000 + number
        key = self.site.plex.add_item(self.site.library, [(path, size)])
        values: dict[str, Any] = {
            "title": f"Title {number}", "details": "Details", "date": "2020-02-02", "studio": f"Studio {number}",
            "performers": [f"Ann {number}", "Bob"], "tags": ["Old", f"Tag {number}"], "rating100": 40,
            "cover": picture(number), "groups": [f"Group {number}"],
        }
        scene = self.site.stash.add_scene(files=[(path, size)], **values | more)
        for performer in self.site.stash.scene(scene).performer_ids[:1]:
            self.site.stash.store.performers[performer].country = "NL"
            self.site.stash.store.performers[performer].image = picture(20_000 + number)
        return scene, key

    def fill(self, count: int) -> list[tuple[int, int]]:
        """Some scenes and their items."""
        return [self.add() for _ in range(count)]

    def sync(self) -> None:
        """Bring all of it into Plex, and forget the requests."""
        answer = self.site.call({"mode": "sync_all"})
        assert answer.error is None, answer.error
        self.site.plex.clear_requests()


@pytest.fixture
def library(site: Site) -> Library:
    return Library(site)


def reconcile(site: Site, scope: str = "all", *, dry_run: bool = False) -> Answer:
    """The task."""
    answer = site.call({"mode": "reconcile", "scope": scope} | ({"dry_run": True} if dry_run else {}))
    assert answer.error is None, answer.error
    return answer


def newest(site: Site) -> dict[str, Any]:
    """The newest batch, as the status tells it."""
    status = site.call({"mode": "status"})
    found: dict[str, Any] = json.loads(status.output or "")["batches"][0]
    return found


def found(site: Site, scope: str = "all") -> dict[str, int]:
    """What a dry run finds."""
    reconcile(site, scope, dry_run=True)
    counts: dict[str, int] = newest(site)["found"]
    return counts


def records(site: Site) -> list[Any]:
    """What the state file knows of scenes and items."""
    with sqlite3.connect(paths.state_file(str(site.data))) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
            for table in ("items", "scenes", "steps")
        ]


def age(site: Site, days: float) -> None:
    """Let the newest batches be so many days older."""
    with sqlite3.connect(paths.queue_file(str(site.data))) as connection:
        for column in ("created_at", "started_at", "worked_at", "completed_at"):
            connection.execute(f"UPDATE plexsync_batches SET {column} = {column} - ?", (days * 86_400,))


def graphql(site: Site, mutation: str, **given: Any) -> None:
    """A mutation of a person's; the stand-in runs no hook where no plugin is installed."""
    site.stash.graphql(f"mutation {{ {mutation} }}", given)


# Each kind of drift: it changes a scene or its item and says what is to be found of the scene.

Plant = Callable[[Site, int, int], str]


def auto_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).tag_ids.append(site.stash.add_tag("Auto"))
    return drift.STALE


def hook_killed(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).title = "Saved while nobody listened"
    site.stash.scene(scene).touch()
    return drift.STALE


def performers_batch_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.store.performers[site.stash.scene(scene).performer_ids[0]].country = "BE"
    return drift.STALE


def studios_batch_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.store.studios[site.stash.scene(scene).studio_id or 0].name = "Tagged Studio"
    return drift.STALE


def cover_generated(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).cover = picture(10_000 + scene)
    site.stash.scene(scene).touch()
    return drift.STALE


def restored(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).title = "As it was before"
    site.stash.scene(scene).updated_s -= 1e7
    return drift.STALE


def touched_only(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).touch()
    return ""


def played(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).play_times.append(1)
    return ""


def moved_on_both_sides(site: Site, scene: int, key: int) -> str:
    file = site.stash.scene(scene).files[0]
    file.path = f"/media/moved/{scene}.mp4"
    site.plex.replace_files(key, [(file.path, file.size)])
    return ""


def moved_in_plex_alone(site: Site, scene: int, key: int) -> str:
    file = site.stash.scene(scene).files[0]
    site.plex.replace_files(key, [(f"/elsewhere/{scene}.mp4", file.size)])
    return ""


def wiped(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(
        *(key,), title="", summary="", studio="", date="", genres=[], actors=[], collections=[], user_rating=None
    )
    site.plex.person_unlocks(key)
    return drift.EMPTY


def refreshed_by_agent(site: Site, scene: int, key: int) -> str:
    site.plex.person_unlocks(key)
    site.plex.agent_refresh(key, title="The agent's", summary="The agent's", genres=["Agent"])
    return drift.CHANGED


def refreshed_but_locked(site: Site, scene: int, key: int) -> str:
    site.plex.agent_refresh(key, title="The agent's", summary="The agent's", genres=["Agent"])
    return ""


def edited_by_person(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, title="A person's")
    return drift.CHANGED


def rated(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, user_rating=9.0)
    return drift.CHANGED


def tag_added(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, genres=[*site.item(key).genres, "A person's"])
    return ""


def tag_taken_away(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, genres=site.item(key).genres[1:])
    return drift.CHANGED


def role_changed(site: Site, scene: int, key: int) -> str:
    actors = site.item(key).actors
    site.plex.person_edits(key, actors=[actors[0]._replace(role="a person's"), *actors[1:]])
    return drift.CHANGED


def role_added(site: Site, scene: int, key: int) -> str:
    *actors, bob = site.item(key).actors
    site.plex.person_edits(key, actors=[*actors, bob._replace(role="a person's, where we wrote none")])
    return ""


def actors_picture_changed(site: Site, scene: int, key: int) -> str:
    actors = site.item(key).actors
    site.plex.person_edits(key, actors=[actors[0]._replace(thumb="http://example.com/other.jpg"), *actors[1:]])
    return drift.CHANGED


def removed(site: Site, scene: int, key: int) -> str:
    site.plex.remove_item(key)
    return drift.MISSING


def removed_and_added_again(site: Site, scene: int, key: int) -> str:
    files = site.item(key).files
    site.plex.remove_item(key)
    site.plex.add_item(site.library, files)
    return drift.EMPTY


def in_a_second_library(site: Site, scene: int, key: int) -> str:
    site.plex.add_item(2, site.item(key).files)
    return drift.EMPTY


def deleted(site: Site, scene: int, key: int) -> str:
    site.stash.remove_scene(scene)
    return drift.ORPHANED


def without_a_file(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).files.clear()
    return drift.DOUBTFUL


KINDS: list[Plant] = [
    *(auto_tagged, hook_killed, performers_batch_tagged, studios_batch_tagged, cover_generated, restored),
    *(touched_only, played, moved_on_both_sides, moved_in_plex_alone, wiped, refreshed_by_agent),
    *(refreshed_but_locked, edited_by_person, rated, tag_added, tag_taken_away, role_changed, role_added),
    *(actors_picture_changed, removed),
    *(removed_and_added_again, in_a_second_library, deleted, without_a_file),
]
HOPELESS = {drift.MISSING, drift.DOUBTFUL}


@pytest.mark.parametrize("tag_mode", ["adds", "replaces"])
def test_each_planted_kind_is_found_and_no_other(site: Site, library: Library, tag_mode: TagMode) -> None:
    site.plex.tag_mode = tag_mode
    site.plex.add_library("Second")
    site.configure(collection_groups=True, performer_role="{country}")
    pairs = library.fill(3 * len(KINDS))
    pairs, others = pairs[: 2 * len(KINDS)], pairs[2 * len(KINDS) :]
    merged, into = others[:2], others[2:4]
    library.sync()
    expected: Counter[str] = Counter()
    for number, (scene, key) in enumerate(pairs):
        if reason := KINDS[number % len(KINDS)](site, scene, key):
            expected[reason] += 1
    for (source, _), (target, _) in zip(merged, into, strict=True):
        graphql(site, f'sceneMerge(input: {{source: ["{source}"], destination: "{target}"}}) {{ id }}')
        expected += Counter({drift.STALE: 1, drift.ORPHANED: 1})
    never, never_key = library.add(title="Never synced")
    expected[drift.NEVER_SYNCED] += 1
    before = records(site)
    site.plex.clear_requests()

    dry = reconcile(site, dry_run=True)
    batch = newest(site)
    assert batch["found"] == dict(expected)
    assert batch["status"] == "COMPLETED"
    assert {reason: len(batch["samples"][reason]) for reason in expected} == {
        reason: min(count, batches.SAMPLES) for reason, count in expected.items()
    }
    for reason, count in expected.items():
        assert f"found {count} {drift.REASONS[reason]}" in dry.said("i")
        assert f"{count} {reason.replace('_', ' ')}" in (dry.output or "")
    # A dry run changes nothing that counts: no edit, no row; what is forgotten are ratingKeys that no item has now.
    assert [request.method for request in site.plex.requests if request.method != "GET"] == []
    assert site.rows() == []
    assert records(site)[1] == before[1]
    reads = [request for request in site.plex.requests if request.path.startswith("/library/metadata/")]
    assert len(reads) <= 10, "no item is read alone"
    assert found(site) == dict(expected), "nor does it change what the next one finds"

    reconcile(site)
    assert newest(site)["found"] == dict(expected)
    assert {reason: count for reason, count in found(site).items() if reason not in HOPELESS} == {}
    assert found(site) == {reason: expected[reason] for reason in HOPELESS}
    assert site.item(never_key).title == "Never synced"
    for (_, key), (target, _) in zip(merged, into, strict=True):
        item = site.item(key)
        assert item.title == f"Title {target}"
        assert sorted(item.genres) == ["Old", f"Tag {target}"], "what was written for the scene that is gone goes"
    for number, (scene, key) in enumerate(pairs):
        kind = KINDS[number % len(KINDS)]
        if kind not in (removed, removed_and_added_again, deleted, without_a_file):
            assert site.item(key).title == site.stash.scene(scene).title, kind
            assert {"Old", f"Tag {scene}"} <= set(site.item(key).genres), kind
            assert site.item(key).poster == site.stash.scene(scene).cover, kind
        if kind is deleted:
            assert site.item(key).title == f"Title {scene}", "Plex is left alone"
        if kind is tag_added:
            assert "A person's" in site.item(key).genres
