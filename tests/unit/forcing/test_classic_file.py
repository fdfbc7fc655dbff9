from __future__ import annotations

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.forcing.classic_file import missing_bytes

CLASSIC = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


def write(path, form, records=3, types=("f8", "i2", "S1")):
    with netCDF4.Dataset(path, "w", format=form) as dataset:
        dataset.setncatts({"title": "odd length", "year": np.int32(7)})
        dataset.createDimension("time", None)
        dataset.createDimension("x", 5)
        dataset.createVariable("x", "f4", ("x",)).units = "m"
        dataset["x"][:] = np.arange(5.0)
        for i, kind in enumerate(types):
            variable = dataset.createVariable(f"v{i}", kind, ("time", "x"))
            value = b"a" if kind == "S1" else 1
            variable[:] = np.full((records, 5), value)
    return path


@pytest.mark.parametrize("form", CLASSIC)
@pytest.mark.parametrize("records", [0, 1, 3])
@pytest.mark.parametrize("types", [("f8", "i2", "S1"), ("i2",)])
def test_complete_file_lacks_nothing(tmp_path, form, records, types):
    assert missing_bytes(write(tmp_path / "a.nc", form, records, types)) == 0


@pytest.mark.parametrize("form", CLASSIC)
@pytest.mark.parametrize("cut", [8, 50, 10_000])
def test_cut_file_lacks_what_was_cut(tmp_path, form, cut):
    path = write(tmp_path / "a.nc", form, records=1000, types=("f8", "f4"))
    path.write_bytes(path.read_bytes()[:-cut])
    assert missing_bytes(path) == cut


@pytest.mark.parametrize("left", [4, 30, 100])
def test_cut_header_lacks_something(tmp_path, left):
    path = write(tmp_path / "a.nc", CLASSIC[2])
    path.write_bytes(path.read_bytes()[:left])
    assert missing_bytes(path) > 0


def test_other_formats_are_not_judged(tmp_path):
    assert missing_bytes(write(tmp_path / "a.nc", "NETCDF4", types=("f8",))) == 0
