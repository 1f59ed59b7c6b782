"""A Stash and a Plex side by side, with PlexSync between them, for tests and the demo."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sync import data_folder, entry
from sync.queue import schema
from sync.queue.dead_letters import PUT_DEAD_LETTER, DeadLetter
from sync.queue.jobs import JobStore
from sync.sleeper import sleeper
from sync.sleeper.launch import is_alive
from sync.state.state import State
from sync.status.version import version
from sync.worker.circuit_breaker import CircuitBreaker, CircuitState, Record
from tests.servers.plex import PlexItem, PlexStandIn
from tests.servers.stash import StashStandIn

UNCOVERED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": "", "PYTHONDONTWRITEBYTECODE": ""}
"""Without coverage, which would start along with each of a thousand processes and take longer than they do; with
compiled modules, as under Stash."""
WINE = "PLEXSYNC_WINE" in os.environ
"""Whether these tests run in tests/windows: on Wine, not on Windows."""
SLOWNESS = 10 if WINE else 1
"""How many times as long a process takes: Wine needs a second to start one."""
PATIENCE = 60.0 * SLOWNESS
"""Seconds that a process may take which nobody kills."""

ROOT = Path(__file__).resolve().parents[1]
PLUGIN_PARTS = ("PlexSync.yml", "plexsync.py", "requirements.txt", "requirements.lock", "sync", "ui")


def install_plugin(plugins: Path) -> Path:
    """Put the plugin into a plugins folder as Stash would find it; return its own folder."""
    target = plugins / "PlexSync"
    target.mkdir(parents=True)
    for name in PLUGIN_PARTS:
        source = ROOT / name
        try:
            (target / name).symlink_to(source, target_is_directory=source.is_dir())
        except OSError:  # Windows without the right to make links
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target / name)
    return target


def known_plugin(folder: Path) -> Path:
    """A plugin that Stash knows by its name alone: it fires no hook and runs no task. Return its folder."""
    target = folder / "PlexSync"
    target.mkdir(parents=True)
    (target / "PlexSync.yml").write_text("name: PlexSync\n", encoding="utf-8")
    return target


@dataclass
class Answer:
    """What one call of PlexSync answered, and what it logged."""

    output: Any
    """A sentence of a task or a hook, an object of a page's operation."""
    error: str | None
    log: list[tuple[str, str]] = field(default_factory=list)
    """(level letter, text) of each line."""

    def said(self, level: str = "") -> str:
        """The log's text, of one level or all."""
        return "\n".join(text for letter, text in self.log if not level or letter == level)


@dataclass
class Site:
    """Two servers and the data folder between them."""

    stash: StashStandIn
    plex: PlexStandIn
    data: Path
    library: int

    def configure(self, **settings: Any) -> None:
        """Fill in the settings panel as a person would."""
        self.stash.set_settings(**{"plex_url": self.plex.url, "plex_token": self.plex.token, **settings})

    def add(self, path: str = "/media/clip.mp4", size: int = 1000, **item: Any) -> tuple[int, int]:
        """Add a file that both servers have; return (scene id, ratingKey)."""
        key = self.plex.add_item(self.library, [(path, size)], **item)
        return self.stash.add_scene(files=[(path, size)]), key

    def item(self, key: int) -> PlexItem:
        """What Plex holds now."""
        return self.plex.item(key)

    def connection(self) -> dict[str, Any]:
        """What Stash tells its plugins of itself."""
        return {
            "Scheme": "http",
            "Host": "0.0.0.0",
            "Port": self.stash.port,
            "SessionCookie": {"Name": "session", "Value": self.stash.session_cookie()},
            "Dir": str(self.stash.config_dir),
        }

    # PlexSync in this process

    def call(self, args: dict[str, Any]) -> Answer:
        """Call PlexSync as Stash would, in this process."""
        raw = json.dumps({"server_connection": self.connection(), "args": args}).encode()
        earlier, sys.stderr = sys.stderr, io.TextIOWrapper(io.BytesIO(), "utf-8")
        try:
            answer = json.loads(entry.answer(raw))
            logged = sys.stderr.buffer.getvalue().decode()
        finally:
            sys.stderr = earlier
        lines = [(line[1], line[3:]) for line in logged.split("\n") if line]
        return Answer(answer.get("output"), answer.get("error"), lines)

    def ask(self, mode: str, **args: Any) -> dict[str, Any]:
        """What an operation of Stash's pages answers, but for the version; one that takes longer is waited for."""
        answer = self.call({"mode": mode, **args})
        assert answer.error is None, answer.error
        found: dict[str, Any] = answer.output
        end = time.monotonic() + PATIENCE
        while found.get("id") and not found["done"] and time.monotonic() < end:
            time.sleep(0.02)
            found = self.call({"mode": mode, "id": found["id"]}).output
        assert found.pop("version") == version()
        return found

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what another process or thread does."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.02)

    def hook(self, scene_id: int, fields: list[str] | None = None, **context: Any) -> Answer:
        """A save's hook."""
        given = {"id": scene_id, "type": "Scene.Update.Post", "input": None, "inputFields": fields or ["id", "title"]}
        return self.call({"hookContext": given | context})

    def drain(self, *, by_hand: bool = False) -> Answer:
        """The task "Process queue"."""
        return self.call({"mode": "process_queue"} | ({} if by_hand else {"trigger": "hook"}))

    def sync(self, scene_id: int, *, by_hand: bool = False) -> Answer:
        """A save's hook and the drain after it."""
        queued = self.hook(scene_id)
        assert queued.error is None, queued.error
        return self.drain(by_hand=by_hand)

    def save_and_sync(self, scene_id: int, **fields: Any) -> Answer:
        """A person's save and what follows."""
        self.stash.save_scene(scene_id, **fields)
        return self.sync(scene_id)

    def save_many(self, count: int, *, first: int = 0) -> dict[int, int]:
        """Add files that both servers have, and queue a save of each: the title of scene 7 becomes "T7".

        Return scene id -> ratingKey.
        """
        pairs = dict(self.add(f"/media/{number}.mp4", number + 1) for number in range(first, first + count))
        for scene in pairs:
            self.stash.scene(scene).title = f"T{scene}"
            queued = self.hook(scene)
            assert queued.error is None, queued.error
        return pairs

    def arrived(self, pairs: dict[int, int]) -> list[int]:
        """Of the scenes of `save_many` those whose title Plex has."""
        return [scene for scene, key in pairs.items() if self.item(key).title == f"T{scene}"]

    def sleeper_pid(self) -> int | None:
        """The process of the sleeper, None where none lives."""
        if not is_alive(str(self.data)):
            return None
        try:
            return int((self.data / sleeper.SLEEPER_PID).read_text())
        except (OSError, ValueError):
            return None

    def kill_sleeper(self) -> None:
        """kill -9, where one lives or is on its way."""
        kill_sleepers_below(self.data)

    # What is on disk

    def state(self) -> State:
        """The state file, opened."""
        return State(data_folder.state_file(str(self.data)))

    def store(self) -> JobStore:
        """The queue, opened as the drain opens it."""
        return JobStore(data_folder.queue_folder(str(self.data)))

    @contextlib.contextmanager
    def queue_file(self) -> Iterator[sqlite3.Connection]:
        """The queue's file, opened beside whatever runs. Each statement is on disk at once."""
        file = data_folder.queue_file(str(self.data))
        with contextlib.closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
            yield connection

    def breaker(self) -> tuple[CircuitState, Record]:
        """The circuit breaker's state and what it knows."""
        with self.queue_file() as connection:
            breaker = CircuitBreaker(connection)
            return breaker.state, breaker.record

    def dead_letters(self) -> list[DeadLetter]:
        """The jobs that nobody tries any more."""
        with contextlib.closing(self.store()) as store:
            return store.dead_letters()

    def bury(self, *letters: DeadLetter) -> None:
        """Put dead letters there, as a drain would that has given up these jobs."""
        self.store().close()
        with self.queue_file() as connection:
            connection.execute("BEGIN")
            connection.executemany(PUT_DEAD_LETTER, letters)
            connection.execute("COMMIT")

    def rows(self) -> list[tuple[dict[str, Any], int]]:
        """(job, status) of every row that is not acknowledged."""
        with self.queue_file() as connection:
            rows = connection.execute("SELECT data, status FROM ack_queue_default WHERE status <> 5 ORDER BY _id")
            return [(json.loads(data), status) for data, status in rows]

    def secrets_on_disk(self) -> list[str]:
        """The files of the data folder that hold the token or a cookie."""
        secrets = [self.plex.token.encode(), self.stash.session_cookie()[:40].encode()]
        return [
            str(path)
            for folder, _, names in os.walk(self.data)
            for path in (Path(folder) / name for name in names)
            if any(secret in path.read_bytes() for secret in secrets)
        ]


def count_claimed(connection: sqlite3.Connection) -> int:
    """How many rows a run owns."""
    query = f"SELECT count(*) FROM `{schema.JOBS}` WHERE status = {schema.CLAIMED}"
    return int(connection.execute(query).fetchone()[0])


def open_files(process: str = "[0-9]*") -> set[str]:
    """The files that a process has open, or any process, as far as this one may know."""
    found = set()
    for one in Path("/proc").glob(f"{process}/fd/*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            found.add(os.readlink(one))
    return found


def dead_children() -> list[int]:
    """Children of this process that have ended and that it has not waited for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    """Whether the process lives; one that has ended and that nobody has buried does not."""
    if sys.platform == "win32":  # where `os.kill` with 0 sends Ctrl-C
        kernel, limited, ended = ctypes.WinDLL("kernel32"), 0x1000 | 0x100000, 0
        handle = kernel.OpenProcess(limited, False, pid)
        try:
            return bool(handle) and kernel.WaitForSingleObject(handle, 0) != ended
        finally:
            kernel.CloseHandle(handle)
    if sys.platform != "linux":
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return True
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """kill -9, or what Windows has for it."""
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def kill_sleepers_below(folder: Path) -> None:
    """kill -9 for every sleeper of a data folder below this one.

    On Linux those too that have not got their lock yet: elsewhere nothing tells where they are.
    """
    if sys.platform != "linux":
        for told in folder.rglob(sleeper.SLEEPER_PID):
            if is_alive(str(told.parent)):
                with contextlib.suppress(OSError, ValueError):
                    kill(int(told.read_text()))
        return
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if b"\0--sleeper\0" in (process / "cmdline").read_bytes() and any(
                # Before it has its lock it stands where Stash does.
                one.readlink().is_relative_to(folder)
                for one in (process / "cwd", *(process / "fd").iterdir())
            ):
                kill(int(process.name))


class Child:
    """One process of plexsync.py, called as Stash calls it."""

    def __init__(self, site: Site, args: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(ROOT / "plexsync.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=site.stash.config_dir,
            env={**os.environ, **UNCOVERED},
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"server_connection": site.connection(), "args": args}).encode())
        self._process.stdin.close()
        self._process.stdin = None
        self._said = b""

    @classmethod
    def hook(cls, site: Site, scene: int) -> Child:
        """A save's hook."""
        context = {"id": scene, "type": "Scene.Update.Post", "input": None, "inputFields": ["id", "title"]}
        return cls(site, {"hookContext": context})

    @classmethod
    def drain(cls, site: Site, *, by_hand: bool = False) -> Child:
        """The task "Process queue"."""
        return cls(site, {"mode": "process_queue"} | ({} if by_hand else {"trigger": "hook"}))

    def kill(self) -> Answer | None:
        """kill -9; what it had answered before, None where it had not."""
        self._process.kill()
        return self._answer()

    def interrupt(self) -> str:
        """Ctrl-C in the terminal that Stash runs in; what it had to say to the end."""
        self._process.send_signal(signal.SIGINT)
        try:
            _, stderr = self._process.communicate(timeout=PATIENCE / 4)
        finally:
            self._process.kill()
        return (self._said + stderr).decode()

    def send(self, signal_number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(signal_number)

    def end(self) -> Answer:
        """Wait for its own end."""
        answer = self._answer()
        assert answer is not None, f"no answer, exit code {self._process.returncode}"
        return answer

    def wait_for_log(self, text: str) -> None:
        """Read its log until a line has this text."""
        assert self._process.stderr
        for line in self._process.stderr:
            self._said += line
            if text in line.decode():
                return
        raise AssertionError(f"it ended without {text!r}: {self._said.decode()}")

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def _answer(self) -> Answer | None:
        stdout, stderr = self._process.communicate(timeout=PATIENCE)
        lines = (self._said + stderr).decode().replace("\r\n", "\n").split("\n")
        if not stdout.endswith(b"\n"):
            return None
        answer = json.loads(stdout)
        return Answer(answer.get("output"), answer.get("error"), [(line[1:2], line[3:]) for line in lines if line])
