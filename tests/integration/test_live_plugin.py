"""The plugin as Stash runs it: processes for hooks and tasks, one job at a time, stdin, log protocol."""

from __future__ import annotations

import threading

import pytest

from tests.site import Site

pytestmark = pytest.mark.integration


def test_a_save_reaches_plex(live_site: Site) -> None:
    scene, key = live_site.add()
    saved = live_site.stash.save_scene(scene, title="Saved", tags=["One"])
    assert saved.errors == []
    live_site.plex.wait_for_edit(timeout=20)
    live_site.stash.wait_idle()
    assert (live_site.item(key).title, live_site.item(key).genres) == ("Saved", ["One"])
    assert live_site.stash.errors() == []
    assert live_site.plex.token not in live_site.stash.log_text()
    assert live_site.secrets_on_disk() == []


def test_a_bulk_edit_asks_for_few_drains(live_site: Site) -> None:
    pairs = [live_site.add(f"/media/{n}.mp4", n + 1) for n in range(20)]
    with_stash_busy = live_site.stash.occupy(threading.Event())
    assert with_stash_busy is not None
    live_site.stash.bulk_save([scene for scene, _ in pairs], tags=["Bulk"])
    assert len(live_site.stash.plugin_requests("PlexSyncAsk")) == 1, "nobody else asked while the drain waits"
    live_site.stash.stop_job(with_stash_busy.id)
    live_site.stash.wait_idle(30)
    assert [live_site.item(key).genres for _, key in pairs] == [["Bulk"]] * 20
    assert len([p for p in live_site.stash.processes if p.kind == "task"]) == 1


def add_titled(site: Site, count: int) -> list[tuple[int, int]]:
    """Add files that both servers have, whose scenes have titles: each an edit of its own."""
    pairs = [site.add(f"/media/{n}.mp4", n + 1) for n in range(count)]
    for scene, _ in pairs:
        site.stash.scene(scene).title = f"T{scene}"
    return pairs


def test_a_stopped_task_loses_nothing(live_site: Site) -> None:
    pairs = add_titled(live_site, 8)
    live_site.plex.edit_delay = 0.2
    live_site.stash.bulk_save([scene for scene, _ in pairs], studio="Acme")
    live_site.plex.wait_for_edit(3, timeout=20)
    (job,) = [job for job in live_site.stash.jobs if not job.done]
    live_site.stash.stop_job(job.id)
    live_site.stash.wait_idle()
    live_site.plex.edit_delay = 0.0
    assert live_site.rows(), "a Stop holds until the next save or press"
    live_site.stash.press("Process queue")
    live_site.stash.wait_idle(30)
    assert [live_site.item(key).studio for _, key in pairs] == ["Acme"] * 8
    assert live_site.rows() == []
    edits = [edit.params for edit in live_site.plex.edits]
    assert len(edits) <= 9, "at most the edit in flight was sent twice"


def test_errors_of_the_setup_are_one_line_in_stashs_log(live_site: Site) -> None:
    scene, _ = live_site.add()
    live_site.stash.plugin_settings = {}
    live_site.stash.save_scene(scene, title="Saved")
    live_site.stash.wait_idle()
    errors = live_site.stash.errors()
    assert len(errors) == 1
    assert "plex_url is empty" in str(errors[0])
    assert "Traceback" not in live_site.stash.log_text()
    live_site.configure()
    live_site.stash.press("Process queue")
    live_site.stash.wait_idle()
    assert live_site.rows() == []


def test_playing_a_scene_wakes_nobody(live_site: Site) -> None:
    scene, _ = live_site.add()
    live_site.stash.save_scene(scene, resume_time=12.5)
    live_site.stash.wait_idle()
    assert [p.kind for p in live_site.stash.processes] == ["hook"]
    assert live_site.plex.requests == []


def test_a_plugin_folder_that_is_not_writable_is_no_matter(live_site: Site) -> None:
    """Data lives beside Stash's config.yml, never below the plugins folder."""
    scene, _ = live_site.add()
    before = {
        path for path in (live_site.stash.config_dir.parent / "plugins").rglob("*") if "__pycache__" not in str(path)
    }
    live_site.stash.save_scene(scene, title="Saved")
    live_site.stash.wait_idle()
    after = {
        path for path in (live_site.stash.config_dir.parent / "plugins").rglob("*") if "__pycache__" not in str(path)
    }
    assert after == before
    assert (live_site.data / "state.db").exists()
