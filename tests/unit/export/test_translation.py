from __future__ import annotations

import numpy as np
import pytest

from ctsm_socnn.errors import ExportError
from ctsm_socnn.export.translation import (
    WaterLimits,
    checked_values,
    shortest_turnover_time,
    translate,
)
from ctsm_socnn.parameters import PARAMETER_NAMES, TurnoverConvention, century_normalisation
from ctsm_socnn.parameters.ctsm_versions import resolve_version

WATER = WaterLimits(-2.0, -0.002)
UNNORMALISED = TurnoverConvention.UNNORMALISED


def with_value(values: np.ndarray, **changes: float) -> np.ndarray:
    changed = values.copy()
    for name, value in changes.items():
        changed[PARAMETER_NAMES.index(name)] = value
    return changed


def value_of(values: np.ndarray, name: str) -> float:
    return float(values[PARAMETER_NAMES.index(name)])


def test_conversions(values: np.ndarray) -> None:
    values = with_value(values, w_scaling=1.0)
    scalars = translate(values, UNNORMALISED, resolve_version("ctsm5.4"), WATER).scalars
    q10 = value_of(values, "q10")
    factor = float(century_normalisation(q10))
    expected = {
        "som_diffus": value_of(values, "diffus") / 31536000.0,
        "cryoturb_diffusion_k": value_of(values, "cryo") / 31536000.0,
        "q10": q10,
        "froz_q10": q10,
        "decomp_depth_efolding": value_of(values, "efolding"),
        "tau_cwd": value_of(values, "tau_cwd") * factor,
        "tau_l1": value_of(values, "tau_l1") * factor,
        "tau_l2_l3": value_of(values, "tau_l2") * factor,
        "tau_s1": value_of(values, "tau_s1") * factor,
        "tau_s2": value_of(values, "tau_s2") * factor,
        "tau_s3": value_of(values, "tau_s3") * factor,
        "rf_l1s1": 1 - value_of(values, "fl1s1"),
        "rf_l2s1": 1 - value_of(values, "fl2s1"),
        "rf_l3s2": 1 - value_of(values, "fl3s2"),
        "rf_s3s1": 1 - value_of(values, "fs3s1"),
        "rf_s2s1": 1 - value_of(values, "fs2s1") * 0.45 / 0.42,
        "rf_s2s3": 1 - value_of(values, "fs2s3") * 0.45 / 0.03,
        "cwd_fcel": value_of(values, "fcwdl2"),
        "cwd_flig": 1 - value_of(values, "fcwdl2"),
        "rf_cwdl2": 0.0,
        "rf_cwdl3": 0.0,
        "maxpsi_hr": -0.002,
    }
    assert scalars.keys() == expected.keys()
    for key, value in expected.items():
        assert scalars[key] == pytest.approx(value, rel=1e-14, abs=1e-30), key


def test_normalised_turnover_times_stay(values: np.ndarray) -> None:
    values = with_value(values, w_scaling=1.0)
    version = resolve_version("ctsm5.4")
    result = translate(values, TurnoverConvention.CENTURY_NORMALISED, version, WATER)
    assert result.scalars["tau_s2"] == value_of(values, "tau_s2")


@pytest.mark.parametrize("scaling", [1.0, 1.7, 5.0])
def test_scaling_above_one_raises_the_water_scalar_by_it(
    values: np.ndarray, scaling: float
) -> None:
    """W' = min(1, s W) for CTSM's logarithmic water scalar."""
    values = with_value(values, w_scaling=scaling)
    scalars = translate(values, UNNORMALISED, resolve_version("ctsm5.4"), WATER).scalars

    def scalar(psi: np.ndarray, maxpsi: float) -> np.ndarray:
        return np.log(-2.0 / np.minimum(psi, maxpsi)) / np.log(-2.0 / maxpsi)

    psi = -np.geomspace(1e-4, 2.0, 50)
    stock, new = scalar(psi, -0.002), scalar(psi, scalars["maxpsi_hr"])
    np.testing.assert_allclose(new, np.minimum(1.0, scaling * stock), rtol=1e-12, atol=1e-14)


def test_scaling_below_one_goes_through_turnover_times(values: np.ndarray) -> None:
    version = resolve_version("ctsm5.4")
    full = translate(with_value(values, w_scaling=1.0), UNNORMALISED, version, WATER).scalars
    half = translate(with_value(values, w_scaling=0.5), UNNORMALISED, version, WATER).scalars
    for key in ("tau_cwd", "tau_l1", "tau_l2_l3", "tau_s1", "tau_s2", "tau_s3"):
        assert half[key] == pytest.approx(2.0 * full[key], rel=1e-15)
    assert "maxpsi_hr" not in half


def test_clm50_reports_scaling_below_one(values: np.ndarray) -> None:
    version = resolve_version("release-clm5.0")
    result = translate(with_value(values, w_scaling=0.5), UNNORMALISED, version, WATER)
    assert "w_scaling" in [entry.parameter for entry in result.not_delivered]
    assert not {"tau_s1", "som_diffus"} & set(result.scalars)


def test_large_fs2s3_is_cut_and_reported(values: np.ndarray) -> None:
    version = resolve_version("ctsm5.4")
    result = translate(with_value(values, fs2s3=0.08), UNNORMALISED, version, WATER)
    assert result.scalars["rf_s2s3"] == 0.0
    lost = {entry.parameter: entry for entry in result.not_delivered}
    assert lost["fs2s3"].asked == 0.08
    assert lost["fs2s3"].arrives.startswith("0.0666")


def test_what_maps_deliver_is_not_reported_and_not_applied_twice(values: np.ndarray) -> None:
    version = resolve_version("release-clm5.0")
    mapped = frozenset(PARAMETER_NAMES)
    values = with_value(values, w_scaling=2.0, fs2s3=0.08)
    result = translate(values, UNNORMALISED, version, WATER, elsewhere=mapped)
    assert result.not_delivered == ()
    assert "maxpsi_hr" not in result.scalars


def test_scaling_below_one_is_lost_where_maps_replace_turnover_times(values: np.ndarray) -> None:
    """The scalars would be divided, and then replaced by a map that is not."""
    version = resolve_version("ctsm5.4")
    mapped = frozenset(name for name in PARAMETER_NAMES if name != "w_scaling")
    whole = with_value(values, w_scaling=1.0)
    expected = translate(whole, UNNORMALISED, version, WATER, elsewhere=mapped).scalars
    result = translate(
        with_value(values, w_scaling=0.5), UNNORMALISED, version, WATER, elsewhere=mapped
    )
    assert [entry.parameter for entry in result.not_delivered] == ["w_scaling"]
    assert result.scalars == {k: v for k, v in expected.items() if k != "maxpsi_hr"}


@pytest.mark.parametrize("q10", [1.2, 2.0, 3.0])
def test_shortest_turnover_time_empties_a_pool_in_half_an_hour_at_50_degc(q10: float) -> None:
    temperature_scalar = float(century_normalisation(q10)) * q10 ** ((50.0 - 25.0) / 10.0)
    rate = temperature_scalar / float(shortest_turnover_time(q10))  # 1/yr
    assert rate * 1800.0 / (365.0 * 86400.0) == pytest.approx(1.0, rel=1e-14)


def test_turnover_times_that_a_time_step_cannot_carry_are_raised_and_reported(
    values: np.ndarray,
) -> None:
    values = with_value(values, w_scaling=1.0, tau_l1=1e-9)
    result = translate(values, UNNORMALISED, resolve_version("ctsm5.4"), WATER)
    assert result.scalars["tau_l1"] == float(shortest_turnover_time(value_of(values, "q10")))
    lost = {entry.parameter: entry for entry in result.not_delivered}
    assert lost["tau_l1"].asked == 1e-9
    assert "half an hour" in lost["tau_l1"].reason
    literal = translate(values, UNNORMALISED, resolve_version("release-clm5.0"), WATER)
    reasons = [e.reason for e in literal.not_delivered if e.parameter == "tau_l1"]
    assert len(reasons) == 1
    assert "hard-coded" in reasons[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"q10": np.nan}, "q10 = nan"),
        ({"tau_s3": np.inf}, "tau_s3 = inf"),
        ({"diffus": 0.0}, "diffus = 0"),
        ({"cryo": 0.0}, "cryo = 0"),
        ({"efolding": 0.0}, "efolding = 0"),
        ({"tau_l1": -1.0}, "tau_l1 = -1"),
        ({"fcwdl2": 1.2}, "fcwdl2 = 1.2"),
        ({"fs1s2": 0.8, "fs1s3": 0.3}, "fs1s2 \\+ fs1s3 reaches 1.1"),
        ({"fs2s1": 0.9, "fs2s3": 0.2}, "fs2s1 \\+ fs2s3 reaches 1.1"),
        ({"fs2s1": 0.9, "fs2s3": 0.101}, "fs2s1 \\+ fs2s3 reaches 1.001"),
        ({"w_scaling": 0.0}, "w_scaling = 0"),
    ],
)
def test_impossible_values_are_refused(
    values: np.ndarray, changes: dict[str, float], words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        checked_values(with_value(values, **changes), "estimate")


def test_wrong_length_is_refused() -> None:
    with pytest.raises(ExportError, match="must be 21"):
        checked_values(np.ones(20), "estimate")
