"""What an edit has to say: what Plex holds, what is wanted, what is ours. Pure.

Three rules decide:
- nothing is written that is the same already;
- PlexSync clears or removes only what it put there itself;
- under `preserve_plex_edits` it leaves what a person typed.

"Ours" is a value that was written last or was about to be written: a run that
was killed between a write and its confirmation leaves no value nobody remembers.
"""

import re
from dataclasses import dataclass, field

from sync.mapping import name_key
from sync.model import Memory, PlexItem, Role, Wanted
from sync.plex.media_paths import unify

SINGLE_FIELDS = {"title": "title", "summary": "summary", "studio": "studio", "date": "originallyAvailableAt"}
"""Our name of a field -> Plex's."""
LIST_FIELDS = {"actors": "actor", "genres": "genre"}


@dataclass(frozen=True, slots=True)
class ListEdit:
    """The whole list a field should hold, and what has to go.

    Both, because sources disagree whether Plex's `genre[0].tag.tag=x` adds to a
    list or replaces it: the whole list with the removals named ends right under either.
    """

    entries: tuple[Role, ...]
    removed: tuple[str, ...]
    foreign: frozenset[str]
    """Entries that stood in Plex before and are not ours."""


@dataclass(slots=True)
class Edit:
    """The difference between a Plex item and what it should hold. Keys are our names of fields."""

    single: dict[str, str] = field(default_factory=dict)
    lists: dict[str, ListEdit] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    """Fields that were ours and are given back: unlocked, for Plex's agents to fill."""
    lock_too: set[str] = field(default_factory=set)
    """Fields that are right already and not locked: worth a word in an edit that is sent anyway."""

    def __bool__(self) -> bool:
        return bool(self.single or self.lists)

    @property
    def fields(self) -> list[str]:
        """The names of the fields that change, for a log line."""
        return [*self.single, *self.lists]

    def intended(self) -> dict[str, list[str]]:
        """Return the values that may be in Plex as ours once this edit has been sent."""
        noted = {name: [value] for name, value in self.single.items() if name not in self.released}
        for name, change in self.lists.items():
            noted[name] = [role.name for role in change.entries if role.name not in change.foreign]
        return noted


def difference(item: PlexItem, wanted: Wanted, memory: Memory, *, preserve: bool) -> Edit:
    """Return the edit that brings `item` to what is wanted; an empty one where nothing is to be done."""
    edit = Edit()
    for name, plex_name in SINGLE_FIELDS.items():
        value = getattr(wanted, name)
        if value is None:
            continue
        _compare_single(edit, name, value, item, memory, preserve)
        if value and name not in edit.single and plex_name not in item.locked and not preserve:
            edit.lock_too.add(name)
    for name, plex_name in LIST_FIELDS.items():
        names = getattr(wanted, name)
        if names is None:
            continue
        change = _compare_list(_roles(item, name), names, _ours_in(name, memory), memory.sent.get(name, ()))
        if change:
            edit.lists[name] = change
            if not change.entries:
                edit.released.add(name)
        elif names and plex_name not in item.locked and not preserve:
            edit.lock_too.add(name)
    return edit


def remember(before: PlexItem, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> Memory:
    """Return what to remember of an item that was read `before` and `after` an edit (an empty one: not sent).

    What Plex made of a value is remembered beside what was sent, so that a value
    which Plex keeps in another form is not sent again and again.
    """
    kept = Memory()
    for name in SINGLE_FIELDS:
        value, now = getattr(wanted, name), getattr(after, name)
        # An edit of several fields of which Plex ignored this one has not made the old value ours.
        if name in edit.single and now != getattr(before, name):
            if name not in edit.released:
                kept.sent[name], kept.result[name] = value, now
        elif now and _is_ours(name, now, memory):
            kept.sent[name] = value if value == now else memory.sent.get(name, now)
            kept.result[name] = now
        elif name in memory.sent:
            # Somebody has changed it since. That it was written once stays known: a title that a person
            # set back to the file's name is not one that nobody has named yet.
            kept.sent[name], kept.result[name] = memory.sent[name], memory.result.get(name, "")
    for name in LIST_FIELDS:
        present = [role.name for role in _roles(after, name)]
        ours = _ours_in(name, memory)
        refused = list(memory.sent.get(name, ()))
        if name in edit.lists:
            # What was sent and is there now, in Plex's own spelling; not what a person added meanwhile.
            change = edit.lists[name]
            sent = {name_key(role.name) for role in change.entries if role.name not in change.foreign}
            ours |= {entry for entry in present if name_key(entry) in sent and entry not in change.foreign}
            foreign = {name_key(entry) for entry in change.foreign}
            refused = [
                entry
                for entry in getattr(wanted, name) or ()
                if entry not in present and name_key(entry) not in foreign
            ]
        owned = [entry for entry in present if entry in ours]
        if owned:
            kept.result[name] = owned
        if refused:
            kept.sent[name] = refused
    return kept


def is_taken(before: PlexItem, after: PlexItem, edit: Edit) -> bool:
    """Return whether Plex kept anything of an edit, as read back.

    An answer cut in its headers can look like a success, so nobody's word is taken for it.
    """
    if any(getattr(after, name) != getattr(before, name) for name in edit.single):
        return True
    return any(_roles(after, name) != _roles(before, name) for name in edit.lists)


def bears_file_name(item: PlexItem) -> bool:
    """Return whether an item's title is its file's name, as it is before anybody has named it."""
    return any(_plain(item.title) == _plain(_stem(file.path)) for file in item.files)


def _compare_single(edit: Edit, name: str, value: str, item: PlexItem, memory: Memory, preserve: bool) -> None:
    now: str = getattr(item, name)
    if value == now:
        return
    ours = bool(now) and _is_ours(name, now, memory)
    if not value:
        # A title is never empty in Plex: its file's name is what it bears without us.
        empty = _stem(item.files[0].path) if name == "title" and item.files else ""
        if ours and now != empty and (empty or name != "title"):
            edit.single[name] = empty
            edit.released.add(name)
        return
    if memory.sent.get(name) == value and memory.result.get(name) == now:
        return  # Plex keeps the value in a form of its own
    if preserve and now and not ours:
        untouched = name == "title" and name not in memory.sent and bears_file_name(item)
        if not untouched:
            return
    edit.single[name] = value


def _compare_list(
    current: tuple[Role, ...], names: tuple[str, ...], ours: set[str], refused: object
) -> ListEdit | None:
    present = {role.name: role for role in current}
    by_key = {name_key(role.name): role.name for role in current}
    wanted_keys = {name_key(name): name for name in names}
    never = set(refused) if isinstance(refused, (list, tuple)) else set()
    our_keys = {name_key(name) for name in ours}
    # A name that differs in case alone counts as there, unless it is ours and Stash spells it anew. One
    # that Plex did not take as it was sent is not sent again, until what Plex made of it has gone.
    missing = [
        name
        for name in names
        if name not in present
        and not (name in never and (name_key(name) in by_key or name_key(name) not in our_keys))
        and by_key.get(name_key(name), name) in ours | {name}
    ]
    removed = [
        name
        for name in present
        if name in ours
        and name not in names
        # Plex may take two spellings for one tag: the old one goes once the new one stands beside it.
        and (name_key(name) not in wanted_keys or wanted_keys[name_key(name)] in present)
    ]
    if not missing and not removed:
        return None
    entries = []
    for name in names:
        stands_as = name if name in present or name in missing else by_key.get(name_key(name), name)
        entries.append(present.get(stands_as, Role(name)))
    taken = {role.name for role in entries}
    respelt = {name_key(name) for name in missing}
    entries += [
        role
        for role in current
        if role.name not in removed
        and role.name not in taken
        # Our own old spelling is not sent beside the new one; a person's two spellings both stay.
        and not (role.name in ours and name_key(role.name) in respelt)
    ]
    return ListEdit(tuple(entries), tuple(removed), frozenset(present) - ours)


def _is_ours(name: str, now: str, memory: Memory) -> bool:
    return now == memory.result.get(name) or now in memory.intended.get(name, ())


def _ours_in(name: str, memory: Memory) -> set[str]:
    written = memory.result.get(name, ())
    return {*(written if isinstance(written, list) else ()), *memory.intended.get(name, ())}


def _roles(item: PlexItem, name: str) -> tuple[Role, ...]:
    return item.actors if name == "actors" else tuple(Role(genre) for genre in item.genres)


def _stem(path: str) -> str:
    base = unify(path).rpartition("/")[2]
    stem, dot, _ = base.rpartition(".")
    return stem if dot and stem else base


def _plain(text: str) -> str:
    """Plex may show a file's name with its dots and underscores as blanks."""
    return re.sub(r"[\s._-]+", " ", text).strip().casefold()
