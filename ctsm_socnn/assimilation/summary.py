"""The closing table of a site-by-site run."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.assimilation.information import (
    LITTLE_CONTRACTION,
    covered_shares,
    hardly_narrowed,
    without_effect,
)
from ctsm_socnn.assimilation.posterior import CPU_SECONDS
from ctsm_socnn.assimilation.screening import SiteStatus

__all__ = ["posterior_summary"]


def posterior_summary(posterior: xr.Dataset, sites: xr.Dataset, seconds: float) -> str:
    """Sites by status, time, convergence and fit, as lines of text.

    Parameters
    ----------
    posterior : xarray.Dataset
        The posterior schema.
    sites : xarray.Dataset
        The sites that it was made from.
    seconds : float
        What the run took on the clock.
    """
    status = posterior["status"].values
    lines = [_line("sites", f"{status.size}")]
    for reason in SiteStatus:
        count = int((status == reason).sum())
        if count:
            share = f"{count / status.size:8.1%}"
            lines.append(_line("  " + reason.meaning.replace("_", " "), f"{count}") + share)
    run = np.isfinite(posterior["cost_mean"].values)
    if run.any():
        lines += _time(posterior, int(run.sum()))
        lines.append(_line("time of this run", f"{timedelta(seconds=round(seconds))}"))
        lines += _quality(posterior, sites, run)
        lines += _information(posterior)
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"{name:<34}{value:>10}"


def _time(posterior: xr.Dataset, n_run: int) -> list[str]:
    cpu_seconds = float(posterior.attrs[CPU_SECONDS])
    evaluations = float(np.nansum(posterior["evaluations"].values))
    rate = evaluations / max(cpu_seconds, 1e-3)
    return [
        _line("evaluations of the model", f"{evaluations:.3g}"),
        _line("evaluations per CPU-second", f"{rate:.3g}"),
        _line("CPU-seconds per site", f"{cpu_seconds / n_run:.3f}"),
        _line("CPU time", f"{timedelta(seconds=round(cpu_seconds))}"),
    ]


def _quality(posterior: xr.Dataset, sites: xr.Dataset, run: NDArray[np.bool_]) -> list[str]:
    identifiable = posterior["identifiable"].values == 1
    rhat = np.where(identifiable, posterior["rhat"].values, -np.inf).max(axis=1)
    ess = np.where(identifiable, posterior["ess_bulk"].values, np.inf).min(axis=1)
    observed, fitted = sites["soc"].values, posterior["soc_fit"].values
    chains = [
        _line("largest R-hat, median of sites", f"{np.median(rhat[run]):.3f}"),
        _line("smallest bulk ESS, median of sites", f"{np.median(ess[run]):.0f}"),
        _line("acceptance, median of sites", f"{np.median(posterior['acceptance'][run]):.2f}"),
    ]
    has_chains = bool(np.isfinite(posterior["acceptance"].values).any())
    return [
        *(chains if has_chains else []),
        _line("NSE in sample, all sites run", f"{_nse(observed, fitted):.3f}"),
        _line("R2 of a site, median", f"{_median_r2(observed, fitted):.3f}"),
    ]


def _information(posterior: xr.Dataset) -> list[str]:
    idle = (f"{name} ({count} sites)" for name, count in without_effect(posterior).items())
    return [
        *(
            _line(f"observations in {probability:.0%} intervals", f"{share:.3f}")
            for probability, share in covered_shares(posterior).items()
        ),
        f"without effect on carbon: {', '.join(idle) or 'none'}",
        f"hardly constrained by the profiles (median contraction below {LITTLE_CONTRACTION:g}): "
        f"{', '.join(hardly_narrowed(posterior)) or 'none'}",
    ]


def _nse(observed: NDArray[np.float64], fitted: NDArray[np.float64]) -> float:
    used = np.isfinite(fitted)
    error, spread = (observed - fitted)[used], observed[used] - observed[used].mean()
    return float(1.0 - error @ error / (spread @ spread))


def _median_r2(observed: NDArray[np.float64], fitted: NDArray[np.float64]) -> float:
    """Median over the sites of the squared correlation down the profile."""
    used = np.isfinite(fitted)
    deviations = []
    for values in (observed, fitted):
        held = np.where(used, values, 0.0)
        mean = held.sum(axis=1, keepdims=True) / np.maximum(used.sum(axis=1, keepdims=True), 1)
        deviations.append(np.where(used, values - mean, 0.0))
    o, f = deviations
    with np.errstate(invalid="ignore"):
        r2 = (o * f).sum(axis=1) ** 2 / ((o**2).sum(axis=1) * (f**2).sum(axis=1))
    return float(np.nanmedian(r2))
