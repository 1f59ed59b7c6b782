"""A Plex that stumbles and is asked again at once: a 500 now and then costs nobody a try."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sync import fast
from sync.plex import client
from tests.site import ROOT, Site

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch, _no_patience: None) -> None:
    monkeypatch.setattr(client, "PAUSES", (0.001, 0.002))


@pytest.mark.parametrize("scenes", [1, 3, 30])
def test_every_third_request_answered_with_500_is_all_right_in_one_run(site: Site, scenes: int) -> None:
    pairs = site.save_many(scenes)
    site.plex.fail(status=500, every=3)
    assert site.drain().output == f"{scenes} scene{'' if scenes == 1 else 's'}: {scenes} changed in Plex"
    assert site.arrived(pairs) == list(pairs)
    assert site.rows() == []


@pytest.mark.parametrize("kind", ["status", "reset", "half"])
def test_an_edit_is_looked_at_before_it_is_sent_again(site: Site, kind: str) -> None:
    scene, key = site.add()
    site.plex.fail(kind=kind, method="PUT", after_effect=True)  # type: ignore[arg-type]
    site.save_and_sync(scene, title="Once", tags=["a", "b"])
    assert site.item(key).title == "Once"
    assert len(site.plex.edits) == 1, "it was there already"
    assert site.rows() == []


def test_an_edit_that_was_not_taken_is_sent_again(site: Site) -> None:
    scene, key = site.add()
    site.plex.fail(status=500, method="PUT", times=2)
    site.save_and_sync(scene, title="Third time")
    assert site.item(key).title == "Third time"
    assert len(site.plex.edits) == 3


def test_a_plex_that_is_slow_is_not_asked_three_times(site: Site) -> None:
    scene, _ = site.add()
    site.configure(read_timeout=0.2)
    site.plex.fail(kind="hang", path_contains="/library/metadata", times=None)
    site.save_and_sync(scene, title="T")
    assert len([r for r in site.plex.requests if r.path.startswith("/library/metadata")]) == 1


# Broken input in a process of its own: in this one `json` is imported, in a hook's it is not


@pytest.mark.parametrize(
    "stdin",
    [b'{"args" {}}', b'{"a": "b', b'{"a": tru', b"{'a': 1}", b'{"server_connection": {"Dir": "x" "y"}}', b"{,}"],
)
def test_a_wrong_document_is_explained(stdin: bytes) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "plexsync.py")], input=stdin, capture_output=True, check=False
    )
    answer = json.loads(done.stdout)
    assert "no JSON" in answer["error"]
    assert (done.returncode, done.stderr) == (0, b"")
    with pytest.raises(ValueError, match=r"."):
        fast.loads(stdin)
