"""What each command does, and how it ended. Standard library alone, up to what a task needs."""

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sync import data_folder, log, privacy, tasks
from sync.cli import failed_list
from sync.cli.arguments import Options
from sync.cli.terminal import one_line
from sync.ending import Ending, report_of, worst
from sync.errors import SetupError
from sync.status import page, status

WITHOUT_STASH = ("status", "failed list", "failed clear", "clear-queue")
"""Commands that ask no server, once the data folder is known, and need no packages."""

_MODES = {
    "process-queue": "process_queue",
    "sync-all": "sync_all",
    "sync-recent": "sync_recent",
    "reconcile": "reconcile",
    "failed retry": "retry_failed",
    "failed clear": "clear_failed",
    "clear-queue": "clear_queue",
    "check-setup": "check_setup",
}
_BULK = ("sync-all", "sync-recent", "reconcile")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers."""

    lines: list[str]
    """For a person."""
    document: dict[str, Any]
    """For a script."""
    ending: Ending
    is_brief: bool = True
    """One sentence, which says nothing new where all is well; not what was asked for."""


def carry_out(options: Options, connection: Mapping[str, Any], width: int | None) -> Answer:
    """Carry out a command; `width` of the terminal that its answer goes to in columns, None: it is none.

    Raises PlexSyncError.
    """
    data = data_folder.data_folder(connection)
    privacy.recall(data)
    log.debug(f"Data folder: {data}")
    if options.command == "status":
        return _status(data, is_short=options.quiet)
    if options.command == "failed list":
        return _list_failed(data, options.error_type, width)
    return _task(options, connection, data)


def _status(data: str, *, is_short: bool) -> Answer:
    found = status.gather(data)
    lines = [page.summary(found)] if is_short else page.page(found)
    return Answer(
        [one_line(line) for line in lines],
        json.loads(page.as_json(found)),
        Ending.NEEDS_A_LOOK if found.troubles else Ending.WELL,
        is_brief=False,
    )


def _list_failed(data: str, error_type: str | None, width: int | None) -> Answer:
    everything = failed_list.read_letters(data)
    letters = [one for one in everything if error_type is None or one.error_type == error_type]
    lines = failed_list.table(letters, width) if letters else [failed_list.said_of(letters, everything, error_type)]
    document = {"count": len(letters), "failed": failed_list.as_document(letters)}
    return Answer(lines, document, Ending.WELL, is_brief=False)


def _task(options: Options, connection: Mapping[str, Any], data: str) -> Answer:
    began = time.time()
    report = report_of(tasks.run(connection, _args(options)))
    ending, facts = report.ending, dict(report.facts)
    if options.command in _BULK:
        facts["batch"] = _batch(data, _MODES[options.command], began)
    elif ending is not Ending.BUSY and _has_buried(data, began):
        ending = worst(ending, Ending.NEEDS_A_LOOK)
    said = one_line(log.redact(report))
    return Answer([said], {"result": said, **facts}, ending)


def _args(options: Options) -> dict[str, Any]:
    args: dict[str, Any] = {"mode": _MODES[options.command]}
    if options.due:
        args["trigger"] = "command line"  # without one it is a person's press, which wants everything tried now
    if options.error_type is not None:
        args["error_type"] = options.error_type
    if options.command == "sync-recent":
        args["days"] = options.days
    if options.command == "reconcile":
        args |= {"scope": options.scope, "dry_run": options.dry_run}
    return args


def _has_buried(data: str, began: float) -> bool:
    """Return whether a dead letter was written since the task began, by whichever step of it."""
    try:
        return bool(failed_list.read_letters(data, since=began))
    except SetupError:
        return True  # a file that cannot be read has to be looked at


def _batch(data: str, kind: str, began: float) -> dict[str, Any] | None:
    """Return the newest batch of this kind that was at work since `began`, as the status has it; None: none was."""
    for batch in status.gather(data).batches:
        if batch.kind == kind and (batch.completed_at is None or batch.completed_at >= began):
            return dataclasses.asdict(batch)
    return None
