"""Which addresses of a server answer from here as that very server; no token is sent before that is known."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

from sync.plex.account.ask import Asker, NoAnswerError
from sync.plex.account.servers import Address, Server, Tried, best_first, may_get_token


def try_servers(asker: Asker, servers: Sequence[Server]) -> list[tuple[Server, list[Tried]]]:
    """Return each server with what came of its addresses, all tried at once; the best stand first in both."""
    places = [(server.machine, one) for server in servers for one in server.addresses]
    with ThreadPoolExecutor(len(places) or 1) as pool:
        tried = dict(zip(places, pool.map(lambda place: _try(asker, *place), places), strict=True))
    found = [(server, best_first(tried[server.machine, one] for one in server.addresses)) for server in servers]
    return sorted(found, key=lambda pair: all(one.error for one in pair[1]))


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
