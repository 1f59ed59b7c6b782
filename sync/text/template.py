"""Texts with places to fill in: `{studio} - {title} ({date})`. Pure.

Every place is optional. One that is empty takes along what touches it (`#{code}`,
`{title}!`), the separator on one side of it, and the brackets or quotes that hold
nothing else.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

_PIECE = re.compile(r"\{([^{}]*)\}")
_PAIRS = {"(": ")", "[": "]", '"': '"', "“": "”", "„": "“", "«": "»", "‹": "›", "「": "」"}
_BETWEEN = frozenset(" \t\n,;:-–—|/\\·•~>&+=")
"""What separates two parts; everything else that touches a part belongs to it."""
_BEHIND = frozenset("!?.…%’'°*")
"""What belongs to the part before it, where it touches one on either side."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A place, a word, or a pair of brackets or quotes with what stands between them."""

    name: str = ""
    word: str = ""
    opening: str = ""
    inner: tuple["_Token", ...] = ()
    before: str = ""
    """What touches it in front."""
    behind: str = ""


_Token = str | _Part  # a text is a separator


def check(template: str, names: Collection[str]) -> None:
    """Raise ValueError for a template with a place that is none of `names`, or with a lone brace."""
    rest = _PIECE.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError("a lone brace")
    for name in places(template):
        if name not in names:
            raise ValueError(f"no place {name}")


def places(template: str) -> list[str]:
    """Return the names of a template's places, in order."""
    return [match[1].strip().casefold() for match in _PIECE.finditer(template)]


def render(template: str, values: Mapping[str, str]) -> str:
    """Return the template filled in; empty where every place of it is empty.

    `values` has every name that `check` was given.
    """
    tokens = _parse(template)
    return _render(tokens, values) if _has_value(tokens, values) or not places(template) else ""


@lru_cache(16)  # settings, asked for with every scene
def _parse(template: str) -> tuple[_Token, ...]:
    flat: list[_Token] = []
    end = 0
    for match in _PIECE.finditer(template):
        flat += [*template[end : match.start()], _Part(name=match[1].strip().casefold())]
        end = match.end()
    flat += template[end:]
    return _attached(_grouped(flat, 0, "")[0])


def _grouped(flat: list[_Token], start: int, closing: str) -> tuple[list[_Token], int]:
    """Return the tokens up to `closing`, pairs made parts, and where it ends; -1 where it never comes."""
    tokens: list[_Token] = []
    at = start
    while at < len(flat):
        token = flat[at]
        if closing and token == closing:
            return tokens, at
        if isinstance(token, str) and token in _PAIRS:
            inner, end = _grouped(flat, at + 1, _PAIRS[token])
            if end >= 0:
                tokens.append(_Part(opening=token, inner=_attached(inner)))
                at = end + 1
                continue
        tokens.append(token)
        at += 1
    return tokens, -1 if closing else at


def _attached(tokens: list[_Token]) -> tuple[_Token, ...]:
    """Give each part what touches it; what is left is words, and separators between."""
    parts: list[_Token] = []
    text = ""
    for token in [*tokens, None]:
        if isinstance(token, str):
            text += token
            continue
        before = parts[-1] if parts and isinstance(parts[-1], _Part) else None
        behind, middle, front = _divided(text, touches=(before is not None, token is not None))
        if before is not None and behind:
            parts[-1] = replace(before, behind=behind)
        parts += middle
        if token is not None:
            parts.append(replace(token, before=front))
        text = ""
    return tuple(parts)


def _divided(text: str, touches: tuple[bool, bool]) -> tuple[str, list[_Token], str]:
    """Return what of the text between two parts belongs to the first, stands between, and belongs to the second."""
    runs = re.findall(r"\s+|\S+", text)
    behind = front = ""
    if touches[0] and runs and not runs[0].isspace() and (len(runs) > 1 or not touches[1]):
        behind = _without_separator_at_end(runs[0])
        runs[0] = runs[0][len(behind) :]
    elif touches[0] and runs and not runs[0].isspace():  # it touches both
        while runs[0][len(behind) :] and runs[0][len(behind)] in _BEHIND:
            behind += runs[0][len(behind)]
        runs[0] = runs[0][len(behind) :]
    if touches[1] and runs and runs[-1] and not runs[-1].isspace():
        front = _without_separator_at_start(runs[-1])
        runs[-1] = runs[-1][: len(runs[-1]) - len(front)]
    middle: list[_Token] = []
    for run in runs:
        if run and any(character not in _BETWEEN for character in run):
            middle.append(_Part(word=run))
        elif run and middle and isinstance(middle[-1], str):
            middle[-1] += run
        elif run:
            middle.append(run)
    return behind, middle, front


def _without_separator_at_end(run: str) -> str:
    return run.rstrip("".join(_BETWEEN))


def _without_separator_at_start(run: str) -> str:
    return run.lstrip("".join(_BETWEEN))


def _has_value(tokens: tuple[_Token, ...], values: Mapping[str, str]) -> bool:
    return any(
        (bool(part.name) and bool(values[part.name])) or _has_value(part.inner, values)
        for part in tokens
        if isinstance(part, _Part)
    )


def _has_place(tokens: tuple[_Token, ...]) -> bool:
    return any(bool(part.name) or _has_place(part.inner) for part in tokens if isinstance(part, _Part))


def _render(tokens: tuple[_Token, ...], values: Mapping[str, str]) -> str:
    out: list[str] = []
    between = ""  # a separator that waits for something to stand behind it
    dropped = False  # whether something between the last part and here had nothing to say
    for token in tokens:
        if isinstance(token, str):
            # Of the separators around a part that is gone, what stands before it stays.
            between = between or token if dropped else between + token
            continue
        text = _render_part(token, values)
        if not text:
            dropped = True
            continue
        if out or (between and not dropped):
            out.append(between)
        out.append(text)
        between, dropped = "", False
    if out and not dropped:
        out.append(between)
    return "".join(out)


def _render_part(part: _Part, values: Mapping[str, str]) -> str:
    if part.word:
        return part.word
    if part.name:
        text = values[part.name]
    elif _has_place(part.inner) and not _has_value(part.inner, values):
        text = ""
    else:
        text = f"{part.opening}{_render(part.inner, values)}{_PAIRS[part.opening]}"
    return f"{part.before}{text}{part.behind}" if text else ""
