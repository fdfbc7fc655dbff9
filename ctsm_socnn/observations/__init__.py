"""From soil profiles and covariates to sites."""

from ctsm_socnn.observations.build import build_sites, screen_sites
from ctsm_socnn.observations.covariates import covariates_at, open_covariates
from ctsm_socnn.observations.pedotransfer import PEDOTRANSFER
from ctsm_socnn.observations.profiles import merge_profiles, profiles_from_sites
from ctsm_socnn.observations.readers import FORMATS, read_profiles

__all__ = [
    "FORMATS",
    "PEDOTRANSFER",
    "build_sites",
    "covariates_at",
    "merge_profiles",
    "open_covariates",
    "profiles_from_sites",
    "read_profiles",
    "screen_sites",
]
