"""Which failures have one cause, and what mends each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.pages.lists.failed import mends
from sync.queue.dead_letters import (
    CREATE_CAUSES,
    CREATE_DEAD_LETTERS,
    ENDING,
    OPENING,
    PUT_DEAD_LETTER,
    Cause,
    DeadLetter,
    read_cause,
)

NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def letters() -> Iterator[sqlite3.Connection]:
    """A table of dead letters."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(CREATE_DEAD_LETTERS)
    connection.execute(CREATE_CAUSES)
    yield connection
    connection.close()


def causes(connection: sqlite3.Connection, *messages: str) -> list[Cause]:
    """The cause of each message."""
    connection.execute("DELETE FROM plexsync_dead_letters")
    for number, message in enumerate(messages):
        letter = DeadLetter(number, "T", "PlexPermanentError", message, 1, 1.0, 1.0, "{}")
        connection.execute(PUT_DEAD_LETTER, letter)
    query = f"SELECT error_type, {OPENING}, {ENDING} FROM plexsync_dead_letters ORDER BY scene_id"
    return [Cause(*row) for row in connection.execute(query)]


def several(name: str, keys: list[int]) -> str:
    """As the matcher says it."""
    listed = ", ".join(f'{key} "{name}" (/media/{name}.mp4)' for key in keys)
    return (
        f'{len(keys)} Plex items hold a file "{name}": {listed} in library "Clips", and strict_matching is on. Set it'
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES, NAMES, st.lists(st.integers(1, 10**6), min_size=2, max_size=5))
def test_what_names_the_scene_tells_no_causes_apart(
    letters: sqlite3.Connection, one: str, other: str, keys: list[int]
) -> None:
    first, second = causes(letters, several(one, [1, 2]), several(other, keys))
    assert (
        first
        == second
        == ("PlexPermanentError", "Plex items hold a file ", ", and strict_matching is on. Set it"[-32:])
    )


def test_other_sentences_are_other_causes(letters: sqlite3.Connection) -> None:
    found = causes(
        letters,
        '2 Plex items hold a file "a.mp4" under this very path in library "Clips". Plex has the file twice',
        several("a.mp4", [1, 2]),
        "Plex refused the request (status 400)",
        "missing file path: the scene has no file in Stash",
        'conflict: Plex item 7 "A" holds files of scene 7 and of scene 8. Split the item in Plex',
        "",
    )
    assert len({cause.key for cause in found}) == 6


def test_a_cause_is_told_and_read_as_one_text() -> None:
    cause = Cause("PlexNotFound", "no Plex item in ", " yet. If Plex has it, check it")
    assert read_cause(cause.key) == cause
    assert read_cause(Cause("E", "", "").key) == Cause("E", "", "")
    assert read_cause("PlexNotFound") is None


@pytest.mark.parametrize(
    ("error_type", "message", "does"),
    [
        ("PlexNotFound", 'no Plex item in "Clips" holds its file "a.mp4" yet', "path_map"),
        ("PlexItemRemoved", "Plex item 7 is gone from Plex since a moment", "path_map"),
        ("PlexPermanentError", '2 Plex items hold a file "a.mp4": ... Set path_map so that', "path_map"),
        ("PlexPermanentError", '2 Plex items hold a file "a.mp4" under this very path', "split"),
        ("PlexPermanentError", "Plex refused the request (status 400)", "retry"),
        ("PlexTemporaryError", "Plex answered with status 500", "retry"),
        ("PlexServerDown", "Plex cannot be reached", "retry"),
        ("StashPictureError", "Stash cannot give the cover", "retry"),
        ("StashAuthError", "Stash refuses PlexSync's session", "settings"),
        ("PlexSetupError", "plex_token is refused", "settings"),
        ("UnforeseenError", "PlexSync met an error it does not know", "report"),
        ("PermanentError", "missing file path: the scene has no file in Stash", "file"),
    ],
)
def test_what_mends_it(error_type: str, message: str, does: str) -> None:
    assert mends(error_type, message) == does
