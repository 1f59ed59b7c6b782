"""Single fields of an item, each by its setting: title, code, rating, date, content rating; and wrong settings."""

from __future__ import annotations

from typing import Any

import pytest

from sync.settings import Settings
from tests.site import Answer, Site

pytestmark = pytest.mark.integration

LONGEST_TARGET = 8_000
"""Characters of a request's path and query."""


def rate_requests(site: Site) -> list[str]:
    """What was sent as a rating, in order."""
    return [request.query["userRating.value"] for request in site.plex.edits if "userRating.value" in request.query]


# The code


def test_the_code_becomes_the_tagline(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, code="ABC-123")
    item = site.item(key)
    assert (item.tagline, item.original_title) == ("ABC-123", "")
    assert "tagline" in item.locked


# The rating


@pytest.mark.parametrize(("rating100", "held", "sent"), [(100, 10.0, "10"), (75, 7.5, "7.5")])
def test_the_rating_is_brought_to_plexs_scale(site: Site, rating100: int, held: float, sent: str) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, rating100=rating100)
    assert site.item(key).user_rating == held
    assert rate_requests(site) == [sent]


def test_a_rating_that_is_right_is_not_sent_again(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, rating100=80)
    answer = site.save_and_sync(scene, rating100=80)
    assert answer.output == "1 scene: 1 right already"
    assert rate_requests(site) == ["8"]
    assert site.item(key).user_rating == 8.0


@pytest.mark.parametrize("alone", [True, False])
def test_a_server_that_takes_no_rating_in_an_edit_gets_it_apart(site: Site, alone: bool) -> None:
    site.plex.rating_in_edit = "ignored"
    for number in (1, 2):
        scene, key = site.add(f"/media/{number}.mp4", number)
        answer = site.save_and_sync(scene, rating100=40, **({} if alone else {"title": "T"}))
        assert site.item(key).user_rating == 4.0
        assert "rating to" in answer.said("i")
    apart = [request for request in site.plex.requests if request.path == "/:/rate"]
    assert len(apart) == 2
    assert site.rows() == []


def test_a_persons_rating_stays_and_is_not_locked(site: Site) -> None:
    scene, key = site.add()
    site.plex.person_edits(key, user_rating=6.0)
    site.save_and_sync(scene, title="T", rating100=90)
    assert site.item(key).user_rating == 6.0
    assert rate_requests(site) == []
    assert not any("userRating.locked" in edit.query for edit in site.plex.edits)


def test_a_rating_that_plex_refuses_does_not_cost_the_rest(site: Site) -> None:
    scene, key = site.add()
    site.plex.rating_in_edit = "ignored"
    site.plex.fail(status=500, path_contains="/:/rate")
    site.save_and_sync(scene, title="T", code="C", rating100=90)
    assert (site.item(key).title, site.item(key).tagline) == ("T", "C")
    assert len(site.rows()) == 1
    site.drain(by_hand=True)
    assert site.item(key).user_rating == 9.0
    assert site.rows() == []


# The content rating


def test_a_content_rating_by_choice(site: Site) -> None:
    scene, key = site.add()
    site.configure(content_rating="XXX")
    site.sync(scene)
    assert site.item(key).content_rating == "XXX"
    assert "contentRating" in site.item(key).locked
    site.configure(content_rating=18)
    site.sync(scene)
    assert site.item(key).content_rating == "18", "a number, too"


# The title


def test_every_place_of_the_title_template(site: Site) -> None:
    scene, key = site.add()
    parent = site.stash.add_studio("Holding")
    site.stash.add_studio("Acme", parent_id=parent)
    site.configure(
        title_template="{Parent_Studio}/{studio}/{year}/{date}/{code}/{group}/{director}/{performers}/{id}/{title}"
    )
    site.save_and_sync(
        scene,
        title="T",
        studio="Acme",
        date="2020-05-17",
        code="C-1",
        groups=["G"],
        director="Zoe",
        performers=["Ann", "Bob"],
    )
    assert site.item(key).title == f"Holding/Acme/2020/2020-05-17/C-1/G/Zoe/Ann, Bob/{scene}/T"


def test_an_item_without_a_title_keeps_its_files_name_under_the_normal_template(site: Site) -> None:
    scene, key = site.add()
    site.save_and_sync(scene, studio="Acme", code="C")
    assert site.item(key).title == "clip"
    assert "title" not in site.item(key).locked


# Dates, long and unclean text


def test_single_fields_that_together_pass_8000_characters_are_split(site: Site) -> None:
    scene, key = site.add()
    site.configure(content_rating="18")
    site.save_and_sync(
        scene,
        title="ü" * 255,
        code="ß" * 255,
        studio="語" * 255,
        details="a b" * 1_100,
        date="2020-01-01",
        director="é" * 255,
        rating100=50,
    )
    assert len(site.plex.edits) > 1
    assert max(len(request.target) for request in site.plex.requests) <= LONGEST_TARGET
    item = site.item(key)
    assert (item.title, item.tagline, item.studio, item.summary) == ("ü" * 255, "ß" * 255, "語" * 255, "a b" * 1_100)
    assert (item.date, item.directors) == ("2020-01-01", ["é" * 255])
    assert (item.user_rating, item.content_rating) == (5.0, "18")


# Off; each switch by itself is in tests/unit/mapping/test_fields.py

EVERYTHING: dict[str, Any] = {
    "title": "T",
    "details": "D",
    "studio": "S",
    "date": "2020-01-01",
    "rating100": 50,
    "code": "C",
    "director": "Z",
    "performers": ["P"],
    "tags": ["t"],
    "groups": ["G"],
}
OFF = [
    *("sync_title", "sync_summary", "sync_studio", "sync_date", "sync_rating", "sync_director"),
    *("sync_performers", "sync_tags", "collection_groups"),
]


def test_everything_off_sends_nothing(site: Site) -> None:
    scene, _ = site.add()
    site.configure(**dict.fromkeys(OFF, False), code_field="off")
    assert site.save_and_sync(scene, **EVERYTHING).output == "1 scene: 1 right already"
    assert site.plex.edits == []
    assert rate_requests(site) == []


def test_an_untouched_panel_is_filled_with_the_defaults_in_force(site: Site) -> None:
    scene, _ = site.add()
    site.save_and_sync(scene, title="T")
    panel = site.stash.plugin_settings
    for name, field in Settings.model_fields.items():
        if field.default != "":
            assert panel[name] == field.default, name
    assert (panel["title_template"], panel["code_field"], panel["max_tags"]) == ("{title}", "tagline", 0)
    assert {name for name in OFF if panel[name] is True} == set(OFF)
    off = ("only_organized", "only_stash_id", "skip_not_found", "sync_performer_tags", "collection_studio")
    assert not any(panel[name] for name in off)


def test_every_query_is_valid_with_everything_on_and_no_secret_is_told(site: Site) -> None:
    scene, _ = site.add()
    site.configure(
        sync_performer_tags=True,
        collection_studio=True,
        collection_parent_studio=True,
        collection_performers=True,
        collection_tags="*",
        collection_organized=True,
        only_stash_id=True,
        trigger_plex_scan=True,
    )
    stash_ids = [{"endpoint": "https://stashdb.test/graphql", "stash_id": "0"}]
    answer = site.save_and_sync(scene, **EVERYTHING, organized=True, stash_ids=stash_ids)
    assert answer.output == "1 scene: 1 changed in Plex"
    site.configure(sync_performer_tags=False)
    again = site.save_and_sync(scene, title="Again")
    assert site.plex.token not in answer.said() + again.said()
    assert site.secrets_on_disk() == []
    errors = site.stash.contract_errors()
    if errors is None:
        pytest.skip("the folder with Stash's GraphQL schema is not here")
    assert errors == []


# Wrong settings

SWITCHES = sorted(name for name, field in Settings.model_fields.items() if isinstance(field.default, bool))
WRONG: list[tuple[str, Any, str]] = [
    ("max_tags", -1, "a whole number from 0"),
    ("max_tags", "many", "a whole number from 0"),
    ("max_tags", 2.5, "a whole number from 0"),
    ("max_tags", True, "a whole number from 0"),
    ("title_template", "{studio} - {name}", "{studio}"),
    ("title_template", "{title", "{title}"),
    ("performer_role", "{name}", "{disambiguation}"),
    ("code_field", "subtitle", "tagline, original_title or off"),
    ("performer_pictures", "sometimes", "auto, on or off"),
    ("content_rating", "x" * 256, "255 characters"),
    ("content_rating", "X\x07", "a content rating"),
    ("collection_prefix", ["Stash: "], "text of at most 100"),
    ("collection_prefix", "x" * 101, "text of at most 100"),
    *(
        (name, " , ,", "names of tags or globs")
        for name in ("only_tags", "skip_tags", "ignore_tags", "collection_tags")
    ),
    *((name, ["/media"], "whole paths of folders") for name in ("only_paths", "skip_paths")),
    *((name, "private", "whole paths of folders") for name in ("only_paths", "skip_paths")),
    *((name, "/data/x, /data/y", "separated by semicolons") for name in ("only_paths", "skip_paths")),
    ("title_template", "studio - title", "{studio}"),
    ("path_map", "/data=>/media", "pairs such as"),
    ("path_map", "/data=/media,/x=/y", "pairs such as"),
    ("path_map", "data=media", "pairs such as"),
    ("path_map", "/data=/media; /data=/other", "pairs such as"),
    ("plex_library", " ,, ", "names of Plex libraries"),
    *((name, ";", "whole paths of folders") for name in ("only_paths", "skip_paths")),
    *((name, "perhaps", "on or off") for name in SWITCHES),
]


def assert_refused(site: Site, answer: Answer, name: str, value: Any, accepted: str) -> None:
    assert answer.error is not None
    assert f"{name} is {value!r:.200}" in answer.error
    assert f"accepted: {accepted}" in answer.error or accepted in answer.error.partition("accepted: ")[2]
    assert "(2 jobs stay queued)" in answer.error
    assert len(site.rows()) == 2


def test_a_wrong_value_is_an_error_that_says_what_is_accepted(site: Site) -> None:
    (one, key), (two, _) = site.add(), site.add("/media/two.mp4", 2)
    site.stash.save_scene(one, title="T")
    site.hook(one)
    site.hook(two)
    for name, value, accepted in WRONG:
        site.configure(**{name: value})
        assert_refused(site, site.drain(), name, value, accepted)
        site.configure(**{name: None})
    assert site.plex.requests == [], "Plex is not asked before"
    assert site.drain().error is None
    assert (site.item(key).title, site.rows()) == ("T", [])


def test_all_wrong_values_are_named_at_once(site: Site) -> None:
    site.hook(site.add()[0])
    site.configure(max_tags=-1, code_field="x", title_template="{x}", sync_rating="x")
    error = site.drain().error
    assert error is not None
    for name in ("max_tags", "code_field", "title_template", "sync_rating"):
        assert f"{name} is " in error
