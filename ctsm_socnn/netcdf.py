"""The only module that writes netCDF files.

Two kinds of file leave the package. Files for people and later stages are netCDF-4, compressed,
with CLM's fill value 1e36 where values are missing. Files that CTSM reads are 64-bit-offset
classic, hold no NaN and get no `_FillValue` that they did not have. Both appear by atomic rename
and never replace a file unless asked.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ExportError, FileError

__all__ = [
    "FILL_VALUE",
    "atomic_output",
    "is_missing",
    "ordinary_mode",
    "require_absent",
    "require_place",
    "write_ctsm_input",
    "write_dataset",
    "write_in_parts",
    "written_in_pieces",
]

_LOG: Final = logging.getLogger(__name__)

FILL_VALUE: Final = 1e36
"""CLM's `spval`."""

_MISSING_ABOVE: Final = 1e30
"""No quantity is that large; 1e36 in single precision is a little less than `FILL_VALUE`."""

_CHUNK_BYTES: Final = 1 << 20
"""Of a large variable, as whole rows: whoever reads some sites need not unpack the others."""

_BYTES_AT_ONCE: Final = 1 << 27
"""Of variables that are handed to xarray together; 20 layers x 12 months of f09 are 106 MB."""


def is_missing(values: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Whether each value is NaN, infinite or CLM's fill value, in single precision too."""
    return np.asarray(~(np.abs(values) < _MISSING_ABOVE))


def require_absent(path: str | Path, *, overwrite: bool) -> None:
    """Make sure, before any work, that a file can be written at `path`.

    Raises
    ------
    FileError
        If `path` exists and may not be replaced or is no file, or its directory is missing or
        read-only.
    """
    require_place(path, overwrite=overwrite)
    if Path(path).exists() and not Path(path).is_file():
        raise FileError(
            f"{path} is not an ordinary file and cannot be replaced; choose another name"
        )


def require_place(path: str | Path, *, overwrite: bool) -> None:
    """Make sure that `path` is free or may be replaced, whether by a file or by a directory.

    Raises
    ------
    FileError
        If `path` exists and may not be replaced, or its directory is missing or read-only.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists already; choose another name or give --overwrite")
    if not path.parent.is_dir():
        raise FileError(f"{path.parent} is not a directory, so {path.name} cannot be written there")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path.parent} is read-only, so {path.name} cannot be written there")


@contextmanager
def atomic_output(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well.

    A symbolic link stays: what it points at is written.

    Raises
    ------
    FileError
        As `require_absent`; also if the file system refuses the write.
    """
    path = Path(path)
    place = path.resolve()
    require_absent(place, overwrite=overwrite)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{place.name}.", suffix=place.suffix, dir=place.parent
        )
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(ordinary_mode(0o666))
        # Another run may have written it in the meantime.
        require_absent(place, overwrite=overwrite)
        temporary.replace(place)
        _LOG.info("wrote %s", path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_dataset(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a dataset for users and later stages (netCDF-4, compressed).

    Parameters
    ----------
    dataset : xarray.Dataset
        NaN marks missing values; it is stored as 1e36 with `_FillValue` set.
    path : Path
    overwrite : bool

    Raises
    ------
    FileError
        If the output exists, or cannot be written.
    """
    path = Path(path)
    clean = dataset.drop_encoding()
    with atomic_output(path, overwrite=overwrite) as temporary:
        mode: Literal["w", "a"] = "w"
        for group in _groups(clean):
            encoding = {str(name): _encoding(item) for name, item in group.variables.items()}
            _store(group, temporary, path, "NETCDF4", encoding, mode=mode)
            mode = "a"


def write_in_parts(
    parts: Iterable[xr.Dataset], dimension: str, path: str | Path, *, overwrite: bool = False
) -> None:
    """Write a dataset as `write_dataset` does, of which only one part at a time is in memory.

    Parameters
    ----------
    parts : iterable of xarray.Dataset
        Consecutive along `dimension` and alike in all else; attributes and variables without the
        dimension are those of the first. Parts of equal length are written fastest.
    dimension : str
        Becomes the file's unlimited dimension, which some programs (CDO) take for time.
    path : Path
    overwrite : bool

    Raises
    ------
    FileError
        If the output exists, or cannot be written.
    """
    path, done = Path(path), 0
    with atomic_output(path, overwrite=overwrite) as temporary:
        for part in parts:
            clean, start = part.drop_encoding(), done
            done += clean.sizes[dimension]
            if start == 0:
                encoding = _encoding_of_parts(clean, {dimension})
                _store(clean, temporary, path, "NETCDF4", encoding, unlimited=[dimension])
            else:
                _put(clean, {dimension: slice(start, done)}, temporary, path)


@contextmanager
def written_in_pieces(
    sizes: Mapping[str, int], path: str | Path, *, overwrite: bool = False
) -> Iterator[Callable[[xr.Dataset, Mapping[str, slice]], None]]:
    """Give a function that puts pieces at their places, in a file that appears when all went well.

    Pieces are alike in all but their place; together they must be the whole. Pieces of equal shape
    are written fastest.

    Parameters
    ----------
    sizes : mapping of str to int
        Of the whole, along the dimensions that pieces are cut along, none of which is unlimited.
    path : Path
    overwrite : bool

    Raises
    ------
    FileError
        If the output exists, or cannot be written.
    """
    path, begun = Path(path), False
    with atomic_output(path, overwrite=overwrite) as temporary:

        def put(piece: xr.Dataset, place: Mapping[str, slice]) -> None:
            nonlocal begun
            clean = piece.drop_encoding()
            if not begun:
                _make_room(clean, sizes, temporary, path)
                begun = True
            _put(clean, place, temporary, path)

        yield put


def write_ctsm_input(dataset: xr.Dataset, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a dataset that CTSM reads (64-bit-offset classic, no NaN, no `_FillValue`).

    Raises
    ------
    ExportError
        If any value is NaN, infinite or CLM's fill value.
    FileError
        If the output exists, or cannot be written.
    """
    path = Path(path)
    for name, variable in dataset.variables.items():
        _require_complete(str(name), variable, path)
    encoding = {str(name): {"_FillValue": None} for name in dataset.variables}
    with atomic_output(path, overwrite=overwrite) as temporary:
        _store(dataset, temporary, path, "NETCDF3_64BIT", encoding)


def _groups(dataset: xr.Dataset) -> Iterator[xr.Dataset]:
    """Split a large dataset by variables, because xarray copies all that it is given to write."""
    groups: list[set[str]] = []
    room = 0
    for name, variable in dataset.data_vars.items():
        if not groups or room < variable.nbytes:
            groups.append(set())
            room = _BYTES_AT_ONCE
        groups[-1].add(str(name))
        room -= variable.nbytes
    for group in groups or [set()]:
        yield dataset.drop_vars(set(dataset.data_vars) - group)


def _store(
    dataset: xr.Dataset,
    temporary: Path,
    path: Path,
    form: Literal["NETCDF4", "NETCDF3_64BIT"],
    encoding: dict[str, dict[str, Any]],
    unlimited: Iterable[str] = (),
    mode: Literal["w", "a"] = "w",
    compute: bool = True,
) -> None:
    """Write a file; the netCDF library reports a full disk as a RuntimeError."""
    try:
        dataset.to_netcdf(
            temporary,
            mode=mode,
            compute=compute,
            format=form,
            engine="netcdf4",
            encoding=encoding,
            unlimited_dims=list(unlimited),
        )
    except RuntimeError as error:
        raise FileError(f"{path} cannot be written ({error}); is the disk full?") from error


def _make_room(piece: xr.Dataset, sizes: Mapping[str, int], temporary: Path, path: Path) -> None:
    """Begin a file that has room for all pieces, without their values."""
    # Lazy, so that no room is taken in memory and no values are written yet.
    growing = {name: item.chunk() for name, item in piece.items() if sizes.keys() & set(item.dims)}
    everywhere = {name: np.zeros(size, dtype=np.int64) for name, size in sizes.items()}
    room = piece.assign(growing).isel(everywhere)
    encoding = _encoding_of_parts(piece, sizes.keys())
    _store(room, temporary, path, "NETCDF4", encoding, compute=False)


def _put(part: xr.Dataset, place: Mapping[str, slice], temporary: Path, path: Path) -> None:
    """Write a part at its place in what the file holds."""
    try:
        with netCDF4.Dataset(temporary, "a") as file:
            for name, variable in part.variables.items():
                if place.keys() & set(variable.dims):
                    there = tuple(place.get(str(d), slice(None)) for d in variable.dims)
                    file[str(name)][there] = _with_fill_value(variable.values)
    except RuntimeError as error:
        raise FileError(f"{path} cannot be written ({error}); is the disk full?") from error


def _with_fill_value(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.dtype.kind == "f":
        return np.where(np.isnan(values), values.dtype.type(FILL_VALUE), values)
    return values.astype(object) if values.dtype.kind == "U" else values


def _encoding_of_parts(part: xr.Dataset, cut: Set[str]) -> dict[str, dict[str, Any]]:
    """Choose encodings that suit later parts too: any of them may have missing values."""
    encodings = {}
    for name, variable in part.variables.items():
        encoding = _encoding(variable)
        if cut & set(variable.dims):
            encoding["chunksizes"] = variable.shape
            if variable.dtype.kind == "f":
                encoding["_FillValue"] = variable.dtype.type(FILL_VALUE)
        encodings[str(name)] = encoding
    return encodings


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    kind = variable.dtype.kind
    encoding: dict[str, Any] = {"_FillValue": None}
    if kind == "f" and bool(np.isnan(variable.values).any()):
        encoding["_FillValue"] = variable.dtype.type(FILL_VALUE)
    if kind in "fiu" and variable.ndim > 0:
        encoding |= {"zlib": True, "complevel": 1, "shuffle": True}
        if variable.nbytes > _CHUNK_BYTES:
            rows = max(1, _CHUNK_BYTES * variable.shape[0] // variable.nbytes)
            encoding["chunksizes"] = (rows, *variable.shape[1:])
    return encoding


def _require_complete(name: str, variable: xr.Variable, path: Path) -> None:
    if variable.dtype.kind != "f":
        return
    values = variable.values
    bad = is_missing(values)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ExportError(
            f"{path}: variable {name} has {int(bad.sum())} missing or non-finite values, the first "
            f"at index {where}; CTSM would read them as numbers. Fill the map before exporting it"
        )


def ordinary_mode(most: int) -> int:
    """Permissions that the process gives to what it makes; temporary files have fewer."""
    mask = os.umask(0)
    os.umask(mask)
    return most & ~mask
