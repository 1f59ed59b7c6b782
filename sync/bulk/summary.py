"""What became of a batch, for whoever started it. Pure."""

from sync.bulk import reconcile
from sync.ending import Ending, counted
from sync.queue.batch import BRING_BACK, FAILED, LATER, LEFT_OUT, RECONCILE, Batch, title_of
from sync.state.writes import BROUGHT, brought_in_words


def ending_of_batch(batch: Batch) -> Ending:
    """Return how a batch has ended for whoever started it."""
    if batch.failed or batch.status == FAILED:
        return Ending.NEEDS_A_LOOK
    return Ending.WELL if batch.is_over else Ending.LATER


def summary_of(batch: Batch) -> list[str]:
    """Return what became of a batch, as lines for a person."""
    left_out, later = (batch.found.get(reason, 0) for reason in (LEFT_OUT, LATER))
    right = batch.skipped - left_out - later
    parts = {
        "synced": batch.done,
        "looked at and left" if batch.kind in (RECONCILE, BRING_BACK) else "right already": right,
        "left out by the settings": left_out,
        "to be tried again later": later,
        "failed": batch.failed,
        "left": batch.left,
    }
    said = ", ".join(f"{count} {what}" for what, count in parts.items() if count) or "nothing to do"
    if batch.error:
        said += f"; ended before its end: {batch.error}"
    counts = {reason: batch.found[reason] for reason in reconcile.REASONS if batch.found.get(reason)}
    found = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in counts.items()).replace("plex", "Plex")
    brings = {kind: brought_in_words(kind, batch.found[kind]) for kind in BROUGHT if batch.found.get(kind)}
    verb = "would bring" if batch.args.get("dry_run") else "brought"
    told = {"Found": found, verb.capitalize(): ", ".join(brings.values())}
    also = "".join(f". {what}: {text}" for what, text in told.items() if text)
    lines = [f"{title_of(batch)}: {counted(batch.total, 'scene')}: {said}{also}"]
    lines += [_line(batch, f"found {counts[reason]} {reconcile.REASONS[reason]}", reason) for reason in counts]
    lines += [_line(batch, f"{verb} {text}", kind) for kind, text in brings.items()]
    if batch.kind == RECONCILE and not batch.found and batch.is_over:
        lines.append(f"{title_of(batch)} found nothing: Plex holds what Stash has")
    if batch.kind == BRING_BACK and not batch.found and batch.is_over:
        lines.append(f"{title_of(batch)} found nothing new in Plex")
    return lines


def _line(batch: Batch, said: str, reason: str) -> str:
    samples = batch.samples.get(reason, [])
    more = ", ..." if batch.found[reason] > len(samples) else ""
    return f"{title_of(batch)} {said} ({', '.join(samples)}{more})"
