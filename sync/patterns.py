"""Names and globs that people type into settings. Pure.

`*` stands for any characters, `?` for one; everything else is itself, brackets
too, which are common in names of tags and files.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from sync.plex.media_paths import is_windows, unify
from sync.text import name_key


def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list: comma-separated, or by semicolons where there is one (a name may have commas)."""
    separator = ";" if ";" in text else ","
    return tuple(name.strip() for name in text.replace("\n", separator).split(separator) if name.strip())


def split_paths(text: str) -> tuple[str, ...]:
    """Return the globs of a list of paths, which semicolons separate: a path may have commas."""
    return tuple(path.strip() for path in text.replace("\n", ";").split(";") if path.strip())


def names_match(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name is one of these names or globs, in upper or lower case."""
    key = name_key(name)
    return any(_compiled(name_key(pattern)).fullmatch(key) for pattern in patterns)


def path_matches(path: str, patterns: Iterable[str]) -> bool:
    """Return whether a path fits one of these globs; one without `*` and `?` stands for a file or all of a folder.

    `*` crosses folders. Case counts but in Windows paths.
    """
    fold = is_windows(path)
    unified = unify(path)
    for pattern in patterns:
        glob = unify(pattern)
        if fold:  # a glob may begin in the middle of a path, without the drive that tells its backslashes apart
            unified, glob = unified.casefold(), glob.replace("\\", "/").casefold()
        if "*" not in glob and "?" not in glob:
            folder = glob.rstrip("/")
            if unified == folder or unified.startswith(f"{folder}/"):
                return True
        elif _compiled(glob).fullmatch(unified):
            return True
    return False


@lru_cache(maxsize=512)
def _compiled(glob: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", glob))
    return re.compile("".join(parts), re.DOTALL)
