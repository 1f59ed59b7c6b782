"""kill -9 at any moment: hooks and drains as real processes, and what the next run makes of it.

A round is one kill. Half of them come at a random moment of the process's whole life, as long as an
undisturbed one was measured to be; the others where the protocol is most vulnerable, found by what a
stand-in has just received. Every round ends with an undisturbed run, in this process: most of another's
time goes into imports. `PLEXSYNC_TEST_SEED` repeats the draws of a failure, which names its seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.servers.plex import PlexStandIn, Request
from tests.site import PATIENCE, SLOWNESS, Answer, Child, Site

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(120 * SLOWNESS),
    pytest.mark.usefixtures("_no_strays"),
]


@dataclass
class Life:
    """Scenes over many rounds: what each was in Stash, what was promised, how often something was killed."""

    site: Site
    random: random.Random
    scenes: dict[int, int] = field(default_factory=dict)
    """Scene -> ratingKey."""
    states: dict[int, list[str]] = field(default_factory=dict)
    """Scene -> each title it ever had."""
    typed: dict[int, str] = field(default_factory=dict)
    """Scene -> a title that a person typed in Plex, which is to stay."""
    answered: set[int] = field(default_factory=set)
    """Scenes whose newest state a hook has taken on, or whose row is on disk."""
    kills: int = 0
    what: str = ""
    """The round, for the message of a failure."""

    def add(self, count: int) -> list[int]:
        """Add scenes; return their ids."""
        added = []
        for _ in range(count):
            number = len(self.scenes) + 1
            scene, key = self.site.add(f"/media/{number}.mp4", number)
            self.scenes[scene] = key
            self.states[scene] = []
            added.append(scene)
        return added

    def change(self, scene: int) -> None:
        """A new state in Stash, of which nobody knows yet."""
        title = f"Scene {scene} state {len(self.states[scene]) + 1}"
        self.states[scene].append(title)
        held = self.site.stash.scene(scene)
        held.title, held.details = title, f"About {title}"
        self.answered.discard(scene)

    def save(self, scene: int) -> None:
        """A person's save and its hook, undisturbed."""
        self.change(scene)
        answer = self.site.hook(scene)
        assert answer.error is None, f"{self.what}: {answer.error}"
        self.answered.add(scene)

    def kill(self, child: Child, what: str) -> Answer | None:
        """kill -9, and say so where something fails later."""
        self.kills += 1
        self.what = f"{self.what}; kill {self.kills}: {what}"
        return child.kill()

    def kill_hook(self, scene: int, longest: float) -> None:
        """A save whose hook is killed somewhere in its life."""
        self.change(scene)
        child = Child.hook(self.site, scene)
        delay = self.random.uniform(0, longest)
        time.sleep(delay)
        answer = self.kill(child, f"hook of scene {scene} after {delay:.4f} s")
        self.note_if_queued(scene, answered=answer is not None and answer.error is None)

    def note_if_queued(self, scene: int, *, answered: bool) -> None:
        """A row that is on disk has to arrive; a hook that answered has to have left one."""
        queued = scene in self.queued()
        assert queued or not answered, f"{self.what}: the hook answered and left no row"
        if queued:
            self.answered.add(scene)

    def queued(self) -> set[int]:
        """The scenes of the rows that are not acknowledged."""
        with contextlib.suppress(Exception):
            return {job["scene_id"] for job, _ in self.site.rows()}
        return set()  # killed before the queue's file was made whole

    def kill_drain(self, longest: float) -> None:
        """A drain that is killed somewhere in its life, in the half of it that does more than import."""
        child = Child.drain(self.site)
        delay = self.random.uniform(0.5 * longest, longest)
        time.sleep(delay)
        self.kill(child, f"drain after {delay:.4f} s")

    def settle(self) -> None:
        """An undisturbed run, and what has to hold after it."""
        answer = self.site.drain()
        assert answer.error is None, f"{self.what}: {answer.error}"
        assert "locked" not in answer.said(), f"{self.what}: {answer.said()}"
        assert self.site.rows() == [], f"{self.what}: rows are left; {answer.output}"
        for scene in self.answered:
            item, newest = self.site.item(self.scenes[scene]), self.states[scene][-1]
            assert item.title == self.typed.get(scene, newest), f"{self.what}: scene {scene}"
            assert item.summary == f"About {newest}", f"{self.what}: scene {scene}"
        self.explain_edits()

    def explain_edits(self) -> None:
        """No edit writes what Stash never had, none goes back in time, none is there without a reason."""
        of_item = {str(key): scene for scene, key in self.scenes.items()}
        edits: dict[int, list[str]] = {}
        for edit in self.site.plex.edits:
            scene = of_item[edit.query["id"]]
            known = self.states[scene]
            for name, prefix in (("title.value", ""), ("summary.value", "About ")):
                written = edit.query.get(name)
                if written is not None:
                    assert written.removeprefix(prefix) in known, f"{self.what}: {name}={written!r}"
                    edits.setdefault(scene, []).append(written.removeprefix(prefix))
        for scene, written in edits.items():
            known = self.states[scene]
            order = [known.index(one) for one in written]
            assert order == sorted(order), f"{self.what}: scene {scene} was written {written}"
        total: dict[str, int] = {}
        for edit in self.site.plex.edits:
            total[edit.query["id"]] = total.get(edit.query["id"], 0) + 1
        for key, count in total.items():
            most = len(self.states[of_item[key]]) + self.kills
            assert count <= most, f"{self.what}: {count} edits of item {key}, explained are {most}"


@pytest.fixture
def life(site: Site) -> Life:
    seed = int(os.environ.get("PLEXSYNC_TEST_SEED") or secrets.randbits(32))
    print(f"PLEXSYNC_TEST_SEED={seed}")
    return Life(site, random.Random(seed), what=f"seed {seed}")


def measured(child: Callable[[], Child], times: int = 3) -> float:
    """Seconds an undisturbed process takes: the longest of some, and a little more."""
    longest = 0.0
    for _ in range(times):
        began = time.perf_counter()
        answer = child().end()
        assert answer.error is None, answer.error
        longest = max(longest, time.perf_counter() - began)
    return longest * 1.1


def rounds(life: Life, count: int) -> Iterator[int]:
    """The rounds of a test; each begins its own account of what was killed."""
    seed = life.what
    for number in range(count):
        life.what = f"{seed}, round {number + 1}"
        yield number


# At random moments


@pytest.mark.parametrize("part", range(2))
def test_a_killed_hook_loses_nothing_it_had_taken_on(life: Life, part: int) -> None:
    scenes = life.add(8)
    life.change(scenes[0])
    # The first kills find no queue at all: the file, its tables and the row are made under them.
    longest = 0.06 if part == 0 else measured(lambda: Child.hook(life.site, scenes[0]))
    for _ in rounds(life, 4):
        for scene in life.random.sample(scenes, 4):
            life.kill_hook(scene, longest)
        life.settle()
    assert life.kills == 16


@pytest.mark.parametrize("part", range(3))
def test_a_killed_drain_loses_nothing(life: Life, part: int) -> None:
    scenes = life.add(6)
    life.site.plex.edit_delay = 0.01 * part
    for scene in scenes:
        life.save(scene)
    longest = measured(lambda: Child.drain(life.site), 1)
    life.settle()
    for _ in rounds(life, 5):
        for scene in life.random.sample(scenes, 4):
            life.save(scene)
        life.kill_drain(longest)
        life.settle()


@pytest.mark.parametrize("part", range(2))
def test_hooks_and_drains_killed_in_any_order(life: Life, part: int) -> None:
    """Up to four kills before the undisturbed run, of the same drain's successors too."""
    scenes = life.add(5)
    life.save(scenes[0])
    of_drain = measured(lambda: Child.drain(life.site), 1)
    of_hook = measured(lambda: Child.hook(life.site, scenes[0]), 1)
    for _ in rounds(life, 4):
        for _ in range(life.random.randint(2, 4)):
            scene = life.random.choice(scenes)
            if life.random.random() < 0.3:
                life.kill_hook(scene, of_hook)
            else:
                life.save(scene)
                life.kill_drain(of_drain)
        life.settle()
    assert life.kills >= 8


def test_two_hundred_scenes_and_thirteen_kills(life: Life) -> None:
    scenes = life.add(200)
    for scene in scenes:
        life.change(scene)
        assert life.site.hook(scene).error is None
        life.answered.add(scene)
    # A thirteenth of the work at the most between two kills, so that the last one still finds some.
    life.site.plex.edit_delay = 0.005
    done = [0]
    while life.kills < 13:
        child = Child.drain(life.site)
        life.site.plex.wait_for_edit(done[-1] + life.random.randint(1, 12), timeout=PATIENCE)
        life.kill(child, f"drain after {done[-1]} edits and some")
        done.append(sum(edit.applied for edit in life.site.plex.edits))
    left = len(life.queued())
    life.site.plex.edit_delay = 0.0
    life.settle()
    titles = [life.site.item(key).title for key in life.scenes.values()]
    assert titles == [life.states[scene][-1] for scene in scenes], life.what
    assert len(life.site.plex.edits) <= 200 + life.kills, f"{life.what}: {done}"
    assert left, f"the kills came too late to matter: {done}"


# At the points of the protocol


def _reads_items(request: Request) -> bool:
    return request.method == "GET" and request.path.startswith("/library/metadata/")


def _edits(request: Request) -> bool:
    return request.is_edit


def _lists_sections(request: Request) -> bool:
    return request.path == "/library/sections"


def _kill_when_plex_has(life: Life, where: Callable[[Request], bool], *, nth: int = 1, applied: bool = False) -> None:
    """Kill the drain when Plex has received its nth request of a kind: carried out or not, and not answered."""
    plex = life.site.plex
    before = len([request for request in plex.requests if where(request)])
    # As many as may pass first are answered at once.
    if nth > 1:
        plex.fail(kind="slow", where=where, times=nth - 1)
    plex.fail(kind="hang", where=where, after_effect=applied)
    child = Child.drain(life.site)
    (*_, request) = plex.wait_for_request(where, count=before + nth, timeout=PATIENCE)
    if applied and request.is_edit:
        deadline = time.monotonic() + PATIENCE
        while not request.applied and time.monotonic() < deadline:
            time.sleep(0.001)
        assert request.applied
    assert life.kill(child, f"drain at {request.method} {request.path}") is None
    assert request.status is None, "the kill came before the answer"
    plex.clear_faults()


def _kill_when_stash_has(life: Life, child: Callable[[], Child], query: str, *, after: bool) -> None:
    """Kill a process whose request Stash has received: carried out (`after`) or not, and not answered."""
    stash = life.site.stash
    before = len(stash.plugin_requests(query))
    stash.fail("hang", query_contains=query, after=after)
    started = child()
    deadline = time.monotonic() + PATIENCE
    while len(stash.plugin_requests(query)) == before:
        assert time.monotonic() < deadline, f"{life.what}: nobody asked {query}"
        time.sleep(0.001)
    life.kill(started, f"at {query} to Stash")
    stash.clear_faults()


def _kill_when_it_says(life: Life, text: str) -> None:
    child = Child.drain(life.site)
    child.wait_for_log(text)
    life.kill(child, f"drain that said {text!r}")


POINTS: dict[str, Callable[[Life], None]] = {
    "edit applied, not answered": lambda life: _kill_when_plex_has(life, _edits, applied=True),
    "edit received, not applied": lambda life: _kill_when_plex_has(life, _edits),
    "third edit applied": lambda life: _kill_when_plex_has(life, _edits, nth=3, applied=True),
    "libraries being read": lambda life: _kill_when_plex_has(life, _lists_sections),
    "items being read": lambda life: _kill_when_plex_has(life, _reads_items),
    "items being read back": lambda life: _kill_when_plex_has(life, _reads_items, nth=2),
    "settings being read": lambda life: _kill_when_stash_has(
        life, lambda: Child.drain(life.site), "PlexSyncSettings", after=True
    ),
    "scenes being read": lambda life: _kill_when_stash_has(
        life, lambda: Child.drain(life.site), "PlexSyncScenes", after=True
    ),
    "confirmed, about to be acknowledged": lambda life: _kill_when_it_says(life, ": wrote "),
    "the last look": lambda life: _kill_when_it_says(life, "Process queue: "),
}


@pytest.mark.parametrize("point", POINTS)
def test_a_drain_killed_at(life: Life, point: str) -> None:
    scenes = life.add(3)
    for number in rounds(life, 2):
        life.site.configure(preserve_plex_edits=number == 1)
        for scene in scenes:
            life.save(scene)
        POINTS[point](life)
        # Half of them: a newer state comes before anybody looks again.
        if life.random.random() < 0.5:
            life.save(scenes[0])
        life.settle()


@pytest.mark.parametrize("taken", [True, False], ids=["Stash took it", "Stash did not"])
def test_a_hook_killed_while_it_asks_for_the_drain(life: Life, taken: bool) -> None:
    """Between hook and drain: the row is on disk, the note of the ask too, and the asker is gone."""
    (scene,) = life.add(1)
    for _ in rounds(life, 2):
        life.change(scene)
        _kill_when_stash_has(life, lambda: Child.hook(life.site, scene), "PlexSyncAsk", after=taken)
        life.note_if_queued(scene, answered=True)
        # As long as the note is believed nobody asks; after that the next save does.
        assert life.site.hook(scene).output == f"Scene {scene} queued", life.what
        with contextlib.closing(life.site.store()) as store:
            store.connection.execute("UPDATE plexsync_wake SET asked_at = asked_at - 21")
        answer = life.site.hook(scene)
        assert answer.output == f"Scene {scene} queued, Process queue asked for", life.what
        life.settle()


def test_after_a_killed_drain_the_next_save_asks(life: Life) -> None:
    (scene,) = life.add(1)
    for _ in rounds(life, 2):
        life.save(scene)
        _kill_when_plex_has(life, _edits, applied=True)
        life.change(scene)
        answer = life.site.hook(scene)
        assert answer.output == f"Scene {scene} queued, Process queue asked for", life.what
        life.answered.add(scene)
        life.settle()


# What is ours and what is a person's, over a kill


@pytest.mark.parametrize("part", range(2))
def test_what_a_killed_drain_wrote_is_ours_and_what_a_person_typed_stays(life: Life, part: int) -> None:
    life.site.configure(preserve_plex_edits=True)
    scenes = life.add(4)
    for scene in scenes:
        life.save(scene)
    longest = measured(lambda: Child.drain(life.site), 1)
    life.settle()
    for number in rounds(life, 5):
        for scene in scenes:
            life.save(scene)
        if number % 2:
            _kill_when_plex_has(life, _edits, nth=life.random.randint(1, 4), applied=True)
        else:
            life.kill_drain(longest)
        if number in (1, 2):
            # Somebody renames an item that the killed run may or may not have written.
            scene = scenes[number - 1]
            life.typed[scene] = f"Typed in round {number}"
            life.site.plex.person_edits(life.scenes[scene], title=life.typed[scene])
        for scene in life.random.sample(scenes, 2):
            life.save(scene)
        life.settle()


def test_tags_that_a_killed_drain_wrote_go_again_and_a_persons_stay(life: Life) -> None:
    life.site.configure(preserve_plex_edits=True)
    (scene,) = life.add(1)
    key, stash, plex = life.scenes[scene], life.site.stash, life.site.plex
    for number in rounds(life, 3):
        stash.save_scene(scene, tags=[f"Tag {number}", "Always"])
        life.save(scene)
        _kill_when_plex_has(life, _edits, applied=True)
        plex.person_edits(key, genres=[*plex.item(key).genres, f"A person's {number}"])
        life.settle()
    expected = {"Tag 2", "Always", *(f"A person's {number}" for number in range(3))}
    assert set(plex.item(key).genres) == expected, life.what


@pytest.mark.parametrize("tag_mode", ["adds", "replaces"])
def test_a_person_edits_between_kill_and_next_run(site: Site, plex: PlexStandIn, tag_mode: str) -> None:
    """The title was never written by us, only about to be: what a person typed meanwhile is theirs."""
    plex.tag_mode = tag_mode  # type: ignore[assignment]
    site.configure(preserve_plex_edits=True)
    life = Life(site, random.Random(0))
    (scene,) = life.add(1)
    life.save(scene)
    _kill_when_plex_has(life, _edits)
    plex.person_edits(life.scenes[scene], title="Typed")
    life.typed[scene] = "Typed"
    life.settle()
    life.save(scene)
    life.settle()
