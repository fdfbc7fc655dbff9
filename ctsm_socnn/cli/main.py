"""Entry point of `ctsm-socnn`: finds the command, runs it, turns errors into one line.

A command is a module of this package with two functions: `add_arguments(parser)` and
`run(arguments) -> int`, and its module docstring is the command's help text. Only the module of
the command that was asked for is imported, so that `--help` is immediate.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from ctsm_socnn.cli.stopping import ignore_stops, stopped_by_signals
from ctsm_socnn.errors import SocnnError
from ctsm_socnn.interruption import Terminated
from ctsm_socnn.progress import progress_hidden
from ctsm_socnn.provenance import package_version

__all__ = ["COMMANDS", "EXIT_STATUS", "command_parser", "main", "process", "with_parts"]

EXIT_USER_ERROR: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
EXIT_TERMINATED: Final = 143

EXIT_STATUS: Final = (
    "exit status: 0 done, 1 a check failed, 2 wrong input or usage, 130 interrupted,\n"
    "141 the reader of the output has gone, 143 terminated"
)

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("ctsm_socnn.cli.demo", "run everything on a synthetic world"),
    "check": ("ctsm_socnn.cli.check", "say what build-params would do with a configuration"),
    "build-params": (
        "ctsm_socnn.cli.build_params",
        "run all stages, from profiles and history to usermods",
    ),
    "forcing": ("ctsm_socnn.cli.forcing", "average CLM history files into a monthly climatology"),
    "profiles": ("ctsm_socnn.cli.profiles", "inspect soil profiles, or convert them to one form"),
    "covariates": ("ctsm_socnn.cli.covariates", "bring rasters to a grid, as covariates"),
    "sites": ("ctsm_socnn.cli.sites", "join forcing, observations and covariates at profiles"),
    "assimilate": ("ctsm_socnn.cli.assimilate", "estimate parameters at soil profiles"),
    "merge": ("ctsm_socnn.cli.merge", "put the shards of an assimilation together"),
    "parameters": ("ctsm_socnn.cli.parameters", "list the parameters, or where CTSM reads them"),
    "train": ("ctsm_socnn.cli.train", "train a network from covariates to parameters"),
    "score": ("ctsm_socnn.cli.score", "score a trained network on soil profiles"),
    "evaluate": ("ctsm_socnn.cli.evaluate", "compare methods at sites held out of training"),
    "importance": ("ctsm_socnn.cli.importance", "show which covariates a network relies on"),
    "predict": ("ctsm_socnn.cli.predict", "predict parameter maps from covariates on a grid"),
    "regrid": ("ctsm_socnn.cli.regrid", "regrid parameter maps to a model grid"),
    "export": ("ctsm_socnn.cli.export", "write paramfiles, gridded parameters, usermods"),
    "check-usermods": ("ctsm_socnn.cli.check_usermods", "check or relocate a usermods directory"),
    "report": ("ctsm_socnn.cli.report", "write an HTML page about a run of build-params"),
    "validate": ("ctsm_socnn.cli.validate", "check CTSM runs against profiles and paramfile"),
    "stocks": ("ctsm_socnn.cli.stocks", "add up the soil carbon of runs and maps, in PgC"),
    "ilamb": ("ctsm_socnn.cli.ilamb", "write a run's soil carbon for ILAMB"),
    "show": ("ctsm_socnn.cli.show", "show how a file was made"),
    "verify": ("ctsm_socnn.cli.verify", "compare the compiled kernel with reference numbers"),
    "completion": ("ctsm_socnn.cli.completion", "print a completion script for bash or zsh"),
    "doctor": ("ctsm_socnn.cli.doctor", "check this machine: kernel, threads, libraries, GPU"),
}
"""Command -> (module, one line for the overview), in the order in which they are shown."""

RESUMING: Final = frozenset(
    {"demo", "build-params", "forcing", "sites", "assimilate", "train", "evaluate", "importance"}
)
"""Commands that keep what they have done when they are stopped."""

_DESCRIPTION: Final = """\
Calibrate the soil-carbon parameters of CTSM/CLM5 with soil profiles.

The main job, from profiles and CLM history files to a usermods directory:
  ctsm-socnn build-params CONFIG.toml -o OUTPUT
"""


def _overview() -> str:
    width = max((len(name) for name in COMMANDS), default=0) + 2
    lines = [f"  {name:<{width}}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "commands:",
            *lines,
            "",
            "ctsm-socnn COMMAND --help explains each with an example.",
            "",
            EXIT_STATUS,
        ]
    )


def _root_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ctsm-socnn",
        description=_DESCRIPTION,
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="ctsm-socnn [--version] [--help] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"ctsm-socnn {package_version()}")
    parser.add_argument("command", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Parser of one of `COMMANDS`."""
    module = importlib.import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(
        prog=f"ctsm-socnn {name}",
        description=module.__doc__,
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    for part in with_parts(parser):
        _add_common_options(part)
    parser.set_defaults(run=module.run, quiet=False, verbose=False, debug=False)
    return parser


def with_parts(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of a command and those of its parts, as of `export paramfile`."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                yield from with_parts(part)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of every command")
    loud = group.add_mutually_exclusive_group()
    # Without defaults of their own: a part would take back what was said before its name.
    flag = partial(loud.add_argument, action="store_true", default=argparse.SUPPRESS)
    flag("--quiet", help="print only warnings and errors")
    flag(
        "--verbose",
        help="say on standard error which files are read and written, and what the run took",
    )
    group.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after `ctsm-socnn`; by default those of this process.

    Returns
    -------
    int
        Exit status, as `EXIT_STATUS` says.
    """
    # The kernel and torch bring an OpenMP each; threads of one that wait in a loop starve the other.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A log file must show the progress of a run while it runs.
        sys.stdout.reconfigure(line_buffering=True)
    words = list(sys.argv[1:] if arguments is None else arguments)
    root = _root_parser()
    if not words:
        root.print_help()
        return EXIT_USER_ERROR
    name = root.parse_args(words[:1]).command
    if name not in COMMANDS:
        root.error(f"unknown command {name!r}; choose from {', '.join(COMMANDS)}")
    try:
        with stopped_by_signals():
            return _run(name, words[1:])
    except SocnnError as error:
        if "--debug" in words:
            raise
        print(f"ctsm-socnn {name}: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except BrokenPipeError:
        # Whoever reads the output has read enough, as in `| head`.
        return EXIT_BROKEN_PIPE
    except (OSError, MemoryError) as error:
        if "--debug" in words:
            raise
        what = str(error) or "there is not enough memory"
        print(f"ctsm-socnn {name}: {what}; --debug shows where", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt as stop:
        terminated = isinstance(stop, Terminated)
        what = "terminated" if terminated else "interrupted"
        print(f"ctsm-socnn {name}: {what}; {_way_on(name)}", file=sys.stderr)
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED


def process() -> NoReturn:
    """Run one command and end this process with its status."""
    status = main()
    # All is done; a Ctrl-C now would only turn the end of Python into a traceback.
    ignore_stops()
    _let_go_of_output()
    sys.exit(status)


def _let_go_of_output() -> None:
    """Flush what was printed; if nobody takes it, `main` has said so, and Python shall not again."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(name: str, words: Sequence[str]) -> int:
    options = command_parser(name).parse_args(words)
    with ExitStack() as around:
        if options.quiet:
            around.enter_context(progress_hidden())
            nowhere = around.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            around.enter_context(redirect_stdout(nowhere))
        if options.verbose:
            around.enter_context(_told_on_standard_error())
        status: int = options.run(options)
    return status


def _way_on(name: str) -> str:
    if name in RESUMING:
        return "run the same command again: it continues where it stopped"
    return "nothing half-written is left; run the same command again"


@contextmanager
def _told_on_standard_error() -> Iterator[None]:
    """Show what the package logs, and at the end what the run took."""
    log = logging.getLogger("ctsm_socnn")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    start = time.monotonic()
    try:
        yield
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        log.info(
            "ctsm-socnn %s took %.1f s, %.1f CPU-s in this process, at most %.2f GB",
            package_version(),
            time.monotonic() - start,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss / 1e6,
        )
        log.removeHandler(handler)
        log.setLevel(level)
