from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn import netcdf
from ctsm_socnn.errors import ExportError, FileError
from ctsm_socnn.netcdf import (
    FILL_VALUE,
    atomic_output,
    write_ctsm_input,
    write_dataset,
    write_in_parts,
    written_in_pieces,
)


def dataset(values: list[float]) -> xr.Dataset:
    return xr.Dataset({"x": ("n", np.array(values), {"units": "1"})}, attrs={"seed": "1"})


def test_missing_values_become_clms_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_dataset(dataset([1.0, np.nan]), path)
    with netCDF4.Dataset(path) as raw:
        raw.set_auto_mask(False)
        assert raw["x"][1] == FILL_VALUE
        assert raw["x"]._FillValue == FILL_VALUE
    with xr.open_dataset(path) as again:
        np.testing.assert_array_equal(again["x"], [1.0, np.nan])


def test_complete_variables_get_no_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_dataset(dataset([1.0, 2.0]), path)
    with netCDF4.Dataset(path) as raw:
        assert "_FillValue" not in raw["x"].ncattrs()


def test_ctsm_inputs_are_64bit_offset_without_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_ctsm_input(dataset([1.0, 2.0]), path)
    assert path.read_bytes()[:4] == b"CDF\x02"
    with netCDF4.Dataset(path) as raw:
        assert raw["x"].ncattrs() == ["units"]


def test_ctsm_inputs_keep_their_precision_whatever_file_they_came_from(tmp_path: Path) -> None:
    packed = dataset([1.0 / 3.0, 2.0])
    packed["x"].encoding = {"dtype": "float32", "_FillValue": -9999.0}
    write_ctsm_input(packed, tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as raw:
        assert float(raw["x"][0]) == 1.0 / 3.0
        assert raw["x"].ncattrs() == ["units"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, FILL_VALUE, -FILL_VALUE, np.float32(FILL_VALUE)])
def test_ctsm_inputs_must_be_complete(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "a.nc"
    with pytest.raises(ExportError, match=r"variable x has 1 missing.*index \(1,\)"):
        write_ctsm_input(dataset([1.0, bad]), path)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_stay_unless_overwriting(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_text("precious")
    with pytest.raises(FileError, match=r"exists already.*--overwrite"):
        write_dataset(dataset([1.0]), path)
    assert path.read_text() == "precious"
    write_dataset(dataset([1.0]), path, overwrite=True)
    assert xr.load_dataset(path)["x"].item() == 1.0


def test_what_another_run_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"

    def write_at_the_same_time() -> None:
        with atomic_output(path) as part:
            part.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(FileError, match="exists already"):
        write_at_the_same_time()
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_and_leads_to_the_output(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    link, target = tmp_path / "a.nc", tmp_path / "scratch" / "b.nc"
    link.symlink_to(target)
    write_dataset(dataset([1.0]), link)
    with pytest.raises(FileError, match="exists already"):
        write_dataset(dataset([2.0]), link)
    write_dataset(dataset([2.0]), link, overwrite=True)
    assert link.is_symlink()
    assert xr.load_dataset(target)["x"].item() == 2.0


def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(FileError, match="not an ordinary file"):
            write_dataset(dataset([1.0]), tmp_path / name, overwrite=True)


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="absent is not a directory"):
        write_dataset(dataset([1.0]), tmp_path / "absent" / "a.nc")


def test_read_only_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a stand-in for `os.access`: to root every directory is writable."""
    monkeypatch.setattr("ctsm_socnn.netcdf.os.access", lambda *_: False)
    with pytest.raises(FileError, match="read-only"):
        write_dataset(dataset([1.0]), tmp_path / "a.nc")


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def fill_the_disk() -> None:
        with atomic_output(tmp_path / "a.nc") as part:
            part.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match="No space left"):
        fill_the_disk()
    assert list(tmp_path.iterdir()) == []


def test_output_has_the_permissions_of_an_ordinary_file(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_dataset(dataset([1.0]), tmp_path / "a.nc")
    assert (tmp_path / "a.nc").stat().st_mode == ordinary.stat().st_mode


def pieces(fail_at: int = 9) -> Iterator[xr.Dataset]:
    """Three parts of 4, 4 and 2 rows; only the second has a missing value."""
    whole = many_kinds()
    for number, rows in enumerate((slice(0, 4), slice(4, 8), slice(8, 10))):
        if number == fail_at:
            raise KeyboardInterrupt
        yield whole.isel(n=rows)


def many_kinds() -> xr.Dataset:
    values = np.arange(20.0).reshape(10, 2)
    values[5, 1] = np.nan
    return xr.Dataset(
        {
            "x": (("n", "m"), values, {"units": "1"}),
            "single": ("n", np.arange(10, dtype=np.float32)),
            "flag": ("n", np.arange(10, dtype=np.int8)),
            "grid": ("m", [0.5, 1.5]),
        },
        coords={"name": ("n", [f"site {i}" * (i + 1) for i in range(10)])},
        attrs={"seed": "1"},
    )


def test_parts_make_the_same_dataset_as_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_in_parts(pieces(), "n", path)
    require_whole(path, unlimited=True)


@pytest.mark.parametrize("width", [2, 1])
def test_pieces_make_the_same_dataset_as_the_whole(tmp_path: Path, width: int) -> None:
    path = tmp_path / "a.nc"
    with written_in_pieces({"n": 10, "m": 2}, path) as put:
        for start in (0, 4, 8):
            for column in range(0, 2, width):
                place = {"n": slice(start, min(start + 4, 10)), "m": slice(column, column + width)}
                put(many_kinds().isel(place), place)
    require_whole(path, unlimited=False)


def require_whole(path: Path, *, unlimited: bool) -> None:
    with xr.open_dataset(path) as again:
        xr.testing.assert_identical(again.load(), many_kinds())
    with netCDF4.Dataset(path) as raw:
        raw.set_auto_mask(False)
        assert raw["x"][5, 1] == FILL_VALUE
        assert raw.dimensions["n"].isunlimited() == unlimited


def test_parts_that_stop_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_in_parts(pieces(fail_at=2), "n", tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


def test_large_variables_lie_in_whole_rows(tmp_path: Path) -> None:
    large = xr.Dataset({"x": (("site", "layer"), np.random.default_rng(1).random((40_000, 20)))})
    write_dataset(large, tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc") as raw:
        rows, layers = raw["x"].chunking()
    assert layers == 20
    assert rows * layers * 8 <= 1 << 20
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "a.nc"), large)


def test_variables_written_in_turns_make_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.where(np.arange(12.0) == 7.0, np.nan, np.arange(12.0)).reshape(3, 4)
    dataset = xr.Dataset(
        {name: (("month", "x"), values * k, {"units": "m"}) for k, name in enumerate("abc")}
        | {"short": ("y", [1, 2])},
        {"month": [1, 2, 3], "mask": ("x", [0, 1, 1, 0])},
        {"title": "t"},
    )
    write_dataset(dataset, tmp_path / "at_once.nc")
    monkeypatch.setattr(netcdf, "_BYTES_AT_ONCE", 150)
    write_dataset(dataset, tmp_path / "in_turns.nc")
    at_once, in_turns = (xr.open_dataset(tmp_path / name) for name in ("at_once.nc", "in_turns.nc"))
    xr.testing.assert_identical(at_once, in_turns)
    xr.testing.assert_identical(at_once, dataset)
    assert list(at_once.variables) == list(in_turns.variables)
