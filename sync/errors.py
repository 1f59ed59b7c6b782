"""The two kinds of failure that decide what becomes of a job. Imports nothing: every other module may raise these."""

import os


class PlexSyncError(Exception):
    """Any failure PlexSync explains to a person: its text says what to do."""


class TransientError(PlexSyncError):
    """It may go right later: the job stays queued and is tried again."""


class PermanentError(PlexSyncError):
    """It goes wrong every time until somebody changes something: dead letter at once."""


class UnusablePictureError(PermanentError):
    """A picture that Plex would not take: too large, or of another kind. Everything else is written."""


class SetupError(PermanentError):
    """A permanent failure of the whole server (token, library, settings, dependencies).

    No job is spent on it: the drain stops, every job stays queued and the text names the setting.
    """


def quoted(value: object, longest: int = 300) -> str:
    """Return a value for a message, cut to some `longest` characters: a path as people write it, in quotes."""
    if isinstance(value, str) and "'" in value:
        value = value.replace('"', "''")  # `hidden_paths` takes the next mark of the same kind for the path's end
    text = repr(value).replace("\\\\", "\\")
    return text if len(text) <= longest else f"{text[:longest]}…{text[0]}"


def describe(error: BaseException) -> str:
    """Return an unforeseen error's class and place. Not its text, which may hold a path or a secret."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return type(error).__name__ + place
