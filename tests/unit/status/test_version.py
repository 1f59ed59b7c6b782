"""One version, in PlexSync.yml: the command line, the log and the pages say that one."""

from pathlib import Path

import pytest
import yaml

from sync import data_folder
from sync.status.version import version
from tests.site import ROOT, Site


def test_it_is_the_one_that_stash_reads() -> None:
    assert version() == yaml.safe_load((ROOT / "PlexSync.yml").read_text(encoding="utf-8"))["version"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: PlexSync\nversion: '1.2.3'\n", "1.2.3"),
        ('version: "1.2.3-rc.1+5"\n', "1.2.3-rc.1+5"),
        ("name: PlexSync\nsettings:\n  version: 7\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_it_is_read_as_people_write_it(
    text: str | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_folder, "PLUGIN_FOLDER", str(tmp_path))
    if text is not None:
        (tmp_path / "PlexSync.yml").write_text(text, encoding="utf-8")
    assert version() == found


def test_what_a_person_has_pressed_begins_with_it_in_the_log(site: Site) -> None:
    assert site.drain(by_hand=True).log[0] == ("i", f"PlexSync {version()}")
    assert version() not in site.drain().said(), "as after each save"
