"""Linear algebra on one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

__all__ = ["on_one_thread"]

P = ParamSpec("P")
R = TypeVar("R")


def on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function do its linear algebra on one thread; the kernel's threads stay.

    Threads that share matrices of 21 rows wait for each other: on a busy machine a minimisation
    takes several times as long with two as with one.
    """

    @wraps(function)
    def alone(*arguments: P.args, **options: P.kwargs) -> R:
        with threadpool_limits(1, "blas"):
            return function(*arguments, **options)

    return alone
