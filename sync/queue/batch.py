"""A batch as a value: what it is, how far it is, and what a person calls it. Pure."""

from dataclasses import dataclass, field
from typing import Any

SYNC_ALL, SYNC_RECENT, RECONCILE = "sync_all", "sync_recent", "reconcile"
CHANGE, BRING_BACK = "change", "bring_back"
"""All kinds of batches. A change is one of a performer, studio, tag or group, or one of scenes that fired no hook."""
BRINGS = ("bring_plays", "bring_resume", "send_resume", "bring_ratings")
"""The settings of which one is on where anything comes back from Plex, or goes there beside what is curated."""
PENDING, RUNNING, COMPLETED, FAILED = "PENDING", "RUNNING", "COMPLETED", "FAILED"


@dataclass(slots=True)
class Batch:
    """One batch. Times in seconds since the epoch."""

    id: str  # what its rows carry as `batch_id`
    kind: str
    args: dict[str, Any]
    status: str = PENDING
    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0  # scenes that were right as they were, or that the settings leave out
    cursor: int = 0
    listed: bool = False
    by_itself: bool = False
    interrupted: bool = False
    shape: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    worked_at: float | None = None
    completed_at: float | None = None
    found: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)
    libraries: dict[str, dict[str, int]] = field(default_factory=dict)
    error: str = ""

    @property
    def concluded(self) -> int:
        """Scenes that are through."""
        return self.done + self.failed + self.skipped

    @property
    def left(self) -> int:
        """Scenes that are not, as far as it is known yet."""
        return 0 if self.is_over else max(0, self.total - self.concluded)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in (COMPLETED, FAILED)

    @property
    def progress(self) -> float:
        """From 0 to 1 over the whole of it, whatever runs it took."""
        if self.is_over:
            return 1.0
        return min(1.0, self.concluded / self.total) if self.total else 0.0


LEFT_OUT, LATER = "left_out", "later"
"""Under these stands in `found` how many of those that were skipped the settings leave out, and how many somebody
has saved meanwhile and are tried again without the batch."""
WHOLE = {"scope": "all"}  # what a reconcile of everything is started with
SCOPES = {"all": None, "7d": 7.0, "1d": 1.0}
"""What a reconcile looks at: days since the scene's last change in Stash; None: every scene."""
PERIODS = {"daily": 86_400.0, "weekly": 604_800.0}  # `reconcile_every` -> seconds
TITLES = {SYNC_ALL: "Sync all scenes", SYNC_RECENT: "Sync recent scenes", RECONCILE: "Reconcile"} | {
    BRING_BACK: "Bring back from Plex"
}


def title_of(batch: Batch) -> str:
    """Return what a person calls a batch: its task, or what was changed."""
    if "since" in batch.args:
        return "Changes without a save"
    if batch.kind == CHANGE:
        return f"Change of {batch.args.get('entity')} {batch.args.get('id')}"
    return f"{TITLES.get(batch.kind, batch.kind)}{' (dry run)' if batch.args.get('dry_run') else ''}"
