"""The task "Process queue", from the settings to whoever wakes the next run."""

import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

from sync import data_folder, hidden_paths, log
from sync.bulk.runner import Bulk
from sync.bulk.summary import ending_of_batch, summary_of
from sync.ending import Ending, Report, worst
from sync.errors import PlexSyncError, SetupError, quoted
from sync.plex.client import PlexClient, open_plex
from sync.plex.exceptions import PlexServerDown, PlexTemporaryError
from sync.plex.sections import choose_sections, read_sections
from sync.queue import batches, damage, wake
from sync.queue.batch import CHANGE, RECONCILE, WHOLE
from sync.queue.dead_letters import SERVER_ERRORS
from sync.queue.jobs import JobStore
from sync.queue.order import Order
from sync.queue.outlook import resume_later, run_of_stash
from sync.settings import ACCEPTED, DEFAULTS_SINCE, Settings, read_settings, to_fill_in, told
from sync.sleeper import launch
from sync.sleeper.probe import answers
from sync.sleeper.sleeper import something_waits
from sync.stash.client import StashClient
from sync.stash.exceptions import StashTemporaryError
from sync.stash.panel import save as save_panel
from sync.state.state import State
from sync.state.state import set_aside as set_state_aside
from sync.worker.backoff import TRANSIENT_BASE, TRANSIENT_CAP, calculate_delay
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState, PlexHealth
from sync.worker.processor import Drain
from sync.worker.run import Run

STASH_PAUSE = 30.0  # seconds until a drain that Stash failed is tried again
HAND_OVER = 60.0  # seconds after a save's run until the sleeper has one begin for what a save's run leaves alone


def process_queue(server_connection: Mapping[str, Any], data: str, order: Order) -> str:
    """Drain the queue; return what was done, in a sentence. Call it with the drain's lock held.

    Raises PlexSyncError, whose text ends with what became of the queue.
    """
    for _ in range(3):
        try:
            try:
                return _with_store(server_connection, data, order)
            except sqlite3.DatabaseError as error:
                if not damage.is_damage(error) or not _set_aside(data):
                    raise
        except (sqlite3.Error, OSError) as error:
            raise SetupError(damage.why_unusable("data", data, error)) from None
    raise SetupError(f"PlexSync's files in {quoted(data)} are damaged again and again: check the disk they lie on")


def _set_aside(data: str) -> bool:
    """Move damaged files away, so that the next try begins with new ones; True when one was."""
    queue = damage.set_aside(data_folder.queue_file(data))
    state = damage.is_damaged(data_folder.state_file(data))
    if state:
        set_state_aside(data_folder.state_file(data))
    return queue or state


def _with_store(server_connection: Mapping[str, Any], data: str, order: Order) -> str:
    with closing(JobStore(data_folder.queue_folder(data))) as store:
        for became in damage.compare_all(data_folder.queue_file(data), store.connection):
            log.error(
                f"PlexSync's queue file was damaged and {became}. Every scene is compared with Plex now, so "
                "no job is lost; what had failed is tried again. Check the disk it lies on"
            )
        if order.batch and not batches.is_current(store.connection, order.batch):
            with store.transaction() as connection:
                batch = batches.start(connection, order.batch.kind, order.batch.args, order.batch.created_at)
            order = replace(order, batch=batch)
        try:
            return _Task(server_connection, data, store, order).run()
        except PlexSyncError as error:
            if waiting := store.waiting():
                stay = "1 job stays" if waiting == 1 else f"{waiting} jobs stay"
                error.args = (f"{str(error).rstrip('. ')} ({stay} queued)",)
            raise


class _Task:
    """One run of "Process queue", from the settings to whoever wakes the next one."""

    def __init__(self, server_connection: Mapping[str, Any], data: str, store: JobStore, order: Order) -> None:
        self._connection = server_connection
        self._data = data
        self._store = store
        self._order = order
        self._own = [order.batch.id] if order.batch else []
        self._bulk: Bulk | None = None
        self._defaults_since: object = None
        self._breaker = CircuitBreaker(store.connection)
        self._looked_at = time.time()
        record = self._breaker.record
        self._was_open = record.opened_at is not None or record.outage_began_at is not None
        # The sleeper's runs in an outage say once what is wrong; nobody reads it twice a night.
        self._is_said = order.trigger == "sleeper" and record.failures > 0
        # `tasks.py` said so already, in a file that may have been set aside as damaged since.
        wake.begin_drain(store.connection, run_of_stash(), order.trigger)

    def run(self) -> str:
        """Drain the queue and see to it that somebody goes on where something is left."""
        settings: Settings | None = None
        with closing(StashClient(self._connection)) as stash:
            try:
                panel = self._fill_settings(stash.plugin_settings())
                self._defaults_since = panel.get(DEFAULTS_SINCE)
                log.keep_secret(panel.get("plex_token"))
                hidden_paths.follow(panel, self._data, ACCEPTED["path_map"])
                settings = read_settings(panel)
                stash.with_performer_tags = settings.sync_performer_tags
                stash.with_plays = settings.brings
                return self._drain(stash, settings)
            except PlexTemporaryError as error:
                self._let_batches_go_on()
                self._resume_after_plex(error.wait)
                if self._is_said:
                    log.debug(f"Plex is still away: {error}")
                    return Report(f"Plex is still away: {error}", Ending.LATER)
                raise
            except StashTemporaryError:
                self._let_batches_go_on()
                resume_later(self._store.connection, time.time() + STASH_PAUSE)
                raise
            finally:
                self._leave_to_sleeper(stash, settings.plex_url if settings else "")

    def _fill_settings(self, panel: dict[str, Any]) -> dict[str, Any]:
        """Write into the panel what it lacks: Stash shows an unset switch as off, an unset number as 0."""
        fresh = to_fill_in(panel, time.time())
        if not fresh:
            return panel
        filled = save_panel(self._connection, self._data, {}, lambda panel: to_fill_in(panel, time.time()))
        named = sorted(fresh.keys() - {DEFAULTS_SINCE})
        said = ", ".join(f"{name} (until now: {panel[name]})" if panel.get(name) else name for name in named)
        if said:
            log.info(f"The settings panel now shows the defaults in force of: {said}")
        return filled

    def _drain(self, stash: StashClient, settings: Settings) -> str:
        client = self._connect(settings)
        if client is None:
            said = "Plex failed again and again and is left alone for a while; every job stays queued"
            return Report(said, Ending.LATER)
        with closing(client), closing(State(data_folder.state_file(self._data))) as state:
            try:
                sections = read_sections(client)
            except PlexTemporaryError:
                self._breaker.record_failure()
                raise
            chosen = choose_sections(sections, settings.library_names, settings.plex_library)
            log.detail(
                "Python %s; Plex %s on %s; libraries %s; settings changed: %s",
                *(sys.version.split()[0], client.version, client.platform or "an unknown system"),
                *(", ".join(f'"{section.title}"' for section in chosen), told(settings) or "none"),
            )
            state.name_libraries(client.machine, {section.id: section.title for section in chosen}, time.time())
            health = PlexHealth(self._breaker)
            run = Run(settings, stash, client, self._store, state, health, chosen, self._order)
            self._reconcile_when_due(settings)
            self._bulk = bulk = Bulk(run, self._own)
            drain = Drain(run, None if self._order.trigger == "blocked" else bulk)
            try:
                drain.run(hasten=self._order.by_hand and not self._order.is_dry)
                self._hand_over()
            except PlexServerDown:
                self._breaker.record_failure()
                raise
            finally:
                self._looked_at = drain.looked_at
                if drain.summary.scenes:
                    log.info(f"Process queue: {drain.summary}")
                    if by_library := drain.summary.by_library():
                        log.info(f"By library: {by_library}")
                for batch in bulk.outcome():
                    tell = log.debug if batch.kind == CHANGE and not batch.done and not batch.failed else log.info
                    for line in summary_of(batch):
                        tell(line)
            if self._order.by_hand and not drain.summary.scenes and not bulk.outcome():
                log.info(f'Process queue: nothing was queued. Plex "{client.name}" answers and takes the token')
            own = [batch for batch in bulk.outcome() if batch.id in self._own]
            report = drain.summary.report()
            if not own:
                return report
            # Whatever else this run did beside it has its own words.
            return Report(". ".join(summary_of(b)[0] for b in own), worst(*map(ending_of_batch, own)), **report.facts)

    def _connect(self, settings: Settings) -> PlexClient | None:
        """Return Plex, asked and found to answer; None while the breaker lets nothing through.

        After an outage one probe comes first. A person's press begins with a probe too, whatever the breaker says.
        """
        state = self._breaker.state
        if not self._order.by_hand and not self._breaker.can_execute():
            return None
        try:
            if state is not CircuitState.CLOSED and not self._breaker.has_answered and not answers(settings.plex_url):
                raise PlexServerDown(f"Plex at {settings.plex_url} (plex_url) does not answer yet")
            client = open_plex(settings, self._data)
        except PlexTemporaryError:
            self._breaker.record_failure()
            raise
        except SetupError:
            self._breaker.release_probe()  # Plex answers; what it refuses is not the breaker's business
            raise
        if state is not CircuitState.CLOSED:
            began = self._breaker.record.outage_began_at
            self._breaker.record_probe()
            again = self._store.revive(began, SERVER_ERRORS) if began is not None else 0
            if again:
                log.info(f"{again} scenes that failed in the outage are queued again")
        return client

    def _let_batches_go_on(self) -> None:
        """The run after the outage goes on with what this one was to work on."""
        if self._bulk:
            self._bulk.let_go_on()
            return
        with self._store.transaction() as connection:
            all_of_them = [batch.id for batch in batches.unfinished(connection)] if self._order.all_batches else []
            batches.let_go_on(connection, [*self._own, *all_of_them])

    def _reconcile_when_due(self, settings: Settings) -> None:
        """Begin the reconcile that `reconcile_every` asks for; after a save it is handed over."""
        now = time.time()
        connection, since = self._store.connection, self._defaults_since
        if self._order.is_dry or not batches.is_due(connection, settings.reconcile_every, now, since):
            return
        with self._store.transaction() as connection:
            batch = batches.start(connection, RECONCILE, WHOLE, now)
            if self._order.trigger == "hook":
                batches.let_go_on(connection, [batch.id])
        if self._order.trigger != "hook":
            self._own.append(batch.id)

    def _hand_over(self) -> None:
        """What a save's run leaves alone and nobody has stopped, the sleeper has begun a moment later."""
        if not self._order.leaves_batches:
            return
        now, connection = time.time(), self._store.connection
        if self._store.is_due(now, late=True) or batches.goes_on_by_itself(connection):
            resume_later(connection, now + HAND_OVER, at_the_latest=True)
        else:
            resume_later(connection, None)

    def _resume_after_plex(self, wait: float) -> None:
        """While the breaker is closed, a later try of the whole drain, after `wait` seconds at the least; once it is
        open, its probes decide."""
        record = self._breaker.record
        if record.opened_at is not None:
            if not self._was_open:
                log.warning(
                    f"Plex failed {record.failures} times in a row and is left alone. It is "
                    "probed once a minute, and the queue goes on by itself when it answers"
                )
            return
        pause = max(wait, 1.0 + calculate_delay(max(0, record.failures - 1), TRANSIENT_BASE, TRANSIENT_CAP))
        resume_later(self._store.connection, time.time() + pause)

    def _leave_to_sleeper(self, stash: StashClient, plex_url: str) -> None:
        since = self._looked_at  # what has become due since then nobody has seen
        if launch.is_alive(self._data) or not something_waits(self._connection, self._data, since=since):
            return
        connection = {**self._connection, "SessionCookie": stash.cookie}
        launch.ensure(
            connection, self._data, plex_url=plex_url, since=since, api_key=stash.api_key, session_age=stash.session_age
        )
