"""Which CTSM version reads which soil-carbon scalar, and from where.

CTSM's soil code knows about two dozen scalars ("items"). Their names and the place they are read
from changed along the master line (ctsm1.0.dev*, ctsm5.1.dev*, 5.2, 5.3, 5.4) at three tags:
ctsm1.0.dev101 (turnover times and diffusivities are really read), ctsm5.1.dev043 (`tau_cwd_bgc`)
and ctsm5.1.dev074 (prefix `bgc_`, efolding on the paramfile). release-clm5.0, which CESM2.1 uses,
stands before the first of them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ctsm_socnn.errors import VersionError

__all__ = [
    "KNOWN_VERSIONS",
    "CtsmVersion",
    "Item",
    "Place",
    "resolve_version",
]


class Place(StrEnum):
    """Where CTSM takes a scalar from."""

    PARAMFILE = "paramfile"
    NAMELIST = "namelist"
    LITERAL = "literal"


@dataclass(frozen=True)
class Item:
    """One scalar of CTSM's soil code.

    Attributes
    ----------
    key : str
        The package's name for it, the same for all versions.
    place : Place
    name : str
        Variable on the paramfile, namelist item, or the literal and its routine.
    units : str
    variable : str
        Variable on the paramfiles of that version, read or not; empty where there is none. Maps
        carry the same name.
    """

    key: str
    place: Place
    name: str
    units: str
    variable: str = ""


@dataclass(frozen=True)
class CtsmVersion:
    """What one version of CTSM reads.

    Attributes
    ----------
    name : str
        As the user gave it, or as found in a checkout.
    generation : str
        Name of the range of versions that read the scalars alike.
    items : mapping of key to Item
    nested_usermods : bool
        Whether usermods lie in cime_config/usermods_dirs/clm/ (since ctsm5.3.016).
    """

    name: str
    generation: str
    items: Mapping[str, Item]
    nested_usermods: bool

    def item(self, key: str) -> Item:
        """Return the scalar called `key` in this package."""
        return self.items[key]

    def in_place(self, place: Place) -> tuple[Item, ...]:
        """All scalars that are read from `place`."""
        return tuple(item for item in self.items.values() if item.place is place)


Point = tuple[int, int, int]
"""Place on the master line: (major, minor, development tag)."""

_TAUS_LIVE: Final[Point] = (1, 0, 101)
_TAU_CWD_RENAMED: Final[Point] = (5, 1, 43)
_BGC_PREFIX: Final[Point] = (5, 1, 74)
_USERMODS_MOVED: Final[Point] = (5, 3, 16)

_LAST_TAG: Final[Mapping[tuple[int, int], int]] = {
    (1, 0): 113,
    (5, 1): 176,
    (5, 2): 29,
    (5, 3): 85,
    (5, 4): 53,
}
"""Last tag of each series whose source was checked."""

_ALIASES: Final[Mapping[str, str]] = {
    "clm5.0": "release-clm5.0",
    "cesm2.0": "release-clm5.0",
    "cesm2.1": "release-clm5.0",
    "release-cesm2.0": "release-clm5.0",
    "release-cesm2.1": "release-clm5.0",
    "cesm2.2": "release-cesm2.2",
}

_RELEASES: Final[Mapping[str, Point]] = {
    "release-clm5.0": (1, 0, 1),
    "release-cesm2.2": (1, 0, 111),
}
"""Release branches and the master tag whose soil code they share."""

_RANGES_OF_5_1: Final = ("ctsm5.1.dev001", "ctsm5.1.dev043", "ctsm5.1.dev074")

KNOWN_VERSIONS: Final[tuple[str, ...]] = (
    "release-clm5.0",
    "cesm2.2",
    *_RANGES_OF_5_1,
    "ctsm5.1.dev176",
    "ctsm5.2",
    "ctsm5.3",
    "ctsm5.4",
)
"""Names to offer; tags of these series are understood too, for example ctsm5.3.085."""

_TAG: Final = re.compile(r"(?:ctsm)?(?P<series>1\.0|5\.[1-4])(?:\.(?:dev)?(?P<tag>\d{1,3}))?")
_RELEASE_TAG: Final = re.compile(r"(?P<branch>release-(?:clm5\.0|cesm2\.[012]))(?:\.\d+)?")


def resolve_version(version: CtsmVersion | str) -> CtsmVersion:
    """Find what a named version reads.

    Parameters
    ----------
    version : CtsmVersion or str
        A tag (ctsm5.3.085, release-clm5.0.37), a series (ctsm5.4) or a CESM release (cesm2.1); one
        that has been found comes back as it is.

    Raises
    ------
    VersionError
        If the version is unknown; names the nearest known one.
    """
    if isinstance(version, CtsmVersion):
        return version
    name = version.strip()
    wanted = name.lower()
    release = _RELEASE_TAG.fullmatch(_ALIASES.get(wanted, wanted))
    if release:
        branch = _ALIASES.get(release["branch"], release["branch"])
        return _version_at(_RELEASES[branch], name)
    tag = _TAG.fullmatch(wanted)
    if not tag:
        raise VersionError(
            f"unknown CTSM version {name!r}; the nearest known is {_nearest(wanted)}"
        )
    return _version_at(_point(name, tag), name)


def _nearest(wanted: str) -> str:
    return difflib.get_close_matches(wanted, KNOWN_VERSIONS, n=1, cutoff=0.0)[0]


def _point(name: str, tag: re.Match[str]) -> Point:
    major, minor = (int(part) for part in tag["series"].split("."))
    last = _LAST_TAG[major, minor]
    if tag["tag"] is None:
        if minor in (0, 1):
            raise VersionError(
                f"CTSM version {name!r} is a series whose parameters changed names on the way; "
                f"give the tag, for example {', '.join(_RANGES_OF_5_1)}"
            )
        return major, minor, last
    number = int(tag["tag"])
    if number > last:
        raise VersionError(
            f"CTSM version {name!r} is newer than the last one checked of its series; the nearest "
            f"known is ctsm{major}.{minor}.{'dev' if minor in (0, 1) else ''}{last:03d}"
        )
    return major, minor, number


def _version_at(point: Point, name: str) -> CtsmVersion:
    generation, items = _items_at(point)
    return CtsmVersion(
        name=name,
        generation=generation,
        items=items,
        nested_usermods=point >= _USERMODS_MOVED,
    )


_RATES: Final = "decomp_rate_constants_bgc"
_TRANSPORT: Final = "readParams of SoilBiogeochemLittVertTranspMod"

_PARAMFILE_5_0: Final[Mapping[str, tuple[str, str]]] = {
    "som_diffus": ("som_diffus", "m2 s-1"),
    "cryoturb_diffusion_k": ("cryoturb_diffusion_k", "m2 s-1"),
    "q10": ("q10_mr", "1"),
    "froz_q10": ("froz_q10", "1"),
    "tau_cwd": ("tau_cwd", "yr"),
    "tau_l1": ("tau_l1", "yr"),
    "tau_l2_l3": ("tau_l2_l3", "yr"),
    "tau_s1": ("tau_s1", "yr"),
    "tau_s2": ("tau_s2", "yr"),
    "tau_s3": ("tau_s3", "yr"),
    "rf_l1s1": ("rf_l1s1_bgc", "1"),
    "rf_l2s1": ("rf_l2s1_bgc", "1"),
    "rf_l3s2": ("rf_l3s2_bgc", "1"),
    "rf_s2s1": ("rf_s2s1_bgc", "1"),
    "rf_s2s3": ("rf_s2s3_bgc", "1"),
    "rf_s3s1": ("rf_s3s1_bgc", "1"),
    "rf_cwdl2": ("rf_cwdl2_bgc", "1"),
    "rf_cwdl3": ("rf_cwdl3_bgc", "1"),
    "cwd_fcel": ("cwd_fcel", "1"),
    "cwd_flig": ("cwd_flig", "1"),
    "minpsi_hr": ("minpsi_hr", "MPa"),
    "maxpsi_hr": ("maxpsi_hr", "MPa"),
}
"""Names on the oldest paramfiles; which of them are ignored is in `_LITERAL_5_0`."""

_LITERAL_5_0: Final[Mapping[str, str]] = {
    "som_diffus": f"1e-4 m2 yr-1 in {_TRANSPORT}",
    "cryoturb_diffusion_k": f"5e-4 m2 yr-1 in {_TRANSPORT}",
    "tau_cwd": f"1/0.3 yr in {_RATES}",
    "tau_l1": f"1/18.5 yr in {_RATES}",
    "tau_l2_l3": f"1/4.9 yr in {_RATES}",
    "tau_s1": f"1/7.3 yr in {_RATES}",
    "tau_s2": f"1/0.2 yr in {_RATES}",
    "tau_s3": f"1/0.0045 yr in {_RATES}",
}

_RENAMED_AT_DEV074: Final[Mapping[str, str]] = {
    "tau_cwd": "tau_cwd",
    "tau_l1": "bgc_tau_l1",
    "tau_l2_l3": "bgc_tau_l2_l3",
    "tau_s1": "bgc_tau_s1",
    "tau_s2": "bgc_tau_s2",
    "tau_s3": "bgc_tau_s3",
    "rf_l1s1": "bgc_rf_l1s1",
    "rf_l2s1": "bgc_rf_l2s1",
    "rf_l3s2": "bgc_rf_l3s2",
    "rf_s2s1": "bgc_rf_s2s1",
    "rf_s2s3": "bgc_rf_s2s3",
    "rf_s3s1": "bgc_rf_s3s1",
    "rf_cwdl2": "rf_cwdl2",
    "rf_cwdl3": "bgc_rf_cwdl3",
    "cwd_fcel": "bgc_cwd_fcel",
}

_EVERYWHERE: Final[tuple[Item, ...]] = (
    Item("s1_split", Place.LITERAL, "function of sand in init_decompcascade_bgc", "1"),
    Item("s2_split", Place.LITERAL, "0.42/0.45 and 0.03/0.45 in init_decompcascade_bgc", "1"),
    Item("input_profile", Place.LITERAL, "SoilBiogeochemVerticalProfile", "m-1"),
)


def _on_file(key: str, variable: str, units: str) -> Item:
    return Item(key, Place.PARAMFILE, variable, units, variable)


def _items_at(point: Point) -> tuple[str, Mapping[str, Item]]:
    items = {key: _on_file(key, name, units) for key, (name, units) in _PARAMFILE_5_0.items()}
    efolding = "decomp_depth_efolding"
    items[efolding] = Item(efolding, Place.NAMELIST, efolding, "m", efolding)
    generation = "ctsm1.0.dev101 to ctsm5.1.dev042, cesm2.2"
    if point < _TAUS_LIVE:
        generation = "release-clm5.0, up to ctsm1.0.dev100"
        for key, literal in _LITERAL_5_0.items():
            items[key] = Item(key, Place.LITERAL, literal, items[key].units, items[key].variable)
    if point >= _TAU_CWD_RENAMED:
        generation = "ctsm5.1.dev043 to ctsm5.1.dev073"
        items["tau_cwd"] = _on_file("tau_cwd", "tau_cwd_bgc", "yr")
    if point >= _BGC_PREFIX:
        generation = "ctsm5.1.dev074 to ctsm5.4"
        items[efolding] = _on_file(efolding, efolding, "m")
        for key, name in _RENAMED_AT_DEV074.items():
            items[key] = _on_file(key, name, items[key].units)
    return generation, MappingProxyType(items | {item.key: item for item in _EVERYWHERE})
