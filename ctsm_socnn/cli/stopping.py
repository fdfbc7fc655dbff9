"""A command that is asked to stop, by Ctrl-C or by a batch system, ends in one clear line."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Terminated", "let_go_in_silence", "terminated_by_signal"]


class Terminated(KeyboardInterrupt):
    """The batch system wants this process to end."""


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """Let SIGTERM, which batch systems send before they kill, end a run as Ctrl-C does."""

    def stop(number: int, _frame: object) -> None:
        raise Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def let_go_in_silence(stop: KeyboardInterrupt) -> None:
    """Release what the stopped work still held.

    An object that was half made when the signal came may fail when it is destroyed. Python tells
    of that on standard error, where it would hide how to go on, so it happens here, unheard.

    Parameters
    ----------
    stop : KeyboardInterrupt
        What ended the work; the frames of its traceback, and of what it came from, are cleared.
    """
    loud = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        cause: BaseException | None = stop
        while cause is not None:
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__context__
        gc.collect()
    finally:
        sys.unraisablehook = loud
