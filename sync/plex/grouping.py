"""Edits that are the same for many items, joined into one request for all of them. Pure.

Only edits whose whole requests are identical are joined. So each item gets what its own
request would have brought it, whether Plex adds the entries of a list or replaces it by them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sync.plex.client import Parameters
from sync.plex.difference import LIST_FIELDS, PICTURES, SINGLE_FIELDS, Edit
from sync.plex.edits import LONGEST_QUERY, addressed_to, fields, length_of

MOST_ITEMS = 100
"""Items in one edit. Plex names no limit; Kometa, which is in wide use, sends at most so many."""


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

    An edit that needs several requests goes alone, and no group's request is longer than
    `editor.LONGEST_QUERY`. Each item gets the locks that it asked for and no others.
    """
    alike: dict[tuple[int, tuple[tuple[str, str], ...]], list[ItemEdit]] = {}
    for one in edits:
        if request := tuple(_flat(replace(one.edit, lock_too=set()))):
            alike.setdefault((one.section, request), []).append(one)
    groups: list[Group] = []
    for (section, request), members in alike.items():
        length = length_of(request) if len(members) > 1 else 0
        if len(members) < 2 or length > LONGEST_QUERY:
            continue
        parts: list[_Part] = []
        for one in members:
            if not any(part.took(one, most) for part in parts):
                parts.append(_Part(one, length))
        groups += [
            Group(section, tuple(part.rating_keys), [*request, *part.locks])
            for part in parts
            if len(part.rating_keys) > 1
        ]
    return groups


class _Part:
    """A group that is being put together from edits whose requests, of this length, are the same but for the locks."""

    def __init__(self, first: ItemEdit, length: int) -> None:
        self.rating_keys = [first.rating_key]
        self._length = length
        self._asked = first.edit.lock_too
        self._harmless = _harmless(first)

    @property
    def locks(self) -> list[tuple[str, str]]:
        """The parameters of the locks that all items get."""
        return _flat(Edit(lock_too=self._asked))

    def took(self, one: ItemEdit, most: int) -> bool:
        """Take an item in, unless a lock that one of them asks for is not another's; return whether it did."""
        rating_keys = [*self.rating_keys, one.rating_key]
        asked, harmless = self._asked | one.edit.lock_too, self._harmless & _harmless(one)
        if len(rating_keys) > most or one.rating_key in self.rating_keys or not asked <= harmless:
            return False
        around = [*addressed_to(rating_keys), *_flat(Edit(lock_too=asked))]
        if self._length + 1 + length_of(around) > LONGEST_QUERY:
            return False
        self.rating_keys, self._asked, self._harmless = rating_keys, asked, harmless
        return True


def _harmless(one: ItemEdit) -> set[str]:
    """Return the fields that may be locked: the item is to have the lock, or has it."""
    plex_names = SINGLE_FIELDS | LIST_FIELDS | PICTURES
    return one.edit.lock_too | {name for name, plex_name in plex_names.items() if plex_name in one.locked}


def _flat(edit: Edit) -> list[tuple[str, str]]:
    return [parameter for part in fields(edit) for parameter in part]
