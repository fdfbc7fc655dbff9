"""The README of a usermods directory."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Final

from ctsm_socnn.export.delivery import Delivery
from ctsm_socnn.export.gridded import GriddedDelivery
from ctsm_socnn.export.loss import TranslationLoss
from ctsm_socnn.parameters.ctsm_routes import ROUTES, closed_because
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion
from ctsm_socnn.provenance import history_line, package_version

__all__ = ["Maps", "readme_text"]


class Maps(Enum):
    """Who reads the maps of a usermods directory; the value is what the README says of it."""

    UNREAD = """\
gridded_parameters.nc holds the parameters on the model grid. An unmodified CTSM does not read them:
it uses the one value per parameter on the paramfile. Give `ctsm-socnn export
usermods` a checkout (--ctsm-root) to get SourceMods that read them.
"""
    BY_SOURCE_MODS = """\
The SourceMods make CTSM read gridded_parameters.nc, which the paramfile names in its global
attribute socnn_gridded_file; without that attribute they change nothing. They are CTSM's own
files with lines inserted, each marked "! ctsm-socnn", and three modules of ours. For a new map of
the same grid change only the paramfile's attribute or the file; no rebuild is needed. In a case that is
already built, run `./case.build --clean lnd` before `./case.build`.
The decay rates, fractions, diffusivities and input profiles come from the maps; T_SCALAR and
W_SCALAR in the history remain CTSM's own, because nitrogen uptake uses them, too. K_*, RESP_FRAC,
PATHFRAC, SOM_DIFFUS_COEF and the profiles show the effect of the maps.
"""
    BY_PARENT = """\
This directory has no SourceMods: it is for `create_clone --keepexe` of a case that was built
with the SourceMods of ctsm-socnn, whose executable reads the maps that the paramfile names. A
stock executable silently ignores them, and then lacks: {stock_lacks}.
Its decay rates are then not those of the estimate.
"""


_ON_MAPS_ALONE: Final = ("q10", "w_scaling")
"""Whose scalars stay the template's where a map delivers them (`translation.translate`)."""

_SPIN_UP = """\
Spin-up
-------
The parameters act from the first time step; restart files do not contain them. Soil carbon
then drifts for centuries towards its new equilibrium. Start from a spun-up state of the stock
parameters only to save time, and spin up anew: accelerated decomposition (CLM_ACCELERATED_SPINUP
= on) until the total ecosystem carbon is steady, then off for at least 200 years. The
acceleration factors follow the turnover times on the paramfile, so keep one paramfile for both.
"""

_UNDO = """\
To undo it
----------
Delete these lines from user_nl_clm of the case: {namelist_items}.
"""

_UNDO_SOURCE_MODS = """\
Delete the files of SourceMods/src.clm here from SourceMods/src.clm of the case, then run
`./case.build --clean lnd` and `./case.build`. To get stock results from the same executable,
deleting the lines of user_nl_clm is enough.
"""

_MOVE = """\
To move it
----------
user_nl_clm holds this directory's absolute path. After moving it, also to another machine, run
  ctsm-socnn check-usermods DIRECTORY --relocate
"""


def readme_text(
    *,
    version: CtsmVersion,
    source: str,
    template: str,
    delivery: Delivery,
    gridded: GriddedDelivery | None,
    read_from_maps: Collection[str],
    loss: TranslationLoss | None,
    reading: Maps,
    command: str,
) -> str:
    """Text of the README.

    Parameters
    ----------
    version : CtsmVersion
    source : str
        What the estimate is.
    template : str
        Name of the paramfile that the new one was made from.
    delivery : Delivery
    gridded : GriddedDelivery or None
    read_from_maps : collection of str
        Parameters that the case takes from the maps.
    loss : TranslationLoss or None
    reading : Maps
        Who reads the maps.
    command : str
        The create_newcase line.
    """
    parts = [
        f"Soil-carbon parameters for CTSM {version.name}\n"
        f"made by ctsm-socnn {package_version()}: {history_line()}\n"
        f"from: {source}\n"
        f"paramfile made from: {template}; only values were changed\n",
        f"Use\n---\n{command}\n",
        f"What it changes\n---------------\n{delivery.table()}\n",
    ]
    if loss is not None:
        parts.append(f"What is lost\n------------\n{loss.table()}\n")
    if gridded is not None:
        lacks = ", ".join(_stock_lacks(version, read_from_maps))
        text = reading.value.format(stock_lacks=lacks)
        parts.append(f"Maps\n----\n{text}{gridded.table()}.\n")
    namelist_items = ", ".join(f"`{name} = ...`" for name in ("paramfile", *delivery.namelist))
    undo = _UNDO.format(namelist_items=namelist_items) + (
        _UNDO_SOURCE_MODS if reading is Maps.BY_SOURCE_MODS else ""
    )
    return "\n".join([*parts, _SPIN_UP, undo, _MOVE])


def _stock_lacks(version: CtsmVersion, read_from_maps: Collection[str]) -> list[str]:
    """Parameters that a stock executable does not get: no scalar of it, or none was written."""
    return [
        route.parameter
        for route in ROUTES
        if closed_because(route, version)
        or (route.parameter in _ON_MAPS_ALONE and route.parameter in read_from_maps)
    ]
