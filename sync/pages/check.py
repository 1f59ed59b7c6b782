"""The operations `check` and `report`: the task "Check setup", for who sets up and for who helps."""

from sync.ending import Ending, report_of
from sync.pages.background import Work
from sync.pages.table import Answer
from sync.setup.check import check_setup, listen
from sync.setup.report import gather


def check(work: Work) -> Answer:
    """Return the `lines` of the check as said, each with its level; what is `to_fix`; whether it `is_good`."""
    lines: list[dict[str, str]] = []

    def say(level: str, text: str) -> None:
        lines.append({"level": level, "text": text})
        work.tell(lines=lines)

    listen(say, work.progress)
    report = report_of(check_setup(work.connection, work.data))
    return {
        "lines": lines,
        "said": str(report),
        "to_fix": report.facts.get("to_fix", []),
        "is_good": report.ending is Ending.WELL,
    }


def report(work: Work) -> Answer:
    """Return the `text` of a report that can be shown in public; see `sync.setup.report`."""
    return {"text": "\n".join(gather(work.connection, work.data, work.progress).facts["report"])}
