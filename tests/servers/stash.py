"""A stand-in Stash server: real HTTP and GraphQL on loopback, and it runs a plugin as Stash does.

    with StashStandIn(config_dir=tmp_path / "config", plugin_dir=tmp_path / "plugins" / "PlexSync") as stash:
        scene = stash.add_scene(title="Old", files=[("/data/a.mp4", 1000)], tags=["Drama"])
        saved = stash.save_scene(scene, title="New")      # waits for the hooks, as the person does
        stash.wait_idle()

It is made from Stash's own sources and keeps its awkward habits: a hook holds up the request that caused
it, one deleted scene fails a whole `findScenes(ids:)`, an empty job queue is null, a log line of 64 KiB ends
the log.

`stash_data` holds the records, `stash_resolvers` and `stash_graphql` answer queries, `stash_session` tells who may,
`stash_plugin_host` runs plugins and jobs, `stash_pages` serves what a browser loads, `stash_person` is a person without
a browser, `http_base` speaks HTTP and fails on demand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tests.servers import http_base, websocket
from tests.servers.http_base import BROKEN_PAGE, ConnectionGoneError, Fault, HttpServer, Response, Run
from tests.servers.stash_data import Scene, StashError, Store
from tests.servers.stash_graphql import CONTRACT, GraphQL, validate_against_contract
from tests.servers.stash_http import Json, Request, errors_response, image_response, not_found, zipped
from tests.servers.stash_pages import BACK_END, Pages, of_plugin
from tests.servers.stash_person import Browser, SaveResult
from tests.servers.stash_plugin_host import (
    DEFAULT_PYTHON,
    Context,
    Job,
    JobManager,
    LogLine,
    PluginHost,
    ProcessRecord,
)
from tests.servers.stash_resolvers import World
from tests.servers.stash_session import Sessions, Visited

DEFAULT_IMAGE = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 720"><rect width="1280" height="720"/></svg>'
)

FaultKind = Literal["status", "reset", "hang", "half", "slow", "null_data", "gql_error", "refuse"]


class StashStandIn(Browser, HttpServer[Request]):
    """A Stash to test against; a context manager.

    :param config_dir: the folder of Stash's config.yml, `server_connection.Dir`. Made where it is missing.
    :param plugin_dir: the plugin's folder; every `*.yml` in it is loaded as strictly as Stash does.
    :param python: the Python that Stash is configured to run plugins with.
    :param environment: more environment variables for plugin processes.
    :param credentials: user name and password; without them everything is open.
    :param api_key: the API key that was made in Stash's settings, if any.
    :param external_host: the host that URLs of pictures are built on, instead of the request's.
    :param plugin_id: the plugin that `press`, `run_operation` and `set_settings` mean.
    :param max_session_age: seconds until a session cookie dies.
    :param pages: the page that browsers get; normally an empty one.
    :param other_plugins: folders of more plugins, to stand beside the first.
    """

    request_type = Request

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
        external_host: str | None = None,
        plugin_id: str = "PlexSync",
        max_session_age: int = 3600,
        pages: Pages | None = None,
        other_plugins: Sequence[Path] = (),
    ) -> None:
        super().__init__(port=port)
        config_dir.mkdir(parents=True, exist_ok=True)
        self.config_dir = config_dir
        self.external_host = external_host
        self.sized_pictures = True
        """False: pictures come without a Content-Length, as through a proxy that streams."""
        self.plugin_id = plugin_id
        self._pages = pages or Pages()
        self._host = PluginHost(
            plugin_dir=plugin_dir,
            other_plugins=other_plugins,
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
        self._sessions = Sessions(self.world, credentials)
        self._graphql = GraphQL(self.world, self._complain)
        self._running: set[Context] = set()

    # --- start and stop

    def start(self) -> None:
        """Start serving, on the port it had before if it had one; plugins are loaded anew."""
        if self.running:
            return
        if self._jobs.history or not self._jobs.alive:
            # Jobs live in memory: a restarted Stash begins again with id 1.
            self._jobs = self.world.jobs = JobManager(self._host.write)
        self._host.reload()
        super().start()

    def stop(self) -> None:
        """Stop as a process that ends: connections break, running plugins are killed, jobs are forgotten."""
        with self._switch:
            self._outage = None
            super().stop()
        self._jobs.close()

    def close(self) -> None:
        """Stop for good and give the port back."""
        self.clear_faults()
        super().close()

    def interrupt(self) -> None:
        """Kill the plugins that requests wait for."""
        for context in list(self._running):
            context.cancel()

    @property
    def graphql_url(self) -> str:
        """The address of Stash's API."""
        return f"{self.url}/graphql"

    # --- answers

    def respond(self, run: Run, request: Request) -> Response:
        """Do what a request asks, and give the answer."""
        if request.path == "/healthz":
            return Response(200, b".", "text/plain")
        if request.path == "/login":
            return zipped(request, self._sessions.log_in(request))
        user, visited, headers = self._sessions.authenticate(request)
        if user is None:
            return self._sessions.refuse(request)
        context = Context(user, visited, request.client)
        self._running.add(context)
        try:
            if request.path == "/graphql":
                response = self._graphql.answer(request, context, self._base(request))
            else:
                response = self._static(request)
        finally:
            self._running.discard(context)
        if run.stopped.is_set():
            raise ConnectionGoneError
        response.headers += [*headers, ("X-Content-Type-Options", "nosniff")]
        return zipped(request, response)

    def takes_over(self, request: Request) -> bool:
        """Keep the WebSocket of a page that is logged in."""
        user, _, _ = self._sessions.authenticate(request)
        if request.path != "/graphql" or not websocket.is_asked_for(request) or user is None:
            return False
        self.note(request, status=101)
        websocket.serve(request)
        return True

    def _complain(self, message: str) -> None:
        self._host.write("error", message)

    def _base(self, request: Request) -> str:
        scheme = "https" if request.headers.get("x-forwarded-proto") == "https" else "http"
        host = request.headers.get("host") or f"127.0.0.1:{self.port}"
        return (self.external_host or f"{scheme}://{host}") + request.headers.get("x-forwarded-prefix", "").rstrip("/")

    def _static(self, request: Request) -> Response:
        parts = request.path.strip("/").split("/")
        if len(parts) == 3 and parts[1].isdigit() and parts[0] in ("scene", "performer", "studio", "tag"):
            return self._picture(request, *parts)
        if parts[0] == "plugin" and len(parts) > 2:
            plugin = self._host.plugin(parts[1])
            enabled = parts[1] not in self._host.disabled
            return of_plugin(plugin, enabled=enabled, path="/".join(parts[2:]), complain=self._complain)
        if parts[0] in BACK_END:
            return not_found()
        if "." in parts[-1] and not parts[-1].endswith(".html"):
            return self._pages.file(request)
        # Any other path is the web page, which finds its way itself: 200, not 404.
        prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
        return self._pages.page(prefix, self._host.enabled())

    def _picture(self, request: Request, kind: str, number: str, name: str) -> Response:
        record: Any = getattr(self.store, kind + "s").get(int(number))
        if record is None:
            return not_found(b"Not Found\n")
        image: bytes | None = None
        if kind == "scene" and name == "screenshot":
            # A scene without a cover has a drawing for one, and says 200; a cover of no bytes is served as such.
            image = DEFAULT_IMAGE if record.cover is None else record.cover
        elif kind != "scene" and name == "image":
            image = record.image or DEFAULT_IMAGE
        if "default" in request.given and kind != "scene":
            image = DEFAULT_IMAGE
        if image is None:
            return not_found()
        response = image_response(request, image)
        response.sized = self.sized_pictures
        return response

    # --- who may

    def _connection(self, context: Context, visited: Visited) -> Json:
        """`server_connection`."""
        return {
            "Scheme": "http",
            "Host": "0.0.0.0",  # an address to listen on, not one to call
            "Port": self.port,
            "SessionCookie": self._sessions.connection(context.user, visited),
            "Dir": str(self.config_dir),
            "PluginDir": "",
        }

    def session_cookie(self) -> str:
        """A fresh session cookie's value, as a browser has one after logging in."""
        return self._sessions.cookie(self.world.username)

    def expire_cookies(self) -> None:
        """All cookies given so far are worth nothing any more."""
        self._sessions.expire()

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User name and password; None while everything is open."""
        return self._sessions.credentials

    @credentials.setter
    def credentials(self, credentials: tuple[str, str] | None) -> None:
        self._sessions.credentials = credentials

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
    ) -> Fault[Request]:
        """Make requests fail, see HttpServer.add_fault(). An outage ("refuse") begins at once.

        :param kind: beside those of HttpServer "null_data" and "gql_error", which answer 200.
        :param times: how many requests; None for all until `clear_faults()`.
        :param query_contains: only requests with this text in their query.
        :param message: what "gql_error" says.
        :param path: only requests whose path starts so.
        :param after: the request is carried out first, and only its answer is spoilt.
        :param location: where an answer of "status" sends the client to.
        """
        spoilt: http_base.FaultKind = "status"
        match kind:
            case "null_data":
                response = Response(200, b'{"data":null}', "application/json")
            case "gql_error":
                response = errors_response(200, [{"message": message}])
            case _:
                spoilt = kind
                response = Response(status, BROKEN_PAGE, "text/html", [("Location", location)] if location else [])

        def matches(request: Request) -> bool:
            return request.path.startswith(path) and (query_contains is None or query_contains in request.query)

        # Half of an answer is what is left of a whole one.
        fault = Fault(spoilt, response, times, None, matches, after or kind == "half", delay)
        return self.add_fault(fault, now=kind == "refuse")

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

    def plugin_requests(self, query_contains: str = "") -> list[Request]:
        """The requests that did not come from the person's browser."""
        return [r for r in self.requests if not r.by_person and query_contains in r.query]

    def queries(self) -> list[str]:
        """Every query received, once each."""
        return list(dict.fromkeys(record.query for record in self.requests if record.query))

    def contract_errors(self) -> list[str] | None:
        """What Stash's whole schema finds wrong with the queries received; None where it is not at hand."""
        found: list[str] = []
        for query in self.queries():
            errors = validate_against_contract(query)
            if errors is None:
                return None
            found += [f"{error} in: {query}" for error in errors]
        return found


__all__ = [
    "CONTRACT",
    "Job",
    "LogLine",
    "ProcessRecord",
    "Request",
    "SaveResult",
    "Scene",
    "StashError",
    "StashStandIn",
    "validate_against_contract",
]
