"""What became of the steps of an item, by what was sent and what was read back. Pure."""

from sync.plex.difference import RATING, is_taken
from sync.plex.exceptions import PlexTemporaryError
from sync.worker.item_steps import METADATA
from sync.worker.steps import Place, StepRecord, StepState, completed, failed, is_current
from sync.worker.work import Work


def is_unconfirmed(work: Work) -> bool:
    """Return whether something was sent that is known to be in Plex only when the item is read back."""
    return METADATA in work.sent or RATING in work.sent


def in_doubt(work: Work) -> dict[str, list[str]]:
    """Return what was intended by a request that Plex did not answer: it may do it after the item was read back."""
    parts = ((METADATA, work.edit.metadata), (RATING, work.edit.rating))
    names = {name for step, edit in parts if step not in work.sent for name in edit.intended()}
    return {name: values for name, values in work.target.record.memory.intended.items() if name in names}


def confirmed(work: Work, now: float) -> list[tuple[str, StepRecord]]:
    """Return the records of the steps whose effect the read-back has shown."""
    done = []
    metadata, rating = work.record_of(METADATA), work.record_of(RATING)
    if (METADATA in work.sent or not work.edit.metadata) and not is_current(metadata, work.fingerprint):
        done.append((METADATA, completed(metadata, work.fingerprint, now)))
    was_begun = rating.state in (StepState.RUNNING, StepState.FAILED) and not work.edit.rating
    if RATING in work.sent or was_begun:  # begun by an earlier run, and found to be there
        done.append((RATING, completed(rating, rating.fingerprint, now)))
    return done


def written(work: Work) -> list[str]:
    """Return what was written to an item, for a log line."""
    fields = work.edit.metadata.fields if METADATA in work.sent else []
    return [*fields, *(name for name in work.sent if name != METADATA)]


def unkept(work: Work, steps: list[tuple[Place, str, StepRecord]]) -> PlexTemporaryError | None:
    """Return an error where Plex answered that it wrote something and kept nothing of it; the steps are noted."""
    after = work.after or work.target.item
    lost = {
        name: edit
        for name, edit in ((METADATA, work.edit.metadata), (RATING, work.edit.rating))
        if name in work.sent and not is_taken(work.target.item, after, edit)
    }
    if not lost:
        return None
    fields = ", ".join(field for edit in lost.values() for field in edit.fields)
    error = PlexTemporaryError(f"Plex took an edit of item {after.rating_key} and did not keep it ({fields})")
    steps += [(work.place, name, failed(work.record_of(name), error)) for name in lost]
    return error
