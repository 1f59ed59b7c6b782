"""The task "Check setup": a checklist in plain words of what works and what to fix.

It changes nothing. Scenes are located by what a drain does it with, over a database of its own that ends with the run:
so it runs beside a drain, and a stop leaves nothing behind.
"""

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from typing import Any
from urllib.parse import urlsplit

from sync import data_folder, fast, hidden_paths, log
from sync.ending import Ending, Report, counted
from sync.errors import PlexSyncError, SetupError, UnusablePictureError, quoted
from sync.mapping.conditions import why_left_out, within_paths
from sync.mapping.performer_pictures import base_of, picture_access, picture_url, why_no_pictures
from sync.model import Scene
from sync.plex.client import PlexClient, open_plex
from sync.plex.exceptions import PlexItemGone, PlexServerDown, PlexSetupError
from sync.plex.file_index import LibraryIndex
from sync.plex.sections import choose_sections, read_sections
from sync.queue import damage, schema
from sync.settings import ACCEPTED, Settings, read_each
from sync.setup.sample import Sample, compare
from sync.sleeper.probe import answers
from sync.stash.client import StashClient
from sync.state.state import State

SAMPLED = 420  # scenes that are looked at: enough that a folder with one scene in a hundred is hardly missed
COVERS = 5  # covers that are fetched until one can be used

_OWNERS = ("/accounts", "/status/sessions")
"""Pages of Plex that a guest gets 401 or 403 for (its OpenAPI text: security admin; home-assistant/core 181394)."""
PRIVATE = ""  # SQLite's name for a temporary database, which spills to disk where it grows and ends when closed


def check_setup(server_connection: Mapping[str, Any], data: str, *, to_show: bool = False) -> Report:
    """Check everything that a sync needs; return a summary. Raises SetupError where Stash cannot be addressed.

    `to_show`: for a report that others see; no line shows a path.
    """
    with closing(StashClient(server_connection)) as stash:
        check = _Check(stash, data, to_show)
        try:
            check.run()
        except PlexSyncError as error:
            check.fault(str(error))
        except sqlite3.Error as error:
            check.fault(f"The check's temporary database failed ({error}): free space in the system's temporary folder")
    ending = Ending.NEEDS_A_LOOK if check.to_fix else Ending.WELL
    return Report(check.summary(), ending, to_fix=check.to_fix)


def listen(say: Callable[[str, str], None], progress: Callable[[float], None]) -> None:
    """Hand `say` what the log says from now on, as (level in a word, text), and `progress` how far things are."""
    words = {"i": "info", "w": "warning", "e": "error"}

    def hear(level: str, text: str) -> None:
        if level == "p":
            progress(float(text))
        elif level in words:
            say(words[level], text)

    log.use(hear)


class _Check:
    def __init__(self, stash: StashClient, data: str, to_show: bool) -> None:
        self._stash = stash
        self._data = data
        self._to_show = to_show
        self._result = ""  # how the sample matches, in a sentence
        self.to_fix: list[str] = []  # a sentence each

    def advise(self, text: str, to_copy: str = "") -> None:
        """Something that works less well than it could. `to_copy`: what a person has to copy off the log's line."""
        self.to_fix.append(log.redact(text))
        if to_copy and log.hides_paths() and not self._to_show:
            log.keep_readable(to_copy)
            text += ". This line alone shows paths: leave it out of a log that you share"
        log.warning(text)

    def fault(self, text: str) -> None:
        """Something that keeps scenes from being synced."""
        self.to_fix.append(log.redact(text))
        log.error(text)

    def summary(self) -> str:
        if not self.to_fix:
            return f"The setup is good. {self._result}".rstrip()
        listed = " ".join(f"{number}. {text.rstrip('. ')}." for number, text in enumerate(self.to_fix, 1))
        return f"{counted(len(self.to_fix), 'thing')} to fix: {listed} {self._result}".rstrip()

    def run(self) -> None:
        panel = self._stash.plugin_settings()
        log.keep_secret(panel.get("plex_token"))
        hidden_paths.follow(panel, self._data, ACCEPTED["path_map"], always=self._to_show)
        said, is_usable = _look_at(self._data)
        (log.info if is_usable else self.fault)(said)
        settings, wrong = read_each(panel)
        for text in wrong.values():
            self.fault(text)
        if not wrong:
            log.info("Settings: all of them are accepted")
        client = self._connect(settings, wrong)
        with closing(client) if client else nullcontext(), closing(State(PRIVATE)) as state:
            indexes = self._list_libraries(client, state, settings) if client else []
            scenes = self._sample(settings)
            if client and scenes and any(index.count_items() for index in indexes):
                sample, better, path_map = compare(client, self._stash, state, indexes, scenes, settings)
                self._tell_matches(sample, better, path_map, skip_not_found=settings.skip_not_found)
        self._check_covers(settings, scenes)
        if settings.sync_performers:
            self._check_performer_pictures(settings, scenes)

    def _connect(self, settings: Settings, wrong: Mapping[str, str]) -> PlexClient | None:
        url = settings.plex_url
        if "plex_url" in wrong:
            return None
        trouble, is_away = "", False
        try:
            if "plex_token" not in wrong:
                client = open_plex(settings, self._data)
                what = f'Plex "{client.name}", version {client.version}'
                system = f" on {client.platform}" if client.platform else ""
                log.info(f"{what}{system}, answers at {url} and takes the token (plex_url, plex_token)")
                if not is_owner(client):
                    self.fault(
                        "plex_token reads, but may not write: it is a managed user's or a guest's. Set it to the "
                        "X-Plex-Token of the server's owner"
                    )
                return client
        except PlexServerDown as error:
            trouble, is_away = f"plex_url: {error}", True
        except PlexSyncError as error:
            trouble = str(error)
        except OSError:
            pass  # the data folder cannot be written, which is told already
        elsewhere = "" if urlsplit(url).port else f"{url.partition('/')[0]}//{urlsplit(url).netloc}:32400"
        if not is_away and answers(url):  # which needs no token: so the address is right
            log.info(f"plex_url: a Plex answers at {url}")
        elif elsewhere and answers(elsewhere):
            self.fault(f"plex_url: no Plex answers at {url}, but one does at {elsewhere}. Set plex_url to {elsewhere}")
            return self._connect(settings.model_copy(update={"plex_url": elsewhere}), wrong)
        elif not trouble:
            trouble = f"plex_url: no Plex Media Server answers at {url}; set it to the address Plex listens on"
        if trouble:
            self.fault(trouble)
        return None

    def _list_libraries(self, client: PlexClient, state: State, settings: Settings) -> list[LibraryIndex]:
        try:
            sections = choose_sections(read_sections(client), settings.library_names, settings.plex_library)
        except PlexSyncError as error:
            self.fault(str(error))
            return []
        indexes = []
        for number, section in enumerate(sections):
            index = LibraryIndex(client, state, section)
            try:
                index.look_for_new()
            except PlexSyncError as error:
                self.fault(str(error))
                continue
            log.progress((number + 1) / (len(sections) + 1))
            indexes.append(index)
            if count := index.count_items():
                log.info(f'Library "{section.title}": {counted(count, "item")} in Plex')
            else:
                self.advise(
                    f'Library "{section.title}" has no items in Plex: add your folder to it there and let Plex scan, '
                    "or leave it out of plex_library"
                )
        return indexes

    def _sample(self, settings: Settings) -> list[Scene]:
        try:
            sampled = self._stash.sample(SAMPLED)
        except PlexSyncError as error:
            self.fault(str(error))
            return []
        if not sampled:
            self.advise("Stash has no scenes yet, so there is nothing to match: let Stash scan your files first")
            return []
        reasons = [(scene, why_left_out(scene, settings)) for scene in sampled]
        left_out = Counter(why for _, why in reasons if why)
        if count := sum(left_out.values()):
            listed = ", ".join(f"{why}: {number}" for why, number in left_out.most_common(5))
            tell = self.advise if count == len(sampled) else log.info
            tell(f"{count} of {len(sampled)} sampled scenes are left out by your conditions: {listed}")
        return [within_paths(scene, settings) for scene, why in reasons if not why]

    def _tell_matches(self, sample: Sample, better: Sample, path_map: str, *, skip_not_found: bool) -> None:
        self._result = sample.told()
        log.info(self._result)
        if path_map:
            self.advise(
                f"path_map: {len(better.of('by path'))} of {len(sample.scenes)} sampled scenes would match with "
                f"`{path_map}` ({len(sample.of('by path'))} match by their path now). Set path_map to that",
                to_copy=f"`{path_map}`",
            )
        for text in better.advice(skip_not_found=skip_not_found):
            self.advise(text)

    def _check_covers(self, settings: Settings, scenes: Sequence[Scene]) -> None:
        if not (settings.sync_poster or settings.sync_background):
            log.info("Pictures: sync_poster and sync_background are off")
            return
        tried = [scene for scene in scenes if scene.cover][:COVERS]
        for scene in tried:
            cover = f"Pictures: the cover of scene {scene.id}"
            try:
                picture = self._stash.picture(scene.cover)
            except UnusablePictureError as error:
                self.advise(f"{cover} cannot be used: {error}")
                continue
            except PlexSyncError as error:
                self.fault(f"{cover} could not be fetched from Stash: {error}")
                return
            if picture is not None:
                log.info(f"{cover} can be used ({picture.type}, {len(picture.content) / 1000:.0f} kB)")
                return
        if scenes:
            log.info(f"Pictures: none of {len(tried)} sampled scenes has a cover that can be used")

    def _check_performer_pictures(self, settings: Settings, scenes: Sequence[Scene]) -> None:
        key, choice, guarded = self._stash.api_key or "", settings.performer_pictures, self._stash.has_credentials
        access = picture_access(
            choice, stash_url=settings.stash_url, plex_url=settings.plex_url, credentials=guarded, api_key=key
        )
        if access is None:
            why = why_no_pictures(choice, credentials=guarded, api_key=key)
            (self.advise if choice == "on" else log.info)(f"Pictures of performers are not written: {why}")
            return
        picture = next((one.picture for scene in scenes for one in scene.performers if one.picture), "")
        where = access.base or (base_of(picture) if picture else "")
        if picture and picture_url(picture, access):
            log.info(f"Pictures of performers are written as addresses at {where}")
        elif picture:
            self.advise(
                f"stash_url: pictures of performers are not written, because {where} is an address of Stash's own "
                "machine. Set stash_url to the one under which Plex and its players reach Stash, or "
                "performer_pictures to off"
            )


def _look_at(data: str) -> tuple[str, bool]:
    """Make a queue in the data folder as the first save does; return what to say of it, and whether that went well."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="check-", dir=data) as folder,
            closing(schema.connect(os.path.join(folder, "check.db"))) as connection,
        ):
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        for path in (data_folder.queue_file(data), data_folder.state_file(data)):
            if os.path.exists(path):
                try:
                    with closing(fast.connect(path)) as connection:
                        connection.execute("BEGIN IMMEDIATE")
                        connection.execute("PRAGMA user_version = 0")  # a file that may only be read opens as well
                        connection.execute("ROLLBACK")
                except (sqlite3.Error, OSError) as error:
                    return damage.why_unusable("file", path, error), False
    except SetupError as error:
        return str(error), False
    except (sqlite3.Error, OSError) as error:
        return damage.why_unusable("data folder", data, error), False
    more = "" if journal == "wal" else "; a save takes a few milliseconds more there than on a local disk"
    return f"Data folder: files in {quoted(data)} can be written and locked{more}", True


def is_owner(client: PlexClient) -> bool:
    """Return whether Plex refuses nothing of what its owner alone may read, as it would refuse a guest's edits."""
    for path in _OWNERS:
        try:
            client.get(path)
        except PlexSetupError:
            return False
        except (PlexSyncError, PlexItemGone):  # a version that has no such page says nothing
            continue
    return True
