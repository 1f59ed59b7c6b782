"""Paths of media as two servers write them: one file, two spellings. Pure.

Stash and Plex may see the same disk through different mounts, on different systems. A path is compared by its key:
separators one way, composed characters (NFC; macOS decomposes), and folded case where Plex's system folds it.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_WINDOWS = re.compile(r"^(?:[A-Za-z]:(?:[\\/]|$)|\\\\|//)")


@lru_cache(maxsize=10_000)
def unify(path: str) -> str:
    """Return a path with `/` as its only separator, no doubled ones, and composed characters.

    A backslash is a separator in a path with a drive letter or of a Windows share; in any other it is part of a name.
    """
    if _WINDOWS.match(path):
        path = path.replace("\\", "/")
    share = "/" if path.startswith("//") else ""
    return unicodedata.normalize("NFC", share + re.sub("/{2,}", "/", path))


def is_windows(path: str) -> bool:
    """Return whether a path bears a drive letter or names a Windows share."""
    return bool(_WINDOWS.match(path))


def map_path(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return where Plex sees what Stash sees at `path`: the longest prefix of `path_map` replaced.

    A prefix ends at a folder's end: `/data/a` says nothing of `/data/ab`. The
    case of a prefix counts but in Windows paths.
    """
    unified = unify(path)
    best: tuple[int, str] | None = None
    for source, target in pairs:
        length = len(unify(source).rstrip("/"))
        head, rest = unified[:length], unified[length:]
        same = (head.casefold() if is_windows(source) else head) == prefix_key(source)
        if same and rest.startswith("/") and (best is None or length > best[0]):
            best = (length, unify(target).rstrip("/") + rest)
    return best[1] if best else unified


def prefix_key(source: str) -> str:
    """Return what the spellings of a prefix of `path_map` share that count as one."""
    prefix = unify(source).rstrip("/")
    return prefix.casefold() if is_windows(source) else prefix


def file_name(path: str) -> str:
    """Return a path's file name as it is spelled there."""
    return (path.replace("\\", "/") if is_windows(path) else path).rpartition("/")[2]


def stem(path: str) -> str:
    """Return a path's file name without its ending, in composed characters."""
    base = unify(path).rpartition("/")[2]
    before, dot, _ = base.rpartition(".")
    return before if dot and before else base


def plain(text: str) -> str:
    """Return what a file's name and its title in Plex share, which may show dots and underscores as blanks."""
    return re.sub(r"[\s._-]+", " ", text).strip().casefold()


def path_key(path: str, *, fold: bool) -> str:
    """Return what all spellings of one path share; `fold` where the case of letters does not count."""
    unified = unify(path)
    return unified.casefold() if fold else unified


def name_key(path: str, *, fold: bool) -> str:
    """Return what all spellings of a path's file name share."""
    return path_key(path, fold=fold).rpartition("/")[2]


def trailing_folders(one: str, other: str) -> int:
    """Return how many folders two paths share, counted from the file upwards."""
    shared = 0
    for a, b in zip(reversed(one.split("/")[:-1]), reversed(other.split("/")[:-1]), strict=False):
        if not a or a != b:
            break
        shared += 1
    return shared
