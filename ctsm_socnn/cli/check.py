"""Check a configuration and all its inputs, and say what build-params would do with them.

Example:
  ctsm-socnn check examples/northeast_us.toml --data DATA

Takes seconds: headers, months, masks and grids are read, and a profile table up to 50 MB. Whatever
build-params would refuse at once is refused here. The last line estimates the time and memory of the
run from runs of many sizes; expect it to be right within a factor of two.
"""

from __future__ import annotations

import argparse
from typing import Any

from ctsm_socnn.cli.configuration_options import add_configuration
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.workers_option import add_workers

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_configuration(parser)
    add_workers(parser, "sites and folds of the run")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line per input."""
    from ctsm_socnn.config import load_config
    from ctsm_socnn.preview import preview

    config, _ = load_config(arguments.config, data=arguments.data, overrides=arguments.set)
    looks = list(preview(config, max(1, arguments.workers)))
    result: dict[str, Any] = {look.name: look.values for look in looks if look.name != "case"}
    result["cases"] = [look.values for look in looks if look.name == "case" and look.values]
    print_result(arguments, result, "\n".join(look.text for look in looks))
    return 0
