"""Which sites are held out together.

Profiles from one pit, or from pits a few steps apart, are nearly identical; folds that split them
measure memorisation. `location_folds` keeps them together, `block_folds` holds out whole blocks and
`region_folds` whole regions; a location on the edge of two belongs to one of them.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans
from sklearn.model_selection import GroupKFold

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.regrid.geometry import unit_vectors

__all__ = [
    "FOLD_KINDS",
    "FoldKind",
    "block_folds",
    "hold_out",
    "location_folds",
    "location_groups",
    "make_folds",
    "positions_km",
    "region_folds",
]

_EARTH_RADIUS_KM: Final = 6371.0
"""Not CTSM's 6371.22, which would move the edges of blocks and change nearly all folds."""
SAME_LOCATION_KM: Final = 0.1
"""Profiles closer than this count as one location."""

FoldKind = Literal["location", "block", "region"]
FOLD_KINDS: Final[tuple[FoldKind, ...]] = get_args(FoldKind)


def make_folds(
    sites: xr.Dataset, kind: FoldKind, folds: int, seed: int, block_km: float
) -> NDArray[np.intp]:
    """Fold of each site, by the name of the kind.

    Parameters
    ----------
    sites : xarray.Dataset
        With `lon` and `lat` (site,), degrees.
    kind : {"location", "block", "region"}
    folds : int
        Number of folds; with regions, of regions.
    seed : int
    block_km : float
        Side of a block; not used by the other kinds.

    Returns
    -------
    ndarray of int, shape (site,)

    Raises
    ------
    NetworkError
        If there are fewer locations, blocks or sites than folds, fewer than two folds, or the
        side of a block is no length.
    """
    if kind == "location":
        return location_folds(sites, folds, seed)
    if kind == "block":
        return block_folds(sites, folds, block_km, seed)
    return region_folds(sites, folds, seed)


def location_groups(sites: xr.Dataset, separation_km: float = SAME_LOCATION_KM) -> NDArray[np.intp]:
    """Label of the location of each site, shape (site,).

    Sites that are closer than `separation_km`, directly or through others, share a label.
    """
    tree = cKDTree(positions_km(sites))
    near = tree.sparse_distance_matrix(tree, separation_km, output_type="coo_matrix")
    # A sparse matrix drops distances of 0, and with them the links of repeated locations.
    near.data[:] = 1.0
    _, labels = connected_components(near, directed=False)
    return np.asarray(labels, dtype=np.intp)


def location_folds(sites: xr.Dataset, folds: int, seed: int) -> NDArray[np.intp]:
    """Fold of each site; sites of one location are in one fold.

    Parameters
    ----------
    sites : xarray.Dataset
        With `lon` and `lat` (site,), degrees.
    folds : int
    seed : int

    Returns
    -------
    ndarray of int, shape (site,)

    Raises
    ------
    NetworkError
        If there are fewer locations than folds, or fewer than two folds.
    """
    return _group_folds(location_groups(sites), folds, seed, "locations")


def block_folds(sites: xr.Dataset, folds: int, block_km: float, seed: int) -> NDArray[np.intp]:
    """Fold of each site; sites of one square block of side `block_km` are in one fold.

    Raises
    ------
    NetworkError
        If the side is no length, there are fewer occupied blocks than folds, or fewer than two
        folds.
    """
    if not (np.isfinite(block_km) and block_km > 0.0):
        raise NetworkError(f"blocks of {block_km:g} km were asked for; give a side above 0 km")
    lat = sites["lat"].values
    north = np.radians(lat) * _EARTH_RADIUS_KM
    row = np.floor(north / block_km)
    # The cosine at the middle of the row, so that all its sites share one column spacing.
    middle = np.cos((row + 0.5) * block_km / _EARTH_RADIUS_KM)
    lon = (sites["lon"].values + 180.0) % 360.0 - 180.0
    column = np.floor(np.radians(lon) * _EARTH_RADIUS_KM * middle / block_km)
    _, blocks = np.unique(np.stack([row, column], axis=1), axis=0, return_inverse=True)
    fold = _group_folds(blocks.ravel(), folds, seed, f"blocks of {block_km:g} km")
    return _of_locations(sites, fold)


def region_folds(sites: xr.Dataset, regions: int, seed: int) -> NDArray[np.intp]:
    """Fold of each site by region (k-means of positions); each fold leaves one region out.

    Raises
    ------
    NetworkError
        If there are fewer locations than regions, or fewer than two regions.
    """
    positions = positions_km(sites)
    distinct = len(np.unique(positions, axis=0))
    _require_folds(regions)
    if distinct < regions:
        raise NetworkError(f"{distinct} locations cannot be divided into {regions} regions")
    clusters = KMeans(n_clusters=regions, n_init=4, random_state=seed).fit_predict(positions)
    return _of_locations(sites, np.asarray(clusters, dtype=np.intp))


def hold_out(
    groups: NDArray[np.intp], fraction: float, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask of whole groups, drawn at random until they contain `fraction` of the members.

    Raises
    ------
    NetworkError
        If there are fewer than two groups.
    """
    labels = np.unique(groups)
    if len(labels) < 2:
        raise NetworkError("all training sites are at one location, so none can be held out")
    held = np.zeros(len(groups), dtype=bool)
    for label in generator.permutation(labels)[:-1]:
        held |= groups == label
        if held.sum() >= fraction * len(groups):
            break
    return held


def _of_locations(sites: xr.Dataset, fold: NDArray[np.intp]) -> NDArray[np.intp]:
    """Assign all sites of a location to the fold of the first, shape (site,)."""
    _, first, location = np.unique(location_groups(sites), return_index=True, return_inverse=True)
    return fold[first][location]


def _require_folds(folds: int) -> None:
    if folds < 2:
        raise NetworkError(
            f"folds: {folds} asked for, but each is predicted from the others; ask for 2 or more"
        )


def _group_folds(groups: NDArray[np.intp], folds: int, seed: int, kind: str) -> NDArray[np.intp]:
    _require_folds(folds)
    labels = np.unique(groups)
    if len(labels) < folds:
        raise NetworkError(
            f"{len(groups)} sites make {len(labels)} {kind}, fewer than {folds} folds; "
            "ask for fewer folds"
        )
    # GroupKFold balances sizes and breaks ties by label, so shuffled labels make it random.
    shuffled = np.random.default_rng(seed).permutation(len(labels))[np.searchsorted(labels, groups)]
    fold = np.empty(len(groups), dtype=np.intp)
    splits = GroupKFold(n_splits=folds).split(np.empty((len(groups), 1)), groups=shuffled)
    for number, (_, test) in enumerate(splits):
        fold[test] = number
    return fold


def positions_km(sites: xr.Dataset) -> NDArray[np.float64]:
    """Positions in km, shape (site, 3); chords stand for distances."""
    lon, lat = (sites[name].values.astype(np.float64) for name in ("lon", "lat"))
    return np.asarray(_EARTH_RADIUS_KM * unit_vectors(lon, lat))
