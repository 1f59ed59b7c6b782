"""A performer, studio, tag or group is renamed, merged or deleted: its scenes follow in Plex, and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from sync.queue import schema
from tests.servers.plex import PlexItem, TagMode
from tests.servers.stash import StashStandIn
from tests.site import Answer, Child, Site

pytestmark = pytest.mark.integration


def picture(number: int) -> bytes:
    """A JPEG, as far as its first bytes tell."""
    return b"\xff\xd8\xff\xe0" + f"picture {number}".encode() + b"\xff\xd9"


def add(site: Site, **more: Any) -> tuple[int, int]:
    """A scene with all that can be renamed, and its item."""
    number = len(site.stash.store.scenes) + 1
    path, size = f"/media/{number}.mp4", 1000 + number
    key = site.plex.add_item(site.library, [(path, size)])
    values: dict[str, Any] = {"title": f"Title {number}", "cover": picture(0)} | more
    return site.stash.add_scene(files=[(path, size)], **values), key


def mutate(site: Site, mutation: str, **given: Any) -> None:
    """A person's change. The stand-in runs hooks where the plugin is installed."""
    shown = ", ".join(f"{name}: {json.dumps(value)}" for name, value in given.items())
    what = "" if mutation.endswith("Destroy") else " { id }"
    site.stash.graphql(f"mutation {{ {mutation}(input: {{{shown}}}){what} }}")


def hook(site: Site, kind: str, number: object, fields: list[str] | None = None) -> Answer:
    """Its hook."""
    return site.call({"hookContext": {"id": number, "type": kind, "input": None, "inputFields": fields}})


def update(site: Site, entity: str, number: int, **given: Any) -> None:
    """A save of a performer, studio, tag or group, and its hook."""
    mutate(site, f"{entity}Update", id=str(number), **given)
    answer = hook(site, f"{entity.capitalize()}.Update.Post", number, ["id", *given])
    assert answer.error is None


def destroy(site: Site, entity: str, number: int) -> None:
    """It is deleted."""
    mutate(site, f"{entity}Destroy", id=str(number))
    assert hook(site, f"{entity.capitalize()}.Destroy.Post", number).error is None


def parented(stash: StashStandIn, name: str, parent: str) -> str:
    """A studio that belongs to another."""
    stash.add_studio(name, parent_id=stash.add_studio(parent))
    return name


@dataclass(frozen=True)
class Change:
    """One change, what it concerns, and what is in Plex after it."""

    has: Callable[[Site], dict[str, Any]]
    """What the scenes have that it concerns."""
    do: Callable[[Site], None]
    shown: Callable[[PlexItem], Any]
    before: Any
    after: Any
    settings: dict[str, Any] = field(default_factory=dict)


def actors(item: PlexItem) -> list[tuple[str, str]]:
    return [(role.name, role.role) for role in item.actors]


def merge_tags(site: Site) -> None:
    source, into = site.stash.add_tag("Drama"), site.stash.add_tag("Dramatic")
    mutate(site, "tagsMerge", source=[str(source)], destination=str(into))
    assert hook(site, "Tag.Merge.Post", into).error is None


def tagged_performer(site: Site) -> dict[str, Any]:
    ann = site.stash.add_performer("Ann")
    site.stash.store.performers[ann].tag_ids = [site.stash.add_tag("Drama")]
    return {"performers": ["Ann"]}


def pictured(number: int) -> Callable[[Site], dict[str, Any]]:
    def has(site: Site) -> dict[str, Any]:
        site.stash.add_performer("Ann", image=picture(number))
        return {"performers": ["Ann"]}

    return has


def save_performer(**given: Any) -> Callable[[Site], None]:
    return lambda site: update(site, "performer", site.stash.add_performer("Ann"), **given)


def with_studio(site: Site) -> dict[str, Any]:
    return {"studio": parented(site.stash, "Acme", "Big")}


ANN, DRAMA, GROUP = {"performers": ["Ann"]}, {"tags": ["Drama"]}, {"groups": ["One"]}
CHANGES = {
    "studio renamed": Change(
        with_studio,
        lambda site: update(site, "studio", site.stash.add_studio("Acme"), name="Acme & Co"),
        *(lambda item: item.studio, "Acme", "Acme & Co"),
    ),
    "studio deleted": Change(
        *(with_studio, lambda site: destroy(site, "studio", site.stash.add_studio("Acme"))),
        *(lambda item: item.studio, "Acme", ""),
    ),
    "parent studio renamed": Change(
        with_studio,
        lambda site: update(site, "studio", site.stash.add_studio("Big"), name="Bigger"),
        lambda item: (item.title.partition(":")[0], item.collections),
        *(("Big", ["Big"]), ("Bigger", ["Bigger"])),
        {"collection_parent_studio": True, "title_template": "{parent_studio}: {title}"},
    ),
    "parent studio deleted": Change(
        *(with_studio, lambda site: destroy(site, "studio", site.stash.add_studio("Big"))),
        *(lambda item: item.collections, ["Big"], [], {"collection_parent_studio": True}),
    ),
    "another parent studio": Change(
        with_studio,
        lambda site: update(
            *(site, "studio", site.stash.add_studio("Acme")), parent_id=str(site.stash.add_studio("Other"))
        ),
        *(lambda item: item.collections, ["Big"], ["Other"], {"collection_parent_studio": True}),
    ),
    "performer renamed": Change(
        *(lambda _: ANN, save_performer(name="Anna"), actors, [("Ann", "")], [("Anna", "")]),
    ),
    "performer disambiguated": Change(
        *(lambda _: ANN, save_performer(disambiguation="dancer")),
        *(actors, [("Ann", "")], [("Ann (dancer)", "")]),
    ),
    "performer deleted": Change(
        *(lambda _: ANN, lambda site: destroy(site, "performer", site.stash.add_performer("Ann"))),
        *(actors, [("Ann", "")], []),
    ),
    "performer's country": Change(
        *(lambda _: ANN, save_performer(country="NL"), actors, [("Ann", "")], [("Ann", "NL")]),
        {"performer_role": "{country}"},
    ),
    "performer's alias": Change(
        *(lambda _: ANN, save_performer(alias_list=["Annie"]), actors, [("Ann", "")], [("Ann", "Annie")]),
        {"performer_role": "{alias}"},
    ),
    "performer's tags": Change(
        tagged_performer,
        lambda site: save_performer(tag_ids=[str(site.stash.add_tag("Comedy"))])(site),
        *(lambda item: item.genres, ["Drama"], ["Comedy"], {"sync_performer_tags": True}),
    ),
    "tag renamed": Change(
        lambda _: DRAMA,
        lambda site: update(site, "tag", site.stash.add_tag("Drama"), name="Tragedy"),
        *(lambda item: (item.genres, item.collections), (["Drama"], ["Drama"]), (["Tragedy"], [])),
        {"collection_tags": "Dra*"},
    ),
    "tag merged": Change(lambda _: DRAMA, merge_tags, lambda item: item.genres, ["Drama"], ["Dramatic"]),
    "tag deleted": Change(
        *(lambda _: DRAMA, lambda site: destroy(site, "tag", site.stash.add_tag("Drama"))),
        *(lambda item: item.genres, ["Drama"], []),
    ),
    "tag of performers renamed": Change(
        tagged_performer,
        lambda site: update(site, "tag", site.stash.add_tag("Drama"), name="Tragedy"),
        *(lambda item: item.genres, ["Drama"], ["Tragedy"], {"sync_performer_tags": True}),
    ),
    "tag of performers merged": Change(
        *(tagged_performer, merge_tags),
        *(lambda item: item.genres, ["Drama"], ["Dramatic"], {"sync_performer_tags": True}),
    ),
    "tag of performers deleted": Change(
        *(tagged_performer, lambda site: destroy(site, "tag", site.stash.add_tag("Drama"))),
        *(lambda item: item.genres, ["Drama"], [], {"sync_performer_tags": True}),
    ),
    "group renamed": Change(
        lambda _: GROUP,
        lambda site: update(site, "group", site.stash.add_group("One"), name="Two"),
        *(lambda item: item.collections, ["One"], ["Two"], {"collection_groups": True}),
    ),
    "group deleted": Change(
        *(lambda _: GROUP, lambda site: destroy(site, "group", site.stash.add_group("One"))),
        *(lambda item: item.collections, ["One"], [], {"collection_groups": True}),
    ),
}


OF_LISTS = ("performer renamed", "tag merged", "group deleted")


@pytest.mark.parametrize(
    ("name", "tag_mode"), [*((name, "adds") for name in CHANGES), *((name, "replaces") for name in OF_LISTS)]
)
def test_scenes_follow_a_change(site: Site, name: str, tag_mode: TagMode) -> None:
    change = CHANGES[name]
    site.plex.tag_mode = tag_mode
    site.configure(sync_poster=False, **change.settings)
    has = change.has(site)
    concerned = [add(site, **has) for _ in range(3)]
    other = add(site, studio="Else", performers=["Else"], tags=["Else"], groups=["Else"])
    site.call({"mode": "sync_all"})
    never = add(site, **has)
    assert [change.shown(site.item(key)) for _, key in concerned] == [change.before] * 3
    untouched = [site.item(key) for _, key in (other, never)]
    site.plex.clear_requests()
    asked = len(site.stash.plugin_requests())
    change.do(site)
    assert len(site.stash.plugin_requests()) - asked <= 2, (
        "the hook asks for a drain, and what stands before it, at most"
    )
    assert len(site.rows()) == 1
    answer = site.drain()
    assert answer.error is None
    assert [change.shown(site.item(key)) for _, key in concerned] == [change.after] * 3
    assert [site.item(key) for _, key in (other, never)] == untouched
    assert site.rows() == []
    alike = "title_template" not in change.settings
    assert len(site.plex.edits) <= (1 if alike else 3), "one edit for all where it is the same for all"
    reads = [request for request in site.plex.requests if request.path.startswith("/library/metadata/")]
    assert len(reads) <= 2, "read together before and after"
    site.plex.clear_requests()
    site.call({"mode": "sync_all"})
    assert [request.path for request in site.plex.edits if f"id={never[1]}&" not in request.target + "&"] == [], (
        "nothing is left over"
    )


def test_an_actors_picture_follows(site: Site) -> None:
    has = pictured(1)(site)
    pairs = [add(site, **has) for _ in range(3)]
    site.call({"mode": "sync_all"})
    (before,) = {site.item(key).actors[0].thumb for _, key in pairs}
    ann = site.stash.add_performer("Ann")
    # Stash's times are whole seconds: a save of another second.
    site.stash.store.performers[ann].image = picture(2)
    site.stash.store.performers[ann].updated_s += 5
    hook(site, "Performer.Update.Post", ann, ["id", "image"])
    site.drain()
    (after,) = {site.item(key).actors[0].thumb for _, key in pairs}
    assert before and after and before != after


@pytest.mark.parametrize(
    ("entity", "given"),
    [
        ("performer", {"weight": 60}),
        ("performer", {"name": "Ann", "disambiguation": "", "weight": 61, "favorite": True, "rating100": 20}),
        ("performer", {"country": "NL"}),
        ("studio", {"name": "Acme", "rating100": 20}),
        ("tag", {"name": "Drama", "description": "Sad"}),
        ("group", {"name": "One", "synopsis": "All of it"}),
    ],
)
def test_what_is_not_shown_costs_plex_nothing(site: Site, entity: str, given: dict[str, Any]) -> None:
    site.stash.add_performer("Ann", image=picture(1))
    pairs = [add(site, studio="Acme", performers=["Ann"], tags=["Drama"], groups=["One"]) for _ in range(3)]
    site.call({"mode": "sync_all"})
    site.plex.clear_requests()
    given = {name: value for name, value in given.items() if name != "weight"}
    mutate(site, f"{entity}Update", id="1", **given) if given else None
    fields = ["id", *given, "weight"] if entity == "performer" else ["id", *given]
    hook(site, f"{entity.capitalize()}.Update.Post", 1, fields)
    answer = site.drain()
    assert answer.error is None
    assert [request.path for request in site.plex.requests if "/metadata/" in request.path] == []
    assert site.plex.edits == []
    assert len(pairs) == 3 and site.rows() == []


def test_a_save_of_what_plex_never_shows_is_no_row(site: Site) -> None:
    add(site, performers=["Ann"])
    answer = hook(site, "Performer.Update.Post", 1, ["id", "weight", "favorite"])
    assert "nothing that Plex shows" in (answer.output or "")
    assert not site.data.exists()


def test_a_scene_that_plex_lost_is_not_looked_for_at_each_change(site: Site) -> None:
    """That it is missing is known, and a reconcile's business."""
    scene, key = add(site, performers=["Ann"])
    site.configure(max_retries=0)
    site.sync(scene)
    site.plex.remove_item(key)
    site.save_and_sync(scene, title="Missing now")
    site.call({"mode": "clear_queue"})
    site.plex.clear_requests()
    update(site, "performer", 1, name="Anna")
    assert site.drain().error is None
    assert site.rows() == []
    assert [request.path for request in site.plex.requests if "/metadata/" in request.path] == []


def test_many_changes_at_once_are_an_edit_a_scene(site: Site) -> None:
    names = [f"Ann {number}" for number in range(40)]
    pairs = [add(site, performers=names, studio="Acme") for _ in range(3)]
    site.call({"mode": "sync_all"})
    site.plex.clear_requests()
    asked = len(site.stash.plugin_requests("PlexSyncAsk"))
    for name in names:
        update(site, "performer", site.stash.add_performer(name), name=f"New {name}")
    for number in range(10):
        update(site, "studio", 1, name=f"Acme {number}")
    assert len(site.stash.plugin_requests("PlexSyncAsk")) - asked <= 1, "one asks for all of them"
    site.drain()
    assert len(site.plex.edits) <= 3
    assert [len(site.plex.requests) < 30, site.rows()] == [True, []]
    for _, key in pairs:
        assert site.item(key).studio == "Acme 9"
        assert {role.name for role in site.item(key).actors} == {f"New {name}" for name in names}
    status = site.call({"mode": "status"}).output
    kinds = [(batch["kind"], batch["status"]) for batch in status["batches"]]
    assert kinds.count(("change", "COMPLETED")) <= 51, "of one studio one"


EACH_ITS_OWN = "{studio}: {title}"
"""A template under which a renamed studio is another title for each scene, and so an edit."""


@pytest.mark.usefixtures("_no_strays")
def test_a_change_while_a_drain_is_at_work(site: Site) -> None:
    site.configure(title_template=EACH_ITS_OWN)
    pairs = [add(site, studio="Acme") for _ in range(5)]
    site.call({"mode": "sync_all"})
    site.plex.clear_requests()
    site.plex.edit_delay = 0.05
    update(site, "studio", 1, name="First")
    child = Child.drain(site)
    site.plex.wait_for_edit(2, timeout=20)
    update(site, "studio", 1, name="Second")
    assert child.end().error is None
    assert [site.item(key).studio for _, key in pairs] == ["Second"] * 5
    assert site.rows() == []


@pytest.mark.usefixtures("_no_strays")
@pytest.mark.parametrize("trigger", ["hook", "page"])
def test_a_kill_in_the_middle_loses_no_scene(site: Site, trigger: str) -> None:
    site.configure(title_template=EACH_ITS_OWN)
    pairs = [add(site, studio="Acme", tags=["Drama"]) for _ in range(5)]
    site.call({"mode": "sync_all"})
    site.plex.clear_requests()
    site.plex.edit_delay = 0.05
    update(site, "studio", 1, name="Renamed")
    destroy(site, "tag", 1)
    child = Child.drain(site)
    site.plex.wait_for_edit(2, timeout=20)
    assert child.kill() is None
    site.plex.edit_delay = 0.0
    assert site.call({"mode": "process_queue", "trigger": trigger}).error is None
    assert [(site.item(key).studio, site.item(key).genres) for _, key in pairs] == [("Renamed", [])] * 5
    assert site.rows() == []
    status = site.call({"mode": "status"}).output
    assert {batch["status"] for batch in status["batches"]} == {"COMPLETED"}


def test_a_change_while_plex_is_away_arrives_later(site: Site) -> None:
    pairs = [add(site, studio="Acme") for _ in range(3)]
    site.call({"mode": "sync_all"})
    site.plex.stop()
    update(site, "studio", 1, name="While away")
    assert site.drain().error is not None
    site.plex.start()
    site.plex.fail(kind="refuse", method="PUT", delay=0.2)
    away_again = site.call({"mode": "process_queue", "trigger": "sleeper"})
    assert "Plex is still away" in (away_again.output or "")
    site.plex.clear_faults()
    assert site.drain().error is None, "a save's drain goes on with it, too"
    assert [site.item(key).studio for _, key in pairs] == ["While away"] * 3
    assert site.rows() == []


NONSENSE: list[tuple[object, object]] = [
    *(("gallery", 1), ("", 1), (7, 1), ("tag", 0), ("tag", -1), ("tag", "x"), ("tag", 1.5), ("tag", True)),
    *(("tag", None), ("studio", 2**63), ("performer", 10**40)),
]


def test_a_row_that_is_no_change_is_a_dead_letter_that_says_why(site: Site) -> None:
    scene, key = add(site, studio="Acme")
    site.sync(scene)
    with site.queue_file() as connection:
        for entity, number in NONSENSE:
            row = {"entity": entity, "entity_id": number, "update_type": "tag_update", "enqueued_at": 1.0}
            connection.execute(schema.INSERT_JOB, (json.dumps(row).encode(), 1.0))
    update(site, "studio", 1, name="Renamed")
    answer = site.drain()
    assert answer.error is None
    assert site.item(key).studio == "Renamed"
    assert site.rows() == []
    letters = site.dead_letters()
    assert len(letters) == len(NONSENSE)
    assert all("a queue row has entity" in letter.message for letter in letters)


def test_through_stash_itself(live_site: Site) -> None:
    """The real hooks, as processes: studioUpdate, tagsMerge, performerDestroy, groupUpdate."""
    site = live_site
    site.configure(collection_groups=True)
    pairs = [
        add(site, studio="Acme", tags=["Drama", "Old"], performers=["Ann", "Bob"], groups=["One"]) for _ in range(2)
    ]
    site.stash.press("Sync all scenes")
    site.stash.wait_idle(30)
    site.stash.update_studio(1, name="Renamed")
    tags = site.stash.store.named
    mutate(site, "tagsMerge", source=[str(tags("tags", "Drama"))], destination=str(tags("tags", "Old")))
    mutate(site, "performerDestroy", id="1")
    mutate(site, "groupUpdate", id="1", name="Two")
    site.stash.wait_idle(30)
    for _, key in pairs:
        item = site.item(key)
        assert (item.studio, item.genres, item.collections) == ("Renamed", ["Old"], ["Two"])
        assert [role.name for role in item.actors] == ["Bob"]
    assert site.stash.errors() == []
    assert len(site.stash.hooks()) == 4, "of a group one, although Stash fires its old name's, too"
    assert site.rows() == []
