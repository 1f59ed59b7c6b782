"""What an item shows after an edit: whether it was taken, how the server takes lists, what to remember. Pure."""

from sync.model import LIST_FIELDS, PICTURES, SINGLE_FIELDS, Memory, PlexItem, Role, Wanted
from sync.plex.difference import (
    DETAILS,
    Edit,
    detail_key,
    is_ours,
    mark,
    ours_in,
    roles_of,
    untouched,
    wanted_roles,
)
from sync.text.clean import name_key


def remember(before: PlexItem, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> Memory:
    """Return what to remember of an item that was read `before` and `after` an edit (an empty one: not sent).

    What Plex made of a value is remembered beside what was sent. So a value
    which Plex keeps in another form is not sent again and again.
    """
    kept = Memory()
    for name in SINGLE_FIELDS:
        value, now = getattr(wanted, name), getattr(after, name)
        # An edit of several fields of which Plex ignored this one has not made the old value ours.
        if name in edit.single and now != getattr(before, name):
            if name not in edit.released:
                kept.sent[name], kept.result[name] = value, now
        elif now and is_ours(name, now, memory):
            kept.sent[name] = value if value == now else memory.sent.get(name, now)
            kept.result[name] = now
        elif name in memory.sent:
            # Somebody has changed it since. That it was written once stays known: a title that a person
            # set back to the file's name is not one that nobody has named yet.
            kept.sent[name], kept.result[name] = memory.sent[name], memory.result.get(name, "")
    for name in LIST_FIELDS:
        present = [role.name for role in roles_of(after, name)]
        ours = ours_in(name, memory, present)
        refused = list(memory.sent.get(name, ()))
        if name in edit.added or name in edit.removed:
            # What was sent and is there now, in Plex's own spelling; not what a person added meanwhile.
            foreign = edit.foreign[name]
            sent = {name_key(role.name) for role in edit.added.get(name, ()) if role.name not in foreign}
            ours |= {entry for entry in present if name_key(entry) in sent and entry not in foreign}
            ours -= foreign
            foreign_keys = {name_key(entry) for entry in foreign}
            refused = [
                role.name
                for role in wanted_roles(wanted, name) or ()
                if role.name not in present and name_key(role.name) not in foreign_keys
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
        roles_of(after, name) != roles_of(before, name) or _changes_no_name(edit, name, roles_of(before, name))
        for name in edit.lists
    )


def seen_to_replace(before: PlexItem, after: PlexItem, edit: Edit, *, was_divided: bool) -> bool | None:
    """Return whether a server replaced a list by the entries of an edit; None where the read-back does not tell.

    `was_divided`: the edit went as several requests, of which a server that replaces keeps the last one's entries.
    """
    adds = None
    for name, roles in edit.added.items():
        there = {name_key(role.name) for role in roles_of(after, name)}
        sent = {name_key(role.name) for role in roles} & there
        kept = {name_key(role.name) for role in untouched(before, edit, name)}
        if kept and sent and not kept & there:
            return True
        if was_divided and 0 < len(sent) <= len(roles) / 2:
            return True
        if kept & there and sent - {name_key(role.name) for role in roles_of(before, name)}:
            adds = False
    return adds


def unset_details(after: PlexItem, edit: Edit) -> list[Role]:
    """Return actors whose role Plex has not taken, or who stand there twice, after they were sent again."""
    roles: dict[str, list[str]] = {}
    for role in after.actors:
        roles.setdefault(name_key(role.name), []).append(role.role)
    return [
        role
        for role in edit.added.get("actors", ())
        if detail_key("role", role.name) in edit.details and roles.get(name_key(role.name), [role.role]) != [role.role]
    ]


def _changes_no_name(edit: Edit, name: str, before: tuple[Role, ...]) -> bool:
    """A Plex that takes no pictures of actors, say, or keeps a tag as it spelt it first, is no Plex that fails."""
    held = {name_key(role.name) for role in before}
    return not edit.removed.get(name) and all(name_key(role.name) in held for role in edit.added.get(name, ()))


def _remember_details(kept: Memory, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> None:
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
            now = mark(what, getattr(present[name_key(role.name)], what))
            if name in edit.details or (now and now in memory.intended.get(name, ())):
                kept.sent[name], kept.result[name] = mark(what, value), now
            elif name in memory.sent and not off:
                kept.sent[name], kept.result[name] = memory.sent[name], memory.result.get(name, "")
                if what == "thumb" and now == mark(what, value):
                    # One picture a name over the whole server: it was written to another of the person's items.
                    kept.sent[name] = kept.result[name] = now


def made_anew(roles: list[Role], edit: Edit) -> Edit:
    """Return the edit that takes actors away and adds them with their roles, where sending them again did nothing.

    Removals of a request come before what it adds.
    """
    names = tuple(role.name for role in roles)
    return Edit(added={"actors": tuple(roles)}, removed={"actors": names}, foreign=edit.foreign, details=edit.details)
