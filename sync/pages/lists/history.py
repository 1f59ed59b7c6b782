"""The operation `history`: what was done on each of the last 30 days, when Plex was away, and what was written last."""

import time
from typing import Any

from sync.pages.lists.known import files
from sync.pages.table import Answer, Call
from sync.queue.history import KEPT_OUTAGES
from sync.status.reading import rows

DAYS = 30
WRITTEN = 100
"""Writes that are told, the newest."""
_DAY = 86_400.0


def history(call: Call) -> Answer:
    """Return `days` (the oldest first, each with the scenes by outcome), `outages` and `written` (the newest first),
    and the `machine` of the server in use."""
    now = time.time()
    days = {_day(now - _DAY * back): dict[str, Any]() for back in reversed(range(DAYS))}
    counts = "SELECT hour, outcome, count FROM statistics_by_hour WHERE library = '' AND hour >= ?"
    outages = (
        "SELECT began_at, ended_at FROM plexsync_outages WHERE coalesce(ended_at, ?) > ? ORDER BY began_at DESC LIMIT ?"
    )
    names = ("at", "scene_id", "title", "library", "section", "rating_key", "what")
    written = f"SELECT {', '.join(names)} FROM written ORDER BY id DESC LIMIT ?"
    with files(call.data) as found:
        for hour, outcome, count in rows(found.state, counts, (now // 3600 - 24 * DAYS,)):
            if (day := days.get(_day(hour * 3600.0))) is not None:
                day[outcome] = day.get(outcome, 0) + count
        away = rows(found.queue, outages, (now, now - _DAY * DAYS, KEPT_OUTAGES))
        wrote = [dict(zip(names, row, strict=True)) for row in rows(found.state, written, (WRITTEN,))]
        used = rows(found.state, "SELECT machine FROM libraries ORDER BY seen_at DESC LIMIT 1")
        return {
            "days": [{"day": day, **counted} for day, counted in days.items()],
            "outages": [{"began_at": began, "ended_at": ended} for began, ended in away],
            "written": [row | {"what": row["what"].split(", ")} for row in wrote],
            "machine": used[0][0] if used else "",
            "troubles": found.troubles,
        }


def _day(at: float) -> str:
    """The day on the calendar that hangs where Stash runs."""
    return time.strftime("%Y-%m-%d", time.localtime(at))
