"""The table that ends a site-by-site run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation.screening import SiteStatus

__all__ = ["posterior_summary"]


def posterior_summary(posterior: xr.Dataset, sites: xr.Dataset) -> str:
    """Sites by status, convergence and fit, as lines of text.

    Parameters
    ----------
    posterior : xarray.Dataset
        The posterior schema.
    sites : xarray.Dataset
        The sites that it was made from.
    """
    status = posterior["status"].values
    lines = [f"{'sites':<34}{status.size:>10}"]
    lines += [
        f"  {reason.meaning.replace('_', ' '):<32}{count:>10}"
        for reason in SiteStatus
        if (count := int((status == reason).sum()))
    ]
    if np.isfinite(posterior["cost_mean"].values).any():
        lines += _quality(posterior, sites)
    return "\n".join(lines)


def _quality(posterior: xr.Dataset, sites: xr.Dataset) -> list[str]:
    identifiable = posterior["identifiable"].values == 1
    rhat = np.where(identifiable, posterior["rhat"].values, -np.inf).max(axis=1)
    ess = np.where(identifiable, posterior["ess_bulk"].values, np.inf).min(axis=1)
    run = np.isfinite(posterior["cost_mean"].values)
    observed, fitted = sites["soc"].values, posterior["soc_fit"].values
    used = np.isfinite(fitted)
    error, spread = (observed - fitted)[used], observed[used] - observed[used].mean()
    return [
        f"{'largest R-hat, median of sites':<34}{np.median(rhat[run]):>10.3f}",
        f"{'least bulk ESS, median of sites':<34}{np.median(ess[run]):>10.0f}",
        f"{'acceptance, median of sites':<34}{np.nanmedian(posterior['acceptance']):>10.2f}",
        f"{'evaluations of the model':<34}{np.nansum(posterior['evaluations']):>10.3g}",
        f"{'NSE in sample':<34}{1.0 - error @ error / (spread @ spread):>10.3f}",
    ]
