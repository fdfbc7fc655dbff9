import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.validation.comparison import SAMPLES
from ctsm_socnn.validation.intervals import (
    bootstrap_intervals,
    map_blocks,
    replicated_scores,
)
from ctsm_socnn.validation.scores import scores

N = 400


def test_blocks_do_not_depend_on_how_longitude_is_counted():
    lon, lat = np.array([-75.0, -75.1, 100.0, 285.0]), np.array([40.1, 40.2, 40.1, 40.3])
    block = map_blocks(lon, lat)
    assert block[0] == block[1] == block[3]
    assert block[2] != block[0]


def test_a_replicate_that_draws_every_block_once_gives_the_scores(comparison):
    observed, modelled = comparison["observed"].values, comparison["modelled"].values[0, 1]
    once = replicated_scores(observed, modelled, np.arange(N) % 7, np.ones((1, 7), dtype=int))
    expected = scores(observed, modelled)
    assert once[0] == pytest.approx([expected[name] for name in list(expected)[1:]])


def test_intervals_hold_the_score_of_all_observations(comparison):
    few = bootstrap_intervals(comparison, np.arange(N) % 8, seed=1)
    many = bootstrap_intervals(comparison, np.arange(N), seed=1)
    rough = {"method": "rough", "sample": "out", "score": "log_nse"}
    expected = scores(comparison["observed"].values, comparison["modelled"].values[0, 1])["log_nse"]
    for intervals in (few, many):
        assert float(intervals["low"].loc[rough]) < expected < float(intervals["high"].loc[rough])
    assert np.isnan(few["low"].loc[{"method": "rough", "sample": "in"}]).all()


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        error = rng.standard_normal((1, len(SAMPLES), 300))
        observed = np.full(300, 1000.0) + 100.0 * rng.standard_normal(300)
        comparison = xr.Dataset(
            {
                "observed": ("observation", observed),
                "modelled": (("method", "sample", "observation"), observed + 50.0 * error),
            },
            coords={"method": ["m"], "sample": list(SAMPLES)},
        )
        intervals = bootstrap_intervals(comparison, np.arange(300), seed=trial, replicates=200)
        bias = {"method": "m", "sample": "out", "score": "bias"}
        hits += float(intervals["low"].loc[bias]) <= 0.0 <= float(intervals["high"].loc[bias])
    assert 86 <= hits <= 100  # 95 expected; outside this less than once in a thousand


def test_the_same_seed_gives_the_same_intervals(comparison):
    block = np.arange(N) % 20
    first, again = (bootstrap_intervals(comparison, block, seed=4) for _ in range(2))
    assert first.identical(again)


def test_too_few_blocks_are_refused(comparison):
    with pytest.raises(ValidationError, match="in 2 blocks"):
        bootstrap_intervals(comparison, np.arange(N) % 2, seed=0)
