"""What was watched and rated in Plex comes back to Stash: plays once each, resume points, the rating that counts."""

from __future__ import annotations

import contextlib
import io
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import data_folder
from sync.back import ratings
from sync.back.decide import NEAR
from sync.back.plays import Plays
from sync.bulk import runner
from sync.command_line.main import main
from sync.stash.client import StashClient
from tests.servers.stash_data import Scene
from tests.site import Answer, Child, Site

pytestmark = pytest.mark.integration

DAY = 86_400
NOON = int(time.time()) // DAY * DAY - 400 * DAY + DAY // 2
"""A noon a year ago."""
SINCE = "2000-01-01"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratings follow one another without a pause."""
    monkeypatch.setattr(ratings, "GAP", 0.0)


def task(site: Site, **args: Any) -> Answer:
    """The task "Bring back from Plex"."""
    answer = site.call({"mode": "bring_back", **args})
    assert answer.error is None, answer.error
    return answer


def synced(site: Site, *, number: int = 1, path: str = "", **scene: Any) -> tuple[int, int]:
    """A scene that is in Plex; the scene's id and the item's ratingKey."""
    path = path or f"/media/clip {number}.mp4"
    key = site.plex.add_item(site.library, [(path, 1000 + number)])
    scene_id = site.stash.add_scene(files=[(path, 1000 + number)], **{"title": f"Clip {number}", **scene})
    answer = site.sync(scene_id)
    assert answer.error is None, answer.error
    return scene_id, key


def clip(site: Site, **scene: Any) -> tuple[int, int]:
    """A scene that is in Plex and whose plays come back; the scene's id and the item's ratingKey."""
    site.configure(bring_plays=True, bring_since=SINCE)
    return synced(site, **scene)


def plays(site: Site, scene: int) -> list[int]:
    return sorted(site.stash.scene(scene).play_times)


def history_requests(site: Site) -> list[str]:
    return [one.target for one in site.plex.requests if one.path == "/status/sessions/history/all"]


def look_again(site: Site) -> Answer:
    """A run some time after the last look."""
    with contextlib.closing(site.state()) as state, state.transaction() as connection:
        connection.execute("UPDATE looked_back SET at = at - 700")
    return site.drain()


# Plays


def test_each_play_in_plex_becomes_a_play_in_stash_at_its_own_second(site: Site) -> None:
    scene, key = clip(site)
    for at in (NOON, NOON + 1, NOON + DAY):
        site.plex.person_plays(key, at=at)
    answer = task(site)
    assert plays(site, scene) == [NOON, NOON + 1, NOON + DAY]
    assert answer.output == "Bring back from Plex: 1 scene: 1 looked at and left. Brought: 3 plays"
    assert f'Bring back from Plex brought 3 plays (Scene {scene} "Clip 1" at ' in answer.said("i")
    assert f'Scene {scene} "Clip 1": brought 3 plays from Plex' in answer.said("i")
    again = task(site)
    assert plays(site, scene) == [NOON, NOON + 1, NOON + DAY]
    assert "found nothing new in Plex" in again.said()


def test_all_of_it_is_off_until_it_is_switched_on(site: Site) -> None:
    site.configure()
    scene, key = synced(site)
    site.plex.person_plays(key)
    site.plex.person_rates(key, 6.0)
    site.plex.person_pauses(key, 300)
    site.plex.clear_requests()
    site.sync(scene)
    site.call({"mode": "reconcile"})
    stash = site.stash.scene(scene)
    assert (stash.play_times, stash.resume_time, stash.rating100) == ([], 0.0, None)
    assert not history_requests(site)
    assert "switch on one of bring_plays" in task(site).said("w")


def test_a_play_arrives_at_the_end_of_the_next_run(site: Site) -> None:
    scene, key = clip(site)
    other, _ = synced(site, number=2)
    site.plex.person_plays(key, at=NOON)
    with contextlib.closing(site.state()) as state, state.transaction() as connection:
        connection.execute("DELETE FROM looked_back")
    site.sync(other)
    assert plays(site, scene) == [NOON]


def test_plex_is_asked_for_its_history_once_in_ten_minutes(site: Site) -> None:
    site.configure(bring_plays=True)
    scene, key = synced(site)
    site.plex.clear_requests()
    site.sync(scene)
    assert not history_requests(site)
    look_again(site)
    assert len(history_requests(site)) == 1
    assert "accountID=1&" in history_requests(site)[0]
    site.plex.person_plays(key)
    look_again(site)
    assert len(plays(site, scene)) == 1


def test_a_look_asks_for_what_is_new_alone(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_plays(key)
    site.plex.clear_requests()
    look_again(site)
    assert len(plays(site, scene)) == 1
    (asked,) = history_requests(site)
    assert time.time() - int(asked.partition("viewedAt%3E=")[2].partition("&")[0]) < 2 * DAY + 900


def test_it_begins_with_the_day_on_which_it_was_switched_on(site: Site) -> None:
    site.configure()
    key = site.plex.add_item(site.library, [("/media/a.mp4", 1)])
    site.plex.person_plays(key, at=NOON)
    site.plex.person_rates(key, 6.0, at=NOON)
    scene = site.stash.add_scene(title="A", files=[("/media/a.mp4", 1)])
    site.sync(scene)
    today = time.strftime("%Y-%m-%d")
    site.configure(bring_plays=True, bring_resume=True, bring_ratings=True)
    other, paused = synced(site, number=2)
    site.plex.person_pauses(paused, 300, at=NOON)
    task(site)
    assert site.stash.plugin_settings["bring_since"] in (today, time.strftime("%Y-%m-%d"))  # over midnight
    stash = site.stash.scene(scene)
    assert (stash.play_times, stash.rating100, site.stash.scene(other).resume_time) == ([], None, 0.0)
    task(site, since="2020-01-01")
    assert (plays(site, scene), site.stash.scene(other).resume_time) == ([NOON], 300.0)


@pytest.mark.parametrize("since", ["yesterday", "2024-13-01", 7])
def test_a_day_that_is_none_is_named(site: Site, since: object) -> None:
    site.configure(bring_plays=True)
    answer = site.call({"mode": "bring_back", "since": since})
    assert answer.error
    assert "args.since is" in answer.error


def test_a_dry_run_says_what_it_would_bring_and_writes_nothing(site: Site) -> None:
    site.configure(bring_plays=True, bring_resume=True, bring_ratings=True, bring_since=SINCE)
    scene, key = synced(site)
    other, paused = synced(site, number=2)
    site.plex.person_plays(key, at=NOON)
    site.plex.person_rates(key, 7.5)
    site.plex.person_pauses(paused, 65)
    before = [dict(vars(site.stash.scene(one))) for one in (scene, other)]
    answer = task(site, dry_run="true")
    assert [dict(vars(site.stash.scene(one))) for one in (scene, other)] == before
    said = answer.said()
    assert "Bring back from Plex (dry run) would bring 1 play (" in said
    assert f'Scene {scene} "Clip 1": 7.5' in said
    assert f'Scene {other} "Clip 2" to 0:01:05 in Stash' in said
    task(site)
    assert (plays(site, scene), site.stash.scene(scene).rating100) == ([NOON], 75)
    assert site.stash.scene(other).resume_time == 65.0


@pytest.mark.parametrize("beside", [0, 4, -7])
def test_a_play_that_stash_has_already_is_not_added(site: Site, beside: int) -> None:
    scene, key = clip(site)
    site.stash.scene(scene).play_times.append(NOON + beside)
    site.plex.person_plays(key, at=NOON)
    task(site)
    assert plays(site, scene) == [NOON + beside]


def test_a_play_that_was_brought_stands_for_no_other_some_seconds_later(site: Site) -> None:
    scene, key = clip(site)
    for at in (NOON, NOON + 5):
        site.plex.person_plays(key, at=at)
        task(site)
    assert plays(site, scene) == [NOON, NOON + 5]


def test_a_play_that_is_deleted_in_stash_stays_deleted(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_plays(key, at=NOON)
    task(site)
    site.stash.scene(scene).play_times.clear()
    task(site)
    assert plays(site, scene) == []


def test_a_play_that_is_deleted_in_plex_stays_in_stash(site: Site) -> None:
    scene, key = clip(site)
    number = site.plex.person_plays(key, at=NOON)
    task(site)
    site.plex.forget_view(number)
    task(site)
    assert plays(site, scene) == [NOON]


@pytest.mark.parametrize("follow", [True, False])
def test_an_item_that_comes_back_with_another_number_brings_nothing_twice(site: Site, follow: bool) -> None:
    site.configure(bring_plays=True, bring_since=SINCE)
    site.plex.views_follow = follow
    scene, key = synced(site)
    site.plex.person_plays(key, at=NOON)
    task(site)
    new = site.plex.rekey_item(key)
    site.sync(scene)
    site.plex.person_plays(new, at=NOON + DAY)
    task(site)
    assert plays(site, scene) == [NOON, NOON + DAY]


def test_a_state_that_was_lost_brings_nothing_twice(site: Site) -> None:
    scene, key = clip(site)
    for at in range(NOON, NOON + 30):
        site.plex.person_plays(key, at=at)
    task(site)
    Path(data_folder.state_file(str(site.data))).unlink()
    site.sync(scene)
    task(site)
    assert plays(site, scene) == list(range(NOON, NOON + 30))


def test_an_item_of_two_versions_and_a_scene_in_two_libraries(site: Site) -> None:
    second = site.plex.add_library("Second")
    site.configure(bring_plays=True, bring_since=SINCE)
    files = [("/media/a.mp4", 1), ("/media/a 4k.mp4", 2)]
    key, other = site.plex.add_item(site.library, files), site.plex.add_item(second, [files[0]])
    scene = site.stash.add_scene(title="A", files=files)
    site.sync(scene)
    site.plex.person_plays(key, at=NOON)
    site.plex.person_plays(other, at=NOON + DAY)
    site.plex.person_plays(key, at=NOON + 2 * DAY)
    site.plex.person_plays(other, at=NOON + 2 * DAY)  # one play that Plex counts for both
    task(site)
    task(site)
    assert plays(site, scene) == [NOON, NOON + DAY, NOON + 2 * DAY]


def test_a_play_that_a_wrong_clock_has_put_into_the_future_waits_until_then(site: Site) -> None:
    scene, key = clip(site)
    ahead = int(time.time()) + 3600
    site.plex.person_plays(key, at=ahead)
    site.plex.person_plays(key, at=NOON)
    task(site)
    assert plays(site, scene) == [NOON]
    with freeze_time(_iso(ahead + 60), ignore=["tests.servers"]):
        task(site)
    assert plays(site, scene) == [NOON, ahead]


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def test_a_clock_that_was_set_back_does_not_hide_what_comes_after(site: Site) -> None:
    scene, key = clip(site)
    with contextlib.closing(site.state()) as state, state.transaction() as connection:
        connection.execute("UPDATE looked_back SET at = ?", (time.time() + 900 * DAY,))
    site.plex.person_plays(key, at=int(time.time()) - 60)
    site.sync(scene)
    assert len(plays(site, scene)) == 1


def test_what_a_player_that_was_offline_tells_late_arrives(site: Site) -> None:
    scene, key = clip(site)
    yesterday = int(time.time()) - DAY
    site.plex.person_plays(key, at=yesterday)
    look_again(site)
    assert plays(site, scene) == [yesterday]


def test_marked_as_played_is_one_play_at_that_time(site: Site) -> None:
    scene, key = clip(site)
    for at in (NOON, NOON + DAY):
        site.plex.person_marks_played(key, at=at)
    task(site)
    task(site)
    assert plays(site, scene) == [NOON + DAY]
    site.plex.person_marks_played(key, at=NOON + 3 * DAY)
    task(site)
    assert plays(site, scene) == [NOON + DAY, NOON + 3 * DAY]


def test_a_play_that_is_told_late_is_one_and_no_other_at_the_time_of_the_last_look_into_the_item(site: Site) -> None:
    site.configure(bring_plays=True, bring_since=SINCE)
    for number, is_looked_at in enumerate((True, False)):
        scene, key = synced(site, number=number)
        site.plex.person_pauses(key, 300, at=NOON + 9 * DAY)
        if is_looked_at:
            task(site)
        site.plex.person_plays(key, at=NOON)  # by a player that was offline then
        task(site)
        assert plays(site, scene) == [NOON]


def test_a_task_over_many_scenes_takes_no_play_for_lost_that_came_after_it_began(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history is read once, at its beginning. Items are read later, and may tell of more."""
    site.configure(bring_plays=True, bring_since=SINCE)
    synced(site, number=1)
    scene, key = synced(site, number=2)
    began, bring = int(time.time()), Plays.bring

    def bring_and_then(self: Plays, *args: Any, **more: Any) -> list[str]:
        told = bring(self, *args, **more)
        if not site.item(key).view_count:
            site.plex.person_plays(key, at=began + 60)
            site.plex.person_pauses(key, 0.0, at=began + 300)
            clock.move_to(_iso(began + 3600))
        return told

    monkeypatch.setattr(runner, "PIECE_IN_PLEX", 1)
    monkeypatch.setattr(Plays, "bring", bring_and_then)
    with freeze_time(_iso(began), ignore=["tests.servers"]) as clock:
        task(site)
        assert plays(site, scene) == []
        task(site)
    assert plays(site, scene) == [began + 60]


def test_plays_that_looks_have_brought_explain_the_count_too(site: Site) -> None:
    scene, key = clip(site)
    now = int(time.time())
    for back in (7200, 3600):
        site.plex.person_plays(key, at=now - back)
        look_again(site)
    site.plex.person_pauses(key, 0.0, at=now)  # begun, and stopped at once
    task(site)
    assert plays(site, scene) == [now - 7200, now - 3600]


def test_a_look_makes_no_play_of_one_that_is_older_than_what_it_reads(site: Site) -> None:
    site.configure(bring_plays=True, bring_resume=True, bring_since=SINCE)
    scene, key = synced(site)
    site.plex.person_pauses(key, 300)
    look_again(site)
    site.plex.person_plays(key, at=NOON)
    look_again(site)
    assert plays(site, scene) == []
    task(site)
    assert plays(site, scene) == [NOON]


def test_what_a_look_cannot_tell_the_task_finds(site: Site) -> None:
    site.configure(bring_plays=True, bring_ratings=True, bring_since=SINCE)
    scene, key = synced(site)
    site.plex.person_marks_played(key, at=int(time.time()) - 5 * DAY)
    site.plex.person_rates(key, 6.0)
    look_again(site)  # it reads the history of two days
    assert (plays(site, scene), site.stash.scene(scene).rating100) == ([], 60)
    task(site)
    assert len(plays(site, scene)) == 1


def test_an_item_that_somebody_only_looked_into_was_not_played(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_plays(key, at=NOON)
    task(site)
    site.plex.person_pauses(key, 0.0, at=NOON + 9 * DAY)  # begun, and stopped before Plex keeps a resume point
    task(site)
    assert plays(site, scene) == [NOON]


def test_only_the_owners_plays_are_read_unless_others_are_named(site: Site) -> None:
    site.plex.accounts |= {2: "Ann", 3: "Bob"}
    scene, key = clip(site)
    for account in (1, 2, 3):
        site.plex.person_plays(key, at=NOON + account * DAY, account=account)
    site.plex.clear_requests()
    task(site)
    assert plays(site, scene) == [NOON + DAY]
    assert all("accountID=1&" in target for target in history_requests(site))
    site.configure(bring_plays=True, bring_since=SINCE, bring_users="ann, owner, Carl")
    answer = task(site)
    assert plays(site, scene) == [NOON + DAY, NOON + 2 * DAY]
    assert 'bring_users "Carl" is no user of Plex; accepted: "owner", "Owner", "Ann", "Bob"' in answer.said("w")
    assert not any("accountID=3&" in target for target in history_requests(site))


def test_what_the_owner_marks_as_played_is_no_play_of_another_user(site: Site) -> None:
    site.plex.accounts[2] = "Ann"
    site.configure(bring_plays=True, bring_since=SINCE, bring_users="Ann")
    scene, key = synced(site)
    site.plex.person_marks_played(key, at=NOON)
    site.plex.person_plays(key, at=NOON + DAY, account=2)
    task(site)
    assert plays(site, scene) == [NOON + DAY]


@pytest.mark.parametrize("habit", ["filters", "pages", "all"])
def test_a_server_that_ignores_what_it_is_asked_for(site: Site, habit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plex.history_filters = "ignored" if habit in ("filters", "all") else "obeyed"
    site.plex.pages_history = habit == "filters"
    site.plex.watching_filters = "ignored"
    monkeypatch.setattr("sync.back.views.PAGE", 7)
    site.configure(bring_plays=True, bring_ratings=True, bring_since="2020-01-01")
    second = site.plex.add_library("Second")
    scene, key = synced(site)
    site.plex.add_item(second, [("/media/clip 1.mp4", 1001)])
    for number in range(20):
        site.plex.person_plays(key, at=NOON + number * 60)
        site.plex.person_plays(key, at=NOON + number * 60 + 30, account=2)
    site.plex.person_plays(key, at=900_000_000)
    task(site)
    assert plays(site, scene) == [NOON + number * 60 for number in range(20)]


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_without_a_history_still_gives_the_rest(site: Site, status: int) -> None:
    site.configure(bring_plays=True, bring_ratings=True, bring_since=SINCE)
    scene, key = synced(site)
    site.plex.person_rates(key, 6.0)
    site.plex.person_marks_played(key)
    site.plex.fail(status=status, times=None, path_contains="/history/all")
    answer = task(site)
    assert site.stash.scene(scene).rating100 == 60
    assert plays(site, scene) == []
    assert "No plays are brought from Plex (bring_plays)" in answer.said("w")


def test_a_reconcile_brings_back_too(site: Site) -> None:
    site.configure(bring_plays=True, bring_ratings=True, bring_since=SINCE)
    scene, key = synced(site)
    with freeze_time(_iso(time.time()), ignore=["tests.servers"]):  # no look is due
        site.plex.person_plays(key, at=NOON)
        site.plex.person_rates(key, 6.0)
        answer = site.call({"mode": "reconcile", "dry_run": True})
        assert "Would bring: 1 play, 1 rating" in str(answer.output)
        assert (plays(site, scene), site.stash.scene(scene).rating100) == ([], None)
        answer = site.call({"mode": "reconcile"})
    assert (plays(site, scene), site.stash.scene(scene).rating100) == ([NOON], 60)
    assert answer.output == "Reconcile: 1 scene: 1 looked at and left. Brought: 1 play, 1 rating"


def test_scenes_that_the_settings_leave_out_bring_nothing(site: Site) -> None:
    scene, key = clip(site)
    site.configure(bring_plays=True, bring_since=SINCE, only_organized=True)
    site.plex.person_plays(key)
    task(site)
    look_again(site)
    assert plays(site, scene) == []


# Kills and failures


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """Have the process end before or after its n-th request that writes to Stash."""
    ask, count = StashClient.ask, [0]

    def asked(self: StashClient, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        if not query.startswith("mutation"):
            return ask(self, query, variables)
        count[0] += 1
        if count[0] == number and not after:
            raise Killed
        answer = ask(self, query, variables)
        if count[0] == number:
            raise Killed
        return answer

    monkeypatch.setattr(StashClient, "ask", asked)


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_request_costs_no_play_and_doubles_none(
    site: Site, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    site.configure(bring_plays=True, bring_resume=True, bring_ratings=True, bring_since=SINCE)
    pairs = [synced(site, number=number) for number in range(1, 5)]
    wanted = {}
    for number, (scene, key) in enumerate(pairs):
        wanted[scene] = [NOON + number * DAY + second for second in range(3)]
        for at in wanted[scene]:
            site.plex.person_plays(key, at=at)
        site.plex.person_rates(key, 1.0 + number)
        site.plex.person_pauses(key, 100 + number)
    for number in range(1, 12):
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            kill_at(patch, number % 3 + 1, after=after)
            site.call({"mode": "bring_back"})
    task(site)
    assert {scene: plays(site, scene) for scene, _ in pairs} == wanted
    assert [site.stash.scene(scene).rating100 for scene, _ in pairs] == [10, 20, 30, 40]
    assert [site.stash.scene(scene).resume_time for scene, _ in pairs] == [100, 101, 102, 103]


def test_a_play_that_was_about_to_be_added_arrives_though_plex_has_lost_it_since(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, key = clip(site)
    number = site.plex.person_plays(key, at=NOON)
    site.plex.person_plays(key, at=NOON + DAY)
    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        kill_at(patch, 1, after=False)
        site.call({"mode": "bring_back"})
    site.plex.forget_view(number)
    task(site)
    task(site)
    assert plays(site, scene) == [NOON, NOON + DAY]


def test_processes_that_are_killed_while_hundreds_of_plays_arrive(live_site: Site) -> None:
    site = live_site
    site.configure(bring_plays=True, bring_since=SINCE)
    chance = random.Random(7)
    pairs = [site.add(f"/media/{number}.mp4", 1000 + number) for number in range(40)]
    for scene, _ in pairs:
        site.hook(scene)
    Child.drain(site).end()
    wanted: Counter[tuple[int, int]] = Counter()
    for number in range(600):
        scene, key = chance.choice(pairs)
        at = NOON + number * 1000
        site.plex.person_plays(key, at=at)
        wanted[scene, at] += 1
    for _ in range(8):
        child = Child(site, {"mode": "bring_back"})
        added, more = sum(len(plays(site, scene)) for scene, _ in pairs), chance.randint(1, 60)
        site.wait_until(lambda: not child.is_running() or sum(len(plays(site, s)) for s, _ in pairs) >= added + more)  # noqa: B023
        child.kill()
    answer = Child(site, {"mode": "bring_back"}).end()
    assert answer.error is None
    assert Counter((scene, at) for scene, _ in pairs for at in plays(site, scene)) == wanted


@pytest.mark.parametrize("server", ["stash", "plex"])
def test_a_server_that_fails_leaves_the_rest_for_the_next_run(site: Site, server: str) -> None:
    site.configure(bring_plays=True, bring_since=SINCE)
    pairs = [synced(site, number=number) for number in range(1, 4)]
    for _, key in pairs:
        site.plex.person_plays(key, at=NOON)
    if server == "stash":
        site.stash.fail("status", status=502, query_contains="PlexSyncPlays")
    else:
        site.plex.fail(status=500, times=1, path_contains="/history/all")
    assert site.call({"mode": "bring_back"}).error
    site.drain(by_hand=True)
    assert [plays(site, scene) for scene, _ in pairs] == [[NOON]] * 3


def test_a_look_that_fails_fails_no_run(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_plays(key)
    site.plex.fail(status=500, times=1, path_contains="/history/all")
    answer = look_again(site)
    assert answer.error is None
    assert not plays(site, scene)
    look_again(site)
    assert len(plays(site, scene)) == 1


HISTORY = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 2), st.integers(0, 40)),
        st.tuples(st.just("rekey"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("merge"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(st.just("forget in Plex"), st.just(0), st.just(0)),
        st.tuples(st.just("bring"), st.just(0), st.just(0)),
        st.tuples(st.just("lose the state"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@HISTORY
@given(EVENTS)
def test_whatever_happens_each_play_is_in_stash_once(site: Site, events: list[tuple[str, int, int]]) -> None:
    """Plays, items that come back with another number, scenes that are merged, a history that loses entries."""
    site.configure(bring_plays=True, bring_since=SINCE)
    with contextlib.suppress(FileNotFoundError):
        Path(data_folder.state_file(str(site.data))).unlink()
    start = len(site.plex.keys(site.library))
    scenes: list[int] = []
    keys: list[int] = []
    for number in range(3):
        scene, key = synced(site, number=start * 10 + number)
        scenes.append(scene)
        keys.append(key)
    at, played, owner, brought = NOON, list[tuple[int, int]](), {0: 0, 1: 1, 2: 2}, list[int]()
    for what, one, other in events:
        if what == "play":
            at += NEAR + 1 + other  # nearer ones are one where the state is lost or two scenes have become one
            site.plex.person_plays(keys[one], at=at)
            played.append((one, at))
        elif what == "rekey":
            keys[one] = site.plex.rekey_item(keys[one])
            site.sync(scenes[owner[one]])
        elif what == "merge" and owner[one] != owner[other]:
            source, target = site.stash.scene(scenes[owner[one]]), site.stash.scene(scenes[owner[other]])
            _merge(target, source)
            site.stash.remove_scene(source.id)
            gone, kept = owner[one], owner[other]
            owner = {item: kept if held == gone else held for item, held in owner.items()}
            site.hook(source.id)
            site.sync(target.id)
        elif what == "forget in Plex" and brought:
            site.plex.forget_view(brought.pop())
        elif what == "bring":
            task(site)
            brought = [view.id for view in site.plex.views]
        elif what == "lose the state":
            Path(data_folder.state_file(str(site.data))).unlink(missing_ok=True)
            for scene in {scenes[held] for held in owner.values()}:
                site.sync(scene)
    for scene in {scenes[held] for held in owner.values()}:
        site.sync(scene)
    task(site)
    for index in set(owner.values()):
        mine = sorted(at for one, at in played if owner[one] == index)
        assert plays(site, scenes[index]) == mine


def _merge(target: Scene, source: Scene) -> None:
    target.files += source.files
    target.play_times += source.play_times
    source.files = []


def test_two_runs_at_once_bring_each_play_once(live_site: Site) -> None:
    site = live_site
    site.configure(bring_plays=True, bring_since=SINCE)
    pairs = [site.add(f"/media/{number}.mp4", 1000 + number) for number in range(10)]
    for scene, _ in pairs:
        site.hook(scene)
    Child.drain(site).end()
    for number in range(200):
        site.plex.person_plays(pairs[number % 10][1], at=NOON + number * 100)
    children = [Child(site, {"mode": "bring_back"}) for _ in range(3)]
    assert not [answer.error for answer in (child.end() for child in children) if answer.error]
    Child.drain(site).end()
    for number, (scene, _) in enumerate(pairs):
        assert plays(site, scene) == [NOON + at * 100 for at in range(number, 200, 10)]


# Who asks for it


@pytest.mark.parametrize("name", ["bring_plays", "bring_resume", "send_resume", "bring_ratings"])
def test_a_page_of_stash_has_a_look_begun_when_nothing_ran_for_an_hour(site: Site, name: str) -> None:
    site.configure(**{name: True})
    synced(site)
    site.configure(**{name: True}, reconcile_every="never")
    assert site.ask("wake")["said"] == "Nothing waits"
    with contextlib.closing(site.store()) as store:
        store.connection.execute("UPDATE plexsync_last_drain SET ended_at = ended_at - 3700")
    assert site.ask("wake")["said"] == "Process queue asked for"
    site.drain()
    with contextlib.closing(site.store()) as store:
        store.connection.execute("UPDATE plexsync_last_drain SET ended_at = ended_at - 3700")
    site.configure(**{name: False}, reconcile_every="never")
    assert site.ask("wake")["said"] == "Nothing waits"


def test_a_persons_save_goes_before_what_comes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.configure(bring_ratings=True, bring_since=SINCE)
    pairs = [synced(site, number=number) for number in range(30)]
    for _, key in pairs:
        site.plex.person_rates(key, 6.0)
    set_rating, order = ratings.set_rating, list[object]()

    def rate(stash: StashClient, scene: int, rating: int | None) -> None:
        set_rating(stash, scene, rating)
        order.append(scene)
        if len(order) == 3:
            site.stash.save_scene(pairs[29][0], title="Saved meanwhile")
            site.hook(pairs[29][0])

    monkeypatch.setattr(ratings, "set_rating", rate)
    task(site)
    assert order[:4] == [pairs[0][0], pairs[1][0], pairs[2][0], pairs[29][0]]
    assert site.item(pairs[29][1]).title == "Saved meanwhile"
    assert {site.stash.scene(scene).rating100 for scene, _ in pairs} == {60}
    assert len(order) == 30


def test_the_command_line_brings_back_and_says_what(site: Site) -> None:
    scene, key = clip(site)
    site.plex.person_plays(key, at=NOON)
    dry = command(site, "bring-back", "--dry-run", "--since", "2001-01-01")
    assert dry == (0, "Bring back from Plex (dry run): 1 scene: 1 looked at and left. Would bring: 1 play\n")
    assert plays(site, scene) == []
    assert command(site, "bring-back", "--since", time.strftime("%Y-%m-%d"))[0] == 0
    assert plays(site, scene) == []
    code, said = command(site, "bring-back")
    assert (code, said) == (0, "Bring back from Plex: 1 scene: 1 looked at and left. Brought: 1 play\n")
    assert plays(site, scene) == [NOON]
    code, said = command(site, "bring-back", "--since", "yesterday")
    assert code == 2


def command(site: Site, *argv: str) -> tuple[int, str]:
    """What a command of a shell's ends with and prints."""
    stdout = io.StringIO()
    surroundings = ["--stash-url", f"http://127.0.0.1:{site.stash.port}", "--data-dir", str(site.data)]
    return main([*argv, *surroundings], stdout, io.StringIO(), {}), stdout.getvalue()
