"""Paths in a text, replaced by names that say nothing and stay the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors import quoted
from sync.hidden_paths import PathHider, without_paths

KEY = b"0123456789abcdef"
PATHS = [
    "/data/Odd Folder/clip one.mp4",
    "/data/Odd (Folder) [x]/cl(ip) [one].mkv",
    '/data/Q"uote/say "hi" there.mp4',
    "/data/it's/don't.mp4",
    """/data/it's "both" of/them's "here".mp4""",
    r"C:\Media\My Clips\clip one.mp4",
    r"D:\it's mine\don't (look).mp4",
    r"\\nas\share one\clip one.wmv",
    "//nas/share/clip one.mp4",
    "/data/Zoë 動画/été 😀.mp4",
    "/data/Zoe\u0308/e\u0301te\u0301.mp4",
    "/data/a+b.c*d?e$^{2}|x/reg\\ex (.*).mp4",
    "/data/back\\slash/na\\me.mp4",
    "/data/Private/noending",
    "/data/Private/Jane.Doe",
    "/data/trailing. /clip .mp4",
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
    return [
        f'Scene 5 "A day": no Plex item in "Clips" holds its file "{name}" yet. If Plex has it, check path_map',
        f'2 Plex items hold a file "{name.casefold()}": 12 "A day" ({path}), 13 ({path}) in library "Clips", and',
        f"Stash could not answer (open {path}: no such file or directory)",
        f"{path} is not there",
        f"{quoted(path)} cannot be read",
        f"PlexSync's queue {quoted(path, 60)} is damaged (database disk image is malformed), and stays",
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path)[:30])
def test_nothing_of_a_path_can_be_read(path: str) -> None:
    hides = PathHider(KEY)
    for text in messages(path):
        said = hides.hide(text)
        assert not [word for word in private_words(path) if word.casefold() in said.casefold()], said
        assert re.search(r"(path|file)-[0-9a-f]{8}", said)
        assert hides.hide(said) == said, "what was hidden before stays as it is"


def test_what_is_said_beside_it_stays() -> None:
    hides = PathHider(KEY)
    file, folder, other = hides.file("clip one.mp4"), hides.folder("/data/My Clips"), hides.folder("/plex")
    assert hides.hide(
        'Scene 5 "A day": 2 Plex items hold a file "clip one.mp4": 12 "clip one" (/data/My Clips/clip one.mp4), '
        '13 "A name" (/plex/clip one.mp4) in library "Clips", and strict_matching is on'
    ) == (
        f'Scene 5 "A day": 2 Plex items hold a file "{file}": 12 "clip one" ({folder}/{file}), '
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
    assert PathHider(KEY).hide(text) == text


def test_names_are_stable_and_differ_from_installation_to_installation() -> None:
    text = "open /data/x/clip one.mp4: no such file"
    first, again, other = (PathHider(key).hide(text) for key in (KEY, KEY, b"another key 1234"))
    assert first == again != other
    assert first.count(".mp4") == 1


def test_one_path_in_two_spellings_is_one_path() -> None:
    hides = PathHider(KEY)
    assert hides.hide("(/data/Zoe\u0308/e\u0301.mp4)") == hides.hide("(/data/Zoë/é.mp4)")


@pytest.mark.parametrize(
    "value", ["/data=Private stuff", "Private stuff", "Z:\\My Clips=/media/it's; /x y=/z", "C:\\a'b\"c=/x" + "y" * 300]
)
def test_values_of_settings_that_are_paths(value: str) -> None:
    hides = PathHider(KEY, "", {"path_map": value, "only_paths": None, "skip_paths": "  "})
    said = hides.hide(f"path_map is {quoted(value, 200)}; accepted: pairs")
    assert re.fullmatch(r"path_map is 'path-[0-9a-f]{8}'; accepted: pairs", said)


def test_the_data_folder_is_told_apart() -> None:
    hides = PathHider(KEY, "/home/jane/.stash/plexsync")
    said = hides.hide("PlexSync's queue '/home/jane/.stash/plexsync/queue/data.db' is damaged, /home/jane/x is not")
    assert said == f"PlexSync's queue '<plexsync>/queue/data.db' is damaged, {hides.folder('/home/jane/x')} is not"


def test_what_a_person_has_to_copy_is_readable() -> None:
    text = "set `/data=/media/My Clips`, and not /data/other"
    said = PathHider(KEY).hide(text, ["`/data=/media/My Clips`"])
    assert said.startswith("set `/data=/media/My Clips`, and not path-")


def test_a_message_without_a_path_is_told_as_ever() -> None:
    assert without_paths("Plex at http://plex:32400/x, or (/data/a (1)/b.mp4)") == "Plex at http://plex:32400/x, or (…)"


@pytest.mark.parametrize(
    "piece", ["/a ", "(/a ", '"/a ', ", /a", "'/a", "/a.mp ", "C:\\ ", "\\", '1 "', 'file "', "a.mp4"]
)
def test_no_text_takes_for_ever(piece: str) -> None:
    """Work that grew with the cube of the length would run into the suite's time-out."""
    assert PathHider(KEY).hide((piece * 3000)[:3000])


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=4, max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WORDS.map(lambda word: f"q{word}j"), min_size=1, max_size=4),
    st.sampled_from([("/", "/"), ("C:\\", "\\"), ("\\\\nas\\", "\\"), ("/mnt/", "/")]),
    st.sampled_from([".mp4", ".MKV", ".private", ""]),
    st.sampled_from(["", " ", " - ", "'", "+"]),
)
def test_nothing_of_any_path_in_quotes_can_be_read(
    parts: list[str], root: tuple[str, str], ending: str, between: str
) -> None:
    path = root[0] + root[1].join(f"{part}{between}{part}" for part in parts) + ending
    for text in messages(path)[:2]:
        said = PathHider(KEY).hide(text).casefold()
        assert not [part for part in parts if part.casefold() in said]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=30))
def test_any_text_and_any_path_can_be_dealt_with(text: str, path: str) -> None:
    assert isinstance(PathHider(KEY, path, {"path_map": path}).hide(text + path), str)
    assert isinstance(without_paths(text + path), str)
