"""Importing what needs PlexSync's packages, which is most of the time from a drain's start to its first edit.

Standard library alone. A package that imports something only if it is there is told that it is not, where PlexSync has
no use for it. A version that cannot do without gets it all the same.
"""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

SPARED = (
    "persistqueue.async_queue",  # the queues for asyncio, and so asyncio
    "persistqueue.async_sqlqueue",
    "charset_normalizer",  # how requests guesses at a text whose encoding nobody tells: Plex's and Stash's are UTF-8
    "chardet",
    "simplejson",  # another json for requests, where another plugin has had it installed
    "tqdm",  # plexapi's progress bars, likewise
)
"""Modules that a package tries to import and is content without."""


def load(name: str, spared: Sequence[str] = SPARED) -> ModuleType:
    """Import a module by its name as fast as it goes; return it.

    Raises what importing it raises.
    """
    if name in sys.modules:
        return sys.modules[name]
    # Else pydantic reads the metadata of every package that is installed, in search of plugins for it. See pydantic's
    # docs, concepts/plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    collects = gc.isenabled()
    # Modules, classes and functions by the ten thousand, and nothing among them that could be thrown away.
    gc.disable()
    try:
        try:
            with _without(spared), _silence():
                return importlib.import_module(name)
        except Exception:
            return importlib.import_module(name)
    finally:
        gc.freeze()  # nor is there later: no collection needs to look at them
        if collects:
            gc.enable()


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    """Have an import of these modules fail, as Python's import system has it: with None in their place."""
    kept_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(kept_out))  # type: ignore[arg-type]  # None is what the language reference names
    try:
        yield
    finally:
        for name in kept_out:
            if sys.modules.get(name) is None:
                sys.modules.pop(name, None)


@contextmanager
def _silence() -> Iterator[None]:
    """Have no warning written: requests would say that it misses what it was spared."""
    shown = warnings.showwarning
    warnings.showwarning = _say_nothing
    try:
        yield
    finally:
        warnings.showwarning = shown


def _say_nothing(*_: object, **__: object) -> None:
    pass
