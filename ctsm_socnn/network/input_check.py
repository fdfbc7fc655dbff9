"""Whether the covariates of other sites or cells resemble those a model was trained on."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
import xarray as xr

from ctsm_socnn.network.inputs import InputTransform, NumericInput

__all__ = ["InputCheck"]

_ENOUGH_TO_VARY: Final = 10
"""Number of places; fewer may share a value by chance."""

_LISTED: Final = 5
"""Number of covariates that a warning names."""


class InputCheck:
    """Counts over sites or cells, added block by block.

    Parameters
    ----------
    transform : InputTransform
        Of the model to be applied.

    Attributes
    ----------
    places : int
        Sites or cells that hold any covariate.
    missing : Counter
        Places without a value, by covariate; the model uses the training median or class 0 there.
    unseen_classes : Counter
        Places whose class was unknown in training, by covariate; the model uses class 0 there.
    """

    def __init__(self, transform: InputTransform) -> None:
        self._transform = transform
        self.places = 0
        self.missing: Counter[str] = Counter()
        self.unseen_classes: Counter[str] = Counter()
        self._below: Counter[str] = Counter()
        self._above: Counter[str] = Counter()
        self._seen: dict[str, tuple[float, float]] = {}

    def add(self, places: xr.Dataset) -> InputCheck:
        """Count more sites or cells; those without any covariate, such as sea, are skipped."""
        names = self._transform.covariates
        if not names:
            return self
        values = np.stack([places[name].values.astype(np.float64) for name in names])
        values = values[:, np.isfinite(values).any(axis=0)]
        self.places += values.shape[1]
        for name, row in zip(names, values, strict=True):
            self.missing[name] += int((~np.isfinite(row)).sum())
        by_name = dict(zip(names, values, strict=True))
        for item in self._transform.ranged:
            known = by_name[item.name][np.isfinite(by_name[item.name])]
            span = item.high - item.low
            self._below[item.name] += int((known < item.low - span).sum())
            self._above[item.name] += int((known > item.high + span).sum())
            if known.size:
                low, high = self._seen.get(item.name, (np.inf, -np.inf))
                self._seen[item.name] = min(low, known.min()), max(high, known.max())
        for category in self._transform.categorical:
            code = by_name[category.name]
            unseen = np.isfinite(code) & (category.indices(code) == 0)
            self.unseen_classes[category.name] += int(unseen.sum())
        return self

    def warnings(self) -> list[str]:
        """Describe what looks wrong with the covariates, and what is filled in."""
        lines = [line for item in self._transform.ranged for line in self._of_number(item)]
        for counts, meaning in (
            (
                self.missing,
                "are missing; where at least half of the inputs are known, the training median or the "
                "class of rare ones stands in",
            ),
            (self.unseen_classes, "have classes never or rarely seen in training"),
        ):
            if counts.total():
                lines.append(
                    f"covariates {meaning}, by places of {self.places}: {_most_common(counts)}"
                )
        return lines

    def as_json(self) -> dict[str, Any]:
        """Return `warnings`, and non-zero counts by covariate."""
        return {
            "warnings": self.warnings(),
            "unseen_classes": {name: n for name, n in self.unseen_classes.items() if n},
            "missing_covariates": {name: n for name, n in self.missing.items() if n},
        }

    def _of_number(self, item: NumericInput) -> list[str]:
        if item.name not in self._seen:
            return []
        known = self.places - self.missing[item.name]
        low, high = self._seen[item.name]
        lines = []
        # More than half lie this far out, so the median does.
        if 2 * max(self._below[item.name], self._above[item.name]) > known:
            lines.append(
                f"{item.name} lies between {low:.6g} and {high:.6g}, mostly far outside the "
                f"training range {item.low:.6g} to {item.high:.6g}; is it in the same unit "
                f"({item.units})?"
            )
        if low == high and known >= _ENOUGH_TO_VARY:
            lines.append(f"{item.name} is {low:.6g} at all {known} places, but varied in training")
        return lines


def _most_common(counts: Counter[str]) -> str:
    positive = Counter({name: count for name, count in counts.items() if count})
    listed = ", ".join(f"{name} {count}" for name, count in positive.most_common(_LISTED))
    more = len(positive) - _LISTED
    return f"{listed} and {more} more covariates" if more > 0 else listed
