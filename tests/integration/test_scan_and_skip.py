"""Files that Plex does not have yet: a scan of their folder, the long retry, or nothing at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from sync.worker import finish, processor
from sync.worker.circuit_breaker import CircuitBreaker
from sync.worker.processor import Drain
from tests.servers.plex import PlexStandIn
from tests.site import Site

pytestmark = pytest.mark.integration

TRIES = 12
"""How often a file that Plex does not have is looked for."""


@pytest.fixture(autouse=True)
def _the_drains_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain's and the breaker's clock are bound at import, where freezing does not reach."""
    for one in (CircuitBreaker, Drain):
        monkeypatch.setitem(one.__init__.__kwdefaults__ or {}, "clock", lambda: time.time())


@contextmanager
def later(tries: int = 1) -> Iterator[None]:
    """The time when a job is due after so many tries, whatever its delay was drawn as."""
    with freeze_time(datetime.now(UTC) + timedelta(seconds=601 * tries), tick=True):
        yield


def missing(site: Site, *paths: str, title: str = "T") -> int:
    """Add a scene whose files Plex does not have."""
    return site.stash.add_scene(title=title, files=[(path, number) for number, path in enumerate(paths, 1)])


def scans(site: Site) -> list[tuple[int | None, str | None]]:
    """(section, folder) of each scan that was asked for."""
    return [(scan.section, scan.path) for scan in site.plex.scans]


def hook_all(site: Site, *scenes: int) -> None:
    for scene in scenes:
        site.hook(scene)


# One scan per folder and drain


def test_without_the_setting_there_is_no_scan(site: Site) -> None:
    answer = site.sync(missing(site, "/media/new/a.mp4"))
    assert scans(site) == []
    assert "let Plex scan the folder" in answer.said("w")
    assert len(site.rows()) == 1


def test_the_folder_of_a_missing_file_is_scanned_and_the_job_waits(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    answer = site.sync(missing(site, "/media/new/a.mp4"))
    assert scans(site) == [(site.library, "/media/new")]
    assert answer.output == "1 scene: 1 tried again later"
    assert 'Plex was asked to scan the folder (library "Clips")' in answer.said("w")
    assert f"try 1 of {TRIES}" in answer.said("w")
    ((job, _),) = site.rows()
    assert (job["last_error_type"], job["retry_count"]) == ("PlexNotFound", 1)


def test_a_file_that_plex_has_asks_for_no_scan(site: Site) -> None:
    scene, _ = site.add("/media/have/a.mp4")
    site.configure(trigger_plex_scan=True)
    site.save_and_sync(scene, title="T")
    assert scans(site) == []


def test_several_scenes_of_one_folder_are_one_scan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "ROUND", 20)
    # Else one of them may be due again before the drain ends.
    monkeypatch.setattr(finish, "calculate_delay", lambda *_: 30.0)
    site.configure(trigger_plex_scan=True)
    hook_all(site, *(missing(site, f"/media/new/{n}.mp4") for n in range(30)))
    assert site.drain().output == "30 scenes: 30 tried again later"
    assert scans(site) == [(site.library, "/media/new")]


def test_two_folders_are_two_scans(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    hook_all(site, missing(site, "/media/a/1.mp4"), missing(site, "/media/b/2.mp4"), missing(site, "/media/a/3.mp4"))
    site.drain()
    assert sorted(scans(site), key=str) == [(site.library, "/media/a"), (site.library, "/media/b")]


def test_all_files_of_one_scene(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    site.sync(missing(site, "/media/a/1.mp4", "/media/b/1.mp4", "/media/a/2.mp4"))
    assert sorted(scans(site), key=str) == [(site.library, "/media/a"), (site.library, "/media/b")]


def test_the_folder_of_a_file_that_conditions_leave_out_is_not_scanned(site: Site) -> None:
    site.configure(trigger_plex_scan=True, skip_paths="/media/private")
    site.sync(missing(site, "/media/a/1.mp4", "/media/private/1.mp4"))
    assert scans(site) == [(site.library, "/media/a")]


def test_a_library_that_is_not_synced_is_not_scanned(site: Site) -> None:
    site.plex.add_library("Other", locations=["/media"])
    site.configure(trigger_plex_scan=True, plex_library="Clips")
    site.sync(missing(site, "/media/new/a.mp4"))
    assert scans(site) == [(site.library, "/media/new")]


def test_windows_paths_are_asked_for_as_plex_writes_them(site: Site, plex: PlexStandIn) -> None:
    plex.platform = "Windows"
    films = site.plex.add_library("Films", locations=["D:\\Videos\\Films"])
    site.configure(trigger_plex_scan=True, path_map="/data=d:\\videos", plex_library="Films")
    hook_all(site, missing(site, "/data/films/New one/a.mp4"), missing(site, "/data/Films/new one/b.mp4"))
    site.drain()
    assert scans(site) == [(films, "D:\\Videos\\Films\\New one")]


def test_a_folder_of_no_library_is_not_scanned_and_that_is_said(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    answer = site.sync(missing(site, "/mediathek/new/a.mp4"))
    assert scans(site) == []
    assert "none of the folders of the Plex libraries" in answer.said("w")
    assert "path_map" in answer.said("w")
    assert len(site.rows()) == 1, "it is waited for all the same"


def test_special_characters_in_a_folder(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    site.sync(missing(site, "/media/Ä & B? #1/100 %/a.mp4"))
    assert scans(site) == [(site.library, "/media/Ä & B? #1/100 %")]


# The long retry


def test_after_the_scan_the_retry_finds_the_file(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    scanned = threading.Event()

    def scan(section: int | None, path: str | None) -> None:
        assert section is not None
        site.plex.add_item(section, [(f"{path}/a.mp4", 1)])
        scanned.set()

    site.plex.on_scan = scan
    site.sync(missing(site, "/media/new/a.mp4", title="Found"))
    assert scanned.wait(5)
    with later():
        assert site.drain().output == "1 scene: 1 changed in Plex"
    (key,) = site.plex.keys(site.library)
    assert site.item(key).title == "Found"
    assert site.rows() == []
    assert len(scans(site)) == 1


def test_each_drain_asks_once_more_while_the_file_is_missing(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    site.sync(missing(site, "/media/new/a.mp4"))
    with later():
        site.drain()
    assert scans(site) == [(site.library, "/media/new")] * 2


def test_the_last_try_ends_in_the_dead_letters(site: Site) -> None:
    scene = missing(site, "/media/new/a.mp4")
    site.configure(trigger_plex_scan=True)
    site.sync(scene)
    for tries in range(1, TRIES):
        assert len(site.rows()) == 1
        with later(tries):
            answer = site.drain()
    assert answer.output == "1 scene: 1 failed"
    assert site.rows() == []
    (letter,) = site.dead_letters()
    assert (letter.scene_id, letter.error_type, letter.tries) == (scene, "PlexNotFound", TRIES)
    assert len(scans(site)) == TRIES


@pytest.mark.parametrize("status", [404, 500])
def test_a_scan_that_fails_costs_no_more_than_the_missing_file(site: Site, status: int) -> None:
    have, key = site.add("/media/have.mp4")
    site.configure(trigger_plex_scan=True)
    site.plex.fail(status=status, times=None, path_contains="/refresh")
    site.stash.scene(have).title = "T"
    hook_all(site, missing(site, "/media/new/a.mp4"), have, missing(site, "/media/other/b.mp4"))
    answer = site.drain()
    assert answer.output == "3 scenes: 1 changed in Plex, 2 tried again later"
    assert site.item(key).title == "T"
    assert "could not be asked to scan" in answer.said("w")
    assert {job["last_error_type"] for job, _ in site.rows()} == {"PlexNotFound"}


def test_scans_that_fail_do_not_open_the_circuit_breaker(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    site.plex.fail(status=500, times=None, path_contains="/refresh")
    hook_all(site, *(missing(site, f"/media/{n}/a.mp4") for n in range(8)))
    assert site.drain().output == "8 scenes: 8 tried again later"
    assert len([request for request in site.plex.requests if request.path.endswith("/refresh")]) == 8


def test_no_secret_is_in_what_a_failed_scan_says(site: Site) -> None:
    site.configure(trigger_plex_scan=True)
    site.plex.fail(status=500, path_contains="/refresh")
    answer = site.sync(missing(site, "/media/new/a.mp4"))
    assert site.plex.token not in answer.said()
    assert site.secrets_on_disk() == []


# A Plex that holds only a part


def test_what_is_not_in_plex_is_right_by_choice(site: Site) -> None:
    site.configure(skip_not_found=True)
    scene = missing(site, "/media/new/a.mp4")
    answer = site.sync(scene)
    assert answer.output == "1 scene: 1 not in Plex"
    assert f'Scene {scene} "T": no Plex item in "Clips" holds its file "a.mp4" yet' in answer.said("i")
    assert "right by skip_not_found" in answer.said("i")
    assert (answer.said("w"), answer.said("e")) == ("", "")
    assert site.rows() == []
    assert site.dead_letters() == []


def test_the_skipped_and_the_synced_are_counted(site: Site) -> None:
    have, key = site.add()
    site.configure(skip_not_found=True)
    site.stash.scene(have).title = "T"
    hook_all(site, missing(site, "/media/new/a.mp4"), have, missing(site, "/media/new/b.mp4"))
    assert site.drain().output == "3 scenes: 1 changed in Plex, 2 not in Plex"
    assert site.item(key).title == "T"


def test_a_skipped_scene_is_synced_once_plex_has_it(site: Site) -> None:
    site.configure(skip_not_found=True)
    scene = missing(site, "/media/new/a.mp4")
    site.sync(scene)
    key = site.plex.add_item(site.library, [("/media/new/a.mp4", 1)])
    with later():
        site.sync(scene)
    assert site.item(key).title == "T"


def test_a_doubtful_match_is_no_reason_to_skip(site: Site) -> None:
    for folder in ("a", "b"):
        site.plex.add_item(site.library, [(f"/plex/{folder}/clip.mp4", 1)])
    site.configure(skip_not_found=True)
    answer = site.sync(missing(site, "/stash/c/clip.mp4"))
    assert answer.output == "1 scene: 1 failed"
    assert "strict_matching" in answer.said("e")


def test_plex_that_stumbles_is_no_reason_to_skip(site: Site) -> None:
    scene, key = site.add()
    site.configure(skip_not_found=True)
    site.plex.fail(status=500, method="PUT")
    assert site.save_and_sync(scene, title="T").output == "1 scene: 1 tried again later"
    site.drain(by_hand=True)
    assert site.item(key).title == "T"


def test_an_item_that_vanishes_while_it_is_written_is_looked_for_again(site: Site) -> None:
    scene, key = site.add()
    site.configure(skip_not_found=True)
    site.plex.fail(status=404, method="PUT")
    assert site.save_and_sync(scene, title="T").output == "1 scene: 1 tried again later"
    site.drain(by_hand=True)
    assert site.item(key).title == "T"


# Both together


def test_with_a_scan_a_missing_file_is_waited_for_and_skipped_at_last(site: Site) -> None:
    site.configure(trigger_plex_scan=True, skip_not_found=True)
    answer = site.sync(missing(site, "/media/new/a.mp4"))
    assert answer.output == "1 scene: 1 tried again later"
    for tries in range(1, TRIES):
        assert len(site.rows()) == 1
        with later(tries):
            answer = site.drain()
    assert answer.output == "1 scene: 1 not in Plex"
    assert site.rows() == []
    assert site.dead_letters() == []


def test_with_both_a_press_spends_no_try(site: Site) -> None:
    site.configure(trigger_plex_scan=True, skip_not_found=True)
    site.sync(missing(site, "/media/new/a.mp4"))
    for _ in range(TRIES + 1):
        assert site.drain(by_hand=True).output == "1 scene: 1 tried again later"
    ((job, _),) = site.rows()
    assert job["retry_count"] == 1
