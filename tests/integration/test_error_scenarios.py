"""What goes wrong between two servers, and what becomes of the job: over real HTTP, with the real libraries."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from sync import data_folder, entry
from sync.queue.dead_letters import DeadLetter
from sync.stash.client import StashClient
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn
from tests.servers.wire import Canned
from tests.site import ROOT, Answer, Site

pytestmark = pytest.mark.integration


@pytest.fixture
def queued(site: Site) -> Site:
    """One saved scene on the queue, with a title that Plex does not have yet."""
    scene, _ = site.add()
    site.stash.scene(scene).title = "Wanted"
    site.hook(scene)
    return site


def assert_kept(site: Site, answer: Answer, *, tries: int | None) -> dict[str, Any]:
    """The job is on the queue, claimed by nobody; its next try waits after `tries` (None: nothing was spent)."""
    ((job, status),) = site.rows()
    assert status in (0, 1), "left claimed"
    assert job.get("retry_count") == tries
    assert "Traceback" not in answer.said()
    assert site.plex.token not in json.dumps([answer.error, answer.said()])
    return job


def dead_letter(site: Site) -> DeadLetter:
    """The one dead letter; nothing else is left."""
    assert site.rows() == []
    (letter,) = site.dead_letters()
    return letter


def repaired(site: Site) -> None:
    """After the fault is gone a press of "Process queue" brings the scene into Plex."""
    assert site.drain(by_hand=True).error is None
    assert site.rows() == []
    assert any(site.item(key).title == "Wanted" for key in site.plex.keys(site.library))


# Plex stumbles


def test_connection_refused_is_transient_and_costs_no_try(queued: Site) -> None:
    queued.plex.stop()
    answer = queued.drain()
    assert answer.error is not None
    assert "cannot be reached" in answer.error
    assert "1 job stays queued" in answer.error
    assert_kept(queued, answer, tries=None)
    queued.plex.start()
    repaired(queued)


def test_an_unknown_host_is_transient(queued: Site) -> None:
    queued.configure(plex_url="http://plex.invalid:32400")
    answer = queued.drain()
    assert answer.error is not None
    assert "plex.invalid" in answer.error
    assert_kept(queued, answer, tries=None)
    queued.configure()
    repaired(queued)


def test_a_starting_plex_is_transient_and_costs_no_try(queued: Site) -> None:
    queued.plex.starting = True
    answer = queued.drain()
    assert "503" in (answer.error or "")
    assert_kept(queued, answer, tries=None)
    queued.plex.starting = False
    repaired(queued)


READ, EDIT = {"method": "GET", "path_contains": "/library/metadata"}, {"method": "PUT", "path_contains": "/all"}


@pytest.mark.parametrize(("request_", "status"), [(READ, 429), (READ, 502), (EDIT, 500), (EDIT, 504)])
def test_a_server_error_is_transient(queued: Site, request_: dict[str, str], status: int) -> None:
    queued.plex.fail(status=status, times=None, **request_)  # type: ignore[arg-type]
    answer = queued.drain()
    assert answer.error is None
    assert f"status {status}" in answer.said("w")
    job = assert_kept(queued, answer, tries=1)
    assert job["last_error_type"] == "PlexTemporaryError"
    assert job["next_retry_at"] > job["enqueued_at"]
    queued.plex.clear_faults()
    repaired(queued)


@pytest.mark.parametrize(("request_", "kind"), [(READ, "hang"), (READ, "half"), (EDIT, "hang"), (EDIT, "reset")])
def test_no_whole_answer_is_transient(queued: Site, request_: dict[str, str], kind: str) -> None:
    queued.configure(read_timeout=0.3)
    queued.plex.fail(kind=kind, times=None, **request_)  # type: ignore[arg-type]
    answer = queued.drain()
    job = assert_kept(queued, answer, tries=1)
    assert job["last_error_type"] == "PlexTemporaryError"
    queued.plex.clear_faults()
    repaired(queued)


@pytest.mark.parametrize("kind", ["hang", "status"])
def test_an_edit_that_plex_did_and_nobody_confirmed_is_not_sent_twice_and_is_ours(queued: Site, kind: str) -> None:
    queued.configure(read_timeout=0.3, preserve_plex_edits=True)
    queued.plex.fail(kind=kind, method="PUT", path_contains="/all", after_effect=True)  # type: ignore[arg-type]
    queued.drain()
    edits = len(queued.plex.edits)
    repaired(queued)
    assert len(queued.plex.edits) == edits, "the effect was seen before a second write"
    (scene,) = queued.stash.store.scenes
    queued.save_and_sync(scene, title="Next")
    assert [queued.item(key).title for key in queued.plex.keys(queued.library)] == ["Next"], (
        "known as ours in preserve mode"
    )


def test_one_scenes_trouble_is_not_its_batchs(site: Site) -> None:
    pairs = site.save_many(6)
    bad = list(pairs)[2]
    site.plex.fail(status=500, times=None, where=lambda r: r.method == "PUT" and f"id={pairs[bad]}&" in r.target)
    site.drain()
    assert site.arrived(pairs) == [scene for scene in pairs if scene != bad]
    ((job, _),) = site.rows()
    assert job["scene_id"] == bad


# Plex refuses


def test_a_refused_token_keeps_every_job_and_names_the_setting(queued: Site) -> None:
    queued.plex.fail(status=403, times=None)
    answer = queued.drain()
    assert "plex_token" in (answer.error or "")
    assert_kept(queued, answer, tries=None)
    queued.plex.clear_faults()
    repaired(queued)


def test_a_wrong_token(queued: Site) -> None:
    queued.configure(plex_token="wrong-token-123")
    answer = queued.drain()
    assert "plex_token is refused" in (answer.error or "")
    assert "wrong-token-123" not in answer.said() + (answer.error or "")
    assert_kept(queued, answer, tries=None)


def test_a_token_refused_in_the_middle(queued: Site) -> None:
    queued.plex.fail(status=401, times=None, method="PUT")
    answer = queued.drain()
    assert "plex_token" in (answer.error or "")
    assert_kept(queued, answer, tries=None)


def test_an_unknown_library_keeps_every_job(queued: Site) -> None:
    queued.configure(plex_library="Clips, Moviez")
    answer = queued.drain()
    assert 'plex_library "Moviez" was not found' in (answer.error or "")
    assert '"Clips"' in (answer.error or ""), "says what there is"
    assert_kept(queued, answer, tries=None)


def test_a_library_of_another_type(queued: Site) -> None:
    queued.plex.add_library("Series", type="show")
    queued.configure(plex_library="Series")
    answer = queued.drain()
    assert 'type "show"' in (answer.error or "")
    assert_kept(queued, answer, tries=None)


def test_a_refused_edit_is_permanent(queued: Site) -> None:
    queued.plex.fail(status=400, times=None, method="PUT")
    answer = queued.drain()
    assert dead_letter(queued).error_type == "PlexPermanentError"
    assert "status 400" in answer.said("e")
    assert "http://" not in answer.said("e"), "no URL in the message"


def test_a_redirect_is_not_followed_with_the_token(queued: Site) -> None:
    with PlexStandIn() as other:
        head = f"HTTP/1.1 302 Found\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
        with Canned(head.encode()) as port:
            queued.configure(plex_url=f"http://127.0.0.1:{port}")
            answer = queued.drain()
        assert "plex_url" in (answer.error or "")
        assert "redirect" in (answer.error or "")
        assert other.requests == []
    assert_kept(queued, answer, tries=None)


def test_something_else_than_plex_at_plex_url(queued: Site) -> None:
    queued.configure(plex_url=queued.stash.url)
    answer = queued.drain()
    assert "plex_url" in (answer.error or "")
    assert_kept(queued, answer, tries=None)


# Matching


def test_a_scene_without_a_file_is_permanent(site: Site) -> None:
    scene = site.stash.add_scene(title="No file")
    answer = site.sync(scene)
    letter = dead_letter(site)
    assert (letter.error_type, letter.scene_id, letter.title) == ("PermanentError", scene, "No file")
    assert "missing file path" in letter.message
    assert "missing file path" in answer.said("e")


def test_several_matches_under_strict_matching_touch_none(site: Site) -> None:
    keys = [site.plex.add_item(site.library, [(f"/plex/{d}/clip.mp4", 1000)], title=f"Item {d}") for d in "abc"]
    scene = site.stash.add_scene(title="Which?", files=[("/stash/b/clip.mp4", 1000)])
    answer = site.sync(scene)
    letter = dead_letter(site)
    assert letter.error_type == "PlexPermanentError"
    assert "strict_matching" in letter.message
    assert all(f'{key} "Item {d}"' in answer.said("e") for key, d in zip(keys, "abc", strict=True))
    assert site.plex.edits == []


# Stash


@pytest.mark.parametrize("kind", ["status", "reset", "half", "null_data", "gql_error"])
def test_a_stash_that_fails_ends_the_drain_and_spends_no_try(queued: Site, kind: str) -> None:
    query = "PlexSyncSettings" if kind in ("half", "gql_error") else "PlexSyncScenes"
    queued.stash.fail(kind, status=502, times=None, query_contains=query)  # type: ignore[arg-type]
    answer = queued.drain()
    assert "Stash" in (answer.error or "")
    assert "1 job stays queued" in (answer.error or "")
    assert_kept(queued, answer, tries=None)
    queued.stash.clear_faults()
    repaired(queued)


def test_a_stash_that_times_out(queued: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.stash.session.READ_TIMEOUT", 0.3)
    queued.stash.fail("hang", times=None, query_contains="PlexSyncScenes")
    answer = queued.drain()
    assert "Stash did not answer" in (answer.error or "")
    assert_kept(queued, answer, tries=None)
    queued.stash.clear_faults()
    repaired(queued)


def test_a_stash_that_refuses(tmp_path: Path, plex: PlexStandIn) -> None:
    with StashStandIn(config_dir=tmp_path, credentials=("me", "secret")) as stash:
        site = Site(stash, plex, tmp_path / "plexsync", plex.add_library("Clips"))
        site.configure()
        scene, _ = site.add()
        site.hook(scene)
        connection = {"Host": "0.0.0.0", "Port": stash.port, "Dir": str(tmp_path)}
        connection["SessionCookie"] = {"Name": "session", "Value": stash.session_cookie()}
        stash.expire_cookies()
        raw = {"server_connection": connection, "args": {"mode": "process_queue"}}
        done = _plugin(json.dumps(raw).encode())
        error = json.loads(done.stdout)["error"]
        assert "API key" in error
        assert "1 job stays queued" in error
        assert_kept(site, Answer(None, error), tries=None)


def test_a_renewed_cookie_is_used(tmp_path: Path) -> None:
    with StashStandIn(config_dir=tmp_path, credentials=("me", "secret"), max_session_age=60) as stash:
        first = stash.session_cookie()
        client = StashClient({"Port": stash.port, "SessionCookie": {"Name": "session", "Value": first}})
        with freeze_time(datetime.now(UTC) + timedelta(seconds=30)):
            client.plugin_settings()
        client.plugin_settings()
        sent = [r.headers.get("cookie", "") for r in stash.requests[-2:]]
        client.close()
    assert sent[0] == f"session={first}"
    assert sent[1] != sent[0]
    assert sent[1].count("session=") == 1


# Settings


def test_an_empty_settings_panel(queued: Site) -> None:
    queued.stash.plugin_settings = {}
    answer = queued.drain()
    assert "plex_url is empty" in (answer.error or "")
    assert "plex_token is empty" in (answer.error or "")
    assert_kept(queued, answer, tries=None)


def test_the_panel_shows_what_is_in_force_and_keeps_what_a_person_set(queued: Site) -> None:
    queued.stash.set_settings(strict_matching=False, max_retries=9, something_else="kept")
    queued.drain()
    panel = queued.stash.plugin_settings
    assert (panel["strict_matching"], panel["max_retries"], panel["something_else"]) == (False, 9, "kept")
    assert panel["sync_tags"] is True
    assert panel["preserve_plex_edits"] is False
    assert (panel["connect_timeout"], panel["read_timeout"]) == (5, 30)
    configured = len(queued.stash.plugin_requests("configurePlugin"))
    queued.drain()
    assert len(queued.stash.plugin_requests("configurePlugin")) == configured, "filled in once"


# Rows and files


BROKEN_ROWS = [
    *(b"not json", b"[]", b'{"scene_id": "x"}', b'{"scene_id": true}', b"\xff\xfe", b"", None, 5, 1.5),
    *(b'{"scene_id": 99999999999999999999999}', b'{"scene_id": 1e3}'),
]


def test_a_row_that_is_no_job_becomes_a_dead_letter(queued: Site) -> None:
    with queued.queue_file() as connection:
        for data in BROKEN_ROWS:
            connection.execute("INSERT INTO ack_queue_default (data, timestamp, status) VALUES (?, 1, 0)", (data,))
    repaired(queued)
    assert len(queued.dead_letters()) == len(BROKEN_ROWS)


def test_a_damaged_state_file_is_set_aside(queued: Site) -> None:
    state = Path(data_folder.state_file(str(queued.data)))
    state.write_bytes(b"this is no database at all, " * 100)
    answer = queued.drain()
    assert "damaged" in answer.said("w")
    assert list(queued.data.glob("state.db.damaged-*"))
    assert queued.rows() == []


# Whatever arrives on stdin


def _plugin(stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, str(ROOT / "plexsync.py")], input=stdin, capture_output=True, check=False)


BROKEN = [
    b"",
    b"   ",
    b"null",
    b"[]",
    b"{",
    b'"text"',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"1" * 10_000,
    b'{"server_connection": {}}',
    b'{"server_connection": [], "args": {}}',
    b'{"server_connection": {}, "args": {}}',
    b'{"server_connection": {}, "args": {"mode": "make_coffee"}}',
    b'{"server_connection": {"Dir": "/nowhere"}, "args": {"mode": "process_queue"}}',
    b'{"server_connection": {"Dir": "\\u0000"}, "args": {"mode": "process_queue"}}',
    b'{"server_connection": {"Dir": "\\ud800"}, "args": {"mode": "process_queue"}}',
    b'{"server_connection": {}, "args": {"hookContext": []}}',
    b'{"server_connection": {}, "args": {"hookContext": {"id": 1, "type": "Scene.Destroy.Post"}}}',
    b'{"server_connection": {}, "args": {"hookContext": {"id": -1, "type": "Scene.Update.Post"}}}',
    b'{"server_connection": {}, "args": {"hookContext": {"id": true, "type": "Scene.Update.Post"}}}',
]


def test_broken_input_is_one_json_error_that_says_what_was_wrong() -> None:
    for stdin in BROKEN:
        answer = json.loads(entry.answer(stdin))
        assert list(answer) == ["error"], stdin
        assert answer["error"].strip(), stdin


@pytest.mark.parametrize("stdin", [b"", b"\xff\xfe\x00", b"[" * 100_000], ids=["nothing", "no text", "deep"])
def test_broken_input_ends_no_process_badly(stdin: bytes) -> None:
    done = _plugin(stdin)
    assert list(json.loads(done.stdout)) == ["error"]
    assert (done.stderr, done.returncode) == (b"", 0)


def test_a_thousand_broken_calls(site: Site) -> None:
    random.seed(20)
    good = {
        "server_connection": {"Scheme": "http", "Host": "127.0.0.1", "Port": 1, "Dir": str(site.stash.config_dir)},
        "args": {
            "hookContext": {"id": 7, "type": "Scene.Update.Post", "input": {"title": "é"}, "inputFields": ["title"]}
        },
    }
    whole = json.dumps(good).encode()
    for _ in range(1000):
        broken = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            at = random.randrange(len(broken))
            match random.randrange(3):
                case 0:
                    del broken[at : at + random.randint(1, 40)]
                case 1:
                    broken[at] = random.randrange(256)
                case _:
                    broken[at:at] = bytes(random.randrange(256) for _ in range(3))
        answer = json.loads(entry.answer(bytes(broken)))
        assert list(answer) in (["output"], ["error"])
