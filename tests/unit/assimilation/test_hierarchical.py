"""Hierarchical assimilation: classes differ as far as their profiles say so."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import one_batch
from ctsm_socnn.assimilation.hierarchical import _Problem, hierarchical, parameters_by_class
from ctsm_socnn.assimilation.pooled import PooledCost, clusters_of
from ctsm_socnn.assimilation.pooled_costs import ONE_BATCH_COSTS
from ctsm_socnn.assimilation.prior import make_prior
from ctsm_socnn.assimilation.soil_models import PublishedModel
from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

LAYERS = [0, 2, 4, 6, 8]
N_SITES = 48
CLASSES = np.array(["forest", "grass"])[np.arange(N_SITES) % 2]
QUICK = {"cost": "log", "starts": 1}


def world(twin_sites: xr.Dataset, difference: float, seed: int) -> xr.Dataset:
    """Sites whose classes differ in efolding and tau_s3 by that fraction of the range."""
    rng = np.random.default_rng(seed)
    unit = np.full((N_SITES, 21), 0.5)
    for name in ("efolding", "tau_s3"):
        unit[:, PARAMETER_NAMES.index(name)] += difference * np.where(CLASSES == "grass", 1, -1)
    sites = twin_sites.isel(site=np.arange(N_SITES) % twin_sites.sizes["site"])
    warmth = xr.DataArray(rng.uniform(-6.0, 6.0, N_SITES), dims="site")
    sites = sites.assign(TSOI=sites["TSOI"] + warmth)
    soc = soil_carbon(Columns.from_sites(sites), to_physical(unit))[:, LAYERS]
    noise = np.exp(0.2 * rng.normal(size=(N_SITES, 1)) + 0.2 * rng.normal(size=soc.shape))
    return sites.assign(
        soc=(("site", "obs"), soc * noise),
        soc_depth=(("site", "obs"), np.tile(SOIL_GRID.node_depth[LAYERS], (N_SITES, 1))),
        biome=(("site",), CLASSES),
    )


def log_error(parameters: np.ndarray, sites: xr.Dataset) -> float:
    soc = soil_carbon(Columns.from_sites(sites), parameters)[:, LAYERS]
    return float(np.sqrt(np.mean((np.log(soc) - np.log(sites["soc"].values)) ** 2)))


@pytest.fixture(scope="module")
def different(twin: tuple[xr.Dataset, np.ndarray]) -> xr.Dataset:
    return hierarchical(world(twin[0], 0.3, seed=1), "biome", **QUICK)


def test_classes_that_differ_are_told_apart_at_new_sites(
    twin: tuple[xr.Dataset, np.ndarray], different: xr.Dataset
) -> None:
    new = world(twin[0], 0.3, seed=2)
    batch = one_batch(world(twin[0], 0.3, seed=1), **QUICK, draws=0)["parameters"].values
    noise = np.hypot(0.2, 0.2)
    assert log_error(np.tile(batch, (N_SITES, 1)), new) > 1.3 * noise
    assert log_error(parameters_by_class(different, new), new) < 1.05 * noise


def test_classes_that_do_not_differ_stay_with_the_whole(
    twin: tuple[xr.Dataset, np.ndarray], different: xr.Dataset
) -> None:
    sites = world(twin[0], 0.0, seed=1)
    fitted = hierarchical(sites, "biome", **QUICK)
    whole = np.tile(fitted["parameters"].values, (N_SITES, 1))
    columns = Columns.from_sites(sites)
    ratio = soil_carbon(columns, parameters_by_class(fitted, sites)) / soil_carbon(columns, whole)
    assert np.abs(np.log(ratio[:, :9])).mean() < 0.1
    assert fitted["class_spread"].values.min() < 0.5 * different["class_spread"].values.max()


def test_where_nothing_is_learnt_the_spread_stays_as_it_started(different: xr.Dataset) -> None:
    # tau_cwd drops out at steady state.
    assert float(different["class_spread"].sel(parameter="tau_cwd")) == pytest.approx(0.5, rel=1e-3)


def test_a_class_that_was_not_seen_is_the_whole(
    twin: tuple[xr.Dataset, np.ndarray], different: xr.Dataset
) -> None:
    sites = world(twin[0], 0.3, seed=2).isel(site=slice(0, 3))
    sites = sites.assign(biome=(("site",), np.array(["desert", "grass", ""])))
    parameters = parameters_by_class(different, sites)
    np.testing.assert_array_equal(parameters[0], different["parameters"])
    np.testing.assert_array_equal(
        parameters[1], different["class_parameters"].sel({"class": "grass"})
    )
    np.testing.assert_array_equal(parameters[2], different["parameters"])


def test_classes_may_be_numbers_and_missing(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites = world(twin[0], 0.3, seed=1)
    biome = np.where(CLASSES == "grass", 7.0, 2.0)
    biome[0] = np.nan
    fitted = hierarchical(sites.assign(biome=(("site",), biome)), "biome", **QUICK)
    assert fitted["class"].values.tolist() == ["2", "7"]
    assert fitted["class_sites"].values.tolist() == [N_SITES // 2 - 1, N_SITES // 2]


def test_codes_of_many_digits_are_told_apart(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites = world(twin[0], 0.3, seed=1)
    for dtype in (np.int32, np.float32):
        code = np.where(CLASSES == "grass", 1_234_568, 1_234_567).astype(dtype)
        fitted = hierarchical(sites.assign(code=(("site",), code)), "code", **QUICK)
        assert fitted["class"].values.tolist() == ["1234567", "1234568"]


def test_its_gradient_agrees_with_differences(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites = world(twin[0], 0.3, seed=1)
    of_soc = ONE_BATCH_COSTS["mixed"](sites, "deepest")
    cost = PooledCost(PublishedModel(sites), of_soc, clusters_of(sites))
    place = np.where(CLASSES == "grass", 1, 0)
    place[:3] = -1
    problem = _Problem(cost, make_prior("normal"), place, 2, 0.02)
    rng = np.random.default_rng(3)
    variables, spread = 0.5 * rng.normal(size=63), rng.uniform(0.1, 0.9, 21)
    _, gradient = problem.energy(variables, spread)
    step = 1e-6
    for axis in range(0, 63, 4):
        shift = step * (np.arange(63) == axis)
        difference = problem.energy(variables + shift, spread)[0]
        difference -= problem.energy(variables - shift, spread)[0]
        assert difference / (2.0 * step) == pytest.approx(gradient[axis], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("by", "error", "message"),
    [
        ("cov_biome", ConfigError, "no variable 'cov_biome' with one value per site; choose from"),
        ("soc", ConfigError, "no variable 'soc' with one value per site"),
        ("same", AssimilationError, "same has 1 class among the 48 usable sites"),
    ],
)
def test_impossible_classes_are_refused(
    twin: tuple[xr.Dataset, np.ndarray], by: str, error: type[Exception], message: str
) -> None:
    sites = world(twin[0], 0.3, seed=1).assign(same=(("site",), np.full(N_SITES, "x")))
    with pytest.raises(error, match=message):
        hierarchical(sites, by, **QUICK)
