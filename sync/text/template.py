"""Texts with places to fill in: `{studio} - {title} ({date})`. Pure.

Every place is optional. One that is empty takes along what touches it (`#{code}`,
`{title}!`), the separator on one side of it, and the brackets or quotes that hold
nothing else.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

_BETWEEN = " \t\n,;:\\-–—|/\\\\·•~>&+="
"""What separates two parts, for a set of characters; everything else that touches a place belongs to it."""
_PLACE = r"\{([^{}]*)\}"
_PAIRS = ("()", "[]", '""', "“”", "„“", "«»", "‹›", "「」")
_SIGNS = re.escape("".join(sorted(set("".join(_PAIRS)))))
_GROUP = "|".join(f"{re.escape(pair[0])}[^{_SIGNS}]*{re.escape(pair[1])}" for pair in _PAIRS)
_GROUPS = re.compile(_GROUP)
_TOKENS = re.compile(rf"(?P<group>{_GROUP})|(?P<place>{_PLACE})|(?P<between>[{_BETWEEN}]+)|(?P<sign>.)", re.DOTALL)
_PLACES = re.compile(_PLACE)


def check(template: str, names: Collection[str]) -> None:
    """Raise ValueError for a place that is none of `names`, a lone brace, or brackets within brackets."""
    rest = _PLACES.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("a lone brace")
    if any("\0" in match[0] for match in _GROUPS.finditer(_GROUPS.sub("\0", template))):
        raise ValueError("brackets within brackets")
    for name in places(template):
        if name not in names:
            raise ValueError(f"no place {name}")


def places(template: str) -> list[str]:
    """Return the names of a template's places, in order."""
    return [match[1].strip().casefold() for match in _PLACES.finditer(template)]


def render(template: str, values: Mapping[str, str]) -> str:
    """Return the template filled in; empty where it has places and every one of them is empty.

    `values` has every name that `check` was given.
    """
    if places(template) and not any(values[name] for name in places(template)):
        return ""
    out: list[str] = []
    between = ""  # a separator that waits for something to stand behind it
    dropped = False  # whether something between the last part and here had nothing to say
    for is_separator, parts in _parse(template):
        if is_separator:
            # Of the separators around a part that is gone, what stands before it stays.
            between = between or parts[0] if dropped else between + parts[0]
            continue
        text = "".join(_fill(part, values) for part in parts)
        if any(map(places, parts)) and not any(values[name] for part in parts for name in places(part)):
            dropped = True
            continue
        if out or (between and not dropped):
            out.append(between)
        out.append(text)
        between, dropped = "", False
    if out and not dropped:
        out.append(between)
    return "".join(out)


@lru_cache(16)  # settings, asked for with every scene
def _parse(template: str) -> tuple[tuple[bool, tuple[str, ...]], ...]:
    """Return separators, and between them what touches: places, brackets with places in them, words."""
    found: list[tuple[bool, tuple[str, ...]]] = []
    at = 0
    while match := _TOKENS.match(template, at):
        # Brackets without a place are signs like any other.
        is_sign = match.lastgroup == "group" and not places(match[0])
        text, is_separator = match[0][0] if is_sign else match[0], match.lastgroup == "between"
        if found and not is_separator and not found[-1][0]:
            found[-1] = (False, (*found[-1][1], text))
        else:
            found.append((is_separator, (text,)))
        at += len(text)
    return tuple(found)


def _fill(part: str, values: Mapping[str, str]) -> str:
    if _GROUPS.fullmatch(part) and places(part):
        inner = render(part[1:-1], values)
        return f"{part[0]}{inner}{part[-1]}" if inner else ""
    return values[places(part)[0]] if places(part) else part
