"""A trained model: an ensemble of networks with everything needed to apply it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from ctsm_socnn.network.encoders import build_encoder
from ctsm_socnn.network.error_scale import ErrorScale
from ctsm_socnn.network.extrapolation import TrainingDomain
from ctsm_socnn.network.inputs import Inputs, InputTransform
from ctsm_socnn.network.parameter_head import BoundedHead, ClippedHead, predicted_parameters
from ctsm_socnn.network.refinement import Refinement
from ctsm_socnn.network.settings import NetworkSettings
from ctsm_socnn.network.training import ParameterNetwork, one_torch_thread
from ctsm_socnn.parameters import PARAMETER_NAMES, to_physical

__all__ = ["METHODS", "Model", "Prediction", "build_network"]

METHODS: Final = ("two-step", "end-to-end")
_SMALLEST: Final = 1e-12


def build_network(
    transform: InputTransform,
    settings: NetworkSettings,
    start: NDArray[np.float64] | None = None,
) -> ParameterNetwork:
    """Build a network with fresh weights: a single-precision encoder and a double-precision head.

    Parameters
    ----------
    transform : InputTransform
        Determines the number of inputs.
    settings : NetworkSettings
    start : ndarray, shape (21,), 1, optional
        Unit-cube parameters around which a bounded network starts.
    """
    head = (
        ClippedHead(settings.parameters)
        if settings.preset == "published"
        else BoundedHead(settings.parameters, start)
    )
    encoder = build_encoder(
        len(transform.numeric),
        transform.class_counts,
        len(predicted_parameters(settings.parameters)),
        settings.encoder,
    )
    return ParameterNetwork(encoder, head)


class Prediction(NamedTuple):
    """Predicted parameters of some places.

    Attributes
    ----------
    members : ndarray, shape (member, n, 21), unit cube
        Of each network; NaN where more than half of the inputs are missing.
    centre : ndarray, shape (n, 21), in the registry's units
        Of the ensemble: relaxed to shared parameters where a place is unlike the training sites,
        and refined if the model has a refinement.
    """

    members: NDArray[np.float64]
    centre: NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """An ensemble that maps covariates to the 21 parameters.

    Attributes
    ----------
    method : {"two-step", "end-to-end"}
    settings : NetworkSettings
    transform : InputTransform
        Fitted on the training sites.
    domain : TrainingDomain
        Region of covariate space covered by training.
    members : tuple of ParameterNetwork
    seed : int
    training : mapping
        Training record: site ids, counts of exclusions, epochs, scores.
    intervals : mapping of str to ErrorScale
        By quantity, `soc` or the name of a stock; empty if the model was not calibrated.
    refinement : Refinement, optional
        Refines the centre's parameters where the model is applied.
    """

    method: str
    settings: NetworkSettings
    transform: InputTransform
    domain: TrainingDomain
    members: tuple[ParameterNetwork, ...]
    seed: int
    training: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, ErrorScale] = field(default_factory=dict)
    refinement: Refinement | None = None

    def predict_sites(self, sites: xr.Dataset) -> NDArray[np.float64]:
        """Parameters of the ensemble's centre.

        Parameters
        ----------
        sites : xarray.Dataset
            With the model's covariates (site,), and the forcing if `transform.needs_forcing` or
            the model refines.

        Returns
        -------
        ndarray, shape (site, 21), in the registry's units
            NaN where more than half of the inputs are missing.

        Raises
        ------
        NetworkError
            Naming the covariates that are missing.
        """
        return self.predict(self.transform(sites), sites).centre

    def predict(
        self,
        inputs: Inputs,
        places: xr.Dataset,
        distance: NDArray[np.float64] | None = None,
    ) -> Prediction:
        """Predict parameters of places, of each member and of the ensemble's centre.

        Parameters
        ----------
        inputs : Inputs
            Of the places.
        places : xarray.Dataset
            Sites or cells, with the forcing if the model refines.
        distance : ndarray, shape (n,), optional
            `domain.distance(inputs)`, if already computed.

        Raises
        ------
        NetworkError
            If the model refines and the places have no forcing.
        """
        members = self._members(inputs, None)
        nearness = self.nearness(self.domain.distance(inputs) if distance is None else distance)
        all_near = nearness is None or bool((nearness == 1.0).all())
        centre = self.centre(members if all_near else self._members(inputs, nearness))
        if self.refinement is not None:
            centre = self.refinement(centre, inputs, places, self.settings)
        return Prediction(members, to_physical(centre))

    def _members(self, inputs: Inputs, nearness: Tensor | None) -> NDArray[np.float64]:
        # Most cells of a map may lie in the sea.
        rows = np.flatnonzero(inputs.usable)
        values = np.full((len(self.members), len(inputs), len(PARAMETER_NAMES)), np.nan)
        if rows.size == 0:
            return values
        known = inputs.take(rows)
        near = None if nearness is None else nearness[torch.from_numpy(rows)]
        # On one thread, because the order of summation changes the last digits.
        with torch.no_grad(), one_torch_thread():
            predicted = self.member_values(torch.from_numpy(known.numeric), known, near)
        values[:, rows] = predicted.numpy()
        return values

    def member_values(self, numeric: Tensor, inputs: Inputs, nearness: Tensor | None) -> Tensor:
        """Unit-cube parameters of each member, shape (member, n, 21), with the graph of `numeric`.

        Also of unusable rows. In double precision, so that the parameters of a cell do not depend
        on the other cells of its block.

        Parameters
        ----------
        numeric : Tensor, shape (n, numeric inputs)
            Numeric part of `inputs`, with respect to which gradients may be required.
        inputs : Inputs
        nearness : Tensor, shape (n,), or None
            Weight of the scores; None stands for 1.
        """
        classes = torch.from_numpy(inputs.classes)
        members: list[ParameterNetwork] = [deepcopy(m).double().eval() for m in self.members]
        return torch.stack([member(numeric, classes, nearness) for member in members])

    def nearness(self, distance: NDArray[np.float64]) -> Tensor | None:
        """Weight of the scores, shape (n,), which falls with the distance from the training sites.

        Far outside the training domain, networks may predict parameters with which a desert holds
        more carbon than a bog. There the centre relaxes to the parameters shared by all sites; the
        members do not, so that their spread grows with the distance. None for the published preset,
        whose outputs have no such centre.
        """
        if self.settings.preset == "published":
            return None
        return torch.from_numpy(self.domain.nearness(distance))

    @staticmethod
    def centre(members: NDArray[np.float64]) -> NDArray[np.float64]:
        """Geometric mean over members (axis 0) of unit-cube parameters.

        A single member with a turnover time near its bound hardly moves a geometric mean, but could
        ruin an arithmetic mean of the carbon that follows from it.
        """
        return np.asarray(np.exp(np.log(np.maximum(members, _SMALLEST)).mean(axis=0)))
