"""Files of the data folder that one process writes while others read them."""

from __future__ import annotations

import builtins
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sync import data_folder


def test_who_reads_while_others_write_finds_one_whole_text(tmp_path: Path) -> None:
    """On Windows each gets in the other's way."""
    file = str(tmp_path / "facts.json")
    texts = {str(number) * 5000 for number in range(9)}
    data_folder.put(file, "0" * 5000)
    found: set[str] = set()
    errors: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        try:
            while not stop.is_set():
                found.add(data_folder.get(file))
                time.sleep(0.002)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for one in readers:
        one.start()
    try:
        for _ in range(10):
            for text in texts:
                data_folder.put(file, text)
    finally:
        stop.set()
        for one in readers:
            one.join()
    assert errors == []
    assert found <= texts
    assert os.listdir(tmp_path) == ["facts.json"]


@pytest.mark.usefixtures("windows_shares")
def test_a_file_that_windows_keeps_from_us_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(tmp_path / "facts.json")
    data_folder.put(file, "text")
    times = 3

    def busy(path: Any, *given: Any, real: Any = open, **more: Any) -> Any:
        nonlocal times
        if path == file and times:
            times -= 1
            raise PermissionError(13, "Permission denied", file)
        return real(path, *given, **more)

    monkeypatch.setattr(builtins, "open", busy)
    assert data_folder.get(file) == "text"
    times = -1
    monkeypatch.setattr(data_folder, "PATIENCE", 0.05)
    with pytest.raises(PermissionError):
        data_folder.get(file)
    monkeypatch.setattr(data_folder, "IS_WINDOWS", False)
    times = 1
    with pytest.raises(PermissionError):
        data_folder.get(file)


def test_what_cannot_be_put_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "facts.json").mkdir()
    with pytest.raises(OSError):
        data_folder.put(str(tmp_path / "facts.json"), "text")
    assert os.listdir(tmp_path) == ["facts.json"]
