"""Which scene gets an item that several may claim: one scene an item, the others a conflict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sync.errors import PlexSyncError
from sync.model import ItemRecord, PlexItem, Scene
from sync.plex.exceptions import PlexPermanentError
from sync.plex.matcher import Candidate, Rules, holds_file_of, is_nearer
from sync.stash.client import StashClient
from sync.state import NOBODY, State
from sync.worker.namesakes import Settled


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


class Claim(NamedTuple):
    """A scene that would have an item."""

    exact: bool
    scene: Scene
    item: PlexItem
    section: int

    @property
    def place(self) -> tuple[int, int]:
        """Section and ratingKey."""
        return self.section, self.item.rating_key

    @property
    def candidate(self) -> Candidate:
        """The item as the matcher knows one."""
        return Candidate(self.item.rating_key, self.item.title, self.item.files)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Gives items out to the scenes that claim them."""

    stash: StashClient
    state: State
    machine: str
    rules: Rules
    settled: Settled
    names: Mapping[int, str]
    """The libraries' names by their sections, for people."""

    def give_out(self, claims: list[Claim], located: dict[int, Located]) -> None:
        """Give each item to the one scene that may hold it; the others get a conflict."""
        records = self._records(claims)
        asked = {
            record.scene_id
            for claim in claims
            if (record := records.get(claim.place)) and record.scene_id not in (NOBODY, claim.scene.id)
        }
        holders = self.stash.scenes(sorted(asked))
        given: dict[tuple[int, int], int] = {}
        settled = []
        # A scene that has an item's very path comes before one that has its name alone.
        for claim in sorted(claims, key=lambda claim: not claim.exact):
            scene, record = claim.scene, records.get(claim.place)
            holder = given.get(claim.place)
            if holder is None and record and record.scene_id != scene.id:
                held = holders.get(record.scene_id)
                holder = held.id if held and self._keeps(held, record, claim) else None
            if holder is not None and holder != scene.id:
                located[scene.id].errors.append(conflict(claim.item, holder, scene))
                continue
            given[claim.place] = scene.id
            known = record or ItemRecord(claim.section, claim.item.rating_key, scene.id, claim.exact)
            known.scene_id, known.exact = scene.id, claim.exact
            located[scene.id].targets.append(
                Target(claim.item, known, self.names.get(claim.section, str(claim.section)))
            )
            if not claim.exact:
                settled.append((scene, *claim.place, claim.item.files))
        self.settled.settle(settled)

    def _records(self, claims: Sequence[Claim]) -> dict[tuple[int, int], ItemRecord]:
        found: dict[tuple[int, int], ItemRecord] = {}
        for section in {claim.section for claim in claims}:
            keys = [claim.item.rating_key for claim in claims if claim.section == section]
            records = self.state.records(self.machine, section, keys)
            found |= {(section, key): record for key, record in records.items()}
        return found

    def _keeps(self, holder: Scene, record: ItemRecord, claim: Claim) -> bool:
        """Return whether the scene that held an item last keeps it although another claims it."""
        if not holds_file_of(holder.files, claim.candidate, self.rules, exact=record.exact):
            return False
        if record.exact:
            return True
        # By a name alone: not against a path, nor where the other was found to be nearer by that very name.
        return not claim.exact and not is_nearer(claim.scene.files, claim.candidate, holder.files, self.rules)


def conflict(item: PlexItem, holder: int, scene: Scene) -> PlexPermanentError:
    """Return the error of a scene whose item another scene holds."""
    return PlexPermanentError(
        f'conflict: Plex item {item.rating_key} "{item.title}" holds files of scene {holder} and of scene {scene.id}. '
        "Split the item in Plex, or merge the scenes in Stash"
    )
