from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model import Columns, steady_state
from ctsm_socnn.model.coefficients import coefficients
from ctsm_socnn.model.columns import DRIEST
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.parameters import to_physical
from ctsm_socnn.schemas import open_sites

MakeForcing = Callable[..., dict[str, Any]]


def _sites(forcing: dict[str, Any]) -> xr.Dataset:
    by_layer, by_month = ("site", "month", "layer"), ("site", "month")
    inputs = ("CWD_INPUT", "LITR1_INPUT", "LITR2_INPUT", "LITR3_INPUT")
    return xr.Dataset(
        {
            "TSOI": (by_layer, forcing["temperature"]),
            "W_SCALAR": (by_layer, forcing["water"]),
            "O_SCALAR": (by_layer, forcing["oxygen"]),
            "FPI_vr": (by_layer, forcing["nitrogen"]),
            "ALTMAX": (by_month, forcing["thaw"]),
            "ALTMAX_LASTYEAR": (by_month, forcing["thaw_last_year"]),
            "nbedrock": (("site", "month")[: np.ndim(forcing["bedrock"])], forcing["bedrock"]),
            **dict(zip(inputs, ((by_month, values) for values in forcing["inputs"]), strict=True)),
        }
    )


def test_records_hold_annual_input_and_reference_temperature(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2)
    columns = Columns.from_arrays(**forcing)
    assert len(columns) == 2
    for pool in range(4):
        np.testing.assert_allclose(
            columns.annual_input[:, pool], forcing["inputs"][pool].sum(axis=1), rtol=1e-15
        )
    np.testing.assert_allclose(
        columns.climate[:, 0], (forcing["temperature"] - 298.15) / 10.0, rtol=1e-12
    )


def test_take_selects_and_orders(make_forcing: MakeForcing) -> None:
    columns = Columns.from_arrays(**make_forcing(4))
    chosen = columns.take([2, 0])
    np.testing.assert_array_equal(chosen.climate, columns.climate[[2, 0]])
    np.testing.assert_array_equal(chosen.exchange, columns.exchange[[2, 0]])
    with pytest.raises(KernelError, match=r"columns 0\.\.3"):
        columns.take([4])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", 15.0, r"column 1: TSOI is 15 K \(month 3, layer 5\).*kelvin, not degC"),
        ("temperature", np.nan, r"column 1: TSOI is missing \(month 3, layer 5\)"),
        ("water", 1.5, r"column 1: W_SCALAR is 1\.5 \(.*0\.\.1"),
        ("oxygen", -0.1, r"column 1: O_SCALAR is -0.1"),
        ("nitrogen", np.inf, r"column 1: FPI_vr is inf"),
    ],
)
def test_impossible_climate_is_named(
    make_forcing: MakeForcing, name: str, value: float, message: str
) -> None:
    forcing = make_forcing(3)
    forcing[name][1, 2, 4] = value
    with pytest.raises(KernelError, match=message):
        Columns.from_arrays(**forcing)


def test_rounding_of_single_precision_scalars_is_tolerated(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(1)
    forcing["water"][0, 0, 0] = 1.0 + 1e-7
    forcing["oxygen"][0, 0, 0] = -1e-9
    columns = Columns.from_arrays(**forcing)
    assert columns.climate[0, 1, 0, 0] == 1.0
    assert columns.climate[0, 2, 0, 0] == 0.0


@pytest.mark.parametrize("layer", [0, 21, -1, np.nan])
def test_bedrock_outside_the_grid_is_refused(make_forcing: MakeForcing, layer: float) -> None:
    forcing = make_forcing(3) | {"bedrock": np.array([5.0, 6.0, layer])}
    with pytest.raises(KernelError, match=r"column 2: nbedrock .*1\.\.20"):
        Columns.from_arrays(**forcing)


def test_fractional_bedrock_is_refused(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2) | {"bedrock": np.array([5.0, 6.5])}
    with pytest.raises(KernelError, match=r"column 1: nbedrock is 6\.5 .*whole number"):
        Columns.from_arrays(**forcing)


def test_bedrock_may_be_given_by_month(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2, bedrock=7)
    by_month = forcing | {"bedrock": np.full((2, 12), 7)}
    np.testing.assert_array_equal(
        Columns.from_arrays(**forcing).exchange, Columns.from_arrays(**by_month).exchange
    )


def test_negative_input_is_refused(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(3)
    forcing["inputs"][2][1, 11] = -0.5
    with pytest.raises(KernelError, match=r"column 1: LITR2_INPUT is -0\.5 .*month 12"):
        Columns.from_arrays(**forcing)


def test_wrong_shapes_are_named(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(3)
    with pytest.raises(
        KernelError, match=r"W_SCALAR has shape \(3, 20, 12\); it must be \(3, 12, 20\)"
    ):
        Columns.from_arrays(**forcing | {"water": forcing["water"].transpose(0, 2, 1)})
    with pytest.raises(KernelError, match=r"ALTMAX has shape \(2, 12\); it must be \(3, 12\)"):
        Columns.from_arrays(**forcing | {"thaw": forcing["thaw"][:2]})
    with pytest.raises(KernelError, match="inputs holds 3 arrays; it must hold 4"):
        Columns.from_arrays(**forcing | {"inputs": forcing["inputs"][:3]})


def test_sites_become_columns(shared_data: Path) -> None:
    sites = open_sites(shared_data / "data" / "northeast_us" / "sites.nc")
    complete = sites.isel(site=np.isfinite(sites["TSOI"].values).all(axis=(1, 2)))
    columns = Columns.from_sites(complete)
    assert len(columns) == complete.sizes["site"] > 900
    with pytest.raises(KernelError, match="TSOI is missing"):
        Columns.from_sites(sites)


def test_sites_and_arrays_agree(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2)
    forcing["water"] = np.maximum(forcing["water"], DRIEST)
    from_sites, from_arrays = Columns.from_sites(_sites(forcing)), Columns.from_arrays(**forcing)
    np.testing.assert_array_equal(from_sites.climate, from_arrays.climate)
    np.testing.assert_array_equal(from_sites.exchange, from_arrays.exchange)
    np.testing.assert_array_equal(from_sites.annual_input, from_arrays.annual_input)


def test_soil_that_history_calls_dry_below_bedrock_still_decays(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2, bedrock=9)
    forcing["water"] = np.maximum(forcing["water"], DRIEST)
    forcing["water"][:, :, 9:] = 0.0
    as_published = {**forcing, "water": np.maximum(forcing["water"], DRIEST)}
    columns = Columns.from_sites(_sites(forcing))
    np.testing.assert_array_equal(columns.climate, Columns.from_arrays(**as_published).climate)
    soc = steady_state(columns, np.tile(to_physical(np.full(21, 0.5)), (2, 1))).soc
    assert soc.max() < 1e6


def test_an_impossible_water_scalar_of_a_site_is_still_refused(make_forcing: MakeForcing) -> None:
    forcing = make_forcing(2)
    forcing["water"][0, 0, 0] = -0.2
    with pytest.raises(KernelError, match=r"W_SCALAR is -0\.2"):
        Columns.from_sites(_sites(forcing))


def test_frozen_soil_keeps_the_floor_of_the_published_code(
    make_forcing: MakeForcing, make_parameters: Callable[..., np.ndarray]
) -> None:
    """1e-30 m2 day-1 of diffusion and 1e-30 m day-1 of advection, downward."""
    frozen = {"thaw": np.zeros((1, 12)), "thaw_last_year": np.zeros((1, 12))}
    columns = Columns.from_arrays(**(make_forcing(1) | frozen))
    exchange = coefficients(columns, make_parameters(1))
    distance = np.diff(SOIL_GRID.node_depth)
    diffusion = (1.0 - 0.1 * distance) ** 5 / distance
    lower = 365e-30 * (diffusion + 1.0) / SOIL_GRID.thickness[1:]
    upper = 365e-30 * diffusion / SOIL_GRID.thickness[:-1]
    np.testing.assert_allclose(exchange.lower[0], [0.0, *lower], rtol=1e-12)
    np.testing.assert_allclose(exchange.upper[0], [*upper, 0.0], rtol=1e-12)
