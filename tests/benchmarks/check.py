"""Holds the light servers and the seeds against the honest stand-ins and a real run, so that they cannot drift."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from sync import data_folder
from sync.model import PlexItem, Scene
from sync.plex.client import PlexClient
from sync.plex.items import read_items
from sync.stash.client import StashClient
from tests.benchmarks import library, seed
from tests.benchmarks.control import Remote
from tests.benchmarks.servers import TOKEN
from tests.benchmarks.workplace import Place, measure, place
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn

SCENES = 60
"""Enough of them that every field is there and is not."""

_OF_ITS_OWN = {"id", "filter", "updatedAt", "lastRatedAt", "thumb", "guid"}
"""Attributes that each server makes up: of an item PlexSync reads two of them, see `_items`."""


def check(base: Path, pair: Remote) -> None:
    """Raise AssertionError where the light servers or the seeds are not as the honest ones or a real run."""
    where = pair.call("addresses")
    with PlexStandIn(token=TOKEN) as plex, StashStandIn(config_dir=base / "honest") as stash:
        _fill(plex, stash, SCENES)
        settings = {**library.PANEL, "plex_url": plex.url, "plex_token": TOKEN}
        stash.set_settings(**settings)
        honest, light = place(base, "honest", stash.port), place(base, "light", where["stash_port"])
        pair.call("arrange", scenes=SCENES, take=1)
        _same_plex(plex.url, where["plex"], "before anything was written")
        for take in (1, 2):
            _to_take(stash, SCENES, take)
            pair.call("arrange", scenes=SCENES, take=take, in_plex=take - 1)
            _same_stash(stash.port, where["stash_port"])
            for one in (honest, light):
                seed.queue(one.data, range(1, SCENES + 1))
                (run,) = measure([one.drain("check")])["check"]
                assert f"{SCENES} changed" in run.said, f"{run.said}\n{run.log}"
            _same_plex(plex.url, where["plex"], f"after take {take}")
            _same_requests(plex, pair.call("tally")["plex"])
            if take == 1:
                made = Place(base / "seeded", light.stash_port)
                seed.synced(made.data, made.stash_port, {**settings, "plex_url": where["plex"]})
                _same_state(light, made)


def _fill(plex: PlexStandIn, stash: StashStandIn, scenes: int) -> None:
    section = plex.add_library(library.LIBRARY)
    for n in range(1, library.PERFORMERS + 1):
        gender = "FEMALE" if n % 2 else "MALE"
        stash.add_performer(
            *(library.performer_name(n),),
            gender=gender,
            birthdate="1970-01-01",
            image=library.portrait(n),
            updated_s=float(library.EPOCH),
        )
    for n in range(1, library.STUDIOS + 1):
        stash.add_studio(library.studio_name(n), parent_id=1 if n > 1 else None)
    for n in range(1, library.TAGS + 1):
        stash.add_tag(library.tag_name(n))
    for n in range(1, library.GROUPS + 1):
        stash.add_group(library.group_name(n))
    for n in range(1, scenes + 1):
        key = plex.add_item(section, [(library.path(n), library.size(n))])
        number = stash.add_scene(
            studio=library._studio(n),
            date=library.date(n),
            performers=library.performers(n),
            groups=library.groups(n),
            files=[(library.path(n), library.size(n))],
            rating100=library.rating100(n),
            code=library.code(n),
            director=library.director(n),
            organized=n % 2 == 0,
            cover=library.cover(n),
        )
        assert key == number == n


def _to_take(stash: StashStandIn, scenes: int, take: int) -> None:
    for n in range(1, scenes + 1):
        scene = stash.scene(n)
        scene.title, scene.details = library.title(n, take), library.details(n, take)
        scene.tag_ids, scene.updated_s = library.tags(n, take), float(library.updated(n, take))


def _same_stash(honest: int, light: int) -> None:
    ours = {"Scheme": "http", "Host": "127.0.0.1"}
    clients = [StashClient({**ours, "Port": port}) for port in (honest, light)]
    for one, other in zip(*map(_scenes, clients), strict=True):
        assert one == other, f"Stash's answers differ:\n{one}\n{other}"
    for client in clients:
        client.close()


def _scenes(client: StashClient) -> list[Scene]:
    by_id = client.scenes([1, 7, 15, 999_999])
    return [_anywhere(scene) for scene in (*client.scene_page(3, 20), *by_id.values())]


def _anywhere(scene: Scene) -> Scene:
    """The scene without Stash's own address."""
    performers = [
        replace(one, picture=one.picture.partition("/performer/")[2], disambiguation=one.disambiguation or "")
        for one in scene.performers
    ]
    return replace(scene, performers=tuple(performers))


def _same_plex(honest: str, light: str, when: str) -> None:
    clients = [
        PlexClient(url, TOKEN, identifier="check", connect_timeout=5, read_timeout=30) for url in (honest, light)
    ]
    for sort in ("addedAt:asc", "addedAt:desc"):
        for one, other in zip(*(_listing(client, sort) for client in clients), strict=True):
            assert one == other, f"listings by {sort} differ {when}:\n{one}\n{other}"
    items = [_items(client) for client in clients]
    for n in items[0]:
        assert items[0][n] == items[1][n], f"item {n} differs {when}:\n{items[0][n]}\n{items[1][n]}"
    assert items[0].keys() == items[1].keys()
    for client in clients:
        client.close()


def _listing(client: PlexClient, sort: str) -> list[Any]:
    asked = [("type", "1"), ("sort", sort), ("X-Plex-Container-Start", "5"), ("X-Plex-Container-Size", "20")]
    root = client.get(f"/library/sections/{library.SECTION}/all", asked)
    return [root.get("totalSize"), *(_plain(element) for element in root)]


def _plain(element: Element) -> Any:
    attributes = {name: value for name, value in element.attrib.items() if name not in _OF_ITS_OWN}
    return element.tag, attributes, [_plain(child) for child in element]


def _items(client: PlexClient) -> dict[int, PlexItem]:
    items = read_items(client, [*range(1, SCENES + 1), 999_999])
    return {
        n: replace(
            item,
            section=library.SECTION,
            rated_at=None,
            actors=tuple(replace(role, thumb=role.thumb.partition("/performer/")[2]) for role in item.actors),
        )
        for n, item in items.items()
    }


def _same_requests(plex: PlexStandIn, light: dict[str, int]) -> None:
    edits = [request for request in plex.requests if request.method == "PUT"]
    uploads = [request for request in plex.requests if request.method == "POST"]
    plex.clear_requests()
    assert (len(edits), len(uploads)) == (light.get("edit", 0), light.get("upload", 0)), "another number of edits"


def _same_state(real: Place, made: Place) -> None:
    for table, columns in (
        ("items", "machine, section, rating_key, scene_id, exact, sent, result, intended, fingerprint, cover"),
        ("steps", "machine, section, rating_key, step, state, error, fingerprint, tries"),
        ("scenes", "scene_id, refs"),
        ("plex_files", "library, rating_key, path_key, name_key, path, size"),
        ("portraits", "path, time, digest"),
    ):
        ours, theirs = (_rows(one, table, columns) for one in (made, real))
        assert len(ours) == len(theirs), f"{len(ours)} seeded rows in {table}, {len(theirs)} after a real run"
        for one, other in zip(ours, theirs, strict=True):
            assert one == other, f"a seeded row in {table} differs from a real run's:\n{one}\n{other}"


def _rows(where: Place, table: str, columns: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(data_folder.state_file(where.data))
    rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
    connection.close()
    return [tuple(_value(cell) for cell in row) for row in sorted(rows, key=repr)]


def _value(cell: Any) -> Any:
    """The order of a JSON object's members says nothing."""
    return json.loads(cell) if isinstance(cell, str) and cell.startswith("{") else cell
