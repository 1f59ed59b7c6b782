"""What hooks have missed and what has changed in Plex since: a page of scenes held against their items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sync.bulk import drift
from sync.bulk.drift import Look
from sync.errors import PlexSyncError, SetupError
from sync.mapping.conditions import within_paths
from sync.mapping.fields import fingerprint, wanted_of
from sync.model import Scene
from sync.plex.difference import difference
from sync.plex.exceptions import PlexServerDown, PlexTemporaryError
from sync.stash.exceptions import StashTemporaryError
from sync.worker.contenders import Located
from sync.worker.run import Run

MOST_FAILURES = 5
"""Scenes in a row that Plex fails to answer for: then Plex is failing, not a scene."""


@dataclass(slots=True)
class Findings:
    """What was found on a page."""

    reasons: dict[int, str] = field(default_factory=dict)
    """Scene id -> why it has to be synced again; see `drift.REASONS`."""
    told: dict[str, list[str]] = field(default_factory=dict)
    """Reason -> the scenes, for people."""

    def add(self, scene_id: int, label: str, reason: str) -> None:
        """Note one scene."""
        self.reasons[scene_id] = reason
        self.told.setdefault(reason, []).append(label)

    def add_all(self, other: "Findings") -> None:
        """Note what was found of other scenes."""
        self.reasons |= other.reasons
        for reason, labels in other.told.items():
            self.told.setdefault(reason, []).extend(labels)


class Reconciler:
    """Compares scenes with Plex; it reads whole items, up to a hundred in a request, and writes nothing there."""

    def __init__(self, run: Run, *, having_covers: Callable[[Sequence[Scene]], set[int]]) -> None:
        self._state = run.state
        self._locator = run.locator
        self._settings = run.settings
        self._pictures = run.pictures
        self._portraits = run.portraits
        self._having_covers = having_covers
        self._failures = 0  # scenes in a row that Plex failed to answer for

    def look(self, scenes: Sequence[Scene]) -> Findings:
        """Return what is wrong with these scenes.

        Raises PlexServerDown, PlexTemporaryError where Plex fails again and again, SetupError and
        StashTemporaryError.
        """
        findings = Findings()
        self._failures = 0
        synced = self._state.synced_scenes([scene.id for scene in scenes])
        found = self._locate(scenes)
        known = [scene for scene, located in found if scene.id in synced and located.targets]
        settled = self._portraits.settle({scene.id: scene for scene in known})
        moved = [
            scene
            for scene, located in found
            if scene.id in settled and any(target.record.cover != scene.cover for target in located.targets)
        ]
        covered = self._having_covers(moved)
        for raw, located in found:
            scene = settled.get(raw.id, raw)
            narrow = within_paths(scene, self._settings)
            wanted = wanted_of(narrow, self._settings, self._pictures)
            mark = fingerprint(wanted, self._settings)
            looks = []
            for target in located.targets:
                record = target.record
                edit = difference(target.item, wanted, record.memory, preserve=self._settings.preserve_plex_edits)
                looks.append(
                    Look(
                        target.item,
                        wanted,
                        edit,
                        is_known=record.synced_at is not None,
                        maps_as_before=record.fingerprint == mark and not record.memory.intended,
                        has_cover=record.cover == scene.cover or scene.id in covered,
                    )
                )
            reason = drift.reason_of(
                looks, located.errors, was_synced=scene.id in synced, may_lack=self._settings.skip_not_found
            )
            if reason:
                findings.add(scene.id, scene.label, reason)
        return findings

    def _locate(self, scenes: Sequence[Scene]) -> list[tuple[Scene, Located]]:
        """Find the items of scenes that share their reads; of ever fewer where a shared read fails, so that one
        which Plex cannot read is found and the others are not read one by one."""
        try:
            located = self._locator.locate([within_paths(scene, self._settings) for scene in scenes])
        except (PlexServerDown, SetupError, StashTemporaryError):
            raise
        except PlexSyncError as error:
            if len(scenes) > 1:
                half = len(scenes) // 2
                return self._locate(scenes[:half]) + self._locate(scenes[half:])
            self._failures += isinstance(error, PlexTemporaryError)
            if self._failures >= MOST_FAILURES:
                raise
            return [(scenes[0], Located(errors=[error]))]
        self._failures = 0
        return [(scene, located[scene.id]) for scene in scenes]

    def orphans(self, after: int, up_to: int | None, there: Sequence[int]) -> list[int]:
        """Return the scenes of which something is known between two ids and that are not among those `there`."""
        return sorted(set(self._state.known_scenes(after, up_to)) - set(there))
