"""What scenes need in Plex: their items are found and read, and held against what they should hold."""

from collections.abc import Sequence
from dataclasses import replace

from sync import log
from sync.mapping.conditions import within_paths
from sync.mapping.fields import fingerprint, wanted_of
from sync.model import METADATA, MediaFile, Scene, StepState
from sync.plex.difference import difference, outline
from sync.plex.edits import fitting, limit_of
from sync.plex.exceptions import PlexNotFound
from sync.plex.matcher import Candidate, holds_file_of
from sync.plex.read_back import overtaken
from sync.queue.job import LOOK_AGAIN
from sync.worker.contenders import Located, Target
from sync.worker.run import ItemSync, Run, SceneSync


def plan(run: Run, scenes: list[SceneSync]) -> None:
    """Find the items of scenes and what each of them lacks; what is wrong with a scene is noted with it.

    Nothing is written to Plex; a rating that was given there may go to Stash (`bring_ratings`). Raises what a request
    to Plex or Stash raises, and sqlite3.Error; then nothing is known of any scene.
    """
    located = run.locator.locate([within_paths(one.scene, run.settings) for one in scenes])
    targets = {one.scene.id: _targets(run, one, located[one.scene.id]) for one in scenes}
    # Performers' pictures are asked for of scenes alone that Plex has.
    pictured = run.portraits.settle({one.scene.id: one.scene for one in scenes if targets[one.scene.id]})
    for one in scenes:
        if one.scene.id in pictured:
            _compare(run, one, pictured[one.scene.id], targets[one.scene.id])
        _have_scanned(run, one)


def _targets(run: Run, one: SceneSync, located: Located) -> list[Target]:
    one.errors += located.errors
    kept = within_paths(one.scene, run.settings).files
    left_out = [file for file in one.scene.files if file not in kept]
    targets = [target for target in located.targets if not _is_of(run, target, left_out)]
    if located.targets and not targets and not one.errors:
        one.errors.append(
            PlexNotFound(
                "no Plex item holds its file yet but one that holds another of its files, which only_paths or "
                "skip_paths leaves out; let Plex scan the folder"
            )
        )
    return targets


def _is_of(run: Run, target: Target, left_out: list[MediaFile]) -> bool:
    """Return whether an item that was found by a file's name holds the very path of one that is left out."""
    if target.record.exact or not left_out:
        return False
    item = target.item
    return holds_file_of(left_out, Candidate(item.rating_key, item.title, item.files), run.rules, exact=True)


def _compare(run: Run, one: SceneSync, pictured: Scene, targets: Sequence[Target]) -> None:
    """Hold a scene, with its performers' pictures known by content, against its items."""
    if run.settings.bring_ratings:
        one.scene = run.ratings.settle(one.scene, targets)
        pictured = replace(pictured, rating=one.scene.rating)
    whole = wanted_of(within_paths(pictured, run.settings), run.settings, run.pictures)
    mark = fingerprint(whole, run.settings)
    wanted = fitting(whole, limit_of(run.plex)) if run.plex.ways.longest else whole
    for target in targets:
        item, record = target.item, target.record
        edit = difference(item, wanted, record.memory, preserve=run.settings.preserve_plex_edits)
        if log.is_detailed():
            how = "its file's path" if record.exact else "its file's name"
            found = f'Plex item {item.rating_key} in library "{target.library}"'
            log.detail("%s: matched by %s to %s; %s", one.scene.label, how, found, outline(edit))
        step = record.step(METADATA)
        made = ItemSync(item, record, target.library, wanted, edit, mark, is_cut=wanted is not whole)
        made.goes_alone = step.state is StepState.FAILED
        intended = record.memory.intended
        if one.job.job.update_type != LOOK_AGAIN:
            made.overtakes = METADATA in intended or bool(overtaken(record.memory, wanted, item))
            made.overtakes |= step.may_follow(mark) and not any(intended.values())  # an edit that only takes away
        one.items.append(made)


def _have_scanned(run: Run, one: SceneSync) -> None:
    if run.scans is None:
        return
    for number, error in enumerate(one.errors):
        if isinstance(error, PlexNotFound):
            said = run.scans.ask(file.path for file in within_paths(one.scene, run.settings).files)
            one.errors[number] = PlexNotFound(f"{str(error).rstrip('. ')}. {said[:1].upper()}{said[1:]}")
