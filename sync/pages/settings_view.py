"""The operations `settings` and `save_settings`: every setting with its value in force, its kind and its limits.

All of that is told by the very model that a run reads the settings with. The token is never among the values.
"""

import time
from collections.abc import Mapping
from typing import Any

from sync import log
from sync.errors import SetupError
from sync.pages.operations import Answer, Call
from sync.settings import ACCEPTED, DEFAULTS_SINCE, SECRET_SETTINGS, Settings, read_each, to_fill_in
from sync.stash import panel as stored
from sync.stash.questions import plugin_settings
from sync.text.patterns import quoted
from sync.text.typed import path_map_of

_LISTS = ("path_map", "plex_library")  # settings that a page may send as a list: of pairs, and of names
_URLS = ("plex_url", "stash_url")
_LIMITS = {"minimum": "least", "exclusiveMinimum": "above", "maximum": "most"}
"""JSON Schema's names for the limits of a number -> the page's."""


def settings(call: Call) -> Answer:
    """Return the settings as they are stored and as they are in force, or (args `try`) what values would mean."""
    tried = call.args.get("try")
    if tried is not None:
        texts = {name: as_text(name, value) for name, value in _mapping("try", tried).items()}
        log.keep_secret(texts.get("plex_token"))
        read, errors = _read(texts)
        shown = [name for name in texts if name not in SECRET_SETTINGS and hasattr(read, name)]
        return {"errors": errors, "in_force": {name: getattr(read, name) for name in shown}}
    return _view(plugin_settings(call.connection))


def save_settings(call: Call) -> Answer:
    """Store args `changes` (None: back to the default) on top of what is stored by now; return what `settings` does.

    Nothing is stored where one of the changes is not accepted: `errors` says which.
    """
    changes = {name: as_text(name, value) for name, value in _mapping("changes", call.args.get("changes")).items()}
    log.keep_secret(changes.get("plex_token"))
    if unknown := changes.keys() - Settings.model_fields.keys():
        raise SetupError(f"args.changes has {', '.join(sorted(unknown))[:200]}; accepted: names of settings")
    _, errors = _read(changes)
    if errors:
        return {"errors": errors, "saved": False}
    fresh = {name: Settings.model_fields[name].default if value is None else value for name, value in changes.items()}
    if changes.get("reconcile_every") is not None:
        fresh[DEFAULTS_SINCE] = 0  # a person has chosen
    # Stash's own panel, where it is used, goes on showing what is in force.
    panel = stored.save(call.connection, call.data, fresh, lambda panel: to_fill_in(panel, time.time()))
    return _view(panel) | {"saved": True}


def _view(panel: Mapping[str, Any]) -> Answer:
    log.keep_secret(panel.get("plex_token"))
    read, wrong = read_each(panel)
    shown = [name for name in Settings.model_fields if name not in SECRET_SETTINGS]
    return {
        "packages": True,
        # A token may stand in an address that is not accepted for that.
        "values": {
            name: panel[name] for name in shown if panel.get(name) is not None and not (name in wrong and name in _URLS)
        },
        "in_force": {name: "" if name in wrong and name == "plex_url" else getattr(read, name) for name in shown},
        "fields": {name: _field(name, schema) for name, schema in Settings.model_json_schema()["properties"].items()},
        "errors": wrong,
        "token_is_set": bool(panel.get("plex_token")) and "plex_token" not in wrong,
        "path_pairs": [list(pair) for pair in read.path_pairs],
        "library_names": list(read.library_names),
    }


def _read(values: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    read, wrong = read_each({name: value for name, value in values.items() if value is not None})
    return read, {name: log.redact(text) for name, text in wrong.items() if name in values}


def _field(name: str, schema: Mapping[str, Any]) -> Answer:
    told: Answer = {"default": schema["default"], "accepted": ACCEPTED.get(name, "on or off")}
    if name in SECRET_SETTINGS:
        return told | {"kind": "secret", "default": ""}
    if "enum" in schema:
        return told | {"kind": "choice", "choices": schema["enum"]}
    if schema["type"] == "boolean":
        return told | {"kind": "switch"}
    if schema["type"] == "string":
        return told | {"kind": name if name in _LISTS else "text"}
    limits = {place: schema[limit] for limit, place in _LIMITS.items() if limit in schema}
    return told | {"kind": "number", "whole": schema["type"] == "integer"} | limits


def _mapping(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SetupError(f"args.{name} is a JSON {type(value).__name__}; accepted: an object of settings")
    return value


def as_text(name: str, value: Any) -> Any:
    """Return a list of pairs or of names as the text that the setting holds."""
    if name not in _LISTS or not isinstance(value, list):
        return value
    if name == "plex_library":
        return ", ".join(quoted(str(one)) if set(str(one)) & set(",;\"'`") else str(one) for one in value)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise SetupError("args.path_map is no list of pairs; accepted: [[prefix in Stash, prefix in Plex], ...]")
    pairs = [(str(source).strip(), str(target).strip()) for source, target in value]
    return path_map_of(pair for pair in pairs if any(pair))
