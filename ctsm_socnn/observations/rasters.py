"""Rasters in geographic coordinates, read a few rows at a time: netCDF and GeoTIFF."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import netCDF4
import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import FileError, GridError
from ctsm_socnn.netcdf_reading import open_netcdf

__all__ = ["Raster", "open_raster"]

_GEOTIFF: Final = (".tif", ".tiff")
_LAT_NAMES: Final = ("lat", "latitude", "y")
_LON_NAMES: Final = ("lon", "longitude", "x")


@dataclass(frozen=True)
class Raster:
    """One field on a regular latitude-longitude grid.

    Attributes
    ----------
    lat, lon : ndarray, degrees
        Pixel centres, in the order of the file.
    read_rows : callable
        From the first row and the row after the last to values, shape (rows, lon), NaN where
        missing.
    units : str
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    read_rows: Callable[[int, int], NDArray[np.float64]]
    units: str

    def __post_init__(self) -> None:
        for name, values in (("lat", self.lat), ("lon", self.lon)):
            if values.size < 2 or not np.isfinite(values).all():
                raise GridError(
                    f"the raster has {values.size} pixels along {name}, of which "
                    f"{np.isfinite(values).sum()} have a finite {name}; it needs two or more, all finite"
                )


@contextmanager
def open_raster(path: Path, variable: str | None = None) -> Iterator[Raster]:
    """Open a raster.

    Parameters
    ----------
    path : Path
        GeoTIFF (needs rasterio) or netCDF.
    variable : str, optional
        Name in a netCDF file, needed where it holds several fields; band of a GeoTIFF, by default
        the first.

    Raises
    ------
    FileError
        If the file is missing or damaged, or rasterio is not installed.
    GridError
        If the raster is not in geographic coordinates, has a single row or column, or the variable
        is not on its grid.
    """
    if not path.exists():
        raise FileError(f"{path} does not exist")
    opened = _open_geotiff if path.suffix.lower() in _GEOTIFF else _open_netcdf
    with opened(path, variable) as raster:
        yield raster


@contextmanager
def _open_netcdf(path: Path, variable: str | None) -> Iterator[Raster]:
    with open_netcdf(path) as dataset:
        lat, lon = (_coordinate(dataset, names, path) for names in (_LAT_NAMES, _LON_NAMES))
        field = dataset[_only_field(dataset, (lat, lon), variable, path)]

        def read_rows(start: int, stop: int) -> NDArray[np.float64]:
            values = np.ma.filled(np.ma.asarray(field[start:stop]).astype(np.float64), np.nan)
            return np.asarray(values)

        yield Raster(
            np.asarray(dataset[lat][:], dtype=np.float64),
            np.asarray(dataset[lon][:], dtype=np.float64),
            read_rows,
            str(getattr(field, "units", "")),
        )


def _coordinate(dataset: netCDF4.Dataset, names: tuple[str, ...], path: Path) -> str:
    for name in names:
        if name in dataset.variables and dataset[name].ndim == 1:
            return name
    raise GridError(f"{path} has no one-dimensional coordinate {' or '.join(names)}")


def _only_field(
    dataset: netCDF4.Dataset, coordinates: tuple[str, str], variable: str | None, path: Path
) -> str:
    dims = tuple(dataset[name].dimensions[0] for name in coordinates)
    fields = [name for name, item in dataset.variables.items() if item.dimensions == dims]
    if variable is None and len(fields) == 1:
        return fields[0]
    if variable not in fields:
        asked = "several fields" if variable is None else f"no field {variable}"
        raise GridError(
            f"{path} holds {asked} on {dims}; name one of {', '.join(fields) or 'none'}"
        )
    return str(variable)


@contextmanager
def _open_geotiff(path: Path, variable: str | None) -> Iterator[Raster]:
    rasterio = _rasterio(path)
    try:
        dataset = rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise FileError(f"{path} cannot be read as GeoTIFF: {error}") from error
    with dataset:
        _require_geographic(dataset, path)
        band = int(variable or 1)
        transform = dataset.transform
        window = importlib.import_module("rasterio.windows").Window

        def read_rows(start: int, stop: int) -> NDArray[np.float64]:
            rows = window(0, start, dataset.width, stop - start)
            values = dataset.read(band, window=rows, masked=True).astype(np.float64)
            return np.asarray(np.ma.filled(values, np.nan))

        yield Raster(
            transform.f + transform.e * (np.arange(dataset.height) + 0.5),
            transform.c + transform.a * (np.arange(dataset.width) + 0.5),
            read_rows,
            str(dataset.units[band - 1] or ""),
        )


def _rasterio(path: Path) -> Any:
    try:
        importlib.import_module("rasterio.errors")
        return importlib.import_module("rasterio")
    except ImportError as error:
        raise FileError(
            f"{path} is a GeoTIFF, which needs rasterio; `pip install 'ctsm-socnn[raster]'`, or "
            "convert the file to netCDF"
        ) from error


def _require_geographic(dataset: Any, path: Path) -> None:
    transform = dataset.transform
    if dataset.crs is None or not dataset.crs.is_geographic or transform.b or transform.d:
        raise GridError(
            f"{path} is in the projection {dataset.crs}, not in geographic coordinates; "
            "warp it first (gdalwarp -t_srs EPSG:4326)"
        )
