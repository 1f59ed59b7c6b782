"""What an item shows after an edit: whether it was taken, how the server takes lists, what to remember. Pure."""

from collections.abc import Iterable

from sync.model import LIST_FIELDS, PICTURES, SINGLE_FIELDS, Memory, PlexItem, Role, Wanted
from sync.plex.difference import DETAILS, Edit, detail_key, difference, is_ours, mark, ours_in, untouched
from sync.text.clean import name_key


def remember(before: PlexItem, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> Memory:
    """Give what to remember of an item that was read `before` and `after` an edit (an empty one: not sent).

    What Plex made of a value stands beside what was sent: a value it keeps in another form is not sent again and again.
    """
    kept = Memory()
    for name in SINGLE_FIELDS:
        value, now = getattr(wanted, name), getattr(after, name)
        is_late = is_overtaking(name, now, edit, memory)
        # An edit of several fields of which Plex ignored this one has not made the old value ours.
        if name in edit.single and now != getattr(before, name) and not is_late:
            if name not in edit.released:
                kept.sent[name], kept.result[name] = value, now
        elif now and is_ours(name, now, memory):
            kept.sent[name] = now if is_late or value == now else memory.sent.get(name, now)
            kept.result[name] = now
        else:
            # Somebody has changed it since. That it was written once stays known: a title that a person
            # set back to the file's name is not one that nobody has named yet.
            _keep(kept, memory, name)
    for name in LIST_FIELDS:
        _remember_list(kept, name, after, wanted, memory, edit)
    _remember_details(kept, after, wanted, memory, edit)
    for name in PICTURES:
        _keep(kept, memory, name)
        if name in memory.intended:
            kept.intended[name] = memory.intended[name]
    return kept


def _keep(kept: Memory, memory: Memory, name: str) -> None:
    for old, new in ((memory.sent, kept.sent), (memory.result, kept.result)):
        if name in old:
            new[name] = old[name]


def _remember_list(kept: Memory, name: str, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> None:
    present = [role.name for role in after.roles(name)]
    ours = ours_in(name, memory, present)
    refused = list(memory.sent.get(name, ()))
    if name in edit.foreign:
        # What was sent and is there now, in Plex's own spelling; not what a person added meanwhile.
        foreign = edit.foreign[name]
        sent = {name_key(role.name) for role in edit.added.get(name, ()) if role.name not in foreign}
        ours = {*ours, *(entry for entry in present if name_key(entry) in sent)} - foreign
        left_out = set(map(name_key, foreign))
        asked = {*refused, *(role.name for role in edit.added.get(name, ()))}
        lacking = [role.name for role in wanted.roles(name) or () if role.name not in present]
        refused = [entry for entry in lacking if entry in asked and name_key(entry) not in left_out]
    if owned := [entry for entry in present if entry in ours]:
        kept.result[name] = owned
    if refused:
        kept.sent[name] = refused


def _remember_details(kept: Memory, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit) -> None:
    present = {name_key(role.name): role for role in after.actors}
    is_off = wanted.actors is None
    for name in memory.sent if is_off else ():
        if name.partition("/")[0] in DETAILS:
            _keep(kept, memory, name)
    for role in after.actors if wanted.actors is None else wanted.actors:
        if name_key(role.name) not in present:
            continue
        for what in DETAILS:
            name, asked = detail_key(what, role.name), mark(what, getattr(role, what))
            now = mark(what, getattr(present[name_key(role.name)], what))
            if name in edit.details or (now and now in memory.intended.get(name, ())):
                kept.sent[name], kept.result[name] = asked, now
            elif name in memory.sent and what == "thumb" and now == asked and not is_off:
                # One picture a name over the whole server: it was written to another of the person's items.
                kept.sent[name] = kept.result[name] = now
            else:
                _keep(kept, memory, name)


def is_overtaking(name: str, now: str, edit: Edit, memory: Memory) -> bool:
    """Tell whether a single field shows what an earlier edit wrote, which Plex has done after this one."""
    return name in edit.single and now != edit.single[name] and now in memory.intended.get(name, ())


def left_to_do(
    before: PlexItem, after: PlexItem, wanted: Wanted, memory: Memory, edit: Edit, *, preserve: bool
) -> Edit:
    """Give what an edit has left to do that it did not say itself; an empty one as a rule.

    That is our old spelling of a name, once the new one stands beside it, and what an earlier edit did meanwhile.
    """
    left = difference(after, wanted, remember(before, after, wanted, memory, edit), preserve=preserve)
    for name in list(left.single):
        if name in edit.single and not is_overtaking(name, getattr(after, name), edit, memory):
            del left.single[name]
    for name in left.lists:
        sent = {role.name for role in edit.added.get(name, ())}
        lacks = tuple(role for role in left.added.pop(name, ()) if role.name not in sent)
        goes = tuple(gone for gone in left.removed.pop(name, ()) if gone not in edit.removed.get(name, ()))
        left.added |= {name: lacks} if lacks else {}
        left.removed |= {name: goes} if goes else {}
    return left


def overtaken(memory: Memory, wanted: Wanted, item: PlexItem) -> dict[str, list[str]]:
    """Give what earlier edits intended, is not in Plex and not wanted any more, as `Memory.intended` has it.

    Plex may do such an edit, which it has not answered, after a later one.
    """
    found = {}
    for name, values in memory.intended.items():
        late: list[str] = []
        if name in SINGLE_FIELDS:
            late = [value for value in values if value not in (getattr(wanted, name), getattr(item, name))]
        elif name in LIST_FIELDS:
            known = _keys((*(wanted.roles(name) or ()), *item.roles(name)))
            late = [value for value in values if name_key(value) not in known]
        if late:
            found[name] = late
    return found


def is_taken(before: PlexItem, after: PlexItem, edit: Edit) -> bool:
    """Tell whether Plex kept anything of an edit: an answer cut in its headers can look like a success."""
    if any(getattr(after, name) != getattr(before, name) for name in edit.fields):
        return True
    # A Plex that takes no pictures of actors, say, or keeps a tag as it spelt it first, is no Plex that fails.
    return any(
        not edit.removed.get(name) and _keys(edit.added.get(name, ())) <= _keys(before.roles(name))
        for name in edit.lists
    )


def seen_to_replace(before: PlexItem, after: PlexItem, edit: Edit, *, was_divided: bool) -> bool | None:
    """Tell whether a server replaced a list by the entries of an edit; None where the read-back does not tell.

    `was_divided`: the edit went as several requests, of which a server that replaces keeps the last one's entries.
    """
    adds = None
    for name, roles in edit.added.items():
        there = _keys(after.roles(name))
        sent, kept = _keys(roles) & there, _keys(untouched(before, edit, name))
        if sent and kept and not kept & there:
            return True
        if was_divided and 0 < len(sent) <= len(roles) / 2:
            return True
        if kept & there and sent - _keys(before.roles(name)):
            adds = False
    return adds


def unset_details(after: PlexItem, edit: Edit) -> Edit:
    """Give an edit of the actors whose role Plex has not taken, or who stand there twice, after they were sent."""
    roles: dict[str, list[str]] = {}
    for role in after.actors:
        roles.setdefault(name_key(role.name), []).append(role.role)
    unset = tuple(
        role
        for role in edit.added.get("actors", ())
        if detail_key("role", role.name) in edit.details and roles.get(name_key(role.name), [role.role]) != [role.role]
    )
    return Edit(added={"actors": unset} if unset else {}, foreign=edit.foreign, details=edit.details)


def _keys(roles: Iterable[Role]) -> set[str]:
    return {name_key(role.name) for role in roles}
