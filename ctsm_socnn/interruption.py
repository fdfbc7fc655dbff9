"""A request to stop that no library can lose.

A signal raises an exception wherever the program happens to be. Where that is a destructor, or a
callback of compiled code, Python throws the exception away. The request is therefore noted, too, and
looked at between the parts of long work.
"""

from __future__ import annotations

__all__ = ["Terminated", "forget_request", "note_request", "stop_if_asked"]


class Terminated(KeyboardInterrupt):
    """The batch system wants this process to end."""


_requests: list[type[KeyboardInterrupt]] = []


def note_request(kind: type[KeyboardInterrupt]) -> None:
    """Write down that the user (`KeyboardInterrupt`) or the system (`Terminated`) asks to stop."""
    _requests.append(kind)


def forget_request() -> None:
    """Start anew: the work that was to stop has ended."""
    _requests.clear()


def stop_if_asked() -> None:
    """Stop here if a request was noted; for places at which all that is done is safe.

    Raises
    ------
    KeyboardInterrupt
        Or `Terminated`.
    """
    if _requests:
        raise _requests[0]
