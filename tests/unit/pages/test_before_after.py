"""What a preview says of each field, and why the rest stays."""

from __future__ import annotations

from typing import Any

import pytest

from sync.model import MediaFile, Memory, PlexItem, Role, Wanted
from sync.pages.before_after import fields_of
from sync.plex.difference import difference

ITEM = PlexItem(
    rating_key=1,
    section=1,
    title="Clip",
    summary="Of Plex",
    rating="7",
    genres=("Drama", "Mine"),
    actors=(Role("Ann", "Lead"),),
    files=(MediaFile("/media/other name.mp4"),),
)


def rows(wanted: Wanted, memory: Memory | None = None, *, preserve: bool = False) -> dict[str, dict[str, Any]]:
    known = memory or Memory()
    edit = difference(ITEM, wanted, known, preserve=preserve)
    return {row["name"]: row for row in fields_of(ITEM, wanted, edit, known)}


@pytest.mark.parametrize(
    ("wanted", "memory", "preserve", "why"),
    [
        (None, Memory(), False, "off"),
        ("Of Plex", Memory(), False, "same"),
        ("Of Stash", Memory(), False, "write"),
        ("Of Stash", Memory(), True, "theirs"),
        ("", Memory(), False, "empty"),
        ("", Memory(sent={"summary": "Of Plex"}, result={"summary": "Of Plex"}), False, "clear"),
        ("of plex ", Memory(sent={"summary": "of plex "}, result={"summary": "Of Plex"}), False, "form"),
    ],
)
def test_a_single_field(wanted: str | None, memory: Memory, preserve: bool, why: str) -> None:
    row = rows(Wanted(summary=wanted), memory, preserve=preserve)["summary"]
    assert row["why"] == why
    after = {"write": "Of Stash", "clear": ""}.get(why, "Of Plex")
    assert (row["before"], row["after"], row["has"]) == ("Of Plex", after, wanted or "")


def test_a_rating_that_was_given_in_plex_stays() -> None:
    assert rows(Wanted(rating="5"))["rating"]["why"] == "rated"


def test_a_list_says_what_comes_what_goes_and_what_is_of_others() -> None:
    ours = Memory(result={"genres": ["Mine"]})
    row = rows(Wanted(genres=("New",)), ours)["genres"]
    assert (row["before"], row["after"]) == (["Drama", "Mine"], ["Drama", "New"])
    assert (row["why"], row["others"]) == ("write", ["Drama"])


def test_a_list_that_has_everything_is_right() -> None:
    row = rows(Wanted(genres=("drama",)))["genres"]
    assert (row["why"], row["after"]) == ("same", ["Drama", "Mine"])


def test_an_actor_bears_the_role() -> None:
    row = rows(Wanted(actors=(Role("Ann", "Lead"), Role("Bob", "Guest"))))["actors"]
    assert (row["before"], row["after"]) == (["Ann (Lead)"], ["Ann (Lead)", "Bob (Guest)"])
