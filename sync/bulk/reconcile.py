"""What hooks have missed and what has changed in Plex since: a page of scenes held against their items."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sync.bulk.unchanged import having_covers
from sync.errors import PlexSyncError, SetupError
from sync.mapping.conditions import within_paths
from sync.mapping.fields import fingerprint, wanted_of
from sync.model import LIST_FIELDS, SINGLE_FIELDS, PlexItem, Scene, Wanted
from sync.plex.difference import Edit, bears_file_name, difference
from sync.plex.edits import fitting, limit_of
from sync.plex.exceptions import PlexNotFound, PlexServerDown, PlexTemporaryError
from sync.stash.exceptions import StashTemporaryError
from sync.worker.contenders import Located
from sync.worker.run import Run

MOST_FAILURES = 5  # scenes in a row that Plex fails to answer for: then Plex is failing, not a scene

NEVER_SYNCED = "never_synced"
STALE = "stale"
EMPTY = "empty_in_plex"
CHANGED = "changed_in_plex"
MISSING = "missing_from_plex"
ORPHANED = "orphaned_state"
DOUBTFUL = "doubtful_match"
REASONS = {
    NEVER_SYNCED: "never synced",
    STALE: "stale: Stash holds something else than what was written",
    EMPTY: "empty in Plex",
    CHANGED: "changed in Plex",
    MISSING: "missing from Plex",
    ORPHANED: "orphaned state: the scene is gone from Stash",
    DOUBTFUL: "no file in Stash, no single item in Plex, or one that could not be read",
}
"""What a reconcile finds, and how a person is told."""


@dataclass(slots=True)
class Findings:
    """What was found on a page."""

    reasons: dict[int, str] = field(default_factory=dict)  # scene id -> why it has to be synced again; see `REASONS`
    told: dict[str, list[str]] = field(default_factory=dict)  # reason -> the scenes, for people
    lacking: dict[int, str] = field(default_factory=dict)
    """Scene id -> why it has no item, of those that Plex need not have (skip_not_found)."""


class Reconciler:
    """Compares scenes with Plex; it reads whole items, up to a hundred in a request, and writes nothing there."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._settings = run.settings
        self._failures = 0  # scenes in a row that Plex failed to answer for

    def look(self, found: Sequence[tuple[Scene, Located]], findings: Findings) -> None:
        """Note what is wrong with these scenes and items. Raises StashTemporaryError and StashAuthError."""
        synced = self._run.state.synced_scenes([scene.id for scene, _ in found])
        known = [scene for scene, located in found if scene.id in synced and located.targets]
        settled = self._run.portraits.settle({scene.id: scene for scene in known})
        moved = [
            scene
            for scene, located in found
            if scene.id in settled and any(target.record.cover != scene.cover for target in located.targets)
        ]
        covered = having_covers(self._run, moved)
        for raw, located in found:
            scene = settled.get(raw.id, raw)
            narrow = within_paths(scene, self._settings)
            wanted = wanted_of(narrow, self._settings, self._run.pictures)
            mark = fingerprint(wanted, self._settings)
            wanted = fitting(wanted, limit_of(self._run.plex)) if self._run.plex.ways.longest else wanted
            looks = []
            for target in located.targets:
                record = target.record
                edit = difference(target.item, wanted, record.memory, preserve=self._settings.preserve_plex_edits)
                is_known, has_cover = record.synced_at is not None, record.cover == scene.cover or scene.id in covered
                maps_as_before = record.fingerprint == mark and not record.memory.intended
                looks.append(Look(target.item, wanted, edit, is_known, maps_as_before, has_cover))
            reason = reason_of(
                looks, located.errors, was_synced=scene.id in synced, may_lack=self._settings.skip_not_found
            )
            if reason:
                findings.reasons[scene.id] = reason
                findings.told.setdefault(reason, []).append(scene.label)
            elif located.errors:
                findings.lacking[scene.id] = str(located.errors[0])

    def locate(self, scenes: Sequence[Scene]) -> list[tuple[Scene, Located]]:
        """Return scenes, which share their reads, with their items.

        Of ever fewer where a shared read fails, so that one which Plex cannot read is found and the others are not
        read one by one. Raises PlexServerDown, SetupError, StashTemporaryError, and PlexTemporaryError where Plex
        fails again and again.
        """
        try:
            located = self._run.locator.locate([within_paths(scene, self._settings) for scene in scenes])
        except (PlexServerDown, SetupError, StashTemporaryError):
            raise
        except PlexSyncError as error:
            if len(scenes) > 1:
                half = len(scenes) // 2
                return self.locate(scenes[:half]) + self.locate(scenes[half:])
            self._failures += isinstance(error, PlexTemporaryError)
            if self._failures >= MOST_FAILURES:
                raise
            return [(scenes[0], Located(errors=[error]))]
        self._failures = 0
        return [(scene, located[scene.id]) for scene in scenes]


# In what way a scene and Plex have come apart. Pure.


@dataclass(frozen=True, slots=True)
class Look:
    """One item of a scene, beside what it should hold."""

    item: PlexItem
    wanted: Wanted
    edit: Edit  # what would have to be written
    is_known: bool  # it was synced before, for this scene or for one that is gone from Stash
    maps_as_before: bool  # what the scene maps to is what was written last
    has_cover: bool
    """It has the scene's cover as it is now, as far as PlexSync knows: one that was chosen in Plex is not seen."""


def reason_of(looks: Sequence[Look], errors: Sequence[PlexSyncError], *, was_synced: bool, may_lack: bool) -> str:
    """Return why a scene has to be synced again; empty where it has not.

    `was_synced`: it was brought into Plex at some time, be it in part. `may_lack`: a scene that Plex does not have
    is right as it is.
    """
    is_missing = any(isinstance(error, PlexNotFound) for error in errors)
    if is_missing and not (may_lack and not was_synced):
        return MISSING
    is_doubtful = any(not isinstance(error, PlexNotFound) for error in errors)
    if not was_synced:
        return DOUBTFUL if is_doubtful else "" if is_missing else NEVER_SYNCED
    # What is wrong with an item can be mended, whatever another library has.
    reasons = {_reason_of_item(look) for look in looks}
    found = next((reason for reason in (STALE, CHANGED, EMPTY) if reason in reasons), "")
    return found or (DOUBTFUL if is_doubtful else "")


def _reason_of_item(look: Look) -> str:
    if look.is_known and not look.has_cover:
        return STALE
    if not look.edit:
        return "" if look.is_known else CHANGED  # it took the place of one that was
    if look.is_known and not look.maps_as_before:
        return STALE
    return EMPTY if _lacks_all(look.item, look.edit) and _lacks_most(look.item, look.wanted) else CHANGED


def _lacks_most(item: PlexItem, wanted: Wanted) -> bool:
    """Return whether Plex holds nothing in at least half of the fields that the scene fills."""
    names = [name for name in (*SINGLE_FIELDS, *LIST_FIELDS) if getattr(wanted, name)]
    held = [name for name in names if getattr(item, name) and not (name == "title" and bears_file_name(item))]
    return 2 * len(held) <= len(names)


def _lacks_all(item: PlexItem, edit: Edit) -> bool:
    singles = all(not getattr(item, name) or (name == "title" and bears_file_name(item)) for name in edit.single)
    return singles and not any(getattr(item, name) for name in edit.lists)
