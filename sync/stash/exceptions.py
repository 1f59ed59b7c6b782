"""What can go wrong between PlexSync and Stash. Never the business of Plex's circuit breaker."""

from sync.errors import SetupError, TransientError


class StashTemporaryError(TransientError):
    """Stash is slow, answers 5xx or is gone in the middle: the drain ends, the jobs stay, no try is spent."""


class StashAuthError(SetupError):
    """Stash refuses the plugin's session: the drain ends, the jobs stay."""


def refusal(address: str, *, has_key: bool) -> str:
    """Return what to do about a Stash that refuses the command line's request."""
    how = "put it into a file that --api-key-file names, or into STASH_API_KEY"
    if has_key:
        return f"Stash at {address} refuses the API key: copy it from Stash's Settings > Security > API key and {how}"
    return f"Stash at {address} wants an API key: make one in Stash under Settings > Security > API key and {how}"


class StashPictureError(TransientError):
    """Stash answers, but cannot give one picture: the scene is tried again, the rest of it is written."""
