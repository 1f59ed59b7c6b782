"""Which folder of which library Plex is asked to scan for a file, and how that folder is spelt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.plex.client import PlexClient
from sync.plex.matcher import Rules
from sync.plex.scan import FolderScans, folder_in
from sync.plex.sections import Section
from tests.servers.plex import DEFAULT_TOKEN, PlexStandIn

PROPERTY = settings(max_examples=75, deadline=None)

COMPOSED, DECOMPOSED = "zo\u00eb", "zoe\u0308"


@pytest.mark.parametrize(
    ("path", "pairs", "locations", "fold", "expected"),
    [
        pytest.param("/media/a/b.mp4", (), ["/media"], False, "/media/a", id="below"),
        pytest.param("/media/b.mp4", (), ["/media"], False, "/media", id="the library's own folder"),
        pytest.param("/media/b.mp4", (), ["/media/"], False, "/media/", id="with a slash, as Plex writes it"),
        pytest.param("/media2/b.mp4", (), ["/media"], False, "", id="a folder ends at its end"),
        pytest.param("/media/b.mp4", (), ["/media/a"], False, "", id="above"),
        pytest.param("/other/b.mp4", (), ["/media"], False, "", id="elsewhere"),
        pytest.param("/media/b.mp4", (), [], False, "", id="a library without a folder"),
        pytest.param("/a/b.mp4", (), ["/"], False, "/a", id="the root"),
        pytest.param("/media//a/b.mp4", (), ["/media"], False, "/media/a", id="a doubled slash"),
        pytest.param("/media/a\\b/c.mp4", (), ["/media"], False, "/media/a\\b", id="a backslash in a name"),
        # another mount
        pytest.param("/data/a/b.mp4", (("/data", "/media"),), ["/media"], False, "/media/a", id="mapped"),
        pytest.param("/data/a/b.mp4", (("/data", "/media"),), ["/data"], False, "", id="mapped away"),
        pytest.param(
            "/data/a/b.mp4", (("/data", "/m"), ("/data/a", "/n")), ["/m", "/n"], False, "/n", id="the longest pair"
        ),
        # Windows
        pytest.param("D:\\films\\a\\b.mp4", (), ["D:\\films"], True, "D:\\films\\a", id="Windows"),
        pytest.param("d:\\Films\\A\\b.mp4", (), ["D:\\films"], True, "D:\\films\\A", id="Windows: case"),
        pytest.param("D:\\films\\b.mp4", (), ["D:\\films\\"], True, "D:\\films\\", id="Windows: with a backslash"),
        pytest.param("D:\\films\\a\\b.mp4", (), ["D:\\films\\"], True, "D:\\films\\a", id="Windows: below it"),
        pytest.param("D:\\a\\b.mp4", (), ["D:\\"], True, "D:\\a", id="Windows: below a drive"),
        pytest.param("D:\\films2\\b.mp4", (), ["D:\\films"], True, "", id="Windows: a folder ends at its end"),
        pytest.param("/data/a/b.mp4", (("/data", "D:\\films"),), ["D:\\films"], True, "D:\\films\\a", id="to Windows"),
        pytest.param("D:\\films\\a\\b.mp4", (("D:\\films", "/m"),), ["/m"], False, "/m/a", id="from Windows"),
        pytest.param("\\\\nas\\films\\a\\b.mp4", (), ["\\\\nas\\films"], True, "\\\\nas\\films\\a", id="share"),
        pytest.param(
            "/data/x/b.mp4",
            (("/data", "\\\\nas\\films"),),
            ["\\\\nas\\films"],
            True,
            "\\\\nas\\films\\x",
            id="to a share",
        ),
        pytest.param("//nas/films/a/b.mp4", (), ["//nas/films"], True, "//nas/films/a", id="share: slashes"),
        # spelling
        pytest.param("/Media/A/b.mp4", (), ["/media"], True, "/media/A", id="case does not count there"),
        pytest.param(
            f"/media/{DECOMPOSED}/b.mp4", (), ["/media"], False, f"/media/{DECOMPOSED}", id="decomposed as on the disk"
        ),
        pytest.param(
            f"/{COMPOSED}/a/b.mp4", (), [f"/{DECOMPOSED}"], False, f"/{DECOMPOSED}/a", id="the folder as Plex spells it"
        ),
        pytest.param(
            f"/data/{DECOMPOSED}/b.mp4",
            (("/data", "/media"),),
            ["/media"],
            False,
            f"/media/{DECOMPOSED}",
            id="decomposed and mapped",
        ),
        pytest.param(
            f"/data/{DECOMPOSED}/b.mp4",
            ((f"/data/{COMPOSED}", "/media/x"),),
            ["/media"],
            False,
            "/media/x",
            id="decomposed and mapped away",
        ),
    ],
)
def test_which_folder_is_scanned(
    path: str, pairs: tuple[tuple[str, str], ...], locations: list[str], fold: bool, expected: str
) -> None:
    section = Section(1, "Films", "movie", locations=tuple(locations))

    assert folder_in(section, path, Rules(pairs=pairs, fold=fold)) == expected


folders = st.lists(
    st.lists(st.sampled_from(["a", "B", " ", "[", ",", COMPOSED, DECOMPOSED]), min_size=1, max_size=3).map("".join),
    max_size=4,
)


@PROPERTY
@given(folders, folders, st.sampled_from(["/", "D:\\", "\\\\nas\\"]), st.booleans(), st.booleans())
def test_a_file_below_a_library_is_found_in_its_own_folder(
    above: list[str], below: list[str], root: str, ends_with_separator: bool, fold: bool
) -> None:
    separator = "\\" if "\\" in root else "/"
    location = root + separator.join(above) + (separator if ends_with_separator and above else "")
    path = root + separator.join([*above, *below, "file.mp4"])
    section = Section(1, "Films", "movie", locations=(location,))

    folder = folder_in(section, path, Rules(fold=fold))

    assert folder.rstrip(separator) == (root + separator.join([*above, *below])).rstrip(separator)
    other = Section(2, "Other", "movie", locations=(location.rstrip(separator) + "x",))
    assert folder_in(other, path, Rules(fold=fold)) == ""


@PROPERTY
@given(folders.filter(bool))
def test_a_folder_is_never_spelt_anew(names: list[str]) -> None:
    path = "/".join(["", "data", *names, "file.mp4"])
    section = Section(1, "Films", "movie", locations=("/media",))

    folder = folder_in(section, path, Rules(pairs=(("/data", "/media"),)))

    assert folder == "/".join(["/media", *names])


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


FILMS = Section(1, "Films", "movie", locations=("/media",))
VR = Section(2, "VR", "movie", locations=("/media/vr",))


def asked(plex: PlexStandIn) -> list[tuple[int | None, str | None]]:
    return [(scan.section, scan.path) for scan in plex.scans]


def scans(client: PlexClient, plex: PlexStandIn) -> FolderScans:
    for section in (FILMS, VR):
        plex.add_library(section.title, key=section.id, locations=section.locations)
    return FolderScans(client, [FILMS, VR], Rules())


def test_a_folder_of_two_libraries_is_scanned_in_both(plex: PlexStandIn, client: PlexClient) -> None:
    said = scans(client, plex).ask(["/media/vr/a/b.mp4"])

    assert asked(plex) == [(1, "/media/vr/a"), (2, "/media/vr/a")]
    assert (
        said == 'Plex was asked to scan the folder (library "Films"); Plex was asked to scan the folder (library "VR")'
    )


def test_a_folder_is_scanned_once_for_all_its_files(plex: PlexStandIn, client: PlexClient) -> None:
    one = scans(client, plex)

    said = {one.ask([f"/media/a/{number}.mp4", f"/media//a/{number}.mkv"]) for number in range(3)}

    assert asked(plex) == [(1, "/media/a")]
    assert said == {'Plex was asked to scan the folder (library "Films")'}


def test_a_file_of_no_library_asks_for_no_scan_and_says_what_to_check(plex: PlexStandIn, client: PlexClient) -> None:
    said = scans(client, plex).ask(["/elsewhere/b.mp4"])

    assert asked(plex) == []
    assert "path_map" in said


def test_a_plex_that_stumbles_over_a_scan_is_told_and_not_asked_again(plex: PlexStandIn, client: PlexClient) -> None:
    one = scans(client, plex)
    plex.fail(status=500, times=1, method="GET")

    said = one.ask(["/media/a/b.mp4"])

    assert "could not be asked" in said
    assert one.ask(["/media/a/c.mp4"]) == said
    assert asked(plex) == []
