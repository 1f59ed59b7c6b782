"""A Python that PlexSync cannot run with gets one sentence; one that is full of packages costs a save nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.site import ROOT

pytestmark = pytest.mark.integration

HOOK = {"hookContext": {"id": 1, "type": "Scene.Update.Post", "input": None, "inputFields": ["id", "title"]}}
TASK = {"mode": "process_queue"}
OLD = ("2.7", "3.6", "3.8", "3.10")


def run(python: Sequence[str], args: dict[str, Any], folder: Path, **environment: str) -> dict[str, str]:
    """What plexsync.py answers, and nothing beside it."""
    call = {"server_connection": {"Dir": str(folder), "Scheme": "http", "Host": "127.0.0.1", "Port": 9}, "args": args}
    done = subprocess.run(
        [*python, "-S", str(ROOT / "plexsync.py")],
        input=json.dumps(call).encode() + b" " * 200_000,  # more than a pipe holds: it has to be read to its end
        capture_output=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@pytest.fixture(params=OLD)
def old(request: pytest.FixtureRequest) -> str:
    """The path of an old Python, where this machine has it."""
    name, version = f"python{request.param}", "import sys; print('%d.%d' % sys.version_info[:2])"
    beside = Path(sys.base_prefix).parent.glob(f"{request.param}.*/bin/{name}")  # as pyenv has them
    for path in (shutil.which(name), *map(str, beside)):
        said = path and subprocess.run([path, "-c", version], capture_output=True, text=True, check=False).stdout
        if path and said and said.strip() == request.param:
            return path
    pytest.skip(f"this machine has no Python {request.param}")


@pytest.mark.parametrize("args", [HOOK, TASK], ids=["hook", "task"])
def test_an_old_python_is_named_with_what_to_do(old: str, args: dict[str, Any], tmp_path: Path) -> None:
    error = run([old], args, tmp_path)["error"]
    assert error.startswith("Stash runs PlexSync with Python ")
    assert "3.11 or newer" in error
    assert "Python executable path" in error


def test_an_old_python_at_a_shell_is_named(old: str) -> None:
    done = subprocess.run([old, str(ROOT / "plexsync.py"), "status"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("PlexSync needs Python 3.11 or newer")


@pytest.mark.parametrize("args", [HOOK, TASK], ids=["hook", "task"])
def test_a_python_without_sqlite_is_named_with_what_to_do(args: dict[str, Any], tmp_path: Path) -> None:
    lacks = tmp_path / "lacks"
    lacks.mkdir()
    for part in ("_sqlite3", "sqlite3"):
        (lacks / f"{part}.py").write_text(
            f'raise ModuleNotFoundError("No module named {part}", name="{part}")', encoding="utf-8"
        )
    error = run([sys.executable], args, tmp_path, PYTHONPATH=str(lacks))["error"]
    assert error.startswith("Stash runs PlexSync with a Python without sqlite3")
    assert "Python executable path" in error


@pytest.mark.parametrize("file", ["plexsync.py", "sync/setup/unfit.py", "sync/__init__.py", "sync/setup/__init__.py"])
def test_what_an_old_python_reads_has_nothing_that_only_a_new_one_knows(file: str) -> None:
    source = (ROOT / file).read_text(encoding="utf-8")
    assert source.isascii()  # Python 2 stops at the first other character
    for word in ('f"', "f'", " -> ", ":=", "print(", "from __future__", "nonlocal ", "async "):
        assert word not in source


def test_a_hook_leaves_the_packages_of_its_python_alone_and_a_task_finds_them(tmp_path: Path) -> None:
    """Python's `site` runs what packages ask for in .pth files: 60 ms of each save on some machines."""
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    purelib = "import sysconfig; print(sysconfig.get_path('purelib', sysconfig.get_preferred_scheme('user')))"
    user = {"PYTHONUSERBASE": str(tmp_path / "user"), "PIP_NO_INDEX": "1", "PYTHONNOUSERSITE": ""}
    folder = Path(subprocess.check_output([python, "-c", purelib], text=True, env={**os.environ, **user}).strip())
    folder.mkdir(parents=True)
    mark = tmp_path / "mark"
    (folder / "package.pth").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n", encoding="utf-8")
    assert "queued" in run([python], HOOK, tmp_path, **user)["output"]
    assert not mark.exists()
    run([python], TASK, tmp_path, **user)
    assert mark.exists()
