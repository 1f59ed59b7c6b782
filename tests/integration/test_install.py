"""Installing packages, in this process: what the real runs of test_dependencies.py do, where coverage can see it."""

from __future__ import annotations

import errno
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sync.errors import SetupError
from sync.setup import dependencies, install
from tests.integration.test_dependencies import make_wheel, make_wheels

pytestmark = pytest.mark.integration


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_wheels(tmp_path / "wheels")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def put(data: Path, *, by_hand: bool = True) -> Path:
    requirements = dependencies.requirements_file()
    target = Path(dependencies.target_folder(str(data)))
    install.install(str(data), str(target), requirements, ["plexapi is not installed"], try_again_now=by_hand)
    return target


def test_a_set_is_installed_whole(tmp_path: Path, wheels: Path) -> None:
    target = put(tmp_path)
    assert dependencies.is_whole(str(target))
    assert {"plexapi", "persistqueue", "pydantic", "stashapi"} <= {path.name for path in target.iterdir()}
    assert [path.name for path in target.parent.iterdir() if path.is_dir()] == [target.name], "nothing is left over"


def test_a_failure_leaves_the_last_good_state_and_is_not_repeated_at_once(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wheel in wheels.glob("plexapi*"):
        wheel.unlink()
    with pytest.raises(SetupError, match="could not be installed") as failure:
        put(tmp_path)
    assert "-m pip install --target" in str(failure.value)
    make_wheel(wheels, "plexapi", "4.18.3", {"plexapi/__init__.py": "", "plexapi/server.py": ""})
    with pytest.raises(SetupError, match="could not be installed"):
        put(tmp_path, by_hand=False)
    assert dependencies.is_whole(str(put(tmp_path)))


def test_a_set_that_cannot_be_imported_is_not_used(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "plexapi", "4.99.0", {"plexapi/__init__.py": "raise ImportError('for another machine')"})
    with pytest.raises(SetupError):
        put(tmp_path)
    assert not dependencies.is_whole(dependencies.target_folder(str(tmp_path)))


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


def test_a_folder_that_is_a_file(tmp_path: Path, wheels: Path) -> None:
    (tmp_path / "deps").write_text("in the way")
    with pytest.raises(SetupError, match="deps"):
        put(tmp_path)
