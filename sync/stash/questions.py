"""What is asked of Stash in one request, by what has no packages or no time for them; no hook asks it."""

import json
from collections.abc import Mapping
from typing import Any

from sync.stash.ask import PLUGIN_ID, AskFailedError, graphql

HIGHEST_ID = 2**31 - 1  # Stash's ids are numbers of GraphQL's Int


def plugin_settings(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Stash's settings panel holds for PlexSync, unchecked. Raises AskFailedError, SetupError."""
    query = f'query PlexSyncPanel {{ configuration {{ plugins(include: ["{PLUGIN_ID}"]) }} }}'
    plugins = (graphql(connection, query, "{}").get("configuration") or {}).get("plugins")
    panel = plugins.get(PLUGIN_ID) if isinstance(plugins, dict) else None
    return panel if isinstance(panel, dict) else {}


def put_plugin_settings(connection: Mapping[str, Any], panel: Mapping[str, Any]) -> None:
    """Write PlexSync's settings; Stash replaces the whole map by it. Raises AskFailedError, SetupError."""
    query = f'mutation PlexSyncConfigure($input: Map!) {{ configurePlugin(plugin_id: "{PLUGIN_ID}", input: $input) }}'
    graphql(connection, query, json.dumps({"input": dict(panel)}))


def jobs(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return Stash's jobs that wait or run, as Stash lists them. Raises AskFailedError, SetupError."""
    query = "query PlexSyncQueue { jobQueue { id status description progress subTasks } }"
    found = graphql(connection, query, "{}").get("jobQueue")
    return [job for job in found if isinstance(job, dict)] if isinstance(found, list) else []


def stash_version(connection: Mapping[str, Any]) -> str:
    """Return Stash's version. Raises AskFailedError, SetupError."""
    found = graphql(connection, "query PlexSyncVersion { version { version } }", "{}").get("version") or {}
    return str(found.get("version") or "of an unknown version")


def count_scenes(connection: Mapping[str, Any]) -> int:
    """Return how many scenes Stash has. Raises AskFailedError, SetupError."""
    query = "query PlexSyncCount { findScenes(filter: {per_page: 0}) { count } }"
    count = (graphql(connection, query, "{}").get("findScenes") or {}).get("count")
    if not isinstance(count, int):
        raise AskFailedError("Stash did not say how many scenes it has")
    return count


def scene_ids_below(connection: Mapping[str, Any], below: int | None, limit: int) -> list[int]:
    """Return up to `limit` ids below one (None: of all), the highest first. Raises AskFailedError, SetupError."""
    query = (
        "query PlexSyncSceneIds($below: Int!, $size: Int!) { findScenes(scene_filter: {id: {value: $below, modifier: "
        'LESS_THAN}}, filter: {per_page: $size, sort: "id", direction: DESC}) { scenes { id } } }'
    )
    variables = f'{{"below": {HIGHEST_ID if below is None else below}, "size": {limit}}}'
    found = (graphql(connection, query, variables).get("findScenes") or {}).get("scenes")
    return [int(scene["id"]) for scene in found] if isinstance(found, list) else []


def config_file(connection: Mapping[str, Any]) -> str:
    """Return where Stash says its config.yml is, as Stash's machine names it. Raises AskFailedError, SetupError."""
    data = graphql(connection, "query PlexSyncPlace { configuration { general { configFilePath } } }", "{}")
    general = (data.get("configuration") or {}).get("general") or {}
    return str(general.get("configFilePath") or "")
