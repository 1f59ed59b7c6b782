"""`obfuscate_paths` and `debug_logging`: what a log that is shown to others says, and what it does not."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable

import pytest

from sync import data_folder, hidden_paths, log
from sync.setup import install
from tests.site import Answer, Site

pytestmark = pytest.mark.integration

ODD = [
    "/media/Odd Stash/Jane Doe - beach.mp4",
    "/media/Odd (Brack) [ets]/cl(ip) [7].mp4",
    '/media/Quo"ted/say "hi" there.mp4',
    "/media/apo'strophe/don't; look: here.mp4",
    "C:\\Windows Clips\\Zoë 動画 😀.mkv",
    "\\\\nas\\Shared Clips\\reg.ex+ (.*)$.mp4",
    "/media/noending/Janedoe",
    "/media/Long/" + "very long name " * 10 + ".mp4",
]


def words_of(files: Iterable[str]) -> set[str]:
    """Every folder and name, and every name without its ending."""
    words = {word for path in files for word in re.split(r"[/\\]", path)}
    return {part for word in words for part in (word, word.rpartition(".")[0] or word) if len(part) > 3} - {
        "media",
        "plex",
        "stash",
    }


def assert_private(site: Site, *answers: Answer, files: Iterable[str] = ODD) -> None:
    """No part of these paths stands in an answer, a log line or a dead letter."""
    everything = [json.dumps([answer.output, answer.error, answer.log], ensure_ascii=False) for answer in answers]
    for text in (*everything, *letters(site)):
        plainer = text.replace('\\"', '"').replace("\\\\", "\\").casefold()
        assert [word for word in words_of(files) if word.casefold() in plainer] == [], text


def letters(site: Site) -> list[str]:
    if not os.path.exists(data_folder.queue_file(str(site.data))):
        return []
    with sqlite3.connect(data_folder.queue_file(str(site.data))) as connection:
        rows = connection.execute("SELECT title, message FROM plexsync_dead_letters").fetchall()
    return [f"{title}\n{message}" for title, message in rows]


def name_of(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def stem_of(path: str) -> str:
    return name_of(path).rpartition(".")[0] or name_of(path)


@pytest.fixture
def private(site: Site) -> Site:
    site.configure(obfuscate_paths=True, debug_logging=True)
    return site


def shown(site: Site) -> list[Answer]:
    """The status, for a person and for a script."""
    return [site.call({"mode": "status", "log": True}), site.call({"mode": "status"})]


def sync_all(site: Site, scenes: Iterable[int]) -> Answer:
    for scene in scenes:
        site.hook(scene)
    return site.drain(by_hand=True)


def test_scenes_that_arrive(private: Site) -> None:
    scenes = []
    for size, path in enumerate(ODD, 1000):
        scene, _ = private.add(path, size, title="A title")
        private.stash.scene(scene).title = "A title"
        private.stash.scene(scene).details = "changed"
        scenes.append(scene)
    answer = sync_all(private, scenes)
    assert answer.said("i").count(": wrote ") == len(ODD)
    assert answer.said("i").count("matched by its file's path") == len(ODD)
    assert_private(private, answer, *shown(private))


def test_files_that_plex_does_not_have(private: Site) -> None:
    private.configure(obfuscate_paths=True, trigger_plex_scan=True, max_retries=1)
    scenes = [private.stash.add_scene(title="A title", files=[(path, 5)]) for path in ODD]
    private.plex.add_item(private.library, [("/plex/other.mp4", 5)])
    answer = sync_all(private, scenes)
    assert answer.said("w").count("holds its file") == len(ODD)
    assert "asked for no scan" in answer.said("w")
    assert_private(private, answer, *shown(private))


def test_items_that_cannot_be_told_apart(private: Site) -> None:
    scenes = []
    for size, path in enumerate(ODD, 1000):
        name = name_of(path)
        for folder in ("/plex/One Folder", "/plex/Another (2)"):
            private.plex.add_item(private.library, [(f"{folder}/{name}", size)], title="A title")
        scenes.append(private.stash.add_scene(title="A title", files=[(path, size)]))
    answer = sync_all(private, scenes)
    assert answer.said("e").count("Plex items hold a file") == len(ODD)
    assert '"A title"' in answer.said("e")
    assert_private(private, answer, *shown(private), files=[*ODD, "/plex/One Folder/x", "/plex/Another (2)/x"])


def test_a_crowd_of_one_name(private: Site) -> None:
    for number in range(25):
        private.plex.add_item(private.library, [(f"/plex/Folder {number}/Jane Doe - beach.mp4", 7)], title="One")
    scene = private.stash.add_scene(files=[(ODD[0], 7)])
    answer = private.sync(scene)
    assert "25 Plex items hold a file" in answer.said("e")
    assert_private(private, answer, *shown(private), files=[ODD[0], "/plex/Folder 1/x"])


def test_a_conflict(private: Site) -> None:
    path = ODD[0]
    private.add(path, 1000, title="A title")
    other = private.stash.add_scene(title="A title", files=[(path, 1000)])
    private.sync(1)
    answer = private.sync(other)
    assert "conflict: Plex item" in answer.said("e")
    assert_private(private, answer, *shown(private))


def test_one_file_has_one_name_in_every_log(private: Site) -> None:
    scene = private.stash.add_scene(files=[(ODD[0], 7)])
    names = [set(re.findall(r"file-[0-9a-f]{8}\.mp4", private.sync(scene).said("w"))) for _ in range(2)]
    assert names[0] == names[1]
    assert len(names[0]) == 1
    os.remove(private.data / hidden_paths.REMEMBERED)
    assert set(re.findall(r"file-[0-9a-f]{8}\.mp4", private.sync(scene).said("w"))) != names[0], "another installation"


def test_an_error_of_stashs_that_holds_a_path(private: Site) -> None:
    scene, _ = private.add(ODD[0], 1000)
    private.hook(scene)
    said = f"open {ODD[0]}: no such file; stat {ODD[4]}: denied"
    private.stash.fail("gql_error", message=said, query_contains="PlexSyncScenes", times=None)
    answer = private.drain()
    assert "no such file" in str(answer.error)
    assert_private(private, answer, *shown(private))


@pytest.mark.parametrize("name", hidden_paths.PATH_SETTINGS)
@pytest.mark.parametrize("switch", [True, "on", "perhaps"])
def test_a_setting_that_is_not_accepted(site: Site, name: str, switch: object) -> None:
    site.configure(obfuscate_paths=switch, **{name: "Odd Stash/Jane Doe - beach.mp4"})
    site.hook(1)
    answer = site.drain()
    assert f"{name} is 'path-" in str(answer.error)
    checked = site.call({"mode": "check_setup"})
    assert f"{name} is 'path-" in checked.said("e")
    if name == "path_map":
        assert "/stash/prefix=/plex/prefix; /other=/elsewhere" in str(answer.error), "what is accepted can be read"
    assert_private(site, answer, checked, *shown(site))


def test_check_setup_shows_the_map_to_copy_and_no_other_path(private: Site) -> None:
    other = private.plex.add_library("More", locations=["/plex/My Library (1)", "/plex/Second"])
    for number in range(4):
        private.plex.add_item(other, [(f"/plex/My Library (1)/sub/jane {number}.mp4", number + 1)])
        private.stash.add_scene(files=[(f"/stash/Odd Stash/sub/jane {number}.mp4", number + 1)])
    private.stash.add_scene(files=[("/elsewhere/Far Away/Hidden Folder/x.mp4", 1)])
    answer = private.call({"mode": "check_setup"})
    proposed = "`/stash/Odd Stash=/plex/My Library (1)`"
    (line,) = [text for _, text in answer.log if "would match with" in text]
    assert proposed in line
    assert "This line alone shows paths" in line
    assert "in no folder of the libraries" in answer.said("w")
    rest = Answer(answer.output, answer.error, [one for one in answer.log if one[1] != line])
    assert_private(
        private, rest, files=["/stash/Odd Stash/jane 0", "/My Library (1)/Second", "/Far Away/Hidden Folder/x"]
    )
    assert not private.data.joinpath("queue").exists()
    private.configure(obfuscate_paths=False)
    assert proposed in str(private.call({"mode": "check_setup"}).output)


def test_what_failed_before_the_settings_were_read(private: Site) -> None:
    private.drain()
    folder = str(private.data)
    os.remove(data_folder.queue_file(folder))
    os.mkdir(data_folder.queue_file(folder))
    for answer in (private.hook(1), private.drain(), private.call({"mode": "clear_queue"}), *shown(private)):
        text = json.dumps([answer.output, answer.error, answer.log])
        assert "<plexsync>/queue/data.db" in text
        assert folder not in text


def test_the_command_to_install_packages_by_hand_can_be_copied(private: Site) -> None:
    private.drain()
    hidden_paths.begin({"DataDir": str(private.data)})
    failure = str(install._failure(str(private.data / "deps"), "/home/jane/plugins/requirements.txt", "no network"))
    assert log.redact(failure) == failure
    assert "/home/jane" not in log.redact("'/home/jane/plugins' cannot be written")


def test_the_status_of_what_was_written_before(site: Site) -> None:
    files = ODD[:2]
    for path in files:
        for folder in ("one", "two"):
            site.plex.add_item(site.library, [(f"/plex/{folder}/{name_of(path)}", 9)], title="A title")
        site.stash.add_scene(title="A title", files=[(path, 9)])
    assert "Jane Doe" in sync_all(site, [1, 2]).said("e")
    assert "Jane Doe" in shown(site)[0].said(), "off: names of files are told"
    site.configure(obfuscate_paths=True)
    site.drain()
    for answer in shown(site):
        text = f"{answer.output}{answer.said()}"
        assert "Jane" not in text
        assert "cl(ip)" not in text
        assert "Plex items hold a file" in text
    site.configure(obfuscate_paths=False)
    site.drain()
    assert "Jane Doe" in shown(site)[0].said()


def test_the_key_is_told_to_nobody(private: Site) -> None:
    private.sync(private.stash.add_scene(files=[(ODD[0], 7)]))
    key = json.loads((private.data / hidden_paths.REMEMBERED).read_text())["key"]
    assert len(key) == 64
    assert key not in "".join(answer.said() + str(answer.output) for answer in shown(private))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": 5}', '{"key": "00", "obfuscate_paths": true}', "\xff"])
def test_a_damaged_note_is_made_anew(private: Site, content: str) -> None:
    (private.data).mkdir(exist_ok=True)
    (private.data / hidden_paths.REMEMBERED).write_text(content, encoding="latin-1")
    answer = private.sync(private.stash.add_scene(files=[(ODD[0], 7)]))
    assert_private(private, answer, *shown(private))


def test_off_nothing_is_remembered_and_paths_stay(site: Site) -> None:
    answer = site.sync(site.stash.add_scene(files=[(ODD[0], 7)]))
    assert name_of(ODD[0]) in answer.said("w")
    assert not (site.data / hidden_paths.REMEMBERED).exists()


# Details


def test_details_at_info_level(site: Site) -> None:
    site.configure(debug_logging=True)
    scene, key = site.add()
    site.stash.scene(scene).title = "Wanted"
    site.stash.scene(scene).details = "secret words"
    answer = site.sync(scene)
    said = answer.said("i")
    assert answer.said("d") == ""
    for text in (
        f'debug: Scene {scene} "Wanted": matched by its file\'s path to Plex item {key} in library "Clips"; to write: ',
        "title, summary",
        "debug: 1 of 1 edited items read back",
        "settings changed: plex_url set, debug_logging on",
    ):
        assert text in said
    assert re.search(r"debug: Plex: PUT /library/sections/\d+/all answered 200 in \d+ ms", said)
    assert re.search(r"debug: Stash: POST /graphql \(PlexSyncScenes\) answered 200 in \d+ ms", said)
    assert "secret words" not in said
    assert site.plex.token not in said


def test_why_something_is_tried_again(site: Site) -> None:
    site.configure(debug_logging=True)
    scene = site.stash.add_scene(files=[("/media/a.mp4", 5)])
    said = site.sync(scene).said("i")
    assert re.search(
        rf'Scene {scene} "a.mp4": PlexNotFound, tried again in \d+ s \(backoff from 30 s, at most 600 s\)', said
    )


def test_without_it_not_one_line_more(site: Site) -> None:
    scene, _ = site.add()
    answer = site.save_and_sync(scene, title="T")
    assert [letter for letter, text in answer.log if letter == "d"] == []
    assert "debug:" not in answer.said()
