"""What Stash's pages may ask, in one table: the operation's name -> the function that answers it.

A page calls `runPluginOperation` with `{mode: <operation>, ...}` and gets one JSON object. What is wrong stands in its
`error`. Each call is a process of its own, so it imports nothing but what its operation needs.
"""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sync import data_folder, hidden_paths, log
from sync.bulk.args import is_on
from sync.errors import PlexSyncError, SetupError
from sync.stash.address import session_cookie

QUICK = {
    "status": "overview.status",
    "wake": "overview.wake",
    "settings": "settings_view.settings",
    "save_settings": "settings_view.save_settings",
    "scene": "scene.scene",
    "sync_scene": "scene.sync_scene",
    "failed": "failed.failed",
    "retry": "failed.retry",
    "forget": "failed.forget",
    "coverage": "coverage.coverage",
    "coverage_list": "coverage.coverage_list",
    "history": "history.history",
    "sign_in_choose": "sign_in.choose",
    "cancel": "background.cancel",
}
"""Operations that answer at once, each with its place below `sync/pages/`: a `Call` -> a dict."""
LONG = {
    "install": "background.install",
    "libraries": "connection.libraries",
    "paths": "paths.paths",
    "check": "check.check",
    "preview": "preview.preview",
    "sign_in": "sign_in.sign_in",
}
"""Operations that ask Plex, or take longer: they are started, and asked for again by the `id` that came back.

A `background.Work` -> a dict.
"""

Answer = dict[str, Any]


class Call(NamedTuple):
    """One question of a page's."""

    connection: Mapping[str, Any]
    """Stash's `server_connection`."""
    data: str
    """PlexSync's data folder."""
    args: Mapping[str, Any]


def is_one(args: Mapping[str, Any]) -> bool:
    """Return whether a call asks for an operation, not for a task ("Show status" has `log` on). Raises SetupError."""
    mode = args.get("mode")
    return mode in LONG or (mode in QUICK and not is_on("log", args.get("log")))


def answer(connection: Mapping[str, Any], args: Mapping[str, Any]) -> Answer:
    """Answer one operation. Raises nothing of PlexSync's: what is wrong stands in `error`."""
    mode = str(args.get("mode"))
    cookie = session_cookie(connection)
    log.keep_secret(cookie[1] if cookie else None)
    try:
        call = Call(connection, data_folder.data_folder(connection), args)
        hidden_paths.recall(call.data)
        if mode in QUICK:
            return function(QUICK[mode])(call)
        from sync.pages import background  # not at the top: most operations have no use for it

        return background.look(call) if args.get("id") else background.start(call)
    except PlexSyncError as error:
        return {"error": log.redact(str(error))}


def function(place: str) -> Callable[[Any], Answer]:
    """Return the function that stands at a place of the table."""
    module, _, name = place.rpartition(".")
    found: Callable[[Any], Answer] = getattr(importlib.import_module(f"sync.pages.{module}"), name)
    return found


def number_in(args: Mapping[str, Any], name: str) -> int:
    """Return a whole number above 0 of a call's arguments. Raises SetupError, which names it."""
    value = args.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise SetupError(f"args.{name} is {value!r:.100}; accepted: a whole number above 0")
    return value
