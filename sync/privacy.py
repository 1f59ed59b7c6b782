"""What `debug_logging` and `obfuscate_paths` make of the log. Standard library alone.

`obfuscate_paths` and the key of its names are remembered in the data folder: what
fails before the settings are read, and the status, which asks nobody, keep to it.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from sync import data_folder, log
from sync.errors import PlexSyncError

REMEMBERED = "obfuscation.json"
"""In the data folder: whether paths are replaced, and the key of this installation's names."""
PATH_SETTINGS = ("path_map", "only_paths", "skip_paths")
"""Settings whose values are paths, which their errors quote."""

_ON = frozenset({"true", "on", "yes", "y", "t", "1", "1.0"})
_OFF = frozenset({"false", "off", "no", "n", "f", "0", "0.0", "none", ""})


class _Known(NamedTuple):
    on: bool
    key: str
    """In hexadecimal."""


def follow(panel: Mapping[str, Any], data: str, example: str) -> None:
    """Have the log be as the panel says, before any of it is checked: an error quotes what stands there.

    What is neither on nor off counts as on for `obfuscate_paths` and as off for `debug_logging`. The paths in `example`
    are nobody's.
    """
    log.keep_readable(example)
    log.show_details(_word(panel.get("debug_logging")) in _ON)
    on = _word(panel.get("obfuscate_paths")) not in _OFF
    known = _recall(data)
    if known is None and not on:
        log.obfuscate(None)
        return
    now = _Known(on, known.key if known else os.urandom(32).hex())
    if now != known:
        _remember(data, now)
    _obfuscate(now, data, panel)


def recall(data: str) -> None:
    """Have the log be as the run before left it, until this one has read the settings."""
    log.show_details(False)
    _obfuscate(_recall(data), data, {})


def recall_for(server_connection: Mapping[str, Any]) -> None:
    """The same for who knows no data folder yet; without one there is nothing to recall."""
    with contextlib.suppress(PlexSyncError):
        recall(data_folder.data_folder(server_connection))


def _obfuscate(known: _Known | None, data: str, panel: Mapping[str, Any]) -> None:
    if known is None or not known.on:
        log.obfuscate(None)
        return
    # Not at the top: most people obfuscate nothing.
    from sync.hidden_paths import Obfuscator

    obfuscator = Obfuscator(bytes.fromhex(known.key), data)
    obfuscator.know_values(panel.get(name) for name in PATH_SETTINGS)
    log.obfuscate(obfuscator)


def _word(value: object) -> str:
    return str(value).strip().strip("\"'").strip().casefold()


def _recall(data: str) -> _Known | None:
    try:
        with open(os.path.join(data, REMEMBERED), encoding="ascii") as file:
            read = json.load(file)
        known = _Known(read["obfuscate_paths"] is True, read["key"])
        return known if 16 <= len(bytes.fromhex(known.key)) <= 64 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _remember(data: str, known: _Known) -> None:
    """Write it in one go. A folder that cannot be written is no reason to do nothing: this run's names differ then."""
    path = os.path.join(data, REMEMBERED)
    fresh = f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with open(fresh, "w", encoding="ascii") as file:
            json.dump({"obfuscate_paths": known.on, "key": known.key}, file)
        os.replace(fresh, path)
