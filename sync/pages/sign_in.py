"""Signing in: a person agrees on Plex's page, and chooses a server or gives up. Tokens stand in no answer."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from sync import log
from sync.errors import PlexSyncError, SetupError
from sync.pages.background import Work
from sync.pages.operations import Answer, Call
from sync.plex.account import begun
from sync.plex.account.ask import Asker, try_servers
from sync.plex.account.plex_tv import LONGEST_LIFE, Pin, PlexTvError, ask_pin, make_pin, servers_of
from sync.plex.account.servers import in_words
from sync.plex.client import client_identifier
from sync.stash import panel as stored

_T = TypeVar("_T")
TRIES = 4  # how often plex.tv is asked the same before its failure ends the sign-in
LONGEST_WAIT = 30.0  # seconds for which plex.tv is left alone at its wish; a longer wish ends the sign-in
POLL = 1.0
"""Seconds between two questions about the pin: plex.tv wants no more than one a second (Plex's developer pages)."""
CHOICE = 900.0  # seconds for the choice of a server
MARGIN = 60.0  # seconds after the end of its time in which a sign-in that was not killed has told its end

_CANCELLED = (
    "The sign-in was given up: it was cancelled, Stash's page was closed, or another sign-in was begun since. Go on "
    "with that one, or sign in with Plex again"
)
_EXPIRED = "Nobody agreed on Plex's page in time, so this sign-in has expired. Sign in with Plex again"
_DENIED = "Plex has ended this sign-in: it was denied on Plex's page. Sign in again, and allow PlexSync there"
_NOT_CHOSEN = "No server was chosen in time, so this sign-in is over. Sign in with Plex again"
_NO_SERVER = (
    "This Plex account has no Plex Media Server. Sign in with the account that owns it; a server that belongs to no "
    "account is claimed in Plex's own settings"
)
_SHARED = (
    "This Plex account owns no server, others share theirs with it ({}). Only the owner of a server may edit what is "
    "in it: sign in with the owner's account"
)
_UNREACHABLE = (
    "No address of your Plex server can be used from where Stash runs. Tried: {}. Is Plex running? An address that "
    "plex.tv does not know can be entered by hand"
)


class SignInOverError(PlexSyncError):
    """The sign-in has ended without a choice; the text says why and what to do."""


def sign_in(work: Work) -> Answer:
    """Have a person sign in with Plex; tell the facts of `state` "waiting", return those of "choose".

    Waiting: `url`, Plex's page, and `expires_at`, seconds since the epoch. Choose: `servers`, each with `machine`,
    `name`, `version` and its `addresses`, best first. Raises PlexSyncError, with `state` "ended".
    """
    if not work.is_wanted():  # a later one must keep its place
        raise SignInOverError(_CANCELLED)
    own = begun.begin(work.data, until=time.time() + LONGEST_LIFE + MARGIN)
    try:
        facts = _choices(work, own)
        # The page has all it needs; this process stays until the tokens are gone from the disk.
        work.tell(**facts, done=True, progress=1.0)
        _wait_for_choice(work.data, own)
        return facts
    except PlexSyncError:
        work.tell(state="ended", url="", servers=[])
        raise
    finally:
        begun.discard(work.data, own)


def sign_in_choose(call: Call) -> Answer:
    """Store address and token of the server that a person chose (args `machine`, `address`). Raises PlexSyncError."""
    found = begun.read(call.data)
    if found is None or not found["servers"]:
        raise SetupError("No sign-in waits for a choice: it was cancelled, or is over. Sign in with Plex again")
    machine, address = str(call.args.get("machine")), str(call.args.get("address"))
    server = next((one for one in found["servers"] if one["machine"] == machine), None)
    if server is None or address not in server["addresses"]:
        raise SetupError(f"args.address is {address!r:.200}; accepted: an address of the servers that were found")
    log.keep_secret(server["token"])
    stored.save(call.connection, call.data, {"plex_url": address, "plex_token": server["token"]})
    begun.discard(call.data, found["id"])
    return {"state": "done", "name": server["name"], "address": address}


def sign_in_cancel(call: Call) -> Answer:
    """Give up the sign-in that is under way."""
    begun.discard(call.data)
    return {"state": "cancelled"}


def _choices(work: Work, own: str) -> Answer:
    with closing(Asker(client_identifier(work.data))) as asks:
        pin = _patiently(work, own, lambda: make_pin(asks))
        work.tell(state="waiting", url=pin.url, expires_at=pin.expires_at)
        token = _wait_for_token(work, own, asks, pin)
        work.tell(state="looking", url="")
        listed = _patiently(work, own, lambda: servers_of(asks, token))
        if not listed:
            raise SignInOverError(_NO_SERVER)
        owned = [server for server in listed if server.owned]
        if not owned:
            raise SignInOverError(_SHARED.format(", ".join(server.name for server in listed[:5])))
        found = try_servers(asks, owned)
    if all(one.error for _, addresses in found for one in addresses):
        said = "; ".join(f"{server.name}: {in_words(addresses)}" for server, addresses in found)
        raise SignInOverError(_UNREACHABLE.format(said))
    kept = [
        server._asdict() | {"addresses": [one.address for one in addresses if not one.error]}
        for server, addresses in found
    ]
    if not begun.keep(work.data, own, servers=kept, until=time.time() + CHOICE + MARGIN):
        raise SignInOverError(_CANCELLED)
    shown = [
        {"machine": server.machine, "name": server.name, "version": server.version}
        | {"addresses": [one._asdict() for one in addresses]}
        for server, addresses in found
    ]
    return {"state": "choose", "servers": shown}


def _wait_for_choice(data: str, own: str) -> None:
    """Return when a server was chosen, or another sign-in begun. Raises SignInOverError after the time for it."""
    end = time.monotonic() + CHOICE
    while (found := begun.read(data)) and found["id"] == own:
        if time.monotonic() > end:
            raise SignInOverError(_NOT_CHOSEN)
        time.sleep(POLL)


def _wait_for_token(work: Work, own: str, asks: Asker, pin: Pin) -> str:
    while True:
        _wait(work, own, POLL)
        if token := _patiently(work, own, lambda: ask_pin(asks, pin)):
            return token
        if time.time() >= pin.expires_at:  # some have seen expired pins answered like those that wait
            raise SignInOverError(_EXPIRED)
        if token is None:
            raise SignInOverError(_DENIED)


def _patiently(work: Work, own: str, ask: Callable[[], _T]) -> _T:
    for _ in range(TRIES - 1):
        try:
            return ask()
        except PlexTvError as error:
            if not error.passes or error.wait > LONGEST_WAIT:
                raise
            _wait(work, own, max(error.wait, POLL))
    return ask()


def _wait(work: Work, own: str, seconds: float) -> None:
    """Let time pass. Raises SignInOverError where nobody wants the sign-in any more."""
    end = time.monotonic() + seconds
    while True:
        found = begun.read(work.data)
        if not found or found["id"] != own or not work.is_wanted():
            raise SignInOverError(_CANCELLED)
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, POLL))
