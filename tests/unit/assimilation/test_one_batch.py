"""One-batch assimilation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from threadpoolctl import threadpool_info, threadpool_limits

from ctsm_socnn.assimilation import ONE_BATCH_COSTS, one_batch
from ctsm_socnn.assimilation.minimisation import minimise_from_several_starts
from ctsm_socnn.assimilation.one_batch import fit_pooled
from ctsm_socnn.assimilation.pooled import PooledCost, clusters_of
from ctsm_socnn.assimilation.prior import make_prior
from ctsm_socnn.assimilation.soil_models import PublishedModel
from ctsm_socnn.errors import AssimilationError, ConfigError
from ctsm_socnn.model import Columns, steady_state
from ctsm_socnn.parameters import PARAMETER_NAMES, lower_bounds, to_physical, upper_bounds
from ctsm_socnn.schemas import FORCING_DIMENSIONS

LAYERS = [0, 2, 4, 6, 8]


def with_one_truth(sites: xr.Dataset) -> xr.Dataset:
    truth = to_physical(np.random.default_rng(9).uniform(0.3, 0.7, 21))
    columns = Columns.from_sites(sites)
    soc = steady_state(columns, np.tile(truth, (len(columns), 1))).soc[:, LAYERS]
    return sites.assign(soc=(("site", "obs"), soc))


def pooled_cost(sites: xr.Dataset, cost: str) -> PooledCost:
    of_soc = ONE_BATCH_COSTS[cost](sites, "deepest")
    return PooledCost(PublishedModel(sites), of_soc, clusters_of(sites))


@pytest.mark.parametrize("cost", list(ONE_BATCH_COSTS))
def test_gradients_agree_with_differences(cost: str, twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites, _ = twin
    objective = pooled_cost(sites, cost).of_all
    point = np.random.default_rng(2).uniform(0.3, 0.7, 21)
    _, gradient = objective(point)
    step = 1e-6
    for axis in range(21):
        shift = step * (np.arange(21) == axis)
        difference = (objective(point + shift)[0] - objective(point - shift)[0]) / (2.0 * step)
        assert difference == pytest.approx(gradient[axis], rel=2e-5, abs=1e-7)


def test_carbon_from_one_parameter_vector_is_found_again(
    twin: tuple[xr.Dataset, np.ndarray],
) -> None:
    sites = with_one_truth(twin[0])
    found = one_batch(sites, cost="log", starts=3, seed=1, draws=0)
    parameters = found["parameters"].values
    soc = steady_state(Columns.from_sites(sites), np.tile(parameters, (6, 1))).soc[:, LAYERS]
    np.testing.assert_allclose(soc, sites["soc"].values, rtol=0.02)
    assert (lower_bounds() < parameters).all()
    assert (parameters < upper_bounds()).all()
    assert tuple(found["parameter"].values) == PARAMETER_NAMES


def test_linear_algebra_stays_on_one_thread(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    during = []

    def watched(sites: xr.Dataset) -> PublishedModel:
        during.append(threads())
        return PublishedModel(sites)

    with threadpool_limits(2, "blas"):
        one_batch(twin[0], starts=1, draws=0, model=watched)
        assert threads() == {2}
    assert during == [{1}]


def test_starts_are_sorted_and_the_trace_descends(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    found = one_batch(twin[0], starts=3, seed=1, draws=0)
    assert (np.diff(found["start_cost"]) >= 0.0).all()
    assert (np.diff(found["trace"]) <= 0.0).all()
    assert found["trace"].values[-1] == pytest.approx(found["start_cost"].values[0])


def test_the_same_seed_gives_the_same_bits(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    first, second = (one_batch(twin[0], starts=2, seed=5, draws=3) for _ in range(2))
    np.testing.assert_array_equal(first["parameters"], second["parameters"])
    np.testing.assert_array_equal(first["draws"], second["draws"])


def test_without_draws_there_is_no_posterior(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    found = one_batch(twin[0], starts=1, draws=0)
    assert {"parameters", "start_cost"} <= set(found)
    assert "quantile" not in found


@pytest.mark.parametrize("cost", list(ONE_BATCH_COSTS))
def test_a_site_of_weight_two_counts_as_two(cost: str, twin: tuple[xr.Dataset, np.ndarray]) -> None:
    pooled, weight = pooled_cost(twin[0], cost), np.array([2.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    unit = np.full(21, 0.5)
    of_each = [pooled.of_all(unit, row) for row in np.eye(6)]
    value, gradient = pooled.of_all(unit, weight)
    assert value == pytest.approx(sum(w * v for w, (v, _) in zip(weight, of_each, strict=True)))
    _, by_site = pooled.of_sites(np.tile(unit, (6, 1)))
    np.testing.assert_allclose(gradient, weight @ by_site, rtol=1e-12)


def test_sites_that_cannot_be_run_are_counted(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    sites = twin[0].copy(deep=True)
    sites["TSOI"][2, 0, 0] = np.nan
    assert one_batch(sites, starts=1, draws=0).attrs["sites"] == "5 of 6 used"


def test_no_usable_site_is_an_error(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    with pytest.raises(AssimilationError, match="none of the sites"):
        one_batch(twin[0].assign(soc=np.nan * twin[0]["soc"]))


def test_an_unknown_cost_is_refused(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match="unknown one-batch cost 'huber'"):
        one_batch(twin[0], cost="huber")


@pytest.mark.parametrize(("name", "value"), [("starts", 0), ("seed", -1)])
def test_numbers_that_are_too_small_are_refused(
    name: str, value: int, twin: tuple[xr.Dataset, np.ndarray]
) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value}; it must be at least"):
        one_batch(twin[0], **{name: value})


def test_several_starts_find_the_lower_of_two_valleys() -> None:
    def two_valleys(x: np.ndarray) -> tuple[float, np.ndarray]:
        near, far = x - 0.45, x - 0.9
        value = np.minimum(np.sum(near**2), np.sum(far**2) - 0.1)
        slope = near if np.sum(near**2) < np.sum(far**2) - 0.1 else far
        return float(value), 2.0 * slope

    one = minimise_from_several_starts(two_valleys, 2, starts=1, seed=0)
    many = minimise_from_several_starts(two_valleys, 2, starts=12, seed=0)
    assert one[0].value == pytest.approx(0.0, abs=1e-10)
    assert many[0].value == pytest.approx(-0.1)


def at_one_point(sites: xr.Dataset) -> xr.Dataset:
    """Profiles of a single-point run: all with the same forcing."""
    first = sites.isel(site=np.zeros(sites.sizes["site"], dtype=int))
    return sites.assign({name: first[name] for name in FORCING_DIMENSIONS})


def test_profiles_of_a_single_point_run_have_a_posterior(
    twin: tuple[xr.Dataset, np.ndarray],
) -> None:
    found = one_batch(at_one_point(twin[0]), starts=2, seed=1, draws=20)
    assert np.isfinite(found["draws"]).all()
    assert (found["draws"].std("draw") > 0.0).all()


def test_one_site_is_no_batch(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    with pytest.raises(AssimilationError, match="weighs sites against each other, and there is 1"):
        one_batch(twin[0].isel(site=[0]), starts=1, seed=1, draws=5)


def test_with_a_prior_the_parameters_are_the_mode(twin: tuple[xr.Dataset, np.ndarray]) -> None:
    prior = make_prior("normal", 0.2)
    fit = fit_pooled(twin[0], "one-batch", "log", 1, 0, "deepest", prior)
    slopes = fit.cost.of_all(fit.parameters)[1], fit.posterior.scale * prior.cost(fit.parameters)[1]
    inside = (fit.parameters > 0.01) & (fit.parameters < 0.99)
    assert inside.sum() > 15
    assert np.abs(sum(slopes)[inside]).max() < 0.02 * np.abs(slopes[1]).max()
