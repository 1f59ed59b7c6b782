"""Starting the sleeper, from a drain or from a hook. Standard library alone: of it, what a hook can afford."""

from __future__ import annotations

import os
import sys

from sync import data_folder
from sync.lock import is_held

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def is_alive(data: str) -> bool:
    """Return whether a sleeper lives."""
    return is_held(data_folder.sleeper_lock(data))


def ensure(
    server_connection: Mapping[str, Any],
    data: str,
    *,
    plex_url: str = "",
    since: float,
    api_key: str | None = None,
    session_age: float | None = None,
) -> bool:
    """Start a sleeper unless one lives; True when this call started one.

    `since`: rows that became due before it (seconds since the epoch) are seen to.
    `session_age`: seconds that the session cookie lives; None: not known.
    Never raises OSError: a save or a drain that has ended well does not fail over its waker.
    """
    if is_alive(data):
        return False
    # Not at the top: 3 ms of a hook that finds a sleeper alive.
    import json

    known = dict(server_connection)
    if api_key:
        # A cookie dies after an hour or so; a key lasts through the longest outage.
        known |= {"ApiKey": api_key, "SessionCookie": None}
    call = {"server_connection": known, "data": data, "plex_url": plex_url, "since": since, "session_age": session_age}
    try:
        start_detached("--sleeper", json.dumps(call).encode())
    except OSError:
        return False
    return True


def leave_working_directory() -> None:
    """Stand where nobody wants to delete or unmount a folder: a detached process was started wherever Stash stands."""
    os.chdir(os.environ.get("SYSTEMROOT", os.sep))


def start_detached(what: str, said: bytes) -> int:
    """Start PlexSync as `what` in a process that nothing ties to this one; it reads what is `said` from its stdin.

    Return what `os.waitpid` takes, 0 where there is no need to wait for it. A child that held this process's pipes
    would keep Stash waiting for their end. Raises OSError.
    """
    command = [sys.executable or "python3", "-S", os.path.join(data_folder.PLUGIN_FOLDER, "plexsync.py"), what]
    try:
        reader, writer = os.pipe()
        try:
            streams = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
            # Importing subprocess would cost a hook 7 ms.
            process = os.posix_spawn(
                command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0), *streams], setsid=True
            )
            os.write(writer, said)
            return process
        finally:
            os.close(reader)
            os.close(writer)
    except (AttributeError, NotImplementedError):  # Windows, and systems whose posix_spawn knows no sessions
        import subprocess

        # A console without a window: without any, the Python that a virtual environment's one starts opens one.
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) | getattr(subprocess, "CREATE_NO_WINDOW", 0)
        quiet = subprocess.DEVNULL
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, creationflags=flags, start_new_session=not flags
        )
        if child.stdin:
            child.stdin.write(said)
            child.stdin.close()
        child.returncode = 0  # not waited for: it outlives this process, and Python would warn of it
        return 0 if flags else child.pid
