"""The forcing stage on history files of the real model."""

from __future__ import annotations

import re

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.forcing import find_history, read_climatology
from ctsm_socnn.forcing.land_grid import LandGrid, read_field
from ctsm_socnn.forcing.months import open_history, read_months
from ctsm_socnn.forcing.surface import read_surface_bedrock, read_surface_sand
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.parameters import century_normalisation
from ctsm_socnn.schemas import INPUT_VARIABLES

pytestmark = pytest.mark.real_data

NEEDED = re.compile(
    "LIT|CWD|M_|TSOI$|[WO]_SCALAR|FPI_vr|ALTMAX|PCT_SAND|nbedrock|land|lat|lon|lev|time"
)
"""What the climatology reads, of the hundreds of fields of the run."""


@pytest.fixture(scope="module")
def run(shared_data):
    return shared_data / "data" / "ctsm_run"


@pytest.fixture(scope="module")
def climatology(run):
    return read_climatology(
        find_history([run / "history" / "*.clm2.h0a.*.nc"]),
        pools=find_history([run / "history" / "*.clm2.h1i.*.nc"]),
    )


def test_derived_litter_sums_to_litterfall_in_every_month(climatology):
    assert climatology.attrs["months_averaged"] == 144
    assert climatology.attrs["litter_closure_largest"] < 2e-4


def test_profiles_of_litter_sum_to_its_column_totals(run, climatology):
    layered = read_climatology(
        find_history([run / "history" / "*.clm2.h0a.*.nc"]),
        pools=find_history([run / "history" / "*.clm2.h1i.*.nc"]),
        input_profiles=True,
    )
    for name in INPUT_VARIABLES:
        profile = layered[f"{name}_vr"]
        assert profile.dims == ("month", "layer", "lat", "lon")
        columns = np.einsum("mlyx,l->myx", profile.values, SOIL_GRID.thickness)
        largest = climatology[name].values.max()
        np.testing.assert_allclose(columns, climatology[name].values, atol=1e-6 * largest)
        below = np.arange(20)[:, np.newaxis, np.newaxis] >= layered["nbedrock"].values
        assert np.abs(profile.values[:, below]).max() < 1e-6 * largest


def test_annual_litter_from_means_is_near_that_from_instants(run, climatology):
    means = read_climatology(find_history([run / "history" / "*.clm2.h0a.*.nc"]))
    for name in ("LITR1_INPUT", "LITR2_INPUT", "LITR3_INPUT"):
        exact, rough = climatology[name].sum("month"), means[name].sum("month")
        np.testing.assert_allclose(rough.sum(), exact.sum(), rtol=0.01)


def test_run_that_is_not_spun_up_is_flagged(climatology):
    assert climatology.attrs["spun_up"] == "no"
    assert climatology.attrs["drifting_land_share"] > 0.03


def test_rates_from_the_climatology_are_near_those_of_the_model(run, climatology):
    """Products of monthly means are not means of products: 7 % for most layers, 21 % at worst."""
    with netCDF4.Dataset(run / "ctsm54_form_params.nc") as parameters:
        q10, turnover, efolding = (
            float(parameters[name][...])
            for name in ("q10_mr", "bgc_tau_s2", "decomp_depth_efolding")
        )
    depth = np.exp(-SOIL_GRID.node_depth / efolding)[:, np.newaxis, np.newaxis]
    warmth = century_normalisation(q10) * q10 ** ((climatology["TSOI"].values - 298.15) / 10)
    scalars = warmth * climatology["W_SCALAR"].values * climatology["O_SCALAR"].values
    derived = (scalars * depth).mean(axis=0) / (turnover * 365 * 86400)
    model = np.mean([_mean_rate(path) for path in sorted(run.glob("history/*.h0a.*.nc"))], axis=0)
    soil = np.arange(20)[:, np.newaxis, np.newaxis] < climatology["nbedrock"].values
    ratio = derived[soil & (model > 0)] / model[soil & (model > 0)]
    assert 0.9 < ratio.min() < ratio.max() < 1.21
    low, high = np.quantile(ratio, [0.05, 0.95])
    assert 0.93 < low < high < 1.02


def _mean_rate(path):
    with netCDF4.Dataset(path) as dataset:
        return np.asarray(dataset["K_SOM_SLO"][:, :20], dtype=float).mean(axis=0)


def test_bedrock_and_sand_of_the_surface_dataset_are_those_of_the_model(run):
    path = run / "history" / "stock.clm2.h0a.2000-02-01-00000.nc"
    with open_history(path) as dataset:
        grid = LandGrid.read(dataset, path)
        bedrock = read_field(dataset, "nbedrock", grid)
        sand = read_field(dataset, "PCT_SAND", grid)
    surface = run / "surfdata.nc"
    np.testing.assert_array_equal(read_surface_bedrock(surface, grid), bedrock)
    np.testing.assert_allclose(read_surface_sand(surface, grid), sand, rtol=1e-6)


def test_one_dimensional_land_grid_opens(run):
    path = run / "lndgrid" / "un0.clm2.h0a.2000-02.nc"
    with open_history(path) as dataset:
        assert [str(sample) for sample in read_months(dataset, path)] == ["2000-02"]
        grid = LandGrid.read(dataset, path)
        assert grid.dims == ("lndgrid",)
        temperature = read_field(dataset, "TSOI", grid, slice(0, 1))
    assert temperature.shape == (1, 20, 9)
    assert 200.0 < temperature.min() < temperature.max() < 330.0
    surface = run / "lndgrid" / "surfdata_1d.nc"
    np.testing.assert_array_equal(
        read_surface_bedrock(surface, grid), [20, 14, 12, 20, 9, 17, 16, 20, 8]
    )


@pytest.mark.parametrize("month", [1, 2])
def test_one_dimensional_twin_holds_the_values_of_the_run(run, month):
    names = ("TSOI", "W_SCALAR", "O_SCALAR", "LITFALL", "TOTSOMC", "LIT_MET_C_vr", "LIT_MET_HR_vr")
    twin = run / "lndgrid" / f"un0.clm2.h0a.2000-{month:02d}.nc"
    first = run / "history" / "stock.clm2.h0a.2000-02-01-00000.nc"
    with open_history(twin) as flat, open_history(first) as gridded:
        grids = LandGrid.read(flat, twin), LandGrid.read(gridded, first)
        for name in names:
            on_list = read_field(flat, name, grids[0], slice(0, 1))
            on_grid = read_field(gridded, name, grids[1], slice(month - 1, month))
            np.testing.assert_array_equal(on_list, on_grid)


def test_run_on_a_list_of_cells_gives_the_same_climatology(run, tmp_path):
    streams = {}
    for stream in ("h0a", "h1i"):
        originals = find_history([run / "history" / f"*.clm2.{stream}.*.nc"])[:2]
        streams[stream] = originals, [_on_a_list(path, tmp_path) for path in originals]
    on_grid, on_list = (
        read_climatology(streams["h0a"][form], pools=streams["h1i"][form]) for form in (0, 1)
    )
    assert on_list.attrs["litter_closure_largest"] < 2e-4
    assert on_list["TSOI"].dims == ("month", "layer", "lndgrid")
    for name in ("TSOI", *INPUT_VARIABLES, "nbedrock", "CELLSAND"):
        flat = on_grid[name].values.reshape(on_list[name].shape)
        np.testing.assert_array_equal(on_list[name].values, flat)


def _on_a_list(path, directory):
    """Write a history file of the run as CTSM would on an unstructured grid."""
    with xr.open_dataset(path, decode_times=False, mask_and_scale=False) as dataset:
        wanted = [str(name) for name in dataset.variables if NEEDED.match(str(name))]
        stacked = dataset[wanted].load().stack(lndgrid=("lat", "lon"), create_index=False)
    for name in ("lat", "lon"):
        stacked[name] = ("lndgrid", stacked[name].values)
    stacked = stacked.transpose(..., "lndgrid")
    stacked.to_netcdf(directory / path.name, format="NETCDF3_64BIT")
    return directory / path.name


@pytest.mark.parametrize("name", ["northeast_us/northeast", "conus/conus"])
def test_published_climatologies_open(shared_data, name):
    climatology = read_climatology([shared_data / "data" / f"{name}.clm2.h0.climo.nc"])
    land = climatology["landmask"].values == 1
    assert np.isfinite(climatology["LITR1_INPUT"].values[:, land]).all()
    assert 1 <= climatology["nbedrock"].min() <= climatology["nbedrock"].max() <= 20
