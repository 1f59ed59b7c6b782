"""What the person at the browser does in Stash: real requests over HTTP, with hooks that hold them up."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.stash_http import PERSON, Json, image_type
from tests.servers.stash_resolvers import World


@dataclass(frozen=True)
class SaveResult:
    """How long the person waited, and the answer. No answer: they gave up before it came."""

    seconds: float
    response: Json | None

    @property
    def errors(self) -> list[str]:
        """The messages of a GraphQL answer's errors."""
        return [str(error["message"]) for error in (self.response or {}).get("errors", ())]


class Browser:
    """A person's part of a stand-in, which gives `port`, `world`, `plugin_id` and `session_cookie()`."""

    port: int
    world: World
    plugin_id: str

    def session_cookie(self) -> str:
        """A fresh session cookie's value, as a browser has one after logging in."""
        raise NotImplementedError

    def uninstall_plugin(self) -> None:
        """The plugin manager's Uninstall: Stash knows the plugin no more. Its files are left alone here."""
        self.world.host.plugin_dir = None
        self.graphql("mutation Reload { reloadPlugins }")

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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=give_up_after or 300)
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


def _data_url(image: bytes) -> str:
    return f"data:{image_type(image)};base64,{base64.b64encode(image).decode()}"
