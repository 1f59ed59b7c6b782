"""Which pictures of an item may be replaced, and what Plex says it offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.performer_pictures import read_picture
from sync.model import PICTURES, MediaFile, Memory, Picture, PlexItem
from sync.plex.artwork import ENDPOINTS, Choice, choices, is_chosen, may_replace, upload
from sync.plex.client import PlexClient
from tests.servers.plex import DEFAULT_TOKEN, PlexStandIn

PROPERTY = settings(max_examples=75, deadline=None)

OURS, OLD, OTHER = "a" * 40, "b" * 40, "c" * 40
FRAME, AGENT = "media://1/23.bundle/Contents/Thumbnails/thumb1.jpg", "metadata://posters/agent_4"


def uploaded(sha1: str) -> str:
    return f"upload://posters/{sha1}"


def memory(sent: str = "", result: str = "", *intended: str) -> Memory:
    return Memory(
        {"poster": sent} if sent else {},
        {"poster": result} if result else {},
        {"poster": list(intended)} if intended else {},
    )


def offered(selected: str) -> list[Choice]:
    others = [uploaded(OTHER), FRAME, AGENT]
    return [Choice(name, False) for name in others if name != selected] + ([Choice(selected, True)] if selected else [])


def item(*, named: bool, locked: bool, lock: str = "thumb") -> PlexItem:
    title = "Somebody's title" if named else "clip 1"
    return PlexItem(
        1, 1, title=title, files=(MediaFile("/a/clip.1.mp4"),), locked=frozenset({lock} if locked else set())
    )


WRITTEN = memory(OURS, uploaded(OURS))
RENAMED = memory(OURS, "upload://posters/of-a-later-plex")


@pytest.mark.parametrize(
    ("selected", "locked", "named", "known", "free"),
    [
        pytest.param("", False, False, Memory(), True, id="none"),
        pytest.param("", False, True, Memory(), True, id="none, of an item that a person named"),
        pytest.param("", True, False, Memory(), False, id="a person locked it empty"),
        pytest.param("", True, True, WRITTEN, True, id="ours is gone, and the lock is ours"),
        pytest.param("", True, True, memory("", "", OURS), True, id="ours maybe, and the lock is ours maybe"),
        pytest.param(FRAME, False, False, Memory(), True, id="a frame"),
        pytest.param(FRAME, False, True, Memory(), True, id="a frame, of an item that a person named"),
        pytest.param(FRAME, True, False, Memory(), False, id="a frame that a person chose"),
        pytest.param(FRAME, True, True, WRITTEN, False, id="a frame that a person chose over ours"),
        pytest.param(FRAME, False, True, WRITTEN, True, id="a frame that Plex took when ours was lost"),
        pytest.param(AGENT, False, False, Memory(), True, id="an agent's, of an item that nobody touched"),
        pytest.param(AGENT, False, True, Memory(), False, id="an agent's, of an item that a person named"),
        pytest.param(AGENT, True, False, Memory(), False, id="an agent's that a person chose"),
        pytest.param(AGENT, False, False, WRITTEN, False, id="an agent's that came after ours"),
        pytest.param(uploaded(OURS), True, True, WRITTEN, True, id="ours"),
        pytest.param(uploaded(OURS), True, True, memory("", "", OURS), True, id="ours that nobody confirmed"),
        pytest.param(
            uploaded(OLD), True, True, memory(OURS, uploaded(OURS), OLD), True, id="an older one that nobody confirmed"
        ),
        pytest.param(uploaded(OURS), True, True, memory(OURS), True, id="ours by its content"),
        pytest.param(
            "upload://posters/of-a-later-plex", True, True, RENAMED, True, id="ours by the name that Plex gave"
        ),
        pytest.param(AGENT, True, True, memory("", "", AGENT), True, id="what we were about to replace"),
        pytest.param(uploaded(OTHER), True, True, WRITTEN, False, id="a person's upload over ours"),
        pytest.param(uploaded(OTHER), True, True, Memory(), False, id="a person's upload"),
        pytest.param(uploaded(OTHER), True, False, Memory(), False, id="a person's upload to an item nobody named"),
        pytest.param(f"metadata://posters/{OURS}", True, True, WRITTEN, False, id="an agent's that ends like ours"),
    ],
)
def test_which_posters_may_be_replaced(selected: str, locked: bool, named: bool, known: Memory, free: bool) -> None:
    assert may_replace("poster", item(named=named, locked=locked), offered(selected), known) is free


@pytest.mark.parametrize(("kind", "lock"), [("poster", "thumb"), ("background", "art")])
def test_each_picture_has_a_lock_of_its_own(kind: str, lock: str) -> None:
    other = {"thumb": "art", "art": "thumb"}[lock]

    assert PICTURES[kind] == lock
    assert not may_replace(kind, item(named=False, locked=True, lock=lock), offered(FRAME), Memory())
    assert may_replace(kind, item(named=False, locked=True, lock=other), offered(FRAME), Memory())


@pytest.mark.parametrize("known", [memory(OURS, uploaded(OURS)), memory("", "", OURS)], ids=["written", "intended"])
def test_what_is_ours_as_a_poster_is_not_ours_as_a_background(known: Memory) -> None:
    assert not may_replace("background", item(named=True, locked=True, lock="art"), offered(uploaded(OURS)), known)


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(uploaded(OURS), True), True),
        (Choice(f"upload://arts/{OURS}", True), True),
        (Choice(uploaded(OURS), False), False),
        (Choice(uploaded(OTHER), True), False),
        (Choice(f"metadata://posters/{OURS}", True), False),
        (Choice(f"upload://posters/x{OURS}", True), False),
    ],
)
def test_an_upload_is_known_by_its_content(choice: Choice, chosen: bool) -> None:
    assert is_chosen([choice], OURS) is chosen
    assert is_chosen([Choice(AGENT, not choice.selected), choice], OURS) is chosen


@PROPERTY
@given(
    selected=st.sampled_from(["", FRAME, AGENT, uploaded(OURS), uploaded(OLD), uploaded(OTHER)]),
    named=st.booleans(),
    sent=st.sampled_from(["", OURS, OLD]),
    intended=st.lists(st.sampled_from([OURS, OLD]), max_size=2),
)
def test_a_locked_picture_that_is_not_ours_is_never_replaced(
    selected: str, named: bool, sent: str, intended: list[str]
) -> None:
    known = memory(sent, uploaded(sent) if sent else "", *intended)
    ours = {uploaded(one) for one in (sent, *intended) if one}

    free = may_replace("poster", item(named=named, locked=True), offered(selected), known)

    assert free == (selected in ours if selected else bool(ours))


# Over HTTP


@pytest.fixture
def plex() -> Iterator[PlexStandIn]:
    with PlexStandIn() as server:
        yield server


@pytest.fixture
def client(plex: PlexStandIn) -> Iterator[PlexClient]:
    one = PlexClient(plex.url, DEFAULT_TOKEN, identifier="x", connect_timeout=2, read_timeout=2)
    yield one
    one.close()


def picture(colour: bytes) -> Picture:
    # The end of a JPEG is what the stand-in looks for.
    found = read_picture(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + colour * 64 + b"\xff\xd9")
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ENDPOINTS)
def test_an_upload_is_chosen_and_seen_to_be(plex: PlexStandIn, client: PlexClient, kind: str) -> None:
    key = plex.add_item(plex.add_library("Movies"), ["/media/clip.1.mp4"])
    first, second = picture(b"1"), picture(b"2")

    for one, other in ((first, second), (second, first)):
        upload(client, key, kind, one)
        assert is_chosen(choices(client, key, kind), one.sha1)
        assert not is_chosen(choices(client, key, kind), other.sha1)

    shown: dict[str, Any] = {"poster": plex.item(key).poster, "background": plex.item(key).art}
    assert shown[kind] == second.content
    assert [value for name, value in shown.items() if name != kind] == [None]


def test_nobody_knows_what_an_item_that_is_gone_offers(plex: PlexStandIn, client: PlexClient) -> None:
    key = plex.add_item(plex.add_library("Movies"), ["/media/clip.1.mp4"])
    plex.remove_item(key)

    assert choices(client, key, "poster") == []
