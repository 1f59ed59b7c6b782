"""Names and globs that people type into settings. Pure.

`*` stands for any characters, `?` for one; everything else is itself, brackets too: names of tags and files have them.
"""

import csv
import fnmatch
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from sync.plex.media_paths import is_windows, unify
from sync.text.clean import name_key

_WHOLE = re.compile(r"[/\\*?]|[A-Za-z]:")
_TWO_PATHS = re.compile(r",\s*(?:/|[A-Za-z]:[\\/]|\\\\)")


@lru_cache(64)  # settings, asked for with every scene
def split_names(text: str) -> tuple[str, ...]:
    """Give the names of a list: comma-separated, or by semicolons where there is one (a name may have commas).

    Quotes around a name are not part of it, and hold a comma together.
    """
    separator = ";" if ";" in text else ","
    line = text.replace("\n", separator).replace("\r", "")
    (names,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
    return tuple(bare for name in names if (bare := unquoted(name)).strip(",; "))


@lru_cache(64)
def split_paths(text: str) -> tuple[str, ...]:
    """Give the globs of a list of paths, without quotes. Semicolons separate them: a path may have commas."""
    return tuple(filter(None, map(unquoted, text.replace("\n", ";").split(";"))))


def unquoted(text: str) -> str:
    """Give a text without blanks, and without the quotes of one kind that people put around it."""
    text = text.strip()
    for quote in "\"'":
        if len(text) > 1 and text[0] == text[-1] == quote and quote not in text[1:-1]:
            text = text[1:-1].strip()
    return text


def may_match_a_path(glob: str) -> bool:
    """Tell whether a glob can fit a whole path at all: `private` cannot, nor can two paths with a comma between."""
    return bool(_WHOLE.match(glob)) and not _TWO_PATHS.search(glob)


def names_match(name: str, patterns: Collection[str]) -> bool:
    """Tell whether a name is one of these names or globs, in upper or lower case."""
    if not patterns:
        return False
    keys = {name_key(name)}
    if unquoted(name) != name.strip():  # a pattern has lost its quotes
        keys.add(name_key(unquoted(name)))
    return any(_compiled(name_key(pattern)).match(key) for pattern in patterns for key in keys)


def path_matches(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path fits one of these globs; one without `*` and `?` stands for a file or all of a folder.

    `*` crosses folders. Case counts but in Windows paths.
    """
    unified, globs = unify(path), [unify(pattern) for pattern in patterns]
    if is_windows(path):  # a glob may begin in the middle of a path, without the drive that tells its backslashes apart
        unified, globs = unified.casefold(), [glob.replace("\\", "/").casefold() for glob in globs]
    return any(
        _compiled(glob).match(unified)
        if "*" in glob or "?" in glob
        else f"{unified}/".startswith(f"{glob.rstrip('/')}/")
        for glob in globs
    )


@lru_cache(512)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob.replace("[", "[[]")))
