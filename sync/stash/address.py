"""Where Stash is to be called, from what it tells its plugins. Standard library alone."""

from __future__ import annotations

from sync.errors import SetupError

TYPE_CHECKING = False  # typing costs the hook 2 ms; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Addresses to listen on, which nobody can call: Stash tells its plugins what it listens on.
_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


def stash_address(connection: Mapping[str, Any]) -> tuple[str, str, int]:
    """Return (scheme, host, port) of the Stash that started the plugin. Raises SetupError, which names the field."""
    scheme = connection.get("Scheme") or "http"
    if scheme not in ("http", "https"):
        raise SetupError(f"server_connection.Scheme is {scheme!r:.100}; accepted: http, https")
    host = connection.get("Host")
    if host is None:
        host = ""
    if (
        not isinstance(host, str)
        or (host and not host.strip("[]"))
        or any(c.isspace() or c in "/@?#\\" for c in host)
        or not host.isascii()
    ):
        raise SetupError(f"server_connection.Host is {host!r:.100}; accepted: a host name or address")
    port = connection.get("Port")
    if isinstance(port, str) and port.isascii() and port.isdigit() and len(port) < 6:
        port = int(port)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise SetupError(f"server_connection.Port is {port!r:.100}; accepted: a number from 1 to 65535")
    bare = host.strip("[]")
    return scheme, _ANY_ADDRESS.get(bare, bare), port


def session_cookie(connection: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return (name, value) of the session cookie that Stash gave its plugin, None where there is none."""
    cookie = connection.get("SessionCookie")
    if not isinstance(cookie, dict):
        return None
    name, value = cookie.get("Name") or "session", cookie.get("Value")
    if not isinstance(name, str) or not isinstance(value, str) or not value:
        return None
    # A line break would end the header: what follows it would be a header of its own.
    if any(ord(c) < 33 or ord(c) > 126 for c in name + value):
        return None
    return name, value
