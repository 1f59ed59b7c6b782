"""The stand-in Stash behaves as the real one: a throw-away plugin reports what it was given."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import build_schema, parse
from graphql.language import ast
from stashapi.stashapp import StashInterface

from tests.servers.stash import CONTRACT, StashStandIn, validate_against_contract
from tests.servers.stash_plugin_host import KILLED, MAX_LINE, StderrReader, parse_output
from tests.servers.stash_resolvers import SCHEMA_FILE

YML = """\
name: Throw Away
description: only for these tests
version: 0.10
exec: [python3, "{pluginDir}/plugin.py"]
interface: raw
hooks:
  - name: Changes
    triggeredBy: [Scene.Update.Post, Scene.Create.Post, Scene.Destroy.Post, Performer.Update.Post]
tasks:
  - name: Process queue
    description: works
    defaultArgs: {mode: work, count: 3}
settings:
  url: {displayName: Address, type: STRING}
  fast: {displayName: Fast, type: BOOLEAN}
"""

# What the process does is told by a file beside the plugin, as Python; it may print its own result.
PLUGIN = """\
import json, os, sys, time
from pathlib import Path
given = json.load(sys.stdin)
result = {"output": {"args": given["args"], "cwd": os.getcwd(), "path": os.environ.get("PYTHONPATH", "")}}
script = Path(__file__).with_name("does.py")
if script.exists():
    exec(script.read_text())
print(json.dumps(result))
"""


class Folders:
    """Where the test's Stash keeps its things."""

    def __init__(self, root: Path) -> None:
        self.config = root / "config"
        self.plugin = root / "plugins" / "PlexSync"
        self.plugin.mkdir(parents=True)
        self.yml = self.plugin / "PlexSync.yml"
        self.yml.write_text(YML)
        (self.plugin / "plugin.py").write_text(PLUGIN)

    def does(self, code: str) -> None:
        """What the plugin does from now on."""
        (self.plugin / "does.py").write_text(code)

    def stash(self, **options: Any) -> StashStandIn:
        return StashStandIn(config_dir=self.config, plugin_dir=self.plugin, **options)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def stash(folders: Folders) -> Iterator[StashStandIn]:
    with folders.stash() as server:
        yield server


def ask(stash: StashStandIn, query: str, variables: Any = None, **options: Any) -> requests.Response:
    return requests.post(stash.graphql_url, json={"query": query, "variables": variables}, timeout=10, **options)


def hook_context(stash: StashStandIn, number: int = -1) -> Any:
    return stash.hooks()[number].input["args"]["hookContext"]


# --- the schema ---


def named(node: Any) -> str:
    """A type as it is written, `[String!]!`."""
    if isinstance(node, ast.NonNullTypeNode):
        return named(node.type) + "!"
    return f"[{named(node.type)}]" if isinstance(node, ast.ListTypeNode) else str(node.name.value)


def parts(text: str) -> dict[str, str]:
    """Every field, argument, input field and enum value of a schema, with its type."""
    found: dict[str, str] = {}
    for definition in parse(text).definitions:
        name = getattr(getattr(definition, "name", None), "value", "schema")
        found[name] = definition.kind
        for field in getattr(definition, "fields", None) or ():
            found[f"{name}.{field.name.value}"] = named(field.type)
            for argument in getattr(field, "arguments", None) or ():
                found[f"{name}.{field.name.value}({argument.name.value})"] = named(argument.type)
        for value in getattr(definition, "values", None) or ():
            found[f"{name}.{value.name.value}"] = "enum value"
    return found


def test_the_subset_says_nothing_that_stash_does_not() -> None:
    if not CONTRACT.is_file():
        pytest.skip("Stash's whole schema is not beside the repository")
    subset, whole = parts(SCHEMA_FILE.read_text()), parts(CONTRACT.read_text())
    assert {key: kind for key, kind in subset.items() if whole.get(key) != kind} == {}
    build_schema(SCHEMA_FILE.read_text())


def test_queries_are_checked_against_the_whole_schema(stash: StashStandIn) -> None:
    if not CONTRACT.is_file():
        assert validate_against_contract("{ version { version } }") is None
        pytest.skip("Stash's whole schema is not beside the repository")
    assert validate_against_contract("{ findScene(id: 1) { galleries { id } } }") == []
    assert validate_against_contract("{ findScene(id: 1) { colour } }") != []
    ask(stash, "{ version { version } }")
    ask(stash, "{ version { colour } }")
    assert [error.split(" in: ")[1] for error in stash.contract_errors() or ()] == ["{ version { colour } }"]


# --- HTTP and GraphQL ---


def test_a_query_that_does_not_hold_is_refused_with_422(stash: StashStandIn) -> None:
    for query, code in (
        ("{ findScene(id: 1) { colour } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ findScene(id: 1) ", "GRAPHQL_PARSE_FAILED"),
    ):
        answer = ask(stash, query)
        assert answer.status_code == 422
        assert answer.json()["data"] is None
        assert answer.json()["errors"][0]["extensions"] == {"code": code}
    assert ask(stash, "query Q($i: FindJobInput!) { findJob(input: $i) { id } }", {}).status_code == 422


def test_one_connection_serves_many_requests_and_http_1_0_one(stash: StashStandIn) -> None:
    stash.add_scene(title="A")
    connection = http.client.HTTPConnection("127.0.0.1", stash.port)
    body = json.dumps({"query": "{ findScene(id: 1) { title date } }"})
    for _ in range(3):
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert json.loads(answer.read()) == {"data": {"findScene": {"title": "A", "date": None}}}
        assert not answer.will_close
    connection.close()
    old = http.client.HTTPConnection("127.0.0.1", stash.port)
    old._http_vsn, old._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    old.request("POST", "/graphql", body, {"Content-Type": "application/json"})
    answer = old.getresponse()
    assert answer.will_close and b"title" in answer.read()
    old.close()


def test_stashapi_talks_to_it(stash: StashStandIn) -> None:
    stash.add_scene(title="A", performers=[("Ann", "the first")], tags=["Drama"], files=[("/data/a.mp4", 7)])
    stash.set_settings(url="http://plex")
    api = StashInterface({"Host": "0.0.0.0", "Port": stash.port, "SessionCookie": {"Value": "x"}})
    scene = api.find_scene(1)
    assert (scene["title"], scene["files"][0]["basename"], scene["tags"][0]["name"]) == (
        "A",
        "a.mp4",
        "Drama",
    )
    assert api.find_performer(1)["disambiguation"] == "the first"
    assert api.find_plugin_config("PlexSync") == {"url": "http://plex"}
    assert api.job_queue() is None
    api.update_scene({"id": 1, "title": "B"})
    assert stash.scene(1).title == "B"
    assert not stash.contract_errors()


def test_one_scene_that_is_gone_poisons_the_whole_batch(stash: StashStandIn) -> None:
    ids = [stash.add_scene(title=title) for title in "abc"]
    query = "query Q($ids: [ID!]) { findScenes(ids: $ids) { scenes { id title } } }"
    assert len(ask(stash, query, {"ids": ids}).json()["data"]["findScenes"]["scenes"]) == 3
    stash.remove_scene(ids[1])
    answer = ask(stash, query, {"ids": ids})
    assert answer.status_code == 200 and answer.json()["data"] is None
    assert answer.json()["errors"][0]["message"] == "scene with id 2 not found"
    assert "duplicate id" in ask(stash, query, {"ids": [1, 1]}).json()["errors"][0]["message"]
    alone = ask(stash, "{ a: findScene(id: 1) { id } b: findScene(id: 2) { id } }")
    assert alone.json() == {"data": {"a": {"id": "1"}, "b": None}}


def test_pages_and_filters(stash: StashStandIn) -> None:
    for number in range(30):
        stash.add_scene(title=f"Scene {number:02}", tags=["even"] if number % 2 == 0 else [], studio="S")
    even = stash.add_tag("even")
    query = (
        "query Q($f: FindFilterType, $s: SceneFilterType) "
        "{ findScenes(filter: $f, scene_filter: $s) { count scenes { id } } }"
    )

    def found(page: Any, wanted: Any = None) -> tuple[int, list[int]]:
        data = ask(stash, query, {"f": page, "s": wanted}).json()["data"]["findScenes"]
        return data["count"], [int(scene["id"]) for scene in data["scenes"]]

    assert found({}) == (30, list(range(1, 26)))
    assert found({"per_page": 10, "page": 3, "sort": "title", "direction": "DESC"})[1] == list(range(10, 0, -1))
    assert len(found({"per_page": -1})[1]) == 30
    assert found({"per_page": -1}, {"tags": {"value": [str(even)], "modifier": "INCLUDES"}})[0] == 15
    assert found({"per_page": 2}, {"id": {"value": 20, "modifier": "GREATER_THAN"}}) == (10, [21, 22])
    future = {"updated_at": {"value": "2999-01-01T00:00:00Z", "modifier": "GREATER_THAN"}}
    assert found({"per_page": -1}, future) == (0, [])


def test_dates_keep_their_precision_and_bad_ones_are_refused(stash: StashStandIn) -> None:
    scene = stash.add_scene(title="A")
    for date in ("2020", "2020-05", "2020-05-01"):
        stash.save_scene(scene, date=date)
        assert stash.scene(scene).date == date
    stash.save_scene(scene, date="")
    assert stash.scene(scene).date is None
    assert "failed to parse date" in stash.save_scene(scene, date="May", check=False).errors[0]


def test_what_the_real_one_refuses(stash: StashStandIn) -> None:
    bare = stash.add_scene(title="No file")
    assert stash.save_scene(99, title="x", check=False).errors == ["scene with id 99 not found"]
    assert "title must be set" in stash.save_scene(bare, title="", check=False).errors[0]
    assert "FOREIGN KEY" in stash.save_scene(bare, performer_ids=["77"], check=False).errors[0]
    assert stash.scene(bare).title == "No file"
    assert not stash.hooks()


def test_pictures(folders: Folders) -> None:
    with folders.stash(external_host="https://outside.example") as stash:
        scene = stash.add_scene(title="A")
        answer = ask(stash, "{ findScene(id: 1) { paths { screenshot } performers { image_path } } }")
        url = answer.json()["data"]["findScene"]["paths"]["screenshot"]
        assert url.startswith("https://outside.example/scene/1/screenshot?t=")
        path = url.removeprefix("https://outside.example")
        drawn = requests.get(stash.url + path, timeout=5)
        assert (drawn.status_code, drawn.headers["Content-Type"]) == (200, "image/svg+xml")
        stash.save_scene(scene, cover=b"\xff\xd8\xff picture")
        real = requests.get(stash.url + path, timeout=5)
        assert (real.content, real.headers["Content-Type"]) == (b"\xff\xd8\xff picture", "image/jpeg")
        again = requests.get(stash.url + path, timeout=5, headers={"If-None-Match": real.headers["ETag"]})
        assert again.status_code == 304
        assert requests.get(f"{stash.url}/scene/9/screenshot", timeout=5).status_code == 404


# --- who may ask ---


def test_with_credentials_a_cookie_or_the_key_is_needed(folders: Folders) -> None:
    query = "{ version { version } }"
    with folders.stash(credentials=("me", "secret"), api_key="KEY") as stash:
        refused = ask(stash, query)
        assert (refused.status_code, refused.content) == (401, b"")
        assert refused.headers["WWW-Authenticate"] == "FormBased"
        assert ask(stash, query, headers={"ApiKey": "KEY"}).status_code == 200
        assert ask(stash, query, headers={"ApiKey": "WRONG"}).status_code == 401
        cookies = {"session": stash.session_cookie()}
        answer = ask(stash, query, cookies=cookies)
        assert answer.status_code == 200 and answer.cookies["session"]
        stash.expire_cookies()
        assert ask(stash, query, cookies=cookies).status_code == 401
        # A picture is not refused: it is the log-in page, with 200.
        stash.add_scene(title="A")
        page = requests.get(f"{stash.url}/scene/1/screenshot", timeout=5)
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")
        assert requests.get(f"{stash.url}/scene/1/screenshot?apikey=KEY", timeout=5).status_code == 200


def test_the_plugins_cookie_lets_it_in(folders: Folders) -> None:
    with folders.stash(credentials=("me", "secret")) as stash:
        stash.save_scene(stash.add_scene(title="A"), title="B")
        cookie = stash.hooks()[0].input["server_connection"]["SessionCookie"]
        assert cookie["Name"] == "session"
        assert ask(stash, "{ version { hash } }", cookies={"session": cookie["Value"]}).status_code == 200
        assert ask(stash, "{ version { hash } }", cookies={"session": cookie["Value"] + "x"}).status_code == 401


# --- loading the plugin ---


@pytest.mark.parametrize(
    "addition", ["colour: red\n", "ui:\n  script: a.js\n", "name: Again\n", "version: [1]\n", "exec: [\n"]
)
def test_a_yml_with_anything_wrong_is_not_loaded(folders: Folders, addition: str) -> None:
    if addition.startswith("version"):
        folders.yml.write_text(YML.replace("version: 0.10\n", addition))
    else:
        folders.yml.write_text(YML + addition)
    with folders.stash() as stash:
        assert "Error loading plugin" in stash.errors()[0]
        assert ask(stash, "{ plugins { id } }").json() == {"data": {"plugins": None}}
        stash.save_scene(stash.add_scene(title="A"), title="B")
        assert not stash.processes


def test_every_yml_is_taken_for_a_plugin(folders: Folders) -> None:
    (folders.plugin / ".github").mkdir()
    (folders.plugin / ".github" / "ci.yml").write_text("on: push\njobs: {}\n")
    with folders.stash() as stash:
        assert "ci.yml" in stash.errors()[0]
        data = ask(stash, "{ plugins { id name version tasks { name } settings { name type } } }").json()["data"]
        assert data["plugins"] == [
            {
                "id": "PlexSync",
                "name": "Throw Away",
                "version": "0.10",
                "tasks": [{"name": "Process queue"}],
                "settings": [{"name": "fast", "type": "BOOLEAN"}, {"name": "url", "type": "STRING"}],
            }
        ]


# --- hooks ---


def test_a_hook_is_given_the_input_with_nulls(stash: StashStandIn, folders: Folders) -> None:
    scene = stash.add_scene(title="A")
    saved = stash.save_scene(scene, title="B", tags=["Drama"])
    assert saved.response == {"data": {"sceneUpdate": {"id": "1", "title": "B"}}}
    context = hook_context(stash)
    assert (context["id"], context["type"]) == (1, "Scene.Update.Post")
    assert sorted(context["inputFields"]) == ["id", "tag_ids", "title"]
    assert context["input"]["title"] == "B" and context["input"]["tag_ids"] == ["1"]
    assert context["input"]["details"] is None and context["input"]["movies"] is None
    process = stash.hooks()[0]
    connection = process.input["server_connection"]
    assert connection["Host"] == "0.0.0.0" and connection["Port"] == stash.port
    assert connection["Dir"] == str(folders.config) and connection["PluginDir"] == str(folders.plugin)
    assert process.output["cwd"] == str(folders.config)
    assert str(folders.plugin.parent) in process.output["path"].split(os.pathsep)
    assert process.argv == [sys.executable, f"{folders.plugin}/plugin.py"]


def test_many_scenes_mean_many_hooks_with_the_whole_input(stash: StashStandIn) -> None:
    ids = [stash.add_scene(title=title) for title in "abc"]
    stash.bulk_save(ids, tags=["Drama"], mode="ADD", details="d")
    assert [process.input["args"]["hookContext"]["id"] for process in stash.hooks()] == ids
    assert hook_context(stash)["input"] == {
        "ids": ["1", "2", "3"],
        "tag_ids": {"ids": ["1"], "mode": "ADD"},
        "details": "d",
    }
    stash.save_scenes({1: {"title": "x"}, 2: {"details": "y"}})
    first, second = hook_context(stash, -2), hook_context(stash, -1)
    assert first["input"] == second["input"] and [one["id"] for one in first["input"]] == ["1", "2"]
    assert sorted(first["inputFields"]) == ["id", "title"]
    assert sorted(second["inputFields"]) == ["details", "id"]


def test_what_runs_no_hook_and_what_has_no_input(stash: StashStandIn) -> None:
    scene = stash.add_scene(title="A", performers=["Ann"], files=[("/a", 1)])
    before = stash.scene(scene).updated_at
    for query in (
        "mutation { sceneAddPlay(id: 1) { count } }",
        "mutation { sceneIncrementO(id: 1) }",
        "mutation { sceneSaveActivity(id: 1, resume_time: 3, playDuration: 2) }",
    ):
        assert "errors" not in ask(stash, query).json()
    assert stash.hooks() == []
    stash.update_performer(1, name="Anna")
    assert hook_context(stash)["type"] == "Performer.Update.Post"
    assert stash.scene(scene).updated_at == before
    stash.scan(new=[{"files": [("/b", 2)]}], moved=[scene])
    stash.wait_idle()
    assert hook_context(stash, -2) == {"id": 2, "type": "Scene.Create.Post", "input": None}
    assert hook_context(stash, -1) == {"id": 1, "type": "Scene.Update.Post", "input": None}
    stash.destroy_scene(scene)
    assert hook_context(stash)["input"]["path"] == "/a"


def test_a_hook_holds_up_the_person_and_its_error_is_logged(stash: StashStandIn, folders: Folders) -> None:
    scene = stash.add_scene(title="A")
    folders.does("time.sleep(0.3); result = {'error': 'went wrong'}")
    assert stash.save_scene(scene, title="B").seconds > 0.3
    assert "Scene.Update.Post [Throw Away]: returned error: went wrong" in stash.errors()
    folders.does("sys.exit(3)")
    stash.save_scene(scene, title="C")
    assert "Scene.Update.Post [Throw Away]: returned error: exit status 3" in stash.errors()


def test_a_child_that_holds_stdout_blocks_the_save_and_one_that_does_not_does_not(
    stash: StashStandIn, folders: Folders
) -> None:
    scene = stash.add_scene(title="A")
    child = "import subprocess; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({})']{})"
    folders.does(child.format(0.4, ""))
    assert stash.save_scene(scene, title="B").seconds > 0.4
    # Stderr it may hold: Stash closes that with the process itself.
    folders.does(child.format(5, ", stdout=subprocess.DEVNULL"))
    assert stash.save_scene(scene, title="C").seconds < 4


def test_a_closed_browser_kills_the_hook_and_the_later_ones_never_start(stash: StashStandIn, folders: Folders) -> None:
    ids = [stash.add_scene(title=title) for title in "abc"]
    folders.does("time.sleep(20)")
    assert stash.bulk_save(ids, details="d", give_up_after=0.4).response is None
    stash.wait_log("error executing post hooks: operation cancelled")
    assert [scene.details for scene in stash.store.scenes.values()] == ["d", "d", "d"]
    assert len(stash.hooks()) == 1
    assert stash.hooks()[0].stopped and stash.hooks()[0].returncode == KILLED


def test_a_loop_of_hooks_is_broken_by_the_cookie(stash: StashStandIn, folders: Folders) -> None:
    scene = stash.add_scene(title="A")
    folders.does(
        "import urllib.request\n"
        "c = given['server_connection']\n"
        "q = {'query': 'mutation { sceneUpdate(input: {id: 1, details: \"x\"}) { id } }'}\n"
        "urllib.request.urlopen(urllib.request.Request(f'http://127.0.0.1:{c[\"Port\"]}/graphql',\n"
        "    json.dumps(q).encode(), {'Content-Type': 'application/json',\n"
        "    'Cookie': 'session=' + c['SessionCookie']['Value']})).read()\n"
    )
    stash.save_scene(scene, title="B")
    assert len(stash.hooks()) == 10
    assert "cyclic loop detected" in stash.log_text()


# --- the log ---


def test_log_lines_have_levels_and_a_long_one_ends_the_reader() -> None:
    lines: list[tuple[str, str]] = []
    progress: list[float] = []
    reader = StderrReader(lambda level, text: lines.append((level, text)), progress.append, lambda _: None)
    reader.feed(b"\x01i\x02 hello \n\x01w\x02careful\r\nplain\n\n\x01p\x020.25\n\x01x\x02odd\n\x01t\x02")
    reader.feed(b"traced\n" + b"a" * (MAX_LINE - 1) + b"\n")
    assert lines[:5] == [
        ("info", "hello"),
        ("warning", "careful"),
        ("error", "plain"),
        ("error", "\x01x\x02odd"),
        ("trace", "traced"),
    ]
    assert progress == [0.25] and len(lines) == 6 and not reader.closed
    reader.feed(b"b" * MAX_LINE + b"\nnever seen\n")
    reader.end()
    assert len(lines) == 6 and reader.closed


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows a thread reads on from the pipe")
def test_after_a_long_line_the_next_write_fails(stash: StashStandIn, folders: Folders) -> None:
    folders.does(
        "result = {'output': 'written'}\n"
        "os.write(2, b'\\x01i\\x02before\\n' + b'x' * 70000 + b'\\n')\n"
        "time.sleep(0.1)\n"
        "try:\n    os.write(2, b'after')\nexcept BrokenPipeError:\n    result = {'output': 'broken'}\n"
    )
    stash.save_scene(stash.add_scene(title="A"), title="B")
    assert stash.hooks()[0].output == "broken"
    assert [line.message for line in stash.log if line.source == "Throw Away"] == ["before"]


def test_output_is_parsed_as_go_does() -> None:
    assert parse_output(b'{"output": 1}') == (1, None)
    assert parse_output(b'{"Error": "bad"}') == (None, "bad")
    assert parse_output(b"not json") == ("not json", None)
    assert parse_output(b"") == ("", None)


# --- tasks and jobs ---


def test_a_task_has_its_default_args_and_ends_as_finished(stash: StashStandIn, folders: Folders) -> None:
    pressed = stash.press("Process queue")
    stash.wait_idle()
    job = stash.job(pressed)
    assert (job.description, job.status) == ("Running plugin task: Process queue", "FINISHED")
    assert job.output["args"] == {"mode": "work", "count": "3"}
    folders.does("print('\\x01p\\x020.5', file=sys.stderr); result = {'error': 'no'}")
    job = stash.wait_job(stash.run_task("Process queue", {"count": 5}, description="By hook"))
    assert job.stdin["args"] == {"mode": "work", "count": 5}
    assert (job.description, job.status) == ("Running plugin task: By hook", "FINISHED")
    assert (job.plugin_error, job.progress_values) == ("no", [0.5])
    assert stash.errors() == ["Plugin returned error: no"]


def test_an_unknown_task_and_a_disabled_plugin_fail_later(stash: StashStandIn) -> None:
    job = stash.wait_job(stash.press("Nothing of the kind"))
    assert job.status == "FAILED"
    assert job.error == "Error creating plugin task: no task with name Nothing of the kind in plugin Throw Away"
    ask(stash, "mutation { setPluginsEnabled(enabledMap: {PlexSync: false}) }")
    assert "is disabled" in (stash.wait_job(stash.press("Process queue")).error or "")
    stash.save_scene(stash.add_scene(title="A"), title="B")
    assert not stash.processes


def test_one_job_at_a_time_and_the_last_ten_are_found(stash: StashStandIn) -> None:
    release = threading.Event()
    scan = stash.occupy(release)
    waiting = stash.press("Process queue")
    queue = ask(stash, "{ jobQueue { id status description addTime startTime } }").json()["data"]["jobQueue"]
    assert [(job["status"], job["description"]) for job in queue] == [
        ("RUNNING", "Scanning..."),
        ("READY", "Running plugin task: Process queue"),
    ]
    assert queue[1]["startTime"] is None and "T" in queue[1]["addTime"]
    release.set()
    stash.wait_idle()
    assert (stash.job(waiting).started or 0) >= (scan.ended or 0)
    find = "query F($id: ID!) { findJob(input: {id: $id}) { status error endTime } }"
    assert ask(stash, find, {"id": scan.id}).json()["data"]["findJob"]["status"] == "FINISHED"
    for _ in range(9):
        stash.wait_job(stash.press("Nothing"))
    assert ask(stash, find, {"id": scan.id}).json()["data"]["findJob"] is None
    assert ask(stash, find, {"id": waiting}).json()["data"]["findJob"] is not None


def test_stop_kills_the_process_alone(stash: StashStandIn, folders: Folders, tmp_path: Path) -> None:
    mark = tmp_path / "child.pid"
    folders.does(
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'])\n"
        f"Path({str(mark)!r}).write_text(str(child.pid)); time.sleep(20)"
    )
    number = stash.press("Process queue")
    deadline = time.monotonic() + 5
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    child = int(mark.read_text())
    try:
        stash.stop_job(number)
        job = stash.wait_job(number, timeout=3)
        assert (job.status, job.exit_code) == ("CANCELLED", KILLED)
        os.kill(child, 0)
        assert subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True).stdout[:1] in b"SR"
    finally:
        os.kill(child, 9)


def test_an_operation_returns_its_output_at_once(stash: StashStandIn, folders: Folders) -> None:
    release = threading.Event()
    stash.occupy(release)
    assert stash.run_operation({"a": 1})["args"] == {"a": 1}
    folders.does("result = {'error': 'cannot'}")
    with pytest.raises(RuntimeError, match="cannot"):
        stash.run_operation({})
    release.set()


def test_settings_are_replaced_as_a_whole(stash: StashStandIn) -> None:
    query = '{ configuration { plugins(include: ["PlexSync"]) general { apiKey } } }'
    assert ask(stash, query).json()["data"]["configuration"] == {"plugins": {}, "general": {"apiKey": ""}}
    stash.set_settings(url="x", fast=True)
    configure = 'mutation C($i: Map!) { configurePlugin(plugin_id: "PlexSync", input: $i) }'
    assert ask(stash, configure, {"i": {"url": "y"}}).json()["data"] == {"configurePlugin": {"url": "y"}}
    assert ask(stash, query).json()["data"]["configuration"]["plugins"] == {"PlexSync": {"url": "y"}}


# --- going away ---


def test_a_restart_keeps_the_port_and_forgets_the_jobs(stash: StashStandIn, folders: Folders) -> None:
    stash.add_scene(title="A")
    stash.wait_job(stash.press("Process queue"))
    folders.does("time.sleep(20)")
    stash.press("Process queue")
    port = stash.port
    while len(stash.processes) < 2 or not stash.processes[1].pid:
        time.sleep(0.005)
    stash.stop()
    assert stash.processes[1].returncode == KILLED
    with pytest.raises(requests.ConnectionError):
        ask(stash, "{ version { hash } }")
    stash.start()
    folders.does("")
    assert stash.port == port and stash.jobs == []
    assert stash.press("Process queue") == 1
    assert ask(stash, "{ findScene(id: 1) { title } }").json()["data"]["findScene"] == {"title": "A"}
    stash.wait_idle()


def test_faults_on_demand(stash: StashStandIn) -> None:
    query = "{ version { hash } }"
    stash.fail("status", status=502, query_contains="version")
    assert ask(stash, "{ jobQueue { id } }").status_code == 200
    assert ask(stash, query).status_code == 502
    stash.fail("null_data")
    assert ask(stash, query).json() == {"data": None}
    stash.fail("gql_error", message="locked")
    assert ask(stash, query).json()["errors"] == [{"message": "locked"}]
    for kind in ("reset", "half"):
        stash.fail(kind)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            ask(stash, query)
    stash.fail("hang", times=None)
    with pytest.raises(requests.Timeout):
        requests.post(stash.graphql_url, json={"query": query}, timeout=0.2)
    stash.clear_faults()
    stash.fail("slow", delay=0.2)
    clock = time.monotonic()
    assert ask(stash, query).status_code == 200 and time.monotonic() - clock > 0.2
    stash.fail("refuse")
    with pytest.raises(requests.ConnectionError):
        ask(stash, query)
    stash.clear_faults()
    assert ask(stash, query).status_code == 200
    assert stash.requests[-1].status == 200 and stash.requests[-1].query == query


def test_an_answer_can_be_lost_after_the_work_is_done(stash: StashStandIn) -> None:
    scene = stash.add_scene(title="A")
    stash.fail("reset", query_contains="sceneUpdate", after=True)
    with pytest.raises(ConnectionError):
        stash.save_scene(scene, title="B")
    assert stash.scene(scene).title == "B" and len(stash.hooks()) == 1
