"""From covariates to the inputs of an encoder: scaled numbers and class indices.

Everything here is fitted to training sites only and stored with the model. Missing numbers take the
training median; missing, rare and unknown classes take class 0. Infinity counts as missing, like
NaN. A site or cell that lacks more than half of its covariates, or of all inputs, is not usable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.forcing_summary import FORCING_SUMMARIES, forcing_summaries
from ctsm_socnn.network.settings import InputSettings
from ctsm_socnn.schemas import covariate_names, matches_covariate

__all__ = [
    "CategoricalInput",
    "InputTransform",
    "Inputs",
    "NumericInput",
    "finite_or_missing",
    "require_numbers",
]

_LOCATION = ("lon", "lat")
_FORCING_PREFIX = "forcing_"
_ROUNDING: Final = 1e-6
"""Relative difference below which values count as constant: the rounding of single precision."""


@dataclass(frozen=True)
class NumericInput:
    """A numeric input and its scaling: (value - centre) / scale.

    `low` and `high` are the range over the training sites, `fill` their median.
    """

    name: str
    units: str
    centre: float
    scale: float
    low: float
    high: float
    fill: float


@dataclass(frozen=True)
class CategoricalInput:
    """A covariate of classes; class `classes[i]` has index i + 1, all others index 0."""

    name: str
    classes: tuple[int, ...]

    def indices(self, code: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of each class number; 0 for NaN and for classes without one of their own."""
        if not self.classes:
            return np.zeros(len(code), dtype=np.int64)
        known = np.asarray(self.classes)
        rounded = np.where(np.isfinite(code), np.rint(code), known[0] - 1).astype(np.int64)
        position = np.clip(np.searchsorted(known, rounded), 0, len(known) - 1)
        return np.where(known[position] == rounded, position + 1, 0)


@dataclass(frozen=True)
class Inputs:
    """Inputs of an encoder for n sites or cells.

    Attributes
    ----------
    numeric : ndarray, shape (n, numeric inputs), scaled
    classes : ndarray of int, shape (n, categorical inputs), class indices
    usable : ndarray of bool, shape (n,)
        False where more than half of the covariates, or of all inputs, are missing.
    """

    numeric: NDArray[np.float64]
    classes: NDArray[np.int64]
    usable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.usable)

    def take(self, rows: NDArray[np.intp]) -> Inputs:
        """Return the inputs of some rows."""
        return Inputs(self.numeric[rows], self.classes[rows], self.usable[rows])


@dataclass(frozen=True)
class InputTransform:
    """The fitted preparation of inputs."""

    numeric: tuple[NumericInput, ...]
    categorical: tuple[CategoricalInput, ...]

    @classmethod
    def fit(cls, sites: xr.Dataset, settings: InputSettings) -> InputTransform:
        """Fit scaling and classes to training sites.

        Parameters
        ----------
        sites : xarray.Dataset
            The training sites and no others.
        settings : InputSettings

        Raises
        ------
        NetworkError
            If a named covariate is missing or nothing is left to learn from.
        """
        names = list(settings.covariates) or covariate_names(sites)
        _require(sites, names)
        classes = [name for name in names if _is_class(sites[name], settings.categorical)]
        numbers = [name for name in names if name not in classes]
        if settings.forcing_summaries:
            numbers += [_FORCING_PREFIX + name for name in FORCING_SUMMARIES]
        if settings.location:
            numbers += _LOCATION
        raw = _raw_numeric(sites, numbers)
        scaled = [
            _fit_numeric(name, _units(sites, name), raw[:, i], settings.scaling)
            for i, name in enumerate(numbers)
        ]
        transform = cls(
            numeric=tuple(item for item in scaled if item is not None),
            categorical=tuple(
                _fit_classes(name, sites[name].values, settings.rare_class) for name in classes
            ),
        )
        if not transform.numeric and not transform.categorical:
            raise NetworkError(
                "no covariate varies over the training sites, so there is nothing to learn from"
            )
        return transform

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of the variables that a dataset must contain."""
        numbers = tuple(item.name for item in self.ranged)
        return (*numbers, *(item.name for item in self.categorical))

    @property
    def ranged(self) -> tuple[NumericInput, ...]:
        """Numeric inputs provided by the user, which may be in another unit."""
        return tuple(item for item in self.numeric if not item.name.startswith(_FORCING_PREFIX))

    @property
    def needs_forcing(self) -> bool:
        """Whether the forcing of a site or cell is an input too."""
        return any(item.name.startswith(_FORCING_PREFIX) for item in self.numeric)

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Number of classes of each categorical input, class 0 included."""
        return tuple(len(item.classes) + 1 for item in self.categorical)

    def __call__(self, sites: xr.Dataset) -> Inputs:
        """Prepare the inputs of any sites.

        Raises
        ------
        NetworkError
            Naming the covariates that are missing.
        """
        _require(sites, self.covariates)
        raw = _raw_numeric(sites, [item.name for item in self.numeric])
        scaling = [(item.fill, item.centre, item.scale) for item in self.numeric]
        fill, centre, scale = np.reshape(scaling, (-1, 3)).T
        numeric = (np.where(np.isnan(raw), fill, raw) - centre) / scale
        codes = np.empty((len(raw), len(self.categorical)))
        classes = np.empty(codes.shape, dtype=np.int64)
        for i, category in enumerate(self.categorical):
            codes[:, i] = sites[category.name].values
            classes[:, i] = category.indices(codes[:, i])
        return Inputs(numeric, classes, self._usable(np.isnan(raw), ~np.isfinite(codes)))

    def _usable(
        self, no_number: NDArray[np.bool_], no_class: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which places have half of the covariates and half of all inputs.

        Forcing alone is not enough: it extends over the sea.

        Parameters
        ----------
        no_number : ndarray of bool, shape (n, numeric inputs)
        no_class : ndarray of bool, shape (n, categorical inputs)
        """
        of_forcing = np.array(
            [x.name.startswith(_FORCING_PREFIX) for x in self.numeric], dtype=bool
        )
        covariates = no_number[:, ~of_forcing].sum(axis=1) + no_class.sum(axis=1)
        every = covariates + no_number[:, of_forcing].sum(axis=1)
        return np.asarray(
            (2 * covariates <= len(self.covariates))
            & (2 * every <= len(self.numeric) + len(self.categorical))
        )

    def to_json(self) -> dict[str, Any]:
        """Return the transform as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> InputTransform:
        """Build the transform that `to_json` described."""
        return cls(
            numeric=tuple(NumericInput(**item) for item in values["numeric"]),
            categorical=tuple(
                CategoricalInput(item["name"], tuple(item["classes"]))
                for item in values["categorical"]
            ),
        )


def _is_class(covariate: xr.DataArray, patterns: Sequence[str]) -> bool:
    """Whether name or attribute `categorical` make it a class; never if there is no pattern."""
    declared = bool(covariate.attrs.get("categorical")) and len(patterns) > 0
    return declared or matches_covariate(str(covariate.name), patterns)


def _require(sites: xr.Dataset, names: Sequence[str]) -> None:
    missing = [name for name in names if name not in sites.variables]
    if missing:
        raise NetworkError(
            f"the dataset lacks {len(missing)} of the model's inputs: {', '.join(missing)}"
        )
    require_numbers(sites, names)


def require_numbers(dataset: xr.Dataset, names: Sequence[str]) -> None:
    """Refuse covariates that hold text or dates.

    Raises
    ------
    NetworkError
    """
    other = [name for name in names if dataset[name].dtype.kind not in "biuf"]
    if other:
        raise NetworkError(
            f"{', '.join(other)}: text or dates instead of numbers; number the classes of a "
            "covariate, or leave it out"
        )


def _units(sites: xr.Dataset, name: str) -> str:
    return str(sites[name].attrs.get("units", "not stated")) if name in sites else "not stated"


def _raw_numeric(sites: xr.Dataset, names: Sequence[str]) -> NDArray[np.float64]:
    summaries = {}
    if any(name.startswith(_FORCING_PREFIX) for name in names):
        values = forcing_summaries(sites)
        summaries = {
            _FORCING_PREFIX + name: values[:, i] for i, name in enumerate(FORCING_SUMMARIES)
        }
    columns = [
        summaries[name] if name in summaries else sites[name].values.astype(np.float64)
        for name in names
    ]
    n = sites.sizes["site"]
    return finite_or_missing(np.stack(columns, axis=1)) if columns else np.empty((n, 0))


def finite_or_missing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace infinity, which is no measurement, by NaN."""
    return np.where(np.isfinite(values), values, np.nan)


def _fit_numeric(
    name: str, units: str, values: NDArray[np.float64], scaling: str
) -> NumericInput | None:
    """Fit one scaling; None for an input that is constant or missing everywhere."""
    known = values[np.isfinite(values)]
    if known.size == 0 or np.ptp(known) <= _ROUNDING * np.abs(known).max():
        return None
    low, high = float(known.min()), float(known.max())
    if scaling == "minmax":
        centre, scale = low, high - low
    else:
        centre, scale = float(known.mean()), float(known.std())
    return NumericInput(name, units, centre, scale, low, high, float(np.median(known)))


def _fit_classes(name: str, values: NDArray[Any], rare_class: int) -> CategoricalInput:
    known = values[np.isfinite(values.astype(np.float64))]
    classes, counts = np.unique(np.rint(known).astype(np.int64), return_counts=True)
    return CategoricalInput(name, tuple(int(c) for c in classes[counts >= rare_class]))
