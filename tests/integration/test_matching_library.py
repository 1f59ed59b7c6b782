"""A generated library, and whose metadata ends up where.

What is right is known from how the library was made: every file is one piece of
content, and no item may bear the title of a scene that has none of its content.
Nothing of PlexSync's own decides here what is right.
"""

from __future__ import annotations

import random
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from sync.queue.job import Job
from tests.site import Site

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PATH_MAP = "/data/main=/media/main; /data/main/deep=/elsewhere/deep; /data/second=E:\\Second"
"""What is right for the mounts below; the third is the same for both servers, the fourth is in no map."""

POOL = [
    *("scene 1.mp4", "Scene 1.mp4", "clip.mp4", "1.mp4", "11.mp4", "100% real.mp4", 'it\'s "it".mp4', "_.mp4", "%.mp4"),
    *("Zoë.mp4", "Été à Łódź.mkv", "日本語.mp4", "が.mp4", "a & b, c; d = e.mp4", "trailer.mp4", "[x] (y).mp4"),
    *(f"part {n}.mp4" for n in range(40)),
]


@dataclass
class Content:
    """One file's content; where each server sees it, "" for one that has it not."""

    number: int
    name: str
    size: int
    mount: str
    folder: str
    stash: str = ""
    plex: str = ""
    scene: int = 0
    item: int = 0


@dataclass
class World:
    """What was made, and what is right."""

    contents: list[Content]
    scenes: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Scene -> its contents."""
    items: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def is_right(self, scene: int, item: int) -> bool:
        """Whether an item holds content of a scene."""
        return bool(self.scenes[scene] & self.items[item])

    def is_shared(self, content: Content) -> bool:
        """Whether its item holds content of another scene, too."""
        return any(other.scene and other.scene != content.scene for other in self.of_item(content.item))

    def of_item(self, item: int) -> list[Content]:
        return [self.contents[number] for number in self.items[item]]

    def exact(self, mapped: bool) -> Iterator[Content]:
        """Content that both servers have by the same path, once the path map is applied."""
        for content in self.contents:
            if content.stash and content.plex and (content.mount == "same" or (mapped and content.mount != "loose")):
                yield content

    def unambiguous(self) -> Iterator[Content]:
        """Content that both have, and of whose name and size neither has another."""
        here = Counter((c.name, c.size) for c in self.contents if c.stash)
        there = Counter((c.name, c.size) for c in self.contents if c.plex)
        for content in self.contents:
            sort = content.name, content.size
            if content.stash and content.plex and here[sort] == there[sort] == 1:
                yield content


def contents(count: int, dice: random.Random) -> list[Content]:
    """Make up files. No two have one name in one folder."""
    made: list[Content] = []
    taken: set[tuple[str, str]] = set()
    folders = [f"{kind} {n}" for kind in ("Studio", "Été", "2020%", "it's") for n in range(10)]
    while len(made) < count:
        number = len(made)
        name = dice.choice(POOL) if dice.random() < 0.55 else f"Film no. {number} – É.mp4"
        folder = dice.choice(folders)
        if (name, folder) in taken:
            continue
        taken.add((name, folder))
        size = dice.choice((1000, 2000)) if dice.random() < 0.6 else 10_000 + number
        mount = dice.choices(("main", "deep", "second", "same", "loose"), (40, 10, 20, 20, 10))[0]
        made.append(Content(number, name, size, mount, folder))
    for content in made:
        where = f"{content.folder}/{content.name}"
        stash, plex = {
            "main": (f"/data/main/{where}", f"/media/main/{where}"),
            "deep": (f"/data/main/deep/{where}", f"/elsewhere/deep/{where}"),
            "second": (f"/data/second/{where}", "E:\\Second\\" + where.replace("/", "\\")),
            "same": (f"/same/{where}", f"/same/{where}"),
            "loose": (f"/data/main/old/{where}", f"/sorted/{content.number}/{content.name}"),
        }[content.mount]
        one, other = dice.choice([("NFC", "NFC"), ("NFC", "NFD"), ("NFD", "NFC")])
        known = dice.random()
        if known < 0.88:
            content.stash = unicodedata.normalize(one, stash)
        if known < 0.76 or known >= 0.88:
            content.plex = unicodedata.normalize(other, plex)
    _tell_apart(made)
    return made


def _tell_apart(made: list[Content]) -> None:
    """A file that only Stash has and one that only Plex has, of one name and size, with nobody else of that name and
    size in Plex: nothing tells them from one file. Such a one in Plex is given a size of its own."""
    there: dict[tuple[str, int], list[Content]] = defaultdict(list)
    for content in made:
        if content.plex:
            there[content.name, content.size].append(content)
    for content in made:
        sole = there[content.name, content.size]
        if content.stash and not content.plex and len(sole) == 1 and not sole[0].stash:
            sole[0].size = 50_000 + sole[0].number


def build(site: Site, count: int, seed: int) -> World:
    """Fill both servers."""
    dice = random.Random(seed)
    world = World(contents(count, dice))
    for side, ids in (("stash", world.scenes), ("plex", world.items)):
        left = [content for content in world.contents if getattr(content, side)]
        dice.shuffle(left)
        while left:
            several = min(len(left), dice.choice((1,) * 17 + (2, 2, 3)))
            group, left = left[:several], left[several:]
            files = [(getattr(content, side), content.size) for content in group]
            if side == "stash":
                key = site.stash.add_scene(title="?", files=files)
                site.stash.scene(key).title = f"Scene {key}"
            else:
                key = site.plex.add_item(site.library, files, parts=dice.random() < 0.3, title="Untouched")
            for content in group:
                setattr(content, "scene" if side == "stash" else "item", key)
                ids[key].add(content.number)
    return world


def run(site: Site, world: World, dice: random.Random) -> None:
    """Sync every scene, in any order."""
    scenes = sorted(world.scenes)
    dice.shuffle(scenes)
    with closing(site.store()) as store:
        for scene in scenes:
            store.put(Job(scene))
    answer = site.drain(by_hand=True)
    assert answer.error is None, answer.error


def written(site: Site, world: World) -> dict[int, int]:
    """Item -> the scene whose title it bears."""
    titles = {key: site.item(key).title for key in world.items}
    return {key: int(title.removeprefix("Scene ")) for key, title in titles.items() if title != "Untouched"}


def check(site: Site, world: World, *, mapped: bool, strict: bool = True) -> dict[int, int]:
    """Hold what is in Plex against what is right; return what was written where."""
    held = written(site, world)
    exact = list(world.exact(mapped))
    of_item = defaultdict(set)
    for content in exact:
        of_item[content.item].add(content.scene)
    if strict:
        wrong = {item: scene for item, scene in held.items() if not world.is_right(scene, item)}
    else:
        wrong = {item: scene for item, scene in held.items() if of_item[item] and scene not in of_item[item]}
    assert wrong == {}
    due = {content.number: content for content in (*exact, *(world.unambiguous() if strict else ()))}
    missing = [c for c in due.values() if not world.is_shared(c) and held.get(c.item) != c.scene]
    assert missing == []
    shared = [c for c in exact if world.is_shared(c) and c.item not in held]
    assert shared == [], "an item of two scenes is one of theirs"
    return held


def test_without_a_path_map_and_then_with_the_right_one(site: Site) -> None:
    world = build(site, 250, 1)
    dice = random.Random(1)
    run(site, world, dice)
    before = check(site, world, mapped=False)
    site.configure(path_map=PATH_MAP)
    run(site, world, dice)
    after = check(site, world, mapped=True)
    assert len(after) > len(before) > 60
    site.plex.clear_requests()
    run(site, world, dice)
    assert check(site, world, mapped=True) == after
    assert site.plex.edits == [], "a third time changes nothing"


def test_with_the_right_path_map_from_the_start(site: Site) -> None:
    site.configure(path_map=PATH_MAP)
    world = build(site, 250, 3)
    run(site, world, random.Random(3))
    check(site, world, mapped=True)
    searches = site.stash.plugin_requests("PlexSyncNamesakes")
    assert len(searches) < 30, "batches ask together"


@pytest.mark.parametrize("path_map", ["", PATH_MAP], ids=["no map", "right map"])
def test_a_guess_never_takes_what_is_another_scenes_by_its_path(site: Site, path_map: str) -> None:
    site.configure(path_map=path_map, strict_matching=False)
    world = build(site, 220, 4)
    run(site, world, random.Random(4))
    check(site, world, mapped=bool(path_map), strict=False)
