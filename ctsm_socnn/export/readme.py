"""The README of a usermods directory."""

from __future__ import annotations

from ctsm_socnn.export.delivery import Delivery
from ctsm_socnn.export.gridded import GriddedDelivery
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion
from ctsm_socnn.provenance import history_line, package_version

__all__ = ["readme_text"]

_SPIN_UP = """\
Spin-up
-------
The parameters act from the first time step; nothing of them is in a restart file. Soil carbon
then drifts for centuries towards its new equilibrium. Start from a spun-up state of the stock
parameters only to save time, and spin up anew: accelerated decomposition (CLM_ACCELERATED_SPINUP
= on) until the total ecosystem carbon is steady, then off for at least 200 years. The
acceleration factors follow the turnover times on the paramfile, so keep one paramfile for both.
"""

_UNDO = """\
To undo it
----------
Delete the line `paramfile = ...` and those below it from user_nl_clm of the case.
"""

_MAPS = """\
Maps
----
gridded_parameters.nc holds the parameters on the model grid. CTSM as released reads none of them:
an unmodified model uses the one value a parameter on the paramfile.
"""


def readme_text(
    *,
    version: CtsmVersion,
    source: str,
    template: str,
    delivery: Delivery,
    gridded: GriddedDelivery | None,
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
    if gridded is not None:
        parts.append(f"{_MAPS}{gridded.table()}.\n")
    return "\n".join([*parts, _SPIN_UP, _UNDO])
