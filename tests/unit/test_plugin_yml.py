"""PlexSync.yml: what Stash's strict parser takes, and what the settings panel shows."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from sync import hook, launch
from sync.settings import Settings, defaults
from sync.stash import ask
from tests.site import ROOT

PLUGIN = yaml.safe_load((ROOT / "PlexSync.yml").read_text())
KEYS = {"name", "description", "version", "interface", "exec", "hooks", "tasks", "settings", "ui"}


def test_no_key_that_stash_does_not_know() -> None:
    assert set(PLUGIN) == KEYS, "an unknown key stops the plugin from loading"
    assert {key for task in PLUGIN["tasks"] for key in task} <= {"name", "description", "defaultArgs"}
    assert {key for one in PLUGIN["hooks"] for key in one} <= {"name", "description", "triggeredBy"}
    assert {key for one in PLUGIN["settings"].values() for key in one} == {"displayName", "description", "type"}


def test_stash_starts_the_door() -> None:
    assert (PLUGIN["interface"], PLUGIN["exec"]) == ("raw", ["python3", "{pluginDir}/plexsync.py"])
    assert [one["triggeredBy"] for one in PLUGIN["hooks"]] == [[hook.UPDATE_HOOK]]
    assert {task["defaultArgs"]["mode"] for task in PLUGIN["tasks"]} <= set(launch.MODES)
    assert ask.TASK_NAME in {task["name"] for task in PLUGIN["tasks"]}


def test_the_panel_has_the_settings_and_their_types() -> None:
    assert set(PLUGIN["settings"]) == set(Settings.model_fields)
    kinds = {str: "STRING", bool: "BOOLEAN", int: "NUMBER", float: "NUMBER"}
    for name, field in Settings.model_fields.items():
        assert field.annotation is not None
        assert PLUGIN["settings"][name]["type"] == kinds[field.annotation], name
    assert {name for name, one in PLUGIN["settings"].items() if one["type"] != "STRING"} == set(defaults())


def test_no_other_file_that_stash_would_load() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "*.yml"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    assert listed.stdout.split() == ["PlexSync.yml"]
