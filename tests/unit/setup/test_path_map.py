"""Which path_map is proposed for a sample of scenes and the Plex files of their names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.model import MediaFile
from sync.setup.path_map import Sample, Sighting, matching_by_path, propose, shared_folders
from sync.text.media_paths import path_key
from sync.text.typed import parse_path_map, path_map_of


def seen(stash: str, *plex: str, size: int | None = None) -> Sample:
    """One scene of one file, and where Plex has files of its name."""
    own = len(stash.replace("\\", "/").rpartition("/")[2]) if size is None else size
    return [Sighting(MediaFile(stash, own), tuple(MediaFile(path, own) for path in plex))]


def found(samples: list[Sample], present: str = "", *, fold: bool = False) -> tuple[str, int] | None:
    """The map that is proposed, and how many scenes match by their path with it."""
    pairs = propose(samples, parse_path_map(present), fold=fold)
    assert parse_path_map(path_map_of(pairs)) == pairs
    return (path_map_of(pairs), len(matching_by_path(samples, pairs, fold=fold))) if pairs else None


def moved(source: str, target: str, *rest: str) -> list[Sample]:
    """Scenes whose path is the same in both below another prefix each."""
    return [seen(source + one, target + one) for one in rest]


TWO = ("/clips/a.mp4", "/clips/b.mp4")


@pytest.mark.parametrize(
    ("samples", "present", "expected", "matching"),
    [
        pytest.param(moved("/data", "/media/stash", *TWO), "", "/data=/media/stash", 2, id="another prefix"),
        pytest.param(
            [*moved("/data", "/media", *TWO), *moved("/more", "/disk2", "/x/c.mp4", "/y/d.mp4")],
            *("", "/data=/media; /more=/disk2", 4),
            id="several prefixes",
        ),
        pytest.param(
            [
                *moved("/data", "/media", "/a/1.mp4", "/b/2.mp4", "/c/3.mp4"),
                *moved("/data/f", "/f", "/x.mp4", "/y.mp4"),
            ],
            *("", "/data=/media; /data/f=/f", 5),
            id="one folder lies elsewhere",
        ),
        pytest.param(
            [*moved("/new", "/media/new", *TWO), *moved("/data", "/media", *TWO)],
            *("/data=/media", "/data=/media; /new=/media/new", 4),
            id="beside the present map",
        ),
        pytest.param(
            moved("/data", "/media", *TWO),
            "/data=/wrong; /other=/elsewhere",
            "/other=/elsewhere; /data=/media",
            2,
            id="a present pair leads nowhere",
        ),
        pytest.param(
            moved("/data", "/media", *TWO, "/f/x.mp4"),
            "/data/clips=/wrong",
            "/data/clips=/media/clips",
            2,
            id="a present pair stands in the way",
        ),
        pytest.param(moved("", "/media", *TWO), "", "/clips=/media/clips", 2, id="no root where a folder says it"),
        pytest.param(moved("", "/media", "/a/1.mp4", "/b/2.mp4"), "", "/=/media", 2, id="all of a system"),
        pytest.param(moved("/data", "", "/a/1.mp4", "/b/2.mp4"), "", "/data=/", 2, id="Plex has it at its root"),
        pytest.param(
            [seen(r"Z:\clips\a.mp4", "/volume1/clips/a.mp4"), seen(r"Z:\clips\x\b.mp4", "/volume1/clips/x/b.mp4")],
            *("", "Z:=/volume1", 2),
            id="Windows to POSIX",
        ),
        pytest.param(
            [seen(r"\\nas\share\x\a.mp4", "/mnt/x/a.mp4"), seen(r"\\nas\share\y\b.mp4", "/mnt/y/b.mp4")],
            *("", r"\\nas\share=/mnt", 2),
            id="a Windows share",
        ),
        pytest.param(
            [seen("/data/x/a.mp4", "D:\\Clips\\x\\a.mp4"), seen("/data/y/b.mp4", "D:\\Clips\\y\\b.mp4")],
            *("", "/data=D:\\Clips", 2),
            id="POSIX to Windows",
        ),
        pytest.param(
            [seen("/a;b/x/1.mp4", "/m/x/1.mp4"), seen("/a;b/y/2.mp4", "/m/y/2.mp4")],
            "",
            '"/a;b"="/m"',
            2,
            id="a semicolon",
        ),
        pytest.param(
            [seen("/a=b/x/1.mp4", "/m/x/1.mp4"), seen("/a=b/y/2.mp4", "/m/y/2.mp4")],
            "",
            '"/a=b"="/m"',
            2,
            id="= at the left",
        ),
        pytest.param(
            [seen("/a,/s/1.mp4", "/m/t /1.mp4"), seen("/a,/s/2.mp4", "/m/t /2.mp4")],
            "",
            '"/a,/s"="/m/t "',
            2,
            id="a comma and a blank at a folder's end",
        ),
        pytest.param(
            [seen("/m/x/1.mp4", "/a=b/x/1.mp4"), seen("/m/y/2.mp4", "/a=b/y/2.mp4")],
            "",
            "/m=/a=b",
            2,
            id="= at the right",
        ),
    ],
)
def test_what_is_proposed(samples: list[Sample], present: str, expected: str, matching: int) -> None:
    assert found(samples, present) == (expected, matching)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([], id="nothing"),
        pytest.param([[]], id="a scene without files"),
        pytest.param([[Sighting(MediaFile(""))]], id="a file without a path"),
        pytest.param([seen("/data/a.mp4")], id="not in Plex"),
        pytest.param([seen("/data/a.mp4", "/media/a.mp4")], id="one scene alone"),
        pytest.param(moved("/data", "/data", *TWO), id="the same paths"),
        pytest.param([seen("/data/a.mp4", "/m/1/a.mp4", "/m/2/a.mp4")], id="one ambiguous name"),
        pytest.param([[Sighting(MediaFile("/data/a.mp4", 1), (MediaFile("/m/a.mp4", 2),))]], id="another size"),
        pytest.param([[Sighting(MediaFile("/data/a.mp4", 1), (MediaFile("/m/a.mp4"),))]], id="one of unknown size"),
        pytest.param(
            [*moved("/data", "/data", *TWO), seen("/data/clips/moved.mp4", "/data/old/moved.mp4")],
            id="one stray file where the rest matches",
        ),
    ],
)
def test_no_proposal(samples: list[Sample]) -> None:
    assert found(samples) is None


def test_a_pair_for_each_scene_is_no_map() -> None:
    assert found([seen(f"/data/{n}/a/{n}.mp4", f"/m/{n * 7}/b/{n}.mp4") for n in range(60)]) is None


def test_what_matches_is_not_broken() -> None:
    samples = [*moved("/data", "/data", "/keep/1.mp4"), *moved("/data", "/media", "/a/2.mp4", "/a/3.mp4", "/a/4.mp4")]
    assert found(samples) == ("/data/a=/media/a", 4)


def test_case_counts_as_it_does_in_plex() -> None:
    samples = [seen("/data/Clips/A.mp4", "D:/m/clips/a.mp4"), seen("/data/Clips/B.mp4", "D:/m/clips/b.mp4")]
    assert found(samples, fold=True) == ("/data=D:/m", 2)
    assert found(samples) is None, "no map makes one of two names"


def test_decomposed_names_are_the_same_names() -> None:
    name = "/Caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    apart = unicodedata.normalize("NFD", name)
    samples = [seen(f"/Users/me{apart}/{n}.mp4", f"/media{name}/{n}.mp4") for n in range(3)]
    assert found(samples) == ("/Users/me=/media", 3)


def test_numbered_names_point_to_the_one_prefix_that_explains_most() -> None:
    folders = ["/one", "/two", "/three"]
    everywhere = [f"/media{folder}/{n}.mp4" for folder in folders for n in range(9)]
    samples = [
        seen(f"/data{folder}/{n}.mp4", *(path for path in everywhere if path.endswith(f"/{n}.mp4")))
        for folder in folders
        for n in range(9)
    ]
    assert found(samples) == ("/data=/media", 27)


def test_a_name_that_is_everywhere_costs_little() -> None:
    everywhere = [f"/media/{n}/{m}/video.mp4" for n in range(20) for m in range(50)]
    samples = [seen(f"/data/{n}/7/video.mp4", *everywhere) for n in range(20)]
    assert found(samples) == ("/data=/media", 20)


folder = st.text("ab;= é\\.", min_size=1, max_size=3).filter(lambda text: text.strip(".") != "")
roots = st.sampled_from(["", "/data", "/m", "/m/x", "Z:", "z:\\Clips", "\\\\nas\\share", "//nas/share/x", "D:/m"])


@st.composite
def paths(draw: st.DrawFn) -> tuple[str, str]:
    """A path in Stash and one in Plex, of a common end or none."""
    rest = "/".join(draw(st.lists(folder, min_size=1, max_size=3)))
    one, other = draw(roots), draw(roots)
    windows = one[1:2] == ":" or one.startswith(("\\\\", "//"))
    return f"{one}/{rest}".replace("/", "\\") if windows and draw(st.booleans()) else f"{one}/{rest}", f"{other}/{rest}"


@given(
    st.lists(st.tuples(paths(), st.lists(paths(), max_size=2)), max_size=8),
    st.lists(st.tuples(roots, roots), max_size=2),
    st.booleans(),
)
def test_a_proposal_is_usable_better_and_breaks_nothing(
    drawn: list[tuple[tuple[str, str], list[tuple[str, str]]]], given_pairs: list[tuple[str, str]], fold: bool
) -> None:
    samples: list[Sample] = [seen(own, other, *(path for _, path in more), size=1) for (own, other), more in drawn]
    present = tuple({one: other for one, other in given_pairs if one and other}.items())
    pairs = propose(samples, present, fold=fold)
    if not pairs:
        return
    assert matching_by_path(samples, present, fold=fold) < matching_by_path(samples, pairs, fold=fold)
    assert parse_path_map(path_map_of(pairs)) == pairs
    new = [pair for pair in pairs if pair not in present]
    assert all(path_key(one, fold=fold).rstrip("/") != path_key(other, fold=fold).rstrip("/") for one, other in new)


@pytest.mark.parametrize(
    ("paths_of_files", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["/data/x/a.mp4", "/data/y/b.mp4", "/more/c.mp4"], [("/data", 2), ("/more", 1)], id="two"),
        pytest.param(["/a/b/c/d/e/f.mp4"], [("/a/b/c", 1)], id="not deeper than three"),
        pytest.param(["Z:\\x\\y\\a.mp4", "z:/x/b.mp4"], [("Z:\\x", 2)], id="a drive"),
        pytest.param(["\\\\nas\\share\\a.mp4", "\\\\nas\\share\\x\\b.mp4"], [("\\\\nas\\share", 2)], id="a share"),
        pytest.param(["/a.mp4", "/x/b.mp4"], [("/", 1), ("/x", 1)], id="at the root"),
    ],
)
def test_shared_folders(paths_of_files: list[str], expected: list[tuple[str, int]]) -> None:
    assert shared_folders(paths_of_files) == expected


@given(st.lists(paths().map(lambda pair: pair[0]), max_size=6))
def test_shared_folders_never_name_a_file(drawn: list[str]) -> None:
    named = shared_folders(drawn)
    assert sum(count for _, count in named) == len(drawn)
    assert all(any(path.startswith(folder) and path != folder for path in drawn) for folder, _ in named)
