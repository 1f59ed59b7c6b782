"""Who else has a file of a name in Stash."""

import time
import unicodedata
from collections.abc import Iterable

from sync.model import MediaFile
from sync.plex.matcher import Rival, Rules
from sync.plex.media_paths import file_name, is_windows, name_key
from sync.stash.client import StashClient

HOLDS = 60.0
"""Seconds for which an answer of Stash's holds: a name that very many scenes have is asked for in many rounds."""


class Namesakes:
    """The files of Stash's scenes by their names; the names of a round are asked for in one request."""

    def __init__(self, stash: StashClient, rules: Rules) -> None:
        self._stash = stash
        self._rules = rules
        self._known: dict[str, list[Rival]] = {}
        self._known_until = 0.0

    def of(self, paths: Iterable[str], like: str) -> dict[str, list[Rival]]:
        """Return the files of Stash's with the names of these paths, by name_key.

        `like`: a path as Stash writes it, for its separator. Raises what a request to Stash raises.
        """
        if time.monotonic() > self._known_until:
            self._known.clear()
            self._known_until = time.monotonic() + HOLDS
        wanted: dict[str, set[str]] = {}
        for path in paths:
            wanted.setdefault(name_key(path, fold=self._rules.fold), set()).add(file_name(path))
        unknown = {key: names for key, names in wanted.items() if key not in self._known}
        if unknown:
            separator = "\\" if is_windows(like) and "\\" in like else "/"
            spelled = sorted({form for names in unknown.values() for name in names for form in self._spellings(name)})
            self._known |= {key: [] for key in unknown}
            for scene_id, file in self._stash.files_named([separator + name for name in spelled]):
                self._add(scene_id, file, unknown)
        return {key: self._known[key] for key in wanted}

    def _add(self, scene_id: int, file: MediaFile, unknown: dict[str, set[str]]) -> None:
        key = self._rules.key_in_plex(file.path)
        name = key.rpartition("/")[2]
        if name in unknown:
            self._known[name].append(Rival(scene_id, key, file.size))

    def _spellings(self, name: str) -> set[str]:
        """LIKE knows no composed and decomposed characters, and the case of ASCII letters alone."""
        forms = {name}
        if not name.isascii():
            cases = {name, name.lower(), name.upper()} if self._rules.fold else {name}
            forms |= {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
        return forms
