"""The sign-in that is under way, with the tokens among which a person chooses: one file, for its owner alone.

Who finds another sign-in in it, or no file, knows that his own is over. Standard library alone.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sync.data_folder import get, put
from sync.errors import SetupError, quoted
from sync.lock import FileLock

FILE = "sign_in.json"
_LOCK = "sign_in.lock"
_WAIT = 10.0  # seconds for which the file's lock is waited for; each holds it for some milliseconds

SignIn = dict[str, Any]
"""`id`; `until`: seconds since the epoch after which its process was killed; `servers`: those to choose from."""


def begin(data: str, *, until: float) -> str:
    """Put a new sign-in in the place of any other; return its id. Raises SetupError."""
    own = f"{time.time_ns():x}-{os.getpid()}"
    with _held(data):
        put(os.path.join(data, FILE), json.dumps({"id": own, "until": until, "servers": []}))
    return own


def keep(data: str, own: str, **more: Any) -> bool:
    """Add to a sign-in; False where it is over. Raises SetupError."""
    with _held(data):
        found = _read(data)
        if not found or found["id"] != own:
            return False
        put(os.path.join(data, FILE), json.dumps(found | more))
        return True


def read(data: str) -> SignIn | None:
    """Return the sign-in that is under way, None where none is. Raises SetupError. The tokens of a killed one go."""
    if not os.path.exists(os.path.join(data, FILE)):
        return None
    with _held(data):
        found = _read(data)
        if found and time.time() > found["until"]:
            os.remove(os.path.join(data, FILE))
            return None
        return found


def discard(data: str, own: str = "") -> None:
    """Remove the file; where it is another sign-in's than `own`, it stays. Raises SetupError."""
    with _held(data):
        found = _read(data)
        if found is None or own in ("", found["id"]):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(data, FILE))


@contextmanager
def _held(data: str) -> Iterator[None]:
    lock = FileLock(os.path.join(data, _LOCK))
    try:
        if not lock.acquire(_WAIT):
            raise SetupError("Another sign-in holds its file for too long. Try again")
        yield
    except OSError as error:
        raise SetupError(
            f"The sign-in cannot go on: PlexSync's data folder {quoted(data)} fails ({error.strerror or error}). "
            "Look at that folder"
        ) from None
    finally:
        lock.release()


def _read(data: str) -> SignIn | None:
    try:
        found: SignIn = json.loads(get(os.path.join(data, FILE)))
    except (FileNotFoundError, ValueError):
        return None
    return found
