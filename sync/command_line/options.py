"""What a person may write behind `plexsync.py`: commands, options and their help. Standard library alone."""

import argparse
import contextlib
import io
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sync.command_line.connection import DEFAULT_URL
from sync.errors import SetupError

COMMANDS = {
    "status": "say how things are: the queue, the last day, what failed, when Plex was away",
    "process-queue": "bring every queued scene into Plex now, also those that wait for a later try",
    "sync-all": "bring every scene of Stash into Plex",
    "sync-recent": "bring the scenes that were updated lately into Plex",
    "reconcile": "compare Stash with what was written to Plex, and sync what differs",
    "bring-back": "bring plays, resume points and ratings from Plex to Stash, as the settings say",
    "failed": "list, retry or clear the scenes that were given up",
    "clear-queue": "drop every job that waits; what a running drain has begun is finished",
    "check-setup": "test Plex's address, token, libraries, paths and pictures; changes nothing",
}
FAILED = {
    "list": "list the failed jobs",
    "retry": "queue failed jobs again, and bring what is queued into Plex",
    "clear": "forget failed jobs; their scenes are not synced until their next save",
}

_SECRET = re.compile(r"--?[\w-]*(key|token|passw|secret|cookie)[\w-]*", re.IGNORECASE)
_LONG_WORD = re.compile(r"'[^']{40,}'")

PYTHON = "py" if sys.platform == "win32" else "python3"  # how a person calls Python here

_DESCRIPTION = """\
Brings what you curate in Stash into Plex: the tasks of the Stash plugin PlexSync, for a shell or cron.
They work on the plugin's own queue, with the settings of its panel in Stash.
Run it on the machine that Stash runs on, as the same user.
"""
_ON_WINDOWS = "Where there is no py, write the whole path of the python.exe that Stash uses.\n"
_EPILOG = f"""\
environment:
  STASH_URL          as --stash-url
  STASH_API_KEY      the API key itself (Stash: Settings > Security > API key); a Stash without a password needs none
  PLEXSYNC_DATA_DIR  as --data-dir

examples:
  {PYTHON} plexsync.py status
  {PYTHON} plexsync.py check-setup --stash-url http://nas:9999 --api-key-file ~/.stash-key
  {PYTHON} plexsync.py sync-recent --days 2 --quiet
  {PYTHON} plexsync.py reconcile --dry-run --json
  {PYTHON} plexsync.py failed retry --error-type PlexNotFound

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


def read(argv: Sequence[str]) -> argparse.Namespace:
    """Return a command line's options; `help` holds the text that was asked for. Raises UsageError."""
    for name in (word.partition("=")[0] for word in argv):
        if name != "--api-key-file" and _SECRET.fullmatch(name):
            raise UsageError(
                f"{name} is not accepted: every user of this machine can read a command line. Put Stash's API key "
                "into a file that --api-key-file names, or into the environment variable STASH_API_KEY"
            )
    known = (
        *("command", "action", "stash_url", "api_key_file", "data_dir", "json", "quiet", "verbose", "version"),
        *("due", "report", "error_type", "days", "scope", "since", "dry_run"),
    )
    options = argparse.Namespace(**dict.fromkeys(known), help="")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            _, rest = _parser().parse_known_args(list(argv), options)
        except SystemExit:  # argparse has printed the help
            options.help = printed.getvalue()
            return options
    if rest:
        # By name alone: what stands beside a mistyped option may be a secret.
        names = ", ".join(word.partition("=")[0] for word in rest if word.startswith("-"))
        raise UsageError(f"not known: {names or f'{len(rest)} of the words'}")
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose do not go together")
    if not options.command and not options.version:
        raise UsageError("a command is missing; accepted: " + ", ".join(COMMANDS))
    options.command = " ".join(word for word in (options.command, options.action) if word)
    return options


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        # Without defaults: those of a command would overwrite what stands before it.
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **options)

    def error(self, message: str) -> NoReturn:
        # A long word is no slip of somebody who meant a command: it may be a key.
        raise UsageError(_LONG_WORD.sub("'…'", message))


def _parser() -> _Parser:
    shared = _Parser(add_help=False)
    group = shared.add_argument_group("options of all commands, before the command or after it")
    url, folder = DEFAULT_URL, "plexsync beside Stash's config.yml"
    group.add_argument("--stash-url", metavar="URL", help=f"where Stash is (normally $STASH_URL, or {url})")
    group.add_argument("--api-key-file", metavar="FILE", help="a file with Stash's API key (normally $STASH_API_KEY)")
    group.add_argument("--data-dir", metavar="DIR", help=f"the data folder (normally $PLEXSYNC_DATA_DIR, or {folder})")
    group.add_argument("--json", action="store_true", help="print one JSON object")
    group.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    group.add_argument("--verbose", action="store_true", help="say more")
    parser = _Parser(
        prog=f"{PYTHON} plexsync.py",
        description=_DESCRIPTION + (_ON_WINDOWS if PYTHON == "py" else ""),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")

    def add(to: Any, name: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = to.add_parser(name, help=text, description=text, parents=[shared])
        return made

    made = {name: add(commands, name, text) for name, text in COMMANDS.items()}
    due = "take what is due alone, as after a save, and leave what waits for a later try: for every few minutes by cron"
    made["process-queue"].add_argument("--due", action="store_true", help=due)
    made["sync-recent"].add_argument("--days", type=_days, metavar="N", help="how far back, in days (normally 1)")
    report = "print a report for who helps you: no secret, no path, no title, no address in it"
    made["check-setup"].add_argument("--report", action="store_true", help=report)
    made["reconcile"].add_argument("--dry-run", action="store_true", help="count what differs, and change nothing")
    scopes = {"choices": ("all", "7d", "1d"), "help": "scenes updated in that time (normally all)"}
    made["reconcile"].add_argument("--scope", **scopes)  # type: ignore[arg-type]
    made["bring-back"].add_argument(
        "--dry-run", action="store_true", help="say what is new in Plex, and change nothing"
    )
    since = "what was watched from that day on, such as 2024-01-31 (normally bring_since of the settings)"
    made["bring-back"].add_argument("--since", metavar="DAY", help=since)
    actions = made["failed"].add_subparsers(dest="action", title="actions", metavar="ACTION", required=True)
    for name, text in FAILED.items():
        action = add(actions, name, text)
        action.add_argument("--error-type", metavar="X", help="of this class of error alone, such as PlexNotFound")
    return parser


def _days(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < (days := float(text)) < math.inf:
            return days
    raise argparse.ArgumentTypeError(f"{text!r:.30} is not accepted: a number above 0, such as 2 or 0.5")
