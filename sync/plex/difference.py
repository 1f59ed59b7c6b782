"""What an edit has to say: what Plex holds, what is wanted, what is ours. Pure.

Three rules decide:
- nothing is written that is the same already;
- PlexSync clears or removes only what it put there itself;
- under `preserve_plex_edits` it leaves what a person typed.

"Ours" is a value that was written last or was about to be written: a run that
was killed between a write and its confirmation leaves no value nobody remembers.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from sync.model import Memory, PlexItem, Role, Wanted
from sync.plex.media_paths import plain, stem
from sync.text.clean import name_key

RATING = "rating"
"""A single field that Plex takes by a request of its own, and that has no lock."""
SINGLE_FIELDS = {
    "title": "title",
    "summary": "summary",
    "studio": "studio",
    "date": "originallyAvailableAt",
    "content_rating": "contentRating",
    "tagline": "tagline",
    "original_title": "originalTitle",
    RATING: "userRating",
}
"""Our name of a field -> Plex's."""
LIST_FIELDS = {"actors": "actor", "genres": "genre", "collections": "collection", "directors": "director"}
DETAILS = ("role", "thumb")
"""What an actor has beside the name."""
PICTURES = {"poster": "thumb", "background": "art"}
"""Our name of a picture -> Plex's of the field that is locked with it; see `plex/artwork.py`."""


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
    details: frozenset[str] = frozenset()
    """The roles and pictures of actors that this edit sets, some to nothing; see `detail_key`."""


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
    def metadata(self) -> "Edit":
        """What of it goes into the one edit of fields and lists."""
        if RATING not in self.single:
            return self
        return replace(self, single={name: value for name, value in self.single.items() if name != RATING})

    @property
    def rating(self) -> "Edit":
        """What of it is the rating, which is a request of its own."""
        return Edit(
            {name: value for name, value in self.single.items() if name == RATING}, released=self.released & {RATING}
        )

    @property
    def fields(self) -> list[str]:
        """The names of the fields that change, for a log line."""
        return [*self.single, *self.lists]

    def intended(self) -> dict[str, list[str]]:
        """Return the values that may be in Plex as ours once this edit has been sent."""
        noted = {name: [value] for name, value in self.single.items() if name not in self.released}
        for name, change in self.lists.items():
            noted[name] = [role.name for role in change.entries if role.name not in change.foreign]
            for role in change.entries if change.details else ():
                for what in DETAILS:
                    if (key := detail_key(what, role.name)) in change.details:
                        noted[key] = [_mark(what, getattr(role, what))]
        return noted


def outline(edit: Edit) -> str:
    """Return what an edit contains by the names of its fields, for a log line: no value of any."""
    said = [f"{name} emptied" if name in edit.released else name for name in edit.single]
    for name, change in edit.lists.items():
        gone = f", {len(change.removed)} taken away" if change.removed else ""
        said.append(f"{name} ({len(change.entries)} entries{gone})")
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
        entries = _wanted_roles(wanted, name)
        if entries is None:
            continue
        names = tuple(role.name for role in entries)
        current = _roles(item, name)
        ours = _ours_in(name, memory, [role.name for role in current])
        change = _compare_list(current, names, ours, memory.sent.get(name, ()))
        if name == "actors":
            change = _with_details(change, current, entries, ours, memory, preserve)
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
        ours = _ours_in(name, memory, present)
        refused = list(memory.sent.get(name, ()))
        if name in edit.lists:
            # What was sent and is there now, in Plex's own spelling; not what a person added meanwhile.
            change = edit.lists[name]
            sent = {name_key(role.name) for role in change.entries if role.name not in change.foreign}
            ours |= {entry for entry in present if name_key(entry) in sent and entry not in change.foreign}
            foreign = {name_key(entry) for entry in change.foreign}
            refused = [
                role.name
                for role in _wanted_roles(wanted, name) or ()
                if role.name not in present and name_key(role.name) not in foreign
            ]
        owned = [entry for entry in present if entry in ours]
        if owned:
            kept.result[name] = owned
        if refused:
            kept.sent[name] = refused
    _remember_details(kept, after, wanted, memory, edit)
    for name in PICTURES:
        for old, new in ((memory.sent, kept.sent), (memory.result, kept.result)):
            if name in old:
                new[name] = old[name]
        if name in memory.intended:
            kept.intended[name] = memory.intended[name]
    return kept


def is_taken(before: PlexItem, after: PlexItem, edit: Edit) -> bool:
    """Return whether Plex kept anything of an edit, as read back.

    An answer cut in its headers can look like a success, so nobody's word is taken for it.
    """
    if any(getattr(after, name) != getattr(before, name) for name in edit.single):
        return True
    return any(
        _roles(after, name) != _roles(before, name) or _changes_no_name(change, _roles(before, name))
        for name, change in edit.lists.items()
    )


def _changes_no_name(change: ListEdit, before: tuple[Role, ...]) -> bool:
    """A Plex that takes no pictures of actors, say, or keeps a tag as it spelt it first, is no Plex that fails."""
    return not change.removed and {name_key(role.name) for role in change.entries} == {
        name_key(role.name) for role in before
    }


def bears_file_name(item: PlexItem) -> bool:
    """Return whether an item's title is its file's name, as it is before anybody has named it."""
    return any(plain(item.title) == plain(stem(file.path)) for file in item.files)


def _compare_single(edit: Edit, name: str, value: str, item: PlexItem, memory: Memory, preserve: bool) -> None:
    now: str = getattr(item, name)
    if value == now:
        return
    ours = bool(now) and _is_ours(name, now, memory)
    if not value:
        # A title is never empty in Plex: its file's name is what it bears without us.
        empty = stem(item.files[0].path) if name == "title" and item.files else ""
        if ours and now != empty and (empty or name != "title"):
            edit.single[name] = empty
            edit.released.add(name)
        return
    if memory.sent.get(name) == value and memory.result.get(name) == now:
        return  # Plex keeps the value in a form of its own
    if preserve and now and not ours:
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
    current: tuple[Role, ...], names: tuple[str, ...], ours: set[str], refused: object
) -> ListEdit | None:
    present = {role.name: role for role in current}
    if all(name in present for name in names) and not any(name in ours and name not in names for name in present):
        return None  # as a rule
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


def _with_details(
    change: ListEdit | None,
    current: tuple[Role, ...],
    wanted: tuple[Role, ...],
    ours: set[str],
    memory: Memory,
    preserve: bool,
) -> ListEdit | None:
    """Return the change with the roles and pictures that actors are to have; maybe a change for these alone.

    A role or a picture is written where there is none, where it is what we wrote,
    and without `preserve` for every actor of ours. What we wrote and nobody wants any
    more is taken back.
    """
    present = {name_key(role.name): role for role in current}
    detailed: dict[str, Role] = {}
    sets: set[str] = set()
    changed = False
    named = {name_key(role.name) for role in wanted}
    # A person's actor whom Stash has no more keeps nothing that we gave it.
    for role in (*wanted, *(Role(role.name) for role in current if name_key(role.name) not in named)):
        now = present.get(name_key(role.name), Role(role.name))
        new = now
        for what in DETAILS:
            value, held = getattr(role, what), getattr(now, what)
            if value == held:
                continue
            key, sent, holds = detail_key(what, role.name), _mark(what, value), _mark(what, held)
            is_there = name_key(role.name) in present
            if is_there and memory.sent.get(key) == sent and memory.result.get(key) == holds:
                continue  # Plex keeps it in a form of its own, or not at all
            written = holds in (memory.result.get(key), *memory.intended.get(key, ()))
            if (not held or written or (now.name in ours and not preserve)) if value else written:
                new = replace(new, role=value) if what == "role" else replace(new, thumb=value)
                sets.add(key)
                changed = changed or is_there
        detailed[name_key(role.name)] = new
    if change is None:
        if not changed:
            return None
        change = ListEdit(current, (), frozenset(role.name for role in current) - ours)
    entries = tuple(
        replace(entry, role=own.role, thumb=own.thumb) if (own := detailed.get(name_key(entry.name))) else entry
        for entry in change.entries
    )
    return replace(change, entries=entries, details=frozenset(sets))


def detail_key(what: str, name: str) -> str:
    """Return what an actor's `role` or `thumb` is remembered under."""
    return f"{what}/{name_key(name)}"


def _remember_details(kept: Memory, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> None:
    sets = edit.lists["actors"].details if "actors" in edit.lists else ()
    present = {name_key(role.name): role for role in after.actors}
    off = wanted.actors is None
    if off:
        for one, other in ((memory.sent, kept.sent), (memory.result, kept.result)):
            other |= {name: value for name, value in one.items() if name.partition("/")[0] in DETAILS}
    for role in after.actors if wanted.actors is None else wanted.actors:
        if name_key(role.name) not in present:
            continue
        for what in DETAILS:
            name, value = detail_key(what, role.name), getattr(role, what)
            now = _mark(what, getattr(present[name_key(role.name)], what))
            if name in sets or (now and now in memory.intended.get(name, ())):
                kept.sent[name], kept.result[name] = _mark(what, value), now
            elif name in memory.sent and not off:
                kept.sent[name], kept.result[name] = memory.sent[name], memory.result.get(name, "")
                if what == "thumb" and now == _mark(what, value):
                    # One picture a name over the whole server: it was written to another of the person's items.
                    kept.sent[name] = kept.result[name] = now


def _mark(what: str, value: str) -> str:
    """What is remembered of a role or a picture; of a picture's address a digest, for a key may be in it."""
    if what == "role" or not value:
        return value
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def _is_ours(name: str, now: str, memory: Memory) -> bool:
    return now == memory.result.get(name) or now in memory.intended.get(name, ())


def _ours_in(name: str, memory: Memory, present: Collection[str]) -> set[str]:
    """Return what is ours of a list in which `present` stands."""
    written, intended = memory.result.get(name, ()), memory.intended.get(name, ())
    # What nobody confirmed may stand there as Plex spells it.
    unseen = {name_key(entry) for entry in intended if entry not in present}
    respelt = {entry for entry in present if name_key(entry) in unseen} if unseen else set()
    return {*(written if isinstance(written, list) else ()), *intended, *respelt}


def _roles(item: PlexItem, name: str) -> tuple[Role, ...]:
    return item.actors if name == "actors" else _as_roles(getattr(item, name))


def _wanted_roles(wanted: Wanted, name: str) -> tuple[Role, ...] | None:
    if name == "actors":
        return wanted.actors
    names: tuple[str, ...] | None = getattr(wanted, name)
    return None if names is None else _as_roles(names)


def _as_roles(names: Collection[str]) -> tuple[Role, ...]:
    return tuple(Role(name) for name in names)
