"""Whether the data folder can hold a queue, before a save has to find out. Standard library alone."""

import os
import sqlite3
import tempfile
from contextlib import closing

from sync import data_folder, fast
from sync.errors import SetupError, quoted
from sync.queue import schema
from sync.queue.damage import why_unusable


def look_at(data: str) -> tuple[str, bool]:
    """Make a queue in the data folder as the first save does; return what to say of it, and whether that went well."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="check-", dir=data) as folder,
            closing(schema.connect(os.path.join(folder, "check.db"))) as connection,
        ):
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        for path in (data_folder.queue_file(data), data_folder.state_file(data)):
            if os.path.exists(path):
                try:
                    with closing(fast.connect(path)) as connection:
                        connection.execute("BEGIN IMMEDIATE")
                        connection.execute("PRAGMA user_version = 0")  # a file that may only be read opens as well
                        connection.execute("ROLLBACK")
                except (sqlite3.Error, OSError) as error:
                    return why_unusable("file", path, error), False
    except SetupError as error:
        return str(error), False
    except (sqlite3.Error, OSError) as error:
        return why_unusable("data folder", data, error), False
    more = "" if journal == "wal" else "; a save takes a few milliseconds more there than on a local disk"
    return f"Data folder: files in {quoted(data)} can be written and locked{more}", True
