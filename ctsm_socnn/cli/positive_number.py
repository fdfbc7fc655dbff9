"""Options that count something."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["positive_number"]


def positive_number(things: str) -> Callable[[str], int]:
    """Give the `type` of an option that counts things, so that nothing begins with none of them.

    Parameters
    ----------
    things : str
        What is counted, in the plural.
    """

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) == 0:
            raise argparse.ArgumentTypeError(f"{text} is not a positive number of {things}")
        return int(text)

    return read
