"""What scenes need in Plex: they are read from Stash, their items from Plex, and held against each other."""

from bisect import bisect_right
from collections.abc import Sequence

from sync import log
from sync.mapping.conditions import within_paths
from sync.mapping.fields import fingerprint, wanted_of
from sync.mapping.performer_pictures import PictureAccess
from sync.model import MediaFile, Scene
from sync.plex.client import PlexClient
from sync.plex.difference import difference, outline
from sync.plex.exceptions import PlexNotFound
from sync.plex.matcher import Candidate, Rules, holds_file_of
from sync.plex.scan import FolderScans
from sync.queue.jobs import Claim
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.worker.locate import Located, Locator, Target
from sync.worker.portraits import Portraits
from sync.worker.steps import Place, StepBook
from sync.worker.work import Course, Work

MOST_PICTURES = 100
"""Performers' pictures that are asked of Stash before a round is written: Plex and whoever saves wait meanwhile."""
MOST_SCENES = 1_000
"""More than any round has."""


class Planner:
    """Finds out what is to be written, for many scenes at once. It writes nothing to Plex.

    `scans`: where Plex may be asked to look for a file that it does not have; None: nowhere.
    """

    def __init__(
        self,
        *,
        stash: StashClient,
        client: PlexClient,
        locator: Locator,
        book: StepBook,
        portraits: Portraits,
        pictures: PictureAccess | None,
        scans: FolderScans | None,
        settings: Settings,
    ) -> None:
        self._stash = stash
        self._client = client
        self._locator = locator
        self._book = book
        self._portraits = portraits
        self._pictures = pictures
        self._scans = scans
        self._settings = settings
        self.most_scenes = MOST_SCENES
        """How many scenes are worth being planned together, by how many pictures the last ones needed."""

    def scenes_of(self, claims: Sequence[Claim]) -> dict[int, Scene]:
        """Return the scenes as Stash has them now; those are missing that it has no more.

        Raises the errors of `stash/exceptions.py`, and sqlite3.Error.
        """
        scenes = self._stash.scenes([claim.scene_id for claim in claims])
        log.know_files(file.path for scene in scenes.values() for file in scene.files)
        log.detail("%d scenes claimed, %d of them in Stash", len(claims), len(scenes))
        return scenes

    def plan(self, courses: list[Course]) -> list[Course]:
        """Find the items of scenes and what each of them lacks; what is wrong with a scene is noted with it.

        Return the scenes of which nothing can be said before the libraries are listed again; they are taken off
        `courses`. Where very many performers' pictures have to be asked for, the last of
        `courses` are taken off as well: they are for another round. Raises what a request to Plex or Stash raises, and
        sqlite3.Error; then nothing is known of any scene.
        """
        scenes = [within_paths(course.scene, self._settings) for course in courses]
        located = self._locator.locate(scenes, may_list=False)
        postponed = [course for course in courses if course.scene.id not in located]
        courses[:] = [course for course in courses if course.scene.id in located]
        targets = {course.scene.id: self._targets(course, located[course.scene.id]) for course in courses}
        # Pictures are asked for of scenes alone that Plex has.
        found = [number for number, course in enumerate(courses) if targets[course.scene.id]]
        needed = self._portraits.needed([courses[number].scene for number in found])
        kept = max(1, bisect_right(needed, MOST_PICTURES))
        if kept < len(found):
            del courses[found[kept] :]
            self.most_scenes = len(courses)
        elif not needed or 2 * needed[-1] <= MOST_PICTURES:
            self.most_scenes = min(MOST_SCENES, 2 * self.most_scenes)
        settled = self._portraits.settle({one.scene.id: one.scene for one in courses if targets[one.scene.id]})
        for course in courses:
            if course.scene.id in settled:
                self._plan(course, settled[course.scene.id], targets[course.scene.id])
            self._have_scanned(course)
        return postponed

    def _targets(self, course: Course, located: Located) -> list[Target]:
        """Return the items to write to; what is wrong with a scene is noted with it."""
        course.errors += located.errors
        kept = within_paths(course.scene, self._settings).files
        left_out = [file for file in course.scene.files if file not in kept]
        targets = [target for target in located.targets if not self._is_of(target, left_out)]
        if located.targets and not targets and not course.errors:
            course.errors.append(
                PlexNotFound(
                    "no Plex item holds its file yet but one that holds another of its files, which only_paths or "
                    "skip_paths leaves out; let Plex scan the folder"
                )
            )
        return targets

    def _plan(self, course: Course, settled: Scene, targets: Sequence[Target]) -> None:
        """Hold a scene, with its performers' pictures `settled`, against its items."""
        scene = within_paths(settled, self._settings)
        wanted = wanted_of(scene, self._settings, self._pictures)
        for target in targets:
            edit = difference(target.item, wanted, target.record.memory, preserve=self._settings.preserve_plex_edits)
            if log.is_detailed():
                how = "its file's path" if target.record.exact else "its file's name"
                found = f'Plex item {target.item.rating_key} in library "{target.library}"'
                log.detail("%s: matched by %s to %s; %s", scene.label, how, found, outline(edit))
            place = Place(self._client.machine, target.record.section, target.item.rating_key)
            course.works.append(
                Work(
                    target,
                    wanted,
                    edit,
                    library=target.library,
                    place=place,
                    fingerprint=fingerprint(wanted, self._settings),
                    steps=self._book.of(place),
                )
            )

    def _is_of(self, target: Target, left_out: list[MediaFile]) -> bool:
        """Return whether an item that was found by a file's name holds the very path of one that is left out."""
        if target.record.exact or not left_out:
            return False
        rules = Rules(self._settings.path_pairs, self._settings.strict_matching, self._client.folds_case)
        item = target.item
        return holds_file_of(left_out, Candidate(item.rating_key, item.title, item.files), rules, exact=True)

    def _have_scanned(self, course: Course) -> None:
        """Ask Plex to scan the folders of a scene that it does not have, where the settings say so."""
        if self._scans is None:
            return
        for number, error in enumerate(course.errors):
            if isinstance(error, PlexNotFound):
                said = self._scans.ask(file.path for file in within_paths(course.scene, self._settings).files)
                course.errors[number] = PlexNotFound(f"{str(error).rstrip('. ')}. {said[:1].upper()}{said[1:]}")
