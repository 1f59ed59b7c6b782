"""Paths in a text replaced by short names that stay the same, for a log that is shown to others.

What is known to be a path goes wherever it stands: whole, as a file's name, and
as the title of an item that nobody has named. What merely looks like a path goes
too. The names are keyed digests, so that nobody can confirm a path by guessing
it. Standard library alone; no I/O.
"""

import re
import threading
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import cache, wraps
from hashlib import blake2b
from typing import Any, TypeVar, cast

from sync.plex.media_paths import plain, stem, unify

_DIGEST = 4
"""Bytes of a digest: a log tells dozens of paths apart, an installation some hundred thousand."""
_SHORT = 8
"""Characters of a name below which it counts as a word of its own only."""
_ROUNDS = 3
"""Times that files are told of anew until the first ones are forgotten: a drain deals with two or three rounds of
scenes at once."""
_DEEPEST = 50
"""Folders of a path that are known one by one."""
_LONGEST_TITLE = 79
"""Characters of a title that a scene's label shows before it cuts the rest off."""

# Of other endings nothing is kept: what stands behind a dot may be half of a name.
_KEPT = (
    "3gp asf avi divx f4v flv iso m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv qt rm rmvb ts vob webm wmv "
    "gif jpeg jpg png webp ass nfo srt sub vtt db json xml"
)
_ENDING = rf"\.(?i:{_KEPT.replace(' ', '|')})(?!\w)"
_ROOT = r"(?:[A-Za-z]:[/\\]|\\\\|/{1,2}(?=[^\s/]))"
# A bare path goes on over blanks, to its last separator and ending; not over what stands behind a path in a sentence.
_ON = rf"(?!: |; | \(\d+\)(?:[, ]|\Z)|, {_ROOT})."
# In brackets, where it may hold brackets of its own; quoted; bare. An address stays, and so does a request's path.
_PATH = (
    rf"(?P<kept>https?://[^\s\"'();,]*|\b(?:GET|PUT|POST) /\S*)"
    rf"|(?<=\(){_ROOT}.*(?=\))|(?<=\"){_ROOT}[^\"]*(?=\")|(?<=['`]){_ROOT}[^'`]*(?=['`])"
    rf"|(?<![\w/\\.>]){_ROOT}(?:(?:{_ON})*[/\\])?(?:(?:(?![/\\]){_ON})*?{_ENDING}|[^\s;,()\"'`]*)"
)
_LABEL = r"(?<=\d )\"(?P<title>.*?)\"(?=[\s:,;.)]|$)"
_FILE = rf"(?<=file )\"(?P<file>[^\"]*)\"|\"(?P<name>[^\"/\\]*{_ENDING})\""
_TOKEN = r"(?:path|file)-[0-9a-f]{8}.*"
_FOLDER_ENDS = r"(?=[\"'`=;)]|, |: |\. | \(|\s*\Z)"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when it is needed: most runs obfuscate nothing."""
    return re.compile(pattern, re.DOTALL)


def without_paths(text: str) -> str:
    """Return a message with the paths in it as `…`; the names of files stay."""
    return _compiled(_PATH).sub(lambda match: match["kept"] or "…", text)


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _one_at_a_time(method: _Method) -> _Method:
    """Have one thread at a time in this method, or in any of its like of the same object."""

    @wraps(method)
    def alone(self: "Obfuscator", *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(_Method, alone)


class Obfuscator:
    """Replaces the paths of one installation. `key`: its own secret; `data`: its data folder, told as `<plexsync>`.

    Several threads may write lines while one tells of files.
    """

    def __init__(self, key: bytes, data: str = "") -> None:
        self._lock = threading.RLock()
        self._key = key
        self._fixed = {form: "<plexsync>" for form in (data, repr(data)[1:-1]) if form}
        self._known: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._quoted: dict[str, str] = {}
        self._titles: dict[str, str] = {}
        self._told: deque[dict[str, None]] = deque([{}], _ROUNDS)

    # The names

    def name_of_file(self, name: str) -> str:
        """Return what stands for a file's name."""
        ending = re.search(rf"{_ENDING}\Z", name)
        bare, kept = (name[: ending.start()], ending[0]) if ending and ending.start() else (name, "")
        return f"file-{self._digest('file', bare)}{kept}"

    def name_of_folder(self, folder: str) -> str:
        """Return what stands for a folder's path."""
        return f"path-{self._digest('folder', folder)}"

    def name_of_path(self, path: str) -> str:
        """Return what stands for a path of which nothing else is known."""
        folder, _, name = unify(path).rpartition("/")
        if re.search(rf"{_ENDING}\Z", name):
            return f"{self.name_of_folder(folder)}/{self.name_of_file(name)}"
        return self.name_of_folder(path)

    def _digest(self, kind: str, text: str) -> str:
        # One path in two spellings is one path: macOS decomposes characters, Windows doubles separators.
        unified = unify(text) if kind == "folder" else unicodedata.normalize("NFC", text)
        raw = f"{kind}:{unified.rstrip('/')}".encode("utf-8", "surrogatepass")
        return blake2b(raw, digest_size=_DIGEST, key=self._key).hexdigest()

    # What is known

    @_one_at_a_time
    def know_files(self, paths: Iterable[str], *, anew: bool = False) -> None:
        """Take these for paths of media from now on; `anew`: and forget those that were told three times ago."""
        if anew:
            for known in (self._known, self._folders, self._quoted, self._titles):
                known.clear()
            self._told.append({})
            for earlier in self._told:
                for path in earlier:
                    self._know_file(path)
        for path in paths:
            if path:
                self._told[-1][path] = None
                if path not in self._known:
                    self._know_file(path)

    @_one_at_a_time
    def know_folders(self, folders: Iterable[str]) -> None:
        """Take these for paths of folders, with all the folders they are in."""
        for folder in folders:
            one = folder.rstrip("/\\")
            for _ in range(_DEEPEST):
                if not one or one in self._folders:
                    break
                token = self.name_of_folder(one)
                self._folders.update(dict.fromkeys((one, unify(one)), token))
                end = max(one.rfind("/"), one.rfind("\\"))
                self._titles.setdefault(plain(one[end + 1 :]), token)
                one = one[: max(end, 0)].rstrip("/\\")

    @_one_at_a_time
    def know_values(self, values: Iterable[object]) -> None:
        """Take these for paths as long as this lives: values of settings, as an error quotes them."""
        for value in values:
            if isinstance(value, str) and value.strip():
                self._fixed[f"{value!r:.200}"] = repr(self.name_of_folder(value))

    def _know_file(self, path: str) -> None:
        name = re.split(r"[/\\]", path)[-1]
        self.know_folders([path[: len(path) - len(name)]])
        whole = unify(path)
        spelled = whole.rpartition("/")[2]
        token = f"{self.name_of_folder(whole.rpartition('/')[0])}/{self.name_of_file(spelled)}"
        self._known.update(dict.fromkeys((path, whole), token))
        for form in (name, spelled):
            self._know_name(form, self.name_of_file(spelled))
            self._know_name(form.casefold(), self.name_of_file(spelled))
        bare = stem(path)
        token = self.name_of_file(spelled).partition(".")[0]
        for form in (name.rpartition(".")[0], bare):
            self._know_name(form, token)
            self._know_name(form.casefold(), token)
        for form in (bare, spelled):
            self._titles[plain(form)] = token

    def _know_name(self, name: str, token: str) -> None:
        if not name:
            return
        # A name that may be a word of any sentence is one only in quotes.
        is_word = "." not in name and (len(name) < 6 or name.isalpha() or not any(c.isalpha() for c in name))
        (self._quoted if is_word else self._known).setdefault(name, token)
        if len(name) > _LONGEST_TITLE:
            self._known.setdefault(name[:_LONGEST_TITLE] + "…", token)

    # What is said

    @_one_at_a_time
    def hide(self, text: str, *, readable: Collection[str] = (), strictly: bool = False) -> str:
        """Return a text with no path in it but what is `readable`.

        `strictly`: nothing of it may be known, as of what was written before; so every title and every name of a file
        goes.
        """
        for one in readable:
            if one in text:
                return one.join(self.hide(part, readable=readable, strictly=strictly) for part in text.split(one))
        if strictly:
            self._learn(text)
            text = _compiled(_FILE).sub(lambda match: f'"{self._any_name(match["file"] or match["name"] or "")}"', text)
        text = _compiled(_LABEL).sub(
            lambda match: f'"{self._any_name(match["title"]) if strictly else self.hide_title(match["title"])}"', text
        )
        return self._replaced(text)

    @_one_at_a_time
    def hide_title(self, title: str) -> str:
        """Return a title, or what stands for it where it is the name of a file or folder."""
        if title in self._quoted:
            return self._quoted[title]
        key = plain(title)
        if len(title) > _LONGEST_TITLE and title.endswith("…"):
            key = next((one for one in self._titles if one.startswith(plain(title[:-1]))), key)
        return self._titles.get(key, title) if key else title

    def _any_name(self, name: str) -> str:
        return name if _compiled(_TOKEN).fullmatch(name) else self._titles.get(plain(name), self.name_of_file(name))

    def _learn(self, text: str) -> None:
        """Know the files that a text names, so that a title is told for the name of one."""
        found = [match[0] for match in _compiled(_PATH).finditer(text) if not match["kept"]]
        named = [match["file"] or match["name"] for match in _compiled(_FILE).finditer(text)]
        is_new = [name for name in named if name and not _compiled(_TOKEN).fullmatch(name)]
        self.know_files([*found, *(f"/{name}" for name in is_new)])

    def _replaced(self, text: str) -> str:
        known = self._known_in(text)
        parts: list[str] = []
        at = 0
        while True:
            sure, like = known.search(text, at) if known else None, _compiled(_PATH).search(text, at)
            match = min((one for one in (sure, like) if one), key=lambda one: one.start(), default=None)
            if match is None:
                return "".join((*parts, text[at:]))
            parts.append(text[at : match.start()])
            parts.append(self._token_of(match[0]) if match is sure else match["kept"] or self._like_a_path(match[0]))
            at = match.end()

    def _known_in(self, text: str) -> re.Pattern[str] | None:
        """Return the pattern of what is known to be a path and stands in a text; the longest first."""
        found = {form: _standing(form) for known in (self._fixed, self._known) for form in known if form in text}
        found |= {form: re.escape(form) + _FOLDER_ENDS for form in self._folders if form in text}
        # A library may well bear the name of a file or folder.
        quoted = (r"(?<=[\"'`])(?<!ibrary \")", r"(?=[\"'`])")
        found |= {form: re.escape(form).join(quoted) for form in self._quoted if form in text}
        return re.compile("|".join(found[form] for form in sorted(found, key=len, reverse=True))) if found else None

    def _token_of(self, form: str) -> str:
        return next(known[form] for known in (self._fixed, self._known, self._folders, self._quoted) if form in known)

    def _like_a_path(self, text: str) -> str:
        path = text.rstrip(".:!?…")
        return self.name_of_path(path) + text[len(path) :]


def _standing(form: str) -> str:
    """Return the pattern of a known form: a short one is no part of a word."""
    before = r"(?<!\w)" if len(form) < _SHORT and _is_wordy(form[0]) else ""
    after = r"(?!\w)" if len(form) < _SHORT and _is_wordy(form[-1]) else ""
    return before + re.escape(form) + after


def _is_wordy(character: str) -> bool:
    return character.isalnum() or character == "_"
