"""What Stash's pages may ask, in one table: the operation's name -> the function that answers it.

A page calls `runPluginOperation` with `{mode: <operation>, ...}` and gets one JSON object. What is wrong stands in its
`error`. Each call is a process of its own, so it imports nothing but what its operation needs.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sync.errors import SetupError
from sync.setup import imports

QUICK = {
    "status": "overview.status",
    "wake": "overview.wake",
    "settings": "settings_view.settings",
    "save_settings": "settings_view.save_settings",
    "scene": "lists.scene.scene",
    "sync_scene": "lists.scene.sync_scene",
    "marks": "lists.scene.marks",
    "failed": "lists.failed.failed",
    "retry": "lists.again.retry",
    "forget": "lists.again.forget",
    "coverage": "lists.coverage.coverage",
    "coverage_list": "lists.coverage.coverage_list",
    "history": "lists.history.history",
    "sign_in_choose": "sign_in_choice.choose",
    "sign_in_cancel": "sign_in_choice.cancel",
    "cancel": "background.cancel",
}
"""Operations that answer at once, each with its place below `sync/pages/`: a `Call` -> a dict."""
PACKAGED = ("settings", "save_settings")
"""Those of them that need PlexSync's packages; without these the answer is `packages`: false."""
LONG = {
    "install": "background.install",
    "libraries": "connection.libraries",
    "paths": "paths.paths",
    "check": "check.check",
    "report": "check.report",
    "preview": "preview.preview",
    "sign_in": "sign_in.sign_in",
}
"""Operations that ask Plex, or take longer: they are started, and asked for again by the `id` that came back.

A `background.Work` -> a dict.
"""

OF_A_MOMENT = ("libraries", "preview")  # those of them that are over in a second, as a rule

Answer = dict[str, Any]


class Call(NamedTuple):
    """One question of a page's."""

    connection: Mapping[str, Any]  # Stash's `server_connection`
    data: str  # PlexSync's data folder
    args: Mapping[str, Any]


def function(place: str) -> Callable[[Any], Answer]:
    """Return the function that stands at a place of the table."""
    module, _, name = place.rpartition(".")
    found: Callable[[Any], Answer] = getattr(imports.load(f"sync.pages.{module}"), name)
    return found


def limit_in(args: Mapping[str, Any]) -> int:
    """Return how many rows a page wants: args `limit`, at most 100. Raises SetupError."""
    return min(100, number_in(args, "limit")) if args.get("limit") is not None else 20


def number_in(args: Mapping[str, Any], name: str) -> int:
    """Return a whole number above 0 of a call's arguments. Raises SetupError, which names it."""
    value = args.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 17:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise SetupError(f"args.{name} is {value!r:.100}; accepted: a whole number above 0")
    return value
