"""What an edit has to say: what Plex holds, what is wanted, what is ours. Pure.

Three rules decide: nothing is written that is the same already; PlexSync clears or removes only what it put there
itself; under `preserve_plex_edits` it leaves what a person typed. "Ours" is a value that was written last or was about
to be written. So a run that was killed between a write and its confirmation leaves no value nobody remembers.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sync.model import LIST_FIELDS, RATING, SINGLE_FIELDS, Memory, PlexItem, Role, Wanted
from sync.text.clean import name_key
from sync.text.media_paths import plain, stem

DETAILS = ("role", "thumb")  # what an actor has beside the name


@dataclass(slots=True)
class Edit:
    """The difference between a Plex item and what it should hold. Keys are our names of fields."""

    single: dict[str, str] = field(default_factory=dict)
    # List -> the entries that lack, and actors whose role or picture changes.
    added: dict[str, tuple[Role, ...]] = field(default_factory=dict)
    removed: dict[str, tuple[str, ...]] = field(default_factory=dict)  # list -> the names that go
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
        """Give the values that may be in Plex as ours once this edit has been sent."""
        noted = {name: [value] for name, value in self.single.items() if name not in self.released}
        for name, roles in self.added.items():
            noted[name] = [role.name for role in roles if role.name not in self.foreign[name]]
        for role in self.added.get("actors", ()):
            keys = {what: detail_key(what, role.name) for what in DETAILS}
            noted |= {key: [mark(what, getattr(role, what))] for what, key in keys.items() if key in self.details}
        return noted


def outline(edit: Edit) -> str:
    """Tell what an edit contains by the names of its fields, for a log line: no value of any."""
    said = [f"{name} emptied" if name in edit.released else name for name in edit.single]
    counts = [(name, len(edit.added.get(name, ())), len(edit.removed.get(name, ()))) for name in edit.lists]
    said += [f"{name} ({added} to add, {gone} to take away)" for name, added, gone in counts]
    return f"to write: {', '.join(said)}" if said else "nothing to write"


def difference(item: PlexItem, wanted: Wanted, memory: Memory, *, preserve: bool) -> Edit:
    """Give the edit that brings `item` to what is wanted; an empty one where nothing is to be done."""
    edit = Edit()
    for name, plex_name in (SINGLE_FIELDS | LIST_FIELDS).items():
        value = getattr(wanted, name)
        if value is None:
            continue
        if name in SINGLE_FIELDS:
            _compare_single(edit, name, value, item, memory, preserve)
        else:
            _compare_list(edit, name, item.roles(name), wanted.roles(name) or (), memory, preserve)
        if value and not preserve and name not in (*edit.fields, RATING) and plex_name not in item.locked:
            edit.lock_too.add(name)
    return edit


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
    keys = {name_key(entry) for entry in present}
    # Entries of others that an unconfirmed edit met and that are gone: a server has replaced the list.
    lost = {entry[0]: Role(*entry) for entry in memory.kept.get(name, ()) if name_key(entry[0]) not in keys}
    ours = ours_in(name, memory, present) - lost.keys()
    added, removed = _names_that_differ(present, [role.name for role in wanted], ours, set(memory.sent.get(name, ())))
    roles = {entry: Role(entry) for entry in added} | lost
    if name == "actors":
        staying = [role for role in current if role.name not in removed]
        roles, edit.details = _with_details(staying, wanted, roles, ours, memory, preserve)
    if roles:
        edit.added[name] = tuple(roles.values())
    if removed:
        edit.removed[name] = tuple(removed)
    if roles or removed:
        edit.foreign[name] = frozenset(present) - ours | lost.keys()
        if not wanted and not roles and len(removed) == len(present):
            edit.released.add(name)


def _names_that_differ(
    present: Collection[str], wanted: Collection[str], ours: Collection[str], refused: Collection[str]
) -> tuple[list[str], list[str]]:
    by_key = {name_key(name): name for name in present}
    wanted_by_key = {name_key(name): name for name in wanted}
    never = {name for name in refused if name_key(name) in by_key or name_key(name) not in set(map(name_key, ours))}
    # A name that differs in case alone counts as there, unless it is ours and Stash spells it anew. One
    # that Plex did not take as it was sent is not sent again, until what Plex made of it has gone.
    added = [
        name
        for name in wanted
        if name not in present and name not in never and by_key.get(name_key(name), name) in {*ours, name}
    ]
    # Plex may take two spellings for one tag: the old one goes once the new one stands beside it.
    removed = [
        name
        for name in present
        if name in ours and name not in wanted and wanted_by_key.get(name_key(name), name) in present
    ]
    return added, removed


def _with_details(
    current: list[Role],
    wanted: tuple[Role, ...],
    added: dict[str, Role],
    ours: set[str],
    memory: Memory,
    preserve: bool,
) -> tuple[dict[str, Role], frozenset[str]]:
    """Give the actors to send, those that are `added` or whose role or picture changes, and which of these change.

    A role or a picture is written where there is none, where it is what we wrote, and without `preserve` for every
    actor of ours. What we wrote and nobody wants any more is taken back, from a person's actor too.
    """
    held = {name_key(role.name): role for role in current}
    coming = {name_key(name): role for name, role in added.items()}
    asked = {name_key(role.name): role for role in wanted}
    sent: dict[str, Role] = {}
    details: set[str] = set()
    for key in held | coming:
        now = held.get(key) or coming[key]
        new = replace(now, name=coming[key].name) if key in coming else now
        for what in DETAILS:
            value, holds = getattr(asked.get(key, Role(now.name)), what), getattr(now, what)
            detail, shown = detail_key(what, now.name), mark(what, holds)
            if value == holds:
                continue
            if key in held and memory.sent.get(detail) == mark(what, value) and memory.result.get(detail) == shown:
                continue  # Plex keeps it in a form of its own, or not at all
            is_written = shown in (memory.result.get(detail), *memory.intended.get(detail, ()))
            if is_written or (value and (not holds or (now.name in ours and not preserve))):
                new = replace(new, **{what: value})
                details.add(detail)
        if new != now or key in coming:
            sent[new.name] = new
    return sent, frozenset(details)


def staying(item: PlexItem, edit: Edit, name: str) -> list[Role]:
    """Give the entries of a list that stand in Plex and are not taken away."""
    return [role for role in item.roles(name) if role.name not in edit.removed.get(name, ())]


def untouched(item: PlexItem, edit: Edit, name: str) -> list[Role]:
    """Give the entries of a list that an edit neither sends nor takes away."""
    anew = {name_key(role.name) for role in edit.added[name]}
    return [role for role in staying(item, edit, name) if name_key(role.name) not in anew]


def may_teach(item: PlexItem, edit: Edit) -> bool:
    """Tell whether the read-back of this edit shows if the server adds to lists or replaces them."""
    return any(untouched(item, edit, name) for name in edit.added)


def whole_lists(item: PlexItem, edit: Edit) -> Edit:
    """Give the same edit with each list that gets something given whole, for a server that replaces lists."""
    whole = {}
    for name, roles in edit.added.items():
        sent = {role.name: role for role in roles}
        keys = {name_key(role.name) for role in roles}
        # Our own old spelling is not sent beside the new one; a person's two spellings both stay.
        held = {
            role.name: role
            for role in staying(item, edit, name)
            if name_key(role.name) not in keys or role.name in sent or role.name in edit.foreign[name]
        }
        whole[name] = tuple((held | sent).values())
    return replace(edit, added=whole)


def kept_entries(item: PlexItem, edit: Edit) -> dict[str, list[list[str]]]:
    """Give what a replacing server would lose by this edit, as `Memory.kept` has it."""
    kept: dict[str, list[list[str]]] = {}
    for name in edit.added:
        if entries := staying(item, edit, name):
            theirs = [role for role in entries if role.name in edit.foreign[name]]
            kept[name] = [[role.name, role.role, public_thumb(role.thumb)] for role in theirs]
    return kept


def bears_file_name(item: PlexItem) -> bool:
    """Tell whether an item's title is its file's name, as it is before anybody has named it."""
    return any(plain(item.title) == plain(stem(file.path)) for file in item.files)


def detail_key(what: str, name: str) -> str:
    """Give the key under which an actor's `role` or `thumb` is remembered."""
    return f"{what}/{name_key(name)}"


def mark(what: str, value: str) -> str:
    """Give what is remembered of a role or a picture; of a picture's address a digest, for a key may be in it."""
    return value if what == "role" or not value else hashlib.sha256(value.encode()).hexdigest()[:16]


def public_thumb(thumb: str) -> str:
    """Give an actor's picture where it may be sent on: no address of Plex's own, none with Stash's key in it."""
    return thumb if thumb.startswith(("http://", "https://")) and "apikey=" not in thumb.casefold() else ""


def is_ours(name: str, now: str, memory: Memory) -> bool:
    """Tell whether a single field holds what we wrote or were about to write."""
    return now == memory.result.get(name) or now in memory.intended.get(name, ())


def ours_in(name: str, memory: Memory, present: Collection[str]) -> set[str]:
    """Give what is ours of a list in which `present` stands."""
    intended = memory.intended.get(name, ())
    # What nobody confirmed may stand there as Plex spells it.
    unseen = {name_key(entry) for entry in intended if entry not in present}
    respelt = [entry for entry in present if name_key(entry) in unseen]
    return {*memory.result.get(name, ()), *intended, *respelt}
