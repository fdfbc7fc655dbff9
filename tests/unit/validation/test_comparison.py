import json

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.schemas import open_file
from ctsm_socnn.validation.comparison import (
    Prediction,
    compare_methods,
    comparison_json,
    format_comparison,
)
from ctsm_socnn.validation.scores import scores

N_SITES, N_LAYERS, N_OBS = 12, 20, 4
DEPTHS = np.array([0.01, 0.16, 0.58, 1.06])  # nodes of the grid: interpolation is exact
NODES = [0, 3, 6, 8]


@pytest.fixture
def soc() -> np.ndarray:
    rng = np.random.default_rng(5)
    return 3e4 * np.exp(-np.arange(N_LAYERS) / 6.0) * rng.lognormal(0.0, 0.4, (N_SITES, 1))


@pytest.fixture
def sites(soc) -> xr.Dataset:
    return xr.Dataset(
        {
            "soc": (("site", "obs"), soc[:, NODES]),
            "soc_depth": (("site", "obs"), np.tile(DEPTHS, (N_SITES, 1))),
            "nbedrock": ("site", np.full(N_SITES, 20)),
            "TSOI": (("site", "layer"), np.full((N_SITES, N_LAYERS), 280.0)),
        }
    )


def test_the_truth_scores_one_and_a_scaled_truth_less(sites, soc):
    result = compare_methods(
        sites, [Prediction("scaled", "out", 1.5 * soc), Prediction("truth", "out", soc)]
    )
    out = result["scores"].loc[{"sample": "out"}]
    assert float(out.loc[{"method": "truth", "score": "nse"}]) == pytest.approx(1.0)
    assert float(out.loc[{"method": "truth", "score": "stock_nse"}]) == pytest.approx(1.0)
    expected = scores(sites["soc"].values.ravel(), 1.5 * sites["soc"].values.ravel())
    for name in ("nse", "r2", "rmse", "bias", "log_nse", "log_bias"):
        assert float(out.loc[{"method": "scaled", "score": name}]) == pytest.approx(expected[name])
    assert bool(result["scores"].loc[{"sample": "in"}].isnull().all())


def test_all_methods_are_scored_on_the_sites_that_all_of_them_know(sites, soc):
    partial = soc.copy()
    partial[:2] = np.nan
    result = compare_methods(sites, [Prediction("a", "in", soc), Prediction("b", "out", partial)])
    assert set(result["site"].values.tolist()) == set(range(2, N_SITES))
    as_json = comparison_json(result)
    assert as_json["excluded"] == {"site without an answer from every method": 2}
    assert as_json["n_sites"] == N_SITES - 2


def test_a_site_with_one_unknown_layer_is_not_known(sites, soc):
    partial = soc.copy()
    partial[4, 15] = np.nan
    as_json = comparison_json(compare_methods(sites, [Prediction("a", "out", partial)]))
    assert as_json["n_sites"] == N_SITES - 1


def test_the_rule_for_bedrock_is_that_of_the_fits(sites, soc):
    sites["nbedrock"][:3] = 7  # 0.8 m, above the last of the four depths
    made = [Prediction("a", "out", soc)]
    assert compare_methods(sites, made).sizes["observation"] == N_SITES * N_OBS
    dropped = compare_methods(sites, made, "drop")
    assert dropped.sizes["observation"] == N_SITES * N_OBS - 3
    assert sum(json.loads(dropped.attrs["excluded"]).values()) == 3


def test_json_has_only_the_samples_that_exist(sites, soc):
    result = compare_methods(sites, [Prediction("a", "in", soc), Prediction("a", "out", 2.0 * soc)])
    both = json.loads(json.dumps(comparison_json(result)))
    assert both["methods"]["a"]["in"]["nse"] > both["methods"]["a"]["out"]["nse"]
    only_out = comparison_json(compare_methods(sites, [Prediction("a", "out", soc)]))
    assert list(only_out["methods"]["a"]) == ["out"]
    assert only_out["n_layers"] == N_SITES * N_OBS


def test_a_comparison_survives_a_file(sites, soc, tmp_path):
    made = compare_methods(sites, [Prediction("a", "in", soc), Prediction("b", "out", 2.0 * soc)])
    write_dataset(made, tmp_path / "comparison.nc")
    read = open_file(tmp_path / "comparison.nc")
    assert comparison_json(read) == comparison_json(made)
    assert format_comparison(read) == format_comparison(made)


def test_the_table_names_method_sample_and_count(sites, soc):
    text = format_comparison(
        compare_methods(sites, [Prediction("a", "in", soc), Prediction("one batch", "out", soc)])
    )
    assert f"In sample: {N_SITES * N_OBS} observations at {N_SITES} sites" in text
    assert "Out of sample" in text
    rows = [line for line in text.splitlines() if line.startswith(("a ", "one batch"))]
    assert [row.split()[-9] for row in rows] == ["1.00", "1.00"]


def test_each_score_stands_below_its_name_in_its_unit(sites, soc):
    """Twice the carbon: r2 is 1, the error is the carbon itself, a bias of log10(2) decades."""
    text = format_comparison(compare_methods(sites, [Prediction("double", "out", 2.0 * soc)]))
    heading, row = text.splitlines()[1:3]
    assert heading.split()[:6] == ["method", "NSE", "R²", "CCC", "RMSE", "bias"]
    seen = sites["soc"].values
    nse = 1.0 - (seen**2).mean() / seen.var()
    found = row.split()
    assert found[1:3] == [f"{nse:.2f}", "1.00"]
    rmse, bias = np.sqrt((seen**2).mean()) / 1000.0, seen.mean() / 1000.0
    assert found[4:6] == [f"{rmse:.1f}", f"{bias:.1f}"]
    assert found[8:10] == ["0.30", "0.30"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: [], "no prediction"),
        (lambda soc: [Prediction("a", "in", soc)] * 2, "'a' is given twice"),
        (lambda soc: [Prediction("a", "in", soc[1:])], r"shape \(11, 20\)"),
        (lambda soc: [Prediction("a", "in", np.full_like(soc, np.nan))], "no observation"),
    ],
)
def test_impossible_comparisons_are_refused(sites, soc, make, message):
    with pytest.raises(ValidationError, match=message):
        compare_methods(sites, make(soc))
