"""Litter inputs come back from budgets that were made from them, in every generation's names."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.errors import ForcingError, GridError
from ctsm_socnn.forcing import GENERATIONS, Generation, read_climatology
from ctsm_socnn.forcing.field_names import LITTER_POOLS
from ctsm_socnn.forcing.litter_input import fold_below_bedrock
from ctsm_socnn.forcing.record import check_history
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.schemas import INPUT_VARIABLES

N_BEDROCK = 12
GROWTH = 2e-7
"""gC m-3 s-1 by which every pool grows, where it grows."""

SOIL = np.arange(20) < N_BEDROCK
PROFILE = np.exp(-SOIL_GRID.node_depth) * SOIL
INPUT = {pool: 1e-6 * (i + 1) * PROFILE for i, pool in enumerate(LITTER_POOLS)}
SHARES = (0.6, 0.4)
MOVED = 1e-7 * np.cos(SOIL_GRID.node_depth)
"""Tendency as CLM stores it, below bedrock too."""

by_generation = pytest.mark.parametrize("generation", GENERATIONS, ids=lambda item: item.name)


def budget_fields(generation: Generation, growth: float) -> dict[str, np.ndarray]:
    """Profiles of all budget fields for the known inputs."""
    folded = fold_below_bedrock(MOVED[:, np.newaxis], np.array([N_BEDROCK]))[:, 0]
    cwd = generation.pool("CWD")
    out_of_cwd = INPUT["CWD"] - growth * SOIL
    fields = {name: share * out_of_cwd for name, share in zip(cwd.losses, SHARES, strict=False)}
    fields[cwd.losses[2]] = np.zeros(20)
    for pool, share in zip(LITTER_POOLS[1:], (0.0, *SHARES), strict=True):
        names = generation.pool(pool)
        lost = INPUT[pool] + share * out_of_cwd + folded - growth * SOIL
        for name, part in zip(names.losses, (0.5, 0.3, 0.2), strict=True):
            fields[name] = part * lost
        fields[str(names.transport)] = MOVED
    return fields


def with_budget(dataset: xr.Dataset, generation: Generation, growth: float) -> xr.Dataset:
    land = dataset["landmask"].values == 1
    template = dataset["W_SCALAR"]

    def field(profile: np.ndarray, units: str) -> xr.DataArray:
        values = np.where(land, profile[:, np.newaxis, np.newaxis], 1e36)
        full = np.broadcast_to(values, template.shape).astype(np.float32)
        return template.copy(data=full).assign_attrs(units=units)

    fluxes = budget_fields(generation, growth)
    fields = {name: field(profile, "gC/m^3/s") for name, profile in fluxes.items()}
    for pool in LITTER_POOLS:
        fields[generation.pool(pool).carbon] = field(50.0 * SOIL, "gC/m^3")
    total = sum(float(np.sum(profile * SOIL_GRID.thickness)) for profile in INPUT.values())
    fields["LITFALL"] = (dataset["ALTMAX"] * 0 + total).assign_attrs(units="gC/m^2/s")
    return dataset.drop_vars(INPUT_VARIABLES).assign(fields)


def expected(pool: str) -> np.ndarray:
    days = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    return np.sum(INPUT[pool] * SOIL_GRID.thickness) * days * 86400.0


def require_inputs(climatology: xr.Dataset) -> None:
    for name, pool in zip(INPUT_VARIABLES, LITTER_POOLS, strict=True):
        found = climatology[name].values[:, 0, 0]
        np.testing.assert_allclose(found, expected(pool), rtol=1e-5)
    assert climatology.attrs["litter_closure_largest"] < 1e-5


@by_generation
def test_inputs_of_pools_at_rest(history_file, generation):
    path = history_file(edit=lambda dataset: with_budget(dataset, generation, 0.0))
    require_inputs(read_climatology([path]))


@by_generation
def test_profiles_come_back_and_rock_gets_nothing(history_file, generation):
    path = history_file(edit=lambda dataset: with_budget(dataset, generation, 0.0))
    climatology = read_climatology([path], input_profiles=True)
    for name, pool in zip(INPUT_VARIABLES, LITTER_POOLS, strict=True):
        found = climatology[f"{name}_vr"].values[0, :, 0, 0]
        wanted = INPUT[pool] * 31 * 86400.0
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * wanted.max())


@by_generation
def test_respiration_of_woody_debris_is_an_input_too(history_file, set_units, generation):
    """Versions that let CWD respire write it beside the transfers; the rest lack the fields."""

    def respire(dataset):
        budget = with_budget(dataset, generation, 0.0)
        transfers = generation.pool("CWD").losses[:2]
        respired = generation.pool("CWD").optional_losses
        # As much leaves CWD as before; a quarter of it goes to the air.
        for transfer, respiration in zip(transfers, respired, strict=True):
            lost = budget[transfer]
            budget[respiration] = (lost * 0.25).assign_attrs(lost.attrs)
            budget[transfer] = (lost * 0.75).assign_attrs(lost.attrs)
        return budget

    path = history_file(edit=respire)
    found = read_climatology([path])["CWD_INPUT"].values[:, 0, 0]
    np.testing.assert_allclose(found, expected("CWD"), rtol=1e-5)
    set_units(path, generation.pool("CWD").optional_losses[0], "kgC/m^3/s")
    with pytest.raises(ForcingError, match="CWD_HR_L2_vr is in 'kgC/m\\^3/s'"):
        read_climatology([path])


def growing_means(dataset: xr.Dataset, generation: Generation) -> xr.Dataset:
    """Budget of pools that grow all the time; their monthly means are those at mid-month."""
    dataset = with_budget(dataset, generation, GROWTH)
    middle = dataset["time_bounds"].mean("hist_interval")
    grown = (1.0 + GROWTH * 86400.0 * (middle - 365.0) / 50.0).astype(np.float64)
    for pool in LITTER_POOLS:
        name = generation.pool(pool).carbon
        values = dataset[name].where(dataset[name] < 1e30).astype(np.float64)
        dataset[name] = (values * grown).transpose(*values.dims).assign_attrs(units="gC/m^3")
    return dataset


def test_inputs_of_growing_pools_from_means_of_several_years(history_file):
    """The first and the last month have no neighbour; their years are left out of the mean."""
    paths = [
        history_file(
            f"{year}.nc", year, edit=lambda dataset: growing_means(dataset, GENERATIONS[0])
        )
        for year in (1, 2)
    ]
    require_inputs(read_climatology(paths))


def test_closure_of_an_interrupted_record_is_that_of_the_whole(
    history_file, tmp_path, interrupt_after
):
    """The litterfall of the first year is 10 % below what the budget gives."""

    def low(dataset):
        budget = with_budget(dataset, GENERATIONS[0], 0.0)
        return budget.assign(LITFALL=(budget["LITFALL"] / 1.1).assign_attrs(units="gC/m^2/s"))

    def right(dataset):
        return with_budget(dataset, GENERATIONS[0], 0.0)

    paths = [history_file(f"{y}.nc", y, edit=low if y == 1 else right) for y in (1, 2, 3)]
    kept = tmp_path / "sums.npz"
    with interrupt_after(1), pytest.raises(KeyboardInterrupt):
        read_climatology(paths, checkpoint=kept)
    attributes = read_climatology(paths, checkpoint=kept).attrs
    assert attributes["litter_closure_largest"] == pytest.approx(0.1, rel=1e-4)
    assert attributes["litter_closure_median"] < 1e-5


def test_negative_months_of_a_pulse_give_way_to_the_positive(history_file):
    """Monthly means spread a pulse over its neighbours; what is left is positive, the year whole."""

    def pulse(dataset):
        budget = with_budget(dataset, GENERATIONS[0], 0.0)
        budget["CWD_C_vr"] = budget["CWD_C_vr"].astype(np.float64)
        budget["CWD_C_vr"][6] *= 2.0
        return budget

    found = read_climatology([history_file(edit=pulse)])["CWD_INPUT"].values[:, 0, 0]
    assert found.min() == 0.0
    # 50 gC m-3 more in July: June gains over 61 days what August loses over 61.5 days.
    pulse_of_column = 50.0 * (SOIL * SOIL_GRID.thickness).sum()
    year = expected("CWD").sum() + pulse_of_column * (30.0 / 61.0 - 31.0 / 61.5)
    np.testing.assert_allclose(found.sum(), year, rtol=1e-5)


@pytest.mark.parametrize("name", ["CWD_C_vr", "LIT_LIG_C_vr", "LIT_CEL_HR_vr", "LITFALL"])
def test_monthly_budget_in_kilograms_is_refused_before_any_work(history_file, set_units, name):
    path = history_file(edit=lambda dataset: with_budget(dataset, GENERATIONS[0], 0.0))
    set_units(path, name, "kgC/m^3")
    with pytest.raises(ForcingError, match=f"{name} is in 'kgC/m\\^3'; it must be in"):
        check_history([path], None, None, None)


def write_pools(path: Path, history: Path, generation: Generation) -> Path:
    """Instantaneous pools at the ends of months, growing all the time, and at the start."""
    with xr.open_dataset(history, decode_times=False) as dataset:
        bounds = dataset["time_bounds"].values
        instants = np.append(bounds[:1, 0], bounds[:, 1])
        grown = 50.0 + GROWTH * 86400.0 * (instants - instants[0])
        land = dataset[["landmask", "lat", "lon", "levsoi"]].load()
    values = grown[:, np.newaxis, np.newaxis, np.newaxis] * SOIL[:, np.newaxis, np.newaxis]
    values = np.broadcast_to(values, (instants.size, 20, 2, 3))
    pools = {
        generation.pool(pool).carbon: (
            ("time", "levsoi", "lat", "lon"),
            values,
            {"units": "gC/m^3"},
        )
        for pool in LITTER_POOLS
    }
    time = ("time", instants, {"units": "days since 0001-01-01", "calendar": "noleap"})
    land.assign(pools).assign_coords(time=time).to_netcdf(path)
    return path


@by_generation
def test_inputs_of_growing_pools_from_instants(history_file, tmp_path, generation):
    history = history_file(edit=lambda dataset: with_budget(dataset, generation, GROWTH))
    pools = write_pools(tmp_path / "pools.nc", history, generation)
    require_inputs(read_climatology([history], pools=[pools]))
    without = read_climatology([history])
    assert without.attrs["litter_closure_largest"] > 0.01


def test_months_without_an_instant_are_left_out_or_refused(history_file, tmp_path):
    generation = GENERATIONS[0]
    history = history_file(edit=lambda dataset: with_budget(dataset, generation, GROWTH))
    pools = write_pools(tmp_path / "pools.nc", history, generation)
    with xr.open_dataset(pools, decode_times=False) as dataset:
        dataset.load().isel(time=slice(1, None)).to_netcdf(tmp_path / "short.nc")
    with pytest.raises(ForcingError, match="no sample of months 1 lets CWD_INPUT be derived"):
        read_climatology([history], pools=[tmp_path / "short.nc"])


def test_pools_in_kilograms_are_refused(history_file, tmp_path, set_units):
    generation = GENERATIONS[0]
    history = history_file(edit=lambda dataset: with_budget(dataset, generation, 0.0))
    pools = write_pools(tmp_path / "pools.nc", history, generation)
    set_units(pools, "LIT_MET_C_vr", "kgC/m^3")
    with pytest.raises(ForcingError, match="LIT_MET_C_vr is in 'kgC/m\\^3'"):
        read_climatology([history], pools=[pools])


def test_pools_of_another_grid_are_refused(history_file, tmp_path):
    generation = GENERATIONS[0]
    history = history_file(edit=lambda dataset: with_budget(dataset, generation, 0.0))
    pools = write_pools(tmp_path / "pools.nc", history, generation)
    with netCDF4.Dataset(pools, "a") as dataset:
        dataset["lon"][:] = dataset["lon"][:] + 5.0
    with pytest.raises(GridError, match=r"pools\.nc is on another grid"):
        read_climatology([history], pools=[pools])


def test_missing_budget_field_names_its_usermods(history_file):
    generation = GENERATIONS[1]

    def edit(dataset):
        return with_budget(dataset, generation, 0.0).drop_vars("MET_LIT_HR_vr")

    with pytest.raises(ForcingError, match=r"MET_LIT_HR_vr\. .*usermods/forcing_output/ctsm5\.1"):
        read_climatology([history_file(edit=edit)])
