"""Texts with places to fill in: `{studio} - {title} ({date})`. Pure.

Every place is optional. One that is empty takes along what touches it (`#{code}`, `{title}!`), the separator on one
side of it, and the brackets or quotes that hold nothing else.
"""

import re
from collections.abc import Collection, Mapping

_BETWEEN = " \t\n,;:\\-–—|/\\\\·•~>&+="
"""What separates two parts, for a set of characters; everything else that touches a place belongs to it."""
_PLACE = r"\{[^{}]*\}"
_PAIRS = [(re.escape(pair[0]), re.escape(pair[1])) for pair in ("()", "[]", '""', "“”", "„“", "«»", "‹›", "「」")]
_INNER = f"[^{''.join(sorted({sign for pair in _PAIRS for sign in pair}))}]*"
_GROUP = "|".join(f"{begin}{_INNER}{_PLACE}{_INNER}{end}" for begin, end in _PAIRS)
"""Brackets or quotes with a place in them; those without are signs like any other."""
_PARTS = re.compile(rf"([{_BETWEEN}]+)|((?:{_GROUP}|{_PLACE}|[^{_BETWEEN}])+)")
"""A separator, or what touches: places, brackets, words."""
_TO_FILL = re.compile(f"{_GROUP}|{_PLACE}")
_PLACES = re.compile(_PLACE)
_BRACKETS = re.compile("|".join(f"{begin}{_INNER}{end}" for begin, end in _PAIRS))


def check(template: str, names: Collection[str]) -> None:
    """Raise ValueError for a place that is none of `names`, a lone brace, or brackets within brackets."""
    rest = _PLACES.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("a lone brace")
    if any("\0" in match[0] for match in _BRACKETS.finditer(_BRACKETS.sub("\0", template))):
        raise ValueError("brackets within brackets")
    for name in places(template):
        if name not in names:
            raise ValueError(f"no place {name}")


def places(template: str) -> list[str]:
    """Give the names of a template's places, in order."""
    return [place[1:-1].strip().casefold() for place in _PLACES.findall(template)]


def render(template: str, values: Mapping[str, str]) -> str:
    """Give the template filled in; empty where it has places and all are empty. `values`: every name of `check`'s."""
    if _is_empty(template, values):
        return ""
    out: list[str] = []
    between = ""  # a separator that waits for something to stand behind it
    dropped = False  # whether something between the last part and here had nothing to say
    for separator, part in _PARTS.findall(template):
        if separator:
            # Of the separators around a part that is gone, what stands before it stays.
            between = between or separator if dropped else between + separator
        elif _is_empty(part, values):
            dropped = True
        else:
            if out or not dropped:
                out.append(between)
            out.append(_TO_FILL.sub(lambda found: _filled(found[0], values), part))
            between, dropped = "", False
    if out and not dropped:
        out.append(between)
    return "".join(out)


def _is_empty(template: str, values: Mapping[str, str]) -> bool:
    names = places(template)
    return bool(names) and not any(values[name] for name in names)


def _filled(part: str, values: Mapping[str, str]) -> str:
    if part.startswith("{"):
        return values[places(part)[0]]
    inner = render(part[1:-1], values)
    return f"{part[0]}{inner}{part[-1]}" if inner else ""
