"""PlexSync's door: Stash starts this file for every hook and every task.

As small as it can be: Python compiles it at every start, and keeps only what it imports compiled.
"""

from sync.door import main

if __name__ == "__main__":
    main()
