"""What an edit has to say: what Plex holds, what is wanted, what is ours. Pure.

Three rules decide:
- nothing is written that is the same already;
- PlexSync clears or removes only what it put there itself;
- under `preserve_plex_edits` it leaves what a person typed.

"Ours" is a value that was written last or was about to be written. So a run that
was killed between a write and its confirmation leaves no value nobody remembers.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sync.model import LIST_FIELDS, RATING, SINGLE_FIELDS, Memory, PlexItem, Role, Wanted
from sync.plex.media_paths import plain, stem
from sync.text.clean import name_key

DETAILS = ("role", "thumb")
"""What an actor has beside the name."""


@dataclass(slots=True)
class Edit:
    """The difference between a Plex item and what it should hold. Keys are our names of fields."""

    single: dict[str, str] = field(default_factory=dict)
    added: dict[str, tuple[Role, ...]] = field(default_factory=dict)
    """List -> the entries that lack, and actors whose role or picture changes."""
    removed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """List -> the names that go."""
    foreign: dict[str, frozenset[str]] = field(default_factory=dict)
    """List -> names that are not ours, whether they stand in Plex or are brought back."""
    details: frozenset[str] = frozenset()
    """The roles and pictures of actors that this edit sets, some to nothing; see `detail_key`."""
    released: set[str] = field(default_factory=set)
    """Fields that were ours and are given back: unlocked, for Plex's agents to fill."""
    lock_too: set[str] = field(default_factory=set)
    """Fields that are right already and not locked: worth a word in an edit that is sent anyway."""

    def __bool__(self) -> bool:
        return bool(self.single or self.added or self.removed)

    @property
    def lists(self) -> list[str]:
        """The lists that change."""
        return [name for name in LIST_FIELDS if name in self.added or name in self.removed]

    @property
    def fields(self) -> list[str]:
        """The names of the fields that change, for a log line."""
        return [*self.single, *self.lists]

    def intended(self) -> dict[str, list[str]]:
        """Return the values that may be in Plex as ours once this edit has been sent."""
        noted = {name: [value] for name, value in self.single.items() if name not in self.released}
        for name, roles in self.added.items():
            noted[name] = [role.name for role in roles if role.name not in self.foreign[name]]
        for role in self.added.get("actors", ()) if self.details else ():
            for what in DETAILS:
                if (key := detail_key(what, role.name)) in self.details:
                    noted[key] = [mark(what, getattr(role, what))]
        return noted


def outline(edit: Edit) -> str:
    """Return what an edit contains by the names of its fields, for a log line: no value of any."""
    said = [f"{name} emptied" if name in edit.released else name for name in edit.single]
    said += [
        f"{name} ({len(edit.added.get(name, ()))} to add, {len(edit.removed.get(name, ()))} to take away)"
        for name in edit.lists
    ]
    return f"to write: {', '.join(said)}" if said else "nothing to write"


def difference(item: PlexItem, wanted: Wanted, memory: Memory, *, preserve: bool) -> Edit:
    """Return the edit that brings `item` to what is wanted; an empty one where nothing is to be done."""
    edit = Edit()
    for name, plex_name in SINGLE_FIELDS.items():
        value = getattr(wanted, name)
        if value is None:
            continue
        _compare_single(edit, name, value, item, memory, preserve)
        if value and name not in edit.single and plex_name not in item.locked and not preserve and name != RATING:
            edit.lock_too.add(name)
    for name, plex_name in LIST_FIELDS.items():
        entries = wanted_roles(wanted, name)
        if entries is None:
            continue
        _compare_list(edit, name, roles_of(item, name), entries, memory, preserve)
        if name not in edit.lists and entries and plex_name not in item.locked and not preserve:
            edit.lock_too.add(name)
    return edit


def staying(item: PlexItem, edit: Edit, name: str) -> list[Role]:
    """Return the entries of a list that stand in Plex and are not taken away."""
    return [role for role in roles_of(item, name) if role.name not in edit.removed.get(name, ())]


def may_teach(item: PlexItem, edit: Edit) -> bool:
    """Return whether the read-back of this edit shows if the server adds to lists or replaces them."""
    return any(untouched(item, edit, name) for name in edit.added)


def whole_lists(item: PlexItem, edit: Edit) -> Edit:
    """Return the same edit with each list that gets something given whole, for a server that replaces lists."""
    whole = {}
    for name, roles in edit.added.items():
        sent = {role.name: role for role in roles}
        keys = {name_key(role.name) for role in roles}
        # Our own old spelling is not sent beside the new one; a person's two spellings both stay.
        held = [
            role
            for role in staying(item, edit, name)
            if name_key(role.name) not in keys or role.name in sent or role.name in edit.foreign[name]
        ]
        whole[name] = (*(sent.pop(role.name, role) for role in held), *sent.values())
    return replace(edit, added=whole)


def kept_entries(item: PlexItem, edit: Edit) -> dict[str, list[list[str]]]:
    """Return what a replacing server would lose by this edit, as `Memory.kept` has it."""
    kept = {
        name: [[role.name, role.role, public_thumb(role.thumb)] for role in staying(item, edit, name)]
        for name in edit.added
    }
    return {
        name: [entry for entry in entries if entry[0] in edit.foreign[name]]
        for name, entries in kept.items()
        if entries
    }


def bears_file_name(item: PlexItem) -> bool:
    """Return whether an item's title is its file's name, as it is before anybody has named it."""
    return any(plain(item.title) == plain(stem(file.path)) for file in item.files)


def detail_key(what: str, name: str) -> str:
    """Return what an actor's `role` or `thumb` is remembered under."""
    return f"{what}/{name_key(name)}"


def public_thumb(thumb: str) -> str:
    """Return an actor's picture where it may be sent on: no address of Plex's own, none with Stash's key in it."""
    return thumb if thumb.startswith(("http://", "https://")) and "apikey=" not in thumb.casefold() else ""


def roles_of(item: PlexItem, name: str) -> tuple[Role, ...]:
    """Return the entries of a list of an item."""
    return item.actors if name == "actors" else _as_roles(getattr(item, name))


def untouched(item: PlexItem, edit: Edit, name: str) -> list[Role]:
    """Return the entries of a list that an edit neither sends nor takes away."""
    anew = {name_key(role.name) for role in edit.added[name]}
    return [role for role in staying(item, edit, name) if name_key(role.name) not in anew]


def _compare_single(edit: Edit, name: str, value: str, item: PlexItem, memory: Memory, preserve: bool) -> None:
    now: str = getattr(item, name)
    if value == now:
        return
    ours = bool(now) and is_ours(name, now, memory)
    if not value:
        # A title is never empty in Plex: its file's name is what it bears without us.
        empty = stem(item.files[0].path) if name == "title" and item.files else ""
        if ours and now != empty and (empty or name != "title"):
            edit.single[name] = empty
            edit.released.add(name)
        return
    if memory.sent.get(name) == value and memory.result.get(name) == now:
        return  # Plex keeps the value in a form of its own
    if now and not ours and (preserve or name == RATING):
        locked = SINGLE_FIELDS[name] in item.locked  # as it is after a person's edit in Plex's own pages
        if name == "title":
            free = bears_file_name(item) and not (locked and name in memory.sent)
        else:
            # Nobody has named the item yet. A run that was killed had found that, and may have named it since.
            unnamed = bears_file_name(item) or "title" in edit.released or name in memory.intended
            free = unnamed and not locked and name not in memory.sent and name != RATING  # no agent rates
        if not free:
            return
    edit.single[name] = value


def _compare_list(
    edit: Edit, name: str, current: tuple[Role, ...], wanted: tuple[Role, ...], memory: Memory, preserve: bool
) -> None:
    present = {role.name: role for role in current}
    names = [role.name for role in wanted]
    ours = ours_in(name, memory, present)
    lost = _lost_to_a_replacement(name, present, memory)
    ours -= {role.name for role in lost}
    added, removed = _names_that_differ(present, names, ours, memory.sent.get(name, ()))
    roles = {entry: Role(entry) for entry in added}
    roles |= {role.name: role for role in lost}
    if name == "actors":
        staying = tuple(role for role in current if role.name not in removed)
        roles |= _with_details(edit, staying, wanted, roles, ours, memory, preserve)
    if roles:
        edit.added[name] = tuple(roles.values())
    if removed:
        edit.removed[name] = tuple(removed)
    if roles or removed:
        edit.foreign[name] = frozenset((*(entry for entry in present if entry not in ours), *(r.name for r in lost)))
        if not names and not roles and len(removed) == len(present):
            edit.released.add(name)


def _lost_to_a_replacement(name: str, present: Collection[str], memory: Memory) -> list[Role]:
    """Return entries of others that an unconfirmed edit met and that are gone: a server replaced the list."""
    held = {name_key(entry) for entry in present}
    return [Role(*entry) for entry in memory.kept.get(name, ()) if name_key(entry[0]) not in held]


def _names_that_differ(
    present: Collection[str], names: Collection[str], ours: set[str], refused: object
) -> tuple[list[str], list[str]]:
    """Return the names that lack, and those that go."""
    if all(name in present for name in names) and not any(name in ours and name not in names for name in present):
        return [], []  # as a rule
    by_key = {name_key(name): name for name in present}
    wanted_keys = {name_key(name): name for name in names}
    never = set(refused) if isinstance(refused, (list, tuple)) else set()
    our_keys = {name_key(name) for name in ours}
    # A name that differs in case alone counts as there, unless it is ours and Stash spells it anew. One
    # that Plex did not take as it was sent is not sent again, until what Plex made of it has gone.
    added = [
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
    return added, removed


def _with_details(
    edit: Edit,
    current: tuple[Role, ...],
    wanted: tuple[Role, ...],
    added: dict[str, Role],
    ours: set[str],
    memory: Memory,
    preserve: bool,
) -> dict[str, Role]:
    """Return the actors to send for their roles and pictures, those that are `added` among them.

    A role or a picture is written where there is none, where it is what we wrote,
    and without `preserve` for every actor of ours. What we wrote and nobody wants any
    more is taken back.
    """
    present = {name_key(role.name): role for role in current}
    coming = {name_key(name): role for name, role in added.items()}
    named = {name_key(role.name) for role in wanted}
    sent: dict[str, Role] = {}
    sets: set[str] = set()
    # A person's actor whom Stash has no more keeps nothing that we gave it.
    for role in (*wanted, *(Role(role.name) for role in current if name_key(role.name) not in named)):
        key = name_key(role.name)
        if key not in present and key not in coming:
            continue
        now = present.get(key, Role(role.name))
        new = replace(now, name=coming[key].name) if key in coming else now
        for what in DETAILS:
            value, held = getattr(role, what), getattr(now, what)
            if value == held:
                continue
            detail, new_mark, holds = detail_key(what, role.name), mark(what, value), mark(what, held)
            if key in present and memory.sent.get(detail) == new_mark and memory.result.get(detail) == holds:
                continue  # Plex keeps it in a form of its own, or not at all
            written = holds in (memory.result.get(detail), *memory.intended.get(detail, ()))
            if (not held or written or (now.name in ours and not preserve)) if value else written:
                new = replace(new, role=value) if what == "role" else replace(new, thumb=value)
                sets.add(detail)
        if new != now or key in coming:
            sent[new.name] = new
    edit.details = frozenset(sets)
    return sent


def mark(what: str, value: str) -> str:
    """Return what is remembered of a role or a picture; of a picture's address a digest, for a key may be in it."""
    if what == "role" or not value:
        return value
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def is_ours(name: str, now: str, memory: Memory) -> bool:
    """Return whether a single field holds what we wrote or were about to write."""
    return now == memory.result.get(name) or now in memory.intended.get(name, ())


def ours_in(name: str, memory: Memory, present: Collection[str]) -> set[str]:
    """Return what is ours of a list in which `present` stands."""
    written, intended = memory.result.get(name, ()), memory.intended.get(name, ())
    # What nobody confirmed may stand there as Plex spells it.
    unseen = {name_key(entry) for entry in intended if entry not in present}
    respelt = {entry for entry in present if name_key(entry) in unseen} if unseen else set()
    return {*(written if isinstance(written, list) else ()), *intended, *respelt}


def wanted_roles(wanted: Wanted, name: str) -> tuple[Role, ...] | None:
    """Return the entries that a list should hold; None where PlexSync has no say in it."""
    if name == "actors":
        return wanted.actors
    names: tuple[str, ...] | None = getattr(wanted, name)
    return None if names is None else _as_roles(names)


def _as_roles(names: Collection[str]) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)
