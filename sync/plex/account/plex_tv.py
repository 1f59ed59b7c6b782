"""Signing in at plex.tv: a pin that a person agrees to, then the list of the person's servers. Raises PlexTvError."""

import json
import os
import time
from typing import Any, NamedTuple
from urllib.parse import quote

from sync import log
from sync.errors import PlexSyncError
from sync.plex.account.ask import Answer, Asker, NoAnswerError
from sync.plex.account.servers import Server, read_servers
from sync.plex.client import seconds_of

PIN_LIFE, LONGEST_LIFE = 900.0, 3_600.0
"""Seconds that a person has to agree on Plex's page: where plex.tv does not say it (15 minutes were measured), and at
the most."""


class PlexTvError(PlexSyncError):
    """plex.tv did not answer as it should. `passes`: it may at the next try, in `wait` seconds at the earliest."""

    def __init__(self, text: str, *, passes: bool, wait: float = 0.0) -> None:
        super().__init__(text)
        self.passes = passes
        self.wait = wait


class Pin(NamedTuple):
    """One sign-in that waits for the person."""

    id: str
    url: str  # Plex's page, on which the person agrees
    expires_at: float  # seconds since the epoch


def make_pin(asker: Asker) -> Pin:
    """Begin a sign-in. (`POST /api/v2/pins?strong=true`, Plex's developer pages)"""
    began = time.time()
    told = _ask(asker, "POST", f"{_address('plex.tv')}/api/v2/pins?strong=true")
    number, code = str(told.get("id") or ""), str(told.get("code") or "")
    if not number.isalnum() or not code:
        raise _not_as_plex_tv()
    life = told.get("expiresIn")
    life = life if isinstance(life, (int, float)) else PIN_LIFE
    said = {"clientID": asker.identifier, "code": code, "context[device][product]": "PlexSync"}
    page = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in said.items())
    return Pin(number, f"{_address('app.plex.tv')}/auth#?{page}", began + min(max(0.0, life), LONGEST_LIFE))


def ask_pin(asker: Asker, pin: Pin) -> str | None:
    """Return the account's token; empty while the person has not agreed, None where the pin is not known any more:
    it has expired, or it was denied."""
    told = _ask(asker, "GET", f"{_address('plex.tv')}/api/v2/pins/{pin.id}", is_of_pin=True)
    if told is None:
        return None
    token = str(told.get("authToken") or "")
    log.keep_secret(token)
    return token


def servers_of(asker: Asker, token: str) -> list[Server]:
    """Return the servers of the account, those too that others share with it."""
    address = f"{_address('clients.plex.tv')}/api/v2/resources?includeHttps=1&includeRelay=1&includeIPv6=1"
    found = read_servers(_ask(asker, "GET", address, kind=list, token=token), token)
    log.keep_secret(*(server.token for server in found))
    return found


def _ask(asker: Asker, method: str, url: str, *, kind: type = dict, token: str = "", is_of_pin: bool = False) -> Any:
    try:
        answer = asker.ask(method, url, token=token, accept="application/json")
    except NoAnswerError as error:
        raise PlexTvError(
            f"plex.tv cannot be reached from where Stash runs: {error}. Look at its connection to the internet, or "
            "enter address and token by hand",
            passes=True,
        ) from None
    if is_of_pin and answer.status in (404, 410):  # measured by others: 404, code 1020
        return None
    if answer.status >= 300:
        raise _failure(answer)
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, kind):
        raise _not_as_plex_tv()
    return told


def _address(host: str) -> str:
    elsewhere = os.environ.get("PLEXSYNC_PLEX_TV")  # for a test, which plays all of Plex's hosts
    return f"{elsewhere}/{host}" if elsewhere else f"https://{host}"


def _failure(answer: Answer) -> PlexTvError:
    status, wait = answer.status, seconds_of(answer.headers.get("Retry-After", ""))
    said = f"(status {status})"
    if status < 400:  # a redirect, which is not followed
        return _not_as_plex_tv()
    if status == 429:
        text = f"plex.tv asks to be left alone for a while {said}. Sign in again later"
    elif status >= 500:
        text = f"plex.tv has a failure of its own {said}. Sign in again later; status.plex.tv says how it is"
    else:
        text = f"plex.tv refused the request {said}. Sign in again; where it does so again, please report it"
    return PlexTvError(text, passes=status == 429 or status >= 500, wait=wait)


def _not_as_plex_tv() -> PlexTvError:
    return PlexTvError(
        "What answers as plex.tv does not answer as plex.tv does. A proxy, or the sign-in page of a network, may stand "
        "between Stash and the internet",
        passes=True,
    )
