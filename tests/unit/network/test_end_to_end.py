from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import logit

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import NetworkSettings, score_model, train_end_to_end
from ctsm_socnn.network.end_to_end import ProfileObjective
from ctsm_socnn.network.losses import LOSS_NAMES
from ctsm_socnn.network.parameter_head import free_positions, unit_bounds
from ctsm_socnn.network.scoring import modelled_soc
from ctsm_socnn.network.shared_start import fit_shared_parameters
from ctsm_socnn.network.stocks import observed_stocks
from ctsm_socnn.parameters import to_physical

QUICK = NetworkSettings(members=2, epochs=80, patience=80, learning_rate=1e-2)
ROWS = np.array([2, 5, 11])


def objective_of(sites: xr.Dataset, settings: NetworkSettings = QUICK) -> ProfileObjective:
    operator = ObservationOperator.from_sites(sites, settings.below_bedrock)
    return ProfileObjective(Columns.from_sites(sites), operator, settings)


def test_profiles_that_follow_a_covariate_are_learnt(sites: xr.Dataset) -> None:
    before = score_model(train_end_to_end(sites, QUICK.with_changes(epochs=1), seed=0), sites)
    after = score_model(train_end_to_end(sites, QUICK, seed=0), sites)
    assert after["nse"] > max(0.9, before["nse"])
    assert after["log_nse"] > 0.9


def test_the_loss_is_that_of_the_kernel_at_the_observed_depths(sites: xr.Dataset) -> None:
    settings = QUICK.with_changes(loss="log", stock_weight=0.0, parameters={"prior_weight": 0.0})
    unit = np.random.default_rng(1).uniform(0.2, 0.8, (3, 21))
    found = float(objective_of(sites, settings).loss(torch.from_numpy(unit), ROWS))
    operator = ObservationOperator.from_sites(sites)
    chosen = sites.isel(site=ROWS)
    modelled = ObservationOperator.from_sites(chosen).apply(modelled_soc(chosen, to_physical(unit)))
    observed = ObservationOperator.from_sites(chosen).values
    expected = (np.log(modelled / observed) ** 2).mean() / np.log(operator.values).var()
    assert found == pytest.approx(expected, rel=1e-12)


def test_errors_of_stocks_can_be_added(sites: xr.Dataset) -> None:
    unit = np.random.default_rng(1).uniform(0.4, 0.6, (3, 21))
    without, with_stock = (
        float(
            objective_of(sites, QUICK.with_changes(stock_weight=weight)).loss(
                torch.from_numpy(unit), ROWS
            )
        )
        for weight in (0.0, 2.0)
    )
    chosen = sites.isel(site=ROWS)
    operator = ObservationOperator.from_sites(chosen)
    modelled = observed_stocks(operator, operator.apply(modelled_soc(chosen, to_physical(unit))))
    error = modelled - observed_stocks(operator, operator.values)
    every = ObservationOperator.from_sites(sites)
    expected = 2.0 * (error**2).mean() / observed_stocks(every, every.values).var()
    assert with_stock - without == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_gradients_are_those_of_finite_differences(sites: xr.Dataset, name: str) -> None:
    objective = objective_of(sites, QUICK.with_changes(loss=name))
    unit = torch.from_numpy(np.random.default_rng(2).uniform(0.3, 0.7, (3, 21)))
    unit.requires_grad_()
    objective.loss(unit, ROWS).backward()
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=(3, 21)))
    step = 1e-5
    with torch.no_grad():
        ahead = float(objective.loss(unit + step * direction, ROWS))
        behind = float(objective.loss(unit - step * direction, ROWS))
    assert unit.grad is not None
    slope = float((unit.grad * direction).sum())
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-6)


def test_the_prior_draws_to_the_centre(sites: xr.Dataset) -> None:
    free = objective_of(sites, QUICK.with_changes(parameters={"prior_weight": 0.0}))
    drawn = objective_of(sites, QUICK.with_changes(parameters={"prior_weight": 2.0}))
    unit = torch.full((3, 21), 0.7, dtype=torch.float64)
    assert float(drawn.loss(unit, ROWS) - free.loss(unit, ROWS)) == pytest.approx(2.0 * 0.04)


def test_the_loss_of_all_sites_is_the_mean_of_its_batches(sites: xr.Dataset) -> None:
    """All sites have four observations; orders and sizes of batches do not matter."""
    objective = objective_of(sites)
    unit = torch.from_numpy(np.random.default_rng(4).uniform(0.3, 0.7, (40, 21)))
    order = np.random.default_rng(5).permutation(40)
    together = float(objective.loss(unit, np.arange(40)))
    batches = [float(objective.loss(unit[rows], rows)) for rows in (order[:20], order[20:])]
    assert together == pytest.approx(np.mean(batches), rel=1e-12)


def test_threads_of_the_kernel_do_not_change_the_loss(sites: xr.Dataset) -> None:
    unit = torch.full((40, 21), 0.4, dtype=torch.float64)
    before, losses = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        objective = objective_of(sites)
        torch.set_num_threads(before)
        losses.append(float(objective.loss(unit, np.arange(40))))
    assert losses[0] == losses[1]


def test_batches_give_a_model_too(sites: xr.Dataset) -> None:
    quick = QUICK.with_changes(epochs=30, batch_size=8, members=1)
    assert score_model(train_end_to_end(sites, quick, seed=0), sites)["nse"] > 0.8


def test_observations_below_bedrock_follow_one_rule_in_training_and_scoring(
    sites: xr.Dataset,
) -> None:
    # 8 sites have bedrock at 0.92 m, so that their observation at 1.1 m lies below it.
    quick = QUICK.with_changes(epochs=1)
    kept = score_model(train_end_to_end(sites, quick, seed=0), sites)
    dropped = score_model(
        train_end_to_end(sites, quick.with_changes(below_bedrock="drop"), seed=0), sites
    )
    assert kept["n_layers"] == 160
    assert dropped["n_layers"] == 152
    assert dropped["excluded"] == {"layers: below bedrock": 8}
    # Compared with the deepest layer above bedrock, such an observation is not met by an empty one.
    assert kept["log_rmse"] < 3.0


def test_sites_without_forcing_or_carbon_are_counted(sites: xr.Dataset) -> None:
    sites["TSOI"][4, 0, 0] = np.nan
    sites["soc"][9] = np.nan
    model = train_end_to_end(sites, QUICK.with_changes(epochs=1), seed=0)
    assert model.training["excluded"] == {"forcing missing": 1, "no usable observation": 1}


def test_the_same_seed_gives_the_same_bits(sites: xr.Dataset) -> None:
    quick = QUICK.with_changes(epochs=4)
    one, same = (train_end_to_end(sites, quick, seed=6).predict_sites(sites) for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_nothing_left_to_train_on_is_an_error(sites: xr.Dataset) -> None:
    sites["soc"][:] = np.nan
    with pytest.raises(NetworkError, match=r"0 of 40 sites .*40 no usable observation"):
        train_end_to_end(sites, QUICK, seed=0)


def test_members_start_at_good_parameters_for_all_sites_off_the_bounds(sites: xr.Dataset) -> None:
    objective = objective_of(sites)
    every = np.arange(sites.sizes["site"])
    low, high = unit_bounds(QUICK.parameters)
    free = free_positions(QUICK.parameters)

    def loss(unit: np.ndarray) -> float:
        return float(objective.loss(torch.from_numpy(np.tile(unit, (len(every), 1))), every))

    def scores(unit: np.ndarray) -> np.ndarray:
        return logit((unit - low) / (high - low))[free]

    def pulled(unit: np.ndarray) -> float:
        return loss(unit) + 0.3 * float(np.mean(scores(unit) ** 2))

    shared = fit_shared_parameters(objective, len(every), QUICK.parameters, seed=0)
    assert loss(shared) < 0.7 * loss(np.full(21, 0.5))
    assert np.abs(scores(shared)).max() < logit(0.98)
    generator = np.random.default_rng(0)
    for _ in range(20):
        moved = shared.copy()
        moved[free] += generator.normal(0.0, 0.02, len(free))
        assert pulled(shared) <= pulled(np.clip(moved, low + 0.01, high - 0.01)) + 1e-3
    np.testing.assert_array_equal(
        shared, fit_shared_parameters(objective, len(every), QUICK.parameters, seed=0)
    )
