"""One file, two spellings of its path."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.text.media_paths import is_windows, map_path, name_key, path_key, trailing_folders, unify

PROPERTY = settings(max_examples=75, deadline=None)

NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b.mp4", "/a/b.mp4"),
        ("/a///b//c.mp4", "/a/b/c.mp4"),
        ("C:\\a\\b.mp4", "C:/a/b.mp4"),
        ("C:/a\\b.mp4", "C:/a/b.mp4"),
        ("C:\\\\a\\b.mp4", "C:/a/b.mp4"),
        ("C:", "C:"),
        ("\\\\nas\\v\\b.mp4", "//nas/v/b.mp4"),
        ("\\\\nas\\\\v\\b.mp4", "//nas/v/b.mp4"),
        ("//nas/v/b.mp4", "//nas/v/b.mp4"),
        ("/a/b\\c.mp4", "/a/b\\c.mp4"),
        ("C:a\\b", "C:a\\b"),
        ("CD:\\a", "CD:\\a"),
        (f"/a/{NFD}.mp4", f"/a/{NFC}.mp4"),
        ("/a/ b .mp4", "/a/ b .mp4"),
        ("/a/100%25 'b' \"c\".mp4", "/a/100%25 'b' \"c\".mp4"),
        ("", ""),
    ],
)
def test_one_way_to_write_a_path(path: str, expected: str) -> None:
    assert unify(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("C:\\a", True),
        ("z:/a", True),
        ("C:", True),
        ("\\\\nas\\v", True),
        ("//nas/v", True),
        ("/a", False),
        ("a\\b", False),
        ("C:a", False),
        ("", False),
    ],
)
def test_whose_path_it_is(path: str, expected: bool) -> None:
    assert is_windows(path) is expected


@pytest.mark.parametrize(
    ("path", "pairs", "expected"),
    [
        pytest.param("/data/a.mp4", [], "/data/a.mp4", id="no pairs"),
        pytest.param("/data/a.mp4", [("/data", "/media")], "/media/a.mp4", id="one pair"),
        pytest.param("/data/a.mp4", [("/data/", "/media/")], "/media/a.mp4", id="trailing slashes"),
        pytest.param("/data/a.mp4", [("/data", "/media/")], "/media/a.mp4", id="a trailing slash on one side"),
        pytest.param("/other/a.mp4", [("/data", "/media")], "/other/a.mp4", id="another folder"),
        pytest.param("/database/a.mp4", [("/data", "/media")], "/database/a.mp4", id="a folder's end"),
        pytest.param("/x/data/a.mp4", [("/data", "/media")], "/x/data/a.mp4", id="a prefix only at the start"),
        pytest.param("/d/e/a", [("/d", "/1"), ("/d/e", "/2")], "/2/a", id="longest last"),
        pytest.param("/d/e/a", [("/d/e", "/2"), ("/d", "/1")], "/2/a", id="longest first"),
        pytest.param("/d/ef/a", [("/d", "/1"), ("/d/e", "/2")], "/1/ef/a", id="longest whole folder"),
        pytest.param("/d/a", [("/d", "/1"), ("/d", "/2")], "/1/a", id="first of equals"),
        pytest.param("/d/a", [("/d", "/1"), ("/1", "/2")], "/1/a", id="one step only"),
        pytest.param("/a.mp4", [("/", "/media")], "/media/a.mp4", id="from the root"),
        pytest.param("/data/a.mp4", [("/data", "/")], "/a.mp4", id="to the root"),
        pytest.param("/DATA/a.mp4", [("/data", "/media")], "/DATA/a.mp4", id="POSIX case counts"),
        pytest.param("d:\\data\\A.mp4", [("D:\\Data", "/media")], "/media/A.mp4", id="Windows case does not"),
        pytest.param("D:\\data\\x\\A.mp4", [("d:/data", "/m")], "/m/x/A.mp4", id="Windows separators"),
        pytest.param("D:\\a.mp4", [("D:\\", "/m")], "/m/a.mp4", id="a whole drive"),
        pytest.param("D:\\a.mp4", [("D:", "/m")], "/m/a.mp4", id="a drive letter"),
        pytest.param("/m/x/a.mp4", [("/m", "D:\\")], "D:/x/a.mp4", id="to a drive"),
        pytest.param("\\\\NAS\\v\\a.mp4", [("\\\\nas\\v", "/m")], "/m/a.mp4", id="from a share"),
        pytest.param("/m/a.mp4", [("/m", "\\\\nas\\v")], "//nas/v/a.mp4", id="to a share"),
        pytest.param(f"/{NFD}/a", [(f"/{NFC}", "/m")], "/m/a", id="composed prefix"),
        pytest.param(f"/{NFC}/a", [(f"/{NFD}", "/m")], "/m/a", id="decomposed prefix"),
        pytest.param("/my films/a b.mp4", [("/my films", "/m y")], "/m y/a b.mp4", id="blanks"),
        pytest.param("/100%/a.mp4", [("/100%", "/%41")], "/%41/a.mp4", id="percent"),
        pytest.param('/it\'s "x"/a', [('/it\'s "x"', "/m")], "/m/a", id="quotes"),
        pytest.param("/data", [("/data", "/media")], "/data", id="a folder is no file"),
    ],
)
def test_where_plex_sees_a_file(path: str, pairs: list[tuple[str, str]], expected: str) -> None:
    assert map_path(path, pairs) == expected


@pytest.mark.parametrize(
    ("one", "other", "fold", "same"),
    [
        ("/a/B.mp4", "/a/b.mp4", False, False),
        ("/a/B.mp4", "/a/b.mp4", True, True),
        ("/a/STRASSE", "/a/straße", True, True),
        (f"/{NFD.upper()}", f"/{NFC}", True, True),
        (f"/{NFD.upper()}", f"/{NFC}", False, False),
        (f"/{NFD}", f"/{NFC}", False, True),
        ("C:\\a\\b", "C:/a/b", False, True),
        ("/a/b", "/a/b/", False, False),
    ],
)
def test_when_two_paths_are_one(one: str, other: str, fold: bool, same: bool) -> None:
    assert (path_key(one, fold=fold) == path_key(other, fold=fold)) is same


@pytest.mark.parametrize(
    ("path", "fold", "expected"),
    [
        ("/a/b/C.mp4", False, "C.mp4"),
        ("/a/b/C.mp4", True, "c.mp4"),
        ("C:\\a\\b.mp4", False, "b.mp4"),
        ("/a/b\\c.mp4", False, "b\\c.mp4"),
        ("b.mp4", False, "b.mp4"),
    ],
)
def test_the_name_of_a_file(path: str, fold: bool, expected: str) -> None:
    assert name_key(path, fold=fold) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/m/a/b/f.mp4", "/m/a/b/f.mp4", 3),
        ("/m/a/b/f.mp4", "/n/a/b/f.mp4", 2),
        ("/m/a/b/f.mp4", "/m/a/c/f.mp4", 0),
        ("/a/b/f.mp4", "/x/y/a/b/f.mp4", 2),
        ("/f.mp4", "/f.mp4", 0),
        ("f.mp4", "/a/f.mp4", 0),
        ("C:/a/f", "C:/a/f", 2),
    ],
)
def test_folders_that_two_paths_share(one: str, other: str, expected: int) -> None:
    assert trailing_folders(one, other) == expected
    assert trailing_folders(other, one) == expected


any_path = st.text(st.sampled_from("aB:/\\. %é\u0301"), max_size=12)
folders = st.lists(st.text(st.sampled_from("abC .%'ü"), min_size=1, max_size=5), min_size=1, max_size=4)
mounts = st.sampled_from(["/data", "/", "/Mnt/my films", "C:\\", "D:\\Media", "\\\\nas\\share", "//nas/other"])


@PROPERTY
@given(any_path)
def test_unifying_twice_changes_nothing(path: str) -> None:
    once = unify(path)

    assert unify(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "//" not in once[1:]


@PROPERTY
@given(folders, mounts, mounts)
def test_a_mapped_path_maps_back(names: list[str], here: str, there: str) -> None:
    path = here.rstrip("/\\") + "/" + "/".join(names)

    mapped = map_path(path, [(here, there)])

    assert mapped == unify(there.rstrip("/\\") + "/" + "/".join(names))
    assert map_path(mapped, [(there, here)]) == unify(path)


@PROPERTY
@given(any_path, st.lists(st.tuples(mounts, mounts), max_size=4))
def test_mapping_keeps_the_name_of_a_file(path: str, pairs: list[tuple[str, str]]) -> None:
    assert unify(map_path(path, pairs)).endswith(unify(path).rpartition("/")[2].rpartition("\\")[2])


@PROPERTY
@given(folders, st.lists(st.tuples(mounts, mounts), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_pairs_with_different_prefixes_decides_nothing(
    names: list[str], pairs: list[tuple[str, str]], shuffler: object
) -> None:
    distinct = list({unify(source).rstrip("/").casefold(): (source, target) for source, target in pairs}.values())
    path = "/data/" + "/".join(names)
    expected = map_path(path, distinct)

    assert map_path(path, distinct[::-1]) == expected
    shuffler.shuffle(distinct)  # type: ignore[attr-defined]
    assert map_path(path, distinct) == expected
