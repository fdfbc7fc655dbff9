import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.validation.groups import (
    depth_groups,
    format_groups,
    grouped_scores,
    observation_groups,
)
from ctsm_socnn.validation.scores import scores

N = 400


@pytest.fixture
def sites() -> xr.Dataset:
    code = np.where(np.arange(100) < 60, 2.0, 5.0)
    code[99] = np.nan
    flags = {"flag_values": [2, 5], "flag_meanings": "tundra steppe"}
    return xr.Dataset(
        {
            "cov_Biome": ("site", code, flags),
            "database": ("site", np.where(np.arange(100) % 2, "WoSIS", "ISCN")),
            "cov_rain": ("site", np.linspace(0.0, 1.0, 100)),
            "cov_code": ("site", np.arange(100)),
            "TSOI": (("site", "layer"), np.zeros((100, 20))),
        }
    )


def test_depths_fall_into_named_intervals():
    assert depth_groups(np.array([0.0, 0.1, 0.29, 1.5, 99.0])).tolist() == [
        "0-0.1 m",
        "0.1-0.3 m",
        "0.1-0.3 m",
        "1-2 m",
        "2-10 m",
    ]


def test_scores_of_a_group_are_those_of_its_observations(comparison):
    group = np.where(np.arange(N) % 3 == 0, "a", "b")
    table = grouped_scores(comparison, group)
    assert list(table["sample"]) == ["in", "in", "out", "out"]
    row = table[(table["method"] == "rough") & (table["group"] == "a")].iloc[0]
    inside = group == "a"
    expected = scores(
        comparison["observed"].values[inside], comparison["modelled"].values[0, 1, inside]
    )
    assert row["n"] == inside.sum()
    assert row["log_nse"] == pytest.approx(expected["log_nse"])


def test_groups_of_another_length_are_refused(comparison):
    with pytest.raises(ValidationError, match="3 groups were given for 400"):
        grouped_scores(comparison, np.array(["a", "b", "c"]))


def test_concordance_is_in_the_scores_of_groups(comparison):
    row = grouped_scores(comparison, np.full(N, "all")).set_index("method").loc["fine"]
    o, m = comparison["observed"].values, comparison["modelled"].values[1, 0]
    apart = np.var(o) + np.var(m) + (m.mean() - o.mean()) ** 2
    assert row["ccc"] == pytest.approx(2.0 * np.cov(o, m, ddof=0)[0, 1] / apart)
    assert row["ccc"] < np.sqrt(row["r2"])


def test_variables_of_the_sites_make_groups_with_names(comparison, sites):
    biome = observation_groups(comparison, sites, "biome")
    assert set(biome) == {"tundra", "steppe", "unknown"}
    assert (biome == "tundra").sum() == 240
    assert (biome == "unknown").sum() == 4
    assert set(observation_groups(comparison, sites, "database")) == {"WoSIS", "ISCN"}
    assert observation_groups(comparison, sites, "depth")[0] == "0-0.1 m"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("order", "no variable 'order' with one value per site; they have cov_Biome"),
        ("TSOI", "no variable 'TSOI'"),
        ("rain", "cov_rain holds fractions"),
        ("code", "cov_code has 100 distinct values"),
    ],
)
def test_what_makes_no_groups_is_refused(comparison, sites, name, message):
    with pytest.raises(ValidationError, match=message):
        observation_groups(comparison, sites, name)


def test_intervals_of_groups_hold_their_scores_and_need_blocks(comparison):
    group = np.where(np.arange(N) < 380, "many", "few")
    table = grouped_scores(comparison, group, np.arange(N) // 10, seed=1)
    many = table[table["group"] == "many"]
    assert (many["nse_low"] < many["nse"]).all()
    assert (many["nse"] < many["nse_high"]).all()
    assert (many["log_ccc_low"] < many["log_ccc"]).all()
    assert table[table["group"] == "few"]["nse_low"].isna().all()
    text = format_groups(table, "biome")
    assert text.splitlines()[0].split()[:4] == ["biome", "method", "n", "NSE"]
    assert len(text.splitlines()) == 5
