"""The only module that opens netCDF files, so that damage is reported clearly.

The library reports damage when a file is opened, and also later, when values or attributes are
read; both become the same error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import netCDF4

from ctsm_socnn.errors import FileError

__all__ = ["Header", "open_netcdf", "read_header", "reading"]

_LOG: Final = logging.getLogger(__name__)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what the netCDF library says of a missing or damaged file into one error.

    Raises
    ------
    FileError
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist") from error
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error
    except AttributeError as error:
        # The library's own, for an attribute that is there and cannot be read.
        if not str(error).startswith("NetCDF:"):
            raise
        raise _damaged(path, error) from error


def _damaged(path: str | Path, error: Exception) -> FileError:
    return FileError(
        f"{path} cannot be read as netCDF ({getattr(error, 'strerror', None) or error}); "
        "it may be cut short, damaged or still being written"
    )


@contextmanager
def open_netcdf(path: str | Path, mode: Literal["r", "r+"] = "r") -> Iterator[netCDF4.Dataset]:
    """Open a file for a block of code that reads it.

    Raises
    ------
    FileError
        If the file is missing, or damaged where the block reads it.
    """
    _LOG.info("reads %s", path)
    with reading(path), netCDF4.Dataset(path, mode) as dataset:
        yield dataset


@dataclass(frozen=True)
class Header:
    """What a netCDF file says of itself without its values being read.

    Attributes
    ----------
    attributes : mapping of str to value
        Global attributes, in the file's order.
    dimensions : mapping of str to int
    variables : mapping of str to tuple of str
        Names of each variable's dimensions.
    """

    attributes: Mapping[str, Any]
    dimensions: Mapping[str, int]
    variables: Mapping[str, tuple[str, ...]]


def read_header(path: str | Path) -> Header:
    """Read the header of a netCDF file.

    Raises
    ------
    FileError
        If the file is missing or cannot be read.
    """
    with open_netcdf(path) as file:
        return Header(
            attributes={name: file.getncattr(name) for name in file.ncattrs()},
            dimensions={name: len(size) for name, size in file.dimensions.items()},
            variables={name: tuple(v.dimensions) for name, v in file.variables.items()},
        )
