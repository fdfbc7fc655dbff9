"""Local refinement of parameters, towards the carbon that the teachers predict.

A network learns from teachers at imagined sites and differs a little from them in between. Where it
is applied, the teachers can be evaluated again: a few damped Gauss-Newton steps through the kernel,
with the forcing of the place, lead from the network's parameters to nearby ones whose carbon agrees
best with the teachers' (Levenberg 1944, Marquardt 1963). With the penalty on the distance from the
start this is optimal estimation (Rodgers 2000), or the assimilation of an expected profile. The
cost is the `mixed` loss with stocks that is used in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import expit, logit

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model import SOIL_GRID, Columns, jacobian, soil_carbon
from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.inputs import Inputs
from ctsm_socnn.network.losses import positive_variance
from ctsm_socnn.network.parameter_head import free_positions, unit_bounds
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.stocks import STOCK_DEPTH, depth_weights, observed_stocks
from ctsm_socnn.network.teachers import Expectation, Teachers
from ctsm_socnn.parameters import lower_bounds, to_physical, upper_bounds
from ctsm_socnn.schemas import FORCING_DIMENSIONS, without_forcing
from ctsm_socnn.validation.scores import LOG_FLOOR

__all__ = ["Refinement", "Scales"]

_DEPTHS: Final = 20
"""Number of depths of the expected profile: quantiles of the sampling depths."""
_PULL: Final = 2e-3
"""Weight of the squared distance from the start, in scores (logits of the share of each range)."""
_DAMPING: Final = 0.1
"""Of the first step, relative to the curvature; divided by 3 after a step that helped, multiplied
by 10 after one that did not."""
_LARGEST_STEP: Final = 2.0
_FARTHEST_SCORE: Final = 8.0

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scales:
    """Variances of the training observations, by which errors are divided.

    Attributes
    ----------
    value : float, (gC m-3)2
    log : float
    stock : float, (gC m-2)2
        Of stocks of 0-1 m.
    """

    value: float
    log: float
    stock: float

    @classmethod
    def of(cls, operator: ObservationOperator) -> Self:
        """Compute them from observations."""
        values = operator.values
        return cls(
            positive_variance(values),
            positive_variance(np.log(np.maximum(values, LOG_FLOOR))),
            positive_variance(observed_stocks(operator, values)),
        )


@dataclass(frozen=True, eq=False)
class Refinement:
    """Moves parameters towards agreement with teachers.

    Attributes
    ----------
    teachers : tuple of Teachers
        One, or one for each member of a bootstrap ensemble, whose predictions are averaged.
    depth : ndarray, shape (k,), m
        Depths, ascending, at which carbon is compared.
    scales : Scales
    """

    teachers: tuple[Teachers, ...]
    depth: Array
    scales: Scales

    @classmethod
    def fit(cls, teachers: tuple[Teachers, ...], operator: ObservationOperator) -> Self:
        """Take depths and scales from the training observations."""
        share = (np.arange(_DEPTHS) + 0.5) / _DEPTHS
        return cls(teachers, np.unique(np.quantile(operator.depth, share)), Scales.of(operator))

    def __call__(
        self, unit: Array, inputs: Inputs, places: xr.Dataset, settings: NetworkSettings
    ) -> Array:
        """Refine the parameters of places.

        Parameters
        ----------
        unit : ndarray, shape (n, 21), unit cube
            Start; NaN, where there are no parameters, remains NaN.
        inputs : Inputs
            Of the places, for the teachers.
        places : xarray.Dataset
            With their forcing; where it is missing, parameters are not changed.
        settings : NetworkSettings
            Determines the number of steps, the free parameters and the weights of errors.

        Returns
        -------
        ndarray, shape (n, 21), unit cube

        Raises
        ------
        NetworkError
            If the places have no forcing at all.
        """
        missing = [name for name in FORCING_DIMENSIONS if name not in places]
        if missing:
            raise NetworkError(
                "the model refines parameters through the kernel, but the dataset lacks "
                f"{', '.join(missing)}; add the forcing, or train with refinement_steps = 0"
            )
        rows = np.flatnonzero(np.isfinite(unit).all(axis=1) & ~without_forcing(places))
        refined = unit.copy()
        if rows.size:
            there = places.isel(site=rows)
            expected = self._expected(inputs.take(rows))
            search = _Search(there, expected, self, settings)
            refined[rows] = search.from_start(unit[rows], settings.refinement_steps)
        return refined

    def _expected(self, inputs: Inputs) -> Expectation:
        """Mean prediction of the teachers, each array of shape (n, k)."""
        shape = len(inputs), len(self.depth)
        site, depth = np.repeat(np.arange(shape[0]), shape[1]), np.tile(self.depth, shape[0])
        each = [teacher.expect(inputs, site, depth) for teacher in self.teachers]
        average = np.mean([e.average for e in each], axis=0)
        typical = np.exp(np.mean([np.log(e.typical) for e in each], axis=0))
        return Expectation(average.reshape(shape), typical.reshape(shape))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `from_arrays` needs to restore the refinement."""
        of_teachers = {
            f"teachers_{number}_{name}": array
            for number, teacher in enumerate(self.teachers)
            for name, array in teacher.arrays().items()
        }
        scales = np.array([self.scales.value, self.scales.log, self.scales.stock])
        count = np.array(len(self.teachers))
        return {"count": count, "depth": self.depth, "scales": scales, **of_teachers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a refinement from its `arrays`."""
        teachers = []
        for number in range(int(arrays["count"])):
            prefix = f"teachers_{number}_"
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            teachers.append(Teachers.from_arrays(own))
        return cls(tuple(teachers), arrays["depth"], Scales(*arrays["scales"].tolist()))


class _Search:
    """Damped Gauss-Newton steps at many independent places at once.

    In scores: logits of the share of each free parameter's range.
    """

    def __init__(
        self,
        places: xr.Dataset,
        expected: Expectation,
        refinement: Refinement,
        settings: NetworkSettings,
    ) -> None:
        n, k = expected.average.shape
        self._columns = Columns.from_sites(places)
        self._operator = _profiles_at(places, refinement.depth)
        self._expected = expected
        self._free = free_positions(settings.parameters)
        low, high = unit_bounds(settings.parameters)
        self._low, self._span = low[self._free], (high - low)[self._free]
        ranges = upper_bounds() - lower_bounds()
        self._per_share = self._span * ranges[self._free]
        scales = refinement.scales
        counted = np.ones((n, k))
        if settings.below_bedrock == "drop":
            bottom = SOIL_GRID.interface_depth[places["nbedrock"].values.astype(np.intp)]
            counted[refinement.depth >= bottom[:, np.newaxis]] = 0.0
        share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1.0)
        self._value_weight = np.sqrt(share / scales.value)
        self._log_weight = np.sqrt(settings.log_weight * share / scales.log)
        thickness = _thickness(refinement.depth, counted)
        self._stock_weight = np.sqrt(settings.stock_weight / scales.stock) * thickness

    def from_start(self, unit: Array, steps: int) -> Array:
        """Search from unit-cube parameters, shape (n, 21)."""
        share = (unit[:, self._free] - self._low) / self._span
        bound = expit(_FARTHEST_SCORE)
        start = logit(np.clip(share, 1.0 - bound, bound))
        scores, damping = start.copy(), np.full(len(unit), _DAMPING)
        current = self._unit(unit, scores)
        errors = self._errors(current)
        for _ in range(steps):
            step = self._step(current, errors, scores - start, damping)
            tried = np.clip(scores + step, -_FARTHEST_SCORE, _FARTHEST_SCORE)
            there = self._unit(unit, tried)
            errors_there = self._errors(there)
            better = _cost(errors_there, tried - start) < _cost(errors, scores - start)
            scores[better], current[better] = tried[better], there[better]
            errors[better] = errors_there[better]
            damping *= np.where(better, 1.0 / 3.0, 10.0)
        return current

    def _unit(self, unit: Array, scores: Array) -> Array:
        moved = unit.copy()
        moved[:, self._free] = self._low + self._span * expit(scores)
        return moved

    def _modelled(self, unit: Array) -> Array:
        """Carbon at the depths, shape (n, k)."""
        soc = soil_carbon(self._columns, to_physical(unit))
        return self._operator.apply(soc).reshape(self._expected.average.shape)

    def _errors(self, unit: Array) -> Array:
        """Weighted errors of values, of logarithms and of the stock, shape (n, 2 k + 1)."""
        modelled = self._modelled(unit)
        value = modelled - self._expected.average
        log = np.log(np.maximum(modelled, LOG_FLOOR)) - np.log(self._expected.typical)
        stock = np.sum(self._stock_weight * value, axis=1, keepdims=True)
        return np.column_stack([self._value_weight * value, self._log_weight * log, stock])

    def _slopes(self, unit: Array) -> Array:
        """Differentiate the errors with respect to scores, shape (n, 2 k + 1, free)."""
        n, k = self._expected.average.shape
        by_layer = jacobian(self._columns, to_physical(unit))[:, :, self._free]
        by_depth = np.asarray(self._operator.matrix @ by_layer.reshape(-1, len(self._free)))
        share = (unit[:, self._free] - self._low) / self._span
        by_score = self._per_share * share * (1.0 - share)
        slope = by_depth.reshape(n, k, -1) * by_score[:, np.newaxis]
        modelled = self._modelled(unit)
        acting = modelled > LOG_FLOOR
        of_log = np.where(acting, self._log_weight / np.maximum(modelled, LOG_FLOOR), 0.0)
        of_stock = np.sum(self._stock_weight[:, :, np.newaxis] * slope, axis=1, keepdims=True)
        return np.concatenate(
            [self._value_weight[:, :, None] * slope, of_log[:, :, None] * slope, of_stock], axis=1
        )

    def _step(self, unit: Array, errors: Array, moved: Array, damping: Array) -> Array:
        slopes = self._slopes(unit)
        across = slopes.transpose(0, 2, 1)
        gradient = (across @ errors[:, :, np.newaxis])[:, :, 0] + _PULL * moved
        curvature = across @ slopes
        diagonal = np.arange(len(self._free))
        curvature[:, diagonal, diagonal] += _PULL
        curvature[:, diagonal, diagonal] *= 1.0 + damping[:, np.newaxis]
        step = -np.linalg.solve(curvature, gradient[:, :, np.newaxis])[:, :, 0]
        return np.asarray(np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))


def _cost(errors: Array, moved: Array) -> Array:
    return np.asarray(np.sum(errors**2, axis=1) + _PULL * np.sum(moved**2, axis=1))


def _thickness(depth: Array, counted: Array) -> Array:
    """Weight (m) of each depth in the stock of each place, shape (n, k); 0 if not counted."""
    thickness = np.zeros_like(counted)
    depths_that_count = counted.sum(axis=1).astype(np.intp)
    for k in np.unique(depths_that_count[depths_that_count > 0]):
        thickness[depths_that_count == k, :k] = depth_weights(depth[:k], STOCK_DEPTH)
    return thickness


def _profiles_at(places: xr.Dataset, depth: Array) -> ObservationOperator:
    """Observe the depths at each place; below bedrock, the deepest layer above it."""
    shape = places.sizes["site"], len(depth)
    profile = {"soc": np.ones(shape), "soc_depth": np.broadcast_to(depth, shape)}
    dims = ("site", "obs")
    return ObservationOperator.from_sites(
        xr.Dataset(
            {name: (dims, values) for name, values in profile.items()}
            | {"nbedrock": ("site", places["nbedrock"].values)}
        )
    )
