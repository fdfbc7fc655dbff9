from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.errors import ForcingError
from ctsm_socnn.forcing import read_climatology


def with_carbon(change: list[float], units: str = "gC/m^2"):
    """Soil carbon of five land cells that changes by so much a year."""

    def edit(dataset):
        per_cell = np.append(np.array(change, dtype=float), np.nan).reshape(2, 3)
        year = float(dataset["time_bounds"].values[0, 0]) // 365.0
        carbon = dataset["ALTMAX"].copy(data=np.zeros(dataset["ALTMAX"].shape, dtype=np.float32))
        filled = np.nan_to_num(9000.0 + year * per_cell, nan=1e36)
        return dataset.assign(TOTSOMC=(carbon + filled).assign_attrs(units=units))

    return edit


def attributes_of(history_file, change: list[float], years: int = 3) -> dict[str, object]:
    paths = [
        history_file(f"{year}.nc", year=year, edit=with_carbon(change))
        for year in range(1, years + 1)
    ]
    return read_climatology(paths).attrs


def test_run_at_rest_is_spun_up(history_file):
    attributes = attributes_of(history_file, [0.5, -0.5, 0.0, 0.9, 0.1])
    assert attributes["spun_up"] == "yes"
    assert attributes["soil_carbon_drift"] == pytest.approx(0.2, abs=1e-3)


def test_one_drifting_cell_of_five_is_too_much(history_file):
    attributes = attributes_of(history_file, [0.0, 0.0, -4.0, 0.0, 0.0])
    assert attributes["spun_up"] == "no"
    assert attributes["drifting_land_share"] == pytest.approx(0.2)


def test_land_without_carbon_does_not_count(history_file):
    attributes = attributes_of(history_file, [np.nan, np.nan, np.nan, 0.0, 4.0])
    assert attributes["drifting_land_share"] == pytest.approx(0.5)


def test_one_year_tells_nothing(history_file):
    assert attributes_of(history_file, [9.0] * 5, years=1)["spun_up"].startswith("unknown")


def test_part_of_a_year_does_not_count(history_file):
    """A record that begins in July and ends in June has whole years between."""
    edit = with_carbon([-0.5] * 5)
    months = {1: range(7, 13), 2: range(1, 13), 3: range(1, 13), 4: range(1, 7)}
    paths = [history_file(f"{year}.nc", year, held, edit) for year, held in months.items()]
    attributes = read_climatology(paths).attrs
    assert attributes["soil_carbon_drift"] == pytest.approx(-0.5, abs=1e-3)
    assert attributes["spun_up"] == "yes"
    attributes = read_climatology(paths[:2]).attrs
    assert attributes["spun_up"].startswith("unknown")


def test_carbon_in_kilograms_is_refused(history_file):
    path = history_file(edit=with_carbon([0.0] * 5, units="kgC/m^2"))
    with pytest.raises(ForcingError, match="TOTSOMC is in 'kgC m-2'; it must be in 'gC m-2'"):
        read_climatology([path])
