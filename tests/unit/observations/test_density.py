from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.observations.density import (
    carbon_density,
    fill_bulk_density,
    fill_fragments,
)
from ctsm_socnn.observations.pedotransfer import PEDOTRANSFER
from ctsm_socnn.observations.profiles import profiles_from_table
from ctsm_socnn.observations.quality import names_in


def layers(**columns: list[float]) -> pd.DataFrame:
    defaults = {"oc": [20.0], "bulk_density": [1.3]}
    return pd.DataFrame({**defaults, **columns})


def test_fragments_by_weight_become_volume():
    filled = fill_fragments(layers(coarse_fragments_weight=[50.0], bulk_density=[1.325]))
    # Equal masses, and rock twice as dense as fine earth: one third of the volume is rock.
    assert filled["coarse_fragments"].item() == pytest.approx(100.0 / 3.0, rel=1e-12)
    assert filled["fragments_converted"].item()


def test_measured_volume_wins_over_weight():
    filled = fill_fragments(layers(coarse_fragments=[5.0], coarse_fragments_weight=[50.0]))
    assert filled["coarse_fragments"].item() == 5.0
    assert not filled["fragments_converted"].item()


def test_no_function_leaves_the_gap():
    filled = fill_bulk_density(layers(bulk_density=[np.nan]), None)
    assert np.isnan(filled["bulk_density"].item())


@pytest.mark.parametrize("name", PEDOTRANSFER)
def test_prediction_fills_only_the_gap_with_its_own_error(name):
    table = layers(oc=[20.0, 20.0], bulk_density=[np.nan, 1.3])
    filled = fill_bulk_density(table, name)
    assert 0.9 < filled["bulk_density"].iloc[0] < 1.6
    assert filled["bulk_density"].iloc[1] == 1.3
    assert list(filled["bulk_density_predicted"]) == [True, False]
    assert filled["bulk_density_error"].iloc[0] > filled["bulk_density_error"].iloc[1]


@pytest.mark.parametrize(
    ("name", "density"),
    [
        ("alexander-1980", 1.044),  # 1.66 - 0.308 * 2
        ("manrique-jones-1991", 1.024),  # 1.660 - 0.318 * 2
        ("honeysett-ratkowsky-1989", 1.0555007),  # 1 / (0.564 + 0.0556 * 6.896)
        ("huntington-1989", 0.8704613),  # exp(0.263 - 0.147 * 1.3862944 - 0.103 * 1.9218121)
    ],
)
def test_functions_are_those_of_the_papers_at_four_percent_of_carbon(name, density):
    assert PEDOTRANSFER[name].predict(np.array([4.0])).item() == pytest.approx(density, abs=1e-6)


@pytest.mark.parametrize("name", PEDOTRANSFER)
def test_more_carbon_is_never_denser(name):
    carbon = np.linspace(0.5, 25.0, 50)
    assert (np.diff(PEDOTRANSFER[name].predict(carbon)) < 0).all()


def test_error_agrees_with_random_draws():
    table = fill_fragments(fill_bulk_density(layers(coarse_fragments=[20.0]), None))
    stated = carbon_density(table)["soc_sd"].item()
    random = np.random.default_rng(5)
    n = 200_000
    oc = 20.0 * (1 + 0.05 * random.standard_normal(n))
    density = 1.3 * (1 + 0.10 * random.standard_normal(n))
    fine = 0.8 + 0.05 * random.standard_normal(n)
    assert stated == pytest.approx(np.std(oc * density * 1000.0 * fine), rel=0.02)


def test_predicted_layers_are_noted_and_usable():
    table = pd.DataFrame(
        {
            "profile_id": ["a", "a"],
            "lon": 281.03,
            "lat": 40.52,
            "top": [0.0, 0.1],
            "bottom": [0.1, 0.3],
            "oc": [20.0, 500.0],
            "bulk_density": np.nan,
        }
    )
    without = profiles_from_table(table, "t")
    predicted = profiles_from_table(table, "t", "alexander-1980")
    assert "no_bulk_density" in names_in(int(without["flag"][0]))
    names = [names_in(int(flag)) for flag in predicted["flag"].values]
    assert names[0] == ["no_fragments", "bulk_density_indirect"]
    assert "bulk_density_implausible" in names[1]


@pytest.mark.parametrize(
    ("basis", "reason"),
    [
        ("POLARIS_gridded", "bulk_density_indirect"),
        ("rejected_by_flag", "rejected_at_source"),
        ("modelled", "bulk_density_indirect"),
    ],
)
def test_words_of_the_database_are_heard(basis, reason):
    table = layers().assign(
        profile_id="a", lon=281.03, lat=40.52, top=0.0, bottom=0.1, bd_basis=basis
    )
    assert reason in names_in(int(profiles_from_table(table, "t")["flag"].item()))


def test_unknown_function_is_refused():
    with pytest.raises(ConfigError, match="unknown pedotransfer function 'guess'"):
        fill_bulk_density(layers(bulk_density=[np.nan]), "guess")
