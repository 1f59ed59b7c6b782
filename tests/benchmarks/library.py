"""The library of the benchmarks: what scene number n holds in Stash, and its item in Plex. Pure.

Everything follows from the number and the `take`, which is how often the scene was edited: from one take to the next
its title, its text and one of its tags change. Take 0 is an item in Plex that nobody has named yet. `saves` is how
often it was saved within a take, with nothing changed but the time, and with it the address of its cover.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from sync.settings import DEFAULTS_SINCE, defaults

PERFORMERS, STUDIOS, TAGS, GROUPS = 200, 40, 120, 30
"""How many of each there are; each studio but the first has a parent, so many scenes share them."""
COVER_BYTES = 100_000
"""Bytes of a scene's cover; a frame of a film in full HD as Stash makes one is of about this size."""
PORTRAIT_BYTES = 20_000

EPOCH = 1_700_000_000
"""Seconds since the epoch at which all of it began."""
SECTION, LIBRARY = 1, "Clips"
PANEL = {**defaults(), "reconcile_every": "never", DEFAULTS_SINCE: 0}
"""The settings panel of an installation that has run, without what begins by itself."""

_WORDS = (
    "A day in a house by the sea, told by those who were there. The light is good, the sound less so, and towards the "
    "end somebody laughs. It was found on an old tape, cut twice and given a name that nobody likes. "
)


def path(n: int) -> str:
    """Return the path of the scene's one file, the same in Stash and in Plex."""
    return f"/media/studio {_studio(n):02}/{1990 + n % 35}/Some clip of the studio's, number {n}.mp4"


def size(n: int) -> int:
    """Return the file's size in bytes."""
    return 1_000_000_000 + 7919 * n


def title(n: int, take: int) -> str:
    """Return the title in Stash."""
    return f"The clip that came {n}th, take {take}"


def details(n: int, take: int) -> str:
    """Return the text of the scene: some 400 characters."""
    return f"{_WORDS}{_WORDS}Number {n}, take {take}."


def date(n: int) -> str:
    """Return the day of the scene."""
    return f"{1990 + n % 35}-{1 + n % 12:02}-{1 + n % 28:02}"


def rating100(n: int) -> int | None:
    """Return Stash's rating; every third scene has one."""
    return 20 + 10 * (n % 9) if n % 3 == 0 else None


def director(n: int) -> str:
    """Return the director; every fourth scene has one."""
    return f"Director {n % 17}" if n % 4 == 0 else ""


def code(n: int) -> str:
    """Return the studio's code; every second scene has one."""
    return f"CODE-{n}" if n % 2 == 0 else ""


def performers(n: int) -> list[int]:
    """Return the numbers of the performers."""
    return [1 + (n * 7 + i * 31) % PERFORMERS for i in range(1 + n % 3)]


def tags(n: int, take: int) -> list[int]:
    """Return the numbers of the tags: seven that stay and one that changes with the take."""
    return [*(1 + (n + i * 13) % (TAGS - 10) for i in range(7)), TAGS - take % 10]


def groups(n: int) -> list[int]:
    """Return the numbers of the groups; every fifth scene is in one."""
    return [1 + n % GROUPS] if n % 5 == 0 else []


def _studio(n: int) -> int:
    return 1 + n % STUDIOS


def performer_name(number: int) -> str:
    """Return the name of a performer."""
    return f"Performer Nr. {number}"


def studio_name(number: int) -> str:
    """Return the name of a studio."""
    return f"Studio Nr. {number}"


def tag_name(number: int) -> str:
    """Return the name of a tag."""
    return f"A tag, {number}"


def group_name(number: int) -> str:
    """Return the name of a group."""
    return f"Group Nr. {number}"


def updated(n: int, take: int, saves: int = 0) -> int:
    """Return when the scene was saved last, in seconds since the epoch."""
    return EPOCH + n % 1000 + 1000 * take + 1_000_000 * saves


def cover(n: int) -> bytes:
    """Return the scene's cover: the same one in every take, and one of a hundred."""
    return _picture(f"cover {n % 100}", COVER_BYTES)


def portrait(number: int) -> bytes:
    """Return a performer's picture."""
    return _picture(f"performer {number}", PORTRAIT_BYTES)


def _picture(name: str, length: int) -> bytes:
    return (b"\xff\xd8\xff\xe0" + name.encode()).ljust(length, b"\x42")


# In Stash


def stash_scene(n: int, take: int, base: str, saves: int = 0) -> dict[str, Any]:
    """Return the scene as Stash answers `stash/client.py`; `base` is Stash's address."""
    studio = _studio(n)
    parent = {"id": "1", "name": studio_name(1)} if studio > 1 else None
    return {
        "id": str(n),
        "title": title(n, take),
        "details": details(n, take),
        "date": date(n),
        "code": code(n),
        "director": director(n),
        "rating100": rating100(n),
        "organized": n % 2 == 0,
        "updated_at": datetime.fromtimestamp(updated(n, take, saves), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "stash_ids": [],
        "paths": {"screenshot": f"{base}/scene/{n}/screenshot?t={updated(n, take, saves)}"},
        "studio": {"id": str(studio), "name": studio_name(studio), "parent_studio": parent},
        "groups": [{"group": {"id": str(one), "name": group_name(one)}} for one in groups(n)],
        "tags": [{"id": str(one), "name": tag_name(one)} for one in tags(n, take)],
        "files": [{"path": path(n), "size": size(n)}],
        "performers": [_stash_performer(one, base) for one in performers(n)],
    }


def _stash_performer(number: int, base: str) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": performer_name(number),
        "disambiguation": "",
        "gender": "FEMALE" if number % 2 else "MALE",
        "birthdate": "1970-01-01",
        "country": "",
        "alias_list": [],
        "image_path": f"{base}/performer/{number}/image?t={EPOCH}",
    }


def stash_scene_json(n: int, take: int, base: str, saves: int = 0) -> str:
    """Return the same as JSON."""
    return json.dumps(stash_scene(n, take, base, saves), separators=(",", ":"), ensure_ascii=False)


# In Plex

_LOCKS = ("title", "summary", "studio", "originallyAvailableAt", "actor", "genre", "thumb")


def plex_item(n: int, take: int, *, whole: bool, rated: bool, thumbs: tuple[str, ...] = ()) -> str:
    """Return the item as Plex's XML, in a listing or `whole`. `thumbs`: the pictures of its actors, in order."""
    file, added = path(n), EPOCH + n
    stem = file.rpartition("/")[2].rpartition(".")[0]
    rating = rating100(n) if rated else None
    attributes: dict[str, object] = {
        "ratingKey": n,
        "key": f"/library/metadata/{n}",
        "guid": f"local://{n}",
        "librarySectionTitle": LIBRARY if whole else "",
        "librarySectionID": SECTION if whole else "",
        "librarySectionKey": f"/library/sections/{SECTION}" if whole else "",
        "type": "movie",
        "title": title(n, take) if take else stem,
        "summary": details(n, take) if take else "",
        "studio": studio_name(_studio(n)) if take else "",
        "originallyAvailableAt": date(n) if take else "",
        "tagline": code(n) if take else "",
        "userRating": rating / 10 if rating else "",
        "year": date(n)[:4] if take else "",
        "thumb": f"/library/metadata/{n}/thumb/{added}",
        "duration": 1_800_000,
        "addedAt": added,
        "updatedAt": added,
    }
    parts = [
        f"<Video{_attributes(attributes)}>\n",
        f'<Media id="{2 * n}" duration="1800000" container="mp4">\n',
        f'<Part id="{2 * n - 1}" key="/library/parts/{2 * n - 1}/{added}/file.mp4" duration="1800000"',
        f' file={quoteattr(file)} size="{size(n)}" container="mp4"/>\n</Media>\n',
    ]
    if take:
        parts += _tags_of(n, take, whole, thumbs)
        if whole:
            parts += [f'<Field locked="1" name="{name}"/>\n' for name in locks(n)]
    parts.append("</Video>\n")
    return "".join(parts)


def locks(n: int) -> list[str]:
    """Return the names of the fields that are locked after the scene was written."""
    held = [*_LOCKS]
    held += ["tagline"] if code(n) else []
    held += ["director"] if director(n) else []
    held += ["collection"] if groups(n) else []
    held += ["userRating"] if rating100(n) else []
    return sorted(held)


def _tags_of(n: int, take: int, whole: bool, thumbs: tuple[str, ...]) -> list[str]:
    """Listings cut what is long: two of a kind, three actors."""
    kinds = (
        ("Genre", [tag_name(one) for one in tags(n, take)], 2),
        ("Director", [director(n)] if director(n) else [], 2),
        ("Role", [performer_name(one) for one in performers(n)], 3),
        ("Collection", [group_name(one) for one in groups(n)], 2),
    )
    made = []
    for element, names, most in kinds:
        for index, name in enumerate(names if whole else names[:most]):
            thumb = thumbs[index] if whole and element == "Role" and index < len(thumbs) else ""
            more = {"id": index + 1, "filter": f"{element.lower()}={index + 1}"} if whole else {}
            made.append(f"<{element}{_attributes({**more, 'tag': name, 'thumb': thumb})}/>\n")
    return made


def _attributes(values: dict[str, object]) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in values.items() if value != "")
