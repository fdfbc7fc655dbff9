"""Damage in a netCDF file becomes one error, whenever the library finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, KernelError
from ctsm_socnn.netcdf_reading import open_netcdf, read_header


@pytest.fixture
def compressed(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).random(50_000)
    path = tmp_path / "values.nc"
    xr.Dataset({"x": ("i", values)}, attrs={"title": "t"}).to_netcdf(
        path, encoding={"x": {"zlib": True}}
    )
    return path


def test_a_header_is_read_without_values(compressed):
    header = read_header(compressed)
    assert header.attributes == {"title": "t"}
    assert header.dimensions == {"i": 50_000}
    assert header.variables == {"x": ("i",)}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.nc does not exist"):
        read_header(tmp_path / "none.nc")


def test_values_that_cannot_be_unpacked_are_damage(compressed):
    data = bytearray(compressed.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = bytes(1000)
    compressed.write_bytes(bytes(data))
    with (
        pytest.raises(FileError, match=r"values\.nc cannot be read as netCDF"),
        open_netcdf(compressed) as dataset,
    ):
        np.asarray(dataset["x"][:])


def test_errors_of_the_block_are_left_as_they_are(compressed):
    with pytest.raises(KernelError, match="ours"), open_netcdf(compressed):
        raise KernelError("ours")
    with pytest.raises(AttributeError, match="ours"), open_netcdf(compressed):
        raise AttributeError("ours")
