"""PlexSync.yml: what Stash's strict parser takes, and what the settings panel shows."""

from __future__ import annotations

import subprocess
from typing import Literal, get_args, get_origin

import pytest
import yaml

from sync import hook, tasks
from sync.pages.overview import TASKS
from sync.settings import Settings, defaults
from sync.stash import ask
from sync.text import template
from sync.text.kinds import ROLE_PLACES, TITLE_PLACES
from tests.site import ROOT

PLUGIN = yaml.safe_load((ROOT / "PlexSync.yml").read_text())
KEYS = {"name", "description", "version", "interface", "exec", "hooks", "tasks", "settings", "ui"}


def test_the_pages_know_the_tasks_by_name() -> None:
    assert tuple(task["name"] for task in PLUGIN["tasks"]) == TASKS


def test_no_key_that_stash_does_not_know() -> None:
    assert set(PLUGIN) == KEYS, "an unknown key stops the plugin from loading"
    assert {key for task in PLUGIN["tasks"] for key in task} <= {"name", "description", "defaultArgs"}
    assert {key for one in PLUGIN["hooks"] for key in one} <= {"name", "description", "triggeredBy"}
    assert {key for one in PLUGIN["settings"].values() for key in one} == {"displayName", "description", "type"}


def test_stash_starts_the_door() -> None:
    assert (PLUGIN["interface"], PLUGIN["exec"]) == ("raw", ["python3", "-S", "{pluginDir}/plexsync.py"])
    assert [one["triggeredBy"] for one in PLUGIN["hooks"]] == [
        [hook.UPDATE_HOOK],
        [hook.DESTROY_HOOK],
        list(hook.CHANGE_HOOKS),
    ]
    assert {task["defaultArgs"]["mode"] for task in PLUGIN["tasks"]} <= set(tasks.MODES)
    assert ask.TASK_NAME in {task["name"] for task in PLUGIN["tasks"]}


def test_the_panel_has_the_settings_and_their_types() -> None:
    assert set(PLUGIN["settings"]) == set(Settings.model_fields)
    kinds: dict[object, str] = {str: "STRING", bool: "BOOLEAN", int: "NUMBER", float: "NUMBER"}
    for name, field in Settings.model_fields.items():
        is_choice = get_origin(field.annotation) is Literal
        assert PLUGIN["settings"][name]["type"] == ("STRING" if is_choice else kinds[field.annotation]), name


def test_the_panel_is_filled_with_all_that_it_would_show_as_something_else() -> None:
    """An unset switch shows as off and an unset number as 0; an unset text shows as empty."""
    shown_as_none = {name for name, one in PLUGIN["settings"].items() if one["type"] != "STRING"}
    texts = {name: value for name, value in defaults().items() if name not in shown_as_none}
    assert shown_as_none <= set(defaults())
    assert texts == {
        "title_template": "{title}",
        "code_field": "tagline",
        "performer_pictures": "auto",
        "reconcile_every": "weekly",
    }
    for name, value in texts.items():
        assert value in PLUGIN["settings"][name]["description"], "what is normal stands beside the field"


def test_tasks_have_the_arguments_that_stashs_schema_of_plugins_takes() -> None:
    assert {type(value) for task in PLUGIN["tasks"] for value in task["defaultArgs"].values()} == {str}


def test_each_setting_has_its_key_beside_its_name_in_the_panel_and_in_the_docs() -> None:
    """The log and the command line speak of keys, the panel of names: whoever reads one finds the other."""
    docs, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/settings.md", "README.md"))
    for key, one in PLUGIN["settings"].items():
        name, _, rest = one["displayName"].rpartition(" (")
        assert rest == f"{key})"
        for page in (docs, readme):
            assert f"`{key}`" in page, key
            assert name in page, name


def test_choices_are_told() -> None:
    for name, field in Settings.model_fields.items():
        if get_origin(field.annotation) is Literal:
            assert all(choice in PLUGIN["settings"][name]["description"] for choice in get_args(field.annotation)), name


def test_templates_are_told_with_places_that_exist() -> None:
    for name, known in (("title_template", TITLE_PLACES), ("performer_role", ROLE_PLACES)):
        named = template.places(PLUGIN["settings"][name]["description"])
        assert named
        assert set(named) <= set(known), name


def test_no_other_file_that_stash_would_load() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "*.yml"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    assert listed.stdout.split() == ["PlexSync.yml"]
