"""The task "Check setup": a checklist in plain words of what works and what to fix.

It asks Plex and Stash and changes nothing in either. The libraries are listed
into a database of its own that ends with the run: the drain's files and its lock
are left alone, so it runs beside a drain, and a stop leaves nothing behind.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from sync import hidden_paths, log
from sync.ending import Ending, Report
from sync.errors import PlexSyncError, UnusablePictureError
from sync.mapping.conditions import why_left_out, within_paths
from sync.mapping.performer_pictures import base_of, picture_access, picture_url, why_no_pictures
from sync.model import MediaFile, Scene
from sync.plex.client import PlexClient, client_identifier
from sync.plex.exceptions import PlexServerDown, PlexSetupError
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.plex.media_paths import map_path, name_key
from sync.plex.sections import Section, choose_sections, read_sections
from sync.settings import ACCEPTED, Settings, SettingsError, read_settings
from sync.setup.checklist import Checklist
from sync.setup.sample import SampledScene, advice, propose_map, tally
from sync.stash.client import StashClient
from sync.state import State
from sync.worker.probe import answers

SAMPLED = 420
"""Scenes that are looked at: enough that a folder with one scene in a hundred is hardly missed."""
COVERS = 5
"""Covers that are fetched until one can be used."""

_NEEDED = {"plex_url": "http://localhost", "plex_token": "none"}  # what stands in for these while others are read
_PRIVATE = ""  # SQLite's name for a temporary database, which spills to disk where it grows and ends when closed


def check_setup(server_connection: Mapping[str, Any], data: str) -> str:
    """Check everything that a sync needs, as far as it can be asked; return a summary for the task's answer.

    Raises SetupError only where Stash itself cannot be addressed.
    """
    checklist = Checklist()
    stash = StashClient(server_connection)
    try:
        _check(stash, data, checklist)
    except PlexSyncError as error:
        checklist.fault(str(error))
    except sqlite3.Error as error:
        checklist.fault(f"The check's temporary database failed ({error}): free space in the system's temporary folder")
    finally:
        stash.close()
    ending = Ending.NEEDS_A_LOOK if checklist.to_fix else Ending.WELL
    return Report(log.redact(checklist.summary()), ending, to_fix=[log.redact(text) for text in checklist.to_fix])


def _check(stash: StashClient, data: str, checklist: Checklist) -> None:
    panel = stash.plugin_settings()
    token = panel.get("plex_token")
    log.keep_secret(token.strip() if isinstance(token, str) else None)
    hidden_paths.follow(panel, data, ACCEPTED["path_map"])
    settings, wrong = _read_one_by_one(panel)
    for text in wrong.values():
        checklist.fault(text)
    if not wrong:
        checklist.good("Settings: all of them are accepted")
    client = _connect(settings, wrong, data, checklist)
    try:
        with closing(State(_PRIVATE)) as state:
            indexes = _list_libraries(client, state, settings, checklist) if client else []
            scenes = _sample(stash, settings, checklist)
            if client and scenes and any(index.count_items() for index in indexes):
                rules = Rules(settings.path_pairs, settings.strict_matching, client.folds_case)
                _check_matching(indexes, scenes, rules, checklist, skip_not_found=settings.skip_not_found)
    finally:
        if client:
            client.close()
    _check_pictures(stash, settings, scenes, checklist)
    if settings.sync_performers:
        _check_performer_pictures(stash, settings, scenes, checklist)


def _read_one_by_one(panel: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """Return the settings without the wrong ones, and what is wrong with each of those."""
    wrong: dict[str, str] = {}
    for name in dict.fromkeys((*_NEEDED, *panel)):
        try:
            read_settings({**_NEEDED, name: panel.get(name)})
        except SettingsError as error:
            wrong[name] = str(error)
    rest = {name: value for name, value in panel.items() if name not in wrong}
    return read_settings({**_NEEDED, **rest}), wrong


def _connect(settings: Settings, wrong: Mapping[str, str], data: str, checklist: Checklist) -> PlexClient | None:
    url = settings.plex_url
    if "plex_url" in wrong:
        return None
    if "plex_token" in wrong:
        if answers(url):
            checklist.good(f"plex_url: a Plex answers at {url}")
        else:
            checklist.fault(f"plex_url: no Plex Media Server answers at {url}; set it to the address Plex listens on")
        return None
    try:
        client = PlexClient(
            url,
            settings.plex_token,
            identifier=client_identifier(data),
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
        )
    except PlexServerDown as error:
        checklist.fault(f"plex_url: {error}")
        return None
    except PlexSyncError as error:
        if answers(url):  # which needs no token: so the address is right
            checklist.good(f"plex_url: a Plex answers at {url}")
        checklist.fault(str(error))
        return None
    except OSError as error:
        checklist.fault(f"PlexSync's data folder cannot be written ({error.strerror}): check its space and permissions")
        return None
    system = f" on {client.platform}" if client.platform else ""
    checklist.good(f'Plex "{client.name}"{system} answers at {url} and takes the token (plex_url, plex_token)')
    return client


def _list_libraries(client: PlexClient, state: State, settings: Settings, checklist: Checklist) -> list[LibraryIndex]:
    sections = _choose(client, settings, checklist)
    indexes = []
    for number, section in enumerate(sections):
        index = LibraryIndex(client, state, section)
        try:
            index.look_for_new()
        except PlexSyncError as error:
            checklist.fault(str(error))
            continue
        log.progress((number + 1) / (len(sections) + 1))
        indexes.append(index)
        count = index.count_items()
        if count:
            checklist.good(f'Library "{section.title}": {count} {"item" if count == 1 else "items"} in Plex')
        else:
            checklist.advise(
                f'Library "{section.title}" has no items in Plex: add your folder to it there and let Plex scan, or '
                "leave it out of plex_library"
            )
    return indexes


def _choose(client: PlexClient, settings: Settings, checklist: Checklist) -> list[Section]:
    try:
        sections = read_sections(client)
    except PlexSyncError as error:
        checklist.fault(f"plex_library: Plex's libraries cannot be read: {error}")
        return []
    try:
        return choose_sections(sections, settings.library_names, settings.plex_library)
    except PlexSetupError as error:
        if len(settings.library_names) < 2:
            checklist.fault(str(error))
            return []
    chosen: dict[int, Section] = {}
    for name in settings.library_names:
        try:
            chosen |= {section.id: section for section in choose_sections(sections, (name,), name)}
        except PlexSetupError as error:
            checklist.fault(str(error))
    return list(chosen.values())


def _sample(stash: StashClient, settings: Settings, checklist: Checklist) -> list[Scene]:
    """Return sampled scenes that the user's conditions let through."""
    try:
        sampled = stash.sample(SAMPLED)
    except PlexSyncError as error:
        checklist.fault(str(error))
        return []
    if not sampled:
        checklist.advise("Stash has no scenes yet, so there is nothing to match: let Stash scan your files first")
        return []
    reasons = [(scene, why_left_out(scene, settings)) for scene in sampled]
    left_out = Counter(why for _, why in reasons if why)
    if left_out:
        count = sum(left_out.values())
        said = f"{count} of {len(sampled)} sampled scenes are left out by your conditions: " + ", ".join(
            f"{why}: {number}" for why, number in left_out.most_common(5)
        )
        if count == len(sampled):
            checklist.advise(said)
        else:
            checklist.good(said)
    return [within_paths(scene, settings) for scene, why in reasons if not why]


def _check_matching(
    indexes: Sequence[LibraryIndex],
    scenes: Sequence[Scene],
    rules: Rules,
    checklist: Checklist,
    *,
    skip_not_found: bool,
) -> None:
    libraries = [_Named(index, rules) for index in indexes]
    sample = [SampledScene(scene, tuple(library.of(scene) for library in libraries)) for scene in scenes]
    found = tally(sample, rules)
    checklist.result = str(found)
    checklist.good(checklist.result)
    proposal = propose_map(sample, rules)
    if proposal is not None:
        before = len(found.by_path)
        rules = replace(rules, pairs=proposal.pairs)
        found = tally(sample, rules)
        checklist.advise(
            f"path_map: {len(found.by_path)} of {len(sample)} sampled scenes would match with `{proposal.path_map}` "
            f"({before} match by their path now). Set path_map to that",
            to_copy=f"`{proposal.path_map}`",
        )
    for text in advice(found, [index.section for index in indexes], rules, skip_not_found=skip_not_found):
        checklist.advise(text)


class _Named:
    """The files of a library by their names; what many scenes ask for is read and kept once."""

    def __init__(self, index: LibraryIndex, rules: Rules) -> None:
        self._index = index
        self._pairs = rules.pairs
        self._known: dict[str, dict[int, tuple[MediaFile, ...]]] = {}

    def of(self, scene: Scene) -> dict[int, tuple[MediaFile, ...]]:
        """Return the files that bear the name of one of the scene's, by the ratingKey of the item that has them."""
        names = dict.fromkeys(name_key(map_path(file.path, self._pairs), fold=self._index.fold) for file in scene.files)
        for name in names:
            if name not in self._known:
                self._known[name] = self._index.named(name)
        if len(names) == 1:
            return self._known[next(iter(names))]
        found: dict[int, tuple[MediaFile, ...]] = {}
        for name in names:
            for key, files in self._known[name].items():
                found[key] = (*found.get(key, ()), *files)
        return found


def _check_pictures(stash: StashClient, settings: Settings, scenes: Sequence[Scene], checklist: Checklist) -> None:
    """Fetch covers of sampled scenes until one can be used, and say so, or why not."""
    if not (settings.sync_poster or settings.sync_background):
        checklist.good("Pictures: sync_poster and sync_background are off")
        return
    tried = [scene for scene in scenes if scene.cover][:COVERS]
    for scene in tried:
        try:
            picture = stash.picture(scene.cover)
        except UnusablePictureError as error:
            checklist.advise(f"Pictures: the cover of scene {scene.id} cannot be used: {error}")
            continue
        except PlexSyncError as error:
            checklist.fault(f"Pictures: the cover of scene {scene.id} could not be fetched from Stash: {error}")
            return
        if picture is not None:
            size = f"{len(picture.content) / 1000:.0f} kB"
            checklist.good(f"Pictures: the cover of scene {scene.id} can be used ({picture.type}, {size})")
            return
    if scenes:
        checklist.good(f"Pictures: none of {len(tried)} sampled scenes has a cover that can be used")


def _check_performer_pictures(
    stash: StashClient, settings: Settings, scenes: Sequence[Scene], checklist: Checklist
) -> None:
    """Say where Plex will see performers' pictures, or why it will not."""
    key, choice = stash.api_key or "", settings.performer_pictures
    why = why_no_pictures(choice, credentials=stash.has_credentials, api_key=key)
    access = picture_access(
        choice,
        stash_url=settings.stash_url,
        plex_url=settings.plex_url,
        credentials=stash.has_credentials,
        api_key=key,
    )
    if access is None:
        (checklist.advise if choice == "on" else checklist.good)(f"Pictures of performers are not written: {why}")
        return
    picture = next((one.picture for scene in scenes for one in scene.performers if one.picture), "")
    if not picture:
        return
    if picture_url(picture, access):
        checklist.good(f"Pictures of performers are written as addresses at {access.base or base_of(picture)}")
    else:
        checklist.advise(
            f"stash_url: pictures of performers are not written, because {access.base or base_of(picture)} is an "
            "address of Stash's own machine. Set stash_url to the one under which Plex and its players reach Stash, or "
            "performer_pictures to off"
        )
