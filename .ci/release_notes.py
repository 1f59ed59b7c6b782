"""Print what CHANGELOG.md says of a release: `python .ci/release_notes.py v0.2.0`.

Ends with a sentence where the tag is not the version in PlexSync.yml, or the changelog does not tell of it.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def notes(tag: str, plugin: str, changelog: str) -> str:
    """Return the changelog's section for a tag. `plugin`: the text of PlexSync.yml. Raises ValueError."""
    found = re.search(r"^version: *(\S+)", plugin, re.MULTILINE)
    version = found[1] if found else "none"
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}; accepted: v{version}, which is the version in PlexSync.yml")
    section = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section [{version}], or an empty one")
    return section[1].strip()


if __name__ == "__main__":
    try:
        texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("PlexSync.yml", "CHANGELOG.md")]
        print(notes(sys.argv[1] if sys.argv[1:] else "none", *texts))
    except ValueError as error:
        sys.exit(f"This is no release: {error}")
