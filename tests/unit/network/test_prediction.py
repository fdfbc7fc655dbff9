from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network import Model, NetworkSettings, predict_maps, train_two_step
from ctsm_socnn.network.grid_cells import GridCells
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, to_physical
from ctsm_socnn.schemas import FORCING_DIMENSIONS

COVARIATES_ONLY = NetworkSettings(members=3, epochs=3, inputs={"forcing_summaries": False})


@pytest.fixture
def model(sites: xr.Dataset, posterior: xr.Dataset) -> Model:
    return train_two_step(sites, posterior, COVARIATES_ONLY, seed=2)


def as_grid(sites: xr.Dataset) -> xr.Dataset:
    """The first 12 sites as a grid of 3 x 4, the last cell without covariates."""
    grid = xr.Dataset(coords={"lat": [40.0, 41.0, 42.0], "lon": [1.0, 2.0, 3.0, 4.0]})
    for name in ("cov_warmth", "cov_noise", "cov_Land_Cover"):
        values = sites[name].values[:12].reshape(3, 4).copy()
        values[2, 3] = np.nan
        grid[name] = (("lat", "lon"), values)
    return grid


def as_climatology(sites: xr.Dataset, grid: xr.Dataset) -> xr.Dataset:
    """The forcing of the first 12 sites on the same grid."""
    climatology = xr.Dataset(coords=grid.coords)
    for name, dimensions in FORCING_DIMENSIONS.items():
        values = np.moveaxis(sites[name].values[:12].astype(float), 0, -1)
        climatology[name] = (
            (*dimensions[1:], "lat", "lon"),
            values.reshape(*values.shape[:-1], 3, 4),
        )
    return climatology


def test_cells_get_what_sites_of_the_same_covariates_get(model: Model, sites: xr.Dataset) -> None:
    maps = predict_maps(model, as_grid(sites))
    expected = model.predict_sites(sites.isel(site=slice(11)))
    for column, name in enumerate(PARAMETER_NAMES):
        found = maps[name].values.ravel()
        np.testing.assert_allclose(found[:11], expected[:, column], rtol=1e-12)
        assert np.isnan(found[11])


def test_maps_tell_units_range_spread_and_convention(model: Model, sites: xr.Dataset) -> None:
    maps = predict_maps(model, as_grid(sites))
    for known in PARAMETERS:
        assert maps[known.name].attrs["units"] == known.units
        assert maps[known.name].attrs["valid_min"] == known.lower
        assert maps[known.name].attrs["valid_max"] == known.upper
        assert maps[f"{known.name}_sd"].attrs["units"] == known.units
    assert maps.attrs["turnover_time_convention"] == "unnormalised"
    assert maps.attrs["seed"] == "2"
    assert (maps["q10_sd"].values.ravel()[:11] > 0.0).all()
    assert (maps["tau_cwd_sd"].values.ravel()[:11] < 1e-12).all()


def test_networks_answer_on_one_thread(
    model: Model, sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the processes that share folds the first has all threads, and the others one each.
    threads: list[int] = []

    def forward(self: Model, *arguments: Any) -> torch.Tensor:
        threads.append(torch.get_num_threads())
        return answer(self, *arguments)

    answer = Model.member_values
    monkeypatch.setattr(Model, "member_values", forward)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.predict_sites(sites)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(threads) == {1}


def test_the_centre_is_the_geometric_mean_of_the_members() -> None:
    np.testing.assert_allclose(Model.centre(np.array([[[0.2]], [[0.8]]])), [[0.4]])


def test_spread_is_that_of_a_sample_of_members(model: Model, sites: xr.Dataset) -> None:
    maps = predict_maps(model, as_grid(sites))
    places = sites.isel(site=slice(11))
    members = to_physical(model.predict(model.transform(places), places).members)
    for column, name in enumerate(PARAMETER_NAMES):
        expected = members[:, :, column].std(axis=0, ddof=1)
        found = maps[f"{name}_sd"].values.ravel()[:11]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)


def test_only_cells_unlike_the_sites_are_marked(model: Model, sites: xr.Dataset) -> None:
    grid = as_grid(sites)
    grid["cov_warmth"][1, 2] = 50.0
    grid["cov_warmth"][2, 3] = 50.0  # without the other two, a cell has no parameters
    extrapolated = predict_maps(model, grid)["extrapolated"].values
    assert extrapolated[1, 2] == 1
    assert extrapolated.sum() == 1


def test_blocks_do_not_change_the_maps(model: Model, sites: xr.Dataset) -> None:
    cells = GridCells.from_dataset(as_grid(sites), model.transform.covariates, None)
    blocks = list(cells.blocks(cells_at_once=9))
    assert [(block.place, block.shape) for block in blocks] == [
        ((slice(0, 2), slice(0, 4)), (2, 4)),
        ((slice(2, 3), slice(0, 4)), (1, 4)),
    ]
    joined = np.concatenate([block.cells["cov_warmth"].values for block in blocks])
    np.testing.assert_array_equal(joined, as_grid(sites)["cov_warmth"].values.ravel())
    np.testing.assert_array_equal(
        np.concatenate([block.cells["lon"].values for block in blocks]), np.tile([1, 2, 3, 4], 3)
    )
    pieces = list(cells.blocks(cells_at_once=3))
    assert [block.shape for block in pieces] == [(1, 3), (1, 1)] * 3
    assert pieces[3].place == (slice(1, 2), slice(3, 4))
    joined = np.concatenate([block.cells["cov_warmth"].values for block in pieces])
    np.testing.assert_array_equal(joined, as_grid(sites)["cov_warmth"].values.ravel())


@pytest.mark.parametrize("cells_at_once", [3, 4, 9])
def test_maps_of_blocks_are_joined(
    model: Model, sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch, cells_at_once: int
) -> None:
    whole = predict_maps(model, as_grid(sites))
    blocks = GridCells.blocks
    monkeypatch.setattr(GridCells, "blocks", lambda self: blocks(self, cells_at_once))
    xr.testing.assert_allclose(predict_maps(model, as_grid(sites)), whole, rtol=1e-12)


def test_names_without_the_prefix_and_positions_as_variables_are_taken(
    model: Model, sites: xr.Dataset
) -> None:
    grid = as_grid(sites)
    plain = grid.rename({str(name): str(name)[4:] for name in grid.data_vars})
    xr.testing.assert_equal(predict_maps(model, plain), predict_maps(model, grid))
    listed = grid.stack(cell=("lat", "lon"), create_index=False).reset_coords(["lat", "lon"])
    np.testing.assert_array_equal(
        predict_maps(model, listed)["q10"], predict_maps(model, grid)["q10"].values.ravel()
    )


def test_a_list_of_cells_is_a_grid_too(model: Model, sites: xr.Dataset) -> None:
    grid = as_grid(sites)
    listed = grid.stack(cell=("lat", "lon"), create_index=False)
    maps = predict_maps(model, listed)
    assert maps["q10"].dims == ("cell",)
    np.testing.assert_array_equal(
        maps["q10"].values, predict_maps(model, grid)["q10"].values.ravel()
    )


@pytest.mark.parametrize("numbered", [True, False])
def test_a_list_of_places_may_be_called_site(
    sites: xr.Dataset, posterior: xr.Dataset, numbered: bool
) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    grid = as_grid(sites)
    whole = grid.merge(as_climatology(sites, grid))
    listed = whole.stack(site=("lat", "lon"), create_index=False)
    if numbered:
        listed = listed.assign_coords(site=100 + np.arange(12))
    maps = predict_maps(model, listed)
    assert maps["q10"].dims == ("site",)
    np.testing.assert_array_equal(
        maps["q10"].values, predict_maps(model, whole)["q10"].values.ravel()
    )


def test_dimensions_of_length_1_do_not_matter(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    grid = as_grid(sites)
    climatology = as_climatology(sites, grid)
    expected = predict_maps(model, grid, forcing=climatology)
    of_a_time = grid.expand_dims(time=[0])
    found = predict_maps(model, of_a_time, forcing=climatology.expand_dims(time=[0]))
    xr.testing.assert_equal(found, expected)


def test_two_values_a_cell_are_refused(model: Model, sites: xr.Dataset) -> None:
    twice = as_grid(sites).expand_dims(time=[0, 1])
    with pytest.raises(NetworkError, match=r"cov_.* has 2 values along time, but lat and lon run"):
        predict_maps(model, twice)


def test_a_place_that_is_not_known_has_no_forcing(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    grid = as_grid(sites)
    listed = grid.stack(cell=("lat", "lon"), create_index=False)
    listed["lat"][5] = np.nan
    maps = predict_maps(model, listed, forcing=as_climatology(sites, grid))
    whole = predict_maps(model, grid, forcing=as_climatology(sites, grid))
    others = np.arange(12) != 5
    np.testing.assert_array_equal(maps["q10"][others], whole["q10"].values.ravel()[others])
    assert maps["extrapolated"].values[5] == 1


def test_forcing_comes_from_the_nearest_cell(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    grid = as_grid(sites)
    climatology = as_climatology(sites, grid)
    maps = predict_maps(model, grid, forcing=climatology)
    expected = model.predict_sites(sites.isel(site=slice(11)))
    np.testing.assert_allclose(maps["q10"].values.ravel()[:11], expected[:, 2], rtol=1e-12)
    moved = climatology.assign_coords(lon=climatology["lon"] + 0.2)
    np.testing.assert_array_equal(
        predict_maps(model, grid, forcing=moved)["q10"].values, maps["q10"].values
    )


def test_forcing_may_stand_in_the_grid_itself(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    grid = as_grid(sites)
    climatology = as_climatology(sites, grid)
    xr.testing.assert_equal(
        predict_maps(model, grid.merge(climatology)),
        predict_maps(model, grid, forcing=climatology),
    )


def test_a_grid_without_a_covariate_is_refused(model: Model, sites: xr.Dataset) -> None:
    with pytest.raises(NetworkError, match="the grid lacks cov_noise"):
        predict_maps(model, as_grid(sites).drop_vars("cov_noise"))


def test_forcing_that_is_needed_is_asked_for(sites: xr.Dataset, posterior: xr.Dataset) -> None:
    model = train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)
    with pytest.raises(NetworkError, match="takes forcing summaries, but the dataset lacks TSOI"):
        predict_maps(model, as_grid(sites))
