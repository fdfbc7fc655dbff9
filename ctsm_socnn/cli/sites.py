r"""Build a sites file: forcing, observations and covariates at each soil profile.

  ctsm-socnn sites --history 'run/*.clm2.h0a.*.nc' --pools 'run/*.clm2.h1i.*.nc' \
      --profiles layers.csv --columns top='upper [cm]' bottom='lower [cm]' oc='orgc [g/kg]' \
      --covariates covariates.nc -o sites.nc

Each profile is driven by the nearest land cell. Profiles that cannot be used are counted by
reason and listed in a table beside the sites file; layers that cannot be used stay in the file
with a flag.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import xarray as xr

from ctsm_socnn.cli.forcing import (
    add_history_arguments,
    checkpoint_path,
    describe,
    read_history,
)
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.profiles import add_table_arguments, parse_columns
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.forcing import open_climatology
from ctsm_socnn.netcdf import require_absent
from ctsm_socnn.observations import build_sites, open_covariates, read_profiles
from ctsm_socnn.observations.build import NO_USABLE_LAYER
from ctsm_socnn.observations.covariates import MISSING_RULES
from ctsm_socnn.observations.sites_file import exclusions_path, write_sites
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--climatology", type=Path, metavar="FILE", help="what `ctsm-socnn forcing` wrote"
    )
    add_history_arguments(parser, required=False)
    parser.add_argument(
        "--profiles", type=Path, required=True, metavar="FILE", help="profile table or database"
    )
    add_table_arguments(parser, "--profile-format")
    parser.add_argument("--covariates", type=Path, metavar="FILE", help="covariates on a grid")
    parser.add_argument("--covariate-names", nargs="+", metavar="NAME", help="take only these")
    parser.add_argument(
        "--categorical", nargs="+", default=[], metavar="NAME", help="covariates that are classes"
    )
    parser.add_argument(
        "--missing-covariates",
        choices=MISSING_RULES,
        default="drop",
        help="what to do about a site without a covariate (default: drop, and list it)",
    )
    parser.add_argument(
        "--max-distance",
        type=float,
        default=100.0,
        metavar="KM",
        help="farthest land cell that may drive a profile (default: 100 km)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="sites file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Build the sites, write them and tell what was left out."""
    for path in (arguments.output, exclusions_path(arguments.output)):
        require_absent(path, overwrite=arguments.overwrite)
    profiles = read_profiles(
        arguments.profiles,
        arguments.profile_format,
        parse_columns(arguments.columns),
        arguments.bulk_density_from,
    )
    covariates = None
    if arguments.covariates is not None:
        covariates = open_covariates(arguments.covariates, arguments.covariate_names)
    climatology = _climatology(arguments)
    sites, exclusions = build_sites(
        climatology,
        profiles,
        covariates,
        max_distance_km=arguments.max_distance,
        missing_covariates=arguments.missing_covariates,
        categorical=arguments.categorical,
    )
    named = {name: getattr(arguments, name) for name in ("profiles", "covariates", "climatology")}
    inputs = {name: path for name, path in named.items() if path is not None and path.is_file()}
    told = {**sites.attrs, "left_out": exclusions["reason"].value_counts().to_dict()}
    sites.attrs |= provenance_attributes(seed=None, inputs=inputs)
    write_sites(sites, exclusions, arguments.output, overwrite=arguments.overwrite)
    print_result(arguments, told, _report(sites, exclusions, arguments.output))
    return 0


def _climatology(arguments: argparse.Namespace) -> xr.Dataset:
    if (arguments.history is None) == (arguments.climatology is None):
        raise ConfigError("give either --history or --climatology")
    if arguments.climatology is not None:
        options = ("pools", "surface", "first_year", "last_year")
        given = [f"--{name.replace('_', '-')}" for name in options if getattr(arguments, name)]
        if given:
            raise ConfigError(
                f"{', '.join(given)}: the climatology is made already; give this to "
                "`ctsm-socnn forcing`, or --history in place of --climatology"
            )
        return open_climatology(arguments.climatology)
    return read_history(arguments, checkpoint_path(arguments.output))


def _report(sites: xr.Dataset, exclusions: pd.DataFrame, path: Path) -> str:
    attributes = sites.attrs
    lines = [f"{path}: {sites.sizes['site']} sites of {attributes['profiles_read']} profiles"]
    lines += describe(sites)
    for reason, left_out in exclusions.groupby("reason", sort=False):
        lines.append(f"  left out, {reason}: {len(left_out)}")
        if reason == NO_USABLE_LAYER:
            flags = left_out["detail"].str.split().explode().value_counts()
            lines += [f"    of these with {name}: {count}" for name, count in flags.items()]
    if attributes.get("sites_in_ocean_cells"):
        lines.append(
            f"  nearer to an ocean cell than to land: {attributes['sites_in_ocean_cells']}"
        )
    lines += [
        f"  layers, {name.removeprefix('layers_')}: {count}"
        for name, count in attributes.items()
        if name.startswith("layers_")
    ]
    if len(exclusions):
        lines.append(f"  each is listed in {exclusions_path(path)}")
    return "\n".join(lines)
