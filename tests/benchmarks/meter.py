"""Runs processes and measures each: wall, own CPU, peak memory. Standard library alone, a process of its own.

A child's peak memory begins with that of the process that starts it (Linux keeps it over exec), and starting one takes
longer from a large process: so this one stays small. It reads a list of commands as JSON from stdin and writes what
became of them to stdout. `rounds` times it runs one after another, so that what else the machine does hits all alike.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from typing import Any


def main() -> None:
    order = json.load(sys.stdin)
    runs = []
    for number in range(order["rounds"]):
        commands = order["commands"]
        for command in commands if number % 2 == 0 else reversed(commands):
            runs.append({"name": command["name"], **run(command)})  # noqa: PERF401 - it takes minutes and not memory
    json.dump(runs, sys.stdout)


def run(command: dict[str, Any]) -> dict[str, Any]:
    for file, statement in command.get("sql", ()):
        connection = sqlite3.connect(file, timeout=20, isolation_level=None)
        connection.execute(statement)
        connection.close()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(command.get("input", "").encode())
        given.seek(0)
        began = time.monotonic()
        process = subprocess.Popen(command["argv"], stdin=given, stdout=out, stderr=err, cwd=command.get("cwd"))
        cpu = peak = None
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            ended = time.monotonic()
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu = usage.ru_utime + usage.ru_stime
            peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        else:
            process.wait()
            ended = time.monotonic()
        out.seek(0)
        err.seek(0)
        log = err.read()
        return {
            "began": began,
            "wall": ended - began,
            "cpu": cpu,
            "peak": peak,
            "code": process.returncode,
            "out": out.read().decode("utf-8", "replace"),
            "log": log[-4000:].decode("utf-8", "replace"),
        }


if __name__ == "__main__":
    main()
