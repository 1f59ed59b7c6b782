"""Which scenes go to Plex at all, by the user's conditions; what is left out is left as it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.site import Answer, Site

pytestmark = pytest.mark.integration

STASH_ID = {"endpoint": "https://stashdb.test/graphql", "stash_id": "0f0e0d0c"}

CONDITIONS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "only_organized": (True, {"organized": True}, {"organized": False}),
    "only_stash_id": (True, {"stash_ids": [STASH_ID]}, {"stash_ids": []}),
    "only_with_url": (True, {"urls": ["https://scenes.test/1"]}, {"urls": []}),
    "only_tags": ("For Plex, plex:*", {"tags": ["PLEX: yes", "a"]}, {"tags": ["a"]}),
    "skip_tags": ("Private; No, never; hid*", {}, {"tags": ["PLEX: yes", "Hidden"]}),
}
"""A setting -> its value, what a scene has that meets it, and what one has that does not."""
ALL_ON = {name: value for name, (value, _, _) in CONDITIONS.items()}
ALL_OFF = {name: "" if isinstance(value, str) else False for name, value in ALL_ON.items()}
MEETS = {field: value for _, meets, _ in CONDITIONS.values() for field, value in meets.items()}
FAILS = {name: fails for name, (_, _, fails) in CONDITIONS.items()}


def add_scenes(site: Site, **fields: Any) -> dict[str, tuple[int, int]]:
    """For each condition a scene that meets them all, and its item."""
    pairs = {name: site.add(f"/media/{name}.mp4", number) for number, name in enumerate(CONDITIONS, 1)}
    for scene, _ in pairs.values():
        site.stash.save_scene(scene, **MEETS | fields)
        site.hook(scene)
    return pairs


def fail_each(site: Site, pairs: dict[str, tuple[int, int]], **fields: Any) -> Answer:
    """Save each scene so that it does not meet its own condition any more, and drain."""
    for name, (scene, _) in pairs.items():
        site.stash.save_scene(scene, **fields | FAILS[name])
        site.hook(scene)
    return site.drain()


PATHS = [
    ({"only_paths": "/media/clips; /media/films/"}, True),
    ({"only_paths": "/media/film"}, False),
    ({"skip_paths": "/elsewhere; *.mp4"}, False),
    ({"only_paths": "/media", "skip_paths": "*/clips/*"}, True),
]


def test_scenes_that_meet_all_conditions_are_synced(site: Site) -> None:
    site.configure(**ALL_ON)
    pairs = add_scenes(site, title="T")
    assert site.drain().output == "5 scenes: 5 changed in Plex"
    assert {site.item(key).title for _, key in pairs.values()} == {"T"}


def test_a_scene_that_fails_one_condition_is_left_out_and_the_log_names_the_setting(site: Site) -> None:
    site.configure(**ALL_ON)
    pairs = add_scenes(site)
    before = {name: site.item(key) for name, (_, key) in pairs.items()}
    answer = fail_each(site, pairs, title="T")
    assert answer.output == "5 scenes: 5 left out by the settings"
    assert {name: site.item(key) for name, (_, key) in pairs.items()} == before
    lines = [text for level, text in answer.log if level == "i" and "left out: " in text]
    assert len(lines) == len(pairs)
    for name, (scene, _) in pairs.items():
        (line,) = [line for line in lines if line.startswith(f'Scene {scene} "T" is left out: ')]
        assert name in line
    assert site.rows() == []
    assert not any(request.path.startswith("/library/metadata/") for request in site.plex.requests)


def test_a_scene_that_meets_its_condition_no_more_is_left_as_it_is_in_plex(site: Site) -> None:
    site.configure(**ALL_ON)
    pairs = add_scenes(site, title="Before", code="C", groups=["G"], rating100=50)
    site.drain()
    before = {name: site.item(key) for name, (_, key) in pairs.items()}
    fail_each(site, pairs, title="After", code="", groups=[], rating100=None)
    assert {name: site.item(key) for name, (_, key) in pairs.items()} == before
    for scene, _ in pairs.values():
        site.stash.save_scene(scene, **MEETS)
        site.hook(scene)
    site.drain()
    for item in (site.item(key) for _, key in pairs.values()):
        assert (item.title, item.tagline, item.collections, item.user_rating) == ("After", "", [], None), "it was ours"


def test_conditions_that_are_off_ask_nothing(site: Site) -> None:
    site.configure(**ALL_OFF)
    pairs = add_scenes(site)
    fail_each(site, pairs, title="T")
    assert {site.item(key).title for _, key in pairs.values()} == {"T"}


def test_a_stash_id_without_a_value_is_none(site: Site) -> None:
    scene, _ = site.add()
    site.configure(only_stash_id=True)
    answer = site.save_and_sync(scene, stash_ids=[{"endpoint": "https://stashdb.test/graphql", "stash_id": ""}])
    assert answer.output == "1 scene: 1 left out by the settings"


@pytest.mark.parametrize(("settings", "is_in"), PATHS, ids=[str(settings) for settings, _ in PATHS])
def test_paths_that_are_in_or_out(site: Site, settings: dict[str, Any], is_in: bool) -> None:
    scene, key = site.add("/media/films/clip.mp4")
    site.configure(**settings)
    answer = site.save_and_sync(scene, title="T")
    assert (site.item(key).title == "T") is is_in
    if not is_in:
        assert answer.output == "1 scene: 1 left out by the settings"
        assert "only_paths or skip_paths" in answer.said("i")


# Several files of which one is excluded


def test_of_several_files_the_excluded_ones_item_is_not_touched(site: Site) -> None:
    one = site.plex.add_item(site.library, [("/media/films/one.mp4", 1)])
    two = site.plex.add_item(site.library, [("/media/private/two.mp4", 2)])
    scene = site.stash.add_scene(files=[("/media/private/two.mp4", 2), ("/media/films/one.mp4", 1)])
    site.configure(skip_paths="/media/private", title_template="{studio} - {title}")
    before = site.item(two)
    site.save_and_sync(scene, studio="Acme", code="C", rating100=50)
    assert site.item(one).tagline == "C"
    assert site.item(one).title == "Acme - one", "not the name of the file that is excluded"
    assert site.item(two) == before


def test_an_item_whose_file_is_excluded_from_now_on_is_left_as_it_is(site: Site) -> None:
    one = site.plex.add_item(site.library, [("/media/films/one.mp4", 1)])
    two = site.plex.add_item(site.library, [("/media/private/two.mp4", 2)])
    scene = site.stash.add_scene(files=[("/media/films/one.mp4", 1), ("/media/private/two.mp4", 2)])
    site.save_and_sync(scene, title="Before", tags=["ours"])
    before = site.item(two)
    assert before.title == "Before"
    site.configure(only_paths="/media/films")
    site.save_and_sync(scene, title="After", tags=[])
    assert (site.item(one).title, site.item(one).genres) == ("After", [])
    assert site.item(two) == before


@pytest.mark.parametrize("strict", [True, False])
def test_an_excluded_copy_of_the_same_name_is_not_taken_by_its_name(site: Site, strict: bool) -> None:
    copy = site.plex.add_item(site.library, [("/media/private/clip.mp4", 1000)])
    scene = site.stash.add_scene(files=[("/media/films/clip.mp4", 1000), ("/media/private/clip.mp4", 1000)])
    site.configure(skip_paths="/media/private", strict_matching=strict)
    before = site.item(copy)
    site.save_and_sync(scene, title="T")
    assert site.item(copy) == before
    assert len(site.rows()) == 1, "its other file is not in Plex yet"


def test_an_excluded_copy_in_another_library_is_not_taken_by_its_name(site: Site) -> None:
    private = site.plex.add_library("Private", locations=["/private"])
    copy = site.plex.add_item(private, [("/private/clip.mp4", 1000)])
    own = site.plex.add_item(site.library, [("/media/clip.mp4", 1000)])
    scene = site.stash.add_scene(files=[("/media/clip.mp4", 1000), ("/private/clip.mp4", 1000)])
    site.configure(skip_paths="/private")
    before = site.item(copy)
    site.save_and_sync(scene, title="T")
    assert site.item(own).title == "T"
    assert site.item(copy) == before


def test_a_left_out_scene_does_not_hold_up_the_others(site: Site) -> None:
    site.configure(only_organized=True)
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(60)]
    for scene, _ in pairs:
        held = site.stash.scene(scene)
        held.title, held.organized = f"T{scene}", scene % 3 == 0
        site.hook(scene)
    assert site.drain().output == "60 scenes: 20 changed in Plex, 40 left out by the settings"
    assert all((site.item(key).title == f"T{scene}") is (scene % 3 == 0) for scene, key in pairs)
    assert site.rows() == []


def test_a_scene_without_a_file_is_an_error_whatever_the_path_conditions(site: Site) -> None:
    scene = site.stash.add_scene(title="T")
    site.configure(only_paths="/media", skip_paths="/private")
    answer = site.sync(scene)
    assert "missing file path" in answer.said("e")


def test_conditions_ask_stash_for_nothing_it_does_not_know(site: Site) -> None:
    scene, _ = site.add()
    site.configure(only_organized=True, only_stash_id=True, only_tags="a", skip_tags="b", only_paths="/media")
    site.save_and_sync(scene, organized=True, stash_ids=[STASH_ID], tags=["a"])
    errors = site.stash.contract_errors()
    if errors is None:
        pytest.skip("the folder with Stash's GraphQL schema is not here")
    assert errors == []
