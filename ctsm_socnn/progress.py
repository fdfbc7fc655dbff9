"""Whether progress is shown: one switch for all bars, which `--quiet` turns off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["progress_hidden", "progress_wanted"]

_WANTED: Final = ContextVar("_WANTED", default=True)


@contextmanager
def progress_hidden() -> Iterator[None]:
    """Show no progress inside the block."""
    token = _WANTED.set(False)
    try:
        yield
    finally:
        _WANTED.reset(token)


def progress_wanted() -> bool:
    """Tell whether bars may be shown; they look for a terminal themselves."""
    return _WANTED.get()
