"""What the machine brings along: CAs of one's own, and other programs' configuration of plexapi."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.wire import home_ca, self_signed, tls_before
from tests.site import Child, Site

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the user that Stash runs as."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


# A CA of one's own


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_ca_of_ones_own(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    scene, key = site.add()
    context, authority = home_ca(tmp_path)
    with tls_before(site.plex.port, context) as port:
        site.configure(plex_url=f"https://127.0.0.1:{port}")
        assert "no trusted https connection" in str(site.save_and_sync(scene, title="Not yet").error)
        monkeypatch.setenv(variable, str(authority))
        assert Child.drain(site, by_hand=True).end().error is None
        assert site.item(key).title == "Not yet"
        checked = Child(site, {"mode": "check_setup"}).end()
        assert str(checked.output).startswith("The setup is good")


def test_a_ca_that_is_not_ones_own(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, _ = site.add()
    context, _ = home_ca(tmp_path)
    (tmp_path / "other").mkdir()
    _, other = self_signed(tmp_path / "other")
    with tls_before(site.plex.port, context) as port:
        site.configure(plex_url=f"https://127.0.0.1:{port}")
        for named in (other, tmp_path / "no such file", tmp_path):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(named))
            monkeypatch.setenv("SSL_CERT_FILE", str(named))
            answer = site.save_and_sync(scene, title="Never")
            assert "SSL_CERT_FILE" in str(answer.error), "it says what to do"
            assert "Traceback" not in answer.said()
    assert site.plex.edits == []


def test_a_bundle_that_is_not_there_matters_for_https_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, key = site.add()
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(variable, "/nowhere/ca.pem")
    assert site.save_and_sync(scene, title="T").error is None
    assert site.item(key).title == "T"


# plexapi's configuration

HOSTILE = """[plexapi]
container_size = x
timeout = 0.0001
autoreload = true
enable_fast_connect = true
timezone = Nowhere/Land
[auth]
server_baseurl = http://127.0.0.1:9
server_token = not-yours
[header]
identifier = somebody-else
device_name = somebody-else
[log]
path = {folder}/plexapi.log
level = DEBUG
format = %%(message)s
show_secrets = true
"""
BROKEN = "what is this\n[["
LOUD = "[log]\nlevel = LOUDER\nbackup_count = x\npath = /nowhere/at/all/plexapi.log\n"


@pytest.mark.parametrize(
    ("where", "text"),
    [("at home", HOSTILE), ("named", BROKEN), ("at home", LOUD)],
    ids=["hostile", "broken", "loud"],
)
def test_the_users_own_configuration_of_plexapi(
    site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, text: str, where: str
) -> None:
    file = home / ".config" / "plexapi" / "config.ini"
    if where == "named":
        file = home / "other.ini"
        monkeypatch.setenv("PLEXAPI_CONFIG_PATH", str(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.format(folder=home))
    assert_synced_and_silent(site, home)


def test_variables_for_plexapi(site: Site, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOG_PATH": str(home / "plexapi.log"),
        "LOG_LEVEL": "DEBUG",
        "LOG_SHOW_SECRETS": "true",
        "PLEXAPI_TIMEOUT": "0.0001",
        "PLEXAPI_AUTORELOAD": "true",
        "HEADER_IDENTIFIER": "somebody-else",
        "HEADER_DEVICE_NAME": "somebody-else",
        "AUTH_SERVER_TOKEN": "not-yours",
    }.items():
        monkeypatch.setenv(f"PLEXAPI_{name}", value)
    assert_synced_and_silent(site, home)


def assert_synced_and_silent(site: Site, home: Path) -> None:
    before = {path for path in home.rglob("*") if path.is_file()}
    scene, key = site.add()
    site.stash.save_scene(scene, title="T")
    assert Child.hook(site, scene).end().error is None
    answer = Child.drain(site).end()
    assert answer.error is None
    assert site.item(key).title == "T"
    assert {path for path in home.rglob("*") if path.is_file()} == before, "plexapi's log has come to life"
    assert not os.path.exists("/nowhere")
    assert "somebody-else" not in {value for one in site.plex.requests for value in one.headers.values()}
    assert Child(site, {"mode": "check_setup"}).end().error is None
