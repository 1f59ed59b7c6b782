"""A stand-in Stash server: real HTTP and GraphQL on loopback, and it runs a plugin as Stash does.

    with StashStandIn(config_dir=tmp_path / "config", plugin_dir=tmp_path / "plugins" / "PlexSync") as stash:
        scene = stash.add_scene(title="Old", files=[("/data/a.mp4", 1000)], tags=["Drama"])
        saved = stash.save_scene(scene, title="New")      # waits for the hooks, as the person does
        stash.wait_idle()

It is made from Stash's own sources and keeps its awkward habits: a hook holds up the request that caused
it, one deleted scene fails a whole `findScenes(ids:)`, an empty job queue is null, a log line of 64 KiB ends
the log.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import secrets
import socket
import struct
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlencode

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from graphql import build_schema as build_contract

from tests.servers.stash_data import Scene, StashError, Store
from tests.servers.stash_http import Request, Response, encode, image_response, image_type, read_request
from tests.servers.stash_plugin_host import (
    DEFAULT_PYTHON,
    Context,
    Job,
    JobManager,
    Json,
    LogLine,
    PluginHost,
    ProcessRecord,
)
from tests.servers.stash_resolvers import EXPECTED_ERRORS, Asked, World, make_schema

CONTRACT = Path(__file__).resolve().parents[3] / "shared" / "contracts" / "stash-schema.graphql"
PERSON = "Mozilla/5.0 (a person's browser)"
DEFAULT_IMAGE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 720"><rect width="1280" height="720"/></svg>'
)
INDEX_PAGE = b'<!DOCTYPE html><html><head><base href="/"><title>Stash</title></head><body></body></html>'

FaultKind = Literal["status", "reset", "hang", "half", "slow", "null_data", "gql_error", "refuse"]

# By their text, and the same for every server, as the schema is.
_documents: dict[str, DocumentNode | list[GraphQLError]] = {}
_introspections: dict[str, bytes] = {}
_contract: GraphQLSchema | None = None
_contract_lock = threading.Lock()


def validate_against_contract(query: str) -> list[str] | None:
    """What Stash's whole schema finds wrong with a query; None where that schema is not at hand."""
    global _contract
    if not CONTRACT.is_file():
        return None
    with _contract_lock:
        if _contract is None:
            _contract = build_contract(CONTRACT.read_text("utf-8"))
    try:
        return [error.message for error in validate(_contract, parse(query))]
    except GraphQLError as error:
        return [error.message]


# --- what is recorded ---


@dataclass
class RequestRecord:
    """One HTTP request, as it came in. `status` is 0 where nothing was answered."""

    method: str
    path: str
    headers: Mapping[str, str]
    at: float
    query: str = ""
    variables: Json = field(default_factory=dict)
    status: int = 0
    seconds: float = 0.0

    @property
    def by_person(self) -> bool:
        """Whether the test itself asked, as the person at the browser."""
        return self.headers.get("user-agent") == PERSON


@dataclass(frozen=True)
class SaveResult:
    """How long the person waited, and the answer. No answer: they gave up before it came."""

    seconds: float
    response: Json | None

    @property
    def errors(self) -> list[str]:
        return [str(error["message"]) for error in (self.response or {}).get("errors", ())]


@dataclass
class _Fault:
    kind: FaultKind
    status: int
    times: int | None
    delay: float
    query_contains: str | None
    message: str
    path: str
    after: bool
    location: str = ""


class _DroppedError(Exception):
    """The connection is to be closed without an answer."""


# --- the server ---


class StashStandIn:
    """A Stash to test against; a context manager.

    :param config_dir: the folder of Stash's config.yml, `server_connection.Dir`. Made where it is missing.
    :param plugin_dir: the plugin's folder; every `*.yml` in it is loaded as strictly as Stash does.
    :param python: the Python that Stash is configured to run plugins with.
    :param environment: more environment variables for plugin processes.
    :param credentials: user name and password; without them everything is open.
    :param api_key: the API key that was made in Stash's settings, if any.
    :param host_in_connection: the `Host` that plugins are told: an address to listen on, not one to call.
    :param external_host: the host that URLs of pictures are built on, instead of the request's.
    :param plugin_id: the plugin that `press`, `run_operation` and `set_settings` mean.
    :param max_session_age: seconds until a session cookie dies.
    """

    def __init__(
        self,
        *,
        config_dir: Path,
        plugin_dir: Path | None = None,
        python: str = DEFAULT_PYTHON,
        environment: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        api_key: str | None = None,
        port: int = 0,
        host_in_connection: str = "0.0.0.0",
        external_host: str | None = None,
        plugin_id: str = "PlexSync",
        max_session_age: int = 3600,
    ) -> None:
        config_dir.mkdir(parents=True, exist_ok=True)
        self.config_dir = config_dir
        self.credentials = credentials
        self.host_in_connection = host_in_connection
        self.external_host = external_host
        self.sized_pictures = True
        """False: pictures come without a Content-Length, as through a proxy that streams."""
        self.plugin_id = plugin_id
        self.requests: list[RequestRecord] = []
        self._port = port
        self._host = PluginHost(
            plugin_dir=plugin_dir,
            config_dir=config_dir,
            python=python,
            environment=environment or {},
            connection=self._connection,
        )
        self._jobs = JobManager(self._host.write)
        self.world = World(
            store=Store(),
            host=self._host,
            jobs=self._jobs,
            config_dir=config_dir,
            python=python,
            username=credentials[0] if credentials else "",
            api_key=api_key or "",
            max_session_age=max_session_age,
        )
        self._schema = make_schema()
        self._secret = secrets.token_bytes(32)
        self._generation = 0
        self._faults: list[_Fault] = []
        self._faults_cleared = threading.Event()
        self._serving = False
        self._listeners: list[socket.socket] = []
        self._reserved: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._running: set[Context] = set()

    # --- start and stop

    def __enter__(self) -> StashStandIn:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start serving, on the port it had before if it had one; plugins are loaded anew."""
        if self._serving:
            return
        if self._jobs.history or not self._jobs.alive:
            # Jobs live in memory: a restarted Stash begins again with id 1.
            self._jobs = self.world.jobs = JobManager(self._host.write)
        self._host.reload()
        self._serving = True
        self._listen()

    def stop(self) -> None:
        """Stop as a process that ends: connections break, running plugins are killed, jobs are forgotten."""
        self._serving = False
        self._unlisten()
        with self._lock:
            running = list(self._running)
        for context in running:
            context.cancel()
        self._jobs.close()

    def close(self) -> None:
        """Stop for good and give the port back."""
        self.clear_faults()
        self.stop()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    @property
    def port(self) -> int:
        """The port it serves on, known from the first start."""
        return self._port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def graphql_url(self) -> str:
        return f"{self.url}/graphql"

    def _listen(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        deadline = time.monotonic() + 5
        while True:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", self._port))
                break
            except OSError:
                listener.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._port = listener.getsockname()[1]
        self._listeners = [listener]
        if ":" in self.host_in_connection:
            # A Stash told to listen on "::" answers on both loopback addresses.
            with contextlib.suppress(OSError):
                second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                second.bind(("::1", self._port))
                self._listeners.append(second)
        for one in self._listeners:
            one.listen(256)
            threading.Thread(target=self._accept, args=(one,), daemon=True, name="stash-accept").start()

    def _unlisten(self) -> None:
        listeners, self._listeners = self._listeners, []
        if not listeners:
            return
        for listener in listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # Bound but not listening: connections are refused, and nobody else is given the port meanwhile.
        with contextlib.suppress(OSError):
            self._reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind(("127.0.0.1", self._port))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True, name="stash-client").start()

    # --- HTTP

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        try:
            while (request := read_request(reader, connection)) is not None:
                if not self._respond(request):
                    return
        except (OSError, _DroppedError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            with contextlib.suppress(OSError):
                reader.close()
            connection.close()

    def _respond(self, request: Request) -> bool:
        clock = time.perf_counter()
        record = RequestRecord(request.method, request.target, request.headers, time.time())
        self.requests.append(record)
        if request.path == "/graphql":
            _read_query(request, record)
        fault = self._fault(record)
        half = False
        response = None
        if fault is not None and not fault.after:
            response, half = self._inflict(fault, request)
        if response is None:
            response = self._handle(request, record)
            if fault is not None and fault.after:
                response = self._inflict(fault, request)[0] or response
        record.status = response.status
        keep = (
            response.sized
            and request.headers.get("connection", "").lower() != "close"
            and (request.version != "HTTP/1.0" or request.headers.get("connection", "").lower() == "keep-alive")
        )
        data = encode(request, response, keep=keep and not half)
        if half:
            request.client.sendall(data[: len(data) - max(1, len(response.body) // 2)])
            return False
        request.client.sendall(data)
        record.seconds = time.perf_counter() - clock
        return keep

    def _handle(self, request: Request, record: RequestRecord) -> Response:
        if request.path == "/healthz":
            return Response(200, b".", "text/plain")
        if request.path == "/login":
            return self._login(request)
        user, visited, cookie = self._authenticate(request)
        if user is None:
            return self._unauthorized(request)
        headers = [("Set-Cookie", cookie)] if cookie else []
        context = Context(user, visited, request.client)
        with self._lock:
            self._running.add(context)
        try:
            asks = request.path == "/graphql"
            response = self._graphql(request, record, context) if asks else self._static(request)
        finally:
            with self._lock:
                self._running.discard(context)
        response.headers += headers
        return response

    def _static(self, request: Request) -> Response:
        parts = unquote(request.path).strip("/").split("/")
        store = self.world.store
        image: bytes | None = None
        if len(parts) == 3 and parts[1].isdigit() and parts[0] in ("scene", "performer", "studio", "tag"):
            record: Any = getattr(store, parts[0] + "s").get(int(parts[1]))
            if record is None:
                return Response(404, b"Not Found\n", "text/plain; charset=utf-8")
            if parts[0] == "scene" and parts[2] == "screenshot":
                # A scene without a cover has a drawing for one, and says 200; a cover of no bytes is served as such.
                image = DEFAULT_IMAGE if record.cover is None else record.cover
            elif parts[0] != "scene" and parts[2] == "image":
                image = record.image or DEFAULT_IMAGE
            if "default" in request.parameters() and parts[0] != "scene":
                image = DEFAULT_IMAGE
            if image is None:
                return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
            response = image_response(request, image)
            response.sized = self.sized_pictures
            return response
        if len(parts) == 3 and parts[0] == "plugin" and parts[2] in ("javascript", "css"):
            plugin = self._host.plugin(parts[1])
            if plugin is None or parts[1] in self._host.disabled:
                return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
            names = [name for name in plugin.ui.get(parts[2]) or () if "://" not in name]
            body = b"".join((plugin.dir / name).read_bytes() + b"\n" for name in names)
            return Response(200, body, f"text/{parts[2]}")
        if "." in parts[-1] and not parts[-1].endswith(".html"):
            return Response(404, b"404 page not found\n", "text/plain; charset=utf-8")
        # Any other path is the web page, which finds its way itself: 200, not 404.
        return Response(200, INDEX_PAGE, "text/html")

    # --- who may

    def _cookie(self, user: str, visited: Sequence[tuple[str, str]]) -> str:
        held = {
            "u": user,
            "v": [list(pair) for pair in visited],
            "t": int(time.time()),
            "g": self._generation,
        }
        value = base64.urlsafe_b64encode(json.dumps(held).encode()).decode().rstrip("=")
        return f"{value}.{hmac.new(self._secret, value.encode(), hashlib.sha256).hexdigest()}"

    def _read_cookie(self, header: str) -> tuple[str, list[tuple[str, str]]] | None:
        """User and visited hooks of a session cookie; None where there is none that still holds."""
        for part in header.split(";"):
            name, _, text = part.strip().partition("=")
            if name != "session":
                continue
            value, _, mac = text.partition(".")
            if not hmac.compare_digest(mac, hmac.new(self._secret, value.encode(), hashlib.sha256).hexdigest()):
                return None
            held = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
            if held["g"] != self._generation or time.time() - held["t"] > self.world.max_session_age:
                return None
            return held["u"], [(pair[0], pair[1]) for pair in held["v"]]
        return None

    def _set_cookie(self, user: str, visited: Sequence[tuple[str, str]]) -> str:
        age = self.world.max_session_age
        expires = formatdate(time.time() + age, usegmt=True)
        return f"session={self._cookie(user, visited)}; Path=/; Expires={expires}; Max-Age={age}; SameSite=Lax"

    def _authenticate(self, request: Request) -> tuple[str | None, list[tuple[str, str]], str | None]:
        held = self._read_cookie(request.headers.get("cookie", ""))
        visited = held[1] if held else []
        key = request.headers.get("apikey") or (request.parameters().get("apikey") or [""])[0]
        if key:
            # A key is looked at even where nothing is asked for.
            return (self.world.username if key == self.world.api_key else None), visited, None
        user = held[0] if held else ""
        if self.credentials is not None and not user:
            return None, visited, None
        return user, visited, self._set_cookie(user, visited) if held else None

    def _unauthorized(self, request: Request) -> Response:
        last = request.path.rpartition("/")[2]
        by_key = request.headers.get("apikey") or "apikey" in request.parameters()
        if request.path == "/graphql" or by_key or ("." in last and not last.endswith(".html")):
            return Response(401, headers=[("WWW-Authenticate", "FormBased")])
        # A picture is refused by a way to the log-in page, which then says 200.
        return Response(302, headers=[("Location", "/login?" + urlencode({"returnURL": request.target}))])

    def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(200, INDEX_PAGE, "text/html")
        form = parse_qs(request.body.decode("utf-8", "replace"))
        given = (form.get("username", [""])[0], form.get("password", [""])[0])
        if self.credentials is None or given != self.credentials:
            return Response(401, b"Username or password is invalid", "text/plain; charset=utf-8")
        return Response(200, headers=[("Set-Cookie", self._set_cookie(given[0], ()))])

    def _connection(self, context: Context, visited: Sequence[tuple[str, str]]) -> Json:
        """`server_connection`, with the cookie as Go writes one."""
        return {
            "Scheme": "http",
            "Host": self.host_in_connection,
            "Port": self._port,
            "SessionCookie": {
                "Name": "session",
                "Value": self._cookie(context.user, visited),
                "Quoted": False,
                "Path": "",
                "Domain": "",
                "Expires": "0001-01-01T00:00:00Z",
                "RawExpires": "",
                "MaxAge": 0,
                "Secure": False,
                "HttpOnly": False,
                "SameSite": 0,
                "Partitioned": False,
                "Raw": "",
                "Unparsed": None,
            },
            "Dir": str(self.config_dir),
            "PluginDir": "",
        }

    def session_cookie(self) -> str:
        """A fresh session cookie's value, as a browser has one after logging in."""
        return self._cookie(self.world.username, ())

    def expire_cookies(self) -> None:
        """All cookies given so far are worth nothing any more."""
        self._generation += 1

    # --- GraphQL

    def _document(self, query: str) -> DocumentNode | list[GraphQLError]:
        found = _documents.get(query)
        if found is None:
            try:
                document = parse(query)
                found = validate(self._schema, document) or document
            except GraphQLError as error:
                found = [error]
            _documents[query] = found
        return found

    def _graphql(self, request: Request, record: RequestRecord, context: Context) -> Response:
        if request.method == "POST" and "application/json" not in request.headers.get("content-type", ""):
            return _errors(400, [{"message": "transport not supported"}])
        if request.method not in ("GET", "POST"):
            return _errors(400, [{"message": "transport not supported"}])
        sent = _graphql_body(request)
        if sent is None:
            return _errors(400, [{"message": "json request body could not be decoded"}])
        query = sent.get("query") or ""
        if query in _introspections:
            return Response(200, _introspections[query], "application/json")
        document = self._document(query)
        if isinstance(document, list):
            code = "GRAPHQL_VALIDATION_FAILED" if document[0].nodes else "GRAPHQL_PARSE_FAILED"
            return _errors(422, [{**_formatted(error), "extensions": {"code": code}} for error in document])
        operation = _operation(document, sent.get("operationName"))
        if operation is None:
            return _errors(422, [{"message": f"operation {sent.get('operationName') or ''} not found"}])
        mutating = operation.operation is not OperationType.QUERY
        if mutating and request.method == "GET":
            return _errors(406, [{"message": "GET requests only allow query operations"}])
        result = self._execute(document, sent, request, context, mutating=mutating)
        if result.errors and any(error.path is None for error in result.errors):
            refused = {"code": "GRAPHQL_VALIDATION_FAILED"}
            return _errors(422, [{**_formatted(error), "extensions": refused} for error in result.errors])
        answer: Json = {}
        if result.errors:
            answer["errors"] = [self._told(error) for error in result.errors]
        answer["data"] = result.data
        body = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if "__schema" in query and not sent.get("variables") and not result.errors:
            _introspections[query] = body
        return Response(200, body, "application/json")

    def _execute(
        self, document: DocumentNode, sent: Json, request: Request, context: Context, *, mutating: bool
    ) -> Any:
        prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
        scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
        base = self.external_host or f"{scheme}://{request.headers.get('host') or f'127.0.0.1:{self._port}'}"
        # A query sees the store at one moment; a mutation must not hold the lock while its hooks run.
        holding: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if mutating else self.world.store.lock
        )
        with holding:
            return execute_sync(
                self._schema,
                document,
                context_value=Asked(self.world, context, base + prefix),
                variable_values=sent.get("variables") or {},
                operation_name=sent.get("operationName") or None,
            )

    def _told(self, error: GraphQLError) -> Json:
        cause = error.original_error
        message = error.message
        if cause is not None and not isinstance(cause, (*EXPECTED_ERRORS, GraphQLError)):
            self._host.write("error", "".join(traceback.format_exception(cause)))
            message = f"Internal system error. Error <{message}>"
        path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.path or ()).lstrip(".")
        self._host.write("error", f"{path}: {message}")
        return {"message": message, "path": error.path}

    # --- faults

    def fail(
        self,
        kind: FaultKind,
        *,
        status: int = 500,
        times: int | None = 1,
        delay: float = 0.0,
        query_contains: str | None = None,
        message: str = "database is locked",
        path: str = "/graphql",
        after: bool = False,
        location: str = "",
    ) -> None:
        """Let requests fail.

        :param kind: "status" answers with `status`; "reset" and "hang" answer nothing; "half" breaks off in
            the middle; "slow" answers after `delay` seconds; "null_data" and "gql_error" answer 200; "refuse"
            takes no connections until `clear_faults()`, or for `delay` seconds.
        :param times: how many requests; None for all until `clear_faults()`.
        :param delay: seconds before it happens ("hang": how long, 0 for until `clear_faults()` or `stop()`).
        :param query_contains: only requests with this text in their query.
        :param path: only requests whose path starts so.
        :param after: the request is carried out first, and only its answer is spoilt.
        :param location: where an answer of "status" sends the client to.
        """
        if kind == "refuse":
            self._unlisten()
            if delay:
                timer = threading.Timer(delay, self._relisten)
                timer.daemon = True
                timer.start()
            self._faults.append(_Fault(kind, 0, None, delay, None, "", "\0", after=False))
            return
        fault = _Fault(kind, status, times, delay, query_contains, message, path, after, location)
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """All is well again; requests that hang are let go."""
        with self._lock:
            refused = any(fault.kind == "refuse" for fault in self._faults)
            self._faults.clear()
            cleared, self._faults_cleared = self._faults_cleared, threading.Event()
        cleared.set()
        if refused:
            self._relisten()

    def _relisten(self) -> None:
        if self._serving and not self._listeners:
            self._listen()

    def _fault(self, record: RequestRecord) -> _Fault | None:
        with self._lock:
            for fault in self._faults:
                if not record.path.startswith(fault.path):
                    continue
                if fault.query_contains is not None and fault.query_contains not in record.query:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def _inflict(self, fault: _Fault, request: Request) -> tuple[Response | None, bool]:
        """The spoilt answer, None for the true one; and whether to break off in the middle of it."""
        cleared = self._faults_cleared
        if fault.kind == "hang":
            deadline = time.monotonic() + (fault.delay or 3600)
            while self._serving and time.monotonic() < deadline and not cleared.wait(0.02):
                pass
            raise _DroppedError
        if fault.delay:
            cleared.wait(fault.delay)
        if fault.kind == "reset":
            request.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _DroppedError
        if fault.kind == "status":
            text = f"<html><body><h1>{fault.status}</h1></body></html>".encode()
            headers = [("Location", fault.location)] if fault.location else []
            return Response(fault.status, text, "text/html", headers), False
        if fault.kind == "null_data":
            return Response(200, b'{"data":null}', "application/json"), False
        if fault.kind == "gql_error":
            return _errors(200, [{"message": fault.message}]), False
        return None, fault.kind == "half"

    # --- what is in it

    @property
    def store(self) -> Store:
        """All records; hold `store.lock` to change several as one."""
        return self.world.store

    def add_scene(
        self,
        *,
        title: str = "",
        details: str = "",
        studio: str | int | None = None,
        date: str | None = None,
        performers: Sequence[str | int | tuple[str, str]] = (),
        tags: Sequence[str | int] = (),
        groups: Sequence[str | int] = (),
        files: Sequence[tuple[str, int] | tuple[str, int, Json]] = (),
        rating100: int | None = None,
        code: str = "",
        director: str = "",
        organized: bool = False,
        cover: bytes | None = None,
        id: int | None = None,
        **more: Any,
    ) -> int:
        """A scene is there, without a hook. Names are made where missing; a file is (path, size)."""
        values = {
            "title": title,
            "details": details,
            "studio": studio,
            "date": date,
            "performers": performers,
            "tags": tags,
            "groups": groups,
            "files": files,
            "rating100": rating100,
            "code": code,
            "director": director,
            "organized": organized,
            "cover": cover,
            **more,
        }
        if id is not None:
            values["id"] = id
        return self.world.add_scene(values).id

    def add_performer(self, name: str, disambiguation: str = "", **values: Any) -> int:
        return self._add("performers", name, disambiguation, values)

    def add_studio(self, name: str, **values: Any) -> int:
        return self._add("studios", name, "", values)

    def add_tag(self, name: str, **values: Any) -> int:
        return self._add("tags", name, "", values)

    def add_group(self, name: str, **values: Any) -> int:
        return self._add("groups", name, "", values)

    def _add(self, kind: str, name: str, disambiguation: str, values: Mapping[str, Any]) -> int:
        number = self.store.named(kind, name, disambiguation)
        record: Any = getattr(self.store, kind)[number]
        for key, value in values.items():
            if not hasattr(record, key):
                raise TypeError(f"{kind} have no {key}")
            setattr(record, key, value)
        return number

    def scene(self, id: int) -> Scene:
        """The record of a scene. Changing it is a change no hook tells of; `touch()` moves `updated_at`."""
        return self.store.scenes[id]

    def remove_scene(self, id: int) -> None:
        """The scene is gone, without a hook."""
        with self.store.lock:
            del self.store.scenes[id]

    # --- what the person at the browser does

    def graphql(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        check: bool = True,
        give_up_after: float | None = None,
    ) -> SaveResult:
        """A request from the person's browser, over HTTP.

        :param check: raise RuntimeError where Stash answers with errors.
        :param give_up_after: seconds after which the browser is closed; the result then has no response.
        """
        body = json.dumps({"query": query, "variables": dict(variables or {})}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": PERSON}
        headers["Cookie"] = f"session={self.session_cookie()}"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=give_up_after or 300)
        clock = time.perf_counter()
        try:
            connection.request("POST", "/graphql", body, headers)
            answer = connection.getresponse()
            response = json.loads(answer.read())
        except TimeoutError:
            return SaveResult(time.perf_counter() - clock, None)
        finally:
            connection.close()
        result = SaveResult(time.perf_counter() - clock, response)
        if check and result.errors:
            raise RuntimeError(f"Stash answered: {result.errors}")
        return result

    def _named_input(self, given: Mapping[str, Any]) -> Json:
        made = dict(given)
        for name, kind, key in (("performers", "performers", "performer_ids"), ("tags", "tags", "tag_ids")):
            if name in made:
                made[key] = [str(self.world.resolve(kind, who)) for who in made.pop(name)]
        if "studio" in made:
            studio = made.pop("studio")
            made["studio_id"] = None if studio is None else str(self.world.resolve("studios", studio))
        if "groups" in made:
            made["groups"] = [
                {"group_id": str(self.world.resolve("groups", group))} if not isinstance(group, dict) else group
                for group in made["groups"]
            ]
        if "cover" in made:
            made["cover_image"] = _data_url(made.pop("cover"))
        return made

    def save_scene(
        self, id: int, *, check: bool = True, give_up_after: float | None = None, **given: Any
    ) -> SaveResult:
        """Edit a scene and press Save: `sceneUpdate` with the given fields.

        `studio`, `performers`, `tags` and `groups` take names, `cover` takes the picture's bytes.
        """
        query = "mutation SceneUpdate($input: SceneUpdateInput!) { sceneUpdate(input: $input) { id title } }"
        made = {"id": str(id), **self._named_input(given)}
        return self.graphql(query, {"input": made}, check=check, give_up_after=give_up_after)

    def save_scenes(self, changes: Mapping[int, Mapping[str, Any]], **options: Any) -> SaveResult:
        """`scenesUpdate`: several scenes, each with fields of its own."""
        query = "mutation ScenesUpdate($input: [SceneUpdateInput!]!) { scenesUpdate(input: $input) { id } }"
        made = [{"id": str(number), **self._named_input(given)} for number, given in changes.items()]
        return self.graphql(query, {"input": made}, **options)

    def bulk_save(
        self,
        ids: Sequence[int],
        *,
        mode: str = "SET",
        check: bool = True,
        give_up_after: float | None = None,
        **given: Any,
    ) -> SaveResult:
        """`bulkSceneUpdate`: the same fields for many scenes; `mode` is SET, ADD or REMOVE, for lists."""
        query = "mutation Bulk($input: BulkSceneUpdateInput!) { bulkSceneUpdate(input: $input) { id } }"
        made = self._named_input(given)
        for key in ("performer_ids", "tag_ids"):
            if key in made:
                made[key] = {"ids": made[key], "mode": mode}
        made["ids"] = [str(number) for number in ids]
        return self.graphql(query, {"input": made}, check=check, give_up_after=give_up_after)

    def destroy_scene(self, id: int) -> SaveResult:
        """Delete a scene as a person does: `Scene.Destroy.Post` runs."""
        return self.graphql(
            "mutation Destroy($input: SceneDestroyInput!) { sceneDestroy(input: $input) }",
            {"input": {"id": str(id)}},
        )

    def update_performer(self, id: int, **given: Any) -> SaveResult:
        return self._update("performer", id, given)

    def update_studio(self, id: int, **given: Any) -> SaveResult:
        return self._update("studio", id, given)

    def update_tag(self, id: int, **given: Any) -> SaveResult:
        return self._update("tag", id, given)

    def _update(self, kind: str, number: int, given: Mapping[str, Any]) -> SaveResult:
        title = kind.capitalize()
        query = f"mutation Update($input: {title}UpdateInput!) {{ {kind}Update(input: $input) {{ id }} }}"
        return self.graphql(query, {"input": {"id": str(number), **given}})

    def press(self, task: str, *, plugin_id: str | None = None) -> int:
        """Press the button of a task: its `defaultArgs` alone. Returns the job's id."""
        query = "mutation Run($p: ID!, $t: String) { runPluginTask(plugin_id: $p, task_name: $t) }"
        return self._number(query, {"p": plugin_id or self.plugin_id, "t": task}, "runPluginTask")

    def run_task(self, task: str, args: Mapping[str, Any], *, description: str | None = None) -> int:
        """`runPluginTask` with arguments over the task's `defaultArgs`. Returns the job's id."""
        query = (
            "mutation Run($p: ID!, $t: String, $d: String, $a: Map) "
            "{ runPluginTask(plugin_id: $p, task_name: $t, description: $d, args_map: $a) }"
        )
        variables = {"p": self.plugin_id, "t": task, "d": description, "a": dict(args)}
        return self._number(query, variables, "runPluginTask")

    def run_operation(self, args: Mapping[str, Any]) -> Any:
        """`runPluginOperation`: what the plugin's own page calls. Returns the plugin's output."""
        query = "mutation Run($p: ID!, $a: Map) { runPluginOperation(plugin_id: $p, args: $a) }"
        result = self.graphql(query, {"p": self.plugin_id, "a": dict(args)})
        return (result.response or {})["data"]["runPluginOperation"]

    def stop_job(self, job_id: int) -> None:
        """Press Stop: the job's process, and that process alone, is killed."""
        self.graphql("mutation Stop($id: ID!) { stopJob(job_id: $id) }", {"id": str(job_id)})

    def scan(self, *, new: Sequence[Mapping[str, Any]] = (), moved: Sequence[int] = (), rescan: bool = False) -> int:
        """A scan that finds new files (values as for `add_scene`) and moved ones. Returns the job's id."""
        self.world.found_new.extend(dict(values) for values in new)
        self.world.found_moved.extend(moved)
        query = "mutation Scan($input: ScanMetadataInput!) { metadataScan(input: $input) }"
        return self._number(query, {"input": {"rescan": rescan}}, "metadataScan")

    def _number(self, query: str, variables: Mapping[str, Any], name: str) -> int:
        return int((self.graphql(query, variables).response or {})["data"][name])

    # --- settings

    @property
    def plugin_settings(self) -> Json:
        """The plugin's settings; empty is the same as never configured."""
        return self.world.plugin_settings.setdefault(self.plugin_id, {})

    @plugin_settings.setter
    def plugin_settings(self, settings: Mapping[str, Any]) -> None:
        self.world.plugin_settings[self.plugin_id] = dict(settings)

    def set_settings(self, **settings: Any) -> None:
        """Change some settings and leave the others."""
        self.plugin_settings.update(settings)

    @property
    def api_key(self) -> str:
        return self.world.api_key

    @api_key.setter
    def api_key(self, key: str | None) -> None:
        self.world.api_key = key or ""

    @property
    def disabled_plugins(self) -> list[str]:
        return self._host.disabled

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for plugin processes, beside Stash's own."""
        return self._host.environment

    # --- jobs

    @property
    def jobs(self) -> list[Job]:
        """All jobs since the start, those that can no longer be found too."""
        return self._jobs.history

    def job(self, id: int) -> Job:
        return self._jobs.history[id - 1]

    def wait_job(self, id: int, timeout: float = 15.0) -> Job:
        """Wait for a job's end."""
        job = self.job(id)
        if not self._jobs.wait(lambda: job.done and job not in self._jobs.queue_now(), timeout):
            raise TimeoutError(f"job {id} ({job.description}) is {job.status} after {timeout} s")
        return job

    def wait_idle(self, timeout: float = 15.0) -> None:
        """Wait until no job runs or waits."""
        if not self._jobs.wait(self._jobs.idle, timeout):
            waiting = [f"{job.description}: {job.status}" for job in self._jobs.queue()]
            raise TimeoutError(f"jobs after {timeout} s: {waiting}")

    def occupy(self, until: float | threading.Event, *, timeout: float = 5.0) -> Job:
        """A scan that holds the job slot for some seconds, or until the event is set; it runs on return."""
        event = until if isinstance(until, threading.Event) else None
        seconds = 3600.0 if isinstance(until, threading.Event) else float(until)

        def run(context: Context, _job: Job) -> None:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not (event is not None and event.is_set()):
                if context.wait(min(0.01, max(deadline - time.monotonic(), 0))):
                    return

        job = self._jobs.add("Scanning...", Context(self.world.username), run, {})
        if not self._jobs.wait(lambda: job.status != "READY", timeout):
            raise TimeoutError("another job holds the slot")
        return job

    # --- what happened

    @property
    def log(self) -> list[LogLine]:
        return self._host.log

    def log_text(self) -> str:
        """The whole log, a line each."""
        return "\n".join(str(line) for line in list(self.log))

    def errors(self, source: str | None = None) -> list[str]:
        """The messages logged as errors, of one source or of all."""
        return [
            line.message
            for line in list(self.log)
            if line.level == "error" and (source is None or line.source == source)
        ]

    def wait_log(self, text: str, timeout: float = 5.0) -> LogLine:
        """Wait until a line with this text is logged."""
        deadline = time.monotonic() + timeout
        while True:
            for line in list(self.log):
                if text in line.message:
                    return line
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} is not in the log:\n{self.log_text()}")
            time.sleep(0.005)

    @property
    def processes(self) -> list[ProcessRecord]:
        """All runs of plugins: hooks, tasks and operations."""
        return self._host.processes

    def hooks(self) -> list[ProcessRecord]:
        return [process for process in list(self.processes) if process.kind == "hook"]

    def plugin_requests(self, query_contains: str = "") -> list[RequestRecord]:
        """The requests that did not come from the person's browser."""
        return [r for r in list(self.requests) if not r.by_person and query_contains in r.query]

    def queries(self) -> list[str]:
        """Every query received, once each."""
        return list(dict.fromkeys(record.query for record in list(self.requests) if record.query))

    def contract_errors(self) -> list[str] | None:
        """What Stash's whole schema finds wrong with the queries received; None where it is not at hand."""
        found: list[str] = []
        for query in self.queries():
            errors = validate_against_contract(query)
            if errors is None:
                return None
            found += [f"{error} in: {query}" for error in errors]
        return found


# --- helpers ---


def _data_url(image: bytes) -> str:
    return f"data:{image_type(image)};base64,{base64.b64encode(image).decode()}"


def _graphql_body(request: Request) -> Json | None:
    try:
        if request.method == "GET":
            given = {key: values[0] for key, values in request.parameters().items()}
            variables = json.loads(given["variables"]) if given.get("variables") else None
            return {**given, "variables": variables}
        body = json.loads(request.body)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _read_query(request: Request, record: RequestRecord) -> None:
    sent = _graphql_body(request) or {}
    record.query = str(sent.get("query") or "")
    record.variables = sent.get("variables") or {}


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name:
        found = [node for node in found if node.name is not None and node.name.value == name]
    return found[0] if len(found) == 1 else None


def _formatted(error: GraphQLError) -> Json:
    made: Json = {"message": error.message}
    if error.locations:
        made["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return made


def _errors(status: int, errors: Sequence[Json]) -> Response:
    return Response(status, json.dumps({"errors": list(errors), "data": None}).encode(), "application/json")


__all__ = [
    "CONTRACT",
    "Job",
    "LogLine",
    "ProcessRecord",
    "RequestRecord",
    "SaveResult",
    "Scene",
    "StashError",
    "StashStandIn",
    "validate_against_contract",
]
