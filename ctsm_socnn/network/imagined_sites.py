"""Imagined sites to learn from, with the soil carbon that teachers expect there.

A thousand profiles are few for a network, and each varies for many reasons that covariates do not
include. Teachers fitted to the profiles predict the expected carbon at and between them: an
imagined site has the forcing and the depths of a training site, and covariates mixed from those of
this site and of a similar one. The network learns to reproduce these predictions through the
kernel, as far as the kernel can (distillation, Hinton et al. 2015, with mixed inputs, Zhang et al.
2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from ctsm_socnn.model.observation import ObservationOperator
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.teachers import Teachers, likeness_features

__all__ = ["ImaginedSites", "imagined_sites"]

_NEIGHBOURS: Final = 200
"""The other site is drawn from this many nearest ones in covariate space."""
_MOST_MIXED: Final = 1.0
"""Largest share of covariates that are taken from it; each imagined site draws its own share."""
_OF_PLACE: Final = ("forcing_", "lon", "lat")
"""Inputs that belong to the place whose forcing is used, and are not mixed."""


@dataclass(frozen=True, eq=False)
class ImaginedSites:
    """Imagined sites, and the carbon that teachers predict there.

    Attributes
    ----------
    inputs : Inputs
        Of n imagined sites.
    site : ndarray of int, shape (n,)
        Training site whose forcing each has.
    operator : ObservationOperator
        Of the imagined sites; `values` are the mean carbon, shape (m,), gC m-3.
    typical : ndarray, shape (m,), gC m-3
        Typical (median) carbon, for errors of logarithms.
    """

    inputs: Inputs
    site: NDArray[np.intp]
    operator: ObservationOperator
    typical: NDArray[np.float64]


def imagined_sites(
    teachers: Teachers,
    inputs: Inputs,
    transform: InputTransform,
    operator: ObservationOperator,
    per_site: int,
    seed: int,
) -> ImaginedSites:
    """Create imagined sites that resemble the training sites.

    Parameters
    ----------
    teachers : Teachers
    inputs : Inputs
        Of the training sites.
    transform : InputTransform
        Describes the inputs.
    operator : ObservationOperator
        Observations of the training sites.
    per_site : int
        Imagined sites for each training site.
    seed : int
    """
    generator = np.random.default_rng(seed)
    nearest = _most_alike(inputs, transform)
    mixtures = [_mixed(inputs, nearest, transform, generator) for _ in range(per_site)]
    expected = [teachers.expect(each, operator.site, operator.depth) for each in mixtures]
    values = np.concatenate([each.average for each in expected])
    return ImaginedSites(
        inputs=_joined(mixtures),
        site=np.tile(np.arange(len(inputs)), per_site),
        operator=replace(_repeated(operator, per_site), values=values),
        typical=np.concatenate([each.typical for each in expected]),
    )


def _joined(parts: list[Inputs]) -> Inputs:
    return Inputs(
        np.concatenate([part.numeric for part in parts]),
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.usable for part in parts]),
    )


def _most_alike(inputs: Inputs, transform: InputTransform) -> NDArray[np.intp]:
    """Rows of the sites nearest in numeric inputs or, without any, in classes, shape (n, any)."""
    n, points = len(inputs), inputs.numeric
    if not transform.numeric:
        points = likeness_features(inputs, transform.class_counts)
    _, found = cKDTree(points).query(points, min(n, _NEIGHBOURS + 1))
    return np.reshape(found, (n, -1))


def _mixed(
    inputs: Inputs,
    nearest: NDArray[np.intp],
    transform: InputTransform,
    generator: np.random.Generator,
) -> Inputs:
    """Training sites, each with some covariates of one of its `nearest`."""
    n = len(inputs)
    other = nearest[np.arange(n), generator.integers(0, nearest.shape[1], n)]
    share = generator.uniform(0.0, _MOST_MIXED, (n, 1))
    of_place = np.array([item.name.startswith(_OF_PLACE) for item in transform.numeric], dtype=bool)
    taken = (generator.random(inputs.numeric.shape) < share) & ~of_place
    taken_classes = generator.random(inputs.classes.shape) < share
    return Inputs(
        np.where(taken, inputs.numeric[other], inputs.numeric),
        np.where(taken_classes, inputs.classes[other], inputs.classes),
        inputs.usable,
    )


def _repeated(operator: ObservationOperator, times: int) -> ObservationOperator:
    """Observe `times` copies of all sites, one after another."""
    first = np.repeat(np.arange(times), len(operator.values)) * operator.n_sites
    return ObservationOperator(
        site=np.tile(operator.site, times) + first,
        obs=np.tile(operator.obs, times),
        values=np.tile(operator.values, times),
        depth=np.tile(operator.depth, times),
        matrix=sparse.csr_array(sparse.block_diag([operator.matrix] * times, format="csr")),
        excluded=operator.excluded,
    )
