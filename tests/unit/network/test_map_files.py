from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import KernelError, NetworkError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.network import Model, NetworkSettings, predict_maps, train_two_step, write_maps
from ctsm_socnn.network import grid_cells as grid_cells_module
from ctsm_socnn.network.error_scale import ErrorScale
from ctsm_socnn.network.input_check import InputCheck
from ctsm_socnn.network.map_files import MapSummary
from ctsm_socnn.network.scoring import modelled_soc
from ctsm_socnn.network.soil_carbon import EnsembleCarbon
from ctsm_socnn.parameters import to_physical
from ctsm_socnn.schemas import FORCING_DIMENSIONS

N_LAT, N_LON = 3, 4
PLAIN = NetworkSettings(members=3, epochs=3, inputs={"forcing_summaries": False})


@pytest.fixture
def model(sites: xr.Dataset, posterior: xr.Dataset) -> Model:
    return train_two_step(sites, posterior, PLAIN, seed=2)


@pytest.fixture
def grid(sites: xr.Dataset) -> xr.Dataset:
    """The first 12 sites as a grid with forcing; one cell lacks covariates."""
    grid = xr.Dataset(coords={"lat": [40.0, 41.0, 42.0], "lon": [1.0, 2.0, 3.0, 4.0]})
    for name in ("cov_warmth", "cov_noise", "cov_Land_Cover"):
        values = sites[name].values[:12].reshape(N_LAT, N_LON).copy()
        values[0, 3] = np.nan
        grid[name] = (("lat", "lon"), values)
    for name, dimensions in FORCING_DIMENSIONS.items():
        values = np.moveaxis(sites[name].values[:12].astype(float), 0, -1)
        shaped = values.reshape(*values.shape[:-1], N_LAT, N_LON)
        grid[name] = ((*dimensions[1:], "lat", "lon"), shaped)
    return grid


def opened(path: Path) -> xr.Dataset:
    with xr.open_dataset(path) as file:
        return file.load()


@pytest.mark.parametrize("cells_at_once", [4, 3])
def test_files_hold_the_maps_whatever_the_blocks(
    model: Model,
    grid: xr.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cells_at_once: int,
) -> None:
    expected = predict_maps(model, grid)
    write_maps(model, grid, tmp_path / "whole.nc", soil_carbon=tmp_path / "soc.nc")
    blocks = grid_cells_module.GridCells.blocks
    monkeypatch.setattr(
        grid_cells_module.GridCells, "blocks", lambda self: blocks(self, cells_at_once)
    )
    write_maps(model, grid, tmp_path / "rows.nc", soil_carbon=tmp_path / "soc_rows.nc")
    xr.testing.assert_equal(opened(tmp_path / "whole.nc"), expected)
    # Matrices of another size may be multiplied in another order.
    in_rows = opened(tmp_path / "rows.nc")
    xr.testing.assert_allclose(in_rows, expected, rtol=1e-9)
    assert not in_rows.encoding["unlimited_dims"], "CDO takes an unlimited dimension for time"
    one, other = opened(tmp_path / "soc.nc"), opened(tmp_path / "soc_rows.nc")
    xr.testing.assert_allclose(one, other, rtol=1e-6)


def test_carbon_is_the_kernel_s_on_the_cell_s_forcing(
    model: Model, sites: xr.Dataset, grid: xr.Dataset, tmp_path: Path
) -> None:
    summary = write_maps(model, grid, tmp_path / "maps.nc", soil_carbon=tmp_path / "soc.nc")
    carbon = opened(tmp_path / "soc.nc")
    here = sites.isel(site=slice(12))
    expected = modelled_soc(here, model.predict_sites(here)).T.reshape(20, N_LAT, N_LON)
    known = np.isfinite(grid["cov_warmth"].values)
    np.testing.assert_allclose(
        carbon["soc"].values[:, known], expected[:, known], rtol=1e-6, atol=1e-30
    )
    assert np.isnan(carbon["soc"].values[:, ~known]).all()
    column = SOIL_GRID.thickness @ expected.reshape(20, -1)
    np.testing.assert_allclose(
        carbon["soc_stock_column"].values[known], column[known.ravel()], rtol=1e-6
    )
    stocks = [carbon[f"soc_stock_{depth}"].values[known] for depth in ("30cm", "100cm", "200cm")]
    assert (np.diff(stocks, axis=0) > 0.0).all()
    members = to_physical(model.predict(model.transform(here), here).members)
    spread = np.std([modelled_soc(here, each) for each in members], axis=0, ddof=1)
    np.testing.assert_allclose(
        carbon["soc_sd"].values[:, known], spread.T[:, known.ravel()], rtol=1e-4, atol=1e-3
    )
    assert summary.cells == summary.cells_with_carbon == 11
    assert summary.warnings() == []


def test_a_grid_without_values_is_refused(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    for name in model.transform.covariates:
        grid[name].values[:] = np.nan
    with pytest.raises(
        NetworkError, match="no cell of the grid has half of the model's covariates"
    ):
        write_maps(model, grid, tmp_path / "maps.nc")
    assert not list(tmp_path.iterdir())


def test_text_on_a_grid_is_refused(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    grid["cov_Land_Cover"] = (("lat", "lon"), np.full((N_LAT, N_LON), "forest"))
    with pytest.raises(NetworkError, match="cov_Land_Cover: text or dates instead of numbers"):
        write_maps(model, grid, tmp_path / "maps.nc")


def test_totals_are_stocks_times_land(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    grid["area"] = (("lat", "lon"), np.full((N_LAT, N_LON), 50.0), {"units": "km2"})
    summary = write_maps(model, grid, tmp_path / "maps.nc", soil_carbon=tmp_path / "soc.nc")
    stock = opened(tmp_path / "soc.nc")["soc_stock_100cm"]
    found = summary.as_json()
    assert found["land_km2"] == pytest.approx(11 * 50.0)
    total = found["totals_pgc"]["soc_stock_100cm"]
    assert total["total"] == pytest.approx(float(stock.sum()) * 50e6 / 1e15, rel=1e-6)
    assert total["sd"] > 0.0


def test_totals_and_their_spread_by_hand(model: Model) -> None:
    """1 and 2 kgC m-3 on 1 and 2 million km2: 1 + 4 PgC to 1 m; members 10 % apart from it."""
    known = np.array([True, False, True])
    centre = np.outer([1000.0, 2000.0], np.ones(20))
    summary = MapSummary(InputCheck(model.transform), area_source="area")
    carbon = EnsembleCarbon(known, centre, np.stack([0.9 * centre, 1.0 * centre, 1.1 * centre]))
    summary.add_carbon(carbon, np.array([1e12, 5e12, 2e12]))
    found = summary.as_json()
    assert found["land_km2"] == pytest.approx(3e6)
    assert found["totals_pgc"]["soc_stock_100cm"] == pytest.approx({"total": 5.0, "sd": 0.5})
    assert found["totals_pgc"]["soc_stock_30cm"] == pytest.approx({"total": 1.5, "sd": 0.15})
    assert found["totals_pgc"]["soc_stock_200cm"] == pytest.approx({"total": 10.0, "sd": 1.0})


def test_impossible_carbon_is_counted_by_cell(model: Model) -> None:
    centre = np.full((3, 20), 1000.0)
    centre[0, :2] = -1.0
    centre[1, 4:7] = 250_001.0
    summary = MapSummary(InputCheck(model.transform))
    summary.add_carbon(EnsembleCarbon(np.ones(3, dtype=bool), centre, centre[np.newaxis]), None)
    assert summary.broken == {
        "soil carbon negative or not finite": 1,
        "soil carbon above 250000 gC m-3": 1,
    }


def test_maps_have_the_ends_of_the_90_percent_interval(
    sites: xr.Dataset, posterior: xr.Dataset, grid: xr.Dataset, tmp_path: Path
) -> None:
    """Of one member: standard deviation 0.3, ends 2 and 3 of them from a middle 0.1 above."""
    alone = train_two_step(sites, posterior, PLAIN.with_changes(members=1), seed=2)
    scale = ErrorScale((1.0,), (0.1,), (0.3,), ((-0.5, 0.6), (-1.0, 1.2), (-2.0, 3.0)))
    write_maps(
        replace(alone, intervals={"soc_stock_100cm": scale}), grid, soil_carbon=tmp_path / "soc.nc"
    )
    carbon = opened(tmp_path / "soc.nc")
    assert "soc_stock_30cm_low" not in carbon
    stock = carbon["soc_stock_100cm"].values
    for end, deviations in (("low", -2.0), ("high", 3.0)):
        found = carbon[f"soc_stock_100cm_{end}"]
        np.testing.assert_allclose(found.values, stock * np.exp(0.1 + 0.3 * deviations), rtol=1e-5)
        assert "90% interval" in found.attrs["long_name"]


def test_ends_lie_farther_out_where_members_differ(
    model: Model, sites: xr.Dataset, grid: xr.Dataset, tmp_path: Path
) -> None:
    scale = ErrorScale((1.0,), (0.0,), (0.3,), ((-0.5, 0.5), (-1.0, 1.0), (-2.0, 2.0)))
    calibrated = replace(model, intervals={"soc_stock_100cm": scale})
    write_maps(calibrated, grid, soil_carbon=tmp_path / "soc.nc")
    carbon, here = opened(tmp_path / "soc.nc"), sites.isel(site=slice(12))
    members = to_physical(model.predict(model.transform(here), here).members)
    stocks = [EnsembleCarbon.stock(modelled_soc(here, each), 1.0) for each in members]
    deviation = np.sqrt(0.3**2 + np.std(np.log(stocks), axis=0, ddof=1) ** 2)
    known = np.isfinite(grid["cov_warmth"].values)
    found = np.log(carbon["soc_stock_100cm_high"] / carbon["soc_stock_100cm"]).values
    np.testing.assert_allclose(found[known], 2.0 * deviation[known.ravel()], rtol=1e-4)


def test_forcing_that_is_given_counts_before_the_grid_s_own(
    model: Model, grid: xr.Dataset, tmp_path: Path
) -> None:
    frozen = grid.assign(TSOI=grid["TSOI"] - 25.0)
    forcing = frozen[list(FORCING_DIMENSIONS)]
    for name, places in (("own", grid), ("given", grid), ("frozen", frozen)):
        extra = forcing if name == "given" else None
        write_maps(model, places, forcing=extra, soil_carbon=tmp_path / f"{name}.nc")
    own, given, cold = (
        opened(tmp_path / f"{name}.nc")["soc"] for name in ("own", "given", "frozen")
    )
    xr.testing.assert_allclose(given, cold)
    assert float(given.sum()) > 1.5 * float(own.sum())


def test_broken_limits_are_counted(
    model: Model, grid: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beyond(self: Model, members: np.ndarray) -> np.ndarray:
        return np.asarray(members.mean(axis=0) + 3.0)

    monkeypatch.setattr(Model, "centre", beyond)
    summary = write_maps(model, grid, tmp_path / "maps.nc")
    assert summary.broken == {
        "parameters outside their bounds": 11,
        "fs1s2 + fs1s3 not below 1": 11,
        "fs2s1 + fs2s3 not below 1": 11,
    }


def test_soil_carbon_asks_for_forcing(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    covariates = grid.drop_vars(list(FORCING_DIMENSIONS))
    with pytest.raises(NetworkError, match="soil carbon needs the forcing"):
        write_maps(model, covariates, tmp_path / "maps.nc", soil_carbon=tmp_path / "soc.nc")


@pytest.fixture
def climatic(sites: xr.Dataset, posterior: xr.Dataset) -> Model:
    return train_two_step(sites, posterior, NetworkSettings(members=1, epochs=2), seed=0)


def without_columns(grid: xr.Dataset, first: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Covariates, and the forcing of so many columns only; of none: forcing of far away."""
    names = list(FORCING_DIMENSIONS)
    forcing = grid[names].isel(lon=slice(0, max(first, 1)))
    moved = forcing if first else forcing.assign_coords(lon=forcing["lon"] + 90.0)
    return grid.drop_vars(names), moved


def test_cells_without_forcing_are_counted_warned_about_and_marked(
    model: Model, climatic: Model, grid: xr.Dataset, tmp_path: Path
) -> None:
    # Columns 3 and 4 are more than 200 km from the others; one of their cells has no covariates.
    grid = grid.assign_coords(lat=[0.0, 1.0, 2.0], lon=[1.0, 2.0, 4.0, 5.0])
    covariates, forcing = without_columns(grid, 2)
    whole = predict_maps(climatic, grid)["extrapolated"].values
    far = np.isfinite(grid["cov_warmth"].values) & (grid["lon"].values > 3.0)
    out = {"soil_carbon": tmp_path / "soc.nc", "overwrite": True}
    summary = write_maps(climatic, covariates, tmp_path / "maps.nc", forcing=forcing, **out)
    marked = opened(tmp_path / "maps.nc")["extrapolated"]
    np.testing.assert_array_equal(marked.values[far], 1)
    np.testing.assert_array_equal(marked.values[~far], whole[~far])
    assert "or forcing among them is missing" in marked.attrs["long_name"]
    found = summary.as_json()
    assert found["cells_without_forcing"] == 5
    assert found["cells_with_soil_carbon"] == 6
    (warning,) = found["warnings"]
    assert warning in summary.warnings()
    assert warning.startswith("5 cells with covariates have no forcing within 100 km: training med")
    assert warning.endswith("no soil carbon; give forcing that covers them")

    summary = write_maps(model, covariates, tmp_path / "maps.nc", forcing=forcing, overwrite=True)
    assert summary.without_forcing == 5
    assert summary.warnings() == []
    assert opened(tmp_path / "maps.nc")["extrapolated"].values.sum() == 0
    summary = write_maps(model, covariates, tmp_path / "maps.nc", overwrite=True)
    assert "cells_without_forcing" not in summary.as_json()


def test_forcing_of_another_region_is_refused_where_it_is_needed(
    model: Model, climatic: Model, grid: xr.Dataset, tmp_path: Path
) -> None:
    covariates, forcing = without_columns(grid, 0)
    with pytest.raises(NetworkError, match="has forcing within 100 km: training medians stand in"):
        write_maps(climatic, covariates, tmp_path / "m.nc", forcing=forcing)
    assert list(tmp_path.iterdir()) == []
    write_maps(model, covariates, tmp_path / "m.nc", forcing=forcing)
    assert opened(tmp_path / "m.nc")["q10"].notnull().sum() == 11


def test_soil_carbon_of_no_cell_is_refused(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    covariates, forcing = without_columns(grid, 0)
    with pytest.raises(NetworkError, match="none of the 11 cells with covariates has forcing"):
        write_maps(
            model, covariates, tmp_path / "m.nc", forcing=forcing, soil_carbon=tmp_path / "s.nc"
        )
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_file(model: Model, grid: xr.Dataset, tmp_path: Path) -> None:
    grid["TSOI"].values[3, 4, 1, 2] = 12.0
    with pytest.raises(KernelError, match="kelvin"):
        write_maps(model, grid, tmp_path / "maps.nc", soil_carbon=tmp_path / "soc.nc")
    assert list(tmp_path.iterdir()) == []
