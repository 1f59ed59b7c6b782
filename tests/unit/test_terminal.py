"""Log lines and a progress bar on a terminal, and without one."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import log
from sync.cli import terminal
from sync.cli.terminal import Screen, bar


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """What stands on the lines of the screen."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            lines.append("".join(cells).rstrip())
        return lines


class Gone(Terminal):
    """A terminal that was closed."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_bar() -> None:
    assert bar(0.5, 20) == "[######------]  50 %"
    assert bar(0, 20) == "[------------]   0 %"
    assert bar(1, 20) == "[############] 100 %"
    assert bar(0.999, 20) == "[###########-]  99 %"
    assert bar(0.5, 30, "sync-all") == "sync-all [######-------]  50 %"
    assert bar(0.5, 200).count("#") == terminal.LONGEST_BAR / 2
    assert bar(0.5, 10) == " 50 %"
    assert bar(0.5, 4) == ""
    assert bar(float("nan"), 20) == bar(-1, 20) == bar(0, 20)
    assert bar(7, 20) == bar(1, 20)


@settings(max_examples=50, deadline=None)
@given(st.floats(), st.integers(-5, 300), st.text("ab", max_size=30))
def test_any_bar_fits(done: float, width: int, label: str) -> None:
    assert len(bar(done, width, label)) <= max(0, width)


def test_lines_stand_above_the_bar_which_goes_at_the_end() -> None:
    stream = Terminal()
    screen = Screen(stream, {"NO_COLOR": "1"}, has_bar=True, label="sync-all")
    screen("i", "before")
    screen("p", "0.25")
    screen("w", "in between, and longer than the bar, whose rest must not be seen behind it" * 2)
    screen("i", "short")
    screen("p", "0.5")
    *lines, last = stream.shown()
    assert lines[0] == "before"
    assert lines[1].startswith("warning: in between")
    assert lines[2:] == ["short"]
    assert last == bar(0.5, 79, "sync-all")
    drawn = stream.getvalue()
    screen("p", "0.5")
    assert stream.getvalue() == drawn, "not drawn again when nothing changes"
    screen.clear()
    assert stream.shown()[-1] == ""
    screen("e", "after")
    assert stream.shown()[-2:] == ["error: after", ""]


def test_no_bar_and_no_colour_without_a_terminal() -> None:
    stream = io.StringIO()
    screen = Screen(stream, {}, has_bar=True)
    for level in "tdiwe":
        screen(level, "text")
    screen("p", "0.5")
    screen.clear()
    assert stream.getvalue() == "text\nwarning: text\nerror: text\n"


def test_colours_are_for_a_terminal_that_wants_them() -> None:
    for environment, wanted in (
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ):
        stream = Terminal()
        screen = Screen(stream, environment, least="d", has_bar=True)
        for level in "diwe":
            screen(level, "text")
        screen("p", "0.5")
        assert ("\x1b[31merror: \x1b[0mtext\n" in stream.getvalue()) is wanted
        assert ("\x1b" in stream.getvalue()) is wanted
        assert ("%" in stream.getvalue()) is (environment["TERM"] != "dumb")


def test_a_terminal_that_is_gone_stops_no_work() -> None:
    screen = Screen(Gone(), {}, has_bar=True)
    screen("i", "text")
    screen("p", "0.5")
    screen.clear()


def test_what_would_steer_a_terminal_does_not() -> None:
    assert terminal.one_line("a\x1b[2J\nb\x9bc\u2028d") == "a [2J b c d"


@pytest.fixture
def told() -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    log.use(lambda level, text: lines.append((level, text)))
    return lines


def test_the_log_goes_where_it_is_told_and_back(
    told: list[tuple[str, str]], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    log.keep_secret("the-secret")
    log.info("a\nb \x01e\x02 the-secret é")
    log.progress(0.5)
    log.error("x" * (log.LONGEST_LINE + 1))
    assert told[:2] == [("i", "a b  e  *** é"), ("p", "0.5000")]
    assert told[2] == ("e", "x" * log.LONGEST_LINE + " …")
    assert capsysbinary.readouterr().err == b""
    log.use(None)
    log.info("again")
    assert capsysbinary.readouterr().err == b"\x01i\x02again\n"
