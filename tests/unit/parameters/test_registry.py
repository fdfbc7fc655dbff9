from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    PARAMETERS,
    clm5_defaults,
    lower_bounds,
    parameter,
    to_physical,
    to_unit,
    upper_bounds,
)


def test_there_are_21_parameters_with_distinct_names() -> None:
    assert len(PARAMETERS) == len(set(PARAMETER_NAMES)) == 21


def test_turnover_times_are_those_in_years() -> None:
    assert [p.name for p in PARAMETERS if p.is_turnover_time] == [
        p.name for p in PARAMETERS if p.units == "yr"
    ]


def test_unit_cube_and_physical_values_are_inverse() -> None:
    unit = np.linspace(0.0, 1.0, 21)
    np.testing.assert_allclose(to_unit(to_physical(unit)), unit, atol=1e-15)
    np.testing.assert_array_equal(to_physical(np.zeros(21)), lower_bounds())
    np.testing.assert_allclose(to_physical(np.ones(21)), upper_bounds(), rtol=1e-15)


def test_defaults_outside_the_published_bounds_are_the_known_ones() -> None:
    unit = to_unit(clm5_defaults())
    outside = {n for n, u in zip(PARAMETER_NAMES, unit, strict=True) if not 0 <= u <= 1}
    assert outside == {"efolding", "fs1s2"}


def test_sand_sets_the_fractions_out_of_the_active_pool() -> None:
    defaults = clm5_defaults([0.0, 100.0])
    s2, s3 = PARAMETER_NAMES.index("fs1s2"), PARAMETER_NAMES.index("fs1s3")
    np.testing.assert_allclose(defaults[:, s2], [1 - 0.17 - 0.004, 1 - 0.85 - 0.004], rtol=1e-12)
    np.testing.assert_allclose(defaults[:, s3], 0.004)
    np.testing.assert_array_equal(clm5_defaults([50.0])[0], clm5_defaults())


def test_unknown_names_are_refused() -> None:
    assert parameter("tau_s3").units == "yr"
    with pytest.raises(ConfigError, match="unknown parameter 'tau_x'"):
        parameter("tau_x")


@pytest.mark.real_data
def test_bounds_are_those_of_the_published_code(shared_data: Path) -> None:
    with netCDF4.Dataset(shared_data / "golden" / "golden_proda_public.nc") as golden:
        np.testing.assert_allclose(lower_bounds(), golden["param_lower"][:], rtol=1e-12)
        np.testing.assert_allclose(upper_bounds(), golden["param_upper"][:], rtol=1e-12)
