"""JSON without the json package, held against it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import fast

PROPERTY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["_json", "json"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Every test runs with CPython's C module and without it."""
    if request.param == "json":
        monkeypatch.setattr(fast, "_json", None)
    else:
        assert vars(fast)["_json"] is not None
    yield request.param


def same(one: Any, other: Any) -> bool:
    """Equal in value and type, with NaN equal to itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one == other and str(one) == str(other))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize(
    "document",
    [
        '{"server_connection": {"Port": 9999}, "args": {}}',
        " \t\r\n[1, 2.5, -0, -0.0, 1e5, 1E-2, true, false, null]\n ",
        '"\\u00e9 \\ud83d\\ude00 \\n \\" \\\\ \\/"',
        '"é 😀"',
        '"\\ud800"',
        '{"a": 1, "a": 2}',
        "{}",
        "[]",
        '""',
        "0",
        "NaN",
        "[Infinity, -Infinity]",
        "123456789012345678901234567890",
        "1e400",
        '{"":{"":[]}}',
    ],
)
def test_documents_that_json_reads(document: str) -> None:
    assert same(fast.loads(document.encode()), json.loads(document))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"   ",
        b"{",
        b"[1,",
        b"[1 2]",
        b"[1,]",
        b"{'a': 1}",
        b'{"a" 1}',
        b'{"a": }',
        b"{1: 2}",
        b'"open',
        b'"\\x"',
        b'"\\u12"',
        b"nul",
        b"tru",
        b"-",
        b"01",
        b"+1",
        b".5",
        b"{} {}",
        b"{}x",
        b"1 2",
        b"\xff\xff",
        b'"\xc3"',
        b"\x00",
        b"<html>",
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_no_document_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError):
        fast.loads(document)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_document_nested_too_deep_is_an_error_and_no_crash(opening: bytes) -> None:
    with pytest.raises((RecursionError, ValueError)):
        fast.loads(opening * 200_000)


def test_one_document_leaves_nothing_to_the_next() -> None:
    first = fast.loads(b'{"key": {"key": 1}}')
    first["key"]["other"] = 2

    assert fast.loads(b'{"key": {"key": 1}}') == {"key": {"key": 1}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@PROPERTY
@given(json_values, st.booleans(), st.sampled_from([None, 1]))
def test_any_document_reads_as_json_reads_it(value: Any, ascii_only: bool, indent: int | None) -> None:
    document = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    got = fast.loads(document.encode())

    assert same(got, json.loads(document))
    assert same(got, value)


@PROPERTY
@given(json_values, st.data())
def test_a_damaged_document_reads_as_json_reads_it_or_is_a_value_error(value: Any, data: st.DataObject) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    at = data.draw(st.integers(0, len(raw)))
    damaged = raw[:at] + data.draw(st.sampled_from([b"", b"{", b"]", b",", b'"', b"\\", b"1", b"\xc3"])) + raw[at + 1 :]
    try:
        expected = json.loads(damaged.decode())
    except ValueError:
        with pytest.raises(ValueError):
            fast.loads(damaged)
    else:
        assert same(fast.loads(damaged), expected)


@PROPERTY
@given(st.binary(max_size=40))
def test_any_bytes_are_a_document_or_a_value_error(raw: bytes) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        fast.loads(raw)


@pytest.mark.parametrize("text", ["", "a", '"', "\\", "\n\x00\x1f\x7f", "é", "😀", "\ud800", "\u2028", "</script>"])
def test_quoted_strings(text: str) -> None:
    assert fast.quote(text) == json.dumps(text)


@PROPERTY
@given(st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "Zs", "So"])))
def test_any_string_is_quoted_as_json_does_it_and_reads_back(text: str) -> None:
    quoted = fast.quote(text)

    assert quoted == json.dumps(text)
    assert quoted.isascii()
    # Two halves of one character, side by side, are read as that character.
    assert ascii(fast.loads(quoted.encode())) == ascii(json.loads(quoted))
