"""Text as Plex can take it: cleaned, cut, compared. Pure.

Text is cleaned here and nowhere else: composed (NFC), without the control and
invisible characters that Plex's XML cannot carry or nobody can see, cut at a
character's boundary.
"""

import datetime
import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

LONGEST_LINE = 255
"""Characters of a title, a studio, a name or a tag."""
LONGEST_SUMMARY = 10_000
"""Characters of a summary."""
LONGEST_SUMMARY_ENCODED = 24_000
"""Bytes of a percent-encoded summary: an edit is all query string, and servers stop reading at 64 KiB."""

_JOINERS = {"\u200c", "\u200d"}  # within emoji and several scripts: not noise
_JOINING = "".join(_JOINERS) + " "  # at an end they join nothing
_DATE = re.compile(r"^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?$")


def clean_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return one line of text without what nobody sees, at most `longest` characters."""
    return _cut(" ".join(_visible(text).split()).strip(_JOINING), longest)


@lru_cache(4_096)  # the same names in scene after scene
def clean_name(name: str) -> str:
    """Return the name of a performer, a tag or the like as one line; see `clean_line`."""
    return clean_line(name)


def clean_text(text: str) -> str:
    """Return text of several lines, at most as long as an edit can carry."""
    lines = [line.rstrip() for line in _visible(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    cut = _cut("\n".join(lines).strip(), LONGEST_SUMMARY)
    # At most three characters a byte: as a rule there is no need to encode it.
    while 3 * len(cut.encode()) > LONGEST_SUMMARY_ENCODED and len(quote(cut)) > LONGEST_SUMMARY_ENCODED:
        cut = _cut(cut, int(len(cut) * 0.9))
    return cut


def full_date(date: str) -> str:
    """Return YYYY-MM-DD, as Plex takes it; empty for what is no date.

    Stash knows dates of a year, or a year and a month, alone: the first day
    stands for them, which gives Plex the right year.
    """
    match = _DATE.match(date.strip())
    if not match:
        return ""
    try:
        return datetime.date(int(match[1]), int(match[2] or 1), int(match[3] or 1)).isoformat()
    except ValueError:
        return ""


def unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return cleaned names in their order, each once, whatever its case."""
    unique: dict[str, str] = {}
    for name in names:
        clean = clean_name(name)
        if clean:
            unique.setdefault(name_key(clean), clean)
    return tuple(unique.values())


def name_key(name: str) -> str:
    """Return what two spellings of one name share."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _visible(text: str) -> str:
    if text.replace("\n", "").isprintable():  # nearly every text; a look at each character takes ten times as long
        return text if text.isascii() else unicodedata.normalize("NFC", text)
    # Composed last: what was taken out may have stood between a letter and its accent.
    return unicodedata.normalize("NFC", "".join(character for character in text if _is_visible(character)))


def _is_visible(character: str) -> bool:
    if character in "\n\t\r" or character in _JOINERS:
        return True
    category = unicodedata.category(character)
    if category in ("Cc", "Cs", "Co"):
        return False
    if category == "Cf":
        # Tag characters draw the flags of England, Scotland and Wales; other format characters draw nothing.
        return 0xE0020 <= ord(character) <= 0xE007F
    return not (ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    end = longest
    # Not between a letter and its accents or vowel signs, nor inside an emoji made of several.
    while end > 1 and (_continues(text[end]) or text[end - 1] in _JOINERS or _splits_flag(text, end)):
        end -= 1
    return text[:end].rstrip()


def _continues(character: str) -> bool:
    return (
        unicodedata.category(character).startswith("M")  # accents, vowel signs, variation selectors, keycaps
        or character in _JOINERS
        or character in "\u0e33\u0eb3"  # a Thai and a Lao vowel that stand behind their letter
        or 0x1F3FB <= ord(character) <= 0x1F3FF  # skin tones
        or 0xE0020 <= ord(character) <= 0xE007F
    )


def _splits_flag(text: str, end: int) -> bool:
    """A flag is two letters of an alphabet of its own; in a row of them the pairs count from the first."""
    begin = end
    while begin > 0 and _is_flag_letter(text[begin - 1]):
        begin -= 1
    return _is_flag_letter(text[end]) and (end - begin) % 2 == 1


def _is_flag_letter(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF
