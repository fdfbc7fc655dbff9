from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.loss import TranslationLoss, translation_loss
from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.export.readback import effective_parameters
from ctsm_socnn.export.translation import WaterLimits
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    TurnoverConvention,
    clm5_defaults,
    convert_turnover_times,
)
from ctsm_socnn.parameters.ctsm_versions import resolve_version

UNNORMALISED = TurnoverConvention.UNNORMALISED
WATER = WaterLimits(-2.0, -0.002)


def loss_of(
    values: np.ndarray, version: str, template: Path, output: Path, sites: xr.Dataset
) -> TranslationLoss:
    delivery = write_paramfile(
        template, output, values, convention=UNNORMALISED, version=version, overwrite=True
    )
    return translation_loss(
        sites, Estimate(np.asarray(values), UNNORMALISED),
        paramfile=output, version=resolve_version(version), namelist=delivery.namelist, water=WATER,
    )  # fmt: skip


def lost(loss: TranslationLoss) -> list[str]:
    return [name for name, _, _ in loss.rows[:-2]]


@pytest.mark.parametrize("version", ["cesm2.2", "ctsm5.4"])
@pytest.mark.parametrize("scaling", [0.6, 1.0, 2.5])
def test_what_is_read_back_is_what_was_asked(
    template: Callable[..., Path], values: np.ndarray, tmp_path: Path, version: str, scaling: float
) -> None:
    values[PARAMETER_NAMES.index("w_scaling")] = scaling
    output = tmp_path / "new.nc"
    delivery = write_paramfile(
        template(version), output, values, convention=UNNORMALISED, version=version
    )
    back = effective_parameters(
        output, resolve_version(version),
        sand_percent=[30.0], water=WATER, namelist=delivery.namelist,
    )[0]  # fmt: skip
    expected = values.copy()
    factor = min(scaling, 1.0)
    for i, name in enumerate(PARAMETER_NAMES):
        if name.startswith("tau"):
            q10 = values[PARAMETER_NAMES.index("q10")]
            expected[i] = convert_turnover_times(
                values[i] / factor, q10,
                source=UNNORMALISED, target=TurnoverConvention.CENTURY_NORMALISED,
            )  # fmt: skip
    expected[PARAMETER_NAMES.index("w_scaling")] = max(scaling, 1.0)
    stock = clm5_defaults([30.0])[0]
    for name in ("fs1s2", "fs1s3"):
        expected[PARAMETER_NAMES.index(name)] = stock[PARAMETER_NAMES.index(name)]
    expected[PARAMETER_NAMES.index("beta")] = 0.95
    np.testing.assert_allclose(back, expected, rtol=1e-12)


def test_fractions_and_beta_are_named(
    template: Callable[..., Path],
    values: np.ndarray,
    sites: xr.Dataset,
    tmp_path: Path,
) -> None:
    values[PARAMETER_NAMES.index("w_scaling")] = 2.0
    loss = loss_of(values, "ctsm5.4", template(), tmp_path / "new.nc", sites)
    assert lost(loss) == ["fs1s2, fs1s3", "beta"]
    assert all(abs(change) > 1e-3 for change in loss.rows[0][1:])
    assert loss.sites == sites.sizes["site"]
    assert "fs1s2, fs1s3" in loss.table()


def test_sites_without_forcing_do_not_count(
    template: Callable[..., Path], values: np.ndarray, sites: xr.Dataset, tmp_path: Path
) -> None:
    sites["TSOI"][2, 3, 4] = np.nan
    assert (
        loss_of(values, "ctsm5.4", template(), tmp_path / "n.nc", sites).sites
        == sites.sizes["site"] - 1
    )
    sites["TSOI"][:] = np.nan
    with pytest.raises(ExportError, match="no site has all its forcing"):
        loss_of(values, "ctsm5.4", template(), tmp_path / "n.nc", sites)


def test_typical_sand_stands_for_what_is_not_known(
    template: Callable[..., Path], values: np.ndarray, sites: xr.Dataset, tmp_path: Path
) -> None:
    sites["CELLSAND"][:] = 50.0
    known = loss_of(values, "ctsm5.4", template(), tmp_path / "known.nc", sites)
    assert "Sand" not in known.table()
    sites["CELLSAND"][:] = np.nan
    unknown = loss_of(values, "ctsm5.4", template(), tmp_path / "unknown.nc", sites)
    assert unknown.rows == known.rows
    assert f"Sand of {sites.sizes['site']} sites is unknown: 50 % taken." in unknown.table()


def test_cut_fraction_is_named(
    template: Callable[..., Path], values: np.ndarray, sites: xr.Dataset, tmp_path: Path
) -> None:
    values[PARAMETER_NAMES.index("fs2s3")] = 0.09
    loss = loss_of(values, "ctsm5.4", template(), tmp_path / "new.nc", sites)
    assert "fs2s3" in lost(loss)
    assert {name: metre for name, metre, _ in loss.rows}["fs2s3"] < 0


def test_clm50_loses_turnover_times_and_diffusivities(
    template: Callable[..., Path], values: np.ndarray, sites: xr.Dataset, tmp_path: Path
) -> None:
    version = "release-clm5.0"
    loss = loss_of(values, version, template(version), tmp_path / "new.nc", sites)
    assert {"turnover times and w_scaling", "diffus", "cryo"} <= set(lost(loss))


def test_scheme_agrees_where_everything_arrives(
    template: Callable[..., Path], values: np.ndarray, sites: xr.Dataset, tmp_path: Path
) -> None:
    """With CTSM's sand function and profile in the estimate, and roots alone, months differ."""
    plants = template()
    with netCDF4.Dataset(plants, "r+") as dataset:
        for name in ("froot_leaf", "croot_stem"):
            dataset[name][:] = 1e9
    sites["CELLSAND"][:] = 40.0
    stock = clm5_defaults([40.0])[0]
    for name in ("fs1s2", "fs1s3"):
        values[PARAMETER_NAMES.index(name)] = stock[PARAMETER_NAMES.index(name)]
    values[PARAMETER_NAMES.index("beta")] = 0.95
    loss = loss_of(values, "ctsm5.4", plants, tmp_path / "new.nc", sites)
    assert lost(loss) == []
    name, metre, column = loss.rows[-1]
    assert name == "the scheme of ctsm5.4"
    assert abs(metre) < 0.02
    assert abs(column) < 0.02


def test_water_limits_of_another_run(
    template: Callable[..., Path], values: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"minpsi_hr = -2.*-2\.5 MPa"):
        effective_parameters(
            template(), resolve_version("ctsm5.4"),
            sand_percent=[30.0], water=WaterLimits(-2.5, -0.002), namelist={},
        )  # fmt: skip
