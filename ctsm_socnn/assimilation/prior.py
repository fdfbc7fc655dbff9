r"""Priors of the parameters, within their published bounds.

With :math:`u_j \in (0, 1)` the place of a parameter between its bounds:

``uniform``
    Constant: what the published assimilation assumes.
``normal``
    :math:`-\ln p(u) = \sum_j (u_j - c_j)^2 / (2 s_j^2)`, cut off at the bounds. The centre
    :math:`c_j` is CLM5's value (moved to the nearer bound where it lies outside), the width
    :math:`s_j` a fraction of the range; both can be given for each parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ctsm_socnn.errors import ConfigError
from ctsm_socnn.parameters import (
    PARAMETER_NAMES,
    clm5_defaults,
    lower_bounds,
    parameter,
    to_unit,
    upper_bounds,
)

__all__ = ["PRIORS", "PRIOR_WIDTH", "UNIFORM_PRIOR", "Prior", "make_prior"]

PRIORS: Final = ("uniform", "normal")
"""Names that `make_prior` knows."""

PRIOR_WIDTH: Final = 0.25
"""Standard deviation of the normal prior, as a fraction of the range between the bounds."""

_PLACES: Final = 2000
"""Quantiles of the prior from which its variance is taken."""

_MARGIN: Final = 1e-9
"""Distance kept from the bounds: at some of them carbon is endless."""


@dataclass(frozen=True)
class Prior:
    """Independent priors of the parameters in the unit cube: uniform, or normal cut off at 0 and 1.

    Attributes
    ----------
    centre : tuple of float, one per parameter, 1
        Of the normal ones.
    sd : tuple of float, one per parameter, 1
        Before they are cut off; infinite where the prior is uniform.
    """

    centre: tuple[float, ...]
    sd: tuple[float, ...]

    @property
    def is_uniform(self) -> bool:
        """Whether all parameters have a uniform prior."""
        return bool(np.isinf(self.sd).all())

    @property
    def compiled(self) -> NDArray[np.float64]:
        """Centre and precision, shape (parameter, 2), as the compiled samplers take them."""
        return np.column_stack([self.centre, np.asarray(self.sd) ** -2.0])

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each parameter's place between its bounds, shape (parameter,)."""
        places = (np.arange(_PLACES) + 0.5) / _PLACES
        quantiles = self.from_probit(np.tile(ndtri(places)[:, np.newaxis], len(self.sd)))
        return np.where(self._is_normal, quantiles.var(axis=0), 1.0 / 12.0)

    def from_probit(self, probit: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Places between the bounds of probits, in which the prior is standard normal.

        :math:`u = F^{-1}(\Phi(z))`, with F the distribution function of the prior.

        Parameters
        ----------
        probit : ndarray, shape (..., parameter), 1

        Returns
        -------
        ndarray, shape (..., parameter), 0 to 1
        """
        below, within = self._shares()
        share = ndtr(probit)
        normal = self._centre + self._width * ndtri(below + within * share)
        return np.clip(np.where(self._is_normal, normal, share), _MARGIN, 1.0 - _MARGIN)

    def to_probit(self, unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probits of places between the bounds: the inverse of `from_probit`."""
        below, within = self._shares()
        share = (ndtr((unit - self._centre) / self._width) - below) / within
        return np.asarray(ndtri(np.where(self._is_normal, share, unit)))

    def slope(self, probit: NDArray[np.float64], unit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the derivative of `from_probit`, given its argument and its value."""
        _, within = self._shares()
        deviation = (unit - self._centre) / self._width
        normal = np.exp(0.5 * (deviation**2 - probit**2)) * within * self._width
        uniform = np.exp(-0.5 * probit**2) / np.sqrt(2.0 * np.pi)
        return np.where(self._is_normal, normal, uniform)

    def cost(self, unit: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Negative log density up to a constant, and its gradient.

        Parameters
        ----------
        unit : ndarray, shape (parameter,), 0 to 1
        """
        centre, precision = self.compiled.T
        pull = precision * (unit - centre)
        return 0.5 * float(pull @ (unit - centre)), pull

    def draw(self, generator: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw from the prior, shape (n, parameter), 0 to 1."""
        return self.from_probit(generator.standard_normal((n, len(self.sd))))

    def description(self) -> str:
        """Return the prior in words, for fingerprints and global attributes."""
        if self.is_uniform:
            return "uniform within the bounds"
        terms = (
            f"{name} {centre:.6g} +- {sd:.6g}"
            for name, centre, sd in zip(PARAMETER_NAMES, self.centre, self.sd, strict=True)
            if np.isfinite(sd)
        )
        return f"normal between the bounds (0 to 1): {', '.join(terms)}"

    @property
    def _is_normal(self) -> NDArray[np.bool_]:
        return np.isfinite(self.sd)

    @property
    def _centre(self) -> NDArray[np.float64]:
        return np.asarray(self.centre)

    @property
    def _width(self) -> NDArray[np.float64]:
        """Standard deviations; 1 where the prior is uniform."""
        return np.where(self._is_normal, self.sd, 1.0)

    def _shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares of the whole normal below 0 and between 0 and 1."""
        below = ndtr(-self._centre / self._width)
        return below, ndtr((1.0 - self._centre) / self._width) - below


UNIFORM_PRIOR: Final = Prior((0.5,) * len(PARAMETER_NAMES), (np.inf,) * len(PARAMETER_NAMES))
"""The published prior."""


def make_prior(
    name: str,
    width: float = PRIOR_WIDTH,
    given: Mapping[str, tuple[float, float]] | None = None,
) -> Prior:
    """Prior by name.

    Parameters
    ----------
    name : str
        One of `PRIORS`.
    width : float, 1
        Standard deviation of the normal prior as a fraction of the range.
    given : mapping of str to (float, float), optional
        Centre and standard deviation of single parameters, in the registry's units; these become
        normal whatever the name.

    Raises
    ------
    ConfigError
        If the prior or a parameter is unknown, a width is not above 0, or a centre is out of bounds.
    """
    if name not in PRIORS:
        raise ConfigError(f"unknown prior {name!r}; choose from {', '.join(PRIORS)}")
    if not width > 0.0:
        raise ConfigError(f"the width of the prior is {width:g}; it must be above 0")
    centre = np.clip(to_unit(clm5_defaults()), 0.0, 1.0)
    sd = np.full(centre.size, width if name == "normal" else np.inf)
    span = upper_bounds() - lower_bounds()
    for key, (its_centre, its_sd) in (given or {}).items():
        known = parameter(key)
        if not known.lower <= its_centre <= known.upper:
            raise ConfigError(
                f"the prior of {key} has its centre at {its_centre:g} {known.units}; "
                f"it must lie within the bounds {known.lower:g} to {known.upper:g}"
            )
        if not its_sd > 0.0:
            raise ConfigError(f"the prior of {key} has the width {its_sd:g}; it must be above 0")
        j = PARAMETER_NAMES.index(key)
        centre[j] = (its_centre - known.lower) / span[j]
        sd[j] = its_sd / span[j]
    return Prior(tuple(centre.tolist()), tuple(sd.tolist()))
