"""A usermods directory that puts an estimate into a CTSM case.

It holds the paramfile, `user_nl_clm` that names it and carries what this version reads from the
namelist, the maps where there are any, a README and checksums. CIME copies files out of any
directory whose name contains "src" into the case, so the directory's own name must not.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.bundle import atomic_directory, write_checksums
from ctsm_socnn.export.delivery import Delivery
from ctsm_socnn.export.gridded import GriddedDelivery, convention_of, write_gridded_parameters
from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.export.paths import require_case_path
from ctsm_socnn.export.readme import readme_text
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version

__all__ = [
    "GRIDDED_NAME",
    "PARAMFILE_NAME",
    "Usermods",
    "create_newcase_line",
    "write_usermods",
]

PARAMFILE_NAME: Final = "paramfile.nc"
GRIDDED_NAME: Final = "gridded_parameters.nc"


@dataclass(frozen=True)
class Usermods:
    """A usermods directory that was written.

    Attributes
    ----------
    directory : Path
    delivery : Delivery
        What the paramfile and the namelist carry.
    gridded : GriddedDelivery or None
        What the maps carry.
    create_newcase : str
        Command line that makes a case with it, to be run in a CTSM checkout.
    """

    directory: Path
    delivery: Delivery
    gridded: GriddedDelivery | None
    create_newcase: str

    def summary(self) -> str:
        """Report and the command to run, for the terminal."""
        parts = [self.delivery.table()]
        if self.gridded is not None:
            parts.append(self.gridded.table())
        parts.append(f"Make a case with it, from your CTSM checkout:\n  {self.create_newcase}")
        return "\n".join(parts)


def write_usermods(
    directory: Path,
    *,
    version: CtsmVersion | str,
    template: Path,
    values: ArrayLike | None = None,
    convention: TurnoverConvention | None = None,
    maps: xr.Dataset | None = None,
    model_grid: Path | None = None,
    mapped: Collection[str] | None = None,
    source: str = "values given by the user",
    strict: bool = False,
    overwrite: bool = False,
) -> Usermods:
    """Write a usermods directory, whole or not at all.

    Parameters
    ----------
    directory : Path
        Its absolute path goes into `user_nl_clm`.
    version : CtsmVersion or str
    template : Path
        Paramfile that the user's CTSM uses now.
    values : array_like, shape (parameter,), registry order and units, optional
        By default the medians of the maps over land.
    convention : TurnoverConvention, optional
        Of the values' turnover times; by default that of the maps.
    maps : xarray.Dataset, optional
        Parameter maps on the model grid.
    model_grid : Path, optional
        Surface dataset or mesh of the case, for checking the maps.
    mapped : collection of str, optional
        Parameters to deliver as maps; by default all.
    source : str
        What the estimate is, for the README.
    strict : bool
        Refuse if a parameter cannot be delivered.
    overwrite : bool
        Replace a directory that this package made.

    Raises
    ------
    ExportError
        If CTSM or CIME cannot take the values, the template, the maps or the path.
    FileError
        If something cannot be read or written, or the directory exists.
    VersionError
        If the version is unknown.
    """
    target = resolve_version(version) if isinstance(version, str) else version
    directory = Path(directory).absolute()
    paramfile = require_case_path(directory / PARAMFILE_NAME)
    require_case_path(directory / GRIDDED_NAME)
    _require_name_without_src(directory)
    numbers, numbers_convention = _scalar_values(values, convention, maps)
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        gridded = None
        if maps is not None:
            gridded = write_gridded_parameters(
                maps, temporary / GRIDDED_NAME, target, model_grid=model_grid, parameters=mapped
            )
        delivery = write_paramfile(
            template,
            temporary / PARAMFILE_NAME,
            numbers,
            convention=numbers_convention,
            version=target,
            strict=strict,
        )
        user_nl = _user_nl_clm(paramfile, delivery.namelist, target)
        (temporary / "user_nl_clm").write_text(user_nl, encoding="ascii")
        command = create_newcase_line(directory, target)
        readme = readme_text(
            version=target,
            source=source,
            template=Path(template).name,
            delivery=delivery,
            gridded=gridded,
            command=command,
        )
        (temporary / "README").write_text(readme, encoding="utf-8")
        write_checksums(temporary)
    return Usermods(directory, delivery, gridded, command)


def create_newcase_line(directory: Path, version: CtsmVersion) -> str:
    """Command line that makes a case with a usermods directory."""
    resolution = "f09_t232" if version.nested_usermods else "f09_g17"
    words = ["./cime/scripts/create_newcase", "--case", "my_case", "--compset", "I1850Clm50BgcCrop"]
    words += ["--res", resolution, "--run-unsupported", "--user-mods-dir", str(directory)]
    return shlex.join(words)


def _require_name_without_src(directory: Path) -> None:
    if "src" in directory.name:
        raise ExportError(
            f"{directory}: a directory with 'src' in its name is taken by CIME for SourceMods; "
            "choose another name"
        )


def _scalar_values(
    values: ArrayLike | None, convention: TurnoverConvention | None, maps: xr.Dataset | None
) -> tuple[NDArray[np.float64], TurnoverConvention]:
    if maps is None and (values is None or convention is None):
        raise ExportError("usermods need parameter values with their convention, or maps")
    if values is None:
        assert maps is not None
        medians = [float(np.nanmedian(maps[name].values)) for name in PARAMETER_NAMES]
        return np.array(medians), convention_of(maps)
    if convention is None:
        assert maps is not None
        convention = convention_of(maps)
    return np.asarray(values, dtype=np.float64), convention


def _user_nl_clm(paramfile: str, namelist: Mapping[str, float], version: CtsmVersion) -> str:
    lines = [
        "",
        f"! Soil-carbon parameters by ctsm-socnn for CTSM {version.name}; see the README beside.",
        f"paramfile = '{paramfile}'",
        *(f"{name} = {value!r}" for name, value in namelist.items()),
    ]
    return "\n".join(lines) + "\n"
