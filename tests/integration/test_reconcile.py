"""Reconcile: what hooks missed and what changed in Plex is found, each once and nothing else, and mended."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sync import data_folder
from sync.bulk import reconcile as looking
from sync.bulk import scenes
from sync.model import Scene
from sync.queue import batches
from sync.queue.batch import CHANGE, RECONCILE
from sync.queue.outlook import outlook
from sync.settings import DEFAULTS_SINCE, defaults
from sync.sleeper.sleeper import next_step
from sync.stash.exceptions import StashTemporaryError
from sync.worker.circuit_breaker import CircuitState, read_record
from sync.worker.contenders import Located
from tests.servers.plex import Request, TagMode
from tests.site import Answer, Child, Site

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
            "title": f"Title {number}",
            "details": "Details",
            "date": "2020-02-02",
            "studio": f"Studio {number}",
            "performers": [f"Ann {number}", "Bob"],
            "tags": ["Old", f"Tag {number}"],
            "rating100": 40,
            "cover": picture(number),
            "groups": [f"Group {number}"],
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
    found: dict[str, Any] = site.ask("status")["batches"][0]
    return found


def found(site: Site, scope: str = "all") -> dict[str, int]:
    """What a dry run finds."""
    reconcile(site, scope, dry_run=True)
    counts: dict[str, int] = newest(site)["found"]
    return counts


def records(site: Site) -> list[Any]:
    """What the state file knows of scenes and items."""
    with sqlite3.connect(data_folder.state_file(str(site.data))) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
            for table in ("items", "scenes", "steps")
        ]


def age(site: Site, days: float) -> None:
    """Let the newest batches be so many days older."""
    with site.queue_file() as connection:
        for column in ("created_at", "started_at", "worked_at", "completed_at"):
            connection.execute(f"UPDATE plexsync_batches SET {column} = {column} - ?", (days * 86_400,))


def graphql(site: Site, mutation: str, **given: Any) -> None:
    """A mutation of a person's; the stand-in runs no hook where no plugin is installed."""
    site.stash.graphql(f"mutation {{ {mutation} }}", given)


# Each kind of drift: it changes a scene or its item and says what is to be found of the scene.

Plant = Callable[[Site, int, int], str]


def auto_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).tag_ids.append(site.stash.add_tag("Auto"))
    return looking.STALE


def hook_killed(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).title = "Saved while nobody listened"
    site.stash.scene(scene).touch()
    return looking.STALE


def performers_batch_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.store.performers[site.stash.scene(scene).performer_ids[0]].country = "BE"
    return looking.STALE


def studios_batch_tagged(site: Site, scene: int, key: int) -> str:
    site.stash.store.studios[site.stash.scene(scene).studio_id or 0].name = "Tagged Studio"
    return looking.STALE


def cover_generated(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).cover = picture(10_000 + scene)
    site.stash.scene(scene).touch()
    return looking.STALE


def restored(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).title = "As it was before"
    site.stash.scene(scene).updated_s -= 1e7
    return looking.STALE


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
    return looking.EMPTY


def refreshed_by_agent(site: Site, scene: int, key: int) -> str:
    site.plex.person_unlocks(key)
    site.plex.agent_refresh(key, title="The agent's", summary="The agent's", genres=["Agent"])
    return looking.CHANGED


def refreshed_but_locked(site: Site, scene: int, key: int) -> str:
    site.plex.agent_refresh(key, title="The agent's", summary="The agent's", genres=["Agent"])
    return ""


def edited_by_person(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, title="A person's")
    return looking.CHANGED


def rated(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, user_rating=9.0)
    return ""


def tag_added(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, genres=[*site.item(key).genres, "A person's"])
    return ""


def tag_taken_away(site: Site, scene: int, key: int) -> str:
    site.plex.person_edits(key, genres=site.item(key).genres[1:])
    return looking.CHANGED


def role_changed(site: Site, scene: int, key: int) -> str:
    actors = site.item(key).actors
    site.plex.person_edits(key, actors=[actors[0]._replace(role="a person's"), *actors[1:]])
    return looking.CHANGED


def role_added(site: Site, scene: int, key: int) -> str:
    *actors, bob = site.item(key).actors
    site.plex.person_edits(key, actors=[*actors, bob._replace(role="a person's, where we wrote none")])
    return ""


def actors_picture_changed(site: Site, scene: int, key: int) -> str:
    actors = site.item(key).actors
    site.plex.person_edits(key, actors=[actors[0]._replace(thumb="http://example.com/other.jpg"), *actors[1:]])
    return looking.CHANGED


def removed(site: Site, scene: int, key: int) -> str:
    site.plex.remove_item(key)
    return looking.MISSING


def removed_and_added_again(site: Site, scene: int, key: int) -> str:
    files = site.item(key).files
    site.plex.remove_item(key)
    site.plex.add_item(site.library, files)
    return looking.EMPTY


def in_a_second_library(site: Site, scene: int, key: int) -> str:
    site.plex.add_item(2, site.item(key).files)
    return looking.EMPTY


def deleted(site: Site, scene: int, key: int) -> str:
    site.stash.remove_scene(scene)
    return looking.ORPHANED


def without_a_file(site: Site, scene: int, key: int) -> str:
    site.stash.scene(scene).files.clear()
    return looking.DOUBTFUL


KINDS: list[Plant] = [
    *(auto_tagged, hook_killed, performers_batch_tagged, studios_batch_tagged, cover_generated, restored),
    *(touched_only, played, moved_on_both_sides, moved_in_plex_alone, wiped, refreshed_by_agent),
    *(refreshed_but_locked, edited_by_person, rated, tag_added, tag_taken_away, role_changed, role_added),
    *(actors_picture_changed, removed),
    *(removed_and_added_again, in_a_second_library, deleted, without_a_file),
]
HOPELESS = {looking.MISSING, looking.DOUBTFUL}


@pytest.mark.parametrize(("tag_mode", "of_each"), [("adds", 2), ("replaces", 1)])
def test_each_planted_kind_is_found_and_no_other(site: Site, library: Library, tag_mode: TagMode, of_each: int) -> None:
    site.plex.tag_mode = tag_mode
    site.plex.add_library("Second")
    site.configure(collection_groups=True, performer_role="{country}")
    pairs = library.fill(of_each * len(KINDS) + 4)
    pairs, others = pairs[: of_each * len(KINDS)], pairs[of_each * len(KINDS) :]
    merged, into = others[:2], others[2:4]
    library.sync()
    expected: Counter[str] = Counter()
    for number, (scene, key) in enumerate(pairs):
        if reason := KINDS[number % len(KINDS)](site, scene, key):
            expected[reason] += 1
    for (source, _), (target, _) in zip(merged, into, strict=True):
        graphql(site, f'sceneMerge(input: {{source: ["{source}"], destination: "{target}"}}) {{ id }}')
        expected += Counter({looking.STALE: 1, looking.ORPHANED: 1})
    _, never_key = library.add(title="Never synced")
    expected[looking.NEVER_SYNCED] += 1
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
        assert f"found {count} {looking.REASONS[reason]}" in dry.said("i")
        assert f"{count} {reason.replace('_', ' ').replace('plex', 'Plex')}" in (dry.output or "")
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


def test_under_preserve_plex_edits_a_persons_value_is_no_drift(site: Site, library: Library) -> None:
    site.configure(preserve_plex_edits=True, performer_role="{country}")
    kinds = [edited_by_person, rated, role_changed, actors_picture_changed, tag_added, auto_tagged, wiped]
    pairs = library.fill(len(kinds))
    library.sync()
    for kind, (scene, key) in zip(kinds, pairs, strict=True):
        kind(site, scene, key)
    assert found(site) == {looking.STALE: 1, looking.EMPTY: 1}
    reconcile(site)
    assert found(site) == {}
    assert site.item(pairs[0][1]).title == "A person's"
    assert site.item(pairs[1][1]).user_rating == 9.0
    assert site.item(pairs[2][1]).actors[0].role == "a person's"


@pytest.mark.parametrize("what", ["another server", "a rebuilt library"])
def test_all_is_found_that_another_server_or_a_rebuilt_library_lacks(site: Site, library: Library, what: str) -> None:
    pairs = library.fill(4)
    library.sync()
    files = [site.item(key).files for _, key in pairs]
    site.plex.remove_library(site.library)
    if what == "another server":
        site.plex.machine_identifier = "another"
    section = site.plex.add_library("Clips", key=site.library if what == "another server" else 7)
    keys = [site.plex.add_item(section, some) for some in files]
    assert found(site) == {looking.EMPTY: 4}
    reconcile(site)
    assert [site.item(key).title for key in keys] == [f"Title {scene}" for scene, _ in pairs]
    assert found(site) == {}


@pytest.mark.parametrize("habit", ["ignored", "rewritten", "one tag in whatever case"])
def test_what_plex_keeps_in_a_form_of_its_own_is_no_drift(site: Site, library: Library, habit: str) -> None:
    if habit == "one tag in whatever case":
        site.plex.case_insensitive_tags = True
        site.plex.add_item(site.library, [("/media/else.mp4", 1)], genres=["OLD"])
    else:
        site.plex.actor_pictures = "ignored" if habit == "ignored" else "rewritten"
    pairs = library.fill(3)
    library.sync()
    assert found(site) == {}
    refreshed_by_agent(site, *pairs[0])
    reconcile(site)
    assert found(site) == {}


def test_where_paths_differ(site: Site) -> None:
    """By path_map, and by a name alone where one of two of that name has another size."""
    site.configure(path_map="/stash=/plex")
    mapped = site.stash.add_scene(title="Mapped", files=[("/stash/a/clip.mp4", 10)])
    key = site.plex.add_item(site.library, [("/plex/a/clip.mp4", 10)])
    named = site.stash.add_scene(title="Named", files=[("/nowhere/name.mp4", 20)])
    by_name = site.plex.add_item(site.library, [("/other/name.mp4", 20)])
    site.plex.add_item(site.library, [("/another/name.mp4", 21)])
    site.call({"mode": "sync_all"})
    assert (site.item(key).title, site.item(by_name).title) == ("Mapped", "Named")
    assert found(site) == {}
    site.stash.scene(mapped).title = "Renamed"
    refreshed_by_agent(site, named, by_name)
    assert found(site) == {looking.STALE: 1, looking.CHANGED: 1}
    reconcile(site)
    assert (site.item(key).title, site.item(by_name).title) == ("Renamed", "Named")


def test_what_plex_may_lack_is_no_drift_until_it_was_there(site: Site, library: Library) -> None:
    site.configure(skip_not_found=True)
    _, key = library.add()
    site.stash.add_scene(title="Never in Plex", files=[("/media/elsewhere.mp4", 5)])
    library.sync()
    assert found(site) == {}
    site.plex.remove_item(key)
    assert found(site) == {looking.MISSING: 1}
    site.configure(skip_not_found=False)
    assert found(site) == {looking.MISSING: 2}


def test_scenes_that_the_settings_leave_out_are_none_of_its_business(site: Site, library: Library) -> None:
    pairs = [library.add(tags=["Plex"]), library.add(), library.add(tags=["Plex"])]
    site.configure(only_tags="Plex")
    library.sync()
    for scene, key in pairs[:2]:
        hook_killed(site, scene, key)
    assert found(site) == {looking.STALE: 1}
    reconcile(site)
    assert site.item(pairs[1][1]).title == "2"
    assert newest(site)["found"] == {looking.STALE: 1}
    scene, key = pairs[2]
    site.stash.scene(scene).tag_ids.clear()
    refreshed_by_agent(site, scene, key)
    assert found(site) == {}, "left out since, and left as it is"


@pytest.mark.parametrize(("scope", "expected"), [("1d", 1), ("7d", 2), ("all", 3)])
def test_a_scope_is_the_scenes_that_stash_changed_since(
    site: Site, library: Library, scope: str, expected: int
) -> None:
    pairs = library.fill(5)
    library.sync()
    for (scene, key), days in zip(pairs, (0.5, 5, 30), strict=False):
        refreshed_by_agent(site, scene, key)
        site.stash.scene(scene).updated_s = time.time() - days * 86_400
    deleted(site, *pairs[3])
    site.stash.scene(pairs[4][0]).updated_s = time.time() - 30 * 86_400
    orphaned = {looking.ORPHANED: 1} if scope == "all" else {}
    assert found(site, scope) == {looking.CHANGED: expected} | orphaned
    reconcile(site, scope)
    assert [site.item(key).title == f"Title {scene}" for scene, key in pairs[:3]] == [n < expected for n in range(3)]


def test_a_setting_that_was_switched_on_makes_items_stale(site: Site, library: Library) -> None:
    """Fields are as they should be, and only the background lacks."""
    _, key = library.add()
    library.sync()
    site.configure(sync_background=True)
    assert found(site) == {looking.STALE: 1}
    reconcile(site)
    assert site.item(key).art == picture(1)
    assert found(site) == {}


def test_an_item_is_mended_although_another_library_holds_the_file_twice(site: Site, library: Library) -> None:
    site.configure(strict_matching=True)
    scene, key = library.add()
    second = site.plex.add_library("Second")
    for _ in range(2):
        site.plex.add_item(second, site.item(key).files)
    reconcile(site)
    assert newest(site)["found"] == {looking.DOUBTFUL: 1}
    assert site.item(key).title == "Title 1"
    refreshed_by_agent(site, scene, key)
    reconcile(site)
    assert newest(site)["found"] == {looking.STALE: 1}, "the scene has not been in Plex as a whole yet"
    assert site.item(key).title == "Title 1"
    reconcile(site)
    batch = newest(site)
    assert (batch["found"], batch["failed"]) == ({looking.DOUBTFUL: 1}, 0), "a dead letter tells of it already"


def test_an_item_that_plex_cannot_read_stops_nothing(site: Site, library: Library) -> None:
    pairs = library.fill(40)
    library.sync()
    broken = str(pairs[20][1])

    def reads_it(request: Request) -> bool:
        return request.path.startswith("/library/metadata/") and broken in request.path.rpartition("/")[2].split(",")

    hook_killed(site, *pairs[30])
    hook_killed(site, *pairs[20])
    site.plex.fail(status=500, times=None, where=reads_it)
    site.plex.clear_requests()
    assert found(site) == {looking.STALE: 1, looking.DOUBTFUL: 1}
    assert len(site.plex.requests) < 25, "the others are not read one by one"
    reconcile(site)
    assert site.item(pairs[30][1]).title == "Saved while nobody listened"
    assert [row["scene_id"] for row, _ in site.rows()] == [pairs[20][0]], "it waits for a later try"
    site.plex.clear_faults()
    site.drain(by_hand=True)
    assert site.item(pairs[20][1]).title == "Saved while nobody listened"
    assert found(site) == {}


def test_a_plex_that_fails_every_read_opens_the_circuit_breaker(site: Site, library: Library) -> None:
    pairs = library.fill(12)
    library.sync()
    hook_killed(site, *pairs[11])
    site.plex.fail(status=500, times=None, path_contains="/library/metadata/")
    for _ in range(5):
        answer = site.call({"mode": "reconcile", "scope": "all"})
        assert answer.error is not None and "status 500" in answer.error
    store = site.store()
    assert read_record(store.connection).opened_at is not None
    store.close()
    site.plex.clear_faults()
    reconcile(site)
    assert newest(site)["found"] == {looking.STALE: 1}
    assert site.item(pairs[11][1]).title == "Saved while nobody listened"


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry run", "for good"])
def test_it_goes_on_where_it_was(site: Site, library: Library, monkeypatch: pytest.MonkeyPatch, dry_run: bool) -> None:
    monkeypatch.setattr(scenes, "PAGE", 3)
    pairs = library.fill(11)
    library.sync()
    for scene, key in pairs[::2]:
        hook_killed(site, scene, key)
    deleted(site, *pairs[1])
    seen: list[int] = []
    look = looking.Reconciler.look

    def look_twice(
        self: looking.Reconciler, found: Sequence[tuple[Scene, Located]], findings: looking.Findings
    ) -> None:
        if len(seen) == 6:
            raise StashTemporaryError("Stash was stopped")
        seen.extend(scene.id for scene, _ in found)
        look(self, found, findings)

    monkeypatch.setattr(looking.Reconciler, "look", look_twice)
    args = {"mode": "reconcile", "scope": "all"} | ({"dry_run": True} if dry_run else {})
    assert site.call(args).error is not None
    batch = newest(site)
    assert (batch["status"], sum(batch["found"].values())) == ("RUNNING", 5)
    seen.append(0)
    site.call(args)
    after = newest(site)
    assert (after["id"], after["status"]) == (batch["id"], "COMPLETED")
    assert after["found"] == {looking.STALE: 6, looking.ORPHANED: 1}
    assert sorted(seen) == [0, *(scene for scene, _ in pairs if scene != pairs[1][0])], "none was looked at twice"
    assert found(site) == ({looking.STALE: 6, looking.ORPHANED: 1} if dry_run else {})


@pytest.mark.usefixtures("_no_strays")
def test_a_kill_in_the_middle_loses_nothing(site: Site, library: Library) -> None:
    pairs = library.fill(6)
    library.sync()
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"An edit of its own {scene}"
    site.plex.edit_delay = 0.05
    child = Child(site, {"mode": "reconcile", "scope": "all"})
    site.plex.wait_for_edit(2, timeout=20)
    assert child.kill() is None
    site.plex.edit_delay = 0.0
    assert newest(site)["status"] == "RUNNING"
    reconcile(site)
    batch = newest(site)
    assert (batch["status"], batch["total"], batch["done"], batch["found"]) == ("COMPLETED", 6, 6, {looking.STALE: 6})
    assert [site.item(key).title for _, key in pairs] == [f"An edit of its own {scene}" for scene, _ in pairs]
    assert found(site) == {}


# reconcile_every


def reconciles(site: Site) -> list[str]:
    """The statuses of the reconciles there have been, oldest first."""
    with site.queue_file() as connection:
        rows = connection.execute("SELECT status FROM plexsync_batches WHERE kind = 'reconcile' ORDER BY number")
        return [status for (status,) in rows]


def sleeper_step(site: Site, later: float) -> str:
    """What a sleeper would do so many seconds from now."""
    now = time.time() + later
    with site.queue_file() as connection:
        view = outlook(connection, data_folder.drain_lock(str(site.data)), now=now, since=time.time())
    return next_step(view, CircuitState.CLOSED, None, now).do


@pytest.mark.parametrize("args", [{}, {"trigger": "page"}, {"trigger": "sleeper"}], ids=["press", "page", "sleeper"])
def test_a_reconcile_that_is_due_is_begun_by_any_waker(site: Site, library: Library, args: dict[str, str]) -> None:
    scene, key = library.add()
    library.sync()
    site.configure(reconcile_every=" Daily ")
    hook_killed(site, scene, key)
    task = {"mode": "process_queue"} | args
    answer = site.call(task)
    assert answer.error is None
    assert reconciles(site) == ["COMPLETED"]
    assert site.item(key).title == "Saved while nobody listened"
    site.call(task)
    age(site, 0.9)
    site.call(task)
    assert reconciles(site) == ["COMPLETED"], "not twice within a day"
    age(site, 0.2)
    site.call(task)
    assert reconciles(site) == ["COMPLETED"] * 2


def test_a_page_wakes_a_reconcile_that_is_due(site: Site, library: Library) -> None:
    library.add()
    site.configure(reconcile_every="never")
    library.sync()
    assert site.ask("wake")["said"] == "Nothing waits"
    site.configure(reconcile_every="weekly")
    assert site.ask("wake")["said"] == "Process queue asked for" or site.stash.plugin_requests("PlexSyncAsk")
    site.call({"mode": "process_queue", "trigger": "page"})
    assert reconciles(site) == ["COMPLETED"]
    for days, due in ((2, False), (4, False), (2, True)):
        age(site, days)
        asked = len(site.stash.plugin_requests("PlexSyncAsk"))
        site.call({"mode": "wake"})
        assert (len(site.stash.plugin_requests("PlexSyncAsk")) > asked) is due


def test_a_save_waits_for_no_reconcile_and_the_sleeper_begins_it(site: Site, library: Library) -> None:
    scene, key = library.add()
    library.sync()
    site.configure(reconcile_every="daily")
    site.save_and_sync(scene, title="First")
    assert reconciles(site) == ["PENDING"]
    assert (sleeper_step(site, 30), sleeper_step(site, 61)) == ("sleep", "ask")
    site.save_and_sync(scene, title="Second")
    assert reconciles(site) == ["PENDING"], "nobody's save waits for it"
    assert (sleeper_step(site, 30), sleeper_step(site, 61)) == ("sleep", "ask"), "nor does a save put an end to it"
    refreshed_by_agent(site, scene, key)
    site.call({"mode": "process_queue", "trigger": "sleeper"})
    assert reconciles(site) == ["COMPLETED"]
    assert site.item(key).title == "Second"
    assert sleeper_step(site, 61) == "end"


def test_a_save_after_an_outage_leaves_the_batch_that_it_ended_to_the_sleeper(site: Site, library: Library) -> None:
    scene, key = library.add()
    for one in (site.stash.scene(scene), *site.stash.store.performers.values()):
        one.updated_s -= 10
    library.sync()
    site.stash.scene(scene).title = "Changed where no time tells"
    site.plex.stop()
    assert site.call({"mode": "sync_all"}).error is not None
    site.plex.start()
    other, _ = library.add()
    site.sync(other)
    assert site.item(key).title == "Title 1"
    assert sleeper_step(site, 61) == "ask"


def test_many_changes_do_not_make_a_reconcile_due_again(site: Site, library: Library) -> None:
    library.add()
    site.configure(reconcile_every="weekly")
    site.drain(by_hand=True)
    store = site.store()
    for number in range(batches.KEPT + 5):
        with store.transaction() as connection:
            args = {"entity": "tag", "id": number} if number % 2 else {"scope": "1d"}
            made = batches.create(connection, CHANGE if number % 2 else RECONCILE, args, time.time())
            connection.execute("UPDATE plexsync_batches SET status = 'COMPLETED' WHERE number = ?", (made.id,))
        assert not batches.is_due(store.connection, "weekly", time.time())
    store.close()


def test_by_default_it_is_weekly_and_the_first_is_a_week_after_the_first_run(site: Site, library: Library) -> None:
    library.add()
    library.sync()
    panel = site.stash.plugin_settings
    assert panel["reconcile_every"] == "weekly"
    for days, due in ((0, False), (6.9, False), (0.2, True)):
        panel[DEFAULTS_SINCE] -= days * 86_400
        asked = len(site.stash.plugin_requests("PlexSyncAsk"))
        site.call({"mode": "wake"})
        assert (len(site.stash.plugin_requests("PlexSyncAsk")) > asked) is due
        site.call({"mode": "process_queue", "trigger": "page"})
        assert reconciles(site) == ["COMPLETED"] * due


def test_what_0_1_0_had_written_as_its_default_counts_as_unset_once(site: Site, library: Library) -> None:
    scene, key = library.add()
    site.stash.store.performers[site.stash.scene(scene).performer_ids[0]].disambiguation = "UK"
    own = {"reconcile_every": "never", "performer_role": "{disambiguation}"}
    for one in (site.stash.scene(scene), *site.stash.store.performers.values()):
        one.updated_s -= 10
    site.configure(**defaults() | own | {DEFAULTS_SINCE: 0})
    library.sync()
    assert site.item(key).actors[0].role == "UK"
    del site.stash.plugin_settings[DEFAULTS_SINCE]
    edits = len(site.plex.edits)
    answer = site.drain(by_hand=True)
    panel = site.stash.plugin_settings
    assert (panel["reconcile_every"], panel["performer_role"]) == ("weekly", "")
    assert "performer_role (until now: {disambiguation})" in answer.said("i")
    assert len(site.plex.edits) == edits, "nothing is written anew at once"
    site.save_and_sync(scene, title="Saved")
    assert site.item(key).actors[0].role == ""
    site.configure(reconcile_every="never", performer_role="{disambiguation}")
    site.drain(by_hand=True)
    assert (panel["reconcile_every"], panel["performer_role"]) == ("never", "{disambiguation}")


def test_never_is_never(site: Site, library: Library) -> None:
    library.add()
    site.configure(reconcile_every="never")
    site.drain(by_hand=True)
    site.call({"mode": "process_queue", "trigger": "page"})
    assert reconciles(site) == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"scope": "2d"}, "args.scope is '2d'; accepted: all, 7d, 1d"),
        ({"scope": ["all"]}, "args.scope is ['all']; accepted: all, 7d, 1d"),
        ({"scope": 7}, "args.scope is 7; accepted: all, 7d, 1d"),
        ({"dry_run": "perhaps"}, "args.dry_run is 'perhaps'; accepted: true or false"),
        ({"dry_run": {}}, "args.dry_run is {}; accepted: true or false"),
    ],
)
def test_bad_args_are_named(site: Site, args: dict[str, Any], said: str) -> None:
    assert said in (site.call({"mode": "reconcile"} | args).error or "")


@pytest.mark.parametrize("value", ["hourly", "7", 1, True])
def test_a_bad_reconcile_every_is_named(site: Site, value: object) -> None:
    site.configure(reconcile_every=value)
    error = site.drain(by_hand=True).error or ""
    assert "reconcile_every" in error and "never, daily" in error
    assert site.ask("wake")["said"] == "Nothing waits"
