"""Errors of the profiles by where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from ctsm_socnn.assimilation import make_likelihood, read_source_errors, with_source_errors
from ctsm_socnn.assimilation.likelihood import ErrorModel, LogLikelihood
from ctsm_socnn.assimilation.screening import screen_sites
from ctsm_socnn.assimilation.source_errors import ERROR_VARIABLES
from ctsm_socnn.errors import ConfigError, FileError, ProfileError

SOURCES = np.array(["NEON", "other", "NEON"])
TABLE = """
[default]
observation_sd = 0.3

["NEON"]
observation_sd = 0.1
representativeness_sd = 0.2
correlation_length = 0.5
"""


@pytest.fixture
def sites() -> xr.Dataset:
    depth = np.tile([0.1, 0.3, 0.9], (3, 1))
    return xr.Dataset(
        {
            "soc": (("site", "obs"), np.full((3, 3), 5000.0)),
            "soc_depth": (("site", "obs"), depth),
            "nbedrock": (("site",), np.full(3, 20)),
            "source": (("site",), SOURCES),
        }
    )


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "errors.toml"
    path.write_text(text)
    return path


def covariance(sites: xr.Dataset, site: int) -> np.ndarray:
    likelihood = make_likelihood(sites, "lognormal")
    assert isinstance(likelihood, LogLikelihood)
    here = slice(3 * site, 3 * site + 3)
    inverse_factor = likelihood.whitening[here, here].toarray()
    return np.linalg.inv(inverse_factor.T @ inverse_factor)


def expected(observation: float, representativeness: float, length: float) -> np.ndarray:
    depth = np.array([0.1, 0.3, 0.9])
    shared = np.exp(-np.abs(depth[:, None] - depth) / length)
    return representativeness**2 * shared + observation**2 * np.eye(3)


def test_each_source_has_its_errors_and_others_the_default(
    sites: xr.Dataset, tmp_path: Path
) -> None:
    with_errors = with_source_errors(sites, read_source_errors(table(tmp_path, TABLE)))
    usual = ErrorModel()
    np.testing.assert_allclose(covariance(with_errors, 2), expected(0.1, 0.2, 0.5), rtol=1e-12)
    np.testing.assert_allclose(
        covariance(with_errors, 1),
        expected(0.3, usual.representativeness_sd, usual.correlation_length),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        covariance(sites, 0),
        expected(usual.observation_sd, usual.representativeness_sd, usual.correlation_length),
        rtol=1e-12,
    )


def test_an_error_stated_for_an_observation_stands(sites: xr.Dataset, tmp_path: Path) -> None:
    stated = sites.assign(soc_sd=0.05 * sites["soc"])
    with_errors = with_source_errors(stated, read_source_errors(table(tmp_path, TABLE)))
    variance = np.diag(covariance(with_errors, 0))
    np.testing.assert_allclose(variance, 0.2**2 + np.log1p(0.05**2), rtol=1e-12)


def test_each_observation_has_its_own_stated_error_and_0_states_none(sites: xr.Dataset) -> None:
    stated = sites.assign(soc_sd=(("site", "obs"), np.tile([250.0, 0.0, 1000.0], (3, 1))))
    usual = ErrorModel()
    variance = np.diag(covariance(stated, 1)) - usual.representativeness_sd**2
    expected_variance = [np.log1p(0.05**2), usual.observation_sd**2, np.log1p(0.2**2)]
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("observation_sd = 0.3", "observation_sd is not in a table; put it into one"),
        ("[NEON]\nsd = 0.1", "unknown 'sd' for NEON; choose from observation_sd"),
        ("[NEON]\nobservation_sd = 0", "observation_sd of NEON is 0; it must be above 0"),
        ("[KSSL]\nobservation_sd = 0.2", "no site has the source KSSL; sources there are: NEON"),
        ("[NEON", "errors.toml: "),
    ],
)
def test_impossible_tables_are_refused(
    sites: xr.Dataset, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        with_source_errors(sites, read_source_errors(table(tmp_path, text)))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"errors\.toml cannot be read"):
        read_source_errors(tmp_path / "errors.toml")


def test_one_error_of_a_site_alone_counts(sites: xr.Dataset) -> None:
    usual = ErrorModel()
    with_one = sites.assign(error_observation_sd=("site", [0.01, np.nan, 0.5]))
    for site, observation in ((0, 0.01), (1, usual.observation_sd), (2, 0.5)):
        np.testing.assert_allclose(
            covariance(with_one, site),
            expected(observation, usual.representativeness_sd, usual.correlation_length),
            rtol=1e-12,
        )


@pytest.mark.parametrize("variable", ERROR_VARIABLES.values())
@pytest.mark.parametrize("value", [0.0, -0.25])
def test_impossible_errors_of_a_site_are_refused_before_it_is_run(
    twin: tuple[xr.Dataset, np.ndarray], variable: str, value: float
) -> None:
    of_sites = np.full(twin[0].sizes["site"], 0.3)
    of_sites[4] = value
    sites = twin[0].assign({variable: ("site", of_sites)})
    with pytest.raises(
        ProfileError, match=f"{variable} of site 4 is {value:g}; it must be above 0"
    ):
        screen_sites(sites, "deepest", 2)
