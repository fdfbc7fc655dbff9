"""The part of an estimate that a paramfile cannot deliver, in soil carbon.

The paramfile is read back, CTSM's own scheme of that version is run with it to its steady state,
and its soil carbon is compared with what the estimate gives in the published model. Beside that
total, each parameter that did not arrive is put alone into the published model, which says how
much of the loss is its.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.readback import (
    case_climatology,
    effective_parameters,
    effective_scheme,
    unnormalised,
)
from ctsm_socnn.export.translation import WaterLimits, checked_values
from ctsm_socnn.model import (
    SOIL_GRID,
    Columns,
    mean_steady_state,
    soil_carbon,
)
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    TYPICAL_SAND,
    TurnoverConvention,
)
from ctsm_socnn.parameters.ctsm_routes import TURNOVER_ITEMS
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion
from ctsm_socnn.schemas import without_forcing

__all__ = ["TranslationLoss", "translation_loss"]

_TOP_METRE: Final = 1.0
_TOP_WEIGHT: Final = np.clip(_TOP_METRE - SOIL_GRID.interface_depth[:-1], 0, SOIL_GRID.thickness)
"""Thickness of each layer within the top metre, m: where most of what S1 passes on is."""
_SAME: Final = 1e-9
_GROUPS: Final = (
    ("fs1s2, fs1s3", ("fs1s2", "fs1s3")),
    ("beta", ("beta",)),
    ("turnover times and w_scaling", ("w_scaling", *TURNOVER_ITEMS)),
)


@dataclass(frozen=True)
class TranslationLoss:
    """Change of soil carbon against the estimate.

    Attributes
    ----------
    rows : tuple of (name, metre, column)
        Median over sites of the relative change of the stock in the top metre and in the column:
        each parameter that did not arrive, alone, in the published model; then all of them; then
        CTSM's own scheme with the paramfile.
    sites : int
    without_sand : int
        Those among them whose sand is not known: `TYPICAL_SAND` was taken.
    """

    rows: tuple[tuple[str, float, float], ...]
    sites: int
    without_sand: int

    def table(self) -> str:
        """Table for the terminal."""
        lines = [f"{'lost in translation':<42} {'0-1 m':>8} {'column':>8}"]
        lines += [
            f"{name:<42} {metre:>+z8.1%} {column:>+z8.1%}" for name, metre, column in self.rows
        ]
        lines.append(
            f"Median change of the soil-carbon stock against the estimate, at {self.sites} sites, at\n"
            "steady state: without each of these parameters alone, without all, and in CTSM's own\n"
            "scheme with this paramfile, whose equations differ from the estimate's, too."
        )
        if self.without_sand > 0:
            lines.append(f"Sand of {self.without_sand} sites is unknown: {TYPICAL_SAND:g} % taken.")
        return "\n".join(lines)


def translation_loss(
    sites: xr.Dataset,
    estimate: Estimate,
    *,
    paramfile: Path,
    version: CtsmVersion,
    namelist: dict[str, float],
    water: WaterLimits,
) -> TranslationLoss:
    """Compare what CTSM will hold with what the estimate asks for.

    Parameters
    ----------
    sites : xarray.Dataset
        Sites with forcing (`ctsm_socnn.schemas.validate_sites`).
    estimate : Estimate
    paramfile : Path
        As written for the case.
    version : CtsmVersion
    namelist : dict
        Items that are not on the paramfile (`Delivery.namelist`).
    water : WaterLimits
        Of the run that wrote the forcing's water scalar.

    Raises
    ------
    ExportError, FileError
        If the paramfile cannot be read back, or no site has all its forcing.
    KernelError
        If the sites have no steady state.
    """
    complete = _complete(sites)
    sites = complete.assign(CELLSAND=complete["CELLSAND"].fillna(TYPICAL_SAND))
    columns = Columns.from_sites(sites)
    sand = sites["CELLSAND"].values @ (_TOP_WEIGHT / _TOP_WEIGHT.sum())
    asked = unnormalised(estimate.values[np.newaxis], estimate.convention)
    asked = np.repeat(asked, len(columns), axis=0)
    used = effective_parameters(
        paramfile, version, sand_percent=sand, water=water, namelist=namelist
    )
    used = unnormalised(used, TurnoverConvention.CENTURY_NORMALISED)
    checked_values(used, str(paramfile))
    wanted = soil_carbon(columns, asked)
    rows = []
    for name, members in _groups():
        index = [PARAMETER_NAMES.index(member) for member in members]
        if np.allclose(asked[:, index], used[:, index], rtol=_SAME, atol=0.0):
            continue
        mixed = asked.copy()
        mixed[:, index] = used[:, index]
        rows.append((name, *_change(soil_carbon(columns, mixed), wanted)))
    rows.append(("all of them", *_change(soil_carbon(columns, used), wanted)))
    scheme = effective_scheme(paramfile, version, namelist)
    carbon = mean_steady_state(scheme, *case_climatology(sites, paramfile, water)).soc
    rows.append((f"the scheme of {version.name}", *_change(carbon, wanted)))
    without_sand = int(complete["CELLSAND"].isnull().all("layer").sum())
    return TranslationLoss(tuple(rows), len(columns), without_sand)


def _complete(sites: xr.Dataset) -> xr.Dataset:
    """Sites that lack none of their forcing but, perhaps, sand."""
    lacking = without_forcing(sites)
    if lacking.all():
        raise ExportError("no site has all its forcing, so the loss cannot be computed")
    return sites.isel(site=~lacking)


def _groups() -> list[tuple[str, tuple[str, ...]]]:
    """Parameters that act together, then each of the others alone."""
    together = {member for _, members in _GROUPS for member in members}
    alone = [(name, (name,)) for name in PARAMETER_NAMES if name not in together]
    return [*_GROUPS, *alone]


def _change(carbon: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[float, float]:
    """Median relative change of the stocks, top metre and whole column."""
    metre, column = (
        float(np.median((carbon @ weight) / (wanted @ weight) - 1.0))
        for weight in (_TOP_WEIGHT, SOIL_GRID.thickness)
    )
    return metre, column
