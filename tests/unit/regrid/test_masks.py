from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import cell_grid
from ctsm_socnn.regrid.grids import cesm_grid, read_grid
from ctsm_socnn.regrid.masks import land_mask, require_mask_sense, takes_sea_for_land, with_land_of

SHAPE = (2, 3)


def _file(**variables: object) -> xr.Dataset:
    return xr.Dataset({name: (("y", "x"), np.array(v)) for name, v in variables.items()})


def test_no_mask_in_the_file() -> None:
    assert land_mask(_file(rain=[[1, 2, 3], [4, 5, 6]]), ("y", "x"), SHAPE, "file") is None


def test_land_fraction_stands_in_for_a_mask() -> None:
    mask = land_mask(
        _file(landfrac=[[0.0, 0.1, 1.0], [np.nan, 0.0, 0.0]]), ("y", "x"), SHAPE, "file"
    )
    assert mask is not None
    assert mask.tolist() == [[False, True, True], [False, False, False]]


def test_a_mask_goes_before_a_fraction() -> None:
    file = _file(mask=[[0, 0, 1], [0, 0, 1]], frac=[[0.0, 0.1, 1.0], [0.0, 0.0, 1.0]])
    mask = land_mask(file, ("y", "x"), SHAPE, "file")
    assert mask is not None
    assert mask.sum() == 2


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"mask": [[0, 0, 0], [0, 0, 0]]}, "mask is 0 everywhere; 1 must mark land"),
        ({"mask": [[0, 2, 0], [0, 1, 0]]}, "the mask holds 2"),
        (
            {"mask": [[1, 1, 0], [1, 0, 0]], "frac": [[0, 0, 1], [0, 1, 0.5]]},
            "opposite of the land fraction",
        ),
        (
            {"mask": [[1, 1, 0], [1, 0, 0]], "frac": [[0, 0.1, 1], [0, 1, 1]]},
            "opposite of the land fraction",
        ),
    ],
)
def test_impossible_masks_are_refused(variables: dict[str, object], message: str) -> None:
    with pytest.raises(GridError, match=message):
        land_mask(_file(**variables), ("y", "x"), SHAPE, "file")


@pytest.mark.parametrize(
    "turned",
    [
        lambda mask: mask.transpose("x", "y"),
        lambda mask: mask.expand_dims(time=2).transpose("x", ...),
    ],
)
def test_a_mask_is_read_by_the_names_of_its_dimensions(turned) -> None:
    file = _file(landmask=[[1, 1, 1], [0, 0, 0]])
    mask = land_mask(file.map(turned), ("y", "x"), SHAPE, "file")
    assert mask is not None
    assert mask.tolist() == [[True] * 3, [False] * 3]


def test_a_mask_that_changes_with_time_is_refused() -> None:
    file = _file(landfrac=[[1, 1, 1], [0, np.nan, 0]])
    steady = xr.concat([file, file], "time")
    assert land_mask(steady, ("y", "x"), SHAPE, "file") is not None
    with pytest.raises(GridError, match="file: landfrac changes along time"):
        land_mask(xr.concat([file, 1 - file], "time"), ("y", "x"), SHAPE, "file")


def _continents() -> np.ndarray:
    """Very roughly the Earth: the right sense at the points that are looked at."""
    lon, lat = cesm_grid("f19").centres()
    lon = (lon + 180.0) % 360.0 - 180.0
    old_world = (lon > -15.0) & (lon < 145.0) & (lat > 10.0)
    america = (lon > -125.0) & (lon < -45.0) & (lat > -15.0)
    australia = (lon > 115.0) & (lon < 150.0) & (lat > -35.0) & (lat < -15.0)
    return np.asarray(old_world | america | australia)


def test_inverted_masks_are_refused() -> None:
    grid = cesm_grid("f19")
    require_mask_sense(grid.with_mask(_continents()))
    with pytest.raises(GridError, match=r"0 on the continents and 1 on the oceans.*Invert it"):
        require_mask_sense(grid.with_mask(~_continents()))


def test_a_globe_without_a_mask_takes_the_sea_for_land() -> None:
    grid = cesm_grid("f19")
    assert takes_sea_for_land(grid)
    assert not takes_sea_for_land(grid.with_mask(_continents()))
    assert not takes_sea_for_land(cell_grid("Ohio", [277.0, 278.0], [40.0, 41.0]))


def test_masks_of_regions_and_of_water_worlds_are_not_judged() -> None:
    grid = cesm_grid("f19")
    require_mask_sense(grid)
    require_mask_sense(grid.with_mask(np.zeros(grid.shape)))


def test_land_comes_from_another_file_in_any_order(tmp_path: Path) -> None:
    grid = cesm_grid("f19")
    land = _continents().reshape(grid.shape)
    lon = (grid.lon + 180.0) % 360.0 - 180.0
    order = np.argsort(lon)
    xr.Dataset(
        {"landmask": (("lat", "lon"), land[::-1, order].astype(int))},
        coords={"lat": grid.lat[::-1].astype("f4"), "lon": lon[order].astype("f4")},
    ).to_netcdf(tmp_path / "history.nc")
    assert (read_grid("f19", tmp_path / "history.nc").mask == land).all()


def test_cells_that_the_file_lacks_are_no_land() -> None:
    grid = cesm_grid("f45")
    land_cells = cell_grid("list", [10.0, 20.0], [2.0, 6.0])
    masked = with_land_of(grid, land_cells)
    lon, lat = (x[masked.mask.ravel()] for x in masked.centres())
    assert (lon.tolist(), lat.tolist()) == ([10.0, 20.0], [2.0, 6.0])


def test_land_of_other_cells_is_refused() -> None:
    with pytest.raises(GridError, match=r"f19 does not have the cells of f45: \d+ of its 13824"):
        with_land_of(cesm_grid("f45"), cesm_grid("f19"))


def test_land_from_a_file_is_judged_too(tmp_path: Path) -> None:
    grid = cesm_grid("f19")
    sea = ~_continents().reshape(grid.shape)
    coordinates = {"lat": grid.lat, "lon": grid.lon}
    file = xr.Dataset({"landmask": (("lat", "lon"), sea.astype(int))}, coords=coordinates)
    file.to_netcdf(tmp_path / "history.nc")
    with pytest.raises(GridError, match="0 on the continents"):
        read_grid("f19", tmp_path / "history.nc")
