"""Which Plex item holds a scene's file."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sync.model import MediaFile
from sync.plex.matcher import Candidate, Match, Others, Rival, Rules, holds_file_of, match_scene
from sync.text.media_paths import map_path, name_key, path_key, trailing_folders

PROPERTY = settings(max_examples=75, deadline=None)

LOOSE = Rules(strict=False)
STRICT = Rules()


def item(rating_key: int, *files: str | tuple[str, int | None]) -> Candidate:
    held = tuple(MediaFile(f) if isinstance(f, str) else MediaFile(*f) for f in files)
    return Candidate(rating_key, f"Item {rating_key}", held)


def found(path: str | tuple[str, int | None], *items: Candidate, rules: Rules = STRICT) -> Match:
    file = MediaFile(path) if isinstance(path, str) else MediaFile(*path)
    return match_scene([file], items, rules)


def pairs(*text: str) -> Rules:
    source, target = text
    return Rules(pairs=((source, target),))


NFC_NAME, NFD_NAME = unicodedata.normalize("NFC", "/m/Zoë.mp4"), unicodedata.normalize("NFD", "/m/Zoë.mp4")


@pytest.mark.parametrize(
    ("stash", "plex", "rules", "exact"),
    [
        pytest.param("/m/a.mp4", "/m/a.mp4", STRICT, True, id="same path"),
        pytest.param("/m//a.mp4", "/m/a.mp4", STRICT, True, id="doubled separator"),
        pytest.param(NFC_NAME, NFD_NAME, STRICT, True, id="decomposed in Plex"),
        pytest.param(NFD_NAME, NFC_NAME, STRICT, True, id="decomposed in Stash"),
        pytest.param("/m/A.mp4", "/m/a.mp4", STRICT, None, id="case counts"),
        pytest.param("/m/A.mp4", "/m/a.mp4", Rules(fold=True), True, id="case folded"),
        pytest.param("C:\\m\\a.mp4", "C:/m/a.mp4", STRICT, True, id="Windows separators"),
        pytest.param("c:\\m\\a.mp4", "C:\\M\\a.mp4", Rules(fold=True), True, id="drive letter folded"),
        pytest.param("\\\\nas\\m\\a.mp4", "//nas/m/a.mp4", STRICT, True, id="share"),
        pytest.param("/data/a.mp4", "/media/a.mp4", pairs("/data", "/media"), True, id="mapped"),
        pytest.param("/data/x/a.mp4", "Z:\\media\\x\\a.mp4", pairs("/data", "Z:\\media"), True, id="to Windows"),
        pytest.param("D:\\d\\x\\a.mp4", "/media/x/a.mp4", pairs("D:\\d", "/media"), True, id="from Windows"),
        pytest.param("\\\\nas\\v\\a.mp4", "/media/a.mp4", pairs("\\\\nas\\v", "/media"), True, id="from a share"),
        pytest.param("/v/a.mp4", "\\\\nas\\v\\a.mp4", pairs("/v", "\\\\nas\\v"), True, id="to a share"),
        pytest.param("/elsewhere/a.mp4", "/m/a.mp4", STRICT, False, id="name alone"),
        pytest.param("/elsewhere/A.mp4", "/m/a.mp4", Rules(fold=True), False, id="name alone, case folded"),
        pytest.param("C:\\x\\a.mp4", "/m/a.mp4", STRICT, False, id="name alone, from Windows"),
        pytest.param("/m/100% 'a' \"b\" & c.mp4", "/m/100% 'a' \"b\" & c.mp4", STRICT, True, id="signs"),
        pytest.param("/m/a%20b.mp4", "/m/a b.mp4", STRICT, None, id="percent is no encoding"),
        pytest.param("/m/a  b .mp4", "/m/a b .mp4", STRICT, None, id="blanks count"),
        pytest.param("/m/a.mp4", "/m/ba.mp4", STRICT, None, id="no part of a name"),
        pytest.param("/m/a.mp4", "/m/a.mp4/b.mp4", STRICT, None, id="no folder of that name"),
        pytest.param("/m/x\\a.mp4", "/m/a.mp4", STRICT, None, id="a backslash in a POSIX name"),
        pytest.param("", "", STRICT, None, id="no path"),
    ],
)
def test_one_file_and_one_item(stash: str, plex: str, rules: Rules, exact: bool | None) -> None:
    match = found(stash, item(1, plex), rules=rules)

    assert match == Match({} if exact is None else {1: exact})


@pytest.mark.parametrize("rules", [STRICT, LOOSE], ids=["strict", "loose"])
@pytest.mark.parametrize(
    ("ours", "theirs", "matched"),
    [
        pytest.param(10, 10, True, id="same size"),
        pytest.param(10, None, True, id="Plex does not say"),
        pytest.param(None, 10, True, id="Stash does not say"),
        pytest.param(None, None, True, id="nobody says"),
        pytest.param(10, 0, True, id="Plex says nothing yet"),
        pytest.param(0, 10, True, id="Stash says nothing yet"),
        pytest.param(10, 11, False, id="contradicted"),
    ],
)
def test_a_name_alone_asks_for_the_size(rules: Rules, ours: int | None, theirs: int | None, matched: bool) -> None:
    match = found(("/x/a.mp4", ours), item(1, ("/m/a.mp4", theirs)), rules=rules)

    assert match.items == ({1: False} if matched else {})
    assert match.ambiguous == ()


def test_the_same_path_wins_over_names_and_sizes() -> None:
    match = found(("/m/a.mp4", 10), item(1, ("/x/a.mp4", 10)), item(2, ("/m/a.mp4", 99)), item(3, ("/y/a.mp4", 10)))

    assert match == Match({2: True})


def test_a_contradicting_size_leaves_one_of_several() -> None:
    match = found(("/x/a.mp4", 10), item(1, ("/m/a.mp4", 11)), item(2, ("/n/a.mp4", 10)), item(3, ("/o/a.mp4", 12)))

    assert match == Match({2: False})


def test_several_names_are_an_error_that_lists_them_when_strict() -> None:
    match = found("/x/a.mp4", item(7, "/n/a.mp4"), item(3, "/m/a.mp4"), item(9, "/o/b.mp4"))

    assert match.items == {}
    (text,) = match.ambiguous
    assert text == '2 Plex items hold a file "a.mp4": 3 "Item 3" (/m/a.mp4), 7 "Item 7" (/n/a.mp4)'


def test_a_long_list_of_candidates_is_cut() -> None:
    match = found("/x/a.mp4", *[item(n, f"/m{n}/a.mp4") for n in range(1, 9)])

    (text,) = match.ambiguous
    assert text.startswith("8 Plex items")
    assert "/m5/a.mp4" in text
    assert "/m6/a.mp4" not in text
    assert text.endswith("and 3 more")
    assert "more" not in found("/x/a.mp4", *[item(n, f"/m{n}/a.mp4") for n in range(1, 6)]).ambiguous[0]


def test_one_path_in_two_items_is_doubtful_when_strict() -> None:
    match = found("/m/a.mp4", item(1, "/m/a.mp4"), item(2, "/m/a.mp4"))

    assert match.items == {}
    assert len(match.twice) == 1
    assert not match.is_lost


@pytest.mark.parametrize(
    ("file", "items", "expected"),
    [
        pytest.param(
            ("/data/studio/year/a.mp4", None),
            [item(1, "/m/other/year/a.mp4"), item(2, "/m/studio/year/a.mp4"), item(3, "/m/studio/old/a.mp4")],
            2,
            id="most trailing folders",
        ),
        pytest.param(
            ("/data/year/a.mp4", 10),
            [item(1, ("/m/x/a.mp4", 10)), item(2, ("/m/year/a.mp4", None))],
            2,
            id="folders before size",
        ),
        pytest.param(
            ("/data/year/a.mp4", 10),
            [item(1, ("/m/year/a.mp4", None)), item(2, ("/n/year/a.mp4", 10))],
            2,
            id="then size",
        ),
        pytest.param(
            ("/data/a.mp4", None), [item(9, "/n/a.mp4"), item(10, "/m/a.mp4"), item(11, "/o/a.mp4")], 9, id="then key"
        ),
        pytest.param(("/d/a.mp4", None), [item(3, ("/m/a.mp4", 10)), item(9, "/n/a.mp4")], 3, id="no size is shared"),
        pytest.param(("/d/a.mp4", None), [item(3, "/m/a.mp4"), item(9, ("/n/a.mp4", 10))], 3, id="no size is known"),
        pytest.param(
            ("/data/year/a.mp4", 10),
            [item(1, ("/m/year/a.mp4", 11)), item(2, ("/m/x/a.mp4", 10)), item(3, ("/m/y/a.mp4", None))],
            2,
            id="never a contradicting size",
        ),
        pytest.param(
            ("/studio/x/a.mp4", None),
            [item(1, "/studio/y/a.mp4"), item(2, "/m/x/a.mp4")],
            2,
            id="from the file upwards",
        ),
    ],
)
def test_the_nearest_is_taken_when_not_strict(
    file: tuple[str, int | None], items: list[Candidate], expected: int
) -> None:
    assert found(file, *items, rules=LOOSE) == Match({expected: False})
    assert found(file, *reversed(items), rules=LOOSE).items == {expected: False}


def test_the_nearest_counts_folders_after_path_map() -> None:
    rules = Rules(pairs=(("/data/x", "/m/y"),), strict=False)

    match = found("/data/x/a.mp4", item(1, "/n/x/a.mp4"), item(2, "/n/y/a.mp4"), rules=rules)

    assert match.items == {2: False}


def test_every_file_of_a_scene_counts() -> None:
    files = [MediaFile("/m/a.mp4"), MediaFile("/x/b.mp4"), MediaFile(""), MediaFile("/m/none.mp4")]

    match = match_scene(files, [item(1, "/m/a.mp4"), item(2, "/m/b.mp4"), item(3, "/m/c.mp4")], STRICT)

    assert match == Match({1: True, 2: False})


def test_a_doubtful_file_does_not_hide_a_sure_one() -> None:
    files = [MediaFile("/x/a.mp4"), MediaFile("/m/b.mp4")]

    match = match_scene(files, [item(1, "/m/a.mp4"), item(2, "/n/a.mp4"), item(3, "/m/b.mp4")], STRICT)

    assert match.items == {3: True}
    assert len(match.ambiguous) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_merged_item_is_one_item_and_held_by_its_path(order: int) -> None:
    files = [MediaFile("/m/a.mp4"), MediaFile("/elsewhere/b.mp4")][::order]

    assert match_scene(files, [item(1, "/m/b.mp4", "/m/a.mp4")], STRICT) == Match({1: True})


def test_a_merged_item_is_contradicted_by_all_its_files_of_the_name_only() -> None:
    merged = item(1, ("/m/hd/a.mp4", 20), ("/m/sd/a.mp4", 10), ("/m/b.mp4", 30))

    assert found(("/x/a.mp4", 10), merged).items == {1: False}
    assert found(("/x/a.mp4", 30), merged) == Match({})


@pytest.mark.parametrize(("ours", "theirs"), [(10, 10), (10, None), (None, 10), (None, None), (10, 11)])
def test_a_name_is_not_enough_for_a_file_that_another_library_holds(ours: int | None, theirs: int | None) -> None:
    file = MediaFile("/m/a.mp4", ours)

    match = match_scene([file], [item(1, ("/n/a.mp4", theirs))], STRICT, frozenset({"/m/a.mp4"}))

    assert match.items == {}


def test_a_file_that_another_library_holds_is_matched_by_its_path_all_the_same() -> None:
    match = match_scene([MediaFile("/m/a.mp4")], [item(1, "/m/a.mp4")], STRICT, frozenset({"/m/a.mp4"}))

    assert match == Match({1: True})


def test_files_that_no_library_holds_are_judged_by_themselves() -> None:
    match = match_scene([MediaFile("/m/a.mp4")], [item(1, "/n/a.mp4")], STRICT, frozenset({"/m/b.mp4"}))

    assert match == Match({1: False})


@pytest.mark.parametrize(
    ("held", "by_path", "by_name"),
    [
        ("/media/a.mp4", True, True),
        ("/other/a.mp4", False, True),
        ("/media/b.mp4", False, False),
    ],
)
def test_whether_an_item_still_holds_a_file(held: str, by_path: bool, by_name: bool) -> None:
    files = [MediaFile("/data/x.mp4"), MediaFile("/data/a.mp4"), MediaFile("")]
    rules = pairs("/data", "/media")

    assert holds_file_of(files, item(1, "/media/z.mp4", held), rules, exact=True) is by_path
    assert holds_file_of(files, item(1, "/media/z.mp4", held), rules, exact=False) is by_name


def test_a_scene_without_paths_holds_nothing() -> None:
    assert not holds_file_of([MediaFile("")], item(1, ""), STRICT, exact=False)


# Properties

parts = st.text(st.sampled_from("aAbB .%'é\u0301&=[日\\"), min_size=1, max_size=4).filter(
    lambda text: text.strip(" .") != ""
)
paths = st.lists(parts, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
few_names = st.sampled_from(["a.mp4", "b.mp4", "A.mp4"])
few_paths = st.builds(
    lambda folders, name: "/" + "".join(f"{f}/" for f in folders) + name,
    st.lists(st.sampled_from("xyz"), max_size=3),
    few_names,
)
sizes = st.sampled_from([None, 0, 1, 2])
candidates = st.lists(st.lists(st.builds(MediaFile, few_paths, sizes), min_size=1, max_size=2), max_size=5).map(
    lambda held: [Candidate(n + 1, f"Item {n + 1}", tuple(files)) for n, files in enumerate(held)]
)


@PROPERTY
@given(st.lists(paths, min_size=1, max_size=12), st.booleans(), st.booleans())
def test_in_identical_libraries_every_file_matches_its_own_item(names: list[str], strict: bool, fold: bool) -> None:
    distinct = list({path_key(path, fold=fold): path for path in names}.values())
    library = [Candidate(n, path, (MediaFile(path, 5),)) for n, path in enumerate(distinct)]
    rules = Rules(strict=strict, fold=fold)

    for n, path in enumerate(distinct):
        assert match_scene([MediaFile(path, 5)], library, rules) == Match({n: True})


@PROPERTY
@given(
    st.lists(paths, min_size=1, max_size=8),
    st.sampled_from(["/media", "C:\\Media", "\\\\nas\\Media", "/"]),
    st.booleans(),
)
def test_a_library_seen_through_another_mount_matches_exactly(names: list[str], mount: str, strict: bool) -> None:
    assume(not any("\\" in path for path in names))
    distinct = list({path_key(path, fold=True): path for path in names}.values())
    library = [Candidate(n, path, (MediaFile(mount.rstrip("/") + path),)) for n, path in enumerate(distinct)]
    rules = Rules(pairs=(("/data", mount),), strict=strict, fold=True)

    for n, path in enumerate(distinct):
        assert match_scene([MediaFile("/data" + path)], library, rules).items == {n: True}


@PROPERTY
@given(few_paths, sizes, candidates, st.booleans(), st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_no_item_is_matched_without_a_reason(
    path: str,
    size: int | None,
    library: list[Candidate],
    strict: bool,
    fold: bool,
    elsewhere: bool,
    shuffler: random.Random,
) -> None:
    rules = Rules(strict=strict, fold=fold)
    there = frozenset({path} if elsewhere else ())

    match = match_scene([MediaFile(path, size)], library, rules, there)

    def same(one: str, other: str) -> bool:
        return path_key(one, fold=fold) == path_key(other, fold=fold)

    holders = [c.rating_key for c in library if any(same(f.path, path) for f in c.files)]
    assert len(match.items) <= 1
    assert not (match.items and match.ambiguous)
    for key, exact in match.items.items():
        held = library[key - 1].files
        assert exact == (key in holders)
        if exact:
            name = path.rpartition("/")[2]
            spelled = [
                c.rating_key for c in library if any(same(f.path, path) and f.path.endswith(name) for f in c.files)
            ]
            assert not strict or [k for k in holders if k in spelled or len(holders) == 1] == [key]
        else:
            assert not holders
            named = [f for f in held if name_key(f.path, fold=fold) == name_key(path, fold=fold)]
            assert any(not (size and f.size) or f.size == size for f in named)
            assert not elsewhere or any(size and f.size == size for f in named)
    if not strict:
        assert match.ambiguous == ()
        assert bool(match.items) or not holders

    shuffler.shuffle(library)
    assert match_scene([MediaFile(path, size)], library, rules, there) == match, (
        "the order of a listing decides nothing"
    )


@PROPERTY
@given(few_paths, candidates)
def test_what_matches_is_held(path: str, library: list[Candidate]) -> None:
    match = match_scene([MediaFile(path)], library, LOOSE)

    for candidate in library:
        exact = match.items.get(candidate.rating_key)
        if exact is not None:
            assert holds_file_of([MediaFile(path)], candidate, LOOSE, exact=exact)
    assert map_path(path, ()) == path


@PROPERTY
@given(st.sets(st.lists(st.sampled_from(["R1", "R2", "S8"]), max_size=3).map("/".join), min_size=1, max_size=6))
def test_each_of_several_scenes_gets_the_file_that_shares_its_folders(folders: set[str]) -> None:
    below = [f"{folder}/a.mp4".lstrip("/") for folder in sorted(folders)]
    library = [item(number, f"/p/{path}") for number, path in enumerate([*below, "decoy/a.mp4"])]
    rivals = {"a.mp4": [Rival(number, path_key(f"/s/{path}", fold=False)) for number, path in enumerate(below)]}

    for number, path in enumerate(below):
        match = match_scene([MediaFile(f"/s/{path}")], library, LOOSE, others=Others(number, rivals))
        assert match.items == {number: False}


def test_a_name_that_very_many_scenes_have_costs_each_of_them_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many equal names cost one scene at most about twice as many comparisons of folders."""

    def compared(count: int) -> int:
        """How often two folders are compared for the first and the last of `count` scenes."""
        calls = 0

        def counted(one: str, other: str) -> int:
            nonlocal calls
            calls += 1
            return trailing_folders(one, other)

        paths = [f"/x/{number}/clip.mp4" for number in range(count)]
        candidates = [item(100_000 + n, path.replace("/x/", "/plex/other")) for n, path in enumerate(paths)]
        rivals = [Rival(n, path_key(path, fold=False)) for n, path in enumerate(paths)]
        with monkeypatch.context() as patch:
            patch.setattr("sync.plex.matcher.trailing_folders", counted)
            for scene in (0, count - 1):
                others = Others(scene, {"clip.mp4": rivals})
                match_scene([MediaFile(paths[scene])], candidates, LOOSE, others=others)
        return calls

    assert compared(60) <= 2.2 * compared(30)
