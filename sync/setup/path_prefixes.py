"""Beginnings of paths, spelt as their server spells them. Pure."""

import re
import unicodedata
from collections.abc import Iterable

from sync.plex.media_paths import is_windows, path_key

PathPair = tuple[str, str]
"""(prefix in Stash, prefix in Plex)"""

_DEEPEST = 3  # folders of a path that is shown

_DRIVE = re.compile(r"[A-Za-z]:")
_SHARE = re.compile(r"[\\/]{2}[^\\/]+(?:[\\/]+[^\\/]+)?")


def depth(prefix: str) -> int:
    """Return how many folders a prefix names below its drive or share."""
    return len(_parts(prefix)[1])


def pairs_between(stash: str, plex: str, *, fold: bool) -> Iterable[PathPair]:
    """Yield the pairs of prefixes that lead from a path in Stash to one in Plex, the shortest first.

    Those alone that the setting `path_map` can hold, and none that says nothing. `fold`: Plex's system
    takes paths that differ in case alone for one.
    """
    own, theirs = _parts(stash)[1], _parts(plex)[1]
    common = 0
    for (a, _), (b, _) in zip(reversed(own), reversed(theirs), strict=False):
        if _component_key(a, fold) != _component_key(b, fold):
            break
        common += 1
    for count in range(common, 0, -1):
        pair = _prefix(stash, own[-count][1]), _prefix(plex, theirs[-count][1])
        if _can_be_written(pair) and _says_something(pair, fold):
            yield pair


def _parts(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Return a path's root (drive, share, or nothing) and its components, each with where it begins."""
    windows = is_windows(path)
    root = (_DRIVE.match(path) or _SHARE.match(path)) if windows else None
    start = root.end() if root else 0
    component = re.compile(r"[^\\/]+" if windows else "[^/]+")
    return path[:start], [(match[0], match.start()) for match in component.finditer(path, start)]


def _component_key(component: str, fold: bool) -> str:
    composed = unicodedata.normalize("NFC", component)
    return composed.casefold() if fold else composed


def _prefix(path: str, end: int) -> str:
    """Return a path up to a component, spelt as it is, without the separator; `/` for all of a POSIX system."""
    head = path[:end]
    return head.rstrip("\\/" if is_windows(path) else "/") or head[:1]


def _can_be_written(pair: PathPair) -> bool:
    """Return whether the setting can hold the pair: `;` ends a pair, the first `=` its first side."""
    source, target = pair
    return (
        bool(source and target)
        and "=" not in source
        and not any(c == ";" or ord(c) < 32 for c in source + target)
        and (source.strip(), target.strip()) == pair
    )


def _says_something(pair: PathPair, fold: bool) -> bool:
    source, target = (path_key(side, fold=fold).rstrip("/") for side in pair)
    return source != target


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
