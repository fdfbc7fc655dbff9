"""The stages of build-params in order, from history files and profiles to usermods.

Nothing is computed here. Each stage reads what the ones before it wrote, calls one room, and
writes one file or directory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ctsm_socnn.assimilation import one_batch, site_by_site
from ctsm_socnn.cases import (
    case_command,
    case_directory,
    case_inputs,
    check_cases,
    fit_cases,
    fitted_cases,
    write_case,
)
from ctsm_socnn.config import CaseConfig, Config
from ctsm_socnn.configured import (
    assimilation_settings,
    configured_folds,
    covariate_grid,
    grid_files,
    network_settings,
    one_batch_prior,
    with_configured_errors,
)
from ctsm_socnn.directories import make_directory
from ctsm_socnn.errors import require_at_least
from ctsm_socnn.forcing import find_history, read_climatology
from ctsm_socnn.judging import judge_inputs, judge_methods
from ctsm_socnn.netcdf import write_dataset
from ctsm_socnn.network import calibrate, load_model, predict_maps, save_model, train
from ctsm_socnn.observations import build_sites, read_profiles, screen_sites
from ctsm_socnn.observations.sites_file import write_sites
from ctsm_socnn.provenance import provenance_attributes
from ctsm_socnn.regrid.grids import read_grid
from ctsm_socnn.regrid.maps import regrid_maps
from ctsm_socnn.regrid.weights import Method
from ctsm_socnn.reproduction import write_reproduction
from ctsm_socnn.schemas import open_file, open_sites
from ctsm_socnn.stages import Stage, run_stages
from ctsm_socnn.validation.comparison import format_comparison
from ctsm_socnn.validation.evaluation import COMPARISON_FILE
from ctsm_socnn.validation.map_figures import draw_parameter_maps
from ctsm_socnn.validation.predicted_carbon import write_predicted_carbon
from ctsm_socnn.validation.run_report import report_run

__all__ = ["build_params"]


def build_params(
    config: Config,
    configuration: str,
    output: str | Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Run all stages that are not done yet.

    Parameters
    ----------
    config : Config
    configuration : str
        The same as text, for provenance.
    output : str or Path
        Directory for all results; made if absent.
    workers : int
        Processes that share sites and folds. Results do not depend on it.
    overwrite : bool
        Redo stages whose settings or inputs have changed.
    report : callable
        Gets each line of progress and the closing tables.

    Raises
    ------
    SocnnError
        Of the room in which something went wrong.
    """
    require_at_least(1, workers=workers)
    output = Path(output)
    check_cases(config, output)
    make_directory(output)
    run = _Run(config, configuration, output, workers)
    run_stages(run.stages(), output, overwrite=overwrite, report=report)
    report("")
    report(format_comparison(open_file(output / "evaluation" / COMPARISON_FILE)))
    for case in config.case:
        readme = case_directory(output, case) / "README"
        report(f"\n{case.name}, for {case.version}; {readme} says what it delivers:")
        report(f"  {case_command(output, case)}")


class _Run:
    """One configuration and one output directory, and the stages between them."""

    def __init__(self, config: Config, configuration: str, output: Path, workers: int) -> None:
        self.config = config
        self.configuration = configuration
        self.output = output
        self.workers = workers

    def stages(self) -> list[Stage]:
        """All stages, each after those whose results it uses."""
        stages = self._stages()
        inputs = [path for stage in stages for path in stage.inputs]
        last = Stage(
            "reproduce",
            "files to reproduce the results",
            "reproduce",
            partial(self.reproduce, inputs=inputs),
            after=[stage.name for stage in stages],
        )
        return [*stages, last]

    def _stages(self) -> list[Stage]:
        config = self.config
        assimilation = config.assimilation.model_dump(exclude={"errors"})
        errors = config.assimilation.errors
        method = config.network.method
        network = {**network_settings(config, method).model_dump(), "method": method}
        folds = config.evaluation.model_dump(include={"by", "block_km"})
        if config.network.calibrate is not None:
            network |= {"calibrate": config.network.calibrate, **folds}
        seed = {"seed": config.seed}
        fits = seed | {"below_bedrock": config.network.below_bedrock}
        one_batch = {k: v for k, v in assimilation.items() if k.startswith("one_")} | fits
        history = find_history([*config.forcing.history, *config.forcing.pools])
        surface = [config.forcing.surface] if config.forcing.surface else []
        profiles = config.profiles.file or config.profiles.sites
        wanted = ["importance"] if config.evaluation.importance else []
        fitted = fitted_cases(config)
        scalars = ["case_scalars"] if fitted else []
        return [
            Stage(
                "forcing",
                "climatology of the CLM history",
                "forcing.nc",
                self.forcing,
                settings=config.forcing.model_dump(include={"first_year", "last_year"}),
                inputs=[*history, *surface],
            ),
            Stage(
                "sites",
                "sites from profiles, forcing and covariates",
                "sites.nc",
                self.sites,
                after=["forcing"],
                settings={
                    **config.profiles.model_dump(exclude={"file", "sites"}),
                    **config.covariates.model_dump(exclude={"file"}),
                },
                inputs=[p for p in (profiles, config.covariates.file, errors) if p is not None],
                leftovers=["sites_exclusions.csv"],
            ),
            Stage(
                "one_batch",
                "one-batch assimilation",
                "one_batch.nc",
                self.one_batch,
                after=["sites"],
                settings=one_batch,
            ),
            *([self._case_scalars_stage(fitted, one_batch)] if fitted else []),
            Stage(
                "site_by_site",
                "site-by-site assimilation",
                "posterior.nc",
                self.site_by_site,
                after=["sites"],
                settings={k: v for k, v in assimilation.items() if not k.startswith("one_")} | fits,
                resumes=True,
                leftovers=["posterior.nc.parts"],
            ),
            Stage(
                "network",
                "network from covariates to parameters",
                "network",
                self.network,
                after=["sites", "site_by_site"],
                settings=network | seed,
                resumes=True,
                leftovers=["network.parts"],
            ),
            Stage(
                "evaluation",
                "scores in and out of sample",
                "evaluation",
                self.evaluation,
                after=["sites", "one_batch", *scalars, "site_by_site", "network"],
                settings=config.evaluation.model_dump(exclude={"importance"}) | seed,
                resumes=True,
                leftovers=["evaluation.parts"],
            ),
            *([self._importance_stage()] if config.evaluation.importance else []),
            Stage(
                "maps",
                "parameter maps on the grid of the covariates",
                "maps.nc",
                self.maps,
                after=["network", "forcing"],
                inputs=[config.covariates.file],
                leftovers=["maps.png"],
            ),
            Stage(
                "soil_carbon",
                "soil carbon with these parameters",
                "soil_carbon",
                self.soil_carbon,
                after=["network", "forcing"],
                inputs=[config.covariates.file],
            ),
            Stage(
                "model_grid",
                f"parameter maps on {Path(config.grid.target).name}",
                "model_grid.nc",
                self.model_grid,
                after=["maps"],
                settings=config.grid.model_dump(exclude={"mask"}),
                inputs=grid_files(config),
            ),
            Stage(
                "usermods",
                "usermods directories",
                "usermods",
                self.usermods,
                after=["sites", "model_grid", "one_batch", *scalars],
                settings={
                    "case": [c.model_dump(mode="json", exclude={"paramfile"}) for c in config.case]
                },
                inputs=case_inputs(config),
            ),
            Stage(
                "report",
                "report",
                "report.html",
                self.report,
                after=["evaluation", *wanted, "maps", "soil_carbon", "model_grid", "usermods"],
            ),
        ]

    def _case_scalars_stage(self, cases: list[CaseConfig], settings: dict[str, Any]) -> Stage:
        versions = {case.name: case.version for case in cases}
        return Stage(
            "case_scalars",
            "one batch for each case that reads no maps, in its equations",
            "case_scalars",
            self.case_scalars,
            after=["sites"],
            settings={**settings, "versions": versions},
            inputs=[case.paramfile for case in cases],
        )

    def _importance_stage(self) -> Stage:
        config = self.config
        return Stage(
            "importance",
            "importance of covariates and parameters",
            "importance",
            self.importance,
            after=["sites", "site_by_site", "network"],
            settings={
                **config.evaluation.model_dump(include={"by", "block_km", "folds"}),
                "seed": config.seed,
            },
        )

    def forcing(self, path: Path) -> str:
        """History files to climatology."""
        forcing = self.config.forcing
        climatology = read_climatology(
            find_history(forcing.history),
            pools=find_history(forcing.pools),
            surface=forcing.surface,
            first_year=forcing.first_year,
            last_year=forcing.last_year,
            checkpoint=path.with_name(f"{path.name}.partial.npz"),
            progress=True,
        )
        self._write(climatology, path)
        cells = int(climatology["landmask"].sum())
        return f"{cells} land cells, {climatology.attrs['period']}"

    def sites(self, path: Path) -> str:
        """Profiles, climatology and covariates to sites."""
        profiles, covariates = self.config.profiles, self.config.covariates
        on_grid = covariate_grid(self.config)
        if profiles.sites is not None:
            sites, exclusions = screen_sites(open_sites(profiles.sites))
        elif profiles.file is not None:
            sites, exclusions = build_sites(
                open_file(self.output / "forcing.nc"),
                read_profiles(
                    profiles.file, profiles.format, profiles.columns, profiles.bulk_density_from
                ),
                on_grid,
                max_distance_km=profiles.max_distance_km,
                missing_covariates=covariates.missing,
                categorical=covariates.categorical,
            )
        sites = with_configured_errors(self.config, sites)
        sites.attrs |= self._provenance()
        write_sites(sites, exclusions, path, overwrite=True)
        counts = exclusions["reason"].value_counts()
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"
        return f"{sites.sizes['site']} sites; left out: {reasons}"

    def one_batch(self, path: Path) -> str:
        """One parameter vector for all sites."""
        settings = self.config.assimilation
        fitted = one_batch(
            self._sites(),
            cost=settings.one_batch_cost,
            starts=settings.one_batch_starts,
            seed=self.config.seed,
            below_bedrock=self.config.network.below_bedrock,
            prior=one_batch_prior(self.config),
            progress=True,
        )
        self._write(fitted, path)
        return (
            f"cost {float(fitted['start_cost'][0]):.4g}, best of {settings.one_batch_starts} starts"
        )

    def case_scalars(self, path: Path) -> str:
        """One parameter vector for each case that reads no maps."""
        return fit_cases(self.config, self._sites(), path, self._provenance())

    def site_by_site(self, path: Path) -> str:
        """One posterior a site."""
        posterior = site_by_site(
            open_sites(self.output / "sites.nc", load=False),
            assimilation_settings(self.config),
            output=path,
            workers=self.workers,
            overwrite=True,
        )
        converged = int((posterior["converged"] == 1).sum())
        return f"{converged} of {posterior.sizes['site']} sites converged"

    def network(self, path: Path) -> str:
        """Train on all sites; learn intervals from folds if asked for."""
        sites, posterior = self._sites(), open_file(self.output / "posterior.nc")
        method, folds = self.config.network.method, self.config.network.calibrate
        settings = network_settings(self.config, method)
        parts = path.with_name("network.parts")
        model = train(sites, method, settings, self.config.seed, posterior=posterior, work=parts)
        if folds is not None:
            chosen = configured_folds(self.config, sites, folds)
            model = calibrate(
                model, sites, chosen.fold, posterior=posterior, work=parts, workers=self.workers
            )
        save_model(model, path, overwrite=True)
        shutil.rmtree(parts)
        intervals = f", intervals from {chosen.description}" if folds is not None else ""
        return f"{method}, {len(model.members)} members{intervals}"

    def evaluation(self, path: Path) -> str:
        """Scores and figures."""
        return judge_methods(
            self.config, self.output, path, self._provenance(), workers=self.workers
        )

    def importance(self, path: Path) -> str:
        """Which covariates and parameters the skill at unseen sites hangs on."""
        return judge_inputs(
            self.config, self.output, path, self._provenance(), workers=self.workers
        )

    def maps(self, path: Path) -> str:
        """Parameters of every cell of the covariate grid."""
        covariates = covariate_grid(self.config)
        forcing = open_file(self.output / "forcing.nc")
        maps = predict_maps(load_model(self.output / "network"), covariates, forcing=forcing)
        self._write(maps, path)
        draw_parameter_maps(maps, path.with_name("maps.png"), overwrite=True)
        known = np.isfinite(maps["q10"].values)
        outside = int(maps["extrapolated"].values[known].sum())
        return f"{int(known.sum())} cells, {outside} of them extrapolated"

    def soil_carbon(self, path: Path) -> str:
        """Carbon that the predicted parameters make, on the grid of the covariates."""
        summary = write_predicted_carbon(
            load_model(self.output / "network"),
            covariate_grid(self.config),
            open_file(self.output / "forcing.nc"),
            path,
            self._provenance(),
        )
        totals = [f"{values[0]:.4g} PgC in {name}" for name, values in summary.totals.items()]
        return "; ".join([f"{summary.cells_with_carbon} cells", *totals, *summary.warnings()])

    def model_grid(self, path: Path) -> str:
        """Bring the maps to the grid of the CTSM case, without gaps."""
        grid = self.config.grid
        maps = regrid_maps(
            open_file(self.output / "maps.nc"),
            read_grid(grid.target, grid.mask),
            method=Method(grid.method),
            min_fraction=grid.min_fraction,
        )
        self._write(maps, path)
        filled = int((maps["filled"].values > 0).sum())
        return f"{int((maps['landmask'].values > 0).sum())} cells, {filled} of them filled"

    def usermods(self, path: Path) -> str:
        """One usermods directory a case."""
        path.mkdir()
        written = [write_case(self.config, c, self.output, path / c.name) for c in self.config.case]
        return "; ".join(case.in_short() for case in written) or "no case in the configuration"

    def report(self, path: Path) -> str:
        """One page about all of it."""
        report_run(self.output, path, overwrite=True)
        return str(path)

    def reproduce(self, path: Path, inputs: Sequence[Path]) -> str:
        """Write configuration, versions and checksums."""
        given = self.config.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        write_reproduction(path, self.output, given, inputs)
        return f"{path / 'README'} says how"

    def _sites(self) -> xr.Dataset:
        return open_sites(self.output / "sites.nc")

    def _provenance(self) -> dict[str, str]:
        return provenance_attributes(seed=self.config.seed, configuration=self.configuration)

    def _write(self, dataset: xr.Dataset, path: Path) -> None:
        write_dataset(dataset.assign_attrs(self._provenance()), path, overwrite=True)
