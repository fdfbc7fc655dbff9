from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.fill import Fill, FillFlag, plan_fill
from ctsm_socnn.regrid.geometry import cell_grid, polygon_areas, rectilinear_grid
from ctsm_socnn.regrid.grids import cesm_grid
from ctsm_socnn.regrid.nearest import nearest_weights

GRID = rectilinear_grid(
    "six",
    [0.5, 1.5, 2.5],
    [0.5, 60.5],
    lat_bounds=[[0, 1], [60, 61]],
    mask=[[1, 1, 1], [1, 0, 1]],
)
COVERED = np.array([True, False, False, False, False, True])
VALUES = np.array([1.0, np.nan, np.nan, np.nan, np.nan, 6.0])


def test_nearest_fills_land_only_and_says_so() -> None:
    plan = plan_fill(GRID, COVERED, Fill.NEAREST)
    np.testing.assert_array_equal(plan.apply(VALUES), [1.0, 1.0, 1.0, 6.0, np.nan, 6.0])
    assert plan.flag.tolist() == [0, 1, 1, 1, FillFlag.NO_LAND, 0]


def test_nearest_is_measured_on_the_sphere() -> None:
    """Near the pole a cell on the other side is nearer than one far along the same parallel."""
    grid = rectilinear_grid("cap", np.arange(0.0, 360.0, 10.0), [60.0, 70.0, 80.0, 88.0])
    covered = np.zeros(grid.shape, dtype=bool)
    covered[3, 18] = covered[1, 0] = True
    plan = plan_fill(grid, covered.ravel(), Fill.NEAREST)
    values = np.where(covered, np.arange(36.0), np.nan).ravel()
    filled = plan.apply(values).reshape(grid.shape)
    assert filled[3, 0] == 18.0
    assert filled[0, 0] == 0.0


def test_biome_takes_the_area_mean_of_the_biome() -> None:
    grid = rectilinear_grid("column", [0.5, 1.5], [0.5, 60.5], lat_bounds=[[0, 1], [60, 61]])
    biomes = np.array([4, 4, 4, 7])
    covered = np.array([True, False, True, False])
    plan = plan_fill(grid, covered, Fill.BIOME, biomes)
    areas = grid.box_areas()
    mean = (1.0 * areas[0] + 3.0 * areas[2]) / (areas[0] + areas[2])
    filled = plan.apply(np.array([1.0, np.nan, 3.0, np.nan]))
    np.testing.assert_allclose(filled, [1.0, mean, 3.0, 3.0], rtol=1e-14)
    assert plan.flag.tolist() == [0, FillFlag.BIOME, 0, FillFlag.NEAREST]


def test_a_cell_without_a_biome_takes_the_nearest() -> None:
    biomes = np.array([-1, 4, -1, 4, 4, -1])
    plan = plan_fill(GRID, COVERED, Fill.BIOME, biomes)
    filled = plan.apply(VALUES)
    np.testing.assert_array_equal(filled, [1.0, 1.0, 1.0, 6.0, np.nan, 6.0])
    assert plan.flag[[1, 2, 3]].tolist() == [FillFlag.NEAREST] * 3


def test_fields_may_have_more_dimensions() -> None:
    plan = plan_fill(GRID, COVERED, Fill.NEAREST)
    stack = np.stack([VALUES, 2.0 * VALUES], axis=1)[:, :, None]
    assert plan.apply(stack).shape == (6, 2, 1)
    np.testing.assert_array_equal(plan.apply(stack)[1, :, 0], [1.0, 2.0])


def test_gaps_may_stay() -> None:
    plan = plan_fill(GRID, COVERED, Fill.NONE)
    np.testing.assert_array_equal(plan.apply(VALUES), VALUES)
    assert (plan.flag == FillFlag.GAP).sum() == 3


def test_nothing_to_fill_from() -> None:
    with pytest.raises(GridError, match=r"no cell has data.*same region"):
        plan_fill(GRID, np.zeros(6, dtype=bool), Fill.NEAREST)


def test_biomes_must_be_given() -> None:
    with pytest.raises(GridError, match="needs a biome for each of its 6 cells"):
        plan_fill(GRID, COVERED, Fill.BIOME)


def test_nearest_weights_skip_masked_cells() -> None:
    source, target = cesm_grid("f45"), cesm_grid("f10")
    lon, lat = source.centres()
    source = source.with_mask(lon < 180.0)
    target = target.with_mask(target.centres()[1] > 0.0)
    weights = nearest_weights(source, target)
    moved = weights.apply(np.where(source.mask.ravel(), lat, np.nan))
    assert np.isnan(moved).sum() == (~target.mask).sum()
    np.testing.assert_array_equal(weights.used, weights.matrix.sum(axis=0) > 0.0)
    target_lon, target_lat = target.centres()
    facing = (target_lon <= 180.0) & (target_lat > 0.0)
    assert np.abs(moved - target_lat)[facing].max() <= 2.0


def test_nearest_cells_far_away_do_not_count_as_covered() -> None:
    source = rectilinear_grid("region", np.arange(0.5, 10.0), np.arange(0.5, 10.0))
    target = rectilinear_grid("row", np.arange(0.0, 40.0, 2.0), [5.0], lat_bounds=[[4.0, 6.0]])
    weights = nearest_weights(source, target)
    within = target.lon <= 10.0
    np.testing.assert_array_equal(weights.reached(0.01), within)
    assert weights.reached(0.0).all()


def test_points_reach_as_far_as_their_neighbour() -> None:
    source = cell_grid("points", [0.0, 4.0, 5.0], [0.0, 0.0, 0.0])
    target = cell_grid("there", [3.9, -3.0, 6.5], [0.0, 0.0, 0.0])
    assert nearest_weights(source, target).covered.tolist() == [1.0, 1.0, 0.0]


def test_biomes_of_cells_of_any_shape_are_area_means() -> None:
    west, east, south, north = (
        np.array(v, dtype=float) for v in ([0, 10, 20], [10, 20, 30], [0, 0, 0], [10, 30, 10])
    )
    grid = cell_grid(
        "cells",
        0.5 * (west + east),
        0.5 * (south + north),
        corner_lon=np.stack([west, east, east, west], axis=1),
        corner_lat=np.stack([south, south, north, north], axis=1),
    )
    covered = np.array([True, True, False])
    plan = plan_fill(grid, covered, Fill.BIOME, np.zeros(3, dtype=int))
    areas = polygon_areas(*grid.corners())[:2]
    filled = plan.apply(np.array([1.0, 2.0, np.nan]))
    np.testing.assert_allclose(filled[2], np.average([1.0, 2.0], weights=areas), rtol=1e-14)
    assert filled[2] > 1.7
