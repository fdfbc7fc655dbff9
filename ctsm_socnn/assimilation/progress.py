"""Progress of a long run: a bar on a terminal, occasional lines in a log file."""

from __future__ import annotations

import sys
from typing import Final, Never, TextIO

from tqdm import tqdm

from ctsm_socnn.progress import progress_wanted

__all__ = ["progress_bar"]

_SECONDS_BETWEEN_LINES: Final = 60.0
_LINE: Final = "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"


class _LineByLine:
    """Text stream that ends each state of the bar with a newline instead of going back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        self._stream.flush()


def progress_bar(total: int, done: int, *, show: bool, what: str = "sites") -> tqdm[Never]:
    """Open a bar that counts; rate and time left follow from those of this run.

    Parameters
    ----------
    total : int
    done : int
        How many an earlier run has finished.
    show : bool
        Whether to show anything.
    what : str
        What is counted.
    """
    to_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=what,
        unit=f" {what}",
        disable=not (show and progress_wanted()),
        file=sys.stderr if to_terminal else _LineByLine(sys.stderr),
        bar_format=None if to_terminal else _LINE,
        mininterval=0.1 if to_terminal else _SECONDS_BETWEEN_LINES,
        miniters=None if to_terminal else 1,
        delay=0.0 if to_terminal else _SECONDS_BETWEEN_LINES,
    )
