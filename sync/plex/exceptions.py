"""What can go wrong between PlexSync and Plex, by status code and cause; `plex/client.py` decides."""

from collections.abc import Sequence

from sync.errors import PermanentError, SetupError, TransientError


class PlexTemporaryError(TransientError):
    """Plex is slow or busy: a read time-out, a reset, 429, 5xx. `stumbled`: asking again at once may help.

    `wait`: seconds for which it, or what stands before it, has asked to be left alone.
    """

    def __init__(self, text: str, *, stumbled: bool = False, wait: float = 0.0) -> None:
        super().__init__(text)
        self.stumbled = stumbled
        self.wait = wait


class PlexServerDown(PlexTemporaryError):  # noqa: N818 - the name this project's documents use
    """Plex cannot be reached at all, or is starting (503). Costs a job no try."""


class PlexNotFound(TransientError):  # noqa: N818 - the name this project's documents use
    """Plex has no item for the scene's file yet."""


class PlexItemRemoved(PlexNotFound):
    """The item was there a moment ago: where its file stands now is looked up at the next try."""


class PlexPermanentError(PermanentError):
    """Plex refuses this one request, whenever it is sent: a 400, a conflict of two scenes.

    `fields`: what of an edit was refused; the rest was written.
    """

    def __init__(self, text: str, *, status: int = 0, fields: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.fields = fields


class PlexTooLong(PlexPermanentError):  # noqa: N818 - a fact on the way to a shorter request
    """A request was longer than Plex, or a proxy before it, takes. `length`: of its query, in characters."""

    def __init__(self, text: str, *, status: int, length: int) -> None:
        super().__init__(text, status=status)
        self.length = length


class PlexSetupError(SetupError):
    """Plex as set up cannot be used: address, token or library. The text names the setting."""


class PlexItemGone(Exception):  # noqa: N818 - a fact on the way to a decision, never shown to anybody
    """Plex answered 404 for an item: removed, or merged into another."""
