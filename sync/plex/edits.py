"""An edit, as requests to Plex: `PUT /library/sections/<id>/all`, all of it query string."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from sync.model import Role
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import DETAILS, LIST_FIELDS, PICTURES, SINGLE_FIELDS, Edit, ListEdit, detail_key
from sync.plex.exceptions import PlexItemGone
from sync.plex.items import read_items
from sync.text.clean import name_key

LONGEST_QUERY = 7_800
"""Characters of an edit's own query; Plex names no limit, servers and proxies have theirs. With the path, the
type and the item before it a request stays within 8,000."""

MOST_CARRIED = 6_000
"""Characters of a person's entries that each piece of a long list may carry along."""

MOVIE_TYPE = "1"


def send(client: PlexClient, section: int, rating_key: int, edit: Edit) -> int:
    """Write an edit to one item; return how many edits it took (one, unless it is very long).

    Raises the errors of `plex/exceptions.py`; PlexItemGone when the item is not there.
    """

    sent = 0

    def put(parameters: Parameters) -> None:
        nonlocal sent
        sent += 1
        send_to_all(client, section, [rating_key], parameters)

    whole = [parameter for group in fields(edit) for parameter in group]
    if whole and bound_of(whole) <= LONGEST_QUERY:  # nearly every edit
        put(whole)
        return sent
    long = {} if client.replaces_lists else {name: change for name, change in edit.lists.items() if is_long(edit, name)}
    short = replace(edit, lists={name: change for name, change in edit.lists.items() if name not in long})
    for part in split(short):
        put(part)
    for name in long:
        for piece in divide(edit, name):
            put(piece)
        if _lacks(client, rating_key, name, edit.lists[name]):
            # Here a list that is given replaces the one that is there: there is no way but one long request.
            client.replaces_lists = True
            put(_list_group(edit, name))
    return sent


def send_to_all(client: PlexClient, section: int, rating_keys: Sequence[int], parameters: Parameters) -> None:
    """Write the same to several items of a library, in one request; see `plex/grouping.py`.

    Raises the errors of `plex/exceptions.py`; PlexItemGone when none of them is there, or maybe one is not.
    """
    client.put(f"/library/sections/{section}/all", [*addressed_to(rating_keys), *parameters])


def addressed_to(rating_keys: Sequence[int]) -> list[tuple[str, str]]:
    """Return the parameters that say which items an edit is for."""
    return [("type", MOVIE_TYPE), ("id", ",".join(map(str, rating_keys)))]


def _lacks(client: PlexClient, rating_key: int, name: str, change: ListEdit) -> bool:
    item = read_items(client, [rating_key]).get(rating_key)
    if item is None:
        raise PlexItemGone(f"item {rating_key}")
    held = {name_key(entry if isinstance(entry, str) else entry.name) for entry in getattr(item, name)}
    return any(name_key(role.name) not in held for role in change.entries)


def rate(client: PlexClient, rating_key: int, rating: str) -> None:
    """Set the token owner's rating of an item, 0 to 10; an empty one takes it back.

    Raises the errors of `plex/exceptions.py`; PlexItemGone when the item is not there.
    """
    client.put(
        "/:/rate",
        # python-plexapi sends -1 to take a rating back.
        [("key", str(rating_key)), ("identifier", "com.plexapp.plugins.library"), ("rating", rating or "-1")],
    )


def split(edit: Edit) -> list[Parameters]:
    """Return an edit's parameters, in as many requests as their length asks for. A field is never divided."""
    parts: list[list[tuple[str, str]]] = []
    length = 0
    for parameters in fields(edit):
        own = length_of(parameters) + 1
        if not parts or length + own > LONGEST_QUERY:
            parts.append([])
            length = 0
        parts[-1] += parameters
        length += own
    return list(parts)


def length_of(parameters: Parameters) -> int:
    """Return how many characters parameters take up in a request: brackets, which count entries, go encoded."""
    query = encode(parameters)
    return len(query) + 2 * (query.count("[") + query.count("]"))


def bound_of(parameters: Parameters) -> int:
    """Return what `length_of` is at the most, without encoding anything: three characters a byte of a value, and two
    brackets in a name."""
    return sum(len(name) + 6 + 3 * len(value.encode()) for name, value in parameters)


def is_long(edit: Edit, name: str) -> bool:
    """Return whether a list alone is more than one request should carry."""
    return length_of(_list_group(edit, name)) > LONGEST_QUERY


def divide(edit: Edit, name: str) -> list[Parameters]:
    """Return a long list's parameters, in several requests that add up to it where Plex adds.

    Where Plex replaces the list, the last request's part of it is left. So each of
    them carries the entries that are a person's: whatever happens in between, none is lost.
    Where these alone fill a request, dividing would win nothing, and one long request it is.
    """
    tag, change = LIST_FIELDS[name], edit.lists[name]
    theirs = [role for role in change.entries if role.name in change.foreign]
    ours = [role for role in change.entries if role.name not in change.foreign]
    told = any(detail_key(what, role.name) in change.details for role in theirs for what in DETAILS)
    carried = sum(length_of(_entry(tag, 999, role, change)) + 1 for role in theirs)
    if (ours or told) and carried > MOST_CARRIED:
        return [_list_group(edit, name)]
    lengths = [(role, length_of(_entry(tag, 999, role, change))) for role in ours]
    gone = [(entry, len(quote(quote(entry, safe=""), safe="")) + 3) for entry in change.removed]
    pieces: list[Parameters] = [
        list_parameters(tag, replace(change, entries=(*theirs, *some), removed=()))
        for some in _portions(lengths, carried + 40) or ([[]] if told else [])
    ]
    pieces += [list_parameters(tag, ListEdit((), tuple(some), frozenset())) for some in _portions(gone, 40)]
    return [*pieces[:-1], [*pieces[-1], _lock_of(edit, name)]]


_T = TypeVar("_T")


def _portions(entries: list[tuple[_T, int]], overhead: int) -> list[list[_T]]:
    """Return entries, given with their lengths, in portions that a request carries beside `overhead` characters."""
    portions: list[list[_T]] = []
    length = 0
    for entry, own in entries:
        if not portions or length + own > LONGEST_QUERY:
            portions.append([])
            length = overhead
        portions[-1].append(entry)
        length += own + 1
    return portions


def _list_group(edit: Edit, name: str) -> list[tuple[str, str]]:
    return [*list_parameters(LIST_FIELDS[name], edit.lists[name]), _lock_of(edit, name)]


def _lock_of(edit: Edit, name: str) -> tuple[str, str]:
    return f"{(SINGLE_FIELDS | LIST_FIELDS)[name]}.locked", "0" if name in edit.released else "1"


def fields(edit: Edit) -> list[list[tuple[str, str]]]:
    """Return the parameters of each field of an edit; the rating is not among them."""
    groups = []
    for name, value in edit.metadata.single.items():
        groups.append([(f"{SINGLE_FIELDS[name]}.value", value), _lock_of(edit, name)])
    groups += [_list_group(edit, name) for name in edit.lists]
    plex_names = SINGLE_FIELDS | LIST_FIELDS | PICTURES
    groups += [[(f"{plex_names[name]}.locked", "1")] for name in sorted(edit.lock_too)]
    return groups


def list_parameters(tag: str, change: ListEdit) -> list[tuple[str, str]]:
    """Return the parameters of one list: every entry it should hold, and the names that go."""
    parameters: list[tuple[str, str]] = []
    for index, role in enumerate(change.entries):
        parameters += _entry(tag, index, role, change)
    if change.removed:
        # Each name is encoded on its own, so that a comma in it is none between two.
        parameters.append((f"{tag}[].tag.tag-", ",".join(quote(name, safe="") for name in change.removed)))
    return parameters


def _entry(tag: str, index: int, role: Role, change: ListEdit) -> list[tuple[str, str]]:
    parameters = [(f"{tag}[{index}].tag.tag", role.name)]
    # What is not set anew is sent again with the list, or it is lost where Plex takes the list for a replacement.
    if role.role or _sets("role", role, change):
        parameters.append((f"{tag}[{index}].tagging.text", role.role))
    if _is_public(role.thumb) or _sets("thumb", role, change):
        parameters.append((f"{tag}[{index}].tag.thumb", role.thumb))
    return parameters


def _sets(what: str, role: Role, change: ListEdit) -> bool:
    return bool(change.details) and detail_key(what, role.name) in change.details


def _is_public(thumb: str) -> bool:
    """A picture that was written when the user let Stash's key be given away is not sent on with another list."""
    return thumb.startswith(("http://", "https://")) and "apikey=" not in thumb.casefold()
