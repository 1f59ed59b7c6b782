"""Where a batch of scenes stands in Plex: index, batched reads, matcher, and who holds an item.

The index proposes, Plex itself is read, the matcher decides. Looks for what is
new in Plex come before a match by name alone, a full listing before "not found"
and where the index was wrong. Before an item is taken by a name alone, Stash is
asked once, for the whole batch, which other scenes have files of that name.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sync import log
from sync.errors import PermanentError
from sync.model import PlexItem, Scene
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexNotFound, PlexPermanentError
from sync.plex.file_index import LibraryIndex
from sync.plex.items import read_items
from sync.plex.matcher import (
    Candidate,
    Match,
    Others,
    Rules,
    holders_of,
    match_scene,
)
from sync.plex.media_paths import map_path, name_key, path_key
from sync.stash.client import StashClient
from sync.state import State
from sync.worker.claims import Claim, Distribution, Located, Target, conflict
from sync.worker.namesakes import Namesakes, Settled

__all__ = ["Located", "Locator", "Target"]

FEW = 10
"""Scenes of a round up to which files are asked for by name in a library that was never listed."""
CROWD = 20
"""Items that one file's name may lead to and that are all read. Of more, only the one that is chosen."""


class _Found(NamedTuple):
    """What one library has for one scene."""

    library: LibraryIndex
    match: Match
    items: dict[int, PlexItem]
    """What was read here, by ratingKey."""

    @property
    def unread(self) -> set[int]:
        """Items that were chosen as the index knows them, and have to be read before they count."""
        return (self.match.items.keys() | self.match.conflicts.keys()) - self.items.keys()

    def without_unread(self) -> "_Found":
        """Return the same without what could not be read."""
        kept = {key: exact for key, exact in self.match.items.items() if key in self.items}
        conflicts = {key: scene for key, scene in self.match.conflicts.items() if key in self.items}
        return self._replace(match=replace(self.match, items=kept, conflicts=conflicts))


@dataclass(slots=True)
class _Around:
    """A scene and the items that may hold its files."""

    scene: Scene
    held: Collection[tuple[int, int]]
    """(section, ratingKey) of what it held last."""
    crowds: "_Crowds"
    proposed: dict[int, str]
    """Items worth reading, by ratingKey: the path_key that the index found there, if any."""
    crowd_keys: set[int] = field(default_factory=set)
    """Items of the crowds that may be this scene's."""


class _Crowds:
    """The items of names that very many bear, as the index knows them, for the whole of a batch."""

    def __init__(self) -> None:
        self._items: dict[int, dict[int, Candidate]] = {}
        self._added: set[tuple[int, str]] = set()

    def add(self, index: LibraryIndex, name: str) -> None:
        """Bring in the items of a name (its name_key)."""
        section = index.section.id
        if (section, name) in self._added:
            return
        self._added.add((section, name))
        here = self._items.setdefault(section, {})
        named = index.named(name)
        log.detail('Library "%s": %d items bear one file\'s name', index.section.title, len(named))
        for key, files in named.items():
            # It may bear another of these names as well.
            earlier = here[key].files if key in here else ()
            here[key] = Candidate(key, "", (*earlier, *files))

    def of(self, index: LibraryIndex) -> Mapping[int, Candidate]:
        """Return the items of a library, by ratingKey."""
        return self._items.get(index.section.id, {})


class Locator:
    """Finds the items of scenes in the libraries that are synced.

    `by_hand`: a person asked for this run, so a library is listed again for a
    file that is not found, whenever it was listed last.
    """

    def __init__(
        self,
        *,
        client: PlexClient,
        stash: StashClient,
        state: State,
        indexes: Sequence[LibraryIndex],
        rules: Rules,
        by_hand: bool,
    ) -> None:
        self._client = client
        self._state = state
        self._indexes = indexes
        self._rules = rules
        self._by_hand = by_hand
        self._stale: set[int] = set()  # scenes whose proposed items turned out to be gone
        self._misled: set[int] = set()  # scenes for which the index named a path that is no longer there
        self._unasked: set[int] = set()  # scenes of which Plex could not be asked by a file's name
        self._namesakes = Namesakes(stash, rules)
        self._settled = Settled(state, client.machine, rules)
        names = {index.section.id: index.section.title for index in indexes}
        self._distribution = Distribution(stash, state, client.machine, rules, self._settled, names)

    def locate(self, scenes: Sequence[Scene]) -> dict[int, Located]:
        """Return what was found for each scene, by its id.

        Raises what a request to Plex or Stash raises; then nothing is known of any scene.
        """
        for index in self._indexes:
            if not index.is_listed and len(scenes) > FEW:
                index.look_for_new()
        self._stale.clear()
        self._misled.clear()
        self._unasked.clear()
        self._namesakes.begin()
        matches = self._match(scenes)
        misled = set(self._misled)
        if self._stale or misled:
            # The index named items that are gone or hold other files: one look at what came in their place.
            matches |= self._match([scene for scene in scenes if scene.id in self._stale | misled])
        doubtful = [
            scene
            for scene in scenes
            if scene.id in self._unasked
            and (_is_lost(matches[scene.id]) or (scene.id in misled and not _is_held_by_path(matches[scene.id])))
        ]
        if doubtful:
            log.detail("Scenes not found for certain: %d; the libraries may be listed again", len(doubtful))
        # every library, not up to the first that was listed
        if doubtful and any([index.list_again(by_hand=self._by_hand) for index in self._indexes]):
            matches |= self._match(doubtful)
        return self._settle(scenes, matches)

    def _match(self, scenes: Sequence[Scene]) -> dict[int, list[_Found]]:
        held = self._state.items_of(self._client.machine, [scene.id for scene in scenes])
        crowds = _Crowds()
        around = [self._propose(scene, held.get(scene.id, ()), crowds) for scene in scenes]
        items = self._read({key for one in around for key in one.proposed})
        for one in around:
            self._stale.discard(one.scene.id)
            self._misled.discard(one.scene.id)
            read = [items[key] for key in one.proposed if key in items]
            if len(read) < len(one.proposed):
                self._stale.add(one.scene.id)
            elif set(one.proposed.values()) - self._paths_of(read) - {""}:
                self._misled.add(one.scene.id)
        matches = self._match_read(around, items)
        # Of a crowd only what was chosen is read, and then all is decided once more.
        unread = {
            scene_id: keys
            for scene_id, found in matches.items()
            if (keys := {key for one in found for key in one.unread})
        }
        if unread:
            items |= self._read({key for keys in unread.values() for key in keys})
            matches |= self._match_read([one for one in around if one.scene.id in unread], items)
            for scene_id in unread:
                if any(one.unread for one in matches[scene_id]):  # gone, or another file by now
                    self._stale.add(scene_id)
                    matches[scene_id] = [one.without_unread() for one in matches[scene_id]]
        return matches

    def _match_read(self, around: Sequence[_Around], items: dict[int, PlexItem]) -> dict[int, list[_Found]]:
        """Match scenes with items that were read; ask Stash for the names that decide about them."""
        matches = {one.scene.id: self._match_one(one, items) for one in around}
        asked = {one.scene.id: paths for one in around if (paths := self._worth_asking(one, matches[one.scene.id]))}
        if asked:
            like = next(f.path for one in around if one.scene.id in asked for f in one.scene.files if f.path)
            rivals = self._namesakes.of((path for paths in asked.values() for path in paths), like)
            present, owners = self._paths_of(items.values()), holders_of(rivals)
            for one in around:
                if one.scene.id in asked:
                    others = Others(one.scene.id, rivals, present, owners)
                    matches[one.scene.id] = self._match_one(one, items, others)
        return matches

    def _match_one(self, one: _Around, items: dict[int, PlexItem], others: Others | None = None) -> list[_Found]:
        scene = one.scene
        own = [items[key] for key in sorted(one.proposed.keys() | one.crowd_keys) if key in items]
        elsewhere = self._found_by_path(scene, own)
        found = []
        for index in self._indexes:
            here = {item.rating_key: item for item in own if item.section in (index.section.id, 0)}
            candidates = [Candidate(item.rating_key, item.title, item.files) for item in here.values()]
            crowd = one.crowds.of(index)
            candidates += [crowd[key] for key in sorted(one.crowd_keys) if key in crowd and key not in items]
            found.append(_Found(index, match_scene(scene.files, candidates, self._rules, elsewhere, others), here))
        return found

    def _worth_asking(self, one: _Around, found: Sequence[_Found]) -> set[str]:
        """Return the paths whose names have to be looked up in Stash before a name alone counts.

        None where every match is by the path, or was settled by an earlier sync. The
        other files of an item are among them: they may be another scene's.
        """
        scene = one.scene
        names = {name_key(file.path, fold=self._rules.fold) for file in scene.files if file.path}
        paths: set[str] = set()
        for index, match, items in found:
            section = index.section.id
            open_ = any(
                (section, key) not in one.held
                or key not in items
                or not self._settled.is_settled(scene, section, key, items[key].files)
                for key, exact in match.items.items()
                if not exact
            )
            if open_ or match.ambiguous:
                named = (
                    item
                    for item in items.values()
                    if any(name_key(file.path, fold=self._rules.fold) in names for file in item.files)
                )
                paths |= {file.path for item in named for file in item.files}
                paths |= {file.path for file in scene.files if file.path}
        return paths

    def _found_by_path(self, scene: Scene, items: Sequence[PlexItem]) -> frozenset[str]:
        there = self._paths_of(items)
        return frozenset(
            file.path for file in scene.files if self._key(map_path(file.path, self._rules.pairs)) in there
        )

    def _paths_of(self, items: Iterable[PlexItem]) -> set[str]:
        return {self._key(file.path) for item in items for file in item.files}

    def _key(self, path: str) -> str:
        return path_key(path, fold=self._rules.fold)

    def _propose(self, scene: Scene, held: Collection[tuple[int, int]], crowds: _Crowds) -> _Around:
        """Return the items worth looking at for a scene, after a look for new ones where a file is not found by
        its path. Those of a name that very many bear are put into `crowds`."""
        sections = {index.section.id for index in self._indexes}
        around = _Around(scene, held, crowds, {key: "" for section, key in held if section in sections})
        for file in scene.files:
            path = map_path(file.path, self._rules.pairs)
            found = [index.candidates(path, file.size) for index in self._indexes]
            nowhere = not any(exact for _, exact in found)
            for number, index in enumerate(self._indexes):
                keys, exact = found[number]
                if exact or not (keys or nowhere):
                    continue
                # A name alone must not win over a path that Plex has learned a minute ago.
                if file.path and not index.ask_for(path):
                    self._unasked.add(scene.id)
                    index.look_for_new()
                found[number] = index.candidates(path, file.size)
            for index, (keys, exact) in zip(self._indexes, found, strict=True):
                if not exact and len(keys) > CROWD:
                    crowds.add(index, name_key(path, fold=self._rules.fold))
                    around.crowd_keys |= keys
                    continue
                for key in keys:
                    around.proposed[key] = self._key(path) if exact else around.proposed.get(key, "")
        return around

    def _read(self, rating_keys: set[int]) -> dict[int, PlexItem]:
        items = read_items(self._client, rating_keys)
        gone = rating_keys - items.keys()
        for index in self._indexes:
            index.correct(item for item in items.values() if item.section in (index.section.id, 0))
            if gone:
                index.drop(gone)
                self._state.forget_items(self._client.machine, index.section.id, gone)
        if gone:
            self._settled.forget(gone)
        return items

    def _settle(self, scenes: Sequence[Scene], matches: dict[int, list[_Found]]) -> dict[int, Located]:
        located = {scene.id: Located() for scene in scenes}
        claims: list[Claim] = []
        for scene in scenes:
            found = located[scene.id]
            if not any(file.path for file in scene.files):
                found.errors.append(
                    PermanentError("missing file path: the scene has no file in Stash, so Plex cannot have it")
                )
                continue
            for index, match, items in matches[scene.id]:
                claims += [Claim(exact, scene, items[key], index.section.id) for key, exact in match.items.items()]
                found.errors += [_doubt(text, index) for text in match.ambiguous]
                found.errors += [_twice(text, index) for text in match.twice]
                found.errors += [conflict(items[key], other, scene) for key, other in match.conflicts.items()]
            if _is_lost(matches[scene.id]):
                found.errors.append(self._not_found(scene))
        self._distribution.give_out(claims, located)
        return located

    def _not_found(self, scene: Scene) -> PlexNotFound:
        name = map_path(scene.files[0].path, self._rules.pairs).rpartition("/")[2]
        path = map_path(scene.files[0].path, self._rules.pairs)
        other = sum(index.count_named(path) for index in self._indexes)
        hint = f" ({other} with this name, but of another size or another scene's)" if other else ""
        where = ", ".join(f'"{index.section.title}"' for index in self._indexes)
        return PlexNotFound(
            f'no Plex item in {where} holds its file "{name}" yet{hint}. If Plex has it, check path_map; else let '
            "Plex scan the folder"
        )


def _doubt(text: str, library: LibraryIndex) -> PlexPermanentError:
    return PlexPermanentError(
        f'{text} in library "{library.section.title}", and strict_matching is on. Set path_map so that Stash\'s paths '
        "become Plex's, or switch strict_matching off to take the nearest"
    )


def _twice(text: str, library: LibraryIndex) -> PlexPermanentError:
    return PlexPermanentError(
        f'{text} under this very path in library "{library.section.title}", and strict_matching is on. Plex has the '
        "file twice: empty the library's trash, or merge the items in Plex"
    )


def _is_lost(found: Iterable[_Found]) -> bool:
    return all(one.match.is_lost for one in found)


def _is_held_by_path(found: Iterable[_Found]) -> bool:
    return any(any(one.match.items.values()) for one in found)
