from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.geometry import Grid, cell_grid, rectilinear_grid
from ctsm_socnn.regrid.grids import cesm_grid
from ctsm_socnn.regrid.rectilinear import conservative_weights
from ctsm_socnn.regrid.weights import Normalisation

LARGEST_DIFFERENCE = {
    "conus05_to_f09": 0.0039,
    "conus05_to_conus0125": 0.0019,
    "global2_to_f19": 0.0060,
    "f19_to_f45": 0.0144,
}
"""Of FRACAREA weights from those of ESMF, whose edges are great circles; to four decimals."""


@pytest.mark.parametrize("pair", LARGEST_DIFFERENCE)
def test_same_cells_and_nearly_the_same_weights_as_esmpy(
    pair: str, golden: Callable[[str], Any]
) -> None:
    reference = golden(pair)
    weights = conservative_weights(reference.source, reference.target)
    expected, group = reference.method("conserve_fracarea")
    covered = (group["dst_frac"].values.ravel() >= 0.01) & (np.diff(expected.indptr) > 0)
    assert (weights.reached(0.01) == covered).all()
    largest = abs((weights.matrix - expected)[covered]).max()
    assert 0.0 < round(float(largest), 4) <= LARGEST_DIFFERENCE[pair]


def _overlap(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Overlap of every pair of intervals, shape (target, source)."""
    lower = np.maximum(target[:, None, 0], source[None, :, 0])
    upper = np.minimum(target[:, None, 1], source[None, :, 1])
    return np.clip(upper - lower, 0.0, None)


@pytest.mark.parametrize("pair", LARGEST_DIFFERENCE)
def test_weights_are_the_exact_overlaps_of_boxes(pair: str, golden: Callable[[str], Any]) -> None:
    """So that what is left against ESMPy is the bulge of great circles and nothing of ours."""
    reference = golden(pair)
    weights = conservative_weights(reference.source, reference.target)
    (source_lon, source_lat), (target_lon, target_lat) = (
        grid.bounds() for grid in (reference.source, reference.target)
    )
    along = _overlap(np.sin(np.deg2rad(target_lat)), np.sin(np.deg2rad(source_lat)))
    across = sum(_overlap(target_lon, source_lon + turn) for turn in (-360.0, 0.0, 360.0))
    masks = [sparse.diags_array(g.mask.ravel() * 1.0) for g in (reference.target, reference.source)]
    area = sparse.csr_array(masks[0] @ sparse.kron(along, across, format="csr") @ masks[1])
    total = np.asarray(area.sum(axis=1)).ravel()
    reached = total > 1e-9
    expected = sparse.diags_array(1.0 / np.where(reached, total, 1.0)) @ area
    assert abs((weights.matrix - expected)[reached]).max() < 1e-11
    assert (reached == (weights.covered > 1e-9)).all()


@pytest.mark.parametrize("pair", LARGEST_DIFFERENCE)
def test_constants_and_integrals_are_exact(pair: str, golden: Callable[[str], Any]) -> None:
    reference = golden(pair)
    source, target = reference.source, reference.target
    fracarea = conservative_weights(source, target)
    constant = fracarea.apply(np.full(source.size, 7.25))
    np.testing.assert_allclose(constant[fracarea.reached(0.0)], 7.25, rtol=1e-12)

    dstarea = conservative_weights(source, target, Normalisation.DSTAREA)
    field = np.where(source.mask.ravel(), reference.field, np.nan)
    given = np.nansum(source.box_areas() * dstarea.used * field)
    taken = np.nansum(target.box_areas() * dstarea.apply(field))
    assert taken == pytest.approx(given, rel=1e-12)
    again = np.nansum(target.box_areas() * fracarea.covered * fracarea.apply(field))
    assert again == pytest.approx(given, rel=1e-12)


def test_whole_globe_is_covered_exactly_once(two_degrees: Grid) -> None:
    weights = conservative_weights(two_degrees, cesm_grid("f19"))
    np.testing.assert_allclose(weights.covered, 1.0, rtol=1e-12)
    np.testing.assert_allclose(weights.used, 1.0, rtol=1e-12)


def _field(grid: Grid) -> np.ndarray:
    lon, lat = (np.deg2rad(x) for x in grid.centres())
    return np.asarray(2.0 + np.cos(lat) * np.sin(lon))


def _reordered(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Weights from a grid written in some order to f45, applied to a field."""
    source = rectilinear_grid("source", lon, lat)
    return conservative_weights(source, cesm_grid("f45")).apply(_field(source), 0.01)


def test_order_and_convention_of_the_axes_do_not_matter() -> None:
    lon, lat = np.arange(150.5, 210.0), np.arange(-29.5, 30.0)
    expected = _reordered(lon, lat)
    assert np.isfinite(expected).sum() == 13 * 16
    for other_lon in ((lon + 180.0) % 360.0 - 180.0, lon - 720.0, lon[::-1]):
        np.testing.assert_allclose(_reordered(other_lon, lat[::-1]), expected, rtol=1e-12)


def test_masked_cells_neither_give_nor_take(two_degrees: Grid) -> None:
    target = cesm_grid("f45")
    lon, _ = two_degrees.centres()
    source = two_degrees.with_mask(lon < 180.0)
    target = target.with_mask(target.centres()[1] > 0.0)
    weights = conservative_weights(source, target)
    field = np.where(source.mask.ravel(), 1.0, np.nan)
    result = weights.apply(field, 0.01)
    target_lon, target_lat = target.centres()
    assert np.isfinite(result[(target_lon > 5.0) & (target_lon < 175.0) & (target_lat > 0.0)]).all()
    assert np.isnan(result[(target_lon > 185.0) | (target_lat <= 0.0)]).all()


def test_boxes_with_gaps_between_them() -> None:
    lon_bounds = [[0.0, 1.0], [2.0, 3.0]]
    lat_bounds = [[10.0, 11.0]]
    gaps = rectilinear_grid(
        "gaps", [0.5, 2.5], [10.5], lon_bounds=lon_bounds, lat_bounds=lat_bounds
    )
    wide = rectilinear_grid(
        "wide", [1.5], [10.5], lon_bounds=[[0.0, 3.0]], lat_bounds=[[10.0, 11.0]]
    )
    weights = conservative_weights(gaps, wide)
    np.testing.assert_allclose(weights.matrix.toarray(), [[0.5, 0.5]], rtol=1e-12)
    assert weights.covered[0] == pytest.approx(2.0 / 3.0, rel=1e-12)


def test_other_grids_are_refused(two_degrees: Grid) -> None:
    cells = cell_grid("cells", [0.5], [0.5], corner_lon=[[0, 1, 0]], corner_lat=[[0, 0, 1]])
    with pytest.raises(GridError, match="cells: is unstructured"):
        conservative_weights(two_degrees, cells)


def test_weights_of_an_eighth_of_a_degree_to_f09_are_sparse() -> None:
    conus = rectilinear_grid("conus", np.arange(-125.0, -66.0, 0.125), np.arange(24.0, 50.0, 0.125))
    weights = conservative_weights(conus, cesm_grid("f09"))
    assert isinstance(weights.matrix, sparse.csr_array)
    assert conus.size < weights.matrix.nnz < 2 * conus.size
