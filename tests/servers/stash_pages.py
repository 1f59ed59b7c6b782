"""What Stash serves to browsers beside its API: its page, the page's policy, and the files that plugins bring."""

from __future__ import annotations

import functools
import gzip
import mimetypes
import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.http_base import Response
from tests.servers.stash_http import PLAIN, Request, not_found
from tests.servers.stash_plugin_host import Plugin

INDEX_PAGE = b'<!DOCTYPE html><html><head><base href="/"><title>Stash</title></head><body></body></html>'
KINDS = {".css": "text/css", ".js": "text/javascript"}
BACK_END = ("downloads", "gallery", "group", "image", "performer", "plugin", "scene", "studio", "tag")
"""First parts of paths that never are a page, so that a page below them is gone after a reload."""


@dataclass(frozen=True)
class Pages:
    """The page that a browser loads, instead of an empty one."""

    html: bytes = INDEX_PAGE
    assets: Mapping[str, Path] = field(default_factory=dict)
    """Paths below `/assets/`, and their files."""

    def page(self, prefix: str, plugins: Iterable[Plugin]) -> Response:
        """The page, for whoever reaches Stash below a path of a proxy's."""
        body = self.html.replace(b'<base href="/"', b'<base href="%s/"' % prefix.encode(), 1)
        headers = [("Referrer-Policy", "same-origin"), ("Content-Security-Policy", policy(plugins))]
        return Response(200, body, "text/html", headers)

    def file(self, request: Request) -> Response:
        """A file that the page loads; Stash has these packed before anyone asks."""
        kind, _, name = request.path.strip("/").partition("/")
        found = self.assets.get(name) if kind == "assets" else None
        if found is None:
            return not_found()
        headers = [("Cache-Control", "public, max-age=31536000, immutable")]
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(200, found.read_bytes(), _kind(found), headers)
        return Response(200, _packed(found), _kind(found), [*headers, ("Content-Encoding", "gzip")])


def policy(plugins: Iterable[Plugin]) -> str:
    """The Content-Security-Policy of a page; plugins may add to it in their yml."""
    sources = {
        "default-src": ["data:", "'self'", "'unsafe-inline'"],
        "connect-src": ["data:", "'self'", "ws:", "wss:"],
        "img-src": ["data:", "*"],
        "script-src": [
            *("'self'", "http://www.gstatic.com", "https://www.gstatic.com", "'unsafe-inline'", "'unsafe-eval'"),
        ],
        "style-src": ["'self'", "'unsafe-inline'"],
        "media-src": ["blob:", "'self'"],
        "worker-src": ["blob:"],
        "child-src": ["'none'"],
        "object-src": ["'none'"],
        "form-action": ["'self'"],
    }
    for plugin in plugins:
        for kind, directive in (("javascript", "script-src"), ("css", "style-src")):
            sources[directive] += [name for name in plugin.ui.get(kind) or () if _is_url(name)]
        for directive, allowed in (plugin.ui.get("csp") or {}).items():
            sources[directive] += allowed or ()
    return " ".join(f"{directive} {' '.join(allowed)};" for directive, allowed in sources.items())


def of_plugin(plugin: Plugin | None, *, enabled: bool, path: str, complain: Callable[[str], None]) -> Response:
    """What a plugin serves; `path` is what stands behind `/plugin/<id>/`."""
    if plugin is None:
        return not_found(b"Not Found\n")
    kind, _, rest = path.partition("/")
    if kind not in ("javascript", "css", "assets") or (rest and kind != "assets"):
        return not_found()
    if not enabled:
        return Response(400, b"plugin disabled\n", PLAIN)
    if kind == "assets":
        found = _asset(plugin, f"/{rest}")
        return not_found() if found is None else Response(200, found.read_bytes(), _kind(found))
    body = b""
    for name in plugin.ui.get(kind) or ():
        if not _is_url(name):
            try:
                body += (plugin.dir / name).read_bytes()
            except OSError as error:
                complain(f"error serving file {plugin.dir / name}: {error}")
            body += b"\n"
    return Response(200, body, f"text/{kind}", [("Cache-Control", "no-cache")])


def _asset(plugin: Plugin, url: str) -> Path | None:
    """The file behind a URL, by the folders that the plugin's yml gives to prefixes."""
    folders: Mapping[str, str] = plugin.ui.get("assets") or {}
    prefix = next((one for one in folders if one != "/" and url.startswith(one)), "/")
    if not folders.get(prefix):
        return None
    folder = os.path.normpath(plugin.dir / folders[prefix])
    if not folder.startswith(str(plugin.dir)):
        return None
    # As in Go's file server, ".." leads nowhere above the folder.
    rest = posixpath.normpath("/" + (url if prefix == "/" else url.removeprefix(prefix)))
    found = Path(folder, rest.lstrip("/"))
    return found if found.is_file() else None


@functools.lru_cache(maxsize=32)
def _packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), 4, mtime=0)


def _kind(file: Path) -> str:
    # Python 3.11 has another type for scripts, and what the system adds to its table.
    return KINDS.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def _is_url(name: str) -> bool:
    return name.startswith(("http://", "https://"))
