"""A CTSM paramfile with the estimate, made from the user's own.

In the manner of CTSM's `set_paramfile`: the template's bytes are copied and only values change,
so that shapes, types, attributes and the netCDF format stay what CTSM expects (`ncd_io` reads a
scalar where it wants an array, and the reverse, without an error). The file is reopened and
compared with the template before it gets its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import netCDF4
import numpy as np
from numpy.typing import ArrayLike

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.delivery import Delivery, Written, require_all_delivered
from ctsm_socnn.export.translation import Translation, WaterLimits, translate
from ctsm_socnn.netcdf import atomic_output
from ctsm_socnn.netcdf_reading import open_netcdf
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention
from ctsm_socnn.parameters.ctsm_routes import ROUTES, closed_in
from ctsm_socnn.parameters.ctsm_versions import (
    KNOWN_VERSIONS,
    CtsmVersion,
    Item,
    Place,
    resolve_version,
)
from ctsm_socnn.provenance import history_line

__all__ = [
    "GRIDDED_FILE_ATTRIBUTE",
    "named_maps",
    "read_scalars",
    "water_limits",
    "write_paramfile",
]

GRIDDED_FILE_ATTRIBUTE: Final = "socnn_gridded_file"
"""Global attribute by which our Fortran module finds the maps; absent means stock behaviour."""

_Variable: TypeAlias = "netCDF4.Variable[Any]"

_ROUNDING: Final = 1e-14
"""Relative difference below which a converted value is the template's own."""


@dataclass(frozen=True)
class _Plan:
    """What is to change in the copy of the template."""

    written: tuple[Written, ...]
    gridded_file: str | None


def write_paramfile(
    template: str | Path,
    output: str | Path,
    values: ArrayLike,
    *,
    convention: TurnoverConvention,
    version: CtsmVersion | str,
    overwrite: bool = False,
    strict: bool = False,
    asked: Collection[str] = PARAMETER_NAMES,
    gridded_file: str | None = None,
    mapped: frozenset[str] = frozenset(),
    held: Collection[str] = (),
) -> Delivery:
    """Write a paramfile with the parameters that this version reads from it.

    Parameters
    ----------
    template : str or Path
        The paramfile that the user's CTSM uses now.
    output : str or Path
    values : array_like, shape (parameter,), registry order and units
    convention : TurnoverConvention
        Which temperature scalar the turnover times belong to.
    version : CtsmVersion or str
    overwrite : bool
        Replace an existing output.
    strict : bool
        Refuse to write when a parameter that was asked for cannot be delivered.
    asked : collection of str
        Those parameters; by default all.
    gridded_file : str, optional
        Path of the maps that the SourceMods read; written as a global attribute.
    mapped : frozenset of str
        Parameters that those maps deliver.
    held : collection of str
        Parameters that the estimate leaves at CTSM's own value: they count as not asked for where
        this version does not take them.

    Returns
    -------
    Delivery
        Also lists the namelist items that are not on the paramfile.

    Raises
    ------
    FileError
        If the template is missing or unreadable, or the output exists.
    ExportError
        If the template does not belong to this version, or CTSM cannot use the values.
    VersionError
        If the version is unknown.
    """
    target = resolve_version(version)
    template = Path(template)
    on_file = read_scalars(template, target)
    water = WaterLimits.of_scalars(on_file)
    translation = translate(values, convention, target, water, elsewhere=mapped)
    kept = tuple(name for name in closed_in(target) if name in held and name not in mapped)
    lost = tuple(entry for entry in translation.not_delivered if entry.parameter not in kept)
    if strict:
        require_all_delivered(lost, target.name, asked)
    written = _written(translation, target, on_file)
    plan = _Plan(written, gridded_file)
    with atomic_output(output, overwrite=overwrite) as temporary:
        shutil.copyfile(template, temporary)
        _apply(plan, temporary)
        _compare(template, temporary, plan)
    return Delivery(target.name, written, lost, kept, _side_effects(written, target))


def named_maps(paramfile: Path) -> Path | None:
    """Find the maps that a paramfile names; beside it, where the directory has moved.

    Raises
    ------
    FileError
        If it cannot be read.
    ExportError
        If the maps are nowhere.
    """
    with _opened(Path(paramfile), "r") as dataset:
        if GRIDDED_FILE_ATTRIBUTE not in dataset.ncattrs():
            return None
        named = Path(str(dataset.getncattr(GRIDDED_FILE_ATTRIBUTE)))
    beside = Path(paramfile).parent / named.name
    for path in (named, beside):
        if path.is_file():
            return path
    raise ExportError(
        f"{paramfile} names the maps {named}, which are neither there nor beside it; "
        "copy the whole usermods directory"
    )


def read_scalars(
    template: Path, version: CtsmVersion, *, beside_maps: bool = False
) -> dict[str, float]:
    """Read the scalars that a version takes from its paramfile, by item key.

    Parameters
    ----------
    template : Path
    version : CtsmVersion
    beside_maps : bool
        Read also a paramfile that names maps; the case then does not use all its scalars.

    Raises
    ------
    FileError
        If the file is missing or unreadable.
    ExportError
        If it lacks a variable, holds more than one value in it, or names maps.
    """
    with _opened(Path(template), "r") as dataset:
        _require_fit(Path(template), dataset, version)
        if GRIDDED_FILE_ATTRIBUTE in dataset.ncattrs() and not beside_maps:
            raise ExportError(
                f"{template} names a gridded file already (global attribute "
                f"{GRIDDED_FILE_ATTRIBUTE}); start from the paramfile that it was made from"
            )
        return {
            item.key: _scalar(Path(template), dataset.variables[item.name])
            for item in version.in_place(Place.PARAMFILE)
        }


def water_limits(template: Path, version: CtsmVersion) -> WaterLimits:
    """Water potentials of a paramfile between which decomposition rises from 0 to 1.

    Raises
    ------
    FileError, ExportError
        As `read_scalars`.
    """
    return WaterLimits.of_scalars(read_scalars(template, version))


@contextmanager
def _opened(path: Path, mode: Literal["r", "r+"]) -> Iterator[netCDF4.Dataset]:
    with open_netcdf(path, mode) as dataset:
        dataset.set_auto_maskandscale(False)
        yield dataset


def _missing(dataset: netCDF4.Dataset, version: CtsmVersion) -> list[str]:
    names = (item.name for item in version.in_place(Place.PARAMFILE))
    return [name for name in names if name not in dataset.variables]


def _require_fit(template: Path, dataset: netCDF4.Dataset, version: CtsmVersion) -> None:
    missing = _missing(dataset, version)
    if not missing:
        return
    fitting = [name for name in KNOWN_VERSIONS if not _missing(dataset, resolve_version(name))]
    hint = f"it fits {', '.join(fitting)}" if fitting else "it fits no version known here"
    raise ExportError(
        f"{template}: variable {', '.join(missing)} missing, so this is not a paramfile of CTSM "
        f"{version.name}; {hint}"
    )


def _scalar(template: Path, variable: _Variable) -> float:
    if variable.size != 1:
        raise ExportError(
            f"{template}: variable {variable.name} holds {variable.size} values; one was expected"
        )
    return float(np.asarray(variable[...]).reshape(()))


def _written(
    translation: Translation, version: CtsmVersion, on_file: dict[str, float]
) -> tuple[Written, ...]:
    entries = []
    for key, value in translation.scalars.items():
        item: Item = version.item(key)
        before = on_file.get(key)
        unchanged = before is not None and abs(value - before) <= _ROUNDING * abs(before)
        after = before if unchanged and before is not None else value
        entries.append(Written(item.name, item.place, before, after, item.units))
    return tuple(entries)


def _side_effects(written: tuple[Written, ...], version: CtsmVersion) -> tuple[str, ...]:
    """Say what the changed scalars drive beside the parameter that they carry."""
    changed = {entry.name for entry in written if entry.before not in (None, entry.after)}
    return tuple(
        f"{version.item(route.items[0]).name}: {route.side_effect}"
        for route in ROUTES
        if route.side_effect and version.item(route.items[0]).name in changed
    )


def _apply(plan: _Plan, path: Path) -> None:
    with _opened(path, "r+") as dataset:
        for entry in plan.written:
            if entry.place is Place.PARAMFILE:
                dataset.variables[entry.name][...] = entry.after
        previous = str(dataset.getncattr("history")) if "history" in dataset.ncattrs() else ""
        line = history_line()
        dataset.setncattr("history", f"{line}\n{previous}" if previous else line)
        if plan.gridded_file is not None:
            dataset.setncattr(GRIDDED_FILE_ATTRIBUTE, plan.gridded_file)


def _compare(template: Path, copy: Path, plan: _Plan) -> None:
    """Refuse a copy that differs from the template in anything but the planned values."""
    changed = {e.name: e.after for e in plan.written if e.place is Place.PARAMFILE}
    with _opened(template, "r") as old, _opened(copy, "r") as new:
        same = old.data_model == new.data_model and list(old.variables) == list(new.variables)
        if not same or _shape(old) != _shape(new):
            raise ExportError(f"{copy}: the copy of {template} changed its structure")
        for name, variable in new.variables.items():
            source = old.variables[name]
            kept = variable.dtype == source.dtype and variable.dimensions == source.dimensions
            if not kept or not _attributes_equal(source, variable):
                raise ExportError(f"{copy}: type, shape or attributes of {name} changed")
            wanted = np.asarray(source[...])
            if name in changed:
                wanted = np.full_like(wanted, changed[name])
            if wanted.tobytes() != np.asarray(variable[...]).tobytes():
                raise ExportError(f"{copy}: variable {name} does not hold what was written")


def _shape(dataset: netCDF4.Dataset) -> list[tuple[str, int, bool]]:
    return [(n, len(d), d.isunlimited()) for n, d in dataset.dimensions.items()]


def _attributes_equal(one: _Variable, other: _Variable) -> bool:
    if one.ncattrs() != other.ncattrs():
        return False
    return all(
        np.asarray(one.getncattr(name)).tobytes() == np.asarray(other.getncattr(name)).tobytes()
        for name in one.ncattrs()
    )
