"""Addresses and pairs of paths as people type them. Pure."""

import re
from urllib.parse import urlsplit

from sync.text.patterns import may_match_a_path, unquoted

PathPair = tuple[str, str]
"""(prefix in Stash, prefix in Plex)"""


def normal_url(value: str, *, whole_path: bool = False) -> str:
    """Return an address with its scheme and without a trailing slash or (but for `whole_path`) Plex Web's `/web/...`.

    Raises ValueError for what is no address.
    """
    text = value if "://" in value else f"http://{value}"
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
    if not whole_path and (path == "/web" or path.startswith("/web/")):
        path = ""
    elif parts.query or parts.fragment:
        raise ValueError("more than an address")
    return f"{parts.scheme.lower()}://{parts.netloc}{path}"


def parse_path_map(value: str) -> tuple[PathPair, ...]:
    """Return the pairs of `/stash/prefix=/plex/prefix; ...`.

    Raises ValueError for a pair without two whole paths, and for two targets of one prefix.
    """
    pairs: dict[str, str] = {}
    for text in unquoted(value).replace("\n", ";").split(";"):
        if not text.strip():
            continue
        source, _, target = (unquoted(part) for part in unquoted(text).partition("="))
        if not (_is_whole_path(source) and _is_whole_path(target)) or pairs.get(source, target) != target:
            raise ValueError("no pair")
        pairs[source] = target
    return tuple(pairs.items())


def _is_whole_path(path: str) -> bool:
    return bool(re.match(r"[/\\]|[A-Za-z]:", path)) and may_match_a_path(path)
