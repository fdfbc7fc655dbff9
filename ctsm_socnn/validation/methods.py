"""The methods that are compared, each as one function: fit on some sites, predict at others.

The first four are those of Tao et al. (2020):

* `default`: CLM5's parameters; nothing is learnt.
* `random sampling`: parameters drawn from the posteriors of other sites, whatever their place.
* `one batch`: one parameter vector fitted to all known profiles.
* `two-step`: a network that learns site posteriors from covariates.

`hierarchical` fits one vector to each class of sites, shrunk to that of the whole; `end-to-end` is a
network that learns the profiles through the kernel. The black boxes of
`ctsm_socnn.network.baselines` have no parameters at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation import (
    hierarchical,
    one_batch,
    parameters_by_class,
    random_sampling,
)
from ctsm_socnn.assimilation.prior import UNIFORM_PRIOR, Prior
from ctsm_socnn.errors import ValidationError
from ctsm_socnn.model import SOIL_GRID, Columns, soil_carbon
from ctsm_socnn.model.observation import BelowBedrock
from ctsm_socnn.network import METHODS as NETWORK_METHODS
from ctsm_socnn.network import NetworkSettings, default_settings, train
from ctsm_socnn.network.baselines import BASELINES, predict_baseline
from ctsm_socnn.parameters import clm5_defaults
from ctsm_socnn.validation.comparison import soc_of_parameters

__all__ = [
    "HIERARCHICAL",
    "METHODS",
    "NEEDS_POSTERIOR",
    "MethodSettings",
    "TrainingData",
    "answer",
    "default_parameters",
    "require_methods",
]

Array = NDArray[np.float64]

HIERARCHICAL: Final = "hierarchical"
"""The method that needs to be told its classes."""

_TOPSOIL_DEPTH: Final = 1.0


@dataclass(frozen=True)
class MethodSettings:
    """How the methods learn.

    Attributes
    ----------
    cost, starts, prior
        Of the one-batch and of the hierarchical fit.
    classes : str
        Variable of the sites whose values are the classes of the hierarchical fit.
    draws : int
        Parameter vectors a site of random sampling.
    below_bedrock : {"deepest", "drop"}
        Of the same two fits; networks have it among their own settings.
    networks : mapping of str to NetworkSettings
        By network method.
    seed : int
    """

    cost: str = "mixed"
    starts: int = 8
    prior: Prior = UNIFORM_PRIOR
    classes: str = ""
    draws: int = 50
    below_bedrock: BelowBedrock = "deepest"
    networks: Mapping[str, NetworkSettings] = field(
        default_factory=lambda: {method: default_settings(method) for method in NETWORK_METHODS}
    )
    seed: int = 0


@dataclass(frozen=True)
class TrainingData:
    """What a method may learn from.

    Attributes
    ----------
    sites : xarray.Dataset
        In the sites schema.
    posterior : xarray.Dataset or None
        Site-by-site posterior of the same sites.
    settings : MethodSettings
    fold : int
        Number of the fold that is left out; networks of different folds start differently.
    work : Path or None
        Directory in which networks keep their training for resuming.
    """

    sites: xr.Dataset
    posterior: xr.Dataset | None
    settings: MethodSettings
    fold: int = 0
    work: Path | None = None


def answer(method: str, training: TrainingData, tested: xr.Dataset) -> Array:
    """Soil carbon at sites, by a method that has learnt from others.

    Parameters
    ----------
    method : str
        Of `METHODS`.
    training : TrainingData
    tested : xarray.Dataset
        Sites to answer for; of their observations nothing is used.

    Returns
    -------
    ndarray, shape (tested site, 20), gC m-3
        NaN at sites for which the method has no answer.

    Raises
    ------
    ValidationError
        If the method is unknown, or learns from posteriors and there are none.
    NetworkError, AssimilationError
        As the methods themselves.
    """
    require_methods([method], training.settings, posterior=training.posterior is not None)
    return METHODS[method](training, tested)


def require_methods(methods: Iterable[str], settings: MethodSettings, *, posterior: bool) -> None:
    """Make sure, before anything is computed, that methods are given what they learn from.

    Parameters
    ----------
    methods : iterable of str
    settings : MethodSettings
    posterior : bool
        Whether there is a site-by-site posterior.

    Raises
    ------
    ValidationError
        If a method is unknown, or learns from posteriors or classes and there are none.
    """
    for method in methods:
        if method not in METHODS:
            raise ValidationError(f"unknown method {method!r}; choose from {', '.join(METHODS)}")
        if method in NEEDS_POSTERIOR and not posterior:
            raise ValidationError(
                f"{method} learns from site posteriors; give the file that ctsm-socnn assimilate "
                "made"
            )
        if method == HIERARCHICAL and not settings.classes:
            raise ValidationError(
                "hierarchical learns by classes of sites; name the variable that holds them"
            )


def default_parameters(sites: xr.Dataset) -> Array:
    """CLM5's parameters at sites, by the sand of the top metre, shape (site, 21)."""
    top = SOIL_GRID.interface_depth[:-1] < _TOPSOIL_DEPTH
    sand = sites["CELLSAND"].values[:, top] @ SOIL_GRID.thickness[top]
    return clm5_defaults(sand / SOIL_GRID.thickness[top].sum())


def _default(_: TrainingData, tested: xr.Dataset) -> Array:
    return soc_of_parameters(tested, default_parameters(tested))


def _random_sampling(training: TrainingData, tested: xr.Dataset) -> Array:
    """Median over draws of the SOC that randomly drawn parameters give.

    Not the mean: where a draw has an e-folding depth near 0, nothing decays at depth, and one such
    draw decides the mean.
    """
    assert training.posterior is not None  # `answer` has seen to it
    n_sites, draws = tested.sizes["site"], training.settings.draws
    drawn = random_sampling(training.posterior, n_sites, draws=draws, seed=training.settings.seed)
    parameters = drawn["parameters"].transpose("site", "draw", "parameter").values
    index = np.repeat(np.arange(n_sites), draws)
    soc = soil_carbon(Columns.from_sites(tested), parameters.reshape(index.size, -1), index)
    return np.asarray(np.median(soc.reshape(n_sites, draws, -1), axis=1))


def _one_batch(training: TrainingData, tested: xr.Dataset) -> Array:
    settings = training.settings
    fitted = one_batch(
        training.sites,
        cost=settings.cost,
        starts=settings.starts,
        seed=settings.seed,
        below_bedrock=settings.below_bedrock,
        prior=settings.prior,
        draws=0,
    )["parameters"].values
    return soc_of_parameters(tested, np.broadcast_to(fitted, (tested.sizes["site"], fitted.size)))


def _hierarchical(training: TrainingData, tested: xr.Dataset) -> Array:
    settings = training.settings
    fitted = hierarchical(
        training.sites,
        settings.classes,
        cost=settings.cost,
        starts=settings.starts,
        seed=settings.seed,
        below_bedrock=settings.below_bedrock,
        prior=settings.prior,
    )
    return soc_of_parameters(tested, parameters_by_class(fitted, tested))


def _network(method: str, training: TrainingData, tested: xr.Dataset) -> Array:
    settings = training.settings
    model = train(
        training.sites,
        method,
        settings.networks[method],
        settings.seed + training.fold,
        posterior=training.posterior if method in NEEDS_POSTERIOR else None,
        work=training.work,
    )
    return soc_of_parameters(tested, model.predict_sites(tested))


def _baseline(name: str, training: TrainingData, tested: xr.Dataset) -> Array:
    return predict_baseline(name, training.sites, tested, training.settings.seed)


METHODS: Final[Mapping[str, Callable[[TrainingData, xr.Dataset], Array]]] = {
    "default": _default,
    "random sampling": _random_sampling,
    "one batch": _one_batch,
    HIERARCHICAL: _hierarchical,
    **{method: partial(_network, method) for method in NETWORK_METHODS},
    **{name: partial(_baseline, name) for name in BASELINES},
}
"""Name -> function that learns from training data and answers for other sites."""

NEEDS_POSTERIOR: Final = ("random sampling", "two-step")
"""Methods that learn from the posteriors of the known sites."""
