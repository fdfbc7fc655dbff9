"""How each output was made, recorded in its attributes."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ctsm_socnn.errors import FileError

__all__ = [
    "checksum",
    "history_line",
    "package_version",
    "provenance_attributes",
]

_CHUNK = 1 << 20


@lru_cache(maxsize=1)
def package_version() -> str:
    """Return the version of the installed package, or "unknown" when it runs from a source tree."""
    try:
        return version("ctsm-socnn")
    except PackageNotFoundError:
        return "unknown"


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    FileError
        If the file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def history_line() -> str:
    """One line for the `history` attribute: time in UTC and the command line of this process."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{stamp}: {shlex.join(words)}"


def provenance_attributes(
    *,
    seed: int | None,
    inputs: Mapping[str, Path] | None = None,
    configuration: str | None = None,
    previous_history: str = "",
) -> dict[str, str]:
    """Global attributes that say how a file was made.

    Parameters
    ----------
    seed : int or None
        Seed of every random draw behind the file; None where nothing was drawn.
    inputs : mapping of role to path, optional
        Input files; their names and checksums are recorded.
    configuration : str, optional
        The configuration as text; its checksum is recorded beside it.
    previous_history : str
        `history` of the file that this one continues; it is kept below the new line.
    """
    line = history_line()
    attributes = {
        "history": f"{line}\n{previous_history}" if previous_history else line,
        "source": f"ctsm-socnn {package_version()}",
        "seed": "none" if seed is None else str(seed),
    }
    for role, path in (inputs or {}).items():
        attributes[f"input_{role}"] = f"{Path(path).name} sha256:{checksum(Path(path))}"
    if configuration is not None:
        attributes["configuration"] = configuration
        attributes["configuration_sha256"] = hashlib.sha256(configuration.encode()).hexdigest()
    return attributes
