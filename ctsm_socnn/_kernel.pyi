"""What f2py makes of fortran/f2py_interface.f90 and fortran/f2py_ctsm_interface.f90."""

from typing import Any

from numpy import float64, int32, int64
from numpy.typing import NDArray

def grid() -> tuple[NDArray[float64], NDArray[float64], NDArray[float64]]: ...
def proda_prepare(
    temperature: NDArray[float64],
    water: NDArray[float64],
    oxygen: NDArray[float64],
    nitrogen: NDArray[float64],
    thaw: NDArray[float64],
    thaw_last_year: NDArray[float64],
    bedrock: NDArray[int32],
    carbon_input: NDArray[float64],
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64]]: ...
def proda_first_impossible(
    parameters: NDArray[float64],
    lowest: NDArray[float64],
    highest: NDArray[float64],
    most_passed_on: float,
    threads: int,
) -> int: ...
def proda_pools(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
    threads: int,
    pools: NDArray[float64],
    soc: NDArray[float64],
) -> None: ...
def proda_soil_carbon(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
    threads: int,
    soc: NDArray[float64],
) -> None: ...
def proda_gradient(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
    soc_bar: NDArray[float64],
    threads: int,
    soc: NDArray[float64],
    parameters_bar: NDArray[float64],
    input_bar: NDArray[float64],
) -> None: ...
def proda_full_gradient(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
    soc_bar: NDArray[float64],
    threads: int,
    parameters_bar: NDArray[float64],
    climate_bar: NDArray[float64],
    input_bar: NDArray[float64],
) -> None: ...
def proda_change(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
    parameters_change: NDArray[float64],
    climate_change: NDArray[float64],
    input_change: NDArray[float64],
    threads: int,
    soc_change: NDArray[float64],
) -> None: ...
def proda_coefficients(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
) -> tuple[
    NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64], NDArray[float64]
]: ...
def ctsm_rates(
    switches: NDArray[int32],
    parameters: NDArray[float64],
    row: NDArray[int32],
    latitude: NDArray[float64],
    sand: NDArray[float64],
    temperature: NDArray[float64],
    water_potential: NDArray[float64],
    oxygen_unsaturated: NDArray[float64],
    oxygen_saturated: NDArray[float64],
    inundated_fraction: NDArray[float64],
    threads: int,
) -> tuple[NDArray[float64], ...]: ...
def ctsm_mixing(
    switches: NDArray[int32],
    parameters: NDArray[float64],
    row: NDArray[int32],
    nbedrock: NDArray[int32],
    altmax: NDArray[float64],
    altmax_lastyear: NDArray[float64],
    threads: int,
) -> tuple[NDArray[float64], NDArray[float64]]: ...
def ctsm_transport(
    switches: NDArray[int32],
    parameters: NDArray[float64],
    row: NDArray[int32],
    nbedrock: NDArray[int32],
    latitude: NDArray[float64],
    altmax: NDArray[float64],
    altmax_lastyear: NDArray[float64],
    dt: float,
    calls: int,
    start: NDArray[float64],
    change: NDArray[float64],
    threads: int,
) -> tuple[NDArray[float64], NDArray[float64]]: ...
def ctsm_matrix(
    switches: NDArray[int32],
    parameters: NDArray[float64],
    row: NDArray[int32],
    nbedrock: NDArray[int32],
    latitude: NDArray[float64],
    altmax: NDArray[float64],
    altmax_lastyear: NDArray[float64],
    dt: float,
    threads: int,
) -> NDArray[float64]: ...
def ctsm_one_step(*arguments: object) -> None: ...
def ctsm_run(*arguments: object) -> None: ...
def ctsm_steady(*arguments: object) -> tuple[NDArray[float64], NDArray[int32]]: ...
def ctsm_balance(*arguments: object) -> NDArray[float64]: ...
def ctsm_tangent(*arguments: object) -> tuple[NDArray[float64], NDArray[int32]]: ...
def ctsm_adjoint(
    *arguments: object,
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64], NDArray[int32]]: ...
def published_weights(
    first: NDArray[int64], depth: NDArray[float64], observed: NDArray[float64]
) -> NDArray[float64]: ...
def published_costs(
    soc: NDArray[float64],
    first: NDArray[int64],
    depth: NDArray[float64],
    observed: NDArray[float64],
    weights: NDArray[float64],
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64]]: ...
def published_condition(
    climate: NDArray[float64],
    exchange: NDArray[float64],
    carbon_input: NDArray[float64],
    parameters: NDArray[float64],
    column: NDArray[int32],
) -> NDArray[float64]: ...

# The samplers take a site as flat arrays (ctsm_socnn.assimilation.site_problem).
def adaptive_metropolis_site(
    *arguments: object,
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64]]: ...
def hamiltonian_site(
    *arguments: object,
) -> tuple[NDArray[float64], NDArray[float64], NDArray[float64], float, int]: ...
def laplace_site(
    *arguments: object,
) -> tuple[NDArray[float64], int, NDArray[float64], NDArray[float64], int]: ...
def published_sites(*arguments: object) -> tuple[NDArray[Any], ...]: ...
