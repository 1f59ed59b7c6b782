"""Tables of paths and of matches: what each server has, and what has to come of it."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.model import MediaFile
from sync.plex.matcher import Candidate, Match, Others, Rival, Rules, is_nearer, match_scene
from sync.text.media_paths import file_name, map_path, name_key, path_key, trailing_folders, unify

PROPERTY = settings(max_examples=100, deadline=None)

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
GA_NFC, GA_NFD = (unicodedata.normalize(form, "が") for form in ("NFC", "NFD"))

ME = 1
"""The scene in question."""

# Paths


@pytest.mark.parametrize(
    ("path", "pairs", "expected"),
    [
        # several pairs, the longest first
        ("/a/b/c/x", "/a=/1; /a/b=/2; /a/b/c=/3", "/3/x"),
        ("/a/b/x", "/a=/1; /a/b=/2; /a/b/c=/3", "/2/x"),
        ("/a/x", "/a/b/c=/3; /a=/1; /a/b=/2", "/1/x"),
        ("/x", "/a/b/c=/3; /a=/1; /a/b=/2", "/x"),
        ("/x", "/=/top; /a=/1", "/top/x"),
        ("/a/x", "/=/root; /a=/1", "/1/x"),
        ("/a/bc/x", "/a=/1; /a/b=/2", "/1/bc/x"),
        ("/a/b c/x", "/a=/1; /a/b=/2", "/1/b c/x"),
        ("/a/b.mp4", "/a/b=/2; /a=/1", "/1/b.mp4"),
        ("/a//b/x", "/a/b=/2", "/2/x"),
        ("/a/b/x", "/a//b//=/2//", "/2/x"),
        # exchanged and chained prefixes: one step, no more
        ("/a/x", "/a=/b; /b=/a", "/b/x"),
        ("/b/x", "/a=/b; /b=/a", "/a/x"),
        ("/a/x", "/a=/b; /b=/c", "/b/x"),
        ("/a/x", "/a=/a/a", "/a/a/x"),
        ("/a/a/x", "/a/a=/a", "/a/x"),
        # Windows to POSIX and back
        ("C:\\V\\x", "C:\\V=/v", "/v/x"),
        ("c:\\v\\x", "C:\\V=/v", "/v/x"),
        ("C:/V/x", "C:\\V=/v", "/v/x"),
        ("C:\\V\\x", "c:/v/=/v/", "/v/x"),
        ("C:\\VV\\x", "C:\\V=/v", "C:/VV/x"),
        ("C:\\x", "C:=/c", "/c/x"),
        ("C:\\x", "C:\\=/c", "/c/x"),
        ("D:\\x", "C:\\=/c", "D:/x"),
        ("C:\\a\\x", "C:\\=/c; C:\\a=/ca", "/ca/x"),
        ("/v/a/x", "/v=C:\\V", "C:/V/a/x"),
        ("/v/a/x", "/v=C:\\", "C:/a/x"),
        ("C:\\a\\x", "C:\\=D:\\", "D:/a/x"),
        ("C:\\a\\x.mp4", "C:\\A=\\\\nas\\a", "//nas/a/x.mp4"),
        # shares
        ("\\\\nas\\v\\x", "\\\\nas\\v=/v", "/v/x"),
        ("\\\\NAS\\V\\x", "\\\\nas\\v=/v", "/v/x"),
        ("//nas/v/x", "\\\\nas\\v=/v", "/v/x"),
        ("\\\\nas\\v2\\x", "\\\\nas\\v=/v", "//nas/v2/x"),
        ("\\\\nas\\v\\x", "\\\\nas=/n; \\\\nas\\v=/v", "/v/x"),
        ("/v/x", "/v=\\\\nas\\v", "//nas/v/x"),
        ("/nas/v/x", "\\\\nas\\v=/v", "/nas/v/x"),
        ("\\\\nas\\v\\x", "/nas/v=/v", "//nas/v/x"),
        # case
        ("/Data/x", "/data=/m", "/Data/x"),
        ("/data/X", "/data=/m", "/m/X"),
        ("\\\\nas\\V\\X", "//NAS/v=/M", "/M/X"),
        # Unicode
        (f"/{NFD}/{NFD}", f"/{NFC}=/m", f"/m/{NFC}"),
        (f"/{NFC}/x", f"/{NFD}=/{NFD}", f"/{NFC}/x"),
        (f"/{GA_NFD}/{GA_NFD}", f"/{GA_NFC}=/m", f"/m/{GA_NFC}"),
        ("/日本/x", "/日=/m", "/日本/x"),
        # blanks, quotes, percent signs, what a pattern would take for a sign
        ("/my clips/a b", "/my clips=/m y", "/m y/a b"),
        ("/ a/x", "/ a=/m", "/m/x"),
        ('/"q"/x', '/"q"=/m', "/m/x"),
        ("/it's/x", "/it's=/m", "/m/x"),
        ("/100%/x", "/100%=/m", "/m/x"),
        ("/100%25/x", "/100%=/m", "/100%25/x"),
        ("/%41/x", "/A=/m", "/%41/x"),
        ("/a+b/x", "/a b=/m", "/a+b/x"),
        ("/[a]/x", "/[a]=/(b)", "/(b)/x"),
        ("/a.b/x", "/a.b=/\\1", "/\\1/x"),
        ("/axb/x", "/a.b=/m", "/axb/x"),
        ("/a\\b/x", "/a\\b=/m", "/m/x"),
        ("/a\\b/x", "/a=/m", "/a\\b/x"),
    ],
)
def test_path_map(path: str, pairs: str, expected: str) -> None:
    split = [tuple(pair.strip().split("=")) for pair in pairs.split(";")]

    assert map_path(path, split) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/x.mp4", "x.mp4"),
        ("C:\\a\\x.mp4", "x.mp4"),
        ("C:/a/x.mp4", "x.mp4"),
        ("\\\\nas\\a\\x.mp4", "x.mp4"),
        ("/a/x\\y.mp4", "x\\y.mp4"),
        (f"/a/{NFD}.mp4", f"{NFD}.mp4"),
        ("x.mp4", "x.mp4"),
        ("/a/", ""),
    ],
)
def test_file_name_as_it_is_spelled(path: str, name: str) -> None:
    assert file_name(path) == name


# Matches. A file is `path` or `path:size`; an item is a number and its files; a rival is a scene and its file.


def file_of(text: str) -> MediaFile:
    found = re.fullmatch(r"(.*?)(?::(\d+))?", text)
    assert found
    return MediaFile(found[1], int(found[2]) if found[2] else None)


def items_of(text: str) -> list[Candidate]:
    """`1 /m/a.mp4:10 + /m/b.mp4 | 2 ...`"""
    made = []
    for item in filter(None, (part.strip() for part in text.split("|"))):
        number, _, files = item.partition(" ")
        made.append(Candidate(int(number), f"Item {number}", tuple(file_of(f) for f in files.split(" + "))))
    return made


def others_of(text: str, rules: Rules, candidates: Sequence[Candidate]) -> Others:
    """`2 /data/b/x.mp4:10 | 3 ...`"""
    rivals: dict[str, list[Rival]] = {}
    for entry in filter(None, (part.strip() for part in text.split("|"))):
        number, _, path = entry.partition(" ")
        file = file_of(path)
        key = path_key(map_path(file.path, rules.pairs), fold=rules.fold)
        rivals.setdefault(key.rpartition("/")[2], []).append(Rival(int(number), key, file.size))
    present = {path_key(file.path, fold=rules.fold) for c in candidates for file in c.files}
    return Others(ME, rivals, present)


EXACT, NAME = True, False
A, B, C = "/data/a/x.mp4", "/data/b/x.mp4", "/data/c/x.mp4"
PLEX_A, PLEX_B, PLEX_C = "/media/a/x.mp4", "/media/b/x.mp4", "/media/c/x.mp4"

TABLE = [
    # (what it is, the scene's file, items, rivals, strict -> expected, loose -> expected)
    # expected: {ratingKey: how}, "doubt", or a conflict (ratingKey, scene)
    ("nobody else", A, f"1 {PLEX_A}", "", {1: NAME}, {1: NAME}),
    ("another folder, nobody else", A, f"1 {PLEX_B}", "", {1: NAME}, {1: NAME}),
    ("the scene's own file is no rival", A, f"1 {PLEX_B}", f"1 {A}", {1: NAME}, {1: NAME}),
    ("ours is nearer", A, f"1 {PLEX_A}", f"2 {B}", {1: NAME}, {1: NAME}),
    ("the other is nearer", A, f"1 {PLEX_B}", f"2 {B}", {}, {}),
    ("one of two others is nearer", A, f"1 {PLEX_B}", f"2 {B} | 3 {C}", {}, {}),
    ("ours is nearer than all", A, f"1 {PLEX_A}", f"2 {B} | 3 {C}", {1: NAME}, {1: NAME}),
    ("as near, the other later", A, f"1 {PLEX_C}", f"2 {B}", "doubt", {1: NAME}),
    ("as near, the other earlier", A, f"1 {PLEX_C}", f"0 {B}", "doubt", {}),
    ("as near by the same folders", "/d/a/x.mp4", f"1 {PLEX_A}", "2 /e/a/x.mp4", "doubt", {1: NAME}),
    ("nearer by the second folder", "/d/q/a/x.mp4", "1 /m/q/a/x.mp4", "2 /d/r/a/x.mp4", {1: NAME}, {1: NAME}),
    ("farther by the second folder", "/d/r/a/x.mp4", "1 /m/q/a/x.mp4", "2 /d/q/a/x.mp4", {}, {}),
    ("a longer path that is as near", "/d/a/x.mp4", "1 /m/a/x.mp4", "2 /d/q/a/x.mp4", "doubt", {1: NAME}),
    ("the other's size contradicts", f"{A}:10", f"1 {PLEX_B}:10", f"2 {B}:11", {1: NAME}, {1: NAME}),
    ("ours contradicts", f"{A}:11", f"1 {PLEX_A}:10", f"2 {B}:10", {}, {}),
    ("all sizes alike, ours nearer", f"{A}:10", f"1 {PLEX_A}:10", f"2 {B}:10", {1: NAME}, {1: NAME}),
    ("all sizes alike, as near", f"{A}:10", f"1 {PLEX_C}:10", f"2 {B}:10", "doubt", {1: NAME}),
    ("Plex does not say a size", f"{A}:10", f"1 {PLEX_B}", f"2 {B}:11", {}, {}),
    ("the other's size is not known", f"{A}:10", f"1 {PLEX_B}:10", f"2 {B}", "doubt", {}),
    ("ours is not known, but nearer", A, f"1 {PLEX_A}:10", f"2 {B}:10", "doubt", {1: NAME}),
    ("ours is not known, and farther", A, f"1 {PLEX_B}:10", f"2 {B}:10", {}, {}),
    ("the other has the very path", A, "1 /data/b/x.mp4", f"2 {B}", {}, {}),
    ("the other has the very path, ours is nearer elsewhere", A, f"1 {B} | 2 {PLEX_A}", f"2 {B}", {2: NAME}, {2: NAME}),
    ("the other has it, what is left is as far", A, f"1 {B} | 2 {PLEX_C}", f"2 {B}", "doubt", {2: NAME}),
    ("all are others'", A, f"1 {B} | 2 {C}", f"2 {B} | 3 {C}", {}, {}),
    ("two are left", A, f"1 {B} | 2 {PLEX_A} | 3 {PLEX_C}", f"2 {B}", "doubt", {2: NAME}),
    ("several and nobody else", A, f"1 {PLEX_A} | 2 {PLEX_B}", "", "doubt", {1: NAME}),
    ("several scenes and as many items", A, f"1 {PLEX_A} | 2 {PLEX_B}", f"2 {B}", "doubt", {1: NAME}),
    ("as many, the other way round", B, f"1 {PLEX_A} | 2 {PLEX_B}", f"2 {A}", "doubt", {2: NAME}),
    ("one item for two, another for us", C, f"1 {PLEX_A} | 2 {PLEX_B}", f"2 {A}", "doubt", {2: NAME}),
    ("fewer items than scenes", C, f"1 {PLEX_A} | 2 {PLEX_B}", f"2 {A} | 3 {B}", "doubt", {}),
    (
        "a rival whose own path Plex has",
        "/f/q/x.mp4",
        f"1 {PLEX_C} | 2 /data/a/y.mp4",
        "2 /data/a/y.mp4",
        {1: NAME},
        {1: NAME},
    ),
    ("by the path, whatever others have", B, f"1 {B} | 2 {PLEX_A}", f"2 {A} | 3 {C}", {1: EXACT}, {1: EXACT}),
    ("by the path, in one of others' too", B, f"1 {B} + {C}", f"3 {C}", {1: EXACT}, {1: EXACT}),
    ("merged with another's very path", A, f"1 {PLEX_A} + /data/y.mp4", "2 /data/y.mp4", (1, 2), (1, 2)),
    ("merged with another's path of this name", A, f"1 {PLEX_A} + {B}", f"2 {B}", (1, 2), (1, 2)),
    ("merged with what is another's by name", A, f"1 {PLEX_A} + /media/y.mp4", "2 /data/y.mp4", {1: NAME}, {1: NAME}),
    ("a merged one and one of its own", A, f"1 {PLEX_A} + {B} | 2 {PLEX_C}", f"2 {B}", "doubt", {2: NAME}),
    ("merged: nearer to one of its files", A, f"1 {PLEX_A} + {PLEX_B}", f"2 {B}", {1: NAME}, {1: NAME}),
    ("merged: nearer to none", A, f"1 {PLEX_B} + {PLEX_C}", f"2 {B} | 3 {C}", {}, {}),
    ("another name is no rival", A, f"1 {PLEX_C}", "2 /data/b/y.mp4", {1: NAME}, {1: NAME}),
    ("a name that ends alike is no rival", "/d/a/1.mp4", "1 /m/c/1.mp4", "2 /d/b/11.mp4", {1: NAME}, {1: NAME}),
    ("another case is another name", A, f"1 {PLEX_B}", "2 /data/b/X.mp4", {1: NAME}, {1: NAME}),
    ("an item without files", A, "", f"2 {B}", {}, {}),
    ("no item of the name", A, "1 /media/a/y.mp4", f"2 {B}", {}, {}),
    ("Unicode in two forms", f"/d/a/{NFC}.mp4", f"1 /m/b/{NFD}.mp4", f"2 /d/b/{NFD}.mp4", {}, {}),
    ("Windows here, POSIX there", "D:\\d\\a\\x.mp4", f"1 {PLEX_B}", "2 D:\\d\\b\\x.mp4", {}, {}),
    ("Windows here, and nearer", "D:\\d\\a\\x.mp4", f"1 {PLEX_A}", "2 D:\\d\\b\\x.mp4", {1: NAME}, {1: NAME}),
    ("a share here, a drive there", "\\\\nas\\d\\a\\x.mp4", "1 E:\\m\\b\\x.mp4", "2 \\\\nas\\d\\b\\x.mp4", {}, {}),
]


def check(match: Match, expected: object) -> None:
    if expected == "doubt":
        assert match.items == {}
        assert len(match.ambiguous) == 1
    elif expected == "twice":
        assert match.items == {}
        assert len(match.twice) == 1
    elif isinstance(expected, tuple):
        assert match == Match({}, conflicts=dict([expected]))
    else:
        assert match == Match(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "items", "rivals", "strict", "loose"), [pytest.param(*row[1:], id=row[0]) for row in TABLE]
)
@pytest.mark.parametrize("order", [1, -1])
def test_table(file: str, items: str, rivals: str, strict: object, loose: object, order: int) -> None:
    for rules, expected in ((Rules(), strict), (Rules(strict=False), loose)):
        candidates = items_of(items)
        others = others_of(rivals, rules, candidates)
        check(match_scene([file_of(file)], candidates[::order], rules, others=others), expected)


@pytest.mark.parametrize(
    ("file", "items", "rivals", "expected"),
    [
        ("/Data/A/X.mp4", "1 E:\\m\\a\\x.MP4", "2 /data/b/x.mp4", {1: NAME}),
        ("/data/a/x.mp4", "1 E:\\M\\B\\X.MP4", "2 /data/b/x.mp4", {}),
        ("/data/a/É.mp4", "1 /m/b/é.mp4", f"2 /data/b/{NFD}.mp4", {}),
        ("/DATA/A/x.mp4", "1 /data/a/X.mp4", "2 /data/b/x.mp4", {1: EXACT}),
        ("/data/A.mp4", "1 /data/A.mp4 | 2 /data/a.mp4", "", {1: EXACT}),
        ("/data/a.mp4", "1 /data/A.mp4 | 2 /data/a.mp4", "", {2: EXACT}),
    ],
)
def test_where_case_does_not_count(file: str, items: str, rivals: str, expected: dict[int, bool]) -> None:
    rules = Rules(fold=True)
    candidates = items_of(items)

    check(match_scene([file_of(file)], candidates, rules, others=others_of(rivals, rules, candidates)), expected)


@pytest.mark.parametrize(
    ("file", "items", "expected"),
    [
        (f"/m/{NFC}.mp4", f"1 /m/{NFC}.mp4 | 2 /m/{NFD}.mp4", {1: EXACT}),
        (f"/m/{NFD}.mp4", f"1 /m/{NFC}.mp4 | 2 /m/{NFD}.mp4", {2: EXACT}),
        (f"/m/{NFD}.mp4", f"1 /m/{NFC}.mp4", {1: EXACT}),
        (f"/m/{NFC}.mp4", f"1 /m/{NFC}.mp4 | 2 /m/{NFC}.mp4", "twice"),
        (f"/m/{NFC}.mp4", f"1 /m/{NFD}.mp4 | 2 /m/{NFD}.mp4", "twice"),
    ],
)
def test_one_path_in_several_items(file: str, items: str, expected: object) -> None:
    check(match_scene([file_of(file)], items_of(items), Rules()), expected)


@pytest.mark.parametrize("strict", [True, False])
def test_an_item_that_a_name_led_to_is_held_by_the_path_it_has_as_well(strict: bool) -> None:
    candidates = items_of("1 /data/x.mp4 | 2 /data/x.mp4 + /media/y.mp4")

    match = match_scene([file_of("/data/x.mp4"), file_of("/data/y.mp4")], candidates, Rules(strict=strict))

    assert match.items[2] is EXACT


@pytest.mark.parametrize(
    ("rivals", "said"),
    [
        (f"2 {B}", "bears the name of this scene's file and as well that of scene 2"),
        (f"9 {B} | 3 {C} | 5 /data/d/x.mp4", "that of scenes 3, 5, 9"),
        (" | ".join(f"{n} /data/{n}/x.mp4" for n in range(2, 10)), "that of scenes 2, 3, 4, 5, 6 and 3 more"),
    ],
)
def test_a_doubt_names_the_scenes_and_the_item(rivals: str, said: str) -> None:
    candidates = items_of("7 /media/q/x.mp4")

    (text,) = match_scene([file_of(A)], candidates, Rules(), others=others_of(rivals, Rules(), candidates)).ambiguous

    assert said in text
    assert text.startswith('Plex item 7 "Item 7" (/media/q/x.mp4) ')


def test_path_map_decides_who_has_the_very_path() -> None:
    rules = Rules(pairs=(("/data", "/media"),))
    candidates = items_of(f"1 {PLEX_B}")

    match = match_scene(
        [file_of("/elsewhere/b/x.mp4")], candidates, rules, others=others_of(f"2 {B}", rules, candidates)
    )

    check(match, {})


def test_two_files_of_one_scene_are_no_rivals() -> None:
    candidates = items_of(f"1 {PLEX_A} + {PLEX_B}")
    others = others_of(f"1 {A} | 1 {B}", Rules(), candidates)

    assert match_scene([file_of(A), file_of(B)], candidates, Rules(), others=others) == Match({1: NAME})


@pytest.mark.parametrize(
    ("files", "item", "holder", "expected"),
    [
        ("/d/x.mp4", "/m/d/x.mp4", "/e/x.mp4", True),
        ("/d/x.mp4", "/m/x.mp4", "/e/x.mp4", False),  # equally near: who has it keeps it
        ("/d/x.mp4", "/m/e/x.mp4", "/e/x.mp4", False),
        ("/d/x.mp4", "/m/d/x.mp4 + /m/y.mp4", "/e/y.mp4", False),
        ("/d/x.mp4", "/m/d/x.mp4 + /m/y.mp4", "/e/x.mp4", True),
        ("/d/x.mp4", "/m/d/x.mp4 + /m/y.mp4", "/e/x.mp4 + /e/y.mp4", False),
        ("/d/x.mp4", "/m/d/x.mp4 + /m/e/x.mp4", "/e/x.mp4", False),  # merged: a file of each
        ("/d/x.mp4", "/m/d/x.mp4", "/e/z.mp4", True),  # the holder's file is gone
    ],
)
def test_what_two_scenes_contend_for(files: str, item: str, holder: str, expected: bool) -> None:
    (candidate,) = items_of(f"1 {item}")
    held = [file_of(text) for text in holder.split(" + ")]

    assert is_nearer([file_of(files)], candidate, held, Rules()) is expected


# Properties

segments = st.text(st.sampled_from("abB é\u0301%'\"_.日が"), min_size=1, max_size=4).filter(
    lambda s: s.strip(". ") != ""
)
mounts = st.sampled_from(
    ["/data", "/data/a", "/", "/Mnt/x y", "C:\\", "D:\\Media", "\\\\nas\\share", "\\\\nas\\share\\b"]
)
windows = st.sampled_from(["C:\\v", "d:\\V", "\\\\NAS\\v"])
pairs_of_mounts = st.lists(st.tuples(mounts, mounts), max_size=5)


@st.composite
def any_paths(draw: st.DrawFn) -> str:
    mount, names = draw(mounts), draw(st.lists(segments, min_size=1, max_size=4))
    separator = draw(st.sampled_from("\\/")) if mount[0] != "/" else "/"
    return mount.rstrip("/\\") + separator + separator.join(names)


@PROPERTY
@given(any_paths(), st.booleans())
def test_a_key_is_its_own_key(path: str, fold: bool) -> None:
    key = path_key(path, fold=fold)

    assert path_key(key, fold=fold) == key
    assert name_key(path, fold=fold) == key.rpartition("/")[2]


@PROPERTY
@given(any_paths(), st.booleans())
def test_the_form_of_unicode_is_no_part_of_a_key(path: str, fold: bool) -> None:
    keys = {path_key(unicodedata.normalize(form, path), fold=fold) for form in ("NFC", "NFD")}

    assert len(keys) == 1


@PROPERTY
@given(windows, st.lists(segments, min_size=1, max_size=4))
def test_separators_drives_and_shares_are_written_either_way(root: str, names: list[str]) -> None:
    backward = "\\".join([root, *names])
    forward = backward.replace("\\", "/")

    assert path_key(backward, fold=False) == path_key(forward, fold=False)
    assert path_key(backward.swapcase(), fold=True) == path_key(forward, fold=True)
    assert map_path(backward.swapcase(), [(forward[: len(root)], "/m")]).startswith("/m/")


@PROPERTY
@given(any_paths(), pairs_of_mounts)
def test_the_longest_prefix_that_ends_at_a_folders_end_wins(path: str, pairs: list[tuple[str, str]]) -> None:
    own = unify(path)

    def fits(source: str) -> bool:
        prefix = unify(source).rstrip("/") + "/"
        head = own[: len(prefix)]
        return head.casefold() == prefix.casefold() if re.match(r"[A-Za-z]:|\\", source) else head == prefix

    fitting = [(len(unify(source).rstrip("/")), target) for source, target in pairs if fits(source)]
    mapped = map_path(path, pairs)

    if not fitting:
        assert mapped == own
    else:
        longest = max(length for length, _ in fitting)
        targets = {unify(target).rstrip("/") + own[length:] for length, target in fitting if length == longest}
        assert mapped in targets


@PROPERTY
@given(any_paths(), pairs_of_mounts, st.booleans())
def test_path_map_never_changes_a_name(path: str, pairs: list[tuple[str, str]], fold: bool) -> None:
    assert name_key(map_path(path, pairs), fold=fold) == name_key(path, fold=fold)


@PROPERTY
@given(any_paths(), any_paths())
def test_shared_folders_are_counted_from_the_file(one: str, other: str) -> None:
    a, b = unify(one), unify(other)
    count = trailing_folders(a, b)

    def tail(path: str) -> list[str]:
        return path.split("/")[:-1][-count:] if count else []

    assert tail(a) == tail(b)
    assert 0 <= count <= min(a.count("/"), b.count("/"))


names = st.sampled_from(["x.mp4", "y.mp4", "X.mp4", f"{NFC}.mp4", f"{NFD}.mp4"])
few_paths = st.builds(
    lambda mount, folders, name: mount + "".join(f"/{folder}" for folder in folders) + "/" + name,
    st.sampled_from(["/data", "/media"]),
    st.lists(st.sampled_from("ab"), max_size=2),
    names,
)
sizes = st.sampled_from([None, 1, 2])
files = st.builds(MediaFile, few_paths, sizes)
libraries = st.lists(st.lists(files, max_size=3), max_size=5).map(
    lambda held: [Candidate(n + 1, f"Item {n + 1}", tuple(some)) for n, some in enumerate(held)]
)
crowds = st.lists(st.tuples(st.integers(0, 4), files), max_size=6)
all_rules = st.builds(
    Rules,
    pairs=st.sampled_from([(), (("/data", "/media"),)]),
    strict=st.booleans(),
    fold=st.booleans(),
)


def world_of(crowd: list[tuple[int, MediaFile]], library: list[Candidate], rules: Rules) -> Others:
    rivals: dict[str, list[Rival]] = {}
    for number, file in crowd:
        key = path_key(map_path(file.path, rules.pairs), fold=rules.fold)
        rivals.setdefault(key.rpartition("/")[2], []).append(Rival(number, key, file.size))
    return Others(ME, rivals, {path_key(file.path, fold=rules.fold) for item in library for file in item.files})


@PROPERTY
@given(st.lists(files, min_size=1, max_size=2), libraries, crowds, all_rules, st.randoms(use_true_random=False))
def test_what_every_match_keeps(
    scene: list[MediaFile],
    library: list[Candidate],
    crowd: list[tuple[int, MediaFile]],
    rules: Rules,
    shuffler: random.Random,
) -> None:
    others = world_of(crowd, library, rules)

    match = match_scene(scene, library, rules, others=others)

    def key(path: str) -> str:
        return path_key(path, fold=rules.fold)

    mine = {key(map_path(file.path, rules.pairs)) for file in scene}
    theirs = {r.key for some in others.rivals.values() for r in some if r.scene_id != ME}
    bearing = {path.rpartition("/")[2] for path in mine}
    for rating_key, exact in match.items.items():
        held = {key(file.path) for file in library[rating_key - 1].files}
        assert {path.rpartition("/")[2] for path in held} & bearing, "an item none of whose files bears the name"
        assert exact == bool(held & mine), "the path beats the name"
        assert exact or not held & theirs, "by its name, an item that is another scene's by its path"
    assert not match.items.keys() & match.conflicts.keys()
    if rules.strict and len(scene) == 1:
        assert len(match.items) + len(match.ambiguous) + len(match.conflicts) <= 1
        free = [
            c.rating_key
            for c in library
            if any(key(f.path).rpartition("/")[2] in bearing and key(f.path) not in theirs for f in c.files)
            and any(
                key(f.path).rpartition("/")[2] in bearing
                and key(f.path) not in theirs
                and (not f.size or not scene[0].size or f.size == scene[0].size)
                for f in c.files
            )
        ]
        if len(free) > 1 and not any(match.items.values()):
            assert match.items == {}, "picked from several"
    if not rules.strict and not theirs:
        assert match.ambiguous == ()

    shuffler.shuffle(library)
    shuffler.shuffle(crowd)
    again = match_scene(scene, library, rules, others=world_of(crowd, library, rules))
    assert (again.items, again.conflicts) == (match.items, match.conflicts), "the order decides nothing"
    assert sorted(again.ambiguous) == sorted(match.ambiguous)


@PROPERTY
@given(st.lists(files, min_size=2, max_size=5, unique_by=lambda file: file.path), libraries, st.booleans())
@example(  # the third is beaten to the second item by the second scene, and so takes the first
    [MediaFile("/data/a/y.mp4"), MediaFile("/data/b/y.mp4"), MediaFile("/data/a/b/y.mp4", 1)],
    [Candidate(1, "", (MediaFile("/data/y.mp4", 1),)), Candidate(2, "", (MediaFile("/media/b/y.mp4"),))],
    False,
)
def test_no_two_scenes_get_an_item_of_one_file_by_its_name(
    owned: list[MediaFile], library: list[Candidate], strict: bool
) -> None:
    rules = Rules(strict=strict)
    single = [Candidate(c.rating_key, c.title, c.files[:1]) for c in library]
    crowd = list(enumerate(owned))
    takers: dict[int, list[int]] = {}

    for number, file in crowd:
        others = world_of(crowd, single, rules)
        match = match_scene([file], single, rules, others=Others(number, others.rivals, others.present))
        for rating_key, exact in match.items.items():
            if not exact:
                takers.setdefault(rating_key, []).append(number)

    assert all(len(scenes) == 1 for scenes in takers.values())


@PROPERTY
@given(files, libraries, all_rules)
def test_with_nobody_else_it_is_as_if_nobody_was_asked(file: MediaFile, library: list[Candidate], rules: Rules) -> None:
    alone = match_scene([file], library, rules, others=Others(ME, {}))

    assert alone == match_scene([file], library, rules)
