"""Batches at work: what comes next of them, for a drain that has nothing of a person's left to do."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence

from sync import log
from sync.back.bring import Bringer
from sync.back.plays import Found
from sync.bulk import reconcile, unchanged, unseen
from sync.bulk.reconcile import Findings, Reconciler
from sync.bulk.scenes import Page, page_of, since_of, total_of
from sync.ending import counted
from sync.errors import PermanentError, TransientError
from sync.mapping.conditions import why_left_out
from sync.mapping.fields import MAPPING_VERSION
from sync.model import Scene
from sync.queue import batches
from sync.queue.batch import BRING_BACK, BRINGS, CHANGE, LEFT_OUT, RECONCILE, SYNC_ALL, Batch, title_of
from sync.queue.job import ClaimedJob
from sync.stash.exceptions import StashTemporaryError
from sync.state import writes
from sync.state.state import chunks
from sync.text.typed import day_begins
from sync.worker.run import Run

PIECE = 25
"""Scenes of a page that are looked at before a look for what was saved meanwhile: their pictures may have to be
fetched from Stash."""
PIECE_IN_PLEX = 100  # the same for a reconcile, which reads the items of as many in one request


_ELSEWHERE = {
    *("plex_token", "plex_url", "max_retries", "connect_timeout", "read_timeout", "reconcile_every"),
    *("max_edits_per_second", "debug_logging", "obfuscate_paths", "bring_since", "bring_users", *BRINGS),
}
"""Settings that change nothing about what is right in Plex."""


class Bulk:
    """Gives a drain the scenes of the batches that it may work on, a page of Stash's scenes at a time.

    `own`: batches that this run was started for. A batch that was begun under other settings begins anew.
    """

    def __init__(self, run: Run, own: Sequence[str]) -> None:
        self._run = run
        self._store = run.jobs
        self._state = run.state
        self._settings = run.settings
        self._fingerprint = _settings_fingerprint(run)
        self._reconciler = Reconciler(run)
        self._bringers = {"": Bringer(run)} if run.settings.brings else {}
        """By the day that a task was told to begin with; under "" by `bring_since`."""
        self._has_looked_again = False
        self._own = set(own)
        self._all_batches = run.order.all_batches
        self._after_outage = not run.order.leaves_batches  # it goes on with what a server that was away has ended
        self._begun: dict[str, None] = {}
        self._looked_through: set[str] = set()  # batches of which only rows that wait for a later try are left

    def take_up(self, *, all_batches: bool) -> None:
        """A person asked while this run was at work: for their batch, or for every one there is."""
        self._after_outage = True
        self._all_batches = self._all_batches or all_batches

    def next(self, limit: int) -> list[ClaimedJob] | None:
        """Claim what comes next: an empty list where a page of scenes was looked at first, None where no batch has
        anything to do in this run.

        Raises the errors of `stash/exceptions.py` and `plex/exceptions.py`; what was found so far is on disk then.
        """
        batch = self._current()
        if batch is None:
            return self._claim_leftovers(limit)
        if batch.id not in self._begun or batch.id in self._looked_through:
            batch = self._begin(batch)
        claims = self._store.claim_bulk(limit, time.time(), batch.id)
        if not claims and batch.listed:
            self._looked_through.add(batch.id)
        elif not claims:
            self._look_at_page(batch)
        return claims

    def _claim_leftovers(self, limit: int) -> list[ClaimedJob] | None:
        """Claim rows without a batch that goes on: it was ended by "Clear queue" while this run was at it, or its
        record is lost."""
        for batch_id in (None,) if self._all_batches else tuple(self._begun):
            if claims := self._store.claim_bulk(limit, time.time(), batch_id):
                return claims
        return None

    @property
    def has_work(self) -> bool:
        """Whether `next` has something to do. Safe inside a transaction of the queue's."""
        return self._current() is not None

    def find_unseen(self) -> None:
        """Make a batch of what has changed in Stash without a hook; bring what is new in Plex to Stash."""
        if self._run.order.is_dry:
            return
        if not self._has_looked_again:
            self._has_looked_again = True
            unseen.look_again(self._run)
        if self._bringers:
            try:
                self._bringers[""].look(self._someone_saved)
            except TransientError as error:
                log.debug(f"What is new in Plex is looked at by the next run: {error}")
            except PermanentError as error:
                log.warning(f"Nothing was brought back from Plex: {error}")
        try:
            unseen.look(self._run, self._changed, begins=bool(self._own))
        except (StashTemporaryError, PermanentError) as error:
            # All that was asked for is done by now, and the next run looks from where this one began.
            log.debug(f"Stash did not tell what has changed without a save: {error}")

    @property
    def shown(self) -> Batch | None:
        """The batch whose progress is shown, as it is now: this run's own, or the one that is being worked on."""
        own = (batches.get(self._store.connection, batch_id) for batch_id in self._own)
        return next((batch for batch in own if batch and not batch.is_over), None) or self._current()

    def let_go_on(self) -> None:
        """A server that was away ends this run: the run after it goes on with what this one may work on."""
        with self._store.transaction() as connection:
            named = [batch.id for batch in batches.unfinished(connection) if self._may_take(batch)]
            batches.let_go_on(connection, named)

    def outcome(self) -> list[Batch]:
        """Return the batches that this run has worked on, as they are now."""
        found = (batches.get(self._store.connection, batch_id) for batch_id in self._begun)
        return [batch for batch in found if batch]

    def _current(self) -> Batch | None:
        for batch in batches.unfinished(self._store.connection):
            # Listed no longer: its task was pressed again a day later.
            is_through = batch.id in self._looked_through and batch.listed
            if not is_through and self._may_take(batch):
                return batch
        return None

    def _may_take(self, batch: Batch) -> bool:
        return (
            self._all_batches
            or batch.by_itself
            or batch.id in self._own
            or batch.id in self._begun
            or (self._after_outage and batch.interrupted)
        )

    def _begin(self, batch: Batch) -> Batch:
        with self._store.transaction() as connection:
            batch = batches.begin(connection, batch, self._fingerprint, time.time())
        # Before a server is asked: where that fails, it is this run that was interrupted.
        self._begun[batch.id] = None
        self._looked_through.discard(batch.id)
        if not batch.total or not batch.cursor:
            total = total_of(self._run, batch)
            with self._store.transaction() as connection:
                batches.set_total(connection, batch.id, total)
            batch.total = total
        for index in self._run.libraries:
            # Of a batch over everything, what was moved in or taken out of Plex is to be found.
            if batch.kind in (SYNC_ALL, RECONCILE):
                index.list_again(by_hand=True)
            elif since_of(batch) is not None:
                index.look_for_new()
        begins = f"goes on at {batch.concluded} of" if batch.concluded else "begins,"
        # Of a performer's save that shows nothing there is nothing to say.
        (log.debug if batch.kind == CHANGE else log.info)(f"{title_of(batch)} {begins} {counted(batch.total, 'scene')}")
        return batch

    def _someone_saved(self) -> bool:
        return self._store.is_due(time.time(), late=False, but=self._run.ratings.rated)

    def _look_at_page(self, batch: Batch) -> None:
        """Look at the scenes that come next, in pieces: a save ends the page behind the piece that it came in."""
        self._run.ratings.rated.clear()
        if batch.kind == BRING_BACK and not self._bringers:
            log.warning(f"Nothing comes back from Plex: switch on one of {', '.join(BRINGS)} in the settings")
            page = Page([], batch.cursor, is_last=True)
        else:
            page = page_of(self._run, batch)
        left_out: dict[int, str] = {}  # scene id -> why
        due: list[Scene] = []
        findings = Findings()
        is_reconcile = batch.kind == RECONCILE
        reads_items = is_reconcile or batch.kind == BRING_BACK
        looked, is_cut = 0, False
        for some in chunks(page.scenes, PIECE_IN_PLEX if reads_items else PIECE):
            if looked and (is_cut or self._someone_saved()):
                break
            left_out |= {scene.id: why for scene in some if (why := why_left_out(scene, self._settings))}
            scenes = [scene for scene in some if scene.id not in left_out]
            if reads_items:
                found = self._reconciler.locate(scenes)
                through = self._bring(batch, found, findings.told)
                if len(through) < len(found):  # a person's save waits: the rest comes when that is through
                    some, is_cut = some[: some.index(found[len(through)][0])], True
                if is_reconcile:
                    self._reconciler.look(through, findings)
            else:
                due += self._changed(scenes) if batch.kind == CHANGE else self._due(scenes)
            looked += len(some)
        if looked < len(page.scenes):
            page = Page(page.scenes[:looked], page.scenes[looked - 1].id, is_last=False)
        self._note_left_out(left_out, findings.lacking, page)
        rows = [(scene.id, batch.kind) for scene in due]
        if is_reconcile:
            rows = [] if batch.args.get("dry_run") else self._worth_a_job(findings)
            self._see_to_orphans(batch, page, findings)
        elif left_out and not reads_items:
            findings.told[LEFT_OUT] = [scene.label for scene in page.scenes if scene.id in left_out]
        with self._store.transaction() as connection:
            batches.put_page(
                connection,
                batch,
                rows=rows,
                skipped=len(page.scenes) - len(rows),
                cursor=page.cursor,
                listed=page.is_last,
                now=time.time(),
                found=findings.told,
            )

    def _bring(self, batch: Batch, found: Found, told: dict[str, list[str]]) -> Found:
        if not self._bringers:
            return found
        day = str(batch.args.get("from") or "")
        if day not in self._bringers:
            self._bringers[day] = Bringer(self._run, since=day_begins(day))
        return self._bringers[day].bring(found, self._someone_saved, told, dry_run=bool(batch.args.get("dry_run")))

    def _note_left_out(self, reasons: Mapping[int, str], lacking: Mapping[int, str], page: Page) -> None:
        others = [scene.id for scene in page.scenes if scene.id not in reasons]
        back = writes.are_left_out(self._state.connection, others)
        if reasons or lacking or back:
            with self._state.transaction() as connection:
                writes.no_longer_left_out(connection, back)
                writes.put_left_out(connection, reasons.items(), writes.LEFT_OUT, time.time())
                texts = [(number, log.redact(text)) for number, text in lacking.items()]
                writes.put_left_out(connection, texts, writes.NOT_IN_PLEX, time.time())

    def _due(self, scenes: Sequence[Scene]) -> list[Scene]:
        right = unchanged.among(self._run, scenes)
        return [scene for scene in scenes if scene.id not in right]

    def _changed(self, scenes: Sequence[Scene]) -> list[Scene]:
        """Return the scenes that have to be synced after a change that fired no hook of theirs.

        Nobody has asked for one that was never synced, nor for one that Plex is known to have lost.
        """
        known = self._state.synced_scenes([scene.id for scene in scenes])
        held = self._state.held_by(self._run.plex.machine, known)
        return self._due([scene for scene in scenes if scene.id in held])

    def _worth_a_job(self, findings: Findings) -> list[tuple[int, str]]:
        """Return the scenes that another try may mend: of what failed for want of an item a letter tells already."""
        hopeless = [
            scene
            for scene, reason in findings.reasons.items()
            if reason == reconcile.DOUBTFUL or (reason == reconcile.MISSING and not self._settings.trigger_plex_scan)
        ]
        told = self._store.with_letters(hopeless)
        return [(scene, f"reconcile_{reason}") for scene, reason in findings.reasons.items() if scene not in told]

    def _see_to_orphans(self, batch: Batch, page: Page, findings: Findings) -> None:
        if batch.args.get("scope") != "all":
            return
        known = self._state.known_scenes(batch.cursor, None if page.is_last else page.cursor)
        if lost := sorted(set(known) - {scene.id for scene in page.scenes}):
            findings.told[reconcile.ORPHANED] = [f"Scene {scene_id}" for scene_id in lost]
            if not batch.args.get("dry_run"):
                self._state.forget_scenes(lost)


def _settings_fingerprint(run: Run) -> str:
    """Return a short name of the settings, the server and the libraries that decide what is right in Plex."""
    values = run.settings.model_dump(exclude=_ELSEWHERE)
    libraries = sorted(index.section.uuid or str(index.section.id) for index in run.libraries)
    text = json.dumps([MAPPING_VERSION, run.plex.machine, libraries, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
