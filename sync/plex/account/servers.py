"""What plex.tv's list of servers says, and in which order its addresses are tried and shown. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from sync.text.typed import normal_url

Kind = Literal["local", "remote", "relay"]
"""How an address leads to a server: within one network, over the internet, or through Plex's own relay."""

# Not `is_private` of ipaddress: that holds Teredo's addresses, say, behind which is the internet.
_PRIVATE = [
    *map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),  # RFC 1918, RFC 4193
    *map(ip_network, ("127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10")),  # this machine, link-local
]


class Address(NamedTuple):
    """One address of a server."""

    address: str
    kind: Kind


class Server(NamedTuple):
    """One Plex Media Server of an account."""

    machine: str
    name: str
    version: str
    owned: bool
    token: str
    addresses: tuple[Address, ...]


class Tried(NamedTuple):
    """What came of trying one address."""

    address: str
    kind: Kind
    ms: int | None  # milliseconds until it had answered; None where it did not
    error: str  # why it cannot be used, in a few words; empty where it can


def read_servers(resources: list[Any], account_token: str) -> list[Server]:
    """Return the Plex Media Servers among what `/api/v2/resources` lists (JSON, as Plex's developer pages show it).

    A server without a token of its own takes the account's: that is the owner's.
    """
    found = []
    for one in resources:
        if not isinstance(one, Mapping) or "server" not in _text(one, "provides").split(","):
            continue
        machine, owned = _text(one, "clientIdentifier"), _is_on(one, "owned")
        if machine:
            token = _text(one, "accessToken") or (account_token if owned else "")
            name, version = _text(one, "name") or "Plex", _text(one, "productVersion")
            found.append(Server(machine, name, version, owned, token, addresses_of(one)))
    return found


def addresses_of(resource: Mapping[str, Any]) -> tuple[Address, ...]:
    """Return a server's addresses as they are to be tried, each once.

    Beside each address in one network stands its plain one: where a router keeps private addresses out of public names
    (DNS rebinding protection), the https one is unknown. A server that takes https alone has none.
    """
    found: dict[str, Address] = {}
    connections = resource.get("connections")
    for one in connections if isinstance(connections, list) else ():
        if not isinstance(one, Mapping):
            continue
        kind: Kind = "relay" if _is_on(one, "relay") else "local" if _is_on(one, "local") else "remote"
        uris = [_text(one, "uri")]
        if kind == "local" and not _is_on(resource, "httpsRequired"):
            host = _text(one, "address")
            uris.append(f"http://{f'[{host}]' if ':' in host else host}:{_text(one, 'port')}")
        for number, uri in enumerate(uris):
            try:
                address = normal_url(uri)
            except ValueError:
                continue
            if number == 0 or may_get_token(address):
                found.setdefault(address, Address(address, kind))
    return tuple(sorted(found.values(), key=_order))


def may_get_token(address: str) -> bool:
    """Return whether a token may be sent to an address: https, or plain http within one network."""
    try:
        parts = urlsplit(address)
        if parts.scheme == "https":
            return bool(parts.hostname)
        host = ip_address((parts.hostname or "").partition("%")[0])
    except ValueError:  # a name: who it leads to is not known
        return False
    if isinstance(host, IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return parts.scheme == "http" and any(host in network for network in _PRIVATE)


def best_first(tried: Iterable[Tried]) -> list[Tried]:
    """Return tried addresses: those that can be used first, https before http, the relay last, then the fastest."""
    return sorted(tried, key=lambda one: (bool(one.error), *_order(one), one.ms or 0))


def in_words(tried: Sequence[Tried]) -> str:
    """Return which addresses were tried and what came of each, for a sentence."""
    return ", ".join(f"{one.address} ({one.error or f'{one.ms} ms'})" for one in tried) or "no address is known"


def _order(one: Address | Tried) -> tuple[bool, bool, bool]:
    return one.kind == "relay", not one.address.startswith("https:"), one.kind == "remote"


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _is_on(values: Mapping[str, Any], name: str) -> bool:
    return values.get(name) in (True, 1, "1", "true")
