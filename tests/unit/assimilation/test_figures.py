"""Figures of a site-by-site run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import SamplingPlan, Settings, site_by_site
from ctsm_socnn.assimilation.figures import (
    draw_parameter_posteriors,
    draw_profile_fits,
    draw_site_maps,
    representative_sites,
)


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


def test_figures_are_written(
    posterior: xr.Dataset, twin: tuple[xr.Dataset, np.ndarray], tmp_path: Path
) -> None:
    draw_profile_fits(posterior, twin[0], [0, 1, 3, 4], tmp_path / "fits.png")
    draw_parameter_posteriors(posterior, [0, 1], tmp_path / "parameters.png")
    draw_site_maps(posterior, "contraction", tmp_path / "contraction.png")
    for name in ("fits", "parameters", "contraction"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
