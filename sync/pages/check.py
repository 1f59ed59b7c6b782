"""The operation `check`: the task "Check setup" with its lines as a list, in the order in which they were said."""

from sync import log
from sync.ending import Ending, report_of
from sync.pages.background import Work
from sync.pages.table import Answer
from sync.setup.check import check_setup

_LEVELS = {"i": "info", "w": "warning", "e": "error"}


def check(work: Work) -> Answer:
    """Return the `lines` of the check, each with its level, what is `to_fix`, and whether the setup `is_good`."""
    lines: list[dict[str, str]] = []

    def hear(level: str, text: str) -> None:
        if level == "p":
            work.progress(float(text))
        elif level in _LEVELS:
            lines.append({"level": _LEVELS[level], "text": text})
            work.tell(lines=lines)

    log.use(hear)
    report = report_of(check_setup(work.connection, work.data))
    return {
        "lines": lines,
        "said": str(report),
        "to_fix": report.facts.get("to_fix", []),
        "is_good": report.ending is Ending.WELL,
    }
