from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy.special import expit, logit

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network import (
    Model,
    default_settings,
    load_model,
    predict_maps,
    save_model,
    train,
)
from ctsm_socnn.network.grid_cells import GridCells
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.prediction import map_attributes
from ctsm_socnn.network.refinement import Refinement, Scales
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.stocks import depth_weights, observed_stocks
from ctsm_socnn.network.teachers import Expectation
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical
from ctsm_socnn.schemas import FORCING_DIMENSIONS

Array = NDArray[np.float64]

SETTINGS = default_settings("end-to-end").with_changes(refinement_steps=20)
NODES = [1, 3, 5, 7, 9]
"""Layers of 2 to 125 cm: at their nodes carbon is that of the layer."""
DEPTH = SOIL_GRID.node_depth[NODES]
N = 12

Expecting = Callable[[Array, Array], Refinement]


@pytest.fixture
def places(sites: xr.Dataset) -> xr.Dataset:
    return sites.isel(site=slice(N))


@pytest.fixture
def expecting(places: xr.Dataset, monkeypatch: pytest.MonkeyPatch) -> Expecting:
    """Make a refinement whose teachers expect the given carbon at the depths, shape (N, 5)."""
    scales = Scales.of(ObservationOperator.from_sites(places))

    def make(average: Array, typical: Array) -> Refinement:
        def expected(_: Refinement, inputs: Inputs) -> Expectation:
            row = inputs.classes[:, 0]
            return Expectation(average[row], typical[row])

        monkeypatch.setattr(Refinement, "_expected", expected)
        return Refinement((), DEPTH, scales)

    return make


INPUTS = Inputs(np.zeros((N, 0)), np.arange(N)[:, np.newaxis], np.ones(N, dtype=bool))
"""Inputs whose only class is the number of the place."""


def unit_cube(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(0.3, 0.7, (N, len(PARAMETER_NAMES)))


def carbon(unit: Array, places: xr.Dataset) -> Array:
    return soil_carbon(Columns.from_sites(places), to_physical(unit))[:, NODES]


def wrong(found: Array, wanted: Array) -> Array:
    """Root mean square difference of logarithms at each place."""
    return np.asarray(np.sqrt(np.mean(np.log(found / wanted) ** 2, axis=1)))


def test_carbon_that_the_kernel_can_hold_is_reached(
    places: xr.Dataset, expecting: Expecting
) -> None:
    places["nbedrock"][:] = 18
    start, wanted = unit_cube(0), carbon(unit_cube(1), places)
    before = wrong(carbon(start, places), wanted)
    refined = expecting(wanted, wanted)(start, INPUTS, places, SETTINGS)
    after = wrong(carbon(refined, places), wanted)
    assert before.mean() > 0.2
    assert after.max() < 0.02


def test_steps_end_where_errors_and_the_pull_back_are_least_together(
    places: xr.Dataset, expecting: Expecting
) -> None:
    """A stronger pull leaves parameters that carbon hardly sees where the networks put them."""
    places["nbedrock"][:] = 18
    start, wanted = unit_cube(4), carbon(unit_cube(5), places)
    refinement = expecting(wanted, wanted)
    settings = SETTINGS.with_changes(refinement_steps=60)
    end = refinement(start, INPUTS, places, settings)

    def cost(unit: Array) -> Array:
        soc = carbon(unit, places)
        apart = [
            (soc - wanted) ** 2 / refinement.scales.value,
            settings.log_weight * np.log(soc / wanted) ** 2 / refinement.scales.log,
        ]
        stock = (soc - wanted) @ depth_weights(DEPTH, 1.0)
        pull = ((logit(unit) - logit(start)) ** 2).sum(axis=1)
        of_stock = settings.stock_weight * stock**2 / refinement.scales.stock
        return np.asarray(sum(a.mean(axis=1) for a in apart) + of_stock + 2e-3 * pull)

    least = cost(end)
    generator = np.random.default_rng(0)
    for size in (0.3, 0.03):
        for _ in range(20):
            aside = expit(logit(end) + size * generator.normal(size=end.shape))
            assert (cost(aside) > least).all()
    # Towards the start there is nothing to gain either, though that is where the pull goes.
    assert (cost(expit(0.98 * logit(end) + 0.02 * logit(start))) > least * (1.0 - 1e-6)).all()


def test_errors_are_divided_by_the_variances_of_the_observations(sites: xr.Dataset) -> None:
    operator = ObservationOperator.from_sites(sites)
    stocks = observed_stocks(operator, operator.values)
    expected = (np.var(operator.values), np.var(np.log(operator.values)), np.var(stocks))
    assert astuple(Scales.of(operator)) == pytest.approx(expected)


def test_no_step_makes_a_place_worse(places: xr.Dataset, expecting: Expecting) -> None:
    places["nbedrock"][:] = 18
    start, wanted = unit_cube(2), 30.0 * carbon(unit_cube(3), places)
    refinement = expecting(wanted, wanted)
    settings = [SETTINGS.with_changes(refinement_steps=steps) for steps in (1, 2, 3, 6)]
    found = [
        wrong(carbon(refinement(start, INPUTS, places, each), places), wanted) for each in settings
    ]
    for one, later in zip([wrong(carbon(start, places), wanted), *found], found, strict=False):
        assert (later <= one + 1e-12).all()


def test_between_average_and_typical_the_weights_decide(
    places: xr.Dataset, expecting: Expecting
) -> None:
    places["nbedrock"][:] = 18
    typical = carbon(unit_cube(1), places)
    refinement = expecting(1.5 * typical, typical)
    found = [
        carbon(
            refinement(
                unit_cube(0),
                INPUTS,
                places,
                SETTINGS.with_changes(log_weight=of_log, stock_weight=of_stock),
            ),
            places,
        )
        for of_log, of_stock in ((1e6, 0.0), (3.0, 1.0), (0.0, 100.0))
    ]
    sums = [soc.sum() / typical.sum() for soc in found]
    assert sums[0] == pytest.approx(1.0, abs=0.05)
    assert sums[2] == pytest.approx(1.5, abs=0.05)
    assert sums[0] < sums[1] < sums[2]


def test_the_stock_weight_decides_how_near_the_stock_comes(
    places: xr.Dataset, expecting: Expecting
) -> None:
    """No profile of the kernel goes up and down like this one, so that not all can be met."""
    places["nbedrock"][:] = 18
    wanted = carbon(unit_cube(1), places) * np.array([1.0, 4.0, 0.3, 4.0, 0.3])
    refinement, weights = expecting(wanted, wanted), depth_weights(DEPTH, 1.0)
    apart = []
    for weight in (0.0, 100.0):
        settings = SETTINGS.with_changes(stock_weight=weight)
        found = carbon(refinement(unit_cube(0), INPUTS, places, settings), places)
        apart.append(np.abs((found - wanted) @ weights / (wanted @ weights)).mean())
    assert apart[1] < 0.1 * apart[0]


def test_held_and_tied_parameters_stay_and_bounds_hold(
    places: xr.Dataset, expecting: Expecting
) -> None:
    parameters = {"held": ("tau_cwd", "q10"), "tied": ("beta",), "bounds": {"efolding": (0.3, 0.6)}}
    settings = SETTINGS.with_changes(parameters=parameters)
    start = unit_cube(0)
    far = 20.0 * carbon(start, places)
    refined = expecting(far, far)(start, INPUTS, places, settings)
    fixed = [PARAMETER_NAMES.index(name) for name in ("tau_cwd", "q10", "beta")]
    np.testing.assert_array_equal(refined[:, fixed], start[:, fixed])
    free = np.delete(refined - start, fixed, axis=1)
    assert (np.abs(free).max(axis=1) > 0.05).all()
    assert ((refined > 0.0) & (refined < 1.0)).all()
    efolding = to_physical(refined)[:, PARAMETER_NAMES.index("efolding")]
    assert ((efolding > 0.3) & (efolding < 0.6)).all()


def test_places_without_forcing_or_parameters_stay(
    places: xr.Dataset, expecting: Expecting
) -> None:
    start, wanted = unit_cube(0), carbon(unit_cube(1), places)
    places["TSOI"][3] = np.nan
    start[5] = np.nan
    refined = expecting(wanted, wanted)(start, INPUTS, places, SETTINGS)
    np.testing.assert_array_equal(refined[[3, 5]], start[[3, 5]])
    moved = np.delete(refined != start, [3, 5], axis=0)
    assert moved.any(axis=1).all()


def test_a_place_does_not_depend_on_those_beside_it(
    places: xr.Dataset, expecting: Expecting
) -> None:
    start, wanted = unit_cube(0), carbon(unit_cube(1), places)
    refinement = expecting(wanted, wanted)
    together = refinement(start, INPUTS, places, SETTINGS)
    rows = np.array([4, 7])
    alone = refinement(start[rows], INPUTS.take(rows), places.isel(site=rows), SETTINGS)
    np.testing.assert_allclose(alone, together[rows], rtol=1e-12)


def test_without_any_forcing_the_missing_is_named(places: xr.Dataset, expecting: Expecting) -> None:
    start, wanted = unit_cube(0), np.ones((N, len(NODES)))
    with pytest.raises(NetworkError, match="lacks TSOI; add the forcing"):
        expecting(wanted, wanted)(start, INPUTS, places.drop_vars("TSOI"), SETTINGS)


@pytest.mark.parametrize(("rule", "counts"), [("drop", False), ("deepest", True)])
def test_below_bedrock_the_rule_of_the_training_holds(
    places: xr.Dataset, expecting: Expecting, rule: str, counts: bool
) -> None:
    places["nbedrock"][:] = 6
    below = SOIL_GRID.interface_depth[6] <= DEPTH
    assert below.any()
    start = unit_cube(0)
    held = np.minimum(np.array(NODES), 5)
    soc = soil_carbon(Columns.from_sites(places), to_physical(unit_cube(1)))[:, held]
    other = np.where(below, 5.0 * soc, soc)
    settings = SETTINGS.with_changes(below_bedrock=rule)
    one, two = (expecting(each, each)(start, INPUTS, places, settings) for each in (soc, other))
    assert np.allclose(one, two) is not counts


@pytest.mark.filterwarnings("error")
def test_a_place_without_input_of_carbon_is_refined_in_silence(
    places: xr.Dataset, expecting: Expecting
) -> None:
    for name in (name for name in places if str(name).endswith("_INPUT")):
        places[name][0] = 0.0
    soc = np.full((places.sizes["site"], len(DEPTH)), 5000.0)
    refined = expecting(soc, soc)(unit_cube(0), INPUTS, places, SETTINGS)
    assert np.isfinite(refined).all()


@pytest.fixture
def model(sites: xr.Dataset) -> Model:
    few = {"members": 2, "epochs": 1, "imagined_sites": 1, "refinement_steps": 3}
    return train(sites, "end-to-end", default_settings("end-to-end").with_changes(**few), 3)


def test_a_model_answers_with_refined_parameters(model: Model, sites: xr.Dataset) -> None:
    assert model.refinement is not None
    (teachers,) = model.refinement.teachers
    operator = ObservationOperator.from_sites(sites)
    typical = teachers.expect(model.transform(sites), operator.site, operator.depth).typical
    errors = []
    for each in (model, replace(model, refinement=None)):
        modelled = operator.apply(soil_carbon(Columns.from_sites(sites), each.predict_sites(sites)))
        errors.append(np.abs(np.log(modelled / typical)).mean())
    assert errors[0] < 0.5 * errors[1]


def test_maps_hold_refined_parameters(
    model: Model, sites: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    covariates = [str(name) for name in sites if str(name).startswith("cov_")]
    grid = sites[[*covariates, *FORCING_DIMENSIONS]]
    # Farther apart than forcing reaches.
    apart = {"lat": np.linspace(-60.0, 60.0, 40), "lon": np.arange(40.0)}
    grid = grid.drop_vars(list(grid.coords)).rename_dims(site="cell")
    grid = grid.assign_coords({name: ("cell", values) for name, values in apart.items()})
    blocks = GridCells.blocks
    monkeypatch.setattr(GridCells, "blocks", lambda self: blocks(self, 7))
    maps = predict_maps(model, grid)
    assert maps.attrs["refinement_steps"] == "3"
    found = np.stack([maps[name].values for name in PARAMETER_NAMES], axis=1)
    np.testing.assert_allclose(found, model.predict_sites(sites), rtol=1e-9)
    plain = replace(model, refinement=None).predict_sites(sites)
    assert np.abs(found / plain - 1.0).max() > 0.05


def test_a_loaded_model_refines_to_the_same_bits(
    model: Model, sites: xr.Dataset, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_sites(sites), model.predict_sites(sites))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(Path.unlink, "is missing"), (lambda file: file.write_bytes(b"PK"), "is not the file that")],
)
def test_a_damaged_refinement_is_refused(
    model: Model, tmp_path: Path, damage: Callable[[Path], object], reason: str
) -> None:
    save_model(model, tmp_path / "model")
    damage(tmp_path / "model" / "refinement.npz")
    with pytest.raises(NetworkError, match=f"refinement.npz {reason}"):
        load_model(tmp_path / "model")


def test_members_by_bootstrap_have_teachers_of_their_own(sites: xr.Dataset) -> None:
    settings = default_settings("end-to-end").with_changes(
        members=2, epochs=1, imagined_sites=1, bootstrap=True
    )
    model = train(sites, "end-to-end", settings, 0)
    assert model.refinement is not None
    assert len(model.refinement.teachers) == 2
    inputs, place, depth = model.transform(sites), np.array([0, 1]), np.array([0.1, 0.1])
    one, two = (t.expect(inputs, place, depth).typical for t in model.refinement.teachers)
    assert (one != two).all()
    mean = model.refinement._expected(inputs).typical[:2]
    shape = len(inputs), len(model.refinement.depth)
    everywhere = np.repeat(np.arange(shape[0]), shape[1])
    at = np.tile(model.refinement.depth, shape[0])
    each = [
        t.expect(inputs, everywhere, at).typical.reshape(shape) for t in model.refinement.teachers
    ]
    np.testing.assert_allclose(mean, np.sqrt(each[0] * each[1])[:2], rtol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"refinement_steps": 0},
        {"imagined_sites": 0},
        {"loss": "log"},
        {"inputs": {"forcing_summaries": False}},
    ],
)
def test_without_what_it_needs_nothing_is_refined(
    sites: xr.Dataset, changes: dict[str, object], tmp_path: Path
) -> None:
    few = {"members": 1, "epochs": 1, "imagined_sites": 1}
    settings: NetworkSettings = default_settings("end-to-end").with_changes(**few | changes)
    model = train(sites, "end-to-end", settings, 0)
    assert model.refinement is None
    assert map_attributes(model)["refinement_steps"] == "0"
    save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model").refinement is None
