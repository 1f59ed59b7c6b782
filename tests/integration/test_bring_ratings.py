"""Ratings and resume points come back from Plex: the side that somebody changed counts, and nothing goes in circles."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from sync.back import ratings
from sync.stash import watched
from tests.integration.test_bring_back import NOON, SINCE, look_again, plays, synced, task
from tests.servers.plex import PlexItem
from tests.site import Answer, Site

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratings, "GAP", 0.0)


def clip(site: Site, **scene: Any) -> tuple[int, int]:
    """A scene that is in Plex and whose rating comes back; the scene's id and the item's ratingKey."""
    site.configure(bring_ratings=True, bring_since=SINCE)
    return synced(site, **scene)


def both(site: Site, scene: int, key: int) -> tuple[int | None, float | None]:
    """The rating in Stash and in Plex."""
    return site.stash.scene(scene).rating100, site.item(key).user_rating


def rate_in_stash(site: Site, scene: int, rating: int | None) -> None:
    """A person's save of a rating, whose hook has not run yet."""
    site.stash.scene(scene).rating100 = rating


def reconcile(site: Site) -> Answer:
    answer = site.call({"mode": "reconcile"})
    assert answer.error is None, answer.error
    return answer


WAYS: dict[str, Callable[[Site, int], object]] = {
    "a save": lambda site, scene: site.sync(scene),
    "the task": lambda site, scene: task(site),
    "a reconcile": lambda site, scene: reconcile(site),
    "a look": lambda site, scene: look_again(site),
    "a batch": lambda site, scene: site.call({"mode": "sync_all"}),
}


@pytest.mark.parametrize("way", ["a save", "the task", "a reconcile", "a look"])
def test_a_rating_that_was_given_in_plex_comes_to_stash(site: Site, way: str) -> None:
    scene, key = clip(site)
    site.plex.person_rates(key, 7.5)
    WAYS[way](site, scene)
    assert both(site, scene, key) == (75, 7.5)


@pytest.mark.parametrize("way", ["a save", "the task", "a reconcile", "a look"])
def test_a_rating_that_was_changed_in_plex_comes_to_stash_and_is_not_overwritten(site: Site, way: str) -> None:
    scene, key = clip(site, rating100=80)
    assert both(site, scene, key) == (80, 8.0)
    site.plex.person_rates(key, 6.0)
    WAYS[way](site, scene)
    assert both(site, scene, key) == (60, 6.0)
    rate_in_stash(site, scene, 90)
    site.sync(scene)
    assert both(site, scene, key) == (90, 9.0)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("way", ["a save", "the task", "a reconcile"])
def test_a_rating_that_was_cleared_in_plex_is_cleared_in_stash(site: Site, way: str, keeps: bool) -> None:
    site.plex.clearing_keeps_time = keeps
    scene, key = clip(site, rating100=80)
    site.plex.person_rates(key, None)
    WAYS[way](site, scene)
    assert both(site, scene, key) == (None, None)


@pytest.mark.parametrize("preserve", [False, True])
def test_both_were_changed_and_stash_wins_and_the_page_lists_it(site: Site, preserve: bool) -> None:
    site.configure(bring_ratings=True, bring_since=SINCE, preserve_plex_edits=preserve)
    scene, key = synced(site, rating100=80)
    site.plex.person_rates(key, 6.0)
    rate_in_stash(site, scene, 90)
    answer = site.sync(scene)
    assert both(site, scene, key) == (90, 9.0)
    assert "changed in Stash (9) and in Plex (6). Stash's counts" in answer.said("i")
    listed = [row for row in site.ask("history")["written"] if row["library"] == ""]
    assert [row["what"] for row in listed] == [["rating kept: 9 in Stash counts and not 6"]]


def test_both_were_changed_and_stash_told_nobody_of_it(site: Site) -> None:
    scene, key = clip(site, rating100=80)
    site.plex.person_rates(key, 6.0)
    rate_in_stash(site, scene, 90)
    task(site)
    assert site.stash.scene(scene).rating100 == 90
    reconcile(site)
    assert both(site, scene, key) == (90, 9.0)
    assert len([row for row in site.ask("history")["written"] if row["library"] == ""]) == 1


def test_both_were_rated_alike_and_then_one_is_changed(site: Site) -> None:
    scene, key = clip(site, rating100=80)
    site.plex.person_rates(key, 6.0)
    rate_in_stash(site, scene, 60)
    site.sync(scene)
    site.plex.person_rates(key, 9.0)
    task(site)
    assert both(site, scene, key) == (90, 9.0)


def test_neither_was_rated_and_then_both_are(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_rates(key, 6.0)
    rate_in_stash(site, scene, 90)
    site.sync(scene)
    assert both(site, scene, key) == (90, 9.0)


def test_changed_back_is_a_change_like_any_other(site: Site) -> None:
    scene, key = clip(site, rating100=80)
    for plex, wanted in ((6.0, 60), (8.0, 80), (None, None), (8.0, 80), (0.5, 5)):
        site.plex.person_rates(key, plex)
        task(site)
        assert both(site, scene, key) == (wanted, plex)
    for stash, shown in ((80, 8.0), (None, None), (55, 5.5)):
        rate_in_stash(site, scene, stash)
        site.sync(scene)
        assert both(site, scene, key) == (stash, shown)


def test_both_were_there_before_and_both_stay_until_one_is_changed(site: Site) -> None:
    for number, change in enumerate(("stash", "plex")):
        site.configure(bring_ratings=True, bring_since=SINCE)
        path = f"/media/{number}.mp4"
        key = site.plex.add_item(site.library, [(path, 1)])
        site.plex.person_rates(key, 6.0)
        scene = site.stash.add_scene(title="A", rating100=80, files=[(path, 1)])
        answer = site.sync(scene)
        assert "rated 8 in Stash and 6 in Plex. Both stay" in answer.said("i")
        for _ in range(2):
            task(site)
            site.sync(scene)
            assert both(site, scene, key) == (80, 6.0)
        if change == "stash":
            rate_in_stash(site, scene, 70)
            site.sync(scene)
            assert both(site, scene, key) == (70, 7.0)
        else:
            site.plex.person_rates(key, 9.0)
            task(site)
            assert both(site, scene, key) == (90, 9.0)


ORDERS = [one for one in product(("plex", "stash", "sync", "task"), repeat=3) if {"plex", "stash"} < set(one)]
"""What happens between two syncs, where both sides change."""


@pytest.mark.parametrize("changes", ORDERS, ids=" ".join)
def test_every_order_of_change_ends_alike_on_both_sides(site: Site, changes: tuple[str, ...]) -> None:
    """The last change counts; where both sides changed between two looks, Stash's does."""
    scene, key = clip(site, rating100=80)
    stash, plex = 80, 80
    agreed = 80
    for number, change in enumerate(changes):
        if change == "plex":
            plex = 10 + number
            site.plex.person_rates(key, plex / 10)
        elif change == "stash":
            stash = 50 + number
            rate_in_stash(site, scene, stash)
        else:
            site.sync(scene) if change == "sync" else task(site)
            if change == "sync" or stash == agreed:
                agreed = stash = plex = plex if stash == agreed else stash
    site.sync(scene)
    wanted = plex if stash == agreed else stash
    assert both(site, scene, key) == (wanted, wanted / 10)


def test_a_rating_is_brought_before_a_sync_of_everything_writes(site: Site) -> None:
    site.configure(bring_ratings=True, bring_since=SINCE)
    pairs = [synced(site, number=number, rating100=80) for number in range(3)]
    for scene, key in pairs:
        site.plex.person_rates(key, 6.0)
        site.stash.scene(scene).title += "!"
    site.call({"mode": "sync_all"})
    assert {both(site, *pair) for pair in pairs} == {(60, 6.0)}
    assert {site.item(key).title[-1] for _, key in pairs} == {"!"}


def test_a_rating_that_a_person_changes_meanwhile_is_not_overwritten(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, key = clip(site, rating100=80)
    site.plex.person_rates(key, 6.0)
    now = watched.rating_now

    def saved_just_before(stash: Any, scene_id: int) -> int | None:
        rate_in_stash(site, scene, 95)
        return now(stash, scene_id)

    monkeypatch.setattr(ratings, "rating_now", saved_just_before)
    task(site)
    assert site.stash.scene(scene).rating100 == 95
    site.sync(scene)
    assert both(site, scene, key) == (95, 9.5)


def test_what_fix_match_has_wiped_is_no_rating_that_somebody_cleared(site: Site) -> None:
    site.configure(bring_ratings=True, bring_since=SINCE)
    scene, key = synced(site, rating100=80, details="Details", studio="Studio")
    site.plex.person_edits(key, title="Another film", summary="", studio="Others", user_rating=None)
    site.sync(scene)
    assert both(site, scene, key) == (80, 8.0)


def test_with_sync_rating_off_plex_is_left_alone(site: Site) -> None:
    site.configure(bring_ratings=True, bring_since=SINCE, sync_rating=False)
    scene, key = synced(site)
    site.plex.person_rates(key, 6.0)
    task(site)
    assert both(site, scene, key) == (60, 6.0)
    rate_in_stash(site, scene, 90)
    site.sync(scene)
    assert both(site, scene, key) == (90, 6.0)
    site.plex.person_rates(key, 7.0)
    rate_in_stash(site, scene, 95)
    site.sync(scene)
    assert both(site, scene, key) == (95, 7.0)


def test_a_rating_of_another_form_goes_nowhere_again(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_rates(key, 7.53)
    task(site)
    assert both(site, scene, key) == (75, 7.53)
    site.plex.clear_requests()
    site.sync(scene)
    task(site)
    assert both(site, scene, key) == (75, 7.53)
    assert not site.plex.edits


@pytest.mark.parametrize("way", ["Bring back from Plex", "Process queue"])
def test_hooks_of_ratings_do_not_go_round_in_circles(live_site: Site, way: str) -> None:
    site = live_site
    site.configure()
    pairs = [site.add(f"/media/{number}.mp4", 1000 + number) for number in range(6)]
    for scene, _ in pairs:
        site.hook(scene)
    site.stash.wait_job(site.stash.press("Process queue"), 60)
    site.stash.wait_idle(60)
    site.configure(bring_ratings=True, bring_since=SINCE)
    for number, (_, key) in enumerate(pairs):
        site.plex.person_rates(key, 1.0 + number / 2)
    before = len(site.stash.hooks())
    site.plex.clear_requests()
    site.stash.wait_job(site.stash.press(way), 60)
    site.stash.wait_idle(60)
    assert [both(site, *pair) for pair in pairs] == [(10 + 5 * n, 1 + n / 2) for n in range(6)]
    assert len(site.stash.hooks()) - before == 6  # one for each rating, and none after that
    # A look takes them all at once: the rows that their own hooks have put on the queue are nobody's save.
    listings = [one for one in site.plex.requests if "lastRatedAt%3E%3E" in one.target]
    assert len(listings) <= 2
    assert len([one for one in site.stash.requests if "PlexSyncPage" in one.query]) <= 1
    site.plex.clear_requests()
    site.stash.wait_job(site.stash.press("Process queue"), 60)
    site.stash.wait_idle(60)
    assert len(site.stash.hooks()) - before == 6
    assert not site.plex.edits
    assert not site.rows()


def test_a_rating_in_two_libraries_goes_to_the_other_one_too(site: Site) -> None:
    second = site.plex.add_library("Second")
    site.configure(bring_ratings=True, bring_since=SINCE)
    key, other = (site.plex.add_item(section, [("/media/a.mp4", 1)]) for section in (site.library, second))
    scene = site.stash.add_scene(title="A", files=[("/media/a.mp4", 1)], rating100=80)
    site.sync(scene)
    site.plex.person_rates(other, 6.0)
    site.sync(scene)
    site.sync(scene)
    assert (both(site, scene, key), both(site, scene, other)) == ((60, 6.0), (60, 6.0))


def test_the_preview_says_that_a_rating_goes_to_stash_and_sends_none(site: Site) -> None:
    scene, key = clip(site, rating100=80)
    for plex, before in ((6.0, "6"), (None, "")):
        site.plex.person_rates(key, plex)
        told = site.ask("preview", scene_id=scene)["items"][0]
        row = next(row for row in told["fields"] if row["name"] == "rating")
        assert (row["why"], row["before"], row["after"], row["has"]) == ("brought", before, before, "8")
        assert both(site, scene, key) == (80, plex)


def test_the_scenes_tab_shows_what_both_sides_know(site: Site) -> None:
    site.configure()
    scene, key = synced(site, rating100=80)
    site.plex.person_plays(key, at=NOON)
    site.plex.person_pauses(key, 65, at=NOON + 9)
    site.stash.scene(scene).play_times += [NOON - 5, NOON - 7]
    site.stash.scene(scene).resume_time = 12.5
    assert site.ask("preview", scene_id=scene)["items"][0]["watched"] == {
        "stash": {"plays": 2, "played_at": NOON - 5, "rating": "8", "resume": 12.5},
        "plex": {"plays": 1, "played_at": NOON + 9, "rating": "8", "resume": 65.0},
    }


# Resume points


def points(site: Site, scene: int, key: int) -> tuple[float, float]:
    """Where somebody stopped watching: in Stash and in Plex, in seconds."""
    return site.stash.scene(scene).resume_time, _resume(site.item(key))


def _resume(item: PlexItem) -> float:
    return item.view_offset / 1000


RESUMING = {"bring_resume": True, "send_resume": True, "bring_since": SINCE}


@pytest.mark.parametrize("way", ["the task", "a reconcile", "a look"])
def test_a_scene_goes_on_where_it_was_stopped_on_the_other_side(site: Site, way: str) -> None:
    site.configure(**RESUMING)
    scene, key = synced(site)
    site.plex.person_pauses(key, 300)
    WAYS[way](site, scene)
    assert points(site, scene, key) == (300, 300)
    site.stash.scene(scene).resume_time = 420.25
    WAYS[way](site, scene)
    assert points(site, scene, key) == (420.25, 420.25)
    site.plex.person_plays(key)
    WAYS[way](site, scene)
    assert points(site, scene, key) == (0, 0)
    assert plays(site, scene) == []


def test_each_way_is_a_choice_of_its_own(site: Site) -> None:
    for number, (brings, sends) in enumerate(product((False, True), repeat=2)):
        site.configure(bring_plays=True, bring_resume=brings, send_resume=sends, bring_since=SINCE)
        here, there = synced(site, number=2 * number), synced(site, number=2 * number + 1)
        site.plex.person_pauses(here[1], 300)
        site.stash.scene(there[0]).resume_time = 200
        task(site)
        assert points(site, *here) == (300 if brings else 0, 300)
        assert points(site, *there) == (200, 200 if sends else 0)


def test_what_stash_has_gives_way_only_to_what_is_known_to_be_later(site: Site) -> None:
    site.configure(bring_resume=True, bring_since=SINCE)
    scene, key = synced(site)
    stash = site.stash.scene(scene)
    stash.resume_time = 200
    site.plex.person_pauses(key, 300, at=NOON)
    task(site)
    assert points(site, scene, key) == (200, 300)
    other, item = synced(site, number=2)
    site.stash.scene(other).resume_time = 200
    site.stash.scene(other).play_times.append(NOON - 60)
    site.plex.person_pauses(item, 300, at=NOON)
    task(site)
    assert points(site, other, item) == (300, 300)


def test_near_the_end_plex_is_told_nothing_for_it_would_count_a_play(site: Site) -> None:
    site.configure(**RESUMING)
    scene, key = synced(site)
    site.stash.scene(scene).resume_time = 1750  # of 1,800 seconds
    task(site)
    assert (_resume(site.item(key)), site.item(key).view_count) == (0, 0)


def test_a_resume_point_is_sent_once(site: Site) -> None:
    site.configure(**RESUMING)
    scene, _ = synced(site)
    site.stash.scene(scene).resume_time = 200
    for _ in range(3):
        look_again(site)
    assert len([one for one in site.plex.requests if one.path == "/:/progress"]) == 1


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_plex_that_takes_no_resume_point_sinks_nothing_else(site: Site, status: int) -> None:
    site.configure(bring_ratings=True, **RESUMING)
    pairs = [synced(site, number=number) for number in range(2)]
    for scene, key in pairs:
        site.stash.scene(scene).resume_time = 200
        site.plex.person_rates(key, 6.0)
    site.plex.fail(status=status, times=None, path_contains="/:/progress")
    answer = look_again(site)
    assert answer.error is None
    assert [site.stash.scene(scene).rating100 for scene, _ in pairs] == [60, 60]
    assert "Plex does not take the resume point" in answer.said("w")
    site.plex.clear_requests()
    task(site)
    assert not [one for one in site.plex.requests if one.path == "/:/progress"], "once is enough"


def test_a_resume_point_of_a_scene_that_is_not_in_plex(site: Site) -> None:
    site.configure(**RESUMING)
    synced(site)
    lonely = site.stash.add_scene(title="Lonely", files=[("/media/lonely.mp4", 9)])
    site.stash.scene(lonely).resume_time = 200
    site.plex.clear_requests()
    answer = look_again(site)
    assert answer.error is None
    assert not site.plex.file_searches


# What a person sees of it


def test_history_and_status_count_what_was_brought(site: Site) -> None:
    site.configure(bring_plays=True, bring_ratings=True, bring_resume=True, bring_since=SINCE)
    scene, key = synced(site)
    other, paused = synced(site, number=2)
    for second in range(3):
        site.plex.person_plays(key, at=NOON + second)
    site.plex.person_rates(key, 6.0)
    site.plex.person_pauses(paused, 65)
    task(site)
    told = site.ask("history")
    today = told["days"][-1]
    brought = {"plays brought": 3, "ratings brought": 1, "resume points brought": 1}
    assert {name: today[name] for name in brought} == brought
    rows = {(row["scene_id"], *row["what"]) for row in told["written"] if row["library"] == ""}
    assert rows == {(scene, "3 plays"), (scene, "rating"), (other, "resume point")}
    status = site.call({"mode": "status", "log": True}).said("i")
    assert "brought from Plex to Stash: 3 plays, 1 resume point, 1 rating" in status


def test_what_stash_had_already_is_counted_as_nothing(site: Site) -> None:
    site.configure(bring_plays=True, bring_since=SINCE)
    scene, key = synced(site)
    site.plex.person_plays(key, at=NOON)
    site.stash.scene(scene).play_times.append(NOON)
    task(site)
    assert "plays brought" not in site.ask("history")["days"][-1]


def test_a_state_file_of_before_gets_the_tables(site: Site) -> None:
    site.configure(bring_plays=True, bring_since=SINCE)
    scene, key = synced(site)
    with contextlib.closing(site.state()) as state:
        state.connection.executescript("DROP TABLE plays; DROP TABLE watched; DROP TABLE looked_back")
    site.plex.person_plays(key, at=NOON)
    task(site)
    assert plays(site, scene) == [NOON]


def test_every_query_is_valid_by_stashs_own_schema(site: Site) -> None:
    site.configure(bring_plays=True, bring_ratings=True, **RESUMING)
    scene, key = synced(site)
    other, _ = synced(site, number=2)
    site.plex.person_plays(key, at=NOON)
    site.plex.person_rates(key, 6.0)
    site.plex.person_pauses(key, 65)
    site.stash.scene(other).resume_time = 200
    look_again(site)
    task(site)
    reconcile(site)
    asked = " ".join(site.stash.queries())
    for name in ("PlexSyncPlays", "PlexSyncRate", "PlexSyncRating", "PlexSyncResume", "PlexSyncResumePoints"):
        assert f" {name}" in asked
    errors = site.stash.contract_errors()
    if errors is None:
        pytest.skip("the schema of a real Stash is not here")
    assert errors == []
    assert (site.stash.scene(scene).rating100, site.secrets_on_disk()) == (60, [])
