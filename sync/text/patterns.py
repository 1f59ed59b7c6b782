"""Names and globs that people type into settings. Pure.

`*` stands for any characters, `?` for one; everything else is itself, brackets
too, which are common in names of tags and files.
"""

import csv
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from sync.plex.media_paths import is_windows, unify
from sync.text.clean import name_key

_WHOLE = re.compile(r"[/\\*?]|[A-Za-z]:")
_TWO_PATHS = re.compile(r",\s*(?:/|[A-Za-z]:[\\/]|\\\\)")


@lru_cache(64)  # settings, asked for with every scene
def split_names(text: str) -> tuple[str, ...]:
    """Return the names of a list: comma-separated, or by semicolons where there is one (a name may have commas).

    Quotes around a name are not part of it, and hold a comma together.
    """
    separator = ";" if ";" in text else ","
    line = text.replace("\n", separator).replace("\r", "")
    try:
        names = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        names = line.split(separator)
    return tuple(bare for name in names if (bare := unquoted(name)).strip(",; "))


def unquoted(text: str) -> str:
    """Return a text without blanks, and without the quotes of one kind that people put around it."""
    text = text.strip()
    for quote in "\"'":
        if len(text) > 1 and text[0] == text[-1] == quote and quote not in text[1:-1]:
            text = text[1:-1].strip()
    return text


@lru_cache(64)
def split_paths(text: str) -> tuple[str, ...]:
    """Return the globs of a list of paths, which semicolons separate: a path may have commas.

    Quotes around a path are not part of it.
    """
    return tuple(bare for path in text.replace("\n", ";").split(";") if (bare := unquoted(path)))


def may_match_a_path(glob: str) -> bool:
    """Return whether a glob can fit a whole path at all: `private` cannot, nor can two paths with a comma between."""
    return bool(_WHOLE.match(glob)) and not _TWO_PATHS.search(glob)


def names_match(name: str, patterns: Collection[str]) -> bool:
    """Return whether a name is one of these names or globs, in upper or lower case."""
    if not patterns:
        return False
    keys = {name_key(name)}
    if unquoted(name) != name.strip():
        keys.add(name_key(unquoted(name)))  # a pattern has lost its quotes
    return any(_compiled(name_key(pattern)).fullmatch(key) for pattern in patterns for key in keys)


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
