"""PlexSync's version, which stands in PlexSync.yml and nowhere else. Standard library alone."""

import os
import re

from sync import data_folder


def version() -> str:
    """Return PlexSync's version; "unknown" where PlexSync.yml cannot be read."""
    try:
        with open(os.path.join(data_folder.PLUGIN_FOLDER, "PlexSync.yml"), encoding="utf-8") as file:
            found = re.search(r"^version:\s*[\"']?([\w.+-]+)", file.read(4_000), re.MULTILINE)
    except (OSError, ValueError):
        return "unknown"
    return found[1] if found else "unknown"
