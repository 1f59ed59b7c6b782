"""What became of a batch, for whoever started it. Pure."""

from sync.back import bring
from sync.bulk import reconcile
from sync.ending import Ending
from sync.queue.batch import BRING_BACK, FAILED, LATER, LEFT_OUT, RECONCILE, Batch, title_of


def ending_of_batch(batch: Batch) -> Ending:
    """Return how a batch has ended for whoever started it."""
    if batch.failed or batch.status == FAILED:
        return Ending.NEEDS_A_LOOK
    return Ending.WELL if batch.is_over else Ending.LATER


def summary_of(batch: Batch) -> list[str]:
    """Return what became of a batch, as lines for a person."""
    left_out, later = (batch.found.get(reason, 0) for reason in (LEFT_OUT, LATER))
    parts = {
        "synced": batch.done,
        "looked at and left" if batch.kind in (RECONCILE, BRING_BACK) else "right already": batch.skipped
        - left_out
        - later,
        "left out by the settings": left_out,
        "to be tried again later": later,
        "failed": batch.failed,
        "left": batch.left,
    }
    said = ", ".join(f"{count} {what}" for what, count in parts.items() if count) or "nothing to do"
    if batch.error:
        said += f"; ended before its end: {batch.error}"
    reasons = reconcile.REASONS | bring.REASONS
    counts = {reason: batch.found[reason] for reason in reasons if batch.found.get(reason)}
    found = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items()).replace("plex", "Plex")
    lines = [f"{title_of(batch)}: {count_of_scenes(batch.total)}: {said}{f'. Found: {found}' if found else ''}"]
    for reason, text in reasons.items():
        count = batch.found.get(reason, 0)
        if count:
            samples = batch.samples.get(reason, [])
            more = ", ..." if count > len(samples) else ""
            lines.append(f"{title_of(batch)} found {count} {text} ({', '.join(samples)}{more})")
    if batch.kind == RECONCILE and not batch.found and batch.is_over:
        lines.append(f"{title_of(batch)} found nothing: Plex holds what Stash has")
    if batch.kind == BRING_BACK and not batch.found and batch.is_over:
        lines.append(f"{title_of(batch)} found nothing new in Plex")
    return lines


def count_of_scenes(count: int) -> str:
    """Return a count of scenes in words."""
    return f"{count} scene{'' if count == 1 else 's'}"
