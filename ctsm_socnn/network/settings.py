"""Settings of a network, with all their defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.model.observation import BelowBedrock

__all__ = [
    "EncoderSettings",
    "InputSettings",
    "LossName",
    "NetworkSettings",
    "ParameterSettings",
    "default_settings",
    "profile_settings",
    "published_settings",
]

LossName = Literal["log", "sqrt", "mixed", "student", "published"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSettings(_Settings):
    """Inputs of the encoder, and their preparation.

    Attributes
    ----------
    covariates : tuple of str
        Names of covariates; empty means all in the sites file.
    categorical : tuple of str
        Shell patterns of covariates that are classes, with or without the prefix `cov_`;
        covariates with the attribute `categorical` = 1 are classes, too, unless this is empty.
    forcing_summaries : bool
        Add annual summaries of each site's forcing (temperature, scalars, inputs, bedrock).
    location : bool
        Add longitude and latitude. Maps then follow the pattern of the profiles, which helps
        between profiles and misleads far from them.
    rare_class : int
        Classes seen at fewer training sites than this share one class with unknown ones.
    scaling : {"standard", "minmax"}
    """

    covariates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = (
        "cov_*Land_Cover*",
        "cov_Texture_*",
        "cov_*Suborder*",
        "cov_*Subgroup*",
        "cov_Koppen*",
    )
    forcing_summaries: bool = True
    location: bool = False
    rare_class: int = Field(default=8, ge=1)
    scaling: Literal["standard", "minmax"] = "standard"


class EncoderSettings(_Settings):
    """Shape of the encoder.

    Attributes
    ----------
    name : str
        A module of `ctsm_socnn.network.encoders`.
    widths : tuple of int
        Units of the hidden layers (for `additive`: of each input's own network).
    activation : {"relu", "silu"}
        Activation of the hidden units. `silu`, x / (1 + exp(-x)), is smooth, which suits networks
        that learn from smooth teachers.
    dropout : float
        Dropout of hidden units.
    input_dropout : float
        Dropout of inputs; many covariates are nearly redundant.
    embedding : int
        Length of the embedding of a class.
    """

    name: str = "mlp"
    widths: tuple[int, ...] = (128, 128)
    activation: Literal["relu", "silu"] = "relu"
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    input_dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    embedding: int = Field(default=4, ge=1)


class ParameterSettings(_Settings):
    """Constraints on the parameters that the network predicts.

    Attributes
    ----------
    held : tuple of str
        Parameters kept at CLM5's value (moved inside the bounds), because the data do not
        constrain them. `tau_cwd` has no effect on soil carbon at steady state.
    tied : tuple of str
        Parameters that get one value for all sites, learned with the network.
    bounds : dict of str to (float, float)
        Narrower bounds than the registry's, in its units. An e-folding depth near 0 stops all
        decomposition at depth; one such member spoils an ensemble.
    prior_weight : float
        Weight of the penalty that pulls unit-cube values towards their centre.
    """

    held: tuple[str, ...] = ("tau_cwd",)
    tied: tuple[str, ...] = ()
    bounds: dict[str, tuple[float, float]] = {"efolding": (0.1, 1.0)}
    prior_weight: float = Field(default=1e-3, ge=0.0)


class NetworkSettings(_Settings):
    """All settings of a training.

    Attributes
    ----------
    preset : {"sound", "published"}
        For the two-step method: bounded outputs, posterior spread as weights and a loss that is a
        sum; or what Tao et al. published (unbounded outputs, a product of losses).
    members : int
        Networks in the ensemble, each with its own initial weights and validation locations.
    bootstrap : bool
        Give each member its own bootstrap sample of locations, drawn with replacement. The spread
        over members then also shows the influence of single profiles.
    validation_fraction : float
        Fraction of the training locations used for early stopping, by member; 0 trains on all of
        them for the given number of epochs.
    epochs, patience, batch_size : int
        `batch_size` 0 takes all sites at once.
    averaging : float
        Decay per epoch of the running average of weights; 0 turns averaging off.
    optimiser : {"adamw", "adadelta"}
    learning_rate, weight_decay : float
    largest_gradient : float or None
        Norm to which gradients are clipped; None, or `inf` in a configuration, turns clipping
        off.
    loss : {"log", "sqrt", "mixed", "student", "published"}
        Loss of the end-to-end method, see `ctsm_socnn.network.losses`.
    log_weight : float
        For the mixed loss: weight of the errors of logarithms relative to those of values.
    stock_weight : float
        For the end-to-end method: weight of the errors of 0-1 m stocks relative to those of layers.
    imagined_sites : int
        For the end-to-end method: sites to imagine for each training site, from which the network
        learns what teachers fitted to the profiles expect
        (`ctsm_socnn.network.imagined_sites`); 0 learns from the profiles themselves.
    most_imagined : int
        Approximate upper limit on imagined sites in total, which limits time and memory: with many
        training sites fewer are imagined for each, but at least one.
    refinement_steps : int
        For the end-to-end method with imagined sites, forcing summaries and the mixed loss:
        Gauss-Newton steps towards parameters with which the kernel reproduces what the teachers
        expect at a place (`ctsm_socnn.network.refinement`); 0 turns refinement off.
    below_bedrock : {"deepest", "drop"}
        Treatment of observations below bedrock, in training and in scoring.
    """

    preset: Literal["sound", "published"] = "sound"
    inputs: InputSettings = InputSettings()
    encoder: EncoderSettings = EncoderSettings()
    parameters: ParameterSettings = ParameterSettings()
    members: int = Field(default=5, ge=1)
    bootstrap: bool = False
    validation_fraction: float = Field(default=0.1, ge=0.0, lt=1.0)
    epochs: int = Field(default=600, ge=1)
    patience: int = Field(default=100, ge=1)
    batch_size: int = Field(default=0, ge=0)
    averaging: float = Field(default=0.98, ge=0.0, lt=1.0)
    optimiser: Literal["adamw", "adadelta"] = "adamw"
    learning_rate: float = Field(default=3e-3, gt=0.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    largest_gradient: float | None = Field(default=1.0, gt=0.0)
    loss: LossName = "mixed"
    log_weight: float = Field(default=1.0, ge=0.0)
    stock_weight: float = Field(default=0.3, ge=0.0)
    imagined_sites: int = Field(default=0, ge=0)
    most_imagined: int = Field(default=60_000, ge=1)
    refinement_steps: int = Field(default=0, ge=0)
    below_bedrock: BelowBedrock = "deepest"

    @property
    def refines(self) -> bool:
        """Whether parameters are refined where a model is applied."""
        return (
            self.refinement_steps > 0
            and self.imagined_sites > 0
            and self.inputs.forcing_summaries
            and self.loss == "mixed"
        )

    def imagined_per_site(self, n_sites: int) -> int:
        """Return how many sites to imagine for each of `n_sites` training sites."""
        if self.imagined_sites == 0:
            return 0
        return min(self.imagined_sites, max(1, self.most_imagined // n_sites))

    def with_changes(self, **changes: Any) -> NetworkSettings:
        """Return a copy with some settings changed, checked like new ones.

        Raises
        ------
        NetworkError
            Naming the setting that is wrong.
        """
        try:
            return NetworkSettings.model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise NetworkError(f"network setting {where}: {first['msg']}") from error


def default_settings(method: str) -> NetworkSettings:
    """Return the settings that suit a method.

    End to end, networks learn from imagined sites what teachers predict there, for a fixed number
    of epochs with averaged weights, starting at the best parameters shared by all sites. This has
    more skill than learning from the profiles themselves; early stopping on held-out locations has
    less than both (folds of 992 profiles, `docs/experiments.md`).
    """
    if method != "end-to-end":
        return NetworkSettings()
    return NetworkSettings(
        encoder=EncoderSettings(
            widths=(256, 256), activation="silu", dropout=0.05, input_dropout=0.0
        ),
        members=5,
        validation_fraction=0.0,
        epochs=32,
        batch_size=500,
        averaging=0.9,
        learning_rate=2e-3,
        log_weight=3.0,
        stock_weight=1.0,
        imagined_sites=16,
        refinement_steps=5,
    )


def profile_settings() -> NetworkSettings:
    """Return the end-to-end settings that suit learning from the profiles themselves."""
    return NetworkSettings(
        members=8, validation_fraction=0.0, epochs=150, patience=150, learning_rate=2e-3
    )


def published_settings() -> NetworkSettings:
    """Return the two-step network as published.

    256-512-512-256 ReLU units, min-max scaled inputs with classes as plain numbers, linear
    outputs, Adadelta at rate 1 without gradient clipping, batches of 32, at most 6,000 epochs with
    patience 1,200 (Tao et al. 2020, `ensemble_neural_networking`).
    """
    return NetworkSettings(
        preset="published",
        inputs=InputSettings(categorical=(), forcing_summaries=False, scaling="minmax"),
        encoder=EncoderSettings(widths=(256, 512, 512, 256), dropout=0.0, input_dropout=0.0),
        parameters=ParameterSettings(held=(), bounds={}, prior_weight=0.0),
        members=1,
        epochs=6000,
        patience=1200,
        batch_size=32,
        averaging=0.0,
        optimiser="adadelta",
        learning_rate=1.0,
        weight_decay=0.0,
        largest_gradient=None,
    )
