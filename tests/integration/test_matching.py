"""Which item a scene's file is, from a save to Plex, over both servers."""

from __future__ import annotations

import unicodedata

import pytest

from sync.plex import file_index, sections
from sync.queue.dead_letters import DeadLetter
from sync.worker import locate
from tests.site import Answer, Site

pytestmark = pytest.mark.integration

SEARCH = "PlexSyncNamesakes"


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks for what is new in Plex."""
    monkeypatch.setattr(file_index, "LOOK_PAUSE", 0.0)


def put(site: Site, path: str, size: int = 1000, **more: object) -> int:
    """An item in Plex."""
    return site.plex.add_item(site.library, [(path, size)], **more)  # type: ignore[arg-type]


def scene(site: Site, title: str, *paths: str, size: int = 1000) -> int:
    """A scene in Stash."""
    return site.stash.add_scene(title=title, files=[(path, size) for path in paths])


def titles(site: Site, *keys: int) -> list[str]:
    return [site.item(key).title for key in keys]


def together(site: Site, *scenes: int) -> Answer:
    """One drain for several scenes."""
    for number in scenes:
        site.hook(number)
    return site.drain()


def letters(site: Site) -> dict[int, DeadLetter]:
    return {letter.scene_id: letter for letter in site.dead_letters()}


def waiting(site: Site) -> dict[int, str]:
    """Scene -> the error that it waits with."""
    return {job["scene_id"]: job["last_error_type"] for job, _ in site.rows()}


def searches(site: Site) -> int:
    return len(site.stash.plugin_requests(SEARCH))


def listings(site: Site) -> int:
    """Pages of listings that Plex was asked for."""
    pages = [one for one in site.plex.requests if one.path.endswith("/all") and one.method == "GET"]
    return len([page for page in pages if "file" not in page.query])


# A name that other scenes have, too


def test_a_name_that_is_nearer_to_another_scene_is_the_other_scenes(site: Site) -> None:
    key = put(site, "/media/b/x.mp4")
    a, b = scene(site, "A", "/data/a/x.mp4"), scene(site, "B", "/data/b/x.mp4")
    answer = site.sync(a)
    assert titles(site, key) == ["x"]
    assert waiting(site) == {a: "PlexNotFound"}
    assert "another scene's" in answer.said("w")
    site.sync(b)
    assert titles(site, key) == ["B"]


@pytest.mark.parametrize("order", [1, -1])
def test_it_does_not_depend_on_who_comes_first_in_a_batch(site: Site, order: int) -> None:
    key = put(site, "/media/b/x.mp4")
    a, b = scene(site, "A", "/data/a/x.mp4"), scene(site, "B", "/data/b/x.mp4")
    together(site, *[a, b][::order])
    assert titles(site, key) == ["B"]
    assert waiting(site) == {a: "PlexNotFound"}


two_orders = pytest.mark.parametrize(("at_once", "order"), [(True, 1), (False, -1)])


def two_as_near(site: Site, at_once: bool, order: int) -> tuple[int, list[int]]:
    """An item, and two scenes that are as near to it and are synced."""
    key = put(site, "/media/c/x.mp4")
    both = [scene(site, "A", "/data/a/x.mp4"), scene(site, "B", "/data/b/x.mp4")]
    for group in [both] if at_once else [[number] for number in both[::order]]:
        together(site, *group)
    return key, both


@two_orders
def test_two_scenes_that_are_as_near_are_an_error_that_names_them(site: Site, at_once: bool, order: int) -> None:
    key, both = two_as_near(site, at_once, order)
    assert titles(site, key) == ["x"]
    found = letters(site)
    assert set(found) == set(both)
    for number, other in (both, both[::-1]):
        assert found[number].error_type == "PlexPermanentError"
        assert f"scene {other}" in found[number].message
        assert f'Plex item {key} "x" (/media/c/x.mp4)' in found[number].message
        assert "path_map" in found[number].message


@two_orders
def test_without_strict_matching_the_lower_scene_gets_it(site: Site, at_once: bool, order: int) -> None:
    site.configure(strict_matching=False)
    key, _ = two_as_near(site, at_once, order)
    assert titles(site, key) == ["A"]


def test_a_path_map_ends_the_doubt(site: Site) -> None:
    key = put(site, "/media/c/x.mp4")
    both = [scene(site, "A", "/data/a/x.mp4"), scene(site, "B", "/data/b/x.mp4")]
    together(site, *both)
    site.configure(path_map="/data/b=/media/c")
    together(site, *both)
    assert titles(site, key) == ["B"]


def test_a_rival_that_is_gone_from_stash_is_none(site: Site) -> None:
    key = put(site, "/media/c/x.mp4")
    other, mine = scene(site, "A", "/data/a/x.mp4"), scene(site, "B", "/data/b/x.mp4")
    site.stash.remove_scene(other)
    site.sync(mine)
    assert titles(site, key) == ["B"]


def test_a_rival_whose_very_path_plex_has_is_none(site: Site) -> None:
    other = site.plex.add_library("Other")
    theirs = site.plex.add_item(other, [("/data/a/x.mp4", 1000)])
    key = put(site, "/media/c/x.mp4")
    scene(site, "A", "/data/a/x.mp4")
    mine = scene(site, "B", "/foreign/b/x.mp4")
    site.sync(mine)
    # In the other library the very path is scene A's, so the item here is the only one left.
    assert titles(site, theirs, key) == ["x", "B"]


def test_all_of_them_being_other_scenes_means_that_plex_has_it_not_yet(site: Site) -> None:
    keys = [put(site, f"/media/{d}/x.mp4") for d in "ab"]
    for d in "ab":
        scene(site, d, f"/media/{d}/x.mp4")
    missing = scene(site, "New", "/media/c/x.mp4")
    site.sync(missing)
    assert waiting(site) == {missing: "PlexNotFound"}
    later = put(site, "/media/c/x.mp4")
    site.drain(by_hand=True)
    assert titles(site, *keys, later) == ["x", "x", "New"]


def test_not_strict_gives_each_scene_its_nearest(site: Site) -> None:
    site.configure(strict_matching=False)
    keys = {d: put(site, f"/media/{d}/x.mp4") for d in "abcd"}
    scenes = [scene(site, d, f"/data/{d}/x.mp4") for d in "dbca"]
    together(site, *scenes)
    assert {d: site.item(key).title for d, key in keys.items()} == {d: d for d in "abcd"}
    assert site.rows() == []


def test_a_scenes_second_file_that_is_another_scenes_by_its_name(site: Site) -> None:
    mine, theirs = put(site, "/media/a.mp4"), put(site, "/media/z/x.mp4")
    scene(site, "Theirs", "/data/z/x.mp4")
    both = scene(site, "Mine", "/media/a.mp4", "/data/q/x.mp4")
    site.sync(both)
    assert titles(site, mine, theirs) == ["Mine", "x"]
    assert site.rows() == []


# What it costs Stash


def test_a_match_by_the_path_asks_stash_for_nothing_more(site: Site) -> None:
    number, _ = site.add("/media/a/x.mp4")
    scene(site, "Other", "/media/b/x.mp4")
    site.save_and_sync(number, title="First")
    assert searches(site) == 0


def test_a_match_by_name_is_asked_for_once(site: Site) -> None:
    key = put(site, "/media/x.mp4")
    number = scene(site, "First", "/data/x.mp4")
    site.sync(number)
    assert searches(site) == 1
    for title in ("Second", "Third"):
        site.save_and_sync(number, title=title)
    assert titles(site, key) == ["Third"]
    assert searches(site) == 1
    site.plex.replace_files(key, [("/media/moved/x.mp4", 1000)])
    site.save_and_sync(number, title="Fourth")
    assert titles(site, key) == ["Fourth"]
    assert searches(site) == 1, "it holds the item, which has a file of this name still"


def test_a_batch_asks_in_one_request(site: Site) -> None:
    keys = [put(site, f"/media/{n}.mp4", n) for n in range(1, 31)]
    scenes = [scene(site, f"S{n}", f"/data/{n}.mp4", size=n) for n in range(1, 31)]
    together(site, *scenes)
    assert titles(site, *keys) == [f"S{n}" for n in range(1, 31)]
    assert searches(site) == 1


def test_a_name_that_very_many_scenes_have(site: Site) -> None:
    key = put(site, "/media/f9/x.mp4")
    scenes = [scene(site, f"S{n}", f"/data/f{n}/x.mp4") for n in range(520)]
    together(site, scenes[0], scenes[9], scenes[519])
    assert titles(site, key) == ["S9"]
    assert searches(site) == 2, "two pages, for all of them"


def test_of_a_crowd_only_what_is_chosen_is_read(site: Site) -> None:
    count = locate.DOUBTFUL * 3
    theirs = [put(site, f"/media/f{n}/x.mp4") for n in range(count)]
    for n in range(count):
        scene(site, f"S{n}", f"/media/f{n}/x.mp4")
    key = put(site, "/media/mine/x.mp4")
    mine = scene(site, "Mine", "/foreign/mine/x.mp4")
    site.sync(mine)
    assert titles(site, key) == ["Mine"]
    assert set(titles(site, *theirs)) == {"x"}
    reads = [request.path for request in site.plex.requests if request.path.startswith("/library/metadata/")]
    assert set(reads) == {f"/library/metadata/{key}"}


def test_one_of_a_crowd_that_is_not_what_the_index_says(site: Site) -> None:
    site.configure(strict_matching=False)
    keys = [put(site, f"/media/f{n}/x.mp4") for n in range(locate.DOUBTFUL * 2)]
    first, other = scene(site, "First", "/data/f3/x.mp4"), scene(site, "Other", "/data/f5/x.mp4")
    site.sync(first)
    assert titles(site, keys[3]) == ["First"]
    site.plex.replace_files(keys[5], [("/media/f5/quite another.mp4", 5)])
    site.plex.remove_item(keys[6])
    site.sync(other, by_hand=True)
    assert titles(site, keys[5]) == ["x"]


def test_the_question_fits_stashs_own_schema(site: Site) -> None:
    put(site, "/media/x.mp4")
    site.sync(scene(site, "Any", "/data/x.mp4"))
    assert site.stash.plugin_requests(SEARCH)
    errors = site.stash.contract_errors()
    if errors is None:
        pytest.skip("the folder with Stash's GraphQL schema is not here")
    assert errors == []


def test_a_stash_that_fails_at_that_costs_no_try(site: Site) -> None:
    key = put(site, "/media/x.mp4")
    number = scene(site, "Mine", "/data/x.mp4")
    site.stash.fail("status", status=502, times=None, query_contains=SEARCH)
    site.sync(number)
    assert titles(site, key) == ["x"]
    ((job, _),) = site.rows()
    assert job.get("retry_count", 0) == 0
    site.stash.clear_faults()
    site.drain(by_hand=True)
    assert titles(site, key) == ["Mine"]


AWKWARD = [
    'a "quoted" name.mp4',
    "it's 100%.mp4",
    "under_score.mp4",
    "two  blanks .mp4",
    " leading.mp4",
    "back\\slash.mp4",
    'ends with a quote"',
    '"starts with one.mp4',
    "a'; DROP TABLE scenes;--.mp4",
    "[brackets] (and) {braces}.mp4",
    "日本語の名前.mp4",
    "emoji 🎬.mp4",
    "#hash & ampersand + plus = equals.mp4",
    "%.mp4",
    "_",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_a_rival_is_found_whatever_the_name_has_in_it(site: Site, name: str) -> None:
    key = put(site, f"/media/b/{name}", title="Untouched")
    a, b = scene(site, "A", f"/data/a/{name}"), scene(site, "B", f"/data/b/{name}")
    site.sync(a)
    assert titles(site, key) == ["Untouched"]
    site.sync(b)
    assert titles(site, key) == ["B"]
    assert waiting(site) == {a: "PlexNotFound"}


@pytest.mark.parametrize("forms", ["NFC NFD", "NFD NFC"])
def test_a_rival_is_found_in_either_form_of_unicode(site: Site, forms: str) -> None:
    one, other = forms.split()
    name = "Zoë – Été à Łódź が.mp4"
    key = put(site, "/media/b/" + unicodedata.normalize(one, name), title="Untouched")
    a = scene(site, "A", "/data/a/" + unicodedata.normalize(one, name))
    b = scene(site, "B", "/data/b/" + unicodedata.normalize(other, name))
    site.sync(a)
    assert titles(site, key) == ["Untouched"]
    site.sync(b)
    assert titles(site, key) == ["B"]


def test_a_rival_on_windows(site: Site) -> None:
    site.plex.platform = "Windows"
    key = put(site, "E:\\Media\\B\\X.mp4")
    a, b = scene(site, "A", "D:\\data\\a\\x.mp4"), scene(site, "B", "D:\\data\\b\\x.mp4")
    site.sync(a)
    assert titles(site, key) == ["X"]
    site.sync(b)
    assert titles(site, key) == ["B"]


# An item that a scene holds by its name


def test_a_nearer_scene_takes_an_item_that_was_held_by_name(site: Site) -> None:
    key = put(site, "/media/b/x.mp4")
    a = scene(site, "A", "/data/a/x.mp4")
    site.sync(a)
    assert titles(site, key) == ["A"]
    b = scene(site, "B", "/data/b/x.mp4")
    site.sync(b)
    assert titles(site, key) == ["B"]
    site.save_and_sync(a, title="A again")
    assert titles(site, key) == ["B"]
    assert waiting(site) == {a: "PlexNotFound"}


def test_a_scene_as_near_as_the_holder_takes_nothing(site: Site) -> None:
    key = put(site, "/media/c/x.mp4")
    a = scene(site, "A", "/data/a/x.mp4")
    site.sync(a)
    b = scene(site, "B", "/data/b/x.mp4")
    site.sync(b)
    assert titles(site, key) == ["A"]
    assert f"scene {a}" in letters(site)[b].message


# Merged items


@pytest.mark.parametrize("prefix", ["/media", "/data"], ids=["by path", "by name"])
@two_orders
def test_two_scenes_merged_into_one_item_are_a_conflict(site: Site, prefix: str, at_once: bool, order: int) -> None:
    key = site.plex.add_item(site.library, [("/media/one.mp4", 1), ("/media/two.mp4", 2)])
    one = scene(site, "One", f"{prefix}/one.mp4", size=1)
    two = scene(site, "Two", f"{prefix}/two.mp4", size=2)
    first, second = [one, two][::order]
    if at_once:
        together(site, first, second)
    else:
        site.sync(first)
        site.sync(second)
    (holder,) = {one, two} - set(letters(site))
    assert site.item(key).title == site.stash.scene(holder).title
    ((loser, letter),) = letters(site).items()
    assert "conflict" in letter.message
    assert f"scene {holder} and of scene {loser}" in letter.message
    assert "Split the item in Plex" in letter.message
    assert at_once or holder == first


@pytest.mark.parametrize("strict", [True, False])
def test_a_name_gets_no_item_that_holds_another_scenes_path(site: Site, strict: bool) -> None:
    site.configure(strict_matching=strict)
    key = site.plex.add_item(site.library, [("/media/one.mp4", 1), ("/media/two.mp4", 2)], title="Merged")
    one = scene(site, "One", "/media/one.mp4", size=1)
    two = scene(site, "Two", "/data/two.mp4", size=2)
    site.sync(two)
    assert titles(site, key) == ["Merged"]
    assert f"conflict: Plex item {key}" in letters(site)[two].message
    site.sync(one)
    assert titles(site, key) == ["One"]


def test_a_conflict_ends_when_the_other_scene_is_gone(site: Site) -> None:
    key = site.plex.add_item(site.library, [("/media/one.mp4", 1), ("/media/two.mp4", 2)])
    one, two = scene(site, "One", "/media/one.mp4", size=1), scene(site, "Two", "/media/two.mp4", size=2)
    site.sync(one)
    site.stash.remove_scene(one)
    site.sync(two)
    assert titles(site, key) == ["Two"]
    assert letters(site) == {}


def test_a_conflict_ends_when_the_item_is_split(site: Site) -> None:
    key = site.plex.add_item(site.library, [("/media/one.mp4", 1), ("/media/two.mp4", 2)])
    one, two = scene(site, "One", "/media/one.mp4", size=1), scene(site, "Two", "/media/two.mp4", size=2)
    together(site, one, two)
    site.plex.replace_files(key, [("/media/one.mp4", 1)])
    split = put(site, "/media/two.mp4", 2)
    together(site, one, two)
    assert titles(site, key, split) == ["One", "Two"]


def test_a_path_takes_a_merged_item_from_a_name_alone(site: Site) -> None:
    key = site.plex.add_item(site.library, [("/media/one.mp4", 1), ("/media/two.mp4", 2)])
    by_name = scene(site, "One", "/data/one.mp4", size=1)
    site.sync(by_name)
    assert titles(site, key) == ["One"]
    exact = scene(site, "Two", "/media/two.mp4", size=2)
    site.sync(exact)
    assert titles(site, key) == ["Two"]
    assert letters(site) == {}
    site.save_and_sync(by_name, title="One again")
    assert titles(site, key) == ["Two"]
    assert "conflict" in letters(site)[by_name].message


def test_two_versions_and_two_parts_of_one_scene(site: Site) -> None:
    versions = site.plex.add_item(site.library, [("/media/hd/v.mp4", 2), ("/media/sd/v.mp4", 1)])
    parts = site.plex.add_item(site.library, [("/media/p1.mp4", 3), ("/media/p2.mp4", 4)], parts=True)
    one = site.stash.add_scene(title="V", files=[("/media/sd/v.mp4", 1), ("/media/hd/v.mp4", 2)])
    two = site.stash.add_scene(title="P", files=[("/data/p2.mp4", 4)])
    together(site, one, two)
    assert titles(site, versions, parts) == ["V", "P"]
    assert site.rows() == []


# The same name, the same file


def test_the_same_file_in_two_libraries_by_its_name(site: Site) -> None:
    other = site.plex.add_library("Other")
    keys = [put(site, "/media/a/x.mp4"), site.plex.add_item(other, [("/mnt/a/x.mp4", 1000)])]
    number = scene(site, "Both", "/data/a/x.mp4")
    site.sync(number)
    assert titles(site, *keys) == ["Both", "Both"]
    assert searches(site) == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "path_map"),
    [
        pytest.param("D:\\Clips\\A\\x.mp4", "/media/a/x.mp4", "D:\\Clips\\A=/media/a", id="Windows to POSIX"),
        pytest.param("/mnt/v/a/x.mp4", "\\\\nas\\v\\a\\x.mp4", "/mnt/v=\\\\nas\\v", id="POSIX to a share"),
        pytest.param('/it\'s 100%/"x".mp4', '/%41/"x".mp4', "/it's 100%=/%41", id="quotes and percent"),
    ],
)
def test_path_map_leads_to_the_very_path(site: Site, ours: str, theirs: str, path_map: str) -> None:
    key, decoy = put(site, theirs, title="Untouched"), put(site, "/decoy/x.mp4", title="Untouched")
    site.configure(path_map=path_map)
    number = scene(site, "Mine", ours)
    site.sync(number)
    assert titles(site, key, decoy) == ["Mine", "Untouched"]
    assert searches(site) == 0, "by the path"


def test_two_names_that_only_their_form_of_unicode_tells_apart(site: Site) -> None:
    forms = [unicodedata.normalize(form, "/media/é.mp4") for form in ("NFC", "NFD")]
    keys = [put(site, path) for path in forms]
    together(site, *[scene(site, f"S{n}", path) for n, path in enumerate(forms)])
    assert titles(site, *keys) == ["S0", "S1"]


# Things that move


def test_a_file_that_moved_is_followed_by_the_scans_hook(site: Site) -> None:
    number, key = site.add("/media/old/x.mp4")
    site.save_and_sync(number, title="Before")
    site.stash.scene(number).files[0].path = "/media/new/x.mp4"
    site.stash.scene(number).title = "Stash knows"
    site.hook(number, inputFields=None)
    site.drain()
    assert titles(site, key) == ["Stash knows"], "by its name, as long as Plex has not looked"
    site.plex.replace_files(key, [("/media/new/x.mp4", 1000)])
    site.save_and_sync(number, title="Both know")
    assert titles(site, key) == ["Both know"]


def test_two_items_that_exchange_their_paths(site: Site) -> None:
    one, first = site.add("/media/a/x.mp4")
    two, second = site.add("/media/b/x.mp4")
    site.save_and_sync(one, title="One")
    site.save_and_sync(two, title="Two")
    site.plex.replace_files(first, [("/media/b/x.mp4", 1000)])
    site.plex.replace_files(second, [("/media/a/x.mp4", 1000)])
    site.stash.save_scene(one, title="One!")
    site.sync(one, by_hand=True)
    assert site.item(second).title == "One!"
    assert site.item(first).title == "One", "not written to: it is the other scene's by now"
    site.stash.save_scene(two, title="Two!")
    site.sync(two, by_hand=True)
    assert titles(site, first, second) == ["Two!", "One!"]


def test_an_item_that_got_another_file_is_not_written_to(site: Site) -> None:
    number, key = site.add("/media/x.mp4")
    site.save_and_sync(number, title="Before")
    site.plex.replace_files(key, [("/media/quite another.mp4", 5)])
    site.save_and_sync(number, title="After")
    assert titles(site, key) == ["Before"]
    assert waiting(site) == {number: "PlexNotFound"}
    again = put(site, "/media/x.mp4")
    site.drain(by_hand=True)
    assert titles(site, key, again) == ["Before", "After"]


def test_an_item_that_was_removed_and_added_again(site: Site) -> None:
    number, key = site.add("/media/a/x.mp4")
    site.save_and_sync(number, title="Before", tags=["old"])
    site.plex.remove_item(key)
    again = put(site, "/media/a/x.mp4")
    site.plex.clear_requests()
    site.save_and_sync(number, title="After")
    assert titles(site, again) == ["After"]
    assert listings(site) == 0, "one request by the name, no listing"
    state = site.state()
    held = state.connection.execute("SELECT scene_id, rating_key FROM items").fetchall()
    state.close()
    assert held == [(number, again)], "the old one is forgotten"


def test_an_item_that_was_added_again_is_found_by_its_name(site: Site) -> None:
    key = put(site, "/media/x.mp4")
    number = scene(site, "Before", "/data/x.mp4")
    site.sync(number)
    site.plex.remove_item(key)
    again = put(site, "/media/x.mp4")
    site.save_and_sync(number, title="After")
    assert titles(site, again) == ["After"]


def test_a_library_that_shrank(site: Site) -> None:
    made = [site.add(f"/media/{n}.mp4", n + 1) for n in range(20)]
    together(site, *[number for number, _ in made])
    for _, key in made[::2]:
        site.plex.remove_item(key)
    for number, _ in made:
        site.stash.save_scene(number, title=f"Scene {number}")
    together(site, *[number for number, _ in made])
    assert [site.item(key).title for _, key in made[1::2]] == [f"Scene {number}" for number, _ in made[1::2]]
    assert set(waiting(site)) == {number for number, _ in made[::2]}


# The index


def test_the_index_is_listed_in_pages_and_then_only_looked_at_for_what_is_new(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_index, "PAGE", 10)
    monkeypatch.setattr(file_index, "NEW_PAGE", 5)
    site.plex.file_search = "refuses"
    made = [site.add(f"/media/{n}.mp4", n + 1) for n in range(35)]
    site.save_and_sync(made[0][0], title="First")
    assert listings(site) == 4
    for number, _ in made[1:]:
        site.hook(number)
    site.plex.clear_requests()
    site.drain()
    assert listings(site) == 0
    late = [site.add(f"/media/late {n}.mp4", 100 + n) for n in range(7)]
    site.plex.clear_requests()
    site.save_and_sync(late[0][0], title="Late")
    assert site.item(late[0][1]).title == "Late"
    assert listings(site) == 3, "two pages with what is new and one without"


def test_a_library_that_shrinks_while_it_is_listed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_index, "PAGE", 5)
    site.plex.file_search = "ignores"
    made = [site.add(f"/media/{n}.mp4", n + 1) for n in range(20)]
    whole = sections.listing
    asked: list[int] = []

    def page(client: object, section: object, start: int, *rest: object) -> object:
        if "addedAt:asc" in rest:
            asked.append(start)
        if len(asked) == 2:
            for _, key in made[:3]:
                site.plex.remove_item(key)
        return whole(client, section, start, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sections, "listing", page)
    site.save_and_sync(made[10][0], title="Any")
    state = site.state()
    known = {row[0] for row in state.connection.execute("SELECT rating_key FROM plex_files")}
    state.close()
    assert known >= {key for _, key in made[3:]}, "no item of a page's end was passed over"


def test_items_without_a_file_are_nothing_new(site: Site) -> None:
    number, _ = site.add("/media/a.mp4")
    site.save_and_sync(number, title="A")
    for _ in range(3):
        site.plex.add_item(site.library, [], title="No file yet")
    lost = scene(site, "Lost", "/media/lost.mp4")
    site.hook(lost)
    site.drain()
    state = site.state()
    index_rows = state.connection.execute("SELECT count(*) FROM plex_files").fetchone()[0]
    state.close()
    assert index_rows == 1
    site.plex.clear_requests()
    other, key = site.add("/media/b.mp4")
    site.save_and_sync(other, title="B")
    assert site.item(key).title == "B"


def test_a_size_that_changed_in_plex_is_read_before_a_write(site: Site) -> None:
    key = put(site, "/media/b/x.mp4", 1000)
    number = scene(site, "First", "/data/q/x.mp4")
    site.sync(number)
    assert titles(site, key) == ["First"]
    site.plex.replace_files(key, [("/media/b/x.mp4", 999)])
    site.save_and_sync(number, title="Second")
    assert titles(site, key) == ["First"]
    assert waiting(site) == {number: "PlexNotFound"}


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("sizes", [(1001, 1002), (1000, 1000)], ids=["other sizes", "equal sizes"])
def test_a_merged_item_whose_files_have_one_name_stays_with_the_first_scene(
    site: Site, strict: bool, sizes: tuple[int, int]
) -> None:
    site.configure(strict_matching=strict)
    key = site.plex.add_item(site.library, [("/m/x/s.mp4", sizes[0]), ("/m/y/s.mp4", sizes[1])])
    one = site.stash.add_scene(title="One", files=[("/d/x/s.mp4", sizes[0])])
    two = site.stash.add_scene(title="Two", files=[("/d/y/s.mp4", sizes[1])])
    site.sync(one)
    assert site.item(key).title == "One"
    for _ in range(2):
        answer = site.sync(two)
        assert site.item(key).title == "One"
        assert f"conflict: Plex item {key}" in answer.said("e")
        assert site.sync(one).error is None
    site.plex.replace_files(key, [("/m/y/s.mp4", sizes[1])])
    site.sync(two)
    assert site.item(key).title == "Two", "the other scene's file is gone from the item"
