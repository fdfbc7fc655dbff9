from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from ctsm_socnn.observations.coastline import coastline, draw_coastline, in_sea

ON_LAND = {
    "Ithaca": (-76.5, 42.44),
    "Ithaca, counted from 0": (283.5, 42.44),
    "Oahu, an island": (-157.97, 21.47),
    "Lake Superior, a lake": (-87.5, 47.7),
    "Chukotka, just west of the date line": (179.95, 67.5),
    "Chukotka, just east of the date line": (-179.95, 67.5),
    "Antarctica": (106.8, -78.46),
    "the South Pole": (0.0, -89.99),
}
IN_SEA = {
    "Gulf of Guinea, where latitude and longitude are zero": (0.0, 0.0),
    "Pacific, 50 km off California": (-121.4, 35.3),
    "Black Sea, within Eurasia": (34.0, 43.0),
    "Hudson Bay": (275.0, 60.0),
    "Ross Sea, near the date line": (-179.9, -72.0),
}


@pytest.mark.parametrize(("lon", "lat"), ON_LAND.values(), ids=ON_LAND)
def test_land_is_not_sea(lon, lat):
    assert not in_sea(np.array([lon]), np.array([lat]))


@pytest.mark.parametrize(("lon", "lat"), IN_SEA.values(), ids=IN_SEA)
def test_sea_is_found(lon, lat):
    assert in_sea(np.array([lon]), np.array([lat]))


@pytest.mark.parametrize(("km", "expected"), [(15.0, False), (25.0, True)])
def test_points_near_a_coast_are_let_pass(km, expected):
    """Off the straight coast of Landes, which runs from south to north at 1.28 degrees west."""
    lat = np.array([44.5])
    lon = -1.28 - km / 111.2 / np.cos(np.radians(lat))
    assert in_sea(lon, lat) == expected


def test_unknown_places_are_not_in_the_sea():
    nan = np.nan
    found = in_sea(np.array([nan, -30.0, nan, -30.0]), np.array([40.0, 40.0, nan, nan]))
    assert found.tolist() == [False, True, False, False]


def test_a_share_of_the_globe_is_land_whatever_the_order():
    rng = np.random.default_rng(0)
    lon = rng.uniform(-180.0, 180.0, 20_000)
    lat = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, lon.size)))
    sea = in_sea(lon, lat)
    assert sea.mean() == pytest.approx(0.69, abs=0.01)
    np.testing.assert_array_equal(in_sea(lon[::-1] % 360.0, lat[::-1]), sea[::-1])


def test_the_coastline_has_no_line_across_the_map():
    lines = coastline()
    assert len(lines) > 100
    points = np.concatenate(lines)
    assert np.abs(points[:, 0]).max() <= 180.0
    assert np.abs(points[:, 1]).max() <= 90.0
    north = [line[line[:, 1] > -85.0] for line in lines]  # Antarctica's closes at the pole
    assert max(np.abs(np.diff(line[:, 0])).max(initial=0.0) for line in north) < 30.0


@pytest.mark.parametrize("limits", [(-10.0, 10.0), (350.0, 370.0), (0.0, 360.0)])
def test_the_coastline_is_drawn_in_either_count_of_longitude_and_keeps_the_limits(limits):
    axis = Figure().subplots()
    axis.set_xlim(*limits)
    axis.set_ylim(35.0, 60.0)
    draw_coastline(axis)
    assert axis.get_xlim() == limits
    drawn = np.concatenate([path.vertices for path in axis.collections[0].get_paths()])
    inside = (drawn[:, 0] > limits[0]) & (drawn[:, 0] < limits[1])
    assert (inside & (drawn[:, 1] > 35.0) & (drawn[:, 1] < 60.0)).sum() > 20
