"""Where a batch of scenes stands in Plex: index, batched reads, matcher, and who holds an item.

The index proposes, Plex itself is read, the matcher decides. Looks for what is
new in Plex come before a match by name alone, a full listing before "not found".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sync.errors import PermanentError, PlexSyncError
from sync.model import PlexItem, Scene
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexNotFound, PlexPermanentError
from sync.plex.library import LibraryIndex, read_items
from sync.plex.matcher import Candidate, Match, Rules, holds_file_of, match_scene
from sync.plex.media_paths import map_path, path_key, shares_root
from sync.stash.client import StashClient
from sync.state import ItemRecord, State


@dataclass(slots=True)
class Target:
    """A Plex item that holds a file of the scene, as it was read a moment ago."""

    item: PlexItem
    record: ItemRecord
    library: str
    """The library's name, for people."""


@dataclass(slots=True)
class Located:
    """What was found for one scene; `errors` stand beside what is right in other libraries."""

    targets: list[Target] = field(default_factory=list)
    errors: list[PlexSyncError] = field(default_factory=list)


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
        self._stash = stash
        self._state = state
        self._indexes = indexes
        self._rules = rules
        self._by_hand = by_hand
        self._stale: set[int] = set()  # scenes whose proposed items turned out to be gone

    def locate(self, scenes: Sequence[Scene]) -> dict[int, Located]:
        """Return what was found for each scene, by its id.

        Raises what a request to Plex or Stash raises; then nothing is known of any scene.
        """
        for index in self._indexes:
            if not index.is_listed:
                index.look_for_new()
        self._stale.clear()
        matches = self._match(scenes)
        if self._stale:
            # The index named items that are gone: one look at what came in their place.
            matches |= self._match([scene for scene in scenes if scene.id in self._stale])
        lost = [scene for scene in scenes if _is_lost(matches[scene.id])]
        # every library, not up to the first that was listed
        if lost and any([index.list_again(by_hand=self._by_hand) for index in self._indexes]):
            matches |= self._match(lost)
        return self._settle(scenes, matches)

    def _match(self, scenes: Sequence[Scene]) -> dict[int, list[tuple[LibraryIndex, Match, dict[int, PlexItem]]]]:
        proposed = self._propose(scenes)
        items = self._read({key for keys in proposed.values() for key in keys})
        self._stale |= {scene_id for scene_id, keys in proposed.items() if keys - items.keys()}
        matches = {}
        for scene in scenes:
            own = [items[key] for key in proposed[scene.id] if key in items]
            elsewhere = self._found_by_path(scene, own)
            per_library = []
            for index in self._indexes:
                here = {i.rating_key: i for i in own if i.section in (index.section.id, 0)}
                candidates = [Candidate(i.rating_key, i.title, i.files) for i in here.values()]
                per_library.append((index, match_scene(scene.files, candidates, self._rules, elsewhere), here))
            matches[scene.id] = per_library
        return matches

    def _found_by_path(self, scene: Scene, items: Sequence[PlexItem]) -> frozenset[str]:
        there = {path_key(file.path, fold=self._rules.fold) for item in items for file in item.files}
        return frozenset(
            file.path
            for file in scene.files
            if path_key(map_path(file.path, self._rules.pairs), fold=self._rules.fold) in there
        )

    def _propose(self, scenes: Sequence[Scene]) -> dict[int, set[int]]:
        """Return the items worth reading for each scene, after a look for new ones where a file is not
        found by its path."""
        remembered = self._state.items_of(self._client.machine, [scene.id for scene in scenes])
        sections = {index.section.id for index in self._indexes}
        proposed = {
            scene.id: {key for section, key in remembered.get(scene.id, ()) if section in sections} for scene in scenes
        }
        for scene in scenes:
            for file in scene.files:
                path = map_path(file.path, self._rules.pairs)
                found = [index.candidates(path, file.size) for index in self._indexes]
                nowhere = not any(exact for _, exact in found)
                for number, index in enumerate(self._indexes):
                    keys, exact = found[number]
                    # A name alone must not win over a path that Plex has learned a minute ago.
                    if not exact and (keys or nowhere) and index.look_for_new():
                        found[number] = index.candidates(path, file.size)
                for keys, _ in found:
                    proposed[scene.id] |= keys
        return proposed

    def _read(self, rating_keys: set[int]) -> dict[int, PlexItem]:
        items = read_items(self._client, rating_keys)
        gone = rating_keys - items.keys()
        for index in self._indexes:
            index.correct(item for item in items.values() if item.section in (index.section.id, 0))
            if gone:
                index.drop(gone)
                self._state.forget_items(self._client.machine, index.section.id, gone)
        return items

    def _settle(
        self,
        scenes: Sequence[Scene],
        matches: dict[int, list[tuple[LibraryIndex, Match, dict[int, PlexItem]]]],
    ) -> dict[int, Located]:
        located = {scene.id: Located() for scene in scenes}
        claims: list[tuple[bool, Scene, PlexItem, int]] = []
        for scene in scenes:
            found = located[scene.id]
            if not any(file.path for file in scene.files):
                found.errors.append(
                    PermanentError("missing file path: the scene has no file in Stash, so Plex cannot have it")
                )
                continue
            for index, match, items in matches[scene.id]:
                claims += [(exact, scene, items[key], index.section.id) for key, exact in match.items.items()]
                found.errors += [
                    PlexPermanentError(
                        f'{text} in library "{index.section.title}", and strict_matching is on. Set path_map so '
                        "that Stash's paths become Plex's, or switch strict_matching off to take the nearest"
                    )
                    for text in match.ambiguous
                ]
            if _is_lost(matches[scene.id]):
                found.errors.append(self._not_found(scene))
        kept = self._without_others_files(claims)
        self._give_out(kept, located)
        for _, scene, _, _ in claims:
            if not located[scene.id].targets and not located[scene.id].errors:
                located[scene.id].errors.append(self._not_found(scene))
        return located

    def _without_others_files(
        self, claims: list[tuple[bool, Scene, PlexItem, int]]
    ) -> list[tuple[bool, Scene, PlexItem, int]]:
        """Leave out items that a scene would get by a name alone, and whose very path another scene has in Stash.

        Asked only where both servers' paths begin alike: under a foreign prefix no
        path of Plex's is one of Stash's, and Stash would search all its files for it.
        """
        doubtful: list[tuple[int, str, str]] = []  # (number of the claim, path in Plex, the same as Stash writes it)
        back = [(target, source) for source, target in self._rules.pairs]
        for number, (exact, scene, item, _) in enumerate(claims):
            own = [map_path(file.path, self._rules.pairs) for file in scene.files]
            if not exact:
                doubtful += [
                    (number, file.path, map_path(file.path, back))
                    for file in item.files
                    if any(shares_root(file.path, path) for path in own)
                ]
        if not doubtful:
            return claims
        found = self._stash.scenes_at([path for _, _, path in doubtful])
        fold = self._rules.fold
        anothers = {
            number
            for number, plex_path, stash_path in doubtful
            for scene in found.get(stash_path, ())
            if scene.id != claims[number][1].id
            for file in scene.files
            if path_key(map_path(file.path, self._rules.pairs), fold=fold) == path_key(plex_path, fold=fold)
        }
        return [claim for number, claim in enumerate(claims) if number not in anothers]

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

    def _give_out(self, claims: list[tuple[bool, Scene, PlexItem, int]], located: dict[int, Located]) -> None:
        """Give each item to the one scene that may hold it; the others get a conflict."""
        machine = self._client.machine
        records = {
            (section, key): record
            for section in {section for *_, section in claims}
            for key, record in self._state.records(
                machine, section, [item.rating_key for _, _, item, own in claims if own == section]
            ).items()
        }
        others = {r.scene_id for r in records.values()} - {None}
        asked = {
            record.scene_id
            for _, scene, item, section in claims
            if (record := records.get((section, item.rating_key))) and record.scene_id != scene.id
        }
        holders = self._stash.scenes(sorted(asked & others))
        given: dict[tuple[int, int], tuple[int, bool]] = {}
        names = {index.section.id: index.section.title for index in self._indexes}
        # A scene that has an item's very path comes before one that has its name alone.
        for exact, scene, item, section in sorted(claims, key=lambda claim: not claim[0]):
            place = (section, item.rating_key)
            record = records.get(place)
            holder = given.get(place)
            if holder is None and record and record.scene_id != scene.id:
                held = holders.get(record.scene_id)
                candidate = Candidate(item.rating_key, item.title, item.files)
                if (
                    held
                    and holds_file_of(held.files, candidate, self._rules, exact=record.exact)
                    and not (exact and not record.exact)
                ):
                    holder = (record.scene_id, record.exact)
            if holder is not None and holder[0] != scene.id:
                located[scene.id].errors.append(
                    PlexPermanentError(
                        f'conflict: Plex item {item.rating_key} "{item.title}" holds files of scene {holder[0]} and '
                        f"of scene {scene.id}. Split the item in Plex, or merge the scenes in Stash"
                    )
                )
                continue
            given[place] = (scene.id, exact)
            known = record or ItemRecord(section, item.rating_key, scene.id, exact)
            known.scene_id, known.exact = scene.id, exact
            located[scene.id].targets.append(Target(item, known, names.get(section, str(section))))


def _is_lost(matches: Iterable[tuple[LibraryIndex, Match, dict[int, PlexItem]]]) -> bool:
    return not any(match.items or match.ambiguous for _, match, _ in matches)
