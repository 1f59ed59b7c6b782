"""How Stash loads a plugin, runs its process, reads its log and queues its tasks.

The rules are those of Stash's pkg/plugin, pkg/logger and pkg/job. Where a rule looks odd it is Stash's
oddity, kept on purpose: a plugin has to live with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.servers.selectable import selectable

Json = dict[str, Any]
Level = Literal["trace", "debug", "info", "warning", "error"]
Kind = Literal["hook", "task", "operation"]

LEVELS: dict[int, Level | Literal["progress", "none"]] = {
    ord("t"): "trace",
    ord("d"): "debug",
    ord("i"): "info",
    ord("w"): "warning",
    ord("e"): "error",
    ord("p"): "progress",
    0: "none",
}
# bufio.Scanner's buffer: a line that does not fit, its newline included, ends the reader.
MAX_LINE = 64 * 1024
GRAVEYARD = 10
KILLED = 1 if sys.platform == "win32" else -signal.SIGKILL
"""How a process ended that was stopped."""


# --- the log ---


@dataclass(frozen=True)
class LogLine:
    """One line of Stash's log. `source` is "stash", or the name of the plugin whose stderr it came from."""

    level: Level
    message: str
    source: str = "stash"

    def __str__(self) -> str:
        prefix = "" if self.source == "stash" else f"[Plugin / {self.source}] "
        return f"{self.level}: {prefix}{self.message}"


class StderrReader:
    """Reads a plugin's stderr as Stash does; feed it bytes, `closed` tells when it has given up."""

    def __init__(
        self,
        write: Callable[[Level, str], None],
        progress: Callable[[float], None] | None,
        complain: Callable[[str], None],
        default: Level = "error",
    ) -> None:
        self._write = write
        self._progress = progress
        self._complain = complain
        self._default: Level = default
        self._rest = b""
        self.closed = False

    def feed(self, data: bytes) -> None:
        if self.closed:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            if len(line) >= MAX_LINE:
                # The long line and all that follows are lost, and Stash says nothing about it.
                self.closed = True
                return
            self._line(line)
        self._rest = rest
        self.closed = len(rest) >= MAX_LINE

    def end(self) -> None:
        """The end of the stream: a last line without its newline counts."""
        if not self.closed and self._rest:
            self._line(self._rest)
        self.closed = True

    def _line(self, raw: bytes) -> None:
        raw = raw.removesuffix(b"\r")
        if not raw:
            return
        level: Level | Literal["progress", "none"] = self._default
        text = raw.decode("utf-8", "replace")
        if len(raw) >= 4 and raw[0] == 1 and raw[2] == 2 and raw[1] in LEVELS:
            level = LEVELS[raw[1]]
            text = raw[3:].decode("utf-8", "replace").strip()
        if level == "none":
            return
        if level != "progress":
            self._write(level, text)
            return
        try:
            value = float(text)
        except ValueError:
            self._complain(
                f"Error parsing progress value '{text}': strconv.ParseFloat: parsing \"{text}\": invalid syntax"
            )
            return
        if self._progress is not None:
            self._progress(value)


# --- the plugin's yml ---


class PluginError(Exception):
    """A plugin that cannot be loaded or started."""


@dataclass(frozen=True)
class Operation:
    """A task or a hook of the yml."""

    name: str = ""
    description: str = ""
    exec_args: tuple[str, ...] = ()
    default_args: Mapping[str, str] = field(default_factory=dict)
    triggered_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin."""

    id: str
    path: Path
    name: str
    description: str | None
    url: str | None
    version: str | None
    exec: tuple[str, ...]
    err_log: Level
    tasks: tuple[Operation, ...]
    hooks: tuple[Operation, ...]
    settings: Mapping[str, Json]
    ui: Json

    @property
    def dir(self) -> Path:
        return self.path.parent

    def task(self, name: str) -> Operation | None:
        return next((task for task in self.tasks if task.name == name), None)

    def hooks_of(self, trigger: str) -> list[Operation]:
        return [hook for hook in self.hooks for wanted in hook.triggered_by if wanted == trigger]

    def command(self, operation: Operation | None) -> list[str]:
        words = [*self.exec, *(operation.exec_args if operation else ())]
        if words and words[0] not in ("python", "python3") and shutil.which(words[0]) is None:
            words[0] = str(self.dir / words[0])
        return words[:1] + [word.replace("{pluginDir}", str(self.dir)) for word in words[1:]]


class _StrictLoader(yaml.BaseLoader):
    """All scalars as text, as yaml.v2 puts them into Go strings; a key that stands twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise PluginError(
                    f'yaml: unmarshal errors:\n  line {key.start_mark.line + 1}: key "{key.value}" already set in map'
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# What each key of the yml holds: "text", ["text"], {"*": ...} for any key, or a table of known keys.
_OPERATION: Json = {"name": "text", "description": "text", "execArgs": ["text"], "defaultArgs": {"*": "text"}}
_CSP: Json = {"script-src": ["text"], "style-src": ["text"], "connect-src": ["text"]}
_CONFIG: Json = {
    "name": "text",
    "description": "text",
    "url": "text",
    "version": "text",
    "interface": "text",
    "exec": ["text"],
    "errLog": "text",
    "tasks": [_OPERATION],
    "hooks": [{**_OPERATION, "triggeredBy": ["text"]}],
    "ui": {
        "requires": ["text"],
        "csp": _CSP,
        "javascript": ["text"],
        "css": ["text"],
        "assets": {"*": "text"},
    },
    "settings": {"*": {"type": "text", "displayName": "text", "description": "text"}},
}


def _check(value: Any, shape: Any, where: str, errors: list[str]) -> None:
    if value == "" or value is None:
        return
    if shape == "text":
        if not isinstance(value, str):
            errors.append(f"cannot unmarshal {where} into string")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            errors.append(f"cannot unmarshal {where} into []")
            return
        for item in value:
            _check(item, shape[0], where, errors)
    elif not isinstance(value, dict):
        errors.append(f"cannot unmarshal {where} into a map")
    else:
        for key, item in value.items():
            if "*" in shape:
                _check(item, shape["*"], f"{where}.{key}", errors)
            elif key in shape:
                _check(item, shape[key], key, errors)
            else:
                errors.append(f"field {key} not found in type {where}")


def _operation(raw: Json) -> Operation:
    return Operation(
        name=raw.get("name") or "",
        description=raw.get("description") or "",
        exec_args=tuple(raw.get("execArgs") or ()),
        default_args=dict(raw.get("defaultArgs") or {}),
        triggered_by=tuple(raw.get("triggeredBy") or ()),
    )


def load_plugin(path: Path) -> Plugin:
    """Read one yml as strictly as Stash: any key it does not know is an error."""
    try:
        # A loader of our own that makes nothing but text, lists and maps.
        raw = yaml.load(path.read_text("utf-8"), _StrictLoader)
    except yaml.YAMLError as error:
        raise PluginError(f"yaml: {error}") from error
    if raw is None or raw == "":
        raise PluginError("EOF")
    errors: list[str] = []
    _check(raw, _CONFIG, "plugin.Config", errors)
    if errors:
        raise PluginError("yaml: unmarshal errors:\n  " + "\n  ".join(errors))
    interface = raw.get("interface") or "raw"
    if interface not in ("raw", "rpc", "js"):
        raise PluginError(f"invalid interface type {interface}")
    if interface != "raw":
        raise PluginError(f"the stand-in runs no plugins of interface {interface}")
    settings: dict[str, Json] = {}
    for key, setting in sorted((raw.get("settings") or {}).items()):
        kind = (setting or {}).get("type") or "STRING"
        if kind not in ("STRING", "NUMBER", "BOOLEAN"):
            raise PluginError(f"invalid type {key} for setting {kind}")
        settings[key] = {**(setting or {}), "type": kind}
    plugin_id = path.stem
    err_log: Any = raw.get("errLog")
    return Plugin(
        id=plugin_id,
        path=path,
        name=raw.get("name") or plugin_id,
        description=raw.get("description"),
        url=raw.get("url"),
        version=raw.get("version"),
        exec=tuple(raw.get("exec") or ()),
        err_log=err_log if err_log in ("trace", "debug", "info", "warning", "error") else "error",
        tasks=tuple(_operation(task or {}) for task in raw.get("tasks") or ()),
        hooks=tuple(_operation(hook or {}) for hook in raw.get("hooks") or ()),
        settings=settings,
        ui=raw.get("ui") or {},
    )


def find_plugins(folder: Path, complain: Callable[[str], None]) -> list[Plugin]:
    """Every `*.yml` anywhere under the folder is taken for a plugin, as Stash does."""
    plugins: list[Plugin] = []
    taken: set[str] = set()
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.endswith(".yml"):
                continue
            path = Path(parent, name)
            try:
                plugin = load_plugin(path)
            except (PluginError, OSError, UnicodeDecodeError) as error:
                complain(f"Error loading plugin {path}: {error}")
                continue
            if plugin.id.lower() in taken:
                complain(f"Error loading plugin {path}: plugin ID {plugin.id} already exists")
                continue
            taken.add(plugin.id.lower())
            plugins.append(plugin)
    return plugins


# --- its process ---


class CancelledError(Exception):
    """The one who waited went away, or the job was stopped."""


class Context:
    """Whom work is done for: the user, the hooks already visited, and whether it is still wanted."""

    def __init__(
        self, user: str = "", visited: Sequence[tuple[str, str]] = (), client: socket.socket | None = None
    ) -> None:
        self.user = user
        self.visited = tuple(visited)
        self.client = client
        self._cancelled = threading.Event()
        self._alarms: list[socket.socket] = []
        self._lock = threading.Lock()

    def visiting(self, plugin_id: str, trigger: str) -> tuple[tuple[str, str], ...]:
        return (*self.visited, (plugin_id, trigger))

    @property
    def cancelled(self) -> bool:
        if not self._cancelled.is_set() and self.client is not None and _has_left(self.client):
            self._cancelled.set()
        return self._cancelled.is_set()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled.set()
            for alarm in self._alarms:
                with contextlib.suppress(OSError):
                    alarm.send(b"x")

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than the work is wanted; true when it no longer is."""
        return self._cancelled.wait(seconds)

    @contextlib.contextmanager
    def alarm(self) -> Any:
        """A socket that becomes readable when the work is cancelled."""
        reader, writer = socket.socketpair()
        with reader, writer:
            with self._lock:
                self._alarms.append(writer)
                if self._cancelled.is_set():
                    writer.send(b"x")
            try:
                yield reader
            finally:
                with self._lock:
                    self._alarms.remove(writer)


_DONT_WAIT: int | None = getattr(socket, "MSG_DONTWAIT", None)  # Windows has none


def _has_left(client: socket.socket) -> bool:
    try:
        if _DONT_WAIT is None and not select.select([client], [], [], 0)[0]:
            return False
        return client.recv(1, socket.MSG_PEEK | (_DONT_WAIT or 0)) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@dataclass
class ProcessRecord:
    """One run of the plugin."""

    kind: Kind
    argv: list[str]
    stdin: bytes
    context: str = ""
    pid: int = 0
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    returncode: int | None = None
    stdout: bytes = b""
    output: Any = None
    error: str | None = None
    stopped: bool = False

    @property
    def stdin_bytes(self) -> int:
        return len(self.stdin)

    @property
    def input(self) -> Any:
        """What was sent on stdin, parsed."""
        return json.loads(self.stdin)


class PluginProcess:
    """One process of a plugin, from its start to the end of its stdout."""

    def __init__(
        self,
        record: ProcessRecord,
        *,
        cwd: Path,
        env: Mapping[str, str],
        stderr: StderrReader,
        warn: Callable[[str], None],
    ) -> None:
        self._record = record
        self._stderr = stderr
        self._warn = warn
        self._to_send = memoryview(record.stdin)
        self._stdout = bytearray()
        try:
            self._process = subprocess.Popen(
                record.argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=cwd,
                env=dict(env),
                bufsize=0,
            )
        except OSError as error:
            raise PluginError(f"error running plugin: fork/exec {record.argv[0]}: {error.strerror}") from error
        record.pid = self._process.pid
        self._clock = time.perf_counter()
        self._selector = selectors.DefaultSelector()
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._in = selectable(self._process.stdin, reads=False)
        self._out = selectable(self._process.stdout, reads=True)
        self._err = selectable(self._process.stderr, reads=True)
        self._selector.register(self._in, selectors.EVENT_WRITE, self._send)
        self._selector.register(self._out, selectors.EVENT_READ, self._read_stdout)
        self._selector.register(self._err, selectors.EVENT_READ, self._read_stderr)
        self._ended = False

    def run(self, context: Context) -> None:
        """Wait for the end; kill the process and raise `CancelledError` when it is not wanted any more."""
        with context.alarm() as alarm:
            self._selector.register(alarm, selectors.EVENT_READ, None)
            client = context.client
            if client is not None:
                self._selector.register(client, selectors.EVENT_READ, None)
            try:
                while not self._ended:
                    for key, _ in self._selector.select():
                        if key.data is not None:
                            key.data()
                        elif context.cancelled:
                            self._process.kill()
                            self._record.stopped = True
                            raise CancelledError
                        else:
                            # Bytes of the client's next request: it is still there.
                            self._selector.unregister(key.fileobj)
                self._wait(context)
            finally:
                for watched in (alarm, client):
                    if watched is not None:
                        with contextlib.suppress(KeyError, ValueError):
                            self._selector.unregister(watched)
                if self._record.stopped:
                    self._leave()
                else:
                    self._close()

    def _wait(self, context: Context) -> None:
        """Stdout has ended; the process itself may live on for a while."""
        deadline = time.monotonic() + 0.02
        while self._process.poll() is None:
            # Mostly it is gone at once; else look around in small steps.
            for key, _ in self._selector.select(0.0005 if time.monotonic() < deadline else 0.01):
                if key.data is not None:
                    key.data()
            if context.cancelled:
                self._process.kill()
                self._record.stopped = True
                raise CancelledError

    def _leave(self) -> None:
        """Nobody waits any more. A child may hold the pipes: they are read on, by a thread."""
        self._process.wait()
        self._record.returncode = self._process.returncode
        self._record.seconds = time.perf_counter() - self._clock

        def drain() -> None:
            while not self._ended:
                for key, _ in self._selector.select():
                    if key.data is not None:
                        key.data()
            self._close()

        threading.Thread(target=drain, daemon=True, name="stash-stopped-plugin").start()

    def _close(self) -> None:
        # What stderr holds by now is read; then the pipe is closed, whoever else may have it.
        while self._read_stderr():
            pass
        self._stderr.end()
        if self._to_send and not self._record.stopped:
            self._cannot_send("file already closed")
        self._selector.close()
        for stream in (self._in, self._out, self._err):
            stream.close()
        self._record.returncode = self._process.wait()
        self._record.seconds = time.perf_counter() - self._clock
        self._record.stdout = bytes(self._stdout)

    def _send(self) -> None:
        try:
            while self._to_send:
                written = self._in.write(self._to_send[: 1 << 16])
                if written is None:
                    return
                self._to_send = self._to_send[written:]
        except BlockingIOError:
            return
        except ConnectionError:
            self._cannot_send("broken pipe")
        self._selector.unregister(self._in)
        self._in.close()

    def _cannot_send(self, why: str) -> None:
        total = self._record.stdin_bytes
        done = total - len(self._to_send)
        self._to_send = self._to_send[:0]
        self._warn(f"error writing input to plugins stdin (wrote {done} bytes out of {total}): write |1: {why}")

    def _read_stdout(self) -> None:
        data = self._out.read(1 << 16)
        if data:
            self._stdout += data
        elif data == b"":
            self._selector.unregister(self._out)
            self._ended = True

    def _read_stderr(self) -> bool:
        if self._err.closed:
            return False
        try:
            data = self._err.read(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionError:
            data = b""
        if data is None:
            return False
        if data:
            self._stderr.feed(data)
        if not data or self._stderr.closed:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._err)
            self._err.close()
            return False
        return True


def parse_output(stdout: bytes) -> tuple[Any, str | None]:
    """`{"output": ..., "error": ...}` if it is that, else the whole text as the output."""
    text = stdout.decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text, None
    if value is None:
        return None, None
    if not isinstance(value, dict):
        return text, None
    # Go's decoder does not mind the case of keys, and ignores those it does not know.
    fields = {key.lower(): item for key, item in value.items()}
    error = fields.get("error")
    if error is not None and not isinstance(error, str):
        return text, None
    return fields.get("output"), error


def exit_text(returncode: int) -> str | None:
    """What Go says of a process that ended badly."""
    if returncode == 0:
        return None
    if returncode > 0:
        return f"exit status {returncode}"
    names = {
        signal.SIGKILL: "killed",
        signal.SIGTERM: "terminated",
        signal.SIGINT: "interrupt",
        signal.SIGSEGV: "segmentation fault",
        signal.SIGABRT: "aborted",
    }
    return f"signal: {names.get(signal.Signals(-returncode), str(-returncode))}"


# --- the host ---


class PluginHost:
    """Loads plugins and runs them: hooks, tasks and operations."""

    def __init__(
        self,
        *,
        plugin_dir: Path | None,
        config_dir: Path,
        python: str,
        environment: Mapping[str, str],
        connection: Callable[[Context, Sequence[tuple[str, str]]], Json],
        other_plugins: Sequence[Path] = (),
    ) -> None:
        self.plugin_dir = plugin_dir
        self.other_plugins = tuple(other_plugins)
        self.config_dir = config_dir
        self.python = python
        self.environment = dict(environment)
        self.plugins: list[Plugin] = []
        self.disabled: list[str] = []
        self.log: list[LogLine] = []
        self.processes: list[ProcessRecord] = []
        self._connection = connection

    def write(self, level: Level, message: str, source: str = "stash") -> None:
        self.log.append(LogLine(level, message, source))

    def reload(self) -> None:
        folders = [*self.other_plugins, *([self.plugin_dir] if self.plugin_dir else [])]
        self.plugins = [
            plugin
            for folder in folders
            for plugin in find_plugins(folder, lambda message: self.write("error", message))
        ]

    def plugin(self, plugin_id: str) -> Plugin | None:
        return next((plugin for plugin in self.plugins if plugin.id == plugin_id), None)

    def enabled(self) -> list[Plugin]:
        return [plugin for plugin in self.plugins if plugin.id not in self.disabled]

    def _argv(self, plugin: Plugin, operation: Operation | None) -> tuple[list[str], dict[str, str]]:
        words = plugin.command(operation)
        if not words:
            raise PluginError("empty exec value")
        env = dict(os.environ)
        if words[0] in ("python", "python3"):
            words[0] = self._python()
            parent = str(plugin.dir.parent)
            env["PYTHONPATH"] = os.pathsep.join(filter(None, (env.get("PYTHONPATH"), parent)))
        env.update(self.environment)
        return words, env

    def _python(self) -> str:
        if self.python:
            if Path(self.python).is_file():
                return self.python
            self.write("warning", f"unable to use configured python path: {self.python}")
        found = shutil.which("python3") or shutil.which("python")
        if found is None:
            raise PluginError("python executable not in PATH")
        return found

    def run(
        self,
        plugin: Plugin,
        operation: Operation | None,
        kind: Kind,
        context: Context,
        args: Json,
        *,
        what: str = "",
        visited: Sequence[tuple[str, str]] | None = None,
        progress: Callable[[float], None] | None = None,
        on_start: Callable[[ProcessRecord], None] | None = None,
    ) -> ProcessRecord:
        """Run the plugin once and wait for it."""
        connection = self._connection(context, context.visited if visited is None else visited)
        connection["PluginDir"] = str(plugin.dir)
        for key, value in (operation.default_args if operation else {}).items():
            args.setdefault(key, value)
        stdin = json.dumps({"server_connection": connection, "args": args}, ensure_ascii=False).encode()
        argv, env = self._argv(plugin, operation)
        record = ProcessRecord(kind, argv, stdin, context=what)

        def write(level: Level, message: str) -> None:
            self.write(level, message, plugin.name)

        stderr = StderrReader(write, progress, lambda message: self.write("error", message), plugin.err_log)
        self.processes.append(record)
        if on_start is not None:
            on_start(record)
        process = PluginProcess(
            record,
            cwd=self.config_dir,
            env=env,
            stderr=stderr,
            warn=lambda message: self.write("warning", message),
        )
        self.write("debug", f"Plugin {plugin.name} started: {' '.join(argv)}")
        process.run(context)
        record.output, record.error = parse_output(record.stdout)
        if record.error is None:
            record.error = exit_text(record.returncode or 0)
        self.write("debug", f"Plugin {plugin.name} finished")
        return record

    def run_hooks(
        self, context: Context, trigger: str, number: int, input: Any, input_fields: Sequence[str] | None
    ) -> None:
        """Run all hooks of a trigger, one after another; `CancelledError` when the client left meanwhile."""
        hook_context: Json = {"id": number, "type": trigger, "input": input}
        if input_fields:
            hook_context["inputFields"] = list(input_fields)
        try:
            for plugin in self.enabled():
                hooks = plugin.hooks_of(trigger)
                if hooks and context.visited.count((plugin.id, trigger)) >= 10:
                    self.write(
                        "debug",
                        f"cyclic loop detected: plugin ID '{plugin.id}' hook {trigger}, not re-triggering",
                    )
                    continue
                for hook in hooks:
                    self._run_hook(plugin, hook, context, trigger, hook_context)
        except PluginError as error:
            self.write("error", f"error executing post hooks: {error}")
        except CancelledError:
            self.write("error", "error executing post hooks: operation cancelled")
            raise

    def _run_hook(self, plugin: Plugin, hook: Operation, context: Context, trigger: str, hook_context: Json) -> None:
        record = self.run(
            plugin,
            hook,
            "hook",
            context,
            {"hookContext": hook_context},
            what=f"{trigger} {hook_context['id']}",
            visited=context.visiting(plugin.id, trigger),
        )
        if record.error is not None:
            self.write("error", f"{trigger} [{plugin.name}]: returned error: {record.error}")
        elif record.output is not None:
            self.write("debug", f"{trigger} [{plugin.name}]: returned: {record.output}")

    def run_task(
        self,
        context: Context,
        plugin_id: str,
        task_name: str | None,
        args: Json,
        progress: Callable[[float], None],
        on_start: Callable[[ProcessRecord], None],
    ) -> None:
        """The body of a plugin task's job. An error the plugin reports is logged and fails nothing."""
        if plugin_id in self.disabled:
            raise PluginError(f"Error creating plugin task: plugin {plugin_id} is disabled")
        plugin = self.plugin(plugin_id)
        if plugin is None:
            raise PluginError(f"Error creating plugin task: no plugin with ID {plugin_id}")
        task = plugin.task(task_name) if task_name is not None else None
        if task_name is not None and task is None:
            raise PluginError(f"Error creating plugin task: no task with name {task_name} in plugin {plugin.name}")
        try:
            record = self.run(
                plugin,
                task,
                "task",
                context,
                args,
                what=task_name or plugin_id,
                progress=progress,
                on_start=on_start,
            )
        except PluginError as error:
            raise PluginError(f"Error running plugin task: {error}") from error
        if record.error is not None:
            self.write("error", f"Plugin returned error: {record.error}")
        elif record.output is not None:
            self.write("debug", f"Plugin returned: {record.output}")

    def run_operation(self, context: Context, plugin_id: str, args: Json) -> Any:
        """Run the plugin at once and return its output."""
        if plugin_id in self.disabled:
            raise PluginError(f"plugin {plugin_id} is disabled")
        plugin = self.plugin(plugin_id)
        if plugin is None:
            # Stash does not look whether there is one.
            raise PluginError(
                "Internal system error. Error <runtime error: invalid memory address or nil pointer dereference>"
            )
        try:
            record = self.run(plugin, None, "operation", context, args, what=plugin_id)
        except CancelledError:
            raise PluginError("operation cancelled") from None
        if record.error is not None:
            raise PluginError(record.error)
        return record.output


# --- the job queue ---


@dataclass
class Job:
    """A job, and what became of it. The fields GraphQL asks for are in Stash's own format elsewhere."""

    id: int
    description: str
    run: Callable[[Context, Job], None]
    context: Context
    args: Json = field(default_factory=dict)
    status: str = "READY"
    add_ns: int = field(default_factory=time.time_ns)
    start_ns: int | None = None
    end_ns: int | None = None
    progress: float = 0.0
    progress_values: list[float] = field(default_factory=list)
    error: str | None = None
    process: ProcessRecord | None = None

    @property
    def started(self) -> float | None:
        return None if self.start_ns is None else self.start_ns / 1e9

    @property
    def ended(self) -> float | None:
        return None if self.end_ns is None else self.end_ns / 1e9

    @property
    def done(self) -> bool:
        return self.status in ("FINISHED", "CANCELLED", "FAILED")

    @property
    def output(self) -> Any:
        """What the plugin gave as its output; None before its end."""
        return self.process.output if self.process else None

    @property
    def plugin_error(self) -> str | None:
        """The error the plugin reported, which does not fail the job."""
        return self.process.error if self.process else None

    @property
    def exit_code(self) -> int | None:
        return self.process.returncode if self.process else None

    @property
    def stdin(self) -> Any:
        """What the process was sent, parsed."""
        return self.process.input if self.process else None

    def set_progress(self, value: float) -> None:
        self.progress_values.append(value)
        self.progress = min(max(value, 0.0), 1.0)


class JobManager:
    """Runs jobs one at a time, in the order they came."""

    def __init__(self, log: Callable[[Level, str], None]) -> None:
        self._log = log
        self._condition = threading.Condition()
        self._queue: list[Job] = []
        self._graveyard: list[Job] = []
        self._stopping = False
        self.history: list[Job] = []
        self._thread = threading.Thread(target=self._work, daemon=True, name="stash-jobs")
        self._thread.start()

    def add(self, description: str, context: Context, run: Callable[[Context, Job], None], args: Json) -> Job:
        # A job outlives the request it was asked for in.
        context = Context(context.user, context.visited)
        with self._condition:
            job = Job(len(self.history) + 1, description, run, context, args)
            self.history.append(job)
            self._queue.append(job)
            self._condition.notify_all()
            return job

    def find(self, number: int) -> Job | None:
        with self._condition:
            return next((job for job in [*self._queue, *self._graveyard] if job.id == number), None)

    def queue(self) -> list[Job]:
        with self._condition:
            return list(self._queue)

    def cancel(self, number: int | None = None) -> None:
        """Stop a job, or all of them: a running one is told, a waiting one is taken out."""
        with self._condition:
            for job in list(self._queue):
                if number is not None and job.id != number:
                    continue
                if job.status == "READY":
                    job.status = "CANCELLED"
                    self._bury(job)
                elif job.status == "RUNNING":
                    job.status = "STOPPING"
                job.context.cancel()
            self._condition.notify_all()

    def wait(self, until: Callable[[], bool], timeout: float) -> bool:
        """Wait until something about the jobs holds; false when the time is up."""
        with self._condition:
            return self._condition.wait_for(until, timeout)

    def idle(self) -> bool:
        return not self._queue

    def queue_now(self) -> list[Job]:
        """The queue itself, for a condition given to `wait`, which holds the lock."""
        return self._queue

    @property
    def alive(self) -> bool:
        return not self._stopping

    def close(self) -> None:
        with self._condition:
            self._stopping = True
        self.cancel()
        with self._condition:
            self._condition.notify_all()
        self._thread.join(5)

    def _bury(self, job: Job) -> None:
        self._queue.remove(job)
        self._graveyard.append(job)
        del self._graveyard[:-GRAVEYARD]

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._queue or self._stopping)
                if self._stopping:
                    return
                job = self._queue[0]
                job.status = "RUNNING"
                job.start_ns = time.time_ns()
                self._condition.notify_all()
            self._execute(job)
            with self._condition:
                job.end_ns = time.time_ns()
                self._bury(job)
                self._condition.notify_all()

    def _execute(self, job: Job) -> None:
        failed: str | None = None
        try:
            job.run(job.context, job)
        except CancelledError:
            pass
        except PluginError as error:
            failed = str(error)
            self._log("error", f"task failed due to error: {error}")
        except Exception as error:  # Stash catches a panic in a job, too.
            failed = repr(error)
            self._log("error", f"panic in job {job.id} - {job.description}: {error!r}")
        with self._condition:
            if failed is not None:
                job.error = failed
                job.status = "FAILED"
            elif job.status == "STOPPING":
                job.status = "CANCELLED"
            else:
                job.status = "FINISHED"


DEFAULT_PYTHON = sys.executable
