import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.demo.answer import (
    EXPECTED_ORDER,
    is_in_order,
    out_of_sample_nse,
    rank_correlations,
)


def _comparison(nse: list[float]) -> xr.Dataset:
    scores = np.full((len(nse), 2, 1), np.nan)
    scores[:, 1, 0] = nse
    return xr.Dataset(
        {"scores": (("method", "sample", "score"), scores)},
        coords={"method": list(EXPECTED_ORDER), "sample": ["in", "out"], "score": ["nse"]},
    )


@pytest.mark.parametrize(
    ("nse", "holds"),
    [([-0.2, 0.1, 0.3, 0.6], True), ([-0.2, 0.3, 0.1, 0.6], False), ([0.1, 0.1, 0.3, 0.6], False)],
)
def test_the_order_holds_only_if_each_method_beats_the_one_before(nse, holds):
    found = out_of_sample_nse(_comparison(nse))
    assert list(found.values()) == nse
    assert is_in_order(found) is holds


def test_rank_correlation_uses_the_cells_that_both_maps_know():
    truth = xr.Dataset({"q10": (("lat", "lon"), [[1.0, 2.0, 3.0, np.nan, 5.0]])})
    maps = xr.Dataset({"q10": (("lat", "lon"), [[1.1, 2.5, 2.9, 9.0, np.nan]])})
    assert rank_correlations(truth, maps, ("q10",)) == {"q10": pytest.approx(1.0)}
    assert rank_correlations(truth, -maps, ("q10",)) == {"q10": pytest.approx(-1.0)}
