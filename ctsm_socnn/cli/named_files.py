"""Files that options name: NAME=PATTERN for a run, FILE:VARIABLE for a raster, outputs and what lies beside them."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import ConfigError, FileError
from ctsm_socnn.locks import locked

__all__ = [
    "add_run_option",
    "file_and_variable",
    "named_patterns",
    "named_runs",
    "require_own_names",
    "training_directory",
]

_LOCK: Final = "lock"


def add_run_option(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add `--run NAME=PATTERN`, which may be repeated."""
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[] if not required else None,
        required=required,
        metavar="NAME=PATTERN",
        help="a run's monthly history files; repeat for more runs, or for more files of one",
    )


def named_runs(arguments: argparse.Namespace) -> dict[str, list[Path]]:
    """History files of each run that `--run` names.

    Raises
    ------
    ConfigError
        As `named_patterns`.
    FileError
        If a pattern matches no file.
    """
    from ctsm_socnn.forcing import find_history

    described = named_patterns(arguments.runs, "--run")
    return {name: find_history(patterns) for name, patterns in described.items()}


def named_patterns(described: Sequence[str], option: str) -> dict[str, list[str]]:
    """Patterns by name, in the order in which names first occur.

    Raises
    ------
    ConfigError
        If a text is not of the form NAME=PATTERN.
    """
    found: dict[str, list[str]] = {}
    for text in described:
        name, separator, pattern = text.partition("=")
        if not (name and separator and pattern):
            raise ConfigError(f"{option} {text}: must read NAME=PATTERN")
        found.setdefault(name, []).append(pattern)
    return found


def file_and_variable(place: str) -> tuple[Path, str | None]:
    """Split FILE:VARIABLE; the name of a file may hold a colon, too."""
    if Path(place).exists() or ":" not in place:
        return Path(place), None
    file, _, variable = place.rpartition(":")
    return Path(file), variable


def require_own_names(outputs: Mapping[str, Path | None], read: Iterable[Path]) -> None:
    """Refuse an output that would replace another, or what is read.

    Parameters
    ----------
    outputs : mapping of str to Path
        Option -> file that it names; None where it was not given.
    read : iterable of Path

    Raises
    ------
    ConfigError
    """
    inputs, written = {path.resolve() for path in read}, dict[Path, str]()
    for option, path in outputs.items():
        if path is None:
            continue
        if path.resolve() in inputs:
            raise ConfigError(f"{path} is read by this command; give the output another name")
        first = written.setdefault(path.resolve(), option)
        if first != option:
            raise ConfigError(f"{first} and {option} both name {path}; give them two names")


@contextmanager
def training_directory(output: Path) -> Iterator[Path]:
    """Hold the directory of a command's unfinished trainings, beside its output.

    It is removed when the block ends well, and kept to continue from when it does not.

    Raises
    ------
    FileError
        If another run works on the same output, or the directory cannot be written.
    """
    work = output.with_name(f".{output.name}.training")
    make_directory(work)
    busy = FileError(f"another run is working on {output}; wait for it or choose another output")
    with locked(work / _LOCK, busy):
        try:
            yield work
            shutil.rmtree(work, ignore_errors=True)
        finally:
            if [path.name for path in work.glob("*")] == [_LOCK]:
                shutil.rmtree(work, ignore_errors=True)
