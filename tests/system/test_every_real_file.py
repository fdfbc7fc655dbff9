"""Every history and grid file at hand opens, or fails with the reason, as what it may be taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctsm_socnn.errors import SocnnError
from ctsm_socnn.forcing import read_climatology
from ctsm_socnn.regrid.backends import make_weights
from ctsm_socnn.regrid.grids import cesm_grid, read_grid
from ctsm_socnn.regrid.weights import Method

pytestmark = pytest.mark.real_data

NO_TIME = "has no variable time: it is not a CLM history file"
NO_BOUNDS = "has no time_bounds"
NO_EDGES = "the edges of its cells are not in the file"

FILES = {
    "clm_history/clm40_10x15.clm2.h0.nc": (456, "", "months 1, 2, .* do not occur"),
    "clm_history/clm51_ppe_250cells_annual.nc": ("holds no grid", "", NO_TIME),
    "grids/domain_1x1.nc": (1, "", NO_TIME),
    "grids/domain_82x1_sparse_grid_c150604.nc": ("corners of 79 of 82 cells", "", NO_TIME),
    "grids/scrip_T42.nc": (8192, "", NO_TIME),
    "grids/surfdata_1x1.nc": (1, NO_EDGES, NO_BOUNDS),
    "grids/surfdata_82x1_sparse_grid_c150604.nc": (82, NO_EDGES, NO_BOUNDS),
    "ctsm_run/mesh.nc": (9, "", NO_TIME),
    "ctsm_run/surfdata.nc": (9, NO_EDGES, NO_BOUNDS),
    "ctsm_run/lndgrid/surfdata_1d.nc": (9, NO_EDGES, NO_BOUNDS),
    "ctsm_run/lndgrid/un0.clm2.h0a.2000-01.nc": (9, NO_EDGES, "months 2, 3, .* do not occur"),
    "ctsm_run/lndgrid/un0.clm2.h0a.2000-02.nc": (9, NO_EDGES, "months 1, 3, .* do not occur"),
}
"""File -> its cells or why it is no grid; why conservative weights fail; why it is no history."""


def test_every_file_is_here(shared_data: Path) -> None:
    data = shared_data / "data"
    folders = ("clm_history", "grids", "ctsm_run/lndgrid")
    found = {str(p.relative_to(data)) for name in folders for p in (data / name).glob("*.nc")}
    assert found <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_as_a_grid(shared_data: Path, name: str) -> None:
    cells, no_weights, _ = FILES[name]
    path = shared_data / "data" / name
    if isinstance(cells, str):
        with pytest.raises(SocnnError, match=cells):
            read_grid(path)
        return
    grid, source = read_grid(path), cesm_grid("f45")
    assert grid.size == cells
    assert make_weights(source, grid, Method.NEAREST, backend="own").matrix.shape == (cells, 3312)
    if no_weights:
        with pytest.raises(SocnnError, match=no_weights):
            make_weights(source, grid, backend="own")
    else:
        assert make_weights(source, grid, backend="own").reached(0.01).any()


@pytest.mark.parametrize("name", FILES)
def test_as_history(shared_data: Path, name: str) -> None:
    with pytest.raises(SocnnError, match=FILES[name][2]):
        read_climatology([shared_data / "data" / name])
