"""PlexSync's packages: found, or installed once into a folder of its own. Standard library alone.

Inside Stash nobody runs pip by hand, a system-wide install is refused (PEP 668), and Stash's Docker image has the old
stashapp-tools under the import name `stashapi`. So what is missing goes into `<data>/deps/<key>`.

Every task pays for this module; what a run needs that has to install stands in `sync.setup.install`.
"""

from __future__ import annotations

import os
import re
import site
import sys
import zlib
from importlib.machinery import EXTENSION_SUFFIXES
from typing import NamedTuple

from sync import data_folder
from sync.data_folder import WHOLE_FILE, is_whole
from sync.errors import SetupError, quoted

IMPORT_NAMES = {"stashapi": "stashapi", "plexapi": "plexapi", "persist-queue": "persistqueue", "pydantic": "pydantic"}

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+) *>= *([0-9][0-9.]*) *(?:, *< *([0-9][0-9.]*) *)?$", re.MULTILINE)


class Requirement(NamedTuple):
    """One line of requirements.txt: a distribution, and the bounds of its version."""

    name: str
    minimum: str
    below: str  # the first version that is too new; empty for none


def requirements_file() -> str:
    """Return the path of the plugin's requirements.txt."""
    return os.path.join(data_folder.PLUGIN_FOLDER, "requirements.txt")


def read_requirements() -> list[Requirement]:
    """Return what requirements.txt asks for, each line `name>=version,<version`. Raises SetupError."""
    path = requirements_file()
    try:
        with open(path, encoding="utf-8") as file:
            return [Requirement(*found) for found in _REQUIREMENT.findall(file.read())]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SetupError(f"{quoted(path)} cannot be read ({reason}); install the PlexSync plugin again") from None


def key() -> str:
    """Return the name of the folder for the requirements and this Python. Raises SetupError.

    It goes by the lower bounds: an update of PlexSync shall need no network, and a mended package that people need
    raises one. The system is part of it because pydantic is compiled: a data folder outlives the move to another image.
    """
    # A check sum, no secret: hashlib would cost every task its import.
    minima = sorted((requirement.name, requirement.minimum) for requirement in read_requirements())
    # As version 0.1.0 named it, whose packages go on to be used.
    digest = zlib.crc32(("[" + ", ".join(f"Requirement(name={n!r}, minimum={m!r})" for n, m in minima) + "]").encode())
    return f"py{sys.version_info.major}.{sys.version_info.minor}-{_system()}-{digest:08x}"


def target_folder(data: str) -> str:
    """Return the folder below the data folder where this Python's packages belong; raises SetupError."""
    return os.path.join(data, "deps", key())


def missing() -> list[str]:
    """Return what this Python lacks, in words: by distribution, for stashapp-tools, too, is imported as `stashapi`."""
    # Not at the top: 15 ms that a task with a folder of packages need not pay.
    import importlib.metadata
    import importlib.util

    lacks = []
    for requirement in read_requirements():
        try:
            distribution = importlib.metadata.distribution(requirement.name)
            version = str(distribution.version or "")
        except (importlib.metadata.PackageNotFoundError, KeyError):
            lacks.append(f"{requirement.name} is not installed")
            continue
        if _numbers(version) < _numbers(requirement.minimum):
            # What an uninstall left half done has metadata without a version.
            lacks.append(f"{requirement.name} is {version or 'damaged'}, needed is {requirement.minimum}")
            continue
        if requirement.below and _numbers(version) >= _numbers(requirement.below):
            lacks.append(f"{requirement.name} is {version}, needed is one below {requirement.below}")
            continue
        import_name = IMPORT_NAMES.get(requirement.name, requirement.name)
        try:
            spec = importlib.util.find_spec(import_name)
        except (ImportError, ValueError):
            spec = None
        places = [os.path.realpath(place) for place in (spec.submodule_search_locations or [])] if spec else []
        if os.path.realpath(str(distribution.locate_file(import_name))) not in places:
            lacks.append(f"{import_name} is another package than {requirement.name}")
    return lacks


def is_in_reach(data: str) -> bool:
    """Put PlexSync's packages in reach of `import`; return whether they are there. Raises SetupError."""
    return not _lacks(data)


def ensure(data: str, *, try_again_now: bool) -> None:
    """Put PlexSync's packages in reach of `import`, installing them where they are missing.

    `try_again_now`: also when an install failed a moment ago. Raises SetupError with the command to run by hand.
    """
    if lacks := _lacks(data):
        # Not at the top: pip's process and the folders' coming and going concern one run in a thousand.
        from sync.setup import install

        target = target_folder(data)
        install.install(data, target, requirements_file(), lacks, try_again_now=try_again_now)
        if target not in sys.path:
            sys.path.insert(0, target)


def _lacks(data: str) -> list[str]:
    target = target_folder(data)
    if not is_whole(target):
        if sys.flags.no_site:  # as PlexSync.yml asks for; the packages may be the user's, or a virtual environment's
            site.main()
        return missing()
    if target not in sys.path:
        sys.path.insert(0, target)
    return []


def distrust(data: str) -> None:
    """Have the next run check the folder of packages: a power cut or a virus scanner may have emptied a file."""
    try:  # noqa: SIM105 - contextlib would be imported for this line alone
        os.remove(os.path.join(target_folder(data), WHOLE_FILE))
    except OSError:
        pass


def _system() -> str:
    # "cpython-312-x86_64-linux-musl", "cpython-312-darwin" (both machines), "cp312-win_amd64"
    tag, libc = EXTENSION_SUFFIXES[0].strip(".").split(".")[0].lower(), ""
    if sys.platform == "win32":
        return tag
    if sys.platform.startswith("linux"):
        # Asked for besides the tag: some builds for musl up to Python 3.12 bear the tag of glibc.
        try:
            libc = "-glibc" if os.confstr("CS_GNU_LIBC_VERSION") else "-other"
        except (OSError, ValueError):
            libc = "-other"
    return f"{tag}-{os.uname().machine}{libc}"


def _numbers(version: str) -> tuple[int, ...]:
    found = [int(part) for part in re.findall(r"\d+", version.split("+")[0])[:4]]
    return tuple(found + [0] * (4 - len(found)))  # 4.17 is 4.17.0
