"""The stand-in Plex tells what was watched as the real one does, seen through python-plexapi and plain requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import pytest
import requests
from plexapi.server import PlexServer

from tests.servers.plex import PlexStandIn

NOON = 1_700_000_000


@pytest.fixture
def movies(plex: PlexStandIn) -> int:
    return plex.add_library("Movies")


@pytest.fixture
def server(plex: PlexStandIn) -> PlexServer:
    return PlexServer(plex.url, plex.token)


def ask(plex: PlexStandIn, path: str, *, token: str = "", method: str = "get") -> requests.Response:
    return requests.request(method, f"{plex.url}{path}", headers={"X-Plex-Token": token or plex.token}, timeout=10)


def test_a_play_is_in_the_history_and_on_the_item(plex: PlexStandIn, movies: int, server: PlexServer) -> None:
    key = plex.add_item(movies, [("/media/a.mp4", 1)])
    plex.person_plays(key, at=NOON)
    plex.person_plays(key, at=NOON + 60, account=2)
    (second, first) = server.history()
    assert (first.ratingKey, first.accountID, first.viewedAt) == (key, 1, datetime.fromtimestamp(NOON))
    assert (second.accountID, second.historyKey) == (2, "/status/sessions/history/2")
    item = server.fetchItem(key)
    assert (item.viewCount, item.lastViewedAt) == (1, datetime.fromtimestamp(NOON)), "of the owner alone"


def test_the_history_is_filtered_sorted_and_paged(plex: PlexStandIn, movies: int, server: PlexServer) -> None:
    other = plex.add_library("Other")
    keys = [plex.add_item(section, [("/media/a.mp4", 1)]) for section in (movies, other)]
    for number in range(6):
        plex.person_plays(keys[number % 2], at=NOON + number, account=1 + number % 3)
    since = datetime.fromtimestamp(NOON + 2)
    assert [one.ratingKey for one in server.history(mindate=since)] == [keys[1], keys[0], keys[1], keys[0]]
    assert [one.ratingKey for one in server.history(accountID=2)] == [keys[0], keys[1]]
    assert {one.ratingKey for one in server.history(librarySectionID=other)} == {keys[1]}
    assert len(server.history(ratingKey=keys[0])) == 3
    page = ask(plex, "/status/sessions/history/all?sort=viewedAt:asc&X-Plex-Container-Start=1&X-Plex-Container-Size=2")
    assert [page.text.count(f'viewedAt="{NOON + at}"') for at in range(4)] == [0, 1, 1, 0]
    assert 'totalSize="6"' in page.text
    for refused in ("sort=metadataItemID", "nonsense=1", "viewedAt>=soon"):
        assert ask(plex, f"/status/sessions/history/all?{refused}").status_code == 400


def test_marked_as_played_is_in_no_history(plex: PlexStandIn, movies: int, server: PlexServer) -> None:
    key = plex.add_item(movies, [("/media/a.mp4", 1)])
    server.fetchItem(key).markPlayed()
    item = plex.item(key)
    assert (item.view_count, item.view_offset) == (1, 0)
    assert item.last_viewed_at is not None
    assert server.history() == []
    server.fetchItem(key).markUnplayed()
    assert (plex.item(key).view_count, plex.item(key).last_viewed_at) == (0, None)


def test_a_resume_point_is_set_but_not_to_nothing(plex: PlexStandIn, movies: int, server: PlexServer) -> None:
    key = plex.add_item(movies, [("/media/a.mp4", 1)], duration=1_000_000)
    item = server.fetchItem(key)
    item.updateProgress(60_000)
    assert plex.item(key).view_offset == 60_000
    assert server.fetchItem(key).viewOffset == 60_000
    item.updateProgress(0)
    assert plex.item(key).view_offset == 60_000
    item.updateProgress(950_000)
    assert (plex.item(key).view_offset, plex.item(key).view_count) == (0, 1)
    assert ask(plex, "/:/progress?key=99&identifier=com.plexapp.plugins.library&time=1").status_code == 404
    assert ask(plex, f"/:/progress?key={key}&time=1").status_code == 400


def test_listings_tell_what_was_watched_and_filter_by_it(plex: PlexStandIn, movies: int, server: PlexServer) -> None:
    keys = [plex.add_item(movies, [(f"/media/{number}.mp4", number)]) for number in range(4)]
    plex.person_plays(keys[0], at=NOON)
    plex.person_pauses(keys[1], 30, at=NOON + 9)
    plex.person_rates(keys[2], 7.0, at=NOON + 5)
    everything = ask(plex, f"/library/sections/{movies}/all?type=1").text
    for told in ('viewCount="1"', 'viewOffset="30000"', f'lastViewedAt="{NOON + 9}"', f'lastRatedAt="{NOON + 5}"'):
        assert everything.count(told) == 1

    def found(query: str) -> list[int]:
        text = ask(plex, f"/library/sections/{movies}/all?type=1&{query}").text
        return [key for key in keys if f'ratingKey="{key}"' in text]

    assert found(f"lastViewedAt>>={NOON}") == [keys[1]]
    assert found(f"lastRatedAt>>={NOON}") == [keys[2]]
    assert found("inProgress=1") == [keys[1]]
    plex.watching_filters = "ignored"
    assert found(f"lastViewedAt>>={NOON}") == keys
    plex.watching_filters = "refused"
    assert ask(plex, f"/library/sections/{movies}/all?type=1&lastViewedAt>>={NOON}").status_code == 400


@pytest.mark.parametrize("follows", [True, False])
def test_an_item_that_comes_back_keeps_what_was_watched(plex: PlexStandIn, movies: int, follows: bool) -> None:
    plex.views_follow = follows
    key = plex.add_item(movies, [("/media/a.mp4", 1)])
    plex.person_plays(key, at=NOON)
    new = plex.rekey_item(key)
    text = ask(plex, "/status/sessions/history/all").text
    assert (f'ratingKey="{new}"' in text, "ratingKey" in text) == (follows, follows)
    assert (new != key, plex.item(new).view_count) == (True, 1)


@pytest.mark.parametrize(
    "rates",
    [
        lambda plex, key: plex.person_rates(key, 6.0),
        lambda plex, key: ask(plex, f"/:/rate?key={key}&identifier=com.plexapp.plugins.library&rating=6", method="put"),
        lambda plex, key: ask(plex, f"/library/sections/1/all?type=1&id={key}&userRating.value=6", method="put"),
    ],
    ids=["a person", "rate", "an edit"],
)
def test_a_rating_has_its_time(plex: PlexStandIn, movies: int, rates: Callable[[PlexStandIn, int], object]) -> None:
    key = plex.add_item(movies, [("/media/a.mp4", 1)])
    rates(plex, key)
    assert plex.item(key).user_rating == 6.0
    assert abs((plex.item(key).last_rated_at or 0) - time.time()) < 60
    plex.person_rates(key, None)
    assert plex.item(key).last_rated_at is not None
    plex.clearing_keeps_time = False
    plex.person_rates(key, None)
    assert plex.item(key).last_rated_at is None


def test_users_and_plays_are_the_owners_to_read(plex: PlexStandIn, movies: int) -> None:
    plex.accounts[2] = "Ann"
    plex.guest_token = "guest"
    assert 'id="2" key="/accounts/2" name="Ann"' in ask(plex, "/accounts").text
    for path in ("/accounts", "/status/sessions/history/all"):
        assert ask(plex, path, token="guest").status_code == 403
