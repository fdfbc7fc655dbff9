"""The configuration of `ctsm-socnn build-params`: a TOML file, checked before any work is done.

Relative paths are resolved against the directory of the file, or against the directory that the
command line gives with `--data`. Unknown keys are refused: a misspelt key must not be ignored.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ctsm_socnn.assimilation import ONE_BATCH_COSTS, PRIOR_WIDTH, Settings, make_prior
from ctsm_socnn.errors import ConfigError
from ctsm_socnn.network.folds import FoldKind
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.observations.covariates import MissingRule

__all__ = [
    "AssimilationConfig",
    "CaseConfig",
    "Config",
    "CovariatesConfig",
    "EvaluationConfig",
    "ForcingConfig",
    "GridConfig",
    "NetworkConfig",
    "OtherMethod",
    "ProfilesConfig",
    "load_config",
    "parse_config",
]

OtherMethod = Literal[
    "hierarchical",
    "two-step",
    "end-to-end",
    "depth only",
    "depth only, log",
    "nearest profiles",
    "random forest, log",
    "gradient boosting",
    "gradient boosting, log",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ForcingConfig(_Section):
    """CLM history files that drive the kernel."""

    history: list[Path] = Field(description="monthly history files; names may contain * and ?")
    pools: list[Path] = Field(
        default_factory=list,
        description="history files with instantaneous litter pools at the ends of months",
    )
    surface: Path | None = Field(None, description="surface dataset, for sand and bedrock")
    first_year: int | None = Field(None, description="first year of the climatology")
    last_year: int | None = Field(None, description="last year of the climatology")


class ProfilesConfig(_Section):
    """Soil profiles: a table of measured layers, or an existing sites file."""

    file: Path | None = Field(None, description="profile table, or directory of a database")
    format: str = Field("generic", description="format of the profile table (see Profiles)")
    columns: dict[str, str] = Field(
        default_factory=dict, description="quantity -> 'column [unit]', for a generic table"
    )
    bulk_density_from: str | None = Field(
        None, description="pedotransfer function for missing bulk density; by default none"
    )
    sites: Path | None = Field(None, description="sites file: forcing and observations at sites")
    max_distance_km: float = Field(
        100.0,
        gt=0,
        description="largest distance of a profile from the land cell that gives its forcing",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.sites is None):
            raise ValueError("give either `file` (a profile table) or `sites` (a sites file)")
        return self


class CovariatesConfig(_Section):
    """Fields on a grid from which the network predicts parameters."""

    file: Path = Field(description="netCDF file of covariates on a latitude-longitude grid")
    names: list[str] | None = Field(None, description="covariates to use; by default all")
    categorical: list[str] = Field(
        default_factory=list, description="covariates whose values are classes"
    )
    missing: MissingRule = Field("drop", description="what to do where a site lacks a covariate")


class AssimilationConfig(_Section):
    """Site-by-site and one-batch assimilation."""

    one_batch_cost: str = Field("mixed", description="cost of the one-batch fit")
    one_batch_starts: int = Field(8, ge=1, description="starts of the one-batch fit")
    one_batch_prior: str = Field("uniform", description="prior of the one-batch fit")
    one_batch_prior_width: float = Field(PRIOR_WIDTH, gt=0, description="as `prior_width`")
    one_batch_prior_of: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="as `prior_of`"
    )
    errors: Path | None = Field(
        None, description="TOML file with the errors of the profiles by `source`"
    )
    sampler: str = Field("hamiltonian", description="site-by-site sampler")
    likelihood: str = Field("student-t", description="likelihood of the site-by-site sampler")
    prior: str = Field("uniform", description="prior of the site-by-site sampler")
    prior_width: float = Field(
        PRIOR_WIDTH, gt=0, description="width of the normal prior, as a fraction of the range"
    )
    prior_of: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="parameter -> centre and standard deviation of its normal prior, in its units",
    )
    chains: int | None = Field(None, ge=2, description="chains per site; by default the sampler's")
    warmup: int | None = Field(
        None,
        ge=100,
        description="warm-up iterations per chain, discarded; by default the sampler's",
    )
    draws: int | None = Field(
        None, ge=100, description="iterations kept per chain; by default the sampler's"
    )
    largest_rhat: float = Field(1.05, gt=1, description="largest R-hat of a converged site")
    smallest_ess: float = Field(
        100.0, ge=0, description="smallest effective sample size of a converged site"
    )
    random_draws: int = Field(50, ge=1, description="draws per site in random sampling")

    @model_validator(mode="after")
    def _known_methods(self) -> Self:
        if self.one_batch_cost not in ONE_BATCH_COSTS:
            raise ValueError(
                f"unknown one_batch_cost {self.one_batch_cost!r}; "
                f"choose from {', '.join(ONE_BATCH_COSTS)}"
            )
        make_prior(self.one_batch_prior, self.one_batch_prior_width, self.one_batch_prior_of)
        prior = make_prior(self.prior, self.prior_width, self.prior_of)
        Settings(sampler=self.sampler, likelihood=self.likelihood, prior=prior)
        return self


class NetworkConfig(NetworkSettings):
    """The network from covariates to parameters."""

    method: Literal["two-step", "end-to-end"] = Field(
        "end-to-end",
        description="learn through the kernel, or as published, in two steps, from site posteriors",
    )
    calibrate: int | None = Field(
        None,
        ge=2,
        description="number of folds from which intervals of soil carbon are learnt; by default no intervals",
    )


class EvaluationConfig(_Section):
    """Scores out of sample."""

    folds: int = Field(5, ge=2, description="number of folds")
    by: FoldKind = Field(
        "location", description="unit that is held out as a whole: location, block or region"
    )
    block_km: float | None = Field(
        None, gt=0, description="side of a block; by default the range of the residuals' variogram"
    )
    also: list[OtherMethod] = Field(
        default_factory=list, description="methods to compare in addition to the default ones"
    )
    importance: bool = Field(
        False, description="also compute the permutation importance of covariates and parameters"
    )
    classes: str = Field(
        "", description="variable of the sites file with the classes of `hierarchical`"
    )

    @model_validator(mode="after")
    def _classes_are_named(self) -> Self:
        if "hierarchical" in self.also and not self.classes:
            raise ValueError("hierarchical needs `classes`, a variable of the sites file")
        return self


class GridConfig(_Section):
    """The grid of the CTSM case."""

    target: str = Field("f09", description="f09, f19, f45, f05, or a grid, mesh or surface file")
    mask: Path | None = Field(
        None, description="file with the land mask of the same cells; by default the target"
    )
    method: Literal["conservative", "bilinear", "nearest"] = "conservative"
    min_fraction: float = Field(
        0.01, ge=0, le=1, description="minimum fraction of a cell that must be covered by data"
    )


class CaseConfig(_Section):
    """One CTSM case, for which a usermods directory is made."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the directory")
    version: str = Field(description="CTSM version, for example release-clm5.0 or ctsm5.4")
    paramfile: Path = Field(description="parameter file to start from; only values are changed")
    checkout: Path | None = Field(
        None, description="CTSM checkout from which SourceMods that read the maps are made"
    )
    scalars: Literal["one-batch", "map-median"] = Field(
        "one-batch",
        description="values of parameters that the model reads as scalars: the one-batch fit (in the case's "
        "own equations if it has no checkout), or the medians of the maps",
    )


class Config(_Section):
    """The whole configuration."""

    seed: int = Field(20200603, ge=0, description="seed of all random numbers")
    forcing: ForcingConfig
    profiles: ProfilesConfig
    covariates: CovariatesConfig
    assimilation: AssimilationConfig = AssimilationConfig()
    network: NetworkConfig = NetworkConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    grid: GridConfig = GridConfig()
    case: list[CaseConfig] = Field(default_factory=list)

    @model_validator(mode="after")
    def _distinct_cases(self) -> Self:
        names = [case.name for case in self.case]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"case names must differ; {', '.join(twice)} appears twice")
        return self


def load_config(
    path: str | Path, *, data: str | Path | None = None, overrides: Sequence[str] = ()
) -> tuple[Config, str]:
    """Read and check a configuration file.

    Parameters
    ----------
    path : str or Path
    data : str or Path, optional
        Directory against which relative paths are resolved; by default that of `path`.
    overrides : sequence of str
        `section.key=value` with a TOML value, applied on top of the file.

    Returns
    -------
    Config
        With absolute paths.
    str
        The configuration as text, for provenance.

    Raises
    ------
    ConfigError
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for override in overrides:
        _apply_override(table, override)
    config = parse_config(table, where=str(path), directory=Path(data or path.parent))
    notes = "".join(f"\n# --set {override}" for override in overrides)
    return config, text.rstrip("\n") + notes + "\n"


def parse_config(table: Mapping[str, Any], *, where: str, directory: Path) -> Config:
    """Check a configuration and make its paths absolute.

    Raises
    ------
    ConfigError
        Naming each wrong key and the closest known one.
    """
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        problems = "; ".join(_problem(dict(item)) for item in error.errors())
        raise ConfigError(f"{where}: {problems}") from error
    return _with_absolute_paths(config, Path(directory).resolve())


def _problem(item: dict[str, Any]) -> str:
    keys = [str(part) for part in item["loc"]]
    place = ".".join(keys) or "configuration"
    if item["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        near = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"unknown key {place} ({hint})"
    if item["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {str(item['msg']).removeprefix('Value error, ')}"


def _known_keys(path: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Config
    for key in path:
        if key.isdigit():
            continue
        annotation: Any = model.model_fields[key].annotation
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return sorted(model.model_fields)


def _apply_override(table: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    *sections, last = key.strip().split(".")
    if not separator or not last:
        raise ConfigError(f"--set {override}: must read section.key=value")
    node: Any = table
    for section in sections:
        node = node.setdefault(section, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict):
        raise ConfigError(f"--set {override}: {key} is not a key of a section")
    node[last] = _toml_value(value.strip())


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _with_absolute_paths(config: Config, directory: Path) -> Config:
    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return value if value.is_absolute() else directory / value
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            moved = {name: absolute(field) for name, field in fields.items()}
            # Only what changes: a copied field would count as given by the user.
            return value.model_copy(update={n: m for n, m in moved.items() if m != fields[n]})
        if isinstance(value, list):
            return [absolute(item) for item in value]
        return value

    resolved: Config = absolute(config)
    target = Path(resolved.grid.target)
    if target.suffix and not target.is_absolute():
        grid = resolved.grid.model_copy(update={"target": str(directory / target)})
        resolved = resolved.model_copy(update={"grid": grid})
    return resolved
