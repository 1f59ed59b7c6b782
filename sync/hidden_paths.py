"""`obfuscate_paths`: paths in a text replaced by short names that stay the same, for a log that is shown to others.

A path is known by what it looks like: a root in front, or a media file's ending. The names are keyed digests, so that
nobody can confirm a path by guessing it. The setting and the key are remembered in the data folder: what fails before
the settings are read, and the status, which asks nobody, keep to them. Standard library alone.
"""

import contextlib
import json
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from hashlib import blake2b
from typing import Any

from sync import data_folder, log
from sync.errors import quoted

REMEMBERED = "obfuscation.json"
"""In the data folder: whether paths are replaced, and the key of this installation's names."""
PATH_SETTINGS = ("path_map", "only_paths", "skip_paths")
"""Settings whose values are paths, which their errors quote."""

_ON = frozenset({"true", "on", "yes", "y", "t", "1", "1.0"})
_OFF = frozenset({"false", "off", "no", "n", "f", "0", "0.0", "none", ""})
_DIGEST = 4  # bytes of a digest: a log tells dozens of paths apart, an installation some hundred thousand

# Of other endings nothing is kept: what stands behind a dot may be half of a name.
_KEPT = (
    "3gp asf avi divx f4v flv iso m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogm ogv qt rm rmvb ts vob webm wmv "
    "gif jpeg jpg png webp ass nfo srt sub vtt"
)
_ENDING = rf"\.(?i:{_KEPT.replace(' ', '|')})(?!\w)"
_ROOT = r"(?:[A-Za-z]:[/\\]|\\\\|/{1,2}(?=[^\s/]))"
# A bare path goes on over blanks, to its last separator and ending; not over what stands behind a path in a sentence.
_ON_OVER = rf"(?!: |; | \(\d+\)(?:[, ]|\Z)|, {_ROOT})."
# An address stays, and so does a request's path. In brackets a path may hold brackets of its own; quoted; bare.
_PATH = (
    rf"(?P<kept>https?://[^\s\"'();,]*|\b(?:GET|PUT|POST) /\S*)"
    rf"|(?<=\(){_ROOT}(?:.*?{_ENDING}(?=\))|.*?(?=\)(?:[\s,.;:]|\Z)))|(?<=\"){_ROOT}[^\"]*(?=\")|(?<=['`]){_ROOT}[^'`]*(?=['`])"
    rf"|(?<![\w/\\.>]){_ROOT}(?:(?:{_ON_OVER})*[/\\])?(?:(?:(?![/\\]){_ON_OVER})*?{_ENDING}|[^\s;,()\"'`]*)"
)
_FILE = (
    rf"(?<=file \")(?P<file>[^\n]*?)(?=\"(?:[\s:,;.)]|\Z))"
    rf"|(?<=\")(?P<name>[^\"/\\]*{_ENDING})(?=\")|(?P<word>[^\s\"'`/\\(]+{_ENDING})"
)
_TOKEN = r"(?:path|file)-[0-9a-f]{8}.*|<plexsync>.*"


class PathHider:
    """Replaces the paths of one installation. `key`: its own secret; `data`: its data folder, told as `<plexsync>`.

    `panel`: settings whose values are paths, which are hidden as an error quotes them.
    """

    def __init__(self, key: bytes, data: str = "", panel: Mapping[str, Any] | None = None) -> None:
        self._key = key
        self._fixed = {form: "<plexsync>" for form in (data, repr(data)[1:-1]) if form}
        for value in (panel or {}).values():
            if isinstance(value, str) and value.strip():
                self._fixed[quoted(value, 200)] = quoted(self.folder(value))

    def hide(self, text: str, readable: Collection[str] = ()) -> str:
        """Return a text with no path in it, and no name of a media file, but what is `readable`."""
        for one in readable:
            if one in text:
                return one.join(self.hide(part, readable) for part in text.split(one))
        for form, token in self._fixed.items():
            text = text.replace(form, token)
        # Compiled here, and kept by `re`: most runs hide nothing.
        text = re.sub(_PATH, lambda match: match["kept"] or self._path(match[0]), text, flags=re.DOTALL)
        named = re.compile(_FILE, re.DOTALL)
        return named.sub(lambda match: self.file(match["file"] or match["name"] or match["word"]), text)

    def file(self, name: str) -> str:
        """Return what stands for a file's name."""
        if not name or re.fullmatch(_TOKEN, name, re.DOTALL):
            return name
        ending = re.search(rf"{_ENDING}\Z", name)
        bare, kept = (name[: ending.start()], ending[0]) if ending else (name, "")
        return f"file-{self._digest('file', bare)}{kept}"

    def folder(self, folder: str) -> str:
        """Return what stands for a folder's path."""
        return f"path-{self._digest('folder', folder.replace(chr(92), '/').rstrip('/'))}"

    def _path(self, text: str) -> str:
        path = text.rstrip(".:!?…")
        folder, _, name = path.replace("\\", "/").rpartition("/")
        is_file = re.search(rf"{_ENDING}\Z", name)
        return (f"{self.folder(folder)}/{self.file(name)}" if is_file else self.folder(path)) + text[len(path) :]

    def _digest(self, kind: str, text: str) -> str:
        # One name in two spellings is one name: macOS decomposes characters.
        raw = f"{kind}:{unicodedata.normalize('NFC', text)}".encode("utf-8", "surrogatepass")
        return blake2b(raw, digest_size=_DIGEST, key=self._key).hexdigest()


def without_paths(text: str) -> str:
    """Return a message with the paths in it as `…`; the names of files stay."""
    return re.sub(_PATH, lambda match: match["kept"] or "…", text, flags=re.DOTALL)


def follow(panel: Mapping[str, Any], data: str, example: str, *, always: bool = False) -> None:
    """Have the log be as the panel says, before any of it is checked: an error quotes what stands there.

    What is neither on nor off counts as on for `obfuscate_paths` and as off for `debug_logging`. The paths in `example`
    are nobody's. `data` is the data folder. `always`: this run hides paths, whatever the panel says.
    """
    log.keep_readable(example)
    log.show_details(_word(panel.get("debug_logging")) in _ON)
    on = _word(panel.get("obfuscate_paths")) not in _OFF
    known = _recall(data)
    key = known[1] if known else os.urandom(32).hex()
    if known != (on, key) and (known or on):
        with contextlib.suppress(OSError):  # a folder that cannot be written: this run's names differ then
            data_folder.put(os.path.join(data, REMEMBERED), json.dumps({"obfuscate_paths": on, "key": key}))
    paths = {name: panel.get(name) for name in PATH_SETTINGS}
    log.hide_paths(PathHider(bytes.fromhex(key), data, paths).hide if on or always else None)


def begin(server_connection: Mapping[str, Any]) -> str:
    """Return the data folder of a call of Stash's. Raises SetupError.

    The log hides the call's cookie from now on, and paths as the run before did, until this one has read the settings.
    """
    cookie = server_connection.get("SessionCookie")
    log.keep_secret(cookie.get("Value") if isinstance(cookie, dict) else None)
    log.show_details(False)
    data = data_folder.data_folder(server_connection)
    known = _recall(data)
    log.hide_paths(PathHider(bytes.fromhex(known[1]), data).hide if known and known[0] else None)
    return data


def _word(value: object) -> str:
    return str(value).strip().strip("\"'").strip().casefold()


def _recall(data: str) -> tuple[bool, str] | None:
    try:
        read = json.loads(data_folder.get(os.path.join(data, REMEMBERED)))
        on, key = read["obfuscate_paths"] is True, str(read["key"])
        return (on, key) if 16 <= len(bytes.fromhex(key)) <= 64 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None
