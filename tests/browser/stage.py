"""What the browser tests stand on: a browser, and both stand-ins with the plugin's pages in Stash's."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.plex import PlexStandIn
from tests.servers.proxy import ReverseProxy
from tests.servers.stash import StashStandIn
from tests.servers.stash_pages import Pages
from tests.site import ROOT, UNCOVERED, Site, install_plugin

try:
    from playwright.sync_api import expect
except ImportError:  # the fixture `browser` tells it
    expect = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Error, Page

HOST = Path(__file__).with_name("host")
MODULES = ROOT / "build" / "browser" / "node_modules"
# Builds for development: they complain about what a build for production swallows.
LIBRARIES = {
    "bootstrap.css": "bootstrap/dist/css/bootstrap.min.css",
    "free-solid-svg-icons.js": "@fortawesome/free-solid-svg-icons/index.js",
    "react-bootstrap.js": "react-bootstrap/dist/react-bootstrap.js",
    "react-dom.js": "react-dom/umd/react-dom.development.js",
    "react-router-dom.js": "react-router-dom/umd/react-router-dom.js",
    "react.js": "react/umd/react.development.js",
}
"""Names below `assets/lib/`, and their files in the packages."""
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    # A page that asks another host than the stand-ins' does not even find it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 30_000.0
"""Milliseconds that a page may take on a machine that has other things to do."""
READY = ".top-nav"
"""What stands on each page once the plugins are loaded."""

OTHER_YML = """\
name: Another plugin
description: A second plugin, so that a page shows what belongs to which.
version: 1.0.0
interface: raw
exec: [python3, "{pluginDir}/other.py"]
ui:
  javascript: [other.js]
settings:
  colour: {displayName: Colour, description: Of nothing in particular, type: STRING}
  loud: {displayName: Loud, description: Or quiet, type: BOOLEAN}
"""
OTHER_PY = """\
import json, sys
args = json.load(sys.stdin)["args"]
print(json.dumps({"output": {"asked": args, "facts": [1, {"two": None}]}}))
"""


def find_chromium() -> str | None:
    """The browser's program. By its whole path: Playwright looks for a bare name in the working directory alone."""
    return shutil.which(os.environ.get("CHROMIUM") or "chromium")


def what_is_missing() -> str | None:
    """Why no page can be opened, in one line; None where one can."""
    if expect is None:
        return "Python's package playwright is not installed (requirements-dev.txt)"
    if find_chromium() is None:
        return "no chromium in PATH or $CHROMIUM"
    absent = [name for name, file in LIBRARIES.items() if not (MODULES / file).is_file()]
    return f"the libraries of Stash's page are not installed, run: make browser ({absent[0]})" if absent else None


@contextlib.contextmanager
def a_browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS), timeout=4 * PATIENCE)
        with contextlib.closing(browser):
            yield browser


def host_pages() -> Pages:
    """The page that stands in for Stash's."""
    libraries = {f"lib/{name}": MODULES / file for name, file in LIBRARIES.items()}
    own = {f"host/{file.name}": file for file in HOST.iterdir() if file.suffix in (".css", ".js")}
    return Pages((HOST / "index.html").read_bytes(), {**libraries, **own})


@dataclass
class Stage(Site):
    """Both servers, whose Stash has pages and runs the plugin itself."""

    proxy: ReverseProxy
    """Puts Stash below a path: `open("/", home=site.proxy.home)`."""
    other_script: Path
    """The second plugin's script: empty, for a test to fill before it opens a page."""


@contextlib.contextmanager
def a_stage(folder: Path) -> Iterator[Stage]:
    """Start both servers; everything they write is below the folder."""
    plugins = folder / "plugins"
    plugin = install_plugin(plugins)
    other = plugins / "Other"
    other.mkdir()
    for name, text in {"Other.yml": OTHER_YML, "other.py": OTHER_PY, "other.js": ""}.items():
        (other / name).write_text(text)
    try:
        with (
            PlexStandIn() as plex,
            StashStandIn(
                config_dir=folder / "stash",
                plugin_dir=plugin,
                other_plugins=[other],
                environment=UNCOVERED,
                pages=host_pages(),
            ) as stash,
            ReverseProxy(stash, "/below/stash") as proxy,
        ):
            data = folder / "stash" / "plexsync"
            stage = Stage(stash, plex, data, plex.add_library("Clips"), proxy, other / "other.js")
            stage.configure()
            yield stage
    finally:
        kill_below(folder)


def kill_below(folder: Path) -> None:
    """kill -9 for every process that works in a folder below this one: what the plugin has left running."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if (process / "cwd").readlink().is_relative_to(folder) and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


@dataclass
class Visitor:
    """Opens pages, and remembers what went wrong in them."""

    browser: Browser
    site: Stage
    problems: list[str] = field(default_factory=list)
    """Errors that no page may have: not caught, or in the console."""
    _expected: list[str] = field(default_factory=list)

    def __call__(
        self,
        path: str = "/",
        *,
        home: str | None = None,
        expected: Sequence[str] = (),
        ready: str = READY,
        **context: Any,
    ) -> Page:
        """A page in a fresh browser, when it is ready.

        :param path: below Stash's address.
        :param home: Stash's address, where it is another than its own (that of a proxy).
        :param expected: regular expressions for errors that belong to the test.
        :param ready: what has to be there.
        :param context: more for the browser's context, such as `viewport` or `color_scheme`.
        """
        self._expected += expected
        settings: Mapping[str, Any] = {"viewport": {"width": 1400, "height": 900}, "locale": "en-GB", **context}
        made = self.browser.new_context(**settings)
        made.set_default_timeout(PATIENCE)
        root = (home or self.site.stash.url).rstrip("/") + "/"
        if self.site.stash.credentials is not None:
            made.add_cookies([{"name": "session", "value": self.site.stash.session_cookie(), "url": root}])
        page = made.new_page()
        page.on("pageerror", self._on_error)
        page.on("console", self._on_console)
        page.goto(root + path.lstrip("/"))
        page.wait_for_selector(ready, state="attached")
        return page

    def close(self) -> None:
        """Close all pages."""
        for context in self.browser.contexts:
            context.close()

    def _on_error(self, error: Error) -> None:
        self._note(f"not caught: {error.stack or error.message}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"in the console: {message.text} ({message.location['url']})")

    def _note(self, problem: str) -> None:
        if not any(re.search(pattern, problem) for pattern in self._expected):
            self.problems.append(problem)


__all__ = ["READY", "Stage", "Visitor", "a_browser", "a_stage", "expect", "find_chromium", "what_is_missing"]
