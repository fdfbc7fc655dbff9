"""One line of a verification: the error of the kernel in a block of reference values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Block", "largest_by_name", "profile_error", "relative_error"]

_FLOOR: Final = 1e-12
"""Below this share of the profile's maximum, values are compared with that share."""


@dataclass(frozen=True)
class Block:
    """Largest error of a block of numbers.

    Attributes
    ----------
    name : str
    error : float
        NaN, or infinite, where the kernel gave a value that is not finite.
    limit : float
    """

    name: str
    error: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the limit."""
        return math.isfinite(self.error) and self.error <= self.limit


def largest_by_name(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield, of the blocks of one name, that with the largest error; NaN counts as largest."""
    largest: dict[str, Block] = {}
    for block in blocks:
        known = largest.get(block.name)
        if known is None or not block.error <= known.error:
            largest[block.name] = block
    yield from largest.values()


def profile_error(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Largest difference, as a share of the largest reference value along the last axis."""
    largest = np.abs(reference).max(axis=-1, keepdims=True)
    return _largest_ratio(values - reference, np.broadcast_to(largest, reference.shape))


def relative_error(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Largest relative difference, with a floor of 1e-12 of the maximum along the last axis."""
    largest = np.abs(reference).max(axis=-1, keepdims=True)
    return _largest_ratio(values - reference, np.maximum(np.abs(reference), _FLOOR * largest))


def _largest_ratio(difference: NDArray[np.float64], scale: NDArray[np.float64]) -> float:
    """Largest |difference| / scale, where 0 / 0 counts as no difference."""
    size = np.abs(difference)
    compared = (scale > 0.0) | (size != 0.0)
    if not compared.any():
        return 0.0
    with np.errstate(divide="ignore"):
        return float(np.max(size[compared] / scale[compared]))
