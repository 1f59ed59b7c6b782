"""Pictures: what kind they are, and where Plex can see a performer's without being given a key to Stash. Pure.

Plex's server and clients fetch an actor's picture by its address: what stands in that is given away to all of them.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from sync.errors import UnusablePictureError
from sync.model import Picture

_OWN_PATH = re.compile(r"/(?:scene|performer)/\d+/[^?#]*")
_DRAWING = "image/svg+xml"
_START = 1024  # bytes that tell a picture's kind


@dataclass(frozen=True, slots=True)
class PictureAccess:
    """How performers' pictures are reached from outside."""

    base: str = ""  # Stash's address for others; empty: the one that Stash built the picture's address on
    loopback: bool = False  # whether an address of this very machine is of use: Plex runs on it, too
    key: str = field(default="", repr=False)  # an API key that goes along with every address, as the user said


def picture_access(
    choice: str, *, stash_url: str, plex_url: str, credentials: bool, api_key: str
) -> PictureAccess | None:
    """Tell how pictures are reached by the setting `performer_pictures` (`choice`); None where they are not to be.

    `credentials`: whether Stash has a user name or an API key.
    """
    if why_no_pictures(choice, credentials=credentials, api_key=api_key):
        return None
    return PictureAccess(stash_url, is_loopback(plex_url), api_key if credentials else "")


def why_no_pictures(choice: str, *, credentials: bool, api_key: str) -> str:
    """Tell why performers' pictures are not written, and what to do about it; empty where they are."""
    if choice == "off":
        return "performer_pictures is off"
    if choice == "auto" and credentials:
        return "Stash asks for a password, and performer_pictures is auto: no key of Stash's is given to Plex"
    if credentials and not api_key:
        return "performer_pictures is on, but Stash has no API key: make one in Stash under Settings > Security"
    return ""


def picture_url(url: str, access: PictureAccess) -> str:
    """Give the address of a performer's picture for Plex, from the one that Stash built; empty: out of its reach."""
    path = local_path(url)
    base = access.base or base_of(url)
    if not path or (is_loopback(base) and not access.loopback):
        return ""
    key = f"{'&' if '?' in path else '?'}apikey={quote(access.key, safe='')}" if access.key else ""
    return f"{base}{path}{key}"


@lru_cache(4_096)  # the same performers in scene after scene
def _parsed(url: str) -> tuple[str, str, list[tuple[str, str]]]:
    """Give what stands before a picture's own path, the path (empty for no picture), and its query without a key."""
    found = _OWN_PATH.search(url)
    if not found:
        return "", "", []
    query = parse_qsl(url[found.end() :].partition("#")[0][1:])
    return url[: found.start()], found[0], [pair for pair in query if pair[0].casefold() != "apikey"]


def _joined(path: str, query: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def base_of(url: str) -> str:
    """Give what stands before a picture's own path: Stash's own address, as it believes."""
    return _parsed(url)[0]


def local_path(url: str) -> str:
    """Give path and query of a picture, without a key, to be asked of Stash's own address; empty for no picture."""
    return _joined(*_parsed(url)[1:])


def split_time(url: str) -> tuple[str, str]:
    """Give path and query of a picture without `t`, and `t`: when what it belongs to was saved, in seconds since the
    epoch (internal/api/urlbuilders/performer.go); empty where there is none."""
    _, path, query = _parsed(url)
    return _joined(path, [pair for pair in query if pair[0] != "t"]), dict(query).get("t", "")


def with_digest(url: str, digest: str) -> str:
    """Give a picture's address with a digest of the picture in place of `t`, and without a key.

    Stash shows the same picture whatever `t` says (internal/api/routes_performer.go, pkg/utils/http.go).
    """
    base, path, query = _parsed(url)
    return base + _joined(path, [*(pair for pair in query if pair[0] != "t"), ("t", digest)])


def dated_cover(cover: str, now: float) -> str:
    """Give a cover's path and query where they tell this very picture from the next one; else nothing."""
    return cover if is_dated(split_time(cover)[1], now) else ""


def is_dated(saved: str, now: float) -> bool:
    """Tell whether no second save can bear this time: Stash writes whole seconds. In seconds since the epoch."""
    return saved.isascii() and saved.isdigit() and now - int(saved) >= 2


def read_picture(content: bytes) -> Picture | None:
    """Give a picture; None for the drawing that Stash shows where there is none.

    Raises UnusablePictureError for what is no JPEG, PNG or WebP, by the bytes and not by what a header says.
    """
    kind = _kind_of(content)
    if kind == _DRAWING:
        return None
    if not kind:
        what = "no JPEG, PNG or WebP, and Plex takes no other" if content else "empty"
        raise UnusablePictureError(f"the picture is {what}. Set another one")
    return Picture(content, kind, hashlib.sha1(content, usedforsecurity=False).hexdigest())


def picture_sha1(pieces: Iterable[bytes]) -> str | None:
    """Give the SHA-1 of a picture of any kind that comes in pieces; None for the drawing of Stash's.

    Raises UnusablePictureError for no bytes at all, and for a page that came in its place.
    """
    sha1, start = hashlib.sha1(usedforsecurity=False), b""
    for piece in pieces:
        sha1.update(piece)
        start += piece[: _START - len(start)]
    if _kind_of(start) == _DRAWING:
        return None
    if not start or start.lstrip().startswith(b"<"):
        raise UnusablePictureError("the picture is empty, or none")
    return sha1.hexdigest()


def _kind_of(start: bytes) -> str:
    """Give the kind of picture that begins like this; empty where it is none that Plex takes nor a drawing."""
    if start.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return _DRAWING if b"<svg" in start[:_START].lower() else ""


@lru_cache(256)
def is_loopback(url: str) -> bool:
    """Tell whether an address is one of the machine that asks."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, or no address at all
        return False
    return address.is_loopback or address.is_unspecified
