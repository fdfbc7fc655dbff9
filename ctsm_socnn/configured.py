"""What a configuration means for each room: its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from ctsm_socnn.assimilation import (
    Limits,
    Prior,
    Settings,
    make_prior,
    read_source_errors,
    with_source_errors,
)
from ctsm_socnn.config import Config
from ctsm_socnn.network import METHODS, NetworkSettings, default_settings
from ctsm_socnn.network.chosen_folds import ChosenFolds, choose_folds
from ctsm_socnn.observations import open_covariates
from ctsm_socnn.schemas import covariate_names, open_file
from ctsm_socnn.validation.methods import MethodSettings

__all__ = [
    "assimilation_settings",
    "compared_methods",
    "configured_folds",
    "covariate_grid",
    "grid_files",
    "method_settings",
    "network_settings",
    "one_batch_prior",
    "with_configured_errors",
]


def assimilation_settings(config: Config) -> Settings:
    """Take the sampler's own plan for the lengths that are not given."""
    chosen = config.assimilation
    settings = Settings(
        sampler=chosen.sampler,
        likelihood=chosen.likelihood,
        limits=Limits(rhat=chosen.largest_rhat, ess=chosen.smallest_ess),
        seed=config.seed,
        below_bedrock=config.network.below_bedrock,
        prior=make_prior(chosen.prior, chosen.prior_width, chosen.prior_of),
    )
    lengths = {
        name: value
        for name in ("chains", "warmup", "draws")
        if (value := getattr(chosen, name)) is not None
    }
    return replace(settings, plan=replace(settings.sampling_plan, **lengths))


def one_batch_prior(config: Config) -> Prior:
    """Prior of the one-batch fit, and of the hierarchical one that is compared."""
    chosen = config.assimilation
    return make_prior(
        chosen.one_batch_prior, chosen.one_batch_prior_width, chosen.one_batch_prior_of
    )


def with_configured_errors(config: Config, sites: xr.Dataset) -> xr.Dataset:
    """Give sites the errors of their sources, if there is a table of them."""
    table = config.assimilation.errors
    return sites if table is None else with_source_errors(sites, read_source_errors(table))


def network_settings(config: Config, method: str) -> NetworkSettings:
    """Put what the user gave on top of the defaults of the method.

    What was given is meant for the configured method; another one, which is there to be compared,
    gets the same inputs and as many members.
    """
    covariates, network = config.covariates, config.network
    meant = network.model_fields_set & set(NetworkSettings.model_fields)
    if method != network.method:
        meant &= {"below_bedrock", "members"}
    given: dict[str, Any] = network.model_dump(include=meant)
    settings = default_settings(method)
    if "parameters" in given:
        # The floor of the e-folding depth is not lost when another parameter gets bounds.
        given["parameters"]["bounds"] = settings.parameters.bounds | network.parameters.bounds
    inputs: dict[str, Any] = network.inputs.model_dump()
    if covariates.names is not None:
        inputs["covariates"] = tuple(covariates.names)
    if covariates.categorical:
        inputs["categorical"] = tuple(covariates.categorical)
    return settings.with_changes(**given | {"inputs": inputs})


def grid_files(config: Config) -> list[Path]:
    """Files that say what the grid of the CTSM case is; a grid that is only a name has none."""
    target = Path(config.grid.target)
    files = [target] if target.is_file() else []
    return files if config.grid.mask is None else [*files, config.grid.mask]


def covariate_grid(config: Config) -> xr.Dataset:
    """Open the covariates of the map: those named, or all that the sites have.

    Raises
    ------
    FileError, GridError
        If a file cannot be read.
    ConfigError
        Naming the covariates that the grid lacks.
    """
    names = config.covariates.names
    if names is None and config.profiles.sites is not None:
        names = covariate_names(open_file(config.profiles.sites, load=False))
    return open_covariates(config.covariates.file, names)


def method_settings(config: Config) -> MethodSettings:
    """Take the settings of all methods that can be compared."""
    assimilation = config.assimilation
    return MethodSettings(
        cost=assimilation.one_batch_cost,
        starts=assimilation.one_batch_starts,
        prior=one_batch_prior(config),
        classes=config.evaluation.classes,
        draws=assimilation.random_draws,
        below_bedrock=config.network.below_bedrock,
        networks={method: network_settings(config, method) for method in METHODS},
        seed=config.seed,
    )


def configured_folds(config: Config, sites: xr.Dataset, folds: int) -> ChosenFolds:
    """Divide sites by what the evaluation never splits."""
    asked = config.evaluation
    return choose_folds(sites, asked.by, folds, config.seed, asked.block_km)


def compared_methods(config: Config) -> dict[str, str]:
    """Name in tables -> method, from the simplest to the network that makes the maps."""
    method = config.network.method
    also = [name for name in config.evaluation.also if name != method]
    return {
        **{name: name for name in ("default", "random sampling", "one batch")},
        "network": method,
        **{name: name for name in also},
    }
