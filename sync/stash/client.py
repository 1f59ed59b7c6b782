"""The one place where a task asks Stash.

stashapi's GQLWrapper speaks GraphQL; its StashInterface on top makes three
requests when it is made, a schema introspection among them, and has no time-out,
so the connection, the time-out and the meaning of a failure are PlexSync's own.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any

import requests
import urllib3
from stashapi.classes import GQLWrapper

from sync.errors import SetupError
from sync.model import MediaFile, Performer, Scene
from sync.stash import log
from sync.stash.address import session_cookie, stash_address
from sync.stash.exceptions import StashAuthError, StashTemporaryError

PLUGIN_ID = "PlexSync"
CONNECT_TIMEOUT = 5.0
"""Seconds; the Stash that started this process is on this machine."""
READ_TIMEOUT = 60.0
"""Seconds; Stash answers slowly while it scans."""

SCENE_FIELDS = (
    "id title details date studio { name } performers { name disambiguation } tags { name } files { path size }"
)

_SETTINGS_QUERY = (
    'query PlexSyncSettings { configuration { general { apiKey maxSessionAge } plugins(include: ["PlexSync"]) } }'
)
_CONFIGURE_MUTATION = (
    'mutation PlexSyncConfigure($input: Map!) { configurePlugin(plugin_id: "PlexSync", input: $input) }'
)


class StashSession(requests.Session):
    """A requests session with time-outs of its own, Stash's renewed cookie, and no other host."""

    def __init__(self, cookie: tuple[str, str] | None) -> None:
        super().__init__()
        self.cookie = cookie
        self.trust_env = False
        # Stash's certificate is self-signed as a rule, and this is the Stash that started us.
        self.verify = False

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; raises StashTemporaryError when no whole answer comes."""
        kwargs["timeout"] = (CONNECT_TIMEOUT, READ_TIMEOUT)
        kwargs["allow_redirects"] = False
        if self.cookie:
            # By hand: a jar would send the first cookie beside the renewed one.
            request.headers["Cookie"] = f"{self.cookie[0]}={self.cookie[1]}"
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            raise StashTemporaryError(f"Stash did not answer ({type(error).__name__})") from None
        self.cookies.clear()
        self._renew(response)
        return response

    def _renew(self, response: requests.Response) -> None:
        """The cookie dies after `max_session_age`, and Stash sends a fresh one with every authenticated answer."""
        if not self.cookie:
            return
        try:
            jar: SimpleCookie = SimpleCookie(response.headers.get("Set-Cookie", ""))
        except CookieError:
            return
        morsel = jar.get(self.cookie[0])
        if morsel and morsel.value and response.status_code == 200:
            self.cookie = (self.cookie[0], morsel.value)
            log.keep_secret(morsel.value)


class StashClient(GQLWrapper):  # type: ignore[misc]  # stashapi has no type hints
    """Stash, as much of it as a sync needs.

    Raises StashTemporaryError, StashAuthError and SetupError.
    """

    def __init__(self, server_connection: Mapping[str, Any]) -> None:
        super().__init__()
        scheme, host, port = stash_address(server_connection)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{shown}:{port}/graphql"
        self.log = sys.modules[log.__name__]
        session = StashSession(session_cookie(server_connection))
        session.headers.update(self.s.headers)
        self.s: requests.Session = session
        self._session = session
        self.api_key: str | None = None
        """The key that a person made in Stash, once the settings were read. It outlives every cookie."""
        self.session_age: int | None = None
        """Seconds that a cookie lives."""
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def _handle_GQL_response(self, response: requests.Response) -> dict[str, Any]:  # noqa: N802 - stashapi's name
        """Classify an answer. stashapi's own gives `{}` for a 502 and an AttributeError for `data: null`."""
        status = response.status_code
        if status in (401, 403) or 300 <= status < 400:
            raise StashAuthError(
                f"Stash refuses PlexSync's session (status {status}). Log in to Stash and "
                'press "Process queue", and make an API key under Settings > Security so that it lasts'
            )
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise StashTemporaryError(f"Stash answered with status {status}")
        errors = content.get("errors")
        messages = (
            [str(e.get("message", "")) for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
        )
        if 400 <= status < 500 or any(_names_schema(message) for message in messages):
            raise SetupError(
                f"Stash does not know what PlexSync asks for ({'; '.join(messages)[:300] or status}). PlexSync needs "
                "Stash 0.25 or newer"
            )
        data = content.get("data")
        if status != 200 or messages or not isinstance(data, dict):
            why = "; ".join(messages)[:300] or f"status {status}"
            raise StashTemporaryError(f"Stash could not answer ({why})")
        return data

    def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the data of one GraphQL request."""
        data: dict[str, Any] = self._GQL(query, variables or {})
        return data

    @property
    def cookie(self) -> dict[str, str] | None:
        """The session cookie as it is by now, as `server_connection` has it."""
        known = self._session.cookie
        return {"Name": known[0], "Value": known[1]} if known else None

    def plugin_settings(self) -> dict[str, Any]:
        """Return what Stash's settings panel holds for PlexSync; empty where nobody has set anything."""
        configuration = self.ask(_SETTINGS_QUERY).get("configuration") or {}
        general = configuration.get("general") or {}
        self.api_key, self.session_age = general.get("apiKey") or None, general.get("maxSessionAge") or None
        log.keep_secret(self.api_key)
        plugins = configuration.get("plugins")
        settings = plugins.get(PLUGIN_ID) if isinstance(plugins, dict) else None
        return settings if isinstance(settings, dict) else {}

    def fill_settings(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """Return the panel's settings, after writing those of `defaults` into it that it has no value for.

        Stash has no defaults for settings: an unset switch shows as off, an unset
        number as 0. `configurePlugin` replaces the whole map, so all that is
        there goes back as it is, unknown settings too.
        """
        panel = self.plugin_settings()
        lacking = {name: value for name, value in defaults.items() if panel.get(name) is None}
        if lacking:
            self.ask(_CONFIGURE_MUTATION, {"input": {**panel, **lacking}})
            log.info(f"The settings panel now shows the defaults in force of: {', '.join(sorted(lacking))}")
        return {**panel, **lacking}

    def scenes(self, scene_ids: Sequence[int]) -> dict[int, Scene]:
        """Return these scenes by id; one that Stash no longer has is absent.

        Aliased `findScene` fields in one request: `findScenes(ids:)` fails as a
        whole when one id is gone.
        """
        if not scene_ids:
            return {}
        fields = " ".join(f"s{number}: findScene(id: {number}) {{ ...S }}" for number in sorted(set(scene_ids)))
        data = self.ask(f"query PlexSyncScenes {{ {fields} }} fragment S on Scene {{ {SCENE_FIELDS} }}")
        found = (read_scene(value) for value in data.values() if isinstance(value, dict))
        return {scene.id: scene for scene in found}

    def scenes_at(self, paths: Sequence[str]) -> dict[str, list[Scene]]:
        """Return, for each path as Stash writes it, the scenes that have a file there.

        Stash compares with LIKE over all files, so this is for the few that are worth it.
        """
        if not paths:
            return {}
        named = {f"p{number}": path for number, path in enumerate(dict.fromkeys(paths))}
        declared = ", ".join(f"${name}: String!" for name in named)
        wanted = "findScenes(scene_filter: {path: {value: $%s, modifier: EQUALS}}, filter: {per_page: 5})"
        fields = " ".join(f"{name}: {wanted % name} {{ scenes {{ ...S }} }}" for name in named)
        query = f"query PlexSyncPaths({declared}) {{ {fields} }} fragment S on Scene {{ {SCENE_FIELDS} }}"
        data = self.ask(query, dict(named))
        return {
            path: [read_scene(value) for value in _objects((data.get(name) or {}).get("scenes"))]
            for name, path in named.items()
        }

    def close(self) -> None:
        """Close the connections."""
        self.s.close()


def read_scene(value: Mapping[str, Any]) -> Scene:
    """Return a scene from Stash's GraphQL object."""
    return Scene(
        id=int(value["id"]),
        title=value.get("title") or "",
        details=value.get("details") or "",
        date=value.get("date") or "",
        studio=(value.get("studio") or {}).get("name") or "",
        performers=tuple(
            Performer(performer.get("name") or "", performer.get("disambiguation") or "")
            for performer in _objects(value.get("performers"))
        ),
        tags=tuple(tag.get("name") or "" for tag in _objects(value.get("tags"))),
        files=tuple(
            MediaFile(file["path"], _size(file.get("size")))
            for file in _objects(value.get("files"))
            if file.get("path")
        ),
    )


def _objects(values: object) -> Iterable[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _size(value: object) -> int | None:
    """Stash's Int64 comes as a number, or as text from older versions."""
    try:
        return int(value) or None  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None


def _names_schema(message: str) -> bool:
    """Return whether an error says that the schema lacks a field, an argument or a type."""
    return message.startswith(("Cannot query field", "Unknown argument", "Unknown type", "Unknown field"))
