"""The command line: `python3 plexsync.py COMMAND` runs the plugin's tasks in this process. Standard library alone."""

import contextlib
import io
import json
import os
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from sync import hidden_paths, log, tasks
from sync.bulk.args import MODES
from sync.command_line.connection import connection_of
from sync.command_line.options import PYTHON, UsageError, read
from sync.ending import Ending, report_of, worst
from sync.errors import PlexSyncError, TransientError, describe
from sync.status import page, status
from sync.status.version import version

WITHOUT_STASH = ("status", "failed list", "failed clear", "clear-queue")
"""Commands that ask no server, once the data folder is known, and need no packages."""
_PASSED_ON = ("error_type", "report", "days", "scope", "since", "dry_run")
"""Options that tasks know by the same names."""
_LEVELS = {"d": "debug: ", "i": "", "w": "warning: ", "e": "error: "}
"""From the least to the gravest."""


def run() -> int:
    """Serve this process's command line; return its exit code."""
    return main(sys.argv[1:], _able(sys.stdout), _able(sys.stderr))


def main(argv: Sequence[str], stdout: TextIO, stderr: TextIO, environment: Mapping[str, str] | None = None) -> int:
    """Carry out a command line; return an `Ending`. The answer goes to `stdout`, everything else to `stderr`."""
    as_json = "--json" in argv
    show = _sink(stderr, least="i", has_bar=False)
    try:
        # A library's stray print is no part of the answer.
        with contextlib.redirect_stdout(stderr):
            options = read(argv)
            if options.help:
                return _write(stdout, options.help)
            if options.version:
                return _write(stdout, _dump({"version": version()}) if as_json else f"PlexSync {version()}\n")
            # What these commands log is their answer, word for word.
            is_silent = options.quiet or options.command in WITHOUT_STASH
            show = _sink(
                stderr,
                least="d" if options.verbose else "w" if is_silent else "i",
                has_bar=not (options.quiet or options.json) and stderr.isatty(),
            )
            log.use(show)
            surroundings = os.environ if environment is None else environment
            connection = connection_of(options, surroundings, needs_stash=options.command not in WITHOUT_STASH)
            lines, document, ending = _carry_out(options, connection)
        show("p", "")
        if as_json:
            _write(stdout, _dump({"command": options.command, **document, "exit_code": int(ending)}))
        elif ending is not Ending.WELL or not options.quiet or options.command in ("status", "failed list"):
            _write(stdout, "".join(f"{log.one_line(line)}\n" for line in lines))
        return int(ending)
    except (Exception, KeyboardInterrupt) as error:
        ending, text = _explain(error)
        show("p", "")
        if as_json:
            _write(stdout, _dump({"error": text, "exit_code": int(ending)}))
        else:
            show("e", text)
        return int(ending)
    finally:
        log.use(None)


# What it does

_Answer = tuple[list[str], dict[str, Any], Ending]
"""Lines for a person, a document for a script, and how it ended."""


def _carry_out(options: Namespace, connection: Mapping[str, Any]) -> _Answer:
    data = hidden_paths.begin(connection)
    log.debug(f"Data folder: {data}")
    if options.command == "status":
        found = status.gather(data)
        lines = [page.summary(found)] if options.quiet else page.page(found)
        return lines, found, Ending.NEEDS_A_LOOK if found["troubles"] else Ending.WELL
    if options.command == "failed list":
        everything = status.failed_jobs(data)
        letters = [one for one in everything if options.error_type in (None, one["error_type"])]
        there = Counter(one["error_type"] for one in everything)
        lines = [page.failed_job(one) for one in letters] or [tasks.no_such(there, options.error_type)]
        return lines, {"count": len(letters), "failed": letters}, Ending.WELL
    mode = f"{options.action}_failed" if options.action else options.command.replace("-", "_")
    given = {name: getattr(options, name) for name in _PASSED_ON}
    args = {"mode": mode} | {name: value for name, value in given.items() if value is not None}
    if options.due:
        args["trigger"] = "command line"  # without one it is a person's press, which wants everything tried now
    began = time.time()
    report = report_of(tasks.run(connection, args))
    ending, facts = report.ending, dict(report.facts)
    found = status.gather(data)
    if mode in MODES:
        at_work = (one for one in found["batches"] if one["completed_at"] is None or one["completed_at"] >= began)
        facts["batch"] = next((one for one in at_work if one["kind"] == mode), None)
    elif ending is not Ending.BUSY:
        latest = [one["failed_at"] for cause in found["failed"] for one in cause["examples"]]
        if found["troubles"] or max(latest, default=0.0) >= began:
            ending = worst(ending, Ending.NEEDS_A_LOOK)
    said = log.redact(report)
    return facts.get("report") or [said], {"result": log.one_line(said), **facts}, ending


def _explain(error: BaseException) -> tuple[Ending, str]:
    if isinstance(error, KeyboardInterrupt):
        return Ending.INTERRUPTED, "Interrupted. What was not finished stays queued: the next run goes on where it was"
    if isinstance(error, UsageError):
        return Ending.WRONG, f"{log.one_line(log.redact(str(error)))}. See: {PYTHON} plexsync.py --help"
    if isinstance(error, PlexSyncError):
        ending = Ending.LATER if isinstance(error, TransientError) else Ending.WRONG
        return ending, log.one_line(log.redact(str(error)))
    return Ending.NEEDS_A_LOOK, f"PlexSync met an error it does not know ({describe(error)}). Please report it"


# What it shows


def _sink(stream: TextIO, *, least: str, has_bar: bool) -> Callable[[str, str], None]:
    """Return what shows a log line, or (level `p`) how far things are, from 0 to 1; see `log.use`."""
    levels = "".join(_LEVELS)

    def show(level: str, text: str) -> None:
        if level == "p" and has_bar:
            # The next line, or how far it is then, stands in its place.
            _write(stream, f"\r{float(text):4.0%}\r" if text else "\r    \r")
        elif levels.find(level) >= levels.index(least):
            _write(stream, f"{_LEVELS[level]}{text}\n")

    return show


def _dump(document: Mapping[str, Any]) -> str:
    return json.dumps(document, default=str) + "\n"


def _write(stream: TextIO, text: str) -> int:
    with contextlib.suppress(OSError, ValueError):  # a stream that nobody reads any more stops no work
        stream.write(text)
        stream.flush()
    return int(Ending.WELL)


def _able(stream: TextIO | None) -> TextIO:
    """Return a stream that takes every character; one that was closed from the start takes them in vain."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream or io.StringIO()
