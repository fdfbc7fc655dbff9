"""Reads one set of parameter values from any file that holds one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.gridded import convention_of
from ctsm_socnn.export.paramfile import water_limits
from ctsm_socnn.export.readback import default_namelist, effective_parameters
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, parameter
from ctsm_socnn.parameters.ctsm_routes import closed_in
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion
from ctsm_socnn.schemas import open_file

__all__ = ["Estimate", "assigned_names", "read_estimate", "template_estimate", "with_assignments"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """One set of parameter values.

    Attributes
    ----------
    values : ndarray, shape (parameter,), registry order and units
    convention : TurnoverConvention
    held : tuple of str
        Parameters that stand at CTSM's own value, because the case that the estimate is for cannot
        take another.
    """

    values: NDArray[np.float64]
    convention: TurnoverConvention
    held: tuple[str, ...] = ()


def read_estimate(path: Path) -> Estimate:
    """Read parameter values from a file.

    Parameters
    ----------
    path : Path
        NetCDF with `parameters` on a dimension `parameter`, the global attribute
        `turnover_time_convention`, and `held_parameters` where some are, as one-batch assimilation
        writes it.

    Raises
    ------
    FileError
        If the file cannot be read.
    ExportError
        If it does not hold one set of all parameters.
    """
    dataset = open_file(path)
    if "parameters" not in dataset or dataset["parameters"].dims != ("parameter",):
        raise ExportError(f"{path}: variable parameters on the dimension parameter is missing")
    names = [str(name) for name in dataset["parameter"].values]
    missing = [name for name in PARAMETER_NAMES if name not in names]
    if missing:
        raise ExportError(f"{path}: no value of {', '.join(missing)}")
    values = dataset["parameters"].sel(parameter=list(PARAMETER_NAMES)).values
    held = str(dataset.attrs.get("held_parameters", "")).split()
    return Estimate(np.asarray(values, dtype=np.float64), convention_of(dataset), tuple(held))


def template_estimate(template: Path, version: CtsmVersion) -> Estimate:
    """Take the values that a case with this paramfile uses now, in CTSM's convention.

    What no paramfile holds has CTSM's own value: fs1s2 and fs1s3 for soil of typical texture, and
    the e-folding depth of the namelist's default in versions that read it from there.

    Parameters
    ----------
    template : Path
    version : CtsmVersion

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    values = effective_parameters(
        template,
        version,
        sand_percent=[np.nan],
        water=water_limits(template, version),
        namelist=default_namelist(version),
    )
    return Estimate(values[0], TurnoverConvention.CENTURY_NORMALISED, closed_in(version))


def assigned_names(assignments: Sequence[str]) -> tuple[str, ...]:
    """Names in `name=value` words."""
    return tuple(word.partition("=")[0] for word in assignments)


def with_assignments(estimate: Estimate, assignments: Sequence[str]) -> Estimate:
    """Replace values by `name=value` words, turnover times in the convention of the estimate.

    Raises
    ------
    ExportError
        If a word is not of that form, or names no parameter.
    """
    changed = estimate.values.copy()
    for word in assignments:
        name, _, number = word.partition("=")
        if name not in PARAMETER_NAMES:
            raise ExportError(
                f"{word!r}: {name!r} is not a parameter; choose from {', '.join(PARAMETER_NAMES)}"
            )
        try:
            value = float(number)
        except ValueError as error:
            raise ExportError(f"{word!r} is not of the form name=number") from error
        known = parameter(name)
        if not known.lower <= value <= known.upper:
            _LOG.warning(
                "%s lies outside the published range, %g to %g",
                word, known.lower, known.upper,
            )  # fmt: skip
        changed[PARAMETER_NAMES.index(name)] = value
    named = assigned_names(assignments)
    held = tuple(name for name in estimate.held if name not in named)
    return replace(estimate, values=changed, held=held)
