"""How a sample of scenes matches in Plex, and what would make more of them match. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sync.model import MediaFile, Scene
from sync.plex.matcher import Candidate, Rules, match_scene
from sync.plex.media_paths import map_path, name_key, path_key
from sync.plex.sections import Section
from sync.setup.path_map import Proposal, Sighting, propose
from sync.setup.path_prefixes import shared_folders

FilesOfItems = Mapping[int, tuple[MediaFile, ...]]

_SHOWN = 3  # folders that a line names


@dataclass(frozen=True, slots=True)
class SampledScene:
    """A scene of the sample, and for each library the Plex files of its files' names, by ratingKey."""

    scene: Scene
    libraries: tuple[FilesOfItems, ...] = ()


@dataclass(slots=True)
class Tally:
    """What becomes of the scenes of a sample; each stands in one of the lists."""

    by_path: list[SampledScene] = field(default_factory=list)
    by_name: list[SampledScene] = field(default_factory=list)
    several: list[SampledScene] = field(default_factory=list)
    """Several Plex items could be the scene, and strict_matching is on."""
    twice: list[SampledScene] = field(default_factory=list)
    """Several Plex items have the very file, and strict_matching is on."""
    other_size: list[SampledScene] = field(default_factory=list)
    """Plex has the file's name alone, with another size."""
    missing: list[SampledScene] = field(default_factory=list)
    without_file: list[SampledScene] = field(default_factory=list)

    @property
    def matching(self) -> int:
        """How many scenes would be synced."""
        return len(self.by_path) + len(self.by_name)

    @property
    def total(self) -> int:
        """How many scenes were looked at."""
        unmatched = (self.several, self.twice, self.other_size, self.missing, self.without_file)
        return self.matching + sum(len(some) for some in unmatched)

    def __str__(self) -> str:
        parts = [
            (self.by_path, "by their path"),
            (self.by_name, "by their file's name alone"),
        ]
        failing = [
            (self.several, "could be several Plex items"),
            (self.twice, "are in Plex twice"),
            (self.other_size, "are in Plex with another size only"),
            (self.missing, "are not in Plex"),
            (self.without_file, "have no file in Stash"),
        ]
        how = ", ".join(f"{len(some)} {what}" for some, what in parts if some)
        text = f"{self.matching} of {self.total} sampled scenes match" + (f" ({how})" if how else "")
        return "; ".join([text, *(f"{len(some)} {what}" for some, what in failing if some)])


def tally(sample: Sequence[SampledScene], rules: Rules) -> Tally:
    """Return what becomes of each scene of the sample under these rules."""
    result = Tally()
    for one in sample:
        _place(one, rules, result).append(one)
    return result


def _place(one: SampledScene, rules: Rules, result: Tally) -> list[SampledScene]:
    if not any(file.path for file in one.scene.files):
        return result.without_file
    elsewhere = _found_by_path(one, rules)
    matches = [
        match_scene(one.scene.files, [Candidate(key, "", files) for key, files in library.items()], rules, elsewhere)
        for library in one.libraries
    ]
    held = [exact for match in matches for exact in match.items.values()]
    if held:
        return result.by_path if any(held) else result.by_name
    if any(match.ambiguous for match in matches):
        return result.several
    if any(match.twice for match in matches):
        return result.twice
    return result.other_size if any(match.contradicted for match in matches) else result.missing


def _found_by_path(one: SampledScene, rules: Rules) -> frozenset[str]:
    there = {path_key(f.path, fold=rules.fold) for items in one.libraries for files in items.values() for f in files}
    return frozenset(
        file.path for file in one.scene.files if path_key(map_path(file.path, rules.pairs), fold=rules.fold) in there
    )


def propose_map(sample: Sequence[SampledScene], rules: Rules) -> Proposal | None:
    """Return the `path_map` that makes most of the sample match by path; None where none is better than it is."""
    return propose([_sightings(one, rules) for one in sample], rules.pairs, fold=rules.fold)


def _sightings(one: SampledScene, rules: Rules) -> list[Sighting]:
    """Hold each file of a scene against the Plex files of its own name."""
    twins = [file for items in one.libraries for files in items.values() for file in files]
    found = []
    for file in one.scene.files:
        name = name_key(map_path(file.path, rules.pairs), fold=rules.fold)
        found.append(Sighting(file, tuple(twin for twin in twins if name_key(twin.path, fold=rules.fold) == name)))
    return found


def advice(found: Tally, sections: Sequence[Section], rules: Rules, *, skip_not_found: bool = False) -> list[str]:
    """Return what to do about the scenes that do not match, a sentence each.

    `rules` are those that `found` was counted with. `skip_not_found`: what Plex does not have is right as it is.
    """
    missing = [] if skip_not_found else found.missing
    of_all = f"of {found.total} sampled scenes"
    folders = [folder for section in sections for folder in section.locations]
    said = []
    if found.several:
        said.append(
            f"strict_matching: {len(found.several)} {of_all} could be several Plex items and are left alone. Set "
            "path_map so that their paths become Plex's, or switch strict_matching off to take the nearest"
        )
    if found.twice:
        said.append(
            f"{len(found.twice)} {of_all} are in Plex twice, as two items with the very same file, and are left alone: "
            "empty the library's trash in Plex, or merge the items"
        )
    if found.other_size:
        said.append(
            f"{len(found.other_size)} {of_all} have a file whose name Plex knows with another size only. If it is the "
            "same file, let Plex scan it again"
        )
    doubtful = [*found.by_name, *found.several, *found.other_size, *missing]
    outside = [one for one in doubtful if folders and not _is_within(one, folders, rules)]
    if outside:
        shared = shared_folders(one.scene.files[0].path for one in outside)
        named = ", ".join(f"{folder} ({count})" for folder, count in shared[:_SHOWN])
        more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
        said.append(
            f"path_map: {len(outside)} {of_all} lie in no folder of the libraries that are synced. They are below "
            f"{named}{more} in Stash; the libraries have {', '.join(folders[:_SHOWN])}"
            f"{' and more' if len(folders) > _SHOWN else ''}. Map the one to the other in path_map, or add the folder "
            "to a library in Plex"
        )
    unscanned = [one for one in missing if one not in outside]
    if unscanned:
        said.append(
            f"{len(unscanned)} {of_all} are not in Plex although their folder is in a library: let Plex scan it"
            if folders
            else f"{len(unscanned)} {of_all} are not in Plex: check path_map and plex_library, and let Plex scan"
        )
    return said


def _is_within(one: SampledScene, folders: Sequence[str], rules: Rules) -> bool:
    keys = [path_key(folder, fold=rules.fold).rstrip("/") + "/" for folder in folders]
    return any(
        path_key(map_path(file.path, rules.pairs), fold=rules.fold).startswith(tuple(keys))
        for file in one.scene.files
        if file.path
    )
