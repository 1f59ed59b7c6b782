"""Which scenes are for Plex at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.conditions import why_left_out, within_paths
from sync.model import MediaFile, Scene
from sync.settings import Settings

PROPERTY = settings(max_examples=75, deadline=None)

ORGANIZED, STASH_ID = "it is not organized (only_organized)", "it has no StashID (only_stash_id)"
NO_TAG, NO_FILE = "it has none of the tags of only_tags", "its files are left out by only_paths or skip_paths"


def files(*paths: str) -> tuple[MediaFile, ...]:
    return tuple(MediaFile(path) for path in paths)


def chosen(**changed: Any) -> Settings:
    return Settings(**changed)


@pytest.mark.parametrize(
    ("scene", "conditions", "reason"),
    [
        pytest.param(Scene(7), {}, "", id="no condition"),
        pytest.param(Scene(7, organized=True), {"only_organized": True}, "", id="organized"),
        pytest.param(Scene(7), {"only_stash_id": True}, STASH_ID, id="no StashID"),
        pytest.param(Scene(7), {"only_with_url": True}, "it has no URL (only_with_url)", id="no URL"),
        pytest.param(Scene(7, has_url=True), {"only_with_url": True}, "", id="a URL"),
        pytest.param(Scene(7, tags=("Rock",)), {"only_tags": "Rock"}, "", id="the tag"),
        pytest.param(Scene(7, tags=("Jazz", "Rock")), {"only_tags": "Rock, Pop"}, "", id="one of the tags"),
        pytest.param(Scene(7, tags=("Jazz",)), {"only_tags": "Rock"}, NO_TAG, id="another tag"),
        pytest.param(Scene(7), {"only_tags": "Rock"}, NO_TAG, id="no tag at all"),
        pytest.param(Scene(7, tags=("Hard Rock",)), {"only_tags": "*rock"}, "", id="a glob"),
        pytest.param(Scene(7, tags=("Rock",)), {"skip_tags": "Jazz"}, "", id="no skipped tag"),
        pytest.param(
            Scene(7, tags=("Pop", "Rock")), {"skip_tags": "rock"}, 'it has the tag "Rock" (skip_tags)', id="skipped"
        ),
        pytest.param(
            Scene(7, tags=("Rock", "Pop")),
            {"only_tags": "Rock", "skip_tags": "Pop"},
            'it has the tag "Pop" (skip_tags)',
            id="what is skipped wins",
        ),
        pytest.param(Scene(7, files=files("/a/b.mp4")), {"only_paths": "/a"}, "", id="within"),
        pytest.param(Scene(7, files=files("/a/b.mp4")), {"skip_paths": "/a"}, NO_FILE, id="skipped folder"),
        pytest.param(
            Scene(7, files=files("/a/x/b.mp4")), {"only_paths": "/a", "skip_paths": "/a/x"}, NO_FILE, id="skipped below"
        ),
        pytest.param(
            Scene(7, files=files("/c/b.mp4", "/a/b.mp4")), {"only_paths": "/a"}, "", id="one file of several is enough"
        ),
        pytest.param(
            Scene(7, files=files("/c/b.mp4", "/a/b.mp4")), {"skip_paths": "/c;/a"}, NO_FILE, id="no file is left"
        ),
        pytest.param(Scene(7), {"only_paths": "/a"}, "", id="a scene without a file fails for that, not silently"),
    ],
)
def test_conditions(scene: Scene, conditions: dict[str, Any], reason: str) -> None:
    assert why_left_out(scene, chosen(**conditions)) == reason


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({}, ["/a/1.mp4", "/b/2.mp4", "/b/x/3.mkv"]),
        ({"only_paths": "/b"}, ["/b/2.mp4", "/b/x/3.mkv"]),
        ({"skip_paths": "/b"}, ["/a/1.mp4"]),
        ({"only_paths": "/b", "skip_paths": "*.mkv"}, ["/b/2.mp4"]),
        ({"only_paths": "/a; */x/*"}, ["/a/1.mp4", "/b/x/3.mkv"]),
        ({"only_paths": "/none"}, []),
    ],
)
def test_only_the_files_within_are_matched(conditions: dict[str, Any], left: list[str]) -> None:
    scene = Scene(7, title="T", tags=("a",), files=files("/a/1.mp4", "/b/2.mp4", "/b/x/3.mkv"))

    within = within_paths(scene, chosen(**conditions))

    assert [file.path for file in within.files] == left
    assert replace(within, files=scene.files) == scene


@PROPERTY
@given(
    st.lists(st.sampled_from(["/a/1", "/a/x/2", "/b/3", "/b/4"]), unique=True, min_size=1),
    st.sampled_from(["", "/a", "/b", "/a; /b", "*x*", "/none"]),
    st.sampled_from(["", "/a", "/a/x", "/b/3", "*"]),
)
def test_a_scene_is_left_out_exactly_when_none_of_its_files_is_left(paths: list[str], only: str, skip: str) -> None:
    scene = Scene(7, files=files(*paths))
    conditions = Settings(only_paths=only, skip_paths=skip)

    assert bool(why_left_out(scene, conditions)) == (not within_paths(scene, conditions).files)
