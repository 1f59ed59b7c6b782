"""Edits as requests to Plex: `PUT /library/sections/<id>/all`, all of it query string.

`genre[0].tag.tag=x` adds x to an item's list, and removals of the same request come
first (the OpenAPI text; plexapi's tests on a real server). So an edit names what lacks and
what goes, a long list is several requests that add up, and an edit that is the same for many
items is one request for all of them. A server that replaces lists gets them whole
(`difference.whole_lists`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from sync.model import LIST_FIELDS, PLEX_NAMES, RATING, SINGLE_FIELDS, PlexItem, Role
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import Edit, detail_key, public_thumb, whole_lists

LONGEST_QUERY = 7_800
"""Characters of an edit's own query; Plex names no limit, servers and proxies have theirs. With the path, the
type and the item before it a request stays within 8,000."""
MOST_ITEMS = 100
"""Items in one edit. Plex names no limit; Kometa, which is in wide use, sends at most so many."""
MOVIE_TYPE = "1"


def send(client: PlexClient, section: int, rating_keys: Sequence[int], parameters: Parameters) -> None:
    """Write the same to one or several items of a library, in one request.

    Raises the errors of `plex/exceptions.py`; PlexItemGone when none of them is there, or maybe one is not. Raises
    ValueError without items: Plex would edit the whole library.
    """
    if not rating_keys:
        raise ValueError("an edit names no item")
    client.put(f"/library/sections/{section}/all", [*_addressed_to(rating_keys), *parameters])


def write(client: PlexClient, item: PlexItem, section: int, edit: Edit) -> None:
    """Write an edit to one item: one request as a rule, several where it is very long.

    Raises the errors of `plex/exceptions.py`; PlexItemGone when the item is not there.
    """
    if client.ways.roles == "anew":
        edit = _with_actors_anew(edit, item)
    for parameters in requests_of(edit, item if client.ways.lists == "replaces" else None):
        send(client, section, [item.rating_key], parameters)


def rate(client: PlexClient, rating_key: int, rating: str) -> None:
    """Set the token owner's rating of an item, 0 to 10, where the server takes none in an edit; empty: take it back.

    Raises the errors of `plex/exceptions.py`; PlexItemGone when the item is not there.
    """
    client.put(
        "/:/rate",
        # python-plexapi sends -1 to take a rating back.
        [("key", str(rating_key)), ("identifier", "com.plexapp.plugins.library"), ("rating", rating or "-1")],
    )


def requests_of(edit: Edit, replacing: PlexItem | None = None) -> list[Parameters]:
    """Return an edit's parameters, in as many requests as their length asks for.

    A single field is never divided. `replacing`: the item as it is, of a server that replaces lists: they go whole,
    and none of them is divided.
    """
    if replacing is not None:
        edit = whole_lists(replacing, edit)
    pieces = _pieces(edit, divide=replacing is None)
    whole = [parameter for piece in pieces for parameter in piece]
    if not whole:
        return []
    if _bound_of(whole) <= LONGEST_QUERY:  # nearly every edit
        return [_numbered(whole)]
    requests: list[list[tuple[str, str]]] = []
    length = 0
    for piece in pieces:
        own = length_of(piece) + 1 + 2 * len(piece)  # an entry's number may have three digits
        if not requests or length + own > LONGEST_QUERY:
            requests.append([])
            length = 0
        requests[-1] += piece
        length += own
    return [_numbered(request) for request in requests]


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """What is to be edited of one item."""

    section: int
    rating_key: int
    edit: Edit
    locked: frozenset[str]
    """Plex's names of the fields that are locked."""


@dataclass(frozen=True, slots=True)
class Group:
    """One edit for several items of a library."""

    section: int
    rating_keys: tuple[int, ...]
    parameters: Parameters
    """The edit, without the items it is for."""


def grouped(edits: Iterable[ItemEdit], most: int = MOST_ITEMS) -> list[Group]:
    """Return the edits that go as one request for two or more items, `most` at the most; the others go alone.

    Of the locks an edit would take along those go that every item asks for or has. An edit that needs several
    requests goes alone.
    """
    alike: dict[tuple[int, tuple[tuple[str, str], ...]], list[ItemEdit]] = {}
    for one in edits:
        requests = requests_of(replace(one.edit, lock_too=set()))
        if len(requests) == 1:
            alike.setdefault((one.section, tuple(requests[0])), []).append(one)
    groups: list[Group] = []
    for (section, request), members in alike.items():
        size = min(most, len(members))
        while size > 1 and _length(request, members[:size]) > LONGEST_QUERY:
            size //= 2
        for start in range(0, len(members), size) if size > 1 else ():
            some = members[start : start + size]
            if len(some) > 1:
                keys = tuple(one.rating_key for one in some)
                groups.append(Group(section, keys, [*request, *_locks(some)]))
    return groups


def length_of(parameters: Parameters) -> int:
    """Return how many characters parameters take up in a request: brackets, which count entries, go encoded."""
    query = encode(parameters)
    return len(query) + 2 * (query.count("[") + query.count("]"))


def _length(request: Parameters, members: Sequence[ItemEdit]) -> int:
    return length_of([*_addressed_to([one.rating_key for one in members]), *request, *_locks(members)])


def _locks(members: Sequence[ItemEdit]) -> list[tuple[str, str]]:
    asked = {name for one in members for name in one.edit.lock_too}
    shared = (
        name for name in asked if all(name in one.edit.lock_too or PLEX_NAMES[name] in one.locked for one in members)
    )
    return [(f"{PLEX_NAMES[name]}.locked", "1") for name in sorted(shared)]


def _addressed_to(rating_keys: Sequence[int]) -> list[tuple[str, str]]:
    return [("type", MOVIE_TYPE), ("id", ",".join(map(str, rating_keys)))]


def _pieces(edit: Edit, *, divide: bool) -> list[list[tuple[str, str]]]:
    """Return the parameters of an edit in the pieces that one request must hold together.

    The entries of a list are numbered at the end, when it is known which request holds them.
    """
    pieces = []
    for name, value in edit.single.items():
        pieces.append([(f"{SINGLE_FIELDS[name]}.value", value), _lock_of(edit, name)])
    for name in edit.lists:
        tag = LIST_FIELDS[name]
        entries = [_entry(tag, role, edit) for role in edit.added.get(name, ())]
        gone = edit.removed.get(name, ())
        if not divide and entries:
            entries = [[parameter for entry in entries for parameter in entry]]
        portions = [gone[start : start + 50] for start in range(0, len(gone), 50)]
        entries += [[(f"{tag}[].tag.tag-", _joined(some))] for some in portions]
        entries[-1].append(_lock_of(edit, name))
        pieces += entries
    pieces += [[(f"{PLEX_NAMES[name]}.locked", "1")] for name in sorted(edit.lock_too)]
    return pieces


def _joined(names: Sequence[str]) -> str:
    """Each name is encoded on its own, so that a comma in it is none between two."""
    return ",".join(quote(name, safe="") for name in names)


def _numbered(parameters: Parameters) -> Parameters:
    """Return a request's parameters with the entries of each list counted from 0, and the names that go as one."""
    counts: dict[str, int] = {}
    numbered: dict[str, str] = {}
    for name, value in parameters:
        tag, mark, rest = name.partition("[#]")
        if mark and rest == ".tag.tag":
            counts[tag] = counts.get(tag, -1) + 1
        name = f"{tag}[{counts[tag]}]{rest}" if mark else name
        numbered[name] = f"{numbered[name]},{value}" if name in numbered else value
    return list(numbered.items())


def _lock_of(edit: Edit, name: str) -> tuple[str, str]:
    return f"{PLEX_NAMES[name]}.locked", "0" if name in edit.released else "1"


def _entry(tag: str, role: Role, edit: Edit) -> list[tuple[str, str]]:
    parameters = [(f"{tag}[#].tag.tag", role.name)]
    # What is not set anew is sent along, or it is lost where Plex makes the entry anew.
    if role.role or detail_key("role", role.name) in edit.details:
        parameters.append((f"{tag}[#].tagging.text", role.role))
    if public_thumb(role.thumb) or detail_key("thumb", role.name) in edit.details:
        parameters.append((f"{tag}[#].tag.thumb", role.thumb))
    return parameters


def _bound_of(parameters: Parameters) -> int:
    """Return what `length_of` is at the most, without encoding anything: three characters a byte of a value, and two
    brackets in a name."""
    return sum(len(name) + 6 + 3 * len(value.encode()) for name, value in parameters)


def _with_actors_anew(edit: Edit, item: PlexItem) -> Edit:
    """Return the edit with each actor whose role changes taken away first: removals of a request come before."""
    held = {role.name for role in item.actors}
    anew = tuple(
        role.name
        for role in edit.added.get("actors", ())
        if role.name in held and detail_key("role", role.name) in edit.details
    )
    removed = {**edit.removed, "actors": (*edit.removed.get("actors", ()), *anew)} if anew else edit.removed
    return replace(edit, removed=removed)


def without_rating(edit: Edit) -> Edit:
    """Return the edit without the rating, for a server that takes it by a request of its own alone."""
    return replace(edit, single={name: value for name, value in edit.single.items() if name != RATING})
