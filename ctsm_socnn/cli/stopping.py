"""A command that is asked to stop, by Ctrl-C or by a batch system, ends in one clear line."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Final

from ctsm_socnn.interruption import Terminated, forget_request, note_request, stop_if_asked

__all__ = ["ignore_stops", "stopped_by_signals"]

_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

_UNSAFE: Final = ("xarray.backends", "importlib._bootstrap")
"""Code that takes locks by hand: thrown out of there, they stay shut and closing the file hangs. And
imports: compiled modules turn what is thrown there into an `ImportError`."""

_LATER: Final = 0.02
"""Seconds until a stop that came there is tried again."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let Ctrl-C, and SIGTERM, which batch systems send before they kill, end the block.

    SIGINT stays ignored where it was, as in what a script has put into its background.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (*_STOPS, signal.SIGALRM)}
    hook = sys.unraisablehook
    forget_request()
    signal.signal(signal.SIGALRM, _stop_now_or_later)
    for number in _STOPS:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = partial(_all_but_stops, hook)
    try:
        with _stops_behind_errors():
            yield
    except KeyboardInterrupt as stop:
        # An impatient second Ctrl-C must not cut off the last line.
        ignore_stops()
        _let_go_in_silence(stop)
        raise
    finally:
        sys.unraisablehook = hook
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)
        forget_request()


@contextmanager
def _stops_behind_errors() -> Iterator[None]:
    """Stop if an error follows a request to stop: a library may have turned one into the other."""
    try:
        yield
    except Exception:
        stop_if_asked()
        raise


def ignore_stops() -> None:
    """Be deaf to Ctrl-C and SIGTERM, for the end of what has been stopped."""
    for number in (*_STOPS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, frame: FrameType | None) -> None:
    note_request(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    _stop_now_or_later(number, frame)


def _stop_now_or_later(_number: int, frame: FrameType | None) -> None:
    """Stop, or try again soon if the program is where an exception would do harm or be lost."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_UNSAFE):
            signal.setitimer(signal.ITIMER_REAL, _LATER)
            return
        frame = frame.f_back
    stop_if_asked()


def _all_but_stops(hook: Callable[[Any], object], unraisable: Any) -> None:
    """Say nothing of a stop that came in a destructor: it is noted, and comes again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        hook(unraisable)


def _let_go_in_silence(stop: KeyboardInterrupt) -> None:
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
