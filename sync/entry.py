"""One call of Stash's: read it, hand it to whoever serves it, answer with one JSON object. Or a command line."""

from __future__ import annotations

import gc
import os
import sys

from sync import fast
from sync.errors import PlexSyncError, describe

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any


def main() -> None:
    """Serve one call, then leave at once."""
    # A queue, a state and what may stand in them are nobody else's business.
    os.umask(0o077)
    if sys.argv[1:] == ["--sleeper"]:
        from sync.sleeper import sleeper

        sleeper.main(sys.stdin.buffer.read())
        return
    if sys.argv[1:] == ["--page"]:
        from sync.pages import background

        background.main(sys.stdin.buffer.read())
        return
    if len(sys.argv) > 1:
        try:
            from sync.command_line.main import run

            code = run()
        except KeyboardInterrupt:  # before the command line has begun to look out for it
            code = 130
        # Not sys.exit: a Ctrl-C, or a reader that has gone, would change the code after the answer was given.
        os._exit(code)
    if sys.stdin is None or sys.stdin.isatty():
        from sync.command_line.options import PYTHON  # not at the top: Stash never sees this

        print(
            "PlexSync is a plugin that Stash starts; see README.md for how to install it. For its command line see: "
            f"{PYTHON} plexsync.py --help",
            file=sys.stderr,
        )
        sys.exit(2)
    # A hook has ended before there is anything to collect, and imports leave nothing behind: see `_serve`.
    gc.disable()
    raw = b""
    try:
        raw = sys.stdin.buffer.read()
        reply = answer(raw)
    except (ImportError, OSError):  # plexsync.py calls once more
        import io

        sys.stdin = io.TextIOWrapper(io.BytesIO(raw))
        raise
    except KeyboardInterrupt:  # Stash was ended with Ctrl-C, and with it what it has started
        os._exit(130)
    sys.stdout.write(reply + "\n")
    sys.stdout.flush()
    # Not sys.exit: taking the interpreter down, and SQLite's last close copying its log into its
    # file, would cost the person who saves some more milliseconds. All that counts is committed.
    os._exit(0)


def answer(raw: bytes) -> str:
    """Carry out one call; return `{"output": ...}` or `{"error": ...}` as a line of ASCII.

    Raises ImportError or FileNotFoundError where an update took a module of PlexSync's away, or brought another one.
    """
    try:
        said = _serve(raw)
        if isinstance(said, str):
            return '{"output": ' + fast.quote(said) + "}"
        import json  # not at the top: a hook answers with a sentence

        return json.dumps({"output": said})
    except PlexSyncError as error:
        text = str(error)
    except Exception as error:  # the last net: a sentence for Stash's log, never a traceback
        is_of_update = isinstance(error, FileNotFoundError) and str(error.filename).endswith(".py")
        if is_of_update or (isinstance(error, ImportError) and str(error.name).split(".")[0] == "sync"):
            raise
        text = f"PlexSync met an error it does not know ({describe(error)}). Please report it"
    # Not at the top: few calls fail.
    from sync import log

    return '{"error": ' + fast.quote(log.redact(text)) + "}"


def _serve(raw: bytes) -> str | dict[str, Any]:
    try:
        call = fast.loads(raw)
    except (ValueError, RecursionError) as error:
        what = f"{len(raw)} bytes that are no JSON ({error!s:.120})" if raw.strip() else "nothing"
        raise PlexSyncError(
            f"PlexSync got {what} on stdin; accepted: the JSON object that Stash sends its plugins"
        ) from None
    if not isinstance(call, dict):
        raise PlexSyncError(f"PlexSync got a JSON {type(call).__name__} on stdin; accepted: an object")
    connection = _part(call, "server_connection", "the object that Stash sends its plugins")
    args = _part(call, "args", "an object with mode or hookContext")
    # Each call imports only what it needs: a hook never sees a task's imports.
    if args.get("hookContext") is not None:
        from sync import hook

        try:
            return hook.handle(connection, _part(args, "hookContext", "an object with id, type and inputFields"))
        except PlexSyncError:
            # Not at the top: it is about what an error may show.
            from sync import hidden_paths

            try:  # noqa: SIM105 - contextlib is no import of a hook's
                hidden_paths.begin(connection)
            except PlexSyncError:
                pass  # without a data folder there is nothing to recall
            raise
    from sync.pages import operations

    if operations.is_one(args):
        return operations.answer(connection, args)
    from sync import tasks

    gc.enable()
    return tasks.run(connection, args)


def _part(whole: dict[str, Any], name: str, accepted: str) -> dict[str, Any]:
    part = whole.get(name)
    if not isinstance(part, dict):
        was = "missing" if part is None else f"a JSON {type(part).__name__}"
        raise PlexSyncError(f"{name} is {was} on stdin; accepted: {accepted}")
    return part
