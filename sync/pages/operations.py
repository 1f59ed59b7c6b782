"""What Stash's pages ask: the table of operations, who answers each, and with what when something is wrong.

A page calls `runPluginOperation` with `{mode: <operation>, ...}` and gets one JSON object. What is wrong stands in its
`error`. Each call is a process of its own, so it imports nothing but what its operation needs.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sync import hidden_paths, log
from sync.errors import PlexSyncError, SetupError
from sync.setup import imports
from sync.status.version import version

QUICK = {
    **dict.fromkeys(("status", "wake"), "overview"),
    **dict.fromkeys(("settings", "save_settings"), "settings_view"),
    **dict.fromkeys(("scene", "sync_scene", "marks"), "lists.scene"),
    **dict.fromkeys(("retry", "forget"), "lists.again"),
    **dict.fromkeys(("coverage", "coverage_list"), "lists.coverage"),
    **dict.fromkeys(("sign_in_choose", "sign_in_cancel"), "sign_in"),
    "failed": "lists.failed",
    "history": "lists.history",
    "cancel": "background",
}
"""Operations that answer at once, each with its module in `sync/pages/`, whose function of its name takes a `Call`."""
PACKAGED = ("settings", "save_settings", "sign_in_choose", "sign_in_cancel")
"""Those of them that need PlexSync's packages; without these the answer is `packages`: false."""
LONG = {
    **dict.fromkeys(("libraries", "paths", "check", "report"), "connection"),
    "preview": "preview",
    "sign_in": "sign_in",
    "install": "background",
}
"""Operations that ask Plex, or take longer: they are started, and asked for again by the `id` that came back.

Their functions take a `background.Work`.
"""

OF_A_MOMENT = ("libraries", "preview")  # those of them that are over in a second, as a rule

Answer = dict[str, Any]


class Call(NamedTuple):
    """One question of a page's."""

    connection: Mapping[str, Any]  # Stash's `server_connection`
    data: str  # PlexSync's data folder
    args: Mapping[str, Any]


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
    try:
        call = Call(connection, hidden_paths.begin(connection), args)
        if mode in PACKAGED:
            from sync.setup import dependencies  # not at the top: most operations need none

            if not dependencies.is_in_reach(call.data):
                return {"packages": False}
        if mode in LONG:
            return function("look" if args.get("id") else "start", "background")(call)
        return function(mode, QUICK[mode])(call)
    except PlexSyncError as error:
        return {"error": log.redact(str(error))}


def function(name: str, module: str) -> Callable[[Any], Answer]:
    """Return a function of a module in `sync/pages/`, which is imported for it."""
    found: Callable[[Any], Answer] = getattr(imports.load(f"sync.pages.{module}"), name)
    return found


def limit_in(args: Mapping[str, Any]) -> int:
    """Return how many rows a page wants: args `limit`, at most 100. Raises SetupError."""
    return min(100, number_in(args, "limit")) if args.get("limit") is not None else 20


def number_in(args: Mapping[str, Any], name: str, above: int = 0) -> int:
    """Return a whole number of a call's arguments. Raises SetupError, which names it."""
    value = args.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not above < value < 2**53:
        raise SetupError(f"args.{name} is {value!r:.100}; accepted: a whole number above {above}")
    return value
