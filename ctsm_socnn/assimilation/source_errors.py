"""Errors of the profiles by their source.

A TOML file has one table per source, and `default` for all others; what a table omits keeps its default:

    [default]
    observation_sd = 0.3

    ["NEON"]
    observation_sd = 0.1
    representativeness_sd = 0.25
    correlation_length = 0.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import ConfigError, FileError, ProfileError

__all__ = ["ERROR_VARIABLES", "errors_of_sites", "read_source_errors", "with_source_errors"]

ERROR_VARIABLES: Final[Mapping[str, str]] = {
    "observation_sd": "error_observation_sd",
    "representativeness_sd": "error_representativeness_sd",
    "correlation_length": "error_correlation_length",
}
"""Field of `ErrorModel` -> variable (site) of a sites dataset that replaces it."""

_DEFAULT: Final = "default"


def read_source_errors(path: Path) -> dict[str, dict[str, float]]:
    """Read a table of errors by source.

    Returns
    -------
    dict of str to dict of str to float
        Source -> field of `ErrorModel` -> value.

    Raises
    ------
    FileError
        If the file cannot be read.
    ConfigError
        If it is not TOML, or a field is unknown or not above 0.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    for source, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: {source} is not in a table; put it into one, such as [{_DEFAULT}]"
            )
        for name, value in table.items():
            if name not in ERROR_VARIABLES:
                raise ConfigError(
                    f"{path}: unknown {name!r} for {source}; choose from {', '.join(ERROR_VARIABLES)}"
                )
            if not (isinstance(value, int | float) and value > 0.0):
                raise ConfigError(f"{path}: {name} of {source} is {value!r}; it must be above 0")
    return tables


def with_source_errors(sites: xr.Dataset, errors: Mapping[str, Mapping[str, float]]) -> xr.Dataset:
    """Give each site the errors of its source, as `ERROR_VARIABLES`; NaN stands for the usual.

    Parameters
    ----------
    sites : xarray.Dataset
        With `source` (site) where the errors name sources.
    errors : mapping
        From `read_source_errors`.

    Raises
    ------
    ConfigError
        If a source is named that no site has.
    """
    source = np.full(sites.sizes["site"], _DEFAULT)
    if "source" in sites:
        source = np.asarray(sites["source"].values).astype(str)
    unknown = sorted(set(errors) - {_DEFAULT} - set(source.tolist()))
    if unknown:
        there = ", ".join(sorted(set(source.tolist()))[:10]) if "source" in sites else "none"
        raise ConfigError(
            f"no site has the source {', '.join(unknown)}; sources there are: {there}"
        )
    usual = errors.get(_DEFAULT, {})
    return sites.assign(
        {
            variable: (
                "site",
                np.array([errors.get(s, usual).get(field, np.nan) for s in source.tolist()]),
            )
            for field, variable in ERROR_VARIABLES.items()
        }
    )


def errors_of_sites(sites: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """Errors that stand in a sites dataset.

    Parameters
    ----------
    sites : xarray.Dataset
        With any of `ERROR_VARIABLES`.

    Returns
    -------
    dict of str to ndarray, shape (site,)
        Field of `ErrorModel` -> value of each site (1, 1, m); NaN stands for the usual.

    Raises
    ------
    ProfileError
        If a value is not above 0.
    """
    found = {
        field: np.asarray(sites[variable].values, dtype=np.float64)
        for field, variable in ERROR_VARIABLES.items()
        if variable in sites
    }
    for field, values in found.items():
        impossible = np.flatnonzero(values <= 0.0)
        if impossible.size:
            raise ProfileError(
                f"{ERROR_VARIABLES[field]} of site {impossible[0]} is {values[impossible[0]]:g}; "
                "it must be above 0; leave it missing where the usual error is meant"
            )
    return found
