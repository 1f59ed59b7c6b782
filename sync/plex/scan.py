"""Scans of single folders, for files that Plex does not have yet."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from sync.plex.client import PlexClient
from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexServerDown, PlexTemporaryError
from sync.plex.matcher import Rules
from sync.plex.sections import Section
from sync.text.media_paths import is_windows, map_path, path_key, unify

_IN_NO_LIBRARY = (
    "its folder is in none of the folders of the Plex libraries that are synced, so Plex was asked for no scan: "
    "check path_map and the libraries' folders"
)


class FolderScans:
    """Asks Plex to scan folders, each once as long as this object lives: one drain."""

    def __init__(self, client: PlexClient, sections: Sequence[Section], rules: Rules) -> None:
        self._client = client
        self._sections = sections
        self._rules = rules
        self._asked: dict[tuple[int, str], str] = {}

    def ask(self, paths: Iterable[str]) -> str:
        """Have the folders of these files (paths as Stash writes them) scanned; tell a person what came of it.

        Raises PlexServerDown and PlexSetupError alone: the missing file is failure enough.
        """
        said: dict[str, None] = {}
        for path in paths:
            folders = [(section, folder_in(section, path, self._rules)) for section in self._sections]
            said |= dict.fromkeys([self._scan(*one) for one in folders if one[1]] or [_IN_NO_LIBRARY])
        return "; ".join(said)

    def _scan(self, section: Section, folder: str) -> str:
        key = (section.id, path_key(folder, fold=self._rules.fold))
        if key not in self._asked:
            asked = f'asked to scan the folder (library "{section.title}")'
            self._asked[key] = f"Plex was {asked}"
            try:
                self._client.send("get", f"/library/sections/{section.id}/refresh", [("path", folder)])
            except PlexServerDown:
                raise
            except (PlexTemporaryError, PlexPermanentError, PlexItemGone) as error:
                self._asked[key] = f"Plex could not be {asked}: {error}"
        return self._asked[key]


def folder_in(section: Section, path: str, rules: Rules) -> str:
    """Give the folder of a file (its path as Stash writes it) as Plex writes it; empty where it is not the library's.

    Plex is given its own spelling of the library's folder, and the separators that belong to it.
    """
    parts = map_path(path, rules.pairs).split("/")
    given = [""] * len(parts) + re.split(r"[/\\]" if is_windows(path) else "/", path)
    # Plex's file system may know a name by its decomposed letters, as Stash's does: keep Stash's spelling.
    spelt = zip(given[-len(parts) :], parts, strict=True)
    folders = [name if unicodedata.normalize("NFC", name) == part else part for name, part in spelt][:-1]
    key = path_key("/".join(folders), fold=rules.fold)
    for location in section.locations:
        root = unify(location).rstrip("/")
        root_key = path_key(root, fold=rules.fold)
        if key == root_key or key.startswith(f"{root_key}/"):
            separator = "\\" if is_windows(location) and "\\" in location else "/"
            rest = folders[root.count("/") + 1 :]
            return separator.join([location.rstrip("/\\"), *rest]) if rest else location
    return ""
