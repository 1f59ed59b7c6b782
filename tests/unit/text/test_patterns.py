"""Names, globs and folders as people type them into settings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.text.clean import name_key
from sync.text.patterns import are_whole_paths, names_match, parts_of, path_matches, quoted, split_names, split_paths

PROPERTY = settings(max_examples=100, deadline=None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" Rock , Jazz,", ["Rock", "Jazz"], id="commas"),
        pytest.param("Rock, modern; Jazz", ["Rock, modern", "Jazz"], id="names with commas"),
        pytest.param("Rock, modern;", ["Rock, modern"], id="one name with a comma"),
        pytest.param("Rock\nJazz", ["Rock", "Jazz"], id="lines"),
        pytest.param(", ,", [], id="commas alone"),
        pytest.param('"Rock, modern", Jazz', ["Rock, modern", "Jazz"], id="a comma in quotes"),
        pytest.param('Jazz, "a; b"', ["Jazz", "a; b"], id="a semicolon in quotes among commas"),
        pytest.param("'Rock, modern', Jazz", ["Rock, modern", "Jazz"], id="single quotes"),
        pytest.param("`Rock, modern`, “Jazz, old”, „Soul“", ["Rock, modern", "Jazz, old", "Soul"], id="other quotes"),
        pytest.param('" Rock ", Jazz', [" Rock ", "Jazz"], id="blanks in quotes"),
        pytest.param('"the ""best"", so far"', ['the "best", so far'], id="quotes in quotes"),
        pytest.param('12" mix, 7" mix', ['12" mix', '7" mix'], id="quotes within"),
        pytest.param("'80s, '90s, Rock 'n' Roll", ["'80s", "'90s", "Rock 'n' Roll"], id="apostrophes"),
        pytest.param("Director's cut, Dad's", ["Director's cut", "Dad's"], id="apostrophes within"),
        pytest.param('"Rock, Jazz', ['"Rock', "Jazz"], id="quotes that do not close"),
        pytest.param('"a"\n"b"\n\nc', ["a", "b", "c"], id="quotes on lines"),
        pytest.param('""', [], id="empty quotes"),
    ],
)
def test_lists_of_names(text: str, expected: list[str]) -> None:
    assert split_names(text) == tuple(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("/a, b", ["/a, b"]),
        (" /a ; /b;", ["/a", "/b"]),
        ("/a\n/b", ["/a", "/b"]),
        ("D:\\a;*.mkv", ["D:\\a", "*.mkv"]),
        ('"/a;b"; /c', ["/a;b", "/c"]),
        ("'/a;b';/c", ["/a;b", "/c"]),
        ('/a, "b"; /c', ['/a, "b"', "/c"]),
        ('"/a "', ["/a "]),
    ],
)
def test_lists_of_paths(text: str, expected: list[str]) -> None:
    assert split_paths(text) == tuple(expected)


@pytest.mark.parametrize(
    ("text", "whole"),
    [("/a; *.mkv", True), ("/a,/b", False), ('"/a,/b"', True), ("/a; b", False), ('"b"', False), ('""', False)],
)
def test_whole_paths(text: str, whole: bool) -> None:
    assert are_whole_paths(text) is whole


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        pytest.param("Rock", "rock", True, id="another case"),
        pytest.param("Straße", "STRASSE", True, id="a letter that is two in upper case"),
        pytest.param("Zo\u00eb", "zoe\u0308", True, id="composed or not"),
        pytest.param("Rocks", "Rock", False, id="a longer name"),
        pytest.param("Rocks", "Rock*", True, id="star at the end"),
        pytest.param("Hard Rock", "*rock", True, id="star in front"),
        pytest.param("a\nb", "a*b", True, id="star over a line's end"),
        pytest.param("Rock", "R?ck", True, id="question mark"),
        pytest.param("Rck", "R?ck", False, id="question mark stands for one"),
        pytest.param("a", "[ab]", False, id="brackets are no set"),
        pytest.param("[ab]", "[ab]", True, id="brackets are brackets"),
        pytest.param("a.b", "a.b", True, id="a dot"),
        pytest.param("axb", "a.b", False, id="a dot is no wildcard"),
        pytest.param("aa", "a+", False, id="a plus is no repetition"),
        pytest.param("^a$", "^a$", True, id="signs of expressions"),
        pytest.param("a5", "a\\d", False, id="a backslash is no class"),
        pytest.param("", "*", True, id="no name"),
        pytest.param("Rock", "", False, id="no pattern"),
    ],
)
def test_names(name: str, pattern: str, matches: bool) -> None:
    assert names_match(name, [pattern]) is matches
    assert names_match(name, ["something else", pattern]) is matches


def test_no_pattern_matches_nothing() -> None:
    assert not names_match("Rock", [])
    assert not path_matches("/a", [])


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        pytest.param("/films/a/b.mp4", "/films", True, id="a folder"),
        pytest.param("/films/a/b.mp4", "/films/a/b.mp4", True, id="a file"),
        pytest.param("/films2/b.mp4", "/films", False, id="a folder ends at its end"),
        pytest.param("/films/a/b.mp4", "films", False, id="a folder without its beginning"),
        pytest.param("/films/a/b.mp4", "/", True, id="the root"),
        pytest.param("/films/2/b.mp4", "/films/[2020]", False, id="brackets are no set"),
        pytest.param("/films/a/b.mp4", "*.mp4", True, id="an ending"),
        pytest.param("/films/a/b.mp4", "*/a/*", True, id="a folder anywhere"),
        pytest.param("/films/a/c/b.mp4", "/films/*.mp4", True, id="a star crosses folders"),
        pytest.param("/films/a/b.mp4", "/films/*/", False, id="a glob is of the whole path"),
        pytest.param("/films/a/b.mp4", "/Films", False, id="case counts"),
        pytest.param("/films/a/b.MP4", "*.mp4", False, id="case of an ending counts"),
        pytest.param("/films//a/b.mp4", "/films/a", True, id="a doubled slash in the path"),
        pytest.param("/films/a/b.mp4", "//films", False, id="a share is none of our folders"),
        pytest.param("/films/zoe\u0308/b.mp4", "/films/zo\u00eb", True, id="composed or not"),
        pytest.param("/films/a\\b/c.mp4", "/films/a\\b", True, id="a backslash in a name"),
        pytest.param("/films/a\\b/c.mp4", "/films/a/b", False, id="a backslash that is no separator"),
        pytest.param("D:\\Films\\a\\b.mp4", "D:\\Films", True, id="Windows: a folder"),
        pytest.param("D:\\Films\\a\\b.mp4", "d:/films", True, id="Windows: slashes and case"),
        pytest.param("D:/Films/a/b.mp4", "D:\\films\\A", True, id="Windows: backslashes for slashes"),
        pytest.param("D:\\Films\\a\\b.mp4", "E:\\Films", False, id="Windows: another drive"),
        pytest.param("D:\\Films\\a\\b.mp4", "D:\\", True, id="Windows: a drive"),
        pytest.param("D:\\Films\\VR\\b.mp4", "*\\vr\\*", True, id="Windows: a folder anywhere"),
        pytest.param("D:\\Films\\VR\\b.mp4", "*/vr/*", True, id="Windows: a folder anywhere, with slashes"),
        pytest.param("D:\\Films\\VR\\b.mp4", "?:\\films\\*", True, id="Windows: any drive"),
        pytest.param("\\\\NAS\\Films\\b.mp4", "//nas/films", True, id="share: slashes and case"),
        pytest.param("\\\\nas\\films2\\b.mp4", "\\\\nas\\films", False, id="share: a folder ends at its end"),
        pytest.param("\\\\nas\\films\\x\\b.mp4", "\\\\nas\\*\\x\\*", True, id="share: a glob"),
    ],
)
def test_paths(path: str, pattern: str, matches: bool) -> None:
    assert path_matches(path, [pattern]) is matches
    assert path_matches(path, ["/nowhere", pattern]) is matches


# Properties

awkward = st.text(st.sampled_from("ab ,;=\"'`“”\n/\\e\u0301") | st.characters(codec="utf-8"), min_size=1, max_size=8)


@PROPERTY
@given(
    st.lists(awkward.filter(lambda name: name.strip().strip(",; ")), max_size=4),
    st.sampled_from([",", ", ", ";", "\n"]),
)
def test_names_in_quotes_are_read_as_they_are(names: list[str], separator: str) -> None:
    assert split_names(separator.join(map(quoted, names))) == tuple(names)


@PROPERTY
@given(st.lists(awkward.map(lambda name: f"/{name}"), max_size=4), st.sampled_from([";", " ; ", "\n"]))
def test_paths_in_quotes_are_read_as_they_are(paths: list[str], separator: str) -> None:
    text = separator.join(map(quoted, paths))

    assert split_paths(text) == tuple(paths)
    assert are_whole_paths(text) is bool(paths)


@PROPERTY
@given(awkward, st.sampled_from([",\n", ";\n", "="]), st.sampled_from(["", "=", ",;"]))
def test_parts_lose_nothing(text: str, separators: str, opening: str) -> None:
    parts = parts_of(text, separators, opening)

    assert sum(map(len, parts)) + len(parts) - 1 == len(text)
    assert all(part in text for part in parts)


signs = st.text(st.sampled_from("abAB[](){}.+^$|\\!-#&~ \n*?"), max_size=8)


@PROPERTY
@given(signs, signs)
def test_a_glob_is_what_it_says(name: str, pattern: str) -> None:
    def fits(text: str, glob: str) -> bool:
        if not glob:
            return not text
        if glob[0] == "*":
            return any(fits(text[n:], glob[1:]) for n in range(len(text) + 1))
        return bool(text) and glob[0] in (text[0], "?") and fits(text[1:], glob[1:])

    assert names_match(name, [pattern]) is fits(name_key(name), name_key(pattern))


folders = st.lists(st.text(st.sampled_from("aB[]é ,."), min_size=1, max_size=4), min_size=1, max_size=5)


@PROPERTY
@given(folders, st.integers(1, 5), st.sampled_from(["/", "D:\\", "\\\\nas\\"]))
def test_a_folder_holds_its_files_and_no_other_folders(names: list[str], depth: int, root: str) -> None:
    separator = "\\" if "\\" in root else "/"
    path = root + separator.join([*names, "file.mp4"])
    folder = root + separator.join(names[:depth])

    assert path_matches(path, [folder])
    assert path_matches(path, [folder + separator])
    assert not path_matches(path, [f"{folder}x"])
    assert path_matches(path, [f"{folder}{separator}*"])


@PROPERTY
@given(st.text(max_size=60), st.text(max_size=30))
def test_no_pattern_raises(text: str, path: str) -> None:
    names_match(path, split_names(text))
    path_matches(path, split_paths(text))
    assert all(re.search(r"\S", name) for name in split_names(text))
