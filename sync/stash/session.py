"""The connection to Stash: time-outs, the cookie that renews itself, and no other host."""

import re
import time
from typing import Any

import requests

from sync import log
from sync.stash.exceptions import StashTemporaryError

CONNECT_TIMEOUT = 5.0
"""Seconds; the Stash that started this process is on this machine."""
READ_TIMEOUT = 60.0
"""Seconds; Stash answers slowly while it scans."""


class StashSession(requests.Session):
    """A requests session with time-outs of its own, Stash's renewed cookie, and no other host."""

    def __init__(self, cookie: tuple[str, str] | None, key: str | None = None) -> None:
        super().__init__()
        self.trust_env = False  # a proxy or a .netrc is no place for a cookie
        self.cookie = cookie
        self.key = key
        # Stash's certificate is self-signed as a rule, and this is the Stash that started us.
        self.verify = False

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; raises StashTemporaryError when no whole answer comes."""
        kwargs["timeout"] = (CONNECT_TIMEOUT, READ_TIMEOUT)
        kwargs["allow_redirects"] = False
        # By hand: a jar would send the first cookie beside the renewed one.
        request.headers.update(self.credentials())
        began = time.perf_counter()
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            _tell(request, f"failed ({type(error).__name__})", began)
            raise StashTemporaryError(f"Stash did not answer ({type(error).__name__})") from None
        _tell(request, f"answered {response.status_code}", began)
        self.cookies.clear()
        self.renew(response.headers.get("Set-Cookie", ""), response.status_code)
        return response

    def credentials(self) -> dict[str, str]:
        """Return the headers that tell Stash who asks, as they are by now. Any thread may ask."""
        cookie = self.cookie
        if cookie:
            return {"Cookie": f"{cookie[0]}={cookie[1]}"}
        return {"ApiKey": self.key} if self.key else {}

    def renew(self, set_cookie: str, status: int) -> None:
        """The cookie dies after `max_session_age`, and Stash sends a fresh one with every authenticated answer."""
        if not self.cookie or status != 200:
            return
        name = self.cookie[0]
        if fresh := re.search(rf"(?:^|, ){re.escape(name)}=([^;,\s]+)", set_cookie):
            self.cookie = (name, fresh[1])
            log.keep_secret(fresh[1])


def _tell(request: requests.PreparedRequest, outcome: str, began: float) -> None:
    if log.is_detailed():
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        named = re.search(rb"(?:query|mutation) (\w+)", body[:300])
        asked = f" ({named[1].decode()})" if named else ""
        path = request.path_url.partition("?")[0] + asked
        took = (time.perf_counter() - began) * 1000
        log.detail("Stash: %s %s %s in %.0f ms", request.method, path, outcome, took)
