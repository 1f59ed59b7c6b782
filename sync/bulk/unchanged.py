"""Which scenes need nothing: what they map to, the settings and their items are as they were when they were synced.

Told from the state file and the index of Plex's files: such a scene costs Plex no request.
"""

import time
from collections.abc import Mapping, Sequence

from sync.errors import PermanentError, TransientError
from sync.mapping.conditions import within_paths
from sync.mapping.fields import fingerprint, wanted_of
from sync.mapping.performer_pictures import dated_cover
from sync.model import Picture, Scene
from sync.stash.exceptions import StashAuthError, StashTemporaryError
from sync.stash.pictures import Coming
from sync.state.state import Held
from sync.text.media_paths import map_path
from sync.worker.covers import Covers
from sync.worker.run import Run


def among(run: Run, scenes: Sequence[Scene]) -> set[int]:
    """Return the ids of those that need nothing.

    Raises StashTemporaryError and StashAuthError, where a picture has to be looked at.
    """
    held = _held(run, scenes)
    known = {scene.id: scene for scene in scenes if scene.id in held and all(one.is_settled for one in held[scene.id])}
    # Pictures are asked for of scenes alone that may turn out to be unchanged.
    settled = run.portraits.settle(known).values()
    return having_covers(run, [scene for scene in settled if _is_as_written(run, scene, held[scene.id])], held)


def _is_as_written(run: Run, scene: Scene, here: list[Held]) -> bool:
    settings, narrow = run.settings, within_paths(scene, run.settings)
    wanted = fingerprint(wanted_of(narrow, settings, run.pictures), settings)
    return all(one.fingerprint == wanted for one in here) and _is_where_it_was(run, narrow, here)


def _held(run: Run, scenes: Sequence[Scene]) -> dict[int, list[Held]]:
    """Return what scenes hold in the libraries that are synced, by scene id; those that hold nothing are absent."""
    sections = {section.id for section in run.chosen}
    held = run.state.held_by(run.plex.machine, [scene.id for scene in scenes])
    here = {number: [one for one in found if one.section in sections] for number, found in held.items()}
    return {number: found for number, found in here.items() if found}


def having_covers(run: Run, scenes: Sequence[Scene], held: Mapping[int, list[Held]] | None = None) -> set[int]:
    """Return the ids of scenes whose items (`held`) have their cover as it is now, whatever its address.

    Raises StashTemporaryError and StashAuthError.
    """
    held = _held(run, scenes) if held is None else held
    covers = Covers(run)
    # Any change of a scene gives its cover another address; Stash tells whether it is another picture.
    covered = [scene for scene in scenes if scene.cover] if covers.kinds else []
    doubtful = [scene for scene in covered if any(one.cover != scene.cover for one in held.get(scene.id, []))]
    right = {scene.id for scene in scenes} - {scene.id for scene in doubtful}
    now = time.time()
    known: dict[tuple[int, int], str] = {}
    coming = Coming(run.stash.picture, [scene.cover for scene in doubtful])
    try:
        for scene in doubtful:
            here = held[scene.id]
            if _has_cover(run, covers, scene, here, coming):
                right.add(scene.id)
                if cover := dated_cover(scene.cover, now):
                    known |= {(one.section, one.rating_key): cover for one in here}
    finally:
        coming.drop()
        if known:
            run.state.put_covers(run.plex.machine, known)
    return right


def _is_where_it_was(run: Run, scene: Scene, held: list[Held]) -> bool:
    """Return whether the index still leads to the very items that the scene holds, and to no other."""
    paths = {file.path: map_path(file.path, run.rules.pairs) for file in scene.files if file.path}
    found = [
        {file.path: index.candidates(paths[file.path], file.size) for file in scene.files if file.path in paths}
        for index in run.libraries
    ]
    by_path = {path for files in found for path, (_, exact) in files.items() if exact}
    for index, files in zip(run.libraries, found, strict=True):
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
    return True


def _has_cover(run: Run, covers: Covers, scene: Scene, here: list[Held], coming: Coming[Picture | None]) -> bool:
    try:
        picture = coming.get(scene.cover)
    except (StashTemporaryError, StashAuthError):
        raise
    except (PermanentError, TransientError):
        return False
    if picture is None:
        return True
    state, machine = run.state, run.plex.machine
    records = [state.records(machine, one.section, [one.rating_key]) for one in here]
    return covers.is_in([record for found in records for record in found.values()], picture.sha1)
