"""Which failures have one cause, and what mends each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.pages.lists.causes import cause_of, error_type_of

NAMES = st.text(st.characters(blacklist_characters='"', blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(NAMES, NAMES, st.integers(1, 10**6), st.integers(1, 10**6))
def test_what_names_the_scene_tells_no_causes_apart(one: str, other: str, first: int, second: int) -> None:
    def twice(name: str, key: int) -> str:
        return (
            f'2 Plex items hold a file "{name}": {key} ("T"), {key + 1} in library "{name}", and strict_matching is on'
        )

    assert cause_of("PlexPermanentError", twice(one, first)) == cause_of("PlexPermanentError", twice(other, second))


def test_other_sentences_are_other_causes() -> None:
    keys = {
        cause_of("PlexPermanentError", "2 Plex items hold the file").key,
        cause_of("PlexPermanentError", "Plex refused the request (status 400)").key,
        cause_of("PermanentError", "missing file path: the scene has no file in Stash").key,
    }
    assert len(keys) == 3
    assert {error_type_of(key) for key in keys} == {"PlexPermanentError", "PermanentError"}


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
    assert cause_of(error_type, message).does == does
