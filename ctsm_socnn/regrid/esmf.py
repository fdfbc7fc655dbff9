"""Weights from ESMF through ESMPy, for every kind of grid.

ESMF is never asked to write: its factors come back in memory, because it forgets extrapolation
and needs parallel netCDF on the way to a file. All grids and meshes are built in memory too.
"""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.esmf_geometry import cells_touch, field_like, field_on
from ctsm_socnn.regrid.geometry import FloatArray, Grid
from ctsm_socnn.regrid.nearest import nearest_coverage
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights

__all__ = ["INSTALL_ESMPY", "esmpy_problem", "esmpy_weights"]

INSTALL_ESMPY: Final = (
    "Install it with `conda install -c conda-forge esmpy`, or with your machine's ESMF module "
    "loaded `pip install` the src/addon/esmpy of the same ESMF"
)
"""What a user who lacks ESMPy is told."""

_MASKED: Final = 0
_POLE: Final = 90.0
_LOG_LINES: Final = 2


def esmpy_problem() -> str:
    """Say why ESMPy cannot be used, in one line; empty where it can."""
    try:
        _esmpy()
    except Exception as error:  # ESMPy lets through whatever its shared library gives
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def esmpy_weights(
    source: Grid,
    target: Grid,
    method: Method = Method.CONSERVATIVE,
    normalisation: Normalisation = Normalisation.FRACAREA,
) -> RemapWeights:
    """Weights made by ESMF.

    Parameters
    ----------
    source, target : Grid
        Of any kind; cells whose mask is False neither give nor take.
    method : Method
    normalisation : Normalisation
        Of the conservative method.

    Returns
    -------
    RemapWeights

    Raises
    ------
    GridError
        If ESMPy cannot be imported, the method needs cell corners that a grid lacks, or ESMF
        fails; the message then ends with what ESMF logged first.
    """
    esmpy = _esmpy_or_error()
    _require_suitable(source, target, method)
    conservative = method is Method.CONSERVATIVE
    with ExitStack() as stack, _esmf_errors(source, target):
        fields = [stack.enter_context(field_on(esmpy, grid)) for grid in (source, target)]
        fractions = [stack.enter_context(field_like(esmpy, field)) for field in fields]
        options = (
            _conservative_options(esmpy, normalisation, fractions)
            if conservative
            else _point_options(esmpy, source, method)
        )
        regrid = stack.enter_context(_regrid(esmpy, fields, method, options))
        matrix = _matrix(regrid.get_weights_dict(deep_copy=True), source, target)
        if conservative:
            used, covered = (_flat(fraction) for fraction in fractions)
            source_areas, target_areas = (_areas(field) for field in fields)
        else:
            used, covered = _points_used(matrix, source, target, method)
            source_areas, target_areas = np.zeros(source.size), np.zeros(target.size)
    return RemapWeights(
        matrix=matrix,
        source=source,
        target=target,
        method=method,
        normalisation=normalisation,
        covered=covered,
        used=used,
        source_areas=source_areas,
        target_areas=target_areas,
        backend=f"ESMPy {esmpy.__version__}",
    )


@functools.cache
def _log_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ctsm-socnn-esmf-")


@functools.cache
def _esmpy() -> Any:
    """Import ESMPy and start it so that its log lands in a scratch directory.

    ESMPy writes its log into the working directory of the moment it starts, and without one its
    errors are bare numbers. netCDF4 must be loaded first: ESMPy makes the symbols of its own
    netCDF library visible to all, and a netCDF4 wheel that comes later crashes on them.
    """
    importlib.import_module("netCDF4")
    esmpy = importlib.import_module("esmpy")
    working_directory = Path.cwd()
    os.chdir(_log_directory().name)
    try:
        esmpy.Manager(debug=True)
    finally:
        os.chdir(working_directory)
    return esmpy


def _esmpy_or_error() -> Any:
    problem = esmpy_problem()
    if problem:
        raise GridError(f"ESMPy cannot be used here ({problem}). {INSTALL_ESMPY}")
    return _esmpy()


@contextmanager
def _esmf_errors(source: Grid, target: Grid) -> Iterator[None]:
    already_logged = len(_log())
    try:
        yield
    except (ValueError, TypeError, RuntimeError, AttributeError, MemoryError) as error:
        logged = [line for line in _log()[already_logged:] if " ERROR " in line]
        causes = [" ".join(line.split()[2:]) for line in logged[:_LOG_LINES]]
        raise GridError(
            f"ESMF cannot regrid {source.name} to {target.name}: {error}; it logged: "
            f"{' | '.join(causes) or 'nothing'}"
        ) from error


def _log() -> list[str]:
    """Lines of ESMF's log; the first error of a failure names its cause, the rest its callers."""
    log = Path(_log_directory().name) / "PET0.ESMF_LogFile"
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _require_suitable(source: Grid, target: Grid, method: Method) -> None:
    if method is Method.CONSERVATIVE:
        for grid in (source, target):
            grid.corners()
    if method is Method.BILINEAR and not cells_touch(source):
        # ESMF crashes on these.
        raise GridError(
            f"{source.name}: no three of its cells meet in a point, so that there is nothing to "
            "interpolate between; use --method nearest or conservative"
        )


def _conservative_options(
    esmpy: Any, normalisation: Normalisation, fractions: list[Any]
) -> dict[str, Any]:
    fracarea = normalisation is Normalisation.FRACAREA
    return {
        "norm_type": esmpy.NormType.FRACAREA if fracarea else esmpy.NormType.DSTAREA,
        "src_frac_field": fractions[0],
        "dst_frac_field": fractions[1],
    }


def _point_options(esmpy: Any, source: Grid, method: Method) -> dict[str, Any]:
    """Keep ESMF from stretching a band of latitudes to the poles with the mean of its last row."""
    if method is Method.NEAREST or source.lat_bounds is None:
        return {}
    reaches_poles = source.lat_bounds.min() == -_POLE and source.lat_bounds.max() == _POLE
    return {} if reaches_poles else {"pole_method": esmpy.PoleMethod.NONE}


@contextmanager
def _regrid(
    esmpy: Any, fields: list[Any], method: Method, options: dict[str, Any]
) -> Iterator[Any]:
    methods = {
        Method.CONSERVATIVE: esmpy.RegridMethod.CONSERVE,
        Method.BILINEAR: esmpy.RegridMethod.BILINEAR,
        Method.NEAREST: esmpy.RegridMethod.NEAREST_STOD,
    }
    regrid = esmpy.Regrid(
        *fields,
        regrid_method=methods[method],
        unmapped_action=esmpy.UnmappedAction.IGNORE,
        ignore_degenerate=True,
        src_mask_values=np.array([_MASKED]),
        dst_mask_values=np.array([_MASKED]),
        factors=True,
        **options,
    )
    try:
        yield regrid
    finally:
        regrid.destroy()


def _matrix(factors: Any, source: Grid, target: Grid) -> sparse.csr_array:
    rows, columns = factors["row_dst"] - 1, factors["col_src"] - 1
    return sparse.csr_array(
        (factors["weights"], (rows, columns)), shape=(target.size, source.size), dtype=np.float64
    )


def _flat(field: Any) -> FloatArray:
    """Values in the order of our cells; ESMF's grids have longitude first."""
    values: FloatArray = np.array(field.data, dtype=np.float64).T.ravel()
    return values


def _areas(field: Any) -> FloatArray:
    field.get_area()
    return _flat(field)


def _points_used(
    matrix: sparse.csr_array, source: Grid, target: Grid, method: Method
) -> tuple[FloatArray, FloatArray]:
    """Tell used source cells and covered target cells of the methods between points, 0 or 1."""
    used = np.bincount(matrix.indices, minlength=source.size) > 0
    if method is Method.NEAREST:
        return used.astype(np.float64), nearest_coverage(matrix, source, target)
    return used.astype(np.float64), (np.diff(matrix.indptr) > 0).astype(np.float64)
