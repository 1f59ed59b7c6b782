"""What Windows does and Wine does otherwise, put right in the Python that the tests use.

`machine.py` puts it into that Python's `Lib` and has `encodings` import it, which every Python does, with `-S` too.
"""

import errno
import msvcrt
import os
from typing import Any

_locking = msvcrt.locking  # type: ignore[attr-defined, unused-ignore]


def _with_errno(descriptor: int, mode: int, size: int) -> None:
    """Wine's `_locking` fails without an errno. Windows says EACCES (its documentation of _locking)."""
    try:
        _locking(descriptor, mode, size)
    except OSError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


def _no_link(source: object, target: object, *_: Any, **__: Any) -> None:
    """Wine 8 says that it has made a link, and makes none. Windows refuses most people the right to."""
    raise OSError(None, "A required privilege is not held by the client", str(target), 1314)


msvcrt.locking = _with_errno  # type: ignore[attr-defined, unused-ignore]
os.symlink = _no_link  # type: ignore[assignment]
