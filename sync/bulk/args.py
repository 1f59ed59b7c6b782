"""What the tasks on many scenes are started with, checked. Standard library alone."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sync.errors import SetupError
from sync.queue.batch import BRING_BACK, RECONCILE, SCOPES, SYNC_ALL, SYNC_RECENT

MODES = (SYNC_ALL, SYNC_RECENT, RECONCILE, BRING_BACK)
MOST_DAYS = 36_500


def read(mode: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a batch is recorded with, of the args that a task was started with.

    Raises SetupError, which names what is not accepted.
    """
    if mode == SYNC_RECENT:
        return {"days": _days(args.get("days"))}
    if mode == RECONCILE:
        scope = args.get("scope")
        scope = "all" if scope is None else scope
        if scope not in tuple(SCOPES):
            raise SetupError(f"args.scope is {scope!r:.100}; accepted: {', '.join(SCOPES)}")
        return {"scope": scope} | ({"dry_run": True} if is_on("dry_run", args.get("dry_run")) else {})
    if mode == BRING_BACK:
        return _from(args.get("since")) | ({"dry_run": True} if is_on("dry_run", args.get("dry_run")) else {})
    return {}


def _from(value: object) -> dict[str, str]:
    if value is None or value == "":
        return {}
    try:
        day = date.fromisoformat(str(value).strip())
    except ValueError:
        raise SetupError(f"args.since is {value!r:.100}; accepted: a day such as 2024-01-31") from None
    return {"from": day.isoformat()}  # `since` is for a moment, see `title_of`


def _days(value: object) -> float:
    if value is None:
        return 1.0
    try:
        if isinstance(value, bool):
            raise ValueError
        days = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        days = 0.0
    if not 0 < days <= MOST_DAYS:
        raise SetupError(f"args.days is {value!r:.100}; accepted: a number of days above 0 and up to {MOST_DAYS}")
    return days


def is_on(name: str, value: object) -> bool:
    """Return a switch as a page, a script or PlexSync.yml sends it; raises SetupError, which names it."""
    if value is None or isinstance(value, bool):
        return bool(value)
    text = str(value).strip().casefold()
    if text not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise SetupError(f"args.{name} is {value!r:.100}; accepted: true or false")
    return text in ("true", "1", "yes", "on")
