"""What can go wrong between PlexSync and Stash. Never the business of Plex's circuit breaker."""

from sync.errors import SetupError, TransientError


class StashTemporaryError(TransientError):
    """Stash is slow, answers 5xx or is gone in the middle: the drain ends, the jobs stay, no try is spent."""


class StashAuthError(SetupError):
    """Stash refuses the plugin's session: the drain ends, the jobs stay."""


class StashPictureError(TransientError):
    """Stash answers, but cannot give one picture: the scene is tried again, the rest of it is written."""
