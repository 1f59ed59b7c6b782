"""PlexSync's settings as Stash's panel holds them, checked.

Every error names the setting, what stands there and what is accepted. Settings
are typed by people: blanks, a trailing slash, a missing scheme, a number in
quotes are taken as they are meant.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sync.errors import SetupError

SECRET_SETTINGS = ("plex_token",)

PathPair = tuple[str, str]


class SettingsError(SetupError):
    """One or more settings are not accepted; the text names each."""


class Settings(BaseModel):
    """The settings in force. The defaults are what an untouched panel is filled with."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    plex_url: str = ""
    plex_token: str = Field(default="", repr=False)
    plex_library: str = ""
    path_map: str = ""
    strict_matching: bool = True
    preserve_plex_edits: bool = False
    max_retries: int = Field(default=5, ge=0, le=100)
    connect_timeout: float = Field(default=5, gt=0, le=300)
    read_timeout: float = Field(default=30, gt=0, le=3600)
    sync_studio: bool = True
    sync_summary: bool = True
    sync_date: bool = True
    sync_performers: bool = True
    sync_tags: bool = True

    @field_validator("plex_url", "plex_token", "plex_library", "path_map", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        if value is None:
            return ""
        return value.strip() if isinstance(value, str) else value

    @field_validator(
        *("strict_matching", "preserve_plex_edits", "sync_studio", "sync_summary", "sync_date"),
        *("sync_performers", "sync_tags", "max_retries", "connect_timeout", "read_timeout"),
        mode="before",
    )
    @classmethod
    def _unquoted(cls, value: object, info: Any) -> object:
        if value is None or (isinstance(value, str) and not value.strip()):
            return cls.model_fields[info.field_name].default
        if isinstance(value, str):
            return value.strip().strip("\"'").strip()
        return value

    @field_validator("max_retries", "connect_timeout", "read_timeout", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("no number")
        return value

    @field_validator("plex_url")
    @classmethod
    def _url(cls, value: str) -> str:
        return normal_url(value) if value else ""

    @field_validator("plex_token")
    @classmethod
    def _token(cls, value: str) -> str:
        if any(ord(c) < 33 or ord(c) > 126 for c in value):
            raise ValueError("no token")
        return value

    @field_validator("path_map")
    @classmethod
    def _path_map(cls, value: str) -> str:
        parse_path_map(value)
        return value

    @property
    def path_pairs(self) -> tuple[PathPair, ...]:
        """The pairs of `path_map`: (prefix in Stash, prefix in Plex)."""
        return parse_path_map(self.path_map)

    @property
    def library_names(self) -> tuple[str, ...]:
        """The names in `plex_library`; none: every movie library."""
        return tuple(name.strip() for name in self.plex_library.split(",") if name.strip())


ACCEPTED = {
    "plex_url": "an address such as http://192.168.1.10:32400, without user, query or token",
    "plex_token": "an X-Plex-Token: letters, digits, - and _ without blanks",
    "plex_library": "names of Plex libraries, comma-separated; empty for every movie library",
    "path_map": "pairs such as /stash/prefix=/plex/prefix; /other=/elsewhere",
    "max_retries": "a whole number from 0 to 100",
    "connect_timeout": "seconds, above 0 and up to 300",
    "read_timeout": "seconds, above 0 and up to 3600",
}
_ACCEPTED_SWITCH = "on or off"


def defaults() -> dict[str, Any]:
    """Return what an untouched settings panel should show: every setting that has a default of its own.

    A text that is empty by default is not among them: an empty field shows just that.
    """
    return {name: field.default for name, field in Settings.model_fields.items() if not isinstance(field.default, str)}


def read_settings(panel: Mapping[str, Any]) -> Settings:
    """Return the settings in force for what the panel holds; what is missing there takes its default.

    Raises SettingsError, which names every setting that is not accepted.
    """
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


def normal_url(value: str) -> str:
    """Return a Plex address with its scheme and without a trailing slash or Plex Web's `/web/...`.

    Raises ValueError for what is no address.
    """
    text = value if "://" in value else f"http://{value}"
    parts = urlsplit(text)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError("no address")
    if any(c.isspace() or ord(c) < 33 for c in text) or not parts.netloc.isascii():
        raise ValueError("no address")
    if parts.port == 0:  # reading it raises ValueError for what is no port
        raise ValueError("no port")
    path = parts.path.rstrip("/")
    # A second address, or a token, that got in behind the first.
    if parts.netloc.endswith(":") or any(c in path for c in ":=&@;"):
        raise ValueError("more than an address")
    if path == "/web" or path.startswith("/web/"):
        path = ""
    elif parts.query or parts.fragment:
        raise ValueError("more than an address")
    return f"{parts.scheme.lower()}://{parts.netloc}{path}"


def parse_path_map(value: str) -> tuple[PathPair, ...]:
    """Return the pairs of `/stash/prefix=/plex/prefix; ...`; raises ValueError for a pair without both sides."""
    pairs = []
    for text in value.replace("\n", ";").split(";"):
        if not text.strip():
            continue
        source, equals, target = text.partition("=")
        if not equals or not source.strip() or not target.strip():
            raise ValueError("no pair")
        pairs.append((source.strip(), target.strip()))
    return tuple(pairs)


def _refusal(name: str, value: object) -> str:
    shown = "a value that is not shown here" if name in SECRET_SETTINGS else f"{value!r:.200}"
    if name == "plex_url":
        shown = _without_secrets(str(value))
    return f"{name} is {shown}; accepted: {ACCEPTED.get(name, _ACCEPTED_SWITCH)}"


def _without_secrets(url: str) -> str:
    """A token or a password may have been typed into the address."""
    scheme, mark, rest = url.rpartition("://")
    shown = re.split(r"[?#&;=]|%3[dDfF]|%26", rest.rpartition("@")[2])[0]
    return repr(f"{scheme.rpartition('@')[2]}{mark}{shown}"[:200])
