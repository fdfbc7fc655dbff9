from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ctsm_socnn.errors import KernelError
from ctsm_socnn.model.ctsm_forcing import CtsmColumns, CtsmForcing
from ctsm_socnn.model.ctsm_parameters import CtsmParameters, CtsmSwitches
from ctsm_socnn.model.ctsm_scheme import CtsmScheme, one_step, transfer_matrix, transport
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.simulation import monthly_records, repeated_records, simulate

from .ctsm_world import NBEDROCK, THAW, monthly_forcing, soil_columns, stock

DAY = 86400.0


def start() -> np.ndarray:
    pools = 3000.0 * np.exp(-SOIL_GRID.node_depth) * np.ones((len(NBEDROCK), 7, 1))
    below = np.arange(20) >= NBEDROCK[:, None]
    return np.where(below[:, None], 0.0, pools)


@pytest.mark.parametrize("nbedrock", range(1, 21))
def test_conservative_boundary_closes_carbon_for_any_bedrock(nbedrock: int) -> None:
    spinup = CtsmSwitches(conservative=True, spinup=True)
    scheme = CtsmScheme.of("ctsm5.4", CtsmParameters(som_adv_flux=1e-11), spinup)
    columns = soil_columns()
    same = CtsmColumns.from_arrays(np.full(7, nbedrock), columns.sand, latitude=70.0)
    pools = np.full((7, 7, 20), 1000.0)
    run = simulate(
        scheme, same, monthly_forcing(), pools, dt=DAY, record=monthly_records(DAY, years=2)
    )
    closure = np.abs(run["carbon_balance"]) / (run["stock"] + run["respiration"])
    assert float(closure.max()) < 1e-12


def test_model_loses_what_leaks_into_bedrock_and_the_balance_shows_it() -> None:
    scheme = CtsmScheme.of("ctsm5.4", switches=CtsmSwitches(spinup=True))
    run = simulate(
        scheme,
        soil_columns(),
        monthly_forcing(),
        start(),
        dt=DAY,
        record=monthly_records(DAY, years=2),
    )
    shares = run["carbon_balance"].values[0] / run["stock"].values[0]
    assert np.all(shares[NBEDROCK == 20] > -1e-12)
    bioturbated_over_rock = (THAW > 3.0) & (NBEDROCK < 20)
    assert bioturbated_over_rock.sum() == 2
    assert np.all(shares[bioturbated_over_rock] < -1e-5)


def test_balance_holds_at_every_save() -> None:
    scheme = CtsmScheme.of("clm5.0", switches=CtsmSwitches(conservative=True))
    run = simulate(
        scheme,
        soil_columns(),
        monthly_forcing(),
        start(),
        dt=DAY,
        record=monthly_records(DAY),
        save=[1, 31, 365],
    )
    assert_allclose(
        run["stock"].values,
        stock(start()) + run["input"].values - run["respiration"].values,
        rtol=1e-12,
    )
    assert_array_equal(run["step"], [1, 31, 365])
    assert_allclose(run["soc"], run["pools"].values[:, :, 4:].sum(axis=2))


def test_one_simulated_step_is_one_step() -> None:
    scheme, columns, forcing = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    run = simulate(scheme, columns, forcing, start(), dt=1800.0, record=np.zeros(1, dtype=np.int32))
    step = one_step(scheme, columns, forcing, start(), dt=1800.0)
    assert_array_equal(run["pools"].values[0], step.pools)
    assert_allclose(run["respiration"].values[0], stock(step.respiration) * 1800.0, rtol=1e-13)


def test_runs_can_be_cut_in_two() -> None:
    scheme, columns, forcing = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    records = monthly_records(DAY)
    whole = simulate(scheme, columns, forcing, start(), dt=DAY, record=records)
    first = simulate(scheme, columns, forcing, start(), dt=DAY, record=records[:100])
    second = simulate(
        scheme, columns, forcing, first["pools"].values[0], dt=DAY, record=records[100:]
    )
    assert_array_equal(whole["pools"].values, second["pools"].values)


def test_threads_do_not_change_a_bit() -> None:
    runs = [
        simulate(
            CtsmScheme.of("ctsm5.4"),
            soil_columns(),
            monthly_forcing(),
            start(),
            dt=DAY,
            record=monthly_records(DAY),
            threads=threads,
        )
        for threads in (1, 2)
    ]
    assert_array_equal(runs[0]["pools"].values, runs[1]["pools"].values)


def test_parameter_sets_are_chosen_by_column() -> None:
    sets = (CtsmParameters(), CtsmParameters(q10=3.0))
    columns, forcing = soil_columns(parameter_set=[0, 1, 0, 1, 0, 1, 0]), monthly_forcing()
    both = one_step(CtsmScheme.of("ctsm5.4", sets), columns, forcing, start(), dt=DAY)
    for index, parameters in enumerate(sets):
        alone = one_step(
            CtsmScheme.of("ctsm5.4", parameters), soil_columns(), forcing, start(), dt=DAY
        )
        chosen = columns.parameter_set == index
        assert_array_equal(both.pools[chosen], alone.pools[chosen])
    with pytest.raises(KernelError, match="parameter_set is 1 in column 1"):
        one_step(CtsmScheme.of("ctsm5.4"), columns, forcing, start(), dt=DAY)


def test_records_of_a_year() -> None:
    daily = monthly_records(DAY, years=2)
    assert daily.size == 730
    assert_array_equal(np.bincount(daily[:365]), [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    assert monthly_records(1800.0).size == 17520
    assert_array_equal(repeated_records(2, 3, cycles=2), [0, 0, 0, 1, 1, 1] * 2)
    with pytest.raises(KernelError, match="must divide a day"):
        monthly_records(50000.0)
    with pytest.raises(KernelError, match="dt is 0"):
        monthly_records(0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": np.full((12, 7, 20), 12.0)}, "temperature is 12.0 in record 0, column 0"),
        ({"water_potential": 0.5}, "water_potential is 0.5"),
        ({"fpi": 1.5}, "fpi is 1.5"),
        ({"inputs": -1.0}, "inputs is -1.0"),
        ({"altmax": np.full(7, np.nan)}, "altmax is nan in record 0, column 0"),
        ({"altmax": np.ones(3)}, "altmax has shape"),
        ({"altmax": 1e36}, r"altmax is 1e\+36 in record 0, column 0; .* within 0 to 100 m"),
        (
            {"inputs": 1e36},
            r"inputs is 1e\+36 in record 0, column 0, layer 1; .* within 0 to 1000 gC",
        ),
        ({"inundated_fraction": 2.0}, "inundated_fraction is 2.0"),
        ({"fpi": np.ones((6, 7, 20))}, "fpi has 6 records and another field 12; each must"),
        ({"inputs": np.ones((11, 7, 7, 20))}, "inputs has 11 records and another field 12"),
    ],
)
def test_impossible_forcing_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        monthly_forcing(**changes)


@pytest.mark.parametrize(
    ("nbedrock", "changes", "message"),
    [
        ([3, 0], {}, "nbedrock is 0 in column 1"),
        ([3, 21], {}, "nbedrock is 21 in column 1"),
        ([3, 3.5], {}, r"nbedrock is 3\.5 in column 1; it must be a whole number"),
        ([3, np.nan], {}, "nbedrock is nan in column 1"),
        ([[3, 4]], {}, r"nbedrock has shape \(1, 2\) .* one row of whole numbers"),
        (["three"], {}, "nbedrock has .* one row of whole numbers"),
        ([3], {"parameter_set": 0.7}, r"parameter_set is 0\.7 in column 0; .* whole number"),
        ([3], {"parameter_set": np.nan}, "parameter_set is nan in column 0"),
        ([3, 4], {"parameter_set": [0, 0, 0]}, "parameter_set has 3 values; it must have 1 or 2"),
        ([3], {"sand": 101.0}, "sand is 101.0 in column 0, layer 1"),
        ([3], {"latitude": 91.0}, "latitude is 91.0 in column 0"),
        ([3], {"donor_cn": -1.0}, "donor_cn is -1.0 in column 0"),
    ],
)
def test_impossible_columns_are_named(
    nbedrock: list[Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(KernelError, match=message):
        CtsmColumns.from_arrays(nbedrock, **({"sand": 50.0} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_s2": 0.0}, "tau_s2 is 0.0"),
        ({"rf_l1s1": 1.2}, "rf_l1s1 is 1.2"),
        ({"q10": np.nan}, "q10 is nan"),
        ({"minpsi_hr": -0.001}, "minpsi_hr < maxpsi_hr < 0"),
        ({"som_diffus": -1e-12}, "som_diffus is -1e-12"),
    ],
)
def test_impossible_parameters_are_named(changes: dict[str, float], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        CtsmParameters(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"record": np.array([0.0, 0.7])}, r"record is 0\.7 in step 2; it must be a whole number"),
        ({"record": np.array([2**32])}, "record is 4294967296 in step 1; .* at most 2147483647"),
        ({"record": np.array([np.nan])}, "record is nan in step 1"),
        ({"record": np.zeros((2, 2), int)}, r"record has shape \(2, 2\)"),
        ({"save": [1.9]}, r"save is 1\.9 in entry 0; it must be a whole number"),
        ({"save": [[1]]}, r"save has shape \(1, 1\)"),
    ],
)
def test_steps_and_saves_are_whole_numbers(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        simulate(
            CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing(), start(), dt=DAY, **changes
        )


def test_impossible_runs_are_named() -> None:
    scheme, columns, forcing = CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing()
    with pytest.raises(KernelError, match="step 2 uses record 12"):
        simulate(scheme, columns, forcing, start(), dt=DAY, record=np.array([0, 12]))
    with pytest.raises(KernelError, match="save must be increasing"):
        simulate(scheme, columns, forcing, start(), dt=DAY, save=[5, 20])
    with pytest.raises(KernelError, match="save must be increasing"):
        simulate(scheme, columns, forcing, start(), dt=DAY, save=[])
    with pytest.raises(KernelError, match="dt is 0"):
        simulate(scheme, columns, forcing, start(), dt=0.0)
    with pytest.raises(KernelError, match="dt is nan"):
        one_step(scheme, columns, forcing, start(), dt=np.nan)
    with pytest.raises(KernelError, match="dt is -1"):
        transfer_matrix(scheme, columns, forcing, dt=-1.0)
    with pytest.raises(KernelError, match="calls is 0; it must be 1 or more"):
        transport(scheme, columns, forcing, start(), start(), dt=DAY, calls=0)
    six = CtsmForcing.from_arrays(np.full((6, 20), 280.0), -1.0, altmax=1.0, altmax_lastyear=1.0)
    with pytest.raises(KernelError, match="7 columns, but forcing of 6"):
        simulate(scheme, columns, six, start(), dt=DAY)
    broken = start()
    broken[2, 0, 0] = np.inf
    with pytest.raises(KernelError, match="pools is inf in column 2"):
        simulate(scheme, columns, forcing, broken, dt=DAY)
    with pytest.raises(KernelError, match=r"unknown CTSM version 'clm4.5'"):
        CtsmScheme.of("clm4.5")
    with pytest.raises(KernelError, match=r"unknown CTSM version 'clm4.5'"):
        CtsmParameters.from_paramfile(Path("params.nc"), "clm4.5")
    with pytest.raises(KernelError, match="both true"):
        CtsmSwitches(use_century_tfunc=True)


def peak_kilobytes(steps: int) -> int:
    """Most memory that this process held while it ran so many steps."""
    record = np.resize(np.arange(12, dtype=np.int32), steps)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    except OSError as error:
        pytest.skip(f"the peak of memory cannot be reset here: {error}")
    simulate(
        CtsmScheme.of("ctsm5.4"), soil_columns(), monthly_forcing(), start(), dt=DAY, record=record
    )
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    """A single layer kept by each step of each column would be 20 MB."""
    peak_kilobytes(12)
    few, many = peak_kilobytes(12), peak_kilobytes(18_000)
    assert many - few < 1024
