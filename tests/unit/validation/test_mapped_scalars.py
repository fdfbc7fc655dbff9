import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.export.gridded import write_gridded_parameters
from ctsm_socnn.forcing.land_grid import LandGrid
from ctsm_socnn.parameters.ctsm_versions import resolve_version
from ctsm_socnn.validation.mapped_scalars import MappedScalars

PARAMFILE = {"q10": 1.5, "froz_q10": 1.25}


def _factor(temperature: float, water: float, **maps: float) -> float:
    """Factor of one cell whose maps hold these values."""
    arrays = {
        name: np.array([maps[name]]) if name in maps else None
        for name in ("q10", "froz_q10", "w_scaling")
    }
    mapped = MappedScalars({}, **arrays)
    found = mapped.environment_factor(np.array([temperature]), np.array([water]), PARAMFILE)
    return float(found[0])


def test_another_q10_changes_rates_by_the_distance_from_15_degrees():
    # 10 degrees above the reference of 15 degC at which the normalisation keeps rates as they are.
    assert _factor(298.15, 0.5, q10=3.0) == pytest.approx(2.0)
    assert _factor(288.15, 0.5, q10=3.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("maps", "frozen"),
    [({"q10": 3.0}, 2.0), ({"q10": 3.0, "froz_q10": 5.0}, 4.0)],
)
def test_below_freezing_the_frozen_q10_counts_from_the_freezing_point(maps, frozen):
    at_freezing = 2.0**-1.5
    assert _factor(273.15, 0.5, **maps) == pytest.approx(at_freezing)
    assert _factor(263.15, 0.5, **maps) == pytest.approx(at_freezing / frozen)


def test_water_is_scaled_up_to_saturation():
    assert _factor(280.0, 0.4, w_scaling=2.0) == pytest.approx(2.0)
    assert _factor(280.0, 0.8, w_scaling=2.0) == pytest.approx(1.25)
    assert _factor(280.0, 0.0, w_scaling=2.0) == 1.0


def test_what_leaves_the_slow_pool_and_is_not_passed_on_is_respired(tmp_path):
    places = {"lat": [10.0, 20.0], "lon": [5.0, 6.0]}
    maps = {"fs2s1": np.array([[0.4, 0.3], [0.2, 0.1]]), "fs2s3": np.full((2, 2), 0.03)}
    fields = {name: (("lat", "lon"), values) for name, values in maps.items()}
    dataset = xr.Dataset(fields, places, {"turnover_time_convention": "unnormalised"})
    write_gridded_parameters(dataset, tmp_path / "maps.nc", "ctsm5.4")
    lat, lon = np.array(places["lat"]), np.array(places["lon"])
    grid = LandGrid(("lat", "lon"), lat, lon, np.array([0, 3]))
    found = MappedScalars.read(tmp_path / "maps.nc", resolve_version("ctsm5.4"), grid).by_item
    np.testing.assert_allclose(found["rf_s2s1"], [0.57, 0.87])
    np.testing.assert_allclose(found["rf_s2s3"], [0.57, 0.87])
