"""The script behind `make experiments`."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.config import load_config
from ctsm_socnn.validation.comparison import Prediction, compare_methods

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def experiments() -> ModuleType:
    path = PROJECT / "experiments" / "run.py"
    specification = importlib.util.spec_from_file_location("experiments_run", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["northeast_us", "conus"])
def test_settings_fit_the_example_that_they_change(experiments, name):
    changes = experiments.EXPERIMENTS[name].settings
    config, _ = load_config(PROJECT / "examples" / f"{name}.toml", overrides=changes)
    assert "two-step" in config.evaluation.also
    assert config.network.method == "end-to-end"


def _comparison(sites: xr.Dataset, spread: float) -> xr.Dataset:
    places = -75.0 + spread * np.arange(40)
    sites = sites.assign_coords(lon=("site", places))
    soc = np.broadcast_to(np.geomspace(4e4, 1e3, 20), (40, 20)).copy()
    return compare_methods(
        sites,
        [Prediction("a", "in", soc), Prediction("a", "out", soc), Prediction("b", "out", soc)],
    )


def test_the_table_has_a_row_a_method_and_intervals_where_blocks_are_many(experiments, sites):
    lines = experiments.table(_comparison(sites, spread=0.5)).splitlines()
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|") == 8
    assert lines[4].startswith("| a |")
    assert lines[4].count(" to ") == 6
    assert lines[5].startswith("| b |")
    assert lines[5].count(" to ") == 3


def test_few_blocks_give_no_intervals(experiments, sites):
    assert " to " not in experiments.table(_comparison(sites, spread=0.0))


def test_data_are_asked_for(experiments, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["run.py", "conus", "-o", str(tmp_path)])
    with pytest.raises(SystemExit):
        experiments.main()
    assert "--data is needed" in capsys.readouterr().err
