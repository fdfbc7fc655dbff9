"""The posterior file, and the parameters that random sampling draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.checkpoint import Block
from ctsm_socnn.assimilation.diagnostics import QUANTILES
from ctsm_socnn.assimilation.screening import SiteStatus
from ctsm_socnn.errors import AssimilationError, require_at_least
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS, TurnoverConvention
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.schemas import validate_posterior

__all__ = [
    "CPU_SECONDS",
    "POSTERIOR_VARIABLES",
    "SITES_IN_ALL",
    "posterior_dataset",
    "random_sampling",
]

CPU_SECONDS: Final = "cpu_seconds"
"""Global attribute: what the run cost, all its interruptions included."""

SITES_IN_ALL: Final = "sites_in_all"
"""Global attribute: how many sites the sites file has, of which a shard holds a part."""

_SITE_PARAMETER: Final = ("site", "parameter")

POSTERIOR_VARIABLES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "mean": (_SITE_PARAMETER, "posterior mean, in the registry's units"),
    "sd": (_SITE_PARAMETER, "posterior standard deviation, in the registry's units"),
    "best": (_SITE_PARAMETER, "draw of the least cost, or the mode if that was looked for"),
    "quantile": (("site", "probability", "parameter"), "posterior quantiles"),
    "contraction": (_SITE_PARAMETER, "contraction (1 - posterior variance / prior variance)"),
    "rhat": (_SITE_PARAMETER, "rank-normalised R-hat"),
    "gelman_rubin": (_SITE_PARAMETER, "convergence statistic of the published scheme"),
    "ess_bulk": (_SITE_PARAMETER, "bulk effective sample size"),
    "ess_tail": (_SITE_PARAMETER, "tail effective sample size"),
    "identifiable": (_SITE_PARAMETER, "1 where SOC depends on the parameter at all"),
    "draws": (("site", "draw", "parameter"), "draws from the posterior, in the registry's units"),
    "soc_fit": (
        ("site", "obs"),
        "posterior mean of modelled SOC at the observations (or at the mode)",
    ),
    "soc_fit_sd": (
        ("site", "obs"),
        "posterior standard deviation of the same (or half of its central 68 %)",
    ),
    "acceptance": (("site",), "share of proposals accepted"),
    "divergent": (("site",), "share of divergent transitions"),
    "cost_mean": (("site",), "mean negative log of likelihood and prior, up to a constant"),
    "cost_best": (("site",), "least negative log of likelihood and prior, up to a constant"),
    "coverage_50": (("site",), "share of the observations in their 50 % predictive interval"),
    "coverage_90": (("site",), "share of the observations in their 90 % predictive interval"),
    "evaluations": (("site",), "evaluations of the model"),
    "status": (("site",), "whether the chains have converged, or why not"),
}
"""Variable -> dimensions and long name. CPU time is an attribute: it differs from run to run."""

_FROM_SITES: Final = ("lon", "lat", "profile_id")


def posterior_dataset(
    sites: xr.Dataset,
    site_index: NDArray[np.int64],
    blocks: list[Block],
    *,
    seed: int,
    settings: Mapping[str, str],
) -> xr.Dataset:
    """Put blocks together.

    Parameters
    ----------
    sites : xarray.Dataset
        The sites schema; all sites of the blocks, in order.
    site_index : ndarray of int, shape (site,)
        Their places in the whole dataset.
    blocks : list of Block
    seed : int
    settings : mapping
        Global attributes that say how the run was made.

    Returns
    -------
    xarray.Dataset
        The posterior schema (`ctsm_socnn.schemas.validate_posterior`).
    """
    dataset = xr.Dataset(
        {
            name: (dims, np.concatenate([block[name] for block in blocks]), {"long_name": text})
            for name, (dims, text) in POSTERIOR_VARIABLES.items()
        },
        coords={
            "parameter": list(PARAMETER_NAMES),
            "probability": list(QUANTILES),
            "site_index": ("site", site_index.astype(np.int32)),
            "parameter_units": ("parameter", [p.units for p in PARAMETERS]),
            **{name: sites[name] for name in _FROM_SITES if name in sites.variables},
        },
        attrs={
            **provenance_attributes(seed=seed),
            "title": "parameters at sites, from site-by-site assimilation",
            "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
            **settings,
        },
    )
    converged = (dataset["status"] == SiteStatus.CONVERGED).astype(np.int8)
    dataset["converged"] = converged.assign_attrs(long_name="1 where the chains have converged")
    dataset["status"].attrs |= {
        "flag_values": np.array([status.value for status in SiteStatus], dtype=np.int8),
        "flag_meanings": " ".join(status.meaning for status in SiteStatus),
    }
    for name in ("soc_fit", "soc_fit_sd"):
        dataset[name].attrs["units"] = "gC m-3"
    return validate_posterior(dataset)


def random_sampling(
    posterior: xr.Dataset, n_sites: int, draws: int = 50, seed: int = 0
) -> xr.Dataset:
    """Parameters for sites without data, drawn from the pool of all site posteriors.

    As in the published comparison of methods: a draw takes one of the fitted sites at random and one
    draw of its posterior, all parameters together; of their modelled SOC take the median, since a
    draw with an e-folding depth near 0 dominates the mean. Sites that have not converged are left out.

    Parameters
    ----------
    posterior : xarray.Dataset
        The posterior schema, with `draws`; the training sites alone where the score is to be out of
        sample.
    n_sites : int
        Number of target sites.
    draws : int
        Parameter vectors for each target site.
    seed : int

    Returns
    -------
    xarray.Dataset
        `parameters` (site, draw, parameter), in the registry's units.

    Raises
    ------
    AssimilationError
        If no site has converged.
    ConfigError
        If there are no draws, or the seed is negative.
    """
    require_at_least(1, draws_per_site=draws)
    require_at_least(0, seed=seed)
    pool = np.flatnonzero(posterior["converged"].values == 1)
    if pool.size == 0:
        raise AssimilationError(
            "random sampling: no site of the posterior has converged; run longer chains"
        )
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    site = generator.choice(pool, size=(n_sites, draws))
    draw = generator.integers(posterior.sizes["draw"], size=(n_sites, draws))
    parameters = posterior["draws"].values[site, draw].astype(np.float64)
    return xr.Dataset(
        {
            "parameters": (
                ("site", "draw", "parameter"),
                parameters,
                {"long_name": "parameters in the registry's units"},
            )
        },
        coords={"parameter": list(PARAMETER_NAMES)},
        attrs={
            **provenance_attributes(seed=seed),
            "title": "parameters drawn at random from the posteriors of other sites",
            "turnover_time_convention": str(TurnoverConvention.UNNORMALISED),
        },
    )
