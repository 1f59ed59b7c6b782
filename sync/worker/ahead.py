"""The next scene's cover, fetched from Stash while Plex works on the edit before it.

One thread, and one picture ahead at the most: nothing is decided there, no file is touched and
nothing is sent to Plex, so edits stay one after another.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from sync.model import Picture, Scene


class CoverAhead:
    """Fetches covers by `fetch`, which is called by one thread at a time."""

    def __init__(self, fetch: Callable[[Scene], Picture | None]) -> None:
        self._fetch = fetch
        self._pool: ThreadPoolExecutor | None = None
        self._scene: Scene | None = None
        self._coming: Future[Picture | None] | None = None

    def begin(self, scene: Scene) -> None:
        """Begin to fetch a scene's cover."""
        self.drop()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "cover")
        self._scene, self._coming = scene, self._pool.submit(self._fetch, scene)

    def get(self, scene: Scene) -> Picture | None:
        """Return a scene's cover, begun or not; raises what `fetch` raises."""
        coming = self._coming if self._scene is scene else None
        if coming is None:
            self.drop()
            return self._fetch(scene)
        self._scene = self._coming = None
        return coming.result()

    def drop(self) -> None:
        """Wait for what was begun, and forget it: Stash is asked by one thread at a time."""
        if self._coming is not None:
            self._coming.exception()
        self._scene = self._coming = None
