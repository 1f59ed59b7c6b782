"""Paths in a text, replaced by names that say nothing and stay the same."""

from __future__ import annotations

import re
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.hidden_paths import Obfuscator, without_paths

KEY = b"0123456789abcdef"
PATHS = [
    "/data/Odd Folder/clip one.mp4",
    "/data/Odd (Folder) [x]/cl(ip) [one].mkv",
    '/data/Q"uote/say "hi" there.mp4',
    "/data/it's/don't.mp4",
    r"C:\Media\My Clips\clip one.mp4",
    r"\\nas\share one\clip one.wmv",
    "//nas/share/clip one.mp4",
    "/data/Zoë 動画/été 😀.mp4",
    "/data/Zoe\u0308/e\u0301te\u0301.mp4",
    "/data/a+b.c*d?e$^{2}|x/reg\\ex (.*).mp4",
    "/data/back\\slash/na\\me.mp4",
    "/data/Private/noending",
    "/data/Private/Jane.Doe",
    "/data/trailing. /clip .mp4",
    "/data/semi; colon: x/a; b: c, d.mp4",
    "/data/new\nline/two\nlines.mp4",
    "/data/percent%20/100%s.mp4",
    "/data/" + "long " * 30 + "/" + "very long " * 20 + ".mp4",
]


def private_words(path: str) -> set[str]:
    """The parts of a path that say something."""
    words = re.split(r"[/\\]", path)
    return {word for word in (*words, words[-1].rpartition(".")[0]) if len(word) > 3 and word not in ("data", "nas")}


def messages(path: str) -> list[str]:
    """What is said of a file, as it is said."""
    name = re.split(r"[/\\]", path)[-1]
    stem = name.rpartition(".")[0] or name
    cut = stem if len(stem) <= 80 else stem[:79] + "…"
    return [
        f'Scene 5 "{cut}": no Plex item in "Clips" holds its file "{name}" yet. If Plex has it, check path_map',
        f'conflict: Plex item 7 "{stem}" holds files of scene 3 and of scene 5. Split the item in Plex',
        f'2 Plex items hold a file "{name.casefold()}": 12 "{stem}" ({path}), 13 ({path}) in library "Clips", and',
        f"Stash could not answer (open {path}: no such file or directory)",
        f"{path} is not there",
        f"'{path}' cannot be read",
    ]


def knowing(*paths: str, key: bytes = KEY) -> Obfuscator:
    made = Obfuscator(key)
    made.know_files(paths)
    return made


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path)[:30])
def test_nothing_of_a_known_path_can_be_read(path: str) -> None:
    hides = knowing(path, "/data/other/neighbour.mp4")
    for text in messages(path):
        said = hides.hide(text)
        assert not [word for word in private_words(path) if word.casefold() in said.casefold()], said
        assert re.search(r"(path|file)-[0-9a-f]{8}", said)
        assert hides.hide(said) == said, "what was hidden before stays as it is"


@pytest.mark.parametrize("path", [path for path in PATHS if ": " not in path], ids=lambda path: ascii(path)[:30])
def test_nothing_of_an_unknown_path_can_be_read(path: str) -> None:
    for text in messages(path)[3:5]:
        if path.endswith(".mp4") or " " not in path:
            said = Obfuscator(KEY).hide(text)
            assert not [word for word in private_words(path) if word.casefold() in said.casefold()], said


def test_what_is_said_beside_it_stays() -> None:
    hides = knowing("/data/My Clips/clip one.mp4", "/plex/clip one.mp4")
    file, folder = hides.name_of_file("clip one.mp4"), hides.name_of_folder("/data/My Clips")
    other = hides.name_of_folder("/plex")
    assert hides.hide(
        'Scene 5 "A day": 2 Plex items hold a file "clip one.mp4": 12 "clip one" (/data/My Clips/clip one.mp4), '
        '13 "A name" (/plex/clip one.mp4) in library "Clips", and strict_matching is on'
    ) == (
        f'Scene 5 "A day": 2 Plex items hold a file "{file}": 12 "{file[:-4]}" ({folder}/{file}), '
        f'13 "A name" ({other}/{file}) in library "Clips", and strict_matching is on'
    )


@pytest.mark.parametrize(
    "text",
    [
        "Plex at http://192.168.1.10:32400/x cannot be reached (connection refused or no route)",
        'Scene 5 "AC/DC" and/or 6: wrote title, genres to Plex item 7',
        "Plex: GET /library/metadata/7,8 answered 200 in 12 ms",
        "Stash: POST /graphql (PlexSyncScenes) answered 200 in 5 ms",
        "50 scenes: 20 changed in Plex, 30 right already",
        "It stays queued and is tried again (try 2 of 5)",
        'Last 24 hours, items in "Clips": 1 changed. Outages: from 2024-01-01 10:00 to 2024-01-01 10:30',
        "set it in Stash under Settings > Plugins > PlexSync; one / two",
    ],
)
def test_what_is_no_path_stays(text: str) -> None:
    assert knowing("/data/Clips/clip.mp4", "/data/2024/2024-01-01.mp4", "/data/Plex/Scene.mp4").hide(text) == text


@pytest.mark.parametrize(
    ("title", "is_hidden"),
    [("Beach", True), ("beach", True), ("Beach.mp4", True), ("Private", True), ("Beach day", False), ("", False)],
)
def test_a_title_that_is_the_name_of_a_file_or_its_folder(title: str, is_hidden: bool) -> None:
    hides = knowing("/data/Private/Beach.mp4")
    assert (hides.hide_title(title) != title) is is_hidden
    assert (hides.hide(f'Scene 5 "{title}": wrote title') != f'Scene 5 "{title}": wrote title') is is_hidden


def test_a_title_as_plex_makes_it_of_a_name() -> None:
    hides = knowing("/data/x/Jane_Doe.beach.mp4")
    assert (
        hides.hide('Plex item 7 "Jane Doe beach" holds')
        == f'Plex item 7 "{hides.name_of_file("Jane_Doe.beach")}" holds'
    )


def test_a_library_may_bear_the_name_of_a_folder_or_file() -> None:
    text = 'Library "Private": 3 items; the scan (library "Beach") was asked for'
    assert knowing("/data/Private/Beach.mp4").hide(text) == text


def test_names_are_stable_and_differ_from_installation_to_installation() -> None:
    text = "open /data/x/clip one.mp4: no such file"
    first, again, other = (
        knowing("/data/x/clip one.mp4", key=key).hide(text) for key in (KEY, KEY, b"another key 1234")
    )
    assert first == again == Obfuscator(KEY).hide(text), "known or not"
    assert other != first
    assert first.count(".mp4") == 1


def test_one_path_in_two_spellings_is_one_path() -> None:
    assert knowing("/data/Zoe\u0308/e\u0301.mp4").hide("(/data/Zoe\u0308/e\u0301.mp4)") == knowing(
        "/data/Zoë/é.mp4"
    ).hide("(/data/Zoë/é.mp4)")


def test_three_rounds_are_known_and_the_ones_before_are_forgotten() -> None:
    hides = Obfuscator(KEY)
    for number in range(5):
        hides.know_files((), anew=True)
        hides.know_files(f"/data/{number}/some file {number}-{n}.mp4" for n in range(100))
        hides.know_files(["/data/always told.mp4"])
    assert hides.hide('"some file 1-5.mp4"') == '"some file 1-5.mp4"'
    for number in (2, 3, 4):
        assert "some" not in hides.hide(f'"some file {number}-5.mp4"')
    assert "always" not in hides.hide('"always told.mp4"')
    assert len(hides._known) < 3000


def test_folders_in_a_list() -> None:
    hides = Obfuscator(KEY)
    hides.know_folders(["/data/My Clips", "/media/My stuff/", "Z:\\films\\a b"])
    text = (
        "They are below /data/My Clips (3), /other (2) and 4 more in Stash; the libraries have /media/My stuff, "
        "Z:\\films\\a b. Map the one to the other"
    )
    name = hides.name_of_folder
    assert hides.hide(text) == (
        f"They are below {name('/data/My Clips')} (3), {name('/other')} (2) and 4 more in Stash; the libraries have "
        f"{name('/media/My stuff')}, {name('Z:/films/a b')}. Map the one to the other"
    )


@pytest.mark.parametrize(
    "value", ["/data=Private stuff", "Private stuff", "Z:\\My Clips=/media/it's; /x y=/z", "C:\\a'b\"c=/x" + "y" * 300]
)
def test_values_of_settings_that_are_paths(value: str) -> None:
    hides = Obfuscator(KEY)
    hides.know_values([value, None, 5, "  "])
    said = hides.hide(f"path_map is {value!r:.200}; accepted: pairs")
    assert re.fullmatch(r"path_map is 'path-[0-9a-f]{8}'; accepted: pairs", said)


def test_the_data_folder_is_told_apart() -> None:
    hides = Obfuscator(KEY, "/home/jane/.stash/plexsync")
    said = hides.hide("PlexSync's queue '/home/jane/.stash/plexsync/queue/data.db' is damaged, /home/jane/x is not")
    assert (
        said == f"PlexSync's queue '<plexsync>/queue/data.db' is damaged, {hides.name_of_folder('/home/jane/x')} is not"
    )


def test_what_a_person_has_to_copy_is_readable() -> None:
    text = "set `/data=/media/My Clips`, and not /data/other"
    assert (
        Obfuscator(KEY)
        .hide(text, readable=["`/data=/media/My Clips`"])
        .startswith("set `/data=/media/My Clips`, and not path-")
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path)[:30])
def test_nothing_of_what_was_written_before_can_be_read(path: str) -> None:
    if any(c in path for c in '"\n'):
        pytest.skip("nobody can tell where it ends")
    hides = Obfuscator(KEY)
    for text in messages(path)[:3]:
        said = hides.hide(text, strictly=True)
        assert not [word for word in private_words(path) if word.casefold() in said.casefold()], said
        assert hides.hide(said, strictly=True) == said


def test_a_message_without_a_path_is_told_as_ever() -> None:
    assert without_paths("Plex at http://plex:32400/x, or (/data/a (1)/b.mp4)") == "Plex at http://plex:32400/x, or (…)"


@pytest.mark.parametrize("piece", ["/a ", "(/a ", '"/a ', ", /a", "'/a", "/a.mp ", "C:\\ ", "\\", '1 "', 'file "'])
def test_no_text_takes_for_ever(piece: str) -> None:
    """Work that grew with the cube of the length would run into the suite's time-out."""
    text = (piece * 3000)[:3000]
    assert Obfuscator(KEY).hide(text)
    assert Obfuscator(KEY).hide(text, strictly=True)


WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="/\\"), min_size=4, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WORDS.map(lambda word: f"q{word}j"), min_size=1, max_size=4),
    st.sampled_from([("/", "/"), ("C:\\", "\\"), ("\\\\nas\\", "\\"), ("/mnt/", "/")]),
    st.sampled_from([".mp4", ".MKV", ".private", ""]),
)
def test_nothing_of_any_known_path_can_be_read(parts: list[str], root: tuple[str, str], ending: str) -> None:
    path = root[0] + root[1].join(parts) + ending
    hides = knowing(path)
    for text in messages(path):
        said = hides.hide(text).casefold()
        assert not [part for part in parts if part.casefold() in said]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=30))
def test_any_text_and_any_path_can_be_dealt_with(text: str, path: str) -> None:
    hides = knowing(path)
    assert isinstance(hides.hide(text + path, strictly=True), str)


def test_one_thread_may_tell_of_files_while_another_writes_a_line() -> None:
    hides = knowing("/data/clips/a clip.mp4")
    failures: list[BaseException] = []
    is_over = threading.Event()

    def write() -> None:
        try:
            while not is_over.is_set():
                hides.hide("PUT of /data/clips/a clip.mp4")
        except BaseException as error:
            failures.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        for number in range(30):
            hides.know_files((f"/data/clips/{number}/clip {number}-{n}.mp4" for n in range(20)), anew=True)
    finally:
        is_over.set()
        for writer in writers:
            writer.join(10)
        sys.setswitchinterval(before)
    assert failures == []
