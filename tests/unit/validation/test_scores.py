import numpy as np
import pytest

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.validation.scores import LOG_FLOOR, SCORE_NAMES, scores, stock

RNG_SEED = 3


def _pairs(size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(RNG_SEED)
    observed = rng.lognormal(9.0, 0.8, size)
    return observed, observed * rng.lognormal(0.1, 0.4, size)


def test_perfect_match_scores_one_without_error_or_bias():
    observed, _ = _pairs()
    result = scores(observed, observed)
    assert result["nse"] == 1.0
    assert result["r2"] == pytest.approx(1.0, abs=1e-14)
    assert result["rmse"] == 0.0
    assert result["log_bias"] == 0.0
    assert tuple(result) == SCORE_NAMES


def test_scores_follow_their_definitions():
    observed, modelled = _pairs()
    result = scores(observed, modelled)
    sse = np.sum((modelled - observed) ** 2)
    assert result["n"] == 200
    assert result["nse"] == pytest.approx(1 - sse / np.sum((observed - observed.mean()) ** 2))
    assert result["r2"] == pytest.approx(np.corrcoef(observed, modelled)[0, 1] ** 2)
    assert result["rmse"] == pytest.approx(np.sqrt(sse / 200))
    assert result["bias"] == pytest.approx(np.mean(modelled) - np.mean(observed))
    apart = np.var(observed) + np.var(modelled) + result["bias"] ** 2
    assert result["ccc"] == pytest.approx(2 * np.cov(observed, modelled, ddof=0)[0, 1] / apart)
    logs = np.log10(observed), np.log10(modelled)
    assert result["log_r2"] == pytest.approx(np.corrcoef(*logs)[0, 1] ** 2)
    assert result["log_rmse"] == pytest.approx(np.sqrt(np.mean((logs[1] - logs[0]) ** 2)))


def test_a_scaled_model_keeps_r2_and_loses_nse():
    observed, _ = _pairs()
    result = scores(observed, 3.0 * observed)
    assert result["r2"] == pytest.approx(1.0)
    assert result["nse"] < 0.0
    assert result["log_bias"] == pytest.approx(np.log10(3.0))


def test_concordance_punishes_scale_and_shift_alone():
    observed, _ = _pairs()
    assert scores(observed, observed)["ccc"] == pytest.approx(1.0)
    assert scores(observed, 3.0 * observed)["ccc"] < 0.7
    assert scores(observed, observed + 5.0 * observed.std())["ccc"] < 0.1
    assert np.isnan(scores([5.0, 5.0], [5.0, 5.0])["ccc"])


def test_a_weight_of_two_is_the_value_twice():
    observed, modelled = _pairs(20)
    weights = np.where(np.arange(20) < 5, 2.0, 1.0)
    twice = [np.concatenate([values, values[:5]]) for values in (observed, modelled)]
    weighted, repeated = scores(observed, modelled, weights), scores(*twice)
    assert {k: v for k, v in weighted.items() if k != "n"} == pytest.approx(
        {k: v for k, v in repeated.items() if k != "n"}
    )


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [-1.0, 2.0]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(ValidationError, match="weight"):
        scores([1.0, 2.0], [1.0, 2.0], weights)


def test_the_mean_of_the_observations_has_nse_zero_and_no_r2():
    observed, _ = _pairs()
    result = scores(observed, np.full_like(observed, observed.mean()))
    assert result["nse"] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(result["r2"])


@pytest.mark.parametrize(("observed", "modelled"), [([5.0, 5.0], [4.0, 6.0]), ([5.0], [4.0])])
def test_equal_observations_have_neither_nse_nor_concordance(observed, modelled):
    result = scores(observed, modelled)
    assert np.isnan(result["nse"])
    assert np.isnan(result["ccc"])
    assert result["rmse"] == pytest.approx(1.0)


def test_an_emptied_layer_counts_as_the_floor_in_log_scores():
    emptied = scores([10.0, 100.0], [1e-200, 100.0])
    assert emptied["log_rmse"] == pytest.approx(np.sqrt(0.5) * np.log10(10.0 / LOG_FLOOR))


@pytest.mark.parametrize(
    ("observed", "modelled", "message"),
    [
        ([1.0, 2.0], [1.0], "2 observed and 1 modelled"),
        ([], [], "no observation"),
        ([1.0, np.nan], [1.0, 2.0], "1 observed values are negative or not finite.*index 1"),
        ([1.0, 2.0], [-3.0, 2.0], "modelled values.*-3.0 at index 0"),
    ],
)
def test_impossible_input_is_refused(observed, modelled, message):
    with pytest.raises(ValidationError, match=message):
        scores(observed, modelled)


def test_stock_of_a_constant_profile_is_density_times_depth():
    interfaces = np.array([0.0, 0.1, 0.4, 0.9, 2.0])
    soc = np.full((3, 4), 2000.0)
    assert stock(soc, interfaces, 1.0) == pytest.approx(2000.0)
    assert stock(soc, interfaces, 2.0) == pytest.approx(4000.0)
    assert stock(soc, interfaces, 0.25).shape == (3,)


def test_stock_counts_only_the_part_of_a_layer_above_the_depth():
    assert stock([10.0, 100.0], [0.0, 0.5, 1.5], 1.0) == pytest.approx(5.0 + 50.0)


@pytest.mark.parametrize("depth", [0.0, -1.0, 3.0])
def test_stock_outside_the_layers_is_refused(depth):
    with pytest.raises(ValidationError, match=f"a stock to {depth} m"):
        stock([1.0, 2.0], [0.0, 1.0, 2.0], depth)
