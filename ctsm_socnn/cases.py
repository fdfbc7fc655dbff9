"""The CTSM cases of a configuration: their scalars, their soil carbon at the sites, their usermods.

A case with a checkout reads the maps. Any other takes one value per parameter and not every
parameter: what has been estimated with all of them would mean other carbon there. So the values of
such a case are fitted to all profiles in its own equations, with what it takes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation import one_batch
from ctsm_socnn.config import CaseConfig, Config
from ctsm_socnn.configured import one_batch_prior
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.export.create_newcase import create_newcase_line
from ctsm_socnn.export.estimates import Estimate, read_estimate
from ctsm_socnn.export.paramfile import read_scalars
from ctsm_socnn.export.sourcemods import source_mods
from ctsm_socnn.export.stock_case import StockCase
from ctsm_socnn.export.usermods import Usermods, require_usermods_directory, write_usermods
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.schemas import open_file, open_sites, without_forcing
from ctsm_socnn.validation.comparison import Prediction

__all__ = [
    "case_command",
    "case_directory",
    "case_inputs",
    "check_case",
    "check_cases",
    "fit_cases",
    "fitted_cases",
    "predict_cases",
    "write_case",
]


def case_directory(run: Path, case: CaseConfig) -> Path:
    """Usermods directory of a case in the output of a run, absolute."""
    return (run / "usermods" / case.name).absolute()


def case_command(run: Path, case: CaseConfig) -> str:
    """Command line that makes a case with that directory, to be run in a CTSM checkout.

    Raises
    ------
    FileError
        If its maps cannot be read.
    """
    version = resolve_version(case.version)
    return create_newcase_line(case_directory(run, case), version, case.paramfile.name)


def check_case(case: CaseConfig) -> tuple[CtsmVersion, int]:
    """Refuse, before hours are spent, what `write_case` would refuse of paramfile and checkout.

    Returns
    -------
    CtsmVersion
    int
        How many soil-carbon scalars it reads from the paramfile.

    Raises
    ------
    SocnnError
        If the version is unknown, the paramfile is not of it, or the checkout gives no SourceMods.
    """
    version = resolve_version(case.version)
    scalars = len(read_scalars(case.paramfile, version))
    if case.checkout is not None:
        source_mods(Checkout.open(case.checkout, case.version))
    return version, scalars


def check_cases(config: Config, output: Path) -> None:
    """Refuse cases that cannot be written below `output`, before anything is done.

    Raises
    ------
    SocnnError
        As `check_case`, or if CTSM cannot carry the path of a usermods directory.
    """
    for case in config.case:
        require_usermods_directory(case_directory(output, case))
        check_case(case)


def case_inputs(config: Config) -> list[Path]:
    """Files from outside a run that decide its usermods: paramfiles, and what SourceMods are of."""
    inputs = [case.paramfile for case in config.case]
    for case in config.case:
        if case.checkout is not None:
            inputs += Checkout.open(case.checkout, case.version).stock_files
    return inputs


def fitted_cases(config: Config) -> list[CaseConfig]:
    """Cases that get scalars of their own: those without maps that are to take one batch."""
    return [case for case in config.case if case.checkout is None and case.scalars == "one-batch"]


def fit_cases(
    config: Config, sites: xr.Dataset, directory: Path, attributes: dict[str, str]
) -> str:
    """Fit the scalars of each such case to all profiles.

    Parameters
    ----------
    config : Config
    sites : xarray.Dataset
        The sites schema.
    directory : Path
        Gets one file per case, NAME.nc.
    attributes : dict
        Say in each file how it was made.

    Returns
    -------
    str
        The costs, in one line.
    """
    settings = config.assimilation
    directory.mkdir()
    told = []
    for case in fitted_cases(config):
        fitted = one_batch(
            sites,
            cost=settings.one_batch_cost,
            starts=settings.one_batch_starts,
            seed=config.seed,
            below_bedrock=config.network.below_bedrock,
            prior=one_batch_prior(config),
            draws=0,
            model=partial(_stock_case, case),
            progress=True,
        )
        write_dataset(fitted.assign_attrs(attributes), _file(directory, case))
        told.append(f"{case.name} cost {float(fitted['start_cost'][0]):.4g}")
    return ", ".join(told)


def predict_cases(config: Config, sites: xr.Dataset, directory: Path) -> list[Prediction]:
    """Soil carbon of each such case, with its paramfile as it was and with the fitted scalars.

    Parameters
    ----------
    config, sites
        As `fit_cases`.
    directory : Path
        What `fit_cases` wrote.
    """
    predictions = []
    for case in fitted_cases(config):
        known = np.flatnonzero(~without_forcing(sites))
        stock = _stock_case(case, sites.isel(site=known))
        values = read_estimate(_file(directory, case)).values
        for name, carbon in (
            ("as it was", stock.soil_carbon_as_it_is()),
            ("fitted", stock.soil_carbon(values[np.newaxis])),
        ):
            soc = np.full((sites.sizes["site"], carbon.shape[1]), np.nan)
            soc[known] = carbon
            predictions.append(Prediction(f"{case.name}, {name}", "in", soc))
    return predictions


def write_case(config: Config, case: CaseConfig, run: Path, directory: Path) -> Usermods:
    """Write the usermods directory of one case.

    Parameters
    ----------
    config : Config
    case : CaseConfig
    run : Path
        Directory of the stages before this.
    directory : Path
        To write.
    """
    own = case in fitted_cases(config)
    target = Path(config.grid.target)
    source = f"{case.scalars} estimate of {run.name}"
    if own:
        source = f"one batch of {run.name}, fitted in the equations of {case.version}"
    return write_usermods(
        directory,
        version=case.version,
        template=case.paramfile,
        estimate=_estimate(case, run, own=own),
        maps=open_file(run / "model_grid.nc"),
        model_grid=target if target.exists() else None,
        ctsm_root=case.checkout,
        sites=None if own else open_sites(run / "sites.nc"),
        source=source,
    )


def _estimate(case: CaseConfig, run: Path, *, own: bool) -> Estimate | None:
    if own:
        return read_estimate(_file(run / "case_scalars", case))
    return None if case.scalars == "map-median" else read_estimate(run / "one_batch.nc")


def _stock_case(case: CaseConfig, sites: xr.Dataset) -> StockCase:
    return StockCase.at_sites(sites, case.paramfile, case.version)


def _file(directory: Path, case: CaseConfig) -> Path:
    return directory / f"{case.name}.nc"
