"""Which failures have one cause, and what mends it. Pure."""

import re
import zlib
from typing import NamedTuple

from sync.queue.dead_letters import SERVER_ERRORS
from sync.status.status import NOT_IN_PLEX

SETTINGS_ERRORS = ("SettingsError", "SetupError", "PlexSetupError", "StashAuthError")
_SPECIFIC = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`|\([^()]*\)|\d+")


class Cause(NamedTuple):
    """What failures have in common."""

    key: str
    """Names it, for the questions that follow."""
    does: str
    """What mends it: `path_map`, `split`, `retry`, `settings`, `report` or `file`."""


def cause_of(error_type: str, message: str) -> Cause:
    """Return the cause of a failure. What names the scene, its file or its items in the message is left out."""
    if error_type in NOT_IN_PLEX:
        return Cause(error_type, "path_map")
    common = _SPECIFIC.sub("", message)
    return Cause(f"{error_type}:{zlib.crc32(common.encode()):08x}", _mends(error_type, message))


def error_type_of(key: str) -> str:
    """Return the class of error of a cause."""
    return key.partition(":")[0]


def _mends(error_type: str, message: str) -> str:
    if error_type in SERVER_ERRORS or error_type.startswith("Stash"):
        return "settings" if error_type in SETTINGS_ERRORS else "retry"
    if error_type in SETTINGS_ERRORS:
        return "settings"
    if error_type == "UnforeseenError":
        return "report"
    if "missing file path" in message:
        return "file"
    if "path_map" in message:
        return "path_map"
    return "split" if "Plex item" in message else "retry"
