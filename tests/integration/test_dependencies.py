"""How PlexSync comes by its packages: real interpreters, a real pip, wheels made here, nothing from the network.

Each test has a Python of its own (a virtual environment) and a data folder of its own. Most wheels are tiny fakes
that hold as much as the check of an install imports; one test installs the real packages.
"""

from __future__ import annotations

import compileall
import ensurepip
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import sysconfig
import threading
import time
import venv
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sync.setup import dependencies

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
TRIGGERED = {"mode": "process_queue", "trigger": "hook"}
PRESSED = {"mode": "process_queue"}

Files = dict[str, str]
FAKES: dict[str, Files] = {
    "stashapi": {"stashapi/__init__.py": "", "stashapi/classes.py": ""},
    "plexapi": {"plexapi/__init__.py": "", "plexapi/server.py": ""},
    "persist-queue": {
        "persistqueue/__init__.py": "",
        "persistqueue/serializers/__init__.py": "",
        "persistqueue/serializers/json.py": "",
    },
    "pydantic": {"pydantic/__init__.py": ""},
}
VERSIONS = {"stashapi": "0.1.5", "plexapi": "4.18.3", "persist-queue": "1.1.0", "pydantic": "2.14.3"}

# A task up to the point where its packages are in reach, and what it would import then.
DRIVER = """
import json, sys
plugin, data, by_hand, constants = sys.argv[1:]
sys.path.insert(0, plugin)
from sync.setup import dependencies
from sync.errors import SetupError
for name, value in json.loads(constants).items():
    if hasattr(dependencies, name):
        setattr(dependencies, name, tuple(value))
    else:
        from sync.setup import install
        setattr(install, name, value)
try:
    dependencies.ensure(data, try_again_now=by_hand == "True")
except SetupError as error:
    print(json.dumps({"error": str(error)}))
else:
    loaded = sorted(sys.modules)
    import persistqueue, plexapi, pydantic, stashapi
    places = {module.__name__: module.__file__ for module in (persistqueue, plexapi, pydantic, stashapi)}
    print(json.dumps({"places": places, "first": sys.path[0], "loaded": loaded}))
"""


def make_wheel(folder: Path, name: str, version: str, files: Files | None = None) -> Path:
    """Write a wheel of a pure package; return its path."""
    stem = f"{name.replace('-', '_')}-{version}"
    contents = {
        **(FAKES[name] if files is None else files),
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*contents, f"{stem}.dist-info/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in {**contents, f"{stem}.dist-info/RECORD": record}.items():
            archive.writestr(inside, text)
    return path


def make_wheels(folder: Path, **versions: str) -> Path:
    """Write one fake wheel for each package that requirements.txt names."""
    for name, version in {**VERSIONS, **{key.replace("_", "-"): value for key, value in versions.items()}}.items():
        make_wheel(folder, name, version)
    return folder


@dataclass
class Outcome:
    """What one run said."""

    reply: dict[str, Any]
    log: str

    @property
    def error(self) -> str:
        """The one error."""
        assert "error" in self.reply, self.reply
        return str(self.reply["error"])


@dataclass
class Machine:
    """A Python of Stash's, a data folder and a way to find wheels."""

    python: Path
    site: Path
    config: Path
    plugin: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """PlexSync's data folder."""
        return self.config / "plexsync"

    @property
    def deps(self) -> Path:
        """Where the sets of packages lie."""
        return self.data / "deps"

    def sets(self) -> list[str]:
        """Everything in the folder of sets, but for the note of a failure."""
        return sorted(path.name for path in self.deps.iterdir() if path.name != "failed.json")

    def find_wheels(self, where: Path | str) -> None:
        """Have pip look there and nowhere else."""
        self.environment["PIP_FIND_LINKS"] = str(where)

    def have(self, wheel: Path) -> None:
        """Put a wheel's package into this Python's own site-packages."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.site)

    def ensure(self, *, by_hand: bool = True, **constants: Any) -> Outcome:
        """Run a task up to its imports."""
        return self.outcome(self.start_ensure(by_hand=by_hand, **constants))

    def start_ensure(self, *, by_hand: bool = True, **constants: Any) -> subprocess.Popen[bytes]:
        """Start a task that goes up to its imports."""
        self.data.mkdir(exist_ok=True)
        return self._start(["-c", DRIVER, str(self.plugin), str(self.data), str(by_hand), json.dumps(constants)], b"")

    def call(self, args: dict[str, Any]) -> Outcome:
        """Run plexsync.py as Stash does."""
        return self.outcome(self.start_call(args))

    def start_call(self, args: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start plexsync.py as Stash does; nobody listens at the address it is given."""
        connection = {"Scheme": "http", "Host": "127.0.0.1", "Port": closed_port(), "Dir": str(self.config)}
        call = json.dumps({"server_connection": connection, "args": args}).encode()
        return self._start([str(self.plugin / "plexsync.py")], call)

    def _start(self, arguments: list[str], stdin: bytes) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [str(self.python), *arguments],
            cwd=self.config,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        if stdin:  # the driver reads none, and may be gone already
            process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        return process

    @staticmethod
    def outcome(process: subprocess.Popen[bytes]) -> Outcome:
        """Wait for a run; what every run has to keep is checked here."""
        stdout, stderr = process.communicate(timeout=50)
        assert process.returncode == 0, stderr
        assert b"Traceback" not in stderr
        assert all(text.startswith(b"\x01") for text in stderr.splitlines()), stderr
        assert stdout.count(b"\n") == 1
        reply = json.loads(stdout)
        assert isinstance(reply, dict)
        return Outcome(reply, stderr.decode())


def closed_port() -> int:
    """Return a port of loopback at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def pip_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds pip and nothing else: installing it for every test would take 3 s each."""
    home = tmp_path_factory.mktemp("pip")
    bundled = sorted(Path(ensurepip.__file__).with_name("_bundled").glob("pip-*.whl"))
    if bundled:
        with zipfile.ZipFile(bundled[-1]) as archive:
            archive.extractall(home)
        compileall.compile_dir(home, quiet=2)
        return home
    # Some systems keep the wheel elsewhere; there Python has to install it.
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(home / "venv")
    (home / "only").mkdir()
    for path in site_of(home / "venv").glob("pip*"):
        shutil.copytree(path, home / "only" / path.name)
    return home / "only"


def site_of(folder: Path) -> Path:
    """Return the site-packages of a virtual environment."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))


@pytest.fixture
def machine(tmp_path: Path, pip_home: Path) -> Machine:
    """A Python with pip and no package, and a pip that has nowhere to look."""
    made = bare_machine(tmp_path)
    (made.site / "pip.pth").write_text(f"{pip_home}\n", encoding="utf-8")
    return made


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with a fake wheel for each package."""
    return make_wheels(tmp_path / "wheels")


def bare_machine(tmp_path: Path) -> Machine:
    """Make a Python without pip."""
    folder = tmp_path / "venv"
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
    executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    config = tmp_path / "stash config"  # a blank, for the command that the error names
    config.mkdir()
    (tmp_path / "nothing").mkdir()
    # Nothing of the person's who runs the tests: another index, a proxy, a cache.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PIP_", "PYTHON", "PLEXSYNC_", "COV")) and "proxy" not in name.lower()
    }
    environment |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "nothing"),
    }
    return Machine(executable, site_of(folder), config, environment=environment)


@pytest.fixture
def own_plugin(machine: Machine, tmp_path: Path) -> Callable[[str], None]:
    """Give the machine a copy of the plugin; return a function that writes its requirements.txt."""
    machine.plugin = tmp_path / "plugins" / "PlexSync"
    machine.plugin.mkdir(parents=True)
    shutil.copy(ROOT / "plexsync.py", machine.plugin)
    shutil.copytree(ROOT / "sync", machine.plugin / "sync", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", machine.plugin)

    def require(text: str) -> None:
        (machine.plugin / "requirements.txt").write_text(text, encoding="utf-8")

    return require


class Server(ThreadingHTTPServer):
    """A page of wheels on loopback that counts, or a network that never answers."""

    daemon_threads = True
    asked: list[str]
    reached: threading.Event
    left: threading.Event

    @property
    def url(self) -> str:
        """Its address, for --find-links."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a killed pip breaks its connection."""


class _Wheels(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Hangs(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.reached.set()
        self.connection.settimeout(30)
        if not self.connection.recv(1):  # the other end is gone
            self.server.left.set()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Path | None], Server]]:
    """Return a function that serves a folder of wheels, or a network that hangs."""
    servers: list[Server] = []

    def start(folder: Path | None) -> Server:
        handler: Any = _Hangs if folder is None else partial(_Wheels, directory=str(folder))
        server = Server(("127.0.0.1", 0), handler)
        server.asked, server.reached, server.left = [], threading.Event(), threading.Event()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def assert_set(machine: Machine, outcome: Outcome) -> Path:
    """The run uses a set of its own, the only thing in the folder; return it."""
    (name,) = machine.sets()
    used = machine.deps / name
    assert "places" in outcome.reply, outcome.reply
    assert outcome.reply["first"] == str(used)
    assert all(Path(place).is_relative_to(used) for place in outcome.reply["places"].values())
    return used


def assert_named_command(machine: Machine, error: str) -> list[str]:
    """The error ends with a command that a person can run as it stands; return it."""
    command = shlex.split(error[error.rindex(": " + shlex.quote(str(machine.python))) + 2 :])
    assert command[:4] == [str(machine.python), "-m", "pip", "install"]
    assert command[command.index("--target") + 1].startswith(str(machine.deps))
    assert command[command.index("-r") + 1] == str(machine.plugin / "requirements.txt")
    assert len(error) < 2000
    return command


# --- what goes right ---------------------------------------------------------------------------------------------


def test_first_run_installs_and_the_second_does_not_call_pip(
    machine: Machine, wheels: Path, serve: Callable[[Path | None], Server]
) -> None:
    server = serve(wheels)
    machine.find_wheels(server.url)
    machine.environment |= {"PIP_COMPILE": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    first = machine.ensure()
    used = assert_set(machine, first)
    assert "Installing PlexSync's packages once" in first.log
    assert list(used.glob("plexapi/__pycache__/*.pyc")), "no drain should compile its packages"
    assert f"py{sys.version_info.major}.{sys.version_info.minor}-" in used.name
    assert server.asked

    server.asked.clear()
    second = machine.ensure(by_hand=False)
    assert_set(machine, second)
    assert second.log == ""
    assert server.asked == []
    # What a task pays for its packages when they are there: a few stats, no heavy import.
    heavy = {"importlib.metadata", "subprocess", "shutil", "hashlib", "tempfile", "platform", "sync.setup.install"}
    assert not heavy & set(second.reply["loaded"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one C library")
def test_the_set_is_named_after_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic is compiled, and some builds for musl bear the tag of glibc."""
    keys = set()
    for answer in ("glibc 2.36", None):
        monkeypatch.setattr(os, "confstr", {"CS_GNU_LIBC_VERSION": answer}.get)
        keys.add(dependencies.key())
    assert len(keys) == 2


def test_nothing_is_installed_where_python_has_it_all(machine: Machine, wheels: Path) -> None:
    for wheel in wheels.iterdir():
        machine.have(wheel)
    outcome = machine.ensure()
    assert all(Path(place).is_relative_to(machine.site) for place in outcome.reply["places"].values())
    assert not machine.deps.exists()


def test_a_short_version_is_as_new_as_a_long_one(machine: Machine, tmp_path: Path) -> None:
    for wheel in make_wheels(tmp_path / "have", plexapi="4.17", persist_queue="1").iterdir():
        machine.have(wheel)
    assert "places" in machine.ensure().reply
    assert not machine.deps.exists()


def test_the_real_packages_carry_a_task_to_stash(machine: Machine, tmp_path: Path) -> None:
    machine.find_wheels(real_wheels(tmp_path / "real"))
    outcome = machine.call(PRESSED)
    assert len(machine.sets()) == 1, outcome.reply
    assert "does not know" not in outcome.error
    assert "Stash" in outcome.error  # nobody listens there: everything before that went right
    again = machine.call(TRIGGERED)
    assert again.error == outcome.error or "Stash" in again.error
    assert "Installing" not in again.log


def real_wheels(folder: Path) -> Path:
    """Zip the packages that these tests run with, and what those need, to wheels again."""
    folder.mkdir()
    todo = list(VERSIONS)
    done: set[str] = set()
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in done:
            continue
        done.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if name in VERSIONS:
                pytest.skip(f"{name} is not installed here")
            continue  # for another system or Python
        tags = re.findall(r"(?m)^Tag: (\S+)", distribution.read_text("WHEEL") or "")
        if not tags or not distribution.files:
            pytest.skip(f"{name} was not installed from a wheel here")
        stem = f"{name.replace('-', '_')}-{distribution.version}"
        with zipfile.ZipFile(folder / f"{stem}-{tags[-1]}.whl", "w") as archive:
            for file in distribution.files:
                if ".." not in file.parts and file.suffix != ".pyc" and file.name not in ("INSTALLER", "REQUESTED"):
                    archive.write(str(file.locate()), str(file))
        needs = [text for text in distribution.requires or [] if "extra ==" not in text]
        todo.extend(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in needs)
    return folder


# --- what is there is not what is needed ---------------------------------------------------------------------------


def test_packages_that_do_not_fit_are_overruled(machine: Machine, wheels: Path, tmp_path: Path) -> None:
    """Too old, too new, and as Stash's image has it: the import name of stashapi, another distribution."""
    for wheel in make_wheels(tmp_path / "have", plexapi="4.15.1", pydantic="3.0.1").iterdir():
        if not wheel.name.startswith("stashapi"):
            machine.have(wheel)
    machine.have(make_wheel(tmp_path / "old", "stashapp-tools", "0.2.58", FAKES["stashapi"]))
    machine.find_wheels(wheels)
    outcome = machine.ensure()
    assert_set(machine, outcome)
    assert "stashapi is not installed" in outcome.log
    assert "plexapi is 4.15.1, needed is 4.17.0" in outcome.log
    assert "pydantic is 3.0.1, needed is one below 3" in outcome.log


def lock(machine: Machine, wheels: Path, **wrong: str) -> None:
    """Write a lock of these wheels; `wrong`: other hashes."""
    lines = []
    for wheel in sorted(wheels.iterdir()):
        name, version, *_ = wheel.name.split("-")
        digest = wrong.get(name) or hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}\n")
    (machine.plugin / "requirements.lock").write_text("".join(lines), encoding="utf-8")


def versions(machine: Machine) -> set[str]:
    """What is installed."""
    (used,) = machine.deps.glob("py*")
    return {found.name.removesuffix(".dist-info") for found in used.glob("*.dist-info")}


@pytest.mark.usefixtures("own_plugin")
def test_what_was_tested_is_installed_where_it_can_be_had(machine: Machine, wheels: Path, tmp_path: Path) -> None:
    lock(machine, wheels)
    make_wheel(wheels, "plexapi", "4.99.0")
    machine.find_wheels(wheels)
    outcome = machine.ensure()
    assert_set(machine, outcome)
    assert "plexapi-4.18.3" in versions(machine)
    assert "others are tried" not in outcome.log


@pytest.mark.usefixtures("own_plugin")
@pytest.mark.parametrize("what", ["another hash", "no such file for this machine"])
def test_what_was_tested_and_cannot_be_had_is_replaced_by_what_fits(machine: Machine, wheels: Path, what: str) -> None:
    lock(machine, wheels, **({"plexapi": "0" * 64} if what == "another hash" else {}))
    (tested,) = wheels.glob("plexapi-*")
    if what == "no such file for this machine":
        tested.rename(tested.with_name(tested.name.replace("py3-none-any", "cp39-cp39-win32")))
    make_wheel(wheels, "plexapi", "4.99.0")
    make_wheel(wheels, "plexapi", "5.0.0")
    machine.find_wheels(wheels)
    outcome = machine.ensure()
    assert_set(machine, outcome)
    assert "plexapi-4.99.0" in versions(machine), "and not what is above the bound"
    assert outcome.log.count("The tested versions of PlexSync's packages are not to be had, so others are tried") == 1


@pytest.mark.usefixtures("own_plugin")
def test_a_network_that_is_down_is_not_tried_twice(machine: Machine, wheels: Path) -> None:
    lock(machine, wheels)
    del machine.environment["PIP_NO_INDEX"]
    machine.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{closed_port()}/simple"
    outcome = machine.ensure()
    assert "connection broken by" in outcome.error
    assert "others are tried" not in outcome.log


def test_the_packages_of_version_0_1_0_go_on_to_be_used() -> None:
    """An update needs no network where nothing that it needs has changed: the folder has the same name."""
    old = "[Requirement(name='persist-queue', minimum='1.0.0'), Requirement(name='plexapi', minimum='4.17.0'), "
    old += "Requirement(name='pydantic', minimum='2.7'), Requirement(name='stashapi', minimum='0.1.5')]"
    now = dependencies.key()
    assert now.endswith(f"-{zlib.crc32(old.encode()):08x}")


def test_metadata_that_an_uninstall_left_is_no_package(machine: Machine, wheels: Path) -> None:
    for wheel in wheels.iterdir():
        machine.have(wheel)
    (machine.site / "pydantic-2.14.3.dist-info" / "METADATA").unlink()
    machine.find_wheels(wheels)
    outcome = machine.ensure()
    assert_set(machine, outcome)
    assert re.search("pydantic is (damaged|not installed)", outcome.log)


def test_a_folder_of_another_plugin_with_the_same_name_is_overruled(
    machine: Machine, wheels: Path, tmp_path: Path
) -> None:
    """Stash puts the plugins folder on PYTHONPATH."""
    for wheel in wheels.iterdir():
        machine.have(wheel)
    plugins = tmp_path / "plugins"
    (plugins / "stashapi").mkdir(parents=True)
    (plugins / "stashapi" / "__init__.py").touch()
    # pip has to come through in spite of this one.
    (plugins / "optparse.py").write_text("raise ImportError('of another plugin')")
    machine.environment["PYTHONPATH"] = str(plugins)
    machine.find_wheels(wheels)
    outcome = machine.ensure()
    assert_set(machine, outcome)
    assert "stashapi is another package than stashapi" in outcome.log


def test_new_requirements_replace_the_old_set_only_when_they_are_installed(
    machine: Machine, wheels: Path, tmp_path: Path, own_plugin: Callable[[str], None]
) -> None:
    machine.find_wheels(wheels)
    old = assert_set(machine, machine.ensure())
    elsewhere = machine.deps / "py3.9-of-another-python-00000000"
    elsewhere.mkdir()

    own_plugin("# a comment\nstashapi>=0.1.5\nplexapi>=5.0\npersist-queue>=1.0.0\npydantic>=2.7\n")
    assert_named_command(machine, machine.ensure().error)
    assert machine.sets() == sorted([old.name, elsewhere.name])

    machine.find_wheels(make_wheels(tmp_path / "newer", plexapi="5.0.1"))
    outcome = machine.ensure()
    assert "places" in outcome.reply, outcome.reply
    assert Path(outcome.reply["first"]).name not in ("", old.name)
    assert machine.sets() == sorted([Path(outcome.reply["first"]).name, elsewhere.name])


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_without_network_there_is_one_error_then_quiet_until_a_press(machine: Machine, wheels: Path) -> None:
    failed = machine.call(TRIGGERED)
    assert_named_command(machine, failed.error)
    assert "No matching distribution found for stashapi" in failed.error
    assert "Installing" in failed.log
    assert machine.sets() == []

    machine.find_wheels(wheels)
    begun = time.monotonic()
    refused = machine.call(TRIGGERED)
    assert refused.error == failed.error
    assert "Installing" not in refused.log
    assert time.monotonic() - begun < 5
    assert machine.sets() == []

    pressed = machine.call(PRESSED)
    assert "are installed" in pressed.log
    assert len(machine.sets()) == 1
    assert not (machine.deps / "failed.json").exists()


def test_a_failure_says_nothing_about_other_requirements(
    machine: Machine, wheels: Path, own_plugin: Callable[[str], None]
) -> None:
    own_plugin("stashapi>=7\nplexapi>=4\npersist-queue>=1\npydantic>=2\n")
    machine.find_wheels(wheels)
    assert "stashapi>=7" in machine.ensure(by_hand=False).error
    own_plugin("stashapi>=0\nplexapi>=4\npersist-queue>=1\npydantic>=2\n")
    assert_set(machine, machine.ensure(by_hand=False))


def test_the_credentials_of_an_index_stay_secret(machine: Machine) -> None:
    del machine.environment["PIP_NO_INDEX"]
    address = f"127.0.0.1:{closed_port()}"
    machine.environment["PIP_INDEX_URL"] = f"http://hugo:s3cret@w0rd@{address}/simple"
    machine.environment["PIP_FIND_LINKS"] = f"http://hugo:s3cret@w0rd@{address}/wheels"
    outcome = machine.call(PRESSED)
    assert_named_command(machine, outcome.error)
    assert "connection" in outcome.error.lower()
    said = outcome.error + outcome.log + (machine.deps / "failed.json").read_text(encoding="utf-8")
    for secret in ("s3cret", "w0rd", "hugo"):
        assert secret not in said


def test_what_pip_shows_of_an_address_is_shown_without_credentials(machine: Machine) -> None:
    """pip hides passwords itself, but not everywhere."""
    machine.environment["PIP_CONSTRAINT"] = "ftp://hugo:s3cret@w0rd@127.0.0.1/constraints.txt"
    outcome = machine.call(PRESSED)
    assert "//***@127.0.0.1/constraints.txt" in outcome.error
    said = outcome.error + outcome.log + (machine.deps / "failed.json").read_text(encoding="utf-8")
    for secret in ("s3cret", "w0rd", "hugo"):
        assert secret not in said


def test_without_pip_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    machine = bare_machine(tmp_path)
    outcome = machine.call(PRESSED)
    assert "has no pip" in outcome.error
    assert "ensurepip" in outcome.error
    assert_named_command(machine, outcome.error)
    assert machine.sets() == []


def test_a_folder_that_cannot_be_written(machine: Machine, wheels: Path) -> None:
    """As a file in the folder's place: whoever runs the tests may be allowed to write everywhere."""
    machine.find_wheels(wheels)
    machine.data.mkdir()
    machine.deps.write_text("not a folder")
    outcome = machine.call(PRESSED)
    assert "cannot be written" in outcome.error
    assert "right to write" in outcome.error
    assert_named_command(machine, outcome.error)
    assert machine.deps.read_text() == "not a folder"


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may write anywhere")
def test_a_read_only_folder(machine: Machine, wheels: Path) -> None:
    machine.find_wheels(wheels)
    machine.deps.mkdir(parents=True)
    machine.deps.chmod(0o500)
    try:
        outcome = machine.call(PRESSED)
        assert "cannot be written (Permission denied)" in outcome.error
        assert machine.sets() == []
    finally:
        machine.deps.chmod(0o700)


DAMAGES: dict[str, Files] = {
    "wrong libc": {"pydantic/__init__.py": "raise ImportError('wrong libc')"},
    "annotated_types_": {"pydantic/__init__.py": "import annotated_types_"},
    "pydantic is another package": {"elsewhere/__init__.py": ""},
    "pydantic": {"pydantic/__init__.py": "# of which the end is cut off"},
}
"""What the error says -> what is in the wheel."""


def test_a_set_that_does_not_work_never_takes_the_place(
    machine: Machine, wheels: Path, own_plugin: Callable[[str], None]
) -> None:
    machine.find_wheels(wheels)
    good = assert_set(machine, machine.ensure())

    own_plugin("stashapi>=0.1.5\nplexapi>=4.17.0\npersist-queue>=1.0.0\npydantic>=3\n")
    for said, files in DAMAGES.items():
        wheel = make_wheel(wheels, "pydantic", "3.0", files)
        if said == "pydantic":
            wheel.write_bytes(wheel.read_bytes()[:-40])
        outcome = machine.ensure()
        assert_named_command(machine, outcome.error)
        assert said in outcome.error
        assert machine.sets() == [good.name]

    shutil.copy(ROOT / "requirements.txt", machine.plugin)
    assert assert_set(machine, machine.ensure()) == good


def test_an_externally_managed_python_installs_into_the_folder(tmp_path: Path, pip_home: Path, wheels: Path) -> None:
    """PEP 668: pip refuses to install into such a Python, and pip's own code decides so here.

    The Python is a copy of this one's executable over links to its standard library, beside which lies the marker.
    """
    if os.name == "nt":
        pytest.skip("no system of this kind ships an externally managed Python")
    standard = Path(sysconfig.get_path("stdlib"))
    library = tmp_path / "system" / "lib" / standard.name
    (library / "site-packages").mkdir(parents=True)
    for entry in standard.iterdir():
        if entry.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (library / entry.name).symlink_to(entry)
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=This Python belongs to the system.\n")
    for entry in pip_home.iterdir():
        shutil.copytree(entry, library / "site-packages" / entry.name)
    python = tmp_path / "system" / "bin" / "python3"
    python.parent.mkdir()
    shutil.copy2(os.path.realpath(getattr(sys, "_base_executable", sys.executable)), python)

    machine = bare_machine(tmp_path)
    machine.python, machine.site = python, library / "site-packages"
    machine.find_wheels(wheels)
    control = subprocess.run(
        [str(python), "-m", "pip", "install", "pydantic"],
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if b"externally-managed-environment" not in control.stdout:
        pytest.skip(f"this Python cannot be copied: {control.stdout[-300:]!r}")
    assert_set(machine, machine.ensure())


# --- stopped in the middle -----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_task_takes_its_pip_along_and_the_next_one_starts_afresh(
    machine: Machine, wheels: Path, serve: Callable[[Path | None], Server]
) -> None:
    hanging = serve(None)
    machine.find_wheels(hanging.url)
    task = machine.start_call(TRIGGERED)
    assert hanging.reached.wait(20)
    task.send_signal(signal.SIGKILL)
    task.wait(10)
    task.communicate()
    assert hanging.left.wait(10), "pip lives on"
    (left,) = machine.sets()
    assert left.startswith("new-")

    machine.find_wheels(wheels)
    assert_set(machine, machine.ensure(by_hand=False))


def test_a_task_killed_while_it_cleans_up_leaves_nothing_in_the_way(machine: Machine, wheels: Path) -> None:
    """The states between two renames, made by hand."""
    machine.find_wheels(wheels)
    used = assert_set(machine, machine.ensure())
    used.rename(machine.deps / "old-1-2")
    (machine.deps / "new-3-4" / "site").mkdir(parents=True)
    assert assert_set(machine, machine.ensure(by_hand=False)) == used


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the pip of a task")
def test_a_killed_pip_is_one_error(machine: Machine, serve: Callable[[Path | None], Server]) -> None:
    hanging = serve(None)
    machine.find_wheels(hanging.url)
    task = machine.start_call(PRESSED)
    assert hanging.reached.wait(20)
    (pip,) = Path(f"/proc/{task.pid}/task/{task.pid}/children").read_text().split()
    os.kill(int(pip), signal.SIGKILL)
    outcome = machine.outcome(task)
    assert "pip was ended by signal 9" in outcome.error
    assert_named_command(machine, outcome.error)
    assert machine.sets() == []


def test_a_pip_that_does_not_end_is_ended(machine: Machine, serve: Callable[[Path | None], Server]) -> None:
    hanging = serve(None)
    machine.find_wheels(hanging.url)
    outcome = machine.ensure(PIP_TIMEOUT=3.0)
    assert hanging.left.wait(10)
    assert "pip did not end within 3 seconds" in outcome.error
    assert machine.sets() == []


def test_two_tasks_at_once_install_once(machine: Machine, wheels: Path, serve: Callable[[Path | None], Server]) -> None:
    server = serve(wheels)
    machine.find_wheels(server.url)
    both = [machine.start_ensure(), machine.start_ensure()]
    outcomes = [machine.outcome(process) for process in both]
    for outcome in outcomes:
        assert_set(machine, outcome)
    (quiet,) = [outcome for outcome in outcomes if "Installing" not in outcome.log]
    assert quiet.log == ""
    fetched = [path for path in server.asked if path.endswith(".whl")]
    assert len(fetched) == len(set(fetched)) == len(VERSIONS)


def test_a_task_does_not_wait_for_ever_for_another_install(
    machine: Machine, serve: Callable[[Path | None], Server]
) -> None:
    hanging = serve(None)
    machine.find_wheels(hanging.url)
    first = machine.start_ensure()
    try:
        assert hanging.reached.wait(20)
        assert "Another PlexSync process is installing" in machine.ensure(LOCK_WAIT=0.2).error
    finally:
        first.kill()
        first.communicate()


# --- a person's own hand -------------------------------------------------------------------------------------------


def test_the_command_of_the_error_mends_it(machine: Machine, wheels: Path) -> None:
    command = assert_named_command(machine, machine.ensure(by_hand=False).error)
    machine.find_wheels(wheels)
    subprocess.run(command, env=machine.environment, check=True, stdout=subprocess.DEVNULL)
    mended = machine.ensure(by_hand=False)  # at once, although the failure is a moment old
    assert_set(machine, mended)
    assert "installed by hand" in mended.log
    assert machine.ensure(by_hand=False).log == ""


def test_a_folder_half_filled_by_hand_is_not_taken_for_whole(machine: Machine, wheels: Path) -> None:
    command = assert_named_command(machine, machine.ensure().error)
    target = Path(command[command.index("--target") + 1])
    (target / "plexapi").mkdir(parents=True)
    (target / "plexapi" / "__init__.py").touch()
    assert_named_command(machine, machine.ensure(by_hand=False).error)
    machine.find_wheels(wheels)
    assert assert_set(machine, machine.ensure()) == target


def test_a_set_that_was_damaged_later_is_installed_afresh(machine: Machine, wheels: Path) -> None:
    machine.find_wheels(wheels)
    used = assert_set(machine, machine.ensure())
    (used / "plexapi" / "server.py").write_bytes(b"\0\0")  # a power cut
    distrust = (
        "import sys; sys.path.insert(0, sys.argv[1]); from sync.setup import dependencies as d; d.distrust(sys.argv[2])"
    )
    for _ in range(2):
        subprocess.run([machine.python, "-c", distrust, machine.plugin, machine.data], check=True)
    mended = machine.ensure(by_hand=False)
    assert "are installed" in mended.log
    assert assert_set(machine, mended) == used
    assert (used / "plexapi" / "server.py").read_bytes() == b""


# --- the hook ------------------------------------------------------------------------------------------------------


def test_a_hook_before_any_package_queues_its_job(tmp_path: Path) -> None:
    machine = bare_machine(tmp_path)
    context = {"id": 45, "type": "Scene.Update.Post", "input": None, "inputFields": ["id", "title"]}
    outcome = machine.call({"mode": "hook", "hookContext": context})
    assert "Scene 45 queued" in outcome.reply["output"]
    # A task that fails for lack of packages leaves the job where it is.
    assert "has no pip" in machine.call(TRIGGERED).error
    with sqlite3.connect(machine.data / "queue" / "data.db") as connection:
        (table,) = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'ack_queue_%'").fetchone()
        rows = connection.execute(f"SELECT CAST(data AS TEXT), status FROM `{table}`").fetchall()
    connection.close()
    assert [json.loads(data)["scene_id"] for data, _ in rows] == [45]
    assert rows[0][1] in (0, 1)  # persist-queue's "new" and "ready": not claimed, not acknowledged
