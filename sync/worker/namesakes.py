"""Who else has a file of a name in Stash, and which doubts of that kind were settled before."""

import hashlib
import json
import sqlite3
import time
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sync.model import MediaFile, Scene
from sync.plex.matcher import Rival, Rules
from sync.plex.media_paths import file_name, is_windows, map_path, name_key, path_key
from sync.stash.client import StashClient
from sync.state import State

SEARCHES = 100
"""Names that are searched for one by one. Each costs Stash a look at all its files; one listing of them
all costs about as much as some dozen searches."""
AT_MOST = 500
"""Scenes of one name that a search returns; a name that more have is looked up in the listing."""
PAGE = 1_000
"""Scenes in a page of the listing."""
LISTING_AGE = 60.0
"""Seconds that a listing of Stash's files holds, or twenty times what it took."""

_SETTLED_SCHEMA = """
CREATE TABLE IF NOT EXISTS settled_names (
    machine TEXT NOT NULL, section INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    scene_id INTEGER NOT NULL,
    ground TEXT NOT NULL,         -- what the decision was made on, see Settled
    PRIMARY KEY (machine, section, rating_key)
) WITHOUT ROWID;
"""


class Namesakes:
    """The files of Stash's scenes by their names.

    A few names are searched for; when they become many, all files are listed once
    into a temporary table, which is on disk where it is large.
    """

    def __init__(self, stash: StashClient, rules: Rules) -> None:
        self._stash = stash
        self._rules = rules
        self._asked: dict[str, tuple[Rival, ...]] = {}
        self._searched = 0
        self._listing: sqlite3.Connection | None = None
        self._listed_until = 0.0

    def begin(self) -> None:
        """Forget what was asked for the batch before: Stash may have changed."""
        self._asked.clear()

    def of(self, paths: Iterable[str], like: str) -> dict[str, tuple[Rival, ...]]:
        """Return the files of Stash's with the names of these paths, by name_key.

        `like`: a path as Stash writes it, for its separator. Raises what a request to Stash raises.
        """
        wanted: dict[str, set[str]] = {}
        for path in paths:
            wanted.setdefault(name_key(path, fold=self._rules.fold), set()).add(file_name(path))
        unknown = {key: names for key, names in wanted.items() if key not in self._asked}
        if unknown and not self._search(unknown, "\\" if is_windows(like) and "\\" in like else "/"):
            self._look_up(unknown)
        return {key: self._asked[key] for key in wanted}

    def _search(self, wanted: dict[str, set[str]], separator: str) -> bool:
        """Ask for names; False when there are too many of them or of the files that bear them."""
        if self._is_listed() or self._searched + len(wanted) > SEARCHES:
            return False
        self._searched += len(wanted)
        spelled = sorted({form for names in wanted.values() for name in names for form in self._spellings(name)})
        found = self._stash.files_named([separator + name for name in spelled], at_most=AT_MOST)
        if found is None:
            return False
        rivals: dict[str, list[Rival]] = {key: [] for key in wanted}
        for scene_id, file in found:
            name, rival = self._rival(scene_id, file)
            if name in rivals:
                rivals[name].append(rival)
        self._asked |= {name: tuple(some) for name, some in rivals.items()}
        return True

    def _spellings(self, name: str) -> set[str]:
        """LIKE knows no composed and decomposed characters, and the case of ASCII letters alone."""
        forms = {name}
        if not name.isascii():
            cases = {name, name.lower(), name.upper()} if self._rules.fold else {name}
            forms |= {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
        return forms

    def _rival(self, scene_id: int, file: MediaFile) -> tuple[str, Rival]:
        key = path_key(map_path(file.path, self._rules.pairs), fold=self._rules.fold)
        return key.rpartition("/")[2], Rival(scene_id, key, file.size)

    def _is_listed(self) -> bool:
        return self._listing is not None and time.monotonic() < self._listed_until

    def _look_up(self, names: Iterable[str]) -> None:
        if not self._is_listed():
            self._list()
        assert self._listing
        for name in names:
            rows = self._listing.execute("SELECT scene_id, path_key, size FROM files WHERE name_key = ?", (name,))
            self._asked[name] = tuple(Rival(*row) for row in rows)

    def _list(self) -> None:
        began = time.monotonic()
        if self._listing is not None:
            self._listing.close()
        # Without a name: a temporary file of SQLite's own, gone when it is closed.
        listing = self._listing = sqlite3.connect("", isolation_level=None)
        listing.execute("CREATE TABLE files (name_key TEXT, scene_id INTEGER, path_key TEXT, size INTEGER)")
        for page in self._stash.all_files(PAGE):
            rivals = (self._rival(scene_id, file) for scene_id, file in page)
            listing.execute("BEGIN")
            listing.executemany(
                "INSERT INTO files VALUES (?, ?, ?, ?)",
                [(name, rival.scene_id, rival.key, rival.size) for name, rival in rivals],
            )
            listing.execute("COMMIT")
        listing.execute("CREATE INDEX files_by_name ON files (name_key)")
        now = time.monotonic()
        self._listed_until = now + max(LISTING_AGE, 20 * (now - began))
        self._searched = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """Items that scenes were found to hold by a name alone after Stash was asked.

    As long as the files on both sides and the rules stay as they were, the next
    sync of such a scene asks nobody.
    """

    state: State
    machine: str
    rules: Rules

    def __post_init__(self) -> None:
        self.state.connection.executescript(_SETTLED_SCHEMA)

    def is_settled(self, scene: Scene, section: int, rating_key: int, files: Collection[MediaFile]) -> bool:
        """Return whether this was found for these very files."""
        row = self.state.connection.execute(
            "SELECT scene_id, ground FROM settled_names WHERE machine = ? AND section = ? AND rating_key = ?",
            (self.machine, section, rating_key),
        ).fetchone()
        return row is not None and tuple(row) == (scene.id, self._ground(scene, files))

    def settle(self, found: Iterable[tuple[Scene, int, int, Collection[MediaFile]]]) -> None:
        """Remember (scene, section, ratingKey, the item's files) that were found, in one transaction."""
        rows = [
            (self.machine, section, key, scene.id, self._ground(scene, files))
            for scene, section, key, files in found
            if not self.is_settled(scene, section, key, files)
        ]
        if rows:
            with self.state.transaction() as connection:
                connection.executemany("INSERT OR REPLACE INTO settled_names VALUES (?, ?, ?, ?, ?)", rows)

    def forget(self, rating_keys: Collection[int]) -> None:
        """Forget items that Plex no longer has."""
        with self.state.transaction() as connection:
            connection.executemany(
                "DELETE FROM settled_names WHERE machine = ? AND rating_key = ?",
                [(self.machine, key) for key in rating_keys],
            )

    def _ground(self, scene: Scene, files: Collection[MediaFile]) -> str:
        rules = self.rules
        held = sorted((file.path, file.size or 0) for file in scene.files)
        there = sorted((file.path, file.size or 0) for file in files)
        ground = json.dumps([held, there, rules.pairs, rules.strict, rules.fold])
        return hashlib.sha256(ground.encode("utf-8", "surrogatepass")).hexdigest()
