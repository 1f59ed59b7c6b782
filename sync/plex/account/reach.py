"""Which addresses of a server answer from here as that very server; no token is sent before that is known."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from xml.etree import ElementTree

from sync.plex.account.ask import Asker, NoAnswerError
from sync.plex.account.servers import Address, Server, Tried, best_first, may_get_token
from sync.plex.client import client_identifier

CONNECT, WHOLE = 3.0, 6.0
"""Seconds that a server may take to accept a connection, and to answer: it is near, or it is of no use."""

_REFUSED = (401, 403, 498)
"""498 is an expired token (python-plexapi's list of statuses)."""


def asker(data: str) -> closing[Asker]:
    """Return what asks servers, closed at the end of a `with`. Raises OSError where the data folder fails."""
    return closing(Asker(client_identifier(data), connect=CONNECT, whole=WHOLE))


def try_servers(asker: Asker, servers: Sequence[Server]) -> list[list[Tried]]:
    """Return for each server what came of its addresses, best first; all of them are tried at once."""
    places = [(server.machine, one) for server in servers for one in server.addresses]
    with ThreadPoolExecutor(len(places) or 1) as pool:
        tried = dict(zip(places, pool.map(lambda place: _try(asker, *place), places), strict=True))
    return [best_first(tried[server.machine, one] for one in server.addresses) for server in servers]


def is_token_taken(asker: Asker, address: str, token: str) -> bool | None:
    """Return whether a server takes a token; None where it does not say so. Sends the token to the address."""
    try:
        status = asker.ask("GET", f"{address}/", token=token, accept="application/xml").status
    except NoAnswerError:
        return None
    return False if status in _REFUSED else True if status < 300 else None


def _try(asker: Asker, machine: str, one: Address) -> Tried:
    try:
        answer = asker.ask("GET", f"{one.address}/identity", accept="application/xml")
    except NoAnswerError as error:
        return Tried(one.address, one.kind, None, str(error))
    if answer.status != 200:
        return Tried(one.address, one.kind, None, f"it answers with status {answer.status}")
    if _machine_of(answer.body) != machine:
        return Tried(one.address, one.kind, None, "another server answers there")
    why = "" if may_get_token(one.address) else "plain http would show the token on its way; https is needed"
    return Tried(one.address, one.kind, answer.ms, why)


def _machine_of(body: bytes) -> str:
    try:
        return ElementTree.fromstring(body[:100_000]).get("machineIdentifier", "")
    except (ElementTree.ParseError, ValueError, LookupError):  # of an encoding that does not exist
        return ""
