"""The index of a library's files: path, name, size -> ratingKey, kept in the state file.

What it does not know is asked for by the file's name, in one request. A batch over everything begins with
a listing, page by page. The index proposes; what an item holds is read before a write.
"""

import json
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from sync import log
from sync.model import MediaFile, PlexItem
from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexPermanentError, PlexServerDown, PlexSetupError, PlexTemporaryError
from sync.plex.sections import Listed, Section, read_page, read_pages
from sync.state.state import State
from sync.text.media_paths import file_name, name_key, path_key

PAGE = 1_000  # items in a page of a full listing
NEW_PAGE = 200  # items in a page of a look for new ones
LOOK_PAUSE = 5.0  # seconds between two looks for new items within one run
ASKED_ITEMS = 500  # items of one file's name that are brought in; a server with more of them is listed
SEARCH_AGAIN = 86_400.0
"""Seconds until a server that does not find files by name is asked so again: it may have been updated."""
ODD = frozenset("&#+%'\"\\")
"""Characters of which no source tells how Plex's search by file takes them."""
FULL_SHARE = 20.0
"""A full listing may take at most one part in so many of the time: a scene that Plex does not have must
not cost a large library a listing for every save."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS plex_libraries (
    id INTEGER PRIMARY KEY,
    machine TEXT NOT NULL, section INTEGER NOT NULL, uuid TEXT NOT NULL, fold INTEGER NOT NULL,
    listed_at REAL,               -- end of the last full listing, seconds since the epoch; NULL: never whole
    listed_seconds REAL NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,
    UNIQUE (machine, section)
);
CREATE TABLE IF NOT EXISTS plex_files (
    library INTEGER NOT NULL, rating_key INTEGER NOT NULL,
    path_key TEXT NOT NULL, name_key TEXT NOT NULL, path TEXT NOT NULL, size INTEGER,
    round INTEGER NOT NULL        -- the full listing that saw it last
);
CREATE INDEX IF NOT EXISTS plex_files_path ON plex_files (library, path_key);
CREATE INDEX IF NOT EXISTS plex_files_name ON plex_files (library, name_key);
CREATE INDEX IF NOT EXISTS plex_files_item ON plex_files (library, rating_key);
"""


class LibraryIndex:
    """The files of one library, as Plex listed them last.

    `fold`: Plex's system takes paths that differ in case alone for one.
    """

    def __init__(self, client: PlexClient, state: State, section: Section) -> None:
        self._client = client
        self._state = state
        self.section = section
        self.fold = client.folds_case
        self._looked_at: float | None = None  # of the monotonic clock, in this run
        self._listed_at: float | None = None
        self._asked: dict[str, tuple[float, bool]] = {}
        """Names that Plex was asked for in this run: when, and whether its answer can be relied on."""
        self._in_trash: set[str] = set()
        state.connection.executescript(SCHEMA)
        self._library = self._open()

    def _open(self) -> int:
        with self._state.transaction() as connection:
            row = connection.execute(
                "SELECT id, uuid, fold FROM plex_libraries WHERE machine = ? AND section = ?",
                (self._client.machine, self.section.id),
            ).fetchone()
            if row and (row[1], bool(row[2])) == (self.section.uuid, self.fold):
                return int(row[0])
            if row:  # another library under the old number, or a server that moved to another system
                connection.execute("DELETE FROM plex_files WHERE library = ?", (row[0],))
                connection.execute("DELETE FROM plex_libraries WHERE id = ?", (row[0],))
            cursor = connection.execute(
                "INSERT INTO plex_libraries (machine, section, uuid, fold) VALUES (?, ?, ?, ?)",
                (self._client.machine, self.section.id, self.section.uuid, int(self.fold)),
            )
            return int(cursor.lastrowid or 0)

    def candidates(self, path: str, size: int | None) -> tuple[set[int], bool]:
        """Return the items that may hold a file (its path in Plex), and whether by that very path; else by the file's
        name, with no contradicting size."""
        exact = self._keys("path_key = ?", path_key(path, fold=self.fold))
        if exact:
            return exact, True
        name = name_key(path, fold=self.fold)
        if not size:
            return self._keys("name_key = ?", name), False
        return self._keys("name_key = ? AND (size IS NULL OR size = ?)", name, size), False

    def _keys(self, condition: str, *values: object) -> set[int]:
        rows = self._state.connection.execute(
            f"SELECT rating_key FROM plex_files WHERE library = ? AND {condition}", (self._library, *values)
        )
        return {row[0] for row in rows}

    def look_for_new(self) -> None:
        """Bring in what was added to the library since the last look.

        One request as a rule, and one look in some seconds. The first time it is the full listing.
        """
        if _within(LOOK_PAUSE, self._looked_at):
            return
        self._looked_at = time.monotonic()
        if not self.is_listed:
            self._list_all()
            return
        for page in read_pages(self._client, self.section, NEW_PAGE, "addedAt:desc"):
            known = dict(self.files(key for key, _ in page))
            # An item without files is in no index, and would look new for ever.
            fresh = [(key, files) for key, files in page if files and key not in known]
            if not fresh:
                break  # new items stand first
            self._store(fresh)
            log.detail('Library "%s": %d new items found', self.section.title, len(fresh))

    def ask_for(self, path: str) -> bool:
        """Ask Plex for the items that hold a file of this path's name, and bring them in: one request as a rule,
        `GET /library/sections/<id>/all?type=1&file=<file name>`, recorded on PMS 1.43.1. The answer is looked at and
        not believed. False where it cannot be relied on: the library has to be listed to know.
        """
        if _within(max(LOOK_PAUSE, self._listing()[1] * FULL_SHARE), self._listed_at):
            return True  # all that Plex has was listed in this run
        key = name_key(path, fold=self.fold)
        when, is_reliable = self._asked.get(key, (None, False))
        if not _within(LOOK_PAUSE, when):
            is_reliable = self._may_search() and self._search(path, key)
            self._asked[key] = time.monotonic(), is_reliable
        return is_reliable

    def _may_search(self) -> bool:
        mark, _, at = self._client.ways.search.partition(" ")
        return mark != "never" or not 0 <= time.time() - float(at or 0) < SEARCH_AGAIN

    def _search(self, path: str, key: str) -> bool:
        name = file_name(path)
        is_found = False
        # Each spelling of an accent: which of them the server finds, and which of them it has, is not known.
        for form in dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))):
            try:
                total, found = read_page(self._client, self.section, 0, ASKED_ITEMS, [("file", form)])
            except PlexServerDown:
                raise
            except (PlexTemporaryError, PlexSetupError) as error:
                if isinstance(error, PlexSetupError) and not isinstance(error.__cause__, PlexPermanentError):
                    raise
                return self._found_not_to_search(f"{error}")
            bearing = [one for one in found if any(name_key(file.path, fold=self.fold) == key for file in one[1])]
            if bearing:
                self._store(bearing)
                is_found = True
            self._in_trash |= {key for _, files in found if not files}
            others = (files for _, files in found if files)
            if any(not any(form.casefold() in file.path.casefold() for file in files) for files in others):
                return self._found_not_to_search("it answers with other files")
            if len(found) >= ASKED_ITEMS or (total is not None and total > len(found)):
                return False
        return is_found or not (self.fold or ODD & set(name) or not name.isascii())

    def _found_not_to_search(self, why: str) -> bool:
        log.debug(f'Library "{self.section.title}": Plex does not find files by their names ({why}); it is listed')
        self._client.ways = replace(self._client.ways, search=f"never {time.time():.0f}")
        self._state.put_ways(self._client.machine, asdict(self._client.ways))
        return False

    def list_again(self, *, by_hand: bool = False) -> bool:
        """List the whole library again because a file could not be found; True when that was done.

        Only this finds files that moved in Plex. Bounded to a small share of the time; once a run where a person asked.
        """
        listed_at, seconds, _ = self._listing()
        if _within(max(LOOK_PAUSE, seconds * FULL_SHARE), self._listed_at):
            return False
        if listed_at is not None and not by_hand and 0 <= time.time() - listed_at < seconds * FULL_SHARE:
            return False
        self._list_all()
        return True

    def count_named(self, path: str) -> int:
        """Return how many items hold a file of this path's name, whatever its size."""
        return len(self._keys("name_key = ?", name_key(path, fold=self.fold)))

    def has_in_trash(self, path: str) -> bool:
        """Return whether Plex, asked in this run, had a file of this path's name in the library's trash."""
        return name_key(path, fold=self.fold) in self._in_trash

    def named(self, name: str) -> list[MediaFile]:
        """Return the files of a name (its name_key), whatever their sizes."""
        return [MediaFile(path, size) for path, size in self._rows("path, size", "name_key", [name])]

    def count_items(self) -> int:
        """Return how many items with a file the index has."""
        (count,) = self._state.connection.execute(
            "SELECT count(DISTINCT rating_key) FROM plex_files WHERE library = ?", (self._library,)
        ).fetchone()
        return int(count)

    @property
    def is_listed(self) -> bool:
        """Whether the library has been listed to its end at least once."""
        return self._listing()[0] is not None

    def correct(self, items: Iterable[PlexItem]) -> None:
        """Correct the index by items that were read whole, where it says otherwise."""
        read = {item.rating_key: item.files for item in items}
        known = dict(self.files(read))
        wrong = [(key, files) for key, files in read.items() if {*files} != {*known.get(key, ())}]
        if wrong:
            self._store(wrong)

    def files(self, rating_keys: Iterable[int]) -> list[tuple[int, tuple[MediaFile, ...]]]:
        """Return these items, by ratingKey, with their files as the index has them."""
        found: dict[int, tuple[MediaFile, ...]] = {}
        for key, path, size in self._rows("rating_key, path, size", "rating_key", rating_keys):
            found[key] = (*found.get(key, ()), MediaFile(path, size))
        return sorted(found.items())

    def present(self, path_keys: Iterable[str]) -> set[str]:
        """Return those of these paths (their path_key) that the library has."""
        return {key for (key,) in self._rows("path_key", "path_key", path_keys)}

    def _rows(self, columns: str, column: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        within = f"{column} IN (SELECT value FROM json_each(?))"
        return self._state.connection.execute(
            f"SELECT {columns} FROM plex_files WHERE library = ? AND {within} ORDER BY rowid",
            (self._library, json.dumps(list(values))),
        ).fetchall()

    def drop(self, rating_keys: Iterable[int]) -> None:
        """Take items out that Plex no longer has."""
        with self._state.transaction() as connection:
            connection.executemany(
                "DELETE FROM plex_files WHERE library = ? AND rating_key = ?",
                [(self._library, key) for key in rating_keys],
            )

    def _listing(self) -> tuple[float | None, float, int]:
        """Return when the last full listing ended, how many seconds it took, and its number."""
        row: tuple[float | None, float, int] = self._state.connection.execute(
            "SELECT listed_at, listed_seconds, round FROM plex_libraries WHERE id = ?", (self._library,)
        ).fetchone()
        return row

    def _list_all(self) -> None:
        """List the whole library, and keep what was listed where a page fails."""
        self._listed_at = None
        self._looked_at = began = time.monotonic()
        listing, count = self._listing()[2] + 1, 0
        # Oldest first: what is added meanwhile joins at the end and moves no page.
        for page in read_pages(self._client, self.section, PAGE, "addedAt:asc"):
            self._store(page, listing)
            count += len(page)
        seconds = time.monotonic() - began
        with self._state.transaction() as connection:
            connection.execute("DELETE FROM plex_files WHERE library = ? AND round <> ?", (self._library, listing))
            connection.execute(
                "UPDATE plex_libraries SET listed_at = ?, listed_seconds = ?, round = ? WHERE id = ?",
                (time.time(), seconds, listing, self._library),
            )
        self._listed_at = time.monotonic()
        log.detail('Library "%s": all %d items listed in %.1f s', self.section.title, count, seconds)

    def _store(self, items: Sequence[Listed], listing: int | None = None) -> None:
        """Put items in; `listing`: the number of the full listing that saw them, None for the last one."""
        with self._state.transaction() as connection:
            listing = self._listing()[2] if listing is None else listing
            connection.executemany(
                "DELETE FROM plex_files WHERE library = ? AND rating_key = ?",
                [(self._library, key) for key, _ in items],
            )
            connection.executemany(
                "INSERT INTO plex_files (library, rating_key, path_key, name_key, path, size, round) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(self._library, key, own := path_key(file.path, fold=self.fold), own.rpartition("/")[2]),
                        *(file.path, file.size, listing),
                    )
                    for key, files in items
                    for file in files
                ],
            )


def _within(seconds: float, since: float | None) -> bool:
    return since is not None and time.monotonic() - since < seconds
