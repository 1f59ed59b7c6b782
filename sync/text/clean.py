"""Text as Plex can take it, cleaned here and nowhere else. Pure.

It is composed (NFC), without the characters that Plex's XML cannot carry or nobody can see, and of a bounded length.
"""

import datetime
import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

LONGEST_LINE = 255  # characters of a title, a studio, a name or a tag
LONGEST_SUMMARY = 10_000  # characters of a summary
LONGEST_SUMMARY_ENCODED = 24_000
"""Bytes of a percent-encoded summary: an edit is all query string, and servers stop reading at 64 KiB."""

_JOINERS = "\u200c\u200d"  # within emoji and several scripts: not noise
_TAGS = "".join(map(chr, range(0xE0020, 0xE0080)))  # they draw the flags of England, Scotland and Wales
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


def clean_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Give one line of text without what nobody sees, at most `longest` characters."""
    return " ".join(_visible(text).split()).strip(_JOINERS + " ")[:longest].rstrip()


@lru_cache(4_096)  # the same names in scene after scene
def clean_name(name: str) -> str:
    """Give the name of a performer, a tag or the like as one line; see `clean_line`."""
    return clean_line(name)


def clean_text(text: str) -> str:
    """Give text of several lines, at most as long as an edit can carry."""
    lines = [line.rstrip() for line in _visible(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    cut = "\n".join(lines).strip()[:LONGEST_SUMMARY].rstrip()
    while len(quote(cut)) > LONGEST_SUMMARY_ENCODED:
        cut = cut[: int(len(cut) * 0.9)].rstrip()
    return cut


def full_date(date: str) -> str:
    """Give YYYY-MM-DD, as Plex takes it; empty for what is no date. The first day stands for a year or a month."""
    match = _DATE.fullmatch(date.strip())
    try:
        return datetime.date(*(int(part or 1) for part in match.groups())).isoformat() if match else ""
    except ValueError:
        return ""


def unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Give cleaned names in their order, each once, whatever its case."""
    unique: dict[str, str] = {}
    for name in filter(None, map(clean_name, names)):
        unique.setdefault(name_key(name), name)
    return tuple(unique.values())


def name_key(name: str) -> str:
    """Give what two spellings of one name share."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _visible(text: str) -> str:
    if not text.replace("\n", "").isprintable():  # seldom; a look at each character takes ten times as long
        text = "".join(filter(_is_visible, text))
    # Composed last: what was taken out may have stood between a letter and its accent.
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _is_visible(character: str) -> bool:
    if character in "\n\t\r" or character in _JOINERS or character in _TAGS:
        return True
    code = ord(character)
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co") and not is_no_character
