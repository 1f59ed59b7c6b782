"""What was watched and rated in Plex, brought to Stash: a look at what is new, or every scene one after another."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sync import log
from sync.back import views
from sync.back.decide import Points, Rating, Side, resume_side
from sync.back.plays import Found, Plays
from sync.mapping.conditions import why_left_out, within_paths
from sync.model import RATING, PlexItem, Scene
from sync.plex.exceptions import PlexPermanentError
from sync.queue.batch import BRINGS
from sync.stash.watched import resume_points, set_resume
from sync.state import watched
from sync.state.state import NOBODY, chunks
from sync.state.watched import Seen
from sync.state.writes import PLAYS, RATINGS, RESUME_POINTS
from sync.worker.contenders import Located, Target
from sync.worker.run import Run

EVERY = 600.0  # seconds between two looks at Plex for what is new
OVERLAP = 2 * 86_400.0
"""Seconds that a look goes back behind the one before: a player that was offline tells later of what it played."""
RATED_OVERLAP = 3_600.0
"""The same for ratings, which Plex dates itself, by its own clock. A sync has rated many: fewer are looked at again."""
AT_ONCE = 500  # items whose records are in memory at a time
PIECE = 25  # scenes that are brought between two looks for what was saved meanwhile


class Bringer:
    """Brings back what the settings switch on, from `bring_since` on or another moment (seconds since the epoch).

    Raises the errors of `stash/exceptions.py` and `plex/exceptions.py`, and sqlite3.Error. What was not done then is
    found again.
    """

    def __init__(self, run: Run, *, since: float | None = None) -> None:
        self._run = run
        self._settings = run.settings
        self._connection = run.state.connection
        self._machine = run.plex.machine
        self._since = since if since is not None else self._settings.brings_from
        self._plays = Plays(run, self._since)

    # The look at the end of a run

    def look(self, stop: Callable[[], bool]) -> None:
        """Bring what is new in Plex since the last look, at most every ten minutes; `stop`: a person's save waits."""
        now, what = time.time(), self._what
        last = watched.looked_at(self._connection, what)
        if last is not None and 0 <= now - last < EVERY:
            return
        self._run.ratings.rated.clear()
        starts = (self._since if last is None else min(last, now) - back for back in (OVERLAP, RATED_OVERLAP))
        for some in chunks(sorted(self._touched(*(max(self._since, start) for start in starts))), PIECE):
            if stop():
                return
            scenes = [one for one in self._run.stash.scenes(some).values() if not why_left_out(one, self._settings)]
            located = self._run.locator.locate([within_paths(scene, self._settings) for scene in scenes])
            found = [(scene, located[scene.id]) for scene in scenes]
            if len(self._bring(found, stop, {}, dry_run=False)) < len(found):
                return
        with self._run.state.transaction() as connection:
            watched.put_looked_at(connection, what, now)

    @property
    def _what(self) -> str:
        """The settings that decide what a look finds: after a change it goes back to the first day."""
        values = self._settings.model_dump(include={"bring_since", "bring_users", *BRINGS})
        return json.dumps([self._machine, [index.section.id for index in self._run.libraries], values], sort_keys=True)

    def _touched(self, start: float, rated_from: float) -> set[int]:
        """Return the scenes of items that Plex, or Stash, tells something new of since these moments."""
        settings, scenes, played = self._settings, set[int](), set[int]()
        if settings.bring_plays:
            self._plays.read(start)
            played = self._plays.new_keys()
        for index in self._run.libraries:
            section, keys, rated = index.section, set(played), dict[int, str]()
            if settings.bring_resume:
                rows = views.watched_since(self._run.plex, section, "lastViewedAt", start)
                keys |= {one.rating_key for one in rows if self._is_moved(section.id, one)}
            if settings.bring_ratings:
                rows = views.watched_since(self._run.plex, section, "lastRatedAt", rated_from)
                rated = {one.rating_key: one.rating for one in rows}
            for some in chunks(sorted(keys | rated.keys()), AT_ONCE):
                scenes |= {
                    record.scene_id
                    for key, record in self._run.state.records(self._machine, section.id, some).items()
                    if key in keys or rated[key] != record.memory.result.get(RATING, "")
                }
        if settings.send_resume:
            scenes |= self._stopped_in_stash()
        return scenes - {NOBODY}

    def _is_moved(self, section: int, item: PlexItem) -> bool:
        last = watched.seen(self._connection, self._machine, section, item.rating_key)
        return abs((last.plex or 0.0 if last else 0.0) - item.resume) >= 1

    def _stopped_in_stash(self) -> set[int]:
        """Return the scenes in Plex whose resume point in Stash is another than at the last look."""
        last = watched.points_in_stash(self._connection, self._machine)
        points = resume_points(self._run.stash)
        moved = {scene for scene, at in points.items() if all(abs(at - one) >= 1 for one in last.get(scene, (0.0,)))}
        return moved & self._run.state.held_by(self._machine, moved).keys()

    # What is brought

    def bring(self, found: Found, stop: Callable[[], bool], told: dict[str, list[str]], *, dry_run: bool) -> Found:
        """Bring what these scenes' items tell; return those that are through, as they are now.

        What was brought is added to `told`, for people, by its kind. `stop` ends it before a scene. With `dry_run`
        nothing is written, in Stash or on disk.
        """
        if self._settings.bring_plays:
            self._plays.read(self._since)
        return self._bring(found, stop, told, dry_run=dry_run)

    def _bring(self, found: Found, stop: Callable[[], bool], told: dict[str, list[str]], *, dry_run: bool) -> Found:
        through: list[tuple[Scene, Located]] = []

        def tell(reason: str, labels: list[str]) -> None:
            if labels:
                told.setdefault(reason, []).extend(labels)

        keys = {target.record.rating_key: target.record.section for _, located in found for target in located.targets}
        seen = {key: watched.seen(self._connection, self._machine, section, key) for key, section in keys.items()}
        if self._settings.bring_plays:
            tell(PLAYS, self._plays.bring(found, seen, dry_run=dry_run))
        for scene, located in found:
            if through and stop():
                break
            tell(RESUME_POINTS, self._bring_resume(scene, located.targets, seen, dry_run))
            if self._settings.bring_ratings:
                scene, ratings = self._bring_ratings(scene, located.targets, dry_run)
                tell(RATINGS, ratings)
            through.append((scene, located))
        return through

    def _bring_resume(
        self, scene: Scene, targets: Sequence[Target], seen: Mapping[int, Seen | None], dry_run: bool
    ) -> list[str]:
        """Bring where somebody stopped watching to the other side, and remember how both sides are now."""
        settings, told, after = self._settings, list[str](), list[tuple[int, int, Seen]]()
        for target in targets:
            item, record = target.item, target.record
            last, in_plex, played_at = seen.get(record.rating_key), item.resume, item.played_at or 0
            points = (
                Points(last.plex, last.stash) if last and last.plex is not None and last.stash is not None else None
            )
            side = resume_side(Points(in_plex, scene.resume), points, item.played_at, max(scene.plays, default=None))
            is_old = side is Side.TO_STASH and not points and played_at < self._since
            if side is Side.TO_STASH and settings.bring_resume and not is_old:
                told.append(f"{scene.label} to {_position(in_plex)} in Stash")
                if not dry_run:
                    set_resume(self._run.stash, scene.id, in_plex)
                    log.info(f"{scene.label}: brought the resume point {_position(in_plex)} from Plex")
                    self._run.state.note_brought(scene, record, "resume point", RESUME_POINTS)
                scene = replace(scene, resume=in_plex)
            elif side is Side.TO_PLEX and self._goes_to_plex(scene, target, dry_run):
                told.append(f"{scene.label} to {_position(scene.resume)} in Plex")
                in_plex = scene.resume
            plays = self._plays.beyond(item) if self._plays.is_whole else last.plays if last else -1
            now = Seen(plays) if is_old else Seen(plays, in_plex, scene.resume)
            if now != last and (last or in_plex or scene.resume or plays > 0):
                after.append((record.section, record.rating_key, now))
        if after and not dry_run:
            with self._run.state.transaction() as connection:
                watched.put_seen(connection, self._machine, after)
        return told

    def _goes_to_plex(self, scene: Scene, target: Target, dry_run: bool) -> bool:
        position = _position(scene.resume)
        if not self._settings.send_resume or not _may_stop_at(scene.resume, target.item.duration):
            return False
        if dry_run:
            return True
        try:
            views.send_resume(self._run.plex, target.record.rating_key, scene.resume)
        except PlexPermanentError as error:
            log.warning(f"{scene.label}: Plex does not take the resume point {position} (send_resume): {error}")
            return False
        log.info(f"{scene.label}: sent the resume point {position} to Plex")
        return True

    def _bring_ratings(self, scene: Scene, targets: Sequence[Target], dry_run: bool) -> tuple[Scene, list[str]]:
        ratings, state = self._run.ratings, self._run.state
        to_stash = [target for target in targets if ratings.outcome(scene, target) is Rating.TO_STASH]
        told = [f"{scene.label}: {target.item.rating or 'none any more'}" for target in to_stash]
        if dry_run:
            return scene, told
        before = [repr(target.record.memory) for target in targets]
        scene = ratings.settle(scene, targets)
        pairs = zip(targets, before, strict=True)
        if changed := [target.record for target, was in pairs if repr(target.record.memory) != was]:
            with state.transaction() as connection:
                state.put_items(connection, self._machine, changed)
        return scene, told


def _may_stop_at(at: float, duration: float) -> bool:
    """Tell whether Plex would take this for a resume point: near the end it counts a play."""
    return at > 0 and (not duration or at < 0.9 * duration)


def _position(at: float) -> str:
    minutes, seconds = divmod(round(at), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if at else "the beginning"
