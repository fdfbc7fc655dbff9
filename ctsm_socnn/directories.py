"""Result directories: they appear whole or not at all, with checksums of their files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ctsm_socnn.errors import FileError
from ctsm_socnn.netcdf import atomic_output, ordinary_mode, require_place
from ctsm_socnn.provenance import checksum

__all__ = [
    "CHECKSUMS",
    "atomic_directory",
    "damaged_files",
    "make_directory",
    "read_checksums",
    "require_replaceable",
    "write_checksums",
    "write_json",
]

CHECKSUMS: Final = "checksums.sha256"
"""In the form that `sha256sum -c` reads."""


def make_directory(directory: Path) -> None:
    """Make a directory and those above it, unless they are there.

    Raises
    ------
    FileError
        If it cannot be made, for example because a file has its name.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{directory} cannot be made: {error.strerror}") from error


@contextmanager
def atomic_directory(
    directory: Path, *, overwrite: bool = False, mark: str = CHECKSUMS
) -> Iterator[Path]:
    """Give a temporary directory beside `directory`; rename it when the block ends well.

    Parameters
    ----------
    directory : Path
    overwrite : bool
        Replace a directory that this package made. Any other one is never replaced.
    mark : str
        File by which a directory of this kind is known as made by this package.

    Raises
    ------
    FileError
        If the directory exists, was not made by this package, or its parent is missing or
        read-only.
    """
    directory = Path(directory)
    require_replaceable(directory, overwrite=overwrite, mark=mark)
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise FileError(f"{directory} cannot be made: {error.strerror}") from error
    try:
        yield temporary
        temporary.chmod(ordinary_mode(0o777))
        _swap(temporary, directory)
    except OSError as error:
        raise FileError(f"{directory} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_replaceable(directory: Path, *, overwrite: bool, mark: str = CHECKSUMS) -> None:
    """Refuse what `atomic_directory` would refuse; to be asked before long work."""
    require_place(directory, overwrite=overwrite)
    if directory.exists() and not (directory / mark).is_file():
        raise FileError(
            f"{directory} was not made by ctsm-socnn (it has no {mark}), so it is not replaced"
        )


def _swap(temporary: Path, directory: Path) -> None:
    if not directory.exists():
        temporary.rename(directory)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
    directory.rename(aside / "old")
    try:
        temporary.rename(directory)
    except OSError:
        (aside / "old").rename(directory)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_json(path: Path, content: object) -> None:
    """Write numbers as indented JSON.

    Raises
    ------
    FileError
        If the file exists or cannot be written.
    """
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_checksums(directory: Path) -> None:
    """Record the checksum of every file in a directory."""
    lines = [f"{checksum(path)}  {name}\n" for name, path in _files(directory).items()]
    (directory / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def read_checksums(directory: Path) -> dict[str, str]:
    """Relative path -> checksum, as recorded.

    Raises
    ------
    FileError
        If the directory has no record or it cannot be understood.
    """
    record = Path(directory) / CHECKSUMS
    if not record.is_file():
        raise FileError(f"{directory} has no {CHECKSUMS}; it is not a directory of ctsm-socnn")
    entries = [line.split("  ", 1) for line in record.read_text(encoding="utf-8").splitlines()]
    if any(len(entry) != 2 or len(entry[0]) != 64 for entry in entries):
        raise FileError(f"{record} is damaged; make the directory again")
    return {name: digest for digest, name in entries}


def damaged_files(directory: Path) -> list[str]:
    """Files that are missing, changed, or not recorded; empty if all is well.

    Raises
    ------
    FileError
        As `read_checksums`.
    """
    recorded, present = read_checksums(directory), _files(directory)
    problems = [f"{name} is missing" for name in recorded if name not in present]
    problems += [
        f"{name} has changed"
        for name, digest in recorded.items()
        if name in present and checksum(present[name]) != digest
    ]
    return problems + [f"{name} is not recorded" for name in present if name not in recorded]


def _files(directory: Path) -> dict[str, Path]:
    """Relative path -> path of every file but the record itself."""
    return {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != CHECKSUMS
    }
