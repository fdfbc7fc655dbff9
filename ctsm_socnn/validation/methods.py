"""The four methods of Tao et al. (2020) at the same sites, in sample and out of sample.

* `default`: CLM5's parameters; nothing is fitted, so that both samples are the same.
* `random sampling`: parameters drawn from the posteriors of other sites, whatever their place.
* `one batch`: one parameter vector fitted to all training profiles.
* `network`: parameters predicted from covariates.

Out of sample, each fold of locations is answered by what the other folds taught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation import one_batch, random_sampling
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.network import Model, NetworkSettings, cross_validate
from ctsm_socnn.network.folds import location_folds
from ctsm_socnn.parameters import clm5_defaults
from ctsm_socnn.schemas import N_LAYERS
from ctsm_socnn.validation.comparison import Prediction, soc_of_parameters

__all__ = ["METHOD_NAMES", "MethodSettings", "predict_in_sample", "predict_out_of_sample"]

METHOD_NAMES: Final = ("default", "random sampling", "one batch", "network")

_TOPSOIL_DEPTH: Final = 1.0


@dataclass(frozen=True)
class MethodSettings:
    """How the methods are fitted anew in each fold.

    Attributes
    ----------
    cost, starts
        Of the one-batch fit.
    draws : int
        Parameter vectors a site of random sampling.
    method : {"two-step", "end-to-end"}
    network : NetworkSettings
    folds : int
    seed : int
    """

    cost: str
    starts: int
    draws: int
    method: str
    network: NetworkSettings
    folds: int
    seed: int


def predict_in_sample(
    sites: xr.Dataset,
    posterior: xr.Dataset,
    one_batch_parameters: NDArray[np.float64],
    model: Model,
    settings: MethodSettings,
) -> list[Prediction]:
    """SOC of each method where it was fitted to the very sites.

    Parameters
    ----------
    sites, posterior : xarray.Dataset
        Of the same sites.
    one_batch_parameters : ndarray, shape (21,)
    model : Model
    settings : MethodSettings
    """
    n_sites = sites.sizes["site"]
    batch = np.broadcast_to(one_batch_parameters, (n_sites, one_batch_parameters.size))
    return [
        Prediction("default", "in", _default_soc(sites)),
        Prediction("random sampling", "in", _sampled_soc(sites, posterior, settings)),
        Prediction("one batch", "in", soc_of_parameters(sites, batch)),
        Prediction("network", "in", soc_of_parameters(sites, model.predict_sites(sites))),
    ]


def predict_out_of_sample(
    sites: xr.Dataset,
    posterior: xr.Dataset,
    settings: MethodSettings,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Prediction], NDArray[np.intp]]:
    """SOC of each method at sites that it has not seen.

    Returns
    -------
    list of Prediction
    ndarray of int, shape (site,)
        Fold of each site.
    """
    fold = location_folds(sites, settings.folds, settings.seed)
    sampled, batch = (np.full((sites.sizes["site"], N_LAYERS), np.nan) for _ in range(2))
    for number in np.unique(fold):
        known, tested = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        here = sites.isel(site=tested)
        sampled[tested] = _sampled_soc(here, posterior.isel(site=known), settings)
        fitted = one_batch(
            sites.isel(site=known),
            cost=settings.cost,
            starts=settings.starts,
            seed=settings.seed,
            below_bedrock=settings.network.below_bedrock,
        )["parameters"].values
        batch[tested] = soc_of_parameters(here, np.broadcast_to(fitted, (tested.size, fitted.size)))
    predicted = cross_validate(
        sites,
        settings.method,
        fold,
        settings.seed,
        settings=settings.network,
        posterior=posterior,
        progress=progress,
    )
    network = soc_of_parameters(sites, predicted["prediction"].values)
    soc = (_default_soc(sites), sampled, batch, network)
    return [Prediction(n, "out", s) for n, s in zip(METHOD_NAMES, soc, strict=True)], fold


def _default_soc(sites: xr.Dataset) -> NDArray[np.float64]:
    top = SOIL_GRID.interface_depth[:-1] < _TOPSOIL_DEPTH
    sand = sites["CELLSAND"].values[:, top] @ SOIL_GRID.thickness[top]
    return soc_of_parameters(sites, clm5_defaults(sand / SOIL_GRID.thickness[top].sum()))


def _sampled_soc(
    sites: xr.Dataset, posterior: xr.Dataset, settings: MethodSettings
) -> NDArray[np.float64]:
    """Median over draws of the SOC that randomly drawn parameters give.

    Not the mean: where a draw has an e-folding depth near 0, nothing decays at depth, and one such
    draw decides the mean.
    """
    n_sites = sites.sizes["site"]
    drawn = random_sampling(posterior, n_sites, draws=settings.draws, seed=settings.seed)
    parameters = drawn["parameters"].transpose("site", "draw", "parameter").values
    index = np.repeat(np.arange(n_sites), settings.draws)
    columns = Columns.from_sites(sites)
    soc = soil_carbon(columns, parameters.reshape(index.size, -1), index)
    return np.asarray(np.median(soc.reshape(n_sites, settings.draws, -1), axis=1))
