"""Which parameters a CTSM run really used, derived from its history files.

A case can be built with a paramfile and run without it: the wrong file is named, a version ignores
the value, SourceMods are not compiled in. The decay rates (`K_*`), the scalars and the fluxes of
the run tell. Monthly means of a product are not the product of monthly means; medians over months
and layers are within the tolerances given here, which were taken from a real run (ctsm5.4.053).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model import SOIL_GRID
from ctsm_socnn.parameters import FREEZING, Q10_REFERENCE, century_normalisation
from ctsm_socnn.parameters.ctsm_routes import SECONDS_PER_YEAR, TURNOVER_ITEMS
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Item, Place
from ctsm_socnn.shipped import shipped_directory
from ctsm_socnn.validation.history_fields import HistoryFields
from ctsm_socnn.validation.mapped_scalars import MappedScalars

__all__ = ["Evidence", "Verdict", "find_evidence", "format_evidence", "rates_are_told"]

Array = NDArray[np.float64]
Verdict = Literal["used", "NOT used", "cannot tell"]

_CALM_DEPTH: Final = 2.0
"""m; below it temperature hardly varies within a month."""
_DEEP_ENOUGH: Final = 2.0
"""m of soil that a cell must have for its e-folding depth to be told."""
_LEAST_EXPONENT: Final = 0.3
_CRYOTURBATION_LIMIT: Final = 2.0
_WITHIN_LIMITS: Final = 0.02
"""How far a month's water scalar must stay from 0 and 1, where it is cut off."""
_LEAST_SAMPLES: Final = 20
_LEAST_VARIANCE: Final = 0.01
"""Of the logarithm of the water potential, for a line through it to tell its ends."""

_TOLERANCES: Final[Mapping[str, float]] = {
    "tau": 0.005,
    "decomp_depth_efolding": 0.01,
    "q10": 0.002,
    "froz_q10": 0.002,
    "minpsi_hr": 0.05,
    "maxpsi_hr": 0.05,
    "som_diffus": 1e-3,
    "cryoturb_diffusion_k": 1e-3,
    "rf": 1e-3,
    "cwd": 1e-3,
}
"""Relative difference that monthly means allow, by item or by the start of its name."""

_MAPPED_RATE_TOLERANCE: Final = 0.05
"""Of turnover times and e-folding depth where maps change rates through temperature and water: their
factors are worked out with monthly means."""

_ZERO: Final = 1e-6
"""What counts as nothing of a fraction that should be zero."""


@dataclass(frozen=True)
class Evidence:
    """What a run says of one scalar.

    Attributes
    ----------
    item : str
        The package's key of the scalar.
    name : str
        Its name on the paramfile.
    expected, found : float
        In the units of the paramfile, medians over cells; `found` is NaN if it cannot be told.
    difference : float
        Of `found`, relative to `expected`; for a map the median of what cells differ, without sign.
    tolerance : float
        Relative difference allowed.
    mapped : bool
        Whether a map was meant, with its own value for each cell.
    verdict : {"used", "NOT used", "cannot tell"}
    units : str
        Of `expected` and `found`.
    """

    item: str
    name: str
    expected: float
    found: float
    difference: float
    tolerance: float
    mapped: bool
    verdict: Verdict
    units: str


def find_evidence(
    paths: Sequence[Path],
    version: CtsmVersion,
    expected: Mapping[str, float],
    maps: Path | None = None,
) -> list[Evidence]:
    """Compare scalars and maps that a case was given with what its run used.

    Parameters
    ----------
    paths : sequence of Path
        Monthly history files of the run; the last two years are used.
    version : CtsmVersion
    expected : mapping of str to float
        Values of the paramfile by item key, as `export.paramfile.read_scalars` gives them.
    maps : Path, optional
        Gridded parameter file that the paramfile names. Maps of q10 and w_scaling show in the decay
        rates alone, and so in the turnover times; of fs1s2, fs1s3 and beta nothing is told.

    Returns
    -------
    list of Evidence
        One an item on the paramfile or the maps, in the order of the version's table.

    Raises
    ------
    ValidationError
        If the files lack all fields that tell anything, or the maps are on another grid.
    ForcingError, FileError
        If they are no monthly history.
    """
    fields = HistoryFields(paths)
    mapped = None if maps is None else MappedScalars.read(maps, version, fields.grid)
    estimates = _estimates(fields, expected, mapped)
    if not estimates:
        raise ValidationError(
            f"{paths[0]} has no K_* field nor respiration by pool, so nothing can be determined; let the "
            f"run write them with the usermods of {shipped_directory('usermods')}/forcing_output"
        )
    return [
        _judge(item, meant, estimates.get(item.key), mapped)
        for item in version.items.values()
        if (meant := _meant(item, expected, mapped)) is not None
    ]


def _meant(
    item: Item, expected: Mapping[str, float], mapped: MappedScalars | None
) -> Array | float | None:
    """Value of the map where there is one, of the paramfile otherwise; None if there is neither."""
    if mapped is not None and item.key in mapped.by_item:
        return mapped.by_item[item.key]
    return expected.get(item.key) if item.place is Place.PARAMFILE else None


def rates_are_told(evidence: Sequence[Evidence]) -> bool:
    """Whether the run tells a turnover time; without, hardly anything tells paramfiles apart."""
    rates = set(TURNOVER_ITEMS.values())
    meant = [e for e in evidence if e.item in rates]
    return not meant or any(e.verdict != "cannot tell" for e in meant)


def format_evidence(evidence: Sequence[Evidence]) -> str:
    """Table for the terminal, one line an item."""
    lines = [
        f"{'scalar':<27}{'meant':>14}{'run':>14}  {'unit':<7}{'difference':>11}{'allowed':>9}  verdict"
    ]
    for e in evidence:
        if e.verdict == "cannot tell":
            found, difference = f"{'-':>14}", f"{'-':>11}"
        else:
            found = f"{e.found:>14.6g}"
            difference = _percent(e)
        head = f"{e.name:<27}{e.expected:>14.6g}{found}  {e.units:<7}{difference}"
        lines.append(f"{head}{e.tolerance:>9.1%}  {e.verdict}")
    if any(e.mapped for e in evidence):
        lines.append("map: medians over cells; the difference is the median of what cells differ.")
    return "\n".join(lines)


def _percent(evidence: Evidence) -> str:
    if not np.isfinite(evidence.difference):
        return f"{'':>11}"
    sign = "" if evidence.mapped else "+"
    return f"{evidence.difference:>{sign}z11.2%}"


def _judge(
    item: Item, meant: Array | float, found: Array | None, mapped: MappedScalars | None
) -> Evidence:
    is_map = isinstance(meant, np.ndarray)
    name = f"{item.variable} (map)" if is_map else item.name
    tolerance = _tolerance(item.key, mapped)
    known = np.zeros(0, dtype=bool) if found is None else np.isfinite(found)
    verdict: Verdict = "cannot tell"
    expected, median, apart = float(np.median(meant)), float("nan"), float("nan")
    if found is not None and known.any():
        there = np.broadcast_to(meant, found.shape)[known]
        expected, median = float(np.median(there)), float(np.median(found[known]))
        apart = float(np.median(np.abs(found[known] - there))) if is_map else median - expected
        allowed = max(tolerance * abs(expected), _ZERO if expected == 0.0 else 0.0)
        verdict = "used" if abs(apart) <= allowed else "NOT used"
    difference = apart / expected if expected else float("nan")
    return Evidence(
        item.key, name, expected, median, difference, tolerance, is_map, verdict, item.units
    )


def _tolerance(item: str, mapped: MappedScalars | None) -> float:
    is_rate = item in TURNOVER_ITEMS.values() or item == "decomp_depth_efolding"
    if is_rate and mapped is not None and mapped.change_environment:
        return _MAPPED_RATE_TOLERANCE
    return _TOLERANCES.get(item, _TOLERANCES.get(item.split("_")[0], 0.0))


def _estimates(
    fields: HistoryFields, expected: Mapping[str, float], mapped: MappedScalars | None
) -> dict[str, Array]:
    """Scalars of each cell as far as the fields tell them, by item key."""
    found = _turnover_and_efolding(fields, expected, mapped)
    parts: tuple[Callable[[HistoryFields], dict[str, Array]], ...] = (
        _q10,
        _water_limits,
        _diffusivities,
        _fractions,
    )
    return found | {key: values for part in parts for key, values in part(fields).items()}


def _turnover_and_efolding(
    fields: HistoryFields, expected: Mapping[str, float], mapped: MappedScalars | None
) -> dict[str, Array]:
    """From K = T W O exp(-z / efolding) / tau, the logarithm of which is a line in depth.

    With maps of q10 and w_scaling, times what they change.
    """
    litter, soil = fields.generation.litter, fields.generation.soil
    names = dict(
        zip(
            ("tau_cwd", "tau_l1", "tau_l2_l3", "tau_s1", "tau_s2", "tau_s3"),
            ("CWD", litter[0], litter[1], *soil),
            strict=True,
        )
    )
    scalars = fields.get("T_SCALAR", "W_SCALAR", "O_SCALAR")
    if scalars is None:
        return {}
    product = np.prod(scalars, axis=0)
    if mapped is not None and mapped.change_environment:
        temperature = fields.get("TSOI")
        if temperature is None:
            return {}
        product *= mapped.environment_factor(temperature[0], scalars[1], expected)
    found: dict[str, Array] = {}
    for key, pool in names.items():
        rate = fields.get(f"K_{pool}")
        if rate is None:
            continue
        acting = (rate[0] > 0.0) & (product > 0.0)
        ratio = np.log(rate[0], where=acting, out=np.full(acting.shape, np.nan))
        ratio -= np.log(product, where=acting, out=np.full(acting.shape, np.nan))
        by_layer = _median(ratio, axis=0)
        slope, efolding = _depth_slope(by_layer)
        found.setdefault("decomp_depth_efolding", efolding)
        if mapped is not None and "decomp_depth_efolding" in mapped.by_item:
            slope = -1.0 / mapped.by_item["decomp_depth_efolding"]
        at_surface = _median(by_layer - slope * SOIL_GRID.node_depth[:, np.newaxis], axis=0)
        found[key] = np.exp(-at_surface) / SECONDS_PER_YEAR
    return found


def _depth_slope(by_layer: Array) -> tuple[float | Array, Array]:
    """Slope (1/m) of the run, and e-folding depth (m) of each cell with enough soil."""
    depth = np.where(np.isfinite(by_layer), SOIL_GRID.node_depth[:, np.newaxis], np.nan)
    with np.errstate(invalid="ignore"):
        deviation = depth - _mean(depth)
        slope = _sum(deviation * (by_layer - _mean(by_layer))) / _sum(deviation**2)
        deep = _largest(depth) >= min(_DEEP_ENOUGH, float(np.nanmax(depth)))
        efolding = np.where(deep & (slope < 0.0), -1.0 / slope, np.nan)
    return -1.0 / float(np.nanmedian(efolding)), efolding


def _q10(fields: HistoryFields) -> dict[str, Array]:
    """From T_SCALAR = N(q10) q10 ** ((T - 25 degC) / 10) in calm soil; another q10 where it is frozen.

    Frozen, T_SCALAR = N(q10) q10 ** (-2.5) froz_q10 ** (T / 10 degC).
    """
    read = fields.get("T_SCALAR", "TSOI")
    if read is None:
        return {}
    scalar, temperature = read
    calm = (SOIL_GRID.node_depth > _CALM_DEPTH)[:, np.newaxis] & (scalar > 0.0)
    exponent = 1.0 + (temperature - Q10_REFERENCE) / 10.0
    thawed = calm & (temperature > FREEZING) & (np.abs(exponent) > _LEAST_EXPONENT)
    q10 = _base(scalar / float(century_normalisation(1.0)), exponent, thawed)
    found = {"q10": q10}
    if np.isfinite(q10).any():
        usual = float(np.nanmedian(q10))
        at_freezing = float(century_normalisation(usual)) * usual**-2.5
        below = (temperature - FREEZING) / 10.0
        frozen = calm & (below < -_LEAST_EXPONENT)
        found["froz_q10"] = _base(scalar / at_freezing, below, frozen)
    return found


def _base(power: Array, exponent: Array, usable: NDArray[np.bool_]) -> Array:
    """Find the base of a power: median over months and layers of each cell."""
    base = np.exp(np.log(np.where(usable, power, 1.0)) / np.where(usable, exponent, np.nan))
    return _median(base.reshape(-1, base.shape[-1]), axis=0)


def _water_limits(fields: HistoryFields) -> dict[str, Array]:
    """From W_SCALAR, a line in the logarithm of SOILPSI from 0 at minpsi_hr to 1 at maxpsi_hr."""
    read = fields.get("W_SCALAR", "SOILPSI")
    if read is None:
        return {}
    scalar, potential = (values.reshape(-1, values.shape[-1]) for values in read)
    calm = np.tile(SOIL_GRID.node_depth > _CALM_DEPTH, len(scalar) // SOIL_GRID.node_depth.size)
    usable = calm[:, np.newaxis] & (potential < 0.0)
    usable &= (scalar > _WITHIN_LIMITS) & (scalar < 1.0 - _WITHIN_LIMITS)
    logarithm = np.log(-np.where(usable, potential, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        away = logarithm - _mean(logarithm)
        slope = _sum(away * scalar) / _sum(away**2)
        at_zero = _mean(logarithm) - _mean(np.where(usable, scalar, np.nan)) / slope
        told = (usable.sum(axis=0) >= _LEAST_SAMPLES) & (_mean(away**2) > _LEAST_VARIANCE)
        lowest = np.where(told, -np.exp(at_zero), np.nan)
        highest = np.where(told, -np.exp(at_zero + 1.0 / slope), np.nan)
    return {"minpsi_hr": lowest, "maxpsi_hr": highest}


def _diffusivities(fields: HistoryFields) -> dict[str, Array]:
    """Bioturbation where nothing is frozen at depth, cryoturbation above the active layer's base."""
    read = fields.get("SOM_DIFFUS_COEF", "ALTMAX", "ALTMAX_LASTYEAR")
    if read is None:
        return {}
    coefficient, thaw, thaw_before = read
    mixed = np.where(coefficient > 0.0, coefficient, np.nan)
    always_deep = (np.minimum(thaw, thaw_before) > _CRYOTURBATION_LIMIT).all(axis=0)
    deepest = np.maximum(thaw, thaw_before)
    shallow = ((deepest > 0.0) & (deepest <= _CRYOTURBATION_LIMIT)).all(axis=0)
    flat = mixed.reshape(-1, mixed.shape[-1])
    return {
        "som_diffus": np.where(always_deep, _median(flat, axis=0), np.nan),
        "cryoturb_diffusion_k": np.where(shallow, _largest(flat), np.nan),
    }


def _fractions(fields: HistoryFields) -> dict[str, Array]:
    """Respired fractions and the cellulose share of debris, from the fluxes out of each pool."""
    (l1, l2, l3), (s1, s2, s3) = fields.generation.litter, fields.generation.soil
    c = fields.generation.carbon
    pairs = {
        "rf_l1s1": (f"{l1}_HR_vr", f"{l1}{c}_TO_{s1}{c}_vr"),
        "rf_l2s1": (f"{l2}_HR_vr", f"{l2}{c}_TO_{s1}{c}_vr"),
        "rf_l3s2": (f"{l3}_HR_vr", f"{l3}{c}_TO_{s2}{c}_vr"),
        "rf_s2s1": (f"{s2}_HR_{_short(s1)}_vr", f"{s2}{c}_TO_{s1}{c}_vr"),
        "rf_s2s3": (f"{s2}_HR_{_short(s3)}_vr", f"{s2}{c}_TO_{s3}{c}_vr"),
        "rf_s3s1": (f"{s3}_HR_vr", f"{s3}{c}_TO_{s1}{c}_vr"),
        "rf_cwdl2": ("CWD_HR_L2_vr", f"CWD{c}_TO_{l2}{c}_vr"),
        "rf_cwdl3": ("CWD_HR_L3_vr", f"CWD{c}_TO_{l3}{c}_vr"),
        "cwd_fcel": (f"CWD{c}_TO_{l2}{c}_vr", f"CWD{c}_TO_{l3}{c}_vr"),
        "cwd_flig": (f"CWD{c}_TO_{l3}{c}_vr", f"CWD{c}_TO_{l2}{c}_vr"),
    }
    found = {}
    for key, names in pairs.items():
        read = fields.get(*names)
        if read is not None:
            part, rest = (_sum(values.reshape(-1, values.shape[-1])) for values in read)
            with np.errstate(invalid="ignore", divide="ignore"):
                found[key] = part / (part + rest)
    return found


def _short(soil_pool: str) -> str:
    """CTSM's short name of a soil pool in fields of paths, S1 to S3."""
    order = ("ACT", "SLO", "PAS") if "SOM" in soil_pool else ("1", "2", "3")
    return next(f"S{number}" for number, mark in enumerate(order, 1) if mark in soil_pool)


def _median(values: Array, axis: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # cells of which nothing is known
        return np.asarray(np.nanmedian(values, axis=axis))


def _mean(values: Array) -> Array:
    return np.asarray(np.ma.masked_invalid(values).mean(axis=0).filled(np.nan))


def _sum(values: Array) -> Array:
    return np.asarray(np.ma.masked_invalid(values).sum(axis=0).filled(np.nan))


def _largest(values: Array) -> Array:
    return np.asarray(np.ma.masked_invalid(values).max(axis=0).filled(np.nan))
