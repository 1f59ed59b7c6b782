"""What an answer of Plex, or none, means."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from sync.errors import PermanentError, PlexSyncError, SetupError, TransientError
from sync.plex.client import error_of_exception, error_of_response, error_of_status
from sync.plex.exceptions import (
    PlexItemGone,
    PlexNotFound,
    PlexPermanentError,
    PlexServerDown,
    PlexSetupError,
    PlexTemporaryError,
)

PROPERTY = settings(max_examples=100, deadline=None)

ADDRESS = "http://192.168.1.10:32400"
TIMEOUTS = (5.0, 30.0)
URL = "/library/sections/1/all?X-Plex-Token=Zq7secret"
POOL = HTTPConnectionPool("192.168.1.10", 32400)
CONNECTION = HTTPConnection("192.168.1.10", 32400)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, PlexSetupError),
        (400, PlexPermanentError),
        (401, PlexSetupError),
        (403, PlexSetupError),
        (404, PlexItemGone),
        (408, PlexTemporaryError),
        (429, PlexTemporaryError),
        (500, PlexTemporaryError),
        (502, PlexTemporaryError),
        (503, PlexServerDown),
        (504, PlexTemporaryError),
        (599, PlexTemporaryError),
    ],
)
def test_what_a_status_means(status: int, expected: type[Exception]) -> None:
    error = error_of_status(status, ADDRESS)

    assert type(error) is expected
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("status", "setting"), [(401, "plex_token"), (403, "plex_token"), (301, "plex_url"), (308, "plex_url")]
)
def test_a_status_that_a_setting_causes_names_it(status: int, setting: str) -> None:
    text = str(error_of_status(status, ADDRESS))

    assert text.startswith(setting)
    assert ADDRESS in text


def test_a_proxy_that_asks_for_a_password_is_not_taken_for_plex() -> None:
    response = requests.Response()
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Basic realm="home"'

    text = str(error_of_response(response, ADDRESS))

    assert text == f"plex_url {ADDRESS} asks for a password, as a proxy does; accepted: Plex's own address"


@PROPERTY
@given(st.integers(300, 999))
def test_every_status_is_classified(status: int) -> None:
    error = error_of_status(status, ADDRESS)

    assert isinstance(error, (PlexSyncError, PlexItemGone))
    assert ADDRESS in str(error) or status in (404, *range(400, 500))
    if status >= 500:
        assert isinstance(error, PlexTemporaryError)


def broken(cause: BaseException) -> requests.ConnectionError:
    """As requests wraps a connection that broke."""
    return requests.ConnectionError(urllib3.exceptions.ProtocolError("Connection aborted.", cause))


def exhausted(reason: Exception) -> requests.ConnectionError:
    """As requests wraps a connection that was never made."""
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(POOL, URL, reason))


FAILURES = [
    pytest.param(requests.ConnectTimeout(URL), PlexServerDown, "connect_timeout", id="connect time-out"),
    pytest.param(requests.ReadTimeout(URL), PlexTemporaryError, "read_timeout", id="read time-out"),
    pytest.param(
        requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(POOL, URL, "Read timed out.")),
        PlexTemporaryError,
        "read_timeout",
        id="read time-out within the body",
    ),
    pytest.param(
        exhausted(urllib3.exceptions.NewConnectionError(CONNECTION, "Failed to establish a new connection")),
        PlexServerDown,
        "cannot be reached",
        id="no connection",
    ),
    pytest.param(
        exhausted(urllib3.exceptions.NameResolutionError("plex", CONNECTION, socket.gaierror(-2, "unknown"))),
        PlexServerDown,
        "192.168.1.10, is unknown",
        id="name unknown",
    ),
    pytest.param(
        broken(ConnectionResetError(errno.ECONNRESET, "reset")), PlexTemporaryError, "broke the connection", id="reset"
    ),
    pytest.param(broken(BrokenPipeError(errno.EPIPE, "pipe")), PlexTemporaryError, "broke the connection", id="pipe"),
    pytest.param(
        broken(http.client.RemoteDisconnected("closed")), PlexTemporaryError, "broke the connection", id="closed"
    ),
    pytest.param(
        requests.exceptions.ChunkedEncodingError(
            urllib3.exceptions.ProtocolError("broken", urllib3.exceptions.IncompleteRead(10, 20))
        ),
        PlexTemporaryError,
        "broke the connection",
        id="half an answer",
    ),
    pytest.param(
        requests.exceptions.ContentDecodingError(urllib3.exceptions.DecodeError("gzip")),
        PlexTemporaryError,
        "broke the connection",
        id="broken compression",
    ),
    pytest.param(
        requests.exceptions.SSLError(
            urllib3.exceptions.MaxRetryError(POOL, URL, urllib3.exceptions.SSLError(ssl.SSLError(1, "self-signed")))
        ),
        PlexSetupError,
        "plex_url",
        id="certificate",
    ),
    pytest.param(requests.exceptions.InvalidURL(URL), PlexSetupError, "plex_url", id="no URL"),
    pytest.param(requests.exceptions.InvalidSchema(URL), PlexSetupError, "plex_url", id="no scheme"),
    pytest.param(requests.exceptions.InvalidHeader(URL), PlexSetupError, "plex_token", id="no header"),
    pytest.param(requests.ConnectionError(), PlexTemporaryError, "broke the connection", id="nothing known"),
]


@pytest.mark.parametrize(("failure", "expected", "said"), FAILURES)
def test_what_a_request_without_an_answer_means(failure: Exception, expected: type[Exception], said: str) -> None:
    error = error_of_exception(failure, ADDRESS, TIMEOUTS)

    assert type(error) is expected
    assert said in str(error)
    assert "secret" not in str(error), "no URL of a request reaches a message"


@pytest.mark.parametrize(
    ("failure", "said"), [(requests.ConnectTimeout(), "within 5 s"), (requests.ReadTimeout(), "within 30 s")]
)
def test_a_time_out_says_how_long_was_waited(failure: Exception, said: str) -> None:
    assert said in str(error_of_exception(failure, ADDRESS, TIMEOUTS))


def test_an_address_without_a_port_is_told_of_plexs_own() -> None:
    failure = exhausted(urllib3.exceptions.NewConnectionError(CONNECTION, "refused"))

    assert str(error_of_exception(failure, "http://nas", TIMEOUTS)).endswith("names no port; Plex's own is 32400")
    assert str(error_of_exception(failure, ADDRESS, TIMEOUTS)).endswith("is plex_url right?")


def test_the_text_of_a_failure_decides_nothing() -> None:
    failure = broken(ConnectionResetError(errno.ECONNRESET, "[Errno 111] Connection refused, 401, name unknown"))

    assert type(error_of_exception(failure, ADDRESS, TIMEOUTS)) is PlexTemporaryError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PlexTemporaryError, TransientError),
        (PlexServerDown, PlexTemporaryError),
        (PlexNotFound, TransientError),
        (PlexPermanentError, PermanentError),
        (PlexSetupError, SetupError),
    ],
)
def test_kinds_decide_what_becomes_of_a_job(error: type[Exception], kind: type[Exception]) -> None:
    assert issubclass(error, kind)
    assert not (issubclass(error, TransientError) and issubclass(error, PermanentError))


def test_a_missing_item_and_a_refused_one_do_not_count_as_plex_in_trouble() -> None:
    assert not issubclass(PlexNotFound, PlexTemporaryError)
    assert not issubclass(PlexPermanentError, SetupError)
