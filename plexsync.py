"""PlexSync's door: Stash starts this file for every hook and every task.

As small as it can be: Python compiles it at every start, and keeps only what it imports compiled. Every Python since
2.7 can read it, so that an old one gets a sentence.
"""

import sys

if sys.argv[1:]:
    # A command line. What root compiled here, Stash's own user could not replace, and would compile at every save.
    sys.dont_write_bytecode = True

if sys.version_info < (3, 11):  # noqa: UP036 - Stash starts what the machine has
    from sync.setup.unfit import refuse

    refuse("Python " + sys.version.split()[0])


class Update:
    """Waits for a module that is not there: an update removes PlexSync's files, and then writes the new ones."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # type: ignore[no-untyped-def]
        """Return where a module of PlexSync's is found, within two seconds; asked for what nobody else has found."""
        if name.split(".")[0] == "sync":
            import time
            from importlib.machinery import PathFinder

            for _ in range(100):
                time.sleep(0.02)
                PathFinder.invalidate_caches()
                found = PathFinder.find_spec(name, path)
                if found:
                    return found
        return None


sys.meta_path.append(Update)


def start(again):  # type: ignore[no-untyped-def]
    """Serve this call; once `again` where an update came in between, and what is imported is of two versions."""
    try:
        from sync.entry import main

        if __name__ == "__main__":
            main()
    except (ImportError, OSError) as error:
        ours = str(getattr(error, "name", "")).split(".")[0] == "sync"
        gone = str(getattr(error, "filename", "")).endswith(".py")  # removed after it was found
        if not ours and isinstance(error, ImportError):
            from sync.setup.unfit import refuse

            refuse("a Python without " + str(error.name))  # type: ignore[no-untyped-call]
        if not ours and not gone:
            raise
        if not again:
            sys.exit("PlexSync's files are not complete, install the plugin again: " + str(error))
        for name in [name for name in sys.modules if name.split(".")[0] == "sync"]:
            del sys.modules[name]
        start(False)  # type: ignore[no-untyped-call]


start(True)  # type: ignore[no-untyped-call]
