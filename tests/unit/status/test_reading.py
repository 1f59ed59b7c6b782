"""A file's address in SQLite's words."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sync.status.reading import address


@pytest.mark.parametrize("name", ["plain.db", "100%20 #1 é 動画.db", "a b;c&d=e.db"])
def test_sqlite_opens_what_is_meant(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE t (n)")
    with closing(sqlite3.connect(address(str(file), "ro"), uri=True)) as read:
        assert read.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("D:\\Stash\\plexsync\\state.db", "file:///D:/Stash/plexsync/state.db?mode=rw"),
        ("\\\\nas\\share\\plexsync\\state.db", "file:////nas/share/plexsync/state.db?mode=rw"),
    ],
)
def test_a_path_of_windows(path: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    monkeypatch.setattr(os.path, "abspath", lambda given: given)
    assert address(path, "rw") == expected
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):  # not "invalid uri authority"
        sqlite3.connect(expected, uri=True)
