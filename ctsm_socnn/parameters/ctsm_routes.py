"""The CTSM scalar through which each of the 21 parameters reaches an unmodified model.

Whether a route is open in one version follows from where that version reads the scalars
(`ctsm_socnn.parameters.ctsm_versions`): a route through a literal is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, Place
from ctsm_socnn.parameters.registry import PARAMETERS

__all__ = [
    "Q10_ITEMS",
    "ROUTES",
    "S2_TO_S1_SHARE",
    "S2_TO_S3_SHARE",
    "SECONDS_PER_YEAR",
    "TURNOVER_ITEMS",
    "Route",
    "closed_because",
    "closed_in",
    "version_table",
]

SECONDS_PER_YEAR: Final = 365.0 * 86400.0
"""Of the published model and of CTSM's default calendar, which has no leap years."""

S2_TO_S1_SHARE: Final = 0.42 / 0.45
S2_TO_S3_SHARE: Final = 0.03 / 0.45
"""Path fractions of the slow pool, literals in `init_decompcascade_bgc` in all versions."""

TURNOVER_ITEMS: Final[dict[str, str]] = {
    "tau_cwd": "tau_cwd",
    "tau_l1": "tau_l1",
    "tau_l2": "tau_l2_l3",
    "tau_s1": "tau_s1",
    "tau_s2": "tau_s2",
    "tau_s3": "tau_s3",
}
"""Parameter -> CTSM item, for the turnover times."""

Q10_ITEMS: Final = ("q10", "froz_q10")
"""CTSM items that q10 sets: of thawed and of frozen soil."""

_Q10_SIDE_EFFECT: Final = (
    "also sets the Q10 of plant maintenance respiration; CTSM has one variable for both"
)
_SPIN_UP: Final = {
    "tau_cwd": "also sets the accelerated spin-up factor of its pool, max(1, tau/2)",
    "tau_s2": "also sets the accelerated spin-up factor of its pool, max(1, tau)",
    "tau_s3": "also sets the accelerated spin-up factor of its pool, max(1, tau)",
}
_TAU_CONVERSION: Final = "yr, times N(q10) = 0.54706 q10 if estimated without normalisation"


@dataclass(frozen=True)
class Route:
    """How one parameter reaches CTSM.

    Attributes
    ----------
    parameter : str
        Name in the registry.
    items : tuple of str
        Keys of the scalars that carry it, all of which must be open.
    conversion : str
        From the registry's value to CTSM's.
    side_effect : str
        What else in CTSM the scalar drives; empty where nothing.
    limit : str
        When only a part arrives; empty where all of it always does.
    """

    parameter: str
    items: tuple[str, ...]
    conversion: str
    side_effect: str = ""
    limit: str = ""


def _fraction(parameter: str, item: str) -> Route:
    return Route(parameter, (item,), "respired fraction = 1 - f")


ROUTES: Final[tuple[Route, ...]] = (
    Route("diffus", ("som_diffus",), "m2 s-1 = x / (86400 * 365)"),
    Route("cryo", ("cryoturb_diffusion_k",), "m2 s-1 = x / (86400 * 365)"),
    Route("q10", Q10_ITEMS, "both = x", side_effect=_Q10_SIDE_EFFECT),
    Route("efolding", ("decomp_depth_efolding",), "m, as it is"),
    *(
        Route(name, (item,), _TAU_CONVERSION, side_effect=_SPIN_UP.get(name, ""))
        for name, item in TURNOVER_ITEMS.items()
    ),
    _fraction("fl1s1", "rf_l1s1"),
    _fraction("fl2s1", "rf_l2s1"),
    _fraction("fl3s2", "rf_l3s2"),
    Route("fs1s2", ("s1_split",), "none"),
    Route("fs1s3", ("s1_split",), "none"),
    Route("fs2s1", ("rf_s2s1",), "respired fraction = 1 - f / (0.42/0.45)", limit="f <= 0.9333"),
    Route("fs2s3", ("rf_s2s3",), "respired fraction = 1 - f / (0.03/0.45)", limit="f <= 0.0667"),
    _fraction("fs3s1", "rf_s3s1"),
    Route(
        "fcwdl2",
        ("cwd_fcel", "cwd_flig", "rf_cwdl2", "rf_cwdl3"),
        "cwd_fcel = f, cwd_flig = 1 - f, nothing respired",
    ),
    Route(
        "w_scaling",
        ("maxpsi_hr", *TURNOVER_ITEMS.values()),
        "s >= 1: maxpsi_hr = minpsi (maxpsi/minpsi)^(1/s); s <= 1: turnover times / s",
        side_effect="above 1 w_scaling also raises the water scalar of nitrification",
        limit="s >= 1, because turnover times are hard-coded",
    ),
    Route("beta", ("input_profile",), "none"),
)
"""One route a parameter, in the registry's order."""


def closed_because(route: Route, version: CtsmVersion) -> str:
    """Why the route is closed in this version; empty if it is open.

    `w_scaling` counts as open where `maxpsi_hr` is read, because s >= 1 needs nothing else.
    """
    needed = route.items[:1] if route.parameter == "w_scaling" else route.items
    for key in needed:
        item = version.item(key)
        if item.place is Place.LITERAL:
            return f"hard-coded in {version.name}: {item.name}"
    return ""


def closed_in(version: CtsmVersion) -> tuple[str, ...]:
    """Parameters that an unmodified model of this version does not take at all."""
    return tuple(route.parameter for route in ROUTES if closed_because(route, version))


def _limit(route: Route, version: CtsmVersion) -> str:
    if route.parameter == "w_scaling" and version.item("tau_s1").place is not Place.LITERAL:
        return ""
    return route.limit


def version_table(version: CtsmVersion) -> str:
    """Table of the 21 parameters as that version reads them, for the terminal."""
    rows = [("parameter", "unit", "where", "CTSM name", "conversion")]
    notes: list[str] = []
    for parameter, route in zip(PARAMETERS, ROUTES, strict=True):
        reason = closed_because(route, version)
        first = version.item(route.items[0])
        carriers = route.items[:1] if route.parameter == "w_scaling" else route.items
        names = ", ".join(version.item(key).name for key in carriers)
        rows.append(
            (
                parameter.name,
                parameter.units,
                "not deliverable" if reason else first.place.value,
                "-" if reason else names,
                "-" if reason else route.conversion,
            )
        )
        notes += [f"{parameter.name}: {reason}"] if reason else []
        if route.side_effect and not reason:
            notes.append(f"{parameter.name}: {route.side_effect}")
        limit = "" if reason else _limit(route, version)
        notes += [f"{parameter.name}: only {limit}"] if limit else []
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    title = f"CTSM {version.name} (reads parameters like {version.generation})"
    return "\n".join([title, "", *lines, "", "Notes", *(f"  {note}" for note in notes)])
