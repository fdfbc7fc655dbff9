"""Covariates to parameters: networks trained on site posteriors or through the kernel."""

from ctsm_socnn.network.calibration import calibrate
from ctsm_socnn.network.cross_validation import cross_validate, train
from ctsm_socnn.network.end_to_end import train_end_to_end
from ctsm_socnn.network.map_files import MapSummary, write_maps
from ctsm_socnn.network.model import METHODS, Model
from ctsm_socnn.network.model_directory import load_model, save_model
from ctsm_socnn.network.prediction import predict_maps
from ctsm_socnn.network.scoring import score_model, score_parameters
from ctsm_socnn.network.settings import (
    NetworkSettings,
    default_settings,
    profile_settings,
    published_settings,
)
from ctsm_socnn.network.two_step import train_two_step

__all__ = [
    "METHODS",
    "MapSummary",
    "Model",
    "NetworkSettings",
    "calibrate",
    "cross_validate",
    "default_settings",
    "load_model",
    "predict_maps",
    "profile_settings",
    "published_settings",
    "save_model",
    "score_model",
    "score_parameters",
    "train",
    "train_end_to_end",
    "train_two_step",
    "write_maps",
]
