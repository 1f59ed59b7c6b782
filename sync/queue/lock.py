"""A lock between processes that the operating system frees when its holder dies.

Standard library alone: the hook looks at the drain's lock. Files that such a
lock stands on are never deleted, so that all processes lock the same file.
"""

import os
import sys
import time

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_PAUSE = 0.002  # seconds between two looks of an exclusive-only system
_LOOKS = 5


class FileLock:
    """One exclusive lock on one file.

    The file descriptor is not inherited by child processes (PEP 446), so a pip
    that outlives a killed task does not keep the lock.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, timeout: float = 0.0) -> bool:
        """Take the lock; `timeout` in seconds, 0 for a single try. False when it stays taken.

        A bounded wait and not one try: somebody's short look (`is_held`) must
        not make a starting drain give up.
        Raises OSError when the file cannot be opened or made.
        """
        end = time.monotonic() + timeout
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        while not _try_exclusive(descriptor):
            if time.monotonic() >= end:
                os.close(descriptor)
                return False
            time.sleep(0.01)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Free the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            _unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def is_in_place(self) -> bool:
        """Return whether the file that is locked is the one that others would lock: nobody has deleted it."""
        if self._descriptor is None:
            return False
        try:
            own, there = os.fstat(self._descriptor), os.stat(self.path)
        except OSError:
            return False
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)


class SharedLock:
    """A lock that many may hold together, and that keeps a FileLock on the same file out; a context manager.

    Windows has no shared lock: there the holders come one after another. Waits
    for at most ten seconds and then goes on without: it guards against a rare
    moment, and whoever waits here has a person waiting.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        end = 0.0
        while not _try_shared(self._descriptor):
            now = time.monotonic()
            end = end or now + 10.0
            if now >= end:
                return
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)  # which frees the lock


def is_held(path: str) -> bool:
    """Return whether another process holds the lock on `path`.

    Two looks at the same moment do not see each other: on POSIX a look is a
    shared lock; Windows has none, so a look that finds the byte taken looks again.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_look(descriptor)
    finally:
        os.close(descriptor)


if sys.platform == "win32":

    def _try_exclusive(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    _try_shared = _try_exclusive

    def _try_look(descriptor: int) -> bool:
        for _ in range(_LOOKS):
            if _try_exclusive(descriptor):
                _unlock(descriptor)
                return True
            time.sleep(_LOOK_PAUSE)
        return False

else:

    def _try_exclusive(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _try_shared(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    _try_look = _try_shared
