"""Names and globs that people type into settings. Pure.

`*` stands for any characters, `?` for one; everything else is itself, brackets too: names of tags and files have them.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable
from functools import lru_cache

from sync.text.clean import name_key
from sync.text.media_paths import is_windows, unify

_QUOTED = r"\"(?:[^\"]|\"\")*\"|'[^']*'|`[^`]*`|[“„][^“”]*[“”]"
_WHOLE = re.compile(r"[/\\*?]|[A-Za-z]:")
_TWO_PATHS = re.compile(r",\s*(?:/|[A-Za-z]:[\\/]|\\\\)")


@lru_cache(64)  # settings, asked for with every scene
def split_names(text: str) -> tuple[str, ...]:
    """Give the names of a list: comma-separated, or by semicolons where there is one (a name may have commas).

    Quotes around a name are not part of it, and hold all in them together, blanks too; `""` in them is one quote.
    """
    separator = ";\n" if len(parts_of(text, ";", opening=",\n")) > 1 else ",\n"
    names = map(unquoted, parts_of(text, separator, opening=",;"))
    return tuple(name for name in names if name.strip().strip(",; "))


@lru_cache(64)
def split_paths(text: str) -> tuple[str, ...]:
    """Give the globs of a list of paths, by the same rules. Semicolons separate them: a path may have commas."""
    return tuple(path for part in parts_of(text, ";\n") if (path := unquoted(part).lstrip()))


def are_whole_paths(text: str) -> bool:
    """Tell whether a list has paths or globs, and each may match a whole path."""
    return bool(split_paths(text)) and all(may_match_a_path(part) for part in parts_of(text, ";\n") if unquoted(part))


def parts_of(text: str, separators: str, opening: str = "") -> list[str]:
    """Give what stands between separators, its quotes included.

    Quotes hold together what is in them. They open at the beginning and behind a separator or one of `opening`.
    """
    ends = re.escape(separators + opening)
    parts = [""]
    for piece in re.findall(rf"[^\S\n]*(?:{_QUOTED})\s*(?=[{ends}]|\Z)|[^{ends}]+|[{ends}]", text):
        if piece in separators:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def unquoted(text: str) -> str:
    """Give a text without the blanks and the quotes of one kind that people put around it."""
    text = text.strip()
    if not re.fullmatch(_QUOTED, text):
        return text
    return text[1:-1].replace('""', '"') if text[0] == '"' else text[1:-1]


def quoted(text: str) -> str:
    """Give a text in quotes, as a list takes it whatever is in it."""
    return '"{}"'.format(text.replace('"', '""'))


def may_match_a_path(glob: str) -> bool:
    """Tell whether a glob can fit a whole path: `private` cannot, nor two paths with a comma between but in quotes."""
    bare = unquoted(glob).lstrip()
    return bool(_WHOLE.match(bare)) and (bare != glob.strip() or not _TWO_PATHS.search(bare))


def names_match(name: str, patterns: Collection[str]) -> bool:
    """Tell whether a name is one of these names or globs, in upper or lower case."""
    if not patterns:
        return False
    keys = {name_key(name)}
    if unquoted(name) != name.strip():  # a pattern has lost its quotes
        keys.add(name_key(unquoted(name)))
    return any(_compiled(name_key(pattern)).match(key) for pattern in patterns for key in keys)


def path_matches(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether a path fits a glob; one without `*` and `?` stands for a file or all of a folder.

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
