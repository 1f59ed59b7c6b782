"""Where PlexSync keeps its data. Standard library alone, and no pathlib, which costs each save about 5 ms."""

from __future__ import annotations

import os
import time

from sync.errors import SetupError, quoted

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

QUEUE_FILE = "data.db"  # the name persist-queue gives its file
FILE_ENDINGS = ("-wal", "-shm", "-journal", "")
"""SQLite's files beside each of ours, and it. They first: left behind, they would be taken for the new file's."""
WHOLE_FILE = "plexsync-whole"
"""Stands in a folder of packages that was checked. One that a person's pip is still filling has none."""

IS_WINDOWS = os.name == "nt"
PATIENCE = 5.0
"""Seconds for which Windows is asked again for a file that another process has open: a virus scanner's look, or one of
ours. A file that somebody keeps open takes for ever."""

PLUGIN_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def data_folder(server_connection: Mapping[str, Any]) -> str:
    """Return PlexSync's data folder, which exists afterwards, readable by its owner alone.

    `$PLEXSYNC_DATA_DIR` where that is set, else `plexsync` beside Stash's config.yml (`server_connection.Dir`), outside
    the plugins folder. The command line has it in `server_connection.DataDir`. Raises SetupError.
    """
    folder = server_connection.get("DataDir") or os.environ.get("PLEXSYNC_DATA_DIR", "")
    if not folder:
        folder_of_config = server_connection.get("Dir")
        if not isinstance(folder_of_config, str) or not os.path.isdir(folder_of_config):
            raise SetupError(
                f"server_connection.Dir is {quoted(folder_of_config, 100)}; accepted: the folder of Stash's "
                "config.yml, which Stash sends by itself, or set PLEXSYNC_DATA_DIR"
            )
        folder = os.path.join(folder_of_config, "plexsync")
    folder = os.path.abspath(folder)  # who is handed it may stand elsewhere
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        why = f"cannot be made ({error.strerror}); PLEXSYNC_DATA_DIR names another"
        raise SetupError(f"PlexSync's data folder {quoted(folder)} {why}") from None
    return folder


def queue_folder(data: str) -> str:
    """Return the folder of the on-disk queue below the data folder."""
    return os.path.join(data, "queue")


def queue_file(data: str) -> str:
    """Return the SQLite file that holds the queue."""
    return os.path.join(queue_folder(data), QUEUE_FILE)


def state_file(data: str) -> str:
    """Return the SQLite file that holds what was synced."""
    return os.path.join(data, "state.db")


def drain_lock(data: str) -> str:
    """Return the lock file of the one drain."""
    return os.path.join(data, "drain.lock")


def sleeper_lock(data: str) -> str:
    """Return the lock file of the one sleeper."""
    return os.path.join(data, "sleeper.lock")


def move(source: str, target: str, patience: float | None = None) -> None:
    """Move a file or folder within its file system, over a file of that name. Raises OSError; `patience`: see there."""
    _patiently(lambda: os.replace(source, target), patience)


def _patiently(do: Callable[[], Any], patience: float | None = None) -> Any:
    """Do something with files; again for some seconds where Windows says that another process has one open."""
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            return do()
        except PermissionError:
            if not IS_WINDOWS or time.monotonic() > end:
                raise
            time.sleep(0.02)


def move_aside(file: str, patience: float | None = None) -> str:
    """Move a SQLite file away with its journal, log and shared memory, as `move` does; return its new path."""
    aside = f"{file}.damaged-{time.time_ns()}"
    for ending in FILE_ENDINGS:
        try:  # noqa: SIM105 - contextlib would cost the hook its import
            move(file + ending, aside + ending, patience)
        except FileNotFoundError:
            pass  # never there, or its last user has closed it at this moment
    return aside


def put(file: str, text: str) -> None:
    """Write a file for its owner alone, in one go: whoever reads it finds the old text or the new. Raises OSError."""
    fresh = f"{file}.{os.getpid()}"
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        move(fresh, file)
    except BaseException:
        if os.path.exists(fresh):
            os.remove(fresh)
        raise


def get(file: str) -> str:
    """Return the text that `put` has written. Raises OSError, and ValueError where it is no text."""

    def read() -> str:
        with open(file, encoding="utf-8") as stream:
            return stream.read()

    return str(_patiently(read))


def is_whole(target: str) -> bool:
    """Return whether the packages in a folder are complete and were imported once."""
    return os.path.isfile(os.path.join(target, WHOLE_FILE))
