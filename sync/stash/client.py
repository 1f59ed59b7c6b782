"""The one place where a task asks Stash.

stashapi's GQLWrapper speaks GraphQL; its StashInterface on top makes three requests when it is made, and has no
time-out, so the connection, the time-out and the meaning of a failure are PlexSync's own.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import requests
import urllib3
from stashapi.classes import GQLWrapper

from sync import log
from sync.errors import SetupError, UnusablePictureError
from sync.mapping.performer_pictures import picture_sha1, read_picture
from sync.model import MediaFile, Picture, Scene
from sync.stash.address import session_cookie, stash_address
from sync.stash.exceptions import StashAuthError, StashPictureError, StashTemporaryError, refusal
from sync.stash.scenes import files_of, objects, read_scene, scene_fragment, seconds
from sync.stash.session import StashSession

# What the libraries have to say goes nowhere: it may hold URLs, and Stash logs a bare line as an error.
logging.getLogger().addHandler(logging.NullHandler())

PLUGIN_ID = "PlexSync"
_SAMPLE_ORDER = "random_20250517"
"""Always the same: who has set what was proposed sees the very scenes match that did not."""

_PIECE = 262_144  # bytes
LARGEST_COVER = 10_000_000  # bytes of a picture; about the most that Plex takes
_T = TypeVar("_T")
Changed = tuple[int, float | None]
"""An id, and when it was changed last: seconds since the epoch; None where Stash did not say."""

_FILE_FIELDS = "id files { path size }"
_COUNT_QUERY = (
    "query PlexSyncCount($where: SceneFilterType!) { findScenes(scene_filter: $where, filter: {per_page: 0}) "
    "{ count } }"
)
_NEWEST_QUERY = (
    "query PlexSyncNewest($scenes: FindFilterType, $performers: FindFilterType) { "
    "findScenes(filter: $scenes) { scenes { id updated_at } } "
    "findPerformers(filter: $performers) { performers { id updated_at } } }"
)
_SETTINGS_QUERY = (
    "query PlexSyncSettings { configuration { general { username apiKey maxSessionAge } "
    'plugins(include: ["PlexSync"]) } }'
)
_SCHEMA_LACKS = ("Cannot query field", "Unknown argument", "Unknown type", "Unknown field")
_PING_QUERY = "query PlexSyncPing { version { version } }"


class StashClient(GQLWrapper):  # type: ignore[misc]  # stashapi has no type hints
    """Stash, as much of it as a sync needs. Raises StashTemporaryError, StashAuthError and SetupError."""

    def __init__(self, server_connection: Mapping[str, Any]) -> None:
        super().__init__()
        scheme, host, port = stash_address(server_connection)
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{scheme}://{shown}:{port}"
        self.url = f"{self.address}/graphql"
        self.log = sys.modules[log.__name__]
        self._has_key = "ApiKey" in server_connection  # the command line's connection, not Stash's own
        session = StashSession(session_cookie(server_connection), server_connection.get("ApiKey") or None)
        session.headers.update(self.s.headers)
        self.s: requests.Session = session
        self._session = session
        self.api_key: str | None = None
        """The key that a person made in Stash, once the settings were read. It outlives every cookie."""
        self.has_credentials = False
        """Whether Stash asks for a password or a key, once the settings were read."""
        self.with_performer_tags = False
        """Whether scenes are read with the tags of their performers."""
        self.with_plays = False
        """Whether scenes are read with their plays and where somebody stopped watching."""
        self.session_age: int | None = None
        """Seconds that a cookie lives."""
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def _handle_GQL_response(self, response: requests.Response) -> dict[str, Any]:  # noqa: N802 - stashapi's name
        """Classify an answer. stashapi's own gives `{}` for a 502 and an AttributeError for `data: null`."""
        status = response.status_code
        if status in (401, 403) or 300 <= status < 400:
            raise self._refused(status)
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
        if 400 <= status < 500 or any(message.startswith(_SCHEMA_LACKS) for message in messages):
            raise SetupError(
                f"Stash does not know what PlexSync asks for ({'; '.join(messages)[:300] or status}). PlexSync needs "
                "Stash 0.27 or newer"
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

    def find(
        self, name: str, fields: str, *, where: Mapping[str, Any] | None = None, fragment: str = "", **page: Any
    ) -> list[Mapping[str, Any]]:
        """Return these fields of scenes. `name`: of the query; `where`: a SceneFilterType; `page`: a FindFilterType."""
        query = (
            f"query {name}($where: SceneFilterType, $page: FindFilterType) {{ "
            f"findScenes(scene_filter: $where, filter: $page) {{ scenes {{ {fields} }} }} }} {fragment}"
        )
        data = self.ask(query, {"where": where or {}, "page": page})
        return objects((data.get("findScenes") or {}).get("scenes"))

    def find_above(
        self, after: int, name: str, fields: str, *, where: Mapping[str, Any] | None = None, **more: Any
    ) -> list[Mapping[str, Any]]:
        """Return the same of scenes above an id, by id: a scene that is deleted meanwhile moves no page."""
        above = {**(where or {}), "id": {"value": after, "modifier": "GREATER_THAN"}}
        return self.find(name, fields, where=above, sort="id", direction="ASC", **more)

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
        self.has_credentials = bool(general.get("username") or self.api_key)
        log.keep_secret(self.api_key)
        plugins = configuration.get("plugins")
        settings = plugins.get(PLUGIN_ID) if isinstance(plugins, dict) else None
        return settings if isinstance(settings, dict) else {}

    def scenes(self, scene_ids: Sequence[int]) -> dict[int, Scene]:
        """Return these scenes by id but those that are gone, for which `findScenes(ids:)` fails as a whole."""
        if not scene_ids:
            return {}
        fields = " ".join(f"s{number}: findScene(id: {number}) {{ ...S }}" for number in sorted(set(scene_ids)))
        data = self.ask(f"query PlexSyncScenes {{ {fields} }} {self._scene_fragment}")
        found = (read_scene(value) for value in data.values() if isinstance(value, dict))
        return {scene.id: scene for scene in found}

    def sample(self, count: int) -> list[Scene]:
        """Return up to `count` scenes from all over the library, the same ones each time, with what conditions look at.

        Stash orders scenes by `random_<seed>` (stashapp/stash, pkg/sqlite/sql.go).
        """
        fields = (
            "id title organized stash_ids { stash_id } paths { screenshot } performers { image_path } tags { name } "
            "files { path size }"
        )
        return list(map(read_scene, self.find("PlexSyncSample", fields, per_page=count, sort=_SAMPLE_ORDER)))

    def files_named(self, names: Sequence[str], page_size: int = 500) -> list[tuple[int, MediaFile]]:
        """Return (scene id, file) of every scene that has a file of one of these names, and of others: look at each.

        A name comes with the separator in front of it. Stash compares with LIKE over all files, where % and _ stand for
        anything and the end is open. One request, and more for a name of many scenes.
        """
        found: dict[tuple[int, MediaFile], None] = {}
        # In quotes: Stash takes any one of several words for a hit.
        left, page = {f"n{number}": f'"{name}"' for number, name in enumerate(dict.fromkeys(names))}, 1
        while left:
            declared = ", ".join(f"${name}: String!" for name in left)
            wanted = (
                "findScenes(scene_filter: {path: {value: $%s, modifier: INCLUDES}}, "
                'filter: {per_page: %d, page: %d, sort: "id"})'
            )
            fields = " ".join(f"{n}: {wanted % (n, page_size, page)} {{ scenes {{ ...F }} }}" for n in left)
            query = f"query PlexSyncNamesakes({declared}) {{ {fields} }} fragment F on Scene {{ {_FILE_FIELDS} }}"
            data = self.ask(query, dict(left))
            answers = {name: objects((data.get(name) or {}).get("scenes")) for name in left}
            found |= dict.fromkeys(pair for some in answers.values() for scene in some for pair in files_of(scene))
            left, page = {name: left[name] for name, some in answers.items() if len(some) >= page_size}, page + 1
        return list(found)

    def scene_page(self, after: int, size: int) -> list[Scene]:
        """Return up to `size` scenes above the id `after`, by id."""
        page = self.find_above(after, "PlexSyncPage", "...S", fragment=self._scene_fragment, per_page=size)
        return list(map(read_scene, page))

    def scene_ids(self, after: int, size: int, where: Mapping[str, Any]) -> list[Changed]:
        """Return (id, updated_at) of up to `size` scenes above the id `after` that a filter lets through, by id.

        `where` is Stash's SceneFilterType.
        """
        return _times(self.find_above(after, "PlexSyncIds", "id updated_at", where=where, per_page=size))

    def newest_changes(self, page: int, size: int, performers: int) -> tuple[list[Changed], list[Changed]]:
        """Return (id, updated_at) of the scenes that changed last, newest first: a page, the first is 1, of `size`.

        And of so many performers the same, from the newest on.
        """
        order: dict[str, Any] = {"sort": "updated_at", "direction": "DESC"}
        asked = {"scenes": {**order, "page": page, "per_page": size}, "performers": {**order, "per_page": performers}}
        data = self.ask(_NEWEST_QUERY, asked)
        found = ((data.get(f"find{name.capitalize()}") or {}).get(name) for name in ("scenes", "performers"))
        scenes, changed = (_times(objects(some)) for some in found)
        return scenes, changed

    def count_scenes(self, where: Mapping[str, Any]) -> int:
        """Return how many scenes a filter lets through (Stash's SceneFilterType; an empty one: all)."""
        count = (self.ask(_COUNT_QUERY, {"where": dict(where)}).get("findScenes") or {}).get("count")
        return count if isinstance(count, int) else 0

    @property
    def _scene_fragment(self) -> str:
        return scene_fragment(performer_tags=self.with_performer_tags, plays=self.with_plays)

    def picture(self, path: str) -> Picture | None:
        """Return a picture by its path and query; None where Stash has none of its own.

        Asked of the address that PlexSync was started from alone: the URLs that Stash builds may name another host,
        which is not for a cookie. Raises UnusablePictureError for one that Plex would not take, StashPictureError.
        """
        return self._fetch(path, "cover", _read_whole) if path else None

    def picture_sha1(self, path: str) -> str | None:
        """Return the SHA-1 of a performer's picture, whatever it is; asked, and raises, as `picture`."""
        return self._fetch(path, "picture", picture_sha1)

    def _fetch(self, path: str, what: str, read: Callable[[Iterator[bytes]], _T | None]) -> _T | None:
        try:
            with self._session.get(f"{self.address}{path}", stream=True) as response:
                if response.status_code == 200:
                    return read(response.iter_content(_PIECE))
                status = response.status_code
        except (StashTemporaryError, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # Is it Stash, or this one picture? One that is broken must not end every drain that comes to it.
            self.ask(_PING_QUERY)
            raise StashPictureError(f"Stash cannot give the {what}: it broke off ({type(error).__name__})") from None
        if status in (401, 403) or 300 <= status < 400:
            self.ask(_PING_QUERY)
            raise StashPictureError(f"Stash answers the request for the {what} with a refusal or a redirect")
        if status in (404, 410):
            return None
        raise StashPictureError(f"Stash cannot give the {what} (status {status})")

    def _refused(self, status: int) -> StashAuthError:
        if self._has_key:
            return StashAuthError(refusal(self.address, has_key=bool(self._session.key)))
        return StashAuthError(
            f"Stash refuses PlexSync's session (status {status}). Log in to Stash and "
            'press "Process queue", and make an API key under Settings > Security so that it lasts'
        )

    def close(self) -> None:
        """Close the connections."""
        self.s.close()


def _read_whole(pieces: Iterator[bytes]) -> Picture | None:
    read, length = [], 0
    for piece in pieces:
        read.append(piece)
        length += len(piece)
        if length > LARGEST_COVER:
            raise UnusablePictureError(
                f"the picture is larger than Plex takes ({LARGEST_COVER / 1e6:.0f} MB). Set a smaller one"
            )
    return read_picture(b"".join(read))


def _times(some: Iterable[Mapping[str, Any]]) -> list[Changed]:
    return [(int(one["id"]), seconds(one.get("updated_at"))) for one in some]
