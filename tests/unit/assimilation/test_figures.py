"""Figures of a site-by-site run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import SamplingPlan, Settings, site_by_site
from ctsm_socnn.assimilation.figures import (
    chosen_sites,
    draw_parameter_posteriors,
    draw_profile_fits,
    draw_site_maps,
    representative_sites,
)
from ctsm_socnn.errors import ConfigError


@pytest.fixture(scope="module")
def posterior(
    twin: tuple[xr.Dataset, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> xr.Dataset:
    settings = Settings(plan=SamplingPlan(chains=4, warmup=60, draws=40))
    output = tmp_path_factory.mktemp("figures") / "posterior.nc"
    found = site_by_site(twin[0], settings, output=output)
    found["converged"][:] = [1, 1, 0, 1, 1, 1]
    return found


def test_representative_sites_run_from_the_best_to_the_worst_fit(posterior: xr.Dataset) -> None:
    chosen = representative_sites(posterior, 3)
    cost = posterior["cost_mean"].values
    assert 2 not in chosen
    assert (np.diff(cost[chosen]) >= 0.0).all()
    assert cost[chosen[0]] == cost[[0, 1, 3, 4, 5]].min()
    assert len(representative_sites(posterior, 50)) == 5


def test_sites_are_chosen_by_their_place_in_the_sites_file(posterior: xr.Dataset) -> None:
    part = posterior.isel(site=[1, 3, 5])
    assert chosen_sites(part, [5, 1]) == [2, 0]
    part["cost_mean"][1] = np.nan
    for place in (0, 3):
        with pytest.raises(ConfigError, match=f"site {place} cannot be drawn"):
            chosen_sites(part, [5, place])


def test_figures_are_written(
    posterior: xr.Dataset, twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    draw_profile_fits(posterior, twin[0], [0, 1, 3, 4], tmp_path / "fits.png")
    draw_parameter_posteriors(posterior, [0, 1], tmp_path / "parameters.png")
    for variable in ("mean", "contraction"):
        draw_site_maps(posterior, variable, tmp_path / f"{variable}.png")
    for name in ("fits", "parameters", "mean", "contraction"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
