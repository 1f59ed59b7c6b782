"""The connection to Stash: time-outs, the cookie that renews itself, and no other host."""

import re
import time
from typing import Any

import requests

from sync import log
from sync.stash.exceptions import StashTemporaryError

CONNECT_TIMEOUT = 5.0  # seconds; the Stash that started this process is on this machine
READ_TIMEOUT = 60.0  # seconds; Stash answers slowly while it scans


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
        if self.cookie:  # by hand: a jar would send the first cookie beside the renewed one
            request.headers["Cookie"] = "=".join(self.cookie)
        elif self.key:
            request.headers["ApiKey"] = self.key
        began = time.perf_counter()
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            _tell(request, f"failed ({type(error).__name__})", began)
            raise StashTemporaryError(f"Stash did not answer ({type(error).__name__})") from None
        _tell(request, f"answered {response.status_code}", began)
        self.cookies.clear()
        if self.cookie and response.status_code == 200:
            # It dies after `max_session_age`, and Stash sends a fresh one with every authenticated answer.
            name = self.cookie[0]
            pattern = rf"(?:^|, ){re.escape(name)}=([^;,\s]+)"
            if fresh := re.search(pattern, response.headers.get("Set-Cookie", "")):
                self.cookie = (name, fresh[1])
                log.keep_secret(fresh[1])
        return response


def _tell(request: requests.PreparedRequest, outcome: str, began: float) -> None:
    if log.is_detailed():
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        named = re.search(rb"(?:query|mutation) (\w+)", body[:300])
        asked = f" ({named[1].decode()})" if named else ""
        path = request.path_url.partition("?")[0] + asked
        took = (time.perf_counter() - began) * 1000
        log.detail("Stash: %s %s %s in %.0f ms", request.method, path, outcome, took)
