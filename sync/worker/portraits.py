"""Performers' pictures, known by their content.

Stash ends a picture's address with the time of the performer's last save, so that a new weight gives the same picture
another address, in every scene of the performer. A digest of the picture stands there instead.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sync import log
from sync.errors import UnusablePictureError
from sync.mapping.conditions import why_left_out
from sync.mapping.performer_pictures import PictureAccess, is_dated, local_path, picture_url, split_time, with_digest
from sync.model import Scene
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.stash.exceptions import StashPictureError
from sync.stash.pictures import Coming
from sync.state.state import State

DIGEST_LENGTH = 12  # characters of the SHA-1 that stand in an address


_SCHEMA = """
CREATE TABLE IF NOT EXISTS portraits (
    path TEXT PRIMARY KEY,        -- of a performer's picture in Stash
    time TEXT NOT NULL,           -- of the performer's save after which it was looked at; '': look again
    digest TEXT NOT NULL          -- of the picture; '': Stash had none
) WITHOUT ROWID
"""


class Portrait(NamedTuple):
    """What is known of a performer's picture."""

    time: str  # the `t` of its address when it was looked at; empty: it may be another one since
    digest: str  # of its content; empty: Stash had none


class Portraits:
    """The pictures of performers, asked of Stash once for each save of the performer.

    `access`: how Plex reaches them; None: it gets none, and nothing is asked.
    """

    def __init__(self, *, stash: StashClient, state: State, settings: Settings, access: PictureAccess | None) -> None:
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
        access = self._access
        if access is None:
            return dict(scenes)
        due = {number: scene for number, scene in scenes.items() if not why_left_out(scene, self._settings)}
        urls = dict.fromkeys(one.picture for scene in due.values() for one in scene.performers)
        digests = self._digests([url for url in urls if picture_url(url, access)])
        addresses = {url: with_digest(url, digest) if digest else "" for url, digest in digests.items()}
        return {**scenes, **{number: _with_pictures(scene, addresses) for number, scene in due.items()}}

    def _digests(self, urls: Sequence[str]) -> dict[str, str]:
        """Return the digests of pictures by their addresses; those of which nothing is known are absent."""
        known = self._known({split_time(url)[0] for url in urls})
        found: dict[str, str] = {}
        to_ask: dict[str, list[str]] = {}
        for url in urls:
            path, saved = split_time(url)
            portrait = known.get(path)
            if portrait and portrait.time and portrait.time == saved:
                found[url] = portrait.digest
            else:
                to_ask.setdefault(local_path(url), []).append(url)
        self._ask([one for one in to_ask if one not in self._looked_at], known)
        for one, same in to_ask.items():
            digest = self._looked_at[one]
            if digest is not None:
                found |= dict.fromkeys(same, digest)
        return found

    def _known(self, paths: Iterable[str]) -> dict[str, Portrait]:
        query = "SELECT path, time, digest FROM portraits WHERE path IN (SELECT value FROM json_each(?))"
        rows = self._state.connection.execute(query, (json.dumps(list(paths)),))
        return {path: Portrait(*rest) for path, *rest in rows}

    def _ask(self, asked: Sequence[str], known: Mapping[str, Portrait]) -> None:
        """Look at pictures, by their path and query; what is learned is remembered, as far as it goes."""
        learned: dict[str, Portrait] = {}
        began = time.time()
        coming = Coming(self._stash.picture_sha1, asked)
        try:
            for one in asked:
                path, saved = split_time(one)
                portrait = known.get(path)
                try:
                    sha1 = coming.get(one)
                    # Stash shows its drawing where reading the picture failed, too.
                    trusted = saved if sha1 and is_dated(saved, began) else ""
                    learned[path] = portrait = Portrait(trusted, (sha1 or "")[:DIGEST_LENGTH])
                except (StashPictureError, UnusablePictureError) as error:
                    log.debug(f"A performer's picture, {one}, is taken to be what it was before: {error}")
                self._looked_at[one] = portrait.digest if portrait else None
        finally:
            coming.drop()
            if learned:
                with self._state.transaction() as connection:
                    rows = [(path, *portrait) for path, portrait in learned.items()]
                    connection.executemany(
                        "INSERT OR REPLACE INTO portraits (path, time, digest) VALUES (?, ?, ?)", rows
                    )


def _with_pictures(scene: Scene, addresses: Mapping[str, str]) -> Scene:
    performers = tuple(replace(one, picture=addresses.get(one.picture, one.picture)) for one in scene.performers)
    return replace(scene, performers=performers) if performers != scene.performers else scene
