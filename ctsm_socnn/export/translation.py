"""The 21 parameters as CTSM's own scalars.

One set of values is turned into what CTSM reads: conversions are listed in
`ctsm_socnn.parameters.ctsm_routes`. What a version cannot take is returned beside it, with the
reason, and never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ctsm_socnn.errors import ExportError
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    SPLITS,
    TurnoverConvention,
    century_normalisation,
    convert_turnover_times,
)
from ctsm_socnn.parameters.ctsm_routes import (
    Q10_ITEMS,
    ROUTES,
    S2_TO_S1_SHARE,
    S2_TO_S3_SHARE,
    SECONDS_PER_YEAR,
    TURNOVER_ITEMS,
    closed_because,
)
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Place

__all__ = [
    "RESPIRED_ITEMS",
    "NotDelivered",
    "Translation",
    "WaterLimits",
    "century_turnover_times",
    "checked_values",
    "diffusivity_per_second",
    "require_splits",
    "require_usable",
    "shortest_turnover_time",
    "translate",
]

Values = dict[str, NDArray[np.float64]]
"""Parameter name -> values of one common shape."""

_POSITIVE: Final = ("diffus", "cryo", "q10", "efolding", *TURNOVER_ITEMS, "w_scaling")
_FRACTIONS: Final = (
    *(name for name in PARAMETER_NAMES if name.startswith("f")),
    "beta",
)
_IS_POSITIVE: Final = np.isin(PARAMETER_NAMES, _POSITIVE)
_IS_FRACTION: Final = np.isin(PARAMETER_NAMES, _FRACTIONS)
_TIME_STEP: Final = 1800.0
"""s. CTSM's usual one."""
_HOTTEST: Final = 50.0
"""degC. Warmer soil is too dry to decompose."""
RESPIRED_ITEMS: Final = {
    "fl1s1": "rf_l1s1",
    "fl2s1": "rf_l2s1",
    "fl3s2": "rf_l3s2",
    "fs3s1": "rf_s3s1",
}
"""Parameter -> CTSM item, for the fractions of one path."""


@dataclass(frozen=True)
class WaterLimits:
    """Water potentials between which decomposition rises from 0 to 1, MPa, as on the template."""

    minpsi: float
    maxpsi: float

    @classmethod
    def of_scalars(cls, scalars: Mapping[str, float]) -> WaterLimits:
        """Take them from CTSM's scalars by item key."""
        return cls(scalars["minpsi_hr"], scalars["maxpsi_hr"])


@dataclass(frozen=True)
class NotDelivered:
    """A parameter that does not arrive, or not wholly.

    Attributes
    ----------
    parameter : str
    asked : float
        Value of the estimate.
    arrives : str
        What CTSM will use instead.
    reason : str
    """

    parameter: str
    asked: float
    arrives: str
    reason: str


@dataclass(frozen=True)
class Translation:
    """CTSM's scalars by item key, and what of the estimate they do not carry."""

    scalars: dict[str, float]
    not_delivered: tuple[NotDelivered, ...]


def checked_values(values: ArrayLike, where: str) -> Values:
    """Split a parameter axis into named arrays after checking that CTSM can use the values.

    Parameters
    ----------
    values : array_like, shape (..., parameter), registry order and units
    where : str
        For messages: the file or object the values come from.

    Raises
    ------
    ExportError
        If a value is not finite, a turnover time, diffusivity, Q10 or depth is not positive, a
        fraction lies outside 0 to 1, or the fractions that leave one pool sum above 1.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.shape[-1:] != (len(PARAMETER_NAMES),):
        raise ExportError(
            f"{where}: the parameter axis has length {array.shape[-1:] or 0}; "
            f"it must be {len(PARAMETER_NAMES)} in the registry's order"
        )
    named = {name: array[..., i] for i, name in enumerate(PARAMETER_NAMES)}
    impossible = ~np.isfinite(array) | (_IS_POSITIVE & (array <= 0.0))
    impossible |= _IS_FRACTION & ((array < 0.0) | (array > 1.0))
    for place in np.flatnonzero(impossible.reshape(-1, len(PARAMETER_NAMES)).any(axis=0)):
        require_usable(PARAMETER_NAMES[place], named[PARAMETER_NAMES[place]], where)
    require_splits(named, where)
    return named


def require_usable(name: str, value: NDArray[np.float64], where: str) -> None:
    """Refuse values of one parameter that CTSM cannot use.

    Raises
    ------
    ExportError
        Naming the first bad value and its index.
    """
    bad = ~np.isfinite(value)
    rule = "must be finite"
    if not bad.any() and name in _POSITIVE:
        bad, rule = value <= 0.0, "must be above 0, because CTSM divides by it"
    if not bad.any() and name in _FRACTIONS:
        bad, rule = (value < 0.0) | (value > 1.0), "must lie between 0 and 1"
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        at = f" at index {index}" if index else ""
        raise ExportError(f"{where}: {name} = {value[index]:g}{at}; it {rule}")


def require_splits(named: Values, where: str) -> None:
    """Refuse transfer fractions that leave one pool and sum above 1.

    Raises
    ------
    ExportError
    """
    for first, second in SPLITS:
        if first in named and second in named:
            total = named[first] + named[second]
            if (total > 1.0).any():
                raise ExportError(
                    f"{where}: {first} + {second} reaches {float(np.max(total)):g}; what leaves a "
                    "pool cannot exceed 1"
                )


def diffusivity_per_second(per_year: NDArray[np.float64]) -> NDArray[np.float64]:
    """Diffusivity in CTSM's unit: m2 yr-1 to m2 s-1 with years of 365 days."""
    return np.asarray(per_year / SECONDS_PER_YEAR)


def century_turnover_times(named: Values, convention: TurnoverConvention) -> Values:
    """Turnover times as CTSM means them, yr, by CTSM item; those that `named` holds."""
    return {
        item: convert_turnover_times(
            named[parameter],
            named["q10"],
            source=convention,
            target=TurnoverConvention.CENTURY_NORMALISED,
        )
        for parameter, item in TURNOVER_ITEMS.items()
        if parameter in named
    }


def shortest_turnover_time(q10: ArrayLike) -> NDArray[np.float64]:
    """Shortest turnover time that CTSM's explicit time step carries, yr, century-normalised.

    `CNCStateUpdate1Mod` takes the loss of a whole step out of a pool without asking what the pool
    holds. With this turnover time half an hour in moist soil at 50 degC takes out all of it.

    Parameters
    ----------
    q10 : array_like, 1
    """
    q10 = np.asarray(q10, dtype=np.float64)
    hottest = century_normalisation(q10) * q10 ** ((_HOTTEST - 25.0) / 10.0)
    return np.asarray(_TIME_STEP / SECONDS_PER_YEAR * hottest)


def translate(
    values: ArrayLike,
    convention: TurnoverConvention,
    version: CtsmVersion,
    water: WaterLimits,
    *,
    elsewhere: frozenset[str] = frozenset(),
) -> Translation:
    """Turn one set of parameters into the scalars that a version of CTSM reads.

    Parameters
    ----------
    values : array_like, shape (parameter,), registry order and units
    convention : TurnoverConvention
        Which temperature scalar the turnover times belong to.
    version : CtsmVersion
    water : WaterLimits
        Of the template.
    elsewhere : frozenset of str
        Parameters that a map delivers: they are not reported as missing. `w_scaling`, which the
        map applies on top of the paramfile's, and `q10`, whose scalar would change plants for
        nothing, are then left out here.

    Raises
    ------
    ExportError
        If CTSM cannot use the values.
    """
    named = checked_values(values, "parameters")
    numbers = {name: float(value) for name, value in named.items()}
    scalars = _plain_scalars(named, convention)
    lost = _slow_pool(numbers, scalars) + _water(numbers, scalars, version, water, elsewhere)
    lost += _too_fast(numbers, scalars, version)
    for route in ROUTES:
        reason = closed_because(route, version)
        if reason:
            lost.append(_closed(route.parameter, numbers[route.parameter], reason))
    left_out = Q10_ITEMS if "q10" in elsewhere else ()
    open_items = {
        key: value
        for key, value in scalars.items()
        if version.item(key).place is not Place.LITERAL and key not in left_out
    }
    order = {name: i for i, name in enumerate(PARAMETER_NAMES)}
    kept = sorted(
        (entry for entry in lost if entry.parameter not in elsewhere),
        key=lambda entry: order[entry.parameter],
    )
    return Translation(open_items, tuple(kept))


def _closed(parameter: str, asked: float, reason: str) -> NotDelivered:
    return NotDelivered(parameter, asked, "CTSM's own value", reason)


def _plain_scalars(named: Values, convention: TurnoverConvention) -> dict[str, float]:
    scalars = {
        "som_diffus": float(diffusivity_per_second(named["diffus"])),
        "cryoturb_diffusion_k": float(diffusivity_per_second(named["cryo"])),
        "q10": float(named["q10"]),
        "froz_q10": float(named["q10"]),
        "decomp_depth_efolding": float(named["efolding"]),
        "cwd_fcel": float(named["fcwdl2"]),
        "cwd_flig": 1.0 - float(named["fcwdl2"]),
        "rf_cwdl2": 0.0,
        "rf_cwdl3": 0.0,
    }
    scalars |= {item: 1.0 - float(named[name]) for name, item in RESPIRED_ITEMS.items()}
    taus = century_turnover_times(named, convention)
    return scalars | {item: float(value) for item, value in taus.items()}


def _slow_pool(numbers: dict[str, float], scalars: dict[str, float]) -> list[NotDelivered]:
    lost = []
    for name, item, share in (
        ("fs2s1", "rf_s2s1", S2_TO_S1_SHARE),
        ("fs2s3", "rf_s2s3", S2_TO_S3_SHARE),
    ):
        respired = 1.0 - numbers[name] / share
        if respired < 0.0:
            lost.append(
                NotDelivered(
                    name,
                    numbers[name],
                    f"{share:.6g}",
                    "CTSM fixes the share of this path, so that nothing respired is the most",
                )
            )
        scalars[item] = max(respired, 0.0)
    return lost


def _water(
    numbers: dict[str, float],
    scalars: dict[str, float],
    version: CtsmVersion,
    water: WaterLimits,
    elsewhere: frozenset[str],
) -> list[NotDelivered]:
    scaling = numbers["w_scaling"]
    if "w_scaling" in elsewhere:
        return []
    if scaling < 1.0 and elsewhere & set(TURNOVER_ITEMS):
        reason = "below 1 it goes through turnover times, which the maps replace; map it, too"
        return [NotDelivered("w_scaling", scaling, "1", reason)]
    if scaling >= 1.0:
        ratio = water.maxpsi / water.minpsi
        scalars["maxpsi_hr"] = water.minpsi * float(ratio ** (1.0 / scaling))
        return []
    reason = closed_because(next(r for r in ROUTES if r.parameter == "tau_s1"), version)
    if reason:
        return [_closed("w_scaling", scaling, f"below 1 it goes through turnover times, {reason}")]
    for item in TURNOVER_ITEMS.values():
        scalars[item] /= scaling
    return []


def _too_fast(
    numbers: dict[str, float], scalars: dict[str, float], version: CtsmVersion
) -> list[NotDelivered]:
    shortest = float(shortest_turnover_time(numbers["q10"]))
    lost = []
    for name, item in TURNOVER_ITEMS.items():
        if version.item(item).place is not Place.LITERAL and scalars[item] < shortest:
            scalars[item] = shortest
            reason = "a shorter one would take more out of the pool in half an hour than it holds"
            lost.append(NotDelivered(name, numbers[name], f"{shortest:.6g} yr", reason))
    return lost
