"""Importing what needs PlexSync's packages, which is most of the time from a drain's start to its first edit.

Standard library alone. A package that tries to import something it can do without is told that it is not there:
measured, 50 ms of a drain's start.
"""

import gc
import importlib
import os
import sys
import warnings
from types import ModuleType

SPARED = (
    *("persistqueue.async_queue", "persistqueue.async_sqlqueue"),  # the queues for asyncio, and so asyncio
    *("charset_normalizer", "chardet"),  # how requests guesses at a text's encoding: Plex's and Stash's are UTF-8
    *("simplejson", "tqdm"),  # another json for requests, and plexapi's progress bars
)
"""Modules that a package tries to import and is content without."""


def load(name: str, spared: tuple[str, ...] = SPARED) -> ModuleType:
    """Import a module by its name as fast as it goes; return it. Raises what importing it raises."""
    if name in sys.modules:
        return sys.modules[name]
    # Else pydantic reads the metadata of every installed package, in search of plugins (its docs, concepts/plugins).
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    kept_out = [module for module in spared if module not in sys.modules]
    collects = gc.isenabled()
    gc.disable()  # classes and functions by the ten thousand, and nothing among them that could be thrown away
    try:
        sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type]  # None: an import of it fails
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests would say that it misses what it was spared
            return importlib.import_module(name)
    except Exception:  # a version that cannot do without gets it all the same
        _forget(kept_out)
        return importlib.import_module(name)
    finally:
        _forget(kept_out)
        gc.freeze()
        if collects:
            gc.enable()


def _forget(kept_out: list[str]) -> None:
    for module in kept_out:
        if sys.modules.get(module) is None:
            sys.modules.pop(module, None)
