"""Where the scenes of a round stand in Plex.

The index proposes, the matcher decides, and what it decides about is read from Plex before it counts: where the index
was wrong, it is corrected and asked again. Before an item is taken by a name alone, Stash is asked once, for the whole
round, which other scenes have files of that name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.errors import PermanentError
from sync.model import PlexItem, Scene
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexNotFound, PlexPermanentError
from sync.plex.file_index import LibraryIndex
from sync.plex.items import read_items
from sync.plex.matcher import Candidate, Match, Others, Rules, match_scene
from sync.stash.client import StashClient
from sync.state.state import State
from sync.text.media_paths import map_path, name_key
from sync.worker.contenders import Contender, Distribution, Located, conflict, namesakes

FEW = 10  # scenes of a round up to which files are asked for by name in a library that was never listed
LOOKS = 3  # times that a scene is matched where Plex turns out to hold other files than the index says
DOUBTFUL = 20  # items that are read before a scene is called doubtful: those that its error may list, and some


@dataclass(slots=True)
class Found:
    """What each library has for one scene."""

    scene: Scene
    candidates: dict[int, list[Candidate]]  # section -> the items that may be it
    matches: dict[int, Match]  # section -> what the matcher makes of them
    strays: set[int]  # items that the scene held last, and that the index does not know
    is_asked: bool = True  # Plex could be asked for the files that the index does not know

    @property
    def is_lost(self) -> bool:
        """Whether no library has anything for it, not even something doubtful."""
        return all(match.is_lost for match in self.matches.values())

    def to_read(self) -> set[int]:
        """Return the items that were decided about."""
        found = set(self.strays)
        for match in self.matches.values():
            found |= match.items.keys() | match.conflicts.keys() | set(sorted(match.named)[:DOUBTFUL])
        return found


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
        self._indexes = {index.section.id: index for index in indexes}
        self._rules = rules
        self._by_hand = by_hand
        self._items: dict[int, PlexItem] = {}  # what was read in this round
        self._gone: set[int] = set()  # what Plex turned out not to have
        self._held: Mapping[int, Iterable[tuple[int, int]]] = {}
        self._stash = stash
        names = {index.section.id: index.section.title for index in indexes}
        self._distribution = Distribution(stash, state, client.machine, rules, names)

    def locate(self, scenes: Sequence[Scene]) -> dict[int, Located]:
        """Return the items that each scene gets, by its id.

        Raises what a request to Plex or Stash raises; then nothing is known of any scene.
        """
        return self._give_out(scenes, self.find(scenes))

    def find(self, scenes: Sequence[Scene]) -> dict[int, Found]:
        """Return what each library has for each scene, by its id, whoever else may contend for it."""
        for index in self._indexes.values():
            if not index.is_listed and len(scenes) > FEW:
                index.look_for_new()
        self._items, self._gone = {}, set()
        held = self._state.held_by(self._client.machine, [scene.id for scene in scenes])
        self._held = {number: [(one.section, one.rating_key) for one in some] for number, some in held.items()}
        found = self._match(scenes)
        lost = [one.scene for one in found.values() if one.is_lost and not one.is_asked]
        # Every library, not up to the first that was listed.
        if lost and any([index.list_again(by_hand=self._by_hand) for index in self._indexes.values()]):
            found |= self._match(lost)
        return found

    def _match(self, scenes: Sequence[Scene]) -> dict[int, Found]:
        found: dict[int, Found] = {}
        left = list(scenes)
        for _ in range(LOOKS):
            looked_at = [self._match_one(scene) for scene in left]
            found |= {one.scene.id: one for one in looked_at}
            self._ask_stash(looked_at)
            self._read({key for one in looked_at for key in one.to_read()} - self._items.keys() - self._gone)
            left = [one.scene for one in looked_at if not self._is_as_read(one)]
            if not left:
                return found
        for scene in left:  # it changes all the time, so it is not touched
            found[scene.id] = Found(scene, {}, {}, set(), is_asked=False)
        return found

    def _match_one(self, scene: Scene) -> Found:
        """Match a scene with what the index knows, asking Plex for files that it does not know by their path."""
        held = [(section, key) for section, key in self._held.get(scene.id, ()) if section in self._indexes]
        keys: dict[int, set[int]] = {section: set() for section in self._indexes}
        for section, key in held:
            keys[section].add(key)
        found = Found(scene, {}, {}, {key for _, key in held} - self._items.keys() - self._gone)
        for file in scene.files:
            if not file.path:
                continue
            path = map_path(file.path, self._rules.pairs)
            proposed = {section: index.candidates(path, file.size) for section, index in self._indexes.items()}
            nowhere = not any(exact for _, exact in proposed.values())
            for section, index in self._indexes.items():
                there, exact = proposed[section]
                if not exact and (there or nowhere):
                    # A name alone must not win over a path that Plex has learned a minute ago.
                    if not index.ask_for(path):
                        found.is_asked = False
                        index.look_for_new()
                    there, _ = index.candidates(path, file.size)
                keys[section] |= there
        for section, index in self._indexes.items():
            found.candidates[section] = [
                Candidate(key, self._items[key].title if key in self._items else "", files)
                for key, files in index.files(keys[section])
            ]
            found.strays -= {item.rating_key for item in found.candidates[section]}
        self._decide(found)
        return found

    def _decide(self, found: Found, others: Others | None = None) -> None:
        files = [file for some in found.candidates.values() for item in some for file in item.files]
        there = {self._rules.key(file.path) for file in files}
        elsewhere = {file.path for file in found.scene.files if self._rules.key_in_plex(file.path) in there}
        held = {key for _, key in self._held.get(found.scene.id, ())}
        for section, candidates in found.candidates.items():
            found.matches[section] = match_scene(
                found.scene.files, candidates, self._rules, elsewhere, others, held if others is None else ()
            )

    def _ask_stash(self, looked_at: Sequence[Found]) -> None:
        """Decide once more about scenes with a name alone, knowing who else has a file of that name."""
        asked = {one.scene.id: some for one in looked_at if (some := self._worth_asking(one))}
        if not asked:
            return
        like = next(file.path for one in looked_at if one.scene.id in asked for file in one.scene.files if file.path)
        paths = (path for some in asked.values() for path in some)
        rivals = namesakes(self._stash, self._rules, paths, like)
        for one in looked_at:
            if one.scene.id in asked:
                names = {name_key(path, fold=self._rules.fold) for path in asked[one.scene.id]}
                theirs = {rival.key for name in names for rival in rivals[name]}
                present = {key for index in self._indexes.values() for key in index.present(theirs)}
                self._decide(one, Others(one.scene.id, rivals, present))

    def _worth_asking(self, one: Found) -> set[str]:
        """Return the paths whose names decide about a scene.

        None where every match is by the path, or is of an item that the scene holds already. The other files of an
        item are among them: they may be another scene's.
        """
        held = {key for _, key in self._held.get(one.scene.id, ())}
        paths: set[str] = set()
        for section, match in one.matches.items():
            by_name = {key for key, exact in match.items.items() if not exact and key not in held} | match.named
            named = [file.path for item in one.candidates[section] if item.rating_key in by_name for file in item.files]
            if named:
                paths |= {*named, *(file.path for file in one.scene.files if file.path)}
        return paths

    def _read(self, rating_keys: set[int]) -> None:
        items = read_items(self._client, rating_keys)
        self._items |= items
        gone = rating_keys - items.keys()
        self._gone |= gone
        for section, index in self._indexes.items():
            index.correct(item for item in items.values() if item.section in (section, 0))
            elsewhere = {key for key, item in items.items() if item.section not in (section, 0)}
            if gone | elsewhere:
                index.drop(gone | elsewhere)
            if gone:
                self._state.forget_items(self._client.machine, section, gone)

    def _is_as_read(self, one: Found) -> bool:
        """Return whether what was decided about holds what the index said; titles of doubtful items are put in."""
        if one.strays & self._items.keys():
            return False
        to_read = one.to_read()
        for section, candidates in one.candidates.items():
            for item in candidates:
                if item.rating_key not in to_read:
                    continue
                read = self._items.get(item.rating_key)
                if read is None or read.section not in (section, 0) or {*read.files} != {*item.files}:
                    return False
                if read.title != item.title and item.rating_key in one.matches[section].named:
                    return False  # a sentence that lists it wants its title
        return True

    def _give_out(self, scenes: Sequence[Scene], found: Mapping[int, Found]) -> dict[int, Located]:
        located = {scene.id: Located() for scene in scenes}
        contenders: list[Contender] = []
        for scene in scenes:
            errors, one = located[scene.id].errors, found[scene.id]
            if not any(file.path for file in scene.files):
                errors.append(
                    PermanentError("missing file path: the scene has no file in Stash, so Plex cannot have it")
                )
                continue
            for section, match in one.matches.items():
                title, items = self._indexes[section].section.title, self._items
                contenders += [Contender(exact, scene, items[key], section) for key, exact in match.items.items()]
                errors += [_doubt(text, title, _AMBIGUOUS) for text in match.ambiguous]
                errors += [_doubt(f"{text} under this very path", title, _TWICE) for text in match.twice]
                errors += [conflict(items[key], other, scene) for key, other in match.conflicts.items()]
            if one.is_lost:
                errors.append(self._not_found(scene))
        self._distribution.give_out(contenders, located)
        return located

    def _not_found(self, scene: Scene) -> PlexNotFound:
        path = map_path(scene.files[0].path, self._rules.pairs)
        name, indexes = path.rpartition("/")[2], self._indexes.values()
        other = sum(index.count_named(path) for index in indexes)
        hint = f" ({other} with this name, but of another size or another scene's)" if other else ""
        where = ", ".join(f'"{index.section.title}"' for index in indexes)
        if any(index.has_in_trash(path) for index in indexes):
            return PlexNotFound(
                f'no Plex item in {where} holds its file "{name}" but in the trash. Empty the trash of the library '
                "in Plex, and let it scan the folder"
            )
        return PlexNotFound(
            f'no Plex item in {where} holds its file "{name}" yet{hint}. If Plex has it, check path_map; else let '
            "Plex scan the folder"
        )


_AMBIGUOUS = "Set path_map so that Stash's paths become Plex's, or switch strict_matching off to take the nearest"
_TWICE = "Plex has the file twice: empty the library's trash, or merge the items in Plex"


def _doubt(text: str, library: str, advice: str) -> PlexPermanentError:
    return PlexPermanentError(f'{text} in library "{library}", and strict_matching is on. {advice}')
