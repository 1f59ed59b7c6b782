"""Plays in Plex, added to Stash's history: each of them once, whatever happens in between."""

import time
from collections.abc import Iterable, Mapping, Sequence

from sync import log
from sync.back import views
from sync.back.decide import Play, lost_play, sort_out
from sync.back.views import OWNER
from sync.model import PlexItem, Scene
from sync.plex.exceptions import PlexPermanentError
from sync.stash.watched import add_plays
from sync.state import watched
from sync.state.state import chunks
from sync.state.watched import Noted, Seen
from sync.state.writes import PLAYS, brought_in_words
from sync.text.patterns import quoted, split_names
from sync.worker.contenders import Located, Target
from sync.worker.run import Run

MOST_TIMES = 500  # plays that are added to a scene in one request

Found = Sequence[tuple[Scene, Located]]  # scenes with their items, as both were read a moment ago


class Plays:
    """Brings what was played in Plex, at the most from a moment on (seconds since the epoch). Raises as `Bringer`."""

    def __init__(self, run: Run, since: float) -> None:
        self._run = run
        self._connection = run.state.connection
        self._machine = run.plex.machine
        self._since = since
        self._accounts: list[int] = []
        self._plays: dict[int, list[Play]] = {}  # by ratingKey
        self._known_from: float | None = None
        self._read_at = 0.0
        self._is_refused = False

    def read(self, start: float) -> None:
        """Read Plex's history from a moment on, unless that was done already."""
        if self._is_refused or (self._known_from is not None and self._known_from <= start):
            return
        plays, now = dict[int, list[Play]](), time.time()
        try:
            self._accounts = self._accounts or self._account_numbers()
            for index in self._run.libraries:
                for account in self._accounts:
                    for play in views.read_plays(self._run.plex, index.section, account, start):
                        plays.setdefault(play.rating_key, []).append(play)
            self._plays, self._known_from, self._read_at = plays, start, now
        except PlexPermanentError as error:
            self._is_refused = True
            log.warning(f"No plays are brought from Plex (bring_plays): {error}")

    @property
    def is_whole(self) -> bool:
        """Whether all of the history was read: only then is it known what it lacks."""
        return self._known_from is not None and self._known_from <= self._since

    def beyond(self, item: PlexItem) -> int:
        """Return how many plays an item tells of beyond the history, all of which was read."""
        return max(0, item.plays - len(self._plays.get(item.rating_key, ())))

    def new_keys(self) -> set[int]:
        """Return the ratingKeys of which the history has plays that were not dealt with."""
        known = self._known(play for plays in self._plays.values() for play in plays)
        return {key for key, plays in self._plays.items() if any(play.id not in known for play in plays)}

    def bring(self, found: Found, seen: Mapping[int, Seen | None], *, dry_run: bool) -> list[str]:
        """Add to Stash what these scenes lack; return each play for people. `seen`: items at the last look, by key."""
        noted: dict[int, list[Noted]] = {}
        for one in watched.plays_of(self._connection, [scene.id for scene, _ in found]):
            noted.setdefault(one.scene_id, []).append(one)
        add: list[tuple[Scene, Sequence[Target], list[Play]]] = []
        rows: list[Noted] = []
        for scene, located in found:
            if not located.targets:
                continue
            fresh, there = self._sorted_out(scene, located.targets, noted.get(scene.id, ()), seen)
            rows += _noted(scene, there, is_done=True) + _noted(scene, fresh, is_done=False)
            if fresh:
                add.append((scene, located.targets, fresh))
        if not dry_run and rows:
            with self._run.state.transaction() as connection:
                watched.put_plays(connection, self._machine, rows)
            self._add(add)
        return [f"{scene.label} at {_clock(play.at)}" for scene, _, fresh in add for play in fresh]

    def _sorted_out(
        self, scene: Scene, targets: Sequence[Target], noted: Iterable[Noted], seen: Mapping[int, Seen | None]
    ) -> tuple[list[Play], list[Play]]:
        now = time.time()  # what a clock that was wrong has put into the future waits until then
        begun = {one.play: Play(one.play, 0, one.at) for one in noted if not one.is_done}
        brought = [one.at for one in noted if one.is_done]
        told = [play for target in targets for play in self._plays.get(target.record.rating_key, ())]
        plays = begun | {play.id: play for play in told if play.at <= now}
        if OWNER in self._accounts and self.is_whole:
            times = [*brought, *(play.at for play in [*told, *begun.values()])]
            for target in targets:
                key = target.record.rating_key
                last = seen.get(key)
                explained = (last.plays if last and last.plays > 0 else 0) + len(self._plays.get(key, ()))
                lost = lost_play(target.item, explained, times, self._since)
                plays |= {lost.id: lost} if lost and lost.at <= self._read_at else {}  # later: not in what was read
        return sort_out(plays.values(), self._known(plays.values()), brought, scene.plays)

    def _known(self, plays: Iterable[Play]) -> set[str]:
        return watched.known_plays(self._connection, self._machine, [play.id for play in plays])

    def _add(self, add: Iterable[tuple[Scene, Sequence[Target], list[Play]]]) -> None:
        """Add plays that are noted. What is not noted as done afterwards is looked for in Stash before it is added."""
        for scene, targets, plays in add:
            for some in chunks(plays, MOST_TIMES):
                add_plays(self._run.stash, scene.id, [play.at for play in some])
                with self._run.state.transaction() as connection:
                    watched.put_plays(connection, self._machine, _noted(scene, some, is_done=True))
                said = brought_in_words(PLAYS, len(some))
                log.info(f"{scene.label}: brought {said} from Plex")
                self._run.state.note_brought(scene, targets[0].record, said, PLAYS, len(some))

    def _account_numbers(self) -> list[int]:
        names = split_names(self._run.settings.bring_users)
        if not names:
            return [OWNER]
        known = views.accounts(self._run.plex)
        numbers = {name.casefold(): number for number, name in known.items()} | {"owner": OWNER}
        for name in names:
            if name.casefold() not in numbers:
                offered = ", ".join(map(quoted, ("owner", *known.values())))
                log.warning(f"bring_users {quoted(name)} is no user of Plex; accepted: {offered}")
        return [numbers[name.casefold()] for name in names if name.casefold() in numbers]


def _noted(scene: Scene, plays: Iterable[Play], *, is_done: bool) -> list[Noted]:
    return [Noted(play.id, scene.id, play.at, is_done) for play in plays]


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
