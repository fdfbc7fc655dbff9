r"""Inspect soil profiles before they are used, or convert them to one tidy form.

  ctsm-socnn profiles inspect wosis/ --format wosis-2019 --figures figures/
  ctsm-socnn profiles convert layers.csv --columns top='upper [cm]' bottom='lower [cm]' \
      oc='orgc [g/kg]' bulk_density='bd [g/cm3]' -o profiles.nc

  ctsm-socnn profiles convert wosis/ --format wosis-2023 --spline-depths 0 0.3 1 -o stocks.nc
  ctsm-socnn profiles merge wosis.nc kssl.nc -o all.nc

`inspect` counts what is wrong with the layers, by reason and by source, and draws depth profiles
and a map. `convert` writes netCDF (CF discrete sampling, contiguous ragged): every layer with its
flag, none left out; with --spline-depths, means over layers of your choice by the mass-preserving
spline of Bishop et al. (1999). `merge` joins files that `convert` wrote and flags profiles that an
earlier file already holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import xarray as xr

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.observations import FORMATS, PEDOTRANSFER, merge_profiles, read_profiles
from ctsm_socnn.observations.inspect import (
    draw_depth_profiles,
    draw_map,
    reason_table,
    source_table,
    summary,
)
from ctsm_socnn.observations.spline import spline_profiles
from ctsm_socnn.provenance import provenance_attributes

__all__ = ["add_arguments", "add_table_arguments", "parse_columns", "run"]

_ACTIONS_OF: Final = {
    "output": ("convert", "merge"),
    "figures": ("inspect",),
    "spline_depths": ("convert",),
    "columns": ("inspect", "convert"),
    "bulk_density_from": ("inspect", "convert"),
}
"""Options that not every action reads."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "action", choices=("inspect", "convert", "merge"), help="what to do, see above"
    )
    parser.add_argument(
        "profiles", type=Path, nargs="+", metavar="FILE", help="table, file or directory"
    )
    add_table_arguments(parser, "--format")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="inspect: where to draw")
    parser.add_argument(
        "--spline-depths",
        type=float,
        nargs="+",
        metavar="M",
        help="convert: edges of the layers, m, to which usable layers are splined",
    )
    parser.add_argument(
        "--spline-smoothing",
        type=float,
        default=0.0,
        metavar="LAMBDA",
        help="0 keeps the mass of each layer exactly (default); 0.1 is the published choice",
    )
    parser.add_argument("-o", "--output", type=Path, help="convert, merge: netCDF file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_json(parser)


def add_table_arguments(parser: argparse.ArgumentParser, format_option: str) -> None:
    """Declare the options that say how profiles are read."""
    listed = "; ".join(f"{name}: {meaning}" for name, meaning in FORMATS.items())
    parser.add_argument(
        format_option,
        dest="profile_format",
        choices=FORMATS,
        default="generic",
        metavar="FORMAT",
        help=f"default generic. {listed}",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="MAP",
        help="columns of a generic table, each as quantity='column [unit]'",
    )
    parser.add_argument(
        "--bulk-density-from",
        choices=PEDOTRANSFER,
        metavar="NAME",
        help="predict missing bulk density from organic carbon by one of "
        f"{', '.join(PEDOTRANSFER)} (default: leave such layers out)",
    )


def parse_columns(pairs: Sequence[str]) -> dict[str, str]:
    """Split `quantity=column [unit]` words.

    Raises
    ------
    ConfigError
    """
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--columns {pair}: must read quantity='column [unit]'")
    return dict(pair.split("=", 1) for pair in pairs)


def run(arguments: argparse.Namespace) -> int:
    """Inspect, convert or merge."""
    outputs = _outputs(arguments)
    for path in outputs:
        require_absent(path, overwrite=arguments.overwrite)
    paths: list[Path] = arguments.profiles
    profiles = _read(arguments)
    if arguments.spline_depths is not None:
        profiles = _splined(profiles, arguments)
    if arguments.action != "inspect":
        inputs = {f"profiles_{i}": path for i, path in enumerate(paths, 1) if path.is_file()}
        profiles.attrs |= provenance_attributes(seed=None, inputs=inputs)
        write_dataset(profiles, arguments.output, overwrite=arguments.overwrite)
    elif outputs:
        draw_depth_profiles(profiles, outputs[0], overwrite=arguments.overwrite)
        draw_map(profiles, outputs[1], overwrite=arguments.overwrite)
    counted = {
        **summary(profiles),
        "sources": source_table(profiles).to_dict("records"),
        "reasons": reason_table(profiles).to_dict("records"),
        "written": [str(path) for path in outputs],
    }
    text = _report(profiles, ", ".join(map(str, paths)))
    print_result(arguments, counted, "\n".join([text, *(f"wrote {path}" for path in outputs)]))
    return 0


def _read(arguments: argparse.Namespace) -> xr.Dataset:
    paths: list[Path] = arguments.profiles
    if arguments.action == "merge":
        return merge_profiles(
            [read_profiles(path, "tidy") for path in paths], [path.stem for path in paths]
        )
    if len(paths) > 1:
        raise ConfigError(f"{arguments.action} takes one file; convert each, then merge them")
    columns = parse_columns(arguments.columns)
    return read_profiles(paths[0], arguments.profile_format, columns, arguments.bulk_density_from)


def _splined(profiles: xr.Dataset, arguments: argparse.Namespace) -> xr.Dataset:
    depths: list[float] = arguments.spline_depths
    splined = spline_profiles(profiles, depths, arguments.spline_smoothing)
    if summary(profiles)["layers_usable"] and not summary(splined)["layers_usable"]:
        raise ConfigError(
            f"--spline-depths {' '.join(f'{depth:g}' for depth in depths)}: usable layers cover none "
            "of these layers; the edges are in m"
        )
    return splined.assign_attrs(spline_smoothing=arguments.spline_smoothing)


def _outputs(arguments: argparse.Namespace) -> list[Path]:
    for option, actions in _ACTIONS_OF.items():
        if getattr(arguments, option) and arguments.action not in actions:
            raise ConfigError(
                f"--{option.replace('_', '-')} is for {' and '.join(actions)}, not for "
                f"{arguments.action}; leave it out"
            )
    if arguments.action != "inspect":
        if arguments.output is None:
            raise ConfigError(f"{arguments.action} needs -o FILE, the netCDF file to write")
        return [arguments.output]
    if arguments.figures is None:
        return []
    make_directory(arguments.figures)
    return [arguments.figures / name for name in ("depth_profiles.png", "map.png")]


def _report(profiles: xr.Dataset, named: str) -> str:
    counts = summary(profiles)
    parts = [
        f"{named}: {counts['profiles']} profiles, {counts['layers']} layers; usable are "
        f"{counts['layers_usable']} layers in {counts['profiles_usable']} profiles",
        source_table(profiles).to_string(index=False),
    ]
    reasons = reason_table(profiles)
    if len(reasons):
        meaning = reasons["meaning"]
        width = meaning.str.len().max()
        reasons = reasons.assign(meaning=meaning.str.ljust(width))
        parts.append(reasons.to_string(index=False))
    return "\n\n".join(parts)
