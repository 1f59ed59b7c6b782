"""In what way a scene and Plex have come apart: one reason at most, by what is known of its items."""

from __future__ import annotations

from typing import Any

import pytest

from sync.bulk import reconcile
from sync.bulk.reconcile import Look, reason_of
from sync.errors import PermanentError, PlexSyncError
from sync.model import MediaFile, PlexItem, Role, Wanted
from sync.plex.difference import Edit
from sync.plex.exceptions import PlexItemRemoved, PlexNotFound, PlexTemporaryError

GENRES = (Role("A"),)


def look(edit: Edit | None = None, **given: Any) -> Look:
    """An item that was synced and is as it was, but for what is given."""
    values: dict[str, Any] = {"title": "clip", "files": (MediaFile("/media/clip.mp4"),)}
    names = ("title", "summary", "studio", "genres", "actors")
    values |= {name: given.pop(name) for name in names if name in given}
    known = {"is_known": True, "maps_as_before": True, "has_cover": True} | given
    edit = edit or Edit()
    of_edit = {**edit.single, **edit.added}
    wanted = known.pop("wanted", None) or Wanted(**of_edit)
    return Look(PlexItem(1, 1, **values), wanted, edit, **known)


RIGHT = look()
STALE = look(Edit({"title": "New"}), title="Old", maps_as_before=False)
CHANGED = look(Edit({"title": "Ours"}), title="Theirs")
EMPTY = look(Edit({"title": "Ours", "summary": "S"}, {"genres": GENRES}))
FULL = Wanted(title="Ours", summary="S", studio="St", genres=("A",))


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ([RIGHT], ""),
        ([STALE], reconcile.STALE),
        ([CHANGED], reconcile.CHANGED),
        ([EMPTY], reconcile.EMPTY),
        ([look(maps_as_before=False)], ""),  # what Stash holds now is what Plex has
        ([look(has_cover=False)], reconcile.STALE),
        ([look(has_cover=False, maps_as_before=False)], reconcile.STALE),
        ([look(Edit({"title": "Ours"}), title="Theirs", has_cover=False)], reconcile.STALE),
        ([look(is_known=False)], reconcile.CHANGED),
        ([look(Edit({"title": "Ours"}), is_known=False, maps_as_before=False)], reconcile.EMPTY),
        ([look(Edit({"title": "Ours"}), title="Agent", is_known=False, maps_as_before=False)], reconcile.CHANGED),
        ([look(Edit({"summary": "S"}), title="Ours")], reconcile.EMPTY),
        ([look(Edit({"summary": "S"}), title="Ours", summary="Theirs")], reconcile.CHANGED),
        ([look(Edit({}, {"genres": GENRES}), title="Ours")], reconcile.EMPTY),
        ([look(Edit({}, {"genres": GENRES}), title="Ours", genres=("B",))], reconcile.CHANGED),
        ([look(Edit({"rating": "4"}), title="Ours")], reconcile.EMPTY),
        ([look(Edit({"title": "Ours"}), summary="S", studio="St", genres=("A",), wanted=FULL)], reconcile.CHANGED),
        ([look(Edit({"summary": "S"}), title="Ours", studio="St", genres=("A",), wanted=FULL)], reconcile.CHANGED),
        ([look(Edit({"title": "Ours", "summary": "S"}), studio="St", genres=("A",), wanted=FULL)], reconcile.EMPTY),
        ([RIGHT, STALE], reconcile.STALE),
        ([EMPTY, CHANGED, STALE], reconcile.STALE),
        ([EMPTY, RIGHT, CHANGED], reconcile.CHANGED),
    ],
)
def test_an_item_is_in_one_way_apart(looks: list[Look], reason: str) -> None:
    assert reason_of(looks, [], was_synced=True, may_lack=False) == reason
    assert reason_of(looks, [], was_synced=False, may_lack=False) == reconcile.NEVER_SYNCED


NOT_FOUND, GONE, DOUBT = PlexNotFound("not there"), PlexItemRemoved("gone"), PermanentError("two of them")


@pytest.mark.parametrize(
    ("looks", "errors", "was_synced", "may_lack", "reason"),
    [
        ([], [NOT_FOUND], True, False, reconcile.MISSING),
        ([], [NOT_FOUND], False, False, reconcile.MISSING),
        ([], [NOT_FOUND], True, True, reconcile.MISSING),
        ([], [NOT_FOUND], False, True, ""),
        ([], [GONE], True, False, reconcile.MISSING),
        ([], [DOUBT], True, False, reconcile.DOUBTFUL),
        ([], [DOUBT], False, True, reconcile.DOUBTFUL),
        ([], [PlexTemporaryError("500")], True, False, reconcile.DOUBTFUL),
        ([], [NOT_FOUND, DOUBT], False, True, reconcile.DOUBTFUL),
        ([RIGHT], [DOUBT], True, False, reconcile.DOUBTFUL),
        ([CHANGED], [DOUBT], True, False, reconcile.CHANGED),
        ([RIGHT], [DOUBT], False, False, reconcile.DOUBTFUL),
        ([], [], True, False, ""),
    ],
)
def test_what_could_not_be_found(
    looks: list[Look], errors: list[PlexSyncError], was_synced: bool, may_lack: bool, reason: str
) -> None:
    assert reason_of(looks, errors, was_synced=was_synced, may_lack=may_lack) == reason


def test_every_reason_is_told_in_words() -> None:
    assert len(reconcile.REASONS) == 7
    assert all(reconcile.REASONS.values())
