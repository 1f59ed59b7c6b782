"""PlexSync's door: Stash starts this file for every hook and every task.

As small as it can be: Python compiles it at every start, and keeps only what it imports compiled.
"""

import sys

if sys.argv[1:]:
    # A command line. What root compiled here, Stash's own user could not replace, and would compile at every save.
    sys.dont_write_bytecode = True

from sync.entry import main

if __name__ == "__main__":
    main()
