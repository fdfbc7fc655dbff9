"""Months of a record, however files hold them, and sums that are put aside."""

from __future__ import annotations

import os
from itertools import chain

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError
from ctsm_socnn.forcing import read_climatology, record
from ctsm_socnn.forcing.months import open_history


def test_months_in_any_order_within_a_file(history_file, tmp_path):
    """Years put one after the other the wrong way round; the middle of the file is not wanted."""
    years = [history_file(f"{year}.nc", year=year) for year in (1, 3, 2)]
    parts = [xr.open_dataset(path, decode_times=False) for path in years]
    xr.concat(parts, "time", data_vars="minimal").to_netcdf(tmp_path / "all.nc")
    wanted = read_climatology([years[0], years[2]])
    found = read_climatology([tmp_path / "all.nc"], last_year=2)
    xr.testing.assert_equal(found.drop_attrs(), wanted.drop_attrs())


def test_memory_is_bounded_by_reading_a_few_months_at_once(history_file, monkeypatch):
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2)]
    whole = read_climatology(paths)
    monkeypatch.setattr(record, "_VALUES_AT_ONCE", 5 * 20 * 6)
    held = record.check_history(paths, None, None, None)
    months = [[str(sample) for sample in block] for _, block in held.blocks()]
    assert [len(block) for block in months] == [5, 5, 2, 5, 5, 2]
    assert list(chain.from_iterable(months)) == [str(sample) for sample in held.samples]
    assert [[str(s) for s in block] for _, block in held.blocks(skip=4)] == months[4:]
    xr.testing.assert_identical(read_climatology(paths), whole)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_interrupted_record_goes_on_to_the_same_climatology(
    history_file, tmp_path, interrupt_after, left
):
    """A record of unequal counts, with soil carbon, stopped after any number of blocks."""

    def carbon(dataset):
        stock = 9000.0 + dataset["time_bounds"][:, 0] / 365.0 + 0.0 * dataset["ALTMAX"]
        return dataset.assign(TOTSOMC=stock.astype(np.float32).assign_attrs(units="gC/m^2"))

    months = {1: range(3, 13), 2: range(1, 13), 3: range(1, 13), 4: range(1, 2)}
    paths = [history_file(f"{y}.nc", y, held, carbon) for y, held in months.items()]
    whole = read_climatology(paths)
    kept = tmp_path / "sums.npz"
    with interrupt_after(left), pytest.raises(KeyboardInterrupt):
        read_climatology(paths, checkpoint=kept)
    resumed = read_climatology(paths, checkpoint=kept)
    xr.testing.assert_identical(resumed, whole)
    assert not kept.exists()


@pytest.mark.parametrize(("longer", "later"), [(0, 10**9), (4, 0)])
def test_sums_of_a_file_that_changed_since_are_refused(
    history_file, tmp_path, interrupt_after, longer, later
):
    """Its date tells, and its size where a copy keeps the date."""
    paths = [history_file(f"{year}.nc", year=year) for year in (1, 2)]
    kept = tmp_path / "sums.npz"
    with interrupt_after(1), pytest.raises(KeyboardInterrupt):
        read_climatology(paths, checkpoint=kept)
    before = paths[0].stat()
    with netCDF4.Dataset(paths[0], "a") as dataset:
        dataset["TSOI"][:] = dataset["TSOI"][:] + 1.0
    paths[0].write_bytes(paths[0].read_bytes() + bytes(longer))
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns + later))
    assert paths[0].stat().st_size == before.st_size + longer
    with pytest.raises(FileError, match="left by a run over other history files"):
        read_climatology(paths, checkpoint=kept)


@pytest.mark.parametrize(
    ("spelt", "name", "year"),
    [("365_day", "noleap", 1), ("gregorian", "standard", 2001), ("366_day", "all_leap", None)],
)
def test_two_names_of_one_calendar_are_one(history_file, spelt, name, year):
    """A calendar by its older name in some files, as tools write it, is no other calendar."""
    days = [31, 29 if year is None else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    ends = np.cumsum(days).astype(float)

    def write(number, calendar):
        def edit(dataset):
            since = f"days since {(year or 1) + number:04d}-01-01"
            attributes = dataset["time"].attrs | {"calendar": calendar, "units": since}
            bounds = np.stack([ends - days, ends], axis=1)
            dataset = dataset.assign_coords(time=("time", ends, attributes))
            return dataset.assign(time_bounds=(("time", "hist_interval"), bounds))

        return history_file(f"{number}.nc", edit=edit)

    climatology = read_climatology([write(0, spelt), write(1, name)])
    assert climatology.attrs["calendar"] == name
    assert climatology.attrs["months_averaged"] == 24


def test_compressed_history_is_not_held_in_memory(history_file, tmp_path):
    """By itself the library keeps up to 64 MiB of each of dozens of fields in memory."""
    path = tmp_path / "compressed.nc"
    with xr.open_dataset(history_file(), decode_times=False) as dataset:
        dataset.to_netcdf(path, encoding={"TSOI": {"zlib": True}, "W_SCALAR": {"zlib": True}})
    with open_history(path) as history:
        kept = [history[name].get_var_chunk_cache()[0] for name in ("TSOI", "W_SCALAR")]
    assert max(kept) <= 8 * 2**20
