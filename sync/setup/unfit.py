"""What PlexSync answers where Stash's Python is none that it can run with. Every Python since 2.7 can read this."""

import sys


def refuse(python):  # type: ignore[no-untyped-def]
    """End the process with a sentence: for Stash as the answer of a call, for a person's command line on stderr."""
    text = (
        "Stash runs PlexSync with " + python + "; accepted: Python 3.11 or newer with its sqlite3. "
        "Choose it in Stash under Settings > System > Python executable path"
    )
    if len(sys.argv) > 1:
        sys.stderr.write("PlexSync needs Python 3.11 or newer with its sqlite3; this is " + python + "\n")
        sys.exit(2)
    getattr(sys.stdin, "buffer", sys.stdin).read()  # else Stash, which still writes, would see a broken pipe
    sys.stdout.write('{"error": "' + text + '"}\n')
    sys.stdout.flush()
    sys.exit(0)
