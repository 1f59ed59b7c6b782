"""The command line: what is accepted, what is refused and how, and where Stash and the key are."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from sync import log
from sync.command_line import options as arguments
from sync.command_line.connection import connection_of, read_url
from sync.command_line.options import UsageError
from sync.errors import SetupError

KEY = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LWtleQ.abcdefghijklmnop"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("status", {"command": "status"}),
        ("process-queue --due", {"command": "process-queue", "due": True}),
        ("sync-all --verbose", {"command": "sync-all", "verbose": True}),
        ("sync-recent", {"command": "sync-recent"}),
        ("sync-recent --days 2", {"command": "sync-recent", "days": 2}),
        ("sync-recent --days 0.5", {"command": "sync-recent", "days": 0.5}),
        ("reconcile", {"command": "reconcile"}),
        ("reconcile --dry-run --scope 1d", {"command": "reconcile", "scope": "1d", "dry_run": True}),
        ("failed list", {"command": "failed list"}),
        ("failed retry --error-type X", {"command": "failed retry", "error_type": "X"}),
        ("failed clear --error-type=X", {"command": "failed clear", "error_type": "X"}),
        ("clear-queue --quiet", {"command": "clear-queue", "quiet": True}),
        ("check-setup --data-dir /d", {"command": "check-setup", "data_dir": "/d"}),
        ("--json status", {"command": "status", "json": True}),
        ("--stash-url http://a status --json", {"command": "status", "stash_url": "http://a", "json": True}),
        ("--data-dir /a failed --json list --data-dir /b", {"command": "failed list", "json": True, "data_dir": "/b"}),
        ("--api-key-file f failed list", {"command": "failed list", "api_key_file": "f"}),
        ("--version", {"version": True}),
    ],
)
def test_what_is_accepted(line: str, expected: dict[str, Any]) -> None:
    found = {name: value for name, value in vars(arguments.read(line.split())).items() if value}
    found.pop("action", None)
    assert found == expected


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "a command is missing; accepted: status, process-queue"),
        ("--json", "a command is missing"),
        ("sync", "invalid choice: 'sync'"),
        ("failed", "ACTION"),
        ("failed burn", "invalid choice: 'burn'"),
        ("status --wrong=abc", "not known: --wrong"),
        ("status abc", "not known: 1 of the words"),
        ("status --js", "not known: --js"),
        ("sync-recent --days 0", "'0' is not accepted: a number above 0"),
        ("sync-recent --days -3", "'-3' is not accepted"),
        ("sync-recent --days nan", "'nan' is not accepted"),
        ("sync-recent --days inf", "'inf' is not accepted"),
        ("sync-recent --days many", "'many' is not accepted"),
        ("reconcile --scope 2d", "invalid choice: '2d'"),
        ("status --days 3", "not known: --days"),
        ("status --stash-url", "--stash-url"),
        ("--quiet status --verbose", "--quiet and --verbose do not go together"),
    ],
)
def test_what_is_refused(line: str, says: str) -> None:
    with pytest.raises(UsageError) as refusal:
        arguments.read(line.split())
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "line",
    [
        f"--api-key {KEY} status",
        f"status --api-key {KEY}",
        f"status --api-key={KEY}",
        f"status --apikey {KEY}",
        f"status --api_key {KEY}",
        f"status --stash-api-key={KEY}",
        f"status -api-key {KEY}",
        f"status --plex-token {KEY}",
        f"status --password={KEY}",
        f"{KEY}",
        f"status {KEY}",
        f"status --wrong={KEY}",
        f"--wrong {KEY} status",
    ],
)
def test_a_secret_on_the_command_line_is_not_shown(line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        arguments.read(line.split())
    assert KEY not in str(refusal.value)
    if "api" in line:
        assert "is not accepted: every user of this machine can read a command line" in str(refusal.value)
        assert "--api-key-file" in str(refusal.value)
        assert "STASH_API_KEY" in str(refusal.value)


@pytest.mark.parametrize("line", ["--help", "status --help", "failed --help", "failed retry -h", "reconcile --help"])
def test_help_says_what_there_is(line: str) -> None:
    text = arguments.read(line.split()).help
    assert f"{'py' if sys.platform == 'win32' else 'python3'} plexsync.py" in text
    assert "--api-key-file" in text
    if line == "--help":
        for part in ("exit codes:", "  130  ", "examples:", "STASH_API_KEY", "PLEXSYNC_DATA_DIR", *arguments.COMMANDS):
            assert part in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:9999", ("http", "localhost", 9999)),
        ("localhost:9999", ("http", "localhost", 9999)),
        (" http://nas:9999/ ", ("http", "nas", 9999)),
        ("https://nas", ("https", "nas", 443)),
        ("http://nas", ("http", "nas", 80)),
        ("https://[::1]:9999", ("https", "::1", 9999)),
    ],
)
def test_a_url_of_stash(url: str, expected: tuple[str, str, int]) -> None:
    found = read_url(url)
    assert (found["Scheme"], found["Host"], found["Port"]) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "ftp://nas",
        "http://",
        "http://nas:abc",
        "http://nas:99999",
        "http://nas/stash",
        "http://a b",
        "http://[::1",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(SetupError, match=r"--stash-url is .* accepted: where Stash listens"):
        read_url(url)


@pytest.mark.parametrize("url", [f"http://me:{KEY}@nas:9999", f"http://nas:9999/?apikey={KEY}", f"http://nas#{KEY}"])
def test_a_url_with_a_secret_is_not_shown(url: str) -> None:
    with pytest.raises(SetupError) as refusal:
        read_url(url, "STASH_URL")
    assert str(refusal.value).startswith("STASH_URL holds more than an address")
    assert KEY not in str(refusal.value)


def given(**options: Any) -> Namespace:
    return Namespace(**{"data_dir": None, "stash_url": None, "api_key_file": None, **options})


def connect(tmp_path: Path, environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    return connection_of(given(data_dir=str(tmp_path), **options), environment or {}, needs_stash=True)


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"\ufeff{KEY}\r\n", encoding="utf-8")
    assert connect(tmp_path)["ApiKey"] == ""
    assert connect(tmp_path, {"STASH_API_KEY": f" {KEY}\n"})["ApiKey"] == KEY
    found = connect(tmp_path, {"STASH_API_KEY": "another", "STASH_URL": "http://nas:1"}, api_key_file=str(file))
    assert found == {"Scheme": "http", "Host": "nas", "Port": 1, "ApiKey": KEY, "DataDir": str(tmp_path)}
    assert log.redact(KEY) == "***"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \r\n\r\n"], ids=ascii)
def test_a_key_as_programs_write_it(tmp_path: Path, encoding: str, end: str) -> None:
    """PowerShell's `>` writes UTF-16, its `Out-File -Encoding utf8` a mark in front, Notepad either."""
    file = tmp_path / "key"
    file.write_bytes(f"{chr(0xFEFF) if encoding == 'utf-16-be' else ''}{KEY}{end}".encode(encoding))
    assert connect(tmp_path, api_key_file=str(file))["ApiKey"] == KEY


def test_a_key_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "key"
    for content, says in (
        (b"", "it holds no text"),
        (b" \n", "it holds no text"),
        (b"\xff\xfe\x00", "it holds no text"),
        (b"two words", "holds no API key"),
        (b"one\nheader: two", "holds no API key"),
        (b"x" * 9000, "holds no API key"),
    ):
        file.write_bytes(content)
        with pytest.raises(SetupError, match=says) as refusal:
            connect(tmp_path, api_key_file=str(file))
        assert "--api-key-file" in str(refusal.value)
    with pytest.raises(SetupError, match="cannot be read"):
        connect(tmp_path, api_key_file=str(tmp_path))
    with pytest.raises(SetupError, match="STASH_API_KEY holds no API key"):
        connect(tmp_path, {"STASH_API_KEY": "a b"})


@pytest.mark.parametrize("key", [KEY, KEY * 20], ids=["no such file", "too long for a file"])
def test_a_key_instead_of_its_file_is_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(SetupError, match="--api-key-file cannot be read") as refusal:
        connect(tmp_path, api_key_file=key)
    assert KEY not in str(refusal.value)


def test_a_data_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    for options, environment, name in (
        (given(data_dir=str(missing)), {}, "--data-dir"),
        (given(), {"PLEXSYNC_DATA_DIR": str(missing)}, "PLEXSYNC_DATA_DIR"),
    ):
        with pytest.raises(SetupError, match=f"^{name} is .* no folder here"):
            connection_of(options, environment, needs_stash=False)
    assert not missing.exists()


def test_an_option_goes_before_the_environment(tmp_path: Path) -> None:
    found = connection_of(given(data_dir=str(tmp_path)), {"PLEXSYNC_DATA_DIR": "/nowhere"}, needs_stash=False)
    assert found == {"DataDir": str(tmp_path)}
