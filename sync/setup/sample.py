"""How a sample of scenes matches in Plex, and what would make more of them match."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sync.model import Scene
from sync.plex.client import PlexClient
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.settings import Settings
from sync.setup.path_map import Sighting, propose, shared_folders
from sync.stash.client import StashClient
from sync.state.state import State, chunks
from sync.text.media_paths import map_path, name_key
from sync.text.typed import path_map_of
from sync.worker.locate import Found, Locator

ROUND = 100  # scenes that are located together
_SHOWN = 3  # folders that a line names
_OUTCOMES = {
    "by path": "by their path",
    "by name": "by their file's name alone",
    "several": "could be several Plex items",
    "twice": "are in Plex twice",
    "missing": "are not in Plex",
    "no file": "have no file in Stash",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """How the sampled scenes match under some rules."""

    scenes: Sequence[Scene]
    found: Mapping[int, Found]  # scene id -> what each library has for it
    rules: Rules
    folders: Sequence[str]  # of the libraries that are synced

    def of(self, *outcomes: str) -> list[Scene]:
        """Return the scenes with one of these outcomes, see `_OUTCOMES`."""
        return [scene for scene in self.scenes if self._outcome(scene) in outcomes]

    def counts(self) -> Counter[str]:
        """Return how many scenes have which outcome."""
        return Counter(map(self._outcome, self.scenes))

    def told(self) -> str:
        """Return in a sentence how many match, and what keeps the others from it."""
        counts = self.counts()
        parts = {name: f"{counts[name]} {said}" for name, said in _OUTCOMES.items() if counts[name]}
        how = ", ".join(parts.pop(name) for name in ("by path", "by name") if name in parts)
        matching = counts["by path"] + counts["by name"]
        text = f"{matching} of {len(self.scenes)} sampled scenes match" + (f" ({how})" if how else "")
        return "; ".join([text, *parts.values()])

    def _outcome(self, scene: Scene) -> str:
        if not any(file.path for file in scene.files):
            return "no file"
        matches = self.found[scene.id].matches.values()
        held = [exact for match in matches for exact in match.items.values()]
        if held:
            return "by path" if any(held) else "by name"
        if any(match.ambiguous or match.conflicts for match in matches):
            return "several"
        if any(match.twice for match in matches):
            return "twice"
        return "missing"

    def advice(self, *, skip_not_found: bool) -> list[str]:
        """Return what to do about scenes that do not match, a sentence each."""
        missing = [] if skip_not_found else self.of("missing")
        of_all = f"of {len(self.scenes)} sampled scenes"
        said = []
        if several := self.of("several"):
            said.append(
                f"strict_matching: {len(several)} {of_all} could be several Plex items and are left alone. Set "
                "path_map so that their paths become Plex's, or switch strict_matching off to take the nearest"
            )
        if twice := self.of("twice"):
            said.append(
                f"{len(twice)} {of_all} are in Plex twice, as two items with the very same file, and are left alone: "
                "empty the library's trash in Plex, or merge the items"
            )
        roots = tuple(self.rules.key(folder).rstrip("/") + "/" for folder in self.folders)
        doubtful = [*self.of("by name"), *several, *missing]
        key = self.rules.key_in_plex
        outside = [
            scene
            for scene in doubtful
            if roots and not any(key(file.path).startswith(roots) for file in scene.files if file.path)
        ]
        if outside:
            shared = shared_folders(scene.files[0].path for scene in outside)
            below = _listed([f'"{folder}" ({count})' for folder, count in shared])
            have = _listed([f'"{folder}"' for folder in self.folders])
            said.append(
                f"path_map: {len(outside)} {of_all} lie in no folder of the libraries that are synced. They are below "
                f"{below} in Stash; the libraries have {have}. Map the one to the other in path_map, or add the "
                "folder to a library in Plex"
            )
        if unscanned := [scene for scene in missing if scene not in outside]:
            said.append(
                f"{len(unscanned)} {of_all} are not in Plex although their folder is in a library: let Plex scan it"
                if roots
                else f"{len(unscanned)} {of_all} are not in Plex: check path_map and plex_library, and let Plex scan"
            )
        return said


def _listed(folders: Sequence[str]) -> str:
    more = f" and {len(folders) - _SHOWN} more" if len(folders) > _SHOWN else ""
    return ", ".join(folders[:_SHOWN]) + more


def compare(
    client: PlexClient,
    stash: StashClient,
    state: State,
    indexes: Sequence[LibraryIndex],
    scenes: Sequence[Scene],
    settings: Settings,
) -> tuple[Sample, Sample, str]:
    """Return how scenes match, how they would with a better `path_map`, and that map; empty: none is better."""
    folders = [folder for index in indexes for folder in index.section.locations]

    def find(rules: Rules) -> Sample:
        found: dict[int, Found] = {}
        locator = Locator(client=client, stash=stash, state=state, indexes=indexes, rules=rules, by_hand=False)
        for some in chunks(list(scenes), ROUND):
            found |= locator.find(some)
        return Sample(scenes, found, rules, folders)

    rules = Rules(settings.path_pairs, settings.strict_matching, client.folds_case)
    sightings = [_sightings_of(scene, indexes, rules) for scene in scenes]
    sample = find(rules)
    pairs = propose(sightings, rules.pairs, fold=rules.fold)
    return (sample, find(replace(rules, pairs=pairs)), path_map_of(pairs)) if pairs else (sample, sample, "")


def _sightings_of(scene: Scene, indexes: Sequence[LibraryIndex], rules: Rules) -> list[Sighting]:
    """Return each file of a scene with the Plex files of its name."""
    found = []
    for file in scene.files:
        name = name_key(map_path(file.path, rules.pairs), fold=rules.fold)
        found.append(Sighting(file, tuple(twin for index in indexes for twin in index.named(name))))
    return found
