"""Whether Plex is back: a look at `/identity`, which wants no token. Standard library alone."""

import http.client
import ssl
from urllib.parse import urlsplit

PROBE_TIMEOUT = 10.0  # seconds a probe may take; a Plex that needs longer for this is not back yet


def answers(plex_url: str) -> bool:
    """Return whether a Plex Media Server at this address answers `/identity`, which needs no token.

    A starting one says 503 and does not count.
    """
    parts = urlsplit(plex_url)
    host, path = parts.hostname or "", parts.path.rstrip("/")
    client = http.client.HTTPConnection(host, parts.port or 80, timeout=PROBE_TIMEOUT)
    try:
        if parts.scheme == "https":
            # Nothing secret is sent, so whose certificate it is does not matter here.
            context = ssl._create_unverified_context()
            client = http.client.HTTPSConnection(host, parts.port or 443, timeout=PROBE_TIMEOUT, context=context)
        client.request("GET", f"{path}/identity", headers={"Accept": "application/xml"})
        answer = client.getresponse()
        return answer.status == 200 and b"machineIdentifier" in answer.read()  # raises where half of it comes
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        client.close()
