"""Installing packages where paths are too long, as on Windows; all else is in test_dependencies.py."""

from __future__ import annotations

import errno
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sync.errors import SetupError
from sync.setup import dependencies, install
from tests.integration.test_dependencies import make_wheels

pytestmark = pytest.mark.integration


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_wheels(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put(data: Path) -> Path:
    requirements = dependencies.requirements_file()
    target = Path(dependencies.target_folder(str(data)))
    install.install(str(data), str(target), requirements, ["plexapi is not installed"], try_again_now=True)
    return target


def test_a_path_that_is_too_long_for_the_packages(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows takes 259 characters, unless its owner has allowed more; played where there is no such limit."""
    refused = OSError(errno.ENOENT, "The system cannot find the path specified")

    def limited(path: Any, *given: Any, real: Any = open, **more: Any) -> Any:
        if len(str(path)) > len(str(tmp_path)) + 200:
            raise refused
        return real(path, *given, **more)

    monkeypatch.setattr("builtins.open", limited)
    data = tmp_path / ("x" * 80)
    data.mkdir()
    with pytest.raises(SetupError, match=r"too long a path.*up to \d\d\d characters.*PLEXSYNC_DATA_DIR"):
        put(data)
    assert list((data / "deps").iterdir()) == []
    data = tmp_path / "x"
    data.mkdir()
    assert dependencies.is_whole(str(put(data)))


def test_the_deepest_file_of_the_packages_is_within_what_is_tried() -> None:
    names = [requirement.name for requirement in dependencies.read_requirements()]
    files = [str(file) for name in (*names, "pydantic-core", "requests") for file in metadata.files(name) or ()]
    longest = max(len(file) for file in files if not file.startswith(".."))
    # pip installs into a folder of its own, and Python compiles into a file with a number behind its name.
    assert len("/tmp/pip-target-12345678/lib/python/") + longest + len(".1234567890123") <= install._DEEPEST
