"""From modelled SOC by layer to the observations of a profile.

The relation is linear, so that one sparse matrix serves the fit, its gradient and the scores:
a value at a depth is interpolated between node depths (and held constant beyond the first and
last node), a value of a depth interval is the mean over the layers that it overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from ctsm_socnn import _kernel
from ctsm_socnn.errors import ConfigError

__all__ = ["LARGEST_SOC", "BelowBedrock", "ObservationOperator"]

BelowBedrock = Literal["deepest", "drop"]

LARGEST_SOC: Final = 250_000.0
"""gC m-3: more than pure peat holds; anything above is an error of units or of digitising."""

_NODE_DEPTH, _THICKNESS, _INTERFACE_DEPTH = _kernel.grid()
_N_LAYERS: Final = _NODE_DEPTH.size


@dataclass(frozen=True)
class ObservationOperator:
    """The observations that are used, and the matrix that models them.

    Attributes
    ----------
    site, obs : ndarray of int, shape (m,)
        Position of each used observation in the sites dataset; `site` rises.
    values : ndarray, shape (m,), gC m-3
        What was observed.
    depth : ndarray, shape (m,), m
        Depth of the observation; the middle where it is an interval.
    matrix : scipy.sparse.csr_array, shape (m, n_sites * 20), 1
        Weights of the layers of all sites, site after site.
    excluded : mapping of str to int
        Number of observations left out, by reason. Empty places of the dataset are not counted.
    """

    site: NDArray[np.int64]
    obs: NDArray[np.int64]
    values: NDArray[np.float64]
    depth: NDArray[np.float64]
    matrix: sparse.csr_array
    excluded: Mapping[str, int]

    @classmethod
    def from_sites(
        cls, sites: xr.Dataset, below_bedrock: BelowBedrock = "deepest"
    ) -> ObservationOperator:
        """Screen the observations of a sites dataset and build the matrix.

        Parameters
        ----------
        sites : xarray.Dataset
            The sites schema. An observation with finite `soc_top` and `soc_bottom` is an interval;
            any other is a point at `soc_depth`.
        below_bedrock : {"deepest", "drop"}
            Compare observations below the bottom of layer `nbedrock` with that layer, or leave
            them out.

        Raises
        ------
        ConfigError
            If `below_bedrock` is neither.
        """
        if below_bedrock not in ("deepest", "drop"):
            raise ConfigError(f"below_bedrock is {below_bedrock!r}; choose 'deepest' or 'drop'")
        soc = np.asarray(sites["soc"].values, dtype=np.float64)
        top, bottom = _bounds(sites)
        known = np.isfinite(sites["nbedrock"].values)
        # The kernel refuses a site whose bedrock lies elsewhere; its observations must not fail before.
        deepest = np.clip(np.where(known, sites["nbedrock"].values, _N_LAYERS), 1, _N_LAYERS)
        bedrock = deepest.astype(np.int64)
        reasons = {"site without nbedrock": ~known[:, np.newaxis]}
        reasons |= _reasons(sites, soc, top, bottom)
        if below_bedrock == "drop":
            reasons["below bedrock"] = top >= _INTERFACE_DEPTH[bedrock][:, np.newaxis]
        used, excluded = _screen(soc, top, reasons)
        site, obs = np.nonzero(used)
        top, bottom = top[site, obs], bottom[site, obs]
        return cls(
            site=site,
            obs=obs,
            values=soc[site, obs],
            depth=0.5 * (top + bottom),
            matrix=_matrix(site, _layer_weights(top, bottom, bedrock[site]), soc.shape[0]),
            excluded=excluded,
        )

    @property
    def n_sites(self) -> int:
        """Number of sites of the dataset, those without a used observation included."""
        columns: int = self.matrix.shape[1]
        return columns // _N_LAYERS

    @property
    def first(self) -> NDArray[np.int64]:
        """First observation of each site, and m at the end, shape (n_sites + 1,)."""
        return np.searchsorted(self.site, np.arange(self.n_sites + 1))

    @property
    def of_each_site(self) -> list[slice]:
        """Observations of each site; empty for a site without any."""
        return [slice(start, stop) for start, stop in pairwise(self.first.tolist())]

    def apply(self, soc: NDArray[np.float64]) -> NDArray[np.float64]:
        """Modelled values of the observations.

        Parameters
        ----------
        soc : ndarray, shape (n_sites, 20), gC m-3

        Returns
        -------
        ndarray, shape (m,), gC m-3
        """
        return np.asarray(self.matrix @ np.reshape(soc, -1))

    def adjoint(self, bar: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gradient by layer of a scalar whose gradient by observation is `bar`, shape (m,).

        Returns
        -------
        ndarray, shape (n_sites, 20)
        """
        return np.reshape(np.asarray(self.matrix.T @ bar), (self.n_sites, _N_LAYERS))


def _bounds(sites: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Top and bottom (m) of each observation; equal where it is a point, NaN where unknown."""
    unknown = np.full(sites["soc"].shape, np.nan)
    point, top, bottom = (
        np.asarray(sites[name].values, dtype=np.float64) if name in sites else unknown
        for name in ("soc_depth", "soc_top", "soc_bottom")
    )
    interval = np.isfinite(top) & np.isfinite(bottom)
    return np.where(interval, top, point), np.where(interval, bottom, point)


def _reasons(
    sites: xr.Dataset,
    soc: NDArray[np.float64],
    top: NDArray[np.float64],
    bottom: NDArray[np.float64],
) -> dict[str, NDArray[np.bool_]]:
    """Masks of what may not be used; the first that holds is the reason that is counted."""
    with np.errstate(invalid="ignore"):
        reasons = {
            "no value": ~np.isfinite(soc),
            "no depth": ~np.isfinite(top),
            "depth above the surface": top < 0.0,
            "interval upside down": bottom < top,
            "not above zero": soc <= 0.0,
            f"above {LARGEST_SOC:.0f} gC m-3": soc > LARGEST_SOC,
        }
    if "soc_flag" in sites:
        flag = np.nan_to_num(np.asarray(sites["soc_flag"].values, dtype=np.float64))
        reasons["flagged by soc_flag"] = flag != 0.0
    return reasons


def _screen(
    soc: NDArray[np.float64], top: NDArray[np.float64], reasons: Mapping[str, NDArray[np.bool_]]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    used = ~(np.isnan(soc) & np.isnan(top))
    excluded: dict[str, int] = {}
    for reason, mask in reasons.items():
        count = int((used & mask).sum())
        if count:
            excluded[reason] = count
        used = used & ~mask
    return used, excluded


def _layer_weights(
    top: NDArray[np.float64], bottom: NDArray[np.float64], bedrock: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Weights, shape (m, 20), over the layers above bedrock; each row sums to 1."""
    weights = np.where(
        (top < bottom)[:, np.newaxis],
        _overlap_weights(top, bottom, bedrock),
        _point_weights(top, bedrock),
    )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _overlap_weights(
    top: NDArray[np.float64], bottom: NDArray[np.float64], bedrock: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Thickness (m) that each layer shares with the interval; the last layer if it shares none."""
    above, below = _INTERFACE_DEPTH[:-1], _INTERFACE_DEPTH[1:]
    shared = np.minimum(bottom[:, np.newaxis], below) - np.maximum(top[:, np.newaxis], above)
    holds_carbon = np.arange(_N_LAYERS) < bedrock[:, np.newaxis]
    weights = np.where(holds_carbon, np.maximum(shared, 0.0), 0.0)
    outside = weights.sum(axis=1) == 0.0
    weights[outside, bedrock[outside] - 1] = 1.0
    return weights


def _point_weights(depth: NDArray[np.float64], bedrock: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights of linear interpolation between the nodes of the layers that hold carbon."""
    held = np.clip(depth, _NODE_DEPTH[0], _NODE_DEPTH[bedrock - 1])
    upper = np.clip(np.searchsorted(_NODE_DEPTH, held, side="right") - 1, 0, _N_LAYERS - 2)
    fraction = (held - _NODE_DEPTH[upper]) / (_NODE_DEPTH[upper + 1] - _NODE_DEPTH[upper])
    weights = np.zeros((depth.size, _N_LAYERS))
    rows = np.arange(depth.size)
    weights[rows, upper] = 1.0 - fraction
    weights[rows, upper + 1] = fraction
    return weights


def _matrix(
    site: NDArray[np.int64], weights: NDArray[np.float64], n_sites: int
) -> sparse.csr_array:
    row, layer = np.nonzero(weights)
    column = site[row] * _N_LAYERS + layer
    shape = (site.size, n_sites * _N_LAYERS)
    return sparse.csr_array((weights[row, layer], (row, column)), shape=shape)
