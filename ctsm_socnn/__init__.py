"""Soil-carbon parameters for CTSM/CLM5 from soil profiles.

    import ctsm_socnn as cs

    climatology = cs.read_climatology(cs.find_history(["run/*.clm2.h0a.*.nc"]))
    profiles = cs.read_profiles("layers.csv", columns={"oc": "orgc [g/kg]", ...})
    sites, left_out = cs.build_sites(climatology, profiles, cs.open_covariates("covariates.nc"))
    fitted = cs.one_batch(sites)

The names below, and the rooms of the package (`cs.assimilation`, `cs.network`, ...), are imported
when they are first used, so that the import itself takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from ctsm_socnn.errors import SocnnError
from ctsm_socnn.library_order import load_netcdf4_apart

if TYPE_CHECKING:
    from ctsm_socnn.assimilation import merge_posteriors as merge_posteriors
    from ctsm_socnn.assimilation import random_sampling as random_sampling
    from ctsm_socnn.assimilation.one_batch import one_batch as one_batch
    from ctsm_socnn.assimilation.site_by_site import site_by_site as site_by_site
    from ctsm_socnn.config import load_config as load_config
    from ctsm_socnn.demo import make_twin_world as make_twin_world
    from ctsm_socnn.export import StockCase as StockCase
    from ctsm_socnn.export import write_gridded_parameters as write_gridded_parameters
    from ctsm_socnn.export import write_paramfile as write_paramfile
    from ctsm_socnn.export import write_usermods as write_usermods
    from ctsm_socnn.forcing import find_history as find_history
    from ctsm_socnn.forcing import open_climatology as open_climatology
    from ctsm_socnn.forcing import read_climatology as read_climatology
    from ctsm_socnn.model import SOIL_GRID as SOIL_GRID
    from ctsm_socnn.model import Columns as Columns
    from ctsm_socnn.model import steady_state as steady_state
    from ctsm_socnn.model import steady_state_vjp as steady_state_vjp
    from ctsm_socnn.model.observation import ObservationOperator as ObservationOperator
    from ctsm_socnn.netcdf import write_dataset as write_dataset
    from ctsm_socnn.network import cross_validate as cross_validate
    from ctsm_socnn.network import load_model as load_model
    from ctsm_socnn.network import predict_maps as predict_maps
    from ctsm_socnn.network import save_model as save_model
    from ctsm_socnn.network import score_model as score_model
    from ctsm_socnn.network import train as train
    from ctsm_socnn.observations import build_sites as build_sites
    from ctsm_socnn.observations import merge_profiles as merge_profiles
    from ctsm_socnn.observations import open_covariates as open_covariates
    from ctsm_socnn.observations import read_profiles as read_profiles
    from ctsm_socnn.parameters import PARAMETER_NAMES as PARAMETER_NAMES
    from ctsm_socnn.parameters import PARAMETERS as PARAMETERS
    from ctsm_socnn.parameters import clm5_defaults as clm5_defaults
    from ctsm_socnn.pipeline import build_params as build_params
    from ctsm_socnn.regrid.grids import read_grid as read_grid
    from ctsm_socnn.regrid.maps import regrid_maps as regrid_maps
    from ctsm_socnn.schemas import open_file as open_file
    from ctsm_socnn.schemas import open_sites as open_sites
    from ctsm_socnn.validation import scores as scores

    __version__: str

API: Final = {
    "forcing": ("find_history", "read_climatology", "open_climatology"),
    "observations": ("read_profiles", "merge_profiles", "open_covariates", "build_sites"),
    "schemas": ("open_sites", "open_file"),
    "netcdf": ("write_dataset",),
    "assimilation": ("one_batch", "site_by_site", "merge_posteriors", "random_sampling"),
    "network": (
        "train",
        "cross_validate",
        "score_model",
        "save_model",
        "load_model",
        "predict_maps",
    ),
    "regrid.grids": ("read_grid",),
    "regrid.maps": ("regrid_maps",),
    "export": ("StockCase", "write_usermods", "write_paramfile", "write_gridded_parameters"),
    "validation": ("scores",),
    "parameters": ("PARAMETERS", "PARAMETER_NAMES", "clm5_defaults"),
    "model": ("SOIL_GRID", "Columns", "steady_state", "steady_state_vjp"),
    "model.observation": ("ObservationOperator",),
    "config": ("load_config",),
    "pipeline": ("build_params",),
    "demo": ("make_twin_world",),
}
"""Module -> names that it gives to `ctsm_socnn`, in the order of the documentation."""

_HOME: Final = {name: module for module, names in API.items() for name in names}

__all__ = ["SocnnError", "__version__", *_HOME]

load_netcdf4_apart()

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is asked for: a name of `API`, a room, the version, or the kernel."""
        load_netcdf4_apart()
        if name == "__version__":
            from ctsm_socnn.provenance import package_version

            value = package_version()
        elif name == "_kernel":
            from ctsm_socnn.processor import load_kernel

            value = load_kernel()
        elif name in _HOME:
            value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        elif name in {module.partition(".")[0] for module in API}:
            return import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
