"""Ctrl-C: raised once, not again while the run cleans up, and not lost in a destructor."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator

import pytest

from sync.cli import interruption
from sync.cli.interruption import Interruption


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    # Tests that were started in the background have it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
    assert sys.unraisablehook is hook


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_second_one_is_impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Interruption()
    try:
        with pytest.raises(KeyboardInterrupt):
            press()
        assert watch.happened
        press()
        monkeypatch.setattr(interruption, "PATIENCE", 0.0)
        with pytest.raises(KeyboardInterrupt):
            press()
        watch.ignore()
        press()
    finally:
        watch.end()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Destroyed:
    """Something during whose end Ctrl-C is pressed."""

    def __del__(self) -> None:
        press()


def test_one_that_strikes_a_destructor_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Interruption()
    try:
        with pytest.raises(KeyboardInterrupt):
            Destroyed()
            time.sleep(10)
    finally:
        watch.end()
    assert watch.happened
    assert capsys.readouterr().err == ""


def test_what_the_caller_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch = Interruption()
    press()
    watch.ignore()
    watch.end()
    assert not watch.happened
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
