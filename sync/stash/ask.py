"""A hook's request to Stash: run the task "Process queue". Standard library alone.

The person who saves waits for every import here: over plain http a socket does what http.client would cost 13 ms for,
and the interpreter's own `_socket` what `socket` would cost 3 ms for.
"""

from __future__ import annotations

from sync import fast
from sync.stash.address import session_cookie, stash_address
from sync.stash.exceptions import StashTemporaryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from typing import Any
else:
    try:
        import _socket as socket
    except ImportError:  # another Python than CPython
        import socket

PLUGIN_ID = "PlexSync"
TASK_NAME = "Process queue"
DESCRIPTION = "PlexSync: Process queue (after a save)"
TIMEOUT = 5.0  # seconds; Stash answers from memory, and the person who saves waits

_CLOCK_SLACK = 60.0  # seconds between our note and Stash's addTime for what is still the same ask
_ALIVE = ("READY", "RUNNING", "STOPPING")
_LONGEST_ANSWER = 1_000_000


class AskFailedError(StashTemporaryError):
    """Stash did not take the request; the text says why. `refused`: it does not know this session any more."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


def ask_for_drain(connection: Mapping[str, Any], trigger: str) -> str:
    """Ask Stash to run "Process queue"; return Stash's job id. Raises AskFailedError, SetupError.

    `trigger`: who asks, see `tasks.py`. Stash answers as soon as the task is queued (`runPluginTask`).
    """
    data = graphql(
        connection,
        "mutation PlexSyncAsk($plugin: ID!, $task: String!, $description: String!, $args: Map!) {"
        " runPluginTask(plugin_id: $plugin, task_name: $task, description: $description, args_map: $args) }",
        f'{{"plugin": "{PLUGIN_ID}", "task": "{TASK_NAME}", "description": "{DESCRIPTION}", '
        f'"args": {{"mode": "process_queue", "trigger": {fast.quote(trigger)}}}}}',
    )
    return str(data.get("runPluginTask"))


def others_stand_before(connection: Mapping[str, Any], job_id: str) -> bool:
    """Return whether Stash has other jobs before one that was just asked for. Raises AskFailedError, SetupError."""
    queued = graphql(connection, "query PlexSyncJobs { jobQueue { id } }", "{}").get("jobQueue")
    return isinstance(queued, list) and any(isinstance(job, dict) and str(job.get("id")) != job_id for job in queued)


def see_to_enabled(connection: Mapping[str, Any]) -> None:
    """Raise AskFailedError, `refused`, where the plugin is disabled in Stash or removed. Raises SetupError."""
    try:
        # Null where Stash has no plugin at all.
        plugins = graphql(connection, "query PlexSyncPlugins { plugins { id enabled } }", "{}").get("plugins") or []
    except AskFailedError as error:
        if error.refused:
            raise
        return  # whoever asks for something else next hears of it
    if isinstance(plugins, list) and not any(
        isinstance(one, dict) and one.get("id") == PLUGIN_ID and one.get("enabled") for one in plugins
    ):
        raise AskFailedError("the plugin is disabled in Stash, or removed from it", refused=True)


def still_waits(connection: Mapping[str, Any], job_id: str, asked_at: float, states: tuple[str, ...] = _ALIVE) -> bool:
    """Return whether the job asked for at `asked_at` (seconds since the epoch) still waits or runs: is in `states`.

    Its description and time count, for Stash's ids start at 1 again after a restart. Raises AskFailedError, SetupError.
    """
    data = graphql(
        connection,
        "query PlexSyncAsked($id: ID!) { findJob(input: {id: $id}) { status description addTime } }",
        f'{{"id": {fast.quote(job_id)}}}',
    )
    job = data.get("findJob")
    if not isinstance(job, dict) or job.get("status") not in states:
        return False
    # Stash puts "Running plugin task: " before it (internal/manager, RunPluginTask).
    if not str(job.get("description")).endswith(DESCRIPTION):
        return False
    # Not at the top: 1 ms that a hook pays only where it looks for an earlier job.
    from datetime import datetime

    try:
        added_at = datetime.fromisoformat(str(job.get("addTime"))).timestamp()
    except ValueError:
        return False
    return abs(added_at - asked_at) < _CLOCK_SLACK


def renewed(connection: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection with the fresh session cookie that Stash sends with every authenticated answer.

    A cookie dies after `max_session_age` (an hour, normally). Raises AskFailedError, SetupError.
    """
    cookies: list[str] = []
    graphql(connection, "query PlexSyncSession { version { version } }", "{}", cookies)
    known = session_cookie(connection)
    for cookie in cookies:
        name, _, value = cookie.split(";", 1)[0].strip().partition("=")
        if known and name == known[0] and value:
            return {**connection, "SessionCookie": {"Name": name, "Value": value}}
    return dict(connection)


def graphql(
    connection: Mapping[str, Any], query: str, variables: str, cookies: list[str] | None = None
) -> dict[str, Any]:
    """Return the data of a GraphQL request; `variables` in JSON, `cookies` gets those that Stash sets.

    Raises AskFailedError, SetupError.
    """
    scheme, host, port = stash_address(connection)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    cookie = session_cookie(connection)
    if cookie:
        # It carries the hooks already visited, which is how Stash breaks loops.
        headers["Cookie"] = f"{cookie[0]}={cookie[1]}"
    key = connection.get("ApiKey")
    if isinstance(key, str) and key:
        headers["ApiKey"] = key
    body = f'{{"query": {fast.quote(query)}, "variables": {variables}}}'.encode("ascii")
    try:
        answer = None if scheme == "https" else _post_plain(host, port, headers, body)
        status, set_cookies, raw = answer or _post(scheme, host, port, headers, body)
    except (OSError, ValueError) as error:
        raise AskFailedError(f"Stash did not answer ({type(error).__name__})") from None
    if cookies is not None:
        cookies += set_cookies
    if status in (401, 403):
        raise AskFailedError(f"Stash refused the plugin's session ({status})", refused=True)
    try:
        content = fast.loads(raw)
    except ValueError:
        content = None
    data = content.get("data") if isinstance(content, dict) else None
    if status != 200 or not isinstance(data, dict) or content.get("errors"):
        raise AskFailedError(f"Stash answered {status} without the data asked for")
    return data


def _post_plain(host: str, port: int, headers: dict[str, str], body: bytes) -> tuple[int, list[str], bytes] | None:
    """Post as HTTP/1.0, which knows no chunks; None where the other side sends some all the same."""
    named = f"[{host}]" if ":" in host else host
    lines = [
        "POST /graphql HTTP/1.0",
        f"Host: {named}:{port}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    answer = b""
    stream = _connected(host, port)
    try:
        stream.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        while len(answer) < _LONGEST_ANSWER and not _is_whole(answer) and (part := stream.recv(65536)):
            answer += part
    finally:
        stream.close()
    head, end, rest = answer.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if not end or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    if b"\r\ntransfer-encoding:" in head.lower():
        return None
    cookies = [line[11:] for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("set-cookie:")]
    return int(words[1]), cookies, rest


def _connected(host: str, port: int) -> socket.socket:
    """Return a connection to the first of the host's addresses that takes one; raises OSError."""
    failure = OSError("the host's name has no address")
    # As bytes: for text Python imports its codec of international names, which takes 5 ms. `stash_address` gives ASCII.
    for family, kind, protocol, _, address in socket.getaddrinfo(host.encode(), port, 0, socket.SOCK_STREAM):
        stream = socket.socket(family, kind, protocol)
        try:
            stream.settimeout(TIMEOUT)
            stream.connect(address)
        except OSError as error:
            stream.close()
            failure = error
        else:
            return stream
    raise failure


def _is_whole(answer: bytes) -> bool:
    """Whether all that was announced is there; without an announcement the connection's end is the answer's."""
    head, end, rest = answer.partition(b"\r\n\r\n")
    _, announced, length = head.lower().partition(b"\r\ncontent-length:")
    length = length.split(b"\r\n", 1)[0].strip()
    return bool(end and announced) and length.isdigit() and len(rest) >= int(length)


def _post(scheme: str, host: str, port: int, headers: dict[str, str], body: bytes) -> tuple[int, list[str], bytes]:
    # Not at the top: the most costly imports of all, for the few who have set up https.
    import http.client
    import ssl

    client = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    if scheme == "https":
        # Stash's certificate is self-signed as a rule, and this is the Stash that started us.
        context = ssl._create_unverified_context()
        client = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        client.request("POST", "/graphql", body, headers)
        answer = client.getresponse()
        return answer.status, answer.headers.get_all("Set-Cookie") or [], answer.read()
    except http.client.HTTPException:
        raise ValueError("no HTTP answer") from None
    finally:
        client.close()
