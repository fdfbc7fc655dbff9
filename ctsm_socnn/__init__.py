"""Soil-carbon parameters for CTSM/CLM5 from soil profiles."""

from typing import TYPE_CHECKING

from ctsm_socnn.errors import SocnnError
from ctsm_socnn.provenance import package_version

__all__ = ["SocnnError", "__version__"]

__version__ = package_version()

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Give the best build of the kernel as `_kernel`, when it is first asked for."""
        if name != "_kernel":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ctsm_socnn.processor import load_kernel

        globals()[name] = load_kernel()
        return globals()[name]
