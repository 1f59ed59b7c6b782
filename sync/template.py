"""Texts with places to fill in: `{studio} - {title} ({date})`. Pure.

Every place is optional: one that has nothing to say takes the punctuation along
that led to it, and brackets with nothing in them go as a whole.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

_PIECE = re.compile(r"\{([^{}]*)\}")
_OPENING = {"(": ")", "[": "]"}


@dataclass(frozen=True, slots=True)
class _Place:
    name: str


@dataclass(frozen=True, slots=True)
class _Group:
    """A pair of brackets and what stands between them."""

    opening: str
    pieces: tuple["_Piece", ...]


_Piece = str | _Place | _Group


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
    pieces = _parse(template)
    return _render(pieces, values) if _has_value(pieces, values) or not places(template) else ""


def _parse(template: str) -> tuple[_Piece, ...]:
    flat: list[_Piece] = []
    end = 0
    for match in _PIECE.finditer(template):
        flat += list(template[end : match.start()])
        flat.append(_Place(match[1].strip().casefold()))
        end = match.end()
    flat += list(template[end:])
    pieces, _ = _grouped(flat, 0, "")
    return _joined(pieces)


def _grouped(flat: list[_Piece], start: int, closing: str) -> tuple[list[_Piece], int]:
    """Return the pieces up to `closing`, brackets made groups, and where it ends; -1 where it never comes."""
    pieces: list[_Piece] = []
    at = start
    while at < len(flat):
        piece = flat[at]
        if closing and piece == closing:
            return pieces, at
        if isinstance(piece, str) and piece in _OPENING:
            inner, end = _grouped(flat, at + 1, _OPENING[piece])
            if end >= 0:
                pieces.append(_Group(piece, _joined(inner)))
                at = end + 1
                continue
        pieces.append(piece)
        at += 1
    return pieces, -1 if closing else at


def _joined(pieces: list[_Piece]) -> tuple[_Piece, ...]:
    """Letters in a row become words (which stay) and the punctuation between (which may go)."""
    joined: list[_Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if isinstance(piece, str) and isinstance(before, str) and _is_word(piece) == _is_word(before):
            joined[-1] = before + piece
        else:
            joined.append(piece)
    return tuple(joined)


def _is_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _has_value(pieces: tuple[_Piece, ...], values: Mapping[str, str]) -> bool:
    return any(
        bool(values[piece.name])
        if isinstance(piece, _Place)
        else isinstance(piece, _Group) and _has_value(piece.pieces, values)
        for piece in pieces
    )


def _has_place(pieces: tuple[_Piece, ...]) -> bool:
    return any(
        isinstance(piece, _Place) or (isinstance(piece, _Group) and _has_place(piece.pieces)) for piece in pieces
    )


def _render(pieces: tuple[_Piece, ...], values: Mapping[str, str]) -> str:
    out: list[str] = []
    between = ""  # punctuation that waits for something to stand behind it
    dropped = False  # whether something between the last text and here had nothing to say
    for piece in pieces:
        if isinstance(piece, str) and not _is_word(piece):
            # Of the punctuation around a place that is gone, what stands before it stays.
            between = between or piece if dropped else between + piece
            continue
        if isinstance(piece, _Place):
            text = values[piece.name]
        elif isinstance(piece, _Group):
            inner = _render(piece.pieces, values)
            empty = not inner or (_has_place(piece.pieces) and not _has_value(piece.pieces, values))
            text = "" if empty else f"{piece.opening}{inner}{_OPENING[piece.opening]}"
        else:
            text = piece
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
