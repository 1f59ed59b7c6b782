"""What PlexSync reads and writes in Stash beside what a sync reads. Raises what `StashClient.ask` raises."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sync.stash.client import StashClient

_PAGE = 1_000  # scenes in one answer of Stash's


def resume_points(stash: StashClient) -> dict[int, float]:
    """Return the scenes that somebody has stopped watching, and where: in seconds. One request a thousand of them."""
    where = {"resume_time": {"value": 0, "modifier": "GREATER_THAN"}}
    found: dict[int, float] = {}
    while True:
        after = max(found, default=0)
        page = stash.find_above(after, "PlexSyncResumePoints", "id resume_time", where=where, per_page=_PAGE)
        found |= {int(scene["id"]): float(scene.get("resume_time") or 0.0) for scene in page}
        if len(page) < _PAGE:
            return found


def rating_now(stash: StashClient, scene_id: int) -> int | None:
    """Return the rating100 of a scene as it is at this moment; None where it has none, or is gone."""
    found = stash.ask("query PlexSyncRating($id: ID) { findScene(id: $id) { rating100 } }", {"id": str(scene_id)})
    value = (found.get("findScene") or {}).get("rating100")
    return value if isinstance(value, int) else None


def set_rating(stash: StashClient, scene_id: int, rating: int | None) -> None:
    """Set the rating100 of a scene, or take it away. It fires the scene's hook, and returns when that has ended."""
    query = "mutation PlexSyncRate($input: SceneUpdateInput!) { sceneUpdate(input: $input) { id } }"
    stash.ask(query, {"input": {"id": str(scene_id), "rating100": rating}})


def add_plays(stash: StashClient, scene_id: int, times: Iterable[int]) -> None:
    """Add plays to a scene's history, in seconds since the epoch. No hook is fired, and `updated_at` stays.

    Stash adds what it is given, be it there already (stashapp/stash, pkg/sqlite/table.go).
    """
    given = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in times]
    query = "mutation PlexSyncPlays($id: ID!, $times: [Timestamp!]) { sceneAddPlay(id: $id, times: $times) { count } }"
    stash.ask(query, {"id": str(scene_id), "times": given})


def set_resume(stash: StashClient, scene_id: int, at: float) -> None:
    """Set where somebody stopped watching a scene, in seconds; 0: nowhere. No hook is fired."""
    query = "mutation PlexSyncResume($id: ID!, $at: Float) { sceneSaveActivity(id: $id, resume_time: $at) }"
    stash.ask(query, {"id": str(scene_id), "at": at})
