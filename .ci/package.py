"""Build what Stash's plugin manager installs: `build/source/PlexSync.zip`, and the `index.yml` that names it.

Same commit, same bytes, on every machine: the files are those of the commit, in order, with its date, and stored as
they are, because what zlib makes of them differs from version to version.

    python .ci/package.py            builds them
    python .ci/package.py --serve    builds them, and serves them on loopback until Ctrl-C
"""

import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "build" / "source"
PACKED = ("PlexSync.yml", "plexsync.py", "sync", "ui", "requirements.txt", "requirements.lock", "README.md", "LICENSE")
"""What runs, with what a person reads beside it."""
LARGEST_PICTURE = 200_000
"""Bytes."""
PORT = 8979


def main(arguments: list[str]) -> None:
    """Serve a command line. Ends the process with a sentence where it cannot go on."""
    if place := plugins_folder(ROOT):
        # Stash takes every .yml below its plugins folder for a plugin, and index.yml is none.
        sys.exit(f"{ROOT} lies in a Stash's folder ({place}); accepted: a clone outside of it")
    try:
        build(SOURCE)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", b"") or b"", "utf-8", "replace").strip() or error
        sys.exit(f"The package needs git and a clone with its commits: {said}")
    print(f"{SOURCE / 'index.yml'}\n{SOURCE / 'PlexSync.zip'}")
    if "--serve" in arguments:
        serve(SOURCE)


def plugins_folder(root: Path) -> Path | None:
    """Return the folder that says that `root` lies in a Stash's plugins folder; None: nothing says so."""
    for folder in root.parents:
        if folder.name == "plugins" or (folder / "config.yml").is_file():
            return folder
    return None


def build(target: Path) -> None:
    """Write zip and index of the current commit into `target`. Raises OSError and CalledProcessError."""
    changed = _git("status", "--porcelain", "--untracked-files=no").decode()
    if changed:
        print(f"Left out, for it is not committed:\n{changed}", end="")
    files = committed_files()
    date = datetime.fromtimestamp(int(_git("log", "-1", "--format=%ct")), UTC)
    package = zip_of(files, date)
    target.mkdir(parents=True, exist_ok=True)
    (target / "PlexSync.zip").write_bytes(package)
    (target / "index.yml").write_bytes(index_of(files["PlexSync.yml"], date, package))


def committed_files() -> dict[str, bytes]:
    """Return what is packed, by path. Raises CalledProcessError."""
    there = _git("ls-tree", "--name-only", "HEAD", "--", *PACKED).decode().split()
    # With git's own line ends, whatever this machine's git makes of them in its work tree.
    archive = _git("-c", "core.autocrlf=false", "-c", "core.eol=lf", "archive", "--format=tar", "HEAD", "--", *there)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if content := tar.extractfile(member) if member.isfile() else None:
                files[member.name] = content.read()
    packed = [name for name in sorted(files) if not _is_large_picture(name, len(files[name]))]
    # Stash's manager removes and writes in this order. A save meanwhile needs this file, which waits for the others.
    packed.sort(key=lambda name: name != "plexsync.py")
    return {name: files[name] for name in packed}


def zip_of(files: dict[str, bytes], date: datetime) -> bytes:
    """Return a zip of these files. Pure."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date.timetuple()[:6])
            entry.create_system = 3  # Unix, also where this is Windows
            entry.external_attr = 0o100644 << 16  # Stash unpacks with these rights
            package.writestr(entry, content)
    return packed.getvalue()


def index_of(plugin: bytes, date: datetime, package: bytes) -> bytes:
    """Return the index of a source with this package alone (stashapp/stash, pkg/pkg/pkg.go). Pure."""
    told = yaml.safe_load(plugin)
    entry = {
        "id": "PlexSync",  # as Stash makes it: PlexSync.yml without its ending
        "name": told["name"],
        "metadata": {"description": told["description"]},
        "version": told["version"],
        "date": date.strftime("%Y-%m-%d %H:%M:%S"),  # in UTC; a later one is an update, whatever the version
        "path": "PlexSync.zip",
        "sha256": hashlib.sha256(package).hexdigest(),
    }
    return yaml.safe_dump([entry], sort_keys=False, width=1000).encode()


def serve(folder: Path) -> None:
    """Serve a source on loopback until Ctrl-C."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), handler)
    except OSError as error:
        sys.exit(f"Port {PORT} of 127.0.0.1 cannot be listened on: {error.strerror or error}")
    print(
        f"In Stash, under Settings > Plugins > Available Plugins > Add Source: http://127.0.0.1:{PORT}/index.yml\n"
        "Ctrl-C ends it.",
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _is_large_picture(name: str, size: int) -> bool:
    return size > LARGEST_PICTURE and name.endswith((".png", ".jpg", ".jpeg", ".webp", ".svg", ".gif"))


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
