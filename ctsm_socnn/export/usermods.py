"""A usermods directory that puts an estimate into a CTSM case.

It holds the paramfile, `user_nl_clm` that names it and carries what this version reads from the
namelist, the maps where there are any, SourceMods that read the maps where a checkout is given, a
README and checksums. CIME copies files out of any directory whose name contains "src" into the
case, so the directory's own name must not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ctsm_socnn.directories import atomic_directory, write_checksums
from ctsm_socnn.errors import ExportError, VersionError
from ctsm_socnn.export.case_conflicts import SOURCE_MODS, case_conflicts
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.export.create_newcase import create_newcase_line
from ctsm_socnn.export.delivery import Delivery
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.gridded import GriddedDelivery, convention_of, write_gridded_parameters
from ctsm_socnn.export.loss import TranslationLoss, translation_loss
from ctsm_socnn.export.model_grid import map_grid, require_same_cells
from ctsm_socnn.export.paramfile import water_limits, write_paramfile
from ctsm_socnn.export.paths import GRIDDED_NAME, PARAMFILE_NAME, require_case_path
from ctsm_socnn.export.readme import Maps, readme_text
from ctsm_socnn.export.sourcemods import source_mods
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.regrid.fill import FillFlag

__all__ = [
    "Usermods",
    "require_usermods_directory",
    "write_usermods",
]


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
    loss : TranslationLoss or None
        What scalars alone lose in soil carbon, where sites were given.
    create_newcase : str
        Command line that makes a case with it, to be run in a CTSM checkout.
    """

    directory: Path
    delivery: Delivery
    gridded: GriddedDelivery | None
    loss: TranslationLoss | None
    create_newcase: str

    def in_short(self) -> str:
        """Name, and whether the case reads the maps; if not, what that changes in soil carbon."""
        name = self.directory.name
        if self.gridded is None or (self.directory / "SourceMods").is_dir():
            return name
        told = f"{name} reads no maps (no `checkout` for SourceMods): one value per parameter"
        if self.loss is None:
            return f"{told}, fitted for it" if self.delivery.held else told
        _, metre, _ = self.loss.rows[-1]
        return f"{told}, and 0-1 m carbon {metre:+z.0%} relative to the estimate"

    def summary(self) -> str:
        """Report and the command to run, for the terminal."""
        parts = [self.delivery.table()]
        if self.loss is not None:
            parts.append(self.loss.table())
        if self.gridded is not None:
            parts.append(self.gridded.table())
        parts.append(f"Create a case with it, from your CTSM checkout:\n  {self.create_newcase}")
        return "\n".join(parts)


def write_usermods(
    directory: str | Path,
    *,
    version: CtsmVersion | str | None = None,
    template: str | Path,
    estimate: Estimate | None = None,
    maps: xr.Dataset | None = None,
    model_grid: str | Path | None = None,
    mapped: Collection[str] | None = None,
    ctsm_root: str | Path | None = None,
    keep_executable: bool = False,
    case: str | Path | None = None,
    sites: xr.Dataset | None = None,
    source: str = "values given by the user",
    strict: bool = False,
    asked: Collection[str] = PARAMETER_NAMES,
    overwrite: bool = False,
) -> Usermods:
    """Write a usermods directory, whole or not at all.

    Parameters
    ----------
    directory : str or Path
        Its absolute path goes into `user_nl_clm`.
    version : CtsmVersion or str, optional
        By default that of the checkout.
    template : str or Path
        Paramfile that the user's CTSM uses now.
    estimate : Estimate, optional
        By default the medians of the maps over the land cells that were not filled.
    maps : xarray.Dataset, optional
        Parameter maps on the model grid.
    model_grid : str or Path, optional
        Surface dataset or mesh of the case, for checking the maps.
    mapped : collection of str, optional
        Parameters to deliver as maps; by default all.
    ctsm_root : str or Path, optional
        Checkout of CTSM or CESM from which SourceMods are made, so that the case reads the maps.
    keep_executable : bool
        Leave the SourceMods out, for clones (`create_clone --keepexe`) of a case that has them
        already: only paramfile and maps are new.
    case : str or Path, optional
        Existing case that will take the SourceMods: its own SourceMods and its decomposition must
        not conflict with them.
    sites : xarray.Dataset, optional
        Sites with forcing, at which the loss of scalars alone is computed for the README.
    source : str
        What the estimate is, for the README.
    strict : bool
        Refuse if a parameter that was asked for cannot be delivered.
    asked : collection of str
        Those parameters; by default all.
    overwrite : bool
        Replace a directory that this package made.

    Raises
    ------
    ExportError
        If CTSM or CIME cannot take the values, the template, the maps, the path or the patches.
    FileError
        If something cannot be read or written, or the directory exists.
    VersionError
        If the version is unknown, or neither it nor a checkout is given.
    """
    directory, template = Path(directory).absolute(), Path(template)
    require_usermods_directory(directory)
    checkout = _checkout(ctsm_root, version)
    target = _target(version, checkout)
    reads_maps = maps is not None and (checkout is not None or keep_executable)
    grid_file = None if model_grid is None else Path(model_grid)
    if estimate is None:
        estimate = _medians(maps, grid_file)
    with atomic_directory(directory, overwrite=overwrite) as temporary:
        gridded = None
        if maps is not None:
            gridded = write_gridded_parameters(
                maps, temporary / GRIDDED_NAME, target, model_grid=grid_file, parameters=mapped
            )
        by_maps = frozenset(gridded.parameters) if gridded and reads_maps else frozenset()
        delivery = write_paramfile(
            template,
            temporary / PARAMFILE_NAME,
            estimate.values,
            convention=estimate.convention,
            version=target,
            gridded_file=str(directory / GRIDDED_NAME) if reads_maps else None,
            mapped=by_maps,
            held=estimate.held,
            strict=strict,
            asked=asked,
        )
        loss = None
        if sites is not None and not reads_maps:
            loss = translation_loss(
                sites,
                estimate,
                paramfile=temporary / PARAMFILE_NAME,
                version=target,
                namelist=delivery.namelist,
                water=water_limits(template, target),
            )
        if checkout is not None and reads_maps and not keep_executable:
            _write_source_mods(checkout, temporary, case)
        user_nl = _user_nl_clm(directory / PARAMFILE_NAME, delivery.namelist, target)
        (temporary / "user_nl_clm").write_text(user_nl, encoding="ascii")
        command = create_newcase_line(directory, target, template.name, files=temporary)
        readme = readme_text(
            version=target,
            source=source,
            template=template.name,
            delivery=delivery,
            gridded=gridded,
            read_from_maps=by_maps,
            loss=loss,
            reading=_reading(reads_maps=reads_maps, keep_executable=keep_executable),
            command=command,
        )
        (temporary / "README").write_text(readme, encoding="utf-8")
        write_checksums(temporary)
    return Usermods(directory, delivery, gridded, loss, command)


def require_usermods_directory(directory: Path) -> None:
    """Refuse a path that CTSM or CIME cannot carry.

    Raises
    ------
    ExportError
    """
    require_case_path(directory / GRIDDED_NAME)
    if "src" in directory.name:
        raise ExportError(
            f"{directory}: a directory with 'src' in its name is taken by CIME for SourceMods; "
            "choose another name"
        )


def _checkout(ctsm_root: str | Path | None, version: CtsmVersion | str | None) -> Checkout | None:
    if ctsm_root is None:
        return None
    return Checkout.open(
        Path(ctsm_root), version.name if isinstance(version, CtsmVersion) else version
    )


def _target(version: CtsmVersion | str | None, checkout: Checkout | None) -> CtsmVersion:
    if checkout is not None:
        return checkout.version
    if version is None:
        raise VersionError("name a CTSM version, or give a checkout of it")
    return resolve_version(version)


def _reading(*, reads_maps: bool, keep_executable: bool) -> Maps:
    if not reads_maps:
        return Maps.UNREAD
    return Maps.BY_PARENT if keep_executable else Maps.BY_SOURCE_MODS


def _write_source_mods(checkout: Checkout, directory: Path, case: str | Path | None) -> None:
    mods = source_mods(checkout)
    problems = [] if case is None else list(case_conflicts(Path(case), mods))
    if problems:
        raise ExportError("; ".join(problems))
    target = directory / SOURCE_MODS
    target.mkdir(parents=True)
    for name, content in mods.items():
        (target / name).write_bytes(content)


def _medians(maps: xr.Dataset | None, model_grid: Path | None) -> Estimate:
    """Medians over the land cells with data of their own; over all land where there are none."""
    if maps is None:
        raise ExportError("usermods need an estimate of the parameters, or maps")
    missing = [name for name in PARAMETER_NAMES if name not in maps]
    if missing:
        raise ExportError(
            f"parameter maps: no map of {', '.join(missing)}, so that the paramfile has no value "
            "of it; give values for all parameters"
        )
    grid = map_grid(maps, PARAMETER_NAMES[0])
    land = grid.land if model_grid is None else require_same_cells(grid, model_grid).land
    known = np.isfinite(maps[PARAMETER_NAMES[0]].values).reshape(land.shape) & land
    if "filled" in maps:
        own = known & (maps["filled"].values.reshape(land.shape) == FillFlag.REGRIDDED)
        known = own if own.any() else known
    if not known.any():
        raise ExportError("parameter maps: no land cell has a value")
    cells = known.ravel()
    medians = [np.median(maps[name].values.ravel()[cells]) for name in PARAMETER_NAMES]
    return Estimate(np.array(medians), convention_of(maps))


def _user_nl_clm(paramfile: Path, namelist: Mapping[str, float], version: CtsmVersion) -> str:
    lines = [
        "",
        f"! Soil-carbon parameters by ctsm-socnn for CTSM {version.name}; see the README beside.",
        f"paramfile = '{paramfile}'",
        *(f"{name} = {value!r}" for name, value in namelist.items()),
    ]
    return "\n".join(lines) + "\n"
