"""Weight files: ours, ESMF's and CDO's.

We write the form of ESMF and NCL (row, col, S) and beside it the same under the names of SCRIP,
which CDO wants; a key over both grids, masks and the method sees to it that weights are never used
for what they were not made for. Files of others carry no key; they are held against the grids'
sizes, centres and masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.regrid.geometry import BoolArray, FloatArray, Grid, unit_vectors
from ctsm_socnn.regrid.nearest import nearest_coverage
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights, weights_key
from ctsm_socnn.schemas import open_file

__all__ = ["read_weights", "write_weights"]

_ESMF_METHOD: Final = {
    Method.CONSERVATIVE: "Conservative remapping",
    Method.BILINEAR: "Bilinear remapping",
    Method.NEAREST: "Nearest neighbor remapping",
}
_WORD: Final = {
    Method.CONSERVATIVE: "conserv",
    Method.BILINEAR: "bilinear",
    Method.NEAREST: "nearest",
}
"""What the method's attribute holds in the files of ESMF and CDO, in small letters."""

_NEEDED: Final = ("row", "col", "S", "xc_a", "yc_a", "xc_b", "yc_b")

_SUM: Final = 1e-6
"""By which the weights of a cell may miss 1."""

_DESTAREA: Final = "destarea"
"""How both programs spell it."""

_SCRIP_NAMES: Final[Mapping[str, str]] = {
    "src_grid_center_lon": "xc_a",
    "src_grid_center_lat": "yc_a",
    "dst_grid_center_lon": "xc_b",
    "dst_grid_center_lat": "yc_b",
    "src_grid_imask": "mask_a",
    "dst_grid_imask": "mask_b",
    "src_grid_area": "area_a",
    "dst_grid_area": "area_b",
    "src_grid_frac": "frac_a",
    "dst_grid_frac": "frac_b",
    "src_address": "col",
    "dst_address": "row",
}
"""Names in the weight files of SCRIP and CDO -> names in those of ESMF."""

_SCRIP_DIMS: Final[Mapping[str, str]] = {
    "n_a": "src_grid_size",
    "n_b": "dst_grid_size",
    "n_s": "num_links",
}

_SAME: Final = 2e-6
"""Distance on the unit sphere within which centres are the same (single precision)."""


def write_weights(weights: RemapWeights, path: Path, *, overwrite: bool = False) -> None:
    """Write weights in a form that ESMF, NCL, xESMF and CDO read.

    Raises
    ------
    FileError
        If the output exists or cannot be written.
    """
    entries = weights.matrix.tocoo()
    dataset = xr.Dataset(
        {
            "S": ("n_s", entries.data),
            "row": ("n_s", (entries.row + 1).astype(np.int32), {"long_name": "target, from 1"}),
            "col": ("n_s", (entries.col + 1).astype(np.int32), {"long_name": "source, from 1"}),
            **_side(weights.source, weights.source_areas, weights.used, "a", "src"),
            **_side(weights.target, weights.target_areas, weights.covered, "b", "dst"),
        },
        attrs={
            "title": f"regridding weights from {weights.source.name} to {weights.target.name}",
            "map_method": _ESMF_METHOD[weights.method],
            "normalization": _spelled(weights.normalisation),
            "conventions": "SCRIP",
            "source_grid": weights.source.name,
            "dest_grid": weights.target.name,
            "method": str(weights.method),
            "backend": weights.backend,
            "weights_key": weights.key(),
            "grid_checksum_a": weights.source.checksum(),
            "grid_checksum_b": weights.target.checksum(),
            **provenance_attributes(seed=None),
        },
    )
    write_dataset(_with_scrip_names(dataset), path, overwrite=overwrite)


def read_weights(
    path: Path,
    source: Grid,
    target: Grid,
    method: Method = Method.CONSERVATIVE,
    normalisation: Normalisation = Normalisation.FRACAREA,
) -> RemapWeights:
    """Read weights and make sure that they are for these grids.

    Parameters
    ----------
    path : Path
        Written by `write_weights`, ESMF_RegridWeightGen or CDO (gencon, genbil, gennn).
    source, target : Grid
        With the masks that the weights shall respect.
    method : Method
    normalisation : Normalisation

    Returns
    -------
    RemapWeights
        Conservative weights that others made for wider masks are narrowed to these, exactly.

    Raises
    ------
    FileError
        If the file is missing or damaged.
    GridError
        If the weights belong to other grids, masks or another method.
    """
    path = Path(path)
    dataset = _common_form(open_file(path), path)
    key = weights_key(source, target, method, normalisation)
    ours = dataset.attrs.get("weights_key")
    if ours is not None and ours != key:
        raise _of_another(dataset, path, source, target, f"{method} {_spelled(normalisation)}")
    matrix = _matrix(dataset, path, source, target)
    weights = RemapWeights(
        matrix=matrix,
        source=source,
        target=target,
        method=method,
        normalisation=normalisation,
        covered=nearest_coverage(matrix, source, target)
        if method is Method.NEAREST
        else _on_cells(dataset, "frac_b", target.size, 1.0),
        used=_on_cells(dataset, "frac_a", source.size, 1.0),
        source_areas=_on_cells(dataset, "area_a", source.size, 0.0),
        target_areas=_on_cells(dataset, "area_b", target.size, 0.0),
        backend=str(dataset.attrs.get("backend", path.name)),
    )
    if ours is None:
        _require_method(dataset, path, method, normalisation)
        _require_centres(dataset, path, source, "a")
        _require_centres(dataset, path, target, "b")
    _require_means(weights, path)
    return weights if ours is not None else _narrowed(weights, dataset, path)


def _side(
    grid: Grid, areas: FloatArray, fraction: FloatArray, side: str, end: str
) -> dict[str, Any]:
    lon, lat = grid.centres()
    cells = f"n_{side}"
    dims = np.array(grid.shape[::-1], dtype=np.int32)
    variables: dict[str, Any] = {
        f"xc_{side}": (cells, lon, {"units": "degrees"}),
        f"yc_{side}": (cells, lat, {"units": "degrees"}),
        f"mask_{side}": (cells, grid.mask.ravel().astype(np.int32), {"units": "unitless"}),
        f"area_{side}": (cells, areas, {"units": "square radians"}),
        f"frac_{side}": (cells, fraction, {"units": "unitless"}),
        f"{end}_grid_dims": (f"{end}_grid_rank", dims),
    }
    if grid.has_corners:
        for name, corners in zip(("xv", "yv"), grid.corners(), strict=True):
            shape = (cells, f"nv_{side}")
            variables[f"{name}_{side}"] = (shape, corners, {"units": "degrees"})
    return variables


def _with_scrip_names(dataset: xr.Dataset) -> xr.Dataset:
    again: dict[str, Any] = {}
    for theirs, ours in _SCRIP_NAMES.items():
        variable = dataset[ours]
        again[theirs] = (_SCRIP_DIMS[str(variable.dims[0])], variable.values, variable.attrs)
    again["remap_matrix"] = (("num_links", "num_wgts"), dataset["S"].values[:, None])
    return dataset.assign(again)


def _spelled(normalisation: Normalisation) -> str:
    return _DESTAREA if normalisation is Normalisation.DSTAREA else str(normalisation)


def _common_form(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Bring a weight file of SCRIP or CDO to ESMF's names."""
    if "remap_matrix" in dataset and "row" not in dataset:
        names = {old: new for old, new in _SCRIP_NAMES.items() if old in dataset.variables}
        dataset = dataset.rename_vars(names)
        dataset["S"] = dataset["remap_matrix"].isel({dataset["remap_matrix"].dims[1]: 0})
    missing = [name for name in _NEEDED if name not in dataset.variables]
    if missing:
        raise GridError(
            f"{path}: {', '.join(missing)} missing; it is not a weight file of "
            "ESMF_RegridWeightGen, CDO or ctsm-socnn regrid --save-weights"
        )
    return dataset


def _matrix(dataset: xr.Dataset, path: Path, source: Grid, target: Grid) -> sparse.csr_array:
    for side, grid in (("a", source), ("b", target)):
        if dataset[f"xc_{side}"].size != grid.size:
            raise GridError(
                f"{path}: made for {dataset[f'xc_{side}'].size} cells, "
                f"{grid.name} has {grid.size}; make weights for this grid"
            )
    row, col = dataset["row"].values - 1, dataset["col"].values - 1
    inside = (row >= 0) & (row < target.size) & (col >= 0) & (col < source.size)
    if not inside.all():
        raise GridError(f"{path}: row or col points outside the grids; the file is damaged")
    if not np.isfinite(dataset["S"].values).all():
        raise GridError(f"{path}: S holds values that are not finite; the file is damaged")
    return sparse.csr_array((dataset["S"].values, (row, col)), shape=(target.size, source.size))


def _require_means(weights: RemapWeights, path: Path) -> None:
    """Refuse weights that are no means: of a damaged file, or divided by the whole cell's area."""
    if weights.normalisation is not Normalisation.FRACAREA:
        return
    total = np.asarray(weights.matrix.sum(axis=1)).ravel()
    touched = np.diff(weights.matrix.indptr) > 0
    off = np.flatnonzero(touched & ~(np.abs(total - 1.0) <= _SUM))
    if off.size or (weights.matrix.data < -_SUM).any():
        what = f"cell {off[0] + 1} sum to {total[off[0]]:g}" if off.size else "a cell are negative"
        raise GridError(
            f"{path}: the weights of {what}; those of a mean are positive and sum to 1. Parameters "
            "are intensive and need fracarea (ESMF_RegridWeightGen --norm_type fracarea)"
        )


def _on_cells(dataset: xr.Dataset, name: str, size: int, otherwise: float) -> FloatArray:
    if name not in dataset or dataset[name].size != size:
        return np.full(size, otherwise)
    values: FloatArray = dataset[name].values.astype(np.float64)
    return values


def _of_another(
    dataset: xr.Dataset, path: Path, source: Grid, target: Grid, asked: str
) -> GridError:
    """Say in what our own weights differ from those that are wanted."""
    wrong = [
        f"{what} ({grid.name}), which differs in grid or mask"
        for what, grid, side in (("source", source, "a"), ("target", target, "b"))
        if dataset.attrs.get(f"grid_checksum_{side}") != grid.checksum()
    ]
    made = f"{dataset.attrs.get('method')} {dataset.attrs.get('normalization')}"
    if made != asked:
        wrong.append(f"method ({made}, not {asked})")
    return GridError(
        f"{path}: these weights were made for another {' and another '.join(wrong)}. "
        "Make them again without --weights"
    )


def _require_method(
    dataset: xr.Dataset, path: Path, method: Method, normalisation: Normalisation
) -> None:
    # ESMF calls everything but conservative "Bilinear remapping" in map_method.
    attribute = "ESMF_regrid_method" if "ESMF_regrid_method" in dataset.attrs else "map_method"
    made = str(dataset.attrs.get(attribute, "")).lower()
    said = str(dataset.attrs.get("normalization", "")).lower()
    if made and _WORD[method] not in made:
        raise GridError(f"{path}: its method is {made!r}, not {method}")
    if method is Method.CONSERVATIVE and said and said != _spelled(normalisation):
        raise GridError(
            f"{path}: its normalization is {said!r}, not {_spelled(normalisation)}; "
            "parameters are intensive and need fracarea (ESMF_RegridWeightGen --norm_type fracarea)"
        )


def _require_centres(dataset: xr.Dataset, path: Path, grid: Grid, side: str) -> None:
    there = unit_vectors(*(_degrees(dataset[f"{axis}_{side}"]) for axis in ("xc", "yc")))
    apart = np.linalg.norm(there - unit_vectors(*grid.centres()), axis=1)
    if apart.max() > _SAME:
        worst = int(apart.argmax())
        raise GridError(
            f"{path}: cell {worst + 1} of its grid {side} lies {np.rad2deg(apart[worst]):.4g} "
            f"degrees from that of {grid.name}; the weights are for another grid"
        )


def _degrees(variable: xr.DataArray) -> FloatArray:
    values: FloatArray = variable.values.astype(np.float64)
    radians = str(variable.attrs.get("units", "degrees")).lower().startswith("rad")
    return np.rad2deg(values) if radians else values


def _narrowed(weights: RemapWeights, dataset: xr.Dataset, path: Path) -> RemapWeights:
    """Weights for the masks of the grids, from a file that was made for wider ones."""
    same = True
    for side, grid in (("a", weights.source), ("b", weights.target)):
        there = _mask(dataset, f"mask_{side}", grid)
        lost = grid.mask.ravel() & ~there
        if lost.any():
            raise GridError(
                f"{path}: masks out {int(lost.sum())} cells that count in {grid.name}; "
                "make weights with this grid's mask"
            )
        same &= bool((there == grid.mask.ravel()).all())
    if same:
        return weights
    if weights.method is not Method.CONSERVATIVE:
        raise GridError(
            f"{path}: was made for another mask, and {weights.method} weights cannot be narrowed; "
            "make them with this grid's mask"
        )
    return _without_masked(weights)


def _without_masked(weights: RemapWeights) -> RemapWeights:
    entries = weights.matrix.tocoo()
    kept = weights.target.mask.ravel()[entries.row] & weights.source.mask.ravel()[entries.col]
    data = np.where(kept, entries.data, 0.0)
    left = np.asarray(np.bincount(entries.row, data, weights.target.size), dtype=np.float64)
    covered, overlap = left, entries.data * weights.target_areas[entries.row]
    if weights.normalisation is Normalisation.FRACAREA:
        covered = left * weights.covered
        overlap = overlap * weights.covered[entries.row]
        data = data / np.where(left > 0.0, left, 1.0)[entries.row]
    matrix = sparse.csr_array(
        (data[kept], (entries.row[kept], entries.col[kept])), shape=weights.matrix.shape
    )
    whole, part = (
        np.bincount(entries.col, area, weights.source.size) for area in (overlap, overlap * kept)
    )
    # Where areas are not known, no more than which cells are masked out.
    known = weights.source.mask.ravel().astype(np.float64)
    used = weights.used * np.divide(part, whole, out=known, where=whole > 0.0)
    return replace(weights, matrix=matrix, covered=covered, used=used)


def _mask(dataset: xr.Dataset, name: str, grid: Grid) -> BoolArray:
    values: NDArray[Any] = _on_cells(dataset, name, grid.size, 1.0)
    return values > 0.0
