"""Where Plex can see a performer's picture without being given a key to Stash, and what kind a picture is."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import UnusablePictureError
from sync.mapping.performer_pictures import (
    PictureAccess,
    base_of,
    is_loopback,
    local_path,
    picture_access,
    picture_sha1,
    picture_url,
    read_picture,
    split_time,
    why_no_pictures,
    with_digest,
)

PROPERTY = settings(max_examples=100, deadline=None)

KEY = "s3cret.k+y/="
HERE, THERE = "http://127.0.0.1:32400", "http://192.168.1.10:32400"
IMAGE = "http://192.168.1.20:9999/performer/7/image?t=1700000000"


@pytest.mark.parametrize(
    ("choice", "credentials", "key", "given_away", "reason"),
    [
        pytest.param("auto", False, "", "", "", id="auto: an open Stash"),
        pytest.param("auto", True, "", None, "auto", id="auto: a password"),
        pytest.param("auto", True, KEY, None, "auto", id="auto: a key"),
        pytest.param("auto", False, KEY, "", "", id="auto: no key of an open Stash is given away"),
        pytest.param("on", False, "", "", "", id="on: an open Stash"),
        pytest.param("on", False, KEY, "", "", id="on: a key that nobody asks for"),
        pytest.param("on", True, KEY, KEY, "", id="on: the key is given away as the user said"),
        pytest.param("on", True, "", None, "no API key", id="on: a password, and no key to give"),
        pytest.param("off", False, "", None, "off", id="off: an open Stash"),
        pytest.param("off", True, KEY, None, "off", id="off: a key"),
    ],
)
def test_who_is_given_what(choice: str, credentials: bool, key: str, given_away: str | None, reason: str) -> None:
    access = picture_access(choice, stash_url="", plex_url=THERE, credentials=credentials, api_key=key)
    why = why_no_pictures(choice, credentials=credentials, api_key=key)

    assert (access.key if access else None) == given_away
    assert (access is None) == bool(why)
    assert reason in why
    assert KEY not in why
    if why and reason != "off":
        assert "performer_pictures" in why


def test_a_key_is_not_printed() -> None:
    access = picture_access("on", stash_url="", plex_url=THERE, credentials=True, api_key=KEY)

    assert access is not None
    assert KEY not in repr(access)
    assert KEY not in f"{access} {[access]}"


@pytest.mark.parametrize(
    ("url", "stash_url", "plex_url", "expected"),
    [
        pytest.param(IMAGE, "", THERE, IMAGE, id="as Stash gives it"),
        pytest.param(
            IMAGE,
            "https://stash.example.org",
            THERE,
            "https://stash.example.org/performer/7/image?t=1700000000",
            id="set",
        ),
        pytest.param(
            "https://stash.example.org/s/performer/7/image?t=1",
            "",
            THERE,
            "https://stash.example.org/s/performer/7/image?t=1",
            id="Stash's external host, in a folder",
        ),
        pytest.param(
            "https://stash.example.org/s/performer/7/image?t=1",
            "http://10.0.0.2:9999",
            THERE,
            "http://10.0.0.2:9999/performer/7/image?t=1",
            id="the folder belongs to the host that is replaced",
        ),
        pytest.param(
            "http://localhost:9999/performer/7/image",
            "http://10.0.0.2/stash",
            THERE,
            "http://10.0.0.2/stash/performer/7/image",
            id="set, in a folder",
        ),
        pytest.param("http://localhost:9999/performer/7/image", "", THERE, "", id="of no use to another machine"),
        pytest.param("http://127.0.0.1:9999/performer/7/image", "", THERE, "", id="loopback"),
        pytest.param("http://[::1]:9999/performer/7/image", "", THERE, "", id="loopback of IPv6"),
        pytest.param("http://0.0.0.0:9999/performer/7/image", "", THERE, "", id="an address to listen on"),
        pytest.param(IMAGE, "http://localhost:9999", THERE, "", id="set to loopback"),
        pytest.param(
            "http://localhost:9999/performer/7/image",
            "",
            HERE,
            "http://localhost:9999/performer/7/image",
            id="Plex on this machine",
        ),
        pytest.param(
            "http://localhost:9999/performer/7/image",
            "",
            "http://localhost:32400",
            "http://localhost:9999/performer/7/image",
            id="Plex on this machine, by name",
        ),
        pytest.param(IMAGE, "", HERE, IMAGE, id="Plex on this machine reaches the rest too"),
        pytest.param("", "", THERE, "", id="no picture"),
        pytest.param("http://192.168.1.20:9999/studio/7/image", "", THERE, "", id="no performer's picture"),
        pytest.param("http://192.168.1.20:9999/", "http://10.0.0.2", THERE, "", id="no path"),
    ],
)
def test_where_plex_finds_a_picture(url: str, stash_url: str, plex_url: str, expected: str) -> None:
    access = picture_access("auto", stash_url=stash_url, plex_url=plex_url, credentials=False, api_key="")

    assert access is not None
    assert picture_url(url, access) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:1/performer/7/image", f"http://h:1/performer/7/image?apikey={'s3cret.k%2By%2F%3D'}"),
        ("http://h:1/performer/7/image?t=1", f"http://h:1/performer/7/image?t=1&apikey={'s3cret.k%2By%2F%3D'}"),
        ("http://h:1/performer/7/image?apikey=old", f"http://h:1/performer/7/image?apikey={'s3cret.k%2By%2F%3D'}"),
    ],
)
def test_a_key_is_given_along_where_the_user_said_so(url: str, expected: str) -> None:
    assert picture_url(url, PictureAccess(key=KEY)) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:9999/scene/12/screenshot?t=1", "/scene/12/screenshot?t=1"),
        ("http://h:9999/performer/7/image", "/performer/7/image"),
        ("https://example.org/stash/scene/12/screenshot?t=1", "/scene/12/screenshot?t=1"),
        ("https://example.org/a/b/c/performer/7/image?t=1&x=2", "/performer/7/image?t=1&x=2"),
        ("https://example.org/scene/scene/12/screenshot", "/scene/12/screenshot"),
        ("http://h:9999/scene/12/screenshot?apikey=s3cret&t=1", "/scene/12/screenshot?t=1"),
        ("http://h:9999/scene/12/screenshot?t=1&apikey=s3cret", "/scene/12/screenshot?t=1"),
        ("http://h:9999/scene/12/screenshot?apikey=s3cret", "/scene/12/screenshot"),
        ("http://h:9999/scene/12/screenshot?ApiKey=s3cret", "/scene/12/screenshot"),
        ("http://h:9999/scene/12/screenshot?t=1#x", "/scene/12/screenshot?t=1"),
        ("/scene/12/screenshot?t=1", "/scene/12/screenshot?t=1"),
        ("http://h:9999/scene/x/screenshot", ""),
        ("http://h:9999/studio/1/image", ""),
        ("http://h:9999", ""),
        ("http://[::1/performer/7/image?t=1", "/performer/7/image?t=1"),
        ("", ""),
    ],
)
def test_a_picture_is_asked_of_stashs_own_address(url: str, expected: str) -> None:
    assert local_path(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (IMAGE, "http://192.168.1.20:9999"),
        ("https://example.org/stash/performer/7/image?t=1", "https://example.org/stash"),
        ("http://h:1/scene/1/screenshot?apikey=x", "http://h:1"),
    ],
)
def test_the_address_that_stash_believes_to_be_its_own(url: str, expected: str) -> None:
    assert base_of(url) == expected


@pytest.mark.parametrize(
    ("url", "path", "time", "expected"),
    [
        (IMAGE, "/performer/7/image", "1700000000", "http://192.168.1.20:9999/performer/7/image?t=abc"),
        ("http://h:1/performer/7/image", "/performer/7/image", "", "http://h:1/performer/7/image?t=abc"),
        (
            "https://h/s/performer/7/image?x=1&t=5&y=2",
            "/performer/7/image?x=1&y=2",
            "5",
            "https://h/s/performer/7/image?x=1&y=2&t=abc",
        ),
        (
            "http://h:1/performer/7/image?apikey=s3cret&t=5",
            "/performer/7/image",
            "5",
            "http://h:1/performer/7/image?t=abc",
        ),
        ("http://h:1/performer/7/image?t=5#x", "/performer/7/image", "5", "http://h:1/performer/7/image?t=abc"),
    ],
)
def test_a_digest_takes_the_place_of_the_time(url: str, path: str, time: str, expected: str) -> None:
    assert split_time(url) == (path, time)
    assert with_digest(url, "abc") == expected
    assert with_digest(expected, "abc") == expected


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:32400", True),
        ("http://LOCALHOST", True),
        ("http://localhost.:32400", True),
        ("http://plex.localhost", True),
        ("http://127.0.0.1:32400", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:32400", True),
        ("http://0.0.0.0:1", True),
        ("http://[::]:1", True),
        ("http://192.168.1.10:32400", False),
        ("http://plex:32400", False),
        ("http://localhost.example.org", False),
        ("http://mylocalhost", False),
        ("http://127.0.0.1.example.org", False),
        ("http://[fe80::1]", False),
        ("http://host.docker.internal", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_addresses_of_this_very_machine(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"x" * 20
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"x" * 20


@pytest.mark.parametrize(
    ("content", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")], ids=["PNG", "JPEG", "WebP"]
)
def test_pictures_that_plex_takes(content: bytes, kind: str) -> None:
    picture = read_picture(content)

    assert picture is not None
    assert (picture.content, picture.type) == (content, kind)
    assert picture.sha1 == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert "xxx" not in repr(picture), "no picture in a log line"


@pytest.mark.parametrize(
    "content",
    [b"<svg xmlns='x'/>", b"<?xml version='1.0'?>\n<!-- x -->\n<SVG/>", b"\xef\xbb\xbf<svg>"],
    ids=["svg", "svg behind a header", "svg behind a mark"],
)
def test_the_drawing_of_no_picture_is_none(content: bytes) -> None:
    assert read_picture(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b"GIF89a" + b"x" * 20,
        b"GIF87a",
        b"BM" + b"x" * 20,
        b"RIFF\x10\x00\x00\x00AVI LIST",
        b"\x00\x00\x00\x1cftypavif",
        b"<html>not found</html>",
        b"\xff\xd8",
        b"\x89PNG",
        b" " + PNG,
        b"x" * 2000 + b"<svg",
    ],
    ids=["GIF", "old GIF", "BMP", "AVI", "AVIF", "HTML", "half a JPEG", "half a PNG", "not at its start", "svg late"],
)
def test_pictures_that_plex_does_not_take_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(UnusablePictureError, match="no JPEG, PNG or WebP"):
        read_picture(content)


def test_an_empty_picture_is_refused_in_words() -> None:
    with pytest.raises(UnusablePictureError, match="empty"):
        read_picture(b"")


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("content", [PNG, JPEG + b"<svg>", WEBP, b"GIF89a", b"\x00\x00\x00\x1cftypavif", b"x" * 5000])
def test_a_picture_of_any_kind_has_a_digest(content: bytes, size: int) -> None:
    pieces = [content[start : start + size] for start in range(0, len(content), size)]

    assert picture_sha1(pieces) == hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_the_drawing_of_no_picture_has_no_digest() -> None:
    assert picture_sha1([b"<?xml version='1.0'?>\n<!-- x -->\n<S", b"VG/>"]) is None


@pytest.mark.parametrize("content", [b"", b"\n<html>not found</html>"])
def test_what_is_no_picture_has_no_digest(content: bytes) -> None:
    with pytest.raises(UnusablePictureError):
        picture_sha1([content])


# Properties

hosts = st.sampled_from(["http://localhost:9999", "http://10.0.0.2:9999", "https://example.org/stash", "http://[::1]"])
queries = st.lists(
    st.tuples(st.sampled_from(["t", "apikey", "ApiKey", "APIKEY", "default", "x"]), st.sampled_from(["1", "a b", KEY]))
)


def built(host: str, query: list[tuple[str, str]]) -> str:
    return f"{host}/performer/7/image" + (f"?{urlencode(query)}" if query else "")


@PROPERTY
@given(
    choice=st.sampled_from(["auto", "on", "off"]),
    credentials=st.booleans(),
    api_key=st.sampled_from(["", KEY]),
    stash_url=st.sampled_from(["", "http://10.0.0.3:9999", "http://localhost:9999", "https://example.org/s"]),
    plex_url=st.sampled_from([HERE, THERE]),
    host=hosts,
    query=queries.filter(lambda query: all(value != KEY or "key" in name.lower() for name, value in query)),
)
def test_no_key_is_given_away_unless_the_user_said_so(
    choice: str,
    credentials: bool,
    api_key: str,
    stash_url: str,
    plex_url: str,
    host: str,
    query: list[tuple[str, str]],
) -> None:
    access = picture_access(choice, stash_url=stash_url, plex_url=plex_url, credentials=credentials, api_key=api_key)
    url = picture_url(built(host, query), access) if access else ""

    keys = [value for name, value in parse_qsl(urlsplit(url).query) if name.casefold() == "apikey"]
    if choice == "on" and credentials and url:
        assert keys == [KEY], "without it Stash would not show the picture"
    else:
        assert keys == []
        assert "s3cret" not in url
    if credentials and choice != "on":
        assert url == "", "a Stash that asks for a password shows Plex nothing"
    if url:
        assert url.startswith((stash_url or host) + "/performer/7/image")
        assert plex_url == HERE or not is_loopback(url)


@PROPERTY
@given(st.text(max_size=40) | st.builds(built, hosts, queries))
def test_any_address_is_understood_or_left(url: str) -> None:
    path = local_path(url)

    assert path == "" or path.startswith(("/scene/", "/performer/"))
    assert "apikey" not in path.casefold().partition("?")[2]


@PROPERTY
@given(st.binary(max_size=64) | st.sampled_from([PNG, JPEG, WEBP]).map(lambda one: one[:16]))
def test_any_bytes_are_a_picture_none_or_refused(content: bytes) -> None:
    try:
        picture = read_picture(content)
    except UnusablePictureError:
        return
    assert picture is None or picture.content == content
