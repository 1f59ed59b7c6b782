"""What a person may write behind `plexsync.py`: commands, options and their help. Standard library alone."""

import argparse
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sync import data_folder
from sync.errors import SetupError

DEFAULT_URL = "http://localhost:9999"

_SECRET = re.compile(r"--?[\w-]*(key|token|passw|secret|cookie)[\w-]*", re.IGNORECASE)
_LONG_WORD = re.compile(r"'[^']{40,}'")

_DESCRIPTION = """\
Brings what you curate in Stash into Plex: the tasks of the Stash plugin PlexSync, for a shell or cron.
They work on the plugin's own queue, with the settings of its panel in Stash.
Run it on the machine that Stash runs on, as the same user.
"""
_EPILOG = """\
environment:
  STASH_URL          as --stash-url
  STASH_API_KEY      the API key itself (Stash: Settings > Security > API key); a Stash without a password needs none
  PLEXSYNC_DATA_DIR  as --data-dir
  NO_COLOR           no colours

examples:
  python3 plexsync.py status
  python3 plexsync.py check-setup --stash-url http://nas:9999 --api-key-file ~/.stash-key
  python3 plexsync.py sync-recent --days 2 --quiet
  python3 plexsync.py reconcile --dry-run --json
  python3 plexsync.py failed retry --error-type PlexNotFound

exit codes:
  0    all is well
  1    done, but something failed for good or has to be looked at: a scene, the setup, a file of PlexSync's
  2    wrong usage or settings
  3    Plex or Stash is away or stumbles, or Plex lacks a file yet: what is queued goes on by itself later
  4    another run is at work and takes what is queued
  130  interrupted (Ctrl-C): what was not finished stays queued
"""


class UsageError(SetupError):
    """The command line is not accepted; the text names the option."""


class Told(Exception):  # noqa: N818 - an answer, not an error
    """The command line asked for a text and nothing else: help. The text is it."""


@dataclass(frozen=True, slots=True)
class Options:
    """A command and its options, as they were written; None and False where they were not."""

    command: str = ""
    """Such as "sync-all" or "failed list"; empty: none."""
    stash_url: str | None = None
    api_key_file: str | None = None
    data_dir: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    version: bool = False
    days: float = 1
    scope: str = "all"
    dry_run: bool = False
    error_type: str | None = None
    due: bool = False


def read(argv: Sequence[str]) -> Options:
    """Return the options of a command line. Raises UsageError, and Told for `--help`."""
    _refuse_secrets(argv)
    given, rest = _parser().parse_known_args(list(argv))
    if rest:
        # By name alone: what stands beside a mistyped option may be a secret.
        names = ", ".join(word.partition("=")[0] for word in rest if word.startswith("-"))
        raise UsageError(f"not known: {names or f'{len(rest)} of the words'}")
    values: dict[str, Any] = {name: value for name, value in vars(given).items() if value is not None}
    action = values.pop("action", None)
    options = Options(**{**values, "command": " ".join(word for word in (values.get("command"), action) if word)})
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose do not go together")
    if not options.command and not options.version:
        raise UsageError("a command is missing; accepted: " + ", ".join(COMMANDS))
    return options


def version() -> str:
    """Return PlexSync's version, from the line in PlexSync.yml."""
    try:
        with open(os.path.join(data_folder.PLUGIN_FOLDER, "PlexSync.yml"), encoding="utf-8") as file:
            found = re.search(r"^version:\s*(\S+)", file.read(), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    return found[1].strip("\"'") if found else "unknown"


def _refuse_secrets(argv: Sequence[str]) -> None:
    for word in argv:
        name = word.partition("=")[0]
        if name == "--api-key-file" or not _SECRET.fullmatch(name):
            continue
        raise UsageError(
            f"{name} is not accepted: every user of this machine can read a command line. Put Stash's API key into a "
            "file that --api-key-file names, or into the environment variable STASH_API_KEY"
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # A long word is no slip of somebody who meant a command: it may be a key.
        raise UsageError(_LONG_WORD.sub("'…'", message))

    def print_help(self, file: object = None) -> NoReturn:
        raise Told(self.format_help())


def _parser() -> _Parser:
    parser = _Parser(
        prog="plexsync.py",
        usage="python3 plexsync.py [options] COMMAND",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[_shared()],
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = _command(commands, name, text)
        if name == "process-queue":
            command.add_argument(
                "--due",
                action="store_true",
                help="take what is due alone, as after a save, and leave what waits for a later try: for every few "
                "minutes by cron",
            )
        elif name == "sync-recent":
            command.add_argument("--days", type=_days, help="how far back, in days (normally 1)", metavar="N")
        elif name == "reconcile":
            command.add_argument("--dry-run", action="store_true", help="count what differs, and change nothing")
            command.add_argument(
                "--scope", choices=("all", "7d", "1d"), help="scenes updated in that time (normally all)"
            )
        elif name == "failed":
            actions = command.add_subparsers(dest="action", title="actions", metavar="ACTION", required=True)
            for action, what in _FAILED.items():
                _command(actions, action, what, f"failed {action}").add_argument(
                    "--error-type", metavar="X", help="of this class of error alone, such as PlexNotFound"
                )
    return parser


COMMANDS = {
    "status": "say how things are: the queue, the last day, what failed, when Plex was away",
    "process-queue": "bring every queued scene into Plex now, also those that wait for a later try",
    "sync-all": "bring every scene of Stash into Plex",
    "sync-recent": "bring the scenes that were updated lately into Plex",
    "reconcile": "compare Stash with what was written to Plex, and sync what differs",
    "failed": "list, retry or clear the scenes that were given up",
    "clear-queue": "drop every job that waits; what a running drain has begun is finished",
    "check-setup": "test Plex's address, token, libraries, paths and pictures; changes nothing",
}
_FAILED = {
    "list": "list the failed jobs",
    "retry": "queue failed jobs again, and bring what is queued into Plex",
    "clear": "forget failed jobs; their scenes are not synced until their next save",
}


def _command(commands: Any, name: str, text: str, whole: str = "") -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        usage=f"python3 plexsync.py {whole or name} [options]",
        description=f"{text[0].upper()}{text[1:]}.",
        allow_abbrev=False,
        parents=[_shared()],
        argument_default=argparse.SUPPRESS,
    )
    return command


def _shared() -> argparse.ArgumentParser:
    # Without defaults: those of a command would overwrite what stands before it.
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    options = shared.add_argument_group("options of all commands, before the command or after it")
    options.add_argument("--stash-url", metavar="URL", help=f"where Stash is (normally $STASH_URL, or {DEFAULT_URL})")
    options.add_argument(
        "--api-key-file", metavar="FILE", help="a file with Stash's API key (normally $STASH_API_KEY has the key)"
    )
    options.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the plugin's data folder (normally $PLEXSYNC_DATA_DIR, or plexsync beside Stash's config.yml)",
    )
    options.add_argument("--json", action="store_true", help="print one JSON object")
    options.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    options.add_argument("--verbose", action="store_true", help="say more")
    return shared


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r:.30} is not accepted: a number above 0, such as 2 or 0.5")
    return int(days) if days == int(days) else days
