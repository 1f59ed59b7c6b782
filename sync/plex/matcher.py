"""Which Plex item holds a scene's file. Decides over plain values and never calls a server.

By the file, not by a title:
1. the same path: that item;
2. else the same file name: the one candidate with no contradicting size;
3. several: an error under `strict_matching`; without it the one that shares the
   most trailing folders and the size, then the first by ratingKey.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.model import MediaFile
from sync.plex.media_paths import map_path, name_key, path_key, trailing_folders

_SHOWN = 5  # candidates an error lists


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item of one library with the files it holds now."""

    rating_key: int
    title: str
    files: tuple[MediaFile, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """What became of one scene in one library."""

    items: dict[int, bool]
    """ratingKey -> held by the same path (True) or by the file's name alone (False)."""
    ambiguous: tuple[str, ...] = ()
    """For each file with several candidates, a sentence that lists them."""
    contradicted: int = 0
    """How many items bear the name of a file but another size."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What matching depends on beside the files."""

    pairs: tuple[tuple[str, str], ...] = ()
    strict: bool = True
    fold: bool = False
    """Plex's system takes paths that differ in case alone for one."""


def match_scene(
    files: Sequence[MediaFile],
    candidates: Sequence[Candidate],
    rules: Rules,
    found_elsewhere: frozenset[str] = frozenset(),
) -> Match:
    """Return the items of one library that hold a file of the scene.

    `found_elsewhere`: paths of files that another library holds by the same path.
    The two servers agree on those paths, so a mere name in this library is another
    file: names are told apart by their folders.
    """
    items: dict[int, bool] = {}
    ambiguous: list[str] = []
    contradicted = 0
    for file in files:
        if not file.path:
            continue
        mapped = map_path(file.path, rules.pairs)
        key, name = path_key(mapped, fold=rules.fold), name_key(mapped, fold=rules.fold)
        exact = [c for c in candidates if any(path_key(f.path, fold=rules.fold) == key for f in c.files)]
        by_name = not exact and file.path not in found_elsewhere
        named = [c for c in candidates if _bears(c, name, rules)] if by_name else []
        plausible = [c for c in named if not _contradicts(c, name, file, rules)]
        contradicted += len(named) - len(plausible)
        chosen = exact or plausible
        if not chosen:
            continue
        if len(chosen) > 1:
            if rules.strict:
                ambiguous.append(_several(name, chosen, rules))
                continue
            chosen = [min(chosen, key=lambda c: _distance(c, key, name, file, rules))]
        rating_key = chosen[0].rating_key
        items[rating_key] = bool(exact) or items.get(rating_key, False)
    return Match(items, tuple(ambiguous), contradicted)


def holds_file_of(files: Sequence[MediaFile], candidate: Candidate, rules: Rules, *, exact: bool) -> bool:
    """Return whether an item still holds a file of a scene, by the same path or (not `exact`) by its name."""
    key = path_key if exact else name_key
    wanted = {key(map_path(file.path, rules.pairs), fold=rules.fold) for file in files if file.path}
    return any(key(file.path, fold=rules.fold) in wanted for file in candidate.files)


def _bears(candidate: Candidate, name: str, rules: Rules) -> bool:
    return any(name_key(file.path, fold=rules.fold) == name for file in candidate.files)


def _contradicts(candidate: Candidate, name: str, file: MediaFile, rules: Rules) -> bool:
    """Return whether every file of this name has another size. An unknown size contradicts nothing."""
    sizes = [f.size for f in candidate.files if name_key(f.path, fold=rules.fold) == name]
    return bool(file.size) and all(size and size != file.size for size in sizes)


def _distance(candidate: Candidate, key: str, name: str, file: MediaFile, rules: Rules) -> tuple[int, int, int]:
    same_name = [f for f in candidate.files if name_key(f.path, fold=rules.fold) == name]
    folders = max(trailing_folders(key, path_key(f.path, fold=rules.fold)) for f in same_name)
    same_size = any(f.size and f.size == file.size for f in same_name)
    return -folders, -int(same_size), candidate.rating_key


def _several(name: str, candidates: Sequence[Candidate], rules: Rules) -> str:
    first = sorted(candidates, key=lambda c: c.rating_key)
    listed = ", ".join(f'{c.rating_key} "{c.title}" ({_path_of(c, name, rules)})' for c in first[:_SHOWN])
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return f'{len(first)} Plex items hold a file "{name}": {listed}{more}'


def _path_of(candidate: Candidate, name: str, rules: Rules) -> str:
    return next(f.path for f in candidate.files if name_key(f.path, fold=rules.fold) == name)
