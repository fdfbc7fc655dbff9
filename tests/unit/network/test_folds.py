from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.folds import (
    FOLD_KINDS,
    FoldKind,
    block_folds,
    hold_out,
    location_folds,
    location_groups,
    make_folds,
    region_folds,
)


def at(lon: list[float], lat: list[float]) -> xr.Dataset:
    return xr.Dataset({"lon": ("site", np.array(lon)), "lat": ("site", np.array(lat))})


def test_equal_and_near_positions_are_one_location() -> None:
    # 1e-4 degrees of latitude are 11 m, 1e-2 are 1.1 km.
    groups = location_groups(at([10.0, 10.0, 10.0, 10.0], [50.0, 50.0, 50.0001, 50.01]))
    assert groups[0] == groups[1] == groups[2]
    assert groups[3] != groups[0]


def test_a_hundred_metres_divide_locations() -> None:
    # 78 m and 144 m of latitude.
    groups = location_groups(at([10.0, 10.0, 20.0, 20.0], [50.0, 50.0007, 50.0, 50.0013]))
    assert groups[0] == groups[1]
    assert groups[2] != groups[3]


def test_positions_across_the_date_line_are_near() -> None:
    groups = location_groups(at([179.9999, -179.9999, 359.9999, -0.0001], [0.0, 0.0, 0.0, 0.0]))
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert groups[0] != groups[2]


def test_no_location_is_split_between_folds() -> None:
    generator = np.random.default_rng(0)
    lon = np.repeat(generator.uniform(0, 10, 30), 3)
    lat = np.repeat(generator.uniform(40, 50, 30), 3)
    sites = at(lon.tolist(), lat.tolist())
    fold = location_folds(sites, 5, seed=1)
    assert (fold.reshape(30, 3) == fold.reshape(30, 3)[:, :1]).all()
    assert np.bincount(fold).tolist() == [18] * 5


@pytest.mark.parametrize("kind", FOLD_KINDS)
def test_a_location_on_an_edge_is_in_one_fold(kind: FoldKind) -> None:
    # Pairs 43 m apart along two parallels, closer than blocks or regions are to each other.
    west = np.arange(0.0, 1.0, 0.0025)
    lon = np.column_stack([west, west + 0.0006]).ravel()
    sites = at(lon.tolist(), [50.0] * lon.size)
    fold = make_folds(sites, kind, 8, seed=0, block_km=1.0)
    np.testing.assert_array_equal(fold[::2], fold[1::2])


def test_blocks_do_not_depend_on_how_longitude_is_counted() -> None:
    generator = np.random.default_rng(6)
    lon, lat = generator.uniform(-90.0, -70.0, 200), generator.uniform(30.0, 50.0, 200)
    east = at((lon % 360.0).tolist(), lat.tolist())
    fold = block_folds(at(lon.tolist(), lat.tolist()), 4, block_km=100.0, seed=0)
    np.testing.assert_array_equal(block_folds(east, 4, block_km=100.0, seed=0), fold)


def test_folds_follow_the_seed() -> None:
    sites = at(np.linspace(0, 30, 40).tolist(), [45.0] * 40)
    one, same, other = (location_folds(sites, 4, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_fewer_locations_than_folds_is_an_error() -> None:
    with pytest.raises(NetworkError, match="make 2 locations, fewer than 3 folds"):
        location_folds(at([0.0, 0.0, 9.0], [1.0, 1.0, 1.0]), 3, seed=0)


def test_blocks_are_not_split() -> None:
    generator = np.random.default_rng(3)
    sites = at(generator.uniform(0, 5, 300).tolist(), generator.uniform(40, 45, 300).tolist())
    fold = block_folds(sites, 4, block_km=100.0, seed=0)
    assert set(fold) == {0, 1, 2, 3}
    # Two sites a kilometre apart are in one block unless its edge runs between them.
    near = location_groups(sites, separation_km=3.0)
    shared = [len(set(fold[near == label])) == 1 for label in np.unique(near)]
    assert np.mean(shared) > 0.8


def test_blocks_are_as_wide_as_they_are_high_at_high_latitude() -> None:
    # 17 degrees of longitude at 60 degrees north are 950 km.
    sites = at(np.linspace(0.0, 17.0, 400).tolist(), [60.0] * 400)
    with pytest.raises(NetworkError, match="400 sites make 10 blocks of 100 km"):
        block_folds(sites, 50, block_km=100.0, seed=0)
    # 17 degrees of latitude are 1890 km.
    sites = at([5.0] * 400, np.linspace(0.0, 17.0, 400).tolist())
    with pytest.raises(NetworkError, match="400 sites make 19 blocks of 100 km"):
        block_folds(sites, 50, block_km=100.0, seed=0)


def test_regions_are_contiguous() -> None:
    lon = [*np.linspace(0, 1, 20), *np.linspace(50, 51, 20)]
    fold = region_folds(at(lon, [45.0] * 40), 2, seed=0)
    assert len(set(fold[:20])) == len(set(fold[20:])) == 1
    assert fold[0] != fold[20]


def test_more_regions_than_locations_is_an_error() -> None:
    with pytest.raises(NetworkError, match="2 locations cannot be divided into 3 regions"):
        region_folds(at([0.0, 0.0, 9.0], [1.0, 1.0, 1.0]), 3, seed=0)


@pytest.mark.parametrize("kind", FOLD_KINDS)
@pytest.mark.parametrize("folds", [1, 0, -1])
def test_fewer_than_two_folds_are_an_error(kind: FoldKind, folds: int) -> None:
    with pytest.raises(NetworkError, match=f"folds: {folds} asked for.*; ask for 2 or more"):
        make_folds(at([0.0, 3.0, 9.0], [1.0, 1.0, 1.0]), kind, folds, seed=0, block_km=20.0)


@pytest.mark.parametrize("side", [0.0, -5.0, float("nan"), float("inf")])
def test_a_block_has_a_side(side: float) -> None:
    with pytest.raises(NetworkError, match=f"blocks of {side:g} km .* above 0 km"):
        block_folds(at([0.0, 3.0, 9.0], [1.0, 1.0, 1.0]), 2, side, seed=0)


def test_hold_out_takes_whole_groups_and_leaves_some() -> None:
    groups = np.repeat(np.arange(20), 3)
    held = hold_out(groups, 0.2, np.random.default_rng(0))
    assert held.sum() == 12
    assert (held.reshape(20, 3) == held.reshape(20, 3)[:, :1]).all()
    assert not hold_out(groups, 0.99, np.random.default_rng(0)).all()


def test_one_location_cannot_be_divided() -> None:
    with pytest.raises(NetworkError, match="all training sites are at one location"):
        hold_out(np.zeros(5, dtype=np.intp), 0.2, np.random.default_rng(0))
