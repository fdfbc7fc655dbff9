"""What holds for weights between any two grids of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctsm_socnn.regrid.geometry import Grid, rectilinear_grid
from ctsm_socnn.regrid.rectilinear import conservative_weights
from ctsm_socnn.regrid.weights import Normalisation


@st.composite
def _grids(draw: st.DrawFn) -> Grid:
    """Regional or global boxes of uneven size, in any order and convention, partly masked."""
    n_lon, n_lat = draw(st.integers(1, 12)), draw(st.integers(1, 9))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    west = draw(st.floats(-400.0, 400.0))
    extent = 360.0 if draw(st.booleans()) and n_lon > 2 else draw(st.floats(1.0, 150.0))
    lon = west + extent * np.append(0.0, np.cumsum(_shares(rng, n_lon)))
    south, north = sorted(rng.uniform(-90.0, 90.0, 2))
    south, north = (-90.0, 90.0) if draw(st.booleans()) else (south, north + 0.01)
    lat = np.clip(south + (north - south) * np.append(0.0, np.cumsum(_shares(rng, n_lat))), -90, 90)
    lon_bounds, lat_bounds = (np.stack([e[:-1], e[1:]], axis=1) for e in (lon, lat))
    if draw(st.booleans()):
        lat_bounds = lat_bounds[::-1]
    return rectilinear_grid(
        "any",
        (lon_bounds.mean(axis=1) + 180.0) % 360.0 - 180.0,
        lat_bounds.mean(axis=1),
        lon_bounds=lon_bounds,
        lat_bounds=lat_bounds,
        mask=rng.random((n_lat, n_lon)) < draw(st.sampled_from([0.5, 1.0])),
    )


def _shares(rng: np.random.Generator, n: int) -> np.ndarray:
    sizes = rng.uniform(0.5, 1.5, n)
    return np.asarray(sizes / sizes.sum())


@settings(max_examples=150, deadline=None)
@given(_grids(), _grids(), st.integers(0, 2**32 - 1))
def test_constants_integrals_and_ranges(source: Grid, target: Grid, seed: int) -> None:
    fracarea = conservative_weights(source, target)
    dstarea = conservative_weights(source, target, Normalisation.DSTAREA)
    field = np.random.default_rng(seed).normal(size=source.size)
    reached = fracarea.reached(0.0)

    np.testing.assert_allclose(fracarea.apply(np.full(source.size, 2.5))[reached], 2.5, rtol=1e-12)
    assert (fracarea.matrix.data > 0.0).all()
    assert fracarea.covered.max(initial=0.0) <= 1.0 + 1e-9
    assert fracarea.used.max(initial=0.0) <= 1.0 + 1e-9
    moved = fracarea.apply(field)[reached]
    assert (
        moved.size == 0 or field.min() - 1e-12 <= moved.min() <= moved.max() <= field.max() + 1e-12
    )

    given_out = (source.box_areas() * dstarea.used * field).sum()
    scale = source.box_areas().sum() * np.abs(field).max()
    for taken in (
        np.nansum(target.box_areas() * dstarea.apply(field)),
        np.nansum(target.box_areas() * fracarea.covered * fracarea.apply(field)),
    ):
        assert taken == pytest.approx(given_out, abs=1e-12 * scale)


@settings(max_examples=60, deadline=None)
@given(_grids())
def test_a_grid_onto_itself_changes_nothing(grid: Grid) -> None:
    weights = conservative_weights(grid, grid)
    field = np.arange(float(grid.size))
    result = weights.apply(field, 0.01)
    kept = grid.mask.ravel()
    np.testing.assert_allclose(result[kept], field[kept], atol=1e-9 * grid.size)
    assert np.isnan(result[~kept]).all()
