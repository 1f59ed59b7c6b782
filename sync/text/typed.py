"""Addresses and pairs of paths as people type them. Pure."""

import contextlib
import datetime
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from sync.text.patterns import may_match_a_path, parts_of, quoted, unquoted

PathPair = tuple[str, str]  # (prefix in Stash, prefix in Plex)
_AROUND = " \t\r\n\xa0\"'`“”„<>"


def normal_url(value: str, *, whole_path: bool = False) -> str:
    """Return an address with its scheme; without quotes, a trailing slash and Plex Web's `/web/...` or `#!...`.

    `whole_path`: with all of its path. Raises ValueError for what is no address.
    """
    text = value.strip(_AROUND)
    text = text if "://" in text else f"http://{text}"
    parts = urlsplit(text)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError("no address")
    if any(c.isspace() or ord(c) < 33 for c in text) or not re.fullmatch(r"[\w.\-\[\]:%]+", parts.netloc, re.ASCII):
        raise ValueError("no address")
    if parts.port == 0:  # reading it raises ValueError for what is no port
        raise ValueError("no port")
    path = parts.path.rstrip("/")
    # A second address, or a token, that got in behind the first.
    if parts.netloc.endswith(":") or any(c in path for c in ":=&@;"):
        raise ValueError("more than an address")
    if not whole_path and (found := re.match(r"(.*?)/web(?:/|\Z)", path)):
        path = found[1].rstrip("/")
    elif parts.query or (parts.fragment and (whole_path or not parts.fragment.startswith("!"))):
        raise ValueError("more than an address")
    return f"{parts.scheme.lower()}://{parts.netloc}{path}"


def parse_path_map(value: str) -> tuple[PathPair, ...]:
    """Return the pairs of `/stash/prefix=/plex/prefix; ...`; quotes hold a side with `;` or `=` together.

    Raises ValueError for a pair without two whole paths, and for two targets of one prefix.
    """
    pairs: dict[str, str] = {}
    for text in filter(str.strip, parts_of(unquoted(value), ";\n", opening="=")):
        pair = unquoted(text)
        side = parts_of(pair, "=")[0]
        source, target = _whole_path(side), _whole_path(pair[len(side) + 1 :])
        if pairs.setdefault(source, target) != target:
            raise ValueError("two targets")
    return tuple(pairs.items())


def path_map_of(pairs: Iterable[PathPair]) -> str:
    """Return the text that `parse_path_map` reads as these pairs, in quotes where it has to be."""
    pairs = tuple(pairs)
    plain = "; ".join(map("=".join, pairs))
    with contextlib.suppress(ValueError):
        if parse_path_map(plain) == pairs:
            return plain
    return "; ".join("=".join(map(quoted, pair)) for pair in pairs)


def day_begins(text: str) -> float:
    """Return when a day such as `2024-01-31` begins where this runs, in seconds since the epoch. Raises ValueError."""
    begins = datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time())
    try:
        return begins.timestamp()
    except (OverflowError, OSError):  # Windows counts from 1970 on
        return 0.0


def _whole_path(side: str) -> str:
    path = unquoted(side).lstrip()
    if not (re.match(r"[/\\]|[A-Za-z]:", path) and may_match_a_path(side)):
        raise ValueError("no whole path")
    return path
