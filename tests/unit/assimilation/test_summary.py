"""The table at the end of a run."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation import SiteStatus
from ctsm_socnn.assimilation.information import covered_shares, hardly_narrowed
from ctsm_socnn.assimilation.summary import posterior_summary
from ctsm_socnn.parameters import PARAMETER_NAMES

OBSERVED = np.array([[4.0, 2.0, 1.0], [6.0, 3.0, np.nan], [5.0, 5.0, 5.0]])


def table(fitted: np.ndarray, status: list[int]) -> dict[str, str]:
    """Lines of the table, by their name; only the first parameter is identifiable."""
    run = np.isfinite(fitted).any(axis=1)
    per_site = {"cost_mean": 1.0, "acceptance": 0.8, "evaluations": 1000.0}
    per_site |= {"coverage_50": 0.6, "coverage_90": 0.95}
    wanting = np.full((3, len(PARAMETER_NAMES)), np.nan)
    identifiable, rhat, ess, contraction = (wanting.copy() for _ in range(4))
    identifiable[:] = np.arange(wanting.shape[1]) == 0
    rhat[0], rhat[1], rhat[:2, 0] = 9.0, 9.0, (1.01, 1.03)
    ess[0], ess[1], ess[:2, 0] = 1.0, 1.0, (300.0, 500.0)
    contraction[:2] = 0.5
    by_parameter = {"rhat": rhat, "ess_bulk": ess, "contraction": contraction}
    posterior = xr.Dataset(
        {
            "status": ("site", np.array(status, dtype=np.int8)),
            "converged": ("site", (np.array(status) == 0).astype(np.int8)),
            "soc_fit": (("site", "obs"), fitted),
            "identifiable": (("site", "parameter"), identifiable.astype(np.int8)),
            **{name: (("site", "parameter"), values) for name, values in by_parameter.items()},
            **{name: ("site", np.where(run, v, np.nan)) for name, v in per_site.items()},
        },
        attrs={"cpu_seconds": "0.5"},
    )
    sites = xr.Dataset({"soc": (("site", "obs"), OBSERVED)})
    lines = posterior_summary(posterior, sites, seconds=61.0).splitlines()
    return {line[:34].strip(): line[34:].strip() for line in lines}


def test_the_table_counts_sites_and_says_what_they_cost() -> None:
    fitted = OBSERVED.copy()
    fitted[2] = np.nan
    lines = table(fitted, [0, SiteStatus.RHAT_TOO_HIGH, SiteStatus.NO_CARBON_INPUT])
    assert lines["sites"] == "3"
    assert lines["converged"].split() == ["1", "33.3%"]
    assert lines["rhat too high"].split() == ["1", "33.3%"]
    assert lines["no carbon input"].split() == ["1", "33.3%"]
    assert lines["evaluations of the model"] == "2e+03"
    assert lines["evaluations per CPU-second"] == "4e+03"
    assert lines["CPU-seconds per site"] == "0.250"
    assert lines["time of this run"] == "0:01:01"
    assert lines["largest R-hat, median of sites"] == "1.020"
    assert lines["smallest bulk ESS, median of sites"] == "400"
    assert lines["observations in 90% intervals"] == "0.950"


def test_the_fit_is_judged_over_all_layers_and_down_each_profile() -> None:
    fitted = 2.0 * OBSERVED
    fitted[2] = np.nan
    lines = table(fitted, [0, 0, SiteStatus.NO_CARBON_INPUT])
    spread = np.array([4.0, 2.0, 1.0, 6.0, 3.0])
    nse = 1.0 - (spread**2).sum() / ((spread - spread.mean()) ** 2).sum()
    assert lines["NSE in sample, all sites run"] == f"{nse:.3f}"
    assert lines["R2 of a site, median"] == "1.000"


def test_nothing_but_the_reasons_where_no_site_was_run() -> None:
    lines = table(np.full((3, 3), np.nan), [SiteStatus.NO_CARBON_INPUT] * 3)
    assert lines == {"sites": "3", "no carbon input": "3  100.0%"}


def test_coverage_counts_observations_and_not_sites() -> None:
    """Half of the 4 of the first site and none of the 1 of the second: 2 of 5."""
    fit = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, np.nan, np.nan, np.nan]])
    posterior = xr.Dataset(
        {
            "converged": ("site", np.array([1, 1], dtype=np.int8)),
            "soc_fit": (("site", "obs"), fit),
            "coverage_50": ("site", np.array([0.5, 0.0])),
            "coverage_90": ("site", np.array([1.0, 0.0])),
        }
    )
    assert covered_shares(posterior) == {0.5: 0.4, 0.9: 0.8}


def test_what_profiles_tell_of_a_parameter_is_judged_where_it_acts() -> None:
    shape = (5, len(PARAMETER_NAMES))
    identifiable, contraction = np.ones(shape, dtype=np.int8), np.full(shape, 0.5)
    identifiable[:3, 0] = identifiable[:, 1] = 0
    contraction[:3, 0] = contraction[:, 1] = 0.0
    contraction[:3, 2] = 0.09
    posterior = xr.Dataset(
        {
            "identifiable": (("site", "parameter"), identifiable),
            "contraction": (("site", "parameter"), contraction),
            "cost_mean": ("site", np.ones(5)),
        }
    )
    assert hardly_narrowed(posterior) == [PARAMETER_NAMES[2]]
