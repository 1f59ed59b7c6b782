"""Edits as requests to Plex: `PUT /library/sections/<id>/all`, all of it query string.

`genre[0].tag.tag=x` adds x to an item's list, and removals of the same request come first (the OpenAPI text; plexapi's
tests on a real server). So an edit names what lacks and what goes, a long list is several requests that add up, and an
edit that is the same for many items is one request. A server that replaces lists gets them whole.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple
from urllib.parse import quote

from sync.model import LIST_FIELDS, PLEX_NAMES, SINGLE_FIELDS, PlexItem, Wanted
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import Edit, detail_key, public_thumb, whole_lists
from sync.plex.exceptions import PlexPermanentError, PlexTooLong
from sync.state.state import chunks
from sync.text.clean import name_key

LONGEST_QUERY = 7_800
"""Characters of an edit's own query; Plex names no limit, servers and proxies have theirs. With the path, the
type and the item before it a request stays within 8,000."""
LIMITS = (LONGEST_QUERY, 3_800, 1_800)  # what is tried where a request is refused as too long
TOO_LONG = (413, 414, 431)
MOST_ITEMS = 100  # in one edit. Plex names no limit; Kometa, which is in wide use, sends at most so many
MOVIE_TYPE = "1"
_AROUND_A_TEXT = 100  # characters beside a text: its name, its lock, the item
_CUT = "…"


def send(client: PlexClient, section: int, rating_keys: Sequence[int], parameters: Parameters) -> None:
    """Write the same to one or several items of a library, in one request.

    Raises the errors of `plex/exceptions.py`, PlexItemGone when one of them may not be there, and ValueError without
    items: Plex would edit the whole library.
    """
    if not rating_keys:
        raise ValueError("an edit names no item")
    client.send("put", f"/library/sections/{section}/all", [*_addressed_to(rating_keys), *parameters])


def limit_of(client: PlexClient) -> int:
    """Return how many characters the query of an edit may have on this server."""
    return int(client.ways.longest or LONGEST_QUERY)


def write(client: PlexClient, item: PlexItem, section: int, edit: Edit, limit: int = LONGEST_QUERY) -> None:
    """Write an edit to one item, in several requests where it has more than `limit` characters. Raises as `send`.

    Where Plex refuses a field, the others are written, and PlexPermanentError names those that were refused.
    PlexTooLong is raised where a field has to become shorter, or its requests more.
    """
    if client.ways.roles == "anew":
        edit = with_actors_anew(edit, item)
    refused: dict[str, PlexPermanentError] = {}
    for part in parts_of(edit, item if client.ways.lists == "replaces" else None, limit):
        _write_part(client, section, item.rating_key, part, refused)
    if refused:
        raise PlexPermanentError(str(next(iter(refused.values()))), fields=tuple(refused))


def _write_part(
    client: PlexClient, section: int, rating_key: int, part: Edit, refused: dict[str, PlexPermanentError]
) -> None:
    parameters = _parameters(part)
    try:
        send(client, section, [rating_key], parameters)
    except PlexPermanentError as error:
        names, length = _names(part), length_of(parameters)
        may_be_too_long = error.status in TOO_LONG or (error.status == 400 and len(names) == 1)
        if may_be_too_long and length > LIMITS[-1]:
            raise PlexTooLong(str(error), status=error.status, length=length) from None
        if len(names) > 1:
            for name in names:
                _write_part(client, section, rating_key, _only(part, [name]), refused)
        else:
            refused |= dict.fromkeys(names, error)


def fitting(wanted: Wanted, limit: int) -> Wanted:
    """Give what an item should hold with its summary cut to what goes through in a query of `limit` characters."""
    room = limit - _AROUND_A_TEXT
    if wanted.summary is None or len(quote(wanted.summary, safe="")) <= room:
        return wanted
    sizes = accumulate(len(quote(character, safe="")) for character in wanted.summary)
    fits = sum(size <= room - len(quote(_CUT)) for size in sizes)
    return replace(wanted, summary=wanted.summary[:fits].rstrip() + _CUT)


def rate(client: PlexClient, rating_key: int, rating: str) -> None:
    """Set the token owner's rating of an item, 0 to 10 (empty: take it back), by its own request. Raises as `send`."""
    # python-plexapi sends -1 to take a rating back.
    parameters = [("identifier", "com.plexapp.plugins.library"), ("rating", rating or "-1")]
    client.send("put", "/:/rate", [("key", str(rating_key)), *parameters])


def requests_of(edit: Edit, replacing: PlexItem | None = None, limit: int = LONGEST_QUERY) -> list[Parameters]:
    """Give an edit's parameters, in as many requests as their length asks for; see `parts_of`."""
    return [_parameters(part) for part in parts_of(edit, replacing, limit)]


def parts_of(edit: Edit, replacing: PlexItem | None = None, limit: int = LONGEST_QUERY) -> list[Edit]:
    """Give edits that add up to one, each of `limit` characters at the most; a single field is never divided.

    `replacing`: the item as it is, of a server that replaces lists: they go whole, and none of them is divided.
    """
    if replacing is not None:
        return _parts(whole_lists(replacing, edit), limit, divide=False)
    return _parts(edit, limit, divide=True)


def _parts(edit: Edit, limit: int, *, divide: bool) -> list[Edit]:
    parameters = _parameters(edit)
    halves = _halves(edit, divide=divide) if length_of(parameters) > limit else ()
    if halves:
        return [part for half in halves for part in _parts(half, limit, divide=divide)]
    return [edit] if parameters else []


def _names(edit: Edit) -> list[str]:
    return [*edit.fields, *sorted(edit.lock_too)]


def _halves(edit: Edit, *, divide: bool) -> tuple[Edit, ...]:
    """Give two edits that add up to one: of several fields, or else of one list where it may be divided."""
    names = _names(edit)
    if len(names) > 1:
        middle = len(names) // 2
        return _only(edit, names[:middle]), _only(edit, names[middle:])
    (name,) = names
    added, gone = edit.added.get(name, ()), edit.removed.get(name, ())
    middle = (len(added) + len(gone)) // 2 if divide or not added else len(added)
    past = max(0, middle - len(added))
    halves = ((added[:middle], gone[:past]), (added[middle:], gone[past:]))
    if not all(some or others for some, others in halves):
        return ()
    return tuple(
        replace(edit, added={name: some} if some else {}, removed={name: others} if others else {})
        for some, others in halves
    )


def _only(edit: Edit, names: Collection[str]) -> Edit:
    return replace(
        edit,
        single={name: value for name, value in edit.single.items() if name in names},
        added={name: roles for name, roles in edit.added.items() if name in names},
        removed={name: gone for name, gone in edit.removed.items() if name in names},
        lock_too=edit.lock_too & set(names),
    )


def _parameters(edit: Edit) -> list[tuple[str, str]]:
    parameters = []
    for name, value in edit.single.items():
        parameters += [(f"{SINGLE_FIELDS[name]}.value", value), _lock_of(edit, name)]
    for name in edit.lists:
        tag = LIST_FIELDS[name]
        for number, role in enumerate(edit.added.get(name, ())):
            parameters.append((f"{tag}[{number}].tag.tag", role.name))
            # What is not set anew is sent along, or it is lost where Plex makes the entry anew.
            if role.role or detail_key("role", role.name) in edit.details:
                parameters.append((f"{tag}[{number}].tagging.text", role.role))
            if public_thumb(role.thumb) or detail_key("thumb", role.name) in edit.details:
                parameters.append((f"{tag}[{number}].tag.thumb", role.thumb))
        if gone := edit.removed.get(name):
            # Each name is encoded on its own, so that a comma in it is none between two.
            parameters.append((f"{tag}[].tag.tag-", ",".join(quote(one, safe="") for one in gone)))
        parameters.append(_lock_of(edit, name))
    return parameters + [_lock_of(edit, name) for name in sorted(edit.lock_too)]


def _lock_of(edit: Edit, name: str) -> tuple[str, str]:
    return f"{PLEX_NAMES[name]}.locked", "0" if name in edit.released else "1"


class ItemEdit(NamedTuple):
    """What is to be edited of one item."""

    section: int
    rating_key: int
    edit: Edit
    locked: frozenset[str]  # Plex's names of the fields that are locked


class Group(NamedTuple):
    """One edit for several items of a library."""

    section: int
    rating_keys: tuple[int, ...]
    parameters: Parameters  # the edit, without the items it is for


def grouped(edits: Iterable[ItemEdit], most: int = MOST_ITEMS, limit: int = LONGEST_QUERY) -> list[Group]:
    """Give the edits that go as one request for two or more items, `most` at the most; the others go alone.

    Of the locks an edit would take along those go that every item asks for or has. An edit that needs several
    requests goes alone.
    """
    alike: dict[tuple[int, tuple[tuple[str, str], ...]], list[ItemEdit]] = {}
    for one in edits:
        requests = requests_of(replace(one.edit, lock_too=set()), limit=limit)
        if len(requests) == 1:
            alike.setdefault((one.section, tuple(requests[0])), []).append(one)
    groups: list[Group] = []
    for (section, request), members in alike.items():
        size = min(most, len(members))
        while size > 1 and _length(_group(section, request, members[:size])) > limit:
            size //= 2
        if size > 1:
            groups += [_group(section, request, some) for some in chunks(members, size) if len(some) > 1]
    return groups


def _group(section: int, request: Parameters, members: Sequence[ItemEdit]) -> Group:
    asked = sorted({name for one in members for name in one.edit.lock_too})
    locks = [
        (f"{PLEX_NAMES[name]}.locked", "1")
        for name in asked
        if all(name in one.edit.lock_too or PLEX_NAMES[name] in one.locked for one in members)
    ]
    return Group(section, tuple(one.rating_key for one in members), [*request, *locks])


def _length(group: Group) -> int:
    return length_of([*_addressed_to(group.rating_keys), *group.parameters])


def length_of(parameters: Parameters) -> int:
    """Tell how many characters parameters take up in a request: brackets, which count entries, go encoded."""
    query = encode(parameters)
    return len(query) + 2 * (query.count("[") + query.count("]"))


def _addressed_to(rating_keys: Sequence[int]) -> list[tuple[str, str]]:
    return [("type", MOVIE_TYPE), ("id", ",".join(map(str, rating_keys)))]


def with_actors_anew(edit: Edit, item: PlexItem) -> Edit:
    """Give the edit with each actor whose role changes taken away first: removals of a request come before."""
    held = {name_key(role.name) for role in item.actors}
    anew = [
        role.name
        for role in edit.added.get("actors", ())
        if name_key(role.name) in held and detail_key("role", role.name) in edit.details
    ]
    return replace(edit, removed={**edit.removed, "actors": (*edit.removed.get("actors", ()), *anew)}) if anew else edit


def without(edit: Edit, names: Collection[str]) -> Edit:
    """Give the edit without some fields: what was refused, or the rating of a server that takes it apart alone."""
    return _only(edit, [name for name in _names(edit) if name not in names])
