"""One question of a page's: who answers it, and with what when something is wrong."""

from collections.abc import Mapping
from typing import Any

from sync import data_folder, hidden_paths, log
from sync.errors import PlexSyncError
from sync.pages.table import LONG, PACKAGED, QUICK, Answer, Call, function
from sync.stash.address import session_cookie
from sync.status.version import version


def is_one(args: Mapping[str, Any]) -> bool:
    """Return whether a call asks for an operation, not for a task ("Show status" has `log` on). Raises SetupError."""
    mode = args.get("mode")
    if mode not in QUICK or args.get("log") is None:
        return mode in QUICK or mode in LONG
    from sync.bulk.args import is_on  # not at the top: a page says nothing of a log, and it costs 5 ms

    return not is_on("log", args.get("log"))


def answer(connection: Mapping[str, Any], args: Mapping[str, Any]) -> Answer:
    """Answer one operation; what is wrong stands in `error`. `version`: a page may be older than an update."""
    return _answer(connection, args) | {"version": version()}


def _answer(connection: Mapping[str, Any], args: Mapping[str, Any]) -> Answer:
    mode = str(args.get("mode"))
    cookie = session_cookie(connection)
    log.keep_secret(cookie[1] if cookie else None)
    try:
        call = Call(connection, data_folder.data_folder(connection), args)
        hidden_paths.recall(call.data)
        if mode in PACKAGED:
            from sync.setup import dependencies  # not at the top: most operations need none

            if not dependencies.is_in_reach(call.data):
                return {"packages": False}
        if mode in QUICK:
            return function(QUICK[mode])(call)
        from sync.pages import background  # not at the top: most operations have no use for it

        return background.look(call) if args.get("id") else background.start(call)
    except PlexSyncError as error:
        return {"error": log.redact(str(error))}
