"""Performers' pictures, known by their content.

Stash ends a picture's address with the time of the performer's last save, so that a new weight
gives the same picture another address, in every scene of the performer. A digest of the picture
stands there instead.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sync import log
from sync.errors import UnusablePictureError
from sync.mapping.conditions import why_left_out
from sync.mapping.performer_pictures import PictureAccess, local_path, picture_url, split_time, with_digest
from sync.model import Scene
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.exceptions import StashPictureError
from sync.stash.pictures import Coming
from sync.state import State, chunks

TRUSTED_AFTER = 2.0
"""Seconds after a save until its time is taken to stand for one picture: Stash's times are whole seconds."""
DIGEST_LENGTH = 12
"""Characters of the SHA-1 that stand in an address."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS portraits (
    path TEXT PRIMARY KEY,        -- of a performer's picture in Stash
    time TEXT NOT NULL,           -- of the performer's save after which it was looked at; '': look again
    digest TEXT NOT NULL          -- of the picture; '': Stash had none
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Portrait:
    """What is known of a performer's picture."""

    time: str
    """The `t` of its address when it was looked at; empty: it may be another one since."""
    digest: str
    """Of its content; empty: Stash had none."""


class Portraits:
    """The pictures of performers, asked of Stash once for each save of the performer.

    `access`: how Plex reaches them; None: it gets none, and nothing is asked.
    """

    def __init__(
        self,
        *,
        stash: StashClient,
        state: State,
        settings: Settings,
        access: PictureAccess | None,
    ) -> None:
        self._stash = stash
        self._state = state
        self._settings = settings
        self._access = access if settings.sync_performers else None
        state.connection.execute(_SCHEMA)
        self._looked_at: dict[str, str | None] = {}
        """What was asked in this run: a picture's path and query -> its digest, None where nothing is known."""

    def settle(self, scenes: Mapping[int, Scene]) -> dict[int, Scene]:
        """Return the scenes with a digest of the picture in the address of each performer's picture.

        What is not known yet is asked of Stash, several pictures at a time: give it the scenes of which it matters.
        An address keeps its time where the picture has never been seen and Stash cannot give it now; a performer
        who turns out to have none has none. Scenes that the settings leave out are returned as they are. Raises
        StashTemporaryError and StashAuthError where Stash itself is away, and sqlite3.Error.
        """
        if self._access is None:
            return dict(scenes)
        due = {number: scene for number, scene in scenes.items() if not why_left_out(scene, self._settings)}
        addresses = self._addresses(self._urls(due.values()))
        return {**scenes, **{number: _with_pictures(scene, addresses) for number, scene in due.items()}}

    def _urls(self, scenes: Iterable[Scene]) -> list[str]:
        """Return the addresses of pictures that Plex is given, as Stash built them."""
        access = self._access
        urls = dict.fromkeys(one.picture for scene in scenes for one in scene.performers) if access else {}
        return [url for url in urls if access and picture_url(url, access)]

    def _addresses(self, urls: Sequence[str]) -> dict[str, str]:
        """Return the addresses that change, by those that Stash built."""
        known, unknown = self._known_and_not(urls)
        self._ask([path for path in unknown if path not in self._looked_at])
        digests = dict(known)
        for path, same in unknown.items():
            digest = self._looked_at[path]
            if digest is not None:
                digests |= dict.fromkeys(same, digest)
        return {url: with_digest(url, digest) if digest else "" for url, digest in digests.items()}

    def _known_and_not(self, urls: Sequence[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
        """Return the digests of pictures that are as they were by their address; and path and query of all others,
        each with its addresses."""
        saves = {url: split_time(url) for url in urls}
        before = self._known(path for path, _ in saves.values())
        known: dict[str, str] = {}
        unknown: dict[str, list[str]] = {}
        for url, (path, saved) in saves.items():
            portrait = before.get(path)
            if portrait and portrait.time and portrait.time == saved:
                known[url] = portrait.digest
            else:
                unknown.setdefault(local_path(url), []).append(url)
        return known, unknown

    def _ask(self, asked: Sequence[str]) -> None:
        """Look at pictures, by their path and query; what is learned is remembered, as far as it goes."""
        if not asked:
            return
        known = self._known(split_time(one)[0] for one in asked)
        learned: dict[str, Portrait] = {}
        began = time.time()
        coming = self._stash.picture_sha1s(asked)
        try:
            for one in asked:
                path, saved = split_time(one)
                before = known.get(path)
                portrait = self._look(coming, one, saved if _is_past(saved, began) else "", before)
                self._looked_at[one] = portrait.digest if portrait else None
                if portrait and portrait != before:
                    learned[path] = portrait
        finally:
            coming.drop()
            with self._state.transaction() as connection:
                rows = [(path, portrait.time, portrait.digest) for path, portrait in learned.items()]
                connection.executemany("INSERT OR REPLACE INTO portraits (path, time, digest) VALUES (?, ?, ?)", rows)

    def _known(self, paths: Iterable[str]) -> dict[str, Portrait]:
        """Return what is known of pictures, by their paths in Stash; unknown ones are absent."""
        found: dict[str, Portrait] = {}
        for some in chunks(sorted(set(paths)), 400):
            query = f"SELECT path, time, digest FROM portraits WHERE path IN ({','.join('?' * len(some))})"
            found |= {
                path: Portrait(time, digest) for path, time, digest in self._state.connection.execute(query, some)
            }
        return found

    def _look(self, coming: Coming[str | None], path: str, time: str, before: Portrait | None) -> Portrait | None:
        """Return a picture as Stash has it now; what was known `before` where Stash cannot give it.

        `time`: the save that it stands for from now on; empty: look again.
        """
        try:
            sha1 = coming.get(path)
        except (StashPictureError, UnusablePictureError) as error:
            log.debug(f"A performer's picture, {path}, is taken to be what it was before: {error}")
            return before
        # Stash shows its drawing where reading the picture failed, too.
        return Portrait(time, sha1[:DIGEST_LENGTH]) if sha1 else Portrait("", "")


def _is_past(saved: str, now: float) -> bool:
    """Return whether no second save of the performer can bear the same time (seconds since the epoch)."""
    try:
        return int(saved) <= now - TRUSTED_AFTER
    except ValueError:
        return False


def _with_pictures(scene: Scene, addresses: Mapping[str, str]) -> Scene:
    performers = tuple(replace(one, picture=addresses.get(one.picture, one.picture)) for one in scene.performers)
    return replace(scene, performers=performers) if performers != scene.performers else scene
