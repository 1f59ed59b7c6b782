"""What mends a failure. Pure."""

from sync.queue.dead_letters import NOT_IN_PLEX, SERVER_ERRORS

SETTINGS_ERRORS = ("SettingsError", "SetupError", "PlexSetupError", "StashAuthError")


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
