"""A save in Stash -> one job on the queue, and a drain on its way.

Runs inside the request of the person who saves: standard library alone, no network while a drain runs or is asked for,
no settings read.
"""

from __future__ import annotations

import os
import time

from sync import data_folder
from sync.errors import PermanentError, PlexSyncError
from sync.fast import sqlite3
from sync.queue import wake
from sync.queue.schema import change_row, new_row

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

UPDATE_HOOK = "Scene.Update.Post"
DESTROY_HOOK = "Scene.Destroy.Post"
"""A scene that is gone: the drain finds that out when it reads it, forgets it, and leaves Plex alone."""

IRRELEVANT_FIELDS = frozenset(
    {
        *("id", "ids", "clientMutationId"),  # which scene, not what about it
        *("last_played_at", "o_counter", "o_history", "play_count", "play_duration", "play_history", "resume_time"),
        *("galleries", "gallery_ids", "scene_markers"),  # nothing that a Plex item has, or a condition asks for
    }
)
"""Fields of a save that change nothing in Plex. A field that is not here is for us."""

CHANGE_HOOKS = {
    "Performer.Update.Post": ("performer", "update"),
    "Performer.Destroy.Post": ("performer", "destroy"),
    "Studio.Update.Post": ("studio", "update"),
    "Studio.Destroy.Post": ("studio", "destroy"),
    "Tag.Update.Post": ("tag", "update"),
    "Tag.Merge.Post": ("tag", "merge"),  # its id is that of the tag the others went into
    "Tag.Destroy.Post": ("tag", "destroy"),
    "Group.Update.Post": ("group", "update"),
    "Group.Destroy.Post": ("group", "destroy"),
}
"""Hooks of what scenes name, which leave `updated_at` of the scenes alone and fire no hook of theirs."""

SHOWN_FIELDS: dict[str, tuple[str, ...]] = {
    "performer": (
        *("name", "disambiguation", "image", "gender", "birthdate", "country", "alias_list", "aliases"),
        *("tag_ids", "tags"),
    ),
    "studio": ("name", "parent_id"),
    "tag": ("name",),
    "group": ("name",),
}
"""Fields of theirs that a Plex item may show. Whether they changed, and are synced, is seen when the job runs:
Stash's own pages send every field with every save."""

_LARGEST_ID = 2**53


class QueueError(PermanentError):
    """A save could not be queued; the text says why and what to do."""


class HookInputError(PermanentError):
    """What arrived is no hook call; the text says what was wrong and what is accepted."""


def handle(server_connection: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Take one hook call; return what was done, in a sentence. The job is on disk when this returns.

    A Stash that cannot be asked for a drain is no error. Raises HookInputError, SetupError, QueueError.
    """
    hook_type = context.get("type")
    change = CHANGE_HOOKS.get(hook_type) if isinstance(hook_type, str) else None
    if change is None and hook_type != UPDATE_HOOK and hook_type != DESTROY_HOOK:
        accepted = ", ".join((UPDATE_HOOK, DESTROY_HOOK, *CHANGE_HOOKS))
        raise HookInputError(f"hookContext.type is {hook_type!r:.100}; accepted: {accepted}")
    entity, event = change or ("scene", "update" if hook_type == UPDATE_HOOK else "destroy")
    number = _number(context.get("id"), entity)
    what = f"{entity.capitalize()} {number}"
    if event == "update" and not is_relevant(context.get("inputFields"), entity):
        return f"{what}: nothing that Plex shows was saved"
    data = data_folder.data_folder(server_connection)
    queue_file = data_folder.queue_file(data)
    now = time.time()
    row = change_row(entity, number, event, now) if change else new_row(number, now)
    try:
        ask = wake.enqueue(queue_file, data_folder.drain_lock(data), row)
    except (sqlite3.Error, OSError) as error:
        # Not at the top: as a rule nothing is wrong.
        from sync.queue.damage import why_unusable

        why = why_unusable("queue", queue_file, error)
        raise QueueError(f"{what} was not queued: {why}. Then save the {entity} again") from None
    if ask is None:
        return f"{what} queued"
    return f"{what} queued, {ask_stash(server_connection, queue_file, ask, what)}"


def is_relevant(fields: object, entity: str = "scene") -> bool:
    """Return whether a save of these `inputFields` may change what Plex should hold.

    No fields at all is a scan that found a moved or added file: for us.
    """
    if not isinstance(fields, list) or not fields:
        return True
    if entity in SHOWN_FIELDS:
        return any(field in SHOWN_FIELDS[entity] for field in fields if isinstance(field, str))
    return any(not isinstance(field, str) or field not in IRRELEVANT_FIELDS for field in fields)


def _number(value: object, entity: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < _LARGEST_ID:
        raise HookInputError(f"hookContext.id is {value!r:.100}; accepted: the number of a {entity}")
    return value


def ask_stash(server_connection: Mapping[str, Any], queue_file: str, ask: wake.Ask, what: str) -> str:
    """Have Stash run the task "Process queue" for what was queued; return what came of it, in a sentence."""
    # Not at the top: most hooks find a drain running or asked for and never pay for http.client.
    try:
        from sync.stash.ask import AskFailedError, ask_for_drain, others_stand_before, still_waits
    except (ImportError, OSError):  # an update took it: the call is served once more, and must not trust its own note
        _withdraw(queue_file, ask.token)
        raise

    try:
        if ask.earlier_job and ask.earlier_asked_at is not None:
            try:
                if still_waits(server_connection, ask.earlier_job, ask.earlier_asked_at):
                    return f"Process queue waits {_left_to_sleeper(server_connection, queue_file)}"
            except AskFailedError:
                pass  # asking for a drain too many is cheap, missing one is not
        job = ask_for_drain(server_connection, "hook")
        wake.note_job(queue_file, ask.token, job)
    except PlexSyncError as error:
        _withdraw(queue_file, ask.token)
        return (
            f'but Process queue was not started: {error}. {what} waits for the next save or a press of "Process queue"'
        )
    except (sqlite3.Error, OSError):
        return "Process queue asked for"  # the note stays without the job's id: believed for 20 s, then asked again
    try:
        if others_stand_before(server_connection, job):
            return f"Process queue asked for; it waits {_left_to_sleeper(server_connection, queue_file)}"
    except PlexSyncError:
        pass  # it is asked for all the same
    return "Process queue asked for"


def _left_to_sleeper(server_connection: Mapping[str, Any], queue_file: str) -> str:
    # Not at the top: Stash has nothing else to do at most saves.
    from sync.sleeper import launch

    data = os.path.dirname(os.path.dirname(queue_file))
    launch.ensure(server_connection, data, since=time.time())
    return "behind another task in Stash, so PlexSync's sleeper sees to the save"


def _withdraw(queue_file: str, token: str) -> None:
    try:  # noqa: SIM105 - contextlib would cost the hook its import
        wake.withdraw_note(queue_file, token)
    except (sqlite3.Error, OSError):
        pass  # the note loses its credit by itself after 20 s
