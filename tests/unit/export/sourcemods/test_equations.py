"""What the patched routines compute: stock bits without maps, the kernel's numbers with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctsm_socnn.model import (
    SOIL_GRID,
    Columns,
    CtsmColumns,
    CtsmForcing,
    CtsmParameters,
    CtsmScheme,
    coefficients,
)
from ctsm_socnn.model.ctsm_scheme import mixing
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, century_normalisation

N, LAYERS = 6, 20
NEW_ORDER = ("litr1", "litr2", "litr3", "soil1", "soil2", "soil3", "cwd")
OLD_ORDER = ("litr1", "litr2", "litr3", "cwd", "soil1", "soil2", "soil3")
TAUS = {
    "litr1": "tau_l1", "litr2": "tau_l2", "litr3": "tau_l2",
    "soil1": "tau_s1", "soil2": "tau_s2", "soil3": "tau_s3", "cwd": "tau_cwd",
}  # fmt: skip
STEPS = ("l1s1", "l2s1", "l3s2", "s1s2", "s1s3", "s2s1", "s2s3", "s3s1", "cwdl2", "cwdl3")


def same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> list[str]:
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


@pytest.fixture
def estimate() -> dict[str, np.ndarray]:
    """One value a gridcell and parameter, inside the published bounds."""
    draw = np.random.default_rng(20200603)
    values = {p.name: p.lower + draw.uniform(0.1, 0.9, N) * (p.upper - p.lower) for p in PARAMETERS}
    values["w_scaling"][:2] = 0.4, 1.0
    return values


def ctsm_maps(estimate: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    factor = century_normalisation(estimate["q10"])
    return {
        "som_diffus": estimate["diffus"] / (86400 * 365),
        "cryoturb_diffusion_k": estimate["cryo"] / (86400 * 365),
        "q10_mr": estimate["q10"],
        "froz_q10": estimate["q10"],
        "decomp_depth_efolding": estimate["efolding"],
        "bgc_tau_l1": estimate["tau_l1"] * factor,
        "bgc_tau_l2_l3": estimate["tau_l2"] * factor,
        "bgc_tau_s1": estimate["tau_s1"] * factor,
        "bgc_tau_s2": estimate["tau_s2"] * factor,
        "bgc_tau_s3": estimate["tau_s3"] * factor,
        "tau_cwd": estimate["tau_cwd"] * factor,
        "w_scaling": estimate["w_scaling"],
        "beta": estimate["beta"],
        "bgc_rf_l1s1": 1 - estimate["fl1s1"],
        "bgc_rf_l2s1": 1 - estimate["fl2s1"],
        "bgc_rf_l3s2": 1 - estimate["fl3s2"],
        "bgc_rf_s3s1": 1 - estimate["fs3s1"],
        "bgc_cwd_fcel": estimate["fcwdl2"],
        "cwd_flig": 1 - estimate["fcwdl2"],
        **{name: estimate[name] for name in ("fs1s2", "fs1s3", "fs2s1", "fs2s3")},
    }


def kernel_columns(case: Any, w_scalar: np.ndarray) -> Columns:
    """Columns of the kernel whose twelve months are all the one moment of the case."""
    layered, monthly = (N, 12, LAYERS), (N, 12)
    return Columns.from_arrays(
        temperature=np.broadcast_to(case.temperature[:, None], layered),
        water=np.broadcast_to(w_scalar[:, None, :LAYERS], layered),
        oxygen=np.ones(layered),
        nitrogen=np.ones(layered),
        thaw=np.full(monthly, 8.0),
        thaw_last_year=np.full(monthly, 8.0),
        bedrock=np.full(N, LAYERS),
        inputs=[np.ones(monthly)] * 4,
    )


@pytest.mark.parametrize("matrix", [False, True])
def test_without_the_attribute_every_bit_is_stock(
    models: tuple[Any, Any], case: Any, tmp_path: Path, matrix: bool
) -> None:
    stock, patched = models
    case.matrix = matrix
    reference = stock.run(tmp_path, case)
    assert same_bits(reference, patched.run(tmp_path, case)) == []
    assert reference["decomp_k"].max() > 0


@pytest.mark.parametrize("spinup_state", [0, 1])
@pytest.mark.parametrize("matrix", [False, True])
def test_constant_maps_equal_to_the_scalars_change_no_bit(
    models: tuple[Any, Any],
    case: Any,
    stock_scalars: dict[str, float],
    tmp_path: Path,
    matrix: bool,
    spinup_state: int,
) -> None:
    stock, patched = models
    case.matrix, case.spinup_state = matrix, spinup_state
    maps = {name: np.full(N, value) for name, value in stock_scalars.items()}
    assert same_bits(stock.run(tmp_path, case), patched.run(tmp_path, case, maps)) == []


def test_constant_maps_of_a_froz_q10_of_its_own_change_no_bit(
    models: tuple[Any, Any], case: Any, stock_scalars: dict[str, float], tmp_path: Path
) -> None:
    stock, patched = models
    own = {"froz_q10": 2.5}
    maps = {name: np.full(N, value) for name, value in (stock_scalars | own).items()}
    before = stock.run(tmp_path, case, scalars=own)
    assert same_bits(before, patched.run(tmp_path, case, maps, own)) == []


def test_maps_that_differ_by_rounding_of_units_change_no_bit(
    models: tuple[Any, Any], case: Any, stock_scalars: dict[str, float], tmp_path: Path
) -> None:
    stock, patched = models
    maps = {
        name: np.full(N, value) * (1 + np.array([-8, -3, -1, 1, 3, 8]) * 2.2e-16)
        for name, value in stock_scalars.items()
        if name not in ("bgc_cwd_fcel", "cwd_flig")
    }
    assert same_bits(stock.run(tmp_path, case), patched.run(tmp_path, case, maps)) == []


def test_decay_rates_are_the_kernel_s(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stock, patched = models
    before = stock.run(tmp_path, case)
    after = patched.run(tmp_path, case, ctsm_maps(estimate))
    columns = kernel_columns(case, before["w_scalar"])
    parameters = np.stack([estimate[name] for name in PARAMETER_NAMES], axis=1)
    scalar = coefficients(columns, parameters).scalar
    for k, pool in enumerate(OLD_ORDER if patched.old else NEW_ORDER):
        per_year = after["decomp_k"][:, :LAYERS, k] * (86400 * 365)
        expected = scalar / estimate[TAUS[pool]][:, None]
        # Below 1e-80 per year the kernel adds a floor of its own.
        np.testing.assert_allclose(per_year, expected, rtol=1e-13, atol=1e-80)


def test_scalars_that_others_use_stay(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stock, patched = models
    before = stock.run(tmp_path, case)
    after = patched.run(tmp_path, case, ctsm_maps(estimate))
    for name in ("t_scalar", "w_scalar"):
        assert before[name].tobytes() == after[name].tobytes()


def test_matrix_solution_gets_the_new_rates(
    patched_new: Any, case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    case.matrix = True
    result = patched_new.run(tmp_path, case, ctsm_maps(estimate))
    expected = result["decomp_k"][:, :LAYERS].transpose(0, 2, 1).reshape(N, -1) * 1800.0
    assert result["matrix_loss"].tobytes() == np.asfortranarray(expected).tobytes()


def test_transfer_fractions_are_the_estimate_s(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    _, patched = models
    result = patched.run(tmp_path, case, ctsm_maps(estimate))
    path, respired = result["pathfrac"][:, :LAYERS], result["rf"][:, :LAYERS]
    arrives = path * (1 - respired)
    for name in ("fl1s1", "fl2s1", "fl3s2", "fs1s2", "fs1s3", "fs2s1", "fs2s3", "fs3s1"):
        step = STEPS.index(name[1:])
        expected = np.broadcast_to(estimate[name][:, None], (N, LAYERS))
        np.testing.assert_allclose(arrives[..., step], expected, rtol=1e-13, err_msg=name)
    np.testing.assert_array_equal(arrives[..., 8], estimate["fcwdl2"][:, None] * np.ones(LAYERS))
    for first, second in ((3, 4), (5, 6), (8, 9)):
        np.testing.assert_allclose(path[..., first] + path[..., second], 1.0, rtol=1e-15)
    assert (result["rf"][:, LAYERS:] == -1).all()


def test_diffusivities_are_scaled_by_the_map_that_applies(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stock, patched = models
    before = stock.run(tmp_path, case)["diffusivity"][:, :21]
    after = patched.run(tmp_path, case, ctsm_maps(estimate))["diffusivity"][:, :21]
    factor = estimate["diffus"] / 1e-4
    factor[4] = estimate["cryo"][4] / 5e-4
    np.testing.assert_allclose(after, before * factor[:, None], rtol=1e-13)
    assert (after[5] == 0).all()
    assert (before[4] > 0).any()


def test_diffusivities_are_the_kernel_s(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The kernel's CTSM scheme with each column's own coefficients, permafrost and thin soil too."""
    _, patched = models
    maps = ctsm_maps(estimate)
    result = patched.run(tmp_path, case, maps)["diffusivity"][:, :21]
    sets = [
        CtsmParameters(som_diffus=bio, cryoturb_diffusion_k=cryo)
        for bio, cryo in zip(maps["som_diffus"], maps["cryoturb_diffusion_k"], strict=True)
    ]
    columns = CtsmColumns.from_arrays(case.nbedrock, case.sand, parameter_set=np.arange(N))
    forcing = CtsmForcing.from_arrays(
        case.temperature, case.psi, altmax=case.altmax, altmax_lastyear=case.altmax_last
    )
    expected = mixing(CtsmScheme.of("ctsm5.4", sets), columns, forcing).diffusivity
    np.testing.assert_allclose(result, expected, rtol=1e-13)


def test_input_profiles_are_the_kernel_s(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    _, patched = models
    case.last_thawed[:] = 20
    case.nbedrock[:] = 20
    maps = ctsm_maps(estimate)
    maps["beta"] = np.array([0.5, 0.9, 0.97, 0.99, 0.9999, 1.0])
    result = patched.run(tmp_path, case, maps)
    parameters = np.stack([estimate[name] for name in PARAMETER_NAMES], axis=1)
    parameters[:, PARAMETER_NAMES.index("beta")] = maps["beta"]
    columns = kernel_columns(case, np.ones((N, LAYERS)))
    expected = coefficients(columns, parameters).profile
    for name in ("leaf", "froot", "croot", "stem"):
        np.testing.assert_allclose(result[name][:, :LAYERS], expected, rtol=1e-13, atol=1e-290)


def test_input_stays_above_bedrock_and_frost(
    models: tuple[Any, Any], case: Any, estimate: dict[str, np.ndarray], tmp_path: Path
) -> None:
    _, patched = models
    profile = patched.run(tmp_path, case, ctsm_maps(estimate))["leaf"]
    deepest = [20, 20, 20, 8, 10, 1]
    for c, last in enumerate(deepest):
        assert (profile[c, :last] > 0).all()
        assert (profile[c, last:] == 0).all()
        integral = float(profile[c, :LAYERS] @ SOIL_GRID.thickness)
        assert abs(integral - 1.0) < 1e-14


def test_maps_of_some_parameters_leave_the_rest_alone(
    models: tuple[Any, Any], case: Any, tmp_path: Path
) -> None:
    stock, patched = models
    before = stock.run(tmp_path, case)
    after = patched.run(tmp_path, case, {"beta": np.full(N, 0.9)})
    assert same_bits(before, after) == ["leaf", "froot", "croot", "stem"]
    after = patched.run(tmp_path, case, {"som_diffus": np.full(N, 1e-11)})
    assert same_bits(before, after) == ["diffusivity"]
