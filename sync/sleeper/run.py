"""A run of "Process queue" that the sleeper starts itself, and where its lines are kept. Standard library alone.

Stash shows what its own tasks say, and nobody reads what this one does: the next task says it after the fact.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from sync import data_folder, log

SAID_FILE = "sleeper.log"
MOST_SAID = 200_000
"""Bytes of lines that are kept for the next task; a blocked Stash may stay so for a day."""
_LEVELS = {"\x01i\x02": log.info, "\x01w\x02": log.warning, "\x01e\x02": log.error}


def work_off(server_connection: Mapping[str, Any], data: str) -> None:
    """Work off what was saved, as the task does, and wait for its end. Never raises OSError."""
    connection = {**server_connection, "DataDir": data}
    call = {"server_connection": connection, "args": {"mode": "process_queue", "trigger": "blocked"}}
    command = [sys.executable or "python3", "-S", os.path.join(data_folder.PLUGIN_FOLDER, "plexsync.py")]
    path = os.path.join(data, SAID_FILE)
    with contextlib.suppress(OSError), open(path, "ab") as said:
        subprocess.run(
            command,
            input=json.dumps(call).encode(),
            stdout=subprocess.DEVNULL,
            stderr=said if said.tell() < MOST_SAID else subprocess.DEVNULL,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def tell(data: str) -> None:
    """Say in Stash's log what the sleeper's own runs have said since the last task. Never raises OSError."""
    path = os.path.join(data, SAID_FILE)
    with contextlib.suppress(OSError):
        taken = f"{path}.{os.getpid()}"
        os.replace(path, taken)  # what is said from now on is for the task after this one
        with open(taken, encoding="utf-8", errors="replace") as file:
            for line in file.read().splitlines():
                if tell_at := _LEVELS.get(line[:3]):
                    tell_at(f"While Stash was busy: {line[3:]}")
        os.remove(taken)
