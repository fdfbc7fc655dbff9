"""Permutation importance of covariates and parameters.

Covariates that carry nearly the same information are shuffled together, because the others would
make up for one that is shuffled alone. Only inputs of the network are shuffled: the kernel keeps
each site's own forcing. Parameters are shuffled one by one: the loss of skill shows which of them
have to vary from site to site.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import Columns, soil_carbon
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.model import Model
from ctsm_socnn.network.scoring import score_observations
from ctsm_socnn.parameters import PARAMETER_NAMES
from ctsm_socnn.schemas import COVARIATE_PREFIX, N_LAYERS, matches_covariate, without_forcing

__all__ = ["IMPORTANCE_SCORES", "covariate_groups", "permutation_importance"]

IMPORTANCE_SCORES: Final = ("nse", "log_nse", "stock_nse")
_FORCING_GROUP: Final = "forcing summaries"
_LOCATION_GROUP: Final = "location"
_DEPTH_SUFFIX: Final = re.compile(r"_\d+cm$")
_NUMBER_SUFFIX: Final = re.compile(r"_?\d+$")

Groups = Mapping[str, Sequence[str]]


def covariate_groups(model: Model, given: Groups | None = None) -> dict[str, tuple[str, ...]]:
    """Group the inputs of a model.

    Parameters
    ----------
    model : Model
    given : mapping of str to sequence of str, optional
        Group -> shell patterns of covariates, with or without the prefix `cov_`. By default
        covariates that differ by depth or by a number at the end, such as `Clay_0cm` and
        `Clay_30cm`, or `BIO1` and `BIO12`, form one group. That also holds for inputs in none of
        the given groups.

    Returns
    -------
    dict of str to tuple of str
        Group -> names of inputs; each input is in exactly one group.

    Raises
    ------
    NetworkError
        If a pattern matches no input of the model.
    """
    transform = model.transform
    names = [item.name for item in transform.numeric]
    names += [item.name for item in transform.categorical]
    chosen: dict[str, str] = {}
    for group, patterns in (given or {}).items():
        for pattern in patterns:
            matching = [name for name in names if matches_covariate(name, [pattern])]
            if not matching:
                raise NetworkError(
                    f"group {group}: no input of the model matches {pattern!r}; it has "
                    f"{', '.join(names)}"
                )
            chosen |= {name: group for name in matching if name not in chosen}
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(chosen.get(name) or _usual_group(model, name), []).append(name)
    return {group: tuple(members) for group, members in groups.items()}


def permutation_importance(
    models: Iterable[tuple[NDArray[np.intp], Model]],
    sites: xr.Dataset,
    groups: Mapping[str, Sequence[str]],
    seed: int,
    *,
    repeats: int = 5,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Score models at their sites, unchanged and with each group or parameter shuffled.

    Parameters
    ----------
    models : iterable of (ndarray of int, Model)
        The sites at which a model is scored, and the model, as from `fold_models`.
    sites : xarray.Dataset
        In the sites schema.
    groups : mapping of str to sequence of str
        Of `covariate_groups`.
    seed : int
    repeats : int
        Shuffles of each group and of each parameter.
    progress : callable, optional
        Called with the number of models done.

    Returns
    -------
    xarray.Dataset
        `base` (score): scores without shuffling; `loss` (group, score, repeat) and
        `parameter_loss` (parameter, score, repeat): decrease by shuffling; `inputs` (group): names
        of the inputs.

    Raises
    ------
    NetworkError
        If nothing can be scored.
    """
    names = list(groups)
    variants = 1 + (len(names) + len(PARAMETER_NAMES)) * repeats
    soc = np.full((variants, sites.sizes["site"], N_LAYERS), np.nan)
    generators = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    for done, (tested, model) in enumerate(models, start=1):
        answer = _Answer.prepare(model, sites.isel(site=tested))
        at = tested[answer.rows]
        for variant, parameters in enumerate(answer.variants(groups, repeats, generators)):
            soc[variant, at] = soil_carbon(answer.columns, parameters)
        if progress is not None:
            progress(done)
    below_bedrock = model.settings.below_bedrock
    known = np.flatnonzero(np.isfinite(soc).all(axis=(0, 2)))
    operator = ObservationOperator.from_sites(sites.isel(site=known), below_bedrock)
    found = np.array([_scores(operator, one[known]) for one in soc])
    loss = (found[0] - found[1:]).reshape(-1, repeats, len(IMPORTANCE_SCORES)).transpose(0, 2, 1)
    return xr.Dataset(
        {
            "base": ("score", found[0]),
            "loss": (("group", "score", "repeat"), loss[: len(names)]),
            "parameter_loss": (("parameter", "score", "repeat"), loss[len(names) :]),
            "inputs": ("group", [", ".join(groups[name]) for name in names]),
        },
        coords={
            "group": names,
            "parameter": list(PARAMETER_NAMES),
            "score": list(IMPORTANCE_SCORES),
        },
        attrs={"seed": str(seed), "n_sites": known.size, "n_layers": operator.values.size},
    )


@dataclass(frozen=True)
class _Answer:
    """A model at the sites where it can be applied."""

    model: Model
    rows: NDArray[np.intp]
    sites: xr.Dataset
    inputs: Inputs
    columns: Columns

    @classmethod
    def prepare(cls, model: Model, sites: xr.Dataset) -> _Answer:
        inputs = model.transform(sites)
        rows = np.flatnonzero(inputs.usable & ~without_forcing(sites))
        here = sites.isel(site=rows)
        return cls(model, rows, here, inputs.take(rows), Columns.from_sites(here))

    def parameters(self, inputs: Inputs) -> NDArray[np.float64]:
        """Parameters, shape (row, 21), in the registry's units."""
        return self.model.predict(inputs, self.sites).centre

    def variants(
        self,
        groups: Mapping[str, Sequence[str]],
        repeats: int,
        generators: tuple[np.random.Generator, np.random.Generator],
    ) -> Iterator[NDArray[np.float64]]:
        """Parameters unchanged, with each group of inputs, and with each parameter shuffled."""
        of_inputs, of_parameters = generators
        parameters = self.parameters(self.inputs)
        yield parameters
        for members in groups.values():
            columns = _columns(self.model, members)
            for _ in range(repeats):
                yield self.parameters(_shuffled(self.inputs, columns, of_inputs))
        for column in range(len(PARAMETER_NAMES)):
            for _ in range(repeats):
                yield _with_shuffled_column(parameters, column, of_parameters)


def _scores(operator: ObservationOperator, soc: NDArray[np.float64]) -> list[float]:
    found = score_observations(operator, operator.apply(soc))
    return [float(found[name]) for name in IMPORTANCE_SCORES]


def _columns(model: Model, names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Columns of the numeric and class inputs of a group; a fold's model may lack some."""
    numeric = [i for i, item in enumerate(model.transform.numeric) if item.name in names]
    classes = [i for i, item in enumerate(model.transform.categorical) if item.name in names]
    return numeric, classes


def _shuffled(
    inputs: Inputs, columns: tuple[list[int], list[int]], generator: np.random.Generator
) -> Inputs:
    """Give all columns of a group the values of one other site."""
    order = generator.permutation(len(inputs))
    numeric, classes = inputs.numeric.copy(), inputs.classes.copy()
    numeric[:, columns[0]] = inputs.numeric[order][:, columns[0]]
    classes[:, columns[1]] = inputs.classes[order][:, columns[1]]
    return Inputs(numeric, classes, inputs.usable)


def _with_shuffled_column(
    parameters: NDArray[np.float64], column: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Give each site the value that another site has of one parameter."""
    changed = parameters.copy()
    changed[:, column] = generator.permutation(parameters[:, column])
    return changed


def _usual_group(model: Model, name: str) -> str:
    if name in model.transform.covariates:
        if not name.startswith(COVARIATE_PREFIX):
            return _LOCATION_GROUP
        stem = _DEPTH_SUFFIX.sub("", name.removeprefix(COVARIATE_PREFIX))
        return _NUMBER_SUFFIX.sub("", stem) or stem
    return _FORCING_GROUP
