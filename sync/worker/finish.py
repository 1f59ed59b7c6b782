"""The end of each scene: what became of it is remembered and told, and its rows leave the queue."""

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields

from sync import log
from sync.ending import Ending, Report, worst
from sync.errors import PermanentError, PlexSyncError
from sync.model import MATCH, METADATA, Scene
from sync.plex.exceptions import PlexItemRemoved, PlexNotFound, PlexTemporaryError
from sync.plex.read_back import is_taken, overtaken, remember
from sync.queue.batch import CHANGE, SYNC_ALL, SYNC_RECENT
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import ClaimedJob
from sync.state import writes
from sync.worker.backoff import calculate_delay, get_retry_params
from sync.worker.covers import Covers
from sync.worker.run import ItemSync, Run, SceneSync

LATE_GRID = 60.0  # seconds. What waits of a batch for a later try becomes due at the full minute.
MISSING_GRID = 300.0  # the same for scenes of a batch that Plex does not have yet: there may be thousands

_Line = tuple[Callable[[str], None], str]  # what is to be said, and how gravely


@dataclass(slots=True)
class Summary:
    """What a drain did."""

    scenes: int = 0
    changed: int = 0
    right: int = 0
    gone: int = 0
    left_out: int = 0
    not_in_plex: int = 0
    later: int = 0
    failed: int = 0
    libraries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(library, "changed" | "right" | "failed") -> how many items."""

    def counts(self) -> Counter[tuple[str, str]]:
        """Return (library, outcome) -> how many items, and ("", outcome) -> how many scenes."""
        scenes = {("", name.replace("_", " ").replace("plex", "Plex")): count for name, count in self._scenes().items()}
        return self.libraries + Counter(scenes)

    def _scenes(self) -> dict[str, int]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("scenes", "libraries")}

    def __str__(self) -> str:
        if not self.scenes:
            return "Nothing was due"
        words = {
            "changed": "changed in Plex",
            "right": "right already",
            "gone": "gone from Stash",
            "left_out": "left out by the settings",
            "not_in_plex": "not in Plex",
            "later": "tried again later",
        }
        said = ", ".join(f"{count} {words.get(name, name)}" for name, count in self._scenes().items() if count)
        return f"{self.scenes} scene{'' if self.scenes == 1 else 's'}: {said}"

    def report(self) -> Report:
        """Return it as the answer of a task."""
        libraries: dict[str, dict[str, int]] = {}
        for (library, outcome), count in self.libraries.items():
            libraries.setdefault(library, {})[outcome] = count
        ending = worst(Ending.NEEDS_A_LOOK if self.failed else Ending.WELL, Ending.LATER if self.later else Ending.WELL)
        return Report(str(self), ending, scenes=self.scenes, **self._scenes(), libraries=libraries)

    def by_library(self) -> str:
        """What was done in each library, where there are several."""
        said = []
        for name in dict.fromkeys(library for library, _ in self.libraries):
            counts = {outcome: self.libraries[name, outcome] for outcome in ("changed", "right", "failed")}
            said.append(f'"{name}" ' + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
        return "; ".join(said) if len(said) > 1 else ""


class Finish:
    """Ends the scenes that a drain has claimed, one way or another; raises sqlite3.Error."""

    def __init__(self, run: Run, covers: Covers) -> None:
        self._run = run
        self._jobs = run.jobs
        self._covers = covers
        self.summary = Summary()
        self.open: dict[tuple[int, ...], ClaimedJob] = {}
        """What is claimed and has not come to its end, by rows: a scene may be saved while it is written."""
        self._item_counts: dict[str, Counter[tuple[str, str]]] = {}  # batch -> (library, outcome), not on disk yet
        self._counted: Counter[tuple[str, str]] = Counter()

    def begin(self, jobs: Iterable[ClaimedJob]) -> None:
        """These scenes are claimed: each of them is to be ended or given back."""
        self.open |= {job.row_ids: job for job in jobs}

    def give_back(self) -> None:
        """Put the rows of the scenes that have not come to their end back as they were."""
        given = list(self.open.values())
        self.open.clear()
        if given:
            self._jobs.give_back(given)

    def keep_counts(self) -> None:
        """Put on disk what was counted since the last time: a drain may be killed."""
        if self._item_counts:
            self._jobs.acknowledge([], self._item_counts)
            self._item_counts.clear()
        counts = self.summary.counts()
        if new := counts - self._counted:
            self._run.state.count(new, time.time())
            self._counted = counts

    def finish(self, scenes: Sequence[SceneSync]) -> None:
        """End scenes by what was read back of their items."""
        now = time.time()
        for one in scenes:
            for item in one.items:
                self._remember(one, item, now)
        # Only now: `_remember` adds an error where Plex did not keep an edit.
        done, failed = [one for one in scenes if not one.errors], [one for one in scenes if one.errors]
        for one in done:
            for item in one.items:
                item.record.fingerprint, item.record.cover = item.fingerprint, one.cover
        with self._run.state.transaction() as connection:
            known = [item.record for one in scenes for item in one.items]
            self._run.state.put_items(connection, self._run.plex.machine, known)
            self._run.state.put_synced(connection, [(one.scene.id, one.scene.refs) for one in done], now)
            writes.no_longer_left_out(connection, [one.scene.id for one in done])
            self._note_whether_in_plex([(one.job, one.scene, deciding_error(one.errors)) for one in failed])
            writes.put_written(connection, [row for one in scenes for row in _writes_of(one)], now)
        for one in scenes:
            self._tell(one)
        with self._jobs.transaction():
            lines = [self._fail(one.job, one.scene, deciding_error(one.errors)) for one in failed]
            self._acknowledge([one.job for one in done])
        for tell, text in lines:  # now that it is on disk, and no save waits for the queue
            tell(text)

    def _remember(self, one: SceneSync, item: ItemSync, now: float) -> None:
        record, after = item.record, item.after
        if after is None:
            if not one.errors:  # a job ends where its item is known to be right in Plex
                one.errors.append(PlexItemRemoved(f"Plex item {record.rating_key} is gone from Plex since a moment"))
            return
        was_sent = METADATA in item.sent
        if was_sent and not is_taken(item.item, after, item.edit):
            fields = ", ".join(item.edit.fields)
            lost = PlexTemporaryError(f"Plex took an edit of item {record.rating_key} and did not keep it ({fields})")
            record.steps[METADATA] = record.step(METADATA).failed(lost)
            item.after = None
            one.errors.append(lost)
            return
        if (was_sent or not item.edit) and not record.step(METADATA).is_current(item.fingerprint):
            record.steps[METADATA] = record.step(METADATA).completed(item.fingerprint, now)
        how = "path" if record.exact else "name"
        if not record.step(MATCH).is_current(how):
            record.steps[MATCH] = record.step(MATCH).completed(how, now)
        if one.has_no_cover and one.cover:
            self._covers.note_without(record, now)
        # What Plex did not answer it may do after the item was read back.
        doubtful = {} if was_sent else {name: record.memory.intended.get(name, []) for name in item.edit.intended()}
        if item.overtakes:
            doubtful |= {**overtaken(record.memory, item.wanted, item.item), METADATA: []}  # see writes.in_doubt
        record.memory = remember(item.item, after, item.wanted, record.memory, item.edit)
        record.memory.intended |= doubtful
        record.synced_at = now

    def _tell(self, one: SceneSync) -> None:
        changed = [item for item in one.items if item.sent and item.after]
        for item in one.items:
            outcome = "failed" if item.after is None else "changed" if item.sent else "right"
            self.summary.libraries[item.library, outcome] += 1
            for batch_id in one.job.batches:
                self._item_counts.setdefault(batch_id, Counter())[item.library, outcome] += 1
        if changed:
            wrote = (f"{', '.join(item.written)} to Plex item {item.record.rating_key}" for item in changed)
            # Of a batch of thousands the counts are what a person reads; of a reconcile what was mended.
            is_many = one.job.job.update_type in (SYNC_ALL, SYNC_RECENT, CHANGE)
            (log.debug if is_many else log.info)(f"{one.scene.label}: wrote {'; '.join(wrote)}")
        if not one.errors:
            self.summary.scenes += 1
            if changed:
                self.summary.changed += 1
            else:
                self.summary.right += 1

    def _acknowledge(self, jobs: list[ClaimedJob]) -> None:
        self._jobs.acknowledge(jobs, self._item_counts)
        self._item_counts.clear()
        for job in jobs:
            self.open.pop(job.row_ids, None)

    def forget(self, claims: list[ClaimedJob]) -> None:
        """End scenes that are gone from Stash."""
        if not claims:
            return
        self._run.state.forget_scenes([claim.scene_id for claim in claims])
        self._acknowledge(claims)
        self.summary.scenes += len(claims)
        self.summary.gone += len(claims)
        for claim in claims:
            log.info(f"Scene {claim.scene_id} is gone from Stash; its item in Plex is left as it is")

    def leave_out(self, some: list[tuple[ClaimedJob, Scene, str]]) -> None:
        """End scenes that the settings leave out, each with the reason."""
        if not some:
            return
        with self._run.state.transaction() as connection:
            reasons = [(scene.id, reason) for _, scene, reason in some]
            writes.put_left_out(connection, reasons, writes.LEFT_OUT, time.time())
        self._acknowledge([claim for claim, _, _ in some])
        self.summary.scenes += len(some)
        self.summary.left_out += len(some)
        for _, scene, reason in some:
            log.info(f"{scene.label} is left out: {reason}")

    def fail(self, claim: ClaimedJob, scene: Scene, error: PlexSyncError) -> None:
        """End a try that went wrong: the scene is tried again later, or becomes a dead letter."""
        self._note_whether_in_plex([(claim, scene, error)])
        with self._jobs.transaction():
            tell, text = self._fail(claim, scene, error)
        tell(text)

    def _note_whether_in_plex(self, failed: Sequence[tuple[ClaimedJob, Scene, PlexSyncError]]) -> None:
        lacking = [(scene.id, log.redact(str(error))) for job, scene, error in failed if self._is_lacking(job, error)]
        with self._run.state.transaction() as connection:
            writes.no_longer_left_out(connection, [scene.id for _, scene, _ in failed])
            writes.put_left_out(connection, lacking, writes.NOT_IN_PLEX, time.time())

    def _fail(self, claim: ClaimedJob, scene: Scene, error: PlexSyncError) -> _Line:
        self.summary.scenes += 1
        job, now = claim.job, time.time()
        base, cap, most = get_retry_params(error, self._run.settings.max_retries)
        # A try before its time, which a person asked for, is not counted.
        count = job.retry_count + (0 if job.early else 1)
        if self._is_lacking(claim, error):
            self._acknowledge([claim])
            self.summary.not_in_plex += 1
            return log.info, f"{scene.label}: {str(error).partition('. ')[0]}. That is right by skip_not_found"
        # What was given up because Plex did not have it, a batch looks for once more, not a dozen times.
        is_given_up = (
            job.batch_id is not None and isinstance(error, PlexNotFound) and bool(self._jobs.with_letters([scene.id]))
        )
        if isinstance(error, PermanentError) or self._is_last(claim, error) or is_given_up:
            return self._bury(claim, scene, error, count, now)
        delay = max(calculate_delay(job.retry_count, base, cap), getattr(error, "wait", 0.0))
        if job.batch_id is not None:  # a thousand of them become due together, not one by one
            pause = MISSING_GRID if isinstance(error, PlexNotFound) else LATE_GRID
            delay = math.ceil((now + delay) / pause) * pause - now
        self._jobs.try_later(claim, job.later(retry_count=count, at=now + delay, error=error, now=now))
        self.summary.later += 1
        log.detail(
            "%s: %s, tried again in %.0f s (backoff from %.0f s, at most %.0f s)",
            *(scene.label, type(error).__name__, delay, base, cap),
        )
        # A file that Plex has not scanned yet is said once, not with each of its dozen tries.
        is_quiet = isinstance(error, PlexNotFound) and (job.retry_count or job.batch_id is not None)
        self.open.pop(claim.row_ids, None)
        return log.debug if is_quiet else log.warning, (
            f"{scene.label}: {str(error).rstrip('. ')}. It stays queued and is tried again (try {count} of {most})"
        )

    def _is_lacking(self, claim: ClaimedJob, error: PlexSyncError) -> bool:
        """Return whether a scene without an item is as it should be. With scans the file is waited for first."""
        is_lacking = isinstance(error, PlexNotFound) and not isinstance(error, PlexItemRemoved)
        may_lack = is_lacking and self._run.settings.skip_not_found
        return may_lack and (self._run.scans is None or self._is_last(claim, error))

    def _is_last(self, claim: ClaimedJob, error: PlexSyncError) -> bool:
        most = get_retry_params(error, self._run.settings.max_retries)[2]
        return claim.job.retry_count + 1 >= most and not claim.job.early

    def _bury(self, claim: ClaimedJob, scene: Scene, error: PlexSyncError, tries: int, now: float) -> _Line:
        letter = DeadLetter(
            scene_id=scene.id,
            title=log.redact(scene.name),
            error_type=type(error).__name__,
            message=log.redact(str(error)),
            tries=tries,
            first_at=claim.job.first_failed_at or now,
            last_at=now,
            job=json.dumps(claim.job.to_row()),
        )
        was_known = bool(self._jobs.with_letters([scene.id]))
        self._jobs.bury(claim, letter)
        self.summary.failed += 1
        tried = f" after {tries} tries" if tries > 1 else ""
        # Thousands of a batch's scenes may not be in Plex: the batch says how many. Nor is told twice what a letter
        # told before.
        is_quiet = claim.job.batch_id is not None and (isinstance(error, PlexNotFound) or was_known)
        self.open.pop(claim.row_ids, None)
        return log.debug if is_quiet else log.error, (
            f"{scene.label} failed{tried}: {str(error).rstrip('. ')}. When that is mended, save the scene again or "
            'press "Retry failed jobs"'
        )


def _writes_of(one: SceneSync) -> list[writes.Written]:
    title = log.redact(one.scene.name)
    changed = [item for item in one.items if item.sent and item.after]
    return [(one.scene.id, title, item.library, *item.place, ", ".join(item.written)) for item in changed]


def deciding_error(errors: list[PlexSyncError]) -> PlexSyncError:
    """Return the error that decides what becomes of the job: one that may go right later keeps it queued."""
    return min(errors, key=lambda error: isinstance(error, PermanentError))
