"""A case without SourceMods, offline: what it takes of the parameters, and what it then holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import one_batch
from ctsm_socnn.export.estimates import read_estimate
from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.export.readback import default_namelist, effective_scheme, root_shares, rooting_beta
from ctsm_socnn.export.stock_case import StockCase
from ctsm_socnn.model import (
    SOIL_GRID,
    CtsmColumns,
    CtsmForcing,
    mean_steady_state,
    site_climatology,
)
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, to_physical
from ctsm_socnn.parameters.ctsm_routes import closed_in
from ctsm_socnn.parameters.ctsm_versions import resolve_version

VERSIONS = ("release-clm5.0", "cesm2.2", "ctsm5.4")
UNNORMALISED = TurnoverConvention.UNNORMALISED
Case = Callable[[str], StockCase]


@pytest.fixture
def case(template: Callable[..., Path], sites: xr.Dataset) -> Case:
    def make(version: str) -> StockCase:
        return StockCase.at_sites(sites, template(version), resolve_version(version))

    return make


def parameters(seed: int, scaling: float) -> np.ndarray:
    vector = to_physical(np.random.default_rng(seed).uniform(0.2, 0.8, 21))
    vector[PARAMETER_NAMES.index("w_scaling")] = scaling
    return vector


def carbon_of_paramfile(paramfile: Path, version: str, sites: xr.Dataset) -> np.ndarray:
    target = resolve_version(version)
    scheme = effective_scheme(paramfile, target, default_namelist(target))
    return mean_steady_state(scheme, *world_of(paramfile, sites)).soc


def world_of(paramfile: Path, sites: xr.Dataset) -> tuple[CtsmColumns, CtsmForcing]:
    return site_climatology(sites, beta=rooting_beta(paramfile), of_roots=root_shares(paramfile))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scaling", [0.6, 2.5])
def test_gradients_agree_with_differences(case: Case, version: str, scaling: float) -> None:
    stock, vector = case(version), parameters(3, scaling)
    weight = np.random.default_rng(4).uniform(-1.0, 1.0, (5, 20))
    gradient = stock.vjp_of_all(vector, weight)
    for place, name in enumerate(PARAMETER_NAMES):
        step = 1e-5 * abs(vector[place]) * (np.arange(21) == place)
        above, below = (
            np.sum(weight * stock.soil_carbon(moved[np.newaxis]))
            for moved in (vector + step, vector - step)
        )
        difference = (above - below) / (2.0 * step[place])
        assert gradient[place] == pytest.approx(difference, rel=1e-4, abs=1e-4), name
        assert (gradient[place] == 0.0) or name not in stock.held


def test_sites_in_one_cell_share_a_column_and_may_differ_in_parameters(
    case: Case, template: Callable[..., Path], sites: xr.Dataset
) -> None:
    doubled = sites.isel(site=[0, 1, 0, 2, 0, 3, 4])
    version = resolve_version("ctsm5.4")
    together = StockCase.at_sites(doubled, template(), version)
    assert len(together.columns) == 5
    rows = np.stack([parameters(seed, 2.0) for seed in (1, 1, 2, 1, 1, 2, 2)])
    alone = np.stack(
        [
            StockCase.at_sites(doubled.isel(site=[i]), template(), version).soil_carbon(row[None])[
                0
            ]
            for i, row in enumerate(rows)
        ]
    )
    np.testing.assert_array_equal(together.soil_carbon(rows), alone)
    weight = np.random.default_rng(4).uniform(-1.0, 1.0, (7, 20))
    same = np.tile(rows[0], (7, 1))
    np.testing.assert_allclose(
        together.vjp(same, weight).sum(axis=0),
        together.vjp_of_all(rows[0], weight),
        rtol=1e-10,
        atol=1e-9,
    )
    by_site = together.vjp(rows, weight)
    lonely = StockCase.at_sites(doubled.isel(site=[2]), template(), version)
    np.testing.assert_allclose(
        by_site[2], lonely.vjp_of_all(rows[2], weight[2:3]), rtol=1e-10, atol=1e-9
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scaling", [0.6, 2.5])
def test_what_is_taken_means_the_same(case: Case, version: str, scaling: float) -> None:
    stock, asked = case(version), parameters(7, scaling)
    taken = stock.taken(asked)
    np.testing.assert_allclose(stock.taken(taken), taken, rtol=1e-12)
    np.testing.assert_allclose(
        stock.soil_carbon(taken[np.newaxis]), stock.soil_carbon(asked[np.newaxis]), rtol=1e-11
    )
    changed = {
        n for n, a, t in zip(PARAMETER_NAMES, asked, taken, strict=True) if a != pytest.approx(t)
    }
    assert set(stock.held) <= changed
    open_ones = changed - set(stock.held)
    through_time = {"w_scaling", *(n for n in PARAMETER_NAMES if n.startswith("tau"))}
    assert open_ones <= (through_time | {"fs2s3"} if scaling < 1.0 else {"fs2s3"})


@pytest.mark.parametrize("version", VERSIONS)
def test_the_paramfile_holds_what_was_fitted(
    case: Case, template: Callable[..., Path], sites: xr.Dataset, tmp_path: Path, version: str
) -> None:
    stock = case(version)
    taken = stock.taken(parameters(11, 1.7))
    assert taken[PARAMETER_NAMES.index("q10")] == 1.5  # plants respire by it, too
    delivery = write_paramfile(
        template(version), tmp_path / "new.nc", taken,
        convention=UNNORMALISED, version=version, held=stock.held, strict=True,
    )  # fmt: skip
    assert delivery.not_delivered == ()
    assert set(delivery.held) == set(closed_in(resolve_version(version)))
    assert "At CTSM's own value" in delivery.table()
    assert "plant maintenance" not in delivery.table()
    assert "maxpsi_hr: above 1 w_scaling also raises" in delivery.table()
    scheme = effective_scheme(tmp_path / "new.nc", resolve_version(version), delivery.namelist)
    world = world_of(tmp_path / "new.nc", sites)
    np.testing.assert_allclose(
        mean_steady_state(scheme, *world).soc, stock.soil_carbon(taken[np.newaxis]), rtol=1e-9
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_case_as_it_is(
    case: Case, template: Callable[..., Path], sites: xr.Dataset, version: str
) -> None:
    np.testing.assert_allclose(
        case(version).soil_carbon_as_it_is(),
        carbon_of_paramfile(template(version), version, sites),
        rtol=1e-12,
    )


def test_depths_at_which_nothing_would_decompose_are_kept_out(case: Case) -> None:
    vector = parameters(5, 2.0)
    vector[PARAMETER_NAMES.index("efolding")] = 0.0
    stock = case("ctsm5.4")
    assert np.isfinite(stock.soil_carbon(vector[np.newaxis])).all()
    assert stock.taken(vector)[PARAMETER_NAMES.index("efolding")] == pytest.approx(0.05)


def test_a_fit_in_the_case_finds_its_carbon_where_another_does_not(
    case: Case, template: Callable[..., Path], sites: xr.Dataset, tmp_path: Path
) -> None:
    version = "release-clm5.0"
    stock, depth = case(version), SOIL_GRID.node_depth[[0, 3, 6, 9]]
    truth = stock.soil_carbon(parameters(13, 1.6)[np.newaxis])
    observed = sites.assign(
        soc=(("site", "obs"), truth[:, [0, 3, 6, 9]]),
        soc_depth=(("site", "obs"), np.tile(depth, (5, 1))),
    )
    model = partial(
        StockCase.at_sites, paramfile=template(version), version=resolve_version(version)
    )
    fitted = one_batch(observed, cost="log", starts=1, draws=2, model=model)
    assert fitted["start_cost"].values[0] < 1e-4
    np.testing.assert_allclose(
        stock.soil_carbon(fitted["parameters"].values[np.newaxis])[:, :10], truth[:, :10], rtol=0.05
    )
    assert tuple(fitted.attrs["held_parameters"].split()) == stock.held
    assert fitted.attrs["scheme"].startswith(f"CTSM {version} as released")
    spread = fitted["draws"].sel(parameter=list(stock.held)).std("draw")
    assert float(spread.max()) == pytest.approx(0.0, abs=1e-9)
    published = one_batch(observed, cost="log", starts=1, draws=0)["parameters"].values
    carbon = stock.soil_carbon(published[np.newaxis])
    error = np.abs(np.log(carbon[:, [0, 3, 6, 9]] / truth[:, [0, 3, 6, 9]])).mean()
    assert error > 0.1
    fitted.to_netcdf(tmp_path / "fitted.nc")
    assert read_estimate(tmp_path / "fitted.nc").held == stock.held
