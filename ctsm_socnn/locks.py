"""Locks that keep two runs from working on one output.

The operating system releases a lock when its process ends, in whatever way.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ctsm_socnn.errors import FileError, SocnnError

__all__ = ["locked"]

_LOG: Final = logging.getLogger(__name__)


@contextmanager
def locked(path: Path, busy: SocnnError) -> Iterator[None]:
    """Hold a lock file; where the file system keeps no locks, warn and go without.

    Parameters
    ----------
    path : Path
        Made if absent; it stays when the lock is released.
    busy : SocnnError
        Raised if another process holds it.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    try:
        stream = path.open("a")
    except OSError as error:
        raise FileError(f"{path.parent} cannot be written: {error.strerror}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        except OSError as error:
            # Lustre mounted without `flock`, for example.
            _LOG.warning(
                "%s: the file system keeps no locks (%s); do not run two commands on one output",
                path.parent,
                error.strerror,
            )
        yield
