"""One set of parameter values from where users keep it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.gridded import convention_of
from ctsm_socnn.export.paramfile import water_limits
from ctsm_socnn.export.readback import effective_parameters
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, parameter
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Place
from ctsm_socnn.schemas import open_file

__all__ = ["assigned_names", "read_estimate", "template_estimate", "with_assignments"]

_LOG: Final = logging.getLogger(__name__)


def read_estimate(path: Path) -> tuple[NDArray[np.float64], TurnoverConvention]:
    """Read parameter values from a file.

    Parameters
    ----------
    path : Path
        NetCDF with `parameters` on a dimension `parameter` and the global attribute
        `turnover_time_convention`, as one-batch assimilation writes it.

    Returns
    -------
    values : ndarray, shape (parameter,), registry order and units
    convention : TurnoverConvention

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
    return np.asarray(values, dtype=np.float64), convention_of(dataset)


def template_estimate(
    template: Path, version: CtsmVersion
) -> tuple[NDArray[np.float64], TurnoverConvention]:
    """Take the values that a case with this paramfile uses now.

    What no paramfile holds has CTSM's own value: fs1s2 and fs1s3 for soil of typical texture, and
    the e-folding depth of the namelist's default in versions that read it from there.

    Parameters
    ----------
    template : Path
    version : CtsmVersion

    Returns
    -------
    values : ndarray, shape (parameter,), registry order and units
    convention : TurnoverConvention
        That of CTSM.

    Raises
    ------
    FileError, ExportError
        If the paramfile cannot be read or does not belong to the version.
    """
    namelist = {
        item.key: parameter("efolding").default
        for item in version.in_place(Place.NAMELIST)
        if item.key == "decomp_depth_efolding"
    }
    values = effective_parameters(
        template,
        version,
        sand_percent=[np.nan],
        water=water_limits(template, version),
        namelist=namelist,
    )
    return values[0], TurnoverConvention.CENTURY_NORMALISED


def assigned_names(assignments: Sequence[str]) -> tuple[str, ...]:
    """Names in `name=value` words."""
    return tuple(word.partition("=")[0] for word in assignments)


def with_assignments(
    values: NDArray[np.float64], assignments: Sequence[str]
) -> NDArray[np.float64]:
    """Replace values by `name=value` words, turnover times in the convention of the values.

    Raises
    ------
    ExportError
        If a word is not of that form, or names no parameter.
    """
    changed = values.copy()
    for word in assignments:
        name, _, number = word.partition("=")
        if name not in PARAMETER_NAMES:
            raise ExportError(
                f"{word!r}: {name!r} is no parameter; choose from {', '.join(PARAMETER_NAMES)}"
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
    return changed
