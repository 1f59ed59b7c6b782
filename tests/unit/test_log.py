"""Lines for Stash's log."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import log
from sync.hidden_paths import PathHider

PROPERTY = settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class NotWritable(io.RawIOBase):
    """A stream whose other end is closed."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise BrokenPipeError


STASH_READS = 64 * 1024
SECRET = "a/b+c d=e%f&ü-secret"


@pytest.fixture(autouse=True)
def forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_secrets", set())


def written_by(act: Callable[[], None]) -> bytes:
    """What Stash reads of the plugin's stderr."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        act()
    return raw.getvalue()


@pytest.mark.parametrize(
    ("write", "level"),
    [(log.debug, b"d"), (log.info, b"i"), (log.warning, b"w"), (log.error, b"e")],
    ids=["debug", "info", "warning", "error"],
)
def test_each_level_has_its_prefix(write: Callable[[str], None], level: bytes) -> None:
    assert written_by(lambda: write("Zoë 😀")) == b"\x01" + level + b"\x02" + "Zoë 😀".encode() + b"\n"


@pytest.mark.parametrize(
    ("done", "expected"),
    [(0, b"0.0000"), (0.25, b"0.2500"), (1, b"1.0000"), (-3, b"0.0000"), (7.5, b"1.0000"), (float("nan"), b"0.0000")],
)
def test_progress_is_a_number_from_0_to_1(done: float, expected: bytes) -> None:
    assert written_by(lambda: log.progress(done)) == b"\x01p\x02" + expected + b"\n"


def test_details_are_written_only_where_they_are_asked_for() -> None:
    def act() -> None:
        log.debug("one")
        log.detail("two %s", 2)
        log.detail("100 %")

    assert written_by(act) == b"\x01d\x02one\n"
    log.show_details(True)
    assert written_by(lambda: (log.debug("100 %"), log.detail("two %s", 2))[0]) == (
        b"\x01i\x02debug: 100 %\n\x01i\x02debug: two 2\n"
    )


def test_paths_stay_where_nobody_minds_them() -> None:
    assert log.redact('Scene 5 "clip": /data/clip.mp4') == 'Scene 5 "clip": /data/clip.mp4'


def test_secrets_and_paths_go_together() -> None:
    log.keep_secret("s3cret")
    log.hide_paths(PathHider(b"key").hide)
    said = log.redact("token s3cret, /data/s3cret clips/a clip.mp4, ?X-Plex-Token=abc&x")
    assert re.fullmatch(r"token \*\*\*, path-[0-9a-f]{8}/file-[0-9a-f]{8}\.mp4, \?X-Plex-Token=\*\*\*&x", said)
    assert b"/a=/b" not in log.line("i", "/a=/b")
    log.keep_readable("`/a=/b`")
    assert log.line("i", "`/a=/b`").endswith(b"`/a=/b`\n")
    assert b"/a=/b" not in log.line("i", "/a=/b"), "in that text alone"


def test_lines_follow_one_another_and_what_others_print() -> None:
    def act() -> None:
        log.info("one")
        print("other", file=sys.stderr)
        log.error("two")

    assert written_by(act) == b"\x01i\x02one\nother\n\x01e\x02two\n"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "a\x01e\x02b", "a\x00b", "a\u2028b", "a\x85b", "a\n\n\n\nb", "a\tb"]
)
def test_one_message_is_one_line(text: str) -> None:
    assert log.line("i", text) == b"\x01i\x02a" + log.line("i", text)[4:-2] + b"b\n"
    assert log.line("i", text).count(b"\n") == 1
    assert log.line("i", text).count(b"\x01") == 1
    assert len(log.line("i", text).decode().splitlines()) == 1


def test_a_line_is_cut_by_bytes() -> None:
    assert log.line("i", "x" * log.LONGEST_LINE) == b"\x01i\x02" + b"x" * log.LONGEST_LINE + b"\n"
    cut = log.line("i", "x" * (log.LONGEST_LINE + 1)).decode()
    assert cut == "\x01i\x02" + "x" * log.LONGEST_LINE + " …\n"


@pytest.mark.parametrize("character", ["é", "日", "😀"])
@pytest.mark.parametrize("shift", range(4))
def test_a_cut_is_between_two_characters(character: str, shift: int) -> None:
    line = log.line("i", "x" * shift + character * 40_000)

    assert len(line) < STASH_READS
    assert line.decode().removeprefix("\x01i\x02" + "x" * shift).removesuffix(" …\n").strip(character) == ""


def test_a_character_that_no_bytes_stand_for_is_no_error() -> None:
    assert log.line("i", "a\ud800b") == b"\x01i\x02a?b\n"


@pytest.mark.parametrize(
    "shown",
    [SECRET, quote(SECRET), quote(SECRET, safe=""), f"x{SECRET}y", f"{SECRET}{SECRET}", f"http://h/?q={quote(SECRET)}"],
    ids=["raw", "percent-encoded", "percent-encoded whole", "within", "twice", "in a URL"],
)
def test_a_known_secret_is_blackened(shown: str) -> None:
    assert shown in log.redact(shown), "only because it is known"
    log.keep_secret(SECRET)

    assert "secret" not in log.redact(shown)
    assert "***" in log.redact(shown)
    assert b"secret" not in log.line("i", shown)


def test_a_secret_within_a_longer_one_leaves_nothing_of_it() -> None:
    log.keep_secret("longersecretvalue", "secret", None, "")

    assert log.redact("a longersecretvalue b secret c") == "a *** b *** c"


def test_what_is_too_short_for_a_secret_does_not_blacken_every_line() -> None:
    log.keep_secret("a", "", None, "the")

    assert log.redact("that is the case") == "that is the case"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /x?X-Plex-Token=abc123&y=1", "GET /x?X-Plex-Token=***&y=1"),
        ("?a=1&x-plex-token=abc123", "?a=1&x-plex-token=***"),
        ("?apikey=abc", "?apikey=***"),
        ("?api_key=abc#x", "?api_key=***"),
        ("http%3A%2F%2Fh%2F%3FX-Plex-Token%3Dabc", "http%3A%2F%2Fh%2F%3FX-Plex-Token%3D***"),
        ("X-Plex-Token: abc", "X-Plex-Token: ***"),
        ("plex_token is empty; accepted: an X-Plex-Token", "plex_token is empty; accepted: an X-Plex-Token"),
        ("the token of the server's owner", "the token of the server's owner"),
    ],
)
def test_what_looks_like_a_token_is_blackened(text: str, expected: str) -> None:
    assert log.redact(text) == expected


def test_a_secret_at_the_cut_is_not_shown_in_part() -> None:
    log.keep_secret("0123456789abcdef")

    line = log.line("i", "x" * (log.LONGEST_LINE - 8) + "0123456789abcdef" + "y" * 100)

    assert b"0123" not in line


@pytest.mark.parametrize(
    "stream",
    [lambda: None, io.StringIO, lambda: io.TextIOWrapper(io.BufferedWriter(NotWritable()))],
    ids=["none", "no bytes", "not writable"],
)
def test_a_log_that_nobody_reads_stops_no_work(
    stream: Callable[[], io.TextIOBase | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream())

    log.info("text")
    log.progress(0.5)


def test_a_closed_log_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)

    log.info("text")


@PROPERTY
@given(st.text(st.characters(), max_size=60), st.integers(0, 2000))
def test_any_text_is_one_line_that_stash_reads(text: str, times: int) -> None:
    line = log.line("w", text * times)

    assert line.startswith(b"\x01w\x02")
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert len(line) < STASH_READS
    assert not set(line[3:-1]) & {*range(32), 127}
    line.decode()


@PROPERTY
@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=4, max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_no_secret_is_in_any_line(secret: str, before: str, after: str) -> None:
    log._secrets.clear()
    log.keep_secret(secret)
    for form in (secret, quote(secret), quote(secret, safe="")):
        assert form not in log.redact(f"{before}{form}{after}").replace("***", "\0")
