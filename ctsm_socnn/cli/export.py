r"""Write parameters for CTSM: paramfile, maps on the model grid, usermods directory, and more.

Values come from a file (--estimate) or are those of the paramfile that your CTSM uses now;
NAME=VALUE replaces single ones. Turnover times given so follow the convention of what they replace:
in CTSM's own paramfile tau_s3=400 arrives as 400.

Example:
  ctsm-socnn export paramfile -i clm5_params.nc -o mine.nc --ctsm cesm2.2 q10=1.8 tau_s3=400
  ctsm-socnn export gridded -i maps.nc -o gridded.nc --ctsm ctsm5.4 --model-grid surfdata.nc
  ctsm-socnn export usermods -i params.nc -o my_usermods --ctsm ctsm5.4 --maps maps.nc
  ctsm-socnn export usermods -i params.nc -o my_usermods --ctsm-root ~/ctsm --maps maps.nc \
      --model-grid surfdata.nc
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import xarray as xr

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.export.checkout import Checkout
from ctsm_socnn.export.estimates import (
    Estimate,
    assigned_names,
    read_estimate,
    template_estimate,
    with_assignments,
)
from ctsm_socnn.export.gridded import uniform_maps, write_gridded_parameters
from ctsm_socnn.export.loss import translation_loss
from ctsm_socnn.export.paramfile import water_limits, write_paramfile
from ctsm_socnn.export.stream import write_parameter_stream
from ctsm_socnn.export.testmods import write_testmods
from ctsm_socnn.export.usermods import write_usermods
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.parameters.ctsm_versions import CtsmVersion, resolve_version
from ctsm_socnn.schemas import open_file, open_sites

__all__ = ["add_arguments", "run"]

_Result = tuple[Any, str]
"""What was delivered: as it goes into JSON, and as text."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the forms and their options."""
    forms = parser.add_subparsers(dest="form", required=True, metavar="FORM")
    paramfile = forms.add_parser("paramfile", help="a paramfile with the values in it")
    _add_common(paramfile, "paramfile that your CTSM uses now", "paramfile to write")
    _add_values(paramfile)
    gridded = forms.add_parser("gridded", help="maps in CTSM's names and units")
    _add_common(gridded, "parameter maps on the model grid", "gridded parameter file to write")
    _add_model_grid(gridded)
    usermods = forms.add_parser("usermods", help="a directory for create_newcase --user-mods-dir")
    _add_common(usermods, "paramfile that your CTSM uses now", "directory to write")
    _add_values(usermods)
    usermods.add_argument("--maps", type=Path, help="parameter maps on the model grid")
    usermods.add_argument(
        "--uniform", action="store_true", help="make maps of the values, the same in every cell"
    )
    usermods.add_argument(
        "--case", type=Path, help="existing case: refuse if its own SourceMods conflict with ours"
    )
    usermods.add_argument(
        "--keep-executable",
        action="store_true",
        help="no SourceMods: for clones of a case that was built with them",
    )
    _add_model_grid(usermods)
    stream = forms.add_parser("stream", help="maps as a stream of distributed parameters")
    _add_common(stream, "parameter maps on the model grid", "stream file to write")
    stream.add_argument("--mesh", type=Path, required=True, help="mesh file to write beside it")
    _add_model_grid(stream, needed=True)
    testmods = forms.add_parser("testmods", help="directories for create_test in a checkout")
    _add_common(testmods, "paramfile of the tests' compset", "testmods directory")
    _add_model_grid(testmods, needed=True)


def _add_common(parser: argparse.ArgumentParser, source: str, target: str) -> None:
    parser.add_argument("-i", "--input", type=Path, required=True, help=source)
    parser.add_argument("-o", "--output", type=Path, required=True, help=target)
    parser.add_argument("--ctsm", metavar="VERSION", help="for example ctsm5.4")
    parser.add_argument(
        "--ctsm-root",
        type=Path,
        help="checkout of CTSM or CESM: gives the version, and usermods their SourceMods",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_json(parser)


def _add_values(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--estimate", type=Path, help="netCDF file with one set of parameters")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse if a parameter of the estimate or the maps cannot be delivered; without both, "
        "if one that NAME=VALUE names cannot",
    )
    parser.add_argument(
        "--sites",
        type=Path,
        help="sites file: report the change of soil carbon at its sites from what scalars cannot deliver",
    )
    parser.add_argument("assignments", nargs="*", metavar="NAME=VALUE", help="single values")


def _add_model_grid(parser: argparse.ArgumentParser, *, needed: bool = False) -> None:
    parser.add_argument(
        "--model-grid",
        type=Path,
        required=needed,
        help="surface dataset or mesh of the case, to check the maps",
    )
    parser.add_argument(
        "--parameters", nargs="+", metavar="NAME", help="deliver only these as maps"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write one form and say what was delivered."""
    writers = {
        "paramfile": _paramfile,
        "gridded": _gridded,
        "usermods": _usermods,
        "stream": _stream,
        "testmods": _testmods,
    }
    print_result(arguments, *writers[arguments.form](arguments))
    return 0


def _version(arguments: argparse.Namespace) -> CtsmVersion:
    if arguments.ctsm_root is not None:
        return Checkout.open(arguments.ctsm_root, arguments.ctsm).version
    if arguments.ctsm is None:
        raise ConfigError("name the version with --ctsm, or a checkout of it with --ctsm-root")
    return resolve_version(arguments.ctsm)


def _estimate(arguments: argparse.Namespace, version: CtsmVersion) -> Estimate:
    if arguments.estimate is None:
        estimate = template_estimate(arguments.input, version)
    else:
        estimate = read_estimate(arguments.estimate)
    return with_assignments(estimate, arguments.assignments)


def _asked(arguments: argparse.Namespace, maps: xr.Dataset | None = None) -> tuple[str, ...]:
    """Parameters that somebody wants changed."""
    if arguments.estimate is None and maps is None:
        return assigned_names(arguments.assignments)
    return PARAMETER_NAMES


def _paramfile(arguments: argparse.Namespace) -> _Result:
    version = _version(arguments)
    estimate = _estimate(arguments, version)
    delivery = write_paramfile(
        arguments.input,
        arguments.output,
        estimate.values,
        convention=estimate.convention,
        held=estimate.held,
        version=version,
        strict=arguments.strict,
        asked=_asked(arguments),
        overwrite=arguments.overwrite,
    )
    if arguments.sites is None:
        return {"delivery": delivery}, delivery.table()
    loss = translation_loss(
        open_sites(arguments.sites),
        estimate,
        paramfile=arguments.output,
        version=version,
        namelist=delivery.namelist,
        water=water_limits(arguments.input, version),
    )
    return {"delivery": delivery, "loss": loss}, f"{delivery.table()}\n{loss.table()}"


def _gridded(arguments: argparse.Namespace) -> _Result:
    gridded = write_gridded_parameters(
        open_file(arguments.input),
        arguments.output,
        _version(arguments),
        model_grid=arguments.model_grid,
        parameters=arguments.parameters,
        overwrite=arguments.overwrite,
    )
    return {"gridded": gridded}, gridded.table()


def _stream(arguments: argparse.Namespace) -> _Result:
    gridded = write_parameter_stream(
        open_file(arguments.input),
        arguments.output,
        arguments.mesh,
        _version(arguments),
        model_grid=arguments.model_grid,
        parameters=arguments.parameters,
        overwrite=arguments.overwrite,
    )
    return {"gridded": gridded}, gridded.table()


def _testmods(arguments: argparse.Namespace) -> _Result:
    if arguments.ctsm_root is None:
        raise ConfigError("--ctsm-root is missing: it names the checkout to be tested")
    written = write_testmods(
        arguments.output,
        template=arguments.input,
        model_grid=arguments.model_grid,
        ctsm_root=arguments.ctsm_root,
        overwrite=arguments.overwrite,
    )
    directories = [usermods.directory for usermods in written]
    return {"directories": directories}, "\n".join(f"wrote {path}" for path in directories)


def _usermods(arguments: argparse.Namespace) -> _Result:
    maps = None if arguments.maps is None else open_file(arguments.maps)
    given = arguments.estimate is not None or arguments.assignments or maps is None
    estimate = _estimate(arguments, _version(arguments)) if given else None
    if estimate is not None and arguments.uniform:
        maps = _uniform(arguments, estimate)
    source = arguments.estimate or arguments.maps
    usermods = write_usermods(
        arguments.output,
        version=arguments.ctsm,
        template=arguments.input,
        estimate=estimate,
        maps=maps,
        model_grid=arguments.model_grid,
        mapped=arguments.parameters,
        ctsm_root=arguments.ctsm_root,
        keep_executable=arguments.keep_executable,
        case=arguments.case,
        sites=None if arguments.sites is None else open_sites(arguments.sites),
        source=f"the values of {arguments.input.name}" if source is None else source.name,
        strict=arguments.strict,
        asked=_asked(arguments, maps),
        overwrite=arguments.overwrite,
    )
    return usermods, usermods.summary()


def _uniform(arguments: argparse.Namespace, estimate: Estimate) -> xr.Dataset:
    if arguments.maps is not None or arguments.model_grid is None:
        raise ConfigError("--uniform makes the maps itself: give --model-grid and no --maps")
    return uniform_maps(estimate.values, estimate.convention, arguments.model_grid)
