from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import FileError, GridError
from ctsm_socnn.regrid.geometry import Grid, rectilinear_grid
from ctsm_socnn.regrid.grids import cesm_grid
from ctsm_socnn.regrid.nearest import nearest_weights
from ctsm_socnn.regrid.rectilinear import conservative_weights
from ctsm_socnn.regrid.weight_files import read_weights, write_weights
from ctsm_socnn.regrid.weights import Method, Normalisation


@pytest.fixture
def source(two_degrees: Grid) -> Grid:
    lon, lat = two_degrees.centres()
    return two_degrees.with_mask((lon > 200.0) & (lat > 10.0))


@pytest.fixture
def target() -> Grid:
    grid = cesm_grid("f45")
    return grid.with_mask(grid.centres()[1] > -60.0)


@pytest.fixture
def path(tmp_path: Path, source: Grid, target: Grid) -> Path:
    write_weights(conservative_weights(source, target), tmp_path / "w.nc")
    return tmp_path / "w.nc"


def _foreign(path: Path, **changes: object) -> None:
    """Take away our keys, as if ESMF had written the file."""
    with xr.open_dataset(path) as dataset:
        loaded = dataset.load()
    for name in ("weights_key", "grid_checksum_a", "grid_checksum_b", "method"):
        del loaded.attrs[name]
    for name, values in changes.items():
        loaded[name] = loaded[name].copy(data=values)
    loaded.to_netcdf(path)


def test_weights_come_back_bit_for_bit(path: Path, source: Grid, target: Grid) -> None:
    made, read = conservative_weights(source, target), read_weights(path, source, target)
    assert abs(made.matrix - read.matrix).max() == 0.0
    np.testing.assert_array_equal(made.covered, read.covered)
    np.testing.assert_array_equal(made.used, read.used)
    np.testing.assert_array_equal(made.source_areas, read.source_areas)
    np.testing.assert_array_equal(made.target_areas, read.target_areas)
    assert made.key() == read.key()


def test_the_file_has_the_common_form(path: Path, source: Grid, target: Grid) -> None:
    with xr.open_dataset(path) as file:
        assert file.sizes["n_a"] == source.size
        assert file.sizes["n_b"] == target.size
        assert file["row"].values.min() >= 1
        assert file["col"].values.max() <= source.size
        assert file["src_grid_dims"].values.tolist() == [180, 90]
        assert file.attrs["map_method"] == "Conservative remapping"
        assert file.attrs["normalization"] == "fracarea"
        assert file["area_a"].units == file["area_b"].units == "square radians"
        np.testing.assert_array_equal(file["remap_matrix"][:, 0], file["S"])
        np.testing.assert_array_equal(file["src_address"], file["col"])
        row_sums = np.bincount(file["row"].values - 1, file["S"].values, target.size)
        np.testing.assert_allclose(row_sums[row_sums > 0.0], 1.0, rtol=1e-12)


def test_other_grids_masks_and_methods_are_refused(path: Path, source: Grid, target: Grid) -> None:
    with pytest.raises(GridError, match=r"made for another target \(f19\)"):
        read_weights(path, source, cesm_grid("f19"))
    with pytest.raises(GridError, match=r"made for another source \(2 degrees\)"):
        read_weights(path, source.with_mask(np.ones(source.shape)), target)
    method = r"made for another method \(conservative fracarea, not nearest fracarea\)\. Make"
    with pytest.raises(GridError, match=method):
        read_weights(path, source, target, Method.NEAREST)
    with pytest.raises(GridError, match="another method"):
        read_weights(path, source, target, normalisation=Normalisation.DSTAREA)


def test_weights_of_others_are_held_against_the_grids(
    path: Path, source: Grid, target: Grid
) -> None:
    _foreign(path)
    made, read = conservative_weights(source, target), read_weights(path, source, target)
    assert abs(made.matrix - read.matrix).max() == 0.0
    with pytest.raises(GridError, match="made for 3312 cells, f19 has 13824"):
        read_weights(path, source, cesm_grid("f19"))
    shifted = rectilinear_grid("shifted", np.arange(2.0, 362.0, 2.0), np.arange(-89.0, 90.0, 2.0))
    with pytest.raises(GridError, match=r"cell \d+ of its grid a lies 0\.9998 degrees from"):
        read_weights(path, shifted, target)
    with pytest.raises(GridError, match="its method is 'conservative remapping', not nearest"):
        read_weights(path, source, target, Method.NEAREST)


@pytest.mark.parametrize("normalisation", list(Normalisation))
def test_weights_of_others_are_narrowed_to_our_masks(
    tmp_path: Path, two_degrees: Grid, source: Grid, target: Grid, normalisation: Normalisation
) -> None:
    path = tmp_path / "wide.nc"
    wide = conservative_weights(two_degrees, cesm_grid("f45"), normalisation)
    write_weights(wide, path)
    _foreign(path)
    expected = conservative_weights(source, target, normalisation)
    narrowed = read_weights(path, source, target, normalisation=normalisation)
    assert abs(narrowed.matrix - expected.matrix).max() < 1e-13
    np.testing.assert_allclose(narrowed.covered, expected.covered, atol=1e-13)


def test_cells_whose_covered_share_is_not_told_count_as_covered(
    path: Path, source: Grid, target: Grid
) -> None:
    _foreign(path)
    with xr.open_dataset(path) as file:
        untold = file.load().drop_vars("frac_b")
    untold.to_netcdf(path)
    read = read_weights(path, source, target)
    np.testing.assert_array_equal(read.reached(0.5), np.diff(read.matrix.indptr) > 0)


@pytest.mark.parametrize("side", ["a", "b"])
def test_centres_of_either_grid_must_be_ours(
    path: Path, source: Grid, target: Grid, side: str
) -> None:
    with xr.open_dataset(path) as file:
        moved = file[f"yc_{side}"].values.copy()
    moved[5] += 0.5
    _foreign(path, **{f"yc_{side}": moved})
    with pytest.raises(GridError, match=f"cell 6 of its grid {side} lies 0.5 degrees"):
        read_weights(path, source, target)


def test_what_is_covered_follows_narrower_masks(path: Path, source: Grid, target: Grid) -> None:
    """Also of cells that the wider mask had not covered wholly."""
    _foreign(path)
    lon, lat = source.centres()
    narrow = source.with_mask(source.mask.ravel() & (np.round(lon + lat) % 4 == 0))
    read, made = read_weights(path, narrow, target), conservative_weights(narrow, target)
    partly = (read.covered > 0.0) & (conservative_weights(source, target).covered < 0.9)
    assert partly.any()
    np.testing.assert_allclose(read.covered, made.covered, atol=1e-12)


@pytest.mark.parametrize("normalisation", list(Normalisation))
def test_what_is_used_follows_narrower_masks(
    tmp_path: Path, source: Grid, target: Grid, normalisation: Normalisation
) -> None:
    path = tmp_path / "w.nc"
    write_weights(conservative_weights(source, target, normalisation), path)
    _foreign(path)
    narrow_source = source.with_mask(source.mask.ravel() & (source.centres()[1] > 30.0))
    narrow_target = target.with_mask(target.mask.ravel() & (target.centres()[0] > 240.0))
    read = read_weights(path, narrow_source, narrow_target, normalisation=normalisation)
    expected = conservative_weights(narrow_source, narrow_target, normalisation)
    np.testing.assert_allclose(read.used, expected.used, atol=1e-12)


def test_weights_of_others_with_too_narrow_a_mask_are_refused(
    path: Path, two_degrees: Grid, target: Grid
) -> None:
    _foreign(path)
    with pytest.raises(GridError, match=r"masks out \d+ cells that count in 2 degrees"):
        read_weights(path, two_degrees, target)


def test_a_wrong_normalisation_is_refused(path: Path, source: Grid, target: Grid) -> None:
    _foreign(path)
    with pytest.raises(GridError, match="normalization is 'fracarea'"):
        read_weights(path, source, target, normalisation=Normalisation.DSTAREA)


def test_nearest_weights_of_others_do_not_pass_for_covered_far_away(
    tmp_path: Path, source: Grid, target: Grid
) -> None:
    path = tmp_path / "w.nc"
    made = nearest_weights(source, target)
    write_weights(replace(made, covered=np.ones(target.size)), path)
    _foreign(path)
    read = read_weights(path, source, target, Method.NEAREST)
    np.testing.assert_array_equal(read.covered, made.covered)
    assert 0 < read.covered.sum() < target.mask.sum()


def test_the_form_of_cdo_is_read(path: Path, source: Grid, target: Grid) -> None:
    _foreign(path)
    with xr.open_dataset(path) as file:
        scrip = file.load().drop_vars(
            [name for name in file if file[name].dims[0] in ("n_a", "n_b", "n_s")]
        )
    for name in ("src_grid_center_lon", "src_grid_center_lat"):
        radians = np.deg2rad(scrip[name].values)
        scrip[name] = (scrip[name].dims, radians, {"units": "radians"})
    scrip.attrs["map_method"] = "Conservative remapping using clipping on sphere"
    scrip.to_netcdf(path)
    made, read = conservative_weights(source, target), read_weights(path, source, target)
    assert abs(made.matrix - read.matrix).max() == 0.0
    np.testing.assert_array_equal(made.covered, read.covered)


def test_the_method_that_esmf_names_counts(path: Path, source: Grid, target: Grid) -> None:
    _foreign(path)
    with xr.open_dataset(path) as file:
        loaded = file.load()
    loaded.attrs |= {
        "map_method": "Bilinear remapping",
        "ESMF_regrid_method": "First-order Conservative",
    }
    loaded.to_netcdf(path)
    assert read_weights(path, source, target).matrix.nnz > 0
    with pytest.raises(GridError, match="not bilinear"):
        read_weights(path, source, target, Method.BILINEAR)


def test_damaged_files_are_refused(path: Path, source: Grid, target: Grid) -> None:
    entries = conservative_weights(source, target).matrix.nnz
    _foreign(path, row=np.full(entries, 99999, dtype=np.int32))
    with pytest.raises(GridError, match="row or col points outside the grids"):
        read_weights(path, source, target)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("factor", "message"), [(5.0, "sum to [1-5]"), (np.nan, "not finite"), (-1.0, "sum to")]
)
def test_weights_that_are_no_means_are_refused(
    path: Path, source: Grid, target: Grid, ours: bool, factor: float, message: str
) -> None:
    factors = conservative_weights(source, target).matrix.data.copy()
    factors[0] *= factor
    if ours:
        with netCDF4.Dataset(path, "a") as file:
            file["S"][:] = factors
    else:
        _foreign(path, S=factors)
    with pytest.raises(GridError, match=message):
        read_weights(path, source, target)


def test_negative_weights_are_refused_though_they_sum_to_one(
    path: Path, source: Grid, target: Grid
) -> None:
    matrix = conservative_weights(source, target).matrix
    first = matrix.indptr[np.flatnonzero(np.diff(matrix.indptr) > 1)[0]]
    matrix.data[first : first + 2] += (2.0, -2.0)
    _foreign(path, S=matrix.data)
    with pytest.raises(GridError, match="weights of a cell are negative"):
        read_weights(path, source, target)


def test_weights_divided_by_whole_cells_are_refused_whatever_they_say(
    path: Path, source: Grid, target: Grid
) -> None:
    whole = conservative_weights(source, target, Normalisation.DSTAREA)
    write_weights(whole, path, overwrite=True)
    _foreign(path)
    with netCDF4.Dataset(path, "a") as file:
        file.delncattr("normalization")
    with pytest.raises(GridError, match="sum to 0"):
        read_weights(path, source, target)


def test_files_without_weights_are_refused(tmp_path: Path, source: Grid, target: Grid) -> None:
    path = tmp_path / "no.nc"
    with pytest.raises(FileError, match="does not exist"):
        read_weights(path, source, target)
    xr.Dataset({"S": ("n_s", [1.0])}).to_netcdf(path)
    with pytest.raises(GridError, match="row, col, xc_a, yc_a, xc_b, yc_b missing"):
        read_weights(path, source, target)


def test_an_existing_file_is_kept(path: Path, source: Grid, target: Grid) -> None:
    with pytest.raises(FileError, match="exists already"):
        write_weights(conservative_weights(source, target), path)
