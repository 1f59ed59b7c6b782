"""Whether the data folder can hold a queue, before a save has to find out. Standard library alone."""

import contextlib
import os
import sqlite3

from sync import fast
from sync.errors import SetupError
from sync.queue.lock import FileLock


def trouble_with(data: str) -> str:
    """Return what is wrong with a data folder and what to do, in a sentence; empty where nothing is."""
    file = os.path.join(data, "check.db")
    lock = FileLock(os.path.join(data, "check.lock"))
    try:
        fast.connect(file).close()
        lock.acquire()
        lock.release()
    except SetupError as error:
        return str(error)
    except (sqlite3.Error, OSError) as error:
        return f"PlexSync's data folder {data!r:.300} cannot be written ({error}): check its space and permissions"
    finally:
        for path in (file, f"{file}-wal", f"{file}-shm", lock.path):
            with contextlib.suppress(OSError):
                os.remove(path)
    return ""
