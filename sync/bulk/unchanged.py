"""Which scenes need nothing: what they map to, the settings and their items are as they were when they were synced.

Told from the state file and the index of Plex's files: such a scene costs Plex no request.
"""

import time
from collections.abc import Callable, Sequence

from sync.conditions import within_paths
from sync.errors import PermanentError, TransientError
from sync.mapping import fingerprint, wanted_of
from sync.model import Scene
from sync.pictures import PictureAccess, dated_cover
from sync.plex.library import LibraryIndex
from sync.plex.matcher import Rules
from sync.plex.media_paths import map_path
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.exceptions import StashAuthError, StashTemporaryError
from sync.state import Held, State
from sync.worker.covers import Covers
from sync.worker.holders import Settled
from sync.worker.steps import Place


class Unchanged:
    """Tells scenes that are in Plex as they should be from those that have to be looked at."""

    def __init__(
        self,
        *,
        machine: str,
        state: State,
        stash: StashClient,
        indexes: Sequence[LibraryIndex],
        rules: Rules,
        settings: Settings,
        pictures: PictureAccess | None,
        covers: Covers,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._machine = machine
        self._state = state
        self._stash = stash
        self._indexes = indexes
        self._rules = rules
        self._settings = settings
        self._pictures = pictures
        self._covers = covers
        self._clock = clock
        self._settled = Settled(state, machine, rules)

    def among(self, scenes: Sequence[Scene]) -> set[int]:
        """Return the ids of those that need nothing.

        Raises StashTemporaryError and StashAuthError, where a cover has to be looked at.
        """
        held = self._state.held_by(self._machine, [scene.id for scene in scenes])
        return {scene.id for scene in scenes if self._is_unchanged(scene, held.get(scene.id, []))}

    def _is_unchanged(self, scene: Scene, held: list[Held]) -> bool:
        here = self._here(held)
        if not here:
            return False
        narrow = within_paths(scene, self._settings)
        wanted = fingerprint(wanted_of(narrow, self._settings, self._pictures), self._settings)
        return (
            all(one.fingerprint == wanted and one.is_settled for one in here)
            and self._is_where_it_was(narrow, here)
            and self._has_cover(scene, here)
        )

    def _here(self, held: list[Held]) -> list[Held]:
        """Leave out what is in a library that is not synced any more."""
        sections = {index.section.id for index in self._indexes}
        return [one for one in held if one.section in sections]

    def has_cover(self, scene: Scene) -> bool:
        """Return whether the items that a scene holds have its cover as it is now, whatever its address.

        Raises StashTemporaryError and StashAuthError.
        """
        return self._has_cover(scene, self._here(self._state.held_by(self._machine, [scene.id]).get(scene.id, [])))

    def _is_where_it_was(self, scene: Scene, held: list[Held]) -> bool:
        """Return whether the index still leads to the very items that the scene holds, and to no other."""
        paths = {file.path: map_path(file.path, self._rules.pairs) for file in scene.files if file.path}
        found = [
            {file.path: index.candidates(paths[file.path], file.size) for file in scene.files if file.path in paths}
            for index in self._indexes
        ]
        by_path = {path for files in found for path, (_, exact) in files.items() if exact}
        for index, files in zip(self._indexes, found, strict=True):
            section = index.section.id
            here = [one for one in held if one.section == section]
            exact = {key for keys, is_exact in files.values() if is_exact for key in keys}
            if {one.rating_key for one in here if one.exact} != exact:
                return False
            # A name counts where no library has the file by its path.
            named = {
                key for path, (keys, is_exact) in files.items() if not is_exact and path not in by_path for key in keys
            }
            by_name = {one.rating_key for one in here if not one.exact}
            if not by_name <= named or (named - exact and not by_name):
                return False
            if not all(self._settled.is_settled(scene, section, key, index.files_of(key)) for key in by_name):
                return False
        return True

    def _has_cover(self, scene: Scene, held: list[Held]) -> bool:
        if not self._covers.are_synced or not scene.cover or all(one.cover == scene.cover for one in held):
            return True
        # Any change of the scene gives its cover another address; Stash tells whether it is another picture.
        try:
            picture = self._stash.picture(scene.cover)
        except (StashTemporaryError, StashAuthError):
            raise
        except (PermanentError, TransientError):
            return False
        places = [Place(self._machine, one.section, one.rating_key) for one in held]
        if picture is not None and not self._covers.is_in(places, picture.sha1):
            return False
        if cover := dated_cover(scene.cover, self._clock()):
            self._state.put_covers(self._machine, [(one.section, one.rating_key) for one in held], cover)
        return True
