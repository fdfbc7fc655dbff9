r"""Estimate parameters at soil profiles, from forcing and observed SOC.

  one-batch        one parameter vector for all profiles, by gradient descent
  hierarchical     one for each class of sites (biome, climate, soil), shrunk towards all sites
  site-by-site     the posterior at every profile, by Markov chains; can be stopped and resumed
  random-sampling  parameters for other sites, drawn from the posteriors of a site-by-site run

Example:
  ctsm-socnn assimilate sites.nc --method one-batch -o one_batch.nc
  ctsm-socnn assimilate sites.nc --method one-batch --ctsm ctsm5.4 --paramfile ctsm_params.nc \
      -o scalars.nc
  ctsm-socnn assimilate sites.nc --method hierarchical --by cov_biome -o classes.nc
  ctsm-socnn assimilate sites.nc --method site-by-site --workers 4 -o posterior.nc
  ctsm-socnn assimilate other_sites.nc --method random-sampling --posterior posterior.nc -o random.nc
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import xarray as xr

from ctsm_socnn.assimilation import (
    LIKELIHOODS,
    ONE_BATCH_COSTS,
    PRIOR_WIDTH,
    PRIORS,
    SAMPLERS,
    Prior,
    SamplingPlan,
    Settings,
    Shard,
    SiteStatus,
    hierarchical,
    make_prior,
    one_batch,
    random_sampling,
    read_source_errors,
    site_by_site,
    with_source_errors,
)
from ctsm_socnn.assimilation.figures import (
    chosen_sites,
    draw_parameter_posteriors,
    draw_profile_fits,
    draw_site_maps,
    representative_sites,
)
from ctsm_socnn.assimilation.soil_models import PublishedModel, SoilModel
from ctsm_socnn.assimilation.summary import posterior_summary
from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.cli.named_files import require_own_names
from ctsm_socnn.cli.positive_number import positive_number
from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.export.stock_case import StockCase
from ctsm_socnn.netcdf import require_absent, write_dataset
from ctsm_socnn.parameters import PARAMETER_NAMES, PARAMETERS
from ctsm_socnn.schemas import open_file, open_sites, validate_posterior

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("sites", type=Path, help="sites file: forcing and observed SOC")
    parser.add_argument(
        "--method",
        choices=tuple(_METHODS),
        default="site-by-site",
        help="see above (default: site-by-site)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="netCDF file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    add_json(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of every random draw (0)")
    parser.add_argument(
        "--below-bedrock",
        choices=("deepest", "drop"),
        default="deepest",
        help="compare observations below bedrock with the deepest layer above it, or drop them",
    )
    parser.add_argument(
        "--errors",
        type=Path,
        metavar="TABLE.toml",
        help="errors of the profiles by `source`, for the likelihoods lognormal and student-t",
    )
    _add_prior(parser.add_argument_group("prior"))
    _add_one_batch(parser.add_argument_group("one-batch and hierarchical"))
    _add_site_by_site(parser.add_argument_group("site-by-site"))
    _add_random_sampling(parser.add_argument_group("random-sampling"))


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen method."""
    _require_options_of_the_method(arguments)
    read = (arguments.sites, arguments.errors, arguments.posterior, arguments.paramfile)
    require_own_names({"-o": arguments.output}, [path for path in read if path is not None])
    require_absent(arguments.output, overwrite=arguments.overwrite)
    if arguments.figures is not None:
        make_directory(arguments.figures)
    _METHODS[arguments.method](arguments)
    return 0


def _require_options_of_the_method(arguments: argparse.Namespace) -> None:
    """Refuse what another method would have taken: silence would look like consent."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for name, methods in _METHODS_OF_OPTION.items():
        if arguments.method not in methods and getattr(arguments, name) != parser.get_default(name):
            raise ConfigError(
                f"--{name.replace('_', '-')} is not for --method {arguments.method}, "
                f"but for {' and '.join(methods)}; leave it out or choose another method"
            )


def _add_prior(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--prior",
        choices=PRIORS,
        default="uniform",
        help="uniform within the bounds, or normal around CLM5's values and cut off at the bounds",
    )
    group.add_argument(
        "--prior-width",
        type=float,
        default=PRIOR_WIDTH,
        metavar="SHARE",
        help=f"standard deviation of the normal prior as a fraction of the range ({PRIOR_WIDTH:g})",
    )
    group.add_argument(
        "--prior-of",
        action="append",
        default=[],
        metavar="NAME=CENTRE,SD",
        help="normal prior of one parameter, in its units; may be repeated",
    )


def _add_one_batch(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--cost",
        choices=tuple(ONE_BATCH_COSTS),
        default="mixed",
        help="what is minimised (default: mixed, fair to plain and log scores)",
    )
    group.add_argument("--starts", type=int, default=8, help="starting points (8)")
    group.add_argument(
        "--ctsm",
        metavar="VERSION",
        help="one-batch: fit a case of this version that reads no maps, in its own equations and with "
        "what it takes of the parameters; needs --paramfile",
    )
    group.add_argument("--paramfile", type=Path, help="one-batch: that such a case uses now")
    group.add_argument(
        "--by", metavar="VARIABLE", help="hierarchical: variable whose values are the classes"
    )


def _add_site_by_site(group: argparse._ArgumentGroup) -> None:
    defaults = Settings()
    group.add_argument(
        "--sampler",
        choices=tuple(SAMPLERS),
        default=defaults.sampler,
        help="how the posterior is found (default: %(default)s)",
    )
    group.add_argument(
        "--likelihood",
        choices=LIKELIHOODS,
        default=defaults.likelihood,
        help="how errors are distributed (default: %(default)s)",
    )
    group.add_argument("--chains", type=int, help="chains a site")
    group.add_argument("--warmup", type=int, help="iterations a chain that are thrown away")
    group.add_argument("--draws", type=int, help="iterations a chain that are kept")
    group.add_argument(
        "--workers", type=positive_number("processes"), default=1, help="processes (1)"
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="compute on a dask cluster: its address or scheduler file, or `local`",
    )
    group.add_argument(
        "--figures",
        type=Path,
        metavar="DIRECTORY",
        help="draw fits, posteriors and maps into this directory",
    )
    group.add_argument(
        "--figure-sites",
        type=int,
        nargs="+",
        metavar="SITE",
        help="places in the sites file, from 0, whose fits and posteriors are drawn; by default six "
        "converged ones from the best to the worst fit",
    )
    group.add_argument(
        "--shard",
        metavar="K/N",
        help="run only part K of N, for job arrays; put the parts together with `merge`",
    )


def _add_random_sampling(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--posterior", type=Path, help="posterior file of a site-by-site run")
    group.add_argument("--draws-per-site", type=int, default=50, help="draws a site (50)")


def _sites(arguments: argparse.Namespace, *, load: bool = True) -> xr.Dataset:
    """Sites with the errors of their sources, if such are given."""
    sites = open_sites(arguments.sites, load=load)
    if arguments.errors is None:
        return sites
    return with_source_errors(sites, read_source_errors(arguments.errors))


def _prior(arguments: argparse.Namespace) -> Prior:
    given = {}
    for text in arguments.prior_of:
        name, _, values = text.partition("=")
        try:
            centre, sd = (float(value) for value in values.split(","))
        except ValueError:
            raise ConfigError(
                f"--prior-of {text}: write a name, its centre and its standard deviation, "
                "for example q10=1.5,0.2"
            ) from None
        given[name] = (centre, sd)
    return make_prior(arguments.prior, arguments.prior_width, given)


def _model(arguments: argparse.Namespace) -> Callable[[xr.Dataset], SoilModel]:
    """Say which model is fitted: the published one, or a case of CTSM as released."""
    if arguments.ctsm is None and arguments.paramfile is None:
        return PublishedModel
    if arguments.ctsm is None or arguments.paramfile is None:
        raise ConfigError("--ctsm VERSION and --paramfile FILE name a case together; give both")
    return partial(StockCase.at_sites, paramfile=arguments.paramfile, version=arguments.ctsm)


def _fit_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Give the options that one-batch and hierarchical fits share."""
    return {
        "cost": arguments.cost,
        "starts": arguments.starts,
        "seed": arguments.seed,
        "below_bedrock": arguments.below_bedrock,
        "prior": _prior(arguments),
    }


def _one_batch(arguments: argparse.Namespace) -> None:
    result = one_batch(
        _sites(arguments), **_fit_options(arguments), model=_model(arguments), progress=True
    )
    write_dataset(result, arguments.output, overwrite=arguments.overwrite)
    held = str(result.attrs.get("held_parameters", "")).split()
    values = dict(zip(PARAMETER_NAMES, result["parameters"].values.tolist(), strict=True))
    low, high = (result["quantile"].sel(probability=p).values.tolist() for p in (0.025, 0.975))
    cost = float(result["start_cost"].values[0])
    lines = [f"{'':<10} {'best':>12} {'95 % interval':>25}"]
    lines += [
        f"{p.name:<10} {values[p.name]:>12.6g} {low[i]:>12.5g} {high[i]:>12.5g} {p.units}"
        for i, p in enumerate(PARAMETERS)
        if p.name not in held
    ]
    outside = [
        p.name
        for i, p in enumerate(PARAMETERS)
        if p.name not in held and not low[i] <= values[p.name] <= high[i]
    ]
    if outside:
        lines.append(
            f"The best value of {', '.join(outside)} lies outside its interval: the cost pushes it to\n"
            "a bound, where few draws of the posterior lie."
        )
    if held:
        lines.append(f"{result.attrs['scheme']}: CTSM's own values of {', '.join(held)}")
    lines += [f"cost {cost:.6g} ({arguments.cost})", f"wrote {arguments.output}"]
    summary = {
        "parameters": values,
        "interval_95": dict(zip(PARAMETER_NAMES, zip(low, high, strict=True), strict=True)),
        "held": held,
        "cost": cost,
        "output": str(arguments.output),
    }
    print_result(arguments, summary, "\n".join(lines))


def _hierarchical(arguments: argparse.Namespace) -> None:
    if arguments.by is None:
        raise ConfigError("hierarchical groups sites by a variable; name it with --by")
    result = hierarchical(_sites(arguments), arguments.by, **_fit_options(arguments))
    write_dataset(result, arguments.output, overwrite=arguments.overwrite)
    whole, spread = (result[name].values.tolist() for name in ("parameters", "class_spread"))
    of_class = result["class_parameters"]
    least, most = of_class.min("class").values.tolist(), of_class.max("class").values.tolist()
    lines = [
        f"{result.sizes['class']} classes of {arguments.by}; {result.attrs['sites']}",
        f"{'':<10} {'whole':>12} {'least and most of a class':>25} {'spread':>8}",
    ]
    lines += [
        f"{p.name:<10} {whole[i]:>12.5g} {least[i]:>12.5g} {most[i]:>12.5g} {spread[i]:>8.2f} {p.units}"
        for i, p in enumerate(PARAMETERS)
    ]
    lines.append(f"wrote {arguments.output}")
    summary = {
        "parameters": dict(zip(PARAMETER_NAMES, whole, strict=True)),
        "class_spread": dict(zip(PARAMETER_NAMES, spread, strict=True)),
        "classes": result["class"].values.tolist(),
        "output": str(arguments.output),
    }
    print_result(arguments, summary, "\n".join(lines))


def _site_by_site(arguments: argparse.Namespace) -> None:
    sites = _sites(arguments, load=False)
    _require_figure_sites(arguments, sites.sizes["site"])
    settings = Settings(
        sampler=arguments.sampler,
        likelihood=arguments.likelihood,
        plan=_plan(arguments),
        seed=arguments.seed,
        below_bedrock=arguments.below_bedrock,
        prior=_prior(arguments),
    )
    shard = None if arguments.shard is None else Shard.from_text(arguments.shard)
    started = time.monotonic()
    posterior = site_by_site(
        sites,
        settings,
        output=arguments.output,
        workers=arguments.workers,
        scheduler=arguments.scheduler,
        shard=shard,
        overwrite=arguments.overwrite,
    )
    run_sites = sites.isel(site=posterior["site_index"].values)
    seconds = time.monotonic() - started
    status = posterior["status"].values
    summary = {
        "sites": status.size,
        "status": {reason.meaning: int((status == reason).sum()) for reason in SiteStatus},
        "seconds": seconds,
        "output": str(arguments.output),
    }
    text = posterior_summary(posterior, run_sites, seconds)
    print_result(arguments, summary, f"{text}\nwrote {arguments.output}")
    if arguments.figures is not None:
        _draw(posterior, run_sites, arguments.figures, arguments.figure_sites)


def _require_figure_sites(arguments: argparse.Namespace, count: int) -> None:
    """Refuse, before anything is run, sites that are not there."""
    for place in arguments.figure_sites or ():
        if arguments.figures is None:
            raise ConfigError("--figure-sites says what --figures DIRECTORY draws; give both")
        if not 0 <= place < count:
            raise ConfigError(
                f"--figure-sites {place}: {arguments.sites} has the sites 0 to {count - 1}"
            )


def _draw(
    posterior: xr.Dataset, sites: xr.Dataset, directory: Path, wanted: list[int] | None
) -> None:
    chosen = representative_sites(posterior) if wanted is None else chosen_sites(posterior, wanted)
    if not chosen:
        print("no site has converged: nothing is drawn", file=sys.stderr)
        return
    draw_profile_fits(posterior, sites, chosen, directory / "profile_fits.png")
    draw_parameter_posteriors(posterior, chosen, directory / "parameter_posteriors.png")
    for variable in ("mean", "contraction"):
        draw_site_maps(posterior, variable, directory / f"{variable}_at_sites.png")


def _plan(arguments: argparse.Namespace) -> SamplingPlan:
    """Take the sampler's plan with what the command line changes."""
    lengths = {
        name: value
        for name in ("chains", "warmup", "draws")
        if (value := getattr(arguments, name)) is not None
    }
    return replace(SAMPLERS[arguments.sampler].default_plan, **lengths)


def _random_sampling(arguments: argparse.Namespace) -> None:
    if arguments.posterior is None:
        raise ConfigError("random-sampling draws from a site-by-site run; give it with --posterior")
    posterior = validate_posterior(open_file(arguments.posterior), str(arguments.posterior))
    n_sites = open_sites(arguments.sites).sizes["site"]
    result = random_sampling(posterior, n_sites, arguments.draws_per_site, arguments.seed)
    write_dataset(result, arguments.output, overwrite=arguments.overwrite)
    summary = {"sites": n_sites, "output": str(arguments.output)}
    print_result(arguments, summary, f"wrote {arguments.output}: {n_sites} sites")


_METHODS: Final[Mapping[str, Callable[[argparse.Namespace], None]]] = {
    "one-batch": _one_batch,
    "hierarchical": _hierarchical,
    "site-by-site": _site_by_site,
    "random-sampling": _random_sampling,
}

_POOLED: Final = ("one-batch", "hierarchical")
_FITTED: Final = (*_POOLED, "site-by-site")

_METHODS_OF_OPTION: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("below_bedrock", "errors", "prior", "prior_width", "prior_of"), _FITTED),
    **dict.fromkeys(("cost", "starts"), _POOLED),
    **dict.fromkeys(("ctsm", "paramfile"), ("one-batch",)),
    "by": ("hierarchical",),
    **dict.fromkeys(
        ("sampler", "likelihood", "chains", "warmup", "draws", "workers", "scheduler", "figures"),
        ("site-by-site",),
    ),
    **dict.fromkeys(("figure_sites", "shard"), ("site-by-site",)),
    **dict.fromkeys(("posterior", "draws_per_site"), ("random-sampling",)),
}
"""Option -> methods that take it; the others are for all."""
