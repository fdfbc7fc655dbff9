"""Soil-carbon parameters for CTSM/CLM5 from soil profiles."""

from ctsm_socnn.errors import SocnnError
from ctsm_socnn.provenance import package_version

__all__ = ["SocnnError", "__version__"]

__version__ = package_version()
