"""Which code makes the weights: ESMPy if it can be imported, else our own."""

from __future__ import annotations

from ctsm_socnn.errors import GridError
from ctsm_socnn.regrid.esmf import INSTALL_ESMPY, esmpy_problem, esmpy_weights
from ctsm_socnn.regrid.geometry import Grid, GridKind
from ctsm_socnn.regrid.nearest import nearest_weights
from ctsm_socnn.regrid.rectilinear import conservative_weights
from ctsm_socnn.regrid.weights import Method, Normalisation, RemapWeights

__all__ = ["BACKENDS", "make_weights"]

BACKENDS = ("auto", "esmpy", "own")


def make_weights(
    source: Grid,
    target: Grid,
    method: Method = Method.CONSERVATIVE,
    normalisation: Normalisation = Normalisation.FRACAREA,
    backend: str = "auto",
) -> RemapWeights:
    """Make weights from one grid to another.

    Parameters
    ----------
    source, target : Grid
    method : Method
    normalisation : Normalisation
        Of the conservative method.
    backend : {"auto", "esmpy", "own"}
        "auto" is ESMPy where it can be imported. "own" is the exact rectilinear method and the
        nearest centre.

    Returns
    -------
    RemapWeights

    Raises
    ------
    GridError
        If the grids and the method are beyond the backend, or the conservative method is asked for
        cells whose extent is unknown.
    """
    if backend not in BACKENDS:
        raise GridError(f"unknown backend {backend!r}; choose from {', '.join(BACKENDS)}")
    problem = esmpy_problem() if backend == "auto" else "it was not asked for"
    if backend == "esmpy" or not problem:
        return esmpy_weights(source, target, method, normalisation)
    if method is Method.NEAREST:
        return nearest_weights(source, target)
    if method is Method.CONSERVATIVE:
        for grid in (source, target):
            grid.corners()
        if all(grid.kind is GridKind.RECTILINEAR for grid in (source, target)):
            return conservative_weights(source, target, normalisation)
    raise GridError(_beyond(source, target, method, problem))


def _beyond(source: Grid, target: Grid, method: Method, problem: str) -> str:
    crooked = [grid for grid in (source, target) if grid.kind is not GridKind.RECTILINEAR]
    what = f"{crooked[0].name}: the {crooked[0].kind} grid" if crooked else f"the method {method}"
    return (
        f"{what} needs ESMPy, which is not used here ({problem}). {INSTALL_ESMPY}; "
        "or give weights made elsewhere with --weights, or use --method nearest"
    )
