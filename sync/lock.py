"""A lock between processes that the operating system frees when its holder dies.

Standard library alone: the hook looks at the drain's lock. Files that such a
lock stands on are never deleted, so that all processes lock the same file.
"""

import errno
import os
import sys
import time

from sync.errors import SetupError, quoted

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_PAUSE = 0.002  # seconds between two looks of an exclusive-only system
_LOOKS = 5
_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_own: set[str] = set()
"""Files that this process holds. A look of its own would free a lock that belongs to the process, see `_take`."""


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

        A bounded wait and not one try: somebody's short look (`is_held`) must not make a starting drain give up. Raises
        OSError when the file cannot be opened or made, SetupError where no lock of a file works.
        """
        end = time.monotonic() + timeout
        while not self._try():
            if time.monotonic() >= end:
                return False
            time.sleep(0.01)
        return True

    def _try(self) -> bool:
        if os.path.abspath(self.path) in _own:
            return False
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        is_taken = False
        try:
            is_taken = _try_exclusive(descriptor, self.path)
        finally:
            if not is_taken:
                os.close(descriptor)
        if is_taken:
            self._descriptor = descriptor
            _own.add(os.path.abspath(self.path))
        return is_taken

    def release(self) -> None:
        """Free the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            _own.discard(os.path.abspath(self.path))
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

    Windows has no shared lock: there the holders come one after another. Waits for at most ten seconds and then goes on
    without: it guards against a rare moment, and whoever waits here has a person waiting.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        end = time.monotonic() + 10.0
        while not _try_shared(self._descriptor, self._path) and time.monotonic() < end:
            time.sleep(0.005)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)  # which frees the lock


def is_held(path: str) -> bool:
    """Return whether somebody holds the lock on `path`.

    Two looks at the same moment do not see each other: on POSIX a look is a shared lock; Windows has none, so a look
    that finds the byte taken looks again. Raises SetupError where no lock of a file works.
    """
    if os.path.abspath(path) in _own:
        return True
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _try_look(descriptor, path)
    finally:
        os.close(descriptor)


def check(folder: str) -> None:
    """Raise SetupError where the locks that SQLite takes, of ranges of bytes, do not work in a folder."""
    path = os.path.join(folder, f"lock-{os.getpid()}.test")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return  # that is another trouble, which whoever asks has met
    try:
        _take_range(descriptor, path)
    finally:
        os.close(descriptor)
        os.remove(path)


def _unfit(path: str, error: OSError) -> SetupError:
    return SetupError(
        f"PlexSync's data folder {quoted(os.path.dirname(path))} is on a file system whose locks do not work "
        f"({error.strerror}): a network share or a FUSE mount, as a rule. Set the environment variable "
        "PLEXSYNC_DATA_DIR, for Stash, to a folder on a disk of the same machine"
    )


if sys.platform == "win32":

    def _try_exclusive(descriptor: int, path: str) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise _unfit(path, error) from None
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    _try_shared = _take_range = _try_exclusive

    def _try_look(descriptor: int, path: str) -> bool:
        for _ in range(_LOOKS):
            if _try_exclusive(descriptor, path):
                _unlock(descriptor)
                return True
            time.sleep(_LOOK_PAUSE)
        return False

else:

    def _take(descriptor: int, path: str, how: int) -> bool:
        """Take a lock at once; False where another process holds it.

        `flock`; where a file system has none (SMB on macOS, NFS without its lock daemon), one of all bytes, which
        belongs to the process and goes with the first of its descriptors that is closed.
        """
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in _TAKEN else _take_range(descriptor, path, how)
        return True

    def _take_range(descriptor: int, path: str, how: int = fcntl.LOCK_EX) -> bool:
        try:
            fcntl.lockf(descriptor, how | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise _unfit(path, error) from None
        return True

    def _try_exclusive(descriptor: int, path: str) -> bool:
        return _take(descriptor, path, fcntl.LOCK_EX)

    def _try_shared(descriptor: int, path: str) -> bool:
        return _take(descriptor, path, fcntl.LOCK_SH)

    def _unlock(descriptor: int) -> None:
        try:  # noqa: SIM105 - contextlib would cost the hook its import
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError:
            pass  # of a lock of bytes, the end of the file's descriptor is the end

    _try_look = _try_shared
