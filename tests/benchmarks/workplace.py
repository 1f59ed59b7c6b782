"""Where a benchmark works: a folder as Stash's and PlexSync's, calls as Stash makes them, and processes measured."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sync import data_folder
from sync.setup import dependencies
from tests.benchmarks.control import Remote
from tests.site import ROOT

BARE = {"name": "bare", "argv": [sys.executable, "-c", "pass"]}
"""What a hook is held against: Python that does nothing."""
BARE_NAME = "python3 -c pass"

_METER = Path(__file__).with_name("meter.py")


@dataclass(frozen=True, slots=True)
class Run:
    """One process that was measured. Times in seconds, memory in bytes; None where the system does not say."""

    name: str
    began: float
    wall: float
    cpu: float | None
    peak: int | None
    code: int
    out: str
    log: str

    @property
    def said(self) -> str:
        """What the plugin answered. Raises RuntimeError where it answered with an error."""
        answer = json.loads(self.out)
        if self.code or answer.get("error"):
            raise RuntimeError(f"{self.name} failed: {answer.get('error')}\n{self.log}")
        return str(answer["output"])


def measure(commands: Sequence[dict[str, Any]], rounds: int = 1) -> dict[str, list[Run]]:
    """Run commands one after another, `rounds` times; return their runs by name."""
    order = json.dumps({"commands": list(commands), "rounds": rounds})
    done = subprocess.run([sys.executable, "-S", str(_METER)], input=order, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    runs: dict[str, list[Run]] = {}
    for run in json.loads(done.stdout):
        runs.setdefault(run["name"], []).append(Run(**run))
    return runs


def median_ratio(runs: Sequence[Run], others: Sequence[Run], what: str = "wall") -> float:
    """Return the median of the ratios within each round."""
    pairs = zip(runs, others, strict=True)
    return float(statistics.median(getattr(one, what) / max(getattr(other, what), 1e-6) for one, other in pairs))


def median(runs: Sequence[Run], what: str = "wall") -> float:
    """Return the median of `wall`, `cpu` or `peak`; not a number where the system does not say."""
    values = [getattr(run, what) for run in runs]
    return float("nan") if None in values else float(statistics.median(values))


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of Stash's config.yml with PlexSync's data below it, and the Stash that runs there."""

    config: Path
    stash_port: int

    @property
    def data(self) -> str:
        """PlexSync's data folder."""
        return str(self.config / "plexsync")

    def call(self, name: str, args: dict[str, Any], sql: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Return a command for `measure`: one call of PlexSync, after these statements on SQLite files."""
        connection = {
            "Scheme": "http",
            "Host": "0.0.0.0",
            "Port": self.stash_port,
            "SessionCookie": {"Name": "session", "Value": "a-cookie-of-the-benchmark"},
            "Dir": str(self.config),
        }
        return {
            "name": name,
            "argv": [sys.executable, "-S", str(ROOT / "plexsync.py")],
            "input": json.dumps({"server_connection": connection, "args": args}),
            "cwd": str(self.config),
            "sql": list(sql),
        }

    def hook(self, name: str, scene: int, sql: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Return the command of a save's hook, with what Stash sends for a save in its scene page."""
        sent = {"id": str(scene), "title": "A title", "details": "Some text. " * 40, "tag_ids": ["1", "2", "3"]}
        context = {"id": scene, "type": "Scene.Update.Post", "input": sent, "inputFields": list(sent)}
        return self.call(name, {"hookContext": context}, sql)

    def drain(self, name: str) -> dict[str, Any]:
        """Return the command of "Process queue", as a save's hook asks for it."""
        return self.call(name, {"mode": "process_queue", "trigger": "hook"})


@contextmanager
def places() -> Iterator[Path]:
    """Give a folder for as many places as are wanted."""
    with TemporaryDirectory(prefix="plexsync-bench-") as folder:
        yield Path(folder)


def place(base: Path, name: str, stash_port: int) -> Place:
    """Make a place. The packages count as installed by PlexSync, as they do inside Stash."""
    made = Place(base / name, stash_port)
    lay_out_packages(made.data)
    return made


def lay_out_packages(data: str) -> None:
    """Make the folder of packages that PlexSync installs, of this Python's own."""
    target = Path(dependencies.target_folder(data))
    target.mkdir(parents=True)
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        (target / package.name).symlink_to(package, target_is_directory=package.is_dir())
    (target / data_folder.WHOLE_FILE).touch()


def light() -> Remote:
    """Start the light servers (`servers.Pair`)."""
    return Remote("tests.benchmarks.servers")
