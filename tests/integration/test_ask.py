"""The hook's one request to Stash, and what it makes of the answers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from sync.stash import ask
from tests.servers.stash import StashStandIn
from tests.servers.wire import Canned, self_signed
from tests.site import Site

pytestmark = pytest.mark.integration

DATA = b'{"data": {"runPluginTask": "7"}}'


def connection(port: int, scheme: str = "http") -> dict[str, object]:
    return {"Scheme": scheme, "Host": "0.0.0.0", "Port": port, "SessionCookie": None}


def test_stash_takes_it_and_tells_the_job(site: Site) -> None:
    cookie = site.stash.session_cookie()  # another one with each second
    given = connection(site.stash.port) | {"SessionCookie": {"Name": "session", "Value": cookie}}
    job = ask.ask_for_drain(given, "hook")
    (request,) = site.stash.plugin_requests("PlexSyncAsk")
    assert request.variables["args"] == {"mode": "process_queue", "trigger": "hook"}
    assert request.headers["cookie"] == f"session={cookie}"
    assert site.stash.job(int(job)).description == f"Running plugin task: {ask.DESCRIPTION}"


def test_a_job_that_waits_behind_a_scan_is_recognised(site: Site) -> None:
    site.stash.occupy(0.5)
    job = ask.ask_for_drain(connection(site.stash.port), "hook")
    now = time.time()
    assert ask.still_waits(connection(site.stash.port), job, now)
    assert not ask.still_waits(connection(site.stash.port), job, now - 3600), "an id of before a restart"
    assert not ask.still_waits(connection(site.stash.port), "999", now)
    site.stash.wait_idle()
    assert not ask.still_waits(connection(site.stash.port), job, now)


def test_another_plugins_job_of_that_id_is_not_ours(site: Site) -> None:
    site.stash.occupy(0.3)
    other = site.stash.run_task("Another task", {}, description="Another plugin's")
    assert not ask.still_waits(connection(site.stash.port), str(other), time.time())


def test_a_hook_checks_an_old_note_once_and_trusts_what_waits(site: Site) -> None:
    busy = site.stash.occupy(30)
    assert "asked for" in str(site.hook(1).output)
    with freeze_time(datetime.now(UTC) + timedelta(seconds=21), tick=True):
        assert "waits behind another task" in str(site.hook(2).output)
        assert site.hook(3).output == "Scene 3 queued"
    assert len(site.stash.plugin_requests("PlexSyncAsked")) == 1
    assert len(site.stash.plugin_requests("runPluginTask")) == 1
    site.stash.stop_job(busy.id)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + DATA,
        b"HTTP/1.0 200 OK\r\n\r\n" + DATA,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + DATA + b"\r\n0\r\n\r\n",
    ],
    ids=["length, kept open", "until the end", "chunked"],
)
def test_every_way_to_end_an_answer(answer: bytes) -> None:
    with Canned(answer, keep_open=b"Content-Length" in answer) as port:
        began = time.monotonic()
        assert ask.ask_for_drain(connection(port), "hook") == "7"
        assert time.monotonic() - began < ask.TIMEOUT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "did not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "did not answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "did not answer"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "refused the plugin's session"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "answered 502"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"data": null}', "without the data"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"data": {}, "errors": [{"message": "no"}]}', "without the data"),
        (b"HTTP/1.1 200 OK\r\n\r\n[1", "without the data"),
    ],
)
def test_what_is_no_answer_is_said(answer: bytes, said: str) -> None:
    with Canned(answer) as port, pytest.raises(ask.AskFailedError, match=said):
        ask.ask_for_drain(connection(port), "hook")


def test_a_failed_ask_leaves_the_job_and_lets_the_next_save_ask(site: Site) -> None:
    site.stash.fail("status", status=502, query_contains="runPluginTask")
    assert "was not started" in str(site.hook(1).output)
    assert "asked for" in str(site.hook(2).output)
    assert [job["scene_id"] for job, _ in site.rows()] == [1, 2]


def test_a_stash_with_a_self_signed_certificate(tmp_path: Path) -> None:
    context, _ = self_signed(tmp_path)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n" + DATA
    with Canned(answer, tls=context) as port:
        assert ask.ask_for_drain(connection(port, "https"), "hook") == "7"


def test_the_stand_in_is_stashs_own_behaviour(site: Site) -> None:
    """The ids of jobs start again with Stash: the description and the time tell them apart."""
    first = site.stash.run_task("Any", {})
    site.stash.wait_idle()
    site.stash.stop()
    site.stash.start()
    assert site.stash.run_task("Any", {}) == first
    assert isinstance(site.stash, StashStandIn)
