"""Reference steady states of the published 21-parameter model.

`reference_*` were computed in 113-bit arithmetic, `octave_*` by the published code. The published
code's own rounding error exceeds ours, so that its solution is compared only where it is known to
be good; its coefficients are compared everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.model.coefficients import Coefficients, coefficients
from ctsm_socnn.model.columns import Columns
from ctsm_socnn.model.equilibrium import SteadyState, steady_state
from ctsm_socnn.model.grid import SOIL_GRID
from ctsm_socnn.model.verification.block import Block, profile_error, relative_error
from ctsm_socnn.model.verification.proda_cost import compare_cost
from ctsm_socnn.parameters import PARAMETERS

__all__ = ["columns_of", "compare", "parameters_of", "recognises"]

SOLUTION_LIMIT: Final = 1e-10
COEFFICIENT_LIMIT: Final = 1e-12

_REQUIRED: Final = frozenset({"kp", "param_lower", "forcing_index", "reference_soc", "octave_soc"})
_DAYS_PER_YEAR: Final = 365.0
_MOBILE_POOLS: Final = slice(1, 7)
_SLOWEST_DEBRIS: Final = 1e-70
"""day-1: slower than this, the kernel keeps woody debris within the range of numbers."""
_OCTAVE_IS_GOOD: Final = 1e-11


def recognises(dataset: xr.Dataset) -> bool:
    """Whether the file holds steady states of the published model."""
    return set(dataset.variables) >= _REQUIRED


def columns_of(dataset: xr.Dataset) -> Columns:
    """Columns of the file's forcings."""

    def by_month_and_layer(name: str) -> NDArray[np.float64]:
        array: NDArray[np.float64] = dataset[name].transpose("forcing", "month", "layer").values
        return array

    return Columns.from_arrays(
        temperature=by_month_and_layer("soil_temperature"),
        water=by_month_and_layer("w_scalar"),
        oxygen=by_month_and_layer("o_scalar"),
        nitrogen=by_month_and_layer("n_scalar"),
        thaw=dataset["altmax_current"].values,
        thaw_last_year=dataset["altmax_lastyear"].values,
        bedrock=dataset["nbedrock"].values,
        inputs=[
            dataset[f"input_{pool}"].values for pool in ("cwd", "litter1", "litter2", "litter3")
        ],
    )


def parameters_of(dataset: xr.Dataset) -> NDArray[np.float64]:
    """Parameters of the file's cases in physical units, shape (case, 21)."""
    lower, upper = dataset["param_lower"].values, dataset["param_upper"].values
    values: NDArray[np.float64] = lower + dataset["kp"].values * (upper - lower)
    return values


def compare(dataset: xr.Dataset) -> Iterator[Block]:
    """Yield a block for soil carbon, pools, each coefficient and the published cost."""
    columns, parameters = columns_of(dataset), parameters_of(dataset)
    index = dataset["forcing_index"].values.astype(np.int64)
    yield from _compare_solution(dataset, steady_state(columns, parameters, index))
    yield from _compare_coefficients(
        dataset, parameters, columns.annual_input[index], coefficients(columns, parameters, index)
    )
    yield from compare_cost(dataset)


def _compare_solution(dataset: xr.Dataset, result: SteadyState) -> Iterator[Block]:
    reference = dataset["reference_soc"].values
    yield Block("soc", profile_error(result.soc, reference), SOLUTION_LIMIT)
    stock = result.soc @ SOIL_GRID.thickness
    yield Block("soc_stock", _by_case(stock, dataset["reference_soc_stock"].values), SOLUTION_LIMIT)
    pools = dataset["reference_pools"].values
    yield Block(
        "pools",
        profile_error(result.pools[:, _MOBILE_POOLS], pools[:, _MOBILE_POOLS]),
        SOLUTION_LIMIT,
    )
    debris = dataset["octave_k_diag"].values[:, 0] > _SLOWEST_DEBRIS
    yield Block(
        "cwd",
        _by_case(result.pools[:, 0][debris], pools[:, 0][debris]),
        SOLUTION_LIMIT,
    )
    good = (dataset["octave_singular_flag"].values == 0) & (
        dataset["octave_vs_reference"].values < _OCTAVE_IS_GOOD
    )
    published = dataset["octave_soc"].values
    yield Block("soc_published", profile_error(result.soc[good], published[good]), SOLUTION_LIMIT)


def _compare_coefficients(
    dataset: xr.Dataset,
    parameters: NDArray[np.float64],
    annual_input: NDArray[np.float64],
    ours: Coefficients,
) -> Iterator[Block]:
    """Compare in days, which the file counts in; its transport matrix is the negative of ours."""
    turnover = {p.name: parameters[:, i] * _DAYS_PER_YEAR for i, p in enumerate(PARAMETERS)}
    rates = [
        (ours.litter_scalar if name in ("tau_l1", "tau_l2") else ours.scalar)
        / turnover[name][:, np.newaxis]
        for name in ("tau_cwd", "tau_l1", "tau_l2", "tau_l2", "tau_s1", "tau_s2", "tau_s3")
    ]
    lower, upper = ours.lower / _DAYS_PER_YEAR, ours.upper / _DAYS_PER_YEAR
    share = ours.profile * SOIL_GRID.thickness
    source = annual_input[:, :4, np.newaxis] * ours.profile[:, np.newaxis] / _DAYS_PER_YEAR
    for name, values, reference in (
        ("k_diag", np.stack(rates, axis=1), dataset["octave_k_diag"].values),
        ("v_lower", lower[:, 1:], -dataset["octave_v_lower"].values[:, 1:]),
        ("v_diag", lower + upper, dataset["octave_v_diag"].values),
        ("v_upper", upper[:, :-1], -dataset["octave_v_upper"].values[:, :-1]),
        ("input_profile", share, dataset["octave_input_profile"].values),
        ("input", source, dataset["octave_rhs"].values[:, :4]),
    ):
        yield Block(name, relative_error(values, reference), COEFFICIENT_LIMIT)


def _by_case(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Largest relative difference of single numbers."""
    return profile_error(values[:, np.newaxis], reference[:, np.newaxis])
