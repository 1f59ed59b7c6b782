"""What a release says of itself, and what is none."""

import importlib.util
from types import ModuleType

import pytest

from sync.status.version import version
from tests.site import ROOT

PLUGIN = "name: PlexSync\nversion: 1.2.0\n"
CHANGELOG = "# Changelog\n\n## [1.2.0] - 2026-11-27\n\n### Added\n\n- New\n\n## [1.1.0] - 2026-01-01\n\n- Old\n"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_notes", ROOT / ".ci" / "release_notes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notes_are_the_changelogs(release: ModuleType) -> None:
    assert release.notes("v1.2.0", PLUGIN, CHANGELOG) == "### Added\n\n- New"


@pytest.mark.parametrize(
    ("tag", "changelog", "why"),
    [
        ("v1.2.1", CHANGELOG, r"the tag is v1\.2\.1; accepted: v1\.2\.0"),
        ("1.2.0", CHANGELOG, "accepted: v1"),
        ("v1.2.0", CHANGELOG.replace("[1.2.0]", "[Unreleased]"), "has no section"),
        ("v1.2.0", "## [1.2.0]\n\n## [1.1.0]\n\n- Old\n", "an empty one"),
    ],
)
def test_what_is_no_release(release: ModuleType, tag: str, changelog: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        release.notes(tag, PLUGIN, changelog)


def test_this_version_is_told_of(release: ModuleType) -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("PlexSync.yml", "CHANGELOG.md")]
    assert release.notes(f"v{version()}", *texts)
