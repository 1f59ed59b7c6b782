"""The operation `history`: what was done on each of the last 30 days, when Plex was away, and what was written last."""

import time
from datetime import date, timedelta

from sync import log
from sync.pages.operations import Answer, Call
from sync.status.reading import files

DAYS = 30
WRITTEN = 100  # writes that are told, the newest
_DAY = 86_400.0


def history(call: Call) -> Answer:
    """Return `days`, the oldest first; `outages` and `written`, the newest first; `machine` of the server in use."""
    now = time.time()
    today = date.fromtimestamp(now)
    days: dict[str, dict[str, int]] = {(today - timedelta(back)).isoformat(): {} for back in reversed(range(DAYS))}
    counts = "SELECT hour, outcome, count FROM statistics_by_hour WHERE library = '' AND hour >= ?"
    outages = "SELECT began_at, ended_at FROM plexsync_outages WHERE coalesce(ended_at, ?) > ? ORDER BY began_at DESC"
    written = "SELECT at, scene_id, title, library, section, rating_key, what FROM written ORDER BY id DESC LIMIT ?"
    with files(call.data) as found:
        for hour, outcome, count in found.state.rows(counts, (now // 3600 - 24 * (DAYS + 1),)):
            if (day := days.get(date.fromtimestamp(hour * 3600.0).isoformat())) is not None:
                day[outcome] = day.get(outcome, 0) + count
        away = [dict(row) for row in found.queue.rows(outages, (now, now - _DAY * DAYS))]
        wrote = [dict(row) for row in found.state.rows(written, (WRITTEN,))]
        used = found.state.record("SELECT machine FROM libraries ORDER BY seen_at DESC LIMIT 1")
    return {
        "days": [{"day": day, **counted} for day, counted in days.items()],
        "outages": away,
        "written": [row | {"title": log.redact(row["title"]), "what": row["what"].split(", ")} for row in wrote],
        "machine": used["machine"] if used else "",
        "troubles": found.troubles,
    }
