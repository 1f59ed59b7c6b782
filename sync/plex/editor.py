"""An edit, as requests to Plex: `PUT /library/sections/<id>/all`, all of it query string."""

from urllib.parse import quote

from sync.model import Role
from sync.plex.client import Parameters, PlexClient, encode
from sync.plex.difference import LIST_FIELDS, SINGLE_FIELDS, Edit, ListEdit

LONGEST_QUERY = 8_000
"""Characters of an edit's query; Plex names no limit, servers and proxies have theirs."""

MOVIE_TYPE = "1"


def send(client: PlexClient, section: int, rating_key: int, edit: Edit) -> int:
    """Write an edit to one item; return how many requests it took (one, unless it is very long).

    Raises the errors of `plex/exceptions.py`; PlexItemGone when the item is not there.
    """
    parts = split(edit)
    for part in parts:
        client.put(f"/library/sections/{section}/all", [("type", MOVIE_TYPE), ("id", str(rating_key)), *part])
    return len(parts)


def split(edit: Edit) -> list[Parameters]:
    """Return an edit's parameters, in as many requests as their length asks for.

    A field is never divided: half a list would replace the whole one, where Plex
    takes it for a replacement.
    """
    parts: list[list[tuple[str, str]]] = []
    length = 0
    for parameters in fields(edit):
        own = len(encode(parameters)) + 1
        if not parts or length + own > LONGEST_QUERY:
            parts.append([])
            length = 0
        parts[-1] += parameters
        length += own
    return list(parts)


def fields(edit: Edit) -> list[list[tuple[str, str]]]:
    """Return the parameters of each field of an edit."""
    groups = []
    for name, value in edit.single.items():
        lock = "0" if name in edit.released else "1"
        groups.append([(f"{SINGLE_FIELDS[name]}.value", value), (f"{SINGLE_FIELDS[name]}.locked", lock)])
    for name, change in edit.lists.items():
        lock = "0" if name in edit.released else "1"
        groups.append([*list_parameters(LIST_FIELDS[name], change), (f"{LIST_FIELDS[name]}.locked", lock)])
    plex_names = SINGLE_FIELDS | LIST_FIELDS
    groups += [[(f"{plex_names[name]}.locked", "1")] for name in sorted(edit.lock_too)]
    return groups


def list_parameters(tag: str, change: ListEdit) -> list[tuple[str, str]]:
    """Return the parameters of one list: every entry it should hold, and the names that go."""
    parameters = [parameter for index, role in enumerate(change.entries) for parameter in _entry(tag, index, role)]
    if change.removed:
        # Each name is encoded on its own, so that a comma in it is none between two.
        parameters.append((f"{tag}[].tag.tag-", ",".join(quote(name, safe="") for name in change.removed)))
    return parameters


def _entry(tag: str, index: int, role: Role) -> list[tuple[str, str]]:
    parameters = [(f"{tag}[{index}].tag.tag", role.name)]
    # Sent again with the list, or it is lost where Plex takes the list for a replacement.
    if role.role:
        parameters.append((f"{tag}[{index}].tagging.text", role.role))
    if role.thumb.startswith(("http://", "https://")):
        parameters.append((f"{tag}[{index}].tag.thumb", role.thumb))
    return parameters
