"""The operation `failed`: what failed for good, by its cause."""

from sync import log
from sync.errors import SetupError
from sync.hidden_paths import without_paths
from sync.pages.operations import Answer, Call, limit_in, number_in
from sync.queue.dead_letters import ENDING, NOT_IN_PLEX, OPENING, SERVER_ERRORS, Cause, read_cause
from sync.status.reading import File, files

SETTINGS_ERRORS = ("SettingsError", "SetupError", "PlexSetupError", "StashAuthError")
_FIRST = -(2**53)  # below every letter's scene; those of damaged rows have negative ones


def failed(call: Call) -> Answer:
    """Return the `groups` by cause; of args `cause` up to `limit` `rows` behind scene `after`. Raises SetupError."""
    limit, cause = limit_in(call.args), cause_in(call)
    after = _FIRST if call.args.get("after") is None else number_in(call.args, "after", above=_FIRST)
    with files(call.data) as found:
        if cause is None:
            return {"groups": _groups(found.queue), "troubles": found.troubles}
        letters = _letters(found.queue, cause, after, limit + 1)
    following = letters[limit - 1]["scene_id"] if len(letters) > limit else None
    return {"rows": letters[:limit], "next": following, "troubles": found.troubles}


def cause_in(call: Call) -> Cause | None:
    """Return args `cause`, which was told as a group's; None where there is none. Raises SetupError."""
    value = call.args.get("cause")
    cause = read_cause(value) if isinstance(value, str) else None
    if cause or value is None:
        return cause
    raise SetupError(f"args.cause is {value!r:.100}; accepted: the cause of a group, as `failed` tells it")


def mends(error_type: str, message: str) -> str:
    """Return what mends a failure: `path_map`, `split`, `retry`, `settings`, `report` or `file`."""
    if error_type in NOT_IN_PLEX:
        return "path_map"
    if error_type in SETTINGS_ERRORS:
        return "settings"
    if error_type in SERVER_ERRORS or error_type.startswith("Stash"):
        return "retry"
    if error_type == "UnforeseenError":
        return "report"
    if "missing file path" in message:
        return "file"
    if "path_map" in message:
        return "path_map"
    return "split" if "Plex item" in message else "retry"


def _groups(queue: File) -> list[Answer]:
    counts = (
        f"SELECT error_type, {OPENING}, {ENDING}, count(*), max(last_at) FROM plexsync_dead_letters "
        f"GROUP BY error_type, {OPENING}, {ENDING} ORDER BY count(*) DESC"
    )
    newest = (
        f"SELECT message FROM plexsync_dead_letters WHERE error_type = ? AND {OPENING} = ? AND {ENDING} = ? "
        "ORDER BY last_at DESC LIMIT 1"
    )
    groups = []
    for *common, count, at in queue.rows(counts):
        cause = Cause(*common)
        for (message,) in queue.rows(newest, cause):
            told = {"cause": cause.key, "error_type": cause.error_type, "count": count, "message": _clean(message)}
            groups.append(told | {"latest_at": at, "does": mends(cause.error_type, message)})
    return groups


def _letters(queue: File, cause: Cause, after: int, limit: int) -> list[Answer]:
    query = (
        "SELECT scene_id, title, message, tries, first_at, last_at FROM plexsync_dead_letters WHERE error_type = ? "
        f"AND {OPENING} = ? AND {ENDING} = ? AND scene_id > ? ORDER BY scene_id LIMIT ?"
    )
    letters = [dict(row) for row in queue.rows(query, (*cause, after, limit))]
    return [one | {"title": log.redact(one["title"]), "message": _clean(one["message"])} for one in letters]


def _clean(message: str) -> str:
    return without_paths(log.redact(message)) if log.hides_paths() else log.redact(message)
