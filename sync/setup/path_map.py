"""Which `path_map` would make scenes match by their very path. Decides over plain values, no I/O.

Each file of a sampled scene stands beside the Plex files of its name. What two paths of one file have in common at
their end is taken away; what is left at their beginning is a pair. A pair counts by the scenes that match with it and
do not without it, over the whole sample.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sync.model import MediaFile
from sync.text.media_paths import is_windows, map_path, path_key, prefix_key, trailing_folders
from sync.text.typed import PathPair

MOST_PAIRS = 8  # pairs that are proposed at the most; who needs more has another problem than `path_map`
_MOST_TWINS = 20  # Plex files of one name that are looked at: the nearest by their folders
_MOST_TRIALS = 200  # pairs that are tried in one round, the promising ones first
_DEEPEST = 3  # folders of a path that is shown

_Matching = Callable[[Sequence[PathPair]], frozenset[int]]
_ROOT = re.compile(r"[A-Za-z]:|[\\/]{2}[^\\/]+(?:[\\/]+[^\\/]+)?")


class Sighting(NamedTuple):
    """A file of a scene, as Stash writes it, and the Plex files of its name in all libraries that are synced."""

    file: MediaFile
    twins: tuple[MediaFile, ...] = ()


Sample = Sequence[Sighting]  # the files of one scene


def matching_by_path(samples: Sequence[Sample], pairs: Sequence[PathPair], *, fold: bool) -> frozenset[int]:
    """Return the positions of the scenes that Plex has under their mapped path. `fold`: there case does not count."""

    def matches(one: Sighting) -> bool:
        there = {path_key(twin.path, fold=fold) for twin in one.twins}
        return bool(there and one.file.path) and path_key(map_path(one.file.path, pairs), fold=fold) in there

    return frozenset(number for number, sample in enumerate(samples) if any(map(matches, sample)))


def propose(samples: Sequence[Sample], present: Sequence[PathPair], *, fold: bool) -> tuple[PathPair, ...]:
    """Return the map that makes most scenes match by their path; nothing where none is better than the present one.

    No scene that matches by its path now is lost to it. `fold`: as in `matching_by_path`.
    """
    matching = partial(matching_by_path, samples, fold=fold)
    pairs = list(present)
    suggested = _suggested(samples, matching(pairs), fold)
    for _ in range(MOST_PAIRS):
        pairs, earlier = _with_best(pairs, suggested, matching), pairs
        if pairs == earlier:
            break
    return tuple(pairs) if pairs != list(present) else ()


def _suggested(samples: Sequence[Sample], matched: frozenset[int], fold: bool) -> dict[PathPair, set[int]]:
    found: dict[PathPair, set[int]] = defaultdict(set)
    for number, sample in enumerate(samples):
        for file, twins in ((one.file, one.twins) for one in sample if one.file.path and number not in matched):
            own = path_key(file.path, fold=fold)
            fitting = [twin for twin in twins if not (file.size and twin.size and file.size != twin.size)]
            fitting.sort(key=lambda twin: -trailing_folders(own, path_key(twin.path, fold=fold)))
            for twin in fitting[:_MOST_TWINS]:
                for pair in pairs_between(file.path, twin.path, fold=fold):
                    found[pair].add(number)
    return found


def _with_best(pairs: list[PathPair], suggested: Mapping[PathPair, set[int]], matching: _Matching) -> list[PathPair]:
    """Return the map with the pair that makes most scenes match beside those that do."""
    best, matched = pairs, matching(pairs)
    gained = 1  # a match of one scene alone may be a chance
    # Short prefixes explain most; `/` alone says too much where another says the same.
    promising = sorted(
        (-len(scenes - matched), pair[0] == "/", len(pair[0]), pair) for pair, scenes in suggested.items()
    )
    for promise, *_, pair in promising[:_MOST_TRIALS]:
        if gained >= -promise:
            break
        trial = [*(one for one in pairs if prefix_key(one[0]) != prefix_key(pair[0])), pair]
        now = matching(trial)
        if matched <= now and len(now - matched) > gained:
            best, gained = trial, len(now - matched)
    return best


def pairs_between(stash: str, plex: str, *, fold: bool) -> Iterator[PathPair]:
    """Yield pairs of prefixes, the shortest first, that lead from a path in Stash to one in Plex and fit `path_map`."""
    own, theirs = _parts(stash)[1], _parts(plex)[1]
    common = 0
    for (a, _), (b, _) in zip(reversed(own), reversed(theirs), strict=False):
        if path_key(a, fold=fold) != path_key(b, fold=fold):
            break
        common += 1
    for count in range(common, 0, -1):
        source, target = _prefix(stash, own[-count][1]), _prefix(plex, theirs[-count][1])
        if not (source and target) or any(ord(c) < 32 for c in source + target):
            continue
        if path_key(source, fold=fold).rstrip("/") != path_key(target, fold=fold).rstrip("/"):
            yield source, target


def _parts(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Return a path's root (drive, share, or nothing) and its components, each with where it begins."""
    windows = is_windows(path)
    root = _ROOT.match(path) if windows else None
    start = root.end() if root else 0
    component = re.compile(r"[^\\/]+" if windows else "[^/]+")
    return path[:start], [
        (unicodedata.normalize("NFC", match[0]), match.start()) for match in component.finditer(path, start)
    ]


def _prefix(path: str, end: int) -> str:
    """Return a path up to a component, spelt as it is, without the separator; `/` for all of a POSIX system."""
    head = path[:end]
    return head.rstrip("\\/" if is_windows(path) else "/") or head[:1]


def shared_folders(paths: Iterable[str]) -> list[tuple[str, int]]:
    """Return the folders that these files have in common, one for each drive, share or top folder, and how many
    files each has; the fullest first. Never deeper than _DEEPEST folders: whose they are is nobody's business.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        root, components = _parts(path)
        top = components[0][0] if not root and len(components) > 1 else ""
        groups.setdefault((root.casefold(), top), []).append(path)
    found = []
    for files in groups.values():
        root, components = _parts(files[0])
        folders = [[name for name, _ in _parts(path)[1][:-1]][:_DEEPEST] for path in files]
        shared = 0
        while all(len(one) > shared and one[shared] == folders[0][shared] for one in folders):
            shared += 1
        end = components[shared][1] if components else len(root)
        found.append((_prefix(files[0], end), len(files)))
    return sorted(found, key=lambda one: (-one[1], one[0]))
