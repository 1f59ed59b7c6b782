"""The command line over real HTTP: answers, exit codes, one JSON object, and no secret anywhere."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder, log, tasks
from sync.command_line.main import main
from sync.command_line.options import PYTHON
from sync.ending import Ending, Report
from sync.lock import FileLock
from sync.queue.dead_letters import DeadLetter
from sync.queue.job import Job
from tests.servers.plex import PlexStandIn
from tests.servers.stash import StashStandIn
from tests.site import PATIENCE, ROOT, UNCOVERED, Site

pytestmark = pytest.mark.integration

KEY = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LWtleQ"
COVER = b"\xff\xd8\xff\xe0 a cover"


@dataclass
class Result:
    """What a command line answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object."""
        assert self.out.count("\n") == 1
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert found["exit_code"] == self.code
        return found


class Screen(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def run(site: Site, line: str, environment: dict[str, str] | None = None, *, on_terminal: bool = False) -> Result:
    """Run a command line in this process, against the site's Stash."""
    out, err = (Screen(), Screen()) if on_terminal else (io.StringIO(), io.StringIO())
    code = main(line.split(), out, err, {"STASH_URL": site.stash.url, **(environment or {})})
    result = Result(code, out.getvalue(), err.getvalue())
    _check(site, result)
    return result


def _check(site: Site, result: Result) -> None:
    for secret in (site.plex.token, KEY, "Traceback", "\x01"):
        assert secret not in result.out + result.err


def letter(scene: int, error_type: str = "PlexNotFound", title: str = "T", message: str = "why") -> DeadLetter:
    return DeadLetter(scene, title, error_type, message, 12, time.time() - 5000, time.time() - 1000 + scene, "{}")


def put(site: Site, *jobs: Job) -> None:
    store = site.store()
    for job in jobs:
        store.put(job)
    store.close()


@pytest.fixture
def locked_site(tmp_path: Path, plex: PlexStandIn) -> Iterator[Site]:
    """A Stash with a password and an API key."""
    with StashStandIn(config_dir=tmp_path / "stash", credentials=("me", "pw"), api_key=KEY) as stash:
        # Stash writes it itself at its first start.
        made = Site(stash, plex, tmp_path / "stash" / "plexsync", plex.add_library("Clips"))
        made.configure()
        (tmp_path / "stash" / "config.yml").write_text("")
        yield made


@pytest.fixture
def shell_site(site: Site) -> Site:
    """An open Stash with the config.yml that a real one has."""
    (site.stash.config_dir / "config.yml").write_text("")
    return site


# What it does, and how it ends


def test_a_queue_is_brought_into_plex(shell_site: Site) -> None:
    site = shell_site
    scene, key = site.add()
    site.stash.save_scene(scene, title="From a shell")
    site.hook(scene)
    result = run(site, "process-queue")
    assert (result.code, result.out) == (0, "1 scene: 1 changed in Plex\n")
    assert f"Scene {scene}" in result.err
    assert site.item(key).title == "From a shell"
    assert site.rows() == []
    site.hook(scene)
    found = run(site, "process-queue --json").document
    assert (found["command"], found["result"]) == ("process-queue", "1 scene: 1 right already")
    assert (found["scenes"], found["right"], found["failed"]) == (1, 1, 0)
    assert found["libraries"] == {"Clips": {"right": 1}}
    assert run(site, "--quiet process-queue") == Result(0, "", "")


def test_something_failed(shell_site: Site) -> None:
    site = shell_site
    site.hook(site.stash.add_scene(files=[], title="Pathless"))
    result = run(site, "process-queue --quiet")
    assert (result.code, result.out) == (1, "1 scene: 1 failed\n")
    assert result.err.startswith("error: Scene 1")
    put(site, Job(1))
    assert run(site, "process-queue --json").document["failed"] == 1
    store = site.store()
    store.connection.execute("INSERT INTO ack_queue_default (data, timestamp, status) VALUES ('damaged', 0, 0)")
    store.close()
    assert run(site, "process-queue").code == 1, "a letter that no scene stands for"


def test_what_waits_for_a_file_is_left_for_later(shell_site: Site) -> None:
    site = shell_site
    site.hook(site.stash.add_scene(files=[("/media/not there.mp4", 5)], title="Lost"))
    assert run(site, "process-queue").code == 3
    assert len(site.rows()) == 1
    result = run(site, "process-queue --due")
    assert (result.code, result.out) == (0, "Nothing was due\n")
    assert site.rows()[0][0]["retry_count"] == 1
    assert run(site, "process-queue").out == "1 scene: 1 tried again later\n"


@pytest.mark.parametrize("ending", ["", " --json"])
def test_plex_is_away(shell_site: Site, ending: str) -> None:
    site = shell_site
    scene, _ = site.add()
    site.hook(scene)
    site.plex.stop()
    for line in ("process-queue", "failed retry"):
        if line == "failed retry":
            site.bury(letter(99))
        result = run(site, line + ending)
        assert result.code == 3
        said = result.document["error"] if ending else result.err
        assert "cannot be reached" in said
        assert "queued)" in said
    assert len(site.rows()) == 2


def test_plex_is_left_alone_for_a_while(shell_site: Site) -> None:
    site = shell_site
    site.hook(site.add()[0])
    site.plex.stop()
    for _ in range(5):
        run(site, "process-queue")
    result = run(site, "process-queue --due")
    assert (result.code, result.out[:28]) == (3, "Plex failed again and again ")


@pytest.mark.parametrize("line", ["status", "process-queue", "failed list", "clear-queue", "check-setup"])
def test_stash_is_away(shell_site: Site, line: str) -> None:
    site = shell_site
    site.stash.stop()
    result = run(site, line)
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"error: Stash did not answer (ConnectionRefusedError) at {site.stash.url}. Does it")
    assert run(site, f"{line} --json").document["error"] == result.err[7:-1]


def test_stash_goes_away_before_the_drain(shell_site: Site) -> None:
    site = shell_site
    site.hook(site.add()[0])
    site.stash.stop()
    result = run(site, f"process-queue --data-dir {site.data}")
    assert result.code == 3
    assert result.err.startswith("error: Stash did not answer")
    assert "1 job stays queued" in result.err


def test_wrong_settings(shell_site: Site) -> None:
    site = shell_site
    site.configure(max_retries=-5)
    result = run(site, "process-queue")
    assert result.code == 2
    assert "max_retries is -5" in result.err


def test_another_run_is_at_work(shell_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = shell_site
    monkeypatch.setattr(tasks, "LOCK_WAIT", 0.01)
    site.drain()
    lock = FileLock(data_folder.drain_lock(str(site.data)))
    assert lock.acquire()
    store = site.store()
    store.connection.execute("UPDATE plexsync_wake SET draining = 1")
    store.close()
    monkeypatch.setattr(tasks.wake, "begin_drain", pytest.fail)
    site.bury(letter(5))
    result = run(site, "failed retry --json")
    lock.release()
    assert result.code == 4
    assert result.document["result"].endswith("Another run of Process queue is at work and takes what is queued")
    assert result.document["queued_again"] == 1


def test_an_error_that_nobody_foresaw(shell_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> str:
        print("a library's stray print")
        raise ZeroDivisionError(KEY)

    monkeypatch.setattr(tasks, "run", break_down)
    result = run(shell_site, "process-queue --json")
    assert (result.code, result.err) == (1, "a library's stray print\n")
    assert result.document["error"].startswith(
        "PlexSync met an error it does not know (ZeroDivisionError at test_command_line"
    )


def test_check_setup(shell_site: Site) -> None:
    site = shell_site
    scene, _ = site.add()
    site.stash.save_scene(scene, title="T")
    result = run(site, "check-setup")
    assert result.code == 0
    assert result.out.startswith("The setup is good.")
    assert "takes the token" in result.err
    site.configure(plex_library="Nowhere")
    found = run(site, "check-setup --json")
    assert found.code == 1
    assert 'plex_library "Nowhere"' in found.document["to_fix"][0]


# Who may, and where the data is


def test_a_stash_with_a_password(locked_site: Site, tmp_path: Path) -> None:
    site = locked_site
    files = [("/media/clip.mp4", 1000)]
    key = site.plex.add_item(site.library, files)
    scene = site.stash.add_scene(title="By key", files=files, cover=COVER)
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    for environment, option in (({"STASH_API_KEY": KEY}, ""), ({}, f"--api-key-file {file} ")):
        put(site, Job(scene))
        result = run(site, f"{option}process-queue", environment)
        assert result.code == 0
    assert site.item(key).title == "By key"
    assert site.item(key).posters == [COVER], "pictures need the key, too"
    assert not [str(path) for path in site.data.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize("data_dir", [False, True])
@pytest.mark.parametrize(("key", "says"), [("", "wants an API key: make one"), ("wrong-key", "refuses the API key")])
def test_a_wrong_key(locked_site: Site, key: str, says: str, data_dir: bool) -> None:
    site = locked_site
    site.data.mkdir()
    environment = {"STASH_API_KEY": key, **({"PLEXSYNC_DATA_DIR": str(site.data)} if data_dir else {})}
    result = run(site, "process-queue", environment)
    assert (result.code, result.out) == (2, "")
    assert says in result.err
    assert "Settings > Security > API key" in result.err
    assert "--api-key-file" in result.err
    assert "wrong-key" not in result.err
    assert run(site, "process-queue --json", environment).document["error"] == result.err[7:-1]


def test_a_key_as_an_argument(locked_site: Site) -> None:
    for line in (f"process-queue --api-key {KEY}", f"process-queue --json --api-key={KEY}"):
        result = run(locked_site, line)
        assert result.code == 2
        assert "--api-key is not accepted" in (result.document["error"] if "--json" in line else result.err)


def test_the_data_folder_is_the_one_of_the_plugin(shell_site: Site) -> None:
    site = shell_site
    assert run(site, "status").code == 0
    assert site.data.is_dir()
    (site.stash.config_dir / "config.yml").unlink()
    result = run(site, "status")
    assert result.code == 2
    for part in (str(site.stash.config_dir / "config.yml"), "--data-dir", "PLEXSYNC_DATA_DIR"):
        assert part in result.err
    asked = len(site.stash.queries())
    for line in (f"status --data-dir {site.data}", "failed list", "failed clear", "clear-queue"):
        assert run(site, line, {"PLEXSYNC_DATA_DIR": str(site.data), "STASH_URL": "nonsense://"}).code == 0
    assert len(site.stash.queries()) == asked
    assert run(site, f"check-setup --stash-url nonsense:// --data-dir {site.data}").code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no root")
def test_root_does_not_make_files_in_a_folder_of_another(shell_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site = shell_site
    real = os.stat

    def others(path: Any, **options: Any) -> os.stat_result:
        found = real(path, **options)
        return os.stat_result((*found[:4], 1234, *found[5:])) if "stash" in str(path) else found

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("sync.command_line.connection.os.stat", others)
    for environment in ({}, {"PLEXSYNC_DATA_DIR": str(site.stash.config_dir)}):
        result = run(site, "status", environment)
        assert result.code == 2
        assert "sudo -u '#1234'" in result.err
    assert not site.data.exists()


# What it shows


def test_the_status(shell_site: Site) -> None:
    site = shell_site
    site.hook(5)
    result = run(site, "status")
    assert result.code == 0
    assert result.out.split("\n")[0] == "Queue: 1 due"
    assert result.err == ""
    assert run(site, "status --quiet").out == "1 job in the queue; 0 failed; 0 scenes synced\n"
    assert run(site, "status --json").document["queue"]["due"] == 1
    (site.data / "state.db").write_bytes(b"no database" * 1000)
    result = run(site, "status")
    assert result.code == 1
    assert "is damaged" in result.out


def test_the_failed_jobs(shell_site: Site) -> None:
    site = shell_site
    assert run(site, "failed list").out == "There are no failed jobs\n"
    site.bury(letter(7, title="A\x1b[2Jtitle" + "x" * 80), letter(-3, "UnreadableJobError"))
    site.bury(letter(8, "PlexPermanentError", message="2 Plex items hold /media/clip.mp4 " + "y" * 300))
    result = run(site, "failed list")
    first, second, third = result.out.rstrip("\n").split("\n")
    assert first.startswith('Scene 8 "T", PlexPermanentError, 12 tries, ')
    assert first.endswith("2 Plex items hold … " + "y" * 300)
    assert second.startswith('Scene 7 "A [2Jtitlexxx')
    assert third.startswith("a damaged row, UnreadableJobError, ")
    found = run(site, "failed list --json --error-type PlexNotFound").document
    assert found["count"] == 1
    assert found["failed"][0]["scene_id"] == 7
    assert found["failed"][0]["title"] == "A\x1b[2Jtitle" + "x" * 80
    assert run(site, "failed list --error-type No").out.startswith("No failed job has error_type 'No'; there are: ")
    result = run(site, "failed clear --error-type PlexNotFound")
    assert (result.code, result.out, result.err) == (0, "1 failed job cleared\n", "")
    assert run(site, "failed clear --json").document["cleared"] == 2
    put(site, Job(4))
    assert run(site, "clear-queue --json").document["cleared"] == 1


def test_failed_jobs_that_are_brought_into_plex(shell_site: Site) -> None:
    site = shell_site
    scene, key = site.add()
    site.stash.save_scene(scene, title="Again")
    site.bury(letter(scene), letter(-3, "UnreadableJobError"))
    found = run(site, "failed retry --error-type PlexNotFound --json").document
    assert found["result"] == "1 failed job is queued again. 1 scene: 1 changed in Plex"
    assert (found["queued_again"], found["changed"]) == (1, 1)
    assert site.item(key).title == "Again"
    assert run(site, "failed retry").code == 1, "a damaged row names no scene"


def test_a_terminal_shows_how_far_things_are_until_the_end(shell_site: Site) -> None:
    site = shell_site
    site.hook(site.add()[0])
    result = run(site, "process-queue", on_terminal=True)
    assert "\r100%\r" in result.err
    assert not result.err.rstrip().endswith("%")
    for line in ("process-queue --quiet", "process-queue --json"):
        site.hook(1)
        assert "%" not in run(site, line, on_terminal=True).err


def test_more_is_said_to_whoever_wants_it(shell_site: Site) -> None:
    assert f"debug: Data folder: {shell_site.data}\n" in run(shell_site, "status --verbose").err
    assert log._sink is None, "the log is Stash's again"


# The tasks for many scenes at once


def test_many_scenes(shell_site: Site) -> None:
    """Sync all, Sync recent and Reconcile, from the first to what cannot be mended."""
    site = shell_site
    scene, key = site.add()
    site.stash.scene(scene).title = "Ours"
    found = run(site, "sync-all --json")
    assert (found.code, site.item(key).title) == (0, "Ours")
    assert (found.document["batch"]["status"], found.document["batch"]["done"]) == ("COMPLETED", 1)
    site.plex.person_edits(key, title="Theirs")
    found = run(site, "reconcile --dry-run --scope all --json")
    assert (found.code, site.item(key).title) == (0, "Theirs")
    assert found.document["batch"]["found"] == {"changed_in_plex": 1}
    assert run(site, "reconcile --quiet").code == 0
    assert site.item(key).title == "Ours"
    site.stash.scene(scene).title = "Newer"
    assert run(site, "sync-recent --days 2").code == 0
    assert site.item(key).title == "Newer"
    site.stash.add_scene(files=[("/media/none.mp4", 5)], title="Plex lacks it")
    found = run(site, "sync-all --json")
    assert (found.code, found.document["batch"]["left"]) == (3, 1), "it waits for Plex"
    site.stash.add_scene(files=[], title="No file")
    found = run(site, "sync-all --json")
    assert (found.code, found.document["batch"]["failed"]) == (1, 1)


def test_a_batch_beside_another_run(shell_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "run", lambda *_: Report("Another run", Ending.BUSY))
    assert run(shell_site, "sync-all").code == 4


# As processes


def start(site: Site, *words: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, **UNCOVERED, "STASH_URL": site.stash.url}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "plexsync.py"), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def ended(site: Site, process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=PATIENCE)
    result = Result(process.returncode, out, err)
    _check(site, result)
    return result


def test_a_process_without_any_package(shell_site: Site) -> None:
    """As before the packages are installed: the standard library alone."""
    site = shell_site
    site.bury(letter(3))
    for words, key in ((("status",), "queue"), (("failed", "list"), "failed"), (("failed", "clear"), "cleared")):
        process = subprocess.run(
            [sys.executable, "-S", str(ROOT / "plexsync.py"), *words, "--json", "--data-dir", str(site.data)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        assert process.stderr == ""
        assert key in Result(0, process.stdout, "").document


@pytest.mark.skipif(sys.platform == "win32", reason="a process gets no SIGINT of its own there")
def test_an_interrupted_drain_leaves_its_jobs_queued(shell_site: Site) -> None:
    site = shell_site
    scenes = [site.add(f"/media/{number}.mp4", 1000 + number)[0] for number in range(6)]
    for scene in scenes:
        site.stash.save_scene(scene, title=f"T{scene}")
    put(site, *(Job(scene) for scene in scenes))
    site.plex.fail(kind="slow", delay=0.3, method="PUT", times=6)
    # Whoever starts the tests in the background has SIGINT ignored for all that they start.
    process = start(site, "process-queue", "--json", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    end = time.monotonic() + 30
    while not site.plex.edits and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    result = ended(site, process)
    assert result.code == 130
    assert "the next run goes on where it was" in result.document["error"]
    assert [(job["scene_id"], row_status < 2) for job, row_status in site.rows()] == [(s, True) for s in scenes]
    site.plex.clear_faults()
    assert run(site, "process-queue").code == 0
    assert site.rows() == []


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of the shell's")
def test_an_answer_that_nobody_reads(shell_site: Site) -> None:
    site = shell_site
    site.bury(*(letter(number, message="word " * 60) for number in range(1, 400)))
    process = start(site, "failed", "list")
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE) == 0


def test_without_arguments_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from sync import entry

    monkeypatch.setattr(sys, "argv", ["plexsync.py"])
    monkeypatch.setattr(sys, "stdin", Screen())
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 2
    assert f"{PYTHON} plexsync.py --help" in capsys.readouterr().err
