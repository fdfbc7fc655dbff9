"""From parameters to what a CTSM case reads: paramfiles, maps, usermods directories."""

from ctsm_socnn.export.delivery import Delivery
from ctsm_socnn.export.estimates import Estimate
from ctsm_socnn.export.gridded import GriddedDelivery, write_gridded_parameters
from ctsm_socnn.export.paramfile import write_paramfile
from ctsm_socnn.export.stock_case import StockCase
from ctsm_socnn.export.usermods import Usermods, write_usermods

__all__ = [
    "Delivery",
    "Estimate",
    "GriddedDelivery",
    "StockCase",
    "Usermods",
    "write_gridded_parameters",
    "write_paramfile",
    "write_usermods",
]
