"""What a drain imports on its way to the first edit, and what packages are spared."""

import gc
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.setup import imports
from tests.site import ROOT, UNCOVERED

NOT_NEEDED = {
    *("asyncio", "charset_normalizer", "chardet", "aiofiles", "aiosqlite", "websocket", "plexapi.myplex"),
    *("simplejson", "tqdm"),
    *("stashapi.stashapp", "pip", "unittest"),
    *("sync.setup.check", "sync.setup.sample", "sync.setup.checklist", "sync.setup.path_map", "sync.setup.install"),
    *("sync.status.status", "sync.status.page", "sync.command_line", "sync.hook"),
}


def test_a_drain_imports_nothing_that_other_tasks_need() -> None:
    program = """
import gc, sys
sys.path.insert(0, sys.argv[1])
from sync import entry, tasks
from sync.setup import imports
imports.load("sync.process_queue")
assert gc.isenabled() and gc.get_freeze_count()
print(*sys.modules)
"""
    surroundings = {**os.environ, **UNCOVERED}
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=True, env=surroundings
    )
    loaded = set(done.stdout.split())
    assert {"sync.worker.processor", "plexapi.server", "persistqueue", "requests"} <= loaded
    assert not loaded & NOT_NEEDED
    assert done.stderr == "", "Stash logs a bare line as an error"


@pytest.mark.parametrize("is_command_line", [False, True])
def test_a_command_line_leaves_no_bytecode_behind(tmp_path: Path, is_command_line: bool) -> None:
    """It may be root's, and what root compiled would be closed to the user that Stash runs as."""
    shutil.copy(ROOT / "plexsync.py", tmp_path)
    shutil.copytree(ROOT / "sync", tmp_path / "sync", ignore=shutil.ignore_patterns("__pycache__"))
    left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    surroundings = {name: value for name, value in os.environ.items() if name not in left_out} | UNCOVERED
    command = [sys.executable, tmp_path / "plexsync.py", *(["--version"] if is_command_line else [])]
    subprocess.run(command, input=b"{}", capture_output=True, check=True, env=surroundings)
    assert bool(list(tmp_path.rglob("*.pyc"))) is not is_command_line


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of packages in reach of `import`, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
    gc.unfreeze()


def write(packages: Path, **modules: str) -> None:
    for name, text in modules.items():
        (packages / f"{name}.py").write_text(text, encoding="utf-8")
    importlib.invalidate_caches()


def test_what_a_package_is_content_without_is_not_imported(packages: Path, capfd: pytest.CaptureFixture[str]) -> None:
    warns = (
        "import warnings\ntry:\n    import spare\nexcept ImportError:\n    spare = None\n    warnings.warn('none')\n"
    )
    write(packages, spare="", content=warns)
    assert imports.load("content", ["spare"]).spare is None
    assert "spare" not in sys.modules, "who asks for it later gets it"
    assert importlib.import_module("spare")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("use", ["import spare", "try:\n    import spare\nexcept ImportError:\n    pass\nspare.value"])
def test_a_package_that_cannot_do_without_gets_it(packages: Path, use: str) -> None:
    write(packages, spare="value = 1", insists=use, uses="import insists")
    assert imports.load("uses", ["spare"]).insists.spare.value == 1


def test_what_is_imported_already_stays(packages: Path) -> None:
    write(packages, spare="", takes="import spare")
    spare = importlib.import_module("spare")
    assert imports.load("takes", ["spare"]).spare is spare


def test_an_import_that_fails_says_why_and_leaves_nothing_switched_off(packages: Path) -> None:
    write(packages, spare="", broken="import spare, no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        imports.load("broken", ["spare"])
    assert gc.isenabled()
    assert importlib.import_module("spare")
