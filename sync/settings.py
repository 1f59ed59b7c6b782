"""PlexSync's settings as Stash's panel holds them, checked.

Settings are typed by people: blanks, a trailing slash, a missing scheme, a number in quotes are taken as meant.
"""

import re
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.errors import SetupError, quoted
from sync.queue.batch import BRINGS
from sync.text import kinds
from sync.text.clean import LONGEST_LINE
from sync.text.kinds import AS_CHOICE, Count, Line, Names, Paths, Rate, Seconds, Switch
from sync.text.patterns import split_names
from sync.text.typed import PathPair, day_begins, parse_path_map

SECRET_SETTINGS = ("plex_token",)


class SettingsError(SetupError):
    """One or more settings are not accepted; the text names each."""


class Settings(BaseModel):
    """The settings in force. The defaults are what an untouched panel is filled with."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    plex_url: kinds.Url = ""
    plex_token: kinds.Token = Field(default="", repr=False)
    plex_library: Names = ""
    path_map: kinds.PathMap = ""
    stash_url: kinds.UrlWithPath = ""
    strict_matching: Switch = True
    trigger_plex_scan: Switch = False
    preserve_plex_edits: Switch = False
    max_retries: Count = Field(default=5, ge=0, le=100)
    connect_timeout: Seconds = Field(default=5, gt=0, le=300)
    read_timeout: Seconds = Field(default=30, gt=0, le=3600)
    max_edits_per_second: Rate = Field(default=0, ge=0, le=1000)
    reconcile_every: Annotated[Literal["never", "daily", "weekly"], AS_CHOICE] = "weekly"
    debug_logging: Switch = False
    obfuscate_paths: Switch = False
    mark_scenes: Switch = False

    only_organized: Switch = False
    only_stash_id: Switch = False
    only_with_url: Switch = False
    only_tags: Names = ""
    only_paths: Paths = ""
    skip_tags: Names = ""
    skip_paths: Paths = ""
    skip_not_found: Switch = False

    sync_title: Switch = True
    sync_summary: Switch = True
    sync_studio: Switch = True
    sync_date: Switch = True
    sync_rating: Switch = True
    sync_director: Switch = True
    sync_performers: Switch = True
    sync_tags: Switch = True
    sync_performer_tags: Switch = False
    sync_poster: Switch = True
    sync_background: Switch = False

    title_template: kinds.TitleTemplate = "{title}"
    code_field: Annotated[Literal["tagline", "original_title", "off"], AS_CHOICE] = "tagline"
    content_rating: Line = ""
    performer_role: kinds.RoleTemplate = ""
    performer_pictures: Annotated[Literal["auto", "on", "off"], AS_CHOICE] = "auto"
    ignore_tags: Names = ""
    max_tags: Count = Field(default=0, ge=0, le=10_000)

    collection_studio: Switch = False
    collection_parent_studio: Switch = False
    collection_groups: Switch = True
    collection_performers: Switch = False
    collection_tags: Names = ""
    collection_organized: Switch = False
    collection_rating: Switch = False
    collection_prefix: kinds.Prefix = ""

    bring_plays: Switch = False
    bring_resume: Switch = False
    send_resume: Switch = False
    bring_ratings: Switch = False
    bring_since: kinds.Day = ""
    bring_users: Names = ""

    @property
    def brings(self) -> bool:
        """Whether anything comes back from Plex, or goes there beside what is curated."""
        return any(getattr(self, name) for name in BRINGS)

    @property
    def brings_from(self) -> float:
        """When `bring_since` begins, in seconds since the epoch. Without it: today."""
        return day_begins(self.bring_since or time.strftime("%Y-%m-%d"))

    @property
    def path_pairs(self) -> tuple[PathPair, ...]:
        """The pairs of `path_map`: (prefix in Stash, prefix in Plex)."""
        return parse_path_map(self.path_map)

    @property
    def library_names(self) -> tuple[str, ...]:
        """The names in `plex_library`; none: every movie library."""
        return split_names(self.plex_library)


_SEPARATED = "separated by commas, or by semicolons where a name has a comma, or in quotes"
_NAMES = f"names of tags or globs (* and ?), {_SEPARATED}"
_PATHS = (
    "whole paths of folders, or globs (* and ?), as Stash writes them, separated by semicolons; in quotes where one "
    "has a semicolon"
)
ACCEPTED = {
    "plex_url": "an address such as http://192.168.1.10:32400, without user, query or token",
    "plex_token": "the X-Plex-Token of the server's owner, of letters, digits, - and _ without blanks",
    "path_map": "pairs such as /stash/prefix=/plex/prefix; /other=/elsewhere, a path with = or ; in quotes",
    "stash_url": "an address such as http://192.168.1.10:9999 under which Plex and its clients reach Stash, without "
    "user, query or key; empty for the one Stash itself gives",
    "max_retries": "a whole number from 0 to 100",
    "connect_timeout": "seconds, above 0 and up to 300",
    "read_timeout": "seconds, above 0 and up to 3600",
    "reconcile_every": "never, daily or weekly",
    "max_edits_per_second": "edits a second, up to 1000; 0 for no cap",
    "only_tags": _NAMES,
    "skip_tags": _NAMES,
    "ignore_tags": _NAMES,
    "collection_tags": _NAMES,
    "only_paths": _PATHS,
    "skip_paths": _PATHS,
    "plex_library": f"names of Plex libraries, {_SEPARATED}; empty for every movie library",
    "max_tags": "a whole number from 0 (all of them) to 10000",
    "title_template": "text with at least one of " + ", ".join(f"{{{name}}}" for name in kinds.TITLE_PLACES),
    "performer_role": "empty, or text with " + ", ".join(f"{{{name}}}" for name in kinds.ROLE_PLACES),
    "code_field": "tagline, original_title or off",
    "performer_pictures": "auto, on or off",
    "content_rating": f"a content rating of at most {LONGEST_LINE} characters; empty to leave Plex's",
    "bring_since": "a day such as 2024-01-31",
    "bring_users": f"names of Plex users, {_SEPARATED}; owner for the server's owner; empty for the owner alone",
    "collection_prefix": f"text of at most {kinds.LONGEST_PREFIX} characters",
}
_ACCEPTED_SWITCH = "on or off"
_OF_0_1 = {"performer_role": "{disambiguation}", "reconcile_every": "never"}
"""What version 0.1.0 wrote into every panel as a default, where today's is another."""
DEFAULTS_SINCE = "defaults_since"
"""Beside the settings in the panel's map: since when, in seconds since the epoch, `reconcile_every` is PlexSync's own
choice; 0 where a person chose."""
_NEEDED = {"plex_url": "http://localhost", "plex_token": "none"}
"""What stands in for these while others are read."""
_NEVER_EMPTY = ("title_template", "code_field", "performer_pictures", "reconcile_every")


def defaults() -> dict[str, Any]:
    """Return what an untouched settings panel should show: the defaults, but those that are an empty text."""
    return {name: field.default for name, field in Settings.model_fields.items() if field.default != ""}


def lacking(panel: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults in force of what the panel has no value for: what it should show from now on.

    An emptied text is a value of its own where empty is one of its choices.
    """
    return {
        name: default
        for name, default in defaults().items()
        if panel.get(name) is None or (name in _NEVER_EMPTY and not str(panel[name]).strip())
    }


def to_fill_in(panel: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return what to write into the panel: what it lacks and, once, today's defaults in place of those of 0.1.0."""
    fresh = lacking(panel)
    if any(_is_on(panel.get(name)) for name in BRINGS) and not str(panel.get("bring_since") or "").strip():
        fresh["bring_since"] = time.strftime("%Y-%m-%d", time.localtime(now))
    if panel.get(DEFAULTS_SINCE) is None:
        if all(panel.get(name) is not None for name in _OF_0_1):
            renewed = [name for name, old in _OF_0_1.items() if panel[name] == old]
            fresh |= {name: Settings.model_fields[name].default for name in renewed}
        fresh[DEFAULTS_SINCE] = int(now) if "reconcile_every" in fresh else 0
    return fresh


def _is_on(value: object) -> bool:
    return str(value).strip().casefold() in ("true", "1", "yes", "on")


def read_settings(panel: Mapping[str, Any]) -> Settings:
    """Return the settings in force for what the panel holds. Raises SettingsError, which names all that are wrong."""
    try:
        settings = Settings.model_validate({str(key): value for key, value in panel.items()})
    except ValidationError as error:
        names = dict.fromkeys(str(part["loc"][0]) for part in error.errors() if part["loc"])
        raise SettingsError("; ".join(_refusal(name, panel.get(name)) for name in names)) from None
    lacking = [name for name in ("plex_url", "plex_token") if not getattr(settings, name)]
    if lacking:
        raise SettingsError(
            "; ".join(f"{name} is empty; accepted: {ACCEPTED[name]}" for name in lacking)
            + ". Set it in Stash under Settings > Plugins > PlexSync"
        )
    return settings


def read_each(panel: Mapping[str, Any]) -> tuple[Settings, dict[str, str]]:
    """Return the settings without the wrong ones, and what is wrong with each; `plex_url` is where it is missing."""
    wrong: dict[str, str] = {}
    for name in dict.fromkeys((*_NEEDED, *panel)):
        try:
            read_settings({**_NEEDED, name: panel.get(name)})
        except SettingsError as error:
            wrong[name] = str(error)
    rest = {name: value for name, value in panel.items() if name not in wrong}
    return read_settings({**_NEEDED, **rest}), wrong


def told(settings: Settings) -> str:
    """Return which settings are not as they are by default, for a log line; what a text says is left out."""
    other = {
        name: value
        for name, field in Settings.model_fields.items()
        if name not in SECRET_SETTINGS and (value := getattr(settings, name)) != field.default
    }
    return ", ".join(f"{name} {_in_a_word(value)}" for name, value in other.items())


def _in_a_word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "set" if isinstance(value, str) else f"{value:g}"


def _refusal(name: str, value: object) -> str:
    shown = "a value that is not shown here" if name in SECRET_SETTINGS else quoted(value, 200)
    if name in ("plex_url", "stash_url"):  # a token or a password may have been typed into it
        scheme, mark, rest = str(value).rpartition("://")
        bare = re.split(r"[?#&;=]|%3[dDfF]|%26", rest.rpartition("@")[2])[0]
        shown = repr(f"{scheme.rpartition('@')[2]}{mark}{bare}"[:200])
    return f"{name} is {shown}; accepted: {ACCEPTED.get(name, _ACCEPTED_SWITCH)}"
