"""What a sync would change of one Plex item, field by field, and why the rest is left alone. Pure."""

from typing import Any

from sync.mapping.fields import user_rating
from sync.model import LIST_FIELDS, RATING, SINGLE_FIELDS, Memory, PlexItem, Role, Scene, Wanted
from sync.plex.difference import Edit, is_ours
from sync.text.clean import name_key

OFF, SAME, WRITE, CLEAR = "off", "same", "write", "clear"
THEIRS, RATED, BROUGHT, EMPTY, FORM = "theirs", "rated", "brought", "empty", "form"
"""Why a field stays as it is: switched off; the same already; a person's under preserve_plex_edits; a person's rating,
which stays or goes to Stash; Stash has nothing and Plex's value is not PlexSync's; Plex keeps the value in a form of
its own."""


def fields_of(item: PlexItem, wanted: Wanted, edit: Edit, memory: Memory) -> list[dict[str, Any]]:
    """Return a row a field: `name`, what Plex has `before` and `after`, what Stash `has`, and `why`.

    `others`: entries of a list that stay although Stash does not have them.
    """
    rows = [_single(name, item, wanted, edit, memory) for name in SINGLE_FIELDS]
    return rows + [_list(name, item, wanted, edit, memory) for name in LIST_FIELDS]


def watched(scene: Scene, item: PlexItem) -> dict[str, Any]:
    """Return what Stash and Plex know of plays, rating and resume point (in seconds)."""
    plays, at, rating = len(scene.plays), max(scene.plays, default=None), user_rating(scene.rating)
    return {
        "stash": {"plays": plays, "played_at": at, "rating": rating, "resume": scene.resume},
        "plex": {"plays": item.plays, "played_at": item.played_at, "rating": item.rating, "resume": item.resume},
    }


def _single(name: str, item: PlexItem, wanted: Wanted, edit: Edit, memory: Memory) -> dict[str, Any]:
    before: str = getattr(item, name)
    has: str | None = getattr(wanted, name)
    row = {"name": name, "before": before, "has": has or "", "after": edit.single.get(name, before)}
    if has is None:
        return row | {"why": OFF}
    if name in edit.single:
        return row | {"why": CLEAR if name in edit.released else WRITE}
    if has == before:
        return row | {"why": SAME}
    if not has:
        return row | {"why": EMPTY if before else SAME}
    if memory.sent.get(name) == has and memory.result.get(name) == before:
        return row | {"why": FORM}
    return row | {"why": RATED if name == RATING and not is_ours(name, before, memory) else THEIRS}


def _list(name: str, item: PlexItem, wanted: Wanted, edit: Edit, memory: Memory) -> dict[str, Any]:
    current, asked = item.roles(name), wanted.roles(name)
    added = {name_key(role.name): role for role in edit.added.get(name, ())}
    gone = edit.removed.get(name, ())
    staying = [added.pop(name_key(role.name), role) for role in current if role.name not in gone]
    after = [*staying, *added.values()]
    keys = {name_key(role.name) for role in asked or ()}
    row = {
        "name": name,
        "before": list(map(_entry, current)),
        "has": list(map(_entry, asked or ())),
        "after": list(map(_entry, after)),
        "others": [role.name for role in after if asked is not None and name_key(role.name) not in keys],
    }
    if asked is None:
        return row | {"why": OFF}
    if name in edit.lists:
        return row | {"why": WRITE if after else CLEAR}
    if keys <= {name_key(role.name) for role in current}:
        return row | {"why": EMPTY if row["others"] and not keys else SAME}
    return row | {"why": FORM}


def _entry(role: Role) -> str:
    return f"{role.name} ({role.role})" if role.role else role.name
