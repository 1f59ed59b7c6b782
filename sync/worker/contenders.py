"""Which scene gets an item that several may have, and who else in Stash has a file of its name."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sync.errors import PlexSyncError
from sync.model import ItemRecord, PlexItem, Scene
from sync.plex.exceptions import PlexPermanentError
from sync.plex.matcher import Candidate, Rival, Rules, holds_file_of, is_nearer
from sync.stash.client import StashClient
from sync.state.state import NOBODY, State
from sync.text.media_paths import file_name, is_windows, name_key


@dataclass(slots=True)
class Target:
    """A Plex item that holds a file of the scene, as it was read a moment ago."""

    item: PlexItem
    record: ItemRecord
    library: str  # the library's name, for people


@dataclass(slots=True)
class Located:
    """What was found for one scene; `errors` stand beside what is right in other libraries."""

    targets: list[Target] = field(default_factory=list)
    errors: list[PlexSyncError] = field(default_factory=list)


class Contender(NamedTuple):
    """A scene that would have an item."""

    exact: bool
    scene: Scene
    item: PlexItem
    section: int

    @property
    def place(self) -> tuple[int, int]:
        """Section and ratingKey."""
        return self.section, self.item.rating_key


@dataclass(frozen=True, slots=True)
class Distribution:
    """Gives items out to the scenes that contend for them."""

    stash: StashClient
    state: State
    machine: str
    rules: Rules
    names: Mapping[int, str]  # the libraries' names by their sections, for people

    def give_out(self, contenders: list[Contender], located: dict[int, Located]) -> None:
        """Give each item to the one scene that may hold it; the others get a conflict."""
        records = self._records(contenders)
        known = ((one, records[one.place].scene_id) for one in contenders if one.place in records)
        others = {holder for one, holder in known if holder not in (NOBODY, one.scene.id)}
        holders = self.stash.scenes(sorted(others))
        given: dict[tuple[int, int], int] = {}
        # A scene that has an item's very path comes before one that has its name alone.
        for one in sorted(contenders, key=lambda one: not one.exact):
            scene, record = one.scene, records.get(one.place)
            holder = given.get(one.place)
            if holder is None and record and record.scene_id != scene.id:
                held = holders.get(record.scene_id)
                holder = held.id if held and self._keeps(held, record, one) else None
            if holder is not None and holder != scene.id:
                located[scene.id].errors.append(conflict(one.item, holder, scene))
                continue
            given[one.place] = scene.id
            record = record or ItemRecord(*one.place, scene.id, one.exact)
            record.scene_id, record.exact = scene.id, one.exact
            library = self.names.get(one.section, str(one.section))
            located[scene.id].targets.append(Target(one.item, record, library))

    def _records(self, contenders: Sequence[Contender]) -> dict[tuple[int, int], ItemRecord]:
        found: dict[tuple[int, int], ItemRecord] = {}
        for section in {one.section for one in contenders}:
            keys = [one.item.rating_key for one in contenders if one.section == section]
            records = self.state.records(self.machine, section, keys)
            found |= {(section, key): record for key, record in records.items()}
        return found

    def _keeps(self, holder: Scene, record: ItemRecord, one: Contender) -> bool:
        """Return whether the scene that held an item last keeps it although another contends for it."""
        candidate = Candidate(one.item.rating_key, one.item.title, one.item.files)
        if not holds_file_of(holder.files, candidate, self.rules, exact=record.exact):
            return False
        if record.exact:
            return True
        # By a name alone: not against a path, nor where the other was found to be nearer by that very name.
        return not one.exact and not is_nearer(one.scene.files, candidate, holder.files, self.rules)


def conflict(item: PlexItem, holder: int, scene: Scene) -> PlexPermanentError:
    """Return the error of a scene whose item another scene holds."""
    return PlexPermanentError(
        f'conflict: Plex item {item.rating_key} "{item.title}" holds files of scene {holder} and of scene {scene.id}. '
        "Split the item in Plex, or merge the scenes in Stash"
    )


def namesakes(stash: StashClient, rules: Rules, paths: Iterable[str], like: str) -> dict[str, list[Rival]]:
    """Return the files of Stash's with the names of these paths, by name_key; one request asks for all of them.

    `like`: a path as Stash writes it, for its separator. Raises what a request to Stash raises.
    """
    names: dict[str, set[str]] = {}
    for path in paths:
        names.setdefault(name_key(path, fold=rules.fold), set()).add(file_name(path))
    separator = "\\" if is_windows(like) and "\\" in like else "/"
    spelled = sorted({form for some in names.values() for name in some for form in _spellings(name, fold=rules.fold)})
    found: dict[str, list[Rival]] = {key: [] for key in names}
    for scene_id, file in stash.files_named([separator + name for name in spelled]):
        key = rules.key_in_plex(file.path)
        if (name := key.rpartition("/")[2]) in found:
            found[name].append(Rival(scene_id, key, file.size))
    return found


def _spellings(name: str, *, fold: bool) -> set[str]:
    """LIKE knows no composed and decomposed characters, and the case of ASCII letters alone."""
    forms = {name}
    if not name.isascii():
        cases = {name, name.lower(), name.upper()} if fold else {name}
        forms |= {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
    return forms
