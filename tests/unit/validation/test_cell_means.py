import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.validation.cell_means import cell_means, format_cell_scores, score_cell_means
from ctsm_socnn.validation.comparison import Prediction
from ctsm_socnn.validation.land_cover import LandCover
from ctsm_socnn.validation.model_runs import RunAtSites
from ctsm_socnn.validation.report_sections import stock_section
from ctsm_socnn.validation.stocks import AS_SAMPLED, format_stocks, score_stocks

NODES = [0, 3, 6, 8]
DEPTHS = [0.01, 0.16, 0.58, 1.06]


def _sites(soc: np.ndarray, lon: list[float], depths: list[float] = DEPTHS) -> xr.Dataset:
    n = len(lon)
    return xr.Dataset(
        {
            "soc": (("site", "obs"), soc),
            "soc_depth": (("site", "obs"), np.tile(depths, (n, 1))),
            "nbedrock": ("site", np.full(n, 20)),
            "TSOI": (("site", "layer"), np.full((n, 20), 280.0)),
            "lon": ("site", lon),
            "lat": ("site", np.full(n, 40.02)),
        }
    )


def _run(sites: xr.Dataset, cell: list[int], land: list[float], density: float = 5e3) -> RunAtSites:
    soc = np.full((sites.sizes["site"], 20), density)
    places = np.arange(len(land), dtype=float)
    prediction = Prediction("clm", "run", soc)
    grid = LandGrid(("lat", "lon"), places[:1], places, np.arange(len(land)))
    return RunAtSites(prediction, np.array(cell), places, places, np.array(land), grid)


def test_profiles_of_one_square_share_the_weight_of_one():
    density = np.array([1e4, 1e4, 1e4, 4e4])
    sites = _sites(np.tile(density[:, None], (1, 4)), [10.01, 10.02, 10.03, 10.55])
    means = cell_means(sites, _run(sites, [0, 0, 0, 0], [1e9]), depths=[1.0])
    row = means.iloc[0]
    assert (row["profiles"], row["squares"]) == (4, 2)
    assert row["observed"] == pytest.approx(2.5e4)
    assert row["standard_error"] == pytest.approx(np.std([1e4, 4e4], ddof=1) / np.sqrt(2.0))
    assert row["modelled"] == pytest.approx(5e3)


def test_classes_of_land_cover_count_with_their_share_of_the_cell():
    """Three profiles in fields (a fifth of the cell), one in its forest (three fifths)."""
    density = np.array([1e4, 1e4, 2e4, 4e4])
    sites = _sites(np.tile(density[:, None], (1, 4)), [10.01, 10.25, 10.35, 10.55])
    cover = LandCover(np.array([12.0, 12.0, 12.0, 4.0]), np.array([0.2, 0.2, 0.2, 0.6]))
    row = cell_means(sites, _run(sites, [0] * 4, [1e9]), [1.0], cover=cover).iloc[0]
    fields = (1e4 + 1e4 + 2e4) / 3.0
    assert row["observed"] == pytest.approx(0.25 * fields + 0.75 * 4e4)
    assert row["modelled"] == pytest.approx(5e3)
    assert row["covered"] == pytest.approx(0.8)
    within = np.var([1e4, 1e4, 2e4], ddof=1)
    assert row["standard_error"] == pytest.approx(
        np.sqrt(0.25**2 * within / 3.0 + 0.75**2 * within)
    )


def test_profiles_of_unknown_land_cover_count_where_no_other_does():
    density = np.array([1e4, 2e4, 3e4, 5e4])
    sites = _sites(np.tile(density[:, None], (1, 4)), [10.0, 10.5, 20.0, 20.5])
    cover = LandCover(np.array([4.0, np.nan, np.nan, 7.0]), np.array([0.5, 0.0, 0.0, 0.0]))
    means = cell_means(sites, _run(sites, [0, 0, 1, 1], [1e9] * 2), [1.0], cover=cover)
    assert means["observed"].tolist() == pytest.approx([1e4, 4e4])
    assert means["covered"].iloc[0] == 0.5
    assert np.isnan(means["covered"].iloc[1])
    assert means["profiles"].tolist() == [2, 2]


def test_one_class_everywhere_is_as_good_as_none():
    density = np.array([1e4, 2e4, 6e4])
    sites = _sites(np.tile(density[:, None], (1, 4)), [10.0, 10.25, 10.5])
    run = _run(sites, [0] * 3, [1e9])
    cover = LandCover(np.full(3, 4.0), np.full(3, 0.3))
    plain, weighted = cell_means(sites, run, [1.0]), cell_means(sites, run, [1.0], cover=cover)
    for name in ("observed", "modelled", "standard_error"):
        assert weighted[name].iloc[0] == pytest.approx(plain[name].iloc[0])


def test_cells_count_with_their_land():
    density = np.array([1e4, 2e4, 4e4])
    sites = _sites(np.tile(density[:, None], (1, 4)), [10.0, 20.0, 30.0])
    means = cell_means(sites, _run(sites, [0, 1, 2], [1e9, 1e9, 8e9]), depths=[1.0])
    row = score_cell_means(means).iloc[0]
    assert (row["cells"], row["profiles"]) == (3, 3)
    assert row["observed"] == pytest.approx(0.1 * 1e4 + 0.1 * 2e4 + 0.8 * 4e4)
    assert row["bias"] == pytest.approx(5e3 - row["observed"])
    assert np.isnan(row["standard_error"])


def test_sites_far_from_the_run_and_too_few_cells_are_left_out():
    sites = _sites(np.full((3, 4), 1e4), [10.0, 20.0, 30.0])
    run = _run(sites, [0, 1, 1], [1e9, 1e9])
    run.prediction.soc[2] = np.nan
    means = cell_means(sites, run, depths=[1.0])
    assert means["profiles"].sum() == 2
    assert score_cell_means(means).empty
    assert "fewer than three cells" in format_cell_scores(score_cell_means(means))


def test_a_run_of_one_point_is_told_to_have_no_stocks():
    sites = _sites(np.full((3, 4), 1e4), [10.0, 20.0, 30.0])
    run = _run(sites, [0, 1, 2], [1e9] * 3)
    run.prediction.soc[1:] = np.nan
    table = score_stocks(sites, [run.prediction])
    assert table.empty
    assert format_stocks(table) == "No stocks: no depth is reached by 3 profiles."
    assert stock_section(table).tables[0].rows == []


def test_all_that_was_sampled_reaches_to_the_deepest_sample_of_each_profile():
    sites = _sites(np.full((3, 4), 1e4), [10.0, 20.0, 30.0])
    deeper = sites["soc_depth"].values.copy()
    deeper[2, -1] = 3.0
    sites["soc_depth"] = ("site", "obs"), deeper
    run = _run(sites, [0, 1, 2], [1e9] * 3)
    means = cell_means(sites, run, depths=[AS_SAMPLED])
    assert means["observed"].tolist() == pytest.approx([1.06e4, 1.06e4, 3e4])
    table = score_stocks(sites, [run.prediction])
    assert table["depth"].tolist() == [0.3, 1.0, AS_SAMPLED]
    assert table["modelled"].iloc[-1] == pytest.approx(5e3 * (1.06 + 1.06 + 3.0) / 3.0)
