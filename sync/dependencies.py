"""PlexSync's packages: found, or installed once into a folder of its own. Standard library alone.

Inside Stash nobody runs pip by hand, a system-wide install is refused (PEP 668),
and Stash's Docker image has the old stashapp-tools under the import name
`stashapi`. So what is missing goes into `<data>/deps/<key>`, outside the plugins
folder, where `<key>` names the Python version and the requirements. It is
installed beside and renamed, so a folder that bears the key is whole.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

from sync import paths
from sync.errors import SetupError
from sync.queue.lock import FileLock
from sync.stash import log

PIP_TIMEOUT = 600.0
"""Seconds that pip may take in all; a Raspberry Pi on a slow line needs minutes."""
LOCK_WAIT = 60.0
"""Seconds to wait for another process that installs at this moment."""
RETRY_AFTER = 600.0
"""Seconds after a failed install in which only a press of the button tries again: a save a minute without
network would hold Stash's one job slot for good."""

IMPORT_NAMES = {"stashapi": "stashapi", "plexapi": "plexapi", "persist-queue": "persistqueue", "pydantic": "pydantic"}

_FAILED_FILE = "failed.json"
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)\s*$")


class Requirement(NamedTuple):
    """One line of requirements.txt: a distribution and its lower bound."""

    name: str
    minimum: str


def requirements_file() -> str:
    """Return the path of the plugin's requirements.txt."""
    return os.path.join(paths.PLUGIN_FOLDER, "requirements.txt")


def read_requirements(path: str) -> list[Requirement]:
    """Return the requirements of a file; raises SetupError for one that is not `name>=version`."""
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise SetupError(
            f"{path!r:.300} cannot be read ({error.strerror}); install the PlexSync plugin again"
        ) from None
    for text in lines:
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        match = _REQUIREMENT.match(text)
        if not match:
            raise SetupError(f"requirements.txt has {text!r:.100}; accepted: name>=version")
        found.append(Requirement(match[1], match[2]))
    return found


def key_of(requirements: list[Requirement]) -> str:
    """Return the name of the folder for these requirements and this Python."""
    digest = hashlib.sha256(repr(sorted(requirements)).encode()).hexdigest()[:10]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    system = f"{sys.platform}-{platform.machine() or 'any'}".lower()
    return f"py{version}-{system}-{digest}"


def missing(requirements: list[Requirement]) -> list[str]:
    """Return what this Python lacks, in words: by distribution and version, and by where an import would go.

    The import name alone says nothing: stashapp-tools, too, is imported as `stashapi`.
    """
    lacks = []
    for requirement in requirements:
        try:
            distribution = importlib.metadata.distribution(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lacks.append(f"{requirement.name} is not installed")
            continue
        if _numbers(distribution.version) < _numbers(requirement.minimum):
            lacks.append(f"{requirement.name} is {distribution.version}, needed is {requirement.minimum}")
            continue
        import_name = IMPORT_NAMES.get(requirement.name, requirement.name)
        spec = importlib.util.find_spec(import_name)
        places = [os.path.realpath(place) for place in (spec.submodule_search_locations or [])] if spec else []
        if os.path.realpath(str(distribution.locate_file(import_name))) not in places:
            lacks.append(f"{import_name} is another package than {requirement.name}")
    return lacks


def ensure(data: str, *, try_again_now: bool) -> None:
    """Put PlexSync's packages in reach of `import`, installing them where they are missing.

    `try_again_now`: also when an install failed a moment ago. Raises SetupError
    with the command to run by hand; what was there before stays as it was.
    """
    requirements = read_requirements(requirements_file())
    folder = os.path.join(data, paths.DEPENDENCIES_FOLDER)
    target = os.path.join(folder, key_of(requirements))
    if os.path.isdir(target):
        _use(target)
        return
    lacks = missing(requirements)
    if not lacks:
        return
    if not try_again_now:
        _refuse_soon_after_failure(folder, target)
    lock = FileLock(os.path.join(data, "deps.lock"))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not lock.acquire(LOCK_WAIT):
            raise SetupError("Another PlexSync process is installing its packages; the next run uses them")
    except OSError as error:
        raise _failure(target, f"{folder!r:.300} cannot be written ({error.strerror})") from None
    try:
        if not os.path.isdir(target):
            log.info(f"Installing PlexSync's packages once, which takes up to a minute ({'; '.join(lacks)})")
            _install(folder, target)
    finally:
        lock.release()
    _use(target)


def _use(target: str) -> None:
    if target not in sys.path:
        sys.path.insert(0, target)
    importlib.invalidate_caches()


def _install(folder: str, target: str) -> None:
    for name in os.listdir(folder):
        if name.startswith("new-"):  # of a task that was stopped in the middle; we hold the lock
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    fresh = os.path.join(folder, f"new-{os.getpid()}-{int(time.time())}")
    try:
        os.makedirs(fresh, mode=0o700)
        _pip(fresh)
        _check(fresh)
        os.rename(fresh, target)
    except (SetupError, OSError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        _remember_failure(folder, reason)
        raise _failure(target, reason) from None
    with contextlib.suppress(OSError):
        os.remove(os.path.join(folder, _FAILED_FILE))
    log.info("PlexSync's packages are installed")
    # Sets for other Pythons stay: a machine may run two. Older sets for this one have served.
    own = os.path.basename(target).rsplit("-", 1)[0]
    for name in os.listdir(folder):
        if name.startswith(own) and name != os.path.basename(target):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _pip(fresh: str) -> None:
    command = [
        *(sys.executable or "python3", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"),
        *("--no-warn-script-location", "--retries", "1", "--timeout", "15", "--target", fresh),
        *("-r", requirements_file()),
    ]
    _child(command, "pip", fresh, PIP_TIMEOUT)


def _check(fresh: str) -> None:
    """Import what was installed in a process of its own, so that a set that does not work here is never used."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import plexapi, persistqueue, pydantic, stashapi.classes; "
        "from importlib.metadata import distribution as d; d('stashapi')"
    )
    _child([sys.executable or "python3", "-c", program, fresh], "the check of the packages", fresh, 120.0)


def _child(command: list[str], what: str, folder: str, timeout: float) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET")}
    environment["PIP_USER"] = "0"  # a user's `user = true` cannot be combined with --target
    try:
        # Its own folder as working directory: Stash's may hold a file that shadows a module.
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{what} did not end within {timeout:.0f} seconds") from None
    except OSError as error:
        raise SetupError(f"{what} could not be started ({error.strerror})") from None
    if done.returncode:
        raise SetupError(f"{what} said: {_last_words(done.stdout)}")


def _last_words(output: bytes) -> str:
    lines = [text.strip() for text in output.decode("utf-8", "replace").splitlines() if text.strip()]
    telling = [text for text in lines if text.startswith("ERROR") or "No module named" in text]
    said = (telling or lines or ["nothing"])[-1]
    return log.redact(re.sub(r"//[^/@\s]*@", "//***@", said))[:300]


def _failure(target: str, reason: str) -> SetupError:
    python = sys.executable or "python3"
    return SetupError(
        f"PlexSync's packages are missing and could not be installed: {reason.rstrip('. ')}. Every job stays "
        f'queued. Give Stash\'s machine network and pip and press "Process queue", or run: '
        f'"{python}" -m pip install --target "{target}" -r "{requirements_file()}"'
    )


def _remember_failure(folder: str, reason: str) -> None:
    with contextlib.suppress(OSError), open(os.path.join(folder, _FAILED_FILE), "w", encoding="utf-8") as file:
        json.dump({"at": time.time(), "reason": reason}, file)


def _refuse_soon_after_failure(folder: str, target: str) -> None:
    try:
        with open(os.path.join(folder, _FAILED_FILE), encoding="utf-8") as file:
            failed = json.load(file)
        at, reason = float(failed["at"]), str(failed["reason"])
    except (OSError, ValueError, TypeError, KeyError):
        return
    if 0 <= time.time() - at < RETRY_AFTER:
        raise _failure(target, reason)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:4])
