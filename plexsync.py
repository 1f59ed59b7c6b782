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

try:
    from sync.entry import main
except ImportError as error:
    from sync.setup.unfit import refuse

    refuse("a Python without " + str(error.name))  # type: ignore[no-untyped-call]

if __name__ == "__main__":
    main()
