"""Pictures that will be wanted soon, several of them on their way at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, TypeVar

IN_FLIGHT = 4  # pictures that Stash is asked for at once
AHEAD = 8  # pictures that are fetched before they are wanted, those on their way among them

_T = TypeVar("_T")


class Coming(Generic[_T]):
    """Pictures that will be wanted in the order of `paths`, each once; `fetch` gives one by its path, in any thread."""

    def __init__(self, fetch: Callable[[str], _T], paths: Iterable[str]) -> None:
        self._fetch = fetch
        self._paths = iter(paths)
        self._begun: dict[str, Future[_T]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def get(self, path: str) -> _T:
        """Return a picture, fetched ahead or not; raises what `fetch` raises."""
        self._begin()
        if path not in self._begun:
            return self._fetch(path)
        for earlier in list(self._begun):
            coming = self._begun.pop(earlier)
            if earlier == path:
                break
            coming.cancel()  # it was not wanted after all
        self._begin()
        return coming.result()

    def _begin(self) -> None:
        fresh = list(islice(self._paths, AHEAD - len(self._begun)))
        if self._pool is None and len(fresh) > 1:  # for a single picture nobody starts a thread
            self._pool = ThreadPoolExecutor(IN_FLIGHT, "picture")
        if self._pool is not None:
            self._begun |= {path: self._pool.submit(self._fetch, path) for path in fresh}

    def drop(self) -> None:
        """No more of them is wanted; waits for what is on its way."""
        self._paths = iter(())
        self._begun.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
