"""A report for whoever helps: versions, settings, what "Check setup" says, and how things are.

It is made to be shown in public: no secret, no path, no title of a scene, no address but of this machine.
"""

import contextlib
import importlib.metadata
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sync import log
from sync.ending import Report
from sync.errors import PlexSyncError
from sync.settings import read_each, told
from sync.setup.check import check_setup, listen
from sync.setup.dependencies import IMPORT_NAMES
from sync.stash.questions import plugin_settings, stash_version
from sync.status import page, status
from sync.status.version import version

_OWN_MACHINE = ("127.0.0.1", "localhost", "[::1]")
_HOST = rf"(?<=://)(?!{'|'.join(map(re.escape, _OWN_MACHINE))})(?:\[[^\]\s]*\]|[^\s/:\"',;)]+)"


def gather(connection: Mapping[str, Any], data: str, progress: Callable[[float], None] = lambda done: None) -> Report:
    """Return what "Check setup" answers, with the lines of the report as the fact `report`.

    `progress` gets how far it is, from 0 to 1. The log goes into the report from now on. Raises SetupError.
    """
    checked: list[str] = []
    listen(lambda level, text: checked.append(text if level == "info" else f"{level}: {text}"), progress)
    answer = check_setup(connection, data, to_show=True)
    found = status.gather_with_total(connection, data)
    for cause in found["failed"]:  # their messages name titles; those of errors in PlexSync itself name a place in it
        examples = cause["examples"] if cause["error_type"] == "UnforeseenError" else []
        cause["examples"] = [one | {"title": ""} for one in examples]
    panel, stash = {}, "which does not answer"
    with contextlib.suppress(PlexSyncError):  # the check says why
        panel = plugin_settings(connection)
        stash = stash_version(connection)
    changed = f"Settings changed: {told(read_each(panel)[0]) or 'none'}"
    packages = [f"{name} {importlib.metadata.version(name)}" for name in IMPORT_NAMES]
    lines = [
        f"PlexSync {version()}, Stash {stash}",
        f"Python {sys.version.split()[0]} on {platform.platform()}: {', '.join(packages)}",
        *(changed, "", *checked, "", *page.page(found)),
    ]
    return Report(answer, answer.ending, report=_without_hosts([log.redact(line) for line in lines], panel))


def _without_hosts(lines: Sequence[str], panel: Mapping[str, Any]) -> list[str]:
    """Return lines with scheme and port of each address, which help, and not its host, which may tell who it is."""
    typed = [str(panel.get(name) or "").strip() for name in ("plex_url", "stash_url")]
    hosts = {re.split("[/:]", url.rpartition("://")[2])[0] for url in typed}
    # An error names a host alone, too. One without a dot may be any word, and tells nobody's name.
    alone = [re.escape(host) for host in hosts if "." in host and host not in _OWN_MACHINE]
    hosted = re.compile("|".join([_HOST, *alone]))
    return [hosted.sub("…", line) for line in lines]
