"""The command line: `python3 plexsync.py COMMAND`. Standard library alone, up to what a task needs.

It runs the tasks of the plugin, in this process, on the plugin's own queue.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from sync import log
from sync.cli import arguments, commands
from sync.cli.connection import connection_of
from sync.cli.interruption import Interruption
from sync.cli.terminal import Screen, is_terminal, one_line, width_of, write
from sync.ending import Ending, ending_of
from sync.errors import PlexSyncError, describe


def run() -> int:
    """Serve this process's command line; return its exit code. Everything is flushed then."""
    stdout, stderr = _stream(sys.stdout), _stream(sys.stderr)
    code = main(sys.argv[1:], stdout, stderr)
    for stream in (stdout, stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read has gone (`| head`)
            stream.flush()
    return code


def main(argv: Sequence[str], stdout: TextIO, stderr: TextIO, environment: Mapping[str, str] | None = None) -> int:
    """Carry out a command line; return the exit code (see `Ending`).

    The answer goes to `stdout`, with `--json` as one JSON object whatever happens; everything else to `stderr`.
    """
    surroundings = os.environ if environment is None else environment
    as_json = "--json" in argv
    screen = None
    interruption = Interruption()
    try:
        # A library's stray print is no part of the answer.
        with contextlib.redirect_stdout(stderr):
            options = arguments.read(argv)
            if options.version:
                return _tell(stdout, {"version": arguments.version()}, f"PlexSync {arguments.version()}", as_json)
            screen = _screen(options, stderr, surroundings)
            log.use(screen)
            needs_stash = options.command not in commands.WITHOUT_STASH
            connection = connection_of(options, surroundings, needs_stash=needs_stash)
            width = width_of(stdout) if is_terminal(stdout) else None
            answer = commands.carry_out(options, connection, width)
        interruption.ignore()
        screen.clear()
        document = {"command": options.command, **answer.document, "exit_code": int(answer.ending)}
        lines = "" if answer.ending is Ending.WELL and answer.is_brief and options.quiet else "\n".join(answer.lines)
        _tell(stdout, document, lines, as_json)
        return int(answer.ending)
    except arguments.Told as help_text:
        write(stdout, str(help_text))
        return int(Ending.WELL)
    except (Exception, KeyboardInterrupt) as error:
        interruption.ignore()
        if screen:
            screen.clear()
        ending, text = _explain(error, is_interrupted=interruption.happened)
        if as_json:
            _tell(stdout, {"error": text, "exit_code": int(ending)}, "", as_json=True)
        else:
            (screen or Screen(stderr, surroundings))("e", text)
        return int(ending)
    finally:
        log.use(None)
        interruption.end()


def _explain(error: BaseException, *, is_interrupted: bool) -> tuple[Ending, str]:
    # Asked first: what is cut short in the middle may end in another error than KeyboardInterrupt.
    if is_interrupted or isinstance(error, KeyboardInterrupt):
        return Ending.INTERRUPTED, "Interrupted. What was not finished stays queued: the next run goes on where it was"
    if isinstance(error, arguments.UsageError):
        return Ending.WRONG, f"{one_line(log.redact(str(error)))}. See: python3 plexsync.py --help"
    if isinstance(error, PlexSyncError):
        return ending_of(error), one_line(log.redact(str(error)))
    return Ending.NEEDS_A_LOOK, f"PlexSync met an error it does not know ({describe(error)}). Please report it"


def _tell(stdout: TextIO, document: Mapping[str, Any], text: str, as_json: bool) -> int:
    if as_json:
        write(stdout, json.dumps(document, default=str) + "\n")
    elif text:
        write(stdout, f"{text}\n")
    return int(Ending.WELL)


def _screen(options: arguments.Options, stderr: TextIO, environment: Mapping[str, str]) -> Screen:
    # What these commands log is their answer, word for word.
    least = "d" if options.verbose else "w" if options.quiet or options.command in commands.WITHOUT_STASH else "i"
    has_bar = not options.quiet and not options.json
    return Screen(stderr, environment, least=least, has_bar=has_bar, label=options.command)


def _stream(stream: TextIO | None) -> TextIO:
    """Return a stream that takes every character; one that was closed from the start takes them in vain."""
    if stream is None:
        return io.StringIO()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream
