"""Test modifications with which a CTSM checkout tests the SourceMods itself.

Two usermods directories for CIME's `create_test`: maps that are constant and equal to the scalars
of the paramfile, whose history must be bit for bit that of the stock model, and maps that differ
in every cell. Both include `socnnStock`, which lies in `cime_config/testdefs`, for the output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from ctsm_socnn.directories import write_checksums
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.export.estimates import template_estimate
from ctsm_socnn.export.gridded import uniform_maps
from ctsm_socnn.export.usermods import Usermods, write_usermods
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, TurnoverConvention

__all__ = ["CONSTANT", "SPATIAL", "graded_maps", "write_testmods"]

CONSTANT: Final = "socnnConstantMaps"
SPATIAL: Final = "socnnSpatialMaps"

_NO_SCALAR: Final = frozenset({"fs1s2", "fs1s3", "beta"})
"""Parameters that CTSM knows no scalar of, so that no constant map equals one."""


def write_testmods(
    directory: Path,
    *,
    template: Path,
    model_grid: Path,
    ctsm_root: Path,
    overwrite: bool = False,
) -> tuple[Usermods, Usermods]:
    """Write the two directories.

    Parameters
    ----------
    directory : Path
        Usually cime_config/testdefs/testmods_dirs/clm of the checkout.
    template : Path
        Paramfile that the tests' compset uses.
    model_grid : Path
        Surface dataset or mesh of the tests' resolution.
    ctsm_root : Path
    overwrite : bool

    Raises
    ------
    ExportError, FileError, VersionError
        As `ctsm_socnn.export.write_usermods`.
    """
    version = Checkout.open(ctsm_root).version
    stock = template_estimate(template, version)
    constant = write_usermods(
        directory / CONSTANT,
        version=version,
        template=template,
        estimate=stock,
        maps=uniform_maps(stock.values, stock.convention, model_grid),
        model_grid=model_grid,
        mapped=[name for name in PARAMETER_NAMES if name not in _NO_SCALAR],
        ctsm_root=ctsm_root,
        source="the scalars of the paramfile",
        overwrite=overwrite,
    )
    spatial = write_usermods(
        directory / SPATIAL,
        version=version,
        template=template,
        maps=graded_maps(model_grid),
        model_grid=model_grid,
        ctsm_root=ctsm_root,
        source="made-up maps that differ in every cell",
        overwrite=overwrite,
    )
    for written in (constant, spatial):
        (written.directory / "include_user_mods").write_text("../socnnStock\n", encoding="ascii")
        write_checksums(written.directory)
    return constant, spatial


def graded_maps(model_grid: Path) -> xr.Dataset:
    """Make maps inside the published bounds that differ from cell to cell and among parameters.

    Parameters
    ----------
    model_grid : Path
        Surface dataset or mesh.
    """
    maps = uniform_maps(np.zeros(len(PARAMETERS)), TurnoverConvention.UNNORMALISED, model_grid)
    shape = maps[PARAMETER_NAMES[0]].shape
    cells = np.arange(np.prod(shape)).reshape(shape)
    for i, parameter in enumerate(PARAMETERS):
        # Multiples of the golden ratio, so that neither cells nor parameters repeat a share.
        share = 0.2 + 0.6 * np.mod((cells + 1) * (i + 1) * 0.6180339887498949, 1.0)
        maps[parameter.name][...] = parameter.lower + share * (parameter.upper - parameter.lower)
    return maps
