"""In what way a scene and Plex have come apart. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from sync.errors import PlexSyncError
from sync.model import LIST_FIELDS, SINGLE_FIELDS, PlexItem, Wanted
from sync.plex.difference import Edit, bears_file_name
from sync.plex.exceptions import PlexNotFound

NEVER_SYNCED = "never_synced"
STALE = "stale"
EMPTY = "empty_in_plex"
CHANGED = "changed_in_plex"
MISSING = "missing_from_plex"
ORPHANED = "orphaned_state"
DOUBTFUL = "doubtful_match"
REASONS = {
    NEVER_SYNCED: "never synced",
    STALE: "stale: Stash holds something else than what was written",
    EMPTY: "empty in Plex",
    CHANGED: "changed in Plex",
    MISSING: "missing from Plex",
    ORPHANED: "orphaned state: the scene is gone from Stash",
    DOUBTFUL: "no file in Stash, no single item in Plex, or one that could not be read",
}
"""What a reconcile finds, and how a person is told."""


@dataclass(frozen=True, slots=True)
class Look:
    """One item of a scene, beside what it should hold."""

    item: PlexItem
    wanted: Wanted
    edit: Edit
    """What would have to be written."""
    is_known: bool
    """It was synced before, for this scene or for one that is gone from Stash."""
    maps_as_before: bool
    """What the scene maps to is what was written last."""
    has_cover: bool
    """It has the scene's cover as it is now, as far as PlexSync knows: one that was chosen in Plex is not seen."""


def reason_of(looks: Sequence[Look], errors: Sequence[PlexSyncError], *, was_synced: bool, may_lack: bool) -> str:
    """Return why a scene has to be synced again; empty where it has not.

    `was_synced`: it was brought into Plex at some time, be it in part. `may_lack`: a scene that Plex does not have
    is right as it is.
    """
    is_missing = any(isinstance(error, PlexNotFound) for error in errors)
    if is_missing and not (may_lack and not was_synced):
        return MISSING
    is_doubtful = any(not isinstance(error, PlexNotFound) for error in errors)
    if not was_synced:
        return DOUBTFUL if is_doubtful else "" if is_missing else NEVER_SYNCED
    # What is wrong with an item can be mended, whatever another library has.
    reasons = {_reason_of_item(look) for look in looks}
    found = next((reason for reason in (STALE, CHANGED, EMPTY) if reason in reasons), "")
    return found or (DOUBTFUL if is_doubtful else "")


def _reason_of_item(look: Look) -> str:
    if look.is_known and not look.has_cover:
        return STALE
    if not look.edit:
        return "" if look.is_known else CHANGED  # it took the place of one that was
    if look.is_known and not look.maps_as_before:
        return STALE
    return EMPTY if _lacks_all(look.item, look.edit) and _lacks_most(look.item, look.wanted) else CHANGED


def _lacks_most(item: PlexItem, wanted: Wanted) -> bool:
    """Return whether Plex holds nothing in at least half of the fields that the scene fills."""
    names = [name for name in (*SINGLE_FIELDS, *LIST_FIELDS) if getattr(wanted, name)]
    held = [name for name in names if getattr(item, name) and not (name == "title" and bears_file_name(item))]
    return 2 * len(held) <= len(names)


def _lacks_all(item: PlexItem, edit: Edit) -> bool:
    """Return whether Plex holds nothing in any field that would be written."""
    singles = all(not getattr(item, name) or (name == "title" and bears_file_name(item)) for name in edit.single)
    return singles and not any(getattr(item, name) for name in edit.lists)
